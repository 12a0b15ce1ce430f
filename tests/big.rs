//! A million keys, and loads that take long: complete and correct, or not believed.

use crate::equality::assert_equal;
use crate::harness::{Client, Master, Node};

/// How often each mode is run: twice in CI, twenty times in the long tier.
fn rounds() -> usize {
    if std::env::var("NEARSIDE_LONG").is_ok() { 20 } else { 2 }
}

fn a_million_keys(diskless: &str) {
    let Some(master) =
        Master::start("redis-7.0", &["--repl-diskless-sync", diskless, "--repl-diskless-sync-delay", "0"])
    else {
        return;
    };
    let mut client = master.client();
    client.line("DEBUG POPULATE 1000000 key 32");
    let digest = client.line("DEBUG DIGEST");
    for round in 0..rounds() {
        let node = Node::replica_of(&master);
        node.wait_state("streaming");
        node.wait_caught_up(&master);
        let mut ours = node.client();
        assert_eq!(ours.line("DBSIZE").int(), 1_000_000, "round {round}");
        assert_eq!(ours.line("DEBUG DIGEST"), digest, "round {round}");
    }
}

#[test]
#[ignore = "long: run by make test-long"]
fn a_million_keys_by_disk() {
    a_million_keys("no");
}

#[test]
#[ignore = "long: run by make test-long"]
fn a_million_keys_diskless() {
    a_million_keys("yes");
}

/// A load slowed to four times the master's `repl-timeout`, under writes all the while: one sync is enough, and the
/// master never holds more than 16 MiB for us (it would end the link).
fn a_slow_load(diskless: &str) {
    let Some(master) = Master::start(
        "redis-7.0",
        &[
            "--repl-diskless-sync",
            diskless,
            "--repl-diskless-sync-delay",
            "0",
            "--repl-timeout",
            "3",
            "--repl-ping-replica-period",
            "1",
            "--client-output-buffer-limit",
            "replica",
            "16mb",
            "0",
            "0",
        ],
    ) else {
        return;
    };
    let mut client = master.client();
    client.line("DEBUG POPULATE 1200 key 32");
    // 1,200 keys at 10 ms each: 12 s
    let node =
        Node::start(&["--replicaof", &format!("127.0.0.1:{}", master.port), "--key-load-delay", "10000"]);
    let mut ours = node.client();
    let value = vec![b'x'; 100];
    let mut writes = 0u64;
    while ours.info("replication", "nearside_link_state").as_deref() != Some("streaming") {
        let requests: Vec<Vec<Vec<u8>>> = (0..5000)
            .map(|at| {
                vec![
                    b"SET".to_vec(),
                    format!("written:{}", (writes + at) % 20_000).into_bytes(),
                    value.clone(),
                ]
            })
            .collect();
        client.pipeline(&requests);
        writes += 5000;
    }
    println!("{writes} writes while loading");
    assert!(writes > 100_000, "only {writes} writes while loading");
    assert_eq!(client.info("stats", "sync_full").as_deref(), Some("1"), "{}", node.log());
    assert_equal(&master, &node);
}

#[test]
#[ignore = "long: run by make test-long"]
fn a_slow_load_by_disk() {
    a_slow_load("no");
}

#[test]
#[ignore = "long: run by make test-long"]
fn a_slow_load_diskless() {
    a_slow_load("yes");
}

/// Reads go on, with the old data, while a new data set is loaded; then the new one is there at once.
#[test]
#[ignore = "long: run by make test-long"]
fn old_data_are_read_while_the_new_are_loaded() {
    let master = master_or_skip!("redis-7.0", "--repl-diskless-sync-delay", "0");
    let mut at_master = master.client();
    at_master.line("DEBUG POPULATE 400 key 32");
    at_master.line("MSET one old two old");
    let node =
        Node::start(&["--replicaof", &format!("127.0.0.1:{}", master.port), "--key-load-delay", "5000"]);
    node.wait_state("streaming");
    at_master.line("CLIENT KILL TYPE replica");
    at_master.line("DEBUG CHANGE-REPL-ID");
    at_master.line("MSET one new two new");
    let mut ours = node.client();
    let mut saw_loading = 0;
    loop {
        let both = ours.line("MGET one two");
        let values: Vec<&[u8]> = both.items().iter().map(crate::harness::Frame::bytes).collect();
        assert!(values == [b"old", b"old"] || values == [b"new", b"new"], "{both:?}");
        let loading = ours.info("persistence", "async_loading").as_deref() == Some("1");
        saw_loading += u32::from(loading);
        if loading {
            assert_eq!(ours.info("persistence", "loading").as_deref(), Some("0"));
        }
        if values == [b"new", b"new"] {
            break;
        }
    }
    assert!(saw_loading > 0, "the load was never seen");
    assert_equal(&master, &node);
}

/// A value of many megabytes, of each big kind, in the RDB and in the stream.
#[test]
#[ignore = "long: run by make test-long"]
fn big_values() {
    let master = master_or_skip!("redis-7.0", "--repl-diskless-sync-delay", "0");
    let mut client = master.client();
    let fill = |client: &mut Client, suffix: &str| {
        let long = vec![b'v'; 20_000_000];
        client.ask(&[b"SET".as_slice(), format!("string{suffix}").as_bytes(), &long]);
        let script = "for i = 1, 200000 do redis.call('HSET', KEYS[1], 'field' .. i, i) \
                      redis.call('ZADD', KEYS[2], i / 3, 'member' .. i) redis.call('SADD', KEYS[3], 'member' .. i) \
                      redis.call('RPUSH', KEYS[4], 'element' .. i) end";
        let keys = ["hash", "zset", "set", "list"].map(|kind| format!("{kind}{suffix}"));
        let reply = client.ask(&["EVAL", script, "4", &keys[0], &keys[1], &keys[2], &keys[3]]);
        assert!(!reply.is_error(), "{reply:?}");
    };
    fill(&mut client, ":before");
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    fill(&mut client, ":after");
    client.line("DEL zset:before list:after");
    assert_equal(&master, &node);
}
