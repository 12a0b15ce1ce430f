//! Reads of hashes.
//!
//! Owns the answers. Never changes a hash: fields that a read meets past their deadline are noted, and whoever ran it
//! removes them.

use protocol::number::parse_int;
use protocol::{Args, Protocol, Reply};
use storage::packed::Item;
use storage::value::hash::{Field, HashRef};

use crate::item::ReplyItem;
use crate::scan_options::{ScanOptions, parse_cursor};
use crate::{CommandError, ReadContext};

/// How many fields HRANDFIELD looks at to find those that are past their deadlines.
const LOOKED_AT_MAX: usize = 1024;

/// The value of a field that is asked for. One that is past its deadline goes with that, on a Redis that is a master;
/// not on a Valkey.
#[inline]
fn get<'h>(ctx: &ReadContext<'_>, key: &[u8], hash: HashRef<'h>, name: &[u8]) -> Option<Item<'h>> {
    let value = hash.get(name, ctx.now);
    if value.is_none() && ctx.db.meets_expired() {
        missed(ctx, key, hash, name);
    }
    value
}

#[cold]
fn missed(ctx: &ReadContext<'_>, key: &[u8], hash: HashRef<'_>, name: &[u8]) {
    if hash.find(name).is_some() && !ctx.dialect.is_valkey() {
        ctx.db.met_expired_fields(key, vec![name.into()]);
    }
}

/// HGET key field
pub(crate) fn hget(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let Some(entry) = ctx.db.get(args.get(0)) else {
        reply.null();
        return Ok(());
    };
    reply.item_or_null(get(ctx, args.get(0), entry.hash()?, args.get(1)));
    Ok(())
}

/// HMGET key field [field ...]
pub(crate) fn hmget(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let entry = ctx.db.get(args.get(0));
    let hash = entry.as_ref().map(|entry| entry.hash()).transpose()?;
    let fields = args.from(1);
    reply.array(fields.len());
    for field in fields.iter() {
        reply.item_or_null(hash.and_then(|hash| get(ctx, args.get(0), hash, field)));
    }
    Ok(())
}

/// HLEN key
pub(crate) fn hlen(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let entry = ctx.db.get(args.get(0));
    reply.len_int(entry.as_ref().map(|entry| entry.hash()).transpose()?.map_or(0, HashRef::len));
    Ok(())
}

/// HEXISTS key field
pub(crate) fn hexists(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let entry = ctx.db.get(args.get(0));
    let hash = entry.as_ref().map(|entry| entry.hash()).transpose()?;
    reply.int(hash.is_some_and(|hash| get(ctx, args.get(0), hash, args.get(1)).is_some()).into());
    Ok(())
}

/// HSTRLEN key field
pub(crate) fn hstrlen(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let entry = ctx.db.get(args.get(0));
    let hash = entry.as_ref().map(|entry| entry.hash()).transpose()?;
    let value = hash.and_then(|hash| get(ctx, args.get(0), hash, args.get(1)));
    reply.len_int(value.map_or(0, |value| value.len()));
    Ok(())
}

/// HGETALL key
pub(crate) fn hgetall(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let Some(entry) = ctx.db.get(args.get(0)) else {
        reply.map(0);
        return Ok(());
    };
    let hash = entry.hash()?;
    ctx.looks_at(hash.len())?;
    reply.map(hash.visible_len(ctx.now));
    for field in hash.iter(ctx.now) {
        reply.item(field.name);
        reply.item(field.value);
    }
    Ok(())
}

/// HKEYS key
pub(crate) fn hkeys(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    halves(ctx, args, reply, |field, reply| reply.item(field.name))
}

/// HVALS key
pub(crate) fn hvals(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    halves(ctx, args, reply, |field, reply| reply.item(field.value))
}

/// One half of each field.
fn halves(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
    half: fn(Field<'_>, &mut Reply),
) -> Result<(), CommandError> {
    let Some(entry) = ctx.db.get(args.get(0)) else {
        reply.array(0);
        return Ok(());
    };
    let hash = entry.hash()?;
    ctx.looks_at(hash.len())?;
    reply.array(hash.visible_len(ctx.now));
    hash.iter(ctx.now).for_each(|field| half(field, reply));
    Ok(())
}

/// HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]
pub(crate) fn hscan(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let cursor = parse_cursor(args.get(1))?;
    let Some(entry) = ctx.db.get(args.get(0)) else {
        // Not even the options are looked at then.
        reply.array(2);
        reply.bulk(b"0");
        reply.array(0);
        return Ok(());
    };
    let hash = entry.hash()?;
    let options = ScanOptions::parse(args.from(2), Some("novalues"))?;
    ctx.looks_at(options.count.min(hash.len()))?;
    let mut found = Vec::new();
    let mut room = itoa::Buffer::new();
    let scanned = hash.scan(cursor, options.count, ctx.now, |field| {
        if options.wants(field.name.as_bytes(&mut room)) {
            found.push(field);
        }
    });
    reply.array(2);
    reply.bulk(itoa::Buffer::new().format(scanned.cursor).as_bytes());
    reply.array(if options.names_only { found.len() } else { found.len() * 2 });
    for field in found {
        reply.item(field.name);
        if !options.names_only {
            reply.item(field.value);
        }
    }
    Ok(())
}

/// HRANDFIELD key [count [WITHVALUES]]
pub(crate) fn hrandfield(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let count = match args.opt(1) {
        None => None,
        Some(count) => Some(parse_count(count)?),
    };
    let with_values = match args.len() {
        0..=2 => false,
        3 if args.is_word(2, "withvalues") => true,
        _ => return Err(CommandError::Syntax),
    };
    if with_values && count.is_some_and(|count| count.unsigned_abs() >= 1 << 62) {
        return Err(CommandError::new("ERR value is out of range"));
    }
    let entry = ctx.db.get(args.get(0));
    let hash = entry.as_ref().map(|entry| entry.hash()).transpose()?;
    if let Some(hash) = hash.filter(|_| ctx.db.meets_expired() && !ctx.dialect.is_valkey()) {
        let expired = hash.all().take(LOOKED_AT_MAX).filter(|field| !field.is_visible(ctx.now));
        ctx.db.met_expired_fields(args.get(0), expired.map(|field| field.name.to_vec().into()).collect());
    }
    let Some(count) = count else {
        reply.item_or_null(hash.and_then(|hash| hash.random(ctx.now)).map(|field| field.name));
        return Ok(());
    };
    let Some(hash) = hash else {
        reply.array(0);
        return Ok(());
    };
    ctx.looks_at(usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX).min(if count < 0 {
        usize::MAX
    } else {
        hash.len()
    }))?;
    // RESP3 has each pair as an array of its own.
    let nested = with_values && reply.protocol() == Protocol::Resp3;
    let answer = |field: Field<'_>, reply: &mut Reply| {
        if nested {
            reply.array(2);
        }
        reply.item(field.name);
        if with_values {
            reply.item(field.value);
        }
    };
    let header = |fields: usize, reply: &mut Reply| {
        reply.array(if with_values && !nested { fields * 2 } else { fields });
    };
    match usize::try_from(count) {
        Ok(count) => {
            let fields = hash.sample(count, ctx.now);
            header(fields.len(), reply);
            fields.into_iter().for_each(|field| answer(field, reply));
        }
        // A negative count asks for so many throws, each of which may give any field.
        Err(_) => {
            let throws = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
            let Some(first) = hash.random(ctx.now) else {
                reply.array(0);
                return Ok(());
            };
            let begun = reply.mark();
            header(throws, reply);
            answer(first, reply);
            for throw in 1..throws {
                ctx.repeats(throw, reply, begun)?;
                answer(hash.random(ctx.now).unwrap_or(first), reply);
            }
        }
    }
    Ok(())
}

/// The count of HRANDFIELD and SRANDMEMBER.
pub(crate) fn parse_count(text: &[u8]) -> Result<i64, CommandError> {
    match parse_int(text) {
        None => Err(CommandError::NotInteger),
        Some(i64::MIN) => Err(CommandError::new(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        )),
        Some(count) => Ok(count),
    }
}
