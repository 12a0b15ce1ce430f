//! LZF, unpacking: the compression of long strings in an RDB.
//!
//! Each piece begins with a control byte: below 32 that many literal bytes plus one follow; otherwise its top
//! three bits (7: plus the next byte) and two give a count of bytes to repeat, from as far back as its low five
//! bits and one more byte say.

/// The bytes are no LZF, or do not give the length they announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the LZF bytes are corrupt")]
pub struct LzfError;

/// Unpacks `packed` into `out` (emptied before), which must come to `len` bytes exactly.
///
/// Reserves `len` bytes at once: whoever calls has checked it against the length of `packed`.
///
/// # Errors
/// When a piece reaches before the beginning or beyond `len`, or the whole is not `len` bytes long.
pub fn unpack(packed: &[u8], len: usize, out: &mut Vec<u8>) -> Result<(), LzfError> {
    out.clear();
    out.reserve(len);
    let mut rest = packed;
    while let Some((&control, tail)) = rest.split_first() {
        rest = tail;
        if control < 32 {
            let count = usize::from(control) + 1;
            let (literal, tail) = rest.split_at_checked(count).ok_or(LzfError)?;
            if count > len - out.len() {
                return Err(LzfError);
            }
            out.extend_from_slice(literal);
            rest = tail;
            continue;
        }
        let mut count = usize::from(control >> 5);
        if count == 7 {
            let (&more, tail) = rest.split_first().ok_or(LzfError)?;
            count += usize::from(more);
            rest = tail;
        }
        count += 2;
        let (&low, tail) = rest.split_first().ok_or(LzfError)?;
        rest = tail;
        let back = (usize::from(control & 31) << 8) + usize::from(low) + 1;
        let from = out.len().checked_sub(back).ok_or(LzfError)?;
        if count > len - out.len() {
            return Err(LzfError);
        }
        // A repeat may reach into what it has just written: then there is twice as much to copy each time.
        while count > 0 {
            let piece = count.min(out.len() - from);
            out.extend_from_within(from..from + piece);
            count -= piece;
        }
    }
    if out.len() == len { Ok(()) } else { Err(LzfError) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_repeats() {
        let mut out = Vec::new();
        // "ab", then 5 bytes from 2 back, then "c"
        assert_eq!(unpack(&[1, b'a', b'b', 3 << 5, 1, 0, b'c'], 8, &mut out), Ok(()));
        assert_eq!(out, b"abababac");
        // a long repeat of one byte
        assert_eq!(unpack(&[0, b'x', 7 << 5, 255, 0], 265, &mut out), Ok(()));
        assert_eq!(out, vec![b'x'; 265]);
    }

    #[test]
    fn lies_are_found() {
        let mut out = Vec::new();
        assert_eq!(unpack(&[0, b'x', 7 << 5, 255, 0], 264, &mut out), Err(LzfError));
        assert_eq!(unpack(&[0, b'x', 7 << 5, 255, 0], 266, &mut out), Err(LzfError));
        assert_eq!(unpack(&[0, b'x', 7 << 5, 255, 1], 265, &mut out), Err(LzfError));
        assert_eq!(unpack(&[5, b'x'], 6, &mut out), Err(LzfError));
        assert_eq!(unpack(&[7 << 5], 6, &mut out), Err(LzfError));
    }
}
