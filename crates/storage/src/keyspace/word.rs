//! The slot word: what a table's slot holds of an entry.
//!
//! ```text
//! bits 63..48  the 16 bits of the key's hash below those that chose the shard
//! bits 47..3   the entry's address
//! bit  2       spare
//! bit  1       shared: another table's slot has the same entry (a load is, or was, under way)
//! bit  0       the entry has a deadline
//! ```
//! It is atomic because the *shared* mark is set and cleared under a shard's read lock.
//!
//! # Orderings
//! All relaxed. The address, the bits and the deadline's flag change under the shard's write lock alone, so whoever
//! reads them under the lock sees the last ones, and the entry whole. The mark may change beside other readers, who do
//! not look at it: those who do are the load, under the read lock by which it set it; the walk that clears, the one to
//! clear; and whoever takes the table apart, who has had each shard's write lock. As a change of the mark is one
//! read-modify-write, it never undoes another.
//!
//! This file is compiled twice: as it is, and by `model` over Shuttle's primitives and an entry that tells when it is
//! freed twice.

#[cfg(not(target_pointer_width = "64"))]
compile_error!("a slot word keeps 16 bits of the hash above a 48-bit address");

use std::ptr::NonNull;

use super::entry::{Entry, EntryView};
use super::primitives::{AtomicPtr, Ordering};

const HAS_DEADLINE: usize = 1;
const SHARED: usize = 1 << 1;
const BITS_SHIFT: u32 = 48;
const ADDRESS: usize = ((1 << BITS_SHIFT) - 1) & !7;

/// See the module. A word of a table owns its entry, but when it is marked *shared* and its table is the one
/// that respects marks.
#[derive(Debug)]
pub(crate) struct Word(AtomicPtr<u8>);

// DashMap's constructors ask for these; tables are only used through their raw api, which does not.
impl PartialEq for Word {
    fn eq(&self, other: &Word) -> bool {
        self.load() == other.load()
    }
}
impl Eq for Word {}
impl std::hash::Hash for Word {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.load().hash(state);
    }
}

impl Word {
    /// Takes the entry over.
    ///
    /// # Panics
    /// When the allocator gave an address that does not leave the word's upper and lower bits free (none does on
    /// x86-64 and aarch64 as Linux runs them).
    pub(crate) fn new(entry: Entry, bits: u16) -> Word {
        let has_deadline = entry.view().deadline().is_some();
        Word(AtomicPtr::new(Word::tag(entry.into_raw(), bits, has_deadline)))
    }

    fn tag(entry: NonNull<u8>, bits: u16, has_deadline: bool) -> *mut u8 {
        entry.as_ptr().map_addr(|address| {
            assert_eq!(address & !ADDRESS, 0, "an entry's address fits 45 bits and 3 zeros");
            address | usize::from(bits) << BITS_SHIFT | usize::from(has_deadline)
        })
    }

    fn load(&self) -> *mut u8 {
        self.0.load(Ordering::Relaxed)
    }

    /// The 16 bits of the hash.
    #[inline]
    pub(crate) fn bits(&self) -> u16 {
        (self.load().addr() >> BITS_SHIFT) as u16
    }

    /// The entry's address. Valid for as long as the word is in its table and the shard's lock is held.
    #[inline]
    pub(crate) fn raw(&self) -> NonNull<u8> {
        let raw = self.load().map_addr(|address| address & ADDRESS);
        NonNull::new(raw).expect("a word is made from an entry, which is not null")
    }

    /// The entry.
    ///
    /// # Safety
    /// The lock of the word's shard is held while the view lives (see [`EntryView::new`]).
    #[inline]
    pub(crate) unsafe fn view(&self) -> EntryView {
        // SAFETY: the word's entry is whole, and only written under the shard's write lock.
        unsafe { EntryView::new(self.raw()) }
    }

    pub(crate) fn has_deadline(&self) -> bool {
        self.load().addr() & HAS_DEADLINE != 0
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.load().addr() & SHARED != 0
    }

    /// Sets or clears the mark; needs the shard's lock, for reading at least.
    pub(crate) fn mark_shared(&self, shared: bool) {
        let change = |word: *mut u8| {
            Some(word.map_addr(|address| if shared { address | SHARED } else { address & !SHARED }))
        };
        let _always_some = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
    }

    /// Another word for the same entry, marked, for another table.
    pub(crate) fn share(&self, bits: u16) -> Word {
        self.mark_shared(true);
        let tagged = Word::tag(self.raw(), bits, self.has_deadline());
        Word(AtomicPtr::new(tagged.map_addr(|address| address | SHARED)))
    }

    /// The same entry with other bits and no mark, on its way to another table of the same keyspace.
    pub(crate) fn moved(self, bits: u16) -> Word {
        Word(AtomicPtr::new(Word::tag(self.raw(), bits, self.has_deadline())))
    }

    /// The same with its mark.
    pub(crate) fn moved_marked(self, bits: u16) -> Word {
        let is_shared = self.is_shared();
        let word = self.moved(bits);
        word.mark_shared(is_shared);
        word
    }

    /// Puts another entry in the place of this one, which is the caller's to free now. The word's mark is dropped.
    ///
    /// Needs the shard's write lock.
    pub(crate) fn set(&self, entry: Entry) {
        let bits = self.bits();
        let has_deadline = entry.view().deadline().is_some();
        self.0.store(Word::tag(entry.into_raw(), bits, has_deadline), Ordering::Relaxed);
    }

    /// Notes whether the entry has a deadline, after it was changed in place. Needs the shard's write lock.
    pub(crate) fn set_has_deadline(&self, has_deadline: bool) {
        let word = self.load().map_addr(|address| address & !HAS_DEADLINE | usize::from(has_deadline));
        self.0.store(word, Ordering::Relaxed);
    }

    /// The entry itself, out of the table.
    ///
    /// # Safety
    /// The word was taken out of its table, and no other table owns the entry.
    pub(crate) unsafe fn into_entry(self) -> Entry {
        // SAFETY: `new`, `set` and `share` are the only makers, from `into_raw`.
        unsafe { Entry::from_raw(self.raw()) }
    }
}
