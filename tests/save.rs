//! SAVE and BGSAVE: a real server that loads the file has the same data, down to what no digest sees.

use std::fs;

use crate::harness::walk::{self, Depth};
use crate::harness::workload::Workload;
use crate::harness::{Frame, Master, Node, Random, tiered, wait_for};

/// A replica of this server saves; another server of its kind loads the file, and nothing may differ.
fn is_loaded(name: &str) {
    let master = master_or_skip!(name);
    let node = Node::replica_of(&master);
    let mut workload = Workload::new(&master, Random::from_env(20_261_122));
    let mut theirs = master.client();
    workload.run(&mut theirs, tiered(4_000, 60_000));
    workload.settle(&master);
    theirs.ask(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    node.wait_caught_up(&master);

    let mut ours = node.client();
    let before = ours.info("persistence", "rdb_saves").expect("rdb_saves");
    assert_eq!(ours.line("SAVE"), Frame::Simple("OK".into()), "{}", node.log());
    assert_eq!(before, "0");
    assert_eq!(ours.info("persistence", "rdb_saves").as_deref(), Some("1"));

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
