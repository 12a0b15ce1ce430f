import io.lettuce.core.ClientOptions;
import io.lettuce.core.KeyScanCursor;
import io.lettuce.core.KillArgs;
import io.lettuce.core.KeyValue;
import io.lettuce.core.Range;
import io.lettuce.core.ReadFrom;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisFuture;
import io.lettuce.core.RedisURI;
import io.lettuce.core.ScanArgs;
import io.lettuce.core.ScanIterator;
import io.lettuce.core.ScoredValue;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.TrackingArgs;
import io.lettuce.core.TransactionResult;
import io.lettuce.core.XAddArgs;
import io.lettuce.core.XReadArgs;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.api.sync.RedisCommands;
import io.lettuce.core.codec.StringCodec;
import io.lettuce.core.masterreplica.MasterReplica;
import io.lettuce.core.masterreplica.StatefulRedisMasterReplicaConnection;
import io.lettuce.core.metrics.CommandLatencyRecorder;
import io.lettuce.core.protocol.ProtocolVersion;
import io.lettuce.core.pubsub.RedisPubSubAdapter;
import io.lettuce.core.pubsub.StatefulRedisPubSubConnection;
import io.lettuce.core.resource.ClientResources;
import io.lettuce.core.support.caching.CacheAccessor;
import io.lettuce.core.support.caching.CacheFrontend;
import io.lettuce.core.support.caching.ClientSideCaching;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/** What a program with Lettuce does at a replica, in RESP2 and RESP3: WithLettuce MASTER_PORT REPLICA_PORT. */
final class WithLettuce {
  private final RedisClient client;
  private final RedisURI masterUri;
  private final RedisURI replicaUri;
  private final RedisCommands<String, String> master;

  private WithLettuce(RedisClient client, RedisURI masterUri, RedisURI replicaUri) {
    this.client = client;
    this.masterUri = masterUri;
    this.replicaUri = replicaUri;
    this.master = client.connect(masterUri).sync();
  }

  /** The replica says that it has applied all that this connection wrote. */
  private void settled() {
    Shared.same(1L, master.waitForReplication(1, 30_000));
  }

  private void fill() throws Exception {
    master.flushall();
    master.mset(Map.of("text", "value", "number", "7"));
    master.hset("hash", Map.of("one", "1", "two", "2"));
    master.rpush("list", "1", "2", "3");
    master.sadd("set", "a", "b", "c");
    master.xadd("stream", new XAddArgs().id("1-1"), Map.of("field", "value"));
    var async = master.getStatefulConnection().async();
    List<RedisFuture<?>> all = new ArrayList<>();
    for (int n = 0; n < 300; n++) {
      all.add(async.set("many:" + n, "" + n));
      all.add(async.hset("big", "f" + n, "" + n));
      all.add(async.zadd("zset", n / 2.0, "m" + n));
    }
    for (RedisFuture<?> each : all) each.get(30, TimeUnit.SECONDS);
    settled();
  }

  private void reads(RedisCommands<String, String> replica) {
    Shared.same("PONG", replica.ping());
    Shared.same("value", replica.get("text"));
    Shared.same(null, replica.get("missing"));
    Shared.same(List.of(KeyValue.just("text", "value"), KeyValue.empty("missing")), replica.mget("text", "missing"));
    Shared.same(Map.of("one", "1", "two", "2"), replica.hgetall("hash"));
    Shared.same(List.of("1", "2", "3"), replica.lrange("list", 0, -1));
    Shared.same(Set.of("a", "b", "c"), replica.smembers("set"));
    Shared.same(List.of(ScoredValue.just(0.0, "m0"), ScoredValue.just(0.5, "m1")), replica.zrangeWithScores("zset", 0, 1));
    Shared.same(1.5, replica.zscore("zset", "m3"));
    Shared.same(Map.of("field", "value"), replica.xrange("stream", Range.unbounded()).get(0).getBody());
    Shared.same("zset", replica.type("zset"));
    Shared.same("slave", replica.role().get(0));
    Shared.same("probe", replica.clientGetname());
    Shared.same(Set.of("maxmemory"), replica.configGet("maxmemory").keySet());
  }

  private void iterators(RedisCommands<String, String> replica) {
    Set<String> keys = new HashSet<>();
    ScanIterator.scan(replica, ScanArgs.Builder.limit(20).match("many:*")).forEachRemaining(keys::add);
    Shared.same(300, keys.size());
    Set<String> fields = new HashSet<>();
    ScanIterator.hscan(replica, "big", ScanArgs.Builder.limit(20)).forEachRemaining(field -> fields.add(field.getKey()));
    Shared.same(300, fields.size());
    Set<String> members = new HashSet<>();
    ScanIterator.zscan(replica, "zset").forEachRemaining(member -> members.add(member.getValue()));
    Shared.same(300, members.size());
    KeyScanCursor<String> none = replica.scan(ScanArgs.Builder.matches("nosuch*").limit(10_000));
    Shared.same(List.of(), none.getKeys());
  }

  private void batches(StatefulRedisConnection<String, String> connection) throws Exception {
    var async = connection.async();
    connection.setAutoFlushCommands(false);
    List<RedisFuture<String>> all = new ArrayList<>();
    for (int n = 0; n < 300; n++) all.add(async.get("many:" + n));
    connection.flushCommands();
    for (int n = 0; n < 300; n++) Shared.same("" + n, all.get(n).get(30, TimeUnit.SECONDS));
    connection.setAutoFlushCommands(true);

    RedisCommands<String, String> replica = connection.sync();
    Shared.fails("READONLY You can't write against a read only replica.", () -> replica.set("text", "other"));
    Shared.fails("READONLY", () -> replica.lpop("text"));
    replica.multi();
    replica.get("text");
    replica.hlen("hash");
    TransactionResult done = replica.exec();
    Shared.same(List.of("value", 2L), List.of(done.get(0), done.get(1)));
    // What replication writes is noticed by WATCH.
    replica.watch("watched");
    master.set("watched", "1");
    settled();
    replica.multi();
    replica.get("watched");
    Shared.holds(replica.exec().wasDiscarded(), "a transaction whose key was written");
  }

  private void scripts(RedisCommands<String, String> replica) {
    String[] text = {"text"};
    String get = "return redis.call('GET', KEYS[1])";
    Shared.same("value", replica.evalReadOnly(get, ScriptOutputType.VALUE, text));
    Shared.same("value", replica.evalsha(replica.scriptLoad(get), ScriptOutputType.VALUE, text));
    Shared.fails("READONLY", () -> replica.eval("return redis.call('SET', KEYS[1], 1)", ScriptOutputType.STATUS, text));
  }

  private void messages(RedisCommands<String, String> replica) throws InterruptedException {
    Shared.Mailbox box = new Shared.Mailbox();
    try (StatefulRedisPubSubConnection<String, String> subscriber = client.connectPubSub(replicaUri)) {
      subscriber.addListener(
          new RedisPubSubAdapter<String, String>() {
            @Override
            public void message(String channel, String message) {
              box.put("message", channel, message);
            }

            @Override
            public void message(String pattern, String channel, String message) {
              box.put("pmessage", pattern, channel, message);
            }

            @Override
            public void subscribed(String channel, long count) {
              box.put("subscribed", channel);
            }
          });
      subscriber.sync().psubscribe("n*s");
      subscriber.sync().subscribe("news");
      box.next("subscribed news");
      master.publish("news", "hello");
      box.next("message news hello");
      box.next("pmessage n*s news hello");
      // A connection that is cut comes back, with what it was subscribed to.
      Shared.same(1L, replica.clientKill(KillArgs.Builder.typePubsub()));
      box.next("subscribed news");
      Shared.until("the pattern", () -> replica.pubsubNumpat() == 1);
      master.publish("news", "again");
      box.next("message news again");
      box.next("pmessage n*s news again");
      subscriber.sync().unsubscribe("news");
      subscriber.sync().punsubscribe("n*s");

      replica.configSet("notify-keyspace-events", "Kg$");
      subscriber.sync().subscribe("__keyspace@0__:event");
      box.next("subscribed __keyspace@0__:event");
      master.set("event", "1");
      box.next("message __keyspace@0__:event set");
      replica.configSet("notify-keyspace-events", "");
    }
  }

  private void waiting(RedisCommands<String, String> replica) throws Exception {
    try (StatefulRedisConnection<String, String> reader = client.connect(replicaUri)) {
      var came = reader.async().xread(XReadArgs.Builder.block(0), XReadArgs.StreamOffset.latest("stream"));
      Shared.until("a blocked client", () -> replica.info("clients").contains("blocked_clients:1\r"));
      master.xadd("stream", new XAddArgs().id("2-1"), Map.of("more", "told"));
      Shared.same(Map.of("more", "told"), came.get(30, TimeUnit.SECONDS).get(0).getBody());
    }
  }

  private static long gets(RedisCommands<String, String> server) {
    String stats = server.info("commandstats");
    int at = stats.indexOf("cmdstat_get:calls=");
    if (at < 0) return 0;
    String rest = stats.substring(at + "cmdstat_get:calls=".length());
    return Long.parseLong(rest.substring(0, rest.indexOf(',')));
  }

  /** Who is master and who replica is found out from either of them, and each gets what it can do. */
  private void discovery(RedisCommands<String, String> replica) {
    for (List<RedisURI> known : List.of(List.of(masterUri), List.of(replicaUri), List.of(masterUri, replicaUri))) {
      StatefulRedisMasterReplicaConnection<String, String> both =
          known.size() == 1
              ? MasterReplica.connect(client, StringCodec.UTF8, known.get(0))
              : MasterReplica.connect(client, StringCodec.UTF8, known);
      try (both) {
        both.setReadFrom(ReadFrom.REPLICA_PREFERRED);
        long before = gets(replica);
        Shared.same("value", both.sync().get("text"));
        Shared.same("value", both.sync().get("text"));
        Shared.same(before + 2, gets(replica));
        Shared.same("OK", both.sync().set("written", "by way of " + known.size()));
        Shared.same("by way of " + known.size(), master.get("written"));
        both.setReadFrom(ReadFrom.MASTER);
        Shared.same("value", both.sync().get("text"));
        Shared.same(before + 2, gets(replica));
      }
    }
  }

  /** Reads that the client answers by itself, until it is told that the master wrote. */
  private void cached() throws InterruptedException {
    Map<String, String> kept = new ConcurrentHashMap<>();
    StatefulRedisConnection<String, String> connection = client.connect(replicaUri);
    Shared.Mailbox box = new Shared.Mailbox();
    ClientSideCaching<String, String> cache =
        (ClientSideCaching<String, String>) ClientSideCaching.create(CacheAccessor.forMap(kept), connection);
    cache.addInvalidationListener(key -> box.put("not any more:", key));
    connection.sync().clientTracking(TrackingArgs.Builder.enabled());
    try (CacheFrontend<String, String> values = cache) {
      Shared.same("value", values.get("text"));
      Shared.same(Map.of("text", "value"), kept);
      Shared.same("value", values.get("text"));
      master.set("text", "changed");
      box.next("not any more: text");
      Shared.same(Map.of(), kept);
      Shared.same("changed", values.get("text"));
      master.del("text");
      box.next("not any more: text");
      Shared.same(null, values.get("text"));
    }
  }

  public static void main(String[] args) throws Exception {
    ClientResources resources =
        ClientResources.builder().commandLatencyRecorder(CommandLatencyRecorder.disabled()).build();
    for (ProtocolVersion protocol : List.of(ProtocolVersion.RESP2, ProtocolVersion.RESP3)) {
      RedisClient client = RedisClient.create(resources);
      client.setOptions(ClientOptions.builder().protocolVersion(protocol).build());
      WithLettuce program =
          new WithLettuce(
              client,
              RedisURI.create("redis://127.0.0.1:" + args[0]),
              RedisURI.create("redis://127.0.0.1:" + args[1] + "?clientName=probe"));
      program.fill();
      try (StatefulRedisConnection<String, String> connection = client.connect(program.replicaUri)) {
        RedisCommands<String, String> replica = connection.sync();
        program.reads(replica);
        program.iterators(replica);
        program.batches(connection);
        program.scripts(replica);
        program.messages(replica);
        program.waiting(replica);
        program.discovery(replica);
        replica.select(1);
        Shared.same(null, replica.get("text"));
      }
      if (protocol == ProtocolVersion.RESP3) program.cached();
      client.shutdown(0, 1, TimeUnit.SECONDS);
    }
    resources.shutdown(0, 1, TimeUnit.SECONDS);
    System.out.println("Lettuce ok");
  }
}
