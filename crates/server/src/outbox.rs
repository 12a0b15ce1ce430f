//! What is sent to a client without being an answer: messages, events, invalidations.
//!
//! Owns what waits for one connection, written in its protocol, and the way to wake the connection's task. Never looks
//! into what is sent, never touches a socket, never decides how much is too much.
//!
//! Only a connection that may be sent something has one: those who never subscribe cost nothing. What waits here is
//! taken by the task itself, between two answers, so that both stay in order.

use std::cell::OnceCell;
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering::Acquire, Ordering::Relaxed,
    Ordering::Release,
};
use std::task::{Context, Waker};
use std::time::Instant;

use bitflags::bitflags;
use bytes::Bytes;
use parking_lot::Mutex;
use protocol::{Protocol, Reply};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// Whether something waits. Set and cleared under the lock.
    is_filled: AtomicBool,
    waiting: Mutex<Waiting>,
    /// How many channels, patterns and shard channels it is subscribed to.
    pub(crate) subscribed: [AtomicU32; 3],
    /// About the bytes that these, and the prefixes that it wants to hear of, take.
    pub(crate) names_bytes: AtomicUsize,
    /// Bits of [`Mark`].
    marks: AtomicU8,
    /// Who hears in its place what is tracked for it; 0: nobody.
    redirect: AtomicU64,
}

bitflags! {
    /// What others see of a client that is sent something.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Mark: u8 {
        /// CLIENT TRACKING ON
        const TRACKING = 1;
        /// BCAST
        const BROADCAST = 1 << 1;
        /// Whoever was to hear in its place is gone.
        const BROKEN_REDIRECT = 1 << 2;
        /// MONITOR
        const MONITOR = 1 << 3;
    }
}

#[derive(Debug, Default)]
struct Waiting {
    pieces: Reply,
    waker: Option<Waker>,
    /// Since when more waits than may for long.
    slow_since: Option<Instant>,
    /// It is let go: nothing more is kept for it.
    is_closed: bool,
}

/// Something to be sent to several clients, written once for each protocol.
pub(crate) struct Push<'a> {
    write: &'a dyn Fn(&mut Reply),
    written: [OnceCell<Bytes>; 2],
}

impl<'a> Push<'a> {
    /// What `write` writes.
    pub(crate) fn new(write: &'a dyn Fn(&mut Reply)) -> Self {
        Push { write, written: [OnceCell::new(), OnceCell::new()] }
    }

    fn of(&self, protocol: Protocol) -> &Bytes {
        let [resp2, resp3] = &self.written;
        let written = if protocol == Protocol::Resp2 { resp2 } else { resp3 };
        written.get_or_init(|| {
            let mut reply = Reply::new(protocol);
            (self.write)(&mut reply);
            reply.to_vec().into()
        })
    }
}

impl Outbox {
    /// What others see of it.
    pub(crate) fn marks(&self) -> Mark {
        Mark::from_bits_truncate(self.marks.load(Relaxed))
    }

    /// Sets or clears one of those.
    pub(crate) fn mark(&self, mark: Mark, is_set: bool) {
        if is_set {
            self.marks.fetch_or(mark.bits(), Relaxed);
        } else {
            self.marks.fetch_and(!mark.bits(), Relaxed);
        }
    }

    /// Notes who hears in its place what is tracked for it.
    pub(crate) fn redirect_to(&self, client: u64) {
        self.redirect.store(client, Relaxed);
    }

    /// Who hears in its place what is tracked for it; -1 when nothing is tracked, 0 when it hears itself.
    pub(crate) fn redirect(&self) -> i64 {
        if !self.marks().contains(Mark::TRACKING) {
            return -1;
        }
        i64::try_from(self.redirect.load(Relaxed)).unwrap_or(i64::MAX)
    }

    /// Adds to what waits, in the protocol that `protocol` gives in the moment when that is fixed; if it gives none, it
    /// is not to be sent. Says how much waits then; `None` when nothing was added.
    pub(crate) fn add(&self, push: &Push<'_>, protocol: impl FnOnce() -> Option<Protocol>) -> Option<usize> {
        let mut waiting = self.waiting.lock();
        if waiting.is_closed {
            return None;
        }
        waiting.pieces.raw_shared(push.of(protocol()?));
        self.is_filled.store(true, Release);
        let bytes = waiting.pieces.len();
        let waker = waiting.waker.take();
        drop(waiting);
        if let Some(waker) = waker {
            waker.wake();
        }
        Some(bytes)
    }

    /// Moves what waits behind what `reply` holds.
    #[inline]
    pub(crate) fn move_to(&self, reply: &mut Reply) {
        if self.is_filled.load(Acquire) {
            self.move_and(reply, || {});
        }
    }

    /// The same, and runs `then` in the same moment: whatever is added later finds what it changed.
    pub(crate) fn move_and(&self, reply: &mut Reply, then: impl FnOnce()) {
        let mut waiting = self.waiting.lock();
        self.is_filled.store(false, Release);
        waiting.slow_since = None;
        reply.append(waiting.pieces.take());
        then();
    }

    /// Runs `then` in a moment in which nothing is added.
    pub(crate) fn between(&self, then: impl FnOnce()) {
        let _waiting = self.waiting.lock();
        then();
    }

    /// Notes how many subscriptions of a sort there are; what is added later finds that.
    pub(crate) fn subscribe(&self, sort: usize, count: usize) {
        if let Some(subscribed) = self.subscribed.get(sort) {
            self.between(|| subscribed.store(u32::try_from(count).unwrap_or(u32::MAX), Relaxed));
        }
    }

    /// Whether something waits; if not, the task is woken when something does.
    pub(crate) fn poll(&self, context: &mut Context<'_>) -> bool {
        let mut waiting = self.waiting.lock();
        if !waiting.pieces.is_empty() {
            return true;
        }
        match &mut waiting.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        false
    }

    /// Notes that too much waits since `now`; false when that was known.
    pub(crate) fn is_slow_from(&self, now: Instant) -> bool {
        let mut waiting = self.waiting.lock();
        let is_news = waiting.slow_since.is_none();
        waiting.slow_since.get_or_insert(now);
        is_news
    }

    /// Since when too much waits, and how much.
    pub(crate) fn slow_since(&self) -> Option<(Instant, usize)> {
        let waiting = self.waiting.lock();
        waiting.slow_since.map(|since| (since, waiting.pieces.len()))
    }

    /// Drops what waits, and keeps nothing from now on. False when that was so already.
    pub(crate) fn close(&self) -> bool {
        let mut waiting = self.waiting.lock();
        waiting.pieces = Reply::default();
        !std::mem::replace(&mut waiting.is_closed, true)
    }

    /// How many bytes wait.
    pub(crate) fn bytes(&self) -> usize {
        if self.is_filled.load(Relaxed) { self.waiting.lock().pieces.len() } else { 0 }
    }
}
