//! RESP2 and RESP3: requests in, replies out.
//!
//! Owns the wire format in both directions and every bound on what a peer may send.
//! Never does IO; never knows what a command means.
//!
//! Requests are read where they lie, and answered into one buffer:
//!
//! ```
//! use protocol::{Protocol, Reply, limits::Peer, parse::Parser, request::Words};
//!
//! let buffer = b"*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n";
//! let mut parser = Parser::default();
//! let mut reply = Reply::new(Protocol::Resp2);
//! parser.parse(buffer, Peer::Client, 64)?;
//! for request in parser.requests(buffer) {
//!     let mut room = Words::default();
//!     let [_echo, text] = request.collect(&mut room) else { continue };
//!     reply.bulk(text);
//! }
//! assert_eq!(parser.consume(), buffer.len());
//! assert_eq!(reply.to_vec(), b"$5\r\nhello\r\n");
//! # Ok::<(), protocol::ProtocolError>(())
//! ```

pub mod limits;
pub mod error;
pub mod parse;
mod inline;
pub mod request;
pub mod args;
pub mod number;
pub mod reply;
mod tail;
pub mod frame;

pub use args::Args;
pub use error::ProtocolError;
pub use frame::{Frame, FrameReader};
pub use inline::{Quotes, words_of_line};
pub use limits::Peer;
pub use parse::Parser;
pub use reply::{Deferred, Mark, Protocol, Reply};
pub use request::{Request, Words};
