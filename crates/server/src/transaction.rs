//! What a connection has queued since MULTI, and what it watches.
//!
//! Owns both lists. Never runs a command: see [`crate::answer`].

use commands::{Command, Flags};

use storage::{DbIndex, Reader, Store, Touched, UnixMillis, Watch};

use crate::owned::OwnedRequest;

/// What MULTI opened.
#[derive(Debug)]
pub(crate) struct Transaction {
    queue: Vec<(&'static Command, OwnedRequest)>,
    bytes: usize,
    /// A request was refused since: EXEC will do nothing.
    broken: bool,
    /// Flags that some queued command has.
    any: Flags,
    /// Flags that some queued command lacks.
    lacked: Flags,
}

impl Default for Transaction {
    fn default() -> Self {
        Transaction {
            queue: Vec::new(),
            bytes: 0,
            broken: false,
            any: Flags::empty(),
            lacked: Flags::empty(),
        }
    }
}

impl Transaction {
    /// Queues a request.
    pub(crate) fn push(&mut self, command: &'static Command, words: &[&[u8]]) {
        // What cannot run any more need not be kept.
        if !self.broken {
            let request = OwnedRequest::copy(words);
            self.bytes += request.bytes();
            self.queue.push((command, request));
            self.any |= command.flags;
            self.lacked |= !command.flags;
        }
    }

    /// What the queued requests take, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Notes that a request was refused.
    pub(crate) fn spoil(&mut self) {
        self.broken = true;
        self.queue.clear();
        self.bytes = 0;
    }

    /// Whether a request was refused.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// What was queued, in order.
    pub(crate) fn queue(&self) -> &[(&'static Command, OwnedRequest)] {
        &self.queue
    }

    /// Whether some queued command has this flag.
    pub(crate) fn has(&self, flag: Flags) -> bool {
        self.any.contains(flag)
    }

    /// Whether every queued command has this flag.
    pub(crate) fn all_have(&self, flag: Flags) -> bool {
        !self.lacked.intersects(flag)
    }
}

/// What WATCH watches.
#[derive(Debug, Default)]
pub(crate) struct Watched(Vec<Watch>);

impl Watched {
    /// Watches one more key, unless it is watched already; then what tells others of it.
    pub(crate) fn add(
        &mut self,
        reader: &Reader<'_>,
        store: &Store,
        db: DbIndex,
        key: &[u8],
        now: UnixMillis,
    ) -> Option<Touched> {
        if self.0.iter().any(|watch| watch.key() == (db, key)) {
            return None;
        }
        let watch = reader.watch(store, db, key, now);
        let mark = watch.mark();
        self.0.push(watch);
        Some(mark)
    }

    /// Whether something has happened to one of them since, as of `now`.
    pub(crate) fn is_touched(&self, reader: &Reader<'_>, now: UnixMillis) -> bool {
        self.0.iter().any(|watch| watch.is_touched(reader, now))
    }
}
