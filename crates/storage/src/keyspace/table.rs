//! One table of a keyspace: a `DashMap` of slot words, used through its raw api.
//!
//! ```text
//! the hash's line   hash << 7: the tables' own 7 tag bits are not used to choose anything else
//! position          its highest 27 bits
//! shard             position * shards / 2^27: each has as many positions as the next, but for one
//! word bits         the 16 bits below the highest log2(shards), rounded down: with the shard they tell the position
//! ```
//! A shard's table is keyed by the word bits alone, spread over 64: growing it reads no entry. Two keys of one
//! shard have the same word bits once in 32,768 pairs at most; then the keys are compared.
//!
//! # How many shards
//! A `RawTable` has a power of two of buckets, of which 7/8 may be full, so with a power of two of shards too the load
//! is what the number of keys makes it: 1M keys stood in 2M buckets at 48 %, 21 bytes a key. The number of shards is
//! therefore any: as many as fill the tables of the expected keys as far as chance lets them be filled (see
//! `shards_for`). A key then takes what 9 bytes a bucket are at 80 % full, in the allocator's next class, which is a
//! tenth more, and its part of the shard's head. What that is in resident bytes is in `benches/README.md`.
//!
//! Owns the shards and which of them are occupied. Never knows why a key is looked for.

use std::hash::BuildHasher;

use dashmap::{DashMap, RwLock, RwLockReadGuard, RwLockWriteGuard, SharedValue};
use hashbrown_raw::raw::{Bucket, InsertSlot, RawTable};

use super::line::Occupied;
use super::marks::Marks;
use super::word::Word;
use crate::entry::Entry;
use crate::memory::size_class;
use crate::scan::ScanCursor;

pub(super) type Item = (Word, SharedValue<()>);
pub(crate) type Shard = RawTable<Item>;
pub(crate) type ReadGuard<'a> = RwLockReadGuard<'a, Shard>;
pub(crate) type WriteGuard<'a> = RwLockWriteGuard<'a, Shard>;

/// How many keys a shard is planned for at most: small tables keep the longest pause of growing one short.
pub(crate) const KEYS_PER_SHARD: usize = 412;
/// With fewer a word could not tell its position. At 128 bytes each, with twice as many a million keys would take a
/// byte more each, half of it for fuller tables.
pub(crate) const SHARDS_MIN: usize = 1 << 11;
/// 16 million shards, for 6.9 thousand million keys as planned and eight times that before they grow again.
const SHARDS_MAX: usize = 1 << 24;
/// How many keys a shard gets on the average so that few tables (one in twenty-two) need twice the buckets: what 32 to
/// 512 buckets hold, less 1.7 times the square root of it.
const KEYS_FILLING: [usize; 5] = [20, 45, 95, 200, KEYS_PER_SHARD];
/// So many shards are looked at, at most, to tell what a table takes: a millisecond.
const COUNTED_SHARDS_MAX: usize = 1 << 14;
/// A shard's table is given back half its room when it holds less than this share of it.
const SHRINK_BELOW: usize = 8;
const SHRINK_BUCKETS_MIN: usize = 16;

/// A key's SipHash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHash(pub(crate) u64);

impl KeyHash {
    /// Where the key is on the line that SCAN walks along; see the module.
    pub(super) fn line(self) -> u64 {
        self.0 << 7
    }

    /// Where it is as SCAN counts.
    #[inline]
    pub(crate) fn position(self) -> u64 {
        self.line() >> (u64::BITS - ScanCursor::BITS)
    }
}

/// DashMap wants a hasher; the raw api never calls it.
#[derive(Clone, Debug, Default)]
pub(crate) struct NoHasher;

impl BuildHasher for NoHasher {
    type Hasher = std::hash::DefaultHasher;
    fn build_hasher(&self) -> Self::Hasher {
        std::hash::DefaultHasher::new()
    }
}

/// The 64 bits by which a shard's table places a word: its lowest choose the bucket, its highest 7 are the tag.
#[inline]
fn spread(bits: u16) -> u64 {
    u64::from(bits) | u64::from(bits) << 48
}

fn spread_item(item: &Item) -> u64 {
    spread(item.0.bits())
}

/// See the module.
pub(crate) struct Table {
    /// Its own number of shards is the next power of two; those behind `shards` stay empty.
    map: DashMap<Word, (), NoHasher>,
    shards: usize,
    pub(super) occupied: Occupied,
    pub(super) marks: Marks,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("shards", &self.shards).finish_non_exhaustive()
    }
}

/// How many shards for so many keys.
pub(crate) fn shards_for(keys: usize, keys_per_shard: usize) -> usize {
    let fits = |per_shard: &usize| *per_shard <= keys_per_shard && keys / per_shard >= SHARDS_MIN;
    let per_shard = KEYS_FILLING.into_iter().rev().find(fits).unwrap_or(keys_per_shard);
    keys.div_ceil(per_shard).clamp(SHARDS_MIN, SHARDS_MAX)
}

impl Table {
    /// A table of so many empty shards.
    pub(super) fn new(shards: usize) -> Table {
        Table {
            map: DashMap::with_capacity_and_hasher_and_shard_amount(0, NoHasher, shards.next_power_of_two()),
            shards,
            occupied: Occupied::new(shards),
            marks: Marks::none(shards),
        }
    }

    pub(crate) fn shards(&self) -> usize {
        self.shards
    }

    /// The shard of a key with this hash.
    #[inline]
    pub(crate) fn shard_of(&self, hash: KeyHash) -> usize {
        self.shard_at(hash.position())
    }

    /// The shard that has this position.
    #[inline]
    pub(super) fn shard_at(&self, position: u64) -> usize {
        ((position * self.shards as u64) >> ScanCursor::BITS) as usize
    }

    /// The first position of a shard; of the one behind the last, the line's end.
    #[inline]
    pub(super) fn first_position(&self, shard: usize) -> u64 {
        ((shard as u64) << ScanCursor::BITS).div_ceil(self.shards as u64)
    }

    /// The position of a word in this shard.
    pub(super) fn position(&self, shard: usize, bits: u16) -> u64 {
        // A shard has at most 2^low_bits positions (there are at least 2^11 shards), so the word's bits that are a
        // position's tell which of them it is.
        let low_bits = ScanCursor::BITS - self.shards.ilog2();
        let low = u64::from(bits) >> (16 - low_bits);
        let first = self.first_position(shard);
        first + (low.wrapping_sub(first) & ((1 << low_bits) - 1))
    }

    /// The bits of this hash that a word of this table holds.
    #[inline]
    pub(crate) fn bits_of(&self, hash: KeyHash) -> u16 {
        (hash.line() << self.shards.ilog2() >> 48) as u16
    }

    /// The lock of a shard.
    ///
    /// # Panics
    /// When there is no such shard.
    #[inline]
    pub(crate) fn lock(&self, shard: usize) -> &RwLock<Shard> {
        self.map.shards().get(shard).expect("a shard's number is below their count")
    }

    /// A shard of a table that nobody else sees.
    ///
    /// # Panics
    /// When there is no such shard.
    #[inline]
    pub(super) fn shard_mut(&mut self, shard: usize) -> &mut Shard {
        self.map.shards_mut().get_mut(shard).expect("a shard's number is below their count").get_mut()
    }

    /// Where a shard's own data are. For prefetching.
    #[inline]
    pub(super) fn head_of(&self, shard: usize) -> *const u8 {
        std::ptr::from_ref(self.lock(shard)).cast()
    }

    /// Bytes that the shards and their tables take, without the entries. Locks each shard for a moment; of many, every
    /// so manieth, for chance makes them alike.
    pub(crate) fn allocated(&self) -> usize {
        let step = self.shards.div_ceil(COUNTED_SHARDS_MAX);
        let (mut counted, mut tables) = (0, 0);
        for shard in (0..self.shards).step_by(step) {
            tables += size_class(self.lock(shard).read().allocation_info().1.size());
            counted += 1;
        }
        let heads = size_class(size_of_val(self.map.shards())) + size_class(self.occupied.allocated());
        heads + (tables as u128 * self.shards as u128 / counted.max(1)) as usize
    }

    /// Frees every entry that is this table's, shard by shard, and leaves it empty.
    pub(super) fn clear(&self, mut free: impl FnMut(Entry)) {
        let mut from = 0;
        while let Some(shard) = self.occupied.next(from) {
            let mut guard = self.lock(shard).write();
            let taken = std::mem::replace(&mut *guard, RawTable::new());
            self.occupied.note(shard, false);
            drop(guard);
            for (word, _) in taken {
                if self.marks.own(&word) {
                    // SAFETY: the word is out of its table, and no other table has the entry.
                    free(unsafe { word.into_entry() });
                }
            }
            from = shard + 1;
        }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        self.clear(drop);
    }
}

/// The word of this key in a locked shard.
#[inline]
pub(super) fn find<'g>(shard: &'g Shard, bits: u16, key: &[u8]) -> Option<&'g Word> {
    shard.get(spread(bits), |(word, _)| is_word_of(word, bits, key)).map(|(word, _)| word)
}

/// The bucket of this key in a locked shard.
#[inline]
pub(super) fn find_bucket(shard: &Shard, bits: u16, key: &[u8]) -> Option<Bucket<Item>> {
    shard.find(spread(bits), |(word, _)| is_word_of(word, bits, key))
}

#[inline]
fn is_word_of(word: &Word, bits: u16, key: &[u8]) -> bool {
    // SAFETY: the caller has the shard, so its lock is held.
    word.bits() == bits && is_same_key(unsafe { word.view() }.key(), key)
}

/// Whether two keys are the same. Most are of some dozen bytes, for which a call would cost more than the comparing.
#[inline]
fn is_same_key(one: &[u8], other: &[u8]) -> bool {
    const SHORT_BYTES_MAX: usize = 32;
    if one.len() != other.len() {
        return false;
    }
    match (one.last_chunk::<8>(), other.last_chunk::<8>()) {
        (Some(one_end), Some(other_end)) if one.len() <= SHORT_BYTES_MAX => {
            // The last word may share bytes with the one before it.
            one_end == other_end && one.as_chunks::<8>().0.iter().eq(other.as_chunks::<8>().0)
        }
        _ => one == other,
    }
}

/// The first word with these bits; it need not be the wanted key's. For prefetching.
#[inline]
pub(super) fn find_candidate(shard: &Shard, bits: u16) -> Option<&Word> {
    shard.get(spread(bits), |(word, _)| word.bits() == bits).map(|(word, _)| word)
}

/// Adds a word whose key the shard does not have.
pub(super) fn add(shard: &mut Shard, word: Word) -> Bucket<Item> {
    shard.insert(spread(word.bits()), (word, SharedValue::new(())), spread_item)
}

/// A free place for a word, in a shard that does not have its key.
pub(super) struct Vacancy<'s> {
    shard: &'s mut Shard,
    slot: InsertSlot,
    bits: u16,
}

/// A free place for a word with these bits; `None` when the shard has the key.
#[inline]
pub(super) fn vacancy<'s>(shard: &'s mut Shard, bits: u16, key: &[u8]) -> Option<Vacancy<'s>> {
    let is_there = |(word, _): &Item| is_word_of(word, bits, key);
    let slot = shard.find_or_find_insert_slot(spread(bits), is_there, spread_item).err()?;
    Some(Vacancy { shard, slot, bits })
}

impl Vacancy<'_> {
    /// Puts the word there.
    #[inline]
    pub(super) fn fill(self, word: Word) {
        debug_assert_eq!(word.bits(), self.bits);
        // SAFETY: the slot was found in this shard for a word with these bits, and the shard was not changed since.
        unsafe { self.shard.insert_in_slot(spread(self.bits), self.slot, (word, SharedValue::new(()))) };
    }
}

/// Makes room for more words.
pub(super) fn reserve(shard: &mut Shard, more: usize) {
    shard.reserve(more, spread_item);
}

/// Takes a word out, and gives room back when there is much too much.
pub(super) fn remove(shard: &mut Shard, bucket: Bucket<Item>) -> Word {
    // SAFETY: the caller found the bucket in this shard, whose lock was held ever since.
    let ((word, _), _) = unsafe { shard.remove(bucket) };
    let len = shard.len();
    if shard.buckets() > SHRINK_BUCKETS_MIN && len < shard.buckets() / SHRINK_BELOW {
        shard.shrink_to(len * 2, spread_item);
    }
    word
}

/// The words of a locked shard, in the table's order.
pub(super) fn words(shard: &Shard) -> impl Iterator<Item = &Word> {
    // SAFETY: the iterator borrows the shard, which therefore neither changes nor goes meanwhile.
    unsafe { shard.iter().map(|bucket| &bucket.as_ref().0) }
}

/// Some word of a locked shard, by chance.
pub(super) fn any_word(shard: &Shard, mut random: impl FnMut() -> u64) -> Option<&Word> {
    if shard.is_empty() {
        return None;
    }
    // A table is at least an eighth full (see `remove`), but for very small ones.
    for _ in 0..64 {
        let index = random() as usize & (shard.buckets() - 1);
        // SAFETY: the index is below the number of buckets, and a full bucket has an item.
        unsafe {
            if shard.is_bucket_full(index) {
                return Some(&shard.bucket(index).as_ref().0);
            }
        }
    }
    words(shard).next()
}

/// Where a look-up of these bits starts: in the control bytes, and in the slots. For prefetching.
pub(super) fn lines_of(shard: &Shard, bits: u16) -> (*const u8, *const u8) {
    let index = spread(bits) as usize & (shard.buckets() - 1);
    let end: *const u8 = shard.data_end().as_ptr().cast_const().cast();
    (end.wrapping_add(index), end.wrapping_sub((index + 1) * size_of::<Item>()))
}
