//! XDEL, XDELEX and XACKDEL.

use storage::value::Stream;
use storage::value::stream::{References, StreamId};
use storage::{Slot, Wanted};

use protocol::{Args, Reply};

use super::trim::references;
use super::{id, integer_or};
use crate::{CommandError, WriteContext};

/// What became of one ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    NotFound,
    Deleted,
    /// A group has it pending, or has not read it yet.
    StillNeeded,
}

impl Outcome {
    fn code(self) -> i64 {
        match self {
            Outcome::NotFound => -1,
            Outcome::Deleted => 1,
            Outcome::StillNeeded => 2,
        }
    }
}

/// XDEL key id [id ...]
pub(crate) fn xdel(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let deleted = ctx.db.edit(args.get(0), |slot| {
        if slot.stream()?.is_none() {
            return Ok(0);
        }
        let ids = id::all(args.from(1).iter())?;
        let done = slot.edit(|stream: &mut Stream| stream.delete(ids))?.unwrap_or_default();
        let deleted = done.iter().filter(|deleted| **deleted).count();
        if deleted == 0 {
            slot.unchanged();
        } else {
            slot.counts(deleted);
            slot.event(Wanted::STREAM, "xdel");
        }
        Ok::<_, CommandError>(deleted)
    })?;
    reply.len_int(deleted);
    Ok(())
}

/// XDELEX key [KEEPREF|DELREF|ACKED] IDS numids id [id ...]
pub(crate) fn xdelex(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    ctx.db.edit(args.get(0), |slot| {
        let has_stream = slot.stream()?.is_some();
        let (references, ids) = options(args, 1)?;
        if !has_stream {
            return not_found(reply, ids.len());
        }
        let ids = id::all(ids.iter())?;
        let delete_one = |stream: &mut Stream, id| delete(stream, id, references);
        answer(slot, ids, reply, delete_one)
    })
}

/// XACKDEL key group [KEEPREF|DELREF|ACKED] IDS numids id [id ...]
pub(crate) fn xackdel(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let group = args.get(1);
    let asking = ctx.asking();
    ctx.db.edit(args.get(0), |slot| {
        asking.asked(args.get(0), slot.exists());
        let has_group = slot.stream()?.is_some_and(|stream| stream.group(group).is_some());
        let (references, ids) = options(args, 2)?;
        if !has_group {
            return not_found(reply, ids.len());
        }
        let ids = id::all(ids.iter())?;
        answer(slot, ids, reply, |stream, id| {
            match stream.group_mut(group).and_then(|group| group.remove_pending(id)) {
                Some(_) => match delete(stream, id, references) {
                    // It is acknowledged, and gone before.
                    Outcome::NotFound => Outcome::Deleted,
                    outcome => outcome,
                },
                None => Outcome::NotFound,
            }
        })
    })
}

/// [KEEPREF|DELREF|ACKED] IDS numids id [id ...], in any order
fn options<'a>(args: Args<'a>, first: usize) -> Result<(References, Args<'a>), CommandError> {
    let mut found = None;
    let mut ids = None;
    let mut at = first;
    while at < args.len() {
        if args.is_word(at, "ids") && at + 1 < args.len() {
            let count = "ERR Number of IDs must be a positive integer";
            let count = integer_or(args.get(at + 1), count).and_then(|number| {
                usize::try_from(number).ok().filter(|number| *number > 0).ok_or(CommandError::new(count))
            })?;
            let behind = args.from(at + 2);
            if count > behind.len() {
                return Err(CommandError::new(
                    "ERR The `numids` parameter must match the number of arguments",
                ));
            }
            ids = Some(Args::new(behind.as_slice().get(..count).unwrap_or_default()));
            at += 2 + count;
        } else if let Some(references) = references(args, at)
            && found.is_none()
        {
            found = Some(references);
            at += 1;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    Ok((found.unwrap_or_default(), ids.ok_or(CommandError::Syntax)?))
}

/// Deletes one entry, and what it says of references to it.
fn delete(stream: &mut Stream, id: StreamId, references: References) -> Outcome {
    if references == References::Acknowledged && !stream.is_acknowledged(id) {
        return Outcome::StillNeeded;
    }
    if references == References::Delete {
        stream.remove_references(id);
    }
    match stream.delete([id]).first() {
        Some(true) => Outcome::Deleted,
        _ => Outcome::NotFound,
    }
}

fn answer(
    slot: &mut Slot<'_>,
    ids: Vec<StreamId>,
    reply: &mut Reply,
    mut delete_one: impl FnMut(&mut Stream, StreamId) -> Outcome,
) -> Result<(), CommandError> {
    reply.array(ids.len());
    let before = slot.stream()?.map(Stream::len);
    slot.edit(|stream: &mut Stream| {
        for id in ids {
            reply.int(delete_one(stream, id).code());
        }
    })?;
    let deleted = before.unwrap_or_default() - slot.stream()?.map(Stream::len).unwrap_or_default();
    if deleted > 0 {
        slot.counts(deleted);
        slot.event(Wanted::STREAM, "xdel");
    } else {
        // References may have gone, and acknowledged entries: the entries are as they were.
        slot.quietly();
    }
    Ok(())
}

fn not_found(reply: &mut Reply, count: usize) -> Result<(), CommandError> {
    reply.array(count);
    (0..count).for_each(|_| reply.int(Outcome::NotFound.code()));
    Ok(())
}
