//! The directory against a `BTreeMap`, its own rules, and the promise of a scan.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Checks every rule that the parts of a directory rely on.
fn check(directory: &Directory) {
    let mut members = 0;
    let mut bytes = 0;
    let mut covered = vec![None; directory.index.len()];
    assert_eq!(directory.index.len(), 1 << directory.depth);
    for (number, page) in directory.pages.iter().enumerate() {
        assert!(page.depth <= directory.depth);
        for slot in directory.slots_of(page.start, page.depth) {
            assert_eq!(covered[slot].replace(number), None, "two pages for one entry");
        }
        for pair in page.members.windows(2) {
            assert!(page.position(&pair[0]) <= page.position(&pair[1]));
        }
        for member in &page.members {
            let hash = hasher::hash(member.name());
            assert_eq!(member.tag(), page.tag(hash));
            assert_eq!(directory.page_of(hash), number);
            let position = page.position(member);
            assert!(position <= hash && hash - position <= u64::MAX >> (16 + page.window()));
            members += 1;
            bytes += member.heap_bytes();
        }
    }
    let index: Vec<Option<usize>> = directory.index.iter().map(|page| Some(*page as usize)).collect();
    assert_eq!(covered, index);
    assert_eq!(directory.len, members);
    assert_eq!(directory.member_bytes, bytes);
    assert_eq!(
        directory.deepest,
        directory.pages.iter().filter(|page| page.depth == directory.depth).count()
    );
}

fn name(number: usize) -> Vec<u8> {
    format!("member:{number}").into_bytes()
}

#[derive(Clone, Debug)]
enum Edit {
    Insert(std::ops::Range<usize>),
    Remove(std::ops::Range<usize>),
    Change(usize, u8),
}

/// A page splits above some hundreds of members; an interpreter has no time for many pages.
const NUMBERS: usize = if cfg!(miri) { 700 } else { 4000 };

fn edit() -> impl Strategy<Value = Edit> {
    let range = || (0usize..NUMBERS, 1usize..NUMBERS * 9 / 40).prop_map(|(from, length)| from..from + length);
    prop_oneof![
        3 => range().prop_map(Edit::Insert),
        2 => range().prop_map(Edit::Remove),
        1 => (0usize..NUMBERS, any::<u8>()).prop_map(|(at, value)| Edit::Change(at, value)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 2 } else { 48 }, ..Default::default() })]
    #[test]
    fn agrees_with_a_map(capacity in 0usize..NUMBERS, edits in prop::collection::vec(edit(), 1..if cfg!(miri) { 6 } else { 20 })) {
        let mut directory = Directory::with_capacity(capacity);
        let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        for (round, edit) in edits.into_iter().enumerate() {
            match edit {
                Edit::Insert(numbers) => for number in numbers {
                    let value = vec![round as u8; number % 40];
                    let old = directory.insert(Member::of_hash(&name(number), &value, None));
                    prop_assert_eq!(old.map(|old| old.value().to_vec()), model.insert(name(number), value));
                },
                Edit::Remove(numbers) => for number in numbers {
                    let old = directory.remove(&name(number));
                    prop_assert_eq!(old.map(|old| old.value().to_vec()), model.remove(&name(number)));
                },
                Edit::Change(number, value) => {
                    let value = vec![value; usize::from(value)];
                    match directory.insert_or_get(&name(number), || Member::of_hash(&name(number), &value, None)) {
                        Some(mut member) => {
                            member.set_value(&value);
                            member.set_deadline((value.len() % 2 == 0).then_some(UnixMillis(5)));
                            prop_assert!(model.contains_key(&name(number)));
                        }
                        None => prop_assert!(!model.contains_key(&name(number))),
                    }
                    model.insert(name(number), value);
                }
            }
            check(&directory);
        }
        let seen: BTreeMap<Vec<u8>, Vec<u8>> =
            directory.iter().map(|member| (member.name().to_vec(), member.value().to_vec())).collect();
        prop_assert_eq!(directory.iter().count(), directory.len());
        prop_assert_eq!(&seen, &model);
        for number in 0..NUMBERS + NUMBERS / 4 {
            prop_assert_eq!(directory.get(&name(number)).map(Member::value), model.get(&name(number)).map(|v| &**v));
        }
        let copy = directory.clone();
        check(&copy);
        for name in model.keys() {
            directory.remove(name);
        }
        check(&directory);
        prop_assert!(directory.is_empty() && directory.random().is_none());
        prop_assert_eq!(copy.len(), model.len());
        // What stays of an emptied one is small.
        prop_assert!(capacity > 0 || directory.pages.len() == 1, "{} pages", directory.pages.len());
    }

    #[test]
    fn a_scan_gives_whatever_stays_through_growth_and_shrinking(
        start in 0usize..NUMBERS * 3 / 4, capacity in 0usize..NUMBERS / 2, count in 1usize..50, churn in 0usize..400,
        grow: bool,
    ) {
        let mut directory = Directory::with_capacity(capacity);
        let stay: BTreeSet<Vec<u8>> = (0..start).step_by(3).map(name).collect();
        (0..start).for_each(|number| { directory.insert(Member::of_set(&name(number))); });
        let mut seen = HashSet::new();
        let mut cursor = 0;
        let mut next_new = start;
        let mut next_gone = 0;
        for call in 0.. {
            prop_assert!(call < 100_000, "it ends");
            let step = directory.scan(cursor, count, |member| { seen.insert(member.name().to_vec()); });
            prop_assert!(step.touched <= 4 * count + 1000);
            prop_assert!(step.cursor == 0 || step.cursor > cursor);
            cursor = step.cursor;
            if cursor == 0 { break; }
            for _ in 0..churn {
                if grow && next_new < NUMBERS * 5 {
                    directory.insert(Member::of_set(&name(next_new)));
                    next_new += 1;
                } else if next_gone < start {
                    if next_gone % 3 != 0 { directory.remove(&name(next_gone)); }
                    next_gone += 1;
                }
            }
        }
        prop_assert!(stay.iter().all(|name| seen.contains(name)));
    }
}

#[test]
fn any_number_is_a_cursor() {
    let mut directory = Directory::new();
    (0..NUMBERS / 2).for_each(|number| {
        directory.insert(Member::of_set(&name(number)));
    });
    let in_order: Vec<&[u8]> = directory.iter().map(Member::name).collect();
    for cursor in [0, 1, 2, 77, 1 << 20, 1 << 47, (1 << 48) - 1, 1 << 48, u64::MAX] {
        let mut given = Vec::new();
        let step = directory.scan(cursor, 10, |member| given.push(member.name()));
        assert!(step.cursor == 0 || step.cursor > cursor);
        let from = given
            .first()
            .map_or(in_order.len(), |first| in_order.iter().position(|name| name == first).unwrap());
        assert_eq!(given, in_order[from..from + given.len()], "hash order is one order");
    }
}

#[test]
#[cfg_attr(miri, ignore)]
fn a_million_members_scan_and_stay_small() {
    const MEMBERS: usize = 1_000_000;
    for promised in [0, MEMBERS] {
        let mut directory = Directory::with_capacity(promised);
        for number in 0..MEMBERS {
            directory.insert(Member::of_set(format!("{number:016}").as_bytes()));
        }
        check(&directory);
        let each = directory.heap_bytes() as f64 / MEMBERS as f64;
        println!("promised {promised}: {each:.1} B a member of 16 bytes");
        assert!(each < 43.0);
        let longest = directory.pages.iter().map(|page| page.members.len()).max();
        assert!(longest <= Some(PAGE_MEMBERS));
        for count in [1, 10, 1000] {
            let (mut cursor, mut given, mut calls) = (0, 0, 0);
            loop {
                let step = directory.scan(cursor, count, |_| given += 1);
                assert!(step.touched <= 4 * count + 1000, "{} slots for COUNT {count}", step.touched);
                calls += 1;
                cursor = step.cursor;
                if cursor == 0 || (count == 1 && calls == 10_000) {
                    break;
                }
            }
            assert!(count == 1 || (given == MEMBERS && calls <= MEMBERS / count + 1));
        }
        for number in 0..MEMBERS {
            if number % 100 != 0 {
                directory.remove(format!("{number:016}").as_bytes());
            }
        }
        check(&directory);
        assert_eq!(directory.len(), MEMBERS / 100);
        assert!(directory.heap_bytes() < MEMBERS / 100 * 60, "it shrinks: {} B", directory.heap_bytes());
        let mut steps = 1;
        while !directory.free_some() {
            steps += 1;
        }
        assert!(steps > 3, "in slices");
    }
}

#[test]
#[cfg_attr(miri, ignore)]
fn every_member_is_as_likely() {
    let mut directory = Directory::new();
    (0..3000).for_each(|number| {
        directory.insert(Member::of_set(&name(number)));
    });
    (0..3000).filter(|number| number % 10 != 0).for_each(|number| {
        directory.remove(&name(number));
    });
    let mut seen: HashMap<&[u8], u32> = HashMap::new();
    for _ in 0..300_000 {
        *seen.entry(directory.random().unwrap().name()).or_default() += 1;
    }
    assert_eq!(seen.len(), 300);
    // A thousand each; the standard deviation is 32.
    assert!(seen.values().all(|count| (800..1200).contains(count)), "{:?}", seen.values().max());
}
