//! One node of a big list: a listpack of elements, or one large element.
//!
//! Owns what happens inside one node. Never knows its neighbours.

use crate::memory::size_class;
use crate::packed::{Item, Listpack, ListpackRef, Position, listpack};

use super::End;

/// A node.
#[derive(Clone, Debug)]
pub(super) struct Node {
    body: Body,
    /// How many elements it has, so that counting them on the way to an index touches no listpack.
    count: u32,
}

#[derive(Clone, Debug)]
enum Body {
    Packed(Listpack),
    Plain(Box<[u8]>),
}

/// A node looked at.
#[derive(Clone, Copy, Debug)]
pub enum NodeRef<'a> {
    /// Elements in a listpack.
    Packed(ListpackRef<'a>),
    /// One element, too large for a listpack beside others.
    Plain(&'a [u8]),
}

impl Node {
    /// A node of these elements.
    pub(super) fn packed(mut pack: Listpack) -> Node {
        pack.shrink_to_fit();
        Node { count: counted(pack.len()), body: Body::Packed(pack) }
    }

    /// A node of this one element, in a listpack.
    pub(super) fn packed_one(element: &[u8]) -> Node {
        let mut pack = Listpack::new();
        pack.push(element);
        Node { count: 1, body: Body::Packed(pack) }
    }

    /// A node of this one large element.
    pub(super) fn plain(element: &[u8]) -> Node {
        Node { count: 1, body: Body::Plain(element.into()) }
    }

    /// How many elements it has.
    pub(super) fn count(&self) -> usize {
        self.count as usize
    }

    /// Its bytes, as the limits count them.
    pub(super) fn bytes(&self) -> usize {
        match &self.body {
            Body::Packed(pack) => pack.wire_len(),
            Body::Plain(element) => element.len(),
        }
    }

    pub(super) fn is_plain(&self) -> bool {
        matches!(self.body, Body::Plain(_))
    }

    pub(super) fn view(&self) -> NodeRef<'_> {
        match &self.body {
            Body::Packed(pack) => NodeRef::Packed(pack.view()),
            Body::Plain(element) => NodeRef::Plain(element),
        }
    }

    /// Its listpack, where it is one.
    pub(super) fn pack(&self) -> Option<ListpackRef<'_>> {
        match &self.body {
            Body::Packed(pack) => Some(pack.view()),
            Body::Plain(_) => None,
        }
    }

    /// Its listpack, to keep.
    pub(super) fn into_pack(self) -> Option<Listpack> {
        match self.body {
            Body::Packed(pack) => Some(pack),
            Body::Plain(_) => None,
        }
    }

    /// Edits its listpack; nothing happens to a plain node.
    pub(super) fn edit<R>(&mut self, edit: impl FnOnce(&mut Listpack) -> R) -> Option<R> {
        match &mut self.body {
            Body::Packed(pack) => {
                let result = edit(pack);
                self.count = counted(pack.len());
                Some(result)
            }
            Body::Plain(_) => None,
        }
    }

    /// Adds an element at one end of its listpack.
    pub(super) fn push(&mut self, end: End, element: &[u8]) {
        self.edit(|pack| push(pack, end, element));
    }

    /// Cuts its listpack in two: what stands from `at` on moves to the new node.
    pub(super) fn split_off(&mut self, at: Position) -> Option<Node> {
        let tail = self.edit(|pack| {
            let tail = pack.split_off(at);
            pack.shrink_to_fit();
            tail
        })?;
        Some(Node::packed(tail))
    }

    /// Removes elements that equal `element`, from one end on and at most `left`, which it counts down.
    pub(super) fn remove_matching(&mut self, element: &[u8], end: End, left: &mut u64) -> u64 {
        match &mut self.body {
            Body::Packed(pack) => {
                let removed = remove_matching(pack, element, end, left);
                self.count = counted(pack.len());
                removed
            }
            Body::Plain(own) if **own == *element && *left > 0 => {
                *left -= 1;
                self.count = 0;
                1
            }
            Body::Plain(_) => 0,
        }
    }

    /// Gives back memory that it does not need.
    pub(super) fn shrink_to_fit(&mut self) {
        if let Body::Packed(pack) = &mut self.body {
            pack.shrink_to_fit();
        }
    }

    /// Bytes behind it.
    pub(super) fn heap_bytes(&self) -> usize {
        match &self.body {
            Body::Packed(pack) => pack.heap_bytes(),
            Body::Plain(element) => size_class(element.len()),
        }
    }
}

impl<'a> NodeRef<'a> {
    /// Element number `offset`.
    pub(super) fn get(self, offset: usize) -> Option<Item<'a>> {
        match self {
            NodeRef::Packed(pack) => pack.nth(i64::try_from(offset).ok()?).map(|at| pack.get_at(at)),
            NodeRef::Plain(element) => (offset == 0).then_some(Item::Str(element)),
        }
    }

    /// Each element in turn, from number `offset` on.
    pub(super) fn iter_from(self, offset: usize) -> NodeIter<'a> {
        match self {
            NodeRef::Packed(pack) => match i64::try_from(offset).ok().and_then(|offset| pack.nth(offset)) {
                Some(at) => NodeIter::Packed(pack.iter_from(at)),
                None => NodeIter::Plain(None),
            },
            NodeRef::Plain(element) => NodeIter::Plain((offset == 0).then_some(element)),
        }
    }
}

impl<'a> IntoIterator for &'a Node {
    type Item = Item<'a>;
    type IntoIter = NodeIter<'a>;
    fn into_iter(self) -> NodeIter<'a> {
        match self.view() {
            NodeRef::Packed(pack) => NodeIter::Packed(pack.iter()),
            NodeRef::Plain(element) => NodeIter::Plain(Some(element)),
        }
    }
}

/// The elements of a node, from either end.
#[derive(Clone, Debug)]
pub(super) enum NodeIter<'a> {
    Packed(listpack::Iter<'a>),
    Plain(Option<&'a [u8]>),
}

impl<'a> Iterator for NodeIter<'a> {
    type Item = Item<'a>;
    fn next(&mut self) -> Option<Item<'a>> {
        match self {
            NodeIter::Packed(iter) => iter.next(),
            NodeIter::Plain(element) => element.take().map(Item::Str),
        }
    }
}

impl DoubleEndedIterator for NodeIter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            NodeIter::Packed(iter) => iter.next_back(),
            NodeIter::Plain(element) => element.take().map(Item::Str),
        }
    }
}

/// Adds an element at one end of a listpack.
pub(super) fn push(pack: &mut Listpack, end: End, element: &[u8]) {
    match (end, pack.view().first()) {
        (End::Head, Some(first)) => {
            pack.insert_before(first, element);
        }
        _ => pack.push(element),
    }
}

/// Where the element at one end of a listpack stands.
pub(super) fn at_end(pack: ListpackRef<'_>, end: End) -> Option<Position> {
    match end {
        End::Head => pack.first(),
        End::Tail => pack.last(),
    }
}

/// Removes elements that equal `element` from a listpack, from one end on and at most `left`, which it counts
/// down; says how many.
pub(super) fn remove_matching(pack: &mut Listpack, element: &[u8], end: End, left: &mut u64) -> u64 {
    let mut removed = 0;
    match end {
        End::Head => {
            let mut from = pack.view().first();
            while *left > 0 {
                let Some(at) = from.and_then(|from| pack.view().find_from(from, element, 0)) else { break };
                from = pack.remove(at);
                removed += 1;
                *left -= 1;
            }
        }
        End::Tail => {
            let mut at = pack.view().last();
            while let Some(here) = at
                && *left > 0
            {
                // What stands before an element keeps its place when the element goes.
                at = pack.view().prev(here);
                if pack.view().get_at(here).eq_bytes(element) {
                    pack.remove(here);
                    removed += 1;
                    *left -= 1;
                }
            }
        }
    }
    removed
}

/// A node's count; listpacks are bounded far below.
fn counted(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
