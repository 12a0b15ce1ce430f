//! Where a snapshot ends in the bytes a master sends.
//!
//! A disk-based transfer says its length first. A diskless one names 40 random characters first and ends with
//! them; what looks like their beginning is held back until more has arrived, so that the consumer gets exactly
//! the snapshot, whatever the pieces it arrives in.
//!
//! Owns the search for the end. Never looks at what a snapshot contains.

use std::ops::Range;

use memchr::memmem;

/// Length of the mark that ends a diskless transfer.
pub(crate) const MARK_LENGTH: usize = 40;

/// A snapshot on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Transfer {
    /// `$length`: so many bytes are still to come.
    Counted { left: u64 },
    /// `$EOF:mark`: the first `matched` bytes of the mark are the last that have arrived.
    Marked { mark: [u8; MARK_LENGTH], matched: usize },
}

/// What one piece of input holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Bytes held back earlier that turned out to be the snapshot's; they come before `body`.
    pub(crate) held: Vec<u8>,
    /// Bytes of the input that are the snapshot's.
    pub(crate) body: Range<usize>,
    /// Whether the snapshot ended, and if so where in the input what follows it begins.
    pub(crate) end: Option<usize>,
}

impl Transfer {
    /// Reads the line that announces a transfer, without its line end. `None`: it does not.
    pub(crate) fn announced(line: &[u8]) -> Option<Transfer> {
        let text = line.strip_prefix(b"$")?;
        if let Some(mark) = text.strip_prefix(b"EOF:") {
            return Some(Transfer::Marked { mark: mark.try_into().ok()?, matched: 0 });
        }
        let text = std::str::from_utf8(text).ok()?;
        let counted = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
        Some(Transfer::Counted { left: counted.then(|| text.parse().ok())?? })
    }

    /// The snapshot's length, where it is known beforehand.
    pub(crate) fn size(&self) -> Option<u64> {
        match self {
            Transfer::Counted { left } => Some(*left),
            Transfer::Marked { .. } => None,
        }
    }

    /// Takes the next piece of input. After an `end` it must not be called again.
    pub(crate) fn receive(&mut self, input: &[u8]) -> Piece {
        match self {
            Transfer::Counted { left } => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left -= here as u64;
                Piece { held: Vec::new(), body: 0..here, end: (*left == 0).then_some(here) }
            }
            Transfer::Marked { mark, matched } => receive_marked(mark, matched, input),
        }
    }
}

fn receive_marked(mark: &[u8; MARK_LENGTH], matched: &mut usize, input: &[u8]) -> Piece {
    let before = *matched;
    // A mark that began earlier can end only in the first bytes of this input.
    let mut seam = mark.get(..before).unwrap_or_default().to_vec();
    seam.extend_from_slice(input.get(..MARK_LENGTH.min(input.len())).unwrap_or(input));
    let found = if before > 0 { memmem::find(&seam, mark).filter(|at| *at < before) } else { None };
    if let Some(at) = found {
        seam.truncate(at);
        return Piece { held: seam, body: 0..0, end: Some(at + MARK_LENGTH - before) };
    }
    if let Some(at) = memmem::find(input, mark) {
        seam.truncate(before);
        return Piece { held: seam, body: 0..at, end: Some(at + MARK_LENGTH) };
    }
    // No mark yet. The longest end of what has arrived that begins a mark is held back.
    let tail_from = input.len().saturating_sub(MARK_LENGTH);
    let mut tail = if tail_from == 0 { mark.get(..before).unwrap_or_default().to_vec() } else { Vec::new() };
    tail.extend_from_slice(input.get(tail_from..).unwrap_or_default());
    let longest = tail.len().min(MARK_LENGTH - 1);
    let held_back = (0..=longest)
        .rev()
        .find(|length| tail.get(tail.len() - length..) == mark.get(..*length))
        .unwrap_or(0);
    *matched = held_back;
    let freed_from_before = (before + input.len() - held_back).min(before);
    seam.truncate(freed_from_before);
    Piece { held: seam, body: 0..input.len().saturating_sub(held_back), end: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: &[u8; MARK_LENGTH] = b"aabaaabaaabaaabaaabaaabaaabaaabaaabaaabQ";

    /// Feeds `wire` in these pieces; gives the snapshot, and what followed it when its end was seen.
    fn run(wire: &[u8], mut transfer: Transfer, cuts: &[usize]) -> (Vec<u8>, Option<Vec<u8>>) {
        let mut snapshot = Vec::new();
        let mut from = 0;
        for &to in cuts.iter().chain([&wire.len()]) {
            let input = &wire[from..to];
            let piece = transfer.receive(input);
            snapshot.extend_from_slice(&piece.held);
            snapshot.extend_from_slice(&input[piece.body.clone()]);
            if let Some(end) = piece.end {
                return (snapshot, Some(wire[from + end..].to_vec()));
            }
            from = to;
        }
        (snapshot, None)
    }

    fn marked() -> Transfer {
        Transfer::announced(&[b"$EOF:", &MARK[..]].concat()).unwrap()
    }

    #[test]
    fn announcements_are_read() {
        assert_eq!(Transfer::announced(b"$175"), Some(Transfer::Counted { left: 175 }));
        assert_eq!(Transfer::announced(b"$0"), Some(Transfer::Counted { left: 0 }));
        assert!(matches!(marked(), Transfer::Marked { .. }));
        for other in [&b"$"[..], b"$-1", b"$+1", b"$EOF:short", b"$99999999999999999999", b"*1", b"", b"$1x"]
        {
            assert_eq!(Transfer::announced(other), None, "{}", other.escape_ascii());
        }
    }

    #[test]
    fn a_mark_is_found_at_every_pair_of_splits() {
        // The body ends in what could begin the mark, twice over.
        let body = [b"REDIS".as_slice(), &MARK[..39], &MARK[..20], b"x", &MARK[..8]].concat();
        let wire = [&body, MARK.as_slice(), b"*1\r\n$4\r\nPING\r\n"].concat();
        let whole = run(&wire, marked(), &[]);
        assert_eq!(whole.1.as_deref(), Some(&b"*1\r\n$4\r\nPING\r\n"[..]));
        for first in 0..wire.len() {
            for second in [first, (first + 1).min(wire.len()), (first + 39).min(wire.len()), wire.len()] {
                assert_eq!(run(&wire, marked(), &[first, second]), whole, "cut at {first} and {second}");
            }
        }
        let every: Vec<usize> = (0..wire.len()).collect();
        assert_eq!(run(&wire, marked(), &every), whole, "byte by byte");
    }

    #[test]
    fn a_length_is_counted_at_every_split() {
        let wire = b"REDIS0010payload*1\r\n";
        for cut in 0..=wire.len() {
            let (snapshot, rest) = run(wire, Transfer::Counted { left: 16 }, &[cut]);
            assert_eq!(snapshot, b"REDIS0010payload", "cut at {cut}");
            assert_eq!(rest.as_deref(), Some(&b"*1\r\n"[..]), "cut at {cut}");
        }
        assert_eq!(run(b"short", Transfer::Counted { left: 6 }, &[]).1, None);
    }
}
