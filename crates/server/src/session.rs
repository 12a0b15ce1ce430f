//! What a connection carries from one request to the next.
//!
//! Owns its selected database, rights, protocol and open transaction. Never touches a socket, never runs a command.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use commands::{Command, Fieldsets};
use protocol::{Args, Protocol, Reply};
use storage::{DbIndex, Reader, Store, UnixMillis};

use crate::acl::{Acl, User};
use crate::blocking::Blocked;
use crate::clients::{Client, Registered};
use crate::hub::{Hub, Sort, Subscriptions};
use crate::monitor::Monitoring;
use crate::tracking::Tracking;
use crate::transaction::{Transaction, Watched};

/// The state of one connection.
#[derive(Debug)]
pub(crate) struct Session {
    registered: Registered,
    /// Who it is, as that user was when the access list was at `acl_version`.
    user: Arc<User>,
    acl_version: u64,
    /// How far it is let in.
    trust: Trust,
    /// The database it has selected.
    db: DbIndex,
    /// What it speaks.
    protocol: Protocol,
    /// Whether it is answered (CLIENT REPLY).
    pub(crate) replies: Replies,
    /// What MULTI opened.
    pub(crate) transaction: Option<Box<Transaction>>,
    /// What WATCH watches.
    pub(crate) watched: Option<Box<Watched>>,
    /// Whether what runs for it is run by a script.
    pub(crate) in_script: bool,
    /// Whether what runs for it is part of an EXEC.
    pub(crate) in_exec: bool,
    /// What it waits for, with a request that has begun.
    pub(crate) blocked: Option<Box<Blocked>>,
    /// What it is subscribed to; none when it is nothing.
    subscriptions: Option<Box<Subscriptions>>,
    /// What is tracked for it; none when nothing is.
    pub(crate) tracking: Option<Box<Tracking>>,
    /// What few connections have: one word for the others.
    rare: Option<Box<Rare>>,
}

/// How far a connection is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// It has not said who it is, though it must.
    Stranger,
    /// It may run what its user may.
    Restricted,
    /// It may run anything, so that nothing is asked of a request.
    Whole,
}

impl Trust {
    fn of(user: &User) -> Self {
        if user.is_unrestricted() { Trust::Whole } else { Trust::Restricted }
    }
}

/// See [`Session`].
#[derive(Debug, Default)]
struct Rare {
    /// That it sees requests, if it does.
    monitoring: Option<Monitoring>,
    /// What HIMPORT PREPARE prepared.
    fieldsets: Option<Box<Fieldsets>>,
}

/// CLIENT REPLY
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replies {
    /// Every request is answered.
    On,
    /// None is.
    Off,
    /// This one (CLIENT REPLY SKIP itself) is not, nor is the next.
    SkipTwo,
    /// This one is not.
    SkipOne,
}

impl Session {
    pub(crate) fn new(registered: Registered, acl: &Acl) -> Self {
        let mut session = Session {
            registered,
            // Looked at before the user: then at the worst it is looked at again in vain.
            acl_version: acl.version(),
            user: acl.default_user(),
            trust: Trust::Stranger,
            db: DbIndex(0),
            protocol: Protocol::Resp2,
            replies: Replies::On,
            transaction: None,
            watched: None,
            in_script: false,
            in_exec: false,
            blocked: None,
            subscriptions: None,
            tracking: None,
            rare: None,
        };
        session.be_a_stranger(acl);
        session
    }

    /// The user it is.
    pub(crate) fn user(&self) -> &Arc<User> {
        &self.user
    }

    /// Whether it has said who it is, or need not.
    pub(crate) fn is_authenticated(&self) -> bool {
        self.trust != Trust::Stranger
    }

    /// AUTH
    pub(crate) fn become_user(&mut self, user: Arc<User>) {
        self.trust = Trust::of(&user);
        self.client().set_user(&user);
        self.user = user;
    }

    /// Nobody has said who it is: it is the user `default`, and is let in if that one needs no password.
    fn be_a_stranger(&mut self, acl: &Acl) {
        self.acl_version = acl.version();
        self.become_user(acl.default_user());
        if !acl.admits_strangers() {
            self.trust = Trust::Stranger;
        }
    }

    /// Looks at its user again if the access list has changed. False when its user is gone, or it has itself been
    /// ended: then it must go.
    #[inline]
    pub(crate) fn renew_user(&mut self, acl: &Acl) -> bool {
        !self.client().is_gone() && (acl.version() == self.acl_version || self.look_at_user(acl))
    }

    /// Whether [`Session::renew_user`] would find all as it was.
    #[inline]
    pub(crate) fn is_as_admitted(&self, acl: &Acl) -> bool {
        acl.version() == self.acl_version && !self.client().is_gone()
    }

    #[cold]
    fn look_at_user(&mut self, acl: &Acl) -> bool {
        let version = acl.version();
        let Some(user) = acl.renewed(&self.user) else { return false };
        self.acl_version = version;
        if self.is_authenticated() {
            self.trust = Trust::of(&user);
        }
        self.user = user;
        true
    }

    /// What others see of it.
    pub(crate) fn client(&self) -> &Arc<Client> {
        &self.registered.client
    }

    /// The database it has selected.
    pub(crate) fn db(&self) -> DbIndex {
        self.db
    }

    /// SELECT
    pub(crate) fn select(&mut self, db: DbIndex) {
        self.db = db;
        self.client().db.store(db.0, Relaxed);
    }

    /// What it speaks.
    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// HELLO: what it is answered from here on, and what it is sent.
    pub(crate) fn speak(&mut self, protocol: Protocol, reply: &mut Reply) {
        self.protocol = protocol;
        let client = self.client();
        if protocol == Protocol::Resp3 {
            // Another may have invalidations sent to it (CLIENT TRACKING REDIRECT), and then its task must wake.
            client.outbox();
        }
        match client.outbox_if_any() {
            // Nothing comes between the answers of an EXEC.
            Some(outbox) if self.in_exec => outbox.between(|| client.speak(protocol)),
            // What was sent until now is in the old protocol.
            Some(outbox) => outbox.move_and(reply, || client.speak(protocol)),
            None => client.speak(protocol),
        }
        reply.set_protocol(protocol);
    }

    /// Moves what was sent to it unasked behind what it was answered.
    #[inline]
    pub(crate) fn take_pushed(&self, reply: &mut Reply) {
        if let Some(outbox) = self.client().outbox_if_any() {
            outbox.move_to(reply);
        }
    }

    /// It sees no requests any more.
    pub(crate) fn ends_monitor(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.monitoring = None;
        }
    }

    /// MONITOR; false when it did so already.
    pub(crate) fn monitor(&mut self, hub: &Arc<Hub>) -> bool {
        let is_news = !self.is_monitor();
        if is_news {
            let monitoring = Monitoring::begin(hub, self.client());
            self.rare.get_or_insert_default().monitoring = Some(monitoring);
        }
        is_news
    }

    /// Whether it sees requests: then it is taken for a replica, which has no business with keys.
    pub(crate) fn is_monitor(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.monitoring.is_some())
    }

    /// What HIMPORT PREPARE prepared.
    #[inline]
    pub(crate) fn fieldsets(&self) -> Option<&Fieldsets> {
        self.rare.as_ref()?.fieldsets.as_deref()
    }

    /// The same, to change it.
    pub(crate) fn fieldsets_mut(&mut self) -> &mut Fieldsets {
        self.rare.get_or_insert_default().fieldsets.get_or_insert_default()
    }

    /// The same, taken away.
    pub(crate) fn take_fieldsets(&mut self) -> Option<Box<Fieldsets>> {
        self.rare.as_mut()?.fieldsets.take()
    }

    /// Puts back what was taken, or nothing, in the place of what is there.
    pub(crate) fn put_fieldsets(&mut self, fieldsets: Option<Box<Fieldsets>>) {
        if fieldsets.is_some() || self.rare.is_some() {
            self.rare.get_or_insert_default().fieldsets = fieldsets;
        }
    }

    /// SUBSCRIBE
    pub(crate) fn subscribe(&mut self, hub: &Arc<Hub>, sort: Sort, name: &[u8]) {
        let client = &self.registered.client;
        let subscriptions =
            self.subscriptions.get_or_insert_with(|| Box::new(Subscriptions::new(hub, client)));
        subscriptions.add(sort, name);
    }

    /// UNSUBSCRIBE
    pub(crate) fn unsubscribe(&mut self, sort: Sort, name: &[u8]) {
        if let Some(subscriptions) = &mut self.subscriptions {
            subscriptions.remove(sort, name);
            if subscriptions.is_empty() {
                self.subscriptions = None;
            }
        }
    }

    /// How many subscriptions of a sort it has.
    pub(crate) fn subscription_count(&self, sort: Sort) -> usize {
        self.subscriptions.as_ref().map_or(0, |subscriptions| subscriptions.len(sort))
    }

    /// Its subscriptions of a sort.
    pub(crate) fn subscriptions(&self, sort: Sort) -> Vec<Box<[u8]>> {
        self.subscriptions.as_ref().map_or_else(Vec::new, |subscriptions| subscriptions.names(sort))
    }

    /// Whether it is subscribed to something in RESP2, which cannot tell messages from answers: then it may do little
    /// else.
    pub(crate) fn hears_only(&self) -> bool {
        self.subscriptions.is_some() && self.protocol == Protocol::Resp2
    }

    /// MULTI
    pub(crate) fn begin(&mut self) {
        self.transaction = Some(Box::default());
        self.client().has_queued(0, 0);
    }

    /// Queues a request.
    pub(crate) fn queue(&mut self, command: &'static Command, words: &[&[u8]]) {
        if let Some(transaction) = &mut self.transaction {
            transaction.push(command, words);
            let queued = u32::try_from(transaction.queue().len()).unwrap_or(u32::MAX);
            let bytes = u32::try_from(transaction.bytes()).unwrap_or(u32::MAX);
            self.client().has_queued(queued, bytes);
        }
    }

    /// Bytes of requests that wait for EXEC.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.transaction.as_deref().map_or(0, Transaction::bytes)
    }

    /// Whether its requests are simply run: it may run any, and nothing is open.
    pub(crate) fn is_plain(&self) -> bool {
        self.trust == Trust::Whole && self.has_nothing_open()
    }

    /// The user that it is asked of whether a request may run; none when any may.
    pub(crate) fn restricted(&self) -> Option<&User> {
        (self.trust != Trust::Whole).then_some(&*self.user)
    }

    /// Whether its reads, where its user may run them, are simply run: it has been let in, and nothing is open.
    pub(crate) fn reads_plainly(&self) -> bool {
        self.is_authenticated() && self.has_nothing_open() && self.replies == Replies::On
    }

    fn has_nothing_open(&self) -> bool {
        self.transaction.is_none()
            && !self.hears_only()
            && self.tracking.is_none()
            && self.rare.is_none()
            && !self.is_redirected()
    }

    /// Whether it may be sent to the master with what it asks for.
    #[inline]
    pub(crate) fn is_redirected(&self) -> bool {
        self.client().follows_redirects.load(Relaxed)
    }

    /// Notes the keys that a command is about to read, for a client that may keep what it gets.
    #[inline]
    pub(crate) fn remember_reads(&self, hub: &Hub, command: &Command, args: Args<'_>) {
        if let Some(tracking) = self.tracking.as_deref().filter(|tracking| tracking.notes_reads()) {
            tracking.remember(command, args, hub.tracked_keys_max());
        }
    }

    /// Notes that a request is over, of this command if it was one: what CLIENT CACHING said holds for one only, or for
    /// one transaction.
    #[inline]
    pub(crate) fn request_over(&mut self, command: Option<&Command>) {
        if let Some(tracking) = &mut self.tracking
            && self.transaction.is_none()
            && command.and_then(|command| command.container()) != Some("client")
        {
            tracking.cache(false);
        }
    }

    /// The transaction that MULTI opened, now closed.
    pub(crate) fn end_transaction(&mut self) -> Option<Box<Transaction>> {
        self.forget_queued();
        self.transaction.take()
    }

    /// The client is told of as one without a transaction: while that is run it still has one.
    pub(crate) fn forget_queued(&self) {
        if self.client().queued().is_some() {
            self.client().has_none_queued();
        }
    }

    /// WATCH of one key.
    pub(crate) fn watch(&mut self, reader: &Reader<'_>, store: &Store, key: &[u8], now: UnixMillis) {
        let db = self.db;
        if self.client().queued().is_none() {
            self.client().has_none_queued();
        }
        let watched = self.watched.get_or_insert_default();
        if let Some(mark) = watched.add(reader, store, db, key, now) {
            self.client().watches(mark);
        }
    }

    /// UNWATCH
    pub(crate) fn unwatch(&mut self) -> Option<Box<Watched>> {
        let watched = self.watched.take();
        if watched.is_some() {
            self.client().watches_nothing();
        }
        watched
    }

    /// RESET: as it was when it connected.
    pub(crate) fn reset(&mut self, acl: &Acl, reply: &mut Reply) {
        self.end_transaction();
        self.unwatch();
        self.subscriptions = None;
        self.tracking = None;
        self.rare = None;
        self.select(DbIndex(0));
        self.speak(Protocol::Resp2, reply);
        if self.replies != Replies::SkipOne {
            // (RESET's own answer may be the one to skip.)
            self.replies = Replies::On;
        }
        self.be_a_stranger(acl);
        let client = self.client();
        client.no_evict.store(false, Relaxed);
        client.no_touch.store(false, Relaxed);
        client.read_only.store(false, Relaxed);
        client.rename(|names| names.name.clear());
    }

    /// Whether what is said now is heard.
    pub(crate) fn is_heard(&self) -> bool {
        matches!(self.replies, Replies::On | Replies::SkipTwo)
    }

    /// Whether the request that was just run is answered; moves SKIP on.
    pub(crate) fn is_answered(&mut self) -> bool {
        match self.replies {
            Replies::On => true,
            Replies::Off => false,
            Replies::SkipTwo => {
                self.replies = Replies::SkipOne;
                false
            }
            Replies::SkipOne => {
                self.replies = Replies::On;
                false
            }
        }
    }
}
