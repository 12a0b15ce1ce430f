//! XCFGSET and XIDMPRECORD (Redis 8.6).

use storage::value::Stream;
use storage::value::stream::Idempotency;

use protocol::{Args, Reply};

use super::{id, integer};
use crate::{CommandError, WriteContext};

/// XCFGSET key [IDMP-DURATION seconds] [IDMP-MAXSIZE entries]
pub(crate) fn xcfgset(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    ctx.db.peek(args.get(0)).ok_or(CommandError::NoSuchKey)?.stream()?;
    let (mut duration_s, mut ids_max) = (None, None);
    let mut at = 1;
    while at < args.len() {
        let value = args.opt(at + 1).ok_or(CommandError::Syntax)?;
        if args.is_word(at, "idmp-duration") {
            let error = "ERR IDMP-DURATION must be between 1 and 86400 seconds";
            duration_s = Some(within(value, 86_400, error)?);
        } else if args.is_word(at, "idmp-maxsize") {
            let error = "ERR IDMP-MAXSIZE must be between 1 and 10000 entries";
            ids_max = Some(within(value, 10_000, error)?);
        } else {
            return Err(CommandError::Syntax);
        }
        at += 2;
    }
    if duration_s.is_none() && ids_max.is_none() {
        return Err(CommandError::new("ERR At least one parameter must be specified"));
    }
    ctx.db.edit(args.get(0), |slot| {
        slot.stream()?.ok_or(CommandError::NoSuchKey)?;
        slot.quietly();
        let changed = slot.edit(|stream: &mut Stream| {
            let known = stream.idempotency_mut();
            known.configure(duration_s.unwrap_or(known.duration_s()), ids_max.unwrap_or(known.ids_max()))
        })?;
        if changed != Some(true) {
            slot.unchanged();
        }
        Ok::<_, CommandError>(())
    })?;
    reply.ok();
    Ok(())
}

fn within(arg: &[u8], most: i64, error: &'static str) -> Result<u64, CommandError> {
    let number = integer(arg)?;
    let number = (1..=most).contains(&number).then_some(number);
    number.and_then(|number| u64::try_from(number).ok()).ok_or(CommandError::new(error))
}

/// XIDMPRECORD key producer idempotent-id stream-id
pub(crate) fn xidmprecord(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let clock = ctx.clock;
    ctx.db.edit(args.get(0), |slot| {
        let (producer, own_id) = (args.get(1), args.get(2));
        let entry = id::strict(args.get(3), 0)?;
        if producer.is_empty() {
            return Err(CommandError::new("ERR producer ID must be non-empty"));
        }
        if own_id.is_empty() {
            return Err(CommandError::new("ERR idempotent ID must be non-empty"));
        }
        let stream = slot.stream()?.ok_or(CommandError::NoSuchKey)?;
        if !stream.contains(entry) {
            return Err(CommandError::new("ERR No such message in stream"));
        }
        match stream.idempotency().and_then(|known: &Idempotency| known.find(producer, own_id, clock)) {
            Some(known) if known == entry => return Ok(()),
            Some(_) => {
                return Err(CommandError::new(
                    "ERR IID already exists for this producer with a different stream ID",
                ));
            }
            None => {}
        }
        slot.quietly();
        slot.edit(|stream: &mut Stream| stream.idempotency_mut().remember(producer, own_id, entry, clock))?;
        Ok(())
    })?;
    reply.ok();
    Ok(())
}
