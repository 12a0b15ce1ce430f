//! Transcripts recorded from a real server, and what another version does.

use crate::testing::Session;
use crate::{Dialect, Role};

#[test]
fn transcripts_of_a_real_server() {
    Session::new().transcript(include_str!("../../tests/transcripts/sorted_set.txt"));
    Session::new().transcript(include_str!("../../tests/transcripts/sorted_set_of_sets.txt"));
}

#[test]
fn scores_are_written_as_the_followed_master_writes_them() {
    let old = Session { dialect: Dialect::redis(7, 0), ..Session::new() };
    old.transcript(
        "> ZADD z 0.1 a 1e17 b 100 c
         < :3|
         > ZRANGE z 0 -1 WITHSCORES
         < *6|$1|a|$19|0.10000000000000001|$1|c|$3|100|$1|b|$5|1e+17|
         > ZINCRBY z 0.2 a
         < $19|0.30000000000000004|",
    );
}

#[test]
fn a_set_turns_big_when_its_master_turned_it() {
    let pairs: String = (0..129).map(|_| " 1 a").collect();
    let encoding = |dialect, line: &str| {
        let session = Session { dialect, ..Session::new() };
        session.run("ZADD k 1 b");
        session.run(line);
        session.run("OBJECT ENCODING k")
    };
    let many = format!("ZADD k{pairs}");
    assert_eq!(encoding(Dialect::redis(7, 0), &many), "$8|listpack|");
    assert_eq!(encoding(Dialect::redis(7, 2), &many), "$8|skiplist|");
    assert_eq!(encoding(Dialect::valkey(8, 0), &many), "$8|skiplist|");
    let long = format!("ZADD k XX 1 {}", "x".repeat(65));
    assert_eq!(encoding(Dialect::NEWEST, &long), "$8|listpack|");
    assert_eq!(encoding(Dialect::valkey(9, 1), &long), "$8|skiplist|");
}

#[test]
fn a_replica_adds_to_a_set_whose_deadline_is_past() {
    let session = Session::new();
    session.transcript(
        "> ZADD z 1 a
         < :1|
         > PEXPIREAT z 1700000000001
         < :1|",
    );
    let mut replica = session;
    replica.role = Role::Replica;
    replica.now.0 += 10_000;
    assert_eq!(replica.run("ZADD z 2 b"), ":1|");
    assert_eq!(replica.run("ZCARD z"), ":2|");
    replica.role = Role::Master;
    assert_eq!(replica.run("ZCARD z"), ":0|");
}

#[test]
fn a_scan_of_a_big_set_gives_every_element() {
    let session = Session::new();
    for number in 0..1000 {
        session.run(&format!("ZADD z {number} member:{number}"));
    }
    let mut seen = std::collections::BTreeSet::new();
    let mut cursor = "0".to_owned();
    loop {
        let answer = session.run(&format!("ZSCAN z {cursor} COUNT 50 NOSCORES"));
        seen.extend(answer.split('|').filter(|word| word.starts_with("member:")).map(str::to_owned));
        cursor = answer.split('|').nth(2).unwrap().to_owned();
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(seen.len(), 1000);
}

#[test]
fn a_scan_writes_scores_as_they_are_stored() {
    let session = Session::new();
    session.run("ZADD z 0.1 a 1e17 b");
    assert_eq!(session.run("ZSCAN z 0"), "*2|$1|0|*4|$1|a|$3|0.1|$1|b|$18|100000000000000000|");
    session.run(&format!("ZADD z 1 {}", "x".repeat(65)));
    assert_eq!(session.run("ZSCAN z 0 MATCH a"), "*2|$1|0|*2|$1|a|$19|0.10000000000000001|");
    assert_eq!(session.run("ZSCAN z 0 MATCH b"), "*2|$1|0|*2|$1|b|$5|1e+17|");
    assert_eq!(session.run("ZSCAN z 0 MATCH b NOSCORES"), "*2|$1|0|*1|$1|b|");
    assert_eq!(session.run("ZSCAN z 0 NOVALUES"), "-ERR NOVALUES option can only be used in HSCAN|");
}

/// ZRANGESTORE comes as it was sent: what the master counted from the end, its replica has to.
#[test]
fn a_negative_offset_counts_from_the_end_of_a_big_set_where_it_does_so_at_the_master() {
    let big: String = (100..400).map(|number| format!(" 0 m{number}")).collect();
    let answers = |dialect| {
        let session = Session { dialect, ..Session::new() };
        session.run(&format!("ZADD z{big}"));
        session.run("ZADD packed 0 a 0 b 0 c");
        [
            "ZRANGESTORE d z [m110 [m120 BYLEX LIMIT -2 5",
            "ZRANGEBYLEX z [m110 [m120 LIMIT -2 5",
            "ZREVRANGEBYLEX z [m120 [m110 LIMIT -2 5",
            "ZRANGEBYLEX z [m110 [m120 LIMIT -11 1",
            "ZRANGEBYLEX z [m110 [m120 LIMIT -12 1",
            "ZREVRANGEBYLEX z [m120 [m110 LIMIT -11 1",
            "ZREVRANGEBYLEX z [m120 [m110 LIMIT -12 1",
            "ZRANGEBYSCORE z 0 0 LIMIT -1 -1",
            "ZREVRANGEBYSCORE z 0 0 LIMIT -1 -1",
            "ZRANGE z 0 0 BYSCORE LIMIT -9223372036854775808 1",
            "ZRANGEBYLEX packed - + LIMIT -1 1",
        ]
        .map(|line| session.run(line))
    };
    let counted = [
        ":2|",
        "*2|$4|m119|$4|m120|",
        "*2|$4|m111|$4|m110|",
        "*1|$4|m110|",
        "*0|",
        "*1|$4|m120|",
        "*0|",
        "*1|$4|m399|",
        "*1|$4|m100|",
        "*0|",
        "*0|",
    ];
    for dialect in [Dialect::redis(7, 4), Dialect::redis(8, 0), Dialect::valkey(8, 0), Dialect::valkey(9, 1)]
    {
        assert_eq!(answers(dialect), counted, "{dialect:?}");
    }
    for dialect in [Dialect::redis(7, 2), Dialect::redis(8, 2), Dialect::NEWEST] {
        assert!(answers(dialect).iter().all(|answer| answer == "*0|" || answer == ":0|"), "{dialect:?}");
    }
}
