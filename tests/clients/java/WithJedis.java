import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import redis.clients.jedis.AbstractTransaction;
import redis.clients.jedis.DefaultJedisClientConfig;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.JedisPubSub;
import redis.clients.jedis.Pipeline;
import redis.clients.jedis.RedisClient;
import redis.clients.jedis.RedisProtocol;
import redis.clients.jedis.Response;
import redis.clients.jedis.ScanIteration;
import redis.clients.jedis.StreamEntryID;
import redis.clients.jedis.Transaction;
import redis.clients.jedis.csc.CacheConfig;
import redis.clients.jedis.csc.CacheStats;
import redis.clients.jedis.params.ScanParams;
import redis.clients.jedis.params.XAddParams;
import redis.clients.jedis.params.XReadParams;
import redis.clients.jedis.resps.ScanResult;
import redis.clients.jedis.resps.Tuple;

/**
 * What a program with Jedis does at a replica, in RESP2 and RESP3: WithJedis MASTER_PORT REPLICA_PORT.
 */
final class WithJedis {
  private final Jedis master;
  private final HostAndPort address;
  private final RedisProtocol protocol;

  private WithJedis(Jedis master, HostAndPort address, RedisProtocol protocol) {
    this.master = master;
    this.address = address;
    this.protocol = protocol;
  }

  private DefaultJedisClientConfig.Builder config() {
    return DefaultJedisClientConfig.builder().protocol(protocol).clientName("probe");
  }

  private RedisClient open() {
    return RedisClient.builder().hostAndPort(address).clientConfig(config().build()).build();
  }

  /** The replica says that it has applied all that this connection wrote. */
  private void settled() {
    Shared.same(1L, master.waitReplicas(1, 30_000));
  }

  private void fill() {
    master.flushAll();
    Pipeline pipe = master.pipelined();
    pipe.set("text", "value");
    pipe.set("number", "7");
    pipe.hset("hash", Map.of("one", "1", "two", "2"));
    pipe.rpush("list", "1", "2", "3");
    pipe.sadd("set", "a", "b", "c");
    pipe.xadd("stream", Map.of("field", "value"), XAddParams.xAddParams().id("1-1"));
    for (int n = 0; n < 300; n++) {
      pipe.set("many:" + n, "" + n);
      pipe.hset("big", "f" + n, "" + n);
      pipe.zadd("zset", n / 2.0, "m" + n);
    }
    pipe.sync();
    settled();
  }

  private void reads(RedisClient replica) {
    Shared.same("PONG", replica.ping());
    Shared.same("value", replica.get("text"));
    Shared.same(null, replica.get("missing"));
    Shared.same("7", replica.mget("text", "missing", "number").get(2));
    Shared.same(Map.of("one", "1", "two", "2"), replica.hgetAll("hash"));
    Shared.same(List.of("1", "2", "3"), replica.lrange("list", 0, -1));
    Shared.same(Set.of("a", "b", "c"), replica.smembers("set"));
    Shared.same(List.of(new Tuple("m0", 0.0), new Tuple("m1", 0.5)), replica.zrangeWithScores("zset", 0, 1));
    Shared.same(1.5, replica.zscore("zset", "m3"));
    Shared.same(Map.of("field", "value"), replica.xrange("stream", "-", "+").get(0).getFields());
    Shared.same("zset", replica.type("zset"));
    Shared.same(-1L, replica.ttl("text"));
    Shared.holds(replica.info("replication").contains("role:slave"), replica.info("replication"));
  }

  private void iterators(RedisClient replica) {
    Set<String> keys = new HashSet<>();
    for (ScanIteration all = replica.scanIteration(20, "many:*"); !all.isIterationCompleted(); ) {
      keys.addAll(all.nextBatchList());
    }
    Shared.same(300, keys.size());
    Map<String, String> fields = new HashMap<>();
    String cursor = ScanParams.SCAN_POINTER_START;
    do {
      ScanResult<Map.Entry<String, String>> some = replica.hscan("big", cursor, new ScanParams().count(20));
      some.getResult().forEach(field -> fields.put(field.getKey(), field.getValue()));
      cursor = some.getCursor();
    } while (!cursor.equals(ScanParams.SCAN_POINTER_START));
    Shared.same(300, fields.size());
    Shared.same(3, replica.sscan("set", "0").getResult().size());
    Shared.same(List.of(new Tuple("m299", 149.5)), replica.zscan("zset", "0", new ScanParams().match("m299").count(1000)).getResult());
  }

  private void batches(RedisClient replica) {
    try (Pipeline pipe = replica.pipelined()) {
      Response<String> first = pipe.get("many:0");
      Response<String> last = first;
      for (int n = 0; n < 300; n++) last = pipe.get("many:" + n);
      Response<String> refused = pipe.set("text", "other");
      Response<String> after = pipe.get("text");
      pipe.sync();
      Shared.same("0", first.get());
      Shared.same("299", last.get());
      Shared.fails("READONLY", refused::get);
      Shared.same("value", after.get());
    }
    try (AbstractTransaction transaction = replica.multi()) {
      transaction.get("text");
      transaction.hlen("hash");
      Shared.same(List.of("value", 2L), transaction.exec());
    }
    Shared.fails("READONLY You can't write against a read only replica.", () -> replica.set("text", "other"));
    Shared.fails("READONLY", () -> replica.lpop("text"));
    try (AbstractTransaction transaction = replica.multi()) {
      transaction.get("text");
      transaction.set("text", "other");
      Shared.fails("EXECABORT", transaction::exec);
    }
    // What replication writes is noticed by WATCH.
    try (Jedis one = new Jedis(address, config().build())) {
      Shared.same("slave", one.role().get(0));
      Shared.same("probe", one.clientGetname());
      one.watch("watched");
      master.set("watched", "1");
      settled();
      Transaction transaction = one.multi();
      transaction.get("watched");
      Shared.same(null, transaction.exec());
    }
  }

  private void scripts(RedisClient replica) {
    Shared.same("value", replica.evalReadonly("return redis.call('GET', KEYS[1])", List.of("text"), List.of()));
    Shared.same(List.of(3L, "told"), replica.eval("return {redis.call('LLEN', KEYS[1]), ARGV[1]}", 1, "list", "told"));
    Shared.fails("READONLY", () -> replica.eval("return redis.call('SET', KEYS[1], 1)", 1, "text"));
  }

  private void messages(RedisClient replica) throws InterruptedException {
    Shared.Mailbox box = new Shared.Mailbox();
    JedisPubSub pubSub =
        new JedisPubSub() {
          @Override
          public void onMessage(String channel, String message) {
            box.put("message", channel, message);
          }

          @Override
          public void onPMessage(String pattern, String channel, String message) {
            box.put("pmessage", pattern, channel, message);
          }

          @Override
          public void onSubscribe(String channel, int count) {
            box.put("subscribed", channel, "" + count);
          }

          @Override
          public void onPSubscribe(String pattern, int count) {
            box.put("psubscribed", pattern, "" + count);
          }
        };
    Thread listener = new Thread(() -> replica.subscribe(pubSub, "news"));
    listener.start();
    box.next("subscribed news 1");
    pubSub.psubscribe("n*s");
    box.next("psubscribed n*s 2");
    master.publish("news", "hello");
    box.next("message news hello");
    box.next("pmessage n*s news hello");
    Shared.same("OK", replica.configSet("notify-keyspace-events", "Kg$"));
    pubSub.subscribe("__keyspace@0__:event");
    box.next("subscribed __keyspace@0__:event 3");
    master.set("event", "1");
    box.next("message __keyspace@0__:event set");
    Shared.same("OK", replica.configSet("notify-keyspace-events", ""));
    pubSub.unsubscribe();
    pubSub.punsubscribe();
    listener.join(30_000);
    Shared.holds(!listener.isAlive(), "a listener that has nothing to listen to");
  }

  private void waiting(RedisClient replica) throws InterruptedException {
    Shared.Mailbox box = new Shared.Mailbox();
    Thread reader =
        new Thread(
            () -> {
              var came = replica.xread(XReadParams.xReadParams().block(0), Map.of("stream", StreamEntryID.XREAD_NEW_ENTRY));
              box.put("" + came.get(0).getValue().get(0).getFields());
            });
    reader.start();
    Shared.until("a blocked client", () -> replica.info("clients").contains("blocked_clients:1\r"));
    master.xadd("stream", Map.of("more", "told"), XAddParams.xAddParams().id("2-1"));
    box.next("{more=told}");
    reader.join();
  }

  /** Reads that Jedis answers by itself, until it is told that the master wrote. */
  private void cached() throws InterruptedException {
    try (RedisClient client =
        RedisClient.builder().hostAndPort(address).clientConfig(config().build()).cacheConfig(CacheConfig.builder().maxSize(100).build()).build()) {
      for (int turn = 0; turn < 3; turn++) Shared.same("value", client.get("text"));
      Shared.same(Map.of("one", "1", "two", "2"), client.hgetAll("hash"));
      CacheStats stats = client.getCache().getStats();
      Shared.same(List.of(2L, 2L), List.of(stats.getHitCount(), stats.getMissCount()));
      master.set("text", "changed");
      Shared.until("the changed text", () -> "changed".equals(client.get("text")));
      master.hset("hash", "two", "3");
      Shared.until("the changed hash", () -> "3".equals(client.hgetAll("hash").get("two")));
      Shared.same("changed", client.get("text"));
      master.flushAll();
      Shared.until("nothing", () -> client.get("text") == null);
      Shared.until("nothing", () -> client.hgetAll("hash").isEmpty());
      Shared.holds(stats.getInvalidationCount() >= 2, stats);
    }
  }

  public static void main(String[] args) throws InterruptedException {
    int[] ports = List.of(args).stream().mapToInt(Integer::parseInt).toArray();
    try (Jedis master = new Jedis("127.0.0.1", ports[0])) {
      for (RedisProtocol protocol : List.of(RedisProtocol.RESP2, RedisProtocol.RESP3)) {
        WithJedis program = new WithJedis(master, new HostAndPort("127.0.0.1", ports[1]), protocol);
        program.fill();
        try (RedisClient replica = program.open()) {
          program.reads(replica);
          program.iterators(replica);
          program.batches(replica);
          program.scripts(replica);
          program.messages(replica);
          program.waiting(replica);
        }
        try (Jedis other = new Jedis(program.address, program.config().database(1).build())) {
          Shared.same(null, other.get("text"));
        }
        if (protocol == RedisProtocol.RESP3) program.cached();
      }
    }
    System.out.println("Jedis ok");
  }
}
