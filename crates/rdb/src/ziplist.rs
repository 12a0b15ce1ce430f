//! The ziplist: how lists, hashes and sorted sets were packed before Redis 7.0.
//!
//! Layout: total bytes (u32 LE), offset of the last entry (u32 LE), count (u16 LE, 65535: count yourself),
//! entries, 0xFF. An entry is the length of the one before it (one byte, or 0xFE and a u32 LE), its encoding, its
//! bytes:
//!
//! | first byte | what follows |
//! |---|---|
//! | `00xxxxxx` | a string of that many bytes |
//! | `01xxxxxx` | one byte (with it: a length of 14 bits, big end first), a string |
//! | `80` | a length (u32 BE), a string |
//! | `C0` `D0` `E0` `F0` `FE` | a signed integer of 16, 32, 64, 24, 8 bits (LE) |
//! | `F1` to `FD` | nothing: an integer, 0 to 12 |
//!
//! Owns reading it, once, front to back, every byte checked. What it holds is packed anew as a listpack by whoever
//! stores it.

use crate::Str;

/// Total bytes, offset of the last entry, count.
const HEADER_BYTES: usize = 10;
const END: u8 = 0xff;
const COUNT_UNKNOWN: u16 = u16::MAX;
/// In place of the length of the entry before: it stands in the next four bytes.
const LONG_BACK_LENGTH: u8 = 0xfe;

/// The bytes are no ziplist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ziplist is corrupt at byte {at}")]
pub struct ZiplistError {
    /// Where.
    pub at: usize,
}

/// Calls `give` with each element in order, and says how many there were.
///
/// # Errors
/// When a byte of it is not as it should be; some elements may have been given by then.
pub fn for_each(bytes: &[u8], mut give: impl FnMut(Str<'_>)) -> Result<usize, ZiplistError> {
    let wrong = |at: usize| ZiplistError { at };
    let (header, _) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(wrong(0))?;
    let [b0, b1, b2, b3, t0, t1, t2, t3, c0, c1] = *header;
    if usize::try_from(u32::from_le_bytes([b0, b1, b2, b3])) != Ok(bytes.len()) {
        return Err(wrong(0));
    }
    let tail = usize::try_from(u32::from_le_bytes([t0, t1, t2, t3])).map_err(|_| wrong(4))?;
    let announced = u16::from_le_bytes([c0, c1]);
    let (mut at, mut before, mut count) = (HEADER_BYTES, 0, 0usize);
    loop {
        let entry = bytes.get(at..).unwrap_or_default();
        match entry {
            [END] => break,
            [END, ..] | [] => return Err(wrong(at)),
            _ => {}
        }
        let read = read(entry).ok_or(wrong(at))?;
        if read.before != before {
            return Err(wrong(at));
        }
        give(read.element);
        (before, count) = (read.used, count + 1);
        at += read.used;
    }
    // An empty one has its tail where its end is.
    let last = at - before;
    if tail != last {
        return Err(wrong(4));
    }
    if announced != COUNT_UNKNOWN && usize::from(announced) != count {
        return Err(wrong(8));
    }
    Ok(count)
}

/// One entry.
struct Read<'a> {
    /// How long the one before it says it is.
    before: usize,
    element: Str<'a>,
    used: usize,
}

fn read(entry: &[u8]) -> Option<Read<'_>> {
    let (&first, mut rest) = entry.split_first()?;
    let before = if first == LONG_BACK_LENGTH {
        let (length, tail) = rest.split_first_chunk::<4>()?;
        rest = tail;
        usize::try_from(u32::from_le_bytes(*length)).ok()?
    } else {
        usize::from(first)
    };
    let (&code, rest) = rest.split_first()?;
    let (element, rest) = match code {
        0x00..=0x3f => text(rest, usize::from(code))?,
        0x40..=0x7f => {
            let (&low, rest) = rest.split_first()?;
            text(rest, usize::from(code & 0x3f) << 8 | usize::from(low))?
        }
        0x80 => {
            let (length, rest) = rest.split_first_chunk::<4>()?;
            text(rest, usize::try_from(u32::from_be_bytes(*length)).ok()?)?
        }
        0xc0 => {
            let (value, rest) = rest.split_first_chunk()?;
            (Str::Int(i64::from(i16::from_le_bytes(*value))), rest)
        }
        0xd0 => {
            let (value, rest) = rest.split_first_chunk()?;
            (Str::Int(i64::from(i32::from_le_bytes(*value))), rest)
        }
        0xe0 => {
            let (value, rest) = rest.split_first_chunk()?;
            (Str::Int(i64::from_le_bytes(*value)), rest)
        }
        0xf0 => {
            let ([low, middle, high], rest) = rest.split_first_chunk()?;
            (Str::Int(i64::from(i32::from_le_bytes([0, *low, *middle, *high]) >> 8)), rest)
        }
        0xfe => {
            let (value, rest) = rest.split_first()?;
            (Str::Int(i64::from(value.cast_signed())), rest)
        }
        0xf1..=0xfd => (Str::Int(i64::from(code & 0x0f) - 1), rest),
        _ => return None,
    };
    Some(Read { before, element, used: entry.len() - rest.len() })
}

fn text(rest: &[u8], length: usize) -> Option<(Str<'_>, &[u8])> {
    let (text, rest) = rest.split_at_checked(length)?;
    Some((Str::Bytes(text), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<String>, ZiplistError> {
        let mut found = Vec::new();
        for_each(bytes, |element| found.push(String::from_utf8_lossy(&element.to_vec()).into_owned()))?;
        Ok(found)
    }

    /// An entry's bytes without the length of the one before it.
    fn ziplist(entries: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES];
        let (mut before, mut tail) = (0u8, HEADER_BYTES);
        for entry in entries {
            tail = bytes.len();
            bytes.push(before);
            bytes.extend_from_slice(entry);
            before = entry.len() as u8 + 1;
        }
        bytes.push(END);
        let total = bytes.len() as u32;
        bytes[..4].copy_from_slice(&total.to_le_bytes());
        bytes[4..8].copy_from_slice(&(tail as u32).to_le_bytes());
        bytes[8..10].copy_from_slice(&(entries.len() as u16).to_le_bytes());
        bytes
    }

    #[test]
    fn every_encoding() {
        let entries: &[&[u8]] = &[
            b"\x02hi",
            b"\x40\x03abc",
            b"\x80\0\0\0\x01z",
            b"\xc0\x2c\xff",
            b"\xd0\0\0\0\x80",
            b"\xe0\xff\xff\xff\xff\xff\xff\xff\x7f",
            b"\xf0\0\0\x80",
            b"\xfe\x80",
            b"\xf1",
            b"\xfd",
        ];
        let bytes = ziplist(entries);
        let expected =
            ["hi", "abc", "z", "-212", "-2147483648", "9223372036854775807", "-8388608", "-128", "0", "12"];
        assert_eq!(all(&bytes), Ok(expected.map(String::from).to_vec()));
        assert_eq!(all(&ziplist(&[])), Ok(Vec::new()));
    }

    #[test]
    fn a_wrong_byte_of_the_frame_is_found() {
        let bytes = ziplist(&[b"\x02hi", b"\xf1", b"\x03abc"]);
        for (at, byte) in bytes.iter().enumerate().filter(|(at, _)| ![12, 13, 18, 19, 20].contains(at)) {
            let mut broken = bytes.clone();
            broken[at] = byte.wrapping_add(1);
            // Another small integer in place of the 0 is no error.
            assert!(at == 15 || all(&broken).is_err(), "byte {at}");
        }
        for end in 0..bytes.len() {
            assert!(all(&bytes[..end]).is_err());
        }
    }
}
