//! A keyspace on its own, small enough for Miri: what the store's tests reach with tens of thousands of keys only.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Fate, KEYS_PER_SHARD, KeyHasher, Keyspace, Resize, Table, table};
use crate::entry::{Content, Entry};
use crate::gate::{Asker, Gate, Token};
use crate::reclaim::Bin;
use crate::scan::ScanCursor;
use crate::time::UnixMillis;
use crate::usage::{AccessClock, Usage};
use crate::value::{Text, Value};

type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<UnixMillis>)>;

const LATER: Option<UnixMillis> = Some(UnixMillis(5000));

fn hasher() -> KeyHasher {
    KeyHasher::new([1, 2])
}

fn key(number: usize) -> Vec<u8> {
    format!("key:{number}").into_bytes()
}

/// Small and in the entry, beside it, or a number; some with a deadline.
fn held(number: usize) -> (Vec<u8>, Option<UnixMillis>) {
    let text = match number % 4 {
        0 => number.to_string().into_bytes(),
        1 => vec![b'v'; number],
        2 => vec![b'w'; 300],
        _ => vec![b'x'; 70_000],
    };
    (text, LATER.filter(|_| number.is_multiple_of(3)))
}

fn entry(key: &[u8], (text, deadline): &(Vec<u8>, Option<UnixMillis>)) -> Entry {
    Entry::from_text(key, text, *deadline, Usage::default(), AccessClock(7))
}

fn put(keyspace: &Keyspace, token: &Token<'_>, model: &mut Model, number: usize, of: usize) {
    let (key, held) = (key(number), held(of));
    drop(keyspace.write(token, &key, keyspace.hasher.hash(&key)).set(entry(&key, &held)));
    model.insert(key, held);
}

fn check(keyspace: &Keyspace, model: &Model) {
    let mut seen = Model::new();
    let mut cursor = ScanCursor::START;
    loop {
        cursor = keyspace.scan(cursor, 5, |entry| {
            let held = (entry.text().unwrap().to_vec(), entry.deadline());
            assert_eq!(seen.insert(entry.key().to_vec(), held), None, "a key was given twice");
        });
        if cursor == ScanCursor::START {
            break;
        }
    }
    assert_eq!(&seen, model);
    let wanted: Vec<_> = model.keys().map(|key| (&**key, keyspace.hasher.hash(key))).collect();
    let found = keyspace.find_many(&wanted);
    assert!(found.iter().zip(&wanted).all(|(entry, (key, _))| entry.unwrap().key() == *key));
    assert!(wanted.iter().all(|(key, hash)| keyspace.find(key, *hash).unwrap().key() == *key));
    let mut dice = 1u64;
    let mut random = || {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        dice
    };
    let by_chance = keyspace.random(&mut random, |entry| entry.key().to_vec());
    assert_eq!(by_chance.is_some(), !model.is_empty());
    assert!(by_chance.is_none_or(|key| model.contains_key(&key)));
    assert_eq!(keyspace.counts.keys(), model.len());
    assert_eq!(
        keyspace.counts.deadlines(),
        model.values().filter(|(_, deadline)| deadline.is_some()).count()
    );
}

/// One edit of each sort, on a key that `turn` chooses.
fn edit(keyspace: &Keyspace, token: &Token<'_>, model: &mut Model, turn: usize, keys: usize) {
    let number = turn * 7 % keys;
    let name = key(number);
    let mut trash = Bin::default();
    let mut place = keyspace.write(token, &name, keyspace.hasher.hash(&name));
    assert_eq!(place.entry().is_some(), model.contains_key(&name));
    match (turn % 5, place.entry().is_some()) {
        (0, true) => {
            drop(place.remove().unwrap());
            model.remove(&name);
        }
        (1, true) => {
            let (text, deadline) = held(turn);
            let (form, payload) = Value::String(Text::new(&text)).into_parts();
            let mut room = Vec::new();
            place.rewrite(form, Content::of(payload, &mut room), deadline, &mut trash);
            model.insert(name.clone(), (text, deadline));
        }
        (2, true) => {
            let deadline = LATER.filter(|_| turn.is_multiple_of(2));
            place.set_deadline(deadline, &mut trash);
            model.get_mut(&name).unwrap().1 = deadline;
        }
        (3, true) => {
            let fate = if turn.is_multiple_of(2) { Fate::Keep } else { Fate::Remove };
            place.edit_value(&mut trash, |value| {
                *value = Value::String(Text::new(b"edited"));
                ((), fate)
            });
            match fate {
                Fate::Keep => model.get_mut(&name).unwrap().0 = b"edited".to_vec(),
                Fate::Remove => drop(model.remove(&name)),
            }
        }
        _ => {
            drop(place);
            put(keyspace, token, model, number, turn);
        }
    }
}

#[test]
fn entries_are_edited_and_seen_while_they_move() {
    const KEYS: usize = if cfg!(miri) { 6 } else { 24 };
    // A look at everything passes through all shards, of which there are thousands.
    const CHECK_EVERY: usize = if cfg!(miri) { 300 } else { 4 };
    let gate = Gate::new();
    let token = gate.token(Asker::Other);
    let moves = [(1 << 11, 2500), (1 << 11, 1 << 12), (1 << 12, 1 << 11), (2049, 3500), (6500, 6000)];
    for (shards, next_shards) in moves.into_iter().take(if cfg!(miri) { 1 } else { moves.len() }) {
        let mut keyspace = Keyspace::new(hasher(), shards, 1);
        let mut model = Model::new();
        (0..KEYS).for_each(|number| put(&keyspace, &token, &mut model, number, number));
        check(&keyspace, &model);
        assert!(keyspace.next.set(Arc::new(Table::new(next_shards))).is_ok());
        for turn in 0.. {
            edit(&keyspace, &token, &mut model, turn, KEYS);
            if turn.is_multiple_of(CHECK_EVERY) {
                check(&keyspace, &model);
            }
            match keyspace.resize(&token) {
                Resize::Settled => {}
                Resize::Order(_) => panic!("the second table is there"),
                Resize::Finished(successor) => {
                    keyspace = *successor;
                    break;
                }
            }
        }
        assert_eq!(keyspace.shards(), next_shards);
        check(&keyspace, &model);
        (0..KEYS * 2).for_each(|turn| edit(&keyspace, &token, &mut model, turn, KEYS));
        check(&keyspace, &model);
    }
}

#[test]
fn a_position_is_the_same_in_tables_of_any_number_of_shards() {
    let hasher = hasher();
    let counts = [1 << 11, (1 << 11) + 1, 5000, (1 << 13) - 1, 100_003, 1 << 20];
    let (counts_max, numbers) = if cfg!(miri) { (2, 20) } else { (counts.len(), 200) };
    for shards in counts.into_iter().take(counts_max) {
        let table = Table::new(shards);
        for number in 0..numbers {
            let hash = hasher.hash(&usize::to_le_bytes(number));
            let shard = table.shard_of(hash);
            assert_eq!(table.position(shard, table.bits_of(hash)), hash.position(), "{shards} shards");
        }
        for shard in [0, 1, 77, shards / 2, shards - 2, shards - 1] {
            let (first, behind) = (table.first_position(shard), table.first_position(shard + 1));
            assert!(first < behind, "{shards} shards");
            assert_eq!((table.shard_at(first), table.shard_at(behind - 1)), (shard, shard));
        }
        assert_eq!((table.first_position(0), table.first_position(shards)), (0, ScanCursor::END));
    }
}

#[test]
fn shards_are_as_many_as_fill_their_tables() {
    for keys in [100_000, 300_000, 1_000_000, 3_000_000, 50_000_000] {
        let shards = table::shards_for(keys, KEYS_PER_SHARD);
        let per_shard = keys / shards;
        let buckets = (per_shard * 8 / 7).next_power_of_two();
        assert!(per_shard * 100 / buckets >= 60, "{keys} keys in {shards} shards of {buckets} buckets");
    }
    assert_eq!(table::shards_for(0, KEYS_PER_SHARD), 1 << 11);
    assert_eq!(table::shards_for(usize::MAX, KEYS_PER_SHARD), 1 << 24);
}

#[test]
fn shared_entries_have_one_owner_whichever_data_set_goes() {
    const KEYS: usize = if cfg!(miri) { 4 } else { 12 };
    let gate = Gate::new();
    let token = gate.token(Asker::Other);
    for is_committed in [false, true] {
        let old = Keyspace::new(hasher(), 0, 1);
        let mut old_model = Model::new();
        (0..KEYS).for_each(|number| put(&old, &token, &mut old_model, number, number));
        old.expect_marks();
        let mut new = Keyspace::for_load(hasher(), 0, 1);
        let mut new_model = Model::new();
        for number in 0..KEYS {
            let of = if number.is_multiple_of(2) { number } else { number + 1 };
            let hash = new.hasher.hash(&key(number));
            let mut twice: Vec<_> = (0..2).map(|_| (hash, entry(&key(number), &held(of)))).collect();
            let added = new.add_loaded(Some(&old), &mut twice);
            assert_eq!((added.keys, added.shared), (1, usize::from(number.is_multiple_of(2))));
            assert!(added.twice.is_some_and(|entry| entry.view().key() == key(number)));
            new_model.insert(key(number), held(of));
            if number == KEYS / 2 {
                // Marks go along to a larger table.
                new.grow_at_once();
            }
        }
        check(&old, &old_model);
        check(&new, &new_model);
        let (left, mut model) = if is_committed {
            new.respect_marks(false);
            new.expect_marks();
            old.respect_marks(true);
            drop(old);
            (new, new_model)
        } else {
            drop(new);
            (old, old_model)
        };
        check(&left, &model);
        // Edits beside the clearing of the marks.
        edit(&left, &token, &mut model, 0, KEYS);
        while left.clear_marks() {}
        (0..KEYS * 2).for_each(|turn| edit(&left, &token, &mut model, turn, KEYS));
        check(&left, &model);
    }
}
