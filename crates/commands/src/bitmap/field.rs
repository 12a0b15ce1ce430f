//! BITFIELD: integers of any width, anywhere in a string.
//!
//! Owns their widths, signs and overflows. Never reads outside the string: what lies behind it is zero.

use protocol::number::parse_int;
use protocol::{Args, Reply};

use super::{Done, edit_bytes, parse_offset};
use storage::Wanted;

use crate::context::{ReadContext, Role, WriteContext};
use crate::error::CommandError;

/// What happens to a value that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

/// A field's width and sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Width {
    signed: bool,
    bits: u32,
}

impl Width {
    fn parse(word: &[u8]) -> Result<Width, CommandError> {
        let parsed = match word {
            [b'i', bits @ ..] => Some((true, bits, 64)),
            [b'u', bits @ ..] => Some((false, bits, 63)),
            _ => None,
        };
        let width = parsed.and_then(|(signed, bits, most)| {
            let bits = u32::try_from(parse_int(bits)?).ok().filter(|bits| (1..=most).contains(bits))?;
            Some(Width { signed, bits })
        });
        width.ok_or(CommandError::new(
            "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
        ))
    }

    fn range(self) -> (i128, i128) {
        if self.signed {
            (-(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1)
        } else {
            (0, (1 << self.bits) - 1)
        }
    }

    /// The field's value from its bits, which stand lowest.
    fn value(self, bits: u64) -> i128 {
        let value = i128::from(bits);
        if self.signed && bits >> (self.bits - 1) == 1 { value - (1 << self.bits) } else { value }
    }

    /// The value as it fits, and whether it had to be changed for that.
    fn fit(self, value: i128, overflow: Overflow) -> (i128, bool) {
        let (least, most) = self.range();
        if (least..=most).contains(&value) {
            return (value, false);
        }
        let fitted = match overflow {
            Overflow::Saturate => value.clamp(least, most),
            Overflow::Wrap | Overflow::Fail => {
                let span = 1i128 << self.bits;
                let low = value.rem_euclid(span);
                if low > most { low - span } else { low }
            }
        };
        (fitted, true)
    }
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Get,
    Set(i64),
    IncrBy(i64),
}

#[derive(Clone, Copy, Debug)]
struct Operation {
    action: Action,
    overflow: Overflow,
    width: Width,
    offset: u64,
}

impl Operation {
    /// How many bytes the string must have for it.
    fn bytes(&self) -> Option<usize> {
        let last = self.offset.checked_add(u64::from(self.width.bits) - 1)?;
        usize::try_from(last >> 3).ok()?.checked_add(1)
    }
}

fn parse(args: Args<'_>, role: Role, read_only: bool) -> Result<Vec<Operation>, CommandError> {
    let mut operations = Vec::new();
    let mut overflow = Overflow::Wrap;
    let mut at = 0;
    while at < args.len() {
        let left = args.len() - at - 1;
        let takes = |word: &str, operands: usize| args.is_word(at, word) && left >= operands;
        if takes("overflow", 1) {
            overflow = match () {
                () if args.is_word(at + 1, "wrap") => Overflow::Wrap,
                () if args.is_word(at + 1, "sat") => Overflow::Saturate,
                () if args.is_word(at + 1, "fail") => Overflow::Fail,
                () => return Err(CommandError::new("ERR Invalid OVERFLOW type specified")),
            };
            at += 2;
            continue;
        }
        let is_get = takes("get", 2);
        let is_set = takes("set", 3);
        if !is_get && !is_set && !takes("incrby", 3) {
            return Err(CommandError::Syntax);
        }
        let width = Width::parse(args.get(at + 1))?;
        let offset = parse_offset(args.get(at + 2), role, Some(width.bits))?;
        let action = if is_get {
            at += 3;
            Action::Get
        } else {
            if read_only {
                return Err(CommandError::new("ERR BITFIELD_RO only supports the GET subcommand"));
            }
            let value = parse_int(args.get(at + 3)).ok_or(CommandError::NotInteger)?;
            at += 4;
            if is_set { Action::Set(value) } else { Action::IncrBy(value) }
        };
        operations.push(Operation { action, overflow, width, offset });
    }
    Ok(operations)
}

/// The bits of a field, lowest last.
fn read(bytes: &[u8], operation: &Operation) -> u64 {
    let mut bits = 0;
    for place in operation.offset..operation.offset + u64::from(operation.width.bits) {
        let byte = usize::try_from(place >> 3).ok().and_then(|index| bytes.get(index)).copied().unwrap_or(0);
        bits = bits << 1 | u64::from(byte >> (7 - (place & 7)) & 1);
    }
    bits
}

/// Puts the lowest bits of `value` there.
fn write(bytes: &mut [u8], operation: &Operation, value: i128) {
    let bits = operation.width.bits;
    for step in 0..bits {
        let place = operation.offset + u64::from(step);
        let Some(byte) = usize::try_from(place >> 3).ok().and_then(|index| bytes.get_mut(index)) else {
            return;
        };
        let mask = 0x80 >> (place & 7);
        if value >> (bits - 1 - step) & 1 == 1 {
            *byte |= mask;
        } else {
            *byte &= !mask;
        }
    }
}

/// Carries an operation out; `None` when it fails by overflow. In a value that `grows` whatever is set is a change.
fn run(bytes: &mut [u8], operation: &Operation, grows: bool, changes: &mut usize) -> Option<i128> {
    let Operation { width, overflow, .. } = *operation;
    let present = width.value(read(bytes, operation));
    let (answer, (value, overflowed)) = match operation.action {
        Action::Get => return Some(present),
        Action::Set(value) => {
            // An unsigned field takes a negative number by its bits, as C converts it.
            let value = if width.signed { i128::from(value) } else { i128::from(value.cast_unsigned()) };
            // Redis subtracts in 64 bits, and takes the lowest numbers for ones above the range, if that has fewer
            // bits.
            let (least, most) = width.range();
            let fitted = match overflow {
                Overflow::Saturate if value < least && most - value > i128::from(i64::MAX) => (most, true),
                _ => width.fit(value, overflow),
            };
            (present, fitted)
        }
        Action::IncrBy(by) => {
            let fitted = width.fit(present + i128::from(by), overflow);
            (fitted.0, fitted)
        }
    };
    if overflowed && overflow == Overflow::Fail {
        return None;
    }
    *changes += usize::from(grows || value != present);
    write(bytes, operation, value);
    Some(answer)
}

fn answer(value: Option<i128>, reply: &mut Reply) {
    match value {
        // A field has 64 bits with a sign, or 63 without.
        Some(value) => reply.int(i64::try_from(value).unwrap_or(i64::MAX)),
        None => reply.null(),
    }
}

/// BITFIELD key [GET type offset | [OVERFLOW WRAP | SAT | FAIL] SET type offset value | INCRBY type offset increment …]
pub(crate) fn bitfield(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let operations = parse(args.from(1), ctx.role, false)?;
    let writes = operations.iter().filter(|operation| !matches!(operation.action, Action::Get));
    let mut len = None;
    for operation in writes {
        let bytes = operation.bytes().ok_or(CommandError::StringTooLong)?;
        len = len.max(Some(bytes));
    }
    let Some(len) = len else { return get(&ctx.as_read(), args.get(0), &operations, reply) };
    let mark = reply.mark();
    ctx.db
        .edit(args.get(0), |slot| {
            let grows = slot.text()?.is_none_or(|text| text.len() < len);
            let mut changes = 0;
            edit_bytes(slot, len, |bytes| {
                reply.array(operations.len());
                for operation in &operations {
                    answer(run(bytes, operation, grows, &mut changes), reply);
                }
            })?;
            if changes > 0 {
                slot.counts(changes);
                slot.event(Wanted::STRING, "setbit");
            } else if grows {
                // By what came to nothing: as in Redis nobody hears of it.
                slot.counts(0);
                slot.quietly();
            } else {
                slot.unchanged();
            }
            Ok(())
        })
        .inspect_err(|_| reply.rollback(mark))
}

/// BITFIELD_RO key [GET type offset …]
pub(crate) fn bitfield_ro(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let operations = parse(args.from(1), Role::Master, true)?;
    get(ctx, args.get(0), &operations, reply)
}

fn get(ctx: &ReadContext<'_>, key: &[u8], operations: &[Operation], reply: &mut Reply) -> Done {
    let found = ctx.db.get(key);
    let mut digits = itoa::Buffer::new();
    let bytes = match &found {
        None => &[][..],
        Some(found) => found.text()?.bytes(&mut digits),
    };
    reply.array(operations.len());
    for operation in operations {
        answer(Some(operation.width.value(read(bytes, operation))), reply);
    }
    Ok(())
}
