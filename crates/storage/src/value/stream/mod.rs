//! Streams: listpacks by ID, with groups, consumers and pending entries.
//!
//! A stream keeps the nodes that the RDB carries, byte for byte, and edits them as Redis does: where a node is
//! begun, what only marks an entry deleted and what drops a node. So XINFO's node counts are the master's.
//!
//! Owns entries, the stream's counters, groups and idempotent IDs. Never makes an ID from a clock by itself,
//! never parses one.

mod group;
mod id;
mod idempotency;
mod lag;
mod node;
mod range;
mod shape;
mod trim;

use std::collections::BTreeMap;

use crate::memory::{array_bytes, size_class, tree_bytes};
use crate::packed::{Listpack, ListpackRef};
use crate::{Limits, UnixMillis};

use super::{Kind, Value, ValueKind};
use node::Node;

pub use group::{Consumer, ConsumerId, Group, Pending};
pub use id::{IdText, StreamId};
pub(super) use idempotency::{DURATION_S, IDS_MAX};
pub use idempotency::{Idempotency, ProducerIds, automatic_id};
pub use lag::LagRule;
pub use node::{Entry, Fields};
pub use range::{Range, RangeBack};
pub use shape::Shape;
pub use trim::{References, Trim, TrimTo};

/// A node never takes more bytes than this, whatever the limits say; Redis' bound.
const NODE_BYTES_MAX: usize = 1 << 30;

/// What is wrong with a stream's parts, or with an entry that was to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// Bytes that are no node.
    #[error("stream: a node lacks {what}")]
    Node {
        /// What was expected.
        what: &'static str,
    },
    /// Something that must stand there once.
    #[error("stream: the same {what} twice")]
    Duplicate {
        /// What it is.
        what: &'static str,
    },
    /// A consumer's pending entry that its group does not know.
    #[error("stream: the entry {id} is pending for a consumer but not in its group")]
    NotPending {
        /// Its ID.
        id: StreamId,
    },
    /// The new entry's ID is not above the last one's.
    #[error("stream: the ID is equal to or smaller than that of the last entry")]
    NotAbove,
    /// The new entry has more bytes than a node may have.
    #[error("stream: the entry is too large")]
    TooLarge,
}

/// A stream.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// By the ID of their first entry.
    nodes: BTreeMap<StreamId, Node>,
    /// Entries that are not marked deleted.
    length: u64,
    last_id: StreamId,
    first_id: StreamId,
    max_deleted_id: StreamId,
    entries_added: u64,
    groups: BTreeMap<Box<[u8]>, Group>,
    /// Most streams have none.
    idempotency: Option<Box<Idempotency>>,
}

impl Stream {
    /// How many entries it has.
    pub fn len(&self) -> usize {
        usize::try_from(self.length).unwrap_or(usize::MAX)
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// How many nodes it has.
    pub fn nodes_len(&self) -> usize {
        self.nodes.len()
    }

    /// Its nodes as the RDB has them, each with its ID.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = (StreamId, ListpackRef<'_>)> {
        self.nodes.iter().map(|(id, node)| (*id, node.pack()))
    }

    /// The highest ID it ever had (or was told to have had).
    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// The ID of its first entry; 0-0 when it has none.
    pub fn first_id(&self) -> StreamId {
        self.first_id
    }

    /// The highest ID that was deleted one by one.
    pub fn max_deleted_id(&self) -> StreamId {
        self.max_deleted_id
    }

    /// How many entries were ever added.
    pub fn entries_added(&self) -> u64 {
        self.entries_added
    }

    /// Sets [`Stream::last_id`] (XSETID, an RDB).
    pub fn set_last_id(&mut self, id: StreamId) {
        self.last_id = id;
    }

    /// Sets [`Stream::first_id`] (an RDB).
    pub fn set_first_id(&mut self, id: StreamId) {
        self.first_id = id;
    }

    /// Sets [`Stream::max_deleted_id`] (XSETID, an RDB).
    pub fn set_max_deleted_id(&mut self, id: StreamId) {
        self.max_deleted_id = id;
    }

    /// Sets [`Stream::entries_added`] (XSETID, an RDB).
    pub fn set_entries_added(&mut self, count: u64) {
        self.entries_added = count;
    }

    /// The ID that `*` stands for at `now`; `None` when there is none above the last one.
    pub fn next_id(&self, now: UnixMillis) -> Option<StreamId> {
        let now = StreamId { ms: u64::try_from(now.0).unwrap_or(0), seq: 0 };
        if now.ms > self.last_id.ms { Some(now) } else { self.last_id.next() }
    }

    /// Adds an entry behind the others.
    ///
    /// # Errors
    /// The ID is not above [`Stream::last_id`], or the entry is too large for a node.
    pub fn append(
        &mut self,
        id: StreamId,
        fields: &[(&[u8], &[u8])],
        limits: &Limits,
    ) -> Result<(), StreamError> {
        if id <= self.last_id {
            return Err(StreamError::NotAbove);
        }
        let bytes =
            fields.iter().fold(0usize, |sum, (name, value)| sum.saturating_add(name.len() + value.len()));
        if bytes > NODE_BYTES_MAX {
            return Err(StreamError::TooLarge);
        }
        let bytes_max = match limits.stream_node_max_bytes {
            0 => NODE_BYTES_MAX,
            bytes_max => bytes_max.min(NODE_BYTES_MAX),
        };
        match self.nodes.last_entry() {
            Some(mut last) if has_room(last.get(), bytes, bytes_max, limits.stream_node_max_entries) => {
                let master = *last.key();
                last.get_mut().append(master, id, fields);
            }
            last => {
                if let Some(mut full) = last {
                    full.get_mut().shrink_to_fit();
                }
                self.nodes.insert(id, Node::new(fields));
            }
        }
        self.length += 1;
        self.entries_added = self.entries_added.saturating_add(1);
        self.last_id = id;
        if self.length == 1 {
            self.first_id = id;
        }
        Ok(())
    }

    /// The entry with this ID.
    pub fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        let (master, node) = self.nodes.range(..=id).next_back()?;
        let mut entries = node.entries(*master)?;
        entries.find(|entry| entry.id >= id).filter(|entry| entry.id == id && !entry.is_deleted)
    }

    /// Whether there is an entry with this ID.
    pub fn contains(&self, id: StreamId) -> bool {
        self.get(id).is_some()
    }

    /// The first entry.
    pub fn first(&self) -> Option<Entry<'_>> {
        self.range(StreamId::MIN, StreamId::MAX).next()
    }

    /// The last entry.
    pub fn last(&self) -> Option<Entry<'_>> {
        self.nodes.iter().rev().find_map(|(master, node)| node.last_entry(*master))
    }

    /// The entries from one ID to another, both included.
    pub fn range(&self, start: StreamId, end: StreamId) -> Range<'_> {
        Range::new(&self.nodes, start, end)
    }

    /// The same, the last one first.
    pub fn range_back(&self, start: StreamId, end: StreamId) -> RangeBack<'_> {
        RangeBack::new(&self.nodes, start, end)
    }

    /// Deletes entries one by one (XDEL and its kin); says of each whether it was there.
    pub fn delete(&mut self, ids: impl IntoIterator<Item = StreamId>) -> Vec<bool> {
        let mut first_deleted = false;
        let done = ids.into_iter().map(|id| {
            let deleted = self.delete_one(id);
            if deleted {
                first_deleted |= id == self.first_id;
                self.max_deleted_id = self.max_deleted_id.max(id);
            }
            deleted
        });
        let done: Vec<bool> = done.collect();
        if done.contains(&true) && (first_deleted || self.is_empty()) {
            self.find_first_id();
        }
        done
    }

    /// The groups, by name.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = (&[u8], &Group)> {
        self.groups.iter().map(|(name, group)| (&**name, group))
    }

    /// The group of this name.
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(name)
    }

    /// The group of this name, to be changed.
    pub fn group_mut(&mut self, name: &[u8]) -> Option<&mut Group> {
        self.groups.get_mut(name)
    }

    /// Adds a group.
    ///
    /// # Errors
    /// There is one of that name.
    pub fn add_group(&mut self, name: &[u8], group: Group) -> Result<&mut Group, StreamError> {
        match self.groups.entry(name.into()) {
            std::collections::btree_map::Entry::Vacant(place) => Ok(place.insert(group)),
            std::collections::btree_map::Entry::Occupied(_) => Err(StreamError::Duplicate { what: "group" }),
        }
    }

    /// Removes a group; says whether there was one.
    pub fn remove_group(&mut self, name: &[u8]) -> bool {
        self.groups.remove(name).is_some()
    }

    /// Whether every group has read this entry and none has it pending.
    pub fn is_acknowledged(&self, id: StreamId) -> bool {
        self.groups.values().all(|group| group.last_id >= id && group.pending(id).is_none())
    }

    /// Takes an entry out of what is pending, in every group.
    pub fn remove_references(&mut self, id: StreamId) {
        for group in self.groups.values_mut() {
            group.remove_pending(id);
        }
    }

    /// Begins with the settings for idempotent IDs that new streams have.
    pub fn begin(&mut self, limits: &Limits) {
        let (duration_s, ids_max) = (limits.stream_idmp_duration, limits.stream_idmp_maxsize);
        if (duration_s, ids_max) != (DURATION_S, IDS_MAX) {
            self.idempotency_mut().configure(duration_s, ids_max);
        }
    }

    /// Its idempotent IDs, or `None` when it never had one nor other settings than the default.
    pub fn idempotency(&self) -> Option<&Idempotency> {
        self.idempotency.as_deref()
    }

    /// Its idempotent IDs, to be changed.
    pub fn idempotency_mut(&mut self) -> &mut Idempotency {
        self.idempotency.get_or_insert_default()
    }

    /// Takes over a node of an RDB, behind those that were taken before.
    ///
    /// # Errors
    /// The bytes are no node, or its entries do not stand behind those of the node before it.
    pub fn restore_node(&mut self, id: StreamId, pack: Listpack) -> Result<(), StreamError> {
        let node = Node::from_pack(id, pack)?;
        let last = self.nodes.last_key_value().and_then(|(master, node)| node.last_id(*master));
        if last.is_some_and(|last| last >= id) {
            return Err(StreamError::Node { what: "an ID above those before it" });
        }
        self.length = self.length.saturating_add(node.counts().0);
        self.nodes.insert(id, node);
        Ok(())
    }

    /// Sets the counters that an RDB before Redis 7 does not carry, from the entries that are there.
    pub fn restore_counters(&mut self) {
        self.entries_added = self.length;
        self.max_deleted_id = StreamId::MIN;
        self.find_first_id();
    }

    /// Bytes of the allocations behind the entry.
    pub fn heap_bytes(&self) -> usize {
        let groups = self.groups.iter().map(|(name, group)| size_class(name.len()) + group.heap_bytes());
        let idempotency = self.idempotency.iter().map(|ids| array_bytes::<Idempotency>(1) + ids.heap_bytes());
        array_bytes::<Stream>(1)
            + tree_bytes::<StreamId, Node>(self.nodes.len())
            + self.nodes.values().map(Node::heap_bytes).sum::<usize>()
            + tree_bytes::<Box<[u8]>, Group>(self.groups.len())
            + groups.sum::<usize>()
            + idempotency.sum::<usize>()
    }

    /// `OBJECT ENCODING`'s answer.
    pub fn encoding(&self) -> &'static str {
        "stream"
    }

    /// Whether another is equal in everything, to the last byte of its nodes.
    pub fn same(&self, other: &Stream) -> bool {
        let counters = |stream: &Stream| {
            (stream.length, stream.last_id, stream.first_id, stream.max_deleted_id, stream.entries_added)
        };
        counters(self) == counters(other)
            && self.nodes == other.nodes
            && self.idempotency == other.idempotency
            && self.groups.len() == other.groups.len()
            && self
                .groups
                .iter()
                .zip(&other.groups)
                .all(|((own_name, own), (other_name, theirs))| own_name == other_name && own.same(theirs))
    }

    /// Deletes one entry, without looking after the stream's counters but its length.
    fn delete_one(&mut self, id: StreamId) -> bool {
        let Some((&master, node)) = self.nodes.range_mut(..=id).next_back() else { return false };
        let entry = node.entries(master).and_then(|mut entries| entries.find(|entry| entry.id >= id));
        let Some(entry) = entry.filter(|entry| entry.id == id && !entry.is_deleted) else { return false };
        let at = entry.at;
        if node.counts().0 <= 1 {
            self.nodes.remove(&master);
        } else {
            node.mark_deleted(at);
            node.add_to_counts(-1, 1);
        }
        self.length = self.length.saturating_sub(1);
        true
    }

    /// Sets the first ID to what it is.
    fn find_first_id(&mut self) {
        self.first_id = self.first().map_or(StreamId::MIN, |entry| entry.id);
    }
}

/// Whether a node takes one more entry of so many bytes.
fn has_room(node: &Node, bytes: usize, bytes_max: usize, entries_max: usize) -> bool {
    let (live, deleted) = node.counts();
    node.pack().wire_len().saturating_add(bytes) < bytes_max
        && (entries_max == 0 || live.saturating_add(deleted) < entries_max as u64)
}

impl From<Stream> for Value {
    fn from(stream: Stream) -> Value {
        Value::Stream(Box::new(stream))
    }
}

impl ValueKind for Stream {
    const KIND: Kind = Kind::Stream;
    fn from_value(value: Value) -> Result<Self, Value> {
        match value {
            Value::Stream(stream) => Ok(*stream),
            other => Err(other),
        }
    }
    fn is_gone(&self) -> bool {
        // An empty stream keeps its key: its counters and groups are worth something.
        false
    }
}

#[cfg(test)]
mod tests;
