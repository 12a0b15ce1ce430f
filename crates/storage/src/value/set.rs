//! Sets: an intset, a listpack, or a directory of members.
//!
//! Integers alone are an intset; a few short members a listpack; all else a [`Directory`]. The limits are Redis', and
//! so are the rules by which a set leaves a form (it never goes back to a smaller one by itself).
//!
//! Owns which form a set has, and its members. Never compares two sets for a client: that is the commands'.

mod distinct;

pub use distinct::Distinct;

use super::directory::{Directory, Members, Scanned};
use super::hasher;
use super::member::Member;
use super::{Kind, Limits, Value, ValueKind};
use crate::memory::array_bytes;
use crate::packed::{Intset, IntsetRef, Item, Listpack, ListpackRef, parse_int};

/// An intset has at most so many, whatever the limit says.
const INTS_MAX: usize = 1 << 30;

/// A set.
#[derive(Clone, Debug)]
pub enum Set {
    /// `intset`
    Ints(Intset),
    /// `listpack`
    Packed(Listpack),
    /// `hashtable`
    Big(Box<BigSet>),
}

/// A set looked at where it is stored.
#[derive(Clone, Copy, Debug)]
pub enum SetRef<'a> {
    /// see [`Set::Ints`]
    Ints(IntsetRef<'a>),
    /// see [`Set::Packed`]
    Packed(ListpackRef<'a>),
    /// see [`Set::Big`]
    Big(&'a BigSet),
}

/// The members of a set above the limits of the small forms.
#[derive(Clone, Debug, Default)]
pub struct BigSet(Directory);

impl BigSet {
    /// Its members.
    pub fn members(&self) -> &Directory {
        &self.0
    }

    /// Frees a part of it; true when nothing is left. In between it must not be used.
    pub fn free_some(&mut self) -> bool {
        self.0.free_some()
    }
}

impl Default for Set {
    fn default() -> Self {
        Set::Ints(Intset::new())
    }
}

impl From<Set> for Value {
    fn from(set: Set) -> Value {
        Value::Set(set)
    }
}

impl ValueKind for Set {
    const KIND: Kind = Kind::Set;
    fn from_value(value: Value) -> Result<Self, Value> {
        match value {
            Value::Set(set) => Ok(set),
            other => Err(other),
        }
    }
    fn is_gone(&self) -> bool {
        self.view().is_empty()
    }
}

impl Set {
    /// An empty one in the form that suits `first` and so many members (each as if it were new).
    pub fn for_members(first: &[u8], count: usize, limits: &Limits) -> Set {
        if parse_int(first).is_some() && count <= limits.set_max_intset_entries {
            Set::Ints(Intset::new())
        } else if count <= limits.set_max_listpack_entries {
            Set::Packed(Listpack::new())
        } else {
            Set::with_capacity(count)
        }
    }

    /// An empty one of integers.
    pub fn ints() -> Set {
        Set::Ints(Intset::new())
    }

    /// An empty listpack.
    pub fn packed() -> Set {
        Set::Packed(Listpack::new())
    }

    /// A big one, laid out for so many members.
    pub fn with_capacity(members: usize) -> Set {
        Set::Big(Box::new(BigSet(Directory::with_capacity(members))))
    }

    /// Read access.
    pub fn view(&self) -> SetRef<'_> {
        match self {
            Set::Ints(ints) => SetRef::Ints(ints.view()),
            Set::Packed(pack) => SetRef::Packed(pack.view()),
            Set::Big(big) => SetRef::Big(big),
        }
    }

    /// How many members it has.
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.view().is_empty()
    }

    /// Takes the big form when so many members more (each as if it were new) would leave the small one. Commands
    /// that add many say so before they begin, as in Redis.
    pub fn prepare(&mut self, count: usize, limits: &Limits) {
        let leaves = match self {
            Set::Ints(_) => count > limits.set_max_intset_entries,
            Set::Packed(_) => count > limits.set_max_listpack_entries,
            Set::Big(_) => false,
        };
        if leaves {
            self.make_big(count);
        }
    }

    /// Adds a member; false when it was there.
    pub fn add(&mut self, member: &[u8], limits: &Limits) -> bool {
        let number = match self {
            Set::Big(big) => return add_to(&mut big.0, member),
            _ => parse_int(member),
        };
        match (&mut *self, number) {
            (Set::Ints(ints), Some(number)) => {
                let added = ints.insert(number);
                if added && ints.len() > limits.set_max_intset_entries.min(INTS_MAX) {
                    self.make_big(0);
                }
                added
            }
            (Set::Ints(ints), None) => {
                let view = ints.view();
                let longest = view.first().map_or(0, |value| Item::Int(value).len());
                let longest = view.last().map_or(longest, |value| Item::Int(value).len().max(longest));
                if ints.len() < limits.set_max_listpack_entries
                    && member.len().max(longest) <= limits.set_max_listpack_value
                {
                    let mut pack = Listpack::with_capacity(ints.as_bytes().len() + member.len());
                    view.iter().for_each(|value| pack.push_int(value));
                    pack.push(member);
                    *self = Set::Packed(pack);
                } else {
                    self.make_big(0);
                    self.add(member, limits);
                }
                true
            }
            (Set::Packed(pack), _) => {
                if pack.view().find(member, 0).is_some() {
                    return false;
                }
                self.push(member, limits);
                true
            }
            (Set::Big(big), _) => add_to(&mut big.0, member),
        }
    }

    /// [`Set::add`] for a member that a packed set is known not to have: it is not searched for.
    pub fn add_new(&mut self, member: &[u8], limits: &Limits) -> bool {
        if matches!(self, Set::Packed(_)) {
            self.push(member, limits);
            true
        } else {
            self.add(member, limits)
        }
    }

    /// Appends a member to the packed form, or leaves that form with it.
    fn push(&mut self, member: &[u8], limits: &Limits) {
        match self {
            Set::Packed(pack)
                if pack.len() < limits.set_max_listpack_entries
                    && member.len() <= limits.set_max_listpack_value
                    && pack.has_room(member.len()) =>
            {
                pack.push(member);
            }
            _ => {
                self.make_big(0);
                self.add(member, limits);
            }
        }
    }

    /// Takes a member out; false when it was not there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match self {
            Set::Ints(ints) => parse_int(member).is_some_and(|number| ints.remove(number)),
            Set::Packed(pack) => pack.view().find(member, 0).is_some_and(|at| {
                pack.remove(at);
                true
            }),
            Set::Big(big) => big.0.remove(member).is_some(),
        }
    }

    /// Takes a random member out, each as likely as the others.
    pub fn pop(&mut self) -> Option<Vec<u8>> {
        let member = self.view().random()?.to_vec();
        self.remove(&member);
        Some(member)
    }

    /// A set of nothing but integers becomes an intset, if it may: what SINTERSTORE does with its result.
    pub fn fold_ints(&mut self, limits: &Limits) {
        if self.len() > limits.set_max_intset_entries.min(INTS_MAX) {
            return;
        }
        let mut ints = Intset::new();
        for member in self.view().iter() {
            let Some(value) = member.as_int() else { return };
            ints.insert(value);
        }
        *self = Set::Ints(ints);
    }

    /// Leaves a small form when it has more members than that may have.
    pub fn fit(&mut self, limits: &Limits) {
        if !self.view().fits(limits) {
            self.make_big(0);
        }
    }

    /// Takes the big form, whatever its size; for values that come from where they were big.
    pub fn into_big(mut self) -> Set {
        self.make_big(0);
        self
    }

    /// Takes the big form, laid out for so many members or the ones there are.
    fn make_big(&mut self, room: usize) {
        if !matches!(self, Set::Big(_)) {
            let mut big = Directory::with_capacity(room.max(self.len()));
            let mut buffer = itoa::Buffer::new();
            for item in self.view().iter() {
                big.insert(Member::of_set(item.as_bytes(&mut buffer)));
            }
            *self = Set::Big(Box::new(BigSet(big)));
        }
    }
}

fn add_to(directory: &mut Directory, member: &[u8]) -> bool {
    directory.insert_or_get(member, || Member::of_set(member)).is_none()
}

impl<'a> SetRef<'a> {
    /// Whether it may have the form that it has.
    pub fn fits(self, limits: &Limits) -> bool {
        match self {
            SetRef::Ints(ints) => ints.len() <= limits.set_max_intset_entries.min(INTS_MAX),
            SetRef::Packed(pack) => pack.len() <= limits.set_max_listpack_entries,
            SetRef::Big(_) => true,
        }
    }

    /// How many members it has.
    pub fn len(self) -> usize {
        match self {
            SetRef::Ints(ints) => ints.len(),
            SetRef::Packed(pack) => pack.len(),
            SetRef::Big(big) => big.0.len(),
        }
    }

    /// Whether it has none.
    pub fn is_empty(self) -> bool {
        match self {
            SetRef::Ints(ints) => ints.is_empty(),
            SetRef::Packed(pack) => pack.is_empty(),
            SetRef::Big(big) => big.0.is_empty(),
        }
    }

    /// Whether `member` is in it.
    pub fn contains(self, member: &[u8]) -> bool {
        match self {
            SetRef::Ints(ints) => parse_int(member).is_some_and(|number| ints.contains(number)),
            SetRef::Packed(pack) => pack.find(member, 0).is_some(),
            SetRef::Big(big) => big.0.contains(member),
        }
    }

    /// Whether this member of another set is in it.
    pub fn contains_item(self, member: Item<'_>) -> bool {
        match (self, member) {
            (SetRef::Ints(ints), Item::Int(number)) => ints.contains(number),
            _ => self.contains(member.as_bytes(&mut itoa::Buffer::new())),
        }
    }

    /// Each member, in the order in which they are stored.
    pub fn iter(self) -> SetMembers<'a> {
        match self {
            SetRef::Ints(ints) => SetMembers::Ints { ints, next: 0 },
            SetRef::Packed(pack) => SetMembers::Items(pack.iter()),
            SetRef::Big(big) => SetMembers::Members(big.0.iter()),
        }
    }

    /// Gives the members from `cursor` on, as [`Directory::scan`] has it; of a small set all at once.
    pub fn scan(self, cursor: u64, count: usize, mut give: impl FnMut(Item<'a>)) -> Scanned {
        match self {
            SetRef::Big(big) => big.0.scan(cursor, count, |member| give(Item::Str(member.name()))),
            _ => {
                self.iter().for_each(give);
                Scanned { cursor: 0, touched: self.len() }
            }
        }
    }

    /// A member, each as likely as the others.
    pub fn random(self) -> Option<Item<'a>> {
        match self {
            SetRef::Ints(ints) => ints.get(hasher::random_below(ints.len())).map(Item::Int),
            SetRef::Packed(pack) => {
                let number = hasher::random_below(pack.len());
                pack.nth(i64::try_from(number).ok()?).map(|at| pack.get_at(at))
            }
            SetRef::Big(big) => big.0.random().map(|member| Item::Str(member.name())),
        }
    }

    /// So many different members (or all of them), each choice as likely as the others.
    pub fn sample(self, count: usize) -> Vec<Item<'a>> {
        match self {
            SetRef::Big(big) => {
                big.0.sample(count).into_iter().map(|member| Item::Str(member.name())).collect()
            }
            _ => {
                let mut items: Vec<Item<'a>> = self.iter().collect();
                if count < items.len() {
                    hasher::shuffle_front(&mut items, count);
                    items.truncate(count);
                }
                items
            }
        }
    }

    /// `OBJECT ENCODING`'s answer.
    pub fn encoding(self) -> &'static str {
        match self {
            SetRef::Ints(_) => "intset",
            SetRef::Packed(_) => "listpack",
            SetRef::Big(_) => "hashtable",
        }
    }

    /// Bytes of the allocations behind the entry.
    pub fn heap_bytes(self) -> usize {
        match self {
            SetRef::Ints(_) | SetRef::Packed(_) => 0,
            SetRef::Big(big) => array_bytes::<BigSet>(1) + big.0.heap_bytes(),
        }
    }

    /// Whether both have the same members, in whatever order and form.
    pub fn same(self, other: SetRef<'_>) -> bool {
        match (self, other) {
            (SetRef::Ints(mine), SetRef::Ints(other)) => return mine.iter().eq(other.iter()),
            (SetRef::Packed(mine), SetRef::Packed(other)) if mine == other => return true,
            _ if self.len() != other.len() => return false,
            _ => {}
        }
        // Looking a member up in a listpack is a walk: from some size on a table is cheaper.
        let table;
        let other = match other {
            SetRef::Packed(pack) if pack.len() > 32 => {
                table = other.to_set().into_big();
                table.view()
            }
            other => other,
        };
        self.iter().all(|member| other.contains_item(member))
    }

    /// A copy that owns its parts.
    pub fn to_set(self) -> Set {
        match self {
            SetRef::Ints(ints) => Set::Ints(ints.to_intset()),
            SetRef::Packed(pack) => Set::Packed(pack.to_listpack()),
            SetRef::Big(big) => Set::Big(Box::new(big.clone())),
        }
    }
}

/// The members of a set, one after the other.
#[derive(Clone, Debug)]
pub enum SetMembers<'a> {
    /// of an intset
    Ints {
        /// the intset
        ints: IntsetRef<'a>,
        /// the number of the next
        next: usize,
    },
    /// of a listpack
    Items(crate::packed::listpack::Iter<'a>),
    /// of a directory
    Members(Members<'a>),
}

impl<'a> Iterator for SetMembers<'a> {
    type Item = Item<'a>;
    fn next(&mut self) -> Option<Item<'a>> {
        match self {
            SetMembers::Ints { ints, next } => {
                let value = ints.get(*next)?;
                *next += 1;
                Some(Item::Int(value))
            }
            SetMembers::Items(items) => items.next(),
            SetMembers::Members(members) => members.next().map(|member| Item::Str(member.name())),
        }
    }
}

#[cfg(test)]
mod tests;
