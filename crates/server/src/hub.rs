//! Who hears what without asking: the subscribers of channels, and the way of a message to them.
//!
//! Owns the tables of subscribers and the bounds on what waits for one that does not read. Everything here is memory
//! work: a message is put into the outbox of each who hears it, and their tasks send it. Never touches a socket.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{
    AtomicBool, AtomicU32, AtomicUsize, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use commands::Command;
use parking_lot::Mutex;
use protocol::Reply;
use storage::{DbIndex, Listener, Lookups, Missed, News, Wanted, glob};

use crate::clients::Client;
use crate::clock;
use crate::config::OutputLimit;
use crate::keyspace_events;
use crate::monitor;
use crate::outbox::Push;
use crate::seldom::Seldom;
use crate::settings::Settings;
use crate::stats::{Stats, add};
use crate::tracking::{Changes, Tables};
use crate::upstream::{Role, UpstreamHandle};

/// See the module.
#[derive(Debug)]
pub(crate) struct Hub {
    channels: Mutex<[Table; 3]>,
    /// How many names there are in each table.
    names: [AtomicUsize; 3],
    /// What of a hold's news somebody may hear: bits of [`Wanted`].
    wanted: AtomicU32,
    /// Who sees requests.
    monitors: Mutex<BTreeMap<u64, Arc<Client>>>,
    monitored: AtomicBool,
    /// Whose stream it is that is applied.
    upstream: OnceLock<UpstreamHandle>,
    /// Who is told of changed keys.
    pub(crate) tracking: Tables,
    /// Clients for whom too much waits, to be looked at again.
    slow: Mutex<Vec<Weak<Client>>>,
    /// How seldom it is logged that one of them was let go.
    log: Seldom,
    settings: Arc<Settings>,
    stats: Arc<Stats>,
}

/// The subscribers of each name.
type Table = HashMap<Box<[u8]>, BTreeMap<u64, Arc<Client>>>;

/// What one can be subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// SUBSCRIBE
    Channel = 0,
    /// PSUBSCRIBE
    Pattern = 1,
    /// SSUBSCRIBE
    Shard = 2,
}

impl Sort {
    /// In the order of their numbers.
    pub(crate) const ALL: [Sort; 3] = [Sort::Channel, Sort::Pattern, Sort::Shard];
}

impl Hub {
    pub(crate) fn new(settings: Arc<Settings>, stats: Arc<Stats>) -> Self {
        Hub {
            channels: Mutex::default(),
            names: Default::default(),
            wanted: AtomicU32::new(0),
            monitors: Mutex::default(),
            monitored: AtomicBool::new(false),
            upstream: OnceLock::new(),
            tracking: Tables::default(),
            slow: Mutex::default(),
            log: Seldom::default(),
            settings,
            stats,
        }
    }

    /// From now on this client, which is not subscribed to it, hears what is said there.
    pub(crate) fn subscribe(&self, client: &Arc<Client>, sort: Sort, name: &[u8]) {
        let mut channels = self.channels.lock();
        let Some(table) = channels.get_mut(sort as usize) else { return };
        table.entry(name.into()).or_default().insert(client.id, Arc::clone(client));
        self.count(sort, table);
    }

    /// From now on it hears it no more.
    pub(crate) fn unsubscribe(&self, client: &Client, sort: Sort, name: &[u8]) {
        let mut channels = self.channels.lock();
        let Some(table) = channels.get_mut(sort as usize) else { return };
        if let Some(subscribers) = table.get_mut(name) {
            subscribers.remove(&client.id);
            if subscribers.is_empty() {
                table.remove(name);
            }
        }
        self.count(sort, table);
    }

    fn count(&self, sort: Sort, table: &Table) {
        let Some(names) = self.names.get(sort as usize) else { return };
        names.store(table.len(), Release);
        self.refresh();
    }

    /// Finds out anew what somebody may hear.
    pub(crate) fn refresh_wanted(&self) {
        let _channels = self.channels.lock();
        self.refresh();
    }

    /// The same, under the lock of the channels.
    fn refresh(&self) {
        let mut wanted = Wanted::empty();
        if self.is_heard() {
            wanted |= self.settings.read().notify_keyspace_events;
        }
        if self.is_heard() || self.names(Sort::Shard) > 0 {
            wanted |= Wanted::MESSAGES;
        }
        if self.is_monitored() {
            wanted |= Wanted::REQUESTS;
        }
        self.wanted.store(wanted.bits(), Release);
    }

    /// How many channels, patterns or shard channels have subscribers.
    pub(crate) fn names(&self, sort: Sort) -> usize {
        self.names.get(sort as usize).map_or(0, |names| names.load(Acquire))
    }

    /// Whether a message could be heard at all.
    pub(crate) fn is_heard(&self) -> bool {
        self.names(Sort::Channel) > 0 || self.names(Sort::Pattern) > 0
    }

    /// The names that have subscribers and fit `pattern`, if there is one.
    pub(crate) fn active(&self, sort: Sort, pattern: Option<&[u8]>) -> Vec<Box<[u8]>> {
        let channels = self.channels.lock();
        let names = channels.get(sort as usize).into_iter().flat_map(HashMap::keys);
        names.filter(|name| pattern.is_none_or(|pattern| glob::matches(pattern, name))).cloned().collect()
    }

    /// How many subscribers a name has.
    pub(crate) fn subscribers(&self, sort: Sort, name: &[u8]) -> usize {
        let channels = self.channels.lock();
        channels.get(sort as usize).and_then(|table| table.get(name)).map_or(0, BTreeMap::len)
    }

    /// The clients that have a subscription of which this is true.
    pub(crate) fn clients_with(&self, is_it: impl Fn(&Client, Sort, &[u8]) -> bool) -> Vec<Arc<Client>> {
        let mut found = BTreeMap::new();
        let channels = self.channels.lock();
        for (sort, table) in Sort::ALL.iter().zip(channels.iter()) {
            for (name, subscribers) in table {
                let fitting = subscribers.values().filter(|client| is_it(client, *sort, name));
                found.extend(fitting.map(|client| (client.id, Arc::clone(client))));
            }
        }
        found.into_values().collect()
    }

    /// PUBLISH: says how many have heard it.
    pub(crate) fn publish(&self, channel: &[u8], message: &[u8]) -> usize {
        if !self.is_heard() {
            return 0;
        }
        let limit = self.settings.pushed_limit();
        let mut heard = 0;
        // All under the lock: whoever hears two messages hears them in the order that everybody else does.
        let channels = self.channels.lock();
        let [to_channels, to_patterns, _] = &*channels;
        if let Some(subscribers) = to_channels.get(channel) {
            let write = |reply: &mut Reply| {
                reply.push(3);
                reply.bulk(b"message");
                reply.bulk(channel);
                reply.bulk(message);
            };
            let push = &Push::new(&write);
            subscribers.values().for_each(|client| self.send_within(limit, client, push));
            heard += subscribers.len();
        }
        for (pattern, subscribers) in to_patterns {
            if !glob::matches(pattern, channel) {
                continue;
            }
            let write = |reply: &mut Reply| {
                reply.push(4);
                reply.bulk(b"pmessage");
                reply.bulk(pattern);
                reply.bulk(channel);
                reply.bulk(message);
            };
            let push = &Push::new(&write);
            subscribers.values().for_each(|client| self.send_within(limit, client, push));
            heard += subscribers.len();
        }
        heard
    }

    /// SPUBLISH: says how many have heard it.
    pub(crate) fn publish_to_shard(&self, channel: &[u8], message: &[u8]) -> usize {
        if self.names(Sort::Shard) == 0 {
            return 0;
        }
        let limit = self.settings.pushed_limit();
        let channels = self.channels.lock();
        let [.., to_shards] = &*channels;
        let Some(subscribers) = to_shards.get(channel) else { return 0 };
        let write = |reply: &mut Reply| {
            reply.push(3);
            reply.bulk(b"smessage");
            reply.bulk(channel);
            reply.bulk(message);
        };
        let push = &Push::new(&write);
        subscribers.values().for_each(|client| self.send_within(limit, client, push));
        subscribers.len()
    }

    /// Begins to show requests to a client, or ends it.
    pub(crate) fn monitor(&self, client: &Arc<Client>, begins: bool) {
        let mut monitors = self.monitors.lock();
        if begins {
            monitors.insert(client.id, Arc::clone(client));
        } else {
            monitors.remove(&client.id);
        }
        self.monitored.store(!monitors.is_empty(), Release);
        drop(monitors);
        self.refresh_wanted();
    }

    /// Whether somebody sees requests.
    #[inline]
    pub(crate) fn is_monitored(&self) -> bool {
        self.monitored.load(Acquire)
    }

    /// Says whose stream is applied.
    pub(crate) fn follows(&self, upstream: UpstreamHandle) {
        // It is said once, when the node is made.
        let _is_first = self.upstream.set(upstream);
    }

    /// Shows a request to those who want to see all.
    #[cold]
    pub(crate) fn show(&self, db: DbIndex, by: &str, command: Option<&Command>, words: &[&[u8]]) {
        let line = monitor::line(clock::unix_micros(), db.0, by, command, words);
        let write = |reply: &mut Reply| reply.simple(&line);
        let push = Push::new(&write);
        let limit = self.settings.pushed_limit();
        self.monitors.lock().values().for_each(|client| self.send_within(limit, client, &push));
    }

    /// Shows a request of the master's stream.
    fn show_streamed(&self, db: DbIndex, words: &[Box<[u8]>]) {
        let words: Vec<&[u8]> = words.iter().map(|word| &**word).collect();
        let command = words.first().and_then(|name| commands::find(name));
        if command.is_some_and(monitor::is_seen) {
            let role = self.upstream.get().map(UpstreamHandle::role);
            let by = match role {
                Some(Role::Replica(master)) => format!("{}:{}", master.host, master.port),
                Some(Role::Master) | None => String::from("master"),
            };
            self.show(db, &by, command, &words);
        }
    }

    /// Sends something to one client, if `may` says so of it in the moment when that is sent.
    pub(crate) fn send_if(&self, may: impl FnOnce(&Client) -> bool, client: &Arc<Client>, push: &Push<'_>) {
        let protocol = || may(client).then(|| client.speaks());
        let waiting = client.outbox().add(push, protocol);
        self.look_at(self.settings.pushed_limit(), client, waiting);
    }

    /// How many keys may be tracked.
    pub(crate) fn tracked_keys_max(&self) -> usize {
        self.settings.tracked_keys_max()
    }

    /// Tells which keys this command looked up in vain.
    #[inline]
    pub(crate) fn tell_misses(&self, lookups: &Lookups, command: &Command) {
        let missed = lookups.take();
        if !missed.is_empty() {
            self.tell_missed(missed, command);
        }
    }

    /// Tells which of these this command asked for.
    #[cold]
    pub(crate) fn tell_missed(&self, missed: impl IntoIterator<Item = Missed>, command: &Command) {
        // It looks without being seen.
        if command.container() == Some("object") {
            return;
        }
        let event = |Missed { db, key, .. }| News::Event {
            class: Wanted::MISS,
            name: "keymiss",
            db,
            key,
            fields: Vec::new(),
        };
        let asked = missed.into_iter().filter(|missed| missed.is_asked);
        self.hear(asked.map(event).collect(), None);
    }

    /// Puts it into the client's outbox; lets the client go when too much waits there.
    fn send_within(&self, limit: OutputLimit, client: &Arc<Client>, push: &Push<'_>) {
        let waiting = client.outbox().add(push, || Some(client.speaks()));
        self.look_at(limit, client, waiting);
    }

    /// Looks whether too much waits for it, of which so much are messages, if one was added.
    fn look_at(&self, limit: OutputLimit, client: &Arc<Client>, waiting: Option<usize>) {
        let Some(waiting) = waiting else { return };
        let bytes = (waiting + client.output_bytes.load(Relaxed)) as u64;
        if limit.is_over(bytes) {
            self.let_go(client, bytes);
        } else if limit.patience(bytes).is_some() && client.outbox().is_slow_from(clock::steady()) {
            self.slow.lock().push(Arc::downgrade(client));
        }
    }

    /// Lets those go for whom too much has waited for too long.
    pub(crate) fn look_at_slow(&self, now: Instant) {
        let limit = self.settings.pushed_limit();
        self.slow.lock().retain(|client| {
            let Some(client) = client.upgrade() else { return false };
            let Some((since, waiting)) = client.outbox().slow_since() else { return false };
            let bytes = (waiting + client.output_bytes.load(Relaxed)) as u64;
            match limit.patience(bytes) {
                Some(patience) if now.saturating_duration_since(since) >= patience => {
                    self.let_go(&client, bytes);
                    false
                }
                _ => true,
            }
        });
    }

    fn let_go(&self, client: &Client, bytes: u64) {
        if client.outbox().close() {
            if let Some(left_out) = self.log.turn(clock::steady()) {
                tracing::warn!(client = %client.addr, bytes, left_out, "a client does not read what it is sent; it is let go");
            }
            add(&self.stats.local().output_limit_disconnections, 1);
            client.end();
        }
    }
}

impl Listener for Hub {
    fn wants(&self) -> Wanted {
        Wanted::from_bits_truncate(self.wanted.load(Acquire))
    }

    fn hear(&self, news: Vec<News>, by: Option<u64>) {
        let wanted = self.wants();
        let mut changes = Changes::default();
        for news in news {
            match news {
                News::Message { is_shard: false, channel, text } => {
                    self.publish(&channel, &text);
                }
                News::Message { is_shard: true, channel, text } => {
                    self.publish_to_shard(&channel, &text);
                }
                News::Event { class, name, db, key, fields } if wanted.contains(class) => {
                    keyspace_events::publish(wanted, name, db, &key, &fields, |channel, text| {
                        self.publish(channel, text);
                    });
                }
                News::Changed { key, .. } => self.tracking.changed(self, &key, by, &mut changes),
                News::Replaced(_) => self.tracking.replaced(self, &mut changes),
                News::Request { db, words } => self.show_streamed(db, &words),
                News::Event { .. } => {}
            }
        }
    }

    fn hold_is_over(&self) {
        self.tracking.tell(self);
    }
}

/// About what a name takes beside its own bytes, where it is kept twice.
pub(crate) const NAME_BYTES: usize = 128;

/// What one client is subscribed to; when it is dropped, it is subscribed to nothing.
#[derive(Debug)]
pub(crate) struct Subscriptions {
    hub: Arc<Hub>,
    client: Arc<Client>,
    names: [BTreeSet<Box<[u8]>>; 3],
}

impl Subscriptions {
    pub(crate) fn new(hub: &Arc<Hub>, client: &Arc<Client>) -> Self {
        Subscriptions { hub: Arc::clone(hub), client: Arc::clone(client), names: Default::default() }
    }

    /// Subscribes to one more, unless it is subscribed to already.
    pub(crate) fn add(&mut self, sort: Sort, name: &[u8]) {
        let Some(names) = self.names.get_mut(sort as usize) else { return };
        if names.insert(name.into()) {
            self.client.outbox().names_bytes.fetch_add(name.len() + NAME_BYTES, Relaxed);
            self.count(sort);
            self.hub.subscribe(&self.client, sort, name);
        }
    }

    /// Ends one subscription, if there is such a one.
    pub(crate) fn remove(&mut self, sort: Sort, name: &[u8]) {
        let Some(names) = self.names.get_mut(sort as usize) else { return };
        if names.remove(name) {
            self.client.outbox().names_bytes.fetch_sub(name.len() + NAME_BYTES, Relaxed);
            self.hub.unsubscribe(&self.client, sort, name);
            self.count(sort);
        }
    }

    /// Tells others how many there are.
    fn count(&self, sort: Sort) {
        self.client.outbox().subscribe(sort as usize, self.len(sort));
    }

    /// How many there are of one sort.
    pub(crate) fn len(&self, sort: Sort) -> usize {
        self.names.get(sort as usize).map_or(0, BTreeSet::len)
    }

    /// Those of one sort.
    pub(crate) fn names(&self, sort: Sort) -> Vec<Box<[u8]>> {
        self.names.get(sort as usize).into_iter().flatten().cloned().collect()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.names.iter().all(BTreeSet::is_empty)
    }
}

impl Drop for Subscriptions {
    fn drop(&mut self) {
        for sort in Sort::ALL {
            for name in self.names(sort) {
                self.remove(sort, &name);
            }
        }
    }
}
