//! The entry: one allocation that holds a key, its value or the pointer to it, and what is known about both.
//!
//! ```text
//! offset 0  head     u32, atomic: the lowest byte is the shape, 5 bits of form (value::Form), and one each for a deadline
//!                    and for a key and a value longer than 255; above it 24 bits of use (crate::usage)
//!        4  deadline i64, only when there is one
//!           lengths  of the key, of the value (1 byte each, 2 when long, or 6; none before a pointer)
//!           key, value
//! ```
//! A 16-byte key with a 100-byte value takes 6 + 116 bytes: the allocator's class of 128. With a hash of five short
//! fields (1 + 73 bytes) it takes 96, a class exactly.
//!
//! An allocation is as large as the allocator's size class for its content, so that its size follows from the
//! content (nothing stores it), and a new value of about the same size is written over the old one.
//!
//! Owns the layout and every pointer into it. Never knows which table an entry stands in, nor who may free it.
//!
//! # Obligations of the unsafe code here
//! - An [`Entry`] owns its allocation; [`Entry::into_raw`] hands that over to a table's slot word, and exactly
//!   one [`Entry::from_raw`] takes it back.
//! - An [`EntryView`] is made by the keyspace alone, and given out as `&EntryView` only, whose borrow is held by
//!   the shard's lock guard: while it lives nobody writes to the entry, but for the seconds in the atomic head.
//! - The functions that take a raw entry and write need the shard's write lock (or an entry that no table has).
//! - The head is read and written whole and atomically, all relaxed. Its shape changes under the write lock alone, so
//!   whoever has the lock for reading sees the last one, in whichever store; and when readers note an access beside
//!   each other, each by a load and a store, all store the one shape that all of them read. What may be lost is one of
//!   two times of access.

#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::borrow::Cow;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::memory::size_class;
use crate::packed::listpack::Head;
use crate::time::UnixMillis;
use crate::usage::{AccessClock, Ticking, Usage, UsageRules};
use crate::value::text::{canonical_int, is_long};
use crate::value::{Array, stored};
use crate::value::{
    Big, BigRef, Form, HashRef, Kind, ListRef, ModuleValue, Payload, PayloadRef, SetRef, SortedSetRef,
    Stream, TextRef, Value, ValueRef, WrongKind, int_from_bytes, int_to_bytes,
};

const DEADLINE_AT: usize = 4;

/// The head's lowest byte is the shape; [`Form::BITS`] of it are the form.
const SHAPE: u32 = 0xff;
const SHAPE_DEADLINE: u8 = 1 << 5;
const SHAPE_LONG_KEY: u8 = 1 << 6;
const SHAPE_LONG_VALUE: u8 = 1 << 7;
const USE_SHIFT: u32 = 8;

const POINTER_BYTES: usize = size_of::<*mut u8>();
/// Leaves the three lowest bits of an address to the slot word.
const ALIGN: usize = 8;

/// What a table's slot costs beside the entry: its word and control byte, at the load that tables have.
const SLOT_BYTES: usize = 14;

/// Where the parts of an entry are.
#[derive(Clone, Copy)]
struct Plan {
    shape: u8,
    key_at: usize,
    key_len: usize,
    value_at: usize,
    value_len: usize,
}

/// As a long length's u16: it is in the u32 behind that.
const LEN_IS_HUGE: u16 = u16::MAX;

/// How many bytes a length takes: one, two when it is long, six when it does not fit two.
#[inline]
fn width(is_long: bool, len: usize) -> usize {
    match is_long {
        false => 1,
        true if len < usize::from(LEN_IS_HUGE) => 2,
        true => 6,
    }
}

fn is_long_len(len: usize) -> bool {
    assert!(u32::try_from(len).is_ok(), "keys and packed values are shorter than 4 GiB");
    len > usize::from(u8::MAX)
}

impl Plan {
    /// `value_len` is `None` for a pointer.
    fn new(key_len: usize, form: Form, value_len: Option<usize>, deadline: bool) -> Plan {
        debug_assert_eq!(form.is_big(), value_len.is_none());
        let flag = |flag: u8, is_set: bool| if is_set { flag } else { 0 };
        let (long_key, long_value) = (is_long_len(key_len), value_len.is_some_and(is_long_len));
        let start = DEADLINE_AT + if deadline { 8 } else { 0 };
        let key_at = start + width(long_key, key_len) + value_len.map_or(0, |len| width(long_value, len));
        Plan {
            shape: form as u8
                | flag(SHAPE_DEADLINE, deadline)
                | flag(SHAPE_LONG_KEY, long_key)
                | flag(SHAPE_LONG_VALUE, long_value),
            key_at,
            key_len,
            value_at: key_at + key_len,
            value_len: value_len.unwrap_or(POINTER_BYTES),
        }
    }

    /// # Safety
    /// `entry` points to a whole entry that nobody writes to meanwhile, but for the seconds in its head.
    #[inline]
    unsafe fn read(entry: NonNull<u8>) -> Plan {
        // SAFETY: the head and the lengths it announces lie inside the entry.
        unsafe {
            let shape = head(entry).load(Ordering::Relaxed) as u8;
            let mut at = DEADLINE_AT + if shape & SHAPE_DEADLINE != 0 { 8 } else { 0 };
            let long_key = shape & SHAPE_LONG_KEY != 0;
            let key_len = read_len(entry.add(at), long_key);
            at += width(long_key, key_len);
            let value_len = if Form::from_bits(shape).is_big() {
                POINTER_BYTES
            } else {
                let long_value = shape & SHAPE_LONG_VALUE != 0;
                let value_len = read_len(entry.add(at), long_value);
                at += width(long_value, value_len);
                value_len
            };
            Plan { shape, key_at: at, key_len, value_at: at + key_len, value_len }
        }
    }

    #[inline]
    fn form(&self) -> Form {
        Form::from_bits(self.shape)
    }

    fn has_deadline(&self) -> bool {
        self.shape & SHAPE_DEADLINE != 0
    }

    /// What is allocated for it.
    fn allocated(&self) -> usize {
        size_class(self.value_at + self.value_len)
    }

    /// Writes head, deadline and lengths.
    ///
    /// # Safety
    /// `entry` has room for this plan, and is written to by nobody else.
    unsafe fn write_header(
        &self,
        entry: NonNull<u8>,
        deadline: Option<UnixMillis>,
        last_access: AccessClock,
    ) {
        // SAFETY: all of these lie before `key_at`.
        unsafe {
            let seconds = last_access.0 << USE_SHIFT;
            head(entry).store(seconds | u32::from(self.shape), Ordering::Relaxed);
            let mut at = DEADLINE_AT;
            if let Some(deadline) = deadline {
                entry.add(at).cast::<i64>().write_unaligned(deadline.0);
                at += 8;
            }
            let long_key = self.shape & SHAPE_LONG_KEY != 0;
            write_len(entry.add(at), long_key, self.key_len);
            at += width(long_key, self.key_len);
            if !self.form().is_big() {
                write_len(entry.add(at), self.shape & SHAPE_LONG_VALUE != 0, self.value_len);
            }
        }
    }
}

/// # Safety
/// A length stands there, of this kind.
#[inline]
unsafe fn read_len(at: NonNull<u8>, is_long: bool) -> usize {
    // SAFETY: the caller's; a u32 stands behind the u16 that says so.
    unsafe {
        if !is_long {
            return usize::from(at.read());
        }
        match at.cast::<u16>().read_unaligned() {
            LEN_IS_HUGE => at.add(2).cast::<u32>().read_unaligned() as usize,
            len => usize::from(len),
        }
    }
}

/// # Safety
/// `width(is_long, len)` bytes may be written there.
unsafe fn write_len(at: NonNull<u8>, is_long: bool, len: usize) {
    // `Plan::new` chose so that `len` fits.
    // SAFETY: the caller's.
    unsafe {
        match width(is_long, len) {
            1 => at.write(len as u8),
            2 => at.cast::<u16>().write_unaligned(len as u16),
            _ => {
                at.cast::<u16>().write_unaligned(LEN_IS_HUGE);
                at.add(2).cast::<u32>().write_unaligned(len as u32);
            }
        }
    }
}

fn big_into_raw(big: Big) -> *mut u8 {
    match big {
        Big::Text(inner) => Box::into_raw(inner).cast(),
        Big::List(inner) => Box::into_raw(inner).cast(),
        Big::Set(inner) => Box::into_raw(inner).cast(),
        Big::SortedSet(inner) => Box::into_raw(inner).cast(),
        Big::Hash(inner) => Box::into_raw(inner).cast(),
        Big::Stream(inner) => Box::into_raw(inner).cast(),
        Big::Array(inner) => Box::into_raw(inner).cast(),
        Big::Module(inner) => Box::into_raw(inner).cast(),
    }
}

/// # Safety
/// `raw` came from [`big_into_raw`] of a value of this form, and is taken back once.
unsafe fn big_from_raw(form: Form, raw: *mut u8) -> Big {
    // SAFETY: the form says of which type the box is.
    unsafe {
        match form {
            Form::TextLong => Big::Text(Box::from_raw(raw.cast())),
            Form::ListBig => Big::List(Box::from_raw(raw.cast())),
            Form::SetBig => Big::Set(Box::from_raw(raw.cast())),
            Form::SortedSetBig => Big::SortedSet(Box::from_raw(raw.cast())),
            Form::HashBig => Big::Hash(Box::from_raw(raw.cast())),
            Form::Stream => Big::Stream(Box::from_raw(raw.cast())),
            Form::Array => Big::Array(Box::from_raw(raw.cast())),
            Form::Module => Big::Module(Box::from_raw(raw.cast())),
            _ => unreachable!("packed forms have no pointer"),
        }
    }
}

/// # Safety
/// `raw` came from [`big_into_raw`] of a value of this form, was not taken back, and is not written to during `'a`.
unsafe fn big_ref<'a>(form: Form, raw: *const u8) -> BigRef<'a> {
    // SAFETY: the form says of which type the box is.
    unsafe {
        match form {
            Form::TextLong => BigRef::Text(&*raw.cast::<bytes::Bytes>()),
            Form::ListBig => BigRef::List(&*raw.cast::<stored::BigList>()),
            Form::SetBig => BigRef::Set(&*raw.cast::<stored::BigSet>()),
            Form::SortedSetBig => BigRef::SortedSet(&*raw.cast::<stored::BigSortedSet>()),
            Form::HashBig => BigRef::Hash(&*raw.cast::<stored::BigHash>()),
            Form::Stream => BigRef::Stream(&*raw.cast::<Stream>()),
            Form::Array => BigRef::Array(&*raw.cast::<Array>()),
            Form::Module => BigRef::Module(&*raw.cast::<ModuleValue>()),
            _ => unreachable!("packed forms have no pointer"),
        }
    }
}

// Entries go from thread to thread as addresses, which the compiler does not see through.
const _: () = {
    const fn crosses_threads<T: Send + Sync>() {}
    crosses_threads::<Value>();
};

/// An entry that no table holds: owns its allocation, and frees it with what is behind it.
#[derive(Debug)]
pub(crate) struct Entry(NonNull<u8>);

// SAFETY: an entry is a key and a `Value`, and values cross threads (checked above); it is one owner's.
unsafe impl Send for Entry {}

/// What is written into an entry: borrowed, so that a string goes straight from a request into the entry.
pub(crate) enum Content<'a> {
    Inline(&'a [u8]),
    /// What is kept of a listpack: its head, and its elements.
    Listpack(Head, &'a [u8]),
    Big(Big),
}

impl<'a> Content<'a> {
    /// Lends what `payload` holds; `digits` lends room for an integer.
    pub(crate) fn of(payload: Payload, room: &'a mut Vec<u8>) -> Content<'a> {
        match payload {
            Payload::Int(number) => {
                let (bytes, used) = int_to_bytes(number);
                room.extend_from_slice(bytes.get(..used).unwrap_or_default());
                Content::Inline(room)
            }
            Payload::Inline(bytes) => {
                *room = bytes;
                Content::Inline(room)
            }
            Payload::Big(big) => Content::Big(big),
        }
    }

    /// Lends a string as SET stores it; `room` for an integer.
    pub(crate) fn of_text(bytes: &'a [u8], room: &'a mut [u8; 8]) -> (Form, Content<'a>) {
        if let Some(number) = canonical_int(bytes) {
            let used;
            (*room, used) = int_to_bytes(number);
            (Form::TextInt, Content::Inline(room.get(..used).unwrap_or_default()))
        } else if is_long(bytes.len()) {
            (Form::TextLong, Content::Big(Big::Text(Box::new(bytes::Bytes::copy_from_slice(bytes)))))
        } else {
            (Form::TextShort, Content::Inline(bytes))
        }
    }

    fn inline_len(&self) -> Option<usize> {
        match self {
            Content::Inline(bytes) => Some(bytes.len()),
            Content::Listpack(head, elements) => Some(head.as_bytes().len() + elements.len()),
            Content::Big(_) => None,
        }
    }

    /// # Safety
    /// `plan` was made for this content, and `entry` has room for it and is written to by nobody else.
    unsafe fn write(self, entry: NonNull<u8>, plan: &Plan) {
        // SAFETY: the plan's value part is exactly as long as what is written.
        unsafe {
            let at = entry.add(plan.value_at);
            match self {
                Content::Inline(bytes) => {
                    ptr::copy_nonoverlapping(bytes.as_ptr(), at.as_ptr(), bytes.len());
                }
                Content::Listpack(head, elements) => {
                    let head = head.as_bytes();
                    ptr::copy_nonoverlapping(head.as_ptr(), at.as_ptr(), head.len());
                    let at = at.add(head.len());
                    ptr::copy_nonoverlapping(elements.as_ptr(), at.as_ptr(), elements.len());
                }
                Content::Big(big) => at.cast::<*mut u8>().write_unaligned(big_into_raw(big)),
            }
        }
    }
}

impl Entry {
    /// Allocates and fills an entry.
    pub(crate) fn new(
        key: &[u8],
        form: Form,
        content: Content<'_>,
        deadline: Option<UnixMillis>,
        usage: Usage,
        clock: AccessClock,
    ) -> Entry {
        Entry::with_access(key, form, content, deadline, usage.first_access(clock))
    }

    pub(crate) fn from_value(
        key: &[u8],
        value: Value,
        deadline: Option<UnixMillis>,
        usage: Usage,
        clock: AccessClock,
    ) -> Entry {
        let (form, payload) = value.into_parts();
        let mut room = Vec::new();
        Entry::new(key, form, Content::of(payload, &mut room), deadline, usage, clock)
    }

    pub(crate) fn from_text(
        key: &[u8],
        text: &[u8],
        deadline: Option<UnixMillis>,
        usage: Usage,
        clock: AccessClock,
    ) -> Entry {
        let mut room = [0; 8];
        let (form, content) = Content::of_text(text, &mut room);
        Entry::new(key, form, content, deadline, usage, clock)
    }

    fn with_access(
        key: &[u8],
        form: Form,
        content: Content<'_>,
        deadline: Option<UnixMillis>,
        last_access: AccessClock,
    ) -> Entry {
        let plan = Plan::new(key.len(), form, content.inline_len(), deadline.is_some());
        let layout =
            Layout::from_size_align(plan.allocated(), ALIGN).expect("an entry is smaller than isize::MAX");
        // SAFETY: the layout has a size; everything written lies inside it, by the plan.
        unsafe {
            let Some(entry) = NonNull::new(alloc(layout)) else { handle_alloc_error(layout) };
            plan.write_header(entry, deadline, last_access);
            ptr::copy_nonoverlapping(key.as_ptr(), entry.add(plan.key_at).as_ptr(), key.len());
            content.write(entry, &plan);
            Entry(entry)
        }
    }

    pub(crate) fn view(&self) -> &EntryView {
        // SAFETY: `EntryView` is a transparent `NonNull<u8>`; `&self` keeps the entry as it is.
        unsafe { &*ptr::from_ref(&self.0).cast::<EntryView>() }
    }

    /// Hands the allocation over.
    pub(crate) fn into_raw(self) -> NonNull<u8> {
        let raw = self.0;
        std::mem::forget(self);
        raw
    }

    /// # Safety
    /// `raw` came from [`Entry::into_raw`], and is taken back once.
    pub(crate) unsafe fn from_raw(raw: NonNull<u8>) -> Entry {
        Entry(raw)
    }

    /// Takes the value, and frees the rest.
    pub(crate) fn into_value(self) -> Value {
        // SAFETY: the entry is ours; it is not looked at again but to be freed as hollow.
        unsafe {
            let value = take_value(self.0);
            drop(Hollow(self.into_raw()));
            value
        }
    }

    /// What freeing it costs, in elements.
    pub(crate) fn elements(&self) -> usize {
        let view = self.view();
        if view.form().is_big() { view.value().elements() } else { 1 }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // SAFETY: the entry is ours, and not looked at after.
        unsafe {
            let form = self.view().form();
            if form.is_big() {
                drop(take_value(self.0));
            }
            drop(Hollow(self.0));
        }
    }
}

/// An allocation whose value was taken out: frees the allocation alone.
#[derive(Debug)]
pub(crate) struct Hollow(NonNull<u8>);

// SAFETY: as for `Entry`.
unsafe impl Send for Hollow {}

impl Hollow {
    /// # Safety
    /// `raw` came from [`Entry::into_raw`], is taken back once, and its value was taken out.
    pub(crate) unsafe fn from_raw(raw: NonNull<u8>) -> Hollow {
        Hollow(raw)
    }
}

impl Drop for Hollow {
    fn drop(&mut self) {
        // SAFETY: the header is whole, so the plan is that of the allocation.
        unsafe {
            let plan = Plan::read(self.0);
            let layout = Layout::from_size_align_unchecked(plan.allocated(), ALIGN);
            dealloc(self.0.as_ptr(), layout);
        }
    }
}

/// Takes the value out: a copy of packed bytes, the box itself of a big value. Until [`put`] writes a value again
/// (or the allocation is freed as [`Hollow`]) the entry must not be read, but for its key.
///
/// # Safety
/// The shard's write lock is held, or no table has the entry.
pub(crate) unsafe fn take_value(entry: NonNull<u8>) -> Value {
    // SAFETY: the plan gives where the value is, the form what it is.
    unsafe {
        let plan = Plan::read(entry);
        let form = plan.form();
        let at = entry.add(plan.value_at);
        let payload = if form.is_big() {
            Payload::Big(big_from_raw(form, at.cast::<*mut u8>().read_unaligned()))
        } else {
            let bytes = slice::from_raw_parts(at.as_ptr(), plan.value_len);
            if form == Form::TextInt {
                Payload::Int(int_from_bytes(bytes))
            } else {
                Payload::Inline(bytes.to_vec())
            }
        };
        Value::from_parts(form, payload)
    }
}

/// Writes another value (and deadline) into an entry whose old value was taken out or is packed: in place when it
/// fits the allocation, else into a new entry with the same key, which is given back and the old one with it.
///
/// # Safety
/// The shard's write lock is held, or no table has the entry. When a new entry is given back, the old one is
/// `Hollow` and no table may keep it.
pub(crate) unsafe fn put(
    entry: NonNull<u8>,
    form: Form,
    content: Content<'_>,
    deadline: Option<UnixMillis>,
) -> Option<(Entry, Hollow)> {
    // SAFETY: the new plan has the same allocation as the old when written in place; the key is moved before
    // anything is written where it was or where it goes, and the lengths are written after it moved.
    unsafe {
        let old = Plan::read(entry);
        let new = Plan::new(old.key_len, form, content.inline_len(), deadline.is_some());
        let last_access = last_access(entry);
        if new.allocated() == old.allocated() {
            if new.key_at != old.key_at {
                ptr::copy(entry.add(old.key_at).as_ptr(), entry.add(new.key_at).as_ptr(), old.key_len);
            }
            new.write_header(entry, deadline, last_access);
            content.write(entry, &new);
            None
        } else {
            let key = slice::from_raw_parts(entry.add(old.key_at).as_ptr(), old.key_len);
            Some((Entry::with_access(key, form, content, deadline, last_access), Hollow(entry)))
        }
    }
}

/// Changes the deadline alone; gives back a new entry (with the value) when the old allocation does not fit.
///
/// # Safety
/// As for [`put`].
pub(crate) unsafe fn set_deadline(
    entry: NonNull<u8>,
    deadline: Option<UnixMillis>,
) -> Option<(Entry, Hollow)> {
    // SAFETY: key and payload are neighbours, and move together; a pointer is moved as the bytes it consists of,
    // which keeps its provenance.
    unsafe {
        let old = Plan::read(entry);
        let form = old.form();
        let value_len = if form.is_big() { None } else { Some(old.value_len) };
        let new = Plan::new(old.key_len, form, value_len, deadline.is_some());
        let last_access = last_access(entry);
        let both = old.key_len + old.value_len;
        if new.allocated() == old.allocated() {
            if new.key_at != old.key_at {
                ptr::copy(entry.add(old.key_at).as_ptr(), entry.add(new.key_at).as_ptr(), both);
            }
            new.write_header(entry, deadline, last_access);
            return None;
        }
        let layout =
            Layout::from_size_align(new.allocated(), ALIGN).expect("an entry is smaller than isize::MAX");
        let Some(moved) = NonNull::new(alloc(layout)) else { handle_alloc_error(layout) };
        new.write_header(moved, deadline, last_access);
        ptr::copy_nonoverlapping(entry.add(old.key_at).as_ptr(), moved.add(new.key_at).as_ptr(), both);
        Some((Entry(moved), Hollow(entry)))
    }
}

/// # Safety
/// `entry` points to an entry (or to the memory of one to be) during `'a`; its first word is only used atomically.
#[inline]
unsafe fn head<'a>(entry: NonNull<u8>) -> &'a AtomicU32 {
    // SAFETY: the word is the first of the allocation, aligned to 8.
    unsafe { AtomicU32::from_ptr(entry.cast::<u32>().as_ptr()) }
}

/// # Safety
/// `entry` points to a whole entry.
unsafe fn last_access(entry: NonNull<u8>) -> AccessClock {
    // SAFETY: the caller's.
    AccessClock(unsafe { head(entry) }.load(Ordering::Relaxed) >> USE_SHIFT)
}

/// A key with its value, looked at where they are stored.
///
/// Lent by a [`crate::Ref`], by [`crate::Refs`] or to a walk's closure, and only for as long as the lock of its
/// shard is held.
#[derive(Debug)]
#[repr(transparent)]
pub struct EntryView(NonNull<u8>);

impl EntryView {
    /// # Safety
    /// `entry` is whole, and is neither written to nor freed while the view lives. The view is lent as
    /// `&EntryView` and never moved to where it outlives that.
    pub(crate) unsafe fn new(entry: NonNull<u8>) -> EntryView {
        EntryView(entry)
    }

    #[inline]
    fn plan(&self) -> Plan {
        // SAFETY: the view's own obligation.
        unsafe { Plan::read(self.0) }
    }

    pub(crate) fn form(&self) -> Form {
        Form::from_bits(self.head().load(Ordering::Relaxed) as u8)
    }

    #[inline]
    fn payload(&self) -> PayloadRef<'_> {
        let plan = self.plan();
        let form = plan.form();
        // SAFETY: the plan gives where the value is, the form what it is; `&self` keeps both.
        unsafe {
            let at = self.0.add(plan.value_at);
            if form.is_big() {
                PayloadRef::Big(big_ref(form, at.cast::<*const u8>().read_unaligned()))
            } else {
                PayloadRef::Inline(slice::from_raw_parts(at.as_ptr(), plan.value_len))
            }
        }
    }

    /// The key.
    #[inline]
    pub fn key(&self) -> &[u8] {
        let plan = self.plan();
        // SAFETY: the plan gives where the key is; `&self` keeps it.
        unsafe { slice::from_raw_parts(self.0.add(plan.key_at).as_ptr(), plan.key_len) }
    }

    /// What sort of value it is.
    pub fn kind(&self) -> Kind {
        self.form().kind()
    }

    /// TYPE's word for it: a module's type has a name of its own.
    pub fn type_name(&self) -> Cow<'static, str> {
        match self.value() {
            ValueRef::Module(module) => Cow::Owned(module.type_name()),
            _ => Cow::Borrowed(self.kind().name()),
        }
    }

    /// The value.
    pub fn value(&self) -> ValueRef<'_> {
        ValueRef::of(self.form(), self.payload())
    }

    /// When the key expires; `None` for never.
    pub fn deadline(&self) -> Option<UnixMillis> {
        if !self.plan().has_deadline() {
            return None;
        }
        // SAFETY: the shape says that there is one.
        Some(UnixMillis(unsafe { self.0.add(DEADLINE_AT).cast::<i64>().read_unaligned() }))
    }

    /// Whether the key is there for a reader at `now`.
    pub fn is_visible(&self, now: UnixMillis) -> bool {
        self.deadline().is_none_or(|deadline| !deadline.is_past(now))
    }

    /// `OBJECT ENCODING`'s answer.
    pub fn encoding(&self) -> &'static str {
        self.value().encoding()
    }

    /// Whether both have the same value and deadline; how they were used does not count.
    pub(crate) fn is_same_as(&self, other: &EntryView) -> bool {
        if self.deadline() != other.deadline() {
            return false;
        }
        if let (PayloadRef::Inline(mine), PayloadRef::Inline(others)) = (self.payload(), other.payload())
            && self.form() == other.form()
            && mine == others
        {
            return true;
        }
        let (mine, others) = (self.value(), other.value());
        // What a client is told of the encoding is what the newer one would have.
        mine.encoding() == others.encoding() && mine.same(others)
    }

    #[inline]
    fn head(&self) -> &AtomicU32 {
        // SAFETY: the view's own obligation.
        unsafe { head(self.0) }
    }

    /// What it notes of its use.
    fn last_access(&self) -> AccessClock {
        AccessClock(self.head().load(Ordering::Relaxed) >> USE_SHIFT)
    }

    /// Seconds since the key was last used, as of this clock; means nothing in a store that counts accesses.
    pub(crate) fn idle_seconds(&self, clock: AccessClock) -> u64 {
        clock.seconds_since(self.last_access())
    }

    /// How often the key is used, as of `now`, by rules that count accesses.
    pub fn frequency(&self, rules: UsageRules, now: UnixMillis) -> u8 {
        rules.frequency(self.last_access(), now)
    }

    /// Notes an access, or a change. A key that is read all the time is written to once a second.
    #[inline]
    pub(crate) fn touch(&self, ticking: &Ticking, is_change: bool, dice: impl FnOnce() -> u64) {
        let clock = ticking.clock();
        let word = self.head().load(Ordering::Relaxed);
        if word >> USE_SHIFT != clock.0 {
            let clock = if clock.is_plain() {
                clock
            } else {
                ticking.special(AccessClock(word >> USE_SHIFT), is_change, dice)
            };
            // Others that hold the shard's lock for reading may do the same: see the module.
            self.head().store(clock.0 << USE_SHIFT | word & SHAPE, Ordering::Relaxed);
        }
    }

    /// Bytes of the entry's own allocation.
    pub(crate) fn allocated(&self) -> usize {
        self.plan().allocated()
    }

    /// `MEMORY USAGE`'s answer: the entry, what is behind it, and its slot in the table.
    pub fn memory_usage(&self) -> usize {
        let behind = if self.form().is_big() { self.value().heap_bytes() } else { 0 };
        self.allocated() + behind + SLOT_BYTES
    }

    /// The value as a string.
    ///
    /// # Errors
    /// [`WrongKind`] when it is another kind; so for the methods that follow.
    pub fn text(&self) -> Result<TextRef<'_>, WrongKind> {
        match self.form() {
            // What most strings are, without a look at what else a value may be.
            Form::TextShort => match self.payload() {
                PayloadRef::Inline(bytes) => Ok(TextRef::Short(bytes)),
                PayloadRef::Big(_) => self.value().text(),
            },
            _ => self.value().text(),
        }
    }

    /// The value as a list.
    ///
    /// # Errors
    /// As for [`EntryView::text`].
    pub fn list(&self) -> Result<ListRef<'_>, WrongKind> {
        self.value().list()
    }

    /// The value as a set.
    ///
    /// # Errors
    /// As for [`EntryView::text`].
    pub fn set(&self) -> Result<SetRef<'_>, WrongKind> {
        self.value().set()
    }

    /// The value as a sorted set.
    ///
    /// # Errors
    /// As for [`EntryView::text`].
    pub fn sorted_set(&self) -> Result<SortedSetRef<'_>, WrongKind> {
        self.value().sorted_set()
    }

    /// The value as a hash.
    ///
    /// # Errors
    /// As for [`EntryView::text`].
    pub fn hash(&self) -> Result<HashRef<'_>, WrongKind> {
        self.value().hash()
    }

    /// The value as a stream.
    ///
    /// # Errors
    /// As for [`EntryView::text`].
    pub fn stream(&self) -> Result<&Stream, WrongKind> {
        self.value().stream()
    }

    /// The value as an array.
    ///
    /// # Errors
    /// As for [`EntryView::text`].
    pub fn array(&self) -> Result<&Array, WrongKind> {
        self.value().array()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Text;

    fn entry(key: &[u8], value: &[u8], deadline: Option<i64>) -> Entry {
        let value = Value::String(Text::new(value));
        Entry::from_value(key, value, deadline.map(UnixMillis), Usage::default(), AccessClock(7))
    }

    fn text(view: &EntryView) -> Vec<u8> {
        view.text().unwrap().to_vec()
    }

    #[test]
    fn the_usual_entry_takes_128_bytes() {
        assert_eq!(entry(&[b'k'; 16], &[b'v'; 100], None).view().allocated(), 128);
    }

    #[test]
    fn an_entry_gives_back_what_it_was_given() {
        for key_len in [0, 1, 255, 256, 65534, 65535, 65536] {
            for value in [
                &b"12345"[..],
                b"",
                b"hello",
                &[b'x'; 300],
                &[b'z'; 65_534],
                &[b'z'; 65_535],
                &[b'y'; 70_000],
            ] {
                for deadline in [None, Some(1234)] {
                    let key = vec![b'k'; key_len];
                    let entry = entry(&key, value, deadline);
                    let view = entry.view();
                    assert_eq!(view.key(), key);
                    assert_eq!(text(view), value);
                    assert_eq!(view.deadline(), deadline.map(UnixMillis));
                    assert_eq!(view.idle_seconds(AccessClock::at(UnixMillis(9000))), 2);
                    assert_eq!(Value::from(Text::new(value)).view().encoding(), view.encoding());
                    assert!(
                        matches!(entry.into_value(), Value::String(kept) if kept.view().to_vec() == value)
                    );
                }
            }
        }
    }

    #[test]
    fn values_and_deadlines_are_replaced_in_place_or_moved() {
        let values = [&b"1"[..], b"short", &[b'a'; 90], &[b'b'; 300], &[b'c'; 70_000], b"-9000000000"];
        for before in values {
            for after in values {
                for deadline in [None, Some(UnixMillis(5))] {
                    let old = entry(b"the key", before, Some(1)).into_raw();
                    // SAFETY: no table has the entry.
                    let entry = unsafe {
                        drop(take_value(old));
                        let (form, payload) = Value::from(Text::new(after)).into_parts();
                        let mut room = Vec::new();
                        match put(old, form, Content::of(payload, &mut room), deadline) {
                            None => Entry::from_raw(old),
                            Some((new, hollow)) => {
                                drop(hollow);
                                new
                            }
                        }
                    };
                    assert_eq!(entry.view().key(), b"the key");
                    assert_eq!(text(entry.view()), after);
                    assert_eq!(entry.view().deadline(), deadline);
                    let old = entry.into_raw();
                    // SAFETY: no table has the entry.
                    let entry = unsafe {
                        match set_deadline(old, Some(UnixMillis(77))) {
                            None => Entry::from_raw(old),
                            Some((new, hollow)) => {
                                drop(hollow);
                                new
                            }
                        }
                    };
                    assert_eq!(entry.view().key(), b"the key");
                    assert_eq!(text(entry.view()), after);
                    assert_eq!(entry.view().deadline(), Some(UnixMillis(77)));
                }
            }
        }
    }

    #[test]
    fn a_hash_of_five_short_fields_takes_96_bytes() {
        let mut hash = crate::value::Hash::default();
        let fields = [
            (&b"name"[..], &b"eight ch"[..]),
            (b"city", b"eight ch"),
            (b"age", b"42"),
            (b"mail", b"fourteen chars"),
            (b"seen", b"1600000000"),
        ];
        for (name, value) in fields {
            let limits = crate::Limits::default();
            let form = crate::value::hash::DeadlineForm::default();
            let deadline = crate::value::hash::FieldDeadline::Cleared;
            hash.set(name, value, deadline, &limits, form);
        }
        let entry = Entry::from_value(&[b'k'; 16], Value::Hash(hash), None, Usage::default(), AccessClock(7));
        assert_eq!(entry.view().allocated(), 96);
    }

    #[test]
    fn usage_survives_and_a_touch_keeps_the_rest() {
        let usage = Usage { idle_seconds: Some(5), frequency: None };
        let entry = Entry::from_value(
            b"k",
            Value::String(Text::new(b"v")),
            None,
            usage,
            AccessClock::at(UnixMillis(3000)),
        );
        assert_eq!(entry.view().idle_seconds(AccessClock::at(UnixMillis(3999))), 5);
        let ticking = Ticking::default();
        ticking.tick(UnixMillis(10_000));
        entry.view().touch(&ticking, false, || unreachable!("nothing is counted"));
        assert_eq!(entry.view().idle_seconds(AccessClock::at(UnixMillis(12_000))), 2);
        assert_eq!((entry.view().key(), text(entry.view())), (&b"k"[..], b"v".to_vec()));
    }
}
