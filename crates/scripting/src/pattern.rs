//! Lua's patterns: where one is found in a text.
//!
//! Owns the matching, from Lua 5.1's manual, with what the manual leaves to the original: a zero byte ends a pattern,
//! and what is wrong with a pattern is told when the matching comes to it. The ways that are still to be tried stand on
//! a stack of ours, not the thread's, and every so many steps the script's [`Pulse`] is looked at: a pattern may take
//! longer than anybody waits. Never touches Lua.

use std::cell::Cell;
use std::ffi::CStr;

use crate::pulse::{End, Pulse};

/// A pattern captures so many pieces at most.
pub(crate) const CAPTURES_MAX: usize = 32;
/// So many ways may be open at once: one for each part of a pattern that can match otherwise. (The original ends its
/// process somewhere between 100,000 and 200,000.)
const WAYS_MAX: usize = 200_000;
/// What makes a pattern more than a text to look for.
const SPECIALS: &[u8] = b"^$*+?.([%-";
/// So much of a text is searched between two looks at the pulse.
const SEARCHED_AT_ONCE: usize = 256 * 1024;
/// A text that is searched without preparation.
const SHORT_BYTES: usize = 256;
/// So many bytes that a repeated part takes are counted between two looks.
const TAKEN_AT_ONCE: usize = 4096;
/// Room for so many ways is kept for the next match.
const WAYS_KEPT: usize = 1024;

/// Why nothing can be said of a pattern.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It is wrong.
    Wrong(&'static CStr),
    /// The script must end.
    Ended(End),
}

impl From<End> for Trouble {
    fn from(end: End) -> Self {
        Trouble::Ended(end)
    }
}

/// How long a captured piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    /// Its end is not found yet.
    Open,
    /// It is no piece: the place is what is captured.
    Place,
    Bytes(usize),
}

#[derive(Clone, Copy, Debug)]
struct Capture {
    from: usize,
    length: Length,
}

/// What a match has captured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Captures {
    count: usize,
    list: [Capture; CAPTURES_MAX],
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Captured<'t> {
    Text(&'t [u8]),
    /// A place in the text, counted from 1.
    Place(usize),
}

impl Default for Captures {
    fn default() -> Self {
        Captures { count: 0, list: [Capture { from: 0, length: Length::Open }; CAPTURES_MAX] }
    }
}

impl Captures {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The one at this place; the whole match where nothing was captured and the first is asked for.
    ///
    /// # Errors
    /// What is wrong with the pattern that it is not there.
    pub(crate) fn at<'t>(
        &self,
        place: usize,
        text: &'t [u8],
        whole: (usize, usize),
    ) -> Result<Captured<'t>, &'static CStr> {
        let piece = |from, to| Captured::Text(text.get(from..to).unwrap_or_default());
        match self.list.get(..self.count).and_then(|list| list.get(place)) {
            None if place == 0 => Ok(piece(whole.0, whole.1)),
            None => Err(c"invalid capture index"),
            Some(Capture { length: Length::Open, .. }) => Err(c"unfinished capture"),
            Some(Capture { from, length: Length::Place }) => Ok(Captured::Place(from + 1)),
            Some(Capture { from, length: Length::Bytes(length) }) => Ok(piece(*from, from + length)),
        }
    }
}

/// The pattern as it is read: up to a zero byte.
pub(crate) fn read(pattern: &[u8]) -> &[u8] {
    pattern.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Whether this is a text to look for as it is, bytes behind a zero byte included.
pub(crate) fn is_plain(pattern: &[u8]) -> bool {
    !read(pattern).iter().any(|byte| SPECIALS.contains(byte))
}

/// Where `wanted` begins in `text`, at `from` or later.
///
/// # Errors
/// The script must end.
pub(crate) fn find_plain(
    text: &[u8],
    wanted: &[u8],
    from: usize,
    pulse: &Pulse,
) -> Result<Option<usize>, End> {
    if wanted.len() > text.len().saturating_sub(from) {
        return Ok(None);
    }
    let rest = text.get(from..).unwrap_or_default();
    if rest.len() <= SHORT_BYTES {
        pulse.spend(rest.len() / 8)?;
        return Ok(find_near(rest, wanted).map(|place| from + place));
    }
    let finder = memchr::memmem::Finder::new(wanted);
    let mut begin = from;
    loop {
        // What begins in this part may end behind it.
        let end = begin.saturating_add(SEARCHED_AT_ONCE.max(wanted.len())).min(text.len());
        let reach = end.saturating_add(wanted.len().saturating_sub(1)).min(text.len());
        let part = text.get(begin..reach).unwrap_or_default();
        pulse.spend(part.len() / 16)?;
        if let Some(place) = finder.find(part) {
            return Ok(Some(begin + place));
        }
        if reach == text.len() {
            return Ok(None);
        }
        begin = end;
    }
}

/// The same in a short text, where preparing the search would take longer than searching.
fn find_near(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let Some(first) = wanted.first() else { return Some(0) };
    let mut starts = memchr::memchr_iter(*first, text);
    starts.find(|start| text.get(*start..).is_some_and(|rest| rest.starts_with(wanted)))
}

/// Where a pattern matches at `from` or later, or, if it is anchored, at `from` alone: begin and end.
///
/// # Errors
/// What is wrong with the pattern; or that the script must end.
pub(crate) fn find(
    text: &[u8],
    pattern: &[u8],
    from: usize,
    is_anchored: bool,
    captures: &mut Captures,
    pulse: &Pulse,
) -> Result<Option<(usize, usize)>, Trouble> {
    thread_local! {
        static WAYS: Cell<Vec<Way>> = const { Cell::new(Vec::new()) };
    }
    let left = pulse.work_left();
    let mut matcher = Matcher { text, pattern, captures, ways: WAYS.take(), left, pulse };
    let mut begin = from;
    let found = loop {
        match matcher.match_at(begin) {
            Ok(Some(end)) => break Ok(Some((begin, end))),
            Ok(None) if is_anchored || begin >= text.len() => break Ok(None),
            Ok(None) => begin += 1,
            Err(trouble) => break Err(trouble),
        }
    };
    pulse.leave_work(matcher.left);
    if matcher.ways.capacity() <= WAYS_KEPT {
        WAYS.set(matcher.ways);
    }
    found
}

/// Text and pattern, by place.
type Places = (usize, usize);

/// Where to go on when what was tried did not lead to a match, from the last to the first.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Here.
    Other(Places),
    /// Here, and then with fewer and fewer bytes taken: so many are left to give back.
    Fewer { at: Places, count: usize },
    /// With one byte more, if this part of the pattern takes it.
    More { at: usize, part: usize, behind: usize },
    /// Nowhere: the last capture was not begun.
    Unbegun,
    /// Nowhere: this capture has not ended.
    Unended(usize),
}

struct Matcher<'m> {
    text: &'m [u8],
    pattern: &'m [u8],
    captures: &'m mut Captures,
    ways: Vec<Way>,
    /// Work until the pulse is looked at.
    left: usize,
    pulse: &'m Pulse,
}

impl Matcher<'_> {
    #[inline]
    fn step(&mut self, work: usize) -> Result<(), End> {
        match self.left.checked_sub(work) {
            Some(left) => self.left = left,
            None => {
                self.left = 0;
                self.left = self.pulse.look()?;
            }
        }
        Ok(())
    }

    /// A byte of the pattern; zero behind its end.
    fn at(&self, place: usize) -> u8 {
        self.pattern.get(place).copied().unwrap_or(0)
    }

    /// A byte of the text; zero behind its end.
    fn byte(&self, place: usize) -> u8 {
        self.text.get(place).copied().unwrap_or(0)
    }

    /// Where the match ends that begins here.
    fn match_at(&mut self, begin: usize) -> Result<Option<usize>, Trouble> {
        self.captures.count = 0;
        self.ways.clear();
        let mut at = (begin, 0);
        loop {
            self.step(1)?;
            let (here, part) = at;
            let next = match self.at(part) {
                0 => return Ok(Some(here)),
                b'(' if self.at(part + 1) == b')' => {
                    self.begin_capture(here, Length::Place)?;
                    Some((here, part + 2))
                }
                b'(' => {
                    self.begin_capture(here, Length::Open)?;
                    Some((here, part + 1))
                }
                b')' => {
                    self.end_capture(here)?;
                    Some((here, part + 1))
                }
                b'$' if self.at(part + 1) == 0 => {
                    if here == self.text.len() {
                        return Ok(Some(here));
                    }
                    None
                }
                b'%' => match self.at(part + 1) {
                    b'b' => self.balanced(here, part + 2)?.map(|behind| (behind, part + 4)),
                    b'f' => self.frontier(here, part + 2)?,
                    digit if digit.is_ascii_digit() => {
                        self.again(here, digit)?.map(|behind| (behind, part + 2))
                    }
                    _ => self.part(here, part)?,
                },
                _ => self.part(here, part)?,
            };
            at = match next {
                Some(next) => next,
                None => match self.other_way()? {
                    Some(other) => other,
                    None => return Ok(None),
                },
            };
        }
    }

    /// Notes what is to be undone before an earlier way is gone.
    fn undo(&mut self, way: Way) -> Result<(), Trouble> {
        if self.ways.is_empty() { Ok(()) } else { self.open(way) }
    }

    fn open(&mut self, way: Way) -> Result<(), Trouble> {
        if self.ways.len() >= WAYS_MAX {
            return Err(Trouble::Wrong(c"pattern too complex"));
        }
        self.ways.push(way);
        Ok(())
    }

    /// The way that was left open last.
    fn other_way(&mut self) -> Result<Option<Places>, Trouble> {
        while let Some(way) = self.ways.pop() {
            self.step(1)?;
            match way {
                Way::Other(at) => return Ok(Some(at)),
                Way::Fewer { at: (here, part), count } => {
                    if count > 1 {
                        self.ways.push(Way::Fewer { at: (here, part), count: count - 1 });
                    }
                    return Ok(Some((here + count - 1, part)));
                }
                Way::More { at, part, behind } => {
                    if self.takes(at, part, behind)? {
                        self.ways.push(Way::More { at: at + 1, part, behind });
                        return Ok(Some((at + 1, behind + 1)));
                    }
                }
                Way::Unbegun => self.captures.count -= 1,
                Way::Unended(place) => {
                    if let Some(capture) = self.captures.list.get_mut(place) {
                        capture.length = Length::Open;
                    }
                }
            }
        }
        Ok(None)
    }

    /// Goes on behind a part that takes one byte, and what says how often.
    fn part(&mut self, here: usize, part: usize) -> Result<Option<Places>, Trouble> {
        let behind = self.behind(part)?;
        let repeated = self.at(behind);
        match repeated {
            b'?' => {
                if self.takes(here, part, behind)? {
                    self.open(Way::Other((here, behind + 1)))?;
                    return Ok(Some((here + 1, behind + 1)));
                }
                Ok(Some((here, behind + 1)))
            }
            b'*' | b'+' => {
                let least = usize::from(repeated == b'+');
                if least == 1 && !self.takes(here, part, behind)? {
                    return Ok(None);
                }
                let least_end = here + least;
                let mut end = least_end;
                loop {
                    let taken = self.taken(end, part, behind);
                    self.step(taken * self.byte_work(part, behind))?;
                    end += taken;
                    if taken < TAKEN_AT_ONCE {
                        break;
                    }
                }
                // (With nothing behind it, the longest is it.)
                if end > least_end && self.at(behind + 1) != 0 {
                    self.open(Way::Fewer { at: (least_end, behind + 1), count: end - least_end })?;
                }
                Ok(Some((end, behind + 1)))
            }
            b'-' => {
                self.open(Way::More { at: here, part, behind })?;
                Ok(Some((here, behind + 1)))
            }
            _ => Ok(self.takes(here, part, behind)?.then_some((here + 1, behind))),
        }
    }

    /// Where the part that begins here ends.
    fn behind(&mut self, part: usize) -> Result<usize, Trouble> {
        match self.at(part) {
            b'%' if self.at(part + 1) == 0 => Err(Trouble::Wrong(c"malformed pattern (ends with '%')")),
            b'%' => Ok(part + 2),
            b'[' => {
                let mut place = part + 1;
                if self.at(place) == b'^' {
                    place += 1;
                }
                // The first byte belongs to the set whatever it is.
                loop {
                    let byte = self.at(place);
                    if byte == 0 {
                        return Err(Trouble::Wrong(c"malformed pattern (missing ']')"));
                    }
                    place += 1;
                    if byte == b'%' && self.at(place) != 0 {
                        place += 1;
                    }
                    if self.at(place) == b']' {
                        break;
                    }
                }
                self.step((place - part) / 4)?;
                Ok(place + 1)
            }
            _ => Ok(part + 1),
        }
    }

    /// The work of asking whether a part takes a byte.
    fn byte_work(&self, part: usize, behind: usize) -> usize {
        if self.at(part) == b'[' { 1 + (behind - part) / 4 } else { 1 }
    }

    /// Whether the part of the pattern up to `behind` takes the byte that stands here.
    fn takes(&mut self, here: usize, part: usize, behind: usize) -> Result<bool, End> {
        let Some(byte) = self.text.get(here).copied() else { return Ok(false) };
        self.step(self.byte_work(part, behind))?;
        Ok(match self.at(part) {
            b'.' => true,
            b'%' => is_of_class(byte, self.at(part + 1)),
            b'[' => self.set(part, behind).has(byte),
            other => other == byte,
        })
    }

    /// How many bytes the part takes from here on, as far as they are counted at once.
    fn taken(&self, here: usize, part: usize, behind: usize) -> usize {
        let rest = self.text.get(here..).unwrap_or_default();
        let rest = rest.get(..TAKEN_AT_ONCE).unwrap_or(rest);
        let bytes = rest.iter().copied();
        match self.at(part) {
            b'.' => rest.len(),
            b'%' => {
                let letter = self.at(part + 1);
                bytes.take_while(|byte| is_of_class(*byte, letter)).count()
            }
            b'[' => {
                let set = self.set(part, behind);
                bytes.take_while(|byte| set.has(*byte)).count()
            }
            other => bytes.take_while(|byte| *byte == other).count(),
        }
    }

    /// The set that begins with this `[`.
    fn set(&self, part: usize, behind: usize) -> Set<'_> {
        let members = self.pattern.get(part + 1..behind - 1).unwrap_or_default();
        match members.strip_prefix(b"^") {
            Some(members) => Set { has: false, members },
            None => Set { has: true, members },
        }
    }

    fn begin_capture(&mut self, here: usize, length: Length) -> Result<(), Trouble> {
        let Some(capture) = self.captures.list.get_mut(self.captures.count) else {
            return Err(Trouble::Wrong(c"too many captures"));
        };
        *capture = Capture { from: here, length };
        self.captures.count += 1;
        self.undo(Way::Unbegun)
    }

    fn end_capture(&mut self, here: usize) -> Result<(), Trouble> {
        let begun = self.captures.list.get_mut(..self.captures.count).unwrap_or_default();
        let last = begun.iter_mut().enumerate().rev().find(|(_, capture)| capture.length == Length::Open);
        let Some((place, capture)) = last else {
            return Err(Trouble::Wrong(c"invalid pattern capture"));
        };
        capture.length = Length::Bytes(here - capture.from);
        self.undo(Way::Unended(place))
    }

    /// `%1`: what was captured, once more.
    fn again(&mut self, here: usize, digit: u8) -> Result<Option<usize>, Trouble> {
        let place = usize::from(digit - b'0').checked_sub(1);
        let captured = self.captures.list.get(..self.captures.count).unwrap_or_default();
        let captured = place.and_then(|place| captured.get(place)).copied();
        let (from, length) = match captured {
            None | Some(Capture { length: Length::Open, .. }) => {
                return Err(Trouble::Wrong(c"invalid capture index"));
            }
            Some(Capture { length: Length::Place, .. }) => return Ok(None),
            Some(Capture { from, length: Length::Bytes(length) }) => (from, length),
        };
        self.step(length / 16)?;
        let wanted = self.text.get(from..from + length).unwrap_or_default();
        let is_there = self.text.get(here..).is_some_and(|rest| rest.starts_with(wanted));
        Ok(is_there.then_some(here + length))
    }

    /// `%bxy`: from an x to its y.
    fn balanced(&mut self, here: usize, part: usize) -> Result<Option<usize>, Trouble> {
        let (begin, end) = (self.at(part), self.at(part + 1));
        if begin == 0 || end == 0 {
            return Err(Trouble::Wrong(c"unbalanced pattern"));
        }
        if self.byte(here) != begin {
            return Ok(None);
        }
        let mut depth = 1_usize;
        let mut place = here + 1;
        while let Some(byte) = self.text.get(place).copied() {
            self.step(1)?;
            place += 1;
            if byte == end {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some(place));
                }
            } else if byte == begin {
                depth += 1;
            }
        }
        Ok(None)
    }

    /// `%f[set]`: between what is not of the set and what is.
    fn frontier(&mut self, here: usize, part: usize) -> Result<Option<Places>, Trouble> {
        if self.at(part) != b'[' {
            return Err(Trouble::Wrong(c"missing '[' after '%f' in pattern"));
        }
        let behind = self.behind(part)?;
        let before = here.checked_sub(1).map_or(0, |before| self.byte(before));
        let is_here = !self.set(part, behind).has(before) && self.set(part, behind).has(self.byte(here));
        Ok(is_here.then_some((here, behind)))
    }
}

/// What stands between `[` and `]`.
struct Set<'p> {
    /// Whether it has its members, or all others.
    has: bool,
    members: &'p [u8],
}

impl Set<'_> {
    fn has(&self, byte: u8) -> bool {
        let mut members = self.members;
        loop {
            let (is_it, rest) = match members {
                [b'%', letter, rest @ ..] => (is_of_class(byte, *letter), rest),
                [first, b'-', last, rest @ ..] => ((*first..=*last).contains(&byte), rest),
                [member, rest @ ..] => (*member == byte, rest),
                [] => return !self.has,
            };
            if is_it {
                return self.has;
            }
            members = rest;
        }
    }
}

/// Whether a byte is of the class of this letter, in C's own locale; a capital stands for all others.
fn is_of_class(byte: u8, letter: u8) -> bool {
    let is = match letter.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => byte.is_ascii_whitespace() || byte == 0x0b,
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        b'z' => byte == 0,
        _ => return byte == letter,
    };
    is != letter.is_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::pulse::TimeLimits;

    fn still() -> Instant {
        use std::sync::LazyLock;
        #[allow(clippy::disallowed_methods)] // Somewhere it has to begin.
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        *START
    }

    /// Begin (from 1) and end, and what was captured, or what is wrong.
    fn found(text: &str, pattern: &str) -> String {
        let (text, pulse, mut captures) = (text.as_bytes(), Pulse::new(still), Captures::default());
        let is_anchored = pattern.starts_with('^');
        let pattern = read(pattern.as_bytes());
        let pattern = pattern.strip_prefix(b"^").unwrap_or(pattern);
        match find(text, pattern, 0, is_anchored, &mut captures, &pulse) {
            Err(Trouble::Wrong(why)) => why.to_string_lossy().into_owned(),
            Err(Trouble::Ended(end)) => end.text(),
            Ok(None) => "none".into(),
            Ok(Some(whole)) => {
                let mut told = format!("{} {}", whole.0 + 1, whole.1);
                for place in 0..captures.count() {
                    match captures.at(place, text, whole) {
                        Ok(Captured::Text(text)) => told += &format!(" '{}'", text.escape_ascii()),
                        Ok(Captured::Place(place)) => told += &format!(" {place}"),
                        Err(why) => told += &format!(" {}", why.to_string_lossy()),
                    }
                }
                told
            }
        }
    }

    /// Each as redis-8.10 answers.
    #[test]
    fn what_matches_where() {
        for (text, pattern, expected) in [
            ("hello world", "o w", "5 7"),
            ("hello world", "(%w+) (%w+)", "1 11 'hello' 'world'"),
            ("hello", "l-", "1 0"),
            ("hello", "^ello", "none"),
            ("hello", "l+()", "3 4 5"),
            ("hello", "(h)(.-)(o)$", "1 5 'h' 'ell' 'o'"),
            ("a(b(c)d)e", "%b()", "2 8"),
            ("THE (quick) fox", "%f[%a]%a+%f[%A]", "1 3"),
            ("abcabc", "(abc)%1", "1 6 'abc'"),
            ("a]b", "[]]", "2 2"),
            ("a-b", "[a%-]+", "1 2"),
            ("x^", "[x^]+", "1 2"),
            ("a-z", "[a-]+", "1 2"),
            ("key=value", "(%w-)=(%w*)", "1 9 'key' 'value'"),
            ("a\0b", "%z", "2 2"),
            ("a\0b", "a\0c", "1 1"),
            ("aaa", "a?a?a?a?b?", "1 3"),
            ("\u{e9}", "%a", "none"),
            ("$", "$", "2 1"),
            ("a$b", "$b", "2 3"),
            ("", ".*", "1 0"),
            ("abc", "(a", "1 1 unfinished capture"),
            ("abc", "a)", "invalid pattern capture"),
            ("abc", "%", "malformed pattern (ends with '%')"),
            ("abc", "[a", "malformed pattern (missing ']')"),
            ("abc", "%b", "unbalanced pattern"),
            ("abc", "%f", "missing '[' after '%f' in pattern"),
            ("abc", "(a%1)", "invalid capture index"),
            ("abc", "%0", "invalid capture index"),
            ("abc", "z[", "none"),
        ] {
            assert_eq!(found(text, pattern), expected, "{text:?} {pattern:?}");
        }
        assert_eq!(found("x", &"(".repeat(33)), "too many captures");
        assert!(found("x", &"()".repeat(32)).ends_with(" 1 1"));
        // Deep enough for a thread's stack to overflow.
        assert_eq!(found(&"a".repeat(150_000), &"a?".repeat(150_000)), "1 150000");
        assert_eq!(found(&"a".repeat(250_000), &"a?".repeat(250_000)), "pattern too complex");
    }

    #[test]
    fn a_plain_text_is_found_over_the_bounds_of_what_is_searched_at_once() {
        let pulse = Pulse::new(still);
        for place in
            [0, SEARCHED_AT_ONCE - 3, SEARCHED_AT_ONCE - 1, SEARCHED_AT_ONCE, 3 * SEARCHED_AT_ONCE - 5]
        {
            let mut text = vec![b'x'; 3 * SEARCHED_AT_ONCE];
            text.splice(place..place + 5, *b"wante");
            for from in [0, place] {
                assert_eq!(find_plain(&text, b"wante", from, &pulse), Ok(Some(place)));
            }
            assert_eq!(find_plain(&text, b"wante", place + 1, &pulse), Ok(None));
        }
        assert_eq!(find_plain(b"abc", b"", 3, &pulse), Ok(Some(3)));
        assert_eq!(find_plain(b"abc", b"abcd", 0, &pulse), Ok(None));
    }

    #[test]
    fn what_never_ends_is_ended() {
        let pulse = Pulse::new(still);
        let limits = TimeLimits { hold_max: Some(Duration::ZERO), ..TimeLimits::default() };
        let text = vec![b'a'; 5_000];
        for pattern in [".-.-.-.-.-.-.-b", ".*.*.*.*.*.*.*b", "a?a*a+a-.*b", "%b()%b()x", "[aaaaaaaaaaaa]*b"]
        {
            let _begun = pulse.begin(None, &[], limits);
            let text = if pattern.starts_with("%b") { vec![b'('; 300_000] } else { text.clone() };
            let mut captures = Captures::default();
            let ended = find(&text, pattern.as_bytes(), 0, false, &mut captures, &pulse);
            assert_eq!(ended, Err(Trouble::Ended(End::Held(Duration::ZERO))), "{pattern}");
        }
    }
}
