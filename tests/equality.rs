//! A workload on a real master before, during and after the sync; then nothing may differ.

use crate::harness::proxy::{Plan, Proxy};
use crate::harness::walk::{self, Depth};
use crate::harness::workload::Workload;
use crate::harness::{Frame, Master, Node, Random, wait_for};

/// Requests per phase and master; the long tier multiplies it.
const REQUESTS: usize = 6_000;

fn requests() -> usize {
    REQUESTS * if std::env::var("NEARSIDE_LONG").is_ok() { 20 } else { 1 }
}

/// Writes stopped, offsets equal: then digest and walk, or a panic that prints each difference.
pub(crate) fn assert_equal(master: &Master, node: &Node) {
    assert_equal_to(master, node, Depth::of(master.version(), master.is_valkey()));
}

fn assert_equal_to(master: &Master, node: &Node, depth: Depth) {
    let mut theirs = master.client();
    theirs.ask(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    node.wait_caught_up(master);
    let mut ours = node.client();
    let differences = walk::differences(&mut ours, &mut theirs, 3, depth);
    assert!(differences.is_empty(), "{}: differs\n{}\n{}", master.name, differences.join("\n"), node.log());
    // reading may have expired keys at the master: its DELs have to arrive before the digests are compared
    node.wait_caught_up(master);
    let digest = theirs.line("DEBUG DIGEST");
    assert_eq!(ours.line("DEBUG DIGEST"), digest, "{}: DEBUG DIGEST", master.name);
    // Nor did anything count that is no data: the offsets meet again (the master's own PINGs go on).
    node.wait_caught_up(master);
    theirs.ask(&["DEBUG", "SET-ACTIVE-EXPIRE", "1"]);
}

fn follows_exactly(name: &str, args: &[&str]) {
    let Some(master) = Master::start(name, args) else { return };
    let mut workload = Workload::new(&master, Random::from_env(20_260_101));
    let mut client = master.client();
    workload.run(&mut client, requests()); // before
    let node = Node::replica_of(&master);
    workload.run(&mut client, requests()); // during, and after
    node.wait_state("streaming");
    workload.run(&mut client, requests());
    workload.settle(&master);
    assert_equal(&master, &node);
}

/// Everything comes by the stream: each value has gone through the same forms here and there.
fn follows_from_nothing(name: &str) {
    let Some(master) = Master::start(name, &[]) else { return };
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    let mut workload = Workload::new(&master, Random::from_env(20_260_102));
    workload.run(&mut master.client(), requests());
    workload.settle(&master);
    let depth = Depth { loaded: walk::Loaded::Neither, ..Depth::of(master.version(), master.is_valkey()) };
    assert_equal_to(&master, &node, depth);
}

fn diskless(name: &str) {
    if name == "redis-2.8" {
        return diskless_with_an_early_offset(name);
    }
    follows_exactly(name, DISKLESS);
}

/// Its +FULLRESYNC tells the offset of that moment; its snapshot is of a later one, and what lies between is not sent.
/// So the data are exact and the offset is not, and after a cut nothing but everything may be asked for.
fn diskless_with_an_early_offset(name: &str) {
    // A PING between would be such a thing too.
    let args = [DISKLESS, &["--repl-ping-slave-period", "3600"]].concat();
    let Some(master) = Master::start(name, &args) else { return };
    let mut workload = Workload::new(&master, Random::from_env(20_260_101));
    let mut client = master.client();
    workload.run(&mut client, requests());
    let proxy = Proxy::new(master.port);
    let node = Node::start(&["--replicaof", &format!("127.0.0.1:{}", proxy.port), "--repl-timeout", "3600"]);
    workload.run(&mut client, requests());
    node.wait_state("streaming");
    workload.run(&mut client, requests());
    workload.settle(&master);

    client.line("SELECT 0");
    client.ask(&["SET", "the:last", "write"]);
    let mut ours = node.client();
    wait_for("the last write", || (ours.ask(&["EXISTS", "the:last"]) == Frame::Int(1)).then_some(()));
    let depth = Depth::of(master.version(), false);
    let differences = walk::differences(&mut ours, &mut master.client(), 3, depth);
    assert!(differences.is_empty(), "{name}: differs\n{}\n{}", differences.join("\n"), node.log());
    assert_eq!(ours.line("DEBUG DIGEST"), client.line("DEBUG DIGEST"), "{name}: DEBUG DIGEST");

    proxy.cut();
    wait_for("a second full sync", || {
        (client.info("stats", "sync_full").as_deref() == Some("2")).then_some(())
    });
    node.wait_state("streaming");
    assert_eq!(client.info("stats", "sync_partial_ok").as_deref(), Some("0"), "{}", node.log());
    // nothing was written since it asked, so that this offset is right
    assert_equal(&master, &node);
}

const DISKLESS: &[&str] = &["--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0"];

fn disk(name: &str) {
    follows_exactly(name, &["--repl-diskless-sync", "no"]);
}

macro_rules! masters {
    ($tier:tt $($test:ident: $name:literal),* $(,)?) => { $(masters!(@one $tier $test $name);)* };
    (@one [$(#[$tier:meta])?] $test:ident $name:literal) => {
        mod $test {
            #[test]
            $(#[$tier])?
            fn diskless() {
                super::diskless($name);
            }
            #[test]
            $(#[$tier])?
            fn disk() {
                super::disk($name);
            }
            #[test]
            $(#[$tier])?
            fn from_nothing() {
                super::follows_from_nothing($name);
            }
        }
    };
}

masters! { []
    redis_6_2: "redis-6.2",
    redis_7_0: "redis-7.0",
    redis_7_4: "redis-7.4",
    redis_8_2: "redis-8.2",
    redis_8_10: "redis-8.10",
    valkey_8_1: "valkey-8.1",
    valkey_9_1: "valkey-9.1",
}

masters! { [#[ignore = "long: run by make test-long"]]
    redis_2_8: "redis-2.8",
    redis_3_2: "redis-3.2",
    redis_5_0: "redis-5.0",
    redis_6_0: "redis-6.0",
    redis_6_0_deb: "redis-6.0-deb",
    redis_6_2_jemalloc: "redis-6.2-jemalloc",
    redis_7_0_mvn: "redis-7.0-mvn",
    redis_7_2: "redis-7.2",
    redis_8_0: "redis-8.0",
    redis_8_0_testing: "redis-8.0-testing",
    redis_8_6: "redis-8.6",
    redis_8_6_deb: "redis-8.6-deb",
    redict_7_3: "redict-7.3",
    valkey_8_0: "valkey-8.0",
    valkey_8_1_deb: "valkey-8.1-deb",
    valkey_9_0: "valkey-9.0",
    valkey_9_1_deb: "valkey-9.1-deb",
}

/// The link is cut at random bytes (of the handshake, of the transfer, of the stream) all the while, and the master is
/// killed and started again in the middle, with what it had saved some writes ago.
fn follows_through_cuts(name: &str) {
    // See `diskless_with_an_early_offset`.
    let diskless = if name == "redis-2.8" { "no" } else { "yes" };
    let args =
        ["--repl-diskless-sync", diskless, "--repl-diskless-sync-delay", "0", "--repl-backlog-size", "64mb"];
    let Some(mut master) = Master::start(name, &args) else { return };
    let proxy = Proxy::new(master.port);
    let mut random = Random::from_env(20_260_102);
    let mut workload = Workload::new(&master, Random::new(random.next()));
    workload.run(&mut master.client(), 800);
    let node = Node::start(&["--replicaof", &format!("127.0.0.1:{}", proxy.port)]);
    node.wait_state("streaming");
    for life in 0..3 {
        let mut client = master.client();
        proxy.plan(Plan { cut_at: Some(1000), spoil_at: None });
        proxy.cut();
        for _ in 0..12 {
            let seen = proxy.planned_cuts();
            let far = *random.pick(&[300, 3_000, 30_000, 100_000]);
            proxy.plan(Plan { cut_at: Some(1 + random.below(far)), spoil_at: None });
            wait_for("a connection's cut", || {
                workload.run(&mut client, 50);
                (proxy.planned_cuts() > seen).then_some(())
            });
        }
        if life < 2 {
            wait_for("a snapshot", || (!client.ask(&["SAVE"]).is_error()).then_some(()));
            workload.run(&mut client, 60); // which the killed one takes with it
            let port = master.port;
            master.restart();
            assert_eq!(master.port, port, "somebody took the master's port");
            workload.run(&mut master.client(), 120);
        }
        proxy.plan(Plan::default());
        proxy.cut(); // what still runs by the old plan
        workload.settle(&master);
        let depth = Depth::of(master.version(), master.is_valkey());
        assert_equal_to(&master, &node, Depth { deadline_slack_ms: 60_000, ..depth });
    }
}

mod through_cuts {
    macro_rules! masters {
        ($tier:tt $($test:ident: $name:literal),* $(,)?) => { $(masters!(@one $tier $test $name);)* };
        (@one [$(#[$tier:meta])?] $test:ident $name:literal) => {
            #[test]
            $(#[$tier])?
            fn $test() {
                super::follows_through_cuts($name);
            }
        };
    }

    masters! { []
        redis_7_4: "redis-7.4",
        valkey_9_1: "valkey-9.1",
    }

    masters! { [#[ignore = "long: run by make test-long"]]
        redis_2_8: "redis-2.8",
        redis_5_0: "redis-5.0",
        redis_6_2: "redis-6.2",
        redis_7_0: "redis-7.0",
        redis_8_2: "redis-8.2",
        redis_8_10: "redis-8.10",
        redict_7_3: "redict-7.3",
        valkey_8_1: "valkey-8.1",
    }
}
