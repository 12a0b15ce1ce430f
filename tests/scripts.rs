//! Scripts beside a running stream: those of old masters, those of a replica's clients, and those that never end.

use std::thread;

use crate::equality::assert_equal;
use crate::harness::{Client, Frame, Master, Node, wait_for};

/// What an old master's clients run; each writes, in a way that differs when anything about scripts does.
const WRITING: &[&str] = &[
    "return redis.call('set', KEYS[1], ARGV[1])",
    "for i = 1, 50 do redis.call('rpush', KEYS[1] .. ':list', math.random(1, 1000000), tostring(math.random())) end",
    "redis.call('sadd', KEYS[1] .. ':set', 'c', 'a', 'b', ARGV[1]) for _, m in ipairs(redis.call('smembers', KEYS[1] .. ':set')) do redis.call('rpush', KEYS[1] .. ':members', m) end",
    "redis.call('hset', KEYS[1] .. ':hash', 'f', cjson.encode({1, 2, {a = ARGV[1], b = 1.5, c = false}}))",
    "redis.call('hset', KEYS[1] .. ':hash', 'g', cmsgpack.pack({1, -1, 1.5, 'x', {y = ARGV[1]}}))",
    "redis.call('hset', KEYS[1] .. ':hash', 'h', struct.pack('>I2hd', 1, -2, 0.5) .. bit.tohex(bit.bxor(5, 3)))",
    "redis.call('set', KEYS[1] .. ':sha', redis.sha1hex(ARGV[1])) return redis.status_reply('fine')",
    "redis.call('zadd', KEYS[1] .. ':zset', 0.1, 'a', 1e17, 'b') redis.call('zincrby', KEYS[1] .. ':zset', 1/3, 'a')",
    "redis.call('set', KEYS[1] .. ':num', 10) redis.call('incrby', KEYS[1] .. ':num', 3) redis.call('append', KEYS[1] .. ':num', 3.5)",
    "local r = redis.pcall('lpush', KEYS[1], 1) redis.call('set', KEYS[1] .. ':err', type(r) .. tostring(r.err ~= nil))",
    "redis.call('set', KEYS[1] .. ':before', 1) error('ends here')",
    "redis.call('set', KEYS[1] .. ':before', 2) return redis.call('lpush', KEYS[1] .. ':before', 1)",
    "local t = {} for k, v in pairs(cjson.decode('{\"z\":1,\"y\":2,\"x\":3,\"w\":4,\"v\":5}')) do t[#t + 1] = k .. v end redis.call('set', KEYS[1] .. ':order', table.concat(t, ','))",
    "redis.call('select', 1) redis.call('set', KEYS[1], 'in one') redis.call('select', 0)",
    "redis.call('set', KEYS[1] .. ':gone', 1) redis.call('pexpire', KEYS[1] .. ':gone', 1000000)",
    "redis.call('del', KEYS[1] .. ':list') for i = 1, 3 do redis.call('lpush', KEYS[1] .. ':list', i) end return redis.call('lrange', KEYS[1] .. ':list', 0, -1)",
];

fn sha1hex(client: &mut Client, script: &str) -> String {
    client.ask(&["SCRIPT", "LOAD", script]).text()
}

fn run_all(client: &mut Client, round: usize) {
    for (place, script) in WRITING.iter().enumerate() {
        let (key, value) = (format!("key:{}", place % 3), format!("value:{round}"));
        client.ask(&["EVAL", script, "1", &key, &value]);
        let digest = sha1hex(client, script);
        client.ask(&["EVALSHA", &digest, "1", &key, &value]);
        client.line("MULTI");
        client.ask(&["SET", "plain", &value]);
        client.ask(&["EVALSHA", &digest, "1", &key, &value]);
        client.line("EXEC");
    }
}

/// A master that passes scripts on, and not what they did.
fn passes_scripts_on(name: &str, args: &[&str]) {
    let Some(master) = Master::start(name, args) else { return };
    let mut client = master.client();
    run_all(&mut client, 0);
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    run_all(&mut client, 1);
    assert_equal(&master, &node);
    // That they came as scripts: the node knows one that nobody loaded there.
    let digest = sha1hex(&mut client, WRITING[0]);
    assert_eq!(node.client().ask(&["SCRIPT", "EXISTS", &digest]).items(), [Frame::Int(1)]);
    // What its own clients forget, the stream goes on calling.
    node.client().line("SCRIPT FLUSH");
    run_all(&mut client, 2);
    assert_equal(&master, &node);
    client.line("SCRIPT FLUSH");
    run_all(&mut client, 3);
    assert_equal(&master, &node);
}

#[test]
fn redis_2_8() {
    passes_scripts_on("redis-2.8", &[]);
}

#[test]
fn redis_3_2() {
    passes_scripts_on("redis-3.2", &[]);
}

#[test]
fn redis_5_0() {
    passes_scripts_on("redis-5.0", &["--lua-replicate-commands", "no"]);
}

#[test]
fn redis_6_2() {
    passes_scripts_on("redis-6.2", &["--lua-replicate-commands", "no"]);
}

/// Before scripts had a bound, one of these stopped the replica for good.
#[test]
fn a_script_that_never_ends_is_ended_and_the_stream_goes_on() {
    let master = crate::master_or_skip!("redis-8.10");
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    let mut at_master = master.client();
    at_master.line("SET a 0");
    node.wait_caught_up(&master);
    let endless = thread::spawn({
        let mut client = node.client();
        move || client.ask(&["EVAL", "while true do redis.pcall('get', 'a') end", "0"])
    });
    let mut reader = node.client();
    for number in 1..=50 {
        at_master.line(&format!("SET a {number}"));
        // Others' reads are answered all the while.
        assert!(!reader.line("GET a").is_error());
    }
    let ended = endless.join().expect("an answer").text();
    assert!(ended.contains("Script ended: it held up the master's stream for 100 ms"), "{ended}");
    node.wait_caught_up(&master);
    assert_eq!(reader.line("GET a").text(), "50");
    node.set("script-hold-max", "0");
    assert_eq!(reader.line("CONFIG GET script-hold-max").items()[1].text(), "0");
    assert_eq!(
        reader.ask(&["EVAL", "local n = 0 for i = 1, 20000000 do n = n + 1 end return n", "0"]),
        Frame::Int(20_000_000)
    );
}

/// A client that reads while a script writes sees all of it or nothing.
#[test]
fn on_a_master_a_script_writes_at_one_moment() {
    let node = Node::start(&[]);
    let mut client = node.client();
    client.line("MSET left 0 right 0");
    let writer = thread::spawn({
        let mut client = node.client();
        move || {
            for _ in 0..200 {
                let script =
                    "redis.call('incr', 'left') for i = 1, 100 do end return redis.call('incr', 'right')";
                let answer = client.ask(&["EVAL", script, "0"]);
                assert!(!answer.is_error(), "{answer:?}");
            }
        }
    });
    let mut seen = 0;
    while seen < 200 {
        let both = client.line("MGET left right");
        let [left, right] = both.items() else { panic!("{both:?}") };
        assert_eq!(left, right);
        seen = left.text().parse().expect("a number");
    }
    writer.join().expect("no panic");
}

/// A client that waits for a key once waited on when a script filled it.
#[test]
fn a_script_wakes_who_waits_for_its_key() {
    let node = Node::start(&[]);
    let waiting = thread::spawn({
        let mut client = node.client();
        move || client.ask(&["BLPOP", "list", "0"])
    });
    let mut client = node.client();
    wait_for("a client waits", || {
        (client.info("clients", "blocked_clients").as_deref() == Some("1")).then_some(())
    });
    assert_eq!(client.ask(&["EVAL", "return redis.call('rpush', 'list', 'x')", "0"]), Frame::Int(1));
    assert_eq!(waiting.join().expect("an answer").items()[1].text(), "x");
}

#[test]
fn a_function_that_takes_long_is_told_and_killed() {
    let node = Node::start(&["--busy-reply-threshold", "10"]);
    let mut client = node.client();
    client.line("SET a 1");
    let library = "#!lua name=l\nredis.register_function('loop', function() while true do end end)";
    assert_eq!(client.ask(&["FUNCTION", "LOAD", library]).text(), "l");
    let looping = thread::spawn({
        let mut client = node.client();
        move || client.ask(&["FCALL", "loop", "0"]).text()
    });
    wait_for("the function runs long", || {
        let stats = client.line("FUNCTION STATS");
        // running_script → name, command, duration_ms
        match stats.items().get(1)? {
            Frame::Array(running) => (running.get(5)?.int() > 100).then_some(()),
            _ => None,
        }
    });
    let busy = "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.";
    let mut answer = |line: &str| client.ask(&line.split(' ').collect::<Vec<&str>>()).text();
    for waits in ["SET a 2", "EVAL return 0", "SCRIPT KILL", "CLIENT PAUSE 1", "CONFIG SET maxmemory 0"] {
        assert_eq!(answer(waits), busy, "{waits}");
    }
    assert_eq!(answer("GET a"), "1");
    assert_eq!(answer("FUNCTION KILL"), "OK");
    let ended = looping.join().expect("an answer");
    assert_eq!(ended, "ERR Script killed by user with SCRIPT KILL... script: loop, on @user_function:2.");
    assert_eq!(answer("SET a 2"), "OK");
    assert_eq!(answer("FUNCTION KILL"), "NOTBUSY No scripts in execution right now.");
    assert_eq!(client.info("memory", "number_of_functions").as_deref(), Some("1"));
}

/// They are sent while it may still be a short one, and wait for it by every way that leads there.
#[test]
fn who_waits_for_a_script_that_turns_out_long_is_told() {
    let node = Node::start(&["--busy-reply-threshold", "500"]);
    let library = "#!lua name=l\n\
                   redis.register_function('reads', function() while true do end end)\n\
                   redis.register_function('writes', function() redis.call('set', 'a', 5) \
                   redis.log(redis.LOG_WARNING, 'it has written') while true do end end)";
    assert_eq!(node.client().ask(&["FUNCTION", "LOAD", library]).text(), "l");
    let busy = "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.";
    let aborted = format!("EXECABORT Transaction discarded because of: {busy}");
    let run = |function: &str| {
        let (mut runs, mut looks) = (node.client(), node.client());
        runs.send_raw(format!("FCALL {function} 0\r\n").as_bytes());
        wait_for("the script runs", || {
            matches!(looks.line("FUNCTION STATS").items().get(1)?, Frame::Array(_)).then_some(())
        });
        runs
    };
    let send = |requests: &str| {
        let mut client = node.client();
        client.send_raw(requests.as_bytes());
        client
    };
    let answers = |client: &mut Client, count: usize| -> Vec<String> {
        (0..count).map(|_| client.read().expect("an answer").text()).collect()
    };
    let mut queued = node.client();
    for line in ["SET a 1", "MULTI", "SET a 2"] {
        assert!(!queued.line(line).is_error(), "{line}");
    }

    let mut runs = run("reads");
    queued.send_raw(b"EXEC\r\n");
    let mut waiting = [
        send("SET a 2\r\nSET b 2\r\n"),
        send("INCR a\r\nDEL a\r\n"),
        send("EVAL 'return 0' 0\r\nSCRIPT FLUSH\r\n"),
        send("MSET a 2 b 2\r\nFUNCTION FLUSH\r\n"),
    ];
    assert_eq!(answers(&mut queued, 1), [aborted]);
    for client in &mut waiting {
        assert_eq!(answers(client, 2), [busy, busy]);
    }
    assert_eq!(answers(&mut send("GET a\r\n"), 1), ["1"], "it has not written");
    assert_eq!(answers(&mut send("FUNCTION KILL\r\n"), 1), ["OK"]);
    assert!(runs.read().expect("an answer").is_error());
    assert_eq!(answers(&mut send("GET a\r\nINCR a\r\n"), 2), ["1", "2"], "nobody is refused any more");

    let _runs = run("writes");
    // Who reads before it does so is answered.
    wait_for("it to write", || node.log().contains("it has written").then_some(()));
    let mut waiting =
        [send("GET a\r\nTTL a\r\n"), send("SET a 2\r\nINFO\r\n"), send("KEYS *\r\nMEMORY STATS\r\n")];
    for client in &mut waiting {
        assert_eq!(answers(client, 2), [busy, busy]);
    }
    assert!(answers(&mut send("FUNCTION KILL\r\n"), 1)[0].starts_with("UNKILLABLE"));
}

/// Scripts that are short reads, and those that begin like it and turn out otherwise. All are run several times: what is
/// known to be short is run otherwise than what is not.
const AGAIN_AND_AGAIN: &[&str] = &[
    "return redis.call('get', KEYS[1])",
    "return {redis.call('get', KEYS[1]), redis.call('get', 'missing'), redis.call('hget', KEYS[2], 'f')}",
    "redis.call('get', KEYS[1]) return redis.call('incr', 'counter')",
    "redis.call('get', 'missing') return redis.pcall('set', KEYS[1], ARGV[1])",
    "redis.call('get', KEYS[1]) pcall(redis.call, 'set', KEYS[1], ARGV[1]) return 'went on'",
    "redis.call('get', KEYS[1]) return redis.call('lpush', KEYS[1], 1)",
    "redis.call('get', KEYS[1]) return redis.call('hget', KEYS[1], 'f')",
    "return {redis.pcall('hget', KEYS[1], 'f').err, redis.call('strlen', KEYS[1])}",
    "redis.call('strlen', KEYS[1]) redis.log(redis.LOG_NOTICE, 'a line') return redis.call('llen', KEYS[3])",
    "return #redis.call('lrange', KEYS[3], 0, -1)",
    "return #redis.call('keys', '*')",
    "local n = 0 for i = 1, 300 do n = n + redis.call('strlen', KEYS[1]) end return n",
    "local n = 0 for i = 1, 200000 do n = n + 1 end return redis.call('strlen', KEYS[1]) + n",
    "redis.call('select', 1) return redis.call('get', KEYS[1])",
    "redis.setresp(3) return redis.call('hgetall', KEYS[2])",
    "return redis.call('nosuch')",
    "return redis.call('publish', 'channel', 'message')",
    "error({err = 'MINE own error'})",
    "return redis.call('pfcount', 'missing')",
    "return redis.error_reply('MINE own')",
    "#!lua flags=no-writes\nreturn redis.call('get', KEYS[1])",
    "#!lua flags=no-writes\nredis.call('get', KEYS[1]) return redis.call('set', KEYS[1], 1)",
    "#!lua\nreturn redis.call('get', KEYS[1])",
];

/// What a server answers, and what it has counted.
type Seen = (Vec<Frame>, Vec<String>);

fn assert_alike(ours: &Seen, theirs: &Seen) {
    let apart = ours.0.iter().zip(&theirs.0).find(|(here, there)| here != there);
    assert_eq!(apart, None, "here, there");
    assert_eq!(ours.0.len(), theirs.0.len());
    assert_eq!(ours.1, theirs.1);
}

fn again_and_again(at_master: &mut Client, client: &mut Client, scripts: &[&str]) -> Seen {
    at_master.line("MSET text v counter 1");
    at_master.line("DEL list");
    at_master.line("HSET hash f 1 g 2");
    let list: Vec<String> = ["RPUSH", "list"].iter().map(|word| (*word).to_owned()).collect();
    at_master.ask(&[list, (0..20_000).map(|number| number.to_string()).collect()].concat());
    wait_for("the list", || (client.line("LLEN list") == Frame::Int(20_000)).then_some(()));
    client.line("CONFIG RESETSTAT");
    let mut answers = Vec::new();
    for round in 0..4 {
        if round == 2 {
            client.line("HELLO 3");
        }
        for script in scripts {
            let mut words = vec!["EVAL", script, "3", "text", "hash", "list", "argument"];
            answers.push(client.ask(&words));
            let digest = sha1hex(client, script);
            words[..2].copy_from_slice(&["EVALSHA", &digest]);
            // Of one pipeline.
            let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
            answers.extend(client.pipeline(&vec![words; 3]));
        }
    }
    client.line("HELLO 2");
    let counted = ["stats", "commandstats", "errorstats"].map(|section| {
        let text = client.ask(&["INFO", section]).text();
        let lines = text.lines().filter(|line| {
            ["cmdstat_", "errorstat_", "keyspace_hits", "keyspace_misses", "total_error_replies"]
                .iter()
                .any(|wanted| line.starts_with(wanted))
        });
        let timeless = |line: &str| {
            line.split(',')
                .filter(|part| !part.starts_with("usec") && !part.starts_with("slowlog"))
                .collect::<Vec<_>>()
                .join(",")
        };
        let mut lines: Vec<String> = lines
            .map(|line| timeless(line).replace(":calls", " calls"))
            .filter(|line| !["cmdstat_replconf", "cmdstat_ping"].iter().any(|other| line.starts_with(other)))
            .map(|line| line.split_once("usec=").map_or(line.clone(), |(head, _)| head.to_owned()))
            .collect();
        lines.sort();
        lines
    });
    (answers, counted.concat())
}

#[test]
fn scripts_that_run_again_answer_and_count_as_at_a_real_master() {
    let master = crate::master_or_skip!("redis-8.10");
    let node = Node::start(&[]);
    let theirs = again_and_again(&mut master.client(), &mut master.client(), AGAIN_AND_AGAIN);
    let ours = again_and_again(&mut node.client(), &mut node.client(), AGAIN_AND_AGAIN);
    assert_alike(&ours, &theirs);
}

#[test]
fn scripts_that_run_again_answer_and_count_as_at_a_real_replica() {
    let master = crate::master_or_skip!("redis-8.10");
    let port = master.port.to_string();
    let replica = crate::master_or_skip!("redis-8.10", "--replicaof", "127.0.0.1", &port);
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    node.set("script-hold-max", "0");
    let theirs = again_and_again(&mut master.client(), &mut replica.client(), AGAIN_AND_AGAIN);
    node.wait_caught_up(&master);
    let ours = again_and_again(&mut master.client(), &mut node.client(), AGAIN_AND_AGAIN);
    assert_alike(&ours, &theirs);
}

#[test]
fn a_library_that_only_valkey_loads_is_loaded_with_the_data() {
    let master = crate::master_or_skip!("valkey-9.1");
    let library = "#!lua name=own\nserver.register_function{function_name='own', callback=function() return 'ran' \
                   end, flags={'no-writes'}}";
    master.client().ask(&["FUNCTION", "LOAD", library]);
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    node.wait_caught_up(&master);
    assert!(!node.log().contains("cannot be loaded"), "{}", node.log());
    assert_eq!(node.client().line("FCALL_RO own 0"), Frame::Bulk(b"ran".to_vec()));
}

/// Before functions looked at the time too, a pattern was looked for in one piece: nothing ended it.
const ENDLESS: &[&str] = &[
    "return string.find(string.rep('a', 1000), string.rep('.-', 12) .. 'b')",
    "return string.gsub(string.rep('a', 1000), string.rep('.-', 12) .. 'b', '')",
    "while true do pcall(string.match, string.rep('a', 1000), string.rep('.-', 12) .. 'b') end",
    "local t = {} for i = 1, 1e5 do t[i] = i end while true do table.sort(t) end",
];

/// It is attempted where reads are answered; there it must come to its end soon.
#[test]
fn a_pattern_that_never_ends_holds_up_no_reads_and_is_killed() {
    let node = Node::start(&[]);
    let mut client = node.client();
    client.line("SET key value");
    for script in ENDLESS {
        let digest = sha1hex(&mut client, script);
        let mut endless = node.client();
        endless.send_raw(format!("EVALSHA {digest} 0\r\n").as_bytes());
        for _ in 0..32 {
            let mut reader = node.client();
            reader.send_raw(b"GET key\r\n");
            assert_eq!(reader.read_soon().expect("an answer"), Frame::Bulk(b"value".to_vec()));
        }
        wait_for("the script's begin", || (!client.ask(&["SCRIPT", "KILL"]).is_error()).then_some(()));
        let ended = endless.read_soon().expect("an answer").text();
        let told =
            format!("ERR Script killed by user with SCRIPT KILL... script: {digest}, on @user_script:1.");
        assert_eq!(ended, told, "{script}");
    }
}

#[test]
fn a_pattern_that_never_ends_does_not_hold_up_the_stream() {
    let master = crate::master_or_skip!("redis-8.10");
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    for (number, script) in ENDLESS.iter().enumerate() {
        let mut endless = node.client();
        endless.send_raw(format!("EVAL \"{script}\" 0\r\n").as_bytes());
        master.client().line(&format!("SET number {number}"));
        let ended = endless.read_soon().expect("an answer").text();
        assert!(ended.contains("Script ended: it held up the master's stream for 100 ms"), "{ended}");
        node.wait_caught_up(&master);
        assert_eq!(node.client().line("GET number").text(), number.to_string());
    }
}
