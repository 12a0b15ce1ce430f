//! Tools that look at servers: redis_exporter, and redis-cli's own ways to look at data.
//!
//! Owns what each is asked for, and what has to come. Never looks into what they print any further.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::harness::process::{TempDir, masters_dir};
use crate::harness::{Client, Node, free_port, wait_for};

/// Ended with the test.
struct Tool(Child);

impl Drop for Tool {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program, or `None`, saying so, where it was not fetched; in CI that is a failure.
fn program(tool: &str, name: &str) -> Option<std::path::PathBuf> {
    let path = masters_dir().join(tool).join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{tool} is not fetched: tests/masters/get.sh");
    crate::harness::skipped(tool);
    None
}

fn page(port: u16) -> Option<String> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(socket, "GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
    let mut text = String::new();
    socket.read_to_string(&mut text).ok()?;
    text.contains("redis_up").then_some(text)
}

#[test]
fn redis_exporter_finds_nothing_to_complain_of() {
    let Some(exporter) = program("redis-exporter", "prometheus-redis-exporter") else { return };
    let master = master_or_skip!("redis-8.10", "--repl-diskless-sync-delay", "0");
    let mut at_master = master.client();
    at_master.line("MSET a 1 b 2");
    at_master.line("XADD st 1-1 a 1");
    at_master.line("XGROUP CREATE st gr 0");
    at_master.line("PFADD hll a b c");
    at_master.line("RPUSH list a b");
    let replica = Node::replica_of(&master);
    replica.wait_state("streaming");
    replica.wait_caught_up(&master);
    let alone = Node::start(&[]);
    alone.client().line("SET a 1");
    for node in [&replica, &alone] {
        let folder = TempDir::new("exporter");
        let log = folder.path().join("log");
        let port = free_port();
        let file = std::fs::File::create(&log).expect("a log file");
        let child = Command::new(&exporter)
            .args(["-redis.addr", &format!("redis://127.0.0.1:{}", node.port)])
            .args(["-web.listen-address", &format!("127.0.0.1:{port}")])
            .args(["-export-client-list", "-include-system-metrics", "-include-config-metrics", "-debug"])
            .args(["-check-keys", "db0=*", "-count-keys", "db0=a*", "-check-streams", "db0=s*"])
            .stdout(file.try_clone().expect("a second handle"))
            .stderr(file)
            .spawn()
            .expect("start redis_exporter");
        let _tool = Tool(child);
        let text = wait_for("the exporter's page", || page(port));
        let said = std::fs::read_to_string(&log).expect("its log");
        let has = |line: &str| text.lines().any(|found| found == line);
        assert!(has("redis_up 1") && has("redis_exporter_last_scrape_error{err=\"\"} 0"), "{text}\n{said}");
        assert!(!said.contains("level=error") && !said.contains("level=warn"), "{said}");
        for name in [
            "redis_memory_used_bytes ",
            "redis_commands_latencies_usec_bucket{cmd=",
            "redis_latency_percentiles_usec{cmd=",
            "redis_slowlog_length ",
            "redis_connected_clients ",
            "redis_config_maxclients ",
            "redis_db_keys{db=\"db0\"}",
            "redis_key_size{db=\"db0\",key=\"a\"}",
        ] {
            assert!(text.lines().any(|line| line.starts_with(name)), "{name}\n{text}");
        }
    }
}

#[test]
fn redis_cli_looks_at_the_data() {
    let Some(cli) = program("redis-8.10", "redis-cli") else { return };
    let master = master_or_skip!("redis-8.10", "--repl-diskless-sync-delay", "0");
    let mut at_master = master.client();
    for line in
        ["MSET a 1 b 22 c 333", "RPUSH l 1 2 3", "HSET h a 1", "SADD s a b", "ZADD z 1 a", "XADD st 1-1 a 1"]
    {
        at_master.line(line);
    }
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    node.wait_caught_up(&master);
    let said = |args: &[&str], code: i32| {
        let output = Command::new(&cli)
            .args(["-p", &node.port.to_string()])
            .args(args)
            .stdin(Stdio::null())
            .output()
            .expect("run redis-cli");
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
        text
    };
    for protocol in ["-2", "-3"] {
        assert_eq!(said(&[protocol, "--scan"], 0).lines().count(), 8);
        assert_eq!(said(&[protocol, "--scan", "--pattern", "s*"], 0).lines().count(), 2);
        assert_eq!(said(&[protocol, "GET", "b"], 0).trim(), "22");
        assert!(said(&[protocol, "--bigkeys"], 0).contains("Sampled 8 keys"));
        assert!(said(&[protocol, "--memkeys"], 0).contains("Sampled 8 keys"));
        assert!(said(&[protocol, "--keystats"], 0).contains("stream"));
        // As a real server without an LFU policy.
        assert!(said(&[protocol, "--hotkeys"], 1).contains("ERR An LFU maxmemory policy is not selected"));
        assert!(!said(&[protocol, "INFO", "everything"], 0).is_empty());
        assert!(said(&[protocol, "MEMORY", "DOCTOR"], 0).ends_with('\n'));
        assert!(said(&[protocol, "LOLWUT"], 0).trim_end().ends_with("Redis ver. 8.10.0"));
    }
    let text = said(&["--eval", "/nosuch"], 1);
    assert!(text.contains("/nosuch"), "{text}");
}

/// A redis-cli that goes on until it is ended, and what it says.
fn watching(cli: &Path, port: u16, args: &[&str]) -> (Tool, impl Iterator<Item = String> + use<>) {
    let child = Command::new(cli)
        .args(["-p", &port.to_string()])
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("run redis-cli");
    let mut tool = Tool(child);
    let lines = BufReader::new(tool.0.stdout.take().expect("its output")).lines();
    (tool, lines.map_while(Result::ok))
}

#[test]
fn redis_cli_watches_the_server() {
    let Some(cli) = program("redis-8.10", "redis-cli") else { return };
    let master = master_or_skip!("redis-8.10", "--repl-diskless-sync-delay", "0");
    master.client().line("MSET a 1 b 22 c 333");
    let Some(real) = master.replica(&[]) else { return };
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    node.wait_caught_up(&master);
    real.wait_caught_up(&master);
    for port in [real.port, node.port] {
        // The lines come when the pipe's buffer is full: the first ones are not enough.
        let (_tool, mut lines) = watching(&cli, port, &["--stat", "-i", "0.01"]);
        let mut rows = lines.by_ref().filter(|line| line.starts_with(|first: char| first.is_ascii_digit()));
        let row = rows.next().expect("a row");
        let words: Vec<&str> = row.split_whitespace().collect();
        // Keys, memory, clients, blocked, requests, (more than before), connections.
        assert!(words.len() == 7 && words[0] == "3" && words[1].ends_with(['K', 'M']), "{row}");
        assert!(words[2].parse::<u32>().is_ok_and(|clients| clients >= 1) && words[3] == "0", "{row}");
        let requests = |row: &str| row.split_whitespace().nth(4).and_then(|word| word.parse::<u64>().ok());
        let next = rows.next().expect("a second row");
        assert!(requests(&next) > requests(&row), "{row}\n{next}");

        let (_tool, mut lines) = watching(&cli, port, &["MONITOR"]);
        assert_eq!(lines.next().as_deref(), Some("OK"));
        Client::connect(port).line("GET a");
        let seen = lines.find(|line| line.contains("\"GET\"")).expect("the request");
        assert!(seen.contains(" [0 127.0.0.1:") && seen.ends_with("] \"GET\" \"a\""), "{seen}");

        // Without a terminal: the lowest, the highest, the average, and how many there were.
        let output = Command::new(&cli)
            .args(["-p", &port.to_string(), "--latency", "-i", "0.1"])
            .stdin(Stdio::null())
            .output()
            .expect("run redis-cli");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        assert!(output.status.success() && numbers.len() == 4 && numbers[3] >= 1.0, "{text}");
    }
}

#[test]
fn redis_cli_helps_with_what_the_server_tells_of_its_commands() {
    // An old one, which knows nothing of the newest commands by itself.
    let Some(old) = program("redis-7.0", "redis-cli") else { return };
    let Some(new) = program("redis-8.10", "redis-cli") else { return };
    let real = master_or_skip!("redis-8.10");
    let node = Node::start(&[]);
    let mut hints = Vec::new();
    for port in [real.port, node.port] {
        let said = |cli: &Path, args: &[&str]| {
            let output = Command::new(cli).args(["-p", &port.to_string()]).args(args).output();
            String::from_utf8_lossy(&output.expect("run redis-cli").stdout).into_owned()
        };
        let help = said(&old, &["help", "digest"]);
        for part in ["DIGEST", "key", "summary:", "since:", "8.4.0", "group:", "string"] {
            assert!(help.contains(part), "{part}: {help}");
        }
        hints.push(
            ["get ", "set k v ", "zrange z 0 ", "xadd ", "config get ", "client kill ", "sort l "]
                .map(|line| said(&new, &["--test_hint", line])),
        );
        // On a terminal: a tab completes the name.
        let mut script = Command::new("script")
            .args([
                "-qec",
                &format!("stty cols 100 rows 30; exec '{}' -p {port}", old.display()),
                "/dev/null",
            ])
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("run script (of bsdutils)");
        let mut keys = script.stdin.take().expect("its input");
        let mut screen = script.stdout.take().expect("its output");
        let _tool = Tool(script);
        Client::connect(port).line("SET k text");
        let mut seen = String::new();
        let mut until = |what: &str| {
            let mut bytes = [0; 4096];
            while !seen.contains(what) {
                let count = screen.read(&mut bytes).expect("its screen");
                assert!(count > 0, "{what} never came: {seen}");
                seen += &String::from_utf8_lossy(&bytes[..count]);
            }
        };
        until("> ");
        keys.write_all(b"dige\t").expect("a tab");
        until("DIGEST");
        keys.write_all(b" k\r").expect("the rest");
        let digest = Client::connect(port).line("DIGEST k").text();
        until(&digest);
    }
    assert!(hints[0].iter().all(|hint| !hint.trim().is_empty()), "{hints:?}");
    assert_eq!(hints[0], hints[1]);
}
