//! What a replica is to be, said step by step.
//!
//! Owns the reading of the words one says it with. Never starts anything before [`Builder::start`].

use std::path::PathBuf;

use server::StartError;
use server::config::{Config, HttpAddress, Secret, parse_master};

use crate::replica::Replica;

/// What a replica is to be. Without anything said: a writable, empty node, on no port.
#[derive(Debug)]
#[must_use = "nothing runs before start()"]
pub struct Builder {
    config: Config,
    heeds_signals: bool,
    wrong: Option<BuildError>,
}

/// Why a replica could not be started.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A value that cannot be read.
    #[error("{what} '{given}': {why}")]
    Value {
        /// What it is.
        what: &'static str,
        /// What was given.
        given: String,
        /// What is wrong with it.
        why: String,
    },
    /// The system refused something.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The process may not listen for signals.
    #[error("cannot listen for signals: {0}")]
    Signals(std::io::Error),
    /// No runtime.
    #[error("cannot start the runtime's threads: {0}")]
    Runtime(std::io::Error),
}

impl Default for Builder {
    fn default() -> Self {
        let config = Config { listen: false, http: None, ..Config::default() };
        Builder { config, heeds_signals: false, wrong: None }
    }
}

impl Builder {
    /// The master to follow: `HOST:PORT`, `[V6]:PORT` or `HOST PORT`.
    pub fn master(mut self, address: &str) -> Self {
        match parse_master(address) {
            Ok(master) => self.config.replicaof = Some(master),
            Err(why) => self.fail("master", address, why),
        }
        self
    }

    /// The password to give to the master.
    pub fn master_password(mut self, password: &str) -> Self {
        self.config.masterauth = Secret::new(password);
        self
    }

    /// The user to name to the master.
    pub fn master_user(mut self, user: &str) -> Self {
        self.config.masteruser = Some(user.to_owned());
        self
    }

    /// Serves clients there: `HOST:PORT`; port 0 takes a free one (see [`Replica::ports`]).
    pub fn listener(mut self, address: &str) -> Self {
        match parse_listener(address) {
            Ok((host, port)) => {
                self.config.listen = true;
                self.config.bind = vec![host];
                self.config.port = port;
            }
            Err(why) => self.fail("listener", address, why),
        }
        self
    }

    /// Serves no clients; the data are read through [`Replica::storage`].
    pub fn no_listener(mut self) -> Self {
        self.config.listen = false;
        self
    }

    /// The password that clients must give.
    pub fn password(mut self, password: &str) -> Self {
        self.config.requirepass = Secret::new(password);
        self
    }

    /// Serves `/metrics`, `/healthz` and `/readyz` there: `HOST:PORT`; port 0 takes a free one.
    pub fn http(mut self, address: &str) -> Self {
        match HttpAddress::parse(address) {
            Ok(address) => self.config.http = Some(address),
            Err(why) => self.fail("http", address, why),
        }
        self
    }

    /// How many numbered databases there are; 16 when nothing is said. The master must not use more.
    pub fn databases(mut self, count: u32) -> Self {
        self.config.databases = count.max(1);
        self
    }

    /// Where files go: the spool, while applying is busy.
    pub fn directory(mut self, path: impl Into<PathBuf>) -> Self {
        self.config.dir = path.into();
        self
    }

    /// All values at once; what was said before is forgotten.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// SIGTERM and SIGINT are taken from before the first port is open, for a program that is to live in
    /// [`Replica::run`]. Without this they are taken from there on.
    pub fn heeds_signals(mut self) -> Self {
        self.heeds_signals = true;
        self
    }

    /// Starts it. It begins to follow its master at once: see [`Replica::wait_for_sync`].
    ///
    /// # Errors
    /// [`BuildError`]; then nothing runs.
    pub fn start(self) -> Result<Replica, BuildError> {
        match self.wrong {
            Some(error) => Err(error),
            None => Replica::start(self.config, self.heeds_signals),
        }
    }

    fn fail(&mut self, what: &'static str, given: &str, why: String) {
        // The first mistake is the one to tell.
        self.wrong.get_or_insert(BuildError::Value { what, given: given.to_owned(), why });
    }
}

fn parse_listener(address: &str) -> Result<(String, u16), String> {
    let (host, port) = address.rsplit_once(':').ok_or("expected HOST:PORT")?;
    let port = port.parse().map_err(|_| format!("'{port}' is no port"))?;
    let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_mistake_is_told_at_the_start() {
        let error = Replica::builder().master("nowhere").listener("here").start().unwrap_err();
        assert_eq!(error.to_string(), "master 'nowhere': expected HOST:PORT");
    }
}
