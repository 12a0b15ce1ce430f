// An application with BullMQ at a promoted replica, as if at any Redis: node queue.js PORT.
//
// Its scripts, streams, blocking reads and delays are all of what it does; the jobs are sums.
import assert from 'node:assert/strict';
import process from 'node:process';
import { FlowProducer, Queue, QueueEvents, Worker } from 'bullmq';

const connection = { host: '127.0.0.1', port: Number(process.argv[2]), maxRetriesPerRequest: null };
const PATIENCE = 30_000;

const queue = new Queue('jobs', { connection });
queue.setMaxListeners(0);
const events = new QueueEvents('jobs', { connection });
events.setMaxListeners(0);
await events.waitUntilReady();
let failures = 0;
let ticks = 0;
let ticked;
const twoTicks = new Promise((done) => (ticked = done));
const worker = new Worker(
  'jobs',
  async (job) => {
    if (job.name === 'fails' && job.attemptsMade < 2) {
      failures += 1;
      throw new Error('not yet');
    }
    if (job.name === 'tick' && ++ticks === 2) ticked();
    await job.updateProgress(50);
    await job.log('half of it is done');
    return job.data.n * 2;
  },
  { connection, concurrency: 10 },
);

// Many at once, in order of priority.
const many = Array.from({ length: 200 }, (_, n) => ({ name: 'double', data: { n }, opts: { priority: n % 3 } }));
const jobs = await queue.addBulk(many);
const done = await Promise.all(jobs.map((job) => job.waitUntilFinished(events, PATIENCE)));
assert.deepEqual(done, Array.from({ length: 200 }, (_, n) => n * 2));
// What fails is tried again, what is to be later waits, and a parent waits for its children.
const failing = await queue.add('fails', { n: 5 }, { attempts: 5, backoff: { type: 'fixed', delay: 20 } });
assert.equal(await failing.waitUntilFinished(events, PATIENCE), 10);
assert.equal(failures, 2);
const later = await queue.add('later', { n: 1 }, { delay: 100 });
assert.equal(await later.waitUntilFinished(events, PATIENCE), 2);
const flows = new FlowProducer({ connection });
const children = [1, 2].map((n) => ({ name: 'child', queueName: 'jobs', data: { n } }));
const { job: parent } = await flows.add({ name: 'parent', queueName: 'jobs', data: { n: 3 }, children });
assert.equal(await parent.waitUntilFinished(events, PATIENCE), 6);
assert.deepEqual(Object.values(await parent.getChildrenValues()).sort(), [2, 4]);
await queue.upsertJobScheduler('ticks', { every: 50 }, { name: 'tick', data: { n: 0 } });
await twoTicks;
await queue.removeJobScheduler('ticks');
await worker.close();
const counts = await queue.getJobCounts('failed', 'active', 'waiting-children', 'prioritized');
assert.deepEqual(counts, { failed: 0, active: 0, 'waiting-children': 0, prioritized: 0 });
assert((await queue.getJobCountByTypes('completed')) >= 207);
const { logs } = await queue.getJobLogs(jobs[0].id);
assert.deepEqual(logs, ['half of it is done']);
await events.close();
await flows.close();
await queue.obliterate({ force: true });
await queue.close();
console.log('BullMQ ok');
