//! MULTI, EXEC, DISCARD, WATCH: several requests at one moment.
//!
//! Owns the order in which EXEC goes about it: who may still do what, from where on nobody else may look, what is
//! answered. Never keeps what was queued: see [`crate::transaction`].

use std::sync::Arc;

use commands::{Command, CommandError, Flags, Run, ServerCommand as S, Source};
use protocol::{Mark, Reply};
use storage::Writer;

use super::{Answered, Call, Now, Then};
use crate::acl::{self, Place};
use crate::admission;
use crate::eviction::Room;
use crate::node::{Node, request_bytes};
use crate::session::Session;
use crate::transaction::Transaction;
use crate::{clock, exclusive};

/// MULTI
pub(super) fn multi(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    if call.session.transaction.is_some() {
        return Err(CommandError::new("ERR MULTI calls can not be nested"));
    }
    call.session.begin();
    reply.ok();
    Ok(Then::Continue)
}

/// DISCARD
pub(super) fn discard(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    if call.session.end_transaction().is_none() {
        return Err(CommandError::new("ERR DISCARD without MULTI"));
    }
    call.session.unwatch();
    reply.ok();
    Ok(Then::Continue)
}

/// WATCH key ...
pub(super) fn watch(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    if call.session.transaction.is_some() {
        return Err(CommandError::new("ERR WATCH inside MULTI is not allowed"));
    }
    // A batch that is to run WATCH has entered the gate for it.
    if let Some(Source::Reader(reader)) = call.source {
        for key in call.args.iter() {
            call.session.watch(reader, &call.node.store, key, call.now.wall);
        }
    }
    reply.ok();
    Ok(Then::Continue)
}

/// UNWATCH
pub(super) fn unwatch(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    call.session.unwatch();
    reply.ok();
    Ok(Then::Continue)
}

/// Gives up what was queued, as EXEC is itself refused: what it says then.
pub(crate) fn abort(session: &mut Session, why: &[u8]) -> Vec<u8> {
    session.end_transaction();
    session.unwatch();
    let why = why.strip_prefix(b"ERR ").unwrap_or(why);
    [b"EXECABORT Transaction discarded because of: ", why].concat()
}

/// Makes room for what was queued; whether there is none for what of it needs some.
pub(crate) fn has_no_room(node: &Node, session: &Session, writer: &Writer<'_>) -> bool {
    session.transaction.as_deref().is_some_and(|transaction| {
        transaction.has(Flags::WRITE)
            && node.eviction.make_room(node, writer) == Room::None
            && transaction.has(Flags::DENYOOM)
    })
}

/// EXEC: everything that was queued, at one moment. For who has the token, but where what was queued changes the role
/// of the node.
pub(crate) fn exec(
    node: &Arc<Node>,
    session: &mut Session,
    writer: Option<&Writer<'_>>,
    reply: &mut Reply,
) -> Answered {
    let transaction = session.transaction.take().ok_or(CommandError::new("ERR EXEC without MULTI"))?;
    session.in_exec = true;
    let answered = run(node, session, writer, &transaction, reply);
    session.in_exec = false;
    session.forget_queued();
    answered
}

fn run(
    node: &Arc<Node>,
    session: &mut Session,
    writer: Option<&Writer<'_>>,
    transaction: &Transaction,
    reply: &mut Reply,
) -> Answered {
    let watched = session.unwatch();
    if transaction.is_broken() {
        return Err(CommandError::new("EXECABORT Transaction discarded because of previous errors."));
    }
    let queue = transaction.queue();
    let now = Now::read();
    // Under the token nobody else closes the gate, so entering it does not wait.
    let answer = reply.mark();
    if watched.is_some_and(|watched| watched.is_touched(&node.store.reader(), now.wall)) {
        reply.null_array();
        withdraw_unheard(session, reply, answer);
        return Ok(Then::Continue);
    }
    let mut then = Then::Continue;
    // The caller has ended itself: it hears no more, and what it queued runs all the same.
    let mut has_left = false;
    reply.array(queue.len());
    withdraw_unheard(session, reply, answer);
    let mut exclusive = None;
    for (command, request) in queue {
        if let Some(writer) = writer
            && exclusive.is_none()
            && (queue.len() > 1 || node.blocking.waits_for_keys())
            && shows(command)
        {
            // From here on nobody sees it by half, or what those who wait are served with.
            exclusive = Some(writer.close_gate());
        }
        let words = request.words();
        let args = protocol::Args::new(words.get(command.name_words()..).unwrap_or_default());
        let mark = reply.mark();
        // Its rights may have changed since it was queued, by what was queued before it too. Who is gone ends
        // afterwards.
        let stays = session.renew_user(&node.acl);
        if !stays {
            then = Then::Close;
        }
        if let Err(denial) = acl::check(session.user(), command, args, session.db()) {
            admission::note_denial(node, session, command, args, denial, Place::Multi);
            let text = format!(
                "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This \
                 command is no longer allowed for the following reason: {}",
                denial.text_at_exec()
            );
            refuse(node, session, &text, has_left, reply);
            continue;
        }
        if let Err(text) = acl::check_sort(session.user(), command, args, session.db()) {
            refuse(node, session, text, has_left, reply);
            continue;
        }
        let began = clock::steady();
        node.show(session, command, &words, true);
        let answered = match (command.run, writer) {
            (Run::Server(server), _) => {
                let source = writer.map(Source::Writer);
                let mut call = Call { node, session, command, words: &words, args, now, source };
                super::run(server, &mut call, reply)
            }
            (_, Some(writer)) => {
                exclusive::on_data(node, writer, session, command, args, now, reply).map(|()| Then::Continue)
            }
            (_, None) => {
                let writer = exclusive::hold(node);
                exclusive::on_data(node, &writer, session, command, args, now, reply).map(|()| Then::Continue)
            }
        };
        let (after, failed) = node.settle(mark, answered, &words, reply);
        if has_left {
            reply.withdraw(mark);
        } else if !admission::is_push(command) {
            withdraw_unheard(session, reply, mark);
        }
        // Who ends itself, or its own user.
        let is_gone = matches!(command.run, Run::Server(_)) && !session.renew_user(&node.acl);
        if after == Then::Close || is_gone {
            then = Then::Close;
            has_left = true;
        }
        let nanos = clock::nanos_since(began);
        node.show(session, command, &words, false);
        node.ran_apart(session, command, &words, (nanos, reply.len_since(mark)), failed);
        if node.hot_keys.is_running() {
            // As a real server counts them: with the bytes of this EXEC, and of its answer as far as it has come.
            node.hot_keys.count(command, &words, nanos, request_bytes(&[b"EXEC"]) + reply.len_since(answer));
        }
    }
    if let Some(writer) = writer {
        node.blocking.serve_ready(node, writer);
    }
    drop(exclusive);
    Ok(then)
}

/// Whether others may see what it does: changes of data, and messages, whose hearers are to find what was written with
/// them. A script says so with its first write alone.
fn shows(command: &Command) -> bool {
    match command.run {
        Run::Read(_) | Run::Container => false,
        Run::Write(_) | Run::Server(S::Publish | S::Spublish) => true,
        Run::Server(server) => {
            command.flags.contains(Flags::WRITE)
                || super::called(server).is_some() && !command.flags.contains(Flags::READONLY)
        }
    }
}

/// Refuses one of the queued requests.
fn refuse(node: &Node, session: &Session, text: &str, has_left: bool, reply: &mut Reply) {
    node.stats.error(text.as_bytes());
    if !has_left && session.is_heard() {
        reply.error(text);
    }
}

/// Takes back what was said since, where CLIENT REPLY asks for silence: within EXEC it says so from one to the next.
fn withdraw_unheard(session: &Session, reply: &mut Reply, since: Mark) {
    if !session.is_heard() {
        reply.withdraw(since);
    }
}

/// EXEC where waiting is not allowed: it never comes here, for it ends its batch.
pub(super) fn exec_outside() -> Answered {
    Err(CommandError::new("ERR EXEC cannot run here"))
}
