//! XGROUP, XACK and XSETID.
//!
//! Owns how groups and consumers come and go, and what their counts may be set to. Never adds or removes an entry.

use storage::Wanted;
use storage::value::Stream;
use storage::value::stream::{Group, StreamId};

use protocol::{Args, Reply};

use super::{id, integer, no_group_in};
use crate::{CommandError, Dialect, ReadContext, Role, WriteContext};

const NO_STREAM: CommandError = CommandError::new(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM \
     option to create an empty stream automatically.",
);

/// XGROUP CREATE key group id|$ [MKSTREAM] [ENTRIESREAD entries-read]
pub(crate) fn xgroup_create(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let options = options(args, "CREATE", ctx.role)?;
    let (dialect, limits) = (ctx.dialect, ctx.limits);
    ctx.db.edit(args.get(0), |slot| {
        let found = slot.stream()?;
        if found.is_none() && !options.makes_stream {
            return Err(NO_STREAM);
        }
        let last_id = match args.get(2) {
            b"$" => found.map_or(StreamId::MIN, Stream::last_id),
            id => id::strict(id, 0)?,
        };
        if found.is_some_and(|stream| stream.group(args.get(1)).is_some()) {
            return Err(CommandError::new("BUSYGROUP Consumer Group name already exists"));
        }
        let added = found.map_or(0, Stream::entries_added);
        let group = Group::new(last_id, entries_read(options, added, dialect));
        let is_new = !slot.exists();
        if !is_new {
            slot.quietly();
        }
        slot.edit_or_new(|stream: &mut Stream| {
            if is_new {
                stream.begin(limits);
            }
            stream.add_group(args.get(1), group).map(drop).is_ok()
        })?;
        slot.event(Wanted::STREAM, "xgroup-create");
        Ok(())
    })?;
    reply.ok();
    Ok(())
}

/// XGROUP SETID key group id|$ [ENTRIESREAD entries-read]
pub(crate) fn xgroup_setid(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let options = options(args, "SETID", ctx.role)?;
    let dialect = ctx.dialect;
    ctx.db.edit(args.get(0), |slot| {
        let stream = slot.stream()?.ok_or(NO_STREAM)?;
        if stream.group(args.get(1)).is_none() {
            return Err(no_group_in(args.get(0), args.get(1)));
        }
        let last_id = match args.get(2) {
            b"$" => stream.last_id(),
            // Not in CREATE: `-` and `+` are IDs here.
            id => id::loose(id, 0)?,
        };
        let read = entries_read(options, stream.entries_added(), dialect);
        slot.quietly();
        slot.edit(|stream: &mut Stream| {
            if let Some(group) = stream.group_mut(args.get(1)) {
                group.last_id = last_id;
                group.entries_read = read;
            }
        })?;
        slot.event(Wanted::STREAM, "xgroup-setid");
        Ok(())
    })?;
    reply.ok();
    Ok(())
}

/// How many entries a group is said to have read: since Redis 8.2 not more than there ever were.
fn entries_read(options: Options, added: u64, dialect: Dialect) -> Option<u64> {
    let read = options.entries_read?;
    Some(if dialect.is_redis_from(8, 2) { read.min(added) } else { read })
}

/// What CREATE and SETID may be told.
#[derive(Clone, Copy, Default)]
struct Options {
    makes_stream: bool,
    entries_read: Option<u64>,
}

/// [MKSTREAM] [ENTRIESREAD entries-read]
fn options(args: Args<'_>, subcommand: &str, role: Role) -> Result<Options, CommandError> {
    let mut options = Options::default();
    let mut at = 3;
    while at < args.len() {
        if subcommand == "CREATE" && args.is_word(at, "mkstream") {
            options.makes_stream = true;
            at += 1;
        } else if args.is_word(at, "entriesread") && at + 1 < args.len() {
            options.entries_read = match integer(args.get(at + 1))? {
                -1 => None,
                // A master whose count has gone beyond the signed integers tells it as a negative one.
                count if count >= 0 || role == Role::Replica => Some(count.cast_unsigned()),
                _ => return Err(CommandError::new("ERR value for ENTRIESREAD must be positive or -1")),
            };
            at += 2;
        } else {
            return Err(CommandError::WrongSubcommand);
        }
    }
    Ok(options)
}

/// XGROUP DESTROY key group
pub(crate) fn xgroup_destroy(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let removed = ctx.db.edit(args.get(0), |slot| {
        slot.stream()?.ok_or(NO_STREAM)?;
        slot.quietly();
        let removed = slot.edit(|stream: &mut Stream| stream.remove_group(args.get(1)))?;
        if removed == Some(true) {
            slot.event(Wanted::STREAM, "xgroup-destroy");
        } else {
            slot.unchanged();
        }
        Ok::<_, CommandError>(removed == Some(true))
    })?;
    reply.int(i64::from(removed));
    Ok(())
}

/// XGROUP CREATECONSUMER key group consumer
pub(crate) fn xgroup_createconsumer(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let clock = ctx.clock;
    let created =
        edit_group(ctx, args, |group| group.consumer_or_new(args.get(2), clock.0, None).1.then_some(()))?
            .is_some();
    if created {
        ctx.event(Wanted::STREAM, "xgroup-createconsumer", args.get(0));
    }
    reply.int(i64::from(created));
    Ok(())
}

/// XGROUP DELCONSUMER key group consumer
pub(crate) fn xgroup_delconsumer(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let pending = edit_group(ctx, args, |group| group.remove_consumer(args.get(2)))?;
    if pending.is_some() {
        ctx.event(Wanted::STREAM, "xgroup-delconsumer", args.get(0));
    }
    reply.len_int(pending.unwrap_or(0));
    Ok(())
}

/// Edits a group that must be there; `edit` says something unless it has changed nothing.
fn edit_group<R>(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    edit: impl FnOnce(&mut Group) -> Option<R>,
) -> Result<Option<R>, CommandError> {
    ctx.db.edit(args.get(0), |slot| {
        slot.stream()?.ok_or(NO_STREAM)?;
        slot.quietly();
        let done = slot.edit(|stream: &mut Stream| stream.group_mut(args.get(1)).map(edit))?;
        let done = done.flatten();
        if !matches!(done, Some(Some(_))) {
            slot.unchanged();
        }
        done.ok_or_else(|| no_group_in(args.get(0), args.get(1)))
    })
}

/// XGROUP HELP
pub(crate) fn xgroup_help(
    _ctx: &ReadContext<'_>,
    _args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    super::info::help(
        reply,
        &[
            "XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "CREATE <key> <groupname> <id|$> [option]",
            "    Create a new consumer group. Options are:",
            "    * MKSTREAM",
            "      Create the empty stream if it does not exist.",
            "    * ENTRIESREAD entries_read",
            "      Set the group's entries_read counter (internal use).",
            "CREATECONSUMER <key> <groupname> <consumer>",
            "    Create a new consumer in the specified group.",
            "DELCONSUMER <key> <groupname> <consumer>",
            "    Remove the specified consumer.",
            "DESTROY <key> <groupname>",
            "    Remove the specified group.",
            "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
            "    Set the current group ID and entries_read counter.",
            "HELP",
            "    Print this help.",
        ],
    );
    Ok(())
}

/// XACK key group id [id ...]
pub(crate) fn xack(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let asking = ctx.asking();
    let acknowledged = ctx.db.edit(args.get(0), |slot| {
        asking.asked(args.get(0), slot.exists());
        if slot.stream()?.is_none_or(|stream| stream.group(args.get(1)).is_none()) {
            return Ok(0);
        }
        let ids = id::all(args.from(2).iter())?;
        slot.quietly();
        let done = slot.edit(|stream: &mut Stream| {
            let group = stream.group_mut(args.get(1))?;
            Some(ids.into_iter().filter(|id| group.remove_pending(*id).is_some()).count())
        })?;
        let acknowledged = done.flatten().unwrap_or(0);
        if acknowledged == 0 {
            slot.unchanged();
        } else {
            slot.counts(acknowledged);
        }
        Ok::<_, CommandError>(acknowledged)
    })?;
    reply.len_int(acknowledged);
    Ok(())
}

/// XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]
pub(crate) fn xsetid(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let last_id = id::strict(args.get(1), 0)?;
    let (mut added, mut max_deleted) = (None, StreamId::MIN);
    let mut at = 2;
    while at < args.len() {
        let value = args.opt(at + 1).ok_or(CommandError::Syntax)?;
        if args.is_word(at, "entriesadded") {
            let negative = CommandError::new("ERR entries_added must be positive");
            added = Some(u64::try_from(integer(value)?).map_err(|_| negative)?);
        } else if args.is_word(at, "maxdeletedid") {
            max_deleted = id::strict(value, 0)?;
            if last_id < max_deleted && ctx.role == Role::Master {
                return Err(CommandError::new(
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                ));
            }
        } else {
            return Err(CommandError::Syntax);
        }
        at += 2;
    }
    let role = ctx.role;
    ctx.db.edit(args.get(0), |slot| {
        let stream = slot.stream()?.ok_or(CommandError::NoSuchKey)?;
        // What a master has checked, by its version's rules, is not checked again.
        if role == Role::Master {
            check_setid(stream, last_id, added)?;
        }
        slot.quietly();
        slot.edit(|stream: &mut Stream| {
            stream.set_last_id(last_id);
            if let Some(added) = added {
                stream.set_entries_added(added);
            }
            if max_deleted != StreamId::MIN {
                stream.set_max_deleted_id(max_deleted);
            }
        })?;
        slot.event(Wanted::STREAM, "xsetid");
        Ok::<_, CommandError>(())
    })?;
    reply.ok();
    Ok(())
}

/// Whether a client may set these.
fn check_setid(stream: &Stream, last_id: StreamId, added: Option<u64>) -> Result<(), CommandError> {
    if last_id < stream.max_deleted_id() {
        return Err(CommandError::new(
            "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id",
        ));
    }
    if stream.last().is_some_and(|last| last_id < last.id) {
        return Err(CommandError::new(
            "ERR The ID specified in XSETID is smaller than the target stream top item",
        ));
    }
    if added.is_some_and(|added| (stream.len() as u64) > added) {
        return Err(CommandError::new(
            "ERR The entries_added specified in XSETID is smaller than the target stream length",
        ));
    }
    Ok(())
}
