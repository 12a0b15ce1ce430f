//! Transcripts: `tests/cases/*.txt`, each run against a real server and against nearside as its replica.
//!
//! `>` sends a line (words in redis-cli's quoting) to the server under test; `<` is what it answers, as a person
//! reads it in redis-cli. `!` sends to the master first, so that a file can make its own data; `#` is a comment.
//! `@ resp3` switches to RESP3. In the first lines `@ server NAME` names another real server, and `@ alone` has no master:
//! both sides are writable, and `!` is as `>`, with its answer not looked at. `b>` sends as another client, `b` (any
//! letter; `>` alone is `a`), and `b&` only reads what comes to it: a message, or one answer more.
//!
//! `~` is any answer, and `~ integer` one of this kind: for what `EXCEPTIONS` lists, and nothing else. Owns the format.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use commands::table::COMMANDS;

use crate::harness::{Client, Frame, Master, Node};

/// Newest first: the replies of nearside are those of the newest server that knows the command.
const SERVER: &str = "redis-8.10";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

fn files() -> Vec<PathBuf> {
    let only = std::env::var("NEARSIDE_CASE").ok();
    let mut all: Vec<PathBuf> = fs::read_dir(folder())
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
    /// Instead: any answer, or any of this kind.
    loosely: Option<String>,
}

enum Line {
    ToMaster(String),
    Ask(Step),
    Resp3,
}

/// What stands in a file.
struct Transcript {
    /// The real server it is of.
    server: String,
    /// Whether neither side has a master.
    alone: bool,
    lines: Vec<Line>,
}

fn parse(text: &str) -> Transcript {
    let mut transcript = Transcript { server: SERVER.into(), alone: false, lines: Vec::new() };
    for (at, line) in text.lines().enumerate() {
        let lines = &mut transcript.lines;
        let ask = |client, sent| {
            Line::Ask(Step { line: at + 1, client, sent, expected: Vec::new(), loosely: None })
        };
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
        } else if let Some(sent) = line.strip_prefix("! ") {
            lines.push(Line::ToMaster(sent.into()));
        } else if line.starts_with(['<', '~']) {
            let Some(Line::Ask(step)) = lines.last_mut() else {
                panic!("line {}: an answer to nothing", at + 1)
            };
            match line.strip_prefix('<') {
                Some(expected) => step.expected.push(expected.strip_prefix(' ').unwrap_or(expected).into()),
                None => step.loosely = Some(line[1..].trim().into()),
            }
        } else if line.trim() == "@ resp3" {
            lines.push(Line::Resp3);
        } else if line.trim() == "@ alone" {
            transcript.alone = true;
        } else if let Some(name) = line.strip_prefix("@ server ") {
            transcript.server = name.trim().into();
        } else {
            assert!(line.is_empty() || line.starts_with('#'), "line {}: what is {line:?}?", at + 1);
        }
    }
    transcript
}

/// A real server and nearside, in the same place.
struct Stage {
    /// The master of both.
    master: Option<Master>,
    real: Master,
    ours: Node,
}

impl Stage {
    /// The stage of such a transcript; `None` where the server is not to be had.
    fn of(transcript: &Transcript) -> Option<Stage> {
        if transcript.alone {
            let real = Master::start(&transcript.server, &[])?;
            return Some(Stage { master: None, real, ours: Node::start(&[]) });
        }
        let master = Master::start(&transcript.server, &[])?;
        // a real replica is the other side: READONLY and role are part of what is compared
        let real = master.replica(&[])?;
        let ours = Node::replica_of(&master);
        ours.wait_state("streaming");
        Some(Stage { master: Some(master), real, ours })
    }

    /// The port of one of the two.
    fn port(&self, side: Side) -> u16 {
        match side {
            Side::Real => self.real.port,
            Side::Ours => self.ours.port,
        }
    }

    /// Where data are made for it.
    fn source(&self, side: Side) -> Client {
        self.master.as_ref().map_or_else(|| Client::connect(self.port(side)), Master::client)
    }

    /// Waits until both have what their master has.
    fn settle(&self) {
        let Some(master) = &self.master else { return };
        self.ours.wait_caught_up(master);
        self.real.wait_caught_up(master);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Real,
    Ours,
}

/// Runs a transcript on one side; gives back what differs, and what came, to write a new file from.
fn run(transcript: &Transcript, stage: &Stage, side: Side) -> (Vec<String>, Vec<(usize, Frame)>) {
    let mut source = stage.source(side);
    source.line("FLUSHALL");
    stage.settle();
    let mut clients: BTreeMap<char, Client> = BTreeMap::new();
    clients.insert('a', Client::connect(stage.port(side)));
    let (mut wrong, mut record) = (Vec::new(), Vec::new());
    let mut unsettled = false;
    for line in &transcript.lines {
        match line {
            Line::ToMaster(sent) => {
                let reply = source.ask(&words(sent));
                assert!(!reply.is_error(), "! {sent}: {reply:?}");
                unsettled = true;
            }
            Line::Resp3 => drop(clients.get_mut(&'a').expect("the first").ask(&["HELLO", "3"])),
            Line::Ask(step) => {
                if std::mem::take(&mut unsettled) {
                    stage.settle();
                }
                let client = clients.entry(step.client).or_insert_with(|| Client::connect(stage.port(side)));
                let frame = match &step.sent {
                    Some(sent) => client.ask(&words(sent)),
                    None => client.read_soon().unwrap_or_else(|error| panic!("line {}: {error}", step.line)),
                };
                let mut came = Vec::new();
                shown(&frame, &mut came);
                let is_right = match step.loosely.as_deref() {
                    None => came == step.expected,
                    Some("") => true,
                    Some(wanted) => wanted == kind(&frame),
                };
                if !is_right {
                    wrong.push(format!(
                        "line {}: > {}\n  expected {}{:#?}\n  came     {came:#?}",
                        step.line,
                        step.sent.as_deref().unwrap_or("(nothing)"),
                        step.loosely.as_deref().unwrap_or_default(),
                        step.expected
                    ));
                }
                record.push((step.line, frame));
            }
        }
    }
    (wrong, record)
}

/// What sort of answer this is.
fn kind(frame: &Frame) -> &'static str {
    match frame {
        Frame::Simple(_) => "status",
        Frame::Error(_) => "error",
        Frame::Int(_) => "integer",
        Frame::Bulk(_) => "string",
        Frame::Null | Frame::NullArray => "nil",
        Frame::Double(_) => "double",
        Frame::Bool(_) => "boolean",
        Frame::BigNumber(_) => "big",
        Frame::Verbatim(_) => "text",
        Frame::Array(_) => "array",
        Frame::Push(_) => "push",
        Frame::Set(_) => "set",
        Frame::Map(_) => "map",
    }
}

#[test]
fn transcripts_hold_at_a_real_replica_and_here() {
    type File = (PathBuf, String, Transcript);
    let mut by_stage: BTreeMap<(String, bool), Vec<File>> = BTreeMap::new();
    for path in files() {
        let text = fs::read_to_string(&path).expect("a transcript");
        let transcript = parse(&text);
        let stage = (transcript.server.clone(), transcript.alone);
        by_stage.entry(stage).or_default().push((path, text, transcript));
    }
    let exceptions = exceptions();
    let mut wrong = Vec::new();
    for transcripts in by_stage.values() {
        let Some(stage) = transcripts.first().and_then(|(_, _, first)| Stage::of(first)) else { continue };
        for (path, text, transcript) in transcripts {
            let name = path.file_name().expect("a name").to_string_lossy();
            for side in [Side::Real, Side::Ours] {
                let (found, record) = run(transcript, &stage, side);
                if side == Side::Real && std::env::var("NEARSIDE_RECORD").is_ok() {
                    rewrite(path, text, &record, &exceptions);
                    break;
                }
                wrong.extend(found.into_iter().map(|what| format!("{name} at {side:?}: {what}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
}

/// With `NEARSIDE_RECORD=1`: puts what the real server answered into the file.
fn rewrite(path: &Path, text: &str, record: &[(usize, Frame)], exceptions: &[Exception]) {
    let mut out = String::new();
    for (at, line) in text.lines().enumerate() {
        if line.starts_with(['<', '~']) {
            continue;
        }
        out.push_str(line);
        out.push('\n');
        let Some((_, frame)) = record.iter().find(|(number, _)| *number == at + 1) else { continue };
        let sent = line.split_once("> ").map_or("", |(_, sent)| sent);
        if !frame.is_error()
            && exceptions.iter().any(|exception| exception.how == How::Kind && exception.fits(sent))
        {
            out.push_str(&format!("~ {}\n", kind(frame)));
            continue;
        }
        let mut came = Vec::new();
        shown(frame, &mut came);
        came.iter().for_each(|line| out.push_str(&format!("< {line}\n")));
    }
    fs::write(path, out).expect("write the transcript");
}

/// A line of `EXCEPTIONS`.
struct Exception {
    /// The words that requests begin with.
    words: Vec<String>,
    /// Whether there is nothing after them.
    is_whole: bool,
    how: How,
}

#[derive(Debug, PartialEq, Eq)]
enum How {
    /// Only the kind of the answer is compared.
    Kind,
    /// No transcript sends it.
    Unsent,
}

impl Exception {
    /// Whether this line, as it is sent, is one of those meant.
    fn fits(&self, sent: &str) -> bool {
        let words = words(sent);
        self.words.len() <= words.len()
            && (!self.is_whole || self.words.len() == words.len())
            && self.words.iter().zip(&words).all(|(own, word)| word.eq_ignore_ascii_case(own.as_bytes()))
    }
}

fn exceptions() -> Vec<Exception> {
    let text = fs::read_to_string(folder().join("EXCEPTIONS")).expect("tests/cases/EXCEPTIONS");
    let rows = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    rows.map(|line| {
        let parts: Vec<&str> = line.split('|').map(str::trim).collect();
        let [words, how, reason] = parts[..] else { panic!("EXCEPTIONS: {line}") };
        assert!(!reason.is_empty(), "EXCEPTIONS: {words} has no reason");
        let how = match how {
            "kind" => How::Kind,
            "unsent" => How::Unsent,
            other => panic!("EXCEPTIONS: what is {other}?"),
        };
        let (words, is_whole) = words.strip_prefix("= ").map_or((words, false), |words| (words, true));
        Exception { words: words.split_ascii_whitespace().map(str::to_uppercase).collect(), is_whole, how }
    })
    .collect()
}

#[test]
fn every_command_is_in_a_transcript_or_is_an_exception() {
    let texts: Vec<(String, String)> = fs::read_dir(folder())
        .expect("tests/cases")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
        .map(|path| (path.display().to_string(), fs::read_to_string(&path).expect("a transcript")))
        .collect();
    let exceptions = exceptions();
    let mut used = vec![false; exceptions.len()];
    let mut sent: BTreeSet<&str> = BTreeSet::new();
    let mut wrong = Vec::new();
    for (path, text) in &texts {
        for line in parse(text).lines {
            let (said, loosely) = match line {
                Line::ToMaster(said) => (said, None),
                Line::Ask(step) => match step.sent {
                    Some(sent) => (sent, step.loosely),
                    None => continue,
                },
                Line::Resp3 => continue,
            };
            let words = words(&said);
            let borrowed: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            match commands::resolve(&borrowed) {
                Ok((command, _)) | Err(commands::Unresolved::WrongArity(command)) => {
                    sent.insert(command.name);
                }
                Err(_) => {}
            }
            if loosely.is_some() {
                let of = |exception: &Exception| exception.how == How::Kind && exception.fits(&said);
                match exceptions.iter().position(of) {
                    Some(place) => used[place] = true,
                    None => wrong.push(format!("{path}: > {said}: not compared, and not in EXCEPTIONS")),
                }
            }
        }
    }
    for command in COMMANDS.iter().filter(|command| !matches!(command.run, commands::Run::Container)) {
        let name = command.name.replace('|', " ");
        let words: Vec<String> = name.split(' ').map(str::to_uppercase).collect();
        let of = |exception: &Exception| exception.how == How::Unsent && exception.words == words;
        let unsent = exceptions.iter().position(of);
        match unsent {
            Some(place) => used[place] = true,
            None if sent.contains(command.name) => {}
            None => wrong.push(format!("{name} is in no transcript")),
        }
        if unsent.is_some() && sent.contains(command.name) {
            wrong.push(format!("{name} is sent, and EXCEPTIONS says that it is not"));
        }
    }
    for (exception, _) in exceptions.iter().zip(&used).filter(|(_, used)| !**used) {
        wrong.push(format!("EXCEPTIONS: {} is not needed", exception.words.join(" ")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
