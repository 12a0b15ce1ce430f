//! The ways in beside the port: a socket in the file system, and what protected mode says at the door.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream, UdpSocket};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use crate::harness::process::TempDir;
use crate::harness::{Frame, Node, wait_for};

const SERVER: &str = "redis-8.10";

/// Sends a line, and reads what comes until it ends as wanted.
fn ask(stream: &mut (impl Read + Write), line: &str, end: &str) -> String {
    stream.write_all(format!("{line}\r\n").as_bytes()).expect("send");
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(end.as_bytes()) {
        assert_eq!(stream.read(&mut byte).expect("an answer"), 1, "{}", String::from_utf8_lossy(&answer));
        answer.extend(byte);
    }
    String::from_utf8(answer).expect("UTF-8")
}

/// These fields of a client's line.
fn fields(line: &str, wanted: &[&str]) -> Vec<String> {
    let field =
        |name: &&str| line.split(' ').find(|field| field.starts_with(&format!("{name}="))).map(str::to_owned);
    wanted.iter().filter_map(field).collect()
}

#[test]
fn a_socket_in_the_file_system_serves_as_a_port_does() {
    let folder = TempDir::new("sockets");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (theirs, ours) = (path("real"), path("ours"));
    let real = master_or_skip!(SERVER, "--unixsocket", &theirs, "--unixsocketperm", "700");
    let node = Node::start(&["--unixsocket", &ours, "--unixsocketperm", "700"]);
    let mut seen = Vec::new();
    for (port, path) in [(real.port, &theirs), (node.port, &ours)] {
        let permissions = fs::metadata(path).expect("the socket").permissions().mode() & 0o777;
        let mut stream = UnixStream::connect(path).expect("connect");
        assert_eq!(ask(&mut stream, "SET a 1", "\r\n"), "+OK\r\n");
        assert_eq!(ask(&mut stream, "GET a", "1\r\n1\r\n"), "$1\r\n1\r\n");
        let info = ask(&mut stream, "CLIENT INFO", "\n\r\n").replace(path.as_str(), "PATH");
        let mut client = crate::harness::Client::connect(port);
        let config = ["unixsocket", "unixsocketperm"].map(|name| client.ask(&["CONFIG", "GET", name]));
        let config = format!("{config:?}").replace(path.as_str(), "PATH");
        let info_server = client.ask(&["INFO", "server"]).text().replace(path.as_str(), "PATH");
        let listener = info_server.lines().find(|line| line.contains("name=unix")).map(str::to_owned);
        let killed = client.ask(&["CLIENT", "KILL", "ADDR", &format!("{path}:0")]);
        wait_for("the end of the connection", || {
            matches!(stream.write(b"PING\r\n").and_then(|_| stream.read(&mut [0; 64])), Ok(0) | Err(_))
                .then_some(())
        });
        seen.push((permissions, fields(&info, &["addr", "laddr", "flags"]), config, listener, killed));
    }
    assert_eq!(seen[0], seen[1]);
    // Many answers, longer than a socket takes at once.
    let mut stream = UnixStream::connect(&ours).expect("connect");
    let value = "v".repeat(1 << 20);
    node.client().ask(&["SET", "long", &value]);
    stream.write_all("GET long\r\n".repeat(20).as_bytes()).expect("send");
    let expected = format!("${}\r\n{value}\r\n", value.len()).repeat(20);
    let mut answer = vec![0; expected.len()];
    stream.read_exact(&mut answer).expect("the answers");
    assert!(answer == expected.as_bytes());
}

#[test]
fn what_a_dead_server_left_is_replaced_and_nothing_else() {
    let folder = TempDir::new("sockets");
    let path = folder.path().join("socket");
    let text = path.to_str().expect("UTF-8");
    let is_socket = |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    let mut node = Node::start(&["--unixsocket", text]);
    node.kill();
    assert!(is_socket(&path), "it had no time to remove it");
    let node = Node::start(&["--unixsocket", text]);
    assert_eq!(ask(&mut UnixStream::connect(&path).expect("connect"), "PING", "\r\n"), "+PONG\r\n");
    assert!(Command::new("kill").args(["-TERM", &node.pid().to_string()]).status().expect("kill").success());
    wait_for("the end of the socket", || (!path.exists()).then_some(()));
    fs::write(&path, "somebody's file").expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_nearside"))
        .args(["--port", "off", "--http", "off", "--unixsocket", text])
        .output()
        .expect("run nearside");
    let said = [output.stderr, output.stdout].concat();
    assert!(!output.status.success() && String::from_utf8_lossy(&said).contains(text));
    assert_eq!(fs::read_to_string(&path).expect("the file"), "somebody's file");
}

/// An address of this machine that is not the loopback's, if it has one.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: the kernel only chooses a way.
    socket.connect("198.51.100.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|address| !address.is_loopback())
}

#[test]
fn protected_mode_is_told_at_the_door() {
    let Some(address) = own_address() else {
        crate::harness::skipped("this machine has the loopback address alone");
        return;
    };
    let text = address.to_string();
    let real = master_or_skip!(SERVER, "--bind", "127.0.0.1", &text);
    let node = Node::start(&["--bind", &text]);
    let told = |port: u16| {
        let mut stream = TcpStream::connect((address, port)).expect("connect");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer, and the end");
        answer
    };
    assert!(told(node.port).starts_with("-DENIED "));
    assert_eq!(told(node.port), told(real.port));
    let pings = |port: u16| ask(&mut TcpStream::connect((address, port)).expect("connect"), "PING", "\r\n");
    for port in [real.port, node.port] {
        let mut client = crate::harness::Client::connect(port);
        // A password of the user default lets others in; none, or any password, does not.
        let ok = Frame::Simple("OK".into());
        assert_eq!(client.ask(&["CONFIG", "SET", "requirepass", "secret"]), ok);
        assert_eq!(pings(port), "-NOAUTH Authentication required.\r\n");
        assert_eq!(client.ask(&["CONFIG", "SET", "requirepass", ""]), ok);
        assert!(told(port).starts_with("-DENIED "));
        assert_eq!(client.ask(&["CONFIG", "SET", "protected-mode", "no"]), ok);
        assert_eq!(pings(port), "+PONG\r\n");
    }
}

/// The system takes fewer seconds than the option does; nobody is kept out for that.
#[test]
fn any_keepalive_lets_clients_in() {
    let node = Node::start(&["--tcp-keepalive", "86400"]);
    assert_eq!(node.client().line("PING").text(), "PONG");
    for seconds in ["2147483647", "1", "0"] {
        node.set("tcp-keepalive", seconds);
        assert_eq!(node.client().line("PING").text(), "PONG");
    }
}
