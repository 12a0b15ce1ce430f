//! A read replica of Redis or Valkey inside your own program.
//!
//! It attaches to a master, loads its data set, follows its stream exactly, and lets you read the data in memory,
//! with or without serving clients on a port. The program `nearside` is a thin user of this crate.
//!
//! ```no_run
//! use std::time::Duration;
//! use nearside::{DbIndex, Replica};
//!
//! let replica = Replica::builder().master("127.0.0.1:6379").no_listener().start()?;
//! replica.wait_for_sync(Duration::from_secs(30))?;
//! let reader = replica.storage().reader();
//! let db = reader.db(DbIndex(0), nearside::now());
//! if let Some(found) = db.get(b"greeting") {
//!     println!("{}", String::from_utf8_lossy(&found.text()?.to_vec()));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A reader, and what `get` found, are for one look: see [`Replica::storage`].

mod builder;
mod replica;

pub use builder::{BuildError, Builder};
pub use replica::{NotSynced, Replica, SyncStatus, Watcher};

pub use replication::{ErrorCode, LinkError, LinkState, Position, ReplId};
pub use server::upstream::{
    LinkFailure, LinkStatus, LoadRules, MasterAddress, OnDivergence, Resync, Role, Room, SyncProgress,
};
pub use server::{Ports, StartError, config, config_table};
pub use storage::{self, DbIndex, Store, UnixMillis};

/// The wall clock, as deadlines count.
pub fn now() -> UnixMillis {
    server::clock::unix_millis()
}
