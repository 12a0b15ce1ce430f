//! A member of a big hash, set or sorted set: one allocation, one word.
//!
//! The allocation holds a shape byte, one number where there is one (a field's deadline or a member's score), the
//! lengths in as few bytes as they need, the name and the value:
//!
//! ```text
//! shape │ deadline or score (8) │ name length (1, 2, 4, 8) │ value length (1, 2, 4, 8) │ name │ value
//! ```
//!
//! The word is the allocation's address in its lower 48 bits, and in the upper 16 a tag that belongs to whoever
//! holds the word (the directory keeps bits of the hash there, so that most comparisons read no member).
//!
//! Owns the only `unsafe` of hashes and sets. Never hashes, never compares, never knows where its word stands.
//!
//! # Obligations
//! - An allocation is made in `Member::build` alone, with the layout that `Shape` gives, every byte of it
//!   written before the member is seen; it is freed in `drop` alone, with that same layout: shape and lengths are
//!   never changed afterwards (a value of another length is another allocation).
//! - The address is below 2^48 (checked when made) and keeps its provenance through `map_addr`.
//! - Bytes are reached through the raw pointer only; references into the allocation live as long as a borrow of
//!   the `Member` (or as the caller of [`MemberPtr`] proves), and none is alive while a number or value is
//!   overwritten, which needs `&mut Member`.
//! - A member is bytes and a number, with no interior mutability: it may be sent and shared.

#![allow(unsafe_code)] // one allocation of mixed content, see above; the safe twin stands in the tests

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::fmt;
use std::ptr::NonNull;

use crate::UnixMillis;
use crate::keyspace::prefetch;
use crate::memory::size_class;

/// The upper 16 bits of the word are the tag.
const TAG_SHIFT: u32 = 48;
/// The lower 48 are the address.
const ADDRESS_MASK: usize = (1 << TAG_SHIFT) - 1;

/// A member, and the ownership of its allocation.
#[repr(transparent)]
pub struct Member(NonNull<u8>);

// SAFETY: a member owns plain bytes; nothing in it belongs to a thread.
unsafe impl Send for Member {}
// SAFETY: through `&Member` bytes are only read.
unsafe impl Sync for Member {}

/// The address of a member that somebody else owns; lets a second index (a sorted set's tree) refer to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MemberPtr(NonNull<u8>);

// SAFETY: an address; what is behind it may be sent and shared, see `Member`.
unsafe impl Send for MemberPtr {}
// SAFETY: as above.
unsafe impl Sync for MemberPtr {}

/// What stands where in an allocation; its first byte.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Shape(u8);

impl Shape {
    /// Bits 0 and 1: the name's length takes 1, 2, 4 or 8 bytes. Bits 2 and 3: the value's.
    const VALUE_SHIFT: u8 = 2;
    /// There is a value.
    const VALUE: u8 = 1 << 4;
    /// The number is there, and is a deadline.
    const DEADLINE: u8 = 1 << 5;
    /// The number is there, and is a score.
    const SCORE: u8 = 1 << 6;

    fn new(name: usize, value: Option<usize>, number: u8) -> Self {
        let value = value.map_or(0, |length| Shape::VALUE | (width_code(length) << Shape::VALUE_SHIFT));
        Shape(width_code(name) | value | number)
    }

    fn has(self, part: u8) -> bool {
        self.0 & part != 0
    }

    /// Where the name's length stands.
    fn lengths_at(self) -> usize {
        if self.has(Shape::DEADLINE | Shape::SCORE) { 9 } else { 1 }
    }

    fn name_width(self) -> usize {
        1 << (self.0 & 3)
    }

    fn value_width(self) -> usize {
        if self.has(Shape::VALUE) { 1 << ((self.0 >> Shape::VALUE_SHIFT) & 3) } else { 0 }
    }

    /// Where the name stands.
    fn name_at(self) -> usize {
        self.lengths_at() + self.name_width() + self.value_width()
    }
}

/// 0, 1, 2 or 3 for lengths that fit 1, 2, 4 or 8 bytes.
fn width_code(length: usize) -> u8 {
    match length {
        0..=0xFF => 0,
        0x100..=0xFFFF => 1,
        0x1_0000..=0xFFFF_FFFF => 2,
        _ => 3,
    }
}

impl Member {
    /// A set's member.
    pub fn of_set(name: &[u8]) -> Self {
        Member::build(name, None, 0, [0; 8])
    }

    /// A hash's field.
    pub fn of_hash(name: &[u8], value: &[u8], deadline: Option<UnixMillis>) -> Self {
        match deadline {
            Some(deadline) => Member::build(name, Some(value), Shape::DEADLINE, deadline.0.to_ne_bytes()),
            None => Member::build(name, Some(value), 0, [0; 8]),
        }
    }

    /// A sorted set's member.
    pub fn of_sorted_set(name: &[u8], score: f64) -> Self {
        Member::build(name, None, Shape::SCORE, score.to_ne_bytes())
    }

    fn build(name: &[u8], value: Option<&[u8]>, number_kind: u8, number: [u8; 8]) -> Self {
        let shape = Shape::new(name.len(), value.map(<[u8]>::len), number_kind);
        let value_bytes = value.unwrap_or_default();
        let layout = layout(shape, name.len(), value_bytes.len());
        // SAFETY: the layout is never of size zero, the shape byte is always there. What is written below are the
        // parts of the layout, one after the other, each of its own length.
        let start = unsafe {
            let Some(start) = NonNull::new(alloc(layout)) else { handle_alloc_error(layout) };
            let at = start.as_ptr();
            at.write(shape.0);
            if number_kind != 0 {
                at.add(1).copy_from_nonoverlapping(number.as_ptr(), 8);
            }
            let lengths = at.add(shape.lengths_at());
            // Little end first: the low bytes of a length are its short form.
            lengths.copy_from_nonoverlapping((name.len() as u64).to_le_bytes().as_ptr(), shape.name_width());
            let value_length = (value_bytes.len() as u64).to_le_bytes();
            let value_length_at = lengths.add(shape.name_width());
            value_length_at.copy_from_nonoverlapping(value_length.as_ptr(), shape.value_width());
            let name_at = at.add(shape.name_at());
            name_at.copy_from_nonoverlapping(name.as_ptr(), name.len());
            name_at.add(name.len()).copy_from_nonoverlapping(value_bytes.as_ptr(), value_bytes.len());
            start
        };
        assert!(start.addr().get() <= ADDRESS_MASK, "the allocator gives addresses below 2^48");
        Member(start)
    }

    /// Its name: a field's, or the member itself.
    #[inline]
    pub fn name(&self) -> &[u8] {
        // SAFETY: the allocation is owned, the borrow is of `self`.
        unsafe { self.pointer().name() }
    }

    /// Its value, when it is a hash's field; else empty.
    #[inline]
    pub fn value(&self) -> &[u8] {
        // SAFETY: name and value were written one behind the other, with these lengths.
        unsafe {
            let raw = self.pointer();
            let shape = raw.shape();
            let (name, value) = raw.lengths(shape);
            std::slice::from_raw_parts(raw.0.as_ptr().add(shape.name_at() + name), value)
        }
    }

    /// When its field expires.
    #[inline]
    pub fn deadline(&self) -> Option<UnixMillis> {
        // SAFETY: the allocation is owned; with this bit the number was written.
        unsafe {
            let raw = self.pointer();
            raw.shape().has(Shape::DEADLINE).then(|| UnixMillis(i64::from_ne_bytes(raw.number())))
        }
    }

    /// Its score, when it is a sorted set's; else 0.
    #[inline]
    pub fn score(&self) -> f64 {
        // SAFETY: the allocation is owned.
        unsafe { self.pointer().score() }
    }

    /// Gives a sorted set's member another score. Whoever keeps members in the order of scores takes it out of
    /// that order before and puts it back after.
    pub fn set_score(&mut self, score: f64) {
        self.set_number(Shape::SCORE, score.to_ne_bytes());
    }

    /// Gives a field another value; its deadline stays.
    pub fn set_value(&mut self, value: &[u8]) {
        if self.value().len() == value.len() {
            // SAFETY: the value's place has exactly this length, and `&mut self` means that nobody reads it;
            // `value` cannot overlap it, for it would be a borrow of `self`.
            unsafe {
                let raw = self.pointer();
                let shape = raw.shape();
                let (name, length) = raw.lengths(shape);
                let place = raw.0.as_ptr().add(shape.name_at() + name);
                place.copy_from_nonoverlapping(value.as_ptr(), length);
            }
        } else {
            let other = Member::of_hash(self.name(), value, self.deadline());
            self.become_other(other);
        }
    }

    /// Gives a field a deadline, or takes it away.
    pub fn set_deadline(&mut self, deadline: Option<UnixMillis>) {
        match (self.deadline(), deadline) {
            (Some(_), Some(deadline)) => self.set_number(Shape::DEADLINE, deadline.0.to_ne_bytes()),
            (None, None) => {}
            _ => {
                let other = Member::of_hash(self.name(), self.value(), deadline);
                self.become_other(other);
            }
        }
    }

    /// Bytes that its allocation takes, as the allocator rounds them.
    pub fn heap_bytes(&self) -> usize {
        // SAFETY: the allocation is owned.
        let size = unsafe {
            let raw = self.pointer();
            let shape = raw.shape();
            let (name, value) = raw.lengths(shape);
            shape.name_at() + name + value
        };
        size_class(size)
    }

    /// Its address, for a second index; see [`MemberPtr`].
    #[inline]
    pub fn pointer(&self) -> MemberPtr {
        let address = self.0.as_ptr().map_addr(|word| word & ADDRESS_MASK);
        // SAFETY: the address that the allocator gave lies in these bits, and is not zero.
        MemberPtr(unsafe { NonNull::new_unchecked(address) })
    }

    /// Asks for its memory, which will be looked at soon.
    #[inline]
    pub(super) fn prefetch(&self) {
        prefetch::line(self.pointer().0.as_ptr());
    }

    /// The bits that its holder keeps in the word.
    #[inline]
    pub(super) fn tag(&self) -> u16 {
        (self.0.addr().get() >> TAG_SHIFT) as u16
    }

    /// Puts other bits into the word.
    #[inline]
    pub(super) fn set_tag(&mut self, tag: u16) {
        let word = self.0.as_ptr().map_addr(|word| (word & ADDRESS_MASK) | (usize::from(tag) << TAG_SHIFT));
        // SAFETY: the address stays in the word, and is not zero.
        self.0 = unsafe { NonNull::new_unchecked(word) };
    }

    /// Takes another's allocation, keeping the tag.
    fn become_other(&mut self, mut other: Member) {
        other.set_tag(self.tag());
        *self = other;
    }

    fn set_number(&mut self, kind: u8, number: [u8; 8]) {
        // SAFETY: with this bit the eight bytes behind the shape are the number; `&mut self` means that nobody
        // reads them.
        unsafe {
            let raw = self.pointer();
            if raw.shape().has(kind) {
                raw.0.as_ptr().add(1).copy_from_nonoverlapping(number.as_ptr(), 8);
            }
        }
    }
}

impl MemberPtr {
    /// Its name.
    ///
    /// # Safety
    /// The member that gave this pointer is alive and its value unchanged for all of `'a` (a new score is fine).
    #[inline]
    pub unsafe fn name<'a>(self) -> &'a [u8] {
        // SAFETY: the caller's; name and lengths were written when the member was built.
        unsafe {
            let shape = self.shape();
            let (name, _) = self.lengths(shape);
            std::slice::from_raw_parts(self.0.as_ptr().add(shape.name_at()), name)
        }
    }

    /// Its score; 0 when it has none.
    ///
    /// # Safety
    /// The member that gave this pointer is alive, and no other thread changes its score.
    #[inline]
    pub unsafe fn score(self) -> f64 {
        // SAFETY: the caller's; with this bit the number was written.
        unsafe { if self.shape().has(Shape::SCORE) { f64::from_ne_bytes(self.number()) } else { 0.0 } }
    }

    /// # Safety
    /// The member is alive.
    #[inline]
    unsafe fn shape(self) -> Shape {
        // SAFETY: the caller's; the shape is the first byte.
        Shape(unsafe { self.0.as_ptr().read() })
    }

    /// # Safety
    /// The member is alive, and its shape has a number.
    #[inline]
    unsafe fn number(self) -> [u8; 8] {
        // SAFETY: the caller's; the number stands behind the shape, in no alignment.
        unsafe { self.0.as_ptr().add(1).cast::<[u8; 8]>().read() }
    }

    /// The lengths of name and value.
    ///
    /// # Safety
    /// The member is alive, and `shape` is its own.
    #[inline]
    unsafe fn lengths(self, shape: Shape) -> (usize, usize) {
        // SAFETY: the caller's; the lengths stand at `lengths_at`, in these widths.
        unsafe {
            let at = self.0.as_ptr().add(shape.lengths_at());
            let name = read_length(at, shape.name_width());
            let value = read_length(at.add(shape.name_width()), shape.value_width());
            (name, value)
        }
    }
}

/// # Safety
/// `at` has `width` bytes, which is 0, 1, 2, 4 or 8.
#[inline]
unsafe fn read_length(at: *const u8, width: usize) -> usize {
    // SAFETY: the caller's; arrays of bytes have no alignment.
    unsafe {
        match width {
            0 => 0,
            1 => usize::from(at.read()),
            2 => usize::from(u16::from_le_bytes(at.cast::<[u8; 2]>().read())),
            4 => u32::from_le_bytes(at.cast::<[u8; 4]>().read()) as usize,
            _ => u64::from_le_bytes(at.cast::<[u8; 8]>().read()) as usize,
        }
    }
}

/// The layout of an allocation.
fn layout(shape: Shape, name: usize, value: usize) -> Layout {
    let size = shape.name_at().checked_add(name).and_then(|size| size.checked_add(value));
    size.and_then(|size| Layout::from_size_align(size, 1).ok())
        .expect("name and value are two slices that exist, far from filling the address space")
}

impl Drop for Member {
    fn drop(&mut self) {
        // SAFETY: the allocation is owned and was made with the layout of this shape and these lengths.
        unsafe {
            let raw = self.pointer();
            let shape = raw.shape();
            let (name, value) = raw.lengths(shape);
            dealloc(raw.0.as_ptr(), layout(shape, name, value));
        }
    }
}

impl Clone for Member {
    fn clone(&self) -> Self {
        // SAFETY: the allocation is owned; the copy has the same layout and every byte of it is copied.
        unsafe {
            let raw = self.pointer();
            let shape = raw.shape();
            let (name, value) = raw.lengths(shape);
            let layout = layout(shape, name, value);
            let Some(start) = NonNull::new(alloc(layout)) else { handle_alloc_error(layout) };
            start.as_ptr().copy_from_nonoverlapping(raw.0.as_ptr(), layout.size());
            assert!(start.addr().get() <= ADDRESS_MASK, "the allocator gives addresses below 2^48");
            let mut copy = Member(start);
            copy.set_tag(self.tag());
            copy
        }
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy;
        let mut out = f.debug_struct("Member");
        out.field("name", &text(self.name())).field("value", &text(self.value()));
        out.field("deadline", &self.deadline()).field("score", &self.score()).finish()
    }
}

impl fmt::Debug for MemberPtr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemberPtr({:p})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a member is, in safe Rust.
    #[derive(Clone, Debug, PartialEq)]
    struct Twin {
        name: Vec<u8>,
        value: Vec<u8>,
        deadline: Option<UnixMillis>,
        tag: u16,
    }

    fn seen(member: &Member) -> Twin {
        Twin {
            name: member.name().to_vec(),
            value: member.value().to_vec(),
            deadline: member.deadline(),
            tag: member.tag(),
        }
    }

    #[derive(Clone, Debug)]
    enum Edit {
        Value(Vec<u8>),
        Deadline(Option<i64>),
        Tag(u16),
        Clone,
    }

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            prop::sample::select(vec![255usize, 256, 65_535, 65_536]).prop_map(|length| vec![b'x'; length]),
        ]
    }

    fn edit() -> impl Strategy<Value = Edit> {
        prop_oneof![
            bytes().prop_map(Edit::Value),
            any::<Option<i64>>().prop_map(Edit::Deadline),
            any::<u16>().prop_map(Edit::Tag),
            Just(Edit::Clone),
        ]
    }

    #[test]
    fn sixteen_bytes_take_one_small_allocation() {
        assert_eq!(Member::of_set(&[b'x'; 16]).heap_bytes(), 32);
        assert_eq!(Member::of_hash(&[b'x'; 16], &[b'y'; 16], None).heap_bytes(), 48);
        assert_eq!(Member::of_sorted_set(&[b'x'; 16], 1.5).heap_bytes(), 32);
        assert_eq!(size_of::<Member>(), 8);
    }

    #[test]
    fn a_score_changes_in_place() {
        let mut member = Member::of_sorted_set(b"member", 1.0);
        member.set_tag(0xABCD);
        let pointer = member.pointer();
        member.set_score(-0.5);
        assert_eq!((member.score(), member.name(), member.tag()), (-0.5, &b"member"[..], 0xABCD));
        // SAFETY: the member is alive.
        unsafe {
            assert_eq!((pointer.score(), pointer.name()), (-0.5, &b"member"[..]));
        }
        assert!(pointer == member.pointer());
        assert_eq!(Member::of_set(b"plain").score(), 0.0);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 5 } else { 256 }, ..Default::default() })]
        #[test]
        fn agrees_with_its_safe_twin(
            name in bytes(), value in bytes(), deadline: Option<i64>, edits in prop::collection::vec(edit(), 0..12),
        ) {
            let deadline = deadline.map(UnixMillis);
            let mut member = Member::of_hash(&name, &value, deadline);
            let mut twin = Twin { name, value, deadline, tag: 0 };
            let mut earlier = Vec::new();
            for edit in edits {
                match edit {
                    Edit::Value(value) => { member.set_value(&value); twin.value = value; }
                    Edit::Deadline(at) => {
                        member.set_deadline(at.map(UnixMillis));
                        twin.deadline = at.map(UnixMillis);
                    }
                    Edit::Tag(tag) => { member.set_tag(tag); twin.tag = tag; }
                    Edit::Clone => earlier.push((member.clone(), twin.clone())),
                }
                prop_assert_eq!(seen(&member), twin.clone());
            }
            for (member, twin) in earlier {
                prop_assert_eq!(seen(&member), twin);
            }
        }
    }
}
