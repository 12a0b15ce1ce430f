//! Inline commands: a line of words, some in quotes, as one types it.
//!
//! Owns the rules of quotes and escapes, which are Redis'. Never copies a word of a line that has none.

use crate::request::{Request, Span};

/// What may follow a word's closing quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quotes {
    /// A blank, or nothing (Redis).
    EndWords,
    /// More of the word too (Valkey).
    JoinWords,
}

/// Splits `line` (without its end) into words; `None` when a quote does not end, or not where `quotes` says
/// (or, where that says nothing, when it would matter).
///
/// Says where the words lie: in `unescaped`, all of them, when one has a quote; else in the line.
pub(crate) fn split(
    line: &[u8],
    words: &mut Vec<Span>,
    unescaped: &mut Vec<u8>,
    quotes: Option<Quotes>,
) -> Option<bool> {
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
            at += quoted_word(rest, unescaped, quotes)?;
            words.push(Span { at: from, len: unescaped.len() - from });
        } else {
            words.push(Span { at, len: plain });
            at += plain;
        }
    }
}

/// The words of a line, without their quotes; `None` when a quote does not end, or not where `quotes` says.
///
/// ```
/// use protocol::{Quotes, words_of_line};
/// let words = words_of_line(b"#!lua name=\"my\\x6cib\" ", Quotes::EndWords).expect("balanced");
/// assert_eq!(words, [b"#!lua".as_slice(), b"name=mylib"]);
/// assert_eq!(words_of_line(b"open \"quote", Quotes::EndWords), None);
/// assert_eq!(words_of_line(b"\"a\"b", Quotes::EndWords), None);
/// assert_eq!(words_of_line(b"\"a\"b", Quotes::JoinWords).expect("one word"), [b"ab"]);
/// ```
pub fn words_of_line(line: &[u8], quotes: Quotes) -> Option<Vec<Vec<u8>>> {
    let (mut words, mut unescaped) = (Vec::new(), Vec::new());
    let is_unescaped = split(line, &mut words, &mut unescaped, Some(quotes))?;
    let request = Request::new(line, if is_unescaped { &unescaped } else { line }, &words);
    Some((0..words.len()).map(|at| request.word(at).to_vec()).collect())
}

/// Copies the word at the front of `rest`, which has quotes somewhere; returns how many bytes it took.
fn quoted_word(rest: &[u8], word: &mut Vec<u8>, quotes: Option<Quotes>) -> Option<usize> {
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
        match (quotes, rest.get(at)) {
            (_, None) => return Some(at),
            (None, Some(byte)) => return ends_word(*byte).then_some(at),
            (Some(Quotes::EndWords), Some(byte)) => return is_blank(*byte).then_some(at),
            (Some(Quotes::JoinWords), Some(_)) => {}
        }
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

    #[test]
    fn what_follows_a_quote_is_the_servers_own_rule() {
        use super::{Quotes, words_of_line};
        // From redis-8.10 and valkey-9.1.
        for (line, ends, joins) in [
            ("a \"b\"c", None, Some(vec!["a", "bc"])),
            ("a 'b'\"c d\"e f", None, Some(vec!["a", "bc de", "f"])),
            ("\"b\"\x0bc", Some(vec!["b", "c"]), Some(vec!["b\x0bc"])),
            ("\"b\"\tc\"d\"", Some(vec!["b", "cd"]), Some(vec!["b", "cd"])),
            ("\"b\"\"", None, None),
        ] {
            let words = |quotes| {
                let words = words_of_line(line.as_bytes(), quotes)?;
                Some(words.into_iter().map(|word| String::from_utf8(word).unwrap()).collect::<Vec<_>>())
            };
            let expected = |words: Option<Vec<&str>>| {
                words.map(|words| words.into_iter().map(String::from).collect::<Vec<_>>())
            };
            assert_eq!(words(Quotes::EndWords), expected(ends), "{line:?}");
            assert_eq!(words(Quotes::JoinWords), expected(joins), "{line:?}");
        }
        let input = b"ECHO \"b\"\x0bc\r\n";
        let mut parser = Parser::default();
        assert!(parser.parse(input, Peer::Client, 1).is_err(), "nobody has said whose rule it is");
        parser.set_quotes(Some(Quotes::JoinWords));
        assert_eq!(parser.parse(input, Peer::Client, 1), Ok(1));
        assert_eq!(parser.request(0, input).unwrap().word(1), b"b\x0bc");
    }

    #[test]
    fn a_zero_byte_hides_the_end_of_a_line() {
        let mut parser = Parser::default();
        let mut input = b"PING a\0b\r\nPING\r\n".to_vec();
        assert_eq!(parser.parse(&input, Peer::Client, 1), Ok(0));
        input.resize(70_000, b'x');
        assert!(parser.parse(&input, Peer::Client, 1).is_err(), "a line that is too long");
    }
}
