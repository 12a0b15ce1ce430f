//! What a stream remembers of entries that were added with an idempotent ID (Redis 8.6): a second entry with
//! the same producer and ID is not added.
//!
//! Owns producers, their recent IDs and the counters XINFO shows. An ID is forgotten when its producer has more
//! than `maxsize` of them, or `duration` seconds after the millisecond in its entry's ID, for the RDB carries no
//! other moment. Never adds an entry.

use std::collections::{BTreeMap, VecDeque};
use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};

use super::{StreamError, StreamId};
use crate::UnixMillis;
use crate::memory::{array_bytes, size_class, tree_bytes};

/// `stream-idmp-duration` by default, seconds.
pub(crate) const DURATION_S: u64 = 100;
/// `stream-idmp-maxsize` by default.
pub(crate) const IDS_MAX: u64 = 100;

/// The idempotent IDs of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    duration_s: u64,
    ids_max: u64,
    producers: BTreeMap<Box<[u8]>, Producer>,
    /// How many IDs were ever remembered.
    pub added: u64,
    /// How many entries were not added because theirs was known.
    pub duplicates: u64,
}

/// One producer's IDs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Producer {
    ids: BTreeMap<Box<[u8]>, StreamId>,
    /// The same IDs, the oldest first.
    order: VecDeque<Box<[u8]>>,
}

impl Default for Idempotency {
    fn default() -> Self {
        Idempotency {
            duration_s: DURATION_S,
            ids_max: IDS_MAX,
            producers: BTreeMap::new(),
            added: 0,
            duplicates: 0,
        }
    }
}

impl Idempotency {
    /// How long an ID is remembered, in seconds.
    pub fn duration_s(&self) -> u64 {
        self.duration_s
    }

    /// How many IDs of one producer are remembered.
    pub fn ids_max(&self) -> u64 {
        self.ids_max
    }

    /// Changes both settings; a change forgets every ID, as in Redis. Says whether there was one.
    pub fn configure(&mut self, duration_s: u64, ids_max: u64) -> bool {
        if (self.duration_s, self.ids_max) == (duration_s, ids_max) {
            return false;
        }
        (self.duration_s, self.ids_max) = (duration_s, ids_max);
        self.producers.clear();
        true
    }

    /// Sets what an RDB says, without forgetting.
    pub fn restore(&mut self, duration_s: u64, ids_max: u64, added: u64, duplicates: u64) {
        (self.duration_s, self.ids_max) = (duration_s, ids_max);
        (self.added, self.duplicates) = (added, duplicates);
    }

    /// Takes an ID of an RDB over, behind that producer's others.
    ///
    /// # Errors
    /// That ID is there already.
    pub fn restore_id(&mut self, producer: &[u8], id: &[u8], entry: StreamId) -> Result<(), StreamError> {
        let producer = self.producers.entry(producer.into()).or_default();
        if producer.ids.insert(id.into(), entry).is_some() {
            return Err(StreamError::Duplicate { what: "idempotent ID" });
        }
        producer.order.push_back(id.into());
        Ok(())
    }

    /// The entry that was added with this ID, if that is still remembered at `now`.
    pub fn find(&self, producer: &[u8], id: &[u8], now: UnixMillis) -> Option<StreamId> {
        let entry = *self.producers.get(producer)?.ids.get(id)?;
        (!self.is_forgotten(entry, now)).then_some(entry)
    }

    /// Remembers that an entry was added with this ID.
    pub fn remember(&mut self, producer: &[u8], id: &[u8], entry: StreamId, now: UnixMillis) {
        self.forget(now);
        let ids_max = usize::try_from(self.ids_max).unwrap_or(usize::MAX);
        let known = self.producers.entry(producer.into()).or_default();
        while known.ids.len() >= ids_max
            && let Some(oldest) = known.order.pop_front()
        {
            known.ids.remove(&oldest);
        }
        if known.ids.insert(id.into(), entry).is_none() {
            known.order.push_back(id.into());
        }
        self.added = self.added.saturating_add(1);
    }

    /// How many producers and IDs are remembered at `now`.
    pub fn tracked(&self, now: UnixMillis) -> (u64, u64) {
        self.producers.values().fold((0, 0), |(producers, ids), producer| {
            let own = producer.ids.values().filter(|entry| !self.is_forgotten(**entry, now)).count() as u64;
            (producers + u64::from(own > 0), ids + own)
        })
    }

    /// All producers with their IDs and entries, the oldest ID first.
    pub fn producers(&self) -> impl ExactSizeIterator<Item = (&[u8], ProducerIds<'_>)> {
        self.producers.iter().map(|(name, producer)| (&**name, ProducerIds(producer)))
    }

    /// Bytes behind it.
    pub fn heap_bytes(&self) -> usize {
        let producers = self.producers.iter().map(|(name, producer)| {
            let ids = producer.ids.keys().map(|id| 2 * size_class(id.len()));
            size_class(name.len())
                + tree_bytes::<Box<[u8]>, StreamId>(producer.ids.len())
                + array_bytes::<Box<[u8]>>(producer.order.capacity())
                + ids.sum::<usize>()
        });
        tree_bytes::<Box<[u8]>, Producer>(self.producers.len()) + producers.sum::<usize>()
    }

    /// Drops what is past its time.
    fn forget(&mut self, now: UnixMillis) {
        let duration_s = self.duration_s;
        let is_past = |entry: &StreamId| is_past(*entry, duration_s, now);
        self.producers.retain(|_, producer| {
            // In the order of their entries' times, but for IDs that XIDMPRECORD brought.
            while let Some(oldest) = producer.order.front()
                && producer.ids.get(oldest).is_none_or(is_past)
            {
                producer.ids.remove(oldest);
                producer.order.pop_front();
            }
            !producer.order.is_empty()
        });
    }

    fn is_forgotten(&self, entry: StreamId, now: UnixMillis) -> bool {
        is_past(entry, self.duration_s, now)
    }
}

/// One producer's IDs and the entries they stand for, the oldest first.
#[derive(Clone, Copy, Debug)]
pub struct ProducerIds<'a>(&'a Producer);

impl<'a> ProducerIds<'a> {
    /// How many there are.
    pub fn len(self) -> usize {
        self.0.order.len()
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0.order.is_empty()
    }

    /// Each in turn.
    pub fn iter(self) -> impl Iterator<Item = (&'a [u8], StreamId)> {
        self.0.order.iter().filter_map(|id| Some((&**id, *self.0.ids.get(id)?)))
    }
}

/// The ID that stands for these fields (XADD … IDMPAUTO), in whatever order they are given.
///
/// It is not the one that Redis computes, which is not documented. So after a promotion, entries that were
/// added with IDMPAUTO before the last full sync are not recognised; those applied since are.
pub fn automatic_id(fields: &[(&[u8], &[u8])]) -> [u8; 16] {
    let sum = fields.iter().fold(0u128, |sum, (name, value)| {
        let mut hasher = SipHasher13::new();
        hasher.write(&(name.len() as u64).to_le_bytes());
        hasher.write(name);
        hasher.write(value);
        sum.wrapping_add(hasher.finish128().as_u128())
    });
    sum.to_le_bytes()
}

fn is_past(entry: StreamId, duration_s: u64, now: UnixMillis) -> bool {
    let until = entry.ms.saturating_add(duration_s.saturating_mul(1000));
    u64::try_from(now.0).is_ok_and(|now| now > until)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(ms: u64) -> StreamId {
        StreamId { ms, seq: 0 }
    }

    #[test]
    fn an_id_is_known_for_its_time_and_among_the_newest() {
        let mut known = Idempotency::default();
        assert!(known.configure(1, 2));
        let now = UnixMillis(5_000);
        for (name, ms) in [(b"a", 4_500), (b"b", 4_600), (b"c", 4_700)] {
            known.remember(b"p", name, id(ms), now);
        }
        assert_eq!(known.find(b"p", b"a", now), None);
        assert_eq!(known.find(b"p", b"b", now), Some(id(4_600)));
        assert_eq!(known.find(b"q", b"b", now), None);
        assert_eq!(known.find(b"p", b"b", UnixMillis(5_601)), None);
        assert_eq!(known.tracked(UnixMillis(5_601)), (1, 1));
        assert_eq!(known.tracked(UnixMillis(6_000)), (0, 0));
        assert_eq!(known.added, 3);
        known.remember(b"q", b"d", id(9_000), UnixMillis(9_000));
        assert_eq!(known.producers().len(), 1);
        assert!(!known.configure(1, 2));
        assert!(known.configure(1, 3));
        assert_eq!(known.tracked(now), (0, 0));
    }

    #[test]
    fn an_automatic_id_does_not_depend_on_order() {
        type Field = (&'static [u8], &'static [u8]);
        let (a, b): (Field, Field) = ((b"a", b"1"), (b"b", b"2"));
        assert_eq!(automatic_id(&[a, b]), automatic_id(&[b, a]));
        assert_ne!(automatic_id(&[a]), automatic_id(&[a, a]));
        assert_ne!(automatic_id(&[(b"ab", b"1")]), automatic_id(&[(b"a", b"b1")]));
    }
}
