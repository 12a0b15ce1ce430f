//! XINFO: what is known of a stream, its groups and their consumers.
//!
//! Owns which fields each version of the servers has. Never changes anything.

use storage::value::Stream;
use storage::value::stream::{Consumer, ConsumerId, Entry, Group, Idempotency, LagRule, Shape, StreamId};

use protocol::{Args, Reply};

use super::{integer, lag_rule, no_group_in, reply_entry, reply_id, stream};
use crate::{CommandError, Dialect, ReadContext};

/// How many entries FULL shows of each thing unless it is told.
const FULL_COUNT: usize = 10;

/// What the servers of a dialect say.
#[derive(Clone, Copy)]
struct Says {
    /// Counters of what was added and deleted, a group's lag (Redis 7.0).
    counters: bool,
    /// When a consumer last got something (Redis 7.2).
    active: bool,
    /// Idempotent IDs (Redis 8.6).
    idempotency: bool,
    /// What is pending for nobody (Redis 8.8).
    unowned: bool,
    shape: Shape,
    lag: LagRule,
}

impl From<Dialect> for Says {
    fn from(dialect: Dialect) -> Says {
        let from = |major, minor| dialect.is_valkey() || dialect.is_redis_from(major, minor);
        let unowned = dialect.is_redis_from(8, 8);
        Says {
            counters: from(7, 0),
            active: from(7, 2),
            idempotency: dialect.is_redis_from(8, 6),
            unowned,
            shape: if unowned { Shape::WithoutLeaves } else { Shape::WithLeaves },
            lag: lag_rule(dialect),
        }
    }
}

/// XINFO STREAM key [FULL [COUNT count]]
pub(crate) fn xinfo_stream(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let found = ctx.db.get(args.get(0));
    let stream = stream(&found)?.ok_or(CommandError::NoSuchKey)?;
    let full = match args.len() {
        1 => None,
        _ if !args.is_word(1, "full") => return Err(CommandError::WrongSubcommand),
        2 => Some(FULL_COUNT),
        4 if args.is_word(2, "count") => match integer(args.get(3))? {
            0 => Some(usize::MAX),
            // As in Redis, a negative one is like none.
            count => Some(usize::try_from(count).unwrap_or(FULL_COUNT)),
        },
        _ => return Err(CommandError::WrongSubcommand),
    };
    let says = Says::from(ctx.dialect);
    let mut fields = 6 + usize::from(full.is_none());
    fields += if says.counters { 3 } else { 0 } + if says.idempotency { 6 } else { 0 };
    reply.map(fields);
    counters(stream, says, ctx, reply);
    match full {
        None => {
            reply.bulk(b"groups");
            reply.len_int(stream.groups().len());
            reply.bulk(b"first-entry");
            entry_or_null(reply, stream.first());
            reply.bulk(b"last-entry");
            entry_or_null(reply, stream.last());
        }
        Some(count) => {
            reply.bulk(b"entries");
            reply.array(stream.len().min(count));
            let entries = stream.range(StreamId::MIN, StreamId::MAX);
            entries.take(count).for_each(|entry| reply_entry(reply, entry));
            reply.bulk(b"groups");
            reply.array(stream.groups().len());
            for (name, group) in stream.groups() {
                full_group(stream, name, group, count, says, reply);
            }
        }
    }
    Ok(())
}

fn counters(stream: &Stream, says: Says, ctx: &ReadContext<'_>, reply: &mut Reply) {
    reply.bulk(b"length");
    reply.len_int(stream.len());
    reply.bulk(b"radix-tree-keys");
    reply.len_int(stream.nodes_len());
    reply.bulk(b"radix-tree-nodes");
    reply.len_int(stream.radix_tree_nodes(says.shape));
    reply.bulk(b"last-generated-id");
    reply_id(reply, stream.last_id());
    if says.counters {
        reply.bulk(b"max-deleted-entry-id");
        reply_id(reply, stream.max_deleted_id());
        reply.bulk(b"entries-added");
        reply.int(stream.entries_added().cast_signed());
        reply.bulk(b"recorded-first-entry-id");
        reply_id(reply, stream.first_id());
    }
    if says.idempotency {
        let none = Idempotency::default();
        let known = stream.idempotency().unwrap_or(&none);
        let (producers, ids) = known.tracked(ctx.now);
        let rows: [(&[u8], u64); 6] = [
            (b"idmp-duration", known.duration_s()),
            (b"idmp-maxsize", known.ids_max()),
            (b"pids-tracked", producers),
            (b"iids-tracked", ids),
            (b"iids-added", known.added),
            (b"iids-duplicates", known.duplicates),
        ];
        for (name, value) in rows {
            reply.bulk(name);
            reply.int(value.cast_signed());
        }
    }
}

fn entry_or_null(reply: &mut Reply, entry: Option<Entry<'_>>) {
    match entry {
        Some(entry) => reply_entry(reply, entry),
        None => reply.null(),
    }
}

fn full_group(stream: &Stream, name: &[u8], group: &Group, count: usize, says: Says, reply: &mut Reply) {
    reply.map(5 + if says.counters { 2 } else { 0 } + usize::from(says.unowned));
    reply.bulk(b"name");
    reply.bulk(name);
    reply.bulk(b"last-delivered-id");
    reply_id(reply, group.last_id);
    if says.counters {
        reading(stream, group, says, reply);
    }
    reply.bulk(b"pel-count");
    reply.len_int(group.pending_len());
    if says.unowned {
        reply.bulk(b"nacked-count");
        reply.len_int(group.unowned_len());
    }
    reply.bulk(b"pending");
    reply.array(group.pending_len().min(count));
    for (id, pending) in group.pending_range(StreamId::MIN..=StreamId::MAX).take(count) {
        let consumer = pending.consumer.and_then(|consumer| group.consumer(consumer));
        reply.array(4);
        reply_id(reply, id);
        reply.bulk(consumer.map_or(b"", Consumer::name));
        reply.int(pending.delivered_ms);
        reply.int(pending.deliveries.cast_signed());
    }
    reply.bulk(b"consumers");
    reply.array(group.consumers_len());
    for (id, consumer) in group.consumer_ids() {
        full_consumer(group, id, consumer, count, says, reply);
    }
}

fn full_consumer(
    group: &Group,
    id: ConsumerId,
    consumer: &Consumer,
    count: usize,
    says: Says,
    reply: &mut Reply,
) {
    reply.map(4 + usize::from(says.active));
    reply.bulk(b"name");
    reply.bulk(consumer.name());
    reply.bulk(b"seen-time");
    reply.int(consumer.seen_ms);
    if says.active {
        reply.bulk(b"active-time");
        reply.int(consumer.active_ms.unwrap_or(-1));
    }
    reply.bulk(b"pel-count");
    reply.len_int(consumer.pending_len());
    reply.bulk(b"pending");
    reply.array(consumer.pending_len().min(count));
    for (id, pending) in group.consumer_pending(id, StreamId::MIN..=StreamId::MAX).take(count) {
        reply.array(3);
        reply_id(reply, id);
        reply.int(pending.delivered_ms);
        reply.int(pending.deliveries.cast_signed());
    }
}

/// How far a group has read, and how far it has to.
fn reading(stream: &Stream, group: &Group, says: Says, reply: &mut Reply) {
    reply.bulk(b"entries-read");
    match group.entries_read {
        Some(count) => reply.int(count.cast_signed()),
        None => reply.null(),
    }
    reply.bulk(b"lag");
    match stream.lag(group, says.lag) {
        Some(lag) => reply.int(lag),
        None => reply.null(),
    }
}

/// XINFO GROUPS key
pub(crate) fn xinfo_groups(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let found = ctx.db.get(args.get(0));
    let stream = stream(&found)?.ok_or(CommandError::NoSuchKey)?;
    let says = Says::from(ctx.dialect);
    reply.array(stream.groups().len());
    for (name, group) in stream.groups() {
        reply.map(4 + if says.counters { 2 } else { 0 });
        reply.bulk(b"name");
        reply.bulk(name);
        reply.bulk(b"consumers");
        reply.len_int(group.consumers_len());
        reply.bulk(b"pending");
        reply.len_int(group.pending_len());
        reply.bulk(b"last-delivered-id");
        reply_id(reply, group.last_id);
        if says.counters {
            reading(stream, group, says, reply);
        }
    }
    Ok(())
}

/// XINFO CONSUMERS key group
pub(crate) fn xinfo_consumers(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let found = ctx.db.get(args.get(0));
    let stream = stream(&found)?.ok_or(CommandError::NoSuchKey)?;
    let group = stream.group(args.get(1)).ok_or_else(|| no_group_in(args.get(0), args.get(1)))?;
    let says = Says::from(ctx.dialect);
    reply.array(group.consumers_len());
    for consumer in group.consumers() {
        let since = |then: i64| ctx.now.0.saturating_sub(then).max(0);
        reply.map(3 + usize::from(says.active));
        reply.bulk(b"name");
        reply.bulk(consumer.name());
        reply.bulk(b"pending");
        reply.len_int(consumer.pending_len());
        reply.bulk(b"idle");
        reply.int(since(consumer.seen_ms));
        if says.active {
            reply.bulk(b"inactive");
            reply.int(consumer.active_ms.map_or(-1, since));
        }
    }
    Ok(())
}

/// XINFO HELP
pub(crate) fn xinfo_help(
    _ctx: &ReadContext<'_>,
    _args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    help(
        reply,
        &[
            "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "CONSUMERS <key> <groupname>",
            "    Show consumers of <groupname>.",
            "GROUPS <key>",
            "    Show the stream consumer groups.",
            "STREAM <key> [FULL [COUNT <count>]",
            "    Show information about the stream.",
            "HELP",
            "    Print this help.",
        ],
    );
    Ok(())
}

/// Answers with lines of help.
pub(super) fn help(reply: &mut Reply, lines: &[&str]) {
    reply.array(lines.len());
    lines.iter().for_each(|line| reply.simple(line));
}
