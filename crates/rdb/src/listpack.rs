//! The listpack, as far as this crate must look into one: the field names of a hash template.
//!
//! Layout: total bytes (u32 LE), count (u16 LE, 65535: count yourself), elements, 0xFF. An element is its
//! encoding byte with the integer's or string's bytes, then the length of all that, in one to five bytes that
//! are read backwards.

use crate::Str;

/// A listpack's elements, in order; [`None`] for the first that is not whole.
pub(crate) struct Elements<'a> {
    rest: &'a [u8],
    at: usize,
    ended: bool,
}

/// The header's length.
const HEADER_BYTES: usize = 6;

impl<'a> Elements<'a> {
    /// The elements of `bytes`, whose header is checked here and whose elements as they are read.
    pub(crate) fn of(bytes: &'a [u8]) -> Option<Self> {
        let (total, _) = bytes.split_first_chunk::<4>()?;
        let whole =
            usize::try_from(u32::from_le_bytes(*total)) == Ok(bytes.len()) && bytes.len() > HEADER_BYTES;
        whole.then_some(Elements { rest: bytes, at: HEADER_BYTES, ended: false })
    }

    /// The next one; [`None`] at the end, and where the bytes are no element ([`Elements::is_whole`]).
    pub(crate) fn next(&mut self) -> Option<Str<'a>> {
        let from = self.rest.get(self.at..)?;
        let (&first, _) = from.split_first()?;
        if first == 0xff {
            self.ended = from.len() == 1;
            return None;
        }
        let integer = |skip: usize, width: usize| -> Option<Str<'a>> {
            let bytes = from.get(skip..skip + width)?;
            // Little endian, sign in the last byte.
            let sign = bytes.last().map_or(0, |last| if last & 0x80 == 0 { 0 } else { -1 });
            Some(Str::Int(bytes.iter().rev().fold(sign, |whole, byte| whole << 8 | i64::from(*byte))))
        };
        let (head, element) = match first {
            0..=0x7f => (1, Str::Int(i64::from(first))),
            0x80..=0xbf => {
                let length = usize::from(first & 0x3f);
                (1 + length, Str::Bytes(from.get(1..1 + length)?))
            }
            0xc0..=0xdf => {
                let value = i64::from(first & 0x1f) << 8 | i64::from(*from.get(1)?);
                (2, Str::Int(if value >= 1 << 12 { value - (1 << 13) } else { value }))
            }
            0xe0..=0xef => {
                let length = usize::from(first & 0x0f) << 8 | usize::from(*from.get(1)?);
                (2 + length, Str::Bytes(from.get(2..2 + length)?))
            }
            0xf0 => {
                let length = from.get(1..)?.first_chunk::<4>().map(|b| u32::from_le_bytes(*b))?;
                let end = usize::try_from(length).ok()?.checked_add(5)?;
                (end, Str::Bytes(from.get(5..end)?))
            }
            0xf1 => (3, integer(1, 2)?),
            0xf2 => (4, integer(1, 3)?),
            0xf3 => (5, integer(1, 4)?),
            0xf4 => (9, integer(1, 8)?),
            _ => return None,
        };
        let back = match head {
            0..=127 => 1,
            128..=16_382 => 2,
            16_383..=2_097_150 => 3,
            2_097_151..=268_435_454 => 4,
            _ => 5,
        };
        from.get(head..head + back)?;
        self.at += head + back;
        Some(element)
    }

    /// Whether the end was met where it should be.
    pub(crate) fn is_whole(&self) -> bool {
        self.ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
        let mut elements = Elements::of(bytes)?;
        let mut found = Vec::new();
        while let Some(element) = elements.next() {
            found.push(element.to_vec());
        }
        elements.is_whole().then_some(found)
    }

    #[test]
    fn what_redis_wrote_is_read() {
        let bytes = b"\x19\0\0\0\x03\0\x84f000\x05\x84f001\x05\x84f002\x05\xff";
        assert_eq!(all(bytes), Some(vec![b"f000".to_vec(), b"f001".to_vec(), b"f002".to_vec()]));
        let bytes = b"\x12\0\0\0\x04\0\x01\x01\x82w1\x03\xc1\x2c\x02\xff\x0f"; // one byte too many
        assert_eq!(all(bytes), None);
        let bytes = b"\x11\0\0\0\x04\0\x01\x01\x82w1\x03\xdf\xff\x02\xff";
        assert_eq!(all(&bytes[..]), None); // its length lies
        let bytes = b"\x0f\0\0\0\x04\0\x01\x01\x82w1\x03\xdf\xff\x02\xff";
        assert_eq!(all(&bytes[..]), None);
    }

    #[test]
    fn integers_of_every_width() {
        let mut bytes = b"\0\0\0\0\x06\0".to_vec();
        bytes.extend_from_slice(b"\x7f\x01\xdf\xff\x02\xf1\x2c\xff\x03\xf2\0\0\x80\x04\xf3\x01\0\0\x80\x05");
        bytes.extend_from_slice(b"\xf4\xff\xff\xff\xff\xff\xff\xff\x7f\x09\xff");
        let total = bytes.len() as u32;
        bytes[..4].copy_from_slice(&total.to_le_bytes());
        let expected = ["127", "-1", "-212", "-8388608", "-2147483647", "9223372036854775807"];
        assert_eq!(all(&bytes), Some(expected.iter().map(|text| text.as_bytes().to_vec()).collect()));
    }
}
