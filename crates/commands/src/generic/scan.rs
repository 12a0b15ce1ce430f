//! Walks over all keys: in one go, or step by step.
//!
//! Owns the options. Never keeps anything between two steps: the cursor says it all.

use protocol::number::parse_int;
use protocol::{Args, Reply};
use storage::{ScanCursor, glob};

use super::Done;
use crate::context::ReadContext;
use crate::error::CommandError;
use crate::scan_options::{NOVALUES_ELSEWHERE, parse_cursor};

/// About how many keys a step visits when it is not told.
const COUNT_DEFAULT: usize = 10;

/// So many keys tell how long the others are.
const KEYS_SAMPLED: usize = 1024;

/// KEYS pattern
pub(crate) fn keys(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    ctx.looks_at_everything()?;
    let pattern = args.get(0);
    let every = pattern == b"*";
    let start = reply.mark();
    let mark = reply.defer();
    let mut count = 0;
    ctx.db.for_each(|key, _| {
        if every || glob::matches(pattern, key) {
            count += 1;
            reply.bulk(key);
            if every && count == KEYS_SAMPLED {
                // All the room at once, a little more than it will take: a buffer that grows is copied.
                let each = reply.len_since(start).div_ceil(KEYS_SAMPLED) + 1;
                reply.reserve(ctx.db.len().saturating_sub(count).saturating_mul(each));
            }
        }
    });
    reply.array_at(mark, count);
    Ok(())
}

/// SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]
pub(crate) fn scan(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let cursor = parse_cursor(args.get(0))?;
    let (mut count, mut pattern, mut kind) = (COUNT_DEFAULT, None, None);
    for option in args.from(1).as_slice().chunks(2) {
        let is = |name: &[u8]| option.first().is_some_and(|word| word.eq_ignore_ascii_case(name));
        if is(b"novalues") {
            return Err(NOVALUES_ELSEWHERE);
        }
        let [_, value] = option else { return Err(CommandError::Syntax) };
        if is(b"count") {
            let wanted = parse_int(value).ok_or(CommandError::NotInteger)?;
            if wanted < 1 {
                return Err(CommandError::Syntax);
            }
            count = usize::try_from(wanted).unwrap_or(usize::MAX);
        } else if is(b"match") {
            pattern = (*value != b"*").then_some(*value);
        } else if is(b"type") {
            kind = Some(*value);
        } else {
            return Err(CommandError::Syntax);
        }
    }
    ctx.looks_at(count.min(ctx.db.len()))?;
    let mut found = Reply::new(reply.protocol());
    let mut visited = 0;
    let next = ctx.db.scan_all(ScanCursor(cursor), count, |key, entry| {
        if pattern.is_some_and(|pattern| !glob::matches(pattern, key)) {
            return;
        }
        let is_kind = kind.is_none_or(|kind| entry.type_name().as_bytes().eq_ignore_ascii_case(kind));
        if entry.is_visible(ctx.now) {
            if is_kind {
                visited += 1;
                found.bulk(key);
            }
        } else if is_kind || !ctx.dialect.is_valkey() {
            ctx.db.met_expired(key);
        }
    });
    reply.array(2);
    reply.bulk(itoa::Buffer::new().format(next.0).as_bytes());
    reply.array(visited);
    reply.append(found);
    Ok(())
}
