//! A module's value, as the opaque bytes of the RDB.

use super::{Kind, Value, ValueKind};
use crate::memory::{array_bytes, size_class};

/// What a module wrote, kept so that it can be named and passed on, never read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModuleValue {
    /// The module's type: 54 bits of name, 10 bits of encoding version.
    pub id: u64,
    /// Everything after the id, up to and with the end marker, as the RDB had it.
    pub payload: Vec<u8>,
}

/// The letters of a module type's name, 6 bits each in its id.
const NAME_LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl ModuleValue {
    /// The nine letters by which the module registered the type.
    pub fn type_name(&self) -> String {
        (0..9)
            .map(|letter| {
                let index = (self.id >> (58 - 6 * letter)) & 63;
                char::from(
                    usize::try_from(index).ok().and_then(|i| NAME_LETTERS.get(i)).copied().unwrap_or(b'?'),
                )
            })
            .collect()
    }

    /// The version of the type's encoding.
    pub fn encoding_version(&self) -> u16 {
        (self.id & 0x3ff) as u16
    }

    /// Bytes of the allocations behind the entry.
    pub fn heap_bytes(&self) -> usize {
        array_bytes::<Self>(1) + size_class(self.payload.capacity())
    }
}

impl From<ModuleValue> for Value {
    fn from(module: ModuleValue) -> Value {
        Value::Module(Box::new(module))
    }
}

impl ValueKind for ModuleValue {
    const KIND: Kind = Kind::Module;

    fn from_value(value: Value) -> Result<Self, Value> {
        match value {
            Value::Module(module) => Ok(*module),
            other => Err(other),
        }
    }

    fn is_gone(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_name_is_read_from_the_id() {
        let letters = b"hellotype";
        let mut id = 0u64;
        for letter in letters {
            id = id << 6 | NAME_LETTERS.iter().position(|l| l == letter).unwrap() as u64;
        }
        let value = ModuleValue { id: id << 10 | 7, payload: Vec::new() };
        assert_eq!((value.type_name().as_str(), value.encoding_version()), ("hellotype", 7));
    }
}
