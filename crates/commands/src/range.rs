//! Bounds: the grammar of scores, members and indexes that the commands of sorted sets share.
//!
//! Owns how a bound is written and which ranks of a set lie between two. Never reads options, never replies.

use std::ops::Range;

use protocol::number::parse_float_or_nearest;
use storage::score::Score;
use storage::value::SortedSetRef;

use crate::{CommandError, Role};

/// `5`, `(5`, `-inf`.
#[derive(Clone, Copy, Debug)]
enum ScoreBound {
    Included(Score),
    Excluded(Score),
}

impl ScoreBound {
    fn parse(text: &[u8]) -> Result<Self, CommandError> {
        let bound = match text {
            [b'(', rest @ ..] => parse_bound(rest).map(ScoreBound::Excluded),
            _ => parse_bound(text).map(ScoreBound::Included),
        };
        bound.ok_or(CommandError::new("ERR min or max is not a float"))
    }
}

/// A number as C's `strtod` reads it, which is what bounds are read with: blanks before it are passed over, nothing at
/// all is 0, what is too large is infinite, what is too small is 0, and a zero byte ends the text.
fn parse_bound(text: &[u8]) -> Option<Score> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(Score::ZERO);
    }
    let is_blank = |byte: &&u8| matches!(**byte, b' ' | b'\t'..=b'\r');
    let text = text.get(text.iter().take_while(is_blank).count()..)?;
    parse_float_or_nearest(text).and_then(Score::new)
}

/// From one score to another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScoreRange {
    min: ScoreBound,
    max: ScoreBound,
}

impl ScoreRange {
    /// # Errors
    /// A bound that is no number.
    pub(crate) fn parse(min: &[u8], max: &[u8]) -> Result<Self, CommandError> {
        Ok(ScoreRange { min: ScoreBound::parse(min)?, max: ScoreBound::parse(max)? })
    }

    /// From a score up to, and without, another.
    pub(crate) fn half_open(min: f64, max: f64) -> Self {
        ScoreRange {
            min: ScoreBound::Included(Score::or_zero(min)),
            max: ScoreBound::Excluded(Score::or_zero(max)),
        }
    }

    /// The elements in it.
    pub(crate) fn ranks(&self, set: SortedSetRef<'_>) -> Range<usize> {
        let start = match self.min {
            ScoreBound::Included(min) => set.partition_by_score(|score| score < min),
            ScoreBound::Excluded(min) => set.partition_by_score(|score| score <= min),
        };
        let end = match self.max {
            ScoreBound::Included(max) => set.partition_by_score(|score| score <= max),
            ScoreBound::Excluded(max) => set.partition_by_score(|score| score < max),
        };
        start..end.max(start)
    }
}

/// `-`, `+`, `[abc`, `(abc`.
#[derive(Clone, Copy, Debug)]
enum LexBound<'a> {
    Lowest,
    Highest,
    Included(&'a [u8]),
    Excluded(&'a [u8]),
}

impl<'a> LexBound<'a> {
    fn parse(text: &'a [u8]) -> Result<Self, CommandError> {
        match text {
            b"-" => Ok(LexBound::Lowest),
            b"+" => Ok(LexBound::Highest),
            [b'[', member @ ..] => Ok(LexBound::Included(member)),
            [b'(', member @ ..] => Ok(LexBound::Excluded(member)),
            _ => Err(CommandError::new("ERR min or max not valid string range item")),
        }
    }
}

/// From one member to another, in the order of bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LexRange<'a> {
    min: LexBound<'a>,
    max: LexBound<'a>,
}

impl<'a> LexRange<'a> {
    /// # Errors
    /// A bound without its mark.
    pub(crate) fn parse(min: &'a [u8], max: &'a [u8]) -> Result<Self, CommandError> {
        Ok(LexRange { min: LexBound::parse(min)?, max: LexBound::parse(max)? })
    }

    /// Whether no member can be in it. (Where scores differ, members stand in no order, and only this tells.)
    fn is_empty(&self) -> bool {
        use LexBound::{Excluded, Highest, Included, Lowest};
        match (self.min, self.max) {
            (Highest, _) | (_, Lowest) => true,
            (Lowest, _) | (_, Highest) => false,
            (Included(min), Included(max)) => min > max,
            (Included(min) | Excluded(min), Included(max) | Excluded(max)) => min >= max,
        }
    }

    /// The elements in it, without the first `offset`; `reverse` when they will be given from the end.
    pub(crate) fn ranks(&self, set: SortedSetRef<'_>, reverse: bool, offset: usize) -> Range<usize> {
        if self.is_empty() {
            return 0..0;
        }
        set.ranks_by_member(
            reverse,
            offset,
            |member| match self.min {
                LexBound::Lowest => true,
                LexBound::Highest => false,
                LexBound::Included(min) => member >= min,
                LexBound::Excluded(min) => member > min,
            },
            |member| match self.max {
                LexBound::Lowest => false,
                LexBound::Highest => true,
                LexBound::Included(max) => member <= max,
                LexBound::Excluded(max) => member < max,
            },
        )
    }
}

/// From one index to another, both included; negative ones count from the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IndexRange {
    start: i64,
    stop: i64,
}

impl IndexRange {
    /// # Errors
    /// An index that is no integer.
    pub(crate) fn parse(start: &[u8], stop: &[u8], role: Role) -> Result<Self, CommandError> {
        let index = |text| role.integer(text).ok_or(CommandError::NotInteger);
        Ok(IndexRange { start: index(start)?, stop: index(stop)? })
    }

    /// The places in a row of `len`.
    pub(crate) fn places(&self, len: usize) -> Range<usize> {
        let len_signed = i64::try_from(len).unwrap_or(i64::MAX);
        let from_start = |index: i64| if index < 0 { index.saturating_add(len_signed) } else { index };
        let start = usize::try_from(from_start(self.start)).unwrap_or(0);
        let end = usize::try_from(from_start(self.stop).saturating_add(1)).unwrap_or(0).min(len);
        start..end.max(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read_as_strtod_reads_them() {
        // ZRANGE z BOUND +inf BYSCORE on redis-7.0 to 8.10
        for (text, value) in [
            ("", Some(0.0)),
            ("0x10", Some(16.0)),
            ("1e400", Some(f64::INFINITY)),
            ("-1e400", Some(f64::NEG_INFINITY)),
            ("1e-400", Some(0.0)),
            ("-0x1p2000", Some(f64::NEG_INFINITY)),
            ("0x1p-2000", Some(0.0)),
            (" 5", Some(5.0)),
            ("\t\n-5", Some(-5.0)),
            ("5 ", None),
            (" ", None),
            ("5\0x", Some(5.0)),
            ("nan", None),
            ("+inf", Some(f64::INFINITY)),
            ("infinity", Some(f64::INFINITY)),
            ("abc", None),
            ("+", None),
            (".", None),
        ] {
            assert_eq!(parse_bound(text.as_bytes()).map(Score::get), value, "{text:?}");
        }
        assert!(matches!(ScoreBound::parse(b"("), Ok(ScoreBound::Excluded(zero)) if zero == Score::ZERO));
        assert!(ScoreBound::parse(b"((5").is_err());
    }

    #[test]
    fn indexes_count_from_both_ends() {
        let places = |start: &str, stop: &str, len| {
            IndexRange::parse(start.as_bytes(), stop.as_bytes(), Role::Master).unwrap().places(len)
        };
        assert_eq!(places("0", "-1", 5), 0..5);
        assert_eq!(places("-2", "-1", 5), 3..5);
        assert_eq!(places("-100", "100", 5), 0..5);
        assert!(places("3", "1", 5).is_empty());
        assert!(places("7", "9", 5).is_empty());
        assert!(places("0", "-9", 5).is_empty());
        assert_eq!(places("0", "9223372036854775807", 5), 0..5);
        assert!(places("-9223372036854775808", "-9223372036854775808", 5).is_empty());
        assert!(places("0", "-1", 0).is_empty());
    }

    #[test]
    fn a_lex_bound_has_a_mark() {
        for text in ["", "a", "--", "++", "+a"] {
            assert!(LexBound::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
