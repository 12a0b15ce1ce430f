//! MIGRATE: keys go from this node to another, by RESTORE there.
//!
//! Owns the order of the steps that make a move safe, for many keys and one. Never waits for the network while it holds
//! the token or serves connections, but in a transaction or a script, which nobody may come between; and never removes
//! a key that the target has not taken just as it is here.
//!
//! # A move while others write
//! A real server stands still while it moves a key. Here the others go on, so a key can be changed between its dump and
//! the answer that the target has it; removed then, the change would be lost. So each key is watched from its dump on,
//! both under one hold of the token. When the target has taken it, it is removed under the next hold if nothing has
//! touched it. Otherwise it is sent again as it is then, with REPLACE, for what the target has is our own copy; after
//! [`TRIES_MAX`] times it stays here, with an error that says so. Of a move that succeeds others see what they would if
//! it had been done at one moment, that of the last dump; but that the target has the key a little earlier than it is
//! gone here.
//!
//! Whoever writes to the target's copy before it is gone here loses that to a copy that is sent again. So a writer asks
//! here first, and there when the key is here no more, as clients of a cluster do; at a real server, too, both have it
//! for a moment.
//!
//! A key that somebody removes meanwhile is an error: whether its copy is to go, or was removed here because another
//! move has brought it to the same target, cannot be told, and of these two mistakes only the second loses data.
//! A key whose deadline comes meanwhile was moved: at the target it has the same.
//!
//! Moves that clients begin wait for each other, as they do at a real server: the second of two that name one key does
//! not find it any more. What is under way comes to its end though its client has gone; while clients are paused it
//! waits, and if the node has become a replica meanwhile nothing is removed.
//!
//! Keys are dumped and sent in batches, so that a move of many neither holds the token long nor takes their memory
//! twice.

mod target;

use std::collections::{HashSet, VecDeque};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use commands::{Command, CommandError, Source, WriteContext};
use protocol::number::parse_int;
use protocol::{Args, Reply};
use storage::{DbIndex, UnixMillis, Watch, Writer};
use tokio::runtime::Handle;

use crate::admission;
use crate::answer::{Answered, Call, Then};
use crate::batch::Wait;
use crate::blocking::Promise;
use crate::clock;
use crate::exclusive;
use crate::expiry;
use crate::node::Node;
use crate::pause::Paused;
use crate::session::Session;
use crate::upstream::MasterAddress;
use target::{Answer, Broke, Connection};

/// What is answered where none of the keys is there.
pub(crate) const NO_KEY: &str = "NOKEY";
/// How often a key is sent that is changed each time.
const TRIES_MAX: u8 = 16;
/// Keys of one batch.
const BATCH_KEYS_MAX: usize = 256;
/// Bytes after which a batch takes no other key.
const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// The time limit of each step, where none is given.
const LIMIT_MILLIS: i64 = 1000;
/// Where the options stand, among all words.
const OPTIONS: usize = 6;

/// MIGRATE host port key|"" destination-db timeout [COPY] [REPLACE] [AUTH password | AUTH2 username password]
/// [KEYS key [key …]]
#[derive(Debug)]
struct Wish<'w> {
    /// `None` where no port has that number.
    to: Option<MasterAddress>,
    /// As it was asked for: the target says whether there is such a database.
    db: i64,
    limit: Duration,
    copy: bool,
    replace: bool,
    /// What stands behind AUTH there.
    auth: &'w [&'w [u8]],
    keys: &'w [&'w [u8]],
}

impl<'w> Wish<'w> {
    fn of(words: &'w [&'w [u8]]) -> Result<Self, CommandError> {
        let args = Args::new(words);
        let (mut copy, mut replace, mut auth, mut keys) = (false, false, None, words.get(3..4));
        let mut at = OPTIONS;
        while at < words.len() {
            if args.is_word(at, "copy") {
                copy = true;
            } else if args.is_word(at, "replace") {
                replace = true;
            } else if args.is_word(at, "auth") || args.is_word(at, "auth2") {
                let behind = at + 1..at + if args.is_word(at, "auth") { 2 } else { 3 };
                auth = Some(words.get(behind.clone()).ok_or(CommandError::Syntax)?);
                at += behind.len();
            } else if args.is_word(at, "keys") {
                if !args.get(3).is_empty() {
                    return Err(CommandError::new(
                        "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
                    ));
                }
                keys = words.get(at + 1..);
                break;
            } else {
                return Err(CommandError::Syntax);
            }
            at += 1;
        }
        let millis = parse_int(args.get(5)).ok_or(CommandError::NotInteger)?;
        let db = parse_int(args.get(4)).ok_or(CommandError::NotInteger)?;
        let millis = u64::try_from(millis).ok().filter(|millis| *millis > 0);
        let host = String::from_utf8_lossy(args.get(1)).into_owned();
        Ok(Wish {
            to: port(args.get(2)).map(|port| MasterAddress { host, port }),
            db,
            limit: Duration::from_millis(millis.unwrap_or(LIMIT_MILLIS.unsigned_abs())),
            copy,
            replace,
            auth: auth.unwrap_or_default(),
            keys: keys.unwrap_or_default(),
        })
    }
}

/// A port as servers read it, by C's `atoi`: the number at its beginning, cut to 32 bits, of which the resolver takes
/// 16, and none of what is below zero. Nothing listens on port 0.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // as C does
fn port(text: &[u8]) -> Option<u16> {
    let text = text.trim_ascii_start();
    let (is_negative, text) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let sign = if is_negative { -1 } else { 1 };
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    let number = digits.fold(0_i64, |number, digit| {
        number.saturating_mul(10).saturating_add(sign * i64::from(digit - b'0'))
    });
    Some(number as i32).filter(|number| *number >= 0).map(|number| number as u16)
}

/// Whether this word of a request is a password, or a user's name beside one.
pub(crate) fn is_secret(words: &[&[u8]], place: usize) -> bool {
    let args = Args::new(words);
    let mut at = OPTIONS;
    while at < place && !args.is_word(at, "keys") {
        let secrets = if args.is_word(at, "auth2") { 2 } else { usize::from(args.is_word(at, "auth")) };
        if place <= at + secrets {
            return true;
        }
        at += 1 + secrets;
    }
    false
}

/// A client's request: the answer to come; or none of its keys is there.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn begin(
    node: &Arc<Node>,
    session: &mut Session,
    writer: &Writer<'_>,
    command: &'static Command,
    words: &[&[u8]],
) -> Result<Option<Wait>, CommandError> {
    let Some(moving) = Move::of(node, session, writer, command, words)? else { return Ok(None) };
    let (wait, promise) = node.blocking.begin_apart(session, command, words);
    let node = Arc::clone(node);
    // A task of its own: what has begun is brought to its end though the client goes.
    tokio::spawn(async move { moving.run(&node, promise).await });
    Ok(Some(wait))
}

/// In a transaction or a script: under the token that it has, and others wait.
///
/// # Errors
/// What is wrong with it, or went wrong.
pub(crate) fn held(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let moved = match call.source {
        Some(Source::Writer(writer)) => held_by(call, writer),
        Some(Source::Reader(_)) | None => held_by(call, &exclusive::hold(call.node)),
    };
    if moved? {
        reply.ok();
    } else {
        reply.simple(NO_KEY);
    }
    Ok(Then::Continue)
}

fn held_by(call: &Call<'_>, writer: &Writer<'_>) -> Result<bool, CommandError> {
    let node = call.node;
    let Some(mut moving) = Move::of(node, call.session, writer, call.command, call.words)? else {
        return Ok(false);
    };
    moving.is_alone = true;
    let runtime = Handle::try_current().map_err(|_| CommandError::new("ERR nothing can be sent here"))?;
    let mut target = None;
    while let Some(batch) = moving.pack(node, writer) {
        let answers = runtime.block_on(moving.deliver(&mut target, &batch));
        moving.settle(node, writer, batch, &answers);
    }
    moving.outcome()
}

/// A key on its way.
#[derive(Debug)]
struct Key {
    name: Box<[u8]>,
    /// How often it was sent.
    tries: u8,
    /// What it had when it was sent.
    deadline: Option<UnixMillis>,
    /// Tells whether it was touched since; none where nobody else can.
    watch: Option<Watch>,
}

/// Keys that are sent together.
struct Batch {
    keys: Vec<Key>,
    /// The requests that bring them.
    wire: Vec<u8>,
}

/// A move under way.
struct Move {
    to: Option<MasterAddress>,
    limit: Duration,
    copy: bool,
    replace: bool,
    /// The requests before the keys': AUTH, and SELECT; and how many they are.
    opening: Vec<u8>,
    opening_count: usize,
    from: DbIndex,
    /// Whose it is.
    client: u64,
    /// Nobody else can write meanwhile.
    is_alone: bool,
    /// What is yet to be sent, or to be sent again.
    queue: VecDeque<Key>,
    /// Some key was sent.
    has_sent: bool,
    /// Some key was answered: it is known to whom.
    has_heard: bool,
    /// The connection was made anew.
    has_retried: bool,
    /// What went wrong first.
    failed: Option<CommandError>,
}

impl Move {
    /// What was asked for, of the keys that are there: none, when none is. For the holder of the token.
    fn of(
        node: &Node,
        session: &Session,
        writer: &Writer<'_>,
        command: &'static Command,
        words: &[&[u8]],
    ) -> Result<Option<Move>, CommandError> {
        let wish = Wish::of(words)?;
        // Asked again under the token: a REPLICAOF may have come between.
        if !node.upstream.is_writable() {
            return Err(CommandError::new(admission::READONLY));
        }
        let (from, now) = (session.db(), clock::unix_millis());
        let args = Args::new(words.get(1..).unwrap_or_default());
        expiry::before(writer, from, command, args, now);
        let lookups = node.lookups();
        let db = WriteContext::serving(writer, from, now, node.dialect()).counting(&lookups).asking();
        let there = wish.keys.iter().filter(|key| db.get(key).is_some());
        let new = |key: &&[u8]| Key { name: Box::from(*key), tries: 0, deadline: None, watch: None };
        let queue: VecDeque<Key> = there.map(new).collect();
        node.stats.local().looked_up(&lookups);
        expiry::after(node, writer, &lookups, command, now);
        writer.tell();
        if queue.is_empty() {
            return Ok(None);
        }
        let mut opening = Vec::new();
        if !wish.auth.is_empty() {
            replication::request(&mut opening, &[&[b"AUTH".as_slice()], wish.auth].concat());
        }
        replication::request(&mut opening, &[b"SELECT", wish.db.to_string().as_bytes()]);
        Ok(Some(Move {
            to: wish.to,
            limit: wish.limit,
            copy: wish.copy,
            replace: wish.replace,
            opening,
            opening_count: 1 + usize::from(!wish.auth.is_empty()),
            from,
            client: session.client().id,
            is_alone: false,
            queue,
            has_sent: false,
            has_heard: false,
            has_retried: false,
            failed: None,
        }))
    }

    /// Moves them, one batch behind another, while others go on.
    async fn run(self, node: &Arc<Node>, promise: Promise) {
        let Ok(_turn) = node.moving.acquire().await else { return };
        if promise.is_void() {
            return; // nothing has begun
        }
        let mut moving = self;
        let mut target = None;
        loop {
            unpaused(node).await;
            let here = Arc::clone(node);
            let packed = exclusive::apart(move || {
                let batch = moving.pack(&here, &exclusive::hold(&here));
                (moving, batch)
            });
            let Some((packed, batch)) = packed.await else { return };
            moving = packed;
            let Some(batch) = batch else { break };
            let answers = moving.deliver(&mut target, &batch).await;
            let mut sent = Some((batch, answers));
            while sent.is_some() {
                unpaused(node).await;
                let here = Arc::clone(node);
                let settled = exclusive::apart(move || {
                    let writer = exclusive::hold(&here);
                    // Asked again under the token, with which a pause begins.
                    if !is_paused(&here)
                        && let Some((batch, answers)) = sent.take()
                    {
                        moving.settle(&here, &writer, batch, &answers);
                        here.blocking.serve_ready(&here, &writer);
                    }
                    (moving, sent)
                });
                let Some(settled) = settled.await else { return };
                (moving, sent) = settled;
            }
        }
        let mut reply = promise.reply();
        match moving.outcome() {
            Ok(true) => reply.ok(),
            // They went while it waited for its turn.
            Ok(false) => reply.simple(NO_KEY),
            Err(error) => {
                node.stats.error(error.text().as_bytes());
                error.answer(&mut reply);
            }
        }
        promise.keep(reply);
    }

    /// Dumps keys for one batch, and watches them from then on. For the holder of the token.
    fn pack(&mut self, node: &Node, writer: &Writer<'_>) -> Option<Batch> {
        if !node.upstream.is_writable() {
            self.fail(CommandError::new(admission::READONLY));
            return None;
        }
        let now = clock::unix_millis();
        let db = writer.db(self.from, now);
        let mut batch = Batch { keys: Vec::new(), wire: Vec::new() };
        while batch.keys.len() < BATCH_KEYS_MAX && batch.wire.len() < BATCH_BYTES_MAX {
            let Some(key) = self.queue.pop_front() else { break };
            let Some(found) = db.peek(&key.name) else {
                if key.tries > 0 && key.deadline.is_none_or(|deadline| deadline > now) {
                    let after = "' was removed here while it was moved: the target has it as it was before";
                    self.fail(CommandError::naming("ERR '", &key.name, after));
                }
                continue;
            };
            let payload = match commands::payload_of(found.value(), node.dialect()) {
                Ok(payload) => payload,
                Err(error) => {
                    self.fail(error);
                    continue;
                }
            };
            let deadline = found.deadline();
            drop(found);
            let left = deadline.map_or(0, |deadline| deadline.0.saturating_sub(now.0).max(1)).to_string();
            let mut words: Vec<&[u8]> = vec![b"RESTORE", &key.name, left.as_bytes(), &payload];
            if self.replace || key.tries > 0 {
                words.push(b"REPLACE");
            }
            replication::request(&mut batch.wire, &words);
            let is_watched = !self.is_alone && !self.copy;
            let watch = is_watched.then(|| node.store.watch(self.from, &key.name, now));
            batch.keys.push(Key { tries: key.tries + 1, deadline, watch, ..key });
        }
        self.has_sent |= !batch.keys.is_empty();
        (!batch.keys.is_empty()).then_some(batch)
    }

    /// Brings a batch to the target, and what that answered: to fewer keys when the connection broke, and nothing more
    /// is sent then.
    async fn deliver(&mut self, target: &mut Option<Connection>, batch: &Batch) -> Vec<Answer> {
        loop {
            let mut answers = Vec::with_capacity(batch.keys.len());
            let Err(broke) = self.converse(target, batch, &mut answers).await else { return answers };
            *target = None;
            self.has_heard |= !answers.is_empty();
            // Once more, where no key can have been taken, or that is found out from the answer.
            if broke.may_pass() && !self.has_heard && !self.has_retried {
                self.has_retried = true;
                continue;
            }
            self.queue.clear();
            if let Some(text) = answers.iter().find_map(|answer| answer.as_ref().err()) {
                self.fail(refused(text));
            }
            self.fail(CommandError::new(broke.text()));
            return answers;
        }
    }

    async fn converse(
        &mut self,
        target: &mut Option<Connection>,
        batch: &Batch,
        answers: &mut Vec<Answer>,
    ) -> Result<(), Broke> {
        let (connection, is_new) = match target {
            Some(connection) => (connection, false),
            None => (target.insert(Connection::open(self.to.clone(), self.limit).await?), true),
        };
        if is_new {
            connection.send(&self.opening).await?;
        }
        connection.send(&batch.wire).await?;
        for _ in 0..if is_new { self.opening_count } else { 0 } {
            if let Err(text) = connection.answer().await? {
                // Whatever it took then, it took elsewhere.
                self.queue.clear();
                self.fail(refused(&text));
                return Ok(());
            }
        }
        for _ in &batch.keys {
            answers.push(connection.answer().await?);
        }
        self.has_heard = true;
        Ok(())
    }

    /// Removes what the target has just as it is here. For the holder of the token.
    fn settle(&mut self, node: &Node, writer: &Writer<'_>, batch: Batch, answers: &[Answer]) {
        if !self.copy && !node.upstream.is_writable() {
            self.queue.clear();
            self.fail(CommandError::new(admission::READONLY));
            return;
        }
        let mut context = WriteContext::serving(writer, self.from, clock::unix_millis(), node.dialect());
        let mut removed: HashSet<Box<[u8]>> = HashSet::new();
        writer.writes_for(Some(self.client));
        let together = (!self.copy && batch.keys.len() > 1).then(|| writer.close_gate());
        for (mut key, answer) in batch.keys.into_iter().zip(answers) {
            if let Err(text) = answer {
                self.fail(refused(text));
            } else if self.copy || removed.contains(&key.name) {
                // (It was named twice.)
            } else if !key.watch.take().is_some_and(|watch| watch.mark().is_touched()) {
                commands::remove(&mut context, &key.name);
                removed.insert(key.name);
            } else if key.tries < TRIES_MAX {
                self.queue.push_front(key);
            } else {
                let after = "' was written to each time that it was sent: it stays here, and the target has an older one";
                self.fail(CommandError::naming("ERR '", &key.name, after));
            }
        }
        drop(together);
        writer.tell();
    }

    /// Notes what went wrong, if it is the first.
    fn fail(&mut self, error: CommandError) {
        self.failed.get_or_insert(error);
    }

    /// Whether there was something to be moved; or what went wrong.
    fn outcome(self) -> Result<bool, CommandError> {
        self.failed.map_or(Ok(self.has_sent), Err)
    }
}

/// What the client is told of an error of the target's.
fn refused(text: &[u8]) -> CommandError {
    CommandError::Bytes([b"ERR Target instance replied with error: ", text].concat())
}

/// Whether clients are paused: what a move removes is a write as others are.
fn is_paused(node: &Node) -> bool {
    node.pause.at(clock::steady()) != Paused::Nothing
}

/// Waits until they are not.
async fn unpaused(node: &Node) {
    while is_paused(node) {
        let mut over = node.pause.over();
        poll_fn(|context| if over.is_over(context) { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<&[u8]> {
        line.split(' ').map(str::as_bytes).collect()
    }

    #[test]
    fn passwords_are_found_and_keys_are_none() {
        for (line, secrets) in [
            ("MIGRATE h p k 0 1 AUTH pw COPY", vec![7]),
            ("MIGRATE h p k 0 1 COPY auth2 me pw REPLACE", vec![8, 9]),
            ("MIGRATE h p  0 1 AUTH KEYS KEYS AUTH x", vec![7]),
            ("MIGRATE h p  0 1 AUTH", vec![]),
            ("AUTH", vec![]),
        ] {
            let words = words(line);
            let found: Vec<usize> = (0..words.len()).filter(|place| is_secret(&words, *place)).collect();
            assert_eq!(found, secrets, "{line}");
        }
    }

    #[test]
    fn ports_are_read_as_c_does() {
        for (text, number) in [
            ("6379", Some(6379)),
            ("6379x", Some(6379)),
            (" \t+6379", Some(6379)),
            ("x", Some(0)),
            ("", Some(0)),
            ("-0", Some(0)),
            ("99999", Some(34463)),
            ("4294967297", Some(1)),
            ("-1", None),
            ("2147483648", None),
            ("9223372036854775808", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(port(text.as_bytes()), number, "{text}");
        }
    }

    #[test]
    fn no_time_limit_is_a_second() {
        for (limit, millis) in [("0", 1000), ("-5", 1000), ("7", 7)] {
            let line = format!("MIGRATE h 1 k 0 {limit}");
            assert_eq!(Wish::of(&words(&line)).unwrap().limit, Duration::from_millis(millis));
        }
    }
}
