//! Regular expressions in the language of Redis' ARGREP: POSIX extended ones, as the TRE library reads them.
//!
//! Owns the way from that language to the one of the `regex` crate, and TRE's words for what is wrong. Matching is
//! linear in the text, whatever the pattern.

use regex::bytes::{Regex, RegexBuilder};

use crate::CommandError;

/// How deep groups may stand in each other.
const DEPTH_MAX: usize = 200;
/// How often something may be repeated.
const REPEAT_MAX: u32 = 255;
/// The longest pattern, as on Redis.
const PATTERN_BYTES_MAX: usize = 2048;
/// How much memory a compiled pattern may take.
const COMPILED_BYTES_MAX: usize = 4 << 20;

const CLASSES: [&[u8]; 12] = [
    b"alnum", b"alpha", b"blank", b"cntrl", b"digit", b"graph", b"lower", b"print", b"punct", b"space",
    b"upper", b"xdigit",
];

/// A pattern that is too long is refused where it stands, whatever is wrong behind it.
pub(super) fn measure(pattern: &[u8]) -> Result<(), CommandError> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(CommandError::new("ERR regular expression is too long, maximum is 2048 bytes"));
    }
    Ok(())
}

/// Compiles a pattern.
pub(super) fn compile(pattern: &[u8], any_case: bool) -> Result<Regex, CommandError> {
    if pattern.is_empty() {
        return Err(CommandError::new("ERR regular expression is empty"));
    }
    measure(pattern)?;
    let mut parser = Parser { rest: pattern, groups: 0, highest_reference: None };
    let translated = parser.alternatives(0).map_err(Wrong::error)?;
    match parser.highest_reference {
        None => {}
        Some(highest) if highest > parser.groups => return Err(Wrong::Reference.error()),
        Some(_) => return Err(CommandError::new("ERR regular expression backreferences are not supported")),
    }
    RegexBuilder::new(&translated)
        .unicode(false)
        .case_insensitive(any_case)
        .dot_matches_new_line(true)
        .size_limit(COMPILED_BYTES_MAX)
        .build()
        .map_err(|_| Wrong::TooBig.error())
}

/// What may be wrong with a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Pattern,
    Bracket,
    Parenthesis,
    Brace,
    Bound,
    BoundTooHigh,
    Range,
    Class,
    Collating,
    Repetition,
    Backslash,
    Reference,
    TooBig,
}

impl Wrong {
    fn error(self) -> CommandError {
        CommandError::new(match self {
            Wrong::Pattern => "ERR invalid regular expression: Invalid regexp",
            Wrong::Bracket => "ERR invalid regular expression: Missing ']'",
            Wrong::Parenthesis => "ERR invalid regular expression: Missing ')'",
            Wrong::Brace => "ERR invalid regular expression: Missing '}'",
            Wrong::Bound => "ERR invalid regular expression: Invalid contents of {}",
            Wrong::BoundTooHigh => "ERR invalid regular expression: Maximum repetition in {} larger than 255",
            Wrong::Range => "ERR invalid regular expression: Invalid character range",
            Wrong::Class => "ERR invalid regular expression: Unknown character class name",
            Wrong::Collating => "ERR invalid regular expression: Unknown collating element",
            Wrong::Repetition => "ERR invalid regular expression: Invalid use of repetition operators",
            Wrong::Backslash => "ERR invalid regular expression: Trailing backslash",
            Wrong::Reference => "ERR invalid regular expression: Invalid back reference",
            Wrong::TooBig => "ERR invalid regular expression: Out of memory",
        })
    }
}

struct Parser<'a> {
    rest: &'a [u8],
    groups: u32,
    /// The highest group that is referred to.
    highest_reference: Option<u32>,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn take(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn take_if(&mut self, wanted: &[u8]) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Branches with `|` between them, up to the end or to the `)` that closes them.
    fn alternatives(&mut self, depth: usize) -> Result<String, Wrong> {
        let mut all = String::new();
        loop {
            match self.peek() {
                None => return Ok(all),
                Some(b')') if depth > 0 => return Ok(all),
                Some(b'|') => {
                    self.take();
                    all.push('|');
                }
                Some(_) => all.push_str(&self.repeated(depth)?),
            }
        }
    }

    /// One atom, and how often it is repeated.
    fn repeated(&mut self, depth: usize) -> Result<String, Wrong> {
        let mut atom = match self.peek() {
            // With nothing before it a repetition repeats nothing.
            Some(b'*' | b'+' | b'?' | b'{') => String::new(),
            _ => self.atom(depth)?,
        };
        loop {
            let bounds = match self.peek() {
                Some(sign @ (b'*' | b'+' | b'?')) => {
                    self.take();
                    if matches!(self.peek(), Some(b'*' | b'+')) {
                        return Err(Wrong::Repetition);
                    }
                    char::from(sign).to_string()
                }
                Some(b'{') => {
                    self.take();
                    self.bounds()?
                }
                _ => return Ok(atom),
            };
            // Whether it takes little or much makes no difference to whether there is a match.
            self.take_if(b"?");
            atom = format!("(?:{atom}){bounds}");
        }
    }

    /// What stands in `{}`.
    fn bounds(&mut self) -> Result<String, Wrong> {
        let lowest = self.number()?;
        let highest = if self.take_if(b",") { self.number()? } else { lowest };
        match self.take() {
            Some(b'}') => {}
            Some(_) => return Err(Wrong::Bound),
            None => return Err(Wrong::Brace),
        }
        match (lowest, highest) {
            (Some(lowest), Some(highest)) if lowest > highest => Err(Wrong::Bound),
            (Some(lowest), None) => Ok(format!("{{{lowest},}}")),
            (lowest, highest) => Ok(format!("{{{},{}}}", lowest.unwrap_or(0), highest.unwrap_or(0))),
        }
    }

    fn number(&mut self) -> Result<Option<u32>, Wrong> {
        let mut number = None;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            self.take();
            let next = number.unwrap_or(0) * 10 + u32::from(digit - b'0');
            if next > REPEAT_MAX {
                return Err(Wrong::BoundTooHigh);
            }
            number = Some(next);
        }
        Ok(number)
    }

    fn atom(&mut self, depth: usize) -> Result<String, Wrong> {
        match self.take() {
            None => Ok(String::new()),
            Some(sign @ (b'^' | b'$' | b'.')) => Ok(char::from(sign).to_string()),
            Some(b'[') => self.bracket(),
            Some(b'(') => self.group(depth),
            Some(b'\\') => self.escape(),
            Some(byte) => Ok(literal(byte)),
        }
    }

    /// What stands in `()`.
    fn group(&mut self, depth: usize) -> Result<String, Wrong> {
        if depth >= DEPTH_MAX {
            return Err(Wrong::TooBig);
        }
        let mut start = String::from("(?:");
        if self.take_if(b"?") {
            if self.take_if(b"#") {
                while let Some(byte) = self.take() {
                    if byte == b')' {
                        return Ok(String::new());
                    }
                }
                return Err(Wrong::Pattern);
            }
            let (flags, closed) = self.flags()?;
            if closed {
                // They hold for what follows in this group, which a group of their own would not let them.
                return Ok(if flags.is_empty() { flags } else { format!("(?{flags})") });
            }
            start = format!("(?{flags}:");
        } else {
            self.groups += 1;
        }
        let inner = self.alternatives(depth + 1)?;
        if !self.take_if(b")") {
            return Err(Wrong::Parenthesis);
        }
        Ok(format!("{start}{inner})"))
    }

    /// The flags behind `(?`, up to the `)` that ends the group with them or the `:` behind which it goes on.
    fn flags(&mut self) -> Result<(String, bool), Wrong> {
        let (mut on, mut off) = (String::new(), String::new());
        let mut sets = true;
        loop {
            match self.take() {
                Some(b'-') => sets = false,
                Some(b'i') => if sets { &mut on } else { &mut off }.push('i'),
                // A new line is not matched by `.` (and TRE leaves it at that).
                Some(b'n') => if sets { &mut off } else { &mut on }.push('s'),
                // What is taken first or most makes no difference to whether there is a match.
                Some(b'r' | b'U') => {}
                Some(end @ (b')' | b':')) => {
                    let dash = if off.is_empty() { "" } else { "-" };
                    return Ok((format!("{on}{dash}{off}"), end == b')'));
                }
                _ => return Err(Wrong::Pattern),
            }
        }
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Result<String, Wrong> {
        let Some(byte) = self.take() else { return Err(Wrong::Backslash) };
        let translated = match byte {
            b'w' => "[[:alnum:]_]",
            b'W' => "[^[:alnum:]_]",
            b's' => "[[:space:]]",
            b'S' => "[^[:space:]]",
            b'd' => "[[:digit:]]",
            b'D' => "[^[:digit:]]",
            b't' => "\\t",
            b'n' => "\\n",
            b'r' => "\\r",
            b'f' => "\\f",
            b'a' => "\\a",
            b'e' => "\\x1b",
            b'b' => "\\b",
            b'B' => "\\B",
            b'<' => "\\b{start}",
            b'>' => "\\b{end}",
            b'Q' => {
                let mut quoted = String::new();
                while !self.rest.is_empty() && !self.take_if(b"\\E") {
                    quoted.extend(self.take().map(literal));
                }
                return Ok(quoted);
            }
            b'x' => return self.hexadecimal(),
            b'0'..=b'9' => {
                let group = u32::from(byte - b'0');
                self.highest_reference = Some(self.highest_reference.unwrap_or(0).max(group));
                return Ok(String::new());
            }
            _ => return Ok(literal(byte)),
        };
        Ok(String::from(translated))
    }

    /// `\xHH` or `\x{H…}`, behind the `x`.
    fn hexadecimal(&mut self) -> Result<String, Wrong> {
        let braced = self.take_if(b"{");
        let mut code = 0u32;
        let mut digits = 0;
        while braced || digits < 2 {
            match self.peek().and_then(|byte| char::from(byte).to_digit(16)) {
                Some(digit) => {
                    self.take();
                    code = code.saturating_mul(16).saturating_add(digit);
                    digits += 1;
                }
                None if braced => match self.take() {
                    Some(b'}') => break,
                    _ => return Err(Wrong::Brace),
                },
                None => break,
            }
        }
        // What is no byte matches nothing.
        Ok(u8::try_from(code).map_or_else(|_| String::from("[^\\x00-\\xff]"), literal))
    }

    /// What stands in `[]`. A backslash is nothing special there.
    fn bracket(&mut self) -> Result<String, Wrong> {
        let mut class = String::from(if self.take_if(b"^") { "[^" } else { "[" });
        let mut is_first = true;
        loop {
            match self.rest {
                [] => return Err(Wrong::Bracket),
                [b']', rest @ ..] if !is_first => {
                    self.rest = rest;
                    class.push(']');
                    return Ok(class);
                }
                [b'[', b'.' | b'=', ..] => return Err(Wrong::Collating),
                [b'[', b':', rest @ ..] => {
                    let end = rest.iter().position(|byte| *byte == b':').ok_or(Wrong::Class)?;
                    let (name, behind) = rest.split_at_checked(end).ok_or(Wrong::Class)?;
                    let name = CLASSES.iter().find(|known| **known == name).ok_or(Wrong::Class)?;
                    self.rest = behind.strip_prefix(b":]").ok_or(Wrong::Class)?;
                    class.push_str(&format!("[:{}:]", String::from_utf8_lossy(name)));
                }
                [first, b'-', last, rest @ ..] if *last != b']' => {
                    if first > last {
                        return Err(Wrong::Range);
                    }
                    class.push_str(&format!("\\x{first:02x}-\\x{last:02x}"));
                    self.rest = rest;
                }
                [b'-', next, ..] if *next != b']' && !is_first => return Err(Wrong::Range),
                [byte, rest @ ..] => {
                    class.push_str(&format!("\\x{byte:02x}"));
                    self.rest = rest;
                }
            }
            is_first = false;
        }
    }
}

/// A byte that stands for itself.
fn literal(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("\\x{byte:02x}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_match(pattern: &str, text: &str) -> bool {
        compile(pattern.as_bytes(), false)
            .unwrap_or_else(|error| panic!("{pattern}: {error}"))
            .is_match(text.as_bytes())
    }

    #[test]
    fn patterns_mean_what_they_mean_to_redis() {
        // Each was tried on redis-8.10 with the value `hello` (and `foo bar`).
        for pattern in [
            "^h.*o$",
            "l{2}",
            "[[:alpha:]]+",
            "\\w{5}$",
            "\\Bell",
            "(?i)H",
            "(?i:H)e",
            "(?#comment)h",
            "a{,2}",
            "+",
            "*",
            "?",
            "{2}",
            "a*?",
            "a|",
            "|",
            "^*",
            "\\Qhel",
            "\\x68",
            "\\x{68}",
            "(a*)*",
            "a{0}hello",
            "l{1}{2}",
            "(?n)h",
            "hel+o|world",
            "()",
            "a||b",
            "\\bhello",
            "[]h]",
            "[^a]",
            "[a-]|h",
            "\\<hello\\>",
        ] {
            assert!(is_match(pattern, "hello"), "{pattern}");
        }
        for pattern in [
            "a{2}{3}", "a{2}?", "(*a)", "())", "[a-]", "\\y", "(?-i:H)", "\\ehello", "$h", "h^", "HELLO",
            "a)", "\\xZZ", "\\.", "[.]",
        ] {
            assert!(!is_match(pattern, "hello"), "{pattern}");
        }
        assert!(is_match("\\w+ \\w+", "foo bar"));
        assert!(is_match("^..$", "é"));
        assert!(is_match("a.b", "a\nb"));
        assert!(compile(b"HELLO", true).unwrap().is_match(b"hello"));
    }

    #[test]
    fn what_is_wrong_is_said_in_the_same_words() {
        for (pattern, wrong) in [
            ("(", Wrong::Parenthesis),
            ("(a", Wrong::Parenthesis),
            ("[", Wrong::Bracket),
            ("[]", Wrong::Bracket),
            ("[^]", Wrong::Bracket),
            ("[a", Wrong::Bracket),
            ("[[:alpha:]", Wrong::Bracket),
            ("a{", Wrong::Brace),
            ("a{1,2", Wrong::Brace),
            ("\\x{68", Wrong::Brace),
            ("a{x}", Wrong::Bound),
            ("a{1,x}", Wrong::Bound),
            ("a{2,1}", Wrong::Bound),
            ("a{256}", Wrong::BoundTooHigh),
            ("[z-a]", Wrong::Range),
            ("[a-c-e]", Wrong::Range),
            ("[[:foo:]]", Wrong::Class),
            ("[[:alpha]", Wrong::Class),
            ("[[.a.]]", Wrong::Collating),
            ("[[=a=]]", Wrong::Collating),
            ("a**", Wrong::Repetition),
            ("a+*", Wrong::Repetition),
            ("a*+", Wrong::Repetition),
            ("\\", Wrong::Backslash),
            ("h\\", Wrong::Backslash),
            ("\\1", Wrong::Reference),
            ("(?x)h", Wrong::Pattern),
            ("(?", Wrong::Pattern),
            ("(?i", Wrong::Pattern),
            ("h(?=e)", Wrong::Pattern),
        ] {
            assert_eq!(compile(pattern.as_bytes(), false).err(), Some(wrong.error()), "{pattern}");
        }
        assert!(compile(b"(l)\\1", false).is_err());
        // However deep; and of too long a pattern nothing is read.
        assert!(compile("(".repeat(2048).as_bytes(), false).is_err());
        let too_long =
            compile("[".repeat(2049).as_bytes(), false).err().map(|error| error.text().into_owned());
        assert_eq!(too_long.as_deref(), Some("ERR regular expression is too long, maximum is 2048 bytes"));
        assert!(compile(b"((a{255}){255}){255}", false).is_err());
    }
}
