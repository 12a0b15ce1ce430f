//! Arguments of a request, and typed access to them: integer, float, flag word.
//!
//! Owns Redis' rules of reading a number from bytes. Never allocates.

/// The arguments of one command, without its name (and without the subcommand's).
///
/// They are borrowed from wherever the request came from: a connection's buffer, the master's stream, a script.
#[derive(Clone, Copy, Debug)]
pub struct Args<'a>(&'a [&'a [u8]]);

impl<'a> Args<'a> {
    /// Wraps arguments that lie somewhere else.
    pub fn new(args: &'a [&'a [u8]]) -> Self {
        Args(args)
    }
    /// How many there are.
    pub fn len(self) -> usize {
        self.0.len()
    }
    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }
    /// The one at `index`. Handlers trust the arity that their row declares; an absent one reads as empty.
    pub fn get(self, index: usize) -> &'a [u8] {
        self.0.get(index).copied().unwrap_or_default()
    }
    /// The one at `index`, where it may be absent.
    pub fn opt(self, index: usize) -> Option<&'a [u8]> {
        self.0.get(index).copied()
    }
    /// Those from `index` on.
    pub fn from(self, index: usize) -> Args<'a> {
        Args(self.0.get(index..).unwrap_or_default())
    }
    /// All of them, as a slice.
    pub fn as_slice(self) -> &'a [&'a [u8]] {
        self.0
    }
    /// Each in turn.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = &'a [u8]> + ExactSizeIterator + Clone {
        self.0.iter().copied()
    }
    /// Whether the one at `index` is this word, in any case. `word` is given in lower case.
    pub fn is_word(self, index: usize, word: &str) -> bool {
        self.opt(index).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
    }
}
