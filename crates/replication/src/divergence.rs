//! When we and the master differ: what `--on-divergence` makes of it.
//!
//! Owns the rule and its memory of the last hour. Never touches data: the applier has left them as they were before
//! the unit in question.

use std::fmt;
use std::time::{Duration, Instant};

use crate::error::{ErrorCode, LinkError};
use crate::link::Remedy;

/// An error that comes again within this time after a full sync was not cured by it.
const AGAIN: Duration = Duration::from_secs(3600);
/// Keys are shown up to this length.
const KEY_BYTES_MAX: usize = 128;

/// What `--on-divergence` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDivergence {
    /// Nothing said. An unknown command stops the link; an error resyncs once, and stops when one comes again
    /// within the hour.
    #[default]
    Careful,
    /// `stop`: the link ends before the unit and stays so until REPLICAOF or a restart.
    Stop,
    /// `resync`: a full sync, each time.
    Resync,
    /// `ignore`: the command is passed over and counted.
    Ignore,
}

/// A command of the stream that cannot be followed. Nothing of its unit has been applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// What it is.
    pub kind: DivergenceKind,
    /// The command, in lower case as far as it is text.
    pub command: String,
    /// Its first key, or its first argument when its keys are not known.
    pub key: Option<Vec<u8>>,
    /// The offset up to which the stream is applied; its unit begins there.
    pub offset: u64,
    /// What the command answered.
    pub answer: String,
}

/// In which way a command cannot be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DivergenceKind {
    /// Nobody here knows it.
    Unknown,
    /// It answered an error.
    Failed,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            DivergenceKind::Unknown => write!(f, "unknown command '{}'", self.command)?,
            DivergenceKind::Failed => write!(f, "'{}' failed here", self.command)?,
        }
        if let Some(key) = &self.key {
            write!(f, ", key '{}'", key.get(..KEY_BYTES_MAX).unwrap_or(key).escape_ascii())?;
        }
        write!(f, ", at offset {}", self.offset)?;
        if self.kind == DivergenceKind::Failed {
            write!(f, ": {}", self.answer)?;
        }
        Ok(())
    }
}

impl From<&Divergence> for LinkError {
    fn from(divergence: &Divergence) -> Self {
        let code = match divergence.kind {
            DivergenceKind::Unknown => ErrorCode::UnknownCommand,
            DivergenceKind::Failed => ErrorCode::CommandError,
        };
        LinkError::new(code, divergence.to_string())
    }
}

/// The rule, with what it remembers.
#[derive(Clone, Debug)]
pub struct Policy {
    on_divergence: OnDivergence,
    last_error: Option<Instant>,
}

impl Policy {
    /// A rule that remembers nothing yet.
    pub fn new(on_divergence: OnDivergence) -> Self {
        Policy { on_divergence, last_error: None }
    }

    /// Whether a command that cannot be followed is passed over.
    pub fn ignores(&self) -> bool {
        self.on_divergence == OnDivergence::Ignore
    }

    /// What is to be done about one that is not passed over.
    pub fn remedy(&mut self, divergence: &Divergence, now: Instant) -> Remedy {
        match (self.on_divergence, divergence.kind) {
            // What could be passed over does not come here when all of it is to be.
            (OnDivergence::Stop | OnDivergence::Ignore, _)
            | (OnDivergence::Careful, DivergenceKind::Unknown) => Remedy::Stop,
            (OnDivergence::Resync, _) => Remedy::FullSync,
            (OnDivergence::Careful, DivergenceKind::Failed) => {
                let before = self.last_error.replace(now);
                match before {
                    Some(before) if now.saturating_duration_since(before) < AGAIN => Remedy::Stop,
                    _ => Remedy::FullSync,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divergence(kind: DivergenceKind) -> Divergence {
        Divergence {
            kind,
            command: "lpush".into(),
            key: Some(b"k\xff".to_vec()),
            offset: 71,
            answer: "WRONGTYPE Operation".into(),
        }
    }

    #[test]
    #[allow(clippy::disallowed_methods)]
    fn by_default_an_error_is_cured_once_an_hour_and_the_unknown_never() {
        let mut policy = Policy::new(OnDivergence::Careful);
        let dawn = Instant::now();
        let later = |minutes: u64| dawn + Duration::from_secs(60 * minutes);
        assert_eq!(policy.remedy(&divergence(DivergenceKind::Unknown), dawn), Remedy::Stop);
        let failed = divergence(DivergenceKind::Failed);
        assert_eq!(policy.remedy(&failed, later(0)), Remedy::FullSync);
        assert_eq!(policy.remedy(&failed, later(59)), Remedy::Stop);
        assert_eq!(policy.remedy(&failed, later(120)), Remedy::FullSync);
        let mut always = Policy::new(OnDivergence::Resync);
        assert_eq!(always.remedy(&divergence(DivergenceKind::Unknown), dawn), Remedy::FullSync);
        let mut never = Policy::new(OnDivergence::Stop);
        assert_eq!(never.remedy(&failed, dawn), Remedy::Stop);
    }

    #[test]
    fn it_is_told_in_one_line() {
        let error = LinkError::from(&divergence(DivergenceKind::Failed));
        let text = r"'lpush' failed here, key 'k\xff', at offset 71: WRONGTYPE Operation";
        assert_eq!((error.code, error.text.as_str()), (ErrorCode::CommandError, text));
    }
}
