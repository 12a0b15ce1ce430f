//! Lists: elements, or nodes that are kept as they are.

use rdb::{Node, Str, ziplist};
use storage::packed::Listpack;
use storage::value::Limits;
use storage::value::list::{List, ListBuilder};

use super::{ConvertError, Value, corrupt};

/// A list that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct ListBuilding(ListBuilder);

impl ListBuilding {
    pub(super) fn push(&mut self, element: Str<'_>, limits: &Limits) {
        self.0.push(element.bytes(&mut [0; 20]), limits);
    }

    pub(super) fn push_node(&mut self, node: Node<'_>) -> Result<(), ConvertError> {
        match node {
            Node::Plain(element) => self.0.push_plain(element),
            Node::Listpack(blob) => self.0.push_pack(listpack(blob)?),
            Node::Ziplist(blob) => self.0.push_pack(from_ziplist(blob)?),
        }
        Ok(())
    }

    pub(super) fn finish(self, limits: &Limits) -> Option<Value> {
        let list: List = self.0.finish(limits);
        (!list.is_empty()).then(|| list.into())
    }
}

/// A listpack, checked.
pub(super) fn listpack(blob: &[u8]) -> Result<Listpack, ConvertError> {
    Listpack::from_wire(blob).map_err(|_| corrupt("a listpack"))
}

/// The same elements as a listpack: what Redis 7.0 and later make of a ziplist.
pub(super) fn from_ziplist(blob: &[u8]) -> Result<Listpack, ConvertError> {
    let mut pack = Listpack::with_capacity(blob.len());
    ziplist::for_each(blob, |element| push(&mut pack, element)).map_err(|_| corrupt("a ziplist"))?;
    Ok(pack)
}

/// Adds an element; integers as such.
pub(super) fn push(pack: &mut Listpack, element: Str<'_>) {
    match element {
        Str::Int(value) => pack.push_int(value),
        Str::Bytes(bytes) => pack.push(bytes),
    }
}
