//! RESP2 and RESP3: requests in, replies out.
//!
//! Owns the wire format in both directions and every bound on what a peer may send.
//! Never does IO; never knows what a command means.

pub mod args;
pub mod double;
pub mod reply;

pub use args::Args;
pub use reply::{Protocol, Reply};
