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
        name(self.0, 9, 64)
    }

    /// The version of what it writes.
    pub fn encoding_version(self) -> u16 {
        (self.0 & 0x3ff) as u16
    }
}

/// A class of what modules hang on keys (Redis 8.6): four characters of six bits, five bits of version, three of
/// flags, of which the lowest says that who does not know the class may drop it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MetaClass(pub u32);

impl MetaClass {
    /// Its name.
    pub fn name(self) -> String {
        name(u64::from(self.0), 4, 32)
    }

    /// The version of what it writes.
    pub fn version(self) -> u8 {
        (self.0 >> 3 & 0x1f) as u8
    }

    /// Whether it may be dropped by who does not know it.
    pub fn may_be_dropped(self) -> bool {
        self.0 & 1 == 1
    }
}

/// The characters that stand in the top bits of a number of that many bits.
fn name(id: u64, characters: u32, bits: u32) -> String {
    (1..=characters)
        .map(|at| {
            let six = (id >> (bits - 6 * at)) & 0x3f;
            usize::try_from(six).ok().and_then(|six| ALPHABET.get(six)).map_or('?', |c| char::from(*c))
        })
        .collect()
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
        let class = MetaClass(u32::from_le_bytes([0x09, 0xb4, 0x22, 0x35]));
        assert_eq!((class.name().as_str(), class.version(), class.may_be_dropped()), ("NSK0", 1, true));
    }
}
