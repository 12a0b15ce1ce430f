//! Flags of commands and keys, and ACL categories, in Redis' own words.
//!
//! Owns which there are. Never says which command has them (see [`crate::table`]).
#![allow(missing_docs)] // each constant is Redis' word for it

use bitflags::bitflags;

bitflags! {
    /// Redis' command flags.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Flags: u32 {
        const WRITE = 1;
        const READONLY = 1 << 1;
        const DENYOOM = 1 << 2;
        const ADMIN = 1 << 3;
        const PUBSUB = 1 << 4;
        const NOSCRIPT = 1 << 5;
        const BLOCKING = 1 << 6;
        const LOADING = 1 << 7;
        const STALE = 1 << 8;
        const SKIP_MONITOR = 1 << 9;
        const SKIP_SLOWLOG = 1 << 10;
        const ASKING = 1 << 11;
        const FAST = 1 << 12;
        const NO_AUTH = 1 << 13;
        /// Replicas may have to hear of it though it is no write, so that a pause of writes holds it. (No server
        /// tells.)
        const MAY_REPLICATE = 1 << 14;
        const NO_MANDATORY_KEYS = 1 << 15;
        const NO_ASYNC_LOADING = 1 << 16;
        const NO_MULTI = 1 << 17;
        const ALLOW_BUSY = 1 << 18;
        const MOVABLEKEYS = 1 << 19;
        const SCRIPT_RUNNER = 1 << 20;
    }

    /// ACL categories that no flag implies (the data type's, mostly).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Categories: u32 {
        const KEYSPACE = 1;
        const SET = 1 << 1;
        const SORTEDSET = 1 << 2;
        const LIST = 1 << 3;
        const HASH = 1 << 4;
        const STRING = 1 << 5;
        const BITMAP = 1 << 6;
        const HYPERLOGLOG = 1 << 7;
        const GEO = 1 << 8;
        const STREAM = 1 << 9;
        const CONNECTION = 1 << 10;
        const TRANSACTION = 1 << 11;
        const SCRIPTING = 1 << 12;
        const DANGEROUS = 1 << 13;
        const ARRAY = 1 << 14;
        const PUBSUB = 1 << 15;
        const ADMIN = 1 << 16;
        const READ = 1 << 17;
        const WRITE = 1 << 18;
        const BLOCKING = 1 << 19;
    }

    /// What a command does to the keys of one specification.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct KeyFlags: u16 {
        const RO = 1;
        const RW = 1 << 1;
        const OW = 1 << 2;
        const RM = 1 << 3;
        const ACCESS = 1 << 4;
        const UPDATE = 1 << 5;
        const INSERT = 1 << 6;
        const DELETE = 1 << 7;
        const NOT_KEY = 1 << 8;
        const INCOMPLETE = 1 << 9;
        const VARIABLE_FLAGS = 1 << 10;
    }
}
