//! The intset: width (u32 LE: 2, 4 or 8), count (u32 LE), ascending integers of that width (LE).
//!
//! Owns reading and editing of those bytes; every edit gives the bytes that a Redis server would have: the width
//! grows with the first integer that needs it, and never shrinks.

use super::PackedError;

/// Width and count.
const HEADER_BYTES: usize = 8;

/// An intset that owns its bytes; always whole, valid and ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intset(Vec<u8>);

/// An intset somewhere else (inside an entry, say); always whole, valid and ascending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntsetRef<'a>(&'a [u8]);

impl Default for Intset {
    fn default() -> Self {
        Intset::new()
    }
}

impl Intset {
    /// An empty one.
    pub fn new() -> Self {
        Intset(vec![2, 0, 0, 0, 0, 0, 0, 0])
    }

    /// Takes bytes from a stranger and checks all of them, once.
    ///
    /// # Errors
    /// What is wrong with them, and where.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, PackedError> {
        check(&bytes)?;
        Ok(Intset(bytes))
    }

    /// Takes bytes that were checked before (an entry's).
    pub fn from_trusted(bytes: Vec<u8>) -> Self {
        debug_assert_eq!(check(&bytes), Ok(()));
        Intset(bytes)
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
    pub fn view(&self) -> IntsetRef<'_> {
        IntsetRef(&self.0)
    }

    /// How many integers it has.
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether `value` is in it.
    pub fn contains(&self, value: i64) -> bool {
        self.view().contains(value)
    }

    /// Bytes that it holds in memory.
    pub fn heap_bytes(&self) -> usize {
        self.0.capacity()
    }

    /// Adds an integer; false when it was there.
    ///
    /// # Panics
    /// With more than `u32::MAX` integers, far above every `set-max-intset-entries`.
    pub fn insert(&mut self, value: i64) -> bool {
        let width = width_of(value);
        if width > self.view().width() {
            self.widen(width);
        }
        let Err(index) = self.view().search(value) else { return false };
        let width = self.view().width();
        let at = HEADER_BYTES + index * width;
        let old_length = self.0.len();
        self.0.resize(old_length + width, 0);
        self.0.copy_within(at..old_length, at + width);
        self.write(at, width, value);
        self.set_count(self.len());
        true
    }

    /// Takes an integer out; false when it was not there.
    pub fn remove(&mut self, value: i64) -> bool {
        let Ok(index) = self.view().search(value) else { return false };
        let width = self.view().width();
        let at = HEADER_BYTES + index * width;
        self.0.drain(at..at + width);
        self.set_count(self.len());
        true
    }

    /// Stores every integer in `width` bytes.
    fn widen(&mut self, width: usize) {
        let mut wide = Intset(Vec::with_capacity(HEADER_BYTES + (self.len() + 1) * width));
        wide.0.extend_from_slice(&[width as u8, 0, 0, 0, 0, 0, 0, 0]);
        for value in self.view().iter() {
            let at = wide.0.len();
            wide.0.resize(at + width, 0);
            wide.write(at, width, value);
        }
        wide.set_count(wide.len());
        *self = wide;
    }

    fn write(&mut self, at: usize, width: usize, value: i64) {
        let bytes = value.to_le_bytes();
        if let (Some(place), Some(low)) = (self.0.get_mut(at..at + width), bytes.get(..width)) {
            place.copy_from_slice(low);
        }
    }

    fn set_count(&mut self, count: usize) {
        let count = u32::try_from(count).expect("set-max-intset-entries is far below 2^32");
        if let Some(header) = self.0.get_mut(4..HEADER_BYTES) {
            header.copy_from_slice(&count.to_le_bytes());
        }
    }
}

impl<'a> IntsetRef<'a> {
    /// Looks at bytes that were checked before (an entry's).
    pub fn from_trusted(bytes: &'a [u8]) -> Self {
        IntsetRef(bytes)
    }

    /// Looks at bytes from a stranger, and checks all of them.
    ///
    /// # Errors
    /// What is wrong with them, and where.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, PackedError> {
        check(bytes)?;
        Ok(IntsetRef(bytes))
    }

    /// Its bytes.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// A copy that owns its bytes.
    pub fn to_intset(self) -> Intset {
        Intset(self.0.to_vec())
    }

    /// How many integers it has.
    pub fn len(self) -> usize {
        self.integers().len() / self.width()
    }

    /// Whether it has none.
    pub fn is_empty(self) -> bool {
        self.integers().is_empty()
    }

    /// The integer number `index`, in ascending order.
    pub fn get(self, index: usize) -> Option<i64> {
        let integers = self.integers();
        match self.width() {
            2 => integers
                .get(index.checked_mul(2)?..)?
                .first_chunk()
                .map(|b| i64::from(i16::from_le_bytes(*b))),
            4 => integers
                .get(index.checked_mul(4)?..)?
                .first_chunk()
                .map(|b| i64::from(i32::from_le_bytes(*b))),
            _ => integers.get(index.checked_mul(8)?..)?.first_chunk().map(|b| i64::from_le_bytes(*b)),
        }
    }

    /// Whether `value` is in it.
    pub fn contains(self, value: i64) -> bool {
        width_of(value) <= self.width() && self.search(value).is_ok()
    }

    /// Each integer, ascending.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = i64> + ExactSizeIterator + Clone + 'a {
        (0..self.len()).map(move |index| self.get(index).unwrap_or_default())
    }

    /// The smallest.
    pub fn first(self) -> Option<i64> {
        self.get(0)
    }

    /// The largest.
    pub fn last(self) -> Option<i64> {
        self.get(self.len().checked_sub(1)?)
    }

    /// Where `value` stands, or would stand.
    fn search(self, value: i64) -> Result<usize, usize> {
        // Integers that arrive in ascending order go to the end: look there first.
        match self.last() {
            Some(last) if value > last => return Err(self.len()),
            None => return Err(0),
            Some(_) => {}
        }
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle).map(|found| found.cmp(&value)) {
                Some(std::cmp::Ordering::Equal) => return Ok(middle),
                Some(std::cmp::Ordering::Less) => low = middle + 1,
                _ => high = middle,
            }
        }
        Err(low)
    }

    /// The bytes of all integers.
    fn integers(self) -> &'a [u8] {
        self.0.get(HEADER_BYTES..).unwrap_or_default()
    }

    /// Bytes of one integer.
    fn width(self) -> usize {
        match self.0.first() {
            Some(8) => 8,
            Some(4) => 4,
            _ => 2,
        }
    }
}

/// The smallest width that holds `value`.
fn width_of(value: i64) -> usize {
    if i16::try_from(value).is_ok() {
        2
    } else if i32::try_from(value).is_ok() {
        4
    } else {
        8
    }
}

/// Checks all of an intset's bytes.
fn check(bytes: &[u8]) -> Result<(), PackedError> {
    let [w0, w1, w2, w3, c0, c1, c2, c3, integers @ ..] = bytes else {
        return Err(PackedError::Truncated { what: "an intset's header", at: bytes.len() });
    };
    let width = match u32::from_le_bytes([*w0, *w1, *w2, *w3]) {
        2 => 2u64,
        4 => 4,
        8 => 8,
        _ => return Err(PackedError::Encoding { byte: *w0, at: 0 }),
    };
    let count = u32::from_le_bytes([*c0, *c1, *c2, *c3]);
    let promised = u64::from(count) * width + HEADER_BYTES as u64;
    if promised != bytes.len() as u64 || integers.is_empty() != (count == 0) {
        return Err(PackedError::Length { stored: promised, actual: bytes.len() as u64 });
    }
    let mut previous = None;
    for (index, value) in IntsetRef(bytes).iter().enumerate() {
        if previous.is_some_and(|previous| previous >= value) {
            return Err(PackedError::Order { at: HEADER_BYTES + index * width as usize });
        }
        previous = Some(value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_bytes_are_those_of_redis() {
        // SADD s 5 -3 70000, then SREM s 70000: the width stays.
        let mut set = Intset::new();
        assert!(set.insert(5) && set.insert(-3));
        assert_eq!(set.as_bytes(), [2, 0, 0, 0, 2, 0, 0, 0, 0xfd, 0xff, 5, 0]);
        assert!(set.insert(70_000));
        assert!(set.remove(70_000));
        assert_eq!(set.as_bytes(), [4, 0, 0, 0, 2, 0, 0, 0, 0xfd, 0xff, 0xff, 0xff, 5, 0, 0, 0]);
    }

    #[test]
    fn broken_bytes_are_named() {
        assert!(matches!(Intset::from_bytes(vec![2, 0, 0]), Err(PackedError::Truncated { .. })));
        assert!(matches!(
            Intset::from_bytes(vec![3, 0, 0, 0, 0, 0, 0, 0]),
            Err(PackedError::Encoding { .. })
        ));
        assert!(matches!(
            Intset::from_bytes(vec![2, 0, 0, 0, 1, 0, 0, 0, 1]),
            Err(PackedError::Length { .. })
        ));
        let huge = vec![8, 0, 0, 0, 255, 255, 255, 255, 1];
        assert!(matches!(Intset::from_bytes(huge), Err(PackedError::Length { .. })));
        let unordered = vec![2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 1, 0];
        assert_eq!(Intset::from_bytes(unordered), Err(PackedError::Order { at: 10 }));
    }

    fn integer() -> impl Strategy<Value = i64> {
        prop_oneof![
            4 => -20i64..20,
            1 => any::<i16>().prop_map(i64::from),
            1 => any::<i32>().prop_map(i64::from),
            1 => any::<i64>(),
            1 => prop::sample::select(vec![32767, 32768, -32768, -32769, i64::MAX, i64::MIN]),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_a_btree_set(edits in prop::collection::vec((any::<bool>(), integer()), 0..100)) {
            let mut set = Intset::new();
            let mut model = BTreeSet::new();
            for (insert, value) in edits {
                if insert {
                    prop_assert_eq!(set.insert(value), model.insert(value));
                } else {
                    prop_assert_eq!(set.remove(value), model.remove(&value));
                }
                prop_assert_eq!(check(set.as_bytes()), Ok(()));
                prop_assert_eq!(set.contains(value), model.contains(&value));
            }
            let view = set.view();
            prop_assert!(view.iter().eq(model.iter().copied()));
            prop_assert!(view.iter().rev().eq(model.iter().rev().copied()));
            prop_assert_eq!(view.first(), model.first().copied());
            prop_assert_eq!(view.last(), model.last().copied());
            prop_assert_eq!(view.get(view.len()), None);
        }

        #[test]
        fn strange_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..40), value: i64) {
            let _ = Intset::from_bytes(bytes.clone());
            let view = IntsetRef::from_trusted(&bytes);
            let _ = (view.len(), view.contains(value), view.iter().count(), view.get(usize::MAX), view.last());
        }
    }
}
