// What a program with ioredis does at a replica, in RESP2 and RESP3: node ioredis.js MASTER_PORT REPLICA_PORT.
import assert from 'node:assert/strict';
import net from 'node:net';
import process from 'node:process';
import Redis from 'ioredis';
import { Mailbox, masterPort, next, port, unordered, until } from './shared.js';

const master = new Redis({ port: masterPort });

async function fill() {
  await master.flushall();
  const pipe = master.pipeline();
  pipe.set('text', 'value').set('number', 7).set('bytes', Buffer.from([0, 255, 13, 10]));
  pipe.set('fleeting', 'x', 'EX', 1000);
  pipe.hset('hash', { one: 1, two: 2 }).rpush('list', 1, 2, 3).sadd('set', 'a', 'b', 'c');
  pipe.xadd('stream', '1-1', 'field', 'value');
  for (let n = 0; n < 300; n++) pipe.set(`many:${n}`, n).hset('big', `f${n}`, n).zadd('zset', n / 2, `m${n}`);
  for (const [error] of await pipe.exec()) assert.equal(error, null);
  await settled();
}

/// The replica says that it has applied all this connection wrote.
async function settled() {
  assert.equal(await master.wait(1, 30_000), 1);
}

async function reads(replica) {
  assert.equal(await replica.get('text'), 'value');
  assert.equal(await replica.get('missing'), null);
  assert.deepEqual(await replica.getBuffer('bytes'), Buffer.from([0, 255, 13, 10]));
  assert.deepEqual(await replica.mget('text', 'missing', 'number'), ['value', null, '7']);
  assert.deepEqual(await replica.hgetall('hash'), { one: '1', two: '2' });
  assert.deepEqual(await replica.hmget('hash', 'two', 'missing'), ['2', null]);
  assert.deepEqual(await replica.lrange('list', 0, -1), ['1', '2', '3']);
  assert.deepEqual(new Set(await replica.smembers('set')), new Set(['a', 'b', 'c']));
  assert.equal(await replica.sismember('set', 'b'), 1);
  assert.deepEqual(await replica.zrange('zset', 0, 1, 'WITHSCORES'), ['m0', '0', 'm1', '0.5']);
  assert.equal(await replica.zscore('zset', 'm3'), '1.5');
  assert.deepEqual(await replica.xrange('stream', '-', '+'), [['1-1', ['field', 'value']]]);
  assert.equal(await replica.type('zset'), 'zset');
  const left = await replica.ttl('fleeting');
  assert(left > 900 && left <= 1000, `${left}`);
  assert.equal(await replica.exists('text', 'missing', 'list'), 2);
  assert.match(await replica.info('replication'), /role:slave/);
  assert.equal((await replica.role())[0], 'slave');
  assert.equal(await replica.client('GETNAME'), 'probe');
}

async function iterators(replica) {
  const keys = replica.scanStream({ match: 'many:*', count: 20 });
  assert.equal((await unordered(keys)).size, 300);
  assert.deepEqual(await unordered(replica.scanStream({ type: 'list' })), new Set(['list']));
  assert.equal((await unordered(replica.hscanStream('big'))).size, 600);
  assert.deepEqual(await unordered(replica.sscanStream('set')), new Set(['a', 'b', 'c']));
  assert((await unordered(replica.zscanStream('zset', { match: 'm29*' }))).has('m299'));
}

async function batches(replica) {
  const pipe = replica.pipeline();
  for (let n = 0; n < 300; n++) pipe.get(`many:${n}`);
  pipe.set('text', 'other').get('text').lpush('text', 'x');
  const answers = await pipe.exec();
  assert.deepEqual(answers.slice(0, 300), Array.from({ length: 300 }, (_, n) => [null, `${n}`]));
  assert.match(answers[300][0].message, /^READONLY /);
  assert.deepEqual(answers[301], [null, 'value']);
  assert.match(answers[302][0].message, /^READONLY /);

  assert.deepEqual(await replica.multi().get('text').hlen('hash').zcard('zset').exec(), [
    [null, 'value'],
    [null, 2],
    [null, 300],
  ]);
  await assert.rejects(replica.multi().get('text').set('text', 'other').exec(), (error) => {
    assert.match(error.message, /^EXECABORT /);
    assert.match(error.previousErrors[0].message, /^READONLY /);
    return true;
  });
  // What replication writes is noticed by WATCH.
  await replica.watch('watched');
  await master.set('watched', 1);
  await settled();
  assert.equal(await replica.multi().get('watched').exec(), null);

  const automatic = replica.duplicate({ enableAutoPipelining: true });
  const all = await Promise.all(Array.from({ length: 300 }, (_, n) => automatic.get(`many:${n}`)));
  assert.deepEqual(all, Array.from({ length: 300 }, (_, n) => `${n}`));
  automatic.disconnect();
}

async function scripts(replica) {
  replica.defineCommand('lengths', { numberOfKeys: 1, readOnly: true, lua: "return {redis.call('LLEN', KEYS[1]), ARGV[1]}" });
  assert.deepEqual(await replica.lengths('list', 'told'), [3, 'told']);
  assert.deepEqual(await replica.lengths('list', 'again'), [3, 'again']);
  assert.equal(await replica.call('EVAL_RO', "return redis.call('GET', KEYS[1])", 1, 'text'), 'value');
  await assert.rejects(replica.eval("return redis.call('SET', KEYS[1], 1)", 1, 'text'), /READONLY/);
}

async function messages(replica) {
  const subscriber = replica.duplicate();
  const box = new Mailbox();
  subscriber.on('message', box.put);
  subscriber.on('pmessage', box.put);
  subscriber.on('smessage', box.put);
  assert.equal(await subscriber.subscribe('news', 'other'), 2);
  assert.equal(await subscriber.psubscribe('n*s'), 3);
  await master.publish('news', 'hello');
  assert.deepEqual(await box.take(), ['news', 'hello']);
  assert.deepEqual(await box.take(), ['n*s', 'news', 'hello']);
  await subscriber.ssubscribe('shard');
  await master.spublish('shard', 'to one');
  assert.deepEqual(await box.take(), ['shard', 'to one']);
  assert.deepEqual(await replica.pubsub('NUMSUB', 'other'), ['other', 1]);
  // A connection that is cut comes back, with what it was subscribed to.
  const ready = next(subscriber, 'ready');
  assert.equal(await replica.client('KILL', 'TYPE', 'pubsub'), 1);
  await ready;
  await until('the subscriptions', async () => (await replica.pubsub('NUMPAT')) === 1 && (await replica.pubsub('NUMSUB', 'news'))[1] === 1);
  await master.publish('news', 'again');
  assert.deepEqual(await box.take(), ['news', 'again']);
  assert.deepEqual(await box.take(), ['n*s', 'news', 'again']);
  await subscriber.punsubscribe('n*s');
  await subscriber.unsubscribe('news', 'other');
  await subscriber.sunsubscribe('shard');

  await replica.config('SET', 'notify-keyspace-events', 'KEA');
  await subscriber.psubscribe('__key*__:*');
  await master.set('event', 1);
  assert.deepEqual(await box.take(), ['__key*__:*', '__keyspace@0__:event', 'set']);
  assert.deepEqual(await box.take(), ['__key*__:*', '__keyevent@0__:set', 'event']);
  await replica.config('SET', 'notify-keyspace-events', '');
  subscriber.disconnect();
}

async function waiting(replica) {
  const reader = replica.duplicate({ connectionName: 'reader' });
  const came = reader.xread('BLOCK', 0, 'STREAMS', 'stream', '$');
  await until('a blocked client', async () => /blocked_clients:1\r/.test(await replica.info('clients')));
  await master.xadd('stream', '2-1', 'more', 'told');
  assert.deepEqual(await came, [['stream', [['2-1', ['more', 'told']]]]]);
  reader.disconnect();
}

/// The address of a service that leads to a replica until the master is found: ioredis' own way out of READONLY.
async function reconnects(protocol) {
  let target = port;
  const service = net.createServer((client) => {
    const server = net.connect(target);
    client.on('error', () => server.destroy()).pipe(server).on('error', () => client.destroy()).pipe(client);
  });
  service.listen(0, '127.0.0.1');
  await next(service, 'listening');
  let told = 0;
  const client = new Redis({
    port: service.address().port,
    protocol,
    retryStrategy: () => 1,
    reconnectOnError(error) {
      assert.match(error.message, /^READONLY You can't write against a read only replica\.$/);
      target = masterPort;
      told += 1;
      return 2;
    },
  });
  assert.equal(await client.get('text'), 'value');
  assert.equal(await client.set('moved', 'yes'), 'OK');
  assert.equal(told, 1);
  client.disconnect();
  service.close();
  assert.equal(await master.get('moved'), 'yes');
}

for (const protocol of [2, 3]) {
  await fill();
  const replica = new Redis({ port, protocol, connectionName: 'probe', readOnly: true });
  await next(replica, 'ready');
  await reads(replica);
  await iterators(replica);
  await batches(replica);
  await scripts(replica);
  await messages(replica);
  await waiting(replica);
  await reconnects(protocol);
  const other = new Redis({ port, protocol, db: 1 });
  assert.equal(await other.get('text'), null);
  assert.equal(await other.quit(), 'OK');
  assert.equal(await replica.quit(), 'OK');
}
await master.quit();
console.log('ioredis ok', process.version);
