//! The listpack: a count, and elements with a back length each.
//!
//! A server writes the total bytes (u32 LE) and the count (u16 LE) before the elements, and 0xFF behind them. Who holds
//! a slice knows where it ends, and most counts are small, so what is kept is a count of one byte (of three from 255
//! elements on: see `Head`) and the elements. Those are 6 bytes a value less, which with keys of 16 bytes and hashes of
//! five short fields is the step from the allocator's class of 112 to that of 96.
//!
//! An element is its encoding byte(s), its data, and the length of both once more behind it, in groups of seven
//! bits that are read from right to left, so that a listpack can be walked in both directions:
//!
//! | first byte | what follows |
//! |---|---|
//! | `0xxxxxxx` | nothing: an integer of 7 bits, 0 to 127 |
//! | `10xxxxxx` | a string of that many bytes |
//! | `110xxxxx` | one byte: an integer of 13 bits, signed, big end first |
//! | `1110xxxx` | one byte (with it: a length of 12 bits), a string |
//! | `F0` | a length (u32 LE), a string |
//! | `F1` `F2` `F3` `F4` | a signed integer of 16, 24, 32, 64 bits (LE) |
//!
//! Owns reading and editing of those bytes; every edit gives the elements that a Redis server (8.0 or later) would
//! have. Never interprets pairs or triples of elements.

use super::{Item, PackedError, parse_int};
use crate::memory::size_class;

/// What a server writes before the elements: the total bytes, and the count.
const WIRE_HEADER_BYTES: usize = 6;
/// What it writes behind the last element.
const END: u8 = 0xFF;
/// As a count: there are this many or more, count them.
const COUNT_UNKNOWN: u16 = u16::MAX;
/// As the first byte of what is kept: the count is in the two behind it.
const COUNT_IS_LONG: u8 = u8::MAX;
/// A listpack never grows beyond this; Redis has the same bound, far below what the header's u32 could say.
pub const BYTES_MAX: usize = 1 << 30;

/// A listpack that owns its bytes, a [`Head`] and the elements; always whole and valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listpack(Vec<u8>);

/// A listpack somewhere else (inside an entry, say); always whole and valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListpackRef<'a> {
    /// [`COUNT_UNKNOWN`], or how many elements there are.
    count: u16,
    elements: &'a [u8],
}

/// What is kept of a count, before the elements: a byte, or from 255 elements on that byte and a u16 (LE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    bytes: [u8; 3],
    used: u8,
}

impl Head {
    fn of(count: u16) -> Head {
        match u8::try_from(count) {
            Ok(short) if short != COUNT_IS_LONG => Head { bytes: [short, 0, 0], used: 1 },
            _ => {
                let [low, high] = count.to_le_bytes();
                Head { bytes: [COUNT_IS_LONG, low, high], used: 3 }
            }
        }
    }

    /// Its bytes: one or three.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.used)).unwrap_or_default()
    }

    /// How many bytes of what is kept are its head.
    fn bytes_in(kept: &[u8]) -> usize {
        match kept {
            [] => 0,
            [COUNT_IS_LONG, _, _, ..] => 3,
            _ => 1,
        }
    }
}

/// Where an element stands (bytes behind the head) in the listpack that gave this position; any edit of that listpack
/// ends its use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(usize);

impl Default for Listpack {
    fn default() -> Self {
        Listpack::new()
    }
}

impl Listpack {
    /// An empty one.
    pub fn new() -> Self {
        Listpack::with_capacity(0)
    }

    /// An empty one with room for this many bytes of elements.
    pub fn with_capacity(bytes: usize) -> Self {
        let head = Head::of(0);
        let mut own = Vec::with_capacity(bytes.saturating_add(head.as_bytes().len()));
        own.extend_from_slice(head.as_bytes());
        Listpack(own)
    }

    /// Takes what a server wrote, and checks all of it, once.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn from_wire(wire: &[u8]) -> Result<Self, PackedError> {
        let long_back_lengths = check(wire)?;
        if long_back_lengths.is_empty() {
            Ok(on_the_wire(wire).to_listpack())
        } else {
            Ok(shorten(wire, &long_back_lengths))
        }
    }

    /// Takes bytes that were checked before (an entry's).
    pub fn from_trusted(bytes: Vec<u8>) -> Self {
        debug_assert_eq!(check(&ListpackRef::from_trusted(&bytes).to_wire()), Ok(Vec::new()));
        Listpack(bytes)
    }

    /// How many bytes a server has in it: what limits count.
    pub fn wire_len(&self) -> usize {
        self.view().wire_len()
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its bytes, to keep.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Read access.
    pub fn view(&self) -> ListpackRef<'_> {
        ListpackRef::from_trusted(&self.0)
    }

    /// How many elements it has.
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.view().is_empty()
    }

    /// Bytes that it holds in memory.
    pub fn heap_bytes(&self) -> usize {
        size_class(self.0.capacity())
    }

    /// Whether it may grow by `bytes` more and stay within [`BYTES_MAX`]; whoever adds to one without another
    /// bound asks first.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.view().has_room(bytes)
    }

    /// Appends an element: as an integer when it is one's decimal form.
    pub fn push(&mut self, element: &[u8]) {
        self.splice(self.end(), 0, Some(Encoded::of(element)), 0);
    }

    /// Appends an integer.
    pub fn push_int(&mut self, value: i64) {
        self.splice(self.end(), 0, Some(Encoded::of_int(value)), 0);
    }

    /// Appends an element that another listpack stores.
    pub fn push_item(&mut self, item: Item<'_>) {
        match item {
            Item::Int(value) => self.push_int(value),
            Item::Str(bytes) => self.push(bytes),
        }
    }

    /// Appends all elements of another, as they are stored.
    pub fn push_all(&mut self, other: ListpackRef<'_>) {
        let count = other.len();
        self.grow(other.elements.len());
        self.0.extend_from_slice(other.elements);
        self.note(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Puts an element before the one at `at`, and says where it stands.
    pub fn insert_before(&mut self, at: Position, element: &[u8]) -> Position {
        let at = at.0.min(self.end());
        self.splice(at, 0, Some(Encoded::of(element)), 0);
        Position(at)
    }

    /// Puts an integer before the element at `at`, and says where it stands.
    pub fn insert_int_before(&mut self, at: Position, value: i64) -> Position {
        let at = at.0.min(self.end());
        self.splice(at, 0, Some(Encoded::of_int(value)), 0);
        Position(at)
    }

    /// Puts an element behind the one at `at`, and says where it stands.
    pub fn insert_after(&mut self, at: Position, element: &[u8]) -> Position {
        let at = at.0 + self.view().stride(at).unwrap_or(0);
        self.insert_before(Position(at), element)
    }

    /// Puts an integer behind the element at `at`, and says where it stands.
    pub fn insert_int_after(&mut self, at: Position, value: i64) -> Position {
        let at = at.0 + self.view().stride(at).unwrap_or(0);
        self.insert_int_before(Position(at), value)
    }

    /// Puts an element in the place of the one at `at`, which is then its position.
    pub fn replace(&mut self, at: Position, element: &[u8]) {
        if let Some(stride) = self.view().stride(at) {
            self.splice(at.0, stride, Some(Encoded::of(element)), 1);
        }
    }

    /// Puts an integer in the place of the element at `at`, which is then its position.
    pub fn replace_int(&mut self, at: Position, value: i64) {
        if let Some(stride) = self.view().stride(at) {
            self.splice(at.0, stride, Some(Encoded::of_int(value)), 1);
        }
    }

    /// Takes the element at `at` out; says where the one stands that followed it.
    pub fn remove(&mut self, at: Position) -> Option<Position> {
        self.remove_range(at, 1)
    }

    /// Takes `count` elements out (or as many as there are), from the one at `at` on; says where the one stands
    /// that followed them.
    pub fn remove_range(&mut self, at: Position, count: usize) -> Option<Position> {
        let view = self.view();
        let mut stop = at.0;
        let mut removed = 0;
        while removed < count {
            let Some(stride) = view.stride(Position(stop)) else { break };
            stop += stride;
            removed += 1;
        }
        if removed > 0 {
            self.splice(at.0, stop - at.0, None, removed);
        }
        (at.0 < self.end()).then_some(at)
    }

    /// Cuts it in two: what stands from `at` on moves to the new one.
    pub fn split_off(&mut self, at: Position) -> Listpack {
        let at = at.0.min(self.end());
        let (left, tail) = self.view().elements.split_at_checked(at).unwrap_or_default();
        let (left, other) = (counted(left), counted(tail).to_listpack());
        let count = left.count;
        self.0.truncate(self.head_bytes() + at);
        self.set_count(count);
        other
    }

    /// Gives back memory that it does not need.
    pub fn shrink_to_fit(&mut self) {
        self.0.shrink_to_fit();
    }

    /// Where the last element ends.
    fn end(&self) -> usize {
        self.view().elements.len()
    }

    fn head_bytes(&self) -> usize {
        Head::bytes_in(&self.0)
    }

    /// Replaces `removed` bytes at `at`, which are `old_count` elements, by at most one element.
    fn splice(&mut self, at: usize, removed: usize, element: Option<Encoded<'_>>, old_count: usize) {
        let added = element.as_ref().map_or(0, Encoded::stored_bytes);
        let at = self.head_bytes() + at;
        let old_length = self.0.len();
        if added > removed {
            self.grow(added - removed);
            self.0.resize(old_length + (added - removed), 0);
        }
        self.0.copy_within(at + removed..old_length, at + added);
        self.0.truncate(old_length - removed + added);
        let new_count = i64::from(element.is_some());
        if let (Some(element), Some(gap)) = (element, self.0.get_mut(at..at + added)) {
            element.write(gap);
        }
        self.note(new_count - i64::try_from(old_count).unwrap_or(i64::MAX));
    }

    /// Makes room for so many more bytes: what the allocator's class for them has, which is at most a quarter more,
    /// where a `Vec` would take twice as much. A node of a list would keep that.
    fn grow(&mut self, more: usize) {
        let wanted = self.0.len() + more;
        if wanted > self.0.capacity() {
            self.0.reserve_exact(size_class(wanted) - self.0.len());
        }
    }

    /// Brings the head up to date after an edit that changed the number of elements by `change`.
    fn note(&mut self, change: i64) {
        let stored = self.view().count;
        // Once unknown, always unknown, as in Redis: counting again at each edit would make each edit a walk.
        if stored != COUNT_UNKNOWN {
            let count = i64::from(stored).saturating_add(change);
            self.set_count(u16::try_from(count).unwrap_or(COUNT_UNKNOWN));
        }
    }

    fn set_count(&mut self, count: u16) {
        let (head, used) = (Head::of(count), self.head_bytes());
        match self.0.get_mut(..used) {
            Some(old) if used == head.as_bytes().len() => old.copy_from_slice(head.as_bytes()),
            _ => drop(self.0.splice(..used, head.as_bytes().iter().copied())),
        }
    }
}

impl<'a> ListpackRef<'a> {
    /// Looks at bytes that were checked before (an entry's).
    #[inline]
    pub fn from_trusted(bytes: &'a [u8]) -> Self {
        match bytes {
            [COUNT_IS_LONG, low, high, elements @ ..] => {
                ListpackRef { count: u16::from_le_bytes([*low, *high]), elements }
            }
            [count, elements @ ..] => ListpackRef { count: u16::from(*count), elements },
            [] => ListpackRef { count: 0, elements: &[] },
        }
    }

    /// Looks at what a server wrote, and checks all of it. `None` when some of it is to be kept otherwise than it was
    /// written: see [`Listpack::from_wire`].
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn from_wire(wire: &'a [u8]) -> Result<Option<Self>, PackedError> {
        let long_back_lengths = check(wire)?;
        Ok(long_back_lengths.is_empty().then(|| on_the_wire(wire)))
    }

    /// What is kept of it: the head, and the elements behind that.
    pub fn parts(self) -> (Head, &'a [u8]) {
        (Head::of(self.count), self.elements)
    }

    /// How many bytes a server has in it: what limits count.
    pub fn wire_len(self) -> usize {
        WIRE_HEADER_BYTES + self.elements.len() + 1
    }

    /// What a server writes of it: for a DUMP, and for comparing.
    pub fn to_wire(self) -> Vec<u8> {
        // Whoever adds holds a smaller bound (a value's limits) or asked `has_room`: far below 4 GiB.
        let total = u32::try_from(self.wire_len()).expect("has_room keeps a listpack below 1 GiB");
        [&total.to_le_bytes(), &self.count.to_le_bytes()[..], self.elements, &[END]].concat()
    }

    /// See [`Listpack::has_room`].
    pub fn has_room(self, bytes: usize) -> bool {
        self.wire_len().checked_add(bytes).is_some_and(|all| all <= BYTES_MAX)
    }

    /// A copy that owns its bytes.
    pub fn to_listpack(self) -> Listpack {
        let (head, elements) = self.parts();
        Listpack([head.as_bytes(), elements].concat())
    }

    /// How many elements it has. (From 65,535 on they are counted one by one: the head has no room.)
    pub fn len(self) -> usize {
        match self.count {
            COUNT_UNKNOWN => count(self.elements),
            known => usize::from(known),
        }
    }

    /// Whether it has none.
    pub fn is_empty(self) -> bool {
        self.elements.is_empty()
    }

    /// Each element in turn, from either end.
    pub fn iter(self) -> Iter<'a> {
        Iter { rest: self.elements }
    }

    /// Each element from `at` on, in turn.
    pub fn iter_from(self, at: Position) -> Iter<'a> {
        Iter { rest: self.elements.get(at.0..).unwrap_or_default() }
    }

    /// Where the first element stands.
    pub fn first(self) -> Option<Position> {
        (!self.is_empty()).then_some(Position(0))
    }

    /// Where the last element stands.
    pub fn last(self) -> Option<Position> {
        self.before(self.elements.len())
    }

    /// Where the element stands that follows the one at `at`.
    pub fn next(self, at: Position) -> Option<Position> {
        let next = at.0 + self.stride(at)?;
        (next < self.elements.len()).then_some(Position(next))
    }

    /// Where the element stands that precedes the one at `at`.
    pub fn prev(self, at: Position) -> Option<Position> {
        self.before(at.0)
    }

    /// Where the element stands that `iter`, which walks this listpack, gives next.
    pub fn position(self, iter: &Iter<'a>) -> Option<Position> {
        let end = self.elements.len();
        let at = end.checked_sub(iter.rest.len())?;
        (at < end).then_some(Position(at))
    }

    /// The element at `at`; the empty string for a position of another listpack.
    pub fn get_at(self, at: Position) -> Item<'a> {
        self.elements.get(at.0..).and_then(decode).map_or(Item::Str(&[]), |(item, _)| item)
    }

    /// Where element number `index` stands; a negative one counts from the end, which is -1.
    pub fn nth(self, index: i64) -> Option<Position> {
        let known = match self.count {
            COUNT_UNKNOWN => None,
            known => Some(i64::from(known)),
        };
        // The nearer end, when the count is known.
        let index = match known {
            Some(count) if index >= count || index < -count => return None,
            Some(count) if index >= 0 && index > count / 2 => index - count,
            Some(count) if index < 0 && index < -(count / 2) => index + count,
            _ => index,
        };
        if index >= 0 {
            let mut at = self.first()?;
            for _ in 0..index {
                at = self.next(at)?;
            }
            Some(at)
        } else {
            let mut at = self.last()?;
            for _ in index..-1 {
                at = self.prev(at)?;
            }
            Some(at)
        }
    }

    /// Where the first element stands that a client sees as `wanted`, comparing one element, then passing over
    /// `skip` of them, and so on: 0 looks at all, 1 at the fields of field and value pairs.
    pub fn find(self, wanted: &[u8], skip: usize) -> Option<Position> {
        self.first().and_then(|first| self.find_from(first, wanted, skip))
    }

    /// [`ListpackRef::find`], from the element at `at` on.
    pub fn find_from(self, at: Position, wanted: &[u8], skip: usize) -> Option<Position> {
        let end = self.elements.len();
        let mut rest = self.elements.get(at.0..)?;
        let wanted_int = parse_int(wanted);
        loop {
            let (found, used) = match *rest.first()? {
                // Most are short strings, and not as long as the wanted one.
                first @ SHORT_STRING..=SHORT_STRING_LAST => {
                    let length = usize::from(first - SHORT_STRING);
                    (length == wanted.len() && is_same(rest.get(1..=length)?, wanted), length + 2)
                }
                _ => match decode(rest)? {
                    (Item::Int(value), used) => (wanted_int == Some(value), used),
                    (Item::Str(bytes), used) => (bytes.len() == wanted.len() && is_same(bytes, wanted), used),
                },
            };
            if found {
                return Some(Position(end - rest.len()));
            }
            rest = rest.get(used..)?;
            for _ in 0..skip {
                rest = rest.get(stride_of(rest)?..)?;
            }
        }
    }

    /// How many bytes the element at `at` takes, with its back length.
    fn stride(self, at: Position) -> Option<usize> {
        self.elements.get(at.0..).and_then(stride_of)
    }

    /// The element that ends before byte `at`.
    fn before(self, at: usize) -> Option<Position> {
        let stride = stride_backwards(self.elements.get(..at)?)?;
        at.checked_sub(stride).map(Position)
    }
}

impl<'a> IntoIterator for ListpackRef<'a> {
    type Item = Item<'a>;
    type IntoIter = Iter<'a>;
    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The elements of a listpack, from either end.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Iter<'a> {
    type Item = Item<'a>;
    fn next(&mut self) -> Option<Item<'a>> {
        let (item, used) = decode(self.rest)?;
        self.rest = self.rest.get(used..).unwrap_or_default();
        Some(item)
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let start = self.rest.len().checked_sub(stride_backwards(self.rest)?)?;
        let (before, last) = self.rest.split_at_checked(start)?;
        self.rest = before;
        decode(last).map(|(item, _)| item)
    }
}

impl std::iter::FusedIterator for Iter<'_> {}

/// The first bytes of strings of up to 63 bytes, from the empty one's to the longest one's. With its back length such a
/// string takes two bytes more than it has.
const SHORT_STRING: u8 = 0x80;
const SHORT_STRING_LAST: u8 = 0xBF;

/// Whether two strings of one length are the same. Members of one set are often as long as each other and begin alike:
/// their ends tell them apart.
#[inline]
fn is_same(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.last() == wanted.last() && bytes == wanted
}

/// How many bytes the element that `bytes` begin with takes, with its back length.
#[inline]
fn stride_of(bytes: &[u8]) -> Option<usize> {
    match *bytes.first()? {
        0x00..=0x7F => Some(2),
        first @ SHORT_STRING..=SHORT_STRING_LAST => Some(usize::from(first - SHORT_STRING) + 2),
        _ => decode(bytes).map(|(_, stride)| stride),
    }
}

/// The element that `bytes` begin with, and how many bytes it takes with its back length.
#[inline]
fn decode(bytes: &[u8]) -> Option<(Item<'_>, usize)> {
    let (item, length) = decode_front(bytes)?;
    Some((item, length + back_length_bytes(length)))
}

/// The element that `bytes` begin with, and how many bytes it takes without its back length.
#[inline]
fn decode_front(bytes: &[u8]) -> Option<(Item<'_>, usize)> {
    let (&first, rest) = bytes.split_first()?;
    let (item, length) = match first {
        0x00..=0x7F => (Item::Int(i64::from(first)), 1),
        0x80..=0xBF => {
            let length = usize::from(first & 0x3F);
            (Item::Str(rest.get(..length)?), 1 + length)
        }
        0xC0..=0xDF => {
            let value = (i64::from(first & 0x1F) << 8) | i64::from(*rest.first()?);
            // Thirteen bits with a sign: the upper half is negative.
            (Item::Int(if value >= 1 << 12 { value - (1 << 13) } else { value }), 2)
        }
        0xE0..=0xEF => {
            let length = (usize::from(first & 0x0F) << 8) | usize::from(*rest.first()?);
            (Item::Str(rest.get(1..1 + length)?), 2 + length)
        }
        0xF0 => {
            let length = usize::try_from(u32::from_le_bytes(*rest.first_chunk()?)).ok()?;
            (Item::Str(rest.get(4..length.checked_add(4)?)?), length.checked_add(5)?)
        }
        0xF1 => (Item::Int(i64::from(i16::from_le_bytes(*rest.first_chunk()?))), 3),
        0xF2 => {
            let [a, b, c] = *rest.first_chunk()?;
            (Item::Int(i64::from(i32::from_le_bytes([0, a, b, c]) >> 8)), 4)
        }
        0xF3 => (Item::Int(i64::from(i32::from_le_bytes(*rest.first_chunk()?))), 5),
        0xF4 => (Item::Int(i64::from_le_bytes(*rest.first_chunk()?)), 9),
        _ => return None,
    };
    Some((item, length))
}

/// How many elements these bytes are.
fn count(elements: &[u8]) -> usize {
    Iter { rest: elements }.count()
}

/// How many bytes the last element of `elements` takes with its back length.
fn stride_backwards(elements: &[u8]) -> Option<usize> {
    length_backwards(elements).and_then(|(length, back)| length.checked_add(back))
}

/// How long the last element of `elements` is, and how long its back length.
fn length_backwards(elements: &[u8]) -> Option<(usize, usize)> {
    let mut length = 0usize;
    for (index, &byte) in elements.iter().rev().take(5).enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((length, index + 1));
        }
    }
    None
}

/// How many bytes the back length of an element of this length takes.
const fn back_length_bytes(length: usize) -> usize {
    match length {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        0x20_0000..=0x0FFF_FFFF => 4,
        _ => 5,
    }
}

/// Writes an element's back length over `out`, which has [`back_length_bytes`] bytes.
fn write_back_length(length: usize, out: &mut [u8]) {
    let mut rest = length;
    let last = out.len().saturating_sub(1);
    for (index, byte) in out.iter_mut().enumerate().rev() {
        // Every byte but the leftmost says that more stands to its left.
        *byte = (rest & 0x7F) as u8 | if index == 0 { 0 } else { 0x80 };
        rest >>= 7;
    }
    debug_assert!(rest == 0 && last < 5, "an element is below 1 GiB");
}

/// An element about to be written: what stands before its data, and its data.
struct Encoded<'a> {
    head: [u8; 9],
    head_bytes: usize,
    data: &'a [u8],
}

impl<'a> Encoded<'a> {
    /// In the smallest form, as Redis has it: an integer when the bytes are the decimal form of one.
    fn of(element: &'a [u8]) -> Self {
        match parse_int(element) {
            Some(value) => Encoded::of_int(value),
            None => Encoded::of_str(element),
        }
    }

    fn of_str(data: &'a [u8]) -> Self {
        let length = u32::try_from(data.len()).expect("has_room keeps a listpack below 1 GiB");
        let [a, b, c, d] = length.to_le_bytes();
        let (head, head_bytes) = match length {
            0..=63 => ([0x80 | a, 0, 0, 0, 0, 0, 0, 0, 0], 1),
            64..=4095 => ([0xE0 | b, a, 0, 0, 0, 0, 0, 0, 0], 2),
            _ => ([0xF0, a, b, c, d, 0, 0, 0, 0], 5),
        };
        Encoded { head, head_bytes, data }
    }

    fn of_int(value: i64) -> Self {
        let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
        let (head, head_bytes) = match value {
            0..=127 => ([a, 0, 0, 0, 0, 0, 0, 0, 0], 1),
            -4096..=4095 => ([0xC0 | (b & 0x1F), a, 0, 0, 0, 0, 0, 0, 0], 2),
            -32_768..=32_767 => ([0xF1, a, b, 0, 0, 0, 0, 0, 0], 3),
            -8_388_608..=8_388_607 => ([0xF2, a, b, c, 0, 0, 0, 0, 0], 4),
            -2_147_483_648..=2_147_483_647 => ([0xF3, a, b, c, d, 0, 0, 0, 0], 5),
            _ => ([0xF4, a, b, c, d, e, f, g, h], 9),
        };
        Encoded { head, head_bytes, data: &[] }
    }

    /// Its length without the back length.
    fn length(&self) -> usize {
        self.head_bytes + self.data.len()
    }

    /// Its length with it.
    fn stored_bytes(&self) -> usize {
        self.length() + back_length_bytes(self.length())
    }

    /// Writes it over `out`, which has [`Encoded::stored_bytes`] bytes.
    fn write(&self, out: &mut [u8]) {
        let Some((head, rest)) = out.split_at_mut_checked(self.head_bytes) else { return };
        let Some((data, back)) = rest.split_at_mut_checked(self.data.len()) else { return };
        head.copy_from_slice(self.head.get(..self.head_bytes).unwrap_or_default());
        data.copy_from_slice(self.data);
        write_back_length(self.length(), back);
    }
}

/// The listpack of these elements.
fn counted(elements: &[u8]) -> ListpackRef<'_> {
    ListpackRef { count: u16::try_from(count(elements)).unwrap_or(COUNT_UNKNOWN), elements }
}

/// The listpack that a server wrote, and that was checked.
fn on_the_wire(wire: &[u8]) -> ListpackRef<'_> {
    match wire {
        [_, _, _, _, low, high, elements @ .., END] => {
            ListpackRef { count: u16::from_le_bytes([*low, *high]), elements }
        }
        _ => ListpackRef::from_trusted(&[]),
    }
}

/// Checks all that a server wrote of a listpack. Says where back lengths stand that are one byte longer than they need
/// be.
///
/// Servers before Redis 8 write the back length of an element of 2^14 - 1 (2^21 - 1, 2^28 - 1) bytes with a zero
/// before it, and read it so; newer ones and Valkey 9 write it without. Both arrive, one is kept.
fn check(bytes: &[u8]) -> Result<Vec<usize>, PackedError> {
    let [a, b, c, d, low, high, rest @ ..] = bytes else {
        return Err(PackedError::Truncated { what: "a listpack's header", at: bytes.len() });
    };
    let stored = u32::from_le_bytes([*a, *b, *c, *d]);
    if usize::try_from(stored) != Ok(bytes.len()) {
        return Err(PackedError::Length { stored: stored.into(), actual: bytes.len() as u64 });
    }
    let Some((&END, mut elements)) = rest.split_last() else {
        return Err(PackedError::Truncated { what: "a listpack's end mark", at: bytes.len() });
    };
    let end = bytes.len() - 1;
    let mut actual = 0u64;
    let mut long_back_lengths = Vec::new();
    while let Some(&first) = elements.first() {
        // Nearly all elements are a short string or a small number: one byte tells their length, one the back length.
        let short = match first {
            0x00..=0x7F => 1,
            0x80..=0xBF => 1 + (first & 0x3F),
            _ => 0,
        };
        if let Some((&back, others)) = elements.get(usize::from(short)..).and_then(<[u8]>::split_first)
            && short == back
            && short != 0
        {
            actual += 1;
            elements = others;
            continue;
        }
        let at = end - elements.len();
        if first > 0xF4 {
            return Err(PackedError::Encoding { byte: first, at });
        }
        let truncated = PackedError::Truncated { what: "a listpack's element", at };
        let (_, length) = decode_front(elements).ok_or(truncated)?;
        let mut stride = length + back_length_bytes(length);
        let back = elements.get(length..).unwrap_or_default();
        if matches!(length, 0x3FFF | 0x1F_FFFF | 0x0FFF_FFFF) && back.first() == Some(&0) {
            long_back_lengths.push(at + length);
            stride += 1;
        }
        let (element, others) = elements.split_at_checked(stride).ok_or(truncated)?;
        if length_backwards(element) != Some((length, stride - length)) {
            return Err(PackedError::BackLength { at });
        }
        actual += 1;
        elements = others;
    }
    let count = u16::from_le_bytes([*low, *high]);
    if count != COUNT_UNKNOWN && u64::from(count) != actual {
        return Err(PackedError::Count { stored: count.into(), actual });
    }
    Ok(long_back_lengths)
}

/// Drops the needless zero at each of these places.
fn shorten(wire: &[u8], zeros: &[usize]) -> Listpack {
    let whole = on_the_wire(wire);
    let (head, elements) = whole.parts();
    let mut short = Listpack(Vec::with_capacity(wire.len()));
    short.0.extend_from_slice(head.as_bytes());
    let mut from = 0;
    for &zero in zeros {
        let zero = zero - WIRE_HEADER_BYTES;
        short.0.extend_from_slice(elements.get(from..zero).unwrap_or_default());
        // The next seven bits become the leftmost, which say so by having no mark.
        short.0.push(0x7F);
        from = zero + 2;
    }
    short.0.extend_from_slice(elements.get(from..).unwrap_or_default());
    short
}

#[cfg(test)]
mod tests;
