//! Deadlines of fields: HEXPIRE and its kin, HPERSIST, HTTL and its kin.
//!
//! Owns how a moment is written, the conditions, and the number that each field is answered with. Never touches the
//! key's own deadline.

use protocol::number::parse_int;
use protocol::{Args, Reply};
use storage::value::Hash;
use storage::value::hash::{Field, HashRef};
use storage::{UnixMillis, Wanted};

use super::deadline_form;
use crate::{CommandError, Dialect, ReadContext, Role, WriteContext};

/// The last moment that Redis takes for a field's deadline.
const REDIS_DEADLINE_MAX: i64 = (1 << 46) - 1;

/// There is no such field.
const NO_FIELD: i64 = -2;
/// The field has no deadline.
const NO_DEADLINE: i64 = -1;
/// The condition was not met.
const NOT_SET: i64 = 0;
/// The deadline is set; or taken away.
const SET: i64 = 1;
/// The deadline has passed already, and the field is gone.
const GONE: i64 = 2;

/// How a moment is written in an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// Milliseconds each.
    millis: i64,
    /// Counted from now on, not from the epoch.
    relative: bool,
}

impl Unit {
    /// EX
    pub(super) const SECONDS_FROM_NOW: Unit = Unit { millis: 1000, relative: true };
    /// PX
    pub(super) const MILLIS_FROM_NOW: Unit = Unit { millis: 1, relative: true };
    /// EXAT
    pub(super) const SECONDS: Unit = Unit { millis: 1000, relative: false };
    /// PXAT
    pub(super) const MILLIS: Unit = Unit { millis: 1, relative: false };

    /// The moment that `text` means.
    pub(super) fn parse(
        self,
        text: &[u8],
        ctx: &WriteContext<'_>,
        command: &'static str,
    ) -> Result<UnixMillis, CommandError> {
        let count = parse_int(text).ok_or(CommandError::NotInteger)?;
        let invalid = CommandError::InvalidExpire(command);
        if count < 0 {
            let valkey = ctx.dialect.is_valkey();
            return Err(if valkey {
                invalid
            } else {
                CommandError::new("ERR invalid expire time, must be >= 0")
            });
        }
        let start = if self.relative { ctx.clock.0 } else { 0 };
        let max = if ctx.dialect.is_valkey() { i64::MAX } else { REDIS_DEADLINE_MAX };
        let millis = count.checked_mul(self.millis).and_then(|millis| millis.checked_add(start));
        millis.filter(|millis| *millis <= max).map(UnixMillis).ok_or(invalid)
    }
}

/// Whether a field with this deadline goes at once.
pub(super) fn is_past(deadline: UnixMillis, ctx: &WriteContext<'_>) -> bool {
    ctx.role == Role::Master && deadline <= ctx.clock
}

/// What is said of fields that go at once.
pub(super) fn event_of_past(dialect: Dialect) -> &'static str {
    if dialect.is_valkey() { "hexpired" } else { "hdel" }
}

/// When a deadline is set (NX, XX, GT, LT).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    None,
    Any,
    Later,
    Sooner,
}

impl Condition {
    fn of(option: &[u8]) -> Option<Condition> {
        let is = |word: &[u8]| option.eq_ignore_ascii_case(word);
        if is(b"nx") {
            Some(Condition::None)
        } else if is(b"xx") {
            Some(Condition::Any)
        } else if is(b"gt") {
            Some(Condition::Later)
        } else if is(b"lt") {
            Some(Condition::Sooner)
        } else {
            None
        }
    }

    /// No deadline is later than every deadline.
    fn allows(self, old: Option<UnixMillis>, new: UnixMillis) -> bool {
        match self {
            Condition::None => old.is_none(),
            Condition::Any => old.is_some(),
            Condition::Later => old.is_some_and(|old| new > old),
            Condition::Sooner => old.is_none_or(|old| new < old),
        }
    }
}

/// HEXPIRE key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
pub(crate) fn hexpire(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    expire(ctx, args, reply, Unit::SECONDS_FROM_NOW, "hexpire")
}

/// HPEXPIRE key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
pub(crate) fn hpexpire(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    expire(ctx, args, reply, Unit::MILLIS_FROM_NOW, "hpexpire")
}

/// HEXPIREAT key unix-time-seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
pub(crate) fn hexpireat(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    expire(ctx, args, reply, Unit::SECONDS, "hexpireat")
}

/// HPEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]
pub(crate) fn hpexpireat(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    expire(ctx, args, reply, Unit::MILLIS, "hpexpireat")
}

fn expire(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
    unit: Unit,
    command: &'static str,
) -> Result<(), CommandError> {
    check_is_hash(ctx, args.get(0))?;
    let deadline = unit.parse(args.get(1), ctx, command)?;
    let (condition, fields) = parse_conditional_fields(args.from(2))?;
    let (now, form, past) = (ctx.now, deadline_form(ctx.dialect), is_past(deadline, ctx));
    edit_fields(ctx, args.get(0), fields, reply, "hexpire", |hash, name| {
        hash.prepare_deadlines(form);
        let Some(old) = hash.view().field(name, now).map(|field| field.deadline) else { return NO_FIELD };
        if condition.is_some_and(|condition| !condition.allows(old, deadline)) {
            return NOT_SET;
        }
        if past {
            hash.remove(name);
            return GONE;
        }
        hash.set_deadline(name, Some(deadline), form);
        SET
    })
}

/// HPERSIST key FIELDS numfields field [field ...]
pub(crate) fn hpersist(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    check_is_hash(ctx, args.get(0))?;
    let fields = parse_fields(args.from(1))?;
    let (now, form) = (ctx.now, deadline_form(ctx.dialect));
    // A replica of Valkey takes all of them for there, and has those deleted that were not.
    let ran_at = if ctx.dialect.is_valkey() { now } else { ctx.ran_at };
    let mut as_of = None;
    edit_fields(ctx, args.get(0), fields, reply, "hpersist", |hash, name| {
        // Of a master's stream: at least one was there, or nothing would have come of it.
        let now = *as_of.get_or_insert_with(|| {
            let had_deadline =
                |name: &[u8]| hash.view().field(name, ran_at).is_some_and(|field| field.deadline.is_some());
            if fields.iter().any(had_deadline) { ran_at } else { now }
        });
        match hash.view().field(name, now).map(|field| field.deadline) {
            None => NO_FIELD,
            Some(None) => NO_DEADLINE,
            Some(Some(_)) => {
                hash.set_deadline(name, None, form);
                SET
            }
        }
    })
}

/// Runs `edit` on each field and answers with what it says; `NO_FIELD` for all of them when there is no hash.
fn edit_fields(
    ctx: &mut WriteContext<'_>,
    key: &[u8],
    fields: Args<'_>,
    reply: &mut Reply,
    event: &'static str,
    mut edit: impl FnMut(&mut Hash, &[u8]) -> i64,
) -> Result<(), CommandError> {
    reply.array(fields.len());
    let (writer, dialect) = (ctx.writer, ctx.dialect);
    ctx.db.edit(key, |slot| {
        let (mut set, mut gone) = (Vec::new(), Vec::new());
        let edited = slot.edit::<Hash, _>(|hash| {
            for name in fields.iter() {
                let answer = edit(hash, name);
                match answer {
                    SET => set.push(name),
                    GONE => gone.push(name),
                    _ => {}
                }
                reply.int(answer);
            }
        })?;
        if edited.is_none() {
            fields.iter().for_each(|_| reply.int(NO_FIELD));
        } else if set.is_empty() && gone.is_empty() {
            slot.unchanged();
        } else {
            // HPERSIST counts once.
            slot.counts(if event == "hpersist" { 1 } else { set.len() + gone.len() });
        }
        if !gone.is_empty() {
            writer.expired_fields(gone.len());
        }
        for (event, names) in [(event_of_past(dialect), gone), (event, set)] {
            if !names.is_empty() {
                slot.event_in(Wanted::HASH, event, names.into_iter());
            }
        }
        Ok(())
    })
}

/// WRONGTYPE comes before what is wrong with the arguments.
pub(super) fn check_is_hash(ctx: &WriteContext<'_>, key: &[u8]) -> Result<(), CommandError> {
    match ctx.db.peek(key) {
        Some(entry) => entry.hash().map(|_| ()).map_err(CommandError::from),
        None => Ok(()),
    }
}

/// HTTL key FIELDS numfields field [field ...]
pub(crate) fn httl(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let (now, dialect) = (ctx.now, ctx.dialect);
    deadlines(ctx, args, reply, |deadline| seconds(deadline.0.saturating_sub(now.0), dialect))
}

/// HPTTL key FIELDS numfields field [field ...]
pub(crate) fn hpttl(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let now = ctx.now;
    deadlines(ctx, args, reply, |deadline| deadline.0.saturating_sub(now.0))
}

/// HEXPIRETIME key FIELDS numfields field [field ...]
pub(crate) fn hexpiretime(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let dialect = ctx.dialect;
    deadlines(ctx, args, reply, |deadline| seconds(deadline.0, dialect))
}

/// HPEXPIRETIME key FIELDS numfields field [field ...]
pub(crate) fn hpexpiretime(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    deadlines(ctx, args, reply, |deadline| deadline.0)
}

/// Redis rounds up, Valkey to the nearest.
fn seconds(millis: i64, dialect: Dialect) -> i64 {
    millis.saturating_add(if dialect.is_valkey() { 500 } else { 999 }) / 1000
}

fn deadlines(
    ctx: &ReadContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
    show: impl Fn(UnixMillis) -> i64,
) -> Result<(), CommandError> {
    let entry = ctx.db.get(args.get(0));
    let hash: Option<HashRef<'_>> = entry.as_ref().map(|entry| entry.hash()).transpose()?;
    let fields = parse_fields(args.from(1))?;
    reply.array(fields.len());
    for name in fields.iter() {
        let field: Option<Field<'_>> = hash.and_then(|hash| hash.field(name, ctx.now));
        reply.int(match field.map(|field| field.deadline) {
            None => NO_FIELD,
            Some(None) => NO_DEADLINE,
            Some(Some(deadline)) => show(deadline),
        });
    }
    Ok(())
}

/// `FIELDS numfields field [field ...]`, and nothing else.
pub(super) fn parse_fields(args: Args<'_>) -> Result<Args<'_>, CommandError> {
    if !args.is_word(0, "fields") {
        return Err(CommandError::new(
            "ERR Mandatory argument FIELDS is missing or not at the right position",
        ));
    }
    let count = parse_int(args.get(1)).filter(|count| *count > 0);
    let count = count.ok_or(CommandError::new("ERR Number of fields must be a positive integer"))?;
    let fields = args.from(2);
    if usize::try_from(count) != Ok(fields.len()) {
        return Err(CommandError::new("ERR The `numfields` parameter must match the number of arguments"));
    }
    Ok(fields)
}

/// `[NX | XX | GT | LT] FIELDS numfields field [field ...]`, in any order.
fn parse_conditional_fields(args: Args<'_>) -> Result<(Option<Condition>, Args<'_>), CommandError> {
    let mut conditions: Vec<Condition> = Vec::new();
    let mut fields = None;
    let mut at = 0;
    while at < args.len() {
        let word = args.get(at);
        if args.is_word(at, "fields") {
            if fields.is_some() {
                return Err(CommandError::new("ERR FIELDS keyword specified multiple times"));
            }
            if args.len() < at + 3 {
                let text = "ERR FIELDS requires at least numfields and one field argument";
                return Err(CommandError::new(text));
            }
            let few = CommandError::new("ERR Parameter `numFields` should be greater than 0");
            let count = parse_field_count(args.get(at + 1)).ok_or(few)?;
            fields = Some(take_fields(args.from(at + 2), count)?);
            at += 2 + count;
        } else if let Some(new) = Condition::of(word) {
            conditions.push(new);
            at += 1;
        } else {
            return Err(unknown_argument(word));
        }
    }
    let fields = fields.ok_or(CommandError::new("ERR missing FIELDS argument"))?;
    let condition = conditions.first().copied();
    if conditions.iter().any(|other| Some(*other) != condition) {
        return Err(CommandError::new("ERR Multiple condition flags specified"));
    }
    Ok((condition, fields))
}

/// A number of fields, within a C `int`.
pub(super) fn parse_field_count(text: &[u8]) -> Option<usize> {
    parse_int(text).and_then(|count| i32::try_from(count).ok()).filter(|count| *count > 0)?.try_into().ok()
}

/// The first `count` of these words.
pub(super) fn take_fields(words: Args<'_>, count: usize) -> Result<Args<'_>, CommandError> {
    let fields = words.as_slice().get(..count).ok_or(CommandError::new("ERR wrong number of arguments"))?;
    Ok(Args::new(fields))
}

pub(super) fn unknown_argument(word: &[u8]) -> CommandError {
    CommandError::naming("ERR unknown argument: ", word, "")
}
