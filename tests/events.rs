//! Keyspace events: what a real server says of each command, said here too, in the same order.

use std::fs;
use std::path::PathBuf;

use crate::harness::{Client, Frame, Node, wait_for};

/// All but `m`: which keys a command that writes asks for, and in which order, is not told here.
const ALL: &str = "KEAnocSTIV";
const SERVER: &str = "redis-8.10";

/// The commands that are compared.
pub fn commands() -> Vec<Vec<String>> {
    let text = fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/events.txt"));
    let text = text.expect("tests/events.txt");
    let words = |line: &str| {
        line.split(' ').map(|word| if word == "\"\"" { String::new() } else { word.to_owned() }).collect()
    };
    text.lines().filter(|line| !line.starts_with('#')).map(words).collect()
}

/// A client that hears every event.
fn hearer(mut client: Client) -> Client {
    assert_eq!(client.ask(&["CONFIG", "SET", "notify-keyspace-events", ALL]), Frame::Simple("OK".into()));
    client.ask(&["PSUBSCRIBE", "__*"]);
    client.ask(&["SUBSCRIBE", "done"]);
    client
}

/// What it has heard before somebody said that they were done.
fn heard(client: &mut Client) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let message = client.read_soon().expect("a message");
        match message.items() {
            [kind, _, channel, text] if kind.text() == "pmessage" => {
                all.push(format!("{} {}", channel.text(), text.text()));
            }
            _ => return all,
        }
    }
}

#[test]
fn a_replica_says_what_a_real_one_says() {
    let master = master_or_skip!(SERVER);
    let real = master.real_replica();
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    let (mut there, mut here) = (hearer(real.client()), hearer(node.client()));
    let mut client = master.client();
    let mut wrong = Vec::new();
    for words in commands() {
        client.ask(&words);
        client.ask(&["PUBLISH", "done", ""]);
        let (expected, came) = (heard(&mut there), heard(&mut here));
        if expected != came {
            wrong.push(format!("{}\n  expected {expected:?}\n  came     {came:?}", words.join(" ")));
        }
    }
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_master_says_what_a_real_one_says() {
    let real = master_or_skip!(SERVER);
    let node = Node::start(&[]);
    let (mut there, mut here) = (hearer(real.client()), hearer(node.client()));
    let (mut at_real, mut at_node) = (real.client(), node.client());
    let mut wrong = Vec::new();
    for words in commands() {
        for (client, hearer, all) in [(&mut at_real, &mut there, true), (&mut at_node, &mut here, false)] {
            let answer = client.ask(&words);
            client.ask(&["PUBLISH", "done", ""]);
            let said = heard(hearer);
            if all {
                wrong.push((words.join(" "), answer, said));
            } else if let Some((_, expected, events)) = wrong.pop()
                && (events != said || expected.is_error() != answer.is_error())
            {
                let text = format!("expected {events:?} {expected:?}\n  came     {said:?} {answer:?}");
                wrong.push((format!("{}\n  {text}", words.join(" ")), answer, Vec::new()));
            }
        }
    }
    let wrong: Vec<String> = wrong.into_iter().map(|(text, ..)| text).collect();
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
}

/// Reads of keys that are not there, one at a time, in transactions, in scripts and waiting.
const MISSES: &[&str] = &[
    "GET a",
    "GET b",
    "MGET a c d",
    "EXISTS e",
    "HGET f g",
    "STRLEN g",
    "TYPE h",
    "TTL i",
    "OBJECT ENCODING j",
    "DUMP k",
    "TOUCH l",
    "LCS m n",
    "SINTER o p",
    "SINTERCARD 2 o p",
    "SUNION q r",
    "SDIFF q r",
    "ZUNION 2 s t",
    "ZINTER 2 s t",
    "ZRANGE u 0 -1",
    "LRANGE v 0 -1",
    "LPOS v x",
    "BITCOUNT w",
    "PFCOUNT x y",
    "SORT_RO z",
    "GEOSEARCH ga FROMLONLAT 1 1 BYRADIUS 1 km",
    "XLEN xa",
    "XRANGE xa - +",
    "XREAD STREAMS xb xc 0 0",
    "XREAD BLOCK 1 STREAMS xd $",
    "XINFO STREAM xe",
    "MEMORY USAGE ma",
    "EXPIRETIME mb",
    "BITFIELD_RO bf GET u8 0",
    "HGETALL ha",
    "HRANDFIELD hb",
    "HTTL hc FIELDS 1 f",
    "SRANDMEMBER sa",
    "ZSCORE za m",
    "ZRANDMEMBER zb",
    "KEYS *",
    "RANDOMKEY",
    "DBSIZE",
    "SCAN 0",
    "SSCAN sb 0",
    "MULTI",
    "GET ea",
    "MGET a eb",
    "EXEC",
    "WATCH wa",
    "UNWATCH",
    "EVAL \"return redis.call('mget', KEYS[1], 'ec')\" 1 ed",
    "EVAL_RO \"return redis.call('exists', 'ee')\" 0",
    "GET",
    "HGET hd",
    "LLEN a",
    "DIGEST da",
    "ARGET ar 0",
    "OBJECT FREQ oa",
    "OBJECT IDLETIME ob",
    "SUNIONCARD 2 sc sd",
];

#[test]
fn keys_that_are_not_there_are_told() {
    let master = master_or_skip!(SERVER);
    let real = master.real_replica();
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    master.client().line("SET a 1");
    node.wait_caught_up(&master);
    wait_for("the key", || (real.client().line("DBSIZE").int() == 1).then_some(()));
    let told = |port| {
        let (mut hearer, mut client) = (Client::connect(port), Client::connect(port));
        hearer.line("CONFIG SET notify-keyspace-events Em");
        hearer.ask(&["PSUBSCRIBE", "__*"]);
        hearer.ask(&["SUBSCRIBE", "done"]);
        let mut told = |line: &'static str| {
            client.send_raw(format!("{line}\r\n").as_bytes());
            client.read_soon().expect("an answer");
            if !line.contains("MULTI") && !line.ends_with(" ea") && !line.ends_with(" eb") {
                client.line("PUBLISH done ok");
                return (line, heard(&mut hearer));
            }
            (line, Vec::new())
        };
        MISSES.iter().map(|line| told(line)).collect::<Vec<_>>()
    };
    let (theirs, ours) = (told(real.port), told(node.port));
    let differ: Vec<_> = theirs.iter().zip(&ours).filter(|(theirs, ours)| theirs != ours).collect();
    assert!(differ.is_empty(), "{} differences: {differ:#?}", differ.len());
}

/// What goes by itself is told on a node that follows nobody; its replicas hear of it by a DEL.
#[test]
fn what_expires_is_told() {
    let node = Node::start(&[]);
    let mut hearer = node.client();
    hearer.line("CONFIG SET notify-keyspace-events EA");
    hearer.ask(&["PSUBSCRIBE", "__*"]);
    let mut client = node.client();
    client.line("SET k v PX 1");
    client.line("HSET h f v g w");
    client.line("HPEXPIRE h 1 FIELDS 1 f");
    let mut said: Vec<String> = (0..6)
        .map(|_| {
            let message = hearer.read_soon().expect("a message");
            format!("{} {}", message.items()[2].text(), message.items()[3].text())
        })
        .collect();
    said.sort();
    let event = |what: &str| format!("__keyevent@0__:{what}");
    let expected = ["expire k", "expired k", "hexpire h", "hexpired h", "hset h", "set k"].map(event);
    assert_eq!(said, expected);
}
