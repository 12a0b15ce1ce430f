//! ZRANGE in all its forms, its older names, and ZRANGESTORE.
//!
//! Owns the options, and which ranks they mean; how a bound is written is [`crate::range`]'s. Never changes a set but
//! the destination.

use std::ops::Range;

use protocol::number::parse_int;
use protocol::{Args, Reply};
use storage::value::sorted_set::{Element, SortedSet, SortedSetRef};

use super::{Listing, sees_count, store};
use crate::range::{IndexRange, LexRange, ScoreRange};
use crate::{CommandError, Dialect, ReadContext, Role, WriteContext};

/// By what a range is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Index,
    Score,
    Lex,
}

/// The two bounds of a range, read.
#[derive(Clone, Copy, Debug)]
enum Bounds<'a> {
    Index(IndexRange),
    Score(ScoreRange),
    Lex(LexRange<'a>),
}

/// A range of elements, and how it is answered.
#[derive(Clone, Copy, Debug)]
struct Query<'a> {
    bounds: Bounds<'a>,
    reverse: bool,
    offset: i64,
    limit: i64,
    with_scores: bool,
}

/// What a command's name fixes; the rest is up to its words.
#[derive(Clone, Copy, Debug, Default)]
struct Fixed {
    by: Option<By>,
    reverse: Option<bool>,
    stores: bool,
}

impl<'a> Query<'a> {
    /// Reads `min max` and the options behind them.
    ///
    /// # Errors
    /// Anything that a server refuses, in its order.
    fn parse(args: Args<'a>, fixed: Fixed) -> Result<Self, CommandError> {
        let (mut by, mut reverse) = (fixed.by, fixed.reverse);
        let (mut offset, mut limit, mut with_scores) = (0, -1, false);
        let mut at = 2;
        while at < args.len() {
            if !fixed.stores && args.is_word(at, "withscores") {
                with_scores = true;
            } else if args.is_word(at, "limit") && at + 2 < args.len() {
                let number = |index| parse_int(args.get(index)).ok_or(CommandError::NotInteger);
                (offset, limit) = (number(at + 1)?, number(at + 2)?);
                at += 2;
            } else if reverse.is_none() && args.is_word(at, "rev") {
                reverse = Some(true);
            } else if by.is_none() && args.is_word(at, "bylex") {
                by = Some(By::Lex);
            } else if by.is_none() && args.is_word(at, "byscore") {
                by = Some(By::Score);
            } else {
                return Err(CommandError::Syntax);
            }
            at += 1;
        }
        let (by, reverse) = (by.unwrap_or(By::Index), reverse.unwrap_or(false));
        if limit != -1 && by == By::Index {
            return Err(CommandError::new(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if with_scores && by == By::Lex {
            return Err(CommandError::new(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        let (first, second) = (args.get(0), args.get(1));
        // From the end, the bounds are given in that order.
        let (min, max) = if reverse { (second, first) } else { (first, second) };
        let bounds = match by {
            By::Index => Bounds::Index(IndexRange::parse(first, second, Role::Master)?),
            By::Score => Bounds::Score(ScoreRange::parse(min, max)?),
            By::Lex => Bounds::Lex(LexRange::parse(min, max)?),
        };
        Ok(Query { bounds, reverse, offset, limit, with_scores })
    }

    /// The ranks that it asks for.
    fn ranks(&self, set: SortedSetRef<'_>, dialect: Dialect) -> Range<usize> {
        // A negative limit is none. A negative offset passes over everything, unless it counts from the other end.
        let from_end = match usize::try_from(self.offset.unsigned_abs()) {
            Ok(places) if self.offset < 0 && !set.is_packed() && dialect.counts_offset_from_end() => {
                Some(places)
            }
            _ => None,
        };
        let offset = match from_end {
            Some(_) => 0,
            None => usize::try_from(self.offset).unwrap_or(usize::MAX),
        };
        let ranks = match self.bounds {
            Bounds::Index(range) => {
                let len = set.len();
                let places = range.places(len);
                return match (self.reverse, places.is_empty()) {
                    (_, true) => 0..0,
                    (true, _) => len - places.end..len - places.start,
                    (false, _) => places,
                };
            }
            Bounds::Score(range) => {
                let ranks = range.ranks(set);
                if self.reverse {
                    ranks.start..ranks.end.saturating_sub(offset).max(ranks.start)
                } else {
                    ranks.start.saturating_add(offset).min(ranks.end)..ranks.end
                }
            }
            Bounds::Lex(range) => range.ranks(set, self.reverse, offset),
        };
        let ranks = match from_end {
            Some(places) if places > ranks.len() => 0..0,
            Some(places) if self.reverse => ranks.start..ranks.start + places,
            Some(places) => ranks.end - places..ranks.end,
            None => ranks,
        };
        let count = usize::try_from(self.limit).unwrap_or(usize::MAX).min(ranks.len());
        if self.reverse { ranks.end - count..ranks.end } else { ranks.start..ranks.start + count }
    }
}

fn range(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
    by: Option<By>,
    reverse: Option<bool>,
) -> Result<(), CommandError> {
    let query = Query::parse(args.from(1), Fixed { by, reverse, stores: false })?;
    let found = ctx.db.get(args.get(0));
    let Some(set) = found.as_deref().map(|entry| entry.sorted_set()).transpose()? else {
        reply.array(0);
        return Ok(());
    };
    let ranks = query.ranks(set, ctx.dialect);
    ctx.looks_at(ranks.len())?;
    let mut listing = Listing::begin(reply, ctx.dialect, query.with_scores, ranks.len());
    let elements = set.range(ranks.start, ranks.end);
    if query.reverse {
        listing.elements(elements.rev());
    } else {
        listing.elements(elements);
    }
    Ok(())
}

/// ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]
pub(crate) fn zrange(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    range(ctx, args, reply, None, None)
}

/// ZREVRANGE key start stop [WITHSCORES]
pub(crate) fn zrevrange(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    range(ctx, args, reply, Some(By::Index), Some(true))
}

/// ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]
pub(crate) fn zrangebyscore(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    range(ctx, args, reply, Some(By::Score), Some(false))
}

/// ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]
pub(crate) fn zrevrangebyscore(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    range(ctx, args, reply, Some(By::Score), Some(true))
}

/// ZRANGEBYLEX key min max [LIMIT offset count]
pub(crate) fn zrangebylex(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    range(ctx, args, reply, Some(By::Lex), Some(false))
}

/// ZREVRANGEBYLEX key max min [LIMIT offset count]
pub(crate) fn zrevrangebylex(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    range(ctx, args, reply, Some(By::Lex), Some(true))
}

/// ZRANGESTORE dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]
pub(crate) fn zrangestore(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let query = Query::parse(args.from(2), Fixed { by: None, reverse: None, stores: true })?;
    let asking = ctx.asking();
    let found = asking.get(args.get(1));
    let set = found.as_deref().map(|entry| entry.sorted_set()).transpose()?;
    let result = set.map(|set| {
        let ranks = query.ranks(set, ctx.dialect);
        // Only the number of a range of indexes is known beforehand; the result of others grows from a packed one, in
        // the order of the answer (and `-0` becomes `0` as long as it is packed). 7.2 takes the unknown number for a
        // very large one.
        let count = match query.bounds {
            Bounds::Index(_) if sees_count(ctx.dialect) => ranks.len(),
            Bounds::Score(_) | Bounds::Lex(_) if (ctx.dialect.major, ctx.dialect.minor) == (7, 2) => {
                ctx.limits.zset_max_listpack_entries.saturating_add(1)
            }
            _ => 0,
        };
        let mut result = SortedSet::for_elements(count, 0, ctx.limits);
        let mut add = |element: Element<'_>| {
            result.insert(element.member.as_bytes(&mut itoa::Buffer::new()), element.score, ctx.limits);
        };
        let elements = set.range(ranks.start, ranks.end);
        if query.reverse {
            elements.rev().for_each(&mut add);
        } else {
            elements.for_each(&mut add);
        }
        result
    });
    drop(found);
    store(ctx, args.get(0), result.unwrap_or_default(), "zrangestore", reply);
    Ok(())
}
