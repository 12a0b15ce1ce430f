//! Strings: an integer, bytes in the entry, or bytes out of line behind a count.
//!
//! They are out of line above 64 KiB, or where that takes less.
//!
//! Owns which of these a string is. Never knows what its bytes mean (bits, HyperLogLog and geo have their own
//! modules).

use bytes::{Bytes, BytesMut};

use super::{Kind, Value, ValueKind};
use crate::memory::size_class;

/// From here on a string lives out of line, so that a reply can keep it after the shard's lock is gone.
pub const INLINE_BYTES_MAX: usize = 64 * 1024;

/// What an entry has beside its value: a header, and a key of usual length.
const BESIDE_BYTES: usize = 32;
/// What must be gained by it before a string lives out of line for its length alone: that takes 40 bytes more, and a
/// look at two more places.
const GAIN_BYTES_MIN: usize = 256;

/// Whether a string of so many bytes lives out of line.
///
/// The allocator's classes are a fourth of a power of two apart: a value of 1,024 bytes fills one, and with a key
/// before it would take 1,280.
pub(crate) fn is_long(bytes: usize) -> bool {
    bytes > INLINE_BYTES_MAX || size_class(bytes + BESIDE_BYTES) - size_class(bytes) >= GAIN_BYTES_MIN
}

/// The longest string that Redis keeps in one piece with its object, and calls `embstr`.
const EMBSTR_BYTES_MAX: usize = 44;

/// The longest decimal form of an `i64`: a sign and 19 digits.
const INT_DIGITS_MAX: usize = 20;

/// A string's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// A string that is the decimal form of an `i64`, and is told so (`OBJECT ENCODING` says `int`).
    Int(i64),
    /// Bytes as they were set: `embstr` up to 44 bytes, `raw` above.
    Short(Vec<u8>),
    /// Bytes that were edited (APPEND, SETRANGE, SETBIT): `raw` at any length.
    Raw(Vec<u8>),
    /// Above [`INLINE_BYTES_MAX`] bytes, or of a length that takes less room out of line.
    Long(Bytes),
}

/// A string looked at where it is stored.
#[derive(Clone, Copy, Debug)]
pub enum TextRef<'a> {
    /// see [`Text::Int`]
    Int(i64),
    /// see [`Text::Short`]
    Short(&'a [u8]),
    /// see [`Text::Raw`]
    Raw(&'a [u8]),
    /// see [`Text::Long`]
    Long(&'a Bytes),
}

/// Room for the digits of a string that is stored as an integer; see [`TextRef::bytes`].
pub type Digits = itoa::Buffer;

/// The integer whose decimal form `bytes` is, exactly: no `+`, no space, no leading zero, no `-0`.
pub fn canonical_int(bytes: &[u8]) -> Option<i64> {
    if bytes.len() > INT_DIGITS_MAX {
        return None;
    }
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [] => return None,
        [b'0'] => return if negative { None } else { Some(0) },
        [b'0', ..] => return None,
        _ => {}
    }
    let mut number: i64 = 0;
    for &digit in digits {
        let digit = i64::from(digit.checked_sub(b'0').filter(|digit| *digit <= 9)?);
        number = number.checked_mul(10)?;
        number = if negative { number.checked_sub(digit)? } else { number.checked_add(digit)? };
    }
    Some(number)
}

impl Text {
    /// What SET stores: an integer when `bytes` is the decimal form of one.
    pub fn new(bytes: &[u8]) -> Text {
        match canonical_int(bytes) {
            Some(number) => Text::Int(number),
            None if is_long(bytes.len()) => Text::Long(Bytes::copy_from_slice(bytes)),
            None => Text::Short(bytes.to_vec()),
        }
    }

    /// The same from bytes that are owned already: a long string is not copied.
    pub fn from_vec(bytes: Vec<u8>) -> Text {
        match canonical_int(&bytes) {
            Some(number) => Text::Int(number),
            None if is_long(bytes.len()) => Text::Long(bytes.into()),
            None => Text::Short(bytes),
        }
    }

    /// Bytes that an edit made: never an integer again, `raw` at any length.
    pub fn edited(bytes: Vec<u8>) -> Text {
        if is_long(bytes.len()) { Text::Long(bytes.into()) } else { Text::Raw(bytes) }
    }

    /// Read access.
    pub fn view(&self) -> TextRef<'_> {
        match self {
            Text::Int(number) => TextRef::Int(*number),
            Text::Short(bytes) => TextRef::Short(bytes),
            Text::Raw(bytes) => TextRef::Raw(bytes),
            Text::Long(bytes) => TextRef::Long(bytes),
        }
    }

    /// Changes the bytes in place, and leaves them `raw`. A long string that a reply still holds is copied
    /// first; any other is edited where it is.
    pub fn edit<R>(&mut self, change: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        let mut bytes = match std::mem::take(self) {
            Text::Int(number) => itoa::Buffer::new().format(number).as_bytes().to_vec(),
            Text::Short(bytes) | Text::Raw(bytes) => bytes,
            Text::Long(bytes) => Vec::from(match bytes.try_into_mut() {
                Ok(owned) => owned,
                Err(shared) => BytesMut::from(&*shared),
            }),
        };
        let answer = change(&mut bytes);
        *self = Text::edited(bytes);
        answer
    }
}

impl Default for Text {
    fn default() -> Self {
        Text::Short(Vec::new())
    }
}

impl<'a> TextRef<'a> {
    /// The string's bytes; `digits` lends room when it is stored as an integer.
    pub fn bytes<'b>(self, digits: &'b mut Digits) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            TextRef::Int(number) => digits.format(number).as_bytes(),
            TextRef::Short(bytes) | TextRef::Raw(bytes) => bytes,
            TextRef::Long(bytes) => bytes,
        }
    }

    /// A copy of the bytes.
    pub fn to_vec(self) -> Vec<u8> {
        self.bytes(&mut Digits::new()).to_vec()
    }

    /// An owned copy (of a long string, only its count is raised).
    pub fn to_text(self) -> Text {
        match self {
            TextRef::Int(number) => Text::Int(number),
            TextRef::Short(bytes) => Text::Short(bytes.to_vec()),
            TextRef::Raw(bytes) => Text::Raw(bytes.to_vec()),
            TextRef::Long(bytes) => Text::Long(bytes.clone()),
        }
    }

    /// A long string's bytes behind their count, which a reply may keep; `None` for one that is short enough to
    /// be copied.
    pub fn shared(self) -> Option<Bytes> {
        match self {
            TextRef::Long(bytes) if bytes.len() > INLINE_BYTES_MAX => Some(bytes.clone()),
            _ => None,
        }
    }

    /// How many bytes.
    pub fn len(self) -> usize {
        self.bytes(&mut Digits::new()).len()
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// `OBJECT ENCODING`'s answer.
    pub fn encoding(self) -> &'static str {
        match self {
            TextRef::Int(_) => "int",
            TextRef::Short(bytes) if bytes.len() <= EMBSTR_BYTES_MAX => "embstr",
            _ => "raw",
        }
    }

    /// Bytes of the allocations behind the entry.
    pub fn heap_bytes(self) -> usize {
        match self {
            // The box with the handle, and the bytes. Once a reply has kept them there is a count beside them, of 32
            // bytes.
            TextRef::Long(bytes) => size_of::<Bytes>() + size_class(bytes.len()),
            _ => 0,
        }
    }

    /// Whether both have the same bytes.
    pub fn same(self, other: TextRef<'_>) -> bool {
        match (self, other) {
            (TextRef::Int(mine), TextRef::Int(other)) => mine == other,
            _ => self.bytes(&mut Digits::new()) == other.bytes(&mut Digits::new()),
        }
    }
}

impl From<Text> for Value {
    fn from(text: Text) -> Value {
        Value::String(text)
    }
}

impl ValueKind for Text {
    const KIND: Kind = Kind::String;

    fn from_value(value: Value) -> Result<Self, Value> {
        match value {
            Value::String(text) => Ok(text),
            other => Err(other),
        }
    }

    fn is_gone(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_decimal_form_is_an_integer() {
        for (bytes, number) in [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("-9223372036854775809", None),
            ("00", None),
            ("01", None),
            ("-0", None),
            ("+1", None),
            (" 1", None),
            ("1 ", None),
            ("", None),
            ("-", None),
            ("1a", None),
            ("123456789012345678901", None),
        ] {
            assert_eq!(canonical_int(bytes.as_bytes()), number, "{bytes:?}");
        }
    }

    #[test]
    fn encodings_are_those_of_redis() {
        assert_eq!(Text::new(b"12").view().encoding(), "int");
        assert_eq!(Text::new(&[b'x'; 44]).view().encoding(), "embstr");
        assert_eq!(Text::new(&[b'x'; 45]).view().encoding(), "raw");
        assert_eq!(Text::new(&[b'x'; 1024]).view().encoding(), "raw");
        assert_eq!(Text::new(&[b'x'; INLINE_BYTES_MAX + 1]).view().encoding(), "raw");
    }

    #[test]
    fn what_fills_a_class_of_the_allocator_lives_out_of_line() {
        let is_apart = |bytes| matches!(Text::new(&vec![b'x'; bytes]), Text::Long(_));
        assert!([1000, 1024, 1280, 2048, 4090, 65_536].into_iter().all(is_apart));
        assert!(![100, 512, 640, 900, 1025, 1100, 1300, 3000].into_iter().any(is_apart));
        // Nothing is shared for so little: a reply copies it.
        assert!(Text::new(&[b'x'; 1024]).view().shared().is_none());
    }

    #[test]
    fn an_edited_string_is_raw_and_crosses_to_long() {
        let mut text = Text::new(b"12");
        text.edit(|bytes| bytes.extend_from_slice(b"3"));
        assert_eq!(text, Text::Raw(b"123".to_vec()));
        text.edit(|bytes| bytes.resize(INLINE_BYTES_MAX + 1, b'x'));
        assert!(matches!(text, Text::Long(_)));
        let kept = text.view().shared().unwrap();
        text.edit(|bytes| bytes.truncate(2));
        assert_eq!((text, kept.len()), (Text::Raw(b"12".to_vec()), INLINE_BYTES_MAX + 1));
    }
}
