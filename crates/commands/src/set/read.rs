//! Reads of one set.

use protocol::{Args, Reply};
use storage::value::set::SetRef;

use crate::hash::parse_count;
use crate::item::ReplyItem;
use crate::scan_options::{ScanOptions, parse_cursor};
use crate::{CommandError, ReadContext};

/// SCARD key
pub(crate) fn scard(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let entry = ctx.db.get(args.get(0));
    reply.len_int(entry.as_ref().map(|entry| entry.set()).transpose()?.map_or(0, SetRef::len));
    Ok(())
}

/// SISMEMBER key member
pub(crate) fn sismember(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let entry = ctx.db.get(args.get(0));
    let set = entry.as_ref().map(|entry| entry.set()).transpose()?;
    reply.int(set.is_some_and(|set| set.contains(args.get(1))).into());
    Ok(())
}

/// SMISMEMBER key member [member ...]
pub(crate) fn smismember(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let entry = ctx.db.get(args.get(0));
    let set = entry.as_ref().map(|entry| entry.set()).transpose()?;
    let members = args.from(1);
    reply.array(members.len());
    for member in members.iter() {
        reply.int(set.is_some_and(|set| set.contains(member)).into());
    }
    Ok(())
}

/// SMEMBERS key
pub(crate) fn smembers(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let Some(entry) = ctx.db.get(args.get(0)) else {
        reply.set(0);
        return Ok(());
    };
    let set = entry.set()?;
    ctx.looks_at(set.len())?;
    reply.set(set.len());
    set.iter().for_each(|member| reply.item(member));
    Ok(())
}

/// SSCAN key cursor [MATCH pattern] [COUNT count]
pub(crate) fn sscan(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let cursor = parse_cursor(args.get(1))?;
    let Some(entry) = ctx.db.get(args.get(0)) else {
        // Not even the options are looked at then.
        reply.array(2);
        reply.bulk(b"0");
        reply.array(0);
        return Ok(());
    };
    let set = entry.set()?;
    let options = ScanOptions::parse(args.from(2), None)?;
    ctx.looks_at(options.count.min(set.len()))?;
    let mut found = Vec::new();
    let mut room = itoa::Buffer::new();
    let scanned = set.scan(cursor, options.count, |member| {
        if options.wants(member.as_bytes(&mut room)) {
            found.push(member);
        }
    });
    reply.array(2);
    reply.bulk(itoa::Buffer::new().format(scanned.cursor).as_bytes());
    reply.array(found.len());
    found.into_iter().for_each(|member| reply.item(member));
    Ok(())
}

/// SRANDMEMBER key [count]
pub(crate) fn srandmember(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    if args.len() > 2 {
        return Err(CommandError::Syntax);
    }
    let count = args.opt(1).map(parse_count).transpose()?;
    let entry = ctx.db.get(args.get(0));
    let set = entry.as_ref().map(|entry| entry.set()).transpose()?;
    let Some(count) = count else {
        reply.item_or_null(set.and_then(SetRef::random));
        return Ok(());
    };
    let Some(set) = set else {
        reply.array(0);
        return Ok(());
    };
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    ctx.looks_at(if count < 0 { wanted } else { wanted.min(set.len()) })?;
    match usize::try_from(count) {
        Ok(count) => {
            let members = set.sample(count);
            reply.array(members.len());
            members.into_iter().for_each(|member| reply.item(member));
        }
        // A negative count asks for so many throws, each of which may give any member.
        Err(_) => {
            let throws = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
            let begun = reply.mark();
            reply.array(throws);
            for throw in 0..throws {
                ctx.repeats(throw, reply, begun)?;
                reply.item_or_null(set.random());
            }
        }
    }
    Ok(())
}
