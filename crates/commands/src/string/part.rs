//! Parts of strings: length, ranges, and edits at a place.
//!
//! Owns how negative places count. Never changes a string's deadline.

use protocol::number::parse_int;
use protocol::{Args, Reply, limits};
use storage::Wanted;
use storage::value::{Text, TextRef};

use super::Done;
use crate::context::{ReadContext, Role, WriteContext};
use crate::error::CommandError;

/// STRLEN key
pub(crate) fn strlen(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    match ctx.db.get(args.get(0)) {
        Some(found) => reply.len_int(found.text()?.len()),
        None => reply.int(0),
    }
    Ok(())
}

/// GETRANGE key start end
pub(crate) fn getrange(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let start = parse_int(args.get(1)).ok_or(CommandError::NotInteger)?;
    let end = parse_int(args.get(2)).ok_or(CommandError::NotInteger)?;
    let Some(found) = ctx.db.get(args.get(0)) else {
        reply.bulk(b"");
        return Ok(());
    };
    let text = found.text()?;
    let mut digits = itoa::Buffer::new();
    let bytes = text.bytes(&mut digits);
    let range = inclusive_range(start, end, bytes.len());
    match text.shared() {
        Some(shared) => reply.bulk_shared(shared.slice(range)),
        None => reply.bulk(bytes.get(range).unwrap_or_default()),
    }
    Ok(())
}

/// SUBSTR key start end: GETRANGE's old name
pub(crate) fn substr(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    getrange(ctx, args, reply)
}

/// The bytes from `start` to `end`, both included, negative ones counted from the end, of `len`.
pub(crate) fn inclusive_range(start: i64, end: i64, len: usize) -> std::ops::Range<usize> {
    let Ok(length) = i64::try_from(len) else { return 0..0 };
    if start < 0 && end < 0 && start > end {
        return 0..0;
    }
    let from_front = |place: i64| if place < 0 { place.saturating_add(length).max(0) } else { place };
    let (start, end) = (from_front(start), from_front(end).min(length - 1));
    match (usize::try_from(start), usize::try_from(end)) {
        (Ok(start), Ok(end)) if start <= end => start..end + 1,
        _ => 0..0,
    }
}

/// Refuses a string longer than a server stores. What a master sends was checked there, by its own limits.
pub(crate) fn check_length(role: Role, len: Option<u64>) -> Result<(), CommandError> {
    match len {
        Some(len) if role == Role::Replica || len <= limits::BULK_BYTES_MAX => Ok(()),
        _ => Err(CommandError::StringTooLong),
    }
}

/// APPEND key value
pub(crate) fn append(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let (added, role) = (args.get(1), ctx.role);
    ctx.db.edit(args.get(0), |slot| {
        let len = match slot.text()?.map(TextRef::len) {
            None => {
                slot.put_text_until(added, None);
                added.len()
            }
            Some(len) => {
                check_length(role, (len as u64).checked_add(added.len() as u64))?;
                slot.edit(|text: &mut Text| text.edit(|bytes| bytes.extend_from_slice(added)))?;
                len + added.len()
            }
        };
        slot.event(Wanted::STRING, "append");
        reply.len_int(len);
        Ok(())
    })
}

/// SETRANGE key offset value
pub(crate) fn setrange(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let offset = ctx.reads_as().integer(args.get(1)).ok_or(CommandError::NotInteger)?;
    let offset = u64::try_from(offset).map_err(|_| CommandError::new("ERR offset is out of range"))?;
    let (value, role) = (args.get(2), ctx.role);
    ctx.db.edit(args.get(0), |slot| {
        let len = slot.text()?.map(TextRef::len);
        if value.is_empty() {
            reply.len_int(len.unwrap_or(0));
            return Ok(());
        }
        check_length(role, offset.checked_add(value.len() as u64))?;
        let offset = usize::try_from(offset).map_err(|_| CommandError::StringTooLong)?;
        let end = offset.checked_add(value.len()).ok_or(CommandError::StringTooLong)?;
        // A place that a master allows and we have no room for must not end the process.
        let mut room: Vec<u8> = Vec::new();
        room.try_reserve_exact(end.saturating_sub(len.unwrap_or(0)))
            .map_err(|_| CommandError::StringTooLong)?;
        let write = |bytes: &mut Vec<u8>| {
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            if let Some(place) = bytes.get_mut(offset..end) {
                place.copy_from_slice(value);
            }
            bytes.len()
        };
        let len = match slot.edit(|text: &mut Text| text.edit(write))? {
            Some(len) => len,
            None => {
                let mut bytes = room;
                let len = write(&mut bytes);
                slot.put_until(Text::edited(bytes).into(), None);
                len
            }
        };
        slot.event(Wanted::STRING, "setrange");
        reply.len_int(len);
        Ok(())
    })
}
