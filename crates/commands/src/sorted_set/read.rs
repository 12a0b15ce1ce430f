//! Questions about elements: scores, ranks, counts, and ZSCAN.

use protocol::number::parse_int;
use protocol::{Args, Reply};
use storage::glob;
use storage::value::SortedSetRef;

use super::item;
use crate::range::{LexRange, ScoreRange};
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
    let cursor = std::str::from_utf8(args.get(1)).ok().and_then(|text| text.parse::<u64>().ok());
    let cursor = cursor.ok_or(CommandError::new("ERR invalid cursor"))?;
    let found = ctx.db.get(args.get(0));
    let set = found.as_deref().map(|entry| entry.sorted_set()).transpose()?;
    let Some(set) = set else {
        // As in Redis, nobody reads the options then.
        reply.array(2);
        reply.bulk(b"0");
        reply.array(0);
        return Ok(());
    };
    let mut pattern = None;
    let mut count = 10;
    let mut with_scores = true;
    let mut at = 2;
    while at < args.len() {
        let value = args.opt(at + 1);
        match value {
            Some(value) if args.is_word(at, "match") => pattern = Some(value),
            Some(value) if args.is_word(at, "count") => {
                let number = parse_int(value).ok_or(CommandError::NotInteger)?;
                count =
                    usize::try_from(number).ok().filter(|number| *number > 0).ok_or(CommandError::Syntax)?;
            }
            _ if args.is_word(at, "noscores") => {
                with_scores = false;
                at += 1;
                continue;
            }
            _ => return Err(CommandError::Syntax),
        }
        at += 2;
    }
    let pattern = pattern.filter(|pattern| *pattern != b"*");
    let mut elements = Vec::new();
    let scanned = set.scan(cursor, count, |element| {
        let mut buffer = itoa::Buffer::new();
        if pattern.is_none_or(|pattern| glob::matches(pattern, element.member.as_bytes(&mut buffer))) {
            elements.push(element);
        }
    });
    reply.array(2);
    reply.bulk(itoa::Buffer::new().format(scanned.cursor).as_bytes());
    reply.array(elements.len() * if with_scores { 2 } else { 1 });
    for element in elements {
        item(reply, element.member);
        if with_scores {
            // A string in RESP3 too.
            reply.bulk(&ctx.dialect.double(element.score.get()));
        }
    }
    Ok(())
}
