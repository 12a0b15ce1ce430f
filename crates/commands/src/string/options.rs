//! The options that SET, GETEX, MSETEX and DELEX share: when to do it, and until when it holds.
//!
//! Owns their grammar. Never changes a key.

use std::mem::discriminant;

use protocol::Args;
use storage::Slot;

use super::digest::{digest_of, parse_digest};
use crate::dialect::Dialect;
use crate::error::CommandError;
use crate::expiry::Unit;

/// What must be so for the command to be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition<'a> {
    /// Nothing.
    Always,
    /// NX: there is no key.
    Missing,
    /// XX: there is a key.
    Present,
    /// IFEQ: it has this value.
    Equal(&'a [u8]),
    /// IFNE: it has another value, or there is no key.
    NotEqual(&'a [u8]),
    /// IFDEQ: its value has this digest.
    DigestEqual(&'a [u8]),
    /// IFDNE: its value has another digest, or there is no key.
    DigestNotEqual(&'a [u8]),
}

impl<'a> Condition<'a> {
    /// IFEQ, IFNE, IFDEQ or IFDNE with its operand.
    pub(super) fn of_word(word: &[u8], operand: &'a [u8]) -> Option<Condition<'a>> {
        let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
        Some(match () {
            () if is(b"ifeq") => Condition::Equal(operand),
            () if is(b"ifne") => Condition::NotEqual(operand),
            () if is(b"ifdeq") => Condition::DigestEqual(operand),
            () if is(b"ifdne") => Condition::DigestNotEqual(operand),
            () => return None,
        })
    }

    /// Whether it may be said behind this one. Any may be said again, the last one counts; those that compare, not in
    /// Valkey.
    fn may_follow(self, before: Condition<'_>, dialect: Dialect) -> bool {
        before == Condition::Always
            || discriminant(&before) == discriminant(&self) && !(self.looks_at_value() && dialect.is_valkey())
    }

    /// Whether it takes the value, so that a key of another kind is a mistake.
    pub(super) fn looks_at_value(self) -> bool {
        !matches!(self, Condition::Always | Condition::Missing | Condition::Present)
    }

    /// Whether it is so.
    ///
    /// # Errors
    /// The key holds another kind than a string, or the digest is none.
    pub(super) fn is_met(self, slot: &Slot<'_>) -> Result<bool, CommandError> {
        let met = match self {
            Condition::Always => true,
            Condition::Missing => !slot.exists(),
            Condition::Present => slot.exists(),
            Condition::Equal(value) => is_value(slot, value)?.unwrap_or(false),
            Condition::NotEqual(value) => !is_value(slot, value)?.unwrap_or(false),
            Condition::DigestEqual(digest) => has_digest(slot, digest)?.unwrap_or(false),
            Condition::DigestNotEqual(digest) => !has_digest(slot, digest)?.unwrap_or(false),
        };
        Ok(met)
    }
}

fn is_value(slot: &Slot<'_>, value: &[u8]) -> Result<Option<bool>, CommandError> {
    let text = slot.text()?;
    Ok(text.map(|text| text.bytes(&mut itoa::Buffer::new()) == value))
}

fn has_digest(slot: &Slot<'_>, digest: &[u8]) -> Result<Option<bool>, CommandError> {
    let Some(text) = slot.text()? else { return Ok(None) };
    let wanted = parse_digest(digest)?;
    Ok(Some(wanted == Some(digest_of(text))))
}

/// Until when the value holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deadline<'a> {
    /// Nothing was said.
    Unsaid,
    /// KEEPTTL
    Keep,
    /// PERSIST
    Persist,
    /// EX, PX, EXAT or PXAT with its argument.
    At(Unit, &'a [u8]),
}

impl Deadline<'_> {
    /// Whether it may be said behind this one: any may be said again, and the last one counts.
    fn may_follow(self, before: Deadline<'_>) -> bool {
        match (before, self) {
            (Deadline::At(before, _), Deadline::At(unit, _)) => before == unit,
            _ => before == Deadline::Unsaid || before == self,
        }
    }
}

/// Everything that may follow the key (and value).
#[derive(Clone, Copy, Debug)]
pub(super) struct Options<'a> {
    pub(super) condition: Condition<'a>,
    pub(super) deadline: Deadline<'a>,
    pub(super) get: bool,
}

/// Which words a command knows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Grammar {
    Set,
    Getex,
    Msetex,
}

impl<'a> Options<'a> {
    /// SET's.
    pub(super) fn of_set(args: Args<'a>, dialect: Dialect) -> Result<Self, CommandError> {
        Options::parse(args, Grammar::Set, dialect)
    }
    /// GETEX's.
    pub(super) fn of_getex(args: Args<'a>, dialect: Dialect) -> Result<Self, CommandError> {
        Options::parse(args, Grammar::Getex, dialect)
    }
    /// MSETEX's.
    pub(super) fn of_msetex(args: Args<'a>, dialect: Dialect) -> Result<Self, CommandError> {
        Options::parse(args, Grammar::Msetex, dialect)
    }

    #[inline]
    fn parse(args: Args<'a>, grammar: Grammar, dialect: Dialect) -> Result<Self, CommandError> {
        let mut options = Options { condition: Condition::Always, deadline: Deadline::Unsaid, get: false };
        let mut at = 0;
        while let Some(word) = args.opt(at) {
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            let operand = args.opt(at + 1);
            let condition = match operand {
                _ if grammar == Grammar::Getex => None,
                _ if is(b"nx") => Some((Condition::Missing, 1)),
                _ if is(b"xx") => Some((Condition::Present, 1)),
                Some(operand) if grammar == Grammar::Set => {
                    Condition::of_word(word, operand).map(|condition| (condition, 2))
                }
                _ => None,
            };
            let deadline = match operand {
                _ if is(b"keepttl") && grammar != Grammar::Getex => Some((Deadline::Keep, 1)),
                _ if is(b"persist") && grammar == Grammar::Getex => Some((Deadline::Persist, 1)),
                Some(operand) => Unit::of_word(word).map(|unit| (Deadline::At(unit, operand), 2)),
                None => None,
            };
            at += match (condition, deadline) {
                (Some((condition, words)), _) => {
                    if !condition.may_follow(options.condition, dialect) {
                        return Err(CommandError::Syntax);
                    }
                    options.condition = condition;
                    words
                }
                (None, Some((deadline, words))) => {
                    if !deadline.may_follow(options.deadline) {
                        return Err(CommandError::Syntax);
                    }
                    options.deadline = deadline;
                    words
                }
                (None, None) if is(b"get") && grammar == Grammar::Set => {
                    options.get = true;
                    1
                }
                (None, None) => return Err(CommandError::Syntax),
            };
        }
        Ok(options)
    }
}
