//! The dumps of real servers (`tests/dumps`), loaded value by value: content is what their server said, and the
//! form is the one that a server of today gives them.
#![allow(missing_docs, clippy::expect_used, clippy::indexing_slicing, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use commands::convert::{self, Rules, ValueBuilder};
use commands::{Dialect, digest};
use rdb::{Decoder, Flavour, Item, Step, Whole};
use storage::value::stream::{Stream, StreamId};
use storage::{DbIndex, Limits, Store, StoreConfig, UnixMillis, Value};

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/dumps"))
}

fn described() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder())
        .expect("the dumps stand there")
        .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".txt")?.to_owned()))
        .collect();
    names.sort();
    assert!(names.len() >= 15, "the dumps stand there");
    names
}

fn text(bytes: &[u8]) -> String {
    let plain = |b: u8| (0x20..0x7f).contains(&b) && b != b'"' && b != b'\\';
    let inner: String = bytes
        .iter()
        .map(|b| if plain(*b) { char::from(*b).to_string() } else { format!("\\x{b:02x}") })
        .collect();
    format!("\"{inner}\"")
}

fn stream_lines(stream: &Stream) -> Vec<String> {
    let mut lines = vec![
        format!("last {}", stream.last_id()),
        format!(
            "added {} deleted {} first {}",
            stream.entries_added(),
            stream.max_deleted_id(),
            stream.first_id()
        ),
    ];
    for entry in stream.range(StreamId::MIN, StreamId::MAX) {
        let fields: Vec<String> =
            entry.fields.flat_map(|(name, value)| [text(&name.to_vec()), text(&value.to_vec())]).collect();
        lines.push(format!("entry {} {}", entry.id, fields.join(" ")));
    }
    for (name, group) in stream.groups() {
        let read = group.entries_read.map_or("(nil)".into(), |read| read.to_string());
        lines.push(format!("group {} last {} read {read}", text(name), group.last_id));
        for (id, pending) in group.pending_range(StreamId::MIN..=StreamId::MAX) {
            let owner = pending.consumer.and_then(|owner| group.consumer(owner));
            let owner = text(owner.map_or(b"", |owner| owner.name()));
            lines.push(format!("  pending {id} {owner} {} {}", pending.delivered_ms, pending.deliveries));
        }
        for consumer in group.consumers() {
            let active = consumer.active_ms.unwrap_or(-1);
            lines.push(format!(
                "  consumer {} seen {} active {active} pending {}",
                text(consumer.name()),
                consumer.seen_ms,
                consumer.pending_len()
            ));
        }
    }
    let memory = stream.idempotency().cloned().unwrap_or_default();
    let messages: usize = memory.producers().map(|(_, ids)| ids.len()).sum();
    lines.push(format!(
        "idmp duration {} max {} producers {} messages {messages} added {} duplicates {}",
        memory.duration_s(),
        memory.ids_max(),
        memory.producers().len(),
        memory.added,
        memory.duplicates
    ));
    lines
}

/// A value as the texts have it.
fn lines(value: &Value) -> Vec<String> {
    match value {
        Value::String(string) => vec![text(&string.view().to_vec())],
        Value::List(list) => list.view().iter().map(|element| text(&element.to_vec())).collect(),
        Value::Set(set) => {
            let mut members: Vec<Vec<u8>> = set.view().iter().map(|member| member.to_vec()).collect();
            members.sort();
            members.iter().map(|member| text(member)).collect()
        }
        Value::SortedSet(set) => set
            .view()
            .iter()
            .map(|element| {
                format!("{} {:016x}", text(&element.member.to_vec()), element.score.get().to_bits())
            })
            .collect(),
        Value::Hash(hash) => {
            let mut fields: Vec<_> = hash
                .view()
                .all()
                .map(|field| (field.name.to_vec(), field.value.to_vec(), field.deadline))
                .collect();
            fields.sort();
            let until =
                |deadline: Option<UnixMillis>| deadline.map_or(String::new(), |d| format!(" until {}", d.0));
            fields
                .iter()
                .map(|(name, value, at)| format!("{} {}{}", text(name), text(value), until(*at)))
                .collect()
        }
        Value::Stream(stream) => stream_lines(stream),
        Value::Array(array) => {
            // ARINFO says 0 where there is no place left.
            let next = array.next_insert().unwrap_or(0);
            let elements = array.range(0..=u64::MAX);
            let elements = elements.map(|(index, element)| format!("{index} {}", text(element.as_bytes())));
            std::iter::once(format!("next {next}")).chain(elements).collect()
        }
        Value::Module(_) => vec!["opaque".into()],
    }
}

/// Deadlines beyond this (in 2030) were ahead when the server was asked.
const LONG_AHEAD: i64 = 1_900_000_000_000;

/// A value of one piece; where its bytes can be stored as they came, that is the same.
fn whole(value: Whole<'_>, rules: Rules<'_>) -> Option<Value> {
    let stored = convert::whole(value, rules).expect("it is sound");
    if let Some(kept) = convert::in_place(value, rules) {
        let stored = stored.as_ref().expect("an empty value is not stored").view();
        assert!(stored.same(kept));
        assert_eq!(stored.encoding(), kept.encoding());
    }
    stored
}

/// Every value of a dump, by database and key.
fn load(file: &[u8]) -> BTreeMap<(u32, Vec<u8>), Value> {
    let limits = Limits::default();
    let (mut decoder, mut at, mut db, mut found) = (Decoder::new(), 0, 0, BTreeMap::new());
    let mut rules = Rules::new(&limits, Flavour::Redis);
    let mut open: Option<(Vec<u8>, ValueBuilder)> = None;
    let mut put = |db, name: &[u8], value: Option<Value>| {
        let before = found.insert((db, name.to_vec()), value.expect("no collection is empty"));
        assert!(before.is_none());
    };
    while let Step::Item { item, used } = decoder.next(&file[at..]).expect("it is whole") {
        at += used;
        match (&mut open, item) {
            (_, Item::Header { flavour, .. }) => rules = Rules::new(&limits, flavour),
            (_, Item::SelectDb(index)) => db = index,
            (_, Item::Whole { key, value }) => {
                put(db, key.name, whole(value, rules));
            }
            (_, Item::Open { key, run }) => {
                open = ValueBuilder::open(run, rules).ok().map(|builder| (key.name.to_vec(), builder));
            }
            (Some(_), Item::Close) => {
                let (name, builder) = open.take().expect("one is open");
                put(db, &name, builder.finish(rules).expect("it is whole"));
            }
            (Some((_, builder)), item) => builder.add(&item, rules).expect("it is sound"),
            _ => {}
        }
    }
    found
}

/// Whether a line is as the text has it, where a `?` stands for what the server could not be asked.
fn agrees(own: &str, theirs: &str) -> bool {
    let (mut own, mut theirs) = (own.split(' '), theirs.split(' '));
    loop {
        match (own.next(), theirs.next()) {
            (None, None) => return true,
            (Some(_), Some("?")) => {}
            (Some(own), Some(theirs)) if own == theirs => {}
            _ => return false,
        }
    }
}

#[test]
fn values_are_what_their_server_said() {
    for name in described() {
        let file = fs::read(folder().join(format!("{name}.rdb"))).expect("a dump");
        let told = fs::read_to_string(folder().join(format!("{name}.txt"))).expect("its text");
        let mut expected: BTreeMap<String, (String, Vec<&str>)> = BTreeMap::new();
        let mut last = String::new();
        for line in told.lines() {
            if line.starts_with("db ") {
                let (key, rest) = line.rsplit_once("\" ").expect("a key in quotes");
                last = format!("{key}\"");
                expected
                    .insert(last.clone(), (rest.split(' ').next().expect("a type").to_owned(), Vec::new()));
            } else if let (Some(line), Some((_, lines))) =
                (line.strip_prefix("    "), expected.get_mut(&last))
            {
                lines.push(line);
            }
        }
        let values = load(&file);
        let deadlines = deadlines(&file);
        let told = |key: &&(u32, Vec<u8>)| deadlines.get(key).is_none_or(|deadline| *deadline > LONG_AHEAD);
        assert_eq!(values.keys().filter(told).count(), expected.len(), "{name}");
        for ((db, key), value) in &values {
            let Some((kind, theirs)) = expected.get(&format!("db {db} {}", text(key))) else { continue };
            let mut own = lines(value);
            if kind == "stream" {
                // Older servers tell less.
                let has = |start: &str| theirs.iter().any(|line| line.trim_start().starts_with(start));
                own.retain(|line| has(line.trim_start().split(' ').next().expect("a word")));
                if !theirs.iter().any(|line| line.contains(" read ")) {
                    own.iter_mut().filter(|line| line.starts_with("group ")).for_each(|line| {
                        line.truncate(line.rfind(" read ").expect("it was written"));
                    });
                }
                if !theirs.iter().any(|line| line.contains(" active ")) {
                    own.iter_mut().filter(|line| line.starts_with("  consumer ")).for_each(|line| {
                        let (start, end) =
                            (line.find(" active ").expect("it"), line.find(" pending ").expect("it"));
                        line.replace_range(start..end, "");
                    });
                }
            }
            assert_eq!(own.len(), theirs.len(), "{name} {}: {own:#?} {theirs:#?}", text(key));
            for (own, theirs) in own.iter().zip(theirs) {
                assert!(agrees(own, theirs), "{name} {}\n own {own}\n not {theirs}", text(key));
            }
        }
    }
}

/// A DUMP payload's value, its footer checked.
fn load_payload(payload: &[u8]) -> Value {
    let limits = Limits::default();
    let (summed, sum) = payload.split_last_chunk::<8>().expect("a checksum");
    assert_eq!(rdb::checksum(summed), u64::from_le_bytes(*sum));
    let (body, version) = summed.split_last_chunk::<2>().expect("a version");
    let version = u16::from_le_bytes(*version);
    let flavour = rdb::of_dump_version(version).expect("a version that we know");
    let rules = Rules::new(&limits, flavour);
    let (mut decoder, mut at) = (Decoder::payload(flavour, u32::from(version)), 0);
    let (mut value, mut open) = (None, None::<ValueBuilder>);
    while let Step::Item { item, used } = decoder.next(&body[at..]).expect("it is sound") {
        at += used;
        match (item, &mut open) {
            (Item::Whole { value: piece, .. }, _) => value = whole(piece, rules),
            (Item::Open { run, .. }, _) => open = ValueBuilder::open(run, rules).ok(),
            (Item::Close, open) => {
                value = open.take().expect("one is open").finish(rules).expect("it is whole");
            }
            (piece, Some(builder)) => builder.add(&piece, rules).expect("it is sound"),
            (_, None) => {}
        }
    }
    assert!(decoder.is_done() && at == body.len());
    value.expect("no collection is empty")
}

#[test]
fn dump_payloads_hold_the_same_values() {
    let mut types = [false; 256];
    for name in described() {
        let Ok(payloads) = fs::read_to_string(folder().join(format!("{name}.payloads"))) else { continue };
        let file = fs::read(folder().join(format!("{name}.rdb"))).expect("a dump");
        let values = load(&file);
        let by_name: BTreeMap<String, &Value> =
            values.iter().map(|((db, key), value)| (format!("db {db} {}", text(key)), value)).collect();
        for line in payloads.lines() {
            let (key, hex) = line.rsplit_once(' ').expect("a key and its bytes");
            let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("text"), 16);
            let payload: Vec<u8> = hex.as_bytes().chunks(2).map(|pair| digits(pair).expect("hex")).collect();
            types[usize::from(payload[0])] = true;
            // What producers sent is forgotten soon: it was when the server was asked for payloads.
            let told = |value: &Value| {
                let lines = lines(value).into_iter();
                lines.filter(|line| !line.starts_with("idmp ")).collect::<Vec<_>>()
            };
            assert_eq!(told(&load_payload(&payload)), told(by_name[key]), "{name} {key}");
        }
    }
    let seen: Vec<usize> = (0..256).filter(|code| types[*code]).collect();
    // 29 and 31 stand in payloads alone.
    assert!(
        [0, 15, 16, 17, 18, 20, 22, 24, 25, 27, 28, 29, 31].iter().all(|code| seen.contains(code)),
        "{seen:?}"
    );
}

#[test]
fn forms_are_those_of_a_server_of_today() {
    for name in described() {
        let Ok(told) = fs::read_to_string(folder().join(format!("{name}.encodings"))) else { continue };
        let file = fs::read(folder().join(format!("{name}.rdb"))).expect("a dump");
        let expected: BTreeMap<&str, &str> =
            told.lines().map(|line| line.rsplit_once(' ').expect("a key and a form")).collect();
        let store = Store::new(StoreConfig { databases: 16, hash_key: [1, 2], limits: Limits::default() });
        let mut wrong = Vec::new();
        for ((db, key), value) in load(&file) {
            let Some(theirs) = expected.get(format!("db {db} {}", text(&key)).as_str()) else { continue };
            let now = UnixMillis::NOTHING_EXPIRED;
            store.writer().db(DbIndex(db), now).edit(&key, |slot| slot.put(value));
            let reader = store.reader();
            let db = reader.db(DbIndex(db), now);
            let own = db.get(&key).expect("it was just put").encoding();
            // Hash templates are ordinary hashes here.
            let theirs =
                theirs.replace("template-listpack", "listpack").replace("template-array", "listpack");
            // From where on a string is raw depends on its key's length since Redis 8.2 and Valkey 8.1.
            let short = |form: &str| form == "embstr" || form == "raw";
            if own != theirs && !(short(own) && short(&theirs)) {
                wrong.push(format!("{} is {own}, not {theirs}", text(&key)));
            }
        }
        assert_eq!(wrong, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn digests_are_those_of_the_server_that_wrote_the_dump() {
    for name in described() {
        let told = fs::read_to_string(folder().join(format!("{name}.txt"))).expect("its text");
        let Some(theirs) = told.lines().find_map(|line| line.strip_prefix("digest ")) else { continue };
        let file = fs::read(folder().join(format!("{name}.rdb"))).expect("a dump");
        let store = Store::new(StoreConfig { databases: 16, hash_key: [1, 2], limits: Limits::default() });
        let writer = store.writer();
        let (deadlines, values) = (deadlines(&file), load(&file));
        for ((db, key), value) in values {
            let deadline = deadlines.get(&(db, key.clone())).copied().map(UnixMillis);
            writer
                .db(DbIndex(db), UnixMillis::NOTHING_EXPIRED)
                .edit(&key, |slot| slot.put_until(value, deadline));
        }
        let server = told.lines().next().and_then(|line| line.strip_prefix("reader ")).unwrap_or(&name);
        let (vendor, version) = server.split_once('-').expect("a vendor");
        let mut parts = version.split(['.', '-']).filter_map(|part| part.parse::<u16>().ok());
        let (major, minor) = (parts.next().expect("a number"), parts.next().expect("a number"));
        let dialect = match vendor {
            "valkey" => Dialect::valkey(major, minor),
            // It was made from Redis 7.2.
            "redict" => Dialect::redis(7, 2),
            _ => Dialect::redis(major, minor),
        };
        let own = digest::of_data(&writer, dialect, UnixMillis(0)).to_string();
        // Whether a key past its deadline was still there depends on how KEYS looks at it.
        for ((db, key), deadline) in deadlines {
            if deadline < LONG_AHEAD {
                writer.db(DbIndex(db), UnixMillis::NOTHING_EXPIRED).remove(&key);
            }
        }
        let without = digest::of_data(&writer, dialect, UnixMillis(0)).to_string();
        assert!(own == theirs || without == theirs, "{name}: {theirs}, not {own} or {without}");
    }
}

/// The keys with a deadline.
fn deadlines(file: &[u8]) -> BTreeMap<(u32, Vec<u8>), i64> {
    let (mut decoder, mut at, mut db, mut found) = (Decoder::new(), 0, 0, BTreeMap::new());
    while let Step::Item { item, used } = decoder.next(&file[at..]).expect("it is whole") {
        at += used;
        match item {
            Item::SelectDb(index) => db = index,
            Item::Whole { key, .. } | Item::Open { key, .. } => {
                found.extend(key.deadline.map(|deadline| ((db, key.name.to_vec()), deadline)));
            }
            _ => {}
        }
    }
    found
}
