//! The program as an operator meets it: options, ports, signals, metrics, and what a stranger may do.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use crate::harness::process::TempDir;
use crate::harness::{Client, Frame, Node, wait_for};

fn refused(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_nearside")).args(args).output().expect("run nearside");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn http(port: u16, path: &str) -> (String, String) {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).expect("connect");
    write!(socket, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("send");
    let mut text = String::new();
    socket.read_to_string(&mut text).expect("read");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
}

#[test]
fn a_bad_option_is_named_and_the_code_is_2() {
    for (args, name) in [
        (&["--nosuch", "1"][..], "--nosuch"),
        (&["--port", "99999"], "port"),
        (&["--replicaof", "nowhere"], "replicaof"),
        (&["--spool-memory", "64xb"], "spool-memory"),
        (&["--on-divergence", "perhaps"], "on-divergence"),
        (&["--log-level", "shout"], "log-level"),
        (&["--requirepass-file", "/nosuch/file"], "requirepass-file"),
        (&["--masterauth-file", "/nosuch/file"], "masterauth-file"),
        (&["--masterauth", "a", "--masterauth-file", "b"], "masterauth-file"),
        (&["--http", "9380"], "http"),
        (&["--databases", "0"], "databases"),
        (&["--report-version", "seven"], "report-version"),
        (&["--enable-debug-command", "perhaps"], "enable-debug-command"),
        (&["--protected-mode", "perhaps"], "protected-mode"),
        (&["--client-output-buffer-limit", "normal 1mb"], "client-output-buffer-limit"),
        (&["--replica-announce-port", "x"], "replica-announce-port"),
        (&["--acl-pubsub-default", "perhaps"], "acl-pubsub-default"),
        (&["--user", "a", "--aclfile", "b"], "aclfile"),
    ] {
        let (code, text) = refused(args);
        assert_eq!(code, Some(2), "{args:?}: {text}");
        assert!(text.contains(name), "{args:?}: {text}");
    }
}

#[test]
fn health_and_metrics() {
    let master = master_or_skip!("redis-7.0", "--repl-diskless-sync-delay", "0");
    master.client().line("MSET a 1 b 2 c 3");
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    let mut client = node.client();
    client.line("GET a");
    client.ask(&["NO-SUCH-COMMAND-OF-A-STRANGER"]);
    assert!(http(node.http, "/healthz").0.contains("200"));
    assert!(http(node.http, "/readyz").0.contains("200"));
    let (status, text) = http(node.http, "/metrics");
    assert!(status.contains("200"), "{status}");
    assert!(text.lines().any(|line| line.starts_with("nearside_") && line.contains("get")), "{text}");
    assert!(!text.to_ascii_lowercase().contains("stranger"), "a stranger made a label");
    assert!(http(node.http, "/nosuch").0.contains("404"));
    let alone = Node::start(&["--replicaof", "127.0.0.1:1"]);
    assert!(http(alone.http, "/healthz").0.contains("200"));
    assert!(http(alone.http, "/readyz").0.contains("503"));
}

/// The value of a metric, with its labels as the page writes them.
fn metric(node: &Node, name: &str) -> Option<f64> {
    let (_, text) = http(node.http, "/metrics");
    let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn the_metrics_tell_what_happened() {
    let master = master_or_skip!("redis-7.0", "--repl-diskless-sync-delay", "0");
    let mut at_master = master.client();
    at_master.line("MSET a 1 b 2 c 3");
    at_master.line("SET d 4 EX 1000");
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    for number in 0..5 {
        at_master.line(&format!("SET streamed:{number} x"));
    }
    node.wait_caught_up(&master);
    let mut client = node.client();
    for _ in 0..7 {
        client.line("GET a");
    }
    assert!(client.ask(&["SET", "a", "2"]).is_error());
    assert!(client.ask(&["LLEN", "a"]).is_error());
    client.line("GET nothing");
    for (name, value) in [
        ("nearside_is_replica", 1.0),
        ("nearside_link_up", 1.0),
        ("nearside_link_state{state=\"streaming\"}", 1.0),
        ("nearside_link_state{state=\"loading\"}", 0.0),
        ("nearside_loaded", 1.0),
        ("nearside_full_syncs_total", 1.0),
        ("nearside_full_syncs_done_total", 1.0),
        ("nearside_sync_in_progress", 0.0),
        ("nearside_applied_commands_total{command=\"set\"}", 5.0),
        ("nearside_commands_total{command=\"get\"}", 8.0),
        ("nearside_command_rejections_total{command=\"set\"}", 1.0),
        ("nearside_command_failures_total{command=\"llen\"}", 1.0),
        ("nearside_keys{db=\"0\"}", 9.0),
        ("nearside_keys_with_deadline{db=\"0\"}", 1.0),
        ("nearside_keyspace_hits_total", 8.0),
        ("nearside_keyspace_misses_total", 1.0),
        ("nearside_lag_bytes", 0.0),
        ("nearside_lag_seconds", 0.0),
        ("nearside_offset_applied_bytes", master.offset() as f64),
        ("nearside_offset_received_bytes", master.offset() as f64),
    ] {
        assert_eq!(metric(&node, name), Some(value), "{name}\n{}", http(node.http, "/metrics").1);
    }
    for name in [
        "nearside_last_swap_seconds",
        "nearside_memory_used_bytes",
        "nearside_memory_rss_bytes",
        "nearside_uptime_seconds",
    ] {
        assert!(metric(&node, name).is_some_and(|value| value > 0.0), "{name}");
    }
    assert!(metric(&node, "nearside_master_last_io_seconds").is_some_and(|seconds| seconds < 60.0));
    drop(client);
    wait_for("the end of the connection", || (metric(&node, "nearside_clients") == Some(0.0)).then_some(()));
}

#[test]
fn hostile_http_harms_nobody() {
    let node = Node::start(&[]);
    let long = vec![b'a'; 1 << 20];
    for bytes in [
        &b"\0\0\0\0\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET /metrics HTTP/9.9\r\n\r\n",
        b"PING\r\n*1\r\n$4\r\nPING\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: ",
        &long,
    ] {
        let mut socket = TcpStream::connect(("127.0.0.1", node.http)).expect("connect");
        // It may be closed before all is sent.
        let _ = socket.write_all(bytes);
        let _ = socket.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"),
            "{:?}",
            String::from_utf8_lossy(&answer)
        );
    }
    // Connections that say nothing hold their places only.
    let silent: Vec<_> =
        (0..16).map(|_| TcpStream::connect(("127.0.0.1", node.http)).expect("connect")).collect();
    assert!(http(node.http, "/healthz").0.contains("200"));
    assert!(http(node.http, "/readyz").0.contains("200"));
    drop(silent);
}

#[test]
fn passwords_come_from_files_and_the_environment() {
    let folder = TempDir::new("passwords");
    let path = folder.path().join("password");
    std::fs::write(&path, "from-a-file\n").expect("a file");
    let path = path.to_str().expect("a path in UTF-8");
    let node = Node::start(&["--requirepass-file", path]);
    let mut client = node.client();
    assert!(client.ask(&["PING"]).text().starts_with("NOAUTH "));
    assert_eq!(client.ask(&["AUTH", "from-a-file"]), Frame::Simple("OK".into()));

    let node = Node::start_with(&[], &[("NEARSIDE_REQUIREPASS", "from-outside")]);
    let mut client = node.client();
    assert!(client.ask(&["PING"]).text().starts_with("NOAUTH "));
    assert_eq!(client.ask(&["AUTH", "from-outside"]), Frame::Simple("OK".into()));
    let line = std::fs::read(format!("/proc/{}/cmdline", node.pid())).expect("the process list");
    assert!(!String::from_utf8_lossy(&line).contains("from-outside"));

    let master = master_or_skip!("redis-7.0", "--requirepass", "master-s");
    let master_is = ["--replicaof", "127.0.0.1", &master.port.to_string()].map(String::from);
    let master_is: Vec<&str> = master_is.iter().map(String::as_str).collect();
    Node::start_with(&master_is, &[("NEARSIDE_MASTERAUTH", "master-s")]).wait_state("streaming");
}

#[test]
fn shutdown_ends_it_and_bad_words_do_not() {
    let node = Node::start(&[]);
    let mut client = node.client();
    for bad in
        [&["SHUTDOWN", "nosuch"][..], &["SHUTDOWN", "SAVE", "NOSAVE"], &["SHUTDOWN", "ABORT", "NOSAVE"]]
    {
        assert_eq!(client.ask(bad), Frame::Error("ERR syntax error".into()), "{bad:?}");
    }
    let none = client.ask(&["SHUTDOWN", "ABORT"]);
    assert_eq!(none, Frame::Error("ERR No shutdown in progress.".into()));
    assert_eq!(client.line("PING"), Frame::Simple("PONG".into()));
    assert!(client.try_ask(&["SHUTDOWN", "NOSAVE", "NOW", "FORCE"]).is_err());
    wait_for("the port's release", || Client::try_connect(node.port).is_err().then_some(()));
}

#[test]
fn sigterm_ends_it_gracefully() {
    let node = Node::start(&[]);
    let mut client = node.client();
    client.line("PING");
    assert!(Command::new("kill").args(["-TERM", &node.pid().to_string()]).status().expect("kill").success());
    wait_for("the end of the connection", || client.try_ask(&["PING"]).is_err().then_some(()));
    wait_for("the port's release", || Client::try_connect(node.port).is_err().then_some(()));
}

#[test]
fn passwords_and_handshakes() {
    let node = Node::start(&["--requirepass", "secret"]);
    let mut client = node.client();
    assert_eq!(client.ask(&["GET", "a"]), Frame::Error("NOAUTH Authentication required.".into()));
    assert!(client.ask(&["AUTH", "wrong"]).text().starts_with("WRONGPASS "));
    assert!(client.ask(&["HELLO", "3"]).text().starts_with("NOAUTH "));
    assert!(matches!(
        client.ask(&["HELLO", "3", "AUTH", "default", "secret", "SETNAME", "me"]),
        Frame::Map(_)
    ));
    assert_eq!(client.ask(&["CLIENT", "GETNAME"]), Frame::Bulk(b"me".to_vec()));
    assert_eq!(client.ask(&["GET", "a"]), Frame::Null);
    assert_eq!(client.ask(&["HELLO", "4"]), Frame::Error("NOPROTO unsupported protocol version".into()));
    assert_eq!(client.ask(&["RESET"]), Frame::Simple("RESET".into()));
    assert_eq!(client.ask(&["GET", "a"]), Frame::Error("NOAUTH Authentication required.".into()));
}

#[test]
fn hostile_input_is_answered_and_ends_the_connection() {
    let node = Node::start(&[]);
    for (bytes, expected) in [
        (&b"*1\r\n$-5\r\n"[..], "-ERR Protocol error: invalid bulk length"),
        (b"*99999999999\r\n", "-ERR Protocol error: invalid multibulk length"),
        (b"*1\r\nx\r\n", "-ERR Protocol error: expected '$', got 'x'"),
        (b"*1\r\n$999999999999\r\n", "-ERR Protocol error: invalid bulk length"),
        (b"GET \"unbalanced\r\n", "-ERR Protocol error: unbalanced quotes in request"),
    ] {
        let mut socket = TcpStream::connect(("127.0.0.1", node.port)).expect("connect");
        socket.write_all(bytes).expect("send");
        let mut text = String::new();
        socket.read_to_string(&mut text).expect("an answer, then the end");
        assert_eq!(text.trim_end(), expected);
    }
    let mut socket = TcpStream::connect(("127.0.0.1", node.port)).expect("connect");
    let endless = vec![b'x'; 1 << 20];
    let _ = socket.write_all(&endless);
    let mut text = String::new();
    let _ = socket.read_to_string(&mut text);
    assert!(text.is_empty() || text.contains("too big inline request"), "{text}");
    assert_eq!(node.client().ask(&["PING"]), Frame::Simple("PONG".into()));
}

#[test]
fn pipelines_of_any_depth_and_inline_commands() {
    let node = Node::start(&[]);
    let mut client = node.client();
    let requests: Vec<Vec<Vec<u8>>> = (0..50_000)
        .map(|at: u32| match at % 3 {
            0 => vec![b"SET".to_vec(), format!("k{}", at % 100).into_bytes(), at.to_string().into_bytes()],
            1 => vec![b"GET".to_vec(), format!("k{}", (at - 1) % 100).into_bytes()],
            _ => vec![b"ECHO".to_vec(), at.to_string().into_bytes()],
        })
        .collect();
    let replies = client.pipeline(&requests);
    for (at, reply) in replies.iter().enumerate() {
        match at % 3 {
            0 => assert_eq!(*reply, Frame::Simple("OK".into())),
            1 => assert_eq!(reply.text(), (at - 1).to_string()),
            _ => assert_eq!(reply.text(), at.to_string()),
        }
    }
    client.send_raw(b"SET inline 'a b'\r\nGET inline\r\n\r\nPING\r\n");
    assert_eq!(client.read().expect("a reply"), Frame::Simple("OK".into()));
    assert_eq!(client.read().expect("a reply"), Frame::Bulk(b"a b".to_vec()));
    assert_eq!(client.read().expect("a reply"), Frame::Simple("PONG".into()));
}

#[test]
fn transactions_over_reads_notice_the_master_s_writes() {
    let master = master_or_skip!("redis-7.0", "--repl-diskless-sync-delay", "0");
    let mut at_master = master.client();
    at_master.line("MSET watched 1 other 1");
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    node.wait_caught_up(&master);
    let mut client = node.client();
    client.line("WATCH watched");
    client.line("MULTI");
    assert_eq!(client.line("GET watched"), Frame::Simple("QUEUED".into()));
    assert_eq!(client.line("EXEC"), Frame::Array(vec![Frame::Bulk(b"1".to_vec())]));
    client.line("WATCH watched");
    at_master.line("SET other 2");
    at_master.line("SET watched 2");
    node.wait_caught_up(&master);
    client.line("MULTI");
    client.line("GET watched");
    assert_eq!(client.line("EXEC"), Frame::NullArray);
    client.line("WATCH other");
    at_master.line("SET watched 3");
    node.wait_caught_up(&master);
    client.line("MULTI");
    client.line("GET watched");
    assert_eq!(client.line("EXEC"), Frame::Array(vec![Frame::Bulk(b"3".to_vec())]));
    client.line("MULTI");
    assert!(client.ask(&["NOSUCH"]).is_error());
    assert!(client.ask(&["EXEC"]).text().starts_with("EXECABORT "));
    // a write inside a transaction is refused when it is queued
    client.line("MULTI");
    assert!(client.ask(&["SET", "a", "b"]).text().starts_with("READONLY "));
    assert!(client.ask(&["EXEC"]).text().starts_with("EXECABORT "));
}

/// The words and the client's name of each entry, the newest first.
fn slow(client: &mut Client) -> Vec<(Vec<String>, String, i64)> {
    let told = client.ask(&["SLOWLOG", "GET", "-1"]);
    let entries = told.items().iter().map(|entry| {
        let [_, at, micros, words, addr, name, sent] = entry.items() else { panic!("an entry is {entry:?}") };
        assert!(at.int() > 1_600_000_000 && micros.int() >= 0);
        // A script's command has none.
        let addr = addr.text();
        assert!(addr.is_empty() || addr.starts_with("127.0.0.1:"), "{addr:?}");
        let who = if addr.is_empty() { "a script".to_owned() } else { name.text() };
        (words.items().iter().map(Frame::text).collect(), who, sent.int())
    });
    entries.collect()
}

#[test]
fn what_takes_long_is_kept_as_a_real_server_keeps_it() {
    let master = master_or_skip!("redis-8.10");
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    let keys: Vec<String> = (0..40).map(|number| format!("key:{number}")).collect();
    let long = "x".repeat(300);
    let mut many: Vec<&str> = vec!["MGET"];
    many.extend(keys.iter().map(String::as_str));
    let requests: &[&[&str]] = &[
        &["CLIENT", "SETNAME", "who-asks"],
        &["CONFIG", "SET", "slowlog-log-slower-than", "0"],
        &["SLOWLOG", "RESET"],
        &["GET", "a"],
        &["GET", &long],
        &many,
        &["AUTH", "default", "not so"],
        &["HELLO", "2", "AUTH", "default", "not so"],
        &["CONFIG", "SET", "timeout", "0", "masterauth", "secret"],
        &["CONFIG", "SET", "masterauth", ""],
        &["LLEN"],
        &["MULTI"],
        &["STRLEN", "a"],
        &["ZRANGE", "b", "0", "-1"],
        &["EXEC"],
        &["ACL", "SETUSER", "somebody", ">secret", "on"],
        &["ACL", "GETUSER", "somebody"],
        &["ACL", "DELUSER", "somebody"],
        // What a script calls is kept too, as nobody's.
        &["EVAL_RO", "redis.call('get', 'a') return redis.call('strlen', 'a')", "0"],
        &["EVAL", "return redis.pcall('get')", "0"],
        &["DEBUG", "SLEEP", "0"],
        &["CONFIG", "SET", "slowlog-entry-max-argc", "3", "slowlog-entry-max-string-len", "4"],
        &["ZRANGE", "b", "0", "-1"],
        &["GET", "12345"],
        &["SLOWLOG", "LEN"],
    ];
    let [ours, theirs] = [node.client(), master.client()].map(|mut client| {
        let mut told: Vec<Frame> = Vec::new();
        for request in requests {
            told.push(client.ask(request));
        }
        (slow(&mut client), told.pop())
    });
    assert_eq!(ours, theirs);

    let mut client = node.client();
    client.line("CONFIG SET slowlog-log-slower-than 10000 slowlog-entry-max-string-len 128");
    client.line("SLOWLOG RESET");
    client.line("GET a");
    client.line("DEBUG SLEEP 0.02");
    let told = client.ask(&["SLOWLOG", "GET"]);
    let [entry] = told.items() else { panic!("one took long, and {told:?} did") };
    assert_eq!(entry.items()[3].items()[0].text(), "DEBUG");
    assert!(entry.items()[2].int() >= 20_000, "{entry:?}");
    client.line("CONFIG SET slowlog-log-slower-than 0 slowlog-max-len 3");
    for _ in 0..9 {
        client.line("GET a");
    }
    assert_eq!(client.line("SLOWLOG LEN").int(), 3);
    client.line("CONFIG SET slowlog-log-slower-than -1");
    assert_eq!(
        client
            .info("stats", "slowlog_commands_count")
            .map(|count| count.parse::<u64>().expect("a count") > 10),
        Some(true)
    );
    client.line("CONFIG RESETSTAT");
    assert_eq!(client.info("stats", "slowlog_commands_count").as_deref(), Some("0"));
    assert_eq!(client.line("SLOWLOG LEN").int(), 3);
}

#[test]
fn what_is_large_is_kept_as_a_real_server_keeps_it() {
    let master = master_or_skip!("valkey-9.1");
    let long = "x".repeat(300);
    master.client().ask(&["SET", "long", &long]);
    master.client().ask(&["SET", "huge", &"y".repeat(400_000)]);
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    let large = |client: &mut Client, kind: &str| {
        let told = client.ask(&["COMMANDLOG", "GET", "-1", kind]);
        let entries = told.items().iter().map(|entry| {
            let [_, _, bytes, words, _, name] = entry.items() else { panic!("an entry is {entry:?}") };
            (bytes.int(), words.items().iter().map(Frame::text).collect::<Vec<_>>(), name.text())
        });
        entries.collect::<Vec<_>>()
    };
    let [ours, theirs] = [node.client(), master.client()].map(|mut client| {
        client.line("CLIENT SETNAME who-asks");
        client.line("CONFIG SET commandlog-request-larger-than 100 commandlog-reply-larger-than 200");
        for request in [
            &["GET", "long"][..],
            &["GET", "none"],
            &["GET", &long],
            &["EXISTS", &long, "long", "none"],
            &["ECHO", &long],
        ] {
            client.ask(request);
        }
        let small = (large(&mut client, "large-request"), large(&mut client, "large-reply"));
        // A long answer alone in its pipeline, with a bound above what ends a batch.
        client.line("CONFIG SET commandlog-request-larger-than -1 commandlog-reply-larger-than 300000");
        client.line("COMMANDLOG RESET large-reply");
        let words = |line: &str| line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        client.pipeline(&["GET long", "GET huge", "GET long"].map(words));
        (small, large(&mut client, "large-reply"))
    });
    assert_eq!(ours.1, theirs.1);
    // The answer to COMMANDLOG GET itself differs by the digits of a port and of times.
    let same = |mut kept: Vec<_>| kept.split_off(1);
    assert_eq!((ours.0.0.clone(), same(ours.0.1.clone())), (theirs.0.0.clone(), same(theirs.0.1.clone())));
    assert!(!ours.0.0.is_empty() && !ours.0.1.is_empty() && !ours.1.is_empty());
}

#[test]
fn what_holds_up_clients_is_noted() {
    let node = Node::start(&["--latency-monitor-threshold", "20"]);
    let mut client = node.client();
    assert!(client.line("LATENCY DOCTOR").text().contains("Nothing has held up"));
    client.line("GET a");
    client.line("DEBUG SLEEP 0.03");
    let told = client.line("LATENCY LATEST");
    let [event] = told.items() else { panic!("{told:?}") };
    assert_eq!(event.items()[0].text(), "command");
    assert!(event.items()[2].int() >= 30 && event.items()[2] == event.items()[3], "{event:?}");
    let history = client.line("LATENCY HISTORY command");
    assert_eq!(history.items()[0].items()[0], event.items()[1]);
    assert!(client.line("LATENCY GRAPH command").text().starts_with("command - high "));
    assert!(client.line("LATENCY DOCTOR").text().contains("1. command: 1 seconds with samples"));
    assert_eq!(client.line("LATENCY RESET nosuch").int(), 0);
    assert_eq!(client.line("LATENCY RESET command").int(), 1);
    assert!(client.line("LATENCY LATEST").items().is_empty());
}

/// Of a command in LATENCY HISTOGRAM: its calls, and the steps.
fn times(client: &mut Client, command: &str) -> Option<(i64, Vec<(i64, i64)>)> {
    let told = client.ask(&["LATENCY", "HISTOGRAM", command]);
    let [_, times] = told.items() else { return None };
    let [_, calls, _, steps] = times.items() else { panic!("{times:?}") };
    let steps = steps.items().chunks(2).map(|pair| (pair[0].int(), pair[1].int()));
    Some((calls.int(), steps.collect()))
}

#[test]
fn how_long_requests_take_is_counted() {
    let node = Node::start(&[]);
    let mut client = node.client();
    client.line("CONFIG SET slowlog-log-slower-than -1");
    let words = |line: &str| line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
    client.pipeline(&[(); 100].map(|()| words("GET a")));
    // Measured one by one.
    client.line("CONFIG SET slowlog-log-slower-than 1000000");
    client.pipeline(&[(); 100].map(|()| words("LRANGE a 0 -1")));
    client.line("DEBUG SLEEP 0.02");
    for command in ["get", "LRANGE"] {
        let (calls, steps) = times(&mut client, command).expect("it was sent");
        assert_eq!((calls, steps.last().expect("a step").1), (100, 100));
        assert!(steps.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1), "{steps:?}");
    }
    let (_, steps) = times(&mut client, "debug").expect("it was sent");
    assert!(steps[0].0 >= 33_816, "20 ms are at least in the range that ends there: {steps:?}");
    let told = client.info("latencystats", "latency_percentiles_usec_debug").expect("percentiles");
    assert!(told.starts_with("p50=2") && told.contains(",p99=2") && told.contains(",p99.9=2"), "{told}");
    client.line("CONFIG SET latency-tracking no latency-tracking-info-percentiles 100");
    client.line("GET a");
    assert_eq!(client.info("latencystats", "latency_percentiles_usec_debug"), None);
    client.line("CONFIG SET latency-tracking yes");
    assert_eq!(times(&mut client, "get").expect("it was sent").0, 100);
    let told = client.info("latencystats", "latency_percentiles_usec_debug").expect("percentiles");
    assert!(told.starts_with("p100=2") && !told.contains(','), "{told}");
    client.line("CONFIG RESETSTAT");
    assert_eq!(times(&mut client, "get"), None);
}
