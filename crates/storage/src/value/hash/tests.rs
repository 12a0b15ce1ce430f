//! Hashes against a `BTreeMap`, in every form and across their limits.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<UnixMillis>)>;

fn small() -> Limits {
    Limits { hash_max_listpack_entries: 6, hash_max_listpack_value: 12, ..Limits::default() }
}

fn model_of(hash: HashRef<'_>) -> Model {
    hash.all().map(|field| (field.name.to_vec(), (field.value.to_vec(), field.deadline))).collect()
}

#[derive(Clone, Debug)]
enum Edit {
    Set(Vec<u8>, Vec<u8>, FieldDeadline),
    Remove(Vec<u8>),
    Deadline(Vec<u8>, Option<UnixMillis>),
    Prepare(usize),
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    (0u8..14).prop_map(|number| match number {
        13 => b"a name too long for a listpack".to_vec(),
        number if number % 2 == 0 => number.to_string().into_bytes(),
        number => format!("f{number}").into_bytes(),
    })
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<i64>().prop_map(|number| (number % 100_000).to_string().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..14),
    ]
}

fn deadline() -> impl Strategy<Value = UnixMillis> {
    prop_oneof![8 => (1i64..50).prop_map(UnixMillis), 1 => (-2i64..1).prop_map(UnixMillis)]
}

fn edit() -> impl Strategy<Value = Edit> {
    let set = prop_oneof![
        Just(FieldDeadline::Cleared),
        Just(FieldDeadline::Kept),
        deadline().prop_map(FieldDeadline::At),
    ];
    prop_oneof![
        4 => (name(), value(), set).prop_map(|(name, value, deadline)| Edit::Set(name, value, deadline)),
        2 => name().prop_map(Edit::Remove),
        2 => (name(), prop::option::of(deadline())).prop_map(|(name, deadline)| Edit::Deadline(name, deadline)),
        1 => (0usize..8).prop_map(Edit::Prepare),
    ]
}

/// The rules of a form.
fn check(hash: &Hash) {
    match hash {
        Hash::Packed(_) => assert!(!hash.view().has_deadlines()),
        Hash::PackedTtl(_) => {
            let deadlines: Vec<i64> =
                hash.view().all().map(|field| field.deadline.map_or(i64::MAX, |at| at.0)).collect();
            assert!(deadlines.is_sorted(), "{deadlines:?}");
        }
        Hash::Big(big) => {
            let counted = hash.view().all().filter(|field| field.deadline.is_some()).count();
            assert_eq!(big.deadlines(), counted);
        }
    }
}

proptest! {
    #[test]
    fn agrees_with_a_map(edits in prop::collection::vec(edit(), 0..60), valkey: bool, now in 0i64..50) {
        let form = if valkey { DeadlineForm::Big } else { DeadlineForm::Packed };
        let limits = small();
        let mut hash = Hash::default();
        let mut model = Model::new();
        for edit in edits {
            match edit {
                Edit::Set(name, value, deadline) => {
                    let before = hash.set(&name, &value, deadline, &limits, form);
                    let old = model.get(&name).map(|(_, deadline)| *deadline);
                    prop_assert_eq!(before, old.map(|deadline| Before { deadline }));
                    let deadline = match deadline {
                        FieldDeadline::Cleared => None,
                        FieldDeadline::Kept => old.flatten(),
                        FieldDeadline::At(at) => Some(at),
                    };
                    model.insert(name, (value, deadline));
                }
                Edit::Remove(name) => {
                    let old = model.remove(&name).map(|(_, deadline)| Before { deadline });
                    prop_assert_eq!(hash.remove(&name), old);
                }
                Edit::Deadline(name, deadline) => {
                    let before = hash.set_deadline(&name, deadline, form);
                    let old = model.get_mut(&name).map(|(_, own)| std::mem::replace(own, deadline));
                    prop_assert_eq!(before, old.map(|deadline| Before { deadline }));
                }
                Edit::Prepare(fields) => hash.prepare(fields, 0, &limits),
            }
            check(&hash);
            prop_assert_eq!(hash.len(), model.len());
        }
        let view = hash.view();
        let now = UnixMillis(now);
        prop_assert_eq!(model_of(view), model.clone());
        let visible: Model = model.iter().filter(|(_, (_, at))| !at.is_some_and(|at| at.is_past(now)))
            .map(|(name, rest)| (name.clone(), rest.clone())).collect();
        prop_assert_eq!(view.visible_len(now), visible.len());
        for (name, (value, _)) in &model {
            let seen = view.get(name, now).map(Item::to_vec);
            prop_assert_eq!(seen.as_ref(), visible.get(name).map(|(value, _)| value));
            let value = Some(value.clone());
            prop_assert_eq!(view.get(name, UnixMillis::NOTHING_EXPIRED).map(Item::to_vec), value);
        }
        let mut scanned = Vec::new();
        let mut cursor = 0;
        loop {
            cursor = view.scan(cursor, 2, now, |field| scanned.push(field.name.to_vec())).cursor;
            if cursor == 0 { break; }
        }
        scanned.sort();
        prop_assert_eq!(&scanned, &visible.keys().cloned().collect::<Vec<_>>());
        prop_assert_eq!(view.random(now).is_some(), !visible.is_empty());
        for count in [1, 3, 100] {
            let mut sample: Vec<_> = view.sample(count, now).iter().map(|field| field.name.to_vec()).collect();
            sample.sort();
            sample.dedup();
            prop_assert_eq!(sample.len(), count.min(visible.len()));
            prop_assert!(sample.iter().all(|name| visible.contains_key(name)));
        }
        prop_assert_eq!(view.soonest_deadline(), model.values().filter_map(|(_, at)| *at).min());
        // What has expired is taken out, some at a time, and nothing else.
        let mut rest = hash.clone();
        while rest.view().may_have_expired(now) {
            let gone = rest.take_expired(now, 2);
            prop_assert!(gone.len() <= 2 && gone.iter().all(|name| !visible.contains_key(name)));
            check(&rest);
        }
        prop_assert_eq!(model_of(rest.view()), visible.clone());
        // Sameness is of content: in another form, in another order, and not with anything changed.
        let big = hash.clone().into_big();
        prop_assert!(view.same(big.view()) && big.view().same(view) && view.same(hash.clone().view()));
        let mut reversed = Hash::default();
        for field in view.all().collect::<Vec<_>>().into_iter().rev() {
            let deadline = field.deadline.map_or(FieldDeadline::Cleared, FieldDeadline::At);
            reversed.set(&field.name.to_vec(), &field.value.to_vec(), deadline, &limits, form);
        }
        prop_assert!(view.same(reversed.view()) && reversed.view().same(view));
        if let Some(name) = model.keys().next() {
            let mut other = hash.clone();
            other.set(name, b"changed", FieldDeadline::Kept, &limits, form);
            prop_assert!(!view.same(other.view()) || view.get(name, UnixMillis::NOTHING_EXPIRED).unwrap().eq_bytes(b"changed"));
            let mut other = hash.clone();
            other.set_deadline(name, Some(UnixMillis(77)), form);
            prop_assert!(!view.same(other.view()) && !other.view().same(view));
            other.remove(name);
            prop_assert!(!view.same(other.view()));
        }
    }

    #[test]
    fn triples_from_elsewhere_are_put_in_order(
        fields in prop::collection::btree_map(name(), (value(), 0i64..5), 0..8),
    ) {
        let mut pack = Listpack::new();
        for (name, (value, millis)) in &fields {
            pack.push(name);
            pack.push(value);
            pack.push_int(*millis);
        }
        let hash = Hash::from_triples(pack).unwrap();
        check(&hash);
        let expected: Model = fields.into_iter()
            .map(|(name, (value, millis))| (name, (value, (millis != 0).then_some(UnixMillis(millis))))).collect();
        prop_assert_eq!(model_of(hash.view()), expected);
    }
}

#[test]
fn the_forms_are_those_of_the_servers() {
    let limits = Limits::default();
    let mut hash = Hash::default();
    hash.set(b"a", b"1", FieldDeadline::Cleared, &limits, DeadlineForm::Packed);
    assert_eq!(hash.view().encoding(), "listpack");
    hash.set_deadline(b"missing", Some(UnixMillis(1)), DeadlineForm::Packed);
    assert_eq!(hash.view().encoding(), "listpack");
    let mut valkey = hash.clone();
    hash.set_deadline(b"a", Some(UnixMillis(1)), DeadlineForm::Packed);
    valkey.set_deadline(b"a", Some(UnixMillis(1)), DeadlineForm::Big);
    assert_eq!((hash.view().encoding(), valkey.view().encoding()), ("listpackex", "hashtable"));
    hash.set_deadline(b"a", None, DeadlineForm::Packed);
    assert_eq!(hash.view().encoding(), "listpackex");
    hash.prepare(513, 0, &limits);
    assert_eq!(hash.view().encoding(), "hashtable");
    let mut hash = Hash::default();
    hash.set(b"a", &[b'x'; 65], FieldDeadline::Cleared, &limits, DeadlineForm::Packed);
    assert_eq!(hash.view().encoding(), "hashtable");
    let mut hash = Hash::default();
    for number in 0..513 {
        assert_eq!(hash.view().encoding(), "listpack");
        hash.set(number.to_string().as_bytes(), b"", FieldDeadline::Cleared, &limits, DeadlineForm::Packed);
    }
    assert_eq!(hash.view().encoding(), "hashtable");
}

#[test]
fn elements_that_make_no_pairs_or_triples_are_refused() {
    let mut pack = Listpack::new();
    pack.push(b"alone");
    assert!(Hash::from_pairs(pack.clone()).is_none());
    pack.push(b"value");
    assert!(Hash::from_pairs(pack.clone()).is_some());
    assert!(Hash::from_triples(pack.clone()).is_none());
    for (deadline, is_one) in [
        ("no deadline", false),
        ("-1", false),
        ("0", true),
        ("281474976710655", true),
        ("281474976710656", false),
    ] {
        let mut triple = pack.clone();
        triple.push(deadline.as_bytes());
        assert_eq!(Hash::from_triples(triple).is_some(), is_one, "{deadline}");
    }
}

/// A long look is not begun anew with each field that expires.
#[test]
fn a_hash_of_many_fields_is_looked_at_now_and_then() {
    let mut hash = Hash::with_capacity(5000);
    let (limits, form) = (small(), DeadlineForm::default());
    for number in 0..5000i64 {
        let deadline = FieldDeadline::At(UnixMillis(100 + number));
        hash.set(number.to_string().as_bytes(), b"v", deadline, &limits, form);
    }
    assert!(!hash.view().may_have_expired(UnixMillis(100)));
    assert!(hash.view().may_have_expired(UnixMillis(101)));
    // As long as there may be more that have expired, the next look is at once.
    let now = UnixMillis(120);
    assert_eq!(hash.take_expired(now, 15).len(), 15);
    assert!(hash.view().may_have_expired(now));
    assert_eq!(hash.take_expired(now, 15).len(), 5);
    // 4,980 fields: the next look is four milliseconds away, though one expires in each; one that is new does not wait.
    assert!(!hash.view().may_have_expired(UnixMillis(124)));
    assert!(hash.view().may_have_expired(UnixMillis(125)));
    hash.set_deadline(b"4000", Some(UnixMillis(121)), form);
    assert!(hash.view().may_have_expired(UnixMillis(122)));
    assert_eq!(hash.take_expired(UnixMillis(125), 100).len(), 6);
    assert_eq!(hash.len(), 5000 - 26);
}
