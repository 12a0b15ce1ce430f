//! Replies: an append-only buffer that speaks RESP2 and RESP3 from the same calls.
//!
//! Owns the bytes of a connection's answers until they are written. Never waits, never does IO: the server writes
//! what [`bytes::Buf`] shows (long values stand between the buffer's own bytes and are never copied).

use std::io::IoSlice;

use bytes::{Buf, Bytes};

use crate::tail::Tail;

/// A shared value shorter than this is copied: an extra piece in a vectored write costs more than the copy.
const SHARED_BYTES_MIN: usize = 16 * 1024;

/// The room a buffer keeps when all of it was written; a connection that once read a long reply gives the rest back.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// The version of the protocol that a connection has chosen (HELLO).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// RESP2, how every connection begins.
    #[default]
    Resp2,
    /// RESP3
    Resp3,
}

/// Answers on their way to a client.
///
/// ```
/// use protocol::{Protocol, Reply};
/// let mut reply = Reply::new(Protocol::Resp3);
/// reply.map(1);
/// reply.bulk(b"score");
/// reply.double_text(b"1.5");
/// assert_eq!(reply.to_vec(), b"%1\r\n$5\r\nscore\r\n,1.5\r\n");
/// ```
#[derive(Debug, Default)]
pub struct Reply {
    /// The bytes; `shared` values belong between them.
    bytes: Tail,
    /// Long values, each with the place in `bytes` before which it is to be written; ascending.
    shared: Vec<(usize, Bytes)>,
    /// How many of `bytes` were written.
    written: usize,
    /// How many of `shared` were written whole.
    shared_written: usize,
    /// What the client speaks.
    protocol: Protocol,
}

/// A place where an array's (map's, set's) header will be put once its length is known.
#[derive(Debug)]
#[must_use]
pub struct Deferred(usize);

/// The end of the reply at some moment, to which [`Reply::rollback`] returns.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    bytes: usize,
    shared: usize,
}

impl Reply {
    /// An empty reply in this protocol.
    pub fn new(protocol: Protocol) -> Self {
        Reply { protocol, ..Reply::default() }
    }

    /// What the client speaks.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Speaks this protocol from here on (HELLO, RESET).
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    // ---- answers ----

    /// `+OK`
    pub fn ok(&mut self) {
        self.bytes.append(b"+OK\r\n");
    }

    /// A status line: `+text`.
    pub fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// A status line whose text may be no UTF-8: a script's.
    pub fn simple_bytes(&mut self, text: &[u8]) {
        self.line(b'+', text);
    }

    /// An error line: `-text`; `text` begins with its code (`ERR …`).
    pub fn error(&mut self, text: &str) {
        self.error_bytes(text.as_bytes());
    }

    /// An error line whose text repeats what a client sent, which may be no UTF-8.
    pub fn error_bytes(&mut self, text: &[u8]) {
        self.line(b'-', text);
    }

    /// An integer.
    pub fn int(&mut self, value: i64) {
        match value {
            0 => self.bytes.append(b":0\r\n"),
            1 => self.bytes.append(b":1\r\n"),
            _ => self.header(b':', value),
        }
    }

    /// A length or a count, as an integer.
    pub fn len_int(&mut self, value: usize) {
        self.int(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// A bulk string, copied.
    #[inline]
    pub fn bulk(&mut self, value: &[u8]) {
        let Some((header, start)) = short_header(b'$', value.len()) else {
            self.header(b'$', length(value.len()));
            self.bytes.append(value);
            return self.bytes.append(b"\r\n");
        };
        let end = start + value.len();
        let place = self.bytes.space(end + header.len());
        if let Some(place) = place.first_chunk_mut() {
            *place = header;
        }
        if let Some(place) = place.get_mut(start..end) {
            place.copy_from_slice(value);
        }
        if let Some(place) = place.get_mut(end..).and_then(|rest| rest.first_chunk_mut()) {
            *place = *b"\r\n";
        }
        self.bytes.keep(end + 2);
    }

    /// A bulk string, or null.
    pub fn bulk_or_null(&mut self, value: Option<&[u8]>) {
        match value {
            Some(value) => self.bulk(value),
            None => self.null(),
        }
    }

    /// A bulk string that is kept, not copied, when it is long.
    pub fn bulk_shared(&mut self, value: Bytes) {
        if value.len() < SHARED_BYTES_MIN {
            return self.bulk(&value);
        }
        self.count(b'$', value.len());
        if !self.bytes.is_over() {
            self.shared.push((self.bytes.len(), value));
        }
        self.bytes.append(b"\r\n");
    }

    /// An integer as a bulk string, as GET answers a counter.
    pub fn bulk_int(&mut self, value: i64) {
        let mut digits = itoa::Buffer::new();
        self.bulk(digits.format(value).as_bytes());
    }

    /// Nothing: RESP2 `$-1`, RESP3 `_`.
    pub fn null(&mut self) {
        match self.protocol {
            Protocol::Resp2 => self.bytes.append(b"$-1\r\n"),
            Protocol::Resp3 => self.bytes.append(b"_\r\n"),
        }
    }

    /// No array: RESP2 `*-1`, RESP3 `_`.
    pub fn null_array(&mut self) {
        match self.protocol {
            Protocol::Resp2 => self.bytes.append(b"*-1\r\n"),
            Protocol::Resp3 => self.bytes.append(b"_\r\n"),
        }
    }

    /// The header of an array of `n` answers, which follow.
    pub fn array(&mut self, n: usize) {
        self.count(b'*', n);
    }

    /// The header of a map of so many pairs; RESP2: an array of twice as many.
    pub fn map(&mut self, pairs: usize) {
        match self.protocol {
            Protocol::Resp2 => self.count(b'*', pairs.saturating_mul(2)),
            Protocol::Resp3 => self.count(b'%', pairs),
        }
    }

    /// The header of a set of `n` answers; RESP2: an array.
    pub fn set(&mut self, n: usize) {
        self.count(self.marker(b'~'), n);
    }

    /// The header of an out-of-band message of `n` parts; RESP2: an array.
    pub fn push(&mut self, n: usize) {
        self.count(self.marker(b'>'), n);
    }

    /// A double, given as the text that the dialect in force has for it (`storage::score` writes it); RESP2: as a bulk
    /// string.
    pub fn double_text(&mut self, text: &[u8]) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => self.line(b',', text),
        }
    }

    /// A truth; RESP2: 1 or 0.
    pub fn bool(&mut self, value: bool) {
        self.bytes.append(match (self.protocol, value) {
            (Protocol::Resp2, true) => b":1\r\n",
            (Protocol::Resp2, false) => b":0\r\n",
            (Protocol::Resp3, true) => b"#t\r\n",
            (Protocol::Resp3, false) => b"#f\r\n",
        });
    }

    /// A number that may not fit 64 bits, as digits; RESP2: a bulk string.
    pub fn big_number(&mut self, digits: &str) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(digits.as_bytes()),
            Protocol::Resp3 => self.line(b'(', digits.as_bytes()),
        }
    }

    /// Text with its form (three letters: `txt`, `mkd`); RESP2: a bulk string.
    pub fn verbatim(&mut self, form: &str, text: &[u8]) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => {
                self.count(b'=', text.len() + form.len() + 1);
                self.bytes.append(form.as_bytes());
                self.bytes.append(b":");
                self.bytes.append(text);
                self.bytes.append(b"\r\n");
            }
        }
    }

    // ---- headers whose length is known afterwards ----

    /// Keeps a place for a header; what is appended next belongs under it. Close inner ones before outer ones.
    pub fn defer(&mut self) -> Deferred {
        let at = self.bytes.len();
        // Room for a one-digit header: most are, and then nothing has to move.
        self.bytes.append(b"*0\r\n");
        Deferred(at)
    }

    /// Puts an array's header there.
    pub fn array_at(&mut self, at: Deferred, n: usize) {
        self.header_at(at, b'*', n);
    }

    /// Puts a map's header there.
    pub fn map_at(&mut self, at: Deferred, pairs: usize) {
        match self.protocol {
            Protocol::Resp2 => self.header_at(at, b'*', pairs.saturating_mul(2)),
            Protocol::Resp3 => self.header_at(at, b'%', pairs),
        }
    }

    /// Puts a set's header there.
    pub fn set_at(&mut self, at: Deferred, n: usize) {
        self.header_at(at, self.marker(b'~'), n);
    }

    // ---- the buffer ----

    /// Where the reply ends now.
    #[inline]
    pub fn mark(&self) -> Mark {
        Mark { bytes: self.bytes.len(), shared: self.shared.len() }
    }

    /// Forgets everything appended since `mark`, of which nothing may have been written yet.
    pub fn rollback(&mut self, mark: Mark) {
        debug_assert!(mark.bytes >= self.written && mark.shared >= self.shared_written);
        self.bytes.truncate(mark.bytes);
        self.shared.truncate(mark.shared);
    }

    /// The same for what was never to be sent: then it is nothing that part of it was left out.
    pub fn withdraw(&mut self, mark: Mark) {
        self.rollback(mark);
        self.bytes.pardon();
    }

    /// How many bytes were appended since `mark`.
    pub fn len_since(&self, mark: Mark) -> usize {
        let shared = self.shared.iter().skip(mark.shared).map(|(_, value)| value.len()).sum::<usize>();
        self.bytes.len().saturating_sub(mark.bytes) + shared
    }

    /// How many bytes of memory that was for.
    pub fn held_since(&self, mark: Mark) -> usize {
        let shared = self.shared.len().saturating_sub(mark.shared);
        self.bytes.len().saturating_sub(mark.bytes) + shared * size_of::<(usize, Bytes)>()
    }

    /// Whether an error line stands at `mark` (what was appended since then began with one).
    #[inline]
    pub fn is_error_at(&self, mark: Mark) -> bool {
        self.bytes.get(mark.bytes) == Some(&b'-')
    }

    /// How many bytes wait to be written.
    #[inline]
    pub fn len(&self) -> usize {
        if self.shared.is_empty() {
            return self.bytes.len() - self.written;
        }
        self.bytes.len() - self.written + self.shared_len()
    }

    /// How many of these are of values that others hold too, and that are not copied.
    pub fn shared_len(&self) -> usize {
        self.shared.iter().skip(self.shared_written).map(|(_, value)| value.len()).sum()
    }

    /// Whether nothing waits to be written.
    pub fn is_empty(&self) -> bool {
        self.written == self.bytes.len() && self.shared_written == self.shared.len()
    }

    /// No more than about so many bytes are held from now on: what is appended beyond them is left out, and
    /// [`Reply::is_over`] says so. For a client that is let go then, as who is not sent all of its answers must be.
    #[inline]
    pub fn bound(&mut self, bytes: usize) {
        self.bytes.bound(bytes);
    }

    /// Whether there is such a bound.
    #[inline]
    pub fn is_bounded(&self) -> bool {
        self.bytes.most() != usize::MAX
    }

    /// Whether something was left out (until all is forgotten by [`Reply::take`], or written): nothing of it may be
    /// sent.
    #[inline]
    pub fn is_over(&self) -> bool {
        self.bytes.is_over()
    }

    /// Takes what waits, and leaves an empty reply of the same protocol and bound.
    #[must_use]
    pub fn take(&mut self) -> Reply {
        let mut empty = Reply::new(self.protocol);
        empty.bound(self.bytes.most());
        std::mem::replace(self, empty)
    }

    /// Appends what waits in `other` (RESP bytes of the same protocol), long values still shared.
    pub fn append(&mut self, mut other: Reply) {
        if self.is_empty() && other.written == 0 && other.shared_written == 0 {
            other.protocol = self.protocol;
            other.bound(self.bytes.most());
            *self = other;
            return;
        }
        if other.is_over() {
            self.bytes.set_over();
        }
        let moved = self.bytes.len();
        let skipped = other.written;
        self.bytes.append(other.bytes.get(skipped..).unwrap_or_default());
        for (at, value) in other.shared.drain(..).skip(other.shared_written) {
            self.shared.push((at - skipped + moved, value));
        }
    }

    /// Appends bytes that are RESP already.
    pub fn raw(&mut self, resp: &[u8]) {
        self.bytes.append(resp);
    }

    /// The same for bytes that others send too: long ones are not copied.
    pub fn raw_shared(&mut self, resp: &Bytes) {
        if resp.len() < SHARED_BYTES_MIN {
            self.bytes.append(resp);
        } else {
            self.shared.push((self.bytes.len(), resp.clone()));
        }
    }

    /// Everything that waits, in one piece: for tests, and where replies are read by us ourselves.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.len());
        let mut at = self.written;
        for (place, value) in self.shared.iter().skip(self.shared_written) {
            all.extend_from_slice(self.bytes.get(at..*place).unwrap_or_default());
            all.extend_from_slice(value);
            at = *place;
        }
        all.extend_from_slice(self.bytes.get(at..).unwrap_or_default());
        all
    }

    /// Room for so many more bytes.
    pub fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve(bytes);
    }

    /// The RESP3 marker, or an array's in RESP2.
    fn marker(&self, resp3: u8) -> u8 {
        match self.protocol {
            Protocol::Resp2 => b'*',
            Protocol::Resp3 => resp3,
        }
    }

    /// A line of text; line ends inside it become blanks, as Redis does, for they would end it early.
    fn line(&mut self, marker: u8, text: &[u8]) {
        self.bytes.append(&[marker]);
        let start = self.bytes.len();
        self.bytes.append(text);
        for byte in self.bytes.since_mut(start) {
            if matches!(byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
        self.bytes.append(b"\r\n");
    }

    /// A header with a count, which is a length in memory and so fits.
    #[inline]
    fn count(&mut self, marker: u8, n: usize) {
        match short_header(marker, n) {
            Some((header, used)) => {
                if let Some(place) = self.bytes.space(header.len()).first_chunk_mut() {
                    *place = header;
                }
                self.bytes.keep(used);
            }
            None => self.header(marker, length(n)),
        }
    }

    fn header(&mut self, marker: u8, value: i64) {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(value).as_bytes();
        self.bytes.append(&[marker]);
        self.bytes.append(digits);
        self.bytes.append(b"\r\n");
    }

    fn header_at(&mut self, at: Deferred, marker: u8, n: usize) {
        let Deferred(at) = at;
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(n).as_bytes();
        let grown = digits.len() - 1;
        let mut header = [marker; 1 + usize::MAX.ilog10() as usize + 1];
        if let Some(place) = header.get_mut(1..=digits.len()) {
            place.copy_from_slice(digits);
        }
        self.bytes.exchange(at, 2, header.get(..=digits.len()).unwrap_or_default());
        if grown > 0 {
            for (place, _) in self.shared.iter_mut().rev().take_while(|(place, _)| *place > at) {
                *place += grown;
            }
        }
    }

    /// Everything was written: start over, and give a long buffer back.
    fn restart(&mut self) {
        self.bytes.restart(KEPT_BYTES_MAX);
        self.shared.clear();
        self.written = 0;
        self.shared_written = 0;
    }
}

/// A length in memory, as a number of the protocol.
fn length(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// The header of a number of up to three digits, which most have, and how many of the bytes are it.
#[inline]
fn short_header(marker: u8, n: usize) -> Option<([u8; 8], usize)> {
    const DIGIT: u64 = b'0' as u64;
    const END: u64 = u16::from_le_bytes(*b"\r\n") as u64;
    let marker = u64::from(marker);
    let n = n as u64;
    let (word, used) = match n {
        0..=9 => (marker | (DIGIT + n) << 8 | END << 16, 4),
        10..=99 => (marker | (DIGIT + n / 10) << 8 | (DIGIT + n % 10) << 16 | END << 24, 5),
        100..=999 => {
            let (hundreds, rest) = (n / 100, n % 100);
            let digits = (DIGIT + hundreds) | (DIGIT + rest / 10) << 8 | (DIGIT + rest % 10) << 16;
            (marker | digits << 8 | END << 32, 6)
        }
        _ => return None,
    };
    Some((word.to_le_bytes(), used))
}

/// The bytes that wait, for vectored writing.
impl Buf for Reply {
    fn remaining(&self) -> usize {
        self.len()
    }

    fn chunk(&self) -> &[u8] {
        match self.shared.get(self.shared_written) {
            Some((place, value)) if *place == self.written => value,
            Some((place, _)) => self.bytes.get(self.written..*place).unwrap_or_default(),
            None => self.bytes.get(self.written..).unwrap_or_default(),
        }
    }

    fn advance(&mut self, mut count: usize) {
        while count > 0 {
            let piece = self.chunk().len();
            assert!(piece > 0, "advanced past the end of a reply");
            let step = piece.min(count);
            match self.shared.get_mut(self.shared_written) {
                Some((place, value)) if *place == self.written => {
                    value.advance(step);
                    if value.is_empty() {
                        self.shared_written += 1;
                    }
                }
                _ => self.written += step,
            }
            count -= step;
        }
        if self.is_empty() {
            self.restart();
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        let mut put = |piece: &'a [u8]| {
            if piece.is_empty() {
                return true;
            }
            let Some(slot) = slices.get_mut(filled) else { return false };
            *slot = IoSlice::new(piece);
            filled += 1;
            true
        };
        let mut at = self.written;
        for (place, value) in self.shared.iter().skip(self.shared_written) {
            if !put(self.bytes.get(at..*place).unwrap_or_default()) || !put(value) {
                return filled;
            }
            at = *place;
        }
        put(self.bytes.get(at..).unwrap_or_default());
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(reply: &Reply) -> String {
        String::from_utf8(reply.to_vec()).unwrap()
    }

    #[test]
    fn the_same_calls_speak_both_protocols() {
        let fill = |reply: &mut Reply| {
            reply.ok();
            reply.simple("QUEUED");
            reply.error("ERR a\r\nb");
            reply.int(-5);
            reply.int(i64::MIN);
            reply.bulk(b"");
            reply.bulk(b"0123456789");
            reply.bulk_int(42);
            reply.null();
            reply.null_array();
            reply.array(12);
            reply.map(6);
            reply.set(3);
            reply.push(2);
            reply.double_text(b"3");
            reply.double_text(b"-inf");
            reply.bool(true);
            reply.bool(false);
            reply.big_number("123");
            reply.verbatim("txt", b"hey");
        };
        let mut two = Reply::new(Protocol::Resp2);
        fill(&mut two);
        assert_eq!(
            text(&two),
            "+OK\r\n+QUEUED\r\n-ERR a  b\r\n:-5\r\n:-9223372036854775808\r\n$0\r\n\r\n$10\r\n0123456789\r\n$2\r\n42\r\n\
             $-1\r\n*-1\r\n*12\r\n*12\r\n*3\r\n*2\r\n$1\r\n3\r\n$4\r\n-inf\r\n:1\r\n:0\r\n$3\r\n123\r\n$3\r\nhey\r\n"
        );
        let mut three = Reply::new(Protocol::Resp3);
        fill(&mut three);
        assert_eq!(
            text(&three),
            "+OK\r\n+QUEUED\r\n-ERR a  b\r\n:-5\r\n:-9223372036854775808\r\n$0\r\n\r\n$10\r\n0123456789\r\n$2\r\n42\r\n\
             _\r\n_\r\n*12\r\n%6\r\n~3\r\n>2\r\n,3\r\n,-inf\r\n#t\r\n#f\r\n(123\r\n=7\r\ntxt:hey\r\n"
        );
    }

    #[test]
    fn deferred_headers_nest_and_move_shared_values() {
        let long = Bytes::from(vec![b'x'; SHARED_BYTES_MIN]);
        let mut reply = Reply::new(Protocol::Resp3);
        reply.bulk_shared(long.clone());
        let outer = reply.defer();
        let inner = reply.defer();
        reply.bulk_shared(long.clone());
        reply.map_at(inner, 100);
        reply.int(7);
        reply.set_at(outer, 12345);
        let x = String::from_utf8(long.to_vec()).unwrap();
        assert_eq!(text(&reply), format!("$16384\r\n{x}\r\n~12345\r\n%100\r\n$16384\r\n{x}\r\n:7\r\n"));
    }

    #[test]
    fn any_way_of_writing_gives_the_same_bytes() {
        let long = Bytes::from((0..20_000u32).map(|i| i.to_le_bytes()[0]).collect::<Vec<u8>>());
        let make = || {
            let mut reply = Reply::default();
            reply.ok();
            reply.bulk_shared(long.clone());
            reply.bulk_shared(long.clone());
            reply.int(5);
            reply
        };
        let expected = make().to_vec();
        for step in [61, 1000, 50_000] {
            let mut reply = make();
            let mut seen = Vec::new();
            while reply.has_remaining() {
                let mut slices = [IoSlice::new(&[]); 8];
                let filled = reply.chunks_vectored(&mut slices);
                let all: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.iter().copied()).collect();
                assert_eq!(all.len(), reply.remaining());
                let step = step.min(all.len());
                seen.extend_from_slice(&all[..step]);
                reply.advance(step);
            }
            assert!(seen == expected, "step {step}");
            assert!(reply.is_empty());
        }
    }

    #[test]
    fn rollback_and_append() {
        let mut reply = Reply::default();
        reply.int(1);
        let mark = reply.mark();
        reply.array(3);
        reply.bulk_shared(Bytes::from(vec![0; SHARED_BYTES_MIN]));
        assert_eq!(reply.len_since(mark), 4 + 8 + SHARED_BYTES_MIN + 2);
        reply.rollback(mark);
        reply.error("ERR no");
        assert!(reply.is_error_at(mark));
        let mut other = Reply::default();
        other.int(2);
        other.bulk_shared(Bytes::from(vec![b'a'; SHARED_BYTES_MIN]));
        other.advance(4);
        let rest = other.to_vec();
        reply.append(other);
        assert_eq!(reply.to_vec(), [b":1\r\n-ERR no\r\n".as_slice(), &rest].concat());
    }
}
