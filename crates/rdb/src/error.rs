//! What can be wrong with an RDB, and at which byte.

use crate::Flavour;

/// Why an RDB cannot be read. `at` counts bytes from the beginning of the file or transfer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RdbError {
    /// The first nine bytes are no RDB header.
    #[error("no RDB: it begins with {found:?}")]
    NotRdb {
        /// What stands there, other bytes than printable ASCII escaped.
        found: String,
    },
    /// A version of the format whose layout we never saw on a real server.
    #[error("{magic} version {version} of the RDB format is not known")]
    UnknownVersion {
        /// `REDIS` or `VALKEY`.
        magic: &'static str,
        /// The number after it.
        version: u32,
    },
    /// The bytes ended in the middle of `what`.
    #[error("the RDB ended at byte {at}, in the middle of {what}")]
    Truncated {
        /// What was to be read.
        what: &'static str,
        /// Where the bytes ended.
        at: u64,
    },
    /// A type or opcode that nobody has told us of; nothing after it can be found.
    #[error("type or opcode {code} at byte {at} is not known in {flavour} version {version}")]
    UnknownType {
        /// The byte.
        code: u8,
        /// Where it stands.
        at: u64,
        /// Whose file it is.
        flavour: Flavour,
        /// The version of its format.
        version: u32,
    },
    /// A type or opcode that we know by name and refuse, for no released server writes it.
    #[error("{name} (type or opcode {code}) at byte {at} was never written by a released server")]
    RefusedType {
        /// Its name.
        name: &'static str,
        /// The byte.
        code: u8,
        /// Where it stands.
        at: u64,
    },
    /// `what` is not as the format wants it.
    #[error("{what} at byte {at} is corrupt")]
    Corrupt {
        /// The thing that is wrong.
        what: &'static str,
        /// Where it begins, or where it goes wrong.
        at: u64,
    },
    /// `what` announces a length that no honest writer would.
    #[error("{what} at byte {at} announces {length} bytes, above the bound of {bound}")]
    TooLong {
        /// The thing with that length.
        what: &'static str,
        /// The length.
        length: u64,
        /// The longest that is read.
        bound: u64,
        /// Where it stands.
        at: u64,
    },
    /// The trailing checksum disagrees with the bytes before it.
    #[error("checksum {computed:016x} computed, {stored:016x} stored")]
    Checksum {
        /// What the file says.
        stored: u64,
        /// What its bytes give.
        computed: u64,
    },
}
