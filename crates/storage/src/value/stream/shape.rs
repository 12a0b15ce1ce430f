//! What XINFO STREAM says of the radix tree in which Redis keeps a stream's nodes.
//!
//! We keep them in another tree, but `radix-tree-nodes` follows from the nodes' IDs alone: a branch wherever IDs
//! part, a run of bytes between two branches (or to the end), and a leaf an ID.
//!
//! Owns that count. Never keeps it: it is asked for rarely, and costs a walk over the IDs.

use super::{Stream, StreamId};

/// Which radix tree is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Redis up to 8.6, and Valkey: each ID has a leaf.
    WithLeaves,
    /// Redis 8.8 and later: leaves were given up.
    WithoutLeaves,
}

impl Stream {
    /// How many nodes the radix tree over this stream's nodes has.
    pub fn radix_tree_nodes(&self, shape: Shape) -> usize {
        let ids: Vec<[u8; 16]> = self.nodes().map(|(id, _)| StreamId::to_bytes(id)).collect();
        let leaves = match shape {
            Shape::WithLeaves => ids.len(),
            Shape::WithoutLeaves => 0,
        };
        // The root stands even when it is empty.
        (branches_and_runs(&ids) + leaves).max(1)
    }
}

/// How many branches and runs the tree over these ascending IDs has.
fn branches_and_runs(ids: &[[u8; 16]]) -> usize {
    // Branches above the current ID, by how many bytes stand before each; the IDs come in order, so a branch is
    // complete when an ID parts from the one before it higher up.
    let mut open: Vec<usize> = Vec::new();
    let mut count = 0;
    let mut previous: Option<&[u8; 16]> = None;
    // A run stands below a branch when more bytes than the branch's own separate it from what follows.
    let run = |above: Option<usize>, below: usize| usize::from(below > above.map_or(0, |above| above + 1));
    for id in ids {
        if let Some(previous) = previous {
            let common = previous.iter().zip(id).take_while(|(a, b)| a == b).count();
            // What hangs from the branch that was met last is now complete: a leaf, then branch after branch.
            let mut below = previous.len();
            while let Some(top) = open.last().copied().filter(|top| *top > common) {
                count += run(Some(top), below);
                open.pop();
                count += 1;
                below = top;
            }
            count += run(Some(common), below);
            if open.last() != Some(&common) {
                open.push(common);
            }
        }
        previous = Some(id);
    }
    let mut below = previous.map_or(0, |last| last.len());
    while let Some(top) = open.pop() {
        count += run(Some(top), below) + 1;
        below = top;
    }
    count + run(None, below)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(ids: &[(u64, u64)]) -> usize {
        let mut ids: Vec<[u8; 16]> =
            ids.iter().map(|(ms, seq)| StreamId { ms: *ms, seq: *seq }.to_bytes()).collect();
        ids.sort_unstable();
        branches_and_runs(&ids)
    }

    #[test]
    fn the_counts_are_those_of_redis() {
        // XINFO STREAM of redis-8.10 with stream-node-max-entries 1.
        assert_eq!(count(&[]), 0);
        assert_eq!(count(&[(1, 1)]), 1);
        assert_eq!(count(&[(1, 1), (1, 2)]), 2);
        assert_eq!(count(&[(1, 1), (2, 1)]), 4);
        assert_eq!(count(&[(1, 1), (1, 256)]), 4);
        assert_eq!(count(&[(1, 1), (1, 2), (1, 257)]), 4);
        let many: Vec<(u64, u64)> = (0..300).map(|seq| (1, seq)).collect();
        assert_eq!(count(&many), 4);
    }
}
