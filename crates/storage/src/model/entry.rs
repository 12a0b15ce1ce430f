//! An entry that is never really freed, and tells when it is freed twice, or read afterwards.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What an entry's address leads to; given back by nobody, so that a stale address leads to it too.
#[repr(align(8))]
struct Cell {
    key: u64,
    value: AtomicU64,
    freed: AtomicBool,
}

/// Owns an entry: dropping it frees it.
pub(super) struct Entry(NonNull<u8>);

// SAFETY: cells are only changed through atomics.
unsafe impl Send for Entry {}

/// Looks at an entry.
pub(super) struct EntryView(NonNull<u8>);

impl Entry {
    pub(super) fn new(key: u64, value: u64) -> Entry {
        let cell = Cell { key, value: AtomicU64::new(value), freed: AtomicBool::new(false) };
        Entry(NonNull::from(Box::leak(Box::new(cell))).cast())
    }

    pub(super) fn view(&self) -> EntryView {
        EntryView(self.0)
    }

    pub(super) fn into_raw(self) -> NonNull<u8> {
        let raw = self.0;
        std::mem::forget(self);
        raw
    }

    /// # Safety
    /// The address is from `into_raw`. That it is nobody else's is what the model finds out.
    pub(super) unsafe fn from_raw(raw: NonNull<u8>) -> Entry {
        Entry(raw)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let was_freed = self.view().cell().freed.swap(true, Ordering::Relaxed);
        assert!(!was_freed || std::thread::panicking(), "an entry was freed twice");
    }
}

impl EntryView {
    /// # Safety
    /// The address is from `into_raw`.
    pub(super) unsafe fn new(raw: NonNull<u8>) -> EntryView {
        EntryView(raw)
    }

    fn cell(&self) -> &Cell {
        // SAFETY: the address is a leaked cell's.
        unsafe { self.0.cast().as_ref() }
    }

    fn alive(&self) -> &Cell {
        let cell = self.cell();
        assert!(!cell.freed.load(Ordering::Relaxed), "seen: an entry that was freed");
        cell
    }

    /// None has one here.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.alive();
        None
    }

    pub(super) fn key(&self) -> u64 {
        self.alive().key
    }

    pub(super) fn value(&self) -> u64 {
        self.alive().value.load(Ordering::Relaxed)
    }

    /// Writes another value in place; the shard's write lock is held.
    pub(super) fn set(&self, value: u64) {
        self.alive().value.store(value, Ordering::Relaxed);
    }
}
