//! One batch: as many of a connection's pipelined requests as fit one stay inside the gate.
//!
//! Owns the loop that every request goes through: resolve, admit, queue or run, count. Never does IO, and on a worker
//! it never waits: what would have to wait ends the batch and is named in [`Next`]. On a thread that may wait
//! ([`exclusive::run_batch`]) the same loop waits for the writer's token, and for nothing else.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::time::{Duration, Instant};

use commands::spec::ReadHandler;
use commands::{Command, CommandError, Dialect, Flags, Run, ServerCommand as S, Source, WriteContext};
use protocol::limits::Peer;
use protocol::{Args, ProtocolError, Reply, Request, Words};
use scripting::Called;
use storage::{DbIndex, Hashed, KeyHash, Lookups, Reader, Writer};

use crate::acl::{self, User};
use crate::admission::{self, Situation};
use crate::answer::{self, Call, Now, Then};
use crate::blocking::Unanswered;
use crate::buffers::Buffers;
use crate::clock;
use crate::exclusive;
use crate::expiry;
use crate::histogram::Range;
use crate::node::{Cost, Node};
use crate::owned::OwnedRequest;
use crate::resume::{self, Waiting};
use crate::session::Session;
use crate::stats::{Block, add};

/// The most requests of one batch. More would not be faster: the prefetched lines start to leave the cache.
pub(crate) const REQUESTS_MAX: usize = 64;
/// The longest stay inside the gate: it bounds how long an exclusive section waits to begin.
const STAY_NANOS_MAX: u64 = 100_000;
/// The most bytes of replies of one batch; then they are written first.
const REPLY_BYTES_MAX: usize = 256 * 1024;
/// Requests run between two looks at the clock, where they are of one command.
const CLOCK_EVERY: u64 = 16;
/// No request of a command that is flagged FAST takes longer by itself. Where SLOWLOG and LATENCY ask for longer ones,
/// such requests are not measured one by one, which takes 60 instructions each.
const FAST_NANOS_MAX: u64 = 100_000;
/// No read within a batch takes longer: one of more than [`commands::BATCH_ELEMENTS_MAX`] elements leaves it, and is
/// measured where it goes.
const READ_NANOS_MAX: u64 = 5_000_000;

/// What a request waits for. Done when it may be looked at again; dropped when the client is gone.
pub(crate) struct Wait(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Wait {
    /// For as long as `wait` is not ready.
    pub(crate) fn new(wait: impl Future<Output = ()> + Send + 'static) -> Self {
        Wait(Box::pin(wait))
    }

    /// Whether it is over; if not, the task is woken when it is. Not to be asked again then.
    pub(crate) fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        self.0.as_mut().poll(context).is_ready()
    }
}

impl fmt::Debug for Wait {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Wait(..)")
    }
}

/// What the connection does next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Everything that has arrived whole was run.
    Read,
    /// There is more to run.
    More,
    /// The next request must wait until the gate is open.
    Gate,
    /// The next request finds the writer token taken; soon it may be free.
    Token,
    /// The next request, and those behind it, are run best where a batch may wait for the token and be held up.
    Apart,
    /// The next request must wait for the writer token, or for something else: on a thread that may.
    Exclusive(OwnedRequest),
    /// The next request must wait for this, and is looked at again afterwards. Meanwhile the connection is read from
    /// and sent to.
    Wait(Wait),
    /// The request that was just run waits for this; it is answered afterwards, before another is looked at.
    Blocked(Wait),
    /// Write what there is, and end the connection.
    Close,
}

/// Runs a batch of what `buffers` hold.
pub(crate) fn run(node: &Arc<Node>, session: &mut Session, buffers: &mut Buffers) -> Next {
    if session.tracking.is_some()
        && session.blocked.as_ref().is_some_and(|blocked| blocked.is_to_run_again())
        && node.store.try_writer().is_none()
    {
        // Who is told of changes hears of the one that woke it before it is answered: when that hold of the token is
        // over.
        return Next::Token;
    }
    run_with(None, Duration::from_nanos(STAY_NANOS_MAX), node, session, buffers)
}

/// The same, by a thread that may wait for the token and has it, and for another length of stay.
pub(crate) fn run_with<'n>(
    writer: Option<Writer<'n>>,
    stay_max: Duration,
    node: &'n Arc<Node>,
    session: &mut Session,
    buffers: &mut Buffers,
) -> Next {
    let Buffers { input, start, parser, planned, ran, reply, .. } = buffers;
    if session.blocked.is_some()
        && let Some(next) = resume::resume(node, session, reply)
    {
        return next;
    }
    if node.settings.has_output_limit() || reply.is_bounded() {
        reply.bound(node.settings.reply_bytes_max(session.client().is_subscriber()));
    }
    let pending = input.get(*start..).unwrap_or_default();
    if !session.renew_user(&node.acl) {
        return Next::Close;
    }
    if planned.is_empty() {
        // A stranger's next request may be the one that says who it is, and how much it may send then.
        let (peer, most) = if session.is_authenticated() {
            (Peer::Client, REQUESTS_MAX)
        } else {
            (Peer::Unauthenticated, 1)
        };
        let mut parsed = parser.parse(pending, peer, most);
        if parsed == Err(ProtocolError::Quotes) {
            // Whose rule it is matters to so few lines that the master is asked for only here.
            parser.set_quotes(Some(node.dialect().quotes()));
            parsed = parser.parse(pending, peer, most);
            parser.set_quotes(None);
        }
        match parsed {
            Ok(0) => return Next::Read,
            Ok(found) => {
                let traffic = &session.client().traffic;
                traffic.pipelines.add(1);
                traffic.pipelined.add(u64::try_from(found).unwrap_or_default());
            }
            Err(error) => {
                tracing::debug!(client = %session.client().addr, %error, "a client broke the protocol");
                let line = error.line();
                node.stats.error(&line);
                reply.error_bytes(&line);
                return Next::Close;
            }
        }
    }
    let now = Now::read();
    session.client().touch(now.steady);
    let situation = Situation::of(node, now.steady);
    let lookups = Lookups::new(situation.tells_misses(), situation.expires());
    let mut batch = Batch {
        node,
        now,
        situation,
        dialect: node.dialect(),
        reader: None,
        may_wait: writer.is_some(),
        writer,
        lookups: &lookups,
        notes_sizes: node.settings.notes_sizes(pending.len(), REPLY_BYTES_MAX),
        named: Named::AsRun,
        timer: Timer::start(node, now.steady, stay_max),
    };
    // The last batch may have left some of what was parsed and planned.
    if planned.is_empty() {
        batch.plan(session, parser.requests(pending), planned);
    }
    let mut words = Words::default();
    let mut next = Next::More;
    while let Some((request, plan)) = parser.request(*ran, pending).zip(planned.get(*ran)) {
        let (mut step, began) = (Step::Done, *ran);
        if matches!(plan, Plan::Read(..)) && batch.runs_reads_plainly(session) {
            let allowed = match session.restricted() {
                None => planned.len(),
                Some(user) => {
                    let rest =
                        (*ran..).map_while(|index| parser.request(index, pending).zip(planned.get(index)));
                    *ran + allowed(user, session.db(), rest)
                }
            };
            let planned = planned.get(..allowed).unwrap_or_default();
            let request = |index: usize| Some((parser.request(index, pending)?, planned.get(index)?));
            step = batch.reads(session, request, &mut words, reply, ran);
        }
        if *ran == began && matches!(step, Step::Done) {
            step = batch.request(session, plan, request.collect(&mut words), reply);
            if !matches!(step, Step::Stop(Next::Gate | Next::Token | Next::Apart | Next::Wait(_))) {
                *ran += 1;
            }
        }
        if let Step::Stop(stop) = step {
            next = stop;
            break;
        }
        if is_long_enough(&batch.timer, reply) {
            break;
        }
    }
    match batch.named {
        Named::Nothing => session.client().named_none(),
        Named::Command(command) => session.client().ran(command),
        Named::AsRun => {
            if let Some(command) = batch.timer.command {
                session.client().ran(command);
            }
        }
    }
    session.client().traffic.commands.add(batch.timer.untold());
    drop(batch);
    drop(words);
    node.stats.local().looked_up(&lookups);
    if *ran >= planned.len() {
        *start += parser.consume();
        planned.clear();
        *ran = 0;
        if matches!(next, Next::More) && *start == input.len() {
            // Nothing is left: no other turn is needed to see that.
            return Next::Read;
        }
    }
    next
}

/// What is found out of a parsed request before it is run.
#[derive(Debug)]
pub(crate) enum Plan {
    /// A read, of as many words as it takes: where its first key stands among them, and that key's hash.
    Read(&'static Command, ReadHandler, Option<(usize, KeyHash)>),
    /// Another, with the row of its first word.
    Other(Option<&'static Command>),
}

impl Plan {
    /// The row of its first word.
    fn row(&self) -> Option<&'static Command> {
        match self {
            Plan::Read(command, ..) => Some(command),
            Plan::Other(row) => *row,
        }
    }

    /// Its first key, of these words.
    #[inline]
    fn hashed<'w>(&self, words: &[&'w [u8]]) -> Option<Hashed<'w>> {
        match self {
            Plan::Read(_, _, Some((place, hash))) => Some(Hashed::new(words.get(*place)?, *hash)),
            Plan::Read(_, _, None) | Plan::Other(_) => None,
        }
    }
}

enum Step {
    Done,
    Stop(Next),
}

struct Batch<'a> {
    node: &'a Arc<Node>,
    now: Now,
    situation: Situation,
    /// What we do as, where servers differ.
    dialect: Dialect,
    /// Taken by the first request that reads data.
    reader: Option<Reader<'a>>,
    /// Taken by a request that writes, on a node that follows nobody, and by scripts; never beside the reader.
    writer: Option<Writer<'a>>,
    /// Whether it runs on a thread that may wait.
    may_wait: bool,
    /// What was looked up, and found or not.
    lookups: &'a Lookups,
    /// Whether some request may be larger, or be answered at greater length, than COMMANDLOG lets pass.
    notes_sizes: bool,
    /// What the last request named.
    named: Named,
    timer: Timer<'a>,
}

/// See [`Batch::named`].
enum Named {
    /// What was run last.
    AsRun,
    Command(&'static Command),
    /// No command.
    Nothing,
}

impl<'a> Batch<'a> {
    /// Finds the rows of all requests, hashes the first keys of those that read, and asks the processor for what they
    /// lead to. With a million keys a GET of a deep pipeline takes half the time then.
    fn plan<'r>(
        &mut self,
        session: &Session,
        requests: impl Iterator<Item = Request<'r>>,
        planned: &mut Vec<Plan>,
    ) {
        // A pipeline is mostly of one command.
        let mut name: &[u8] = b"";
        let mut row = None;
        let mut read = None;
        let store = &self.node.store;
        planned.extend(requests.map(|request| {
            if !is_same_name(request.name(), name) {
                name = request.name();
                row = commands::find(name);
                read = row.and_then(Command::read_by_its_name);
            }
            let Some((command, handler, place)) = read.filter(|(row, ..)| row.takes(request.len())) else {
                return Plan::Other(row);
            };
            let key = place.filter(|place| *place < request.len());
            Plan::Read(command, handler, key.map(|place| (place, store.hash(request.word(place)).hash())))
        }));
        if planned.len() > 1 && session.reads_plainly() {
            let (index, now) = (session.db(), self.now.wall);
            if let Some(reader) = self.reader(session) {
                reader.db(index, now).prefetch(planned.iter().filter_map(|plan| match plan {
                    Plan::Read(_, _, Some((_, hash))) => Some(*hash),
                    Plan::Read(_, _, None) | Plan::Other(_) => None,
                }));
            }
        }
    }

    /// Whether reads are just run and answered: nothing that was seen of client and node forbids them, queues them or
    /// hides the answer. Of the client only its own requests can change that, and none of them is a read.
    fn runs_reads_plainly(&self, session: &Session) -> bool {
        session.reads_plainly() && self.situation.is_plain() && !self.notes_sizes
    }

    /// Runs the reads that stand from `ran` on, all with one context, and counts them there.
    fn reads<'r>(
        &mut self,
        session: &Session,
        request: impl Fn(usize) -> Option<(Request<'r>, &'r Plan)>,
        words: &mut Words<'r>,
        reply: &mut Reply,
        ran: &mut usize,
    ) -> Step {
        if self.reader(session).is_none() {
            return Step::Stop(Next::Gate);
        }
        self.named = Named::AsRun;
        let Some(reader) = &self.reader else { return Step::Stop(Next::Gate) };
        let (node, lookups) = (self.node, self.lookups);
        let mut context =
            node.read_context(Source::Reader(reader), session, self.now.wall, self.dialect, lookups);
        while let Some((request, plan)) = request(*ran)
            && let Plan::Read(command, handler, _) = plan
        {
            let words = request.collect(words);
            let args = Args::new(words.get(1..).unwrap_or_default());
            context.db = context.db.hashed(plan.hashed(words));
            self.timer.turns_to(command, self.timer.reads_alone);
            let mark = reply.mark();
            let before = lookups.until_now();
            let failed = match handler(&context, args, reply) {
                Ok(()) => reply.is_error_at(mark),
                Err(CommandError::Long) => {
                    lookups.back_to(before);
                    reply.rollback(mark);
                    *ran += 1;
                    return exclusively(words);
                }
                Err(error) => node.settle(mark, Err(error), words, reply).1,
            };
            if lookups.has_expired() {
                // It goes with whoever meets it, which takes the token: it is asked again, with that.
                lookups.back_to(before);
                reply.rollback(mark);
                break;
            }
            *ran += 1;
            if self.timer.each {
                let notable = self.timer.ran_alone(failed);
                if notable.is_some() || reply.len() > REPLY_BYTES_MAX {
                    let cost = Cost { nanos: notable, reply_bytes: reply.len_since(mark) };
                    node.note(Some(session.client()), command, words, cost);
                    node.weigh(command, words, cost, true);
                }
            } else {
                self.timer.ran(failed);
            }
            if is_long_enough(&self.timer, reply) {
                if reply.len() > REPLY_BYTES_MAX && !self.timer.each {
                    let cost = Cost { nanos: None, reply_bytes: reply.len_since(mark) };
                    node.note(Some(session.client()), command, words, cost);
                }
                break;
            }
        }
        Step::Done
    }

    fn request(&mut self, session: &mut Session, plan: &Plan, words: &[&'a [u8]], reply: &mut Reply) -> Step {
        let (command, args) = match commands::resolve_row(plan.row(), words) {
            Ok(found) => found,
            Err(unresolved) => {
                if is_of_http(words) {
                    self.warn_of_http(session);
                    return Step::Stop(Next::Close);
                }
                let command = match unresolved {
                    commands::Unresolved::WrongArity(command) => Some(command),
                    _ => None,
                };
                self.named = command.map_or(Named::Nothing, Named::Command);
                if let Some(command) = command {
                    self.timer.block.rejected(command);
                    if exclusive::is_exec(command) {
                        let text = commands::resolve::wrong_arity(command);
                        return self.abort(session, &text, reply);
                    }
                }
                let text = unresolved.text(words);
                self.node.stats.error(&text);
                session.request_over(command);
                return self.refuse(session, &text, reply);
            }
        };
        self.named = Named::Command(command);
        let is_plain = session.is_plain() && self.situation.is_plain();
        if !(is_plain && matches!(command.run, Run::Read(_)) && !command.flags.contains(Flags::MAY_REPLICATE))
        {
            if let Some(text) = admission::refusal(self.node, session, self.situation, command, args) {
                self.timer.block.rejected(command);
                if exclusive::is_exec(command) {
                    return self.abort(session, &text, reply);
                }
                self.node.stats.error(text.as_bytes());
                session.request_over(Some(command));
                return self.refuse(session, text.as_bytes(), reply);
            }
            if self.situation.is_paused(session, command) {
                if self.situation.asks_of_script(command) {
                    return exclusively(words);
                }
                let wait = self.node.pause.over();
                return Step::Stop(Next::Wait(self.node.blocking.counting(session.client(), wait)));
            }
            if admission::is_queued(session, command) {
                if admission::asks_of_script(self.node, self.situation, command, args) {
                    return exclusively(words);
                }
                session.queue(command, words);
                return self.answered(session, reply, |reply| reply.simple("QUEUED"));
            }
            if let Err(text) = acl::check_sort(session.user(), command, args, session.db()) {
                self.node.stats.error(text.as_bytes());
                self.timer.turns_to(command, true);
                self.timer.ran(true);
                return self.answered(session, reply, |reply| reply.error(text));
            }
        }
        let script = if is_plain { self.script(command) } else { None };
        if script.is_none() && exclusive::is_wanted(command, args) {
            return exclusively(words);
        }
        session.take_pushed(reply);
        self.timer.turns_to(command, true);
        let mark = reply.mark();
        let answered = match command.run {
            Run::Read(handler) => {
                let (node, now, dialect, lookups) = (self.node, self.now, self.dialect, self.lookups);
                let Some(reader) = self.reader(session) else { return Step::Stop(Next::Gate) };
                let mut context =
                    node.read_context(Source::Reader(reader), session, now.wall, dialect, lookups);
                context.db = context.db.hashed(plan.hashed(words));
                let before = lookups.until_now();
                session.remember_reads(&node.hub, command, args);
                let answered = handler(&context, args, reply);
                if lookups.has_expired()
                    && !matches!(answered, Err(CommandError::Long))
                    && !self.removes_expired(session, command)
                {
                    lookups.back_to(before);
                    reply.rollback(mark);
                    return Step::Stop(Next::Token);
                }
                match answered {
                    Err(CommandError::Long) => {
                        lookups.back_to(before);
                        reply.rollback(mark);
                        return exclusively(words);
                    }
                    Err(CommandError::Wait(wait)) => {
                        reply.rollback(mark);
                        node.hub.tell_misses(lookups, command);
                        let Some(reader) = self.reader(session) else {
                            lookups.back_to(before);
                            return Step::Stop(Next::Gate);
                        };
                        node.show(session, command, words, false);
                        let until = wait.timeout.and_then(|timeout| now.steady.checked_add(timeout));
                        let unanswered = Unanswered { command, words, wait: *wait, now: now.steady };
                        // It has been counted that it looked.
                        let looks = (reader, &Lookups::default());
                        match resume::read_or_wait(node, looks, session, unanswered, until, now, reply) {
                            Ok(()) => Ok(Then::Continue),
                            Err(Waiting::For(wait)) => return Step::Stop(Next::Blocked(wait)),
                            Err(Waiting::Failed(error)) => Err(error),
                        }
                    }
                    answered => {
                        node.hub.tell_misses(lookups, command);
                        answered.map(|()| Then::Continue)
                    }
                }
            }
            Run::Write(handler) => {
                let (node, wall, dialect, lookups) = (self.node, self.now.wall, self.dialect, self.lookups);
                if !node.eviction.may_write(words) {
                    return exclusively(words);
                }
                let Some(writer) = self.writer(session) else { return Step::Stop(Next::Token) };
                // Asked under the token: a REPLICAOF may have come between.
                if !node.upstream.is_writable() {
                    return exclusively(words);
                }
                expiry::before(writer, session.db(), command, args, wall);
                writer.writes_for(Some(session.client().id));
                let mut context = WriteContext::serving(writer, session.db(), wall, dialect)
                    .counting(lookups)
                    .importing(session.fieldsets());
                let kept_out = node.blocking.keeps_out(writer, session.db(), command, args);
                let answered = handler(&mut context, args, reply);
                expiry::after(node, writer, lookups, command, wall);
                node.blocking.serve_ready(node, writer);
                drop(kept_out);
                if let Err(CommandError::Wait(wait)) = answered {
                    reply.rollback(mark);
                    node.show(session, command, words, false);
                    let unanswered = Unanswered { command, words, wait: *wait, now: self.now.steady };
                    return Step::Stop(Next::Blocked(node.blocking.begin(node, session, unanswered)));
                }
                // Before a message that this client sends next.
                writer.tell();
                answered.map(|()| Then::Continue)
            }
            Run::Server(server) if script.is_some() => {
                let Some(called) = script else { return exclusively(words) };
                let (node, may_wait) = (self.node, self.may_wait);
                // On its own clock where others may have taken long before it.
                let now = if may_wait { Now::read() } else { self.now };
                let Some(writer) = self.writer(session) else { return Step::Stop(Next::Token) };
                let source = Some(Source::Writer(writer));
                let mut call = Call { node, session, command, words, args, now, source };
                if may_wait {
                    call.session.client().ran(command);
                    let answered = answer::run(server, &mut call, reply);
                    node.blocking.serve_ready(node, writer);
                    answered
                } else {
                    match answer::attempt(&mut call, called, writer, reply) {
                        Some(answered) => answered,
                        None => return Step::Stop(Next::Apart),
                    }
                }
            }
            Run::Server(server) => {
                session.client().traffic.commands.add(self.timer.untold());
                let (node, now) = (self.node, self.now);
                let source = match server {
                    S::Info | S::MemoryDoctor | S::MemoryStats | S::Watch => match self.reader(session) {
                        Some(reader) => Some(Source::Reader(reader)),
                        None => return Step::Stop(Next::Gate),
                    },
                    _ => None,
                };
                let mut call = Call { node, session, command, words, args, now, source };
                let answered = answer::run(server, &mut call, reply);
                // It may have changed what its own client may do next, or ended its client's user.
                if session.renew_user(&node.acl) { answered } else { answered.map(|_| Then::Close) }
            }
            Run::Container => return exclusively(words),
        };
        let (then, failed) = self.node.settle(mark, answered, words, reply);
        let reply_bytes = reply.len_since(mark);
        session.request_over(Some(command));
        self.node.show(session, command, words, false);
        let is_heard = session.is_answered() || admission::is_push(command);
        if !is_heard {
            reply.withdraw(mark);
        }
        let notable = if then == Then::Rejected {
            self.timer.block.rejected(command);
            None
        } else if self.timer.each {
            self.timer.ran_alone(failed)
        } else {
            self.timer.ran(failed);
            None
        };
        if notable.is_some() || self.notes_sizes || reply_bytes > REPLY_BYTES_MAX {
            let cost = Cost { nanos: notable, reply_bytes };
            self.node.note(Some(session.client()), command, words, cost);
            self.node.weigh(command, words, cost, is_heard);
        }
        if !matches!(command.run, Run::Read(_)) {
            // What this client is sent of its own doing comes before its next answer.
            session.take_pushed(reply);
        }
        match then {
            Then::Continue | Then::Rejected => Step::Done,
            Then::Close => Step::Stop(Next::Close),
        }
    }

    /// Removes what a read has met past its deadline. Says whether it could.
    #[cold]
    fn removes_expired(&mut self, session: &Session, command: &Command) -> bool {
        let (node, lookups, now) = (self.node, self.lookups, self.now.wall);
        let Some(writer) = self.writer(session) else { return false };
        expiry::after(node, writer, lookups, command, now);
        node.blocking.serve_ready(node, writer);
        true
    }

    /// Takes the token, if nobody has it or this batch may wait for its holder; the gate is left. Not if what has been
    /// answered under it since this batch was let in says that its client may no longer go on so (CLIENT KILL, CLIENT
    /// PAUSE, ACL SETUSER): then it begins anew.
    fn writer(&mut self, session: &Session) -> Option<&Writer<'a>> {
        self.reader = None;
        if self.writer.is_none() {
            let node = self.node;
            let taken =
                if self.may_wait { exclusive::hold_unless_busy(node).ok() } else { node.store.try_writer() };
            self.writer = taken.filter(|_| {
                session.is_as_admitted(&node.acl) && !self.situation.is_overtaken(node, self.now.steady)
            });
            if let Some(writer) = &self.writer {
                // What came during a pause is theirs who wait.
                node.blocking.serve_ready(node, writer);
            }
        }
        self.writer.as_ref()
    }

    /// The script that this command runs, if it may run in a batch: where making room for what it writes could come
    /// first, it may not.
    fn script(&self, command: &Command) -> Option<Called> {
        let Run::Server(server) = command.run else { return None };
        let is_bounded = || self.node.upstream.is_writable() && self.node.eviction.is_bounded();
        answer::called(server).filter(|_| !is_bounded())
    }

    /// Enters the gate, unless this batch is inside already; `None` while it is closed. Not with rights that were taken
    /// away while it was, or into what is left of a data set that had to go: then this batch begins anew.
    fn reader(&mut self, session: &Session) -> Option<&Reader<'a>> {
        self.writer = None;
        if self.reader.is_none() {
            if self.may_wait {
                // It may hold the token for longer than the gate.
                self.timer.stay_max = STAY_NANOS_MAX;
            }
            self.reader = self.node.store.try_reader();
            if self.reader.is_none() {
                add(&self.timer.block.gate_waits, 1);
            } else if !session.is_as_admitted(&self.node.acl) || self.situation.is_emptied(self.node) {
                self.reader = None;
            }
        }
        self.reader.as_ref()
    }

    /// Answers a request that does not run; an open transaction will not run either.
    fn refuse(&self, session: &mut Session, text: &[u8], reply: &mut Reply) -> Step {
        if let Some(transaction) = &mut session.transaction {
            transaction.spoil();
        }
        self.answered(session, reply, |reply| reply.error_bytes(text))
    }

    #[cold]
    fn warn_of_http(&self, session: &Session) {
        if let Some(left_out) = self.node.log.http.turn(clock::steady()) {
            tracing::warn!(
                client = %session.client().addr,
                left_out,
                "possible SECURITY ATTACK: a POST or Host: arrived, as if a browser were made to send requests \
                 here; the connection is closed"
            );
        }
    }

    /// Answers an EXEC that may not run.
    fn abort(&self, session: &mut Session, text: &str, reply: &mut Reply) -> Step {
        let text = answer::abort(session, text.as_bytes());
        session.request_over(None);
        self.node.stats.error(&text);
        self.answered(session, reply, |reply| reply.error_bytes(&text))
    }

    fn answered(&self, session: &mut Session, reply: &mut Reply, answer: impl FnOnce(&mut Reply)) -> Step {
        let mark = reply.mark();
        answer(reply);
        if !session.is_answered() {
            reply.rollback(mark);
        }
        Step::Done
    }
}

/// Whether it is a line of HTTP, by which a page in somebody's browser could send requests to a server that is open to
/// its machine: nothing behind it may be run.
#[cold]
fn is_of_http(words: &[&[u8]]) -> bool {
    words
        .first()
        .is_some_and(|name| name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:"))
}

/// How many reads stand at the beginning that this user may run.
fn allowed<'r>(user: &User, db: DbIndex, requests: impl Iterator<Item = (Request<'r>, &'r Plan)>) -> usize {
    let mut words = Words::default();
    let may = |(request, plan): &(Request<'r>, &Plan)| {
        let Plan::Read(command, ..) = plan else { return false };
        let words = request.collect(&mut words);
        acl::may_read(user, command, Args::new(words.get(1..).unwrap_or_default()), db)
    };
    requests.take_while(may).count()
}

/// Whether a batch is to end here.
#[inline]
fn is_long_enough(timer: &Timer<'_>, reply: &Reply) -> bool {
    reply.len() > REPLY_BYTES_MAX || timer.last > timer.stay_max
}

/// Whether two names are the same. They are short: a call would cost more than it saves.
#[inline]
fn is_same_name(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one == other)
}

/// The request goes where waiting is allowed.
fn exclusively(words: &[&[u8]]) -> Step {
    Step::Stop(Next::Exclusive(OwnedRequest::copy(words)))
}

/// How long a request of this command takes at most by itself, where it is run within a batch: no longer ones are
/// looked for.
#[cold] // nearly always it is only asked of what is no read
#[inline(never)]
fn longest_here(command: &Command) -> u64 {
    match command.run {
        _ if command.flags.contains(Flags::FAST) => FAST_NANOS_MAX,
        Run::Read(_) => READ_NANOS_MAX,
        Run::Write(_) | Run::Server(_) | Run::Container => u64::MAX,
    }
}

/// Measures runs of one command, so that a pipeline of GETs asks the clock a few times and not 128 times. A request
/// that may take notably long is measured by itself; the others of a run share its time.
struct Timer<'a> {
    node: &'a Node,
    block: &'a Block,
    began: Instant,
    /// The longest stay, in nanoseconds.
    stay_max: u64,
    /// From how many nanoseconds on somebody wants to hear of a request.
    notable: u64,
    /// Whether some reads are measured one by one.
    reads_alone: bool,
    /// Whether it is counted how long requests take.
    tracks: bool,
    /// When the run of `command` began, and when the clock was looked at last: nanoseconds since `began`.
    since: u64,
    last: u64,
    command: Option<&'static Command>,
    /// Whether each request of the run is measured.
    each: bool,
    calls: u64,
    failed: u64,
    /// Requests of the runs that have ended.
    closed: u64,
    /// Requests that their client was told of.
    told: u64,
    /// Where each is measured: how long the latest took, and how many of them took as long, not yet counted.
    range: Range,
    in_range: u64,
}

impl<'a> Timer<'a> {
    fn start(node: &'a Node, now: Instant, stay_max: Duration) -> Self {
        let notable = node.settings.notable_nanos();
        Timer {
            node,
            block: node.stats.local(),
            began: now,
            stay_max: u64::try_from(stay_max.as_nanos()).unwrap_or(u64::MAX),
            notable,
            reads_alone: notable < READ_NANOS_MAX,
            tracks: node.settings.tracks_latency(),
            since: 0,
            last: 0,
            command: None,
            each: false,
            calls: 0,
            failed: 0,
            closed: 0,
            told: 0,
            range: Range::of(0),
            in_range: 0,
        }
    }

    /// A request of this command is about to run.
    #[inline(always)]
    fn turns_to(&mut self, command: &'static Command, may_be_alone: bool) {
        if !self.command.is_some_and(|known| std::ptr::eq(known, command)) {
            self.turn(command, may_be_alone);
        }
    }

    #[inline(never)]
    fn turn(&mut self, command: &'static Command, may_be_alone: bool) {
        self.close();
        self.command = Some(command);
        self.each = may_be_alone && self.notable < longest_here(command);
    }

    /// It has run.
    #[inline(always)]
    fn ran(&mut self, failed: bool) {
        self.calls += 1;
        self.failed += u64::from(failed);
        if self.calls.is_multiple_of(CLOCK_EVERY) {
            self.look_apart();
        }
    }

    /// It has run, and is measured by itself: says how long it took when that is notable.
    #[inline(never)]
    fn ran_alone(&mut self, failed: bool) -> Option<u64> {
        self.calls += 1;
        self.failed += u64::from(failed);
        let before = self.last;
        self.look();
        let nanos = self.last.saturating_sub(before);
        if self.tracks {
            let range = Range::of(nanos);
            if range != self.range {
                self.close_range();
                self.range = range;
            }
            self.in_range += 1;
        }
        (nanos >= self.notable).then_some(nanos)
    }

    /// How many have run since this was asked last.
    #[inline]
    fn untold(&mut self) -> u64 {
        let ran = self.closed + self.calls;
        ran - std::mem::replace(&mut self.told, ran)
    }

    /// Looks at the clock.
    #[inline(always)]
    fn look(&mut self) {
        self.last = clock::nanos_since(self.began);
    }

    /// The same, where it is done now and then.
    #[inline(never)]
    fn look_apart(&mut self) {
        self.look();
    }

    /// Counts the run of one command that ends now.
    #[inline(always)]
    fn close(&mut self) {
        if let Some(command) = self.command.filter(|_| self.calls > 0) {
            let mut range = None;
            let nanos;
            if self.each {
                self.close_range();
                nanos = self.last.saturating_sub(self.since);
            } else {
                self.look();
                nanos = self.last.saturating_sub(self.since);
                if self.tracks {
                    range = Some(Range::of(nanos / self.calls));
                }
                if nanos >= self.notable {
                    // One of them was held up, and nobody knows which.
                    self.node.note_spike(command, nanos);
                }
            }
            self.block.ran(command, self.calls, self.failed, nanos, range);
        }
        self.since = self.last;
        self.closed += self.calls;
        self.calls = 0;
        self.failed = 0;
    }

    /// Counts what was measured one by one, and not counted yet.
    #[cold]
    #[inline(never)]
    fn close_range(&mut self) {
        if let Some(command) = self.command.filter(|_| self.in_range > 0) {
            self.block.timed(command, self.range, self.in_range);
        }
        self.in_range = 0;
    }
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        self.close();
        self.block.processed(self.closed);
    }
}
