//! What a connection carries from one request to the next.
//!
//! Owns its selected database, rights, protocol and open transaction. Never touches a socket, never runs a command.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use commands::Command;
use protocol::Protocol;
use storage::{DbIndex, Reader, Store, UnixMillis};

use crate::clients::{Client, Registered};
use crate::transaction::{Transaction, Watched};

/// The state of one connection.
#[derive(Debug)]
pub(crate) struct Session {
    registered: Registered,
    /// Whether it may run commands.
    pub(crate) authenticated: bool,
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
    pub(crate) fn new(registered: Registered, authenticated: bool) -> Self {
        Session {
            registered,
            authenticated,
            db: DbIndex(0),
            protocol: Protocol::Resp2,
            replies: Replies::On,
            transaction: None,
            watched: None,
        }
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

    /// HELLO
    pub(crate) fn speak(&mut self, protocol: Protocol) {
        self.protocol = protocol;
        let number = match protocol {
            Protocol::Resp2 => 2,
            Protocol::Resp3 => 3,
        };
        self.client().protocol.store(number, Relaxed);
    }

    /// MULTI
    pub(crate) fn begin(&mut self) {
        self.transaction = Some(Box::default());
        self.client().queued.store(1, Relaxed);
    }

    /// Queues a request.
    pub(crate) fn queue(&mut self, command: &'static Command, words: &[&[u8]]) {
        if let Some(transaction) = &mut self.transaction {
            transaction.push(command, words);
            let queued = u32::try_from(transaction.queue().len()).unwrap_or(u32::MAX - 1);
            self.client().queued.store(queued + 1, Relaxed);
        }
    }

    /// Bytes of requests that wait for EXEC.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.transaction.as_deref().map_or(0, Transaction::bytes)
    }

    /// Whether its requests are simply run: it may, and nothing is open.
    pub(crate) fn is_plain(&self) -> bool {
        self.authenticated && self.transaction.is_none()
    }

    /// The transaction that MULTI opened, now closed.
    pub(crate) fn end_transaction(&mut self) -> Option<Box<Transaction>> {
        self.client().queued.store(0, Relaxed);
        self.transaction.take()
    }

    /// WATCH of one key.
    pub(crate) fn watch(&mut self, reader: &Reader<'_>, store: &Store, key: &[u8], now: UnixMillis) {
        let db = self.db;
        let watched = self.watched.get_or_insert_default();
        watched.add(reader, store, db, key, now);
        let count = u32::try_from(watched.len()).unwrap_or(u32::MAX);
        self.client().watched.store(count, Relaxed);
    }

    /// UNWATCH
    pub(crate) fn unwatch(&mut self) -> Option<Box<Watched>> {
        self.client().watched.store(0, Relaxed);
        self.watched.take()
    }

    /// RESET: as it was when it connected.
    pub(crate) fn reset(&mut self, authenticated: bool) {
        self.end_transaction();
        self.unwatch();
        self.select(DbIndex(0));
        self.speak(Protocol::Resp2);
        self.replies = Replies::On;
        self.authenticated = authenticated;
        let client = self.client();
        client.no_evict.store(false, Relaxed);
        client.no_touch.store(false, Relaxed);
        client.rename(|names| names.name.clear());
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
