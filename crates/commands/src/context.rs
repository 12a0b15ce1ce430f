//! What a handler is given besides its arguments.
//!
//! Owns nothing: it borrows the data set for one request. Never knows a connection, an offset, or the time of day.

use protocol::number::{parse_float, parse_int};
use protocol::reply::{Mark, Reply};
use storage::{Db, DbIndex, DbMut, Functions, Limits, Lookups, Reader, UnixMillis, Wanted, Writer};

use crate::dialect::Dialect;
use crate::error::CommandError;
use crate::hash::Fieldsets;

/// By which right data is read.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// A slot of the gate, for a batch of short reads.
    Reader(&'a Reader<'a>),
    /// The writer's token: long reads, and the reads of commands that write.
    Writer(&'a Writer<'a>),
}

impl<'a> Source<'a> {
    /// The function libraries.
    pub fn functions(self) -> &'a Functions {
        match self {
            Source::Reader(reader) => reader.functions(),
            Source::Writer(writer) => writer.functions(),
        }
    }
    /// When values leave their packed forms.
    #[inline]
    pub fn limits(self) -> &'a Limits {
        match self {
            Source::Reader(reader) => reader.limits(),
            Source::Writer(writer) => writer.limits(),
        }
    }
    /// A database, as it is at `now`.
    #[inline]
    pub fn db(self, index: DbIndex, now: UnixMillis) -> Db<'a> {
        match self {
            Source::Reader(reader) => reader.db(index, now),
            Source::Writer(writer) => *writer.db(index, now),
        }
    }
}

/// How many elements a read in a batch looks at, at most: about what the longest stay inside the gate allows. (Who
/// wants to close the gate waits for the batches inside.)
pub const BATCH_ELEMENTS_MAX: usize = 10_000;

/// How many bytes are looked at, or copied, in the time of one element.
pub(crate) const BYTES_AN_ELEMENT: usize = 128;

/// How many keys a read in a batch names, at most: each may lock another shard.
pub const BATCH_KEYS_MAX: usize = 64;

/// How much memory a reply may take that a count in the request makes as long as it likes, whatever the data are: as
/// much as the longest string.
pub const REPEATING_REPLY_BYTES_MAX: usize = 512 << 20;

/// For a handler that only reads.
#[derive(Clone, Copy, Debug)]
pub struct ReadContext<'a> {
    /// By which right it reads.
    pub source: Source<'a>,
    /// The database that its client selected.
    pub db: Db<'a>,
    /// That database's number.
    pub index: DbIndex,
    /// As of when: what expired before is hidden.
    pub now: UnixMillis,
    /// When values leave their packed forms.
    pub limits: &'a Limits,
    /// What we do as, where servers differ.
    pub dialect: Dialect,
    /// It runs where others wait for it, and is to be no longer than a batch may be.
    is_brief: bool,
    /// A script runs it, which is to find the same order everywhere.
    pub in_script: bool,
}

impl<'a> ReadContext<'a> {
    /// For reads of this database.
    #[inline]
    pub fn new(source: Source<'a>, index: DbIndex, now: UnixMillis, dialect: Dialect) -> Self {
        let is_brief = matches!(source, Source::Reader(_));
        ReadContext {
            source,
            db: source.db(index, now),
            index,
            now,
            limits: source.limits(),
            dialect,
            is_brief,
            in_script: false,
        }
    }

    /// The same for who holds the token in a batch.
    pub fn brief(self) -> Self {
        ReadContext { is_brief: true, ..self }
    }
}

impl ReadContext<'_> {
    /// To be asked by a handler that looks at so many elements: beforehand where the number is known, else as it
    /// grows (what it has answered is taken back).
    ///
    /// # Errors
    /// [`CommandError::Long`] in a batch of short reads, where they are too many; else never under the token.
    pub fn looks_at(&self, elements: usize) -> Result<(), CommandError> {
        if self.is_brief && elements > BATCH_ELEMENTS_MAX { Err(CommandError::Long) } else { Ok(()) }
    }

    /// The same for the number of keys it names.
    ///
    /// # Errors
    /// As [`ReadContext::looks_at`].
    pub fn names(&self, keys: usize) -> Result<(), CommandError> {
        if self.is_brief && keys > BATCH_KEYS_MAX { Err(CommandError::Long) } else { Ok(()) }
    }

    /// The same for a handler that looks at everything there is.
    ///
    /// # Errors
    /// As [`ReadContext::looks_at`].
    pub fn looks_at_everything(&self) -> Result<(), CommandError> {
        self.looks_at(usize::MAX)
    }

    /// To be asked by a handler that repeats what is there as often as it is told to: before each time, with what it
    /// has answered since it began. Looks at that now and then.
    ///
    /// # Errors
    /// [`CommandError::ReplyTooLong`]
    pub fn repeats(&self, time: usize, reply: &Reply, begun: Mark) -> Result<(), CommandError> {
        const TIMES_BETWEEN_LOOKS: usize = 64;
        if !time.is_multiple_of(TIMES_BETWEEN_LOOKS) {
            return Ok(());
        }
        let is_too_long = reply.is_over() || reply.held_since(begun) > REPEATING_REPLY_BYTES_MAX;
        if is_too_long { Err(CommandError::ReplyTooLong) } else { Ok(()) }
    }
}

/// Why a command that writes is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It stands in the stream of our master, and is obeyed: the master has checked it.
    Replica,
    /// A client asks, and we are a master.
    Master,
}

impl Role {
    /// The integer that a text is. In a master's stream it is also what one up to 3.0 takes for it, by C's `strtoll` up
    /// to the first zero byte: `007`, `+1`, and zero for bytes that begin with a zero byte.
    pub fn integer(self, text: &[u8]) -> Option<i64> {
        let strict = parse_int(text);
        if strict.is_some() || self == Role::Master {
            return strict;
        }
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        if text.is_empty() {
            return Some(0);
        }
        // Of signs and digits, and nothing else: so does `strtoll`, but for blanks before them, which are refused.
        std::str::from_utf8(text).ok()?.parse().ok()
    }

    /// The float that a text is. In a master's stream it is also what old ones take for it, by C's `strtod` up to the
    /// first zero byte: nothing at all is zero.
    pub fn float(self, text: &[u8]) -> Option<f64> {
        let strict = parse_float(text);
        if strict.is_some() || self == Role::Master {
            return strict;
        }
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        if text.is_empty() { Some(0.0) } else { parse_float(text) }
    }
}

/// For a handler that may write.
#[derive(Debug)]
pub struct WriteContext<'a> {
    /// The token that its caller holds.
    pub writer: &'a Writer<'a>,
    /// The database that its client, or the stream, selected.
    pub db: DbMut<'a>,
    /// That database's number.
    pub index: DbIndex,
    /// As of when keys are there: [`UnixMillis::NOTHING_EXPIRED`] when a master's stream is applied.
    pub now: UnixMillis,
    /// From when relative deadlines count, and what `*` means in XADD: for a master's stream, when its bytes came.
    pub clock: UnixMillis,
    /// As of when fields are there for HPERSIST, which a master passes on as it was asked, whichever of its fields were
    /// there: it did not run at the master before.
    pub ran_at: UnixMillis,
    /// When values leave their packed forms.
    pub limits: &'a Limits,
    /// What we do as, where servers differ.
    pub dialect: Dialect,
    /// Why it is run.
    pub role: Role,
    /// A script runs it, which is to find the same order everywhere.
    pub in_script: bool,
    /// What its client has prepared for HIMPORT SET.
    pub(crate) fieldsets: Option<&'a Fieldsets>,
    /// Where it is counted what is looked up as a read would.
    lookups: Option<&'a Lookups>,
}

impl<'a> WriteContext<'a> {
    /// For a command of our master's stream, whose bytes were received at `received`.
    pub fn applying(writer: &'a Writer<'a>, index: DbIndex, received: UnixMillis, dialect: Dialect) -> Self {
        WriteContext::new(writer, index, UnixMillis::NOTHING_EXPIRED, received, dialect, Role::Replica)
    }

    /// In which role numbers are read. A script that an old master ran is run again here, and what was no number there
    /// has to be none, so that it goes on as it did: up to 3.0 they were read by C (see [`Role::integer`]).
    pub(crate) fn reads_as(&self) -> Role {
        let is_strict = self.dialect.is_valkey() || self.dialect.is_redis_from(3, 1);
        if self.in_script && is_strict { Role::Master } else { self.role }
    }

    /// For a client's command, on a master, at `now`.
    pub fn serving(writer: &'a Writer<'a>, index: DbIndex, now: UnixMillis, dialect: Dialect) -> Self {
        WriteContext::new(writer, index, now, now, dialect, Role::Master)
    }

    fn new(
        writer: &'a Writer<'a>,
        index: DbIndex,
        now: UnixMillis,
        clock: UnixMillis,
        dialect: Dialect,
        role: Role,
    ) -> Self {
        WriteContext {
            writer,
            db: writer.db(index, now),
            index,
            now,
            clock,
            ran_at: now,
            limits: writer.limits(),
            dialect,
            role,
            in_script: false,
            fieldsets: None,
            lookups: None,
        }
    }

    /// The same, for a client that has prepared this.
    #[inline]
    pub fn importing(self, fieldsets: Option<&'a Fieldsets>) -> Self {
        WriteContext { fieldsets, ..self }
    }

    /// The same, counting what [`WriteContext::asking`] looks up.
    #[inline]
    pub fn counting(self, lookups: &'a Lookups) -> Self {
        WriteContext { lookups: Some(lookups), ..self }
    }

    /// The database for what is looked up as a read would: for the sources of what is stored, and for keys whose value
    /// is answered. It is counted, and told when they are not there. (Reads through `db` are for its own sake.)
    pub fn asking(&self) -> Db<'a> {
        match self.lookups {
            Some(lookups) => self.db.counted(lookups),
            None => *self.db,
        }
    }

    /// Notes an event of a key that is not being edited; see [`storage::Slot::event`].
    pub(crate) fn event(&self, class: Wanted, name: &'static str, key: &[u8]) {
        self.writer.event(class, name, self.index, key);
    }

    /// The same, for the part of it that only reads: see [`WriteContext::asking`].
    pub fn as_read(&self) -> ReadContext<'_> {
        ReadContext {
            source: Source::Writer(self.writer),
            db: self.asking(),
            index: self.index,
            now: self.now,
            limits: self.limits,
            dialect: self.dialect,
            is_brief: false,
            in_script: self.in_script,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Session;

    /// As redis-2.8 and redis-3.2 answer to SET and INCR.
    #[test]
    fn old_masters_read_integers_as_c_does() {
        for (text, old, new) in [
            (&b"\0\0"[..], Some(0), None),
            (b"12\0abc", Some(12), None),
            (b"007", Some(7), None),
            (b"+5", Some(5), None),
            (b"-0", Some(0), None),
            (b"", Some(0), None),
            (b" 5", None, None),
            (b"5 ", None, None),
            (b"+", None, None),
            (b"-\0", None, None),
            (b"9223372036854775808", None, None),
            (b"-17", Some(-17), Some(-17)),
        ] {
            assert_eq!(Role::Replica.integer(text), old, "{}", text.escape_ascii());
            assert_eq!(Role::Master.integer(text), new, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn old_masters_read_floats_as_c_does() {
        for (text, old, new) in [
            (&b""[..], Some(0.0), None),
            (b"\0", Some(0.0), None),
            (b"1.5\0abc", Some(1.5), None),
            (b"1.5", Some(1.5), Some(1.5)),
            (b" 1.5", None, None),
            (b"1.5 ", None, None),
            (b"nan", None, None),
        ] {
            assert_eq!(Role::Replica.float(text), old, "{}", text.escape_ascii());
            assert_eq!(Role::Master.float(text), new, "{}", text.escape_ascii());
        }
    }

    /// What failed in a script at the master has to fail here.
    #[test]
    fn scripts_run_again_read_numbers_as_their_master_did() {
        let session = Session::replica();
        let read = |dialect, in_script| {
            let writer = session.store.writer();
            let mut context = WriteContext::applying(&writer, session.index, session.now, dialect);
            context.in_script = in_script;
            context.reads_as().integer(b"007")
        };
        assert_eq!(read(Dialect::redis(2, 8), true), Some(7));
        assert_eq!(read(Dialect::redis(3, 2), true), None);
        assert_eq!(read(Dialect::redis(3, 2), false), Some(7));
    }

    /// A worker that ran it in a batch would keep its other connections waiting, and the gate from closing.
    #[test]
    fn what_looks_at_more_than_a_batch_may_is_a_long_read() {
        let session = Session::new();
        for number in 0..=BATCH_ELEMENTS_MAX {
            session.run(&format!("SET key:{number} x"));
            session.run(&format!("RPUSH list {number}"));
            session.run(&format!("SADD set m{number}"));
            session.run(&format!("HSET hash f{number} v"));
            session.run(&format!("GEOADD zset 0.{number} 0 m{number}"));
        }
        session.run("SET long x");
        session.run("SETRANGE long 2000000 x");
        for long in [
            "KEYS *",
            "SCAN 0 COUNT 1000000",
            "SSCAN set 0 COUNT 1000000",
            "HSCAN hash 0 COUNT 1000000",
            "ZSCAN zset 0 COUNT 1000000",
            "LPOS list nothing",
            "LPOS list 0 COUNT 0",
            "LRANGE list 0 -1",
            "SMEMBERS set",
            "HGETALL hash",
            "ZRANGE zset 0 -1",
            "GEOSEARCH zset FROMLONLAT 0 0 BYRADIUS 1000 km",
            "SORT_RO list LIMIT 0 1",
            "DUMP list",
            "DUMP long",
        ] {
            assert!(session.is_long(long), "{long}");
        }
        for short in [
            "SCAN 0 COUNT 1000",
            "SSCAN set 0 COUNT 1000",
            "HSCAN hash 0 COUNT 1000",
            "ZSCAN zset 0 COUNT 1000",
            "LPOS list 7",
            "LPOS list nothing MAXLEN 1000",
            "LRANGE list 0 99",
            "ZRANGE zset 0 99",
            "GEOSEARCH zset FROMLONLAT 90 0 BYRADIUS 1 m",
            "DUMP key:7",
        ] {
            assert!(!session.is_long(short), "{short}");
        }
    }
}
