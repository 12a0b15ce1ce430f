//! A whole RDB, in pieces: no panic, no memory beyond a multiple of the bytes, and pieces change nothing.
//!
//! The first byte says how long the pieces are. Seeds: `tests/dumps/*.rdb`, each with a byte before it.
#![no_main]

use commands::convert::{self, Rules, ValueBuilder};
use libfuzzer_sys::fuzz_target;
use rdb::{Decoder, Flavour, Item, RdbError, Step};
use storage::Limits;

/// What was read: each item as text, and how it ended.
fn read(file: &[u8], piece: usize) -> (Vec<String>, Result<(), RdbError>) {
    let limits = Limits::default();
    let (mut decoder, mut at, mut end, mut items) = (Decoder::without_checksum(), 0, piece.min(file.len()), Vec::new());
    let mut rules = Rules::new(&limits, Flavour::Redis);
    let mut building: Option<ValueBuilder> = None;
    loop {
        match decoder.next(&file[at..end]) {
            Ok(Step::Item { item, used }) => {
                items.push(format!("{item:?}"));
                match (item, &mut building) {
                    (Item::Header { flavour, .. }, _) => rules = Rules::new(&limits, flavour),
                    (Item::Whole { value, .. }, _) => drop(convert::whole(value, rules)),
                    (Item::Open { run, .. }, _) => building = ValueBuilder::open(run, rules).ok(),
                    (Item::Close, open) => drop(open.take().map(|builder| builder.finish(rules))),
                    (piece, Some(builder)) => {
                        if builder.add(&piece, rules).is_err() {
                            building = None;
                        }
                    }
                    _ => {}
                }
                at += used;
            }
            Ok(Step::More { wanted }) => {
                assert!(wanted > end - at);
                if end == file.len() {
                    return (items, Err(decoder.truncated(file.len() as u64)));
                }
                end = (end + piece).min(file.len());
            }
            Ok(Step::Done) => return (items, Ok(())),
            Err(error) => return (items, Err(error)),
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&piece, file)) = data.split_first() else { return };
    let whole = read(file, usize::MAX);
    let pieces = read(file, usize::from(piece) + 1);
    assert_eq!(whole, pieces);
});
