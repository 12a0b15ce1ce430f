//! The threads that serve connections, and which thread serves which.
//!
//! Owns one thread a core, each with a runtime of its own. A reply never waits for another thread to be woken, which
//! costs more than the GET that it answers. Never accepts a connection, and never looks into one.
//!
//! # As few threads as have the time
//! A thread that finds several requests whenever it looks answers each for less than one that sleeps between any two:
//! with 50 connections and one request at a time a GET cost 16 µs of CPU on two threads, 13 µs on one. So connections
//! begin on the first thread that has time; every second one of a thread that has none goes to one that has; and the
//! connections of two threads that have little to do come together on one. A connection goes between two requests.

use std::future::Future;
use std::io;
use std::net::TcpStream as StdStream;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::MissedTickBehavior;

use crate::clock;
use crate::stats;

/// How often it is looked at who is busy.
const PERIOD: Duration = Duration::from_millis(100);
/// A thread with a larger share of its time taken has none left.
const BUSY: f64 = 0.9;
/// A thread with a smaller one can take half of what a busy one has.
const CALM: f64 = 0.5;
/// What two threads have to do together, so that one can do it.
const LITTLE: f64 = 0.5;

/// All of them.
#[derive(Debug)]
pub(crate) struct Workers {
    lanes: Arc<[Lane]>,
    threads: Vec<Thread>,
}

/// What connections see of a thread.
#[derive(Debug)]
struct Lane {
    runtime: Handle,
    /// Where it counts: see [`stats::block_of_thread`].
    block: usize,
    /// Connections that it serves.
    load: AtomicUsize,
    /// Whether it had time left at the last look.
    is_busy: AtomicBool,
    /// The last wish that its connections go; see [`Wish`].
    wish: AtomicU64,
    /// How many connections have looked at it.
    asked: AtomicUsize,
}

#[derive(Debug)]
struct Thread {
    /// Dropped, it ends the thread.
    stop: oneshot::Sender<()>,
    thread: thread::JoinHandle<()>,
}

/// How many of a thread's connections are to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    EverySecond,
    All,
}

/// That connections go from one thread to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wish {
    from: usize,
    to: usize,
    part: Part,
}

impl Wish {
    /// What is to be wished when threads have this share of their time taken, and serve so many connections.
    fn of(shares: &[f64], loads: &[usize]) -> Option<Wish> {
        let mut order: Vec<usize> = (0..shares.len()).collect();
        let share = |lane: usize| shares.get(lane).copied().unwrap_or_default();
        order.sort_by(|one, other| share(*one).total_cmp(&share(*other)));
        let (calmest, busiest) = (*order.first()?, *order.last()?);
        if share(busiest) > BUSY && share(calmest) < CALM {
            return Some(Wish { from: busiest, to: calmest, part: Part::EverySecond });
        }
        order.retain(|lane| loads.get(*lane).is_some_and(|load| *load > 0));
        match order.as_slice() {
            [one, other, ..] if share(*one) + share(*other) < LITTLE => {
                Some(Wish { from: *one.max(other), to: *one.min(other), part: Part::All })
            }
            _ => None,
        }
    }

    /// As one word, together with its number: a connection looks at each wish once.
    fn word(self, number: u32) -> u64 {
        let to = u64::try_from(self.to).unwrap_or_default() & 0xffff;
        u64::from(number) << 32 | u64::from(self.part == Part::All) << 16 | to
    }

    /// Whether connection number `asked` of those who look at this word goes, and where.
    fn goes(word: u64, asked: usize) -> Option<usize> {
        let is_all = word >> 16 & 1 == 1;
        // The first stays: were it the only one, nothing would be won.
        (is_all || asked % 2 == 1).then(|| usize::try_from(word & 0xffff).unwrap_or_default())
    }
}

/// One connection of a thread's load.
#[derive(Debug)]
pub(crate) struct Place {
    lanes: Arc<[Lane]>,
    index: usize,
    /// The last wish that was looked at.
    seen: u64,
}

impl Place {
    /// Serves a connection on this thread.
    fn on<S>(
        lanes: &Arc<[Lane]>,
        index: usize,
        stream: StdStream,
        serve: impl FnOnce(TcpStream, Place) -> S,
    ) -> io::Result<AbortHandle>
    where
        S: Future<Output = ()> + Send + 'static,
    {
        let lane = lanes.get(index).ok_or_else(|| io::Error::other("no thread serves connections"))?;
        let _entered = lane.runtime.enter();
        let stream = TcpStream::from_std(stream)?;
        lane.load.fetch_add(1, Relaxed);
        let place = Place { lanes: Arc::clone(lanes), index, seen: lane.wish.load(Relaxed) };
        Ok(lane.runtime.spawn(serve(stream, place)).abort_handle())
    }

    /// The number of the thread.
    pub(crate) fn thread(&self) -> u16 {
        u16::try_from(self.index).unwrap_or(u16::MAX)
    }

    /// Which other thread should serve this connection, if one should. To be asked between two requests.
    #[inline]
    pub(crate) fn elsewhere(&mut self) -> Option<usize> {
        let lane = self.lanes.get(self.index)?;
        let wish = lane.wish.load(Relaxed);
        if wish == self.seen {
            return None;
        }
        self.seen = wish;
        Wish::goes(wish, lane.asked.fetch_add(1, Relaxed)).filter(|to| *to != self.index)
    }

    /// Serves the connection on another thread from now on.
    ///
    /// # Errors
    /// When the socket cannot be watched for what comes.
    pub(crate) fn go<S>(
        self,
        to: usize,
        stream: StdStream,
        serve: impl FnOnce(TcpStream, Place) -> S,
    ) -> io::Result<AbortHandle>
    where
        S: Future<Output = ()> + Send + 'static,
    {
        Place::on(&self.lanes, to, stream, serve)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(lane) = self.lanes.get(self.index) {
            lane.load.fetch_sub(1, Relaxed);
        }
    }
}

impl Workers {
    /// Starts one for each core that this process may use.
    ///
    /// # Errors
    /// The system's reason for not giving a thread.
    pub(crate) fn start() -> io::Result<Workers> {
        Workers::of(thread::available_parallelism().map_or(1, NonZeroUsize::get))
    }

    fn of(count: usize) -> io::Result<Workers> {
        let started = (0..count).map(Thread::start).collect::<io::Result<Vec<_>>>()?;
        let (lanes, threads): (Vec<_>, Vec<_>) = started.into_iter().unzip();
        Ok(Workers { lanes: lanes.into(), threads })
    }

    /// Gives a connection to the first thread that has time; when none has, to the one that has fewest.
    ///
    /// # Errors
    /// When the socket cannot be watched for what comes.
    pub(crate) fn serve<S>(
        &self,
        stream: StdStream,
        serve: impl FnOnce(TcpStream, Place) -> S,
    ) -> io::Result<AbortHandle>
    where
        S: Future<Output = ()> + Send + 'static,
    {
        let has_time = self.lanes.iter().position(|lane| !lane.is_busy.load(Relaxed));
        let fewest = || (0..self.lanes.len()).min_by_key(|index| self.load(*index));
        Place::on(&self.lanes, has_time.or_else(fewest).unwrap_or_default(), stream, serve)
    }

    /// Where each of them counts: see [`stats::block_of_thread`].
    pub(crate) fn blocks(&self) -> Vec<usize> {
        self.lanes.iter().map(|lane| lane.block).collect()
    }

    fn load(&self, index: usize) -> usize {
        self.lanes.get(index).map_or(0, |lane| lane.load.load(Relaxed))
    }

    /// Keeps the threads' loads fitting, until dropped.
    pub(crate) async fn balance(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let taken = |lane: &Lane| lane.runtime.metrics().worker_total_busy_duration(0);
        let mut before: Vec<Duration> = self.lanes.iter().map(taken).collect();
        let mut last = clock::steady();
        let mut number = 0u32;
        loop {
            ticks.tick().await;
            let now = clock::steady();
            let elapsed = now.saturating_duration_since(last).as_secs_f64();
            last = now;
            let mut shares = Vec::with_capacity(self.lanes.len());
            for (lane, before) in self.lanes.iter().zip(&mut before) {
                let taken = taken(lane);
                let share = taken.saturating_sub(*before).as_secs_f64() / elapsed.max(f64::EPSILON);
                *before = taken;
                lane.is_busy.store(share > BUSY, Relaxed);
                shares.push(share);
            }
            let loads: Vec<usize> = (0..self.lanes.len()).map(|index| self.load(index)).collect();
            if let Some(wish) = Wish::of(&shares, &loads)
                && let Some(lane) = self.lanes.get(wish.from)
            {
                number = number.wrapping_add(1);
                lane.asked.store(0, Relaxed);
                lane.wish.store(wish.word(number), Relaxed);
            }
        }
    }

    /// Ends the threads, with every connection that is left. Blocks until they are gone.
    pub(crate) fn end(self) {
        let (stops, threads): (Vec<_>, Vec<_>) =
            self.threads.into_iter().map(|thread| (thread.stop, thread.thread)).unzip();
        drop(stops);
        for thread in threads {
            // Who panicked has said so already.
            let _ = thread.join();
        }
    }
}

impl Thread {
    fn start(index: usize) -> io::Result<(Lane, Thread)> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .thread_name(format!("nearside-wait-{index}"))
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let (tell_block, block) = mpsc::channel();
        let thread = thread::Builder::new().name(format!("nearside-{index}")).spawn(move || {
            // Whoever starts it waits for this.
            let _is_awaited = tell_block.send(stats::block_of_thread());
            // Nothing is ever sent: the end is that the sender is gone.
            let _ = runtime.block_on(stopped);
            // A request on the blocking pool may still hold a thread; nobody waits for its answer.
            runtime.shutdown_background();
        })?;
        let lane = Lane {
            runtime: handle,
            block: block.recv().map_err(io::Error::other)?,
            load: AtomicUsize::new(0),
            is_busy: AtomicBool::new(false),
            wish: AtomicU64::new(0),
            asked: AtomicUsize::new(0),
        };
        Ok((lane, Thread { stop, thread }))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::pin::Pin;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn a_busy_thread_gives_half_away_and_calm_ones_come_together() {
        let wish = |shares: &[f64], loads: &[usize]| Wish::of(shares, loads);
        let half = |from, to| Some(Wish { from, to, part: Part::EverySecond });
        let all = |from, to| Some(Wish { from, to, part: Part::All });
        assert_eq!(wish(&[0.95, 0.0], &[50, 0]), half(0, 1));
        assert_eq!(wish(&[0.3, 0.95, 0.2], &[9, 50, 1]), half(1, 2));
        assert_eq!(wish(&[0.95, 0.6], &[50, 9]), None, "nobody has time");
        assert_eq!(wish(&[0.7, 0.0], &[50, 0]), None, "one is enough, and is one");
        assert_eq!(wish(&[0.2, 0.2], &[1, 1]), all(1, 0));
        assert_eq!(wish(&[0.1, 0.7, 0.0, 0.2], &[3, 30, 0, 3]), all(3, 0));
        assert_eq!(wish(&[0.4, 0.4], &[9, 9]), None, "what was halved stays so");
        assert_eq!(wish(&[0.1], &[1]), None);
        assert_eq!(wish(&[], &[]), None);
    }

    /// Answers each byte with the name of the thread that does it.
    fn say_where(mut stream: TcpStream, mut place: Place) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            while stream.read_u8().await.is_ok() {
                let name = thread::current().name().unwrap_or_default().to_owned();
                // Asked before the answer, so that the client knows which wishes had been seen by then.
                let elsewhere = place.elsewhere();
                stream.write_all(name.as_bytes()).await.unwrap();
                if let Some(to) = elsewhere {
                    place.go(to, stream.into_std().unwrap(), say_where).unwrap();
                    return;
                }
            }
        })
    }

    #[test]
    fn a_connection_goes_to_another_thread_between_two_requests() {
        let workers = Workers::of(2).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = StdStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        accepted.set_nonblocking(true).unwrap();
        workers.serve(accepted, say_where).unwrap();
        let mut ask = || {
            let mut name = [0; 10];
            client.write_all(b"?").unwrap();
            client.read_exact(&mut name).unwrap();
            String::from_utf8(name.to_vec()).unwrap()
        };
        assert_eq!(ask(), "nearside-0");
        assert_eq!(ask(), "nearside-0");
        let wish = Wish { from: 0, to: 1, part: Part::All };
        workers.lanes[0].wish.store(wish.word(1), Relaxed);
        assert_eq!(ask(), "nearside-0", "this request was begun there");
        assert_eq!(ask(), "nearside-1");
        assert_eq!(ask(), "nearside-1");
        assert_eq!(workers.load(1), 1);
        workers.end();
    }

    #[test]
    fn a_wish_says_who_goes() {
        let half = Wish { from: 0, to: 3, part: Part::EverySecond }.word(7);
        let going: Vec<_> = (0..4).map(|asked| Wish::goes(half, asked)).collect();
        assert_eq!(going, [None, Some(3), None, Some(3)]);
        let all = Wish { from: 3, to: 0, part: Part::All }.word(8);
        assert_eq!(Wish::goes(all, 0), Some(0));
        assert_ne!(all, Wish { from: 3, to: 0, part: Part::All }.word(9), "each wish is looked at once");
    }
}
