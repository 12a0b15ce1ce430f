//! The stream into the store: units whole, positions exact, whatever the pieces it arrives in.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test's helpers

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use protocol::Request;
use replication::{Applier, DivergenceKind, ErrorCode, Meter, Pace, Position, PositionCell, ReplId, Stopped};
use storage::{DbIndex, Limits, Store, StoreConfig, UnixMillis};

/// A clock that moves by a microsecond each time it is asked.
struct Ticking(Cell<Instant>);

impl Pace for Ticking {
    fn now(&self) -> Instant {
        self.0.set(self.0.get() + Duration::from_micros(1));
        self.0.get()
    }
    fn pause(&self, time: Duration) {
        self.0.set(self.0.get() + time);
    }
}

#[allow(clippy::disallowed_methods)]
fn clock() -> Ticking {
    Ticking(Cell::new(Instant::now()))
}

const RECEIVED: UnixMillis = UnixMillis(1_700_000_000_000);
const BEGIN: u64 = 1000;

/// A store that follows a stream.
struct Replica {
    store: Store,
    applier: Applier,
    position: PositionCell,
    pace: Ticking,
}

impl Replica {
    fn new(ignores: bool) -> Self {
        let store = Store::new(StoreConfig { databases: 4, hash_key: [1, 2], limits: Limits::default() });
        let position = PositionCell::new(ReplId::from_random([0; 20]));
        let at = Position { replid: ReplId::from_random([7; 20]), offset: BEGIN, db: DbIndex(0) };
        position.set(at);
        let mut applier = Applier::new(store.clone(), ignores);
        applier.begin(at, commands::Dialect::NEWEST);
        Replica { store, applier, position, pace: clock() }
    }

    fn feed(&mut self, bytes: &[u8]) -> Result<replication::Applied, Stopped> {
        self.feed_after(0, bytes)
    }

    /// So many milliseconds after the first.
    fn feed_after(&mut self, millis: i64, bytes: &[u8]) -> Result<replication::Applied, Stopped> {
        self.applier.feed(bytes, UnixMillis(RECEIVED.0 + millis), &self.position, &self.pace)
    }

    fn text(&self, db: u32, key: &str) -> Option<String> {
        let reader = self.store.reader();
        let found = reader.db(DbIndex(db), UnixMillis::NOTHING_EXPIRED);
        let found = found.get(key.as_bytes())?;
        Some(String::from_utf8(found.text().unwrap().to_vec()).unwrap())
    }

    fn offset(&self) -> u64 {
        self.position.offset() - BEGIN
    }

    /// All strings there are, and where the stream stands.
    fn state(&self) -> (Vec<String>, Position) {
        let mut all = Vec::new();
        for db in 0..4 {
            let reader = self.store.reader();
            reader.db(DbIndex(db), UnixMillis::NOTHING_EXPIRED).for_each(|key, entry| {
                let value = entry.value().text().map(|text| text.to_vec()).unwrap_or_default();
                all.push(format!(
                    "{db} {} {} {:?}",
                    key.escape_ascii(),
                    value.escape_ascii(),
                    entry.deadline()
                ));
            });
        }
        all.sort();
        (all, self.position.get())
    }
}

/// Lines of commands as a master sends them.
fn wire(lines: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split(' ').collect();
        bytes.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
        }
    }
    bytes
}

fn diverged(result: Result<replication::Applied, Stopped>) -> replication::Divergence {
    match result {
        Err(Stopped::Diverged(divergence)) => divergence,
        other => panic!("{other:?}"),
    }
}

const STREAM: &str = "
    SELECT 0
    SET a 1
    PING
    INCR a
    MULTI
    SET b x
    SELECT 2
    SET c y
    INCR n
    EXEC
    INCR n
    SET gone soon PX 5000
    MULTI
    INCR n
    EXEC
    REPLCONF GETACK *
    SELECT 1
    DEL a b
    SET d z
    PUBLISH channel message
";

/// Notes what it is told.
#[derive(Debug, Default)]
struct Noted {
    is_on: AtomicBool,
    told: Mutex<Vec<(String, usize, Duration)>>,
}

impl Meter for Noted {
    fn is_on(&self) -> bool {
        self.is_on.load(Relaxed)
    }
    fn ran(&self, _: &'static commands::Command, request: Request<'_>, bytes: usize, time: Duration) {
        let words: Vec<_> = request.words().map(|word| String::from_utf8_lossy(word)).collect();
        self.told.lock().unwrap().push((words.join(" "), bytes, time));
    }
}

#[test]
fn a_meter_is_told_what_each_request_with_keys_cost() {
    let meter = Arc::new(Noted::default());
    let mut replica = Replica::new(false);
    replica.applier = replica.applier.with_meter(Arc::clone(&meter) as Arc<dyn Meter>);
    replica.feed(&wire(STREAM)).unwrap();
    assert!(meter.told.lock().unwrap().is_empty(), "it is off");
    meter.is_on.store(true, Relaxed);
    replica.feed(&wire(STREAM)).unwrap();
    let told = std::mem::take(&mut *meter.told.lock().unwrap());
    let exec = wire("EXEC").len();
    let of = |line: &str| (line.to_owned(), wire(line).len());
    let by_exec = |line: &str| (line.to_owned(), exec);
    let expected = [
        of("SET a 1"),
        of("INCR a"),
        by_exec("SET b x"),
        by_exec("SET c y"),
        by_exec("INCR n"),
        of("INCR n"),
        of("SET gone soon PX 5000"),
        by_exec("INCR n"),
        of("DEL a b"),
        of("SET d z"),
    ];
    let seen: Vec<_> = told.iter().map(|(line, bytes, _)| (line.clone(), *bytes)).collect();
    assert_eq!(seen, expected);
    // The clock goes on with each look: each was looked at by itself, and those of a transaction share alike.
    assert!(told.iter().all(|(_, _, time)| !time.is_zero()), "{told:?}");
    assert_eq!(told[2].2, told[3].2);
}

#[test]
fn any_split_leaves_the_same_data_and_position() {
    let bytes = wire(STREAM);
    let whole = {
        let mut replica = Replica::new(false);
        replica.feed(&bytes).unwrap();
        replica.state()
    };
    assert_eq!(whole.1.offset, BEGIN + bytes.len() as u64);
    assert_eq!(whole.1.db, DbIndex(1));
    assert!(whole.0.contains(&format!("2 gone soon {:?}", Some(UnixMillis(RECEIVED.0 + 5000)))));
    assert!(whole.0.contains(&"2 n 3 None".to_owned()), "{:?}", whole.0);
    for cut in 0..=bytes.len() {
        let mut replica = Replica::new(false);
        replica.feed(&bytes[..cut]).unwrap();
        replica.feed(&bytes[cut..]).unwrap();
        assert_eq!(replica.state(), whole, "cut at {cut}");
    }
    let mut replica = Replica::new(false);
    for byte in &bytes {
        replica.feed(&[*byte]).unwrap();
    }
    assert_eq!(replica.state(), whole, "byte by byte");
}

#[test]
fn a_stream_cut_anywhere_goes_on_from_its_position() {
    let bytes = wire(STREAM);
    let mut whole = Replica::new(false);
    whole.feed(&bytes).unwrap();
    for cut in 0..=bytes.len() {
        let mut replica = Replica::new(false);
        replica.feed(&bytes[..cut]).unwrap();
        // What is not applied is forgotten, and asked for again.
        let at = replica.position.get();
        replica.applier.begin(at, commands::Dialect::NEWEST);
        replica.feed(&bytes[(at.offset - BEGIN) as usize..]).unwrap();
        assert_eq!(replica.state(), whole.state(), "cut at {cut}");
    }
}

#[test]
fn the_position_never_rests_inside_a_multi() {
    let bytes = wire("SET a 1\nMULTI\nSET a 2\nSET a 3\nEXEC\nSET b 1");
    let starts = wire("SET a 1").len() as u64;
    let ends = wire("SET a 1\nMULTI\nSET a 2\nSET a 3\nEXEC").len() as u64;
    let mut replica = Replica::new(false);
    for byte in &bytes {
        replica.feed(&[*byte]).unwrap();
        let at = replica.offset();
        assert!(at <= starts || at >= ends, "it rests at {at}");
        assert_eq!(replica.text(0, "a").as_deref() == Some("1"), (starts..ends).contains(&at));
    }
}

#[test]
fn a_question_for_an_ack_is_answered_with_what_is_applied() {
    let mut replica = Replica::new(false);
    let bytes = wire("SET a 1\nREPLCONF GETACK *");
    let (question, last) = bytes.split_at(bytes.len() - 1);
    assert!(!replica.feed(question).unwrap().ack_wanted);
    assert!(replica.feed(last).unwrap().ack_wanted);
    assert_eq!(replica.offset(), bytes.len() as u64);
}

#[test]
fn an_unknown_command_ends_the_stream_before_its_unit() {
    let good = wire("SET a 1\nSELECT 3\nSET a 2");
    for unit in ["JSON.SET doc $ 1", "MULTI\nSET a 9\nJSON.SET doc $ 1\nEXEC", "GRAPH.QUERY x 0"] {
        let mut replica = Replica::new(false);
        let bytes = [good.clone(), wire(unit), wire("SET a 8")].concat();
        let divergence = diverged(replica.feed(&bytes));
        assert_eq!(divergence.kind, DivergenceKind::Unknown);
        assert_eq!(divergence.offset, BEGIN + good.len() as u64);
        assert_eq!(replica.offset(), good.len() as u64, "{unit}");
        assert_eq!(replica.text(3, "a").as_deref(), Some("2"));
        assert_eq!(replica.position.get().db, DbIndex(3));
    }
}

#[test]
fn an_error_ends_the_stream_before_its_unit_and_says_where() {
    let good = wire("SET text x\nRPUSH list 1 2\nSET gone 1");
    let units = [
        "LPUSH text 1",
        "MULTI\nSET text y\nDEL gone\nSET new 1\nRPUSH list 3\nLPUSH text 1\nEXEC",
        "MULTI\nSELECT 1\nSET text y\nSELECT 0\nINCR text\nEXEC",
    ];
    for unit in units {
        let mut replica = Replica::new(false);
        replica.feed(&good).unwrap();
        let before = replica.state();
        let divergence = diverged(replica.feed(&[wire(unit), wire("SET text 8")].concat()));
        assert_eq!(divergence.kind, DivergenceKind::Failed);
        assert_eq!(divergence.key.as_deref(), Some(&b"text"[..]));
        assert!(!divergence.answer.is_empty());
        assert_eq!(replica.state(), before, "{unit}");
    }
}

#[test]
fn what_is_to_be_ignored_is_passed_over_and_named() {
    let mut replica = Replica::new(true);
    let bytes =
        wire("SET text x\nLPUSH text 1\nNO.SUCH k\nMULTI\nSET a 1\nINCR text\nSET b 1\nEXEC\nSET c 1");
    let applied = replica.feed(&bytes).unwrap();
    let names: Vec<_> = applied.passed_over.iter().map(|passed| passed.command.as_str()).collect();
    assert_eq!(names, ["lpush", "no.such", "incr"]);
    assert_eq!(replica.offset(), bytes.len() as u64);
    for key in ["a", "b", "c"] {
        assert_eq!(replica.text(0, key).as_deref(), Some("1"));
    }
    // A database that is not there cannot be passed over: what follows would land in another.
    assert_eq!(diverged(replica.feed(&wire("SELECT 99\nSET a 2"))).command, "select");
    assert_eq!(replica.text(0, "a").as_deref(), Some("1"));
}

#[test]
fn what_is_no_request_ends_the_stream() {
    let mut replica = Replica::new(false);
    let good = wire("SET a 1");
    match replica.feed(&[&good, &b"+OK\r\n"[..]].concat()) {
        Err(Stopped::OutOfStep(error)) => assert_eq!(error.code, ErrorCode::BadStream),
        other => panic!("{other:?}"),
    }
    assert_eq!(replica.offset(), good.len() as u64);
    assert_eq!(replica.text(0, "a").as_deref(), Some("1"));
}

/// What is wrong behind the beginning of a unit can never make it whole: that is told at once, and not waited for.
#[test]
fn what_can_never_be_whole_is_not_waited_for() {
    for (bytes, offset) in [
        ([&wire("SET a 1\nMULTI\nSET a 2")[..], b"+OK\r\n"].concat(), 1),
        ([&wire("SET a 1\nMULTI\nSET a 2")[..], b"*2\r\n$x\r\n"].concat(), 1),
        ([&wire("SET a 1")[..], b"*1\r\n$9223372036854775807\r\n"].concat(), 1),
        ([&wire("SET a 1\nMULTI")[..], b"*2\r\n$3\r\nSET\r\n$8589934593\r\n"].concat(), 1),
        ([&wire("MULTI\nSET a 2")[..], b"*x\r\n"].concat(), 0),
    ] {
        let bytes: Vec<u8> = bytes;
        let mut replica = Replica::new(false);
        match replica.feed(&bytes) {
            Err(Stopped::OutOfStep(error)) => assert_eq!(error.code, ErrorCode::BadStream, "{error:?}"),
            other => panic!("{:?}: {other:?}", bytes.escape_ascii().to_string()),
        }
        assert_eq!(replica.offset(), offset * wire("SET a 1").len() as u64);
        assert_eq!(replica.text(0, "a").as_deref(), (offset == 1).then_some("1"));
    }
}

/// A real master refuses these; one that does not must not end the process.
#[test]
fn a_string_for_which_there_is_no_room_is_told() {
    for line in ["SETRANGE a 4611686018427387904 x", "SETRANGE a 9223372036854775806 x"] {
        let mut replica = Replica::new(false);
        replica.feed(&wire("SET a 1")).unwrap();
        assert_eq!(diverged(replica.feed(&wire(line))).command, "setrange");
        assert_eq!(replica.text(0, "a").as_deref(), Some("1"));
    }
}

/// MULTI and EXEC with words too many are wrong, and begin and end what they would.
#[test]
fn a_unit_that_is_wrong_at_its_ends_is_told() {
    for (lines, command) in [
        ("MULTI\nEXEC x\nSET b 1", "exec"),
        ("MULTI\nSET a 2\nEXEC x\nSET b 1\nMULTI\nSET c 1\nEXEC", "exec"),
        ("MULTI x\nSET a 2\nEXEC", "multi"),
        ("MULTI x\nSET a 2", "multi"),
    ] {
        for before in ["", "SET a 1\n"] {
            let mut replica = Replica::new(false);
            assert_eq!(diverged(replica.feed(&wire(&format!("{before}{lines}")))).command, command);
            assert_eq!(replica.text(0, "a").as_deref(), (!before.is_empty()).then_some("1"), "{lines}");
            assert_eq!(replica.text(0, "b"), None);
        }
    }
}

#[test]
fn a_transaction_longer_than_a_batch_is_one_unit() {
    let mut lines = String::from("MULTI\n");
    for number in 0..1000 {
        lines.push_str(&format!("SET key{number} {number}\n"));
    }
    let bytes = wire(&(lines + "EXEC"));
    let mut replica = Replica::new(false);
    for piece in bytes[..bytes.len() - 1].chunks(777) {
        replica.feed(piece).unwrap();
        assert_eq!(replica.offset(), 0);
        assert_eq!(replica.text(0, "key0"), None);
    }
    replica.feed(&bytes[bytes.len() - 1..]).unwrap();
    assert_eq!(replica.offset(), bytes.len() as u64);
    assert_eq!(replica.text(0, "key999").as_deref(), Some("999"));
}

#[test]
fn a_relative_deadline_counts_from_the_moment_of_receipt() {
    let mut replica = Replica::new(false);
    replica
        .feed(&wire("SET a 1 PX 5000\nSETEX b 5 1\nSET c 1\nEXPIRE c 5\nSET d 1\nPEXPIRE d 5000"))
        .unwrap();
    let reader = replica.store.reader();
    for key in [b"a", b"b", b"c", b"d"] {
        let db = reader.db(DbIndex(0), UnixMillis::NOTHING_EXPIRED);
        let deadline = db.get(key).unwrap().deadline();
        assert_eq!(deadline, Some(UnixMillis(RECEIVED.0 + 5000)), "{}", key.escape_ascii());
    }
}

#[test]
fn applied_commands_are_counted_by_name() {
    let mut replica = Replica::new(false);
    let tally = replica.applier.tally();
    replica.feed(&wire("SET a 1\nset b 1\nMULTI\nINCR a\nDEL b\nEXEC\nPING\nINCR a")).unwrap();
    let mut applied: Vec<_> = tally.applied().map(|(command, count)| (command.name, count)).collect();
    applied.sort_unstable();
    assert_eq!(applied, [("del", 1), ("incr", 2), ("set", 2)]);
    let counts = tally.look();
    for (name, expected) in [("multi", 1), ("exec", 1), ("ping", 1), ("set", 2), ("get", 0)] {
        let place = commands::table::COMMANDS.iter().position(|command| command.name == name).unwrap();
        assert_eq!(counts[place].calls, expected, "{name}");
    }
    replica.feed(&wire("REPLCONF GETACK *")).unwrap();
    assert_eq!(tally.requests(), 9);
}

fn with_scripts(ignores: bool) -> Replica {
    use scripting::{Engine, Identity, Pulse};
    #[allow(clippy::disallowed_methods)] // A stand-in for the server's clock.
    let pulse = std::sync::Arc::new(Pulse::new(Instant::now));
    let identity = Identity { version: "7.2.4".into(), valkey: None };
    let engine = std::sync::Arc::new(parking_lot::Mutex::new(Engine::new(identity, pulse)));
    let mut replica = Replica::new(ignores);
    let applier = Applier::new(replica.store.clone(), ignores);
    replica.applier = applier.with_scripts(replication::Scripts { engine, log: |_, _| {} });
    replica.applier.begin(replica.position.get(), commands::Dialect::redis(5, 0));
    replica
}

/// A request of these words.
fn request(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    words.iter().for_each(|word| bytes.extend(format!("${}\r\n{word}\r\n", word.len()).into_bytes()));
    bytes
}

#[test]
fn scripts_of_old_masters_run_as_they_ran_there() {
    let mut replica = with_scripts(false);
    let script = "redis.call('set', KEYS[1], ARGV[1]) return redis.call('incrby', KEYS[2], ARGV[2])";
    replica.feed(&request(&["EVAL", script, "2", "a", "n", "x", "5"])).unwrap();
    assert_eq!((replica.text(0, "a"), replica.text(0, "n")), (Some("x".into()), Some("5".into())));
    let digest = {
        use sha1::Digest;
        sha1::Sha1::digest(script).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    replica.feed(&request(&["EVALSHA", &digest, "2", "a", "n", "y", "2"])).unwrap();
    assert_eq!((replica.text(0, "a"), replica.text(0, "n")), (Some("y".into()), Some("7".into())));
    // In a transaction, and in the database that the script selects.
    let mut unit = request(&["MULTI"]);
    unit.extend(request(&[
        "EVAL",
        "redis.call('select', 1) redis.call('set', 'b', redis.call('time')[1])",
        "0",
    ]));
    unit.extend(request(&["SET", "c", "1"]));
    unit.extend(request(&["EXEC"]));
    replica.feed(&unit).unwrap();
    assert_eq!((replica.text(1, "b"), replica.text(0, "c")), (Some("1700000000".into()), Some("1".into())));
    // An error after a write is what the master's script ended with too.
    let failing = "redis.call('set', 'd', 1) redis.call('lpush', 'd', 1)";
    replica.feed(&request(&["EVAL", failing, "0"])).unwrap();
    assert_eq!(replica.text(0, "d"), Some("1".into()));
    replica.feed(&request(&["SCRIPT", "LOAD", "redis.call('set', 'e', 1)"])).unwrap();
    let loaded = {
        use sha1::Digest;
        sha1::Sha1::digest("redis.call('set', 'e', 1)")
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    replica.feed(&request(&["EVALSHA", &loaded, "0"])).unwrap();
    assert_eq!(replica.text(0, "e"), Some("1".into()));
    replica.feed(&request(&["SCRIPT", "FLUSH"])).unwrap();
    let at = replica.position.get();
    let divergence = diverged(replica.feed(&request(&["EVALSHA", &digest, "2", "a", "n", "z", "1"])));
    assert_eq!((divergence.kind, divergence.command.as_str()), (DivergenceKind::Failed, "evalsha"));
    assert!(divergence.answer.starts_with("NOSCRIPT"), "{}", divergence.answer);
    assert_eq!(replica.position.get(), at);
}

/// The script's writes before the command that nobody knows, and what the unit did before the script, are taken back.
#[test]
fn a_script_that_cannot_be_followed_leaves_no_trace() {
    for script in [
        "redis.call('set', 'a', 2) redis.call('del', 'b') redis.call('rename', 'c', 'd') redis.call('module.call')",
        "redis.call('set', 'a', 2) redis.pcall('lpush', 'a', 1) redis.call('lpush', 'e', 'x') redis.pcall('nope') error('x')",
        "return redis.call('lpush', 'a', 1)",
    ] {
        let mut replica = with_scripts(false);
        replica.feed(&wire("SET a 1\nSET c 3\nSET b 4")).unwrap();
        let before = replica.state();
        let mut unit = request(&["MULTI"]);
        unit.extend(request(&["SET", "a", "0"]));
        unit.extend(request(&["EVAL", script, "0"]));
        unit.extend(request(&["EXEC"]));
        let divergence = diverged(replica.feed(&unit));
        assert_eq!(divergence.command, "eval", "{script}");
        assert_eq!(replica.state(), before, "{script}");
    }
}

/// Of those of its fields that were past their deadline at the master HPERSIST does not say, but that there was one that
/// was not. Right after a stream began it may have waited for us, and then nothing is taken for past.
#[test]
fn hpersist_leaves_fields_alone_that_were_gone() {
    let (near, far) = (RECEIVED.0 + 10, RECEIVED.0 + 100_000);
    let persisted = |replica: &Replica, key: &str| {
        let reader = replica.store.reader();
        let found = reader.db(DbIndex(0), UnixMillis::NOTHING_EXPIRED);
        let found = found.get(key.as_bytes()).unwrap();
        let hash = found.hash().unwrap();
        let is_free = |name: &[u8]| {
            hash.field(name, UnixMillis::NOTHING_EXPIRED).is_some_and(|field| field.deadline.is_none())
        };
        [is_free(b"a"), is_free(b"b")]
    };
    let stream = |key: &str, fields: &str| {
        let lines = [
            format!("HSET {key} a 1 b 2"),
            format!("HPEXPIREAT {key} {near} FIELDS 1 a"),
            format!("HPEXPIREAT {key} {far} FIELDS 1 b"),
            format!("HPERSIST {key} FIELDS {fields}"),
        ];
        wire(&lines.join("\n"))
    };
    let mut replica = Replica::new(false);
    replica.feed_after(0, &stream("behind", "2 a b")).unwrap();
    assert_eq!(persisted(&replica, "behind"), [true, true]);
    replica.feed_after(5_000, &stream("both", "2 a b")).unwrap();
    assert_eq!(persisted(&replica, "both"), [false, true]);
    replica.feed_after(5_000, &stream("one", "1 a")).unwrap();
    assert_eq!(persisted(&replica, "one"), [true, false]);
    replica.feed_after(5_000, &stream("again", "3 a a nosuch")).unwrap();
    assert_eq!(persisted(&replica, "again"), [true, false]);
}
