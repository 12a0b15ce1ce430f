//! The data set of nearside: `Store` → `Db` → keyspace → `Entry` → `Value`, and the rules of sharing it.
//!
//! Owns every key and value, deadlines, scan cursors and memory accounting.
//! Never knows a wire format; never deletes an expired key by itself while a replica.

// In reading order.
mod store;
mod db;
mod writer;
mod slot;
mod scan;
mod watch;
mod functions;
mod load;

mod gate;
#[cfg(test)]
mod gate_model;
mod primitives;
mod threads;

mod entry;
mod keyspace;
mod reclaim;

mod time;

pub mod glob;
pub mod packed;
pub mod score;
pub mod value;

pub use db::Db;
pub use entry::{EntryView, Usage};
pub use functions::{Functions, Library};
pub use keyspace::{KeyHash, Ref, Refs};
pub use load::{KeyMeta, LoadBusy, LoadError, Loading};
pub use scan::ScanCursor;
pub use slot::Slot;
pub use store::{GateOpened, Hashed, Reader, Store, StoreConfig};
pub use time::{DbIndex, UnixMillis};
pub use value::{Kind, Limits, Value, ValueKind, ValueRef, WrongKind};
pub use watch::Watch;
pub use writer::{DbMut, Exclusive, SetAside, Writer};
