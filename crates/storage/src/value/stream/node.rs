//! One node of a stream: a listpack of entries, exactly as the RDB has it.
//!
//! It begins with the *master entry*: how many entries live, how many are marked deleted, how many fields the
//! first entry had, those fields' names, 0. Then each entry: flags, the distance of its ID from the node's in
//! milliseconds and in number, then either values only (it has the master's fields) or the number of fields
//! with names and values, and at last how many elements stand before this one since its flags, so that entries
//! can be walked backwards.
//!
//! Owns that layout. Never knows other nodes, groups or counters of the stream.

use crate::packed::{Item, Listpack, ListpackRef, Position, listpack};

use super::{StreamError, StreamId};

/// The entry was deleted; it stays until its node goes.
const DELETED: i64 = 1;
/// The entry's fields are the master entry's; only values stand here.
const SAME_FIELDS: i64 = 2;
/// Elements of the master entry before the names: the two counts and the number of fields.
const MASTER_HEAD: usize = 3;
/// Elements of an entry before its fields: flags and the two distances.
const ENTRY_HEAD: usize = 3;

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pack: Listpack,
}

impl Node {
    /// A node whose ID is that of its first entry.
    pub(super) fn new(fields: &[(&[u8], &[u8])]) -> Node {
        let names_bytes: usize = fields.iter().map(|(name, value)| name.len() + value.len() + 8).sum();
        let mut pack = Listpack::with_capacity(names_bytes + 32);
        pack.push_int(1);
        pack.push_int(0);
        pack.push_int(counted(fields.len()));
        for (name, _) in fields {
            pack.push(name);
        }
        pack.push_int(0);
        let mut node = Node { pack };
        node.push(StreamId::MIN, StreamId::MIN, fields, true);
        node
    }

    /// Takes a listpack of an RDB; `master` is its ID there.
    pub(super) fn from_pack(master: StreamId, pack: Listpack) -> Result<Node, StreamError> {
        let node = Node { pack };
        let (mut live, mut deleted) = (0, 0);
        let mut before = None;
        let mut entries = node.entries(master).ok_or(StreamError::Node { what: "a master entry" })?;
        while let Some(at) = entries.pack.position(&entries.rest) {
            let entry = entries.next().ok_or(StreamError::Node { what: "a whole entry" })?;
            if before.is_some_and(|before| entry.id <= before) || entry.id < master {
                return Err(StreamError::Node { what: "ascending IDs" });
            }
            before = Some(entry.id);
            if entry.is_deleted {
                deleted += 1
            } else {
                live += 1
            }
            // The number behind the entry must lead back to its flags.
            let behind = entries
                .pack
                .position(&entries.rest)
                .map_or_else(|| entries.pack.last(), |next| entries.pack.prev(next));
            if behind.and_then(|behind| start_of_entry(entries.pack, behind)) != Some(at) {
                return Err(StreamError::Node { what: "each entry's number of elements" });
            }
        }
        if node.counts() != (live, deleted) {
            return Err(StreamError::Node { what: "its own number of entries" });
        }
        Ok(node)
    }

    /// Its bytes, as the RDB has them.
    pub(super) fn pack(&self) -> ListpackRef<'_> {
        self.pack.view()
    }

    /// How many entries live, and how many are marked deleted.
    pub(super) fn counts(&self) -> (u64, u64) {
        let mut elements = self.pack.view().iter();
        let mut next = || elements.next().and_then(Item::as_int).and_then(|count| u64::try_from(count).ok());
        (next().unwrap_or(0), next().unwrap_or(0))
    }

    /// Adds an entry behind the others.
    pub(super) fn append(&mut self, master: StreamId, id: StreamId, fields: &[(&[u8], &[u8])]) {
        let same = self.entries(master).is_some_and(|entries| {
            entries.name_count == fields.len()
                && entries.names.zip(fields).all(|(own, (name, _))| own.eq_bytes(name))
        });
        self.add_to_counts(1, 0);
        self.push(master, id, fields, same);
    }

    /// Marks the entry at `at` deleted.
    pub(super) fn mark_deleted(&mut self, at: Position) {
        let flags = self.pack.view().get_at(at).as_int().unwrap_or(0);
        self.pack.replace_int(at, flags | DELETED);
    }

    /// Changes the counts of the master entry.
    pub(super) fn add_to_counts(&mut self, live: i64, deleted: i64) {
        for (number, change) in [(0, live), (1, deleted)] {
            if change != 0
                && let Some(at) = self.pack.view().nth(number)
            {
                let count = self.pack.view().get_at(at).as_int().unwrap_or(0);
                self.pack.replace_int(at, count.saturating_add(change));
            }
        }
    }

    /// All entries in turn, those marked deleted too; `None` when there is no master entry.
    pub(super) fn entries(&self, master: StreamId) -> Option<Entries<'_>> {
        Entries::new(self.pack.view(), master)
    }

    /// Its last entry that is not marked deleted.
    pub(super) fn last_entry(&self, master: StreamId) -> Option<Entry<'_>> {
        self.entries(master)?.backwards().find(|entry| !entry.is_deleted)
    }

    /// The ID of its last entry, even of one marked deleted.
    pub(super) fn last_id(&self, master: StreamId) -> Option<StreamId> {
        Some(self.entries(master)?.backwards().next()?.id)
    }

    /// Gives back memory that it does not need.
    pub(super) fn shrink_to_fit(&mut self) {
        self.pack.shrink_to_fit();
    }

    /// Bytes behind it.
    pub(super) fn heap_bytes(&self) -> usize {
        self.pack.heap_bytes()
    }

    fn push(&mut self, master: StreamId, id: StreamId, fields: &[(&[u8], &[u8])], same: bool) {
        let (ms, seq) = master.distance_to(id);
        self.pack.push_int(if same { SAME_FIELDS } else { 0 });
        self.pack.push_int(ms);
        self.pack.push_int(seq);
        if !same {
            self.pack.push_int(counted(fields.len()));
        }
        for (name, value) in fields {
            if !same {
                self.pack.push(name);
            }
            self.pack.push(value);
        }
        let fields_elements = if same { fields.len() } else { fields.len() * 2 + 1 };
        self.pack.push_int(counted(fields_elements + ENTRY_HEAD));
    }
}

/// An entry of a stream.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Its ID.
    pub id: StreamId,
    /// Names and values of its fields.
    pub fields: Fields<'a>,
    /// Where it stands in its node.
    pub(super) at: Position,
    pub(super) is_deleted: bool,
}

/// The fields of an entry, each with its name and value.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    left: usize,
    /// Names, where they are the master entry's.
    names: Option<listpack::Iter<'a>>,
    elements: listpack::Iter<'a>,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (Item<'a>, Item<'a>);
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let name = self.names.as_mut().unwrap_or(&mut self.elements).next()?;
        Some((name, self.elements.next()?))
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Fields<'_> {}

/// The entries of a node in turn.
#[derive(Clone, Debug)]
pub(super) struct Entries<'a> {
    pack: ListpackRef<'a>,
    master: StreamId,
    names: listpack::Iter<'a>,
    name_count: usize,
    rest: listpack::Iter<'a>,
}

impl<'a> Entries<'a> {
    fn new(pack: ListpackRef<'a>, master: StreamId) -> Option<Entries<'a>> {
        let mut rest = pack.iter();
        rest.nth(MASTER_HEAD - 2)?;
        let name_count = usize::try_from(rest.next()?.as_int()?).ok()?;
        let names = rest.clone();
        // Then the names, and the 0 behind them.
        rest.nth(name_count)?;
        Some(Entries { pack, master, names, name_count, rest })
    }

    /// Reads the entry whose flags are what `elements` gives next; leaves `elements` behind it.
    fn read(&self, elements: &mut listpack::Iter<'a>) -> Option<Entry<'a>> {
        let at = self.pack.position(elements)?;
        let mut number = || elements.next()?.as_int();
        let (flags, ms, seq) = (number()?, number()?, number()?);
        let same = flags & SAME_FIELDS != 0;
        let left = if same { self.name_count } else { usize::try_from(number()?).ok()? };
        let fields = Fields { left, names: same.then(|| self.names.clone()), elements: elements.clone() };
        // The fields' elements, and the number behind them.
        elements.nth(if same { left } else { left.checked_mul(2)? })?;
        Some(Entry { id: self.master.plus(ms, seq), fields, at, is_deleted: flags & DELETED != 0 })
    }

    /// The same entries, the last one first.
    pub(super) fn backwards(self) -> Backwards<'a> {
        Backwards { first: self.pack.position(&self.rest), end: self.pack.last(), entries: self }
    }
}

/// The entries of a node, the last one first.
#[derive(Clone, Debug)]
pub(super) struct Backwards<'a> {
    entries: Entries<'a>,
    /// Where the first entry begins.
    first: Option<Position>,
    /// Where the next one to read ends.
    end: Option<Position>,
}

impl<'a> Iterator for Backwards<'a> {
    type Item = Entry<'a>;
    fn next(&mut self) -> Option<Entry<'a>> {
        let (pack, first) = (self.entries.pack, self.first?);
        let at = start_of_entry(pack, self.end?).filter(|at| *at >= first)?;
        self.end = if at > first { pack.prev(at) } else { None };
        self.entries.read(&mut pack.iter_from(at))
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;
    fn next(&mut self) -> Option<Entry<'a>> {
        let mut rest = self.rest.clone();
        let entry = self.read(&mut rest);
        self.rest = rest;
        entry
    }
}

/// The flags of the entry whose last element, the number of elements before it, stands at `end`.
fn start_of_entry(pack: ListpackRef<'_>, end: Position) -> Option<Position> {
    let mut at = end;
    for _ in 0..pack.get_at(end).as_int()? {
        at = pack.prev(at)?;
    }
    Some(at)
}

/// A number of fields; arguments and listpacks are bounded far below.
fn counted(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASTER: StreamId = StreamId { ms: 10, seq: 0 };

    type Texts = Vec<(Vec<u8>, Vec<u8>)>;

    fn texts(entry: Entry<'_>) -> (StreamId, Texts) {
        (entry.id, entry.fields.map(|(name, value)| (name.to_vec(), value.to_vec())).collect())
    }

    fn three() -> Node {
        let mut node = Node::new(&[(b"a", b"1"), (b"b", b"2")]);
        node.append(MASTER, StreamId { ms: 10, seq: 5 }, &[(b"a", b"x"), (b"b", b"-7")]);
        node.append(MASTER, StreamId { ms: 12, seq: 0 }, &[(b"c", b"y")]);
        node
    }

    #[test]
    fn the_bytes_are_those_of_redis() {
        // XADD s 10-0 a 1 b 2, 10-5 a x b -7, 12-0 c y on redis-8.10, taken out of its DUMP.
        let expected = "3f000000190003010001020181610281620200010201000100010101020105010201000105018178\
            02dff9020501000102010001010181630281790206\
            01ff";
        let hex: String = three().pack().to_wire().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expected);
    }

    #[test]
    fn entries_are_read_from_both_ends() {
        let node = three();
        let forward: Vec<_> = node.entries(MASTER).unwrap().map(texts).collect();
        let mut backward: Vec<_> = node.entries(MASTER).unwrap().backwards().map(texts).collect();
        backward.reverse();
        assert_eq!(forward, backward);
        assert_eq!(forward.len(), 3);
        assert_eq!(forward[1].1, [(b"a".to_vec(), b"x".to_vec()), (b"b".to_vec(), b"-7".to_vec())]);
        assert_eq!(forward[2], (StreamId { ms: 12, seq: 0 }, vec![(b"c".to_vec(), b"y".to_vec())]));
    }

    #[test]
    fn only_whole_nodes_are_taken() {
        let pack = three().pack().to_listpack();
        assert!(Node::from_pack(MASTER, pack.clone()).is_ok());
        for number in 0..pack.len() {
            let mut broken = pack.clone();
            let at = broken.view().nth(number as i64).unwrap();
            broken.remove(at);
            // Most are refused, none panics; what is taken can be read.
            if let Ok(node) = Node::from_pack(MASTER, broken) {
                assert_eq!(node.entries(MASTER).unwrap().count(), 3);
            }
        }
        assert!(Node::from_pack(MASTER, Listpack::new()).is_err());
    }
}
