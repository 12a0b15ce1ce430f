//! Where in a master's history a data set stands: replid, offset, selected database.
//!
//! Owns the text form of a replid. Never moves anything: see [`crate::link`] and the applier.

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use storage::DbIndex;

/// How many characters a replid has.
const REPLID_LENGTH: usize = 40;

/// The name of one history: 40 hexadecimal characters. Two data sets with the same replid and offset are equal.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReplId([u8; REPLID_LENGTH]);

impl ReplId {
    /// Reads one as a master writes it: 40 printable characters without a blank.
    ///
    /// Redis writes hexadecimal digits; what a master calls its history is its own affair, so only what would
    /// break a line or a word is refused.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let id: [u8; REPLID_LENGTH] = text.try_into().ok()?;
        id.iter().all(u8::is_ascii_graphic).then_some(ReplId(id))
    }

    /// Makes one of 160 bits that the caller drew at random.
    pub fn from_random(bits: [u8; REPLID_LENGTH / 2]) -> Self {
        let mut id = [b'0'; REPLID_LENGTH];
        for (pair, byte) in id.chunks_exact_mut(2).zip(bits) {
            for (digit, half) in pair.iter_mut().zip([byte >> 4, byte & 15]) {
                *digit = if half < 10 { b'0' + half } else { b'a' + half - 10 };
            }
        }
        ReplId(id)
    }

    /// Its characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only ASCII is let in")
    }
}

impl fmt::Display for ReplId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ReplId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplId({})", self.as_str())
    }
}

/// A place in a history, between two units of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Whose history.
    pub replid: ReplId,
    /// How many bytes of it are in the data set; the next byte to ask for is one higher.
    pub offset: u64,
    /// The database that the next command goes to, for a stream that goes on does not select it again.
    pub db: DbIndex,
}

/// The position of the data set that is served. Moved inside a hold of the writer token, together with the data;
/// who holds the token reads one that belongs to the data exactly, everybody else one that is a moment old.
#[derive(Debug)]
pub struct PositionCell {
    history: Mutex<History>,
    offset: AtomicU64,
    db: AtomicU32,
}

#[derive(Clone, Copy, Debug)]
struct History {
    replid: ReplId,
    /// Whether a master gave it that name.
    known: bool,
    /// Whether the offset is that of the data, as far as the master's word goes.
    exact: bool,
}

impl PositionCell {
    /// At the beginning of a history of our own.
    pub fn new(replid: ReplId) -> Self {
        PositionCell {
            history: Mutex::new(History { replid, known: false, exact: true }),
            offset: AtomicU64::new(0),
            db: AtomicU32::new(0),
        }
    }

    /// Where the data set stands.
    pub fn get(&self) -> Position {
        let replid = self.history().replid;
        self.with(replid)
    }

    /// The same, if it is a place in a master's history.
    pub fn known(&self) -> Option<Position> {
        let history = *self.history();
        history.known.then(|| self.with(history.replid))
    }

    /// The same, if a master can be asked to go on from it.
    pub fn resumable(&self) -> Option<Position> {
        let exact = self.history().exact;
        self.known().filter(|_| exact)
    }

    /// The offset alone.
    pub fn offset(&self) -> u64 {
        self.offset.load(Ordering::Acquire)
    }

    /// Another data set stands here now: a master's snapshot.
    pub fn set(&self, position: Position) {
        let mut history = self.history();
        *history = History { replid: position.replid, known: true, exact: true };
        self.moved(position.offset, position.db);
    }

    /// The offset that came with this data set is not that of its data: it serves to be acknowledged, and no more.
    pub fn doubted(&self) {
        self.history().exact = false;
    }

    /// The same data set, in a history that has another name from here on.
    pub fn renamed(&self, replid: ReplId) {
        self.history().replid = replid;
    }

    /// The same data set, from here on in a history of our own that no master knows.
    pub fn left(&self, replid: ReplId) {
        *self.history() = History { replid, known: false, exact: true };
    }

    /// The data set moved on to here.
    pub fn moved(&self, offset: u64, db: DbIndex) {
        self.db.store(db.0, Ordering::Release);
        self.offset.store(offset, Ordering::Release);
    }

    fn with(&self, replid: ReplId) -> Position {
        let offset = self.offset.load(Ordering::Acquire);
        Position { replid, offset, db: DbIndex(self.db.load(Ordering::Acquire)) }
    }

    fn history(&self) -> MutexGuard<'_, History> {
        // Two plain words: there is nothing half-done in them.
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replid_is_forty_graphic_characters() {
        let text = b"8371b4fb1155b71f4a04d3e1bc3e18c4a990aeeb";
        assert_eq!(ReplId::parse(text).unwrap().as_str().as_bytes(), text);
        assert!(ReplId::parse(&text[..39]).is_none());
        assert!(ReplId::parse(b"8371b4fb1155b71f4a04d3e1bc3e18c4a990aee\n").is_none());
    }

    #[test]
    fn random_bits_become_hexadecimal() {
        let mut bits = [0; 20];
        bits[0] = 0x0f;
        bits[19] = 0xa9;
        let id = ReplId::from_random(bits);
        assert_eq!(id.as_str(), "0f000000000000000000000000000000000000a9");
        assert_eq!(ReplId::parse(id.as_str().as_bytes()), Some(id));
    }
}
