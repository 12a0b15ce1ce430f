//! Scores: doubles in a total order, without NaN, and their text as each generation of servers writes it.
//!
//! Owns the order of scores and every text form of a double that clients, packed values and digests see.
//! Never reads a number from a client's argument (see `protocol::args`).

use std::cmp::Ordering;
use std::fmt::Write as _;
use std::ops::Deref;

mod digits;

/// The score of a sorted set's element. Never NaN; `-0.0` and `0.0` are equal, as they are to Redis.
#[derive(Clone, Copy, Debug, Default)]
pub struct Score(f64);

impl Score {
    /// Below or equal to every score.
    pub const MIN: Score = Score(f64::NEG_INFINITY);
    /// Above or equal to every score.
    pub const MAX: Score = Score(f64::INFINITY);
    /// Nothing.
    pub const ZERO: Score = Score(0.0);

    /// `None` for NaN.
    pub fn new(value: f64) -> Option<Score> {
        (!value.is_nan()).then_some(Score(value))
    }
    /// A sum or product of scores, where Redis takes NaN (of `inf - inf` and `0 * inf`) for zero.
    pub fn or_zero(value: f64) -> Score {
        Score::new(value).unwrap_or(Score::ZERO)
    }
    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
    /// The integer that this score is, when it lies within ±2^62: packed values and replies then write it as one.
    /// `-0` is none.
    pub fn as_integer(self) -> Option<i64> {
        integer_of(self.0).filter(|&integer| integer != 0 || self.0.is_sign_positive())
    }
}

impl From<i64> for Score {
    fn from(value: i64) -> Score {
        Score(value as f64)
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Score) -> Ordering {
        self.0.partial_cmp(&other.0).unwrap_or(Ordering::Equal) // there is no NaN
    }
}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Score) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Score {
    fn eq(&self, other: &Score) -> bool {
        self.0 == other.0
    }
}

impl Eq for Score {}

fn integer_of(value: f64) -> Option<i64> {
    // Half of i64's range, as the servers have it; the cast is exact in there.
    const BOUND: f64 = (1u64 << 62) as f64;
    if !(-BOUND..=BOUND).contains(&value) {
        return None;
    }
    let integer = value as i64;
    (integer as f64 == value).then_some(integer)
}

/// How a double is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DoubleForm {
    /// Replies and packed scores of Redis 7.2 and later and of Valkey: an integer in full up to ±2^62, else
    /// [`DoubleForm::Digits`].
    #[default]
    Shortest,
    /// DEBUG DIGEST of the same servers: few digits that read back as the same number, no care for integers.
    Digits,
    /// Redis up to 7.0, everywhere: C's `%.17g`.
    Seventeen,
}

/// The text of a double.
#[derive(Clone, Copy)]
pub struct DoubleText {
    bytes: [u8; DoubleText::BYTES_MAX],
    len: usize,
}

impl DoubleText {
    /// Sign, up to 18 digits, a point, and zeros or an exponent: `-1.2345678901234567e-308` has 24.
    const BYTES_MAX: usize = 32;

    fn new() -> DoubleText {
        DoubleText { bytes: [0; DoubleText::BYTES_MAX], len: 0 }
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn push(&mut self, text: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.len..self.len + text.len()) {
            room.copy_from_slice(text);
            self.len += text.len();
        }
    }

    fn push_zeros(&mut self, count: usize) {
        (0..count).for_each(|_| self.push(b"0"));
    }
}

impl Deref for DoubleText {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl std::fmt::Debug for DoubleText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.as_bytes()))
    }
}

impl std::fmt::Write for DoubleText {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

/// The text of `value`, byte for byte as a server writes it.
///
/// ```
/// use storage::score::{DoubleForm, format_double};
/// assert_eq!(format_double(0.1, DoubleForm::Shortest).as_bytes(), b"0.1");
/// assert_eq!(format_double(0.1, DoubleForm::Seventeen).as_bytes(), b"0.10000000000000001");
/// assert_eq!(format_double(1e17, DoubleForm::Shortest).as_bytes(), b"100000000000000000");
/// assert_eq!(format_double(1e17, DoubleForm::Digits).as_bytes(), b"1e+17");
/// ```
pub fn format_double(value: f64, form: DoubleForm) -> DoubleText {
    let mut text = DoubleText::new();
    if value.is_nan() {
        text.push(b"nan");
    } else if value.is_infinite() {
        text.push(if value > 0.0 { b"inf" } else { b"-inf" });
    } else if value == 0.0 {
        text.push(if value.is_sign_negative() { b"-0" } else { b"0" });
    } else {
        match form {
            DoubleForm::Shortest => match integer_of(value) {
                Some(integer) => text.push(itoa::Buffer::new().format(integer).as_bytes()),
                None => lay_out(&mut text, value),
            },
            DoubleForm::Digits => lay_out(&mut text, value),
            DoubleForm::Seventeen => lay_out_seventeen(&mut text, value),
        }
    }
    text
}

/// Plain while few zeros are needed at either end, else with an exponent.
fn lay_out(text: &mut DoubleText, value: f64) {
    let digits = digits::digits(value.abs());
    let (digits, scale) = (digits.as_bytes(), digits.scale);
    let count = digits.len() as i32; // at most 20
    let exponent = scale + count - 1;
    if value < 0.0 {
        text.push(b"-");
    }
    if (0..=7).contains(&scale) {
        text.push(digits);
        text.push_zeros(scale.unsigned_abs() as usize);
    } else if scale < 0 && (scale > -7 || exponent.abs() < 4) {
        match usize::try_from(count + scale) {
            Ok(whole @ 1..) => {
                let (before, after) = digits.split_at_checked(whole).unwrap_or((digits, b""));
                text.push(before);
                text.push(b".");
                text.push(after);
            }
            _ => {
                text.push(b"0.");
                text.push_zeros((count + scale).unsigned_abs() as usize);
                text.push(digits);
            }
        }
    } else {
        let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, b""));
        text.push(first);
        if !rest.is_empty() {
            text.push(b".");
            text.push(rest);
        }
        text.push(if exponent < 0 { b"e-" } else { b"e+" });
        text.push(itoa::Buffer::new().format(exponent.unsigned_abs()).as_bytes());
    }
}

/// C's `%.17g`.
fn lay_out_seventeen(text: &mut DoubleText, value: f64) {
    // Rust's `{:.16e}` is d.dddddddddddddddde±x, rounded exactly as C does.
    let mut scientific = DoubleText::new();
    let _ = write!(scientific, "{:.16e}", value.abs()); // 23 bytes at most
    let mut parts = scientific.as_bytes().split(|byte| *byte == b'e');
    let mut digits = [b'0'; 17];
    let mantissa = parts.next().unwrap_or_default().iter().filter(|byte| **byte != b'.');
    digits.iter_mut().zip(mantissa).for_each(|(slot, digit)| *slot = *digit);
    let exponent = parts.next().and_then(|text| std::str::from_utf8(text).ok()?.parse::<i32>().ok());
    let exponent = exponent.expect("the text of {:e} ends with an exponent");

    let kept = 1 + digits.iter().rposition(|digit| *digit != b'0').unwrap_or(0);
    let digits = digits.get(..kept).unwrap_or_default();
    if value < 0.0 {
        text.push(b"-");
    }
    match usize::try_from(exponent) {
        Err(_) if exponent >= -4 => {
            text.push(b"0.");
            text.push_zeros(exponent.unsigned_abs() as usize - 1);
            text.push(digits);
        }
        Ok(exponent @ 0..17) => match digits.split_at_checked(exponent + 1) {
            Some((whole, part)) => {
                text.push(whole);
                if !part.is_empty() {
                    text.push(b".");
                    text.push(part);
                }
            }
            None => {
                text.push(digits);
                text.push_zeros(exponent + 1 - digits.len());
            }
        },
        _ => {
            let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, b""));
            text.push(first);
            if !rest.is_empty() {
                text.push(b".");
                text.push(rest);
            }
            let _ = write!(text, "e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number, its ZSCORE from redis-8.10, and from redis-7.0. Some show that Grisu2 is not always shortest.
    #[rustfmt::skip]
    const FROM_SERVERS: &[(f64, &str, &str)] = &[
        (0.1, "0.1", "0.10000000000000001"),
        (-0.1, "-0.1", "-0.10000000000000001"),
        (0.3, "0.3", "0.29999999999999999"),
        (0.0001, "0.0001", "0.0001"),
        (1e-05, "0.00001", "1.0000000000000001e-05"),
        (0.0001234, "1.234e-4", "0.00012339999999999999"),
        (1e-06, "0.000001", "9.9999999999999995e-07"),
        (1e-07, "1e-7", "9.9999999999999995e-08"),
        (1.5e-07, "1.5e-7", "1.4999999999999999e-07"),
        (-0.5, "-0.5", "-0.5"),
        (100.0, "100", "100"),
        (1000000000000000.0, "1000000000000000", "1000000000000000"),
        (9007199254740992.0, "9007199254740992", "9007199254740992"),
        (1e+17, "100000000000000000", "1e+17"),
        (-1e+17, "-100000000000000000", "-1e+17"),
        (4.611686018427388e+18, "4611686018427387904", "4.6116860184273879e+18"),
        (9.223372036854776e+18, "9223372036854776000", "9.2233720368547758e+18"),
        (1e+19, "1e+19", "1e+19"),
        (1e+21, "1e+21", "1e+21"),
        (1e+300, "1e+300", "1.0000000000000001e+300"),
        (5e-324, "5e-324", "4.9406564584124654e-324"),
        (2.2250738585072014e-308, "2.2250738585072014e-308", "2.2250738585072014e-308"),
        (1.7976931348623157e+308, "1.7976931348623157e+308", "1.7976931348623157e+308"),
        (3.3333333333333335, "3.3333333333333335", "3.3333333333333335"),
        (-1039514241563211.8, "-1039514241563211.7", "-1039514241563211.8"),
        (-167.6396462956411, "-167.63964629564111", "-167.63964629564111"),
        (38714.83318102259, "3.8714833181022594e+4", "38714.833181022594"),
        (4.362590024312694e-12, "4.3625900243126936e-12", "4.3625900243126936e-12"),
        (-8.686239642804563e+22, "-86862396428045630000000", "-8.6862396428045626e+22"),
        (5.23456789012e+18, "5234567890119999000", "5.2345678901199995e+18"),
        (12345678901234.5, "12345678901234.5", "12345678901234.5"),
        (f64::INFINITY, "inf", "inf"),
        (f64::NEG_INFINITY, "-inf", "-inf"),
        (-735130000000.0, "-735130000000", "-735130000000"),
    ];

    #[test]
    fn the_text_of_a_score_is_the_servers() {
        for (value, shortest, seventeen) in FROM_SERVERS {
            assert_eq!(&format_double(*value, DoubleForm::Shortest)[..], shortest.as_bytes(), "{value:e}");
            assert_eq!(&format_double(*value, DoubleForm::Seventeen)[..], seventeen.as_bytes(), "{value:e}");
        }
    }

    #[test]
    fn a_digest_cares_not_for_integers() {
        for (value, text) in [
            (1e7, "10000000"),
            (1e8, "1e+8"),
            (1e17, "1e+17"),
            (-735130000000.0, "-735130000000"),
            (1234567890000000000.0, "1.23456789e+18"),
            (-0.0, "-0"),
            (0.0, "0"),
            (3.5, "3.5"),
        ] {
            assert_eq!(&format_double(value, DoubleForm::Digits)[..], text.as_bytes(), "{value:e}");
        }
    }

    #[test]
    fn both_zeros_are_one_score() {
        let (minus, plus) = (Score::or_zero(-0.0), Score::ZERO);
        assert_eq!(minus.cmp(&plus), Ordering::Equal);
        assert_eq!(minus, plus);
        assert_eq!(&format_double(minus.get(), DoubleForm::Shortest)[..], b"-0");
        assert_eq!((minus.as_integer(), plus.as_integer()), (None, Some(0)), "no integer is -0");
    }

    #[test]
    fn there_is_no_nan() {
        assert_eq!(Score::new(f64::NAN), None);
        assert_eq!(Score::or_zero(f64::INFINITY - f64::INFINITY), Score::ZERO);
        assert!(Score::MIN < Score::or_zero(-1e308) && Score::or_zero(1e308) < Score::MAX);
    }

    proptest::proptest! {
        #[test]
        fn every_text_reads_back_as_the_same_number(bits: u64) {
            let value = f64::from_bits(bits);
            proptest::prop_assume!(!value.is_nan());
            for form in [DoubleForm::Shortest, DoubleForm::Digits, DoubleForm::Seventeen] {
                let text = format_double(value, form);
                let read: f64 = std::str::from_utf8(&text)?.parse()?;
                proptest::prop_assert_eq!(read.to_bits(), bits, "{:?} {:?}", form, text);
            }
        }
    }
}
