//! Who wants to know what each request of the stream costs.
//!
//! Owns the question alone. Nobody is asked while it is off, but whether it is: once for each batch.

use std::fmt::Debug;
use std::time::Duration;

use commands::Command;
use protocol::Request;

/// See the module.
pub trait Meter: Debug + Send + Sync {
    /// Whether it is on.
    fn is_on(&self) -> bool;

    /// This request was applied, and took so long. `bytes` are its own, or those of the EXEC by which it ran: as a real
    /// server counts what a transaction runs, its clients' too. The requests of one transaction share its time.
    fn ran(&self, command: &'static Command, request: Request<'_>, bytes: usize, time: Duration);
}
