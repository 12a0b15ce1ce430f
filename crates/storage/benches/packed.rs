//! What the packed encodings cost at the sizes up to which they are kept: `cargo bench -p nearside-storage --bench packed`.
#![allow(missing_docs, clippy::unwrap_used)] // a program that measures

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use storage::packed::{Intset, Listpack};

fn listpack(c: &mut Criterion) {
    let mut group = c.benchmark_group("listpack");
    for elements in [10usize, 128, 512] {
        let mut pack = Listpack::new();
        (0..elements).for_each(|i| pack.push(format!("field:{i:04}").as_bytes()));
        let last = format!("field:{:04}", elements - 1).into_bytes();
        assert_eq!(pack.view().find(&last, 0), pack.view().last());
        group.bench_function(format!("find the last of {elements}"), |b| {
            b.iter(|| black_box(pack.view().find(black_box(&last), 0)));
        });
        group.bench_function(format!("go through {elements}"), |b| {
            b.iter(|| pack.view().iter().map(|item| item.len()).sum::<usize>());
        });
        let middle = pack.view().nth(elements as i64 / 2).unwrap();
        group.bench_function(format!("replace in the middle of {elements}"), |b| {
            b.iter_batched_ref(
                || pack.view().to_listpack(),
                |pack| pack.replace(middle, b"another field"),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn intset(c: &mut Criterion) {
    let mut group = c.benchmark_group("intset");
    for elements in [10i64, 512] {
        let mut set = Intset::new();
        for i in 0..elements {
            set.insert(i * 1000);
        }
        let mut wanted = 0;
        group.bench_function(format!("contains, of {elements}"), |b| {
            b.iter(|| {
                wanted = (wanted + 7) % elements;
                assert!(set.contains(wanted * 1000));
            });
        });
        group.bench_function(format!("insert into the middle of {elements}"), |b| {
            b.iter_batched_ref(
                || set.view().to_intset(),
                |set| set.insert(elements * 500 + 1),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, listpack, intset);
criterion_main!(benches);
