//! Elements of packed and big values in replies.
//!
//! Owns how an element is written: an integer that is stored as one is a bulk string to a client like any other.

use protocol::Reply;
use storage::packed::Item;

/// Writes elements.
pub(crate) trait ReplyItem {
    /// An element, as a bulk string.
    fn item(&mut self, item: Item<'_>);
    /// An element, or null.
    fn item_or_null(&mut self, item: Option<Item<'_>>);
}

impl ReplyItem for Reply {
    #[inline]
    fn item(&mut self, item: Item<'_>) {
        match item {
            Item::Int(value) => self.bulk_int(value),
            Item::Str(bytes) => self.bulk(bytes),
        }
    }

    fn item_or_null(&mut self, item: Option<Item<'_>>) {
        match item {
            Some(item) => self.item(item),
            None => self.null(),
        }
    }
}
