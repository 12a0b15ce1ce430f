//! The data set of nearside: `Store` → `Db` → keyspace → `Entry` → `Value`, and the rules of sharing it.
//!
//! Owns every key and value, deadlines, scan cursors and memory accounting.
//! Never knows a wire format; never deletes an expired key by itself while a replica.

mod time;

pub mod glob;
pub mod packed;
pub mod score;
pub mod value;

pub use time::{DbIndex, UnixMillis};
pub use value::{Kind, Limits, Value, ValueRef, WrongKind};
