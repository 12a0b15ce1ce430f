//! The RDB file format of Redis and Valkey: bytes in, flat items out.
//!
//! Owns the format of every version and of both vendors. Never does IO, and never knows how a value is stored.
//!
//! # The file
//!
//! ```text
//! REDIS0011 | VALKEY080      whose numbers, and which version
//! opcode …                   facts (AUX), sizes, libraries, and for each key: deadline, use, type, name, value
//! FF checksum                CRC-64 (Jones) of everything before, 8 bytes LE; 0: not checked; none before version 5
//! ```
//!
//! A *length* is `00` and 6 bits, `01` and 14 bits, `80` and u32 BE, or `81` and u64 BE. A *string* is a length and its
//! bytes, or `C0`/`C1`/`C2` and an integer of 8, 16, 32 bits (LE, signed), or `C3`, packed length, length, LZF.
//! Below, **len** is such a length, **str** such a string, **ms** a time in 8 bytes LE, **id** two lens.
//!
//! # Versions
//!
//! | header | written by |
//! |---|---|
//! | `REDIS0001` to `0006` | Redis up to 3.0 |
//! | `REDIS0007` `0008` `0009` | Redis 3.2, 4.0, 5.0 to 6.2 |
//! | `REDIS0010` `0011` | Redis 7.0, 7.2 and Valkey up to 8.1 |
//! | `REDIS0012` `0013` `0014` `0015` | Redis 7.4 to 8.4 and Redict, 8.6, 8.8, 8.10 |
//! | `VALKEY080` | Valkey 9.0 and 9.1 |
//!
//! Others are refused: [`RdbError::UnknownVersion`].
//!
//! # Types
//!
//! | code | value |
//! |---|---|
//! | 0 | str |
//! | 1, 2 | list, set: len, as many str |
//! | 3, 5 | sorted set: len, as many str and a score (text after one byte of length; 8 bytes LE) |
//! | 4 | hash: len, as many str and str |
//! | 7 | a module's: len (its id: 54 bits of name, 10 of version), values with a mark before each, mark 0 |
//! | 9, 13, 16 | hash in one str: zipmap, ziplist, listpack |
//! | 10 | list in one str: ziplist |
//! | 11, 20 | set in one str: intset, listpack |
//! | 12, 17 | sorted set in one str: ziplist, listpack |
//! | 14 | list: len, as many str (ziplists) |
//! | 18 | list: len, as many len (1: one element, 2: a listpack) and str |
//! | 15, 19, 21, 26, 27 | stream, see below |
//! | 22 of Valkey | hash: len, as many str, str and **ms** (-1: none) |
//! | 24 | hash: **ms** (the soonest deadline), len, as many len (0: none, else deadline minus the soonest plus 1), str, str |
//! | 25 | hash: **ms** (the soonest), str (a listpack of field, value, deadline or 0; soonest first, none last) |
//! | 28 | array: len, a byte (1: len follows, where ARINSERT last put one; 0: nowhere), then as many len (index, ascending) and element: a byte and str (0, or 3 when it is below 8 bytes), 8 bytes LE of an integer (1) or a float (2) |
//! | 29 | hash: names, str (a listpack of a number that means nothing and the values) |
//! | 30 | hash: str (a listpack of the template's number and the values) |
//! | 31 | hash: names, then as many str |
//! | 32 | hash: len (the template's number), then as many str as that has names |
//!
//! *Names* are a byte 0 and str (a listpack), or a byte 1, len, and as many str. 29 and 31 stand in DUMP payloads (so
//! in RESTORE of a stream), 30 and 32 in files. What was seen of a release candidate only is refused by name: 6, and 22
//! and 23 of Redis.
//!
//! A **stream**: len, as many str (16 bytes of id, BE) and str (a listpack of entries); len (entries), id (the last);
//! from 19 on id (the first), id (the highest deleted), len (ever added); len, as many groups; from 26 on len (for how
//! long messages of producers are remembered, in seconds), len (how many of each), len, as many producers: str, len, as
//! many str (message) and id (entry); len (messages ever added), len (sent again).
//! A group: str, id (the last delivered), from 19 on len (entries read, -1 as u64: not known); len, as many pending: 16
//! bytes of id, **ms** (delivered; 0 when nobody has it), len (how often); len, as many consumers: str, **ms** (seen),
//! from 21 on **ms** (active, -1: never), len, as many 16 bytes of id; in 27 len, as many 16 bytes of id: what was
//! given back (XNACK), in the order in which it will be delivered.
//!
//! # Opcodes
//!
//! | code | what |
//! |---|---|
//! | 242 of Redis | hash template: len (number), len, as many str (names); before the keys of all databases |
//! | 243 of Redis | what modules hang on the key that follows, after its deadline and use (and before the type in a DUMP payload): len, as many 4 bytes LE (24 bits of name, 5 of version, 3 of flags) and a module's values with mark 0 |
//! | 243 of Valkey | slots being imported: str (the import's name), len, as many len and len (first, last); before the keys |
//! | 244 | slot: len (number), len (keys), len (keys with a deadline) |
//! | 245 | function library: str |
//! | 247 | a module's own data: len (its id), len 2, len (when), values with mark 0 |
//! | 248, 249 | idle seconds (len), access frequency (a byte) of the key that follows |
//! | 250 | fact: str, str |
//! | 251 | database: len (keys), len (keys with a deadline) |
//! | 252, 253 | deadline of the key that follows: **ms**; 4 bytes LE of seconds |
//! | 254 | database: len |
//! | 255 | end |
//!
//! 246 was a release candidate's and is refused by name.
//!
//! Everything above was read off files and DUMP payloads that real servers wrote; `tests/dumps` keeps them, with the
//! commands that made them. No server at hand writes versions 1, 2, 8 and 14: of these there are a neighbour's bytes
//! under that number, which real servers were seen to read.

pub mod decode;
pub mod encode;
pub mod flavour;
pub mod item;
pub mod module;
pub mod template;

mod crc64;
mod listpack;
mod opcode;
mod reader;

pub mod lzf;
pub mod ziplist;
pub mod zipmap;

mod error;

pub use crc64::checksum;
pub use decode::Decoder;
pub use encode::{Encoder, Summed};
pub use error::RdbError;
pub use flavour::{Flavour, of_dump_version};
pub use item::{
    ArrayElement, Item, Key, Node, Packing, Run, Step, Str, StreamHistory, StreamId, StreamPiece,
    StreamTotals, Whole,
};
pub use module::{MetaClass, ModuleId};
pub use template::Template;
