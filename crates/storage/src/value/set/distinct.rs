//! Members seen so far, borrowed from the sets that hold them.

use hashbrown::HashTable;

use crate::packed::Item;
use crate::value::hasher;

/// Tells whether a member was seen before.
#[derive(Clone, Debug, Default)]
pub struct Distinct<'a>(HashTable<Item<'a>>);

impl<'a> Distinct<'a> {
    /// Notes a member; false when it was seen before, in whatever form.
    pub fn insert(&mut self, member: Item<'a>) -> bool {
        let hash = hash_of(member);
        let is_same = |seen: &Item<'a>| match (*seen, member) {
            (Item::Int(seen), Item::Int(member)) => seen == member,
            (seen, Item::Str(bytes)) => seen.eq_bytes(bytes),
            (Item::Str(bytes), member) => member.eq_bytes(bytes),
        };
        if self.0.find(hash, is_same).is_some() {
            return false;
        }
        self.0.insert_unique(hash, member, |seen| hash_of(*seen));
        true
    }

    /// How many members were seen.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn hash_of(member: Item<'_>) -> u64 {
    hasher::hash(member.as_bytes(&mut itoa::Buffer::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_is_the_same_in_every_form() {
        let mut seen = Distinct::default();
        assert!(seen.insert(Item::Int(12)));
        assert!(!seen.insert(Item::Str(b"12")));
        assert!(!seen.insert(Item::Int(12)));
        assert!(seen.insert(Item::Str(b"012")));
        assert!(seen.insert(Item::Str(b"13")));
        assert!(!seen.insert(Item::Int(13)));
        assert_eq!(seen.len(), 3);
    }
}
