//! Who wrote the file: Redis or Valkey, and at which version of the format.
//!
//! Both count types and opcodes upward from a common past, so from type 22 and below opcode 244 one number
//! means different things. The magic tells them apart: Valkey 9 changed it for that reason.

use std::fmt;

use crate::RdbError;

/// Whose numbers a file uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// `REDISnnnn`: Redis, and those that kept its format (Valkey up to 8, Redict, KeyDB).
    Redis,
    /// `VALKEYnnn`: Valkey 9 and later.
    Valkey,
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Flavour::Redis => "Redis",
            Flavour::Valkey => "Valkey",
        })
    }
}

/// The length of either header.
pub(crate) const HEADER_BYTES: usize = 9;

/// The newest version of Redis' format that we read: 8.10's.
pub const REDIS_VERSION_MAX: u32 = 15;

/// The only version of Valkey's own format that we read (9.0 and 9.1).
pub const VALKEY_VERSION: u32 = 80;

/// Whose file it is and its version, from its first nine bytes.
pub(crate) fn of_header(header: &[u8; HEADER_BYTES]) -> Result<(Flavour, u32), RdbError> {
    let number = |digits: &[u8]| {
        let text = digits.iter().all(u8::is_ascii_digit).then(|| std::str::from_utf8(digits).ok())??;
        text.parse::<u32>().ok()
    };
    let not_rdb = || RdbError::NotRdb { found: header.escape_ascii().to_string() };
    if let Some(digits) = header.strip_prefix(b"REDIS") {
        let version = number(digits).ok_or_else(not_rdb)?;
        return known(Flavour::Redis, version);
    }
    if let Some(digits) = header.strip_prefix(b"VALKEY") {
        let version = number(digits).ok_or_else(not_rdb)?;
        return known(Flavour::Valkey, version);
    }
    Err(not_rdb())
}

/// Whose numbers a DUMP payload with this version in its footer uses.
///
/// # Errors
/// [`RdbError::UnknownVersion`] when it is newer than what we read, or between the two vendors.
pub fn of_dump_version(version: u16) -> Result<Flavour, RdbError> {
    let version = u32::from(version);
    let flavour = if version >= VALKEY_VERSION { Flavour::Valkey } else { Flavour::Redis };
    known(flavour, version).map(|(flavour, _)| flavour)
}

/// Refuses a version whose layout was never seen.
fn known(flavour: Flavour, version: u32) -> Result<(Flavour, u32), RdbError> {
    match (flavour, version) {
        (Flavour::Redis, 1..=REDIS_VERSION_MAX) | (Flavour::Valkey, VALKEY_VERSION) => Ok((flavour, version)),
        (Flavour::Redis, _) => Err(RdbError::UnknownVersion { magic: "REDIS", version }),
        (Flavour::Valkey, _) => Err(RdbError::UnknownVersion { magic: "VALKEY", version }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_told_apart() {
        assert_eq!(of_header(b"REDIS0006"), Ok((Flavour::Redis, 6)));
        assert_eq!(of_header(b"REDIS0015"), Ok((Flavour::Redis, 15)));
        assert_eq!(of_header(b"VALKEY080"), Ok((Flavour::Valkey, 80)));
        assert_eq!(of_header(b"REDIS0016"), Err(RdbError::UnknownVersion { magic: "REDIS", version: 16 }));
        assert_eq!(of_header(b"VALKEY081"), Err(RdbError::UnknownVersion { magic: "VALKEY", version: 81 }));
        assert!(matches!(of_header(b"REDIS+001"), Err(RdbError::NotRdb { .. })));
        assert!(matches!(of_header(b"-ERR unkn"), Err(RdbError::NotRdb { .. })));
    }
}
