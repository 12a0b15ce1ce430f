//! Questions about elements: scores, ranks, counts, and ZSCAN.

use protocol::{Args, Reply};
use storage::score::{DoubleForm, format_double};
use storage::value::SortedSetRef;

use crate::item::ReplyItem;
use crate::range::{LexRange, ScoreRange};
use crate::scan_options::{ScanOptions, parse_cursor};
use crate::{CommandError, ReadContext, ReplyDouble};

/// ZCARD key
pub(crate) fn zcard(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let found = ctx.db.get(args.get(0));
    reply.len_int(found.as_deref().map(|entry| entry.sorted_set()).transpose()?.map_or(0, SortedSetRef::len));
    Ok(())
}

/// ZSCORE key member
pub(crate) fn zscore(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let found = ctx.db.get(args.get(0));
    let set = found.as_deref().map(|entry| entry.sorted_set()).transpose()?;
    match set.and_then(|set| set.score(args.get(1))) {
        Some(score) => reply.double_in(ctx.dialect, score.get()),
        None => reply.null(),
    }
    Ok(())
}

/// ZMSCORE key member [member ...]
pub(crate) fn zmscore(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let found = ctx.db.get(args.get(0));
    let set = found.as_deref().map(|entry| entry.sorted_set()).transpose()?;
    let members = args.from(1);
    reply.array(members.len());
    for member in members.iter() {
        match set.and_then(|set| set.score(member)) {
            Some(score) => reply.double_in(ctx.dialect, score.get()),
            None => reply.null(),
        }
    }
    Ok(())
}

/// ZCOUNT key min max
pub(crate) fn zcount(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let range = ScoreRange::parse(args.get(1), args.get(2))?;
    let found = ctx.db.get(args.get(0));
    let set = found.as_deref().map(|entry| entry.sorted_set()).transpose()?;
    reply.len_int(set.map_or(0, |set| range.ranks(set).len()));
    Ok(())
}

/// ZLEXCOUNT key min max
pub(crate) fn zlexcount(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let range = LexRange::parse(args.get(1), args.get(2))?;
    let found = ctx.db.get(args.get(0));
    let set = found.as_deref().map(|entry| entry.sorted_set()).transpose()?;
    reply.len_int(set.map_or(0, |set| range.ranks(set, false, 0).len()));
    Ok(())
}

/// ZRANK key member [WITHSCORE]
pub(crate) fn zrank(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    rank(ctx, args, reply, "zrank", |rank, _| rank)
}

/// ZREVRANK key member [WITHSCORE]
pub(crate) fn zrevrank(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    rank(ctx, args, reply, "zrevrank", |rank, len| len - 1 - rank)
}

fn rank(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
    name: &'static str,
    counted: fn(usize, usize) -> usize,
) -> Result<(), CommandError> {
    let with_score = match args.len() {
        0..=2 => false,
        3 if args.is_word(2, "withscore") => true,
        3 => return Err(CommandError::Syntax),
        _ => return Err(CommandError::WrongArity(name)),
    };
    let found = ctx.db.get(args.get(0));
    let set = found.as_deref().map(|entry| entry.sorted_set()).transpose()?;
    let place = set.and_then(|set| Some((set.rank(args.get(1))?, set.len())));
    match place {
        Some(((rank, score), len)) => {
            if with_score {
                reply.array(2);
            }
            reply.len_int(counted(rank, len));
            if with_score {
                reply.double_in(ctx.dialect, score.get());
            }
        }
        None if with_score => reply.null_array(),
        None => reply.null(),
    }
    Ok(())
}

/// ZSCAN key cursor [MATCH pattern] [COUNT count] [NOSCORES]
pub(crate) fn zscan(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let cursor = parse_cursor(args.get(1))?;
    let found = ctx.db.get(args.get(0));
    let set = found.as_deref().map(|entry| entry.sorted_set()).transpose()?;
    let Some(set) = set else {
        // Not even the options are looked at then.
        reply.array(2);
        reply.bulk(b"0");
        reply.array(0);
        return Ok(());
    };
    let options = ScanOptions::parse(args.from(2), Some("noscores"))?;
    ctx.looks_at(options.count.min(set.len()))?;
    let mut elements = Vec::new();
    let mut room = itoa::Buffer::new();
    let scanned = set.scan(cursor, options.count, |element| {
        if options.wants(element.member.as_bytes(&mut room)) {
            elements.push(element);
        }
    });
    reply.array(2);
    reply.bulk(room.format(scanned.cursor).as_bytes());
    reply.array(if options.names_only { elements.len() } else { elements.len() * 2 });
    for element in elements {
        reply.item(element.member);
        if options.names_only {
            continue;
        }
        // A string in RESP3 too: as it is stored when the set is packed, and in the old form, at every version, when
        // it is big.
        let score = element.score.get();
        reply.bulk(&match set {
            SortedSetRef::Packed(_) => ctx.dialect.double(score),
            SortedSetRef::Big(_) => format_double(score, DoubleForm::Seventeen),
        });
    }
    Ok(())
}
