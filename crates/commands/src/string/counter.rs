//! Numbers in strings: counted in 64 bits, or in C's long doubles.
//!
//! Owns the arithmetic and its limits. Never changes a deadline that it was not told to change.

use std::cmp::Ordering;

use protocol::number::parse_int;
use protocol::{Args, Protocol, Reply};
use storage::value::{Text, TextRef};
use storage::{Slot, Wanted};

use super::Done;
use crate::context::{Role, WriteContext};
use crate::error::CommandError;
use crate::expiry::Unit;
use crate::extended::Extended;

/// INCR key
pub(crate) fn incr(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    add(ctx, args.get(0), 1, reply)
}

/// DECR key
pub(crate) fn decr(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    add(ctx, args.get(0), -1, reply)
}

/// INCRBY key increment
pub(crate) fn incrby(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    add(ctx, args.get(0), ctx.reads_as().integer(args.get(1)).ok_or(CommandError::NotInteger)?, reply)
}

/// DECRBY key decrement
pub(crate) fn decrby(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let decrement = ctx.reads_as().integer(args.get(1)).ok_or(CommandError::NotInteger)?;
    let increment = match decrement.checked_neg() {
        Some(increment) => increment,
        // (A master has added it, whatever we think its version is.)
        None if ctx.role == Role::Replica || ctx.dialect.negates_lowest_to_itself() => decrement,
        None => return Err(CommandError::new("ERR decrement would overflow")),
    };
    add(ctx, args.get(0), increment, reply)
}

fn add(ctx: &mut WriteContext<'_>, key: &[u8], increment: i64, reply: &mut Reply) -> Done {
    let role = ctx.reads_as();
    ctx.db.edit(key, |slot| {
        let sum = integer(slot, role)?.checked_add(increment).ok_or(CommandError::Overflow)?;
        slot.put(Text::Int(sum).into());
        slot.event(Wanted::STRING, "incrby");
        reply.int(sum);
        Ok(())
    })
}

/// The integer that the key holds; 0 when there is none.
fn integer(slot: &Slot<'_>, role: Role) -> Result<i64, CommandError> {
    match slot.text()? {
        None => Ok(0),
        Some(TextRef::Int(number)) => Ok(number),
        // An edited string may be an integer without being stored as one.
        Some(text) => role.integer(text.bytes(&mut itoa::Buffer::new())).ok_or(CommandError::NotInteger),
    }
}

/// The float that the key holds; 0 when there is none.
fn float(slot: &Slot<'_>) -> Result<Extended, CommandError> {
    match slot.text()? {
        None => Ok(Extended::from(0)),
        Some(TextRef::Int(number)) => Ok(Extended::from(number)),
        Some(text) => Extended::parse(text.bytes(&mut itoa::Buffer::new())).ok_or(CommandError::NotFloat),
    }
}

/// INCRBYFLOAT key increment
pub(crate) fn incrbyfloat(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    ctx.db.edit(args.get(0), |slot| {
        let value = float(slot)?;
        let increment = Extended::parse(args.get(1)).ok_or(CommandError::NotFloat)?;
        let sum = value.add(increment).filter(|sum| !sum.is_infinite());
        let text = sum.ok_or(CommandError::new("ERR increment would produce NaN or Infinity"))?.to_text();
        reply.bulk(&text);
        // As in Redis not even a whole number is stored as an integer here.
        slot.put(Text::Short(text).into());
        slot.event(Wanted::STRING, "incrbyfloat");
        Ok(())
    })
}

const CROSSED: CommandError = CommandError::new("ERR LBOUND can't be greater than UBOUND");

/// What INCREX adds, and between which bounds.
#[derive(Clone, Copy)]
enum Increment {
    Int { by: i64, lower: i64, upper: i64 },
    Float { by: Extended, lower: Option<Extended>, upper: Option<Extended> },
}

/// What INCREX adds: the only option that is looked at before all are known.
#[derive(Clone, Copy)]
enum By {
    Int(i64),
    Float(Extended),
}

impl By {
    fn int(word: &[u8]) -> Result<By, CommandError> {
        let wrong = CommandError::new("ERR Increment is not an integer or out of range");
        parse_int(word).map(By::Int).ok_or(wrong)
    }

    fn float(word: &[u8]) -> Result<By, CommandError> {
        let by = Extended::parse(word).ok_or(CommandError::new("ERR Increment is not a valid float"))?;
        if by.is_infinite() {
            return Err(CommandError::new("ERR BYFLOAT increment cannot be Infinity"));
        }
        Ok(By::Float(by))
    }
}

/// INCREX's options, the others as they were typed.
#[derive(Default)]
struct IncrexWords<'a> {
    by: Option<By>,
    saturate: bool,
    lower: Option<&'a [u8]>,
    upper: Option<&'a [u8]>,
    deadline: Option<(Unit, &'a [u8])>,
    persist: bool,
    only_without_deadline: bool,
}

impl<'a> IncrexWords<'a> {
    fn parse(args: Args<'a>) -> Result<Self, CommandError> {
        let mut words = IncrexWords::default();
        let mut at = 0;
        while let Some(word) = args.opt(at) {
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            let operand = args.opt(at + 1);
            let unsaid = words.deadline.is_none() && !words.persist;
            match operand {
                _ if is(b"saturate") && !words.saturate => words.saturate = true,
                _ if is(b"enx") && !words.only_without_deadline => words.only_without_deadline = true,
                _ if is(b"persist") && unsaid => words.persist = true,
                Some(operand) => {
                    at += 1;
                    let by_unsaid = words.by.is_none();
                    match Unit::of_word(word) {
                        Some(unit) if unsaid => words.deadline = Some((unit, operand)),
                        None if is(b"byint") && by_unsaid => words.by = Some(By::int(operand)?),
                        None if is(b"byfloat") && by_unsaid => words.by = Some(By::float(operand)?),
                        None if is(b"lbound") && words.lower.is_none() => words.lower = Some(operand),
                        None if is(b"ubound") && words.upper.is_none() => words.upper = Some(operand),
                        _ => return Err(CommandError::Syntax),
                    }
                }
                None => return Err(CommandError::Syntax),
            }
            at += 1;
        }
        if words.only_without_deadline && words.persist {
            return Err(CommandError::Syntax);
        }
        Ok(words)
    }

    fn increment(&self) -> Result<Increment, CommandError> {
        let by = match self.by.unwrap_or(By::Int(1)) {
            By::Int(by) => by,
            By::Float(by) => return self.float_increment(by),
        };
        let int = |word: Option<&[u8]>, absent, error| match word {
            None => Ok(absent),
            Some(word) => parse_int(word).ok_or(CommandError::new(error)),
        };
        let lower = int(self.lower, i64::MIN, "ERR LBOUND is not an integer or out of range")?;
        let upper = int(self.upper, i64::MAX, "ERR UBOUND is not an integer or out of range")?;
        if lower > upper { Err(CROSSED) } else { Ok(Increment::Int { by, lower, upper }) }
    }

    fn float_increment(&self, by: Extended) -> Result<Increment, CommandError> {
        let float = |word: &[u8], error| Extended::parse(word).ok_or(CommandError::new(error));
        let bound = |word: Option<&[u8]>, error| word.map(|word| float(word, error)).transpose();
        let lower = bound(self.lower, "ERR LBOUND is not a valid float")?;
        let upper = bound(self.upper, "ERR UBOUND is not a valid float")?;
        if let (Some(lower), Some(upper)) = (lower, upper)
            && lower.compare(upper) == Ordering::Greater
        {
            return Err(CROSSED);
        }
        Ok(Increment::Float { by, lower, upper })
    }
}

/// INCREX key [BYFLOAT f | BYINT i] [SATURATE] [LBOUND l] [UBOUND u] [EX s | PX ms | EXAT s | PXAT ms | PERSIST] [ENX]
pub(crate) fn increx(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let words = IncrexWords::parse(args.from(1))?;
    let increment = words.increment()?;
    if words.only_without_deadline && words.deadline.is_none() {
        return Err(CommandError::new("ERR ENX flag requires an expiration"));
    }
    let deadline = match words.deadline {
        Some((unit, argument)) => Some(unit.positive(argument, ctx.reads_as(), ctx.clock, "increx")?),
        None => None,
    };
    let past = deadline.and_then(|deadline| ctx.past(deadline));
    let role = ctx.reads_as();
    ctx.db.edit(args.get(0), |slot| {
        let stored = match increment {
            Increment::Int { by, lower, upper } => {
                let value = integer(slot, role)?;
                let (sum, within) = add_within(value, by, lower, upper);
                reply.array(2);
                if !within && !words.saturate {
                    reply.int(value);
                    reply.int(0);
                    return Ok(());
                }
                reply.int(sum);
                // A step across the whole range may not fit; it is then cut short.
                reply.int(sum.saturating_sub(value));
                Text::Int(sum)
            }
            Increment::Float { by, lower, upper } => {
                let value = float(slot)?;
                if value.is_infinite() {
                    return Err(CommandError::new("ERR value cannot be Infinity"));
                }
                // An infinite sum lies beyond any bound.
                let sum = value.add(by).unwrap_or(value);
                let (lower, upper) = (lower.unwrap_or(Extended::MIN), upper.unwrap_or(Extended::MAX));
                let bounded = if sum.compare(lower) == Ordering::Less {
                    lower
                } else if sum.is_infinite() || sum.compare(upper) == Ordering::Greater {
                    upper
                } else {
                    sum
                };
                if (sum.is_infinite() || bounded != sum) && !words.saturate {
                    reply.array(2);
                    answer_float(&value.to_text(), reply);
                    answer_float(b"0", reply);
                    return Ok(());
                }
                let applied = bounded.add(value.negated()).filter(|applied| !applied.is_infinite());
                let applied = applied.ok_or(CommandError::new("ERR applied increment would be Infinity"))?;
                let sum = bounded.to_text();
                reply.array(2);
                answer_float(&sum, reply);
                answer_float(&applied.to_text(), reply);
                Text::Short(sum)
            }
        };
        let kept = slot.deadline();
        let until = match deadline {
            Some(_) if words.only_without_deadline && kept.is_some() => kept,
            Some(deadline) => Some(deadline),
            None if words.persist => None,
            None => kept,
        };
        let name = if matches!(stored, Text::Int(_)) { "incrby" } else { "incrbyfloat" };
        if let Some(past) = past.filter(|_| until == deadline) {
            past.replaces(slot);
            return Ok(());
        }
        slot.put_until(stored.into(), until);
        slot.event(Wanted::STRING, name);
        if deadline.is_some() && until == deadline {
            slot.event(Wanted::GENERIC, "expire");
        } else if words.persist && kept.is_some() {
            slot.event(Wanted::GENERIC, "persist");
        }
        Ok(())
    })
}

fn answer_float(text: &[u8], reply: &mut Reply) {
    match reply.protocol() {
        Protocol::Resp2 => reply.bulk(text),
        Protocol::Resp3 => reply.double_text(text),
    }
}

/// The sum, kept within the bounds, and whether it had to be.
fn add_within(value: i64, by: i64, lower: i64, upper: i64) -> (i64, bool) {
    let sum = i128::from(value) + i128::from(by);
    let bounded = sum.clamp(i128::from(lower), i128::from(upper));
    // Between two 64-bit bounds it has 64 bits.
    (i64::try_from(bounded).unwrap_or(value), bounded == sum)
}
