//! The trailing checksum: CRC-64 (Jones) over every byte up to and with the EOF opcode.
//!
//! Items are a few bytes long and the end is only known when it is met, so the sum runs ahead of the decoder by
//! a block, of which it keeps a copy: at the end the last block is summed again, as far as it counts.

use crc_fast::{CrcAlgorithm, Digest};

/// How far the sum runs ahead; long enough that the work of a call is nothing beside the bytes'.
const BLOCK_BYTES: usize = 2048;

/// The sum of the bytes that the decoder has used, and of some that it has not.
pub(crate) struct Running {
    /// Over everything before the block.
    before: Digest,
    /// The block.
    block: Vec<u8>,
    /// How many bytes of the block the decoder has not used yet.
    ahead: usize,
}

impl Running {
    pub(crate) fn new() -> Self {
        Running {
            before: Digest::new(CrcAlgorithm::Crc64Redis),
            block: Vec::with_capacity(BLOCK_BYTES),
            ahead: 0,
        }
    }

    /// The decoder uses the first `used` bytes of `input`.
    #[inline]
    pub(crate) fn advance(&mut self, input: &[u8], used: usize) {
        match self.ahead.checked_sub(used) {
            Some(ahead) => self.ahead = ahead,
            None => self.next_block(input, used),
        }
    }

    #[cold]
    fn next_block(&mut self, input: &[u8], used: usize) {
        self.before.update(&self.block);
        self.block.clear();
        let (beyond, rest) = input.split_at_checked(used).unwrap_or((input, &[]));
        self.before.update(beyond.get(self.ahead..).unwrap_or_default());
        self.block.extend_from_slice(rest.get(..BLOCK_BYTES).unwrap_or(rest));
        self.ahead = self.block.len();
    }

    /// The sum of what was used.
    pub(crate) fn finish(&self) -> u64 {
        let used = self.block.len().saturating_sub(self.ahead);
        let mut whole = self.before;
        whole.update(self.block.get(..used).unwrap_or_default());
        whole.finalize()
    }
}

/// The checksum of `bytes`, as a DUMP payload's footer has it.
pub fn checksum(bytes: &[u8]) -> u64 {
    crc_fast::checksum(CrcAlgorithm::Crc64Redis, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_jones() {
        assert_eq!(checksum(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    }

    #[test]
    fn running_ahead_changes_nothing() {
        let bytes: Vec<u8> = (0..20_000u32).map(|i| (i * 7 % 251) as u8).collect();
        for (step, window, end) in [(1, 3, 5000), (7, 100, 9000), (300, 6000, 18_000), (5000, 5000, 20_000)] {
            let mut running = Running::new();
            let mut at = 0;
            while at < end {
                let used = step.min(end - at);
                let shown = &bytes[at..(at + window.max(used)).min(bytes.len())];
                running.advance(shown, used);
                at += used;
            }
            assert_eq!(running.finish(), checksum(&bytes[..end]), "step {step}");
        }
    }
}
