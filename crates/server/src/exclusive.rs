//! Requests that must wait for something: the writer token, a promotion, a sleep.
//!
//! Owns the way over: such a request ends its batch, moves with its session to a thread of the blocking pool, and
//! comes back answered. A batch that begins with a short write or a script moves over whole ([`run_batch`]), one of the
//! node's at a time, and holds the token for [`HOLD_MAX`] at most. Never runs on a worker.

use std::sync::Arc;
use std::time::Duration;

use commands::spec::{Find, KeySpec};
use commands::{Command, CommandError, Flags, Run, ServerCommand as S, Source, WriteContext};
use protocol::{Args, Reply};
use storage::Writer;

use crate::admission::{self, Situation};
use crate::answer::{self, Call, Now, Then};
use crate::batch::{self, Next, Wait};
use crate::blocking::Unanswered;
use crate::buffers::Buffers;
use crate::clock;
use crate::eviction::Room;
use crate::expiry;
use crate::migrate;
use crate::node::{Cost, Node};
use crate::owned::OwnedRequest;
use crate::scripts::{self, ClientHost};
use crate::session::{Replies, Session};
use crate::stats::add;

/// Whether this is EXEC.
pub(crate) fn is_exec(command: &Command) -> bool {
    matches!(command.run, Run::Server(S::Exec))
}

/// Whether the request must wait. (A read that turns out long says so itself, by [`CommandError::Long`].)
pub(crate) fn is_wanted(command: &Command, args: Args<'_>) -> bool {
    match command.run {
        Run::Read(_) => false,
        Run::Write(_) => !is_short(command),
        Run::Server(
            S::Exec
            | S::Replicaof
            // It waits for nothing; but the rest of its batch would not be measured.
            | S::HotkeysStart
            | S::ConfigSet
            | S::ClientKill
            | S::ClientPause
            | S::AclDeluser
            | S::AclLoad
            | S::AclSave
            | S::AclSetuser
            | S::MemoryMallocStats
            | S::MemoryPurge
            | S::Migrate
            | S::Save
            | S::Bgsave
            | S::Shutdown,
        ) => true,
        Run::Server(S::Debug) => !args.is_empty(),
        // It waits for no token: it is only long.
        Run::Server(S::Info) => answer::is_long_info(args.as_slice()),
        Run::Server(server) if scripts::needs_engine(server) => true,
        Run::Server(_) | Run::Container => false,
    }
}

/// Whether nothing comes of this command while another holds the token.
pub(crate) fn waits_for_token(command: &Command) -> bool {
    match command.run {
        Run::Read(_) | Run::Container => false,
        Run::Write(_) => true,
        Run::Server(
            S::Exec
            | S::Migrate
            | S::Replicaof
            | S::Debug
            | S::Save
            | S::Bgsave
            | S::ClientKill
            | S::ClientPause
            | S::AclDeluser
            | S::AclLoad
            | S::AclSetuser
            | S::ConfigSet,
        ) => true,
        Run::Server(server) => scripts::needs_engine(server),
    }
}

/// Whether all of it is done under the token, which is taken before it is asked once more whether it may run. The others
/// take it for a part of what they do, or cannot have it: a promotion waits for the applier, which waits for the token, and
/// who changes the role of the node in a transaction (Sentinel does) reads no data in it.
fn runs_under_token(session: &Session, command: &Command, args: Args<'_>) -> bool {
    match command.run {
        // A long read waits for the token too.
        Run::Read(_) | Run::Write(_) => true,
        Run::Container => false,
        Run::Server(S::Exec) => session.transaction.as_deref().is_none_or(|queued| {
            !queued.queue().iter().any(|(command, _)| matches!(command.run, Run::Server(S::Replicaof)))
        }),
        Run::Server(S::Replicaof) => !answer::is_promotion(args),
        Run::Server(
            S::Migrate | S::ClientKill | S::ClientPause | S::AclDeluser | S::AclLoad | S::AclSetuser,
        ) => true,
        Run::Server(server) => scripts::needs_engine(server),
    }
}

/// Whether it writes to one key alone, so that what it does is about as long as what was sent.
fn is_short(command: &Command) -> bool {
    matches!(command.keys, [KeySpec { find: Find::Range { last: 0, .. }, .. }])
}

/// A request answered on another thread.
pub(crate) struct Answered {
    pub(crate) session: Session,
    pub(crate) reply: Reply,
    pub(crate) then: Then,
    /// It is not answered yet: it waits for this.
    pub(crate) wait: Option<Wait>,
    /// A pause (CLIENT PAUSE) came before it could run: it is to be run again after that wait.
    pub(crate) again: Option<OwnedRequest>,
}

/// A batch run on another thread.
pub(crate) struct Ran {
    pub(crate) session: Session,
    pub(crate) buffers: Box<Buffers>,
    pub(crate) next: Next,
}

/// Runs a batch that begins with a short write, or with a script, where it may wait for the token. `None` when it could
/// not, as with [`run`].
pub(crate) async fn run_batch(
    node: &Arc<Node>,
    mut session: Session,
    mut buffers: Box<Buffers>,
) -> Option<Ran> {
    session.client().works();
    let mut busy = node.scripts.busy.subscribe();
    let _turn = tokio::select! {
        turn = node.waiting_batch.acquire() => turn.ok()?,
        // Who has the turn runs a script that takes long. Whether this batch waits for it is asked of each of its requests.
        _ = busy.wait_for(|busy| *busy) => {
            session.client().has_worked(clock::steady());
            return Some(Ran { session, buffers, next: Next::More });
        }
    };
    let node = Arc::clone(node);
    apart(move || {
        // Who is refused is answered so by the batch.
        let writer = hold_unless_busy(&node).ok();
        let next = batch::run_with(writer, HOLD_MAX, &node, &mut session, &mut buffers);
        session.client().has_worked(clock::steady());
        Ran { session, buffers, next }
    })
    .await
}

/// The longest that such a batch holds the token: as much as makes the way there and back cheap beside it.
const HOLD_MAX: Duration = Duration::from_millis(1);

/// Answers a request where waiting is allowed. `None` when it could not: then the connection has lost its session.
pub(crate) async fn run(node: &Arc<Node>, session: Session, request: OwnedRequest) -> Option<Answered> {
    session.client().works();
    let node = Arc::clone(node);
    apart(move || {
        let answered = run_here(&node, session, request);
        answered.session.client().has_worked(clock::steady());
        answered
    })
    .await
}

/// Runs it on a thread that may wait. `None` when it failed inside.
pub(crate) async fn apart<R: Send + 'static>(run: impl FnOnce() -> R + Send + 'static) -> Option<R> {
    tokio::task::spawn_blocking(run)
        .await
        .inspect_err(|error| {
            if error.is_panic() {
                tracing::error!("a request failed inside; its connection is closed");
            }
        })
        .ok()
}

/// Answers it on this thread, which may wait.
fn run_here(node: &Arc<Node>, mut session: Session, request: OwnedRequest) -> Answered {
    let words = request.words();
    let mut reply = Reply::new(session.protocol());
    reply.bound(node.settings.reply_bytes_max(session.client().is_subscriber()));
    let mut is_of_exec = false;
    let over = match commands::resolve(&words) {
        Ok((command, args)) => {
            is_of_exec = is_exec(command);
            run_command(node, &mut session, command, &words, args, &mut reply)
        }
        Err(unresolved) => {
            unresolved.answer(&words, &mut reply);
            Over::Answered(Then::Continue)
        }
    };
    if node.store.has_ready()
        && let Some(writer) = node.store.try_writer()
    {
        // Touched by what has no hold of the token of its own here. (Who holds it now serves them, or who looks now and
        // then: see `crate::cron`.)
        node.blocking.serve_ready(node, &writer);
    }
    let (then, wait, again) = match over {
        Over::Paused(wait) => (Then::Continue, Some(wait), Some(request)),
        Over::Waits(wait) => (Then::Continue, Some(wait), None),
        Over::Answered(then) => (then, None, None),
    };
    // What is not to be heard of EXEC it has taken back itself: what it ran may have changed that.
    if wait.is_some() || !session.is_answered() && !is_of_exec {
        reply = Reply::new(session.protocol());
    }
    Answered { session, reply, then, wait, again }
}

/// How a request's time here ends.
enum Over {
    Answered(Then),
    /// It waits for this, and is answered then.
    Waits(Wait),
    /// It is to be run again when a pause, which this waits for, may be over.
    Paused(Wait),
}

fn run_command(
    node: &Arc<Node>,
    session: &mut Session,
    command: &'static Command,
    words: &[&[u8]],
    args: Args<'_>,
    reply: &mut Reply,
) -> Over {
    if admission::is_queued(session, command) {
        return queue_script(node, session, command, words, args, reply);
    }
    let writer = match runs_under_token(session, command, args).then(|| hold_unless_busy(node)).transpose() {
        Ok(writer) => writer,
        Err(text) => return refuse(node, session, command, text.as_bytes(), reply),
    };
    // Much may have been answered since it was let in: who was ended, or may not any more, changes nothing after that.
    if !session.renew_user(&node.acl) {
        return Over::Answered(Then::Close);
    }
    let situation = Situation::of(node, clock::steady());
    if let Some(text) = admission::refusal(node, session, situation, command, args) {
        return refuse(node, session, command, text.as_bytes(), reply);
    }
    let is_paused = match &writer {
        Some(writer) => situation.is_paused_for((node, writer), session, command, args),
        None => situation.is_paused(session, command),
    };
    if is_paused {
        return Over::Paused(node.blocking.counting(session.client(), node.pause.over()));
    }
    if let Some(writer) = &writer {
        // What came during a pause is theirs who wait.
        node.blocking.serve_ready(node, writer);
    }
    if let Some(writer) = writer.as_ref().filter(|_| is_exec(command))
        && answer::has_no_room(node, session, writer)
    {
        return refuse(node, session, command, admission::OOM.as_bytes(), reply);
    }
    let began = clock::steady();
    session.client().ran(command);
    node.show(session, command, words, true);
    let mark = reply.mark();
    let answered = match (command.run, &writer) {
        (Run::Server(S::Exec), writer) => answer::exec(node, session, writer.as_ref(), reply),
        (Run::Server(S::Migrate), Some(writer)) => {
            match migrate::begin(node, session, writer, command, words) {
                Ok(Some(wait)) => {
                    node.show(session, command, words, false);
                    return Over::Waits(wait);
                }
                Ok(None) => {
                    reply.simple(migrate::NO_KEY);
                    Ok(Then::Continue)
                }
                Err(error) => Err(error),
            }
        }
        (Run::Server(server), writer) => {
            if let Some(writer) = writer
                && command.flags.contains(Flags::DENYOOM)
                && node.eviction.make_room(node, writer) == Room::None
            {
                return refuse(node, session, command, admission::OOM.as_bytes(), reply);
            }
            let source = writer.as_ref().map(Source::Writer);
            let mut call = Call { node, session, command, words, args, now: Now::read(), source };
            answer::run(server, &mut call, reply)
        }
        (Run::Read(_) | Run::Write(_), Some(writer)) => {
            let room = match command.run {
                Run::Write(_) => {
                    let brought = words.iter().map(|word| word.len() as u64).sum();
                    node.eviction.make_room_for(node, writer, brought)
                }
                _ => Room::Some,
            };
            if room == Room::None && command.flags.contains(Flags::DENYOOM) {
                return refuse(node, session, command, admission::OOM.as_bytes(), reply);
            }
            let now = Now::read();
            let kept_out = match command.run {
                Run::Write(_) => node.blocking.keeps_out(writer, session.db(), command, args),
                _ => None,
            };
            let answered = on_data(node, writer, session, command, args, now, reply);
            node.blocking.serve_ready(node, writer);
            drop(kept_out);
            match (answered, command.run) {
                (Err(CommandError::Wait(wait)), Run::Write(_)) => {
                    node.show(session, command, words, false);
                    let unanswered = Unanswered { command, words, wait: *wait, now: now.steady };
                    return Over::Waits(node.blocking.begin(node, session, unanswered));
                }
                (answered, _) => answered.map(|()| Then::Continue),
            }
        }
        // A container is resolved to what it contains, and all that touches data has the token.
        (Run::Container | Run::Read(_) | Run::Write(_), _) => Ok(Then::Continue),
    };
    if let Some(writer) = writer {
        node.blocking.serve_ready(node, &writer);
    }
    let nanos = clock::nanos_since(began);
    let is_unheard_exec = is_exec(command) && answered.is_err() && !session.is_heard();
    let (then, failed) = node.settle(mark, answered, words, reply);
    if is_unheard_exec {
        reply.withdraw(mark);
    }
    session.request_over(Some(command));
    if then == Then::Rejected {
        node.stats.local().rejected(command);
        return Over::Answered(Then::Continue);
    }
    node.show(session, command, words, false);
    let cost = Cost { nanos: Some(nanos), reply_bytes: reply.len_since(mark) };
    node.ran_apart(session, command, words, (nanos, cost.reply_bytes), failed);
    // (What EXEC ran is counted there.)
    node.weigh(command, words, cost, session.replies == Replies::On);
    Over::Answered(then)
}

/// Refuses a request that is not run; what EXEC would have run is not run either.
fn refuse(
    node: &Node,
    session: &mut Session,
    command: &'static Command,
    text: &[u8],
    reply: &mut Reply,
) -> Over {
    node.stats.local().rejected(command);
    let of_exec = is_exec(command).then(|| answer::abort(session, text));
    let text = of_exec.as_deref().unwrap_or(text);
    node.stats.error(text);
    session.request_over(Some(command));
    if !is_exec(command) || session.is_heard() {
        reply.error_bytes(text);
    }
    Over::Answered(Then::Continue)
}

/// Queues a request that runs a script for EXEC, unless the script says of itself what forbids that.
fn queue_script(
    node: &Arc<Node>,
    session: &mut Session,
    command: &'static Command,
    words: &[&[u8]],
    args: Args<'_>,
    reply: &mut Reply,
) -> Over {
    let Run::Server(server) = command.run else { return Over::Answered(Then::Continue) };
    let held = hold_unless_busy(node);
    if let Ok(writer) = &held
        && Situation::of(node, clock::steady()).is_paused_for((node, writer), session, command, args)
    {
        return Over::Paused(node.blocking.counting(session.client(), node.pause.over()));
    }
    let may = answer::called(server).map_or(Ok(()), |called| {
        let writer = held?;
        let mut engine = node.scripts.engine(node);
        let mut host = ClientHost::new(node, session, &writer, Now::read());
        engine.may_be_queued(&mut host, called, words)
    });
    if let Err(text) = may {
        node.stats.local().rejected(command);
        node.stats.error(text.as_bytes());
        if let Some(transaction) = &mut session.transaction {
            transaction.spoil();
        }
        reply.error(text);
    } else {
        session.queue(command, words);
        reply.simple("QUEUED");
    }
    Over::Answered(Then::Continue)
}

/// Takes the writer token, and counts what it took.
pub(crate) fn hold(node: &Node) -> Writer<'_> {
    counting(node, || node.store.writer())
}

/// The same for a client's request, which does not wait for a script that takes long.
///
/// # Errors
/// What the client is told then.
pub(crate) fn hold_unless_busy(node: &Node) -> Result<Writer<'_>, &'static str> {
    counting(node, || node.store.writer_unless_refused()).ok_or_else(|| node.scripts.pulse.refusal())
}

fn counting<W>(node: &Node, take: impl FnOnce() -> W) -> W {
    let asked = clock::steady();
    let writer = take();
    let waited = clock::steady().saturating_duration_since(asked);
    let block = node.stats.local();
    add(&block.token_holds, 1);
    add(&block.token_wait_nanos, u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX));
    writer
}

/// Runs a command on data for the token's holder.
pub(crate) fn on_data(
    node: &Node,
    writer: &Writer<'_>,
    session: &Session,
    command: &'static Command,
    args: Args<'_>,
    now: Now,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let lookups = node.lookups();
    match command.run {
        Run::Read(handler) => {
            let source = Source::Writer(writer);
            let context = node.read_context(source, session, now.wall, node.dialect(), &lookups);
            session.remember_reads(&node.hub, command, args);
            let answered = handler(&context, args, reply);
            node.stats.local().looked_up(&lookups);
            expiry::after(node, writer, &lookups, command, now.wall);
            answered
        }
        Run::Write(handler) => {
            // Asked again under the token: a REPLICAOF may have come between.
            if !node.upstream.is_writable() {
                return Err(CommandError::new(admission::READONLY));
            }
            expiry::before(writer, session.db(), command, args, now.wall);
            writer.writes_for(Some(session.client().id));
            let context = WriteContext::serving(writer, session.db(), now.wall, node.dialect());
            let mut context = context.counting(&lookups).importing(session.fieldsets());
            context.in_script = session.in_script;
            let answered = handler(&mut context, args, reply);
            node.stats.local().looked_up(&lookups);
            expiry::after(node, writer, &lookups, command, now.wall);
            writer.tell();
            answered
        }
        Run::Server(_) | Run::Container => Ok(()),
    }
}
