// What a program with node-redis does at a replica, in RESP2 and RESP3: node node_redis.js MASTER_PORT REPLICA_PORT.
import assert from 'node:assert/strict';
import process from 'node:process';
import { createClient, createClientPool, defineScript } from 'redis';
import { Mailbox, masterPort, next, port, unordered, until } from './shared.js';

async function open(options) {
  const client = createClient(options);
  client.on('error', (error) => {
    if (!/Socket closed/.test(error.message)) throw error;
  });
  await client.connect();
  return client;
}

const master = await open({ socket: { port: masterPort }, RESP: 2 });

async function fill() {
  await master.flushAll();
  const pipe = master.multi();
  pipe.set('text', 'value').set('number', '7').hSet('hash', { one: 1, two: 2 });
  pipe.rPush('list', ['1', '2', '3']).sAdd('set', ['a', 'b', 'c']);
  pipe.xAdd('stream', '1-1', { field: 'value' });
  for (let n = 0; n < 300; n++) {
    pipe.set(`many:${n}`, `${n}`).hSet('big', `f${n}`, n).zAdd('zset', { score: n / 2, value: `m${n}` });
  }
  await pipe.execAsPipeline();
  await settled();
}

/// The replica says that it has applied all this connection wrote.
async function settled() {
  assert.equal(await master.wait(1, 30_000), 1);
}

async function reads(replica) {
  assert.equal(await replica.get('text'), 'value');
  assert.equal(await replica.get('missing'), null);
  assert.deepEqual(await replica.mGet(['text', 'missing', 'number']), ['value', null, '7']);
  assert.deepEqual({ ...(await replica.hGetAll('hash')) }, { one: '1', two: '2' });
  assert.deepEqual(await replica.lRange('list', 0, -1), ['1', '2', '3']);
  assert.deepEqual(new Set(await replica.sMembers('set')), new Set(['a', 'b', 'c']));
  assert.deepEqual(await replica.zRangeWithScores('zset', 0, 1), [
    { value: 'm0', score: 0 },
    { value: 'm1', score: 0.5 },
  ]);
  assert.equal(await replica.zScore('zset', 'm3'), 1.5);
  const [entry] = await replica.xRange('stream', '-', '+');
  assert.deepEqual([entry.id, { ...entry.message }], ['1-1', { field: 'value' }]);
  assert.equal(await replica.type('zset'), 'zset');
  assert.equal(await replica.ttl('text'), -1);
  assert.match(await replica.info('replication'), /role:slave/);
  assert.equal((await replica.role()).role, 'slave');
  assert.equal(await replica.clientGetName(), 'probe');
  assert((await replica.clientList()).some((client) => client.name === 'probe'));
  assert('maxmemory' in (await replica.configGet('maxmemory')));
}

async function iterators(replica) {
  assert.equal((await unordered(replica.scanIterator({ MATCH: 'many:*', COUNT: 20 }))).size, 300);
  assert.deepEqual(await unordered(replica.scanIterator({ TYPE: 'list' })), new Set(['list']));
  assert.equal((await unordered(replica.hScanIterator('big'))).size, 300);
  assert.equal((await unordered(replica.zScanIterator('zset'))).size, 300);
  assert.deepEqual(await unordered(replica.sScanIterator('set')), new Set(['a', 'b', 'c']));
}

async function batches(replica) {
  // What is sent in one turn is one pipeline.
  const all = await Promise.all(Array.from({ length: 300 }, (_, n) => replica.get(`many:${n}`)));
  assert.deepEqual(all, Array.from({ length: 300 }, (_, n) => `${n}`));
  assert.deepEqual(await replica.multi().get('text').hLen('hash').zCard('zset').exec(), ['value', 2, 300]);
  assert.deepEqual(await replica.multi().get('text').lLen('list').execAsPipeline(), ['value', 3]);
  await assert.rejects(replica.set('text', 'other'), /^Error: READONLY You can't write against a read only replica\.$/);
  await assert.rejects(replica.lPop('text'), /READONLY/);
  await assert.rejects(replica.multi().get('text').set('text', 'other').exec(), /READONLY/);
  // What replication writes is noticed by WATCH.
  await replica.watch('watched');
  await master.set('watched', '1');
  await settled();
  await assert.rejects(replica.multi().get('watched').exec(), /watch/i);
}

async function scripts(replica) {
  assert.equal(await replica.evalRo("return redis.call('GET', KEYS[1])", { keys: ['text'] }), 'value');
  assert.deepEqual(await replica.lengths('list', 'told'), [3, 'told']);
  assert.deepEqual(await replica.lengths('list', 'again'), [3, 'again']);
  await assert.rejects(replica.eval("return redis.call('SET', KEYS[1], 1)", { keys: ['text'] }), /READONLY/);
}

async function messages(replica) {
  const subscriber = replica.duplicate();
  subscriber.on('error', () => {}); // it is cut below
  await subscriber.connect();
  const box = new Mailbox();
  await subscriber.subscribe('news', box.put);
  await subscriber.pSubscribe('n*s', (message, channel) => box.put('pattern', message, channel));
  await subscriber.sSubscribe('shard', box.put);
  await master.publish('news', 'hello');
  assert.deepEqual(await box.take(), ['hello', 'news']);
  assert.deepEqual(await box.take(), ['pattern', 'hello', 'news']);
  await master.sPublish('shard', 'to one');
  assert.deepEqual(await box.take(), ['to one', 'shard']);
  assert.deepEqual({ ...(await replica.pubSubNumSub('news')) }, { news: 1 });
  // A connection that is cut comes back, with what it was subscribed to.
  const ready = next(subscriber, 'ready');
  assert.equal(await replica.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub']), 1);
  await ready;
  await until('the subscriptions', async () => (await replica.pubSubNumPat()) === 1);
  await master.publish('news', 'again');
  assert.deepEqual(await box.take(), ['again', 'news']);
  assert.deepEqual(await box.take(), ['pattern', 'again', 'news']);
  await subscriber.unsubscribe();
  await subscriber.pUnsubscribe();
  await subscriber.sUnsubscribe();

  await replica.configSet('notify-keyspace-events', 'KEA');
  await subscriber.pSubscribe('__key*__:*', box.put);
  await master.set('event', '1');
  assert.deepEqual(await box.take(), ['set', '__keyspace@0__:event']);
  assert.deepEqual(await box.take(), ['event', '__keyevent@0__:set']);
  await replica.configSet('notify-keyspace-events', '');
  subscriber.destroy();
}

async function waiting(replica) {
  const reader = replica.duplicate();
  await reader.connect();
  const came = reader.xRead({ key: 'stream', id: '$' }, { BLOCK: 0 });
  await until('a blocked client', async () => /blocked_clients:1\r/.test(await replica.info('clients')));
  await master.xAdd('stream', '2-1', { more: 'told' });
  const [stream] = await came;
  assert.equal(stream.name, 'stream');
  assert.deepEqual([stream.messages[0].id, { ...stream.messages[0].message }], ['2-1', { more: 'told' }]);
  reader.destroy();
}

async function pool(RESP) {
  // All are connected before the first is asked: one that still connects when the pool is destroyed stays open, and
  // the program with it.
  const many = await createClientPool({ socket: { port }, RESP }, { minimum: 8, maximum: 8 }).connect();
  const all = await Promise.all(Array.from({ length: 200 }, (_, n) => many.get(`many:${n}`)));
  assert.deepEqual(all, Array.from({ length: 200 }, (_, n) => `${n}`));
  many.destroy();
}

/// Reads that the client answers by itself, until it is told that the master wrote.
async function cached() {
  const client = await open({ socket: { port }, RESP: 3, clientSideCache: { ttl: 0, maxEntries: 100 } });
  const cache = client.clientSideCache;
  const invalidated = async (write) => {
    const said = next(cache, 'invalidate');
    await write();
    return String((await said)[0]);
  };
  for (const turn of [1, 2, 3]) assert.equal(await client.get('text'), 'value', `turn ${turn}`);
  assert.deepEqual([cache.stats().hitCount, cache.stats().missCount], [2, 1]);
  assert.equal(await invalidated(() => master.set('text', 'changed')), 'text');
  assert.equal(await client.get('text'), 'changed');
  assert.deepEqual([cache.stats().hitCount, cache.stats().missCount], [2, 2]);
  assert.deepEqual({ ...(await client.hGetAll('hash')) }, { one: '1', two: '2' });
  assert.equal(await invalidated(() => master.hSet('hash', 'two', 3)), 'hash');
  assert.deepEqual({ ...(await client.hGetAll('hash')) }, { one: '1', two: '3' });
  assert.equal(await invalidated(() => master.multi().del('text').exec()), 'text');
  assert.equal(await client.get('text'), null);
  // One for all keys.
  assert.equal(await invalidated(() => master.flushAll()), 'null');
  assert.equal(cache.size(), 0);
  assert.deepEqual({ ...(await client.hGetAll('hash')) }, {});
  client.destroy();
}

const lengths = defineScript({
  NUMBER_OF_KEYS: 1,
  IS_READ_ONLY: true,
  SCRIPT: "return {redis.call('LLEN', KEYS[1]), ARGV[1]}",
  parseCommand(parser, key, told) {
    parser.pushKey(key);
    parser.push(told);
  },
  transformReply: (reply) => reply,
});

for (const RESP of [2, 3]) {
  await fill();
  const replica = await open({ socket: { port }, RESP, name: 'probe', readonly: false, scripts: { lengths } });
  await reads(replica);
  await iterators(replica);
  await batches(replica);
  await scripts(replica);
  await messages(replica);
  await waiting(replica);
  await pool(RESP);
  const other = await open({ socket: { port }, RESP, database: 1 });
  assert.equal(await other.get('text'), null);
  await other.close();
  if (RESP === 3) await cached();
  await replica.close();
}
await master.close();
console.log('node-redis ok', process.version);
