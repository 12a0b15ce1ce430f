// What both programs need: the data at the master, and ways to wait for events.
import assert from 'node:assert/strict';
import process from 'node:process';

export const [masterPort, port] = process.argv.slice(2, 4).map(Number);

/// How long an event may take before the program says that it never came.
const PATIENCE = 30_000;

function patiently(what, executor) {
  return new Promise((done, fail) => {
    const timer = setTimeout(() => fail(new Error(`never came: ${what}`)), PATIENCE);
    executor((value) => {
      clearTimeout(timer);
      done(value);
    });
  });
}

/// Waits until `probe` gives something true: for states of the server that it tells nobody of by itself.
export async function until(what, probe) {
  for (let turn = 0; turn < 3000; turn++) {
    if (await probe()) return;
    await new Promise((done) => setTimeout(done, 10));
  }
  assert.fail(`never came: ${what}`);
}

/// What `emitter` says under this name, the first time from now on.
export function next(emitter, name) {
  return patiently(name, (done) => emitter.once(name, (...said) => done(said)));
}

/// A queue between callbacks and a program that reads in order.
export class Mailbox {
  #letters = [];
  #wake = null;
  put = (...letter) => {
    this.#letters.push(letter);
    this.#wake?.();
  };
  async take() {
    if (this.#letters.length === 0) await patiently('a message', (done) => (this.#wake = done));
    return this.#letters.shift();
  }
}

export async function unordered(iterator) {
  const all = [];
  for await (const items of iterator) all.push(...items);
  return new Set(all);
}
