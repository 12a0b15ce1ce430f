//! Whether a request may run now: rights, role, link, loading; with Redis' words for each refusal.
//!
//! Owns the order of the checks, which clients can see. Never runs anything.

use std::borrow::Cow;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use commands::{Command, Flags, Run, ServerCommand as S};
use protocol::Args;
use scripting::{Called, Named, Standing};
use storage::{Listener, Wanted, Writer};

use crate::acl::{self, Denial, Place, Refusal, User};
use crate::answer;
use crate::clients::Client;
use crate::clock;
use crate::config::DebugAccess;
use crate::exclusive;
use crate::node::Node;
use crate::pause::{self, Paused};
use crate::scripts;
use crate::session::Session;
use crate::upstream::{Readable, Role};

const NOAUTH: &str = "NOAUTH Authentication required.";
const NO_MULTI: &str = "ERR Command not allowed inside a transaction";
pub(crate) const READONLY: &str = "READONLY You can't write against a read only replica.";
const MASTERDOWN: &str = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
const LOADING: &str = "LOADING Redis is loading the dataset in memory";
pub(crate) const MISCONF: &str = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. \
     Commands that may modify the data set are disabled, because this instance is configured to report errors during \
     writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about \
     the RDB error.";
pub(crate) const OOM: &str = "OOM command not allowed when used memory > 'maxmemory'.";
/// What Redis answers where enable-module-command is "no", as it always is here.
pub(crate) const MODULES_DISABLED: &str = "ERR MODULE command not allowed. If the enable-module-command option is set to \"local\", you can run it from a \
     local connection, otherwise you need to set this option in the configuration file, and then restart the server.";
const DEBUG: &str = "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can \
                     run it from a local connection, otherwise you need to start the server with this option set \
                     to \"yes\".";

/// What the node allows, looked at once a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Situation {
    readable: Readable,
    writable: bool,
    serve_stale_data: bool,
    paused: Paused,
    /// Whether somebody wants to hear which keys were asked for and are not there.
    tells_misses: bool,
    /// Whether somebody sees requests (MONITOR).
    is_monitored: bool,
    /// A script takes long; whether it has written, so that nothing can be read.
    busy: Option<bool>,
}

impl Situation {
    /// As it is now.
    pub(crate) fn of(node: &Node, now: Instant) -> Self {
        Situation {
            readable: node.upstream.readable(),
            writable: node.upstream.is_writable(),
            serve_stale_data: node.settings.serve_stale_data(),
            paused: node.pause.at(now),
            is_monitored: node.hub.is_monitored(),
            tells_misses: node.hub.wants().contains(Wanted::MISS),
            busy: busy(node),
        }
    }

    /// Whether reads are simply answered.
    pub(crate) fn is_plain(&self) -> bool {
        if self.busy == Some(true) {
            return false;
        }
        let is_readable = match self.readable {
            Readable::Fresh => true,
            Readable::Stale | Readable::Empty => self.serve_stale_data,
            Readable::Loading => false,
        };
        is_readable && self.paused != Paused::Everything && !self.tells_misses && !self.is_monitored
    }

    /// Whether somebody wants to hear which keys were asked for and are not there.
    pub(crate) fn tells_misses(&self) -> bool {
        self.tells_misses
    }

    /// Whether a key that is past its deadline goes when somebody meets it. While a script takes long nobody waits for
    /// the token to see to that.
    pub(crate) fn expires(&self) -> bool {
        self.writable && self.paused == Paused::Nothing && self.busy.is_none()
    }

    /// Whether this request, which may run, waits until the pause is over (CLIENT PAUSE).
    pub(crate) fn is_paused(&self, session: &Session, command: &Command) -> bool {
        let queued = session.transaction.as_deref().filter(|_| exclusive::is_exec(command));
        pause::concerns(self.paused, command, queued)
    }

    /// The same for the holder of the token, who can ask what a script says of itself: one that writes nothing does not wait
    /// while writes are paused.
    pub(crate) fn is_paused_for(
        &self,
        (node, writer): (&Node, &Writer<'_>),
        session: &Session,
        command: &Command,
        args: Args<'_>,
    ) -> bool {
        self.is_paused(session, command)
            && !(self.paused == Paused::Writes && says_it_only_reads(node, writer, command, args))
    }

    /// Whether what a script says of itself decides if it waits.
    pub(crate) fn asks_of_script(&self, command: &Command) -> bool {
        self.paused == Paused::Writes && called(command).is_some()
    }

    /// Whether another pause is on than when this was looked at, or the data set is gone.
    #[inline]
    pub(crate) fn is_overtaken(&self, node: &Node, now: Instant) -> bool {
        node.pause.at(now) != self.paused || self.is_emptied(node)
    }

    /// Whether the data set that could be read when this was looked at is gone: it had to go for the one that is being
    /// loaded. Asked inside the gate, or under the token.
    #[inline]
    pub(crate) fn is_emptied(&self, node: &Node) -> bool {
        self.readable != Readable::Loading && node.upstream.is_loading()
    }

    /// Why a balancer should send no reads here, if it should not.
    pub(crate) fn why_not_ready(&self) -> Option<&'static str> {
        match self.readable {
            Readable::Fresh => None,
            Readable::Stale if self.serve_stale_data => None,
            Readable::Stale => Some("no link to the master, and stale data are not served\n"),
            Readable::Empty => Some("no data set yet\n"),
            Readable::Loading => Some("loading the data set\n"),
        }
    }
}

/// What a command, or all those queued by MULTI together, asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs {
    /// It may change data.
    writes: bool,
    /// It must not run while a data set is being loaded.
    not_while_loading: bool,
    /// It must not run on a data set that may be old.
    not_while_stale: bool,
}

impl Needs {
    fn of(command: &Command, session: &Session) -> Self {
        let own = |flag| !command.flags.contains(flag);
        let queued = session.transaction.as_deref().filter(|_| exclusive::is_exec(command));
        // What is being loaded is given up for another master: who named a wrong one is not made to wait for it.
        let ends_the_load = matches!(command.run, Run::Server(S::Replicaof));
        Needs {
            writes: command.flags.contains(Flags::WRITE)
                || queued.is_some_and(|queued| queued.has(Flags::WRITE)),
            not_while_loading: (own(Flags::LOADING) && !ends_the_load)
                || queued.is_some_and(|queued| !queued.all_have(Flags::LOADING)),
            not_while_stale: own(Flags::STALE) || queued.is_some_and(|queued| !queued.all_have(Flags::STALE)),
        }
    }
}

/// Why this command may not run, if it may not.
pub(crate) fn refusal(
    node: &Node,
    session: &Session,
    situation: Situation,
    command: &'static Command,
    args: Args<'_>,
) -> Option<Cow<'static, str>> {
    if matches!(command.run, Run::Server(S::Debug)) && !may_debug(node, session) {
        return Some(DEBUG.into());
    }
    if matches!(command.run, Run::Server(S::ModulesDisabled)) {
        return Some(MODULES_DISABLED.into());
    }
    if !session.is_authenticated() && !command.flags.contains(Flags::NO_AUTH) && !node.acl.admits_strangers()
    {
        return Some(NOAUTH.into());
    }
    if session.transaction.is_some() {
        if command.flags.contains(Flags::NO_MULTI) {
            return Some(NO_MULTI.into());
        }
        if matches!(command.run, Run::Server(S::ClientReply)) && node.dialect().is_valkey() {
            return Some("ERR Command 'client|reply' not allowed inside a transaction".into());
        }
    }
    if let Err(denial) = acl::check(session.user(), command, args, session.db()) {
        let place = if session.transaction.is_some() { Place::Multi } else { Place::Toplevel };
        session.client().ran(command);
        note_denial(node, session, command, args, denial, place);
        let text = denial.text(session.user(), command);
        return Some(format!("NOPERM {}", String::from_utf8_lossy(&text)).into());
    }
    // What is not queued is told so where room can be made first: see `crate::exclusive`.
    // Subscriptions never come there, and need room on a Redis alone.
    let needs_room = session.transaction.is_some()
        || (is_push(command) && situation.writable && !node.dialect().is_valkey());
    if needs_room && command.flags.contains(Flags::DENYOOM) && node.eviction.is_full() {
        return Some(OOM.into());
    }
    if let Some(text) = redirection(node, session, command) {
        return Some(text.into());
    }
    let needs = Needs::of(command, session);
    if needs.writes && !situation.writable {
        return Some(READONLY.into());
    }
    if (needs.writes || matches!(command.run, Run::Server(S::Ping)))
        && situation.writable
        && cannot_save(node)
    {
        return Some(MISCONF.into());
    }
    if session.hears_only() && !may_subscriber(command) {
        if let Some(text) = script_refusal(node, situation, command, args) {
            return Some(text.into());
        }
        let text = format!(
            "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this \
             context",
            command.name
        );
        return Some(text.into());
    }
    if let Some(has_written) = situation.busy
        && !command.flags.contains(Flags::ALLOW_BUSY)
        && (needs.writes || exclusive::waits_for_token(command) || has_written && reads_data(command))
    {
        return node.scripts.pulse.busy_text().map(Into::into);
    }
    match situation.readable {
        Readable::Stale | Readable::Empty if needs.not_while_stale && !situation.serve_stale_data => {
            Some(MASTERDOWN.into())
        }
        Readable::Loading if needs.not_while_loading => Some(LOADING.into()),
        _ if session.is_monitor() && command.flags.intersects(Flags::READONLY | Flags::WRITE) => {
            Some("ERR Replica can't interact with the keyspace".into())
        }
        _ => None,
    }
}

/// Why a script may not write or add data by what it says of itself, as far as that can be found out without waiting:
/// who is subscribed hears of that first.
#[cold]
fn script_refusal(
    node: &Node,
    situation: Situation,
    command: &'static Command,
    args: Args<'_>,
) -> Option<&'static str> {
    let Run::Server(server) = command.run else { return None };
    let called = answer::called(server)?;
    let standing = Standing {
        stale: false,
        read_only: !situation.writable,
        full: node.eviction.is_full(),
        unsaved: (situation.writable && cannot_save(node)).then_some(MISCONF),
    };
    node.scripts.try_engine(node)?.may_say(standing, called, args.get(0)).err()
}

/// Whether a script says of itself that it writes nothing. For the holder of the token, for whom the engine is free or soon is.
fn says_it_only_reads(node: &Node, writer: &Writer<'_>, command: &Command, args: Args<'_>) -> bool {
    called(command).is_some_and(|called| {
        let mut engine = node.scripts.engine(node);
        if called == Called::Function {
            engine.follow(writer.functions(), &scripts::log);
        }
        engine.says_it_only_reads(called, args.get(0))
    })
}

/// The script that it runs, if that is what it does.
fn called(command: &Command) -> Option<Called> {
    let Run::Server(server) = command.run else { return None };
    answer::called(server)
}

/// Whether a node that is to save at points could not, and takes no writes for that reason.
pub(crate) fn cannot_save(node: &Node) -> bool {
    node.saves.has_failed() && {
        let config = node.settings.read();
        config.stop_writes_on_bgsave_error && !config.save.is_empty()
    }
}

/// Where a client is sent that goes to the master when it is told to (CLIENT CAPA REDIRECT), as a replica of Valkey
/// does: with what writes, and with what reads unless it has said READONLY.
fn redirection(node: &Node, session: &Session, command: &'static Command) -> Option<String> {
    if !session.is_redirected() || !node.dialect().is_valkey() {
        return None;
    }
    let queued = session.transaction.as_deref().filter(|_| exclusive::is_exec(command));
    let has = |flag| command.flags.contains(flag) || queued.is_some_and(|queued| queued.has(flag));
    let is_read_here = session.client().read_only.load(Relaxed);
    if !has(Flags::WRITE) && (is_read_here || !has(Flags::READONLY)) {
        return None;
    }
    match node.upstream.status().role {
        Role::Replica(master) => Some(format!("REDIRECT {}:{}", master.host, master.port)),
        Role::Master => None,
    }
}

/// Notes for ACL LOG what a client was refused.
pub(crate) fn note_denial(
    node: &Node,
    session: &Session,
    command: &'static Command,
    args: Args<'_>,
    denial: Denial,
    place: Place,
) {
    note_denial_of(node, (session.client(), session.user()), command, args, denial, place);
}

/// The same of a client whose connection is elsewhere.
pub(crate) fn note_denial_of(
    node: &Node,
    (client, user): (&Client, &User),
    command: &'static Command,
    args: Args<'_>,
    denial: Denial,
    place: Place,
) {
    let refusal = Refusal {
        reason: denial.into(),
        place,
        object: denial.object(command, args).to_vec(),
        user: user.name.to_vec(),
        client: client.line(clock::steady(), node.dialect()),
    };
    note(node, refusal);
}

/// What a client is told who waited for a key that it may not have any more.
pub(crate) fn denied(user: &User, command: &Command, denial: Denial) -> Vec<u8> {
    [b"NOPERM ", denial.text(user, command).as_slice()].concat()
}

/// Notes for ACL LOG a refusal.
pub(crate) fn note(node: &Node, refusal: Refusal) {
    let entries_max = node.settings.read().acllog_max_len;
    node.acl.log.note(refusal, clock::unix_millis(), usize::try_from(entries_max).unwrap_or(usize::MAX));
}

/// Whether a client may run it that takes everything it is sent for a message.
fn may_subscriber(command: &Command) -> bool {
    is_push(command) || matches!(command.run, Run::Server(S::Ping | S::Quit | S::Reset))
}

/// Whether what it answers are messages of their own, which are sent whatever CLIENT REPLY says.
pub(crate) fn is_push(command: &Command) -> bool {
    matches!(
        command.run,
        Run::Server(
            S::Subscribe | S::Psubscribe | S::Ssubscribe | S::Unsubscribe | S::Punsubscribe | S::Sunsubscribe
        )
    )
}

/// Whether a script takes long; then, whether it has written.
fn busy(node: &Node) -> Option<bool> {
    let pulse = &node.scripts.pulse;
    // One in a transaction that has written cannot be read around either.
    pulse.is_busy().then(|| pulse.has_written() || node.store.try_reader().is_none())
}

/// Whether the command looks at data in a batch.
fn reads_data(command: &Command) -> bool {
    matches!(command.run, Run::Read(_) | Run::Server(S::Info | S::MemoryDoctor | S::MemoryStats | S::Watch))
}

/// Whether the request is queued instead of run.
pub(crate) fn is_queued(session: &Session, command: &'static Command) -> bool {
    session.transaction.is_some()
        && !matches!(
            command.run,
            Run::Server(S::Exec | S::Discard | S::Multi | S::Watch | S::Quit | S::Reset)
        )
}

/// Whether what a script says of itself decides if it may be queued now, so that it must be looked at first. (A text
/// without a first line for that says nothing.)
pub(crate) fn asks_of_script(
    node: &Node,
    situation: Situation,
    command: &'static Command,
    args: Args<'_>,
) -> bool {
    let Run::Server(server) = command.run else { return false };
    let is_stale =
        matches!(situation.readable, Readable::Stale | Readable::Empty) && !situation.serve_stale_data;
    match answer::called(server) {
        None => false,
        Some(Called::Script(Named::ByText)) if !args.get(0).starts_with(b"#!") => false,
        Some(_) => !situation.writable || is_stale || node.eviction.is_full(),
    }
}

fn may_debug(node: &Node, session: &Session) -> bool {
    match node.settings.read().enable_debug_command {
        DebugAccess::No => false,
        DebugAccess::Local => session.client().addr.is_local(),
        DebugAccess::Yes => true,
    }
}
