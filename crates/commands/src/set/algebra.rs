//! Intersections, unions and differences: answered, counted, or stored.
//!
//! Owns the order in which a stored result is put together, for its form (`OBJECT ENCODING`) follows from it.

use protocol::number::parse_int;
use protocol::{Args, Reply};
use storage::packed::Item;
use storage::value::Set;
use storage::value::set::{Distinct, SetRef};
use storage::{Kind, Limits, Refs, Wanted};

use crate::item::ReplyItem;
use crate::{CommandError, ReadContext, Role, WriteContext};

/// Sets by key; `None` for a key that is not there.
type Found<'a> = Result<Vec<Option<SetRef<'a>>>, CommandError>;

/// The sets of these keys.
fn sets<'a>(refs: &'a Refs<'_>) -> Found<'a> {
    refs.iter().map(|entry| Ok(entry.map(|entry| entry.set()).transpose()?)).collect()
}

/// Gives each member that all sets have, as long as `give` wants more.
fn intersect<'a>(sets: &[Option<SetRef<'a>>], mut give: impl FnMut(Item<'a>) -> bool) {
    let Some(sets) = by_size(sets) else { return };
    let Some((smallest, others)) = sets.split_first() else { return };
    for member in smallest.iter() {
        if others.iter().all(|set| set.contains_item(member)) && !give(member) {
            return;
        }
    }
}

/// How many members an intersection goes through.
fn smallest(sets: &[Option<SetRef<'_>>]) -> usize {
    sets.iter().map(|set| set.map_or(0, |set| set.len())).min().unwrap_or_default()
}

/// How many members a union goes through, or a difference at most.
fn together(sets: &[Option<SetRef<'_>>]) -> usize {
    sets.iter().flatten().map(|set| set.len()).sum()
}

/// The sets, the smallest first; `None` when one of them is not there.
fn by_size<'a>(sets: &[Option<SetRef<'a>>]) -> Option<Vec<SetRef<'a>>> {
    let mut sets: Vec<SetRef<'a>> = sets.iter().copied().collect::<Option<_>>()?;
    sets.sort_by_key(|set| set.len());
    Some(sets)
}

/// Gives each member that any set has, once, as long as `give` wants more.
fn unite<'a>(sets: &[Option<SetRef<'a>>], mut give: impl FnMut(Item<'a>) -> bool) {
    let mut given = Distinct::default();
    for set in sets.iter().flatten() {
        for member in set.iter() {
            if given.insert(member) && !give(member) {
                return;
            }
        }
    }
}

/// Gives each member that the first set has and no other, as long as `give` wants more.
fn subtract<'a>(sets: &[Option<SetRef<'a>>], mut give: impl FnMut(Item<'a>) -> bool) {
    let Some((Some(first), others)) = sets.split_first() else { return };
    for member in first.iter() {
        if !others.iter().flatten().any(|set| set.contains_item(member)) && !give(member) {
            return;
        }
    }
}

/// SINTER key [key ...]
pub(crate) fn sinter(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    ctx.names(args.len())?;
    let refs = ctx.db.get_many_of(args.as_slice(), Kind::Set);
    let sets = sets(&refs)?;
    ctx.looks_at(smallest(&sets))?;
    answer(reply, |give| intersect(&sets, give));
    Ok(())
}

/// SUNION key [key ...]
pub(crate) fn sunion(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    ctx.names(args.len())?;
    let refs = ctx.db.get_many_of(args.as_slice(), Kind::Set);
    let sets = sets(&refs)?;
    ctx.looks_at(together(&sets))?;
    answer(reply, |give| unite(&sets, give));
    Ok(())
}

/// SDIFF key [key ...]
pub(crate) fn sdiff(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    ctx.names(args.len())?;
    let refs = ctx.db.get_many_of(args.as_slice(), Kind::Set);
    let sets = sets(&refs)?;
    ctx.looks_at(together(&sets))?;
    answer(reply, |give| subtract(&sets, give));
    Ok(())
}

/// Answers with what `each` gives.
fn answer<'a>(reply: &mut Reply, each: impl FnOnce(&mut dyn FnMut(Item<'a>) -> bool)) {
    let header = reply.defer();
    let mut count = 0;
    each(&mut |member| {
        reply.item(member);
        count += 1;
        true
    });
    reply.set_at(header, count);
}

/// SINTERCARD numkeys key [key ...] [LIMIT limit]
pub(crate) fn sintercard(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let (keys, limit) = parse_counted(args, false)?;
    ctx.names(keys.len())?;
    let refs = ctx.db.get_many_of(keys.as_slice(), Kind::Set);
    let sets = sets(&refs)?;
    ctx.looks_at(smallest(&sets))?;
    count(reply, limit, |give| intersect(&sets, give));
    Ok(())
}

/// SUNIONCARD numkeys key [key ...] [APPROX] [LIMIT limit]
///
/// The count is always exact: APPROX allows another one, it does not ask for it.
pub(crate) fn sunioncard(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let (keys, limit) = parse_counted(args, true)?;
    let refs = ctx.db.get_many_of(keys.as_slice(), Kind::Set);
    let sets = sets(&refs)?;
    count(reply, limit, |give| unite(&sets, give));
    Ok(())
}

/// SDIFFCARD numkeys key [key ...] [LIMIT limit]
pub(crate) fn sdiffcard(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let (keys, limit) = parse_counted(args, false)?;
    let refs = ctx.db.get_many_of(keys.as_slice(), Kind::Set);
    let sets = sets(&refs)?;
    count(reply, limit, |give| subtract(&sets, give));
    Ok(())
}

/// Answers with how many members `each` gives, counting no further than `limit`.
fn count<'a>(reply: &mut Reply, limit: usize, each: impl FnOnce(&mut dyn FnMut(Item<'a>) -> bool)) {
    let mut count = 0;
    each(&mut |_| {
        count += 1;
        count < limit
    });
    reply.len_int(count);
}

/// `numkeys key [key ...] [APPROX] [LIMIT limit]`
fn parse_counted(args: Args<'_>, approx: bool) -> Result<(Args<'_>, usize), CommandError> {
    let few = CommandError::new("ERR numkeys should be greater than 0");
    let count = parse_int(args.get(0)).filter(|count| *count > 0).ok_or(few)?;
    let words = args.from(1);
    let many = CommandError::new("ERR Number of keys can't be greater than number of args");
    let count = usize::try_from(count).ok().filter(|count| *count <= words.len()).ok_or(many)?;
    let keys = Args::new(words.as_slice().get(..count).unwrap_or_default());
    let options = words.from(count);
    let mut limit = 0;
    let mut at = 0;
    while at < options.len() {
        if let (true, Some(number)) = (options.is_word(at, "limit"), options.opt(at + 1)) {
            let negative = CommandError::new("ERR LIMIT can't be negative");
            limit = parse_int(number).and_then(|limit| usize::try_from(limit).ok()).ok_or(negative)?;
            at += 2;
        } else if approx && options.is_word(at, "approx") {
            at += 1;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    // 0 is no limit.
    Ok((keys, if limit == 0 { usize::MAX } else { limit }))
}

/// SINTERSTORE destination key [key ...]
pub(crate) fn sinterstore(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    store(ctx, args, reply, "sinterstore", intersected, |sets, limits| {
        let ints = by_size(sets).is_some_and(|sets| matches!(sets.first(), Some(SetRef::Ints(_))));
        let mut result = if ints { Set::ints() } else { Set::packed() };
        intersect(sets, |member| add(&mut result, member, limits));
        result.fold_ints(limits);
        result
    })
}

/// SUNIONSTORE destination key [key ...]
pub(crate) fn sunionstore(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    store(ctx, args, reply, "sunionstore", any, |sets, limits| {
        let mut result = Set::ints();
        for member in sets.iter().flatten().flat_map(|set| set.iter()) {
            add(&mut result, member, limits);
        }
        result
    })
}

/// SDIFFSTORE destination key [key ...]
pub(crate) fn sdiffstore(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    store(ctx, args, reply, "sdiffstore", any, |sets, limits| {
        let mut result = Set::ints();
        let Some((Some(first), others)) = sets.split_first() else { return result };
        // Redis takes the other sets' members out of the whole first set when that is less to look at than to look
        // each of its members up in every other set; the result then keeps the form that the whole set had.
        let present = sets.iter().flatten().count();
        let work: usize = sets.iter().flatten().map(|set| set.len()).sum();
        if first.len().saturating_mul(present) / 2 <= work {
            subtract(sets, |member| add(&mut result, member, limits));
        } else {
            first.iter().for_each(|member| {
                add(&mut result, member, limits);
            });
            let mut room = itoa::Buffer::new();
            for member in others.iter().flatten().flat_map(|set| set.iter()) {
                result.remove(member.as_bytes(&mut room));
            }
        }
        result
    })
}

/// Adds a member, and wants more.
fn add(result: &mut Set, member: Item<'_>, limits: &Limits) -> bool {
    result.add(member.as_bytes(&mut itoa::Buffer::new()), limits);
    true
}

/// The sets to store a union or a difference of.
fn any<'a>(_: Role, refs: &'a Refs<'_>) -> Found<'a> {
    sets(refs)
}

/// The sets to store an intersection of. Masters before 7.0 look no further than the first key that is not there, so
/// what comes after it in a stream may be of any kind.
fn intersected<'a>(role: Role, refs: &'a Refs<'_>) -> Found<'a> {
    if role == Role::Replica {
        let mut sets_first = refs.iter().take_while(|entry| entry.is_none_or(|entry| entry.set().is_ok()));
        if sets_first.any(|entry| entry.is_none()) {
            return Ok(vec![None]);
        }
    }
    sets(refs)
}

/// Stores what `combine` makes of the sets of the keys that follow the first; how many members it has.
fn store(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
    event: &'static str,
    sets: impl for<'r> FnOnce(Role, &'r Refs<'_>) -> Found<'r>,
    combine: impl FnOnce(&[Option<SetRef<'_>>], &Limits) -> Set,
) -> Result<(), CommandError> {
    let result = {
        let asking = ctx.asking();
        let refs = asking.get_many_of(args.from(1).as_slice(), Kind::Set);
        combine(&sets(ctx.role, &refs)?, ctx.limits)
    };
    reply.len_int(result.len());
    ctx.db.edit(args.get(0), |slot| {
        // Whatever was there goes, with its deadline.
        slot.set_deadline(None);
        if result.is_empty() {
            if slot.remove() {
                slot.event(Wanted::GENERIC, "del");
            }
        } else {
            slot.event_of_replacing(Kind::Set);
            slot.put(result.into());
            slot.event(Wanted::SET, event);
        }
    });
    Ok(())
}
