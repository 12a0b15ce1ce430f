//! A big sorted set: its members, and a tree that keeps them in order.
//!
//! A [`Directory`] owns the members (name and score in one allocation) and finds them by name; a `CountedTree` holds
//! their addresses in the order of score, then name, and finds them by rank. At 16-byte members an element takes 32
//! bytes for the member, 9 in the directory and 8 to 12 in the tree: 58 bytes of RSS measured after random inserts of a
//! million, where `redis-server` takes 120.
//!
//! Owns the only `unsafe` of sorted sets: reading members through the addresses in the tree. Never decides when a
//! sorted set is big, never knows a command.
//!
//! # Obligations
//! - An address in `order` is that of a member in `members`: it goes in after its member has gone in, and comes out
//!   before its member comes out. Both fields are private to this file, which keeps that in [`BigSortedSet::apply`],
//!   `remove`, `remove_range` and `free_some`; a clone builds an `order` of its own.
//! - The directory moves words, never allocations; a member's name never changes; its score changes in `set_score`
//!   alone, through `&mut self`, while its address is out of `order` (the marks in the tree are copies of it).
//! - What is read through an address lives no longer than the borrow of the set that it was read in.

#![allow(unsafe_code)] // a second index over members that the directory owns, see above

mod tree;

use std::cmp::Ordering;

use self::tree::{CountedTree, Key, Range};
use super::directory::{Directory, Scanned};
use super::member::{Member, MemberPtr};
use crate::score::Score;

/// Above the sizes that stay packed.
#[derive(Default)]
pub struct BigSortedSet {
    members: Directory,
    order: CountedTree<Standing>,
}

/// A member's address in the tree.
#[derive(Clone, Copy)]
struct Standing(MemberPtr);

/// What a search in the tree looks at.
#[derive(Clone, Copy)]
struct Mark {
    score: Score,
    member: MemberPtr,
}

impl Key for Standing {
    type Mark = Mark;

    #[inline]
    fn mark(self) -> Mark {
        // SAFETY: a standing is only used while it is in a tree or on its way in, see the obligations; scores change
        // through `&mut BigSortedSet`, so by nobody else now.
        Mark { score: Score::or_zero(unsafe { self.0.score() }), member: self.0 }
    }
}

impl Mark {
    /// # Safety
    /// The mark's member is in a set that stays borrowed for all of `'a`.
    #[inline]
    unsafe fn name<'a>(self) -> &'a [u8] {
        // SAFETY: the caller's; a name never changes.
        unsafe { self.member.name() }
    }

    /// # Safety
    /// The mark's member is alive.
    #[inline]
    unsafe fn stands_before(self, score: Score, name: &[u8]) -> bool {
        match self.score.cmp(&score) {
            Ordering::Less => true,
            // SAFETY: the caller's.
            Ordering::Equal => (unsafe { self.name() }) < name,
            Ordering::Greater => false,
        }
    }
}

impl BigSortedSet {
    /// An empty one, laid out for so many members.
    pub fn with_capacity(members: usize) -> Self {
        BigSortedSet { members: Directory::with_capacity(members), order: CountedTree::default() }
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes behind it, besides itself.
    pub fn heap_bytes(&self) -> usize {
        self.members.heap_bytes() + self.order.heap_bytes()
    }

    /// The score of a member.
    #[inline]
    pub fn score(&self, name: &[u8]) -> Option<Score> {
        self.members.get(name).map(|member| Score::or_zero(member.score()))
    }

    /// How many elements stand before a member, and its score.
    pub fn rank(&self, name: &[u8]) -> Option<(usize, Score)> {
        let score = self.score(name)?;
        Some((self.rank_for(score, name), score))
    }

    /// How many elements stand before this score and name.
    fn rank_for(&self, score: Score, name: &[u8]) -> usize {
        // SAFETY: the marks in the tree are of members that are alive while `self` is borrowed.
        self.order.partition_point(|mark| unsafe { mark.stands_before(score, name) })
    }

    /// How many elements from the start on satisfy `before`, which holds for a beginning of them and no other.
    pub fn partition_point(&self, before: impl Fn(&[u8], Score) -> bool) -> usize {
        // SAFETY: as in `rank_for`; the name is lent to `before` only.
        self.order.partition_point(|mark| before(unsafe { mark.name() }, mark.score))
    }

    /// How many elements from the start on have a score that satisfies `before`; reads fewer members than
    /// [`BigSortedSet::partition_point`].
    pub fn partition_point_by_score(&self, before: impl Fn(Score) -> bool) -> usize {
        self.order.partition_point(|mark| before(mark.score))
    }

    /// The elements of these ranks, from either end.
    pub fn range(&self, start: usize, end: usize) -> Elements<'_> {
        Elements { set: self, standings: self.order.range(start, end) }
    }

    /// The element at a rank.
    pub fn get(&self, rank: usize) -> Option<(&[u8], Score)> {
        self.order.get(rank).map(|standing| self.read(standing))
    }

    #[inline]
    fn read(&self, standing: Standing) -> (&[u8], Score) {
        let mark = standing.mark();
        // SAFETY: the standing is in this set's tree; the name is borrowed from `self`.
        (unsafe { mark.name() }, mark.score)
    }

    /// Elements in the order of the hashes of their names, from a cursor on; see [`Directory::scan`].
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, mut give: impl FnMut(&'a [u8], Score)) -> Scanned {
        self.members.scan(cursor, count, |member| give(member.name(), Score::or_zero(member.score())))
    }

    /// An element, each as likely as the others.
    pub fn random(&self) -> Option<(&[u8], Score)> {
        self.members.random().map(|member| (member.name(), Score::or_zero(member.score())))
    }

    /// Asks `decide` which score a member shall have, telling which it has; `None` changes nothing. Returns the
    /// score that it had.
    pub fn apply(
        &mut self,
        name: &[u8],
        decide: impl FnOnce(Option<Score>) -> Option<Score>,
    ) -> Option<Score> {
        let old = self.score(name);
        let Some(new) = decide(old) else { return old };
        match old {
            // Equal numbers change nothing: not even 0 becomes -0, as in Redis.
            Some(old) if old == new => {}
            Some(old) => self.set_score(name, old, new),
            None => {
                self.insert_new(name, new);
            }
        }
        old
    }

    /// Gives a member this score. Returns the one that it had.
    pub fn insert(&mut self, name: &[u8], score: Score) -> Option<Score> {
        self.apply(name, |_| Some(score))
    }

    /// Puts a member in, looked for once; `false`, and nothing is changed, when it is there.
    pub fn insert_new(&mut self, name: &[u8], score: Score) -> bool {
        let mut standing = None;
        self.members.insert_or_get(name, || {
            let member = Member::of_sorted_set(name, score.get());
            standing = Some(Standing(member.pointer()));
            member
        });
        // Made only to be put in: the address in the tree is of a member that is there.
        let Some(standing) = standing else { return false };
        let rank = self.rank_of_new(score, name);
        self.order.insert_at(rank, standing);
        true
    }

    /// Where a new element belongs. Snapshots come from the end, and streams often at the end: looked at first.
    fn rank_of_new(&self, score: Score, name: &[u8]) -> usize {
        let len = self.order.len();
        let before = |rank: usize| {
            let standing = self.order.get(rank);
            // SAFETY: as in `rank_for`.
            standing.map(|standing| unsafe { standing.mark().stands_before(score, name) })
        };
        match (before(0), before(len.wrapping_sub(1))) {
            (Some(false), _) => 0,
            (_, Some(true)) => len,
            _ => self.rank_for(score, name),
        }
    }

    /// Moves a member that is there to its new place.
    fn set_score(&mut self, name: &[u8], old: Score, new: Score) {
        let Some(standing) = self.order.remove_at(self.rank_for(old, name)) else { return };
        // Out of the order, its score may change.
        if let Some(mut member) = self.members.get_mut(name) {
            member.set_score(new.get());
        }
        let rank = self.rank_for(new, name);
        self.order.insert_at(rank, standing);
    }

    /// Takes a member out. Returns the score that it had.
    pub fn remove(&mut self, name: &[u8]) -> Option<Score> {
        let (rank, score) = self.rank(name)?;
        let standing = self.order.remove_at(rank);
        let member = self.members.remove(name);
        debug_assert_eq!(standing.map(|standing| standing.0), member.as_ref().map(Member::pointer));
        Some(score)
    }

    /// Takes the elements of these ranks out, telling each to `gone`. Returns how many there were.
    pub fn remove_range(&mut self, start: usize, end: usize, mut gone: impl FnMut(&[u8], Score)) -> usize {
        let count = end.min(self.len()).saturating_sub(start);
        for _ in 0..count {
            let Some(standing) = self.order.remove_at(start) else { break };
            let mark = standing.mark();
            // SAFETY: the member is alive until `member` below is dropped, and `name` is not used after that. Taking
            // the member out moves its word, not its allocation.
            let name = unsafe { mark.name() };
            let member = self.members.remove(name);
            gone(name, mark.score);
            drop(member);
        }
        count
    }

    /// Frees a part of it; true when nothing is left. In between it must not be used.
    pub fn free_some(&mut self) -> bool {
        self.order = CountedTree::default();
        self.members.free_some()
    }
}

impl Clone for BigSortedSet {
    fn clone(&self) -> Self {
        let mut copy = BigSortedSet::with_capacity(self.len());
        for (name, score) in self.range(0, self.len()) {
            copy.insert_new(name, score);
        }
        copy
    }
}

impl std::fmt::Debug for BigSortedSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let elements = self.range(0, self.len());
        f.debug_map()
            .entries(elements.map(|(name, score)| (String::from_utf8_lossy(name), score.get())))
            .finish()
    }
}

/// Elements of neighbouring ranks: name and score, from either end.
#[derive(Clone)]
pub struct Elements<'a> {
    set: &'a BigSortedSet,
    standings: Range<'a, Standing>,
}

impl<'a> Iterator for Elements<'a> {
    type Item = (&'a [u8], Score);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.standings.next().map(|standing| self.set.read(standing))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.standings.size_hint()
    }
}

impl DoubleEndedIterator for Elements<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.standings.next_back().map(|standing| self.set.read(standing))
    }
}

impl ExactSizeIterator for Elements<'_> {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// The safe twin: members and scores, sorted when asked.
    #[derive(Default)]
    struct Model(BTreeMap<Vec<u8>, f64>);

    impl Model {
        fn sorted(&self) -> Vec<(&[u8], Score)> {
            let mut all: Vec<_> =
                self.0.iter().map(|(name, score)| (name.as_slice(), Score::new(*score).unwrap())).collect();
            all.sort_by_key(|(name, score)| (*score, *name));
            all
        }
    }

    fn assert_same(set: &BigSortedSet, model: &Model) {
        let sorted = model.sorted();
        assert_eq!(set.len(), sorted.len());
        assert!(set.range(0, usize::MAX).eq(sorted.iter().copied()));
        assert!(set.range(0, usize::MAX).rev().eq(sorted.iter().rev().copied()));
        for (rank, (name, score)) in sorted.iter().enumerate() {
            assert_eq!(set.rank(name), Some((rank, *score)));
            assert_eq!(set.get(rank), Some((*name, *score)));
        }
        let mut scanned = Vec::new();
        let mut cursor = 0;
        loop {
            cursor = set.scan(cursor, 10, |name, score| scanned.push((name, score))).cursor;
            if cursor == 0 {
                break;
            }
        }
        scanned.sort_by_key(|(name, score)| (*score, *name));
        assert_eq!(scanned, sorted);
    }

    #[derive(Debug, Clone)]
    enum Op {
        Insert(u16, i8),
        Remove(u16),
        RemoveRange(u16, u16),
        Clone,
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            12 => (0..700u16, any::<i8>()).prop_map(|(name, score)| Op::Insert(name, score)),
            4 => (0..700u16).prop_map(Op::Remove),
            1 => (0..700u16, 0..60u16).prop_map(|(start, count)| Op::RemoveRange(start, count)),
            1 => Just(Op::Clone),
        ]
    }

    fn name(number: u16) -> Vec<u8> {
        // Names of many lengths, the empty one too.
        number.to_string().into_bytes().repeat(usize::from(number % 7))
    }

    fn run(ops: Vec<Op>) {
        let mut set = BigSortedSet::default();
        let mut model = Model::default();
        for op in ops {
            match op {
                Op::Insert(number, score) => {
                    let (name, score) = (name(number), f64::from(score) / 4.0);
                    let old = set.insert(&name, Score::new(score).unwrap());
                    assert_eq!(old.map(Score::get), model.0.insert(name, score));
                }
                Op::Remove(number) => {
                    let name = name(number);
                    assert_eq!(set.remove(&name).map(Score::get), model.0.remove(&name));
                }
                Op::RemoveRange(start, count) => {
                    let (start, end) = (usize::from(start), usize::from(start + count));
                    let wanted: Vec<_> = model
                        .sorted()
                        .get(start..end.min(model.0.len()).max(start))
                        .map(|range| range.iter().map(|(name, score)| (name.to_vec(), *score)).collect())
                        .unwrap_or_default();
                    let mut gone = Vec::new();
                    let count = set.remove_range(start, end, |name, score| gone.push((name.to_vec(), score)));
                    assert_eq!((gone.len(), &gone), (count, &wanted));
                    wanted.iter().for_each(|(name, _)| {
                        model.0.remove(name);
                    });
                }
                Op::Clone => set = set.clone(),
            }
        }
        assert_same(&set, &model);
        assert!(set.is_empty() || set.random().is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 2 } else { 100 }, ..ProptestConfig::default() })]
        #[test]
        fn agrees_with_a_sorted_vector(ops in proptest::collection::vec(op(), 0..if cfg!(miri) { 40 } else { 1500 })) {
            run(ops);
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "too many elements")]
    fn an_element_takes_about_half_of_what_redis_takes() {
        let mut set = BigSortedSet::default();
        for number in 0..100_000u64 {
            let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            set.insert(format!("member:{:09}", number).as_bytes(), Score::from((mixed >> 40) as i64));
        }
        let a_member = set.heap_bytes() / set.len();
        assert!((40..60).contains(&a_member), "{a_member} bytes an element");
    }

    #[test]
    #[cfg_attr(miri, ignore = "too many elements")]
    fn frees_in_steps() {
        let mut set = BigSortedSet::default();
        for number in 0..10_000i64 {
            set.insert(number.to_string().as_bytes(), Score::from(number));
        }
        let steps = (1..).find(|_| set.free_some());
        assert!(steps > Some(1));
    }
}
