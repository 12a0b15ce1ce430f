//! What an edit has to look at before it changes anything: mostly nothing.
//!
//! Owns one byte, so that whatever is unusual costs the usual edit one look together. Never acts: see [`crate::load`]
//! and [`crate::snapshot`].

use std::sync::atomic::{AtomicU8, Ordering};

/// See the module. Set under the token.
#[derive(Debug, Default)]
pub(crate) struct Caution(AtomicU8);

/// One thing that is unusual.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(crate) enum Reason {
    /// A load is comparing with the data: no writes.
    Frozen = 1,
    /// A snapshot is being taken: what is changed is recorded before.
    Snapshot = 2,
}

impl Caution {
    pub(crate) fn raise(&self, reason: Reason) {
        self.0.fetch_or(reason as u8, Ordering::AcqRel);
    }

    pub(crate) fn clear(&self, reason: Reason) {
        self.0.fetch_and(!(reason as u8), Ordering::AcqRel);
    }

    pub(crate) fn is_raised(&self, reason: Reason) -> bool {
        self.0.load(Ordering::Acquire) & reason as u8 != 0
    }

    /// Whether everything is as usual.
    #[inline]
    pub(crate) fn is_none(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }
}
