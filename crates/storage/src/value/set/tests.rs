//! Sets against a `BTreeSet`, in every form and across their limits.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn small() -> Limits {
    Limits {
        set_max_intset_entries: 5,
        set_max_listpack_entries: 7,
        set_max_listpack_value: 8,
        ..Limits::default()
    }
}

#[derive(Clone, Debug)]
enum Edit {
    Add(Vec<u8>),
    Remove(Vec<u8>),
    Prepare(usize),
    Pop,
    Fold,
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (-8i64..8).prop_map(|number| number.to_string().into_bytes()),
        2 => (0u8..6).prop_map(|number| format!("m{number}").into_bytes()),
        1 => prop::sample::select(vec![&b"nine bytes"[..], b"-123456789012", b"007", b""]).prop_map(<[u8]>::to_vec),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        6 => member().prop_map(Edit::Add),
        3 => member().prop_map(Edit::Remove),
        1 => (0usize..8).prop_map(Edit::Prepare),
        1 => Just(Edit::Pop),
        1 => Just(Edit::Fold),
    ]
}

proptest! {
    #[test]
    fn agrees_with_a_btree_set(edits in prop::collection::vec(edit(), 0..60), other in prop::collection::vec(member(), 0..12)) {
        let limits = small();
        let mut set = Set::default();
        let mut model: BTreeSet<Vec<u8>> = BTreeSet::new();
        for edit in edits {
            match edit {
                Edit::Add(member) => prop_assert_eq!(set.add(&member, &limits), model.insert(member)),
                Edit::Remove(member) => prop_assert_eq!(set.remove(&member), model.remove(&member)),
                Edit::Prepare(count) => set.prepare(count, &limits),
                Edit::Pop => match set.pop() {
                    Some(member) => prop_assert!(model.remove(&member)),
                    None => prop_assert!(model.is_empty()),
                },
                Edit::Fold => set.fold_ints(&limits),
            }
            prop_assert_eq!(set.len(), model.len());
            prop_assert_eq!(set.is_empty(), model.is_empty());
        }
        let view = set.view();
        let members: BTreeSet<Vec<u8>> = view.iter().map(Item::to_vec).collect();
        prop_assert_eq!(view.iter().count(), members.len());
        prop_assert_eq!(&members, &model);
        for member in &other {
            prop_assert_eq!(view.contains(member), model.contains(member));
            prop_assert_eq!(view.contains_item(Item::from(member.as_slice())), model.contains(member));
            prop_assert_eq!(view.contains_item(Item::Str(member)), model.contains(member));
        }
        let mut scanned = Vec::new();
        let mut cursor = 0;
        loop {
            cursor = view.scan(cursor, 2, |item| scanned.push(item.to_vec())).cursor;
            if cursor == 0 { break; }
        }
        scanned.sort();
        prop_assert!(scanned.iter().eq(model.iter()));
        for count in [0, 1, 3, 100] {
            let sample: BTreeSet<Vec<u8>> = view.sample(count).into_iter().map(Item::to_vec).collect();
            prop_assert_eq!(sample.len(), count.min(model.len()));
            prop_assert!(sample.is_subset(&model));
        }
        let mut twin = Set::for_members(b"", 0, &limits);
        model.iter().rev().for_each(|member| { twin.add(member, &limits); });
        let big = set.clone().into_big();
        for other in [&twin, &big, &set] {
            prop_assert!(view.same(other.view()) && other.view().same(view));
        }
        let mut changed = twin.clone();
        if changed.pop().is_some() {
            prop_assert!(!view.same(changed.view()));
            changed.add(b"new", &limits);
            prop_assert!(!view.same(changed.view()) && !changed.view().same(view));
        }
    }
}

fn encoding_of(members: impl IntoIterator<Item = String>) -> &'static str {
    let limits = Limits::default();
    let mut set = Set::default();
    for (index, member) in members.into_iter().enumerate() {
        if index == 0 {
            set = Set::for_members(member.as_bytes(), 1, &limits);
        }
        set.add(member.as_bytes(), &limits);
    }
    set.view().encoding()
}

#[test]
fn the_forms_are_those_of_redis() {
    let ints = |count: i32| (0..count).map(|number| number.to_string());
    let names = |count: i32| (0..count).map(|number| format!("m{number}"));
    assert_eq!(encoding_of(ints(512)), "intset");
    assert_eq!(encoding_of(ints(513)), "hashtable");
    assert_eq!(encoding_of(names(128)), "listpack");
    assert_eq!(encoding_of(names(129)), "hashtable");
    assert_eq!(encoding_of(ints(127).chain(names(1))), "listpack");
    assert_eq!(encoding_of(ints(128).chain(names(1))), "hashtable");
    assert_eq!(encoding_of(["x".repeat(64)]), "listpack");
    assert_eq!(encoding_of(["x".repeat(65)]), "hashtable");
    assert_eq!(encoding_of(ints(3).chain(["x".repeat(65)])), "hashtable");
    let limits = Limits::default();
    assert_eq!(Set::for_members(b"1", 513, &limits).view().encoding(), "hashtable");
    assert_eq!(Set::for_members(b"a", 129, &limits).view().encoding(), "hashtable");
    assert_eq!(Set::for_members(b"a", 128, &limits).view().encoding(), "listpack");
}
