//! Programs with ordinary clients, as people write them: redis-py, go-redis, redis-rs, in RESP2 and RESP3.
//!
//! Owns how each client's tools are had; what a program does stands in `tests/clients/`.

use std::path::PathBuf;
use std::process::Command;

use crate::harness::{Master, Node};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// Whether `tool` runs here; says so, and fails in CI, when it does not.
pub(crate) fn have(tool: &str, args: &[&str]) -> bool {
    let there = Command::new(tool).args(args).output().is_ok_and(|output| output.status.success());
    if !there {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{tool} is missing");
        println!("skipped: {tool}");
    }
    there
}

fn succeeds(command: &mut Command, node: Option<&Node>) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}\n{}{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
        node.map(Node::log).unwrap_or_default()
    );
}

fn pair() -> Option<(Master, Node)> {
    let master = Master::start("redis-7.0", &[])?;
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    Some((master, node))
}

#[test]
fn redis_py() {
    if !have("python3", &["-m", "venv", "--help"]) {
        return;
    }
    let Some((master, node)) = pair() else { return };
    let venv = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("redis-py");
    if !venv.join("ready").exists() {
        succeeds(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv), None);
        let requirements = folder().join("requirements.txt");
        succeeds(
            Command::new(venv.join("bin/pip")).args(["install", "--quiet", "-r"]).arg(requirements),
            None,
        );
        std::fs::write(venv.join("ready"), "").expect("a mark");
    }
    let mut command = Command::new(venv.join("bin/python"));
    succeeds(
        command.arg(folder().join("redis_py.py")).args([master.port.to_string(), node.port.to_string()]),
        Some(&node),
    );
}

#[test]
fn go_redis() {
    if !have("go", &["version"]) {
        return;
    }
    let Some((master, node)) = pair() else { return };
    let mut command = Command::new("go");
    command.current_dir(folder().join("go")).args(["run", "."]);
    succeeds(command.args([master.port.to_string(), node.port.to_string()]), Some(&node));
}

#[test]
fn redis_rs() {
    use redis::{Commands, ProtocolVersion};
    let Some((master, node)) = pair() else { return };
    let open = |port: u16, protocol: &str| {
        let url = format!("redis://127.0.0.1:{port}/?protocol={protocol}");
        redis::Client::open(url).and_then(|client| client.get_connection()).expect("a connection")
    };
    assert_ne!(ProtocolVersion::RESP2, ProtocolVersion::RESP3);
    for protocol in ["resp2", "resp3"] {
        let mut at_master = open(master.port, "resp2");
        let () = redis::cmd("FLUSHALL").query(&mut at_master).expect("FLUSHALL");
        let () = at_master.set("text", "value").expect("SET");
        let () = at_master.hset_multiple("hash", &[("one", 1), ("two", 2)]).expect("HSET");
        let () = at_master.zadd_multiple("zset", &[(0.5, "a"), (1.5, "b")]).expect("ZADD");
        for n in 0..500 {
            let () = at_master.set(format!("many:{n}"), n).expect("SET");
        }
        node.wait_caught_up(&master);

        let mut replica = open(node.port, protocol);
        assert_eq!(replica.get::<_, String>("text").expect("GET"), "value");
        assert_eq!(replica.get::<_, Option<String>>("missing").expect("GET"), None);
        assert_eq!(replica.hget::<_, _, i64>("hash", "two").expect("HGET"), 2);
        let all: std::collections::BTreeMap<String, i64> = replica.hgetall("hash").expect("HGETALL");
        assert_eq!(all.into_iter().collect::<Vec<_>>(), [("one".into(), 1), ("two".into(), 2)]);
        let range: Vec<(String, f64)> = replica.zrange_withscores("zset", 0, -1).expect("ZRANGE");
        assert_eq!(range, [("a".into(), 0.5), ("b".into(), 1.5)]);
        let seen: std::collections::BTreeSet<String> =
            replica.scan_match("many:*").expect("SCAN").map(|key| key.expect("a key")).collect();
        assert_eq!(seen.len(), 500);
        let mut pipe = redis::pipe();
        for n in 0..300 {
            pipe.get(format!("many:{n}"));
        }
        let values: Vec<i64> = pipe.query(&mut replica).expect("a pipeline");
        assert_eq!(values, (0..300).collect::<Vec<_>>());
        let (text, fields): (String, i64) =
            redis::pipe().atomic().get("text").hlen("hash").query(&mut replica).expect("a transaction");
        assert_eq!((text.as_str(), fields), ("value", 2));
        let refused = replica.set::<_, _, ()>("text", "other").expect_err("a write");
        assert_eq!(refused.code(), Some("READONLY"), "{refused}");
    }
}
