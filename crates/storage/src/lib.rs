//! The data set of nearside: `Store` → `Db` → keyspace → `Entry` → `Value`, and the rules of sharing it.
//!
//! Owns every key and value, deadlines, scan cursors and memory accounting.
//! Never knows a wire format; never deletes an expired key by itself while a replica; never asks what time it is.
//!
//! # How data lies
//! A [`Store`] has numbered databases; each that ever had a key has a keyspace, which is a `DashMap` of at least 2,048
//! shards used through its raw api: tables of slot words, each the address of one entry. An entry is one allocation
//! with key, value and deadline; values too big for that are behind one pointer. A shard's number and 16 bits of the
//! slot word tell the highest bits of the key's hash, so that SCAN's cursor is a position in hash order
//! ([`ScanCursor`]), whatever becomes of the tables meanwhile.
//!
//! # Where the bytes of a key go
//! A string of 16 + 100 bytes: 128 the entry (6 + 116, rounded up to the allocator's class), and its share of the
//! table: 9 a bucket (8 the word, 1 the control byte), 80 % of which are full, see `keyspace::table`.
//! `benches/README.md` has what a key takes of the process, and what the process takes by itself.
//!
//! # Who may do what
//! The *token* ([`Writer`]) is had by one at a time, who alone changes data: [`DbMut::edit`] locks one key's shard,
//! lends its [`Slot`], unlocks, and frees afterwards. The *gate* has a slot for each reading thread ([`Reader`]); the
//! token's holder closes it ([`Writer::close_gate`]) around what is to be seen at once though it is several keys.
//! Order: token, gate, shards. Nobody waits for the token inside a slot. A [`Ref`] holds its shard's read lock, so it
//! is let go before the next edit (the borrow checker sees to that for one database), and never lives across a wait.
//!
//! # How it is replaced
//! [`Store::begin_load`] builds a second data set beside the one that is read; entries that did not change are shared
//! between both, and [`Loading::commit`] swaps everything at once.
//!
//! # How it is kept while it changes
//! [`Store::begin_snapshot`] keeps one moment of the data: a walk in short steps hands every entry to a [`Recorder`],
//! and what is about to be changed before the walk has come there is handed over first.

// In reading order.
mod store;
mod db;
mod writer;
mod slot;
mod scan;
mod watch;
mod news;
mod functions;
mod load;
mod snapshot;
mod expire;
mod memory;

mod caution;
mod gate;
#[cfg(test)]
mod model;
mod primitives;
mod threads;

mod entry;
mod usage;
mod keyspace;
mod reclaim;

mod time;

pub mod glob;
pub mod packed;
pub mod score;
pub mod value;

pub use db::{Db, Lookups, LookupsUntil, Missed};
pub use entry::EntryView;
pub use functions::{Functions, Library};
pub use keyspace::{KeyHash, Ref, Refs};
pub use load::{KeyMeta, LoadBusy, LoadError, Loading};
pub use memory::DbStats;
pub use news::{Listener, News, Wanted};
pub use scan::ScanCursor;
pub use slot::Slot;
pub use snapshot::{Progress, Recorder, Snapshot, SnapshotBusy, SnapshotOver, Taken};
pub use store::{GateOpened, Hashed, Reader, Store, StoreConfig};
pub use time::{DbIndex, UnixMillis};
pub use usage::{Noted, Usage, UsageRules};
pub use value::{Kind, Limits, Value, ValueKind, ValueRef, WrongKind};
pub use watch::{Awaited, Touched, Watch};
pub use writer::{DbMut, Exclusive, SetAside, Writer};
