//! A node that follows nobody is a master: others see a transaction, a script, and what a waiting client is served with,
//! whole or not at all.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::harness::{Client, Ends, Frame, Node, wait_for};

const ROUNDS: usize = 1_500;

fn numbers(frame: &Frame) -> Vec<i64> {
    frame.items().iter().map(|item| item.text().parse().expect("a number")).collect()
}

/// Runs the writer's rounds while two readers look on; each look must hold.
fn looked_at(node: &Node, mut write: impl FnMut(&mut Client, usize), holds: impl Fn(&mut Client) + Sync) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut reader = node.client();
                while !is_over.load(Ordering::Relaxed) {
                    holds(&mut reader);
                }
            });
        }
        let _ends = Ends(&is_over);
        let mut writer = node.client();
        (0..ROUNDS).for_each(|round| write(&mut writer, round));
    });
}

fn request(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

#[test]
fn transactions_and_scripts_are_seen_whole() {
    let node = Node::start(&[]);
    node.client().line("MSET a 500 b 500");
    let sum = |reader: &mut Client| {
        for answer in reader.pipeline(&vec![request(&["MGET", "a", "b"]); 20]) {
            assert_eq!(numbers(&answer).iter().sum::<i64>(), 1000, "{answer:?}");
        }
    };
    looked_at(
        &node,
        |writer, round| {
            let (from, to) = if round % 2 == 0 { ("a", "b") } else { ("b", "a") };
            let all = [vec!["MULTI"], vec!["DECRBY", from, "7"], vec!["INCRBY", to, "7"], vec!["EXEC"]];
            let answers = writer.pipeline(&all.map(|words| request(&words)));
            assert_eq!(answers[3].items().len(), 2, "{answers:?}");
        },
        sum,
    );
    let script = "redis.call('DECRBY', KEYS[1], 7) redis.call('INCRBY', KEYS[2], 7)";
    looked_at(
        &node,
        |writer, round| {
            let (from, to) = if round % 2 == 0 { ("a", "b") } else { ("b", "a") };
            let all = [
                vec!["MULTI"],
                vec!["DECRBY", from, "1"],
                vec!["EVAL", script, "2", from, to],
                vec!["INCRBY", to, "1"],
                vec!["EXEC"],
            ];
            let answers = writer.pipeline(&all.map(|words| request(&words)));
            assert_eq!(answers[4].items().len(), 3, "{answers:?}");
        },
        sum,
    );
}

type Requests<'a> = &'a [&'a [&'a str]];

/// What comes to a key that somebody waits for goes to that one: nobody else ever sees it.
#[test]
fn what_is_waited_for_is_seen_by_nobody_else() {
    let node = Node::start(&[]);
    let mut other = node.client();
    let pushes: [(&str, Requests, &[&str]); 4] = [
        ("list", &[&["RPUSH", "list", "x"]], &["BLPOP", "list", "0"]),
        ("zset", &[&["ZADD", "zset", "1", "x"]], &["BZPOPMIN", "zset", "0"]),
        (
            "inside",
            &[&["MULTI"], &["RPUSH", "inside", "x"], &["EXEC"]],
            &["BLMOVE", "inside", "to", "LEFT", "LEFT", "0"],
        ),
        ("script", &[&["EVAL", "redis.call('RPUSH', 'script', 'x')", "0"]], &["BLPOP", "script", "0"]),
    ];
    for (key, push, pop) in pushes {
        let mut waiting = node.client();
        looked_at(
            &node,
            |writer, round| {
                if round % 8 > 0 {
                    // The others are for the readers.
                    writer.line("PING");
                    return;
                }
                let mut bytes = Vec::new();
                Client::encode(pop, &mut bytes);
                waiting.send_raw(&bytes);
                wait_for("who waits", || {
                    (other.info("clients", "blocked_clients").as_deref() == Some("1")).then_some(())
                });
                writer.pipeline(&push.iter().map(|words| request(words)).collect::<Vec<_>>());
                waiting.read_soon().expect("what was pushed");
            },
            |reader| {
                let answers = reader.pipeline(&vec![request(&["EXISTS", key]); 20]);
                assert!(answers.iter().all(|answer| *answer == Frame::Int(0)), "{key}: {answers:?}");
            },
        );
    }
}

/// A node that becomes a replica takes a transaction or a script whole, or not at all.
#[test]
fn a_change_of_role_comes_between_transactions() {
    const KEYS: usize = 40;
    let node = Node::start(&[]);
    // It says nothing, so that all stays as it was.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = listener.local_addr().expect("its address").port().to_string();
    let keys: Vec<String> = (0..KEYS).map(|number| format!("key:{number}")).collect();
    let script = "for _, key in ipairs(KEYS) do redis.call('SET', key, ARGV[1]) end";
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for is_script in [false, true] {
            let (node, keys, is_over) = (&node, &keys, &is_over);
            scope.spawn(move || {
                let mut writer = node.client();
                let mut round = usize::from(is_script);
                while !is_over.load(Ordering::Relaxed) {
                    round += 2;
                    let value = round.to_string();
                    let mut all = Vec::new();
                    if is_script {
                        let count = KEYS.to_string();
                        let names = keys.iter().map(String::as_str);
                        let words = ["EVAL", script, &count].into_iter().chain(names).chain([&*value]);
                        all.push(request(&words.collect::<Vec<_>>()));
                    } else {
                        all.push(request(&["MULTI"]));
                        all.extend(keys.iter().map(|key| request(&["SET", key, &value])));
                        all.push(request(&["EXEC"]));
                    }
                    let answers = writer.pipeline(&all);
                    if let Some(Frame::Array(each)) = answers.last() {
                        assert!(each.iter().all(|answer| !answer.is_error()), "{each:?}");
                    }
                }
            });
        }
        let _ends = Ends(&is_over);
        let mut client = node.client();
        let all: Vec<&str> = ["MGET"].into_iter().chain(keys.iter().map(String::as_str)).collect();
        wait_for("the first", || (client.line("DBSIZE").int() == KEYS as i64).then_some(()));
        for _ in 0..60 {
            client.ask(&["REPLICAOF", "127.0.0.1", &silent]);
            let values = numbers(&client.ask(&all));
            assert!(values.iter().all(|value| *value == values[0]), "{values:?}");
            client.line("REPLICAOF NO ONE");
            let before = client.line("GET key:0");
            wait_for("another write", || (client.line("GET key:0") != before).then_some(()));
        }
    });
}
