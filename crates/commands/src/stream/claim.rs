//! XCLAIM, XAUTOCLAIM and XNACK: who has what pending.
//!
//! Owns whose an entry becomes, how often it counts as delivered, and when a consumer was seen. Never changes an entry
//! of the stream itself.

use storage::value::Stream;
use storage::value::stream::{ConsumerId, Group, LagRule, Pending, StreamId};
use storage::{Slot, UnixMillis, Wanted};

use protocol::{Args, Reply};

use super::{id, integer, integer_or, no_group, reply_entry, reply_id};
#[cfg(doc)]
use crate::Dialect;
use crate::{CommandError, Role, WriteContext};

/// How many entries XAUTOCLAIM looks at for each that it may claim.
const TRIES_PER_ENTRY: usize = 10;
/// How many entries XAUTOCLAIM claims unless it is told.
const AUTOCLAIM_COUNT: usize = 100;
/// Redis' bound: so many IDs and tries fit in its counters.
const AUTOCLAIM_COUNT_MAX: i64 = i64::MAX / 16;

/// What XCLAIM was asked beside its IDs.
#[derive(Clone, Copy)]
struct Claim {
    min_idle: i64,
    now: i64,
    delivered_ms: i64,
    retry_count: Option<u64>,
    makes_pending: bool,
    just_id: bool,
    last_id: StreamId,
    /// A master sends it, who may have made it from a read.
    follows_reader: bool,
    /// A group's pending entry may outlive the stream's entry (Redis before 7.0).
    keeps_deleted: bool,
    /// [`Dialect::knows_consumers_of_nothing`].
    knows_everyone: bool,
}

/// XCLAIM key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-milliseconds] [RETRYCOUNT count]
/// [FORCE] [JUSTID] [LASTID id]
pub(crate) fn xclaim(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let (role, clock) = (ctx.role, ctx.clock);
    let dialect = ctx.dialect;
    let asking = ctx.asking();
    ctx.db.edit(args.get(0), |slot| {
        asking.asked(args.get(0), slot.exists());
        let name = args.get(1);
        if slot.stream()?.is_none_or(|stream| stream.group(name).is_none()) {
            return Err(no_group(args.get(0), name));
        }
        let (ids, mut claim) = claim(args, role, clock)?;
        claim.keeps_deleted = dialect.claims_deleted();
        claim.knows_everyone = dialect.knows_consumers_of_nothing();
        let header = reply.defer();
        let was_new = is_new(slot, name, args.get(2))?;
        slot.quietly();
        let done =
            slot.edit(|stream: &mut Stream| claim_all(stream, name, args.get(2), &ids, claim, reply))?;
        let is_made = was_new && !is_new(slot, name, args.get(2))?;
        slot.counts(done.unwrap_or(0) + usize::from(is_made));
        if is_made {
            slot.event(Wanted::STREAM, "xgroup-createconsumer");
        }
        reply.array_at(header, done.unwrap_or(0));
        Ok(())
    })
}

/// Reads the arguments.
fn claim(args: Args<'_>, role: Role, clock: UnixMillis) -> Result<(Vec<StreamId>, Claim), CommandError> {
    let now = clock.0;
    let min_idle = integer_or(args.get(3), "ERR Invalid min-idle-time argument for XCLAIM")?;
    let mut claim = Claim {
        min_idle: min_idle.max(0),
        now,
        delivered_ms: now,
        retry_count: None,
        makes_pending: false,
        just_id: false,
        last_id: StreamId::MIN,
        follows_reader: role == Role::Replica,
        keeps_deleted: false,
        knows_everyone: true,
    };
    let ids: Vec<StreamId> = args.from(4).iter().map_while(|arg| id::strict(arg, 0).ok()).collect();
    let mut at = 4 + ids.len();
    while at < args.len() {
        let value = args.opt(at + 1);
        match value {
            _ if args.is_word(at, "force") => claim.makes_pending = true,
            _ if args.is_word(at, "justid") => claim.just_id = true,
            Some(value) if args.is_word(at, "idle") => {
                let idle = integer_or(value, "ERR Invalid IDLE option argument for XCLAIM")?;
                claim.delivered_ms = delivered_at(now.wrapping_sub(idle), now);
                at += 1;
            }
            Some(value) if args.is_word(at, "time") => {
                let time = integer_or(value, "ERR Invalid TIME option argument for XCLAIM")?;
                claim.delivered_ms = match role {
                    // Our clock may be behind the master's, who has checked it by its own.
                    Role::Replica if time >= 0 => time,
                    _ => delivered_at(time, now),
                };
                at += 1;
            }
            Some(value) if args.is_word(at, "retrycount") => {
                let count = integer_or(value, "ERR Invalid RETRYCOUNT option argument for XCLAIM")?;
                claim.retry_count = u64::try_from(count).ok();
                at += 1;
            }
            Some(value) if args.is_word(at, "lastid") => {
                claim.last_id = id::strict(value, 0)?;
                at += 1;
            }
            _ => return Err(CommandError::naming("ERR Unrecognized XCLAIM option '", args.get(at), "'")),
        }
        at += 1;
    }
    Ok((ids, claim))
}

/// A time that somebody computed by another clock: nonsense counts as now.
fn delivered_at(time: i64, now: i64) -> i64 {
    if (0..=now).contains(&time) { time } else { now }
}

/// Claims entries, answering with each; says how many there were.
fn claim_all(
    stream: &mut Stream,
    group_name: &[u8],
    consumer_name: &[u8],
    ids: &[StreamId],
    claim: Claim,
    reply: &mut Reply,
) -> usize {
    let read = claim.follows_reader.then(|| read_to(stream, group_name, ids, claim.last_id)).flatten();
    let Some(group) = stream.group_mut(group_name) else { return 0 };
    if let Some(read) = read {
        group.entries_read = read;
    }
    group.last_id = group.last_id.max(claim.last_id);
    let last_seen = last_seen(group, consumer_name);
    let consumer = seen(group, consumer_name, claim.now);
    let mut claimed = 0;
    for id in ids {
        let exists = stream.contains(*id);
        let Some(group) = stream.group_mut(group_name) else { break };
        let before = group.pending(*id);
        if !exists && !claim.keeps_deleted {
            // What is no longer in the stream cannot be claimed, and is pending no more.
            group.remove_pending(*id);
            continue;
        }
        let pending = match before {
            Some(pending) => pending,
            None if claim.makes_pending && exists => {
                Pending { consumer: None, delivered_ms: claim.now, deliveries: 1 }
            }
            None => continue,
        };
        if pending.consumer.is_some() && claim.now.saturating_sub(pending.delivered_ms) < claim.min_idle {
            continue;
        }
        let deliveries = match claim.retry_count {
            Some(count) => count,
            None if claim.just_id => pending.deliveries,
            None => more(pending.deliveries),
        };
        let owned = Pending { consumer: Some(consumer), delivered_ms: claim.delivered_ms, deliveries };
        group.set_pending(*id, owned);
        if let Some(consumer) = group.consumer_mut(consumer) {
            consumer.active_ms = Some(claim.now);
        }
        if claim.just_id {
            reply_id(reply, *id);
        } else if let Some(entry) = stream.get(*id) {
            reply_entry(reply, entry);
        } else {
            reply.null();
        }
        claimed += 1;
    }
    if claimed == 0
        && !claim.knows_everyone
        && let Some(group) = stream.group_mut(group_name)
    {
        unsee(group, consumer_name, last_seen);
    }
    claimed
}

/// How many entries a group has read, when this XCLAIM is what became of its reading one of them: the one that it
/// moves to; `None` within when that cannot be told. (Redis 7.0 and 7.2 say no more of it; those after them send a
/// SETID that agrees.)
fn read_to(stream: &Stream, group: &[u8], ids: &[StreamId], last_id: StreamId) -> Option<Option<u64>> {
    let group = stream.group(group).filter(|group| ids == [last_id] && group.last_id < last_id)?;
    Some(match group.entries_read {
        Some(read) if !stream.has_deleted_from(last_id, LagRule::Redis7) => Some(read.saturating_add(1)),
        _ => stream.position_of(last_id, LagRule::Redis7),
    })
}

/// Whether the stream has this group, and the group no such consumer.
pub(super) fn is_new(slot: &Slot<'_>, group: &[u8], consumer: &[u8]) -> Result<bool, CommandError> {
    let group = slot.stream()?.and_then(|stream| stream.group(group));
    Ok(group.is_some_and(|group| !group.has_consumer(consumer)))
}

/// The consumer of this name, made if need be, who was just seen.
pub(super) fn seen(group: &mut Group, name: &[u8], now: i64) -> ConsumerId {
    let (id, _) = group.consumer_or_new(name, now, None);
    if let Some(consumer) = group.consumer_mut(id) {
        consumer.seen_ms = now;
    }
    id
}

/// When this consumer was last seen; `None`: there is none of that name.
pub(super) fn last_seen(group: &Group, name: &[u8]) -> Option<i64> {
    group.find_consumer(name).and_then(|id| group.consumer(id)).map(|consumer| consumer.seen_ms)
}

/// Takes back that a consumer was seen, who was given nothing: see [`Dialect::knows_consumers_of_nothing`].
pub(super) fn unsee(group: &mut Group, name: &[u8], last_seen: Option<i64>) {
    match (last_seen, group.find_consumer(name)) {
        (Some(before), Some(id)) => {
            if let Some(consumer) = group.consumer_mut(id) {
                consumer.seen_ms = before;
            }
        }
        _ => drop(group.remove_consumer(name)),
    }
}

/// One delivery more. Redis counts in an i64, and stops at its end.
pub(super) fn more(deliveries: u64) -> u64 {
    deliveries.saturating_add(1).min(i64::MAX.unsigned_abs())
}

/// XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID]
pub(crate) fn xautoclaim(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let min_idle = integer_or(args.get(3), "ERR Invalid min-idle-time argument for XAUTOCLAIM")?.max(0);
    let start = id::start(args.get(4))?;
    let (mut count, mut just_id) = (AUTOCLAIM_COUNT, false);
    let mut at = 5;
    while at < args.len() {
        if args.is_word(at, "count") && at + 1 < args.len() {
            let number = integer_or(args.get(at + 1), "ERR COUNT must be > 0")?;
            let number = (1..=AUTOCLAIM_COUNT_MAX).contains(&number).then_some(number);
            let number = number.ok_or(CommandError::new("ERR COUNT must be > 0"))?;
            count = usize::try_from(number).unwrap_or(usize::MAX);
            at += 2;
        } else if args.is_word(at, "justid") {
            just_id = true;
            at += 1;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    let now = ctx.clock.0;
    let keeps_deleted = ctx.dialect.claims_deleted();
    let knows_everyone = ctx.dialect.knows_consumers_of_nothing();
    let name = args.get(1);
    let asking = ctx.asking();
    ctx.db.edit(args.get(0), |slot| {
        asking.asked(args.get(0), slot.exists());
        if slot.stream()?.is_none_or(|stream| stream.group(name).is_none()) {
            return Err(no_group(args.get(0), name));
        }
        let was_new = is_new(slot, name, args.get(2))?;
        let mut changes = 0;
        slot.quietly();
        slot.edit(|stream: &mut Stream| {
            let Some(group) = stream.group_mut(name) else { return };
            let last_seen = last_seen(group, args.get(2));
            let consumer = seen(group, args.get(2), now);
            let mut found = group.pending_range(start..=StreamId::MAX);
            let (mut claimed, mut deleted) = (Vec::new(), Vec::new());
            let mut tries = count.saturating_mul(TRIES_PER_ENTRY);
            let mut left = count;
            let mut next = found.next();
            // The group is borrowed by `found`, the stream by the group: entries are looked at afterwards.
            let mut candidates = Vec::new();
            while let Some((id, pending)) = next
                && tries > 0
            {
                candidates.push((id, pending));
                tries -= 1;
                next = found.next();
            }
            drop(found);
            let behind_tries = next.map(|(id, _)| id);
            let mut cursor = None;
            for (number, (id, pending)) in candidates.iter().enumerate() {
                if left == 0 {
                    cursor = candidates.get(number).map(|(id, _)| *id);
                    break;
                }
                if !keeps_deleted && !stream.contains(*id) {
                    deleted.push(*id);
                    left -= 1;
                } else if pending.consumer.is_none() || now.saturating_sub(pending.delivered_ms) >= min_idle {
                    claimed.push((*id, *pending));
                    left -= 1;
                }
            }
            changes += claimed.len() + deleted.len();
            let cursor = cursor.or(behind_tries).unwrap_or(StreamId::MIN);
            let Some(group) = stream.group_mut(name) else { return };
            for id in &deleted {
                group.remove_pending(*id);
            }
            for (id, pending) in &claimed {
                let deliveries = if just_id { pending.deliveries } else { more(pending.deliveries) };
                group.set_pending(*id, Pending { consumer: Some(consumer), delivered_ms: now, deliveries });
            }
            if let Some(consumer) = group.consumer_mut(consumer).filter(|_| !claimed.is_empty()) {
                consumer.active_ms = Some(now);
            }
            if claimed.is_empty() && !knows_everyone {
                unsee(group, args.get(2), last_seen);
            }

            reply.array(if keeps_deleted { 2 } else { 3 });
            reply_id(reply, cursor);
            reply.array(claimed.len());
            for (id, _) in &claimed {
                match stream.get(*id) {
                    _ if just_id => reply_id(reply, *id),
                    Some(entry) => reply_entry(reply, entry),
                    None => reply.null(),
                }
            }
            if !keeps_deleted {
                reply.array(deleted.len());
                deleted.iter().for_each(|id| reply_id(reply, *id));
            }
        })?;
        let is_made = was_new && !is_new(slot, name, args.get(2))?;
        if is_made {
            slot.event(Wanted::STREAM, "xgroup-createconsumer");
        }
        slot.counts(changes + usize::from(is_made));
        Ok(())
    })
}

/// What XNACK does to the number of deliveries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// As if it had not been delivered.
    Silent,
    /// It was delivered, and that failed.
    Fail,
    /// It will never succeed.
    Fatal,
}

/// XNACK key group SILENT|FAIL|FATAL IDS numids id [id ...] [RETRYCOUNT count] [FORCE]
pub(crate) fn xnack(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let name = args.get(1);
    let released = ctx.db.edit(args.get(0), |slot| {
        if slot.stream()?.is_none_or(|stream| stream.group(name).is_none()) {
            return Err(no_group(args.get(0), name));
        }
        let verdict = match () {
            () if args.is_word(2, "silent") => Verdict::Silent,
            () if args.is_word(2, "fail") => Verdict::Fail,
            () if args.is_word(2, "fatal") => Verdict::Fatal,
            () => return Err(CommandError::new("ERR mode must be SILENT, FAIL, or FATAL")),
        };
        let (mut ids, mut retry_count, mut makes_pending) = (None, None, false);
        let mut at = 3;
        while at < args.len() {
            let value = args.opt(at + 1);
            match value {
                _ if args.is_word(at, "force") => makes_pending = true,
                Some(value) if args.is_word(at, "ids") => {
                    let count = numids(value)?;
                    let all = args.from(at + 2).as_slice().get(..count);
                    let mismatch = CommandError::new("ERR number of IDs doesn't match numids");
                    ids = Some(all.ok_or(mismatch)?);
                    at += 1 + count;
                }
                Some(value) if args.is_word(at, "retrycount") => {
                    let negative = CommandError::new("ERR Invalid RETRYCOUNT value, must be >= 0");
                    retry_count = Some(u64::try_from(integer(value)?).map_err(|_| negative)?);
                    at += 1;
                }
                _ => return Err(CommandError::naming("ERR Unrecognized XNACK option '", args.get(at), "'")),
            }
            at += 1;
        }
        let ids = ids.ok_or(CommandError::new("ERR syntax error, expected IDS keyword"))?;
        let ids = id::all(ids.iter().copied())?;
        slot.quietly();
        let done = slot.edit(|stream: &mut Stream| {
            ids.into_iter()
                .filter(|id| release(stream, name, *id, verdict, retry_count, makes_pending))
                .count()
        })?;
        let released = done.unwrap_or(0);
        if released == 0 {
            slot.unchanged();
        }
        Ok(released)
    })?;
    reply.len_int(released);
    Ok(())
}

fn numids(arg: &[u8]) -> Result<usize, CommandError> {
    let error = "ERR numids must be a positive integer";
    let number = integer_or(arg, error)?;
    usize::try_from(number).ok().filter(|number| *number > 0).ok_or(CommandError::new(error))
}

/// Makes an entry pending for nobody; says whether it was pending, or is now.
fn release(
    stream: &mut Stream,
    group: &[u8],
    id: StreamId,
    verdict: Verdict,
    retry_count: Option<u64>,
    makes_pending: bool,
) -> bool {
    let exists = stream.contains(id);
    let Some(group) = stream.group_mut(group) else { return false };
    let before = match group.pending(id) {
        Some(pending) => pending.deliveries,
        None if makes_pending && exists => 0,
        None => return false,
    };
    let deliveries = retry_count.unwrap_or(match verdict {
        Verdict::Silent => before.saturating_sub(1),
        Verdict::Fail => before,
        Verdict::Fatal => i64::MAX.unsigned_abs(),
    });
    group.set_pending(id, Pending { consumer: None, delivered_ms: 0, deliveries });
    true
}
