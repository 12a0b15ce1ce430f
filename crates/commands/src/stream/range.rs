//! XRANGE, XREVRANGE and XLEN.

use storage::value::stream::Entry;

use protocol::{Args, Reply};

use super::{id, integer, reply_entry, stream};
use crate::{CommandError, ReadContext};

/// XRANGE key start end [COUNT count]
pub(crate) fn xrange(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let (start, end) = (id::start(args.get(1))?, id::end(args.get(2))?);
    let count = count(args)?;
    let found = ctx.db.get(args.get(0));
    match (stream(&found)?, count) {
        (None, _) => reply.array(0),
        (_, Some(0)) => reply.null_array(),
        (Some(stream), count) => entries(ctx, reply, stream.range(start, end), count)?,
    }
    Ok(())
}

/// XREVRANGE key end start [COUNT count]
pub(crate) fn xrevrange(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let (start, end) = (id::start(args.get(2))?, id::end(args.get(1))?);
    let count = count(args)?;
    let found = ctx.db.get(args.get(0));
    match (stream(&found)?, count) {
        (None, _) => reply.array(0),
        (_, Some(0)) => reply.null_array(),
        (Some(stream), count) => entries(ctx, reply, stream.range_back(start, end), count)?,
    }
    Ok(())
}

/// XLEN key
pub(crate) fn xlen(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let found = ctx.db.get(args.get(0));
    reply.len_int(stream(&found)?.map_or(0, |stream| stream.len()));
    Ok(())
}

/// [COUNT count]
fn count(args: Args<'_>) -> Result<Option<usize>, CommandError> {
    let mut count = None;
    let mut at = 3;
    while at < args.len() {
        if !args.is_word(at, "count") || at + 1 >= args.len() {
            return Err(CommandError::Syntax);
        }
        // A negative one means none.
        count = Some(usize::try_from(integer(args.get(at + 1))?).unwrap_or(0));
        at += 2;
    }
    Ok(count)
}

fn entries<'a>(
    ctx: &ReadContext<'_>,
    reply: &mut Reply,
    entries: impl Iterator<Item = Entry<'a>>,
    count: Option<usize>,
) -> Result<(), CommandError> {
    let header = reply.defer();
    let mut len = 0;
    for entry in entries.take(count.unwrap_or(usize::MAX)) {
        len += 1;
        ctx.looks_at(len)?;
        reply_entry(reply, entry);
    }
    reply.array_at(header, len);
    Ok(())
}
