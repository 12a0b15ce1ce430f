//! A module's value, as the opaque bytes of the RDB.

/// What a module wrote, kept so that it can be named and passed on, never read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModuleValue {
    /// The module's type: 54 bits of name, 10 bits of encoding version.
    pub id: u64,
    /// Everything after the id, up to and with the end marker, as the RDB had it.
    pub payload: Vec<u8>,
}
