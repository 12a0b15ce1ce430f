//! XTRIM, and the options that XADD shares with it.

use storage::Wanted;
use storage::value::Stream;
use storage::value::stream::{References, Trim, TrimTo};

use protocol::{Args, Reply};

use super::{id, integer};
use crate::{CommandError, Role, WriteContext};

const LIMIT_NEEDS_APPROXIMATE: CommandError =
    CommandError::new("ERR syntax error, LIMIT cannot be used without the special ~ option");

/// `KEEPREF`, `DELREF` or `ACKED`.
pub(super) fn references(args: Args<'_>, index: usize) -> Option<References> {
    if args.is_word(index, "keepref") {
        Some(References::Keep)
    } else if args.is_word(index, "delref") {
        Some(References::Delete)
    } else if args.is_word(index, "acked") {
        Some(References::Acknowledged)
    } else {
        None
    }
}

/// What trimming options say so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TrimOptions {
    to: Option<TrimTo>,
    approximate: bool,
    limit: Option<i64>,
    references: Option<References>,
}

impl TrimOptions {
    /// Reads one option; says how many words it took, none when it is no trimming option.
    pub(super) fn read(&mut self, args: Args<'_>, at: usize) -> Result<usize, CommandError> {
        let more = args.len() - at - 1;
        let by_length = args.is_word(at, "maxlen");
        if more > 0 && (by_length || args.is_word(at, "minid")) {
            if self.to.is_some() {
                return Err(CommandError::new(
                    "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
                ));
            }
            let operator = match args.get(at + 1) {
                b"~" if more > 1 => Some(true),
                b"=" if more > 1 => Some(false),
                _ => None,
            };
            self.approximate = operator == Some(true);
            let value = at + 1 + usize::from(operator.is_some());
            self.to = Some(if by_length {
                let length = integer(args.get(value))?;
                let negative = CommandError::new("ERR The MAXLEN argument must be >= 0.");
                TrimTo::Length(u64::try_from(length).map_err(|_| negative)?)
            } else {
                TrimTo::Id(id::strict(args.get(value), 0)?)
            });
            return Ok(value + 1 - at);
        }
        if more > 0 && args.is_word(at, "limit") {
            let limit = integer(args.get(at + 1))?;
            if limit < 0 {
                return Err(CommandError::new("ERR The LIMIT argument must be >= 0."));
            }
            self.limit = Some(limit);
            return Ok(2);
        }
        if let Some(references) = references(args, at).filter(|_| self.references.is_none()) {
            self.references = Some(references);
            return Ok(1);
        }
        Ok(0)
    }

    /// The order they make, if they make one.
    pub(super) fn order(self, ctx: &WriteContext<'_>) -> Result<Option<Trim>, CommandError> {
        let Some(to) = self.to else {
            return match self.limit {
                None => Ok(None),
                Some(0) => Err(LIMIT_NEEDS_APPROXIMATE),
                Some(_) => Err(CommandError::new(
                    "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
                )),
            };
        };
        let limit = match (ctx.role, self.limit) {
            // What the master trimmed is in the argument, which it has rewritten.
            (Role::Replica, _) => None,
            (Role::Master, Some(_)) if !self.approximate => return Err(LIMIT_NEEDS_APPROXIMATE),
            (Role::Master, Some(limit)) => u64::try_from(limit).ok().filter(|limit| *limit > 0),
            (Role::Master, None) if self.approximate => {
                Some(default_limit(ctx.limits.stream_node_max_entries))
            }
            (Role::Master, None) => None,
        };
        let references = self.references.unwrap_or_default();
        Ok(Some(Trim { to, approximate: self.approximate, limit, references }))
    }
}

/// How many entries an approximate trim looks at unless it is told: those of a hundred full nodes.
fn default_limit(node_entries: usize) -> u64 {
    match (node_entries as u64).saturating_mul(100) {
        0 => 10_000,
        limit => limit.min(1_000_000),
    }
}

/// XTRIM key MAXLEN|MINID [=|~] threshold [LIMIT count] [KEEPREF|DELREF|ACKED]
pub(crate) fn xtrim(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let mut options = TrimOptions::default();
    let mut at = 1;
    while at < args.len() {
        match options.read(args, at)? {
            0 => return Err(CommandError::Syntax),
            words => at += words,
        }
    }
    let none = CommandError::new("ERR syntax error, XTRIM must be called with a trimming strategy");
    if options.to.is_none() && options.limit == Some(0) {
        return Err(none);
    }
    let order = options.order(ctx)?.ok_or(none)?;
    let deleted = ctx.db.edit(args.get(0), |slot| {
        let deleted = slot.edit(|stream: &mut Stream| stream.trim(order))?.unwrap_or(0);
        if deleted == 0 {
            slot.unchanged();
        } else {
            slot.counts(usize::try_from(deleted).unwrap_or(usize::MAX));
            slot.event(Wanted::STREAM, "xtrim");
        }
        Ok::<_, CommandError>(deleted)
    })?;
    reply.int(deleted.cast_signed());
    Ok(())
}
