//! Freeing what takes long: a bounded queue to a thread. When it is full, who frees does it himself.
//!
//! Owns the thread and the queue. Never decides what is garbage.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;

use crate::entry::{Entry, Hollow};
use crate::value::Value;

/// How much may wait to be freed; enough for a burst of big keys, not for a backlog of them.
const QUEUE_MAX: usize = 1024;
/// A value of more elements goes to the thread: freeing it would take longer than some 20 µs.
const INLINE_ELEMENTS_MAX: usize = 256;

/// What an edit leaves over, to be freed when the shard's lock is gone.
#[derive(Debug)]
pub(crate) enum Trash {
    /// An entry with its value.
    Entry(Entry),
    /// A value that was taken out.
    Value(Value),
    /// An allocation without its value.
    Hollow(#[allow(dead_code)] Hollow),
}

impl Trash {
    /// What freeing it costs, in elements.
    fn elements(&self) -> usize {
        match self {
            Trash::Entry(entry) => entry.elements(),
            Trash::Value(value) => value.view().elements(),
            Trash::Hollow(_) => 1,
        }
    }
}

/// Where an edit throws things. The usual edit leaves two at most, for which nothing is allocated.
#[derive(Debug, Default)]
pub(crate) struct Bin {
    first: Option<Trash>,
    second: Option<Trash>,
    more: Vec<Trash>,
}

impl Bin {
    pub(crate) fn push(&mut self, trash: Trash) {
        match (&self.first, &self.second) {
            (None, _) => self.first = Some(trash),
            (_, None) => self.second = Some(trash),
            _ => self.more.push(trash),
        }
    }

    fn empty(&mut self) -> impl Iterator<Item = Trash> {
        self.first.take().into_iter().chain(self.second.take()).chain(self.more.drain(..))
    }
}

/// Work for the thread.
type Job = Box<dyn FnOnce() + Send>;

/// See the module. The thread starts with the first job, and ends after the last when this is dropped.
#[derive(Default)]
pub(crate) struct Reclaimer {
    queue: OnceLock<Option<Sender<Job>>>,
    waiting: Arc<AtomicUsize>,
    freed: Arc<AtomicUsize>,
}

impl std::fmt::Debug for Reclaimer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reclaimer").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

fn work(jobs: Receiver<Job>, waiting: Arc<AtomicUsize>, freed: Arc<AtomicUsize>) {
    for job in jobs {
        job();
        waiting.fetch_sub(1, Ordering::Relaxed);
        freed.fetch_add(1, Ordering::Relaxed);
    }
}

impl Reclaimer {
    fn queue(&self) -> Option<&Sender<Job>> {
        self.queue
            .get_or_init(|| {
                let (sender, jobs) = channel();
                let (waiting, freed) = (Arc::clone(&self.waiting), Arc::clone(&self.freed));
                let thread = thread::Builder::new().name("nearside-free".into());
                // Without a thread everything is freed where it is dropped.
                thread.spawn(move || work(jobs, waiting, freed)).is_ok().then_some(sender)
            })
            .as_ref()
    }

    /// How many jobs wait for the thread, and how many it has done.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.waiting.load(Ordering::Relaxed), self.freed.load(Ordering::Relaxed))
    }

    /// Counts those that it has done anew.
    pub(crate) fn forget_freed(&self) {
        self.freed.store(0, Ordering::Relaxed);
    }

    /// Has `job` done by the thread, however much waits there; for what must not be done here, or is rare.
    pub(crate) fn run_later(&self, job: impl FnOnce() + Send + 'static) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let job: Job = Box::new(job);
        let left = match self.queue() {
            Some(queue) => queue.send(job).err().map(|unsent| unsent.0),
            None => Some(job),
        };
        if let Some(job) = left {
            job();
        }
    }

    /// Frees what an edit left over: at once when that is quick, or when too much waits for the thread.
    #[inline]
    pub(crate) fn free(&self, bin: &mut Bin) {
        if bin.first.is_none() {
            return;
        }
        for trash in bin.empty() {
            if trash.elements() > INLINE_ELEMENTS_MAX && self.waiting.load(Ordering::Relaxed) < QUEUE_MAX {
                self.run_later(move || drop(trash));
            }
        }
    }

    /// Whether nothing waits.
    pub(crate) fn is_settled(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }

    /// Waits until everything that was queued before is done.
    pub(crate) fn settle(&self) {
        if let Some(Some(queue)) = self.queue.get() {
            let (sender, done) = sync_channel(1);
            let reached = move || {
                let _nobody_waits_any_more = sender.send(());
            };
            self.waiting.fetch_add(1, Ordering::Relaxed);
            if queue.send(Box::new(reached)).is_ok() {
                let _thread_is_gone = done.recv();
            }
        }
    }
}
