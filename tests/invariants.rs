//! What a master's transactions keep true, read on eight connections that must never see it broken: through cuts, full
//! resyncs and failovers.
//!
//! Both of the first two databases hold the same keys, so that SWAPDB may exchange them at any time. Beside it: an offset
//! that a client was told of never claims more than the client can see.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::equality::assert_equal;
use crate::harness::proxy::{Plan, Proxy};
use crate::harness::{Client, Frame, Master, Node, Random, tiered, wait_for};

const READERS: usize = 8;

/// Rounds of all faults, each with its slice of writes.
const ROUNDS: usize = 4;
const LONG_ROUNDS: usize = 40;

/// Units in a slice.
const UNITS: usize = 150;

const ACCOUNTS: usize = 10;
const SUM: i64 = 1000;

/// Keys that stand throughout: enough that a walk takes several calls, and a full sync some time.
const STABLE: usize = 2000;
const COUNT: &str = "100";

type Words = Vec<Vec<u8>>;

fn words(line: &str) -> Words {
    line.split_whitespace().map(|word| word.as_bytes().to_vec()).collect()
}

/// What is there before anybody reads: the invariants hold in both databases.
fn begin(master: &Master) {
    let mut client = master.client();
    for (db, side) in [(0, "a"), (1, "b")] {
        let mut requests = vec![words(&format!("SELECT {db}"))];
        requests
            .extend((0..ACCOUNTS).map(|at| words(&format!("SET account:{at} {}", SUM / ACCOUNTS as i64))));
        requests.push(words("HSET left version 0 other 0"));
        requests.push(words("HSET right version 0 other 0"));
        requests.push(words(&format!("SET here {}", "x".repeat(200))));
        requests.push(words(&format!("MSET side:0 {side} side:1 {side} side:2 {side} side:3 {side}")));
        requests.extend((0..STABLE).map(|at| words(&format!("SET stable:{at} {side}"))));
        for (request, reply) in requests.iter().zip(client.pipeline(&requests)) {
            assert!(!reply.is_error(), "{request:?}: {reply:?}");
        }
    }
}

/// One unit of the master's, which breaks nothing: a few requests, sent together.
fn unit(random: &mut Random, number: usize) -> Vec<Words> {
    let mut unit = vec![words(&format!("SELECT {}", random.below(2)))];
    match random.below(8) {
        0..=2 => {
            let (from, to) = (random.below(ACCOUNTS as u64), random.below(ACCOUNTS as u64));
            let amount = random.below(50);
            let transfer = format!("DECRBY account:{from} {amount}|INCRBY account:{to} {amount}");
            unit.extend(format!("MULTI|{transfer}|EXEC").split('|').map(words));
        }
        3 | 4 => {
            let fields = format!("version {number} other {}", random.below(1 << 40));
            unit.extend(format!("MULTI|HSET left {fields}|HSET right {fields}|EXEC").split('|').map(words));
        }
        5 | 6 => {
            // Whichever is there: the other answers an error, and changes nothing.
            unit.push(words(random.pick::<&str>(&["RENAME here there", "RENAME there here"])));
        }
        _ => unit.push(words("SWAPDB 0 1")),
    }
    unit
}

/// The replies to these lines, run as one transaction.
fn transaction(client: &mut Client, lines: &[String]) -> Result<Vec<Frame>, String> {
    let mut requests = vec![words("MULTI")];
    requests.extend(lines.iter().map(|line| words(line)));
    requests.push(words("EXEC"));
    match client.pipeline(&requests).pop() {
        Some(Frame::Array(replies)) => Ok(replies),
        other => Err(format!("EXEC of {lines:?}: {other:?}")),
    }
}

fn number(frame: &Frame) -> Result<i64, String> {
    match frame {
        Frame::Bulk(bytes) => String::from_utf8_lossy(bytes).parse().map_err(|_| format!("{frame:?}")),
        other => Err(format!("no number: {other:?}")),
    }
}

type Check = fn(&mut Client) -> Result<(), String>;

fn accounts_by_mget(client: &mut Client) -> Result<(), String> {
    let names: Vec<String> = (0..ACCOUNTS).map(|at| format!("account:{at}")).collect();
    let reply = client.ask(&words(&format!("MGET {}", names.join(" "))));
    let Frame::Array(items) = &reply else { return Err(format!("MGET: {reply:?}")) };
    let sum = items.iter().map(number).sum::<Result<i64, _>>()?;
    (sum == SUM).then_some(()).ok_or_else(|| format!("the accounts hold {sum}: {reply:?}"))
}

fn accounts_by_multi(client: &mut Client) -> Result<(), String> {
    let lines: Vec<String> = (0..ACCOUNTS).map(|at| format!("GET account:{at}")).collect();
    let replies = transaction(client, &lines)?;
    let sum = replies.iter().map(number).sum::<Result<i64, _>>()?;
    (sum == SUM).then_some(()).ok_or_else(|| format!("the accounts held {sum} in a transaction"))
}

/// One script sees one moment, key by key and all at once.
fn accounts_by_script(client: &mut Client) -> Result<(), String> {
    const SCRIPT: &str = "local one, all = 0, 0
        for _, key in ipairs(KEYS) do one = one + redis.call('GET', key) end
        for _, value in ipairs(redis.call('MGET', unpack(KEYS))) do all = all + value end
        return {one, all}";
    let names: Vec<String> = (0..ACCOUNTS).map(|at| format!("account:{at}")).collect();
    let count = names.len().to_string();
    let mut request = vec!["EVAL_RO", SCRIPT, &count];
    request.extend(names.iter().map(String::as_str));
    match client.ask(&request) {
        Frame::Array(sums) if sums == [Frame::Int(SUM), Frame::Int(SUM)] => Ok(()),
        other => Err(format!("a script saw {other:?}")),
    }
}

fn pairs(client: &mut Client) -> Result<(), String> {
    let replies =
        transaction(client, &["HMGET left version other".into(), "HMGET right version other".into()])?;
    let is_whole =
        |frame: &Frame| matches!(frame, Frame::Array(items) if items.iter().all(|item| number(item).is_ok()));
    match &replies[..] {
        [left, right] if left == right && is_whole(left) => Ok(()),
        other => Err(format!("a pair of hashes: {other:?}")),
    }
}

fn renamed(client: &mut Client) -> Result<(), String> {
    match client.ask(&["MGET", "here", "there"]) {
        Frame::Array(items) if items.iter().filter(|item| **item != Frame::Null).count() == 1 => Ok(()),
        other => Err(format!("here and there: {other:?}")),
    }
}

fn exists_once(client: &mut Client) -> Result<(), String> {
    let reply = client.ask(&["EXISTS", "here", "there"]);
    (reply == Frame::Int(1)).then_some(()).ok_or_else(|| format!("EXISTS here there: {reply:?}"))
}

fn sides(client: &mut Client) -> Result<(), String> {
    let lines =
        ["SELECT 0", "MGET side:0 side:1 side:2 side:3", "SELECT 1", "MGET side:0 side:1 side:2 side:3"];
    let replies = transaction(client, &lines.map(str::to_owned))?;
    let side = |frame: Option<&Frame>| match frame {
        Some(Frame::Array(items)) if items.iter().all(|item| *item == items[0] && *item != Frame::Null) => {
            Some(items[0].clone())
        }
        _ => None,
    };
    match (side(replies.get(1)), side(replies.get(3))) {
        (Some(first), Some(second)) if first != second => Ok(()),
        _ => Err(format!("the sides: {replies:?}")),
    }
}

fn stable_by_scan(client: &mut Client) -> Result<(), String> {
    let mut seen = vec![false; STABLE];
    let mut cursor = "0".to_owned();
    loop {
        let reply = client.ask(&["SCAN", &cursor, "COUNT", COUNT]);
        let Frame::Array(items) = &reply else { return Err(format!("SCAN: {reply:?}")) };
        let [next, Frame::Array(keys)] = &items[..] else { return Err(format!("SCAN: {reply:?}")) };
        for key in keys {
            if let Some(at) = key.text().strip_prefix("stable:").and_then(|at| at.parse::<usize>().ok()) {
                seen[at] = true;
            }
        }
        cursor = next.text();
        if cursor == "0" {
            break;
        }
    }
    match seen.iter().position(|seen| !seen) {
        None => Ok(()),
        Some(at) => Err(format!("a whole SCAN without stable:{at}")),
    }
}

const CHECKS: [Check; 8] = [
    accounts_by_mget,
    accounts_by_multi,
    accounts_by_script,
    pairs,
    renamed,
    exists_once,
    sides,
    stable_by_scan,
];

/// Units as the master had them at some offset: under which history, where, and which.
type Log = Mutex<Vec<(String, u64, i64)>>;

/// The history and the offset that a server tells of.
fn position(client: &mut Client, field: &str) -> (String, u64) {
    let text = client.line("INFO replication").text();
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).to_owned()
    };
    (value("master_replid"), value(field).parse().expect("an offset"))
}

/// Whatever the node says it has applied is to be seen by whoever asks then.
fn offset_claims_what_is_seen(client: &mut Client, log: &Log) -> Result<(), String> {
    let (replid, offset) = position(client, "slave_repl_offset");
    // ROLE says it too; the history is the same if it is before and after.
    let role = client.line("ROLE");
    let by_role = role.items().get(4).map(Frame::int).unwrap_or_default();
    let again = position(client, "slave_repl_offset").0;
    let offset =
        if again == replid { offset.max(u64::try_from(by_role).unwrap_or_default()) } else { offset };
    let claimed = log
        .lock()
        .expect("unpoisoned")
        .iter()
        .rev()
        .find(|(of, at, _)| *of == replid && *at <= offset)
        .map(|found| found.2);
    let seen =
        number(&transaction(client, &["SELECT 2".into(), "GET ticket".into(), "SELECT 0".into()])?[1])?;
    match claimed {
        Some(claimed) if seen < claimed => {
            Err(format!("offset {offset} claims unit {claimed}, and {seen} is seen"))
        }
        _ => Ok(()),
    }
}

/// Checks on one connection, for as long as the writes go on.
fn read(node: &Node, seed: u64, ended: &AtomicBool, checked: &AtomicUsize, log: &Log) {
    let mut random = Random::new(seed);
    let mut client = node.client();
    while !ended.load(Ordering::SeqCst) {
        client.line(&format!("SELECT {}", random.below(2)));
        let result = match random.below(CHECKS.len() as u64 + 2) as usize {
            check if check < CHECKS.len() => CHECKS[check](&mut client),
            _ => offset_claims_what_is_seen(&mut client, log),
        };
        if let Err(what) = result {
            ended.store(true, Ordering::SeqCst);
            panic!("{what}\n{}", node.log());
        }
        checked.fetch_add(1, Ordering::SeqCst);
    }
}

/// Sets when it goes, whatever the reason, so that nobody reads for ever.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A master and the wire to it.
struct Upstream {
    master: Master,
    proxy: Proxy,
}

impl Upstream {
    fn start() -> Option<Upstream> {
        let args = ["--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0"];
        let master = Master::start("redis-7.0", &args)?;
        Some(Upstream { proxy: Proxy::new(master.port), master })
    }
}

struct Writer<'a> {
    random: Random,
    units: i64,
    log: &'a Log,
}

impl Writer<'_> {
    /// A slice of units, each with a ticket and the offset behind it.
    fn write(&mut self, master: &Master, node: &Node, ended: &AtomicBool) {
        let mut client = master.client();
        let mut at_node = node.client();
        at_node.line("SELECT 2");
        for turn in 0..UNITS {
            if ended.load(Ordering::SeqCst) {
                return; // a reader has failed
            }
            self.units += 1;
            let mut requests = unit(&mut self.random, self.units as usize);
            requests.push(words("SELECT 2"));
            requests.push(words(&format!("SET ticket {}", self.units)));
            client.pipeline(&requests);
            let (replid, offset) = position(&mut client, "master_repl_offset");
            self.log.lock().expect("unpoisoned").push((replid, offset, self.units));
            // Both the other master and the node say that they have it.
            if turn % 50 == 49 && client.ask(&["WAIT", "2", "1000"]) == Frame::Int(2) {
                let seen = number(&at_node.line("GET ticket")).expect("a ticket");
                assert!(seen >= self.units, "WAIT was told of unit {}, and {seen} is seen", self.units);
            }
        }
    }
}

fn follow(node: &Node, upstream: &Upstream) {
    upstream.proxy.plan(Plan::default());
    node.client().line(&format!("REPLICAOF 127.0.0.1 {}", upstream.proxy.port));
}

/// Has `second`, a replica of `first`, take over, and everybody follow it.
fn fail_over(first: &Upstream, second: &Upstream, node: &Node) {
    let mut at_second = second.master.client();
    wait_for("the other master's sync", || {
        let is_up = at_second.info("replication", "master_link_status")? == "up";
        (is_up && position(&mut at_second, "master_repl_offset").1 >= first.master.offset() as u64)
            .then_some(())
    });
    at_second.line("REPLICAOF NO ONE");
    follow(node, second);
    first.master.client().line(&format!("REPLICAOF 127.0.0.1 {}", second.master.port));
}

fn through_all_faults(rounds: usize) {
    let mut random = Random::from_env(20_261_121);
    let (Some(first), Some(second)) = (Upstream::start(), Upstream::start()) else { return };
    let mut upstreams = [first, second];
    begin(&upstreams[0].master);
    upstreams[0].master.client().pipeline(&[words("SELECT 2"), words("SET ticket 0")]);
    upstreams[1].master.client().line(&format!("REPLICAOF 127.0.0.1 {}", upstreams[0].master.port));
    let node = Node::start(&["--replicaof", &format!("127.0.0.1:{}", upstreams[0].proxy.port)]);
    node.wait_state("streaming");
    let (ended, checked, log) = (AtomicBool::new(false), AtomicUsize::new(0), Log::default());
    std::thread::scope(|scope| {
        let _ended = Ended(&ended);
        for _ in 0..READERS {
            let seed = random.next();
            let (node, ended, checked, log) = (&node, &ended, &checked, &log);
            scope.spawn(move || read(node, seed, ended, checked, log));
        }
        let mut writer = Writer { random: Random::new(random.next()), units: 0, log: &log };
        for round in 0..rounds {
            for fault in
                ["none", "a cut", "a cut at a byte", "a full resync", "a cut full resync", "a failover"]
            {
                let upstream = &upstreams[0];
                match fault {
                    "none" => {}
                    "a cut" => upstream.proxy.cut(),
                    "a cut at a byte" => {
                        let cut_at = Some(1 + random.below(20_000));
                        upstream.proxy.plan(Plan { cut_at, spoil_at: None });
                        upstream.proxy.cut();
                    }
                    "a full resync" => {
                        upstream.proxy.plan(Plan::default());
                        upstream.master.client().line("DEBUG CHANGE-REPL-ID");
                        upstream.proxy.cut();
                    }
                    "a cut full resync" => {
                        // In the middle of the snapshot, and again, until the plan is another.
                        upstream.proxy.plan(Plan { cut_at: Some(30_000), spoil_at: None });
                        upstream.master.client().line("DEBUG CHANGE-REPL-ID");
                        upstream.proxy.cut();
                    }
                    _ => {
                        fail_over(&upstreams[0], &upstreams[1], &node);
                        upstreams.swap(0, 1);
                    }
                }
                writer.write(&upstreams[0].master, &node, &ended);
                upstreams[0].proxy.plan(Plan::default());
                if ended.load(Ordering::SeqCst) {
                    return; // a reader has failed, and says why
                }
                if fault != "none" {
                    node.hurry();
                    node.wait_state("streaming");
                }
            }
            let checked = checked.load(Ordering::SeqCst);
            println!("round {round}: {} units written, {checked} checks", writer.units);
        }
    });
    assert!(checked.load(Ordering::SeqCst) > READERS * rounds, "hardly anything was looked at");
    let syncs = upstreams[0].master.client().info("stats", "sync_full");
    assert_equal(&upstreams[0].master, &node);
    println!("full syncs of the last master: {syncs:?}");
}

#[test]
fn readers_never_see_an_invariant_broken() {
    through_all_faults(tiered(ROUNDS, LONG_ROUNDS));
}

/// Hours of it: as many rounds as `NEARSIDE_SOAK` says.
#[test]
#[ignore = "long: run by make soak"]
fn soak_of_invariants() {
    let rounds = std::env::var("NEARSIDE_SOAK").ok().and_then(|rounds| rounds.parse().ok());
    through_all_faults(rounds.unwrap_or(ROUNDS));
}

/// Each check finds what it is there for, and nothing else.
#[test]
fn a_broken_invariant_is_found() {
    let master = master_or_skip!("redis-7.0");
    let mut client = master.client();
    for (broken, finders) in [
        ("INCR account:3", &[0, 1, 2][..]),
        ("DEL account:3", &[0, 1, 2]),
        ("HSET left version 7", &[3]),
        ("DEL right", &[3]),
        ("COPY here there", &[4, 5]),
        ("DEL here", &[4, 5]),
        ("SET side:2 b", &[6]),
        ("MSET side:0 b side:1 b side:2 b side:3 b", &[6]),
        ("DEL stable:77", &[7]),
    ] {
        client.line("FLUSHALL");
        begin(&master);
        assert!(CHECKS.iter().all(|check| check(&mut client).is_ok()));
        client.line("SELECT 0");
        client.line(broken);
        for (index, check) in CHECKS.iter().enumerate() {
            client.line("SELECT 0");
            assert_eq!(check(&mut client).is_err(), finders.contains(&index), "check {index} of {broken}");
        }
        client.line("SELECT 0");
    }
}

/// An offset that claims a unit which is not to be seen is found out.
#[test]
fn an_offset_that_claims_too_much_is_found() {
    let master = master_or_skip!("redis-7.0", "--repl-diskless-sync-delay", "0");
    master.client().pipeline(&[words("SELECT 2"), words("SET ticket 4")]);
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    node.wait_caught_up(&master);
    let (replid, offset) = position(&mut node.client(), "slave_repl_offset");
    for (ticket, is_seen) in [(4, true), (5, false)] {
        let log = Mutex::new(vec![(replid.clone(), offset, ticket)]);
        assert_eq!(offset_claims_what_is_seen(&mut node.client(), &log).is_ok(), is_seen);
    }
}
