//! The access list: who may come in, and what each may do.
//!
//! Owns the users, and the number that moves when one of them changes. Never ends a connection: a session that looks
//! at its user again finds that it is gone, and ends.
//!
//! # What it costs
//! A session holds the user as it was when the number last moved, and whether that user may do everything. For one who
//! may, nothing is asked of any request; the number is looked at once a batch.

mod allowed;
mod check;
mod file;
mod log;
mod rule;
mod selector;
mod user;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use commands::Dialect;
use parking_lot::RwLock;

use crate::config::Config;

pub(crate) use check::{Denial, check, check_sort, may_read};
pub(crate) use file::FileError;
pub(crate) use log::{Entry, Log, Place, Reason, Refusal};
pub(crate) use rule::{RuleError, join_selectors};
pub use selector::ChannelsAtFirst;
pub(crate) use selector::Selector;
pub(crate) use user::{DEFAULT, User};

type Users = BTreeMap<Box<[u8]>, Arc<User>>;

/// The users of a file.
#[derive(Debug)]
pub(crate) struct Loaded(BTreeMap<Box<[u8]>, User>);

/// See the module.
#[derive(Debug)]
pub(crate) struct Acl {
    /// Moves with each change of a user.
    version: AtomicU64,
    users: RwLock<Users>,
    last_number: AtomicU64,
    /// Where they are loaded from and saved to.
    file: Option<PathBuf>,
    /// What was refused.
    pub(crate) log: Log,
    /// How many databases there are.
    databases: u32,
}

/// Why ACL SETUSER changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SetError<'a> {
    /// Such a name cannot be written in a file.
    Name,
    /// A selector's bracket is not closed.
    Unclosed(&'a [u8]),
    /// A rule is wrong.
    Rule(Vec<u8>, RuleError),
}

impl Acl {
    /// The users that a node begins with: those of its file, or of its options, and `default`.
    ///
    /// # Errors
    /// What is wrong with a user or with the file.
    pub(crate) fn new(config: &Config) -> Result<Acl, String> {
        let everybody = User::everybody(0).among(config.databases);
        let password = config.requirepass.as_ref().map(|password| password.reveal().as_bytes());
        let default = if password.is_some() { everybody.with_only_password(password) } else { everybody };
        let acl = Acl {
            version: AtomicU64::new(1),
            users: RwLock::new(BTreeMap::from([(DEFAULT.into(), Arc::new(default))])),
            last_number: AtomicU64::new(0),
            file: config.aclfile.as_ref().map(|file| config.dir.join(file)),
            log: Log::default(),
            databases: config.databases,
        };
        if acl.file.is_some() {
            if !config.users.is_empty() {
                return Err(String::from(
                    "users are given both as options and by a file of users: choose one",
                ));
            }
            let loaded = acl.read_file(config.acl_pubsub_default).map_err(|error| error.to_string())?;
            loaded.into_iter().for_each(|loaded| acl.take(loaded));
        }
        for line in &config.users {
            acl.declare(line, config.acl_pubsub_default)?;
        }
        Ok(acl)
    }

    /// A user as an option gives it: a name and rules.
    fn declare(&self, line: &str, channels: ChannelsAtFirst) -> Result<(), String> {
        let mut words = line.split_ascii_whitespace().map(str::as_bytes);
        let name = words.next().unwrap_or_default();
        // What the file of users or the options say of `default` is all that it may do.
        let rules: Vec<&[u8]> = (name == DEFAULT).then_some(&b"reset"[..]).into_iter().chain(words).collect();
        if name.is_empty() {
            return Err(String::from("a user needs a name"));
        }
        if name != DEFAULT && self.users.read().contains_key(name) {
            return Err(format!("user '{}' is given twice", name.escape_ascii()));
        }
        self.set(name, &rules, channels).map_err(|error| {
            let why = match error {
                SetError::Name => String::from("its name cannot be written in a file"),
                SetError::Unclosed(word) => {
                    format!("the bracket is not closed that begins with '{}'", word.escape_ascii())
                }
                SetError::Rule(rule, why) => format!("'{}': {why}", rule.escape_ascii()),
            };
            format!("user '{}': {why}", name.escape_ascii())
        })
    }

    /// Moves with each change.
    #[inline]
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The user of this name.
    pub(crate) fn find(&self, name: &[u8]) -> Option<Arc<User>> {
        self.users.read().get(name).cloned()
    }

    /// The same user as it is now; `None` when it is gone, even if another has its name.
    pub(crate) fn renewed(&self, user: &User) -> Option<Arc<User>> {
        self.find(&user.name).filter(|found| found.number == user.number)
    }

    /// The user that every connection begins as.
    pub(crate) fn default_user(&self) -> Arc<User> {
        self.find(DEFAULT).expect("the user default can be changed, but never removed")
    }

    /// All users, by their names.
    pub(crate) fn all(&self) -> Vec<Arc<User>> {
        self.users.read().values().cloned().collect()
    }

    /// The user who has this name and password, if it may come in.
    pub(crate) fn authenticate(&self, name: &[u8], password: &[u8]) -> Option<Arc<User>> {
        self.find(name).filter(|user| user.admits(password))
    }

    /// Whether a connection may begin without saying who it is.
    pub(crate) fn admits_strangers(&self) -> bool {
        self.default_user().admits_strangers()
    }

    /// Whether any password will do for `default`.
    pub(crate) fn is_open(&self) -> bool {
        self.default_user().is_open()
    }

    /// ACL SETUSER: makes the user, or changes it.
    ///
    /// # Errors
    /// What is wrong; then nothing has changed.
    pub(crate) fn set<'a>(
        &self,
        name: &[u8],
        words: &[&'a [u8]],
        channels: ChannelsAtFirst,
    ) -> Result<(), SetError<'a>> {
        if !is_name(name) {
            return Err(SetError::Name);
        }
        let rules = join_selectors(words).map_err(|unclosed| SetError::Unclosed(unclosed.0))?;
        let mut users = self.users.write();
        let before = match users.get(name) {
            Some(user) => Cow::Borrowed(&**user),
            None => Cow::Owned(User::new(self.next_number(), name, channels).among(self.databases)),
        };
        let after =
            before.following(&rules, channels).map_err(|(rule, why)| SetError::Rule(rule.to_vec(), why))?;
        users.insert(name.into(), Arc::new(after));
        self.moved();
        Ok(())
    }

    /// ACL DELUSER: says how many of these there were. The caller has looked that none is `default`.
    pub(crate) fn remove(&self, names: &[&[u8]]) -> usize {
        let mut users = self.users.write();
        let removed = names.iter().filter(|name| **name != DEFAULT && users.remove(**name).is_some()).count();
        self.moved();
        removed
    }

    /// `requirepass`
    pub(crate) fn set_default_password(&self, password: Option<&[u8]>) {
        let mut users = self.users.write();
        if let Some(user) = users.get_mut(DEFAULT) {
            *user = Arc::new(user.with_only_password(password));
        }
        self.moved();
    }

    /// Whether there is a file of users.
    pub(crate) fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// The users of the file, if there is one: ACL LOAD, before anybody has to wait for it.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(crate) fn read_file(&self, channels: ChannelsAtFirst) -> Result<Option<Loaded>, FileError> {
        let Some(path) = &self.file else { return Ok(None) };
        let text = std::fs::read(path)
            .map_err(|error| FileError::Open { path: path.clone(), why: file::reason(&error) })?;
        let new = |name: &[u8]| User::new(self.next_number(), name, channels).among(self.databases);
        let mut loaded = file::parse(path, &text, new, channels)?;
        loaded.entry(DEFAULT.into()).or_insert_with(|| User::everybody(0).among(self.databases));
        Ok(Some(Loaded(loaded)))
    }

    /// Has them take the place of those that there are. Who stays keeps its connections.
    pub(crate) fn take(&self, Loaded(mut loaded): Loaded) {
        let mut users = self.users.write();
        for (name, user) in &mut loaded {
            if let Some(before) = users.get(name) {
                user.number = before.number;
            }
        }
        *users = loaded.into_iter().map(|(name, user)| (name, Arc::new(user))).collect();
        self.moved();
    }

    /// ACL SAVE
    ///
    /// # Errors
    /// The system's reason; then the file is as it was.
    pub(crate) fn save(&self, dialect: Dialect) -> io::Result<()> {
        let Some(path) = &self.file else { return Ok(()) };
        let mut text = Vec::new();
        for user in self.all() {
            text.extend_from_slice(&user.line(dialect));
            text.push(b'\n');
        }
        file::write(path, &text)
    }

    fn next_number(&self) -> u64 {
        self.last_number.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The users have changed. To be said while they are still locked.
    fn moved(&self) {
        self.version.fetch_add(1, Ordering::Release);
    }
}

/// Whether a user may be called so.
pub(crate) fn is_name(name: &[u8]) -> bool {
    !name.iter().any(|byte| byte.is_ascii_whitespace() || matches!(byte, 0 | 11))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl() -> Acl {
        Acl::new(&Config::default()).unwrap()
    }

    fn set(acl: &Acl, name: &str, rules: &str) {
        let rules: Vec<&[u8]> = rules.split_ascii_whitespace().map(str::as_bytes).collect();
        acl.set(name.as_bytes(), &rules, ChannelsAtFirst::None).unwrap();
    }

    #[test]
    fn who_is_made_anew_is_somebody_else() {
        let acl = acl();
        set(&acl, "alice", "on >pw");
        let first = acl.authenticate(b"alice", b"pw").unwrap();
        let version = acl.version();
        set(&acl, "alice", "+get");
        assert!(acl.version() > version);
        assert!(acl.renewed(&first).is_some_and(|user| user.admits(b"pw")));
        assert_eq!(acl.remove(&[b"alice", b"nobody"]), 1);
        set(&acl, "alice", "on >pw");
        assert!(acl.renewed(&first).is_none());
    }

    #[test]
    fn a_wrong_rule_changes_nothing() {
        let acl = acl();
        set(&acl, "alice", "on >pw");
        let version = acl.version();
        for words in [&[&b"off"[..], b"nope"][..], &[b"off", b"(~a"]] {
            assert!(acl.set(b"alice", words, ChannelsAtFirst::None).is_err());
            assert!(acl.set(b"bob", words, ChannelsAtFirst::None).is_err());
        }
        assert!(acl.set(b"a b", &[], ChannelsAtFirst::None).is_err());
        assert_eq!(acl.version(), version);
        assert!(acl.authenticate(b"alice", b"pw").is_some() && acl.find(b"bob").is_none());
    }

    #[test]
    fn requirepass_is_the_password_of_default() {
        let acl =
            Acl::new(&Config { requirepass: crate::config::Secret::new("a"), ..Config::default() }).unwrap();
        assert!(!acl.admits_strangers());
        assert!(acl.authenticate(DEFAULT, b"a").is_some());
        acl.set_default_password(Some(b"b"));
        assert!(acl.authenticate(DEFAULT, b"a").is_none() && acl.authenticate(DEFAULT, b"b").is_some());
        acl.set_default_password(None);
        assert!(acl.admits_strangers() && acl.is_open());
        set(&acl, "default", "off");
        assert!(!acl.admits_strangers() && acl.is_open());
    }

    #[test]
    fn users_are_given_as_options() {
        let with = |users: &[&str]| {
            let users = users.iter().map(|user| (*user).to_owned()).collect();
            Acl::new(&Config { users, ..Config::default() })
        };
        let acl = with(&["alice on >pw ~a* +@read (~b +get)", "default off"]).unwrap();
        assert!(acl.authenticate(b"alice", b"pw").is_some());
        assert!(!acl.admits_strangers());
        for (users, why) in [
            (&[""][..], "a name"),
            (&["alice on nope"], "'nope': Syntax error"),
            (&["alice on (~a"], "'(~a'"),
            (&["alice on", "alice off"], "twice"),
        ] {
            let error = with(users).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
