//! Walking a stream's entries, from either end.
//!
//! Owns the way from node to node. Never changes anything.

use std::collections::{BTreeMap, btree_map};

use super::StreamId;
use super::node::{Backwards, Entries, Entry, Node};

/// Entries in order.
#[derive(Clone, Debug)]
pub struct Range<'a> {
    nodes: btree_map::Range<'a, StreamId, Node>,
    entries: Option<Entries<'a>>,
    start: StreamId,
    end: StreamId,
}

impl<'a> Range<'a> {
    pub(super) fn new(nodes: &'a BTreeMap<StreamId, Node>, start: StreamId, end: StreamId) -> Range<'a> {
        Range { nodes: nodes_between(nodes, start, end), entries: None, start, end }
    }
}

impl<'a> Iterator for Range<'a> {
    type Item = Entry<'a>;
    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            let Some(entry) = self.entries.as_mut().and_then(Iterator::next) else {
                let (master, node) = self.nodes.next()?;
                self.entries = node.entries(*master);
                continue;
            };
            if entry.id > self.end {
                // The nodes behind this one begin still higher.
                self.entries = None;
                continue;
            }
            if entry.id >= self.start && !entry.is_deleted {
                return Some(entry);
            }
        }
    }
}

/// Entries, the last one first.
#[derive(Clone, Debug)]
pub struct RangeBack<'a> {
    nodes: btree_map::Range<'a, StreamId, Node>,
    entries: Option<Backwards<'a>>,
    start: StreamId,
    end: StreamId,
}

impl<'a> RangeBack<'a> {
    pub(super) fn new(nodes: &'a BTreeMap<StreamId, Node>, start: StreamId, end: StreamId) -> RangeBack<'a> {
        RangeBack { nodes: nodes_between(nodes, start, end), entries: None, start, end }
    }
}

impl<'a> Iterator for RangeBack<'a> {
    type Item = Entry<'a>;
    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            let Some(entry) = self.entries.as_mut().and_then(Iterator::next) else {
                let (master, node) = self.nodes.next_back()?;
                self.entries = node.entries(*master).map(Entries::backwards);
                continue;
            };
            if entry.id < self.start {
                // Only the node that `start` falls into has such entries, and it is the last one read.
                self.entries = None;
                continue;
            }
            if entry.id <= self.end && !entry.is_deleted {
                return Some(entry);
            }
        }
    }
}

/// The nodes that may have entries from `start` to `end`.
fn nodes_between(
    nodes: &BTreeMap<StreamId, Node>,
    start: StreamId,
    end: StreamId,
) -> btree_map::Range<'_, StreamId, Node> {
    // The node that `start` falls into begins at or before it.
    let from = nodes.range(..=start).next_back().map_or(start, |(master, _)| *master);
    if from <= end { nodes.range(from..=end) } else { nodes.range(StreamId::MAX..StreamId::MAX) }
}
