//! Members in and out.

use protocol::number::parse_int;
use protocol::{Args, Reply};
use storage::Wanted;
use storage::packed::Item;
use storage::value::Set;

use crate::item::ReplyItem;
use crate::{CommandError, WriteContext};

/// SADD key member [member ...]
pub(crate) fn sadd(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let members = args.from(1);
    let limits = ctx.limits;
    let added = ctx.db.edit(args.get(0), |slot| {
        let added = slot.edit_or_new::<Set, _>(|set| {
            if set.is_empty() {
                *set = Set::for_members(members.get(0), members.len(), limits);
            } else {
                set.prepare(members.len(), limits);
            }
            members.iter().filter(|member| set.add(member, limits)).count()
        })?;
        if added == 0 {
            slot.unchanged();
        } else {
            slot.counts(added);
            slot.event(Wanted::SET, "sadd");
        }
        Ok::<_, CommandError>(added)
    })?;
    reply.len_int(added);
    Ok(())
}

/// SREM key member [member ...]
pub(crate) fn srem(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let removed = ctx.db.edit(args.get(0), |slot| {
        let touched = slot.set()?.is_some_and(|set| args.from(1).iter().any(|member| set.contains(member)));
        if !touched {
            return Ok::<_, CommandError>(0);
        }
        let removed =
            slot.edit::<Set, _>(|set| args.from(1).iter().filter(|member| set.remove(member)).count())?;
        let removed = removed.unwrap_or(0);
        slot.counts(removed);
        slot.event(Wanted::SET, "srem");
        Ok(removed)
    })?;
    reply.len_int(removed);
    Ok(())
}

/// SMOVE source destination member
pub(crate) fn smove(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let (source, destination, member) = (args.get(0), args.get(1), args.get(2));
    let is_member = {
        let Some(entry) = ctx.db.get(source) else {
            reply.int(0);
            return Ok(());
        };
        entry.set()?.contains(member)
    };
    if let Some(entry) = ctx.db.get(destination) {
        entry.set()?;
    }
    if !is_member || source == destination {
        reply.int(is_member.into());
        return Ok(());
    }
    let limits = ctx.limits;
    // Nobody may see the member in neither set, nor in both.
    let _closed = ctx.writer.close_gate();
    ctx.db.edit(source, |slot| {
        slot.edit::<Set, _>(|set| set.remove(member)).inspect(|_| slot.event(Wanted::SET, "srem"))
    })?;
    ctx.db.edit(destination, |slot| {
        slot.edit_or_new::<Set, _>(|set| {
            if set.is_empty() {
                *set = Set::for_members(member, 1, limits);
            }
            set.add(member, limits)
        })
        .inspect(|added| {
            if *added {
                slot.event(Wanted::SET, "sadd");
            } else {
                slot.unchanged();
            }
        })
    })?;
    reply.int(1);
    Ok(())
}

/// When so many times what is left is not more than what SPOP takes, a server moves what is left to a new set.
const SPOP_MOVES_BELOW: usize = 5;

/// SPOP key [count]
pub(crate) fn spop(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let count = match args.len() {
        1 => None,
        2 => Some(
            parse_int(args.get(1))
                .and_then(|count| usize::try_from(count).ok())
                .ok_or(CommandError::NotPositive)?,
        ),
        _ => return Err(CommandError::Syntax),
    };
    let packs = ctx.dialect.is_valkey() || ctx.dialect.is_redis_from(7, 2);
    let limits = ctx.limits;
    let asking = ctx.asking();
    let popped = ctx.db.edit(args.get(0), |slot| {
        let Some(set) = slot.set()? else { return Ok::<_, CommandError>(Vec::new()) };
        let popped: Vec<Vec<u8>> = set.sample(count.unwrap_or(1)).into_iter().map(Item::to_vec).collect();
        let is_all = popped.len() == set.len();
        if !popped.is_empty() {
            slot.counts(popped.len());
        }
        if is_all {
            if count.is_some() {
                // As SUNION of the one set.
                asking.asked(args.get(0), true);
            }
            slot.remove();
            slot.event(Wanted::SET, "spop");
            slot.event(Wanted::GENERIC, "del");
        } else if !popped.is_empty() {
            slot.event(Wanted::SET, "spop");
            slot.edit::<Set, _>(|set| {
                popped.iter().for_each(|member| {
                    set.remove(member);
                });
                let moves = count.is_some() && set.len().saturating_mul(SPOP_MOVES_BELOW) <= popped.len();
                if packs && moves && matches!(set, Set::Big(_)) {
                    let mut moved = Set::packed();
                    let mut digits = itoa::Buffer::new();
                    set.view().iter().for_each(|member| {
                        moved.add(member.as_bytes(&mut digits), limits);
                    });
                    *set = moved;
                }
            })?;
        }
        Ok(popped)
    })?;
    match count {
        None => reply.item_or_null(popped.first().map(|member| Item::Str(member))),
        Some(_) => {
            reply.set(popped.len());
            popped.iter().for_each(|member| reply.bulk(member));
        }
    }
    Ok(())
}
