//! HGETDEL, HGETEX and HSETEX: fields with a grammar of options around them.
//!
//! Owns that grammar, Redis' and Valkey's. Never touches the key's own deadline.

use protocol::{Args, Reply};
use storage::value::Hash;
use storage::value::hash::FieldDeadline;
use storage::{UnixMillis, Wanted};

use super::deadline_form;
use super::deadlines::{
    Unit, check_is_hash, event_of_past, is_past, parse_field_count, parse_fields, take_fields,
    unknown_argument,
};
use super::hidden::{expire, hidden};
use crate::item::ReplyItem;
use crate::{CommandError, Role, WriteContext};

/// HGETDEL key FIELDS numfields field [field ...]
pub(crate) fn hgetdel(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    check_is_hash(ctx, args.get(0))?;
    let fields = parse_fields(args.from(1))?;
    let now = ctx.now;
    reply.array(fields.len());
    get_and_edit(ctx, args.get(0), fields, reply, "hdel", |hash, name| {
        // One that is hidden is left to whoever takes away what expired.
        hash.view().contains(name, now) && hash.remove(name).is_some()
    })
}

/// What HGETEX does to the deadlines, and HSETEX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expiry {
    /// EX, PX, EXAT, PXAT
    At(UnixMillis),
    /// PERSIST of HGETEX
    Persist,
    /// KEEPTTL of HSETEX
    Keep,
}

/// Whether HSETEX sets anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    /// FNX: no field is there.
    NoField,
    /// FXX: all fields are there.
    AllFields,
    /// NX (Valkey): the key is not there.
    NoKey,
    /// XX (Valkey): the key is there.
    Key,
}

/// HGETEX key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]
/// FIELDS numfields field [field ...]
pub(crate) fn hgetex(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    if ctx.dialect.is_valkey() {
        // There it is a look-up that is counted.
        ctx.asking().asked(args.get(0), ctx.db.contains(args.get(0)));
    }
    check_is_hash(ctx, args.get(0))?;
    let Options { expiry, fields, .. } = Options::parse(ctx, args, &HGETEX)?;
    let form = deadline_form(ctx.dialect);
    reply.array(fields.len());
    let Some(expiry) = expiry else {
        if has_hidden(ctx, args.get(0), fields)? {
            return get_and_edit(ctx, args.get(0), fields, reply, "", |_, _| false);
        }
        let entry = ctx.db.get(args.get(0));
        let hash = entry.as_ref().map(|entry| entry.hash()).transpose()?;
        for name in fields.iter() {
            reply.item_or_null(hash.and_then(|hash| hash.get(name, ctx.now)));
        }
        return Ok(());
    };
    let deadline = match expiry {
        Expiry::At(deadline) => Some(deadline),
        Expiry::Persist | Expiry::Keep => None,
    };
    let past = deadline.is_some_and(|deadline| is_past(deadline, ctx));
    let (now, writer) = (ctx.now, ctx.writer);
    let event = match deadline {
        Some(_) if past => event_of_past(ctx.dialect),
        Some(_) => "hexpire",
        None => "hpersist",
    };
    get_and_edit(ctx, args.get(0), fields, reply, event, |hash, name| {
        hash.prepare_deadlines(form);
        let Some(field) = hash.view().field(name, now) else { return false };
        if past {
            writer.expired_fields(1);
            hash.remove(name).is_some()
        } else {
            field.deadline.or(deadline).is_some() && hash.set_deadline(name, deadline, form).is_some()
        }
    })
}

/// Answers with the value of each field as it is when its turn comes, then edits it; `edit` says whether it changed
/// anything.
fn get_and_edit(
    ctx: &mut WriteContext<'_>,
    key: &[u8],
    fields: Args<'_>,
    reply: &mut Reply,
    event: &'static str,
    mut edit: impl FnMut(&mut Hash, &[u8]) -> bool,
) -> Result<(), CommandError> {
    let (now, writer, dialect) = (ctx.now, ctx.writer, ctx.dialect);
    ctx.db.edit(key, |slot| {
        let mut changed = Vec::new();
        // A Redis removes what it meets past its deadline.
        let expired = if dialect.is_valkey() { Vec::new() } else { hidden(slot.hash()?, fields.iter(), now) };
        let edited = slot.edit::<Hash, _>(|hash| {
            for name in fields.iter() {
                reply.item_or_null(hash.view().get(name, now));
                if edit(hash, name) {
                    changed.push(name);
                }
            }
            for name in &expired {
                hash.remove(name);
            }
        })?;
        expire(slot, writer, &expired);
        if edited.is_none() {
            fields.iter().for_each(|_| reply.null());
        } else if changed.is_empty() && expired.is_empty() {
            slot.unchanged();
        } else if changed.is_empty() {
            // What expires is no change that is counted.
            slot.counts(0);
        } else {
            slot.counts(changed.len());
            slot.event_in(Wanted::HASH, event, changed.into_iter());
        }
        Ok(())
    })
}

/// Whether some of these fields go with who asks for them, on a master.
fn has_hidden(ctx: &WriteContext<'_>, key: &[u8], fields: Args<'_>) -> Result<bool, CommandError> {
    let entry = ctx.db.peek(key);
    let hash = entry.as_ref().map(|entry| entry.hash()).transpose()?;
    Ok(!ctx.dialect.is_valkey() && !hidden(hash, fields.iter(), ctx.now).is_empty())
}

/// HSETEX key [FNX | FXX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds |
/// KEEPTTL] FIELDS numfields field value [field value ...]
pub(crate) fn hsetex(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let Options { condition, expiry, fields: pairs } = Options::parse(ctx, args, &HSETEX)?;
    let pairs = pairs.as_slice().as_chunks::<2>().0;
    let (limits, now, form) = (ctx.limits, ctx.now, deadline_form(ctx.dialect));
    let (deadline, past) = match expiry {
        Some(Expiry::At(deadline)) => (FieldDeadline::At(deadline), is_past(deadline, ctx)),
        Some(Expiry::Keep) => (FieldDeadline::Kept, false),
        Some(Expiry::Persist) | None => (FieldDeadline::Cleared, false),
    };
    let longest = pairs.iter().flatten().map(|word| word.len()).max().unwrap_or(0);
    let (writer, dialect) = (ctx.writer, ctx.dialect);
    let set = ctx.db.edit(args.get(0), |slot| {
        let hash = slot.hash()?;
        let is_new = hash.is_none();
        let is_there = |name: &[u8]| hash.is_some_and(|hash| hash.contains(name, now));
        let allowed = match condition {
            None => true,
            Some(Condition::NoField) => !pairs.iter().any(|[name, _]| is_there(name)),
            Some(Condition::AllFields) => pairs.iter().all(|[name, _]| is_there(name)),
            Some(Condition::NoKey) => hash.is_none(),
            Some(Condition::Key) => hash.is_some(),
        };
        // A Valkey tells of what it overwrites; a Redis removes what it meets where it asks whether it is there.
        let asks = matches!(condition, Some(Condition::NoField | Condition::AllFields));
        let tells = if dialect.is_valkey() { allowed && !past } else { asks };
        let names = pairs.iter().map(|[name, _]| *name);
        let expired = if tells { hidden(hash, names, now) } else { Vec::new() };
        expire(slot, writer, &expired);
        if !allowed {
            if !expired.is_empty() {
                slot.edit::<Hash, _>(|hash| {
                    for name in &expired {
                        hash.remove(name);
                    }
                })?;
                slot.counts(0);
            }
            return Ok(false);
        }
        slot.counts(pairs.len());
        if past {
            // The fields would be set and be gone in the same moment.
            slot.edit::<Hash, _>(|hash| {
                hash.prepare(pairs.len(), longest, limits);
                hash.prepare_deadlines(form);
                for [name, _] in pairs {
                    hash.remove(name);
                }
            })?;
            writer.expired_fields(pairs.len());
            let events: &[_] =
                if dialect.is_valkey() { &["hset", "hexpire", "hexpired"] } else { &["hset", "hdel"] };
            for event in events {
                slot.event_in(Wanted::HASH, event, pairs.iter().map(|[name, _]| *name));
            }
            if is_new {
                // Of one that was there before the slot says so itself.
                slot.event(Wanted::GENERIC, "del");
            }
            return Ok(true);
        }
        slot.edit_or_new::<Hash, _>(|hash| {
            hash.prepare(pairs.len(), longest, limits);
            for [name, value] in pairs {
                // What is hidden is not there: there is no deadline of it to keep.
                let hidden = hash.view().find(name).is_some_and(|field| !field.is_visible(now));
                let deadline =
                    if hidden && deadline == FieldDeadline::Kept { FieldDeadline::Cleared } else { deadline };
                hash.set(name, value, deadline, limits, form);
            }
        })?;
        slot.event_in(Wanted::HASH, "hset", pairs.iter().map(|[name, _]| *name));
        if matches!(deadline, FieldDeadline::At(_)) {
            slot.event_in(Wanted::HASH, "hexpire", pairs.iter().map(|[name, _]| *name));
        }
        Ok::<_, CommandError>(true)
    })?;
    reply.int(set.into());
    Ok(())
}

/// What stands between the key and the fields, in any order.
struct Options<'a> {
    condition: Option<Condition>,
    expiry: Option<Expiry>,
    fields: Args<'a>,
}

/// What a command's grammar has of it.
struct Grammar {
    command: &'static str,
    /// The word that sets no deadline, and what it does.
    bare: (&'static str, Expiry),
    /// FNX and FXX are words of it.
    conditions: bool,
    /// Words to each field: 2 with a value.
    words: usize,
    two_expiries: CommandError,
}

static HGETEX: Grammar = Grammar {
    command: "hgetex",
    bare: ("persist", Expiry::Persist),
    conditions: false,
    words: 1,
    two_expiries: CommandError::new(
        "ERR Only one of EX, PX, EXAT, PXAT or PERSIST arguments can be specified",
    ),
};

static HSETEX: Grammar = Grammar {
    command: "hsetex",
    bare: ("keepttl", Expiry::Keep),
    conditions: true,
    words: 2,
    two_expiries: CommandError::new(
        "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
    ),
};

impl<'a> Options<'a> {
    /// Of all arguments, the key being the first.
    fn parse(ctx: &WriteContext<'_>, args: Args<'a>, grammar: &Grammar) -> Result<Self, CommandError> {
        // Valkey (seen in 9.1) takes a key of this name for the word too, and its replicas hear `HSETEX fields 1 f v`.
        let key_is_word =
            ctx.dialect.is_valkey() && args.is_word(0, "fields") && parse_field_count(args.get(1)).is_some();
        let args = args.from(usize::from(!key_is_word));
        // Valkey takes an option that is there twice, and counts the last.
        let is_taken_again =
            |before: &[u8], word: &[u8]| ctx.dialect.is_valkey() && before.eq_ignore_ascii_case(word);
        // As it passes HSETEX on it puts PXAT in the place of the last, and takes conditions out wherever they stand,
        // so that what is before that PXAT in a master's stream has no meaning (which its own replicas refuse).
        let args = match last_deadline(args) {
            Some(at) if ctx.dialect.is_valkey() && ctx.role == Role::Replica => args.from(at),
            _ => args,
        };
        let mut condition: Option<(&[u8], Condition)> = None;
        let mut expiry: Option<(&[u8], Expiry)> = None;
        let mut fields = None;
        let mut at = 0;
        while at < args.len() {
            let word = args.get(at);
            if args.is_word(at, "fields") {
                if fields.is_some() {
                    return Err(CommandError::new("ERR FIELDS keyword specified multiple times"));
                }
                let count = args.opt(at + 1).ok_or(CommandError::WrongArity(grammar.command))?;
                let count =
                    parse_field_count(count).ok_or(CommandError::new("ERR invalid number of fields"))?;
                let words = count.saturating_mul(grammar.words);
                fields = Some(take_fields(args.from(at + 2), words)?);
                at += 2 + words;
            } else if let Some(unit) = unit_of(word) {
                if expiry.is_some_and(|(before, _)| !is_taken_again(before, word)) {
                    return Err(grammar.two_expiries.clone());
                }
                let moment = args.opt(at + 1).ok_or(CommandError::new("ERR missing expire time"))?;
                expiry = Some((word, Expiry::At(unit.parse(moment, ctx, grammar.command)?)));
                at += 2;
            } else if args.is_word(at, grammar.bare.0) {
                if expiry
                    .replace((word, grammar.bare.1))
                    .is_some_and(|(before, _)| !is_taken_again(before, word))
                {
                    return Err(grammar.two_expiries.clone());
                }
                at += 1;
            } else if let Some(new) = condition_of(word, ctx).filter(|_| grammar.conditions) {
                if condition.replace((word, new)).is_some_and(|(before, _)| !is_taken_again(before, word)) {
                    return Err(CommandError::new("ERR Only one of FXX or FNX arguments can be specified"));
                }
                at += 1;
            } else {
                return Err(unknown_argument(word));
            }
        }
        let fields = fields.ok_or(CommandError::WrongArity(grammar.command))?;
        let (condition, expiry) = (condition.map(|(_, it)| it), expiry.map(|(_, it)| it));
        Ok(Options { condition, expiry, fields })
    }
}

/// Where the last PXAT before the fields stands.
fn last_deadline(args: Args<'_>) -> Option<usize> {
    let fields = (0..args.len()).find(|at| args.is_word(*at, "fields"))?;
    (0..fields).rev().find(|at| args.is_word(*at, "pxat"))
}

fn unit_of(word: &[u8]) -> Option<Unit> {
    let is = |other: &[u8]| word.eq_ignore_ascii_case(other);
    if is(b"ex") {
        Some(Unit::SECONDS_FROM_NOW)
    } else if is(b"px") {
        Some(Unit::MILLIS_FROM_NOW)
    } else if is(b"exat") {
        Some(Unit::SECONDS)
    } else if is(b"pxat") {
        Some(Unit::MILLIS)
    } else {
        None
    }
}

fn condition_of(word: &[u8], ctx: &WriteContext<'_>) -> Option<Condition> {
    let is = |other: &[u8]| word.eq_ignore_ascii_case(other);
    if is(b"fnx") {
        Some(Condition::NoField)
    } else if is(b"fxx") {
        Some(Condition::AllFields)
    } else if is(b"nx") && ctx.dialect.is_valkey() {
        Some(Condition::NoKey)
    } else if is(b"xx") && ctx.dialect.is_valkey() {
        Some(Condition::Key)
    } else {
        None
    }
}
