//! The short way through what is commonest: strings that lie there as they are, or as an integer, whole in the input.
//!
//! Owns nothing. Whatever it does not know it leaves to the long way, which also finds out what is wrong.

use crate::item::{Item, Key, Str, Whole};

/// A key with a string, maybe after its deadline; and what follows.
#[inline]
pub(super) fn key(input: &[u8]) -> Option<(Item<'_>, &[u8])> {
    let (deadline, rest) = match input {
        [0, rest @ ..] => (None, rest),
        [0xfc, a, b, c, d, e, f, g, h, 0, rest @ ..] => {
            (Some(i64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h])), rest)
        }
        _ => return None,
    };
    let (name, rest) = bytes(rest)?;
    let (value, rest) = value(rest)?;
    let key = Key { name, deadline, ..Key::default() };
    Some((Item::Whole { key, value: Whole::Text(value) }, rest))
}

/// A string, and what follows.
#[inline]
pub(super) fn value(input: &[u8]) -> Option<(Str<'_>, &[u8])> {
    Some(match input {
        [0xc0, a, rest @ ..] => (Str::Int(i64::from(a.cast_signed())), rest),
        [0xc1, a, b, rest @ ..] => (Str::Int(i64::from(i16::from_le_bytes([*a, *b]))), rest),
        [0xc2, a, b, c, d, rest @ ..] => (Str::Int(i64::from(i32::from_le_bytes([*a, *b, *c, *d]))), rest),
        _ => {
            let (value, rest) = bytes(input)?;
            (Str::Bytes(value), rest)
        }
    })
}

/// A string with a length of one or two bytes, and what follows.
#[inline]
fn bytes(input: &[u8]) -> Option<(&[u8], &[u8])> {
    match input {
        [length @ 0..=0x3f, rest @ ..] => rest.split_at_checked(usize::from(*length)),
        [high @ 0x40..=0x7f, low, rest @ ..] => {
            rest.split_at_checked(usize::from(high & 0x3f) << 8 | usize::from(*low))
        }
        _ => None,
    }
}
