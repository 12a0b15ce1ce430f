//! What all parts of a running node share.
//!
//! Owns nothing but the parts themselves: store, link, settings, clients, counters. Never runs anything.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use commands::{Command, Dialect, Flags, ReadContext, Source};
use protocol::Reply;
use protocol::reply::Mark;
use storage::{Listener, Lookups, Store, UnixMillis, Wanted};
use tokio::sync::Semaphore;

use crate::acl::Acl;
use crate::answer::{Answered, Then};
use crate::blocking::Blocking;
use crate::clients::{Client, Clients};
use crate::command_log::{self, CommandLog, Kind};
use crate::config::{Config, Secret};
use crate::cron::Samples;
use crate::eviction::Eviction;
use crate::histogram::Range;
use crate::hot_keys::HotKeys;
use crate::hub::Hub;
use crate::latency::{Event, Latency};
use crate::monitor;
use crate::pause::Pause;
use crate::save::SaveState;
use crate::scripts::Scripts;
use crate::seldom::OfClients;
use crate::server::StartError;
use crate::session::Session;
use crate::settings::Settings;
use crate::shutdown::Shutdown;
use crate::stats::Stats;
use crate::tls::{Sides, Tls, TlsError};
use crate::upstream::{Manners, Role, UpstreamHandle};
use crate::{clock, memory};

/// A running node.
#[derive(Debug)]
pub(crate) struct Node {
    /// The data set.
    pub(crate) store: Store,
    /// The link to the master.
    pub(crate) upstream: UpstreamHandle,
    /// The values in force.
    pub(crate) settings: Arc<Settings>,
    /// Who may do what.
    pub(crate) acl: Acl,
    /// What TLS is spoken with.
    pub(crate) tls: Tls,
    /// Who is connected.
    pub(crate) clients: Arc<Clients>,
    /// Who hears what without asking.
    pub(crate) hub: Arc<Hub>,
    /// Whose requests wait.
    pub(crate) pause: Arc<Pause>,
    /// What of clients is logged, and how seldom.
    pub(crate) log: OfClients,
    /// What was served.
    pub(crate) stats: Arc<Stats>,
    /// What took long, was large, or was answered at length.
    pub(crate) command_log: CommandLog,
    /// What held up clients.
    pub(crate) latency: Latency,
    /// Which keys cost most, where somebody wants to know.
    pub(crate) hot_keys: Arc<HotKeys>,
    /// Whether expired keys are removed before somebody asks for them, on a node that follows nobody.
    pub(crate) walks_expired: AtomicBool,
    /// Clients' scripts.
    pub(crate) scripts: Scripts,
    /// For the batch that waits for the token, or has it: one at a time, so that no thread wakes for another's turn.
    pub(crate) waiting_batch: Semaphore,
    /// For the MIGRATE that is at work: one at a time, as at a real server.
    pub(crate) moving: Semaphore,
    /// Rates, and peaks.
    pub(crate) samples: Samples,
    /// Who waits for a key.
    pub(crate) blocking: Arc<Blocking>,
    /// What goes when there is no room.
    pub(crate) eviction: Eviction,
    /// What was saved.
    pub(crate) saves: SaveState,
    /// The end.
    pub(crate) shutdown: Shutdown,
    /// How many databases there are.
    pub(crate) databases: u32,
    /// A name for this run of the program, by chance.
    pub(crate) run_id: String,
    /// When it started.
    pub(crate) started: Instant,
    /// Bytes in use before any data came.
    pub(crate) memory_at_start: u64,
    /// Where the threads that serve connections count: see [`crate::stats::block_of_thread`].
    pub(crate) serving: OnceLock<Vec<usize>>,
    /// Where it is served.
    pub(crate) ports: OnceLock<Ports>,
}

/// The ports that are really listened on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    /// Clients'.
    pub resp: Option<u16>,
    /// Clients' who speak TLS.
    pub tls: Option<u16>,
    /// HTTP's.
    pub http: Option<u16>,
}

impl Node {
    /// All connections, that to the master too, oldest first.
    pub(crate) fn everyone(&self, now: Instant) -> Vec<Arc<Client>> {
        let mut all = self.clients.list();
        all.extend(self.link_client(now));
        all.sort_by_key(|client| client.id);
        all
    }

    /// The connection to the master as a client, while the stream is followed.
    pub(crate) fn link_client(&self, now: Instant) -> Option<Arc<Client>> {
        self.upstream.as_client().map(|link| self.clients.of_link(&link, now))
    }

    /// A node that begins now.
    ///
    /// # Errors
    /// [`StartError::Random`], [`StartError::Acl`], [`StartError::Tls`]
    pub(crate) fn new(
        config: Config,
        store: Store,
        upstream: UpstreamHandle,
        scripts: Scripts,
        hot_keys: Arc<HotKeys>,
        ports: Ports,
    ) -> Result<Node, StartError> {
        let databases = config.databases;
        let acl = Acl::new(&config).map_err(StartError::Acl)?;
        let tls = Tls::new(&config.tls, config.tls_port > 0).map_err(StartError::Tls)?;
        let settings = Arc::new(Settings::new(config));
        let stats = Arc::new(Stats::new());
        let hub = Arc::new(Hub::new(Arc::clone(&settings), Arc::clone(&stats)));
        store.listen(Arc::clone(&hub) as Arc<dyn Listener>);
        hub.follows(upstream.clone());
        scripts.tell(&store);
        let node = Node {
            store,
            upstream,
            databases,
            tls,
            acl,
            waiting_batch: Semaphore::new(1),
            moving: Semaphore::new(1),
            hub,
            pause: Arc::default(),
            settings,
            clients: Arc::new(Clients::default()),
            log: OfClients::default(),
            stats,
            command_log: CommandLog::default(),
            latency: Latency::default(),
            hot_keys,
            walks_expired: AtomicBool::new(true),
            scripts,
            samples: Samples::default(),
            blocking: Arc::default(),
            eviction: Eviction::default(),
            saves: SaveState::new(clock::unix_millis()),
            shutdown: Shutdown::new(),
            run_id: run_id().map_err(StartError::Random)?,
            started: clock::steady(),
            memory_at_start: memory::look().used,
            serving: OnceLock::new(),
            ports: OnceLock::from(ports),
        };
        node.renew_eviction(clock::unix_millis());
        Ok(node)
    }

    /// What a reading handler is given.
    pub(crate) fn read_context<'a>(
        &self,
        source: Source<'a>,
        session: &Session,
        now: UnixMillis,
        dialect: Dialect,
        lookups: &'a Lookups,
    ) -> ReadContext<'a> {
        let mut context = ReadContext::new(source, session.db(), now, dialect);
        context.db = context.db.counted(lookups);
        context.in_script = session.in_script;
        if session.client().no_touch.load(Relaxed) {
            context.db = context.db.untouching();
        }
        context
    }

    /// To note what the token's holder looks up for a request.
    pub(crate) fn lookups(&self) -> Lookups {
        Lookups::new(self.hub.wants().contains(Wanted::MISS), self.upstream.is_writable())
    }

    /// What we do as, where servers differ, and what DUMP writes.
    pub(crate) fn dialect(&self) -> Dialect {
        self.upstream.dialect().dumping(self.settings.rdb_target())
    }

    /// Puts the error of a request in the place of its answer, if it has one, and counts it. Says whether it failed.
    pub(crate) fn settle(
        &self,
        mark: Mark,
        answered: Answered,
        words: &[&[u8]],
        reply: &mut Reply,
    ) -> (Then, bool) {
        match answered {
            Ok(then) => (then, reply.is_error_at(mark)),
            Err(error) if !error.is_error() => {
                reply.rollback(mark);
                error.answer(reply);
                (Then::Continue, false)
            }
            Err(error) => {
                let error = error.of_request(words);
                reply.rollback(mark);
                self.stats.error(error.text().as_bytes());
                error.answer(reply);
                (Then::Continue, true)
            }
        }
    }

    /// Counts a request that ran apart from others and took `nanos`, and keeps it if it cost much.
    pub(crate) fn ran_apart(
        &self,
        session: &Session,
        command: &'static Command,
        words: &[&[u8]],
        (nanos, reply_bytes): (u64, usize),
        failed: bool,
    ) {
        let block = self.stats.local();
        let range = self.settings.tracks_latency().then(|| Range::of(nanos));
        block.ran(command, 1, u64::from(failed), nanos, range);
        block.processed(1);
        session.client().traffic.commands.add(1);
        self.note(Some(session.client()), command, words, Cost { nanos: Some(nanos), reply_bytes });
    }

    /// Keeps a request of this client (or of a script) that cost so much, if that is much.
    pub(crate) fn note(
        &self,
        client: Option<&Client>,
        command: &'static Command,
        words: &[&[u8]],
        cost: Cost,
    ) {
        let notable = self.settings.notable();
        if let Some(nanos) = cost.nanos {
            self.note_spike(command, nanos);
        }
        if command.flags.contains(Flags::SKIP_SLOWLOG) {
            return;
        }
        let over = |bytes: usize, bound: &AtomicU64| {
            let bytes = bytes as u64;
            (bytes > bound.load(Relaxed)).then_some(bytes)
        };
        let slow = cost.nanos.filter(|nanos| *nanos >= notable.slow_nanos.load(Relaxed));
        let kept = [
            (Kind::Slow, slow.map(|nanos| nanos / 1000)),
            (Kind::LargeRequest, over(request_bytes(words), &notable.request_bytes)),
            (Kind::LargeReply, over(cost.reply_bytes, &notable.reply_bytes)),
        ];
        for (kind, took) in kept {
            let Some(took) = took else { continue };
            let (kept_max, most) = self.settings.read().command_log.bounds(kind);
            let entry = command_log::Entry {
                id: 0,
                at: clock::unix_millis().0 / 1000,
                took,
                words: kept_max.of(command, words),
                words_sent: words.len(),
                addr: client.map(|client| client.addr.clone()),
                name: client.map(|client| client.names().name.shown().to_owned()).unwrap_or_default(),
            };
            self.command_log.of(kind).add(entry, most);
            if kind == Kind::Slow {
                self.stats.local().slow(command, took);
            }
        }
    }

    /// Counts what a request cost, if that was measured, for its keys (HOTKEYS). `is_heard`: its client is sent the
    /// answer.
    #[cold]
    pub(crate) fn weigh(&self, command: &'static Command, words: &[&[u8]], cost: Cost, is_heard: bool) {
        if let Some(nanos) = cost.nanos.filter(|_| self.hot_keys.is_running()) {
            let answered = if is_heard { cost.reply_bytes } else { 0 };
            self.hot_keys.count(command, words, nanos, request_bytes(words) + answered);
        }
    }

    /// Has every request measured while keys are counted. To be called after each change of that.
    pub(crate) fn renew_measuring(&self) {
        self.settings.measures_each(|| self.hot_keys.is_running());
    }

    /// Notes that requests of this command held up others for so long, if that is long.
    #[cold]
    #[inline(never)]
    pub(crate) fn note_spike(&self, command: &'static Command, nanos: u64) {
        let event = if command.flags.contains(Flags::FAST) { Event::FastCommand } else { Event::Command };
        self.note_event(event, nanos);
    }

    /// Notes that something held up clients for so long, if that is long.
    pub(crate) fn note_event(&self, event: Event, nanos: u64) {
        if nanos >= self.settings.notable().spike_nanos.load(Relaxed) {
            self.latency.add(event, clock::unix_millis().0 / 1000, nanos / 1_000_000);
        }
    }

    /// Shows a request to those who want to see all (MONITOR): before it is run when it runs others, else afterwards.
    #[inline]
    pub(crate) fn show(&self, session: &Session, command: &Command, words: &[&[u8]], is_first: bool) {
        let seen = || monitor::is_seen(command) && monitor::is_seen_first(command) == is_first;
        if self.hub.is_monitored() && seen() {
            self.hub.show(session.db(), &session.client().addr.shown(), Some(command), words);
        }
    }

    /// Gives the link what CONFIG SET made of user, password and the like.
    pub(crate) fn renew_manners(&self) {
        let config = self.settings.read();
        let port = self.ports.get().and_then(|ports| ports.resp).unwrap_or(config.port);
        self.upstream.set_manners(manners(&config, port));
    }

    /// Follows other rules for what goes when there is no room.
    pub(crate) fn renew_eviction(&self, now: UnixMillis) {
        self.store.set_usage_rules(self.settings.read().eviction.usage(), now);
        self.eviction.renew(|| self.settings.read().eviction, self.upstream.is_writable());
    }

    /// Takes what CONFIG SET made of the TLS options, or reads the same files again.
    ///
    /// # Errors
    /// What is wrong; then the old certificates and keys stay.
    pub(crate) fn renew_tls(&self, config: &Config) -> Result<(), TlsError> {
        let sides = Sides::read(&config.tls, config.tls_port > 0)?;
        self.upstream.set_tls(sides.for_master(&config.tls));
        self.tls.renew(sides);
        Ok(())
    }

    /// Notes who is followed now, for CONFIG GET.
    pub(crate) fn note_master(&self) {
        let noted = self.settings.change(|config| {
            // Asked here, one after another: whoever notes last has seen the last change.
            config.replicaof = match self.upstream.role() {
                Role::Master => None,
                Role::Replica(master) => Some(master),
            };
            Ok::<(), std::convert::Infallible>(())
        });
        match noted {
            Ok(()) => {}
            Err(never) => match never {},
        }
    }
}

/// What a request cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// How long it took, if that was measured by itself.
    pub(crate) nanos: Option<u64>,
    /// Bytes of its answer.
    pub(crate) reply_bytes: usize,
}

/// Bytes of a request as clients send it.
pub(crate) fn request_bytes(words: &[&[u8]]) -> usize {
    // A mark, a number and the line's end.
    let header = |number: usize| number.max(1).ilog10() as usize + 4;
    header(words.len()) + words.iter().map(|word| header(word.len()) + word.len() + 2).sum::<usize>()
}

/// How we are to the master; `port` is where clients are served.
pub(crate) fn manners(config: &Config, port: u16) -> Manners {
    // Who follows by TLS is followed by TLS, as in Redis.
    let port = if config.tls.replication && config.tls_port > 0 { config.tls_port } else { port };
    Manners {
        user: config.masteruser.as_ref().map(|user| user.as_bytes().to_vec()),
        password: config.masterauth.as_ref().map(|secret: &Secret| secret.reveal().as_bytes().to_vec()),
        announce_port: config.replica_announce_port.unwrap_or(port),
        announce_ip: config.replica_announce_ip.clone(),
        timeout: config.repl_timeout,
    }
}

/// Forty hexadecimal digits by chance.
fn run_id() -> Result<String, getrandom::Error> {
    let mut bits = [0; 20];
    getrandom::fill(&mut bits)?;
    Ok(bits.iter().map(|byte| format!("{byte:02x}")).collect())
}
