//! HyperLogLog: 16,384 registers of six bits in a string, dense or run-length coded ("sparse"), bit for bit as Redis
//! keeps them.
//!
//! A header of 16 bytes: `HYLL`, the encoding, three bytes of nothing, and the count when it was last computed (its
//! highest bit says that it no longer holds). A change must leave the very bytes that Redis leaves, for clients GET
//! them, digests hash them, and a stream's PFADD and PFCOUNT arrive as commands.
//!
//! Owns those bytes. Never knows under which key they are.

/// How many registers, and how many bits of the hash choose one.
pub const REGISTERS: usize = 1 << INDEX_BITS;
const INDEX_BITS: u32 = 14;
/// The bits of the hash that are left for the run of zeros.
const RUN_BITS: usize = 64 - INDEX_BITS as usize;
const REGISTER_BITS: usize = 6;

const HEADER_BYTES: usize = 16;
const MAGIC: &[u8; 4] = b"HYLL";
const ENCODING_AT: usize = 4;
const COUNT_AT: usize = 8;
const DENSE: u8 = 0;
const SPARSE: u8 = 1;
const DENSE_BYTES: usize = HEADER_BYTES + REGISTERS * REGISTER_BITS / 8;

/// The largest value that the sparse form can say, and its longest runs.
const SPARSE_VALUE_MAX: u8 = 32;
const VALUE_RUN_MAX: usize = 4;
const ZEROS_RUN_MAX: usize = 64;

/// The string is no HyperLogLog: wrong header, or a dense one of another length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the string is no HyperLogLog")]
pub struct NoHyperLogLog;

/// The string begins like a HyperLogLog, and its runs make no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the HyperLogLog's runs do not cover its registers")]
pub struct Corrupt;

/// One byte (or two) of the sparse form: a run of registers with the same value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    value: u8,
    len: usize,
    /// How many bytes say so.
    bytes: usize,
}

impl Run {
    /// The run at the front of `bytes`.
    fn read(bytes: &[u8]) -> Option<Run> {
        match *bytes {
            [code, low, ..] if code & 0xc0 == 0x40 => {
                Some(Run { value: 0, len: (usize::from(code & 0x3f) << 8 | usize::from(low)) + 1, bytes: 2 })
            }
            [code, ..] if code & 0xc0 == 0 => Some(Run { value: 0, len: usize::from(code) + 1, bytes: 1 }),
            [code, ..] if code & 0x80 != 0 => {
                Some(Run { value: (code >> 2 & 0x1f) + 1, len: usize::from(code & 3) + 1, bytes: 1 })
            }
            _ => None,
        }
    }

    /// Appends a run; a run of zeros may be of any length, one of a value has four registers at most.
    fn write(value: u8, len: usize, out: &mut Vec<u8>) {
        // The masks keep what the bounds say already.
        let low = |number: usize| number.to_le_bytes()[0];
        if len == 0 {
            return;
        }
        if value > 0 {
            out.push(0x80 | (value - 1) << 2 | low(len - 1) & 3);
        } else if len > ZEROS_RUN_MAX {
            out.push(0x40 | low((len - 1) >> 8) & 0x3f);
            out.push(low(len - 1));
        } else {
            out.push(low(len - 1) & 0x3f);
        }
    }
}

/// Where an element counts: its register, and the value it asks for.
fn place_of(element: &[u8]) -> (usize, u8) {
    let hash = murmur(element);
    let register = hash as usize & (REGISTERS - 1);
    // A bit behind the last ends the run of zeros.
    let run = (hash >> INDEX_BITS | 1 << RUN_BITS).trailing_zeros();
    (register, run as u8 + 1) // at most 51
}

/// MurmurHash2, 64 bits, little endian, with Redis' seed.
fn murmur(bytes: &[u8]) -> u64 {
    const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;
    const SEED: u64 = 0xadc8_3b19;
    const SHIFT: u32 = 47;
    let mut hash = SEED ^ (bytes.len() as u64).wrapping_mul(MULTIPLIER);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let mut part = u64::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        part ^= part >> SHIFT;
        hash = (hash ^ part.wrapping_mul(MULTIPLIER)).wrapping_mul(MULTIPLIER);
    }
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |tail, byte| tail << 8 | u64::from(*byte));
        hash = (hash ^ tail).wrapping_mul(MULTIPLIER);
    }
    hash ^= hash >> SHIFT;
    hash = hash.wrapping_mul(MULTIPLIER);
    hash ^ hash >> SHIFT
}

/// An empty HyperLogLog, sparse.
pub fn empty() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + 2);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[SPARSE, 0, 0, 0]);
    bytes.extend_from_slice(&[0; 8]);
    Run::write(0, REGISTERS, &mut bytes);
    bytes
}

/// Whether the string is one, as far as its header says.
///
/// # Errors
/// It is not.
pub fn check(bytes: &[u8]) -> Result<(), NoHyperLogLog> {
    match bytes.get(ENCODING_AT) {
        Some(&DENSE) if bytes.starts_with(MAGIC) && bytes.len() == DENSE_BYTES => Ok(()),
        Some(&SPARSE) if bytes.starts_with(MAGIC) && bytes.len() >= HEADER_BYTES => Ok(()),
        _ => Err(NoHyperLogLog),
    }
}

/// Whether it has a place for each register, not runs.
pub fn is_dense(bytes: &[u8]) -> bool {
    bytes.get(ENCODING_AT) == Some(&DENSE)
}

/// The count as it was last computed, when nothing changed since.
pub fn cached_count(bytes: &[u8]) -> Option<u64> {
    let count = u64::from_le_bytes(*bytes.get(COUNT_AT..)?.first_chunk()?);
    (count >> 63 == 0).then_some(count)
}

/// Notes the count.
pub fn cache_count(bytes: &mut [u8], count: u64) {
    if let Some(place) = bytes.get_mut(COUNT_AT..HEADER_BYTES) {
        place.copy_from_slice(&count.to_le_bytes());
    }
}

/// Notes that the count no longer holds.
pub fn forget_count(bytes: &mut [u8]) {
    if let Some(last) = bytes.get_mut(HEADER_BYTES - 1) {
        *last |= 0x80;
    }
}

/// The runs of a sparse one.
fn runs(bytes: &[u8]) -> impl Iterator<Item = Run> {
    let mut rest = bytes.get(HEADER_BYTES..).unwrap_or_default();
    std::iter::from_fn(move || {
        let run = Run::read(rest)?;
        rest = rest.get(run.bytes..)?;
        Some(run)
    })
}

/// Calls `visit` with each register that is not zero.
///
/// # Errors
/// Runs that do not cover the registers exactly.
pub fn registers(bytes: &[u8], mut visit: impl FnMut(usize, u8)) -> Result<(), Corrupt> {
    let body = bytes.get(HEADER_BYTES..).unwrap_or_default();
    if is_dense(bytes) {
        // Four registers lie in three bytes, the first lowest.
        for (group, packed) in body.as_chunks::<3>().0.iter().enumerate() {
            let [a, b, c] = packed.map(u32::from);
            let packed = a | b << 8 | c << 16;
            for step in 0..4 {
                let value = (packed >> (6 * step) & 0x3f) as u8; // six bits
                if value > 0 {
                    visit(group * 4 + step, value);
                }
            }
        }
        return Ok(());
    }
    let (mut at, mut used) = (0, 0);
    for run in runs(bytes) {
        if at + run.len > REGISTERS {
            return Err(Corrupt);
        }
        if run.value > 0 {
            (at..at + run.len).for_each(|register| visit(register, run.value));
        }
        at += run.len;
        used += run.bytes;
    }
    if at == REGISTERS && used == body.len() { Ok(()) } else { Err(Corrupt) }
}

/// The registers of several together: of each the largest value.
pub type Union = Box<[u8; REGISTERS]>;

/// Registers that are all zero.
pub fn no_registers() -> Union {
    Box::new([0; REGISTERS])
}

/// Adds the registers of one to a union.
///
/// # Errors
/// It is corrupt; the union may have been changed.
pub fn unite(union: &mut Union, bytes: &[u8]) -> Result<(), Corrupt> {
    registers(bytes, |register, value| {
        if let Some(present) = union.get_mut(register) {
            *present = value.max(*present);
        }
    })
}

/// How a count follows from registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Estimator {
    /// Ertl's: Redis from 5.0 on.
    Ertl,
    /// That of HyperLogLog's own paper, with a bias taken off: Redis before.
    LessBias,
}

/// How many elements these registers have seen.
pub fn count_union(union: &Union, estimator: Estimator) -> u64 {
    let mut histogram = [0; 64];
    union.iter().for_each(|value| note(&mut histogram, *value, 1));
    estimate(&histogram, estimator)
}

/// How many elements it has seen, computed from its registers.
///
/// # Errors
/// It is corrupt.
pub fn count(bytes: &[u8], estimator: Estimator) -> Result<u64, Corrupt> {
    let mut histogram = [0; 64];
    let mut seen = 0;
    registers(bytes, |_, value| {
        seen += 1;
        note(&mut histogram, value, 1);
    })?;
    note(&mut histogram, 0, REGISTERS - seen);
    Ok(estimate(&histogram, estimator))
}

fn note(histogram: &mut [usize; 64], value: u8, times: usize) {
    if let Some(count) = histogram.get_mut(usize::from(value)) {
        *count += times;
    }
}

/// A count, from how many registers have each value.
fn estimate(histogram: &[usize; 64], estimator: Estimator) -> u64 {
    match estimator {
        Estimator::Ertl => estimate_by_ertl(histogram),
        Estimator::LessBias => estimate_less_bias(histogram),
    }
}

/// The harmonic mean; where many registers are zero their number says more, and below 72,000 the mean is wrong by a
/// percentage that a polynomial of it gives.
fn estimate_less_bias(histogram: &[usize; 64]) -> u64 {
    const ALL: f64 = REGISTERS as f64;
    const ALPHA: f64 = 0.7213 / (1.0 + 1.079 / ALL);
    /// From the highest power down.
    const BIAS: [f64; 5] = [5.9119 * 1.0e-18, -1.4253 * 1.0e-12, 1.2940 * 1.0e-7, -5.2921 * 1.0e-3, 83.3216];
    const BIAS_BELOW: f64 = 72_000.0;
    let sum: f64 = (0i32..).zip(histogram).map(|(value, count)| *count as f64 * 2f64.powi(-value)).sum();
    let mean = (1.0 / sum) * ALPHA * ALL * ALL;
    let zeros = histogram.first().copied().unwrap_or(0);
    if mean < ALL * 2.5 && zeros != 0 {
        return (ALL * (ALL / zeros as f64).ln()) as u64;
    }
    if mean >= BIAS_BELOW {
        return mean as u64;
    }
    let [fourth, third, second, first, none] = BIAS;
    let square = mean * mean;
    let percent =
        fourth * (square * square) + third * (square * mean) + second * square + first * mean + none;
    (mean - mean * (percent / 100.0)) as u64
}

/// Ertl's estimator ("New cardinality estimation algorithms for HyperLogLog sketches", 2017), from how many registers
/// have each value.
fn estimate_by_ertl(histogram: &[usize; 64]) -> u64 {
    /// 1 / (2 ln 2), with the digits that Redis writes.
    const ALPHA: f64 = 0.721_347_520_444_481_7;
    const ALL: f64 = REGISTERS as f64;
    let of = |value: usize| histogram.get(value).copied().unwrap_or(0) as f64;
    let mut sum = ALL * tau((ALL - of(RUN_BITS + 1)) / ALL);
    for value in (1..=RUN_BITS).rev() {
        sum = (sum + of(value)) * 0.5;
    }
    sum += ALL * sigma(of(0) / ALL);
    let estimate = (ALPHA * ALL * ALL / sum).round();
    estimate as u64 // not negative; no HyperLogLog reaches 2^63
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut sum) = (1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * y;
        y += y;
        if before == sum {
            return sum;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut sum) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        y *= 0.5;
        sum -= (1.0 - x) * (1.0 - x) * y;
        if before == sum {
            return sum / 3.0;
        }
    }
}

/// Counts an element in; says whether a register changed. A sparse one that would pass `sparse_bytes_max` becomes
/// dense. The cached count is left as it is: see [`forget_count`].
///
/// # Errors
/// It is corrupt.
pub fn add(bytes: &mut Vec<u8>, element: &[u8], sparse_bytes_max: usize) -> Result<bool, Corrupt> {
    let (register, value) = place_of(element);
    raise(bytes, register, value, sparse_bytes_max)
}

/// Raises every register to the union's.
///
/// # Errors
/// It is corrupt.
pub fn raise_all(bytes: &mut Vec<u8>, union: &Union, sparse_bytes_max: usize) -> Result<(), Corrupt> {
    for (register, value) in union.iter().enumerate().filter(|(_, value)| **value > 0) {
        raise(bytes, register, *value, sparse_bytes_max)?;
    }
    Ok(())
}

/// Raises a register to `value`; says whether it was lower.
fn raise(bytes: &mut Vec<u8>, register: usize, value: u8, sparse_bytes_max: usize) -> Result<bool, Corrupt> {
    if is_dense(bytes) {
        return Ok(raise_dense(bytes, register, value));
    }
    if value <= SPARSE_VALUE_MAX
        && let Some(raised) = raise_sparse(bytes, register, value, sparse_bytes_max)?
    {
        return Ok(raised);
    }
    make_dense(bytes)?;
    Ok(raise_dense(bytes, register, value))
}

/// The value of a register.
///
/// # Errors
/// It is corrupt.
pub fn register(bytes: &[u8], wanted: usize) -> Result<u8, Corrupt> {
    let mut found = 0;
    registers(bytes, |register, value| {
        if register == wanted {
            found = value;
        }
    })?;
    Ok(found)
}

fn raise_dense(bytes: &mut [u8], register: usize, value: u8) -> bool {
    let bit = register * REGISTER_BITS;
    let at = HEADER_BYTES + bit / 8;
    let shift = bit % 8;
    // The last register ends with the last byte, and has nothing in a byte behind.
    let low = bytes.get(at).copied().unwrap_or(0);
    let high = bytes.get(at + 1).copied().unwrap_or(0);
    let pair = u16::from_le_bytes([low, high]);
    if (pair >> shift & 0x3f) >= u16::from(value) {
        return false;
    }
    let [low, high] = (pair & !(0x3f << shift) | u16::from(value) << shift).to_le_bytes();
    if let Some(byte) = bytes.get_mut(at) {
        *byte = low;
    }
    if let Some(byte) = bytes.get_mut(at + 1) {
        *byte = high;
    }
    true
}

/// Turns runs into registers. The cached count stays.
///
/// # Errors
/// It is corrupt, and left as it was.
pub fn make_dense(bytes: &mut Vec<u8>) -> Result<(), Corrupt> {
    if is_dense(bytes) {
        return Ok(());
    }
    let mut dense = vec![0; DENSE_BYTES];
    registers(bytes, |register, value| {
        raise_dense(&mut dense, register, value);
    })?;
    if let (Some(header), Some(sparse)) = (dense.get_mut(..HEADER_BYTES), bytes.get(..HEADER_BYTES)) {
        header.copy_from_slice(sparse);
    }
    if let Some(encoding) = dense.get_mut(ENCODING_AT) {
        *encoding = DENSE;
    }
    *bytes = dense;
    Ok(())
}

/// Raises a register by splitting its run; `None` when that would need more bytes than allowed.
fn raise_sparse(
    bytes: &mut Vec<u8>,
    register: usize,
    value: u8,
    bytes_max: usize,
) -> Result<Option<bool>, Corrupt> {
    let (mut at, mut first) = (HEADER_BYTES, 0);
    let mut before = None;
    let run = loop {
        let run = Run::read(bytes.get(at..).unwrap_or_default()).ok_or(Corrupt)?;
        if register < first + run.len {
            break run;
        }
        before = Some(at);
        at += run.bytes;
        first += run.len;
    };
    if run.value >= value {
        return Ok(Some(false));
    }
    let mut split = Vec::with_capacity(5);
    Run::write(run.value, register - first, &mut split);
    Run::write(value, 1, &mut split);
    Run::write(run.value, first + run.len - 1 - register, &mut split);
    let grown = split.len().saturating_sub(run.bytes);
    if grown > 0 && bytes.len() + grown > bytes_max {
        return Ok(None);
    }
    bytes.splice(at..at + run.bytes, split);
    merge_from(bytes, before.unwrap_or(HEADER_BYTES));
    Ok(Some(true))
}

/// How many runs are looked at for neighbours to merge with: the one before the change and what a change leaves.
const MERGED_RUNS: usize = 5;

/// Merges neighbouring runs of one value where they fit into one. A merge is one of the looks.
fn merge_from(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..MERGED_RUNS {
        let Some(run) = Run::read(bytes.get(at..).unwrap_or_default()) else { return };
        let next = Run::read(bytes.get(at + run.bytes..).unwrap_or_default());
        match next {
            Some(next) if run.value > 0 && next.value == run.value && run.len + next.len <= VALUE_RUN_MAX => {
                let mut merged = Vec::with_capacity(1);
                Run::write(run.value, run.len + next.len, &mut merged);
                bytes.splice(at..at + 2, merged);
            }
            _ => at += run.bytes,
        }
    }
}

/// The runs of a sparse one as PFDEBUG DECODE shows them: `Z:64 z:3 v:1,2`.
pub fn describe(bytes: &[u8]) -> String {
    let words: Vec<String> = runs(bytes)
        .map(|run| match run {
            Run { value: 0, len, bytes: 1 } => format!("z:{len}"),
            Run { value: 0, len, .. } => format!("Z:{len}"),
            Run { value, len, .. } => format!("v:{value},{len}"),
        })
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_hash_is_that_of_redis() {
        // PFADD of these elements on redis-7.0 leaves these registers.
        assert_eq!(empty(), b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0\x7f\xff");
        let mut bytes = empty();
        assert_eq!(add(&mut bytes, b"a", 3000), Ok(true));
        assert_eq!(add(&mut bytes, b"a", 3000), Ok(false));
        assert_eq!(count(&bytes, Estimator::Ertl), Ok(1));
        assert_eq!(count(&bytes, Estimator::LessBias), Ok(1));
    }

    /// PFCOUNT on redis-3.2 after PFADD of `e0`, `e1` and so on, so many: zeros, the polynomial, and beyond both.
    #[test]
    fn counts_of_before_5_0() {
        let (mut bytes, mut added) = (empty(), 0);
        for (elements, counted) in [
            (10, 10),
            (1_000, 1_008),
            (5_000, 4_968),
            (20_000, 19_890),
            (40_000, 40_005),
            (60_000, 60_147),
            (100_000, 100_843),
        ] {
            for element in added..elements {
                assert!(add(&mut bytes, format!("e{element}").as_bytes(), 3000).is_ok());
            }
            added = elements;
            assert_eq!(count(&bytes, Estimator::LessBias), Ok(counted), "{elements}");
        }
    }

    #[test]
    fn broken_runs_are_told() {
        let mut bytes = empty();
        bytes.pop();
        assert_eq!(count(&bytes, Estimator::Ertl), Err(Corrupt));
        bytes.extend_from_slice(&[0xff, 0x7f, 0xff]);
        assert_eq!(count(&bytes, Estimator::Ertl), Err(Corrupt));
        assert_eq!(make_dense(&mut bytes), Err(Corrupt));
        assert_eq!(check(b"HYLL\x02"), Err(NoHyperLogLog));
        assert_eq!(check(b"HYLL\0 a dense one of another length"), Err(NoHyperLogLog));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn both_forms_hold_the_same_registers(elements in prop::collection::vec(any::<u32>(), 0..800), max in 100usize..1500) {
            let mut sparse = empty();
            let mut dense = empty();
            make_dense(&mut dense).unwrap();
            let mut model = no_registers();
            for element in &elements {
                let element = element.to_le_bytes();
                let (register, value) = place_of(&element);
                let raised = model[register] < value;
                model[register] = value.max(model[register]);
                prop_assert_eq!(add(&mut sparse, &element, max), Ok(raised));
                prop_assert_eq!(add(&mut dense, &element, max), Ok(raised));
            }
            prop_assert!(is_dense(&sparse) || sparse.len() <= max.max(18));
            for bytes in [&sparse, &dense] {
                let mut union = no_registers();
                unite(&mut union, bytes).unwrap();
                prop_assert!(union == model);
                for estimator in [Estimator::Ertl, Estimator::LessBias] {
                    prop_assert_eq!(count(bytes, estimator), Ok(count_union(&model, estimator)));
                }
            }
            let mut merged = empty();
            raise_all(&mut merged, &model, max).unwrap();
            let mut union = no_registers();
            unite(&mut union, &merged).unwrap();
            prop_assert!(union == model);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..50), element: u64) {
            let mut bytes = empty();
            bytes.truncate(HEADER_BYTES);
            bytes.extend_from_slice(&body);
            let _ = count(&bytes, Estimator::Ertl);
            let _ = describe(&bytes);
            let _ = add(&mut bytes, &element.to_le_bytes(), 3000);
        }
    }
}
