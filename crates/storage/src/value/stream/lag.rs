//! How far a group has read: a guess from the stream's counters, which deletions can spoil.
//!
//! Owns the rules of that guess, which differ between servers; they were found by comparing 13,000 answers of
//! each of nine versions. Never counts entries.

use std::cmp::Ordering;

use super::{Group, Stream, StreamId};

/// Whose rules count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LagRule {
    /// Redis 7.0 to 7.4, Valkey up to 8.0
    Redis7,
    /// Redis 8.0 and later: an empty stream has no lag, and one that is all ahead has all its entries.
    Redis8,
    /// Valkey from 8.1 on
    Valkey,
}

impl Stream {
    /// How many entries a group has yet to read; `None` when it cannot be told.
    pub fn lag(&self, group: &Group, rule: LagRule) -> Option<i64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if rule == LagRule::Redis8 {
            if self.is_empty() {
                return Some(0);
            }
            if group.last_id < self.first_id && self.max_deleted_id < self.first_id {
                return Some(self.length.cast_signed());
            }
        }
        let read = match group.entries_read {
            Some(read) if !self.has_deleted_from(group.last_id, rule) => Some(read),
            _ => self.position_of(group.last_id, rule),
        };
        Some(self.entries_added.cast_signed().wrapping_sub(read?.cast_signed()))
    }

    /// How many entries were added up to the one with this ID, where the counters can tell.
    pub fn position_of(&self, id: StreamId, rule: LagRule) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if self.is_empty() && id <= self.last_id {
            return Some(self.entries_added);
        }
        if rule != LagRule::Redis7 && id != StreamId::MIN && id < self.max_deleted_id {
            return None;
        }
        match id.cmp(&self.last_id) {
            Ordering::Equal => return Some(self.entries_added),
            Ordering::Greater => return None,
            Ordering::Less => {}
        }
        if self.max_deleted_id == StreamId::MIN || self.max_deleted_id < self.first_id {
            let before_first = self.entries_added.wrapping_sub(self.length);
            match id.cmp(&self.first_id) {
                Ordering::Less => return Some(before_first),
                Ordering::Equal => return Some(before_first.wrapping_add(1)),
                Ordering::Greater => {}
            }
        }
        None
    }

    /// Whether entries at or above this ID may have been deleted from among those that are left.
    pub fn has_deleted_from(&self, id: StreamId, rule: LagRule) -> bool {
        let among_those_left = rule == LagRule::Valkey || self.first_id <= self.max_deleted_id;
        !self.is_empty()
            && self.max_deleted_id != StreamId::MIN
            && among_those_left
            && id <= self.max_deleted_id
    }
}
