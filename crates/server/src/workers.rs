//! The threads that serve connections.
//!
//! Owns one thread a core, each with a runtime of its own. A connection stays on the thread that it was given to: a
//! reply never waits for another thread to be woken, which costs more than the GET that it answers. Never accepts a
//! connection, and never looks into one.

use std::future::Future;
use std::io;
use std::net::TcpStream as StdStream;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// All of them.
#[derive(Debug)]
pub(crate) struct Workers(Vec<Worker>);

#[derive(Debug)]
struct Worker {
    runtime: Handle,
    /// Connections that it serves.
    load: Arc<AtomicUsize>,
    /// Dropped, it ends the thread.
    stop: oneshot::Sender<()>,
    thread: thread::JoinHandle<()>,
}

/// One connection of a worker's load.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Workers {
    /// Starts one for each core that this process may use.
    ///
    /// # Errors
    /// The system's reason for not giving a thread.
    pub(crate) fn start() -> io::Result<Workers> {
        let count = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        (0..count).map(Worker::start).collect::<io::Result<_>>().map(Workers)
    }

    /// Gives a connection to the thread that has fewest.
    ///
    /// # Errors
    /// When the socket cannot be watched for what comes.
    pub(crate) fn serve<S>(
        &self,
        stream: StdStream,
        serve: impl FnOnce(TcpStream) -> S,
    ) -> io::Result<AbortHandle>
    where
        S: Future<Output = ()> + Send + 'static,
    {
        let worker = self.0.iter().min_by_key(|worker| worker.load.load(Relaxed));
        let worker = worker.ok_or_else(|| io::Error::other("no thread serves connections"))?;
        let _entered = worker.runtime.enter();
        let serving = serve(TcpStream::from_std(stream)?);
        worker.load.fetch_add(1, Relaxed);
        let place = Place(Arc::clone(&worker.load));
        let task = worker.runtime.spawn(async move {
            let _place = place;
            serving.await;
        });
        Ok(task.abort_handle())
    }

    /// Ends the threads, with every connection that is left. Blocks until they are gone.
    pub(crate) fn end(self) {
        let threads: Vec<_> = self.0.into_iter().map(|worker| (worker.stop, worker.thread)).collect();
        let (stops, threads): (Vec<_>, Vec<_>) = threads.into_iter().unzip();
        drop(stops);
        for thread in threads {
            // Who panicked has said so already.
            let _ = thread.join();
        }
    }
}

impl Worker {
    fn start(index: usize) -> io::Result<Worker> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .thread_name(format!("nearside-wait-{index}"))
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name(format!("nearside-{index}")).spawn(move || {
            // Nothing is ever sent: the end is that the sender is gone.
            let _ = runtime.block_on(stopped);
            // A request on the blocking pool may still hold a thread; nobody waits for its answer.
            runtime.shutdown_background();
        })?;
        Ok(Worker { runtime: handle, load: Arc::default(), stop, thread })
    }
}
