//! Consumer groups: what was delivered to whom and is not acknowledged yet.
//!
//! Owns a group's place in the stream, its pending entries and its consumers; an entry is pending once, for one
//! consumer or (Redis 8.8, XNACK) for none. Never looks at the stream's entries.
//!
//! Bytes: 40 B a pending entry, and 16 B in its consumer's set.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::{StreamError, StreamId};
use crate::memory::{array_bytes, size_class, tree_bytes};

/// A consumer group.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// The last ID that was delivered.
    pub last_id: StreamId,
    /// How many entries were read, from the stream's first ever; `None` when it cannot be told.
    pub entries_read: Option<u64>,
    pending: BTreeMap<StreamId, Pending>,
    names: BTreeMap<Box<[u8]>, ConsumerId>,
    /// By [`ConsumerId`]; holes are reused.
    consumers: Vec<Option<Consumer>>,
}

/// A consumer within its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConsumerId(u32);

/// An entry that was delivered and is not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Whom it was delivered to; nobody after XNACK.
    pub consumer: Option<ConsumerId>,
    /// When, in milliseconds since the Unix epoch; 0 after XNACK.
    pub delivered_ms: i64,
    /// How often.
    pub deliveries: u64,
}

/// Somebody who reads as part of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    name: Box<[u8]>,
    /// When it last tried to read, claim or the like, in milliseconds since the Unix epoch.
    pub seen_ms: i64,
    /// When it last got something; `None` when it never did.
    pub active_ms: Option<i64>,
    pending: BTreeSet<StreamId>,
}

impl Consumer {
    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// How many entries are pending for it.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }
}

impl Group {
    /// A group at this place.
    pub fn new(last_id: StreamId, entries_read: Option<u64>) -> Group {
        Group { last_id, entries_read, ..Group::default() }
    }

    /// How many entries are pending.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// How many of them are pending for nobody.
    pub fn unowned_len(&self) -> usize {
        self.pending.len() - self.consumers().map(Consumer::pending_len).sum::<usize>()
    }

    /// The pending entry with this ID.
    pub fn pending(&self, id: StreamId) -> Option<Pending> {
        self.pending.get(&id).copied()
    }

    /// Pending entries in order, those in `range`.
    pub fn pending_range(
        &self,
        range: RangeInclusive<StreamId>,
    ) -> impl DoubleEndedIterator<Item = (StreamId, Pending)> {
        // BTreeMap panics on a range that ends before it starts.
        let range = (range.start() <= range.end()).then(|| self.pending.range(range));
        range.into_iter().flatten().map(|(id, pending)| (*id, *pending))
    }

    /// A consumer's pending entries in order, those in `range`.
    pub fn consumer_pending(
        &self,
        consumer: ConsumerId,
        range: RangeInclusive<StreamId>,
    ) -> impl DoubleEndedIterator<Item = (StreamId, Pending)> {
        let own = self.consumer(consumer).filter(|_| range.start() <= range.end());
        let ids = own.map(|own| own.pending.range(range)).into_iter().flatten();
        ids.filter_map(|id| Some((*id, self.pending(*id)?)))
    }

    /// Whether there is a consumer of this name.
    pub fn has_consumer(&self, name: &[u8]) -> bool {
        self.names.contains_key(name)
    }

    /// How many consumers it has.
    pub fn consumers_len(&self) -> usize {
        self.names.len()
    }

    /// The consumers, by name.
    pub fn consumers(&self) -> impl Iterator<Item = &Consumer> {
        self.names.values().filter_map(|id| self.consumer(*id))
    }

    /// The consumers, by name, with what they are known by here.
    pub fn consumer_ids(&self) -> impl Iterator<Item = (ConsumerId, &Consumer)> {
        self.names.values().filter_map(|id| Some((*id, self.consumer(*id)?)))
    }

    /// The consumer of this name.
    pub fn find_consumer(&self, name: &[u8]) -> Option<ConsumerId> {
        self.names.get(name).copied()
    }

    /// A consumer.
    pub fn consumer(&self, id: ConsumerId) -> Option<&Consumer> {
        self.consumers.get(id.0 as usize)?.as_ref()
    }

    /// A consumer, to change its times.
    pub fn consumer_mut(&mut self, id: ConsumerId) -> Option<&mut Consumer> {
        self.consumers.get_mut(id.0 as usize)?.as_mut()
    }

    /// The consumer of this name, and whether it had to be made, which is done with these times.
    pub fn consumer_or_new(
        &mut self,
        name: &[u8],
        seen_ms: i64,
        active_ms: Option<i64>,
    ) -> (ConsumerId, bool) {
        if let Some(id) = self.find_consumer(name) {
            return (id, false);
        }
        let consumer = Consumer { name: name.into(), seen_ms, active_ms, pending: BTreeSet::new() };
        let hole = self.consumers.iter().position(Option::is_none);
        let at = hole.unwrap_or(self.consumers.len());
        let id = ConsumerId(u32::try_from(at).expect("four billion consumers do not fit in memory"));
        match self.consumers.get_mut(at) {
            Some(slot) => *slot = Some(consumer),
            None => self.consumers.push(Some(consumer)),
        }
        self.names.insert(name.into(), id);
        (id, true)
    }

    /// Removes a consumer and what is pending for it; says how much that was.
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let id = self.names.remove(name)?;
        let consumer = self.consumers.get_mut(id.0 as usize)?.take()?;
        for entry in &consumer.pending {
            self.pending.remove(entry);
        }
        while self.consumers.last().is_some_and(Option::is_none) {
            self.consumers.pop();
        }
        Some(consumer.pending.len())
    }

    /// Makes an entry pending as `pending` says, whatever it was before.
    pub fn set_pending(&mut self, id: StreamId, pending: Pending) {
        let before = self.pending.insert(id, pending);
        let owner_before = before.and_then(|before| before.consumer);
        if owner_before == pending.consumer {
            return;
        }
        if let Some(consumer) = owner_before.and_then(|owner| self.consumer_mut(owner)) {
            consumer.pending.remove(&id);
        }
        if let Some(consumer) = pending.consumer.and_then(|owner| self.consumer_mut(owner)) {
            consumer.pending.insert(id);
        }
    }

    /// Takes an entry out of what is pending; says what it was.
    pub fn remove_pending(&mut self, id: StreamId) -> Option<Pending> {
        let pending = self.pending.remove(&id)?;
        if let Some(consumer) = pending.consumer.and_then(|owner| self.consumer_mut(owner)) {
            consumer.pending.remove(&id);
        }
        Some(pending)
    }

    /// Takes over what an RDB says is pending, at first for nobody.
    ///
    /// # Errors
    /// It is pending already.
    pub fn restore_pending(
        &mut self,
        id: StreamId,
        delivered_ms: i64,
        deliveries: u64,
    ) -> Result<(), StreamError> {
        match self.pending.insert(id, Pending { consumer: None, delivered_ms, deliveries }) {
            None => Ok(()),
            Some(_) => Err(StreamError::Duplicate { what: "pending entry" }),
        }
    }

    /// Takes over a consumer of an RDB.
    ///
    /// # Errors
    /// There is one of that name.
    pub fn restore_consumer(
        &mut self,
        name: &[u8],
        seen_ms: i64,
        active_ms: Option<i64>,
    ) -> Result<ConsumerId, StreamError> {
        match self.consumer_or_new(name, seen_ms, active_ms) {
            (id, true) => Ok(id),
            (_, false) => Err(StreamError::Duplicate { what: "consumer" }),
        }
    }

    /// Takes over for whom an RDB says an entry is pending.
    ///
    /// # Errors
    /// It is not pending, or for another consumer.
    pub fn restore_owner(&mut self, id: StreamId, consumer: ConsumerId) -> Result<(), StreamError> {
        match self.pending(id) {
            Some(pending @ Pending { consumer: None, .. }) => {
                self.set_pending(id, Pending { consumer: Some(consumer), ..pending });
                Ok(())
            }
            Some(_) => Err(StreamError::Duplicate { what: "owner of a pending entry" }),
            None => Err(StreamError::NotPending { id }),
        }
    }

    /// Bytes behind it.
    pub fn heap_bytes(&self) -> usize {
        let consumers = self.consumers().map(|consumer| {
            2 * size_class(consumer.name.len()) + tree_bytes::<StreamId, ()>(consumer.pending.len())
        });
        tree_bytes::<StreamId, Pending>(self.pending.len())
            + tree_bytes::<Box<[u8]>, ConsumerId>(self.names.len())
            + array_bytes::<Option<Consumer>>(self.consumers.capacity())
            + consumers.sum::<usize>()
    }
}

impl Group {
    /// Whether another is equal.
    pub(super) fn same(&self, other: &Group) -> bool {
        // What a consumer is known by may differ; that the consumers' sets are equal says who owns what.
        let stored = |(id, pending): (&StreamId, &Pending)| (*id, pending.delivered_ms, pending.deliveries);
        (self.last_id, self.entries_read) == (other.last_id, other.entries_read)
            && self.pending.iter().map(stored).eq(other.pending.iter().map(stored))
            && self.consumers().eq(other.consumers())
    }
}
