//! The pattern language of KEYS, SCAN MATCH, PSUBSCRIBE and CONFIG GET: `*`, `?`, `[a-c]`, `[^x]`, `\` for the
//! next byte itself. Bytes, not characters.
//!
//! Owns its odd corners: a class without its `]` goes to the end of the pattern, a range may be written backwards,
//! a `\` at the very end means itself, `[]` matches nothing, and not even `*` matches a text without a byte (commands
//! that take `*` for "all of them" do not ask here). Never takes longer than pattern times text: only the
//! last `*` is ever tried again, for what an earlier one could take more of, the last one can as well.

/// Whether `pattern` matches the whole of `text`.
///
/// ```
/// use storage::glob::matches;
///
/// assert!(matches(b"user:*:name", b"user:12:name"));
/// assert!(matches(b"h[a-e]llo", b"hello"));
/// assert!(!matches(b"h[^a-e]llo", b"hello"));
/// ```
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    matches_as(pattern, text, |byte| byte)
}

/// The same, taking upper and lower case ASCII letters for equal.
pub fn matches_ignoring_case(pattern: &[u8], text: &[u8]) -> bool {
    matches_as(pattern, text, |byte| byte.to_ascii_lowercase())
}

fn matches_as(pattern: &[u8], text: &[u8], fold: impl Fn(u8) -> u8 + Copy) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut rest, mut left) = (pattern, text);
    // What to go on with when the rest fails: the pattern after the last `*`, and the text it has not taken.
    let mut again: Option<(&[u8], &[u8])> = None;
    while let [byte, after @ ..] = left {
        if let [b'*', others @ ..] = rest {
            rest = others;
            again = Some((rest, left));
            if rest.is_empty() {
                return true;
            }
        } else if let Some(others) = one(rest, *byte, fold) {
            rest = others;
            left = after;
        } else if let Some((others, [_, fewer @ ..])) = again {
            rest = others;
            left = fewer;
            again = Some((others, fewer));
        } else {
            return false;
        }
    }
    rest.iter().all(|byte| *byte == b'*')
}

/// Matches one byte of text against the pattern's first element; gives the pattern after it.
fn one(pattern: &[u8], byte: u8, fold: impl Fn(u8) -> u8) -> Option<&[u8]> {
    match pattern {
        [] => None,
        [b'?', rest @ ..] => Some(rest),
        [b'[', rest @ ..] => class(rest, byte, fold),
        [b'\\', literal, rest @ ..] | [literal, rest @ ..] => (fold(*literal) == fold(byte)).then_some(rest),
    }
}

/// The same for a class, from behind its `[`.
fn class(pattern: &[u8], byte: u8, fold: impl Fn(u8) -> u8) -> Option<&[u8]> {
    let (negated, mut rest) = match pattern {
        [b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut found = false;
    loop {
        rest = match rest {
            [] => break,
            [b']', after @ ..] => {
                rest = after;
                break;
            }
            // Not folded: so it is in the original.
            [b'\\', literal, after @ ..] => {
                found |= *literal == byte;
                after
            }
            [first, b'-', last, after @ ..] => {
                let (first, last) = (fold(*first.min(last)), fold(*first.max(last)));
                found |= (first..=last).contains(&fold(byte));
                after
            }
            [literal, after @ ..] => {
                found |= fold(*literal) == fold(byte);
                after
            }
        };
    }
    (found != negated).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_in_redis() {
        for (pattern, text, wanted) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", false),
            ("**", "", false),
            ("a**", "a", true),
            ("**", "abc", true),
            ("a*", "a", true),
            ("a*c", "abcbc", true),
            ("a*c", "abcb", false),
            ("?", "", false),
            ("a?c", "abc", true),
            ("[abc]", "b", true),
            ("[^abc]", "b", false),
            ("[^abc]", "d", true),
            ("[a-c]x", "bx", true),
            ("[c-a]", "b", true),
            ("[a-]", "-", false), // a range, from `]` to `a`
            ("[a-]", "^", true),
            ("[a\\-z]", "b", false),
            ("[a\\-z]", "-", true),
            ("[]", "]", false),
            ("[]a]", "a", false),
            ("[abc", "b", true),
            ("[abc", "bc", false),
            ("[^", "x", true),
            ("[", "x", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("a\\", "a\\", true),
            ("\\", "\\", true),
            ("*[0-9]*", "abc5def", true),
            ("*?*?*", "a", false),
            ("A", "a", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), wanted, "{pattern:?} on {text:?}");
        }
        assert!(matches_ignoring_case(b"MAX*[A-C]", b"maxmemory-b"));
        assert!(!matches_ignoring_case(b"[\\A]", b"a"));
    }

    #[test]
    fn a_hostile_pattern_ends_soon() {
        let text = vec![b'a'; 10_000];
        let mut pattern = b"a*".repeat(100);
        pattern.push(b'b');
        assert!(!matches(&pattern, &text));
    }

    /// The naive one: tries everything.
    fn naive(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([b'*', rest @ ..], _) => (0..=text.len()).any(|taken| naive(rest, &text[taken..])),
            ([], _) => text.is_empty(),
            (_, []) => false,
            (_, [byte, after @ ..]) => {
                one(pattern, *byte, |byte| byte).is_some_and(|rest| naive(rest, after))
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_the_naive_one(pattern in "[ab*?\\\\\\[\\]^-]{0,8}", text in "[ab\\]-]{0,8}") {
            // Of a text without a byte nothing is tried.
            let wanted = if text.is_empty() { pattern.is_empty() } else { naive(pattern.as_bytes(), text.as_bytes()) };
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), wanted);
        }
    }
}
