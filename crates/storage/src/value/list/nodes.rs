//! The nodes of a big list in order, found by their own number or by that of an element.
//!
//! Owns a two-level sequence: chunks of at most [`CHUNK_NODES_MAX`] nodes, each with its count of elements. With
//! a million nodes, an element is found after looking at some ten thousand counts that lie side by side, and an
//! insertion moves at most one chunk. Never looks inside a node.

use std::collections::{VecDeque, vec_deque};
use std::iter;

use super::node::Node;
use crate::memory::array_bytes;

/// At most so many nodes stand in one chunk: 4 KiB to move when one is put into its middle.
const CHUNK_NODES_MAX: usize = 128;

/// Nodes, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Nodes {
    /// Never an empty one.
    chunks: VecDeque<Chunk>,
    /// All nodes.
    nodes: usize,
    /// All elements.
    elements: usize,
}

/// A run of nodes.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    nodes: VecDeque<Node>,
    elements: usize,
}

/// Nodes in turn, from either end.
pub(super) type NodesIter<'a> = iter::Flatten<vec_deque::Iter<'a, Chunk>>;

impl<'a> IntoIterator for &'a Chunk {
    type Item = &'a Node;
    type IntoIter = vec_deque::Iter<'a, Node>;
    fn into_iter(self) -> Self::IntoIter {
        self.nodes.iter()
    }
}

impl Nodes {
    /// How many nodes there are.
    pub(super) fn len(&self) -> usize {
        self.nodes
    }

    /// How many elements they have.
    pub(super) fn elements(&self) -> usize {
        self.elements
    }

    /// Node number `number`.
    pub(super) fn get(&self, number: usize) -> Option<&Node> {
        let (chunk, within) = self.find(number)?;
        self.chunks.get(chunk)?.nodes.get(within)
    }

    /// Lets `edit` change node number `number`, and counts its elements anew.
    pub(super) fn edit<R>(&mut self, number: usize, edit: impl FnOnce(&mut Node) -> R) -> Option<R> {
        let (chunk, within) = self.find(number)?;
        let chunk = self.chunks.get_mut(chunk)?;
        let node = chunk.nodes.get_mut(within)?;
        let before = node.count();
        let result = edit(node);
        let after = node.count();
        chunk.elements = chunk.elements - before + after;
        self.elements = self.elements - before + after;
        Some(result)
    }

    /// Puts a node in, which is then number `number`; at the end when there are not so many.
    pub(super) fn insert(&mut self, number: usize, node: Node) {
        let count = node.count();
        self.nodes += 1;
        self.elements += count;
        let (mut chunk, mut within) = match self.find_gap(number) {
            Some(place) => place,
            None => {
                self.chunks.push_back(Chunk { nodes: VecDeque::new(), elements: 0 });
                (self.chunks.len() - 1, 0)
            }
        };
        if let Some(full) = self.chunks.get_mut(chunk).filter(|chunk| chunk.nodes.len() >= CHUNK_NODES_MAX) {
            // At its ends a full chunk gets a new neighbour, so that pushing leaves full chunks behind; inside
            // it is cut in two.
            let cut = match within {
                0 => 0,
                CHUNK_NODES_MAX => CHUNK_NODES_MAX,
                _ => CHUNK_NODES_MAX / 2,
            };
            let mut tail = Chunk { nodes: full.nodes.split_off(cut), elements: 0 };
            tail.elements = tail.nodes.iter().map(Node::count).sum();
            full.elements -= tail.elements;
            self.chunks.insert(chunk + 1, tail);
            if within > cut || within == CHUNK_NODES_MAX {
                chunk += 1;
                within -= cut;
            }
        }
        if let Some(chunk) = self.chunks.get_mut(chunk) {
            chunk.nodes.insert(within.min(chunk.nodes.len()), node);
            chunk.elements += count;
        }
    }

    /// Takes node number `number` out.
    pub(super) fn remove(&mut self, number: usize) -> Option<Node> {
        let (at, within) = self.find(number)?;
        let chunk = self.chunks.get_mut(at)?;
        let node = chunk.nodes.remove(within)?;
        chunk.elements -= node.count();
        self.nodes -= 1;
        self.elements -= node.count();
        if chunk.nodes.is_empty() {
            self.chunks.remove(at);
        }
        Some(node)
    }

    /// The number of the node that has element number `index`, and that element's number within it.
    pub(super) fn seek(&self, index: usize) -> Option<(usize, usize)> {
        if index >= self.elements {
            return None;
        }
        if index < self.elements / 2 {
            let mut number = 0;
            let mut left = index;
            for chunk in &self.chunks {
                if left >= chunk.elements {
                    left -= chunk.elements;
                    number += chunk.nodes.len();
                    continue;
                }
                for node in &chunk.nodes {
                    if left < node.count() {
                        return Some((number, left));
                    }
                    left -= node.count();
                    number += 1;
                }
            }
        } else {
            let mut number = self.nodes;
            // How many elements stand behind the one that is looked for.
            let mut left = self.elements - 1 - index;
            for chunk in self.chunks.iter().rev() {
                if left >= chunk.elements {
                    left -= chunk.elements;
                    number -= chunk.nodes.len();
                    continue;
                }
                for node in chunk.nodes.iter().rev() {
                    number -= 1;
                    if left < node.count() {
                        return Some((number, node.count() - 1 - left));
                    }
                    left -= node.count();
                }
            }
        }
        None
    }

    /// Each node in turn, from either end.
    pub(super) fn iter(&self) -> NodesIter<'_> {
        self.chunks.iter().flatten()
    }

    /// Each node in turn, from number `number` on.
    pub(super) fn iter_from(&self, number: usize) -> NodesIter<'_> {
        let (chunk, within) = self.find(number).unwrap_or((self.chunks.len(), 0));
        let mut nodes = self.chunks.range(chunk..).flatten();
        if let Some(skipped) = within.checked_sub(1) {
            nodes.nth(skipped);
        }
        nodes
    }

    /// Bytes behind it and its nodes.
    pub(super) fn heap_bytes(&self) -> usize {
        let chunks = array_bytes::<Chunk>(self.chunks.capacity());
        let slots =
            self.chunks.iter().map(|chunk| array_bytes::<Node>(chunk.nodes.capacity())).sum::<usize>();
        chunks + slots + self.iter().map(Node::heap_bytes).sum::<usize>()
    }

    /// Where node number `number` stands: its chunk, and its place there.
    fn find(&self, number: usize) -> Option<(usize, usize)> {
        if number >= self.nodes {
            return None;
        }
        if number < self.nodes / 2 {
            let mut left = number;
            for (at, chunk) in self.chunks.iter().enumerate() {
                if left < chunk.nodes.len() {
                    return Some((at, left));
                }
                left -= chunk.nodes.len();
            }
        } else {
            let mut left = self.nodes - 1 - number;
            for (at, chunk) in self.chunks.iter().enumerate().rev() {
                if left < chunk.nodes.len() {
                    return Some((at, chunk.nodes.len() - 1 - left));
                }
                left -= chunk.nodes.len();
            }
        }
        None
    }

    /// Where a node that is to become number `number` goes.
    fn find_gap(&self, number: usize) -> Option<(usize, usize)> {
        // `nodes` counts the new one already.
        if number + 1 >= self.nodes {
            let last = self.chunks.len().checked_sub(1)?;
            return Some((last, self.chunks.get(last)?.nodes.len()));
        }
        let mut left = number;
        for (at, chunk) in self.chunks.iter().enumerate() {
            if left < chunk.nodes.len() {
                return Some((at, left));
            }
            left -= chunk.nodes.len();
        }
        None
    }
}
