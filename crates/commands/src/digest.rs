//! DEBUG DIGEST: one hash of all data, the same on two servers that hold the same.
//!
//! Made as Redis makes it, from SHA-1s that are mixed where order counts and xored where it does not, so that our
//! data can be held against a master's. Where servers differ (how a score is written, whether a field's deadline
//! counts) the dialect decides.
//!
//! Owns the hash. Never sees groups of streams, pending entries, the value of a deadline, or functions: nor does
//! Redis'.

use std::fmt;

use sha1::{Digest as _, Sha1};
use storage::packed::Item;
use storage::score::format_double;
use storage::value::stream::StreamId;
use storage::value::{Array, HashRef, ListRef, SetRef, SortedSetRef, Stream};
use storage::{DbIndex, EntryView, Kind, UnixMillis, ValueRef, Writer};

use crate::dialect::Dialect;

/// What a key with a deadline, and a field with one, add.
const KEY_DEADLINE: &[u8] = b"!!expire!!";
const FIELD_DEADLINE: &[u8] = b"!!hexpire!!";

/// What an empty slot of an array adds (C's `%s` of nothing).
const EMPTY_SLOT: &[u8] = b"(null)";

/// How many empty slots in a row are counted one by one. Beyond that a server would not answer within minutes, so
/// there is nothing to be held against, and we answer with another hash.
const EMPTY_SLOTS_MAX: u64 = 1 << 24;

/// A digest of some data; it prints as DEBUG DIGEST answers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest([u8; 20]);

impl Digest {
    /// Adds something whose place among others does not count.
    fn xor(&mut self, data: &[u8]) {
        for (byte, other) in self.0.iter_mut().zip(Sha1::digest(data)) {
            *byte ^= other;
        }
    }

    /// Adds something whose place counts.
    fn mix(&mut self, data: &[u8]) {
        self.xor(data);
        self.0 = Sha1::digest(self.0).into();
    }

    fn mix_item(&mut self, item: Item<'_>) {
        self.mix(item.as_bytes(&mut itoa::Buffer::new()));
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The digest of all databases, keys past their deadline included, for they are there. All zeros when there is none.
/// (`now` only matters to Valkey's dialect: its fields past their deadline do not count.)
pub fn of_data(writer: &Writer<'_>, dialect: Dialect, now: UnixMillis) -> Digest {
    let mut all = Digest::default();
    for number in 0..writer.databases() {
        let db = writer.db(DbIndex(number), UnixMillis::NOTHING_EXPIRED);
        if db.is_empty() {
            continue;
        }
        all.mix(&number.to_be_bytes());
        db.for_each(|key, entry| {
            let mut one = Digest::default();
            one.mix(key);
            add_value(&mut one, entry, dialect, now);
            all.xor(&one.0);
        });
    }
    all
}

/// The digest of one value, its key's name left out: DEBUG DIGEST-VALUE. All zeros for no key.
pub fn of_value(entry: Option<&EntryView>, dialect: Dialect, now: UnixMillis) -> Digest {
    let mut digest = Digest::default();
    if let Some(entry) = entry {
        add_value(&mut digest, entry, dialect, now);
    }
    digest
}

fn add_value(digest: &mut Digest, entry: &EntryView, dialect: Dialect, now: UnixMillis) {
    digest.mix(&type_number(entry.kind()).to_be_bytes());
    match entry.value() {
        ValueRef::String(text) => digest.mix(text.bytes(&mut itoa::Buffer::new())),
        ValueRef::List(list) => add_list(digest, list),
        ValueRef::Set(set) => add_set(digest, set),
        ValueRef::SortedSet(set) => add_sorted_set(digest, set, dialect),
        ValueRef::Hash(hash) => add_hash(digest, hash, dialect, now),
        ValueRef::Stream(stream) => add_stream(digest, stream),
        ValueRef::Array(array) => add_array(digest, array),
        // Only the module itself could say more.
        ValueRef::Module(_) => {}
    }
    if entry.deadline().is_some() {
        digest.xor(KEY_DEADLINE);
    }
}

/// Redis' numbers of its types.
fn type_number(kind: Kind) -> u32 {
    match kind {
        Kind::String => 0,
        Kind::List => 1,
        Kind::Set => 2,
        Kind::SortedSet => 3,
        Kind::Hash => 4,
        Kind::Module => 5,
        Kind::Stream => 6,
        Kind::Array => 7,
    }
}

fn add_list(digest: &mut Digest, list: ListRef<'_>) {
    list.iter().for_each(|element| digest.mix_item(element));
}

fn add_set(digest: &mut Digest, set: SetRef<'_>) {
    set.iter().for_each(|member| digest.xor(member.as_bytes(&mut itoa::Buffer::new())));
}

fn add_sorted_set(digest: &mut Digest, set: SortedSetRef<'_>, dialect: Dialect) {
    for element in set.iter() {
        let mut one = Digest::default();
        one.mix_item(element.member);
        one.mix(&format_double(element.score.get(), dialect.digest_form()));
        digest.xor(&one.0);
    }
}

fn add_hash(digest: &mut Digest, hash: HashRef<'_>, dialect: Dialect, now: UnixMillis) {
    let hides = dialect.is_valkey();
    for field in hash.all().filter(|field| !hides || field.is_visible(now)) {
        let mut one = Digest::default();
        one.mix_item(field.name);
        one.mix_item(field.value);
        if field.deadline.is_some() && dialect.digests_field_deadlines() {
            one.xor(FIELD_DEADLINE);
        }
        digest.xor(&one.0);
    }
}

fn add_stream(digest: &mut Digest, stream: &Stream) {
    for entry in stream.range(StreamId::MIN, StreamId::MAX) {
        digest.mix(format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
        for (name, value) in entry.fields {
            digest.mix_item(name);
            digest.mix_item(value);
        }
    }
}

fn add_array(digest: &mut Digest, array: &Array) {
    let mut next = 0;
    for (index, element) in array.range(0..=u64::MAX) {
        let empty = index - next;
        if empty > EMPTY_SLOTS_MAX {
            digest.mix(&empty.to_be_bytes());
        } else {
            (0..empty).for_each(|_| digest.mix(EMPTY_SLOT));
        }
        digest.mix(element.as_bytes());
        next = index.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Session;

    fn value(session: &Session, key: &str) -> String {
        let reader = session.store.reader();
        let db = reader.db(DbIndex(0), UnixMillis::NOTHING_EXPIRED);
        let found = db.peek(key.as_bytes());
        of_value(found.as_deref(), session.dialect, session.now).to_string()
    }

    fn data(session: &Session) -> String {
        of_data(&session.store.writer(), session.dialect, session.now).to_string()
    }

    /// From DEBUG DIGEST-VALUE of redis-8.10, and of redis-7.0 and valkey-9.1 where they differ.
    #[test]
    fn values_as_real_servers_hash_them() {
        let mut session = Session::new();
        for line in [
            "HSET h f v g w",
            "HSET t f v g w",
            "HPEXPIREAT t 9999999999999 FIELDS 1 f",
            "XADD x 5-1 f v g w",
            "XADD x 6-0 a b",
            "ZADD z 0.1 m 1e17 n inf o 3 5",
            "SADD e a b 5",
            "RPUSH l a b 5",
        ] {
            assert!(!session.run(line).starts_with('-'), "{line}");
        }
        let mut array = Array::default();
        array.set(1, b"v");
        let writer = session.store.writer();
        writer.db(DbIndex(0), session.now).edit(b"arr", |slot| slot.put(array.into()));
        drop(writer);
        for (key, digest) in [
            ("arr", "a9fb15b01dcfc818b576399fc8493547fb8ab237"),
            ("nothing", "0000000000000000000000000000000000000000"),
            ("h", "d127864ed50239662bf61bafc9bda63c17da5b37"),
            ("t", "355879033a5e790f0e021f3025ccea7312d9d282"),
            ("x", "e7a79938b66914d2c181d188ae93e8cdbc462621"),
            ("z", "8853784d15f13f211d682af3967a225e1af25567"),
            ("e", "71ad4a46f9f68ee54a39259abb02ae75970b6b02"),
            ("l", "33cffd14efac15bb2422144ece98a7eeb4022fae"),
        ] {
            assert_eq!(value(&session, key), digest, "{key}");
        }
        session.dialect = Dialect::redis(7, 0);
        assert_eq!(value(&session, "z"), "de12b83b44bedbbc0ea6747cb669086e1777b2fb");
        session.dialect = Dialect::valkey(9, 1);
        assert_eq!(value(&session, "t"), "d127864ed50239662bf61bafc9bda63c17da5b37");
        session.now = UnixMillis(9_999_999_999_999 + 1);
        assert_eq!(value(&session, "t"), "e2091a20d8589d7370c38698e3f80bb511164cb4");
        session.dialect = Dialect::NEWEST;
        assert_eq!(value(&session, "t"), "355879033a5e790f0e021f3025ccea7312d9d282");
    }

    #[test]
    fn all_databases_together() {
        let mut session = Session::new();
        assert_eq!(data(&session), "0000000000000000000000000000000000000000");
        session.run("SET a 1");
        assert_eq!(data(&session), "943d800368fb9c0e951138f1bc0e313ac769d91f");
        session.index = DbIndex(3);
        session.run("SET b 2");
        assert_eq!(data(&session), "244c6ef19d30f02e83ae3141db419d893794ff5b");
        session.run("PEXPIREAT b 99999999999999");
        session.now = UnixMillis(i64::MAX);
        let with_deadline = data(&session);
        session.now = UnixMillis(0);
        assert_eq!(data(&session), with_deadline, "a key past its deadline is still there");
    }
}
