//! Which commands of a unit may still fail, seen from before the unit is run.
//!
//! Most commands of a transaction cannot fail once it is known what kind of value their key holds, and that is looked
//! up here, or known from a command before. What runs before the last command that may fail has to be written down
//! (see [`crate::journal`]); for most units that is nothing at all.
//!
//! Owns the list of those that cannot fail, each in the form in which masters send it. Who is not in it may.

use std::collections::HashMap;

use commands::Command;
use commands::spec::KeyFlags;
use protocol::Args;
use protocol::number::{parse_float, parse_int};
use storage::value::stream::StreamId;
use storage::{DbIndex, Kind, UnixMillis, ValueRef, Writer};

use crate::plan::{Step, What};

/// Deadlines up to here fit whatever is added to them: some thirty thousand years.
const DEADLINE_MAX: i64 = 1_000_000_000_000_000;

/// What is known of a key when a command gets to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    /// Nothing.
    Nothing,
    /// A value of this kind, or nothing.
    Kind(Kind),
    /// This integer.
    Integer(i64),
    /// A stream with this highest ID.
    Stream(StreamId),
    /// Nobody can say.
    Anything,
}

/// The keys of a unit, as far as its commands were looked at.
struct Known<'w, 'u> {
    writer: &'w Writer<'w>,
    keys: HashMap<(DbIndex, &'u [u8]), Holds>,
    /// A command has touched more than its keys: the store no longer says what will be there.
    lost: bool,
}

/// The place of the last command of this unit that may fail; 0 when there is none, or nothing stands before it.
pub(crate) fn last(writer: &Writer<'_>, unit: &[Step<'_>]) -> usize {
    let mut data = unit.iter().filter(|step| matches!(step.what, What::Data(..)));
    if data.nth(1).is_none() {
        return 0;
    }
    // All words of the unit side by side: what is known of a key is kept by its name there.
    let words: Vec<&[u8]> = unit.iter().flat_map(|step| step.request.words()).collect();
    let mut rest = words.as_slice();
    let mut known = Known { writer, keys: HashMap::new(), lost: false };
    let mut last = 0;
    for (place, step) in unit.iter().enumerate() {
        let (own, others) = rest.split_at_checked(step.request.len()).unwrap_or_default();
        rest = others;
        let What::Data(command, _) = step.what else { continue };
        let args = Args::new(own.get(command.name_words()..).unwrap_or_default());
        if known.may_fail(command, args, step.db) {
            known.forget(command, args, step.db);
            last = place;
        }
    }
    last
}

impl<'u> Known<'_, 'u> {
    fn holds(&self, db: DbIndex, key: &'u [u8]) -> Holds {
        if let Some(known) = self.keys.get(&(db, key)) {
            return *known;
        }
        if self.lost {
            return Holds::Anything;
        }
        let data = self.writer.db(db, UnixMillis::NOTHING_EXPIRED);
        let Some(entry) = data.peek(key) else { return Holds::Nothing };
        match entry.value() {
            ValueRef::String(text) => match text {
                storage::value::TextRef::Int(value) => Holds::Integer(value),
                _ => Holds::Kind(Kind::String),
            },
            ValueRef::Stream(stream) => Holds::Stream(stream.last_id()),
            other => Holds::Kind(other.kind()),
        }
    }

    /// Whether this command may fail where it stands; when it may not, what it makes of its keys is known from here.
    fn may_fail(&mut self, command: &Command, args: Args<'u>, db: DbIndex) -> bool {
        let key = args.get(0);
        let odd = args.len() % 2 == 1 && args.len() >= 3;
        let kind = match command.name {
            "del" | "unlink" => {
                for key in args.iter() {
                    self.keys.insert((db, key), Holds::Nothing);
                }
                return false;
            }
            "set" => {
                let plain =
                    args.len() == 2 || args.len() == 4 && args.is_word(2, "pxat") && is_deadline(args.get(3));
                if plain {
                    let holds = parse_int(args.get(1)).map_or(Holds::Kind(Kind::String), Holds::Integer);
                    self.keys.insert((db, key), holds);
                }
                return !plain;
            }
            "persist" => return false,
            "expire" | "pexpire" | "expireat" | "pexpireat" => {
                return args.len() != 2 || !is_deadline(args.get(1));
            }
            "incr" | "decr" | "incrby" | "decrby" => return self.add(command.name, args, db),
            "xadd" => return self.append(args, db),
            "hset" | "hmset" if odd => Kind::Hash,
            "hdel" | "hsetnx" => Kind::Hash,
            "sadd" | "srem" => Kind::Set,
            "lpush" | "rpush" | "lpushx" | "rpushx" => Kind::List,
            "lpop" | "rpop" if args.len() == 1 => Kind::List,
            "zadd" if odd && args.iter().skip(1).step_by(2).all(is_score) => Kind::SortedSet,
            "zrem" => Kind::SortedSet,
            "xack" if args.iter().skip(2).all(|id| stream_id(id).is_some()) => Kind::Stream,
            "xdel" if args.iter().skip(1).all(|id| stream_id(id).is_some()) => Kind::Stream,
            "xclaim" if self.is_plain_claim(args, db) => Kind::Stream,
            _ => return true,
        };
        match self.holds(db, key) {
            Holds::Nothing => {
                self.keys.insert((db, key), Holds::Kind(kind));
                false
            }
            Holds::Kind(held) => held != kind,
            Holds::Stream(_) => kind != Kind::Stream,
            Holds::Integer(_) | Holds::Anything => true,
        }
    }

    fn add(&mut self, name: &str, args: Args<'u>, db: DbIndex) -> bool {
        let by = if args.len() == 1 { Some(1) } else { parse_int(args.get(1)) };
        let by = if name.starts_with("decr") { by.and_then(i64::checked_neg) } else { by };
        let before = match self.holds(db, args.get(0)) {
            Holds::Nothing => Some(0),
            Holds::Integer(value) => Some(value),
            _ => None,
        };
        match by.zip(before).and_then(|(by, before)| before.checked_add(by)) {
            Some(sum) => {
                self.keys.insert((db, args.get(0)), Holds::Integer(sum));
                false
            }
            None => true,
        }
    }

    fn append(&mut self, args: Args<'u>, db: DbIndex) -> bool {
        let last = match self.holds(db, args.get(0)) {
            Holds::Nothing => StreamId::MIN,
            Holds::Stream(last) => last,
            _ => return true,
        };
        let Some(adding) = Adding::of(args).filter(|adding| adding.id > last) else { return true };
        self.keys.insert((db, args.get(0)), Holds::Stream(adding.id));
        false
    }

    /// XCLAIM as masters send it for what a consumer read, of a group that is there.
    fn is_plain_claim(&self, args: Args<'_>, db: DbIndex) -> bool {
        let words = [(5, "time"), (7, "retrycount"), (9, "force"), (10, "justid"), (11, "lastid")];
        let form = args.len() == 13
            && words.iter().all(|(place, word)| args.is_word(*place, word))
            && [3, 6, 8].iter().all(|place| is_deadline(args.get(*place)))
            && [4, 12].iter().all(|place| stream_id(args.get(*place)).is_some());
        let data = self.writer.db(db, UnixMillis::NOTHING_EXPIRED);
        let untouched = !self.lost && !matches!(self.keys.get(&(db, args.get(0))), Some(Holds::Nothing));
        form && untouched
            && data.peek(args.get(0)).is_some_and(|entry| {
                entry.value().stream().is_ok_and(|stream| stream.group(args.get(1)).is_some())
            })
    }

    /// What a command that may fail makes of its keys is not known.
    fn forget(&mut self, command: &Command, args: Args<'u>, db: DbIndex) {
        let told = command.visit_keys(&args, |found| {
            if !found.flags.contains(KeyFlags::RO) {
                self.keys.insert((db, args.get(found.index)), Holds::Anything);
            }
        });
        if told.is_err() || !command.has_keys() || matches!(command.name, "move" | "copy") {
            self.lost = true;
            self.keys.clear();
        }
    }
}

/// XADD in the form in which masters send it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Adding {
    /// The new entry's.
    pub(crate) id: StreamId,
    /// What is trimmed.
    pub(crate) trim: Option<Trim>,
}

/// How a stream is trimmed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trim {
    /// To so many entries.
    Length(u64),
    /// To the entries from some ID on.
    Oldest,
}

impl Adding {
    /// `None` for anything but key, perhaps NOMKSTREAM, perhaps a trim, explicit ID, pairs.
    pub(crate) fn of(args: Args<'_>) -> Option<Adding> {
        let mut at = 1;
        if args.is_word(at, "nomkstream") {
            at += 1;
        }
        let mut trim = None;
        if args.is_word(at, "maxlen") || args.is_word(at, "minid") {
            let length = args.is_word(at, "maxlen");
            at += 1;
            if matches!(args.get(at), b"=" | b"~") {
                at += 1;
            }
            trim = Some(if length {
                Trim::Length(u64::try_from(parse_int(args.get(at))?).ok()?)
            } else {
                stream_id(args.get(at)).map(|_| Trim::Oldest)?
            });
            at += 1;
            if args.is_word(at, "limit") {
                parse_int(args.get(at + 1)).filter(|limit| *limit >= 0)?;
                at += 2;
            }
        }
        let id = stream_id(args.get(at)).filter(|_| args.get(at).contains(&b'-'))?;
        let pairs = args.len().checked_sub(at + 1)?;
        (pairs >= 2 && pairs % 2 == 0).then_some(Adding { id, trim })
    }
}

/// An ID in full, or its first half.
pub(crate) fn stream_id(text: &[u8]) -> Option<StreamId> {
    let number =
        |text: &[u8]| std::str::from_utf8(text).ok().filter(|text| !text.starts_with('+'))?.parse().ok();
    match text.iter().position(|byte| *byte == b'-') {
        Some(dash) => {
            let (ms, seq) = text.split_at_checked(dash)?;
            Some(StreamId { ms: number(ms)?, seq: number(seq.get(1..)?)? })
        }
        None => Some(StreamId { ms: number(text)?, seq: 0 }),
    }
}

fn is_score(text: &[u8]) -> bool {
    parse_float(text).is_some_and(|score| !score.is_nan())
}

fn is_deadline(text: &[u8]) -> bool {
    parse_int(text).is_some_and(|number| (0..=DEADLINE_MAX).contains(&number))
}
