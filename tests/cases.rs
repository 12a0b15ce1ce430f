//! Transcripts: `tests/cases/*.txt`, each run against a real server and against nearside as its replica.
//!
//! `>` sends a line (words in redis-cli's quoting) to the server under test; `<` is what it answers, as a person
//! reads it in redis-cli. `!` sends to the master first, so that a file can make its own data; `#` is a comment.
//! `@ resp3` switches to RESP3. `b>` sends as another client, `b` (any letter; `>` alone is `a`), and `b&` only reads what
//! comes to it: a message, or one answer more. Owns the format; never compares what a line `~` (any answer) says may
//! differ.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::harness::{Client, Frame, Node};

/// Newest first: the replies of nearside are those of the newest server that knows the command.
const SERVER: &str = "redis-8.10";

fn files() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let only = std::env::var("NEARSIDE_CASE").ok();
    let mut all: Vec<PathBuf> = fs::read_dir(folder)
        .expect("tests/cases")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
        .filter(|path| {
            only.as_ref().is_none_or(|name| path.file_stem().is_some_and(|stem| stem == name.as_str()))
        })
        .collect();
    all.sort();
    assert!(!all.is_empty(), "no transcripts");
    all
}

/// The words of a line, in redis-cli's quoting.
fn words(line: &str) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut rest = line.trim().bytes().peekable();
    while let Some(&first) = rest.peek() {
        if first == b' ' {
            rest.next();
            continue;
        }
        let mut word = Vec::new();
        if first == b'"' {
            rest.next();
            loop {
                match rest.next().unwrap_or_else(|| panic!("unbalanced quotes: {line}")) {
                    b'"' => break,
                    b'\\' => match rest.next().expect("something after the backslash") {
                        b'n' => word.push(b'\n'),
                        b'r' => word.push(b'\r'),
                        b't' => word.push(b'\t'),
                        b'x' => {
                            let digits = [rest.next().expect("a digit"), rest.next().expect("a digit")];
                            let text = std::str::from_utf8(&digits).expect("ascii");
                            word.push(u8::from_str_radix(text, 16).expect("two hex digits"));
                        }
                        other => word.push(other),
                    },
                    byte => word.push(byte),
                }
            }
        } else {
            while let Some(&byte) = rest.peek().filter(|&&byte| byte != b' ') {
                word.push(byte);
                rest.next();
            }
        }
        words.push(word);
    }
    words
}

/// A reply as redis-cli prints it on a terminal.
fn shown(frame: &Frame, into: &mut Vec<String>) {
    let list = |items: &[Frame], empty: &str, mark: char, into: &mut Vec<String>| {
        if items.is_empty() {
            into.push(format!("({empty})"));
        }
        let width = items.len().to_string().len();
        for (at, item) in items.iter().enumerate() {
            let mut lines = Vec::new();
            let prefix = format!("{:>width$}{mark} ", at + 1);
            shown(item, &mut lines);
            for (number, line) in lines.into_iter().enumerate() {
                into.push(if number == 0 {
                    format!("{prefix}{line}")
                } else {
                    format!("{}{line}", " ".repeat(prefix.len()))
                });
            }
        }
    };
    match frame {
        Frame::Simple(text) => into.push(text.clone()),
        Frame::Error(text) => into.push(format!("(error) {text}")),
        Frame::Int(number) => into.push(format!("(integer) {number}")),
        Frame::Bulk(bytes) => into.push(format!("\"{}\"", escaped(bytes))),
        Frame::Null | Frame::NullArray => into.push("(nil)".into()),
        Frame::Double(text) => into.push(format!("(double) {text}")),
        Frame::Bool(yes) => into.push(format!("({yes})")),
        Frame::BigNumber(text) => into.push(format!("(big) {text}")),
        Frame::Verbatim(bytes) => into.push(escaped(bytes.get(4..).unwrap_or_default())),
        Frame::Array(items) => list(items, "empty array", ')', into),
        Frame::Push(items) => list(items, "empty push", ')', into),
        Frame::Set(items) => list(items, "empty set", '~', into),
        Frame::Map(pairs) => {
            if pairs.is_empty() {
                into.push("(empty hash)".into());
            }
            for (at, (key, value)) in pairs.iter().enumerate() {
                let mut lines = Vec::new();
                shown(value, &mut lines);
                let mut name = Vec::new();
                shown(key, &mut name);
                for (number, line) in lines.into_iter().enumerate() {
                    into.push(if number == 0 {
                        format!("{}# {} => {line}", at + 1, name.join(" "))
                    } else {
                        format!("   {line}")
                    });
                }
            }
        }
    }
}

fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => text.extend(['\\', byte as char]),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            0x20..=0x7e => text.push(byte as char),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text
}

/// One expectation: which lines of a file sent what, and what has to come.
struct Step {
    line: usize,
    /// By or to which client.
    client: char,
    /// Nothing, when it is only read what comes.
    sent: Option<String>,
    expected: Vec<String>,
    any: bool,
}

enum Line {
    ToMaster(String),
    Ask(Step),
    Resp3,
}

fn parse(text: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let ask =
            |client, sent| Line::Ask(Step { line: at + 1, client, sent, expected: Vec::new(), any: false });
        let mut letters = line.chars();
        let (first, rest) = (letters.next(), letters.as_str());
        if let Some(sent) = line.strip_prefix("> ") {
            lines.push(ask('a', Some(sent.into())));
        } else if line == "&" {
            lines.push(ask('a', None));
        } else if let (Some(name @ 'a'..='z'), Some(sent)) = (first, rest.strip_prefix("> ")) {
            lines.push(ask(name, Some(sent.into())));
        } else if let (Some(name @ 'a'..='z'), "&") = (first, rest) {
            lines.push(ask(name, None));
        } else if let Some(expected) = line.strip_prefix("<") {
            let Some(Line::Ask(step)) = lines.last_mut() else {
                panic!("line {}: an answer to nothing", at + 1)
            };
            step.expected.push(expected.strip_prefix(' ').unwrap_or(expected).to_owned());
        } else if line.starts_with('~') {
            let Some(Line::Ask(step)) = lines.last_mut() else {
                panic!("line {}: an answer to nothing", at + 1)
            };
            step.any = true;
        } else if let Some(sent) = line.strip_prefix("! ") {
            lines.push(Line::ToMaster(sent.into()));
        } else if line.trim() == "@ resp3" {
            lines.push(Line::Resp3);
        } else {
            assert!(line.is_empty() || line.starts_with('#'), "line {}: what is {line:?}?", at + 1);
        }
    }
    lines
}

/// Runs one transcript; gives back what differs. `record` collects what came, to write a new file from.
fn run(
    lines: &[Line],
    port: u16,
    at_master: &mut Client,
    settle: &dyn Fn(),
    record: &mut Vec<(usize, Vec<String>)>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut unsettled = false;
    let mut clients: BTreeMap<char, Client> = BTreeMap::new();
    clients.insert('a', Client::connect(port));
    for line in lines {
        match line {
            Line::ToMaster(sent) => {
                let reply = at_master.ask(&words(sent));
                assert!(!reply.is_error(), "! {sent}: {reply:?}");
                unsettled = true;
            }
            Line::Resp3 => drop(clients.get_mut(&'a').expect("the first").ask(&["HELLO", "3"])),
            Line::Ask(step) => {
                if std::mem::take(&mut unsettled) {
                    settle();
                }
                let client = clients.entry(step.client).or_insert_with(|| Client::connect(port));
                let frame = match &step.sent {
                    Some(sent) => client.ask(&words(sent)),
                    None => client.read_soon().unwrap_or_else(|error| panic!("line {}: {error}", step.line)),
                };
                let mut came = Vec::new();
                shown(&frame, &mut came);
                if !step.any && came != step.expected {
                    wrong.push(format!(
                        "line {}: > {}\n  expected {:#?}\n  came     {came:#?}",
                        step.line,
                        step.sent.as_deref().unwrap_or("(nothing)"),
                        step.expected
                    ));
                }
                record.push((step.line, came));
            }
        }
    }
    wrong
}

#[test]
fn transcripts_hold_at_a_real_replica_and_here() {
    let master = master_or_skip!(SERVER);
    // a real replica is the other side: READONLY and role are part of what is compared
    let port = master.port.to_string();
    let real = master_or_skip!(SERVER, "--replicaof", "127.0.0.1", &port);
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    let mut wrong = Vec::new();
    for path in files() {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("a transcript");
        let lines = parse(&text);
        for (server, port) in [("the real server", real.port), ("nearside", node.port)] {
            let mut at_master = master.client();
            at_master.line("FLUSHALL");
            let settle = || {
                node.wait_caught_up(&master);
                let offset = master.client().info("replication", "master_repl_offset");
                let mut replica = real.client();
                crate::harness::wait_for("the real replica", || {
                    (replica.info("replication", "slave_repl_offset") >= offset).then_some(())
                });
            };
            settle();
            let mut record = Vec::new();
            let found = run(&lines, port, &mut at_master, &settle, &mut record);
            if server == "the real server" && std::env::var("NEARSIDE_RECORD").is_ok() {
                rewrite(&path, &text, &record);
                break;
            }
            wrong.extend(found.into_iter().map(|what| format!("{name} at {server}: {what}")));
        }
    }
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
}

/// With `NEARSIDE_RECORD=1`: puts what the real server answered into the file.
fn rewrite(path: &std::path::Path, text: &str, record: &[(usize, Vec<String>)]) {
    let mut out = String::new();
    for (at, line) in text.lines().enumerate() {
        if line.starts_with('<') {
            continue;
        }
        out.push_str(line);
        out.push('\n');
        if let Some((_, came)) = record.iter().find(|(number, _)| *number == at + 1)
            && !text.lines().nth(at + 1).is_some_and(|next| next.starts_with('~'))
        {
            came.iter().for_each(|line| out.push_str(&format!("< {line}\n")));
        }
    }
    fs::write(path, out).expect("write the transcript");
}
