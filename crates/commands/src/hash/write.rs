//! HSET and its kin, HDEL, and counters.
//!
//! Owns what becomes of a field's deadline with a new value: HSET clears it, a counter keeps it. Never sets one.

use protocol::{Args, Reply};
use storage::Wanted;
use storage::value::Hash;
use storage::value::hash::{FieldDeadline, HashRef};

use super::deadline_form;
use super::hidden::{expire, expire_one, hidden};
use crate::extended::Extended;
use crate::{CommandError, WriteContext};

/// HSET key field value [field value ...]
pub(crate) fn hset(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let added = set_pairs(ctx, args, "hset")?;
    reply.len_int(added);
    Ok(())
}

/// HMSET key field value [field value ...]
pub(crate) fn hmset(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    set_pairs(ctx, args, "hmset")?;
    reply.ok();
    Ok(())
}

/// Sets the pairs that follow the key; how many fields are new.
fn set_pairs(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    command: &'static str,
) -> Result<usize, CommandError> {
    let pairs = args.from(1);
    if !pairs.len().is_multiple_of(2) {
        return Err(CommandError::WrongArity(command));
    }
    let (limits, now, form) = (ctx.limits, ctx.now, deadline_form(ctx.dialect));
    let (writer, is_valkey) = (ctx.writer, ctx.dialect.is_valkey());
    let longest = pairs.iter().map(<[u8]>::len).max().unwrap_or(0);
    let added = ctx.db.edit(args.get(0), |slot| {
        if is_valkey {
            let names = pairs.as_slice().as_chunks::<2>().0.iter().map(|[name, _]| *name);
            let hidden = hidden(slot.hash()?, names, now);
            expire(slot, writer, &hidden);
        }
        slot.edit_or_new::<Hash, _>(|hash| {
            hash.prepare(pairs.len() / 2, longest, limits);
            pairs
                .as_slice()
                .as_chunks::<2>()
                .0
                .iter()
                .filter(|[name, value]| {
                    let before = hash.set(name, value, FieldDeadline::Cleared, limits, form);
                    // A Redis takes it for one that is there until it is removed.
                    !before.is_some_and(|before| !is_valkey || before.was_visible(now))
                })
                .count()
        })
        .inspect(|_| {
            let names = pairs.as_slice().as_chunks::<2>().0.iter().map(|[name, _]| *name);
            slot.counts(pairs.len() / 2);
            slot.event_in(Wanted::HASH, "hset", names);
        })
    })?;
    Ok(added)
}

/// HSETNX key field value
pub(crate) fn hsetnx(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let (name, value) = (args.get(1), args.get(2));
    let (limits, now, form) = (ctx.limits, ctx.now, deadline_form(ctx.dialect));
    let (writer, dialect) = (ctx.writer, ctx.dialect);
    let set = ctx.db.edit(args.get(0), |slot| {
        if slot.hash()?.is_some_and(|hash| hash.contains(name, now)) {
            return Ok(false);
        }
        expire_one(slot, writer, name, now, dialect)?;
        slot.edit_or_new::<Hash, _>(|hash| {
            hash.prepare(1, name.len().max(value.len()), limits);
            hash.set(name, value, FieldDeadline::Cleared, limits, form);
        })?;
        slot.event_in(Wanted::HASH, "hset", std::iter::once(name));
        Ok::<_, CommandError>(true)
    })?;
    reply.int(set.into());
    Ok(())
}

/// HDEL key field [field ...]
pub(crate) fn hdel(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let (now, is_valkey) = (ctx.now, ctx.dialect.is_valkey());
    let removed = ctx.db.edit(args.get(0), |slot| {
        // What is hidden is there at a Redis until it is removed, and not at a Valkey.
        let is_there = |hash: HashRef<'_>, name: &[u8]| {
            hash.find(name).is_some_and(|field| !is_valkey || field.is_visible(now))
        };
        let touched = slot.hash()?.is_some_and(|hash| args.from(1).iter().any(|name| is_there(hash, name)));
        if !touched {
            return Ok::<_, CommandError>(0);
        }
        let mut gone = Vec::new();
        slot.edit::<Hash, _>(|hash| {
            let removed = |name: &&[u8]| is_there(hash.view(), name) && hash.remove(name).is_some();
            gone.extend(args.from(1).iter().filter(removed));
        })?;
        slot.counts(gone.len());
        if !gone.is_empty() {
            slot.event_in(Wanted::HASH, "hdel", gone.iter().copied());
        }
        Ok(gone.len())
    })?;
    reply.len_int(removed);
    Ok(())
}

/// HINCRBY key field increment
pub(crate) fn hincrby(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let role = ctx.reads_as();
    let increment = role.integer(args.get(2)).ok_or(CommandError::NotInteger)?;
    let sum = change_value(ctx, args, "hincrby", |value| {
        let old = match value {
            Some(value) => {
                role.integer(value).ok_or(CommandError::new("ERR hash value is not an integer"))?
            }
            None => 0,
        };
        let sum = old.checked_add(increment).ok_or(CommandError::Overflow)?;
        Ok((sum, itoa::Buffer::new().format(sum).as_bytes().to_vec()))
    })?;
    reply.int(sum);
    Ok(())
}

/// HINCRBYFLOAT key field increment
pub(crate) fn hincrbyfloat(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let increment = Extended::parse(args.get(2)).ok_or(CommandError::NotFloat)?;
    if increment.is_infinite() {
        return Err(CommandError::new("ERR value is NaN or Infinity"));
    }
    let text = change_value(ctx, args, "hincrbyfloat", |value| {
        let old = Extended::parse(value.unwrap_or(b"0"));
        let old = old.ok_or(CommandError::new("ERR hash value is not a float"))?;
        let sum = old.add(increment).filter(|sum| !sum.is_infinite());
        let text = sum.ok_or(CommandError::new("ERR increment would produce NaN or Infinity"))?.to_text();
        Ok((text.clone(), text))
    })?;
    reply.bulk(&text);
    Ok(())
}

/// Puts another value in the place of a field's, whose deadline stays; what `change` answers besides.
fn change_value<R>(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    event: &'static str,
    change: impl FnOnce(Option<&[u8]>) -> Result<(R, Vec<u8>), CommandError>,
) -> Result<R, CommandError> {
    let name = args.get(1);
    let (limits, now, form) = (ctx.limits, ctx.now, deadline_form(ctx.dialect));
    let (writer, dialect) = (ctx.writer, ctx.dialect);
    ctx.db.edit(args.get(0), |slot| {
        let mut room = itoa::Buffer::new();
        let old = slot.hash()?.and_then(|hash| hash.get(name, now));
        // A field that is hidden is not there: what is put in its place has no deadline.
        let deadline = if old.is_some() { FieldDeadline::Kept } else { FieldDeadline::Cleared };
        let is_missing = old.is_none();
        let (answer, new) = change(old.map(|value| value.as_bytes(&mut room)))?;
        if is_missing {
            expire_one(slot, writer, name, now, dialect)?;
        }
        slot.edit_or_new::<Hash, _>(|hash| hash.set(name, &new, deadline, limits, form))?;
        slot.event_in(Wanted::HASH, event, std::iter::once(name));
        Ok(answer)
    })
}
