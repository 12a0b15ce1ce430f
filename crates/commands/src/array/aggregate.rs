//! AROP: one number made of many values.
//!
//! Owns which values count as numbers. Sums and comparisons are those of C's `long double`, as in Redis; a value that
//! Redis keeps as a double has its digits, `-360.372032` is `-360.37203199999999` there.

use std::cmp::Ordering;

use protocol::{Args, Reply};

use super::{array, index, walk};
use crate::convert::kept_as_float;
use crate::extended::Extended;
use crate::{CommandError, ReadContext};

#[derive(Clone, Copy)]
enum Operation<'a> {
    Sum,
    /// The value that compares so with all others.
    Extreme(Ordering),
    Bits(fn(i64, i64) -> i64),
    Match(&'a [u8]),
    Used,
}

/// AROP key start end SUM|MIN|MAX|AND|OR|XOR|USED|MATCH value
pub(crate) fn arop(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let (start, end) = (index(args.get(1))?, index(args.get(2))?);
    let operation = operation(args)?;
    let found = ctx.db.get(args.get(0));
    let values = walk(array(&found)?, start, end).map(|(_, value)| value);
    let numbers = |value: storage::value::array::Element<'_>| number(value.as_bytes());
    match operation {
        Operation::Used => reply.len_int(values.count()),
        Operation::Match(wanted) => reply.len_int(values.filter(|value| value.as_bytes() == wanted).count()),
        Operation::Bits(combine) => {
            let integers = values.filter_map(numbers).filter_map(Extended::truncate);
            match integers.reduce(combine) {
                Some(bits) => reply.int(bits),
                None => reply.null(),
            }
        }
        Operation::Sum => {
            // What is no number stays none: infinities of both signs have no sum.
            let sum = values.filter_map(numbers).map(Some).reduce(|sum, value| sum?.add(value?));
            match sum {
                Some(Some(sum)) => reply.bulk(&sum.to_general_text()),
                Some(None) => reply.bulk(b"nan"),
                None => reply.null(),
            }
        }
        Operation::Extreme(order) => {
            let found = values
                .filter_map(numbers)
                .reduce(|best, value| if value.compare(best) == order { value } else { best });
            match found {
                Some(found) => reply.bulk(&found.to_general_text()),
                None => reply.null(),
            }
        }
    }
    Ok(())
}

fn number(text: &[u8]) -> Option<Extended> {
    kept_as_float(text).map(Extended::from).or_else(|| Extended::parse(text))
}

fn operation<'a>(args: Args<'a>) -> Result<Operation<'a>, CommandError> {
    let operation = match () {
        () if args.is_word(3, "match") && args.len() == 5 => return Ok(Operation::Match(args.get(4))),
        () if args.is_word(3, "match") => {
            return Err(CommandError::new("ERR MATCH requires a value argument"));
        }
        () if args.is_word(3, "sum") => Operation::Sum,
        () if args.is_word(3, "min") => Operation::Extreme(Ordering::Less),
        () if args.is_word(3, "max") => Operation::Extreme(Ordering::Greater),
        () if args.is_word(3, "and") => Operation::Bits(|a, b| a & b),
        () if args.is_word(3, "or") => Operation::Bits(|a, b| a | b),
        () if args.is_word(3, "xor") => Operation::Bits(|a, b| a ^ b),
        () if args.is_word(3, "used") => Operation::Used,
        () => return Err(CommandError::new("ERR unknown operation")),
    };
    if args.len() > 4 { Err(CommandError::WrongArity("arop")) } else { Ok(operation) }
}
