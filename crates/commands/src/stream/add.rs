//! XADD.

use storage::value::Stream;
use storage::value::stream::{StreamError, StreamId, Trim, automatic_id};
use storage::{Slot, Wanted as Listened};

use protocol::{Args, Reply};

use super::id::{self, Wanted};
use super::reply_id;
use super::trim::TrimOptions;
use crate::{CommandError, Role, WriteContext};

const TOO_SMALL: CommandError =
    CommandError::new("ERR The ID specified in XADD is equal or smaller than the target stream top item");
const TOO_LARGE: CommandError = CommandError::new("ERR Elements are too large to be stored");
const EXHAUSTED: CommandError =
    CommandError::new("ERR The stream has exhausted the last possible ID, unable to add more items");

/// What XADD was asked, before it looks at the stream.
struct Order<'a> {
    wanted: Wanted,
    makes_stream: bool,
    trim: Option<Trim>,
    idempotent: Option<Idempotent<'a>>,
    fields: Vec<(&'a [u8], &'a [u8])>,
}

/// `IDMP producer id` or `IDMPAUTO producer`.
struct Idempotent<'a> {
    producer: &'a [u8],
    id: Option<&'a [u8]>,
}

/// XADD key [NOMKSTREAM] [KEEPREF|DELREF|ACKED] [IDMPAUTO producer|IDMP producer id]
/// [MAXLEN|MINID [=|~] threshold [LIMIT count]] *|id field value [field value ...]
pub(crate) fn xadd(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let order = order(ctx, args)?;
    let (role, clock, limits) = (ctx.role, ctx.clock, ctx.limits);
    let added_max = if ctx.dialect.stops_counting_added() { i64::MAX.unsigned_abs() } else { u64::MAX };
    ctx.db.edit(args.get(0), |slot| {
        let Some(id) = new_id(slot, &order, role, clock)? else {
            reply.null();
            return Ok(());
        };
        let id = match id {
            NewId::New(id) => id,
            NewId::Known(id) => {
                // The entry was added before; only that is noted.
                slot.edit(|stream: &mut Stream| {
                    let known = stream.idempotency_mut();
                    known.duplicates = known.duplicates.saturating_add(1);
                })?;
                reply_id(reply, id);
                return Ok(());
            }
        };
        let is_new = !slot.exists();
        let trimmed = slot.edit_or_new(|stream: &mut Stream| {
            if is_new {
                stream.begin(limits);
            }
            stream.append(id, &order.fields, limits).map_err(|error| match error {
                StreamError::NotAbove => TOO_SMALL,
                _ => TOO_LARGE,
            })?;
            stream.set_entries_added(stream.entries_added().min(added_max));
            if let Some(idempotent) = &order.idempotent {
                let own_id = idempotent.id_of(&order.fields);
                stream.idempotency_mut().remember(idempotent.producer, &own_id, id, clock);
            }
            Ok::<_, CommandError>(order.trim.map_or(0, |trim| stream.trim(trim)))
        })??;
        slot.event(Listened::STREAM, "xadd");
        if trimmed > 0 {
            slot.event(Listened::STREAM, "xtrim");
        }
        reply_id(reply, id);
        Ok(())
    })
}

/// Reads the arguments.
fn order<'a>(ctx: &WriteContext<'_>, args: Args<'a>) -> Result<Order<'a>, CommandError> {
    let mut options = TrimOptions::default();
    let mut makes_stream = true;
    let mut idempotent = None;
    let mut at = 1;
    let mut wanted = None;
    while at < args.len() && wanted.is_none() {
        let more = args.len() - at - 1;
        let words = if args.get(at) == b"*" { 0 } else { options.read(args, at)? };
        if words > 0 {
            at += words;
        } else if args.is_word(at, "nomkstream") {
            makes_stream = false;
            at += 1;
        } else if (args.is_word(at, "idmpauto") && more > 0) || (args.is_word(at, "idmp") && more > 1) {
            if idempotent.is_some() {
                return Err(CommandError::new("ERR syntax error, IDMP/IDMPAUTO specified multiple times"));
            }
            let own = args.is_word(at, "idmp").then(|| args.get(at + 2));
            idempotent = Some(Idempotent { producer: args.get(at + 1), id: own });
            at += if own.is_some() { 3 } else { 2 };
        } else {
            wanted = Some(id::wanted(args.get(at))?);
            at += 1;
        }
    }
    let trim = options.order(ctx)?;
    let wanted = wanted.ok_or(CommandError::WrongArity("xadd"))?;
    if let Some(idempotent) = &idempotent {
        idempotent.check(wanted, ctx.role)?;
    }
    let pairs = args.from(at);
    if pairs.len() < 2 || !pairs.len().is_multiple_of(2) {
        return Err(CommandError::WrongArity("xadd"));
    }
    if wanted == Wanted::Exactly(StreamId::MIN) {
        return Err(CommandError::new("ERR The ID specified in XADD must be greater than 0-0"));
    }
    let fields = pairs.as_slice().chunks_exact(2).filter_map(|pair| Some((*pair.first()?, *pair.last()?)));
    Ok(Order { wanted, makes_stream, trim, idempotent, fields: fields.collect() })
}

impl Idempotent<'_> {
    fn check(&self, wanted: Wanted, role: Role) -> Result<(), CommandError> {
        let command = if self.id.is_some() { "IDMP" } else { "IDMPAUTO" };
        if self.producer.is_empty() {
            let text = format!("ERR syntax error, {command} requires a non-empty producer ID");
            return Err(CommandError::Other(text.into()));
        }
        if self.id.is_some_and(<[u8]>::is_empty) {
            return Err(CommandError::new("ERR syntax error, IDMP requires a non-empty idempotent ID"));
        }
        // In a master's stream the ID that it made stands in place of `*`.
        if role == Role::Master && wanted != Wanted::Any {
            return Err(CommandError::new(
                "ERR syntax error, IDMP/IDMPAUTO can be used only with auto-generated IDs",
            ));
        }
        Ok(())
    }

    fn id_of(&self, fields: &[(&[u8], &[u8])]) -> Vec<u8> {
        self.id.map_or_else(|| automatic_id(fields).to_vec(), <[u8]>::to_vec)
    }
}

enum NewId {
    New(StreamId),
    /// An entry with the same idempotent ID is there already, under this ID.
    Known(StreamId),
}

/// The ID of the new entry; `None` when there is no stream and none is to be made.
fn new_id(
    slot: &Slot<'_>,
    order: &Order<'_>,
    role: Role,
    clock: storage::UnixMillis,
) -> Result<Option<NewId>, CommandError> {
    let new = Stream::default();
    let found = slot.stream()?;
    if found.is_none() && !order.makes_stream {
        return Ok(None);
    }
    let stream = found.unwrap_or(&new);
    if let Some(idempotent) = &order.idempotent {
        let own_id = idempotent.id_of(&order.fields);
        let known = stream.idempotency().and_then(|known| known.find(idempotent.producer, &own_id, clock));
        match (role, known) {
            (Role::Master, Some(known)) => return Ok(Some(NewId::Known(known))),
            // A master leaves `*` only where it found the entry, whatever our clock says.
            (Role::Replica, known) if order.wanted == Wanted::Any => {
                return Ok(Some(NewId::Known(known.unwrap_or(stream.last_id()))));
            }
            _ => {}
        }
    }
    if stream.last_id() == StreamId::MAX {
        return Err(EXHAUSTED);
    }
    let last = stream.last_id();
    let id = match order.wanted {
        Wanted::Any => stream.next_id(clock).ok_or(EXHAUSTED)?,
        Wanted::In(ms) if ms == last.ms => StreamId { ms, seq: last.seq.checked_add(1).ok_or(TOO_SMALL)? },
        Wanted::In(ms) => StreamId { ms, seq: 0 },
        Wanted::Exactly(id) => id,
    };
    if id <= last { Err(TOO_SMALL) } else { Ok(Some(NewId::New(id))) }
}
