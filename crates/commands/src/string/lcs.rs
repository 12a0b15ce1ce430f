//! LCS: the longest common subsequence of two strings.
//!
//! Owns the table of lengths and the walk back through it. Never holds a lock while it computes.

use protocol::number::parse_int;
use protocol::{Args, Reply, limits};

use super::Done;
use crate::context::ReadContext;
use crate::error::CommandError;

/// What LCS is to answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Text,
    Length,
    Matches,
}

/// A run of equal bytes: where it begins in both strings, and how long it is.
struct Match {
    a: usize,
    b: usize,
    len: usize,
}

/// LCS key1 key2 [LEN] [IDX] [MINMATCHLEN n] [WITHMATCHLEN]
pub(crate) fn lcs(ctx: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    let (a, b) = {
        let found = ctx.db.get_many(args.as_slice().get(..2).unwrap_or_default());
        let text = |index: usize| match found.get(index) {
            None => Ok(Vec::new()),
            Some(entry) => entry.text().map(|text| text.to_vec()),
        };
        let wrong = |_| CommandError::new("ERR The specified keys must contain string values");
        (text(0).map_err(wrong)?, text(1).map_err(wrong)?)
    };
    let (mut len, mut idx, mut with_len, mut shortest) = (false, false, false, 0);
    let mut at = 2;
    while at < args.len() {
        if args.is_word(at, "idx") {
            idx = true;
        } else if args.is_word(at, "len") {
            len = true;
        } else if args.is_word(at, "withmatchlen") {
            with_len = true;
        } else if args.is_word(at, "minmatchlen") && at + 1 < args.len() {
            at += 1;
            let value = parse_int(args.get(at)).ok_or(CommandError::NotInteger)?;
            shortest = usize::try_from(value).unwrap_or(0);
        } else {
            return Err(CommandError::Syntax);
        }
        at += 1;
    }
    let answer = match (len, idx) {
        (true, true) => {
            return Err(CommandError::new(
                "ERR If you want both the length and indexes, please just use IDX.",
            ));
        }
        (true, false) => Answer::Length,
        (false, true) => Answer::Matches,
        (false, false) => Answer::Text,
    };
    ctx.looks_at(a.len().saturating_mul(b.len()))?;
    let table = Table::new(&a, &b)?;
    match answer {
        Answer::Length => reply.int(i64::from(table.at(a.len(), b.len()))),
        Answer::Text => reply.bulk(&table.subsequence(&a, &b)),
        Answer::Matches => {
            reply.map(2);
            reply.bulk(b"matches");
            let mark = reply.defer();
            let mut count = 0;
            table.matches(&a, &b, |found| {
                if found.len >= shortest {
                    count += 1;
                    reply.array(if with_len { 3 } else { 2 });
                    for start in [found.a, found.b] {
                        reply.array(2);
                        reply.len_int(start);
                        reply.len_int(start + found.len - 1);
                    }
                    if with_len {
                        reply.len_int(found.len);
                    }
                }
            });
            reply.array_at(mark, count);
            reply.bulk(b"len");
            reply.int(i64::from(table.at(a.len(), b.len())));
        }
    }
    Ok(())
}

/// For each pair of prefixes, the length of their longest common subsequence.
struct Table {
    lengths: Vec<u32>,
    width: usize,
}

impl Table {
    fn new(a: &[u8], b: &[u8]) -> Result<Table, CommandError> {
        let width = b.len() + 1;
        let cells = (a.len() + 1).checked_mul(width);
        let fits = |cells: &usize| {
            (*cells as u64).checked_mul(4).is_some_and(|bytes| bytes <= limits::BULK_BYTES_MAX)
        };
        let cells = cells.filter(fits).ok_or(CommandError::new(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        ))?;
        let mut table = Table { lengths: vec![0; cells], width };
        let mut rows = table.lengths.chunks_exact_mut(width);
        let mut before = rows.next();
        for (byte_a, row) in a.iter().zip(rows) {
            let above = before.as_deref().unwrap_or_default();
            let mut left = 0;
            let (mut diagonal, mut ups) = (0, above.iter().skip(1));
            for (byte_b, cell) in b.iter().zip(row.iter_mut().skip(1)) {
                let up = ups.next().copied().unwrap_or(0);
                left = if byte_a == byte_b { diagonal + 1 } else { left.max(up) };
                *cell = left;
                diagonal = up;
            }
            before = Some(row);
        }
        Ok(table)
    }

    /// The length for the first `a` bytes of one and the first `b` of the other.
    fn at(&self, a: usize, b: usize) -> u32 {
        self.lengths.get(a * self.width + b).copied().unwrap_or(0)
    }

    /// Walks from the ends to the fronts, along the path that Redis takes among equally long ones, and visits each
    /// pair of equal bytes.
    fn walk(&self, a: &[u8], b: &[u8], mut visit: impl FnMut(usize, usize)) {
        let (mut i, mut j) = (a.len(), b.len());
        while i > 0 && j > 0 {
            if a.get(i - 1) == b.get(j - 1) {
                visit(i - 1, j - 1);
                i -= 1;
                j -= 1;
            } else if self.at(i - 1, j) > self.at(i, j - 1) {
                i -= 1;
            } else {
                j -= 1;
            }
        }
    }

    fn subsequence(&self, a: &[u8], b: &[u8]) -> Vec<u8> {
        let mut backwards = Vec::new();
        self.walk(a, b, |i, _| backwards.extend(a.get(i)));
        backwards.reverse();
        backwards
    }

    /// The runs, last first.
    fn matches(&self, a: &[u8], b: &[u8], mut visit: impl FnMut(&Match)) {
        let mut run: Option<Match> = None;
        self.walk(a, b, |i, j| match &mut run {
            Some(found) if i + 1 == found.a && j + 1 == found.b => {
                *found = Match { a: i, b: j, len: found.len + 1 };
            }
            _ => {
                if let Some(found) = run.replace(Match { a: i, b: j, len: 1 }) {
                    visit(&found);
                }
            }
        });
        if let Some(found) = run {
            visit(&found);
        }
    }
}
