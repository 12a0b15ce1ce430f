//! Arrays (Redis 8.8): values by index.
//!
//! Owns the syntax and the answers of array commands. Never knows how an array is laid out.

mod aggregate;
mod grep;
mod pattern;
mod read;
mod write;

use storage::value::Array;
use storage::value::array::{Element, INDEX_MAX};
use storage::{EntryView, Ref, WrongKind};

use protocol::number::{parse_int, parse_uint_loose};
use protocol::{Protocol, Reply};

use crate::CommandError;

pub(crate) use aggregate::arop;
pub(crate) use grep::argrep;
pub(crate) use read::{arcount, arget, argetrange, arinfo, arlastitems, arlen, armget, arnext, arscan};
pub(crate) use write::{ardel, ardelrange, arinsert, armset, arring, arseek, arset};

const INVALID_INDEX: CommandError = CommandError::new("ERR invalid array index");

/// An index.
fn index(arg: &[u8]) -> Result<u64, CommandError> {
    parse_uint_loose(arg).filter(|index| *index <= INDEX_MAX).ok_or(INVALID_INDEX)
}

/// LIMIT's number.
fn limit(arg: &[u8]) -> Result<usize, CommandError> {
    let limit = parse_int(arg).ok_or(CommandError::NotInteger)?;
    usize::try_from(limit)
        .ok()
        .filter(|limit| *limit > 0)
        .ok_or(CommandError::new("ERR LIMIT must be positive"))
}

/// The array that was found, if any was.
fn array<'r>(found: &'r Option<Ref<'_>>) -> Result<Option<&'r Array>, WrongKind> {
    found.as_deref().map(EntryView::array).transpose()
}

/// What stands from one index to another, backwards when the first is the higher.
fn walk(array: Option<&Array>, start: u64, end: u64) -> impl Iterator<Item = (u64, Element<'_>)> {
    let upwards = array.filter(|_| start <= end).map(|array| array.range(start..=end));
    let downwards = array.filter(|_| start > end).map(|array| array.range(end..=start).rev());
    upwards.into_iter().flatten().chain(downwards.into_iter().flatten())
}

/// Answers with an index or a number of them: an integer, unless it is above what an integer can be.
fn reply_index(reply: &mut Reply, index: u64) {
    match i64::try_from(index) {
        Ok(index) => reply.int(index),
        Err(_) => {
            let mut buffer = itoa::Buffer::new();
            let digits = buffer.format(index);
            match reply.protocol() {
                Protocol::Resp2 => reply.bulk(digits.as_bytes()),
                Protocol::Resp3 => reply.big_number(digits),
            }
        }
    }
}

/// Answers with a value, or null.
fn reply_value(reply: &mut Reply, value: Option<Element<'_>>) {
    match value {
        Some(value) => reply.bulk(value.as_bytes()),
        None => reply.null(),
    }
}

/// Answers with an index and its value.
fn reply_pair(reply: &mut Reply, index: u64, value: &[u8]) {
    reply.array(2);
    reply_index(reply, index);
    reply.bulk(value);
}

#[cfg(test)]
mod tests;
