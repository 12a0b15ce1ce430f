//! The gate's model: `gate.rs` compiled once more, over Shuttle's primitives, and tried in many interleavings.
//!
//! The shards' locks are models here too (one lock stands for DashMap's, which admits readers while a writer
//! waits). The last model breaks rule 3 on purpose, and must fail.

mod primitives {
    pub(crate) use shuttle::hint::spin_loop;
    pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    pub(crate) use shuttle::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};

    /// Going to sleep at once shows more than looking again.
    pub(crate) const SPINS: usize = 1;

    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap()
    }

    pub(crate) fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        condvar.wait(guard).unwrap()
    }
}

#[allow(clippy::duplicate_mod)] // compiled once over each family of primitives: that is the point
#[path = "gate.rs"]
#[allow(dead_code)]
mod gate;

use std::rc::Rc;
use std::task::{Poll, Wake};

use gate::{Asker, Gate};
use primitives::{Arc, AtomicBool, AtomicUsize, Condvar, Mutex, Ordering, lock, wait};
use shuttle::thread;

const RUNS: usize = 1_000;

fn random(model: impl Fn() + Send + Sync + 'static) {
    shuttle::check_random(model, RUNS);
}

/// A shard's lock as DashMap has it: readers come in while a writer waits.
#[derive(Default)]
struct Shard {
    state: Mutex<(usize, bool)>,
    changed: Condvar,
}

impl Shard {
    fn read(&self, body: impl FnOnce()) {
        let mut state = lock(&self.state);
        while state.1 {
            state = wait(&self.changed, state);
        }
        state.0 += 1;
        drop(state);
        body();
        lock(&self.state).0 -= 1;
        self.changed.notify_all();
    }

    fn try_write(&self, body: impl FnOnce()) -> bool {
        let mut state = lock(&self.state);
        if state.0 > 0 || state.1 {
            return false;
        }
        state.1 = true;
        drop(state);
        body();
        lock(&self.state).1 = false;
        self.changed.notify_all();
        true
    }

    fn write(&self, body: impl FnOnce()) {
        let mut state = lock(&self.state);
        while state.0 > 0 || state.1 {
            state = wait(&self.changed, state);
        }
        state.1 = true;
        drop(state);
        body();
        lock(&self.state).1 = false;
        self.changed.notify_all();
    }
}

/// What the store does in `lock_for_write`: the gate is closed when the lock is not to be had.
fn write_patiently(gate: &Gate, shard: &Shard, body: impl Fn()) {
    let token = gate.token(Asker::Applier);
    if !shard.try_write(&body) {
        let _closed = token.close();
        shard.write(&body);
    }
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

#[test]
fn a_task_that_found_the_gate_closed_is_woken() {
    struct Woken {
        state: Mutex<bool>,
        changed: Condvar,
    }
    impl Wake for Woken {
        fn wake(self: std::sync::Arc<Self>) {
            *lock(&self.state) = true;
            self.changed.notify_all();
        }
    }
    random(|| {
        let gate = Arc::new(Gate::new());
        let task = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || {
                let slot = Rc::new(Gate::register(&gate));
                let woken = std::sync::Arc::new(Woken { state: Mutex::new(false), changed: Condvar::new() });
                let waker = std::sync::Arc::clone(&woken).into();
                while gate.try_enter(Rc::clone(&slot)).is_none() {
                    if gate.poll_open(&waker) == Poll::Pending {
                        let mut state = lock(&woken.state);
                        while !*state {
                            state = wait(&woken.changed, state);
                        }
                        *state = false;
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
        let shards = Arc::new([Shard::default(), Shard::default()]);
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let (gate, shards) = (Arc::clone(&gate), Arc::clone(&shards));
                thread::spawn(move || {
                    let slot = Rc::new(Gate::register(&gate));
                    let inside = gate.enter(&slot);
                    // Several keys: ascending, and held together.
                    shards[0].read(|| shards[1].read(|| ()));
                    drop(inside);
                    // A long read leaves its slot before it asks for the token.
                    let _token = gate.token(Asker::Other);
                    shards[1].read(|| ());
                })
            })
            .collect();
        let applier = {
            let (gate, shards) = (Arc::clone(&gate), Arc::clone(&shards));
            thread::spawn(move || {
                write_patiently(&gate, &shards[1], || ());
                write_patiently(&gate, &shards[0], || ());
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
