//! Values and opcodes to bytes, in the forms that servers write.
//!
//! Owns how lengths, strings and numbers are written. Never compresses, and never knows how a value is stored:
//! who writes one puts its parts in the order that the crate's first page tells.

use crc_fast::{CrcAlgorithm, Digest};

use crate::flavour::Flavour;
use crate::item::StreamId;

/// Strings of so many bytes are looked at for an integer, as servers do.
const INT_DIGITS_MAX: usize = 11;

/// Writes at the end of a buffer. The caller takes away what is there whenever it likes.
///
/// ```
/// use rdb::{Encoder, Flavour, Summed};
///
/// let mut out = Vec::new();
/// let mut encoder = Encoder::new(&mut out);
/// encoder.header(Flavour::Redis, 11);
/// encoder.select_db(0);
/// encoder.deadline(4_102_444_800_000);
/// encoder.byte(0); // a string
/// encoder.text(b"key");
/// encoder.text(b"17");
/// encoder.end();
/// let mut sum = Summed::new();
/// sum.update(&out);
/// out.extend_from_slice(&sum.finish().to_le_bytes());
/// assert_eq!(out.len(), 9 + 2 + 9 + 1 + 4 + 2 + 1 + 8);
/// ```
#[derive(Debug)]
pub struct Encoder<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> Encoder<'o> {
    /// Writes at the end of `out`.
    pub fn new(out: &'o mut Vec<u8>) -> Self {
        Encoder { out }
    }

    /// The first nine bytes of a file.
    pub fn header(&mut self, flavour: Flavour, version: u32) {
        let header = match flavour {
            Flavour::Redis => format!("REDIS{version:04}"),
            Flavour::Valkey => format!("VALKEY{version:03}"),
        };
        self.out.extend_from_slice(header.as_bytes());
    }

    /// A fact about the file or its writer.
    pub fn aux(&mut self, name: &[u8], value: &[u8]) {
        self.byte(250);
        self.text(name);
        self.text(value);
    }

    /// The keys after it belong to this database.
    pub fn select_db(&mut self, index: u32) {
        self.byte(254);
        self.length(u64::from(index));
    }

    /// How many keys, and how many of them with a deadline, the database has.
    pub fn resize_db(&mut self, keys: u64, expires: u64) {
        self.byte(251);
        self.length(keys);
        self.length(expires);
    }

    /// The source of a library of functions.
    pub fn function(&mut self, code: &[u8]) {
        self.byte(245);
        self.raw(code);
    }

    /// When the key that follows expires, in Unix milliseconds.
    pub fn deadline(&mut self, millis: i64) {
        self.byte(252);
        self.millis(millis);
    }

    /// For how many seconds nobody touched the key that follows.
    pub fn idle(&mut self, seconds: u64) {
        self.byte(248);
        self.length(seconds);
    }

    /// The access frequency of the key that follows.
    pub fn frequency(&mut self, frequency: u8) {
        self.byte(249);
        self.byte(frequency);
    }

    /// The end; what was written up to here is summed, and the sum follows (see [`Summed`]).
    pub fn end(&mut self) {
        self.byte(255);
    }

    /// One byte: a type, a mark.
    pub fn byte(&mut self, byte: u8) {
        self.out.push(byte);
    }

    /// A number of bytes or elements.
    pub fn length(&mut self, length: u64) {
        if length < 1 << 6 {
            self.byte(length as u8);
        } else if length < 1 << 14 {
            self.out.extend_from_slice(&(length as u16 | 0x4000).to_be_bytes());
        } else if let Ok(length) = u32::try_from(length) {
            self.byte(0x80);
            self.out.extend_from_slice(&length.to_be_bytes());
        } else {
            self.byte(0x81);
            self.out.extend_from_slice(&length.to_be_bytes());
        }
    }

    /// A string: as an integer where it is the decimal form of one that fits 32 bits.
    pub fn text(&mut self, bytes: &[u8]) {
        match small_int(bytes) {
            Some(value) => self.int(i64::from(value)),
            None => self.raw(bytes),
        }
    }

    /// A string, byte by byte.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.length(bytes.len() as u64);
        self.out.extend_from_slice(bytes);
    }

    /// An integer as a string.
    pub fn int(&mut self, value: i64) {
        if let Ok(value) = i8::try_from(value) {
            self.out.extend_from_slice(&[0xc0, value.cast_unsigned()]);
        } else if let Ok(value) = i16::try_from(value) {
            self.byte(0xc1);
            self.out.extend_from_slice(&value.to_le_bytes());
        } else if let Ok(value) = i32::try_from(value) {
            self.byte(0xc2);
            self.out.extend_from_slice(&value.to_le_bytes());
        } else {
            self.raw(crate::item::write_int(value, &mut [0; 20]));
        }
    }

    /// A moment.
    pub fn millis(&mut self, millis: i64) {
        self.out.extend_from_slice(&millis.to_le_bytes());
    }

    /// A score.
    pub fn score(&mut self, score: f64) {
        self.out.extend_from_slice(&score.to_le_bytes());
    }

    /// A score as text, as files before version 8 had it.
    pub fn score_text(&mut self, score: f64) {
        match score {
            f64::INFINITY => self.byte(254),
            f64::NEG_INFINITY => self.byte(255),
            // Digits that read back as the same number; far fewer than the 252 that there is room for, but for numbers
            // so big or small that they need an exponent.
            score => {
                let text = if (1e-5..1e17).contains(&score.abs()) || score == 0.0 {
                    format!("{score}")
                } else {
                    format!("{score:e}")
                };
                self.byte(text.len() as u8);
                self.out.extend_from_slice(text.as_bytes());
            }
        }
    }

    /// A stream's id as two lengths.
    pub fn id(&mut self, id: StreamId) {
        self.length(id.ms);
        self.length(id.seq);
    }

    /// A stream's id as the bytes that sort as it does.
    pub fn id_bytes(&mut self, id: StreamId) {
        self.out.extend_from_slice(&id_bytes(id));
    }

    /// Bytes that are encoded already.
    pub fn encoded(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }
}

/// A stream's id as the bytes that sort as it does.
pub fn id_bytes(id: StreamId) -> [u8; 16] {
    (u128::from(id.ms) << 64 | u128::from(id.seq)).to_be_bytes()
}

/// The integer whose decimal form these bytes are.
fn small_int(bytes: &[u8]) -> Option<i32> {
    if bytes.len() > INT_DIGITS_MAX {
        return None;
    }
    let value: i32 = std::str::from_utf8(bytes).ok()?.parse().ok()?;
    // No plus, no leading zeros.
    (crate::item::write_int(i64::from(value), &mut [0; 20]) == bytes).then_some(value)
}

/// The checksum of what is written piece by piece.
#[derive(Clone, Debug)]
pub struct Summed(Digest);

impl Default for Summed {
    fn default() -> Self {
        Summed::new()
    }
}

impl Summed {
    /// Of nothing yet.
    pub fn new() -> Self {
        Summed(Digest::new(CrcAlgorithm::Crc64Redis))
    }

    /// These bytes were written.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Of all of them.
    pub fn finish(&self) -> u64 {
        self.0.finalize()
    }

    /// Of `head` and then all of them: for a head that is known only when they are written.
    pub fn after(&self, head: &[u8]) -> u64 {
        let mut whole = Summed::new();
        whole.update(head);
        whole.0.combine(&self.0);
        whole.finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Decoder, Item, Step, Str, Whole};

    #[test]
    fn a_head_may_be_summed_last() {
        let bytes: Vec<u8> = (0..5000u32).map(|i| (i * 7 % 251) as u8).collect();
        for cut in [0, 1, 9, 10, 4999, 5000] {
            let mut rest = Summed::new();
            bytes[cut..].chunks(700).for_each(|piece| rest.update(piece));
            assert_eq!(rest.after(&bytes[..cut]), crate::checksum(&bytes), "{cut}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(key in prop::collection::vec(any::<u8>(), 0..300), number in any::<i64>(), shift in 0u32..64) {
            let number = number >> shift;
            let mut out = Vec::new();
            let mut encoder = Encoder::new(&mut out);
            encoder.byte(0);
            encoder.text(&key);
            encoder.int(number);
            encoder.byte(0);
            encoder.raw(&key);
            encoder.text(number.to_string().as_bytes());
            encoder.resize_db(number.cast_unsigned(), u64::from(shift));
            let mut decoder = Decoder::without_checksum();
            let header = b"REDIS0011";
            let Ok(Step::Item { used: 9, .. }) = decoder.next(header) else { panic!("a header") };
            let mut at = 0;
            for _ in 0..2 {
                let Ok(Step::Item { item: Item::Whole { key: found, value: Whole::Text(value) }, used }) = decoder.next(&out[at..]) else {
                    panic!("a string")
                };
                prop_assert_eq!(found.name, key.as_slice());
                prop_assert_eq!(value.to_vec(), number.to_string().into_bytes());
                let is_int = matches!(value, Str::Int(_));
                prop_assert_eq!(is_int, i32::try_from(number).is_ok());
                at += used;
            }
            let Ok(Step::Item { item, .. }) = decoder.next(&out[at..]) else { panic!("a size") };
            prop_assert_eq!(item, Item::ResizeDb { keys: number.cast_unsigned(), expires: u64::from(shift) });
        }
    }

    #[test]
    fn only_exact_decimal_forms_become_integers() {
        for (text, is_int) in [
            ("17", true),
            ("-1", true),
            ("+1", false),
            ("007", false),
            ("-0", false),
            ("", false),
            ("2147483648", false),
            ("-2147483648", true),
        ] {
            assert_eq!(small_int(text.as_bytes()).is_some(), is_int, "{text}");
        }
    }
}
