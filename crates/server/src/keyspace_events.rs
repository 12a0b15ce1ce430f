//! `notify-keyspace-events`: which events are told, and in which channels.
//!
//! Owns Redis' letters for them, and the form of the messages. Never decides that something has happened: those who
//! change data say so (see [`storage::News`]).

use storage::{DbIndex, Wanted};

use crate::config::c_string;

/// Every class that `A` stands for.
const ALL: Wanted = Wanted::GENERIC
    .union(Wanted::STRING)
    .union(Wanted::LIST)
    .union(Wanted::SET)
    .union(Wanted::HASH)
    .union(Wanted::SORTED_SET)
    .union(Wanted::EXPIRED)
    .union(Wanted::EVICTED)
    .union(Wanted::STREAM)
    .union(Wanted::MODULE)
    .union(Wanted::ARRAY);

/// The letters of classes, in the order in which they are said; `A` says all that are in it and hides the others.
const CLASSES: &[(char, Wanted)] = &[
    ('g', Wanted::GENERIC),
    ('$', Wanted::STRING),
    ('l', Wanted::LIST),
    ('s', Wanted::SET),
    ('h', Wanted::HASH),
    ('z', Wanted::SORTED_SET),
    ('x', Wanted::EXPIRED),
    ('e', Wanted::EVICTED),
    ('t', Wanted::STREAM),
    ('d', Wanted::MODULE),
    ('a', Wanted::ARRAY),
    ('n', Wanted::NEW),
    ('o', Wanted::OVERWRITTEN),
    ('c', Wanted::TYPE_CHANGED),
];

/// The letters that stand behind those.
const OTHERS: &[(char, Wanted)] = &[
    ('K', Wanted::KEYSPACE),
    ('E', Wanted::KEYEVENT),
    ('m', Wanted::MISS),
    ('S', Wanted::SUBKEYSPACE),
    ('T', Wanted::SUBKEYEVENT),
    ('I', Wanted::SUBKEYSPACEITEM),
    ('V', Wanted::SUBKEYSPACEEVENT),
];

/// Reads the letters.
///
/// # Errors
/// What is wrong with them, in Redis' words.
pub(crate) fn parse(text: &str) -> Result<Wanted, String> {
    c_string(text).chars().try_fold(Wanted::empty(), |wanted, letter| {
        let known = CLASSES.iter().chain(OTHERS).find(|(known, _)| *known == letter);
        match known {
            _ if letter == 'A' => Ok(wanted | ALL),
            Some((_, class)) => Ok(wanted | *class),
            None => Err(String::from("Invalid event class character. Use 'Ag$lshzxeKEtmdnocaSTIV'.")),
        }
    })
}

/// The letters, in Redis' order.
pub(crate) fn letters(wanted: Wanted) -> String {
    let is_all = wanted.contains(ALL);
    let classes = CLASSES.iter().filter(|_| !is_all);
    let letters = classes.chain(OTHERS).filter(|(_, class)| wanted.contains(*class));
    is_all.then_some('A').into_iter().chain(letters.map(|(letter, _)| *letter)).collect()
}

/// What is to be published for an event.
pub(crate) fn publish(
    wanted: Wanted,
    name: &str,
    db: DbIndex,
    key: &[u8],
    fields: &[Box<[u8]>],
    mut publish: impl FnMut(&[u8], &[u8]),
) {
    let db = db.0;
    let channel = |kind: &str, parts: &[&[u8]]| {
        let mut channel = format!("__{kind}@{db}__:").into_bytes();
        parts.iter().for_each(|part| channel.extend_from_slice(part));
        channel
    };
    if wanted.contains(Wanted::KEYSPACE) {
        publish(&channel("keyspace", &[key]), name.as_bytes());
    }
    if wanted.contains(Wanted::KEYEVENT) {
        publish(&channel("keyevent", &[name.as_bytes()]), key);
    }
    if fields.is_empty() || !wanted.intersects(Wanted::FIELDS) {
        return;
    }
    let mut all = Vec::new();
    for field in fields {
        if !all.is_empty() {
            all.push(b',');
        }
        with_length(field, &mut all);
    }
    if wanted.contains(Wanted::SUBKEYSPACE) {
        publish(&channel("subkeyspace", &[key]), &[name.as_bytes(), b"|", &all].concat());
    }
    if wanted.contains(Wanted::SUBKEYEVENT) {
        let mut message = Vec::new();
        with_length(key, &mut message);
        message.push(b'|');
        message.extend_from_slice(&all);
        publish(&channel("subkeyevent", &[name.as_bytes()]), &message);
    }
    if wanted.contains(Wanted::SUBKEYSPACEITEM) {
        for field in fields {
            publish(&channel("subkeyspaceitem", &[key, b"\n", field]), name.as_bytes());
        }
    }
    if wanted.contains(Wanted::SUBKEYSPACEEVENT) {
        publish(&channel("subkeyspaceevent", &[name.as_bytes(), b"|", key]), &all);
    }
}

/// A name behind its length, since it may hold anything.
fn with_length(name: &[u8], to: &mut Vec<u8>) {
    to.extend_from_slice(name.len().to_string().as_bytes());
    to.push(b':');
    to.extend_from_slice(name);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As redis-8.10 says them.
    #[test]
    fn letters_are_said_in_redis_order() {
        for (given, said) in [
            ("", ""),
            ("KEA", "AKE"),
            ("KEAmnoc", "AKEm"),
            ("VITSacondmtEKexzhsl$", "$lshzxetdanocKEmSTIV"),
            ("g$lshzxetdnoc", "g$lshzxetdnoc"),
            ("VITSmEKA", "AKEmSTIV"),
            ("ag", "ga"),
            ("KEl$", "$lKE"),
        ] {
            assert_eq!(parse(given).map(letters).as_deref(), Ok(said), "{given}");
        }
        assert!(parse("KEr").is_err());
    }
}
