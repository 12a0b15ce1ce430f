//! What those hear who listen to the data set: changes, events, and what the stream says beside its data.
//!
//! Owns what happened in one hold of the token until it is told: in the order in which it happened, with the token
//! still held, and when readers can see it. While nobody wants it nothing is noted, and a write pays for looking at a
//! number that its holder of the token has at hand. Never knows who listens.

use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bitflags::bitflags;

use crate::store::{Inner, Store};
use crate::time::DbIndex;

/// So much is kept before it is told at once; a command may remove a million keys.
const KEPT_MAX: usize = 1024;

bitflags! {
    /// What listeners want to hear.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Wanted: u32 {
        /// Events on `__keyspace@N__:key`.
        const KEYSPACE = 1;
        /// Events on `__keyevent@N__:event`.
        const KEYEVENT = 1 << 1;
        /// Events of commands of no type: DEL, EXPIRE, RENAME …
        const GENERIC = 1 << 2;
        /// Events of strings.
        const STRING = 1 << 3;
        /// Events of lists.
        const LIST = 1 << 4;
        /// Events of sets.
        const SET = 1 << 5;
        /// Events of hashes.
        const HASH = 1 << 6;
        /// Events of sorted sets.
        const SORTED_SET = 1 << 7;
        /// A deadline is past, and the key gone.
        const EXPIRED = 1 << 8;
        /// A key went because memory was short.
        const EVICTED = 1 << 9;
        /// Events of streams.
        const STREAM = 1 << 10;
        /// A key was asked for that is not there.
        const MISS = 1 << 11;
        /// Events of modules' types.
        const MODULE = 1 << 12;
        /// A key is new.
        const NEW = 1 << 13;
        /// Events of arrays.
        const ARRAY = 1 << 14;
        /// A value took another's place.
        const OVERWRITTEN = 1 << 15;
        /// The same, and it is of another type.
        const TYPE_CHANGED = 1 << 16;
        /// Events with their fields, on `__subkeyspace@N__:key`.
        const SUBKEYSPACE = 1 << 17;
        /// The same on `__subkeyevent@N__:event`.
        const SUBKEYEVENT = 1 << 18;
        /// Each field on `__subkeyspaceitem@N__:key\nfield`.
        const SUBKEYSPACEITEM = 1 << 19;
        /// All of them on `__subkeyspaceevent@N__:event|key`.
        const SUBKEYSPACEEVENT = 1 << 20;
        /// Messages of a master's stream.
        const MESSAGES = 1 << 24;
        /// Each request of a master's stream.
        const REQUESTS = 1 << 25;
    }
}

impl Wanted {
    /// Fields of events.
    pub const FIELDS: Wanted = Wanted::SUBKEYSPACE
        .union(Wanted::SUBKEYEVENT)
        .union(Wanted::SUBKEYSPACEITEM)
        .union(Wanted::SUBKEYSPACEEVENT);
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A key was edited, removed or given a deadline.
    Changed {
        /// Of which database.
        db: DbIndex,
        /// The key.
        key: Box<[u8]>,
    },
    /// Many keys may be others: a database was emptied or exchanged, or all of them.
    Replaced(Option<DbIndex>),
    /// An event.
    Event {
        /// Its class: one bit.
        class: Wanted,
        /// Its name.
        name: &'static str,
        /// Of which database.
        db: DbIndex,
        /// Which key.
        key: Box<[u8]>,
        /// Which of its fields, where somebody wants to know.
        fields: Vec<Box<[u8]>>,
    },
    /// A message of the stream.
    Message {
        /// Whether it was said in a shard channel.
        is_shard: bool,
        /// Where it was said.
        channel: Box<[u8]>,
        /// What was said.
        text: Box<[u8]>,
    },
    /// A request of the stream.
    Request {
        /// For which database.
        db: DbIndex,
        /// Its words.
        words: Vec<Box<[u8]>>,
    },
}

/// Who listens to a store.
pub trait Listener: Debug + Send + Sync {
    /// What it wants to hear. Asked whenever the token is taken: it must be quick.
    fn wants(&self) -> Wanted;

    /// Hears what happened, in order. `by` is whose request it was, if it was a client's (see
    /// [`crate::Writer::writes_for`]). Called by the token's holder: it must not wait, and not look at data.
    fn hear(&self, news: Vec<News>, by: Option<u64>);

    /// Hears that the hold of which it heard something is over. Called by the token's holder, as [`Listener::hear`] is.
    fn hold_is_over(&self);
}

/// The news of one hold.
#[derive(Debug)]
pub(crate) struct Noted {
    /// What was wanted when the token was taken.
    pub(crate) wanted: Wanted,
    pub(crate) news: RefCell<Vec<News>>,
    pub(crate) by: Cell<Option<u64>>,
    /// How many changes there were: see [`Store::changes`].
    changes: Cell<u64>,
    /// Whether some of it was told.
    was_told: Cell<bool>,
}

impl Noted {
    pub(crate) fn new(inner: &Inner) -> Noted {
        Noted {
            wanted: inner.listener.get().map_or(Wanted::empty(), |listener| listener.wants()),
            news: RefCell::default(),
            by: Cell::new(None),
            changes: Cell::new(0),
            was_told: Cell::new(false),
        }
    }
}

impl Noted {
    /// Counts changes; `less` of them were counted before, or will be.
    #[inline]
    pub(crate) fn count(&self, changes: u64, less: u64) {
        self.changes.set(self.changes.get().wrapping_add(changes).wrapping_sub(less));
    }
}

impl Inner {
    /// Counts a key that was met: see [`Store::expired_when_met`].
    pub(crate) fn expired_key(&self) {
        self.expired_when_met[0].fetch_add(1, Ordering::Relaxed);
    }
}

impl Store {
    /// How many changes there were since the store is there, as servers count them to know when to save: one for each
    /// element that was added, removed or set anew, one for a key that changed otherwise. Those of a hold of the token
    /// are in it when the hold is over. What replaces a data set, expires or is evicted is no change.
    pub fn changes(&self) -> u64 {
        self.inner.changes.load(Ordering::Relaxed)
    }

    /// How many keys, and how many fields of hashes, went because somebody met them past their deadline, or gave them
    /// one that was past; since the store is there, or since that was forgotten. Those that are looked for, and removed
    /// by [`crate::DbMut::expire`], are counted by who does that.
    pub fn expired_when_met(&self) -> [u64; 2] {
        self.inner.expired_when_met.each_ref().map(|count| count.load(Ordering::Relaxed))
    }

    /// Counts those anew.
    pub fn forget_expired_when_met(&self) {
        self.inner.expired_when_met.iter().for_each(|count| count.store(0, Ordering::Relaxed));
    }

    /// From now on this listener hears what it wants to. There is one.
    pub fn listen(&self, listener: Arc<dyn Listener>) {
        // A second one is a mistake of whoever starts the node; the first stays.
        let _is_first = self.inner.listener.set(listener);
    }

    /// Says whether every change of a key is wanted, from the next edit on: a client that then looks at a key hears
    /// when it changes.
    pub fn want_changes(&self, wanted: bool) {
        self.inner.watches.follow_all(wanted);
    }
}

impl crate::Writer<'_> {
    /// Whether one of these is wanted.
    #[inline]
    pub fn wants(&self, wanted: Wanted) -> bool {
        self.noted.wanted.intersects(wanted)
    }

    /// Counts a key that was met: see [`Store::expired_when_met`].
    pub fn expired_key(&self) {
        self.inner.expired_key();
    }

    /// The same for so many fields of a hash.
    pub fn expired_fields(&self, count: usize) {
        self.inner.expired_when_met[1].fetch_add(count as u64, Ordering::Relaxed);
    }

    /// Notes an event, if it is wanted.
    #[inline]
    pub fn event(&self, class: Wanted, name: &'static str, db: DbIndex, key: &[u8]) {
        if self.wants(class) {
            self.note(News::Event { class, name, db, key: key.into(), fields: Vec::new() });
        }
    }

    /// Notes what happened.
    #[cold]
    pub fn note(&self, news: News) {
        let mut noted = self.noted.news.borrow_mut();
        noted.push(news);
        drop(noted);
        self.tell_if_much();
    }

    /// Tells what was noted, if it is much.
    pub(crate) fn tell_if_much(&self) {
        if self.noted.news.borrow().len() >= KEPT_MAX {
            self.tell();
        }
    }

    /// How many changes there were, those of this hold included: see [`Store::changes`].
    pub fn changes(&self) -> u64 {
        self.inner.changes.load(Ordering::Relaxed).wrapping_add(self.noted.changes.get())
    }

    /// Does what is not counted as changes.
    pub fn uncounted<R>(&self, work: impl FnOnce() -> R) -> R {
        let before = self.noted.changes.get();
        let done = work();
        self.noted.changes.set(before);
        done
    }

    /// Adds the changes of this hold to those of the store.
    pub(crate) fn tell_changes(&self) {
        let changes = self.noted.changes.take();
        if changes > 0 {
            self.inner.changes.fetch_add(changes, Ordering::Relaxed);
        }
    }

    /// Says for whom the token's holder writes, until it says otherwise, and gives for whom it did until now: what was
    /// noted until now is told as that one's.
    #[inline]
    pub fn writes_for(&self, client: Option<u64>) -> Option<u64> {
        let before = self.noted.by.get();
        if client != before {
            self.tell();
            self.noted.by.set(client);
        }
        before
    }

    /// Tells what was noted. It is done when the token passes on, too.
    #[inline]
    pub fn tell(&self) {
        if !self.noted.news.borrow().is_empty() {
            self.tell_some();
        }
    }

    #[cold]
    fn tell_some(&self) {
        let news = self.noted.news.take();
        if let Some(listener) = self.inner.listener.get() {
            listener.hear(news, self.noted.by.get());
            self.noted.was_told.set(true);
        }
    }

    /// Tells what was noted, and that there will be no more in this hold.
    #[inline]
    pub(crate) fn tell_rest(&self) {
        self.tell();
        if self.noted.was_told.get()
            && let Some(listener) = self.inner.listener.get()
        {
            listener.hold_is_over();
        }
    }

    /// How much is noted: to be given to [`crate::Writer::forget`].
    pub fn noted(&self) -> usize {
        self.noted.news.borrow().len()
    }

    /// Forgets what was noted since, for it is undone.
    pub fn forget(&self, since: usize) {
        self.noted.news.borrow_mut().truncate(since);
    }
}
