//! Bytes that are requests, nearly requests, or none: a real server and nearside answer them the same, byte for byte,
//! up to the end of the connection.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::harness::{Client, Node, Random};

/// A server, and a connection to ask whether it has seen what was sent over others.
struct Server {
    port: u16,
    control: Client,
}

impl Server {
    fn new(port: u16, mut control: Client) -> Server {
        control.line("PING");
        Server { port, control }
    }

    /// What it answers to these bytes, which arrive in two pieces, before it closes.
    fn answer(&mut self, bytes: &[u8], cut: usize) -> Vec<u8> {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).expect("connect");
        socket.set_nodelay(true).expect("an option");
        let (front, back) = bytes.split_at(cut);
        for piece in [front, back] {
            // Who was told of a mistake may find the connection closed.
            let _ = socket.write_all(piece);
            // A real server has one thread, which reads some of every connection in each of its rounds; what it is
            // still to answer is lost when it finds the end of the connection first.
            for _ in 0..3 + piece.len() / 8192 {
                self.control.line("PING");
            }
        }
        let _ = socket.shutdown(Shutdown::Write);
        let (mut seen, mut room) = (Vec::new(), [0; 4096]);
        loop {
            match socket.read(&mut room) {
                // A reset follows when bytes were left unread.
                Ok(0) | Err(_) => return seen,
                Ok(count) => seen.extend_from_slice(&room[..count]),
            }
        }
    }
}

fn assert_same(node: &mut Server, master: &mut Server, bytes: &[u8], cut: usize) {
    let (ours, theirs) = (node.answer(bytes, cut), master.answer(bytes, cut));
    // The newest server, in whose words we answer, says nothing of arguments that are not there. (It also forgets what it
    // was to say of a mistake when the connection ends, so it is no server to compare with here.)
    let theirs = theirs.escape_ascii().to_string().replace("\\', with args beginning with: \\r", "\\'\\r");
    assert_eq!(
        ours.escape_ascii().to_string(),
        theirs,
        "to {:?} cut at {cut}",
        bytes.escape_ascii().to_string()
    );
}

/// DEBUG PROTOCOL and DEBUG ERROR: what clients try their decoders with.
#[test]
fn examples_of_every_type_of_reply_are_the_real_servers() {
    let real = master_or_skip!("redis-8.10");
    let node = Node::start(&[]);
    let answers = |port: u16, protocol: u8| {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).expect("connect");
        let mut answer = |requests: &str| {
            socket.write_all(format!("{requests}\r\nECHO the-end\r\n").as_bytes()).expect("write");
            let mut seen = Vec::new();
            while !seen.ends_with(b"$7\r\nthe-end\r\n") {
                let mut room = [0; 4096];
                let count = socket.read(&mut room).expect("an answer");
                assert_ne!(count, 0, "closed after {}", seen.escape_ascii());
                seen.extend_from_slice(&room[..count]);
            }
            seen.escape_ascii().to_string()
        };
        // It says the version, and the connection's number.
        answer(&format!("HELLO {protocol}"));
        let kinds = [
            "string", "integer", "double", "bignum", "null", "array", "set", "map", "attrib", "push",
            "verbatim", "true", "FALSE", "nosuch", "", "a b",
        ];
        let mut told: Vec<String> = kinds.map(|kind| answer(&format!("DEBUG PROTOCOL {kind}"))).into();
        let texts = [r#""LOADING not yet""#, r#""a\r\nb""#, r#""\x00\xff""#, "OOM", "a b", ""];
        told.extend(texts.map(|text| answer(&format!("DEBUG ERROR {text}"))));
        told
    };
    for protocol in [2, 3] {
        assert_eq!(answers(node.port, protocol), answers(real.port, protocol), "in RESP{protocol}");
    }
}

#[test]
fn mistakes_are_told_in_the_words_of_a_real_server() {
    let master = master_or_skip!("redis-7.4");
    let node = Node::start(&[]);
    let (mut ours, mut theirs) =
        (Server::new(node.port, node.client()), Server::new(master.port, master.client()));
    for bytes in [
        &b"*1\r\n$4\r\nPING\r\n"[..],
        b"PING\r\n\r\n\nPING\n",
        b"*0\r\n*-1\r\n*-5\r\nPING\r\n",
        b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n",
        b"ECHO \"a\\x41\\n\\\"b\"\r\nECHO 'it\\'s'\r\nECHO \"\"\r\n",
        b"echo \"a\"b\r\n",
        b"echo 'a\r\n",
        b"echo \"a\\\r\n",
        b"  PING  \t \r\n",
        // lines of HTTP, and what only begins so
        b"POST / HTTP/1.1\r\nPING\r\n",
        b"host: x\r\nPING\r\n",
        b"*2\r\n$4\r\npOSt\r\n$1\r\na\r\n*1\r\n$4\r\nPING\r\n",
        b"POSTS a\r\nHost a\r\nPING\r\n",
        b"*1\r\n$-1\r\n",
        b"*1\r\n$-5\r\n",
        b"*1\r\n$\r\n",
        b"*1\r\n$04\r\nPING\r\n",
        b"*1\r\n$+4\r\nPING\r\n",
        b"*1\r\n$4x\r\nPING\r\n",
        b"*1\r\n$536870913\r\n",
        b"*1\r\n$99999999999999999999999\r\n",
        b"*1\r\nx\r\n",
        b"*1\r\n*1\r\n",
        b"*1\r\n\xff\r\n",
        b"*1\r\n\r\n$4\r\nPING\r\n",
        b"*\r\nPING\r\n",
        b"*+1\r\n$4\r\nPING\r\n",
        b"*01\r\n$4\r\nPING\r\n",
        b"* 1\r\n$4\r\nPING\r\n",
        b"*1x\r\n",
        b"*2147483647\r\n",
        b"*2147483648\r\n",
        b"*99999999999999999999999\r\n",
        b"PING\r\n*1\r\n$x\r\nPING\r\n",
        b"+PING\r\n:1\r\n$4\r\n",
        b"GET\r\nGET a b\r\nNOSUCH \"\x01\r\n",
        b"*1\r\n$0\r\n\r\n",
        b"*1\r\n$3\r\na\r\n\r\n",
    ] {
        for cut in [0, 1, bytes.len() / 2, bytes.len() - 1, bytes.len()] {
            assert_same(&mut ours, &mut theirs, bytes, cut);
        }
    }
    // Lines and numbers that never end.
    for head in ["", "*", "*1\r\n$", "*1\r\n$3\r\nabc\r\n", "ECHO \""] {
        for length in [65_536 - 200, 65_536 + 200, 200_000] {
            let mut bytes = head.as_bytes().to_vec();
            bytes.resize(head.len() + length, b'1');
            assert_same(&mut ours, &mut theirs, &bytes, head.len());
        }
    }
    // Lines with an end, which comes with them.
    for length in [65_000, 100_000] {
        let mut bytes = b"ECHO ".to_vec();
        bytes.resize(length, b'1');
        bytes.extend_from_slice(b"\r\nPING\r\n");
        assert_same(&mut ours, &mut theirs, &bytes, 0);
    }
}

/// CLIENT REPLY within EXEC holds from one of its requests to the next, and who ends itself there hears no more.
#[test]
fn what_is_not_to_be_heard_of_a_transaction_is_not_said() {
    let master = master_or_skip!("redis-8.10");
    let node = Node::start(&[]);
    let (mut ours, mut theirs) =
        (Server::new(node.port, node.client()), Server::new(master.port, master.client()));
    for (before, queued, after) in [
        ("", "ECHO a\r\nCLIENT REPLY OFF\r\nECHO b\r\nGET", "PING"),
        ("", "ECHO a\r\nCLIENT REPLY OFF\r\nECHO b\r\nCLIENT REPLY ON\r\nECHO c", "PING"),
        ("", "ECHO a\r\nCLIENT REPLY SKIP\r\nECHO b", "ECHO skipped\r\nPING"),
        ("CLIENT REPLY OFF\r\n", "ECHO a\r\nCLIENT REPLY ON\r\nECHO b", "PING"),
        ("CLIENT REPLY OFF\r\n", "ECHO a\r\nEXPIRE a b", "CLIENT REPLY ON\r\nPING"),
        ("CLIENT REPLY OFF\r\n", "ECHO a\r\nNOSUCH", "CLIENT REPLY ON\r\nPING"),
        ("CLIENT REPLY OFF\r\n", "SUBSCRIBE a\r\nECHO b", "CLIENT REPLY ON\r\nPING"),
        ("WATCH a\r\nSET a 1\r\nCLIENT REPLY OFF\r\n", "ECHO a", "CLIENT REPLY ON\r\nPING"),
        (
            "AUTH one x\r\n",
            "ECHO a\r\nCLIENT KILL USER one SKIPME no\r\nECHO b\r\nINCR killed\r\nGET",
            "PING",
        ),
        ("AUTH one x\r\n", "ECHO a\r\nCLIENT KILL USER one SKIPME no\r\nECHO b\r\nINCR killed", "PING"),
        ("GET killed\r\n", "PING", "PING"),
        ("AUTH one x\r\n", "ECHO a\r\nACL DELUSER one\r\nECHO b\r\nINCR killed\r\nGET", "PING"),
        ("AUTH one x\r\n", "ECHO a\r\nACL DELUSER one\r\nECHO b\r\nINCR killed", "PING"),
        ("GET killed\r\n", "PING", "PING"),
    ] {
        for server in [&mut ours, &mut theirs] {
            server.control.line("ACL SETUSER one on nopass ~* &* +@all");
        }
        let bytes = format!("{before}MULTI\r\n{queued}\r\nEXEC\r\n{after}\r\n");
        assert_same(&mut ours, &mut theirs, bytes.as_bytes(), 0);
    }
}

/// What a stranger may not send, before it has said who it is.
#[test]
fn strangers_are_held_short() {
    let master = master_or_skip!("redis-7.4", "--requirepass", "secret");
    let node = Node::start(&["--requirepass", "secret"]);
    let known = |mut client: Client| {
        client.line("AUTH secret");
        client
    };
    let mut ours = Server::new(node.port, known(node.client()));
    let mut theirs = Server::new(master.port, known(master.client()));
    for bytes in [
        &b"*11\r\n$4\r\nPING\r\n"[..],
        b"*10\r\n$4\r\nPING\r\n",
        b"*2\r\n$4\r\nAUTH\r\n$16385\r\n",
        b"*2\r\n$4\r\nAUTH\r\n$16384\r\n",
        b"*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n*11\r\n$4\r\nPING\r\n",
        b"AUTH secret\r\n*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n",
        b"AUTH wrong\r\n*11\r\n",
        b"GET a\r\nPING\r\nECHO a\r\n*1\r\n$-1\r\n",
    ] {
        for cut in 0..=bytes.len() {
            assert_same(&mut ours, &mut theirs, bytes, cut);
        }
    }
}

/// Pieces of requests in any order. Words are as long as they say, and a CR has its LF: Redis passes over the bytes at
/// those places without a look, and we (as Valkey) do not.
#[test]
fn pieces_of_requests_in_any_order() {
    let master = master_or_skip!("redis-7.4");
    let node = Node::start(&[]);
    let (mut ours, mut theirs) =
        (Server::new(node.port, node.client()), Server::new(master.port, master.client()));
    let mut random = Random::from_env(20_260_104);
    let pieces = b"*1\r\n|*2\r\n|*3\r\n|*0\r\n|*-1\r\n|*|$4\r\nPING\r\n|$4\r\nECHO\r\n|$0\r\n\r\n|$1\r\na\r\n|PING\r\n|ECHO\r\n\
                   |ECHO |a\r\n|\r\n|\n|a| |\t|\"|'|\\|x41|1|-|GET\r\n|$-1\r\n|*1\r\n$4\r\nPING\r\n\
                   |*2\r\n$4\r\nECHO\r\n$1\r\na\r\n";
    let pieces: Vec<&[u8]> = pieces.split(|byte| *byte == b'|').collect();
    for _ in 0..400 {
        let mut bytes = Vec::new();
        for _ in 0..1 + random.below(9) {
            bytes.extend_from_slice(random.pick::<&[u8]>(&pieces));
        }
        let cut = random.below(bytes.len() as u64 + 1) as usize;
        assert_same(&mut ours, &mut theirs, &bytes, cut);
    }
}

/// Words of a line after quotes, as Redis and as Valkey have them: a closing quote ends a word, or does not. A zero byte
/// ends what is looked at of a line.
#[test]
fn quotes_within_words_are_those_of_the_server_that_is_followed() {
    let lines: &[&[u8]] = &[
        b"ECHO \"a\"b",
        b"ECHO 'a'b",
        b"\"EC\"HO a",
        b"ECHO \"a\"\"b\"'c'",
        b"ECHO a\"b\"c d",
        b"ECHO \"a\" ",
        b"ECHO \"a\"\tb",
        b"ECHO \"a\"\x0b",
        b"ECHO \"a\"b\"",
        b"ECHO a\"b\\x41\"",
        b"ECHO a\0b",
        b"ECHO \"a\"\0",
    ];
    for server in ["redis-8.10", "valkey-9.1"] {
        let master = master_or_skip!(server, "--repl-diskless-sync-delay", "0");
        let real = master.real_replica();
        let node = Node::replica_of(&master);
        node.wait_state("streaming");
        let (mut ours, mut theirs) =
            (Server::new(node.port, node.client()), Server::new(real.port, real.client()));
        for line in lines {
            let bytes = [*line, b"\r\nECHO more\r\n"].concat();
            for cut in [0, line.len() / 2, line.len(), bytes.len()] {
                assert_same(&mut ours, &mut theirs, &bytes, cut);
            }
        }
    }
}
