//! Numbers in arguments, by Redis' rules.
//!
//! Owns which texts are integers and floats. Never allocates; never says what a command does with a bad one.

/// An integer, exactly as Redis reads one: decimal, no blank, no plus, no leading zero, no `-0`, within 64 bits.
///
/// ```
/// use protocol::number::parse_int;
/// assert_eq!(parse_int(b"-42"), Some(-42));
/// assert_eq!(parse_int(b"+1"), None);
/// assert_eq!(parse_int(b"01"), None);
/// assert_eq!(parse_int(b"9223372036854775808"), None);
/// ```
pub fn parse_int(text: &[u8]) -> Option<i64> {
    match text {
        [b'-', digits @ ..] => {
            if digits == b"9223372036854775808" {
                return Some(i64::MIN);
            }
            let value = parse_digits(digits)?;
            if value == 0 { None } else { i64::try_from(value).ok().map(|value| -value) }
        }
        digits => i64::try_from(parse_digits(digits)?).ok(),
    }
}

/// An unsigned integer by the same rules (stream ids, for one).
pub fn parse_uint(text: &[u8]) -> Option<u64> {
    parse_digits(text)
}

/// An unsigned integer as the parts of stream IDs and the indices of arrays are read: by the rules of [`parse_int`],
/// or else as C's `strtoull` does (blanks before it, a sign, leading zeros; what follows a NUL does not count).
///
/// ```
/// use protocol::number::parse_uint_loose;
/// assert_eq!(parse_uint_loose(b"18446744073709551615"), Some(u64::MAX));
/// assert_eq!(parse_uint_loose(b" +007"), Some(7));
/// assert_eq!(parse_uint_loose(b"-1"), None);
/// assert_eq!(parse_uint_loose(b"1 "), None);
/// ```
pub fn parse_uint_loose(text: &[u8]) -> Option<u64> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    if let Some(value) = parse_int(text) {
        return u64::try_from(value).ok();
    }
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    let (negative, digits) = match text.get(blanks..)? {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value = 0u64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(if negative { value.wrapping_neg() } else { value })
}

fn parse_digits(digits: &[u8]) -> Option<u64> {
    match digits {
        [] => return None,
        [b'0'] => return Some(0),
        [b'0', ..] => return None,
        _ => {}
    }
    if digits.len() > 20 {
        return None;
    }
    let mut value = 0u64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

/// A float, as Redis reads one (`strtod` over the whole text): `inf` and `infinity` in any case, hexadecimal too; no
/// NaN, no blank. What is too large for a double or too small for one is none, but where 8.10 takes it for infinity or
/// for zero: in at most 19 digits, times a power of ten from -342 to 308. (Older servers take none of it, so no master
/// of theirs passes it on.)
///
/// ```
/// use protocol::number::parse_float;
/// assert_eq!(parse_float(b"-.5e1"), Some(-5.0));
/// assert_eq!(parse_float(b"+inf"), Some(f64::INFINITY));
/// assert_eq!(parse_float(b"0x1p3"), Some(8.0));
/// assert_eq!(parse_float(b"nan"), None);
/// assert_eq!(parse_float(b"1e400"), None);
/// assert_eq!(parse_float(b"1.8e308"), Some(f64::INFINITY));
/// assert_eq!(parse_float(b" 1"), None);
/// ```
pub fn parse_float(text: &[u8]) -> Option<f64> {
    float(text, false)
}

/// The same, but that what is too large or too small is always infinity or zero.
///
/// ```
/// use protocol::number::parse_float_or_nearest;
/// assert_eq!(parse_float_or_nearest(b"-1e400"), Some(f64::NEG_INFINITY));
/// assert_eq!(parse_float_or_nearest(b"1e-400"), Some(0.0));
/// ```
pub fn parse_float_or_nearest(text: &[u8]) -> Option<f64> {
    float(text, true)
}

fn float(text: &[u8], or_nearest: bool) -> Option<f64> {
    if let Some(value) = parse_short_integer(text) {
        return Some(value);
    }
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if let [b'0', b'x' | b'X', digits @ ..] = unsigned {
        let (value, is_exact) = parse_hex(digits)?;
        if !is_exact && !or_nearest {
            return None;
        }
        return Some(if negative { -value } else { value });
    }
    if unsigned.eq_ignore_ascii_case(b"inf") || unsigned.eq_ignore_ascii_case(b"infinity") {
        return Some(if negative { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    if !unsigned.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.') {
        return None;
    }
    // What is left of Rust's grammar is strtod's decimal one.
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let is_beyond = value.is_infinite() || value == 0.0 && !is_zero(unsigned);
    if is_beyond && !or_nearest && !is_in_reach(unsigned) { None } else { Some(value) }
}

/// Whether Redis 8.10 takes a decimal number that is beyond a double for the nearest thing, and does not refuse it: it
/// has at most 19 digits from the first that is not zero on, and as an integer times a power of ten that power is one
/// of those that its table has. Found by asking one.
fn is_in_reach(unsigned: &[u8]) -> bool {
    const DIGITS_MAX: usize = 19;
    const POWERS: std::ops::RangeInclusive<i64> = -342..=308;
    let mut halves = unsigned.splitn(2, |byte| matches!(byte, b'e' | b'E'));
    let mantissa = halves.next().unwrap_or_default();
    // What does not fit is far beyond the table.
    let power = halves.next().map_or(Some(0), |power| std::str::from_utf8(power).ok()?.parse::<i64>().ok());
    let fraction = mantissa.iter().rev().position(|byte| *byte == b'.').unwrap_or_default();
    let digits = mantissa.iter().filter(|byte| **byte != b'.').skip_while(|digit| **digit == b'0').count();
    let fraction = i64::try_from(fraction).unwrap_or(i64::MAX);
    let power = power.and_then(|power| power.checked_sub(fraction));
    digits <= DIGITS_MAX && power.is_some_and(|power| POWERS.contains(&power))
}

/// Most scores are short integers: their value is exact and cheap.
fn parse_short_integer(text: &[u8]) -> Option<f64> {
    if text.is_empty() || text.len() > 9 {
        return None;
    }
    let mut value = 0u32;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u32::from(digit); // nine digits fit
    }
    Some(f64::from(value))
}

/// Whether the digits before an exponent are all zero.
fn is_zero(unsigned: &[u8]) -> bool {
    unsigned.iter().take_while(|byte| !matches!(byte, b'e' | b'E')).all(|byte| matches!(byte, b'0' | b'.'))
}

/// A C hexadecimal float after its `0x`: digits with a point somewhere, then maybe `p` and a power of two. Says whether
/// it is a double, and not only next to one that is infinite or zero.
fn parse_hex(text: &[u8]) -> Option<(f64, bool)> {
    let (digits, power) = match text.iter().position(|byte| matches!(byte, b'p' | b'P')) {
        Some(at) => (text.get(..at)?, parse_power(text.get(at + 1..)?)?),
        None => (text, 0),
    };
    let mut mantissa = 0u64;
    let mut power: i64 = power;
    let mut lost = false;
    let mut seen_digit = false;
    let mut seen_point = false;
    for byte in digits {
        if *byte == b'.' {
            if seen_point {
                return None;
            }
            seen_point = true;
            continue;
        }
        let digit = char::from(*byte).to_digit(16)?;
        seen_digit = true;
        if mantissa >> 58 == 0 {
            mantissa = mantissa << 4 | u64::from(digit);
            power -= if seen_point { 4 } else { 0 };
        } else {
            // Below the 53 bits that count, only whether anything was there matters.
            lost |= digit != 0;
            power += if seen_point { 0 } else { 4 };
        }
    }
    if !seen_digit {
        return None;
    }
    if mantissa == 0 {
        return Some((0.0, true));
    }
    let value = scale(mantissa | u64::from(lost), power);
    Some((value, value.is_finite() && value != 0.0))
}

/// The number after an exponent's letter, in decimal; what is far out of range is kept out of range.
pub fn parse_power(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0i64, |sum, digit| (sum * 10 + i64::from(digit - b'0')).min(1 << 40));
    Some(if negative { -value } else { value })
}

/// `mantissa * 2^power`, rounded once, to even.
fn scale(mantissa: u64, power: i64) -> f64 {
    let bits = 64 - i64::from(mantissa.leading_zeros());
    let top = bits + power; // the value lies in [2^(top-1), 2^top)
    if top > 1024 {
        return f64::INFINITY;
    }
    // How many low bits do not fit: 53 count, fewer for subnormals.
    let kept = (top + 1074).min(53);
    if kept < 0 {
        return 0.0;
    }
    let drop = (bits - kept).max(0);
    let rounded = match u32::try_from(drop) {
        Ok(0) => mantissa,
        Ok(drop) if drop <= 64 => {
            let wide = u128::from(mantissa);
            let whole = wide >> drop;
            let rest = wide & ((1 << drop) - 1);
            let half = 1u128 << (drop - 1);
            let up = rest > half || rest == half && whole & 1 == 1;
            u64::try_from(whole + u128::from(up)).unwrap_or(u64::MAX)
        }
        _ => 0,
    };
    let power = power + drop;
    // Both factors are exact: `rounded` has 53 bits at most, and the power is split so that each part is a double.
    let half = power / 2;
    rounded as f64 * exp2(half) * exp2(power - half)
}

fn exp2(power: i64) -> f64 {
    2f64.powi(i32::try_from(power.clamp(-2000, 2000)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers_as_redis_reads_them() {
        for (text, value) in [
            ("0", Some(0)),
            ("-0", None),
            ("", None),
            ("-", None),
            ("+5", None),
            ("05", None),
            ("-05", None),
            (" 5", None),
            ("5 ", None),
            ("1e2", None),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("-9223372036854775808", Some(i64::MIN)),
            ("-9223372036854775809", None),
            ("99999999999999999999999", None),
        ] {
            assert_eq!(parse_int(text.as_bytes()), value, "{text}");
        }
        assert_eq!(parse_uint(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_uint(b"18446744073709551616"), None);
    }

    #[test]
    fn floats_as_real_servers_read_them() {
        // From ZADD on redis-6.2 to 8.10.
        for (text, value) in [
            ("", None),
            ("0x10", Some(16.0)),
            ("0x1p3", Some(8.0)),
            ("0X1F", Some(31.0)),
            ("0x", None),
            ("0x.8", Some(0.5)),
            ("0x1.8p-1", Some(0.75)),
            ("0x1p-1074", Some(5e-324)),
            ("0x1p1024", None),
            ("0x1.fffffffffffff8p0", Some(2.0)),
            ("1e400", None),
            ("1e-400", None),
            ("0e-400", Some(0.0)),
            ("0.000e400", Some(0.0)),
            ("4e-320", Some(4e-320)),
            ("nan", None),
            ("-nan", None),
            ("nan(1)", None),
            ("infinity", Some(f64::INFINITY)),
            ("INF", Some(f64::INFINITY)),
            ("-infinity", Some(f64::NEG_INFINITY)),
            ("infx", None),
            ("+5", Some(5.0)),
            ("+-5", None),
            ("5 ", None),
            ("1_0", None),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            (".", None),
            ("e5", None),
            ("1E+5", Some(1e5)),
            ("1e", None),
            ("1e+", None),
            ("00012", Some(12.0)),
            ("5\0", None),
            ("\t5", None),
            ("999999999", Some(999_999_999.0)),
            ("1e309", None),
        ] {
            assert_eq!(parse_float(text.as_bytes()), value, "{text}");
        }
        assert!(parse_float(b"-0").unwrap().is_sign_negative());
        assert!(parse_float(b"-1e-324").unwrap().is_sign_negative());
    }

    /// As redis-8.10 answers to ZADD and ZSCORE.
    #[test]
    fn what_is_beyond_a_double_is_infinite_or_zero_as_far_as_the_table_goes() {
        let (ones, zeros) = ("1".repeat(30), "0".repeat(400));
        let taken = [
            "1.8e308",
            "1.7976931348623159e308",
            "9e308",
            "9e0308",
            "1.0e309",
            "123e307",
            "1000e306",
            &format!("{}e308", &ones[..19]),
            &format!("1.{}e309", &zeros[..18]),
        ];
        let refused = [
            "1e309",
            "1.0e310",
            "0.1e310",
            "1e99999999999999999999",
            &format!("{}e290", &ones[..20]),
            &format!("1{}", &zeros[..309]),
            &format!("1{}e-1", &zeros[..310]),
            &format!("1.{}e309", &zeros[..19]),
            "0x1p1024",
        ];
        let nothing = ["2.4e-324", "1e-342", "00.001e-339", &format!("{}e-342", &ones[..19])];
        let nothing = nothing.map(str::to_owned).into_iter().chain([format!("0.{}1", &zeros[..341])]);
        let lost = ["1e-343", "10e-343", "0x1p-1075"];
        let lost = lost.map(str::to_owned).into_iter().chain([
            format!("{}e-344", &ones[..20]),
            format!("0.{}1", &zeros[..342]),
            format!("0.{}{}", &zeros[..340], &ones[..25]),
        ]);
        for text in taken {
            assert_eq!(parse_float(text.as_bytes()), Some(f64::INFINITY), "{text}");
            assert_eq!(parse_float(format!("-{text}").as_bytes()), Some(f64::NEG_INFINITY), "{text}");
        }
        for text in refused.map(str::to_owned).into_iter().chain(lost) {
            assert_eq!(parse_float(text.as_bytes()), None, "{text}");
        }
        for text in nothing {
            assert_eq!(parse_float(text.as_bytes()), Some(0.0), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read(value: i64, float: f64) {
            prop_assert_eq!(parse_int(value.to_string().as_bytes()), Some(value));
            if !float.is_nan() {
                prop_assert_eq!(parse_float(format!("{float:e}").as_bytes()), Some(float));
            }
            if let Ok(value) = u64::try_from(value) {
                prop_assert_eq!(parse_float(format!("{value:#x}").as_bytes()), Some(value as f64));
            }
        }
    }
}
