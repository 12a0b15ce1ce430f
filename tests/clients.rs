//! Programs with ordinary clients, as people write them, in RESP2 and RESP3: redis-py, go-redis, rueidis, redis-rs,
//! and where node or a JDK is found ioredis and node-redis, Jedis and Lettuce.
//!
//! Owns how each client's tools are had; what a program does stands in `tests/clients/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::harness::{Master, Node};

pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

fn runs(tool: &str, args: &[&str]) -> bool {
    Command::new(tool).args(args).output().is_ok_and(|output| output.status.success())
}

/// Whether `tool` runs here; says so, and fails in CI, when it does not.
pub(crate) fn have(tool: &str, args: &[&str]) -> bool {
    let there = runs(tool, args);
    if !there {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{tool} is missing");
        crate::harness::skipped(tool);
    }
    there
}

/// The same for what only the long tier asks for.
fn have_by_chance(tool: &str, args: &[&str]) -> bool {
    let there = runs(tool, args);
    if !there {
        assert!(std::env::var("NEARSIDE_LONG").is_err(), "{tool} is missing");
        crate::harness::skipped(tool);
    }
    there
}

/// A folder below the build's own, where `install` has put what the files of `project` ask for: once, and again when
/// one of those files changes. None where it could not.
fn installed(name: &str, project: &Path, install: impl FnOnce(&Path) -> bool) -> Option<PathBuf> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    // Nothing is guarded but the folders: a turn that failed leaves no mark there.
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut wanted = Vec::new();
    let files: Vec<PathBuf> = if project.is_dir() {
        let mut files: Vec<PathBuf> =
            fs::read_dir(project).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
        files.sort();
        files
    } else {
        vec![project.to_owned()]
    };
    for file in &files {
        wanted.extend(file.file_name().expect("a name").as_encoded_bytes());
        wanted.extend(fs::read(file).expect("a file"));
    }
    let mark = place.join("installed");
    if fs::read(&mark).is_ok_and(|found| found == wanted) {
        return Some(place);
    }
    fs::create_dir_all(&place).expect("a folder");
    for file in &files {
        fs::copy(file, place.join(file.file_name().expect("a name"))).expect("a copy");
    }
    if !install(&place) {
        return None;
    }
    fs::write(mark, wanted).expect("a mark");
    Some(place)
}

/// Whether what only the long tier asks for could be installed: where nobody insists, a registry may be out of reach.
fn installs_by_chance(command: &mut Command) -> bool {
    let insists = std::env::var("NEARSIDE_LONG").is_ok() || std::env::var("CI").as_deref() == Ok("true");
    if insists {
        succeeds(command, None);
        return true;
    }
    let installed = command.output().is_ok_and(|output| output.status.success());
    if !installed {
        crate::harness::skipped(&format!("{command:?} failed"));
    }
    installed
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
    let master = Master::start("redis-7.0", &["--repl-diskless-sync-delay", "0"])?;
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    Some((master, node))
}

/// The Python that has redis-py and hiredis.
pub(crate) fn python() -> Option<PathBuf> {
    if !have("python3", &["-m", "venv", "--help"]) {
        return None;
    }
    let venv = installed("redis-py", &folder().join("requirements.txt"), |venv| {
        succeeds(Command::new("python3").args(["-m", "venv"]).arg(venv), None);
        let mut pip = Command::new(venv.join("bin/pip"));
        succeeds(pip.args(["install", "--quiet", "-r"]).arg(venv.join("requirements.txt")), None);
        true
    });
    Some(venv?.join("bin/python"))
}

#[test]
fn redis_py() {
    let Some(python) = python() else { return };
    let Some((master, node)) = pair() else { return };
    for parser in ["hiredis", "python"] {
        let mut command = Command::new(&python);
        command.arg(folder().join("redis_py.py")).arg(parser);
        succeeds(command.args([master.port, node.port].map(|port| port.to_string())), Some(&node));
    }
}

/// The command that runs one of the programs for Go.
pub(crate) fn go(package: &str) -> Option<Command> {
    if !have("go", &["version"]) {
        return None;
    }
    let mut command = Command::new("go");
    command.current_dir(folder().join("go")).args(["run", package]);
    Some(command)
}

#[test]
fn go_redis() {
    let Some(mut command) = go(".") else { return };
    let Some((master, node)) = pair() else { return };
    succeeds(command.args([master.port, node.port].map(|port| port.to_string())), Some(&node));
}

#[test]
fn rueidis() {
    let Some(mut command) = go("./rueidis") else { return };
    let Some((master, node)) = pair() else { return };
    succeeds(command.args([master.port, node.port].map(|port| port.to_string())), Some(&node));
}

/// The command that runs one of the programs for node of this project.
fn node(project: &str, program: &str) -> Option<Command> {
    if !have_by_chance("node", &["--version"]) || !have_by_chance("npm", &["--version"]) {
        return None;
    }
    let place = installed(project, &folder().join(project), |place| {
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
        installs_by_chance(npm.current_dir(place))
    })?;
    let mut command = Command::new("node");
    command.arg(place.join(program));
    Some(command)
}

#[test]
fn ioredis() {
    let Some(mut command) = node("node", "ioredis.js") else { return };
    let Some((master, node)) = pair() else { return };
    succeeds(command.args([master.port, node.port].map(|port| port.to_string())), Some(&node));
}

#[test]
fn node_redis() {
    let Some(mut command) = node("node", "node_redis.js") else { return };
    let Some((master, node)) = pair() else { return };
    succeeds(command.args([master.port, node.port].map(|port| port.to_string())), Some(&node));
}

/// What depends on a Redis that is written to goes on with a replica that was promoted.
#[test]
fn an_application_works_with_a_promoted_node() {
    let Some(mut command) = node("application", "queue.js") else { return };
    let Some((master, node)) = pair() else { return };
    master.client().line("SET kept value");
    node.wait_caught_up(&master);
    node.client().line("REPLICAOF NO ONE");
    succeeds(command.arg(node.port.to_string()), Some(&node));
    let mut client = node.client();
    assert_eq!(client.line("GET kept").text(), "value");
    // The queue has taken itself away.
    assert_eq!(client.line("DBSIZE").int(), 1);
}

/// The command that runs one of the programs for Java.
fn java(program: &str) -> Option<Command> {
    if !have_by_chance("javac", &["-version"]) || !have_by_chance("mvn", &["--version"]) {
        return None;
    }
    let place = installed("java", &folder().join("java"), |place| {
        let mut mvn = Command::new("mvn");
        mvn.args(["-B", "-q", "dependency:copy-dependencies"]);
        mvn.args(["-DincludeScope=runtime", "-DoutputDirectory=lib"]);
        if !installs_by_chance(mvn.current_dir(place)) {
            return false;
        }
        let mut javac = Command::new("javac");
        javac.args(["-nowarn", "-cp", "lib/*", "-d", "classes"]);
        javac.args(["Shared.java", "WithJedis.java", "WithLettuce.java"]);
        succeeds(javac.current_dir(place), None);
        true
    })?;
    let mut command = Command::new("java");
    // A program of seconds: it is not worth the second compiler's while.
    command.args(["-XX:TieredStopAtLevel=1", "-cp", "lib/*:classes", program]).current_dir(place);
    Some(command)
}

#[test]
fn jedis() {
    let Some(mut command) = java("WithJedis") else { return };
    let Some((master, node)) = pair() else { return };
    succeeds(command.args([master.port, node.port].map(|port| port.to_string())), Some(&node));
}

#[test]
fn lettuce() {
    let Some(mut command) = java("WithLettuce") else { return };
    let Some((master, node)) = pair() else { return };
    succeeds(command.args([master.port, node.port].map(|port| port.to_string())), Some(&node));
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
        let mut script = redis::cmd("EVAL_RO");
        script.arg("return {redis.call('GET', KEYS[1]), ARGV[1]}").arg(1).arg("text").arg("told");
        let said: Vec<String> = script.query(&mut replica).expect("a script");
        assert_eq!(said, ["value", "told"]);
        let mut listener = open(node.port, protocol);
        let mut listener = listener.as_pubsub();
        listener.subscribe("news").expect("SUBSCRIBE");
        listener.psubscribe("n*s").expect("PSUBSCRIBE");
        let () = at_master.publish("news", "hello").expect("PUBLISH");
        for pattern in [None, Some(String::from("n*s"))] {
            let message = listener.get_message().expect("a message");
            assert_eq!(message.get_channel_name(), "news");
            assert_eq!(message.get_payload::<String>().expect("a text"), "hello");
            assert_eq!(message.get_pattern::<Option<String>>().expect("a pattern"), pattern);
        }
        let refused = replica.set::<_, _, ()>("text", "other").expect_err("a write");
        assert_eq!(refused.code(), Some("READONLY"), "{refused}");
    }
}
