//! Answers of a real server, byte for byte, and what replicas and promoted nodes do with deadlines.

use storage::{Limits, UnixMillis};

use crate::testing::Session;
use crate::{Dialect, Role};

fn encoding(session: &Session, key: &str) -> Option<&'static str> {
    let reader = session.store.reader();
    let db = reader.db(session.index, UnixMillis::NOTHING_EXPIRED);
    db.peek(key.as_bytes()).map(|entry| entry.encoding())
}

#[test]
fn transcripts_of_a_real_server() {
    Session::new().transcript(include_str!("../../tests/transcripts/hash.txt"));
    Session::new().transcript(include_str!("../../tests/transcripts/hash-arguments.txt"));
    Session::new().transcript(include_str!("../../tests/transcripts/hash-arguments2.txt"));
    Session::new().transcript(include_str!("../../tests/transcripts/hash-set-resp3.txt"));
}

/// The limits with which commands by chance were recorded.
fn tight() -> Limits {
    Limits {
        set_max_intset_entries: 8,
        set_max_listpack_entries: 6,
        set_max_listpack_value: 8,
        hash_max_listpack_entries: 5,
        hash_max_listpack_value: 8,
        ..Limits::default()
    }
}

#[test]
fn forms_are_those_of_a_real_server_whatever_is_done() {
    let text = include_str!("../../tests/transcripts/hash-set-random.txt");
    Session::with_limits(tight()).transcript(text);
}

#[test]
fn a_field_past_its_deadline_is_hidden_and_stays() {
    let mut session = Session::new();
    session.run("HSET h a 1 b 2 c 3");
    session.run("HPEXPIRE h 1000 FIELDS 2 a b");
    session.now = UnixMillis(session.now.0 + 1000);
    assert_eq!(session.run("HGET h a"), "$1|1|", "it lasts to its last millisecond");
    session.now = UnixMillis(session.now.0 + 1);
    session.transcript(
        "
        # Read off replicas of redis-8.10 and valkey-9.1, but for HRANDFIELD, where Redis gives what it hides elsewhere.
        > HLEN h
        < :3|
        > HGETALL h
        < *2|$1|c|$1|3|
        > HKEYS h
        < *1|$1|c|
        > HVALS h
        < *1|$1|3|
        > HEXISTS h a
        < :0|
        > HGET h a
        < $-1|
        > HMGET h a c nope
        < *3|$-1|$1|3|$-1|
        > HTTL h FIELDS 3 a c nope
        < *3|:-2|:-1|:-2|
        > HPEXPIRETIME h FIELDS 3 a c nope
        < *3|:-2|:-1|:-2|
        > HSTRLEN h a
        < :0|
        > HRANDFIELD h
        < $1|c|
        > HRANDFIELD h 5
        < *1|$1|c|
        > HSCAN h 0
        < *2|$1|0|*2|$1|c|$1|3|
        ",
    );
    session.run("HDEL h c");
    session.transcript(
        "
        > HLEN h
        < :2|
        > HGETALL h
        < *0|
        > HRANDFIELD h
        < $-1|
        > HRANDFIELD h -3
        < *0|
        > HSCAN h 0
        < *2|$1|0|*0|
        ",
    );
}

#[test]
fn what_is_hidden_is_not_there_for_writes_on_a_master() {
    let fresh = |dialect| {
        let mut session = Session { dialect, ..Session::new() };
        session.run("HSET h a 5 b 2");
        session.run("HPEXPIRE h 1 FIELDS 1 a");
        session.now = UnixMillis(session.now.0 + 10);
        session
    };
    // As both answer, or valkey-9.1 and redis-8.10. (Which also takes HEXPIRE for such a field, and so has it again.)
    for (command, answer, then) in [
        ("HDEL h a", ":0| or :1|", "*1|:-2|"),
        ("HSETNX h a 9", ":1|", "*1|:-1|"),
        ("HSET h a 9", ":1| or :0|", "*1|:-1|"),
        ("HINCRBY h a 1", ":1|", "*1|:-1|"),
        ("HINCRBYFLOAT h a 1", "$1|1|", "*1|:-1|"),
        ("HEXPIRE h 100 FIELDS 1 a", "*1|:-2|", "*1|:-2|"),
        ("HPERSIST h FIELDS 1 a", "*1|:-2|", "*1|:-2|"),
        ("HGETDEL h FIELDS 1 a", "*1|$-1|", "*1|:-2|"),
        ("HGETEX h EX 10 FIELDS 1 a", "*1|$-1|", "*1|:-2|"),
        ("HSETEX h FIELDS 1 a 1", ":1|", "*1|:-1|"),
        ("HSETEX h FXX FIELDS 1 a 1", ":0|", "*1|:-2|"),
        ("HSETEX h FNX FIELDS 1 a 1", ":1|", "*1|:-1|"),
        ("HSETEX h KEEPTTL FIELDS 1 a 1", ":1|", "*1|:-1|"),
    ] {
        let (valkey, redis) = answer.split_once(" or ").unwrap_or((answer, answer));
        for (dialect, answer) in [(Dialect::valkey(9, 1), valkey), (Dialect::redis(8, 10), redis)] {
            let session = fresh(dialect);
            assert_eq!(session.run(command), answer, "{command}");
            assert_eq!(session.run("HTTL h FIELDS 1 a"), then, "{command}");
        }
    }
}

#[test]
fn a_replica_obeys_deadlines_that_have_passed() {
    let mut session = Session::replica();
    session.transcript(
        "
        > HSET h a 1 b 2
        < :2|
        > HPEXPIREAT h 1 FIELDS 1 a
        < *1|:1|
        > HSETEX h PXAT 2 FIELDS 1 c 3
        < :1|
        > HGETEX h PXAT 3 FIELDS 1 b
        < *1|$1|2|
        > HPEXPIRETIME h FIELDS 3 a b c
        < *3|:1|:3|:2|
        > HINCRBY h a 4
        < :5|
        > HPEXPIRETIME h FIELDS 1 a
        < *1|:1|
        ",
    );
    session.role = Role::Master;
    session.transcript(
        "
        > HGETALL h
        < *0|
        > HLEN h
        < :3|
        ",
    );
}

#[test]
fn valkeys_own_ways() {
    let mut session = Session::new();
    session.dialect = Dialect::valkey(9, 1);
    session.transcript(
        "
        > HSETEX h XX FIELDS 1 a 1
        < :0|
        > HSETEX h NX PXAT 33333333333444 FIELDS 1 a 1
        < :1|
        > HSETEX h NX FIELDS 1 a 1
        < :0|
        > HSETEX h XX KEEPTTL FIELDS 1 a 2
        < :1|
        > HPEXPIRETIME h FIELDS 1 a
        < *1|:33333333333444|
        > HEXPIRETIME h FIELDS 1 a
        < *1|:33333333333|
        > HPEXPIREAT h 281474976710656 FIELDS 1 a
        < *1|:1|
        > HEXPIRE h -1 FIELDS 1 a
        < -ERR invalid expire time in 'hexpire' command|
        > HGETDEL h FIELDS 1 a
        < *1|$1|2|
        > HLEN h
        < :0|
        ",
    );
    session.run("HSET h a 1");
    session.run("HPEXPIREAT h 33333333333444 FIELDS 1 a");
    assert_eq!(encoding(&session, "h"), Some("hashtable"));
    session.run("HPERSIST h FIELDS 1 a");
    assert_eq!(encoding(&session, "h"), Some("hashtable"));
}

#[test]
fn triples_stand_in_the_order_of_redis() {
    let session = Session::new();
    session.run("HSET x a 1 b 2 c 3 d 4");
    let steps = [
        // Each from redis-8.10.
        ("HPEXPIREAT x 33333333333444 FIELDS 3 a b c", "c b a d"),
        ("HPEXPIREAT x 33333333333444 FIELDS 1 a", "a c b d"),
        ("HPEXPIREAT x 33333333333444 FIELDS 1 c", "c a b d"),
        ("HPEXPIREAT x 33333333333445 FIELDS 1 b", "c a b d"),
        ("HPEXPIREAT x 33333333333443 FIELDS 1 b", "b c a d"),
        ("HPERSIST x FIELDS 1 b", "c a d b"),
        ("HSET x c 9", "a d b c"),
        ("HSET x d 9", "a d b c"),
        ("HSET x e 9", "a d b c e"),
        ("HSETEX x PXAT 33333333333444 FIELDS 2 f 1 a 2", "a f d b c e"),
        ("HSETEX x KEEPTTL FIELDS 2 f 1 a 2", "a f d b c e"),
        ("HINCRBY x a 2", "a f d b c e"),
        ("HGETEX x PXAT 33333333333444 FIELDS 1 d", "d a f b c e"),
        ("HGETEX x PXAT 33333333333444 FIELDS 1 f", "f d a b c e"),
    ];
    for (command, order) in steps {
        session.run(command);
        let keys = session.run("HKEYS x");
        let keys: Vec<&str> = keys.split('|').skip(2).step_by(2).filter(|name| !name.is_empty()).collect();
        assert_eq!(keys.join(" "), order, "{command}");
    }
}

#[test]
fn a_big_hash_answers_the_same() {
    let session = Session::new();
    let pairs: Vec<String> = (0..2000).map(|number| format!("f{number} v{number}")).collect();
    assert_eq!(session.run(&format!("HSET h {}", pairs.join(" "))), ":2000|");
    assert_eq!(encoding(&session, "h"), Some("hashtable"));
    assert_eq!(session.run("HGET h f1234"), "$5|v1234|");
    assert_eq!(session.run("HINCRBY h n 5"), ":5|");
    session.run("HPEXPIREAT h 33333333333444 FIELDS 2 f1 n");
    assert_eq!(session.run("HINCRBY h n 5"), ":10|");
    assert_eq!(session.run("HTTL h FIELDS 1 n").len(), "*1|:31633333334|".len());
    let (mut cursor, mut seen, mut calls) = (String::from("0"), std::collections::HashSet::new(), 0);
    loop {
        let answer = session.run(&format!("HSCAN h {cursor} COUNT 100 NOVALUES MATCH f*"));
        let parts: Vec<&str> = answer.split('|').collect();
        cursor = parts[2].to_string();
        seen.extend(parts[4..].iter().skip(1).step_by(2).map(|name| name.to_string()));
        calls += 1;
        if cursor == "0" {
            break;
        }
    }
    assert!(seen.len() == 2000 && (20..=21).contains(&calls), "{} in {calls}", seen.len());
    for count in ["3", "-3", "1999", "5000"] {
        let answer = session.run(&format!("HRANDFIELD h {count} WITHVALUES"));
        let wanted = count.parse::<i64>().unwrap().unsigned_abs().min(2001);
        assert!(answer.starts_with(&format!("*{}|", wanted * 2)), "{count}");
    }
    assert_eq!(session.run(&format!("HDEL h {}", pairs.join(" "))), ":2000|");
    assert_eq!(session.run("HGETALL h"), "*2|$1|n|$2|10|");
    assert_eq!(session.run("HDEL h n"), ":1|");
    assert_eq!(encoding(&session, "h"), None);
}

/// As a valkey-9.1 runs it, and passes it on: where the key's name is the word, the count follows it.
#[test]
fn a_key_of_valkey_may_be_the_word_before_the_fields() {
    let session = Session { dialect: Dialect::valkey(9, 1), ..Session::replica() };
    assert_eq!(session.run("HSETEX fields 2 a 1 b 2"), ":1|");
    assert_eq!(session.run("HMGET fields a b"), "*2|$1|1|$1|2|");
    assert_eq!(session.run("HGETEX FIELDS 2 a b"), "*2|$-1|$-1|");
    // And as it should be.
    assert_eq!(session.run("HSETEX fields FIELDS 1 a 3"), ":1|");
    assert_eq!(session.run("HGET fields a"), "$1|3|");
    let session = Session { dialect: Dialect::redis(8, 10), ..Session::replica() };
    assert_eq!(session.run("HSETEX fields 2 a 1 b 2"), "-ERR unknown argument: 2|");
}

/// A valkey-9.1 takes what is there twice, and passes it on with PXAT in the place of the last alone.
#[test]
fn an_option_that_is_there_twice_counts_last_in_a_stream_of_valkey() {
    let session = Session { dialect: Dialect::valkey(9, 1), ..Session::replica() };
    assert_eq!(session.run("HSETEX h EX 100 PXAT 33333333333444 FIELDS 1 a 1"), ":1|");
    assert_eq!(session.run("HPEXPIRETIME h FIELDS 1 a"), "*1|:33333333333444|");
    // Of PX PX PX 100, and of PX FNX PX 100, whose condition is taken out.
    assert_eq!(session.run("HSETEX h PX PX PXAT 33333333333445 FIELDS 1 b 1"), ":1|");
    assert_eq!(session.run("HSETEX h PX PXAT 33333333333446 FIELDS 1 c 1"), ":1|");
    assert_eq!(session.run("HPEXPIRETIME h FIELDS 2 b c"), "*2|:33333333333445|:33333333333446|");
    assert_eq!(session.run("HSETEX h FIELDS 2 PXAT 1 d 1"), ":1|");
    assert_eq!(session.run("HPEXPIRETIME h FIELDS 2 PXAT d"), "*2|:-1|:-1|");
    assert_eq!(session.run("HSETEX h KEEPTTL KEEPTTL FIELDS 1 a 2"), ":1|");
    assert_eq!(session.run("HPEXPIRETIME h FIELDS 1 a"), "*1|:33333333333444|");
    let mut session = Session::new();
    session.dialect = Dialect::valkey(9, 1);
    assert_eq!(session.run("HSETEX h FNX FNX PXAT 1 PXAT 33333333333444 FIELDS 1 a 1"), ":1|");
    assert_eq!(session.run("HPEXPIRETIME h FIELDS 1 a"), "*1|:33333333333444|");
    let refused = "-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified|";
    assert_eq!(session.run("HSETEX h EX 100 PXAT 33333333333444 FIELDS 1 a 1"), refused);
    session.dialect = Dialect::redis(8, 10);
    assert_eq!(session.run("HSETEX h EX 100 EX 100 FIELDS 1 a 1"), refused);
}
