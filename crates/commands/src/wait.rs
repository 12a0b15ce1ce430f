//! Commands that wait for a key: what they wait for, for how long, and what they answer where nobody may wait.
//!
//! A handler that finds nothing answers [`CommandError::Wait`], having changed nothing; who runs it decides whether its
//! client waits, and runs it again when one of its keys was touched. In a transaction or a script nobody waits.
//!
//! Owns the reading of timeouts. Never waits.

use std::time::Duration;

use protocol::Reply;
use protocol::number::parse_int;

use crate::extended::Extended;
use crate::{CommandError, Role};

/// There is nothing yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// How long to wait; none: without end.
    pub timeout: Option<Duration>,
    /// What is answered where nobody may wait.
    pub nothing: Nothing,
    /// The request to run then, in the place of this one: what it meant by "now" is now a thing of the past.
    pub instead: Option<Vec<Vec<u8>>>,
    /// After how long there may be something though no key was touched.
    pub look_again: Option<Duration>,
}

/// An answer that says that there is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// No value.
    Null,
    /// No list. What a client is answered that has waited in vain, too.
    NullArray,
}

impl Nothing {
    /// Answers so.
    pub fn answer(self, reply: &mut Reply) {
        match self {
            Nothing::Null => reply.null(),
            Nothing::NullArray => reply.null_array(),
        }
    }
}

impl Wait {
    /// The end of a handler that has answered if it found something.
    pub(crate) fn unless(
        found: bool,
        timeout: Option<Duration>,
        nothing: Nothing,
    ) -> Result<(), CommandError> {
        if found { Ok(()) } else { Err(Wait::of(timeout, nothing)) }
    }

    /// The answer of a handler that found nothing.
    pub(crate) fn of(timeout: Option<Duration>, nothing: Nothing) -> CommandError {
        CommandError::Wait(Box::new(Wait { timeout, nothing, instead: None, look_again: None }))
    }
}

const OUT_OF_RANGE: CommandError = CommandError::new("ERR timeout is out of range");

/// Seconds, with a fraction; 0: without end. Read as servers on x86-64 do, with 80 bits: 1e400 is a number. What a
/// master has sent does not wait, whatever it took for a number.
pub(crate) fn seconds(text: &[u8], role: Role) -> Result<Option<Duration>, CommandError> {
    if role == Role::Replica {
        return Ok(None);
    }
    let bad = CommandError::new("ERR timeout is not a float or out of range");
    let seconds = Extended::parse(text).ok_or(bad)?;
    bounded(seconds.times(1000).ceil().ok_or(OUT_OF_RANGE)?)
}

/// Milliseconds; 0: without end.
pub(crate) fn milliseconds(text: &[u8]) -> Result<Option<Duration>, CommandError> {
    let bad = CommandError::new("ERR timeout is not an integer or out of range");
    bounded(parse_int(text).ok_or(bad)?)
}

fn bounded(millis: i64) -> Result<Option<Duration>, CommandError> {
    /// What servers can add to the time of day.
    const MILLIS_MAX: u64 = i64::MAX as u64 - (1 << 42);
    match u64::try_from(millis) {
        Err(_) => Err(CommandError::new("ERR timeout is negative")),
        Ok(0) => Ok(None),
        Ok(millis) if millis > MILLIS_MAX => Err(OUT_OF_RANGE),
        Ok(millis) => Ok(Some(Duration::from_millis(millis))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_read_with_80_bits_and_rounded_up() {
        let millis =
            |text: &str| seconds(text.as_bytes(), Role::Master).unwrap().map(|timeout| timeout.as_millis());
        for (text, expected) in [
            ("0", None),
            ("-0", None),
            ("-0.001", None), // a little above, so that it is rounded up to none
            ("1e-400", Some(1)),
            ("0.0005", Some(1)),
            ("0.001", Some(1)),
            ("0.0015", Some(2)),
            ("0.002", Some(2)),
            ("1.5", Some(1500)),
            ("0x1p4", Some(16000)),
        ] {
            assert_eq!(millis(text), expected, "{text}");
        }
        let error = |text: &str| seconds(text.as_bytes(), Role::Master).unwrap_err();
        for text in ["1e400", "inf", "1e18", "9223372036854775.808", "9223372036854775"] {
            assert_eq!(error(text), OUT_OF_RANGE, "{text}");
        }
        for text in ["-1e400", "-inf", "-1", "-0.0011"] {
            assert_eq!(error(text), CommandError::new("ERR timeout is negative"), "{text}");
        }
        for text in ["", "x", "nan", " 1", "1 ", "1e5000"] {
            assert_eq!(
                error(text),
                CommandError::new("ERR timeout is not a float or out of range"),
                "{text}"
            );
        }
    }
}
