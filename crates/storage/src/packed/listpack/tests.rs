//! The listpack against a `Vec` of elements, against bytes of a real server, and against strange bytes.

use super::*;
use proptest::prelude::*;

/// Strings and integers around every border between two encodings.
fn border_elements() -> Vec<String> {
    let borders = [
        0i64,
        127,
        128,
        -1,
        4095,
        -4096,
        4096,
        -4097,
        32767,
        -32768,
        32768,
        -32769,
        8388607,
        -8388608,
        8388608,
        -8388609,
        2147483647,
        -2147483648,
        2147483648,
        -2147483649,
        i64::MAX,
        i64::MIN,
    ];
    let mut all: Vec<String> = borders.iter().map(i64::to_string).collect();
    all.extend(["", "a", "007", "-0"].map(String::from));
    all
}

#[test]
fn the_bytes_are_those_of_redis() {
    // HSET h f0 0 f1 127 … on redis-8.10, taken out of its DUMP.
    let expected = "010100003400826630030001826631037f0182663203c0800282663303dfff0282663403cfff028266350\
        3d0000282663603f100100382663703f1ffef0382663803f1ff7f0382663903f10080038366313004f20080000483663131\
        04f2ff7fff048366313204f2ffff7f048366313304f2000080048366313404f300008000058366313504f3ffff7fff05836\
        6313604f3ffffff7f058366313704f300000080058366313804f40000008000000000098366313904f4ffffff7fffffffff\
        098366323004f4ffffffffffffff7f098366323104f40000000000000080098366323204800183663233048161028366323\
        40483303037048366323504822d3003ff";
    let mut pack = Listpack::new();
    for (index, element) in border_elements().iter().enumerate() {
        pack.push(format!("f{index}").as_bytes());
        pack.push(element.as_bytes());
    }
    let hex: String = pack.view().to_wire().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, expected);
    // And with strings around the borders of their own encodings and of the back length's; the whole is
    // 74,578 bytes, so only its FNV-1a stands here.
    let long = [("x", 63), ("x", 64), ("x", 124), ("x", 125), ("x", 126), ("y", 4095), ("y", 4096)];
    let longer = [("z", 16376), ("z", 16377), ("z", 16378), ("z", 16379)];
    for (index, (text, times)) in long.iter().chain(&longer).enumerate() {
        pack.push(format!("f{}", index + 26).as_bytes());
        pack.push(text.repeat(*times).as_bytes());
    }
    pack.push(b"f37");
    pack.push(b"q");
    let fnv =
        pack.view().to_wire().iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
        });
    assert_eq!((pack.wire_len(), fnv), (74578, 0x16c9_e9f5_8d6c_d21e));
    assert_eq!(check(&pack.view().to_wire()), Ok(vec![]));
}

#[test]
fn more_elements_than_the_header_can_count() {
    let mut pack = Listpack::new();
    for index in 0..70_000 {
        pack.push_int(index % 100);
    }
    assert_eq!(pack.len(), 70_000);
    assert_eq!(pack.view().count, COUNT_UNKNOWN);
    assert_eq!(check(&pack.view().to_wire()), Ok(vec![]));
    let last = pack.view().nth(-1).unwrap();
    pack.remove(last);
    assert_eq!(pack.len(), 69_999);
    let tail = pack.split_off(pack.view().nth(10).unwrap());
    assert_eq!((pack.len(), tail.len()), (10, 69_989));
    assert_eq!(pack.view().count, 10);
    assert_eq!(check(&pack.view().to_wire()), Ok(vec![]));
    assert_eq!(check(&tail.view().to_wire()), Ok(vec![]));
}

#[test]
fn from_255_elements_on_the_head_is_longer() {
    let mut pack = Listpack::new();
    let mut fresh = Vec::new();
    for index in 0..260 {
        // At the front, so that what follows is moved along with the head's step.
        let at = pack.view().first();
        let new = match at {
            Some(at) => pack.insert_int_before(at, index),
            None => {
                pack.push_int(index);
                pack.view().first().unwrap()
            }
        };
        assert_eq!(pack.view().get_at(new), Item::Int(index));
        fresh.push(pack.clone());
    }
    let head = |count: usize| fresh[count - 1].as_bytes().len() - fresh[count - 1].view().elements.len();
    assert_eq!((head(1), head(254), head(255), head(260)), (1, 1, 3, 3));
    for count in (1..260).rev() {
        let first = pack.view().first().unwrap();
        let next = pack.remove(first).unwrap();
        assert_eq!(pack.view().get_at(next), Item::Int(count as i64 - 1));
        assert_eq!((&pack, pack.len()), (&fresh[count - 1], count));
        assert_eq!(check(&pack.view().to_wire()), Ok(vec![]));
        assert_eq!(Listpack::from_trusted(pack.as_bytes().to_vec()), pack);
    }
}

#[test]
fn the_long_back_lengths_of_older_servers_become_short() {
    let mut expected = Listpack::new();
    let mut old = vec![0, 0, 0, 0, 5, 0];
    for (text, length) in [("a", 1), ("x", 16378), ("y", 16379), ("z", 16378), ("b", 1)] {
        let element = text.repeat(length);
        expected.push(element.as_bytes());
        let mut alone = Listpack::new();
        alone.push(element.as_bytes());
        old.extend_from_slice(alone.view().elements);
        if length == 16378 {
            let tail = old.len() - 2;
            assert_eq!(old[tail..], [0x7F, 0xFF]);
            old.splice(tail.., [0, 0xFF, 0xFF]);
        }
    }
    old.push(END);
    let total = old.len() as u32;
    old[..4].copy_from_slice(&total.to_le_bytes());
    assert_eq!(Listpack::from_wire(&old), Ok(expected));
}

#[test]
fn broken_bytes_are_named() {
    assert!(matches!(Listpack::from_wire(&[]), Err(PackedError::Truncated { .. })));
    assert!(matches!(Listpack::from_wire(&[6, 0, 0, 0, 0, 0]), Err(PackedError::Truncated { .. })));
    assert!(matches!(Listpack::from_wire(&[8, 0, 0, 0, 0, 0, 255]), Err(PackedError::Length { .. })));
    assert!(matches!(Listpack::from_wire(&[7, 0, 0, 0, 1, 0, 255]), Err(PackedError::Count { .. })));
    let odd = [9, 0, 0, 0, 1, 0, 0xF5, 1, 255];
    assert_eq!(Listpack::from_wire(&odd), Err(PackedError::Encoding { byte: 0xF5, at: 6 }));
    let back = [9, 0, 0, 0, 1, 0, 5, 2, 255];
    assert_eq!(Listpack::from_wire(&back), Err(PackedError::BackLength { at: 6 }));
    let huge = [12, 0, 0, 0, 1, 0, 0xF0, 255, 255, 255, 255, 255];
    assert!(matches!(Listpack::from_wire(&huge), Err(PackedError::Truncated { at: 6, .. })));
}

#[derive(Clone, Debug)]
enum Edit {
    Push(Vec<u8>),
    PushInt(i64),
    Before(usize, Vec<u8>),
    After(usize, Vec<u8>),
    Replace(usize, Vec<u8>),
    Remove(usize, usize),
    Split(usize),
    Join,
}

fn element() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..70),
        any::<i64>().prop_map(|value| value.to_string().into_bytes()),
        (-5000i64..5000).prop_map(|value| value.to_string().into_bytes()),
        prop::sample::select(border_elements()).prop_map(String::into_bytes),
        (
            prop::sample::select(vec![63usize, 64, 124, 125, 126, 4095, 4096, 16377, 16378, 16379]),
            any::<u8>()
        )
            .prop_map(|(length, byte)| vec![byte; length]),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => element().prop_map(Edit::Push),
        1 => any::<i64>().prop_map(Edit::PushInt),
        2 => (any::<usize>(), element()).prop_map(|(at, element)| Edit::Before(at, element)),
        2 => (any::<usize>(), element()).prop_map(|(at, element)| Edit::After(at, element)),
        2 => (any::<usize>(), element()).prop_map(|(at, element)| Edit::Replace(at, element)),
        2 => (any::<usize>(), 0usize..4).prop_map(|(at, count)| Edit::Remove(at, count)),
        1 => any::<usize>().prop_map(Edit::Split),
        1 => Just(Edit::Join),
    ]
}

proptest! {
    #[test]
    fn agrees_with_a_vec(edits in prop::collection::vec(edit(), 1..60)) {
        let mut pack = Listpack::new();
        let mut aside = Listpack::new();
        let mut model: Vec<Vec<u8>> = Vec::new();
        let mut model_aside: Vec<Vec<u8>> = Vec::new();
        for edit in edits {
            let at = |index: usize, model: &Vec<Vec<u8>>| {
                let index = index.checked_rem(model.len())?;
                Some((index, pack.view().nth(index as i64).expect("the model has it")))
            };
            match edit {
                Edit::Push(element) => { pack.push(&element); model.push(element); }
                Edit::PushInt(value) => { pack.push_int(value); model.push(value.to_string().into_bytes()); }
                Edit::Before(index, element) => if let Some((index, at)) = at(index, &model) {
                    let new = pack.insert_before(at, &element);
                    prop_assert!(pack.view().get_at(new).eq_bytes(&element));
                    model.insert(index, element);
                },
                Edit::After(index, element) => if let Some((index, at)) = at(index, &model) {
                    let new = pack.insert_after(at, &element);
                    prop_assert!(pack.view().get_at(new).eq_bytes(&element));
                    model.insert(index + 1, element);
                },
                Edit::Replace(index, element) => if let Some((index, at)) = at(index, &model) {
                    pack.replace(at, &element);
                    model[index] = element;
                },
                Edit::Remove(index, count) => if let Some((index, at)) = at(index, &model) {
                    let next = pack.remove_range(at, count);
                    let stop = (index + count).min(model.len());
                    model.drain(index..stop);
                    prop_assert_eq!(
                        next.map(|at| pack.view().get_at(at).to_vec()), model.get(index).cloned());
                },
                Edit::Split(index) => if let Some((index, at)) = at(index, &model) {
                    aside = pack.split_off(at);
                    model_aside = model.split_off(index);
                },
                Edit::Join => {
                    pack.push_all(aside.view());
                    model.extend(model_aside.iter().cloned());
                }
            }
            prop_assert_eq!(check(&pack.view().to_wire()), Ok(vec![]));
        }
        let view = pack.view();
        prop_assert_eq!(view.len(), model.len());
        let forward: Vec<Vec<u8>> = view.iter().map(Item::to_vec).collect();
        prop_assert_eq!(&forward, &model);
        let mut backward: Vec<Vec<u8>> = view.iter().rev().map(Item::to_vec).collect();
        backward.reverse();
        prop_assert_eq!(&backward, &model);
        // The bytes are those of a listpack that was never edited.
        let mut fresh = Listpack::new();
        model.iter().for_each(|element| fresh.push(element));
        prop_assert_eq!(&fresh, &pack);
        for index in -(model.len() as i64) - 1..=model.len() as i64 {
            let expected = if index < 0 { model.len().checked_add_signed(index as isize) } else { Some(index as usize) }
                .and_then(|index| model.get(index));
            prop_assert_eq!(view.nth(index).map(|at| view.get_at(at).to_vec()), expected.cloned());
        }
        for skip in 0..3 {
            for wanted in &model {
                let expected = model.iter().step_by(skip + 1).position(|element| element == wanted);
                let found = view.find(wanted, skip);
                prop_assert_eq!(found, expected.and_then(|index| view.nth((index * (skip + 1)) as i64)));
            }
        }
        let mut at = view.last();
        for element in model.iter().rev() {
            prop_assert!(view.get_at(at.unwrap()).eq_bytes(element));
            at = view.prev(at.unwrap());
        }
        prop_assert_eq!(at, None);
    }

    #[test]
    fn strange_bytes_never_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 0..80),
        honest_length: bool,
        wanted in element(),
    ) {
        if honest_length && bytes.len() >= 7 {
            let total = bytes.len() as u32;
            bytes[..4].copy_from_slice(&total.to_le_bytes());
            let last = bytes.len() - 1;
            bytes[last] = END;
        }
        let _ = Listpack::from_wire(&bytes);
        // Not even when they were wrongly trusted.
        let view = ListpackRef::from_trusted(&bytes);
        let _ = (view.len(), view.iter().count(), view.iter().rev().count(), view.find(&wanted, 1));
        let _ = (view.nth(3), view.nth(-3), view.last().map(|at| (view.prev(at), view.next(at), view.get_at(at))));
    }

    #[test]
    fn one_changed_byte_is_found_or_harmless(
        elements in prop::collection::vec(element(), 0..20), at: usize, value: u8,
    ) {
        let mut pack = Listpack::new();
        elements.iter().for_each(|element| pack.push(element));
        let mut bytes = pack.view().to_wire();
        let at = at % bytes.len();
        bytes[at] = value;
        if let Ok(pack) = Listpack::from_wire(&bytes) {
            prop_assert_eq!(pack.len(), pack.view().iter().count());
            prop_assert_eq!(pack.len(), pack.view().iter().rev().count());
        }
    }
}
