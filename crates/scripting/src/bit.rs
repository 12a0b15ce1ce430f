//! `bit`: operations on 32 bits.
//!
//! Owns the rule by which a number becomes 32 bits: rounded to the nearest integer, the low bits of that.

use mlua::{Lua, MultiValue, Table, Value};

use crate::arguments::{Arguments, one, one_text};
use crate::boundary::{Outcome, Raise, function};

/// Added to a number, it leaves the number's integer in the low bits of the sum's mantissa.
const SHIFT: f64 = 6_755_399_441_055_744.0; // 2^52 + 2^51

/// An operation on one number, by name.
type Unary = (&'static str, fn(u32) -> u32);
/// An operation on two.
type Binary = (&'static str, fn(u32, u32) -> u32);

/// The table that scripts know as `bit`.
pub(crate) fn library(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let one_operand: [Unary; 3] =
        [("tobit", |bits| bits), ("bnot", |bits| !bits), ("bswap", u32::swap_bytes)];
    for (name, operation) in one_operand {
        add(lua, &table, name, move |_, args| {
            let operand = bits(args, 1)?;
            Ok(Ok(signed(operation(operand))))
        })?;
    }
    let folded: [Binary; 3] = [("band", |a, b| a & b), ("bor", |a, b| a | b), ("bxor", |a, b| a ^ b)];
    for (name, operation) in folded {
        add(lua, &table, name, move |_, args| {
            let mut result = bits(args, 1)?;
            for number in (2..=args.len()).rev() {
                result = operation(result, bits(args, number)?);
            }
            Ok(Ok(signed(result)))
        })?;
    }
    let shifts: [Binary; 5] = [
        ("lshift", |bits, by| bits << by),
        ("rshift", |bits, by| bits >> by),
        ("arshift", |bits, by| (bits.cast_signed() >> by).cast_unsigned()),
        ("rol", u32::rotate_left),
        ("ror", u32::rotate_right),
    ];
    for (name, operation) in shifts {
        add(lua, &table, name, move |_, args| {
            let operand = bits(args, 1)?;
            let by = bits(args, 2)? & 31;
            Ok(Ok(signed(operation(operand, by))))
        })?;
    }
    add(lua, &table, "tohex", |lua, args| {
        let operand = bits(args, 1)?;
        let wanted = if args.len() < 2 { 8 } else { bits(args, 2)?.cast_signed() };
        let digits = format!("{operand:08x}");
        let shown = usize::try_from(wanted.unsigned_abs()).unwrap_or(8).min(8);
        let digits = digits.get(8 - shown..).unwrap_or_default();
        let digits = if wanted < 0 { digits.to_ascii_uppercase() } else { digits.to_owned() };
        Ok(one_text(lua, digits))
    })?;
    Ok(table)
}

/// What an operation answers: outside, why its arguments are wrong; inside, why there is no memory for the answer.
type Answer = Result<mlua::Result<MultiValue>, Raise>;

fn add(
    lua: &Lua,
    table: &Table,
    name: &str,
    operation: impl Fn(&Lua, &Arguments) -> Answer + Send + 'static,
) -> mlua::Result<()> {
    let work = move |lua: &Lua, args: MultiValue| -> Outcome {
        operation(lua, &Arguments::from(args)).map_or_else(|raise| Ok(Err(raise)), |answer| answer.map(Ok))
    };
    table.raw_set(name, function(lua, work)?)
}

#[allow(clippy::cast_possible_truncation)] // The low bits are what is asked for.
fn bits(args: &Arguments, number: usize) -> Result<u32, Raise> {
    Ok((args.number(number)? + SHIFT).to_bits() as u32)
}

fn signed(bits: u32) -> MultiValue {
    one(Value::Integer(bits.cast_signed().into()))
}
