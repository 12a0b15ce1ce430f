//! Streams and their groups.
//!
//! Owns the syntax and the answers of stream commands, and how they read IDs. Never waits: XREAD and XREADGROUP with
//! BLOCK that find nothing answer [`CommandError::Wait`], and who runs them decides.

mod add;
mod claim;
mod delete;
mod group;
mod id;
mod idempotency;
mod info;
mod pending;
mod range;
mod read;
mod trim;

use storage::value::Stream;
use storage::value::stream::{Entry, LagRule, StreamId};
use storage::{EntryView, Ref, WrongKind};

use protocol::Reply;

use crate::error::printed;
use crate::{CommandError, Dialect};

pub(crate) use add::xadd;
pub(crate) use claim::{xautoclaim, xclaim, xnack};
pub(crate) use delete::{xackdel, xdel, xdelex};
pub(crate) use group::{
    xack, xgroup_create, xgroup_createconsumer, xgroup_delconsumer, xgroup_destroy, xgroup_help,
    xgroup_setid, xsetid,
};
pub(crate) use idempotency::{xcfgset, xidmprecord};
pub(crate) use info::{xinfo_consumers, xinfo_groups, xinfo_help, xinfo_stream};
pub(crate) use pending::xpending;
pub(crate) use range::{xlen, xrange, xrevrange};
pub(crate) use read::{xread, xreadgroup};
pub(crate) use trim::xtrim;

/// The stream that was found, if any was.
fn stream<'r>(found: &'r Option<Ref<'_>>) -> Result<Option<&'r Stream>, WrongKind> {
    found.as_deref().map(EntryView::stream).transpose()
}

/// By whose rules a group's lag is guessed.
fn lag_rule(dialect: Dialect) -> LagRule {
    match () {
        () if dialect.is_valkey() && (dialect.major, dialect.minor) >= (8, 1) => LagRule::Valkey,
        () if dialect.is_redis_from(8, 0) => LagRule::Redis8,
        () => LagRule::Redis7,
    }
}

/// Answers with an ID.
fn reply_id(reply: &mut Reply, id: StreamId) {
    reply.bulk(id.text().as_bytes());
}

/// Answers with an entry: its ID, and its fields in a row.
fn reply_entry(reply: &mut Reply, entry: Entry<'_>) {
    reply.array(2);
    reply_id(reply, entry.id);
    reply_fields(reply, entry);
}

/// Answers with an entry's fields in a row.
fn reply_fields(reply: &mut Reply, entry: Entry<'_>) {
    reply.array(entry.fields.len() * 2);
    for (name, value) in entry.fields {
        reply_item(reply, name);
        reply_item(reply, value);
    }
}

/// Answers with one element of a listpack.
fn reply_item(reply: &mut Reply, item: storage::packed::Item<'_>) {
    match item {
        storage::packed::Item::Int(value) => reply.bulk_int(value),
        storage::packed::Item::Str(bytes) => reply.bulk(bytes),
    }
}

/// An integer.
fn integer(arg: &[u8]) -> Result<i64, CommandError> {
    protocol::number::parse_int(arg).ok_or(CommandError::NotInteger)
}

/// An integer, or this error.
fn integer_or(arg: &[u8], error: &'static str) -> Result<i64, CommandError> {
    protocol::number::parse_int(arg).ok_or(CommandError::new(error))
}

/// An error that repeats names of the request.
fn error_with(parts: &[&[u8]]) -> CommandError {
    CommandError::Bytes(parts.concat())
}

/// There is no such key, or no such group in its stream.
fn no_group(key: &[u8], group: &[u8]) -> CommandError {
    let (key, group) = (printed(key), printed(group));
    error_with(&[b"NOGROUP No such key '", key, b"' or consumer group '", group, b"'"])
}

/// There is no such group in the stream.
fn no_group_in(key: &[u8], group: &[u8]) -> CommandError {
    let (key, group) = (printed(key), printed(group));
    error_with(&[b"NOGROUP No such consumer group '", group, b"' for key name '", key, b"'"])
}

#[cfg(test)]
mod tests;
