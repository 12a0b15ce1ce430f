//! SAVE and BGSAVE: a real server that loads the file has the same data, down to what no digest sees.

use std::fs;

use crate::harness::walk::{self, Depth};
use crate::harness::workload::Workload;
use crate::harness::{Client, Frame, Master, Node, Random, tiered, wait_for};

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
    node.wait_caught_up(&master);

    let mut ours = node.client();
    node.set("rdb-version", version);
    let before = ours.info("persistence", "rdb_saves").expect("rdb_saves");
    assert_eq!(ours.line("SAVE"), Frame::Simple("OK".into()), "{}", node.log());
    assert_eq!(before, "0");
    assert_eq!(ours.info("persistence", "rdb_saves").as_deref(), Some("1"));

    let file = fs::read(node.dir().join("dump.rdb")).expect("the file");
    assert!(file.starts_with(header.as_bytes()), "{:?}", file[..9].escape_ascii().to_string());

    // As a replica of nobody who answers: a master drops what has expired when it loads.
    let loaded = Master::start_from(name, &["--replicaof", "127.0.0.1", "1"], &node.dir().join("dump.rdb"));
    let loaded = loaded.expect("it was there a moment ago");
    let mut there = loaded.client();
    there.ask(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    let depth = Depth::of(master.version(), master.is_valkey());
    let differences = walk::differences(&mut ours, &mut there, 3, depth);
    assert!(differences.is_empty(), "{name}: differs\n{}\n{}", differences.join("\n"), node.log());
    assert_eq!(there.line("DEBUG DIGEST"), ours.line("DEBUG DIGEST"), "{name}: DEBUG DIGEST");
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
        ("redis-8.6", "13", "REDIS0013"),
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

#[test]
fn save_points_save_and_a_failure_stops_writes() {
    let node = Node::start(&["--save", "1", "2"]);
    let mut client = node.client();
    let saves = |client: &mut Client| client.info("persistence", "rdb_saves").expect("rdb_saves");
    client.line("MSET a 1 b 2");
    wait_for("the save", || (saves(&mut client) == "1").then_some(()));
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
    wait_for("the next save", || (saves(&mut client) == "2").then_some(()));
    assert_eq!(client.line("SET c 6"), Frame::Simple("OK".into()));
    assert_eq!(client.ask(&["CONFIG", "GET", "save"]).items()[1].text(), "1 2");
}

#[test]
fn what_fails_leaves_the_file_before() {
    let node = Node::start(&[]);
    let mut client = node.client();
    client.line("SET key value");
    assert_eq!(client.line("BGSAVE"), Frame::Simple("Background saving started".into()));
    wait_for("the save", || (client.info("persistence", "rdb_saves").as_deref() == Some("1")).then_some(()));
    let path = node.dir().join("dump.rdb");
    let whole = fs::read(&path).expect("a file");
    assert!(whole.starts_with(b"REDIS0011"), "{:?}", &whole[..9]);

    // What stands where the new file is made cannot be written to.
    let unfinished = node.dir().join(format!("temp-{}.rdb", node.pid()));
    fs::create_dir(&unfinished).expect("a folder");
    client.line("SET key another");
    assert!(client.ask(&["SAVE"]).is_error());
    assert_eq!(client.line("BGSAVE"), Frame::Simple("Background saving started".into()));
    wait_for("its failure", || {
        (client.info("persistence", "rdb_last_bgsave_status").as_deref() == Some("err")).then_some(())
    });
    assert!(client.ask(&["SHUTDOWN", "SAVE"]).is_error());
    assert_eq!(fs::read(&path).expect("a file"), whole);

    fs::remove_dir(&unfinished).expect("the folder");
    assert_eq!(client.line("SAVE"), Frame::Simple("OK".into()));
    let files: Vec<_> = fs::read_dir(node.dir())
        .expect("the folder")
        .map(|entry| entry.expect("a file").file_name())
        .collect();
    assert!(!files.iter().any(|name| name.to_string_lossy().starts_with("temp-")), "{files:?}");
    assert_ne!(fs::read(&path).expect("a file"), whole);
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
