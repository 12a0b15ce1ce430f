//! Lists: one listpack, or a quicklist of them.
//!
//! Owns both forms and the change between them, which is that of Redis 7.2 and later: a list leaves the packed
//! form when an addition would take it past `list-max-listpack-size`, and comes back when a removal leaves one
//! node of at most half of that. Never knows its key.
//!
//! Bytes: a packed list is its listpack in the entry. A big one costs 32 B a node (of up to 8 KiB by default)
//! beside the nodes' bytes, and 40 B a chunk of 128 nodes.

mod fill;
mod node;
mod nodes;
mod quicklist;

use crate::memory::array_bytes;
use crate::packed::{Item, Listpack, ListpackRef, listpack};

use super::{Kind, Limits, Value, ValueKind};
use fill::Fill;

pub use node::NodeRef;
pub use quicklist::Quicklist;

/// One end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// `LEFT`: where element 0 stands.
    Head,
    /// `RIGHT`: where element -1 stands.
    Tail,
}

/// One side of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// `BEFORE`: nearer to the head.
    Before,
    /// `AFTER`: nearer to the tail.
    After,
}

/// A list.
#[derive(Clone, Debug)]
pub enum List {
    /// All elements in one listpack.
    Packed(Listpack),
    /// Elements in nodes.
    Big(Box<Quicklist>),
}

/// The same, looked at where it is stored.
#[derive(Clone, Copy, Debug)]
pub enum ListRef<'a> {
    /// All elements in one listpack.
    Packed(ListpackRef<'a>),
    /// Elements in nodes.
    Big(&'a Quicklist),
}

impl Default for List {
    fn default() -> Self {
        List::Packed(Listpack::new())
    }
}

impl List {
    /// A list of these elements, as SORT … STORE makes one.
    pub fn collect<'a>(elements: impl IntoIterator<Item = &'a [u8]>, limits: &Limits) -> List {
        let mut list = ListBuilder::default();
        elements.into_iter().for_each(|element| list.push(element, limits));
        list.finish(limits)
    }

    /// Read access.
    pub fn view(&self) -> ListRef<'_> {
        match self {
            List::Packed(pack) => ListRef::Packed(pack.view()),
            List::Big(list) => ListRef::Big(list),
        }
    }

    /// How many elements it has.
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds elements at one end, one after the other.
    pub fn push_all<'a>(
        &mut self,
        end: End,
        elements: impl Iterator<Item = &'a [u8]> + Clone,
        limits: &Limits,
    ) {
        let (count, bytes) = elements
            .clone()
            .fold((0, 0usize), |(count, bytes), element| (count + 1, bytes.saturating_add(element.len())));
        self.make_room(count, bytes, limits);
        elements.for_each(|element| self.push_within(end, element, limits));
    }

    /// Adds an element that was taken out of a list (LMOVE). Redis counts only strings there when it asks
    /// whether the list outgrows its packed form, not integers.
    pub fn push_moved(&mut self, end: End, element: Item<'_>, limits: &Limits) {
        let bytes = match element {
            Item::Int(_) => 0,
            Item::Str(bytes) => bytes.len(),
        };
        self.make_room(1, bytes, limits);
        self.push_within(end, element.as_bytes(&mut itoa::Buffer::new()), limits);
    }

    /// Takes at most `count` elements off one end; `with` sees each first.
    pub fn pop(&mut self, end: End, count: usize, limits: &Limits, with: impl FnMut(Item<'_>)) {
        self.take(end, count, with);
        self.settle(limits);
    }

    /// [`List::pop`] without [`List::settle`], for a command that adds to the same list before it is done.
    pub fn take(&mut self, end: End, count: usize, mut with: impl FnMut(Item<'_>)) {
        match self {
            List::Packed(pack) => {
                let mut popped = 0;
                let mut at = node::at_end(pack.view(), end);
                while let Some(here) = at.filter(|_| popped < count) {
                    with(pack.view().get_at(here));
                    popped += 1;
                    at = match end {
                        End::Head => pack.view().next(here),
                        End::Tail => pack.view().prev(here),
                    };
                }
                remove_range(pack, if end == End::Head { 0 } else { pack.len() - popped }, popped);
            }
            List::Big(list) => {
                for _ in 0..count {
                    if list.pop(end, &mut with).is_none() {
                        break;
                    }
                }
            }
        }
    }

    /// Replaces element number `index`; false when there is none.
    pub fn set(&mut self, index: usize, element: &[u8], limits: &Limits) -> bool {
        if index >= self.len() {
            return false;
        }
        self.make_room(1, element.len(), limits);
        match self {
            List::Packed(pack) => {
                if let Some(at) = i64::try_from(index).ok().and_then(|index| pack.view().nth(index)) {
                    pack.replace(at, element);
                }
            }
            List::Big(list) => {
                list.set(index, element, Fill::of(limits));
            }
        }
        self.settle(limits);
        true
    }

    /// Puts an element beside the first one that equals `pivot`; false when none does.
    pub fn insert(&mut self, pivot: &[u8], side: Side, element: &[u8], limits: &Limits) -> bool {
        // As in Redis, room is made before it is known whether there is such an element.
        self.make_room(1, element.len(), limits);
        match self {
            List::Packed(pack) => match pack.view().find(pivot, 0) {
                Some(at) => {
                    match side {
                        Side::Before => pack.insert_before(at, element),
                        Side::After => pack.insert_after(at, element),
                    };
                    true
                }
                None => false,
            },
            List::Big(list) => list.insert_beside(pivot, side, element, Fill::of(limits)),
        }
    }

    /// Removes elements that equal `element`, from one end on and at most `count`; says how many.
    pub fn remove_matching(&mut self, element: &[u8], end: End, count: u64, limits: &Limits) -> u64 {
        let removed = match self {
            List::Packed(pack) => node::remove_matching(pack, element, end, &mut { count }),
            List::Big(list) => list.remove_matching(element, end, count),
        };
        if removed > 0 {
            self.settle(limits);
        }
        removed
    }

    /// Keeps `count` elements from number `start` on, and no other.
    pub fn keep(&mut self, start: usize, count: usize, limits: &Limits) {
        let len = self.len();
        let start = start.min(len);
        let behind = start.saturating_add(count).min(len);
        self.remove_range(0, start);
        self.remove_range(behind - start, len - behind);
        self.settle(limits);
    }

    /// Goes back to the packed form after a removal, if what is left is small.
    pub fn settle(&mut self, limits: &Limits) {
        self.pack_if(|bytes, count| Fill::of(limits).is_small(bytes, count));
    }

    /// Removes `count` elements from number `start` on.
    fn remove_range(&mut self, start: usize, count: usize) {
        match self {
            List::Packed(pack) => remove_range(pack, start, count),
            List::Big(list) => list.remove_range(start, count),
        }
    }

    /// Leaves the packed form, if `count` more elements of `bytes` together would be too much for it.
    fn make_room(&mut self, count: usize, bytes: usize, limits: &Limits) {
        if let List::Packed(pack) = self
            && Fill::of(limits).exceeded_by(pack.wire_len().saturating_add(bytes), pack.len() + count)
        {
            let mut list = Quicklist::default();
            list.push_pack(std::mem::take(pack));
            *self = List::Big(Box::new(list));
        }
    }

    /// Adds an element at one end, in the form that the list has.
    fn push_within(&mut self, end: End, element: &[u8], limits: &Limits) {
        match self {
            List::Packed(pack) => node::push(pack, end, element),
            List::Big(list) => list.push(end, element, Fill::of(limits)),
        }
    }

    /// Goes back to the packed form, if one node is left and its size is right.
    fn pack_if(&mut self, is_right: impl FnOnce(usize, usize) -> bool) {
        if let List::Big(list) = self
            && list.only_pack().is_some_and(|(bytes, count)| is_right(bytes, count))
            && let Some(pack) = list.take_first_pack()
        {
            *self = List::Packed(pack);
        }
    }
}

impl<'a> ListRef<'a> {
    /// How many elements it has.
    pub fn len(self) -> usize {
        match self {
            ListRef::Packed(pack) => pack.len(),
            ListRef::Big(list) => list.len(),
        }
    }

    /// Whether it has none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Bytes of the allocations behind the entry: a packed list has none.
    pub fn heap_bytes(self) -> usize {
        match self {
            ListRef::Packed(_) => 0,
            ListRef::Big(list) => array_bytes::<Quicklist>(1) + list.heap_bytes(),
        }
    }

    /// `OBJECT ENCODING`'s answer.
    pub fn encoding(self) -> &'static str {
        match self {
            ListRef::Packed(_) => "listpack",
            ListRef::Big(_) => "quicklist",
        }
    }

    /// Element number `index`.
    pub fn get(self, index: usize) -> Option<Item<'a>> {
        match self {
            ListRef::Packed(pack) => {
                let at = pack.nth(i64::try_from(index).ok()?)?;
                Some(pack.get_at(at))
            }
            ListRef::Big(list) => list.get(index),
        }
    }

    /// The number of the element that `index` means, where a negative one counts from the end, which is -1.
    pub fn index(self, index: i64) -> Option<usize> {
        let len = self.len();
        let number = match usize::try_from(index) {
            Ok(number) => number,
            Err(_) => len.checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?,
        };
        (number < len).then_some(number)
    }

    /// Each element in turn, from either end.
    pub fn iter(self) -> ListIter<'a> {
        match self {
            ListRef::Packed(pack) => ListIter::Packed(pack.iter()),
            ListRef::Big(list) => ListIter::Big(Elements(list.iter())),
        }
    }

    /// Each element in turn, from number `index` on.
    pub fn iter_from(self, index: usize) -> ListIter<'a> {
        match self {
            ListRef::Packed(pack) => {
                let at = i64::try_from(index).ok().and_then(|index| pack.nth(index));
                let nothing = ListpackRef::from_trusted(&[]);
                ListIter::Packed(at.map_or_else(|| nothing.iter(), |at| pack.iter_from(at)))
            }
            ListRef::Big(list) => ListIter::Big(Elements(list.iter_from(index))),
        }
    }

    /// Whether another has equal elements in the same order, whatever their forms.
    pub fn same(self, other: ListRef<'_>) -> bool {
        match (self, other) {
            (ListRef::Packed(own), ListRef::Packed(other)) if own == other => true,
            _ => {
                self.len() == other.len()
                    && self.iter().zip(other.iter()).all(|(own, other)| {
                        own == other || own.eq_bytes(other.as_bytes(&mut itoa::Buffer::new()))
                    })
            }
        }
    }

    /// A copy that owns its elements.
    pub fn to_list(self) -> List {
        match self {
            ListRef::Packed(pack) => List::Packed(pack.to_listpack()),
            ListRef::Big(list) => List::Big(Box::new(list.clone())),
        }
    }
}

/// The elements of a list, from either end.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // lives on the stack, for the length of one walk
pub enum ListIter<'a> {
    /// Those of a packed list.
    Packed(listpack::Iter<'a>),
    /// Those of a big one.
    Big(Elements<'a>),
}

/// The elements of a big list, from either end.
#[derive(Clone, Debug)]
pub struct Elements<'a>(quicklist::ElementsIter<'a>);

impl<'a> Iterator for ListIter<'a> {
    type Item = Item<'a>;
    fn next(&mut self) -> Option<Item<'a>> {
        match self {
            ListIter::Packed(iter) => iter.next(),
            ListIter::Big(Elements(iter)) => iter.next(),
        }
    }
}

impl DoubleEndedIterator for ListIter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            ListIter::Packed(iter) => iter.next_back(),
            ListIter::Big(Elements(iter)) => iter.next_back(),
        }
    }
}

/// Makes a list of what an RDB carries: nodes as they are, or elements one by one.
///
/// ```
/// use storage::Limits;
/// use storage::value::list::ListBuilder;
/// let limits = Limits::default();
/// let mut list = ListBuilder::default();
/// list.push(b"a", &limits);
/// assert_eq!(list.finish(&limits).view().encoding(), "listpack");
/// ```
#[derive(Debug, Default)]
pub struct ListBuilder(Box<Quicklist>);

impl ListBuilder {
    /// Adds the elements of a listpack as one node; an empty one is passed over.
    pub fn push_pack(&mut self, pack: Listpack) {
        self.0.push_pack(pack);
    }

    /// Adds one element as a node of its own.
    pub fn push_plain(&mut self, element: &[u8]) {
        self.0.push_plain(element);
    }

    /// Adds one element, where it belongs.
    pub fn push(&mut self, element: &[u8], limits: &Limits) {
        self.0.push(End::Tail, element, Fill::of(limits));
    }

    /// How many elements it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The list, packed where it is small enough.
    pub fn finish(self, limits: &Limits) -> List {
        if self.is_empty() {
            return List::default();
        }
        let mut list = List::Big(self.0);
        list.pack_if(|bytes, count| Fill::of(limits).holds(bytes, count));
        list
    }

    /// The list in nodes, however small: so Redis loads the ziplist of a server before 3.2.
    pub fn finish_in_nodes(self) -> List {
        if self.is_empty() { List::default() } else { List::Big(self.0) }
    }
}

impl From<List> for Value {
    fn from(list: List) -> Value {
        Value::List(list)
    }
}

impl ValueKind for List {
    const KIND: Kind = Kind::List;
    fn from_value(value: Value) -> Result<Self, Value> {
        match value {
            Value::List(list) => Ok(list),
            other => Err(other),
        }
    }
    fn is_gone(&self) -> bool {
        self.is_empty()
    }
}

/// Removes `count` elements of a listpack from number `start` on.
fn remove_range(pack: &mut Listpack, start: usize, count: usize) {
    if let Some(at) = i64::try_from(start).ok().and_then(|start| pack.view().nth(start)) {
        pack.remove_range(at, count);
    }
}

#[cfg(test)]
mod tests;
