//! Following a Redis or Valkey master, from the first PING to the last byte of its stream.
//!
//! ```text
//!                connected            +FULLRESYNC               transfer whole          data set swapped in
//!  Connecting ───────────► Handshake ─────────────► Snapshot ───────────────► Loading ─────────────────► Streaming
//!      ▲                       │                        │                        │                          │  ▲
//!      │                       │ +CONTINUE              │                        │                          │  │
//!      │                       └────────────────────────┼────────────────────────┼──────────────────────────┼──┘
//!      │ back-off over,                                 ▼                        ▼                          ▼
//!      └─────────────────────────────────────────── Waiting ◄── cut, refused, silent, a load that failed
//!        spool applied
//! ```
//!
//! The link is a value: bytes, a moment or a cut go in, the next state and a list of [`link::Action`]s come out.
//! What it receives goes into the driver's spool, in order; from there the snapshot is loaded beside the old data
//! set and swapped in whole, and the stream is applied unit by unit.
//!
//! Owns the replication protocol, the load, and the applying of the stream.
//! Never does IO, never asks what time it is, never starts a thread: `server::upstream` does.

pub mod link;
pub mod handshake;
mod transfer;
mod backoff;
pub mod load;
mod room;
pub mod apply;
mod tally;
mod meter;
mod plan;
mod replay;
mod journal;
mod fallible;
pub mod divergence;
pub mod position;
pub mod error;

pub use apply::{Applied, Applier, Pace, Stopped};
pub use divergence::{Divergence, DivergenceKind, OnDivergence, Policy};
pub use error::{ErrorCode, LinkError};
pub use handshake::{Introduction, request};
pub use link::{Action, Link, LinkConfig, LinkState, Remedy, Spooled, View};
pub use meter::Meter;
pub use position::{Position, PositionCell, ReplId};
pub use replay::Scripts;
pub use room::{Fit, Resync, Room};
pub use tally::{Count, Tally};
