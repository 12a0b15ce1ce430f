//! An array agrees with a map.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Edit {
    Set(u64, Vec<u8>),
    Run(u64, u64),
    Remove(u64),
    RemoveRange(u64, u64),
    Seek(Option<u64>),
    Insert(Vec<Vec<u8>>),
    Ring(u64, Vec<Vec<u8>>),
}

fn at() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => 0u64..40,
        3 => 4080u64..4130,
        1 => Just(INDEX_MAX),
        1 => (0u64..20).prop_map(|at| INDEX_MAX - at * 5000),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<i32>().prop_map(|value| value.to_string().into_bytes()),
        "[a-z]{0,12}".prop_map(String::into_bytes),
        (any::<i16>(), 0u32..100_000).prop_map(|(whole, part)| format!("{whole}.{part}").into_bytes()),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        6 => (at(), value()).prop_map(|(at, value)| Edit::Set(at, value)),
        1 => (at(), 1u64..if cfg!(miri) { 8 } else { 60 }).prop_map(|(at, count)| Edit::Run(at, count)),
        2 => at().prop_map(Edit::Remove),
        1 => (at(), at()).prop_map(|(a, b)| Edit::RemoveRange(a.min(b), a.max(b))),
        1 => prop::option::of(at()).prop_map(Edit::Seek),
        2 => prop::collection::vec(value(), 1..4).prop_map(Edit::Insert),
        2 => (1u64..20, prop::collection::vec(value(), 1..4)).prop_map(|(size, values)| Edit::Ring(size, values)),
    ]
}

/// The ring as the measurements on redis-8.10 describe it, in the plainest words.
fn ring(model: &mut BTreeMap<u64, Vec<u8>>, last: &mut Option<u64>, size: u64, values: &[Vec<u8>]) {
    let len = model.last_key_value().map_or(0, |(index, _)| *index as u128 + 1);
    let wrapped = last.is_some_and(|last| u128::from(last) + 1 < len);
    if len > u128::from(size) || (len < u128::from(size) && wrapped) {
        let newest = last.map_or((len - 1) as u64, |last| (u128::from(last) % len) as u64);
        let mut kept = Vec::new();
        let mut at = newest;
        while kept.len() < size as usize && (kept.len() as u128) < len {
            let Some(value) = model.get(&at) else { break };
            kept.push(value.clone());
            at = if at == 0 { (len - 1) as u64 } else { at - 1 };
        }
        kept.reverse();
        *last = (kept.len() as u64).checked_sub(1);
        *model = (0..).zip(kept).collect();
    }
    for value in values {
        let next = ((last.map_or(0, |last| u128::from(last) + 1)) % u128::from(size)) as u64;
        model.insert(next, value.clone());
        *last = Some(next);
    }
}

proptest! {
    #[test]
    fn agrees_with_a_map(edits in prop::collection::vec(edit(), 1..if cfg!(miri) { 8 } else { 60 })) {
        let mut array = Array::default();
        let mut model: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        let mut last = None;
        for edit in edits {
            match edit {
                Edit::Set(at, value) => {
                    prop_assert_eq!(array.set(at, &value), model.insert(at, value).is_none());
                }
                Edit::Run(at, count) => for at in at..at.saturating_add(count).min(INDEX_MAX) {
                    prop_assert_eq!(array.set(at, b"x"), model.insert(at, b"x".to_vec()).is_none());
                },
                Edit::Remove(at) => prop_assert_eq!(array.remove(at), model.remove(&at).is_some()),
                Edit::RemoveRange(a, b) => {
                    let before = model.len();
                    model.retain(|at, _| !(a..=b).contains(at));
                    prop_assert_eq!(array.remove_range(a..=b), (before - model.len()) as u64);
                }
                Edit::Seek(at) => { array.set_last_insert(at); last = at; }
                Edit::Insert(values) => {
                    let first = last.map_or(0, |last| u128::from(last) + 1);
                    let fits = first + values.len() as u128 <= u128::from(INDEX_MAX) + 1;
                    let done = array.insert(values.iter().map(Vec::as_slice));
                    prop_assert_eq!(done.is_some(), fits);
                    if fits {
                        for (at, value) in (first as u64..).zip(values) {
                            model.insert(at, value);
                            last = Some(at);
                        }
                        prop_assert_eq!(done, last);
                    }
                }
                Edit::Ring(size, values) => {
                    array.insert_into_ring(size, values.iter().map(Vec::as_slice));
                    ring(&mut model, &mut last, size, &values);
                }
            }
            prop_assert_eq!(array.last_insert(), last);
            prop_assert_eq!(array.len(), model.len());
            prop_assert_eq!(array.last_index(), model.last_key_value().map(|(at, _)| *at));
        }
        let owned = |(at, element): (u64, Element<'_>)| (at, element.as_bytes().to_vec());
        for (start, end) in [(0, INDEX_MAX), (3, 4100), (4095, 4096), (30, 20), (INDEX_MAX, INDEX_MAX)] {
            let expected: Vec<_> =
                model.iter().filter(|(at, _)| (start..=end).contains(*at)).map(|(at, v)| (*at, v.clone())).collect();
            let forward: Vec<_> = array.range(start..=end).map(owned).collect();
            prop_assert_eq!(&forward, &expected);
            let mut backward: Vec<_> = array.range(start..=end).rev().map(owned).collect();
            backward.reverse();
            prop_assert_eq!(&backward, &expected);
        }
        for at in (0..45).chain(4080..4140).chain([INDEX_MAX]) {
            prop_assert_eq!(array.get(at).map(|found| found.as_bytes().to_vec()), model.get(&at).cloned());
        }
        let mut copy = Array::default();
        model.iter().rev().for_each(|(at, value)| { copy.set(*at, value); });
        copy.set_last_insert(last);
        prop_assert!(copy.same(&array));
        copy.set(17, b"another value");
        prop_assert!(!copy.same(&array));
    }
}

#[test]
fn both_ends_of_a_walk_meet() {
    let mut array = Array::default();
    for at in [1, 5, 4096, 4097, 9000] {
        array.set(at, b"x");
    }
    let mut walk = array.range(0..=INDEX_MAX).map(|(at, _)| at);
    assert_eq!((walk.next(), walk.next_back(), walk.next_back()), (Some(1), Some(9000), Some(4097)));
    assert_eq!((walk.next(), walk.next(), walk.next(), walk.next_back()), (Some(5), Some(4096), None, None));
}

#[test]
#[cfg_attr(miri, ignore = "too many elements")]
fn slices_take_the_form_that_takes_less() {
    let mut array = Array::default();
    for at in 0..1000 {
        array.set(at * 4, b"12345");
    }
    let spread = array.layout();
    assert_eq!((spread.dense, spread.sparse), (0, 1));
    for at in 0..4000 {
        array.set(at, b"12345");
    }
    assert_eq!(array.layout().dense, 1);
    assert!(array.heap_bytes() < 4000 * 9 + 1000, "{}", array.heap_bytes());
    array.remove_range(10..=3990);
    assert_eq!((array.layout().dense, array.len()), (0, 19));
}

#[test]
fn the_directory_is_what_redis_says() {
    let directory = |at: &[u64]| {
        let mut array = Array::default();
        at.iter().for_each(|at| {
            array.set(*at, b"v");
        });
        array.directory()
    };
    assert_eq!(directory(&[0]), (1, 0));
    assert_eq!(directory(&[3 * 4096]), (4, 0));
    assert_eq!(directory(&[2047 * 4096]), (2048, 0));
    assert_eq!(directory(&[2048 * 4096]), (4, 1));
    assert_eq!(directory(&[0, INDEX_MAX]), (4, 2));
    let mut array = Array::default();
    for at in [0, 5000, 50_000, 500_000, 5_000_000] {
        array.set(at * 4096, b"v");
    }
    assert_eq!(array.directory(), (8, 5));
    array.remove_range(1..=INDEX_MAX);
    assert_eq!(array.directory(), (8, 1));
}
