//! HOTKEYS: which keys cost most, in time and in bytes, while somebody wants to know.
//!
//! Owns the one session there may be: what it was asked, and its counters by key. Each block of threads has counters of
//! its own, so that threads that serve do not wait for each other; they are bounded, however many keys come and however
//! long their names are. Never measures: who runs a request says what it took. Never on the way of a request while no
//! session runs: what makes every request come here is [`crate::settings::Settings::measures_each`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use commands::Command;
use commands::keys::{ArgsOf, Indexed, KeyAt};
use parking_lot::Mutex;
use protocol::{Args, Request};
use replication::Meter;
use storage::UnixMillis;

use crate::answer::Now;
use crate::stats::{BLOCKS, block_of_thread};
use crate::{clock, cpu};

/// The most keys that a block of threads counts by one metric: all that take more than a 2048th of what it serves are
/// among them (see [`Sketch`]), where 64 are told. Of 4096 keys with short names that is half a megabyte.
const KEYS_MAX: usize = 4096;
/// The most bytes that their names have together: a few long ones must not take all memory. A name that is longer than
/// that by itself is not told.
const NAME_BYTES_MAX: usize = 1 << 20;

/// What a session is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Whether keys are counted by the time that their requests take.
    pub(crate) time: bool,
    /// Whether they are by the bytes of their requests and answers.
    pub(crate) bytes: bool,
    /// How many keys are told.
    pub(crate) count: usize,
    /// How long it lasts; until it is stopped, where nobody says.
    pub(crate) duration: Option<Duration>,
    /// Of so many requests one is counted by its keys: by chance.
    pub(crate) ratio: u32,
}

/// What was counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    /// Of all requests that name keys.
    pub(crate) all: Spent,
    /// Of those of them that were counted by their keys.
    pub(crate) counted_bytes: u64,
    /// How long counting took.
    pub(crate) counting: Duration,
    /// Keys with the nanoseconds and the bytes of their requests: those with most, in that order.
    pub(crate) by_time: Vec<(Box<[u8]>, u64)>,
    pub(crate) by_bytes: Vec<(Box<[u8]>, u64)>,
}

/// What requests cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    pub(crate) nanos: u64,
    pub(crate) bytes: u64,
}

/// A session as it is now, or was when it ended.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) is_running: bool,
    pub(crate) wanted: Wanted,
    pub(crate) began_at: UnixMillis,
    pub(crate) lasted: Duration,
    /// The program's time since it began.
    pub(crate) cpu: cpu::Times,
    pub(crate) figures: Figures,
}

/// What INFO tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Status {
    pub(crate) is_running: bool,
    /// How long counting took.
    pub(crate) counting: Duration,
}

/// A session runs.
#[derive(Debug)]
pub(crate) struct Running;

/// See the module.
#[derive(Debug)]
pub(crate) struct HotKeys {
    running: AtomicBool,
    session: Mutex<Option<Session>>,
    blocks: Vec<Block>,
}

/// The counters of a block of threads, while a session runs.
#[derive(Debug, Default)]
#[repr(align(128))] // as those of `stats`
struct Block(Mutex<Option<Counters>>);

#[derive(Debug)]
struct Session {
    wanted: Wanted,
    began: Now,
    cpu: cpu::Times,
    /// How long it lasted and what it counted, once it has ended.
    ended: Option<(Duration, Figures)>,
}

impl Default for HotKeys {
    fn default() -> Self {
        HotKeys {
            running: AtomicBool::new(false),
            session: Mutex::default(),
            blocks: (0..BLOCKS).map(|_| Block::default()).collect(),
        }
    }
}

impl HotKeys {
    /// Whether a session runs.
    #[inline]
    pub(crate) fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    /// Begins a session; the one before is forgotten.
    ///
    /// # Errors
    /// [`Running`]
    pub(crate) fn start(&self, wanted: Wanted, now: Now) -> Result<(), Running> {
        let mut session = self.settled(now.steady);
        if self.is_running() {
            return Err(Running);
        }
        for (chance, block) in (1..).zip(&self.blocks) {
            *block.0.lock() = Some(Counters::new(&wanted, chance));
        }
        *session = Some(Session { wanted, began: now, cpu: cpu::of_program(), ended: None });
        self.running.store(true, Ordering::Release);
        Ok(())
    }

    /// Ends the session that runs, and keeps what it counted; says whether there was one.
    pub(crate) fn stop(&self, now: Instant) -> bool {
        let mut session = self.settled(now);
        let runs = self.is_running();
        self.end(&mut session, now);
        runs
    }

    /// Ends the session if it has lasted as long as it was to; says whether it has.
    pub(crate) fn stop_when_over(&self, now: Instant) -> bool {
        self.is_running() && {
            let _session = self.settled(now);
            !self.is_running()
        }
    }

    /// Forgets what was counted.
    ///
    /// # Errors
    /// [`Running`]
    pub(crate) fn reset(&self, now: Instant) -> Result<(), Running> {
        let mut session = self.settled(now);
        if self.is_running() {
            return Err(Running);
        }
        *session = None;
        Ok(())
    }

    /// The session that runs, or has run.
    pub(crate) fn report(&self, now: Instant) -> Option<Report> {
        let session = self.settled(now);
        let session = session.as_ref()?;
        let (lasted, figures) = match &session.ended {
            Some((lasted, figures)) => (*lasted, figures.clone()),
            None => (session.lasted(now), self.gather(session.wanted.count, |counters| counters.clone())),
        };
        Some(Report {
            is_running: self.is_running(),
            wanted: session.wanted,
            began_at: session.began.wall,
            lasted,
            cpu: cpu::of_program().since(session.cpu),
            figures,
        })
    }

    /// The same in short.
    pub(crate) fn status(&self, now: Instant) -> Option<Status> {
        let session = self.settled(now);
        let counting = match &session.as_ref()?.ended {
            Some((_, figures)) => figures.counting,
            None => {
                let of = |block: &Block| block.0.lock().as_ref().map(|counters| counters.counting);
                self.blocks.iter().filter_map(of).sum()
            }
        };
        Some(Status { is_running: self.is_running(), counting })
    }

    /// Counts a request of a client, while a session runs; `bytes` with those of its answer.
    pub(crate) fn count(&self, command: &Command, words: &[&[u8]], nanos: u64, bytes: usize) {
        let args = Args::new(words.get(command.name_words()..).unwrap_or_default());
        self.count_args(command, &args, Spent { nanos, bytes: bytes as u64 });
    }

    fn count_args(&self, command: &Command, args: &impl Indexed, spent: Spent) {
        if !command.has_keys() {
            return;
        }
        // What is not understood was an error; real servers count it neither.
        let Ok(keys) = command.keys_of(args) else { return };
        if keys.is_empty() {
            return;
        }
        let Some(block) = self.blocks.get(block_of_thread()) else { return };
        // It may have ended meanwhile.
        if let Some(counters) = &mut *block.0.lock() {
            counters.count(&keys, args, spent);
        }
    }

    /// The session, ended if it is over.
    fn settled(&self, now: Instant) -> parking_lot::MutexGuard<'_, Option<Session>> {
        let mut session = self.session.lock();
        let is_over = |session: &Session| {
            session.wanted.duration.is_some_and(|duration| session.lasted(now) >= duration)
        };
        if session.as_ref().is_some_and(is_over) {
            self.end(&mut session, now);
        }
        session
    }

    fn end(&self, session: &mut Option<Session>, now: Instant) {
        let Some(session) = session.as_mut().filter(|session| session.ended.is_none()) else { return };
        self.running.store(false, Ordering::Release);
        let figures = self.gather(session.wanted.count, Option::take);
        session.ended = Some((session.lasted(now), figures));
    }

    /// Sums up what all threads counted, `take` being what is done to the counters of a block.
    fn gather(&self, count: usize, take: fn(&mut Option<Counters>) -> Option<Counters>) -> Figures {
        let mut figures = Figures::default();
        let mut by_time = HashMap::new();
        let mut by_bytes = HashMap::new();
        for counters in self.blocks.iter().filter_map(|block| take(&mut block.0.lock())) {
            figures.all.nanos += counters.all.nanos;
            figures.all.bytes += counters.all.bytes;
            figures.counted_bytes += counters.counted_bytes;
            figures.counting += counters.counting;
            for (sums, sketch) in [(&mut by_time, counters.by_time), (&mut by_bytes, counters.by_bytes)] {
                for (key, counter) in sketch.into_iter().flat_map(|sketch| sketch.keys) {
                    *sums.entry(key).or_insert(0) += counter.counted;
                }
            }
        }
        figures.by_time = most(by_time, count);
        figures.by_bytes = most(by_bytes, count);
        figures
    }
}

/// The stream's requests cost as clients' do: a replica's keys are hot by what the master sends, too.
impl Meter for HotKeys {
    fn is_on(&self) -> bool {
        self.is_running()
    }
    fn ran(&self, command: &'static Command, request: Request<'_>, bytes: usize, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.count_args(command, &ArgsOf::new(request, command), Spent { nanos, bytes: bytes as u64 });
    }
}

impl Session {
    fn lasted(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began.steady)
    }
}

/// The `count` keys that have most, in that order.
fn most(sums: HashMap<Box<[u8]>, u64>, count: usize) -> Vec<(Box<[u8]>, u64)> {
    let mut all: Vec<_> = sums.into_iter().collect();
    all.sort_unstable_by(|(one, some), (other, more)| more.cmp(some).then_with(|| one.cmp(other)));
    all.truncate(count);
    all
}

/// What one block of threads counted.
#[derive(Clone, Debug)]
struct Counters {
    by_time: Option<Sketch>,
    by_bytes: Option<Sketch>,
    all: Spent,
    counted_bytes: u64,
    counting: Duration,
    ratio: u32,
    /// Never 0.
    chance: u64,
}

impl Counters {
    fn new(wanted: &Wanted, chance: u64) -> Self {
        Counters {
            by_time: wanted.time.then(Sketch::default),
            by_bytes: wanted.bytes.then(Sketch::default),
            all: Spent::default(),
            counted_bytes: 0,
            counting: Duration::ZERO,
            ratio: wanted.ratio,
            chance,
        }
    }

    fn count(&mut self, keys: &[KeyAt], args: &impl Indexed, spent: Spent) {
        self.all.nanos = self.all.nanos.saturating_add(spent.nanos);
        self.all.bytes = self.all.bytes.saturating_add(spent.bytes);
        if !self.is_chosen() {
            return;
        }
        let began = clock::steady();
        // Each of its keys is given as much of it.
        let number = keys.len() as u64;
        let share = Spent { nanos: spent.nanos / number, bytes: spent.bytes / number };
        for key in keys.iter().map(|key| args.at(key.index)) {
            if let Some(sketch) = &mut self.by_time {
                sketch.add(key, share.nanos);
            }
            if let Some(sketch) = &mut self.by_bytes {
                sketch.add(key, share.bytes);
            }
        }
        self.counted_bytes = self.counted_bytes.saturating_add(share.bytes * number);
        self.counting += clock::steady().saturating_duration_since(began);
    }

    /// Whether this request is one of those that are counted by their keys.
    fn is_chosen(&mut self) -> bool {
        if self.ratio <= 1 {
            return true;
        }
        // Marsaglia's xorshift: what comes in turns must not be met in step.
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        (self.chance >> 32).is_multiple_of(u64::from(self.ratio))
    }
}

/// Sums by key, of those keys that have most: where there is no room for another, the lesser half goes, and who comes
/// later may have had as much before as the most that one of them had. So each sum is exact but for what its key had
/// before it came in, and a key that has more than 2 / [`KEYS_MAX`] of all is always there: Misra and Gries' frequent
/// items, with half of them let go at once as in Anderson et al., so that adding takes constant time on average.
#[derive(Clone, Debug, Default)]
struct Sketch {
    keys: HashMap<Box<[u8]>, Counter>,
    name_bytes: usize,
    /// The most that a key that is not there may have had.
    missed: u64,
}

#[derive(Clone, Copy, Debug)]
struct Counter {
    /// Since it is here.
    counted: u64,
    /// The most that it may have had before.
    before: u64,
}

impl Counter {
    fn most(self) -> u64 {
        self.before.saturating_add(self.counted)
    }
}

impl Sketch {
    fn add(&mut self, key: &[u8], amount: u64) {
        if amount == 0 {
            return;
        }
        if let Some(counter) = self.keys.get_mut(key) {
            counter.counted = counter.counted.saturating_add(amount);
            return;
        }
        if key.len() > NAME_BYTES_MAX {
            return;
        }
        while self.keys.len() >= KEYS_MAX || self.name_bytes + key.len() > NAME_BYTES_MAX {
            self.let_half_go();
        }
        self.name_bytes += key.len();
        self.keys.insert(key.into(), Counter { counted: amount, before: self.missed });
    }

    fn let_half_go(&mut self) {
        let mut sums: Vec<u64> = self.keys.values().map(|counter| counter.most()).collect();
        let going = sums.len().div_ceil(2);
        let Some(last) = going.checked_sub(1) else { return };
        let (less, bound, _) = sums.select_nth_unstable(last);
        let bound = *bound;
        // Of those that have just as much some may stay.
        let mut equal = going - less.iter().filter(|sum| **sum < bound).count();
        let name_bytes = &mut self.name_bytes;
        self.keys.retain(|key, counter| {
            let goes = match counter.most().cmp(&bound) {
                std::cmp::Ordering::Less => true,
                std::cmp::Ordering::Equal if equal > 0 => {
                    equal -= 1;
                    true
                }
                std::cmp::Ordering::Equal | std::cmp::Ordering::Greater => false,
            };
            if goes {
                *name_bytes -= key.len();
            }
            !goes
        });
        self.missed = bound;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> Vec<u8> {
        format!("key:{number}").into_bytes()
    }

    /// Numbers that are not in order.
    fn numbers(mut state: u64) -> impl Iterator<Item = u64> {
        std::iter::repeat_with(move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 33
        })
    }

    fn sums(sketch: &Sketch) -> HashMap<&[u8], Counter> {
        sketch.keys.iter().map(|(key, counter)| (&**key, *counter)).collect()
    }

    #[test]
    fn as_long_as_there_is_room_every_sum_is_exact() {
        let mut sketch = Sketch::default();
        let mut exact: HashMap<Vec<u8>, u64> = HashMap::new();
        for number in numbers(1).take(100_000) {
            let (key, amount) = (key(number % KEYS_MAX as u64), number % 7);
            sketch.add(&key, amount);
            if amount > 0 {
                *exact.entry(key).or_default() += amount;
            }
        }
        let found = sums(&sketch);
        assert_eq!(found.len(), exact.len());
        for (key, sum) in &exact {
            let counter = found[&key[..]];
            assert_eq!((counter.counted, counter.before), (*sum, 0));
        }
    }

    /// Among a million keys that come a few times each, and between them, those that come often from the beginning, and
    /// those that come often later.
    #[test]
    fn what_takes_much_is_there_however_many_keys_come() {
        let mut sketch = Sketch::default();
        let mut exact: HashMap<Vec<u8>, u64> = HashMap::new();
        let mut all = 0;
        for (turn, number) in (0..1_000_000).zip(numbers(2)) {
            let key = match number % 200 {
                hot @ 0..5 => key(hot),
                late @ 5..10 if turn > 500_000 => key(late),
                _ => key(1000 + number),
            };
            let amount = 20 + number % 20;
            sketch.add(&key, amount);
            all += amount;
            *exact.entry(key).or_default() += amount;
            assert!(sketch.keys.len() <= KEYS_MAX);
        }
        assert!(sketch.missed <= 2 * all / KEYS_MAX as u64, "{} of {all}", sketch.missed);
        let found = sums(&sketch);
        for (key, counter) in &found {
            let sum = exact[*key];
            assert!(counter.counted <= sum && sum <= counter.most(), "{counter:?} of {sum}");
        }
        for (key, sum) in exact.iter().filter(|(_, sum)| **sum > sketch.missed) {
            assert!(found.contains_key(&key[..]), "{sum}");
        }
        for hot in 0..5 {
            assert_eq!(found[&key(hot)[..]].counted, exact[&key(hot)]);
        }
        let told =
            most(sketch.keys.iter().map(|(key, counter)| (key.clone(), counter.counted)).collect(), 10);
        let hot = |key: &[u8]| (0..10).any(|number| key == self::key(number));
        assert!(told.iter().all(|(key, _)| hot(key)), "{told:?}");
    }

    #[test]
    fn long_names_do_not_take_all_memory() {
        let mut sketch = Sketch::default();
        sketch.add(b"hot", 1 << 40);
        sketch.add(&vec![b'x'; NAME_BYTES_MAX + 1], u64::MAX);
        for number in 0..100u8 {
            sketch.add(&vec![number; NAME_BYTES_MAX / 8], 1);
            let held: usize = sketch.keys.keys().map(|key| key.len()).sum();
            assert_eq!(held, sketch.name_bytes);
            assert!(held <= NAME_BYTES_MAX);
        }
        assert!(sums(&sketch).contains_key(&b"hot"[..]));
        // Where one needs all the room, it has it.
        sketch.add(&vec![b'y'; NAME_BYTES_MAX], 1);
        assert_eq!((sketch.keys.len(), sketch.name_bytes), (1, NAME_BYTES_MAX));
    }

    const WANTED: Wanted = Wanted { time: true, bytes: true, count: 3, duration: None, ratio: 1 };

    fn ran(hot: &HotKeys, request: &str, nanos: u64, bytes: usize) {
        let words: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        let (command, _) = commands::resolve(&words).expect("a command");
        hot.count(command, &words, nanos, bytes);
    }

    fn named(told: &[(Box<[u8]>, u64)]) -> Vec<(&str, u64)> {
        told.iter().map(|(key, sum)| (std::str::from_utf8(key).expect("ascii"), *sum)).collect()
    }

    #[test]
    fn a_request_is_shared_out_among_its_keys() {
        let hot = HotKeys::default();
        let now = Now::read();
        hot.start(WANTED, now).expect("none runs");
        ran(&hot, "MGET a b c b", 4_003, 43);
        ran(&hot, "GET b", 1, 10);
        ran(&hot, "OBJECT ENCODING d", 5_000, 0);
        // No keys, or none that could be found.
        ran(&hot, "PING", 100, 100);
        ran(&hot, "SPUBLISH b x", 100, 100);
        ran(&hot, "EVAL x 0", 100, 100);
        ran(&hot, "EVAL x 2 b", 100, 100);
        let figures = hot.report(now.steady).expect("one").figures;
        assert_eq!(figures.all, Spent { nanos: 9_004, bytes: 53 });
        assert_eq!(figures.counted_bytes, 50);
        assert_eq!(named(&figures.by_time), [("d", 5_000), ("b", 2_001), ("a", 1_000)]);
        assert_eq!(named(&figures.by_bytes), [("b", 30), ("a", 10), ("c", 10)]);
    }

    #[test]
    fn sums_of_all_threads_are_one() {
        let hot = HotKeys::default();
        let now = Now::read();
        hot.start(WANTED, now).expect("none runs");
        std::thread::scope(|scope| {
            for _ in 0..BLOCKS + 3 {
                scope.spawn(|| {
                    (0..100).for_each(|_| ran(&hot, "GET a", 1, 2));
                    ran(&hot, "GET b", 1, 2);
                });
            }
        });
        assert!(hot.stop(now.steady));
        let figures = hot.report(now.steady).expect("one").figures;
        let threads = BLOCKS as u64 + 3;
        assert_eq!(named(&figures.by_time), [("a", 100 * threads), ("b", threads)]);
        assert_eq!(named(&figures.by_bytes), [("a", 200 * threads), ("b", 2 * threads)]);
    }

    #[test]
    fn of_so_many_requests_one_is_counted_by_its_keys() {
        let hot = HotKeys::default();
        let now = Now::read();
        hot.start(Wanted { ratio: 8, ..WANTED }, now).expect("none runs");
        for _ in 0..40_000 {
            // In turns, and each as often as the other.
            ran(&hot, "GET a", 1, 1);
            ran(&hot, "GET b", 1, 1);
        }
        let figures = hot.report(now.steady).expect("one").figures;
        assert_eq!(figures.all, Spent { nanos: 80_000, bytes: 80_000 });
        assert_eq!(figures.by_bytes.len(), 2);
        for (_, sum) in &figures.by_bytes {
            assert!((4_500..5_500).contains(sum), "{sum} of 40000 is no eighth");
        }
    }

    #[test]
    fn a_session_ends_when_it_is_stopped_or_over() {
        let hot = HotKeys::default();
        let began = Now::read();
        let after = |millis| Now { steady: began.steady + Duration::from_millis(millis), ..began };
        assert!(hot.report(began.steady).is_none() && hot.status(began.steady).is_none());
        assert!(!hot.stop(began.steady) && hot.reset(began.steady).is_ok());
        let short = Wanted { duration: Some(Duration::from_secs(1)), ..WANTED };
        hot.start(short, began).expect("none runs");
        ran(&hot, "GET a", 5, 5);
        assert!(hot.start(short, after(999)).is_err() && hot.reset(after(999).steady).is_err());
        assert!(!hot.stop_when_over(after(999).steady) && hot.is_running());
        assert!(hot.stop_when_over(after(1_050).steady) && !hot.is_running());
        // Nobody counts any more, and nobody stops it once more.
        ran(&hot, "GET a", 5, 5);
        assert!(!hot.stop(after(2_000).steady) && !hot.stop_when_over(after(2_000).steady));
        let report = hot.report(after(3_000).steady).expect("it is kept");
        assert_eq!((report.is_running, report.lasted), (false, Duration::from_millis(1_050)));
        assert_eq!(named(&report.figures.by_bytes), [("a", 5)]);
        assert!(hot.status(began.steady).is_some_and(|status| !status.is_running));
        // Another forgets it; and who is late for a look finds it over all the same.
        hot.start(short, after(3_000)).expect("none runs");
        assert!(hot.report(after(3_500).steady).is_some_and(|report| report.figures.by_bytes.is_empty()));
        assert!(hot.start(WANTED, after(4_001)).is_ok() && hot.stop(after(4_002).steady));
        assert!(hot.reset(after(4_002).steady).is_ok() && hot.report(after(4_002).steady).is_none());
    }
}
