//! A B+tree that counts: keys in order, found by rank, each a word in a leaf of 64.
//!
//! It is addressed by rank alone: a search turns a bound into a rank, everything else takes ranks. So it needs no
//! order of its own, a range of any sort is two searches, and an iterator is two numbers that find each leaf anew
//! (a walk of three or four nodes for some 45 keys) and holds no stack.
//!
//! Nodes are about 70 % full after random inserts and full after ascending or descending ones (an RDB has a sorted
//! set from its end): 8 to 12 bytes a key, and half a byte for the nodes above the leaves.
//!
//! Owns the shape. Never compares, and never looks at a key beyond its [`Key::Mark`].

use std::mem;

use crate::memory::array_bytes;

/// What a tree holds.
pub(crate) trait Key: Copy {
    /// What a search looks at; kept beside the pointer to each node, so that the upper levels read no member.
    type Mark: Copy;
    /// The mark of this key. It must not change while the key is in a tree.
    fn mark(self) -> Self::Mark;
}

/// Keys of a leaf: 512 bytes.
const LEAF_KEYS: usize = 64;
/// Children of an inner node: 1,536 bytes when a mark has 16.
const INNER_CHILDREN: usize = 32;

/// Keys in order.
pub(crate) struct CountedTree<K: Key> {
    root: Node<K>,
    len: usize,
    nodes: Nodes,
}

/// How many nodes are allocated.
#[derive(Clone, Copy, Default)]
struct Nodes {
    leaves: usize,
    inners: usize,
}

enum Node<K: Key> {
    Leaf(Vec<K>),
    Inner(Vec<Child<K>>),
}

struct Child<K: Key> {
    /// Keys below.
    count: usize,
    /// The mark of the first key below.
    first: K::Mark,
    node: Node<K>,
}

/// Where a full node is cut; a run of ascending or descending inserts leaves full nodes behind.
#[derive(Clone, Copy)]
enum Cut {
    Middle,
    First,
    Last,
}

/// The right half of a node that was cut.
struct Split<K: Key> {
    right: Node<K>,
    cut: Cut,
}

impl<K: Key> Default for CountedTree<K> {
    fn default() -> Self {
        CountedTree { root: Node::Leaf(Vec::new()), len: 0, nodes: Nodes::default() }
    }
}

impl<K: Key> CountedTree<K> {
    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Bytes behind it, as the allocator rounds them.
    pub(crate) fn heap_bytes(&self) -> usize {
        // All are made for as many as they may have, but for the only leaf of a small tree, which grows.
        let leaves = match &self.root {
            Node::Leaf(keys) => array_bytes::<K>(keys.capacity()),
            Node::Inner(_) => self.nodes.leaves * array_bytes::<K>(LEAF_KEYS),
        };
        leaves + self.nodes.inners * array_bytes::<Child<K>>(INNER_CHILDREN)
    }

    /// How many keys from the start on satisfy `before`, which holds for a beginning of the keys and for no other.
    pub(crate) fn partition_point(&self, before: impl Fn(K::Mark) -> bool) -> usize {
        let mut rank = 0;
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(keys) => return rank + keys.partition_point(|key| before(key.mark())),
                Node::Inner(children) => {
                    // Only the last child that begins before the bound may hold it.
                    let Some(at) = children.partition_point(|child| before(child.first)).checked_sub(1)
                    else {
                        return rank;
                    };
                    let (left, rest) = children.split_at(at);
                    let Some(child) = rest.first() else { return rank };
                    rank += left.iter().map(|child| child.count).sum::<usize>();
                    node = &child.node;
                }
            }
        }
    }

    /// The key at `rank`.
    pub(crate) fn get(&self, rank: usize) -> Option<K> {
        let (keys, at) = self.leaf_at(rank);
        keys.get(at).copied()
    }

    /// The leaf that holds `rank`, and where in it; an empty slice beyond the end.
    fn leaf_at(&self, mut rank: usize) -> (&[K], usize) {
        let mut node = &self.root;
        'down: loop {
            match node {
                Node::Leaf(keys) => return (keys, rank),
                Node::Inner(children) => {
                    for child in children {
                        if rank < child.count {
                            node = &child.node;
                            continue 'down;
                        }
                        rank -= child.count;
                    }
                    return (&[], 0);
                }
            }
        }
    }

    /// The keys of these ranks, from either end.
    pub(crate) fn range(&self, start: usize, end: usize) -> Range<'_, K> {
        let end = end.min(self.len);
        Range { tree: self, start: start.min(end), end, front: &[], back: &[] }
    }

    /// Puts a key at `rank`; those from there on move up by one.
    ///
    /// # Panics
    /// When `rank` is above the number of keys.
    pub(crate) fn insert_at(&mut self, rank: usize, key: K) {
        assert!(rank <= self.len, "a rank of the tree or its end");
        self.len += 1;
        self.nodes.leaves = self.nodes.leaves.max(1);
        if let Some(split) = self.root.insert_at(rank, key, true, &mut self.nodes) {
            let mut children = Vec::with_capacity(INNER_CHILDREN);
            let left = mem::replace(&mut self.root, Node::Leaf(Vec::new()));
            children.extend(Child::over(left));
            children.extend(Child::over(split.right));
            self.root = Node::Inner(children);
            self.nodes.inners += 1;
        }
    }

    /// Takes the key at `rank` out; those behind it move down by one.
    pub(crate) fn remove_at(&mut self, rank: usize) -> Option<K> {
        if rank >= self.len {
            return None;
        }
        let key = self.root.remove_at(rank, &mut self.nodes)?;
        self.len -= 1;
        while let Node::Inner(children) = &mut self.root {
            match children.len() {
                0 => self.root = Node::Leaf(Vec::new()),
                1 => match children.pop() {
                    Some(only) => self.root = only.node,
                    None => break,
                },
                _ => break,
            }
            self.nodes.inners -= 1;
        }
        Some(key)
    }
}

impl<K: Key> Node<K> {
    /// Children or keys in the node itself.
    fn width(&self) -> usize {
        match self {
            Node::Leaf(keys) => keys.len(),
            Node::Inner(children) => children.len(),
        }
    }

    /// The fewest that a node with siblings keeps.
    fn width_min(&self) -> usize {
        match self {
            Node::Leaf(_) => LEAF_KEYS / 4,
            Node::Inner(_) => INNER_CHILDREN / 4,
        }
    }

    /// The most that two siblings become one of: enough room is left that the next insert does not part them again.
    fn merged_max(&self) -> usize {
        match self {
            Node::Leaf(_) => LEAF_KEYS * 3 / 4,
            Node::Inner(_) => INNER_CHILDREN * 3 / 4,
        }
    }

    /// `last`: nothing of the tree stands behind this node.
    fn insert_at(&mut self, rank: usize, key: K, last: bool, nodes: &mut Nodes) -> Option<Split<K>> {
        match self {
            Node::Leaf(keys) if keys.len() < LEAF_KEYS => {
                if keys.len() == keys.capacity() {
                    // The first leaf of a small tree grows; all others are made whole.
                    keys.reserve_exact((keys.len().max(4) * 2).min(LEAF_KEYS) - keys.len());
                }
                keys.insert(rank, key);
                None
            }
            Node::Leaf(keys) => {
                let (cut, at) = match rank {
                    0 => (Cut::First, 0),
                    LEAF_KEYS if last => (Cut::Last, LEAF_KEYS),
                    _ => (Cut::Middle, LEAF_KEYS / 2),
                };
                let mut right = cut_off(keys, at, LEAF_KEYS);
                nodes.leaves += 1;
                if rank <= at && keys.len() < LEAF_KEYS {
                    keys.insert(rank, key);
                } else {
                    right.insert(rank - at, key);
                }
                Some(Split { right: Node::Leaf(right), cut })
            }
            Node::Inner(children) => {
                let mut below = rank;
                let mut index = 0;
                for child in children.iter() {
                    if below <= child.count {
                        break;
                    }
                    below -= child.count;
                    index += 1;
                }
                let is_last = last && index + 1 == children.len();
                let child = children.get_mut(index)?;
                let split = child.node.insert_at(below, key, is_last, nodes);
                child.refresh();
                let split = split?;
                let new = Child::over(split.right)?;
                if children.len() < INNER_CHILDREN {
                    children.insert(index + 1, new);
                    return None;
                }
                let (cut, at) = match split.cut {
                    Cut::First => (Cut::First, 1),
                    Cut::Last => (Cut::Last, INNER_CHILDREN),
                    Cut::Middle => (Cut::Middle, INNER_CHILDREN / 2),
                };
                let mut right = cut_off(children, at, INNER_CHILDREN);
                nodes.inners += 1;
                if index < at && children.len() < INNER_CHILDREN {
                    children.insert(index + 1, new);
                } else {
                    right.insert(index + 1 - at, new);
                }
                Some(Split { right: Node::Inner(right), cut })
            }
        }
    }

    /// `None` when `rank` is not below this node.
    fn remove_at(&mut self, rank: usize, nodes: &mut Nodes) -> Option<K> {
        let children = match self {
            Node::Leaf(keys) => {
                if rank >= keys.len() {
                    return None;
                }
                let key = keys.remove(rank);
                if keys.is_empty() {
                    *keys = Vec::new();
                    nodes.leaves -= 1;
                }
                return Some(key);
            }
            Node::Inner(children) => children,
        };
        let mut below = rank;
        let mut index = 0;
        for child in children.iter() {
            if below < child.count {
                break;
            }
            below -= child.count;
            index += 1;
        }
        let child = children.get_mut(index)?;
        let key = child.node.remove_at(below, nodes)?;
        let width = child.node.width();
        if width == 0 {
            if matches!(child.node, Node::Inner(_)) {
                nodes.inners -= 1;
            }
            children.remove(index);
        } else {
            let is_small = width < child.node.width_min();
            child.refresh();
            if is_small {
                rejoin(children, index, nodes);
            }
        }
        Some(key)
    }
}

impl<K: Key> Child<K> {
    /// `None` when nothing is below.
    fn over(node: Node<K>) -> Option<Child<K>> {
        let (count, first) = match &node {
            Node::Leaf(keys) => (keys.len(), keys.first()?.mark()),
            Node::Inner(children) => {
                (children.iter().map(|child| child.count).sum(), children.first()?.first)
            }
        };
        Some(Child { count, first, node })
    }

    /// Learns again what is below.
    fn refresh(&mut self) {
        match &self.node {
            Node::Leaf(keys) => {
                self.count = keys.len();
                if let Some(first) = keys.first() {
                    self.first = first.mark();
                }
            }
            Node::Inner(children) => {
                self.count = children.iter().map(|child| child.count).sum();
                if let Some(first) = children.first() {
                    self.first = first.first;
                }
            }
        }
    }
}

/// What stands behind `at`, in a vector of its own.
fn cut_off<T>(left: &mut Vec<T>, at: usize, capacity: usize) -> Vec<T> {
    let mut right = Vec::with_capacity(capacity);
    right.extend(left.drain(at..));
    right
}

/// Makes one node of a small child and its neighbour, or shares their content evenly.
fn rejoin<K: Key>(children: &mut Vec<Child<K>>, index: usize, nodes: &mut Nodes) {
    let left_index = if index + 1 < children.len() { index } else { index.saturating_sub(1) };
    let Some([left, right]) = children.get_mut(left_index..left_index + 2) else { return };
    let total = left.node.width() + right.node.width();
    if total > left.node.merged_max() {
        match (&mut left.node, &mut right.node) {
            (Node::Leaf(left), Node::Leaf(right)) => share(left, right),
            (Node::Inner(left), Node::Inner(right)) => share(left, right),
            _ => return, // all leaves are at one depth
        }
        left.refresh();
        right.refresh();
        return;
    }
    match (&mut left.node, &mut right.node) {
        (Node::Leaf(left), Node::Leaf(right)) => {
            left.reserve_exact(LEAF_KEYS - left.len());
            left.append(right);
            nodes.leaves -= 1;
        }
        (Node::Inner(left), Node::Inner(right)) => {
            left.append(right);
            nodes.inners -= 1;
        }
        _ => return,
    }
    left.refresh();
    children.remove(left_index + 1);
}

/// Evens out two neighbours.
fn share<T>(left: &mut Vec<T>, right: &mut Vec<T>) {
    let half = (left.len() + right.len()) / 2;
    if left.len() > half {
        right.splice(0..0, left.drain(half..));
    } else {
        left.extend(right.drain(..half - left.len()));
    }
}

/// Keys of neighbouring ranks, from either end.
pub(crate) struct Range<'a, K: Key> {
    tree: &'a CountedTree<K>,
    start: usize,
    end: usize,
    /// What is left of the leaf at the start, and of the one at the end.
    front: &'a [K],
    back: &'a [K],
}

impl<K: Key> Clone for Range<'_, K> {
    fn clone(&self) -> Self {
        Range { ..*self }
    }
}

impl<K: Key> Range<'_, K> {
    #[inline(never)] // once in a leaf
    fn enter_next_leaf(&mut self) {
        let (keys, at) = self.tree.leaf_at(self.start);
        self.front = keys.get(at..).unwrap_or_default();
    }
}

impl<K: Key> Iterator for Range<'_, K> {
    type Item = K;

    #[inline]
    fn next(&mut self) -> Option<K> {
        if self.start >= self.end {
            return None;
        }
        if self.front.is_empty() {
            self.enter_next_leaf();
        }
        let (key, rest) = self.front.split_first()?;
        self.front = rest;
        self.start += 1;
        Some(*key)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.end - self.start;
        (left, Some(left))
    }
}

impl<K: Key> DoubleEndedIterator for Range<'_, K> {
    fn next_back(&mut self) -> Option<K> {
        if self.start >= self.end {
            return None;
        }
        if self.back.is_empty() {
            let (keys, at) = self.tree.leaf_at(self.end - 1);
            self.back = keys.get(..=at)?;
        }
        let (key, rest) = self.back.split_last()?;
        self.back = rest;
        self.end -= 1;
        Some(*key)
    }
}

impl<K: Key> ExactSizeIterator for Range<'_, K> {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Key for u32 {
        type Mark = u32;
        fn mark(self) -> u32 {
            self
        }
    }

    /// Every rule of the shape, from the root down; how deep the leaves are, and the nodes counted.
    fn check(node: &Node<u32>, is_root: bool, nodes: &mut Nodes) -> usize {
        match node {
            Node::Leaf(keys) => {
                assert!(keys.len() <= LEAF_KEYS && (is_root || !keys.is_empty()));
                assert!(keys.capacity() <= LEAF_KEYS);
                nodes.leaves += usize::from(keys.capacity() > 0);
                0
            }
            Node::Inner(children) => {
                nodes.inners += 1;
                assert!(children.len() <= INNER_CHILDREN && children.len() > usize::from(is_root));
                assert_eq!(children.capacity(), INNER_CHILDREN);
                let depths: Vec<usize> = children
                    .iter()
                    .map(|child| {
                        let depth = check(&child.node, false, nodes);
                        let (count, first) = match &child.node {
                            Node::Leaf(keys) => (keys.len(), keys[0]),
                            Node::Inner(below) => {
                                (below.iter().map(|child| child.count).sum(), below[0].first)
                            }
                        };
                        assert_eq!((child.count, child.first), (count, first));
                        depth
                    })
                    .collect();
                assert!(depths.iter().all(|depth| *depth == depths[0]), "all leaves are at one depth");
                depths[0] + 1
            }
        }
    }

    fn assert_same(tree: &CountedTree<u32>, model: &[u32]) {
        let mut nodes = Nodes::default();
        check(&tree.root, true, &mut nodes);
        assert_eq!((nodes.leaves, nodes.inners), (tree.nodes.leaves, tree.nodes.inners));
        assert_eq!(tree.len(), model.len());
        assert!(tree.range(0, usize::MAX).eq(model.iter().copied()));
        assert!(tree.range(0, model.len()).rev().eq(model.iter().rev().copied()));
    }

    fn insert(tree: &mut CountedTree<u32>, key: u32) {
        let rank = tree.partition_point(|mark| mark < key);
        tree.insert_at(rank, key);
    }

    #[test]
    #[cfg_attr(miri, ignore = "too many keys")]
    fn runs_fill_their_nodes() {
        let mut up = CountedTree::default();
        let mut down = CountedTree::default();
        for key in 0..100_000u32 {
            insert(&mut up, key);
            insert(&mut down, 100_000 - key);
        }
        for tree in [&up, &down] {
            let a_key = tree.heap_bytes() as f64 / 100_000.0 / size_of::<u32>() as f64;
            assert!(a_key < 1.4, "{a_key} words a key"); // 1 and what the inner nodes take
        }
        assert_same(&up, &(0..100_000).collect::<Vec<_>>());
        assert_same(&down, &(1..=100_000).collect::<Vec<_>>());
    }

    #[test]
    #[cfg_attr(miri, ignore = "too many keys")]
    fn an_emptied_tree_holds_nothing() {
        let mut tree = CountedTree::default();
        (0..10_000).for_each(|key| insert(&mut tree, key));
        for left in (0..10_000).rev() {
            let key = tree.remove_at(left * 7919 % (left + 1));
            assert!(key.is_some());
        }
        assert_same(&tree, &[]);
        assert_eq!(tree.heap_bytes(), 0);
        assert_eq!(tree.remove_at(0), None);
    }

    const RUN_MAX: u16 = if cfg!(miri) { 60 } else { 600 };

    #[derive(Debug, Clone)]
    enum Op {
        Insert(u32),
        Run(u32, u16),
        RunDown(u32, u16),
        Remove(usize),
        RemoveMany(usize, u16),
        Range(usize, usize, Vec<bool>),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            4 => any::<u32>().prop_map(Op::Insert),
            1 => (any::<u32>(), 0..RUN_MAX).prop_map(|(from, count)| Op::Run(from, count)),
            1 => (any::<u32>(), 0..RUN_MAX).prop_map(|(from, count)| Op::RunDown(from, count)),
            4 => any::<usize>().prop_map(Op::Remove),
            1 => (any::<usize>(), 0..RUN_MAX * 3 / 2).prop_map(|(at, count)| Op::RemoveMany(at, count)),
            2 => (any::<usize>(), any::<usize>(), proptest::collection::vec(any::<bool>(), 0..300))
                .prop_map(|(start, end, ends)| Op::Range(start, end, ends)),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_a_sorted_vector(ops in proptest::collection::vec(op(), 1..if cfg!(miri) { 12 } else { 60 })) {
            let mut tree = CountedTree::default();
            let mut model: Vec<u32> = Vec::new();
            let add = |tree: &mut CountedTree<u32>, model: &mut Vec<u32>, key: u32| {
                let rank = model.partition_point(|other| *other < key);
                assert_eq!(tree.partition_point(|mark| mark < key), rank);
                tree.insert_at(rank, key);
                model.insert(rank, key);
            };
            for op in ops {
                match op {
                    Op::Insert(key) => add(&mut tree, &mut model, key),
                    Op::Run(from, count) => {
                        (0..u32::from(count)).for_each(|i| add(&mut tree, &mut model, from.saturating_add(i)));
                    }
                    Op::RunDown(from, count) => {
                        (0..u32::from(count)).for_each(|i| add(&mut tree, &mut model, from.saturating_sub(i)));
                    }
                    Op::Remove(at) if !model.is_empty() => {
                        let at = at % model.len();
                        prop_assert_eq!(tree.get(at), Some(model[at]));
                        prop_assert_eq!(tree.remove_at(at), Some(model.remove(at)));
                    }
                    Op::RemoveMany(at, count) if !model.is_empty() => {
                        let at = at % model.len();
                        let count = usize::from(count).min(model.len() - at);
                        for _ in 0..count {
                            prop_assert_eq!(tree.remove_at(at), Some(model.remove(at)));
                        }
                    }
                    Op::Range(start, end, ends) if !model.is_empty() => {
                        let (start, end) = (start % model.len(), end % (model.len() + 1));
                        let (start, end) = (start.min(end), start.max(end));
                        let mut range = tree.range(start, end);
                        let mut slice = model[start..end].iter().copied();
                        for front in ends {
                            let pair = if front { (range.next(), slice.next()) }
                                else { (range.next_back(), slice.next_back()) };
                            prop_assert_eq!(pair.0, pair.1);
                        }
                        prop_assert_eq!(range.len(), slice.len());
                    }
                    _ => {}
                }
            }
            assert_same(&tree, &model);
        }
    }
}
