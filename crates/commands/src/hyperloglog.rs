//! Counting distinct elements in 12 KB, bit by bit as Redis does.
//!
//! Owns when a count is noted in the string: a master does so when it is asked, and says so in its stream; a read
//! here never changes anything. Never touches a register itself (see [`storage::value::hyperloglog`]).

use protocol::{Args, Reply};
use storage::value::hyperloglog::{self as hll, Corrupt, NoHyperLogLog};
use storage::value::{Text, TextRef};
use storage::{Kind, Slot, Wanted};

use crate::context::{ReadContext, WriteContext};
use crate::error::CommandError;

type Done = Result<(), CommandError>;

impl From<NoHyperLogLog> for CommandError {
    fn from(_: NoHyperLogLog) -> Self {
        CommandError::new("WRONGTYPE Key is not a valid HyperLogLog string value.")
    }
}

impl From<Corrupt> for CommandError {
    fn from(_: Corrupt) -> Self {
        CommandError::new("INVALIDOBJ Corrupted HLL object detected")
    }
}

/// The bytes of a HyperLogLog, when the string is one.
fn bytes_of<'t>(text: TextRef<'t>, digits: &'t mut itoa::Buffer) -> Result<&'t [u8], CommandError> {
    let bytes = text.bytes(digits);
    hll::check(bytes)?;
    Ok(bytes)
}

/// Edits the HyperLogLog, or a new one. An error leaves the key as it was.
fn edit<R>(
    slot: &mut Slot<'_>,
    change: impl FnOnce(&mut Vec<u8>) -> Result<R, CommandError>,
) -> Result<R, CommandError> {
    let Some(text) = slot.text()? else {
        let mut bytes = hll::empty();
        let answer = change(&mut bytes)?;
        slot.put_until(Text::edited(bytes).into(), None);
        return Ok(answer);
    };
    bytes_of(text, &mut itoa::Buffer::new())?;
    // It may be a string that somebody made up. Servers look no further into it than to the registers they raise, and
    // what a master took must be taken here too.
    let change = |bytes: &mut Vec<u8>| {
        let before = bytes.clone();
        change(bytes).inspect_err(|_| *bytes = before)
    };
    let answer = slot.edit(|text: &mut Text| text.edit(change))?;
    answer.expect("it exists")
}

/// PFADD key [element …]
pub(crate) fn pfadd(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let bytes_max = ctx.limits.hll_sparse_max_bytes;
    let changes = ctx.db.edit(args.get(0), |slot| {
        let is_new = !slot.exists();
        edit(slot, |bytes| {
            let mut changes = usize::from(is_new);
            for element in args.from(1).iter() {
                changes += usize::from(hll::add(bytes, element, bytes_max)?);
            }
            if changes > 0 {
                hll::forget_count(bytes);
            }
            Ok(changes)
        })
        .inspect(|changes| {
            if *changes == 0 {
                slot.unchanged();
            } else {
                slot.counts(*changes);
                slot.event(Wanted::STRING, "pfadd");
            }
        })
    })?;
    reply.int(i64::from(changes > 0));
    Ok(())
}

/// PFCOUNT key [key …]
pub(crate) fn pfcount(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let count = match args.as_slice() {
        [key] => match ctx.db.get(key) {
            None => 0,
            Some(found) => {
                let mut digits = itoa::Buffer::new();
                let bytes = bytes_of(found.text()?, &mut digits)?;
                hll::cached_count(bytes).map_or_else(|| hll::count(bytes, ctx.dialect.estimator()), Ok)?
            }
        },
        keys => {
            ctx.names(keys.len())?;
            let mut union = hll::no_registers();
            for entry in ctx.db.get_many_of(keys, Kind::String).iter().flatten() {
                hll::unite(&mut union, bytes_of(entry.text()?, &mut itoa::Buffer::new())?)?;
            }
            hll::count_union(&union, ctx.dialect.estimator())
        }
    };
    reply.int(i64::try_from(count).unwrap_or(i64::MAX));
    Ok(())
}

/// PFCOUNT key in a master's stream: it noted the count in the string, and so do we
pub(crate) fn pfcount_noted(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    pfcount(&ctx.as_read(), args, reply)?;
    let [key] = args.as_slice() else { return Ok(()) };
    let estimator = ctx.dialect.estimator();
    ctx.db.edit(key, |slot| {
        if let Some(text) = slot.text()?
            && hll::cached_count(bytes_of(text, &mut itoa::Buffer::new())?).is_none()
        {
            edit(slot, |bytes| {
                let count = hll::count(bytes, estimator)?;
                hll::cache_count(bytes, count);
                Ok(())
            })?;
        }
        Ok(())
    })
}

/// PFMERGE destkey [sourcekey …]
pub(crate) fn pfmerge(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let bytes_max = ctx.limits.hll_sparse_max_bytes;
    let mut union = hll::no_registers();
    let mut dense = ctx.dialect.merges_densely();
    // The destination is one of the sources.
    for entry in ctx.asking().get_many_of(args.as_slice(), Kind::String).iter().flatten() {
        let mut digits = itoa::Buffer::new();
        let bytes = bytes_of(entry.text()?, &mut digits)?;
        dense |= hll::is_dense(bytes);
        hll::unite(&mut union, bytes)?;
    }
    ctx.db.edit(args.get(0), |slot| {
        edit(slot, |bytes| {
            if dense {
                hll::make_dense(bytes)?;
            }
            hll::raise_all(bytes, &union, bytes_max)?;
            hll::forget_count(bytes);
            Ok(())
        })?;
        slot.event(Wanted::STRING, "pfadd");
        Ok::<_, CommandError>(())
    })?;
    reply.ok();
    Ok(())
}

/// PFDEBUG GETREG | DECODE | ENCODING | TODENSE key: two of them make the string dense, and stand in streams
pub(crate) fn pfdebug(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    ctx.db.edit(args.get(1), |slot| {
        let Some(text) = slot.text()? else {
            return Err(CommandError::new("ERR The specified key does not exist"));
        };
        let mut digits = itoa::Buffer::new();
        let bytes = bytes_of(text, &mut digits)?;
        let dense = hll::is_dense(bytes);
        if args.is_word(0, "getreg") {
            let mut values = hll::no_registers();
            hll::unite(&mut values, bytes)?;
            if !dense {
                edit(slot, |bytes| Ok(hll::make_dense(bytes)?))?;
            }
            reply.array(hll::REGISTERS);
            values.iter().for_each(|value| reply.int(i64::from(*value)));
        } else if args.is_word(0, "decode") {
            if dense {
                return Err(CommandError::new("ERR HLL encoding is not sparse"));
            }
            reply.bulk(hll::describe(bytes).as_bytes());
        } else if args.is_word(0, "encoding") {
            reply.simple(if dense { "dense" } else { "sparse" });
        } else if args.is_word(0, "todense") {
            if !dense {
                edit(slot, |bytes| Ok(hll::make_dense(bytes)?))?;
            }
            reply.int(i64::from(!dense));
        } else {
            return Err(CommandError::naming("ERR Unknown PFDEBUG subcommand '", args.get(0), "'"));
        }
        Ok(())
    })
}

/// PFSELFTEST: counts what is known, both ways that registers are kept.
pub(crate) fn pfselftest(ctx: &ReadContext<'_>, _: Args<'_>, reply: &mut Reply) -> Done {
    ctx.looks_at_everything()?;
    let (mut sparse, mut dense) = (hll::empty(), hll::empty());
    hll::make_dense(&mut dense)?;
    for number in 1..=SELF_TEST_ELEMENTS {
        for bytes in [&mut sparse, &mut dense] {
            hll::add(bytes, &number.to_le_bytes(), SELF_TEST_SPARSE_BYTES)?;
        }
        if !number.is_power_of_two() {
            continue;
        }
        let estimator = ctx.dialect.estimator();
        let (one, other) = (hll::count(&sparse, estimator)?, hll::count(&dense, estimator)?);
        if one != other || one.abs_diff(number) > number / 20 + 1 {
            let text = format!("TESTFAILED {number} elements are counted as {one} and {other}");
            return Err(CommandError::Other(text.into()));
        }
    }
    reply.ok();
    Ok(())
}

/// How many elements the self-test counts: more than there are registers.
const SELF_TEST_ELEMENTS: u64 = 1 << 15;
/// Where its sparse registers become dense, as Redis has it.
const SELF_TEST_SPARSE_BYTES: usize = 3000;

#[cfg(test)]
mod tests {
    use crate::testing::Session;

    #[test]
    fn transcripts_of_a_real_server() {
        // As a replica, so that PFCOUNT notes counts as the recorded master did.
        Session::replica().transcript(include_str!("../tests/transcripts/hyperloglog.txt"));
    }

    /// A replica's link ended at each PFADD to a string that BITFIELD had spoiled behind the register.
    #[test]
    fn what_is_broken_behind_the_register_is_no_hindrance() {
        // As redis-8.10 has it.
        Session::new().transcript(
            "> SET h \"HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x7f\\xff\\x05\"\n< +OK|\n\
             > PFADD h a\n< :1|\n> PFADD h a\n< :0|\n> PFADD h b\n< :1|\n\
             > PFCOUNT h\n< -INVALIDOBJ Corrupted HLL object detected|",
        );
    }

    #[test]
    fn only_a_masters_pfcount_changes_the_string() {
        let client = Session::new();
        client.transcript("> PFADD h a\n< :1|");
        let before = client.run("DIGEST h");
        assert_eq!(client.run("PFCOUNT h"), ":1|");
        assert_eq!(client.run("DIGEST h"), before);
        let replica = Session::replica();
        replica.transcript("> PFADD h a\n< :1|");
        assert_eq!(replica.run("DIGEST h"), before);
        assert_eq!(replica.run("PFCOUNT h"), ":1|");
        assert_ne!(replica.run("DIGEST h"), before);
    }
}
