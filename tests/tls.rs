//! TLS: to clients and to masters, with real ones on the other side, and with certificates that are wrong.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use crate::clients;
use crate::harness::certificates::{Authority, BOTH, Pair, TlsClient, V12, V13, ping};
use crate::harness::process::masters_dir;
use crate::harness::{Client, Frame, Master, Node, free_port, wait_for};

const PONG: &str = "+PONG";

/// What Debian builds has TLS, the others have not.
const SERVER: &str = "redis-7.0";

struct Served {
    authority: Authority,
    server: Pair,
    client: Pair,
    node: Node,
    port: u16,
}

fn path(path: &std::path::Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}

/// A node that speaks TLS, with its authority and a certificate for clients.
fn served(args: &[&str]) -> Served {
    let authority = Authority::new("one");
    let server = authority.sign("server", &["localhost", "127.0.0.1"]);
    let client = authority.sign("client", &["a client"]);
    let port = free_port();
    let (port_text, ca) = (port.to_string(), path(&authority.file()));
    let mut all =
        vec!["--tls-port", &port_text, "--tls-cert-file", server.cert(), "--tls-key-file", server.key()];
    all.extend(["--tls-ca-cert-file", &ca]);
    all.extend(args);
    let node = Node::start(&all);
    Served { authority, server, client, node, port }
}

impl Served {
    fn with<'a>(&'a self, pair: Option<&'a Pair>) -> TlsClient<'a> {
        TlsClient { authority: &self.authority, pair, versions: BOTH }
    }
    fn failed(&self) -> u64 {
        let text = self.node.client().info("stats", "nearside_tls_handshakes_failed").expect("a count");
        text.parse().expect("a number")
    }
}

#[test]
fn clients_are_let_in_by_their_certificates() {
    let served = served(&[]);
    let other = Authority::new("another");
    let stranger = other.sign("stranger", &["a client"]);
    let expired = served.authority.sign_expired("expired", &["a client"]);
    let port = served.port;
    assert_eq!(served.with(Some(&served.client)).ping(port).as_deref(), Ok(PONG));
    for (what, pair) in [("none", None), ("a stranger's", Some(&stranger)), ("an old one", Some(&expired))] {
        let before = served.failed();
        let told = served.with(pair).ping(port);
        assert!(told.is_err(), "{what}: {told:?}");
        wait_for("the count", || (served.failed() == before + 1).then_some(()));
    }
    // A client that trusts somebody else.
    let wrong = TlsClient { authority: &other, pair: Some(&served.client), versions: V13 };
    assert!(wrong.ping(port).unwrap_err().contains("certificate"));
    // One that speaks plainly where TLS is spoken, and the other way round.
    let mut plain = TcpStream::connect(("127.0.0.1", port)).expect("connect");
    plain.write_all(b"PING\r\n").expect("send");
    let mut answer = Vec::new();
    plain.read_to_end(&mut answer).expect("the end");
    assert!(!answer.starts_with(b"+"), "{answer:?}");
    assert!(served.with(None).ping(served.node.port).is_err());
    // Who is asked for may change while running.
    served.node.set("tls-auth-clients", "optional");
    assert_eq!(served.with(None).ping(port).as_deref(), Ok(PONG));
    assert_eq!(served.with(Some(&served.client)).ping(port).as_deref(), Ok(PONG));
    assert!(served.with(Some(&stranger)).ping(port).is_err());
    served.node.set("tls-auth-clients", "no");
    assert_eq!(served.with(Some(&stranger)).ping(port).as_deref(), Ok(PONG));
    let done = served.node.client().info("stats", "nearside_tls_handshakes");
    assert_eq!(done.as_deref(), Some("4"));
}

#[test]
fn versions_are_those_that_are_allowed() {
    let served = served(&["--tls-auth-clients", "no", "--tls-protocols", "TLSv1.3"]);
    let with = |versions| TlsClient { authority: &served.authority, pair: None, versions };
    assert_eq!(with(V13).ping(served.port).as_deref(), Ok(PONG));
    assert!(with(V12).ping(served.port).is_err());
    served.node.set("tls-protocols", "TLSv1.2");
    assert_eq!(with(V12).ping(served.port).as_deref(), Ok(PONG));
    assert!(with(V13).ping(served.port).is_err());
}

#[test]
fn certificates_change_without_a_restart() {
    let served = served(&["--tls-auth-clients", "no"]);
    let other = Authority::new("another");
    let theirs = other.sign("server", &["localhost"]);
    let by_other = TlsClient { authority: &other, pair: None, versions: V13 };
    let mut before = served.with(None).connect(served.port);
    assert_eq!(ping(&mut before).as_deref(), Ok(PONG));
    let mut client = served.node.client();
    // What is wrong is refused, and the old certificate stays.
    let nowhere = path(&other.file().with_file_name("nowhere"));
    for (name, value, why) in [
        ("tls-cert-file", nowhere.as_str(), "No such file"),
        ("tls-cert-file", served.server.key(), "there is no certificate in it"),
        ("tls-key-file", served.server.cert(), "there is no private key in it"),
        ("tls-cert-file", theirs.cert(), "it is not the key of the certificate"),
        ("tls-cert-file", "", "tls-cert-file is needed"),
        ("tls-protocols", "TLSv1.1", "'TLSv1.1' is none of"),
    ] {
        let told = client.ask(&["CONFIG", "SET", name, value]).text();
        assert!(told.contains(why) && told.contains(name), "{told}");
        let now = client.ask(&["CONFIG", "GET", name]);
        assert_ne!(now.items()[1].text(), value);
    }
    assert_eq!(served.with(None).ping(served.port).as_deref(), Ok(PONG));
    let words = ["CONFIG", "SET", "tls-cert-file", theirs.cert(), "tls-key-file", theirs.key()];
    assert_eq!(client.ask(&words), Frame::Simple("OK".into()));
    assert_eq!(by_other.ping(served.port).as_deref(), Ok(PONG));
    assert!(served.with(None).ping(served.port).is_err());
    assert_eq!(ping(&mut before).as_deref(), Ok(PONG), "who is connected stays");
    // The same files with something else in them, at a signal.
    fs::copy(&served.server.cert, &theirs.cert).expect("a copy");
    fs::copy(&served.server.key, &theirs.key).expect("a copy");
    assert_eq!(by_other.ping(served.port).as_deref(), Ok(PONG));
    let pid = served.node.pid().to_string();
    assert!(Command::new("kill").args(["-HUP", &pid]).status().expect("kill").success());
    wait_for("the new certificate", || served.with(None).ping(served.port).is_ok().then_some(()));
}

#[test]
fn a_start_with_wrong_files_says_why() {
    let authority = Authority::new("one");
    let (server, other) = (authority.sign("server", &["localhost"]), authority.sign("other", &["localhost"]));
    let ca = path(&authority.file());
    let port = free_port().to_string();
    let tls = ["--port", "off", "--http", "off", "--tls-port", &port];
    for (args, why) in [
        (&[][..], "tls-cert-file is needed"),
        (&["--tls-cert-file", server.cert()], "tls-key-file is needed"),
        (
            &["--tls-cert-file", server.cert(), "--tls-key-file", server.key()],
            "tls-ca-cert-file or tls-ca-cert-dir is needed, because of tls-auth-clients",
        ),
        (
            &["--tls-cert-file", server.cert(), "--tls-key-file", other.key(), "--tls-auth-clients", "no"],
            "it is not the key of the certificate",
        ),
        (
            &["--tls-cert-file", "/nosuch/file", "--tls-key-file", other.key(), "--tls-auth-clients", "no"],
            "tls-cert-file /nosuch/file: No such file",
        ),
        (
            &[
                "--tls-cert-file",
                server.cert(),
                "--tls-key-file",
                server.key(),
                "--tls-ca-cert-file",
                server.key(),
            ],
            "there is no certificate in it",
        ),
        (&["--tls-auth-clients", "perhaps"], "tls-auth-clients"),
        (&["--tls-protocols", "SSLv3"], "tls-protocols"),
        (&["--tls-ca-cert-file", &ca, "--tls-replication", "perhaps"], "tls-replication"),
    ] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_nearside")).args(tls).args(args).output().expect("run nearside");
        let said = [output.stderr, output.stdout].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(!output.status.success() && said.contains(why), "{args:?}: {said}");
    }
}

#[test]
fn real_clients_speak_tls() {
    let program = masters_dir().join(SERVER).join("redis-cli");
    if !program.exists() {
        crate::harness::skipped(SERVER);
        return;
    }
    let served = served(&["--requirepass", "secret"]);
    let ca = path(&served.authority.file());
    let run = |args: &[&str]| {
        let output = Command::new(&program)
            .args(["-p", &served.port.to_string(), "--tls", "--cacert", &ca])
            .args(args)
            .output()
            .expect("redis-cli");
        let said = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&said).trim_end().to_owned()
    };
    let pair = ["--cert", served.client.cert(), "--key", served.client.key(), "--no-auth-warning"];
    let known = |args: &[&str]| run(&[&pair, args].concat());
    assert_eq!(known(&["-a", "secret", "SET", "a", "1"]), "OK");
    assert_eq!(known(&["-a", "secret", "-3", "GET", "a"]), "1");
    assert_eq!(known(&["-a", "secret", "--sni", "localhost", "GET", "a"]), "1");
    assert!(known(&["GET", "a"]).starts_with("NOAUTH "));
    assert!(run(&["PING"]).to_lowercase().contains("error"));
}

/// What a program with a client's library is told to connect with.
#[derive(Clone, Copy)]
struct Attempt<'a> {
    authority: &'a Authority,
    pair: Option<&'a Pair>,
    user: &'a str,
    password: &'a str,
}

/// Lets such a program in and keeps it out by its certificates, its user and its password. `words` are those in which
/// its library says that it does not know our authority, that we wanted a certificate, do not know the one that signed
/// its own, and found it too old.
fn a_library_speaks_tls(program: impl FnOnce(u16) -> Command, words: [&str; 4]) {
    let served = served(&["--requirepass", "secret"]);
    let mut client = served.node.client();
    client.line("AUTH secret");
    client.line("SET text value");
    client.line("ACL SETUSER reader on >word ~text resetchannels +get +ping +client +hello");
    client.line("ACL SETUSER outsider on >word ~other resetchannels +get +ping +client +hello");
    let other = Authority::new("another");
    let stranger = other.sign("stranger", &["a client"]);
    let expired = served.authority.sign_expired("expired", &["a client"]);
    let mut child =
        program(served.port).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("start the program");
    let mut asks = child.stdin.take().expect("a pipe");
    let mut tells = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut came = |attempt: Attempt| {
        let (cert, key) = attempt.pair.map_or(("", ""), |pair| (pair.cert(), pair.key()));
        let ca = path(&attempt.authority.file());
        writeln!(asks, "{ca}\t{cert}\t{key}\t{}\t{}", attempt.user, attempt.password).expect("send");
        let mut line = String::new();
        tells.read_line(&mut line).expect("an outcome");
        line.trim_end().to_owned()
    };
    let right = Attempt {
        authority: &served.authority,
        pair: Some(&served.client),
        user: "reader",
        password: "word",
    };
    let [unknown_server, wanted, unknown, old] = words;
    assert_eq!(came(right), "value: value");
    assert_eq!(came(Attempt { user: "", password: "secret", ..right }), "value: value");
    for (wrong, why) in [
        (Attempt { authority: &other, ..right }, unknown_server),
        (Attempt { pair: None, ..right }, wanted),
        (Attempt { pair: Some(&stranger), ..right }, unknown),
        (Attempt { pair: Some(&expired), ..right }, old),
        (Attempt { user: "nobody", ..right }, "invalid username-password pair or user is disabled"),
        (Attempt { password: "other", ..right }, "invalid username-password pair or user is disabled"),
        (Attempt { user: "", password: "", ..right }, "uthenticat"),
        (Attempt { user: "outsider", ..right }, "No permissions to access a key"),
    ] {
        let said = came(wrong);
        assert!(said.starts_with("error: ") && said.contains(why), "{why}: {said}");
    }
    client.line("CONFIG SET tls-auth-clients optional");
    assert_eq!(came(Attempt { pair: None, ..right }), "value: value");
    let said = came(Attempt { pair: Some(&stranger), ..right });
    assert!(said.contains(unknown), "{said}");
    client.line("CONFIG SET tls-auth-clients no");
    assert_eq!(came(Attempt { pair: Some(&stranger), ..right }), "value: value");
    for version in ["TLSv1.2", "TLSv1.3"] {
        client.line(&format!("CONFIG SET tls-protocols {version}"));
        assert_eq!(came(Attempt { pair: None, ..right }), "value: value", "{version}");
    }
    drop(asks);
    assert!(child.wait().expect("the end").success());
}

#[test]
fn redis_py_speaks_tls() {
    let Some(python) = clients::python() else { return };
    let program = |port: u16| {
        let mut command = Command::new(python);
        command.arg(clients::folder().join("redis_py_tls.py")).arg(port.to_string());
        command
    };
    a_library_speaks_tls(
        program,
        [
            "certificate verify failed",
            "alert certificate required",
            "alert unknown ca",
            "alert certificate expired",
        ],
    );
}

#[test]
fn go_redis_speaks_tls() {
    let Some(mut command) = clients::go("./tls") else { return };
    let program = |port: u16| {
        command.arg(port.to_string());
        command
    };
    a_library_speaks_tls(
        program,
        [
            "certificate signed by unknown authority",
            "tls: certificate required",
            "tls: unknown certificate authority",
            "tls: expired certificate",
        ],
    );
}

#[test]
fn pipelines_and_long_answers_pass_through_tls() {
    let served = served(&["--tls-auth-clients", "no"]);
    let value = "x".repeat(3 << 20);
    served.node.client().ask(&["SET", "long", &value]);
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let served = &served;
            let value = &value;
            scope.spawn(move || {
                let mut stream = served.with(None).connect(served.port);
                for turn in 0..20 {
                    let mut requests = String::new();
                    for number in 0..200 {
                        requests += &format!("SET k{worker}:{number} {turn}\r\nGET k{worker}:{number}\r\n");
                    }
                    requests += "GET long\r\n";
                    stream.write_all(requests.as_bytes()).expect("send");
                    let number = turn.to_string();
                    let mut expected = format!("+OK\r\n${}\r\n{number}\r\n", number.len()).repeat(200);
                    expected += &format!("${}\r\n{value}\r\n", value.len());
                    let mut answer = vec![0; expected.len()];
                    stream.read_exact(&mut answer).expect("the answers");
                    assert!(answer == expected.as_bytes(), "worker {worker}, turn {turn}");
                }
            });
        }
    });
}

/// Who fails again and again would fill the disk with lines of the log.
#[test]
fn handshakes_that_fail_are_logged_once_a_second() {
    const CLIENTS: u64 = 500;
    let served = served(&[]);
    let _all: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", served.port)).expect("connect");
            stream.write_all(b"PING\r\n").expect("send");
            stream
        })
        .collect();
    wait_for("all of them to fail", || (served.failed() >= CLIENTS).then_some(()));
    let log = served.node.log();
    let lines = log.lines().filter(|line| line.contains("TLS handshake failed")).count();
    assert!((1..100).contains(&lines), "{lines} lines");
}

/// A client that does not go on with its handshake holds up nobody, and is let go.
#[test]
fn a_slow_handshake_holds_up_nobody() {
    let served = served(&["--tls-auth-clients", "no"]);
    let mut silent: Vec<_> =
        (0..50).map(|_| TcpStream::connect(("127.0.0.1", served.port)).expect("connect")).collect();
    // One of them has begun, and stops in the middle.
    silent[0].write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252]).expect("send");
    for _ in 0..20 {
        assert_eq!(served.with(None).ping(served.port).as_deref(), Ok(PONG));
    }
    assert_eq!(served.node.client().ask(&["PING"]), Frame::Simple("PONG".into()));
    for socket in &mut silent {
        let mut rest = Vec::new();
        let _broken_off = socket.read_to_end(&mut rest);
        assert!(rest.is_empty());
    }
    assert_eq!(served.failed(), 50);
}

#[test]
fn a_node_may_be_served_by_tls_alone() {
    let authority = Authority::new("one");
    let server = authority.sign("server", &["localhost"]);
    let port = free_port();
    let node = Node::start(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        server.cert(),
        "--tls-key-file",
        server.key(),
        "--tls-auth-clients",
        "no",
        "--port",
        "off",
    ]);
    let client = TlsClient { authority: &authority, pair: None, versions: V13 };
    assert_eq!(client.ping(port).as_deref(), Ok(PONG));
    assert_eq!(node.port, 0);
}

/// A master by TLS alone for others, with a plain port for the test.
struct TlsMaster {
    authority: Authority,
    client: Pair,
    master: crate::harness::Master,
    port: u16,
}

fn tls_master(server: impl FnOnce(&Authority) -> Pair) -> Option<TlsMaster> {
    let authority = Authority::new("of the master");
    let server = server(&authority);
    let client = authority.sign("client", &["a replica"]);
    let port = free_port();
    let (port_text, ca) = (port.to_string(), path(&authority.file()));
    let args =
        ["--repl-diskless-sync-delay", "0", "--tls-port", &port_text, "--tls-cert-file", server.cert()];
    let more = ["--tls-key-file", server.key(), "--tls-ca-cert-file", &ca, "--tls-auth-clients", "yes"];
    let master = crate::harness::Master::start(SERVER, &[&args[..], &more].concat())?;
    Some(TlsMaster { authority, client, master, port })
}

impl TlsMaster {
    /// A replica of it by TLS, with these further arguments.
    fn replica(&self, host: &str, ca: &Authority, pair: Option<&Pair>, args: &[&str]) -> Node {
        let (master, ca) = (format!("{host}:{}", self.port), path(&ca.file()));
        let mut all = vec!["--replicaof", &master, "--tls-replication", "yes", "--tls-ca-cert-file", &ca];
        if let Some(pair) = pair {
            all.extend(["--tls-cert-file", pair.cert(), "--tls-key-file", pair.key()]);
        }
        all.extend(args);
        Node::start(&all)
    }
}

fn link_error(node: &Node) -> String {
    let mut client = node.client();
    wait_for("an error of the link", || {
        client.info("replication", "nearside_link_error").filter(|error| !error.is_empty())
    })
}

#[test]
fn a_master_is_followed_by_tls() {
    let Some(tls) = tls_master(|authority| authority.sign("server", &["localhost", "127.0.0.1"])) else {
        return;
    };
    let mut at_master = tls.master.client();
    let value = "v".repeat(1000);
    for number in 0..20_000 {
        at_master.ask(&["SET", &format!("key:{number}"), &value]);
    }
    let node = tls.replica("127.0.0.1", &tls.authority, Some(&tls.client), &[]);
    node.wait_state("streaming");
    for number in 0..2_000 {
        at_master.ask(&["SET", &format!("streamed:{number}"), &value]);
    }
    node.wait_caught_up(&tls.master);
    let digest = |client: &mut Client| client.ask(&["DEBUG", "DIGEST"]).text();
    assert_eq!(digest(&mut node.client()), digest(&mut at_master));
    // It goes on where it was when the connection breaks.
    at_master.ask(&["CLIENT", "KILL", "TYPE", "replica"]);
    at_master.ask(&["SET", "after", "1"]);
    node.wait_caught_up(&tls.master);
    assert_eq!(node.client().info("stats", "nearside_full_syncs").as_deref(), Some("1"));
    assert_eq!(node.client().ask(&["GET", "after"]), Frame::Bulk(b"1".to_vec()));
    // From a plain link to TLS, while running.
    let plain = Node::replica_of(&tls.master);
    plain.wait_state("streaming");
    let ca = path(&tls.authority.file());
    let words = [
        "CONFIG",
        "SET",
        "tls-replication",
        "yes",
        "tls-ca-cert-file",
        &ca,
        "tls-client-cert-file",
        tls.client.cert(),
    ];
    let words = [&words[..], &["tls-client-key-file", tls.client.key()]].concat();
    assert_eq!(plain.client().ask(&words), Frame::Simple("OK".into()));
    plain.client().line(&format!("REPLICAOF localhost {}", tls.port));
    plain.wait_state("streaming");
    plain.wait_caught_up(&tls.master);
    assert_eq!(digest(&mut plain.client()), digest(&mut at_master));
}

#[test]
fn a_master_that_cannot_be_trusted_is_not_followed() {
    let Some(tls) = tls_master(|authority| authority.sign("server", &["master.test"])) else { return };
    let other = Authority::new("another");
    let stranger = other.sign("client", &["a replica"]);
    let known = Some(&tls.client);
    // The name in its certificate is not the one that it is known by.
    let node = tls.replica("127.0.0.1", &tls.authority, known, &[]);
    assert!(link_error(&node).starts_with("tls "), "{}", link_error(&node));
    node.set("tls-server-name", "master.test");
    node.hurry();
    node.wait_state("streaming");
    let named: &[&str] = &["--tls-server-name", "master.test"];
    tls.replica("localhost", &tls.authority, known, named).wait_state("streaming");
    for (what, ca, pair) in [
        ("another authority", &other, known),
        ("no certificate of ours", &tls.authority, None),
        ("a certificate that it does not know", &tls.authority, Some(&stranger)),
    ] {
        let error = link_error(&tls.replica("localhost", ca, pair, named));
        assert!(error.starts_with("tls "), "{what}: {error}");
    }
    // TLS where the master speaks plainly, and waits for the end of a line.
    let plain = TlsMaster { port: tls.master.port, ..tls };
    let soon: &[&str] = &["--repl-timeout", "2"];
    let error = link_error(&plain.replica("localhost", &plain.authority, Some(&plain.client), soon));
    assert!(error.starts_with("tls ") && error.contains("is that port for TLS?"), "{error}");
}

#[test]
fn a_master_whose_certificate_has_ended_is_not_followed() {
    let Some(tls) = tls_master(|authority| authority.sign_expired("server", &["localhost"])) else { return };
    let error = link_error(&tls.replica("localhost", &tls.authority, Some(&tls.client), &[]));
    assert!(error.starts_with("tls ") && error.contains("xpired"), "{error}");
}

/// What Debian builds of Valkey has TLS too.
const VALKEY: &str = "valkey-9.1-deb";

#[test]
#[ignore = "long: run by make test-long"]
fn a_replica_of_a_valkey_tells_of_its_certificates_what_a_valkey_tells() {
    let (one, other) = (Authority::new("one"), Authority::new("another"));
    let server = one.sign("server", &["localhost", "127.0.0.1"]);
    let client = one.sign("client", &["a client"]);
    // In the other's file stand both: which of them ends first has to be found.
    let both = [&one, &other].map(|authority| fs::read_to_string(authority.file()).expect("a file")).concat();
    fs::write(other.file(), both).expect("a file");
    let (port, ca) = (free_port().to_string(), path(&other.file()));
    let files = ["--tls-cert-file", server.cert(), "--tls-key-file", server.key(), "--tls-ca-cert-file", &ca];
    let plain = master_or_skip!(VALKEY);
    let Some(real) = Master::start(VALKEY, &[&["--tls-port", &port], &files[..]].concat()) else { return };
    let master_port = plain.port.to_string();
    let (follow, port) = (["--replicaof", &format!("127.0.0.1:{master_port}")], free_port().to_string());
    let node = Node::start(&[&follow[..], &["--tls-port", &port], &files].concat());
    node.wait_state("streaming");
    let told = |mut client: Client| -> Vec<(String, String)> {
        let text = client.line("INFO tls").text();
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    };
    let compare = |ours: Vec<(String, String)>| {
        let theirs = told(real.client());
        assert_eq!(theirs.len(), 6);
        for ((name, theirs), (own_name, ours)) in theirs.iter().zip(&ours) {
            assert_eq!(name, own_name);
            match (theirs.parse::<i64>(), ours.parse::<i64>()) {
                // They were not asked in the same second.
                (Ok(theirs), Ok(ours)) if name.ends_with("seconds") => {
                    assert!(theirs.abs_diff(ours) < 100, "{name}")
                }
                _ => assert_eq!(theirs, ours, "{name}"),
            }
        }
    };
    compare(told(node.client()));
    // Theirs is told where it is not used either; ours when the link has it.
    let set = ["CONFIG", "SET", "tls-client-cert-file", client.cert(), "tls-client-key-file", client.key()];
    assert_eq!(real.client().ask(&set).text(), "OK");
    assert_eq!(node.client().ask(&set).text(), "OK");
    assert_eq!(node.client().line("CONFIG SET tls-replication yes").text(), "OK");
    compare(told(node.client()));
}
