//! Sorting only as far as an answer goes, with the servers' own ties.
//!
//! What stands among equals after a partial sort depends on the algorithm, and COUNT and LIMIT cut right through such
//! equals. The servers go through Bentley and McIlroy's quicksort ("Engineering a sort function", 1993), which is not
//! stable, and leave the parts alone that the answer does not reach; its very steps are followed here.
//!
//! Owns that one algorithm. Never used where everything is sorted: the servers have a stable sort for that.

use std::cmp::Ordering;
use std::ops::Range;

/// Below this many elements they are inserted one by one.
const INSERTED_MAX: usize = 7;
/// Above this many the middle is guessed from nine elements, not three.
const NINTHER_MIN: usize = 40;

/// Puts `rows` into the order that `wanted` has in it; what lies beside is somewhere beside.
pub(crate) fn partial_sort<T>(rows: &mut [T], wanted: Range<usize>, order: impl Fn(&T, &T) -> Ordering) {
    if wanted.is_empty() {
        return;
    }
    let mut part = Part { rows, order };
    part.sort(0..part.rows.len(), &wanted);
}

struct Part<'r, T, F> {
    rows: &'r mut [T],
    order: F,
}

impl<T, F: Fn(&T, &T) -> Ordering> Part<'_, T, F> {
    fn compare(&self, a: usize, b: usize) -> Ordering {
        match (self.rows.get(a), self.rows.get(b)) {
            (Some(a), Some(b)) => (self.order)(a, b),
            _ => Ordering::Equal, // every place lies within
        }
    }

    /// The place of the middle one of three.
    fn median(&self, a: usize, b: usize, c: usize) -> usize {
        use Ordering::{Greater, Less};
        match self.compare(a, b) {
            Less if self.compare(b, c) == Less => b,
            Less if self.compare(a, c) == Less => c,
            Less => a,
            _ if self.compare(b, c) == Greater => b,
            _ if self.compare(a, c) == Less => a,
            _ => c,
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.rows.swap(a, b);
    }

    /// Exchanges `len` elements from `a` on with those from `b` on.
    fn swap_run(&mut self, a: usize, b: usize, len: usize) {
        (0..len).for_each(|step| self.swap(a + step, b + step));
    }

    fn sort(&mut self, mut range: Range<usize>, wanted: &Range<usize>) {
        loop {
            let (start, len) = (range.start, range.len());
            if len < INSERTED_MAX {
                for next in range.clone().skip(1) {
                    let mut at = next;
                    while at > start && self.compare(at - 1, at) == Ordering::Greater {
                        self.swap(at, at - 1);
                        at -= 1;
                    }
                }
                return;
            }
            let mut middle = start + len / 2;
            if len > INSERTED_MAX {
                let (mut low, mut high) = (start, range.end - 1);
                if len > NINTHER_MIN {
                    let step = len / 8;
                    low = self.median(low, low + step, low + 2 * step);
                    middle = self.median(middle - step, middle, middle + step);
                    high = self.median(high - 2 * step, high - step, high);
                }
                middle = self.median(low, middle, high);
            }
            self.swap(start, middle);
            let (below, above) = self.partition(range.clone());
            let touches = |part: &Range<usize>| part.start < wanted.end && wanted.start < part.end;
            if below.len() > 1 && touches(&below) {
                self.sort(below, wanted);
            }
            if above.len() > 1 && touches(&above) {
                range = above;
            } else {
                return;
            }
        }
    }

    /// Parts the range by its first element; returns what is less and what is greater. Equal ones are first gathered
    /// at both ends, then brought to the middle.
    fn partition(&mut self, range: Range<usize>) -> (Range<usize>, Range<usize>) {
        let (start, end) = (range.start, range.end);
        let pivot = start;
        // [start, a): equal, [a, b): less, [b, c): not seen, [c, d): greater, [d, end): equal.
        let (mut a, mut b) = (start + 1, start + 1);
        let (mut c, mut d) = (end, end);
        loop {
            while b < c {
                match self.compare(b, pivot) {
                    Ordering::Greater => break,
                    Ordering::Equal => {
                        self.swap(a, b);
                        a += 1;
                    }
                    Ordering::Less => {}
                }
                b += 1;
            }
            while b < c {
                match self.compare(c - 1, pivot) {
                    Ordering::Less => break,
                    Ordering::Equal => {
                        self.swap(c - 1, d - 1);
                        d -= 1;
                    }
                    Ordering::Greater => {}
                }
                c -= 1;
            }
            if b >= c {
                break;
            }
            self.swap(b, c - 1);
            b += 1;
            c -= 1;
        }
        let front = (a - start).min(b - a);
        self.swap_run(start, b - front, front);
        let back = (d - c).min(end - d);
        self.swap_run(b, end - back, back);
        (start..start + (b - a), end - (d - c)..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_range_holds_what_a_whole_sort_would_put_there(
            mut rows in prop::collection::vec(0u8..20, 0..200), a: prop::sample::Index, b: prop::sample::Index,
        ) {
            let (a, b) = (a.index(rows.len() + 1), b.index(rows.len() + 1));
            let wanted = a.min(b)..a.max(b);
            let mut whole = rows.clone();
            whole.sort_unstable();
            partial_sort(&mut rows, wanted.clone(), Ord::cmp);
            prop_assert_eq!(&rows[wanted.clone()], &whole[wanted]);
        }
    }
}
