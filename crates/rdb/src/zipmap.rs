//! The zipmap: how small hashes were packed before Redis 2.6.
//!
//! Layout: count (one byte, 254 and more: count yourself), pairs, 0xFF. A pair is a field's length and bytes, a
//! value's length, one byte that says how many unused bytes follow the value, its bytes, those unused ones. A
//! length is one byte, or 0xFE and a u32 LE.
//!
//! No server that we could run writes it; those that we run read it, and the layout was checked against them by
//! RESTORE.

/// The bytes are no zipmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the zipmap is corrupt at byte {at}")]
pub struct ZipmapError {
    /// Where.
    pub at: usize,
}

const END: u8 = 0xff;
const LONG_LENGTH: u8 = 0xfe;
/// In place of the count.
const COUNT_UNKNOWN: u8 = 254;

/// Calls `give` with each field and its value in order, and says how many there were.
///
/// # Errors
/// When a byte of it is not as it should be; some pairs may have been given by then.
pub fn for_each(bytes: &[u8], mut give: impl FnMut(&[u8], &[u8])) -> Result<usize, ZipmapError> {
    let (&announced, mut rest) = bytes.split_first().ok_or(ZipmapError { at: 0 })?;
    let mut count = 0usize;
    loop {
        let wrong = ZipmapError { at: bytes.len() - rest.len() };
        match rest {
            [END] => break,
            [END, ..] | [] => return Err(wrong),
            _ => {}
        }
        let (field, value, tail) = pair(rest).ok_or(wrong)?;
        give(field, value);
        count += 1;
        rest = tail;
    }
    if announced < COUNT_UNKNOWN && usize::from(announced) != count {
        return Err(ZipmapError { at: 0 });
    }
    Ok(count)
}

fn pair(rest: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (field_length, rest) = length(rest)?;
    let (field, rest) = rest.split_at_checked(field_length)?;
    let (value_length, rest) = length(rest)?;
    let (&unused, rest) = rest.split_first()?;
    let (value, rest) = rest.split_at_checked(value_length)?;
    let (_, rest) = rest.split_at_checked(usize::from(unused))?;
    Some((field, value, rest))
}

fn length(rest: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = rest.split_first()?;
    match first {
        END => None,
        LONG_LENGTH => {
            let (length, rest) = rest.split_first_chunk::<4>()?;
            Some((usize::try_from(u32::from_le_bytes(*length)).ok()?, rest))
        }
        short => Some((usize::from(short), rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_with_unused_bytes() {
        let mut found = Vec::new();
        let bytes = b"\x02\x01a\x02\x00bc\x03foo\xfe\x01\0\0\0\x02x??\xff";
        let count = for_each(bytes, |field, value| found.push((field.to_vec(), value.to_vec())));
        assert_eq!(count, Ok(2));
        assert_eq!(found, [(b"a".to_vec(), b"bc".to_vec()), (b"foo".to_vec(), b"x".to_vec())]);
        for end in 0..bytes.len() {
            assert!(for_each(&bytes[..end], |_, _| {}).is_err());
        }
        assert!(for_each(b"\x03\x01a\x02\x00bc\xff", |_, _| {}).is_err());
    }
}
