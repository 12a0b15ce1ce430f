//! What a sorted set costs, packed and big: `cargo bench -p nearside-storage --bench sorted_set`.
#![allow(missing_docs, clippy::unwrap_used)] // a program that measures

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use storage::Limits;
use storage::score::Score;
use storage::value::SortedSet;

fn member(i: usize) -> Vec<u8> {
    format!("member:{i:09}").into_bytes()
}

fn sorted_set(c: &mut Criterion) {
    let limits = Limits::default();
    for elements in [100usize, 100_000] {
        let mut set = SortedSet::default();
        for i in 0..elements {
            set.insert(&member(i), Score::from(i as i64), &limits);
        }
        let members: Vec<Vec<u8>> = (0..1000).map(|i| member(i * 7_919 % elements)).collect();
        let mut next = members.iter().cycle();
        let mut group = c.benchmark_group(format!("sorted set of {elements}"));
        group.bench_function("score", |b| {
            b.iter(|| assert!(set.view().score(next.next().unwrap()).is_some()));
        });
        group.bench_function("rank", |b| {
            b.iter(|| assert!(set.view().rank(next.next().unwrap()).is_some()));
        });
        group.bench_function("ten from the middle", |b| {
            b.iter(|| assert_eq!(black_box(set.view().range(elements / 2, elements / 2 + 10)).count(), 10));
        });
        let mut score = 0;
        group.bench_function("another score", |b| {
            b.iter(|| {
                score = (score + 7_919) % elements as i64;
                set.insert(next.next().unwrap(), Score::from(score), &limits)
            });
        });
        assert_eq!(set.len(), elements);
        group.finish();
    }
}

criterion_group!(benches, sorted_set);
criterion_main!(benches);
