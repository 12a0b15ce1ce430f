//! Room for one connection's requests and replies, lent by the worker thread.
//!
//! Owns the pool. A connection that waits for its next request holds no room at all, so that ten thousand idle ones
//! cost little; one in the middle of a request or a reply keeps what it was lent.

use std::cell::RefCell;

use protocol::parse::Parser;
use protocol::{Protocol, Reply};

use crate::batch::{Plan, Wait};
use crate::owned::OwnedRequest;

/// Bytes read at once from a client.
pub(crate) const READ_BYTES: usize = 16 * 1024;
/// What a pooled buffer may hold; a larger one is given back to the allocator.
const POOLED_BYTES_MAX: usize = 64 * 1024;
/// Buffers kept by one thread.
const POOLED_MAX: usize = 8;

/// Requests that have arrived, and the answers to them.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    /// What was read.
    pub(crate) input: Vec<u8>,
    /// How much of it is done with.
    pub(crate) start: usize,
    /// Finds the requests in it.
    pub(crate) parser: Parser,
    /// What was found out of the requests that the parser found.
    pub(crate) planned: Vec<Plan>,
    /// How many of them were run.
    pub(crate) ran: usize,
    /// The answers.
    pub(crate) reply: Reply,
    /// What the next request to be run waits for.
    pub(crate) wait: Option<Wait>,
    /// That request, where it had left its batch before it had to wait.
    pub(crate) again: Option<OwnedRequest>,
}

thread_local! {
    // Boxed, so that lending one moves a pointer.
    #[allow(clippy::vec_box)]
    static POOL: RefCell<Vec<Box<Buffers>>> = const { RefCell::new(Vec::new()) };
}

/// Lends empty room.
pub(crate) fn lend(protocol: Protocol) -> Box<Buffers> {
    let mut buffers = POOL.with_borrow_mut(Vec::pop).unwrap_or_default();
    buffers.reply.set_protocol(protocol);
    if buffers.input.capacity() < READ_BYTES {
        buffers.input.reserve(READ_BYTES);
    }
    buffers
}

/// Takes room back. It must be empty.
pub(crate) fn give_back(mut buffers: Box<Buffers>) {
    debug_assert!(buffers.is_empty());
    buffers.input.clear();
    buffers.start = 0;
    if buffers.input.capacity() <= POOLED_BYTES_MAX {
        POOL.with_borrow_mut(|pool| {
            if pool.len() < POOLED_MAX {
                pool.push(buffers);
            }
        });
    }
}

impl Buffers {
    /// What was read and is not done with.
    pub(crate) fn pending(&self) -> &[u8] {
        self.input.get(self.start..).unwrap_or_default()
    }

    /// Whether nothing waits in it, neither to be run nor to be answered nor to be written.
    pub(crate) fn is_empty(&self) -> bool {
        self.pending().is_empty()
            && self.reply.is_empty()
            && self.wait.is_none()
            && self.again.is_none()
            && !self.parser.is_inside_request()
    }

    /// Makes room for the next read: the done part goes, and a long word gets its room at once.
    pub(crate) fn make_room(&mut self) {
        if self.start > 0 {
            self.input.drain(..self.start);
            self.start = 0;
        }
        // A peer's announcement alone moves no memory: room grows with what has really arrived, and when that has
        // filled what there is.
        let wanted = self.parser.wanted().min(self.input.len().saturating_mul(2));
        let room = wanted.saturating_sub(self.input.len()).max(READ_BYTES / 2);
        if self.input.capacity() - self.input.len() < READ_BYTES / 2 {
            if wanted == self.parser.wanted() && room > READ_BYTES {
                // The rest of a long word: twice the room would be memory for nothing.
                self.input.reserve_exact(room);
            } else {
                self.input.reserve(room);
            }
        }
    }
}
