//! The same random requests to a real replica and to us, of the same master: the same answers.
//!
//! Requests of all families at once, right and wrong, in RESP2 and RESP3, in transactions and scripts, on connections
//! that keep their state; writes too, which both refuse. Between rounds the master writes more, and lets keys and fields
//! expire, which a replica hides and keeps. Owns what is sent and how the answers are paired; what a request looks like
//! is said in `tests/grammar`.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::differential::{
    gather_payloads, is_determined, is_passed_on, is_range_by_name, is_write, may_be_chance, seconds,
};
use crate::harness::client::shown;
use crate::harness::found::{Found, told};
use crate::harness::grammar::{Compare, Line, Maker, families, families_of};
use crate::harness::walk::{self, Depth, differences};
use crate::harness::{Client, Frame, Master, Node, Random, lua, tiered, timed, wait_for};

/// Requests to each server.
const REQUESTS: usize = 20_000;
/// In the long tier, in each of its runs.
const REQUESTS_LONG: usize = 1_000_000;
/// Runs in the long tier, about an hour: each with a seed of its own, so that what is found late in it can be had again
/// from a beginning, and with servers of its own.
const RUNS_LONG: u64 = 15;
/// How many, about, before the master writes again.
const ROUND: usize = 1_000;
/// How much the master writes each time.
const WRITES: usize = 300;
/// For so long a field that has expired may be taken for one that was there when HPERSIST ran, and some more.
const PERSISTED_MICROS: u64 = 400_000;
/// Databases that have data: the grammar moves keys to these.
const DATABASES: u32 = 3;
/// Functions that are there all the while.
const LIBRARY: &str = "#!lua name=mine
redis.register_function{function_name='reader', callback=function(keys, args) return redis.call(unpack(args)) end, flags={'no-writes'}}
redis.register_function('writer', function(keys, args) return redis.call('set', 'string:1', 1) end)
redis.register_function{function_name='thrower', callback=function(keys, args) error({err='MY own'}) end, flags={'no-writes', 'allow-stale'}}";

/// Families in which other servers than the newest one answer in their own words, or with their own commands.
const NEWEST_ONLY: &[&str] = &["users", "commands", "cluster", "what scripts say"];
/// Commands that they answer otherwise: ZSCAN with other digits, CONFIG SET with other values; CLIENT PAUSE and UNBLOCK
/// take any words there; FUNCTION LIST repeats what it does not know with line ends and all.
const NEWEST_COMMANDS: &[&str] = &["client|pause", "client|unblock", "config|set", "function|list", "zscan"];

/// Commands that answer with a map, whose names have an order.
const MAPS_OF_NAMES: &[&str] = &["xread", "lcs"];

type Words = Vec<Vec<u8>>;

/// How many runs, and how many requests in each: of `NEARSIDE_READS` there is one.
fn runs() -> (u64, usize) {
    match std::env::var("NEARSIDE_READS").ok().and_then(|text| text.parse().ok()) {
        Some(wanted) => (1, wanted),
        None => tiered((1, REQUESTS), (RUNS_LONG, REQUESTS_LONG)),
    }
}

/// What is sent, and what of its reply has a meaning.
struct Sent<'a> {
    line: &'a Line,
    words: Words,
}

/// Lines of the grammar, for a choice by family.
struct Grammar {
    /// Commands on data that change nothing, by family.
    reads: Vec<Vec<Line>>,
    /// Those that do.
    writes: Vec<Vec<Line>>,
    scripts: Vec<Line>,
    /// What a connection may begin with. A real server that has other answers to send forgets to answer an AUTH that
    /// fails, so that nothing may be sent before it.
    beginnings: Vec<Line>,
    /// Of connections that get what they did not ask for, or no answer.
    modes: Vec<Line>,
    /// The other ones that the server answers itself, by family.
    server: Vec<Vec<Line>>,
    /// What is compared of a command's reply when a script ran it.
    marks: BTreeMap<String, Compare>,
    multi: Line,
    exec: Line,
}

impl Grammar {
    /// Without what the server does not have.
    fn of(client: &mut Client, newest: bool) -> Grammar {
        let mut is_known = |line: &Line| {
            let name = line.command.trim_end_matches("|?");
            if !newest && NEWEST_COMMANDS.contains(&name) {
                return false;
            }
            commands::find(name.as_bytes()).is_none()
                || !matches!(client.ask(&["COMMAND", "INFO", name]).items(), [Frame::Null | Frame::NullArray])
        };
        let mut grammar = Grammar {
            reads: Vec::new(),
            writes: Vec::new(),
            scripts: Vec::new(),
            beginnings: Vec::new(),
            modes: Vec::new(),
            server: Vec::new(),
            marks: BTreeMap::new(),
            multi: Line::word("MULTI"),
            exec: Line::word("EXEC"),
        };
        for (_, mut lines) in families() {
            lines.retain(&mut is_known);
            for line in &lines {
                let mark = grammar.marks.entry(line.command.clone()).or_insert(line.compare);
                if *mark == Compare::Exact {
                    *mark = line.compare;
                }
            }
            let (writes, reads): (Vec<Line>, Vec<Line>) = lines.into_iter().partition(is_write);
            grammar.writes.push(writes);
            if !reads.is_empty() {
                grammar.reads.push(reads);
            }
        }
        for (name, mut lines) in families_of("server.txt") {
            lines.retain(&mut is_known);
            if !newest && NEWEST_ONLY.contains(&name.as_str()) {
                continue;
            }
            match name.as_str() {
                "what scripts say" => grammar.scripts.extend(lines),
                "scripts" => grammar.scripts.extend(lines),
                "modes" => grammar.modes = lines,
                "beginnings" => grammar.beginnings = lines,
                _ => grammar.server.push(lines),
            }
        }
        grammar
    }
}

/// A master, a real replica of it, and ours.
struct Stage {
    master: Master,
    real: Master,
    ours: Node,
    maker: Maker,
    found: Found,
    /// The commands that the real server has.
    known: BTreeSet<String>,
    /// One connection to each, for all conversations but those that end it.
    theirs: Client,
    here: Client,
    /// Sorted sets whose ranges by name are chance: see [`is_determined`].
    undetermined: BTreeSet<Vec<u8>>,
    /// The master's time, in microseconds, when keys and fields were last seen to: they have expired.
    expired: u64,
    /// How many warnings of ours are told.
    warned: usize,
    /// What was sorted: of a sorted set a real replica makes its big form for that, and keeps it.
    sorted: BTreeSet<Vec<u8>>,
}

impl Stage {
    /// The master writes, of all families, and lets some of it expire.
    fn write(&mut self, grammar: &Grammar, round: usize) {
        let mut client = self.master.client();
        if round % 7 == 6 {
            client.line("FLUSHALL");
            self.sorted.clear();
        }
        client.line(if round % 4 == 3 { "SELECT 1" } else { "SELECT 0" });
        client.ask(&["FUNCTION", "LOAD", "REPLACE", LIBRARY]);
        let (mut all, mut batch): (Vec<Words>, Vec<Words>) = (Vec::new(), Vec::new());
        for _ in 0..WRITES {
            let family = self.maker.random.below(grammar.writes.len() as u64) as usize;
            let (line, mut words) = self.maker.request(&grammar.writes[family]);
            let flags = commands::find(line.command.as_bytes()).map(|command| command.flags);
            // (XREADGROUP waits for as long as it says; the others' zeros may be the grammar's junk.)
            let may_wait = flags.is_some_and(|flags| flags.contains(commands::Flags::BLOCKING));
            // A master sorts by fields that are past their deadline as by none, and real replicas, which are told to do the
            // same, by what they still have: then neither is one to compare with.
            let sorts_by_field = line.command == "sort" && words.iter().any(|word| word.contains(&b'>'));
            // Encodings of what is made of templates are not compared: see `grammar::is_of_template`.
            let is_templated = line.command == "himport|set";
            // What a master counts beyond the greatest number a real replica refuses to follow.
            let counts_on = words.windows(2).any(|pair| {
                is_any_of(&pair[0], &["entriesread", "entriesadded"])
                    && pair[1].starts_with(b"9223372036854775")
            });
            if sorts_by_field
                || is_templated
                || counts_on
                || !is_passed_on(self.master.version(), &words)
                || has_two_deadlines(&words)
                || line.command.starts_with("flush")
                || may_wait && line.command != "xreadgroup"
                || waits(&words)
            {
                continue;
            }
            // A master of Redis passes HPERSIST on without saying which of several fields were there still. What went a
            // moment before may be taken for there, until the master deletes it: which it is kept from here.
            if line.command == "hpersist" {
                let gone = self.expired + PERSISTED_MICROS;
                wait_for("fields that are long gone", || (micros(&mut client) > gone).then_some(()));
            }
            if may_be_chance(&words) {
                client.pipeline(&batch);
                all.append(&mut batch);
                if !is_determined(&mut client, &words) {
                    continue;
                }
            }
            rename(&mut words);
            batch.push(words);
        }
        client.pipeline(&batch);
        all.append(&mut batch);
        self.follow(&all);
        if round % 3 == 1 {
            gather_payloads(&mut self.maker, &mut client);
        }
        // What PFCOUNT finds a real replica notes in its own copy of the string: now it is noted everywhere.
        for db in 0..DATABASES {
            client.line(&format!("SELECT {db}"));
            for key in walk::keys(&mut client) {
                client.ask(&[b"PFCOUNT".as_slice(), &key]); // an error for most
            }
        }
        client.line("SELECT 0");
        // A few keys and fields whose time comes now.
        for key in walk::keys(&mut client) {
            match self.maker.random.below(20) {
                0 | 1 => drop(client.ask(&[b"PEXPIRE".as_slice(), &key, b"1"])),
                2..=7 => {
                    let words = [b"HPEXPIRE".as_slice(), &key, b"1", b"FIELDS", b"3", b"m1", b"m2", b"m3"];
                    client.ask(&words); // an error for most
                }
                _ => {}
            }
        }
        self.expired = micros(&mut client) + 2_000;
        wait_for("the next moment", || (micros(&mut client) > self.expired).then_some(()));
        self.real.wait_caught_up(&self.master);
        self.ours.wait_caught_up(&self.master);
        self.undetermined = undetermined(&mut self.real.client());
        self.look_at_log();
    }

    /// What is warned of says that the master's stream was not followed as it came, whatever came of that.
    fn look_at_log(&mut self) {
        let log = self.ours.log();
        let warnings: Vec<&str> = log.lines().filter(|line| line.contains(" WARN ")).collect();
        for line in warnings.iter().skip(self.warned) {
            self.found.note("(the log)", || (*line).to_owned());
        }
        self.warned = warnings.len();
    }

    /// With `NEARSIDE_EACH=1`: sees to it that we have what the master has after these, to find the command at fault.
    fn follow(&mut self, written: &[Words]) {
        if std::env::var("NEARSIDE_EACH").is_err() {
            return;
        }
        self.ours.wait_caught_up(&self.master);
        let depth = Depth {
            encodings: false,
            loaded: walk::Loaded::Neither,
            ..Depth::of(self.master.version(), self.master.is_valkey())
        };
        let found = differences(&mut self.ours.client(), &mut self.master.client(), DATABASES, depth);
        let warned = self.ours.log().contains("WARN");
        let sent: Vec<String> = written.iter().map(|words| shown(words)).collect();
        assert!(
            found.is_empty() && !warned,
            "{}\n{}\nafter\n{}",
            found.join("\n"),
            self.ours.log(),
            sent.join("\n")
        );
    }

    /// A line of the grammar, and a request of it.
    fn request<'a>(&mut self, grammar: &'a Grammar) -> Sent<'a> {
        let random = &mut self.maker.random;
        let lines = match random.below(100) {
            0..=61 => random.pick(&grammar.reads),
            62..=66 => random.pick(&grammar.writes),
            67..=79 => &grammar.scripts,
            _ => random.pick(&grammar.server),
        };
        let (line, mut words) = self.maker.request(lines);
        rename(&mut words);
        let random = &mut self.maker.random;
        // (What Lua says of a program that is no text is not text either, and is told by us as well as it can be.)
        let is_program = line.command.starts_with("eval") || line.command == "script|load";
        if words.len() > 1 && !is_program && random.one_in(120) {
            let at = 1 + random.below(words.len() as u64 - 1) as usize;
            let length = match random.below(3) {
                0 => 20_000 + random.below(60_000),
                _ => random.below(40),
            };
            words[at] = (0..length).map(|_| random.next() as u8).collect();
        }
        Sent { line, words }
    }

    fn has_one_answer(&self, sent: &Sent<'_>) -> bool {
        let by_name = sent.words.iter().any(|word| {
            let word = word.to_ascii_lowercase();
            word.ends_with(b"bylex") || word == b"zlexcount"
        });
        // So many bytes are an error here.
        let is_too_much = sent.line.command == "config|set"
            && sent.words.iter().any(|word| word.len() >= 20 && word.iter().all(u8::is_ascii_digit));
        let is_chance = by_name && sent.words.iter().any(|word| self.undetermined.contains(word));
        !waits(&sent.words) && !is_chance && !is_too_much
    }

    /// Requests with one reply each; gives back how many.
    fn conversation(&mut self, grammar: &Grammar) -> usize {
        let mut all: Vec<Sent<'_>> = Vec::new();
        let hello = Line::word("HELLO");
        if self.maker.random.one_in(6) {
            let (line, words) = self.maker.request(&grammar.beginnings);
            all.push(Sent { line, words });
        }
        if self.maker.random.one_in(2) {
            let words = vec![b"HELLO".to_vec(), b"3".to_vec()];
            all.push(Sent { line: &hello, words });
        }
        for _ in 0..10 + self.maker.random.below(20) {
            let block = if self.maker.random.one_in(12) { 1 + self.maker.random.below(6) } else { 0 };
            if block > 0 {
                all.push(Sent { line: &grammar.multi, words: vec![b"MULTI".to_vec()] });
            }
            for _ in 0..block.max(1) {
                let sent = self.request(grammar);
                // one write in most of the blocks would leave nothing to run
                // (Others give up the transaction then.)
                let watches = sent.line.command == "watch" && !self.found.newest;
                let spoils = block > 0 && (watches || is_refused(&sent) && !self.maker.random.one_in(10));
                if self.has_one_answer(&sent) && !spoils {
                    all.push(sent);
                }
            }
            if block > 0 {
                all.push(Sent { line: &grammar.exec, words: vec![b"EXEC".to_vec()] });
            }
        }
        let sorts = |sent: &&Sent<'_>| sent.words.iter().any(|word| is_any_of(word, &["sort", "sort_ro"]));
        self.sorted.extend(all.iter().filter(sorts).flat_map(|sent| sent.words.iter().cloned()));
        let (words, last) = ended(all.iter().map(|sent| sent.words.clone()));
        let ((there, here), took) =
            timed(|| (self.theirs.until(&words, &last), self.here.until(&words, &last)));
        self.found.asked_within(took);
        let whole = all.len() + 1; // RESET's
        if here.len() != whole || there.len() != whole {
            // (Both end the connection of a user that is deleted.)
            (self.theirs, self.here) = (self.real.client(), self.ours.client());
        }
        if here.len() == there.len() {
            self.compare(grammar, &all, here, there);
        } else {
            self.apart("(how many answers)", &words, here, there);
        }
        all.len()
    }

    fn compare(&mut self, grammar: &Grammar, all: &[Sent<'_>], here: Vec<Frame>, there: Vec<Frame>) {
        let mut queued: Vec<usize> = Vec::new();
        for (at, ((sent, here), there)) in all.iter().zip(here).zip(there).enumerate() {
            let is_queued = |frame: &Frame| *frame == Frame::Simple("QUEUED".into());
            if is_queued(&here) && is_queued(&there) {
                queued.push(at);
                continue;
            }
            if sent.line.command == "exec"
                && let (Frame::Array(here), Frame::Array(there)) = (&here, &there)
                && here.len() == queued.len()
                && there.len() == queued.len()
            {
                for ((at, here), there) in queued.drain(..).zip(here).zip(there) {
                    self.compare_one(grammar, &all[..=at], here.clone(), there.clone());
                }
                continue;
            }
            if matches!(sent.line.command.as_str(), "exec" | "discard" | "reset") {
                queued.clear();
            }
            if let ("script|load", Frame::Bulk(digest)) = (sent.line.command.as_str(), &there) {
                self.maker.digests.truncate(12);
                self.maker.digests.insert(0, String::from_utf8_lossy(digest).into_owned());
            }
            let has_failed_once = here.is_error() != there.is_error();
            self.compare_one(grammar, &all[..=at], here, there);
            let sets = ["exec", "select", "hello", "auth"].contains(&sent.line.command.as_str());
            if has_failed_once && sets {
                // (Another server refuses what it does not know.) What follows is asked of two states.
                return;
            }
        }
    }

    /// Leaves names of commands out that only one side has.
    fn in_common(&self, frame: &mut Frame) {
        if let Frame::Array(names) | Frame::Set(names) = frame {
            names.retain(|name| match name {
                // (Neither has a category; they are listed by ACL CAT too.)
                Frame::Bulk(text) => self.known.contains(&name.text()) == commands::find(text).is_some(),
                _ => true,
            });
        }
    }

    /// Whether the real replica has a database all of whose keys are expired.
    fn has_expired_only(&self) -> bool {
        let mut client = self.real.client();
        (0..DATABASES).any(|db| {
            client.line(&format!("SELECT {db}"));
            client.line("DBSIZE").int() > 0 && walk::keys(&mut client).is_empty()
        })
    }

    /// The last of these.
    fn compare_one(&mut self, grammar: &Grammar, all: &[Sent<'_>], mut here: Frame, mut there: Frame) {
        let Some((Sent { line, words }, before)) = all.split_last() else { return };
        let (compare, asked) = match line.compare {
            Compare::Inner => match inner(grammar, words) {
                // Other servers' Lua tells the names of a map in another order.
                (_, asked) if !self.found.newest && is_command(asked, MAPS_OF_NAMES) => {
                    (Compare::Deep, asked)
                }
                found => found,
            },
            compare => (compare, words.as_slice()),
        };
        let is_by_name = is_range_by_name(asked);
        if (is_by_name || asked.iter().any(|word| is_any_of(word, &["zscan", "encoding", "dump", "usage"])))
            && asked.iter().any(|word| self.sorted.contains(word))
        {
            return;
        }
        // A replica's link to its master has commands that are none of ours.
        let is_of_link = |name: &Vec<u8>| {
            self.known.contains(&String::from_utf8_lossy(name).to_lowercase())
                && commands::find(name).is_none()
        };
        let inside = match line.compare {
            Compare::Inner => asked.first(),
            _ if line.command.starts_with("command|getkeys") => words.get(2),
            _ => None,
        };
        if inside.is_some_and(is_of_link) {
            return;
        }
        // Behind less than nothing Valkey begins somewhere, in big sorted sets.
        if !self.found.newest && begins_below_zero(asked) {
            return;
        }
        match line.command.as_str() {
            // A real server tells the size of what is expired and not deleted yet; we hide it here as elsewhere.
            "memory|usage" if here == Frame::Null || there == Frame::Null => return,
            // And takes one of the fields, where all of a hash are expired; its own HLEN is 0 then, and HKEYS empty.
            _ if here == Frame::Null && is_command(asked, &["hrandfield"]) && asked.len() == 2 => return,
            // So it does with a key, where all of a database are expired.
            _ if here == Frame::Null && is_command(asked, &["randomkey"]) && self.has_expired_only() => {
                return;
            }
            // Builds with the system's Lua take one long string inside another.
            "eval" | "eval_ro" if is_nested(&here) != is_nested(&there) => return,
            "command|list" | "acl|cat" => {
                [&mut here, &mut there].into_iter().for_each(|frame| self.in_common(frame));
            }
            _ => {}
        }
        if self.found.same(&line.command, compare, asked, &mut here, &mut there) {
            return;
        }
        self.found.note(&line.command, || {
            let state = ["hello", "select", "multi", "exec", "discard", "auth", "reset", "watch"];
            let before: Vec<String> = before
                .iter()
                .filter(|sent| {
                    state.contains(&sent.line.command.as_str()) || sent.line.command.starts_with("acl|")
                })
                .map(|sent| shown(&sent.words).chars().take(60).collect())
                .collect();
            format!("({})\n{}", before.join("; "), told(words, &here, &there))
        });
    }

    /// Requests that are answered by more than a reply, or none; on connections of their own. Gives back how many.
    fn modes(&mut self, grammar: &Grammar) -> usize {
        let mut all: Vec<Words> = Vec::new();
        if self.maker.random.one_in(2) {
            all.push(vec![b"HELLO".to_vec(), b"3".to_vec()]);
        }
        for _ in 0..10 + self.maker.random.below(20) {
            all.push(self.maker.request(&grammar.modes).1);
        }
        let count = all.len();
        let (words, last) = ended(all.into_iter());
        let there = self.real.client().until(&words, &last);
        let here = self.ours.client().until(&words, &last);
        self.apart("(modes)", &words, here, there);
        count
    }

    /// Notes where two sequences part.
    fn apart(&mut self, what: &str, words: &[Words], mut here: Vec<Frame>, mut there: Vec<Frame>) {
        for frames in [&mut here, &mut there] {
            in_one_order(frames);
            if !self.found.newest {
                let errors = frames.iter_mut().filter(|frame| frame.is_error());
                errors.for_each(|frame| *frame = Frame::Error("in other words".into()));
            }
        }
        if here != there {
            self.found.note(what, || apart(words, &here, &there));
        }
    }
}

fn is_nested(frame: &Frame) -> bool {
    matches!(frame, Frame::Error(text) if text.contains("nesting of [[...]]"))
}

/// With what ends every mode, and tells that all was answered.
fn ended(requests: impl Iterator<Item = Words>) -> (Vec<Words>, Frame) {
    let token = b"that was all".to_vec();
    let last = [vec![b"RESET".to_vec()], vec![b"ECHO".to_vec(), token.clone()]];
    (requests.chain(last).collect(), Frame::Bulk(token))
}

/// Both sequences, from a little before they part.
fn apart(words: &[Words], here: &[Frame], there: &[Frame]) -> String {
    let same = here.iter().zip(there).take_while(|(here, there)| here == there).count();
    let text = |frames: &[Frame]| -> String {
        let from = frames.iter().skip(same.saturating_sub(2)).take(8);
        from.map(|frame| format!("{frame:?}").chars().take(200).collect::<String>() + "; ").collect()
    };
    let sent: Vec<String> = words.iter().map(|words| shown(words).chars().take(70).collect()).collect();
    format!(
        "> {}\n    {same} are the same\n    here  {}\n    there {}",
        sent.join("\n> "),
        text(here),
        text(there)
    )
}

/// What has no order, or is each server's own, of what comes without being asked.
fn in_one_order(frames: &mut [Frame]) {
    for frame in frames.iter_mut() {
        let is_hello = match frame {
            Frame::Map(pairs) => {
                pairs.first().is_some_and(|(name, _)| *name == Frame::Bulk(b"server".to_vec()))
            }
            Frame::Array(items) => items.first() == Some(&Frame::Bulk(b"server".to_vec())),
            _ => false,
        };
        if is_hello {
            *frame = Frame::Simple("hello".into());
        }
    }
    // Channels that are left all at once are left in any order, and counted down; patterns that fit are told in any.
    let kind = |frame: &Frame| match frame {
        Frame::Array(items) | Frame::Push(items) => match items.first() {
            Some(Frame::Bulk(kind)) => kind.clone(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    };
    for run in frames.chunk_by_mut(|a, b| kind(a) == kind(b)) {
        if matches!(
            kind(&run[0]).as_slice(),
            b"unsubscribe" | b"punsubscribe" | b"sunsubscribe" | b"pmessage"
        ) {
            for frame in run.iter_mut() {
                if let Frame::Array(items) | Frame::Push(items) = frame
                    && let [Frame::Bulk(_), _, count @ Frame::Int(_)] = items.as_mut_slice()
                {
                    *count = Frame::Null;
                }
            }
            run.sort_by_key(|frame| format!("{frame:?}"));
        }
    }
}

/// The request that a script or function runs, and what of its reply has a meaning.
fn inner<'w>(grammar: &Grammar, words: &'w [Vec<u8>]) -> (Compare, &'w [Vec<u8>]) {
    let [_, program, keys, rest @ ..] = words else { return (Compare::Exact, words) };
    let runs_it = lua::is_calling(program) || program == b"reader";
    let keys = std::str::from_utf8(keys).ok().and_then(|keys| keys.parse::<usize>().ok());
    let Some(request) = keys.filter(|_| runs_it).and_then(|keys| rest.get(keys..)) else {
        return (Compare::Exact, words);
    };
    let borrowed: Vec<&[u8]> = request.iter().map(Vec::as_slice).collect();
    match commands::resolve(&borrowed) {
        Ok((command, _)) => (grammar.marks.get(command.name).copied().unwrap_or(Compare::Exact), request),
        Err(_) => (Compare::Exact, request),
    }
}

/// Whether it would make the transaction that it is queued in fail.
fn is_refused(sent: &Sent<'_>) -> bool {
    let name = sent.line.command.as_str();
    commands::find(name.as_bytes()).is_none_or(|command| command.flags.contains(commands::Flags::WRITE))
        || name.ends_with("|?")
}

fn is_any_of(word: &[u8], names: &[&str]) -> bool {
    names.iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes()))
}

/// Whether it is an HSETEX that Valkey's own replicas refuse, because it takes an option that is there twice and passes the
/// last on as another one.
fn has_two_deadlines(words: &[Vec<u8>]) -> bool {
    let options = words.iter().skip(2).take_while(|word| !is_any_of(word, &["fields"]));
    is_command(words, &["hsetex"])
        && options.filter(|word| is_any_of(word, &["ex", "px", "exat", "pxat"])).count() > 1
}

fn is_command(words: &[Vec<u8>], names: &[&str]) -> bool {
    words.first().is_some_and(|name| is_any_of(name, names))
}

/// Whether it is a range of a sorted set with a LIMIT that begins below zero.
fn begins_below_zero(words: &[Vec<u8>]) -> bool {
    let is_of_sorted_set = words.first().is_some_and(|name| name.to_ascii_lowercase().starts_with(b"z"));
    is_of_sorted_set
        && words.windows(2).any(|pair| is_any_of(&pair[0], &["limit"]) && pair[1].starts_with(b"-"))
}

/// What a server's clock says, in microseconds.
fn micros(client: &mut Client) -> u64 {
    match client.line("TIME").items() {
        [seconds, micros] => {
            let number = |frame: &Frame| frame.text().parse::<u64>().expect("a number");
            number(seconds) * 1_000_000 + number(micros)
        }
        other => panic!("TIME: {other:?}"),
    }
}

/// Whether it waits for longer than the few milliseconds that the grammar asks for.
fn waits(words: &[Vec<u8>]) -> bool {
    words.windows(2).any(|pair| {
        let bound = std::str::from_utf8(&pair[1]).ok().and_then(|text| text.parse::<i64>().ok());
        pair[0].eq_ignore_ascii_case(b"block") && bound.is_some_and(|bound| bound == 0 || bound > 5)
    })
}

/// One key of each kind has a name that is no text.
fn rename(words: &mut [Vec<u8>]) {
    for word in words {
        if let Some(kind) = word.strip_suffix(b":5") {
            *word = [b"\0\xff ".as_slice(), kind, b"\r\n\"5"].concat();
        }
    }
}

/// Sorted sets whose ranges by name have no one right answer: see [`is_determined`].
fn undetermined(client: &mut Client) -> BTreeSet<Vec<u8>> {
    let mut all = BTreeSet::new();
    for db in 0..DATABASES {
        client.line(&format!("SELECT {db}"));
        for key in walk::keys(client) {
            if !is_determined(client, &[b"ZLEXCOUNT".to_vec(), key.clone()]) {
                all.insert(key);
            }
        }
    }
    all
}

fn same_answers(name: &str) {
    let mut found = Found::beside(name);
    let (runs, requests) = runs();
    for run in 0..runs {
        let random = Random::from_env_after(20_261_124, run);
        match same_answers_in_one_run(name, random, requests, found) {
            Some(so_far) => found = so_far,
            None => return,
        }
        found.another_run();
    }
    found.assert_none(name);
}

/// Gives back what is found, with what was found before; `None` where the server is not to be had.
fn same_answers_in_one_run(name: &str, random: Random, requests: usize, found: Found) -> Option<Found> {
    // On a busy machine a minute without a word from the master is no reason to end the link.
    const PATIENT: [&str; 2] = ["--repl-timeout", "3600"];
    let master = Master::start(name, &[&["--repl-diskless-sync-delay", "0"][..], &PATIENT].concat())?;
    let real = master.replica(&PATIENT)?;
    let ours = Node::start(&[&["--replicaof", &format!("127.0.0.1:{}", master.port)][..], &PATIENT].concat());
    println!("{name}: the real replica is port {}, ours {}", real.port, ours.port);
    ours.wait_state("streaming");
    // A busy machine may take as long for a short script.
    ours.set("script-hold-max", "0");
    let mut client = master.client();
    client.ask(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    let grammar = Grammar::of(&mut client, found.newest);
    let mut maker = Maker::new(random, seconds(&mut client));
    let on_data = grammar.reads.iter().chain(&grammar.writes).flatten();
    // (Whether MEMORY USAGE has anything to tell is no matter: see `compare_one`.)
    // Nor is what tells of times and has names, which other servers' Lua puts in another order.
    let newest = found.newest;
    let has_names = |line: &Line| line.command.starts_with("xinfo");
    let is_inner = |line: &&Line| line.command != "memory|usage" && (newest || !has_names(line));
    maker.inner = Rc::new(on_data.filter(is_inner).cloned().collect());
    let known: BTreeSet<String> = client.line("COMMAND LIST").items().iter().map(Frame::text).collect();
    maker.commands = known.iter().filter(|name| commands::find(name.as_bytes()).is_some()).cloned().collect();
    let (theirs, here) = (real.client(), ours.client());
    let (undetermined, sorted) = (BTreeSet::new(), BTreeSet::new());
    let mut stage = Stage {
        master,
        real,
        ours,
        maker,
        found,
        known,
        theirs,
        here,
        undetermined,
        expired: 0,
        warned: 0,
        sorted,
    };
    let (mut sent, mut round) = (0, 0);
    while sent < requests {
        stage.write(&grammar, round);
        round += 1;
        while sent < ROUND * round {
            sent += if stage.maker.random.one_in(10) {
                stage.modes(&grammar)
            } else {
                stage.conversation(&grammar)
            };
        }
        if sent >= requests || round.is_multiple_of(100) {
            println!("{name}: {sent} requests");
        }
    }
    Some(stage.found)
}

#[test]
fn redis_8_10() {
    same_answers("redis-8.10");
}

#[test]
fn valkey_9_1() {
    same_answers("valkey-9.1");
}
