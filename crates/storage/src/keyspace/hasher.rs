//! The hash of keys: SipHash-1-3, keyed, for names come from strangers.
//!
//! Owns the rounds, written for a key that is there in one piece: of 16 bytes it takes a fourth less than by a hasher
//! that is fed. Never knows what the hash chooses.

use super::KeyHash;

/// The process' hash of keys: its four words before the first byte.
#[derive(Clone, Copy)]
pub(crate) struct KeyHasher([u64; 4]);

impl std::fmt::Debug for KeyHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyHasher")
    }
}

impl KeyHasher {
    pub(crate) fn new([first, second]: [u64; 2]) -> KeyHasher {
        // The words of SipHash's definition.
        KeyHasher([
            first ^ 0x736f_6d65_7073_6575,
            second ^ 0x646f_7261_6e64_6f6d,
            first ^ 0x6c79_6765_6e65_7261,
            second ^ 0x7465_6462_7974_6573,
        ])
    }

    #[inline]
    pub(crate) fn hash(&self, key: &[u8]) -> KeyHash {
        let mut state = self.0;
        let (words, rest) = key.as_chunks::<8>();
        for word in words {
            mix(&mut state, u64::from_le_bytes(*word));
        }
        // The length's lowest byte ends the last word.
        let length = (key.len() as u64) << 56;
        mix(&mut state, length | last_bytes(key, rest));
        state[2] ^= 0xff;
        for _ in 0..3 {
            round(&mut state);
        }
        let [a, b, c, d] = state;
        KeyHash(a ^ b ^ c ^ d)
    }
}

/// The up to seven bytes behind the last whole word of a key, which are its `rest`.
#[inline(always)]
fn last_bytes(key: &[u8], rest: &[u8]) -> u64 {
    match (rest, key.last_chunk::<8>()) {
        ([], _) => 0,
        // Those before them are shifted out.
        (rest, Some(last)) => u64::from_le_bytes(*last) >> (64 - 8 * rest.len()),
        (rest, None) => rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

#[inline(always)]
fn mix(state: &mut [u64; 4], word: u64) {
    state[3] ^= word;
    round(state);
    state[0] ^= word;
}

#[inline(always)]
fn round(state: &mut [u64; 4]) {
    let [mut a, mut b, mut c, mut d] = *state;
    a = a.wrapping_add(b);
    b = b.rotate_left(13) ^ a;
    a = a.rotate_left(32);
    c = c.wrapping_add(d);
    d = d.rotate_left(16) ^ c;
    a = a.wrapping_add(d);
    d = d.rotate_left(21) ^ a;
    c = c.wrapping_add(b);
    b = b.rotate_left(17) ^ c;
    c = c.rotate_left(32);
    *state = [a, b, c, d];
}

#[cfg(test)]
mod tests {
    use siphasher::sip::SipHasher13;

    use super::*;

    #[test]
    fn it_is_siphash_of_keys_of_any_length() {
        let key: Vec<u8> = (0..=255u8).cycle().skip(7).take(300).collect();
        for seed in [[0, 0], [1, 2], [u64::MAX, 0x0123_4567_89ab_cdef]] {
            let hasher = KeyHasher::new(seed);
            for end in 0..=key.len() {
                let expected = SipHasher13::new_with_keys(seed[0], seed[1]).hash(&key[..end]);
                assert_eq!(hasher.hash(&key[..end]), KeyHash(expected), "{end} bytes");
            }
        }
    }
}
