//! Scripts of clients: the engine, and what a script's commands may do here.
//!
//! Owns the way from a script to the handlers: it runs under the writer's token, and the gate closes with its first
//! write, so that nobody sees half of what it does. It runs on a thread that may wait; but the way there and back costs
//! thirty times what a short script does, so one that has not turned out otherwise is attempted in its batch first: as
//! long as it only reads, and no longer than a batch may take. An attempt that comes to nothing has changed nothing and
//! counted nothing. Never knows Lua: see [`scripting`].

use std::cell::RefCell;
use std::sync::Arc;

use commands::{Command, CommandError, Dialect, Fieldsets, Run, ServerCommand, Source};
use parking_lot::{Mutex, MutexGuard};
use protocol::{Args, Protocol, Reply};
use scripting::{
    Engine, Figures, Host, Identity, LogLevel, Pulse, Refusal, SharedEngine, Standing, TimeLimits,
};
use storage::{DbIndex, Exclusive, Functions, Lookups, Store, Writer};
use tokio::sync::watch;

use crate::acl::{self, Place};
use crate::admission;
use crate::answer::{self, Call, Now, Then};
use crate::clock;
use crate::eviction::Room;
use crate::exclusive;
use crate::histogram::Range;
use crate::monitor;
use crate::node::{Cost, Node};
use crate::session::Session;
use crate::upstream::Readable;

/// The scripts of a node.
#[derive(Debug)]
pub(crate) struct Scripts {
    engine: SharedEngine,
    /// The script that runs, as others see it.
    pub(crate) pulse: Arc<Pulse>,
    /// Whether that one takes long: for those who are to be told when it comes to that.
    pub(crate) busy: watch::Sender<bool>,
    /// Counts and sizes.
    pub(crate) figures: Arc<Figures>,
}

/// An engine for a node that says it is of this version.
pub(crate) fn engine(version: &str) -> SharedEngine {
    let identity = Identity { version: version.to_owned(), valkey: None };
    Arc::new(Mutex::new(Engine::new(identity, Arc::new(Pulse::new(clock::steady)))))
}

/// The same for the applier of an old master's stream.
pub(crate) fn of_stream(engine: &SharedEngine) -> replication::Scripts {
    replication::Scripts { engine: Arc::clone(engine), log }
}

impl Scripts {
    pub(crate) fn new(engine: SharedEngine) -> Self {
        let (pulse, figures) = {
            let engine = engine.lock();
            (engine.pulse(), engine.figures())
        };
        Scripts { engine, pulse, busy: watch::Sender::new(false), figures }
    }

    /// From now on those who wait for the token hear of it when the script that has it takes long.
    pub(crate) fn tell(&self, store: &Store) {
        let (store, busy) = (store.clone(), self.busy.clone());
        self.pulse.tell_busy(move |is_busy| {
            store.refuse_waiting(is_busy);
            busy.send_replace(is_busy);
        });
    }

    /// The engine, once no script runs: to be asked where waiting is allowed, and after the token where both are
    /// needed.
    pub(crate) fn engine(&self, node: &Node) -> MutexGuard<'_, Engine> {
        let mut engine = self.engine.lock();
        identify(&mut engine, node);
        engine
    }

    /// The same where waiting is not allowed.
    pub(crate) fn try_engine(&self, node: &Node) -> Option<MutexGuard<'_, Engine>> {
        let mut engine = self.engine.try_lock()?;
        identify(&mut engine, node);
        Some(engine)
    }
}

fn identify(engine: &mut Engine, node: &Node) {
    let version = node.settings.read().report_version.clone();
    engine.is(Identity { version, valkey: node.dialect().valkey_version() });
}

/// How long a client's script may take, as things stand.
pub(crate) fn limits(node: &Node) -> TimeLimits {
    let settings = node.settings.read();
    let is_replica = !node.upstream.is_writable();
    TimeLimits {
        attempt: None,
        hold_max: Some(settings.script_hold_max).filter(|limit| is_replica && !limit.is_zero()),
        busy_after: Some(settings.busy_reply_threshold).filter(|limit| !limit.is_zero()),
    }
}

/// Writes a script's line to the log.
pub(crate) fn log(level: LogLevel, line: &[u8]) {
    let line = String::from_utf8_lossy(line);
    match level {
        LogLevel::Debug => tracing::trace!("script: {line}"),
        LogLevel::Verbose => tracing::debug!("script: {line}"),
        LogLevel::Notice => tracing::info!("script: {line}"),
        LogLevel::Warning => tracing::warn!("script: {line}"),
    }
}

/// A client's script, on its way.
pub(crate) struct ClientHost<'h> {
    node: &'h Arc<Node>,
    session: &'h mut Session,
    writer: &'h Writer<'h>,
    /// Closed with its first write, or message.
    gate: Option<Exclusive<'h>>,
    /// It is part of a transaction, which keeps others out by itself.
    is_part: bool,
    /// When it began: for its commands no time passes.
    now: Now,
    /// There was no room when it began.
    full: bool,
    /// What the client had selected.
    selected: DbIndex,
    /// What the client had prepared for HIMPORT SET: a script has its own.
    fieldsets: Option<Box<Fieldsets>>,
    attempt: Option<Attempt>,
}

/// What an attempt has done, to be counted when it has come to its end.
#[derive(Default)]
struct Attempt {
    lookups: Lookups,
    /// Bytes that its commands answered.
    bytes: usize,
    /// Commands, and how long they took.
    ran: Vec<(&'static Command, u64)>,
    /// For the log.
    lines: RefCell<Vec<(LogLevel, Vec<u8>)>>,
}

impl<'h> ClientHost<'h> {
    pub(crate) fn new(
        node: &'h Arc<Node>,
        session: &'h mut Session,
        writer: &'h Writer<'h>,
        now: Now,
    ) -> Self {
        let selected = session.db();
        let fieldsets = session.take_fieldsets();
        let full = node.upstream.is_writable() && node.eviction.make_room(node, writer) == Room::None;
        session.in_script = true;
        let is_part = writer.has_closed_gate();
        ClientHost {
            node,
            session,
            writer,
            gate: None,
            is_part,
            now,
            full,
            selected,
            fieldsets,
            attempt: None,
        }
    }

    /// For an attempt in a batch.
    pub(crate) fn attempting(mut self) -> Self {
        let lookups = Lookups::new(false, self.node.upstream.is_writable());
        self.attempt = Some(Attempt { lookups, ..Attempt::default() });
        self
    }

    /// Counts and tells what an attempt did that has come to its end.
    pub(crate) fn attempted(&mut self) {
        let Some(Attempt { lookups, ran, lines, .. }) = self.attempt.take() else { return };
        self.node.stats.local().looked_up(&lookups);
        for (command, nanos) in ran {
            self.count(command, false, nanos);
        }
        for (level, line) in lines.into_inner() {
            log(level, &line);
        }
    }

    /// Counts a command.
    fn count(&self, command: &'static Command, failed: bool, nanos: u64) {
        let range = self.node.settings.tracks_latency().then(|| Range::of(nanos));
        let block = self.node.stats.local();
        block.ran(command, 1, u64::from(failed), nanos, range);
        block.processed(1);
        self.session.client().traffic.commands.add(1);
    }

    /// Runs a short read that does not fail, and nothing else.
    fn attempt(&mut self, command: &'static Command, args: Args<'_>, reply: &mut Reply) -> Option<()> {
        let attempt = self.attempt.as_mut()?;
        let Run::Read(handler) = command.run else { return None };
        acl::check_sort(self.session.user(), command, args, self.session.db()).ok()?;
        let began = clock::steady();
        let source = Source::Writer(self.writer);
        let (node, session, now) = (self.node, &*self.session, self.now.wall);
        let context = node.read_context(source, session, now, node.dialect(), &attempt.lookups).brief();
        let mark = reply.mark();
        if handler(&context, args, reply).is_err() || reply.is_error_at(mark) {
            return None;
        }
        // What is past its deadline goes when it is met, and not in an attempt.
        if attempt.lookups.has_expired() {
            return None;
        }
        attempt.bytes += reply.len_since(mark);
        if attempt.bytes > answer::ATTEMPT_BYTES_MAX {
            return None;
        }
        attempt.ran.push((command, clock::nanos_since(began)));
        Some(())
    }
}

impl Drop for ClientHost<'_> {
    fn drop(&mut self) {
        // A script's SELECT is its own, and what it prepared.
        self.session.select(self.selected);
        let fieldsets = self.fieldsets.take();
        self.session.put_fieldsets(fieldsets);
        self.session.in_script = false;
        if self.gate.is_some() && !self.is_part {
            // Before others can see what they are served with.
            self.node.blocking.serve_ready(self.node, self.writer);
        }
    }
}

impl Host for ClientHost<'_> {
    fn dialect(&self) -> Dialect {
        self.node.dialect()
    }

    fn standing(&self) -> Standing {
        let is_stale = matches!(self.node.upstream.readable(), Readable::Stale | Readable::Empty);
        let is_writable = self.node.upstream.is_writable();
        Standing {
            stale: is_stale && !self.node.settings.serve_stale_data(),
            read_only: !is_writable,
            full: self.full,
            unsaved: (is_writable && admission::cannot_save(self.node)).then_some(admission::MISCONF),
        }
    }

    fn functions(&self) -> &Functions {
        self.writer.functions()
    }

    fn has_right(&self, command: &'static Command, words: &[&[u8]]) -> bool {
        let args = Args::new(words.get(command.name_words()..).unwrap_or_default());
        acl::check(self.session.user(), command, args, self.session.db()).is_ok()
    }

    fn may_call(&mut self, command: &'static Command, words: &[&[u8]]) -> Result<(), Refusal> {
        let args = Args::new(words.get(command.name_words()..).unwrap_or_default());
        let session = &*self.session;
        if let Err(denial) = acl::check(session.user(), command, args, session.db()) {
            // An attempt ends here, and runs again.
            if self.attempt.is_none() {
                admission::note_denial(self.node, session, command, args, denial, Place::Lua);
            }
            let text = denial.text(session.user(), command);
            return Err(format!("ERR ACL failure in script: {}", String::from_utf8_lossy(&text)).into());
        }
        Ok(())
    }

    fn refused(&mut self, command: Option<&'static Command>, line: &[u8]) -> Option<()> {
        if self.attempt.is_some() {
            return None;
        }
        self.node.stats.error(line);
        if let Some(command) = command {
            self.node.stats.local().rejected(command);
        }
        Some(())
    }

    fn run(&mut self, command: &'static Command, words: &[&[u8]], protocol: Protocol) -> Option<Reply> {
        let mut reply = Reply::new(protocol);
        let args = Args::new(words.get(command.name_words()..).unwrap_or_default());
        if self.attempt.is_some() {
            return self.attempt(command, args, &mut reply).map(|()| reply);
        }
        // Who hears a message finds what was written with it.
        let shows = matches!(
            command.run,
            Run::Write(_)
                | Run::Server(ServerCommand::Migrate | ServerCommand::Publish | ServerCommand::Spublish)
        );
        if shows && self.gate.is_none() {
            self.gate = Some(self.writer.close_gate());
        }
        let began = clock::steady();
        let mark = reply.mark();
        let allowed =
            acl::check_sort(self.session.user(), command, args, self.session.db()).map_err(CommandError::new);
        let answered = allowed.and_then(|()| match command.run {
            Run::Server(server) => {
                let source = Some(Source::Writer(self.writer));
                let (node, now) = (self.node, self.now);
                let mut call = Call { node, session: &mut *self.session, command, words, args, now, source };
                answer::run(server, &mut call, &mut reply)
            }
            Run::Read(_) | Run::Write(_) | Run::Container => {
                exclusive::on_data(self.node, self.writer, self.session, command, args, self.now, &mut reply)
                    .map(|()| Then::Continue)
            }
        });
        let (_, failed) = self.node.settle(mark, answered, words, &mut reply);
        if self.node.hub.is_monitored() && monitor::is_seen(command) {
            self.node.hub.show(self.session.db(), "lua", Some(command), words);
        }
        let nanos = clock::nanos_since(began);
        self.count(command, failed, nanos);
        if nanos >= self.node.settings.notable_nanos() {
            self.node.note(None, command, words, Cost { nanos: Some(nanos), reply_bytes: 0 });
        }
        Some(reply)
    }

    fn log(&self, level: LogLevel, line: &[u8]) {
        match &self.attempt {
            Some(attempt) => attempt.lines.borrow_mut().push((level, line.to_vec())),
            None => log(level, line),
        }
    }
}

/// Whether this command runs scripts, or needs the engine that does.
pub(crate) fn needs_engine(server: ServerCommand) -> bool {
    use ServerCommand as S;
    answer::called(server).is_some()
        || matches!(
            server,
            S::ScriptExists
                | S::ScriptFlush
                | S::ScriptLoad
                | S::ScriptShow
                | S::FunctionDelete
                | S::FunctionFlush
                | S::FunctionList
                | S::FunctionLoad
                | S::FunctionRestore
        )
}
