//! Tools that look at servers: redis_exporter, and redis-cli's own ways to look at data.
//!
//! Owns what each is asked for, and what has to come. Never looks into what they print any further.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use crate::harness::process::{TempDir, masters_dir};
use crate::harness::{Node, free_port, wait_for};

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
    let said = said(&["--eval", "/nosuch"], 1);
    assert!(said.contains("/nosuch"), "{said}");
}
