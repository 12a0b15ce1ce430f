//! The command table, and every handler on data: find(name) → Command → run.
//!
//! The only way in, for the master's stream, clients, scripts and HTTP alike.
//! Owns what a command means. Never knows sockets, offsets, or who is calling.

pub mod context;
pub mod error;
pub mod spec;
pub mod table;

pub use context::{ReadContext, WriteContext};
pub use error::CommandError;
pub use spec::{Command, Flags, Group, KeyFlags, KeySpec, Run, ServerCommand};
