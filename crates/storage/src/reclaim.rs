//! Freeing what takes long: a bounded queue to a thread. When it is full, who frees does it himself.
//!
//! Owns the thread and the queue. Never decides what is garbage.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;

use crate::keyspace::Trash;

/// How much may wait to be freed; enough for a burst of big keys, not for a backlog of them.
const QUEUE_MAX: usize = 1024;
/// A value of more elements goes to the thread: freeing it would take longer than some 20 µs.
const INLINE_ELEMENTS_MAX: usize = 256;

/// Work for the thread.
type Job = Box<dyn FnOnce() + Send>;

/// See the module. The thread starts with the first job, and ends after the last when this is dropped.
#[derive(Default)]
pub(crate) struct Reclaimer {
    queue: OnceLock<Option<Sender<Job>>>,
    waiting: Arc<AtomicUsize>,
}

impl std::fmt::Debug for Reclaimer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reclaimer").field("waiting", &self.waiting).finish_non_exhaustive()
    }
}

fn work(jobs: Receiver<Job>, waiting: Arc<AtomicUsize>) {
    for job in jobs {
        job();
        waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Reclaimer {
    fn queue(&self) -> Option<&Sender<Job>> {
        self.queue
            .get_or_init(|| {
                let (sender, jobs) = channel();
                let waiting = Arc::clone(&self.waiting);
                let thread = thread::Builder::new().name("nearside-free".into());
                // Without a thread everything is freed where it is dropped.
                thread.spawn(move || work(jobs, waiting)).is_ok().then_some(sender)
            })
            .as_ref()
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
    pub(crate) fn free(&self, trash: &mut Vec<Trash>) {
        for trash in trash.drain(..) {
            if trash.elements() > INLINE_ELEMENTS_MAX && self.waiting.load(Ordering::Relaxed) < QUEUE_MAX {
                self.run_later(move || drop(trash));
            }
        }
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
