//! For tests of handlers: commands typed as lines, answers read back as text.
//!
//! Never part of the library.

use protocol::{Protocol, Reply, Words, limits::Peer, parse::Parser};
use storage::{DbIndex, Limits, Store, StoreConfig, UnixMillis};

use crate::spec::Run;
use crate::{CommandError, Dialect, ReadContext, Role, Source, WriteContext, resolve};

/// A store, and a moment that tests move by hand.
pub(crate) struct Session {
    pub(crate) store: Store,
    pub(crate) now: UnixMillis,
    pub(crate) index: DbIndex,
    pub(crate) dialect: Dialect,
    pub(crate) role: Role,
    pub(crate) protocol: Protocol,
}

impl Session {
    /// A writable node with 16 databases and the usual limits.
    pub(crate) fn new() -> Self {
        Session::with_limits(Limits::default())
    }

    pub(crate) fn with_limits(limits: Limits) -> Self {
        Session {
            store: Store::new(StoreConfig { databases: 16, hash_key: [1, 2], limits }),
            now: UnixMillis(1_700_000_000_000),
            index: DbIndex(0),
            dialect: Dialect::NEWEST,
            role: Role::Master,
            protocol: Protocol::Resp2,
        }
    }

    /// A replica applying its master's stream.
    pub(crate) fn replica() -> Self {
        Session { role: Role::Replica, ..Session::new() }
    }

    /// Runs a command typed as a line (quotes and escapes as redis-cli has them); the answer's wire form, line ends
    /// shown as `|`.
    pub(crate) fn run(&self, line: &str) -> String {
        self.run_in(self.protocol, line)
    }

    fn run_in(&self, protocol: Protocol, line: &str) -> String {
        let mut buffer = line.as_bytes().to_vec();
        buffer.extend_from_slice(b"\r\n");
        let mut parser = Parser::default();
        assert_eq!(parser.parse(&buffer, Peer::Client, 1), Ok(1), "{line}");
        let request = parser.request(0, &buffer).unwrap();
        let mut room = Words::default();
        let answer = self.answer(protocol, request.collect(&mut room));
        String::from_utf8_lossy(&answer).replace("\r\n", "|")
    }

    /// Whether a batch of short reads refuses this one.
    pub(crate) fn is_long(&self, line: &str) -> bool {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let Ok((command, args)) = resolve(&words) else { panic!("no command: {line}") };
        let Run::Read(handler) = command.run else { panic!("no read: {line}") };
        let reader = self.store.reader();
        let context = ReadContext::new(Source::Reader(&reader), self.index, self.now, self.dialect);
        matches!(handler(&context, args, &mut Reply::new(self.protocol)), Err(CommandError::Long))
    }

    /// As [`Session::run`], for words as they are.
    pub(crate) fn run_words(&self, words: &[&[u8]]) -> Vec<u8> {
        self.answer(self.protocol, words)
    }

    fn answer(&self, protocol: Protocol, words: &[&[u8]]) -> Vec<u8> {
        let mut reply = Reply::new(protocol);
        match resolve(words) {
            Err(unresolved) => unresolved.answer(words, &mut reply),
            Ok((command, args)) => {
                let mark = reply.mark();
                let run = match (self.role, command.applied_by()) {
                    (Role::Replica, Some(handler)) => Run::Write(handler),
                    // What the server runs for clients, it checks first.
                    (Role::Master, Some(handler)) if matches!(command.run, Run::Server(_)) => {
                        Run::Write(handler)
                    }
                    _ => command.run,
                };
                let done = match run {
                    Run::Read(handler) => {
                        let reader = self.store.reader();
                        let now = match self.role {
                            Role::Master => self.now,
                            Role::Replica => UnixMillis::NOTHING_EXPIRED,
                        };
                        let context =
                            ReadContext::new(Source::Reader(&reader), self.index, now, self.dialect);
                        match handler(&context, args, &mut reply) {
                            Err(CommandError::Long) => {
                                drop(reader);
                                reply.rollback(mark);
                                let writer = self.store.writer();
                                let source = Source::Writer(&writer);
                                handler(
                                    &ReadContext::new(source, self.index, now, self.dialect),
                                    args,
                                    &mut reply,
                                )
                            }
                            done => done,
                        }
                    }
                    Run::Write(handler) => {
                        let writer = self.store.writer();
                        let mut context = match self.role {
                            Role::Master => {
                                WriteContext::serving(&writer, self.index, self.now, self.dialect)
                            }
                            Role::Replica => {
                                WriteContext::applying(&writer, self.index, self.now, self.dialect)
                            }
                        };
                        handler(&mut context, args, &mut reply)
                    }
                    Run::Server(_) | Run::Container => {
                        panic!("{} is not a command on data", command.name)
                    }
                };
                if let Err(error) = done {
                    reply.rollback(mark);
                    error.of_request(words).answer(&mut reply);
                }
            }
        }
        reply.to_vec()
    }

    /// Runs lines of a transcript: `> command` and, below it, `< answer` as [`Session::run`] shows it; `@ resp3` and
    /// `@ resp2` choose the protocol.
    #[track_caller]
    pub(crate) fn transcript(&self, text: &str) {
        let mut protocol = self.protocol;
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        while let Some(line) = lines.next() {
            if let Some(name) = line.strip_prefix("@ ") {
                protocol = if name == "resp3" { Protocol::Resp3 } else { Protocol::Resp2 };
                continue;
            }
            let command = line.strip_prefix("> ").unwrap_or_else(|| panic!("a command expected: {line}"));
            let expected = lines.next().and_then(|line| line.strip_prefix("< ")).unwrap_or_default();
            assert_eq!(self.run_in(protocol, command), expected, "> {command}");
        }
    }
}
