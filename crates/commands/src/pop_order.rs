//! `numkeys key [key …] where [COUNT count]`: of the first key that is there, so many elements from one end.
//!
//! Owns how LMPOP, ZMPOP and those of them that wait are read. Never looks at data, and does not know the names of
//! ends.

use protocol::Args;
use protocol::number::parse_int;

use crate::CommandError;

/// See the module.
pub(crate) struct PopOrder<'a, End> {
    /// Begins with the keys.
    args: Args<'a>,
    keys: usize,
    /// From where elements are taken.
    pub(crate) end: End,
    /// At most so many; at least one.
    pub(crate) count: usize,
}

impl<'a, End> PopOrder<'a, End> {
    /// # Errors
    /// For counts below 1, and for what `end` does not know: [`CommandError::Syntax`].
    pub(crate) fn parse(args: Args<'a>, end: impl Fn(&[u8]) -> Option<End>) -> Result<Self, CommandError> {
        let keys = positive(args.get(0), "ERR numkeys should be greater than 0")?;
        let behind = keys.checked_add(1).filter(|behind| *behind < args.len()).ok_or(CommandError::Syntax)?;
        let end = end(args.get(behind)).ok_or(CommandError::Syntax)?;
        let mut count = None;
        let mut at = behind + 1;
        while at < args.len() {
            if count.is_some() || !args.is_word(at, "count") || at + 1 >= args.len() {
                return Err(CommandError::Syntax);
            }
            count = Some(positive(args.get(at + 1), "ERR count should be greater than 0")?);
            at += 2;
        }
        Ok(PopOrder { args: args.from(1), keys, end, count: count.unwrap_or(1) })
    }

    /// The keys, in their order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'a [u8]> + use<'a, End> {
        self.args.iter().take(self.keys)
    }
}

fn positive(text: &[u8], error: &'static str) -> Result<usize, CommandError> {
    let number = parse_int(text).filter(|number| *number > 0).and_then(|number| usize::try_from(number).ok());
    number.ok_or(CommandError::new(error))
}
