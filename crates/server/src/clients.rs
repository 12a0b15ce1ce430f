//! Who is connected: what CLIENT LIST, INFO and CLIENT KILL see of each connection.
//!
//! Owns the list, and the part of a connection that others may look at. Never touches a socket: a connection is
//! ended by ending its task.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed,
};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use commands::{Command, Dialect};
use parking_lot::Mutex;
use protocol::{Protocol, Reply};
use storage::Touched;
use tokio::task::AbortHandle;

use crate::acl::{DEFAULT, User};
use crate::address::Address;
use crate::outbox::{Mark, Outbox};
use crate::upstream::AsClient;

/// No moment: what it asked for is run where that may take long, and it is not idle meanwhile.
const AT_WORK: u64 = u64::MAX;

/// See [`Client::queued`].
const NONE_QUEUED: u32 = u32::MAX;

/// About what a watched key takes.
const WATCH_BYTES: usize = 128;

/// One connection, as others see it. About 250 bytes: ten thousand idle ones must not weigh.
#[derive(Debug)]
pub(crate) struct Client {
    /// Never used twice.
    pub(crate) id: u64,
    /// The other side.
    pub(crate) addr: Address,
    /// Our side.
    pub(crate) laddr: Address,
    /// The socket's number.
    pub(crate) fd: i32,
    /// When it connected.
    pub(crate) since: Instant,
    /// Whether it is the connection to the master, of which this is a copy made for who asks.
    pub(crate) is_link: bool,
    /// Milliseconds from `since` to its last request, or [`AT_WORK`].
    pub(crate) active_millis: AtomicU64,
    /// The database it has selected.
    pub(crate) db: AtomicU32,
    /// 2 or 3.
    protocol: AtomicU8,
    /// The thread that serves it.
    pub(crate) thread: AtomicU16,
    /// Its last command: the table's index and one; 0: none yet.
    pub(crate) command: AtomicU16,
    /// Requests queued since MULTI, and one; 0: there was no MULTI, nor a WATCH; [`NONE_QUEUED`]: there is no MULTI any
    /// more.
    queued: AtomicU32,
    /// Bytes of these requests.
    queued_bytes: AtomicU32,
    /// Bytes of the request that waits for a key, or that asks for this line.
    pub(crate) request_bytes: AtomicU32,
    /// Bytes of requests not yet run.
    pub(crate) input_bytes: AtomicUsize,
    /// Bytes of the room that these are in; none while there are none.
    pub(crate) input_room: AtomicUsize,
    /// Bytes of replies not yet taken by the kernel.
    pub(crate) output_bytes: AtomicUsize,
    /// Those of them that are of values that others hold too.
    pub(crate) output_shared: AtomicUsize,
    /// What it has sent and was sent.
    pub(crate) traffic: Traffic,
    /// CLIENT NO-EVICT
    pub(crate) no_evict: AtomicBool,
    /// Whether it waits for a key.
    pub(crate) blocked: AtomicBool,
    /// CLIENT NO-TOUCH
    pub(crate) no_touch: AtomicBool,
    /// CLIENT CAPA REDIRECT
    pub(crate) follows_redirects: AtomicBool,
    /// READONLY
    pub(crate) read_only: AtomicBool,
    /// What most connections have nothing of.
    said: Mutex<Said>,
    /// What is sent to it unasked; most connections have none.
    outbox: OnceLock<Box<Outbox>>,
    /// Its connection is over, or is to end.
    gone: AtomicBool,
    /// How it is ended.
    task: Mutex<Task>,
}

/// What a connection has sent and was sent. Only its own task adds to this, so that no addition locks anything.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// Bytes read.
    pub(crate) input: Total,
    /// Reads that brought some.
    pub(crate) reads: Total,
    /// Bytes written.
    pub(crate) output: Total,
    /// Commands run.
    pub(crate) commands: Total,
    /// Requests found together, as often as some were.
    pub(crate) pipelines: Total,
    /// Requests in all of these.
    pub(crate) pipelined: Total,
}

/// A sum to which one thread at a time adds.
#[derive(Debug, Default)]
pub(crate) struct Total(AtomicU64);

impl Total {
    /// Adds to it.
    #[inline]
    pub(crate) fn add(&self, by: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(by), Relaxed);
    }

    /// As it is now.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The task of a connection.
#[derive(Debug)]
enum Task {
    /// It may run already, and nobody has said yet which it is.
    Unknown,
    /// The same, and it is to end.
    Unwanted,
    Known(AbortHandle),
}

/// A word that a client says of itself. Up to its first zero byte, if it has one, it can stand in a line; as servers do
/// nobody looks at the rest, which is only given back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Label(Vec<u8>);

impl Label {
    /// None when it cannot stand in a line.
    pub(crate) fn new(text: &[u8]) -> Option<Label> {
        let mut shown = text.iter().take_while(|byte| **byte != 0);
        shown.all(u8::is_ascii_graphic).then(|| Label(text.to_vec()))
    }

    /// All of it.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What stands in a line.
    pub(crate) fn shown(&self) -> &str {
        let shown = self.0.split(|byte| *byte == 0).next().unwrap_or_default();
        std::str::from_utf8(shown).unwrap_or_default()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Says nothing any more.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// A word each for the many that have nothing of it.
#[derive(Debug, Default)]
struct Said {
    /// CLIENT SETNAME and SETINFO.
    names: Option<Box<Names>>,
    /// Which of the keys that it watches were touched.
    #[allow(clippy::box_collection)]
    watched: Option<Box<Vec<Touched>>>,
}

/// What a client says of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    /// CLIENT SETNAME
    pub(crate) name: Label,
    /// CLIENT SETINFO LIB-NAME
    pub(crate) lib_name: Label,
    /// CLIENT SETINFO LIB-VER
    pub(crate) lib_ver: Label,
    /// The user it has said to be; none: `default`.
    pub(crate) user: Option<Arc<User>>,
}

impl Names {
    /// The name of its user.
    pub(crate) fn user(&self) -> &[u8] {
        self.user.as_ref().map_or(DEFAULT, |user| &user.name)
    }
}

impl Client {
    fn new(id: u64, addr: Address, laddr: Address, fd: i32, since: Instant) -> Client {
        Client {
            id,
            addr,
            laddr,
            fd,
            since,
            is_link: false,
            active_millis: AtomicU64::new(0),
            db: AtomicU32::new(0),
            protocol: AtomicU8::new(2),
            thread: AtomicU16::new(0),
            command: AtomicU16::new(0),
            queued: AtomicU32::new(0),
            queued_bytes: AtomicU32::new(0),
            request_bytes: AtomicU32::new(0),
            input_bytes: AtomicUsize::new(0),
            input_room: AtomicUsize::new(0),
            output_bytes: AtomicUsize::new(0),
            output_shared: AtomicUsize::new(0),
            traffic: Traffic::default(),
            no_evict: AtomicBool::new(false),
            blocked: AtomicBool::new(false),
            no_touch: AtomicBool::new(false),
            follows_redirects: AtomicBool::new(false),
            read_only: AtomicBool::new(false),
            said: Mutex::default(),
            outbox: OnceLock::new(),
            gone: AtomicBool::new(false),
            task: Mutex::new(Task::Unknown),
        }
    }

    /// The connection to the master, as it is now.
    fn of_link(id: u64, since: Instant, link: &AsClient, now: Instant) -> Client {
        let AsClient { sync: _, socket, idle, db, waiting, input, output, reads, requests, batches, command } =
            *link;
        let counted = |count: u64| Total(AtomicU64::new(count));
        let mut client = Client::new(id, socket.peer.into(), socket.local.into(), socket.fd, since);
        client.is_link = true;
        client.touch(now.checked_sub(idle).unwrap_or(since));
        client.db = db.0.into();
        client.command = command.into();
        client.input_bytes = usize::try_from(waiting).unwrap_or(usize::MAX).into();
        client.traffic = Traffic {
            input: counted(input),
            reads: counted(reads),
            output: counted(output),
            commands: counted(requests),
            pipelines: counted(batches),
            pipelined: counted(requests),
        };
        client
    }

    /// The name of its user; the master's connection may do everything, and is nobody's.
    pub(crate) fn user_name(&self) -> Vec<u8> {
        if self.is_link { b"(superuser)".to_vec() } else { self.names().user().to_vec() }
    }

    /// What it says of itself.
    pub(crate) fn names(&self) -> Names {
        self.said.lock().names.as_deref().cloned().unwrap_or_default()
    }

    /// Changes what it says of itself.
    pub(crate) fn rename(&self, change: impl FnOnce(&mut Names)) {
        let names = &mut self.said.lock().names;
        let boxed = names.get_or_insert_default();
        change(boxed);
        if boxed.name.is_empty()
            && boxed.lib_name.is_empty()
            && boxed.lib_ver.is_empty()
            && boxed.user.is_none()
        {
            *names = None;
        }
    }

    /// Notes who it is.
    pub(crate) fn set_user(&self, user: &Arc<User>) {
        let user = (*user.name != *DEFAULT).then(|| Arc::clone(user));
        // Nearly all are the one that every client begins as, which is not noted.
        if user.is_some() || self.said.lock().names.is_some() {
            self.rename(|names| names.user = user);
        }
    }

    /// How many requests it has queued since MULTI; `None`: it has no transaction.
    pub(crate) fn queued(&self) -> Option<u32> {
        self.queued.load(Relaxed).checked_sub(1).filter(|queued| queued + 1 < NONE_QUEUED)
    }

    /// Notes that it has queued so many requests of so many bytes.
    pub(crate) fn has_queued(&self, requests: u32, bytes: u32) {
        self.queued.store(requests.min(NONE_QUEUED - 2) + 1, Relaxed);
        self.queued_bytes.store(bytes, Relaxed);
    }

    /// Notes that it has no transaction any more, or that it watches a key: see `queued`.
    pub(crate) fn has_none_queued(&self) {
        self.queued.store(NONE_QUEUED, Relaxed);
        self.queued_bytes.store(0, Relaxed);
    }

    /// What is sent to it unasked; made at the first need.
    pub(crate) fn outbox(&self) -> &Outbox {
        self.outbox.get_or_init(Box::default)
    }

    /// The same, if it was needed.
    #[inline]
    pub(crate) fn outbox_if_any(&self) -> Option<&Outbox> {
        self.outbox.get().map(Box::as_ref)
    }

    /// How many channels, patterns and shard channels it is subscribed to.
    pub(crate) fn subscribed(&self) -> [u32; 3] {
        self.outbox_if_any()
            .map_or([0; 3], |outbox| outbox.subscribed.each_ref().map(|count| count.load(Relaxed)))
    }

    /// What others see of it, where it is sent something.
    pub(crate) fn marks(&self) -> Mark {
        self.outbox_if_any().map_or(Mark::empty(), Outbox::marks)
    }

    /// Who hears in its place what is tracked for it; -1 when nothing is tracked, 0 when it hears itself.
    pub(crate) fn redirect(&self) -> i64 {
        self.outbox_if_any().map_or(-1, Outbox::redirect)
    }

    /// Whether its connection is over, or is to end.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Relaxed)
    }

    /// One more key that it watches.
    pub(crate) fn watches(&self, key: Touched) {
        self.said.lock().watched.get_or_insert_default().push(key);
    }

    /// It watches none any more.
    pub(crate) fn watches_nothing(&self) {
        self.said.lock().watched = None;
    }

    /// How many keys it watches, and whether one of them was touched, so that its transaction will not run.
    fn watched(&self) -> (usize, bool) {
        let said = self.said.lock();
        let marks = said.watched.as_ref();
        marks.map_or((0, false), |marks| (marks.len(), marks.iter().any(Touched::is_touched)))
    }

    /// How many keys it watches; none when one of them was touched, for then the others are of no matter.
    pub(crate) fn watched_keys(&self) -> usize {
        match self.watched() {
            (_, true) => 0,
            (keys, false) => keys,
        }
    }

    /// Whether it is subscribed to something.
    pub(crate) fn is_subscriber(&self) -> bool {
        self.subscribed() != [0; 3]
    }

    /// What it speaks.
    pub(crate) fn speaks(&self) -> Protocol {
        if self.protocol.load(Relaxed) == 3 { Protocol::Resp3 } else { Protocol::Resp2 }
    }

    /// HELLO
    pub(crate) fn speak(&self, protocol: Protocol) {
        let number = match protocol {
            Protocol::Resp2 => 2,
            Protocol::Resp3 => 3,
        };
        self.protocol.store(number, Relaxed);
    }

    /// Notes that it sent something at `now`.
    #[inline]
    pub(crate) fn touch(&self, now: Instant) {
        if self.active_millis.load(Relaxed) != AT_WORK {
            self.was_active(now);
        }
    }

    fn was_active(&self, now: Instant) {
        let millis = now.saturating_duration_since(self.since).as_millis();
        self.active_millis.store(u64::try_from(millis).unwrap_or(AT_WORK), Relaxed);
    }

    /// Notes that what it asked for is run where that may take long: it is not idle meanwhile.
    pub(crate) fn works(&self) {
        self.active_millis.store(AT_WORK, Relaxed);
    }

    /// Notes that it is answered, at `now`.
    pub(crate) fn has_worked(&self, now: Instant) {
        self.was_active(now);
    }

    /// Seconds since it last sent something.
    pub(crate) fn idle_seconds(&self, now: Instant) -> u64 {
        let age = u64::try_from(now.saturating_duration_since(self.since).as_millis()).unwrap_or(u64::MAX);
        age.saturating_sub(self.active_millis.load(Relaxed)) / 1000
    }

    /// The letters of CLIENT LIST.
    pub(crate) fn flags(&self) -> String {
        if self.is_link {
            return String::from("M");
        }
        let mut flags = String::new();
        if self.marks().contains(Mark::MONITOR) {
            flags.push('O');
        }
        if self.is_subscriber() {
            flags.push('P');
        }
        if self.queued().is_some() {
            flags.push('x');
        }
        if self.blocked.load(Relaxed) {
            flags.push('b');
        }
        for (mark, letter) in [(Mark::TRACKING, 't'), (Mark::BROKEN_REDIRECT, 'R'), (Mark::BROADCAST, 'B')] {
            if self.marks().contains(mark) {
                flags.push(letter);
            }
        }
        for (is_so, letter) in [
            (self.watched().1, 'd'),
            (self.addr.is_unix(), 'U'),
            (self.read_only.load(Relaxed), 'r'),
            (self.no_evict.load(Relaxed), 'e'),
            (self.no_touch.load(Relaxed), 'T'),
        ] {
            if is_so {
                flags.push(letter);
            }
        }
        if flags.is_empty() {
            flags.push('N');
        }
        flags
    }

    /// The letters of what it can do (CLIENT CAPA).
    pub(crate) fn capabilities(&self) -> &'static str {
        if self.follows_redirects.load(Relaxed) { "r" } else { "" }
    }

    /// Bytes of requests not yet run, and of the room that these are in.
    fn input(&self) -> (usize, usize) {
        let input = self.input_bytes.load(Relaxed);
        (input, self.input_room.load(Relaxed).max(input))
    }

    /// Bytes of what waits to be sent to it, and of those the ones that others hold too.
    pub(crate) fn output(&self) -> (usize, usize) {
        let output = self.output_bytes.load(Relaxed) + self.outbox_if_any().map_or(0, Outbox::bytes);
        (output, self.output_shared.load(Relaxed).min(output))
    }

    /// How much memory it takes: its own, and not what others hold too.
    pub(crate) fn memory(&self) -> usize {
        let (_, room) = self.input();
        let (output, shared) = self.output();
        let requests = self.queued_bytes.load(Relaxed) as usize + self.request_bytes.load(Relaxed) as usize;
        let outbox = self.outbox_if_any();
        let names = outbox.map_or(0, |outbox| outbox.names_bytes.load(Relaxed));
        let watched = self.watched().0 * WATCH_BYTES;
        room + (output - shared) + requests + names + watched + size_of::<Client>()
    }

    /// The line of CLIENT LIST and CLIENT INFO, without its end; with the fields that the newest server of this kind
    /// has.
    pub(crate) fn line(&self, now: Instant, dialect: Dialect) -> String {
        let names = self.names();
        let flags = self.flags();
        // A Valkey tells of a count from the first MULTI or WATCH on.
        let is_counted = dialect.is_valkey() && self.queued.load(Relaxed) > 0;
        let queued = self.queued().map_or(if is_counted { 0 } else { -1 }, i64::from);
        let [sub, psub, ssub] = self.subscribed();
        let command = match self.command.load(Relaxed).checked_sub(1) {
            Some(index) => {
                commands::table::COMMANDS.get(usize::from(index)).map_or("NULL", |command| command.name)
            }
            None => "NULL",
        };
        let (input, room) = self.input();
        let (omem, shared) = self.output();
        let output = omem - shared;
        let (multi_mem, argv_mem) = (self.queued_bytes.load(Relaxed), self.request_bytes.load(Relaxed));
        let total = self.memory();
        let is_valkey = dialect.is_valkey();
        let capa = if is_valkey { format!("capa={} ", self.capabilities()) } else { String::new() };
        let told =
            if is_valkey { String::new() } else { format!(" omem-shared={shared} omem-unshared={output}") };
        let events = if omem > 0 { "rw" } else { "r" };
        let mut line = String::with_capacity(480);
        // Writing into a String cannot fail. Replies are written in room that is lent for as long as that takes: none
        // (rbs) is the client's own.
        let _ = write!(
            line,
            "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={flags} {capa}db={} sub={sub} psub={psub} \
             ssub={ssub} multi={} watch={} qbuf={input} qbuf-free={} argv-mem={argv_mem} multi-mem={multi_mem} rbs=0 \
             rbp=0 obl={output} oll=0 omem={omem}{told} tot-mem={total} events={events} cmd={command} user={} redir={} \
             resp={} lib-name={} lib-ver={}",
            self.id,
            self.addr,
            self.laddr,
            self.fd,
            names.name.shown(),
            now.saturating_duration_since(self.since).as_secs(),
            self.idle_seconds(now),
            self.db.load(Relaxed),
            queued,
            self.watched_keys(),
            room - input,
            String::from_utf8_lossy(&self.user_name()),
            self.redirect(),
            self.protocol.load(Relaxed),
            names.lib_name.shown(),
            names.lib_ver.shown(),
        );
        if !is_valkey {
            let _ = write!(line, " io-thread={}", self.thread.load(Relaxed));
        }
        let Traffic { input, reads, output, commands, pipelines, pipelined } = &self.traffic;
        let _ = write!(
            line,
            " tot-net-in={} tot-net-out={} tot-cmds={}",
            input.get(),
            output.get(),
            commands.get()
        );
        if !is_valkey {
            let _ = write!(
                line,
                " read-events={} avg-pipeline-len-sum={} avg-pipeline-len-cnt={}",
                reads.get(),
                pipelined.get(),
                pipelines.get()
            );
        }
        line
    }

    /// Notes how much waits to be sent to it.
    pub(crate) fn waits_for(&self, reply: &Reply) {
        self.output_bytes.store(reply.len(), Relaxed);
        self.output_shared.store(reply.shared_len(), Relaxed);
    }

    /// Notes the request that it is inside of; none: the request is over.
    pub(crate) fn is_inside(&self, words: &[&[u8]]) {
        let bytes = words.iter().map(|word| word.len()).sum::<usize>();
        self.request_bytes.store(u32::try_from(bytes).unwrap_or(u32::MAX), Relaxed);
    }

    /// Notes its last command, refused or not.
    pub(crate) fn ran(&self, command: &'static Command) {
        self.command.store(command.id() + 1, Relaxed);
    }

    /// Notes that its last request named none.
    pub(crate) fn named_none(&self) {
        self.command.store(0, Relaxed);
    }

    /// Ends it: its task is dropped where it waits. What it has asked for, and what still waits for the token, is not
    /// run: whoever ends it under the token may say that nothing more comes of it.
    pub(crate) fn end(&self) {
        self.gone.store(true, Relaxed);
        let mut task = self.task.lock();
        match &*task {
            Task::Known(task) => task.abort(),
            Task::Unknown | Task::Unwanted => *task = Task::Unwanted,
        }
    }

    /// Notes that another task will serve it, of which [`Client::served_by`] will say which it is; false when that is
    /// not known of the present one yet, and so cannot change.
    pub(crate) fn is_moving(&self) -> bool {
        let mut task = self.task.lock();
        let is_known = matches!(*task, Task::Known(_));
        if is_known {
            *task = Task::Unknown;
        }
        is_known
    }

    /// Says which task serves it.
    pub(crate) fn served_by(&self, task: AbortHandle) {
        let mut known = self.task.lock();
        if matches!(*known, Task::Unwanted) {
            task.abort();
        }
        *known = Task::Known(task);
    }
}

/// All connections of a node.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    all: Mutex<HashMap<u64, Arc<Client>>>,
    last_id: AtomicU64,
    /// The connection to the master: of which full sync it is, its id, and since when it is known.
    link: Mutex<Option<(u64, u64, Instant)>>,
    /// Those of connections that are over, less what was forgotten.
    past: Mutex<Pipelines>,
}

/// How many requests were found together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pipelines {
    /// All of them.
    pub(crate) requests: u64,
    /// As often as some were found.
    pub(crate) times: u64,
}

impl Pipelines {
    fn of(traffic: &Traffic) -> Self {
        Pipelines { requests: traffic.pipelined.get(), times: traffic.pipelines.get() }
    }

    /// Both sums; what is forgotten may be more than what is kept of the past, so that they wrap.
    fn and(self, other: Self) -> Self {
        Pipelines {
            requests: self.requests.wrapping_add(other.requests),
            times: self.times.wrapping_add(other.times),
        }
    }
}

/// A place in the list, given back when the connection ends, however it ends.
#[derive(Debug)]
pub(crate) struct Registered {
    clients: Arc<Clients>,
    /// The client whose place it is.
    pub(crate) client: Arc<Client>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.client.gone.store(true, Relaxed);
        let mut all = self.clients.all.lock();
        let mut past = self.clients.past.lock();
        *past = past.and(Pipelines::of(&self.client.traffic));
        all.remove(&self.client.id);
    }
}

impl Clients {
    /// Adds a connection.
    pub(crate) fn register(
        self: &Arc<Self>,
        addr: Address,
        laddr: Address,
        fd: i32,
        now: Instant,
    ) -> Registered {
        let client = Arc::new(Client::new(self.next_id(), addr, laddr, fd, now));
        self.all.lock().insert(client.id, Arc::clone(&client));
        Registered { clients: Arc::clone(self), client }
    }

    fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Relaxed) + 1
    }

    /// The connection to the master as one of them, which it is not: it is in no list. As at a real server it is the
    /// same client until a full sync, whatever happens to its socket.
    pub(crate) fn of_link(&self, link: &AsClient, now: Instant) -> Arc<Client> {
        let mut known = self.link.lock();
        let (_, id, since) = match *known {
            Some(same) if same.0 == link.sync => same,
            _ => *known.insert((link.sync, self.next_id(), now)),
        };
        Arc::new(Client::of_link(id, since, link, now))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.all.lock().len()
    }

    /// All of them, oldest first.
    pub(crate) fn list(&self) -> Vec<Arc<Client>> {
        let mut all: Vec<_> = self.all.lock().values().cloned().collect();
        all.sort_unstable_by_key(|client| client.id);
        all
    }

    /// The one with this id.
    pub(crate) fn get(&self, id: u64) -> Option<Arc<Client>> {
        self.all.lock().get(&id).cloned()
    }

    /// How many requests were found together, since the start or since that was forgotten.
    pub(crate) fn pipelines(&self) -> Pipelines {
        let all = self.all.lock();
        let past = *self.past.lock();
        all.values().fold(past, |sum, client| sum.and(Pipelines::of(&client.traffic)))
    }

    /// Forgets it: CONFIG RESETSTAT.
    pub(crate) fn reset_pipelines(&self) {
        let Pipelines { requests, times } = self.pipelines();
        let mut past = self.past.lock();
        let less = Pipelines { requests: requests.wrapping_neg(), times: times.wrapping_neg() };
        *past = past.and(less);
    }

    /// Ends all of them.
    pub(crate) fn end_all(&self) {
        for client in self.list() {
            client.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client was killed in the moment between its task's start and the note of which task it is, and lived on.
    #[tokio::test]
    async fn who_is_ended_before_its_task_is_known_ends_too() {
        let clients = Arc::new(Clients::default());
        let nowhere = Address::from(std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
        let registered = clients.register(nowhere.clone(), nowhere, 0, crate::clock::steady());
        let client = Arc::clone(&registered.client);
        let task = tokio::spawn(async move {
            let _registered = registered;
            std::future::pending::<()>().await;
        });
        client.end();
        client.served_by(task.abort_handle());
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(clients.len(), 0);
    }

    /// A client that is ended while it goes from one task to another ends.
    #[tokio::test]
    async fn who_is_ended_between_two_tasks_ends() {
        let clients = Arc::new(Clients::default());
        let nowhere = Address::from(std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
        let client =
            Arc::clone(&clients.register(nowhere.clone(), nowhere, 0, crate::clock::steady()).client);
        assert!(!client.is_moving(), "its first task is not known yet");
        client.served_by(tokio::spawn(std::future::pending::<()>()).abort_handle());
        assert!(client.is_moving());
        client.end();
        let next = tokio::spawn(std::future::pending::<()>());
        client.served_by(next.abort_handle());
        assert!(next.await.unwrap_err().is_cancelled());
    }
}
