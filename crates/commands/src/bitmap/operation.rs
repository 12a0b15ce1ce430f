//! BITOP: strings combined bit by bit.
//!
//! Owns the operations. Strings shorter than the longest count as followed by zeros.

use protocol::{Args, Reply};
use storage::value::Text;
use storage::{Kind, Wanted};

use super::Done;
use crate::context::WriteContext;
use crate::error::CommandError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    And,
    Or,
    Xor,
    Not,
    /// What the first has and none of the others.
    Diff,
    /// What one of the others has and the first has not.
    Diff1,
    /// What the first has and one of the others too.
    AndOr,
    /// What exactly one has.
    One,
}

impl Operation {
    const NAMES: [(&'static str, Operation); 8] = [
        ("and", Operation::And),
        ("or", Operation::Or),
        ("xor", Operation::Xor),
        ("not", Operation::Not),
        ("diff", Operation::Diff),
        ("diff1", Operation::Diff1),
        ("andor", Operation::AndOr),
        ("one", Operation::One),
    ];
}

/// BITOP AND | OR | XOR | NOT | DIFF | DIFF1 | ANDOR | ONE destkey key [key …]
pub(crate) fn bitop(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let named = Operation::NAMES.iter().find(|(name, _)| args.is_word(0, name));
    let (_, operation) = named.ok_or(CommandError::Syntax)?;
    let keys = args.from(2);
    match operation {
        Operation::Not if keys.len() != 1 => {
            return Err(CommandError::new("ERR BITOP NOT must be called with a single source key."));
        }
        Operation::Diff | Operation::Diff1 | Operation::AndOr if keys.len() < 2 => {
            return Err(CommandError::new(match operation {
                Operation::Diff => "ERR BITOP DIFF must be called with at least two source keys.",
                Operation::Diff1 => "ERR BITOP DIFF1 must be called with at least two source keys.",
                _ => "ERR BITOP ANDOR must be called with at least two source keys.",
            }));
        }
        _ => {}
    }
    let result = {
        let asking = ctx.asking();
        let found = asking.get_many_of(keys.as_slice(), Kind::String);
        let mut digits = vec![itoa::Buffer::new(); keys.len()];
        let mut sources: Vec<&[u8]> = Vec::with_capacity(keys.len());
        for (entry, digits) in found.iter().zip(&mut digits) {
            sources.push(match entry {
                None => &[],
                Some(entry) => entry.text()?.bytes(digits),
            });
        }
        combine(*operation, &sources)
    };
    reply.len_int(result.len());
    ctx.db.edit(args.get(1), |slot| {
        if result.is_empty() {
            if slot.remove() {
                slot.event(Wanted::GENERIC, "del");
            }
        } else {
            slot.event_of_replacing(Kind::String);
            slot.put_until(Text::edited(result).into(), None);
            slot.event(Wanted::STRING, "set");
        }
    });
    Ok(())
}

fn combine(operation: Operation, sources: &[&[u8]]) -> Vec<u8> {
    let len = sources.iter().map(|source| source.len()).max().unwrap_or(0);
    let Some((first, others)) = sources.split_first() else { return Vec::new() };
    let mut result = padded(first, len);
    match operation {
        Operation::And => others.iter().for_each(|other| fold(&mut result, other, |a, b| a & b, |_| 0)),
        Operation::Or => others.iter().for_each(|other| fold(&mut result, other, |a, b| a | b, |a| a)),
        Operation::Xor => others.iter().for_each(|other| fold(&mut result, other, |a, b| a ^ b, |a| a)),
        Operation::Not => result.iter_mut().for_each(|byte| *byte = !*byte),
        Operation::Diff => fold(&mut result, &union(others, len), |a, b| a & !b, |a| a),
        Operation::Diff1 => fold(&mut result, &union(others, len), |a, b| !a & b, |_| 0),
        Operation::AndOr => fold(&mut result, &union(others, len), |a, b| a & b, |_| 0),
        Operation::One => {
            // Bits that were seen twice stay out, however often they come again.
            let mut twice = vec![0; len];
            for other in others {
                for ((twice, once), byte) in twice.iter_mut().zip(&mut result).zip(*other) {
                    *twice |= *once & byte;
                    *once |= byte;
                }
            }
            fold(&mut result, &twice, |a, b| a & !b, |a| a);
        }
    }
    result
}

fn padded(bytes: &[u8], len: usize) -> Vec<u8> {
    let mut padded = Vec::with_capacity(len);
    padded.extend_from_slice(bytes);
    padded.resize(len, 0);
    padded
}

fn union(sources: &[&[u8]], len: usize) -> Vec<u8> {
    let mut all = vec![0; len];
    sources.iter().for_each(|source| fold(&mut all, source, |a, b| a | b, |a| a));
    all
}

/// Combines `other` into `result`; where it is too short, `alone` says what becomes of the rest.
fn fold(result: &mut [u8], other: &[u8], both: impl Fn(u8, u8) -> u8, alone: impl Fn(u8) -> u8) {
    let (shared, rest) = result.split_at_mut(other.len().min(result.len()));
    shared.iter_mut().zip(other).for_each(|(a, b)| *a = both(*a, *b));
    rest.iter_mut().for_each(|a| *a = alone(*a));
}
