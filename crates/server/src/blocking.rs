//! Clients that wait for a key: BLPOP and its kin, XREADGROUP and XREAD with BLOCK.
//!
//! A request that writes is served by whoever touched its key, under the same hold of the token and in the order in
//! which clients began to wait, so that nobody comes between a push and the client that waits for it: as in Redis. One
//! that only reads (XREAD) is looked at again by its own connection when its key was touched, by the master's stream
//! too; it takes nothing from others. Either is asked again for its rights first. Some may be served though no key was
//! touched (XREADGROUP with CLAIM): these are looked at ten times a second.
//!
//! Owns who waits for what, and the outcome of each wait, which is decided once; and counts who waits for something
//! else (CLIENT PAUSE). Never touches a socket: the connection waits (see [`crate::batch::Wait`]), and a client that
//! goes is waited for no more.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::Poll;
use std::time::Instant;

use commands::{Command, CommandError, Flags, Group, KeyFlags, Nothing, Run, WriteContext};
use parking_lot::Mutex;
use protocol::{Args, Protocol, Reply};
use storage::{Awaited, DbIndex, Exclusive, Kind, Watch, Writer};
use tokio::sync::Notify;

use crate::acl::{self, Place as DeniedAt, User};
use crate::admission;
use crate::answer::Now;
use crate::batch::Wait;
use crate::clients::Client;
use crate::clock;
use crate::exclusive;
use crate::expiry;
use crate::node::Node;
use crate::owned::OwnedRequest;
use crate::pause::Paused;
use crate::session::Session;

/// What a client is told whose node follows a master from now on.
const ROLE_CHANGED: &str =
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)";
/// What a client is told whom another one woke.
const UNBLOCKED: &str = "UNBLOCKED client unblocked via CLIENT UNBLOCK";

/// What a client is told whose request ended without an answer.
const FAILED: &str = "ERR the request failed inside";

/// How a wait ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The request was run, and this is its answer.
    Served(Reply),
    /// Its key was touched, and its client may not have it any more: why.
    Denied(Vec<u8>),
    /// Its key was touched: it is to be run again.
    Again,
    /// In vain.
    TimedOut,
    /// With an error; the connection goes on.
    Error(&'static str),
    /// With an error, and the connection ends.
    Ended(&'static str),
}

/// One client's wait.
#[derive(Debug)]
struct Ticket {
    client: u64,
    /// How many began before it.
    turn: u64,
    /// Who it was when it began.
    user: Arc<User>,
    command: &'static Command,
    request: OwnedRequest,
    db: DbIndex,
    protocol: Protocol,
    /// When its request is run again though no key was touched.
    again_at: Mutex<Option<Instant>>,
    /// None while it is waited for; what is decided first stays.
    outcome: Mutex<Option<Outcome>>,
    decided: Notify,
}

impl Ticket {
    /// Ends the wait so, unless it has ended.
    fn decide(&self, outcome: Outcome) -> bool {
        let mut decided = self.outcome.lock();
        if decided.is_some() {
            return false;
        }
        *decided = Some(outcome);
        drop(decided);
        self.decided.notify_one();
        true
    }

    fn is_decided(&self) -> bool {
        self.outcome.lock().is_some()
    }
}

/// Which key, of which database.
type Place = (DbIndex, Box<[u8]>);

/// Who waits.
#[derive(Debug, Default)]
pub(crate) struct Blocking {
    waiting: Mutex<HashMap<u64, Arc<Ticket>>>,
    /// Those who write, by the keys that they wait for, first come first.
    queues: Mutex<HashMap<Place, Queue>>,
    count: AtomicUsize,
    /// How many keys there are in `queues`.
    places: AtomicUsize,
    /// How many waits have begun.
    turns: AtomicU64,
}

#[derive(Debug)]
struct Queue {
    tickets: VecDeque<Arc<Ticket>>,
    /// Has the key told of when it is touched.
    _awaited: Awaited,
}

/// How many of those who wait for a key are looked at together.
const TICKETS_AT_ONCE: usize = 64;

impl Queue {
    /// The first of those whose turn is this one or later.
    fn from(&self, turn: u64) -> Vec<Arc<Ticket>> {
        let passed = self.tickets.partition_point(|ticket| ticket.turn < turn);
        self.tickets.iter().skip(passed).take(TICKETS_AT_ONCE).cloned().collect()
    }

    /// Takes one out, if it is there.
    fn remove(&mut self, ticket: &Ticket) {
        if let Ok(at) = self.tickets.binary_search_by_key(&ticket.turn, |ticket| ticket.turn) {
            self.tickets.remove(at);
        }
    }
}

/// A wait, as its session keeps it: given up when this is dropped.
#[derive(Debug)]
pub(crate) struct Blocked {
    blocking: Arc<Blocking>,
    ticket: Arc<Ticket>,
    keys: Vec<Box<[u8]>>,
    until: Option<Instant>,
}

/// A request that found nothing.
pub(crate) struct Unanswered<'a> {
    pub(crate) command: &'static Command,
    /// All its words, its name too.
    pub(crate) words: &'a [&'a [u8]],
    pub(crate) wait: commands::Wait,
    pub(crate) now: Instant,
}

impl Blocking {
    /// Begins a wait of a request that writes. For the holder of the token under which it was run in vain.
    pub(crate) fn begin(
        self: &Arc<Self>,
        node: &Node,
        session: &mut Session,
        unanswered: Unanswered<'_>,
    ) -> Wait {
        let blocked = self.enter(session, unanswered);
        let mut queues = self.queues.lock();
        for key in &blocked.keys {
            let place = (blocked.ticket.db, key.clone());
            let queue = queues.entry(place).or_insert_with(|| Queue {
                tickets: VecDeque::new(),
                _awaited: node.store.await_key(blocked.ticket.db, key),
            });
            queue.tickets.push_back(Arc::clone(&blocked.ticket));
        }
        self.places.store(queues.len(), Relaxed);
        drop(queues);
        // A REPLICAOF that came between has ended all the others.
        if !node.upstream.is_writable() {
            blocked.ticket.decide(Outcome::Ended(ROLE_CHANGED));
        }
        let wait = blocked.wait(Vec::new());
        session.blocked = Some(Box::new(blocked));
        wait
    }

    /// Begins a wait of a request that reads; these watches were there before it was run in vain.
    pub(crate) fn begin_reading(
        self: &Arc<Self>,
        session: &mut Session,
        watches: Vec<Watch>,
        until: Option<Instant>,
        unanswered: Unanswered<'_>,
    ) -> Wait {
        let mut blocked = self.enter(session, unanswered);
        blocked.until = until;
        let wait = blocked.wait(watches);
        session.blocked = Some(Box::new(blocked));
        wait
    }

    fn enter(self: &Arc<Self>, session: &Session, unanswered: Unanswered<'_>) -> Blocked {
        let Unanswered { command, words, wait, now } = unanswered;
        let request = match &wait.instead {
            None => OwnedRequest::copy(words),
            Some(instead) => OwnedRequest::copy(&instead.iter().map(Vec::as_slice).collect::<Vec<_>>()),
        };
        let ticket = self.ticket(session, command, request);
        *ticket.again_at.lock() = wait.look_again.and_then(|after| now.checked_add(after));
        self.waiting.lock().insert(ticket.client, Arc::clone(&ticket));
        let keys = awaited_keys(command, words).into_iter().map(Box::from).collect();
        // A moment that no clock can tell is never.
        let until = wait.timeout.and_then(|timeout| now.checked_add(timeout));
        Blocked { blocking: Arc::clone(self), ticket, keys, until }
    }

    /// A wait of this client's, which is told of as one that waits.
    fn ticket(&self, session: &Session, command: &'static Command, request: OwnedRequest) -> Arc<Ticket> {
        session.client().is_inside(&request.words());
        self.count.fetch_add(1, Relaxed);
        session.client().blocked.store(true, Relaxed);
        Arc::new(Ticket {
            client: session.client().id,
            turn: self.turns.fetch_add(1, Relaxed),
            user: Arc::clone(session.user()),
            command,
            request,
            db: session.db(),
            protocol: session.protocol(),
            again_at: Mutex::new(None),
            outcome: Mutex::new(None),
            decided: Notify::new(),
        })
    }

    /// Begins a wait for what a task of the node does for this request, which nobody else serves or ends: neither
    /// CLIENT UNBLOCK nor REPLICAOF. That task goes on when the client goes.
    pub(crate) fn begin_apart(
        self: &Arc<Self>,
        session: &mut Session,
        command: &'static Command,
        words: &[&[u8]],
    ) -> (Wait, Promise) {
        let ticket = self.ticket(session, command, OwnedRequest::copy(words));
        let promise = Promise { ticket: Arc::clone(&ticket) };
        let blocked = Blocked { blocking: Arc::clone(self), ticket, keys: Vec::new(), until: None };
        let wait = blocked.wait(Vec::new());
        session.blocked = Some(Box::new(blocked));
        (wait, promise)
    }

    /// Whether somebody waits for a key to be written to.
    pub(crate) fn waits_for_keys(&self) -> bool {
        self.places.load(Relaxed) > 0
    }

    /// Keeps readers out while a request that may bring what somebody waits for is run, and that one is served: nobody
    /// else sees it there.
    #[inline]
    pub(crate) fn keeps_out<'w>(
        &self,
        writer: &'w Writer<'_>,
        db: DbIndex,
        command: &Command,
        args: Args<'_>,
    ) -> Option<Exclusive<'w>> {
        (self.waits_for_keys() && self.is_awaited(db, command, args)).then(|| writer.close_gate())
    }

    #[cold]
    fn is_awaited(&self, db: DbIndex, command: &Command, args: Args<'_>) -> bool {
        let queues = self.queues.lock();
        let mut is_awaited = false;
        // What cannot be told from its arguments is refused by its handler.
        let _told = command.visit_keys(&args, |found| {
            is_awaited |= queues.contains_key(&(db, Box::from(args.get(found.index))));
        });
        is_awaited
    }

    /// Serves those who wait for keys that were touched, if any was; not while clients are paused. For the holder of
    /// the token, between two requests: neither in a transaction nor in a script.
    #[inline]
    pub(crate) fn serve_ready(&self, node: &Node, writer: &Writer<'_>) {
        if node.store.has_ready() {
            self.serve(node, writer);
        }
    }

    #[cold]
    fn serve(&self, node: &Node, writer: &Writer<'_>) {
        while is_served(node) {
            // What a served client pushes may be what another waits for.
            let ready = node.store.take_ready();
            if ready.is_empty() {
                return;
            }
            let mut served = false;
            for place in ready {
                served |= self.serve_place(node, writer, &place);
            }
            if !served {
                // What was touched by who found nothing is of no use to anybody.
                let _nothing_new = node.store.take_ready();
                return;
            }
        }
    }

    /// Serves those who wait for one key, in their order. Says whether there was something for anybody.
    fn serve_place(&self, node: &Node, writer: &Writer<'_>, place: &Place) -> bool {
        let (index, key) = (place.0, &*place.1);
        let look = || writer.db(index, clock::unix_millis()).peek(key).map(|entry| entry.kind());
        let (mut served, mut kind, mut from) = (false, look(), 0);
        loop {
            let tickets = match self.queues.lock().get(place) {
                Some(queue) => queue.from(from),
                None => return served,
            };
            let Some(last) = tickets.last() else { return served };
            from = last.turn + 1;
            for ticket in tickets {
                // Of a thousand clients that wait for a list one is served by a push, and it is empty again.
                if !may_serve(ticket.command, kind) || !serve_one(node, writer, &ticket, key) {
                    continue;
                }
                served = true;
                kind = look();
                if let Some(queue) = self.queues.lock().get_mut(place) {
                    queue.remove(&ticket);
                }
            }
        }
    }

    /// Serves those for whom there may be something now though no key was touched (XREADGROUP with CLAIM), and those
    /// whose key was touched while clients were paused. To be asked now and then, where it may be waited for the token.
    pub(crate) fn serve_due(&self, node: &Node) {
        if self.clients() == 0 {
            return;
        }
        if node.store.has_ready() {
            self.serve(node, &exclusive::hold(node));
        }
        let now = clock::steady();
        let is_due = |ticket: &&Arc<Ticket>| ticket.again_at.lock().is_some_and(|at| at <= now);
        let mut due: Vec<_> = self.waiting.lock().values().filter(is_due).cloned().collect();
        if due.is_empty() {
            return;
        }
        // Who came first, as far as that can be told.
        due.sort_by_key(|ticket| ticket.client);
        let writer = exclusive::hold(node);
        if !is_served(node) {
            return;
        }
        for ticket in due {
            serve_one(node, &writer, &ticket, b"");
        }
        self.serve(node, &writer);
    }

    /// The same wait, whose client is told of as one that waits.
    pub(crate) fn counting(self: &Arc<Self>, client: &Arc<Client>, mut wait: Wait) -> Wait {
        let counted = Counted { blocking: Arc::clone(self), client: Arc::clone(client) };
        self.count.fetch_add(1, Relaxed);
        client.blocked.store(true, Relaxed);
        Wait::new(async move {
            let _until_then = counted;
            poll_fn(|context| if wait.is_over(context) { Poll::Ready(()) } else { Poll::Pending }).await;
        })
    }

    /// CLIENT UNBLOCK: whether the client waited.
    pub(crate) fn unblock(&self, client: u64, with_error: bool) -> bool {
        let Some(ticket) = self.waiting.lock().get(&client).cloned() else { return false };
        ticket.decide(if with_error { Outcome::Error(UNBLOCKED) } else { Outcome::TimedOut })
    }

    /// Ends all waits: the node follows a master from now on.
    pub(crate) fn end_all(&self) {
        let all: Vec<_> = self.waiting.lock().values().cloned().collect();
        for ticket in all {
            ticket.decide(Outcome::Ended(ROLE_CHANGED));
        }
    }

    /// How many clients wait.
    pub(crate) fn clients(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// How many keys clients wait for; and for how many of them one waits who is told, too, when the key goes.
    pub(crate) fn keys(&self) -> (usize, usize) {
        let waiting = self.waiting.lock();
        let mut keys: HashMap<Place, bool> = HashMap::new();
        for ticket in waiting.values() {
            let is_told =
                ticket.command.group == Group::Stream && matches!(ticket.command.run, Run::Write(_));
            for key in awaited_keys(ticket.command, &ticket.request.words()) {
                *keys.entry((ticket.db, key.into())).or_default() |= is_told;
            }
        }
        (keys.len(), keys.values().filter(|is_told| **is_told).count())
    }

    fn leave(&self, blocked: &Blocked) {
        let mut waiting = self.waiting.lock();
        if waiting.get(&blocked.ticket.client).is_some_and(|ticket| Arc::ptr_eq(ticket, &blocked.ticket)) {
            waiting.remove(&blocked.ticket.client);
        }
        drop(waiting);
        self.count.fetch_sub(1, Relaxed);
        let mut gone = Vec::new();
        let mut queues = self.queues.lock();
        for key in &blocked.keys {
            let place = (blocked.ticket.db, key.clone());
            let Some(queue) = queues.get_mut(&place) else { continue };
            queue.remove(&blocked.ticket);
            if queue.tickets.is_empty() {
                gone.extend(queues.remove(&place));
            }
        }
        self.places.store(queues.len(), Relaxed);
        drop(queues);
        // What they watch is given back without our lock.
        drop(gone);
    }
}

/// That a client which waits is answered: see [`Blocking::begin_apart`].
#[derive(Debug)]
pub(crate) struct Promise {
    ticket: Arc<Ticket>,
}

impl Promise {
    /// An answer to be filled for it.
    pub(crate) fn reply(&self) -> Reply {
        Reply::new(self.ticket.protocol)
    }

    /// Answers it, unless it has gone.
    pub(crate) fn keep(self, reply: Reply) {
        self.ticket.decide(Outcome::Served(reply));
    }

    /// Whether its client has gone.
    pub(crate) fn is_void(&self) -> bool {
        self.ticket.is_decided()
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        // It was not kept: the task failed.
        self.ticket.decide(Outcome::Error(FAILED));
    }
}

/// A client that waits for something else than a key, until this is dropped.
struct Counted {
    blocking: Arc<Blocking>,
    client: Arc<Client>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.client.blocked.store(false, Relaxed);
        self.blocking.count.fetch_sub(1, Relaxed);
    }
}

/// Whether anybody is served now: neither while clients are paused nor at a replica. For the holder of the token.
fn is_served(node: &Node) -> bool {
    node.upstream.is_writable() && node.pause.at(clock::steady()) == Paused::Nothing
}

/// Runs a waiting client's request, for whom `key` was touched; if there is something now, that is its answer.
/// Says whether there was.
fn serve_one(node: &Node, writer: &Writer<'_>, ticket: &Ticket, key: &[u8]) -> bool {
    let Run::Write(handler) = ticket.command.run else { return false };
    // Held while it runs: a wait that ends meanwhile must not lose what is taken for it.
    let mut outcome = ticket.outcome.lock();
    if outcome.is_some() {
        return false;
    }
    let words = ticket.request.words();
    let args = Args::new(words.get(ticket.command.name_words()..).unwrap_or_default());
    let mut reply = Reply::new(ticket.protocol);
    // The connection of who is gone ends.
    let (Some(user), Some(client)) = (node.acl.renewed(&ticket.user), node.clients.get(ticket.client)) else {
        return false;
    };
    if client.is_gone() {
        return false;
    }
    if let Err(denial) = acl::check(&user, ticket.command, args, ticket.db) {
        admission::note_denial_of(node, (&client, &user), ticket.command, args, denial, DeniedAt::Toplevel);
        let text = admission::denied(&user, ticket.command, denial);
        node.stats.error(&text);
        *outcome = Some(Outcome::Denied(text));
        drop(outcome);
        ticket.decided.notify_one();
        return true;
    }
    if ticket.command.flags.contains(Flags::DENYOOM) && node.eviction.is_full() {
        node.stats.error(admission::OOM.as_bytes());
        *outcome = Some(Outcome::Denied(admission::OOM.into()));
        drop(outcome);
        ticket.decided.notify_one();
        return true;
    }
    let lookups = node.lookups();
    let now = Now::read().wall;
    let context = WriteContext::serving(writer, ticket.db, now, node.dialect());
    let mut context = context.counting(&lookups);
    let before = writer.writes_for(Some(ticket.client));
    let answered = handler(&mut context, args, &mut reply);
    node.stats.local().looked_up(&lookups);
    expiry::after(node, writer, &lookups, ticket.command, now);
    writer.writes_for(before);
    match answered {
        Ok(()) => {}
        Err(CommandError::Wait(wait)) => {
            *ticket.again_at.lock() = wait.look_again.and_then(|after| clock::steady().checked_add(after));
            return false;
        }
        // What it waits for has come as something else, which is as if nothing had come; but for who reads a stream.
        Err(CommandError::WrongType) if !is_awaited_kind(&context, ticket.command, key) => return false,
        Err(error) => {
            let error = error.of_request(&words);
            reply = Reply::new(ticket.protocol);
            node.stats.error(error.text().as_bytes());
            error.answer(&mut reply);
        }
    }
    *outcome = Some(Outcome::Served(reply));
    drop(outcome);
    ticket.decided.notify_one();
    true
}

/// Whether there may be something for who waits in this command, where the key holds this kind of value. (Who reads a
/// stream is told, too, that it is gone.)
fn may_serve(command: &Command, kind: Option<Kind>) -> bool {
    match command.group {
        Group::List => kind == Some(Kind::List),
        Group::SortedSet => kind == Some(Kind::SortedSet),
        _ => true,
    }
}

/// Whether an error about a kind is one to be told: not when the awaited key is to blame.
fn is_awaited_kind(context: &WriteContext<'_>, command: &Command, key: &[u8]) -> bool {
    may_serve(command, context.db.peek(key).map(|entry| entry.kind()))
}

/// The keys whose values it waits for: of a move, where it moves from.
pub(crate) fn awaited_keys<'a>(command: &Command, words: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let args = words.get(command.name_words()..).unwrap_or_default();
    let keys = command.keys_of(&Args::new(args)).unwrap_or_default();
    let awaited = keys.iter().filter(|key| !key.flags.contains(KeyFlags::INSERT));
    let mut awaited: Vec<_> = awaited.filter_map(|key| args.get(key.index).copied()).collect();
    awaited.sort_unstable();
    awaited.dedup();
    awaited
}

impl Blocked {
    /// Done when the wait is over.
    fn wait(&self, watches: Vec<Watch>) -> Wait {
        let ticket = Arc::clone(&self.ticket);
        let until = self.until;
        Wait::new(async move {
            let touched = poll_fn(|context| {
                let is_touched = |watch: &Watch| watch.poll_touched(context).is_ready();
                if watches.iter().any(is_touched) { Poll::Ready(()) } else { Poll::Pending }
            });
            let in_vain = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until.into()).await,
                    None => std::future::pending().await,
                }
            };
            let mut decided = pin!(ticket.decided.notified());
            // It may have been decided before anybody listened; that is remembered.
            tokio::select! {
                biased;
                () = &mut decided => {}
                () = touched => { ticket.decide(Outcome::Again); }
                () = in_vain => { ticket.decide(Outcome::TimedOut); }
            }
        })
    }

    /// Whether it ended so that its request is to be run again.
    pub(crate) fn is_to_run_again(&self) -> bool {
        matches!(*self.ticket.outcome.lock(), Some(Outcome::Again))
    }

    /// How it ended; itself, if it has not.
    pub(crate) fn outcome(self: Box<Self>) -> Result<(Outcome, Ended), Box<Self>> {
        if !self.ticket.is_decided() {
            return Err(self);
        }
        let outcome = self.ticket.outcome.lock().replace(Outcome::TimedOut);
        // It was decided, and only its owner takes it.
        let outcome = outcome.unwrap_or(Outcome::TimedOut);
        let ended =
            Ended { command: self.ticket.command, request: self.ticket.request.clone(), until: self.until };
        Ok((outcome, ended))
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // Nobody serves it from here on.
        self.ticket.decide(Outcome::TimedOut);
        self.blocking.leave(self);
    }
}

/// What is left of a wait that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// What was asked for.
    pub(crate) command: &'static Command,
    /// Its words.
    pub(crate) request: OwnedRequest,
    /// Until when it is waited for.
    pub(crate) until: Option<Instant>,
}

/// Answers a wait that ended, unless it is to be run again; says whether the connection ends.
pub(crate) fn answer(outcome: Outcome, reply: &mut Reply) -> bool {
    match outcome {
        Outcome::Served(answer) => reply.append(answer),
        Outcome::TimedOut | Outcome::Again => Nothing::NullArray.answer(reply),
        Outcome::Denied(text) => reply.error_bytes(&text),
        Outcome::Error(text) => reply.error(text),
        Outcome::Ended(text) => {
            reply.error(text);
            return true;
        }
    }
    false
}
