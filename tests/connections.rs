//! Many connections at once, and how many there may be.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};

use crate::harness::{Client, Node, wait_for};

/// Descriptors of this process that other tests need meanwhile.
const OTHERS: u64 = 2_000;

/// Connects as often as is said, from four threads, as fast as they can.
fn storm(port: u16, count: usize) -> Vec<TcpStream> {
    let begun = AtomicUsize::new(0);
    let connect = || {
        let mut streams = Vec::new();
        while begun.fetch_add(1, Ordering::Relaxed) < count {
            streams.push(TcpStream::connect(("127.0.0.1", port)).expect("connect"));
        }
        streams
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(connect)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    })
}

fn connected(client: &mut Client) -> usize {
    client.info("clients", "connected_clients").and_then(|count| count.parse().ok()).expect("a count")
}

/// What is answered to a PING, or said before the connection is closed.
fn ping(stream: &mut TcpStream) -> String {
    // Who is refused may find the connection closed already.
    let _ = stream.write_all(b"PING\r\n");
    let mut told = [0; 64];
    let size = stream.read(&mut told).unwrap_or(0);
    String::from_utf8_lossy(&told[..size]).into_owned()
}

#[test]
fn a_storm_of_ten_thousand_is_let_in_and_answered() {
    let limit = getrlimit(Resource::Nofile);
    let maximum = limit.maximum.unwrap_or(u64::MAX);
    setrlimit(Resource::Nofile, Rlimit { current: Some(maximum.min(20_000)), maximum: limit.maximum })
        .expect("a limit");
    let count = usize::try_from(maximum.saturating_sub(OTHERS)).unwrap_or(usize::MAX).min(9_990);
    println!("{count} connections");
    assert!(count > 1_000, "the hard limit of open files is {maximum}");
    let node = Node::start(&[]);
    let mut first = node.client();
    let port = node.port;
    let storm = thread::spawn(move || storm(port, count));
    while !storm.is_finished() {
        assert_eq!(first.line("PING").text(), "PONG", "who was there before is served meanwhile");
    }
    let mut streams = storm.join().expect("all were let in");
    for stream in &mut streams {
        assert_eq!(ping(stream), "+PONG\r\n");
    }
    assert_eq!(connected(&mut first), count + 1);
    drop(streams);
    wait_for("all of them to be gone", || (connected(&mut first) == 1).then_some(()));
}

#[test]
fn as_many_are_let_in_as_maxclients_says_and_the_system_lets_us() {
    let node = Node::start(&[]);
    let mut client = node.client();
    let pid = Pid::from_raw(node.pid().cast_signed());
    // It began with more; now it has room for none of those that are to come, and may have room for some.
    prlimit(pid, Resource::Nofile, Rlimit { current: Some(100), maximum: Some(1_500) }).expect("its limit");
    let told = client.ask(&["CONFIG", "SET", "maxclients", "2000"]).text();
    let (_, room) = told.rsplit_once("try with ").unwrap_or_else(|| panic!("it says {told}"));
    let room: usize = room.parse().expect("a number");
    assert!((1_000..1_500).contains(&room), "{room} of 1,500");
    assert_eq!(client.ask(&["CONFIG", "GET", "maxclients"]).items()[1].text(), "10000");
    node.set("maxclients", &room.to_string());

    let mut streams = storm(node.port, room - 1);
    assert!(streams.iter_mut().all(|stream| ping(stream) == "+PONG\r\n"));
    let mut one_more = TcpStream::connect(("127.0.0.1", node.port)).expect("connect");
    assert_eq!(ping(&mut one_more), "-ERR max number of clients reached\r\n");
    assert_eq!(connected(&mut client), room);
    drop(streams);
    wait_for("all of them to be gone", || (connected(&mut client) == 1).then_some(()));
    assert_eq!(ping(&mut TcpStream::connect(("127.0.0.1", node.port)).expect("connect")), "+PONG\r\n");
}
