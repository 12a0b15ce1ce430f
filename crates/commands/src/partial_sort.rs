//! Sorting only as far as an answer goes, with the servers' own ties.
//!
//! What stands among equals after a partial sort depends on the algorithm, and COUNT and LIMIT cut right through such
//! equals; so this is the algorithm that the servers use: Bentley and McIlroy's quicksort ("Engineering a Sort
//! Function", 1993), which leaves the parts alone that the answer does not reach.
//!
//! Owns that one algorithm. Never used where everything is sorted: the servers have a stable sort for that.

use std::cmp::Ordering;

/// Below this many, insertion sort.
const SMALL: usize = 7;
/// Above this many, the pivot is a median of nine.
const LARGE: usize = 40;

/// Sorts `items` at least as far as the first `wanted` of them.
#[allow(clippy::indexing_slicing)] // the places are those of the algorithm, checked by a model
pub(crate) fn partial_sort<T>(items: &mut [T], wanted: usize, compare: &impl Fn(&T, &T) -> Ordering) {
    let mut items = items;
    let mut wanted = wanted;
    loop {
        let count = items.len();
        if count < SMALL {
            for end in 1..count {
                let mut at = end;
                while at > 0 && compare(&items[at - 1], &items[at]).is_gt() {
                    items.swap(at, at - 1);
                    at -= 1;
                }
            }
            return;
        }
        let pivot = pivot_place(items, compare);
        items.swap(0, pivot);

        // Equal ones gather at both ends, smaller and greater ones between them.
        let (mut equal_left, mut low) = (1, 1);
        let (mut high, mut equal_right) = (count - 1, count - 1);
        loop {
            while low <= high {
                match compare(&items[low], &items[0]) {
                    Ordering::Greater => break,
                    Ordering::Equal => {
                        items.swap(equal_left, low);
                        equal_left += 1;
                    }
                    Ordering::Less => {}
                }
                low += 1;
            }
            while low <= high {
                match compare(&items[high], &items[0]) {
                    Ordering::Less => break,
                    Ordering::Equal => {
                        items.swap(high, equal_right);
                        equal_right -= 1;
                    }
                    Ordering::Greater => {}
                }
                high -= 1;
            }
            if low > high {
                break;
            }
            items.swap(low, high);
            low += 1;
            high -= 1;
        }
        // The equal ones go to the middle.
        let smaller = low - equal_left;
        let greater = equal_right - high;
        let moved = equal_left.min(smaller);
        swap_runs(items, 0, low - moved, moved);
        let moved = greater.min(count - equal_right - 1);
        swap_runs(items, low, count - moved, moved);

        let start = count - greater;
        if smaller > 1 && wanted > 0 {
            partial_sort(&mut items[..smaller], wanted, compare);
        }
        if greater <= 1 || wanted <= start {
            return;
        }
        wanted -= start;
        items = &mut items[start..];
    }
}

/// The middle, or the median of three or of nine.
fn pivot_place<T>(items: &[T], compare: &impl Fn(&T, &T) -> Ordering) -> usize {
    let count = items.len();
    let middle = count / 2;
    if count <= SMALL {
        return middle;
    }
    let last = count - 1;
    if count <= LARGE {
        return median(items, [0, middle, last], compare);
    }
    let step = count / 8;
    let first = median(items, [0, step, 2 * step], compare);
    let second = median(items, [middle - step, middle, middle + step], compare);
    let third = median(items, [last - 2 * step, last - step, last], compare);
    median(items, [first, second, third], compare)
}

/// Which of three is the median; which of equals decides what becomes of ties.
#[allow(clippy::indexing_slicing)] // places of the slice
fn median<T>(items: &[T], [a, b, c]: [usize; 3], compare: &impl Fn(&T, &T) -> Ordering) -> usize {
    let order = |one: usize, other: usize| compare(&items[one], &items[other]);
    if order(a, b).is_lt() {
        if order(b, c).is_lt() {
            b
        } else if order(a, c).is_lt() {
            c
        } else {
            a
        }
    } else if order(b, c).is_gt() {
        b
    } else if order(a, c).is_lt() {
        a
    } else {
        c
    }
}

/// Exchanges two runs that do not overlap.
fn swap_runs<T>(items: &mut [T], first: usize, second: usize, count: usize) {
    for offset in 0..count {
        items.swap(first + offset, second + offset);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_wanted_is_sorted(
            numbers in proptest::collection::vec(0..20u8, 0..300),
            wanted in 0..320usize,
        ) {
            let mut sorted = numbers.clone();
            sorted.sort_unstable();
            let mut partly = numbers;
            partial_sort(&mut partly, wanted, &u8::cmp);
            let wanted = wanted.min(sorted.len());
            prop_assert_eq!(&partly[..wanted], &sorted[..wanted]);
            partly.sort_unstable();
            prop_assert_eq!(partly, sorted);
        }
    }
}
