//! What INFO, CONFIG GET and MEMORY STATS tell, field by field: what a real server tells of itself, or a reason why not.
//!
//! Owns the comparison; the reasons stand in `fields.txt`. Figures are compared by their kind alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use storage::glob;

use crate::harness::{Client, Frame, Master, Node, wait_for};

/// Field by field, what kind of value it has.
type Fields = BTreeMap<String, String>;

/// What kind of value this is; of a list, the names in it.
fn kind(value: &str) -> String {
    if value.contains('=') {
        let names: Vec<&str> =
            value.split(',').map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name)).collect();
        return format!("a list of {}", names.join(" "));
    }
    kind_of_one(value).to_owned()
}

fn kind_of_one(value: &str) -> &'static str {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = value.strip_prefix('-').unwrap_or(value);
    match unsigned.split_once('.') {
        None if is_number(unsigned) => "integer",
        Some((whole, rest)) if is_number(whole) && is_number(rest) => "decimal",
        Some((whole, rest)) if is_number(whole) && rest.strip_suffix('%').is_some_and(is_number) => "percent",
        _ => "text",
    }
}

/// The fields of INFO; those that are named by commands, databases and the like count once.
fn info(client: &mut Client) -> Fields {
    const NAMED: &[&str] =
        &["cmdstat_", "latency_percentiles_usec_", "errorstat_", "db", "listener", "io_thread_", "slave"];
    let told = client.ask(&["INFO", "everything"]).text();
    let lines = told.lines().filter(|line| !line.is_empty());
    let mut section = String::new();
    let mut fields = Fields::new();
    for line in lines {
        if let Some(title) = line.strip_prefix("# ") {
            section = title.to_lowercase();
            fields.insert(format!("section {section}"), String::from("section"));
        } else if let Some((name, value)) = line.split_once(':') {
            let named = NAMED.iter().find(|prefix| name.starts_with(**prefix) && value.contains('='));
            let name = named.map_or_else(|| name.to_owned(), |prefix| format!("{prefix}*"));
            fields.insert(format!("{section} {name}"), kind(value));
        }
    }
    fields
}

fn config(client: &mut Client) -> Fields {
    let told = client.ask(&["CONFIG", "GET", "*"]);
    // What a value is written like is its own matter: "0" may be a size.
    told.items().chunks(2).map(|pair| (format!("config {}", pair[0].text()), String::from("value"))).collect()
}

fn memory_stats(client: &mut Client) -> Fields {
    let told = client.ask(&["MEMORY", "STATS"]);
    let fields = told.items().chunks(2).map(|pair| {
        let kind = match &pair[1] {
            Frame::Int(_) => "integer",
            Frame::Bulk(_) => "decimal",
            _ => "map",
        };
        (format!("memory-stats {}", pair[0].text()), kind.to_owned())
    });
    fields.collect()
}

#[test]
fn what_can_be_changed_takes_its_own_value_and_the_rest_says_that_it_cannot() {
    let node = Node::start(&[]);
    let mut client = node.client();
    let told = client.ask(&["CONFIG", "GET", "*"]);
    let mut fixed = 0;
    for pair in told.items().chunks(2) {
        let (name, value) = (pair[0].text(), pair[1].text());
        match client.ask(&["CONFIG", "SET", &name, &value]) {
            Frame::Simple(said) => assert_eq!(said, "OK", "{name}"),
            Frame::Error(text) => {
                let cannot = [
                    "can't set immutable config",
                    "can't set protected config",
                    // What Redis can change.
                    "it is fixed at the start here",
                ];
                assert!(cannot.iter().any(|why| text.ends_with(why)), "{name} {value}: {text}");
                fixed += 1;
            }
            other => panic!("{name}: {other:?}"),
        }
        assert_eq!(client.ask(&["CONFIG", "GET", &name]).items()[1].text(), value, "{name}");
    }
    assert!(fixed > 0, "the port cannot change");
    client.line("REPLICAOF 127.0.0.1 1");
    client.line("CONFIG SET replica-priority 0 replica-announced no");
    assert_eq!(client.info("replication", "slave_priority").as_deref(), Some("0"));
    assert_eq!(client.info("replication", "replica_announced").as_deref(), Some("0"));
}

#[test]
fn how_long_keys_still_live_is_told_where_somebody_walks_over_them() {
    let node = Node::start(&[]);
    let mut client = node.client();
    client.line("SET a 1 EX 1000");
    client.line("SET b 1 EX 3000");
    client.line("SET c 1");
    wait_for("an average of 2000 seconds", || {
        let told = client.info("keyspace", "db0")?;
        let average: u64 = told.split("avg_ttl=").nth(1)?.split(',').next()?.parse().ok()?;
        (average > 1_900_000 && average <= 2_000_000).then_some(())
    });
}

/// After each of these as many hashes have fields with deadlines as at a real server.
const FIELD_DEADLINES: &[&str] = &[
    "HSET h a 1 b 2",
    "HPEXPIRE h 100000 FIELDS 1 a",
    "HPEXPIRE h 100000 FIELDS 1 b",
    "HSET h a 2",
    "HSET h c 2",
    "COPY h h2",
    "RENAME h h3",
    "RENAME h3 h2",
    "HPERSIST h2 FIELDS 2 a b",
    "HSETEX h2 PX 100000 FIELDS 1 a x",
    "HGETEX h2 PERSIST FIELDS 1 a",
    "HGETEX h2 PX 100000 FIELDS 1 a",
    "EXPIRE h2 1000",
    "MOVE h2 1",
    "SELECT 1",
    "HDEL h2 a",
    "HPEXPIRE h2 100000 FIELDS 1 c",
    "HDEL h2 c",
    "HPEXPIRE h2 100000 FIELDS 1 b",
    "SET h2 x",
    "HSET h2 a 1",
    "DEL h2",
    "HSET big long-field xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx g 1",
    "HPEXPIRE big 100000 FIELDS 1 long-field",
    "HPEXPIRE big 100000 FIELDS 1 g",
    "HPEXPIRE big 0 FIELDS 1 g",
    "HPERSIST big FIELDS 1 long-field",
    "HPEXPIRE big 100000 FIELDS 1 long-field",
    "SWAPDB 0 1",
    "FLUSHALL",
];

#[test]
fn hashes_whose_fields_have_deadlines_are_counted() {
    let master = master_or_skip!("redis-8.10");
    let node = Node::start(&[]);
    let replica = Node::replica_of(&master);
    replica.wait_state("streaming");
    let (mut theirs, mut ours, mut follower) = (master.client(), node.client(), replica.client());
    let counts = |client: &mut Client| -> Vec<(String, String)> {
        let text = client.line("INFO keyspace").text();
        let of_db = |line: &str| {
            let (db, fields) = line.split_once(':')?;
            Some((db.to_owned(), fields.split_once("subexpiry=")?.1.to_owned()))
        };
        text.lines().filter_map(of_db).collect()
    };
    for line in FIELD_DEADLINES {
        let words: Vec<&str> = line.split(' ').collect();
        let (there, here) = (theirs.ask(&words), ours.ask(&words));
        assert_eq!(there.is_error(), here.is_error(), "{line}: {there:?} {here:?}");
        let mut there = counts(&mut theirs);
        if line.contains("PERSIST") {
            // A real one counts it until the moment when the field would have gone.
            there.iter_mut().for_each(|(_, count)| *count = String::from("0"));
        }
        assert_eq!(counts(&mut ours), there, "{line}");
        replica.wait_caught_up(&master);
        assert_eq!(counts(&mut follower), there, "{line}, of the stream");
    }
}

#[test]
fn threads_tell_what_they_have_read_and_written() {
    let node = Node::start(&[]);
    let mut clients: Vec<Client> = (0..5).map(|_| node.client()).collect();
    clients.iter_mut().for_each(|client| drop(client.line("PING")));
    // One text, so that nothing comes between.
    let text = node.client().line("INFO threads stats clients").text();
    let of = |name: &str| -> u64 {
        let value = text.lines().find_map(|line| line.strip_prefix(name)).expect("a field");
        value.trim_start_matches(':').parse().expect("a number")
    };
    let sum = |name: &str| -> u64 {
        let threads = text.lines().filter(|line| line.starts_with("io_thread_"));
        let values =
            threads.filter_map(|line| line.split([':', ',']).find_map(|part| part.strip_prefix(name)));
        values.map(|value| value.parse::<u64>().expect("a number")).sum()
    };
    assert_eq!(sum("clients="), of("connected_clients"));
    assert_eq!(sum("reads="), of("total_reads_processed"));
    assert_eq!(sum("writes="), of("total_writes_processed"));
    assert!(sum("reads=") >= 6, "{text}");
}

#[test]
fn config_resetstat_resets_what_a_real_server_resets() {
    let master = master_or_skip!("redis-8.10", "--repl-diskless-sync-delay", "0");
    let port = master.port.to_string();
    let real = master_or_skip!("redis-8.10", "--replicaof", "127.0.0.1", &port);
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    master.client().line("SET a 1");
    node.wait_caught_up(&master);
    let [ours, theirs] = [node.client(), real.client()].map(|mut client| {
        wait_for("the key", || (client.line("EXISTS a").int() == 1).then_some(()));
        client.line("CONFIG SET slowlog-log-slower-than 0");
        for request in ["GET a", "GET b", "LPUSH a b", "NOSUCH", "AUTH no no"] {
            client.ask(&request.split(' ').collect::<Vec<_>>());
        }
        client.line("CONFIG SET slowlog-log-slower-than -1");
        assert!(!client.line("SAVE").is_error());
        client.line("CONFIG RESETSTAT");
        let left = [
            "keyspace_hits",
            "keyspace_misses",
            "total_error_replies",
            "slowlog_commands_count",
            "rejected_connections",
            "acl_access_denied_auth",
        ];
        let mut told = left.map(|field| client.info("stats", field)).to_vec();
        told.push(client.info("persistence", "rdb_saves"));
        let sections = ["errorstats", "commandstats"].map(|section| {
            let text = client.ask(&["INFO", section]).text();
            let names = text.lines().map(|line| line.split(':').next().unwrap_or_default().to_owned());
            names.collect::<BTreeSet<_>>()
        });
        // What was lately used stays.
        let stays =
            (client.line("SLOWLOG LEN").int() > 0, client.info("memory", "used_memory_peak").is_some());
        (told, sections, stays)
    });
    assert_eq!(ours, theirs);
}

#[test]
fn commandstats_tells_of_a_command_how_often_the_slow_log_was_given_one() {
    let real = master_or_skip!("redis-8.10");
    let node = Node::start(&[]);
    let [ours, theirs] = [node.client(), real.client()].map(|mut client| {
        client.line("CONFIG RESETSTAT");
        client.line("LPUSH l a");
        client.line("CONFIG SET slowlog-log-slower-than 0");
        for request in ["SET a 1", "GET a", "GET a b", "GET l", "MULTI", "GET a", "EXEC", "EVAL return 0"] {
            client.ask(&request.split(' ').collect::<Vec<_>>());
        }
        client.line("CONFIG SET slowlog-log-slower-than -1");
        client.line("LPUSH l a");
        let told = client.ask(&["INFO", "commandstats"]).text();
        let lines = told.lines().filter_map(|line| line.split_once(':'));
        let counts = lines.map(|(command, fields)| {
            let fields = fields.split(',').filter_map(|field| field.split_once('='));
            // What is no time is equal.
            let told = fields.map(|(name, value)| match name {
                "calls" | "rejected_calls" | "failed_calls" | "slowlog_count" => format!("{name}={value}"),
                _ => name.to_owned(),
            });
            (command.to_owned(), told.collect::<Vec<_>>())
        });
        let counts = counts.collect::<BTreeMap<_, _>>();
        client.line("CONFIG RESETSTAT");
        client.line("GET a");
        let after = client.ask(&["INFO", "commandstats"]).text();
        assert!(!after.contains("slowlog_"), "{after}");
        counts
    });
    assert!(
        theirs.values().any(|fields| fields.iter().any(|field| field == "slowlog_count=3")),
        "{theirs:?}"
    );
    assert_eq!(ours, theirs);
}

/// What a replica counts of this: how often each command came, and all together.
const STREAM: &[&str] = &[
    "SET a 1",
    "SET b 2",
    "SELECT 1",
    "SET c 3",
    "SELECT 0",
    "MULTI",
    "INCR a",
    "INCR a",
    "EXEC",
    "EVAL return{redis.call('SET','z','1'),redis.call('INCR','z')} 0",
    "PEXPIREAT a 9999999999999",
    "PUBLISH ch x",
    "LPUSH l a b",
    "SUNIONSTORE s1 s2",
    "SADD s2 a",
    "SUNIONSTORE s1 s2",
    "GETDEL b",
    "DEL l s1",
    "WAIT 2 10000",
];

#[test]
fn a_replica_counts_what_the_master_sends_as_a_real_one_does() {
    for server in ["redis-8.10", "valkey-9.1"] {
        // No PINGs of its own come between.
        let options = ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1000000"];
        let master = master_or_skip!(server, options[0], options[1], options[2], options[3]);
        let real = master.real_replica();
        let node = Node::replica_of(&master);
        node.wait_state("streaming");
        let mut writer = master.client();
        let (mut theirs, mut ours) = (real.client(), node.client());
        // The first PING there is.
        writer.line("SET first 1");
        real.wait_caught_up(&master);
        node.wait_caught_up(&master);
        for client in [&mut theirs, &mut ours] {
            client.line("CONFIG SET slowlog-log-slower-than -1");
            client.line("CONFIG RESETSTAT");
        }
        for line in STREAM {
            let answer = writer.line(line);
            assert!(!answer.is_error(), "{line}: {answer:?}");
        }
        real.wait_caught_up(&master);
        node.wait_caught_up(&master);
        let [theirs, ours] = [&mut theirs, &mut ours].map(|client| {
            // As of one moment.
            let text = client.ask(&["INFO", "commandstats", "stats"]).text();
            let all = text.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
            let all: u64 = all.expect("a count").parse().expect("a number");
            let lines = text.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(":calls="));
            let calls = lines.map(|(name, rest)| {
                let calls = rest.split(',').next().expect("a count");
                (name.to_owned(), calls.parse::<u64>().expect("a number"))
            });
            let mut calls = calls.collect::<BTreeMap<_, _>>();
            let sum: u64 = calls.values().sum();
            // The test's own.
            calls.remove("info");
            (calls, all - sum)
        });
        let (mut theirs, (ours, beside)) = (theirs.0, ours);
        // What only replicas and masters say has no row here; it is among all.
        assert_eq!(theirs.remove("replconf"), Some(beside), "{server}");
        assert_eq!(ours, theirs, "{server}");
    }
}

/// A line of `fields.txt`: what we leave out, or tell otherwise, beside which masters.
struct Row {
    master: String,
    pattern: String,
    used: bool,
}

impl Row {
    /// `section field | reason`, or `valkey: section field | reason` for one vendor alone.
    fn read(line: &str) -> Row {
        let (pattern, reason) = line.split_once('|').unwrap_or_else(|| panic!("fields.txt: {line}"));
        assert!(!reason.trim().is_empty(), "fields.txt: {pattern} has no reason");
        let (master, pattern) = pattern.split_once(": ").unwrap_or(("", pattern));
        Row { master: master.to_owned(), pattern: pattern.trim().to_owned(), used: false }
    }
}

/// All that a server tells, when it has something to tell of.
fn told(mut client: Client) -> Fields {
    // What takes long has more fields.
    client.line("CONFIG SET slowlog-log-slower-than -1");
    client.line("CONFIG RESETSTAT");
    wait_for("the data", || (client.line("EXISTS h").int() == 1).then_some(()));
    client.line("GET a");
    assert!(client.ask(&["LLEN", "a"]).is_error());
    let mut fields = info(&mut client);
    fields.extend(config(&mut client));
    fields.extend(memory_stats(&mut client));
    fields
}

/// What a real server tells and what we do in its place: following a master, promoted, and alone from the start.
fn told_side_by_side(server: &str) -> Option<Vec<(Fields, Fields)>> {
    let master = Master::start(server, &["--repl-diskless-sync-delay", "0"])?;
    let port = master.port.to_string();
    let real = Master::start(server, &["--replicaof", "127.0.0.1", &port])?;
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    for line in ["SET a 1 EX 1000", "HSET h f v"] {
        master.client().line(line);
    }
    node.wait_caught_up(&master);
    let following = (told(real.client()), told(node.client()));
    // Who was promoted does as the master did.
    for mut client in [real.client(), node.client()] {
        assert_eq!(client.line("REPLICAOF NO ONE").text(), "OK");
    }
    let mut pairs = vec![following, (told(real.client()), told(node.client()))];
    // Who has followed nobody is a Redis.
    if server.starts_with("redis") {
        let (real, node) = (Master::start(server, &[])?, Node::start(&[]));
        for mut client in [real.client(), node.client()] {
            client.line("SET a 1 EX 1000");
            client.line("HSET h f v");
        }
        pairs.push((told(real.client()), told(node.client())));
    }
    Some(pairs)
}

#[test]
fn a_replica_of_a_valkey_says_that_it_is_one() {
    let master = master_or_skip!("valkey-9.1", "--repl-diskless-sync-delay", "0");
    let real = master.real_replica();
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    let [theirs, ours] = [real.client(), node.client()].map(|mut client| {
        let mut told = Vec::new();
        for zone in ["", "here or there"] {
            assert_eq!(client.ask(&["CONFIG", "SET", "availability-zone", zone]).text(), "OK");
            let hello = client.line("HELLO 2");
            let pairs: Vec<_> = hello.items().chunks(2).collect();
            for field in ["server", "version", "mode", "role", "availability_zone"] {
                let value = pairs.iter().find(|pair| pair[0].text() == field).map(|pair| pair[1].text());
                told.push((field.to_owned(), value));
            }
        }
        for field in
            ["redis_version", "server_name", "valkey_version", "valkey_release_stage", "availability_zone"]
        {
            told.push((field.to_owned(), client.info("server", field)));
        }
        for constant in ["REDIS_VERSION", "SERVER_NAME", "VALKEY_VERSION", "VALKEY_VERSION_NUM"] {
            let script = format!("return tostring(server.{constant})");
            told.push((constant.to_owned(), Some(client.ask(&["EVAL", &script, "0"]).text())));
        }
        let lolwut = client.line("LOLWUT").text();
        told.push((String::from("LOLWUT"), lolwut.split("ver. ").nth(1).map(|text| text.trim().to_owned())));
        assert_eq!(client.line("CLIENT PAUSE 1000000 WRITE").text(), "OK");
        for field in ["paused_reason", "paused_actions"] {
            told.push((field.to_owned(), client.info("clients", field)));
        }
        let left = client.info("clients", "paused_timeout_milliseconds").expect("a time");
        assert!((1..=1_000_000).contains(&left.parse::<u64>().expect("a number")), "{left}");
        client.line("CLIENT UNPAUSE");
        for section in ["tls", "scriptingengines", "cluster_info", "threads", "keysizes", "hotkeys"] {
            let text = client.ask(&["INFO", section]).text();
            told.push((section.to_owned(), text.lines().next().map(str::to_owned)));
        }
        for name in ["primaryuser", "PrimaryAuth"] {
            let found = client.ask(&["CONFIG", "GET", name]);
            told.push((name.to_owned(), Some(format!("{found:?}"))));
        }
        told
    });
    assert_eq!(ours, theirs);
}

#[test]
fn what_a_real_server_tells_is_told_here_or_has_a_reason() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fields.txt");
    let text = fs::read_to_string(path).expect("tests/fields.txt");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut rows: Vec<Row> = lines.map(Row::read).collect();
    let mut wrong = Vec::new();
    for (vendor, server) in [("redis", "redis-8.10"), ("valkey", "valkey-9.1")] {
        let Some(pairs) = told_side_by_side(server) else { return };
        let mut differ = BTreeSet::new();
        for (theirs, ours) in &pairs {
            differ.extend(theirs.iter().filter_map(|(field, kind)| match ours.get(field) {
                Some(own) if own == kind => None,
                Some(own) => Some((format!("{field} is {own}, and {kind} at {server}"), field)),
                None => Some((format!("{field} is missing, beside {server}"), field)),
            }));
            // And nothing of another vendor's, but what is our own.
            let own = |field: &&String| {
                field.contains("nearside_") || field.starts_with("config ") || theirs.contains_key(*field)
            };
            differ.extend(
                ours.keys()
                    .filter(|field| !own(field))
                    .map(|field| (format!("{field} is told, and not by {server}"), field)),
            );
        }
        for (what, field) in differ {
            let fits = |row: &&mut Row| {
                vendor.starts_with(&row.master) && glob::matches(row.pattern.as_bytes(), field.as_bytes())
            };
            if rows.iter_mut().filter(fits).map(|row| row.used = true).count() == 0 {
                wrong.push(what);
            }
        }
    }
    wrong.extend(
        rows.iter().filter(|row| !row.used).map(|row| format!("no reason is needed for {}", row.pattern)),
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
