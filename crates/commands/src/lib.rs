//! The command table, and every handler on data: find(name) → Command → run.
//!
//! The only way in, for the master's stream, clients and scripts alike.
//! Owns what a command means. Never knows sockets, offsets, or who is calling.

pub mod spec;
pub mod flags;
pub mod table;
pub mod resolve;
pub mod keys;
pub mod channels;
pub mod command_docs;
pub mod command_info;
pub mod digest;
pub mod dialect;
pub mod context;
pub mod convert;
pub mod error;

#[cfg(test)]
mod testing;

mod expiry;
mod extended;
mod wait;

mod array;
mod bitmap;
pub mod function;
mod generic;
mod geo;
mod hash;
mod hyperloglog;
mod item;
mod list;
mod partial_sort;
mod pop_order;
mod range;
mod scan_options;
mod restore;
mod set;
mod sort;
mod sorted_set;
mod stream;
mod string;

pub use command_info::Category;
pub use context::{
    BATCH_ELEMENTS_MAX, BATCH_KEYS_MAX, REPEATING_REPLY_BYTES_MAX, ReadContext, Role, Source, WriteContext,
};
pub use dialect::{Dialect, ReplyDouble, Vendor};
pub use error::{CommandError, printed};
pub use generic::{encoding, remove};
pub use hash::Fieldsets;
pub use resolve::{Unresolved, resolve, resolve_row};
pub use restore::{payload_of, serialized_bytes};
pub use spec::{Command, Flags, Group, KeyFlags, KeySpec, Run, ServerCommand};
pub use table::find;
pub use wait::{Nothing, Wait};
