//! Stored values to RDB bytes: for DUMP, and for a snapshot that we write ourselves.
//!
//! Owns which form a value has in a file of which version. Packed values are written as they are; what an older
//! version has no form for is refused, never written with something missing.

use rdb::{Encoder, Flavour};
use storage::packed::Item;
use storage::value::list::{ListRef, NodeRef};
use storage::value::stream::{Group, Idempotency, Stream, StreamId};
use storage::value::{Array, HashRef, SetRef, SortedSetRef, TextRef};
use storage::{Functions, UnixMillis, ValueRef};

use crate::Dialect;

/// The newest version that both vendors read: that of Redis 7.2.
const SHARED_VERSION: u32 = 11;

/// Libraries of functions stand in files from this version on (Redis 7.0).
pub(crate) const FUNCTIONS_SINCE: u32 = 10;

/// Who shall be able to read what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Whose numbers.
    pub flavour: Flavour,
    /// The version of the format.
    pub version: u32,
}

/// A value has no form in the version wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} cannot be written in this version of the RDB format")]
pub struct Unwritable {
    /// What it is.
    pub what: &'static str,
}

impl Target {
    /// Valkey's own format, which it has from 9.0 on.
    pub const VALKEY: Target = Target { flavour: Flavour::Valkey, version: rdb::flavour::VALKEY_VERSION };

    /// The format of this version, which tells whose it is.
    pub fn of_version(version: u32) -> Target {
        let flavour = if version < rdb::flavour::VALKEY_VERSION { Flavour::Redis } else { Flavour::Valkey };
        Target { flavour, version }
    }

    /// Files of Redis, from this version of the format on.
    fn is_redis_from(self, version: u32) -> bool {
        self.flavour == Flavour::Redis && self.version >= version
    }

    /// Files of either vendor, from this version of the format that both share on.
    fn is_from(self, version: u32) -> bool {
        self.version >= version
    }

    /// Whether these libraries have a form in it.
    ///
    /// # Errors
    /// [`Unwritable`].
    pub(crate) fn may_hold(self, functions: &Functions) -> Result<(), Unwritable> {
        if functions.is_empty() || self.version >= FUNCTIONS_SINCE {
            Ok(())
        } else {
            Err(Unwritable { what: "a library of functions" })
        }
    }

    /// What servers of either vendor like this one read, for values that need no more.
    pub(crate) fn shared(dialect: Dialect) -> Target {
        Target { flavour: Flavour::Redis, version: dialect.rdb_version().min(SHARED_VERSION) }
    }

    /// The one that was chosen; else for servers like this one: the format that most of them read and that has a form
    /// for this value. (Redis 7.2 and every Valkey read what 7.2 wrote, so nothing newer is asked for where it is not
    /// needed.)
    pub fn of(value: ValueRef<'_>, dialect: Dialect) -> Target {
        if let Some(chosen) = dialect.chosen_form() {
            return chosen;
        }
        let flavour = if dialect.is_valkey() { Flavour::Valkey } else { Flavour::Redis };
        let wanted = match value {
            ValueRef::Hash(hash) if hash.has_deadlines() => match flavour {
                Flavour::Valkey => rdb::flavour::VALKEY_VERSION,
                Flavour::Redis => 12,
            },
            ValueRef::Stream(stream) if has_unowned(stream) => 15,
            ValueRef::Stream(stream) if stream.idempotency().is_some() => 13,
            ValueRef::Array(_) => 15,
            _ => SHARED_VERSION,
        };
        match wanted {
            SHARED_VERSION => Target::shared(dialect),
            version => Target { flavour, version },
        }
    }
}

fn has_unowned(stream: &Stream) -> bool {
    stream.groups().any(|(_, group)| group.unowned_len() > 0)
}

/// The type that a value of this form has in a file.
///
/// # Errors
/// [`Unwritable`].
pub fn type_of(value: ValueRef<'_>, target: Target) -> Result<u8, Unwritable> {
    Ok(match value {
        ValueRef::String(_) => 0,
        ValueRef::List(_) if target.is_from(10) => 18,
        ValueRef::List(_) => 1,
        ValueRef::Set(SetRef::Ints(_)) => 11,
        ValueRef::Set(SetRef::Packed(_)) if target.is_from(11) => 20,
        ValueRef::Set(_) => 2,
        ValueRef::SortedSet(SortedSetRef::Packed(_)) if target.is_from(10) => 17,
        ValueRef::SortedSet(_) if target.is_from(8) => 5,
        ValueRef::SortedSet(_) => 3,
        ValueRef::Hash(hash) if hash.has_deadlines() => match (hash, target.flavour) {
            (_, Flavour::Valkey) => 22,
            (HashRef::PackedTtl(_), _) if target.is_redis_from(12) => 25,
            _ if target.is_redis_from(12) => 24,
            _ => return Err(Unwritable { what: "a hash with deadlines of fields" }),
        },
        ValueRef::Hash(HashRef::Packed(_)) if target.is_from(10) => 16,
        ValueRef::Hash(_) => 4,
        ValueRef::Stream(_) if target.is_redis_from(14) => 27,
        ValueRef::Stream(stream) if has_unowned(stream) => {
            return Err(Unwritable { what: "a stream with entries that were given back" });
        }
        ValueRef::Stream(_) if target.is_redis_from(13) => 26,
        ValueRef::Stream(stream) if stream.idempotency().is_some() => {
            return Err(Unwritable { what: "a stream that remembers producers" });
        }
        ValueRef::Stream(_) if target.is_from(11) => 21,
        ValueRef::Stream(_) if target.is_from(10) => 19,
        ValueRef::Stream(_) => 15,
        ValueRef::Array(_) if target.is_redis_from(14) => 28,
        ValueRef::Array(_) => return Err(Unwritable { what: "an array" }),
        ValueRef::Module(_) => 7,
    })
}

/// Writes a value, without its type.
///
/// # Errors
/// As [`type_of`], before anything is written.
pub fn write(value: ValueRef<'_>, target: Target, out: &mut Vec<u8>) -> Result<(), Unwritable> {
    let code = type_of(value, target)?;
    let mut out = Encoder::new(out);
    match value {
        ValueRef::String(TextRef::Int(number)) => out.int(number),
        ValueRef::String(text) => out.text(text.bytes(&mut itoa::Buffer::new())),
        ValueRef::List(list) if code == 18 => {
            out.length(match list {
                ListRef::Packed(_) => 1,
                ListRef::Big(nodes) => nodes.node_count() as u64,
            });
            list_nodes(list, &mut out);
        }
        ValueRef::List(list) => {
            out.length(list.len() as u64);
            list.iter().for_each(|element| item(element, &mut out));
        }
        ValueRef::Set(SetRef::Ints(ints)) => out.raw(ints.bytes()),
        ValueRef::Set(SetRef::Packed(pack)) if code == 20 => out.raw(&pack.to_wire()),
        ValueRef::Set(set) => {
            out.length(set.len() as u64);
            set.iter().for_each(|member| item(member, &mut out));
        }
        ValueRef::SortedSet(SortedSetRef::Packed(pack)) if code == 17 => out.raw(&pack.to_wire()),
        ValueRef::SortedSet(set) => {
            out.length(set.len() as u64);
            // From the highest on, as servers do: whoever reads it then adds each in front.
            for element in set.iter().rev() {
                item(element.member, &mut out);
                match code {
                    3 => out.score_text(element.score.get()),
                    _ => out.score(element.score.get()),
                }
            }
        }
        ValueRef::Hash(HashRef::Packed(pack)) if code == 16 => out.raw(&pack.to_wire()),
        ValueRef::Hash(hash) => fields(hash, code, &mut out),
        ValueRef::Stream(stream) => self::stream(stream, code, &mut out),
        ValueRef::Array(array) => self::array(array, &mut out),
        ValueRef::Module(module) => {
            out.length(module.id);
            out.encoded(&module.payload);
        }
    }
    Ok(())
}

fn item(item: Item<'_>, out: &mut Encoder<'_>) {
    match item {
        Item::Int(value) => out.int(value),
        Item::Str(bytes) => out.text(bytes),
    }
}

fn list_nodes(list: ListRef<'_>, out: &mut Encoder<'_>) {
    const PLAIN: u64 = 1;
    const PACKED: u64 = 2;
    let mut node = |kind, bytes: &[u8]| {
        out.length(kind);
        out.raw(bytes);
    };
    match list {
        ListRef::Packed(pack) => node(PACKED, &pack.to_wire()),
        ListRef::Big(nodes) => nodes.nodes().for_each(|one| match one {
            NodeRef::Packed(pack) => node(PACKED, &pack.to_wire()),
            NodeRef::Plain(element) => node(PLAIN, element),
        }),
    }
}

/// A hash field by field, or (25) with its deadlines in one piece.
fn fields(hash: HashRef<'_>, code: u8, out: &mut Encoder<'_>) {
    let soonest = hash.soonest_deadline().map_or(0, |deadline| deadline.0);
    match (code, hash) {
        (25, HashRef::PackedTtl(pack)) => {
            out.millis(soonest);
            out.raw(&pack.to_wire());
            return;
        }
        (24, _) => out.millis(soonest),
        _ => {}
    }
    out.length(hash.len() as u64);
    for field in hash.all() {
        let deadline = field.deadline.map(|UnixMillis(millis)| millis);
        if code == 24 {
            // Its distance from the soonest, plus one; 0: none.
            let distance = deadline.map_or(0, |millis| millis.abs_diff(soonest).saturating_add(1));
            out.length(distance);
        }
        item(field.name, out);
        item(field.value, out);
        if code == 22 {
            out.millis(deadline.unwrap_or(-1));
        }
    }
}

fn stream(stream: &Stream, code: u8, out: &mut Encoder<'_>) {
    let since = |first: u8| code >= first;
    out.length(stream.nodes_len() as u64);
    for (node, pack) in stream.nodes() {
        out.raw(&rdb::encode::id_bytes(id(node)));
        out.raw(&pack.to_wire());
    }
    out.length(stream.len() as u64);
    out.id(id(stream.last_id()));
    if since(19) {
        out.id(id(stream.first_id()));
        out.id(id(stream.max_deleted_id()));
        out.length(stream.entries_added());
    }
    out.length(stream.groups().len() as u64);
    for (name, group) in stream.groups() {
        self::group(name, group, code, out);
    }
    if since(26) {
        let defaults = Idempotency::default();
        let memory = stream.idempotency().unwrap_or(&defaults);
        out.length(memory.duration_s());
        out.length(memory.ids_max());
        out.length(memory.producers().len() as u64);
        for (producer, messages) in memory.producers() {
            out.text(producer);
            out.length(messages.len() as u64);
            for (message, entry) in messages.iter() {
                out.text(message);
                out.id(id(entry));
            }
        }
        out.length(memory.added);
        out.length(memory.duplicates);
    }
}

fn group(name: &[u8], group: &Group, code: u8, out: &mut Encoder<'_>) {
    const ALL: std::ops::RangeInclusive<StreamId> = StreamId::MIN..=StreamId::MAX;
    out.text(name);
    out.id(id(group.last_id));
    if code >= 19 {
        // -1: not known.
        out.length(group.entries_read.unwrap_or(u64::MAX));
    }
    out.length(group.pending_len() as u64);
    for (entry, pending) in group.pending_range(ALL) {
        out.id_bytes(id(entry));
        out.millis(pending.delivered_ms);
        out.length(pending.deliveries);
    }
    out.length(group.consumers_len() as u64);
    for (number, consumer) in group.consumer_ids() {
        out.text(consumer.name());
        out.millis(consumer.seen_ms);
        if code >= 21 {
            out.millis(consumer.active_ms.unwrap_or(-1));
        }
        out.length(consumer.pending_len() as u64);
        group.consumer_pending(number, ALL).for_each(|(entry, _)| out.id_bytes(id(entry)));
    }
    if code >= 27 {
        out.length(group.unowned_len() as u64);
        let unowned = group.pending_range(ALL).filter(|(_, pending)| pending.consumer.is_none());
        unowned.for_each(|(entry, _)| out.id_bytes(id(entry)));
    }
}

fn array(array: &Array, out: &mut Encoder<'_>) {
    out.length(array.len() as u64);
    match array.last_insert() {
        None => out.byte(0),
        Some(index) => {
            out.byte(1);
            out.length(index);
        }
    }
    for (index, element) in array.range(0..=u64::MAX) {
        out.length(index);
        // As text: whoever reads it finds out what is a number.
        out.byte(0);
        out.raw(element.as_bytes());
    }
}

fn id(id: StreamId) -> rdb::StreamId {
    rdb::StreamId { ms: id.ms, seq: id.seq }
}
