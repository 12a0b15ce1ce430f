//! Arrays: the texts that their numbers stand for.

use rdb::ArrayElement;
use storage::score::{DoubleForm, format_double};
use storage::value::Array;
use storage::value::array::INDEX_MAX;

use super::{ConvertError, Value, corrupt};

/// Redis keeps a float without these bits: its own marks stand there.
const FLOAT_BITS_DROPPED: u64 = 0b11;

/// An array that comes in pieces.
#[derive(Debug)]
pub(super) struct ArrayBuilder(Array);

impl ArrayBuilder {
    /// An empty one; `last_insert` is where ARINSERT put something last.
    pub(super) fn new(last_insert: Option<u64>) -> Result<Self, ConvertError> {
        if last_insert.is_some_and(|index| index > INDEX_MAX) {
            return Err(corrupt("an array's place of insertion"));
        }
        let mut array = Array::default();
        array.set_last_insert(last_insert);
        Ok(ArrayBuilder(array))
    }

    /// Sets an element. The same index twice: the last one stays, as in Redis.
    pub(super) fn set(&mut self, index: u64, element: ArrayElement<'_>) -> Result<(), ConvertError> {
        if index > INDEX_MAX {
            return Err(corrupt("an array's index"));
        }
        match element {
            ArrayElement::Text(text) => self.0.set(index, text.bytes(&mut [0; 20])),
            ArrayElement::Int(value) => self.0.set(index, itoa::Buffer::new().format(value).as_bytes()),
            ArrayElement::Float(value) => self.0.set(index, &float(value)),
        };
        Ok(())
    }

    pub(super) fn finish(self) -> Option<Value> {
        (!self.0.is_empty()).then(|| self.0.into())
    }
}

/// The float that Redis keeps in the place of this text, which it gives again: plain decimals alone.
pub(crate) fn kept_as_float(text: &[u8]) -> Option<f64> {
    if !text.contains(&b'.') || text.contains(&b'e') {
        return None;
    }
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (float(value) == text).then_some(value)
}

/// The text of a float: such that a `.0` tells it from an integer.
fn float(value: f64) -> Vec<u8> {
    let value = f64::from_bits(value.to_bits() & !FLOAT_BITS_DROPPED);
    if value.is_nan() {
        return b"nan".to_vec();
    }
    let mut text = format_double(value, DoubleForm::Shortest).as_bytes().to_vec();
    if text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-') {
        text.extend_from_slice(b".0");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_as_a_float_only_where_that_gives_it_again() {
        // Whether DUMP of redis-8.10 has the text or a double.
        for text in ["-360.372032", "-1.12345", "1.5", "100000000.0", "33554432.0", "-0.0", "100000000.25"] {
            assert!(kept_as_float(text.as_bytes()).is_some(), "{text}");
        }
        for text in [
            // As doubles these have an exponent.
            "88500.0078125",
            "488500.08203125",
            "12562.585678100586",
            "0.1",
            "33.333333",
            "0.5000000",
            "17",
            ".5",
            "1.",
            "+1.5",
            "1.2676506002282294e+30",
            "x.y",
            "inf",
        ] {
            assert!(kept_as_float(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn floats_as_a_server_showed_them() {
        for (value, text) in [
            (1.5, "1.5"),
            (17.0, "17.0"),
            (-0.0, "-0.0"),
            (0.1, "0.09999999999999998"),
            (0.30000000000000004, "0.30000000000000004"),
            (1e300, "1e+300"),
            (f64::INFINITY, "inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(String::from_utf8(float(value)).unwrap(), text);
        }
    }
}
