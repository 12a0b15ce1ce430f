//! One request: its words, borrowed from the buffer it arrived in.
//!
//! Owns nothing. Never outlives the buffer.

/// Where a word lies: in its request's bytes, counted from their front, or among the unescaped words of inline
/// commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) at: usize,
    pub(crate) len: usize,
}

/// A whole request: at least a name.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    bytes: &'a [u8],
    /// In what its words lie.
    source: &'a [u8],
    words: &'a [Span],
}

impl<'a> Request<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8], source: &'a [u8], words: &'a [Span]) -> Self {
        Request { bytes, source, words }
    }

    /// The command's name, as it was sent.
    #[inline]
    pub fn name(&self) -> &'a [u8] {
        self.word(0)
    }

    /// How many words there are, the name included.
    #[inline]
    #[allow(clippy::len_without_is_empty)] // a request is never empty
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// The word at `index`, the name being 0; an absent one reads as empty.
    #[inline]
    pub fn word(&self, index: usize) -> &'a [u8] {
        self.words.get(index).map_or(&[], |span| self.at(*span))
    }

    /// Each word in turn.
    pub fn words(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        let request = *self;
        self.words.iter().map(move |span| request.at(*span))
    }

    /// The words side by side, in `room`. (Part of the loop that serves requests, wherever else it is called.)
    #[inline(always)]
    pub fn collect<'r>(&self, room: &'r mut Words<'a>) -> &'r [&'a [u8]] {
        match room.short.get_mut(..self.words.len()) {
            Some(short) => {
                for (slot, word) in short.iter_mut().zip(self.words()) {
                    *slot = word;
                }
                short
            }
            None => {
                room.long.clear();
                room.long.extend(self.words());
                &room.long
            }
        }
    }

    /// The request as it arrived: every byte counts in a master's stream.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    #[inline]
    fn at(&self, span: Span) -> &'a [u8] {
        self.source.get(span.at..span.at + span.len).unwrap_or_default()
    }
}

/// Room for the words of one request, side by side: no allocation up to 8 of them.
#[derive(Debug, Default)]
pub struct Words<'a> {
    short: [&'a [u8]; 8],
    long: Vec<&'a [u8]>,
}
