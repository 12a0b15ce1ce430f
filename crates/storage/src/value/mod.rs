//! Values: what a key holds, in the form in which an entry stores it.
//!
//! [`Value`] is the owned form, on its way into or out of an entry; [`ValueRef`] is the same looked at inside an
//! entry, under its shard's lock. Small collections are packed bytes that stand in the entry itself; big ones
//! are behind one pointer.
//!
//! Owns the list of kinds and their encodings. Never knows where an entry lives.

pub mod array;
pub mod counted_tree;
pub mod directory;
pub mod geo;
pub mod hash;
pub mod hasher;
pub mod hyperloglog;
pub mod list;
pub mod member;
pub mod module;
pub mod set;
pub mod sorted_set;
pub mod stream;
pub mod text;

pub(crate) mod stored;

pub use array::Array;
pub use hash::{Hash, HashRef};
pub use list::{List, ListRef};
pub use module::ModuleValue;
pub use set::{Set, SetRef};
pub use sorted_set::{SortedSet, SortedSetRef};
pub use stored::InValue;
pub(crate) use stored::{Big, BigRef, Form, Payload, PayloadRef, int_from_bytes, int_to_bytes};
pub use stream::Stream;
pub use text::{Text, TextRef};

/// What sort of value a key holds; TYPE's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `string`
    String,
    /// `list`
    List,
    /// `set`
    Set,
    /// `zset`
    SortedSet,
    /// `hash`
    Hash,
    /// `stream`
    Stream,
    /// `array` (Redis 8.8)
    Array,
    /// A module's value, kept as opaque bytes.
    Module,
}

impl Kind {
    /// TYPE's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::List => "list",
            Kind::Set => "set",
            Kind::SortedSet => "zset",
            Kind::Hash => "hash",
            Kind::Stream => "stream",
            Kind::Array => "array",
            Kind::Module => "module",
        }
    }
}

/// The key holds a value of another kind: WRONGTYPE to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key holds a value of another kind")]
pub enum WrongKind {
    /// One of ours.
    Ours,
    /// A module's, by the id of its type (see [`ModuleValue::id`]).
    Module(u64),
}

/// A value that owns its parts.
#[derive(Clone, Debug)]
pub enum Value {
    /// `string`
    String(Text),
    /// `list`
    List(List),
    /// `set`
    Set(Set),
    /// `zset`
    SortedSet(SortedSet),
    /// `hash`
    Hash(Hash),
    /// `stream`
    Stream(Box<Stream>),
    /// `array`
    Array(Box<Array>),
    /// a module's
    Module(Box<ModuleValue>),
}

/// A value looked at where it is stored.
#[derive(Clone, Copy, Debug)]
pub enum ValueRef<'a> {
    /// `string`
    String(TextRef<'a>),
    /// `list`
    List(ListRef<'a>),
    /// `set`
    Set(SetRef<'a>),
    /// `zset`
    SortedSet(SortedSetRef<'a>),
    /// `hash`
    Hash(HashRef<'a>),
    /// `stream`
    Stream(&'a Stream),
    /// `array`
    Array(&'a Array),
    /// a module's
    Module(&'a ModuleValue),
}

impl Value {
    /// Read access.
    pub fn view(&self) -> ValueRef<'_> {
        match self {
            Value::String(text) => ValueRef::String(text.view()),
            Value::List(list) => ValueRef::List(list.view()),
            Value::Set(set) => ValueRef::Set(set.view()),
            Value::SortedSet(set) => ValueRef::SortedSet(set.view()),
            Value::Hash(hash) => ValueRef::Hash(hash.view()),
            Value::Stream(stream) => ValueRef::Stream(stream),
            Value::Array(array) => ValueRef::Array(array),
            Value::Module(module) => ValueRef::Module(module),
        }
    }
}

impl ValueRef<'_> {
    /// The error of who wanted another kind.
    #[cold]
    pub fn wrong_kind(self) -> WrongKind {
        match self {
            ValueRef::Module(module) => WrongKind::Module(module.id),
            _ => WrongKind::Ours,
        }
    }
}

macro_rules! typed {
    ($($(#[$doc:meta])* $name:ident -> $variant:ident($type:ty)),+ $(,)?) => {
        impl<'a> ValueRef<'a> {$(
            $(#[$doc])*
            ///
            /// # Errors
            /// [`WrongKind`] when it is another kind.
            pub fn $name(self) -> Result<$type, WrongKind> {
                match self {
                    ValueRef::$variant(inner) => Ok(inner),
                    other => Err(other.wrong_kind()),
                }
            }
        )+}
    };
}

typed! {
    /// As a string.
    text -> String(TextRef<'a>),
    /// As a list.
    list -> List(ListRef<'a>),
    /// As a set.
    set -> Set(SetRef<'a>),
    /// As a sorted set.
    sorted_set -> SortedSet(SortedSetRef<'a>),
    /// As a hash.
    hash -> Hash(HashRef<'a>),
    /// As a stream.
    stream -> Stream(&'a Stream),
    /// As an array.
    array -> Array(&'a Array),
    /// As a module's value.
    module -> Module(&'a ModuleValue),
}

impl ValueRef<'_> {
    /// An owned copy.
    pub fn to_value(self) -> Value {
        match self {
            ValueRef::String(text) => Value::String(text.to_text()),
            ValueRef::List(list) => Value::List(list.to_list()),
            ValueRef::Set(set) => Value::Set(set.to_set()),
            ValueRef::SortedSet(set) => Value::SortedSet(set.to_sorted_set()),
            ValueRef::Hash(hash) => Value::Hash(hash.to_hash()),
            ValueRef::Stream(stream) => Value::Stream(Box::new(stream.clone())),
            ValueRef::Array(array) => Value::Array(Box::new(array.clone())),
            ValueRef::Module(module) => Value::Module(Box::new(module.clone())),
        }
    }

    /// TYPE's answer.
    pub fn kind(&self) -> Kind {
        match self {
            ValueRef::String(_) => Kind::String,
            ValueRef::List(_) => Kind::List,
            ValueRef::Set(_) => Kind::Set,
            ValueRef::SortedSet(_) => Kind::SortedSet,
            ValueRef::Hash(_) => Kind::Hash,
            ValueRef::Stream(_) => Kind::Stream,
            ValueRef::Array(_) => Kind::Array,
            ValueRef::Module(_) => Kind::Module,
        }
    }

    /// `OBJECT ENCODING`'s answer.
    pub fn encoding(&self) -> &'static str {
        match self {
            ValueRef::String(text) => text.encoding(),
            ValueRef::List(list) => list.encoding(),
            ValueRef::Set(set) => set.encoding(),
            ValueRef::SortedSet(set) => set.encoding(),
            ValueRef::Hash(hash) => hash.encoding(),
            ValueRef::Stream(stream) => stream.encoding(),
            ValueRef::Array(array) => array.encoding(),
            ValueRef::Module(_) => "raw",
        }
    }

    /// How many elements a collection has; 1 for a string or a module's value. What freeing it costs, roughly.
    pub fn elements(&self) -> usize {
        match self {
            ValueRef::String(_) | ValueRef::Module(_) => 1,
            ValueRef::List(list) => list.len(),
            ValueRef::Set(set) => set.len(),
            ValueRef::SortedSet(set) => set.len(),
            ValueRef::Hash(hash) => hash.len(),
            ValueRef::Stream(stream) => stream.len(),
            ValueRef::Array(array) => array.len(),
        }
    }

    /// Bytes of the allocations behind the entry: 0 when everything is in the entry itself.
    pub fn heap_bytes(&self) -> usize {
        match self {
            ValueRef::String(text) => text.heap_bytes(),
            ValueRef::List(list) => list.heap_bytes(),
            ValueRef::Set(set) => set.heap_bytes(),
            ValueRef::SortedSet(set) => set.heap_bytes(),
            ValueRef::Hash(hash) => hash.heap_bytes(),
            ValueRef::Stream(stream) => stream.heap_bytes(),
            ValueRef::Array(array) => array.heap_bytes(),
            ValueRef::Module(module) => module.heap_bytes(),
        }
    }

    /// Whether both hold the same: type, every element (in any order where order means nothing), deadlines of
    /// fields, a stream's bookkeeping. The encoding does not count, but for what a client sees of a string.
    pub fn same(&self, other: ValueRef<'_>) -> bool {
        match (self, other) {
            (ValueRef::String(mine), ValueRef::String(other)) => mine.same(other),
            (ValueRef::List(mine), ValueRef::List(other)) => mine.same(other),
            (ValueRef::Set(mine), ValueRef::Set(other)) => mine.same(other),
            (ValueRef::SortedSet(mine), ValueRef::SortedSet(other)) => mine.same(other),
            (ValueRef::Hash(mine), ValueRef::Hash(other)) => mine.same(other),
            (ValueRef::Stream(mine), ValueRef::Stream(other)) => mine.same(other),
            (ValueRef::Array(mine), ValueRef::Array(other)) => mine.same(other),
            (ValueRef::Module(mine), ValueRef::Module(other)) => *mine == other,
            _ => false,
        }
    }
}

/// From which size on a value leaves its packed form; Redis' names and defaults (8.10's).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `hash-max-listpack-entries`
    pub hash_max_listpack_entries: usize,
    /// `hash-max-listpack-value`, bytes
    pub hash_max_listpack_value: usize,
    /// `set-max-intset-entries`
    pub set_max_intset_entries: usize,
    /// `set-max-listpack-entries`
    pub set_max_listpack_entries: usize,
    /// `set-max-listpack-value`, bytes
    pub set_max_listpack_value: usize,
    /// `zset-max-listpack-entries`
    pub zset_max_listpack_entries: usize,
    /// `zset-max-listpack-value`, bytes
    pub zset_max_listpack_value: usize,
    /// Whether a packed sorted set keeps the sign of a zero, as servers before Redis 7.0 did.
    pub zset_packed_minus_zero: bool,
    /// `list-max-listpack-size`: negative for a class of bytes, positive for a count
    pub list_max_listpack_size: i32,
    /// `stream-node-max-bytes`
    pub stream_node_max_bytes: usize,
    /// `stream-node-max-entries`
    pub stream_node_max_entries: usize,
    /// `stream-idmp-duration`, seconds: what a new stream begins with
    pub stream_idmp_duration: u64,
    /// `stream-idmp-maxsize`: what a new stream begins with
    pub stream_idmp_maxsize: u64,
    /// `hll-sparse-max-bytes`
    pub hll_sparse_max_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            hash_max_listpack_entries: 512,
            hash_max_listpack_value: 64,
            set_max_intset_entries: 512,
            set_max_listpack_entries: 128,
            set_max_listpack_value: 64,
            zset_max_listpack_entries: 128,
            zset_max_listpack_value: 64,
            zset_packed_minus_zero: false,
            list_max_listpack_size: -2,
            stream_node_max_bytes: 4096,
            stream_node_max_entries: 100,
            stream_idmp_duration: stream::DURATION_S,
            stream_idmp_maxsize: stream::IDS_MAX,
            hll_sparse_max_bytes: 3000,
        }
    }
}

/// A type that is one kind of [`Value`]: lets a slot be edited as the type its command wants.
pub trait ValueKind: Sized + Into<Value> + InValue {
    /// Its kind.
    const KIND: Kind;
    /// Takes itself out of `value`; gives `value` back when it is another kind.
    ///
    /// # Errors
    /// The unchanged value, when it is of another kind.
    fn from_value(value: Value) -> Result<Self, Value>;
    /// Whether nothing is left in it, so that its key goes (a stream and a string never go by being empty).
    fn is_gone(&self) -> bool;
}
