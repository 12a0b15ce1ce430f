//! Frames: whole replies, read as a client reads them.
//!
//! For cold paths only (what a master answers to a handshake, what a test or a bridge is told): the
//! `redis-protocol` crate parses them, which allocates for each part, starts over when bytes are missing, and calls
//! itself for each level of nesting. So [`FrameReader`] stands before it: it finds the frame's end first, a byte
//! looked at once, and refuses what is too deep or too long. What clients send never comes here (see
//! [`crate::parse`]).
//!
//! Owns that guard, and the shape of a frame. Never keeps the bytes.

use memchr::memchr;
use redis_protocol::error::RedisProtocolError;
use redis_protocol::{resp2, resp3};

use crate::limits::{LINE_BYTES_MAX, REPLY_BYTES_MAX, REPLY_DEPTH_MAX};
use crate::number::parse_int;

/// A reply, or a message that nobody asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// `+OK`
    Simple(Vec<u8>),
    /// `-ERR …`, its code included.
    Error(Vec<u8>),
    /// `:5`
    Int(i64),
    /// A string of any bytes.
    Bulk(Vec<u8>),
    /// Nothing, in any of its forms.
    Null,
    /// `,1.5`
    Double(f64),
    /// `#t`
    Bool(bool),
    /// `(123…`
    BigNumber(Vec<u8>),
    /// Text that is to be shown as it is.
    Verbatim(Vec<u8>),
    /// Parts in order.
    Array(Vec<Frame>),
    /// Pairs, in no order.
    Map(Vec<(Frame, Frame)>),
    /// Parts, in no order.
    Set(Vec<Frame>),
    /// A message that nobody asked for.
    Push(Vec<Frame>),
}

/// Why the peer's bytes are no frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A byte that begins no frame we know (streamed ones among them: no server sends any).
    #[error("byte {0:#04x} begins no reply")]
    Kind(u8),
    /// A length or a count that is none.
    #[error("a reply's length is no number")]
    Length,
    /// A line that does not end.
    #[error("a line of a reply is longer than {LINE_BYTES_MAX} bytes")]
    Line,
    /// Too long altogether.
    #[error("a reply is longer than {REPLY_BYTES_MAX} bytes")]
    Long,
    /// Nested too deeply.
    #[error("a reply is nested more than {REPLY_DEPTH_MAX} times")]
    Deep,
    /// What lies between is not what it says it is.
    #[error("a reply is broken: {0}")]
    Broken(String),
}

/// Finds where frames end, then has them parsed.
///
/// ```
/// use protocol::frame::{Frame, FrameReader};
/// let mut reader = FrameReader::default();
/// let buffer = b"*2\r\n$3\r\nfoo\r\n:5\r\n+OK";
/// let (frame, used) = reader.read(buffer)?.expect("it is whole");
/// assert_eq!(frame, Frame::Array(vec![Frame::Bulk(b"foo".to_vec()), Frame::Int(5)]));
/// assert_eq!(reader.read(&buffer[used..])?, None);
/// # Ok::<(), protocol::frame::FrameError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrameReader {
    /// How many bytes of the frame were understood.
    at: usize,
    /// How many parts are missing of each frame that is open, outermost first.
    open: Vec<u64>,
    /// A length of -1 was seen: RESP2's way to say nothing.
    is_resp2: bool,
}

impl FrameReader {
    /// The frame at the front of `input`, and how many bytes it took; `None` while it is not whole. Call again with
    /// the same bytes and more behind them; drop those that were used before the next.
    ///
    /// # Errors
    /// [`FrameError`]: nothing after this can be found.
    pub fn read(&mut self, input: &[u8]) -> Result<Option<(Frame, usize)>, FrameError> {
        if !self.find_end(input)? {
            return Ok(None);
        }
        let used = std::mem::take(&mut self.at);
        let whole = input.get(..used).unwrap_or_default();
        let broken = |error: RedisProtocolError| FrameError::Broken(error.to_string());
        // The crate has a parser for each version; the one for RESP3 takes all of RESP2 but its nothing.
        let parsed = if std::mem::take(&mut self.is_resp2) {
            let parsed = resp2::decode::decode(whole).map_err(broken)?;
            parsed.map(|(frame, parsed)| (Frame::from(frame), parsed))
        } else {
            let parsed = resp3::decode::complete::decode(whole).map_err(broken)?;
            parsed.map(|(frame, parsed)| (Frame::from(frame), parsed))
        };
        parsed
            .filter(|(_, parsed)| *parsed == used)
            .map(Some)
            .ok_or(FrameError::Broken("it ends elsewhere".into()))
    }

    /// Reads on until the frame is whole.
    fn find_end(&mut self, input: &[u8]) -> Result<bool, FrameError> {
        loop {
            let Some(rest) = input.get(self.at..).filter(|rest| !rest.is_empty()) else { return Ok(false) };
            if self.at > REPLY_BYTES_MAX {
                return Err(FrameError::Long);
            }
            let Some((kind, text, next)) = line(rest)? else { return Ok(false) };
            let mut parts = 0;
            let mut end = next;
            match kind {
                b'+' | b'-' | b':' | b',' | b'_' | b'#' | b'(' => {}
                b'$' | b'=' | b'!' => match length(text)? {
                    None => self.is_resp2 = true,
                    Some(len) => {
                        end = next
                            .checked_add(len)
                            .and_then(|end| end.checked_add(2))
                            .ok_or(FrameError::Long)?;
                        if self.at.saturating_add(end) > REPLY_BYTES_MAX {
                            return Err(FrameError::Long);
                        }
                        if rest.len() < end {
                            return Ok(false);
                        }
                    }
                },
                b'*' | b'~' | b'>' => match length(text)? {
                    None => self.is_resp2 = true,
                    Some(count) => parts = count as u64,
                },
                b'%' => parts = 2 * length(text)?.unwrap_or(0) as u64,
                // Attributes come before the frame that they belong to.
                b'|' => parts = 2 * length(text)?.unwrap_or(0) as u64 + 1,
                other => return Err(FrameError::Kind(other)),
            }
            self.at += end;
            if parts > 0 {
                if self.open.len() >= REPLY_DEPTH_MAX {
                    return Err(FrameError::Deep);
                }
                self.open.push(parts);
                continue;
            }
            // A part is whole; with the last one, so is what it is a part of.
            loop {
                let Some(missing) = self.open.last_mut() else { return Ok(true) };
                *missing -= 1;
                if *missing > 0 {
                    break;
                }
                self.open.pop();
            }
        }
    }
}

/// The kind and the text of a line, and where the next one begins.
type Line<'a> = (u8, &'a [u8], usize);

/// The first line of what is left, when it is whole.
fn line(rest: &[u8]) -> Result<Option<Line<'_>>, FrameError> {
    let Some(end) = memchr(b'\n', rest.get(..rest.len().min(LINE_BYTES_MAX)).unwrap_or_default()) else {
        return if rest.len() >= LINE_BYTES_MAX { Err(FrameError::Line) } else { Ok(None) };
    };
    let line = rest.get(..end).and_then(|line| line.strip_suffix(b"\r"));
    match line.and_then(<[u8]>::split_first) {
        Some((kind, text)) => Ok(Some((*kind, text, end + 1))),
        None => Err(FrameError::Broken("a line without kind or without CR".into())),
    }
}

/// A length or a count; `None` for nothing (-1).
fn length(text: &[u8]) -> Result<Option<usize>, FrameError> {
    match parse_int(text) {
        Some(-1) => Ok(None),
        Some(len) => usize::try_from(len)
            .ok()
            .filter(|len| *len <= REPLY_BYTES_MAX)
            .map(Some)
            .ok_or(if len < 0 { FrameError::Length } else { FrameError::Long }),
        None => Err(FrameError::Length),
    }
}

impl From<resp2::types::OwnedFrame> for Frame {
    fn from(frame: resp2::types::OwnedFrame) -> Frame {
        use resp2::types::OwnedFrame::{Array, BulkString, Error, Integer, Null, SimpleString};
        match frame {
            SimpleString(data) => Frame::Simple(data),
            Error(data) => Frame::Error(data.into_bytes()),
            Integer(data) => Frame::Int(data),
            BulkString(data) => Frame::Bulk(data),
            Array(data) => Frame::Array(data.into_iter().map(Frame::from).collect()),
            Null => Frame::Null,
        }
    }
}

impl From<resp3::types::OwnedFrame> for Frame {
    fn from(frame: resp3::types::OwnedFrame) -> Frame {
        use resp3::types::OwnedFrame;
        let all = |frames: Vec<OwnedFrame>| frames.into_iter().map(Frame::from).collect();
        match frame {
            OwnedFrame::SimpleString { data, .. } => Frame::Simple(data),
            OwnedFrame::SimpleError { data, .. } => Frame::Error(data.into_bytes()),
            OwnedFrame::BlobError { data, .. } => Frame::Error(data),
            OwnedFrame::BlobString { data, .. } | OwnedFrame::ChunkedString(data) => Frame::Bulk(data),
            OwnedFrame::Number { data, .. } => Frame::Int(data),
            OwnedFrame::Double { data, .. } => Frame::Double(data),
            OwnedFrame::Boolean { data, .. } => Frame::Bool(data),
            OwnedFrame::BigNumber { data, .. } => Frame::BigNumber(data),
            OwnedFrame::VerbatimString { data, .. } => Frame::Verbatim(data),
            OwnedFrame::Null => Frame::Null,
            OwnedFrame::Array { data, .. } => Frame::Array(all(data)),
            OwnedFrame::Push { data, .. } => Frame::Push(all(data)),
            OwnedFrame::Set { data, .. } => Frame::Set(data.into_iter().map(Frame::from).collect()),
            OwnedFrame::Map { data, .. } => {
                Frame::Map(data.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
            }
            // A request of redis-protocol's own clients; the guard lets none through.
            OwnedFrame::Hello { .. } => Frame::Null,
        }
    }
}

impl Frame {
    /// The text of a status line or a string.
    pub fn text(&self) -> Option<&[u8]> {
        match self {
            Frame::Simple(text) | Frame::Bulk(text) | Frame::Verbatim(text) => Some(text),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Protocol, Reply};
    use proptest::prelude::*;

    fn read(input: &[u8]) -> Result<Option<(Frame, usize)>, FrameError> {
        FrameReader::default().read(input)
    }

    #[test]
    fn what_we_answer_is_read_back() {
        for protocol in [Protocol::Resp2, Protocol::Resp3] {
            let mut reply = Reply::new(protocol);
            reply.array(9);
            reply.ok();
            reply.error("ERR no");
            reply.int(-7);
            reply.bulk(b"a\r\nb");
            reply.null();
            reply.bool(true);
            reply.double_text(b"1.5");
            reply.map(1);
            reply.bulk(b"k");
            reply.null_array();
            reply.verbatim("txt", b"hey");
            let bytes = reply.to_vec();
            let (frame, used) = read(&bytes).unwrap().unwrap();
            assert_eq!(used, bytes.len());
            let two = protocol == Protocol::Resp2;
            assert_eq!(
                frame,
                Frame::Array(vec![
                    Frame::Simple(b"OK".to_vec()),
                    Frame::Error(b"ERR no".to_vec()),
                    Frame::Int(-7),
                    Frame::Bulk(b"a\r\nb".to_vec()),
                    Frame::Null,
                    if two { Frame::Int(1) } else { Frame::Bool(true) },
                    if two { Frame::Bulk(b"1.5".to_vec()) } else { Frame::Double(1.5) },
                    if two {
                        Frame::Array(vec![Frame::Bulk(b"k".to_vec()), Frame::Null])
                    } else {
                        Frame::Map(vec![(Frame::Bulk(b"k".to_vec()), Frame::Null)])
                    },
                    if two { Frame::Bulk(b"hey".to_vec()) } else { Frame::Verbatim(b"hey".to_vec()) },
                ])
            );
            for cut in 0..bytes.len() {
                let mut reader = FrameReader::default();
                assert_eq!(reader.read(&bytes[..cut]), Ok(None), "cut at byte {cut}");
                assert_eq!(reader.read(&bytes), Ok(Some((frame.clone(), used))), "cut at byte {cut}");
            }
        }
    }

    #[test]
    fn what_is_too_much_is_refused() {
        assert_eq!(read(&b"*1\r\n".repeat(30_000)), Err(FrameError::Deep));
        assert_eq!(read(b"$999999999999\r\n"), Err(FrameError::Long));
        assert_eq!(read(b"*999999999999\r\n"), Err(FrameError::Long));
        assert_eq!(read(b"$-2\r\n"), Err(FrameError::Length));
        assert_eq!(read(b"$?\r\n"), Err(FrameError::Length));
        assert_eq!(read(b"Hello\r\n"), Err(FrameError::Kind(b'H')));
        assert_eq!(read(&vec![b'+'; LINE_BYTES_MAX]), Err(FrameError::Line));
        assert!(read(b"\r\n").is_err());
        assert!(read(b":x\r\n").is_err());
        assert_eq!(read(b"*1000000\r\n"), Ok(None));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_and_pieces_make_no_difference(
            bytes in prop::collection::vec(prop::sample::select(b"+-:$*%~>_#,(=!|0123-1\r\n\r\n\r\ntf".to_vec()), 0..80),
        ) {
            let whole = read(&bytes);
            let mut reader = FrameReader::default();
            let mut pieces = Ok(None);
            for end in 1..=bytes.len() {
                pieces = reader.read(&bytes[..end]);
                if pieces != Ok(None) {
                    break;
                }
            }
            // Doubles may be NaN, which equals nothing.
            prop_assert_eq!(format!("{whole:?}"), format!("{pieces:?}"));
        }
    }
}
