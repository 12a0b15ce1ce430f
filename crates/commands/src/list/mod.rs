//! Lists.
//!
//! Owns the syntax and the answers of list commands. Never blocks: who finds nothing says so, see
//! [`crate::wait`]. (In a stream BLPOP and its kin arrive as the commands they became.)

mod change;
mod pop;
mod read;
mod transfer;

use storage::packed::Item;
use storage::value::list::End;

use protocol::{Args, Reply};

use crate::{CommandError, Role};

pub(crate) use change::{linsert, lpush, lpushx, lrem, lset, ltrim, rpush, rpushx};
pub(crate) use pop::{blmpop, blpop, brpop, lmpop, lpop, rpop};
pub(crate) use read::{lindex, llen, lpos, lrange};
pub(crate) use transfer::{blmove, blmovem, brpoplpush, lmove, lmovem, rpoplpush};

/// `LEFT` or `RIGHT`.
fn end_named(word: &[u8]) -> Option<End> {
    match word {
        word if word.eq_ignore_ascii_case(b"left") => Some(End::Head),
        word if word.eq_ignore_ascii_case(b"right") => Some(End::Tail),
        _ => None,
    }
}

/// The same, of an argument.
fn end(args: Args<'_>, index: usize) -> Result<End, CommandError> {
    end_named(args.get(index)).ok_or(CommandError::Syntax)
}

/// An integer from `lowest` on, or this error.
fn at_least(arg: &[u8], lowest: i64, error: CommandError) -> Result<usize, CommandError> {
    let number = protocol::number::parse_int(arg).filter(|number| *number >= lowest);
    number.and_then(|number| usize::try_from(number).ok()).ok_or(error)
}

/// An integer, for who asks in this role.
fn integer(arg: &[u8], role: Role) -> Result<i64, CommandError> {
    role.integer(arg).ok_or(CommandError::NotInteger)
}

/// The same, of which the negative is one too.
fn symmetric(arg: &[u8], role: Role) -> Result<i64, CommandError> {
    match integer(arg, role)? {
        i64::MIN => Err(CommandError::new(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        )),
        number => Ok(number),
    }
}

/// Answers with one element.
fn element(reply: &mut Reply, element: Item<'_>) {
    match element {
        Item::Int(value) => reply.bulk_int(value),
        Item::Str(bytes) => reply.bulk(bytes),
    }
}

/// The first element and the number of elements that `start` and `end` mean in a list of `len`.
fn range(start: i64, end: i64, len: usize) -> (usize, usize) {
    let all = i64::try_from(len).unwrap_or(i64::MAX);
    let absolute = |index: i64| if index < 0 { index.saturating_add(all) } else { index };
    let (start, end) = (absolute(start).max(0), absolute(end).min(all.saturating_sub(1)));
    if start > end {
        return (0, 0);
    }
    // Both stand between 0 and `len` now.
    (usize::try_from(start).unwrap_or(0), usize::try_from(end - start + 1).unwrap_or(0))
}

#[cfg(test)]
mod tests;
