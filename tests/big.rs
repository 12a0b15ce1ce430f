//! A million keys, and loads that take long: complete and correct, or not believed.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::equality::assert_equal;
use crate::harness::{Client, Frame, Master, Node, tiered, wait_for};

fn a_million_keys(diskless: &str) {
    let Some(master) =
        Master::start("redis-7.0", &["--repl-diskless-sync", diskless, "--repl-diskless-sync-delay", "0"])
    else {
        return;
    };
    let mut client = master.client();
    client.line("DEBUG POPULATE 1000000 key 32");
    let digest = client.line("DEBUG DIGEST");
    // twice in CI, twenty times in the long tier
    for round in 0..tiered(2, 20) {
        let node = Node::replica_of(&master);
        node.wait_state("streaming");
        node.wait_caught_up(&master);
        let mut ours = node.client();
        assert_eq!(ours.line("DBSIZE").int(), 1_000_000, "round {round}");
        assert_eq!(ours.line("DEBUG DIGEST"), digest, "round {round}");
    }
}

#[test]
fn a_million_keys_by_disk() {
    a_million_keys("no");
}

#[test]
fn a_million_keys_diskless() {
    a_million_keys("yes");
}

/// Writes to a master at a steady pace, on a thread of its own, until told to stop.
struct Writes {
    stop: Sender<()>,
    writer: thread::JoinHandle<u64>,
}

impl Writes {
    /// Requests of one batch; ten batches a second.
    const BATCH: u64 = 5_000;

    #[allow(clippy::disallowed_methods)] // a pace is real time
    fn start(port: u16) -> Writes {
        let (stop, stopped) = channel();
        let mut batch = Vec::new();
        for at in 0..Self::BATCH {
            Client::encode(&["SET", &format!("written:{at}"), &"x".repeat(50)], &mut batch);
        }
        let writer = thread::spawn(move || {
            let mut socket = TcpStream::connect(("127.0.0.1", port)).expect("the master");
            let mut replies = socket.try_clone().expect("a second handle");
            let replies = thread::spawn(move || std::io::copy(&mut replies, &mut std::io::sink()));
            let mut batches = 0;
            loop {
                let next = Instant::now() + Duration::from_millis(100);
                socket.write_all(&batch).expect("send");
                batches += 1;
                // The pace is what is asked for here: 50,000 a second.
                let left = next.saturating_duration_since(Instant::now());
                if stopped.recv_timeout(left) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
            }
            // The master ends the connection when it has done all of them.
            socket.shutdown(std::net::Shutdown::Write).expect("the master");
            let _ = replies.join();
            batches * Self::BATCH
        });
        Writes { stop, writer }
    }

    /// Ends them; gives how many there were.
    fn stop(self) -> u64 {
        self.stop.send(()).expect("the writer");
        self.writer.join().expect("the writer")
    }
}

/// A load slowed to four times the master's `repl-timeout`, under 50,000 writes a second: one sync is enough, and the
/// master never holds more than 16 MiB for us (it would end the link).
#[allow(clippy::disallowed_methods)] // how long it took is part of what is shown
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
    wait_for("the load", || (ours.info("replication", "master_sync_in_progress")? == "1").then_some(()));
    let began = Instant::now();
    let writes = Writes::start(master.port);
    node.wait_state("streaming");
    let took = began.elapsed();
    let written = writes.stop();
    println!("{written} writes in {took:?} of loading");
    assert!(took >= Duration::from_secs(11), "the load was not slow: {took:?}");
    if tiered(false, true) {
        assert!(written as f64 / took.as_secs_f64() > 45_000.0, "{written} writes in {took:?}");
    }
    assert_equal(&master, &node);
    assert_eq!(client.info("stats", "sync_full").as_deref(), Some("1"), "{}", node.log());
    assert_eq!(client.info("stats", "sync_partial_ok").as_deref(), Some("0"), "{}", node.log());
}

#[test]
fn a_slow_load_by_disk() {
    a_slow_load("no");
}

#[test]
fn a_slow_load_diskless() {
    a_slow_load("yes");
}

/// Reads go on, with the old data, while a new data set is loaded; then the new one is there at once.
#[test]
fn old_data_are_read_while_the_new_are_loaded() {
    let master = master_or_skip!("redis-7.0", "--repl-diskless-sync-delay", "0");
    let mut at_master = master.client();
    at_master.line("DEBUG POPULATE 400 key 32");
    at_master.line("MSET one old two old");
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    node.wait_caught_up(&master);
    // in one unit, so that the stream brings none of it
    node.set("key-load-delay", "5000");
    at_master.line("MULTI");
    for line in ["CLIENT KILL TYPE replica", "DEBUG CHANGE-REPL-ID", "MSET one new two new"] {
        at_master.line(line);
    }
    at_master.line("EXEC");
    let mut ours = node.client();
    let mut saw_loading = 0;
    loop {
        let both = ours.line("MGET one two");
        let values: Vec<&[u8]> = both.items().iter().map(Frame::bytes).collect();
        assert!(values == [b"old", b"old"] || values == [b"new", b"new"], "{both:?}");
        if ours.info("persistence", "async_loading").as_deref() == Some("1") {
            saw_loading += 1;
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
