//! Bytes that grow at their end, written there in place.
//!
//! Owns room beyond the end that holds zeros already, so that an answer of several parts asks once whether it fits and
//! is then copied; a `Vec` would ask at each part; and the bound on that room, beyond which it leaves bytes out and
//! says so. Never knows what the bytes mean.

use std::ops::Deref;

/// So much room is made at least.
const GROWN_BYTES_MIN: usize = 64;
/// So far beyond what is wanted room holds zeros.
const ZEROED_AHEAD: usize = 32 * 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Tail {
    /// All of its bytes may be looked at; those from `len` on mean nothing.
    room: Vec<u8>,
    len: usize,
    /// No room is made beyond so many bytes: what finds none is left out.
    most: usize,
    /// Something was left out, so that what there is means nothing.
    is_over: bool,
}

impl Default for Tail {
    fn default() -> Self {
        Tail { room: Vec::new(), len: 0, most: usize::MAX, is_over: false }
    }
}

impl Deref for Tail {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.room.get(..self.len).unwrap_or_default()
    }
}

impl Tail {
    /// How many bytes there are.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Bounds its room from now on.
    pub(crate) fn bound(&mut self, most: usize) {
        self.most = most;
    }

    /// The bound.
    #[inline]
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// Whether something found no room within the bound, and was left out.
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Leaves out what comes, as if the bound were passed.
    pub(crate) fn set_over(&mut self) {
        self.is_over = true;
    }

    /// What was left out is not missed.
    pub(crate) fn pardon(&mut self) {
        self.is_over = false;
    }

    /// So many bytes behind the end, to be written and then kept by [`Tail::keep`]; fewer beyond the bound.
    #[inline]
    pub(crate) fn space(&mut self, bytes: usize) -> &mut [u8] {
        if self.room.len() - self.len < bytes {
            self.grow(bytes);
        }
        self.room.get_mut(self.len..).unwrap_or_default()
    }

    /// Keeps the first so many bytes that were written behind the end.
    #[inline]
    pub(crate) fn keep(&mut self, bytes: usize) {
        self.len = self.room.len().min(self.len + bytes);
    }

    /// Appends these bytes.
    #[inline]
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        if let Some(place) = self.space(bytes.len()).get_mut(..bytes.len()) {
            place.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }

    /// Forgets what is beyond `len` bytes.
    #[inline]
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Puts these bytes in the place of the `old` bytes at `at`; what is behind moves.
    pub(crate) fn exchange(&mut self, at: usize, old: usize, new: &[u8]) {
        if let Some(place) = self.since_mut(at).get_mut(..old).filter(|place| place.len() == new.len()) {
            return place.copy_from_slice(new);
        }
        self.room.truncate(self.len);
        self.room.splice(at..at + old, new.iter().copied());
        self.len = self.room.len();
    }

    /// The bytes from `at` on.
    pub(crate) fn since_mut(&mut self, at: usize) -> &mut [u8] {
        self.room.get_mut(at..self.len).unwrap_or_default()
    }

    /// Room for so many more bytes.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.space(bytes);
    }

    /// Forgets everything, and gives room beyond `kept` bytes back.
    pub(crate) fn restart(&mut self, kept: usize) {
        self.len = 0;
        self.is_over = false;
        if self.room.capacity() > kept {
            self.room.truncate(kept);
            self.room.shrink_to(kept);
        }
    }

    #[cold]
    fn grow(&mut self, bytes: usize) {
        let wanted = self.len.saturating_add(bytes).max(GROWN_BYTES_MIN);
        if wanted > self.most {
            self.is_over = true;
            return;
        }
        self.room.reserve(wanted - self.room.len());
        // What is not wanted soon stays untouched, and takes no memory.
        let len = self.room.capacity().min(wanted.saturating_add(ZEROED_AHEAD));
        self.room.resize(len, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_one_behind_the_other_however_it_grows() {
        let mut tail = Tail::default();
        let mut expected = Vec::new();
        for round in 0..200usize {
            let part = vec![round as u8; round * 7 % 31];
            tail.append(&part);
            expected.extend_from_slice(&part);
            let place = tail.space(10);
            place[..3].copy_from_slice(b"abc");
            tail.keep(2);
            expected.extend_from_slice(b"ab");
            if round % 50 == 49 {
                tail.truncate(expected.len() - 5);
                expected.truncate(expected.len() - 5);
                tail.exchange(1, 2, b"12345");
                expected.splice(1..3, *b"12345");
            }
            assert_eq!(*tail, *expected);
        }
        tail.bound(100_000);
        let len = tail.len();
        tail.append(&[0; 100_000]);
        assert!(tail.is_over() && tail.len() == len && *tail == *expected);
        tail.restart(16);
        assert!(tail.is_empty() && !tail.is_over());
        tail.append(&[1; 100]);
        assert_eq!(*tail, [1; 100]);
    }
}
