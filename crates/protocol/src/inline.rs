//! Inline commands: a line of words, some in quotes, as one types it.
//!
//! Owns the rules of quotes and escapes, which are Redis'. Never copies a word of a line that has none.

use crate::request::{Request, Span};

/// Splits `line` (without its end) into words; `None` when a quote does not end where a word does.
///
/// Says where the words lie: in `unescaped`, all of them, when one has a quote; else in the line.
pub(crate) fn split(line: &[u8], words: &mut Vec<Span>, unescaped: &mut Vec<u8>) -> Option<bool> {
    let has_quotes = line.iter().any(|byte| matches!(byte, b'"' | b'\''));
    let mut at = 0;
    loop {
        at += line.get(at..)?.iter().take_while(|byte| is_blank(**byte)).count();
        let rest = line.get(at..)?;
        if rest.is_empty() {
            return Some(has_quotes);
        }
        let plain = rest.iter().take_while(|byte| !ends_word(**byte)).count();
        if has_quotes {
            let from = unescaped.len();
            at += quoted_word(rest, unescaped)?;
            words.push(Span { at: from, len: unescaped.len() - from });
        } else {
            words.push(Span { at, len: plain });
            at += plain;
        }
    }
}

/// The words of a line, without their quotes; `None` when a quote does not end where a word does.
///
/// ```
/// let words = protocol::words_of_line(b"#!lua name=\"my\\x6cib\" ").expect("balanced");
/// assert_eq!(words, [b"#!lua".as_slice(), b"name=mylib"]);
/// assert_eq!(protocol::words_of_line(b"open \"quote"), None);
/// ```
pub fn words_of_line(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut words, mut unescaped) = (Vec::new(), Vec::new());
    let is_unescaped = split(line, &mut words, &mut unescaped)?;
    let request = Request::new(line, if is_unescaped { &unescaped } else { line }, &words);
    Some((0..words.len()).map(|at| request.word(at).to_vec()).collect())
}

/// Copies the word at the front of `rest`, which has quotes somewhere; returns how many bytes it took.
fn quoted_word(rest: &[u8], word: &mut Vec<u8>) -> Option<usize> {
    let mut at = 0;
    while let Some(byte) = rest.get(at).filter(|byte| !ends_word(**byte)) {
        match byte {
            b'"' => at = double_quoted(rest, at + 1, word)?,
            b'\'' => at = single_quoted(rest, at + 1, word)?,
            _ => {
                word.push(*byte);
                at += 1;
                continue;
            }
        }
        // A quote ends the word: a blank must follow, or nothing.
        return rest.get(at).is_none_or(|byte| is_blank(*byte)).then_some(at);
    }
    Some(at)
}

/// From after the opening quote to after the closing one.
fn double_quoted(rest: &[u8], mut at: usize, word: &mut Vec<u8>) -> Option<usize> {
    loop {
        match rest.get(at..)? {
            [b'\\', b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                word.push(hex(*high) << 4 | hex(*low));
                at += 4;
            }
            [b'\\', escaped, ..] => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                });
                at += 2;
            }
            [b'"', ..] => return Some(at + 1),
            [byte, ..] => {
                word.push(*byte);
                at += 1;
            }
            [] => return None,
        }
    }
}

/// From after the opening quote to after the closing one.
fn single_quoted(rest: &[u8], mut at: usize, word: &mut Vec<u8>) -> Option<usize> {
    loop {
        match rest.get(at..)? {
            [b'\\', b'\'', ..] => {
                word.push(b'\'');
                at += 2;
            }
            [b'\'', ..] => return Some(at + 1),
            [byte, ..] => {
                word.push(*byte);
                at += 1;
            }
            [] => return None,
        }
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10),
    }
}

/// C's `isspace`.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// What ends a word without quotes (fewer than what may stand between words).
fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use crate::limits::Peer;
    use crate::parse::Parser;

    fn words(line: &str) -> Option<Vec<String>> {
        let input = format!("{line}\r\n").into_bytes();
        let mut parser = Parser::default();
        let count = parser.parse(&input, Peer::Client, 1).ok()?;
        assert!(count == 1 || line.trim().is_empty());
        let request = parser.request(0, &input);
        Some(
            request
                .into_iter()
                .flat_map(|r| r.words())
                .map(|w| String::from_utf8(w.to_vec()).unwrap())
                .collect(),
        )
    }

    #[test]
    fn quotes_as_redis_has_them() {
        // From redis-8.10.
        for (line, expected) in [
            ("PING \"a b\" ", Some(vec!["PING", "a b"])),
            ("PING a\"b c\"", Some(vec!["PING", "ab c"])),
            ("PING 'a\\'b'", Some(vec!["PING", "a'b"])),
            ("PING \"a", None),
            ("PING 'a", None),
            ("PING \"a\"b", None),
            ("PING 'a'b", None),
            ("PING \"\\x41\\n\\q\\\"\"", Some(vec!["PING", "A\nq\""])),
            ("PING \"\\x4\"", Some(vec!["PING", "x4"])),
            ("PING \"\\", None),
            ("PING a\x0bb", Some(vec!["PING", "a\x0bb"])),
            ("  PING\t x ", Some(vec!["PING", "x"])),
            ("PING \"\" ''", Some(vec!["PING", "", ""])),
            ("", Some(vec![])),
            ("   ", Some(vec![])),
        ] {
            let expected = expected.map(|words| words.into_iter().map(String::from).collect());
            assert_eq!(words(line), expected, "{line}");
        }
    }
}
