//! A stream agrees with a naive one.

use proptest::prelude::*;

use super::*;

type Texts = Vec<(Vec<u8>, Vec<u8>)>;

#[derive(Clone, Debug)]
enum Edit {
    Append(u64, u64, Texts),
    Delete(usize),
    TrimLength(u64, bool),
    TrimId(usize, bool),
}

fn fields() -> impl Strategy<Value = Texts> {
    let text = prop_oneof![
        (0u32..4).prop_map(|number| number.to_string().into_bytes()),
        "[ab]{0,3}".prop_map(String::into_bytes),
    ];
    prop::collection::vec((text.clone(), text), 1..4)
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        6 => (0u64..3, 0u64..3, fields()).prop_map(|(ms, seq, fields)| Edit::Append(ms, seq, fields)),
        2 => any::<usize>().prop_map(Edit::Delete),
        1 => (0u64..20, any::<bool>()).prop_map(|(length, about)| Edit::TrimLength(length, about)),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(at, about)| Edit::TrimId(at, about)),
    ]
}

fn texts(entry: Entry<'_>) -> (StreamId, Texts) {
    (entry.id, entry.fields.map(|(name, value)| (name.to_vec(), value.to_vec())).collect())
}

fn trim(to: TrimTo, approximate: bool) -> Trim {
    Trim { to, approximate, limit: None, references: References::Keep }
}

proptest! {
    #[test]
    fn agrees_with_a_vec(entries_max in 1usize..6, edits in prop::collection::vec(edit(), 1..80)) {
        let limits = Limits { stream_node_max_entries: entries_max, ..Limits::default() };
        let mut stream = Stream::default();
        let mut model: Vec<(StreamId, Texts)> = Vec::new();
        let mut added = 0;
        for edit in edits {
            match edit {
                Edit::Append(ms, seq, fields) => {
                    let last = stream.last_id();
                    let id = StreamId { ms: last.ms + ms, seq: if ms == 0 { last.seq + seq } else { seq } };
                    let borrowed: Vec<(&[u8], &[u8])> = fields.iter().map(|(n, v)| (n.as_slice(), v.as_slice())).collect();
                    let done = stream.append(id, &borrowed, &limits);
                    prop_assert_eq!(done.is_ok(), id > last);
                    if done.is_ok() {
                        added += 1;
                        model.push((id, fields));
                    }
                }
                Edit::Delete(at) => if let Some(at) = at.checked_rem(model.len()) {
                    let (id, _) = model.remove(at);
                    prop_assert_eq!(stream.delete([id, id]), [true, false]);
                },
                Edit::TrimLength(length, about) => {
                    let removed = stream.trim(trim(TrimTo::Length(length), about)) as usize;
                    let exact = model.len().saturating_sub(length as usize);
                    prop_assert!(removed == exact || (about && removed < exact));
                    model.drain(..removed);
                }
                Edit::TrimId(at, about) => if let Some(at) = at.checked_rem(model.len()) {
                    let removed = stream.trim(trim(TrimTo::Id(model[at].0), about)) as usize;
                    prop_assert!(removed == at || (about && removed < at));
                    model.drain(..removed);
                },
            }
            prop_assert_eq!(stream.len(), model.len());
            prop_assert_eq!(stream.first_id(), model.first().map_or(StreamId::MIN, |(id, _)| *id));
        }
        prop_assert_eq!(stream.entries_added(), added);
        let all: Vec<_> = stream.range(StreamId::MIN, StreamId::MAX).map(texts).collect();
        prop_assert_eq!(&all, &model);
        let mut back: Vec<_> = stream.range_back(StreamId::MIN, StreamId::MAX).map(texts).collect();
        back.reverse();
        prop_assert_eq!(&back, &model);
        prop_assert_eq!(stream.first().map(texts), model.first().cloned());
        prop_assert_eq!(stream.last().map(texts), model.last().cloned());
        let last = stream.last_id();
        for start in [0, 1, last.ms / 2, last.ms] {
            for end in [0, last.ms / 2, last.ms, last.ms + 1] {
                let (start, end) = (StreamId { ms: start, seq: 1 }, StreamId { ms: end, seq: 1 });
                let expected: Vec<_> = model.iter().filter(|(id, _)| (start..=end).contains(id)).cloned().collect();
                let found: Vec<_> = stream.range(start, end).map(texts).collect();
                prop_assert_eq!(&found, &expected);
                let mut found: Vec<_> = stream.range_back(start, end).map(texts).collect();
                found.reverse();
                prop_assert_eq!(&found, &expected);
            }
        }
        // Its nodes make an equal stream again.
        let mut loaded = Stream::default();
        for (id, pack) in stream.nodes() {
            prop_assert!(loaded.restore_node(id, pack.to_listpack()).is_ok());
        }
        loaded.set_last_id(stream.last_id());
        loaded.set_first_id(stream.first_id());
        loaded.set_max_deleted_id(stream.max_deleted_id());
        loaded.set_entries_added(stream.entries_added());
        prop_assert!(loaded.same(&stream));
    }
}

#[test]
fn acknowledged_entries_go_and_others_stay() {
    let limits = Limits { stream_node_max_entries: 2, ..Limits::default() };
    let mut stream = Stream::default();
    let id = |ms| StreamId { ms, seq: 0 };
    for ms in 1..=6 {
        stream.append(id(ms), &[(b"a", b"1")], &limits).unwrap();
    }
    let group = stream.add_group(b"g", Group::new(id(4), Some(4))).unwrap();
    let (consumer, _) = group.consumer_or_new(b"c", 0, None);
    group.set_pending(id(2), Pending { consumer: Some(consumer), delivered_ms: 1, deliveries: 1 });
    let order = |references| Trim { to: TrimTo::Length(0), approximate: false, limit: None, references };
    assert_eq!(stream.trim(order(References::Acknowledged)), 3);
    let left: Vec<u64> = stream.range(StreamId::MIN, StreamId::MAX).map(|entry| entry.id.ms).collect();
    assert_eq!(left, [2, 5, 6]);
    assert_eq!(stream.trim(order(References::Delete)), 3);
    assert_eq!(stream.group(b"g").unwrap().pending_len(), 0);
    assert_eq!(stream.nodes_len(), 0);
}

#[test]
fn a_group_keeps_each_pending_entry_with_one_owner() {
    let mut group = Group::default();
    let id = |ms| StreamId { ms, seq: 0 };
    let (alice, _) = group.consumer_or_new(b"alice", 1, None);
    let (bob, _) = group.consumer_or_new(b"bob", 1, None);
    for ms in 1..=4 {
        group.set_pending(id(ms), Pending { consumer: Some(alice), delivered_ms: 1, deliveries: 1 });
    }
    group.set_pending(id(2), Pending { consumer: Some(bob), delivered_ms: 2, deliveries: 2 });
    group.set_pending(id(3), Pending { consumer: None, delivered_ms: 0, deliveries: 2 });
    assert_eq!((group.pending_len(), group.unowned_len()), (4, 1));
    let own: Vec<u64> =
        group.consumer_pending(alice, StreamId::MIN..=StreamId::MAX).map(|(id, _)| id.ms).collect();
    assert_eq!(own, [1, 4]);
    let copy = group.clone();
    assert!(copy.same(&group));
    assert_eq!(group.remove_consumer(b"alice"), Some(2));
    assert_eq!(group.remove_consumer(b"alice"), None);
    assert!(!copy.same(&group));
    assert_eq!(group.pending_len(), 2);
    let (carl, new) = group.consumer_or_new(b"carl", 1, None);
    assert!(new);
    assert_eq!(group.consumer(carl).map(Consumer::name), Some(&b"carl"[..]));
    assert_eq!(group.remove_pending(id(2)).and_then(|pending| pending.consumer), Some(bob));
    assert_eq!(group.consumer(bob).unwrap().pending_len(), 0);
}
