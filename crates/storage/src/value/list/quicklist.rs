//! The big form of a list: nodes of listpacks, and large elements in nodes of their own.
//!
//! Owns when a node is begun, cut in two and joined with a neighbour. That follows Redis 7.2 and later step by
//! step, for whether a list is ever packed again (and so what OBJECT ENCODING says) depends on its having one
//! node left. Never decides between the packed form and this one.

use std::iter;

use crate::packed::{Item, Listpack, Position, listpack};

use super::fill::Fill;
use super::node::{self, Node, NodeIter, NodeRef};
use super::nodes::{Nodes, NodesIter};
use super::{End, Side};

/// A list in nodes.
#[derive(Clone, Debug, Default)]
pub struct Quicklist {
    nodes: Nodes,
}

/// Where an element stands: the number of its node, and its place there (none in a node of its own).
#[derive(Clone, Copy, Debug)]
struct Place {
    node: usize,
    at: Option<Position>,
}

/// The elements of a list: what is left of the first node, then those of the others.
pub(super) type ElementsIter<'a> = iter::Chain<NodeIter<'a>, iter::Flatten<NodesIter<'a>>>;

impl Quicklist {
    /// How many elements it has.
    pub fn len(&self) -> usize {
        self.nodes.elements()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many nodes it has.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Each node in turn.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = NodeRef<'_>> {
        self.nodes.iter().map(Node::view)
    }

    /// Element number `index`.
    pub fn get(&self, index: usize) -> Option<Item<'_>> {
        let (node, offset) = self.nodes.seek(index)?;
        self.nodes.get(node)?.view().get(offset)
    }

    /// Each element in turn, from either end.
    pub(super) fn iter(&self) -> ElementsIter<'_> {
        NodeIter::Plain(None).chain(self.nodes.iter().flatten())
    }

    /// Each element in turn, from number `index` on.
    pub(super) fn iter_from(&self, index: usize) -> ElementsIter<'_> {
        let (number, offset) = self.nodes.seek(index).unwrap_or((self.nodes.len(), 0));
        let mut nodes = self.nodes.iter_from(number);
        let first = nodes.next().map_or(NodeIter::Plain(None), |node| node.view().iter_from(offset));
        first.chain(nodes.flatten())
    }

    /// Bytes behind it.
    pub fn heap_bytes(&self) -> usize {
        self.nodes.heap_bytes()
    }

    /// Adds a listpack as a node behind the others; an empty one is passed over.
    pub(super) fn push_pack(&mut self, pack: Listpack) {
        if !pack.is_empty() {
            self.nodes.insert(self.nodes.len(), Node::packed(pack));
        }
    }

    /// Adds a large element as a node behind the others.
    pub(super) fn push_plain(&mut self, element: &[u8]) {
        self.nodes.insert(self.nodes.len(), Node::plain(element));
    }

    /// Adds an element at one end.
    pub(super) fn push(&mut self, end: End, element: &[u8], fill: Fill) {
        let (outer, number) = match end {
            End::Head => (0, 0),
            End::Tail => (self.nodes.len().saturating_sub(1), self.nodes.len()),
        };
        if fill.is_large(element.len()) {
            self.nodes.insert(number, Node::plain(element));
        } else if self.takes(outer, element, fill) {
            self.nodes.edit(outer, |node| node.push(end, element));
        } else {
            // The node that was at this end is full: it keeps no room to grow.
            self.nodes.edit(outer, Node::shrink_to_fit);
            self.nodes.insert(number, Node::packed_one(element));
        }
    }

    /// Takes the element at one end out, after `with` has seen it.
    pub(super) fn pop<R>(&mut self, end: End, with: impl FnOnce(Item<'_>) -> R) -> Option<R> {
        let number = match end {
            End::Head => 0,
            End::Tail => self.nodes.len().checked_sub(1)?,
        };
        let node = self.nodes.get(number)?;
        let (result, at) = match node.view() {
            NodeRef::Packed(pack) => {
                let at = node::at_end(pack, end)?;
                (with(pack.get_at(at)), Some(at))
            }
            NodeRef::Plain(element) => (with(Item::Str(element)), None),
        };
        self.remove_at(Place { node: number, at });
        Some(result)
    }

    /// Replaces element number `index`; false when there is none.
    pub(super) fn set(&mut self, index: usize, element: &[u8], fill: Fill) -> bool {
        let Some(place) = self.place(index) else { return false };
        let large = fill.is_large(element.len());
        let whole = if large { Node::plain(element) } else { Node::packed_one(element) };
        match place.at {
            Some(at) if !large && self.fits_in_place(place.node, element) => {
                self.nodes.edit(place.node, |node| node.edit(|pack| pack.replace(at, element)));
            }
            None if large => {
                self.nodes.edit(place.node, |node| *node = whole);
            }
            None => {
                self.insert_at(place, Side::After, element, fill);
                self.nodes.remove(place.node);
            }
            Some(at) => {
                // The new element stands in a node of its own between the two halves.
                self.nodes.insert(place.node + 1, whole);
                let behind = self.nodes.get(place.node).and_then(|node| node.pack()?.next(at));
                if let Some(behind) = behind
                    && let Some(tail) = self.nodes.edit(place.node, |node| node.split_off(behind)).flatten()
                {
                    self.nodes.insert(place.node + 2, tail);
                }
                let nodes = self.nodes.len();
                self.remove_at(place);
                if self.nodes.len() == nodes {
                    self.join_around(place.node + 1, fill);
                }
            }
        }
        true
    }

    /// Puts an element beside the first one that equals `pivot`; false when none does.
    pub(super) fn insert_beside(&mut self, pivot: &[u8], side: Side, element: &[u8], fill: Fill) -> bool {
        let place = self.nodes.iter().enumerate().find_map(|(number, node)| match node.view() {
            NodeRef::Packed(pack) => {
                let at = pack.first().and_then(|first| pack.find_from(first, pivot, 0))?;
                Some(Place { node: number, at: Some(at) })
            }
            NodeRef::Plain(own) => (own == pivot).then_some(Place { node: number, at: None }),
        });
        match place {
            Some(place) => {
                self.insert_at(place, side, element, fill);
                true
            }
            None => false,
        }
    }

    /// Removes `count` elements from number `start` on, or as many as there are.
    pub(super) fn remove_range(&mut self, start: usize, count: usize) {
        let mut left = count.min(self.len().saturating_sub(start));
        let Some((mut number, mut offset)) = self.nodes.seek(start) else { return };
        while left > 0 {
            let Some(node) = self.nodes.get(number) else { return };
            let removed = left.min(node.count() - offset);
            if removed == node.count() {
                self.nodes.remove(number);
            } else {
                self.nodes.edit(number, |node| {
                    node.edit(|pack| {
                        let at = i64::try_from(offset).ok().and_then(|offset| pack.view().nth(offset));
                        at.and_then(|at| pack.remove_range(at, removed))
                    })
                });
                number += 1;
            }
            left -= removed;
            offset = 0;
        }
    }

    /// Removes elements that equal `element`, from one end on and at most `count`; says how many.
    pub(super) fn remove_matching(&mut self, element: &[u8], end: End, count: u64) -> u64 {
        let mut left = count;
        let mut removed = 0;
        let mut number = match end {
            End::Head => 0,
            End::Tail => self.nodes.len(),
        };
        while left > 0 {
            let at = match end {
                End::Head => number,
                End::Tail => match number.checked_sub(1) {
                    Some(at) => at,
                    None => break,
                },
            };
            let Some(here) = self.nodes.edit(at, |node| node.remove_matching(element, end, &mut left)) else {
                break;
            };
            removed += here;
            let gone = self.nodes.get(at).is_some_and(|node| node.count() == 0);
            if gone {
                self.nodes.remove(at);
            }
            number = if end == End::Head && !gone { at + 1 } else { at };
        }
        removed
    }

    /// The only node's size in bytes and elements, where one packed node is all there is.
    pub(super) fn only_pack(&self) -> Option<(usize, usize)> {
        let node = self.nodes.get(0).filter(|node| self.nodes.len() == 1 && !node.is_plain())?;
        Some((node.bytes(), node.count()))
    }

    /// Takes the first node's listpack out.
    pub(super) fn take_first_pack(&mut self) -> Option<Listpack> {
        self.nodes.remove(0)?.into_pack()
    }

    /// Where element number `index` stands.
    fn place(&self, index: usize) -> Option<Place> {
        let (node, offset) = self.nodes.seek(index)?;
        let at = match self.nodes.get(node)?.pack() {
            Some(pack) => Some(pack.nth(i64::try_from(offset).ok()?)?),
            None => None,
        };
        Some(Place { node, at })
    }

    /// Whether a node's listpack stays one when such an element replaces another.
    fn fits_in_place(&self, number: usize, element: &[u8]) -> bool {
        /// An element's encoding and back length at their longest.
        const OVERHEAD: usize = 10;
        self.nodes
            .get(number)
            .is_some_and(|node| node.bytes().saturating_add(element.len() + OVERHEAD) <= listpack::BYTES_MAX)
    }

    /// Whether node number `number` exists and takes one more element like this.
    fn takes(&self, number: usize, element: &[u8], fill: Fill) -> bool {
        self.nodes
            .get(number)
            .is_some_and(|node| !node.is_plain() && fill.takes(node.bytes(), node.count(), element.len()))
    }

    /// Removes one element, and its node with the last.
    fn remove_at(&mut self, place: Place) {
        if let Some(at) = place.at {
            self.nodes.edit(place.node, |node| node.edit(|pack| pack.remove(at)));
        }
        if place.at.is_none() || self.nodes.get(place.node).is_some_and(|node| node.count() == 0) {
            self.nodes.remove(place.node);
        }
    }

    /// Puts an element beside the one at `place`.
    fn insert_at(&mut self, place: Place, side: Side, element: &[u8], fill: Fill) {
        let Place { node: number, at } = place;
        let neighbour = match side {
            Side::After => Some(number + 1),
            Side::Before => number.checked_sub(1),
        };
        // Where a node of its own, or the half that is cut off, would go.
        let beside = match side {
            Side::After => number + 1,
            Side::Before => number,
        };
        let at_edge = match (self.nodes.get(number).and_then(|node| node.pack()), at) {
            (Some(pack), Some(at)) => match side {
                Side::After => pack.next(at).is_none(),
                Side::Before => pack.prev(at).is_none(),
            },
            _ => true,
        };
        if fill.is_large(element.len()) {
            if at_edge {
                self.nodes.insert(beside, Node::plain(element));
            } else {
                self.split(place, side);
                self.nodes.insert(number + 1, Node::plain(element));
            }
            return;
        }
        if let Some(at) = at.filter(|_| self.takes(number, element, fill)) {
            self.nodes.edit(number, |node| {
                node.edit(|pack| match side {
                    Side::After => pack.insert_after(at, element),
                    Side::Before => pack.insert_before(at, element),
                })
            });
        } else if let Some(neighbour) =
            neighbour.filter(|neighbour| at_edge && self.takes(*neighbour, element, fill))
        {
            let end = match side {
                Side::After => End::Head,
                Side::Before => End::Tail,
            };
            self.nodes.edit(neighbour, |node| node.push(end, element));
        } else if at_edge {
            self.nodes.insert(beside, Node::packed_one(element));
        } else {
            self.split(place, side);
            // The element joins the half that was cut off; the other half is the centre of what may be joined.
            let (half, end, centre) = match side {
                Side::After => (number + 1, End::Head, number),
                Side::Before => (number, End::Tail, number + 1),
            };
            self.nodes.edit(half, |node| node.push(end, element));
            self.join_around(centre, fill);
        }
    }

    /// Cuts a node in two beside the element at `place`: both halves stand where it stood.
    fn split(&mut self, place: Place, side: Side) {
        let cut = match (self.nodes.get(place.node).and_then(|node| node.pack()), place.at) {
            (Some(pack), Some(at)) if side == Side::After => pack.next(at),
            (_, at) => at,
        };
        if let Some(cut) = cut
            && let Some(tail) = self.nodes.edit(place.node, |node| node.split_off(cut)).flatten()
        {
            self.nodes.insert(place.node + 1, tail);
        }
    }

    /// Joins the neighbours around node number `centre` where the limits allow, in the order Redis tries them:
    /// the two before it, the two behind it, it with the one before, the result with the one behind.
    fn join_around(&mut self, mut centre: usize, fill: Fill) {
        if let Some(before) = centre.checked_sub(2)
            && self.join(before, fill)
        {
            centre -= 1;
        }
        self.join(centre + 1, fill);
        if let Some(before) = centre.checked_sub(1)
            && self.join(before, fill)
        {
            centre -= 1;
        }
        self.join(centre, fill);
    }

    /// Joins node number `number` with the next one, if the limits allow.
    fn join(&mut self, number: usize, fill: Fill) -> bool {
        let (Some(first), Some(second)) = (self.nodes.get(number), self.nodes.get(number + 1)) else {
            return false;
        };
        let sizes = [first.bytes(), second.bytes()];
        let counts = [first.count(), second.count()];
        if first.is_plain() || second.is_plain() || !fill.joins(sizes, counts) {
            return false;
        }
        let Some(second) = self.nodes.remove(number + 1).and_then(Node::into_pack) else { return false };
        self.nodes.edit(number, |node| node.edit(|pack| pack.push_all(second.view())));
        true
    }
}

impl<'a> FromIterator<NodeRef<'a>> for Quicklist {
    /// A list of copies of these nodes, as they are.
    fn from_iter<I: IntoIterator<Item = NodeRef<'a>>>(nodes: I) -> Self {
        let mut list = Quicklist::default();
        for node in nodes {
            match node {
                NodeRef::Packed(pack) => list.push_pack(pack.to_listpack()),
                NodeRef::Plain(element) => list.push_plain(element),
            }
        }
        list
    }
}
