//! Two servers compared key by key, by reads that any client can send.
//!
//! Finds what `DEBUG DIGEST` does not see: deadlines and their values, encodings, stream groups and pending
//! entries, function libraries. Never writes.

use std::collections::BTreeSet;

use super::client::shown;
use super::{Client, Frame};

/// What to compare beside values.
#[derive(Clone, Copy, Debug)]
pub struct Depth {
    /// OBJECT ENCODING: only where the master names encodings as Redis 7.2 and later do.
    pub encodings: bool,
    /// Who had the values from a load.
    pub loaded: Loaded,
    /// HPEXPIRETIME: where the master knows deadlines of fields.
    pub field_deadlines: bool,
    /// PEXPIRETIME: from 7.0 on; before, PTTL within a tolerance.
    pub absolute_deadlines: bool,
    /// That tolerance: relative deadlines count from when the bytes came, so an outage moves them, as at a real
    /// replica.
    pub deadline_slack_ms: i64,
    /// FUNCTION LIST: from 7.0 on.
    pub functions: bool,
    /// XINFO STREAM FULL: from 6.0 on.
    pub streams: bool,
    /// How many nodes a stream has: until some way into 6.2 an entry went into a node that was not full yet, however
    /// long it was. No command can tell, for such masters pass trimming on as exact.
    pub stream_nodes: bool,
    /// How many of a stream's idempotent IDs are tracked: those past their time are not counted here, and by a real
    /// server until its cron comes by.
    pub tracked_ids: bool,
}

/// Whose values may be packed where the other's are big: a load packs what fits, who has applied each change keeps a
/// form that a value has once grown into. A real replica differs in the same way after a full sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loaded {
    Neither,
    Ours,
    Theirs,
}

impl Depth {
    /// All that this version of a master can be asked.
    pub fn of(version: (u32, u32), valkey: bool) -> Depth {
        let since = |redis, from_valkey| version >= if valkey { from_valkey } else { redis };
        Depth {
            encodings: since((7, 2), (8, 0)),
            loaded: Loaded::Ours,
            field_deadlines: since((7, 4), (9, 0)),
            absolute_deadlines: since((7, 0), (0, 0)),
            deadline_slack_ms: 1500, // more than the loopback needs
            functions: since((7, 0), (0, 0)),
            streams: since((6, 0), (0, 0)),
            stream_nodes: since((7, 0), (0, 0)),
            tracked_ids: true,
        }
    }
}

/// Every difference, in words; empty when there is none. Stops at 20.
pub fn differences(ours: &mut Client, theirs: &mut Client, databases: u32, depth: Depth) -> Vec<String> {
    let mut found = Vec::new();
    for db in 0..databases {
        for client in [&mut *ours, &mut *theirs] {
            client.line(&format!("SELECT {db}"));
        }
        let keys_here = keys(ours);
        let keys_there = keys(theirs);
        for key in keys_here.symmetric_difference(&keys_there) {
            let place = if keys_here.contains(key) { "only here" } else { "only at the master" };
            found.push(format!("db{db}: {} is {place}", key.escape_ascii()));
        }
        for key in keys_here.intersection(&keys_there) {
            compare_key(ours, theirs, db, key, depth, &mut found);
            if found.len() > 20 {
                found.push("…".into());
                return found;
            }
        }
    }
    if depth.functions {
        let (mut a, mut b) = (
            libraries(&ours.ask(&["FUNCTION", "LIST", "WITHCODE"])),
            libraries(&theirs.ask(&["FUNCTION", "LIST", "WITHCODE"])),
        );
        a.sort();
        b.sort();
        if a != b {
            found.push(format!("FUNCTION LIST: {a:?} here, {b:?} at the master"));
        }
    }
    found
}

/// All keys of the selected database, by SCAN.
pub fn keys(client: &mut Client) -> BTreeSet<Vec<u8>> {
    let mut all = BTreeSet::new();
    let mut cursor = b"0".to_vec();
    loop {
        let reply = client.ask(&[b"SCAN".as_slice(), &cursor, b"COUNT", b"1000"]);
        let parts = reply.items();
        all.extend(parts[1].items().iter().map(|key| key.bytes().to_vec()));
        cursor = parts[0].bytes().to_vec();
        if cursor == b"0" {
            return all;
        }
    }
}

fn compare_key(
    ours: &mut Client,
    theirs: &mut Client,
    db: u32,
    key: &[u8],
    depth: Depth,
    found: &mut Vec<String>,
) {
    let mut same = |words: &[&[u8]], order: Order| {
        let (mut here, mut there) = (ours.ask(words), theirs.ask(words));
        order.apply(&mut here);
        order.apply(&mut there);
        let equal = here == there;
        if !equal {
            found.push(format!("db{db}: {}: {}", shown(words), both(&here, &there)));
        }
        equal.then_some(there)
    };
    let Some(kind) = same(&[b"TYPE", key], Order::Kept) else { return };
    if depth.absolute_deadlines {
        same(&[b"PEXPIRETIME", key], Order::Kept);
    } else {
        let (here, there) = (ours.ask(&[b"PTTL", key]).int(), theirs.ask(&[b"PTTL", key]).int());
        if here.signum() != there.signum() || (here - there).abs() > depth.deadline_slack_ms {
            found.push(format!("db{db}: PTTL {}: {here} here, {there} at the master", key.escape_ascii()));
        }
    }
    let mut same = |words: &[&[u8]], order: Order| {
        let (mut here, mut there) = (ours.ask(words), theirs.ask(words));
        order.apply(&mut here);
        order.apply(&mut there);
        if here != there && !order.accepts(&here, &there) {
            found.push(format!("db{db}: {}: {}", shown(words), both(&here, &there)));
        }
        there
    };
    if depth.encodings {
        same(
            &[b"OBJECT", b"ENCODING", key],
            Order::Encoding { loaded: depth.loaded, set: kind.text() == "set" },
        );
    }
    match kind.text().as_str() {
        "string" => drop(same(&[b"GET", key], Order::Kept)),
        "list" => drop(same(&[b"LRANGE", key, b"0", b"-1"], Order::Kept)),
        "set" => drop(same(&[b"SMEMBERS", key], Order::Members)),
        "zset" => drop(same(&[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"], Order::Scores)),
        "hash" => {
            let all = same(&[b"HGETALL", key], Order::Pairs);
            if depth.field_deadlines {
                let fields: Vec<&[u8]> = all.items().chunks(2).map(|pair| pair[0].bytes()).collect();
                for some in fields.chunks(500) {
                    let count = some.len().to_string();
                    let mut words = vec![b"HPEXPIRETIME".as_slice(), key, b"FIELDS", count.as_bytes()];
                    words.extend_from_slice(some);
                    same(&words, Order::Kept);
                }
            }
        }
        "stream" => {
            same(&[b"XRANGE", key, b"-", b"+"], Order::Kept);
            if depth.streams {
                same(
                    &[b"XINFO", b"STREAM", key, b"FULL", b"COUNT", b"0"],
                    Order::StreamInfo { nodes: depth.stream_nodes, tracked: depth.tracked_ids },
                );
            }
        }
        "array" => {
            same(&[b"ARSCAN", key, b"0", b"18446744073709551614"], Order::Kept);
            same(&[b"ARNEXT", key], Order::Kept);
            same(&[b"ARLEN", key], Order::Kept);
        }
        other => found.push(format!("db{db}: {} is a {other}: how is it compared?", key.escape_ascii())),
    }
}

/// What of a reply has no meaning, and is made equal before comparing.
#[derive(Clone, Copy)]
enum Order {
    Kept,
    Members,
    Pairs,
    /// Scores as numbers: their text differs between versions.
    Scores,
    /// What a real replica's encoding differs in too: a text that was computed (INCRBYFLOAT, APPEND) arrives as a
    /// plain SET or in the RDB, and a hash whose last field deadline is gone comes as a plain listpack in the RDB.
    Encoding {
        loaded: Loaded,
        /// SPOP with a count that takes most of a big set leaves a packed one at the master; a real replica, which is
        /// told to remove members, keeps it big.
        set: bool,
    },
    /// The shape of a radix tree is not part of the data; times of sight are each server's own. From 7.2 on a master
    /// does not tell its replicas of a consumer that it made in passing and that has nothing pending.
    StreamInfo {
        nodes: bool,
        tracked: bool,
    },
}

impl Order {
    fn apply(self, frame: &mut Frame) {
        match (self, frame) {
            (Order::Members, Frame::Array(items)) => items.sort_by(|a, b| a.bytes().cmp(b.bytes())),
            (Order::Pairs, Frame::Array(items)) => {
                let mut pairs: Vec<(Frame, Frame)> =
                    items.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
                pairs.sort_by(|a, b| a.0.bytes().cmp(b.0.bytes()));
                *items = pairs.into_iter().flat_map(|(a, b)| [a, b]).collect();
            }
            (Order::Scores, Frame::Array(items)) => {
                for score in items.iter_mut().skip(1).step_by(2) {
                    let number: f64 = score.text().parse().expect("a score");
                    *score = Frame::Double(format!("{number:?}"));
                }
            }
            (Order::Encoding { .. }, Frame::Bulk(name)) => match name.as_slice() {
                b"int" | b"embstr" | b"raw" => *name = b"a string's".to_vec(),
                b"listpackex" => *name = b"listpack".to_vec(),
                _ => {}
            },
            (Order::StreamInfo { nodes, tracked }, frame) => without_times(frame, nodes, tracked),
            _ => {}
        }
    }

    /// Whether what differs is no difference: see [`Loaded`].
    fn accepts(self, here: &Frame, there: &Frame) -> bool {
        let (Order::Encoding { loaded, set }, Frame::Bulk(here), Frame::Bulk(there)) = (self, here, there)
        else {
            return false;
        };
        let packed = |name: &[u8]| matches!(name, b"listpack" | b"intset");
        let big = |name: &[u8]| matches!(name, b"hashtable" | b"skiplist" | b"quicklist");
        let by_load = match loaded {
            Loaded::Neither => false,
            Loaded::Ours => packed(here) && big(there),
            Loaded::Theirs => big(here) && packed(there),
        };
        // Ours have no templates.
        let templated =
            there.starts_with(b"template-") && matches!(here.as_slice(), b"listpack" | b"hashtable");
        templated || by_load || (set && here == b"hashtable" && packed(there))
    }
}

/// XINFO STREAM's reply without the shape of the tree.
pub fn without_tree_nodes(frame: &mut Frame) {
    let Frame::Array(items) = frame else { return };
    let nodes = |item: &Frame| matches!(item, Frame::Bulk(name) if name == b"radix-tree-nodes");
    if let Some(at) = items.iter().position(nodes) {
        items[at + 1] = Frame::Null;
    }
}

fn without_times(frame: &mut Frame, nodes: bool, tracked: bool) {
    let Frame::Array(items) = frame else { return };
    let mut at = 0;
    while at < items.len() {
        if let Frame::Bulk(name) = &items[at]
            && (matches!(name.as_slice(), b"radix-tree-nodes" | b"seen-time" | b"active-time")
                || (!nodes && name == b"radix-tree-keys")
                || (!tracked && matches!(name.as_slice(), b"pids-tracked" | b"iids-tracked")))
            && at + 1 < items.len()
        {
            items[at + 1] = Frame::Null;
            at += 2;
            continue;
        }
        if matches!(&items[at], Frame::Bulk(name) if name == b"consumers")
            && let Some(Frame::Array(consumers)) = items.get_mut(at + 1)
        {
            consumers.retain(|consumer| {
                let fields = consumer.items();
                !fields.windows(2).any(|pair| {
                    matches!(&pair[0], Frame::Bulk(name) if name == b"pel-count") && pair[1] == Frame::Int(0)
                })
            });
        }
        without_times(&mut items[at], nodes, tracked);
        at += 1;
    }
}

/// Name, engine and code of each library; the functions inside are Lua's to tell.
fn libraries(reply: &Frame) -> Vec<Vec<String>> {
    let wanted = |field: &Frame| matches!(field.text().as_str(), "library_name" | "engine" | "library_code");
    reply
        .items()
        .iter()
        .map(|library| {
            let fields = library.items();
            fields.chunks(2).filter(|pair| wanted(&pair[0])).map(|pair| pair[1].text()).collect()
        })
        .collect()
}

/// Both, as far as a person needs them: from a little before where they part.
fn both(here: &Frame, there: &Frame) -> String {
    let (here, there) = (format!("{here:?}"), format!("{there:?}"));
    let same = here.bytes().zip(there.bytes()).take_while(|(a, b)| a == b).count();
    let window = |text: &str| {
        let from = (0..=same.saturating_sub(120)).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        let shown: String = text.get(from..).unwrap_or_default().chars().take(300).collect();
        if from > 0 { format!("…{shown}") } else { shown }
    };
    format!("{} here, {} at the master", window(&here), window(&there))
}
