//! Hashes, and the deadlines of their fields.
//!
//! A field past its deadline is hidden from every read (HLEN counts it, as in Redis and Valkey), and goes only when
//! the master says so. A field whose deadline lies in the past when it is set goes at once on a master; on a replica
//! it gets that deadline, for the master has said HDEL where it meant it.

mod deadlines;
mod fields;
mod hidden;
mod import;
mod read;
mod write;

pub(crate) use deadlines::{
    hexpire, hexpireat, hexpiretime, hpersist, hpexpire, hpexpireat, hpexpiretime, hpttl, httl,
};
pub(crate) use fields::{hgetdel, hgetex, hsetex};
pub use import::Fieldsets;
pub(crate) use import::himport_set;
pub(crate) use read::parse_count;
pub(crate) use read::{hexists, hget, hgetall, hkeys, hlen, hmget, hrandfield, hscan, hstrlen, hvals};
pub(crate) use write::{hdel, hincrby, hincrbyfloat, hmset, hset, hsetnx};

use storage::value::hash::DeadlineForm;

use crate::Dialect;

/// What a small hash becomes when a field of it gets a deadline.
fn deadline_form(dialect: Dialect) -> DeadlineForm {
    if dialect.is_valkey() { DeadlineForm::Big } else { DeadlineForm::Packed }
}

#[cfg(test)]
mod tests;
