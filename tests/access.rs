//! Who may come in and what each may do, at a real replica and here: what one connection's transcript cannot show.

use std::fs;
use std::process::Command;

use crate::harness::process::TempDir;
use crate::harness::{Client, Frame, Node, wait_for};

const SERVER: &str = "redis-8.10";

fn ok() -> Frame {
    Frame::Simple("OK".into())
}

/// A connection of a user with the password `pw`.
fn client_of(port: u16, user: &str) -> Client {
    let mut client = Client::connect(port);
    assert_eq!(client.ask(&["AUTH", user, "pw"]), ok());
    client
}

fn wait_for_end(client: &mut Client) {
    wait_for("the end of a connection", || client.try_ask(&["PING"]).is_err().then_some(()));
}

#[test]
fn users_that_go_take_their_connections_along() {
    let real = master_or_skip!(SERVER);
    let node = Node::start(&[]);
    for port in [real.port, node.port] {
        let mut admin = Client::connect(port);
        for user in ["alice", "bob", "carol"] {
            admin.ask(&["ACL", "SETUSER", user, "on", ">pw", "+@all", "~*"]);
        }
        let mut alices = [client_of(port, "alice"), client_of(port, "alice")];
        let (mut bob, mut carol) = (client_of(port, "bob"), client_of(port, "carol"));
        // One of them goes by itself, and is told so.
        assert_eq!(carol.ask(&["ACL", "DELUSER", "carol"]), Frame::Int(1));
        wait_for_end(&mut carol);
        // Of the others one has a transaction open.
        alices[0].line("MULTI");
        assert_eq!(admin.ask(&["ACL", "DELUSER", "alice", "nobody"]), Frame::Int(1));
        // Who is made anew under the old name is somebody else.
        admin.ask(&["ACL", "SETUSER", "alice", "on", ">pw", "+@all", "~*"]);
        alices.iter_mut().for_each(wait_for_end);
        assert_eq!(bob.line("PING"), Frame::Simple("PONG".into()));
        let mut alice = client_of(port, "alice");
        assert_eq!(admin.ask(&["CLIENT", "KILL", "USER", "alice"]), Frame::Int(1));
        wait_for_end(&mut alice);
        assert_eq!(bob.line("ACL WHOAMI"), Frame::Bulk(b"bob".to_vec()));
        let list = admin.ask(&["CLIENT", "LIST"]).text();
        let users = |name: &str| list.lines().filter(|line| line.contains(&format!(" user={name} "))).count();
        assert_eq!((users("bob"), users("alice"), users("default")), (1, 0, 1), "{list}");
    }
}

#[test]
fn a_change_takes_effect_at_the_next_request() {
    let real = master_or_skip!(SERVER);
    let node = Node::start(&[]);
    for port in [real.port, node.port] {
        let mut admin = Client::connect(port);
        admin.ask(&["ACL", "SETUSER", "bob", "on", ">pw", "+@all", "allkeys", "allchannels"]);
        let mut bob = client_of(port, "bob");
        let no_get = Frame::Error("NOPERM User bob has no permissions to run the 'get' command".into());
        let no_key = Frame::Error("NOPERM No permissions to access a key".into());
        for (rules, answer) in [
            (&["-get"][..], &no_get),
            (&["+get"], &Frame::Null),
            (&["resetkeys", "~b*"], &no_key),
            (&["%R~a"], &Frame::Null),
            (&["resetkeys", "%W~*"], &no_key),
            (&["allkeys"], &Frame::Null),
        ] {
            let words = [&["ACL", "SETUSER", "bob"], rules].concat();
            assert_eq!(admin.ask(&words), ok());
            for _ in 0..3 {
                assert_eq!(bob.ask(&["GET", "a"]), *answer, "{rules:?}");
            }
        }
        // In one pipeline too, of the user's own.
        let request = |line: &str| line.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
        let replies =
            bob.pipeline(&["GET a", "ACL SETUSER bob -get", "GET a", "GET a", "STRLEN a"].map(request));
        assert_eq!(replies, [Frame::Null, ok(), no_get.clone(), no_get, Frame::Int(0)]);
        // The password is asked for at the door alone; and whoever is switched off stays.
        admin.ask(&["ACL", "SETUSER", "bob", "off", ">other"]);
        assert_eq!(bob.line("STRLEN a"), Frame::Int(0));
        assert!(Client::connect(port).ask(&["AUTH", "bob", "pw"]).text().starts_with("WRONGPASS "));
    }
}

#[test]
fn subscribers_end_when_they_may_hear_no_more() {
    let real = master_or_skip!(SERVER);
    let node = Node::start(&[]);
    for port in [real.port, node.port] {
        let mut admin = Client::connect(port);
        admin.ask(&["ACL", "SETUSER", "bob", "on", ">pw", "+@all", "&news", "&new*", "&other"]);
        let subscriber = |request: &[&str]| {
            let mut client = client_of(port, "bob");
            assert!(!client.ask(request).is_error(), "{request:?}");
            client
        };
        let mut news = subscriber(&["SUBSCRIBE", "news"]);
        let mut pattern = subscriber(&["PSUBSCRIBE", "new*"]);
        let mut shard = subscriber(&["SSUBSCRIBE", "newer"]);
        let mut other = subscriber(&["SUBSCRIBE", "other"]);
        let mut quiet = client_of(port, "bob");
        assert!(quiet.ask(&["SUBSCRIBE", "else"]).text().starts_with("NOPERM "));
        assert!(!quiet.ask(&["PSUBSCRIBE", "news"]).is_error());
        quiet.line("PUNSUBSCRIBE");
        assert!(quiet.ask(&["PSUBSCRIBE", "n*"]).text().starts_with("NOPERM "));
        assert_eq!(admin.ask(&["ACL", "SETUSER", "bob", "resetchannels", "&news", "&other"]), ok());
        wait_for_end(&mut pattern);
        wait_for_end(&mut shard);
        assert_eq!(admin.ask(&["ACL", "SETUSER", "bob", "resetchannels", "&other"]), ok());
        wait_for_end(&mut news);
        assert_eq!(admin.ask(&["PUBLISH", "other", "m"]), Frame::Int(1));
        assert_eq!(other.read().expect("the message").items().len(), 3);
        assert_eq!(quiet.ask(&["PING"]), Frame::Simple("PONG".into()));
    }
}

/// The entries of ACL LOG, without what is different each time.
fn log(client: &mut Client) -> Vec<Vec<(String, String)>> {
    let log = client.ask(&["ACL", "LOG"]);
    let entry = |entry: &Frame| {
        let pairs = entry.items().chunks(2).map(|pair| (pair[0].text(), pair[1].text()));
        let varies = ["age-seconds", "client-info", "timestamp-created", "timestamp-last-updated"];
        pairs.filter(|(name, _)| !varies.contains(&name.as_str())).collect()
    };
    log.items().iter().map(entry).collect()
}

#[test]
fn what_is_refused_is_noted_and_counted() {
    let real = master_or_skip!(SERVER);
    let node = Node::start(&[]);
    let mut seen = Vec::new();
    for port in [real.port, node.port] {
        let mut admin = Client::connect(port);
        admin.ask(&["ACL", "SETUSER", "bob", "on", ">pw", "+@all", "-keys", "-config", "~a*"]);
        let mut bob = Client::connect(port);
        bob.ask(&["AUTH", "bob", "wrong"]);
        bob.ask(&["AUTH", "nobody", "wrong"]);
        bob.ask(&["HELLO", "2", "AUTH", "bob", "wrong"]);
        bob.ask(&["AUTH", "bob", "pw"]);
        for line in [
            "KEYS *",
            "KEYS x",
            "CONFIG GET *",
            "GET x",
            "GET y",
            "MGET a x",
            "PUBLISH c m",
            "MULTI",
            "GET x",
            "DISCARD",
        ] {
            bob.ask(&line.split(' ').collect::<Vec<_>>());
        }
        // Refused when the transaction runs, not when it was queued.
        bob.line("MULTI");
        bob.line("GET a");
        bob.line("STRLEN a");
        admin.ask(&["ACL", "SETUSER", "bob", "-strlen"]);
        let exec = bob.ask(&["EXEC"]);
        let counts = ["auth", "cmd", "key", "channel"]
            .map(|what| admin.info("stats", &format!("acl_access_denied_{what}")).unwrap());
        let entries = log(&mut admin);
        assert_eq!(admin.ask(&["ACL", "LOG", "3"]).items().len(), 3);
        assert_eq!(admin.ask(&["CONFIG", "SET", "acllog-max-len", "2"]), ok());
        assert_eq!(admin.ask(&["ACL", "LOG", "RESET"]), ok());
        assert!(log(&mut admin).is_empty());
        for key in ["x", "y", "z"] {
            bob.ask(&["GET", key]);
        }
        assert_eq!(log(&mut admin).len(), 2);
        seen.push((exec, counts, entries));
    }
    assert_eq!(seen[0], seen[1]);
}

#[test]
fn a_file_of_users_is_loaded_and_saved_as_redis_does() {
    let folder = TempDir::new("users");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let paths = [path("real.acl"), path("ours.acl")];
    let write = |text: &str| paths.iter().for_each(|path| fs::write(path, text).expect("a file"));
    write("# first\nuser alice on >pw ~a* +@all\nuser bob on >pw allkeys +@all\n");
    let real = master_or_skip!(SERVER, "--aclfile", &paths[0]);
    let node = Node::start(&["--aclfile", &paths[1]]);
    let servers = [(real.port, &paths[0]), (node.port, &paths[1])];
    let clean = |frame: Frame, path: &str| format!("{frame:?}").replace(path, "FILE");
    let mut seen = [Vec::new(), Vec::new()];
    for ((port, path), seen) in servers.iter().zip(&mut seen) {
        let mut admin = Client::connect(*port);
        let (mut alice, mut bob) = (client_of(*port, "alice"), client_of(*port, "bob"));
        let mut ask = |line: &str| {
            let frame = admin.ask(&line.split(' ').collect::<Vec<_>>());
            seen.push(clean(frame, path));
        };
        ask("ACL LIST");
        ask("ACL SETUSER carol on nopass +get");
        ask("ACL SAVE");
        ask("ACL LIST");
        let saved = fs::read_to_string(path).expect("the file");
        fs::write(path, "user alice on >other ~b* +@all\nuser default on nopass +@all ~*\n").expect("a file");
        ask("ACL LOAD");
        ask("ACL LIST");
        wait_for_end(&mut bob);
        assert_eq!(
            alice.ask(&["GET", "a"]),
            Frame::Error("NOPERM No permissions to access a key".into()),
            "who stays keeps the connection, not the rights"
        );
        for wrong in [
            "user alice on\nuser alice off\n",
            "foo bar\nuser\n",
            "user c nope\nuser d ~* ~a\n",
            "user c (~a +get\n",
            "user c (~a nope)\n",
        ] {
            fs::write(path, wrong).expect("a file");
            ask("ACL LOAD");
            ask("ACL USERS");
        }
        fs::remove_file(path).expect("the file goes");
        ask("ACL LOAD");
        ask("ACL SAVE");
        ask("CONFIG GET aclfile");
        seen.push(saved);
        seen.push(fs::read_to_string(path).expect("the file"));
    }
    assert_eq!(seen[0], seen[1]);
    write("user alice on nope\n");
    let output = Command::new(env!("CARGO_BIN_EXE_nearside"))
        .args(["--port", "0", "--http", "off", "--aclfile", &paths[1]])
        .output()
        .expect("run nearside");
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && said.contains("ours.acl:1: Syntax error"), "{said}");
}

#[test]
fn users_are_given_as_options() {
    let node = Node::start(&["--user", "alice on >pw ~a* +@read", "--user", "default off"]);
    let mut client = node.client();
    assert!(client.ask(&["PING"]).text().starts_with("NOAUTH "));
    assert_eq!(client.ask(&["AUTH", "alice", "pw"]), ok());
    assert_eq!(client.ask(&["GET", "a"]), Frame::Null);
    assert!(client.ask(&["GET", "b"]).text().starts_with("NOPERM "));
}

#[test]
fn users_are_each_server_s_own() {
    let master = master_or_skip!(SERVER, "--repl-diskless-sync-delay", "0");
    let real = master_or_skip!(SERVER, "--replicaof", "127.0.0.1", &master.port.to_string());
    let node = Node::replica_of(&master);
    let mut at_master = master.client();
    at_master.ask(&["ACL", "SETUSER", "there", "on", "nopass", "+@all", "~*"]);
    at_master.line("SET after 1");
    for port in [real.port, node.port] {
        let mut client = Client::connect(port);
        wait_for("the stream", || matches!(client.ask(&["GET", "after"]), Frame::Bulk(_)).then_some(()));
        assert_eq!(client.ask(&["ACL", "USERS"]), Frame::Array(vec![Frame::Bulk(b"default".to_vec())]));
        assert_eq!(client.ask(&["ACL", "SETUSER", "here", "on", "nopass", "+@all", "~*"]), ok());
    }
    assert_eq!(at_master.ask(&["ACL", "GETUSER", "here"]), Frame::Null);
}

#[test]
fn pipelines_of_who_may_do_little_are_answered_one_by_one() {
    let real = master_or_skip!(SERVER);
    let node = Node::start(&[]);
    let asked = |port: u16| {
        let mut admin = Client::connect(port);
        admin.line("MSET mine:1 a mine:2 b theirs c");
        admin.line("RPUSH mine:list 2 1");
        admin.line("ACL SETUSER reader on >pw ~mine:* %W~theirs -@all +@read -strlen +select");
        admin.line("ACL LOG RESET");
        let mut reader = client_of(port, "reader");
        let lines = [
            "GET mine:1",
            "GET mine:2",
            "GET theirs",
            "MGET mine:1 theirs",
            "MGET mine:1 mine:2",
            "STRLEN mine:1",
            "STRLEN theirs",
            "SORT_RO mine:list",
            "SORT_RO mine:list BY theirs*",
            "SORT_RO mine:list GET mine:*",
            "GET",
            "SET mine:1 x",
            "EXISTS theirs",
            "ZUNION 2 mine:1 theirs",
            "ZUNION 9 mine:1",
            "SELECT 1",
            "GET mine:1",
            "SELECT 0",
            "GET mine:1",
        ];
        let words: Vec<Vec<Vec<u8>>> = (0..20)
            .flat_map(|_| lines.map(|line| line.split(' ').map(|word| word.as_bytes().to_vec()).collect()))
            .collect();
        let answers = reader.pipeline(&words);
        let errors = ["acl_access_denied_cmd", "acl_access_denied_key", "total_error_replies"];
        let counted = errors.map(|field| admin.info("stats", field).expect("a count"));
        (answers, counted)
    };
    assert_eq!(asked(node.port), asked(real.port));
}

/// What a client did when it was refused something, as ACL LOG tells of it: EXEC and EVAL, not what was in them.
#[test]
fn the_log_names_what_the_client_sent() {
    let real = master_or_skip!(SERVER);
    let node = Node::start(&[]);
    let mut seen = Vec::new();
    for port in [real.port, node.port] {
        let mut admin = Client::connect(port);
        admin.line("ACL SETUSER bob on >pw +@all ~a* -incr");
        let mut commands = Vec::new();
        let mut bob = client_of(port, "bob");
        let mut noted = |admin: &mut Client| {
            let entry = admin.line("ACL LOG 1").items()[0].clone();
            let told = entry.items().chunks(2).find(|pair| pair[0].text() == "client-info").expect("a line");
            let line = told[1].text();
            let cmd = line.split(' ').find_map(|field| field.strip_prefix("cmd=")).expect("a command");
            commands.push(cmd.to_owned());
        };
        bob.ask(&["GET", "x"]);
        noted(&mut admin);
        bob.ask(&["CONFIG", "GET", "x"]);
        bob.ask(&["MULTI"]);
        bob.ask(&["GET", "x1"]);
        noted(&mut admin);
        bob.ask(&["DISCARD"]);
        bob.ask(&["MULTI"]);
        bob.ask(&["GET", "a1"]);
        admin.line("ACL SETUSER bob -get");
        bob.ask(&["EXEC"]);
        noted(&mut admin);
        bob.ask(&["EVAL", "return redis.pcall('incr', 'a')", "0"]);
        noted(&mut admin);
        bob.ask(&["MULTI"]);
        bob.ask(&["EVAL", "return redis.pcall('incr', 'abc')", "0"]);
        bob.ask(&["EXEC"]);
        noted(&mut admin);
        seen.push(commands);
    }
    assert_eq!(seen[1], seen[0]);
    assert_eq!(seen[1], ["get", "get", "exec", "eval", "exec"]);
}

/// Who waited for a key, and may not have it any more when it comes, was refused: its command did not run.
#[test]
fn who_is_refused_while_it_waits_did_not_run() {
    let real = master_or_skip!(SERVER);
    let node = Node::start(&[]);
    let mut seen = Vec::new();
    for port in [real.port, node.port] {
        let mut admin = Client::connect(port);
        for (request, key, come) in [
            ("BLPOP l 0", "l", "RPUSH l x"),
            ("XREAD BLOCK 0 STREAMS s $", "s", "XADD s 1-1 a b"),
            ("XREADGROUP GROUP g c BLOCK 0 STREAMS t >", "t", "XADD t 1-1 a b"),
        ] {
            admin.line("ACL SETUSER bob reset on >pw +@all ~*");
            admin.ask(&["XGROUP", "CREATE", "t", "g", "$", "MKSTREAM"]);
            admin.line("CONFIG RESETSTAT");
            let mut bob = client_of(port, "bob");
            let words: Vec<&str> = request.split(' ').collect();
            let mut bytes = Vec::new();
            Client::encode(&words, &mut bytes);
            bob.send_raw(&bytes);
            wait_for("bob to wait", || {
                (admin.info("clients", "blocked_clients").as_deref() == Some("1")).then_some(())
            });
            admin.line(&format!("ACL SETUSER bob resetkeys ~other{key}"));
            admin.line(come);
            let answer = format!("{:?}", bob.read().expect("an answer"));
            let name = format!("cmdstat_{}", words[0].to_lowercase());
            let stat = admin.info("commandstats", &name).expect("a count");
            let counts =
                stat.split(',').filter(|part| !part.starts_with("usec")).collect::<Vec<_>>().join(",");
            seen.push((answer, counts));
        }
    }
    let (real, ours) = seen.split_at(3);
    assert_eq!(ours, real);
}
