//! One run of a script: its commands, and its answer.
//!
//! Owns the order of the checks before a command, which scripts can see. Never runs a command itself: its [`Host`]
//! does.

use std::borrow::Cow;

use bytes::Buf;
use commands::{Command, Flags, Unresolved, printed};
use mlua::{Lua, MultiValue, Value};
use protocol::{Protocol, Reply};
use storage::score::{DoubleForm, format_double};

use crate::api::{Request, raised};
use crate::arguments::{Arguments, number_of, text_of, truncated};
use crate::boundary::Outcome;
use crate::boundary::service::{Serve, Told, Word};
use crate::convert::{self, error_text};
use crate::host::{Host, LogLevel};
use crate::libraries::LogLine;
use crate::pulse::{End, Pulse};
use crate::texts::Texts;

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
    /// What its last call left.
    pub(crate) answer: Answer,
}

/// Commands whose answers up to 6.2 are sorted for scripts, so that they are the same everywhere.
const SORTED: &[&str] = &["sinter", "sunion", "sdiff", "smembers", "hkeys", "hvals", "keys"];

/// Reads that a master may pass on to its replicas, which makes them writes for scripts.
const REPLICATED: &[&str] = &["pfcount", "publish", "spublish"];

/// What a call leaves.
#[derive(Debug)]
pub(crate) enum Answer {
    Reply(Reply),
    Bytes(Vec<u8>),
}

impl Serve for Run<'_> {
    fn call(&mut self, request: Request, words: &[Word<'_>]) -> Told {
        let given = words.iter().map(|word| if let Word::Text(text) = word { Some(*text) } else { None });
        // Mostly they are texts.
        if let Some(words) = given.collect::<Option<Vec<&[u8]>>>() {
            return self.call_with(request, &words);
        }
        let mut owned = Vec::with_capacity(words.len());
        for word in words {
            match self.text_of(*word) {
                Some(text) => owned.push(text),
                None => {
                    return self.refuse(request, self.texts().no_text);
                }
            }
        }
        let words: Vec<&[u8]> = owned.iter().map(AsRef::as_ref).collect();
        self.call_with(request, &words)
    }

    fn answer(&self) -> &[u8] {
        match &self.answer {
            Answer::Reply(reply) => reply.chunk(),
            Answer::Bytes(bytes) => bytes,
        }
    }

    fn sizes_maps(&self) -> bool {
        self.host.dialect().sizes_maps_of_scripts()
    }

    fn ask(&mut self, lua: &Lua, request: Request, args: &Arguments) -> Outcome {
        match request {
            Request::Log => log(lua, &|level, line| self.host.log(level, line), args, self.texts()),
            Request::Setresp => self.setresp(lua, args),
            Request::SetRepl => set_repl(lua, args, self.texts()),
            _ => raised(lua, "redis.register_function can only be called on FUNCTION LOAD command"),
        }
    }
}

impl Run<'_> {
    /// Asked for where something is wrong: it costs a look at whom the node follows.
    pub(crate) fn texts(&self) -> &'static Texts {
        Texts::of(self.host.dialect())
    }

    fn call_with(&mut self, request: Request, words: &[&[u8]]) -> Told {
        if words.is_empty() {
            return self.refuse(request, self.texts().no_words);
        }
        if request == Request::AclCheck {
            return match commands::resolve(words) {
                Ok((command, _)) => Told::Truth(self.host.has_right(command, words)),
                Err(Unresolved::WrongArity(command)) => match self.texts().no_arity {
                    Some(text) => self.refuse(request, text),
                    None => Told::Truth(self.host.has_right(command, words)),
                },
                Err(_) => self.refuse(request, self.texts().no_command),
            };
        }
        if self.pulse.must_end().is_some() {
            return Told::Ended;
        }
        let command = match self.admitted(words) {
            Ok(command) => command,
            Err((command, text)) => {
                let text = error_text(text.as_bytes());
                if self.host.refused(command, &text).is_none() {
                    return self.give_up();
                }
                self.answer = Answer::Bytes(text);
                return Told::Refused { is_counted: true };
            }
        };
        if command.flags.contains(Flags::WRITE) && !self.wrote {
            self.wrote = true;
            self.pulse.writes();
        }
        let Some(reply) = self.host.run(command, words, self.protocol) else {
            return self.give_up();
        };
        self.answer = if self.verbatim && SORTED.contains(&command.name) {
            Answer::Bytes(convert::sorted(reply.to_vec()))
        } else if reply.chunk().len() == reply.len() {
            Answer::Reply(reply)
        } else {
            Answer::Bytes(reply.to_vec())
        };
        self.changed |= command.flags.contains(Flags::WRITE) && self.answer().first() != Some(&b'-');
        Told::Reply
    }

    /// Something is wrong with what was called, which is no command's error.
    fn refuse(&mut self, request: Request, text: &str) -> Told {
        self.answer = Answer::Bytes(error_text(text.as_bytes()));
        if request == Request::AclCheck { Told::Raised } else { Told::Refused { is_counted: false } }
    }

    fn give_up(&self) -> Told {
        self.pulse.give_up();
        Told::Ended
    }

    fn text_of<'w>(&self, word: Word<'w>) -> Option<Cow<'w, [u8]>> {
        Some(match word {
            Word::Text(text) => text.into(),
            Word::Number(number) => self.number(number).into(),
            Word::Other => return None,
        })
    }

    /// A number as a word.
    fn number(&self, number: f64) -> Vec<u8> {
        if number.is_nan() {
            return if number.is_sign_negative() { b"-nan".to_vec() } else { b"nan".to_vec() };
        }
        let form = self.host.dialect().form_of_words();
        // Where integers are written as such, the zero that has a sign is one.
        let number = if number == 0.0 && form == DoubleForm::Shortest { 0.0 } else { number };
        format_double(number, form).as_bytes().to_vec()
    }

    /// The command that these words name, if the script may call it; else why not, beside the command if there is one.
    fn admitted(&mut self, words: &[&[u8]]) -> Result<&'static Command, (Option<&'static Command>, String)> {
        let command = match commands::resolve(words) {
            Ok((command, _)) => command,
            Err(Unresolved::WrongArity(command)) => {
                return Err((Some(command), self.texts().wrong_arity.to_owned()));
            }
            Err(unresolved @ Unresolved::UnknownSubcommand) if self.texts().names_subcommands => {
                self.met_unknown = true;
                return Err((None, format!("-{}", String::from_utf8_lossy(&unresolved.text(words)))));
            }
            Err(_) => {
                let texts = self.texts();
                let text = match is_complete_request_of_replicas(words) {
                    Some(true) => texts.not_allowed,
                    Some(false) => texts.wrong_arity,
                    None => {
                        self.met_unknown = true;
                        texts.unknown
                    }
                };
                return Err((None, text.to_owned()));
            }
        };
        self.may_run(command, words).map_err(|text| (Some(command), text))?;
        Ok(command)
    }

    fn may_run(&mut self, command: &'static Command, words: &[&[u8]]) -> Result<(), String> {
        if command.flags.contains(Flags::NOSCRIPT) {
            return Err(self.texts().not_allowed.into());
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
            return raised(lua, self.texts().no_protocol);
        }
        self.protocol = match number_of(args.get(1)).map(truncated) {
            Some(2) => Protocol::Resp2,
            Some(3) => Protocol::Resp3,
            _ => return raised(lua, "RESP version must be 2 or 3."),
        };
        Ok(Ok(MultiValue::new()))
    }
}

/// Whether these words, which the table has not, are what only replicas send; if so, whether enough of them.
fn is_complete_request_of_replicas(words: &[&[u8]]) -> Option<bool> {
    let is = |name: &[u8]| words.first().is_some_and(|word| word.eq_ignore_ascii_case(name));
    match words.len() {
        len if is(b"sync") => Some(len == 1),
        len if is(b"psync") => Some(len >= 3),
        _ => is(b"replconf").then_some(true),
    }
}

/// `redis.log(level, text, …)`
pub(crate) fn log(lua: &Lua, write: LogLine<'_>, args: &Arguments, texts: &Texts) -> Outcome {
    if args.len() < 2 {
        return raised(lua, texts.no_log);
    }
    let Some(level) = number_of(args.get(1)) else {
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
fn set_repl(lua: &Lua, args: &Arguments, texts: &Texts) -> Outcome {
    if args.len() != 1 {
        return raised(lua, texts.no_flags);
    }
    // What is no number is none of them.
    match number_of(args.get(1)).map_or(0, truncated) {
        0..=3 => Ok(Ok(MultiValue::new())),
        _ => raised(lua, "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE."),
    }
}

impl From<End> for mlua::Error {
    fn from(end: End) -> Self {
        mlua::Error::runtime(end.text())
    }
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
    /// It did not begin, for what it says of itself, as a command does not for its flags.
    pub rejected: bool,
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
pub(crate) fn error_line(
    name: &str,
    texts: &Texts,
    error: &Value,
    instead: Option<String>,
) -> mlua::Result<Vec<u8>> {
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
        let name = if texts.names_scripts { format!("{name}, ") } else { String::new() };
        line.extend_from_slice(format!(" script: {name}on ").as_bytes());
        line.extend_from_slice(&source);
        line.push(b':');
        line.extend_from_slice(&at);
        line.push(b'.');
    }
    Ok(line)
}
