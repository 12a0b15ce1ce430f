//! BY and GET: a pattern that makes a key, or a field of a hash, out of an element.
//!
//! Owns where the element goes in. Never fails: what is not there, or is of another kind, is nothing.
//!
//! As servers do, it looks for `#`, `*` and `->` up to a pattern's first zero byte, and takes all of it for the key and
//! the field all the same.

use storage::Db;

use crate::error::printed;

/// A parsed pattern.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pattern<'a> {
    /// `#`
    Element,
    /// `prefix*postfix`, or `prefix*postfix->field`
    Key { prefix: &'a [u8], postfix: &'a [u8], field: Option<&'a [u8]> },
    /// No `*`: no key.
    Nothing,
}

impl<'a> Pattern<'a> {
    pub(super) fn parse(word: &'a [u8]) -> Self {
        let text = printed(word);
        if text == b"#" {
            return Pattern::Element;
        }
        let Some(star) = text.iter().position(|byte| *byte == b'*') else { return Pattern::Nothing };
        let (prefix, rest) = word.split_at_checked(star).unwrap_or((word, b""));
        let rest = rest.strip_prefix(b"*").unwrap_or(rest);
        // An arrow with nothing behind it is part of the key.
        let text = text.get(star + 1..).unwrap_or_default();
        let arrow = text.windows(2).position(|pair| pair == b"->").filter(|arrow| arrow + 2 < text.len());
        match arrow {
            Some(arrow) => Pattern::Key {
                prefix,
                postfix: rest.get(..arrow).unwrap_or_default(),
                field: rest.get(arrow + 2..),
            },
            None => Pattern::Key { prefix, postfix: rest, field: None },
        }
    }

    /// What it finds for an element.
    pub(super) fn value(&self, db: &Db<'_>, element: &[u8]) -> Option<Vec<u8>> {
        match self {
            Pattern::Element => Some(element.to_vec()),
            Pattern::Nothing => None,
            Pattern::Key { prefix, postfix, field } => {
                let key = [prefix, element, postfix].concat();
                let found = db.get(&key)?;
                match field {
                    None => found.text().ok().map(|text| text.to_vec()),
                    Some(field) => Some(found.hash().ok()?.get(field, db.now())?.to_vec()),
                }
            }
        }
    }
}
