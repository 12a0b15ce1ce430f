//! SAVE and BGSAVE: a real server that loads the file has the same data, down to what no digest sees; what is written
//! while BGSAVE runs is not in its file.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::harness::walk::{self, Depth};
use crate::harness::workload::{self, Workload};
use crate::harness::{Client, Frame, Master, Node, Random, tiered, wait_for};

const STARTED: &str = "Background saving started";

/// So many keys take some dozen steps to be saved.
const MANY: &str = "60000";

/// How many seconds two others, in turns, keep the token between two steps of a save.
const BETWEEN_STEPS: &str = "0.02";

/// The same where a full resync is to come between, however busy the machine is: together far longer than that takes.
const MORE: &str = "300000";
const LONG_BETWEEN_STEPS: &str = "1";

/// How often a save is begun, at most, until something comes while it runs.
const TRIES_MAX: usize = 10;

/// Makes a save in the background last: it gets one step between two sleeps that keep all from the data.
struct Brake {
    is_off: Arc<AtomicBool>,
    sleepers: Vec<thread::JoinHandle<()>>,
}

impl Brake {
    fn on(node: &Node) -> Brake {
        Brake::with(node, BETWEEN_STEPS)
    }

    fn with(node: &Node, between_steps: &'static str) -> Brake {
        let is_off = Arc::new(AtomicBool::new(false));
        let mut sleepers = Vec::new();
        for mut client in [node.client(), node.client()] {
            let awake = Arc::new(AtomicUsize::new(0));
            let (off, times) = (Arc::clone(&is_off), Arc::clone(&awake));
            sleepers.push(thread::spawn(move || {
                // The node may end meanwhile.
                while !off.load(Ordering::Relaxed)
                    && client.try_ask(&["DEBUG", "SLEEP", between_steps]).is_ok()
                {
                    times.fetch_add(1, Ordering::Relaxed);
                }
            }));
            wait_for("the sleeper", || (awake.load(Ordering::Relaxed) > 0).then_some(()));
        }
        Brake { is_off, sleepers }
    }
}

impl Drop for Brake {
    fn drop(&mut self) {
        self.is_off.store(true, Ordering::Relaxed);
        self.sleepers.drain(..).for_each(|sleeper| drop(sleeper.join()));
    }
}

/// A field of INFO persistence.
fn told(client: &mut Client, field: &str) -> String {
    client.info("persistence", field).unwrap_or_else(|| panic!("{field}"))
}

fn wait_for_the_save(client: &mut Client) {
    wait_for("the end of the save", || (told(client, "rdb_bgsave_in_progress") == "0").then_some(()));
}

/// A server of this name with the data of the node's file, which drops nothing that has expired.
fn loaded(name: &str, node: &Node) -> Master {
    // As a replica of nobody who answers: a master drops what has expired when it loads.
    let file = node.dir().join("dump.rdb");
    let loaded = Master::start_from(name, &["--replicaof", "127.0.0.1", "1"], &file);
    let loaded = loaded.expect("it was there a moment ago");
    loaded.client().ask(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    loaded
}

fn unfinished_files(node: &Node) -> Vec<String> {
    let files = fs::read_dir(node.dir()).expect("the folder");
    let names = files.map(|file| file.expect("a file").file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("temp-")).collect()
}

/// A replica of this server saves; another server of its kind loads the file, and nothing may differ.
fn is_loaded(name: &str) {
    is_loaded_of_version(name, "auto", "");
}

/// The same, with a file of this version, which begins so.
fn is_loaded_of_version(name: &str, version: &str, header: &str) {
    let master = master_or_skip!(name);
    let node = Node::replica_of(&master);
    let mut workload = Workload::new(&master, Random::from_env(20_261_122));
    let mut theirs = master.client();
    workload.run(&mut theirs, tiered(4_000, 60_000));
    workload.settle(&master);
    theirs.ask(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    workload::delete_minus_zeros(&mut master.client());
    node.wait_caught_up(&master);

    let mut ours = node.client();
    node.set("rdb-version", version);
    let before = ours.info("persistence", "rdb_saves").expect("rdb_saves");
    assert_eq!(ours.line("SAVE"), Frame::Simple("OK".into()), "{}", node.log());
    assert_eq!(before, "0");
    assert_eq!(ours.info("persistence", "rdb_saves").as_deref(), Some("1"));

    let file = fs::read(node.dir().join("dump.rdb")).expect("the file");
    assert!(file.starts_with(header.as_bytes()), "{:?}", file[..9].escape_ascii().to_string());

    let loaded = loaded(name, &node);
    let mut there = loaded.client();
    let depth = Depth { loaded: walk::Loaded::Theirs, ..Depth::of(master.version(), master.is_valkey()) };
    let differences = walk::differences(&mut ours, &mut there, 3, depth);
    assert!(differences.is_empty(), "{name}: differs\n{}\n{}", differences.join("\n"), node.log());
    assert_eq!(there.line("DEBUG DIGEST"), ours.line("DEBUG DIGEST"), "{name}: DEBUG DIGEST");
}

/// The master's stream goes on while a replica of it saves: the file has what was there when it was asked for. (Where the
/// machine gave the brake no turn the save was over before anything came, and is tried again.)
fn is_of_one_moment(name: &str) {
    let master = master_or_skip!(name);
    let node = Node::replica_of(&master);
    let mut workload = Workload::new(&master, Random::from_env(20_261_123));
    let mut theirs = master.client();
    theirs.ask(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    let mut ours = node.client();
    for _ in 0..TRIES_MAX {
        theirs.ask(&["DEBUG", "POPULATE", MANY]);
        workload.run(&mut theirs, 3_000);
        workload.settle(&master);
        workload::delete_minus_zeros(&mut master.client());
        node.wait_caught_up(&master);

        let digest = ours.line("DEBUG DIGEST");
        let brake = Brake::on(&node);
        assert_eq!(ours.line("BGSAVE").text(), STARTED);
        // Whole databases change places and go, too.
        workload.run(&mut theirs, 500);
        theirs.line("SWAPDB 0 1");
        workload.run(&mut theirs, 200);
        theirs.line("MULTI");
        theirs.line("FLUSHALL");
        theirs.line("SET after flush");
        theirs.line("EXEC");
        workload.run(&mut theirs, 500);
        node.wait_caught_up(&master);
        drop(brake);
        wait_for_the_save(&mut ours);
        assert_eq!(told(&mut ours, "rdb_last_bgsave_status"), "ok", "{}", node.log());
        assert_ne!(ours.line("DEBUG DIGEST"), digest);
        let loaded = loaded(name, &node);
        assert_eq!(loaded.client().line("DEBUG DIGEST"), digest, "{name}: {}", node.log());

        let preserved: u64 = told(&mut ours, "rdb_last_cow_size").parse().expect("a number");
        if preserved > 0 {
            return;
        }
    }
    panic!("nothing was ever written meanwhile");
}

#[test]
fn what_comes_from_redis_meanwhile_is_not_in_the_file() {
    is_of_one_moment("redis-8.10");
}

#[test]
fn what_comes_from_valkey_meanwhile_is_not_in_the_file() {
    is_of_one_moment("valkey-9.1");
}

/// Accounts, and what each has.
const ACCOUNTS: u64 = 2_000;
const BALANCE: u64 = 100;

/// The sum of all accounts, in both databases where they may be.
const SUM: &str = "local sum = 0
    for db = 0, 1 do
        redis.call('SELECT', db)
        for _, key in ipairs(redis.call('KEYS', 'account:*')) do sum = sum + redis.call('GET', key) end
    end
    return sum";

#[test]
fn a_transaction_is_in_the_file_whole_or_not_at_all() {
    if Master::start("redis-8.10", &[]).is_none() {
        return;
    }
    let node = Node::start(&[]);
    let mut client = node.client();
    let accounts =
        |number: u64| vec![b"SET".to_vec(), format!("account:{number}").into(), BALANCE.to_string().into()];
    client.pipeline(&(0..ACCOUNTS).map(accounts).collect::<Vec<_>>());
    client.ask(&["DEBUG", "POPULATE", MANY]);
    let is_over = AtomicBool::new(false);
    /// Ends the writers however the test ends.
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    thread::scope(|scope| {
        let _over = Over(&is_over);
        for seed in 1..=2 {
            let (is_over, mut writer) = (&is_over, node.client());
            scope.spawn(move || {
                let mut random = Random::new(seed);
                while !is_over.load(Ordering::Relaxed) {
                    let [from, to] = [(); 2].map(|()| format!("account:{}", random.below(ACCOUNTS)));
                    // In whichever database they are: those of a database go together.
                    let both = if random.one_in(50) { vec!["SWAPDB", "0", "1"] } else { vec!["PING"] };
                    let script = "if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('SELECT', 1) end
                        redis.call('DECR', KEYS[1]) redis.call('INCR', KEYS[2])";
                    writer.ask(&["EVAL", script, "2", &from, &to]);
                    writer.ask(&both);
                }
            });
        }
        let mut preserved = 0;
        for _ in 0..3 {
            assert_eq!(client.line("BGSAVE").text(), STARTED);
            let brake = Brake::on(&node);
            wait_for_the_save(&mut client);
            drop(brake);
            assert_eq!(told(&mut client, "rdb_last_bgsave_status"), "ok", "{}", node.log());
            preserved += told(&mut client, "rdb_last_cow_size").parse::<u64>().expect("a number");
            let loaded = loaded("redis-8.10", &node);
            assert_eq!(loaded.client().ask(&["EVAL_RO", SUM, "0"]).int(), (ACCOUNTS * BALANCE) as i64);
        }
        assert!(preserved > 0, "nobody ever wrote meanwhile");
    });
}

#[test]
fn one_save_at_a_time_and_the_end_leaves_no_half_of_one() {
    let mut node = Node::start(&[]);
    let mut client = node.client();
    client.ask(&["DEBUG", "POPULATE", MANY]);
    let total = client.line("DBSIZE").int().to_string();
    let brake = Brake::on(&node);
    assert_eq!(client.line("BGSAVE").text(), STARTED);
    for words in [&["BGSAVE"][..], &["BGSAVE", "SCHEDULE"], &["SAVE"]] {
        assert_eq!(client.ask(words).text(), "ERR Background save already in progress", "{words:?}");
    }
    assert_eq!(told(&mut client, "current_save_keys_total"), total);
    assert!(!unfinished_files(&node).is_empty());
    // It ends at once, and another is written whole.
    client.send_raw(b"SHUTDOWN SAVE\r\n");
    wait_for("the end", || Client::try_connect(node.port).is_err().then_some(()));
    wait_for("the file", || unfinished_files(&node).is_empty().then_some(()));
    let before = fs::read(node.dir().join("dump.rdb")).expect("a file");
    assert!(before.len() > 1_000_000, "{}", before.len());
    drop(brake);

    // In a transaction it begins when that is over.
    node.restart();
    let mut client = node.client();
    client.ask(&["DEBUG", "POPULATE", MANY]);
    client.line("MULTI");
    client.line("BGSAVE");
    client.line("SET a b");
    let _brake = Brake::on(&node);
    assert_eq!(client.line("EXEC").items()[0].text(), "Background saving scheduled");
    assert_eq!(told(&mut client, "rdb_bgsave_in_progress"), "1");
    client.send_raw(b"SHUTDOWN NOSAVE\r\n");
    wait_for("the end", || Client::try_connect(node.port).is_err().then_some(()));
    wait_for("the unfinished file to go", || unfinished_files(&node).is_empty().then_some(()));
    assert_eq!(fs::read(node.dir().join("dump.rdb")).expect("a file"), before);
}

#[test]
fn a_save_is_cancelled_as_valkey_does_it() {
    let master = master_or_skip!("valkey-9.1");
    master.client().ask(&["DEBUG", "POPULATE", MANY]);
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    let mut client = node.client();
    let none = "ERR Background saving is currently not in progress or scheduled";
    assert_eq!(client.ask(&["BGSAVE", "CANCEL"]).text(), none);
    let _brake = Brake::on(&node);
    assert_eq!(client.line("BGSAVE").text(), STARTED);
    assert_eq!(client.line("BGSAVE CANCEL").text(), "Background saving cancelled");
    wait_for_the_save(&mut client);
    assert_eq!(told(&mut client, "rdb_last_bgsave_status"), "ok", "it did not fail");
    assert_eq!(told(&mut client, "rdb_saves"), "1", "it was begun");
    assert_eq!(unfinished_files(&node), Vec::<String>::new());
    assert!(!node.dir().join("dump.rdb").exists());
}

#[test]
fn a_save_begins_again_when_a_full_sync_brings_other_data() {
    let (first, second) = (master_or_skip!("redis-8.10"), master_or_skip!("redis-8.10"));
    first.client().ask(&["DEBUG", "POPULATE", MORE]);
    second.client().ask(&["DEBUG", "POPULATE", "1000", "other"]);
    let node = Node::replica_of(&first);
    node.wait_caught_up(&first);
    let mut client = node.client();
    let brake = Brake::with(&node, LONG_BETWEEN_STEPS);
    assert_eq!(client.line("BGSAVE").text(), STARTED);
    client.ask(&["REPLICAOF", "127.0.0.1", &second.port.to_string()]);
    wait_for("the other data", || node.log().contains("the save begins again").then_some(()));
    drop(brake);
    wait_for_the_save(&mut client);
    assert_eq!(told(&mut client, "rdb_last_bgsave_status"), "ok");
    let loaded = loaded("redis-8.10", &node);
    assert_eq!(loaded.client().line("DEBUG DIGEST"), second.client().line("DEBUG DIGEST"));
}

#[test]
fn redis_6_2_loads_it() {
    is_loaded("redis-6.2");
}

#[test]
fn redis_7_0_loads_it() {
    is_loaded("redis-7.0");
}

#[test]
fn redis_7_4_loads_it() {
    is_loaded("redis-7.4");
}

#[test]
fn redis_8_10_loads_it() {
    is_loaded("redis-8.10");
}

#[test]
fn valkey_8_1_loads_it() {
    is_loaded("valkey-8.1");
}

#[test]
fn valkey_9_1_loads_it() {
    is_loaded("valkey-9.1");
}

#[test]
fn files_of_a_chosen_version_are_loaded() {
    for (name, version, header) in [
        ("redis-6.2", "9", "REDIS0009"),
        ("valkey-8.1", "10", "REDIS0010"),
        ("redis-7.4", "12", "REDIS0012"),
        (tiered("redis-8.10", "redis-8.6"), "13", "REDIS0013"),
        ("redis-8.10", "15", "REDIS0015"),
        ("valkey-9.1", "valkey80", "VALKEY080"),
    ] {
        is_loaded_of_version(name, version, header);
    }
}

#[test]
fn what_has_no_form_in_the_chosen_version_is_an_error_and_no_file() {
    let node = Node::start(&["--rdb-version", "11"]);
    let mut client = node.client();
    client.line("SET a 1");
    assert_eq!(client.line("SAVE"), Frame::Simple("OK".into()));
    let path = node.dir().join("dump.rdb");
    let before = fs::read(&path).expect("a file");
    assert!(before.starts_with(b"REDIS0011"));
    for (make, version, what, able) in [
        (&["HSET h f v", "HPEXPIRE h 100000 FIELDS 1 f"][..], "11", "a hash with deadlines of fields", "12"),
        (&["ARSET arr 1 x"][..], "13", "an array", "15"),
        (&["ARSET arr 1 x"][..], "valkey80", "an array", "15"),
    ] {
        client.line("FLUSHALL");
        make.iter().for_each(|line| drop(client.line(line)));
        node.set("rdb-version", version);
        let refused = client.ask(&["SAVE"]).text();
        assert_eq!(refused, format!("ERR {what} cannot be written in this version of the RDB format"));
        assert_eq!(fs::read(&path).expect("a file"), before, "the file before is left");
        node.set("rdb-version", able);
        assert_eq!(client.line("SAVE"), Frame::Simple("OK".into()), "{able}");
        fs::write(&path, &before).expect("the file");
    }
}

/// Versions of the format; a server that reads each, and the oldest that does, which the long tier has.
const READERS: &[(&str, &str, &str)] = &[
    ("9", "redis-6.2", "redis-5.0"),
    ("10", "redis-7.0", "redis-7.0"),
    ("11", "redis-7.4", "redis-7.2"),
    ("11", "valkey-8.1", "valkey-8.0"),
    ("12", "redis-7.4", "redis-7.4"),
    ("13", "redis-8.10", "redis-8.6"),
    ("15", "redis-8.10", "redis-8.10"),
    ("valkey80", "valkey-9.1", "valkey-9.0"),
];

/// A key of each type and form, by the version of Redis' format that brought it; the last word says which.
fn of_each_type(client: &mut Client) -> Vec<(&'static str, u32)> {
    let many = |command: &str, each: fn(u32) -> String| {
        (0..600).fold(command.to_owned(), |line, number| line + " " + &each(number))
    };
    for line in [
        "SET string:int 12345",
        "SET string:raw some-text",
        "RPUSH list:small 1 -70000 text",
        &many("RPUSH list:big", |number| format!("element-{number:040}")),
        "SADD set:ints 1 -2 70000",
        "SADD set:small a b 3",
        &many("SADD set:big", |number| format!("member-{number}")),
        "ZADD zset:small 1.5 a -3 b 0 c inf d",
        &many("ZADD zset:big", |number| format!("{number}.5 member-{number}")),
        "HSET hash:small a 1 b text",
        &many("HSET hash:big", |number| format!("field-{number} {number}")),
        "XADD stream:plain 1-1 a b",
        "XADD stream:plain 1-2 a b c d",
        "XGROUP CREATE stream:plain group 0",
        "XREADGROUP GROUP group consumer COUNT 1 STREAMS stream:plain >",
        "HSET hash:small_ttl a 1 b 2",
        "HPEXPIREAT hash:small_ttl 4102444800000 FIELDS 1 a",
        &many("HSET hash:big_ttl", |number| format!("field-{number} {number}")),
        "HPEXPIREAT hash:big_ttl 4102444800000 FIELDS 2 field-1 field-2",
        "XADD stream:producers IDMP producer message * a b",
        "XADD stream:unowned 1-1 a b",
        "XGROUP CREATE stream:unowned group 0",
        "XREADGROUP GROUP group consumer STREAMS stream:unowned >",
        "XNACK stream:unowned group FAIL IDS 1 1-1",
        "ARSET array 5 text",
    ] {
        let answer = client.line(line);
        assert!(!answer.is_error(), "{}: {answer:?}", &line[..line.len().min(60)]);
    }
    vec![
        ("string:int", 9),
        ("string:raw", 9),
        ("list:small", 9),
        ("list:big", 9),
        ("set:ints", 9),
        ("set:small", 9),
        ("set:big", 9),
        ("zset:small", 9),
        ("zset:big", 9),
        ("hash:small", 9),
        ("hash:big", 9),
        ("stream:plain", 9),
        ("hash:small_ttl", 12),
        ("hash:big_ttl", 12),
        ("stream:producers", 13),
        ("stream:unowned", 15),
        ("array", 15),
    ]
}

#[test]
fn payloads_of_a_chosen_version_are_taken() {
    let node = Node::start(&[]);
    let mut ours = node.client();
    let keys = of_each_type(&mut ours);
    for (version, reader, oldest) in READERS {
        let Some(real) = Master::start(tiered(*reader, *oldest), &[]) else { continue };
        let mut theirs = real.client();
        node.set("rdb-version", version);
        let number = version.trim_start_matches("valkey").parse::<u16>().expect("a number");
        for (key, since) in &keys {
            let may = match number {
                80 => *since <= 9 || key.starts_with("hash"),
                number => u32::from(number) >= *since,
            };
            let answer = ours.ask(&["DUMP", key]);
            if !may {
                let refused = "cannot be written in this version of the RDB format";
                assert!(answer.is_error() && answer.text().ends_with(refused), "{version} {key}: {answer:?}");
                continue;
            }
            let payload = answer.bytes();
            let footer = &payload[payload.len() - 10..payload.len() - 8];
            assert_eq!(footer, number.to_le_bytes(), "{version} {key}");
            let restored = theirs.ask(&[b"RESTORE".as_slice(), key.as_bytes(), b"0", payload]);
            assert_eq!(restored, Frame::Simple("OK".into()), "{version} {key}");
            let mut questions = vec![vec!["TYPE", key]];
            if key.ends_with("ttl") {
                questions.push(vec!["HPEXPIRETIME", key, "FIELDS", "3", "a", "b", "field-1"]);
            }
            // (Valkey's digests leave deadlines of fields out.)
            if !(key.ends_with("ttl") && number == 80) {
                questions.push(vec!["DEBUG", "DIGEST-VALUE", key]);
            }
            if ["stream:plain", "stream:unowned"].contains(key) {
                questions.push(vec!["XPENDING", key, "group"]);
            }
            for words in questions {
                assert_eq!(ours.ask(&words), theirs.ask(&words), "{version}: {}", words.join(" "));
            }
        }
        // Libraries of functions came with 10.
        ours.ask(&[
            "FUNCTION",
            "LOAD",
            "REPLACE",
            "#!lua name=lib\nredis.register_function('f', function() end)",
        ]);
        let answer = ours.ask(&["FUNCTION", "DUMP"]);
        if number < 10 {
            assert!(answer.text().starts_with("ERR a library of functions cannot be written"), "{answer:?}");
        } else {
            let restored = theirs.ask(&[b"FUNCTION".as_slice(), b"RESTORE", answer.bytes()]);
            assert_eq!(restored, Frame::Simple("OK".into()), "{version}");
        }
    }
}

#[test]
fn save_points_save_and_a_failure_stops_writes() {
    let node = Node::start(&["--save", "1", "2"]);
    let mut client = node.client();
    client.line("MSET a 1 b 2");
    wait_for("the save", || (told(&mut client, "rdb_saves") == "1").then_some(()));
    wait_for_the_save(&mut client);
    assert_eq!(changes(&mut client), 0);
    assert!(node.dir().join("dump.rdb").exists());

    // What stands where the new file is made cannot be written to.
    let unfinished = node.dir().join(format!("temp-{}.rdb", node.pid()));
    fs::create_dir(&unfinished).expect("a folder");
    client.line("MSET a 3 b 4");
    let refused = wait_for("writes to be refused", || {
        let answer = client.ask(&["SET", "c", "5"]);
        answer.is_error().then(|| answer.text())
    });
    assert!(refused.starts_with("MISCONF Redis is configured to save RDB snapshots"), "{refused}");
    assert!(client.ask(&["PING"]).text().starts_with("MISCONF"));
    assert_eq!(client.line("GET a").text(), "3");
    let script = client.ask(&["EVAL", "return redis.pcall('set', 'a', 'x')", "0"]);
    assert!(script.text().starts_with("MISCONF"), "{script:?}");
    assert!(
        client.ask(&["EVAL", "#!lua\nreturn 1", "0"]).text().starts_with("MISCONF"),
        "it says that it writes"
    );
    assert_eq!(client.ask(&["EVAL", "#!lua flags=no-writes\nreturn 1", "0"]), Frame::Int(1));
    node.set("stop-writes-on-bgsave-error", "no");
    assert_eq!(client.line("SET c 5"), Frame::Simple("OK".into()));
    node.set("stop-writes-on-bgsave-error", "yes");
    assert!(client.ask(&["SET", "c", "6"]).is_error());
    // It is tried again, and all is well when that succeeds.
    fs::remove_dir(&unfinished).expect("the folder");
    wait_for("the next save", || (told(&mut client, "rdb_last_bgsave_status") == "ok").then_some(()));
    assert_eq!(told(&mut client, "rdb_saves_consecutive_failures"), "0");
    assert_eq!(client.line("SET c 6"), Frame::Simple("OK".into()));
    assert_eq!(client.ask(&["CONFIG", "GET", "save"]).items()[1].text(), "1 2");
}

#[test]
fn what_fails_leaves_the_file_before() {
    let node = Node::start(&[]);
    let mut client = node.client();
    client.line("SET key value");
    assert_eq!(client.line("BGSAVE"), Frame::Simple("Background saving started".into()));
    wait_for_the_save(&mut client);
    assert_eq!(told(&mut client, "rdb_saves"), "1");
    let path = node.dir().join("dump.rdb");
    let whole = fs::read(&path).expect("a file");
    assert!(whole.starts_with(b"REDIS0011"), "{:?}", &whole[..9]);

    // What stands where the new file is made cannot be written to.
    let unfinished = node.dir().join(format!("temp-{}.rdb", node.pid()));
    fs::create_dir(&unfinished).expect("a folder");
    client.line("SET key another");
    assert!(client.ask(&["SAVE"]).is_error());
    let counts = ["rdb_saves", "rdb_saves_consecutive_failures", "rdb_last_bgsave_status"];
    let all_told = |client: &mut Client| counts.map(|field| told(client, field));
    assert_eq!(all_told(&mut client), ["2", "0", "ok"]);
    for failures in 1..3 {
        assert_eq!(client.line("BGSAVE"), Frame::Simple("Background saving started".into()));
        wait_for_the_save(&mut client);
        assert_eq!(all_told(&mut client), [&(2 + failures).to_string(), &failures.to_string(), "err"]);
    }
    assert!(client.ask(&["SHUTDOWN", "SAVE"]).is_error());
    assert_eq!(fs::read(&path).expect("a file"), whole);

    fs::remove_dir(&unfinished).expect("the folder");
    assert_eq!(client.line("SAVE"), Frame::Simple("OK".into()));
    // Those apart from clients alone.
    assert_eq!(all_told(&mut client), ["6", "2", "ok"]);
    client.line("CONFIG RESETSTAT");
    assert_eq!(all_told(&mut client), ["0", "0", "ok"]);
    assert_eq!(unfinished_files(&node), Vec::<String>::new());
    assert_ne!(fs::read(&path).expect("a file"), whole);
}

/// Who ends a node that saves at points, by a request or by a signal, finds all in the file that anybody was told is
/// written.
#[test]
fn the_end_saves_where_save_points_are_set() {
    if Master::start("redis-8.10", &[]).is_none() {
        return;
    }
    for end in ["SHUTDOWN", "SHUTDOWN NOW", "-TERM", "-INT"] {
        let node = Node::start(&["--save", "3600 1"]);
        let is_asked = end.starts_with("SHUTDOWN");
        let (begun, writers): (Vec<_>, Vec<_>) = (0..3)
            .map(|number| {
                let (told, begun) = std::sync::mpsc::channel();
                let mut client = node.client();
                let key = format!("count:{number}");
                let writer = thread::spawn(move || {
                    let mut last = 0;
                    // Not answered: written or not.
                    while let Ok(Frame::Int(count)) = client.try_ask(&["INCR", &key]) {
                        last = count;
                        let _nobody_waits = told.send(count);
                    }
                    (key, last)
                });
                (begun, writer)
            })
            .unzip();
        for begun in begun {
            while begun.recv().expect("it writes") < 50 {}
        }
        // Nobody can have clients go on to write once the file is.
        let mut operator = node.client();
        let goes_on = thread::spawn(move || while operator.try_ask(&["CLIENT", "UNPAUSE"]).is_ok() {});
        if is_asked {
            node.client().send_raw(format!("{end}\r\n").as_bytes());
        } else {
            node.signal(end);
        }
        goes_on.join().expect("it ends");
        let told: Vec<_> = writers.into_iter().map(|writer| writer.join().expect("it ends")).collect();
        wait_for("the end", || Client::try_connect(node.port).is_err().then_some(()));
        let loaded = loaded("redis-8.10", &node);
        let mut reader = loaded.client();
        for (key, last) in told {
            let saved: i64 = reader.ask(&["GET", &key]).text().parse().expect("a number");
            assert!((last..=last + 1).contains(&saved), "{end}: {key} is {saved}, was told {last}");
        }
    }
    // Asked not to, or where that is not wanted, nothing is written.
    for (save, end) in [("3600 1", "SHUTDOWN NOSAVE"), ("", "SHUTDOWN")] {
        let node = Node::start(&["--save", save]);
        let mut client = node.client();
        client.line("SET a 1");
        client.send_raw(format!("{end}\r\n").as_bytes());
        wait_for("the end", || Client::try_connect(node.port).is_err().then_some(()));
        assert!(!node.dir().join("dump.rdb").exists(), "{end}");
    }
    // A node to which nobody has written leaves the file of the one before as it is.
    let mut node = Node::start(&["--save", "3600 1"]);
    let path = node.dir().join("dump.rdb");
    node.client().line("SET a 1");
    node.client().send_raw(b"SHUTDOWN\r\n");
    wait_for("the end", || Client::try_connect(node.port).is_err().then_some(()));
    let before = fs::read(&path).expect("a file");
    node.restart();
    assert!(node.log().contains("the first save takes its place"), "{}", node.log());
    node.client().send_raw(b"SHUTDOWN\r\n");
    wait_for("the end", || Client::try_connect(node.port).is_err().then_some(()));
    assert_eq!(fs::read(&path).expect("a file"), before);
}

/// A script that wrote and does not end keeps the data from being saved; SHUTDOWN NOSAVE, which its clients are told of, ends
/// the node all the same, and so does who interrupts it twice.
#[test]
fn the_end_can_do_without_a_save() {
    for (saves, how) in [
        (false, "SHUTDOWN NOSAVE"),
        (false, "-TERM, SHUTDOWN NOSAVE"),
        (false, "-INT, -INT"),
        (true, "SHUTDOWN NOSAVE"),
    ] {
        let mut node = Node::start(&["--save", "3600 1", "--busy-reply-threshold", "100"]);
        let (mut client, mut script) = (node.client(), node.client());
        if saves {
            // What is being saved takes so many steps that it waits for the token in the middle.
            client.line("DEBUG POPULATE 1000000 key 100");
            client.line("BGSAVE");
        }
        let mut bytes = Vec::new();
        Client::encode(&["EVAL", "redis.call('SET', 'a', 1) while true do end", "0"], &mut bytes);
        script.send_raw(&bytes);
        wait_for("the script to be busy", || {
            client.ask(&["SET", "b", "1"]).text().starts_with("BUSY ").then_some(())
        });
        for order in how.split(", ") {
            if order.starts_with('-') {
                node.signal(order);
            } else {
                client.send_raw(format!("{order}\r\n").as_bytes());
            }
            if order.starts_with('-') {
                // Two signals that come together are one.
                wait_for("it to be heard", || node.log().contains("asked to end").then_some(()));
            }
        }
        node.wait_end();
        assert!(!node.dir().join("dump.rdb").exists(), "{how}");
    }
}

/// Nor does it wait for a script for which the master's stream waits.
#[test]
fn the_end_of_a_replica_waits_for_no_script() {
    let master = master_or_skip!("redis-8.10", "--repl-diskless-sync-delay", "0");
    let mut node = Node::start(&[
        "--replicaof",
        &format!("127.0.0.1:{}", master.port),
        "--script-hold-max",
        "0",
        "--busy-reply-threshold",
        "100",
    ]);
    node.wait_state("streaming");
    let (mut client, mut script) = (node.client(), node.client());
    let mut bytes = Vec::new();
    Client::encode(&["EVAL", "while true do end", "0"], &mut bytes);
    script.send_raw(&bytes);
    wait_for("the script to be busy", || {
        client.ask(&["EVAL", "return 1", "0"]).text().starts_with("BUSY ").then_some(())
    });
    master.client().line("SET a 1");
    node.signal("-TERM");
    node.wait_end();
}

/// Neither a request nor a signal ends a node whose data cannot be saved, as a real server; it goes on as before.
#[test]
fn the_end_waits_for_a_save_that_can_be_made() {
    let node = Node::start(&["--save", "3600 1"]);
    let mut client = node.client();
    client.line("SET a 1");
    // What stands where the new file is made cannot be written to.
    let unfinished = node.dir().join(format!("temp-{}.rdb", node.pid()));
    fs::create_dir(&unfinished).expect("a folder");
    assert_eq!(client.ask(&["SHUTDOWN"]).text(), "ERR Errors trying to SHUTDOWN. Check logs.");
    node.signal("-TERM");
    wait_for("what is said of it", || node.log().contains("the node goes on").then_some(()));
    assert_eq!(client.line("SET a 2").text(), "OK");
    client.send_raw(b"SHUTDOWN NOSAVE\r\n");
    wait_for("the end", || Client::try_connect(node.port).is_err().then_some(()));
}

/// Commands with several changes in one, beside those whose events are compared.
const CHANGES: &[&str] = &[
    "FLUSHALL",
    "BITFIELD b SET u8 0 1 SET u8 8 2",
    "RPUSH l 1 2 3 4 5",
    "LREM l 0 3",
    "LMPOP 1 l LEFT COUNT 2",
    "XADD x 1 a b",
    "XADD x 2 a b",
    "XADD x 3 a b",
    "XGROUP CREATE x g 0",
    "XREADGROUP GROUP g c STREAMS x >",
    "XREADGROUP GROUP g c STREAMS x 0",
    "XREADGROUP GROUP g c STREAMS x >",
    "XREADGROUP GROUP g d STREAMS x >",
    "XCLAIM x g c 0 1 2",
    "XACK x g 1 2 9",
    "XACKDEL x g IDS 2 3 9",
    "XADD x 5 a b",
    "XADD x 6 a b",
    "XREADGROUP GROUP g c NOACK STREAMS x >",
    "XADD x MAXLEN 1 7 a b",
    "XTRIM x MAXLEN 0",
    "XADD x 8 a b",
    "XADD x 9 a b",
    "XADD x 10 a b",
    "XDEL x 8 9",
    "XDELEX x IDS 2 8 10",
    "XGROUP DELCONSUMER x g c",
    "XGROUP SETID x g 0",
    "XGROUP DESTROY x g",
    "XSETID x 99",
    "ARMSET ar 1 a 2 b",
    "ARINSERT ar x y z",
    "ARRING ar 2 x y z",
    "ARDEL ar 0 1 2",
    "ARSET ar2 1 a b c",
    "SET a 1",
    "RENAME a a",
    "RENAME a a2",
    "SADD s1 a b",
    "SADD s2 a",
    "SMOVE s1 s1 b",
    "ZADD z 1 a 2 b",
    "ZADD z XX CH 3 a 4 c",
    "ZMPOP 1 z MIN COUNT 5",
    "ZADD z 1 a 2 b",
    "ZUNIONSTORE z2 1 z",
    "ZRANGESTORE z3 z 0 -1",
    "ZUNIONSTORE z2 1 nosuch",
    "HSET h a 1 b 2",
    "HGETEX h EX 100 FIELDS 2 a b",
    "HGETEX h PERSIST FIELDS 2 a b",
    "HPEXPIRE h 0 FIELDS 1 a",
    "HSETEX h EX 100 FIELDS 2 q 1 r 2",
    "HGETDEL h FIELDS 2 b c",
    "PFADD p a",
    "PFADD p a b",
    "PFMERGE p2 p",
    "PFCOUNT p",
    "SPOP s2",
    "SREM s1 b zz",
    "GEOADD geo 1 1 a 2 2 b",
    "GEORADIUS geo 1 1 1000 km STORE g2",
    "SWAPDB 0 1",
    "SWAPDB 0 1",
    "LTRIM l 5 6",
    "RPUSH srt 1 2",
    "SORT srt BY nosort STORE srt2",
    "FUNCTION FLUSH",
    "MSET k1 1 k2 2",
    "FLUSHDB",
    "FLUSHALL",
];

/// How many changes there were since the last save. Asked where nobody writes meanwhile.
fn changes(client: &mut Client) -> i64 {
    client.line("MULTI");
    client.line("INFO persistence");
    let text = client.line("EXEC").items()[0].text();
    let field = text.lines().find_map(|line| line.strip_prefix("rdb_changes_since_last_save:"));
    field.expect("rdb_changes_since_last_save").parse().expect("a number")
}

#[test]
fn changes_are_counted_as_a_real_server_counts_them() {
    let master = master_or_skip!("redis-8.10");
    let real = master.real_replica();
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    let alone = Node::start(&[]);
    let heard = |port| {
        let mut client = Client::connect(port);
        client.ask(&["SUBSCRIBE", "done"]);
        client
    };
    let mut hearers = [heard(real.port), heard(node.port)];
    let mut writers = [master.client(), alone.client()];
    let mut lookers = [master.port, real.port, node.port, alone.port].map(Client::connect);
    // What a full sync brings is no change.
    assert_eq!(changes(&mut lookers[2]), 0);
    let more = CHANGES.iter().map(|line| line.split(' ').map(str::to_owned).collect());
    let mut wrong = Vec::new();
    for words in crate::events::commands().into_iter().chain(more) {
        let before = lookers.each_mut().map(changes);
        for writer in &mut writers {
            writer.ask(&words);
        }
        master.client().ask(&["PUBLISH", "done", ""]);
        hearers.iter_mut().for_each(|hearer| drop(hearer.read_soon().expect("the message")));
        let mut after = lookers.each_mut().map(changes);
        after.iter_mut().zip(before).for_each(|(after, before)| *after -= before);
        let [at_master, at_real, at_node, at_alone] = after;
        // A real master notes the count in the string, and counts that; here PFCOUNT changes nothing.
        if words[0] != "PFCOUNT" && (at_node != at_real || at_alone != at_master) {
            wrong.push(format!(
                "{}: {at_node} as a replica ({at_real} there), {at_alone} alone ({at_master} there)",
                words.join(" ")
            ));
        }
    }
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
    // Saved, they are none.
    let before = changes(&mut lookers[3]);
    alone.client().line("MSET a 1 b 2 c 3");
    assert_eq!(changes(&mut lookers[3]), before + 3);
    alone.client().line("SAVE");
    assert_eq!(changes(&mut lookers[3]), 0);
}
