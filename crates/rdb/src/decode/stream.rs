//! The pieces of a stream, in its several layouts.
//!
//! | layout | since | what is new |
//! |---|---|---|
//! | 1 | Redis 5.0 | nodes, length, last id; groups, their pending entries, their consumers |
//! | 2 | Redis 7.0 | first id, highest deleted id, entries ever added; a group's entries read |
//! | 3 | Redis 7.2 | when a consumer was active last |
//! | 4 | Redis 8.6 | after the groups: what producers sent last (XADD IDMP) |
//! | 5 | Redis 8.8 | after a group's consumers: the pending entries that were given back (XNACK) |

use super::{Scratch, bytes, string};
use crate::item::{StreamHistory, StreamId, StreamPiece, StreamTotals};
use crate::reader::{Reader, Stop, corrupt};

/// Where in a stream we are.
#[derive(Clone, Copy, Debug)]
pub(super) enum At {
    Nodes {
        left: u64,
    },
    Totals,
    /// How many groups there are.
    GroupCount,
    Groups {
        left: u64,
    },
    /// How many entries are pending in this group.
    PendingCount {
        groups: u64,
    },
    Pending {
        left: u64,
        groups: u64,
    },
    Consumers {
        left: u64,
        groups: u64,
    },
    Holds {
        left: u64,
        consumers: u64,
        groups: u64,
    },
    GivenBack {
        left: u64,
        groups: u64,
    },
    Idempotence,
    ProducerCount,
    Producers {
        left: u64,
    },
    Sent {
        left: u64,
        producers: u64,
    },
    End,
}

/// The next piece, and what comes after it. No piece: the end.
pub(super) fn next<'a>(
    reader: &mut Reader<'a>,
    scratch: &'a mut Scratch,
    version: u8,
    mut at: At,
) -> Result<(Option<StreamPiece<'a>>, At), Stop> {
    // Counts stand in front of what they count and are read with it, so no piece takes more than a few rounds.
    loop {
        at = match at {
            At::Nodes { left: 0 } => At::Totals,
            At::Nodes { left } => {
                let id_at = reader.at();
                let (id, listpack) = (reader.string("a stream node's id")?, reader.string("a stream node")?);
                let id = bytes(&mut scratch.first, id)?;
                let id = <[u8; 16]>::try_from(id).map_err(|_| corrupt("a stream node's id", id_at))?;
                let listpack = bytes(&mut scratch.second, listpack)?;
                return Ok((
                    Some(StreamPiece::Node { id: id_of(&id), listpack }),
                    At::Nodes { left: left - 1 },
                ));
            }
            At::Totals => return Ok((Some(StreamPiece::Totals(totals(reader, version)?)), At::GroupCount)),
            At::GroupCount => At::Groups { left: reader.length("a stream's groups")? },
            At::Groups { left: 0 } if version < 4 => At::End,
            At::Groups { left: 0 } => At::Idempotence,
            At::Groups { left } => {
                let name = reader.string("a group's name")?;
                let last = id(reader, "a group's last id")?;
                let entries_read = match version {
                    1 => None,
                    // -1, for not known, is written as the unsigned number of the same bits.
                    _ => Some(reader.length("a group's entries read")?.cast_signed()),
                };
                let name = string(&mut scratch.first, name)?;
                return Ok((
                    Some(StreamPiece::Group { name, last, entries_read }),
                    At::PendingCount { groups: left - 1 },
                ));
            }
            At::PendingCount { groups } => {
                At::Pending { left: reader.length("a group's pending entries")?, groups }
            }
            At::Pending { left: 0, groups } => {
                At::Consumers { left: reader.length("a group's consumers")?, groups }
            }
            At::Pending { left, groups } => {
                let id = id_of(&reader.bytes("a pending entry")?);
                let delivered = i64::from_le_bytes(reader.bytes("a pending entry")?);
                let count = reader.length("a pending entry")?;
                return Ok((
                    Some(StreamPiece::Pending { id, delivered, count }),
                    At::Pending { left: left - 1, groups },
                ));
            }
            At::Consumers { left: 0, groups } if version < 5 => At::Groups { left: groups },
            At::Consumers { left: 0, groups } => {
                At::GivenBack { left: reader.length("a group's returned entries")?, groups }
            }
            At::GivenBack { left: 0, groups } => At::Groups { left: groups },
            At::GivenBack { left, groups } => {
                let id = id_of(&reader.bytes("a group's returned entry")?);
                return Ok((Some(StreamPiece::GivenBack(id)), At::GivenBack { left: left - 1, groups }));
            }
            At::Consumers { left, groups } => {
                let name = reader.string("a consumer's name")?;
                let seen = i64::from_le_bytes(reader.bytes("a consumer")?);
                let active = match version {
                    1 | 2 => None,
                    _ => Some(i64::from_le_bytes(reader.bytes("a consumer")?)),
                };
                let held = reader.length("a consumer's pending entries")?;
                let name = string(&mut scratch.first, name)?;
                return Ok((
                    Some(StreamPiece::Consumer { name, seen, active }),
                    At::Holds { left: held, consumers: left - 1, groups },
                ));
            }
            At::Holds { left: 0, consumers, groups } => At::Consumers { left: consumers, groups },
            At::Holds { left, consumers, groups } => {
                let id = id_of(&reader.bytes("a consumer's pending entry")?);
                return Ok((Some(StreamPiece::Holds(id)), At::Holds { left: left - 1, consumers, groups }));
            }
            At::Idempotence => {
                let duration = reader.length("a stream's memory of producers")?;
                let max = reader.length("a stream's memory of producers")?;
                return Ok((Some(StreamPiece::Idempotence { duration, max }), At::ProducerCount));
            }
            At::ProducerCount => At::Producers { left: reader.length("a stream's producers")? },
            At::Producers { left: 0 } => {
                let added = reader.length("a stream's memory of producers")?;
                let duplicates = reader.length("a stream's memory of producers")?;
                return Ok((Some(StreamPiece::IdempotenceTotals { added, duplicates }), At::End));
            }
            At::Producers { left } => {
                let name = reader.string("a producer's name")?;
                let sent = reader.length("a producer's messages")?;
                let name = string(&mut scratch.first, name)?;
                return Ok((Some(StreamPiece::Producer(name)), At::Sent { left: sent, producers: left - 1 }));
            }
            At::Sent { left: 0, producers } => At::Producers { left: producers },
            At::Sent { left, producers } => {
                let name = reader.string("a producer's message")?;
                let id = id(reader, "a producer's message")?;
                let name = string(&mut scratch.first, name)?;
                return Ok((Some(StreamPiece::Sent(name, id)), At::Sent { left: left - 1, producers }));
            }
            At::End => return Ok((None, at)),
        };
    }
}

/// What the stream counts.
fn totals(reader: &mut Reader<'_>, version: u8) -> Result<StreamTotals, Stop> {
    Ok(StreamTotals {
        length: reader.length("a stream's length")?,
        last: id(reader, "a stream's last id")?,
        more: match version {
            1 => None,
            _ => Some(StreamHistory {
                first: id(reader, "a stream's first id")?,
                max_deleted: id(reader, "a stream's highest deleted id")?,
                added: reader.length("a stream's entries added")?,
            }),
        },
    })
}

/// An id as two lengths.
fn id(reader: &mut Reader<'_>, what: &'static str) -> Result<StreamId, Stop> {
    Ok(StreamId { ms: reader.length(what)?, seq: reader.length(what)? })
}

/// An id as sixteen bytes, so that they sort as it does.
fn id_of(bytes: &[u8; 16]) -> StreamId {
    let whole = u128::from_be_bytes(*bytes);
    StreamId { ms: (whole >> 64) as u64, seq: whole as u64 }
}
