//! MIGRATE of a real server to us: what it brings, and what it is refused for.

use crate::harness::walk::{self, Depth};
use crate::harness::workload::Workload;
use crate::harness::{Client, Frame, Node, Random, tiered};

/// MIGRATE of this key to `port`, with these options.
fn migrate(client: &mut Client, port: u16, key: &[u8], db: u32, options: &[&str]) -> Frame {
    let (port, db) = (port.to_string(), db.to_string());
    let mut words: Vec<&[u8]> = vec![b"MIGRATE", b"127.0.0.1", port.as_bytes(), key, db.as_bytes(), b"10000"];
    words.extend(options.iter().map(|option| option.as_bytes()));
    client.ask(&words)
}

/// All values of this server's kind, out of several databases, and nothing may differ.
fn is_brought_here(name: &str) {
    let master = master_or_skip!(name);
    let node = Node::replica_of(&master); // speaks its dialect from now on
    node.wait_state("streaming");
    let (mut theirs, mut ours) = (master.client(), node.client());
    for line in
        ["REPLICAOF NO ONE", "ACL SETUSER mover on >moving ~* +restore +select", "ACL SETUSER default off"]
    {
        assert_eq!(ours.line(line), Frame::Simple("OK".into()), "{line}");
    }
    for client in [&mut theirs, &mut ours] {
        client.ask(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    }
    let mut workload = Workload::new(&master, Random::from_env(20_261_124));
    workload.run(&mut theirs, tiered(4_000, 40_000));
    workload.settle(&master);
    if master.version() >= (7, 0) {
        theirs.line("FUNCTION FLUSH"); // which no MIGRATE brings
    }
    let mut brought = 0;
    for db in 0..3 {
        theirs.line(&format!("SELECT {db}"));
        for key in walk::keys(&mut theirs) {
            theirs.ask(&[b"PERSIST".as_slice(), &key]); // they are brought as what is left of them
            let options = ["COPY", "REPLACE", "AUTH2", "mover", "moving"];
            let reply = migrate(&mut theirs, node.port, &key, db, &options);
            if reply != Frame::Simple("NOKEY".into()) {
                assert_eq!(reply, Frame::Simple("OK".into()), "{name}: {}", key.escape_ascii());
                brought += 1;
            }
        }
    }
    assert!(brought > 100, "{name}: {brought} values are too few to say anything");
    let depth = Depth { encodings: false, ..Depth::of(master.version(), master.is_valkey()) };
    let differences = walk::differences(&mut ours, &mut theirs, 3, depth);
    assert!(differences.is_empty(), "{name}: differs\n{}\n{}", differences.join("\n"), node.log());
}

#[test]
fn values_of_redis_6_2() {
    is_brought_here("redis-6.2");
}

#[test]
fn values_of_redis_8_10() {
    is_brought_here("redis-8.10");
}

#[test]
fn values_of_valkey_9_1() {
    is_brought_here("valkey-9.1");
}

#[test]
fn what_is_refused_stays_where_it_was() {
    let master = master_or_skip!("redis-8.10");
    let replica = Node::replica_of(&master);
    replica.wait_state("streaming");
    let node = Node::start(&["--requirepass", "secret"]);
    let (mut theirs, mut ours) = (master.client(), node.client());
    ours.line("AUTH secret");
    theirs.line("SET k moved");
    ours.line("SET k here");
    let mut refused = |port, options: &[&str], said: &str| {
        let reply = migrate(&mut theirs, port, b"k", 0, options).text();
        assert!(reply.contains(said), "{options:?}: {reply}");
        assert_eq!(theirs.line("GET k").text(), "moved");
    };
    refused(replica.port, &[], "READONLY");
    refused(node.port, &[], "NOAUTH");
    refused(node.port, &["AUTH", "wrong"], "WRONGPASS");
    refused(node.port, &["AUTH", "secret"], "BUSYKEY");
    assert_eq!(ours.line("GET k").text(), "here");

    theirs.line("PEXPIREAT k 33000000000000");
    let reply = migrate(&mut theirs, node.port, b"k", 0, &["REPLACE", "AUTH", "secret"]);
    assert_eq!(reply, Frame::Simple("OK".into()));
    assert_eq!(theirs.line("EXISTS k").int(), 0, "it was moved, not copied");
    assert_eq!(ours.line("GET k").text(), "moved");
    // What was left of its time is counted from when it came here, a little later.
    let late = ours.line("PEXPIRETIME k").int() - 33_000_000_000_000;
    assert!((0..60_000).contains(&late), "{late} ms later");
}
