//! The numbers of INCRBYFLOAT and HINCRBYFLOAT: x86's 80-bit floats, in software.
//!
//! Redis adds with C's `long double` and writes the sum with seventeen decimals, so `0.1 + 0.2` is `0.3` there, and
//! a double would give another text. Owns reading, adding and writing such numbers, each exactly rounded (half to
//! even), as the processor and glibc do it. Never used in a hot path: a master's stream has the sums as SET and HSET.

use std::ops::Add;

/// Bits of the mantissa.
const MANTISSA_BITS: u32 = 64;
/// The exponent of the smallest bit that can be set.
const EXPONENT_MIN: i32 = -16_445;
/// The exponent of the largest bit that can be set.
const EXPONENT_MAX: i32 = 16_383;
/// No longer text is looked at, as in Redis.
const TEXT_BYTES_MAX: usize = 5 * 1024 - 1;
/// Decimals that are written.
const DECIMALS: usize = 17;
/// 10^17
const DECIMALS_SCALE: u128 = 100_000_000_000_000_000;

/// `±mantissa × 2^exponent`, or an infinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LongDouble {
    negative: bool,
    /// The top bit is set, unless the number is zero or below the normal ones.
    mantissa: u64,
    exponent: i32,
    infinite: bool,
}

impl LongDouble {
    /// Nothing.
    pub(crate) const ZERO: LongDouble =
        LongDouble { negative: false, mantissa: 0, exponent: 0, infinite: false };

    /// Reads a number as Redis does (`strtold` over the whole text): no blanks, no NaN, nothing too large, nothing that
    /// is not zero but too small.
    pub(crate) fn parse(text: &[u8]) -> Option<LongDouble> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let (negative, unsigned) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        if unsigned.eq_ignore_ascii_case(b"inf") || unsigned.eq_ignore_ascii_case(b"infinity") {
            return Some(LongDouble { negative, infinite: true, ..LongDouble::ZERO });
        }
        let number = match unsigned {
            [b'0', b'x' | b'X', digits @ ..] => parse_hexadecimal(digits)?,
            digits => parse_decimal(digits)?,
        };
        Some(LongDouble { negative, ..number })
    }

    /// Itself, unless it is infinite.
    pub(crate) fn filter_finite(self) -> Option<LongDouble> {
        (!self.infinite).then_some(self)
    }

    /// Its text: seventeen decimals, without the zeros at their end. For finite ones.
    pub(crate) fn to_text(self) -> Vec<u8> {
        let mut text = Vec::new();
        let (whole, decimals) = if self.exponent >= 0 {
            (Natural::from(self.mantissa).shifted(self.exponent.unsigned_abs()).into_decimal(), 0)
        } else {
            // Below 2^64 × 10^17 < 2^121.
            let scaled = u128::from(self.mantissa) * DECIMALS_SCALE;
            let rounded = shift_right_rounded(scaled, self.exponent.unsigned_abs(), false);
            ((rounded / DECIMALS_SCALE).to_string().into_bytes(), rounded % DECIMALS_SCALE)
        };
        if self.negative && (whole != b"0" || decimals != 0) {
            text.push(b'-');
        }
        text.extend_from_slice(&whole);
        if decimals != 0 {
            let digits = format!(".{decimals:0DECIMALS$}");
            text.extend_from_slice(digits.trim_end_matches('0').as_bytes());
        }
        text
    }

    /// `sig × 2^exponent`, and a bit more when `sticky`, rounded to what can be held.
    fn rounded(negative: bool, sig: u128, exponent: i32, sticky: bool) -> LongDouble {
        let bits = 128 - sig.leading_zeros();
        let surplus = i64::from(bits) - i64::from(MANTISSA_BITS);
        let to_smallest = i64::from(EXPONENT_MIN) - i64::from(exponent);
        let shift = surplus.max(to_smallest).clamp(0, 200) as u32;
        let mut mantissa = shift_right_rounded(sig, shift, sticky);
        let mut exponent = exponent.saturating_add(shift as i32);
        if mantissa >> MANTISSA_BITS != 0 {
            // Rounded up to the next power of two.
            mantissa >>= 1;
            exponent += 1;
        }
        let Ok(mantissa) = u64::try_from(mantissa) else { return LongDouble::ZERO };
        if mantissa == 0 {
            return LongDouble { negative, ..LongDouble::ZERO };
        }
        // The top bit goes to the top, as far as the exponent allows.
        let up = mantissa.leading_zeros().min((exponent - EXPONENT_MIN).max(0).unsigned_abs());
        let (mantissa, exponent) = (mantissa << up, exponent - up as i32);
        let top = exponent + (63 - mantissa.leading_zeros() as i32);
        LongDouble { negative, mantissa, exponent, infinite: top > EXPONENT_MAX }
    }
}

impl Add for LongDouble {
    type Output = LongDouble;

    /// The sum; infinite when it, or a summand, is.
    fn add(self, other: LongDouble) -> LongDouble {
        if self.infinite || other.infinite {
            return if self.infinite { self } else { other };
        }
        let magnitude = |number: &LongDouble| {
            (number.mantissa != 0).then(|| number.exponent + (63 - number.mantissa.leading_zeros() as i32))
        };
        let (large, small) =
            if magnitude(&self) >= magnitude(&other) { (self, other) } else { (other, self) };
        if small.mantissa == 0 {
            return large;
        }
        // Room for 63 bits below the larger one's; what is lower than that only decides how to round.
        let high = u128::from(large.mantissa) << 63;
        let distance = large.exponent - small.exponent;
        let (low, lost) = if distance >= 0 {
            let low = u128::from(small.mantissa) << 63;
            let shift = distance.unsigned_abs();
            (low.checked_shr(shift).unwrap_or(0), low.trailing_zeros() < shift)
        } else {
            // Only below the normal numbers, whose top bits are not at the top: their exponents are the same.
            (u128::from(small.mantissa) << 63 << distance.unsigned_abs().min(1), false)
        };
        let exponent = large.exponent - 63;
        if large.negative == small.negative {
            return LongDouble::rounded(large.negative, high + low, exponent, lost);
        }
        // What was lost is taken away too: one less, and a bit more.
        let difference = (high.max(low) - high.min(low)) - u128::from(lost);
        let negative = if high >= low { large.negative } else { small.negative };
        LongDouble::rounded(negative && (difference != 0 || lost), difference, exponent, lost)
    }
}

/// `value / 2^shift`, rounded half to even; `sticky` says that a bit below is set.
fn shift_right_rounded(value: u128, shift: u32, sticky: bool) -> u128 {
    if shift == 0 {
        return value;
    }
    let kept = value.checked_shr(shift).unwrap_or(0);
    let half = 1u128.checked_shl(shift - 1);
    let below = value - kept.checked_shl(shift).unwrap_or(0);
    match half {
        Some(half) if below > half || (below == half && (sticky || kept & 1 == 1)) => kept + 1,
        _ => kept,
    }
}

/// The exponent behind `e` or `p`, clamped to where nothing changes any more.
fn parse_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0i64, |value, digit| (value * 10 + i64::from(digit - b'0')).min(1 << 40));
    Some(if negative { -value } else { value })
}

/// Splits `digits[.digits][mark exponent]`; the digits without the point, how many of them stand behind it, and the
/// exponent.
fn split(text: &[u8], mark: u8, is_digit: fn(&u8) -> bool) -> Option<(Vec<u8>, i64, i64)> {
    let (number, exponent) = match text.iter().position(|byte| byte.eq_ignore_ascii_case(&mark)) {
        Some(at) => (text.get(..at)?, parse_exponent(text.get(at + 1..)?)?),
        None => (text, 0),
    };
    let mut parts = number.splitn(2, |byte| *byte == b'.');
    let (whole, fraction) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let digits = [whole, fraction].concat();
    if digits.is_empty() || !digits.iter().all(is_digit) {
        return None;
    }
    Some((digits, i64::try_from(fraction.len()).ok()?, exponent))
}

fn parse_decimal(text: &[u8]) -> Option<LongDouble> {
    let (digits, behind, exponent) = split(text, b'e', u8::is_ascii_digit)?;
    let mut number = Natural::default();
    for digit in &digits {
        number.multiply_add(10, u32::from(digit - b'0'));
    }
    if number.is_zero() {
        return Some(LongDouble::ZERO);
    }
    let exponent = exponent - behind;
    let magnitude = exponent + i64::from(number.bits()) * 3 / 10;
    // Far outside of ±4951, beyond which nothing can be held.
    if !(-6000..=6000).contains(&magnitude) {
        return None;
    }
    let tens = u32::try_from(exponent.unsigned_abs()).ok()?;
    let mut binary = 0i64;
    let mut sticky = false;
    if exponent >= 0 {
        (0..tens).for_each(|_| number.multiply_add(10, 0));
    } else {
        // 1 / 10^n = 1 / 5^n / 2^n: enough bits that 70 are left after the division by 5^n, whose remainders only
        // say whether the quotient is exact.
        let room = tens * 7 / 3 + 1 + 70;
        number = number.shifted(room);
        binary = -i64::from(room) - i64::from(tens);
        (0..tens).for_each(|_| sticky |= number.divide(5) != 0);
    }
    let surplus = number.bits().saturating_sub(120);
    let (top, lost) = number.shifted_down(surplus);
    let exponent = i32::try_from(binary + i64::from(surplus)).ok()?;
    let parsed = LongDouble::rounded(false, top, exponent, sticky || lost);
    (!parsed.infinite && parsed.mantissa != 0).then_some(parsed)
}

fn parse_hexadecimal(text: &[u8]) -> Option<LongDouble> {
    let (digits, behind, exponent) = split(text, b'p', u8::is_ascii_hexdigit)?;
    let mut number = Natural::default();
    for digit in &digits {
        number.multiply_add(16, char::from(*digit).to_digit(16)?);
    }
    if number.is_zero() {
        return Some(LongDouble::ZERO);
    }
    let surplus = number.bits().saturating_sub(120);
    let (top, lost) = number.shifted_down(surplus);
    let exponent = exponent - 4 * behind + i64::from(surplus);
    let exponent = i32::try_from(exponent.clamp(-40_000, 40_000)).ok()?;
    let parsed = LongDouble::rounded(false, top, exponent, lost);
    (!parsed.infinite && parsed.mantissa != 0).then_some(parsed)
}

/// A natural number of any size: 32 bits each, the low ones first, no zero at the end.
#[derive(Clone, Debug, Default)]
struct Natural(Vec<u32>);

impl From<u64> for Natural {
    fn from(value: u64) -> Self {
        let mut number = Natural(vec![value as u32, (value >> 32) as u32]);
        number.trim();
        number
    }
}

impl Natural {
    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    fn bits(&self) -> u32 {
        let top = self.0.last().map_or(32, |top| top.leading_zeros());
        u32::try_from(self.0.len() * 32).unwrap_or(u32::MAX).saturating_sub(top)
    }

    fn multiply_add(&mut self, factor: u32, summand: u32) {
        let mut carry = u64::from(summand);
        for word in &mut self.0 {
            let product = u64::from(*word) * u64::from(factor) + carry;
            *word = product as u32;
            carry = product >> 32;
        }
        if carry != 0 {
            self.0.push(carry as u32);
        }
    }

    /// Divides; the remainder.
    fn divide(&mut self, divisor: u32) -> u32 {
        let mut remainder = 0u64;
        for word in self.0.iter_mut().rev() {
            let value = (remainder << 32) | u64::from(*word);
            *word = (value / u64::from(divisor)) as u32;
            remainder = value % u64::from(divisor);
        }
        self.trim();
        remainder as u32
    }

    /// Itself times 2^bits.
    fn shifted(mut self, bits: u32) -> Natural {
        if !self.is_zero() {
            self.multiply_add(1 << (bits % 32), 0);
            self.0.splice(0..0, std::iter::repeat_n(0, (bits / 32) as usize));
        }
        self
    }

    /// Itself divided by 2^bits, when that is below 2^128, and whether a bit was lost.
    fn shifted_down(&self, bits: u32) -> (u128, bool) {
        let words = (bits / 32) as usize;
        let (low, high) = self.0.split_at(words.min(self.0.len()));
        let part = bits % 32;
        let mut value = 0u128;
        for (at, word) in high.iter().enumerate() {
            let at = at as i32 * 32 - part as i32;
            let word = u128::from(*word);
            value |= if at < 0 {
                word >> at.unsigned_abs()
            } else {
                word.checked_shl(at.unsigned_abs()).unwrap_or(0)
            };
        }
        let cut = high.first().is_some_and(|word| word & ((1 << part) - 1) != 0);
        (value, cut || low.iter().any(|word| *word != 0))
    }

    fn into_decimal(mut self) -> Vec<u8> {
        const BILLION: u32 = 1_000_000_000;
        let mut groups = Vec::new();
        while !self.is_zero() {
            groups.push(self.divide(BILLION));
        }
        let mut text = groups.pop().unwrap_or(0).to_string();
        for group in groups.iter().rev() {
            text.push_str(&format!("{group:09}"));
        }
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(a: &str, b: &str) -> String {
        let (a, b) = (LongDouble::parse(a.as_bytes()).unwrap(), LongDouble::parse(b.as_bytes()).unwrap());
        String::from_utf8((a + b).filter_finite().map_or(b"inf".to_vec(), LongDouble::to_text)).unwrap()
    }

    #[test]
    fn sums_are_those_of_redis() {
        // Each from HINCRBYFLOAT on redis-8.10.
        for (a, b, expected) in [
            ("10.5", "0.1", "10.6"),
            ("10.6", "-5", "5.6"),
            ("0.1", "0.2", "0.3"),
            ("1.1", "2.2", "3.3"),
            ("0", "3.14159265358979323846", "3.14159265358979324"),
            ("1000000000000000", "0.3", "1000000000000000.29998779296875"),
            ("100000000000000000", "1", "100000000000000001"),
            ("9223372036854775807", "1", "9223372036854775808"),
            ("0", "-0.0", "0"),
            ("0.000001", "0.0000000001", "0.0000010001"),
            ("0", "1e-20", "0"),
            ("0", "0x10", "16"),
            ("0", "5.0e3", "5000"),
            ("5e3", "200", "5200"),
            ("007", "1", "8"),
            ("0", ".5", "0.5"),
            ("0", "5.", "5"),
            ("1", "-1", "0"),
            ("inf", "1", "inf"),
        ] {
            assert_eq!(sum(a, b), expected, "{a} + {b}");
            assert_eq!(sum(b, a), expected, "{b} + {a}");
        }
        assert!(
            sum("1e300", "0")
                .starts_with("10000000000000000000089973240795591938705239442732907479382600823212")
        );
        assert_eq!(sum("1e400", "5.6").len(), 401);
    }

    #[test]
    fn what_redis_refuses_is_refused() {
        for text in [
            "", " 1", "1 ", "abc", "nan", "1e4933", "1e-5000", "1e", "0x", ".", "-", "+-1", "1..2", "e5",
            "1e5x",
        ] {
            assert!(LongDouble::parse(text.as_bytes()).is_none(), "{text:?}");
        }
        for text in
            ["1e4932", "-1e4932", "1e-4950", "+1", "-.5", "0e99999999999", "Inf", "-infinity", "0x1p-16445"]
        {
            assert!(LongDouble::parse(text.as_bytes()).is_some(), "{text:?}");
        }
        assert!(LongDouble::parse(&[b'1'; 6000]).is_none());
    }
}
