//! Modules: the 64-bit id of a module's type, and the marks that let its values be passed over unread.

use std::fmt;

/// A module's type: nine characters of six bits, and ten bits of encoding version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ModuleId(pub u64);

/// The characters of a module type's name, by their six bits.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl ModuleId {
    /// Its name: `ReJSON-RL`, `MBbloom--`, …
    pub fn name(self) -> String {
        (0..9)
            .map(|at| {
                let six = (self.0 >> (58 - 6 * at)) & 0x3f;
                usize::try_from(six).ok().and_then(|six| ALPHABET.get(six)).map_or('?', |c| char::from(*c))
            })
            .collect()
    }

    /// The version of what it writes.
    pub fn encoding_version(self) -> u16 {
        (self.0 & 0x3ff) as u16
    }
}

impl fmt::Display for ModuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// What the next value of a module is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// There is none.
    End,
    /// An integer, written as a length.
    Integer,
    /// Four bytes.
    Float,
    /// Eight bytes.
    Double,
    /// A string.
    String,
}

impl Mark {
    pub(crate) fn of(code: u64) -> Option<Mark> {
        match code {
            0 => Some(Mark::End),
            1 | 2 => Some(Mark::Integer),
            3 => Some(Mark::Float),
            4 => Some(Mark::Double),
            5 => Some(Mark::String),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_decoded() {
        let mut id = 0u64;
        for c in b"ReJSON-RL" {
            id = id << 6 | ALPHABET.iter().position(|a| a == c).unwrap() as u64;
        }
        let id = ModuleId(id << 10 | 3);
        assert_eq!((id.name().as_str(), id.encoding_version()), ("ReJSON-RL", 3));
    }
}
