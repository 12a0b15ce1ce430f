//! The gate: who is inside, who has the token, and a writer whom readers could starve.
//!
//! Broken on purpose: waiting for the token inside a slot, and a writer who waits for a lock with the gate open.

use std::rc::Rc;
use std::task::{Poll, Wake};

use super::gate::{Asker, Gate, Token};
use super::patience::{ShardLock, lock_for_write};
use super::primitives::{Arc, AtomicBool, AtomicUsize, Condvar, Mutex, Ordering, lock, wait};
use super::shard::Shard;
use shuttle::thread;

const RUNS: usize = 1_000;

fn random(model: impl Fn() + Send + Sync + 'static) {
    super::random(RUNS, model);
}

#[test]
fn nobody_is_inside_while_the_gate_is_closed() {
    random(|| {
        let gate = Arc::new(Gate::new());
        // Two keys that a unit changes together.
        let data = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let (gate, data) = (Arc::clone(&gate), Arc::clone(&data));
                thread::spawn(move || {
                    let slot = Rc::new(Gate::register(&gate));
                    for _ in 0..2 {
                        let _inside = gate.enter(&slot);
                        let first = data.0.load(Ordering::SeqCst);
                        let _again = gate.try_enter(Rc::clone(&slot)).expect("a thread inside enters again");
                        assert_eq!(first, data.1.load(Ordering::SeqCst), "half a unit was seen");
                    }
                })
            })
            .collect();
        let writers: Vec<_> = [Asker::Applier, Asker::Other]
            .map(|asker| {
                let (gate, data) = (Arc::clone(&gate), Arc::clone(&data));
                thread::spawn(move || {
                    let token = gate.token(asker);
                    let _closed = token.close();
                    let _twice = token.close();
                    data.0.fetch_add(1, Ordering::SeqCst);
                    data.1.fetch_add(1, Ordering::SeqCst);
                })
            })
            .into();
        for thread in readers.into_iter().chain(writers) {
            thread.join().unwrap();
        }
    });
}

#[test]
fn the_token_has_one_holder_and_all_get_it() {
    random(|| {
        let gate = Arc::new(Gate::new());
        let held = Arc::new(AtomicBool::new(false));
        let threads: Vec<_> = [Asker::Applier, Asker::Other, Asker::Other]
            .map(|asker| {
                let (gate, held) = (Arc::clone(&gate), Arc::clone(&held));
                thread::spawn(move || {
                    for _ in 0..2 {
                        let _token = gate.token(asker);
                        assert!(!held.swap(true, Ordering::SeqCst));
                        thread::yield_now();
                        held.store(false, Ordering::SeqCst);
                    }
                    drop(gate.try_token());
                })
            })
            .into();
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn the_applier_goes_first() {
    random(|| {
        let gate = Arc::new(Gate::new());
        let order = Arc::new(Mutex::new(Vec::new()));
        let token = gate.token(Asker::Other);
        let waiting: Vec<_> = [Asker::Other, Asker::Applier]
            .map(|asker| {
                let (gate, order) = (Arc::clone(&gate), Arc::clone(&order));

                thread::spawn(move || {
                    let _token = gate.token(asker);
                    lock(&order).push(asker);
                })
            })
            .into();
        while gate.waiting_for_token() < 2 {
            thread::yield_now();
        }
        drop(token);
        for thread in waiting {
            thread.join().unwrap();
        }
        assert_eq!(*lock(&order), [Asker::Applier, Asker::Other]);
    });
}

/// A holder who refuses keeps the token until all others have heard of it: those who wait already, who come later, and
/// who found the gate closed. But the applier is not refused, and has its turn.
#[test]
fn who_is_refused_does_not_wait() {
    random(|| {
        let gate = Arc::new(Gate::new());
        let token = gate.token(Asker::Other);
        let closed = token.close();
        let refused: Vec<_> = (0..2)
            .map(|_| {
                let gate = Arc::clone(&gate);
                thread::spawn(move || gate.token_unless_refused().is_none())
            })
            .collect();
        let applier = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || drop(gate.token(Asker::Applier)))
        };
        let task = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || {
                let woken = std::sync::Arc::new(Woken::default());
                let waker = std::sync::Arc::clone(&woken).into();
                while gate.poll_open(&waker, true) == Poll::Pending {
                    woken.wait();
                }
            })
        };
        gate.refuse(true);
        for thread in refused {
            assert!(thread.join().unwrap(), "the token was given to two");
        }
        task.join().unwrap();
        gate.refuse(false);
        drop(closed);
        drop(token);
        applier.join().unwrap();
        assert!(gate.token_unless_refused().is_some());
    });
}

/// A task's waker, and the task asleep.
#[derive(Default)]
struct Woken {
    state: Mutex<bool>,
    changed: Condvar,
}

impl Woken {
    fn wait(&self) {
        let mut state = lock(&self.state);
        while !*state {
            state = wait(&self.changed, state);
        }
        *state = false;
    }
}

impl Wake for Woken {
    fn wake(self: std::sync::Arc<Self>) {
        *lock(&self.state) = true;
        self.changed.notify_all();
    }
}

#[test]
fn a_task_that_found_the_gate_closed_is_woken() {
    random(|| {
        let gate = Arc::new(Gate::new());
        let task = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || {
                let slot = Rc::new(Gate::register(&gate));
                let woken = std::sync::Arc::new(Woken::default());
                let waker = std::sync::Arc::clone(&woken).into();
                while gate.try_enter(Rc::clone(&slot)).is_none() {
                    if gate.poll_open(&waker, false) == Poll::Pending {
                        woken.wait();
                    }
                }
            })
        };
        for _ in 0..2 {
            let token = gate.token(Asker::Other);
            drop(token.close());
        }
        task.join().unwrap();
    });
}

#[test]
fn token_gate_and_shards_in_this_order_never_lock_up() {
    random(|| {
        let gate = Arc::new(Gate::new());
        let shards = Arc::new([Shard::new(()), Shard::new(())]);
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let (gate, shards) = (Arc::clone(&gate), Arc::clone(&shards));
                thread::spawn(move || {
                    let slot = Rc::new(Gate::register(&gate));
                    let inside = gate.enter(&slot);
                    // Several keys: ascending, and held together.
                    drop((shards[0].read(), shards[1].read()));
                    drop(inside);
                    // A long read leaves its slot before it asks for the token.
                    let _token = gate.token(Asker::Other);
                    drop(shards[1].read());
                })
            })
            .collect();
        let applier = {
            let (gate, shards) = (Arc::clone(&gate), Arc::clone(&shards));
            thread::spawn(move || {
                for shard in [&shards[1], &shards[0]] {
                    let token = gate.token(Asker::Applier);
                    drop(lock_for_write(&token, shard));
                }
            })
        };
        for thread in readers.into_iter().chain([applier]) {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_thread_that_comes_while_the_gate_closes_is_seen() {
    random(|| {
        let gate = Arc::new(Gate::new());
        let inside = Arc::new(AtomicUsize::new(0));
        let late = {
            let (gate, inside) = (Arc::clone(&gate), Arc::clone(&inside));
            thread::spawn(move || {
                let slot = Rc::new(Gate::register(&gate));
                let occupied = gate.enter(&slot);
                inside.fetch_add(1, Ordering::SeqCst);
                thread::yield_now();
                inside.fetch_sub(1, Ordering::SeqCst);
                drop(occupied);
                drop(slot);
            })
        };
        let token = gate.token(Asker::Applier);
        let closed = token.close();
        assert_eq!(inside.load(Ordering::SeqCst), 0);
        drop(closed);
        drop(token);
        late.join().unwrap();
    });
}

/// Rule 3 broken: a thread waits for the token inside its slot, while the holder waits for that slot to be empty.
#[test]
#[should_panic(expected = "deadlock")]
fn waiting_for_the_token_inside_a_slot_locks_up() {
    random(|| {
        let gate = Arc::new(Gate::new());
        let reader = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || {
                let slot = Rc::new(Gate::register(&gate));
                let _inside = gate.enter(&slot);
                let _token = gate.token(Asker::Other);
            })
        };
        let token = gate.token(Asker::Applier);
        drop(token.close());
        drop(token);
        reader.join().unwrap();
    });
}

/// Two readers of one hot key, each of whom gives its lock back only when the other has it too, or is kept out: no
/// writer finds the shard free by waiting alone.
fn a_writer_beside_a_hot_key(write: impl Fn(&Token<'_>, &Shard<u64>) + Send + Sync + Copy + 'static) {
    const NOBODY: usize = 2;
    random(move || {
        let gate = Arc::new(Gate::new());
        let shard = Arc::new(Shard::new(0));
        let is_written = Arc::new(AtomicBool::new(false));
        // Who came last, or was turned away last: the other may go.
        let last = Arc::new(AtomicUsize::new(NOBODY));
        let readers: Vec<_> = [0, 1]
            .map(|me: usize| {
                let (gate, shard) = (Arc::clone(&gate), Arc::clone(&shard));
                let (is_written, last) = (Arc::clone(&is_written), Arc::clone(&last));
                thread::spawn(move || {
                    let slot = Rc::new(Gate::register(&gate));
                    let is_over = || is_written.load(Ordering::SeqCst);
                    while !is_over() {
                        let inside = gate.try_enter(Rc::clone(&slot));
                        let held = inside.is_some().then(|| shard.read());
                        last.store(me, Ordering::SeqCst);
                        thread::yield_now();
                        while held.is_some() && !is_over() && last.load(Ordering::SeqCst) == me {
                            thread::yield_now();
                        }
                        drop(held);
                        drop(inside);
                    }
                })
            })
            .into();
        while last.load(Ordering::SeqCst) == NOBODY {
            thread::yield_now();
        }
        write(&gate.token(Asker::Applier), &shard);
        is_written.store(true, Ordering::SeqCst);
        for reader in readers {
            reader.join().unwrap();
        }
        assert_eq!(*shard.read(), 1);
    });
}

#[test]
fn a_writer_is_not_starved_by_a_hot_key() {
    a_writer_beside_a_hot_key(|token, shard| *lock_for_write(token, shard) += 1);
}

/// The writer waits with the gate open: there is always somebody.
#[test]
#[should_panic(expected = "max_steps")]
fn a_writer_who_leaves_the_gate_open_starves() {
    a_writer_beside_a_hot_key(|_, shard| *shard.write() += 1);
}
