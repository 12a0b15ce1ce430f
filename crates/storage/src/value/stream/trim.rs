//! XTRIM, and XADD's trimming.
//!
//! Owns which entries go, and what becomes of their nodes and of the groups that have them pending. It follows
//! Redis step by step: whole nodes are dropped, entries of the node at the border are marked deleted.

use super::{Stream, StreamId};

/// How far to trim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrimTo {
    /// Until so many entries are left.
    Length(u64),
    /// Until no ID is below this one.
    Id(StreamId),
}

/// What becomes of groups' pending entries when an entry goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum References {
    /// They stay (`KEEPREF`).
    #[default]
    Keep,
    /// They go too (`DELREF`).
    Delete,
    /// Only entries go that every group has read and acknowledged (`ACKED`).
    Acknowledged,
}

/// An order to trim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    /// How far.
    pub to: TrimTo,
    /// Only whole nodes (`~`).
    pub approximate: bool,
    /// Look at no more entries than this.
    pub limit: Option<u64>,
    /// What becomes of references.
    pub references: References,
}

impl Stream {
    /// Removes entries from the front; says how many.
    pub fn trim(&mut self, trim: Trim) -> u64 {
        let mut deleted = 0u64;
        let mut from = StreamId::MIN;
        while let Some((&master, node)) = self.nodes.range(from..).next() {
            if trim.to == TrimTo::Length(self.length)
                || matches!(trim.to, TrimTo::Length(most) if self.length < most)
            {
                break;
            }
            let (live, _) = node.counts();
            if trim.limit.is_some_and(|limit| deleted.saturating_add(live) > limit) {
                break;
            }
            let whole = match trim.to {
                TrimTo::Length(most) => self.length.saturating_sub(live) >= most,
                TrimTo::Id(first) => node.last_id(master).is_some_and(|last| last < first),
            };
            if !whole && trim.approximate && trim.references == References::Keep {
                break;
            }
            let Some(next) = master.next() else { break };
            from = next;
            if whole && (trim.references == References::Keep || self.groups.is_empty()) {
                self.nodes.remove(&master);
                self.length = self.length.saturating_sub(live);
                deleted += live;
            } else {
                deleted += self.trim_within(master, whole, trim);
                if trim.references == References::Keep {
                    break;
                }
            }
        }
        if deleted > 0 {
            self.find_first_id();
        }
        deleted
    }

    /// Marks entries of one node deleted, as far as `trim` says; says how many.
    fn trim_within(&mut self, master: StreamId, whole: bool, trim: Trim) -> u64 {
        let mut gone = Vec::new();
        if let Some(entries) = self.nodes.get(&master).and_then(|node| node.entries(master)) {
            let mut left = self.length;
            for entry in entries {
                let is_enough = match trim.to {
                    TrimTo::Length(most) => left <= most,
                    TrimTo::Id(first) => entry.id >= first,
                };
                if is_enough {
                    break;
                }
                let stays = trim.references == References::Acknowledged && !self.is_acknowledged(entry.id);
                if !entry.is_deleted && !stays {
                    gone.push((entry.id, entry.at));
                    left = left.saturating_sub(1);
                }
            }
        }
        let count = gone.len() as u64;
        self.length = self.length.saturating_sub(count);
        if let Some(node) = self.nodes.get_mut(&master) {
            // Flags are one byte whatever they say, so every place stays right until the counts change.
            for (_, at) in &gone {
                node.mark_deleted(*at);
            }
            let change = i64::try_from(count).unwrap_or(i64::MAX);
            node.add_to_counts(-change, change);
            // A node whose last ID is not below the border stays, even when nothing is left alive in it.
            if whole && node.counts().0 == 0 {
                self.nodes.remove(&master);
            }
        }
        if trim.references == References::Delete {
            for (id, _) in gone {
                self.remove_references(id);
            }
        }
        count
    }
}
