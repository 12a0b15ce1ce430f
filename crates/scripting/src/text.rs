//! Numbers as text and back, as C's library does it.
//!
//! Owns `%.*g` and `strtod`, which Lua, cjson and Redis write and read numbers with.

/// The digits of Lua's own texts: `%.14g`.
pub(crate) const LUA_DIGITS: usize = 14;

/// What `%.<digits>g` prints.
pub(crate) fn general(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        let sign = if value.is_sign_negative() { "-" } else { "" };
        return format!("{sign}{}", if value.is_nan() { "nan" } else { "inf" });
    }
    let digits = digits.max(1);
    let scientific = format!("{:.*e}", digits - 1, value);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific.as_str(), "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let shown = i32::try_from(digits).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= shown {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trimmed(mantissa), exponent.unsigned_abs());
    }
    let decimals = usize::try_from(shown - 1 - exponent).unwrap_or(0);
    trimmed(&format!("{value:.decimals$}")).to_owned()
}

/// Without the zeros at the end of a fraction.
fn trimmed(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// The number at the front of `text`, and how many bytes it takes, as `strtod` reads it: with its sign, in hexadecimal,
/// `inf` and `nan` too. Blanks before it are not passed over.
pub(crate) fn number_prefix(text: &[u8]) -> Option<(f64, usize)> {
    let (negative, start) = match text.first() {
        Some(b'-') => (true, 1),
        Some(b'+') => (false, 1),
        _ => (false, 0),
    };
    let rest = text.get(start..)?;
    let (value, used) = unsigned_prefix(rest)?;
    Some((if negative { -value } else { value }, start + used))
}

fn unsigned_prefix(text: &[u8]) -> Option<(f64, usize)> {
    let begins = |word: &[u8]| text.get(..word.len()).is_some_and(|front| front.eq_ignore_ascii_case(word));
    if begins(b"infinity") {
        return Some((f64::INFINITY, 8));
    }
    if begins(b"inf") {
        return Some((f64::INFINITY, 3));
    }
    if begins(b"nan") {
        return Some((f64::NAN, 3));
    }
    if begins(b"0x")
        && let Some((value, used)) = text.get(2..).and_then(hexadecimal)
    {
        return Some((value, used + 2));
    }
    let digits_from = |at: usize| text.iter().skip(at).take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits_from(0);
    let mut used = whole;
    let mut digits = whole;
    if text.get(used) == Some(&b'.') {
        let decimals = digits_from(used + 1);
        digits += decimals;
        used += 1 + decimals;
    }
    if digits == 0 {
        return None;
    }
    if matches!(text.get(used), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(used + 1), Some(b'-' | b'+')));
        let exponent = digits_from(used + 1 + sign);
        if exponent > 0 {
            used += 1 + sign + exponent;
        }
    }
    let number = std::str::from_utf8(text.get(..used)?).ok()?;
    Some((number.parse().ok()?, used))
}

/// What follows `0x`, a fraction and a power of two included.
fn hexadecimal(text: &[u8]) -> Option<(f64, usize)> {
    let (mut value, mut used, mut digits, mut scale) = (0.0_f64, 0, 0, 0_i32);
    let mut in_fraction = false;
    while let Some(byte) = text.get(used) {
        if *byte == b'.' && !in_fraction {
            in_fraction = true;
        } else if let Some(digit) = char::from(*byte).to_digit(16) {
            value = value * 16.0 + f64::from(digit);
            digits += 1;
            scale -= if in_fraction { 4 } else { 0 };
        } else {
            break;
        }
        used += 1;
    }
    if digits == 0 {
        return None;
    }
    if matches!(text.get(used), Some(b'p' | b'P')) {
        let sign = usize::from(matches!(text.get(used + 1), Some(b'-' | b'+')));
        let power = text.get(used + 1..).unwrap_or_default();
        let count = power.iter().skip(sign).take_while(|byte| byte.is_ascii_digit()).count();
        let power = std::str::from_utf8(power.get(..sign + count)?).ok()?;
        if let Ok(power) = power.parse::<i32>() {
            scale = scale.saturating_add(power);
            used += 1 + sign + count;
        }
    }
    Some((value * 2.0_f64.powi(scale), used))
}

/// The number that a whole text is for Lua, blanks around it allowed.
pub(crate) fn parse_number(text: &[u8]) -> Option<f64> {
    let is_blank = |byte: &&u8| byte.is_ascii_whitespace() || **byte == 0x0b;
    let blanks = text.iter().take_while(is_blank).count();
    let rest = text.get(blanks..)?;
    let (value, used) = number_prefix(rest)?;
    rest.get(used..)?.iter().all(|byte| is_blank(&byte)).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_printf_writes_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (0.1, "0.1"),
            (1e15, "1e+15"),
            (1e14, "1e+14"),
            (12_345_678_901_234.0, "12345678901234"),
            (123_456_789_012_345.0, "1.2345678901234e+14"),
            (0.0001, "0.0001"),
            (0.000_01, "1e-05"),
            (9.999_999_999_999_99, "10"),
            (9_007_199_254_740_993.0, "9.007199254741e+15"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (5e-324, "4.9406564584125e-324"),
        ] {
            assert_eq!(general(value, LUA_DIGITS), text);
        }
        assert_eq!(general(0.1, 17), "0.10000000000000001");
        assert_eq!(general(1234.5, 3), "1.23e+03");
    }

    #[test]
    fn as_strtod_reads_them() {
        for (text, value, used) in [
            ("12abc", 12.0, 2),
            ("-1.5e3x", -1500.0, 6),
            ("1.", 1.0, 2),
            (".5", 0.5, 2),
            ("1e", 1.0, 1),
            ("0x10", 16.0, 4),
            ("0x.8p1", 1.0, 6),
            ("0x", 0.0, 1),
            ("infinity!", f64::INFINITY, 8),
        ] {
            assert_eq!(number_prefix(text.as_bytes()), Some((value, used)), "{text}");
        }
        assert_eq!(number_prefix(b"x"), None);
        assert_eq!(number_prefix(b"."), None);
        assert_eq!(parse_number(b" 10 "), Some(10.0));
        assert_eq!(parse_number(b"10x"), None);
    }
}
