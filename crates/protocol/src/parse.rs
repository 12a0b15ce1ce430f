//! Requests out of a read buffer: multibulk and inline, without copying; resumes where it stopped.
//!
//! The caller keeps the buffer. [`Parser::parse`] looks at it from the front and notes where words lie; requests are
//! then read out of the same bytes, executed, and [`Parser::consume`] says how many bytes to drop. What is left of an
//! unfinished request is never looked at twice.
//!
//! Owns the grammar of requests. Never owns the bytes, never knows a command.

use memchr::{memchr, memchr2};

use crate::error::ProtocolError;
use crate::inline::{self, Quotes};
use crate::limits::{INLINE_BYTES_MAX, LINE_BYTES_MAX, Peer};
use crate::number::parse_int;
use crate::request::{Request, Span};

/// What a line's number bytes are at most: beyond them no number fits an `i64`.
const NUMBER_BYTES_MAX: usize = 20;

/// How much room for words is kept between batches; a request with more gives its room back.
const KEPT_WORDS_MAX: usize = 4096;

/// Takes requests off the front of a buffer that grows at its end.
///
/// ```
/// use protocol::{limits::Peer, parse::Parser};
/// let mut parser = Parser::default();
/// let buffer = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\nPING\r\n*2\r\n$3\r\nGE";
/// assert_eq!(parser.parse(buffer, Peer::Client, 64), Ok(2));
/// let get = parser.request(0, buffer).unwrap();
/// assert_eq!((get.name(), get.len(), get.word(1)), (&b"GET"[..], 2, &b"a"[..]));
/// assert_eq!(parser.consume(), 26); // drop so many bytes; the last request is not whole yet
/// ```
#[derive(Debug, Default)]
pub struct Parser {
    /// Where words lie, counted from the front of their request: those of the whole requests, then of the unfinished.
    words: Vec<Span>,
    /// The whole requests.
    whole: Vec<Whole>,
    /// The words of inline commands that had quotes.
    unescaped: Vec<u8>,
    /// Where the unfinished request begins.
    start: usize,
    /// What we know of it.
    state: State,
    /// What may follow a quote in an inline command, where that was said.
    quotes: Option<Quotes>,
}

/// A request that has arrived whole.
#[derive(Clone, Copy, Debug)]
struct Whole {
    /// Where it begins and ends in the buffer.
    start: usize,
    end: usize,
    /// Where its words begin and end in `words`.
    words_start: usize,
    words_end: usize,
    /// Its words lie among the unescaped.
    is_unescaped: bool,
}

/// How far the unfinished request was read; positions count from its front.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Nothing but perhaps a line without an end, searched up to `searched`.
    Begin { searched: usize },
    /// `missing` words are to come, the next length stands at `at`; its line has no end before `searched`.
    Words { missing: u64, at: usize, searched: usize },
    /// A word of `len` bytes begins at `at`, and `missing` words come with it.
    Bulk { missing: u64, at: usize, len: usize },
}

impl Default for State {
    fn default() -> Self {
        State::Begin { searched: 0 }
    }
}

/// A line that holds a number.
enum Line {
    Number {
        value: i64,
        next: usize,
    },
    Unfinished,
    /// No number, or one that does not fit.
    Wrong,
    /// A CR without its LF.
    WrongEnd,
}

impl Parser {
    /// From now on this may follow a quote in an inline command. As long as nothing is said, where it matters is a
    /// mistake ([`ProtocolError::Quotes`]), and found again once something is.
    pub fn set_quotes(&mut self, quotes: Option<Quotes>) {
        self.quotes = quotes;
    }

    /// Reads on in `input`, which begins where it began the last time (after what [`Parser::consume`] said to drop),
    /// until `most` requests are whole; returns how many are (call again after answering and consuming them, until 0).
    /// Empty requests are passed over.
    ///
    /// # Errors
    /// [`ProtocolError`], but only when no whole request stands before it: answer those first, consume, call again.
    pub fn parse(&mut self, input: &[u8], peer: Peer, most: usize) -> Result<usize, ProtocolError> {
        while self.whole.len() < most {
            if self.usual(input, peer) {
                continue;
            }
            match self.advance(input, peer) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) if self.whole.is_empty() => return Err(error),
                Err(_) => {
                    // The state still stands before the mistake, which is found again.
                    break;
                }
            }
        }
        Ok(self.whole.len())
    }

    /// What is wrong with what follows the whole requests in the same `input`, if something is, when these were fewer
    /// than [`Parser::parse`] was asked for: for who waits for more of them before he answers any.
    pub fn mistake(&mut self, input: &[u8], peer: Peer) -> Option<ProtocolError> {
        self.advance(input, peer).err()
    }

    /// A whole request, of the same `input`.
    #[inline]
    pub fn request<'a>(&'a self, index: usize, input: &'a [u8]) -> Option<Request<'a>> {
        self.request_of(self.whole.get(index)?, input)
    }

    /// Where a whole request lies in the input; empty requests may lie between two.
    pub fn place(&self, index: usize) -> Option<std::ops::Range<usize>> {
        self.whole.get(index).map(|whole| whole.start..whole.end)
    }

    /// The whole requests, of the same `input`.
    pub fn requests<'a>(&'a self, input: &'a [u8]) -> impl Iterator<Item = Request<'a>> {
        self.whole.iter().filter_map(move |whole| self.request_of(whole, input))
    }

    #[inline]
    fn request_of<'a>(&'a self, whole: &Whole, input: &'a [u8]) -> Option<Request<'a>> {
        let words = self.words.get(whole.words_start..whole.words_end)?;
        let bytes = input.get(whole.start..whole.end)?;
        Some(Request::new(bytes, if whole.is_unescaped { &self.unescaped } else { bytes }, words))
    }

    /// Forgets the whole requests, and says how many bytes at the front of the buffer were theirs.
    pub fn consume(&mut self) -> usize {
        let unfinished_from = self.whole.last().map_or(0, |whole| whole.words_end);
        self.words.drain(..unfinished_from);
        if self.words.capacity() > KEPT_WORDS_MAX && self.words.len() < KEPT_WORDS_MAX {
            self.words.shrink_to(KEPT_WORDS_MAX);
        }
        self.whole.clear();
        self.unescaped.clear();
        std::mem::take(&mut self.start)
    }

    /// How many bytes the buffer must hold at least before the unfinished request can get on; 0 when nobody knows.
    /// (Lets a reader make room for a long word at once; bounded by the [`Peer`]'s longest word.)
    pub fn wanted(&self) -> usize {
        match self.state {
            State::Bulk { at, len, .. } => {
                self.start.saturating_add(at).saturating_add(len).saturating_add(2)
            }
            State::Begin { .. } | State::Words { .. } => 0,
        }
    }

    /// Whether a request has begun to arrive and is not whole.
    pub fn is_inside_request(&self) -> bool {
        !matches!(self.state, State::Begin { searched: 0 })
    }

    /// One request on, if it is of the usual form: a multibulk of short counts and lengths that is there from its front
    /// to its end. Of any other nothing is noted, and [`Parser::advance`] says what it is.
    #[inline]
    fn usual(&mut self, input: &[u8], peer: Peer) -> bool {
        if !matches!(self.state, State::Begin { searched: 0 }) || peer == Peer::Unauthenticated {
            return false;
        }
        let rest = input.get(self.start..).unwrap_or_default();
        let words = self.words.len();
        let Some(used) = self.usual_words(rest) else {
            self.words.truncate(words);
            return false;
        };
        self.note_whole(words, used, false);
        true
    }

    /// The words of a request of the usual form, and how many bytes it takes.
    #[inline]
    fn usual_words(&mut self, rest: &[u8]) -> Option<usize> {
        let (count, mut at) = short_line(rest, b'*')?;
        if count == 0 {
            return None;
        }
        for _ in 0..count {
            let (len, line) = short_line(rest.get(at..)?, b'$')?;
            let from = at + line;
            let after = rest.get(from + len..)?;
            if u16::from_le_bytes(*after.first_chunk()?) != u16::from_le_bytes(*b"\r\n") {
                return None;
            }
            self.words.push(Span { at: from, len });
            at = from + len + 2;
        }
        Some(at)
    }

    /// One request on; false when more bytes are wanted.
    fn advance(&mut self, input: &[u8], peer: Peer) -> Result<bool, ProtocolError> {
        let rest = input.get(self.start..).unwrap_or_default();
        if let State::Begin { searched } = self.state {
            match rest.first() {
                None => return Ok(false),
                Some(b'*') => {}
                Some(_) => return self.inline(rest, searched, peer),
            }
            let (count, next) = match number_line(rest, 1, searched) {
                Line::Number { value, next } => (value, next),
                Line::Wrong => return Err(ProtocolError::WordCount),
                Line::WrongEnd => return Err(ProtocolError::LineEnd),
                Line::Unfinished => {
                    if rest.len() > LINE_BYTES_MAX {
                        return Err(ProtocolError::WordCountLine);
                    }
                    self.state = State::Begin { searched: searched_to(rest) };
                    return Ok(false);
                }
            };
            let Ok(missing @ 1..) = u64::try_from(count) else {
                self.start += next; // "*0" and "*-1" ask for nothing
                self.state = State::default();
                return Ok(true);
            };
            if missing > peer.words_max() {
                return Err(match peer {
                    Peer::Unauthenticated if missing <= Peer::Client.words_max() => {
                        ProtocolError::UnauthenticatedWordCount
                    }
                    _ => ProtocolError::WordCount,
                });
            }
            self.state = State::Words { missing, at: next, searched: 0 };
        }
        self.multibulk(rest, peer)
    }

    /// The words of a multibulk request, from where the last call stopped.
    fn multibulk(&mut self, rest: &[u8], peer: Peer) -> Result<bool, ProtocolError> {
        let (mut missing, mut at) = match self.state {
            State::Words { missing, at, .. } => (missing, at),
            State::Bulk { missing, at, len } => match word_end(rest, at, len)? {
                None => return Ok(false),
                Some(end) => {
                    self.words.push(Span { at, len });
                    (missing - 1, end)
                }
            },
            State::Begin { .. } => return Ok(false),
        };
        let mut searched = if let State::Words { searched, .. } = self.state { searched } else { 0 };
        while missing > 0 {
            let (len, next) = match bulk_line(rest, at, searched) {
                Ok(Line::Number { value, next }) => (value, next),
                Ok(Line::Unfinished) => {
                    if rest.len().saturating_sub(at) > LINE_BYTES_MAX {
                        return Err(ProtocolError::BulkLengthLine);
                    }
                    self.state = State::Words { missing, at, searched: searched_to(rest) };
                    return Ok(false);
                }
                Ok(Line::WrongEnd) => return Err(self.stop_at(missing, at, ProtocolError::LineEnd)),
                Ok(Line::Wrong) => return Err(self.stop_at(missing, at, ProtocolError::BulkLength)),
                Err(error) => return Err(self.stop_at(missing, at, error)),
            };
            searched = 0;
            let fits = u64::try_from(len).ok().filter(|len| *len <= peer.bulk_bytes_max());
            let Some(len) = fits.and_then(|len| usize::try_from(len).ok()) else {
                let stranger = peer == Peer::Unauthenticated
                    && u64::try_from(len).is_ok_and(|len| len <= Peer::Client.bulk_bytes_max());
                let error = if stranger {
                    ProtocolError::UnauthenticatedBulkLength
                } else {
                    ProtocolError::BulkLength
                };
                return Err(self.stop_at(missing, at, error));
            };
            let end = match word_end(rest, next, len) {
                Ok(Some(end)) => end,
                Ok(None) => {
                    self.state = State::Bulk { missing, at: next, len };
                    return Ok(false);
                }
                Err(error) => return Err(self.stop_at(missing, at, error)),
            };
            self.words.push(Span { at: next, len });
            at = end;
            missing -= 1;
        }
        self.finish(at);
        Ok(true)
    }

    /// Rests before a mistake, so that it is found again once the requests before it are answered.
    fn stop_at(&mut self, missing: u64, at: usize, error: ProtocolError) -> ProtocolError {
        self.state = State::Words { missing, at, searched: 0 };
        error
    }

    /// A line of words, as one types it.
    fn inline(&mut self, rest: &[u8], searched: usize, peer: Peer) -> Result<bool, ProtocolError> {
        // As a string of C has it: there is no end behind a zero byte.
        let found = rest.get(searched..).and_then(|unsearched| memchr2(b'\n', 0, unsearched));
        let stop = found.map_or(rest.len(), |at| at + searched);
        let end = Some(stop).filter(|end| rest.get(*end) == Some(&b'\n'));
        let is_too_long = match end {
            None => rest.len() > LINE_BYTES_MAX,
            Some(end) => end > INLINE_BYTES_MAX,
        };
        if is_too_long {
            return Err(ProtocolError::InlineLine);
        }
        let Some(end) = end else {
            self.state = State::Begin { searched: stop };
            return Ok(false);
        };
        let line = rest.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if peer == Peer::Master && !line.is_empty() {
            return Err(ProtocolError::InlineFromMaster);
        }
        let words = self.words.len();
        let unescaped = self.unescaped.len();
        let Some(is_unescaped) = inline::split(line, &mut self.words, &mut self.unescaped, self.quotes)
        else {
            self.words.truncate(words);
            self.unescaped.truncate(unescaped);
            return Err(ProtocolError::Quotes);
        };
        if self.words.len() == words {
            self.start += end + 1; // an empty line asks for nothing
        } else {
            self.note_whole(words, end + 1, is_unescaped);
        }
        self.state = State::default();
        Ok(true)
    }

    /// The unfinished request ends there.
    fn finish(&mut self, used: usize) {
        let words_start = self.whole.last().map_or(0, |whole| whole.words_end);
        self.note_whole(words_start, used, false);
        self.state = State::default();
    }

    /// Notes that the next `used` bytes are a request, whose words are the last in `words` from `words_start` on.
    #[inline]
    fn note_whole(&mut self, words_start: usize, used: usize, is_unescaped: bool) {
        let (start, end) = (self.start, self.start + used);
        self.whole.push(Whole { start, end, words_start, words_end: self.words.len(), is_unescaped });
        self.start = end;
    }
}

/// The line of a word's length, at `at`.
#[inline]
fn bulk_line(rest: &[u8], at: usize, searched: usize) -> Result<Line, ProtocolError> {
    match rest.get(at) {
        Some(b'$') => Ok(number_line(rest, at + 1, searched)),
        // As Redis: it is a mistake only once the line's end is there.
        Some(other) => match rest.get(at.max(searched)..).and_then(|line| memchr(b'\r', line)) {
            Some(end) if at.max(searched) + end + 1 < rest.len() => Err(ProtocolError::NoBulk(*other)),
            _ => Ok(Line::Unfinished),
        },
        None => Ok(Line::Unfinished),
    }
}

/// The number that stands from `from` to the next CR LF; what lies before `searched` holds no CR.
#[inline]
fn number_line(rest: &[u8], from: usize, searched: usize) -> Line {
    let from_search = from.max(searched);
    let Some(end) = rest.get(from_search..).and_then(|line| memchr(b'\r', line)).map(|end| end + from_search)
    else {
        return Line::Unfinished;
    };
    match rest.get(end + 1) {
        None => Line::Unfinished,
        Some(b'\n') => {
            match rest.get(from..end).filter(|text| text.len() <= NUMBER_BYTES_MAX).and_then(parse_int) {
                Some(value) => Line::Number { value, next: end + 2 },
                None => Line::Wrong,
            }
        }
        Some(_) => Line::WrongEnd,
    }
}

/// A line at the front that has `marker` and a number of up to three digits, and how long it is: neither searched for
/// its end nor converted in general. A word and that word's end follow it, so six bytes are there as a rule.
#[inline(always)]
fn short_line(rest: &[u8], marker: u8) -> Option<(usize, usize)> {
    let [first, a, b, c, d, e] = *rest.first_chunk()?;
    let head = u32::from_le_bytes([first, a, b, c]);
    // What stands in the place of the digits is no digit, unless the rest of the line is as it should be.
    let one = head ^ u32::from_le_bytes([marker, b'0', b'\r', b'\n']);
    if one & 0xffff_00ff == 0 {
        let value = one >> 8;
        return (value <= 9).then_some((value as usize, 4));
    }
    let more = head ^ u32::from_le_bytes([marker, b'0', b'0', 0]);
    let (first, second) = (more >> 8 & 0xff, more >> 16 & 0xff);
    // A number does not begin with 0.
    if more & 0xff != 0 || !(1..=9).contains(&first) || second > 9 {
        return None;
    }
    let value = first * 10 + second;
    if c == b'\r' {
        return (d == b'\n').then_some((value as usize, 5));
    }
    let third = u32::from(c.wrapping_sub(b'0'));
    let is_end = u16::from_le_bytes([d, e]) == u16::from_le_bytes(*b"\r\n");
    (third <= 9 && is_end).then_some(((value * 10 + third) as usize, 6))
}

/// How far a search for CR LF came: a CR that ends the bytes is looked at again when its LF is there.
fn searched_to(rest: &[u8]) -> usize {
    rest.strip_suffix(b"\r").unwrap_or(rest).len()
}

/// Where a word of `len` bytes at `at` ends, with its CR LF; `None` when it has not arrived.
fn word_end(rest: &[u8], at: usize, len: usize) -> Result<Option<usize>, ProtocolError> {
    // A master's lengths may be any: what does not fit an address never arrives.
    let Some(end) = at.checked_add(len) else { return Err(ProtocolError::BulkLength) };
    match rest.get(end..).and_then(|after| after.first_chunk::<2>()) {
        Some(b"\r\n") => Ok(Some(end + 2)),
        Some(_) => Err(ProtocolError::LineEnd),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All requests of `input`, fed in these pieces; consumed whenever some are whole.
    fn feed(pieces: &[&[u8]], most: usize) -> (Vec<Vec<Vec<u8>>>, Vec<u8>, Option<ProtocolError>) {
        let mut parser = Parser::default();
        let mut buffer = Vec::new();
        let mut seen = Vec::new();
        let mut bytes = Vec::new();
        for piece in pieces {
            buffer.extend_from_slice(piece);
            loop {
                match parser.parse(&buffer, Peer::Client, most) {
                    Err(error) => return (seen, bytes, Some(error)),
                    Ok(count) => {
                        for request in parser.requests(&buffer) {
                            let mut room = Words::default();
                            seen.push(request.collect(&mut room).iter().map(|word| word.to_vec()).collect());
                            bytes.extend_from_slice(request.bytes());
                        }
                        let used = parser.consume();
                        buffer.drain(..used);
                        if count == 0 {
                            break;
                        }
                    }
                }
            }
        }
        (seen, bytes, None)
    }
    use crate::request::Words;

    fn request() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..20)
    }

    fn encode(request: &[Vec<u8>]) -> Vec<u8> {
        let mut wire = format!("*{}\r\n", request.len()).into_bytes();
        for word in request {
            wire.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            wire.extend_from_slice(word);
            wire.extend_from_slice(b"\r\n");
        }
        wire
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_requests(
            requests in prop::collection::vec(request(), 0..6), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
            most in 1usize..5,
        ) {
            let wire: Vec<u8> = requests.iter().flat_map(|request| encode(request)).collect();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
            cuts.extend([0, wire.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &wire[pair[0]..pair[1]]).collect();
            let (seen, bytes, error) = feed(&pieces, most);
            prop_assert_eq!(error, None);
            prop_assert_eq!(bytes, wire);
            prop_assert_eq!(seen, requests);
        }

        #[test]
        fn another_parser_reads_the_same(request in request()) {
            use redis_protocol::resp2::{decode::decode, types::OwnedFrame};
            let wire = encode(&request);
            let Ok(Some((OwnedFrame::Array(words), used))) = decode(&wire) else { panic!("no request: {wire:?}") };
            let words: Vec<Vec<u8>> = words.into_iter().map(|word| match word {
                OwnedFrame::BulkString(word) => word,
                other => panic!("no word: {other:?}"),
            }).collect();
            let (seen, bytes, error) = feed(&[&wire], 64);
            prop_assert_eq!((seen, bytes.len(), error), (vec![words], used, None));
        }

        #[test]
        fn any_bytes_mean_the_same_in_any_pieces(
            wire in prop::collection::vec(prop::sample::select(b"*$0123-\r\n\r\n\r\nab \"'\\x4".to_vec()), 0..60),
            cut in any::<prop::sample::Index>(),
        ) {
            let whole = feed(&[&wire], 64);
            let cut = cut.index(wire.len() + 1);
            prop_assert_eq!(&whole, &feed(&[&wire[..cut], &wire[cut..]], 64));
            let bytes: Vec<&[u8]> = wire.chunks(1).collect();
            prop_assert_eq!(&whole, &feed(&bytes, 1));
        }
    }

    fn mistake(input: &[u8], peer: Peer) -> Option<String> {
        Parser::default()
            .parse(input, peer, 64)
            .err()
            .map(|error| String::from_utf8_lossy(&error.line()).into_owned())
    }

    #[test]
    fn mistakes_in_redis_words() {
        // From redis-8.10 (and valkey-9.1 where CR LF is wrong).
        for (input, words) in [
            (&b"*2147483648\r\n"[..], "ERR Protocol error: invalid multibulk length"),
            (b"*x\r\n", "ERR Protocol error: invalid multibulk length"),
            (b"*\r\n", "ERR Protocol error: invalid multibulk length"),
            (b"*+1\r\n", "ERR Protocol error: invalid multibulk length"),
            (b"*1\r\nx\r\n", "ERR Protocol error: expected '$', got 'x'"),
            (b"*1\r\n\r\n", "ERR Protocol error: expected '$', got ' '"),
            (b"*1\r\n:5\r\n", "ERR Protocol error: expected '$', got ':'"),
            (b"*1\r\n$-1\r\n", "ERR Protocol error: invalid bulk length"),
            (b"*1\r\n$04\r\nPING\r\n", "ERR Protocol error: invalid bulk length"),
            (b"*1\r\n$536870913\r\n", "ERR Protocol error: invalid bulk length"),
            (b"*1\rx", "ERR Protocol error: invalid CRLF in request"),
            (b"*\rx", "ERR Protocol error: invalid CRLF in request"),
            (b"*1\r\n$4\rx", "ERR Protocol error: invalid CRLF in request"),
            (b"*1\r\n$4\r\nPINGxx", "ERR Protocol error: invalid CRLF in request"),
            (b"PING \"a\r\n", "ERR Protocol error: unbalanced quotes in request"),
        ] {
            assert_eq!(mistake(input, Peer::Client).as_deref(), Some(words), "{}", input.escape_ascii());
        }
        for (head, words) in [
            ("*", "ERR Protocol error: too big mbulk count string"),
            ("*1\r\n$", "ERR Protocol error: too big bulk count string"),
            ("", "ERR Protocol error: too big inline request"),
        ] {
            let mut input = head.as_bytes().to_vec();
            input.resize(LINE_BYTES_MAX, b'1');
            assert_eq!(mistake(&input, Peer::Client), None);
            input.resize(LINE_BYTES_MAX + 5, b'1');
            assert_eq!(mistake(&input, Peer::Client).as_deref(), Some(words));
        }
        // With its end too.
        let mut inline = vec![b'1'; INLINE_BYTES_MAX];
        inline.push(b'\n');
        assert_eq!(mistake(&inline, Peer::Client), None);
        inline.insert(0, b'1');
        assert_eq!(
            mistake(&inline, Peer::Client).as_deref(),
            Some("ERR Protocol error: too big inline request")
        );
        let strangers = Peer::Unauthenticated;
        assert_eq!(
            mistake(b"*11\r\n", strangers).as_deref(),
            Some("ERR Protocol error: unauthenticated multibulk length")
        );
        assert_eq!(
            mistake(b"*1\r\n$16385\r\n", strangers).as_deref(),
            Some("ERR Protocol error: unauthenticated bulk length")
        );
        assert_eq!(mistake(b"*10\r\n$16384\r\n", strangers), None);
        assert_eq!(mistake(b"*1\r\n$536870913\r\n", Peer::Master), None);
        assert_eq!(mistake(b"\r\n\n*1\r\n$4\r\nPING\r\n", Peer::Master), None);
        assert!(mistake(b"PING\r\n", Peer::Master).is_some());
    }

    #[test]
    fn requests_before_a_mistake_are_answered_first() {
        let mut parser = Parser::default();
        let mut buffer = b"PING\r\n*0\r\n*2\r\n$1\r\na\r\n$x\r\n".to_vec();
        assert_eq!(parser.parse(&buffer, Peer::Client, 64), Ok(1));
        let used = parser.consume();
        buffer.drain(..used);
        assert_eq!(parser.parse(&buffer, Peer::Client, 64), Err(ProtocolError::BulkLength));
        assert_eq!(parser.parse(&buffer, Peer::Client, 64), Err(ProtocolError::BulkLength));
    }

    #[test]
    fn a_long_word_says_how_much_it_wants() {
        let mut parser = Parser::default();
        let buffer = b"PING\r\n*1\r\n$1000000\r\nabc";
        assert_eq!(parser.parse(buffer, Peer::Client, 64), Ok(1));
        assert!(parser.is_inside_request());
        assert_eq!(parser.wanted(), 6 + 4 + 10 + 1_000_000 + 2);
        assert_eq!(parser.consume(), 6);
        assert_eq!(parser.wanted(), 4 + 10 + 1_000_000 + 2);
    }
}
