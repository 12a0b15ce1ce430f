//! Expiry on a node that follows nobody: what is past its deadline is removed, whether it is asked for or not.
//!
//! Owns the walk, a little at a time. Never runs on a replica: there a key goes when the master says so.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use storage::value::{Hash, ValueRef};
use storage::{DbIndex, ScanCursor, UnixMillis, Wanted, Writer};

use crate::clock;
use crate::latency::Event;
use crate::node::Node;
use crate::stats::add;

/// Keys looked at within one hold of the token.
const KEYS_A_HOLD: usize = 256;
/// How long one round takes at most.
const ROUND_MAX: Duration = Duration::from_millis(2);

/// Where the walk is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk {
    db: DbIndex,
    cursor: ScanCursor,
    /// How long the keys of this database that have a deadline still live, together, and how many they are: of those that
    /// were passed.
    millis_left: u64,
    deadlines: u64,
}

impl Default for Walk {
    fn default() -> Self {
        Walk { db: DbIndex(0), cursor: ScanCursor::START, millis_left: 0, deadlines: 0 }
    }
}

impl Walk {
    /// Walks on for one round; on a thread that may wait for the token.
    pub(crate) fn round(mut self, node: &Node) -> Walk {
        let began = clock::steady();
        // Every database is entered at most once in a round: when there is little, little is done.
        let mut left = node.databases;
        if node.eviction.is_bounded() {
            node.eviction.make_room(node, &node.store.writer());
        }
        if !node.walks_expired.load(Relaxed) {
            return self;
        }
        // Without the waits for the token.
        let mut walked = 0;
        while left > 0 && clock::steady().saturating_duration_since(began) < ROUND_MAX {
            let writer = node.store.writer();
            if !node.upstream.is_writable() || writer.is_frozen() {
                break;
            }
            let now = clock::unix_millis();
            let holding = clock::steady();
            let stepped = step(&writer, self.db, self.cursor, now);
            walked += clock::nanos_since(holding);
            self.cursor = stepped.next;
            add(&node.stats.local().expired_keys, stepped.keys);
            add(&node.stats.local().expired_fields, stepped.fields);
            self.millis_left = self.millis_left.saturating_add(stepped.millis_left);
            self.deadlines += stepped.deadlines;
            if self.cursor == ScanCursor::START {
                let average = self.millis_left.checked_div(self.deadlines).unwrap_or_default();
                node.samples.has_average_ttl(self.db, average);
                (self.millis_left, self.deadlines) = (0, 0);
                let next = self.db.0 + 1;
                self.db = DbIndex(if next < node.databases { next } else { 0 });
                left -= 1;
            }
        }
        let block = node.stats.local();
        add(&block.walk_nanos, walked);
        let is_cut_short = left > 0 && clock::steady().saturating_duration_since(began) >= ROUND_MAX;
        add(&block.walks_cut_short, u64::from(is_cut_short));
        node.note_event(Event::ExpireCycle, walked);
        self
    }
}

/// What a step of the walk did.
struct Stepped {
    /// Where to go on.
    next: ScanCursor,
    /// How many keys went.
    keys: u64,
    /// How many fields of hashes went.
    fields: u64,
    /// How long the others of these keys that have a deadline still live, together, and how many they are.
    millis_left: u64,
    deadlines: u64,
}

/// Removes what has expired of the next few keys.
fn step(writer: &Writer<'_>, db: DbIndex, cursor: ScanCursor, now: UnixMillis) -> Stepped {
    let mut keys: Vec<Vec<u8>> = Vec::new();
    let mut hashes: Vec<Vec<u8>> = Vec::new();
    let (mut millis_left, mut deadlines) = (0u64, 0);
    let next = writer.db(db, UnixMillis::NOTHING_EXPIRED).scan(cursor, KEYS_A_HOLD, |key, entry| {
        let is_visible = entry.is_visible(now);
        if is_visible && let Some(deadline) = entry.deadline() {
            millis_left = millis_left.saturating_add(deadline.0.abs_diff(now.0));
            deadlines += 1;
        }
        if !is_visible {
            keys.push(key.to_vec());
        } else if let ValueRef::Hash(hash) = entry.value()
            && hash.soonest_deadline().is_some_and(|deadline| deadline.is_past(now))
        {
            hashes.push(key.to_vec());
        }
    });
    let expired = keys.len() as u64;
    for key in keys {
        // It was there, and says that it was not: its deadline is past.
        writer.uncounted(|| writer.db(db, now).remove(&key));
    }
    let mut fields = 0;
    for key in hashes {
        writer.db(db, now).edit(&key, |slot| {
            // It is a hash: nobody else changes data meanwhile.
            let gone = slot.edit(|hash: &mut Hash| {
                let gone: Vec<Vec<u8>> = hash
                    .view()
                    .all()
                    .filter(|field| !field.is_visible(now))
                    .map(|field| field.name.to_vec())
                    .collect();
                fields += gone.len() as u64;
                for name in &gone {
                    hash.remove(name);
                }
                gone
            });
            // Nobody has changed anything.
            slot.counts(0);
            if let Ok(Some(gone)) = gone {
                slot.event_in(Wanted::HASH, "hexpired", gone.iter().map(Vec::as_slice));
            }
        });
    }
    Stepped { next, keys: expired, fields, millis_left, deadlines }
}
