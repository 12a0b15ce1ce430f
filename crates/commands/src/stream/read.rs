//! XREAD and XREADGROUP.
//!
//! Owns what is read from several streams at once, and what reading as a group leaves behind. Never waits: who was
//! asked to, and finds nothing, says so (see [`crate::wait`]).

use std::time::Duration;

use storage::Wanted;
use storage::value::Stream;
use storage::value::stream::{ConsumerId, Group, LagRule, Pending, StreamId};

use protocol::reply::Deferred;
use protocol::{Args, Protocol, Reply};

use super::claim::{is_new, last_seen, more, seen, unsee};
use super::{error_with, id, integer, integer_or, lag_rule, reply_entry, reply_fields, reply_id, stream};
use crate::error::printed;
use crate::wait::{self, Nothing, Wait};
use crate::{CommandError, Dialect, ReadContext, WriteContext};

/// What was asked, beside the IDs.
#[derive(Clone, Copy)]
struct Order<'a> {
    group: Option<(&'a [u8], &'a [u8])>,
    leaves_nothing_pending: bool,
    claim_min_idle: Option<i64>,
    bounds: Bounds,
    /// `BLOCK`: how long to wait for an entry; none: without end.
    block: Option<Option<Duration>>,
    keys: Words<'a>,
    ids: Words<'a>,
}

/// How much is answered.
#[derive(Clone, Copy, Default)]
struct Bounds {
    /// Entries a stream (`COUNT`).
    a_stream: Option<usize>,
    /// Entries in all (`MAXCOUNT`).
    in_all: Option<usize>,
    /// Bytes of the answer (`MAXSIZE`); the first entry is given whatever it takes.
    bytes: Option<usize>,
}

/// How much was answered.
#[derive(Clone, Copy, Default)]
struct Given {
    entries: usize,
    /// As Redis counts them: without the lengths that are only known afterwards, until they are.
    bytes: usize,
}

impl Bounds {
    fn allow(self, given: Given) -> bool {
        given.entries == 0
            || (self.in_all.is_none_or(|most| given.entries < most)
                && self.bytes.is_none_or(|most| given.bytes < most))
    }
}

/// The ID whose entry `+` stands for: there may be no such entry.
fn newest(stream: &Stream, dialect: Dialect) -> Option<StreamId> {
    if dialect.reads_deleted_last() { Some(stream.last_id()) } else { stream.last().map(|last| last.id) }
}

/// XREAD [COUNT count] [MAXCOUNT count] [MAXSIZE bytes] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]
pub(crate) fn xread(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let order = order(args, false, ctx.dialect)?;
    // Each is asked for what stands in it, and again for what is read.
    let db = ctx.db.uncounted();
    let found = db.get_many(order.keys);
    let mut streams = Vec::with_capacity(order.keys.len());
    let mut above_all = Vec::with_capacity(order.keys.len());
    for (number, (key, id)) in order.keys.iter().zip(order.ids).enumerate() {
        ctx.db.asked(key, found.get(number).is_some());
        let stream = found.get(number).map(|entry| entry.stream()).transpose()?;
        let above = match *id {
            b"$" => stream.map_or(StreamId::MIN, Stream::last_id),
            // The last entry alone.
            b"+" => match stream.and_then(|stream| newest(stream, ctx.dialect)).and_then(StreamId::prev) {
                Some(before_last) => before_last,
                // Whatever comes first.
                None => StreamId::MIN,
            },
            b">" => {
                return Err(CommandError::new(
                    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> \
                     <consumer> option.",
                ));
            }
            id => id::strict(id, 0)?,
        };
        above_all.push(above);
        let has_more = stream.and_then(Stream::last).is_some_and(|last| last.id > above);
        if let Some(stream) = stream.filter(|_| has_more) {
            streams.push((*key, stream, above));
        }
    }
    for (number, key) in order.keys.iter().enumerate() {
        ctx.db.asked(key, found.get(number).is_some());
    }
    if streams.is_empty()
        && let Some(timeout) = order.block
    {
        // `$` and `+` are as of now, and stay so.
        let (before, ids) = args.as_slice().split_at(args.len() - order.ids.len());
        let instead = std::iter::once(&b"XREAD"[..]).chain(before.iter().copied()).map(<[u8]>::to_vec);
        let ids = ids.iter().zip(above_all).map(|(_, above)| above.to_string().into_bytes());
        return Err(CommandError::Wait(Box::new(Wait {
            timeout,
            nothing: Nothing::NullArray,
            instead: Some(instead.chain(ids).collect()),
            look_again: None,
        })));
    }
    let mut answer = Answer::new(order.bounds);
    for (key, stream, above) in streams {
        if !answer.begins_stream(key, reply) {
            break;
        }
        // It is below the last entry's.
        let Some(start) = above.next() else { continue };
        for entry in stream.range(start, StreamId::MAX) {
            ctx.looks_at(answer.given.entries)?;
            if !answer.gives(reply, |reply| reply_entry(reply, entry)) {
                break;
            }
        }
        answer.ends_stream(reply);
    }
    answer.finish(reply);
    Ok(())
}

/// XREADGROUP GROUP group consumer [COUNT count] [MAXCOUNT count] [MAXSIZE bytes] [BLOCK milliseconds]
/// [CLAIM min-idle-time] [NOACK] STREAMS key [key ...] id [id ...]
pub(crate) fn xreadgroup(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let order = order(args, true, ctx.dialect)?;
    let (group, consumer) = order.group.unwrap_or_default();
    let mut from = Vec::with_capacity(order.keys.len());
    for (key, id) in order.keys.iter().zip(order.ids) {
        let asking = ctx.asking();
        let found = asking.get(key);
        if stream(&found)?.is_none_or(|stream| stream.group(group).is_none()) {
            return Err(error_with(&[
                b"NOGROUP No such key '",
                printed(key),
                b"' or consumer group '",
                printed(group),
                b"' in XREADGROUP with GROUP option",
            ]));
        }
        from.push(match *id {
            b">" => None,
            sign @ (b"$" | b"+") => {
                let sign = char::from(*sign.first().unwrap_or(&b'$'));
                return Err(CommandError::Other(
                    format!(
                        "ERR The {sign} ID is meaningless in the context of XREADGROUP: you want to read the \
                         history of this consumer by specifying a proper ID, or use the > ID to get new \
                         messages. The {sign} ID would just return an empty result set."
                    )
                    .into(),
                ));
            }
            // The highest ID is what `>` is to servers.
            id => Some(id::strict(id, 0)?).filter(|id| *id != StreamId::MAX),
        });
    }
    // History is answered at once, be it empty.
    let is_news_only = from.iter().all(Option::is_none);
    let (now, rule) = (ctx.clock.0, lag_rule(ctx.dialect));
    let knows_everyone = ctx.dialect.knows_consumers_of_nothing();
    let mut answer = Answer::new(order.bounds);
    for (key, from) in order.keys.iter().zip(from) {
        if !order.bounds.allow(answer.given) {
            break;
        }
        let before = answer.given.entries;
        let asking = ctx.asking();
        ctx.db.edit(key, |slot| {
            asking.asked(key, slot.exists());
            let was_new = is_new(slot, group, consumer)?;
            slot.quietly();
            slot.edit(|stream: &mut Stream| {
                let Some(group_now) = stream.group_mut(group) else { return };
                let last_seen = last_seen(group_now, consumer);
                let id = seen(group_now, consumer, now);
                let answer = &mut answer;
                let mut turn = Turn { stream, group, consumer: id, now, order, rule, answer, reply };
                match from {
                    Some(id) => turn.history(key, id),
                    None => turn.news(key),
                }
                if from.is_none()
                    && turn.answer.given.entries == before
                    && !knows_everyone
                    && let Some(group) = stream.group_mut(group)
                {
                    unsee(group, consumer, last_seen);
                }
            })?;
            if was_new && !is_new(slot, group, consumer)? {
                slot.counts(2);
                slot.event(Wanted::STREAM, "xgroup-createconsumer");
            }
            if answer.given.entries == before || from.is_some() {
                // That a consumer was seen, or asked for what it has, is no change of the stream.
                slot.unchanged();
            }
            Ok::<_, CommandError>(())
        })?;
    }
    if let (Some(timeout), true) = (order.block, answer.given.entries == 0 && is_news_only) {
        let look_again = order.claim_min_idle.and_then(|min_idle| {
            let until_idle = |key: &&[u8]| {
                let found = ctx.db.peek(key)?;
                let stream = found.stream().ok()?;
                until_idle(stream, stream.group(group)?, min_idle, now)
            };
            order.keys.iter().filter_map(until_idle).min()
        });
        let nothing = Nothing::NullArray;
        return Err(CommandError::Wait(Box::new(Wait { timeout, nothing, instead: None, look_again })));
    }
    answer.finish(reply);
    Ok(())
}

/// One stream's turn in XREADGROUP.
struct Turn<'t, 'a> {
    stream: &'t mut Stream,
    group: &'a [u8],
    consumer: ConsumerId,
    now: i64,
    order: Order<'a>,
    rule: LagRule,
    answer: &'t mut Answer,
    reply: &'t mut Reply,
}

impl Turn<'_, '_> {
    /// What is pending for the consumer above this ID, given once more.
    fn history(&mut self, key: &[u8], above: StreamId) {
        if !self.answer.begins_stream(key, self.reply) {
            return;
        }
        let pending: Vec<(StreamId, Pending)> = match (above.next(), self.stream.group(self.group)) {
            (Some(start), Some(group)) => {
                let own = group.consumer_pending(self.consumer, start..=StreamId::MAX);
                own.take(self.order.bounds.a_stream.unwrap_or(usize::MAX)).collect()
            }
            _ => Vec::new(),
        };
        for (id, pending) in pending {
            let entry = self.stream.get(id);
            let exists = entry.is_some();
            let given = self.answer.gives(self.reply, |reply| match entry {
                Some(entry) => reply_entry(reply, entry),
                // It was deleted since.
                None => {
                    reply.array(2);
                    reply_id(reply, id);
                    reply.null_array();
                }
            });
            if !given {
                break;
            }
            if let Some(group) = self.stream.group_mut(self.group).filter(|_| exists) {
                let deliveries = more(pending.deliveries);
                group.set_pending(id, Pending { delivered_ms: self.now, deliveries, ..pending });
            }
        }
        self.answer.ends_stream(self.reply);
    }

    /// What was pending too long (`CLAIM`), and what the group has not read yet.
    fn news(&mut self, key: &[u8]) {
        let Some(group) = self.stream.group(self.group) else { return };
        let idle = match self.order.claim_min_idle {
            Some(min_idle) => idle(self.stream, group, min_idle, self.now),
            None => Vec::new(),
        };
        let last_id = group.last_id;
        let has_new = self.stream.last().is_some_and(|last| last.id > last_id);
        if (idle.is_empty() && !has_new) || !self.answer.begins_stream(key, self.reply) {
            return;
        }
        let mut left = self.order.bounds.a_stream.unwrap_or(usize::MAX);
        let mut got_something = false;
        for (id, pending) in idle {
            let Some(entry) = self.stream.get(id).filter(|_| left > 0) else { break };
            let given = self.answer.gives(self.reply, |reply| {
                reply.array(4);
                reply_id(reply, id);
                reply_fields(reply, entry);
                reply.int(self.now.saturating_sub(pending.delivered_ms).max(0));
                reply.int(i64::try_from(pending.deliveries).unwrap_or(i64::MAX));
            });
            if !given {
                left = 0;
                break;
            }
            left -= 1;
            got_something = true;
            self.own(id, more(pending.deliveries));
        }
        let mut next = last_id.next().filter(|_| has_new);
        while let Some(start) = next.filter(|_| left > 0) {
            let Some(entry) = self.stream.range(start, StreamId::MAX).next() else { break };
            let id = entry.id;
            let claims = self.order.claim_min_idle.is_some();
            let given = self.answer.gives(self.reply, |reply| match claims {
                true => {
                    reply.array(4);
                    reply_id(reply, id);
                    reply_fields(reply, entry);
                    reply.int(0);
                    reply.int(0);
                }
                false => reply_entry(reply, entry),
            });
            if !given {
                break;
            }
            left -= 1;
            got_something = true;
            self.read(id);
            if !self.order.leaves_nothing_pending {
                self.own(id, 1);
            }
            next = id.next();
        }
        let group = self.stream.group_mut(self.group);
        if let Some(consumer) =
            group.and_then(|group| group.consumer_mut(self.consumer)).filter(|_| got_something)
        {
            consumer.active_ms = Some(self.now);
        }
        self.answer.ends_stream(self.reply);
    }

    /// Makes an entry pending for the consumer, as delivered now.
    fn own(&mut self, id: StreamId, deliveries: u64) {
        if let Some(group) = self.stream.group_mut(self.group) {
            let consumer = Some(self.consumer);
            group.set_pending(id, Pending { consumer, delivered_ms: self.now, deliveries });
        }
    }

    /// Moves the group behind an entry.
    fn read(&mut self, id: StreamId) {
        let Some(group) = self.stream.group(self.group) else { return };
        let follows = group.last_id >= self.stream.first_id()
            && !self.stream.has_deleted_from(group.last_id, self.rule);
        let read = match group.entries_read {
            Some(read) if follows => Some(read.saturating_add(1)),
            before if self.stream.entries_added() == 0 => before,
            _ => self.stream.position_of(id, self.rule),
        };
        if let Some(group) = self.stream.group_mut(self.group) {
            group.last_id = id;
            group.entries_read = read;
        }
    }
}

/// What is pending for that long, the longest first.
fn idle(stream: &Stream, group: &Group, min_idle: i64, now: i64) -> Vec<(StreamId, Pending)> {
    let all = group.pending_range(StreamId::MIN..=StreamId::MAX);
    let mut idle: Vec<(StreamId, Pending)> = all
        .filter(|(id, pending)| now.saturating_sub(pending.delivered_ms) >= min_idle && stream.contains(*id))
        .collect();
    idle.sort_by_key(|(id, pending)| (pending.delivered_ms, *id));
    idle
}

/// How long it is until something will have been pending for that long.
fn until_idle(stream: &Stream, group: &Group, min_idle: i64, now: i64) -> Option<Duration> {
    let all = group.pending_range(StreamId::MIN..=StreamId::MAX).filter(|(id, _)| stream.contains(*id));
    let soonest = all.map(|(_, pending)| pending.delivered_ms.saturating_add(min_idle)).min()?;
    Some(Duration::from_millis(soonest.saturating_sub(now).try_into().unwrap_or(0)))
}

/// The answer of both commands while it grows.
struct Answer {
    bounds: Bounds,
    given: Given,
    streams: usize,
    /// Entries of the present stream.
    entries: usize,
    /// Where the present stream's number of entries goes.
    header: Option<Deferred>,
    /// Where the number of streams goes, once there is one.
    start: Option<Deferred>,
}

impl Answer {
    fn new(bounds: Bounds) -> Answer {
        Answer { bounds, given: Given::default(), streams: 0, entries: 0, header: None, start: None }
    }

    /// Begins with a stream, unless enough was given.
    fn begins_stream(&mut self, key: &[u8], reply: &mut Reply) -> bool {
        if !self.bounds.allow(self.given) {
            return false;
        }
        if self.start.is_none() {
            self.start = Some(reply.defer());
        }
        let mark = reply.mark();
        if reply.protocol() == Protocol::Resp2 {
            reply.array(2);
        }
        reply.bulk(key);
        self.given.bytes += reply.len_since(mark);
        self.header = Some(reply.defer());
        self.streams += 1;
        self.entries = 0;
        true
    }

    /// Gives an entry, unless enough was given.
    fn gives(&mut self, reply: &mut Reply, write: impl FnOnce(&mut Reply)) -> bool {
        let enough = self.bounds.a_stream.is_some_and(|most| self.entries >= most);
        if enough || !self.bounds.allow(self.given) {
            return false;
        }
        let mark = reply.mark();
        write(reply);
        self.given.bytes += reply.len_since(mark);
        self.given.entries += 1;
        self.entries += 1;
        true
    }

    fn ends_stream(&mut self, reply: &mut Reply) {
        if let Some(header) = self.header.take() {
            reply.array_at(header, self.entries);
            // `*`, the number, and the line's end.
            let digits = self.entries.checked_ilog10().unwrap_or(0) as usize + 1;
            self.given.bytes += digits + 3;
        }
    }

    fn finish(self, reply: &mut Reply) {
        match (self.start, self.streams, reply.protocol()) {
            // Nothing to read, as when the time to wait has run out.
            (None, ..) => reply.null_array(),
            (Some(start), streams, Protocol::Resp2) => reply.array_at(start, streams),
            (Some(start), streams, Protocol::Resp3) => reply.map_at(start, streams),
        }
    }
}

/// Reads the arguments.
fn order(args: Args<'_>, as_group: bool, dialect: Dialect) -> Result<Order<'_>, CommandError> {
    let is_redis = !dialect.is_valkey();
    let mut order = Order {
        group: None,
        leaves_nothing_pending: false,
        claim_min_idle: None,
        bounds: Bounds::default(),
        block: None,
        keys: &[],
        ids: &[],
    };
    let only_group = |option: &str| {
        let text =
            format!("ERR The {option} option is only supported by XREADGROUP. You called XREAD instead.");
        CommandError::Other(text.into())
    };
    let mut at = 0;
    loop {
        let more = args.len().saturating_sub(at + 1);
        if more > 0 && args.is_word(at, "block") {
            order.block = Some(wait::milliseconds(args.get(at + 1))?);
            at += 2;
        } else if more > 0 && args.is_word(at, "count") {
            let count = integer(args.get(at + 1))?;
            order.bounds.a_stream = usize::try_from(count).ok().filter(|count| *count > 0);
            at += 2;
        } else if more > 0 && is_redis && args.is_word(at, "maxcount") {
            let error = "ERR MAXCOUNT must be a positive integer";
            order.bounds.in_all = Some(positive(args.get(at + 1), error)?);
            at += 2;
        } else if more > 0 && is_redis && args.is_word(at, "maxsize") {
            let error = "ERR MAXSIZE must be a positive integer";
            order.bounds.bytes = Some(positive(args.get(at + 1), error)?);
            at += 2;
        } else if more > 0 && args.is_word(at, "streams") {
            (order.keys, order.ids) = streams(args.from(at + 1), as_group, dialect)?;
            break;
        } else if more > 1 && args.is_word(at, "group") {
            if !as_group {
                return Err(only_group("GROUP"));
            }
            order.group = Some((args.get(at + 1), args.get(at + 2)));
            at += 3;
        } else if more > 0 && is_redis && args.is_word(at, "claim") {
            if !as_group {
                return Err(only_group("CLAIM"));
            }
            let bad = "ERR min-idle-time is not an integer or out of range";
            let min_idle = integer_or(args.get(at + 1), bad)?;
            if min_idle < 0 {
                return Err(CommandError::new("ERR min-idle-time must be a positive integer"));
            }
            order.claim_min_idle = Some(min_idle);
            at += 2;
        } else if args.is_word(at, "noack") {
            if !as_group {
                return Err(only_group("NOACK"));
            }
            order.leaves_nothing_pending = true;
            at += 1;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    if as_group && order.group.is_none() {
        return Err(CommandError::new("ERR Missing GROUP option for XREADGROUP"));
    }
    Ok(order)
}

fn positive(arg: &[u8], error: &'static str) -> Result<usize, CommandError> {
    usize::try_from(integer(arg)?).ok().filter(|number| *number > 0).ok_or(CommandError::new(error))
}

type Words<'a> = &'a [&'a [u8]];

/// key [key ...] id [id ...]
fn streams(args: Args<'_>, as_group: bool, dialect: Dialect) -> Result<(Words<'_>, Words<'_>), CommandError> {
    let all = args.as_slice();
    if !all.len().is_multiple_of(2) {
        return Err(CommandError::new(if as_group {
            "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified."
        } else if dialect.is_valkey() {
            "ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified."
        } else {
            "ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' must be specified."
        }));
    }
    Ok(all.split_at_checked(all.len() / 2).unwrap_or_default())
}
