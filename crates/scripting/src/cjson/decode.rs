//! JSON to Lua values.
//!
//! Owns the grammar, which is lua-cjson's, and the texts of what is wrong. Never recurses, and never reads on when the
//! script has to end.

use mlua::{Lua, Table, Value};

use super::{DEPTH_MAX, Settings};
use crate::boundary::Raise;
use crate::pulse::{End, Pulse};
use crate::text;

/// So much is read between two looks at the pulse.
const PART_BYTES: usize = 256;
/// The work of a byte; there are values of two.
const BYTE_WORK: usize = 32;

/// A word of JSON.
enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    Text(Vec<u8>),
    Number(f64),
    Truth(bool),
    Null,
    Colon,
    Comma,
    End,
    Wrong(&'static str),
}

impl Token {
    /// Its name in texts of errors, or the error that it is.
    fn name(&self) -> &'static str {
        match self {
            Token::ObjectBegin => "T_OBJ_BEGIN",
            Token::ObjectEnd => "T_OBJ_END",
            Token::ArrayBegin => "T_ARR_BEGIN",
            Token::ArrayEnd => "T_ARR_END",
            Token::Text(_) => "T_STRING",
            Token::Number(_) => "T_NUMBER",
            Token::Truth(_) => "T_BOOLEAN",
            Token::Null => "T_NULL",
            Token::Colon => "T_COLON",
            Token::Comma => "T_COMMA",
            Token::End => "T_END",
            Token::Wrong(what) => what,
        }
    }
}

/// A table that is being read.
enum Open {
    Array { table: Table, length: i64 },
    Object { table: Table, key: Vec<u8> },
}

/// The bytes, and how far they are read.
struct Scanner<'a> {
    json: &'a [u8],
    at: usize,
    /// Where the token that was read last begins.
    token_at: usize,
    takes_invalid_numbers: bool,
    pulse: &'a Pulse,
    /// Looked at the pulse up to here.
    seen: usize,
    /// The script must end: what comes of the rest is not used.
    ended: Option<End>,
}

/// The value that a JSON text is.
pub(super) fn decode(
    lua: &Lua,
    settings: &Settings,
    marker: Option<&Table>,
    pulse: &Pulse,
    json: &[u8],
) -> mlua::Result<Result<Value, Raise>> {
    if let [first, second, ..] = json
        && (*first == 0 || *second == 0)
    {
        return Ok(Err(Raise::here("JSON parser does not support UTF-16 or UTF-32")));
    }
    let mut scanner = Scanner {
        json,
        at: 0,
        token_at: 0,
        takes_invalid_numbers: settings.decodes_invalid,
        pulse,
        seen: 0,
        ended: None,
    };
    let read = whole(lua, settings, marker, &mut scanner);
    match scanner.ended {
        Some(end) => Err(end.into()),
        None => read,
    }
}

fn whole(
    lua: &Lua,
    settings: &Settings,
    marker: Option<&Table>,
    scanner: &mut Scanner<'_>,
) -> mlua::Result<Result<Value, Raise>> {
    let depth_max = settings.decode_depth.min(DEPTH_MAX);
    let mut open: Vec<Open> = Vec::new();
    let mut token = scanner.next();
    loop {
        // What stands here begins a value.
        let mut whole = match token {
            Token::Text(text) => Value::String(lua.create_string(text)?),
            Token::Number(number) => Value::Number(number),
            Token::Truth(truth) => Value::Boolean(truth),
            Token::Null => Value::NULL,
            Token::ObjectBegin | Token::ArrayBegin => {
                let depth = i64::try_from(open.len()).unwrap_or(i64::MAX) + 1;
                if depth > depth_max {
                    return Ok(Err(Raise::here(format!(
                        "Found too many nested data structures ({depth}) at character {}",
                        scanner.at
                    ))));
                }
                let table = lua.create_table()?;
                if matches!(token, Token::ArrayBegin) {
                    if let Some(marker) = marker {
                        table.set_metatable(Some(marker.clone()))?;
                    }
                    token = scanner.next();
                    if !matches!(token, Token::ArrayEnd) {
                        open.push(Open::Array { table, length: 0 });
                        continue;
                    }
                } else {
                    token = scanner.next();
                    if !matches!(token, Token::ObjectEnd) {
                        let key = match scanner.key(token) {
                            Ok(key) => key,
                            Err(raise) => return Ok(Err(raise)),
                        };
                        open.push(Open::Object { table, key });
                        token = scanner.next();
                        continue;
                    }
                }
                Value::Table(table)
            }
            other => return Ok(Err(scanner.unexpected("value", &other))),
        };
        // It is whole: it goes into the table around it, which may be whole then.
        token = loop {
            let after = scanner.next();
            let (table, ends, goes_on) = match open.last_mut() {
                None => {
                    return Ok(match after {
                        Token::End => Ok(whole),
                        other => Err(scanner.unexpected("the end", &other)),
                    });
                }
                Some(Open::Array { table, length }) => {
                    *length += 1;
                    table.raw_set(*length, whole)?;
                    match after {
                        Token::Comma => (table, false, None),
                        Token::ArrayEnd => (table, true, None),
                        other => return Ok(Err(scanner.unexpected("comma or array end", &other))),
                    }
                }
                Some(Open::Object { table, key }) => {
                    table.raw_set(lua.create_string(&*key)?, whole)?;
                    match after {
                        Token::Comma => {
                            let named = scanner.next();
                            match scanner.key(named) {
                                Ok(next) => (table, false, Some((key, next))),
                                Err(raise) => return Ok(Err(raise)),
                            }
                        }
                        Token::ObjectEnd => (table, true, None),
                        other => return Ok(Err(scanner.unexpected("comma or object end", &other))),
                    }
                }
            };
            if !ends {
                if let Some((key, next)) = goes_on {
                    *key = next;
                }
                break scanner.next();
            }
            whole = Value::Table(table.clone());
            open.pop();
        };
    }
}

impl Scanner<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        // What is behind the end reads as C's end of a string.
        self.json.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn begins(&self, word: &[u8]) -> bool {
        self.json.get(self.at..).is_some_and(|rest| rest.starts_with(word))
    }

    fn unexpected(&self, wanted: &str, token: &Token) -> Raise {
        Raise::here(format!(
            "Expected {wanted} but found {} at character {}",
            token.name(),
            self.token_at + 1
        ))
    }

    /// The key that this token is, with the colon behind it.
    fn key(&mut self, token: Token) -> Result<Vec<u8>, Raise> {
        let key = match token {
            Token::Text(key) => key,
            other => return Err(self.unexpected("object key string", &other)),
        };
        match self.next() {
            Token::Colon => Ok(key),
            other => Err(self.unexpected("colon", &other)),
        }
    }

    fn wrong(&mut self, what: &'static str) -> Token {
        self.token_at = self.at;
        Token::Wrong(what)
    }

    /// Whether the script may go on, as far as it is read.
    fn goes_on(&mut self) -> bool {
        if self.ended.is_none() && self.at - self.seen >= PART_BYTES {
            self.ended = self.pulse.spend((self.at - self.seen) * BYTE_WORK).err();
            self.seen = self.at;
        }
        self.ended.is_none()
    }

    fn next(&mut self) -> Token {
        while matches!(self.peek(0), b' ' | b'\t' | b'\n' | b'\r') && self.goes_on() {
            self.at += 1;
        }
        if !self.goes_on() {
            return self.wrong("the end of the script");
        }
        self.token_at = self.at;
        let byte = self.peek(0);
        let single = match byte {
            0 => return Token::End,
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b',' => Token::Comma,
            b':' => Token::Colon,
            b'"' => return self.text(),
            b'-' | b'0'..=b'9' => {
                if !self.takes_invalid_numbers && self.is_invalid_number() {
                    return self.wrong("invalid number");
                }
                return self.number();
            }
            _ => {
                let words = [
                    (&b"true"[..], Token::Truth(true)),
                    (b"false", Token::Truth(false)),
                    (b"null", Token::Null),
                ];
                for (word, token) in words {
                    if self.begins(word) {
                        self.at += word.len();
                        return token;
                    }
                }
                let may_be_number = matches!(byte, b'+' | b'i' | b'I' | b'n' | b'N');
                if may_be_number && self.takes_invalid_numbers && self.is_invalid_number() {
                    return self.number();
                }
                return self.wrong("invalid token");
            }
        };
        self.at += 1;
        single
    }

    fn number(&mut self) -> Token {
        match text::number_prefix(self.json.get(self.at..).unwrap_or_default()) {
            Some((number, used)) => {
                self.at += used;
                Token::Number(number)
            }
            None => self.wrong("invalid number"),
        }
    }

    /// Whether it is a number that C reads and JSON does not know.
    fn is_invalid_number(&self) -> bool {
        if self.peek(0) == b'+' {
            return true;
        }
        let start = usize::from(self.peek(0) == b'-');
        let (first, second) = (self.peek(start), self.peek(start + 1));
        if first == b'0' {
            return matches!(second, b'x' | b'X' | b'0'..=b'9');
        }
        if first <= b'9' {
            return false;
        }
        let rest = self.json.get(self.at + start..).unwrap_or_default();
        let word = rest.get(..3).unwrap_or_default();
        word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"nan")
    }

    fn text(&mut self) -> Token {
        self.at += 1;
        let mut text = Vec::new();
        while self.goes_on() {
            match self.peek(0) {
                b'"' => {
                    self.at += 1;
                    return Token::Text(text);
                }
                0 => return self.wrong("unexpected end of string"),
                b'\\' => {
                    let plain = match self.peek(1) {
                        same @ (b'"' | b'\\' | b'/') => same,
                        b'b' => 0x08,
                        b't' => b'\t',
                        b'n' => b'\n',
                        b'f' => 0x0c,
                        b'r' => b'\r',
                        b'u' => match self.unicode() {
                            Some((character, used)) => {
                                let mut room = [0; 4];
                                text.extend_from_slice(character.encode_utf8(&mut room).as_bytes());
                                self.at += used;
                                continue;
                            }
                            None => return self.wrong("invalid unicode escape code"),
                        },
                        _ => return self.wrong("invalid escape code"),
                    };
                    text.push(plain);
                    self.at += 2;
                }
                other => {
                    text.push(other);
                    self.at += 1;
                }
            }
        }
        self.wrong("the end of the script")
    }

    /// The character that `\uXXXX` (or two of them) stands for, and how many bytes that takes.
    fn unicode(&self) -> Option<(char, usize)> {
        let unit = |from: usize| {
            let digits = self.json.get(self.at + from + 2..self.at + from + 6)?;
            if !digits.iter().all(u8::is_ascii_hexdigit) {
                return None;
            }
            u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
        };
        let high = unit(0)?;
        if high & 0xF800 != 0xD800 {
            return Some((char::from_u32(high)?, 6));
        }
        if high & 0x400 != 0 || self.peek(6) != b'\\' || self.peek(7) != b'u' {
            return None;
        }
        let low = unit(6)?;
        if low & 0xFC00 != 0xDC00 {
            return None;
        }
        let character = 0x10000 + ((high & 0x3FF) << 10) + (low & 0x3FF);
        Some((char::from_u32(character)?, 12))
    }
}
