//! Counting and finding bits in a range of a string.
//!
//! Owns the masks at both ends. Never knows where the bytes are from.

/// The bits of the first byte from `first` on.
fn head_mask(first: u64) -> u8 {
    0xff >> (first & 7)
}

/// The bits of the last byte up to `last`, included.
fn tail_mask(last: u64) -> u8 {
    0xff << (7 - (last & 7))
}

/// The bytes that hold the bits from `first` to `last`, and the index of the first of them.
fn span(bytes: &[u8], first: u64, last: u64) -> (&[u8], usize) {
    let (Ok(from), Ok(to)) = (usize::try_from(first >> 3), usize::try_from(last >> 3)) else {
        return (&[], 0);
    };
    (bytes.get(from..=to).unwrap_or_default(), from)
}

/// How many bits are set from `first` to `last`, both included.
pub(super) fn count(bytes: &[u8], first: u64, last: u64) -> u64 {
    let (span, _) = span(bytes, first, last);
    let (words, rest) = span.as_chunks::<8>();
    let whole: u64 = words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum();
    let whole = whole + rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>();
    let outside = |byte: Option<&u8>, mask: u8| byte.map_or(0, |byte| u64::from((byte & !mask).count_ones()));
    whole - outside(span.first(), head_mask(first)) - outside(span.last(), tail_mask(last))
}

/// The first bit like `bit` from `first` to `last`, both included.
pub(super) fn find(bytes: &[u8], bit: bool, first: u64, last: u64) -> Option<u64> {
    let (span, from) = span(bytes, first, last);
    // Zeros are looked for as ones in the complement.
    let flip = if bit { 0 } else { 0xff };
    let at_last = span.len().checked_sub(1)?;
    let masked = |index: usize, byte: u8| {
        let head = if index == 0 { head_mask(first) } else { 0xff };
        let tail = if index == at_last { tail_mask(last) } else { 0xff };
        (byte ^ flip) & head & tail
    };
    let place = |index: usize, byte: u8| (from + index) as u64 * 8 + u64::from(byte.leading_zeros());
    let first_byte = masked(0, *span.first()?);
    if first_byte != 0 {
        return Some(place(0, first_byte));
    }
    // Eight at a time over what has nothing.
    let inner = span.get(1..).unwrap_or_default();
    let nothing = u64::from_ne_bytes([flip; 8]);
    let skipped =
        inner.as_chunks::<8>().0.iter().take_while(|word| u64::from_ne_bytes(**word) == nothing).count() * 8;
    let rest =
        inner.iter().enumerate().skip(skipped).map(|(index, byte)| (index + 1, masked(index + 1, *byte)));
    rest.filter(|(_, byte)| *byte != 0).map(|(index, byte)| place(index, byte)).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bit(bytes: &[u8], place: u64) -> bool {
        bytes[place as usize / 8] & 0x80 >> (place % 8) != 0
    }

    proptest! {
        #[test]
        fn as_bit_by_bit(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 1..40),
                prop::collection::vec(prop::sample::select(vec![0u8, 0xff, 0xff, 0xff]), 1..60),
                prop::collection::vec(prop::sample::select(vec![0u8, 0, 0, 0, 1]), 1..60),
            ],
            a: prop::sample::Index,
            b: prop::sample::Index,
        ) {
            let (a, b) = (a.index(bytes.len() * 8) as u64, b.index(bytes.len() * 8) as u64);
            let (first, last) = (a.min(b), a.max(b));
            prop_assert_eq!(count(&bytes, first, last), (first..=last).filter(|at| bit(&bytes, *at)).count() as u64);
            for wanted in [false, true] {
                let expected = (first..=last).find(|at| bit(&bytes, *at) == wanted);
                prop_assert_eq!(find(&bytes, wanted, first, last), expected);
            }
        }
    }
}
