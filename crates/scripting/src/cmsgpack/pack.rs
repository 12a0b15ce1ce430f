//! Lua values to MessagePack.

use mlua::{Table, Value};

use crate::pulse::Pulse;
use crate::state::takes;

/// Tables nested deeper than this are written as nil, so that one that contains itself ends.
const NESTING_MAX: usize = 16;

/// The work of one value, without a long text's bytes: some 150 ns.
const VALUE_WORK: usize = 50;

/// Appends a value, which stands under so many tables.
pub(super) fn value(packed: &mut Vec<u8>, value: &Value, depth: usize, pulse: &Pulse) -> mlua::Result<()> {
    pulse.spend(VALUE_WORK)?;
    takes(packed.len())?;
    match value {
        Value::String(text) => {
            let text = text.as_bytes();
            pulse.spend(text.len() / 16)?;
            length(packed, text.len(), Some((0xa0, 32)), Some(0xd9), 0xda, 0xdb);
            packed.extend_from_slice(&text);
        }
        Value::Boolean(truth) => packed.push(if *truth { 0xc3 } else { 0xc2 }),
        Value::Integer(number) => integer(packed, *number),
        Value::Number(number) => float(packed, *number),
        Value::Table(table) if depth < NESTING_MAX => self::table(packed, table, depth, pulse)?,
        _ => packed.push(0xc0),
    }
    Ok(())
}

fn table(packed: &mut Vec<u8>, table: &Table, depth: usize, pulse: &Pulse) -> mlua::Result<()> {
    let (count, is_array) = shape(table, pulse)?;
    if is_array {
        length(packed, count, Some((0x90, 16)), None, 0xdc, 0xdd);
        for index in 1..=count {
            value(packed, &table.get::<Value>(index)?, depth + 1, pulse)?;
        }
        return Ok(());
    }
    length(packed, count, Some((0x80, 16)), None, 0xde, 0xdf);
    table.for_each(|key: Value, held: Value| {
        value(packed, &key, depth + 1, pulse)?;
        value(packed, &held, depth + 1, pulse)
    })
}

/// How many pairs a table has, and whether their keys are 1 to n.
fn shape(table: &Table, pulse: &Pulse) -> mlua::Result<(usize, bool)> {
    let (mut count, mut most, mut only_indexes) = (0, 0, true);
    table.for_each(|key: Value, _: Value| {
        count += 1;
        pulse.spend(VALUE_WORK / 2)?;
        match key {
            Value::Integer(index) if (1..=i64::from(i32::MAX)).contains(&index) => most = most.max(index),
            _ => only_indexes = false,
        }
        Ok(())
    })?;
    Ok((count, only_indexes && usize::try_from(most) == Ok(count)))
}

/// Appends the header of something that has a length: `short` is the byte to which a length below its bound is added.
fn length(
    packed: &mut Vec<u8>,
    length: usize,
    short: Option<(u8, u8)>,
    one_byte: Option<u8>,
    two_bytes: u8,
    four_bytes: u8,
) {
    let as_byte = u8::try_from(length).ok();
    if let (Some((base, bound)), Some(length)) = (short, as_byte)
        && length < bound
    {
        packed.push(base | length);
    } else if let (Some(code), Some(length)) = (one_byte, as_byte) {
        packed.extend_from_slice(&[code, length]);
    } else if let Ok(length) = u16::try_from(length) {
        packed.push(two_bytes);
        packed.extend_from_slice(&length.to_be_bytes());
    } else {
        packed.push(four_bytes);
        packed.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Each is cut to what the form before did not hold.
fn integer(packed: &mut Vec<u8>, number: i64) {
    match number {
        -32..=127 => packed.push(number as u8),
        128..=0xff => packed.extend_from_slice(&[0xcc, number as u8]),
        0x100..=0xffff => {
            packed.push(0xcd);
            packed.extend_from_slice(&(number as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            packed.push(0xce);
            packed.extend_from_slice(&(number as u32).to_be_bytes());
        }
        0x1_0000_0000.. => {
            packed.push(0xcf);
            packed.extend_from_slice(&number.to_be_bytes());
        }
        -0x80..=-33 => packed.extend_from_slice(&[0xd0, number as u8]),
        -0x8000..=-0x81 => {
            packed.push(0xd1);
            packed.extend_from_slice(&(number as i16).to_be_bytes());
        }
        -0x8000_0000..=-0x8001 => {
            packed.push(0xd2);
            packed.extend_from_slice(&(number as i32).to_be_bytes());
        }
        ..=-0x8000_0001 => {
            packed.push(0xd3);
            packed.extend_from_slice(&number.to_be_bytes());
        }
    }
}

#[allow(clippy::cast_possible_truncation)] // Whether that loses anything is what is asked.
fn float(packed: &mut Vec<u8>, number: f64) {
    // Minus zero is the one integer that comes as a float.
    if number == 0.0 {
        return packed.push(0);
    }
    let single = number as f32;
    if f64::from(single) == number {
        packed.push(0xca);
        packed.extend_from_slice(&single.to_be_bytes());
    } else {
        packed.push(0xcb);
        packed.extend_from_slice(&number.to_be_bytes());
    }
}
