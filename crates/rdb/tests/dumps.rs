//! The dumps of real servers (`tests/dumps`): each is read whole, in any pieces, and never panics when broken.
#![allow(missing_docs, clippy::expect_used, clippy::indexing_slicing)]

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use rdb::{Decoder, Item, Key, Packing, RdbError, Run, Step, Whole};

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/dumps"))
}

fn dumps() -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<_> = fs::read_dir(folder())
        .expect("the dumps stand there")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|end| end == "rdb"))
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (name, fs::read(&path).expect("a readable dump"))
        })
        .collect();
    found.sort();
    assert!(found.len() >= 20, "the dumps stand there");
    found
}

/// All items, each as text.
fn items(file: &[u8]) -> Result<Vec<String>, RdbError> {
    let (mut decoder, mut at, mut found) = (Decoder::new(), 0, Vec::new());
    loop {
        match decoder.next(&file[at..])? {
            Step::Item { item, used } => {
                found.push(format!("{item:?}"));
                at += used;
            }
            Step::More { .. } => return Err(decoder.truncated(file.len() as u64)),
            Step::Done => {
                assert_eq!(at, file.len(), "bytes are left");
                return Ok(found);
            }
        }
    }
}

#[test]
fn every_dump_is_read_to_its_end() {
    for (name, file) in dumps() {
        let found = items(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(found.last().map(String::as_str), Some("End"), "{name}");
    }
}

#[test]
fn byte_by_byte_gives_the_same_items() {
    for (name, file) in dumps() {
        let expected = items(&file).expect("it is whole");
        let (mut decoder, mut from, mut found) = (Decoder::new(), 0, Vec::new());
        let mut wanted_most = 0;
        for to in 0..=file.len() {
            loop {
                match decoder.next(&file[from..to]).unwrap_or_else(|error| panic!("{name}: {error}")) {
                    Step::Item { item, used } => {
                        assert!(
                            wanted_most <= used,
                            "{name}: {wanted_most} were wanted for {used}: {item:?}"
                        );
                        found.push(format!("{item:?}"));
                        (from, wanted_most) = (from + used, 0);
                    }
                    Step::More { wanted } => {
                        assert!(wanted > to - from, "{name}: more must be wanted than there is");
                        wanted_most = wanted;
                        break;
                    }
                    Step::Done => break,
                }
            }
        }
        assert_eq!(found, expected, "{name}");
    }
}

/// Which versions the dumps have; see their README for whose bytes each is.
#[test]
fn every_version_that_we_know_stands_in_some_dump() {
    let mut found: Vec<String> =
        dumps().iter().map(|(_, file)| String::from_utf8_lossy(&file[..9]).into_owned()).collect();
    found.sort();
    found.dedup();
    let mut wanted: Vec<String> = (1..=15).map(|version| format!("REDIS{version:04}")).collect();
    wanted.push("VALKEY080".into());
    assert_eq!(found, wanted);
}

/// A cut is the end of the bytes after any of them: what is said then names what was wanted, and that byte.
#[test]
fn a_cut_after_any_byte_says_what_was_wanted_and_where() {
    for (name, file) in dumps() {
        let (mut decoder, mut from) = (Decoder::new(), 0);
        for to in 0..file.len() {
            loop {
                match decoder.next(&file[from..to]).unwrap_or_else(|error| panic!("{name}: {error}")) {
                    Step::Item { used, .. } => from += used,
                    Step::More { .. } => break,
                    Step::Done => panic!("{name}: done at {to} of {}", file.len()),
                }
            }
            let RdbError::Truncated { what, at } = decoder.truncated(to as u64) else {
                panic!("{name}: {to}")
            };
            assert!(!what.is_empty() && at == to as u64, "{name}: {what:?} at {at}, cut at {to}");
        }
    }
}

/// What was wanted is what stands there, in the words of the format.
#[test]
fn a_cut_names_what_stands_there() {
    let file = b"REDIS0011\xfe\x02\xfc12345678\x05\x03key\x01\x01m12345678\xffCHECKSUM";
    let error = |to: usize| items(&file[..to]).expect_err("it is cut").to_string();
    for (to, words) in [
        (0, "the RDB ended at byte 0, in the middle of the header"),
        (8, "the RDB ended at byte 8, in the middle of the header"),
        (9, "the RDB ended at byte 9, in the middle of an opcode"),
        (10, "the RDB ended at byte 10, in the middle of a database's number"),
        (15, "the RDB ended at byte 15, in the middle of a key's deadline"),
        (20, "the RDB ended at byte 20, in the middle of an opcode"),
        (23, "the RDB ended at byte 23, in the middle of a key"),
        (25, "the RDB ended at byte 25, in the middle of a sorted set's size"),
        (27, "the RDB ended at byte 27, in the middle of a member"),
        (30, "the RDB ended at byte 30, in the middle of a score"),
        (40, "the RDB ended at byte 40, in the middle of the checksum"),
    ] {
        assert_eq!(error(to), words);
    }
}

#[test]
fn one_changed_byte_is_an_error_by_its_checksum_at_least() {
    for (name, file) in dumps() {
        let version: u32 = String::from_utf8_lossy(&file[6..9]).parse().expect("a version");
        let has_sum = version >= 5 && !file.ends_with(&[0; 8]);
        // One bit of each byte of the longer ones: reading them anew each time takes its time.
        for at in (0..file.len()).filter(|_| has_sum && file.len() < 4000) {
            let mut broken = file.clone();
            broken[at] ^= 1 << (at % 8);
            let mut decoder = Decoder::new();
            let mut from = 0;
            let outcome = loop {
                match decoder.next(&broken[from..]) {
                    Ok(Step::Item { used, .. }) => from += used,
                    Ok(Step::More { .. }) => break Some(decoder.truncated(broken.len() as u64)),
                    Ok(Step::Done) => break None,
                    Err(error) => break Some(error),
                }
            };
            // An end that was moved forward leaves bytes behind it, which the load refuses.
            assert!(outcome.is_some() || from < broken.len(), "{name}: byte {at}");
        }
    }
}

/// What is not known is refused with its byte; what is known by name, by name.
#[test]
fn what_was_never_seen_is_refused_by_name_and_byte() {
    let error = |header: &str, code: u8| {
        let mut file = header.as_bytes().to_vec();
        file.extend_from_slice(b"\xfe\x00");
        file.push(code);
        file.extend_from_slice(b"\x01k\x01v\xff\0\0\0\0\0\0\0\0");
        items(&file).map(|_| ()).map_err(|error| error.to_string())
    };
    let refused = |name: &str, code| {
        format!("{name} (type or opcode {code}) at byte 11 was never written by a released server")
    };
    let unknown = |code, whose| format!("type or opcode {code} at byte 11 is not known in {whose}");
    let unreleased = [
        ("REDIS0015", 6, refused("MODULE_PRE_GA", 6)),
        ("REDIS0012", 22, refused("HASH_METADATA_PRE_GA", 22)),
        ("REDIS0012", 23, refused("HASH_LISTPACK_EX_PRE_GA", 23)),
        ("REDIS0010", 246, refused("FUNCTION_PRE_GA", 246)),
        ("VALKEY080", 6, refused("MODULE_PRE_GA", 6)),
    ];
    for (header, code, words) in unreleased {
        assert_eq!(error(header, code), Err(words));
    }
    for code in [8, 33, 34, 64, 101, 200, 241] {
        assert_eq!(error("REDIS0015", code), Err(unknown(code, "Redis version 15")), "{code}");
    }
    for code in [8, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 242] {
        assert_eq!(error("VALKEY080", code), Err(unknown(code, "Valkey version 80")), "{code}");
    }
    for (header, words) in [
        ("REDIS0016", "REDIS version 16 of the RDB format is not known"),
        ("REDIS0000", "REDIS version 0 of the RDB format is not known"),
        ("VALKEY081", "VALKEY version 81 of the RDB format is not known"),
        ("VALKEY011", "VALKEY version 11 of the RDB format is not known"),
    ] {
        assert_eq!(error(header, 0), Err(words.to_owned()));
    }
}

/// A length is looked at before anything is made of it: the error names it, and nothing more is asked for.
#[test]
fn lengths_that_lie_are_refused_at_once() {
    let error = |body: &[u8]| {
        let mut file = b"REDIS0011".to_vec();
        file.extend_from_slice(body);
        items(&file).map(|_| ()).map_err(|error| error.to_string())
    };
    let refused = |words: &str| Err(words.to_owned());
    assert_eq!(
        error(b"\x00\x01k\x81\xff\xff\xff\xff\xff\xff\xff\xff"),
        refused("a string at byte 21 announces 18446744073709551615 bytes, above the bound of 4294967296")
    );
    assert_eq!(
        error(b"\x00\x81\x00\x00\x00\x01\x00\x00\x00\x01"),
        refused("a key at byte 19 announces 4294967297 bytes, above the bound of 4294967296")
    );
    // 3 packed bytes give 264 at most.
    assert_eq!(error(b"\x00\x01k\xc3\x03\x80\x7f\xff\xff\xff"), refused("a string at byte 13 is corrupt"));
    assert_eq!(error(b"\x00\x01k\xc4"), refused("a string at byte 13 is corrupt"));
    assert_eq!(error(b"\x00\x01k\x82"), refused("a length at byte 12 is corrupt"));
    assert_eq!(
        error(b"\xfe\x81\x00\x00\x00\x01\x00\x00\x00\x00"),
        refused("a database's number at byte 10 is corrupt")
    );
}

/// What the texts beside the dumps call a key's type.
fn kind(item: &Item<'_>) -> Option<&'static str> {
    Some(match item {
        Item::Whole { value: Whole::Text(_), .. } => "string",
        Item::Whole { value: Whole::Templated(..), .. } => "hash",
        Item::Whole { value: Whole::Packed(packing, _), .. } => match packing {
            Packing::HashZipmap | Packing::HashZiplist | Packing::HashListpack | Packing::HashListpackEx => {
                "hash"
            }
            Packing::ListZiplist => "list",
            Packing::SetIntset | Packing::SetListpack => "set",
            Packing::SortedSetZiplist | Packing::SortedSetListpack => "zset",
        },
        Item::Open { run, .. } => match run {
            Run::List(_) | Run::ListNodes(_) => "list",
            Run::Set(_) => "set",
            Run::SortedSet(_) => "zset",
            Run::Hash(_) => "hash",
            Run::Stream => "stream",
            Run::Array { .. } => "array",
            Run::Module(_) => "module",
        },
        _ => return None,
    })
}

fn escaped(name: &[u8]) -> String {
    let plain = |b: u8| (0x20..0x7f).contains(&b) && b != b'"' && b != b'\\';
    name.iter().map(|b| if plain(*b) { char::from(*b).to_string() } else { format!("\\x{b:02x}") }).collect()
}

/// Deadlines beyond this (in 2030) were ahead when the server was asked.
const LONG_AHEAD: i64 = 1_900_000_000_000;

#[test]
fn keys_are_what_the_server_said() {
    for (name, file) in dumps() {
        let Ok(text) = fs::read_to_string(folder().join(format!("{name}.txt"))) else { continue };
        // Deadlines of servers that have no PEXPIRETIME are told in thousands of seconds.
        let server = text.lines().next().and_then(|line| line.strip_prefix("reader ")).unwrap_or(&name);
        let exact = !["redis-2", "redis-3", "redis-5", "redis-6"].iter().any(|old| server.starts_with(old));
        let round = |ms: i64| if exact { ms } else { (ms + 500_000) / 1_000_000 * 1_000_000 };
        let mut expected = Vec::new();
        for line in text.lines().filter(|line| line.starts_with("db ")) {
            let (head, rest) = line.rsplit_once("\" ").expect("a key in quotes");
            let words: Vec<&str> = rest.split(' ').collect();
            let kind = match words[0] {
                known @ ("string" | "list" | "set" | "zset" | "hash" | "stream" | "array") => known,
                _ => "module",
            };
            let until = words.get(3).map(|ms| ms.parse::<i64>().expect("a deadline"));
            expected.push((head.replacen('"', "", 1), kind, until));
        }
        let (mut decoder, mut at, mut db, mut found) = (Decoder::new(), 0, 0, Vec::new());
        while let Step::Item { item, used } = decoder.next(&file[at..]).expect("it is whole") {
            at += used;
            let kind = kind(&item);
            match item {
                Item::SelectDb(index) => db = index,
                Item::Whole { key: Key { name, deadline, .. }, .. }
                | Item::Open { key: Key { name, deadline, .. }, .. }
                    // What was past its deadline when the server was asked is not told of.
                    if deadline.is_none_or(|deadline| deadline > LONG_AHEAD) =>
                {
                    let until = deadline.map(round);
                    found.push((format!("db {db} {}", escaped(name)), kind.expect("a value"), until));
                }
                _ => {}
            }
        }
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn every_type_that_we_know_stands_in_some_dump() {
    let mut seen = [false; 256];
    for (_, file) in dumps() {
        let (mut decoder, mut at) = (Decoder::new(), 0);
        while let Step::Item { item, used } = decoder.next(&file[at..]).expect("it is whole") {
            let mut from = at;
            if kind(&item).is_some() || !matches!(item, Item::Header { .. }) {
                // Pass over what stands before a key.
                loop {
                    let code = file[from];
                    match code {
                        0xfc => from += 9,
                        0xfd => from += 5,
                        0xf8 | 0xf9 => from += 2,
                        _ => break,
                    }
                    seen[usize::from(code)] = true;
                }
                if kind(&item).is_some() || matches!(file[from], 242..) {
                    seen[usize::from(file[from])] = true;
                }
            }
            at += used;
        }
    }
    // Not here: 6, 22 and 23 of Redis, 246 (refused); 29 and 31 (only in DUMP payloads).
    let wanted: Vec<u8> = (0..=5)
        .chain([7])
        .chain(9..=22)
        .chain(24..=28)
        .chain([30, 32])
        .chain(242..=245)
        .chain(247..=255)
        .collect();
    let missing: Vec<u8> = wanted.into_iter().filter(|code| !seen[usize::from(*code)]).collect();
    assert_eq!(missing, Vec::<u8>::new());
}

/// No server that runs today writes these; 2.8, 8.10 and Valkey 9.1 were seen to read this very file so.
#[test]
fn a_file_of_before_2_6_has_no_checksum_and_deadlines_in_seconds() {
    let file = b"REDIS0004\xfe\x00\xfd\x00\x94\x35\x77\x00\x01k\x01v\x09\x01z\x08\x01\x01a\x02\x00bc\xff\xff";
    let (mut decoder, mut at, mut keys) = (Decoder::new(), 0, Vec::new());
    while let Step::Item { item, used } = decoder.next(&file[at..]).expect("it is whole") {
        at += used;
        if let Item::Whole { key, value } = item {
            keys.push((key.name.to_vec(), key.deadline, format!("{value:?}")));
        }
    }
    assert_eq!(at, file.len());
    assert_eq!((keys[0].0.as_slice(), keys[0].1), (&b"k"[..], Some(2_000_000_000_000)));
    let Some((name, None, value)) = keys.get(1) else { panic!("a second key without a deadline") };
    assert!(name == b"z" && value.starts_with("Packed(HashZipmap"), "{value}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn broken_dumps_end_without_a_panic(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        step in 1usize..400,
    ) {
        let dumps = dumps();
        let mut file = which.get(&dumps).1.clone();
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        let (mut decoder, mut from, mut to) = (Decoder::without_checksum(), 0, 0);
        loop {
            match decoder.next(&file[from..to]) {
                Ok(Step::Item { used, .. }) => from += used,
                Ok(Step::More { .. }) if to < file.len() => to = (to + step).min(file.len()),
                _ => break,
            }
        }
    }
}
