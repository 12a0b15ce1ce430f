//! DUMP and RESTORE: a value as bytes that any server takes.
//!
//! Owns the payload's footer (two bytes of version, eight of checksum) and the command's options. Never reads or
//! writes a value itself: see [`crate::convert`].

use protocol::{Args, Reply, number};
use rdb::{Decoder, Flavour, Item, Step};
use storage::value::Stream;
use storage::{Limits, UnixMillis, Usage, Value, ValueRef, Wanted};

use crate::context::BYTES_AN_ELEMENT;
use crate::convert::save::{self, Target, Unwritable};
use crate::convert::{self, ConvertError, Rules, ValueBuilder};
use crate::{CommandError, Dialect, ReadContext, Role, WriteContext};

/// Version and checksum.
const FOOTER_BYTES: usize = 10;

const BUSY_KEY: CommandError = CommandError::new("BUSYKEY Target key name already exists.");
const BAD_TTL: CommandError = CommandError::new("ERR Invalid TTL value, must be >= 0");
const BAD_IDLE_TIME: CommandError = CommandError::new("ERR Invalid IDLETIME value, must be >= 0");
const BAD_FREQUENCY: CommandError = CommandError::new("ERR Invalid FREQ value, must be >= 0 and <= 255");
const BAD_FOOTER: CommandError = CommandError::new("ERR DUMP payload version or checksum are wrong");
const BAD_FORMAT: CommandError = CommandError::new("ERR Bad data format");

/// What stands behind the payload.
#[derive(Debug, Default)]
struct Options {
    replace: bool,
    absolute: bool,
    usage: Usage,
}

/// DUMP key
pub(crate) fn dump(context: &ReadContext<'_>, args: Args<'_>, reply: &mut Reply) -> Result<(), CommandError> {
    let Some(found) = context.db.get(args.get(0)) else {
        reply.null();
        return Ok(());
    };
    context.looks_at(found.value().elements().max(found.value().heap_bytes() / BYTES_AN_ELEMENT))?;
    reply.bulk(&payload_of(found.value(), context.dialect)?);
    Ok(())
}

/// How many bytes a server of this dialect writes of a value into a snapshot, its type and key aside; `None` when it
/// cannot.
pub fn serialized_bytes(value: ValueRef<'_>, dialect: Dialect) -> Option<usize> {
    let mut bytes = Vec::new();
    save::write(value, Target::of(value, dialect), &mut bytes).ok()?;
    Some(bytes.len())
}

/// A value as RESTORE takes it, written by a server of this dialect.
///
/// # Errors
/// It has no form in the version that was chosen.
pub fn payload_of(value: ValueRef<'_>, dialect: Dialect) -> Result<Vec<u8>, CommandError> {
    payload(value, Target::of(value, dialect))
}

/// A value with its type and footer.
fn payload(value: ValueRef<'_>, target: Target) -> Result<Vec<u8>, CommandError> {
    let mut payload = vec![save::type_of(value, target).map_err(unwritable)?];
    save::write(value, target, &mut payload).map_err(unwritable)?;
    finish_payload(&mut payload, target.version);
    Ok(payload)
}

/// What is told of a value that has no form in the version that was chosen.
pub(crate) fn unwritable(error: Unwritable) -> CommandError {
    CommandError::Other(format!("ERR {error}").into())
}

/// Puts version and checksum behind a payload.
pub(crate) fn finish_payload(payload: &mut Vec<u8>, version: u32) {
    let version = u16::try_from(version).unwrap_or(u16::MAX);
    payload.extend_from_slice(&version.to_le_bytes());
    payload.extend_from_slice(&rdb::checksum(payload).to_le_bytes());
}

/// RESTORE key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]
pub(crate) fn restore(
    context: &mut WriteContext<'_>,
    args: Args<'_>,
    reply: &mut Reply,
) -> Result<(), CommandError> {
    let (key, payload) = (args.get(0), args.get(2));
    let options = options(args.from(3))?;
    if !options.replace && context.db.contains(key) {
        return Err(BUSY_KEY);
    }
    let ttl = context.reads_as().integer(args.get(1)).ok_or(CommandError::NotInteger)?;
    if ttl < 0 {
        return Err(BAD_TTL);
    }
    let value = value(opened(payload, context.role, context.dialect)?, context.limits)?;
    if let ValueRef::Stream(stream) = value.view()
        && context.dialect.checks_counts_of_streams()
        && !has_counts_that_can_be(stream)
    {
        return Err(BAD_FORMAT);
    }
    let deadline = (ttl != 0).then(|| match options.absolute {
        true => UnixMillis(ttl),
        false => UnixMillis(ttl.saturating_add(context.clock.0)),
    });
    // A master deletes what is past its deadline already; a replica waits to be told.
    if let Some(past) = deadline.and_then(|deadline| context.past(deadline)) {
        if context.db.remove(key) {
            context.event(Wanted::GENERIC, "del", key);
        }
        past.stores_nothing();
    } else {
        context.db.edit(key, |slot| {
            let before = slot.kind();
            slot.put_used(value, deadline, options.usage);
            slot.event(Wanted::GENERIC, "restore");
            if let Some(kind) = slot.kind() {
                slot.note_replacing(before, kind);
            }
        });
    }
    reply.ok();
    Ok(())
}

fn options(args: Args<'_>) -> Result<Options, CommandError> {
    let mut options = Options::default();
    let mut at = 0;
    while at < args.len() {
        let value = args.opt(at + 1);
        let fresh = options.usage == Usage::default();
        if args.is_word(at, "replace") {
            options.replace = true;
        } else if args.is_word(at, "absttl") {
            options.absolute = true;
        } else if let (true, Some(value), true) = (args.is_word(at, "idletime"), value, fresh) {
            let seconds = number::parse_int(value).ok_or(CommandError::NotInteger)?;
            options.usage.idle_seconds = Some(u64::try_from(seconds).map_err(|_| BAD_IDLE_TIME)?);
            at += 1;
        } else if let (true, Some(value), true) = (args.is_word(at, "freq"), value, fresh) {
            let frequency = number::parse_int(value).ok_or(CommandError::NotInteger)?;
            options.usage.frequency = Some(u8::try_from(frequency).map_err(|_| BAD_FREQUENCY)?);
            at += 1;
        } else {
            return Err(CommandError::Syntax);
        }
        at += 1;
    }
    Ok(options)
}

/// What stands before the footer of a payload, and what the footer says of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opened<'p> {
    /// A value, or libraries of functions.
    pub(crate) body: &'p [u8],
    /// Whose numbers it uses.
    pub(crate) flavour: Flavour,
    /// The version of the format.
    pub(crate) version: u32,
}

/// Looks at the footer of a payload. What a master passes on need not have a checksum: it has looked at it.
///
/// # Errors
/// When it is not whole, or of a version that is not known.
pub(crate) fn opened(payload: &[u8], role: Role, dialect: Dialect) -> Result<Opened<'_>, CommandError> {
    let (body, footer) = payload
        .len()
        .checked_sub(FOOTER_BYTES)
        .and_then(|length| payload.split_at_checked(length))
        .ok_or(BAD_FOOTER)?;
    let (version, stored) = footer.split_first_chunk().ok_or(BAD_FOOTER)?;
    let stored = stored.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)).ok_or(BAD_FOOTER)?;
    let summed = payload.get(..body.len() + version.len()).unwrap_or_default();
    let needs_none = stored == 0 && (role == Role::Replica || dialect.takes_unsummed_payloads());
    if !needs_none && rdb::checksum(summed) != stored {
        return Err(BAD_FOOTER);
    }
    let version = u16::from_le_bytes(*version);
    let flavour = rdb::of_dump_version(version).map_err(|_| BAD_FOOTER)?;
    Ok(Opened { body, flavour, version: u32::from(version) })
}

/// The value in a payload.
fn value(Opened { body, flavour, version }: Opened<'_>, limits: &Limits) -> Result<Value, CommandError> {
    match decode(Decoder::payload(flavour, version), body, Rules::new(limits, flavour)) {
        Ok(Some(value)) => Ok(value),
        // No collection is empty.
        Ok(None) | Err(Wrong) => Err(BAD_FORMAT),
    }
}

/// Whether as many entries were added as there are, and no group has read more than that. A full sync takes what a
/// master has, whatever it is: one up to Redis 8.6 counts beyond the signed integers.
fn has_counts_that_can_be(stream: &Stream) -> bool {
    let (added, most) = (stream.entries_added(), i64::MAX.cast_unsigned());
    (stream.len() as u64..=most).contains(&added)
        && stream.groups().all(|(_, group)| group.entries_read.is_none_or(|read| read <= added))
}

/// Something in the payload is not as it should be.
struct Wrong;

impl From<rdb::RdbError> for Wrong {
    fn from(_: rdb::RdbError) -> Self {
        Wrong
    }
}

impl From<ConvertError> for Wrong {
    fn from(_: ConvertError) -> Self {
        Wrong
    }
}

/// All of a payload as a value.
fn decode(mut decoder: Decoder, body: &[u8], rules: Rules<'_>) -> Result<Option<Value>, Wrong> {
    let (mut rest, mut building, mut value) = (body, None, None);
    loop {
        let used = match decoder.next(rest)? {
            Step::Done if rest.is_empty() => return Ok(value),
            Step::Done | Step::More { .. } => return Err(Wrong),
            Step::Item { item, used } => {
                match (item, building.as_mut()) {
                    (Item::Whole { value: whole, .. }, _) => value = convert::whole(whole, rules)?,
                    (Item::Open { run, .. }, _) => building = Some(ValueBuilder::open(run, rules)?),
                    (Item::Close, Some(_)) => {
                        value = building.take().map(|done| done.finish(rules)).transpose()?.flatten();
                    }
                    (piece, Some(building)) => building.add(&piece, rules)?,
                    // What modules hung on the key stays behind: no module runs here.
                    (_, None) => {}
                }
                used
            }
        };
        rest = rest.get(used..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use storage::packed::Item;

    use crate::Dialect;
    use crate::testing::Session;

    fn payload(body: &[u8], version: u16) -> Vec<u8> {
        let mut payload = body.to_vec();
        payload.extend_from_slice(&version.to_le_bytes());
        payload.extend_from_slice(&rdb::checksum(&payload).to_le_bytes());
        payload
    }

    fn restore(session: &Session, ttl: &str, body: &[u8], version: u16, more: &[&str]) -> String {
        let payload = payload(body, version);
        let mut words: Vec<&[u8]> = vec![b"restore", b"k", ttl.as_bytes(), &payload];
        words.extend(more.iter().map(|word| word.as_bytes()));
        String::from_utf8_lossy(&session.run_words(&words)).replace("\r\n", "|")
    }

    /// The fields of the hash, and their values.
    fn fields(session: &Session) -> String {
        let reader = session.store.reader();
        let db = reader.db(session.index, session.now);
        let key = db.peek(b"k").unwrap();
        let text = |item: Item<'_>| String::from_utf8(item.to_vec()).unwrap();
        let fields = key.hash().unwrap().all().map(|field| text(field.name) + "=" + &text(field.value));
        fields.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_key_is_restored_with_its_deadline() {
        let session = Session::new();
        assert_eq!(restore(&session, "5000", b"\x00\x02hi", 9, &[]), "+OK|");
        assert_eq!((session.run("GET k"), session.run("PTTL k")), ("$2|hi|".into(), ":5000|".into()));
        assert_eq!(restore(&session, "0", b"\x00\xc0\x11", 80, &["REPLACE"]), "+OK|");
        assert_eq!((session.run("GET k"), session.run("PTTL k")), ("$2|17|".into(), ":-1|".into()));
        assert_eq!(
            restore(&session, "1700000009000", b"\x04\x01\x01a\x01b", 11, &["replace", "absttl"]),
            "+OK|"
        );
        assert_eq!((fields(&session), session.run("PTTL k")), ("a=b".into(), ":9000|".into()));
    }

    #[test]
    fn hash_templates_stand_in_the_payload() {
        let session = Session::new();
        let lists = b"\x1d\x00\x10\x10\0\0\0\x03\0\x81a\x02\x81b\x02\x81c\x02\xff\x12\x12\0\0\0\x04\0\x01\x01\x11\x01\x82w1\x03\xc1\x2c\x02\xff";
        assert_eq!(restore(&session, "0", lists, 15, &[]), "+OK|");
        assert_eq!(fields(&session), "a=17 b=w1 c=300");
        let names = b"\x1d\x01\x02\xc0\x11\x01o\x0e\x0e\0\0\0\x03\0\x04\x01\x07\x01\x81y\x02\xff";
        assert_eq!(restore(&session, "0", names, 15, &["replace"]), "+OK|");
        assert_eq!(fields(&session), "17=7 o=y");
        let strings = b"\x1f\x01\x02\xc0\x11\x01o\x01x\xc0\x05";
        assert_eq!(restore(&session, "0", strings, 15, &["replace"]), "+OK|");
        assert_eq!(fields(&session), "17=x o=5");
        let mixed = b"\x1f\x00\x10\x10\0\0\0\x03\0\x81a\x02\x81b\x02\x81c\x02\xff\x011\x012\x013";
        assert_eq!(restore(&session, "0", mixed, 15, &["replace"]), "+OK|");
        assert_eq!(fields(&session), "a=1 b=2 c=3");
        // A value is missing.
        assert_eq!(
            restore(&session, "0", &mixed[..mixed.len() - 2], 15, &["replace"]),
            "-ERR Bad data format|"
        );
    }

    /// A master of 8.10 passes HIMPORT SET on as such a payload, and the link stopped at it.
    #[test]
    fn a_checksum_of_zero_is_none_for_the_newest_servers() {
        let unsummed = [&b"\x00\x02hi\x09\x00"[..], &[0; 8]].concat();
        let words: [&[u8]; 5] = [b"restore", b"k", b"0", &unsummed, b"replace"];
        let mut session = Session::new();
        assert_eq!(session.run_words(&words), b"+OK\r\n");
        for old in [Dialect::redis(8, 2), Dialect::valkey(9, 1)] {
            session.dialect = old;
            assert_eq!(session.run_words(&words), b"-ERR DUMP payload version or checksum are wrong\r\n");
        }
        // Whoever passes it on has taken it.
        let mut replica = Session::replica();
        replica.dialect = Dialect::redis(8, 2);
        assert_eq!(replica.run_words(&words), b"+OK\r\n");
    }

    #[test]
    fn what_is_wrong_is_said_in_the_order_of_redis() {
        let session = Session::new();
        session.run("SET k v");
        assert_eq!(restore(&session, "x", b"", 1, &[]), "-BUSYKEY Target key name already exists.|");
        assert_eq!(
            restore(&session, "x", b"", 1, &["replace"]),
            "-ERR value is not an integer or out of range|"
        );
        assert_eq!(restore(&session, "-1", b"", 1, &["replace"]), "-ERR Invalid TTL value, must be >= 0|");
        let wrong = "-ERR DUMP payload version or checksum are wrong|";
        assert_eq!(
            session.run_words(&[b"restore", b"k", b"0", b"short", b"replace"]),
            wrong.replace('|', "\r\n").as_bytes()
        );
        assert_eq!(restore(&session, "0", b"\x00\x02hi", 16, &["replace"]), wrong);
        assert_eq!(restore(&session, "0", b"\x00\x02hi", 81, &["replace"]), wrong);
        for (body, version) in
            [(&b"\x00\x02h"[..], 9), (b"\x00\x02hi!", 9), (b"\x16\x00", 15), (b"\x04\x00", 9), (b"", 9)]
        {
            assert_eq!(restore(&session, "0", body, version, &["replace"]), "-ERR Bad data format|");
        }
        assert_eq!(
            restore(&session, "0", b"", 9, &["idletime", "-1"]),
            "-ERR Invalid IDLETIME value, must be >= 0|"
        );
        assert_eq!(
            restore(&session, "0", b"", 9, &["freq", "256"]),
            "-ERR Invalid FREQ value, must be >= 0 and <= 255|"
        );
        for words in [&["idletime", "1", "freq", "2"][..], &["freq"], &["what"]] {
            assert_eq!(restore(&session, "0", b"", 9, words), "-ERR syntax error|");
        }
        assert_eq!(session.run("GET k"), "$1|v|");
    }

    #[test]
    fn a_deadline_in_the_past_deletes_on_a_master_and_is_kept_by_a_replica() {
        let session = Session::new();
        session.run("SET k v");
        assert_eq!(restore(&session, "5", b"\x00\x02hi", 9, &["replace", "absttl"]), "+OK|");
        assert_eq!(session.run("EXISTS k"), ":0|");
        let replica = Session::replica();
        assert_eq!(restore(&replica, "5", b"\x00\x02hi", 9, &["absttl"]), "+OK|");
        assert_eq!((replica.run("GET k"), replica.run("PEXPIRETIME k")), ("$2|hi|".into(), ":5|".into()));
    }

    /// From redis-8.10, and from redis-8.6 and valkey-9.1, which take all of these.
    #[test]
    fn a_stream_is_restored_when_its_counts_can_be_true() {
        const NODE: &[u8] = b"\x15\x01\x10\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\xc3\x2c\x33\x07\
            \x33\x00\x00\x00\x14\x00\x02\x01\x40\x00\x07\x81\x61\x02\x00\x01\x02\x01\x00\x20\x01\x05\x81\x62\x02\x04\x01\
            \x03\x20\x08\x20\x15\x40\x0a\x40\x15\x00\x02\x60\x0a\x01\x01\xff";
        let length = |count: u64| [&[0x81][..], &count.to_be_bytes()].concat();
        // Two entries, the last ID, the first, and the highest that was deleted.
        let stream =
            |added, groups: &[u8]| [NODE, b"\x02\x05\x00\x01\x01\x01\x02", &length(added), groups].concat();
        let group = |read| [b"\x01\x01g\x01\x01", &length(read)[..], b"\x00\x00"].concat();
        let highest = i64::MAX.cast_unsigned();
        let mut bodies = vec![];
        for added in [2, 3, highest] {
            bodies.push((stream(added, b"\x00"), true));
        }
        for added in [0, 1, highest + 1, u64::MAX] {
            bodies.push((stream(added, b"\x00"), false));
        }
        for (read, can_be) in [(0, true), (9, true), (u64::MAX, true), (10, false), (u64::MAX - 1, false)] {
            bodies.push((stream(9, &group(read)), can_be));
        }
        for dialect in [Dialect::NEWEST, Dialect::redis(8, 6), Dialect::valkey(9, 1)] {
            let session = Session { dialect, ..Session::new() };
            for (body, can_be) in &bodies {
                let is_taken = *can_be || dialect != Dialect::NEWEST;
                let answer = if is_taken { "+OK|" } else { "-ERR Bad data format|" };
                assert_eq!(restore(&session, "0", body, 11, &["replace"]), answer, "{dialect:?} {body:x?}");
            }
            if dialect != Dialect::NEWEST {
                assert!(session.run("XINFO GROUPS k").contains("$12|entries-read|:-2|"));
            }
        }
    }

    #[test]
    fn use_is_restored() {
        let session = Session::new();
        assert_eq!(restore(&session, "0", b"\x00\x02hi", 9, &["idletime", "1000"]), "+OK|");
        let reader = session.store.reader();
        let db = reader.db(session.index, session.now);
        assert!(db.idle_seconds(&db.peek(b"k").unwrap()) >= 1000);
    }
}
