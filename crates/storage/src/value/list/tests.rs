//! A list agrees with a `Vec`, whatever its form and its limits.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Edit {
    Push(End, Vec<Vec<u8>>),
    Move(End, Vec<u8>),
    Pop(End, usize),
    Set(usize, Vec<u8>),
    Insert(usize, Side, Vec<u8>),
    Remove(usize, End, u64),
    Keep(usize, usize),
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Head), Just(End::Tail)]
}

/// Few different ones, so that they are found again; some large.
fn element() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (0u32..20).prop_map(|number| number.to_string().into_bytes()),
        4 => (0usize..5, 1usize..40).prop_map(|(letter, times)| vec![b'a' + letter as u8; times]),
        1 => (0usize..3).prop_map(|letter| vec![b'A' + letter as u8; 5000]),
        1 => (0usize..2).prop_map(|letter| vec![b'X' + letter as u8; 9000]),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (end(), prop::collection::vec(element(), 1..12)).prop_map(|(end, all)| Edit::Push(end, all)),
        1 => (end(), element()).prop_map(|(end, element)| Edit::Move(end, element)),
        2 => (end(), 0usize..5).prop_map(|(end, count)| Edit::Pop(end, count)),
        2 => (any::<usize>(), element()).prop_map(|(index, element)| Edit::Set(index, element)),
        3 => (any::<usize>(), any::<bool>(), element()).prop_map(|(index, before, element)| {
            Edit::Insert(index, if before { Side::Before } else { Side::After }, element)
        }),
        1 => (any::<usize>(), end(), 1u64..4).prop_map(|(index, end, count)| Edit::Remove(index, end, count)),
        1 => (0usize..30, 0usize..60).prop_map(|(start, count)| Edit::Keep(start, count)),
    ]
}

fn limits(size: i32) -> Limits {
    Limits { list_max_listpack_size: size, ..Limits::default() }
}

fn apply(list: &mut List, model: &mut Vec<Vec<u8>>, edit: Edit, limits: &Limits) {
    match edit {
        Edit::Push(end, elements) => {
            list.push_all(end, elements.iter().map(Vec::as_slice), limits);
            for element in elements {
                model.insert(if end == End::Head { 0 } else { model.len() }, element);
            }
        }
        Edit::Move(end, element) => {
            list.push_moved(end, Item::from(element.as_slice()), limits);
            model.insert(if end == End::Head { 0 } else { model.len() }, element);
        }
        Edit::Pop(end, count) => {
            let mut popped = Vec::new();
            list.pop(end, count, limits, |element| popped.push(element.to_vec()));
            for element in popped {
                let expected = model.remove(if end == End::Head { 0 } else { model.len() - 1 });
                assert_eq!(element, expected);
            }
        }
        Edit::Set(index, element) => match index.checked_rem(model.len()) {
            Some(index) => {
                assert!(list.set(index, &element, limits));
                model[index] = element;
            }
            None => assert!(!list.set(0, &element, limits)),
        },
        Edit::Insert(index, side, element) => {
            let pivot = index.checked_rem(model.len()).map_or(b"none".to_vec(), |index| model[index].clone());
            let at = model.iter().position(|own| *own == pivot);
            assert_eq!(list.insert(&pivot, side, &element, limits), at.is_some());
            if let Some(at) = at {
                model.insert(if side == Side::Before { at } else { at + 1 }, element);
            }
        }
        Edit::Remove(index, end, count) => {
            let wanted =
                index.checked_rem(model.len()).map_or(b"none".to_vec(), |index| model[index].clone());
            let removed = list.remove_matching(&wanted, end, count, limits);
            let mut left = count;
            let mut keep = |element: &Vec<u8>| {
                let goes = left > 0 && *element == wanted;
                left -= u64::from(goes);
                !goes
            };
            match end {
                End::Head => model.retain(keep),
                End::Tail => {
                    model.reverse();
                    model.retain(&mut keep);
                    model.reverse();
                }
            }
            assert_eq!(removed, count - left);
        }
        Edit::Keep(start, count) => {
            list.keep(start, count, limits);
            *model = model.iter().skip(start).take(count).cloned().collect();
        }
    }
}

fn check(list: &List, model: &[Vec<u8>]) {
    let view = list.view();
    assert_eq!(view.len(), model.len());
    let forward: Vec<Vec<u8>> = view.iter().map(Item::to_vec).collect();
    assert_eq!(forward, model);
    let mut backward: Vec<Vec<u8>> = view.iter().rev().map(Item::to_vec).collect();
    backward.reverse();
    assert_eq!(backward, model);
    for index in 0..=model.len() {
        assert_eq!(view.get(index).map(Item::to_vec).as_ref(), model.get(index));
        assert_eq!(view.iter_from(index).map(Item::to_vec).next().as_ref(), model.get(index));
    }
    assert!(view.same(List::collect(model.iter().map(Vec::as_slice), &Limits::default()).view()));
}

proptest! {
    #[test]
    fn agrees_with_a_vec(
        size in prop::sample::select(vec![-2, -1, -5, 0, 1, 3, 16, 128]),
        edits in prop::collection::vec(edit(), 1..80),
    ) {
        let limits = limits(size);
        let mut list = List::default();
        let mut model = Vec::new();
        for edit in edits {
            apply(&mut list, &mut model, edit, &limits);
            prop_assert_eq!(list.len(), model.len());
        }
        check(&list, &model);
    }
}

#[test]
fn a_long_list_of_short_nodes_is_found_by_index() {
    let limits = limits(2);
    let mut list = List::default();
    let mut model: Vec<Vec<u8>> = Vec::new();
    for number in 0..3000u32 {
        let element = number.to_string().into_bytes();
        list.push_all(
            if number % 3 == 0 { End::Head } else { End::Tail },
            [element.as_slice()].into_iter(),
            &limits,
        );
        model.insert(if number % 3 == 0 { 0 } else { model.len() }, element);
    }
    for number in (0..3000u32).step_by(7) {
        let pivot = number.to_string().into_bytes();
        let at = model.iter().position(|own| *own == pivot).unwrap();
        assert!(list.insert(&pivot, Side::After, b"between", &limits));
        model.insert(at + 1, b"between".to_vec());
    }
    check(&list, &model);
    assert_eq!(list.remove_matching(b"between", End::Tail, 100, &limits), 100);
    for _ in 0..100 {
        let at = model.iter().rposition(|own| own == b"between").unwrap();
        model.remove(at);
    }
    check(&list, &model);
    list.keep(1500, 300, &limits);
    check(&list, &model[1500..1800]);
}

#[test]
fn the_form_follows_the_size() {
    let limits = Limits::default();
    let mut list = List::default();
    let element = [b'x'; 100];
    for _ in 0..78 {
        list.push_all(End::Tail, [element.as_slice()].into_iter(), &limits);
    }
    assert_eq!(list.view().encoding(), "listpack");
    list.push_all(End::Tail, [element.as_slice()].into_iter(), &limits);
    list.push_all(End::Tail, [element.as_slice()].into_iter(), &limits);
    assert_eq!(list.view().encoding(), "quicklist");
    list.pop(End::Tail, 10, &limits, |_| ());
    assert_eq!(list.view().encoding(), "quicklist");
    list.pop(End::Tail, 40, &limits, |_| ());
    assert_eq!(list.view().encoding(), "listpack");
}
