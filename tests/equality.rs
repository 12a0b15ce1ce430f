//! A workload on a real master before, during and after the sync; then nothing may differ.

use crate::harness::walk::{self, Depth};
use crate::harness::workload::Workload;
use crate::harness::{Master, Node, Random};

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
    assert_eq!(
        ours.info("replication", "slave_repl_offset"),
        theirs.info("replication", "master_repl_offset"),
        "{}: offsets",
        master.name
    );
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
    let depth = Depth { load_packs: false, ..Depth::of(master.version(), master.is_valkey()) };
    assert_equal_to(&master, &node, depth);
}

macro_rules! masters {
    ($($test:ident: $name:literal),* $(,)?) => {$(
        mod $test {
            #[test]
            fn diskless() {
                super::follows_exactly($name, &["--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0"]);
            }
            #[test]
            fn disk() {
                super::follows_exactly($name, &["--repl-diskless-sync", "no"]);
            }
            #[test]
            fn from_nothing() {
                super::follows_from_nothing($name);
            }
        }
    )*};
}

masters! {
    redis_6_2: "redis-6.2",
    redis_7_0: "redis-7.0",
    redis_7_4: "redis-7.4",
    redis_8_2: "redis-8.2",
    redis_8_10: "redis-8.10",
    valkey_8_1: "valkey-8.1",
    valkey_9_1: "valkey-9.1",
}
