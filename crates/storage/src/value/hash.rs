//! Hashes, with deadlines of fields.
//!
//! A small hash is a listpack: field, value, field, value; once a field of it has a deadline it is a listpack of
//! triples (field, value, deadline or 0), those with a deadline first, the soonest first. A big one is a
//! [`Directory`](super::directory::Directory) of fields. The limits are Redis'.
//!
//! Owns which form a hash has, and its fields. Never takes a field away because its deadline passed: reads are
//! told `now` and hide it.

mod big;
mod packed;

pub use big::BigHash;

use super::directory::{Members, Scanned};
use super::hasher;
use super::{Kind, Limits, Value, ValueKind};
use crate::UnixMillis;
use crate::memory::array_bytes;
use crate::packed::{Item, Listpack, ListpackRef};

/// The deadlines of fields that Redis keeps with them in a listpack, in milliseconds since 1970: 48 bits, and 0 for
/// none.
const DEADLINES: std::ops::Range<i64> = 0..1 << 48;

/// A hash.
#[derive(Clone, Debug)]
pub enum Hash {
    /// Pairs: `listpack`.
    Packed(Listpack),
    /// Triples: `listpackex`.
    PackedTtl(Listpack),
    /// `hashtable`
    Big(Box<BigHash>),
}

/// A hash looked at where it is stored.
#[derive(Clone, Copy, Debug)]
pub enum HashRef<'a> {
    /// see [`Hash::Packed`]
    Packed(ListpackRef<'a>),
    /// see [`Hash::PackedTtl`]
    PackedTtl(ListpackRef<'a>),
    /// see [`Hash::Big`]
    Big(&'a BigHash),
}

/// A field, its value, and when it expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its name.
    pub name: Item<'a>,
    /// Its value.
    pub value: Item<'a>,
    /// From when on reads hide it.
    pub deadline: Option<UnixMillis>,
}

/// What setting a field does to its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldDeadline {
    /// It has none afterwards (HSET).
    Cleared,
    /// It stays as it is (HINCRBY).
    Kept,
    /// It becomes this one (HSETEX).
    At(UnixMillis),
}

/// What a small hash becomes when a field of it gets a deadline: the vendors differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeadlineForm {
    /// Redis: triples in a listpack.
    #[default]
    Packed,
    /// Valkey: a table.
    Big,
}

/// A field that was there before an edit, with the deadline that it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before {
    /// Its deadline then.
    pub deadline: Option<UnixMillis>,
}

impl Before {
    /// Whether a client at `now` could see it.
    pub fn was_visible(self, now: UnixMillis) -> bool {
        !self.deadline.is_some_and(|deadline| deadline.is_past(now))
    }
}

impl Field<'_> {
    /// Whether a client at `now` may see it.
    pub fn is_visible(&self, now: UnixMillis) -> bool {
        !self.deadline.is_some_and(|deadline| deadline.is_past(now))
    }
}

impl Default for Hash {
    fn default() -> Self {
        Hash::Packed(Listpack::new())
    }
}

impl From<Hash> for Value {
    fn from(hash: Hash) -> Value {
        Value::Hash(hash)
    }
}

impl ValueKind for Hash {
    const KIND: Kind = Kind::Hash;
    fn from_value(value: Value) -> Result<Self, Value> {
        match value {
            Value::Hash(hash) => Ok(hash),
            other => Err(other),
        }
    }
    fn is_gone(&self) -> bool {
        self.view().is_empty()
    }
}

impl Hash {
    /// A big one, laid out for so many fields; for loading what is known to be big.
    pub fn with_capacity(fields: usize) -> Hash {
        Hash::Big(Box::new(BigHash::with_capacity(fields)))
    }

    /// A small one from a listpack of pairs; `None` when its elements are no pairs.
    pub fn from_pairs(pack: Listpack) -> Option<Hash> {
        HashRef::from_pairs(pack.view())?;
        Some(Hash::Packed(pack))
    }

    /// A small one from a listpack of triples; `None` when its elements are no triples with a deadline (or 0) that a
    /// field can have as the third. They are put in order when they are not.
    pub fn from_triples(pack: Listpack) -> Option<Hash> {
        let is_deadline = |item: Item<'_>| item.as_int().is_some_and(|millis| DEADLINES.contains(&millis));
        if !pack.len().is_multiple_of(3) || !pack.view().iter().skip(2).step_by(3).all(is_deadline) {
            return None;
        }
        let order = |field: Field<'_>| field.deadline.map_or(i64::MAX, |deadline| deadline.0);
        if Fields::Triples(pack.view().iter()).map(order).is_sorted() {
            return Some(Hash::PackedTtl(pack));
        }
        let mut fields: Vec<Field<'_>> = Fields::Triples(pack.view().iter()).collect();
        fields.sort_by_key(|field| order(*field));
        let mut sorted = Listpack::with_capacity(pack.as_bytes().len());
        for field in fields {
            sorted.push_item(field.name);
            sorted.push_item(field.value);
            sorted.push_int(field.deadline.map_or(0, |deadline| deadline.0));
        }
        Some(Hash::PackedTtl(sorted))
    }

    /// Leaves the packed form when it has more fields than that may have.
    pub fn fit(&mut self, limits: &Limits) {
        if self.is_too_big(limits) {
            self.make_big(0);
        }
    }

    /// Read access.
    pub fn view(&self) -> HashRef<'_> {
        match self {
            Hash::Packed(pack) => HashRef::Packed(pack.view()),
            Hash::PackedTtl(pack) => HashRef::PackedTtl(pack.view()),
            Hash::Big(big) => HashRef::Big(big),
        }
    }

    /// How many fields it has, those past their deadline included.
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.view().is_empty()
    }

    /// Leaves the packed form when so many more fields (as if each were new), or a field or value so long, would
    /// not be allowed in it. Commands that set many fields say so before they begin, as in Redis.
    pub fn prepare(&mut self, fields: usize, longest: usize, limits: &Limits) {
        if fields > limits.hash_max_listpack_entries || longest > limits.hash_max_listpack_value {
            let room = self.len() + fields;
            self.make_big(room);
        }
    }

    /// Sets a field; what there was before.
    pub fn set(
        &mut self,
        name: &[u8],
        value: &[u8],
        deadline: FieldDeadline,
        limits: &Limits,
        form: DeadlineForm,
    ) -> Option<Before> {
        if name.len().max(value.len()) > limits.hash_max_listpack_value {
            self.make_big(0);
        }
        if let FieldDeadline::At(deadline) = deadline {
            self.prepare_deadline(deadline, form);
        }
        let before = match self {
            Hash::Packed(pack) => packed::set_in_pairs(pack, name, value),
            Hash::PackedTtl(pack) => packed::set_in_triples(pack, name, value, deadline),
            Hash::Big(big) => return big.set(name, value, deadline),
        };
        self.fit(limits);
        before
    }

    /// Takes a field out; what there was.
    pub fn remove(&mut self, name: &[u8]) -> Option<Before> {
        match self {
            Hash::Packed(pack) => packed::remove_from_pairs(pack, name),
            Hash::PackedTtl(pack) => packed::remove_from_triples(pack, name),
            Hash::Big(big) => big.remove(name),
        }
    }

    /// Gives a field a deadline or takes it away; what there was before.
    pub fn set_deadline(
        &mut self,
        name: &[u8],
        deadline: Option<UnixMillis>,
        form: DeadlineForm,
    ) -> Option<Before> {
        if let (Some(deadline), true) = (deadline, self.view().contains_any(name)) {
            self.prepare_deadline(deadline, form);
        }
        match self {
            Hash::Packed(pack) => packed::find_pair(pack.view(), name).map(|_| Before { deadline: None }),
            Hash::PackedTtl(pack) => packed::set_deadline(pack, name, deadline),
            Hash::Big(big) => big.set_deadline(name, deadline),
        }
    }

    /// Takes out at most so many fields that are past their deadlines at `now`; their names.
    pub fn take_expired(&mut self, now: UnixMillis, most: usize) -> Vec<Vec<u8>> {
        if let Hash::Big(big) = self {
            return big.take_expired(now, most);
        }
        let expired = self.view().all().filter(|field| !field.is_visible(now)).take(most);
        let gone: Vec<Vec<u8>> = expired.map(|field| field.name.to_vec()).collect();
        for name in &gone {
            self.remove(name);
        }
        gone
    }

    /// Takes the form in which fields may have deadlines, though none gets one: on Redis any HPEXPIRE of a small hash
    /// does that, whether or not it finds a field; Valkey waits for a deadline.
    pub fn prepare_deadlines(&mut self, form: DeadlineForm) {
        if let (Hash::Packed(pairs), DeadlineForm::Packed) = (&*self, form) {
            *self = Hash::PackedTtl(packed::triples_of(pairs.view()));
        }
    }

    /// Takes the form in which a field may have this deadline.
    fn prepare_deadline(&mut self, deadline: UnixMillis, form: DeadlineForm) {
        // A triple has no other way to say "none" than 0; no server sets such a deadline, but bytes might.
        if form == DeadlineForm::Big || deadline.0 <= 0 {
            self.make_big(0);
        } else {
            self.prepare_deadlines(form);
        }
    }

    fn is_too_big(&self, limits: &Limits) -> bool {
        !self.view().fits(limits)
    }

    /// Takes the big form, laid out for so many fields or the ones there are.
    fn make_big(&mut self, room: usize) {
        if !matches!(self, Hash::Big(_)) {
            let mut big = BigHash::with_capacity(room.max(self.len()));
            for field in self.view().all() {
                big.put(field);
            }
            *self = Hash::Big(Box::new(big));
        }
    }

    /// Takes the big form, whatever its size; for values that come from where they were big.
    pub fn into_big(mut self) -> Hash {
        self.make_big(0);
        self
    }
}

impl<'a> HashRef<'a> {
    /// How many fields it has, those past their deadline included (so does HLEN).
    pub fn len(self) -> usize {
        match self {
            HashRef::Packed(pack) => pack.len() / 2,
            HashRef::PackedTtl(pack) => pack.len() / 3,
            HashRef::Big(big) => big.len(),
        }
    }

    /// A small one from a listpack of pairs; `None` when its elements are no pairs.
    pub fn from_pairs(pack: ListpackRef<'a>) -> Option<Self> {
        pack.len().is_multiple_of(2).then_some(HashRef::Packed(pack))
    }

    /// Whether it may have the form that it has.
    pub fn fits(self, limits: &Limits) -> bool {
        match self {
            HashRef::Packed(pack) | HashRef::PackedTtl(pack) => {
                self.len() <= limits.hash_max_listpack_entries && pack.has_room(0)
            }
            HashRef::Big(_) => true,
        }
    }

    /// Whether it has none.
    pub fn is_empty(self) -> bool {
        match self {
            HashRef::Packed(pack) | HashRef::PackedTtl(pack) => pack.is_empty(),
            HashRef::Big(big) => big.len() == 0,
        }
    }

    /// The field of that name, if a client at `now` may see it.
    pub fn field(self, name: &[u8], now: UnixMillis) -> Option<Field<'a>> {
        self.find(name).filter(|field| field.is_visible(now))
    }

    /// The value of the field of that name, if a client at `now` may see it.
    pub fn get(self, name: &[u8], now: UnixMillis) -> Option<Item<'a>> {
        self.field(name, now).map(|field| field.value)
    }

    /// Whether a client at `now` may see a field of that name.
    pub fn contains(self, name: &[u8], now: UnixMillis) -> bool {
        self.field(name, now).is_some()
    }

    /// Each field that a client at `now` may see, in the order in which they are stored.
    pub fn iter(self, now: UnixMillis) -> impl Iterator<Item = Field<'a>> {
        self.all().filter(move |field| field.is_visible(now))
    }

    /// Each field, whatever its deadline.
    pub fn all(self) -> Fields<'a> {
        match self {
            HashRef::Packed(pack) => Fields::Pairs(pack.iter()),
            HashRef::PackedTtl(pack) => Fields::Triples(pack.iter()),
            HashRef::Big(big) => Fields::Members(big.fields().iter()),
        }
    }

    /// How many fields a client at `now` may see. Looks at each, where any has a deadline.
    pub fn visible_len(self, now: UnixMillis) -> usize {
        if self.has_deadlines() { self.iter(now).count() } else { self.len() }
    }

    /// Whether any field has a deadline.
    pub fn has_deadlines(self) -> bool {
        match self {
            HashRef::Packed(_) => false,
            // Those with a deadline stand first.
            HashRef::PackedTtl(_) => self.all().next().is_some_and(|field| field.deadline.is_some()),
            HashRef::Big(big) => big.deadlines() > 0,
        }
    }

    /// Whether it is time to look for fields past their deadlines, by [`Hash::take_expired`]: of a big hash that is not
    /// looked at on end, so that some may have to wait. Costs next to nothing.
    pub fn may_have_expired(self, now: UnixMillis) -> bool {
        match self {
            HashRef::Packed(_) => false,
            // The soonest stands first.
            HashRef::PackedTtl(_) => self
                .all()
                .next()
                .and_then(|field| field.deadline)
                .is_some_and(|deadline| deadline.is_past(now)),
            HashRef::Big(big) => big.may_have_expired(now),
        }
    }

    /// The soonest deadline of a field.
    pub fn soonest_deadline(self) -> Option<UnixMillis> {
        if self.has_deadlines() { self.all().filter_map(|field| field.deadline).min() } else { None }
    }

    /// Gives the fields that a client at `now` may see from `cursor` on, as [`super::directory::Directory::scan`] has
    /// it; of a packed hash all at once.
    pub fn scan(
        self,
        cursor: u64,
        count: usize,
        now: UnixMillis,
        mut give: impl FnMut(Field<'a>),
    ) -> Scanned {
        match self {
            HashRef::Big(big) => big.fields().scan(cursor, count, |member| {
                let field = big::field_of(member);
                if field.is_visible(now) {
                    give(field);
                }
            }),
            _ => {
                self.iter(now).for_each(give);
                Scanned { cursor: 0, touched: self.len() }
            }
        }
    }

    /// A field that a client at `now` may see, each as likely as the others.
    pub fn random(self, now: UnixMillis) -> Option<Field<'a>> {
        // One with a deadline may be past it: then another throw, and in the end a look at all.
        for _ in 0..32 {
            let field = match self {
                HashRef::Packed(pack) => {
                    let number = hasher::random_below(pack.len() / 2);
                    packed::pair_at(pack, pack.nth(i64::try_from(number * 2).ok()?)?)
                }
                HashRef::PackedTtl(pack) => {
                    let number = hasher::random_below(pack.len() / 3);
                    packed::triple_at(pack, pack.nth(i64::try_from(number * 3).ok()?)?)
                }
                HashRef::Big(big) => big::field_of(big.fields().random()?),
            };
            if field.is_visible(now) {
                return Some(field);
            }
        }
        let mut visible: Vec<Field<'a>> = self.iter(now).collect();
        hasher::shuffle_front(&mut visible, 1);
        visible.first().copied()
    }

    /// So many different fields that a client at `now` may see (or all of them), each choice as likely.
    pub fn sample(self, count: usize, now: UnixMillis) -> Vec<Field<'a>> {
        match self {
            HashRef::Big(big) if big.deadlines() == 0 => {
                big.fields().sample(count).into_iter().map(big::field_of).collect()
            }
            _ => {
                let mut visible: Vec<Field<'a>> = self.iter(now).collect();
                if count < visible.len() {
                    hasher::shuffle_front(&mut visible, count);
                    visible.truncate(count);
                }
                visible
            }
        }
    }

    /// `OBJECT ENCODING`'s answer.
    pub fn encoding(self) -> &'static str {
        match self {
            HashRef::Packed(_) => "listpack",
            HashRef::PackedTtl(_) => "listpackex",
            HashRef::Big(_) => "hashtable",
        }
    }

    /// Bytes of the allocations behind the entry.
    pub fn heap_bytes(self) -> usize {
        match self {
            HashRef::Packed(_) | HashRef::PackedTtl(_) => 0,
            HashRef::Big(big) => array_bytes::<BigHash>(1) + big.fields().heap_bytes(),
        }
    }

    /// Whether both have the same fields with the same values and deadlines, in whatever order and form.
    pub fn same(self, other: HashRef<'_>) -> bool {
        match (self, other) {
            (HashRef::Packed(mine), HashRef::Packed(other)) if mine == other => return true,
            (HashRef::PackedTtl(mine), HashRef::PackedTtl(other)) if mine == other => return true,
            _ if self.len() != other.len() => return false,
            _ => {}
        }
        // Looking a field up in a listpack is a walk: from some size on a table is cheaper.
        let table;
        let other = match other {
            HashRef::Packed(_) | HashRef::PackedTtl(_) if other.len() > 32 => {
                table = other.to_hash().into_big();
                table.view()
            }
            other => other,
        };
        let mut buffer = itoa::Buffer::new();
        let mut value = itoa::Buffer::new();
        self.all().all(|field| {
            other.find(field.name.as_bytes(&mut buffer)).is_some_and(|found| {
                found.deadline == field.deadline && found.value.eq_bytes(field.value.as_bytes(&mut value))
            })
        })
    }

    /// A copy that owns its parts.
    pub fn to_hash(self) -> Hash {
        match self {
            HashRef::Packed(pack) => Hash::Packed(pack.to_listpack()),
            HashRef::PackedTtl(pack) => Hash::PackedTtl(pack.to_listpack()),
            HashRef::Big(big) => Hash::Big(Box::new(big.clone())),
        }
    }

    /// Whether there is a field of that name, whatever its deadline.
    fn contains_any(self, name: &[u8]) -> bool {
        self.find(name).is_some()
    }

    /// The field of that name, whatever its deadline.
    pub fn find(self, name: &[u8]) -> Option<Field<'a>> {
        match self {
            HashRef::Packed(pack) => packed::find_pair(pack, name).map(|at| packed::pair_at(pack, at)),
            HashRef::PackedTtl(pack) => packed::find_triple(pack, name).map(|at| packed::triple_at(pack, at)),
            HashRef::Big(big) => big.fields().get(name).map(big::field_of),
        }
    }
}

/// The fields of a hash, one after the other.
#[derive(Clone, Debug)]
pub enum Fields<'a> {
    /// of a listpack of pairs
    Pairs(crate::packed::listpack::Iter<'a>),
    /// of a listpack of triples
    Triples(crate::packed::listpack::Iter<'a>),
    /// of a directory
    Members(Members<'a>),
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;
    fn next(&mut self) -> Option<Field<'a>> {
        match self {
            Fields::Pairs(items) => Some(Field { name: items.next()?, value: items.next()?, deadline: None }),
            Fields::Triples(items) => {
                let (name, value) = (items.next()?, items.next()?);
                Some(Field { name, value, deadline: packed::deadline_of(items.next()?) })
            }
            Fields::Members(members) => members.next().map(big::field_of),
        }
    }
}

#[cfg(test)]
mod tests;
