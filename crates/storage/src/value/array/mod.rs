//! Arrays (Redis 8.8): values by index, from 0 to 2^64 - 2, most of which may be empty.
//!
//! Owns the values in slices of 4,096 neighbours, how many there are, and the place where ARINSERT and ARRING go on.
//! Never knows its key.

mod directory;
mod slice;
mod word;

use std::collections::{BTreeMap, btree_map};
use std::ops::RangeInclusive;

use super::{Kind, Value, ValueKind};
use directory::Directory;
use slice::{SLOTS, Slice, SliceRange};

use crate::memory::{array_bytes, tree_bytes};

pub use slice::Element;
pub use word::InlineText;

/// The highest index there is.
pub const INDEX_MAX: u64 = u64::MAX - 1;

/// An array.
#[derive(Clone, Debug, Default)]
pub struct Array {
    /// By number: index / 4096. None is empty.
    slices: BTreeMap<u64, Slice>,
    count: u64,
    /// Where ARINSERT or ARRING (or ARSEEK, as if) put something last.
    last_insert: Option<u64>,
    directory: Directory,
}

/// How an array's slices are laid out: what ARINFO FULL tells.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Layout {
    /// Slices that are windows of slots.
    pub dense: u64,
    /// Slots that they have room for, together.
    pub dense_slots: u64,
    /// Slots of them that are filled.
    pub dense_filled: u64,
    /// Slices of single slots.
    pub sparse: u64,
    /// Slots that they have room for, together.
    pub sparse_slots: u64,
}

impl Array {
    /// How many values it has.
    pub fn len(&self) -> usize {
        usize::try_from(self.count).unwrap_or(usize::MAX)
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// One above the highest index that is filled.
    pub fn end(&self) -> u64 {
        self.last_index().map_or(0, |index| index + 1)
    }

    /// The highest index that is filled.
    pub fn last_index(&self) -> Option<u64> {
        let (number, slice) = self.slices.last_key_value()?;
        Some(index(*number, slice.last()?))
    }

    /// The value at an index.
    pub fn get(&self, index: u64) -> Option<Element<'_>> {
        let (number, at) = place(index);
        self.slices.get(&number)?.get(at)
    }

    /// Sets the value at an index (at most [`INDEX_MAX`]); says whether there was none.
    pub fn set(&mut self, index: u64, value: &[u8]) -> bool {
        let (number, at) = place(index.min(INDEX_MAX));
        let slices = self.slices.len();
        let was_empty = self.slices.entry(number).or_insert_with(Slice::new).set(at, value);
        self.count += u64::from(was_empty);
        if self.slices.len() > slices {
            self.directory.admit(number, &self.slices);
        }
        was_empty
    }

    /// Removes the value at an index; says whether there was one.
    pub fn remove(&mut self, index: u64) -> bool {
        let (number, at) = place(index);
        let Some(slice) = self.slices.get_mut(&number) else { return false };
        let removed = slice.remove(at);
        if slice.count() == 0 {
            self.drop_slice(number);
        }
        self.count -= u64::from(removed);
        removed
    }

    /// Removes the values from one index to another; says how many there were.
    pub fn remove_range(&mut self, range: RangeInclusive<u64>) -> u64 {
        if range.is_empty() {
            return 0;
        }
        let ((first, first_at), (last, last_at)) = (place(*range.start()), place(*range.end()));
        let mut removed = 0;
        let mut emptied = Vec::new();
        for (number, slice) in self.slices.range_mut(first..=last) {
            let from = if *number == first { first_at } else { 0 };
            let to = if *number == last { last_at } else { SLOTS - 1 };
            removed += slice.remove_range(from, to) as u64;
            if slice.count() == 0 {
                emptied.push(*number);
            }
        }
        for number in emptied {
            self.drop_slice(number);
        }
        self.count -= removed;
        removed
    }

    fn drop_slice(&mut self, number: u64) {
        self.slices.remove(&number);
        self.directory.dismiss(number, &self.slices);
    }

    /// The values in order, those from one index to another.
    pub fn range(&self, range: RangeInclusive<u64>) -> Range<'_> {
        let (start, end) = range.into_inner();
        let slices = (start <= end).then(|| self.slices.range(place(start).0..=place(end).0));
        Range {
            slices: slices.unwrap_or_else(|| self.slices.range(0..0)),
            start,
            end,
            front: None,
            back: None,
        }
    }

    /// Where ARINSERT or ARRING put something last, or ARSEEK made as if.
    pub fn last_insert(&self) -> Option<u64> {
        self.last_insert
    }

    /// Sets [`Array::last_insert`].
    pub fn set_last_insert(&mut self, index: Option<u64>) {
        self.last_insert = index;
    }

    /// Where ARINSERT goes on; `None` when there is no index above.
    pub fn next_insert(&self) -> Option<u64> {
        match self.last_insert {
            None => Some(0),
            Some(last) => last.checked_add(1).filter(|next| *next <= INDEX_MAX),
        }
    }

    /// Puts values at the next indices; says where the last of them is. `None`, and nothing done, when there are not
    /// so many indices.
    pub fn insert<'v>(&mut self, values: impl ExactSizeIterator<Item = &'v [u8]>) -> Option<u64> {
        let first = self.next_insert()?;
        let more = u64::try_from(values.len()).ok()?.checked_sub(1)?;
        let last = first.checked_add(more).filter(|last| *last <= INDEX_MAX)?;
        for (index, value) in (first..=last).zip(values) {
            self.set(index, value);
        }
        self.last_insert = Some(last);
        Some(last)
    }

    /// Puts values at the next indices of a ring of `size`, over what is there; says where the last of them is.
    ///
    /// An array of another length is made a ring of that size first: what was put in last stays, as far back as there
    /// is no gap and as much as has room, and stands at the beginning, the oldest first.
    pub fn insert_into_ring<'v>(&mut self, size: u64, values: impl Iterator<Item = &'v [u8]>) -> Option<u64> {
        let size = size.max(1);
        self.make_ring(size);
        for value in values {
            // An index of 2^64 - 1 cannot be held, but what follows it is well known.
            let next = self.last_insert.map_or(0, |last| last.wrapping_add(1)) % size;
            self.set(next, value);
            self.last_insert = Some(next);
        }
        self.last_insert
    }

    /// See [`Array::insert_into_ring`].
    fn make_ring(&mut self, size: u64) {
        let end = self.end();
        let newest = match self.last_insert {
            // It grows: only what has wrapped must be put in a row.
            Some(last) if end < size && last.saturating_add(1) < end => last,
            _ if end <= size => return,
            // A place behind the end (ARSEEK) is one in a ring of the array's length.
            Some(last) => last % end,
            None => end - 1,
        };
        let mut kept = Vec::new();
        let mut at = newest;
        while (kept.len() as u64) < size.min(end)
            && let Some(value) = self.get(at)
        {
            kept.push(value.as_bytes().to_vec());
            at = at.checked_sub(1).unwrap_or(end - 1);
        }
        *self = Array::default();
        for (index, value) in (0..).zip(kept.iter().rev()) {
            self.set(index, value);
            self.last_insert = Some(index);
        }
    }

    /// How many slices it has.
    pub fn slices_len(&self) -> usize {
        self.slices.len()
    }

    /// How many places Redis' directory of slices would have, and how many blocks of slices, which it has only when
    /// there are very high indices.
    pub fn directory(&self) -> (u64, u64) {
        self.directory.numbers(&self.slices)
    }

    /// How many slots a slice has.
    pub fn slice_slots(&self) -> u64 {
        u64::from(SLOTS)
    }

    /// How its slices are laid out.
    pub fn layout(&self) -> Layout {
        let mut layout = Layout::default();
        for slice in self.slices.values() {
            match slice.shape() {
                (true, slots) => {
                    layout.dense += 1;
                    layout.dense_slots += slots as u64;
                    layout.dense_filled += slice.count() as u64;
                }
                (false, slots) => {
                    layout.sparse += 1;
                    layout.sparse_slots += slots as u64;
                }
            }
        }
        layout
    }

    /// Bytes of the allocations behind the entry.
    pub fn heap_bytes(&self) -> usize {
        array_bytes::<Array>(1)
            + tree_bytes::<u64, Slice>(self.slices.len())
            + self.slices.values().map(Slice::heap_bytes).sum::<usize>()
    }

    /// `OBJECT ENCODING`'s answer.
    pub fn encoding(&self) -> &'static str {
        "sliced-array"
    }

    /// Whether another has the same values at the same indices, and would go on at the same place.
    pub fn same(&self, other: &Array) -> bool {
        let all = 0..=INDEX_MAX;
        (self.count, self.last_insert) == (other.count, other.last_insert)
            && self.range(all.clone()).zip(other.range(all)).all(
                |((own_index, own), (other_index, theirs))| {
                    own_index == other_index && own.as_bytes() == theirs.as_bytes()
                },
            )
    }
}

/// Values of an array in order, from either end.
#[derive(Clone, Debug)]
pub struct Range<'a> {
    slices: btree_map::Range<'a, u64, Slice>,
    start: u64,
    end: u64,
    front: Option<(u64, SliceRange<'a>)>,
    back: Option<(u64, SliceRange<'a>)>,
}

impl<'a> Range<'a> {
    /// The slots of a slice that are within.
    fn within(&self, number: u64, slice: &'a Slice) -> (u64, SliceRange<'a>) {
        let ((first, first_at), (last, last_at)) = (place(self.start), place(self.end));
        let from = if number == first { first_at } else { 0 };
        let to = if number == last { last_at } else { SLOTS - 1 };
        (number, slice.range(from, to))
    }
}

impl<'a> Iterator for Range<'a> {
    type Item = (u64, Element<'a>);
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((number, slots)) = &mut self.front
                && let Some((at, element)) = slots.next()
            {
                return Some((index(*number, at), element));
            }
            match self.slices.next() {
                Some((number, slice)) => self.front = Some(self.within(*number, slice)),
                None => {
                    let (number, slots) = self.back.as_mut()?;
                    let (at, element) = slots.next()?;
                    return Some((index(*number, at), element));
                }
            }
        }
    }
}

impl DoubleEndedIterator for Range<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((number, slots)) = &mut self.back
                && let Some((at, element)) = slots.next_back()
            {
                return Some((index(*number, at), element));
            }
            match self.slices.next_back() {
                Some((number, slice)) => self.back = Some(self.within(*number, slice)),
                None => {
                    let (number, slots) = self.front.as_mut()?;
                    let (at, element) = slots.next_back()?;
                    return Some((index(*number, at), element));
                }
            }
        }
    }
}

/// The number of an index's slice, and its place there.
fn place(index: u64) -> (u64, u16) {
    let slots = u64::from(SLOTS);
    (index / slots, u16::try_from(index % slots).unwrap_or(0))
}

/// The index of a place in a slice.
fn index(number: u64, at: u16) -> u64 {
    number.saturating_mul(u64::from(SLOTS)).saturating_add(u64::from(at))
}

impl From<Array> for Value {
    fn from(array: Array) -> Value {
        Value::Array(Box::new(array))
    }
}

impl ValueKind for Array {
    const KIND: Kind = Kind::Array;
    fn from_value(value: Value) -> Result<Self, Value> {
        match value {
            Value::Array(array) => Ok(*array),
            other => Err(other),
        }
    }
    fn is_gone(&self) -> bool {
        self.is_empty()
    }
}

#[cfg(test)]
mod tests;
