//! CLIENT TRACKING: who is told which keys have changed, so that it can keep what it has read.
//!
//! Owns the table of keys that somebody may hold, and the prefixes that somebody wants to hear of. Never looks at data:
//! the store says what has changed (see [`storage::News`]).
//!
//! A key is noted *before* it is read, and told *after* its change can be seen. So whoever was answered with the old
//! value is in the table when the change is told; one that is noted in between reads the new value, and is told once
//! too often. Nobody holds an old value and is not told.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};

use commands::{Command, Flags};
use parking_lot::Mutex;
use protocol::{Args, Protocol, Reply};
use storage::Store;

use crate::clients::Client;
use crate::hub::{Hub, NAME_BYTES};
use crate::outbox::{Mark, Push};

/// The channel in which clients of RESP2 hear of changes.
const CHANNEL: &[u8] = b"__redis__:invalidate";

/// Which keys a client wants to hear of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Those that it reads.
    #[default]
    Read,
    /// Of those that it reads, the ones after CLIENT CACHING YES.
    OptIn,
    /// Of those that it reads, all but the ones after CLIENT CACHING NO.
    OptOut,
    /// All that begin with one of its prefixes.
    Broadcast,
}

/// How a client is told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mode {
    pub(crate) choice: Choice,
    /// The client that is told in its place; the connection to the master is told nothing.
    pub(crate) redirect: Option<(u64, Option<Weak<Client>>)>,
    /// It is not told of what it has changed itself.
    pub(crate) not_own: bool,
}

/// One client that is told.
#[derive(Debug)]
struct Tracked {
    client: Arc<Client>,
    mode: Mode,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Tables(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    clients: HashMap<u64, Tracked>,
    /// Who may hold each key.
    keys: BTreeMap<Box<[u8]>, BTreeSet<u64>>,
    /// How many of those there are.
    items: usize,
    prefixes: BTreeMap<Box<[u8]>, Prefix>,
    /// How many keys wait to be told to those who want to hear of prefixes.
    waiting: usize,
    /// The key that was given up last, because there were too many.
    given_up: Box<[u8]>,
}

/// What somebody wants to hear of.
#[derive(Debug, Default)]
struct Prefix {
    clients: BTreeSet<u64>,
    /// What has changed since it was told last, in the order of the keys, and who changed it last.
    changed: BTreeMap<Box<[u8]>, Option<u64>>,
}

/// How much is tracked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) clients: usize,
    pub(crate) keys: usize,
    pub(crate) items: usize,
    pub(crate) prefixes: usize,
}

/// What was said already of what is heard together.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    was_replaced: bool,
}

/// So many keys are kept before those who want to hear of prefixes are told. A script or a `DEL` may change any number.
const WAITING_MAX: usize = 64 * 1024;

impl Tables {
    /// How much is tracked.
    pub(crate) fn counts(&self) -> Counts {
        let inner = self.0.lock();
        Counts {
            clients: inner.clients.len(),
            keys: inner.keys.len(),
            items: inner.items,
            prefixes: inner.prefixes.len(),
        }
    }

    /// Notes that a client is about to read a key; gives up others when there are more than so many.
    fn remember(&self, hub: &Hub, client: u64, key: &[u8], keys_max: usize) {
        let mut inner = self.0.lock();
        let is_news = match inner.keys.get_mut(key) {
            Some(clients) => clients.insert(client),
            None => inner.keys.insert(key.into(), BTreeSet::from([client])).is_none(),
        };
        inner.items += usize::from(is_news);
        while keys_max > 0 && inner.keys.len() > keys_max {
            let after = (Bound::Excluded(&*inner.given_up), Bound::Unbounded);
            let next = inner.keys.range::<[u8], _>(after).map(|(key, _)| key).find(|next| ***next != *key);
            let next = next.or_else(|| inner.keys.keys().find(|next| ***next != *key)).cloned();
            let Some(next) = next else { return };
            inner.changed(hub, &next, None);
            inner.given_up = next;
        }
    }

    /// Notes that a key has changed; who reads keys is told at once, who wants to hear of prefixes when the hold of the
    /// token is over: one message tells of all that a transaction, or a pipeline, has changed.
    pub(crate) fn changed(&self, hub: &Hub, key: &[u8], by: Option<u64>, changes: &mut Changes) {
        let mut inner = self.0.lock();
        changes.was_replaced = false;
        inner.changed(hub, key, by);
        let mut waiting = 0;
        for (_, prefix) in inner.prefixes.iter_mut().filter(|(prefix, _)| key.starts_with(prefix)) {
            waiting += usize::from(prefix.changed.insert(key.into(), by).is_none());
        }
        inner.waiting += waiting;
        if inner.waiting >= WAITING_MAX {
            inner.tell(hub);
        }
    }

    /// Tells everybody that every key may have changed. Said once for several databases.
    pub(crate) fn replaced(&self, hub: &Hub, changes: &mut Changes) {
        if !std::mem::replace(&mut changes.was_replaced, true) {
            let mut inner = self.0.lock();
            inner.keys.clear();
            inner.items = 0;
            inner.clients.values().for_each(|tracked| tracked.tell(hub, None));
        }
    }

    /// Tells those who want to hear of prefixes.
    pub(crate) fn tell(&self, hub: &Hub) {
        self.0.lock().tell(hub);
    }
}

impl Inner {
    /// Tells those who may hold this key, and forgets them.
    fn changed(&mut self, hub: &Hub, key: &[u8], by: Option<u64>) {
        let Some(holders) = self.keys.get_mut(key) else { return };
        let before = holders.len();
        let clients = &self.clients;
        holders.retain(|id| match clients.get(id) {
            // It has read that in another mode, and hears of it by its prefixes, if at all.
            Some(tracked) if tracked.mode.choice == Choice::Broadcast => false,
            // It holds what it wrote, and must hear when another writes.
            Some(tracked) if tracked.is_own(by) => true,
            Some(tracked) => {
                tracked.tell(hub, Some(&[key]));
                false
            }
            None => false,
        });
        self.items -= before - holders.len();
        if holders.is_empty() {
            self.keys.remove(key);
        }
    }

    /// Tells of each prefix what has changed there.
    fn tell(&mut self, hub: &Hub) {
        if std::mem::take(&mut self.waiting) == 0 {
            return;
        }
        for prefix in self.prefixes.values_mut().filter(|prefix| !prefix.changed.is_empty()) {
            let changed = std::mem::take(&mut prefix.changed);
            for tracked in prefix.clients.iter().filter_map(|id| self.clients.get(id)) {
                let others = changed.iter().filter(|(_, by)| !tracked.is_own(**by));
                let keys: Vec<&[u8]> = others.map(|(key, _)| &**key).collect();
                if !keys.is_empty() {
                    tracked.tell(hub, Some(&keys));
                }
            }
        }
    }
}

impl Tracked {
    /// Whether it has made the change, and does not want to hear of that.
    fn is_own(&self, by: Option<u64>) -> bool {
        self.mode.not_own && by == Some(self.client.id)
    }

    /// Says that these keys have changed; all of them, when none are named.
    fn tell(&self, hub: &Hub, keys: Option<&[&[u8]]>) {
        let Some((id, redirect)) = &self.mode.redirect else {
            return hub.send_if(has_pushes, &self.client, &Push::new(&|reply| write(reply, keys)));
        };
        let Some(redirect) = redirect else { return };
        match redirect.upgrade().filter(|target| !target.is_gone()) {
            Some(target) => {
                let may = |target: &Client| has_pushes(target) || target.is_subscriber();
                hub.send_if(may, &target, &Push::new(&|reply| write(reply, keys)));
            }
            None => {
                self.client.outbox().mark(Mark::BROKEN_REDIRECT, true);
                let id = i64::try_from(*id).unwrap_or(i64::MAX);
                let write = |reply: &mut Reply| {
                    reply.push(2);
                    reply.bulk(b"tracking-redir-broken");
                    reply.int(id);
                };
                hub.send_if(has_pushes, &self.client, &Push::new(&write));
            }
        }
    }
}

/// Whether it speaks what has a form for what nobody asked for.
fn has_pushes(client: &Client) -> bool {
    client.speaks() == Protocol::Resp3
}

/// A message of its own in RESP3, one of a channel in RESP2.
fn write(reply: &mut Reply, keys: Option<&[&[u8]]>) {
    match reply.protocol() {
        Protocol::Resp3 => {
            reply.push(2);
            reply.bulk(b"invalidate");
        }
        Protocol::Resp2 => {
            reply.push(3);
            reply.bulk(b"message");
            reply.bulk(CHANNEL);
        }
    }
    match keys {
        Some(keys) => {
            reply.array(keys.len());
            keys.iter().for_each(|key| reply.bulk(key));
        }
        None => reply.null(),
    }
}

/// A client's own side of its tracking; when it is dropped, nothing is tracked for it any more.
#[derive(Debug)]
pub(crate) struct Tracking {
    hub: Arc<Hub>,
    store: Store,
    client: Arc<Client>,
    mode: Mode,
    prefixes: BTreeSet<Box<[u8]>>,
    /// CLIENT CACHING was said before this request.
    caching: bool,
}

impl Tracking {
    /// Begins.
    pub(crate) fn begin(hub: &Arc<Hub>, store: &Store, client: &Arc<Client>) -> Self {
        let tracking = Tracking {
            hub: Arc::clone(hub),
            store: store.clone(),
            client: Arc::clone(client),
            mode: Mode::default(),
            prefixes: BTreeSet::new(),
            caching: false,
        };
        tracking.client.outbox().mark(Mark::TRACKING, true);
        tracking
    }

    /// From now on in this mode; with more prefixes.
    pub(crate) fn change(&mut self, mode: Mode, prefixes: Vec<Box<[u8]>>) {
        let outbox = self.client.outbox();
        outbox.mark(Mark::BROKEN_REDIRECT, false);
        outbox.mark(Mark::BROADCAST, mode.choice == Choice::Broadcast);
        outbox.redirect_to(mode.redirect.as_ref().map_or(0, |(id, _)| *id));
        let mut inner = self.hub.tracking.0.lock();
        for prefix in prefixes {
            inner.prefixes.entry(prefix.clone()).or_default().clients.insert(self.client.id);
            let bytes = prefix.len() + NAME_BYTES;
            if self.prefixes.insert(prefix) {
                outbox.names_bytes.fetch_add(bytes, Relaxed);
            }
        }
        let tracked = Tracked { client: Arc::clone(&self.client), mode: mode.clone() };
        inner.clients.insert(self.client.id, tracked);
        self.mode = mode;
        self.store.want_changes(true);
    }

    /// How it is told.
    pub(crate) fn mode(&self) -> &Mode {
        &self.mode
    }

    /// Which prefixes it wants to hear of.
    pub(crate) fn prefixes(&self) -> &BTreeSet<Box<[u8]>> {
        &self.prefixes
    }

    /// Whether keys are noted when it reads them.
    pub(crate) fn notes_reads(&self) -> bool {
        self.mode.choice != Choice::Broadcast
    }

    /// Whether CLIENT CACHING was said before this request.
    pub(crate) fn is_caching(&self) -> bool {
        self.caching
    }

    /// CLIENT CACHING, or the end of the request after it.
    pub(crate) fn cache(&mut self, caching: bool) {
        self.caching = caching;
    }

    /// Notes the keys that a command is about to read.
    pub(crate) fn remember(&self, command: &Command, args: Args<'_>, keys_max: usize) {
        let wanted = match self.mode.choice {
            Choice::Read => true,
            Choice::OptIn => self.caching,
            Choice::OptOut => !self.caching,
            Choice::Broadcast => false,
        };
        if wanted && command.flags.contains(Flags::READONLY) {
            // What cannot be told from its arguments is refused by its handler.
            let _told = command.visit_keys(&args, |found| {
                self.hub.tracking.remember(&self.hub, self.client.id, args.get(found.index), keys_max);
            });
        }
    }
}

impl Drop for Tracking {
    fn drop(&mut self) {
        let outbox = self.client.outbox();
        outbox.mark(Mark::TRACKING | Mark::BROADCAST | Mark::BROKEN_REDIRECT, false);
        let mut inner = self.hub.tracking.0.lock();
        inner.clients.remove(&self.client.id);
        for prefix in &self.prefixes {
            outbox.names_bytes.fetch_sub(prefix.len() + NAME_BYTES, Relaxed);
            if let Some(left) = inner.prefixes.get_mut(prefix) {
                left.clients.remove(&self.client.id);
                if left.clients.is_empty() {
                    let changed = left.changed.len();
                    inner.prefixes.remove(prefix);
                    inner.waiting -= changed;
                }
            }
        }
        // Its keys stay in the table until they change; with nobody left there is no table.
        if inner.clients.is_empty() {
            *inner = Inner::default();
            self.store.want_changes(false);
        }
    }
}
