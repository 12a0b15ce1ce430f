//! One slice of an array: 4,096 neighbouring slots.
//!
//! Owns its slots, as pairs of place and word where they stand far apart and as a window of words where they stand
//! close, and the strings that are too long for a word. Never knows which slice it is.
//!
//! Bytes: 10 a slot that is filled in the sparse form, 8 a slot from the first filled one to the last in the dense
//! form; a string that its word does not hold takes 16 and its own bytes more.

use super::word::{Held, InlineText, Word};
use crate::memory::{array_bytes, size_class};

/// How many slots a slice has; Redis' `array-slice-size`.
pub(super) const SLOTS: u16 = 4096;

/// So much longer a sparse slice may be than a dense one before it becomes dense, and the other way round, in bytes:
/// so that a slice at the border does not go back and forth.
const SLACK_BYTES: usize = 64;

/// A slice; never empty while an array has it.
#[derive(Clone, Debug)]
pub(super) struct Slice {
    slots: Slots,
    /// Filled slots.
    count: usize,
    /// Strings too long for a word.
    long: Vec<Box<[u8]>>,
    /// Which of them stand for nothing.
    free: Vec<u32>,
}

#[derive(Clone, Debug)]
enum Slots {
    /// Filled slots by their place, ascending.
    Sparse { places: Vec<u16>, words: Vec<Word> },
    /// Slots from `start` on; the first and the last are filled.
    Dense { start: u16, words: Vec<Word> },
}

/// A value of an array.
#[derive(Clone, Copy, Debug)]
pub enum Element<'a> {
    /// Its slot holds it.
    Inline(InlineText),
    /// It stands beside the slots.
    Long(&'a [u8]),
}

impl Element<'_> {
    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Element::Inline(text) => text.as_bytes(),
            Element::Long(bytes) => bytes,
        }
    }
}

impl Slice {
    /// A slice with nothing in it.
    pub(super) fn new() -> Slice {
        let slots = Slots::Sparse { places: Vec::new(), words: Vec::new() };
        Slice { slots, count: 0, long: Vec::new(), free: Vec::new() }
    }

    /// How many slots are filled.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The first filled slot.
    pub(super) fn first(&self) -> Option<u16> {
        match &self.slots {
            Slots::Sparse { places, .. } => places.first().copied(),
            Slots::Dense { start, words } => (!words.is_empty()).then_some(*start),
        }
    }

    /// The last filled slot.
    pub(super) fn last(&self) -> Option<u16> {
        match &self.slots {
            Slots::Sparse { places, .. } => places.last().copied(),
            Slots::Dense { start, words } => place(usize::from(*start) + words.len().checked_sub(1)?),
        }
    }

    /// What a slot holds.
    pub(super) fn get(&self, at: u16) -> Option<Element<'_>> {
        let word = match &self.slots {
            Slots::Sparse { places, words } => *words.get(places.binary_search(&at).ok()?)?,
            Slots::Dense { start, words } => *words.get(usize::from(at.checked_sub(*start)?))?,
        };
        self.element(word)
    }

    /// Fills a slot; says whether it was empty.
    pub(super) fn set(&mut self, at: u16, bytes: &[u8]) -> bool {
        let word = match Word::inline(bytes) {
            Some(word) => word,
            None => self.keep(bytes),
        };
        let before = self.put(at, word);
        self.forget(before);
        let was_empty = before.is_empty();
        if was_empty {
            self.count += 1;
            self.settle();
        }
        was_empty
    }

    /// Empties a slot; says whether it was filled.
    pub(super) fn remove(&mut self, at: u16) -> bool {
        self.remove_range(at, at) == 1
    }

    /// Empties slots, from one to another; says how many were filled.
    pub(super) fn remove_range(&mut self, first: u16, last: u16) -> usize {
        let removed: Vec<Word> = match &mut self.slots {
            Slots::Sparse { places, words } => {
                let from = places.partition_point(|place| *place < first);
                let to = places.partition_point(|place| *place <= last).max(from);
                places.drain(from..to);
                words.drain(from..to).collect()
            }
            Slots::Dense { start, words } => {
                let from = usize::from(first.saturating_sub(*start)).min(words.len());
                let to = (usize::from(last) + 1).saturating_sub(usize::from(*start)).clamp(from, words.len());
                let gone = words.get_mut(from..to).unwrap_or_default();
                let removed = gone.iter_mut().map(std::mem::take).filter(|word| !word.is_empty()).collect();
                trim(start, words);
                removed
            }
        };
        for word in &removed {
            self.forget(*word);
        }
        self.count -= removed.len();
        if !removed.is_empty() {
            self.settle();
        }
        removed.len()
    }

    /// The filled slots in order, those from `first` to `last`.
    pub(super) fn range(&self, first: u16, last: u16) -> SliceRange<'_> {
        let (from, to) = match &self.slots {
            Slots::Sparse { places, .. } => (
                places.partition_point(|place| *place < first),
                places.partition_point(|place| *place <= last),
            ),
            Slots::Dense { start, words } => {
                let start = usize::from(*start);
                let from = usize::from(first).saturating_sub(start).min(words.len());
                (from, (usize::from(last) + 1).saturating_sub(start).min(words.len()))
            }
        };
        SliceRange { slice: self, from, to: to.max(from) }
    }

    /// Whether it is a window of words, and how many words it has room for.
    pub(super) fn shape(&self) -> (bool, usize) {
        match &self.slots {
            Slots::Sparse { words, .. } => (false, words.capacity()),
            Slots::Dense { words, .. } => (true, words.capacity()),
        }
    }

    /// Bytes behind it.
    pub(super) fn heap_bytes(&self) -> usize {
        let slots = match &self.slots {
            Slots::Sparse { places, words } => {
                array_bytes::<u16>(places.capacity()) + array_bytes::<Word>(words.capacity())
            }
            Slots::Dense { words, .. } => array_bytes::<Word>(words.capacity()),
        };
        slots
            + array_bytes::<Box<[u8]>>(self.long.capacity())
            + array_bytes::<u32>(self.free.capacity())
            + self.long.iter().map(|bytes| size_class(bytes.len())).sum::<usize>()
    }

    fn element(&self, word: Word) -> Option<Element<'_>> {
        match word.held() {
            Held::Nothing => None,
            Held::Inline(text) => Some(Element::Inline(text)),
            Held::Long(place) => self.long.get(place as usize).map(|bytes| Element::Long(bytes)),
        }
    }

    /// Keeps a string that its word does not hold.
    fn keep(&mut self, bytes: &[u8]) -> Word {
        if let Some(place) = self.free.pop()
            && let Some(room) = self.long.get_mut(place as usize)
        {
            *room = bytes.into();
            return Word::long(place);
        }
        self.long.push(bytes.into());
        // A slice has 4,096 slots, so there are no more strings.
        Word::long(u32::try_from(self.long.len() - 1).unwrap_or(u32::MAX))
    }

    /// Gives up what a word that goes had beside it.
    fn forget(&mut self, word: Word) {
        if let Held::Long(place) = word.held()
            && let Some(room) = self.long.get_mut(place as usize)
        {
            *room = Box::default();
            self.free.push(place);
            if self.free.len() == self.long.len() {
                self.free = Vec::new();
                self.long = Vec::new();
            }
        }
    }

    /// Puts a word into a slot, whatever the form; gives back what was there.
    fn put(&mut self, at: u16, word: Word) -> Word {
        match &mut self.slots {
            Slots::Sparse { places, words } => match places.binary_search(&at) {
                Ok(found) => words.get_mut(found).map_or(Word::default(), |own| std::mem::replace(own, word)),
                Err(gap) => {
                    places.insert(gap, at);
                    words.insert(gap, word);
                    Word::default()
                }
            },
            Slots::Dense { start, words } => {
                if at < *start {
                    let more = usize::from(*start - at);
                    words.splice(0..0, std::iter::repeat_n(Word::default(), more));
                    *start = at;
                }
                let within = usize::from(at - *start);
                if within >= words.len() {
                    // Never room for slots that the slice does not have.
                    let most = usize::from(SLOTS.saturating_sub(*start)).max(within + 1);
                    if within >= words.capacity() {
                        let room = (words.capacity() * 2).clamp(within + 1, most);
                        words.reserve_exact(room - words.len());
                    }
                    words.resize(within + 1, Word::default());
                }
                words.get_mut(within).map_or(Word::default(), |own| std::mem::replace(own, word))
            }
        }
    }

    /// Changes to the form that takes less.
    fn settle(&mut self) {
        let (Some(first), Some(last)) = (self.first(), self.last()) else { return };
        let window = usize::from(last - first) + 1;
        let dense_bytes = window * size_of::<Word>();
        let sparse_bytes = self.count * (size_of::<Word>() + size_of::<u16>());
        match &mut self.slots {
            Slots::Sparse { places, words } if sparse_bytes > dense_bytes + SLACK_BYTES => {
                let mut all = vec![Word::default(); window];
                for (place, word) in places.iter().zip(words) {
                    if let Some(slot) = all.get_mut(usize::from(*place - first)) {
                        *slot = *word;
                    }
                }
                self.slots = Slots::Dense { start: first, words: all };
            }
            Slots::Dense { words, .. } if dense_bytes > sparse_bytes + SLACK_BYTES => {
                let filled = words.iter().enumerate().filter(|(_, word)| !word.is_empty());
                let (places, words) =
                    filled.filter_map(|(at, word)| Some((place(usize::from(first) + at)?, *word))).unzip();
                self.slots = Slots::Sparse { places, words };
            }
            Slots::Sparse { places, words } => {
                shrink(places);
                shrink(words);
            }
            Slots::Dense { words, .. } => shrink(words),
        }
    }
}

/// Gives back memory after much was removed.
fn shrink<T>(slots: &mut Vec<T>) {
    const ROOM_MIN: usize = 16;
    if slots.capacity() > ROOM_MIN && slots.capacity() / 4 >= slots.len() {
        slots.shrink_to(slots.len() * 2);
    }
}

/// The filled slots of a slice, from either end.
#[derive(Clone, Debug)]
pub(super) struct SliceRange<'a> {
    slice: &'a Slice,
    from: usize,
    to: usize,
}

impl<'a> SliceRange<'a> {
    /// The slot that stands at `at` among the stored ones; `None` when it is empty.
    fn read(&self, at: usize) -> Option<(u16, Element<'a>)> {
        let (place, word) = match &self.slice.slots {
            Slots::Sparse { places, words } => (*places.get(at)?, *words.get(at)?),
            Slots::Dense { start, words } => (place(usize::from(*start) + at)?, *words.get(at)?),
        };
        Some((place, self.slice.element(word)?))
    }
}

impl<'a> Iterator for SliceRange<'a> {
    type Item = (u16, Element<'a>);
    fn next(&mut self) -> Option<Self::Item> {
        while self.from < self.to {
            let found = self.read(self.from);
            self.from += 1;
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

impl DoubleEndedIterator for SliceRange<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        while self.from < self.to {
            self.to -= 1;
            let found = self.read(self.to);
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

/// Lets a window begin and end at filled slots again.
fn trim(start: &mut u16, words: &mut Vec<Word>) {
    while words.last().is_some_and(|word| word.is_empty()) {
        words.pop();
    }
    let empty = words.iter().take_while(|word| word.is_empty()).count();
    words.drain(..empty);
    *start = place(usize::from(*start) + empty).unwrap_or(0);
}

/// A place within a slice.
fn place(at: usize) -> Option<u16> {
    u16::try_from(at).ok().filter(|at| *at < SLOTS)
}
