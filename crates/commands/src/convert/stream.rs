//! Streams: nodes are kept as they are, groups and producers are rebuilt.

use rdb::{Str, StreamHistory, StreamPiece, StreamTotals};
use storage::value::stream::{ConsumerId, Group, LagRule, Stream, StreamError, StreamId};

use super::{ConvertError, corrupt, list};

/// A stream that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct StreamBuilder {
    stream: Stream,
    totals: Option<StreamTotals>,
    /// The group whose pieces come, and its name.
    group: Option<(Vec<u8>, Group)>,
    /// The consumer whose pieces come.
    consumer: Option<ConsumerId>,
    /// The producer whose messages come.
    producer: Option<Vec<u8>>,
}

impl StreamBuilder {
    pub(super) fn add(&mut self, piece: StreamPiece<'_>) -> Result<(), ConvertError> {
        match piece {
            StreamPiece::Node { id, listpack } => {
                self.stream.restore_node(self::id(id), list::listpack(listpack)?).map_err(wrong)?;
            }
            StreamPiece::Totals(totals) => self.set_totals(totals)?,
            StreamPiece::Group { name, last, entries_read } => {
                self.close_group()?;
                let last = id(last);
                let entries_read = match entries_read {
                    // Not known.
                    Some(-1) => None,
                    // A master whose count has gone beyond the signed integers has a negative one.
                    Some(count) => Some(count.cast_unsigned()),
                    // The oldest form does not say: what a server works out from the place.
                    None => self.stream.position_of(last, LagRule::Redis7),
                };
                self.group = Some((name.to_vec(), Group::new(last, entries_read)));
            }
            StreamPiece::Pending { id, delivered, count } => {
                self.group()?.restore_pending(self::id(id), delivered, count).map_err(wrong)?;
            }
            StreamPiece::Consumer { name, seen, active } => {
                // Before 7.2 one moment stood for both; -1: it never got anything.
                let active = Some(active.unwrap_or(seen)).filter(|millis| *millis >= 0);
                let name = name.to_vec();
                self.consumer = Some(self.group()?.restore_consumer(&name, seen, active).map_err(wrong)?);
            }
            StreamPiece::Holds(id) => {
                let consumer = self.consumer.ok_or(corrupt("a pending entry of no consumer"))?;
                self.group()?.restore_owner(self::id(id), consumer).map_err(wrong)?;
            }
            StreamPiece::GivenBack(id) => {
                // They are pending for nobody already; here it is looked whether they are pending at all.
                match self.group()?.pending(self::id(id)) {
                    Some(pending) if pending.consumer.is_none() => {}
                    _ => return Err(corrupt("a returned entry of a group")),
                }
            }
            StreamPiece::Idempotence { duration, max } => {
                self.close_group()?;
                let defaults = storage::value::stream::Idempotency::default();
                if (duration, max) != (defaults.duration_s(), defaults.ids_max()) {
                    self.stream.idempotency_mut().restore(duration, max, 0, 0);
                }
            }
            StreamPiece::Producer(name) => self.producer = Some(name.to_vec()),
            StreamPiece::Sent(message, entry) => self.remember(message, id(entry))?,
            StreamPiece::IdempotenceTotals { added, duplicates } => {
                if (added, duplicates) != (0, 0) {
                    let memory = self.stream.idempotency_mut();
                    let (duration, max) = (memory.duration_s(), memory.ids_max());
                    memory.restore(duration, max, added, duplicates);
                }
            }
            _ => return Err(corrupt("a piece of a stream")),
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Stream, ConvertError> {
        self.close_group()?;
        if self.totals.is_none() {
            return Err(corrupt("a stream without its length"));
        }
        Ok(self.stream)
    }

    fn set_totals(&mut self, totals: StreamTotals) -> Result<(), ConvertError> {
        if totals.length != self.stream.len() as u64 {
            return Err(corrupt("a stream's length"));
        }
        match totals.more {
            Some(StreamHistory { first, max_deleted, added }) => {
                self.stream.set_first_id(id(first));
                self.stream.set_max_deleted_id(id(max_deleted));
                self.stream.set_entries_added(added);
            }
            None => self.stream.restore_counters(),
        }
        self.stream.set_last_id(id(totals.last));
        self.totals = Some(totals);
        Ok(())
    }

    fn group(&mut self) -> Result<&mut Group, ConvertError> {
        self.group.as_mut().map(|(_, group)| group).ok_or(corrupt("a piece of no group"))
    }

    fn close_group(&mut self) -> Result<(), ConvertError> {
        self.consumer = None;
        if let Some((name, group)) = self.group.take() {
            self.stream.add_group(&name, group).map_err(wrong)?;
        }
        Ok(())
    }

    fn remember(&mut self, message: Str<'_>, entry: StreamId) -> Result<(), ConvertError> {
        let producer = self.producer.as_deref().ok_or(corrupt("a message of no producer"))?;
        let memory = self.stream.idempotency_mut();
        memory.restore_id(producer, message.bytes(&mut [0; 20]), entry).map_err(wrong)
    }
}

fn id(id: rdb::StreamId) -> StreamId {
    StreamId { ms: id.ms, seq: id.seq }
}

fn wrong(error: StreamError) -> ConvertError {
    corrupt(match error {
        StreamError::Node { .. } => "a stream's node",
        StreamError::Duplicate { what } => what,
        StreamError::NotPending { .. } => "a consumer's pending entry",
        StreamError::NotAbove | StreamError::TooLarge => "a stream's entry",
    })
}
