//! What array commands answer; the lines were checked against redis-8.10.

use protocol::Protocol;

use crate::testing::Session;

#[test]
fn values_are_set_read_and_removed() {
    Session::new().transcript(
        "
        > ARSET a 0 x y 5
        < :3|
        > ARSET a 18446744073709551614 z
        < :1|
        > ARSET a 18446744073709551614 z z
        < -ERR array index overflow|
        > ARSET a -1 z
        < -ERR invalid array index|
        > ARMSET a 1 Y 7 seven
        < :1|
        > ARGET a 1
        < $1|Y|
        > ARGET nothing 1
        < $-1|
        > ARMGET a 0 3 7
        < *3|$1|x|$-1|$5|seven|
        > ARGETRANGE a 3 1
        < *3|$-1|$1|5|$1|Y|
        > ARLEN a
        < $20|18446744073709551615|
        > ARCOUNT a
        < :5|
        > ARSCAN a 18446744073709551614 0 LIMIT 2
        < *2|*2|$20|18446744073709551614|$1|z|*2|:7|$5|seven|
        > ARDEL a 0 0 100
        < :1|
        > ARDELRANGE a 7 1 18446744073709551614 8
        < :4|
        > ARCOUNT a
        < :0|
        ",
    );
}

#[test]
fn a_ring_keeps_the_newest() {
    Session::new().transcript(
        "
        > ARINSERT a a b c d e
        < :4|
        > ARRING a 3 f
        < :0|
        > ARGETRANGE a 0 3
        < *4|$1|f|$1|d|$1|e|$-1|
        > ARRING a 5 g
        < :3|
        > ARLASTITEMS a 3
        < *3|$1|e|$1|f|$1|g|
        > ARLASTITEMS a 2 REV
        < *2|$1|g|$1|f|
        > ARSEEK a 18446744073709551615
        < :1|
        > ARNEXT a
        < $-1|
        > ARINSERT a x
        < -ERR insert index overflow|
        > ARRING a 0 x
        < -ERR size must be positive|
        > ARSEEK nothing 5
        < :0|
        > ARNEXT nothing
        < :0|
        ",
    );
}

#[test]
fn values_are_added_up_and_searched() {
    let session = Session { protocol: Protocol::Resp3, ..Session::new() };
    session.run("ARSET a 0 0.1 0.2 hello -4 HELP 3.5");
    session.transcript(
        "
        > AROP a 0 1 SUM
        < $3|0.3|
        > AROP a 0 9 MIN
        < $2|-4|
        > AROP a 3 9 OR
        < :-1|
        > AROP a 2 2 SUM
        < _|
        > AROP a 0 9 USED
        < :6|
        > AROP a 0 9 MATCH hello
        < :1|
        > ARSET floats 0 -360.372032 33.333333 -3.60372032e2 1234567.125
        < :4|
        > AROP floats 0 0 MIN
        < $19|-360.37203199999999|
        > AROP floats 0 0 SUM
        < $19|-360.37203199999999|
        > AROP floats 1 1 MAX
        < $9|33.333333|
        > AROP floats 2 2 MIN
        < $11|-360.372032|
        > AROP floats 3 3 MIN
        < $11|1234567.125|
        > AROP a 0 9 ADD
        < -ERR unknown operation|
        > ARGREP a - + MATCH hel
        < *1|:2|
        > ARGREP a + - GLOB h* RE ^3 NOCASE WITHVALUES
        < *3|*2|:5|$3|3.5|*2|:4|$4|HELP|*2|:2|$5|hello|
        > ARGREP a 0 9 MATCH h MATCH o AND LIMIT 5
        < *1|:2|
        > ARGREP a 0 9 RE (
        < -ERR invalid regular expression: Missing ')'|
        > ARINFO a
        < %7|$5|count|:6|$3|len|:6|$17|next-insert-index|:0|$6|slices|:1|$14|directory-size|:1|$17|super-dir-entries|:0|$10|slice-size|:4096|
        ",
    );
}

#[test]
fn a_pattern_too_long_is_refused_where_it_stands() {
    let session = Session::new();
    let long = "x".repeat(2049);
    let many = "EXACT a ".repeat(250);
    let too_long = "-ERR regular expression is too long, maximum is 2048 bytes|";
    let too_many = "-ERR too many predicates, maximum is 250|";
    for (words, answer) in [
        (format!("RE {long} {many}"), too_long),
        (format!("RE {long} LIMIT x"), too_long),
        (format!("RE {long} bad"), too_long),
        (format!("RE ( RE {long}"), too_long),
        (format!("{many} RE {long}"), too_many),
        (format!("RE ( {many}"), too_many),
        ("RE ( bad".to_owned(), "-ERR syntax error|"),
    ] {
        assert_eq!(session.run(&format!("ARGREP a - + {words}")), answer, "{words}");
    }
}
