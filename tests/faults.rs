//! What goes wrong between a master and us: each fault has its state and its code, loses nothing, and is
//! recovered from when it can be.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::equality::assert_equal;
use crate::harness::proxy::{Plan, Proxy};
use crate::harness::scripted::{self, Scripted};
use crate::harness::workload::Workload;
use crate::harness::{Client, Frame, Node, Random, wait_for};

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

    for (plan, code) in [
        (Plan { cut_at: Some(whole / 2), spoil_at: None }, "truncated"),
        // the last bytes of the transfer are its checksum
        (Plan { cut_at: None, spoil_at: Some(whole - 3) }, "checksum"),
    ] {
        proxy.plan(plan);
        client.line("DEBUG CHANGE-REPL-ID"); // so that only a full resync is left
        proxy.cut();
        wait_code(&node, code);
        assert_eq!(node.client().line("DEBUG DIGEST"), before, "after {code}");
        assert_eq!(node.client().info("persistence", "loading").as_deref(), Some("0"));
        proxy.plan(Plan::default());
        node.wait_state("streaming");
        assert_equal(&master, &node);
    }
}

#[test]
#[ignore = "long: run by make test-long"]
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
    for _ in 0..40 {
        proxy.plan(Plan { cut_at: Some(200 + random.below(20_000)), spoil_at: None });
        let seen = proxy.connections();
        proxy.cut();
        workload.run(&mut client, 150);
        wait_for("a new connection", || (proxy.connections() > seen).then_some(()));
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
    assert!(reply.is_error(), "{reply:?}");
    assert_eq!(node.client().ask(&["GET", "plain"]), Frame::Bulk(b"before".to_vec()));
}
