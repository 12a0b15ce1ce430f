//! ZADD and ZINCRBY.
//!
//! Owns which elements the options let through, and what is counted. Never changes anything when one of the scores is
//! refused.

use protocol::{Args, Reply};
use storage::score::Score;
use storage::value::SortedSet;
use storage::{Slot, Wanted};

use super::sees_count;
use crate::{CommandError, ReplyDouble, WriteContext};

/// How elements are added: the words before the first score, read and found to fit together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Addition {
    /// Only elements that are there.
    pub(crate) existing_only: bool,
    /// Only elements that are not there.
    pub(crate) new_only: bool,
    /// An element that is there only gets a higher score.
    pub(crate) greater_only: bool,
    /// An element that is there only gets a lower score.
    pub(crate) less_only: bool,
    /// Answers with the number of changed elements too.
    pub(crate) counts_changes: bool,
    /// The score is added to the one that is there.
    pub(crate) increments: bool,
}

const NOT_A_NUMBER: CommandError = CommandError::new("ERR resulting score is not a number (NaN)");

/// ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]
pub(crate) fn zadd(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    add(ctx, args, Addition::default(), reply)
}

/// ZINCRBY key increment member
pub(crate) fn zincrby(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    add(ctx, args, Addition { increments: true, ..Addition::default() }, reply)
}

fn add(
    ctx: &mut WriteContext<'_>,
    args: Args<'_>,
    mut addition: Addition,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let mut first = 1;
    while let Some(flag) = args.opt(first).and_then(|word| addition.flag(word)) {
        *flag = true;
        first += 1;
    }
    let pairs = args.from(first).as_slice();
    if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
        return Err(CommandError::Syntax);
    }
    addition.check(pairs.len() / 2)?;
    let role = ctx.reads_as();
    let parse = |score: &[u8]| role.float(score).and_then(Score::new).ok_or(CommandError::NotFloat);
    let key = args.get(0);
    if let [score, member] = pairs {
        return addition.run(ctx, key, &[(*member, parse(score)?)], reply);
    }
    let mut elements = Vec::with_capacity(pairs.len() / 2);
    for pair in pairs.chunks_exact(2) {
        let [score, member] = pair else { continue };
        elements.push((*member, parse(score)?));
    }
    addition.run(ctx, key, &elements, reply)
}

impl Addition {
    /// The flag that a word sets; `None` when it is a score.
    fn flag(&mut self, word: &[u8]) -> Option<&mut bool> {
        let flags = [
            ("nx", &mut self.new_only),
            ("xx", &mut self.existing_only),
            ("gt", &mut self.greater_only),
            ("lt", &mut self.less_only),
            ("ch", &mut self.counts_changes),
            ("incr", &mut self.increments),
        ];
        flags.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes())).map(|(_, flag)| flag)
    }

    /// What it is called by those who listen.
    fn event(self) -> &'static str {
        if self.increments { "zincr" } else { "zadd" }
    }

    /// # Errors
    /// Words that exclude each other.
    fn check(self, elements: usize) -> Result<(), CommandError> {
        if self.new_only && self.existing_only {
            return Err(CommandError::new("ERR XX and NX options at the same time are not compatible"));
        }
        let one_way = self.greater_only || self.less_only;
        if (one_way && self.new_only) || (self.greater_only && self.less_only) {
            return Err(CommandError::new(
                "ERR GT, LT, and/or NX options at the same time are not compatible",
            ));
        }
        if self.increments && elements > 1 {
            return Err(CommandError::new("ERR INCR option supports a single increment-element pair"));
        }
        Ok(())
    }

    /// Adds the elements in turn, and answers.
    ///
    /// # Errors
    /// A key of another kind, or an increment that leads to no number; nothing is changed then.
    pub(crate) fn run(
        self,
        ctx: &mut WriteContext<'_>,
        key: &[u8],
        elements: &[(&[u8], Score)],
        reply: &mut Reply,
    ) -> Result<(), CommandError> {
        let (limits, dialect) = (ctx.limits, ctx.dialect);
        let mut tally = Tally::default();
        // Before they come in, Valkey looks at how many they are and at the longest; Redis, from 7.2 on, at how many,
        // and for a new set at the length of the first. A set that turns big early keeps its `-0`.
        let count = if sees_count(dialect) { elements.len() } else { 0 };
        let mut lengths = elements.iter().map(|(member, _)| member.len());
        let (longest, longest_in_new) = match dialect.is_valkey() {
            true => lengths.max().map_or((0, 0), |length| (length, length)),
            false => (0, lengths.next().unwrap_or(0)),
        };
        ctx.db.edit(key, |slot| {
            if !slot.exists() {
                if !self.existing_only {
                    let mut set = SortedSet::for_elements(count, longest_in_new, limits);
                    for (member, score) in elements {
                        set.apply(member, limits, |old| tally.note(self.decide(old, *score).ok()?, old));
                    }
                    slot.put(set.into());
                    slot.counts(tally.added);
                    slot.event(Wanted::SORTED_SET, self.event());
                }
                return Ok(());
            }
            self.check_sum(slot, elements)?;
            slot.edit(|set: &mut SortedSet| {
                set.prepare(count, longest, limits);
                for (member, score) in elements {
                    set.apply(member, limits, |old| tally.note(self.decide(old, *score).ok()?, old));
                }
            })?;
            if tally.added + tally.updated == 0 {
                slot.unchanged();
            } else {
                slot.counts(tally.added + tally.updated);
                slot.event(Wanted::SORTED_SET, self.event());
            }
            Ok::<(), CommandError>(())
        })?;
        match (self.increments, tally.last) {
            (true, Some(score)) => reply.double_in(dialect, score.get()),
            (true, None) => reply.null(),
            (false, _) => reply.len_int(tally.added + if self.counts_changes { tally.updated } else { 0 }),
        }
        Ok(())
    }

    /// Whether the only thing that can go wrong does: an increment from one infinity to the other.
    fn check_sum(self, slot: &Slot<'_>, elements: &[(&[u8], Score)]) -> Result<(), CommandError> {
        let Some(set) = slot.sorted_set()? else { return Ok(()) };
        match elements {
            [(member, score)] if self.increments => self.decide(set.score(member), *score).map(|_| ()),
            _ => Ok(()),
        }
    }

    /// The score that an element gets; `None` when it is passed over.
    fn decide(self, old: Option<Score>, score: Score) -> Result<Option<Score>, CommandError> {
        let Some(old) = old else { return Ok((!self.existing_only).then_some(score)) };
        if self.new_only {
            return Ok(None);
        }
        let new = match self.increments {
            true => Score::new(old.get() + score.get()).ok_or(NOT_A_NUMBER)?,
            false => score,
        };
        let is_refused = (self.less_only && new >= old) || (self.greater_only && new <= old);
        Ok((!is_refused).then_some(new))
    }
}

/// What an addition did.
#[derive(Default)]
struct Tally {
    added: usize,
    updated: usize,
    /// The score of the last element that was not passed over.
    last: Option<Score>,
}

impl Tally {
    fn note(&mut self, new: Option<Score>, old: Option<Score>) -> Option<Score> {
        let new = new?;
        self.last = Some(new);
        match old {
            None => self.added += 1,
            Some(old) => self.updated += usize::from(old != new),
        }
        Some(new)
    }
}
