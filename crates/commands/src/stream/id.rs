//! IDs in arguments.
//!
//! Owns which texts are IDs, and what stands for an omitted part. Never makes one from a clock.

use storage::value::stream::StreamId;

use protocol::number::parse_uint_loose;

use crate::CommandError;

/// The longest text that is read as an ID, as in Redis.
const TEXT_BYTES_MAX: usize = 127;

const INVALID: CommandError = CommandError::new("ERR Invalid stream ID specified as stream command argument");

/// The ID that XADD asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// `*`: both parts are to be made.
    Any,
    /// `ms-*`: the second part is to be made.
    In(u64),
    /// This one.
    Exactly(StreamId),
}

/// `ms` or `ms-seq`; a missing second part is `seq`.
pub(super) fn strict(arg: &[u8], seq: u64) -> Result<StreamId, CommandError> {
    if arg.len() > TEXT_BYTES_MAX {
        return Err(INVALID);
    }
    let (ms, own_seq) = match arg.iter().position(|byte| *byte == b'-') {
        Some(dash) => (arg.get(..dash), arg.get(dash + 1..)),
        None => (Some(arg), None),
    };
    let ms = ms.and_then(parse_uint_loose).ok_or(INVALID)?;
    let seq = match own_seq {
        Some(own) => parse_uint_loose(own).ok_or(INVALID)?,
        None => seq,
    };
    Ok(StreamId { ms, seq })
}

/// The same, or `-` and `+` for the lowest and the highest.
pub(super) fn loose(arg: &[u8], seq: u64) -> Result<StreamId, CommandError> {
    match arg {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        _ => strict(arg, seq),
    }
}

/// What XADD's ID argument asks for.
pub(super) fn wanted(arg: &[u8]) -> Result<Wanted, CommandError> {
    match arg {
        b"*" => Ok(Wanted::Any),
        [ms @ .., b'-', b'*'] if arg.len() <= TEXT_BYTES_MAX => {
            parse_uint_loose(ms).map(Wanted::In).ok_or(INVALID)
        }
        _ => strict(arg, 0).map(Wanted::Exactly),
    }
}

/// Where a range starts; `(` before it leaves that ID out.
pub(super) fn start(arg: &[u8]) -> Result<StreamId, CommandError> {
    match arg {
        [b'(', rest @ ..] if !rest.is_empty() => {
            let outside = CommandError::new("ERR invalid start ID for the interval");
            strict(rest, 0)?.next().ok_or(outside)
        }
        _ => loose(arg, 0),
    }
}

/// Where a range ends; `(` before it leaves that ID out.
pub(super) fn end(arg: &[u8]) -> Result<StreamId, CommandError> {
    match arg {
        [b'(', rest @ ..] if !rest.is_empty() => {
            let outside = CommandError::new("ERR invalid end ID for the interval");
            strict(rest, u64::MAX)?.prev().ok_or(outside)
        }
        _ => loose(arg, u64::MAX),
    }
}

/// IDs, all of them.
pub(super) fn all<'a>(args: impl Iterator<Item = &'a [u8]>) -> Result<Vec<StreamId>, CommandError> {
    args.map(|arg| strict(arg, 0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(ms: u64, seq: u64) -> StreamId {
        StreamId { ms, seq }
    }

    #[test]
    fn ids_are_read_as_redis_reads_them() {
        assert_eq!(strict(b"5", 7), Ok(id(5, 7)));
        assert_eq!(strict(b"5-3", 7), Ok(id(5, 3)));
        assert_eq!(strict(b"18446744073709551615-18446744073709551615", 0), Ok(StreamId::MAX));
        for text in [&b""[..], b"-", b"+", b"5-", b"-5", b"5-x", b"5-*", b"a", b"18446744073709551616"] {
            assert_eq!(strict(text, 0), Err(INVALID), "{}", String::from_utf8_lossy(text));
        }
        assert_eq!(start(b"-"), Ok(StreamId::MIN));
        assert_eq!(end(b"+"), Ok(StreamId::MAX));
        assert_eq!(start(b"(5-3"), Ok(id(5, 4)));
        assert_eq!(end(b"(5"), Ok(id(5, u64::MAX - 1)));
        assert_eq!(end(b"(5-0"), Ok(id(4, u64::MAX)));
        assert!(start(b"(+").is_err());
        assert!(end(b"(0-0").is_err());
        assert_eq!(wanted(b"*"), Ok(Wanted::Any));
        assert_eq!(wanted(b"9-*"), Ok(Wanted::In(9)));
        assert_eq!(wanted(b"9-1"), Ok(Wanted::Exactly(id(9, 1))));
        assert!(wanted(b"-*").is_err());
    }
}
