//! The writer's token and the gate: who may change data, and who may look at it meanwhile.
//!
//! The *token* has one holder, who alone changes data; those who wait get it in order, the applier first.
//! The *gate* has one slot for each reading thread. A thread inside its slot may look at data; the token's
//! holder can close the gate, which is done when every slot is empty, and then sees nobody inside until it opens
//! the gate again. Order of taking: token, gate, shards. Inside a slot nobody waits for the token: its holder may
//! be waiting for that very slot to be empty.
//! A holder who takes long can *refuse* to be waited for: who can do without is sent away, and comes again to be
//! answered.
//!
//! Owns the words that say who is inside and who holds the token. Never knows what they protect.
//!
//! # Orderings
//! `closed` and each slot's `inside` are sequentially consistent: a reader stores `inside` and then loads `closed`, a
//! closer stores `closed` and then loads `inside`, and of two who do so at least one must see the other; release and
//! acquire would let both look too early. What a batch has read happens before its `inside` is cleared, and what the
//! closer has written before `closed` is: who finds the one cleared sees the other whole. `refuses` is set under the
//! lock of `turns`, and before that of `waiting` is taken. `waiting_count` is a hint.
//!
//! This file is compiled twice: as it is, and by `model` over Shuttle's primitives, which tries its interleavings.

use std::cell::Cell;
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::primitives::{
    Arc, AtomicBool, AtomicUsize, Condvar, Mutex, Ordering, SPINS, Weak, lock, spin_loop, wait,
};

/// Token and gate of one store.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Set by the token's holder alone.
    closed: AtomicBool,
    slots: Mutex<Vec<Arc<ReadSlot>>>,
    /// The closer sleeps here until the last slot is empty.
    leaving: Mutex<()>,
    left: Condvar,
    /// Those who found the gate closed.
    waiting: Mutex<Waiting>,
    waiting_count: AtomicUsize,
    opened: Condvar,
    /// Those who can be answered without it do not wait for this holder. Changed under the lock of `turns`.
    refuses: AtomicBool,
    turns: Mutex<Turns>,
}

/// Whether one thread is inside. On a cache line of its own, for it is written at each batch.
#[derive(Debug, Default)]
#[repr(align(128))]
struct ReadSlot {
    inside: AtomicBool,
}

#[derive(Debug, Default)]
struct Waiting {
    wakers: Vec<Waker>,
}

#[derive(Debug, Default)]
struct Turns {
    /// Stays set when the token is passed on: nobody comes between.
    held: bool,
    applier: VecDeque<Arc<Turn>>,
    others: VecDeque<Arc<Turn>>,
}

/// One who waits for the token. Each has a bell of its own, so that passing it on wakes nobody else.
#[derive(Debug)]
struct Turn {
    has_come: AtomicBool,
    /// Whether it gives up when it is refused ([`Gate::refuse`]), and that it is.
    is_refusable: bool,
    is_refused: AtomicBool,
    bell: Condvar,
}

/// Who asks for the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// Goes before everybody else who waits.
    Applier,
    Other,
}

/// A thread's place in a gate: made once for each thread, counted, so that a thread inside may enter again.
#[derive(Debug)]
pub(crate) struct ThreadSlot {
    gate: Weak<Gate>,
    slot: Arc<ReadSlot>,
    depth: Cell<usize>,
}

impl ThreadSlot {
    /// Whether this thread is inside.
    pub(crate) fn is_inside(&self) -> bool {
        self.depth.get() > 0
    }

    /// Whether the gate is still there.
    pub(crate) fn has_gate(&self) -> bool {
        self.gate.strong_count() > 0
    }

    pub(crate) fn is_of(&self, gate: &Gate) -> bool {
        std::ptr::eq(self.gate.as_ptr(), gate)
    }
}

impl Drop for ThreadSlot {
    fn drop(&mut self) {
        if let Some(gate) = self.gate.upgrade() {
            lock(&gate.slots).retain(|slot| !Arc::ptr_eq(slot, &self.slot));
        }
    }
}

/// The right to look at what this gate protects, for `'a`: a slot is occupied, or the token held, all that time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access<'a> {
    gate: *const Gate,
    held: PhantomData<&'a ()>,
}

impl Access<'_> {
    /// Whether it is a right to look behind `gate`.
    pub(crate) fn is_for(&self, gate: *const Gate) -> bool {
        std::ptr::eq(self.gate, gate)
    }
}

/// A slot occupied by this thread.
#[derive(Debug)]
pub(crate) struct Inside<'g> {
    gate: &'g Gate,
    thread: Rc<ThreadSlot>,
}

impl Inside<'_> {
    pub(crate) fn access(&self) -> Access<'_> {
        Access { gate: self.gate, held: PhantomData }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        let depth = self.thread.depth.get() - 1;
        self.thread.depth.set(depth);
        if depth == 0 {
            self.gate.leave(&self.thread.slot);
        }
    }
}

/// The writer's token.
#[derive(Debug)]
pub(crate) struct Token<'g> {
    gate: &'g Gate,
    closings: Cell<usize>,
    /// The token stays with the thread that took it.
    thread: PhantomData<*const ()>,
}

impl Token<'_> {
    pub(crate) fn access(&self) -> Access<'_> {
        Access { gate: self.gate, held: PhantomData }
    }

    /// Closes the gate, and returns when nobody is inside. Counted: it opens when the last `Closed` is dropped.
    pub(crate) fn close(&self) -> Closed<'_> {
        if self.closings.get() == 0 {
            self.gate.close();
        }
        self.closings.set(self.closings.get() + 1);
        Closed { token: self }
    }

    /// Whether the gate is closed by this holder.
    pub(crate) fn has_closed(&self) -> bool {
        self.closings.get() > 0
    }
}

impl Drop for Token<'_> {
    fn drop(&mut self) {
        self.gate.pass_on();
    }
}

/// The gate is closed and nobody is inside, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Closed<'t> {
    token: &'t Token<'t>,
}

impl Closed<'_> {
    /// Whether it is this gate that is closed.
    pub(crate) fn is_of(&self, gate: *const Gate) -> bool {
        std::ptr::eq(self.token.gate, gate)
    }
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        let closings = self.token.closings.get() - 1;
        self.token.closings.set(closings);
        if closings == 0 {
            self.token.gate.open();
        }
    }
}

impl Gate {
    pub(crate) fn new() -> Gate {
        Gate {
            closed: AtomicBool::new(false),
            slots: Mutex::new(Vec::new()),
            leaving: Mutex::new(()),
            left: Condvar::new(),
            waiting: Mutex::new(Waiting::default()),
            waiting_count: AtomicUsize::new(0),
            opened: Condvar::new(),
            refuses: AtomicBool::new(false),
            turns: Mutex::new(Turns::default()),
        }
    }

    /// Gives the calling thread its place; to be kept and used by that thread.
    pub(crate) fn register(gate: &Arc<Gate>) -> ThreadSlot {
        let slot = Arc::new(ReadSlot::default());
        // A closer that has looked through the slots before this one was added has set `closed` before, and this
        // lock makes that visible here; so the first `try_enter` sees it.
        lock(&gate.slots).push(Arc::clone(&slot));
        ThreadSlot { gate: Arc::downgrade(gate), slot, depth: Cell::new(0) }
    }

    /// Enters, unless the gate is closed (a thread inside already enters again in any case).
    #[inline]
    pub(crate) fn try_enter(&self, thread: Rc<ThreadSlot>) -> Option<Inside<'_>> {
        debug_assert!(thread.is_of(self), "a thread's slot is used with its own gate");
        let depth = thread.depth.get();
        if depth == 0 {
            // Both words sequentially consistent: of a reader who enters and a closer who closes, at least one
            // sees the other.
            thread.slot.inside.store(true, Ordering::SeqCst);
            if self.closed.load(Ordering::SeqCst) {
                self.leave(&thread.slot);
                return None;
            }
        }
        thread.depth.set(depth + 1);
        Some(Inside { gate: self, thread })
    }

    /// Enters, and waits for as long as the gate is closed.
    pub(crate) fn enter(&self, thread: &Rc<ThreadSlot>) -> Inside<'_> {
        loop {
            if let Some(inside) = self.try_enter(Rc::clone(thread)) {
                return inside;
            }
            let mut waiting = lock(&self.waiting);
            self.waiting_count.fetch_add(1, Ordering::Relaxed);
            while self.closed.load(Ordering::SeqCst) {
                waiting = wait(&self.opened, waiting);
            }
            self.waiting_count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Whether the gate is open, once that is so, or who waits here is refused; until then `waker` is woken when that
    /// may have come.
    pub(crate) fn poll_open(&self, waker: &Waker, is_refusable: bool) -> Poll<bool> {
        let outcome = || {
            let is_open = !self.closed.load(Ordering::SeqCst);
            (is_open || is_refusable && self.refuses.load(Ordering::SeqCst)).then_some(is_open)
        };
        if let Some(is_open) = outcome() {
            return Poll::Ready(is_open);
        }
        let mut waiting = lock(&self.waiting);
        // `open` and `refuse` change the words before they take this lock: whoever finds nothing here is found by them.
        if let Some(is_open) = outcome() {
            return Poll::Ready(is_open);
        }
        if !waiting.wakers.iter().any(|known| known.will_wake(waker)) {
            waiting.wakers.push(waker.clone());
            self.waiting_count.fetch_add(1, Ordering::Relaxed);
        }
        Poll::Pending
    }

    /// Whether somebody found the gate closed and waits.
    pub(crate) fn has_waiting(&self) -> bool {
        self.waiting_count.load(Ordering::Relaxed) > 0
    }

    fn leave(&self, slot: &ReadSlot) {
        slot.inside.store(false, Ordering::SeqCst);
        if self.closed.load(Ordering::SeqCst) {
            // Under the lock, so that the closer is either before its look at the slots or already asleep.
            drop(lock(&self.leaving));
            self.left.notify_all();
        }
    }

    fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        let slots = lock(&self.slots).clone();
        let is_empty = || slots.iter().all(|slot| !slot.inside.load(Ordering::SeqCst));
        for _ in 0..SPINS {
            if is_empty() {
                return;
            }
            spin_loop();
        }
        let mut leaving = lock(&self.leaving);
        while !is_empty() {
            leaving = wait(&self.left, leaving);
        }
    }

    fn open(&self) {
        self.closed.store(false, Ordering::SeqCst);
        self.wake_waiting();
    }

    /// Has those look again who found the gate closed.
    fn wake_waiting(&self) {
        let wakers = {
            let mut waiting = lock(&self.waiting);
            self.waiting_count.fetch_sub(waiting.wakers.len(), Ordering::Relaxed);
            std::mem::take(&mut waiting.wakers)
        };
        self.opened.notify_all();
        for waker in wakers {
            waker.wake();
        }
    }

    /// Takes the token; waits while another has it.
    pub(crate) fn token(&self, asker: Asker) -> Token<'_> {
        self.turn(asker, false).expect("only who may be refused is")
    }

    /// The same, unless the holder refuses to be waited for ([`Gate::refuse`]), now or meanwhile.
    pub(crate) fn token_unless_refused(&self) -> Option<Token<'_>> {
        self.turn(Asker::Other, true)
    }

    fn turn(&self, asker: Asker, is_refusable: bool) -> Option<Token<'_>> {
        let mut turns = lock(&self.turns);
        if turns.held {
            if is_refusable && self.refuses.load(Ordering::SeqCst) {
                return None;
            }
            let turn = Arc::new(Turn {
                has_come: AtomicBool::new(false),
                is_refusable,
                is_refused: AtomicBool::new(false),
                bell: Condvar::new(),
            });
            match asker {
                Asker::Applier => turns.applier.push_back(Arc::clone(&turn)),
                Asker::Other => turns.others.push_back(Arc::clone(&turn)),
            }
            // Both are set and read under the lock.
            while !turn.has_come.load(Ordering::Relaxed) {
                if turn.is_refused.load(Ordering::Relaxed) {
                    return None;
                }
                turns = wait(&turn.bell, turns);
            }
        }
        turns.held = true;
        Some(Token { gate: self, closings: Cell::new(0), thread: PhantomData })
    }

    /// From now on, until it is taken back: who may be refused waits neither for the token nor for the gate. Those who
    /// wait already hear of it too.
    pub(crate) fn refuse(&self, refuses: bool) {
        let mut turns = lock(&self.turns);
        self.refuses.store(refuses, Ordering::SeqCst);
        if !refuses {
            return;
        }
        turns.others.retain(|turn| {
            if turn.is_refusable {
                turn.is_refused.store(true, Ordering::Relaxed);
                turn.bell.notify_one();
            }
            !turn.is_refusable
        });
        drop(turns);
        self.wake_waiting();
    }

    /// Takes the token if nobody has it.
    pub(crate) fn try_token(&self) -> Option<Token<'_>> {
        let mut turns = lock(&self.turns);
        if turns.held {
            return None;
        }
        turns.held = true;
        Some(Token { gate: self, closings: Cell::new(0), thread: PhantomData })
    }

    /// How many wait for the token; for the model.
    #[cfg(test)]
    #[allow(dead_code)] // this file is compiled twice, and only the model asks
    pub(crate) fn waiting_for_token(&self) -> usize {
        let turns = lock(&self.turns);
        turns.applier.len() + turns.others.len()
    }

    /// Hands the token to the next who waits.
    fn pass_on(&self) {
        let mut turns = lock(&self.turns);
        let next = turns.applier.pop_front().or_else(|| turns.others.pop_front());
        turns.held = next.is_some();
        if let Some(next) = next {
            next.has_come.store(true, Ordering::Relaxed);
            drop(turns);
            next.bell.notify_one();
        }
    }
}
