//! Strings set or deleted on a condition, several at once or one.
//!
//! Owns what the condition means for several keys: all or nothing.

use protocol::number::parse_int;
use protocol::{Args, Reply};
use storage::{Kind, Wanted};

use super::options::{Condition, Deadline, Options};
use super::{Done, set_text};
use crate::context::WriteContext;
use crate::error::CommandError;

/// MSETNX key value [key value …]
pub(crate) fn msetnx(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    if args.len() % 2 == 1 {
        return Err(CommandError::WrongArity("msetnx"));
    }
    let pairs = || args.as_slice().chunks_exact(2).filter_map(|pair| <&[&[u8]; 2]>::try_from(pair).ok());
    if pairs().any(|[key, _]| ctx.db.contains(key)) {
        reply.int(0);
        return Ok(());
    }
    let _exclusive = (args.len() > 2).then(|| ctx.writer.close_gate());
    for [key, value] in pairs() {
        ctx.db.edit(key, |slot| set_text(slot, value, None));
    }
    reply.int(1);
    Ok(())
}

/// MSETEX numkeys key value [key value …] [NX | XX] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]
pub(crate) fn msetex(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let count = parse_int(args.get(0)).filter(|count| (1..=i64::from(i32::MAX)).contains(count));
    let count = count.and_then(|count| usize::try_from(count).ok());
    let count = count.ok_or(CommandError::new("ERR invalid numkeys value"))?;
    let words = count.checked_mul(2).and_then(|words| words.checked_add(1));
    let Some((pairs, options)) = words.and_then(|words| args.as_slice().split_at_checked(words)) else {
        return Err(CommandError::new("ERR wrong number of key-value pairs"));
    };
    let options = Options::of_msetex(Args::new(options), ctx.dialect)?;
    let deadline = match options.deadline {
        Deadline::At(unit, argument) => Some(unit.positive(argument, ctx.reads_as(), ctx.clock, "msetex")?),
        _ => None,
    };
    let pairs = || {
        let pairs = pairs.get(1..).unwrap_or_default().chunks_exact(2);
        pairs.filter_map(|pair| <&[&[u8]; 2]>::try_from(pair).ok())
    };
    let met = match options.condition {
        Condition::Missing => pairs().all(|[key, _]| !ctx.db.contains(key)),
        Condition::Present => pairs().all(|[key, _]| ctx.db.contains(key)),
        _ => true,
    };
    if met {
        let tells_deadline_last = ctx.dialect.is_valkey();
        let _exclusive = (count > 1).then(|| ctx.writer.close_gate());
        for [key, value] in pairs() {
            ctx.db.edit(key, |slot| {
                let kept = options.deadline == Deadline::Keep;
                let deadline = if kept { slot.deadline() } else { deadline };
                slot.event_of_replacing(Kind::String);
                // What has a deadline that is past is stored too, and goes as what has expired.
                slot.put_text_until(value, deadline);
                let expires = !kept && deadline.is_some();
                let mut told = [(Wanted::STRING, "set", true), (Wanted::GENERIC, "expire", expires)];
                if !tells_deadline_last {
                    told.reverse();
                }
                for (class, name, _) in told.into_iter().filter(|(_, _, is_so)| *is_so) {
                    slot.event(class, name);
                }
            });
        }
    }
    reply.int(i64::from(met));
    Ok(())
}

/// DELEX key [IFEQ v | IFNE v | IFDEQ d | IFDNE d]
pub(crate) fn delex(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let words = match args.as_slice() {
        [_] => None,
        [_, word, operand] => Some((*word, *operand)),
        _ => return Err(CommandError::WrongArity("delex")),
    };
    let asking = ctx.asking();
    ctx.db.edit(args.get(0), |slot| {
        if words.is_some() {
            asking.asked(args.get(0), slot.exists());
        }
        // Without a value nobody asks what the condition is.
        let condition = match words {
            Some((word, operand)) if slot.exists() => {
                if slot.text().is_err() {
                    let error = "ERR Key should be of string type if conditions are specified";
                    return Err(CommandError::new(error));
                }
                let error = "ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE";
                Condition::of_word(word, operand).ok_or(CommandError::new(error))?
            }
            _ => Condition::Always,
        };
        let removed = slot.exists() && condition.is_met(slot)? && slot.remove();
        if removed {
            slot.event(Wanted::GENERIC, "del");
        }
        reply.int(i64::from(removed));
        Ok(())
    })
}

/// DELIFEQ key value (Valkey)
pub(crate) fn delifeq(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    ctx.db.edit(args.get(0), |slot| {
        let removed = Condition::Equal(args.get(1)).is_met(slot)? && slot.remove();
        if removed {
            slot.event(Wanted::GENERIC, "del");
        }
        reply.int(i64::from(removed));
        Ok(())
    })
}
