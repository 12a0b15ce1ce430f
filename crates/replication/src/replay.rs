//! Scripts of an old master's stream, run as the master ran them.
//!
//! Up to 6.2 a master may pass EVAL and EVALSHA on instead of what they did. What a script does here belongs to the
//! unit it stands in, and each of its writes is noted in that unit's journal.
//!
//! Owns what a script's commands do to the data. Never knows Lua: see [`scripting`].

use commands::{Command, Dialect, ReadContext, Run, ServerCommand, Source, WriteContext};
use protocol::{Args, Protocol, Reply};
use scripting::{Host, LogLevel, Refusal, SharedEngine, Standing};
use storage::{DbIndex, Functions, News, UnixMillis, Wanted, Writer};

use crate::journal::Journal;

/// The engine for scripts of the stream, and where their lines go.
#[derive(Clone, Debug)]
pub struct Scripts {
    /// Shared with the clients' scripts.
    pub engine: SharedEngine,
    /// Writes a line to the log.
    pub log: fn(LogLevel, &[u8]),
}

impl Scripts {
    /// Follows the data set's function libraries, so that what cannot be loaded is told at once.
    pub(crate) fn follow(&self, functions: &Functions, dialect: Dialect) {
        let mut engine = self.engine.lock();
        engine.speaks(dialect);
        engine.follow(functions, &self.log);
    }
}

/// A script on its way, inside a unit.
pub(crate) struct Replaying<'r, 'w> {
    pub(crate) writer: &'r Writer<'r>,
    /// What is noted for undoing; none where nothing will be undone.
    pub(crate) journal: Option<&'r mut Journal<'w>>,
    /// The script's place in its unit.
    pub(crate) place: usize,
    pub(crate) db: DbIndex,
    pub(crate) received: UnixMillis,
    pub(crate) dialect: Dialect,
    pub(crate) log: fn(LogLevel, &[u8]),
}

impl Replaying<'_, '_> {
    fn answer(
        &mut self,
        command: &'static Command,
        args: Args<'_>,
        reply: &mut Reply,
    ) -> Result<(), commands::CommandError> {
        match (command.run, command.applied_by()) {
            (Run::Write(_) | Run::Read(_), Some(handler)) => {
                if let Some(journal) = &mut self.journal {
                    journal.before(self.place, command, args, self.db);
                }
                let mut context = WriteContext::applying(self.writer, self.db, self.received, self.dialect);
                context.in_script = true;
                handler(&mut context, args, reply)
            }
            (Run::Read(handler), None) => {
                // What expired is there until the master deletes it.
                let now = UnixMillis::NOTHING_EXPIRED;
                let mut context = ReadContext::new(Source::Writer(self.writer), self.db, now, self.dialect);
                context.in_script = true;
                handler(&context, args, reply)
            }
            (Run::Server(ServerCommand::Ping), _) => {
                match args.opt(0) {
                    Some(text) => reply.bulk(text),
                    None => reply.simple("PONG"),
                }
                Ok(())
            }
            (Run::Server(ServerCommand::Echo), _) => {
                reply.bulk(args.get(0));
                Ok(())
            }
            (Run::Server(ServerCommand::Select), _) => {
                let index = std::str::from_utf8(args.get(0)).ok().and_then(|text| text.parse().ok());
                let index = index.filter(|index| *index < self.writer.databases());
                self.db = index.map(DbIndex).ok_or(commands::CommandError::DbIndexOutOfRange)?;
                reply.ok();
                Ok(())
            }
            (Run::Server(ServerCommand::Time), _) => {
                reply.array(2);
                reply.bulk_int(self.received.0 / 1000);
                reply.bulk_int(self.received.0 % 1000 * 1000);
                Ok(())
            }
            (Run::Server(ServerCommand::Publish), _) => {
                if self.writer.wants(Wanted::MESSAGES) {
                    let [channel, text] = [0, 1].map(|index| args.get(index).into());
                    self.writer.note(News::Message { is_shard: false, channel, text });
                }
                reply.int(0);
                Ok(())
            }
            _ => Err(commands::CommandError::Other(
                format!("ERR '{}' of a script in the stream is not understood here", command.name).into(),
            )),
        }
    }
}

impl Host for Replaying<'_, '_> {
    fn dialect(&self) -> Dialect {
        self.dialect
    }

    fn standing(&self) -> Standing {
        Standing::default()
    }

    fn functions(&self) -> &Functions {
        self.writer.functions()
    }

    fn has_right(&self, _: &'static Command, _: &[&[u8]]) -> bool {
        true
    }

    fn may_call(&mut self, _: &'static Command, _: &[&[u8]]) -> Result<(), Refusal> {
        Ok(())
    }

    fn refused(&mut self, _: Option<&'static Command>, _: &[u8]) -> Option<()> {
        Some(())
    }

    fn run(&mut self, command: &'static Command, words: &[&[u8]], protocol: Protocol) -> Option<Reply> {
        let mut reply = Reply::new(protocol);
        let args = Args::new(words.get(command.name_words()..).unwrap_or_default());
        let mark = reply.mark();
        if let Err(error) = self.answer(command, args, &mut reply) {
            reply.rollback(mark);
            error.answer(&mut reply);
        }
        Some(reply)
    }

    fn log(&self, level: LogLevel, line: &[u8]) {
        (self.log)(level, line);
    }
}
