//! Doubles as text, as the newest servers write them.
//!
//! Owns where the digits, the point and the exponent stand. Never chooses a dialect: a caller that follows an older
//! master hands its own text to [`crate::Reply::double_text`].

/// The text of a double: at most 17 digits, a sign, a point, and an exponent or some zeros.
#[derive(Clone, Copy, Debug)]
pub struct DoubleText {
    bytes: [u8; DoubleText::BYTES_MAX],
    len: usize,
}

impl DoubleText {
    /// Sign, 17 digits, point, and up to 7 zeros or `e-324`.
    const BYTES_MAX: usize = 32;

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn new(text: &[u8]) -> Self {
        let mut all = DoubleText { bytes: [0; DoubleText::BYTES_MAX], len: 0 };
        all.push(text);
        all
    }

    fn push(&mut self, text: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.len..self.len + text.len()) {
            room.copy_from_slice(text);
            self.len += text.len();
        }
    }

    fn zeros(&mut self, count: i32) {
        for _ in 0..count {
            self.push(b"0");
        }
    }
}

/// The shortest digits that read back as `value`, laid out as Redis 7.2 and later do:
/// plain up to 7 zeros after the digits or 6 before them, else with an exponent.
pub fn format_double(value: f64) -> DoubleText {
    if value.is_nan() {
        return DoubleText::new(b"nan");
    }
    if value.is_infinite() {
        return DoubleText::new(if value > 0.0 { b"inf" } else { b"-inf" });
    }
    if value == 0.0 {
        return DoubleText::new(if value.is_sign_negative() { b"-0" } else { b"0" });
    }
    let mut buffer = zmij::Buffer::new();
    let (digits, count, scale) = digits_of(buffer.format_finite(value.abs()).as_bytes());
    let digits = digits.get(..count).unwrap_or_default();
    let count = i32::try_from(count).unwrap_or(0);
    let mut text = DoubleText::new(if value < 0.0 { b"-" } else { b"" });
    let exponent = scale + count - 1;
    if scale >= 0 && exponent < count + 7 {
        text.push(digits);
        text.zeros(scale);
    } else if scale < 0 && (scale > -7 || exponent.abs() < 4) {
        let whole = count + scale;
        if whole <= 0 {
            text.push(b"0.");
            text.zeros(-whole);
            text.push(digits);
        } else {
            let (before, after) = digits.split_at(usize::try_from(whole).unwrap_or(0).min(digits.len()));
            text.push(before);
            text.push(b".");
            text.push(after);
        }
    } else {
        let (first, rest) = digits.split_at(1.min(digits.len()));
        text.push(first);
        if !rest.is_empty() {
            text.push(b".");
            text.push(rest);
        }
        text.push(if exponent < 0 { b"e-" } else { b"e+" });
        let mut number = itoa::Buffer::new();
        text.push(number.format(exponent.unsigned_abs()).as_bytes());
    }
    text
}

/// The significant digits of a positive decimal text, how many they are, and the power of ten of the last.
fn digits_of(text: &[u8]) -> ([u8; 32], usize, i32) {
    let mut digits = [0; 32];
    let mut count = 0;
    let mut scale = 0;
    let mut after_point = false;
    let mut rest = text.iter();
    for byte in rest.by_ref() {
        match byte {
            b'0'..=b'9' => {
                if after_point {
                    scale -= 1;
                }
                if *byte == b'0' && count == 0 {
                    continue;
                }
                if let Some(slot) = digits.get_mut(count) {
                    *slot = *byte;
                    count += 1;
                }
            }
            b'.' => after_point = true,
            _ => break, // the exponent
        }
    }
    let exponent = std::str::from_utf8(rest.as_slice()).ok().and_then(|text| text.parse::<i32>().ok());
    scale += exponent.unwrap_or(0);
    while count > 1 && digits.get(count - 1) == Some(&b'0') {
        count -= 1;
        scale += 1;
    }
    (digits, count, scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laid_out_as_redis_does() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (3.0, "3"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (1e7, "10000000"),
            (1e8, "1e+8"),
            (12e7, "120000000"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (1.25e-7, "1.25e-7"),
            (1e21, "1e+21"),
            (1.7976931348623157e308, "1.7976931348623157e+308"),
            (123456789012345680.0, "123456789012345680"),
            (3.3333333333333335, "3.3333333333333335"),
            (0.0001, "0.0001"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(format_double(value).as_bytes(), text.as_bytes(), "{value:e}");
        }
    }
}
