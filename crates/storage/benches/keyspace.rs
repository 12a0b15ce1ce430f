//! What finding, writing and scanning keys costs among a million: `cargo bench -p nearside-storage --bench keyspace`.
#![allow(missing_docs, clippy::unwrap_used)] // a program that measures

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use storage::{DbIndex, Hashed, KeyMeta, Limits, ScanCursor, Store, StoreConfig, UnixMillis};

const DB: DbIndex = DbIndex(0);
const NOW: UnixMillis = UnixMillis(1000);
const KEYS: usize = 1_000_000;
const BATCH: usize = 64;

fn key(i: usize) -> Vec<u8> {
    format!("key:{i:012}").into_bytes()
}

fn full() -> Store {
    let store = Store::new(StoreConfig { databases: 16, hash_key: [1, 2], limits: Limits::default() });
    let mut loading = store.begin_load().unwrap();
    loading.expect(DB, KEYS).unwrap();
    for i in 0..KEYS {
        loading.insert_text(DB, &key(i), &[b'v'; 100], KeyMeta::default()).unwrap();
    }
    loading.commit(&store.writer(), None).unwrap();
    store.settle();
    store
}

fn keyspace(c: &mut Criterion) {
    let store = full();
    let batches: Vec<Vec<Vec<u8>>> = (0..KEYS / BATCH)
        .map(|batch| (0..BATCH).map(|i| key((batch * BATCH + i).wrapping_mul(7_919) % KEYS)).collect())
        .collect();
    let found = |keys: &[Vec<u8>]| {
        let reader = store.reader();
        let db = reader.db(DB, NOW);
        keys.iter().filter(|key| db.get(key).is_some_and(|entry| entry.text().is_ok())).count()
    };
    let found_prefetched = |keys: &[Vec<u8>], hashed: &mut Vec<Hashed<'_>>| {
        let reader = store.reader();
        let db = reader.db(DB, NOW);
        db.prefetch(hashed.iter().map(Hashed::hash));
        let is_found = |(key, hashed): (&Vec<u8>, &Hashed<'_>)| {
            db.hashed(Some(*hashed)).get(key).is_some_and(|entry| entry.text().is_ok())
        };
        keys.iter().zip(hashed.iter()).filter(|one| is_found(*one)).count()
    };
    let mut group = c.benchmark_group("keyspace of 1M, 64 keys");
    group.throughput(Throughput::Elements(BATCH as u64));
    let mut next = batches.iter().cycle();
    group.bench_function("get", |b| {
        b.iter(|| assert_eq!(found(next.next().unwrap()), BATCH));
    });
    group.bench_function("get, prefetched", |b| {
        b.iter(|| {
            let keys = next.next().unwrap();
            let mut hashed = keys.iter().map(|key| store.hash(key)).collect();
            assert_eq!(found_prefetched(keys, &mut hashed), BATCH);
        });
    });
    group.bench_function("set over the old value", |b| {
        b.iter(|| {
            let writer = store.writer();
            let mut db = writer.db(DB, NOW);
            for key in next.next().unwrap() {
                db.edit(key, |slot| slot.put_text_until(&[b'w'; 100], None));
            }
        });
    });
    group.finish();

    let mut group = c.benchmark_group("scan of 1M");
    for count in [10, 1000] {
        group.throughput(Throughput::Elements(count as u64));
        let mut cursor = ScanCursor::START;
        group.bench_function(format!("COUNT {count}"), |b| {
            b.iter(|| {
                let reader = store.reader();
                let mut seen = 0;
                cursor = reader.db(DB, NOW).scan(cursor, count, |_, _| seen += 1);
                black_box(seen)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, keyspace);
criterion_main!(benches);
