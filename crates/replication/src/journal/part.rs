//! The part of a big value that a command reaches, as it was.
//!
//! Owns what each command's arguments tell of its reach. Never copies more of a big value than that, but for
//! commands whose reach they do not tell.

use commands::Dialect;
use protocol::Args;
use protocol::number::parse_uint;
use storage::packed::Listpack;
use storage::score::Score;
use storage::value::hash::{DeadlineForm, FieldDeadline};
use storage::value::list::End;
use storage::value::stream::{Pending, StreamId};
use storage::value::{Hash, HashRef, List, ListRef, Set, SortedSet, SortedSetRef, Stream};
use storage::{DbIndex, Limits, Slot, UnixMillis, ValueRef, Writer};

use super::note::Before;
use crate::fallible::{Adding, Trim, stream_id};

/// A value with at most so many elements is copied whole: that costs less than finding out what is reached.
const SMALL_ELEMENTS_MAX: usize = 128;

/// See the module.
#[derive(Debug)]
pub(super) enum Part {
    /// Fields with their values and deadlines; `None` where there was none.
    Fields(Vec<FieldBefore>, DeadlineForm),
    /// Members, and whether they were there.
    Members(Vec<(Vec<u8>, bool)>),
    /// Members, and their scores where they were there.
    Scores(Vec<(Vec<u8>, Option<Score>)>),
    /// What is more than so many elements is new at this end. What was pushed is not told by the command: LMOVE from
    /// a list that is not there pushes nothing.
    Pushed(End, usize),
    /// These are gone from this end, the outermost first.
    Popped(End, Vec<Vec<u8>>),
    /// Nodes of a stream, and its counters.
    Nodes(Vec<(StreamId, Listpack)>, Counters),
    /// Part of a stream's group.
    Group(Vec<u8>, GroupBefore),
}

/// A field's name, and what it was.
type FieldBefore = (Vec<u8>, Option<(Vec<u8>, Option<UnixMillis>)>);

/// A stream's counters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counters {
    last_id: StreamId,
    first_id: StreamId,
    max_deleted_id: StreamId,
    entries_added: u64,
}

/// What a group was, as far as one command reaches it.
#[derive(Debug)]
pub(super) struct GroupBefore {
    last_id: StreamId,
    entries_read: Option<u64>,
    pending: Vec<(StreamId, Option<Pending>)>,
    /// The consumer that is named, and when it was seen and active; `None` when it was not there.
    consumer: Option<(Vec<u8>, Option<Times>)>,
}

/// When a consumer was seen, and when it last got something.
type Times = (i64, Option<i64>);

/// What stands at `key`, as far as this command may change it. `first`: it is the command's first key.
pub(super) fn before(
    writer: &Writer<'_>,
    dialect: Dialect,
    command: &str,
    args: Args<'_>,
    db: DbIndex,
    key: &[u8],
    first: bool,
) -> Before {
    let data = writer.db(db, UnixMillis::NOTHING_EXPIRED);
    let Some(entry) = data.peek(key) else { return Before::Nothing };
    let (value, deadline) = (entry.value(), entry.deadline());
    if value.elements() <= SMALL_ELEMENTS_MAX {
        return Before::whole(value, deadline);
    }
    let part = match (command, value) {
        ("expire" | "pexpire" | "expireat" | "pexpireat" | "persist", _) => {
            return Before::Deadline(deadline);
        }
        ("del" | "unlink", _) => None,
        ("set", _) if args.len() == 2 || args.is_word(2, "pxat") && args.len() == 4 => None,
        (_, ValueRef::Hash(hash)) if names_fields(command) => Some(fields(hash, args, dialect)),
        ("sadd" | "srem" | "smove", ValueRef::Set(set)) => {
            let members = args.iter().skip(1);
            Some(Part::Members(members.map(|member| (member.to_vec(), set.contains(member))).collect()))
        }
        ("zadd" | "zrem" | "zincrby", ValueRef::SortedSet(set)) => Some(scores(set, args)),
        (_, ValueRef::List(list)) => match ends(list, command, args, first) {
            Some(part) => Some(part),
            None => return Before::whole(value, deadline),
        },
        (_, ValueRef::Stream(stream)) => match stream_part(stream, command, args) {
            Some(part) => Some(part),
            None => return Before::whole(value, deadline),
        },
        _ => return Before::whole(value, deadline),
    };
    match part {
        Some(part) => Before::Part(part, deadline),
        None => {
            drop(entry);
            Before::moved_aside(writer, db, key)
        }
    }
}

/// Whether all fields that it changes are among its arguments.
fn names_fields(command: &str) -> bool {
    matches!(
        command,
        "hset"
            | "hmset"
            | "hsetnx"
            | "hdel"
            | "hincrby"
            | "hincrbyfloat"
            | "hsetex"
            | "hgetex"
            | "hgetdel"
            | "hexpire"
            | "hpexpire"
            | "hexpireat"
            | "hpexpireat"
            | "hpersist"
    )
}

fn fields(hash: HashRef<'_>, args: Args<'_>, dialect: Dialect) -> Part {
    let form = if dialect.is_valkey() { DeadlineForm::Big } else { DeadlineForm::Packed };
    let before = args.iter().skip(1).map(|name| {
        let field = hash.find(name).map(|field| (field.value.to_vec(), field.deadline));
        (name.to_vec(), field)
    });
    Part::Fields(before.collect(), form)
}

fn scores(set: SortedSetRef<'_>, args: Args<'_>) -> Part {
    Part::Scores(args.iter().skip(1).map(|member| (member.to_vec(), set.score(member))).collect())
}

/// What a command does at the ends of a list; `first`: of the first of LMOVE's two.
fn ends(list: ListRef<'_>, command: &str, args: Args<'_>, first: bool) -> Option<Part> {
    let popped = |end, count: usize| {
        let length = list.len();
        let place = |index| if end == End::Head { index } else { length - 1 - index };
        let elements = (0..count.min(length)).filter_map(|index| Some(list.get(place(index))?.to_vec()));
        Part::Popped(end, elements.collect())
    };
    let named = |index: usize| match () {
        () if args.is_word(index, "left") => Some(End::Head),
        () if args.is_word(index, "right") => Some(End::Tail),
        () => None,
    };
    Some(match (command, first) {
        ("lpush" | "lpushx", _) => Part::Pushed(End::Head, list.len()),
        ("rpush" | "rpushx", _) => Part::Pushed(End::Tail, list.len()),
        ("lpop" | "rpop", _) => {
            let count = args.opt(1).map_or(Some(1), |count| usize::try_from(parse_uint(count)?).ok())?;
            popped(if command == "lpop" { End::Head } else { End::Tail }, count)
        }
        // One element leaves the first and arrives at the second; the same list is noted at both.
        ("rpoplpush", true) if args.get(0) != args.get(1) => popped(End::Tail, 1),
        ("rpoplpush", false) if args.get(0) != args.get(1) => Part::Pushed(End::Head, list.len()),
        ("lmove", true) if args.get(0) != args.get(1) => popped(named(2)?, 1),
        ("lmove", false) if args.get(0) != args.get(1) => Part::Pushed(named(3)?, list.len()),
        _ => return None,
    })
}

fn stream_part(stream: &Stream, command: &str, args: Args<'_>) -> Option<Part> {
    match command {
        "xadd" => nodes(stream, Adding::of(args)?.trim),
        "xack" | "xclaim" => {
            let consumer = (command == "xclaim").then(|| args.get(2));
            group(stream, args.get(1), args.iter().skip(2).filter_map(stream_id), consumer)
        }
        "xgroup|setid" => group(stream, args.get(1), std::iter::empty(), None),
        "xgroup|createconsumer" => group(stream, args.get(1), std::iter::empty(), Some(args.get(2))),
        _ => None,
    }
}

/// The nodes that a new entry and a trim reach: the last, and the first ones.
fn nodes(stream: &Stream, trim: Option<Trim>) -> Option<Part> {
    // The new entry may be trimmed itself.
    let length = stream.len() as u64 + 1;
    let mut trimmed = match trim {
        None => 0,
        Some(Trim::Length(keep)) => length.saturating_sub(keep),
        // Rare enough to be copied whole.
        Some(Trim::Oldest) => return None,
    };
    let last = stream.nodes_len().checked_sub(1)?;
    let mut nodes = Vec::new();
    for (place, (id, pack)) in stream.nodes().enumerate() {
        if trimmed == 0 && place < last {
            continue;
        }
        nodes.push((id, pack.to_listpack()));
        // A node begins with the number of its entries that are not deleted.
        let live =
            pack.first().and_then(|at| pack.get_at(at).as_int()).and_then(|live| u64::try_from(live).ok())?;
        trimmed = trimmed.saturating_sub(live);
    }
    let counters = Counters {
        last_id: stream.last_id(),
        first_id: stream.first_id(),
        max_deleted_id: stream.max_deleted_id(),
        entries_added: stream.entries_added(),
    };
    Some(Part::Nodes(nodes, counters))
}

fn group(
    stream: &Stream,
    name: &[u8],
    ids: impl Iterator<Item = StreamId>,
    consumer: Option<&[u8]>,
) -> Option<Part> {
    let group = stream.group(name)?;
    let times = |name: &[u8]| {
        let known = group.find_consumer(name).and_then(|id| group.consumer(id));
        known.map(|consumer| (consumer.seen_ms, consumer.active_ms))
    };
    let before = GroupBefore {
        last_id: group.last_id,
        entries_read: group.entries_read,
        pending: ids.map(|id| (id, group.pending(id))).collect(),
        consumer: consumer.map(|name| (name.to_vec(), times(name))),
    };
    Some(Part::Group(name.to_vec(), before))
}

impl Part {
    /// Brings it back into the value in this slot. The value is of the kind that it was when this was noted, or gone:
    /// whatever came later is undone by now.
    pub(super) fn bring_back(self, slot: &mut Slot<'_>, limits: &Limits) {
        let same_kind = match self {
            Part::Fields(fields, form) => slot.edit_or_new(|hash: &mut Hash| {
                for (name, before) in fields {
                    match before {
                        Some((value, deadline)) => {
                            hash.set(&name, &value, FieldDeadline::Cleared, limits, form);
                            hash.set_deadline(&name, deadline, form);
                        }
                        None => {
                            hash.remove(&name);
                        }
                    }
                }
            }),
            Part::Members(members) => slot.edit_or_new(|set: &mut Set| {
                for (member, was_there) in members {
                    if was_there {
                        set.add(&member, limits);
                    } else {
                        set.remove(&member);
                    }
                }
            }),
            Part::Scores(scores) => slot.edit_or_new(|set: &mut SortedSet| {
                for (member, score) in scores {
                    match score {
                        Some(score) => set.insert(&member, score, limits),
                        None => set.remove(&member),
                    };
                }
            }),
            Part::Pushed(end, length) => slot.edit_or_new(|list: &mut List| {
                list.pop(end, list.len().saturating_sub(length), limits, |_| {});
            }),
            Part::Popped(end, elements) => slot.edit_or_new(|list: &mut List| {
                list.push_all(end, elements.iter().rev().map(Vec::as_slice), limits);
            }),
            Part::Nodes(nodes, counters) => slot.edit_or_new(|stream: &mut Stream| {
                if let Some(rebuilt) = rebuilt(stream, nodes, counters) {
                    *stream = rebuilt;
                }
            }),
            Part::Group(name, before) => {
                slot.edit_or_new(|stream: &mut Stream| before.bring_back(stream, &name))
            }
        };
        debug_assert!(same_kind.is_ok(), "a value changed its kind behind the journal's back");
    }
}

/// A stream with these nodes as they were. Takes as long as the stream has nodes.
fn rebuilt(stream: &Stream, before: Vec<(StreamId, Listpack)>, counters: Counters) -> Option<Stream> {
    let mut all: Vec<(StreamId, Listpack)> = before;
    let known: Vec<StreamId> = all.iter().map(|(id, _)| *id).collect();
    // Nodes that are new begin above what was the last ID.
    let untouched = stream.nodes().filter(|(id, _)| *id <= counters.last_id && !known.contains(id));
    all.extend(untouched.map(|(id, pack)| (id, pack.to_listpack())));
    all.sort_by_key(|(id, _)| *id);
    let mut rebuilt = Stream::default();
    for (id, pack) in all {
        rebuilt.restore_node(id, pack).ok()?;
    }
    rebuilt.set_last_id(counters.last_id);
    rebuilt.set_first_id(counters.first_id);
    rebuilt.set_max_deleted_id(counters.max_deleted_id);
    rebuilt.set_entries_added(counters.entries_added);
    for (name, group) in stream.groups() {
        rebuilt.add_group(name, group.clone()).ok()?;
    }
    if let Some(idempotency) = stream.idempotency() {
        *rebuilt.idempotency_mut() = idempotency.clone();
    }
    Some(rebuilt)
}

impl GroupBefore {
    fn bring_back(self, stream: &mut Stream, name: &[u8]) {
        let Some(group) = stream.group_mut(name) else { return };
        group.last_id = self.last_id;
        group.entries_read = self.entries_read;
        for (id, pending) in self.pending {
            match pending {
                Some(pending) => group.set_pending(id, pending),
                None => {
                    group.remove_pending(id);
                }
            }
        }
        match self.consumer {
            Some((name, None)) => {
                group.remove_consumer(&name);
            }
            Some((name, Some((seen_ms, active_ms)))) => {
                let found = group.find_consumer(&name);
                if let Some(consumer) = found.and_then(|id| group.consumer_mut(id)) {
                    (consumer.seen_ms, consumer.active_ms) = (seen_ms, active_ms);
                }
            }
            None => {}
        }
    }
}
