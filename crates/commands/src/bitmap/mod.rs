//! Strings as rows of bits, the highest of each byte first.
//!
//! Owns what a bit's place means, and its limits. Never makes a string shorter.

mod bits;
mod field;
mod operation;

pub(crate) use field::{bitfield, bitfield_ro};
pub(crate) use operation::bitop;

use bytes::Bytes;
use protocol::number::parse_int;
use protocol::{Args, Reply, limits};
use storage::value::{Text, TextRef};
use storage::{Slot, Wanted};

use crate::context::{BYTES_AN_ELEMENT, ReadContext, Role, WriteContext};
use crate::error::CommandError;

type Done = Result<(), CommandError>;

/// A string taken from its key, so that counting in it holds no lock: a long one is shared, a short one copied.
enum Taken {
    Short(Vec<u8>),
    Long(Bytes),
}

impl Taken {
    fn bytes(&self) -> &[u8] {
        match self {
            Taken::Short(bytes) => bytes,
            Taken::Long(bytes) => bytes,
        }
    }
}

/// The string at `key`, if there is one.
fn take(ctx: &ReadContext<'_>, key: &[u8]) -> Result<Option<Taken>, CommandError> {
    let Some(found) = ctx.db.get(key) else { return Ok(None) };
    let text = found.text()?;
    ctx.looks_at(text.len() / BYTES_AN_ELEMENT)?;
    Ok(Some(text.shared().map_or_else(|| Taken::Short(text.to_vec()), Taken::Long)))
}

/// A bit's place given as an argument; with `fields` a `#` counts in fields of so many bits.
fn parse_offset(argument: &[u8], role: Role, fields: Option<u32>) -> Result<u64, CommandError> {
    let wrong = CommandError::new("ERR bit offset is not an integer or out of range");
    let (number, width) = match (argument, fields) {
        ([b'#', number @ ..], Some(width)) => (number, u64::from(width)),
        (number, _) => (number, 1),
    };
    let place = role.integer(number).and_then(|place| u64::try_from(place).ok()?.checked_mul(width));
    // What a master sends was checked there, by its own limits.
    let fits = |place: &u64| match role {
        Role::Master => place >> 3 < limits::BULK_BYTES_MAX,
        Role::Replica => i64::try_from(*place).is_ok(),
    };
    place.filter(fits).ok_or(wrong)
}

/// Edits the key's string as bytes, at least so long, whether it is there or not.
///
/// # Errors
/// Another kind of value, or no memory for so many bytes.
fn edit_bytes<R>(
    slot: &mut Slot<'_>,
    len: usize,
    change: impl FnOnce(&mut [u8]) -> R,
) -> Result<R, CommandError> {
    let present = slot.text()?.map_or(0, TextRef::len);
    // A place that a master allows and we have no room for must not end the process.
    let grown = len.saturating_sub(present);
    let mut room: Vec<u8> = Vec::new();
    room.try_reserve_exact(if present == 0 { len } else { grown })
        .map_err(|_| CommandError::StringTooLong)?;
    let change = |bytes: &mut Vec<u8>| {
        if bytes.len() < len {
            bytes.resize(len, 0);
        }
        change(bytes)
    };
    if slot.exists() {
        drop(room);
        let answer = slot.edit(|text: &mut Text| text.edit(change))?;
        return Ok(answer.expect("it exists"));
    }
    let answer = change(&mut room);
    slot.put_until(Text::edited(room).into(), None);
    Ok(answer)
}

/// SETBIT key offset value
pub(crate) fn setbit(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let place = parse_offset(args.get(1), ctx.reads_as(), None)?;
    let value = ctx.reads_as().integer(args.get(2)).filter(|value| (0..=1).contains(value));
    let value = value.ok_or(CommandError::new("ERR bit is not an integer or out of range"))? == 1;
    let index = usize::try_from(place >> 3).map_err(|_| CommandError::StringTooLong)?;
    let mask = 0x80u8 >> (place & 7);
    let before = ctx.db.edit(args.get(0), |slot| {
        let present = slot.text()?.map(TextRef::len);
        let before = edit_bytes(slot, index + 1, |bytes| {
            let Some(byte) = bytes.get_mut(index) else { return false };
            let before = *byte & mask != 0;
            *byte = if value { *byte | mask } else { *byte & !mask };
            before
        })?;
        if before == value && present.is_some_and(|present| present > index) {
            slot.unchanged();
        } else {
            slot.event(Wanted::STRING, "setbit");
        }
        Ok::<_, CommandError>(before)
    })?;
    reply.int(i64::from(before));
    Ok(())
}

/// GETBIT key offset
pub(crate) fn getbit(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let place = parse_offset(args.get(1), Role::Master, None)?;
    let bit = match ctx.db.get(args.get(0)) {
        None => false,
        Some(found) => {
            let mut digits = itoa::Buffer::new();
            let bytes = found.text()?.bytes(&mut digits);
            let byte = usize::try_from(place >> 3).ok().and_then(|index| bytes.get(index));
            byte.is_some_and(|byte| byte & 0x80 >> (place & 7) != 0)
        }
    };
    reply.int(i64::from(bit));
    Ok(())
}

/// A range as it was typed: bytes or bits, negative places from the end.
struct Range {
    start: i64,
    end: i64,
    in_bits: bool,
}

impl Range {
    /// The bits from the first to the last, both included; `None` when there are none.
    fn resolve(&self, bytes: &[u8]) -> Option<(u64, u64)> {
        let length = i64::try_from(bytes.len()).ok()?;
        let length = if self.in_bits { length.checked_mul(8)? } else { length };
        let from_front = |place: i64| if place < 0 { place.saturating_add(length).max(0) } else { place };
        let (start, end) = (from_front(self.start), from_front(self.end).min(length - 1));
        if start > end {
            return None;
        }
        let (start, end) = (u64::try_from(start).ok()?, u64::try_from(end).ok()?);
        Some(if self.in_bits { (start, end) } else { (start * 8, end * 8 + 7) })
    }
}

fn parse_unit(word: &[u8]) -> Result<bool, CommandError> {
    if word.eq_ignore_ascii_case(b"bit") {
        Ok(true)
    } else if word.eq_ignore_ascii_case(b"byte") {
        Ok(false)
    } else {
        Err(CommandError::Syntax)
    }
}

/// BITCOUNT key [start end [BYTE | BIT]]
pub(crate) fn bitcount(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let int = |index: usize| parse_int(args.get(index)).ok_or(CommandError::NotInteger);
    let range = match args.len() {
        1 => Range { start: 0, end: -1, in_bits: false },
        2 if ctx.dialect.counts_bits_to_the_end() => Range { start: int(1)?, end: -1, in_bits: false },
        3 => Range { start: int(1)?, end: int(2)?, in_bits: false },
        4 => {
            let (start, end) = (int(1)?, int(2)?);
            Range { start, end, in_bits: parse_unit(args.get(3))? }
        }
        _ => return Err(CommandError::Syntax),
    };
    let taken = take(ctx, args.get(0))?;
    let bytes = taken.as_ref().map_or(&[][..], Taken::bytes);
    // BITPOS looks at the first byte then, once both are taken for it.
    let backwards = range.start < 0 && range.end < 0 && range.start > range.end;
    let bits = if backwards { None } else { range.resolve(bytes) };
    let count = bits.map_or(0, |(first, last)| bits::count(bytes, first, last));
    reply.int(i64::try_from(count).unwrap_or(i64::MAX));
    Ok(())
}

/// BITPOS key bit [start [end [BYTE | BIT]]]
pub(crate) fn bitpos(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let int = |index: usize| parse_int(args.get(index)).ok_or(CommandError::NotInteger);
    let bit = match int(1)? {
        0 => false,
        1 => true,
        _ => return Err(CommandError::new("ERR The bit argument must be 1 or 0.")),
    };
    let missing = |reply: &mut Reply| {
        // A missing string is a row of zeros without end.
        reply.int(if bit { -1 } else { 0 });
    };
    if ctx.dialect.reads_range_of_bits_last() && take(ctx, args.get(0))?.is_none() {
        missing(reply);
        return Ok(());
    }
    if args.len() > 5 {
        return Err(CommandError::Syntax);
    }
    let start = if args.len() > 2 { int(2)? } else { 0 };
    let in_bits = args.opt(4).map_or(Ok(false), parse_unit)?;
    let end_given = args.len() > 3;
    let end = if end_given { int(3)? } else { -1 };
    let Some(taken) = take(ctx, args.get(0))? else {
        missing(reply);
        return Ok(());
    };
    let bytes = taken.bytes();
    let found = Range { start, end, in_bits }.resolve(bytes).and_then(|(first, last)| {
        let found = bits::find(bytes, bit, first, last);
        // Behind the string, zeros go on, unless an end was given.
        found.or((!bit && !end_given).then_some(last + 1))
    });
    reply.int(found.and_then(|place| i64::try_from(place).ok()).unwrap_or(-1));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::Dialect;
    use crate::testing::Session;

    #[test]
    fn transcripts_of_a_real_server() {
        Session::new().transcript(include_str!("../../tests/transcripts/bitmap.txt"));
    }

    /// As valkey-8.0 to valkey-9.1 have it, and redis-8.10.
    #[test]
    fn bits_to_the_end_are_counted_as_on_the_followed_master() {
        for (dialect, of_start, of_none) in [
            (Dialect::valkey(8, 0), ":7|", ":0|"),
            (Dialect::valkey(9, 1), ":7|", ":0|"),
            (Dialect::NEWEST, "-ERR syntax error|", "-ERR syntax error|"),
        ] {
            let session = Session { dialect, ..Session::new() };
            session.run("SET k abc");
            assert_eq!(session.run("BITCOUNT k 1"), of_start, "{dialect:?}");
            assert_eq!(session.run("BITCOUNT none 1"), of_none, "{dialect:?}");
        }
    }

    #[test]
    fn a_master_may_set_bits_that_clients_may_not() {
        assert_eq!(
            Session::replica().run("SETBIT k 9223372036854775808 1"),
            "-ERR bit offset is not an integer or out of range|"
        );
        // No room for that, and the process lives on.
        assert_eq!(
            Session::replica().run("SETBIT k 9223372036854775807 1"),
            "-ERR string exceeds maximum allowed size (proto-max-bulk-len)|"
        );
    }
}
