//! The library inside another program: the example as it stands, and what its builder promises.

use std::time::Duration;

use nearside::{DbIndex, Replica};

use crate::harness::{Client, Frame, free_port};

#[path = "../examples/basic/main.rs"]
#[allow(dead_code)] // its main
mod basic;

#[test]
fn the_example_reads_what_its_master_has() {
    let master = master_or_skip!("redis-7.0", "--repl-diskless-sync-delay", "0");
    master.client().line("SET greeting hello");
    master.client().line("HSET hash field value");
    let address = format!("127.0.0.1:{}", master.port);
    assert_eq!(basic::look(&address, "greeting").expect("a look"), "2 keys; greeting = hello");
    assert_eq!(basic::look(&address, "hash").expect("a look"), "2 keys; hash is a Hash");
    assert_eq!(basic::look(&address, "nothing").expect("a look"), "2 keys; nothing is not there");
}

#[test]
fn a_replica_follows_serves_and_ends_inside_a_program() {
    let master = master_or_skip!("redis-7.0", "--repl-diskless-sync-delay", "0", "--requirepass", "secret");
    let mut at_master = master.client();
    at_master.line("AUTH secret");
    at_master.line("SET a 1");
    let replica = Replica::builder()
        .master(&format!("127.0.0.1:{}", master.port))
        .master_user("default")
        .master_password("secret")
        .listener("127.0.0.1:0")
        .password("word")
        .databases(4)
        .directory(std::env::temp_dir())
        .start()
        .expect("a replica");
    replica.wait_for_sync(Duration::from_secs(30)).expect("a sync");
    assert!(replica.sync_status().is_up());

    let port = replica.ports().resp.expect("a port");
    let mut client = Client::connect(port);
    assert!(client.ask(&["GET", "a"]).is_error());
    client.line("AUTH word");
    assert_eq!(client.line("GET a"), Frame::Bulk(b"1".to_vec()));
    assert!(client.ask(&["SELECT", "4"]).is_error());

    at_master.line("SET a 2");
    let text = |key: &[u8]| {
        let reader = replica.storage().reader();
        let db = reader.db(DbIndex(0), nearside::now());
        db.get(key).and_then(|found| found.text().map(|text| text.to_vec()).ok())
    };
    assert_eq!(text(b"b"), None);
    crate::harness::wait_for("the write", || (text(b"a").as_deref() == Some(b"2")).then_some(()));

    replica.shutdown();
    assert!(Client::try_connect(port).is_err(), "nothing listens any more");
    assert!(client.try_ask(&["PING"]).is_err(), "its clients are gone");
}

#[test]
fn a_sync_that_does_not_come_says_why() {
    let replica = Replica::builder()
        .master(&format!("127.0.0.1:{}", free_port()))
        .directory(std::env::temp_dir())
        .start()
        .expect("a replica");
    crate::harness::wait_for("the refusal", || {
        let error = replica.wait_for_sync(Duration::from_millis(1)).expect_err("nobody is there");
        error.to_string().contains("refused").then_some(())
    });
    assert_eq!(replica.ports().resp, None);
}

#[test]
fn a_node_without_a_master_is_in_sync_with_itself() {
    let replica = Replica::builder().directory(std::env::temp_dir()).start().expect("a node");
    replica.wait_for_sync(Duration::ZERO).expect("at once");
    assert!(replica.storage().reader().db(DbIndex(0), nearside::now()).is_empty());
}
