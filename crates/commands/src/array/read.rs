//! Commands that only read an array.

use storage::value::array::{Element, Layout};

use protocol::number::parse_int;
use protocol::{Args, Reply};

use super::{array, index, limit, reply_index, reply_pair, reply_value, walk};
use crate::{CommandError, ReadContext, ReplyDouble};

/// How many indices ARGETRANGE answers for at most.
const RANGE_MAX: u64 = 1_000_000;

/// ARGET key index
pub(crate) fn arget(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let found = ctx.db.get(args.get(0));
    let array = array(&found)?;
    let index = index(args.get(1))?;
    reply_value(reply, array.and_then(|array| array.get(index)));
    Ok(())
}

/// ARMGET key index [index ...]
pub(crate) fn armget(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let found = ctx.db.get(args.get(0));
    let array = array(&found)?;
    let indices = args.from(1);
    reply.array(indices.len());
    for arg in indices.iter() {
        let index = index(arg)?;
        reply_value(reply, array.and_then(|array| array.get(index)));
    }
    Ok(())
}

/// ARGETRANGE key start end
pub(crate) fn argetrange(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let (start, end) = (index(args.get(1))?, index(args.get(2))?);
    if start.abs_diff(end) >= RANGE_MAX {
        return Err(CommandError::new("ERR range exceeds maximum of 1000000 items"));
    }
    let found = ctx.db.get(args.get(0));
    let array = array(&found)?;
    // At most a million.
    reply.array(usize::try_from(start.abs_diff(end) + 1).unwrap_or(0));
    let mut filled = walk(array, start, end).peekable();
    let step = |distance: u64| if start <= end { start + distance } else { start - distance };
    for index in (0..=start.abs_diff(end)).map(step) {
        let value = filled.next_if(|(at, _)| *at == index);
        reply_value(reply, value.map(|(_, value)| value));
    }
    Ok(())
}

/// ARSCAN key start end [LIMIT limit]
pub(crate) fn arscan(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let (start, end) = (index(args.get(1))?, index(args.get(2))?);
    let most = match args.len() {
        3 => usize::MAX,
        5 if args.is_word(3, "limit") => limit(args.get(4))?,
        5 => return Err(CommandError::Syntax),
        _ => return Err(CommandError::WrongArity("arscan")),
    };
    let found = ctx.db.get(args.get(0));
    let array = array(&found)?;
    let header = reply.defer();
    let mut len = 0;
    for (index, value) in walk(array, start, end).take(most) {
        reply_pair(reply, index, value.as_bytes());
        len += 1;
    }
    reply.array_at(header, len);
    Ok(())
}

/// ARLEN key
pub(crate) fn arlen(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let found = ctx.db.get(args.get(0));
    reply_index(reply, array(&found)?.map_or(0, |array| array.end()));
    Ok(())
}

/// ARCOUNT key
pub(crate) fn arcount(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let found = ctx.db.get(args.get(0));
    reply.len_int(array(&found)?.map_or(0, |array| array.len()));
    Ok(())
}

/// ARNEXT key
pub(crate) fn arnext(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let found = ctx.db.get(args.get(0));
    match array(&found)?.map_or(Some(0), |array| array.next_insert()) {
        Some(next) => reply_index(reply, next),
        None => reply.null(),
    }
    Ok(())
}

/// ARLASTITEMS key count [REV]
pub(crate) fn arlastitems(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let count = parse_int(args.get(1)).ok_or(CommandError::new("ERR invalid COUNT"))?;
    let count = usize::try_from(count).unwrap_or(0);
    if count == 0 {
        // Before anything else is looked at, the key too.
        reply.array(0);
        return Ok(());
    }
    let newest_first = match args.len() {
        2 => false,
        3 if args.is_word(2, "rev") => true,
        3 => return Err(CommandError::Syntax),
        _ => return Err(CommandError::WrongArity("arlastitems")),
    };
    let found = ctx.db.get(args.get(0));
    let Some((array, end)) = array(&found)?.and_then(|array| Some((array, array.last_index()?))) else {
        reply.array(0);
        return Ok(());
    };
    // Back from where something was put in last; before the first index stands the highest, as in a ring.
    let mut at = array.last_insert().unwrap_or(end);
    let mut items: Vec<Option<Element<'_>>> = Vec::new();
    for _ in 0..count.min(array.len()) {
        items.push(array.get(at));
        at = at.checked_sub(1).unwrap_or(end);
    }
    if !newest_first {
        items.reverse();
    }
    reply.array(items.len());
    items.into_iter().for_each(|item| reply_value(reply, item));
    Ok(())
}

/// ARINFO key [FULL]
///
/// What FULL adds tells of our slices, which change their form by what takes less memory, as Redis' do by how many
/// values they have.
pub(crate) fn arinfo(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let full = match args.len() {
        1 => false,
        2 if args.is_word(1, "full") => true,
        _ => return Err(CommandError::Syntax),
    };
    let found = ctx.db.get(args.get(0));
    let array = array(&found)?.ok_or(CommandError::NoSuchKey)?;
    let (places, blocks) = array.directory();
    reply.map(if full { 12 } else { 7 });
    let rows: [(&[u8], u64); 7] = [
        (b"count", array.len() as u64),
        (b"len", array.end()),
        (b"next-insert-index", array.next_insert().unwrap_or(0)),
        (b"slices", array.slices_len() as u64),
        (b"directory-size", places),
        (b"super-dir-entries", blocks),
        (b"slice-size", array.slice_slots()),
    ];
    for (name, value) in rows {
        reply.bulk(name);
        reply_index(reply, value);
    }
    if full {
        layout(array.layout(), reply);
    }
    Ok(())
}

fn layout(layout: Layout, reply: &mut Reply) {
    let rows: [(&[u8], u64); 2] = [(b"dense-slices", layout.dense), (b"sparse-slices", layout.sparse)];
    for (name, value) in rows {
        reply.bulk(name);
        reply_index(reply, value);
    }
    let average = |sum: u64, count: u64| if count == 0 { 0.0 } else { sum as f64 / count as f64 };
    let rows: [(&[u8], f64); 3] = [
        (b"avg-dense-size", average(layout.dense_slots, layout.dense)),
        (b"avg-dense-fill", average(layout.dense_filled, layout.dense_slots)),
        (b"avg-sparse-size", average(layout.sparse_slots, layout.sparse)),
    ];
    for (name, value) in rows {
        reply.bulk(name);
        reply.double(value);
    }
}
