//! What a slot of an array holds: eight bytes, which hold most values themselves.
//!
//! | low three bits | what stands above them |
//! |---|---|
//! | 0 | nothing: the slot is empty |
//! | 1 | an integer of 61 bits, the decimal form of which is the value |
//! | 2 | a string of at most seven bytes: its length, then the bytes |
//! | 3 | a decimal number: how many digits stand behind its point (5 bits), and all its digits as an integer of 56 |
//! | 4 | where a longer string stands beside the slots (32 bits) |
//!
//! Owns that form and its texts. Never owns the longer strings.

use crate::packed::parse_int;

const INT: u64 = 1;
const SHORT: u64 = 2;
const DECIMAL: u64 = 3;
const LONG: u64 = 4;
const TAG: u64 = 7;

/// The longest string that a word holds itself.
const SHORT_BYTES_MAX: usize = 7;
/// The integers that a word holds: 61 bits.
const INT_MAX: i64 = (1 << 60) - 1;
/// The digits of a decimal number that a word holds: 56 bits.
const DIGITS_MAX: i64 = (1 << 55) - 1;
/// Digits behind the point: 5 bits.
const DECIMALS_MAX: usize = 31;

/// A slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Word(u64);

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    Nothing,
    Inline(InlineText),
    Long(u32),
}

impl Word {
    /// A word that holds these bytes itself, if that can be.
    pub(super) fn inline(bytes: &[u8]) -> Option<Word> {
        if let Some(value) = parse_int(bytes).filter(|value| (-INT_MAX - 1..=INT_MAX).contains(value)) {
            return Some(Word((value.cast_unsigned() << 3) | INT));
        }
        if bytes.len() <= SHORT_BYTES_MAX {
            let all = bytes.iter().rev().fold(0u64, |all, byte| (all << 8) | u64::from(*byte));
            return Some(Word((all << 8) | ((bytes.len() as u64) << 3) | SHORT));
        }
        let (digits, decimals) = parse_decimal(bytes)?;
        Some(Word((digits.cast_unsigned() << 8) | ((decimals as u64) << 3) | DECIMAL))
    }

    /// A word that says where a longer string stands.
    pub(super) fn long(place: u32) -> Word {
        Word((u64::from(place) << 32) | LONG)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What it holds.
    pub(super) fn held(self) -> Held {
        match self.0 & TAG {
            INT => Held::Inline(InlineText::of_int(self.0.cast_signed() >> 3)),
            SHORT => {
                let len = usize::try_from((self.0 >> 3) & TAG).unwrap_or(0);
                let mut text = InlineText::default();
                text.push(self.0.to_le_bytes().get(1..=len).unwrap_or_default());
                Held::Inline(text)
            }
            DECIMAL => {
                let decimals = usize::try_from((self.0 >> 3) & 31).unwrap_or(0);
                Held::Inline(InlineText::of_decimal(self.0.cast_signed() >> 8, decimals))
            }
            LONG => Held::Long(u32::try_from(self.0 >> 32).unwrap_or(u32::MAX)),
            _ => Held::Nothing,
        }
    }
}

/// A number with a point, all its digits in one and how many stand behind the point; only when the two give the same
/// text again.
fn parse_decimal(bytes: &[u8]) -> Option<(i64, usize)> {
    let (negative, unsigned) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let point = unsigned.iter().position(|byte| *byte == b'.')?;
    let (whole, part) = (unsigned.get(..point)?, unsigned.get(point + 1..)?);
    let is_canonical = matches!(whole, [b'0'] | [b'1'..=b'9', ..]) && !part.is_empty();
    if !is_canonical || part.len() > DECIMALS_MAX || whole.len() + part.len() > 18 {
        return None;
    }
    let mut digits = 0i64;
    for byte in whole.iter().chain(part) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // Eighteen digits at most.
        digits = digits * 10 + i64::from(digit);
    }
    if digits > DIGITS_MAX || (negative && digits == 0) {
        return None;
    }
    Some((if negative { -digits } else { digits }, part.len()))
}

/// The text of a value that a word holds itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct InlineText {
    bytes: [u8; InlineText::BYTES_MAX],
    len: usize,
}

impl PartialEq for InlineText {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for InlineText {}

impl InlineText {
    /// A sign and 19 digits; or a sign, 18 digits and a point.
    const BYTES_MAX: usize = 24;

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn of_int(value: i64) -> InlineText {
        let mut text = InlineText::default();
        text.push(itoa::Buffer::new().format(value).as_bytes());
        text
    }

    fn of_decimal(digits: i64, decimals: usize) -> InlineText {
        let mut text = InlineText::default();
        if digits < 0 {
            text.push(b"-");
        }
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(digits.unsigned_abs()).as_bytes();
        // At least one digit stands before the point.
        let zeros = (decimals + 1).saturating_sub(digits.len());
        let mut left = digits.len() + zeros;
        for byte in std::iter::repeat_n(&b'0', zeros).chain(digits) {
            if left == decimals {
                text.push(b".");
            }
            text.push(&[*byte]);
            left -= 1;
        }
        text
    }

    fn push(&mut self, part: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.len..self.len + part.len()) {
            room.copy_from_slice(part);
            self.len += part.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(word: Word) -> Vec<u8> {
        match word.held() {
            Held::Inline(text) => text.as_bytes().to_vec(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_a_word_holds_comes_back() {
        let held = [
            "",
            "a",
            "abcdefg",
            "0",
            "-1",
            "1152921504606846975",
            "-1152921504606846976",
            "007",
            "-0",
            "1.5",
            "-0.0",
            "3.14159265",
            "-3.14159265",
            "0.00000001",
            "123456.78900",
            "-0.123456789",
            "360287970189639.67",
            "0.00000000000000001",
        ];
        for value in held {
            let word = Word::inline(value.as_bytes()).unwrap_or_else(|| panic!("{value} does not fit"));
            assert!(!word.is_empty());
            assert_eq!(text(word), value.as_bytes(), "{value}");
        }
        for value in [
            "abcdefgh",
            "1152921504606846976",
            "00.12345678",
            "1.2345678e5",
            "-0.00000000",
            ".12345678",
            "12345678.",
        ] {
            assert_eq!(Word::inline(value.as_bytes()), None, "{value}");
        }
        assert_eq!(Word::long(7).held(), Held::Long(7));
        assert_eq!(Word::default().held(), Held::Nothing);
    }

    proptest! {
        #[test]
        fn any_number_comes_back(value in "-?[0-9]{0,19}(\\.[0-9]{0,20})?") {
            if let Some(word) = Word::inline(value.as_bytes()) {
                prop_assert_eq!(text(word), value.as_bytes());
            }
        }
    }
}
