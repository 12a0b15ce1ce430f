//! Freeing what takes long: a bounded queue to a thread. When it is full, who frees does it himself.
//!
//! Owns the thread and the queue. Never decides what is garbage.

use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use crate::keyspace::Trash;

/// How much may wait to be freed; enough for a burst of big keys, not for a backlog of them.
const QUEUE_MAX: usize = 1024;
/// A value of more elements goes to the thread: freeing it would take longer than some 20 µs.
const INLINE_ELEMENTS_MAX: usize = 256;

/// Work for the thread, which is dropped (that is: done) there.
type Job = Box<dyn FnOnce() + Send>;

/// See the module. The thread starts with the first job, and ends after the last when this is dropped.
#[derive(Default)]
pub(crate) struct Reclaimer {
    queue: OnceLock<Option<SyncSender<Job>>>,
}

impl std::fmt::Debug for Reclaimer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reclaimer")
    }
}

fn work(jobs: Receiver<Job>) {
    for job in jobs {
        job();
    }
}

impl Reclaimer {
    fn queue(&self) -> Option<&SyncSender<Job>> {
        self.queue
            .get_or_init(|| {
                let (sender, jobs) = sync_channel(QUEUE_MAX);
                let thread = thread::Builder::new().name("nearside-free".into()).spawn(move || work(jobs));
                // Without a thread everything is freed where it is dropped.
                thread.is_ok().then_some(sender)
            })
            .as_ref()
    }

    /// Has `job` done by the thread; does it here when the queue is full.
    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) {
        let job: Job = Box::new(job);
        let left = match self.queue() {
            Some(queue) => match queue.try_send(job) {
                Ok(()) => None,
                Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => Some(job),
            },
            None => Some(job),
        };
        if let Some(job) = left {
            job();
        }
    }

    /// Frees what an edit left over: at once when that is quick.
    pub(crate) fn free(&self, trash: &mut Vec<Trash>) {
        for trash in trash.drain(..) {
            if trash.elements() > INLINE_ELEMENTS_MAX {
                self.run(move || drop(trash));
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
            if queue.send(Box::new(reached)).is_ok() {
                let _thread_is_gone = done.recv();
            }
        }
    }
}
