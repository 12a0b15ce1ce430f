//! What clients are sent without asking: in order, to all who should hear it, and never without a bound.

use crate::harness::{Client, Frame, Node, wait_for};

fn text(frame: &Frame) -> String {
    match frame {
        Frame::Array(items) | Frame::Push(items) => {
            items.iter().map(|item| format!("{item:?}")).collect::<Vec<_>>().join(" ")
        }
        other => format!("{other:?}"),
    }
}

/// Two subscribers heard messages of two publishers in different orders.
#[test]
fn all_subscribers_hear_messages_in_the_same_order() {
    let node = Node::start(&[]);
    let mut hearers: Vec<Client> = (0..4).map(|_| node.client()).collect();
    for (at, hearer) in hearers.iter_mut().enumerate() {
        let how = if at % 2 == 0 { ["SUBSCRIBE", "c"] } else { ["PSUBSCRIBE", "?"] };
        hearer.ask(&how);
    }
    const EACH: usize = 500;
    std::thread::scope(|scope| {
        for who in ["one", "other"] {
            let node = &node;
            scope.spawn(move || {
                let requests: Vec<Vec<Vec<u8>>> = (0..EACH)
                    .map(|n| {
                        ["PUBLISH", "c", &format!("{who} {n}")].map(|word| word.as_bytes().to_vec()).to_vec()
                    })
                    .collect();
                let heard = node.client().pipeline(&requests);
                assert!(heard.iter().all(|count| *count == Frame::Int(4)));
            });
        }
    });
    let mut heard = hearers.iter_mut().map(|hearer| {
        let said = |frame: Frame| frame.items().last().expect("a message").bytes().to_vec();
        (0..2 * EACH).map(|_| said(hearer.read_soon().expect("a message"))).collect::<Vec<_>>()
    });
    let first = heard.next().expect("the first");
    assert!(heard.all(|other| other == first));
}

/// A message of the master's stream came before what stands before it in the stream could be read.
#[test]
fn what_stands_before_a_message_in_the_stream_is_visible() {
    let master = master_or_skip!("redis-8.10");
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    let mut hearer = node.client();
    hearer.ask(&["SUBSCRIBE", "n"]);
    let mut reader = node.client();
    let requests: Vec<Vec<Vec<u8>>> = (0..300)
        .flat_map(|n: i32| {
            let n = n.to_string();
            [
                vec!["MULTI".into()],
                vec!["SET".into(), "a".into(), n.clone().into_bytes()],
                vec!["SET".into(), "b".into(), n.clone().into_bytes()],
                vec!["PUBLISH".into(), "n".into(), n.into_bytes()],
                vec!["EXEC".into()],
            ]
        })
        .collect();
    master.client().pipeline(&requests);
    for n in 0..300 {
        let message = hearer.read_soon().expect("a message");
        let said: i64 = message.items()[2].text().parse().expect("a number");
        assert_eq!(said, n);
        let seen = reader.ask(&["MGET", "a", "b"]);
        for value in seen.items() {
            assert!(value.text().parse::<i64>().expect("a number") >= n, "{n}: {seen:?}");
        }
    }
}

/// A subscriber that does not read is let go at the hard limit, and the others still hear everything.
#[test]
fn who_does_not_read_is_let_go() {
    let node = Node::start(&["--client-output-buffer-limit", "pubsub 4mb 0 0"]);
    let mut deaf = node.client();
    deaf.ask(&["SUBSCRIBE", "c"]);
    let mut hearer = node.client();
    hearer.ask(&["SUBSCRIBE", "c"]);
    let mut speaker = node.client();
    let message = "x".repeat(100_000);
    let mut said = 0;
    wait_for("the one who does not read to go", || {
        let heard = speaker.ask(&["PUBLISH", "c", &message]).int();
        said += 1;
        hearer.read_soon().expect("a message");
        (heard == 1).then_some(())
    });
    assert!(said < 1000, "4 MB, and what the kernel holds: {said}");
    let counted = speaker.info("stats", "client_output_buffer_limit_disconnections");
    assert_eq!(counted.as_deref(), Some("1"));
    assert!(node.log().contains("does not read what it is sent"), "{}", node.log());
}

/// The same with the soft limit: over it for too long.
#[test]
fn who_reads_too_slowly_for_too_long_is_let_go() {
    let node = Node::start(&["--client-output-buffer-limit", "pubsub 0 1mb 1"]);
    let mut deaf = node.client();
    deaf.ask(&["SUBSCRIBE", "c"]);
    let mut speaker = node.client();
    let message = "x".repeat(100_000);
    // More than the kernel holds.
    for _ in 0..200 {
        assert_eq!(speaker.ask(&["PUBLISH", "c", &message]).int(), 1);
    }
    wait_for("the one who does not read to go", || {
        (speaker.info("stats", "client_output_buffer_limit_disconnections").as_deref() == Some("1"))
            .then_some(())
    });
    assert_eq!(speaker.ask(&["PUBSUB", "NUMSUB", "c"]).items()[1], Frame::Int(0));
}

#[test]
fn subscriptions_are_seen_and_end_with_their_client() {
    let node = Node::start(&[]);
    let mut client = node.client();
    let mut hearer = node.client();
    let id = hearer.ask(&["CLIENT", "ID"]).int().to_string();
    hearer.ask(&["SUBSCRIBE", "c"]);
    hearer.ask(&["PSUBSCRIBE", "p*"]);
    hearer.ask(&["SSUBSCRIBE", "s"]);
    let line = client.ask(&["CLIENT", "LIST", "ID", &id]).text();
    assert!(line.contains(" flags=P db=0 sub=1 psub=1 ssub=1 "), "{line}");
    for (field, value) in [("pubsub_channels", "1"), ("pubsub_patterns", "1"), ("pubsubshard_channels", "1")]
    {
        assert_eq!(client.info("stats", field).as_deref(), Some(value), "{field}");
    }
    assert_eq!(client.info("clients", "pubsub_clients").as_deref(), Some("1"));
    drop(hearer);
    wait_for("its subscriptions to end", || {
        (client.ask(&["PUBSUB", "NUMPAT"]) == Frame::Int(0)).then_some(())
    });
    assert_eq!(client.ask(&["PUBSUB", "CHANNELS"]).items().len(), 0);
    assert_eq!(client.ask(&["PUBSUB", "SHARDCHANNELS"]).items().len(), 0);
}

/// Answers that are not wanted (CLIENT REPLY) do not keep messages away.
#[test]
fn messages_come_to_who_wants_no_answers() {
    let node = Node::start(&[]);
    let mut silent = node.client();
    let mut bytes = Vec::new();
    for request in [&["CLIENT", "REPLY", "OFF"][..], &["GET", "k"], &["SUBSCRIBE", "c"], &["PING"]] {
        Client::encode(request, &mut bytes);
    }
    silent.send_raw(&bytes);
    assert!(text(&silent.read_soon().expect("the confirmation")).contains("subscribe"));
    assert_eq!(node.client().ask(&["PUBLISH", "c", "m"]), Frame::Int(1));
    assert!(text(&silent.read_soon().expect("the message")).contains("message"));
}

#[test]
fn a_pause_holds_requests_and_lets_messages_pass() {
    let node = Node::start(&[]);
    let mut hearer = node.client();
    hearer.ask(&["HELLO", "3"]);
    hearer.ask(&["SUBSCRIBE", "c"]);
    let mut operator = node.client();
    operator.line("CLIENT PAUSE 100000 WRITE");
    let mut bytes = Vec::new();
    Client::encode(&["SET", "k", "v"], &mut bytes);
    Client::encode(&["GET", "k"], &mut bytes);
    hearer.send_raw(&bytes);
    // Reads go on, and so does what is said by who was told to stop nothing but writes.
    assert_eq!(operator.ask(&["GET", "k"]), Frame::Null);
    let mut master = node.client();
    let mut publish = Vec::new();
    Client::encode(&["PUBLISH", "c", "waits too"], &mut publish);
    master.send_raw(&publish);
    operator.line("CLIENT UNPAUSE");
    assert_eq!(master.read_soon().expect("the answer"), Frame::Int(1));
    let mut came: Vec<Frame> = (0..3).map(|_| hearer.read_soon().expect("an answer")).collect();
    came.retain(|frame| !matches!(frame, Frame::Push(_)));
    assert_eq!(came, [Frame::Simple("OK".into()), Frame::Bulk(b"v".to_vec())]);
    // A pause ends by itself, too, and an operator cannot end one that holds all requests.
    operator.line("CLIENT PAUSE 100 ALL");
    assert_eq!(operator.line("CLIENT UNPAUSE"), Frame::Simple("OK".into()));
}

#[test]
fn a_pause_of_writes_holds_what_may_write() {
    let master = master_or_skip!("redis-8.10");
    let node = Node::start(&[]);
    let held: &[&[&[&str]]] = &[
        &[&["EVAL", "return redis.call('incr', 'n')", "0"]],
        &[&["EVAL", "#!lua\nreturn 2", "0"]],
        &[&["EVALSHA", "ffffffffffffffffffffffffffffffffffffffff", "0"]],
        &[&["FCALL", "nosuch", "0"]],
        &[&["PFCOUNT", "h"]],
        &[&["PUBLISH", "c", "m"]],
        &[&["MULTI"], &["EVAL", "return 1", "0"], &["EXEC"]],
    ];
    let passing: &[&[&str]] = &[
        &["GET", "n"],
        &["EVAL_RO", "return redis.call('get', 'n')", "0"],
        &["EVAL", "#!lua flags=no-writes\nreturn 3", "0"],
        &["EXISTS", "n"],
    ];
    let [here, there] = [node.port, master.port].map(|port| {
        let mut operator = Client::connect(port);
        operator.line("CLIENT PAUSE 1000000 WRITE");
        let mut waiting: Vec<Client> = held
            .iter()
            .map(|requests| {
                let (mut client, mut bytes) = (Client::connect(port), Vec::new());
                requests.iter().for_each(|words| Client::encode(words, &mut bytes));
                client.send_raw(&bytes);
                client
            })
            .collect();
        wait_for("all to wait", || {
            let blocked = operator.info("clients", "blocked_clients");
            (blocked == Some(held.len().to_string())).then_some(())
        });
        let mut told: Vec<Frame> = passing.iter().map(|words| operator.ask(words)).collect();
        operator.line("CLIENT UNPAUSE");
        for (client, requests) in waiting.iter_mut().zip(held) {
            told.extend(requests.iter().map(|_| client.read_soon().expect("an answer")));
        }
        told.push(operator.line("GET n"));
        told
    });
    assert_eq!(here, there);
}

/// A subscriber whose connection was taken over by another thread heard nothing any more.
#[test]
fn subscribers_are_heard_while_threads_are_busy() {
    let node = Node::start(&[]);
    let mut hearers: Vec<Client> = (0..8).map(|_| node.client()).collect();
    for hearer in &mut hearers {
        hearer.ask(&["HELLO", "3"]);
        hearer.ask(&["SUBSCRIBE", "c"]);
    }
    let mut speaker = node.client();
    let get = |n: usize| ["GET", &format!("k{n}")].map(|word| word.as_bytes().to_vec()).to_vec();
    for round in 0..20 {
        // Enough work for a thread to give connections away.
        for hearer in &mut hearers {
            let requests: Vec<_> = (0..2000).map(get).collect();
            assert_eq!(hearer.pipeline(&requests).len(), 2000);
        }
        assert_eq!(speaker.ask(&["PUBLISH", "c", &round.to_string()]), Frame::Int(8));
        for hearer in &mut hearers {
            let message = hearer.read_soon().expect("a message");
            assert_eq!(message.items()[2].text(), round.to_string());
        }
    }
}

/// Invalidations of a client of RESP2 go to another connection, which hears of them in a channel.
#[test]
fn another_connection_hears_what_has_changed() {
    let node = Node::start(&[]);
    let mut writer = node.client();
    for protocol in ["2", "3"] {
        let mut hearer = node.client();
        hearer.ask(&["HELLO", protocol]);
        let id = hearer.ask(&["CLIENT", "ID"]).int().to_string();
        if protocol == "2" {
            hearer.ask(&["SUBSCRIBE", "__redis__:invalidate"]);
        }
        let mut reader = node.client();
        reader.line(&format!("CLIENT TRACKING ON REDIRECT {id}"));
        assert_eq!(reader.ask(&["CLIENT", "GETREDIR"]).int().to_string(), id);
        let line = writer.ask(&["CLIENT", "LIST"]).text();
        assert!(line.contains(&format!(" redir={id} ")) && line.contains(" flags=t "), "{line}");
        reader.ask(&["GET", "k"]);
        writer.line("SET k v");
        let message = hearer.read_soon().expect("a message");
        assert_eq!(message.items().last().expect("keys").items()[0].text(), "k");
        writer.line("FLUSHALL");
        let message = hearer.read_soon().expect("a message");
        assert_eq!(message.items().last(), Some(&Frame::Null));
        // It is gone: the reader is told, or can ask.
        drop(hearer);
        wait_for("the redirect to be found broken", || {
            reader.ask(&["GET", "k"]);
            writer.line("SET k v");
            let info = text(&reader.ask(&["CLIENT", "TRACKINGINFO"]));
            info.contains("broken_redirect").then_some(())
        });
    }
}

/// A client that keeps what it reads, and drops what it is told has changed, held an old value for ever.
#[test]
fn nobody_keeps_an_old_value() {
    let master = master_or_skip!("redis-8.10");
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    const KEYS: usize = 20;
    const ROUNDS: usize = 3000;
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|reader| {
                let node = &node;
                scope.spawn(move || {
                    let mut client = node.client();
                    client.ask(&["HELLO", "3"]);
                    client.line("CLIENT TRACKING ON");
                    let mut random = crate::harness::Random::new(reader);
                    let mut kept: std::collections::HashMap<String, Frame> = Default::default();
                    // Until it has heard of the end, and holds what is last of every key.
                    loop {
                        let key = match random.below(KEYS as u64 + 1) {
                            at if at < KEYS as u64 => format!("k{at}"),
                            _ => String::from("end"),
                        };
                        if !kept.contains_key(&key) {
                            let mut bytes = Vec::new();
                            Client::encode(&["GET", &key], &mut bytes);
                            client.send_raw(&bytes);
                            loop {
                                match client.read_soon().expect("an answer") {
                                    Frame::Push(items) => forget(&mut kept, &items),
                                    value => {
                                        kept.insert(key.clone(), value);
                                        break;
                                    }
                                }
                            }
                        }
                        if kept.get("end").is_some_and(|end| *end != Frame::Null) {
                            return (client, kept);
                        }
                        if kept.len() == KEYS + 1 {
                            match client.read_soon().expect("a message") {
                                Frame::Push(items) => forget(&mut kept, &items),
                                other => panic!("{other:?}"),
                            }
                        }
                    }
                })
            })
            .collect();
        let mut writer = master.client();
        let mut random = crate::harness::Random::new(99);
        for round in 0..ROUNDS {
            let key = format!("k{}", random.below(KEYS as u64));
            match random.below(10) {
                0 => drop(writer.ask(&["DEL", &key])),
                1 => drop(writer.ask(&["MSET", &key, &round.to_string(), "k0", &round.to_string()])),
                2 if random.one_in(20) => drop(writer.ask(&["FLUSHALL"])),
                _ => drop(writer.ask(&["SET", &key, &round.to_string()])),
            }
        }
        writer.line("SET end yes");
        node.wait_caught_up(&master);
        let mut now = node.client();
        for reader in readers {
            let (mut client, mut kept) = reader.join().expect("a reader");
            // Everything that was told before this answer.
            let mut bytes = Vec::new();
            Client::encode(&["PING"], &mut bytes);
            client.send_raw(&bytes);
            while let Frame::Push(items) = client.read_soon().expect("an answer") {
                forget(&mut kept, &items);
            }
            for (key, value) in kept {
                assert_eq!(now.ask(&["GET", &key]), value, "{key}");
            }
        }
    });
}

fn forget(kept: &mut std::collections::HashMap<String, Frame>, message: &[Frame]) {
    assert_eq!(message[0].text(), "invalidate");
    match &message[1] {
        Frame::Null => kept.clear(),
        keys => keys.items().iter().for_each(|key| drop(kept.remove(&key.text()))),
    }
}

/// A full sync with another master left clients with what they had read from the one before.
#[test]
fn a_new_data_set_is_told_to_those_who_keep_keys() {
    let one = master_or_skip!("redis-8.10");
    let other = master_or_skip!("redis-8.10");
    one.client().line("SET k one");
    other.client().line("SET k other");
    let node = Node::replica_of(&one);
    node.wait_state("streaming");
    let mut client = node.client();
    client.ask(&["HELLO", "3"]);
    client.line("CLIENT TRACKING ON");
    assert_eq!(client.ask(&["GET", "k"]).text(), "one");
    node.client().line(&format!("REPLICAOF 127.0.0.1 {}", other.port));
    let message = client.read_soon().expect("a message");
    assert_eq!(message, Frame::Push(vec![Frame::Bulk(b"invalidate".to_vec()), Frame::Null]));
    assert_eq!(client.ask(&["GET", "k"]).text(), "other");
}

/// Another protocol within a transaction: what was said meanwhile comes behind all of its answers.
#[test]
fn nothing_comes_between_the_answers_of_a_transaction() {
    let master = master_or_skip!("redis-8.10");
    let node = Node::start(&[]);
    let ask = |port| {
        let mut client = Client::connect(port);
        client.ask(&["HELLO", "3"]);
        client.line("SUBSCRIBE news");
        client.line("MULTI");
        for words in [&["PUBLISH", "news", "hi"][..], &["HELLO", "3"], &["ECHO", "last"]] {
            client.ask(words);
        }
        let Frame::Array(mut answers) = client.ask(&["EXEC"]) else { panic!("no array") };
        // It tells the server's version.
        assert!(matches!(answers.remove(1), Frame::Map(_)));
        (answers, client.read_soon().expect("the message"), client.ask(&["PING"]))
    };
    assert_eq!(ask(node.port), ask(master.port));
}

/// A client that waited for a stream and keeps what came hears of the entry that woke it, is answered, and hears of the
/// next: as at a real replica.
#[test]
fn who_waited_for_a_stream_hears_of_the_next_change() {
    let master = master_or_skip!("redis-8.10", "--repl-diskless-sync-delay", "0");
    let real = master.real_replica();
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    let mut writer = master.client();
    for mode in ["", "OPTIN"] {
        for round in 0..20 {
            let key = format!("stream:{mode}:{round}");
            let mut hear = |mut client: Client, mut other: Client, start: u32| -> Vec<String> {
                client.ask(&["HELLO", "3"]);
                client.line(&format!("CLIENT TRACKING ON {mode}"));
                if mode == "OPTIN" {
                    client.line("CLIENT CACHING YES");
                }
                client.send_raw(format!("XREAD BLOCK 0 STREAMS {key} $\r\n").as_bytes());
                wait_for("a client that waits", || {
                    (other.info("clients", "blocked_clients")? == "1").then_some(())
                });
                let mut heard = Vec::new();
                for (id, messages) in [(start, 2), (start + 1, 1)] {
                    writer.line(&format!("XADD {key} {id}-1 a b"));
                    for _ in 0..messages {
                        heard.push(format!("{:?}", client.read_soon().expect("a message")));
                    }
                }
                // What was said before the request that waited held for that one.
                client.line(&format!("GET other:{key}"));
                heard.push(format!("{:?}", client.line("CLIENT TRACKINGINFO")));
                heard.iter().map(|text| text.replace(&format!("{start}-1"), "ID")).collect()
            };
            let ours = hear(node.client(), node.client(), 1);
            assert_eq!(ours, hear(real.client(), real.client(), 3), "{mode}, round {round}");
        }
    }
}

#[test]
fn more_keys_than_may_be_tracked_are_told_as_changed() {
    let node = Node::start(&[]);
    node.set("tracking-table-max-keys", "10");
    let mut client = node.client();
    client.ask(&["HELLO", "3"]);
    client.line("CLIENT TRACKING ON");
    let mut told = 0;
    for n in 0..30 {
        let mut bytes = Vec::new();
        Client::encode(&["GET", &format!("k{n}")], &mut bytes);
        client.send_raw(&bytes);
        while let Frame::Push(_) = client.read_soon().expect("an answer") {
            told += 1;
        }
    }
    let mut other = node.client();
    let fields = ["tracking_total_keys", "tracking_total_items"].map(|field| other.info("stats", field));
    assert_eq!(fields, [Some("10".into()), Some("10".into())]);
    // The last one's may still be on its way.
    assert!(told == 20 || told == 19, "{told}");
    drop(client);
    wait_for("the table to be empty", || {
        (other.info("stats", "tracking_total_keys").as_deref() == Some("0")).then_some(())
    });
}

/// The lines of MONITOR, without what differs: the time and the other side's port.
fn seen(client: &mut Client, count: usize) -> Vec<String> {
    let line = |frame: Frame| {
        let text = frame.text();
        let (_, rest) = text.split_once('[').expect("a line");
        let (who, words) = rest.split_once("] ").expect("who and what");
        let (db, by) = who.split_once(' ').expect("a database");
        let by = if by == "lua" { "lua" } else { "client" };
        format!("{db} {by} {words}")
    };
    (0..count).map(|_| line(client.read_soon().expect("a line"))).collect()
}

#[test]
fn requests_are_seen_as_a_real_server_shows_them() {
    let real = master_or_skip!("redis-8.10");
    let node = Node::start(&[]);
    let mut shown = Vec::new();
    for connect in [&|| real.client(), &|| node.client()] as [&dyn Fn() -> Client; 2] {
        let mut monitor = connect();
        monitor.line("MONITOR");
        let mut client = connect();
        for words in [
            &["CLIENT", "ID"][..],
            &["GET", "k"],
            &["SET", "a\r\n\"b", "x"],
            &["AUTH", "foo", "bar"],
            &["HELLO", "3", "AUTH", "default", "pw"],
            &["CONFIG", "SET", "timeout", "0"],
            &["MULTI"],
            &["SET", "k", "v"],
            &["GET", "k"],
            &["EXEC"],
            &["EVAL", "return redis.call('set', 'x', 'y')", "0"],
            &["SELECT", "3"],
            &["MSET", "a", "1", "b", "2"],
            &["NOSUCH"],
            &["GET"],
            &["EXPIRE", "a", "100"],
            &["PUBLISH", "c", "m"],
        ] {
            client.ask(words);
        }
        shown.push(seen(&mut monitor, 15));
    }
    assert_eq!(shown[1], shown[0]);
}

#[test]
fn a_masters_requests_are_seen_as_a_real_replica_shows_them() {
    let master = master_or_skip!("redis-8.10");
    let real = master.real_replica();
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    let mut client = master.client();
    client.line("SET before x");
    node.wait_caught_up(&master);
    wait_for("the real replica's data", || {
        (real.client().ask(&["EXISTS", "before"]) == Frame::Int(1)).then_some(())
    });
    let mut monitors = [real.client(), node.client()];
    monitors.iter_mut().for_each(|monitor| drop(monitor.line("MONITOR")));
    for line in
        ["SET k v", "MULTI", "SET k w", "INCR n", "EXEC", "PUBLISH ch hi", "SELECT 3", "SET q v", "FLUSHALL"]
    {
        client.line(line);
    }
    let [there, here] = monitors.each_mut().map(|monitor| {
        let mut lines = Vec::new();
        while lines.last().is_none_or(|last: &String| !last.contains("FLUSHALL")) {
            lines.extend(seen(monitor, 1));
        }
        lines.retain(|line| !line.contains("\"ping\"") && !line.contains("\"PING\""));
        lines
    });
    assert_eq!(here, there);
}

#[test]
fn clients_are_chosen_by_what_they_are() {
    let node = Node::start(&[]);
    let mut one = node.client();
    one.line("CLIENT SETNAME one");
    one.line("SELECT 5");
    one.line("CLIENT SETINFO LIB-NAME mylib");
    let mut hearer = node.client();
    hearer.ask(&["SUBSCRIBE", "c"]);
    let mut client = node.client();
    let ids: Vec<String> =
        [&mut one, &mut client].map(|client| client.ask(&["CLIENT", "ID"]).int().to_string()).to_vec();
    let mut count = |words: &str| {
        let words: Vec<&str> = ["CLIENT", "LIST"].into_iter().chain(words.split(' ')).collect();
        client.ask(&words).text().lines().count()
    };
    for (words, expected) in [
        ("NAME one", 1),
        ("NAME none", 0),
        ("NOT-NAME one", 2),
        ("DB 5", 1),
        ("LIB-NAME mylib", 1),
        ("TYPE pubsub", 1),
        ("TYPE normal", 2),
        ("NOT-TYPE normal", 1),
        ("FLAGS P", 1),
        ("NOT-FLAGS P", 2),
        ("IP 127.0.0.1", 3),
        ("IP 127.0.0.2", 0),
        ("USER default SKIPME yes", 2),
        ("IDLE 1000", 0),
        ("NOT-IDLE 1000", 3),
    ] {
        assert_eq!(count(words), expected, "{words}");
    }
    assert_eq!(count(&format!("ID {} {}", ids[0], ids[1])), 2);
    assert_eq!(client.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]), Frame::Int(1));
    assert!(hearer.read_soon().is_err());
    assert_eq!(client.ask(&["CLIENT", "KILL", "NAME", "one", "DB", "5"]), Frame::Int(1));
    assert!(one.read_soon().is_err());
}
