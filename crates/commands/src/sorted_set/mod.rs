//! Sorted sets.
//!
//! Owns what every command of the family means; one file a group: [`add`], [`read`], [`ranges`], [`remove`],
//! [`combine`]. The grammar of bounds is in [`crate::range`]. Never holds an element: sets are read and edited where
//! they are stored.

mod add;
mod combine;
mod random;
mod ranges;
mod read;
mod remove;
#[cfg(test)]
mod tests;

pub(crate) use add::{Addition, zadd, zincrby};
pub(crate) use combine::{zdiff, zdiffstore, zinter, zintercard, zinterstore, zunion, zunionstore};
pub(crate) use random::zrandmember;
pub(crate) use ranges::{
    zrange, zrangebylex, zrangebyscore, zrangestore, zrevrange, zrevrangebylex, zrevrangebyscore,
};
pub(crate) use read::{zcard, zcount, zlexcount, zmscore, zrank, zrevrank, zscan, zscore};
pub(crate) use remove::{
    bzmpop, bzpopmax, bzpopmin, zmpop, zpopmax, zpopmin, zrem, zremrangebylex, zremrangebyrank,
    zremrangebyscore,
};

use protocol::{Protocol, Reply};
use storage::packed::Item;
use storage::score::Score;
use storage::value::sorted_set::{Element, SortedSet};
use storage::{Kind, Wanted};

use crate::item::ReplyItem;
use crate::{Dialect, ReplyDouble, WriteContext};

/// A list of elements in a reply: with scores, RESP2 has them one after the other and RESP3 in pairs.
struct Listing<'r> {
    reply: &'r mut Reply,
    dialect: Dialect,
    with_scores: bool,
}

impl<'r> Listing<'r> {
    /// Begins a list of so many elements.
    fn begin(reply: &'r mut Reply, dialect: Dialect, with_scores: bool, count: usize) -> Self {
        let is_flat = with_scores && reply.protocol() == Protocol::Resp2;
        reply.array(if is_flat { count.saturating_mul(2) } else { count });
        Listing { reply, dialect, with_scores }
    }

    fn element(&mut self, member: Item<'_>, score: Score) {
        if self.with_scores && self.reply.protocol() == Protocol::Resp3 {
            self.reply.array(2);
        }
        self.reply.item(member);
        if self.with_scores {
            self.reply.double_in(self.dialect, score.get());
        }
    }

    fn elements<'a>(&mut self, elements: impl Iterator<Item = Element<'a>>) {
        if self.with_scores {
            elements.for_each(|element| self.element(element.member, element.score));
        } else {
            elements.for_each(|element| self.reply.item(element.member));
        }
    }
}

/// Whether the number of elements that are about to come in decides a new set's form: from Redis 7.2 on.
fn sees_count(dialect: Dialect) -> bool {
    dialect.is_valkey() || dialect.is_redis_from(7, 2)
}

/// Stores the result of a *STORE, or takes the key away when there is none, and answers with the number of elements.
pub(crate) fn store(
    ctx: &mut WriteContext<'_>,
    key: &[u8],
    result: SortedSet,
    event: &'static str,
    reply: &mut Reply,
) {
    reply.len_int(result.len());
    if result.is_empty() {
        if ctx.db.remove(key) {
            ctx.event(Wanted::GENERIC, "del", key);
        }
    } else {
        let changes = if event.starts_with("geo") { result.len() } else { 1 };
        ctx.db.edit(key, |slot| {
            slot.counts(changes);
            slot.event_of_replacing(Kind::SortedSet);
            slot.put(result.into());
            slot.set_deadline(None);
            slot.event(Wanted::SORTED_SET, event);
        });
    }
}
