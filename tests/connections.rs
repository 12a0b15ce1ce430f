//! Many connections at once, and how many there may be.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};

use crate::harness::{Client, Frame, Master, Node, wait_for};

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

/// The fields of a line of CLIENT LIST, in their order.
fn fields(line: &str) -> Vec<(String, String)> {
    let pair = |field: &str| field.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    line.split_whitespace().filter_map(pair).collect()
}

/// What a client's line says of it after some requests, and what the others' lines say; each as it is to be compared.
fn lines_told(port: u16, master: &Master) -> Vec<Vec<(String, String)>> {
    let mut client = Client::connect(port);
    let mut told = Vec::new();
    let mut sent = |client: &mut Client, requests: &str| {
        client.send_raw(requests.as_bytes());
        let frames = requests.lines().map(|_| client.read_soon().expect("an answer"));
        let frame = frames.last().expect("requests");
        told.push(fields(&frame.text()));
    };
    sent(&mut client, "CLIENT INFO\r\n");
    sent(&mut client, "PING\r\nGET a\r\nget a\r\nclient info\r\n");
    // What is refused is not counted as run, what a transaction runs is.
    sent(&mut client, "NOSUCH\r\nGET\r\nSET a b\r\nCLIENT INFO\r\n");
    sent(&mut client, "MULTI\r\nGET a\r\nGET b\r\nEXEC\r\nCLIENT INFO\r\n");
    sent(&mut client, "EVAL_RO 'redis.call(\"get\",\"a\")' 0\r\nHELLO 3\r\nCLIENT INFO\r\n");
    sent(&mut client, "MULTI\r\nCLIENT INFO\r\nEXEC\r\nDISCARD\r\nCLIENT INFO\r\n");
    // Nobody looks behind a zero byte in a name.
    client.ask(&[b"CLIENT".as_slice(), b"SETNAME", b"a\0 b\xff"]);
    assert_eq!(client.ask(&["CLIENT", "GETNAME"]), Frame::Bulk(b"a\0 b\xff".to_vec()));
    client.ask(&[b"CLIENT".as_slice(), b"SETINFO", b"LIB-VER", b"\0"]);
    sent(&mut client, "CLIENT INFO\r\n");
    // A watched key was touched.
    sent(&mut client, "WATCH watched\r\nCLIENT INFO\r\n");
    let value = format!("of {port}");
    master.client().ask(&["SET", "watched", &value]);
    wait_for("the write", || {
        (Client::connect(port).line("GET watched") == Frame::Bulk(value.clone().into())).then_some(())
    });
    sent(&mut client, "CLIENT INFO\r\n");
    sent(&mut client, "UNWATCH\r\nCLIENT INFO\r\n");
    let mut waits = Client::connect(port);
    waits.send_raw(b"XREAD BLOCK 0 STREAMS nosuch $\r\n");
    let mut half = Client::connect(port);
    half.send_raw(b"PING\r\nPIN");
    half.read_soon().expect("an answer");
    let mut lines = wait_for("both to be seen", || {
        let list = client.line("CLIENT LIST TYPE normal").text();
        let ours = |line: &&str| line.contains("cmd=xread") || line.contains("cmd=ping");
        let lines: Vec<_> = list.lines().filter(ours).map(fields).collect();
        (lines.len() == 2 && list.contains("flags=b") && list.contains("qbuf=3 ")).then_some(lines)
    });
    told.append(&mut lines);
    told
}

/// The last command of a client is the one that it named last, whether it was run, queued, or refused.
#[test]
fn the_last_command_is_the_one_that_was_named() {
    let master = master_or_skip!("redis-8.10");
    let real = master.real_replica();
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    let told = |port: u16| -> Vec<String> {
        let (mut client, mut other) = (Client::connect(port), Client::connect(port));
        let id = client.line("CLIENT ID").int().to_string();
        let requests = [
            "GET a",
            "MULTI",
            "GET a",
            "HGET a b",
            "NOSUCH",
            "EXEC",
            "SET a b",
            "GET",
            "CONFIG NOSUCH",
            "CONFIG GET",
            "GET a\r\nNOSUCH",
            "NOSUCH\r\nGET a",
            "GET a\r\nSET a b\r\nGET a b",
            "CLIENT NO-EVICT on",
            "OBJECT FREQ a",
        ];
        requests
            .iter()
            .map(|request| {
                client.send_raw(format!("{request}\r\n").as_bytes());
                request.lines().for_each(|_| drop(client.read_soon().expect("an answer")));
                let line = other.ask(&["CLIENT", "LIST", "ID", &id]).text();
                let command = fields(&line).into_iter().find(|(name, _)| name == "cmd").expect("its command");
                format!("{request}: {}", command.1)
            })
            .collect()
    };
    assert_eq!(told(node.port), told(real.port));
}

/// These fields depend on the machine, on time, or on how a server keeps its buffers.
const OWN_FIELDS: &[&str] = &[
    "id",
    "addr",
    "laddr",
    "fd",
    "qbuf",
    "qbuf-free",
    "multi-mem",
    "rbs",
    "rbp",
    "obl",
    "tot-mem",
    "io-thread",
    "tot-net-out",
    "age",
    "idle",
];

#[test]
fn a_client_s_line_says_what_a_real_replica_s_says() {
    for name in ["redis-8.10", "valkey-9.1"] {
        let master = master_or_skip!(name);
        let real = master.real_replica();
        let node = Node::replica_of(&master);
        node.wait_state("streaming");
        let [theirs, ours] = [real.port, node.port].map(|port| lines_told(port, &master));
        assert_eq!(theirs.len(), ours.len());
        for (theirs, ours) in theirs.iter().zip(&ours) {
            let names =
                |line: &[(String, String)]| line.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
            assert_eq!(names(theirs), names(ours), "{name}");
            let both = theirs.iter().zip(ours).filter(|((name, _), _)| !OWN_FIELDS.contains(&name.as_str()));
            // Of a transaction that is over Valkey says that it is open, with nothing queued.
            let is_over = |name: &str, value: &str| name == "multi" && value == "-1";
            let differ = both.filter(|(theirs, (name, value))| {
                (&theirs.0, &theirs.1) != (name, value) && !is_over(name, value)
            });
            let differ: Vec<_> = differ.collect();
            assert!(differ.is_empty(), "{name}: {differ:?} in {theirs:?}");
        }
    }
}

/// The line of a replica's connection to its master, if there is one.
fn master_line(client: &mut Client) -> Option<Vec<(String, String)>> {
    let list = client.line("CLIENT LIST TYPE master").text();
    assert!(list.lines().count() < 2, "{list}");
    list.lines().next().map(fields)
}

fn field<'a>(line: &'a [(String, String)], name: &str) -> &'a str {
    let found = line.iter().find(|(field, _)| field == name);
    found.map(|(_, value)| value.as_str()).unwrap_or_else(|| panic!("{name} in {line:?}"))
}

/// Of the connection to the master these depend on how the stream came in pieces, too.
const PIECES: &[&str] = &["omem", "read-events", "avg-pipeline-len-cnt", "age"];

/// What is told of the connection to the master, but for what is a server's own; with what was counted since `first`.
fn compared(line: &[(String, String)], first: &[(String, String)]) -> Vec<(String, String)> {
    const COUNTED: &[&str] = &["tot-net-in", "tot-cmds", "avg-pipeline-len-sum"];
    let own = |name: &str| OWN_FIELDS.contains(&name) || PIECES.contains(&name);
    // Of a transaction that is over Valkey says that it is open, with nothing queued.
    let kept = line.iter().filter(|(name, _)| !own(name) && name != "multi");
    let since = |(name, value): &(String, String)| {
        let number = |text: &str| text.parse::<u64>().expect("a number");
        let value = match COUNTED.contains(&name.as_str()) {
            true => (number(value) - number(field(first, name))).to_string(),
            false => value.clone(),
        };
        (name.clone(), value)
    };
    kept.map(since).collect()
}

#[test]
fn the_master_s_connection_is_told_as_at_a_real_replica() {
    for name in ["redis-8.10", "valkey-9.1"] {
        let args = ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "3600"];
        let Some(master) = Master::start(name, &args) else { continue };
        let real = master.real_replica();
        let node = Node::replica_of(&master);
        node.wait_state("streaming");
        let mut source = master.client();
        let (mut theirs, mut ours) = (real.client(), node.client());
        // The master may have said something before the second of them came.
        real.wait_caught_up(&master);
        node.wait_caught_up(&master);
        let first = [&mut theirs, &mut ours].map(|client| {
            wait_for("all of that to be counted", || {
                let line = master_line(client)?;
                ((field(&line, "tot-net-in") == "0") == (field(&line, "tot-cmds") == "0")).then_some(line)
            })
        });
        let mut same = |what: &str| {
            let mut last = [Vec::new(), Vec::new()];
            wait_for(what, || {
                let lines = [master_line(&mut theirs)?, master_line(&mut ours)?];
                let [there, here] =
                    lines.each_ref().map(|line| line.iter().map(|(name, _)| name).collect::<Vec<_>>());
                assert_eq!(there, here);
                let [there, here] = [0, 1].map(|side| compared(&lines[side], &first[side]));
                let is_same = there == here;
                if [&there, &here] != [&last[0], &last[1]] {
                    println!("{name}, {what}:\n{there:?}\n{here:?}");
                    last = [there, here];
                }
                is_same.then_some(())
            });
        };
        for requests in [
            "SET a 1",
            "MULTI\nSET a 1\nRPUSH l 1 2\nEXEC",
            "SELECT 5\nHSET h a 1",
            "PUBLISH channel message",
            "XADD s * a 1\nXGROUP CREATE s g 0",
            "EVAL 'redis.call(\"SET\",\"a\",1) redis.call(\"DEL\",\"a\")' 0",
        ] {
            source.send_raw(format!("{requests}\n").replace('\n', "\r\n").as_bytes());
            requests.lines().for_each(|request| assert!(!source.read_soon().expect(request).is_error()));
            same(requests);
        }
        // Once a link stands, and is cut, and stands again; and how often that was tried until it did, is told too.
        for connects in ["1", "2"] {
            for client in [&mut theirs, &mut ours] {
                wait_for("the link to stand again", || {
                    let stands = client.info("replication", "master_link_status").as_deref() == Some("up");
                    // (A Valkey does not tell.)
                    let total = client.info("replication", "master_total_sync_attempts");
                    (stands && total.is_none_or(|total| total == connects)).then_some(())
                });
                let attempts = client.info("replication", "master_current_sync_attempts");
                assert_eq!(attempts.unwrap_or_else(|| "1".into()), "1", "{name}");
            }
            if connects == "1" {
                source.line("CLIENT KILL TYPE replica");
            }
        }
        let mut client = node.client();
        let of = |client: &mut Client, list: &str| -> Vec<String> {
            let text = client.line(list).text();
            let mut flags: Vec<_> =
                text.lines().map(|line| field(&fields(line), "flags").to_owned()).collect();
            flags.sort();
            flags
        };
        let line = master_line(&mut client).expect("a line");
        let id = field(&line, "id").to_owned();
        assert_eq!(field(&line, "addr"), format!("127.0.0.1:{}", master.port));
        assert_eq!(of(&mut client, &format!("CLIENT LIST ID {id}")), ["M"]);
        assert_eq!(of(&mut client, "CLIENT LIST TYPE normal"), ["N", "N"]);
        assert_eq!(of(&mut client, "CLIENT LIST"), ["M", "N", "N"]);
        assert_eq!((connected(&mut theirs), connected(&mut client)), (2, 3), "the master counts");
        assert!(client.line("CLIENT INFO").text().contains(" flags=N "));

        // Whoever may kill it does; then it comes again, as the same.
        let mut laddr = field(&line, "laddr").to_owned();
        let addr = field(&line, "addr").to_owned();
        assert_eq!(client.line("CLIENT KILL TYPE normal SKIPME yes ID 999999").int(), 0);
        assert_eq!(client.line("CLIENT KILL MAXAGE 100000").int(), 0);
        let (before, told) = (master_line(&mut client), client.info("stats", "nearside_full_syncs"));
        assert_eq!(field(&before.expect("a line"), "laddr"), laddr, "none of that ended it");
        let kills =
            ["TYPE master", "ID {id}", "ADDR {addr}", "LADDR {laddr}", "{addr}", "SKIPME yes ID {id}"];
        for kill in kills {
            let kill = kill.replace("{id}", &id).replace("{addr}", &addr).replace("{laddr}", &laddr);
            let answer = client.line(&format!("CLIENT KILL {kill}"));
            let is_plain = !kill.contains(' ');
            assert_eq!(answer, if is_plain { Frame::Simple("OK".into()) } else { Frame::Int(1) }, "{kill}");
            let line = wait_for("it to come again", || {
                let line = master_line(&mut client)?;
                (field(&line, "laddr") != laddr).then_some(line)
            });
            assert_eq!(field(&line, "id"), id, "{kill}");
            laddr = field(&line, "laddr").to_owned();
        }
        client.ask(&["MULTI"]);
        client.line("CLIENT KILL TYPE master");
        client.line("CLIENT LIST TYPE master");
        assert_eq!(client.ask(&["EXEC"]).items()[1].text(), "", "it is gone at once");
        source.line("SET after kills");
        node.wait_caught_up(&master);
        assert_eq!(client.info("stats", "nearside_full_syncs"), told);
        client.line("REPLICAOF NO ONE");
        assert_eq!(master_line(&mut client), None);
        assert_eq!(client.line("CLIENT KILL TYPE master").int(), 0);
        assert_eq!(connected(&mut client), 2);
    }
}

#[test]
fn what_was_sent_and_what_waits_is_told_true() {
    let node = Node::start(&[]);
    let mut client = node.client();
    let value = "v".repeat(8 << 20);
    client.ask(&["SET", "long", &value]);
    let mut lazy = node.client();
    assert_eq!(lazy.line("CLIENT SETNAME lazy").text(), "OK");
    lazy.send_raw(b"GET long\r\n");
    let of = |line: &str, name: &str| -> usize {
        let field = fields(line).into_iter().find(|(field, _)| field == name);
        field.unwrap_or_else(|| panic!("{name} in {line}")).1.parse().expect("a number")
    };
    let whole = "+OK\r\n".len() + format!("${}\r\n{value}\r\n", value.len()).len();
    // The kernel takes some of it; the rest waits, and is the data set's own.
    let told = wait_for("what waits", || {
        let list = client.line("CLIENT LIST").text();
        let line = list.lines().find(|line| line.contains("name=lazy"))?.to_owned();
        (of(&line, "omem") > 0 && of(&line, "tot-net-out") + of(&line, "omem") == whole).then_some(line)
    });
    assert_eq!(of(&told, "omem-shared") + of(&told, "omem-unshared"), of(&told, "omem"), "{told}");
    assert!(of(&told, "omem-unshared") < 100 && of(&told, "tot-mem") < 4096, "{told}");
    assert!(told.contains(" events=rw "), "{told}");
    let [clients, shared, own] = ["", "_shared", "_unshared"].map(|what| -> usize {
        let value = client.info("memory", &format!("mem_clients_normal{what}")).expect("a field");
        value.parse().expect("a number")
    });
    // It may have taken some more meanwhile.
    assert!(shared > 0 && shared <= of(&told, "omem-shared") && own < 200 && clients < 100_000, "{clients}");
    lazy.read().expect("the value");
    let line = wait_for("the end of it", || {
        let list = client.line("CLIENT LIST").text();
        let line = list.lines().find(|line| line.contains("name=lazy"))?.to_owned();
        (of(&line, "omem") == 0).then_some(line)
    });
    assert_eq!(of(&line, "tot-net-out"), whole);
    assert!(line.contains(" events=r "), "{line}");
}

#[test]
fn who_follows_redirects_is_sent_to_a_valkey_master() {
    let master = master_or_skip!("valkey-9.1");
    let real = master.real_replica();
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    let requests = "CLIENT CAPA\nCLIENT CAPA nosuch\nGET a\nCLIENT CAPA nosuch REDIRECT\nCLIENT CAPA other\nGET a\n\
                    SET a b\nSELECT 1\nPUBLISH a b\nEVAL_RO 'return 1' 0\nMULTI\nGET a\nEXEC\nMULTI\nPING\nEXEC\n\
                    SCAN 0\nMULTI\nSET a b\nEXEC\nREADONLY\nGET a\nSET a b\nMULTI\nGET a\nEXEC\nREADWRITE\n\
                    GET a\nREADONLY\nRESET\nGET a\nXREAD BLOCK 1 STREAMS a $\nCLIENT LIST CAPA x\n\
                    CLIENT LIST NOT-CAPA x ID 99\nCLIENT LIST FLAGS z\nCLIENT KILL NOT-FLAGS z\n\
                    CLIENT LIST CAPA r ID 99\nSUBSCRIBE a\nGET a";
    let answers = |port| {
        let mut client = Client::connect(port);
        let mut answer = |line: &'static str| {
            client.send_raw(format!("{line}\r\n").as_bytes());
            (line, client.read_soon().expect("an answer"))
        };
        requests.lines().map(&mut answer).collect::<Vec<(&str, Frame)>>()
    };
    assert_eq!(answers(real.port), answers(node.port));
    // A master has nobody to send anybody to.
    assert_eq!(node.client().line("REPLICAOF NO ONE").text(), "OK");
    let mut client = node.client();
    assert_eq!(client.line("CLIENT CAPA redirect").text(), "OK");
    assert_eq!(client.line("SET a b").text(), "OK");
}

#[test]
fn pipelines_are_counted_over_connections_that_are_over() {
    let node = Node::start(&[]);
    let mut client = node.client();
    let of = |text: &str, name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("{name} in {text}")).to_owned()
    };
    client.line("CONFIG RESETSTAT");
    client.send_raw(b"PING\r\nPING\r\nPING\r\nINFO stats\r\n");
    let frames: Vec<_> = (0..4).map(|_| client.read_soon().expect("an answer")).collect();
    let text = frames[3].text();
    let told = ["avg_pipeline_length_sum", "avg_pipeline_length_cnt", "avg_pipeline_length"];
    assert_eq!(told.map(|name| of(&text, name)), ["4", "1", "4.00"]);
    drop(client);
    let mut other = node.client();
    wait_for("the first to be gone", || (connected(&mut other) == 1).then_some(()));
    let sum: u64 = of(&other.line("INFO stats").text(), told[0]).parse().expect("a number");
    assert!(sum > 4, "those of the first are kept: {sum}");
    other.line("CONFIG RESETSTAT");
    let text = other.line("INFO stats").text();
    assert_eq!(told.map(|name| of(&text, name)), ["1", "1", "1.00"]);
}

/// Sends as much as is taken; how much that was, and what ended it.
fn send_all(stream: &mut TcpStream, bytes: &[u8]) -> (usize, Option<std::io::Error>) {
    let mut sent = 0;
    while sent < bytes.len() {
        match stream.write(&bytes[sent..]) {
            Ok(count) => sent += count,
            Err(error) => return (sent, Some(error)),
        }
    }
    (sent, None)
}

/// A client that read nothing before it had sent its whole pipeline waited for the node, and the node for it.
#[test]
fn a_long_pipeline_is_taken_before_any_of_its_answers_is_read() {
    const REQUESTS: usize = 600_000;
    const VALUE: usize = 1000;
    let node = Node::start(&[]);
    node.client().ask(&["SET", "k", &"x".repeat(VALUE)]);
    let mut stream = TcpStream::connect(("127.0.0.1", node.port)).expect("connect");
    stream.set_write_timeout(Some(Duration::from_secs(60))).expect("an option");
    // More than the kernel holds, of both.
    let requests = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".repeat(REQUESTS);
    let (sent, error) = send_all(&mut stream, &requests);
    assert_eq!(sent, requests.len(), "{error:?}");
    let answer = format!("${VALUE}\r\n{}\r\n", "x".repeat(VALUE)).into_bytes();
    let mut came = vec![0; answer.len()];
    for _ in 0..REQUESTS {
        stream.read_exact(&mut came).expect("an answer");
        assert!(came == answer);
    }
}

/// What is read meanwhile is within client-query-buffer-limit.
#[test]
fn who_sends_without_end_and_reads_nothing_is_let_go() {
    let node = Node::start(&["--client-query-buffer-limit", "4mb"]);
    node.client().ask(&["SET", "k", &"x".repeat(100_000)]);
    let mut stream = TcpStream::connect(("127.0.0.1", node.port)).expect("connect");
    stream.set_write_timeout(Some(Duration::from_secs(60))).expect("an option");
    let requests = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".repeat(100_000);
    let ended = (0..100).find_map(|_| send_all(&mut stream, &requests).1).expect("an end");
    assert_ne!(ended.kind(), std::io::ErrorKind::WouldBlock, "{ended}");
    let counted = node.client().info("stats", "client_query_buffer_limit_disconnections");
    assert_eq!(counted.as_deref(), Some("1"));
}

/// Nothing is kept for who has not said who it is.
#[test]
fn a_stranger_who_reads_nothing_is_let_go() {
    let node = Node::start(&["--requirepass", "pw"]);
    let mut stream = TcpStream::connect(("127.0.0.1", node.port)).expect("connect");
    stream.set_write_timeout(Some(Duration::from_secs(60))).expect("an option");
    let requests = b"SET x 5\r\n".repeat(100_000);
    let ended = (0..1000).find_map(|_| send_all(&mut stream, &requests).1).expect("an end");
    assert_ne!(ended.kind(), std::io::ErrorKind::WouldBlock, "{ended}");
    let mut client = node.client();
    client.line("AUTH pw");
    assert_eq!(client.info("stats", "client_output_buffer_limit_disconnections").as_deref(), Some("1"));
}

/// Of clients that together take more than `maxmemory-clients` the largest go, but for who is not to go.
#[test]
fn the_largest_clients_go_when_all_take_too_much() {
    let node = Node::start(&[]);
    let mut admin = node.client();
    admin.line("CLIENT SETNAME admin");
    admin.line("CLIENT NO-EVICT on");
    let half_a_request = |name: &str, bytes: usize, is_kept: bool| {
        let mut client = node.client();
        client.ask(&["CLIENT", "SETNAME", name]);
        if is_kept {
            client.line("CLIENT NO-EVICT on");
        }
        client.send_raw(b"*2\r\n$3\r\nGET\r\n$100000000\r\n");
        client.send_raw(&vec![b'x'; bytes]);
        client
    };
    let _clients = [
        half_a_request("small", 100_000, false),
        half_a_request("large", 3_000_000, false),
        half_a_request("larger", 6_000_000, false),
        half_a_request("kept", 8_000_000, true),
    ];
    let mut told = |field: &str| {
        let list = admin.line("CLIENT LIST").text();
        let named = |line: &str| {
            let value = |name: &str| {
                line.split(' ').find_map(|field| field.strip_prefix(name)).expect("a field").to_owned()
            };
            (value("name="), value(field).parse::<usize>().expect("a number"))
        };
        // Who asks for something once has no name.
        let named = list.lines().map(named).filter(|(name, _)| !name.is_empty());
        named.collect::<std::collections::BTreeMap<_, _>>()
    };
    // All of them: the room that a half of a request is in grows as it comes.
    wait_for("the requests to come", || {
        let come = told("qbuf=");
        let all = [("small", 100_000), ("large", 3_000_000), ("larger", 6_000_000), ("kept", 8_000_000)];
        all.iter().all(|(name, bytes)| come[*name] >= *bytes).then_some(())
    });
    let taken = told("tot-mem=");
    let limit = (taken["kept"] + taken["large"] + 2_000_000).to_string();
    assert!(taken["larger"] > taken["large"] && taken["large"] > 2_000_000, "{taken:?}");
    node.client().ask(&["CONFIG", "SET", "maxmemory-clients", &limit]);
    wait_for("the larger to go", || (!told("tot-mem=").contains_key("larger")).then_some(()));
    // Within the limit nobody else goes; with the least there is all go that may.
    assert_eq!(told("tot-mem=").into_keys().collect::<Vec<_>>(), ["admin", "kept", "large", "small"]);
    node.client().ask(&["CONFIG", "SET", "maxmemory", "200mb", "maxmemory-clients", "1%"]);
    wait_for("the large to go", || (!told("tot-mem=").contains_key("large")).then_some(()));
    assert!(told("tot-mem=").contains_key("kept"));
    let evicted = node.client().info("stats", "evicted_clients").expect("a count");
    assert!(evicted.parse::<u64>().expect("a number") >= 2, "{evicted}");
}

/// A count asks for as much as it likes of a set of one member.
#[test]
fn who_asks_for_more_than_a_client_may_be_sent_is_let_go_before_it_is_made() {
    let node = Node::start(&["--client-output-buffer-limit", "normal 1mb 0 0"]);
    let mut client = node.client();
    for line in ["SADD set member", "HSET hash field value", "ZADD zset 1 member"] {
        assert_eq!(client.line(line).int(), 1, "{line}");
    }
    let asked = [
        "SRANDMEMBER set -9223372036854775807",
        "HRANDFIELD hash -9223372036854775807",
        "HRANDFIELD hash -4611686018427387903 WITHVALUES",
        "ZRANDMEMBER zset -9223372036854775807",
        "ZRANDMEMBER zset -4611686018427387903 WITHSCORES",
        "LRANGE list 0 -1",
        "HGETALL long",
    ];
    let value = "x".repeat(10_000);
    for _ in 0..200 {
        client.ask(&["RPUSH", "list", &value]);
    }
    let fields: Vec<_> = (0..200).map(|field| field.to_string()).collect();
    for field in &fields {
        client.ask(&["HSET", "long", field, &value]);
    }
    for line in asked {
        let mut asks = node.client();
        asks.send_raw(format!("{line}\r\nPING\r\n").as_bytes());
        assert!(asks.read().is_err(), "{line}");
    }
    client.send_raw(b"CLIENT REPLY OFF\r\nLRANGE list 0 -1\r\nCLIENT REPLY ON\r\n");
    assert_eq!(client.read().expect("it was not to be sent").text(), "OK");
    assert_eq!(
        client.info("stats", "client_output_buffer_limit_disconnections"),
        Some(asked.len().to_string())
    );
    assert_eq!(client.line("SRANDMEMBER set -20000").items().len(), 20_000);
}

/// What CLIENT INFO tells a connection of its transactions: before, in and after them.
#[test]
fn transactions_are_told_of_as_by_a_real_server() {
    for server in ["redis-8.10", "valkey-9.1"] {
        let master = master_or_skip!(server, "--repl-diskless-sync-delay", "0");
        let real = master.real_replica();
        let node = Node::replica_of(&master);
        node.wait_state("streaming");
        let told = |mut client: Client| -> Vec<String> {
            let mut told = Vec::new();
            for line in [
                "CLIENT INFO",
                "EXEC",
                "CLIENT INFO",
                "MULTI",
                "CLIENT INFO",
                "PING",
                "CLIENT INFO",
                "EXEC",
                "CLIENT INFO",
                "RESET",
                "CLIENT INFO",
                "MULTI",
                "NOSUCH",
                "EXEC",
                "CLIENT INFO",
            ] {
                let words: Vec<&str> = line.split(' ').collect();
                let answer = format!("{:?}", client.ask(&words));
                let fields = answer.split([' ', '"']).filter(|field| {
                    ["flags=", "multi=", "watch=", "cmd="].iter().any(|name| field.starts_with(name))
                });
                told.push(format!("{line}: {}", fields.collect::<Vec<_>>().join(" ")));
            }
            told
        };
        assert_eq!(told(node.client()), told(real.client()), "{server}");
        let watching = |mut client: Client| -> Option<String> {
            client.line("WATCH a");
            let answer = client.line("CLIENT INFO").text();
            answer.split(' ').find(|field| field.starts_with("multi=")).map(str::to_owned)
        };
        assert_eq!(watching(node.client()), watching(real.client()), "{server}");
    }
}

#[test]
fn what_is_tracked_may_be_told_to_the_connection_to_the_master() {
    let master = master_or_skip!("redis-8.10", "--repl-diskless-sync-delay", "0");
    let real = master.real_replica();
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    let mut writer = master.client();
    let mut told = |mut client: Client, follows: &dyn Fn()| -> Vec<String> {
        let link = client.line("CLIENT LIST TYPE master").text();
        let id = link.split(' ').find_map(|field| field.strip_prefix("id=")).expect("an id").to_owned();
        let mut told = Vec::new();
        for words in [
            vec!["CLIENT", "TRACKING", "ON", "REDIRECT", "99999"],
            vec!["CLIENT", "TRACKING", "ON", "REDIRECT", "-1"],
            vec!["CLIENT", "TRACKING", "ON", "REDIRECT", &id],
            vec!["CLIENT", "GETREDIR"],
            vec!["CLIENT", "TRACKINGINFO"],
            vec!["GET", "a"],
        ] {
            told.push(format!("{:?}", client.ask(&words)).replace(&id, "ID"));
        }
        writer.line("SET a 1");
        follows();
        // Nobody was told, and nothing is broken.
        told.push(format!("{:?}", client.line("CLIENT TRACKINGINFO")).replace(&id, "ID"));
        writer.line("DEL a");
        follows();
        told
    };
    let ours = told(node.client(), &|| node.wait_caught_up(&master));
    assert_eq!(ours, told(real.client(), &|| real.wait_caught_up(&master)));
}

/// `timeout` is for who has nothing to say, and not for who waits to be told something, or is being answered.
#[test]
fn who_waits_is_not_idle() {
    let node = Node::start(&[]);
    let mut operator = node.client();
    let send = |words: &[&str]| {
        let (mut client, mut bytes) = (node.client(), Vec::new());
        Client::encode(words, &mut bytes);
        client.send_raw(&bytes);
        client
    };
    let waiting: [&[&str]; 3] =
        [&["BLPOP", "l", "0"], &["BZPOPMIN", "z", "0"], &["XREAD", "BLOCK", "0", "STREAMS", "x", "$"]];
    let mut waiting = waiting.map(send);
    let mut monitor = send(&["MONITOR"]);
    assert_eq!(monitor.read_soon().expect("an answer").text(), "OK");
    let mut idle = send(&["PING"]);
    idle.read_soon().expect("an answer");
    wait_for("all to wait", || {
        (operator.info("clients", "blocked_clients").as_deref() == Some("3")).then_some(())
    });
    operator.line("CONFIG SET timeout 1");
    let mut at_work = send(&["DEBUG", "SLEEP", "4"]);
    // When it is let go, so would they be that came before it.
    wait_for("the idle one to be let go", || {
        let left = operator.line("CLIENT LIST TYPE normal").text().lines().count();
        (left == 6).then_some(())
    });
    assert_eq!(at_work.read_soon().expect("an answer").text(), "OK");
    operator.line("CONFIG SET timeout 0");
    operator.line("RPUSH l 1");
    operator.line("ZADD z 1 m");
    operator.line("XADD x * f v");
    for client in &mut waiting {
        assert!(!client.read_soon().expect("what it has waited for").is_error());
    }
    while !monitor.read_soon().expect("a request").text().contains("\"XADD\"") {}
}
