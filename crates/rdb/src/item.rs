//! What a decoder gives: one item at a time, in the file's order, borrowed from the input where it can be.
//!
//! A key comes either whole ([`Item::Whole`]: a string, or one packed blob) or as a run: [`Item::Open`], then
//! its pieces, then [`Item::Close`]. No item is longer than one element, so a huge key streams.
//!
//! Owns the shape of items, the same for every version and vendor. Never reads a file: see [`crate::decode`].

use crate::module::{MetaClass, ModuleId};
use crate::{Flavour, Template};

/// One step of a decoder.
#[derive(Clone, Debug, PartialEq)]
pub enum Step<'a> {
    /// One item, and how many bytes of the input it took: drop those before the next call.
    Item {
        /// What was read.
        item: Item<'a>,
        /// The length of it.
        used: usize,
    },
    /// Nothing was taken: call again with at least this many bytes, from the same place on.
    More {
        /// The length the input must have. A hint: more may be wanted then. Do not reserve it before the
        /// bytes have come, for a hostile file may announce gigabytes.
        wanted: usize,
    },
    /// The end was given before; whatever follows is no part of the RDB.
    Done,
}

/// A string. Integers stand for their decimal form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Str<'a> {
    /// Stored as an integer.
    Int(i64),
    /// Stored as bytes.
    Bytes(&'a [u8]),
}

/// Room for the decimal form of any integer.
pub type IntText = [u8; 20];

impl Str<'_> {
    /// The bytes it stands for; `room` holds them when it is an integer.
    pub fn bytes<'r>(&'r self, room: &'r mut IntText) -> &'r [u8] {
        match self {
            Str::Int(value) => write_int(*value, room),
            Str::Bytes(bytes) => bytes,
        }
    }

    /// The bytes it stands for, in a vector of their own.
    pub fn to_vec(&self) -> Vec<u8> {
        self.bytes(&mut [0; 20]).to_vec()
    }
}

/// The decimal form of `value`, at the end of `room`.
pub(crate) fn write_int(value: i64, room: &mut IntText) -> &[u8] {
    let mut rest = value.unsigned_abs();
    let mut at = room.len();
    let mut put = |digit: u8| {
        at -= 1;
        if let Some(place) = room.get_mut(at) {
            *place = digit;
        }
        at
    };
    let mut start;
    loop {
        start = put(b'0' + (rest % 10) as u8);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        start = put(b'-');
    }
    room.get(start..).unwrap_or_default()
}

/// A key, and what stands before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Key<'a> {
    /// Its name; empty in a DUMP payload.
    pub name: &'a [u8],
    /// When it expires, in Unix milliseconds.
    pub deadline: Option<i64>,
    /// For how many seconds nobody had touched it (LRU).
    pub idle: Option<u64>,
    /// Its access frequency (LFU).
    pub frequency: Option<u8>,
}

/// One item of an RDB.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Item<'a> {
    /// The first nine bytes.
    Header {
        /// Whose file it is.
        flavour: Flavour,
        /// The version of its format.
        version: u32,
    },
    /// A fact about the file or its writer: `redis-ver`, `repl-stream-db`, …
    Aux {
        /// Its name.
        name: Str<'a>,
        /// Its value.
        value: Str<'a>,
    },
    /// The keys after it belong to this database.
    SelectDb(u32),
    /// How many keys, and how many of them with a deadline, the database has. A hint.
    ResizeDb {
        /// All keys.
        keys: u64,
        /// Those with a deadline.
        expires: u64,
    },
    /// How many keys a slot of a cluster has. A hint.
    SlotInfo {
        /// The slot.
        slot: u64,
        /// Its keys.
        keys: u64,
        /// Those with a deadline.
        expires: u64,
    },
    /// Slots that this node of a cluster was importing; their keys are in the file. As many
    /// [`Item::SlotRange`]s follow, then [`Item::Close`].
    SlotImport {
        /// The name of the import.
        job: Str<'a>,
        /// How many ranges.
        ranges: u64,
    },
    /// Slots, both ends included.
    SlotRange {
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
    /// The names of a hash template begin: as many [`Item::TemplateField`]s, then [`Item::Close`]. The decoder
    /// keeps it; nobody else needs to.
    Template {
        /// Its number.
        number: u64,
        /// How many fields.
        fields: u64,
    },
    /// A field's name in a hash template. Those that stand in a value (only in a DUMP payload) come between its
    /// [`Item::Open`] and its first field.
    TemplateField(Str<'a>),
    /// What [`Whole::Templated`] is, where the names stood in the value one by one. All of the hash.
    Templated(&'a Template, &'a [u8]),
    /// What modules hung on the key that comes next. For each of them [`Item::KeyMetaClass`] and
    /// [`Item::ModulePart`]s follow, then [`Item::Close`].
    KeyMeta {
        /// How many.
        classes: u64,
    },
    /// What the next parts are.
    KeyMetaClass(MetaClass),
    /// The source of one library of functions.
    Function(&'a [u8]),
    /// A module's own data; [`Item::ModulePart`]s follow, then [`Item::Close`].
    ModuleAux {
        /// Which module.
        module: ModuleId,
        /// When it wants to be loaded: before the keys (1) or after (2).
        when: u64,
    },
    /// A key with a value of one piece.
    Whole {
        /// The key.
        key: Key<'a>,
        /// Its value.
        value: Whole<'a>,
    },
    /// A key whose value follows in pieces, up to [`Item::Close`].
    Open {
        /// The key.
        key: Key<'a>,
        /// What it holds.
        run: Run,
    },
    /// An element of a list, a member of a set.
    Element(Str<'a>),
    /// A member of a sorted set. Its score may be infinite, never NaN.
    Scored(Str<'a>, f64),
    /// A field of a hash and its value.
    Field {
        /// The field.
        field: Str<'a>,
        /// Its value.
        value: Str<'a>,
        /// When the field expires, in Unix milliseconds.
        deadline: Option<i64>,
    },
    /// A node of a list.
    Node(Node<'a>),
    /// An element of an array.
    Indexed(u64, ArrayElement<'a>),
    /// A piece of a stream.
    Stream(StreamPiece<'a>),
    /// The next bytes of a module's value or data, as they stand in the file, cut between values or inside
    /// long strings. The last piece ends with the end marker.
    ModulePart(&'a [u8]),
    /// The end of what [`Item::Open`] or [`Item::ModuleAux`] began.
    Close,
    /// The end of the RDB, its checksum checked.
    End,
}

/// A value of one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole<'a> {
    /// A string.
    Text(Str<'a>),
    /// One blob that holds the whole collection; its inside is not checked yet.
    Packed(Packing, &'a [u8]),
    /// A hash whose fields are a template's, with a listpack of their values in the same order, after one
    /// integer that means nothing outside of its writer. The inside of the listpack is not checked yet.
    Templated(&'a Template, &'a [u8]),
}

/// An element of an array. Numbers stand for the text from which Redis made them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ArrayElement<'a> {
    /// An integer's decimal form.
    Int(i64),
    /// A float's shortest text, with `.0` behind it where that would be an integer.
    Float(f64),
    /// Any text.
    Text(Str<'a>),
}

/// What a blob is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// A hash as a zipmap.
    HashZipmap,
    /// A list as one ziplist.
    ListZiplist,
    /// A set as an intset.
    SetIntset,
    /// A sorted set as a ziplist of members and scores.
    SortedSetZiplist,
    /// A hash as a ziplist of fields and values.
    HashZiplist,
    /// A hash as a listpack of fields and values.
    HashListpack,
    /// A hash as a listpack of fields, values and deadlines (0: none), ascending by deadline, those without one
    /// at the end.
    HashListpackEx,
    /// A sorted set as a listpack of members and scores.
    SortedSetListpack,
    /// A set as a listpack.
    SetListpack,
}

/// What follows an [`Item::Open`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// As many [`Item::Element`]s.
    List(u64),
    /// As many [`Item::Element`]s.
    Set(u64),
    /// As many [`Item::Scored`].
    SortedSet(u64),
    /// As many [`Item::Field`]s.
    Hash(u64),
    /// As many [`Item::Node`]s.
    ListNodes(u64),
    /// As many [`Item::Indexed`].
    Array {
        /// How many elements.
        count: u64,
        /// Where ARINSERT last put one; it goes on after that.
        last_insert: Option<u64>,
    },
    /// [`Item::Stream`], as [`StreamPiece`] orders them.
    Stream,
    /// [`Item::ModulePart`]s.
    Module(ModuleId),
}

/// A node of a list; its inside is not checked yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node<'a> {
    /// A ziplist of elements.
    Ziplist(&'a [u8]),
    /// A listpack of elements.
    Listpack(&'a [u8]),
    /// One long element.
    Plain(&'a [u8]),
}

/// The id of a stream's entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Milliseconds.
    pub ms: u64,
    /// The count within them.
    pub seq: u64,
}

/// A piece of a stream, in this order: nodes, totals, then for each group: itself, its pending entries, its
/// consumers, each followed by the pending entries that it holds, and what was given back; then what producers
/// sent last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamPiece<'a> {
    /// A node: the id that its entries count from, and the listpack of them, its inside not checked yet.
    Node {
        /// The id of the node.
        id: StreamId,
        /// Its entries.
        listpack: &'a [u8],
    },
    /// What the stream counts.
    Totals(StreamTotals),
    /// A group. What follows belongs to it.
    Group {
        /// Its name.
        name: Str<'a>,
        /// The last id that it delivered.
        last: StreamId,
        /// How many entries it has read (-1: not known); absent in the oldest form.
        entries_read: Option<i64>,
    },
    /// An entry that was delivered to some consumer of the group and not acknowledged.
    Pending {
        /// The entry.
        id: StreamId,
        /// When it was delivered last, in Unix milliseconds.
        delivered: i64,
        /// How often.
        count: u64,
    },
    /// A consumer. What follows belongs to it.
    Consumer {
        /// Its name.
        name: Str<'a>,
        /// When it was seen last, in Unix milliseconds.
        seen: i64,
        /// When it last got an entry; absent in the older forms.
        active: Option<i64>,
    },
    /// The consumer holds this pending entry of its group.
    Holds(StreamId),
    /// This pending entry of the group was given back (XNACK) and belongs to nobody; in the order in which they
    /// will be delivered again.
    GivenBack(StreamId),
    /// How long and how many messages of producers are remembered (Redis 8.6).
    Idempotence {
        /// For how many seconds.
        duration: u64,
        /// How many of each producer.
        max: u64,
    },
    /// A producer. What follows belongs to it.
    Producer(Str<'a>),
    /// A message it sent, and the entry it became; oldest first.
    Sent(Str<'a>, StreamId),
    /// How many messages of producers were added and how many were sent again. The last piece, where
    /// [`StreamPiece::Idempotence`] is one.
    IdempotenceTotals {
        /// Added.
        added: u64,
        /// Sent again.
        duplicates: u64,
    },
}

/// What a stream counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamTotals {
    /// How many entries it has.
    pub length: u64,
    /// The last id it gave.
    pub last: StreamId,
    /// What the oldest form does not tell.
    pub more: Option<StreamHistory>,
}

/// What a stream remembers of entries that are gone (since Redis 7.0).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamHistory {
    /// The id of its first entry.
    pub first: StreamId,
    /// The highest id that was deleted.
    pub max_deleted: StreamId,
    /// How many entries were ever added.
    pub added: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_in_decimal() {
        for value in [0, 1, -1, 9, 10, -10, 127, -128, i64::MAX, i64::MIN] {
            assert_eq!(Str::Int(value).to_vec(), value.to_string().into_bytes());
        }
    }
}
