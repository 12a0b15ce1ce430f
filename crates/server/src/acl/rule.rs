//! What is wrong with a rule of the access list, in Redis' words; and how a line of rules is taken apart.
//!
//! Owns the texts and the brackets of selectors. Never knows what a rule does: see [`super::user`].

use std::borrow::Cow;

/// Why a rule was not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RuleError {
    /// It is no rule.
    #[error("Syntax error")]
    Syntax,
    /// It names no command and no category.
    #[error("Unknown command or category name in ACL")]
    Unknown,
    /// A subcommand is as far as one goes.
    #[error("Allowing first-arg of a subcommand is not supported")]
    FirstArgOfSubcommand,
    /// All keys are allowed already.
    #[error(
        "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try \
         'resetkeys' to start with an empty list of patterns"
    )]
    AfterAllKeys,
    /// All channels are allowed already.
    #[error(
        "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. \
         Try 'resetchannels' to start with an empty list of channels"
    )]
    AfterAllChannels,
    /// There is no such password to be removed.
    #[error("The password you are trying to remove from the user does not exist")]
    NoSuchPassword,
    /// A hash that is none.
    #[error(
        "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
    )]
    BadHash,
    /// A database that no server has.
    #[error("The provided database ID is out of range")]
    BadDatabase,
}

/// A selector whose bracket is never closed: the word that opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unclosed<'a>(pub(crate) &'a [u8]);

/// Puts the words of a selector together: `(~a +get)` may have come in two.
pub(crate) fn join_selectors<'a>(words: &[&'a [u8]]) -> Result<Vec<Cow<'a, [u8]>>, Unclosed<'a>> {
    let mut rules = Vec::with_capacity(words.len());
    let mut open: Option<(&[u8], Vec<u8>)> = None;
    for word in words {
        match open.take() {
            None if word.starts_with(b"(") && !word.ends_with(b")") => open = Some((word, word.to_vec())),
            None => rules.push(Cow::Borrowed(*word)),
            Some((first, mut whole)) => {
                whole.push(b' ');
                whole.extend_from_slice(word);
                if word.ends_with(b")") {
                    rules.push(Cow::Owned(whole));
                } else {
                    open = Some((first, whole));
                }
            }
        }
    }
    match open {
        None => Ok(rules),
        Some((first, _)) => Err(Unclosed(first)),
    }
}

/// The rules inside a selector's brackets; `None` where there are none.
pub(crate) fn inside_brackets(rule: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    let inside = rule.strip_prefix(b"(")?.strip_suffix(b")")?;
    Some(inside.split(|byte| *byte == b' ').filter(|word| !word.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_may_come_in_several_words() {
        let words: &[&[u8]] = &[b"on", b"(~a", b"+get", b"+set)", b"~x)", b"(+ping)", b"(", b")"];
        let rules = join_selectors(words).unwrap();
        let wanted: &[&[u8]] = &[b"on", b"(~a +get +set)", b"~x)", b"(+ping)", b"( )"];
        assert_eq!(rules, wanted);
        assert_eq!(join_selectors(&[b"on", b"(~a", b"+get"]), Err(Unclosed(b"(~a")));
        let inside: Vec<&[u8]> = inside_brackets(&rules[1]).unwrap().collect();
        let wanted: &[&[u8]] = &[b"~a", b"+get", b"+set"];
        assert_eq!(inside, wanted);
        assert!(inside_brackets(&rules[2]).is_none());
        assert_eq!(inside_brackets(b"()").unwrap().count(), 0);
    }
}
