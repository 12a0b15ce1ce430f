//! HOTKEYS beside a real server: whose requests cost what, on a replica, after a promotion, and on a node that follows
//! nobody. Bytes are compared to the last one; of times only which key took most.

use std::collections::BTreeMap;

use crate::harness::{Client, Frame, Node, wait_for};

const SERVER: &str = "redis-8.10";

/// The names and figures that a list pairs.
fn pairs(list: &Frame) -> Vec<(String, i64)> {
    list.items().chunks(2).map(|pair| (pair[0].text(), pair[1].int())).collect()
}

/// What HOTKEYS GET tells, by its fields.
fn told(client: &mut Client) -> BTreeMap<String, Frame> {
    let answer = client.line("HOTKEYS GET");
    let [only] = answer.items() else { panic!("{answer:?}") };
    match only {
        Frame::Map(pairs) => pairs.iter().map(|(name, value)| (name.text(), value.clone())).collect(),
        flat => flat.items().chunks(2).map(|pair| (pair[0].text(), pair[1].clone())).collect(),
    }
}

fn figure(client: &mut Client, name: &str) -> i64 {
    told(client).get(name).unwrap_or_else(|| panic!("no {name}")).int()
}

/// Everything that is told of bytes: of all requests, of those counted by key, and the keys. Keys with as many have no
/// order that a real server keeps.
fn bytes(client: &mut Client) -> (i64, i64, Vec<(i64, String)>) {
    let told = told(client);
    let mut keys: Vec<_> = pairs(&told["by-net-bytes"]).into_iter().map(|(key, sum)| (-sum, key)).collect();
    assert!(keys.is_sorted_by_key(|(sum, _)| *sum), "{keys:?}");
    keys.sort();
    (told["net-bytes-all-commands-all-slots"].int(), told["total-net-bytes"].int(), keys)
}

/// Waits until both tell the same of bytes: of what the master sends it is told a moment after it can be read.
fn wait_for_same_bytes(real: &mut Client, ours: &mut Client, what: &str) {
    let theirs = bytes(real);
    let mut last = None;
    let same = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        wait_for(what, || {
            last = Some(bytes(ours));
            (last.as_ref() == Some(&theirs)).then_some(())
        });
    }));
    assert!(same.is_ok(), "{what}: {last:?} instead of {theirs:?}");
}

/// Asks, whatever it is answered: that is compared elsewhere.
fn ask(client: &mut Client, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    client.ask(&words);
}

fn start(client: &mut Client, options: &str) {
    assert_eq!(client.line(&format!("HOTKEYS START {options}")), Frame::Simple("OK".into()), "{options}");
}

/// What a master's clients write, in the words that reach replicas in many ways.
const WRITES: &[&[&str]] = &[
    &["SET hot 1", "SET hot 2", "SET hot 3 EX 100", "GET hot", "DEL nosuch", "DEL hot"],
    &["MSET a 1 b 22 c 333", "INCR n", "GETEX a EX 100", "GETDEL a"],
    &["MULTI", "SET b 1", "INCR n", "PING", "RPUSH list x y z", "EXEC"],
    &["SELECT 3", "SET hot there", "SELECT 0"],
    &["SADD set 1 2 3", "SPOP set", "SUNIONSTORE union set set", "RENAME union other"],
    &["LMOVE list list2 LEFT RIGHT", "SORT list ALPHA STORE sorted", "PUBLISH hot news"],
    &["XADD stream 1-1 f v", "XGROUP CREATE stream g 0", "XREADGROUP GROUP g c STREAMS stream >"],
];

const SCRIPT: &str =
    "redis.call('set', KEYS[1], 'x') redis.call('incr', 'n') return redis.call('get', KEYS[1])";

/// What clients ask of a replica, right and wrong.
const READS: &[&str] = &[
    "GET hot",
    "GET n",
    "GET n",
    "GET nosuch",
    "MGET n n b nosuch n",
    "EXISTS b c",
    "LRANGE list 0 -1",
    "LPOS list x",
    "GET list",
    "OBJECT ENCODING list",
    "XRANGE stream - +",
    "XREAD COUNT 1 STREAMS stream list2 0 0",
    "SORT_RO list2 BY nosort",
    "WATCH n",
    "UNWATCH",
    "PING",
    "DBSIZE",
    "KEYS *",
    "GET",
    "SET n 1",
    "NOSUCH n",
    "TYPE stream",
    "SINTERCARD 2 set other LIMIT x",
    "SINTERCARD x set other",
    "MULTI",
    "GET n",
    "PING",
    "GET list",
    "MGET b c",
    "EXEC",
    "MULTI",
    "GET b",
    "DISCARD",
    "CLIENT REPLY ON",
];

#[test]
fn a_replica_counts_what_its_master_sends_and_what_it_is_asked() {
    let master = master_or_skip!(SERVER, "--repl-diskless-sync-delay", "0");
    let Some(real) = master.replica(&[]) else { return };
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    let mut source = master.client();
    let (mut theirs, mut ours) = (real.client(), node.client());
    for client in [&mut theirs, &mut ours] {
        start(client, "METRICS 2 NET CPU COUNT 64");
    }
    for unit in WRITES {
        for line in *unit {
            assert!(!source.line(line).is_error(), "{line}");
        }
        real.wait_caught_up(&master);
        node.wait_caught_up(&master);
        wait_for_same_bytes(&mut theirs, &mut ours, unit[0]);
    }
    source.ask(&["EVAL", SCRIPT, "1", "of script"]);
    real.wait_caught_up(&master);
    node.wait_caught_up(&master);
    wait_for_same_bytes(&mut theirs, &mut ours, "a script");
    // By other connections than the one that has begun.
    let mut readers = [real.client(), node.client()];
    for line in READS {
        for reader in &mut readers {
            ask(reader, line);
        }
        wait_for_same_bytes(&mut theirs, &mut ours, line);
    }
    for reader in &mut readers {
        reader.line("HELLO 3");
        reader.line("GET nosuch");
        reader.ask(&["EVAL_RO", "return redis.call('get', KEYS[1]) .. redis.call('get', 'b')", "1", "n"]);
        // Not answered, and so not with the bytes of an answer.
        reader.send_raw(b"CLIENT REPLY OFF\r\n*2\r\n$3\r\nGET\r\n$1\r\nn\r\n");
        assert_eq!(reader.line("CLIENT REPLY ON"), Frame::Simple("OK".into()));
    }
    wait_for_same_bytes(&mut theirs, &mut ours, "RESP3, scripts and no answers");
    // The fields are those of the metrics, in either protocol.
    for metrics in ["2 NET CPU", "1 CPU", "1 NET", "2 CPU nosuch"] {
        let shapes = [&mut theirs, &mut ours].map(|client| {
            client.line("HOTKEYS STOP");
            start(client, &format!("METRICS {metrics} SAMPLE 3"));
            let mut shape = Vec::new();
            for (protocol, ends) in [("2", false), ("3", true)] {
                client.ask(&["HELLO", protocol]);
                shape.push(blanked(&client.line("HOTKEYS GET")));
                if ends {
                    client.line("HOTKEYS STOP");
                    shape.push(blanked(&client.line("HOTKEYS GET")));
                }
            }
            client.line("HELLO 2");
            shape
        });
        assert_eq!(shapes[0], shapes[1], "{metrics}");
    }
}

/// An answer without the figures that are not the same twice.
fn blanked(frame: &Frame) -> Frame {
    const FIXED: [&str; 3] = ["tracking-active", "sample-ratio", "selected-slots"];
    let one = |name: &Frame, value: &Frame| match value {
        Frame::Int(_) if !FIXED.contains(&&*name.text()) => Frame::Int(0),
        other => other.clone(),
    };
    let [only] = frame.items() else { panic!("{frame:?}") };
    match only {
        Frame::Map(pairs) => {
            Frame::Map(pairs.iter().map(|(name, value)| (name.clone(), one(name, value))).collect())
        }
        flat => {
            let pairs = flat.items().chunks(2);
            Frame::Array(pairs.flat_map(|pair| [pair[0].clone(), one(&pair[0], &pair[1])]).collect())
        }
    }
}

#[test]
fn who_takes_most_stands_first_however_many_are_asked_for() {
    let master = master_or_skip!(SERVER, "--repl-diskless-sync-delay", "0");
    let Some(real) = master.replica(&[]) else { return };
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    // The long script is to come to its end.
    node.set("script-hold-max", "60000");
    let mut source = master.client();
    source.ask(&["SET", "large", &"x".repeat(100_000)]);
    source.line("SET small x");
    real.wait_caught_up(&master);
    node.wait_caught_up(&master);
    let ranked = [real.port, node.port].map(|port| {
        let mut client = Client::connect(port);
        start(&mut client, "METRICS 2 CPU NET COUNT 5");
        // Many at once, on several connections: five keys among twenty thousand that are asked for once.
        std::thread::scope(|scope| {
            for thread in 0..4u32 {
                scope.spawn(move || {
                    let mut client = Client::connect(port);
                    let get = |key: String| vec![b"GET".to_vec(), key.into_bytes()];
                    let requests: Vec<_> = (0..1000u32)
                        .flat_map(|turn| {
                            let hot = (0..5).filter(move |hot| turn % (hot + 1) == 0);
                            let hot = hot.map(move |hot| get(format!("hot:{hot}:{}", "x".repeat(40))));
                            hot.chain((0..5).map(move |cold| get(format!("cold:{cold}:{thread}:{turn}"))))
                        })
                        .collect();
                    requests.chunks(100).for_each(|some| drop(client.pipeline(some)));
                });
            }
        });
        // Much time for no bytes, and many bytes in no time.
        let loops = "local n = 0 for i = 1, 20000000 do n = n + i end return 1";
        assert_eq!(client.ask(&["EVAL_RO", loops, "1", "slow"]), Frame::Int(1));
        for _ in 0..20 {
            client.line("GET large");
            client.line("GET small");
        }
        assert_eq!(client.line("HOTKEYS STOP"), Frame::Simple("OK".into()));
        let told = told(&mut client);
        let by_time = pairs(&told["by-cpu-time-us"]);
        assert!(by_time.is_sorted_by(|(_, one), (_, other)| one >= other), "{by_time:?}");
        // Where there are many keys a real server estimates by chance, and may not tell of this one.
        assert!(by_time.len() <= 5 && (port == real.port || by_time[0].0 == "slow"), "{by_time:?}");
        assert!(by_time[0].1 <= told["all-commands-all-slots-us"].int(), "{told:?}");
        (told["net-bytes-all-commands-all-slots"].int(), pairs(&told["by-net-bytes"]))
    });
    let [(all_theirs, _), (all_ours, ours)] = &ranked;
    assert_eq!(all_theirs, all_ours);
    // Here those that are hot from the beginning are counted exactly.
    let name = |hot: i64| format!("hot:{hot}:{}", "x".repeat(40));
    let request = |key: &str| "*2\r\n$3\r\nGET\r\n$\r\n\r\n".len() + key.len().to_string().len() + key.len();
    let missing = |hot: i64| (request(&name(hot)) + "$-1\r\n".len()) as i64;
    let large = (20 * (request("large") + "$100000\r\n\r\n".len() + 100_000)) as i64;
    let expected = (0..4).map(|hot| (name(hot), 4 * ((1000 + hot) / (hot + 1)) * missing(hot)));
    let expected: Vec<_> = [("large".to_owned(), large)].into_iter().chain(expected).collect();
    assert_eq!(*ours, expected);
}

#[test]
fn a_session_outlives_a_promotion_and_ends_by_itself() {
    let master = master_or_skip!(SERVER, "--repl-diskless-sync-delay", "0");
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    // One that never had replicas: once it has, what writes put into the backlog counts too, and here there is none.
    let real = master_or_skip!(SERVER);
    let (mut theirs, mut ours) = (real.client(), node.client());
    for client in [&mut theirs, &mut ours] {
        start(client, "METRICS 1 NET COUNT 64");
        client.line("REPLICAOF NO ONE");
        for line in [
            "SET a 1",
            "SET a 2 NX",
            "INCR a",
            "LPUSH a x",
            "MSET b 1 c 2 d 3",
            "MULTI",
            "SET b 22",
            "DEL c nosuch",
            "LPUSH b x",
            "EXEC",
            "RPUSH list 1 2 3",
            "BLPOP nosuch list 0",
            "BLPOP nosuch 0.01",
            "LMPOP 2 nosuch list LEFT",
            "FLUSHALL",
        ] {
            ask(client, line);
        }
        client.ask(&["EVAL", SCRIPT, "1", "of script"]);
    }
    wait_for_same_bytes(&mut theirs, &mut ours, "as a master");
    // What comes behind START in one piece is counted.
    let pipelined = [real.port, node.port].map(|port| {
        let mut client = Client::connect(port);
        client.line("HOTKEYS STOP");
        let lines = ["HOTKEYS START METRICS 1 NET", "SET p 1", "GET p", "HOTKEYS STOP", "GET p", "GET p"];
        let requests: Vec<_> =
            lines.iter().map(|line| line.split(' ').map(|word| word.as_bytes().to_vec()).collect()).collect();
        client.pipeline(&requests);
        bytes(&mut client)
    });
    assert_eq!(pipelined[0], pipelined[1]);
    for client in [&mut theirs, &mut ours] {
        start(client, "METRICS 1 NET SAMPLE 1 DURATION 1");
        client.line("SET a 1");
        wait_for("the end of a session", || (figure(client, "tracking-active") == 0).then_some(()));
        assert!((1000..60_000).contains(&figure(client, "collection-duration-ms")));
        assert_eq!(client.info("hotkeys", "hotkeys-tracking-active").as_deref(), Some("0"));
        client.line("GET a");
        assert_eq!(bytes(client).2, [(-32, "a".to_owned())]);
        assert_eq!(client.line("HOTKEYS STOP"), Frame::Null);
        assert_eq!(client.line("HOTKEYS RESET"), Frame::Simple("OK".into()));
        assert_eq!(client.line("HOTKEYS GET"), Frame::Null);
    }
}
