//! A file that is written while its data change: its version, its sum, and who writes it when much waits.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)] // a panic is a failed test

use std::collections::BTreeMap;
use std::io::{self, Cursor, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex};

use commands::convert::save::Target;
use commands::convert::snapshot::{Facts, Recording, SnapshotError};
use commands::{Dialect, Run, WriteContext};
use protocol::{Args, Reply};
use rdb::{Decoder, Item, Step, Whole};
use storage::{DbIndex, Limits, Progress, Store, StoreConfig, UnixMillis, Writer};

const NOW: UnixMillis = UnixMillis(1000);

const FACTS: Facts<'_> = Facts { version: "8.10.0", now: NOW, used_memory: 1, position: None };

/// What is in memory instead of a file.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<(Cursor<Vec<u8>>, bool)>>);

impl Disk {
    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().0.get_ref().clone()
    }
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut disk = self.0.lock().unwrap();
        if disk.1 { Err(io::ErrorKind::StorageFull.into()) } else { disk.0.write(bytes) }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Disk {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.lock().unwrap().0.seek(to)
    }
}

fn store() -> Store {
    Store::new(StoreConfig { databases: 3, hash_key: [1, 2], limits: Limits::default() })
}

fn run(writer: &Writer<'_>, db: u32, words: &[&[u8]]) {
    let Run::Write(handler) = commands::find(words[0]).unwrap().run else { panic!("{words:?}") };
    let mut context = WriteContext::serving(writer, DbIndex(db), NOW, Dialect::NEWEST);
    handler(&mut context, Args::new(&words[1..]), &mut Reply::default()).unwrap();
}

type Strings = BTreeMap<(u32, Vec<u8>), Vec<u8>>;

/// The version in the head, and the strings of each database; the sum is checked on the way.
fn read(file: &[u8]) -> (u32, Strings) {
    let (mut decoder, mut at, mut db, mut version, mut found) = (Decoder::new(), 0, 0, 0, Strings::new());
    loop {
        match decoder.next(&file[at..]).unwrap() {
            Step::Item { item, used } => {
                at += used;
                match item {
                    Item::Header { version: read, .. } => version = read,
                    Item::SelectDb(index) => db = index,
                    Item::Whole { key, value: Whole::Text(text) } => {
                        assert!(found.insert((db, key.name.to_vec()), text.to_vec()).is_none());
                    }
                    _ => {}
                }
            }
            Step::Done => return (version, found),
            Step::More { .. } => panic!("the file ends at {at}"),
        }
    }
}

fn finish(store: &Store, recording: Recording) -> Result<u64, SnapshotError> {
    while recording.step(&store.writer(), || false)? == Progress::More {
        recording.write_out()?;
    }
    Ok(recording.finish()?.bytes)
}

#[test]
fn the_version_is_the_newest_that_was_needed() {
    let store = store();
    (0..2000).for_each(|number| run(&store.writer(), 0, &[b"set", format!("k{number}").as_bytes(), b"v"]));
    for (words, version) in [
        (&[&b"set"[..], b"one", b"more"][..], 11),
        (&[b"hsetex", b"hash", b"PX", b"100000", b"FIELDS", b"1", b"f", b"v"], 12),
        (&[b"arset", b"array", b"1", b"x"], 15),
    ] {
        run(&store.writer(), 2, words);
        let disk = Disk::default();
        let recording =
            Recording::begin(&store, &store.writer(), Dialect::NEWEST, &FACTS, disk.clone()).unwrap();
        let bytes = finish(&store, recording).unwrap();
        let file = disk.bytes();
        assert_eq!(file.len() as u64, bytes);
        let (read_version, found) = read(&file);
        assert_eq!((read_version, found.len()), (version, 2001));
    }
    let recording = Recording::begin(
        &store,
        &store.writer(),
        Dialect::NEWEST.dumping(Some(Target::of_version(11))),
        &FACTS,
        Disk::default(),
    );
    let refused = finish(&store, recording.unwrap()).unwrap_err();
    assert!(matches!(refused, SnapshotError::Unwritable(_)), "{refused}");
}

#[test]
fn who_changes_much_writes_it_himself() {
    let store = store();
    let big = vec![b'x'; 1 << 20];
    let keys: Vec<_> = (0u32..20).map(|number| format!("big:{number}")).collect();
    keys.iter().for_each(|key| run(&store.writer(), 1, &[b"set", key.as_bytes(), &big]));
    for is_full in [false, true] {
        let disk = Disk::default();
        let recording =
            Recording::begin(&store, &store.writer(), Dialect::NEWEST, &FACTS, disk.clone()).unwrap();
        disk.0.lock().unwrap().1 = is_full;
        let append = |key: &String| run(&store.writer(), 1, &[b"append", key.as_bytes(), b"more"]);
        keys.iter().take(7).for_each(append);
        assert_eq!(recording.written().bytes, 0, "it waits");
        keys.iter().for_each(append);
        let written = recording.written();
        if is_full {
            let error = finish(&store, recording).unwrap_err();
            assert!(matches!(&error, SnapshotError::Io(_)), "{error}");
            continue;
        }
        assert!(written.bytes > 16 << 20, "{}", written.bytes);
        assert!(written.preserved_bytes > 20 << 20);
        finish(&store, recording).unwrap();
        let (_, found) = read(&disk.bytes());
        assert_eq!(found.len(), keys.len());
        assert!(found.values().all(|value| *value == big), "as they were");
    }
}
