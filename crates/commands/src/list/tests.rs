//! What list commands answer; the lines were checked against redis-8.10.

use protocol::Protocol;

use crate::Dialect;
use crate::testing::Session;

#[test]
fn lists_answer_as_redis() {
    Session::new().transcript(
        "
        > RPUSH l a b c
        < :3|
        > LPUSH l 1
        < :4|
        > LRANGE l 0 -1
        < *4|$1|1|$1|a|$1|b|$1|c|
        > LRANGE l -100 1
        < *2|$1|1|$1|a|
        > LRANGE l 3 2
        < *0|
        > LPUSHX nothing a
        < :0|
        > LINDEX l -1
        < $1|c|
        > LINDEX nothing x
        < $-1|
        > LSET l 1 A
        < +OK|
        > LSET l 9 A
        < -ERR index out of range|
        > LSET nothing x A
        < -ERR no such key|
        > LINSERT l BEFORE A new
        < :5|
        > LINSERT l AFTER none new
        < :-1|
        > LINSERT nothing AFTER none new
        < :0|
        > LREM l 0 new
        < :1|
        > LPOP l 0
        < *0|
        > LPOP l -1
        < -ERR value is out of range, must be positive|
        > LPOP nothing 1
        < *-1|
        > LPOP nothing
        < $-1|
        > LMPOP 2 nothing l RIGHT COUNT 2
        < *2|$1|l|*2|$1|c|$1|b|
        > LTRIM l 1 1
        < +OK|
        > LRANGE l 0 -1
        < *1|$1|A|
        > RPOP l
        < $1|A|
        > LLEN l
        < :0|
        ",
    );
}

#[test]
fn moves_keep_or_turn_the_order() {
    let session = Session::new();
    session.run("RPUSH l 1 2 3 4 5 6 7 8");
    session.transcript(
        "
        > LMOVEM l m LEFT LEFT COUNT 3 OBO
        < *3|$1|3|$1|2|$1|1|
        > LMOVEM l m LEFT LEFT COUNT 2 BULK
        < *2|$1|4|$1|5|
        > LRANGE m 0 -1
        < *5|$1|4|$1|5|$1|3|$1|2|$1|1|
        > LMOVEM l m LEFT RIGHT EXACTLY 4 BULK
        < *-1|
        > LMOVEM l l RIGHT RIGHT COUNT 2 OBO
        < *2|$1|8|$1|7|
        > LMOVEM l m RIGHT LEFT
        < *1|$1|7|
        > LMOVE l m LEFT RIGHT
        < $1|6|
        > RPOPLPUSH l l
        < $1|8|
        > RPOPLPUSH nothing l
        < $-1|
        > LMOVEM l m LEFT RIGHT COUNT 0 OBO
        < -ERR count should be greater than 0|
        ",
    );
}

#[test]
fn positions_are_found_from_both_ends() {
    let session = Session { protocol: Protocol::Resp3, ..Session::new() };
    session.run("RPUSH l a b c 1 2 3 c c");
    session.transcript(
        "
        > LPOS l c
        < :2|
        > LPOS l c RANK -1
        < :7|
        > LPOS l c RANK 2 COUNT 0
        < *2|:6|:7|
        > LPOS l c RANK -1 COUNT 2 MAXLEN 3
        < *2|:7|:6|
        > LPOS l x
        < _|
        > LPOS l x COUNT 1
        < *0|
        > LPOS l c RANK 0
        < -ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list|
        ",
    );
}

/// As redis-3.2 to redis-7.2 have it, and redis-7.4: an older master's stream has such a count.
#[test]
fn the_lowest_count_is_one_up_to_redis_7_2() {
    for (dialect, removed) in [
        (Dialect::redis(6, 2), ":3|"),
        (Dialect::redis(7, 2), ":3|"),
        (
            Dialect::redis(7, 4),
            "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807|",
        ),
    ] {
        let session = Session { dialect, ..Session::replica() };
        session.run("RPUSH l a a b a");
        assert_eq!(session.run("LREM l -9223372036854775808 a"), removed, "{dialect:?}");
    }
}
