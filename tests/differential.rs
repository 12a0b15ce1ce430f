//! Every command on data, with valid, odd and hostile arguments, beside a real server: the same replies, the same data.
//!
//! Three ways: as writes to a master that we follow, comparing the data; as reads to that master and to us; and as
//! writes to two masters, one of them us. Owns what is sent and how it is compared. Never decides what a command's
//! arguments are: `tests/grammar/commands.txt` does.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::harness::client::shown;
use crate::harness::found::{self, Found};
use crate::harness::grammar::{Compare, Line, Maker, families, is_of_template};
use crate::harness::process::TempDir;
use crate::harness::walk::{self, Depth, differences};
use crate::harness::workload::{self, Workload};
use crate::harness::{Client, Frame, Master, Node, Random, tiered, timed};

/// Requests of each family and server.
const REQUESTS: usize = 1_000;
/// In the long tier, in each of its runs.
const REQUESTS_LONG: usize = 20_000;
/// Runs in the long tier, with a seed and servers of its own each.
const RUNS_LONG: u64 = 5;
/// Servers whose replies are compared too; of the others' data alone.
const COMPARED: [&str; 3] = ["redis-6.2", "redis-8.10", "valkey-9.1"];
/// How many are sent before replies are compared.
const BATCH: usize = 50;

/// How many runs, and how many requests of each family in each: of `NEARSIDE_DIFFERENTIAL` there is one.
fn runs() -> (u64, usize) {
    match std::env::var("NEARSIDE_DIFFERENTIAL").ok().and_then(|text| text.parse().ok()) {
        Some(count) => (1, count),
        None => tiered((1, REQUESTS), (RUNS_LONG, REQUESTS_LONG)),
    }
}

/// All runs beside this server.
fn each_run(name: &str, fixed: u64, in_one_run: impl Fn(&str, Random, usize, Found) -> Option<Found>) {
    let mut found = Found::beside(name);
    let (runs, requests) = runs();
    for run in 0..runs {
        match in_one_run(name, Random::from_env_after(fixed, run), requests, found) {
            Some(so_far) => found = so_far,
            None => return,
        }
        found.another_run();
    }
    found.assert_none(name);
}

fn chosen() -> Vec<(String, Vec<Line>)> {
    let only = std::env::var("NEARSIDE_FAMILY").ok();
    families().into_iter().filter(|(name, _)| only.as_ref().is_none_or(|only| only == name)).collect()
}

pub fn seconds(client: &mut Client) -> i64 {
    client.line("TIME").items()[0].text().parse().expect("seconds")
}

/// All replies; panics where a request had none or more than one.
fn together(client: &mut Client, requests: &[Vec<Vec<u8>>]) -> Vec<Frame> {
    let mut all = requests.to_vec();
    all.push(vec![b"ECHO".to_vec(), b"that was all".to_vec()]);
    let mut replies = client.pipeline(&all);
    let last = replies.pop();
    if last != Some(Frame::Bulk(b"that was all".to_vec())) {
        let pairs: Vec<String> = requests
            .iter()
            .zip(&replies)
            .map(|(words, reply)| format!("{}\n    {reply:?}", shown(words)))
            .collect();
        panic!("not one reply to each request:\n{}", pairs.join("\n"));
    }
    replies
}

pub fn is_range_by_name(words: &[Vec<u8>]) -> bool {
    let lower = |word: &[u8]| String::from_utf8_lossy(word).to_lowercase();
    words.first().is_some_and(|name| lower(name).contains("lex"))
        || words.iter().any(|word| lower(word) == "bylex")
}

/// Whether it may store elements in the order they come in: their weights may be the same texts, or none.
fn stores_with_ties(words: &[Vec<u8>]) -> bool {
    let has = |option: &str| words.iter().any(|word| word.eq_ignore_ascii_case(option.as_bytes()));
    words.first().is_some_and(|name| name.eq_ignore_ascii_case(b"sort"))
        && ["by", "alpha", "store"].iter().all(|option| has(option))
}

/// Whether what it does may be chance, by what its key holds at that moment: see [`is_determined`].
pub fn may_be_chance(words: &[Vec<u8>]) -> bool {
    is_range_by_name(words) || stores_with_ties(words)
}

/// Whether the request has one right answer here and now. A range by name of a big set with more than one score has
/// not: it depends on the levels that a skip list happens to have, and a real replica gives and removes others than its
/// master. Nor has SORT of a set where nothing tells elements apart: real replicas store them in another order than
/// their master, each in that of its own hash table.
pub fn is_determined(theirs: &mut Client, words: &[Vec<u8>]) -> bool {
    if stores_with_ties(words) {
        let kind = theirs.ask(&[b"TYPE".as_slice(), words.get(1).map_or(&[][..], Vec::as_slice)]);
        return !["set", "zset"].contains(&kind.text().as_str());
    }
    if !is_range_by_name(words) {
        return true;
    }
    let stores = words.first().is_some_and(|name| name.eq_ignore_ascii_case(b"zrangestore"));
    let key = words.get(1 + usize::from(stores)).map_or(&[][..], Vec::as_slice);
    if theirs.ask(&[b"OBJECT".as_slice(), b"ENCODING", key]) != Frame::Bulk(b"skiplist".to_vec()) {
        return true;
    }
    let mut score_at = |rank: &str| {
        let Frame::Array(members) = theirs.ask(&[b"ZRANGE", key, rank.as_bytes(), rank.as_bytes()]) else {
            panic!("ZRANGE of a sorted set");
        };
        theirs.ask(&[b"ZSCORE", key, members[0].bytes()])
    };
    score_at("0") == score_at("-1")
}

pub fn is_write(line: &Line) -> bool {
    commands::find(line.command.as_bytes()).expect("in the table").flags.contains(commands::Flags::WRITE)
}

/// Payloads for RESTORE, of what is there now.
pub fn gather_payloads(maker: &mut Maker, server: &mut Client) {
    maker.payloads.clear();
    for _ in 0..40 {
        let Frame::Bulk(key) = server.ask(&["RANDOMKEY"]) else { return };
        if let Frame::Bulk(payload) = server.ask(&[b"DUMP".as_slice(), &key])
            && payload.len() < 20_000
        {
            maker.payloads.push(payload);
        }
    }
    if let Frame::Bulk(payload) = server.ask(&["FUNCTION", "DUMP"]) {
        maker.functions_payloads.push(payload);
    }
}

/// Whether OBJECT ENCODING of every key is the same after these requests.
fn same_encodings(
    batch: &[(&Line, Vec<Vec<u8>>)],
    ours: &mut Client,
    theirs: &mut Client,
    found: &mut Found,
    sorted: &BTreeSet<Vec<u8>>,
) -> bool {
    let Frame::Array(keys) = theirs.ask(&["KEYS", "*"]) else { panic!("KEYS") };
    let asked: Vec<Vec<Vec<u8>>> =
        keys.iter().map(|key| vec![b"OBJECT".to_vec(), b"ENCODING".to_vec(), key.bytes().to_vec()]).collect();
    let (here, there) = (ours.pipeline(&asked), theirs.pipeline(&asked));
    // Reading a sorted set to sort it leaves it big; here a read changes nothing.
    let left_big = |key: &[u8], here: &Frame, there: &Frame| {
        let is = |frame: &Frame, name: &[u8]| matches!(frame, Frame::Bulk(bytes) if bytes == name);
        sorted.contains(key) && is(here, b"listpack") && is(there, b"skiplist")
    };
    let mut same = true;
    for ((key, here), there) in keys.iter().zip(here).zip(there) {
        if here != there && !left_big(key.bytes(), &here, &there) && !is_of_template(&there) {
            same = false;
            found.note("object|encoding", || {
                let of_key = batch.iter().filter(|(_, words)| words.iter().any(|word| word == key.bytes()));
                let sent: Vec<String> =
                    of_key.map(|(_, words)| shown(words).chars().take(160).collect::<String>()).collect();
                format!(
                    "encoding of {key:?}: {here:?} here, {there:?} there after\n    {}",
                    sent.join("\n    ")
                )
            });
        }
    }
    same
}

/// Whether a Valkey takes the key out as it passes HSETEX on: it takes each of these words for a condition.
pub fn loses_its_key(words: &[Vec<u8>]) -> bool {
    let is =
        |word: &[u8], names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes()));
    matches!(words, [name, key, ..] if is(name, &["hsetex"]) && is(key, &["fnx", "fxx", "nx", "xx"]))
}

fn is_option_of_set(word: &[u8]) -> bool {
    const NAMES: [&str; 8] = ["ex", "px", "exat", "pxat", "nx", "xx", "get", "keepttl"];
    NAMES.iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes()))
}

/// Whether a master tells its replicas all that the request changes. Real replicas of redis-8.10 and valkey-9.1 do not
/// hear of the zeros behind a string that BITFIELD adds before OVERFLOW FAIL refuses the value, nor that XREADGROUP has
/// delivered what was pending once more; and replicas of redis-8.10 keep entries that it trims itself for MINID ~ with
/// ACKED; and a ZADD or GEOADD that changes nothing may leave a sorted set big, for what it would have added. SET loses
/// what it compares with on the way where that is the name of an option, and MSETEX has values taken for options.
/// Before 6.2 a SPOP whose count is the greatest of all goes beyond the count of changes, and is taken for none, and
/// HINCRBYFLOAT of infinity leaves an empty hash where nothing was; before 6.0 the SET that INCRBYFLOAT becomes takes
/// the key's deadline away.
pub fn is_passed_on(version: (u32, u32), words: &[Vec<u8>]) -> bool {
    let is = |word: &[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    match words {
        words if loses_its_key(words) => false,
        [name, _, count] if is(name, "spop") => version >= (6, 2) || !is_far(count),
        [name, .., by] if is(name, "hincrbyfloat") => version >= (6, 2) || !is_infinite(by),
        [name, ..] if is(name, "incrbyfloat") => version >= (6, 0),
        [name, _, _, options @ ..] if is(name, "set") => {
            let compares =
                |word: &Vec<u8>| ["ifeq", "ifne", "ifdeq", "ifdne"].iter().any(|name| is(word, name));
            !options.windows(2).any(|pair| compares(&pair[0]) && is_option_of_set(&pair[1]))
        }
        [name, count, pairs @ ..] if is(name, "msetex") => {
            let count = String::from_utf8_lossy(count).parse().unwrap_or(0);
            !pairs.iter().take(2 * count).any(|word| is_option_of_set(word))
        }
        [name, rest @ ..] if is(name, "bitfield") => !rest.iter().any(|word| is(word, "fail")),
        [name, rest @ ..] if is(name, "xreadgroup") => {
            let streams = rest.iter().position(|word| is(word, "streams"));
            let asked = streams.map_or(&[][..], |at| &rest[at + 1..]);
            asked[asked.len() / 2..].iter().all(|id| id == b">")
        }
        [name, rest @ ..] if is(name, "zadd") || is(name, "geoadd") => {
            let is_of_size = rest.len() > 100 || rest.iter().any(|word| word.len() > 64);
            !is_of_size || !rest.iter().any(|word| is(word, "xx") || is(word, "nx"))
        }
        [name, rest @ ..] if is(name, "xadd") || is(name, "xtrim") => {
            !["minid", "~", "acked"].iter().all(|option| rest.iter().any(|word| is(word, option)))
        }
        _ => true,
    }
}

fn is_infinite(word: &[u8]) -> bool {
    std::str::from_utf8(word).ok().and_then(|word| word.parse::<f64>().ok()).is_some_and(f64::is_infinite)
}

/// Whether it is a number, or the number of a field (`#9`), that is no size or place of anything.
fn is_far(word: &[u8]) -> bool {
    let number = std::str::from_utf8(word).ok().map(|word| word.trim_start_matches('#'));
    number.and_then(|number| number.parse::<i64>().ok()).is_some_and(|at| at.unsigned_abs() > 1 << 32)
}

/// Whether a server of this version may end of the request, or never answer: before 6.2 of places so far away that
/// their sum with a length is another one, and with its first form of BITFIELD of that; up to 8.6 of a HSETEX (an
/// assertion of `t_hash.c`, of big hashes). Or whether its deadline is a moment beyond 64 bits, which before 7.0 is one
/// long ago, of a key that goes when somebody looks for such keys.
fn ends_old_server(version: (u32, u32), words: &[Vec<u8>]) -> bool {
    let is = |name: &[u8]| words.first().is_some_and(|first| first.eq_ignore_ascii_case(name));
    let is_beyond = |word: &Vec<u8>| {
        let number = std::str::from_utf8(word).ok().and_then(|word| word.parse::<i64>().ok());
        number.is_some_and(|number| number > 1 << 52)
    };
    let sets_deadline = ["setex", "psetex", "expire", "pexpire", "expireat", "set", "getex", "restore"];
    is(b"bitfield") && version < (4, 0)
        || is(b"hsetex") && version < (8, 8)
        || version < (7, 0)
            && sets_deadline.iter().any(|name| is(name.as_bytes()))
            && words.iter().any(is_beyond)
        || version < (6, 2)
            && (is(b"setrange") || is(b"bitfield") || is(b"sort"))
            && words.iter().any(|word| is_far(word))
}

/// The newest Redis, without data, beside an older one: what it refuses of a read is an error with us too, whatever the
/// older one answers (a cursor of `-1`, say).
struct Newest(Option<(Master, Client)>);

impl Newest {
    fn beside(name: &str) -> Newest {
        let older = name.starts_with("redis-") && name != found::NEWEST;
        let master = older.then(|| Master::start(found::NEWEST, &[])).flatten();
        Newest(master.map(|master| {
            let client = master.client();
            (master, client)
        }))
    }

    /// Whether this error is its answer too, and the other server's answer is none.
    fn refuses(&mut self, line: &Line, words: &[Vec<u8>], here: &Frame, there: &Frame) -> bool {
        let only_here = here.is_error() && !there.is_error() && !is_write(line);
        only_here && self.0.as_mut().is_some_and(|(_, newest)| newest.ask(words) == *here)
    }
}

/// Writes to a master that we follow, and reads to both. Gives back what is found; `None` where the server is not to be
/// had.
fn as_replica(name: &str, random: Random, requests: usize, mut found: Found) -> Option<Found> {
    let master = Master::start(name, &[])?;
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    let (mut theirs, mut ours) = (master.client(), node.client());
    theirs.ask(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    // nothing was there before we came, so no value was packed by a load and all IDs are of 1970
    let depth = Depth {
        loaded: walk::Loaded::Neither,
        tracked_ids: false,
        ..Depth::of(master.version(), master.is_valkey())
    };
    let each_batch = std::env::var("NEARSIDE_EACH").is_ok(); // to find the command at fault
    let mut maker = Maker::new(random, seconds(&mut theirs));
    let mut newest = Newest::beside(name);
    for (at, (family, lines)) in chosen().into_iter().enumerate() {
        theirs.line("FLUSHALL");
        if at % 2 == 1 && master.version() >= (6, 0) {
            [&mut theirs, &mut ours].into_iter().for_each(|client| drop(client.ask(&["HELLO", "3"])));
        }
        let (writes, mut reads): (Vec<Line>, Vec<Line>) = lines.into_iter().partition(is_write);
        // Which consumers there are with nothing pending is the master's own; the walk compares the others. Names of
        // encodings are compared where they are the same.
        reads.retain(|line| !line.command.starts_with("xinfo"));
        reads.retain(|line| depth.encodings || line.command != "object|encoding");
        if !COMPARED.contains(&name) {
            reads.clear();
        }

        let rounds = requests / BATCH / 2;
        for round in 0..rounds {
            let mut batch: Vec<Vec<Vec<u8>>> = Vec::new();
            let mut sent = 0;
            for _ in 0..BATCH {
                let (_, words) = maker.request(&writes);
                if !is_passed_on(master.version(), &words) || ends_old_server(master.version(), &words) {
                    continue;
                }
                if may_be_chance(&words) {
                    theirs.pipeline(&batch[sent..]);
                    sent = batch.len();
                }
                if is_determined(&mut theirs, &words) {
                    batch.push(words);
                }
            }
            theirs.pipeline(&batch[sent..]);
            if round % 8 == 4 {
                gather_payloads(&mut maker, &mut theirs);
            }
            if each_batch {
                if family == "sorting" {
                    workload::delete_minus_zeros(&mut master.client());
                }
                node.wait_caught_up(&master);
                let mut ours = node.client();
                let all =
                    differences(&mut ours, &mut master.client(), 3, Depth { encodings: false, ..depth });
                // (A FLUSHALL ends the child that has just sent the data, and masters then close the link.)
                let log = node.log();
                let warned = log
                    .lines()
                    .any(|line| line.contains("WARN") && !line.contains("the master closed the connection"));
                let sent: Vec<String> = batch.iter().map(|words| shown(words)).collect();
                assert!(
                    all.is_empty() && !warned,
                    "{}\n{}\nafter\n{}",
                    all.join("\n"),
                    node.log(),
                    sent.join("\n")
                );
            }
            if reads.is_empty() || round % 2 == 0 {
                continue;
            }
            node.wait_caught_up(&master);
            let mut batch: Vec<(&Line, Vec<Vec<u8>>)> = (0..BATCH).map(|_| maker.request(&reads)).collect();
            batch.retain(|(_, words)| is_determined(&mut theirs, words));
            let words: Vec<Vec<Vec<u8>>> = batch.iter().map(|(_, words)| words.clone()).collect();
            let ((there, here), took) =
                timed(|| (together(&mut theirs, &words), together(&mut ours, &words)));
            found.asked_within(took);
            for (((line, words), here), there) in batch.into_iter().zip(here).zip(there) {
                if !newest.refuses(line, &words, &here, &there) {
                    found.compare(line, &words, here, there);
                }
            }
        }
        println!("{name}: {family}");
        node.wait_caught_up(&master);
        // SORT leaves a sorted set big where it is read, and no replica hears of that.
        let sorted = family == "sorting";
        if sorted {
            workload::delete_minus_zeros(&mut master.client());
            node.wait_caught_up(&master);
        }
        let depth = Depth { encodings: depth.encodings && !sorted, ..depth };
        let all = differences(&mut node.client(), &mut master.client(), 3, depth);
        assert!(all.is_empty(), "{name}: {family}\n{}\n{}", all.join("\n"), node.log());
        node.wait_caught_up(&master);
        delete_arrays(&mut master.client());
        node.wait_caught_up(&master);
        let (here, there) = (ours.ask(&["DEBUG", "DIGEST"]), theirs.ask(&["DEBUG", "DIGEST"]));
        assert_eq!(here, there, "{name}: {family}: DEBUG DIGEST");
        if at % 2 == 1 && master.version() >= (6, 0) {
            [&mut theirs, &mut ours].into_iter().for_each(|client| drop(client.ask(&["HELLO", "2"])));
        }
    }
    Some(found)
}

/// To digest an array a master walks over all its empty places too, for minutes; and RESTORE and COPY bring arrays into
/// other families than their own.
fn delete_arrays(client: &mut Client) {
    for db in 0..3 {
        client.line(&format!("SELECT {db}"));
        for key in walk::keys(client) {
            if client.ask(&[b"TYPE".as_slice(), &key]).text() == "array" {
                client.ask(&[b"DEL".as_slice(), &key]);
            }
        }
    }
}

/// The same requests to two masters, one of them us. Gives back what is found; `None` where the server is not to be
/// had.
fn as_masters(name: &str, random: Random, requests: usize, mut found: Found) -> Option<Found> {
    let master = Master::start(name, &[])?;
    let node = Node::replica_of(&master); // speaks its dialect from now on
    node.wait_state("streaming");
    let (mut theirs, mut ours) = (master.client(), node.client());
    ours.line("REPLICAOF NO ONE");
    let each_batch = std::env::var("NEARSIDE_EACH").is_ok();
    let mut maker = Maker::new(random, seconds(&mut theirs));
    let mut newest = Newest::beside(name);
    let mut slowest = Duration::ZERO;
    let compare_encodings = Depth::of(master.version(), master.is_valkey()).encodings;
    for (at, (family, mut lines)) in chosen().into_iter().enumerate() {
        lines.retain(|line| compare_encodings || line.command != "object|encoding");
        let both = |words: &[&str], theirs: &mut Client, ours: &mut Client| {
            [theirs, ours].into_iter().for_each(|client| drop(client.ask(words)));
        };
        both(&["FLUSHALL"], &mut theirs, &mut ours);
        both(&["HELLO", if at % 2 == 0 { "3" } else { "2" }], &mut theirs, &mut ours);
        let mut sorted: BTreeSet<Vec<u8>> = BTreeSet::new();
        for round in 0..requests / BATCH {
            let mut batch: Vec<(&Line, Vec<Vec<u8>>)> = Vec::new();
            let mut words: Vec<Vec<Vec<u8>>> = Vec::new();
            let (mut there, mut here): (Vec<Frame>, Vec<Frame>) = (Vec::new(), Vec::new());
            for _ in 0..BATCH {
                let (line, request) = maker.request(&lines);
                if may_be_chance(&request) {
                    let sent = there.len();
                    let (replies, took) = timed(|| {
                        (together(&mut theirs, &words[sent..]), together(&mut ours, &words[sent..]))
                    });
                    slowest = slowest.max(took);
                    there.extend(replies.0);
                    here.extend(replies.1);
                    if !is_determined(&mut theirs, &request) {
                        continue;
                    }
                }
                if line.command.starts_with("sort") {
                    sorted.extend(request.get(1).cloned());
                }
                words.push(request.clone());
                batch.push((line, request));
                if line.compare == Compare::Random {
                    break; // its key has to go before anything else looks at it
                }
            }
            let sent = there.len();
            let (replies, took) =
                timed(|| (together(&mut theirs, &words[sent..]), together(&mut ours, &words[sent..])));
            slowest = slowest.max(took);
            there.extend(replies.0);
            here.extend(replies.1);
            // Deadlines were set as far apart as they are asked for.
            found.asked_within(slowest * 2);
            let mut parted = false;
            for (((line, words), here), there) in batch.iter().zip(here).zip(there) {
                parted |= there.is_error() && !here.is_error() && is_write(line);
                if !parted && !newest.refuses(line, words, &here, &there) {
                    parted = !found.compare(line, words, here, there);
                }
            }
            if let Some((Line { compare: Compare::Random, .. }, words)) = batch.last()
                && let Some(key) = words.get(1)
            {
                [&mut theirs, &mut ours]
                    .into_iter()
                    .for_each(|client| drop(client.ask(&[b"DEL".as_slice(), key])));
            }
            if each_batch && !parted {
                let depth = Depth { encodings: false, ..Depth::of(master.version(), master.is_valkey()) };
                let all = differences(&mut node.client(), &mut master.client(), 3, depth);
                let sent: Vec<String> = batch.iter().map(|(_, words)| shown(words)).collect();
                assert!(all.is_empty(), "{}\nafter\n{}", all.join("\n"), sent.join("\n"));
            }
            if !parted && compare_encodings {
                parted = !same_encodings(&batch, &mut ours, &mut theirs, &mut found, &sorted);
            }
            if parted {
                both(&["FLUSHALL"], &mut theirs, &mut ours);
                both(&["FUNCTION", "FLUSH"], &mut theirs, &mut ours);
            }
            if round % 8 == 4 {
                gather_payloads(&mut maker, &mut theirs);
            }
        }
        println!("{name}: {family}");
    }
    Some(found)
}

macro_rules! servers {
    ($($test:ident: $name:literal),* $(,)?) => {$(
        mod $test {
            #[test]
            fn as_its_replica() {
                super::each_run($name, 20_261_121, super::as_replica);
            }
            #[test]
            fn as_a_master_beside_it() {
                super::each_run($name, 20_261_122, super::as_masters);
            }
        }
    )*};
}

servers! {
    redis_6_2: "redis-6.2",
    redis_8_10: "redis-8.10",
    valkey_9_1: "valkey-9.1",
}

/// Other masters, in the long tier: what they pass on leaves the same data here. (Valkey 9.0.0 ends when fields of
/// hashes expire, by itself.)
macro_rules! masters {
    ($($test:ident: $name:literal),* $(,)?) => {$(
        mod $test {
            #[test]
            #[ignore = "long: run by make test-long"]
            fn as_its_replica() {
                super::each_run($name, 20_261_124, super::as_replica);
            }
        }
    )*};
}

masters! {
    redis_2_8: "redis-2.8",
    redis_3_2: "redis-3.2",
    redis_5_0: "redis-5.0",
    redis_6_0: "redis-6.0",
    redis_7_0: "redis-7.0",
    redis_7_2: "redis-7.2",
    redis_7_4: "redis-7.4",
    redis_8_0: "redis-8.0",
    redis_8_2: "redis-8.2",
    redis_8_6: "redis-8.6",
    valkey_8_0: "valkey-8.0",
    valkey_8_1: "valkey-8.1",
}

/// Touches no data, and takes a real server half a second each time; tests/cases/written.txt has it.
const NOT_AT_RANDOM: &str = "pfselftest";

#[test]
fn every_command_on_data_is_in_the_grammar() {
    let known: BTreeSet<String> =
        families().into_iter().flat_map(|(_, lines)| lines).map(|line| line.command).collect();
    for command in commands::table::COMMANDS {
        let on_data = matches!(command.run, commands::Run::Read(_) | commands::Run::Write(_));
        if on_data && command.name != NOT_AT_RANDOM {
            assert!(
                known.contains(command.name),
                "tests/grammar/commands.txt has no line for {}",
                command.name
            );
        }
    }
}

/// The values of a committed dump and of the workload: what DUMP gives here, that server's RESTORE takes, and the value
/// is the same there.
fn dump_is_taken(server: &str, dump: &str) {
    let folder = TempDir::new("dump");
    let dumps = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dumps");
    std::fs::copy(dumps.join(dump), folder.path().join("dump.rdb")).expect("a copy of the dump");
    let dir = folder.path().to_str().expect("a path in UTF-8");
    let Some(master) = Master::start(server, &["--dir", dir, "--dbfilename", "dump.rdb"]) else { return };
    let mut theirs = master.client();
    let mut workload = Workload::new(&master, Random::from_env(20_261_123));
    workload.run(&mut theirs, runs().1);
    theirs.line("SELECT 0");
    theirs.ask(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    workload.settle(&master);
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    node.wait_caught_up(&master);
    let mut ours = node.client();
    let mut restored = 0;
    for key in crate::harness::walk::keys(&mut theirs) {
        let Frame::Bulk(payload) = ours.ask(&[b"DUMP".as_slice(), &key]) else { continue };
        let copy = [b"restored:".as_slice(), &key].concat();
        let reply = theirs.ask(&[b"RESTORE".as_slice(), &copy, b"0", &payload]);
        assert_eq!(reply, Frame::Simple("OK".into()), "{server}: RESTORE of {}", key.escape_ascii());
        theirs.ask(&[b"PERSIST".as_slice(), &key]); // a deadline is part of the digest, and not of the payload
        let mut same = |words: &[&[u8]]| {
            let mut of = |key: &[u8]| {
                let words: Vec<&[u8]> =
                    words.iter().map(|&word| if word == b"KEY" { key } else { word }).collect();
                theirs.ask(&words)
            };
            let (first, second) = (of(&key), of(&copy));
            assert_eq!(first, second, "{server}: {} {}", shown(words), key.escape_ascii());
            first
        };
        if master.version() >= (4, 0) {
            same(&[b"DEBUG", b"DIGEST-VALUE", b"KEY"]);
        }
        match same(&[b"TYPE", b"KEY"]).text().as_str() {
            "string" => drop(same(&[b"GET", b"KEY"])),
            "list" => drop(same(&[b"LRANGE", b"KEY", b"0", b"-1"])),
            "zset" => drop(same(&[b"ZRANGE", b"KEY", b"0", b"-1", b"WITHSCORES"])),
            "stream" if master.version() >= (6, 0) => {
                let mut of = |key: &[u8]| {
                    let mut reply =
                        theirs.ask(&[b"XINFO".as_slice(), b"STREAM", key, b"FULL", b"COUNT", b"0"]);
                    crate::harness::walk::without_tree_nodes(&mut reply);
                    reply
                };
                assert_eq!(of(&key), of(&copy), "{server}: XINFO STREAM {}", key.escape_ascii());
            }
            _ => {}
        }
        restored += 1;
    }
    assert!(restored > 50, "{server}: only {restored} keys");
    if master.version() >= (7, 0)
        && let Frame::Bulk(payload) = ours.ask(&["FUNCTION", "DUMP"])
    {
        let reply = theirs.ask(&[b"FUNCTION".as_slice(), b"RESTORE", &payload, b"FLUSH"]);
        assert_eq!(reply, Frame::Simple("OK".into()), "{server}: FUNCTION RESTORE");
    }
    // the stream brought the copies here too, by our own RESTORE
    node.wait_caught_up(&master);
    let depth = Depth { encodings: false, ..Depth::of(master.version(), master.is_valkey()) };
    let all = differences(&mut ours, &mut theirs, 3, depth);
    assert!(all.is_empty(), "{server}: {}", all.join("\n"));
}

macro_rules! dumps {
    ($($test:ident: $server:literal, $dump:literal;)*) => {
        mod dump_is_taken {$(
            #[test]
            fn $test() {
                super::dump_is_taken($server, $dump);
            }
        )*}
    };
}

dumps! {
    redis_6_2: "redis-6.2", "redis-6.2.rdb";
    redis_7_0: "redis-7.0", "redis-7.0.rdb";
    redis_7_4: "redis-7.4", "redis-7.4.rdb";
    redis_8_2: "redis-8.2", "redis-8.2.rdb";
    redis_8_10: "redis-8.10", "redis-8.10.rdb";
    redis_8_10_arrays: "redis-8.10", "redis-8.10-arrays.rdb";
    valkey_8_1: "valkey-8.1", "valkey-8.1.rdb";
    valkey_9_1: "valkey-9.1", "valkey-9.1.rdb";
}

#[test]
fn dump_is_taken_by_servers_of_the_long_tier() {
    if std::env::var("NEARSIDE_LONG").is_err() {
        return;
    }
    for server in ["redis-2.8", "redis-3.2", "redis-5.0", "redis-7.2", "redis-8.6", "valkey-9.0"] {
        dump_is_taken(server, &format!("{server}.rdb"));
    }
}
