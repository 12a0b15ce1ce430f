//! What goes wrong between a master and us: each fault has its state and its code, loses nothing, and is
//! recovered from when it can be.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::equality::assert_equal;
use crate::harness::proxy::{Plan, Proxy};
use crate::harness::scripted::{self, Scripted};
use crate::harness::workload::Workload;
use crate::harness::{Client, Ends, Frame, Master, Node, Random, tiered, wait_for};

fn link_error(client: &mut Client) -> String {
    client.info("replication", "nearside_link_error").unwrap_or_default()
}

/// Waits until the link's last error has this code.
fn wait_code(node: &Node, code: &str) {
    let mut client = node.client();
    wait_for(
        &format!("{code} in nearside_link_error, not {:?}\n{}", link_error(&mut node.client()), node.log()),
        || link_error(&mut client).split(' ').next().is_some_and(|found| found == code).then_some(()),
    );
}

fn replica_at(port: u16, more: &[&str]) -> Node {
    let master = format!("127.0.0.1:{port}");
    let mut args = vec!["--replicaof", master.as_str()];
    args.extend_from_slice(more);
    Node::start(&args)
}

#[test]
fn nobody_listens() {
    let node = replica_at(crate::harness::process::free_port(), &[]);
    wait_code(&node, "refused");
    let reply = node.client().ask(&["GET", "key"]);
    assert_eq!(reply, Frame::Error("LOADING Redis is loading the dataset in memory".into()));
}

#[test]
fn something_else_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let _ = socket.read(&mut [0; 64]);
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        }
    });
    wait_code(&replica_at(port, &[]), "not_redis");
}

#[test]
fn passwords() {
    let master = master_or_skip!("redis-7.0", "--requirepass", "secret");
    let node = replica_at(master.port, &[]);
    wait_code(&node, "noauth");
    let node = replica_at(master.port, &["--masterauth", "wrong"]);
    wait_code(&node, "wrongpass");
    let node = replica_at(master.port, &["--masterauth", "secret"]);
    node.wait_state("streaming");
    let mut client = master.client();
    client.line("AUTH secret");
    client.line("ACL SETUSER reader on >word +ping +replconf");
    let node = replica_at(master.port, &["--masteruser", "reader", "--masterauth", "word"]);
    wait_code(&node, "noperm");
    client.line("ACL SETUSER reader +psync");
    node.wait_state("streaming"); // it tries again by itself
}

#[test]
fn a_master_that_is_not_ready() {
    for (answer, code) in [
        ("-LOADING Redis is loading the dataset in memory\r\n", "loading"),
        ("-NOMASTERLINK Can't SYNC while not connected with my master\r\n", "no_master_link"),
    ] {
        let script: scripted::Script = if code == "loading" {
            |words| {
                (words[0] == "PSYNC").then(|| b"-LOADING Redis is loading the dataset in memory\r\n".to_vec())
            }
        } else {
            |words| {
                (words[0] == "PSYNC")
                    .then(|| b"-NOMASTERLINK Can't SYNC while not connected with my master\r\n".to_vec())
            }
        };
        let master = Scripted::start(script);
        let node = replica_at(master.port, &[]);
        wait_code(&node, code);
        assert!(link_error(&mut node.client()).len() > code.len(), "{answer} is not told");
    }
}

#[test]
fn an_unknown_type_in_the_rdb_is_named() {
    let master = Scripted::start(|_| None);
    let node = replica_at(master.port, &[]);
    let mut body = scripted::string("good", "value");
    body.extend_from_slice(&[200, 1, b'k', 1, b'v']);
    master.replica().write_all(&scripted::transfer(&scripted::rdb(&body))).expect("send");
    wait_code(&node, "unknown_rdb_type");
    assert!(link_error(&mut node.client()).contains("200"), "{}", link_error(&mut node.client()));
    assert!(node.client().ask(&["GET", "good"]).is_error(), "half of a data set was readable");
    // the next transfer is right
    let mut socket = master.replica();
    socket.write_all(&scripted::transfer(&scripted::rdb(&scripted::string("good", "value")))).expect("send");
    node.wait_state("streaming");
    assert_eq!(node.client().ask(&["GET", "good"]), Frame::Bulk(b"value".to_vec()));
}

#[test]
fn truncated_and_spoiled_transfers_leave_the_old_data_readable() {
    let master = master_or_skip!("redis-7.0", "--repl-diskless-sync", "no");
    let mut client = master.client();
    client.line("DEBUG POPULATE 2000 key 100");
    let proxy = Proxy::new(master.port);
    let node = replica_at(proxy.port, &[]);
    node.wait_state("streaming");
    let whole = proxy.passed();
    let before = node.client().line("DEBUG DIGEST");

    let cut_at = |at| (Plan { cut_at: Some(at), spoil_at: None }, "truncated");
    // the last bytes of the transfer are its checksum
    let spoiled = (Plan { cut_at: None, spoil_at: Some(whole - 3) }, "checksum");
    let mut random = Random::from_env(79);
    // behind the handshake, before the end
    let seeded = (0..tiered(6, 60)).map(|_| cut_at(1000 + random.below(whole - 1100)));
    for (plan, code) in [cut_at(whole / 2), spoiled].into_iter().chain(seeded) {
        proxy.plan(plan);
        client.line("DEBUG CHANGE-REPL-ID"); // so that only a full resync is left
        proxy.cut();
        wait_code(&node, code);
        assert_eq!(node.client().line("DEBUG DIGEST"), before, "after {code}");
        assert_eq!(node.client().info("persistence", "loading").as_deref(), Some("0"));
        proxy.plan(Plan::default());
        node.hurry();
        node.wait_state("streaming");
        assert_equal(&master, &node);
    }
}

/// Each connection is cut at a byte of its own while writes go on: nothing is missed, nothing repeated, and no full
/// resync is needed.
#[test]
fn the_link_is_cut_at_random_bytes() {
    let master =
        master_or_skip!("redis-7.0", "--repl-diskless-sync-delay", "0", "--repl-backlog-size", "64mb");
    let proxy = Proxy::new(master.port);
    let mut workload = Workload::new(&master, Random::from_env(77));
    let mut random = Random::new(78);
    let mut client = master.client();
    workload.run(&mut client, 500);
    let node = replica_at(proxy.port, &[]);
    node.wait_state("streaming");
    let full = client.info("stats", "sync_full");
    proxy.plan(Plan { cut_at: Some(1000), spoil_at: None });
    proxy.cut();
    for _ in 0..tiered(40, 1000) {
        let seen = proxy.planned_cuts();
        // Now and then in the handshake, mostly in the stream.
        let cut_at = if random.one_in(8) { 1 + random.below(200) } else { 200 + random.below(20_000) };
        proxy.plan(Plan { cut_at: Some(cut_at), spoil_at: None });
        wait_for("a connection's cut", || {
            node.hurry();
            workload.run(&mut client, 50);
            (proxy.planned_cuts() > seen).then_some(())
        });
    }
    proxy.plan(Plan::default());
    workload.settle(&master);
    assert_equal(&master, &node);
    assert_eq!(client.info("stats", "sync_full"), full, "a cut cost a full resync");
}

#[test]
fn kill_9_of_the_master() {
    let mut master = master_or_skip!("redis-7.0", "--repl-diskless-sync-delay", "0");
    let mut workload = Workload::new(&master, Random::from_env(5));
    workload.run(&mut master.client(), 500);
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    node.wait_caught_up(&master);
    let before = node.client().line("DEBUG DIGEST");
    master.kill();
    wait_code(&node, "refused");
    assert_eq!(node.client().info("replication", "master_link_status").as_deref(), Some("down"));
    assert_eq!(node.client().line("DEBUG DIGEST"), before, "the old data stays readable");
    master.restart(); // empty, with another replid
    workload.run(&mut master.client(), 500);
    node.wait_state("streaming");
    workload.settle(&master);
    assert_equal(&master, &node);
}

#[test]
fn kill_9_of_the_replica() {
    let master = master_or_skip!("redis-7.0", "--repl-diskless-sync-delay", "0");
    let mut workload = Workload::new(&master, Random::from_env(6));
    let mut client = master.client();
    workload.run(&mut client, 500);
    let mut node = Node::replica_of(&master);
    node.wait_state("streaming");
    workload.run(&mut client, 500);
    node.restart();
    workload.run(&mut client, 500);
    node.wait_state("streaming");
    workload.settle(&master);
    assert_equal(&master, &node);
}

#[test]
fn a_stalled_master() {
    let master = master_or_skip!("redis-7.0", "--repl-diskless-sync-delay", "0");
    let node = replica_at(master.port, &["--repl-timeout", "2"]);
    node.wait_state("streaming");
    master.signal("-STOP");
    wait_code(&node, "timeout");
    master.signal("-CONT");
    master.client().line("SET after stall");
    node.wait_state("streaming");
    node.wait_caught_up(&master);
    assert_eq!(node.client().ask(&["GET", "after"]), Frame::Bulk(b"stall".to_vec()));
}

#[test]
fn repl_timeout_and_what_is_announced_change_while_the_link_stands() {
    let master = master_or_skip!("redis-7.0", "--repl-diskless-sync-delay", "0");
    let node = replica_at(master.port, &["--replica-announce-port", "0", "--replica-announce-ip", ""]);
    node.wait_state("streaming");
    // Nothing is announced, as where nothing is said.
    let known = master.client().info("replication", "slave0").expect("a replica");
    assert!(known.starts_with(&format!("ip=127.0.0.1,port={},", node.port)), "{known}");
    node.set("replica-announce-ip", "10.1.2.3");
    node.set("replica-announce-port", "1234");
    master.signal("-STOP");
    // Sixty seconds would be too long for this test.
    node.set("repl-timeout", "1");
    wait_code(&node, "timeout");
    master.signal("-CONT");
    node.wait_state("streaming");
    let known = master.client().info("replication", "slave0").expect("a replica");
    assert!(known.starts_with("ip=10.1.2.3,port=1234,"), "{known}");
}

#[test]
fn an_unknown_command_stops_the_link_before_it() {
    let master = Scripted::start(|_| None);
    let node = replica_at(master.port, &[]);
    let mut socket = master.replica();
    socket.write_all(&scripted::transfer(&scripted::rdb(&scripted::string("key", "old")))).expect("send");
    node.wait_state("streaming");
    let mut stream = Vec::new();
    Client::encode(&["SELECT", "0"], &mut stream);
    Client::encode(&["SET", "key", "new"], &mut stream);
    let good = stream.len();
    Client::encode(&["MULTI"], &mut stream);
    Client::encode(&["SET", "key", "never"], &mut stream);
    Client::encode(&["JSON.SET", "doc", "$", "1"], &mut stream);
    Client::encode(&["EXEC"], &mut stream);
    socket.write_all(&stream).expect("send");
    wait_code(&node, "unknown_command");
    node.wait_state("stopped");
    let mut client = node.client();
    let text = link_error(&mut client);
    assert!(text.to_ascii_lowercase().contains("json.set") && text.contains("doc"), "{text}");
    assert_eq!(client.ask(&["GET", "key"]), Frame::Bulk(b"new".to_vec()));
    assert_eq!(client.info("replication", "slave_repl_offset"), Some(good.to_string()));
}

#[test]
fn a_command_that_fails_here_resyncs_once_and_then_stops() {
    let master = Scripted::start(|words| {
        (words[0] == "PSYNC" && words[1] != "?")
            .then(|| format!("+FULLRESYNC {} 0\r\n", scripted::REPLID).into_bytes())
    });
    let node = replica_at(master.port, &[]);
    let mut bad = Vec::new();
    Client::encode(&["SELECT", "0"], &mut bad);
    Client::encode(&["LPUSH", "key", "to a string"], &mut bad);
    for _ in 0..2 {
        let mut socket = master.replica();
        socket.write_all(&scripted::transfer(&scripted::rdb(&scripted::string("key", "old")))).expect("send");
        socket.write_all(&bad).expect("send");
    }
    node.wait_state("stopped");
    wait_code(&node, "command_error");
    let mut client = node.client();
    let text = link_error(&mut client);
    assert!(text.to_ascii_lowercase().contains("lpush") && text.contains("key"), "{text}");
    assert_eq!(client.ask(&["GET", "key"]), Frame::Bulk(b"old".to_vec()));
}

#[test]
fn ignoring_divergence_skips_and_counts() {
    let master = Scripted::start(|_| None);
    let node = replica_at(master.port, &["--on-divergence", "ignore"]);
    let mut socket = master.replica();
    socket.write_all(&scripted::transfer(&scripted::rdb(&scripted::string("key", "old")))).expect("send");
    let mut stream = Vec::new();
    Client::encode(&["SELECT", "0"], &mut stream);
    Client::encode(&["NO.SUCH", "key"], &mut stream);
    Client::encode(&["LPUSH", "key", "to a string"], &mut stream);
    Client::encode(&["SET", "key", "new"], &mut stream);
    socket.write_all(&stream).expect("send");
    let mut client = node.client();
    wait_for("the write after what was skipped", || {
        (client.ask(&["GET", "key"]) == Frame::Bulk(b"new".to_vec())).then_some(())
    });
    assert_eq!(client.info("replication", "slave_repl_offset"), Some(stream.len().to_string()));
}

#[test]
fn a_module_s_command_in_a_real_stream() {
    let module = crate::harness::process::masters_dir().join("redis-7.4/modules/rejson.so");
    let module = module.to_string_lossy().into_owned();
    let master = master_or_skip!("redis-7.4", "--loadmodule", &module, "--repl-diskless-sync-delay", "0");
    master.client().line("SET plain before");
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    let mut at_master = master.client();
    assert!(!at_master.ask(&["JSON.SET", "doc", "$", "{\"a\":1}"]).is_error());
    wait_code(&node, "unknown_command");
    assert_eq!(node.client().ask(&["GET", "plain"]), Frame::Bulk(b"before".to_vec()));
    // a value of a module in the RDB is kept, and says whose it is when it is read
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    let reply = node.client().ask(&["GET", "doc"]);
    assert!(reply.is_error() && reply.text().contains("ReJSON-RL"), "{reply:?}");
    assert_eq!(node.client().ask(&["TYPE", "doc"]), Frame::Simple("ReJSON-RL".into()));
    assert_eq!(node.client().ask(&["GET", "plain"]), Frame::Bulk(b"before".to_vec()));
}

/// A replica of a redis-7.4 with its JSON module, told what to do `on_divergence`, when a command of the module comes.
fn a_module_s_command(on_divergence: &str) -> Option<(Master, Node)> {
    let module = crate::harness::process::masters_dir().join("redis-7.4/modules/rejson.so");
    let module = module.to_string_lossy().into_owned();
    let master = Master::start("redis-7.4", &["--loadmodule", &module, "--repl-diskless-sync-delay", "0"])?;
    let mut at_master = master.client();
    at_master.line("SET plain before");
    let node = replica_at(master.port, &["--on-divergence", on_divergence]);
    node.wait_state("streaming");
    node.wait_caught_up(&master);
    assert!(!at_master.ask(&["JSON.SET", "doc", "$", "{\"a\":1}"]).is_error());
    at_master.line("SET plain after");
    Some((master, node))
}

#[test]
fn a_module_s_command_stops_when_told_to_stop() {
    let Some((_master, node)) = a_module_s_command("stop") else { return };
    wait_code(&node, "unknown_command");
    node.wait_state("stopped");
    assert_eq!(node.client().ask(&["GET", "plain"]), Frame::Bulk(b"before".to_vec()));
    let text = link_error(&mut node.client());
    assert!(text.contains("json.set") && text.contains("doc") && text.contains("offset"), "{text}");
    assert!(node.log().contains("json.set"), "{}", node.log());
}

#[test]
fn a_module_s_command_resyncs_when_told_to_resync() {
    let Some((master, node)) = a_module_s_command("resync") else { return };
    let mut client = node.client();
    wait_for("the write after it", || {
        (client.ask(&["GET", "plain"]) == Frame::Bulk(b"after".to_vec())).then_some(())
    });
    node.wait_state("streaming");
    node.wait_caught_up(&master);
    assert_eq!(client.info("stats", "nearside_divergence_resyncs").as_deref(), Some("1"));
    assert_eq!(master.client().info("stats", "sync_full").as_deref(), Some("2"));
    assert_eq!(client.line("DBSIZE").int(), 2, "the module's value came with the data set");
}

#[test]
fn a_module_s_command_is_passed_over_when_told_to_ignore() {
    let Some((master, node)) = a_module_s_command("ignore") else { return };
    node.wait_caught_up(&master);
    let mut client = node.client();
    assert_eq!(client.ask(&["GET", "plain"]), Frame::Bulk(b"after".to_vec()));
    assert_eq!(client.line("DBSIZE").int(), 1);
    assert_eq!(
        client.info("stats", "nearside_ignored_command").as_deref(),
        Some("name=json.set,count=1"),
        "counted by name"
    );
    assert_eq!(master.client().info("stats", "sync_full").as_deref(), Some("1"));
}

/// A scripted master that sends a full data set each time it is asked, and an LPUSH to a string behind it.
fn an_lpush_to_a_string(on_divergence: &str, syncs: usize) -> (Scripted, Node) {
    let master = Scripted::start(|_| None);
    let node = replica_at(master.port, &["--on-divergence", on_divergence]);
    let mut bad = Vec::new();
    Client::encode(&["SELECT", "0"], &mut bad);
    Client::encode(&["LPUSH", "key", "to a string"], &mut bad);
    for _ in 0..syncs {
        let mut socket = master.replica();
        socket.write_all(&scripted::transfer(&scripted::rdb(&scripted::string("key", "old")))).expect("send");
        socket.write_all(&bad).expect("send");
    }
    (master, node)
}

#[test]
fn a_command_that_fails_stops_at_once_when_told_to_stop() {
    let (_master, node) = an_lpush_to_a_string("stop", 1);
    node.wait_state("stopped");
    wait_code(&node, "command_error");
    assert_eq!(node.client().ask(&["GET", "key"]), Frame::Bulk(b"old".to_vec()));
}

#[test]
fn a_command_that_fails_resyncs_each_time_when_told_to_resync() {
    let (master, node) = an_lpush_to_a_string("resync", 3);
    let mut socket = master.replica(); // a fourth time
    socket.write_all(&scripted::transfer(&scripted::rdb(&scripted::string("key", "new")))).expect("send");
    node.wait_state("streaming");
    let mut client = node.client();
    assert_eq!(client.ask(&["GET", "key"]), Frame::Bulk(b"new".to_vec()));
    assert_eq!(client.info("stats", "nearside_divergence_resyncs").as_deref(), Some("3"));
}

/// A replica that loads nothing until it is told to, so that what its master writes meanwhile fills its spool.
fn with_a_held_load(args: &[&str]) -> Option<(Master, Node)> {
    let master = Master::start(
        "redis-7.0",
        &["--repl-diskless-sync-delay", "0", "--client-output-buffer-limit", "replica", "0", "0", "0"],
    )?;
    master.client().line("DEBUG POPULATE 300 key 32");
    let mut all = vec!["--spool-memory", "64kb", "--key-load-delay", "1000000"];
    all.extend_from_slice(args);
    let node = replica_at(master.port, &all);
    let mut client = node.client();
    wait_for("the load", || (client.info("replication", "nearside_link_state")? == "loading").then_some(()));
    Some((master, node))
}

/// Three megabytes, each key once.
fn write_much(master: &Master) {
    let value = vec![b'v'; 1000];
    let requests: Vec<Vec<Vec<u8>>> = (0..3000)
        .map(|at| vec![b"SET".to_vec(), format!("written:{at}").into_bytes(), value.clone()])
        .collect();
    master.client().pipeline(&requests);
}

fn goes_on_and_misses_nothing(master: &Master, node: &Node) {
    node.set("key-load-delay", "0");
    node.wait_state("streaming");
    assert_equal(master, node);
    let mut client = node.client();
    assert_eq!(client.line("DBSIZE").int(), 3300);
    assert_eq!(client.info("replication", "nearside_spool_full").as_deref(), Some("0"));
    assert_eq!(link_error(&mut client), "", "{}", node.log());
    assert!(node.log().contains("reading goes on"), "{}", node.log());
    assert_eq!(master.client().info("stats", "sync_full").as_deref(), Some("1"), "the link was kept");
}

#[test]
fn a_full_spool_stops_the_reading_and_drops_nothing() {
    let Some((master, node)) = with_a_held_load(&["--spool-disk", "256kb"]) else { return };
    write_much(&master);
    wait_code(&node, "spool_full");
    let mut client = node.client();
    assert_eq!(client.info("replication", "nearside_spool_full").as_deref(), Some("1"));
    assert_eq!(client.info("replication", "nearside_spool_full_count").as_deref(), Some("1"));
    assert!(node.log().contains("reading from the master is paused"), "{}", node.log());
    goes_on_and_misses_nothing(&master, &node);
}

#[test]
fn a_spool_that_cannot_be_written_stops_the_reading_and_drops_nothing() {
    let Some((master, node)) = with_a_held_load(&[]) else { return };
    std::fs::rename(node.dir(), node.dir().with_extension("away")).expect("its folder");
    write_much(&master);
    wait_for("spool_failed", || link_error(&mut node.client()).starts_with("spool_failed ").then_some(()));
    std::fs::rename(node.dir().with_extension("away"), node.dir()).expect("its folder");
    goes_on_and_misses_nothing(&master, &node);
}

/// Two data sets that do not fit side by side: the load is given up, or the old data are, as we are told.
#[test]
fn a_data_set_that_does_not_fit_beside_the_old_one() {
    let first = master_or_skip!("redis-7.0", "--repl-diskless-sync-delay", "0");
    let second = master_or_skip!("redis-7.0", "--repl-diskless-sync-delay", "0");
    first.client().line("DEBUG POPULATE 20000 first 1000");
    second.client().line("DEBUG POPULATE 20000 second 1000");
    let node = replica_at(first.port, &["--resync", "keep", "--spool-memory", "1mb"]);
    node.wait_state("streaming");
    node.wait_caught_up(&first);
    let mut client = node.client();
    let before = client.line("DEBUG DIGEST");
    let used: u64 =
        client.info("memory", "used_memory").and_then(|used| used.parse().ok()).expect("a number");
    let most = (used + used / 2).to_string();
    node.set("memory-limit", &most);
    assert_eq!(client.info("memory", "nearside_memory_limit"), Some(most));
    client.ask(&["REPLICAOF", "127.0.0.1", &second.port.to_string()]);
    wait_code(&node, "memory_limit");
    assert_eq!(client.line("DEBUG DIGEST"), before, "the old data stay");
    node.set("resync", "auto");
    node.hurry();
    node.wait_state("streaming");
    assert!(node.log().contains("the old data are dropped"), "{}", node.log());
    assert_equal(&second, &node);
}

#[test]
fn old_data_go_first_when_told_to() {
    let first = master_or_skip!("redis-7.0", "--repl-diskless-sync-delay", "0");
    let mut second = master_or_skip!("redis-7.0", "--repl-diskless-sync-delay", "0");
    first.client().line("DEBUG POPULATE 100 first 100");
    second.client().line("DEBUG POPULATE 100 second 100");
    let node = replica_at(first.port, &["--resync", "flush"]);
    node.wait_state("streaming");
    node.set("key-load-delay", "1000000");
    let mut client = node.client();
    client.ask(&["REPLICAOF", "127.0.0.1", &second.port.to_string()]);
    let loading = Frame::Error("LOADING Redis is loading the dataset in memory".into());
    wait_for("LOADING", || (client.ask(&["GET", "first:1"]) == loading).then_some(()));
    assert_eq!(client.info("persistence", "loading").as_deref(), Some("1"));
    // The load is given up: there are no data any more, and no place in a stream to go on from.
    client.ask(&["REPLICAOF", "127.0.0.1", &first.port.to_string()]);
    second.kill();
    assert_eq!(client.ask(&["GET", "first:1"]), loading);
    node.set("key-load-delay", "0");
    node.wait_state("streaming");
    assert_equal(&first, &node);
    assert_eq!(first.client().info("stats", "sync_full").as_deref(), Some("2"));
}

/// Old data that have to go are there for a reader, or it is told that there are none: never is there nothing.
#[test]
fn who_reads_while_old_data_go_is_told() {
    let masters = [0, 1].map(|_| Master::start("redis-7.0", &["--repl-diskless-sync-delay", "0"]));
    let [Some(first), Some(second)] = masters else { return };
    for master in [&first, &second] {
        master.client().line("DEBUG POPULATE 2000 key 100");
    }
    let node = replica_at(first.port, &["--resync", "flush"]);
    node.wait_state("streaming");
    let get = "return redis.call('GET', KEYS[1])";
    let requests: Vec<Vec<Vec<u8>>> = (0..16)
        .map(|turn| match turn % 2 {
            0 => vec![b"EVAL".to_vec(), get.into(), b"1".to_vec(), b"key:1".to_vec()],
            _ => vec![b"GET".to_vec(), b"key:1".to_vec()],
        })
        .collect();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let mut client = node.client();
                while !is_over.load(Relaxed) {
                    for answer in client.pipeline(&requests) {
                        let is_told = matches!(&answer, Frame::Error(text) if text.starts_with("LOADING "));
                        assert!(is_told || answer.text().starts_with("value:1"), "{answer:?}");
                    }
                }
            });
        }
        let _ends = Ends(&is_over);
        let mut client = node.client();
        for turn in 0..40 {
            let master = if turn % 2 == 0 { &second } else { &first };
            client.ask(&["REPLICAOF", "127.0.0.1", &master.port.to_string()]);
            node.wait_state("streaming");
        }
    });
}

/// What a master says, or does not, and the code that follows.
#[test]
fn a_master_that_is_none() {
    let bad_reply = Scripted::start(|words| (words[0] == "PSYNC").then(|| b"-ERR what is that\r\n".to_vec()));
    wait_code(&replica_at(bad_reply.port, &[]), "bad_reply");

    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    wait_code(&replica_at(port, &[]), "closed");

    for (master, code) in [("no-such-host.invalid:1", "unresolved"), ("255.255.255.255:1", "unreachable")] {
        wait_code(&Node::start(&["--replicaof", master]), code);
    }

    let mut other_database = b"REDIS0009\xfe\x3f".to_vec();
    other_database.extend_from_slice(&scripted::string("key", "value"));
    for (rdb, stream, code) in [
        (b"REDIS0999\xff".to_vec(), "", "unknown_rdb_version"),
        (other_database, "", "too_few_databases"),
        (b"REDIS0009\xfe\x00\x00\x01k\xc4".to_vec(), "", "corrupt_rdb"), // an encoding that there is not
        (scripted::rdb(&[]), "+OK\r\n", "bad_stream"),
    ] {
        let master = Scripted::start(|_| None);
        let node = replica_at(master.port, &[]);
        let mut socket = master.replica();
        socket.write_all(&scripted::transfer(&rdb)).expect("send");
        socket.write_all(stream.as_bytes()).expect("send");
        wait_code(&node, code);
    }
}

#[test]
fn each_code_is_made_by_a_test() {
    let ours = concat!(include_str!("faults.rs"), include_str!("tls.rs"));
    for code in replication::ErrorCode::ALL {
        let name = code.name();
        let is_made = [format!("\"{name}\""), format!("\"{name} \"")].iter().any(|said| ours.contains(said));
        // A fault of our own is none that a test could make.
        assert!(is_made || *code == replication::ErrorCode::Internal, "{name}");
    }
}
