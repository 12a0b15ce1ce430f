//! Commands that wait for a key: the same scenes on a real server and on a node that follows nobody, and what only a
//! replica can show.

use std::collections::BTreeMap;
use std::net::TcpListener;

use crate::harness::proxy::{Plan, Proxy};
use crate::harness::{Client, Frame, Node, wait_for};

/// Scenes, each for an empty server: `a: …` asks as client `a`, `a> …` sends what will wait, and goes on when it does,
/// `a<` reads what it is told.
const SCENES: &[(&str, &str)] = &[
    (
        "what is there is taken at once",
        "
        w: RPUSH l 1 2 3
        a: BLPOP nosuch l 0
        a: BRPOP l 0
        a: BLMPOP 0 2 nosuch l LEFT COUNT 5
        w: ZADD z 1 one 2 two 3 three
        a: BZPOPMIN nosuch z 0
        a: BZPOPMAX z 0
        a: BZMPOP 0 1 z MAX COUNT 7
        w: RPUSH l x y z
        a: BLMOVE l m LEFT RIGHT 0
        a: BRPOPLPUSH l m 0
        w: LRANGE m 0 -1
        w: LRANGE l 0 -1
    ",
    ),
    (
        "in vain",
        "
        a: BLPOP k 0.01
        a: BRPOP k k2 0.01
        a: BLMOVE k m LEFT LEFT 0.01
        a: BRPOPLPUSH k m 0.01
        a: BLMPOP 0.01 1 k LEFT
        a: BZPOPMIN k 0.01
        a: BZMPOP 0.01 1 k MIN
        a: XREAD BLOCK 1 STREAMS k $
        w: XGROUP CREATE s g $ MKSTREAM
        a: XREADGROUP GROUP g c BLOCK 1 STREAMS s >
        w: EXISTS k m
        a: HELLO 3
        a: BLPOP k 0.01
        a: BLMOVE k m LEFT LEFT 0.01
        a: XREAD BLOCK 1 STREAMS k $
    ",
    ),
    (
        "nobody waits in a transaction",
        "
        a: MULTI
        a: BLPOP k 0
        a: BLMOVE k m LEFT LEFT 0
        a: BRPOPLPUSH k m 0
        a: BLMPOP 0 1 k LEFT
        a: BLMOVEM k m LEFT LEFT 0
        a: BZPOPMAX k 0
        a: BZMPOP 0 1 k MIN
        a: XREAD BLOCK 0 STREAMS k $
        a: EXEC
        w: XGROUP CREATE s g $ MKSTREAM
        a: MULTI
        a: XREADGROUP GROUP g c BLOCK 0 STREAMS s >
        a: EXEC
    ",
    ),
    (
        "wrong arguments",
        "
        a: BLPOP k
        a: BLPOP k x
        a: BLPOP k -1
        a: BLPOP k 1e30
        a: BLPOP k nan
        a: BLPOP k inf
        a: BLMPOP x 1 k LEFT
        a: BLMPOP 0 0 k LEFT
        a: BLMPOP 0 1 k UP
        a: BLMOVE k m UP LEFT x
        a: BLMOVE k m LEFT LEFT x
        a: BLMOVEM k m LEFT LEFT x
        a: BLMOVEM k m LEFT LEFT 0 COUNT
        a: BLMOVEM k m LEFT LEFT 0 COUNT 0 OBO
        a: BZPOPMIN k y
        a: BZMPOP 0 1 k UP
        a: XREAD BLOCK x STREAMS k $
        a: XREAD BLOCK -1 STREAMS k $
        a: XREADGROUP GROUP g c BLOCK 0 STREAMS nosuch >
        w: SET s text
        a: BLPOP nosuch s 0
        a: BZPOPMIN s 0
        a: BLMOVE s m LEFT LEFT 0
        a: XREAD BLOCK 0 STREAMS s $
    ",
    ),
    (
        "a stream that comes as something else first",
        "
        a> XREAD BLOCK 0 STREAMS s $
        b> XREAD BLOCK 0 STREAMS s t 600 $
        w: SET s text
        w: APPEND s more
        w: DEL s
        w: XADD s 500 too early
        w: XADD s 667 f v
        a<
        b<
    ",
    ),
    (
        "who may not have it any more is not given it",
        "
        w: ACL SETUSER waiter on nopass +@all allkeys
        a: AUTH waiter any
        b: AUTH waiter any
        c: AUTH waiter any
        a> BLPOP l 0
        b> XREAD BLOCK 0 STREAMS s $
        c> XREAD BLOCK 0 STREAMS t $
        w: ACL SETUSER waiter resetkeys ~t
        w: RPUSH l foo
        a<
        w: LRANGE l 0 -1
        w: XADD s 1-1 f v
        b<
        w: XADD t 1-1 f v
        c<
        w: ACL SETUSER waiter -xread
        w: ACL DELUSER waiter
    ",
    ),
    (
        "first come, first served",
        "
        a> BLPOP k 0
        b> BRPOP k 0
        c> BLMPOP 0 1 k RIGHT COUNT 10
        w: RPUSH k 1 2 3 4 5
        a<
        b<
        c<
        w: EXISTS k
        w: LPUSH k again
        w: LLEN k
    ",
    ),
    (
        "what is pushed and gone within a transaction was never there",
        "
        a> BLPOP k 0
        w: MULTI
        w: RPUSH k 1
        w: DEL k
        w: EXEC
        w: MULTI
        w: RPUSH k 2
        w: RPUSH k 3
        w: LPOP k
        w: EXEC
        a<
        w: EXISTS k
    ",
    ),
    (
        "one feeds the next",
        "
        a> BLMOVE one two LEFT RIGHT 0
        b> BLMOVE two three LEFT RIGHT 0
        c> BLPOP three 0
        w: RPUSH one x
        a<
        b<
        c<
        w: EXISTS one two three
    ",
    ),
    (
        "of several keys the one that comes",
        "
        a> BLPOP k1 k2 k3 0
        w: RPUSH k2 x
        a<
        a> BZPOPMIN z1 z2 0
        w: ZADD z2 5 m 6 n
        a<
        w: DEL z2
        a> BZMPOP 0 2 z1 z2 MAX COUNT 9
        w: ZADD z1 1.5 a 2.5 b
        a<
        w: EXISTS k1 k2 z1
    ",
    ),
    (
        "another kind is not what it waits for",
        "
        a> BLPOP k 0
        w: SET k text
        w: DEL k
        w: ZADD k 1 m
        w: DEL k
        w: RPUSH k list
        a<
        a> BLMOVE k m LEFT LEFT 0
        w: SET m text
        w: RPUSH k list
        a<
    ",
    ),
    (
        "keys come in many ways",
        "
        a> BLPOP k 0
        w: RPUSH other 1
        w: RENAME other k
        a<
        a> BLPOP k 0
        w: RPUSH other 2
        w: COPY other k
        a<
        a> BLPOP k 0
        w: LMOVE other k LEFT LEFT
        a<
        a> BLPOP k 0
        w: RPUSH other 1 3 2
        w: SORT other STORE k
        a<
        a> BZPOPMIN k2 0
        w: GEOADD k2 1 2 place
        a<
        a> BZPOPMIN k2 0
        w: ZADD z 1 m
        w: ZUNIONSTORE k2 1 z
        a<
        s: SELECT 1
        s: RPUSH there x
        a> BLPOP there 0
        w: SWAPDB 0 1
        a<
    ",
    ),
    (
        "exactly so many",
        "
        a> BLMOVEM k m LEFT RIGHT 0 EXACTLY 3 BULK
        w: RPUSH k 1 2
        w: LLEN k
        w: RPUSH k 3 4
        a<
        w: LRANGE m 0 -1
        w: LRANGE k 0 -1
    ",
    ),
    (
        "who is served is who has written it",
        "
        t: HELLO 3
        t: CLIENT TRACKING ON NOLOOP
        t: LLEN m
        a: HELLO 3
        a: CLIENT TRACKING ON NOLOOP
        a: LLEN m
        a> BLMOVE k m LEFT RIGHT 0
        t: RPUSH k x
        t<
        a<
        a: LLEN m
        t: MULTI
        t: RPUSH m y
        t: LLEN m
        t: EXEC
        a<
        t: LLEN m
    ",
    ),
    (
        "streams",
        "
        w: XADD s 1-1 f old
        a> XREAD BLOCK 0 STREAMS s $
        b> XREAD COUNT 1 BLOCK 0 STREAMS nosuch s 0 5-0
        c> XREAD MAXSIZE 100 BLOCK 0 MAXCOUNT 2 STREAMS nosuch s 0 5-0
        w: XADD s 2-1 f v
        a<
        w: XADD s 6-1 f v
        b<
        c<
        w: XGROUP CREATE s g $
        a> XREADGROUP GROUP g one BLOCK 0 STREAMS s >
        b> XREADGROUP GROUP g two BLOCK 0 STREAMS s >
        w: XADD s 7-1 f v
        a<
        w: XADD s 8-1 f v
        b<
        a: XREADGROUP GROUP g one BLOCK 0 STREAMS s 0
        a: XREADGROUP GROUP g one BLOCK 0 STREAMS s 9-9
        w: XPENDING s g
    ",
    ),
    (
        "a group that goes is told of",
        "
        w: XGROUP CREATE s g $ MKSTREAM
        a> XREADGROUP GROUP g c BLOCK 0 STREAMS s >
        w: XGROUP DESTROY s g
        a<
        w: XGROUP CREATE s g $
        a> XREADGROUP GROUP g c BLOCK 0 STREAMS s >
        w: DEL s
        a<
        w: XGROUP CREATE s g $ MKSTREAM
        a> XREADGROUP GROUP g c BLOCK 0 STREAMS s >
        w: SET s text
        a<
        w: DEL s
        w: XGROUP CREATE s g $ MKSTREAM
        a> XREADGROUP GROUP g c BLOCK 0 STREAMS s >
        w: FLUSHALL
        a<
    ",
    ),
    (
        "who moves an element needs room when it comes",
        "
        a> BLMOVE from to LEFT LEFT 0
        w: MULTI
        w: RPUSH from 1
        w: CONFIG SET maxmemory 1
        w: EXEC
        a<
        w: CONFIG SET maxmemory 0
        w: LRANGE from 0 -1
        w: EXISTS to
        ",
    ),
    (
        "who waits is let go",
        "
        a: CLIENT SETNAME a
        a> BLPOP k 0
        w: CLIENT UNBLOCK id:a
        a<
        a> BLPOP k 0
        w: CLIENT UNBLOCK id:a ERROR
        a<
        a> XREAD BLOCK 0 STREAMS k $
        w: CLIENT UNBLOCK id:a TIMEOUT
        a<
        w: CLIENT UNBLOCK id:a
        w: CLIENT UNBLOCK 123456
        a: PING
        a> BLPOP k 0
        w: CLIENT KILL ID id:a
        w: RPUSH k 1
        w: LLEN k
    ",
    ),
    (
        "what follows in a pipeline waits too",
        "
        a> BLPOP k 0 | SET after 1 | GET k
        w: EXISTS after
        w: RPUSH k 1
        a<
        a<
        a<
        w: EXISTS after
    ",
    ),
    (
        "nobody is served while clients are paused",
        "
        a> BLPOP l 0
        b> BLMOVE l m LEFT LEFT 0
        w: MULTI
        w: RPUSH l 1 2
        w: CLIENT PAUSE 1000000 WRITE
        w: EXEC
        w: LRANGE l 0 -1
        w: EXISTS m
        w: CLIENT UNPAUSE
        a<
        b<
        w: LRANGE l 0 -1
        w: LRANGE m 0 -1
    ",
    ),
    (
        "what came during a pause is theirs who waited",
        "
        a> BLPOP l 0
        b> BLPOP m 0
        w: MULTI
        w: RPUSH l 1
        w: RPUSH m 2
        w: CLIENT PAUSE 1000000 WRITE
        w: EXEC
        w: CLIENT UNPAUSE
        w: LPOP l
        w: LMPOP 2 l m LEFT
        a<
        b<
    ",
    ),
];

struct Scene {
    port: u16,
    clients: BTreeMap<String, Client>,
}

impl Scene {
    fn client(&mut self, name: &str) -> &mut Client {
        let port = self.port;
        self.clients.entry(name.to_owned()).or_insert_with(|| Client::connect(port))
    }

    fn blocked(&mut self) -> u32 {
        let count = self.client("look").info("clients", "blocked_clients");
        count.and_then(|count| count.parse().ok()).expect("blocked_clients")
    }

    /// Runs the lines; gives each reply.
    fn run(&mut self, lines: &str) -> Vec<String> {
        let mut told = Vec::new();
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (name, rest) = line.split_at(line.find([':', '>', '<']).expect("who, and what"));
            let (how, words) = rest.split_at(1);
            let mut requests: Vec<Vec<String>> = words
                .split('|')
                .map(|request| request.split_whitespace().map(str::to_owned).collect())
                .collect();
            for word in requests.iter_mut().flatten() {
                if let Some(name) = word.strip_prefix("id:") {
                    let Frame::Int(id) = self.known_id(name) else { panic!("an id") };
                    *word = id.to_string();
                }
            }
            match how {
                ":" => {
                    let reply = self.client(name).ask(&requests[0]);
                    // HELLO tells who the server is.
                    told.push(if words.contains("HELLO") {
                        String::new()
                    } else {
                        format!("{line} = {reply:?}")
                    });
                }
                ">" => {
                    self.note_id(name);
                    let before = self.blocked();
                    let mut bytes = Vec::new();
                    requests.iter().for_each(|request| Client::encode(request, &mut bytes));
                    self.client(name).send_raw(&bytes);
                    wait_for(line, || (self.blocked() == before + 1).then_some(()));
                }
                _ => {
                    let reply =
                        self.client(name).read_soon().unwrap_or_else(|error| panic!("{line}: {error}"));
                    told.push(format!("{line} {reply:?}"));
                }
            }
        }
        told
    }

    fn note_id(&mut self, name: &str) {
        let id = self.client(name).ask(&["CLIENT", "ID"]);
        let key = format!("id of {name}");
        self.client("look").ask(&["SELECT", "9"]);
        self.client("look").ask(&["SET", &key, &id.text()]);
    }

    fn known_id(&mut self, name: &str) -> Frame {
        let key = format!("id of {name}");
        Frame::Int(self.client("look").ask(&["GET", &key]).text().parse().expect("noted"))
    }
}

fn all_scenes(port: u16) -> Vec<(&'static str, Vec<String>)> {
    SCENES
        .iter()
        .map(|(name, lines)| {
            let mut scene = Scene { port, clients: BTreeMap::new() };
            scene.client("look").line("FLUSHALL");
            println!("{port}: {name}");
            (*name, scene.run(lines))
        })
        .collect()
}

#[test]
fn scenes_are_as_on_a_real_server() {
    let master = master_or_skip!("redis-8.10");
    let node = Node::start(&["--report-version", "8.10.2"]);
    let (there, here) = (all_scenes(master.port), all_scenes(node.port));
    for ((name, there), (_, here)) in there.iter().zip(&here) {
        assert_eq!(here, there, "{name}");
    }
    // Nobody is waited for any more.
    wait_for("the end of all waits", || {
        (node.client().info("clients", "blocked_clients").as_deref() == Some("0")).then_some(())
    });
}

/// What one consumer has kept for too long goes to another who waits for that; nothing else has to happen.
#[test]
fn what_is_pending_for_long_is_claimed_by_who_waits() {
    let node = Node::start(&[]);
    let mut client = node.client();
    client.line("XGROUP CREATE s g 0 MKSTREAM");
    client.line("XADD s 1-0 f v");
    client.line("XREADGROUP GROUP g one STREAMS s >");
    // Its time begins anew with each.
    for deliveries in 1..=2 {
        let consumer = format!("waiting-{deliveries}");
        let mut bytes = Vec::new();
        let words =
            ["XREADGROUP", "GROUP", "g", &consumer, "BLOCK", "0", "CLAIM", "200", "STREAMS", "s", ">"];
        Client::encode(&words, &mut bytes);
        client.send_raw(&bytes);
        let answer = format!("{:?}", client.read_soon().expect("the entry"));
        let is_right = answer.starts_with("[[\"s\", [[\"1-0\", [\"f\", \"v\"], ")
            && answer.ends_with(&format!(", :{deliveries}]]]]"));
        assert!(is_right, "{answer}");
    }
}

/// Nor does it while clients are paused.
#[test]
fn what_is_pending_stays_while_clients_are_paused() {
    let node = Node::start(&[]);
    let (mut client, mut waiting) = (node.client(), node.client());
    let mut bytes = Vec::new();
    let words = ["XREADGROUP", "GROUP", "g", "two", "BLOCK", "0", "CLAIM", "300", "STREAMS", "s", ">"];
    Client::encode(&words, &mut bytes);
    client.line("XADD s 1-0 f v");
    // Until the pause comes in time.
    loop {
        client.line("XGROUP DESTROY s g");
        client.line("XGROUP CREATE s g 0");
        client.line("XREADGROUP GROUP g one STREAMS s >");
        waiting.send_raw(&bytes);
        wait_for("who waits", || {
            (client.info("clients", "blocked_clients").as_deref() == Some("1")).then_some(())
        });
        client.line("CLIENT PAUSE 1000000 WRITE");
        if client.line("XPENDING s g - + 10 one").items().len() == 1 {
            break;
        }
        waiting.read_soon().expect("the entry");
        client.line("CLIENT UNPAUSE");
    }
    wait_for("it to be pending for long", || {
        let pending = client.line("XPENDING s g - + 10");
        let [_, owner, idle, _] = pending.items()[0].items() else { panic!("{pending:?}") };
        assert_eq!(owner.text(), "one", "claimed while clients are paused");
        (idle.int() > 1_000).then_some(())
    });
    client.line("CLIENT UNPAUSE");
    waiting.read_soon().expect("the entry");
    assert_eq!(client.line("XPENDING s g - + 10 two").items().len(), 1);
}

/// They are told of as clients that wait.
#[test]
fn who_is_paused_waits() {
    let node = Node::start(&[]);
    let (mut client, mut paused) = (node.client(), node.client());
    client.line("CLIENT PAUSE 1000000 WRITE");
    paused.send_raw(b"SET k v\r\n");
    let blocked = |client: &mut Client, count: &str| {
        wait_for("the wait", || {
            (client.info("clients", "blocked_clients").as_deref() == Some(count)).then_some(())
        });
    };
    blocked(&mut client, "1");
    assert!(client.line("CLIENT LIST").text().contains(" flags=b "));
    client.line("CLIENT UNPAUSE");
    assert_eq!(paused.read_soon().expect("an answer"), Frame::Simple("OK".into()));
    blocked(&mut client, "0");
    assert!(!client.line("CLIENT LIST").text().contains(" flags=b "));
}

/// Who is refused behind a script that takes long is told so at once, though the script has pushed what another waits for.
#[test]
fn who_is_refused_does_not_wait_for_others_to_be_served() {
    let node = Node::start(&["--busy-reply-threshold", "300"]);
    let (mut script, mut waiting, mut refused) = (node.client(), node.client(), node.client());
    waiting.send_raw(b"BLPOP k 0\r\n");
    wait_for("who waits", || {
        (refused.info("clients", "blocked_clients").as_deref() == Some("1")).then_some(())
    });
    let mut bytes = Vec::new();
    Client::encode(&["EVAL", "redis.call('RPUSH', 'k', 1) while true do end", "0"], &mut bytes);
    script.send_raw(&bytes);
    wait_for("it to be busy", || {
        // Each is sent before it is, but the last.
        let answer = refused.ask(&["MSET", "x", "1", "y", "2"]);
        answer.text().starts_with("BUSY ").then_some(())
    });
    refused.send_raw(b"SHUTDOWN NOSAVE\r\n");
    refused.read_soon().unwrap_err();
}

/// XREAD waits at a replica for what its master writes; what would write is refused there.
#[test]
fn a_replica_s_readers_are_woken_by_the_stream() {
    let master = master_or_skip!("redis-8.10");
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    let mut theirs = master.client();
    let mut readers: Vec<Client> = (0..20).map(|_| node.client()).collect();
    let mut bytes = Vec::new();
    Client::encode(&["XREAD", "BLOCK", "0", "STREAMS", "other", "s", "$", "$"], &mut bytes);
    for round in 1..=20 {
        readers.iter_mut().for_each(|reader| reader.send_raw(&bytes));
        wait_for("the readers", || {
            (node.client().info("clients", "blocked_clients").as_deref() == Some("20")).then_some(())
        });
        theirs.line(&format!("XADD s {round}-1 round {round}"));
        let expected = format!("[[\"s\", [[\"{round}-1\", [\"round\", \"{round}\"]]]]]");
        for reader in &mut readers {
            assert_eq!(format!("{:?}", reader.read_soon().expect("the entry")), expected);
        }
    }
    assert!(matches!(
        node.client().ask(&["BLPOP", "k", "0"]),
        Frame::Error(text) if text.starts_with("READONLY")
    ));
}

/// A data set that takes the place of another may have what was waited for.
#[test]
fn a_full_sync_wakes_readers() {
    let master = master_or_skip!("redis-8.10", "--repl-backlog-size", "16384");
    let wire = Proxy::new(master.port);
    let node = Node::start(&["--replicaof", &format!("127.0.0.1:{}", wire.port)]);
    node.wait_state("streaming");
    let mut reader = node.client();
    let mut bytes = Vec::new();
    Client::encode(&["XREAD", "BLOCK", "0", "STREAMS", "s", "0"], &mut bytes);
    reader.send_raw(&bytes);
    wait_for("the reader", || {
        (node.client().info("clients", "blocked_clients").as_deref() == Some("1")).then_some(())
    });
    wire.plan(Plan { cut_at: Some(0), ..Plan::default() });
    wire.cut();
    let mut writer = master.client();
    writer.line("XADD s 5-1 from snapshot");
    // More than the backlog holds.
    writer.ask(&["SET", "large", &"x".repeat(1 << 20)]);
    wire.plan(Plan::default());
    node.hurry();
    let read = reader.read_soon().expect("the entry");
    assert_eq!(format!("{read:?}"), "[[\"s\", [[\"5-1\", [\"from\", \"snapshot\"]]]]]");
    assert_eq!(writer.info("stats", "sync_full").as_deref(), Some("2"));
}

/// Who waits is told when the node follows a master, or another than before: as at a real server, which tells ROLE no
/// offset until it follows.
#[test]
fn who_waits_is_told_that_the_node_is_a_replica_now() {
    let (master, real) = (master_or_skip!("redis-8.10"), master_or_skip!("redis-8.10"));
    let node = Node::start(&[]);
    // It says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = listener.local_addr().expect("its address").port();
    let told = |port: u16| {
        let mut seen = Vec::new();
        for (request, master) in [("BLPOP k 0\r\n", master.port), ("XREAD BLOCK 0 STREAMS s $\r\n", silent)] {
            let mut waiting = Client::connect(port);
            waiting.send_raw(request.as_bytes());
            let mut client = Client::connect(port);
            wait_for("the client", || {
                (client.info("clients", "blocked_clients").as_deref() == Some("1")).then_some(())
            });
            client.line(&format!("REPLICAOF 127.0.0.1 {master}"));
            seen.push(format!("{:?}", waiting.read_soon().expect("an error")));
            assert!(waiting.read_soon().is_err(), "its connection ends");
            if seen.len() == 1 {
                wait_for("the link", || {
                    let is_up = client.info("replication", "master_link_status").as_deref() == Some("up");
                    is_up.then_some(())
                });
            } else {
                seen.push(format!("{:?}", client.line("ROLE").items()[4]));
            }
        }
        seen
    };
    let ours = told(node.port);
    assert_eq!(
        ours[0],
        "-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"
    );
    assert_eq!(ours, told(real.port));
}

/// Streams that expire, or go because there is no room, are told to those who wait for them in a group.
#[test]
fn who_waits_for_a_stream_that_goes_is_told() {
    let real = master_or_skip!("redis-8.10");
    let node = Node::start(&[]);
    let told = |port: u16| {
        let mut client = Client::connect(port);
        let waits = |client: &mut Client, key: &str| {
            client.line(&format!("XGROUP CREATE {key} g $ MKSTREAM"));
            let mut waiting = Client::connect(port);
            waiting.send_raw(format!("XREADGROUP GROUP g c BLOCK 0 STREAMS {key} >\r\n").as_bytes());
            wait_for("the client", || {
                (client.info("clients", "blocked_clients").as_deref() == Some("1")).then_some(())
            });
            waiting
        };
        let mut seen = Vec::new();
        let mut hears =
            |mut waiting: Client| seen.push(format!("{:?}", waiting.read_soon().expect("an error")));
        let waiting = waits(&mut client, "actively");
        client.line("PEXPIRE actively 1");
        hears(waiting);
        client.line("DEBUG SET-ACTIVE-EXPIRE 0");
        let waiting = waits(&mut client, "lazily");
        client.line("PEXPIRE lazily 1");
        wait_for("its deadline", || (client.line("EXISTS lazily").int() == 0).then_some(()));
        hears(waiting);
        let waiting = waits(&mut client, "for-room");
        client.line("CONFIG SET maxmemory-policy allkeys-random maxmemory 1");
        hears(waiting);
        client.line("CONFIG SET maxmemory 0 maxmemory-policy noeviction");
        seen
    };
    assert_eq!(told(node.port), told(real.port));
}

/// No element is lost or given twice when many wait, time out and push at once.
#[test]
fn every_element_comes_to_one_client() {
    const TAKERS: usize = 8;
    const ELEMENTS: usize = 4_000;
    let node = Node::start(&[]);
    let taken: Vec<Vec<u8>> = std::thread::scope(|scope| {
        let takers: Vec<_> = (0..TAKERS)
            .map(|_| {
                let mut client = node.client();
                scope.spawn(move || {
                    let mut taken = Vec::new();
                    loop {
                        match client.ask(&["BLPOP", "one", "other", "0.002"]) {
                            Frame::NullArray => {}
                            Frame::Array(pair) if pair[1] == Frame::Bulk(b"end".to_vec()) => return taken,
                            Frame::Array(pair) => taken.push(pair[1].bytes().to_vec()),
                            other => panic!("{other:?}"),
                        }
                    }
                })
            })
            .collect();
        let mut client = node.client();
        for number in 0..ELEMENTS {
            client.ask(&["RPUSH", if number % 3 == 0 { "one" } else { "other" }, &number.to_string()]);
        }
        // The ends come last in either list.
        wait_for("empty lists", || (client.ask(&["EXISTS", "one", "other"]) == Frame::Int(0)).then_some(()));
        for _ in 0..TAKERS {
            client.ask(&["RPUSH", "one", "end"]);
        }
        takers.into_iter().flat_map(|taker| taker.join().expect("a taker")).collect()
    });
    let mut numbers: Vec<usize> = taken
        .iter()
        .map(|number| std::str::from_utf8(number).expect("digits").parse().expect("a number"))
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..ELEMENTS).collect::<Vec<_>>());
}

#[test]
fn keys_that_are_waited_for_are_counted() {
    let real = master_or_skip!("redis-8.10");
    let node = Node::start(&[]);
    let mut seen = Vec::new();
    for port in [real.port, node.port] {
        let mut admin = Client::connect(port);
        admin.line("XGROUP CREATE s g $ MKSTREAM");
        let mut waiting = Vec::new();
        for request in [
            "BLPOP l m 0",
            "BLMOVE l dest LEFT LEFT 0",
            "XREADGROUP GROUP g c BLOCK 0 STREAMS s >",
            "XREAD BLOCK 0 STREAMS s t $ $",
            "BZPOPMIN s 0",
        ] {
            let mut client = Client::connect(port);
            let words: Vec<&str> = request.split(' ').collect();
            if words[0] == "BZPOPMIN" {
                client.line("SELECT 1");
            }
            let mut bytes = Vec::new();
            Client::encode(&words, &mut bytes);
            client.send_raw(&bytes);
            waiting.push(client);
            let count = waiting.len().to_string();
            wait_for("a client to wait", || {
                (admin.info("clients", "blocked_clients").as_ref() == Some(&count)).then_some(())
            });
            let field = |admin: &mut Client, name: &str| admin.info("clients", name).expect("a count");
            let keys = field(&mut admin, "total_blocking_keys");
            seen.push((keys, field(&mut admin, "total_blocking_keys_on_nokey")));
        }
    }
    let (of_real, ours) = seen.split_at(5);
    assert_eq!(ours, of_real);
}
