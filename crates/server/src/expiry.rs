//! Expiry on a node that follows nobody: what is past its deadline is removed, whether it is asked for or not.
//!
//! Owns the walk, a little at a time, and what becomes of keys that a request meets. Never removes anything on a
//! replica: there a key goes when the master says so; nor while clients are paused.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use commands::spec::KeyFlags;
use commands::{Command, Group};
use protocol::Args;
use storage::value::{Hash, ValueRef};
use storage::{DbIndex, EntryView, Lookups, Missed, ScanCursor, UnixMillis, Wanted, Writer};

use crate::clock;
use crate::latency::Event;
use crate::node::Node;
use crate::pause::Paused;
use crate::stats::add;

/// Keys looked at within one hold of the token.
const KEYS_A_HOLD: usize = 256;
/// The same where only keys with a deadline are: shards of the keyspace.
const SHARDS_A_HOLD: usize = 4;
/// Fields of one hash removed within one hold.
const FIELDS_A_HOLD: usize = 1024;
/// How long one round takes at most.
const ROUND_MAX: Duration = Duration::from_millis(2);

/// Where the walk is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk {
    db: DbIndex,
    cursor: ScanCursor,
    /// How long the keys of this database that have a deadline still live, together, and how many they are: of those
    /// that were passed.
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
            let writer = node.store.writer();
            node.eviction.make_room(node, &writer);
            node.blocking.serve_ready(node, &writer);
        }
        if !node.walks_expired.load(Relaxed) || node.pause.at(began) != Paused::Nothing {
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
            let stepped = if has_deadlines(&writer, self.db) {
                step(&writer, self.db, self.cursor, now)
            } else {
                Stepped::nothing()
            };
            // Who waits for a stream hears that it is gone.
            node.blocking.serve_ready(node, &writer);
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

/// Removes the keys that this request, which may write, names, as far as they are past their deadline: before it runs,
/// as whoever looks a key up meets it. Those that are only deleted or overwritten go when they are, but for the first
/// of the latter, and so do lists that something is moved to.
#[inline(never)] // rare enough not to be part of each batch's code
pub(crate) fn before(writer: &Writer<'_>, db: DbIndex, command: &Command, args: Args<'_>, now: UnixMillis) {
    let mut db = writer.db(db, now);
    if db.deadlines() == 0 || writer.is_frozen() {
        return;
    }
    let mut expired = 0;
    // Wrong arguments may stand behind keys that are looked up before that is seen, or not: the walk finds these.
    let _ = command.visit_keys(&args, |key| {
        let is_looked_at = key.flags.contains(KeyFlags::ACCESS);
        let is_overwritten = key.flags.contains(KeyFlags::OW) && !is_looked_at && key.index > 0;
        let is_deleted = key.flags.contains(KeyFlags::RM) && !is_looked_at;
        let is_added_to = key.flags.contains(KeyFlags::INSERT) && command.group == Group::List;
        let goes_later = is_overwritten || is_deleted || is_added_to && key.index > 0;
        if !goes_later && db.is_expired(args.get(key.index)) {
            writer.writes_for(None);
            expired += u64::from(db.expire(args.get(key.index)));
        }
    });
    if expired > 0 {
        (0..expired).for_each(|_| writer.expired_key());
        // Before what the request itself gives rise to.
        writer.tell();
    }
}

/// Removes what a request has met past its deadline, and tells what it asked for in vain, key by key.
#[inline]
pub(crate) fn after(node: &Node, writer: &Writer<'_>, lookups: &Lookups, command: &Command, now: UnixMillis) {
    let missed = lookups.take();
    if !missed.is_empty() {
        after_missing(node, writer, missed, command, now);
    }
}

#[cold]
fn after_missing(node: &Node, writer: &Writer<'_>, missed: Vec<Missed>, command: &Command, now: UnixMillis) {
    let may_remove = node.upstream.is_writable()
        && !writer.is_frozen()
        && node.pause.at(clock::steady()) == Paused::Nothing;
    for missed in missed {
        if missed.is_expired && may_remove {
            writer.writes_for(None);
            if let Some(fields) = &missed.fields {
                // Who asks for fields by name is not told of the last one, as by Redis.
                let tells_all = command.name == "hrandfield";
                let gone = expire_fields(writer, missed.db, &missed.key, Some(fields), tells_all, now);
                writer.expired_fields(gone);
            } else if writer.db(missed.db, now).expire(&missed.key) {
                writer.expired_key();
            }
            writer.tell();
        }
        node.hub.tell_missed([missed], command);
    }
}

/// Removes those fields of a hash that are past their deadlines, of these, or of all; of very many the first. Says how
/// many they were. That is told; where the hash goes with them, only if `tells_all`.
fn expire_fields(
    writer: &Writer<'_>,
    db: DbIndex,
    key: &[u8],
    of: Option<&[Box<[u8]>]>,
    tells_all: bool,
    now: UnixMillis,
) -> usize {
    writer.db(db, now).edit(key, |slot| {
        let edited = slot.edit(|hash: &mut Hash| {
            let gone = match of {
                Some(of) => {
                    let is_past = |hash: &Hash, name: &[u8]| {
                        hash.view().find(name).is_some_and(|field| !field.is_visible(now))
                    };
                    let mut gone = Vec::new();
                    for name in of {
                        if is_past(hash, name) && hash.remove(name).is_some() {
                            gone.push(name.to_vec());
                        }
                    }
                    gone
                }
                None => hash.take_expired(now, FIELDS_A_HOLD),
            };
            (gone, hash.view().is_empty())
        });
        let Ok(Some((gone, is_emptied))) = edited else { return 0 };
        if gone.is_empty() {
            slot.unchanged();
        } else {
            // Nobody has changed anything.
            slot.counts(0);
        }
        if !gone.is_empty() && (tells_all || !is_emptied) {
            slot.event_in(Wanted::HASH, "hexpired", gone.iter().map(Vec::as_slice));
        }
        gone.len()
    })
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

impl Stepped {
    /// There is nothing to do in this database.
    fn nothing() -> Self {
        Stepped { next: ScanCursor::START, keys: 0, fields: 0, millis_left: 0, deadlines: 0 }
    }
}

fn has_deadlines(writer: &Writer<'_>, db: DbIndex) -> bool {
    let db = writer.db(db, UnixMillis::NOTHING_EXPIRED);
    db.deadlines() + db.field_deadlines() > 0
}

/// Removes what has expired of the next few keys.
fn step(writer: &Writer<'_>, db: DbIndex, cursor: ScanCursor, now: UnixMillis) -> Stepped {
    let mut keys: Vec<Vec<u8>> = Vec::new();
    let mut hashes: Vec<Vec<u8>> = Vec::new();
    let (mut millis_left, mut deadlines) = (0u64, 0);
    let all = writer.db(db, UnixMillis::NOTHING_EXPIRED);
    let look_at = |entry: &EntryView| {
        let is_visible = entry.is_visible(now);
        if is_visible && let Some(deadline) = entry.deadline() {
            millis_left = millis_left.saturating_add(deadline.0.abs_diff(now.0));
            deadlines += 1;
        }
        if !is_visible {
            keys.push(entry.key().to_vec());
        } else if let ValueRef::Hash(hash) = entry.value()
            && hash.may_have_expired(now)
        {
            hashes.push(entry.key().to_vec());
        }
    };
    let next = if all.field_deadlines() > 0 {
        let mut look_at = look_at;
        all.scan(cursor, KEYS_A_HOLD, |_, entry| look_at(entry))
    } else {
        all.with_deadline(cursor, SHARDS_A_HOLD, look_at)
    };
    let expired = keys.len() as u64;
    for key in keys {
        writer.db(db, now).expire(&key);
    }
    let fields = hashes.iter().map(|key| expire_fields(writer, db, key, None, true, now) as u64).sum();
    Stepped { next, keys: expired, fields, millis_left, deadlines }
}
