//! A small sorted set as the listpack that Redis has: member, score, member, score, in order.
//!
//! A score is stored as an integer when it is one, else as text; what an older master wrote stays as it wrote it.
//!
//! Owns the layout of the pairs. Never decides when a set is too big for it.

use super::Element;
use crate::packed::{Item, Listpack, ListpackRef, Position};
use crate::score::{DoubleForm, Score, format_double};
use crate::value::Limits;

/// The score that an item stores; `None` when it stores none.
fn score_of(item: Item<'_>) -> Option<Score> {
    match item {
        Item::Int(value) => Some(Score::from(value)),
        Item::Str(text) => Score::new(std::str::from_utf8(text).ok()?.parse().ok()?),
    }
}

/// Whether a listpack from a stranger is pairs of a member and a score.
pub(super) fn is_sound(packed: ListpackRef<'_>) -> bool {
    let mut items = packed.iter();
    while items.next().is_some() {
        if items.next().and_then(score_of).is_none() {
            return false;
        }
    }
    true
}

/// Its elements in order, from either end.
pub(super) fn pairs(packed: ListpackRef<'_>) -> Pairs<'_> {
    Pairs { items: packed.iter(), left: packed.len() / 2 }
}

/// Where a member stands, and its score.
pub(super) fn find(packed: ListpackRef<'_>, member: &[u8]) -> Option<(Position, Score)> {
    let at = packed.find(member, 1)?;
    let score = packed.next(at).and_then(|score| score_of(packed.get_at(score)));
    Some((at, score.unwrap_or_default()))
}

/// A score as a packed set keeps it: `-0` becomes `0`, but for servers before Redis 7.0.
pub(super) fn kept(score: Score, limits: &Limits) -> Score {
    if score == Score::ZERO && !limits.zset_packed_minus_zero { Score::ZERO } else { score }
}

/// Puts a member in that is not there.
pub(super) fn insert(packed: &mut Listpack, member: &[u8], score: Score) {
    match place(packed.view(), member, score) {
        Some(at) => {
            let at = packed.insert_before(at, member);
            match score.as_integer() {
                Some(integer) => packed.insert_int_after(at, integer),
                None => packed.insert_after(at, &format_double(score.get(), DoubleForm::Shortest)),
            };
        }
        None => push(packed, member, score),
    }
}

/// Puts an element behind all others, where it belongs.
pub(super) fn push(packed: &mut Listpack, member: &[u8], score: Score) {
    packed.push(member);
    match score.as_integer() {
        Some(integer) => packed.push_int(integer),
        None => packed.push(&format_double(score.get(), DoubleForm::Shortest)),
    }
}

/// The member before which a new element belongs; `None` at the end.
fn place(packed: ListpackRef<'_>, member: &[u8], score: Score) -> Option<Position> {
    let mut next = packed.first();
    while let Some(at) = next {
        let score_at = packed.next(at)?;
        let other = score_of(packed.get_at(score_at)).unwrap_or_default();
        if other > score || (other == score && packed.get_at(at).as_bytes(&mut itoa::Buffer::new()) > member)
        {
            return Some(at);
        }
        next = packed.next(score_at);
    }
    None
}

/// Takes the element out whose member stands at `at`.
pub(super) fn remove(packed: &mut Listpack, at: Position) {
    packed.remove_range(at, 2);
}

/// Takes the elements of these ranks out.
pub(super) fn remove_range(packed: &mut Listpack, start: usize, end: usize) {
    let first = i64::try_from(start * 2).ok().and_then(|index| packed.view().nth(index));
    if let Some(at) = first {
        packed.remove_range(at, end.saturating_sub(start) * 2);
    }
}

/// The elements of a packed set, from either end.
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    items: crate::packed::listpack::Iter<'a>,
    left: usize,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        self.left = self.left.checked_sub(1)?;
        let member = self.items.next()?;
        Some(Element { member, score: self.items.next().and_then(score_of)? })
    }

    fn nth(&mut self, count: usize) -> Option<Element<'a>> {
        // Scores that are passed over are not read.
        let skipped = count.min(self.left);
        (0..2 * skipped).for_each(|_| {
            self.items.next();
        });
        self.left -= skipped;
        self.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<'a> DoubleEndedIterator for Pairs<'a> {
    fn next_back(&mut self) -> Option<Element<'a>> {
        self.left = self.left.checked_sub(1)?;
        let score = self.items.next_back().and_then(score_of)?;
        Some(Element { member: self.items.next_back()?, score })
    }

    fn nth_back(&mut self, count: usize) -> Option<Element<'a>> {
        let skipped = count.min(self.left);
        (0..2 * skipped).for_each(|_| {
            self.items.next_back();
        });
        self.left -= skipped;
        self.next_back()
    }
}

impl ExactSizeIterator for Pairs<'_> {}
