//! Answers and forms of a real server, byte for byte.

use storage::Limits;

use crate::Dialect;
use crate::testing::Session;

#[test]
fn transcripts_of_a_real_server() {
    Session::new().transcript(include_str!("../../tests/transcripts/set.txt"));
    let tight = Limits {
        set_max_intset_entries: 4,
        set_max_listpack_entries: 6,
        set_max_listpack_value: 8,
        ..Limits::default()
    };
    Session::with_limits(tight).transcript(include_str!("../../tests/transcripts/set-forms.txt"));
}

#[test]
fn a_big_set_answers_the_same() {
    let session = Session::new();
    let members: Vec<String> = (0..3000).map(|number| format!("m{number}")).collect();
    assert_eq!(session.run(&format!("SADD s {}", members.join(" "))), ":3000|");
    assert_eq!(session.run("SISMEMBER s m2999"), ":1|");
    assert_eq!(session.run("SADD t 1 2 3 m7 m8"), ":5|");
    assert_eq!(session.run("SINTERCARD 2 s t"), ":2|");
    assert_eq!(session.run("SUNIONCARD 2 s t"), ":3003|");
    assert_eq!(session.run("SDIFFCARD 2 s t LIMIT 0"), ":2998|");
    assert_eq!(session.run("SDIFFSTORE d s t"), ":2998|");
    assert_eq!(session.run("SUNIONSTORE s s t"), ":3003|");
    let (mut cursor, mut seen) = (String::from("0"), std::collections::HashSet::new());
    loop {
        let answer = session.run(&format!("SSCAN s {cursor} COUNT 50"));
        let parts: Vec<&str> = answer.split('|').collect();
        cursor = parts[2].to_string();
        seen.extend(parts[4..].iter().skip(1).step_by(2).map(|name| name.to_string()));
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(seen.len(), 3003);
    let random = session.run("SRANDMEMBER s");
    assert!(seen.contains(random.split('|').nth(1).unwrap()));
    assert!(session.run("SRANDMEMBER s -5000").starts_with("*5000|"));
    assert!(session.run("SRANDMEMBER s 5000").starts_with("*3003|"));
    assert!(session.run("SPOP s 3000").starts_with("*3000|"));
    assert_eq!(session.run("SCARD s"), ":3|");
    assert!(session.run("SPOP s 9").starts_with("*3|"));
    assert_eq!(session.run("SCARD s"), ":0|");
}

#[test]
fn a_stored_result_has_no_deadline() {
    let session = Session::new();
    session.run("SADD s a b");
    session.run("SADD d x");
    let deadline = |session: &Session| {
        let reader = session.store.reader();
        reader.db(session.index, session.now).peek(b"d").and_then(|entry| entry.deadline())
    };
    {
        let writer = session.store.writer();
        let at = storage::UnixMillis(session.now.0 + 1000);
        writer.db(session.index, session.now).edit(b"d", |slot| slot.set_deadline(Some(at)));
    }
    assert!(deadline(&session).is_some());
    session.run("SUNIONSTORE d s");
    assert_eq!(deadline(&session), None);
}

/// A master before 7.0 looked no further than the key that is not there, and says so in its stream.
#[test]
fn an_intersection_of_an_old_masters_stream_may_name_other_kinds_behind_a_missing_key() {
    let replica = Session::replica();
    replica.transcript("> SADD set a\n< :1|\n> SADD to b\n< :1|\n> SET string v\n< +OK|");
    let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value|";
    assert_eq!(replica.run("SINTERSTORE to set string missing"), wrong);
    assert_eq!(replica.run("SINTERSTORE to set missing string"), ":0|");
    assert_eq!(replica.run("EXISTS to"), ":0|");
    let master = Session::new();
    master.transcript("> SADD set a\n< :1|\n> SET string v\n< +OK|");
    assert_eq!(master.run("SINTERSTORE to set missing string"), wrong);
}

/// As a real master does; its replicas hear of the members that went, and keep the form.
#[test]
fn what_spop_leaves_of_a_big_set_is_packed_again_when_it_is_little() {
    let left = |session: Session, command: &str| {
        let members: String = (0..600).map(|number| format!(" m{number}")).collect();
        session.run(&format!("SADD s{members}"));
        session.run(command);
        session.run("OBJECT ENCODING s")
    };
    assert_eq!(left(Session::new(), "SPOP s 500"), "$8|listpack|");
    assert_eq!(left(Session::new(), "SPOP s 499"), "$9|hashtable|");
    let old = Session { dialect: Dialect::redis(7, 0), ..Session::new() };
    assert_eq!(left(old, "SPOP s 500"), "$9|hashtable|");
}
