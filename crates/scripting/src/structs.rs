//! `struct`: C's structures to Lua values and back, by a format.
//!
//! Owns the format's letters: sizes, byte order and alignment are those of x86-64.

use mlua::{Lua, MultiValue, Table, Value};

use crate::arguments::{Arguments, number_of, one, one_text, truncated};
use crate::boundary::{Outcome, Raise, function, pulse_of};
use crate::pulse::Pulse;
use crate::walk::VALUES_MAX;

/// The longest integer.
const INTEGER_BYTES_MAX: usize = 32;
/// The work of one letter: some 10 ns.
const LETTER_WORK: usize = 4;
/// What `!` alone aligns to.
const ALIGN_DEFAULT: usize = 8;
/// Everything that is packed together is at most so long: as long as the longest value of Redis.
const PACKED_BYTES_MAX: usize = 512 << 20;

/// The table that scripts know as `struct`.
pub(crate) fn library(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let pulse = pulse_of(lua);
    table.raw_set("pack", function(lua, move |lua, args| pack(lua, args, &pulse))?)?;
    let pulse = pulse_of(lua);
    table.raw_set("unpack", function(lua, move |lua, args| unpack(lua, args, &pulse))?)?;
    let pulse = pulse_of(lua);
    table.raw_set("size", function(lua, move |_, args| Ok(size(&args.into(), &pulse)))?)?;
    Ok(table)
}

/// A format, being read.
struct Format<'a> {
    rest: &'a [u8],
    big_endian: bool,
    align: usize,
    pulse: &'a Pulse,
}

/// A letter of a format, how many bytes its value has, and how many go before it.
struct Item {
    letter: u8,
    bytes: usize,
    padding: usize,
}

impl<'a> Format<'a> {
    fn new(text: &'a [u8], pulse: &'a Pulse) -> Self {
        // C's strings end at a zero byte.
        let rest = text.split(|byte| *byte == 0).next().unwrap_or_default();
        Format { rest, big_endian: false, align: 1, pulse }
    }

    /// The next letter, for a value that would stand at `at`.
    fn next(&mut self, at: usize) -> Result<Option<Item>, Raise> {
        let Some((letter, rest)) = self.rest.split_first() else { return Ok(None) };
        self.rest = rest;
        self.pulse.spend(LETTER_WORK)?;
        let bytes = match letter {
            b'B' | b'b' | b'x' => 1,
            b'H' | b'h' => 2,
            b'L' | b'l' | b'T' | b'd' => 8,
            b'f' => 4,
            b'c' => self.number(1)?,
            b'i' | b'I' => {
                let bytes = self.number(4)?;
                if bytes > INTEGER_BYTES_MAX {
                    return Err(Raise::here(format!(
                        "integral size {bytes} is larger than limit of {INTEGER_BYTES_MAX}"
                    )));
                }
                bytes
            }
            _ => 0,
        };
        let unit = bytes.min(self.align);
        let aligned = bytes != 0 && *letter != b'c' && unit != 0;
        let padding = if aligned { (unit - (at & (unit - 1))) & (unit - 1) } else { 0 };
        Ok(Some(Item { letter: *letter, bytes, padding }))
    }

    /// The number that follows, or this one.
    fn number(&mut self, default: usize) -> Result<usize, Raise> {
        let mut number: Option<i32> = None;
        while let Some((digit, rest)) = self.rest.split_first().filter(|(digit, _)| digit.is_ascii_digit()) {
            let grown = number.unwrap_or(0).checked_mul(10);
            let grown = grown.and_then(|number| number.checked_add(i32::from(*digit - b'0')));
            number = Some(grown.ok_or_else(|| Raise::here("integral size overflow"))?);
            self.rest = rest;
        }
        Ok(number.and_then(|number| usize::try_from(number).ok()).unwrap_or(default))
    }

    /// Obeys a letter that stands for no value.
    fn control(&mut self, letter: u8) -> Result<(), Raise> {
        match letter {
            b' ' => {}
            b'>' => self.big_endian = true,
            b'<' => self.big_endian = false,
            b'!' => {
                let align = self.number(ALIGN_DEFAULT)?;
                if !align.is_power_of_two() {
                    return Err(Raise::here(format!("alignment {align} is not a power of 2")));
                }
                self.align = align;
            }
            other => {
                let text = format!("invalid format option '{}'", char::from(other));
                return Err(Raise::Argument(1, text));
            }
        }
        Ok(())
    }

    /// These bytes, least first, in the order in force.
    fn ordered(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        if self.big_endian {
            bytes.reverse();
        }
        bytes
    }
}

fn pack(lua: &Lua, mut args: MultiValue, pulse: &Pulse) -> Outcome {
    // The original keeps a nil behind the arguments, which the first missing one is taken for.
    if !args.is_empty() {
        args.push_back(Value::Nil);
    }
    match packed(&args.into(), pulse) {
        Ok(bytes) => one_text(lua, bytes).map(Ok),
        Err(raise) => Ok(Err(raise)),
    }
}

#[allow(clippy::cast_possible_truncation)] // A float is asked for.
fn packed(args: &Arguments, pulse: &Pulse) -> Result<Vec<u8>, Raise> {
    let text = args.bytes(1)?;
    let mut format = Format::new(&text, pulse);
    let mut packed = Vec::new();
    let mut number = 2;
    while let Some(Item { letter, bytes, padding }) = format.next(packed.len())? {
        packed.resize(packed.len() + padding, 0);
        match letter {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let value = args.number(number)?;
                packed.extend(format.ordered(integer_bytes(value, bytes)));
            }
            b'x' => packed.push(0),
            b'f' => {
                let value = args.number(number)? as f32;
                packed.extend(format.ordered(value.to_le_bytes().to_vec()));
            }
            b'd' => {
                let value = args.number(number)?;
                packed.extend(format.ordered(value.to_le_bytes().to_vec()));
            }
            b'c' | b's' => {
                let value = args.bytes(number)?;
                let bytes = if bytes == 0 { value.len() } else { bytes };
                let value = value
                    .get(..bytes)
                    .ok_or_else(|| Raise::Argument(number + 1, "string too short".into()))?;
                packed.extend_from_slice(value);
                if letter == b's' {
                    packed.push(0);
                }
            }
            other => {
                format.control(other)?;
                continue;
            }
        }
        if letter != b'x' {
            number += 1;
        }
        if packed.len() > PACKED_BYTES_MAX {
            return Err(Raise::here("string too long"));
        }
    }
    Ok(packed)
}

/// The bytes of an integer, least first.
fn integer_bytes(value: f64, bytes: usize) -> Vec<u8> {
    const HALF: f64 = 9_223_372_036_854_775_808.0; // 2^63
    // (What is no number is converted as what is too small, on x86-64.)
    let bits = if value >= HALF {
        truncated(value - HALF).cast_unsigned() ^ (1 << 63)
    } else {
        truncated(value).cast_unsigned()
    };
    let mut all = bits.to_le_bytes().to_vec();
    all.resize(bytes.max(8), 0);
    all.truncate(bytes);
    all
}

fn unpack(lua: &Lua, args: MultiValue, pulse: &Pulse) -> Outcome {
    let args = Arguments::from(args);
    let given = || -> Result<(Vec<u8>, Vec<u8>, usize), Raise> {
        let (text, data) = (args.bytes(1)?, args.bytes(2)?);
        // A negative one is behind the end of everything.
        let from = usize::try_from(args.integer_or(3, 1)?).unwrap_or(usize::MAX);
        let from = from.checked_sub(1);
        Ok((text, data, from.ok_or_else(|| Raise::Argument(3, "offset must be 1 or greater".into()))?))
    };
    let (text, data, mut at) = match given() {
        Ok(given) => given,
        Err(raise) => return Ok(Err(raise)),
    };
    let short = || Raise::Argument(2, "data string too short".into());
    let mut format = Format::new(&text, pulse);
    let mut values: Vec<Value> = Vec::new();
    loop {
        if values.len() >= VALUES_MAX {
            return Ok(Err(Raise::here("stack overflow (too many results)")));
        }
        let Item { letter, mut bytes, padding } = match format.next(at) {
            Ok(Some(item)) => item,
            Ok(None) => break,
            Err(raise) => return Ok(Err(raise)),
        };
        at = at.saturating_add(padding);
        let Some(mut piece) = data.get(at..).and_then(|rest| rest.get(..bytes)) else {
            return Ok(Err(short()));
        };
        match letter {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let least_first = format.ordered(piece.to_vec());
                values.push(Value::Number(integer(&least_first, letter.is_ascii_lowercase())));
            }
            b'x' => {}
            b'f' => {
                let least_first = format.ordered(piece.to_vec());
                let bits = least_first.first_chunk().copied().unwrap_or_default();
                values.push(Value::Number(f32::from_le_bytes(bits).into()));
            }
            b'd' => {
                let least_first = format.ordered(piece.to_vec());
                let bits = least_first.first_chunk().copied().unwrap_or_default();
                values.push(Value::Number(f64::from_le_bytes(bits)));
            }
            b'c' => {
                if bytes == 0 {
                    let Some(length) = values.pop().as_ref().and_then(number_of) else {
                        return Ok(Err(Raise::here("format 'c0' needs a previous size")));
                    };
                    let length = usize::try_from(unsigned(length)).ok();
                    let Some(long) =
                        length.and_then(|length| data.get(at..).and_then(|rest| rest.get(..length)))
                    else {
                        return Ok(Err(short()));
                    };
                    piece = long;
                    bytes = long.len();
                }
                values.push(Value::String(lua.create_string(piece)?));
            }
            b's' => {
                let rest = data.get(at..).unwrap_or_default();
                let Some(end) = rest.iter().position(|byte| *byte == 0) else {
                    return Ok(Err(Raise::here("unfinished string in data")));
                };
                values.push(Value::String(lua.create_string(rest.get(..end).unwrap_or_default())?));
                bytes = end + 1;
            }
            other => {
                if let Err(raise) = format.control(other) {
                    return Ok(Err(raise));
                }
            }
        }
        at += bytes;
    }
    values.push(Value::Integer(i64::try_from(at + 1).unwrap_or(i64::MAX)));
    Ok(Ok(MultiValue::from_vec(values)))
}

/// As x86-64 converts to an unsigned integer: what is too great becomes nothing.
fn unsigned(number: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0; // 2^63
    let bits = if number >= HALF { truncated(number - HALF) ^ i64::MIN } else { truncated(number) };
    bits.cast_unsigned()
}

/// The integer of these bytes, least first; of those beyond eight only the sign counts, as on x86-64.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)] // Lua's numbers are doubles; shifts wrap at 64.
fn integer(least_first: &[u8], signed: bool) -> f64 {
    let bits = least_first.iter().rev().fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
    if !signed {
        return bits as f64;
    }
    let mask = u64::MAX.wrapping_shl((least_first.len() as u32).wrapping_mul(8).wrapping_sub(1));
    (if bits & mask == 0 { bits } else { bits | mask }).cast_signed() as f64
}

fn size(args: &Arguments, pulse: &Pulse) -> Result<MultiValue, Raise> {
    let text = args.bytes(1)?;
    let mut format = Format::new(&text, pulse);
    let mut at: usize = 0;
    while let Some(Item { letter, bytes, padding }) = format.next(at)? {
        match letter {
            b's' => return Err(Raise::Argument(1, "option 's' has no fixed size".into())),
            b'c' if bytes == 0 => {
                return Err(Raise::Argument(1, "option 'c0' has no fixed size".into()));
            }
            letter if !letter.is_ascii_alphanumeric() => format.control(letter)?,
            _ => {}
        }
        at = at.saturating_add(padding).saturating_add(bytes);
    }
    Ok(one(Value::Integer(i64::try_from(at).unwrap_or(i64::MAX))))
}
