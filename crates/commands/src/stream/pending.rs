//! XPENDING.

use storage::value::stream::{Group, StreamId};

use protocol::{Args, Reply};

use super::{id, integer, no_group, reply_id, stream};
use crate::{CommandError, ReadContext};

/// The part of what is pending that is asked for.
struct Filter<'a> {
    min_idle: i64,
    start: StreamId,
    end: StreamId,
    count: usize,
    consumer: Option<&'a [u8]>,
}

/// XPENDING key group [[IDLE min-idle-time] start end count [consumer]]
pub(crate) fn xpending(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let filter = match args.len() {
        2 => None,
        5..=8 => Some(filter(args)?),
        _ => return Err(CommandError::Syntax),
    };
    let found = ctx.db.get(args.get(0));
    let group = stream(&found)?.and_then(|stream| stream.group(args.get(1)));
    let group = group.ok_or_else(|| no_group(args.get(0), args.get(1)))?;
    match filter {
        None => summary(group, reply),
        Some(filter) => entries(group, filter, ctx.now.0, reply),
    }
    Ok(())
}

/// [IDLE min-idle-time] start end count [consumer]
fn filter(args: Args<'_>) -> Result<Filter<'_>, CommandError> {
    let mut at = 2;
    let mut min_idle = 0;
    if args.is_word(2, "idle") {
        min_idle = integer(args.get(3))?;
        if args.len() < 7 {
            return Err(CommandError::Syntax);
        }
        at = 4;
    }
    let count = usize::try_from(integer(args.get(at + 2))?).unwrap_or(0);
    let (start, end) = (id::start(args.get(at))?, id::end(args.get(at + 1))?);
    Ok(Filter { min_idle, start, end, count, consumer: args.opt(at + 3) })
}

fn summary(group: &Group, reply: &mut Reply) {
    let mut all = group.pending_range(StreamId::MIN..=StreamId::MAX);
    reply.array(4);
    reply.len_int(group.pending_len());
    let Some((first, _)) = all.next() else {
        reply.null();
        reply.null();
        reply.null_array();
        return;
    };
    reply_id(reply, first);
    reply_id(reply, all.next_back().map_or(first, |(last, _)| last));
    let header = reply.defer();
    let mut len = 0;
    for consumer in group.consumers().filter(|consumer| consumer.pending_len() > 0) {
        reply.array(2);
        reply.bulk(consumer.name());
        reply.bulk_int(i64::try_from(consumer.pending_len()).unwrap_or(i64::MAX));
        len += 1;
    }
    reply.array_at(header, len);
}

fn entries(group: &Group, filter: Filter<'_>, now: i64, reply: &mut Reply) {
    let range = filter.start..=filter.end;
    let header = reply.defer();
    let len = match filter.consumer.map(|name| group.find_consumer(name)) {
        None => rows(group, group.pending_range(range), &filter, now, reply),
        Some(Some(consumer)) => rows(group, group.consumer_pending(consumer, range), &filter, now, reply),
        Some(None) => 0,
    };
    reply.array_at(header, len);
}

/// Answers with a row an entry; says how many.
fn rows(
    group: &Group,
    pending: impl Iterator<Item = (StreamId, storage::value::stream::Pending)>,
    filter: &Filter<'_>,
    now: i64,
    reply: &mut Reply,
) -> usize {
    let idle = |delivered_ms: i64| now.saturating_sub(delivered_ms);
    let wanted =
        pending.filter(|(_, pending)| filter.min_idle == 0 || idle(pending.delivered_ms) >= filter.min_idle);
    let mut len = 0;
    for (id, pending) in wanted.take(filter.count) {
        let consumer = pending.consumer.and_then(|consumer| group.consumer(consumer));
        reply.array(4);
        reply_id(reply, id);
        reply.bulk(consumer.map_or(b"", |consumer| consumer.name()));
        // What nobody has is not idle.
        reply.int(consumer.map_or(-1, |_| idle(pending.delivered_ms).max(0)));
        reply.int(i64::try_from(pending.deliveries).unwrap_or(i64::MAX));
        len += 1;
    }
    len
}
