//! One run of a script: its commands, and its answer.
//!
//! Owns the order of the checks before a command, which scripts can see. Never runs a command itself: its [`Host`] does.

use commands::{Command, Flags, Unresolved, printed};
use mlua::{Lua, MultiValue, Table, Value};
use protocol::{Protocol, Reply};

use crate::api::{Request, raised};
use crate::arguments::{Arguments, number_of, one, text_of, truncated};
use crate::boundary::{Outcome, Raise};
use crate::convert::{self, counted_error_table, error_table, error_text};
use crate::host::{Host, LogLevel};
use crate::libraries::LogLine;
use crate::pulse::{End, Pulse};
use crate::walk::VALUES_MAX;

/// What holds for a script while it runs.
pub(crate) struct Run<'r> {
    pub(crate) host: &'r mut dyn Host,
    pub(crate) pulse: &'r Pulse,
    /// What the script speaks.
    pub(crate) protocol: Protocol,
    /// It may not write.
    pub(crate) read_only: bool,
    /// It may add data where there is no room (`allow-oom`).
    pub(crate) allows_full: bool,
    /// It has called a command that writes.
    pub(crate) wrote: bool,
    /// A command that writes has not failed.
    pub(crate) changed: bool,
    /// It stands in an old master's stream.
    pub(crate) verbatim: bool,
    /// It called what nobody here knows.
    pub(crate) met_unknown: bool,
}

/// What a function of `redis` was called with.
pub(crate) struct Asked {
    pub(crate) request: Option<Request>,
    args: Table,
    count: usize,
}

impl Asked {
    /// Out of what the boundary hands over.
    pub(crate) fn of(request: &Value, args: Table, count: usize) -> Asked {
        Asked { request: Request::of(request), args, count }
    }

    /// The arguments, where they are few.
    pub(crate) fn arguments(&self) -> mlua::Result<Result<Arguments, Raise>> {
        if self.count > VALUES_MAX {
            return Ok(Err(Raise::here("too many arguments")));
        }
        let args = (1..=self.count).map(|index| self.args.raw_get(index));
        args.collect::<mlua::Result<Vec<Value>>>().map(|args| Ok(Arguments::from(args)))
    }
}

/// Commands whose answers up to 6.2 are sorted for scripts, so that they are the same everywhere.
const SORTED: &[&str] = &["sinter", "sunion", "sdiff", "smembers", "hkeys", "hvals", "keys"];

/// Reads that a master may pass on to its replicas, which makes them writes for scripts.
const REPLICATED: &[&str] = &["pfcount", "publish", "spublish"];

impl Run<'_> {
    /// Does what a function of `redis` was called for.
    pub(crate) fn serve(&mut self, lua: &Lua, asked: &Asked) -> Outcome {
        match asked.request {
            Some(Request::Call) => return self.call(lua, asked, true),
            Some(Request::Pcall) => return self.call(lua, asked, false),
            _ => {}
        }
        let args = match asked.arguments()? {
            Ok(args) => args,
            Err(raise) => return Ok(Err(raise)),
        };
        match asked.request {
            Some(Request::Log) => log(lua, &|level, line| self.host.log(level, line), &args),
            Some(Request::Setresp) => self.setresp(lua, &args),
            Some(Request::SetRepl) => set_repl(lua, &args),
            Some(Request::AclCheck) => self.acl_check(lua, asked),
            _ => raised(lua, "redis.register_function can only be called on FUNCTION LOAD command"),
        }
    }

    fn call(&mut self, lua: &Lua, asked: &Asked, raises: bool) -> Outcome {
        if let Some(end) = self.pulse.must_end() {
            return Err(mlua::Error::runtime(end.text()));
        }
        let failed = |table: Table| {
            let value = Value::Table(table);
            Ok(if raises { Err(Raise::Value(value)) } else { Ok(one(value)) })
        };
        let words = match self.words(asked)? {
            Ok(words) => words,
            Err(text) => return failed(error_table(lua, &error_text(text.as_bytes()))?),
        };
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let command = match self.admitted(&words) {
            Ok(command) => command,
            Err((command, text)) => {
                let text = error_text(text.as_bytes());
                if self.host.refused(command, &text).is_none() {
                    return self.give_up();
                }
                return failed(counted_error_table(lua, &text)?);
            }
        };
        if command.flags.contains(Flags::WRITE) && !self.wrote {
            self.wrote = true;
            self.pulse.writes();
        }
        let Some(reply) = self.host.run(command, &words, self.protocol) else {
            return self.give_up();
        };
        let reply = reply.to_vec();
        self.changed |= command.flags.contains(Flags::WRITE) && reply.first() != Some(&b'-');
        let value = convert::to_lua(lua, &reply)?;
        if self.verbatim
            && let Value::Table(table) = &value
            && SORTED.contains(&command.name)
        {
            sort(lua, table)?;
        }
        if raises && reply.first() == Some(&b'-') { Ok(Err(Raise::Value(value))) } else { Ok(Ok(one(value))) }
    }

    fn give_up(&self) -> Outcome {
        self.pulse.give_up();
        Err(mlua::Error::runtime(End::Again.text()))
    }

    /// A command's words.
    fn words(&self, asked: &Asked) -> mlua::Result<Result<Vec<Vec<u8>>, &'static str>> {
        if asked.count == 0 {
            return Ok(Err("Please specify at least one argument for this redis lib call"));
        }
        let mut words = Vec::with_capacity(asked.count);
        for index in 1..=asked.count {
            let Some(word) = self.word(&asked.args.raw_get(index)?) else {
                return Ok(Err("Lua redis lib command arguments must be strings or integers"));
            };
            words.push(word);
        }
        Ok(Ok(words))
    }

    fn word(&self, value: &Value) -> Option<Vec<u8>> {
        match value {
            Value::Integer(number) => Some(itoa::Buffer::new().format(*number).as_bytes().to_vec()),
            Value::Number(number) if *number == 0.0 => Some(b"0".to_vec()),
            Value::Number(number) if number.is_nan() => {
                Some(if number.is_sign_negative() { b"-nan".to_vec() } else { b"nan".to_vec() })
            }
            Value::Number(number) => Some(self.host.dialect().double(*number).as_bytes().to_vec()),
            other => text_of(other),
        }
    }

    /// The command that these words name, if the script may call it; else why not, beside the command if there is one.
    fn admitted(&mut self, words: &[&[u8]]) -> Result<&'static Command, (Option<&'static Command>, String)> {
        let command = match commands::resolve(words) {
            Ok((command, _)) => command,
            Err(Unresolved::WrongArity(command)) => {
                let text = "Wrong number of args calling Redis command from script";
                return Err((Some(command), text.to_owned()));
            }
            Err(_) => {
                self.met_unknown = true;
                return Err((None, "Unknown Redis command called from script".to_owned()));
            }
        };
        self.may_run(command, words).map_err(|text| (Some(command), text))?;
        Ok(command)
    }

    fn may_run(&mut self, command: &'static Command, words: &[&[u8]]) -> Result<(), String> {
        if command.flags.contains(Flags::NOSCRIPT) {
            return Err("This Redis command is not allowed from script".into());
        }
        let standing = self.host.standing();
        if standing.stale && !command.flags.contains(Flags::STALE) {
            return Err("Can not execute the command on a stale replica".into());
        }
        self.host.may_call(command, words).map_err(|refusal| format!("-{refusal}"))?;
        let writes = command.flags.contains(Flags::WRITE);
        if self.read_only && (writes || REPLICATED.contains(&command.name)) {
            return Err("Write commands are not allowed from read-only scripts.".into());
        }
        if let Some(why) = standing.unsaved.filter(|_| writes) {
            return Err(format!("-{why}"));
        }
        if writes && !self.wrote && standing.read_only {
            return Err("-READONLY You can't write against a read only replica.".into());
        }
        if standing.full && !self.allows_full && !self.wrote && command.flags.contains(Flags::DENYOOM) {
            return Err("-OOM command not allowed when used memory > 'maxmemory'.".into());
        }
        Ok(())
    }

    fn setresp(&mut self, lua: &Lua, args: &Arguments) -> Outcome {
        if args.len() != 1 {
            return raised(lua, "redis.setresp() requires one argument.");
        }
        self.protocol = match number_of(args.get(1)).map(truncated) {
            Some(2) => Protocol::Resp2,
            Some(3) => Protocol::Resp3,
            _ => return raised(lua, "RESP version must be 2 or 3."),
        };
        Ok(Ok(MultiValue::new()))
    }

    fn acl_check(&self, lua: &Lua, asked: &Asked) -> Outcome {
        let words = match self.words(asked)? {
            Ok(words) => words,
            Err(text) => return raised(lua, text),
        };
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let Ok((command, _)) = commands::resolve(&words) else {
            return raised(lua, "Invalid command passed to redis.acl_check_cmd()");
        };
        Ok(Ok(one(Value::Boolean(self.host.has_right(command, &words)))))
    }
}

/// `redis.log(level, text, …)`
pub(crate) fn log(lua: &Lua, write: LogLine<'_>, args: &Arguments) -> Outcome {
    if args.len() < 2 {
        return raised(lua, "redis.log() requires two arguments or more.");
    }
    let Some(level) = number_of(args.get(1)).filter(|_| !matches!(args.get(1), Value::String(_))) else {
        return raised(lua, "First argument must be a number (log level).");
    };
    let level = match truncated(level) {
        0 => LogLevel::Debug,
        1 => LogLevel::Verbose,
        2 => LogLevel::Notice,
        3 => LogLevel::Warning,
        _ => return raised(lua, "Invalid log level."),
    };
    let texts: Vec<Vec<u8>> = args.all().iter().skip(1).filter_map(text_of).collect();
    write(level, &texts.join(&b' '));
    Ok(Ok(MultiValue::new()))
}

/// `redis.set_repl(flags)`: nothing but commands is ever replicated here.
fn set_repl(lua: &Lua, args: &Arguments) -> Outcome {
    if args.len() != 1 {
        return raised(lua, "redis.set_repl() requires one argument.");
    }
    match number_of(args.get(1)).map(truncated) {
        Some(0..=3) => Ok(Ok(MultiValue::new())),
        _ => raised(lua, "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE."),
    }
}

/// Sorts an array of texts.
fn sort(lua: &Lua, table: &Table) -> mlua::Result<()> {
    let mut texts: Vec<Vec<u8>> = Vec::new();
    for value in table.sequence_values::<Value>() {
        let Value::String(text) = value? else { return Ok(()) };
        texts.push(text.as_bytes().to_vec());
    }
    texts.sort();
    for (index, text) in texts.into_iter().enumerate() {
        table.raw_set(index + 1, lua.create_string(text)?)?;
    }
    Ok(())
}

/// What came of a run, for who started it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// A command of it that writes has not failed.
    pub wrote: bool,
    /// It called a command that nobody here knows.
    pub met_unknown: bool,
    /// It was an attempt, and came to nothing: it has changed nothing and answered nothing, and is to run where it may
    /// take long.
    pub again: bool,
    /// The error it ended with, or was refused with.
    pub error: Option<Vec<u8>>,
    /// Errors that it answers with and that are none of its commands', which are counted already.
    pub own_errors: Vec<Vec<u8>>,
}

impl Ran {
    /// An attempt that came to nothing.
    pub(crate) fn again() -> Ran {
        Ran { again: true, ..Ran::default() }
    }

    /// It was refused with this error line.
    pub(crate) fn refused(text: impl AsRef<[u8]>, reply: &mut Reply) -> Ran {
        reply.error_bytes(text.as_ref());
        let text = text.as_ref().to_vec();
        Ran { error: Some(text.clone()), own_errors: vec![text], ..Ran::default() }
    }
}

/// The error line of a script that failed with this value.
pub(crate) fn error_line(name: &str, error: &Value, instead: Option<String>) -> mlua::Result<Vec<u8>> {
    let Value::Table(table) = error else {
        let text = text_of(error).unwrap_or_else(|| b"execution failure".to_vec());
        let text = instead.map_or(text, String::into_bytes);
        let shown = text.get(..text.len().min(100)).unwrap_or_default();
        return Ok([b"ERR Error running script ", name.as_bytes(), b", ", shown].concat());
    };
    let field = |name: &str| -> mlua::Result<Option<Vec<u8>>> { Ok(text_of(&table.raw_get::<Value>(name)?)) };
    let mut line = match instead {
        Some(text) => text.into_bytes(),
        None => field("err")?.map_or_else(|| b"ERR unknown error".to_vec(), |text| printed(&text).to_vec()),
    };
    if let (Some(source), Some(at)) = (field("source")?, field("line")?) {
        line.extend_from_slice(format!(" script: {name}, on ").as_bytes());
        line.extend_from_slice(&source);
        line.push(b':');
        line.extend_from_slice(&at);
        line.push(b'.');
    }
    Ok(line)
}
