//! The tables: what each type code and opcode means, in each vendor's file.
//!
//! A row is here when a released server wrote it and we read its bytes. What is known by name alone is refused
//! by name; what is not known, by number.

use crate::{Flavour, Packing};

/// What the byte before a key, or in place of one, means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// A value's type.
    Type(Type),
    /// Slots that are being imported: Valkey's 243.
    SlotImport,
    /// What modules hang on the key that follows: Redis' 243.
    KeyMeta,
    /// A hash template: Redis' 242.
    Template,
    SlotInfo,
    Function,
    ModuleAux,
    Idle,
    Frequency,
    Aux,
    ResizeDb,
    DeadlineMillis,
    DeadlineSeconds,
    SelectDb,
    End,
    /// Known by name, written by no released server.
    Refused(&'static str),
    Unknown,
}

/// How a value is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Text,
    List,
    Set,
    /// Scores as text, or as eight bytes.
    SortedSet {
        text: bool,
    },
    Hash,
    Packed(Packing),
    /// A listpack with deadlines, after the soonest of them.
    PackedEx,
    /// Nodes of a list: ziplists, or a mark and a listpack or one element.
    ListNodes {
        marked: bool,
    },
    Stream {
        version: u8,
    },
    Module,
    /// Fields with deadlines, relative to the soonest (Redis).
    HashDeadlines,
    /// Fields, each followed by its deadline (Valkey).
    HashDeadlinesAfter,
    Array,
    /// A hash whose fields are a template's: named by number or standing before the values, which are a listpack
    /// or strings.
    Templated {
        numbered: bool,
        packed: bool,
    },
}

/// What `code` means in a file of this flavour.
#[inline]
pub(crate) fn meaning(code: u8, flavour: Flavour) -> Code {
    let r#type = match code {
        0 => Type::Text,
        1 => Type::List,
        2 => Type::Set,
        3 => Type::SortedSet { text: true },
        4 => Type::Hash,
        5 => Type::SortedSet { text: false },
        6 => return Code::Refused("MODULE_PRE_GA"),
        7 => Type::Module,
        9 => Type::Packed(Packing::HashZipmap),
        10 => Type::Packed(Packing::ListZiplist),
        11 => Type::Packed(Packing::SetIntset),
        12 => Type::Packed(Packing::SortedSetZiplist),
        13 => Type::Packed(Packing::HashZiplist),
        14 => Type::ListNodes { marked: false },
        15 => Type::Stream { version: 1 },
        16 => Type::Packed(Packing::HashListpack),
        17 => Type::Packed(Packing::SortedSetListpack),
        18 => Type::ListNodes { marked: true },
        19 => Type::Stream { version: 2 },
        20 => Type::Packed(Packing::SetListpack),
        21 => Type::Stream { version: 3 },
        244 => return Code::SlotInfo,
        245 => return Code::Function,
        246 => return Code::Refused("FUNCTION_PRE_GA"),
        247 => return Code::ModuleAux,
        248 => return Code::Idle,
        249 => return Code::Frequency,
        250 => return Code::Aux,
        251 => return Code::ResizeDb,
        252 => return Code::DeadlineMillis,
        253 => return Code::DeadlineSeconds,
        254 => return Code::SelectDb,
        255 => return Code::End,
        _ => {
            return match flavour {
                Flavour::Redis => redis(code),
                Flavour::Valkey => valkey(code),
            };
        }
    };
    Code::Type(r#type)
}

/// The numbers that only Redis gives this meaning.
fn redis(code: u8) -> Code {
    match code {
        22 => Code::Refused("HASH_METADATA_PRE_GA"),
        23 => Code::Refused("HASH_LISTPACK_EX_PRE_GA"),
        24 => Code::Type(Type::HashDeadlines),
        25 => Code::Type(Type::PackedEx),
        26 => Code::Type(Type::Stream { version: 4 }),
        27 => Code::Type(Type::Stream { version: 5 }),
        28 => Code::Type(Type::Array),
        29 => Code::Type(Type::Templated { numbered: false, packed: true }),
        30 => Code::Type(Type::Templated { numbered: true, packed: true }),
        31 => Code::Type(Type::Templated { numbered: false, packed: false }),
        32 => Code::Type(Type::Templated { numbered: true, packed: false }),
        242 => Code::Template,
        243 => Code::KeyMeta,
        _ => Code::Unknown,
    }
}

/// The numbers that only Valkey gives this meaning.
fn valkey(code: u8) -> Code {
    match code {
        22 => Code::Type(Type::HashDeadlinesAfter),
        243 => Code::SlotImport,
        _ => Code::Unknown,
    }
}
