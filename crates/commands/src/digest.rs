//! DEBUG DIGEST: a hash of a whole data set, or of one key's value, as the master followed would give it.
//!
//! Two data sets with the same keys, values and *having* a deadline have the same digest, whatever the order of what
//! is unordered. It does not see the value of a deadline, a stream's groups and IDs beside its entries, or function
//! libraries. The algorithm and its dialects were read off real servers (`tests/` holds them to it): SHA-1, where
//! what is ordered is mixed into the state one after another and what is unordered is folded in by exclusive or.
//!
//! Owns that algorithm. Never hides what has expired: the digest is of what is stored.

use sha1::{Digest as _, Sha1};
use storage::score::format_double;
use storage::value::Array;
use storage::value::stream::StreamId;
use storage::{Db, EntryView, ValueRef};

use crate::dialect::Dialect;

/// A SHA-1 state, as DEBUG DIGEST prints it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest([u8; 20]);

impl Digest {
    /// Folds `bytes` in, so that the order of such bytes does not matter.
    fn fold(&mut self, bytes: &[u8]) {
        for (ours, theirs) in self.0.iter_mut().zip(Sha1::digest(bytes)) {
            *ours ^= theirs;
        }
    }

    /// Folds `bytes` in and hashes the whole, so that the order matters.
    fn mix(&mut self, bytes: &[u8]) {
        self.fold(bytes);
        self.0 = Sha1::digest(self.0).into();
    }

    /// 40 hexadecimal digits.
    pub fn text(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// What the type of a value is in a digest: the numbers that the servers give their types.
fn type_number(value: ValueRef<'_>) -> u32 {
    match value {
        ValueRef::String(_) => 0,
        ValueRef::List(_) => 1,
        ValueRef::Set(_) => 2,
        ValueRef::SortedSet(_) => 3,
        ValueRef::Hash(_) => 4,
        ValueRef::Module(_) => 5,
        ValueRef::Stream(_) => 6,
        ValueRef::Array(_) => 7,
    }
}

/// Adds all of one database to the digest of a data set. An empty one adds nothing.
pub fn add_database(digest: &mut Digest, db: &Db<'_>, dialect: Dialect) {
    let mut first = true;
    db.for_each(|key, entry| {
        if std::mem::take(&mut first) {
            digest.mix(&db.index().0.to_be_bytes());
        }
        let mut of_key = Digest::default();
        of_key.mix(key);
        add_value(&mut of_key, entry, dialect);
        digest.fold(&of_key.0);
    });
}

/// The digest of one key's value: what DEBUG DIGEST-VALUE gives.
pub fn of_value(entry: &EntryView, dialect: Dialect) -> Digest {
    let mut digest = Digest::default();
    add_value(&mut digest, entry, dialect);
    digest
}

fn add_value(digest: &mut Digest, entry: &EntryView, dialect: Dialect) {
    let mut number = itoa::Buffer::new();
    let value = entry.value();
    digest.mix(&type_number(value).to_be_bytes());
    match value {
        ValueRef::String(text) => digest.mix(text.bytes(&mut number)),
        ValueRef::List(list) => {
            for element in list.iter() {
                digest.mix(element.as_bytes(&mut number));
            }
        }
        ValueRef::Set(set) => {
            for member in set.iter() {
                digest.fold(member.as_bytes(&mut number));
            }
        }
        ValueRef::SortedSet(set) => {
            for element in set.iter() {
                let mut one = Digest::default();
                one.mix(element.member.as_bytes(&mut number));
                one.mix(format_double(element.score.get(), dialect.digest_form()).as_bytes());
                digest.fold(&one.0);
            }
        }
        ValueRef::Hash(hash) => {
            for field in hash.all() {
                let mut one = Digest::default();
                one.mix(field.name.as_bytes(&mut number));
                one.mix(field.value.as_bytes(&mut number));
                if field.deadline.is_some() && dialect.digests_field_deadlines() {
                    one.fold(b"!!hexpire!!");
                }
                digest.fold(&one.0);
            }
        }
        ValueRef::Stream(stream) => {
            for entry in stream.range(StreamId::MIN, StreamId::MAX) {
                digest.mix(format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
                for (name, value) in entry.fields {
                    digest.mix(name.as_bytes(&mut number));
                    digest.mix(value.as_bytes(&mut number));
                }
            }
        }
        ValueRef::Array(array) => add_array(digest, array),
        // a module's own digest is the module's to know; the bytes we keep stand for it
        ValueRef::Module(module) => {
            digest.mix(&module.id.to_be_bytes());
            digest.mix(&module.payload);
        }
    }
    if entry.deadline().is_some() {
        digest.fold(b"!!expire!!");
    }
}

/// Each index in turn; one that holds nothing counts as `(null)`.
fn add_array(digest: &mut Digest, array: &Array) {
    let mut next = 0;
    for (index, element) in array.range(0..=u64::MAX) {
        for _ in next..index {
            digest.mix(b"(null)");
        }
        digest.mix(element.as_bytes());
        next = index + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_a_real_server_says() {
        // redis-8.10: HSET h f v; DEBUG DIGEST-VALUE h
        let mut digest = Digest::default();
        digest.mix(&4u32.to_be_bytes());
        let mut one = Digest::default();
        one.mix(b"f");
        one.mix(b"v");
        digest.fold(&one.0);
        assert_eq!(digest.text(), "90c76e9e9f4c62d642a34fc97c7dad503b51f906");
    }
}
