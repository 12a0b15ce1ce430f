//! Sorted sets: a listpack, or members with a directory and a counted tree.
//!
//! Whatever is asked by score, by name or by index becomes ranks first ([`SortedSetRef::partition_by_score`],
//! [`SortedSetRef::ranks_by_member`]), and then a range of ranks.
//!
//! Owns both forms and the step from the small to the big one. Never steps back by itself: Redis does that for the
//! result of a *STORE alone ([`SortedSet::from_elements`]).

mod packed;

use std::iter::{Skip, Take};
use std::ops::Range;

use super::counted_tree;
pub use super::counted_tree::BigSortedSet;
use super::directory::Scanned;
use super::{Kind, Limits, Value, ValueKind, hasher};
use crate::memory::array_bytes;
use crate::packed::{Item, Listpack, ListpackRef, PackedError};
use crate::score::Score;

/// A sorted set.
#[derive(Clone, Debug)]
pub enum SortedSet {
    /// Member, score, member, score, in order: `listpack`.
    Packed(Listpack),
    /// `skiplist`, in Redis' words.
    Big(Box<BigSortedSet>),
}

/// A sorted set looked at where it is stored.
#[derive(Clone, Copy, Debug)]
pub enum SortedSetRef<'a> {
    /// see [`SortedSet::Packed`]
    Packed(ListpackRef<'a>),
    /// see [`SortedSet::Big`]
    Big(&'a BigSortedSet),
}

/// One element.
#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    /// As it is stored.
    pub member: Item<'a>,
    /// Its score.
    pub score: Score,
}

impl<'a> From<(&'a [u8], Score)> for Element<'a> {
    fn from((member, score): (&'a [u8], Score)) -> Self {
        Element { member: Item::Str(member), score }
    }
}

/// Why a listpack is no sorted set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SortedSetError {
    /// It is no listpack.
    #[error(transparent)]
    Packed(#[from] PackedError),
    /// A member has no score behind it, or one that is no number.
    #[error("packed sorted set: a member without a score")]
    Score,
}

impl Default for SortedSet {
    fn default() -> Self {
        SortedSet::Packed(Listpack::new())
    }
}

impl SortedSet {
    /// An empty one, in the form that Redis 7.2 and later choose when so many elements, the longest of so many
    /// bytes, are about to come in.
    pub fn for_elements(count: usize, longest: usize, limits: &Limits) -> Self {
        if count <= limits.zset_max_listpack_entries && longest <= limits.zset_max_listpack_value {
            SortedSet::default()
        } else {
            SortedSet::Big(Box::new(BigSortedSet::with_capacity(count)))
        }
    }

    /// A set of these elements, in any order and no member twice; in the form that the result of a *STORE has, and
    /// that an RDB's elements are loaded into.
    pub fn from_elements(mut elements: Vec<(Vec<u8>, Score)>, limits: &Limits) -> Self {
        elements
            .sort_unstable_by(|(name, score), (other_name, other)| (score, name).cmp(&(other, other_name)));
        let longest = elements.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let mut set = SortedSet::for_elements(elements.len(), longest, limits);
        for (name, score) in &elements {
            match &mut set {
                SortedSet::Packed(packed) => packed::push(packed, name, packed::kept(*score, limits)),
                SortedSet::Big(big) => {
                    big.insert(name, *score);
                }
            }
        }
        set
    }

    /// Adds an element; `false`, and nothing is changed, when the member is there.
    pub fn insert_new(&mut self, member: &[u8], score: Score, limits: &Limits) -> bool {
        match self {
            SortedSet::Big(big) => big.insert_new(member, score),
            SortedSet::Packed(_) => {
                let mut is_new = false;
                self.apply(member, limits, |old| {
                    is_new = old.is_none();
                    is_new.then_some(score)
                });
                is_new
            }
        }
    }

    /// A set out of the listpack of an RDB, whose bytes it keeps unless there are too many elements.
    ///
    /// # Errors
    /// When the listpack is not pairs of a member and a score.
    pub fn from_packed(packed: Listpack, limits: &Limits) -> Result<Self, SortedSetError> {
        let fits = SortedSetRef::from_packed(packed.view(), limits)?.is_some();
        let mut set = SortedSet::Packed(packed);
        if !fits {
            set.become_big();
        }
        Ok(set)
    }

    /// Read access.
    pub fn view(&self) -> SortedSetRef<'_> {
        match self {
            SortedSet::Packed(packed) => SortedSetRef::Packed(packed.view()),
            SortedSet::Big(big) => SortedSetRef::Big(big),
        }
    }

    /// How many elements it has.
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Asks `decide` which score a member shall have, telling which it has; `None` changes nothing. Returns the
    /// score that it had.
    pub fn apply(
        &mut self,
        member: &[u8],
        limits: &Limits,
        decide: impl FnOnce(Option<Score>) -> Option<Score>,
    ) -> Option<Score> {
        let packed = match self {
            SortedSet::Big(big) => return big.apply(member, decide),
            SortedSet::Packed(packed) => packed,
        };
        let found = packed::find(packed.view(), member);
        let old = found.map(|(_, score)| score);
        let Some(new) = decide(old) else { return old };
        match found {
            // Equal numbers change nothing: not even 0 becomes -0.
            Some((_, score)) if score == new => {}
            Some((at, _)) => {
                packed::remove(packed, at);
                packed::insert(packed, member, packed::kept(new, limits));
            }
            None if packed.len() / 2 < limits.zset_max_listpack_entries
                && member.len() <= limits.zset_max_listpack_value
                && packed.has_room(member.len()) =>
            {
                packed::insert(packed, member, packed::kept(new, limits));
            }
            None => {
                self.become_big().insert(member, new);
            }
        }
        old
    }

    /// Leaves the packed form when so many elements, the longest of so many bytes, are about to come in, whether or not
    /// they are new: Redis 7.2 and later do so before they look.
    pub fn prepare(&mut self, count: usize, longest: usize, limits: &Limits) {
        if count > limits.zset_max_listpack_entries || longest > limits.zset_max_listpack_value {
            self.become_big();
        }
    }

    /// Gives a member this score. Returns the one that it had.
    pub fn insert(&mut self, member: &[u8], score: Score, limits: &Limits) -> Option<Score> {
        self.apply(member, limits, |_| Some(score))
    }

    /// Takes a member out. Returns the score that it had.
    pub fn remove(&mut self, member: &[u8]) -> Option<Score> {
        match self {
            SortedSet::Packed(packed) => {
                let (at, score) = packed::find(packed.view(), member)?;
                packed::remove(packed, at);
                Some(score)
            }
            SortedSet::Big(big) => big.remove(member),
        }
    }

    /// Takes the elements of these ranks out. Returns how many there were.
    pub fn remove_range(&mut self, start: usize, end: usize) -> usize {
        match self {
            SortedSet::Packed(packed) => {
                let end = end.min(packed.len() / 2);
                packed::remove_range(packed, start, end);
                end.saturating_sub(start)
            }
            SortedSet::Big(big) => big.remove_range(start, end, |_, _| {}),
        }
    }

    /// Leaves the packed form.
    fn become_big(&mut self) -> &mut BigSortedSet {
        if let SortedSet::Packed(packed) = self {
            let mut big = BigSortedSet::with_capacity(packed.len() / 2);
            for element in packed::pairs(packed.view()) {
                big.insert(element.member.as_bytes(&mut itoa::Buffer::new()), element.score);
            }
            *self = SortedSet::Big(Box::new(big));
        }
        match self {
            SortedSet::Big(big) => big,
            SortedSet::Packed(_) => unreachable!("it was just made big"),
        }
    }
}

impl<'a> SortedSetRef<'a> {
    /// Looks at the listpack of an RDB. `None` when there are too many elements to keep it.
    ///
    /// # Errors
    /// When the listpack is not pairs of a member and a score.
    pub fn from_packed(packed: ListpackRef<'a>, limits: &Limits) -> Result<Option<Self>, SortedSetError> {
        if !packed::is_sound(packed) {
            return Err(SortedSetError::Score);
        }
        let set = SortedSetRef::Packed(packed);
        Ok((set.len() <= limits.zset_max_listpack_entries).then_some(set))
    }

    /// How many elements it has.
    pub fn len(self) -> usize {
        match self {
            SortedSetRef::Packed(packed) => packed.len() / 2,
            SortedSetRef::Big(big) => big.len(),
        }
    }

    /// Whether it has none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether it is in the packed form.
    pub fn is_packed(self) -> bool {
        matches!(self, SortedSetRef::Packed(_))
    }

    /// `OBJECT ENCODING`'s answer.
    pub fn encoding(self) -> &'static str {
        match self {
            SortedSetRef::Packed(_) => "listpack",
            SortedSetRef::Big(_) => "skiplist",
        }
    }

    /// Bytes of the allocations behind the entry.
    pub fn heap_bytes(self) -> usize {
        match self {
            SortedSetRef::Packed(_) => 0,
            SortedSetRef::Big(big) => array_bytes::<BigSortedSet>(1) + big.heap_bytes(),
        }
    }

    /// Whether both hold the same members with the same scores, in whatever form.
    pub fn same(self, other: SortedSetRef<'_>) -> bool {
        if let (SortedSetRef::Packed(mine), SortedSetRef::Packed(other)) = (self, other)
            && mine == other
        {
            return true;
        }
        self.len() == other.len()
            && self.iter().zip(other.iter()).all(|(mine, other)| {
                // 0 and -0 are one score, but not one answer.
                mine.score.get().to_bits() == other.score.get().to_bits()
                    && match other.member {
                        Item::Str(name) => mine.member.eq_bytes(name),
                        Item::Int(number) => mine.member.as_int() == Some(number),
                    }
            })
    }

    /// A copy that owns its parts.
    pub fn to_sorted_set(self) -> SortedSet {
        match self {
            SortedSetRef::Packed(packed) => SortedSet::Packed(packed.to_listpack()),
            SortedSetRef::Big(big) => SortedSet::Big(Box::new(big.clone())),
        }
    }

    /// The score of a member.
    pub fn score(self, member: &[u8]) -> Option<Score> {
        match self {
            SortedSetRef::Packed(packed) => packed::find(packed, member).map(|(_, score)| score),
            SortedSetRef::Big(big) => big.score(member),
        }
    }

    /// How many elements stand before a member, and its score.
    pub fn rank(self, member: &[u8]) -> Option<(usize, Score)> {
        match self {
            SortedSetRef::Packed(packed) => packed::pairs(packed)
                .enumerate()
                .find(|(_, element)| element.member.eq_bytes(member))
                .map(|(rank, element)| (rank, element.score)),
            SortedSetRef::Big(big) => big.rank(member),
        }
    }

    /// How many elements from the start on have a score that satisfies `before`, which holds for a beginning of
    /// all scores and no others.
    pub fn partition_by_score(self, before: impl Fn(Score) -> bool) -> usize {
        match self {
            SortedSetRef::Packed(packed) => {
                packed::pairs(packed).take_while(|element| before(element.score)).count()
            }
            SortedSetRef::Big(big) => big.partition_point_by_score(before),
        }
    }

    /// The ranks of the members that are not below one bound and not above another, without the first `offset` of
    /// them. Redis gives this a meaning only where all scores are equal; where they are not, a packed set is walked as
    /// Redis walks it: from the end that the answer begins at, over the offset without looking.
    pub fn ranks_by_member(
        self,
        reverse: bool,
        offset: usize,
        reaches_min: impl Fn(&[u8]) -> bool,
        within_max: impl Fn(&[u8]) -> bool,
    ) -> Range<usize> {
        match self {
            SortedSetRef::Packed(packed) => {
                let reaches =
                    |element: &Element<'_>| reaches_min(element.member.as_bytes(&mut itoa::Buffer::new()));
                let within =
                    |element: &Element<'_>| within_max(element.member.as_bytes(&mut itoa::Buffer::new()));
                let pairs = packed::pairs(packed);
                let may_hold = pairs.clone().next().is_some_and(|first| within(&first))
                    && pairs.clone().next_back().is_some_and(|last| reaches(&last));
                if !may_hold {
                    0..0
                } else if reverse {
                    let beyond = pairs.clone().rev().take_while(|element| !within(element)).count();
                    let end = pairs.len().saturating_sub(beyond.saturating_add(offset));
                    let found = pairs.take(end).rev().take_while(reaches).count();
                    end - found..end
                } else {
                    let before = pairs.clone().take_while(|element| !reaches(element)).count();
                    let start = before.saturating_add(offset).min(pairs.len());
                    start..start + pairs.skip(start).take_while(within).count()
                }
            }
            SortedSetRef::Big(big) => {
                let ends = (big.get(0), big.len().checked_sub(1).and_then(|last| big.get(last)));
                let may_hold = matches!(ends, (Some((first, _)), Some((last, _))) if within_max(first) && reaches_min(last));
                if !may_hold {
                    return 0..0;
                }
                let start = big.partition_point(|member, _| !reaches_min(member));
                let end = big.partition_point(|member, _| within_max(member)).max(start);
                if reverse {
                    start..end.saturating_sub(offset).max(start)
                } else {
                    start.saturating_add(offset).min(end)..end
                }
            }
        }
    }

    /// The elements of these ranks, from either end.
    pub fn range(self, start: usize, end: usize) -> Elements<'a> {
        match self {
            SortedSetRef::Packed(packed) => Elements::Packed(packed::pairs(packed).take(end).skip(start)),
            SortedSetRef::Big(big) => Elements::Big(big.range(start, end)),
        }
    }

    /// All elements, from either end.
    pub fn iter(self) -> Elements<'a> {
        self.range(0, usize::MAX)
    }

    /// The element of this rank.
    pub fn get(self, rank: usize) -> Option<Element<'a>> {
        match self {
            SortedSetRef::Packed(packed) => packed::pairs(packed).nth(rank),
            SortedSetRef::Big(big) => big.get(rank).map(Element::from),
        }
    }

    /// An element, each as likely as the others.
    pub fn random(self) -> Option<Element<'a>> {
        match self {
            SortedSetRef::Packed(_) => self.get(hasher::random_below(self.len())),
            SortedSetRef::Big(big) => big.random().map(Element::from),
        }
    }

    /// Elements from a cursor on, as [`super::directory::Directory::scan`] has it; of a packed one all at once.
    pub fn scan(self, cursor: u64, count: usize, mut give: impl FnMut(Element<'a>)) -> Scanned {
        match self {
            SortedSetRef::Packed(packed) => {
                packed::pairs(packed).for_each(give);
                Scanned { cursor: 0, touched: self.len() }
            }
            SortedSetRef::Big(big) => big.scan(cursor, count, |member, score| give((member, score).into())),
        }
    }
}

/// Elements of neighbouring ranks, from either end.
#[derive(Clone)]
pub enum Elements<'a> {
    /// Of a packed set.
    Packed(Skip<Take<packed::Pairs<'a>>>),
    /// Of a big one.
    Big(counted_tree::Elements<'a>),
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        match self {
            Elements::Packed(pairs) => pairs.next(),
            Elements::Big(elements) => elements.next().map(Element::from),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Elements::Packed(pairs) => pairs.size_hint(),
            Elements::Big(elements) => elements.size_hint(),
        }
    }
}

impl DoubleEndedIterator for Elements<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Elements::Packed(pairs) => pairs.next_back(),
            Elements::Big(elements) => elements.next_back().map(Element::from),
        }
    }
}

impl ExactSizeIterator for Elements<'_> {}

impl From<SortedSet> for Value {
    fn from(set: SortedSet) -> Value {
        Value::SortedSet(set)
    }
}

impl ValueKind for SortedSet {
    const KIND: Kind = Kind::SortedSet;

    fn from_value(value: Value) -> Result<Self, Value> {
        match value {
            Value::SortedSet(set) => Ok(set),
            other => Err(other),
        }
    }

    fn is_gone(&self) -> bool {
        self.is_empty()
    }
}

#[cfg(test)]
mod tests;
