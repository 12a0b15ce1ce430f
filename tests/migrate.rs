//! MIGRATE of a real server to us: what it brings, and what it is refused for; and ours to others, beside clients that write
//! what is on its way, and to targets that refuse, fall silent or end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::harness::walk::{self, Depth};
use crate::harness::workload::{self, Workload};
use crate::harness::{Client, Frame, Master, Node, PATIENCE, Random, tiered, wait_for};

/// MIGRATE of this key to `port`, with these options.
fn migrate(client: &mut Client, port: u16, key: &[u8], db: u32, options: &[&str]) -> Frame {
    let (port, db) = (port.to_string(), db.to_string());
    let mut words: Vec<&[u8]> = vec![b"MIGRATE", b"127.0.0.1", port.as_bytes(), key, db.as_bytes(), b"10000"];
    words.extend(options.iter().map(|option| option.as_bytes()));
    client.ask(&words)
}

/// All values of this server's kind, out of several databases, and nothing may differ.
fn is_brought_here(name: &str) {
    let master = master_or_skip!(name);
    let node = Node::replica_of(&master); // speaks its dialect from now on
    node.wait_state("streaming");
    let (mut theirs, mut ours) = (master.client(), node.client());
    for line in
        ["REPLICAOF NO ONE", "ACL SETUSER mover on >moving ~* +restore +select", "ACL SETUSER default off"]
    {
        assert_eq!(ours.line(line), Frame::Simple("OK".into()), "{line}");
    }
    for client in [&mut theirs, &mut ours] {
        client.ask(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    }
    let mut workload = Workload::new(&master, Random::from_env(20_261_124));
    workload.run(&mut theirs, tiered(4_000, 40_000));
    workload.settle(&master);
    if master.version() >= (7, 0) {
        theirs.line("FUNCTION FLUSH"); // which no MIGRATE brings
    }
    workload::delete_minus_zeros(&mut theirs); // whoever is sent a small set packs it, and has none then
    let mut brought = 0;
    for db in 0..3 {
        theirs.line(&format!("SELECT {db}"));
        for key in walk::keys(&mut theirs) {
            theirs.ask(&[b"PERSIST".as_slice(), &key]); // they are brought as what is left of them
            let options = ["COPY", "REPLACE", "AUTH2", "mover", "moving"];
            let reply = migrate(&mut theirs, node.port, &key, db, &options);
            if reply != Frame::Simple("NOKEY".into()) {
                assert_eq!(reply, Frame::Simple("OK".into()), "{name}: {}", key.escape_ascii());
                brought += 1;
            }
        }
    }
    assert!(brought > 100, "{name}: {brought} values are too few to say anything");
    let depth = Depth { encodings: false, ..Depth::of(master.version(), master.is_valkey()) };
    let differences = walk::differences(&mut ours, &mut theirs, 3, depth);
    assert!(differences.is_empty(), "{name}: differs\n{}\n{}", differences.join("\n"), node.log());
}

#[test]
fn values_of_redis_6_2() {
    is_brought_here("redis-6.2");
}

#[test]
fn values_of_redis_8_10() {
    is_brought_here("redis-8.10");
}

#[test]
fn values_of_valkey_9_1() {
    is_brought_here("valkey-9.1");
}

#[test]
fn what_is_refused_stays_where_it_was() {
    let master = master_or_skip!("redis-8.10");
    let replica = Node::replica_of(&master);
    replica.wait_state("streaming");
    let node = Node::start(&["--requirepass", "secret"]);
    let (mut theirs, mut ours) = (master.client(), node.client());
    ours.line("AUTH secret");
    theirs.line("SET k moved");
    ours.line("SET k here");
    let mut refused = |port, options: &[&str], said: &str| {
        let reply = migrate(&mut theirs, port, b"k", 0, options).text();
        assert!(reply.contains(said), "{options:?}: {reply}");
        assert_eq!(theirs.line("GET k").text(), "moved");
    };
    refused(replica.port, &[], "READONLY");
    refused(node.port, &[], "NOAUTH");
    refused(node.port, &["AUTH", "wrong"], "WRONGPASS");
    refused(node.port, &["AUTH", "secret"], "BUSYKEY");
    assert_eq!(ours.line("GET k").text(), "here");

    theirs.line("PEXPIREAT k 33000000000000");
    let reply = migrate(&mut theirs, node.port, b"k", 0, &["REPLACE", "AUTH", "secret"]);
    assert_eq!(reply, Frame::Simple("OK".into()));
    assert_eq!(theirs.line("EXISTS k").int(), 0, "it was moved, not copied");
    assert_eq!(ours.line("GET k").text(), "moved");
    // What was left of its time is counted from when it came here, a little later.
    let late = ours.line("PEXPIRETIME k").int() - 33_000_000_000_000;
    assert!((0..60_000).contains(&late), "{late} ms later");
}

// From us to others.

/// Where a scripted target listens.
struct Listening(TcpListener);

/// A connection to it.
struct Target {
    reader: BufReader<TcpStream>,
    out: TcpStream,
}

impl Listening {
    fn new() -> Listening {
        Listening(TcpListener::bind("127.0.0.1:0").expect("a port"))
    }
    fn port(&self) -> u16 {
        self.0.local_addr().expect("its address").port()
    }
    /// The next who comes.
    fn accept(&self) -> Target {
        let (socket, _) = self.0.accept().expect("somebody");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        Target { reader: BufReader::new(socket.try_clone().expect("a second handle")), out: socket }
    }
}

impl Target {
    /// The next request.
    fn request(&mut self) -> Vec<Vec<u8>> {
        let count = self.number(b'*');
        (0..count)
            .map(|_| {
                let mut word = vec![0; self.number(b'$') + 2];
                self.reader.read_exact(&mut word).expect("a word");
                word.truncate(word.len() - 2);
                word
            })
            .collect()
    }
    fn number(&mut self, kind: u8) -> usize {
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("a line");
        assert_eq!(line.as_bytes().first(), Some(&kind), "{line:?}");
        line[1..].trim().parse().expect("a number")
    }
    /// The next request, but for the payload that RESTORE has.
    fn line(&mut self) -> String {
        let mut words = self.request();
        if words[0] == b"RESTORE" {
            words[3] = b"...".to_vec();
        }
        let words: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word)).collect();
        words.join(" ")
    }
    /// The next request, which restores a short text: that text.
    fn restored(&mut self, replaces: bool) -> String {
        let words = self.request();
        assert_eq!((&*words[0], words.len()), (&b"RESTORE"[..], if replaces { 5 } else { 4 }));
        let payload = &words[3];
        assert_eq!(payload[0], 0, "a text");
        String::from_utf8_lossy(&payload[2..2 + usize::from(payload[1])]).into_owned()
    }
    fn say(&mut self, answers: &str) {
        self.out.write_all(answers.as_bytes()).expect("sent");
    }
}

/// Sends a request whose answer is read later.
fn begin(client: &mut Client, line: &str) {
    let words: Vec<&str> = line.split(' ').map(|word| if word == "''" { "" } else { word }).collect();
    let mut bytes = Vec::new();
    Client::encode(&words, &mut bytes);
    client.send_raw(&bytes);
}

/// Answers it.
fn ended(client: &mut Client) -> String {
    client.read().expect("an answer").text()
}

const BROKEN: &str = "IOERR error or timeout reading to target instance";

/// All values of a server of this kind, by us to another.
fn is_moved_by_us(name: &str, to_nearside: bool) {
    let master = master_or_skip!(name);
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    let mut theirs = master.client();
    let mut workload = Workload::new(&master, Random::from_env(20_261_201));
    workload.run(&mut theirs, tiered(4_000, 40_000));
    workload.settle(&master);
    if master.version() >= (7, 0) {
        theirs.line("FUNCTION FLUSH"); // which no MIGRATE moves
    }
    for db in 0..3 {
        theirs.line(&format!("SELECT {db}"));
        for key in walk::keys(&mut theirs) {
            theirs.ask(&[b"PERSIST".as_slice(), &key]); // they are moved with what is left of them
        }
    }
    workload::delete_minus_zeros(&mut theirs); // as above
    node.wait_caught_up(&master);
    let mut ours = node.client();
    ours.line("REPLICAOF NO ONE");
    let (real, other);
    let (target, mut there) = if to_nearside {
        let same_kind = Node::replica_of(&master); // speaks its dialect from now on
        same_kind.wait_state("streaming");
        let mut client = same_kind.client();
        client.line("REPLICAOF NO ONE");
        client.line("FLUSHALL");
        other = same_kind;
        (other.port, client)
    } else {
        real = Master::start(name, &[]).expect("it was there a moment ago");
        (real.port, real.client())
    };
    for client in [&mut theirs, &mut ours, &mut there] {
        client.ask(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    }
    let mut moved = 0;
    for db in 0..3 {
        ours.line(&format!("SELECT {db}"));
        let keys: Vec<Vec<u8>> = walk::keys(&mut ours).into_iter().collect();
        for keys in keys.chunks(300) {
            let (port, db) = (target.to_string(), db.to_string());
            let mut words: Vec<&[u8]> =
                vec![b"MIGRATE", b"127.0.0.1", port.as_bytes(), b"", db.as_bytes(), b"10000", b"KEYS"];
            words.extend(keys.iter().map(Vec::as_slice));
            assert_eq!(ours.ask(&words), Frame::Simple("OK".into()), "{name}");
            moved += keys.len();
        }
        assert_eq!(ours.line("DBSIZE").int(), 0, "they are gone here");
    }
    assert!(moved > 100, "{name}: {moved} values are too few to say anything");
    let depth = Depth { encodings: false, ..Depth::of(master.version(), master.is_valkey()) };
    let differences = walk::differences(&mut there, &mut theirs, 3, depth);
    assert!(differences.is_empty(), "{name}: differs\n{}\n{}", differences.join("\n"), node.log());
}

#[test]
fn our_values_to_redis_8_10() {
    is_moved_by_us("redis-8.10", false);
}

#[test]
fn our_values_to_valkey_9_1() {
    is_moved_by_us("valkey-9.1", false);
}

#[test]
fn our_values_to_another_of_us() {
    is_moved_by_us("redis-8.10", true);
}

#[test]
fn a_deadline_goes_along() {
    let (node, other) = (Node::start(&[]), Node::start(&["--user", "mover on >moving ~* +restore +select"]));
    let (mut ours, mut there) = (node.client(), other.client());
    ours.line("SET k v PXAT 33000000000000");
    ours.line("HSET h f v");
    ours.line("HPEXPIREAT h 33000000000000 FIELDS 1 f");
    there.line("SET k old");
    let move_all = |options: &str| {
        format!("MIGRATE 127.0.0.1 {} '' 0 10000 {options} AUTH2 mover moving KEYS k h nothing", other.port)
    };
    begin(&mut ours, &move_all("COPY"));
    assert_eq!(
        ended(&mut ours),
        "ERR Target instance replied with error: BUSYKEY Target key name already exists."
    );
    assert_eq!(there.line("EXISTS h").int(), 1, "one key's error is not the others'");
    begin(&mut ours, &move_all("REPLACE"));
    assert_eq!(ended(&mut ours), "OK");
    assert_eq!(ours.line("DBSIZE").int(), 0);
    assert_eq!(there.line("GET k").text(), "v");
    let late = there.line("PEXPIRETIME k").int() - 33_000_000_000_000;
    assert!((0..60_000).contains(&late), "{late} ms later");
    assert_eq!(there.line("HPEXPIRETIME h FIELDS 1 f").items()[0].int(), 33_000_000_000_000);
}

#[test]
fn what_a_target_is_sent_and_may_answer() {
    let (node, listening) = (Node::start(&[]), Listening::new());
    let mut ours = node.client();
    let to = format!("MIGRATE 127.0.0.1 {}", listening.port());
    let mut scene = |request: &str, asked: &[&str], answers: &str, said: &str, left: i64| {
        ours.line("MSET a 1 b 2");
        begin(&mut ours, &format!("{to} {request}"));
        let mut target = listening.accept();
        for line in asked {
            assert_eq!(&target.line(), line, "{request}");
        }
        target.say(answers);
        drop(target);
        assert_eq!(ended(&mut ours), said, "{request}: {answers:?}");
        assert_eq!(ours.line("EXISTS a b").int(), left, "{request}: {answers:?}");
    };
    let refused = |text: &str| format!("ERR Target instance replied with error: {text}");
    let one = ["SELECT 7", "RESTORE a 0 ..."];
    let both = ["SELECT 0", "RESTORE a 0 ...", "RESTORE b 0 ..."];
    let with_password = ["AUTH me pw", "SELECT 0", "RESTORE a 0 ... REPLACE"];
    scene("a 7 10000", &one, "+OK\r\n+OK\r\n", "OK", 1);
    scene("a 7 10000 COPY", &one, "+OK\r\n+OK\r\n", "OK", 2);
    scene("a 0 10000 REPLACE AUTH2 me pw", &with_password, "+OK\r\n+OK\r\n+OK\r\n", "OK", 1);
    scene("'' 0 10000 KEYS a nothing b", &both, "+OK\r\n+OK\r\n+OK\r\n", "OK", 0);
    // Of errors the first is told, and what was taken is gone here.
    scene("'' 0 10000 KEYS a b", &both, "+OK\r\n-NO a\r\n+OK\r\n", &refused("NO a"), 1);
    scene("'' 0 10000 KEYS a b", &both, "+OK\r\n+OK\r\n-NO b\r\n", &refused("NO b"), 1);
    scene("'' 0 10000 KEYS a b", &both, "-NO db\r\n+OK\r\n+OK\r\n", &refused("NO db"), 2);
    let wrong = "-WRONGPASS x\r\n-NOAUTH x\r\n-NOAUTH x\r\n";
    scene("a 0 10000 REPLACE AUTH2 me pw", &with_password, wrong, &refused("WRONGPASS x"), 2);
    // What it has not answered stays.
    scene("'' 0 10000 KEYS a b", &both, "+OK\r\n+OK\r\n", BROKEN, 1);
    scene("'' 0 10000 KEYS a b", &both, "+OK\r\n-NO a\r\n", &refused("NO a"), 2);
    // Nor is anything removed for what is no answer.
    scene("a 7 10000", &one, "+OK\r\n:1\r\nHTTP\r\n", BROKEN, 2);
}

#[test]
fn a_connection_that_ends_before_any_answer_is_made_once_more() {
    let (node, listening) = (Node::start(&[]), Listening::new());
    let mut ours = node.client();
    let request = format!("MIGRATE 127.0.0.1 {} k 0 10000", listening.port());
    for (answer, said, left) in [("+OK\r\n+OK\r\n", "OK", 0), ("", BROKEN, 1)] {
        ours.line("SET k v");
        begin(&mut ours, &request);
        for answer in ["", answer] {
            let mut target = listening.accept();
            assert_eq!((target.line(), target.line()), ("SELECT 0".into(), "RESTORE k 0 ...".into()));
            target.say(answer);
        }
        assert_eq!(ended(&mut ours), said);
        assert_eq!(ours.line("EXISTS k").int(), left);
    }
    // It listens, and says nothing at all.
    begin(&mut ours, &request.replace("10000", "10"));
    let _silent = listening.accept();
    assert_eq!(ended(&mut ours), BROKEN);
    assert_eq!(ours.line("EXISTS k").int(), 1);
}

/// What was written between a key's dump and the target's answer was removed with the key.
#[test]
fn a_key_that_is_written_meanwhile_is_sent_again() {
    let (node, listening) = (Node::start(&[]), Listening::new());
    let (mut ours, mut writer) = (node.client(), node.client());
    ours.line("MSET k one other x");
    begin(&mut ours, &format!("MIGRATE 127.0.0.1 {} '' 0 10000 KEYS k other", listening.port()));
    let mut target = listening.accept();
    assert_eq!(
        (target.line(), target.restored(false), target.restored(false)),
        ("SELECT 0".into(), "one".into(), "x".into())
    );
    assert_eq!(writer.line("GET k").text(), "one", "others are served");
    writer.line("SET k two");
    target.say("+OK\r\n+OK\r\n+OK\r\n");
    assert_eq!(target.restored(true), "two");
    assert_eq!((writer.line("EXISTS other").int(), writer.line("GET k").text()), (0, "two".into()));
    writer.line("PEXPIREAT k 33000000000000"); // that is a change, too
    target.say("+OK\r\n");
    assert_eq!(target.restored(true), "two");
    writer.line("GET k");
    target.say("+OK\r\n");
    assert_eq!(ended(&mut ours), "OK");
    assert_eq!(ours.line("DBSIZE").int(), 0);
}

#[test]
fn a_key_that_never_rests_stays() {
    let (node, listening) = (Node::start(&[]), Listening::new());
    let (mut ours, mut writer) = (node.client(), node.client());
    ours.line("SET k v");
    begin(&mut ours, &format!("MIGRATE 127.0.0.1 {} k 0 10000", listening.port()));
    let mut target = listening.accept();
    assert_eq!(target.line(), "SELECT 0");
    target.say("+OK\r\n");
    let mut value = String::from("v");
    for number in 0..16 {
        assert_eq!(target.restored(number > 0), value);
        writer.line("APPEND k x");
        value.push('x');
        target.say("+OK\r\n");
    }
    assert_eq!(
        ended(&mut ours),
        "ERR 'k' was written to each time that it was sent: it stays here, and the target has an older one"
    );
    assert_eq!(ours.line("GET k").text(), value);
}

#[test]
fn a_key_that_is_removed_meanwhile_is_told() {
    let (node, listening) = (Node::start(&[]), Listening::new());
    let (mut ours, mut writer) = (node.client(), node.client());
    for (removes, gone) in [
        ("DEL k", true),
        ("FLUSHALL", true),
        ("RENAME k l", true),
        ("SWAPDB 0 1", true),
        ("GETEX k PX 1", false),
    ] {
        ours.line("SET k v PXAT 33000000000000");
        begin(&mut ours, &format!("MIGRATE 127.0.0.1 {} k 0 10000", listening.port()));
        let mut target = listening.accept();
        target.request();
        target.request();
        writer.line(removes);
        if !gone {
            wait_for("its deadline", || (writer.line("EXISTS k").int() == 0).then_some(()));
        }
        target.say("+OK\r\n+OK\r\n");
        let said = ended(&mut ours);
        assert_eq!(
            said, "ERR 'k' was removed here while it was moved: the target has it as it was before",
            "{removes}"
        );
        ours.line("FLUSHALL");
    }
    // With the deadline that it was sent with it goes at the target too.
    ours.line("DEBUG SET-ACTIVE-EXPIRE 0");
    ours.line("SET k v PX 2000");
    begin(&mut ours, &format!("MIGRATE 127.0.0.1 {} k 0 10000", listening.port()));
    let mut target = listening.accept();
    target.request();
    target.request();
    wait_for("its deadline", || (writer.line("EXISTS k").int() == 0).then_some(()));
    target.say("+OK\r\n+OK\r\n");
    assert_eq!(ended(&mut ours), "OK");
}

#[test]
fn moves_wait_for_each_other_and_end_without_their_client() {
    let (node, listening) = (Node::start(&[]), Listening::new());
    let (mut first, mut second, mut other) = (node.client(), node.client(), node.client());
    let waiting = [first.line("CLIENT ID").int(), second.line("CLIENT ID").int()];
    first.line("SET k v");
    let request = format!("MIGRATE 127.0.0.1 {} k 0 10000", listening.port());
    begin(&mut first, &request);
    let mut target = listening.accept();
    begin(&mut second, &request);
    wait_for("both to wait", || (other.info("clients", "blocked_clients")? == "2").then_some(()));
    for id in waiting {
        assert_eq!(other.line(&format!("CLIENT UNBLOCK {id}")).int(), 0, "nobody else ends it");
    }
    drop(first);
    wait_for("the first to go", || (other.info("clients", "connected_clients")? == "2").then_some(()));
    target.request();
    target.request();
    target.say("+OK\r\n+OK\r\n");
    assert_eq!(ended(&mut second), "NOKEY");
    assert_eq!(other.line("EXISTS k").int(), 0);
}

#[test]
fn a_node_that_becomes_a_replica_meanwhile_removes_nothing() {
    let master = master_or_skip!("redis-8.10");
    let (node, listening) = (Node::start(&[]), Listening::new());
    let (mut ours, mut operator) = (node.client(), node.client());
    master.client().line("SET k master");
    ours.line("SET k v");
    begin(&mut ours, &format!("MIGRATE 127.0.0.1 {} k 0 10000", listening.port()));
    let mut target = listening.accept();
    target.request();
    target.request();
    operator.line(&format!("REPLICAOF 127.0.0.1 {}", master.port));
    node.wait_state("streaming");
    target.say("+OK\r\n+OK\r\n");
    assert_eq!(ended(&mut ours), "READONLY You can't write against a read only replica.");
    assert_eq!(ours.line("GET k").text(), "master");
}

/// What others see of it, in the words of a real server: the same scene there.
#[test]
fn a_moved_key_is_removed_as_by_del() {
    let master = master_or_skip!("redis-8.10");
    let node = Node::start(&[]);
    let target = Node::start(&[]);
    let scene = |port: u16| {
        let [mut client, mut watching, mut keeping, mut hearing] = [(); 4].map(|()| Client::connect(port));
        let to = format!("MIGRATE 127.0.0.1 {}", target.port);
        let mut told = Vec::new();
        client.line("CONFIG SET notify-keyspace-events KEA");
        client.line("MSET a 1 b 2 c 3 d 4");
        watching.line("WATCH a");
        keeping.line("HELLO 3");
        keeping.line("CLIENT TRACKING ON");
        keeping.line("MGET a b c d");
        hearing.line("PSUBSCRIBE __keyspace@0__:*");
        let changes = |client: &mut Client| -> i64 {
            let count = client.info("persistence", "rdb_changes_since_last_save").expect("a count");
            count.parse().expect("a number")
        };
        let before = changes(&mut client);
        begin(&mut client, &format!("{to} '' 0 10000 REPLACE KEYS a nothing b"));
        told.push(ended(&mut client));
        client.line("MULTI");
        client.line(&format!("{to} c 0 10000 REPLACE"));
        client.line("EXISTS c");
        told.push(format!("{:?}", client.line("EXEC")));
        let script = "return {redis.call('MIGRATE', '127.0.0.1', ARGV[1], KEYS[1], 0, 10000, 'REPLACE'), \
                      redis.call('EXISTS', KEYS[1]), redis.call('SET', 'end', 1)}";
        let called = client.ask(&["EVAL", script, "1", "d", &target.port.to_string()]);
        told.push(format!("{called:?}"));
        told.push(format!("{:?} keys", client.line("DBSIZE")));
        told.push(format!("{} changes", changes(&mut client) - before));
        watching.line("MULTI");
        told.push(format!("watched: {:?}", watching.line("EXEC")));
        while !told.last().is_some_and(|event| event.contains("end")) {
            told.push(format!("{:?}", hearing.read().expect("an event")));
        }
        begin(&mut keeping, "PING");
        let pushed = std::iter::from_fn(|| match keeping.read().expect("an answer") {
            push @ Frame::Push(_) => Some(format!("{push:?}")),
            _ => None,
        });
        told.extend(pushed);
        told
    };
    assert_eq!(scene(node.port), scene(master.port));
}
