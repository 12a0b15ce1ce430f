//! What others see of the script that runs, and how they end it.
//!
//! Owns the time it may take and the wish to kill it; the script looks here at every so many instructions, at each
//! command, and so do the functions that it calls at every so much of their work. Never touches Lua.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Why a script is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// SCRIPT KILL, FUNCTION KILL
    Killed,
    /// A library that is loaded does not come to an end.
    Loading,
    /// It held up the master's stream for as long as it may.
    Held(Duration),
    /// It is no short one: it is to run again where it may take long.
    Again,
    /// The node ends.
    Closed,
}

impl End {
    /// What its client is told.
    pub(crate) fn text(self) -> String {
        match self {
            // A function too.
            End::Killed => "ERR Script killed by user with SCRIPT KILL...".into(),
            End::Loading => "ERR FUNCTION LOAD timeout".into(),
            End::Closed => "ERR Script ended: the server shuts down".into(),
            // Told to nobody.
            End::Again => "ERR the script is to run again".into(),
            End::Held(time) => format!(
                "ERR Script ended: it held up the master's stream for {} ms (script-hold-max)",
                time.as_millis()
            ),
        }
    }
}

/// What is told of the script that runs.
#[derive(Clone, Debug)]
pub struct Running {
    /// The function's name, where it is one.
    pub function: Option<Vec<u8>>,
    /// The request that began it.
    pub request: Vec<Vec<u8>>,
    /// When it began.
    pub began: Instant,
}

/// What KILL is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// EVAL and its kin.
    Script,
    /// FCALL
    Function,
}

const BUSY_SCRIPT: &str =
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
const BUSY_FUNCTION: &str =
    "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.";
const NOT_BUSY: &str = "NOTBUSY No scripts in execution right now.";
const UNKILLABLE: &str = "UNKILLABLE Sorry the script already executed write commands against the dataset. You can \
                          either wait the script termination or kill the server in a hard way using the SHUTDOWN \
                          NOSAVE command.";

/// How long scripts may take.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimeLimits {
    /// It runs where others wait for it: it may only read, and after this it is given up, to run again elsewhere.
    pub attempt: Option<Duration>,
    /// After this it is ended.
    pub hold_max: Option<Duration>,
    /// After this others are answered BUSY, and may kill it.
    pub busy_after: Option<Duration>,
}

/// The script that runs.
#[derive(Debug)]
struct Script {
    is_function: bool,
    began: Instant,
}

#[derive(Debug, Default)]
struct Present {
    running: Option<Script>,
    /// The function's name and the words of the request, one behind the other; their room is used again.
    words: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    limits: TimeLimits,
    /// Until when a library may be loaded.
    loading: Option<Instant>,
    end: Option<End>,
}

/// The work of functions between two looks: some 30 µs. A unit of it is a byte that is looked at, or moved by itself:
/// about 3 ns.
const WORK_BETWEEN_LOOKS: usize = 10_000;

/// Room that is kept for the next script's words.
const WORDS_KEPT: usize = 4096;

/// Who is told that a script is busy, and that it is over.
#[derive(Default)]
struct Told(OnceLock<Box<dyn Fn(bool) + Send + Sync>>);

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Told").field(&self.0.get().is_some()).finish()
    }
}

/// See the module. One for all scripts of a node: only one runs at a time.
#[derive(Debug)]
pub struct Pulse {
    clock: fn() -> Instant,
    told: Told,
    present: Mutex<Present>,
    /// It has taken longer than `busy_after`.
    busy: AtomicBool,
    /// Whether what is busy is a function.
    is_function: AtomicBool,
    /// It has written.
    wrote: AtomicBool,
    /// The node ends.
    is_closed: AtomicBool,
    /// What may be done until the next look; only the script's thread changes it.
    work_left: AtomicUsize,
}

/// A script that has begun.
pub(crate) struct Begun<'p>(&'p Pulse);

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.0.over();
    }
}

impl Pulse {
    /// With nothing running.
    pub fn new(clock: fn() -> Instant) -> Self {
        Pulse {
            clock,
            told: Told::default(),
            present: Mutex::default(),
            busy: AtomicBool::new(false),
            is_function: AtomicBool::new(false),
            wrote: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            work_left: AtomicUsize::new(0),
        }
    }

    fn held(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has this called with `true` when a script begins to take too long, and with `false` when that one is over; on
    /// the script's thread, each time. The first who asks for it is told.
    pub fn tell_busy(&self, tell: impl Fn(bool) + Send + Sync + 'static) {
        // Asked for once, by the node that is made around it.
        let _ = self.told.0.set(Box::new(tell));
    }

    /// Called by the script's thread alone.
    fn set_busy(&self, busy: bool) {
        if self.is_busy() == busy {
            return;
        }
        self.busy.store(busy, Ordering::Relaxed);
        if let Some(tell) = self.told.0.get() {
            tell(busy);
        }
    }

    /// Whether a script takes too long. One load.
    pub fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }

    /// Whether it has written, so that it can neither be killed nor be read around.
    pub fn has_written(&self) -> bool {
        self.wrote.load(Ordering::Relaxed)
    }

    /// What others are told while a script is busy, if one is.
    pub fn busy_text(&self) -> Option<&'static str> {
        self.is_busy().then(|| self.refusal())
    }

    /// What those are told whom a busy script refused, though it may be over by now.
    pub fn refusal(&self) -> &'static str {
        if self.is_function.load(Ordering::Relaxed) { BUSY_FUNCTION } else { BUSY_SCRIPT }
    }

    /// What runs, if anything does, and for how long.
    pub fn running(&self) -> Option<(Running, Duration)> {
        let present = self.held();
        let script = present.running.as_ref()?;
        let began = script.began;
        let starts = std::iter::once(0).chain(present.ends.iter().copied());
        let mut words = starts
            .zip(&present.ends)
            .map(|(start, end)| present.words.get(start..*end).unwrap_or_default().to_vec());
        let name = words.next().filter(|_| script.is_function);
        let running = Running { function: name, request: words.collect(), began };
        Some((running, (self.clock)().saturating_duration_since(began)))
    }

    /// Asks for the end of the script that runs.
    ///
    /// # Errors
    /// Why there is nothing to end, or nothing that may be ended so, in Redis' words.
    pub fn kill(&self, kind: Kind) -> Result<(), &'static str> {
        let mut present = self.held();
        let running = present.running.as_ref().ok_or(NOT_BUSY)?;
        if self.has_written() {
            return Err(UNKILLABLE);
        }
        match (kind, running.is_function) {
            (Kind::Script, true) => return Err(BUSY_FUNCTION),
            (Kind::Function, false) => return Err(BUSY_SCRIPT),
            (Kind::Script, false) | (Kind::Function, true) => {}
        }
        present.end.get_or_insert(End::Killed);
        Ok(())
    }

    /// A script begins; it is over with what this gives, at the latest, however it ends.
    #[must_use]
    pub(crate) fn begin(&self, function: Option<&[u8]>, request: &[&[u8]], limits: TimeLimits) -> Begun<'_> {
        self.is_function.store(function.is_some(), Ordering::Relaxed);
        self.wrote.store(false, Ordering::Relaxed);
        let mut present = self.held();
        let present = &mut *present;
        present.running = Some(Script { is_function: function.is_some(), began: (self.clock)() });
        (present.limits, present.loading, present.end) = (limits, None, None);
        present.words.clear();
        present.words.shrink_to(WORDS_KEPT);
        present.ends.clear();
        present.ends.shrink_to(WORDS_KEPT);
        for word in std::iter::once(&function.unwrap_or_default()).chain(request) {
            present.words.extend_from_slice(word);
            present.ends.push(present.words.len());
        }
        Begun(self)
    }

    /// Ends what runs, and whatever begins later, soon: for the end of the node, which nobody has to wait for. What a
    /// script has written stays written.
    pub fn end_all(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }

    /// The script writes.
    pub(crate) fn writes(&self) {
        // Under the lock, so that no kill comes between.
        let _present = self.held();
        self.wrote.store(true, Ordering::Relaxed);
    }

    /// Why the script must end, if it must.
    pub(crate) fn must_end(&self) -> Option<End> {
        let mut present = self.held();
        if present.end.is_none()
            && let Some(running) = &present.running
        {
            let time = (self.clock)().saturating_duration_since(running.began);
            if present.limits.busy_after.is_some_and(|limit| time >= limit) {
                self.set_busy(true);
            }
            if present.limits.attempt.is_some_and(|limit| time >= limit) {
                present.end = Some(End::Again);
            }
            if let Some(limit) = present.limits.hold_max.filter(|limit| time >= *limit) {
                present.end = Some(End::Held(limit));
            }
        }
        if present.loading.is_some_and(|until| (self.clock)() >= until) {
            present.end = Some(End::Loading);
        }
        if self.is_closed.load(Ordering::Relaxed) {
            present.end = Some(End::Closed);
        }
        present.end
    }

    /// Spends so much work of a function's.
    ///
    /// # Errors
    /// Why the script must end.
    pub(crate) fn spend(&self, work: usize) -> Result<(), End> {
        let left = match self.work_left().checked_sub(work) {
            Some(left) => left,
            None => self.look()?,
        };
        self.leave_work(left);
        Ok(())
    }

    /// The work that may be done until the next look: for who counts it by himself.
    pub(crate) fn work_left(&self) -> usize {
        self.work_left.load(Ordering::Relaxed)
    }

    /// Gives back what is left of it.
    pub(crate) fn leave_work(&self, left: usize) {
        self.work_left.store(left, Ordering::Relaxed);
    }

    /// Looks whether the script must end; gives the work until the next look.
    ///
    /// # Errors
    /// Why it must. From now on nothing is left of the work.
    pub(crate) fn look(&self) -> Result<usize, End> {
        match self.must_end() {
            None => Ok(WORK_BETWEEN_LOOKS),
            Some(end) => {
                self.leave_work(0);
                Err(end)
            }
        }
    }

    /// Gives the script up, so that it runs again where it may do what it was about to do.
    pub(crate) fn give_up(&self) {
        self.held().end = Some(End::Again);
    }

    /// A library is loaded, which may take so long.
    pub(crate) fn load(&self, limit: Duration) {
        *self.held() = Present { loading: Some((self.clock)() + limit), ..Present::default() };
    }

    /// The script is over; gives why it was ended, if it was.
    pub(crate) fn over(&self) -> Option<End> {
        let mut present = self.held();
        present.running = None;
        present.loading = None;
        self.set_busy(false);
        self.wrote.store(false, Ordering::Relaxed);
        present.end.take()
    }
}
