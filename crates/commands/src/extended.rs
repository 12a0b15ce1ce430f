//! The 80-bit floats that INCRBYFLOAT and HINCRBYFLOAT count in: C's `long double` on x86-64.
//!
//! Owns reading, adding, comparing and printing them, exactly as glibc does, so that a counter moves as on a real
//! server: `0.1 + 0.2` is `0.3` there, which no double gives. Never used where Redis counts in doubles.

use std::cmp::Ordering;

use protocol::number::parse_power;

/// The longest text that is read as such a number: Redis' bound (5 KiB, less C's end of string).
const TEXT_BYTES_MAX: usize = 5 * 1024 - 1;

/// The digits after the point that are printed.
const PRINTED_DECIMALS: u32 = 17;

/// The exponent of the last bit: of the largest numbers, and of the smallest.
const EXPONENT_MAX: i32 = 16383 - 63;
const EXPONENT_MIN: i32 = -16382 - 63;

/// A finite number, or an infinity: sign, 64 bits, and the power of two of the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extended {
    negative: bool,
    magnitude: Magnitude,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Magnitude {
    Zero,
    /// The mantissa's top bit is set unless the exponent is the smallest.
    Finite {
        mantissa: u64,
        exponent: i32,
    },
    Infinite,
}

impl Extended {
    /// The largest finite number.
    pub(crate) const MAX: Extended = Extended {
        negative: false,
        magnitude: Magnitude::Finite { mantissa: u64::MAX, exponent: EXPONENT_MAX },
    };
    /// The same with a minus.
    pub(crate) const MIN: Extended = Extended { negative: true, ..Extended::MAX };

    /// What `strtold` makes of the whole text; `None` for NaN, blanks, and what does not fit.
    pub(crate) fn parse(text: &[u8]) -> Option<Extended> {
        if text.is_empty() || text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let (negative, unsigned) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        if unsigned.eq_ignore_ascii_case(b"inf") || unsigned.eq_ignore_ascii_case(b"infinity") {
            return Some(Extended { negative, magnitude: Magnitude::Infinite });
        }
        let magnitude = match unsigned {
            [b'0', b'x' | b'X', hex @ ..] => parse_hexadecimal(hex)?,
            _ => parse_decimal(unsigned)?,
        };
        if magnitude == Magnitude::Infinite {
            return None;
        }
        Some(Extended { negative, magnitude })
    }

    /// Whether it is an infinity.
    pub(crate) fn is_infinite(self) -> bool {
        self.magnitude == Magnitude::Infinite
    }

    /// The sum, rounded to even; `None` for infinities that cancel out.
    pub(crate) fn add(self, other: Extended) -> Option<Extended> {
        use Magnitude::{Finite, Infinite, Zero};
        let (big, small) = if self.abs_cmp(other) == Ordering::Less { (other, self) } else { (self, other) };
        let magnitude = match (big.magnitude, small.magnitude) {
            (Infinite, Infinite) if big.negative != small.negative => return None,
            (Infinite, _) => Infinite,
            (Zero, _) => {
                return Some(Extended { negative: self.negative && other.negative, magnitude: Zero });
            }
            (_, Zero) => big.magnitude,
            (Finite { mantissa: a, exponent }, Finite { mantissa: b, exponent: lower }) => {
                // 62 bits of room below the bigger number's; what falls out of them only matters as "not nothing".
                let room = 62;
                let a = u128::from(a) << room;
                let shift = u32::try_from(exponent - lower).unwrap_or(0);
                let wide = u128::from(b) << room;
                let shifted = wide.checked_shr(shift).unwrap_or(0);
                let lost = u128::from(shift > 0 && shifted.checked_shl(shift) != Some(wide));
                let sum = if big.negative == small.negative {
                    (a + shifted) | lost
                } else {
                    // Something lost below: the difference lies just under, between this and the one before.
                    (a - shifted - lost) | lost
                };
                round(sum, exponent - room)
            }
            (Finite { .. }, Infinite) => Infinite, // the bigger one is first, so this does not happen
        };
        // A difference of nothing is plus zero.
        let negative = big.negative && magnitude != Zero;
        Some(Extended { negative, magnitude })
    }

    /// The same with the other sign.
    pub(crate) fn negated(self) -> Extended {
        Extended { negative: !self.negative, ..self }
    }

    fn abs_cmp(self, other: Extended) -> Ordering {
        use Magnitude::{Finite, Infinite, Zero};
        match (self.magnitude, other.magnitude) {
            (Zero, Zero) | (Infinite, Infinite) => Ordering::Equal,
            (Zero, _) | (_, Infinite) => Ordering::Less,
            (_, Zero) | (Infinite, _) => Ordering::Greater,
            (Finite { mantissa: a, exponent: x }, Finite { mantissa: b, exponent: y }) => {
                x.cmp(&y).then(a.cmp(&b))
            }
        }
    }

    /// Which is larger.
    pub(crate) fn compare(self, other: Extended) -> Ordering {
        let zero = |number: Extended| number.magnitude == Magnitude::Zero;
        match (self.negative && !zero(self), other.negative && !zero(other)) {
            (false, false) => self.abs_cmp(other),
            (true, true) => other.abs_cmp(self),
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
        }
    }

    /// What C's `%.17Lf` prints, without the zeros at its end.
    pub(crate) fn to_text(self) -> Vec<u8> {
        let mut text = if self.negative { b"-".to_vec() } else { Vec::new() };
        match self.magnitude {
            Magnitude::Infinite => text.extend_from_slice(b"inf"),
            Magnitude::Zero => return b"0".to_vec(),
            Magnitude::Finite { mantissa, exponent } => match u32::try_from(-exponent) {
                Ok(shift @ 1..) => {
                    let scaled = u128::from(mantissa) * 10u128.pow(PRINTED_DECIMALS);
                    let digits = shift_right_even(scaled, shift).to_string();
                    let digits = format!("{digits:0>width$}", width = PRINTED_DECIMALS as usize + 1);
                    let (whole, part) = digits.split_at(digits.len() - PRINTED_DECIMALS as usize);
                    let part = part.trim_end_matches('0');
                    if part.is_empty() && whole == "0" {
                        return b"0".to_vec();
                    }
                    text.extend_from_slice(whole.as_bytes());
                    if !part.is_empty() {
                        text.push(b'.');
                        text.extend_from_slice(part.as_bytes());
                    }
                }
                _ => {
                    let mut whole = Big::from(mantissa);
                    whole.shift_left(exponent.unsigned_abs());
                    text.extend_from_slice(whole.to_decimal().as_bytes());
                }
            },
        }
        text
    }
}

/// How many digits `%.17Lg` prints.
const GENERAL_DIGITS: usize = 17;

impl Extended {
    /// The product, rounded to even; an infinity where it is too large for a number.
    pub(crate) fn times(self, factor: u32) -> Extended {
        let magnitude = match self.magnitude {
            Magnitude::Finite { mantissa, exponent } if factor > 0 => {
                round(u128::from(mantissa) * u128::from(factor), exponent)
            }
            Magnitude::Infinite => Magnitude::Infinite,
            _ => Magnitude::Zero,
        };
        Extended { magnitude, ..self }
    }

    /// The smallest `i64` that is not below it; `None` where all are.
    pub(crate) fn ceil(self) -> Option<i64> {
        let Magnitude::Finite { mantissa, exponent } = self.magnitude else {
            return match self.magnitude {
                Magnitude::Infinite if self.negative => Some(i64::MIN),
                Magnitude::Infinite => None,
                _ => Some(0),
            };
        };
        let Some(whole) = self.truncate() else { return self.negative.then_some(i64::MIN) };
        let is_whole = mantissa.trailing_zeros() >= exponent.unsigned_abs();
        if self.negative || is_whole { Some(whole) } else { whole.checked_add(1) }
    }

    /// Its whole part, where that is an `i64`.
    pub(crate) fn truncate(self) -> Option<i64> {
        let whole = match self.magnitude {
            Magnitude::Infinite => return None,
            Magnitude::Zero => 0,
            Magnitude::Finite { mantissa, exponent } => match u32::try_from(exponent) {
                Ok(0) => mantissa,
                Ok(_) => return None,
                Err(_) => mantissa.checked_shr(exponent.unsigned_abs()).unwrap_or(0),
            },
        };
        if self.negative { 0i64.checked_sub_unsigned(whole) } else { i64::try_from(whole).ok() }
    }

    /// What C's `%.17Lg` prints.
    pub(crate) fn to_general_text(self) -> Vec<u8> {
        let sign = if self.negative { "-" } else { "" };
        let (mantissa, exponent) = match self.magnitude {
            Magnitude::Infinite => return format!("{sign}inf").into_bytes(),
            Magnitude::Zero => return format!("{sign}0").into_bytes(),
            Magnitude::Finite { mantissa, exponent } => (mantissa, exponent),
        };
        // All its digits, and how many of them stand behind the point.
        let mut number = Big::from(mantissa);
        let behind = match u32::try_from(-exponent) {
            Ok(halvings) => {
                (0..halvings).for_each(|_| number.multiply_add(5, 0));
                i64::from(halvings)
            }
            Err(_) => {
                number.shift_left(exponent.unsigned_abs());
                0
            }
        };
        let mut digits = number.to_decimal().into_bytes();
        let mut power = i64::try_from(digits.len()).unwrap_or(i64::MAX) - behind - 1;
        if digits.len() > GENERAL_DIGITS {
            let rest = digits.split_off(GENERAL_DIGITS);
            let half = rest.first().map(|first| first.cmp(&b'5')).unwrap_or(Ordering::Less);
            let beyond = rest.iter().skip(1).any(|digit| *digit != b'0');
            let is_odd = digits.last().is_some_and(|last| last % 2 == 1);
            if half == Ordering::Greater || (half == Ordering::Equal && (beyond || is_odd)) {
                let nines = digits.iter().rev().take_while(|digit| **digit == b'9').count();
                let kept = digits.len() - nines;
                digits.truncate(kept);
                match digits.last_mut() {
                    Some(last) => *last += 1,
                    None => {
                        digits.push(b'1');
                        power += 1;
                    }
                }
            }
        }
        while digits.len() > 1 && digits.last() == Some(&b'0') {
            digits.pop();
        }
        let digits = String::from_utf8_lossy(&digits);
        let text = match usize::try_from(power) {
            Ok(power) if power < GENERAL_DIGITS => {
                let whole = format!("{digits:0<width$}", width = power + 1);
                let (whole, part) = whole.split_at(power + 1);
                if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
            }
            Err(_) if power >= -4 => {
                let zeros = "0".repeat(usize::try_from(-power - 1).unwrap_or(0));
                format!("{sign}0.{zeros}{digits}")
            }
            _ => {
                let (first, part) = digits.split_at(1);
                let point = if part.is_empty() { "" } else { "." };
                let direction = if power < 0 { '-' } else { '+' };
                format!("{sign}{first}{point}{part}e{direction}{:02}", power.unsigned_abs())
            }
        };
        text.into_bytes()
    }
}

/// Integers convert exactly: they have 63 bits.
impl From<i64> for Extended {
    fn from(value: i64) -> Extended {
        Extended { negative: value < 0, magnitude: round(u128::from(value.unsigned_abs()), 0) }
    }
}

/// Finite doubles convert exactly: they have 53 bits and smaller exponents. Others become infinities.
impl From<f64> for Extended {
    fn from(value: f64) -> Extended {
        const FRACTION_BITS: u32 = 52;
        let bits = value.to_bits();
        let fraction = bits & ((1 << FRACTION_BITS) - 1);
        let magnitude = match (bits >> FRACTION_BITS) & 0x7ff {
            0 => round(u128::from(fraction), -1074),
            0x7ff => Magnitude::Infinite,
            exponent => {
                let whole = fraction | 1 << FRACTION_BITS;
                round(u128::from(whole), i32::try_from(exponent).unwrap_or(0) - 1075)
            }
        };
        Extended { negative: value.is_sign_negative(), magnitude }
    }
}

/// `value >> shift`, rounded to the nearest, halves to even.
fn shift_right_even(value: u128, shift: u32) -> u128 {
    if shift == 0 {
        return value;
    }
    let Some(whole) = value.checked_shr(shift) else { return 0 };
    let rest = value - (whole << shift);
    let half = 1u128 << (shift - 1);
    whole + u128::from(rest > half || rest == half && whole & 1 == 1)
}

/// `value * 2^exponent` in 64 bits, halves to even. A lost part must be told by a set lowest bit.
fn round(value: u128, exponent: i32) -> Magnitude {
    if value == 0 {
        return Magnitude::Zero;
    }
    let bits = 128 - value.leading_zeros();
    let wanted = i32::try_from(bits).unwrap_or(128) - 64;
    let shift = wanted.max(EXPONENT_MIN - exponent);
    let (mut mantissa, mut exponent) = match u32::try_from(shift) {
        Ok(shift) => (shift_right_even(value, shift), exponent + shift as i32),
        Err(_) => (value << shift.unsigned_abs(), exponent + shift),
    };
    if mantissa == 1 << 64 {
        mantissa >>= 1;
        exponent += 1;
    }
    match u64::try_from(mantissa) {
        Ok(0) => Magnitude::Zero,
        Ok(mantissa) if exponent <= EXPONENT_MAX => Magnitude::Finite { mantissa, exponent },
        _ => Magnitude::Infinite,
    }
}

/// Digits with a point somewhere; returns them as one number, how many stood after the point, and what follows.
fn split_digits(text: &[u8], is_digit: fn(&u8) -> bool) -> Option<(Vec<u8>, usize, &[u8])> {
    let mut digits = Vec::new();
    let mut after_point = None;
    let mut rest = text;
    while let [byte, others @ ..] = rest {
        if is_digit(byte) {
            digits.push(*byte);
        } else if *byte == b'.' && after_point.is_none() {
            after_point = Some(digits.len());
        } else {
            break;
        }
        rest = others;
    }
    if digits.is_empty() {
        return None;
    }
    let decimals = after_point.map_or(0, |point| digits.len() - point);
    Some((digits, decimals, rest))
}

fn parse_decimal(text: &[u8]) -> Option<Magnitude> {
    let (digits, decimals, rest) = split_digits(text, u8::is_ascii_digit)?;
    let exponent = match rest {
        [] => 0,
        [b'e' | b'E', rest @ ..] => parse_power(rest)?,
        _ => return None,
    };
    let power = exponent - i64::try_from(decimals).ok()?;
    let mut number = Big::default();
    for digit in &digits {
        number.multiply_add(10, u32::from(digit - b'0'));
    }
    if number.is_zero() {
        return Some(Magnitude::Zero);
    }
    // Beyond these nothing is representable, however many digits there are (at most 5 KiB of them).
    let power = i32::try_from(power.clamp(-20_000, 20_000)).ok()?;
    if power >= 0 {
        if power > 5_000 {
            return None;
        }
        number.multiply_power_of_ten(power.unsigned_abs());
        let (top, exponent) = number.top();
        return Some(round(top, exponent));
    }
    let mut divisor = Big::from(1);
    divisor.multiply_power_of_ten(power.unsigned_abs());
    let (quotient, exponent) = divide(number, divisor);
    match round(quotient, exponent) {
        Magnitude::Zero => None, // too small: C calls it out of range
        magnitude => Some(magnitude),
    }
}

fn parse_hexadecimal(text: &[u8]) -> Option<Magnitude> {
    let (digits, decimals, rest) = split_digits(text, u8::is_ascii_hexdigit)?;
    let exponent = match rest {
        [] => 0,
        [b'p' | b'P', rest @ ..] => parse_power(rest)?,
        _ => return None,
    };
    let mut number = Big::default();
    for digit in &digits {
        number.multiply_add(16, char::from(*digit).to_digit(16)?);
    }
    if number.is_zero() {
        return Some(Magnitude::Zero);
    }
    let (top, below) = number.top();
    let exponent = i64::from(below) + exponent - 4 * i64::try_from(decimals).ok()?;
    match round(top, i32::try_from(exponent.clamp(-100_000, 100_000)).ok()?) {
        Magnitude::Zero => None,
        magnitude => Some(magnitude),
    }
}

/// `number / divisor` as 67 bits or more and an exponent; the lowest bit also says that there is a rest.
fn divide(mut number: Big, mut divisor: Big) -> (u128, i32) {
    const BITS: u32 = 68;
    // Bring both to the same length, so that the quotient's first bit comes with the first or second step.
    let (a, b) = (number.bits(), divisor.bits());
    let mut exponent = i32::try_from(a).unwrap_or(i32::MAX) - i32::try_from(b).unwrap_or(0);
    if a < b {
        number.shift_left(b - a);
    } else {
        divisor.shift_left(a - b);
    }
    let mut quotient = 0u128;
    for _ in 0..BITS {
        quotient <<= 1;
        if number.subtract_if_not_less(&divisor) {
            quotient |= 1;
        }
        number.shift_left(1);
    }
    exponent -= BITS as i32 - 1;
    (quotient | u128::from(!number.is_zero()), exponent)
}

/// An unsigned integer of any length, lowest part first; no zeros at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Big(Vec<u32>);

impl From<u64> for Big {
    fn from(value: u64) -> Big {
        let mut big = Big(vec![value as u32, (value >> 32) as u32]); // the two halves
        big.trim();
        big
    }
}

impl Big {
    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    /// How many bits up to the highest that is set.
    fn bits(&self) -> u32 {
        let Some(top) = self.0.last() else { return 0 };
        // At most 5 KiB of digits and a power of ten: far from overflowing.
        u32::try_from(self.0.len()).unwrap_or(0) * 32 - top.leading_zeros()
    }

    fn multiply_add(&mut self, factor: u32, add: u32) {
        let mut carry = u64::from(add);
        for part in &mut self.0 {
            let product = u64::from(*part) * u64::from(factor) + carry;
            *part = product as u32; // the lower half
            carry = product >> 32;
        }
        if carry > 0 {
            self.0.push(carry as u32); // below 2^32
        }
    }

    fn multiply_power_of_ten(&mut self, mut power: u32) {
        while power >= 9 {
            self.multiply_add(1_000_000_000, 0);
            power -= 9;
        }
        self.multiply_add(10u32.pow(power), 0);
    }

    fn shift_left(&mut self, bits: u32) {
        if self.is_zero() {
            return;
        }
        let small = bits % 32;
        if small > 0 {
            let mut carry = 0;
            for part in &mut self.0 {
                let next = *part >> (32 - small);
                *part = *part << small | carry;
                carry = next;
            }
            if carry > 0 {
                self.0.push(carry);
            }
        }
        let whole = usize::try_from(bits / 32).unwrap_or(0);
        self.0.splice(0..0, std::iter::repeat_n(0, whole));
    }

    /// Subtracts `other` unless it is larger; says whether it did.
    fn subtract_if_not_less(&mut self, other: &Big) -> bool {
        let longer = self.0.len().cmp(&other.0.len());
        let order = longer.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()));
        if order == Ordering::Less {
            return false;
        }
        let mut borrow = false;
        let others = other.0.iter().copied().chain(std::iter::repeat(0));
        for (part, take) in self.0.iter_mut().zip(others) {
            let (first, under) = part.overflowing_sub(take);
            let (second, under_again) = first.overflowing_sub(u32::from(borrow));
            *part = second;
            borrow = under || under_again;
        }
        self.trim();
        true
    }

    /// The highest bits (up to 128, at least 97) and their exponent; the lowest also says that more was below.
    fn top(&self) -> (u128, i32) {
        let mut value = 0u128;
        let mut parts = self.0.iter().rev();
        for part in parts.by_ref().take(4) {
            value = value << 32 | u128::from(*part);
        }
        let below = parts.len();
        let lost = parts.any(|part| *part != 0);
        (value | u128::from(lost), i32::try_from(below * 32).unwrap_or(i32::MAX))
    }

    fn to_decimal(&self) -> String {
        let mut parts = self.0.clone();
        let mut chunks = Vec::new();
        while !parts.is_empty() {
            let mut rest = 0u64;
            for part in parts.iter_mut().rev() {
                let value = rest << 32 | u64::from(*part);
                *part = (value / 1_000_000_000) as u32; // rest is below the divisor
                rest = value % 1_000_000_000;
            }
            while parts.last() == Some(&0) {
                parts.pop();
            }
            chunks.push(rest);
        }
        let mut text = chunks.pop().unwrap_or(0).to_string();
        for chunk in chunks.iter().rev() {
            text.push_str(&format!("{chunk:09}"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_general_form_is_that_of_printf() {
        // AROP … SUM of redis-8.10.
        for (text, printed) in [
            ("0.1", "0.1"),
            ("1e17", "1e+17"),
            ("123456789012345678", "1.2345678901234568e+17"),
            ("12345678901234567", "12345678901234567"),
            ("1e-7", "1e-07"),
            ("0.0001", "0.0001"),
            ("0.00001", "1e-05"),
            ("1e400", "1e+400"),
            ("1e-400", "1e-400"),
            ("9e4931", "9e+4931"),
            ("inf", "inf"),
            ("-inf", "-inf"),
            ("-0", "-0"),
            ("1234567.5", "1234567.5"),
            ("99999999999999999.9", "1e+17"),
            ("9223372036854775807", "9.2233720368547758e+18"),
            ("0x1p4", "16"),
        ] {
            let number = Extended::parse(text.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(number.to_general_text()).unwrap(), printed, "{text}");
        }
        let sum = Extended::parse(b"0.1").unwrap().add(Extended::parse(b"0.2").unwrap()).unwrap();
        assert_eq!(sum.to_general_text(), b"0.3");
        for (text, whole) in [
            ("3.9", Some(3)),
            ("-3.9", Some(-3)),
            ("1e3", Some(1000)),
            ("1e300", None),
            ("inf", None),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("-9223372036854775808", Some(i64::MIN)),
            ("0.5", Some(0)),
        ] {
            assert_eq!(Extended::parse(text.as_bytes()).unwrap().truncate(), whole, "{text}");
        }
    }
    use proptest::prelude::*;

    fn sum(a: &str, b: &str) -> String {
        let parse = |text: &str| Extended::parse(text.as_bytes()).unwrap();
        String::from_utf8(parse(a).add(parse(b)).unwrap().to_text()).unwrap()
    }

    #[test]
    fn sums_as_real_servers_make_them() {
        // From INCRBYFLOAT on redis-8.10.
        for (a, b, expected) in [
            ("10.5", "0.1", "10.6"),
            ("105.6", "5.0e3", "5105.60000000000000009"),
            ("3", "1e-17", "3.00000000000000001"),
            ("3.00000000000000001", "1e-18", "3.00000000000000001"),
            ("3.00000000000000001", "0x1p-3", "3.12500000000000001"),
            ("3.12500000000000001", "-3.125", "0.00000000000000001"),
            ("6.3", "1e18", "1000000000000000006.3125"),
            ("1000000000000000006.3125", "1e20", "101000000000000000008"),
            ("101000000000000000008", "123456789012345678901234567890", "123456789113345678904041406464"),
            ("0.1", "0.2", "0.3"),
            ("0.3", "-0.3", "0"),
            ("17.005", "0.000000000000001", "17.005000000000001"),
            ("0", "-0", "0"),
            ("0", "1e-400", "0"),
            ("1", "-1e-30", "1"),
            ("0x.8", "-0.25", "0.25"),
        ] {
            assert_eq!(sum(a, b), expected, "{a} + {b}");
        }
        let long = sum("1e4000", "1e4931");
        assert!(long.starts_with("1000000000000000000") && long.len() == 4932);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "",
            " 1",
            "1 ",
            "nan",
            "1e",
            "0x",
            ".",
            "-",
            "1e5000",
            "1e-5000",
            "abc",
            "1_0",
            "0x1p20000",
            "infx",
        ] {
            assert_eq!(Extended::parse(text.as_bytes()), None, "{text}");
        }
        let infinity = Extended::parse(b"-InfinitY").unwrap();
        assert!(infinity.is_infinite());
        assert_eq!(infinity.add(infinity.negated()), None);
        assert_eq!(infinity.compare(Extended::from(5)), Ordering::Less);
    }

    proptest! {
        #[test]
        fn doubles_and_integers_are_read_exactly(value: f64, integer: i64) {
            prop_assert_eq!(
                Extended::parse(integer.to_string().as_bytes()), Some(Extended::from(integer))
            );
            if value.is_finite() {
                // An exact decimal form reads back as the same bits, which a double has fewer of.
                let exact = Extended::parse(format!("{value:.1100}").as_bytes()).unwrap();
                let short = Extended::parse(format!("{value:e}").as_bytes());
                prop_assert_eq!(Extended::from(value), exact);
                if let (Magnitude::Finite { mantissa, .. }, Some(short)) = (exact.magnitude, short) {
                    prop_assert_eq!(mantissa & 0x7ff, 0, "a double has 53 bits");
                    let difference = exact.add(short.negated()).unwrap();
                    prop_assert!(difference.abs_cmp(exact) != Ordering::Greater);
                }
            }
        }

        #[test]
        fn small_integers_add_as_integers(a in -(1i64 << 60)..1 << 60, b in -(1i64 << 60)..1 << 60) {
            let sum = Extended::from(a).add(Extended::from(b)).unwrap();
            prop_assert_eq!(sum, Extended::from(a + b));
            prop_assert_eq!(sum.to_text(), (a + b).to_string().into_bytes());
            prop_assert_eq!(Extended::from(a).compare(Extended::from(b)), a.cmp(&b));
        }
    }
}
