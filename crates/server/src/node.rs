//! What all parts of a running node share.
//!
//! Owns nothing but the parts themselves: store, link, settings, clients, counters. Never runs anything.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use commands::{Dialect, ReadContext, Source};
use protocol::Reply;
use protocol::reply::Mark;
use storage::{Listener, Lookups, Store, UnixMillis};

use crate::acl::Acl;
use crate::answer::{Answered, Then};
use crate::clients::Clients;
use crate::config::{Config, Secret};
use crate::cron::Samples;
use crate::eviction::Eviction;
use crate::hub::Hub;
use crate::pause::Pause;
use crate::save::SaveState;
use crate::server::StartError;
use crate::session::Session;
use crate::settings::Settings;
use crate::shutdown::Shutdown;
use crate::stats::Stats;
use crate::upstream::{MasterAddress, UpstreamHandle};
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
    /// Who is connected.
    pub(crate) clients: Arc<Clients>,
    /// Who hears what without asking.
    pub(crate) hub: Arc<Hub>,
    /// Whose requests wait.
    pub(crate) pause: Arc<Pause>,
    /// What was served.
    pub(crate) stats: Arc<Stats>,
    /// Rates, and peaks.
    pub(crate) samples: Samples,
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
    /// Where it is served.
    pub(crate) ports: OnceLock<Ports>,
}

/// The ports that are really listened on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    /// Clients'.
    pub resp: Option<u16>,
    /// HTTP's.
    pub http: Option<u16>,
}

impl Node {
    /// A node that begins now.
    ///
    /// # Errors
    /// [`StartError::Random`], [`StartError::Acl`]
    pub(crate) fn new(
        config: Config,
        store: Store,
        upstream: UpstreamHandle,
        ports: Ports,
    ) -> Result<Node, StartError> {
        let databases = config.databases;
        let acl = Acl::new(&config).map_err(StartError::Acl)?;
        let settings = Arc::new(Settings::new(config));
        let stats = Arc::new(Stats::new());
        let hub = Arc::new(Hub::new(Arc::clone(&settings), Arc::clone(&stats)));
        store.listen(Arc::clone(&hub) as Arc<dyn Listener>);
        let node = Node {
            store,
            upstream,
            databases,
            acl,
            hub,
            pause: Arc::default(),
            settings,
            clients: Arc::new(Clients::default()),
            stats,
            samples: Samples::default(),
            eviction: Eviction::default(),
            saves: SaveState::new(clock::unix_millis()),
            shutdown: Shutdown::new(),
            run_id: run_id().map_err(StartError::Random)?,
            started: clock::steady(),
            memory_at_start: memory::look().used,
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
        if session.client().no_touch.load(Relaxed) {
            context.db = context.db.untouching();
        }
        context
    }

    /// What we do as, where servers differ.
    pub(crate) fn dialect(&self) -> Dialect {
        self.upstream.dialect()
    }

    /// Puts the error of a request in the place of its answer, if it has one, and counts it. Says whether it failed.
    pub(crate) fn settle(&self, mark: Mark, answered: Answered, reply: &mut Reply) -> (Then, bool) {
        match answered {
            Ok(then) => (then, reply.is_error_at(mark)),
            Err(error) => {
                reply.rollback(mark);
                self.stats.error(error.text().as_bytes());
                error.answer(reply);
                (Then::Continue, true)
            }
        }
    }

    /// Gives the link what CONFIG SET made of user and password.
    pub(crate) fn renew_credentials(&self) {
        let (user, password) = credentials(&self.settings.read());
        self.upstream.set_credentials(user, password);
    }

    /// Follows other rules for what goes when there is no room.
    pub(crate) fn renew_eviction(&self, now: UnixMillis) {
        let config = self.settings.read();
        self.store.set_usage_rules(config.eviction.usage(), now);
        self.eviction.renew(&config);
    }

    /// Notes whom REPLICAOF named, for CONFIG GET.
    pub(crate) fn note_master(&self, master: Option<MasterAddress>) {
        let noted = self.settings.change(|config| {
            config.replicaof = master;
            Ok::<(), std::convert::Infallible>(())
        });
        match noted {
            Ok(()) => {}
            Err(never) => match never {},
        }
    }
}

/// User and password for the master.
pub(crate) fn credentials(config: &Config) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let user = config.masteruser.as_ref().map(|user| user.as_bytes().to_vec());
    let password = config.masterauth.as_ref().map(|secret: &Secret| secret.reveal().as_bytes().to_vec());
    (user, password)
}

/// Forty hexadecimal digits by chance.
fn run_id() -> Result<String, getrandom::Error> {
    let mut bits = [0; 20];
    getrandom::fill(&mut bits)?;
    Ok(bits.iter().map(|byte| format!("{byte:02x}")).collect())
}
