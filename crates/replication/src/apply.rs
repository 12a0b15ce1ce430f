//! Applying the stream: requests → units → the store, with the position moving along.
//!
//! A unit (a command, or everything from MULTI to EXEC) is gathered whole before the token is taken, and the position
//! moves inside the same hold as its data. A single write to a single key goes on while readers come and go; a unit
//! over several keys closes the gate, and one closing serves those that stand ready behind it.
//!
//! Owns the bytes of requests that are not whole yet, and the offset. Every byte counts, whatever it means.
//! Never does IO, never waits but through its [`Pace`], never decides what follows a divergence.

use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

use commands::keys::ArgsOf;
use commands::{Command, Dialect, WriteContext};
use protocol::limits::Peer;
use protocol::parse::Parser;
use protocol::{Args, Protocol, Reply, Words};
use storage::{DbIndex, Hashed, News, Store, UnixMillis, Wanted, Writer};

use crate::divergence::{Divergence, DivergenceKind};
use crate::error::{ErrorCode, LinkError};
use crate::journal::Journal;
use crate::meter::Meter;
use crate::plan::{Plan, Planner, Step, What};
use crate::position::{Position, PositionCell};
use crate::replay::{Replaying, Scripts};
use crate::tally::Tally;
use scripting::Named;

/// Requests that are understood, prefetched and applied together.
const BATCH_REQUESTS: usize = 64;
/// How long one closing of the gate may last.
const CLOSED_MAX: Duration = Duration::from_micros(200);
/// So far ahead a unit that closes the gate keeps it closed for those between.
const CLOSED_AHEAD: usize = 8;
/// The most bytes one unit may have: several of the longest values. What is longer is no unit but a stream out of
/// step, and must not take all memory.
const UNIT_BYTES_MAX: usize = 8 << 30;
/// So much of what is no request is shown.
const SHOWN_BYTES_MAX: usize = 64;
/// Room for requests that are not whole is given back when it was more than this.
const CARRY_BYTES_KEPT: usize = 1 << 20;

/// The driver's clock, for the bounds on how long readers are kept out.
pub trait Pace {
    /// The moment.
    fn now(&self) -> Instant;
    /// Lets this much time pass. The token is not held.
    fn pause(&self, time: Duration);
}

/// What came of a piece of the stream.
#[derive(Debug, Default)]
pub struct Applied {
    /// Commands that were run.
    pub commands: u64,
    /// Requests that were passed, with what only the stream has: PING, SELECT, MULTI and the like.
    pub requests: u64,
    /// The last of them, if the command table has it.
    pub last: Option<&'static Command>,
    /// The master asked for an ACK, and what came before the question is applied.
    pub ack_wanted: bool,
    /// Commands that were passed over, because they are to be ignored.
    pub passed_over: Vec<Divergence>,
}

/// Why the stream cannot be followed further. The position stands before the unit in question.
#[derive(Debug)]
pub enum Stopped {
    /// We and the master differ.
    Diverged(Divergence),
    /// The bytes are no requests, so that nothing after them can be found.
    OutOfStep(LinkError),
}

/// Applies a stream to a store.
#[derive(Debug)]
pub struct Applier {
    store: Store,
    planner: Planner,
    parser: Parser,
    /// Requests that are not whole, or belong to a unit that is not.
    carry: Vec<u8>,
    /// The offset of the first byte of `carry`, or of the next piece.
    base: u64,
    db: DbIndex,
    dialect: Dialect,
    ignores: bool,
    tally: Arc<Tally>,
    meter: Option<Arc<dyn Meter>>,
    gate: GateTimes,
    scripts: Option<Scripts>,
    /// How many requests at the front are known to be a MULTI without its EXEC.
    gathered: usize,
    /// When the first bytes came since it began.
    first: Option<UnixMillis>,
}

/// For so long, from when a stream begins or goes on, what comes may have been waiting for us: the master's time when
/// it ran is not known.
const BEHIND_MILLIS: i64 = 3_000;
/// Later it has been on its way for no longer than this, it is taken. What is taken for there though it was not is
/// deleted by the master soon; what is taken for gone though it was there would stay so.
const UNDERWAY_MILLIS: i64 = 250;

/// When the gate was closed last, and for how long.
#[derive(Debug, Default)]
struct GateTimes {
    opened: Option<Instant>,
    closed_for: Duration,
}

impl Applier {
    /// One that follows nothing yet; `ignores` passes over what cannot be followed.
    pub fn new(store: Store, ignores: bool) -> Self {
        Applier {
            planner: Planner::new(store.clone()),
            store,
            parser: Parser::default(),
            carry: Vec::new(),
            base: 0,
            db: DbIndex(0),
            dialect: Dialect::default(),
            ignores,
            tally: Arc::default(),
            meter: None,
            gate: GateTimes::default(),
            scripts: None,
            gathered: 0,
            first: None,
        }
    }

    /// Runs the stream's scripts here. (Without it, they are unknown commands.)
    #[must_use]
    pub fn with_scripts(mut self, scripts: Scripts) -> Self {
        self.scripts = Some(scripts);
        self
    }

    /// Tells this one what each request costs, while it is on.
    #[must_use]
    pub fn with_meter(mut self, meter: Arc<dyn Meter>) -> Self {
        self.meter = Some(meter);
        self
    }

    /// A snapshot of such a master was loaded, which brought these scripts.
    pub fn loaded(&self, scripts: &[Vec<u8>], dialect: Dialect) {
        let Some(own) = &self.scripts else { return };
        let writer = self.store.applier();
        let mut engine = own.engine.lock();
        scripts.iter().for_each(|script| engine.learn_of_stream(script));
        drop(engine);
        own.follow(writer.functions(), dialect);
    }

    /// A stream begins, or goes on, here.
    pub fn begin(&mut self, at: Position, dialect: Dialect) {
        self.parser = Parser::default();
        self.carry = Vec::new();
        self.gathered = 0;
        self.first = None;
        self.base = at.offset;
        self.db = at.db;
        self.dialect = dialect;
    }

    /// How often each command was applied; it goes on counting.
    pub fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    /// Applies what is whole of the stream's next bytes, received at `received`, and moves `position` along.
    ///
    /// # Errors
    /// [`Stopped`]: nothing of the unit in question, and nothing after it, was applied. Then it must begin anew.
    pub fn feed(
        &mut self,
        input: &[u8],
        received: UnixMillis,
        position: &PositionCell,
        pace: &impl Pace,
    ) -> Result<Applied, Stopped> {
        let mut applied = Applied::default();
        if self.carry.is_empty() {
            let used = self.apply(input, received, position, pace, &mut applied)?;
            self.waits_for(self.parser.wanted())?;
            self.carry.extend_from_slice(input.get(used..).unwrap_or_default());
            return Ok(applied);
        }
        let mut carry = std::mem::take(&mut self.carry);
        self.waits_for(carry.len().saturating_add(input.len()))?;
        carry.extend_from_slice(input);
        let used = self.apply(&carry, received, position, pace, &mut applied)?;
        self.waits_for(self.parser.wanted())?;
        carry.drain(..used);
        if carry.capacity() > CARRY_BYTES_KEPT && carry.len() < CARRY_BYTES_KEPT {
            carry.shrink_to(CARRY_BYTES_KEPT);
        }
        self.carry = carry;
        Ok(applied)
    }

    /// Refuses to wait until so many bytes are there.
    fn waits_for(&self, bytes: usize) -> Result<(), Stopped> {
        if bytes <= UNIT_BYTES_MAX {
            return Ok(());
        }
        let text = format!("a unit of more than {UNIT_BYTES_MAX} bytes at offset {}", self.base);
        Err(Stopped::OutOfStep(LinkError::new(ErrorCode::BadStream, text)))
    }

    /// Applies whole units off the front of `input`; gives how many bytes they were.
    fn apply(
        &mut self,
        input: &[u8],
        received: UnixMillis,
        position: &PositionCell,
        pace: &impl Pace,
        applied: &mut Applied,
    ) -> Result<usize, Stopped> {
        let mut front = 0;
        let mut most = BATCH_REQUESTS;
        let first = *self.first.get_or_insert(received);
        let is_behind = received.0.saturating_sub(first.0) < BEHIND_MILLIS;
        let ran_at =
            if is_behind { UnixMillis::NOTHING_EXPIRED } else { UnixMillis(received.0 - UNDERWAY_MILLIS) };
        loop {
            let rest = input.get(front..).unwrap_or_default();
            let parsed = self.parser.parse(rest, Peer::Master, most);
            let whole = parsed.map_err(|error| self.out_of_step(&error, rest, 0))?;
            if whole == 0 {
                // Empty requests may have been passed over; they count too.
                let passed = self.parser.consume();
                self.count(passed, position);
                return Ok(front + passed);
            }
            if self.is_gathering(rest, whole) {
                if whole < most {
                    // What can never be whole is not waited for.
                    if let Some(error) = self.parser.mistake(rest, Peer::Master) {
                        let end = whole.checked_sub(1).and_then(|last| self.parser.place(last));
                        return Err(self.out_of_step(&error, rest, end.map_or(0, |place| place.end)));
                    }
                    return Ok(front);
                }
                most = whole.saturating_mul(2);
                continue;
            }
            let ends = (0..whole)
                .filter_map(|index| Some((self.parser.request(index, rest)?, self.parser.place(index)?.end)));
            let plan = self.planner.plan(ends, self.db);
            let steps = plan.open.unwrap_or(plan.steps.len());
            most = BATCH_REQUESTS;
            let mut run = Run {
                store: &self.store,
                plan: &plan,
                steps: plan.steps.get(..steps).unwrap_or_default(),
                base: self.base,
                db: self.db,
                received,
                ran_at,
                dialect: self.dialect,
                ignores: self.ignores,
                position,
                pace,
                tally: &self.tally,
                meter: self.meter.as_deref().filter(|meter| meter.is_on()),
                gate: &mut self.gate,
                scripts: self.scripts.as_ref(),
                applied,
            };
            run.all()?;
            self.db = run.db;
            // Once for all of them, and not with each.
            applied.requests += steps as u64;
            applied.last = steps.checked_sub(1).and_then(|last| plan.steps.get(last)?.command);
            let used = match plan.open {
                None => self.parser.consume(),
                // The unit that is not whole is read again from its front, once.
                Some(_) => {
                    let before = steps.checked_sub(1).and_then(|last| plan.steps.get(last));
                    let end = before.map(|step| step.end);
                    self.parser = Parser::default();
                    end.ok_or_else(|| self.out_of_step(&"a MULTI without its EXEC", rest, 0))?
                }
            };
            front += used;
            self.count(used, position);
        }
    }

    /// That these bytes are not what a master sends, from `at` on.
    #[cold]
    fn out_of_step(&self, error: &dyn Display, bytes: &[u8], at: usize) -> Stopped {
        let bytes = bytes.get(at..).unwrap_or_default();
        let seen = bytes.get(..SHOWN_BYTES_MAX).unwrap_or(bytes).escape_ascii();
        let offset = self.base.saturating_add(at as u64);
        let text = format!("{error}, in the request at offset {offset}: '{seen}'");
        Stopped::OutOfStep(LinkError::new(ErrorCode::BadStream, text))
    }

    /// Whether the requests at the front are a MULTI whose EXEC is not among them. None is looked at twice.
    fn is_gathering(&mut self, input: &[u8], whole: usize) -> bool {
        let is = |index: usize, name: &[u8]| {
            self.parser.request(index, input).is_some_and(|request| request.name().eq_ignore_ascii_case(name))
        };
        let begins = is(0, b"multi") && self.parser.request(0, input).is_some_and(|multi| multi.len() == 1);
        if !begins || (self.gathered.max(1)..whole).any(|index| is(index, b"exec")) {
            self.gathered = 0;
            return false;
        }
        self.gathered = whole;
        true
    }

    fn count(&mut self, bytes: usize, position: &PositionCell) {
        if bytes > 0 {
            self.base = self.base.saturating_add(bytes as u64);
            position.moved(self.base, self.db);
        }
    }
}

/// One batch on its way into the store.
struct Run<'r, P> {
    store: &'r Store,
    plan: &'r Plan<'r>,
    steps: &'r [Step<'r>],
    /// The offset of the front of the input.
    base: u64,
    db: DbIndex,
    received: UnixMillis,
    /// Before when it did not run at the master, if that is known: see [`BEHIND_MILLIS`] and [`UNDERWAY_MILLIS`].
    ran_at: UnixMillis,
    dialect: Dialect,
    ignores: bool,
    position: &'r PositionCell,
    pace: &'r P,
    tally: &'r Tally,
    /// Where it is on.
    meter: Option<&'r dyn Meter>,
    gate: &'r mut GateTimes,
    scripts: Option<&'r Scripts>,
    applied: &'r mut Applied,
}

/// Requests whose time is measured together: those that readers may come between; of the others, and for a meter, each
/// unit alone.
struct Lap {
    first: usize,
    since: Instant,
}

/// Why a hold of the token ended before the batch did.
enum Held {
    All,
    /// The gate must stay open for a while before the step at this place.
    Pause(Duration),
}

impl<P: Pace> Run<'_, P> {
    fn all(&mut self) -> Result<(), Stopped> {
        let mut at = 0;
        loop {
            match self.hold(&mut at)? {
                Held::All => return Ok(()),
                Held::Pause(time) => self.pace.pause(time),
            }
        }
    }

    /// Runs units from the step `at` on in one hold of the token.
    fn hold(&mut self, at: &mut usize) -> Result<Held, Stopped> {
        let writer = self.store.applier();
        if *at == 0 {
            self.prefetch(&writer);
        }
        let steps = self.steps;
        let mut words = Words::default();
        let mut reply = Reply::new(Protocol::Resp2);
        let mut closed = None;
        let mut lap = Lap { first: *at, since: self.pace.now() };
        while let Some(step) = steps.get(*at) {
            let length = match step.what {
                What::Multi => {
                    let rest = steps.get(*at..).unwrap_or_default();
                    rest.iter()
                        .position(|step| matches!(step.what, What::Exec))
                        .map_or(rest.len(), |exec| exec + 1)
                }
                _ => 1,
            };
            let unit = steps.get(*at..*at + length).unwrap_or_default();
            if closes(unit) {
                if closed.is_none() {
                    let now = self.pace.now();
                    self.ends(&mut lap, *at, now);
                    if let Some(time) = self.gate.must_stay_open(now, writer.has_waiting_readers()) {
                        return Ok(Held::Pause(time));
                    }
                    let gate = writer.close_gate();
                    lap.since = self.pace.now();
                    closed = Some((gate, lap.since));
                }
            } else if closed.is_some() && !self.closes_soon(*at) {
                self.open(&mut closed);
            }
            if let Err(stopped) = self.unit(&writer, unit, &mut words, &mut reply) {
                self.ends(&mut lap, *at, self.pace.now());
                return Err(stopped);
            }
            *at += length;
            if let Some((_, since)) = &closed {
                let now = self.pace.now();
                let is_long = now.saturating_duration_since(*since) >= CLOSED_MAX;
                self.ends(&mut lap, *at, now);
                if is_long {
                    self.open(&mut closed);
                }
            } else if self.meter.is_some() {
                self.ends(&mut lap, *at, self.pace.now());
            }
        }
        self.open(&mut closed);
        self.ends(&mut lap, *at, self.pace.now());
        Ok(Held::All)
    }

    /// The requests since the lap began are counted, with its time; the next begins here.
    fn ends(&self, lap: &mut Lap, at: usize, now: Instant) {
        let steps = self.steps.get(lap.first..at).unwrap_or_default();
        let time = now.saturating_duration_since(lap.since);
        self.tally.ran(steps.iter().map(|step| step.command), time);
        if let Some(meter) = self.meter {
            weigh(meter, steps, time);
        }
        *lap = Lap { first: at, since: now };
    }

    fn open<G>(&mut self, closed: &mut Option<(G, Instant)>) {
        if let Some((guard, since)) = closed.take() {
            drop(guard);
            let now = self.pace.now();
            *self.gate = GateTimes { opened: Some(now), closed_for: now.saturating_duration_since(since) };
        }
    }

    fn closes_soon(&self, at: usize) -> bool {
        let ahead = self.steps.get(at..).unwrap_or_default();
        ahead.iter().take(CLOSED_AHEAD).any(|step| closes(std::slice::from_ref(step)))
    }

    fn prefetch(&self, writer: &Writer<'_>) {
        // Steps for one database stand side by side, and so do their keys.
        let mut steps = self.steps.iter().filter_map(|step| Some((step.db, step.key?))).peekable();
        while let Some((db, first)) = steps.next() {
            let mut last = first;
            while let Some((_, key)) = steps.next_if(|(next, _)| *next == db) {
                last = key;
            }
            if let Some(hashed) = self.plan.hashed.get(first..=last) {
                writer.db(db, UnixMillis::NOTHING_EXPIRED).prefetch(hashed.iter().map(Hashed::hash));
            }
        }
    }

    /// Applies one unit, and moves the position over it.
    fn unit<'w>(
        &mut self,
        writer: &Writer<'_>,
        unit: &'w [Step<'w>],
        words: &mut Words<'w>,
        reply: &mut Reply,
    ) -> Result<(), Stopped> {
        if !self.ignores {
            self.check(unit)?;
        }
        let mut journal = Journal::of(writer, unit, self.dialect);
        let noted = writer.noted();
        for (index, step) in unit.iter().enumerate() {
            let failed = match step.what {
                What::Passed | What::Multi | What::Exec => None,
                What::Message { is_shard } => {
                    if writer.wants(Wanted::MESSAGES) {
                        let word = |index| step.request.word(index).into();
                        writer.note(News::Message { is_shard, channel: word(1), text: word(2) });
                    }
                    None
                }
                What::AckWanted => {
                    self.applied.ack_wanted = true;
                    None
                }
                What::Select(db) => {
                    self.db = db;
                    None
                }
                What::Data(command, handler) => {
                    let all = step.request.collect(words);
                    let args = Args::new(all.get(command.name_words()..).unwrap_or_default());
                    if !self.ignores {
                        journal.before(index, command, args, step.db);
                    }
                    let mut context = WriteContext::applying(writer, step.db, self.received, self.dialect);
                    context.ran_at = self.ran_at;
                    let hashed = step.key.and_then(|key| self.plan.hashed.get(key)).copied();
                    context.db = context.db.hashed(hashed);
                    let start = reply.mark();
                    let done = handler(&mut context, args, reply);
                    reply.rollback(start);
                    self.applied.commands += 1;
                    if done.is_ok()
                        && command.container() == Some("function")
                        && let Some(scripts) = self.scripts
                    {
                        scripts.follow(writer.functions(), self.dialect);
                    }
                    done.err().map(|error| error.text().into_owned())
                }
                What::Script(_, named) => {
                    let all = step.request.collect(words);
                    let journal = (!self.ignores).then_some(&mut journal);
                    self.script(writer, journal, (index, step.db), named, all)
                }
                What::ScriptLoad => {
                    if let Some(scripts) = self.scripts {
                        scripts.engine.lock().learn_of_stream(step.request.word(2));
                    }
                    None
                }
                What::ScriptFlush => {
                    if let Some(scripts) = self.scripts {
                        scripts.engine.lock().flush_of_stream();
                    }
                    None
                }
                What::Unknown => Some(String::new()),
                What::Wrong(wrong) => Some(wrong.text()),
            };
            if writer.wants(Wanted::REQUESTS) {
                let db = if let What::Select(db) = step.what { db } else { step.db };
                let words = (0..step.request.len()).map(|word| step.request.word(word).into()).collect();
                writer.note(News::Request { db, words });
            }
            let Some(answer) = failed else { continue };
            let divergence = self.divergence(step, answer);
            // A database that does not exist here cannot be passed over: what follows would go to another.
            let selects = matches!(step.what, What::Wrong(crate::plan::Wrong::Database));
            if self.ignores && !selects {
                self.tally.failed(step.command);
                self.applied.passed_over.push(divergence);
            } else {
                if matches!(step.what, What::Script(..)) {
                    journal.undo_all()
                } else {
                    journal.undo()
                }
                writer.forget(noted);
                return Err(Stopped::Diverged(divergence));
            }
        }
        if let Some(last) = unit.last() {
            self.position.moved(self.base.saturating_add(last.end as u64), self.db);
        }
        Ok(())
    }

    /// Runs a script; gives why that went otherwise than at the master.
    fn script(
        &mut self,
        writer: &Writer<'_>,
        journal: Option<&mut Journal<'_>>,
        (place, db): (usize, DbIndex),
        named: Named,
        words: &[&[u8]],
    ) -> Option<String> {
        let Some(scripts) = self.scripts else { return Some(String::from("ERR no scripts are run here")) };
        let (received, dialect, log) = (self.received, self.dialect, scripts.log);
        let mut host = Replaying { writer, journal, place, db, received, dialect, log };
        let ran = scripts.engine.lock().replay(&mut host, named, words);
        self.applied.commands += 1;
        // A master passes on only what wrote something: an error after a write is what the master's script ended with.
        let differs = ran.met_unknown || !ran.wrote;
        ran.error.filter(|_| differs).map(|error| String::from_utf8_lossy(&error).into_owned())
    }

    /// Finds what can be found wrong with a unit without running any of it.
    fn check(&self, unit: &[Step<'_>]) -> Result<(), Stopped> {
        for step in unit {
            let answer = match step.what {
                What::Unknown => String::new(),
                What::Wrong(wrong) => wrong.text(),
                _ => continue,
            };
            return Err(Stopped::Diverged(self.divergence(step, answer)));
        }
        Ok(())
    }

    fn divergence(&self, step: &Step<'_>, answer: String) -> Divergence {
        let request = step.request;
        let command: Option<&Command> = match step.what {
            What::Data(command, _) | What::Script(command, _) => Some(command),
            _ => None,
        };
        let mut key = None;
        if let Some(command) = command {
            let _as_far_as_it_goes = command.visit_keys(&ArgsOf::new(request, command), |found| {
                key.get_or_insert_with(|| request.word(found.index + command.name_words()).to_vec());
            });
        } else if request.len() > 1 {
            key = Some(request.word(1).to_vec());
        }
        let name = command.map_or_else(
            || request.name().escape_ascii().to_string().to_ascii_lowercase(),
            |command| command.name.to_owned(),
        );
        Divergence {
            kind: if matches!(step.what, What::Unknown) {
                DivergenceKind::Unknown
            } else {
                DivergenceKind::Failed
            },
            command: name,
            key,
            offset: self.position.offset(),
            answer,
        }
    }
}

/// Tells what a unit cost that took so long.
#[cold]
fn weigh(meter: &dyn Meter, unit: &[Step<'_>], time: Duration) {
    let run = || unit.iter().filter_map(|step| Some((step.command?, step))).filter(|(row, _)| row.has_keys());
    let Some(share) = u32::try_from(run().count()).ok().and_then(|number| time.checked_div(number)) else {
        return;
    };
    let exec = unit.last().filter(|last| matches!(last.what, What::Exec));
    for (command, step) in run() {
        meter.ran(command, step.request, exec.unwrap_or(step).request.bytes().len(), share);
    }
}

/// Whether readers must not see this unit happen.
fn closes(unit: &[Step<'_>]) -> bool {
    let mut data = unit.iter().filter(|step| matches!(step.what, What::Data(..) | What::Script(..)));
    match (data.next(), data.next()) {
        (None, _) => false,
        (Some(only), None) => !only.one_key,
        (Some(_), Some(_)) => true,
    }
}

impl GateTimes {
    /// How much longer the gate must stay open: as long as it was closed, if somebody waits for it.
    fn must_stay_open(&self, now: Instant, readers_wait: bool) -> Option<Duration> {
        let open_for = now.saturating_duration_since(self.opened?);
        let missing = self.closed_for.min(CLOSED_MAX).checked_sub(open_for)?;
        (readers_wait && !missing.is_zero()).then_some(missing)
    }
}
