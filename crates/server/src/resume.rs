//! A client that waited goes on: with what it was served, or with its read once more.
//!
//! Owns the way from a wait that is over to its answer, and the reads that begin one. Who waits for what, and how that
//! ends, is [`crate::blocking`]'s.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use commands::{CommandError, Nothing, Run, Source};
use protocol::{Args, Reply};
use storage::{Listener, Lookups, Reader, Wanted};

use crate::acl;
use crate::admission;
use crate::answer::Now;
use crate::batch::{Next, Wait};
use crate::blocking::{self, Outcome, Unanswered};
use crate::clock;
use crate::node::Node;
use crate::pause::Paused;
use crate::session::Session;

/// Answers the request that its client waited for, or goes on waiting. None when it is answered.
#[cold]
pub(crate) fn resume(node: &Arc<Node>, session: &mut Session, reply: &mut Reply) -> Option<Next> {
    let blocked = session.blocked.take()?;
    let reader = node.store.try_reader();
    if blocked.is_to_run_again() && reader.is_none() {
        session.blocked = Some(blocked);
        return Some(Next::Gate);
    }
    if blocked.is_to_run_again() && node.pause.at(clock::steady()) == Paused::Everything {
        let wait = node.pause.over();
        session.blocked = Some(blocked);
        return Some(Next::Wait(wait));
    }
    let (outcome, ended) = match blocked.outcome() {
        Ok(over) => over,
        Err(blocked) => {
            session.blocked = Some(blocked);
            return Some(Next::Read);
        }
    };
    session.client().blocked.store(false, Relaxed);
    session.client().is_inside(&[]);
    let now = Now::read();
    session.client().touch(now.steady);
    session.take_pushed(reply);
    let mark = reply.mark();
    let (mut closes, mut is_denied) = (false, false);
    match outcome {
        Outcome::Again => {
            let Some(reader) = &reader else { return None };
            let words = ended.request.words();
            let args = Args::new(words.get(ended.command.name_words()..).unwrap_or_default());
            let nothing = Nothing::NullArray;
            let wait = commands::Wait { timeout: None, nothing, instead: None, look_again: None };
            let unanswered = Unanswered { command: ended.command, words: &words, wait, now: now.steady };
            let lookups = Lookups::new(node.hub.wants().contains(Wanted::MISS), false);
            let looks = (reader, &lookups);
            if !session.renew_user(&node.acl) {
                return Some(Next::Close);
            }
            let answered = if let Err(denial) = acl::check(session.user(), ended.command, args, session.db())
            {
                admission::note_denial(node, session, ended.command, args, denial, acl::Place::Toplevel);
                is_denied = true;
                let text = admission::denied(session.user(), ended.command, denial);
                Err(Waiting::Failed(CommandError::Bytes(text)))
            } else {
                read_or_wait(node, looks, session, unanswered, ended.until, now, reply)
            };
            node.stats.local().looked_up(&lookups);
            node.hub.tell_misses(&lookups, ended.command);
            match answered {
                Ok(()) => {}
                Err(Waiting::For(wait)) => return Some(Next::Blocked(wait)),
                Err(Waiting::Failed(error)) => {
                    node.settle(mark, Err(error), &words, reply);
                }
            }
        }
        Outcome::Denied(text) => {
            is_denied = true;
            reply.error_bytes(&text);
        }
        outcome => {
            if let Outcome::Error(text) | Outcome::Ended(text) = &outcome {
                node.stats.error(text.as_bytes());
            }
            closes = blocking::answer(outcome, reply);
        }
    }
    let failed = reply.is_error_at(mark);
    session.request_over(Some(ended.command));
    if !session.is_answered() {
        reply.rollback(mark);
    }
    if is_denied {
        node.stats.local().rejected(ended.command);
        return None;
    }
    // The time it took is in that of who served it; the time it waited is nobody's.
    let cost = (0, reply.len_since(mark));
    node.ran_apart(session, ended.command, &ended.request.words(), cost, failed);
    closes.then_some(Next::Close)
}

/// Why a read is not answered.
pub(crate) enum Waiting {
    /// It waits for this.
    For(Wait),
    /// It will not be.
    Failed(CommandError),
}

/// Runs a read that may wait once more, now that its keys are watched: what came between is not missed.
pub(crate) fn read_or_wait(
    node: &Arc<Node>,
    (reader, lookups): (&Reader<'_>, &Lookups),
    session: &mut Session,
    mut unanswered: Unanswered<'_>,
    until: Option<Instant>,
    now: Now,
    reply: &mut Reply,
) -> Result<(), Waiting> {
    let Run::Read(handler) = unanswered.command.run else { return Ok(()) };
    let args = Args::new(unanswered.words.get(unanswered.command.name_words()..).unwrap_or_default());
    // The change that woke it was told since it asked, and is told once.
    session.remember_reads(&node.hub, unanswered.command, args);
    let keys = blocking::awaited_keys(unanswered.command, unanswered.words);
    let watches = keys.iter().map(|key| reader.watch(&node.store, session.db(), key, now.wall)).collect();
    let instead = unanswered.wait.instead.take();
    let borrowed: Option<Vec<&[u8]>> =
        instead.as_ref().map(|words| words.iter().map(Vec::as_slice).collect());
    let words = borrowed.as_deref().unwrap_or(unanswered.words);
    let args = Args::new(words.get(unanswered.command.name_words()..).unwrap_or_default());
    let source = Source::Reader(reader);
    let context = node.read_context(source, session, now.wall, node.dialect(), lookups);
    let mark = reply.mark();
    match handler(&context, args, reply) {
        Err(CommandError::Wait(wait)) => {
            reply.rollback(mark);
            unanswered.wait = *wait;
            Err(Waiting::For(node.blocking.begin_reading(session, watches, until, unanswered)))
        }
        // What it waits for has come as something else, which is as if nothing had come.
        Err(CommandError::WrongType) => {
            unanswered.wait.instead = instead;
            Err(Waiting::For(node.blocking.begin_reading(session, watches, until, unanswered)))
        }
        Err(error) => Err(Waiting::Failed(error)),
        Ok(()) => Ok(()),
    }
}
