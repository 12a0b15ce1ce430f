//! One element of a packed value: an integer, or bytes.
//!
//! Owns the rule that tells which bytes are stored as an integer. Never owns the bytes.

/// An element as a listpack or intset stores it.
///
/// Equality here is of the stored form; [`Item::eq_bytes`] compares what a client sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// The decimal form of this integer.
    Int(i64),
    /// These bytes.
    Str(&'a [u8]),
}

impl<'a> Item<'a> {
    /// Its bytes, as a client sees them; an integer is written into `buffer`.
    ///
    /// ```
    /// use storage::packed::Item;
    /// assert_eq!(Item::Int(-7).as_bytes(&mut Default::default()), b"-7");
    /// ```
    pub fn as_bytes<'b>(self, buffer: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Item::Int(value) => buffer.format(value).as_bytes(),
            Item::Str(bytes) => bytes,
        }
    }

    /// Appends its bytes, as a client sees them.
    pub fn write_to(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes(&mut itoa::Buffer::new()));
    }

    /// Its bytes, as a client sees them.
    pub fn to_vec(self) -> Vec<u8> {
        self.as_bytes(&mut itoa::Buffer::new()).to_vec()
    }

    /// How many bytes a client sees.
    pub fn len(self) -> usize {
        match self {
            Item::Int(value) => {
                let digits = value.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1;
                digits + usize::from(value < 0)
            }
            Item::Str(bytes) => bytes.len(),
        }
    }

    /// Whether it is the empty string.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether a client sees exactly these bytes.
    pub fn eq_bytes(self, bytes: &[u8]) -> bool {
        match self {
            Item::Int(value) => parse_int(bytes) == Some(value),
            Item::Str(own) => own == bytes,
        }
    }

    /// The integer that it is, or that its bytes are the decimal form of.
    pub fn as_int(self) -> Option<i64> {
        match self {
            Item::Int(value) => Some(value),
            Item::Str(bytes) => parse_int(bytes),
        }
    }
}

impl<'a> From<&'a [u8]> for Item<'a> {
    /// In the form in which a packed value stores these bytes.
    fn from(bytes: &'a [u8]) -> Self {
        parse_int(bytes).map_or(Item::Str(bytes), Item::Int)
    }
}

/// The integer of which `bytes` are the one decimal form: no `+`, no spaces, no leading zeros, no `-0`.
///
/// ```
/// use storage::packed::parse_int;
/// assert_eq!(parse_int(b"-12"), Some(-12));
/// assert_eq!(parse_int(b"012"), None);
/// assert_eq!(parse_int(b"-0"), None);
/// ```
pub fn parse_int(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        // Nineteen digits are the longest i64; the multiplications below stay inside u64.
        [] | [_, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, ..] => return None,
        [b'0'] => return (!negative).then_some(0),
        [b'1'..=b'9', ..] => {}
        _ => return None,
    }
    let mut magnitude = 0u64;
    for &digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        magnitude = magnitude * 10 + u64::from(digit);
    }
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_one_decimal_form_is_an_integer() {
        for text in ["", "-", "+1", " 1", "1 ", "01", "-0", "-01", "1a", "a", "9223372036854775808"] {
            assert_eq!(parse_int(text.as_bytes()), None, "{text:?}");
        }
        for text in
            ["-9223372036854775809", "18446744073709551616", "99999999999999999999", "-99999999999999999999"]
        {
            assert_eq!(parse_int(text.as_bytes()), None, "{text:?}");
        }
        for value in [0, 1, -1, 9, 10, i64::MAX, i64::MIN, i64::MAX - 1, i64::MIN + 1] {
            assert_eq!(parse_int(value.to_string().as_bytes()), Some(value));
        }
    }

    proptest! {
        #[test]
        fn an_integer_is_as_long_as_its_text(value: i64) {
            let text = value.to_string();
            prop_assert_eq!(Item::Int(value).len(), text.len());
            prop_assert_eq!(Item::Int(value).to_vec(), text.as_bytes());
            prop_assert!(Item::Int(value).eq_bytes(text.as_bytes()));
            prop_assert_eq!(Item::from(text.as_bytes()), Item::Int(value));
        }

        #[test]
        fn what_parses_prints_the_same(text in "-?[0-9]{0,21}") {
            if let Some(value) = parse_int(text.as_bytes()) {
                prop_assert_eq!(value.to_string(), text);
            }
        }
    }
}
