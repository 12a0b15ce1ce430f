//! The grammar that HSCAN, SSCAN and ZSCAN share: a cursor, then MATCH, COUNT, NOVALUES and NOSCORES.
//!
//! Owns the texts and the order of checks. Never scans.

use protocol::Args;
use protocol::number::parse_int;
use storage::glob;

use crate::CommandError;

/// How many elements a call gives when it is not told.
const COUNT_DEFAULT: usize = 10;

/// What follows the cursor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScanOptions<'a> {
    /// About how many elements to look at.
    pub(crate) count: usize,
    /// Only names are wanted.
    pub(crate) names_only: bool,
    pattern: Option<&'a [u8]>,
}

/// NOVALUES where there are none.
pub(crate) const NOVALUES_ELSEWHERE: CommandError =
    CommandError::new("ERR NOVALUES option can only be used in HSCAN");

impl<'a> ScanOptions<'a> {
    /// Reads the options; `names_word` is the one that asks for names only (HSCAN's NOVALUES, Valkey's NOSCORES).
    pub(crate) fn parse(options: Args<'a>, names_word: Option<&str>) -> Result<Self, CommandError> {
        let mut parsed = ScanOptions { count: COUNT_DEFAULT, names_only: false, pattern: None };
        let mut at = 0;
        while at < options.len() {
            let value = options.opt(at + 1);
            match value {
                Some(count) if options.is_word(at, "count") => {
                    let count = parse_int(count).ok_or(CommandError::NotInteger)?;
                    if count < 1 {
                        return Err(CommandError::Syntax);
                    }
                    parsed.count = usize::try_from(count).unwrap_or(usize::MAX);
                    at += 2;
                }
                Some(pattern) if options.is_word(at, "match") => {
                    // `*` matches everything: no need to look.
                    parsed.pattern = (pattern != b"*").then_some(pattern);
                    at += 2;
                }
                _ if names_word.is_some_and(|word| options.is_word(at, word)) => {
                    parsed.names_only = true;
                    at += 1;
                }
                _ if options.is_word(at, "novalues") => {
                    return Err(NOVALUES_ELSEWHERE);
                }
                _ => return Err(CommandError::Syntax),
            }
        }
        Ok(parsed)
    }

    /// Whether an element of this name is wanted.
    pub(crate) fn wants(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, name))
    }
}

/// A cursor, as `strtoul` reads one: blanks and a plus before it are passed over, and a zero byte ends it.
pub(crate) fn parse_cursor(text: &[u8]) -> Result<u64, CommandError> {
    const BAD: CommandError = CommandError::new("ERR invalid cursor");
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default().trim_ascii_start();
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(BAD);
    }
    digits
        .iter()
        .try_fold(0u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
        .ok_or(BAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_as_strtoul_reads_them() {
        for (text, value) in [
            ("0", 0),
            ("00", 0),
            (" 12", 12),
            ("\t1", 1),
            ("+1", 1),
            ("7\0x", 7),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_cursor(text.as_bytes()), Ok(value), "{text}");
        }
        for text in ["", " ", "x", "0x1", "1 ", "-1", "18446744073709551616", "+", "\0"] {
            assert!(parse_cursor(text.as_bytes()).is_err(), "{text}");
        }
    }
}
