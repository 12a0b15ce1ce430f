//! Sets and sorted sets whose elements come one by one. The same member twice is corrupt, as in Redis.

use std::collections::HashSet;

use rdb::Str;
use storage::score::Score;
use storage::value::sorted_set::SortedSet;
use storage::value::{Limits, Set};

use super::{ConvertError, ELEMENTS_RESERVED_MAX, Value, corrupt};

const TWICE: ConvertError = corrupt("the same member twice");

/// So many elements to make room for.
fn room(count: u64) -> usize {
    // Below 2^20 it fits any usize.
    count.min(ELEMENTS_RESERVED_MAX) as usize
}

/// Which members may have been seen before: a Bloom filter of one function. A small packed set is searched for the few
/// that it cannot tell from others, not for each.
#[derive(Debug, Default)]
struct Sieve([u64; Sieve::WORDS]);

impl Sieve {
    const WORDS: usize = 16;

    /// Notes a member; whether it may have been noted before.
    fn note(&mut self, member: &[u8]) -> bool {
        // Members of a set often begin alike: their ends count for the most.
        let tail = member.last_chunk().map_or_else(
            || member.iter().fold(0, |tail, byte| tail << 8 | u64::from(*byte)),
            |tail| u64::from_le_bytes(*tail),
        );
        let mixed = (tail ^ member.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54;
        let bit = 1 << (mixed % 64);
        let Some(word) = self.0.get_mut(mixed as usize / 64) else { return true };
        let seen = *word & bit != 0;
        *word |= bit;
        seen
    }
}

/// A set that comes in pieces.
#[derive(Debug)]
pub(super) struct SetBuilder {
    set: Set,
    seen: Sieve,
}

impl SetBuilder {
    /// One that will have so many members: a small form is tried when it may hold them.
    pub(super) fn new(count: u64, limits: &Limits) -> Self {
        let small_max = limits.set_max_intset_entries.max(limits.set_max_listpack_entries);
        let set = if count > small_max as u64 { Set::with_capacity(room(count)) } else { Set::ints() };
        SetBuilder { set, seen: Sieve::default() }
    }

    pub(super) fn add(&mut self, member: Str<'_>, limits: &Limits) -> Result<(), ConvertError> {
        let mut buffer = [0; 20];
        let member = member.bytes(&mut buffer);
        let added = if !matches!(self.set, Set::Big(_)) && !self.seen.note(member) {
            self.set.add_new(member, limits)
        } else {
            self.set.add(member, limits)
        };
        if added { Ok(()) } else { Err(TWICE) }
    }

    pub(super) fn finish(self) -> Option<Value> {
        (!self.set.is_empty()).then(|| self.set.into())
    }
}

/// A sorted set that comes in pieces.
#[derive(Debug)]
pub(super) enum SortedSetBuilder {
    /// It may turn out to be small: that is known at the end.
    Few(Vec<(Vec<u8>, Score)>),
    Many(SortedSet),
}

impl SortedSetBuilder {
    /// One that will have so many members.
    pub(super) fn new(count: u64, limits: &Limits) -> Self {
        if count > limits.zset_max_listpack_entries as u64 {
            // With no room for a single element in the packed form it is big at once.
            let none = Limits { zset_max_listpack_entries: 0, ..limits.clone() };
            SortedSetBuilder::Many(SortedSet::for_elements(room(count), 0, &none))
        } else {
            SortedSetBuilder::Few(Vec::with_capacity(room(count)))
        }
    }

    pub(super) fn add(&mut self, member: Str<'_>, score: f64, limits: &Limits) -> Result<(), ConvertError> {
        let score = Score::new(score).ok_or(corrupt("a score that is no number"))?;
        let mut buffer = [0; 20];
        let member = member.bytes(&mut buffer);
        match self {
            SortedSetBuilder::Few(elements) => elements.push((member.to_vec(), score)),
            SortedSetBuilder::Many(set) => {
                if !set.insert_new(member, score, limits) {
                    return Err(TWICE);
                }
            }
        }
        Ok(())
    }

    pub(super) fn finish(self, limits: &Limits) -> Result<Option<Value>, ConvertError> {
        let set = match self {
            SortedSetBuilder::Many(set) => set,
            SortedSetBuilder::Few(elements) => {
                let mut names = HashSet::with_capacity(elements.len());
                if !elements.iter().all(|(name, _)| names.insert(name.as_slice())) {
                    return Err(TWICE);
                }
                // Its master holds doubles, and so -0 where it says so: that is not lost in the packed form.
                let exact = Limits { zset_packed_minus_zero: true, ..limits.clone() };
                SortedSet::from_elements(elements, &exact)
            }
        };
        Ok((!set.is_empty()).then(|| set.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_comes_twice_is_found_whatever_the_form() {
        let limits = Limits::default();
        let members: Vec<Vec<u8>> =
            (0..300).map(|n: u32| format!("a long beginning {n:05} and an end").into_bytes()).collect();
        let ints: Vec<Vec<u8>> = (0..300).map(|n: u32| n.to_string().into_bytes()).collect();
        for all in [members, ints] {
            for count in [1, 7, 100, 128, 129, 300] {
                for twice in [0, count / 2, count - 1] {
                    let mut builder = SetBuilder::new(count as u64 + 1, &limits);
                    for member in &all[..count] {
                        builder.add(Str::Bytes(member), &limits).expect("a new member");
                    }
                    assert_eq!(
                        builder.add(Str::Bytes(&all[twice]), &limits),
                        Err(TWICE),
                        "{twice} of {count}"
                    );
                    let Some(Value::Set(set)) = builder.finish() else { panic!("no set") };
                    assert_eq!(set.len(), count);
                }
            }
        }
    }

    #[test]
    fn minus_zero_of_a_binary_sorted_set_stays() {
        let limits = Limits { zset_packed_minus_zero: false, ..Limits::default() };
        let mut builder = SortedSetBuilder::new(2, &limits);
        builder.add(Str::Bytes(b"minus"), -0.0, &limits).expect("an element");
        builder.add(Str::Bytes(b"plus"), 0.0, &limits).expect("another");
        let Ok(Some(Value::SortedSet(set))) = builder.finish(&limits) else { panic!("no sorted set") };
        let sign = |member: &[u8]| set.view().score(member).expect("a member").get().is_sign_negative();
        assert!(sign(b"minus"));
        assert!(!sign(b"plus"));
        assert!(matches!(set, SortedSet::Packed(_)));
    }
}
