//! The connection that keys are moved by: one request behind another, and as many answers.
//!
//! Owns the time limits, and what may stand in an answer. Never knows what is moved; and never takes what it does not
//! understand for an answer: a key would be removed here for it.

use std::future::poll_fn;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use protocol::frame::{Frame, FrameReader};
use replication::ErrorCode;
use tokio::time::timeout;

use crate::upstream::{MasterAddress, Stream, connect};

/// The most that is sent, or waited for, within one time limit: as at a real server.
const PIECE_BYTES_MAX: usize = 64 * 1024;
/// The longest answer that is waited for: an error's text has a few hundred bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How much of an error is passed on, as by a real server.
const ERROR_BYTES_MAX: usize = 1022;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broke {
    /// Its name has no address, or no way leads there.
    Nowhere,
    /// It is not there, or does not take what is sent.
    Writing,
    /// It ended.
    Reading,
    /// It said what is no answer.
    Nonsense,
    /// It does not take what is sent for too long.
    WritingTimedOut,
    /// It does not answer for too long.
    ReadingTimedOut,
}

impl Broke {
    /// What the client is told.
    pub(super) fn text(self) -> &'static str {
        match self {
            Broke::Nowhere => "IOERR error or timeout connecting to the client",
            Broke::Writing | Broke::WritingTimedOut => "IOERR error or timeout writing to target instance",
            Broke::Reading | Broke::Nonsense | Broke::ReadingTimedOut => {
                "IOERR error or timeout reading to target instance"
            }
        }
    }

    /// Whether another connection may do better.
    pub(super) fn may_pass(self) -> bool {
        matches!(self, Broke::Writing | Broke::Reading)
    }
}

/// An answer: what was asked for was done, or an error's text.
pub(super) type Answer = Result<(), Vec<u8>>;

/// See the module.
pub(super) struct Connection {
    stream: Stream,
    input: BytesMut,
    reader: FrameReader,
    /// How long each step may take.
    limit: Duration,
}

impl Connection {
    /// Resolves and connects.
    pub(super) async fn open(to: Option<MasterAddress>, limit: Duration) -> Result<Connection, Broke> {
        let to = to.ok_or(Broke::Nowhere)?;
        // In plain TCP: real servers move keys by TLS where `tls-cluster` says so, which is no option here.
        match connect(to, None, limit).await {
            Ok(stream) => {
                Ok(Connection { stream, input: BytesMut::new(), reader: FrameReader::default(), limit })
            }
            Err(error) => Err(match error.code {
                ErrorCode::Unresolved => Broke::Nowhere,
                ErrorCode::Timeout => Broke::WritingTimedOut,
                _ => Broke::Writing,
            }),
        }
    }

    /// Sends all of it.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), Broke> {
        for piece in bytes.chunks(PIECE_BYTES_MAX) {
            let mut left = piece;
            let sending = async {
                while !left.is_empty() {
                    let sent = poll_fn(|context| self.stream.poll_send(context, left)).await;
                    let sent = sent.map_err(|_| Broke::Writing)?;
                    left = left.get(sent..).unwrap_or_default();
                }
                Ok(())
            };
            timeout(self.limit, sending).await.unwrap_or(Err(Broke::WritingTimedOut))?;
        }
        Ok(())
    }

    /// Waits for the next answer.
    pub(super) async fn answer(&mut self) -> Result<Answer, Broke> {
        loop {
            if let Some((frame, used)) = self.reader.read(&self.input).map_err(|_| Broke::Nonsense)? {
                self.input.advance(used);
                return match frame {
                    Frame::Simple(_) => Ok(Ok(())),
                    Frame::Error(mut text) => {
                        text.truncate(ERROR_BYTES_MAX);
                        Ok(Err(text))
                    }
                    _ => Err(Broke::Nonsense),
                };
            }
            if self.input.len() > ANSWER_BYTES_MAX {
                return Err(Broke::Nonsense);
            }
            let reading = poll_fn(|context| self.stream.poll_read(context, &mut self.input));
            match timeout(self.limit, reading).await {
                Ok(Ok(0) | Err(_)) => return Err(Broke::Reading),
                Ok(Ok(_)) => {}
                Err(_) => return Err(Broke::ReadingTimedOut),
            }
        }
    }
}
