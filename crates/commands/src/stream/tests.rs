//! What stream commands answer; the lines were checked against redis-8.10.

use crate::testing::Session;
use crate::{Dialect, Role};

#[test]
fn entries_are_added_and_read() {
    Session::new().transcript(
        "
        > XADD s 1-1 a 1 b 2
        < $3|1-1|
        > XADD s 1-1 a 1
        < -ERR The ID specified in XADD is equal or smaller than the target stream top item|
        > XADD s 0-0 a 1
        < -ERR The ID specified in XADD must be greater than 0-0|
        > XADD s 1-* c 3
        < $3|1-2|
        > XADD s * d 4
        < $15|1700000000000-0|
        > XADD s * d 5
        < $15|1700000000000-1|
        > XADD nothing NOMKSTREAM * a 1
        < $-1|
        > XADD s 5 a
        < -ERR wrong number of arguments for 'xadd' command|
        > XADD s MAXLEN 5 LIMIT 1 * a 1
        < -ERR syntax error, LIMIT cannot be used without the special ~ option|
        > XLEN s
        < :4|
        > XRANGE s - (1-2
        < *1|*2|$3|1-1|*4|$1|a|$1|1|$1|b|$1|2|
        > XREVRANGE s + - COUNT 1
        < *1|*2|$15|1700000000000-1|*2|$1|d|$1|5|
        > XRANGE s - + COUNT 0
        < *-1|
        > XREAD COUNT 1 STREAMS s nothing 1-1 0
        < *1|*2|$1|s|*1|*2|$3|1-2|*2|$1|c|$1|3|
        > XREAD STREAMS s +
        < *1|*2|$1|s|*1|*2|$15|1700000000000-1|*2|$1|d|$1|5|
        > XREAD STREAMS s $
        < *-1|
        > XDEL s 1-1 1-1 9
        < :1|
        > XTRIM s MAXLEN 1
        < :2|
        > XRANGE s - +
        < *1|*2|$15|1700000000000-1|*2|$1|d|$1|5|
        ",
    );
}

#[test]
fn a_group_reads_claims_and_acknowledges() {
    let session = Session::new();
    for id in ["1-0", "2-0", "3-0"] {
        session.run(&format!("XADD s {id} a 1"));
    }
    session.transcript(
        "
        > XGROUP CREATE s g 0
        < +OK|
        > XGROUP CREATE s g 0
        < -BUSYGROUP Consumer Group name already exists|
        > XREADGROUP GROUP g alice COUNT 2 STREAMS s >
        < *1|*2|$1|s|*2|*2|$3|1-0|*2|$1|a|$1|1|*2|$3|2-0|*2|$1|a|$1|1|
        > XPENDING s g
        < *4|:2|$3|1-0|$3|2-0|*1|*2|$5|alice|$1|2|
        > XCLAIM s g bob 0 2-0 JUSTID
        < *1|$3|2-0|
        > XPENDING s g - + 10
        < *2|*4|$3|1-0|$5|alice|:0|:1|*4|$3|2-0|$3|bob|:0|:1|
        > XACK s g 1-0 9-0
        < :1|
        > XDEL s 2-0
        < :1|
        > XAUTOCLAIM s g carl 0 0
        < *3|$3|0-0|*0|*1|$3|2-0|
        > XINFO GROUPS s
        < *1|*12|$4|name|$1|g|$9|consumers|:3|$7|pending|:0|$17|last-delivered-id|$3|2-0|$12|entries-read|:2|$3|lag|$-1|
        > XREADGROUP GROUP g carl STREAMS s >
        < *1|*2|$1|s|*1|*2|$3|3-0|*2|$1|a|$1|1|
        > XNACK s g FATAL IDS 1 3-0
        < :1|
        > XPENDING s g - + 10
        < *1|*4|$3|3-0|$0||:-1|:9223372036854775807|
        > XREADGROUP GROUP g bob CLAIM 5 STREAMS s >
        < *1|*2|$1|s|*1|*4|$3|3-0|*2|$1|a|$1|1|:1700000000000|:9223372036854775807|
        > XACKDEL s g DELREF IDS 2 3-0 4-0
        < *2|:1|:-1|
        > XINFO CONSUMERS s g
        < *3|*8|$4|name|$5|alice|$7|pending|:0|$4|idle|:0|$8|inactive|:0|*8|$4|name|$3|bob|$7|pending|:0|$4|idle|:0|$8|inactive|:0|*8|$4|name|$4|carl|$7|pending|:0|$4|idle|:0|$8|inactive|:0|
        > XGROUP DESTROY s g
        < :1|
        > XACK s g 1-0
        < :0|
        ",
    );
}

/// As Redis 6.2 answers.
#[test]
fn what_is_deleted_is_claimed_as_nothing() {
    let session = Session { dialect: Dialect::redis(6, 2), ..Session::new() };
    session.transcript(
        "
        > XADD s 1-0 a b
        < $3|1-0|
        > XADD s 2-0 a b
        < $3|2-0|
        > XGROUP CREATE s g 0
        < +OK|
        > XREADGROUP GROUP g c STREAMS s >
        < *1|*2|$1|s|*2|*2|$3|1-0|*2|$1|a|$1|b|*2|$3|2-0|*2|$1|a|$1|b|
        > XDEL s 1-0
        < :1|
        > XAUTOCLAIM s g d 0 0
        < *2|$3|0-0|*2|$-1|*2|$3|2-0|*2|$1|a|$1|b|
        > XAUTOCLAIM s g d 0 0 JUSTID
        < *2|$3|0-0|*2|$3|1-0|$3|2-0|
        > XCLAIM s g d 0 1-0
        < *1|$-1|
        ",
    );
}

#[test]
fn an_answer_has_its_bounds() {
    let session = Session::new();
    for line in ["XADD s 1-1 a 1", "XADD s 2-1 a 12345678", "XADD t 3-1 a 1"] {
        session.run(line);
    }
    // As Redis counts bytes, 95 are given when the entry of `t` is next.
    session.transcript(
        "
        > XREAD MAXSIZE 95 STREAMS s t 0 0
        < *2|*2|$1|s|*2|*2|$3|1-1|*2|$1|a|$1|1|*2|$3|2-1|*2|$1|a|$8|12345678|*2|$1|t|*0|
        > XREAD MAXSIZE 1 STREAMS s t 0 0
        < *1|*2|$1|s|*1|*2|$3|1-1|*2|$1|a|$1|1|
        > XREAD MAXCOUNT 2 STREAMS s t 0 0
        < *1|*2|$1|s|*2|*2|$3|1-1|*2|$1|a|$1|1|*2|$3|2-1|*2|$1|a|$8|12345678|
        ",
    );
}

#[test]
fn an_idempotent_entry_is_added_once() {
    let session = Session::new();
    session.transcript(
        "
        > XADD s IDMP p i * a 1
        < $15|1700000000000-0|
        > XADD s IDMP p i * a 2
        < $15|1700000000000-0|
        > XADD s IDMPAUTO p * a 1 b 2
        < $15|1700000000000-1|
        > XADD s IDMPAUTO p * b 2 a 1
        < $15|1700000000000-1|
        > XADD s IDMP p j 5-5 a 1
        < -ERR syntax error, IDMP/IDMPAUTO can be used only with auto-generated IDs|
        > XLEN s
        < :2|
        > XCFGSET s IDMP-DURATION 0
        < -ERR IDMP-DURATION must be between 1 and 86400 seconds|
        ",
    );
}

/// What a master sends for reads as a group, in two versions.
#[test]
fn the_stream_of_a_master_says_how_far_a_group_has_read() {
    for (dialect, lines) in [
        (
            Dialect::redis(7, 0),
            &[
                "XCLAIM s g c 0 1-0 TIME 7 RETRYCOUNT 1 FORCE JUSTID LASTID 1-0",
                "XCLAIM s g c 0 2-0 TIME 7 RETRYCOUNT 1 FORCE JUSTID LASTID 2-0",
            ][..],
        ),
        (
            Dialect::NEWEST,
            &[
                "XCLAIM s g c 0 1-0 TIME 7 RETRYCOUNT 1 FORCE JUSTID LASTID 0-0",
                "XCLAIM s g c 0 2-0 TIME 7 RETRYCOUNT 1 FORCE JUSTID LASTID 0-0",
                "XGROUP SETID s g 2-0 ENTRIESREAD 2",
            ][..],
        ),
    ] {
        let session = Session { dialect, role: Role::Replica, ..Session::new() };
        for line in ["XADD s 1-0 a 1", "XADD s 2-0 a 1", "XADD s 3-0 a 1", "XGROUP CREATE s g 0"] {
            session.run(line);
        }
        for line in lines {
            session.run(line);
        }
        let groups = session.run("XINFO GROUPS s");
        assert!(groups.ends_with("$17|last-delivered-id|$3|2-0|$12|entries-read|:2|$3|lag|:1|"), "{groups}");
    }
}

#[test]
fn a_master_has_settled_what_we_are_told() {
    let session = Session { role: Role::Replica, ..Session::new() };
    // The master trimmed about so many, and says how many were left.
    session.run("XADD s 1-0 a 1");
    session.run("XADD s MAXLEN = 1 LIMIT 5 2-0 a 1");
    assert_eq!(session.run("XLEN s"), ":1|");
    // It recognised the second of these; that is all it tells.
    session.run("XADD s IDMP p i 3-0 a 1");
    session.run("XADD s IDMP p i * a 1");
    assert_eq!(session.run("XLEN s"), ":2|");
    assert!(session.run("XINFO STREAM s").contains("$15|iids-duplicates|:1|"));
    // And by its clock a pending entry may be from our future.
    session.run("XGROUP CREATE s g 0");
    session.run("XCLAIM s g c 0 3-0 TIME 1700000005000 RETRYCOUNT 4 FORCE JUSTID LASTID 0-0");
    let full = session.run("XINFO STREAM s FULL");
    assert!(full.contains("*1|*4|$3|3-0|$1|c|:1700000005000|:4|"), "{full}");
    session.run("XSETID s 1-0 ENTRIESADDED 1");
    assert!(session.run("XINFO STREAM s").contains("$17|last-generated-id|$3|1-0|"));
}

#[test]
fn the_last_entry_is_read_after_it_was_deleted_as_the_followed_master_reads_it() {
    let answers = |dialect| {
        let session = Session { dialect, ..Session::new() };
        session.run("XADD s 1-1 a b");
        session.run("XADD s 1-2 a b");
        session.run("XDEL s 1-2");
        let before = session.run("XREAD STREAMS s +");
        session.run("XADD s 1-3 c d");
        (before, session.run("XREAD STREAMS s +"))
    };
    let (first, last) = ("*1|*2|$1|s|*1|*2|$3|1-1|*2|$1|a|$1|b|", "*1|*2|$1|s|*1|*2|$3|1-3|*2|$1|c|$1|d|");
    for dialect in [Dialect::redis(7, 4), Dialect::valkey(8, 0), Dialect::valkey(9, 1)] {
        assert_eq!(answers(dialect), ("*-1|".into(), last.into()), "{dialect:?}");
    }
    for dialect in [Dialect::redis(8, 0), Dialect::NEWEST] {
        assert_eq!(answers(dialect), (first.into(), last.into()), "{dialect:?}");
    }
}

/// As redis-8.6 and valkey-9.1 count, and redis-8.10.
#[test]
fn a_count_beyond_the_signed_integers_is_the_masters() {
    let most = i64::MAX;
    for (dialect, added) in
        [(Dialect::redis(8, 6), -most), (Dialect::valkey(9, 1), -most), (Dialect::redis(8, 10), most)]
    {
        let session = Session { dialect, role: Role::Replica, ..Session::new() };
        session.run("XADD s 1-0 a 1");
        session.run(&format!("XSETID s 1-0 ENTRIESADDED {}", most - 1));
        for id in 2..5 {
            session.run(&format!("XADD s {id}-0 a 1"));
        }
        let info = session.run("XINFO STREAM s");
        assert!(info.contains(&format!("$13|entries-added|:{added}|")), "{dialect:?}: {info}");
    }
    // What a group has read is told as a negative count then, by the master alone.
    let session = Session { dialect: Dialect::valkey(9, 1), ..Session::replica() };
    session.run("XADD s 1-0 a 1");
    session.run("XGROUP CREATE s g 0");
    assert_eq!(session.run("XGROUP SETID s g 1-0 ENTRIESREAD -9223372036854775807"), "+OK|");
    assert!(session.run("XINFO GROUPS s").contains("$12|entries-read|:-9223372036854775807|"));
    let session = Session { role: Role::Master, ..session };
    assert_eq!(
        session.run("XGROUP SETID s g 1-0 ENTRIESREAD -2"),
        "-ERR value for ENTRIESREAD must be positive or -1|"
    );
}

#[test]
fn the_highest_id_asks_for_what_is_new() {
    let session = Session::new();
    session.run("XADD s 1-0 a 1");
    session.run("XGROUP CREATE s g 0");
    let asked = "XREADGROUP GROUP g c STREAMS s 18446744073709551615-18446744073709551615";
    assert_eq!(session.run(asked), "*1|*2|$1|s|*1|*2|$3|1-0|*2|$1|a|$1|1|");
    assert_eq!(session.run(asked), "*-1|");
}

/// From valkey-9.1, which has none of Redis' newer words.
#[test]
fn a_valkey_reads_by_fewer_words() {
    let session = Session { dialect: Dialect::valkey(9, 1), ..Session::new() };
    session.run("XGROUP CREATE s g 0 MKSTREAM");
    for words in ["CLAIM 0", "CLAIM x", "CLAIM -1", "MAXCOUNT 1", "MAXSIZE 1"] {
        let answer = session.run(&format!("XREADGROUP GROUP g c {words} STREAMS s >"));
        assert_eq!(answer, "-ERR syntax error|", "{words}");
    }
    let answer = session.run("XREAD STREAMS s s 0");
    let text = "Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified.";
    assert_eq!(answer, format!("-ERR {text}|"));
}

#[test]
fn servers_before_7_2_know_no_consumer_who_was_given_nothing() {
    let consumers = |dialect| {
        let session = Session { dialect, ..Session::new() };
        for line in ["XADD s 1-0 a 1", "XGROUP CREATE s g 0", "XREADGROUP GROUP g given STREAMS s >"] {
            session.run(line);
        }
        for line in [
            "XREADGROUP GROUP g late STREAMS s >",
            "XREADGROUP GROUP g historian STREAMS s 0",
            "XCLAIM s g hasty 1000000 1-0",
            "XAUTOCLAIM s g hastier 1000000 0",
        ] {
            session.run(line);
        }
        let told = session.run("XINFO CONSUMERS s g");
        let known = |name: &&&str| told.contains(**name);
        ["given", "hastier", "hasty", "historian", "late"].iter().filter(known).copied().collect::<Vec<_>>()
    };
    for old in [Dialect::redis(6, 2), Dialect::redis(7, 0)] {
        assert_eq!(consumers(old), ["given", "historian"], "{old:?}");
    }
    for new in [Dialect::redis(7, 2), Dialect::redis(8, 10), Dialect::valkey(8, 0)] {
        assert_eq!(consumers(new), ["given", "hastier", "hasty", "historian", "late"], "{new:?}");
    }
}
