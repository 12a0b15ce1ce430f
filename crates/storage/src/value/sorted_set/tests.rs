//! Sorted sets beside Redis' own bytes, and both of their forms beside a sorted vector.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn limits(entries: usize, value: usize) -> Limits {
    Limits { zset_max_listpack_entries: entries, zset_max_listpack_value: value, ..Limits::default() }
}

fn score(value: f64) -> Score {
    Score::new(value).unwrap()
}

fn set(elements: &[(&str, f64)], limits: &Limits) -> SortedSet {
    let mut set = SortedSet::default();
    for (member, value) in elements {
        set.insert(member.as_bytes(), score(*value), limits);
    }
    set
}

fn listed(set: SortedSetRef<'_>) -> Vec<(Vec<u8>, f64)> {
    set.iter().map(|element| (element.member.to_vec(), element.score.get())).collect()
}

#[test]
fn a_packed_set_has_the_bytes_of_redis() {
    // ZADD z 1 b 0.1 a 1 12 -0.0 zero 1e17 big, and DUMP on redis-8.10
    let set = set(&[("b", 1.0), ("a", 0.1), ("12", 1.0), ("zero", -0.0), ("big", 1e17)], &Limits::default());
    let SortedSet::Packed(packed) = &set else { panic!("five elements stay packed") };
    let items: Vec<Item<'_>> = packed.view().iter().collect();
    assert_eq!(
        items,
        [
            Item::Str(b"zero"),
            Item::Int(0),
            Item::Str(b"a"),
            Item::Str(b"0.1"),
            Item::Int(12),
            Item::Int(1),
            Item::Str(b"b"),
            Item::Int(1),
            Item::Str(b"big"),
            Item::Int(100_000_000_000_000_000),
        ]
    );
}

#[test]
fn a_set_becomes_big_by_count_and_by_length_and_stays_so() {
    let small = limits(3, 5);
    let mut by_count = set(&[("a", 1.0), ("b", 2.0), ("c", 3.0)], &small);
    assert_eq!(by_count.view().encoding(), "listpack");
    by_count.insert(b"c", score(9.0), &small);
    assert_eq!(by_count.view().encoding(), "listpack", "a new score is no new element");
    by_count.insert(b"d", score(0.0), &small);
    assert_eq!(by_count.view().encoding(), "skiplist");
    by_count.remove(b"d");
    assert_eq!(by_count.view().encoding(), "skiplist");
    assert_eq!(set(&[("12345", 1.0)], &small).view().encoding(), "listpack");
    assert_eq!(set(&[("123456", 1.0)], &small).view().encoding(), "skiplist");
    assert_eq!(SortedSet::for_elements(4, 1, &small).view().encoding(), "skiplist");
    assert_eq!(SortedSet::for_elements(3, 5, &small).view().encoding(), "listpack");
}

#[test]
fn a_strangers_listpack_is_checked() {
    let mut odd = Listpack::new();
    odd.push(b"member");
    assert_eq!(SortedSet::from_packed(odd.clone(), &Limits::default()).err(), Some(SortedSetError::Score));
    odd.push(b"nan");
    assert_eq!(SortedSet::from_packed(odd, &Limits::default()).err(), Some(SortedSetError::Score));
    let mut old = Listpack::new();
    for item in [&b"low"[..], b"-inf", b"tenth", b"0.10000000000000001", b"tiny", b"9.9999999999999995e-08"] {
        old.push(item);
    }
    let loaded = SortedSet::from_packed(old, &Limits::default()).unwrap();
    assert_eq!(loaded.view().score(b"low"), Some(Score::MIN));
    assert_eq!(loaded.view().score(b"tenth"), Some(score(0.1)));
    assert_eq!(loaded.view().score(b"tiny"), Some(score(1e-7)));
}

#[test]
fn the_form_does_not_count_for_sameness_but_the_sign_of_zero_does() {
    let elements = [("a", 1.0), ("b", 0.1), ("7", 1.0)];
    let packed = set(&elements, &Limits::default());
    let big = set(&elements, &limits(0, 0));
    assert!(packed.view().same(big.view()) && big.view().same(packed.view()));
    assert!(!packed.view().same(set(&[("a", 1.0), ("b", 0.1), ("8", 1.0)], &Limits::default()).view()));
    assert!(!packed.view().same(set(&[("a", 1.0), ("b", 0.1)], &Limits::default()).view()));
    let zero = |value| set(&[("z", value)], &limits(0, 0));
    assert!(!zero(0.0).view().same(zero(-0.0).view()));
}

#[derive(Debug, Clone)]
enum Op {
    Insert(u8, i8),
    Remove(u8),
    RemoveRange(u8, u8),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (any::<u8>(), any::<i8>()).prop_map(|(member, score)| Op::Insert(member, score)),
        2 => any::<u8>().prop_map(Op::Remove),
        1 => (any::<u8>(), 0..9u8).prop_map(|(start, count)| Op::RemoveRange(start, count)),
    ]
}

proptest! {
    #[test]
    fn both_forms_agree_with_a_sorted_vector(
        ops in proptest::collection::vec(op(), 0..200),
        entries in 0..200usize,
        bound in any::<i8>(),
        (start, end) in (0..120usize, 0..120usize),
    ) {
        let limits = limits(entries, 64);
        let mut set = SortedSet::default();
        let mut model: BTreeMap<Vec<u8>, f64> = BTreeMap::new();
        let name = |number: u8| match number % 3 {
            0 => number.to_string(),
            1 => format!("m{number}"),
            _ => format!("-{number}"),
        }.into_bytes();
        let value = |number: i8| f64::from(number) / 2.0;
        let sorted = |model: &BTreeMap<Vec<u8>, f64>| {
            let mut all: Vec<(Vec<u8>, f64)> = model.clone().into_iter().collect();
            all.sort_by(|(name, score), (other_name, other)| score.total_cmp(other).then(name.cmp(other_name)));
            all
        };
        for op in ops {
            match op {
                Op::Insert(member, number) => {
                    let old = set.insert(&name(member), score(value(number)), &limits);
                    prop_assert_eq!(old.map(Score::get), model.insert(name(member), value(number)));
                }
                Op::Remove(member) => {
                    prop_assert_eq!(set.remove(&name(member)).map(Score::get), model.remove(&name(member)));
                }
                Op::RemoveRange(from, count) => {
                    let all = sorted(&model);
                    let (from, to) = (usize::from(from), usize::from(from) + usize::from(count));
                    let gone = all.iter().skip(from).take(usize::from(count));
                    prop_assert_eq!(set.remove_range(from, to), gone.clone().count());
                    gone.for_each(|(member, _)| {
                        model.remove(member);
                    });
                }
            }
        }
        let all = sorted(&model);
        let view = set.view();
        prop_assert_eq!(view.len(), all.len());
        prop_assert_eq!(&listed(view), &all);
        prop_assert!(SortedSet::from_elements(
            all.iter().rev().map(|(name, value)| (name.clone(), score(*value))).collect(), &limits
        ).view().same(view));
        let bound = value(bound);
        prop_assert_eq!(
            view.partition_by_score(|other| other.get() < bound),
            all.iter().filter(|(_, other)| *other < bound).count()
        );
        for (rank, (member, value)) in all.iter().enumerate() {
            prop_assert_eq!(view.rank(member), Some((rank, score(*value))));
            prop_assert_eq!(view.get(rank).map(|element| element.member.to_vec()), Some(member.clone()));
        }
        let part: Vec<_> = view.range(start, end).rev().map(|element| element.member.to_vec()).collect();
        let mut wanted: Vec<_> =
            all.iter().take(end).skip(start).map(|(member, _)| member.clone()).collect();
        wanted.reverse();
        prop_assert_eq!(part, wanted);
        prop_assert_eq!(view.random().is_some(), !all.is_empty());
        let mut seen = 0;
        let mut cursor = 0;
        loop {
            cursor = view.scan(cursor, 5, |_| seen += 1).cursor;
            if cursor == 0 { break; }
        }
        prop_assert_eq!(seen, all.len());
    }
}
