//! What an operator orders of clients (CLIENT KILL, CLIENT PAUSE, ACL SETUSER, ACL DELUSER) is in force when it is
//! answered: nothing that they asked for before takes effect after that.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;

use crate::harness::{Client, Frame, Node, wait_for};

const ROUNDS: usize = 40;
/// What each of them writes to, so that it can be seen that it did.
const KEYS: [&str; 5] = ["alone", "whole", "scripted", "many:1", "many:2"];

/// Requests that write: in a batch, as a transaction, as a script, to several keys; `turn` is never twice the same.
fn writes(kind: usize, turn: usize) -> Vec<Vec<String>> {
    let words = |line: &[&str]| line.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let value = turn.to_string();
    match kind % 4 {
        0 => vec![words(&["INCR", "alone"]); 8],
        1 => vec![words(&["MULTI"]), words(&["INCR", "whole"]), words(&["INCR", "whole"]), words(&["EXEC"])],
        2 => vec![words(&["EVAL", "return redis.call('INCR', KEYS[1])", "1", "scripted"])],
        _ => vec![words(&["MSET", "many:1", &value, "many:2", &value])],
    }
}

/// A client that writes all the time.
#[derive(Default)]
struct Writer {
    id: AtomicUsize,
    /// How often it has been answered all it asked for.
    turns: AtomicUsize,
    has_ended: AtomicBool,
}

impl Writer {
    fn run(&self, port: u16, kind: usize) {
        // It ends when its connection does.
        let _ended = self.write(port, kind);
        self.has_ended.store(true, Relaxed);
    }

    fn write(&self, port: u16, kind: usize) -> io::Result<()> {
        let mut client = Client::try_connect(port)?;
        client.try_ask(&["AUTH", "writer", "x"])?;
        self.id.store(client.try_ask(&["CLIENT", "ID"])?.int().try_into().unwrap_or_default(), Relaxed);
        loop {
            let turn = self.turns.load(Relaxed);
            let requests = writes(kind, turn * 8 + kind);
            let mut bytes = Vec::new();
            requests.iter().for_each(|words| Client::encode(words, &mut bytes));
            client.try_send_raw(&bytes)?;
            for _ in &requests {
                client.read()?;
            }
            self.turns.store(turn + 1, Relaxed);
        }
    }
}

fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

#[test]
fn what_is_answered_is_in_force() {
    let node = Node::start(&[]);
    let mut operator = node.client();
    let look = words(&format!("MGET {}", KEYS.join(" ")));
    for round in 0..ROUNDS {
        operator.line("ACL SETUSER writer reset on nopass ~* +@all");
        let writers: Vec<Writer> = (0..8).map(|_| Writer::default()).collect();
        thread::scope(|scope| {
            for (kind, writer) in writers.iter().enumerate() {
                scope.spawn(move || writer.run(node.port, kind));
            }
            let busy = |from: &[usize]| {
                let has_turned = |(writer, from): (&Writer, &usize)| writer.turns.load(Relaxed) > from + 2;
                writers.iter().zip(from).all(has_turned).then_some(())
            };
            wait_for("all to write", || busy(&[0; 8]));
            let kill_one_by_one =
                writers.iter().map(|writer| format!("CLIENT KILL ID {}", writer.id.load(Relaxed)));
            let orders: Vec<String> = match round % 4 {
                0 => kill_one_by_one.collect(),
                1 => vec!["CLIENT PAUSE 1000000 WRITE".into()],
                2 => vec!["ACL SETUSER writer -@write".into()],
                _ => vec!["ACL DELUSER writer".into()],
            };
            let mut requests: Vec<_> = orders.iter().map(|line| words(line)).collect();
            requests.push(look.clone());
            let answers = operator.pipeline(&requests);
            let (ordered, then) = answers.split_at(orders.len());
            assert!(ordered.iter().all(|answer| !answer.is_error()), "{orders:?}: {ordered:?}");
            match round % 4 {
                0 | 3 => wait_for("all to end", || {
                    writers.iter().all(|writer| writer.has_ended.load(Relaxed)).then_some(())
                }),
                1 => wait_for("all to wait", || {
                    (operator.info("clients", "blocked_clients").as_deref() == Some("8")).then_some(())
                }),
                _ => {
                    let turns: Vec<usize> = writers.iter().map(|writer| writer.turns.load(Relaxed)).collect();
                    wait_for("all to be refused", || busy(&turns));
                }
            }
            let after = operator.ask(&look);
            assert_eq!(after.items(), then[0].items(), "written after the answer: {orders:?} {KEYS:?}");
            operator.line("CLIENT UNPAUSE");
            operator.line("CLIENT KILL TYPE normal");
        });
    }
}

/// Who had left its batch, and waited for the token, when a pause began, is no further than others: what it asked for is
/// not done when its client goes.
#[test]
fn who_goes_while_it_is_paused_does_nothing() {
    let node = Node::start(&[]);
    let mut operator = node.client();
    let look = words(&format!("MGET {}", KEYS.join(" ")));
    let long = ["EVAL", "local x = 0 for i = 1, 3e6 do x = x + i end", "0"];
    let pausing = [&["MULTI"][..], &long, &["CLIENT", "PAUSE", "1000000", "WRITE"], &["EXEC"]];
    let pausing: Vec<Vec<String>> =
        pausing.iter().map(|words| words.iter().map(|word| (*word).to_owned()).collect()).collect();
    for _ in 0..ROUNDS / 4 {
        let all_requests = std::iter::once(pausing.clone()).chain((0..4).map(|kind| writes(kind, 1)));
        let mut clients = Vec::new();
        for requests in all_requests {
            let mut bytes = Vec::new();
            requests.iter().for_each(|words| Client::encode(words, &mut bytes));
            let mut client = node.client();
            client.send_raw(&bytes);
            clients.push(client);
        }
        for _ in &pausing {
            assert!(!clients[0].read_soon().expect("an answer").is_error());
        }
        drop(clients);
        wait_for("all to be gone", || {
            (operator.info("clients", "connected_clients").as_deref() == Some("1")).then_some(())
        });
        let before = operator.ask(&look);
        operator.line("CLIENT UNPAUSE");
        operator.line("SET after the-pause");
        assert_eq!(operator.ask(&look), before);
    }
}

/// Scripts that say of themselves that they write nothing run while writes are paused, though another runs.
#[test]
fn scripts_that_only_read_are_not_paused() {
    let node = Node::start(&[]);
    let mut operator = node.client();
    operator.line("CLIENT PAUSE 1000000 WRITE");
    let script = "#!lua flags=no-writes\nlocal x = 0 for i = 1, 1e5 do x = x + i end return x";
    thread::scope(|scope| {
        for _ in 0..4 {
            let mut client = node.client();
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    assert_eq!(client.ask(&["EVAL", script, "0"]), Frame::Int(5_000_050_000));
                }
            });
        }
    });
    let mut writer = node.client();
    writer.send_raw(b"EVAL return(1) 0\r\n");
    wait_for("who may write to wait", || {
        (operator.info("clients", "blocked_clients").as_deref() == Some("1")).then_some(())
    });
    operator.line("CLIENT UNPAUSE");
    assert_eq!(writer.read_soon().expect("an answer"), Frame::Int(1));
}

/// Who waited for a key and was ended takes nothing of it any more.
#[test]
fn who_was_ended_is_served_with_nothing() {
    let node = Node::start(&[]);
    let (mut operator, mut other) = (node.client(), node.client());
    for _ in 0..ROUNDS {
        let mut waiting = node.client();
        let id = waiting.ask(&["CLIENT", "ID"]).int();
        let mut bytes = Vec::new();
        Client::encode(&["BLPOP", "list", "0"], &mut bytes);
        waiting.send_raw(&bytes);
        wait_for("who waits", || {
            (other.info("clients", "blocked_clients").as_deref() == Some("1")).then_some(())
        });
        let requests =
            [format!("CLIENT KILL ID {id}"), "RPUSH list x".into(), "LLEN list".into(), "DEL list".into()];
        let answers = operator.pipeline(&requests.map(|line| words(&line)));
        assert_eq!(answers[1..], [Frame::Int(1), Frame::Int(1), Frame::Int(1)]);
        waiting.read().unwrap_err();
    }
}
