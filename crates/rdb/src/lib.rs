//! The RDB file format of Redis and Valkey: bytes in, flat items out.
//!
//! Owns the format of every version and of both vendors. Never does IO, and never knows how a value is stored.

pub mod decode;
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
pub use error::RdbError;
pub use flavour::{Flavour, of_dump_version};
pub use item::{
    ArrayElement, Item, Key, Node, Packing, Run, Step, Str, StreamHistory, StreamId, StreamPiece,
    StreamTotals, Whole,
};
pub use module::{MetaClass, ModuleId};
pub use template::Template;
