//! Whom we follow, changed while running: REPLICAOF another master, promotion, and back.

use std::path::Path;
use std::process::Command;

use crate::clients::have;
use crate::equality::assert_equal;
use crate::harness::process::TempDir;
use crate::harness::proxy::Proxy;
use crate::harness::workload::Workload;
use crate::harness::{Client, Frame, Master, Node, Random, wait_for};

#[test]
fn replicaof_another_master_and_back() {
    let first = master_or_skip!("redis-7.0", "--repl-diskless-sync-delay", "0");
    let second = master_or_skip!("valkey-9.1", "--repl-diskless-sync-delay", "0");
    Workload::new(&first, Random::from_env(31)).run(&mut first.client(), 800);
    Workload::new(&second, Random::from_env(32)).run(&mut second.client(), 800);
    let node = Node::start(&[]);
    let mut client = node.client();
    for master in [&first, &second, &first] {
        let reply = client.ask(&["REPLICAOF", "127.0.0.1", &master.port.to_string()]);
        assert_eq!(reply, Frame::Simple("OK".into()));
        Workload::new(master, Random::new(33)).settle(master);
        wait_for("the new master in INFO", || {
            (client.info("replication", "master_port")? == master.port.to_string()).then_some(())
        });
        assert_equal(master, &node);
    }
}

/// A promotion that waits for a script may be overtaken by REPLICAOF: a node is a master or a replica, and not both.
#[test]
fn a_promotion_that_is_overtaken_is_none() {
    let master = master_or_skip!("redis-8.10", "--repl-diskless-sync-delay", "0");
    let node = Node::replica_of(&master);
    let mut client = node.client();
    let port = master.port.to_string();
    for _ in 0..12 {
        client.ask(&["REPLICAOF", "127.0.0.1", &port]);
        node.wait_state("streaming");
        let long = ["EVAL_RO", "local x = 0 for i = 1, 1.5e6 do x = x + i end", "0"];
        let requests = [&long[..], &["REPLICAOF", "NO", "ONE"], &["REPLICAOF", "127.0.0.1", &port]];
        let mut clients: Vec<_> = requests
            .iter()
            .map(|words| {
                let mut bytes = Vec::new();
                Client::encode(words, &mut bytes);
                let mut client = node.client();
                client.send_raw(&bytes);
                client
            })
            .collect();
        let answers: Vec<_> =
            clients.iter_mut().map(|client| client.read_soon().expect("an answer")).collect();
        // (The script may have been ended: it holds the stream up.)
        assert!(answers[1..].iter().all(|answer| !answer.is_error()), "{answers:?}");
        if client.line("ROLE").items()[0].text() == "master" {
            assert_eq!(client.line("CONFIG GET replicaof").items()[1].text(), "");
            wait_for("the master to lose its replica", || {
                (master.client().info("replication", "connected_slaves").as_deref() == Some("0"))
                    .then_some(())
            });
        } else {
            assert_eq!(client.line("CONFIG GET replicaof").items()[1].text(), format!("127.0.0.1 {port}"));
            assert!(client.ask(&["SET", "own", "write"]).text().starts_with("READONLY"));
        }
    }
}

/// Whoever has asked for a promotion may write when it is answered, though others ask for one at the same time.
#[test]
fn who_promotes_may_write_then() {
    let master = master_or_skip!("redis-8.10", "--repl-diskless-sync-delay", "0");
    let node = Node::replica_of(&master);
    let mut client = node.client();
    for _ in 0..6 {
        client.ask(&["REPLICAOF", "127.0.0.1", &master.port.to_string()]);
        node.wait_state("streaming");
        let mut script = node.client();
        let mut bytes = Vec::new();
        Client::encode(&["EVAL_RO", "local x = 0 for i = 1, 1.5e6 do x = x + i end", "0"], &mut bytes);
        script.send_raw(&bytes);
        let mut clients: Vec<_> = (0..4).map(|_| node.client()).collect();
        for client in &mut clients {
            client.send_raw(b"REPLICAOF NO ONE\r\nSET own write\r\n");
        }
        for client in &mut clients {
            for _ in 0..2 {
                assert_eq!(client.read_soon().expect("an answer"), Frame::Simple("OK".into()));
            }
        }
        script.read_soon().expect("its answer");
    }
}

#[test]
fn promotion_makes_a_master_that_expires_and_accepts_writes() {
    let master = master_or_skip!("redis-7.0", "--repl-diskless-sync-delay", "0");
    let mut at_master = master.client();
    at_master.line("SET soon gone PX 60");
    at_master.line("SET key value");
    at_master.line("HSET hash field 1");
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    node.wait_caught_up(&master);
    let mut client = node.client();
    assert!(client.ask(&["SET", "key", "other"]).text().starts_with("READONLY "));
    let old = client.info("replication", "master_replid");
    client.line("REPLICAOF NO ONE");
    assert_eq!(client.info("replication", "role").as_deref(), Some("master"));
    assert_ne!(client.info("replication", "master_replid"), old, "a new replid is taken");
    for (line, expected) in [
        ("SET key other", Frame::Simple("OK".into())),
        ("INCR counter", Frame::Int(1)),
        ("HSET hash second 2", Frame::Int(1)),
        ("RPUSH list a b", Frame::Int(2)),
        ("ZADD zset 1 a", Frame::Int(1)),
        ("DEL list", Frame::Int(1)),
    ] {
        assert_eq!(client.line(line), expected, "{line}");
    }
    client.line("SET short x PX 30");
    wait_for("expiry here", || (client.line("EXISTS soon short").int() == 0).then_some(()));
    wait_for("the key's removal here", || (client.line("DBSIZE").int() == 4).then_some(()));
    // and back: the master's data, whole
    client.ask(&["REPLICAOF", "127.0.0.1", &master.port.to_string()]);
    assert_equal(&master, &node);
}

#[test]
fn a_node_without_a_master_is_empty_and_writable() {
    let node = Node::start(&["--databases", "4"]);
    let mut client = node.client();
    assert_eq!(client.line("DBSIZE"), Frame::Int(0));
    assert_eq!(client.line("SET key value"), Frame::Simple("OK".into()));
    assert_eq!(client.line("GET key"), Frame::Bulk(b"value".to_vec()));
    client.line("SELECT 3");
    assert!(client.ask(&["SELECT", "4"]).is_error());
}

/// A failover between real servers: the new master knows the old replid, and we go on without a full sync.
#[test]
fn a_new_master_with_a_known_replid_is_followed_without_a_full_sync() {
    let old = master_or_skip!("redis-7.0", "--repl-diskless-sync-delay", "0");
    let port = old.port.to_string();
    let new =
        master_or_skip!("redis-7.0", "--repl-diskless-sync-delay", "0", "--replicaof", "127.0.0.1", &port);
    let mut at_new = new.client();
    wait_for("the replica's sync", || {
        (at_new.info("replication", "master_link_status")? == "up").then_some(())
    });
    let mut workload = Workload::new(&old, Random::from_env(41));
    workload.run(&mut old.client(), 500);
    let node = Node::replica_of(&old);
    node.wait_state("streaming");
    workload.run(&mut old.client(), 500);
    workload.settle(&old);
    node.wait_caught_up(&old);
    wait_for("the replica's stream", || {
        (at_new.info("replication", "slave_repl_offset")?.parse::<i64>().ok()? >= old.offset()).then_some(())
    });
    at_new.line("REPLICAOF NO ONE");
    node.client().ask(&["REPLICAOF", "127.0.0.1", &new.port.to_string()]);
    workload.run(&mut at_new, 500);
    workload.settle(&new);
    assert_equal(&new, &node);
    assert_eq!(at_new.info("stats", "sync_full").as_deref(), Some("0"), "a full sync was made");
    assert_eq!(at_new.info("stats", "sync_partial_ok").as_deref(), Some("1"));
}

#[test]
fn stale_data_are_refused_when_asked_to() {
    let mut master = master_or_skip!("redis-7.0", "--repl-diskless-sync-delay", "0");
    master.client().line("SET key value");
    let node = Node::start(&[
        "--replicaof",
        &format!("127.0.0.1:{}", master.port),
        "--replica-serve-stale-data",
        "no",
    ]);
    node.wait_state("streaming");
    let mut client = node.client();
    wait_for("the key", || (client.ask(&["GET", "key"]) == Frame::Bulk(b"value".to_vec())).then_some(()));
    master.kill();
    wait_for("MASTERDOWN", || client.ask(&["GET", "key"]).is_error().then_some(()));
    let reply = client.ask(&["GET", "key"]);
    assert!(reply.text().starts_with("MASTERDOWN "), "{reply:?}");
    // As a real server: PING is refused too, what says nothing of data is not.
    assert!(client.ask(&["PING"]).text().starts_with("MASTERDOWN "));
    assert!(!client.ask(&["SELECT", "0"]).is_error());
}

/// An `Err` here means that offsets drift: each INCR is applied once, whatever is cut.
#[test]
fn increments_are_applied_once() {
    let Some(master) = Master::start("redis-6.2", &["--repl-diskless-sync-delay", "0"]) else { return };
    let proxy = crate::harness::proxy::Proxy::new(master.port);
    let node = Node::start(&["--replicaof", &format!("127.0.0.1:{}", proxy.port)]);
    node.wait_state("streaming");
    let mut client = master.client();
    for _ in 0..30 {
        let requests: Vec<Vec<Vec<u8>>> =
            (0..200).map(|at| vec![b"INCR".to_vec(), format!("n:{}", at % 7).into_bytes()]).collect();
        client.pipeline(&requests);
        proxy.cut();
    }
    assert_equal(&master, &node);
}

/// A replica of the first of two masters with its data, in the middle of a load of the second's that goes on only when
/// it is told to; with the digest of what it had before.
fn held_in_a_load() -> Option<(Master, Master, Node, Frame)> {
    let first = Master::start("redis-7.0", &["--repl-diskless-sync-delay", "0"])?;
    let second = Master::start("redis-7.0", &["--repl-diskless-sync-delay", "0"])?;
    first.client().line("DEBUG POPULATE 500 first 100");
    second.client().line("DEBUG POPULATE 300 first 100"); // some keys are the same in both
    second.client().line("DEBUG POPULATE 300 second 100");
    let node = Node::replica_of(&first);
    node.wait_state("streaming");
    node.wait_caught_up(&first);
    let before = node.client().line("DEBUG DIGEST");
    node.set("key-load-delay", "1000000");
    let mut client = node.client();
    client.ask(&["REPLICAOF", "127.0.0.1", &second.port.to_string()]);
    wait_for("the load", || {
        let begun = client.info("persistence", "async_loading")? == "1";
        (begun && client.info("replication", "nearside_link_state")? == "loading").then_some(())
    });
    assert_eq!(client.info("persistence", "loading").as_deref(), Some("0"));
    assert_eq!(client.line("DEBUG DIGEST"), before, "in the middle of a load");
    Some((first, second, node, before))
}

#[test]
fn a_promotion_in_the_middle_of_a_load_keeps_the_old_data() {
    let Some((_first, second, node, before)) = held_in_a_load() else { return };
    let mut client = node.client();
    client.line("REPLICAOF NO ONE");
    assert_eq!(client.info("replication", "role").as_deref(), Some("master"));
    assert_eq!(client.line("DEBUG DIGEST"), before);
    assert_eq!(client.line("SET written here"), Frame::Simple("OK".into()));
    node.set("key-load-delay", "0");
    client.ask(&["REPLICAOF", "127.0.0.1", &second.port.to_string()]);
    assert_equal(&second, &node);
}

#[test]
fn a_replicaof_in_the_middle_of_a_load_goes_on_from_the_old_data() {
    let Some((first, _second, node, before)) = held_in_a_load() else { return };
    let mut client = node.client();
    client.ask(&["REPLICAOF", "127.0.0.1", &first.port.to_string()]);
    node.wait_state("streaming");
    assert_eq!(client.line("DEBUG DIGEST"), before);
    first.client().line("SET another key");
    assert_equal(&first, &node);
    assert_eq!(first.client().info("stats", "sync_full").as_deref(), Some("1"), "it went on where it was");
}

#[test]
fn a_master_is_reached_by_ipv6_and_by_name() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        crate::harness::skipped("IPv6");
        return;
    }
    let master =
        master_or_skip!("redis-7.0", "--bind", "127.0.0.1", "::1", "--repl-diskless-sync-delay", "0");
    master.client().line("SET key value");
    let node = Node::start(&["--replicaof", &format!("[::1]:{}", master.port)]);
    node.wait_state("streaming");
    assert_equal(&master, &node);
    let mut client = node.client();
    assert_eq!(client.info("replication", "master_host").as_deref(), Some("::1"));
    for host in ["localhost", "::1"] {
        client.ask(&["REPLICAOF", host, &master.port.to_string()]);
        wait_for(host, || (client.info("replication", "master_host")? == host).then_some(()));
        node.wait_state("streaming");
        assert_equal(&master, &node);
    }
    assert!(master.client().line("INFO replication").text().contains("slave0:ip=::1,port="));
}

/// A name is resolved again at each try: a master that moves is found again.
#[test]
fn a_name_is_resolved_again_at_each_try() {
    if !have("cc", &["--version"]) {
        return;
    }
    let folder = TempDir::new("names");
    let (library, names) = (folder.path().join("names.so"), folder.path().join("names"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/harness/names.c");
    let built =
        Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).arg("-ldl").status();
    assert!(built.expect("cc runs").success());
    let becomes = |address: &str| {
        // in one step: the file is being read
        let next = folder.path().join("next");
        std::fs::write(&next, address)
            .and_then(|()| std::fs::rename(&next, &names))
            .expect("a file of names");
    };
    becomes("");

    let master = master_or_skip!("redis-7.0", "--repl-diskless-sync-delay", "0");
    master.client().line("SET key value");
    let proxy = Proxy::new(master.port); // at 127.0.0.1
    let node = Node::start_with(
        &["--replicaof", &format!("master.test:{}", proxy.port)],
        &[("LD_PRELOAD", library.to_str().expect("UTF-8")), ("NAMES", names.to_str().expect("UTF-8"))],
    );
    let mut client = node.client();
    let mut error = |what: &str| {
        wait_for(what, || client.info("replication", "nearside_link_error")?.contains(what).then_some(()));
    };
    error("unresolved");
    becomes("127.0.0.1");
    node.wait_state("streaming");
    becomes("127.0.0.2");
    proxy.cut();
    error(&format!("refused 127.0.0.2:{}", proxy.port));
    becomes("127.0.0.1");
    node.wait_state("streaming");
    assert_equal(&master, &node);
}

/// What a master up to 6.2 says in seconds from now counts from when it was said, however late it is applied.
#[test]
fn relative_deadlines_count_from_the_moment_of_their_receipt() {
    let master =
        master_or_skip!("redis-6.2", "--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0");
    let mut at_master = master.client();
    at_master.line("DEBUG POPULATE 200 key 32");
    let node =
        Node::start(&["--replicaof", &format!("127.0.0.1:{}", master.port), "--key-load-delay", "1000000"]);
    let mut client = node.client();
    wait_for("the load", || (client.info("replication", "nearside_link_state")? == "loading").then_some(()));
    for line in ["SET set 1 PX 1000000", "SETEX setex 1000 1", "SET expire 1", "EXPIRE expire 1000"] {
        at_master.line(line);
    }
    let said = master.offset();
    wait_for("their receipt", || {
        let received: i64 = client.info("replication", "slave_read_repl_offset")?.parse().ok()?;
        (received >= said).then_some(())
    });
    let received = at_master.line("PTTL expire").int();
    wait_for("two seconds in the spool", || {
        (at_master.line("PTTL expire").int() <= received - 2000).then_some(())
    });
    node.set("key-load-delay", "0");
    node.wait_state("streaming");
    node.wait_caught_up(&master);
    for key in ["set", "setex", "expire"] {
        let left = client.ask(&["PTTL", key]).int();
        assert!((900_000..=1_000_000 - 2000).contains(&left), "{key}: {left} ms are left");
    }
}

/// SIGHUP, which a terminal sends when it closes, and `systemctl reload`, ends nothing: with and without TLS.
#[test]
fn a_hangup_ends_nothing() {
    let node = Node::start(&["--loglevel", "debug"]);
    let mut client = node.client();
    client.line("SET a 1");
    node.signal("-HUP");
    wait_for("it to be heard", || node.log().contains("there is no TLS to read anew").then_some(()));
    assert_eq!(client.line("GET a").text(), "1");
    assert_eq!(node.client().line("PING").text(), "PONG");
}
