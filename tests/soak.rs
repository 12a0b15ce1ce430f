//! Rounds of everything at once: `make soak` has 200 of them, or as many as `NEARSIDE_SOAK` says.
//!
//! Two masters of different make, each behind a wire that fails; one node that follows the one, then the other. Each
//! round begins with empty data sets, so that rounds can be compared with each other: what grows from round to round
//! is a leak.

use crate::equality::assert_equal;
use crate::harness::proxy::{Plan, Proxy};
use crate::harness::workload::Workload;
use crate::harness::{Client, Master, Node, Random, wait_for};

/// Rounds when nobody says how many (`NEARSIDE_SOAK`).
const ROUNDS: usize = 3;

/// Slices of writes in a round, each with a fault of its own.
const SLICES: usize = 24;

/// Requests in a slice.
const REQUESTS: usize = 300;

/// Rounds whose memory is taken for the measure of the later ones: pools and tables find their size in them.
const WARM_ROUNDS: usize = 3;

/// What a later round may take of the most that a warm one took. Data sets differ from round to round by chance (a few
/// long strings are most of them), and so does what is at hand for reuse.
const GROWTH_MAX: f64 = 1.5;

/// A master and its wire.
struct Upstream {
    master: Master,
    proxy: Proxy,
    workload: Workload,
}

impl Upstream {
    fn start(name: &str, seed: u64) -> Option<Upstream> {
        let args =
            ["--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0", "--repl-backlog-size", "32mb"];
        let master = Master::start(name, &args)?;
        let workload = Workload::new(&master, Random::new(seed));
        Some(Upstream { proxy: Proxy::new(master.port), workload, master })
    }

    fn whole(&self) {
        self.proxy.plan(Plan::default());
        self.proxy.cut();
    }
}

/// Bytes of the node that are in memory.
fn resident(node: &Node) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.pid())).expect("the node runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") * 1024
}

fn used(client: &mut Client) -> u64 {
    client.info("memory", "used_memory").and_then(|bytes| bytes.parse().ok()).expect("used_memory")
}

/// Does something to the link or the master, and says what.
fn fault(random: &mut Random, upstream: &mut Upstream, node: &Node) -> &'static str {
    match random.below(12) {
        0..=4 => {
            let far = *random.pick(&[200, 2_000, 20_000, 200_000]);
            upstream.proxy.plan(Plan { cut_at: Some(1 + random.below(far)), spoil_at: None });
            upstream.proxy.cut();
            "a cut at a byte"
        }
        5 | 6 => {
            upstream.whole();
            "a cut"
        }
        7 => {
            upstream.master.client().line("DEBUG CHANGE-REPL-ID");
            upstream.whole();
            "a full resync"
        }
        8 => {
            let mut client = upstream.master.client();
            wait_for("a snapshot", || (!client.ask(&["SAVE"]).is_error()).then_some(()));
            let port = upstream.master.port;
            upstream.master.restart();
            assert_eq!(upstream.master.port, port, "somebody took the master's port");
            upstream.proxy.plan(Plan::default());
            "a restart of the master"
        }
        9 => {
            let mut client = node.client();
            client.line("REPLICAOF NO ONE");
            client.line("SET written here");
            client.line(&format!("REPLICAOF 127.0.0.1 {}", upstream.proxy.port));
            "a promotion, taken back"
        }
        _ => "nothing",
    }
}

#[test]
#[ignore = "long: run by make soak, and for a few rounds by make test-long"]
fn soak() {
    let rounds = std::env::var("NEARSIDE_SOAK").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS);
    let mut random = Random::from_env(20_260_103);
    let names = ["redis-8.10", "valkey-8.1"];
    let started: Option<Vec<Upstream>> =
        names.iter().map(|name| Upstream::start(name, random.next())).collect();
    let Some(mut upstreams) = started else { return };
    let node = Node::start(&["--replicaof", &format!("127.0.0.1:{}", upstreams[0].proxy.port)]);
    let mut most_warm = (0, 0);
    for round in 0..rounds {
        let upstream = &mut upstreams[round % names.len()];
        upstream.whole();
        let mut ours = node.client();
        ours.line(&format!("REPLICAOF 127.0.0.1 {}", upstream.proxy.port));
        upstream.master.client().line("FLUSHALL");
        let mut faults = std::collections::BTreeMap::<&str, usize>::new();
        for _ in 0..SLICES {
            *faults.entry(fault(&mut random, upstream, &node)).or_default() += 1;
            upstream.workload.run(&mut upstream.master.client(), REQUESTS);
        }
        upstream.whole();
        node.wait_state("streaming");
        upstream.workload.settle(&upstream.master);
        assert_equal(&upstream.master, &node);
        // What is freed in the background is freed before memory is looked at.
        let used = wait_for("memory at rest", || {
            let before = used(&mut ours);
            (used(&mut ours) >= before).then_some(before)
        });
        let resident = resident(&node);
        let syncs = upstream.master.client().info("stats", "sync_full").unwrap_or_default();
        println!(
            "round {round} with {}: {faults:?}; {syncs} full syncs; {} KiB used, {} KiB resident",
            upstream.master.name,
            used / 1024,
            resident / 1024,
        );
        if round < WARM_ROUNDS {
            most_warm = (most_warm.0.max(used), most_warm.1.max(resident));
        } else {
            let bound = |warm: u64| (warm as f64 * GROWTH_MAX) as u64;
            assert!(used <= bound(most_warm.0), "{used} bytes used, {} in the first rounds", most_warm.0);
            assert!(resident <= bound(most_warm.1), "{resident} bytes resident, {} at first", most_warm.1);
        }
    }
}
