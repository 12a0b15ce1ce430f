//! maxmemory on a node that follows nobody: who goes, and who is refused.

use std::collections::BTreeSet;

use crate::harness::{Client, Frame, Node, wait_for};

/// Keys of each of the two sorts.
const KEYS: usize = 3_000;
const VALUE_BYTES: usize = 2_000;

fn used(client: &mut Client) -> u64 {
    client.info("memory", "used_memory").and_then(|text| text.parse().ok()).expect("used_memory")
}

fn set(client: &mut Client, name: &str, value: &str) {
    assert_eq!(client.ask(&["CONFIG", "SET", name, value]), Frame::Simple("OK".into()), "{name} {value}");
}

/// Bounds memory to what is in use now.
fn no_room_left(client: &mut Client) {
    let used = used(client).to_string();
    set(client, "maxmemory", &used);
}

fn is_out_of_memory(reply: &Frame) -> bool {
    matches!(reply, Frame::Error(text) if text == "OOM command not allowed when used memory > 'maxmemory'.")
}

#[test]
fn without_a_policy_writes_are_refused() {
    let node = Node::start(&[]);
    let mut client = node.client();
    client.line("SET key value");
    client.line("MULTI");
    client.line("APPEND key x");
    let mut other = node.client();
    set(&mut other, "maxmemory", "1");
    assert!(is_out_of_memory(&other.ask(&["SET", "key", "another"])));
    assert!(is_out_of_memory(&other.ask(&["LPUSH", "list", "x"])));
    assert_eq!(other.line("GET key"), Frame::Bulk(b"value".to_vec()));
    let aborted = client.ask(&["EXEC"]);
    let expected =
        "EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'.";
    assert_eq!(aborted, Frame::Error(expected.into()));
    assert_eq!(client.line("MULTI"), Frame::Simple("OK".into()));
    assert!(is_out_of_memory(&client.ask(&["SET", "key", "another"])));
    assert!(client.ask(&["EXEC"]).is_error());
    assert_eq!(other.line("DEL key"), Frame::Int(1), "what needs no memory is let through");
    set(&mut other, "maxmemory", "0");
    assert_eq!(other.line("SET key another"), Frame::Simple("OK".into()));
    assert_eq!(other.info("stats", "evicted_keys").as_deref(), Some("0"));
}

/// Half of the keys are the ones that should go: by idle time, frequency or deadline, as RESTORE says.
fn fill(client: &mut Client, policy: &str) {
    client.ask(&["SET", "model", &"x".repeat(VALUE_BYTES)]);
    let Frame::Bulk(payload) = client.ask(&["DUMP", "model"]) else { panic!("DUMP") };
    client.line("DEL model");
    let now = client.line("TIME").items()[0].text().parse::<u64>().expect("seconds") * 1000;
    let mut batch: Vec<Vec<Vec<u8>>> = Vec::new();
    for number in 0..KEYS {
        for (name, idle, frequency, deadline) in
            [("goes", 100_000, 1, now + 1_000_000), ("stays", 0, 200, now + 9_000_000)]
        {
            let volatile = policy.starts_with("volatile") && (policy.ends_with("ttl") || name == "goes");
            let mut words: Vec<Vec<u8>> = vec![
                b"RESTORE".to_vec(),
                format!("{name}:{number}").into_bytes(),
                if volatile { deadline } else { 0 }.to_string().into_bytes(),
                payload.clone(),
                b"ABSTTL".to_vec(),
            ];
            if policy.ends_with("lfu") {
                words.extend([b"FREQ".to_vec(), frequency.to_string().into_bytes()]);
            } else {
                words.extend([b"IDLETIME".to_vec(), idle.to_string().into_bytes()]);
            }
            batch.push(words);
        }
    }
    assert!(client.pipeline(&batch).iter().all(|reply| !reply.is_error()));
}

fn evicted(client: &mut Client) -> usize {
    client.info("stats", "evicted_keys").and_then(|text| text.parse().ok()).expect("evicted_keys")
}

fn evicts(policy: &str) {
    let node = Node::start(&[]);
    let mut client = node.client();
    set(&mut client, "maxmemory-policy", policy);
    fill(&mut client, policy);
    no_room_left(&mut client);
    let limit = used(&mut client);
    let value = "y".repeat(VALUE_BYTES);
    for number in 0..KEYS / 2 {
        let reply = client.ask(&["SET", &format!("new:{number}"), &value]);
        assert_eq!(reply, Frame::Simple("OK".into()), "{policy}: {number}");
    }
    wait_for("room", || (used(&mut client) <= limit).then_some(()));
    // Memory goes up and down by itself a little, so that more may go at any time.
    let (evicted, left) = wait_for("a moment in which none goes", || {
        let before = evicted(&mut client);
        let left: BTreeSet<String> = client.line("KEYS *").items().iter().map(Frame::text).collect();
        (evicted(&mut client) == before).then_some((before, left))
    });
    let of = |name: &str| left.iter().filter(|key| key.starts_with(name)).count();
    let (goes, stays, new) = (KEYS - of("goes"), KEYS - of("stays"), KEYS / 2 - of("new"));
    assert_eq!(goes + stays + new, evicted, "{policy}");
    assert!(evicted >= KEYS / 4, "{policy}: {evicted} of {KEYS} went");
    if policy.starts_with("volatile") && !policy.ends_with("ttl") {
        assert_eq!((stays, new), (0, 0), "{policy}: keys without a deadline went");
    } else if !policy.ends_with("random") {
        assert!(
            stays + new <= evicted / 20,
            "{policy}: {goes} went, but {stays} and {new} of the others too"
        );
    }
}

#[test]
fn who_is_used_least_goes() {
    for policy in ["allkeys-lru", "allkeys-lfu", "allkeys-lrm", "allkeys-random"] {
        evicts(policy);
    }
}

#[test]
fn who_has_a_deadline_goes() {
    for policy in ["volatile-lru", "volatile-lfu", "volatile-lrm", "volatile-random", "volatile-ttl"] {
        evicts(policy);
    }
}

#[test]
fn without_a_deadline_nothing_volatile_goes() {
    let node = Node::start(&["--maxmemory-policy", "volatile-lru"]);
    let mut client = node.client();
    client.line("SET key value");
    set(&mut client, "maxmemory", "1");
    assert!(is_out_of_memory(&client.ask(&["SET", "key", "another"])));
    assert_eq!(client.line("GET key"), Frame::Bulk(b"value".to_vec()));
}

#[test]
fn a_replica_keeps_what_its_master_keeps() {
    let master = master_or_skip!("redis-8.10");
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    let mut client = node.client();
    set(&mut client, "maxmemory-policy", "allkeys-lru");
    set(&mut client, "maxmemory", "1");
    let mut theirs = master.client();
    for number in 0..100 {
        theirs.ask(&["SET", &format!("key:{number}"), "value"]);
    }
    node.wait_caught_up(&master);
    assert_eq!(client.line("DBSIZE"), Frame::Int(100));
    assert_eq!(client.info("stats", "evicted_keys").as_deref(), Some("0"));
}

/// What is read is counted, or noted as used; where only changes count, it is neither.
#[test]
fn reads_are_noted_as_the_policy_says() {
    let node = Node::start(&["--maxmemory-policy", "allkeys-lfu"]);
    let mut client = node.client();
    client.line("SET key value");
    assert_eq!(client.line("OBJECT FREQ key"), Frame::Int(5));
    // At first each access counts: up to the count that a new key has, chance has no say.
    client.line("GET key");
    assert_eq!(client.line("OBJECT FREQ key"), Frame::Int(6));
    assert!(client.ask(&["OBJECT", "IDLETIME", "key"]).is_error());
    set(&mut client, "maxmemory-policy", "allkeys-lrm");
    let Frame::Bulk(payload) = client.line("DUMP key") else { panic!("DUMP") };
    let restore = [&b"RESTORE"[..], b"old", b"0", &payload, b"IDLETIME", b"1000"].map(<[u8]>::to_vec);
    assert_eq!(client.pipeline(&[restore.to_vec()]), [Frame::Simple("OK".into())]);
    client.line("GET old");
    let Frame::Int(idle) = client.line("OBJECT IDLETIME old") else { panic!("an integer") };
    assert!((1000..2000).contains(&idle), "{idle}");
    client.line("APPEND old x");
    let Frame::Int(idle) = client.line("OBJECT IDLETIME old") else { panic!("an integer") };
    assert!(idle < 1000, "{idle}");
}

/// What came in a long request was counted twice, so that a value of half the room was refused.
#[test]
fn a_value_nearly_as_large_as_the_room_is_taken() {
    let node = Node::start(&[]);
    let mut client = node.client();
    let before = used(&mut client);
    // The value once, and a half of it again, of which what is not freed yet may take two million.
    set(&mut client, "maxmemory", &(before + 12_000_000).to_string());
    let value = "a".repeat(8_000_000);
    assert_eq!(client.ask(&["SET", "key", &value]), Frame::Simple("OK".into()));
    let dump = client.line("DUMP key").bytes().to_vec();
    client.line("DEL key");
    // It is freed behind the answer.
    wait_for("the value to be freed", || (used(&mut client) < before + 2_000_000).then_some(()));
    assert_eq!(client.ask(&[b"RESTORE", &b"key"[..], b"0", &dump]), Frame::Simple("OK".into()));
    assert_eq!(client.line("STRLEN key"), Frame::Int(8_000_000));
}

#[test]
fn who_subscribes_needs_room_too() {
    let node = Node::start(&[]);
    let mut client = node.client();
    set(&mut client, "maxmemory", "1");
    for command in ["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"] {
        wait_for("a refusal", || is_out_of_memory(&node.client().ask(&[command, "c"])).then_some(()));
    }
    let mut hearer = node.client();
    assert!(is_out_of_memory(&hearer.ask(&["SUBSCRIBE", "c"])));
    assert!(!hearer.ask(&["UNSUBSCRIBE", "c"]).is_error(), "what needs no memory is let through");
    set(&mut client, "maxmemory", "0");
    assert!(!hearer.ask(&["SUBSCRIBE", "c"]).is_error());
}

/// Values of megabytes, for which keys of a kilobyte have to go: more than one request makes room for.
#[test]
fn room_for_large_values_is_made() {
    const SMALL: usize = 20_000;
    const SMALL_BYTES: usize = 1_000;
    const LARGE: usize = 4;
    const LARGE_BYTES: usize = 2_000_000;
    let node = Node::start(&["--maxmemory-policy", "allkeys-random"]);
    let mut client = node.client();
    let requests: Vec<Vec<Vec<u8>>> = (0..SMALL)
        .map(|number| vec![b"SET".to_vec(), format!("small:{number}").into_bytes(), vec![b'x'; SMALL_BYTES]])
        .collect();
    client.pipeline(&requests);
    no_room_left(&mut client);
    let bound = used(&mut client);
    let value = "y".repeat(LARGE_BYTES);
    for number in 0..LARGE {
        assert_eq!(client.ask(&["SET", &format!("large:{number}"), &value]), Frame::Simple("OK".into()));
    }
    wait_for("room", || (used(&mut client) <= bound).then_some(()));
    let left = client.line("DBSIZE").int();
    let needed = i64::try_from(LARGE * LARGE_BYTES / (2 * SMALL_BYTES)).expect("few");
    assert!(left < i64::try_from(SMALL).expect("few") - needed, "{left} keys are left");
}

/// Nothing goes while clients are paused: as at a real server, which looks again when somebody writes.
#[test]
fn nobody_goes_while_clients_are_paused() {
    let node = Node::start(&["--maxmemory-policy", "allkeys-random"]);
    let mut client = node.client();
    let many = KEYS.to_string();
    client.ask(&["DEBUG", "POPULATE", &many, "key", "10000"]);
    client.line("CLIENT PAUSE 1000000 WRITE");
    set(&mut client, "maxmemory", "3mb");
    // Expiry has its turn ten times a second, and would come to this.
    client.line("DEBUG SLEEP 0.5");
    assert_eq!(client.line("DBSIZE").text(), many);
    assert_eq!(client.info("stats", "evicted_keys").as_deref(), Some("0"));
    client.line("CLIENT UNPAUSE");
    client.line("SET another value");
    wait_for("room", || (client.line("DBSIZE").int() < 1_000).then_some(()));
}

/// Commands that change a key, that change nothing, and that only read, after these.
const USES: &[&str] = &[
    "SETRANGE k 0 ",
    "SET k 1 NX",
    "SETNX k 1",
    "GETEX k",
    "GETEX k EX 100",
    "SADD s a",
    "SADD s b",
    "HSETNX h a c",
    "HSET h a 1",
    "ZADD z 1 a",
    "ZADD z 2 a",
    "EXPIRE k 10 XX",
    "EXPIRE k 100",
    "XDEL x 9-9",
    "XADD x 9-9 a b",
    "XGROUP CREATE x g 0",
    "XREADGROUP GROUP gg c COUNT 1 STREAMS x >",
    "XACK x gg 1-1",
    "XSETID x 9-9",
    "GET k",
    "TOUCH k",
    "APPEND k ",
    "APPEND k b",
    "SETBIT k 0 0",
    "LTRIM l 0 -1",
    "LREM l 0 zz",
    "SORT l STORE l",
    "PERSIST k",
    "BITFIELD k SET u8 0 118",
    "INCRBY n 0",
    "LSET l 0 a",
    "RPOPLPUSH l l",
    "SMOVE s s a",
    "SPOP s 0",
    "HDEL h zz",
    "HEXPIRE h 100 FIELDS 1 a",
    "HGETEX h FIELDS 1 a",
    "RENAME k k",
    "GETSET k v",
    "SET k v GET",
    "EVAL return(redis.call('get','k')) 0",
];
const USED: &[&str] = &["k", "s", "h", "z", "x", "l", "n"];
const MADE: &[&str] = &[
    "SET k v",
    "SADD s a",
    "HSET h a 1",
    "ZADD z 1 a",
    "XADD x 1-1 a b",
    "XADD x 2-1 a b",
    "XGROUP CREATE x gg 0",
    "RPUSH l a",
    "SET n 5",
    "SET still 1",
];

/// By `allkeys-lrm` what counts is when a key was changed: as at a real server, not when it was asked to change and
/// did not.
#[test]
fn what_changes_nothing_is_no_change() {
    let real = master_or_skip!("redis-8.10");
    let node = Node::start(&[]);
    let (mut ours, mut theirs) = (node.client(), real.client());
    let databases = USES.len().min(16);
    let mut seen = [Vec::new(), Vec::new()];
    for uses in USES.chunks(databases) {
        let mut both = [&mut ours, &mut theirs];
        for client in &mut both {
            client.line("CONFIG SET maxmemory-policy allkeys-lrm");
            client.line("FLUSHALL");
            for at in 0..uses.len() {
                client.line(&format!("SELECT {at}"));
                MADE.iter().for_each(|line| drop(client.line(line)));
            }
        }
        for client in &mut both {
            client.line("SELECT 0");
            wait_for("some seconds", || (client.line("OBJECT IDLETIME still").int() >= 3).then_some(()));
        }
        for (client, seen) in both.into_iter().zip(&mut seen) {
            for (at, line) in uses.iter().enumerate() {
                client.line(&format!("SELECT {at}"));
                drop(client.ask(&line.split(' ').collect::<Vec<_>>()));
            }
            for (at, line) in uses.iter().enumerate() {
                client.line(&format!("SELECT {at}"));
                // However long it took until here.
                let still = client.line("OBJECT IDLETIME still").int();
                let is_changed = |key: &&&str| client.ask(&["OBJECT", "IDLETIME", key]).int() + 1 < still;
                seen.push(format!("{line}: {:?}", USED.iter().filter(is_changed).collect::<Vec<_>>()));
            }
        }
    }
    assert_eq!(seen[0], seen[1]);
}
