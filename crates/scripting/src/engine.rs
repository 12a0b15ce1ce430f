//! Running scripts: EVAL, FCALL, and what an old master's stream says.
//!
//! Owns the Lua states, made when they are needed first, and the known scripts. One script runs at a time: its caller
//! holds the writer's token. Where the caller's limits say that a run is an attempt, one that is not short, or would
//! write, ends as if it had never begun ([`Ran::again`]); what has not turned out so is compiled and known already.
//! Never decides who may write.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use commands::Dialect;
use mlua::Function;
use protocol::number::parse_int;
use protocol::{Protocol, Reply};
use storage::Functions;

use crate::attempts::Attempts;
use crate::boundary::service::Given;
use crate::cache::{By, Cache, Script, digest};
use crate::convert;
use crate::host::{Host, LogLevel, Standing};
use crate::libraries::{Libraries, LogLine, Registered};
use crate::pulse::{End, Pulse, TimeLimits};
use crate::run::{Answer, Ran, Run, error_line};
use crate::shebang::{self, ScriptFlags};
use crate::state::{Identity, Purpose, State};
use crate::texts::Texts;

const TOO_MANY_KEYS: &str = "ERR Number of keys can't be greater than number of args";
const NEGATIVE_KEYS: &str = "ERR Number of keys can't be negative";
/// A digest in hexadecimal.
const DIGEST_BYTES: usize = 40;

/// What is told of all scripts, without waiting for the one that runs.
#[derive(Debug, Default)]
pub struct Figures {
    /// Bytes of the Lua state of EVAL.
    pub scripts_vm_bytes: AtomicUsize,
    /// Bytes of the Lua state of FCALL.
    pub functions_vm_bytes: AtomicUsize,
    /// Bytes of the known scripts.
    pub scripts_bytes: AtomicUsize,
    /// Bytes of the loaded libraries.
    pub functions_bytes: AtomicUsize,
    /// Known scripts.
    pub scripts: AtomicUsize,
    /// Loaded libraries.
    pub libraries: AtomicUsize,
    /// Functions of all libraries.
    pub functions: AtomicUsize,
    /// Scripts that were forgotten.
    pub evicted: AtomicU64,
}

/// How a script is called.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// All its words: `EVAL script numkeys key … arg …`.
    pub words: &'a [&'a [u8]],
    /// It is one of those that must not write (EVAL_RO).
    pub read_only: bool,
    /// How long it may take.
    pub limits: TimeLimits,
}

/// Which way a request names its script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// By its text: EVAL.
    ByText,
    /// By its digest: EVALSHA.
    ByDigest,
}

/// What a request names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Called {
    /// A script.
    Script(Named),
    /// A function: FCALL.
    Function,
}

/// See the module.
#[derive(Debug)]
pub struct Engine {
    identity: Identity,
    pulse: Arc<Pulse>,
    figures: Arc<Figures>,
    cache: Cache,
    /// The changes of the cache that the figures know of.
    told: u64,
    scripts: Option<State>,
    libraries: Option<Libraries>,
    attempts: Attempts,
}

/// An engine for all who run scripts. To be locked after the writer's token where both are needed.
pub type SharedEngine = Arc<parking_lot::Mutex<Engine>>;

/// What a script is run with.
struct Prepared<'a> {
    name: &'a str,
    flags: Option<ScriptFlags>,
}

impl Engine {
    /// One without scripts.
    pub fn new(identity: Identity, pulse: Arc<Pulse>) -> Engine {
        Engine {
            identity,
            pulse,
            figures: Arc::default(),
            cache: Cache::default(),
            told: 0,
            scripts: None,
            libraries: None,
            attempts: Attempts::default(),
        }
    }

    /// What is told of it.
    pub fn figures(&self) -> Arc<Figures> {
        Arc::clone(&self.figures)
    }

    /// What others see of the script that runs.
    pub fn pulse(&self) -> Arc<Pulse> {
        Arc::clone(&self.pulse)
    }

    /// What scripts are told of the server, from now on: another master may be another's server.
    pub fn is(&mut self, identity: Identity) {
        if self.identity != identity {
            self.identity = identity;
            self.scripts = None;
            self.libraries = None;
            self.cache.state_is_gone();
        }
    }

    /// The same where only the master's kind is known anew.
    pub fn speaks(&mut self, dialect: Dialect) {
        let version = self.identity.version.clone();
        self.is(Identity { version, valkey: dialect.valkey_version() });
    }

    /// EVAL, EVALSHA and their kin.
    pub fn eval(
        &mut self,
        host: &mut dyn Host,
        named: Named,
        request: &Request<'_>,
        reply: &mut Reply,
    ) -> Ran {
        let name = name_of(named, request.words.get(1).copied().unwrap_or_default());
        let is_attempt = request.limits.attempt.is_some();
        if is_attempt && !(self.is_ready(&name) && self.attempts.is_due(&name)) {
            return Ran::again();
        }
        let ran = self.evaluate(host, (named, &name), request, By::Eval, reply);
        if is_attempt {
            self.attempts.made(name, ran.again);
            self.tell_size();
        } else {
            self.tell();
        }
        ran
    }

    /// Whether a script of this digest needs no compiling.
    fn is_ready(&mut self, name: &str) -> bool {
        let is_ready = |script: &mut Script| script.compiled.is_some();
        self.scripts.is_some() && self.cache.get(name).is_some_and(is_ready)
    }

    /// EVAL or EVALSHA of a master's stream, which is run as the master ran it.
    pub fn replay(&mut self, host: &mut dyn Host, named: Named, words: &[&[u8]]) -> Ran {
        let request = Request { words, read_only: false, limits: TimeLimits::default() };
        let name = name_of(named, words.get(1).copied().unwrap_or_default());
        let mut reply = Reply::new(Protocol::Resp2);
        let ran = self.evaluate(host, (named, &name), &request, By::Stream, &mut reply);
        self.tell();
        ran
    }

    /// Whether a request that runs a script may wait for EXEC: what the script says of itself counts like a command's
    /// flags. What says nothing, or is not known, is found out about when it runs.
    ///
    /// # Errors
    /// Why it may not.
    pub fn may_be_queued(
        &mut self,
        host: &mut dyn Host,
        called: Called,
        words: &[&[u8]],
    ) -> Result<(), &'static str> {
        if called == Called::Function {
            let log = |level: LogLevel, line: &[u8]| host.log(level, line);
            if host.functions().is_empty() {
                return Ok(());
            }
            self.follow(host.functions(), &log);
        }
        self.may_say(host.standing(), called, words.get(1).copied().unwrap_or_default())
    }

    /// Whether a script, or a function of the libraries that are followed, may run by what it says of itself, with the
    /// node in this state. One that says nothing, or is not known, may.
    ///
    /// # Errors
    /// Why it may not.
    pub fn may_say(&self, standing: Standing, called: Called, script: &[u8]) -> Result<(), &'static str> {
        let flags = self.flags(called, script);
        if flags.is_some() { may_begin(standing, flags) } else { Ok(()) }
    }

    /// Whether a script, or a function of the libraries that are followed, says of itself that it writes nothing.
    pub fn says_it_only_reads(&self, called: Called, script: &[u8]) -> bool {
        self.flags(called, script).is_some_and(|flags| flags.has(ScriptFlags::NO_WRITES))
    }

    /// What it says of itself.
    fn flags(&self, called: Called, script: &[u8]) -> Option<ScriptFlags> {
        match called {
            Called::Script(named) => self.script_flags(&name_of(named, script), script, By::Eval),
            Called::Function => {
                let found = self.libraries.as_ref().and_then(|libraries| libraries.find(script));
                found.map(|function| function.flags)
            }
        }
    }

    /// What a script says of itself.
    fn script_flags(&self, name: &str, script: &[u8], by: By) -> Option<ScriptFlags> {
        match self.cache.flags(name, by) {
            Some(known) => known,
            // What is wrong with its first line is told later.
            None => shebang::read(script, self.identity.is_valkey()).map_or(None, |line| line.flags),
        }
    }

    fn evaluate(
        &mut self,
        host: &mut dyn Host,
        named: (Named, &str),
        request: &Request<'_>,
        by: By,
        reply: &mut Reply,
    ) -> Ran {
        // Compiling takes its time too.
        let pulse = Arc::clone(&self.pulse);
        let _begun = pulse.begin(None, request.words, request.limits);
        self.evaluate_begun(host, named, request, by, reply)
    }

    fn evaluate_begun(
        &mut self,
        host: &mut dyn Host,
        (named, name): (Named, &str),
        request: &Request<'_>,
        by: By,
        reply: &mut Reply,
    ) -> Ran {
        let script = request.words.get(1).copied().unwrap_or_default();
        if named == Named::ByDigest && script.len() != DIGEST_BYTES {
            return Ran::refused(no_script(host), reply);
        }
        let flags = self.script_flags(name, script, by);
        if flags.is_some()
            && let Err(text) = may_begin(host.standing(), flags)
        {
            return Ran { rejected: true, ..Ran::refused(text, reply) };
        }
        let (keys, args) = match keys_and_args(request.words, "ERR value is not an integer or out of range") {
            Ok(split) => split,
            Err(text) => return Ran::refused(text, reply),
        };
        if !self.cache.knows(name, by) {
            if named == Named::ByDigest {
                return Ran::refused(no_script(host), reply);
            }
            if let Err(text) = self.learn(name, script, by) {
                return Ran::refused(text, reply);
            }
        }
        let found = self.cache.get(name).map(|script| script.compiled.clone());
        let Some(compiled) = found else { return Ran::refused(no_script(host), reply) };
        let prepared = Prepared { name, flags };
        if let Err(text) = may_run(flags, request.read_only) {
            return Ran::refused(text, reply);
        }
        let body = match compiled.map_or_else(|| self.compile(host, name), Ok) {
            Ok(body) => body,
            Err(text) => return Ran::refused(text, reply),
        };
        // One that says nothing of itself is looked at when it is there, and is a script.
        if flags.is_none()
            && let Err(text) = may_begin(host.standing(), flags)
        {
            return Ran::refused(text, reply);
        }
        let Some(state) = &self.scripts else { return Ran::refused(no_script(host), reply) };
        let verbatim = by == By::Stream;
        if verbatim {
            state.random.seed(0);
        }
        let given = Given::Globals { table: &state.globals, keys, args };
        run(state, &self.pulse, host, &prepared, request.read_only, verbatim, &body, given, reply)
    }

    /// SCRIPT LOAD: gives the script's digest.
    ///
    /// # Errors
    /// Why it is no script, in Redis' words.
    pub fn load_script(&mut self, text: &[u8]) -> Result<String, Vec<u8>> {
        let name = digest(text);
        let learned = self.learn(&name, text, By::Load);
        self.tell();
        learned.map(|()| name)
    }

    /// SCRIPT LOAD of a master's stream, or of its snapshot. (It has compiled there.)
    pub fn learn_of_stream(&mut self, text: &[u8]) {
        if let Ok((flags, body)) = shebang::parse(text, self.identity.is_valkey()) {
            self.cache.keep(&digest(text), text, flags, body, By::Stream);
        }
        self.tell();
    }

    /// Whether a script of this digest is known: SCRIPT EXISTS.
    pub fn knows_script(&self, digest: &[u8]) -> bool {
        self.cache.knows(&String::from_utf8_lossy(digest).to_ascii_lowercase(), By::Load)
    }

    /// The text of the script of this digest: SCRIPT SHOW.
    pub fn script(&mut self, digest: &[u8]) -> Option<bytes::Bytes> {
        let digest = String::from_utf8_lossy(digest).to_ascii_lowercase();
        if !self.cache.knows(&digest, By::Load) {
            return None;
        }
        self.cache.get(&digest).map(|script| script.text.clone())
    }

    /// SCRIPT FLUSH. The Lua state begins anew too.
    pub fn flush_scripts(&mut self) {
        self.scripts = None;
        self.cache.state_is_gone();
        self.cache.flush();
        self.tell();
    }

    /// SCRIPT FLUSH of a master's stream.
    pub fn flush_of_stream(&mut self) {
        self.scripts = None;
        self.cache.flush_all();
        self.tell();
    }

    /// Keeps a script that compiles.
    fn learn(&mut self, name: &str, text: &[u8], by: By) -> Result<(), Vec<u8>> {
        let (flags, body) = shebang::parse(text, self.identity.is_valkey())?;
        let known = self.cache.knows(name, By::Load) || self.cache.knows(name, By::Stream);
        let compiled =
            if known { None } else { Some(self.compile_text(text.get(body..).unwrap_or_default())?) };
        self.cache.keep(name, text, flags, body, by);
        if let Some(compiled) = compiled {
            self.cache.keep_compiled(name, compiled);
        }
        Ok(())
    }

    /// Compiles a known script.
    fn compile(&mut self, host: &dyn Host, name: &str) -> Result<Function, Vec<u8>> {
        let Some((text, body)) = self.cache.get(name).map(|script| (script.text.clone(), script.body)) else {
            return Err(no_script(host).as_bytes().to_vec());
        };
        let compiled = self.compile_text(text.get(body..).unwrap_or_default())?;
        self.cache.keep_compiled(name, compiled.clone());
        Ok(compiled)
    }

    fn compile_text(&mut self, text: &[u8]) -> Result<Function, Vec<u8>> {
        let state = match &mut self.scripts {
            Some(state) => state,
            none => {
                let state = State::new(Purpose::Scripts, &self.identity, &self.pulse);
                none.insert(state.map_err(|error| format!("ERR {error}").into_bytes())?)
            }
        };
        let compiled = state.compile(c"@user_script", text);
        compiled.map_err(|text| [b"ERR Error compiling script (new function): ", text.as_slice()].concat())
    }

    /// FCALL and FCALL_RO.
    pub fn fcall(&mut self, host: &mut dyn Host, request: &Request<'_>, reply: &mut Reply) -> Ran {
        if request.limits.attempt.is_none() {
            let ran = self.call_function(host, request, reply);
            self.tell();
            return ran;
        }
        // (No digest has such a name.)
        let function = request.words.get(1).copied().unwrap_or_default();
        let name = format!("function {}", String::from_utf8_lossy(function));
        // One that may write is not: what it keeps in its library's variables would be of two runs.
        let is_ready = self.libraries.as_ref().is_some_and(|libraries| {
            libraries.follows(host.functions())
                && libraries.find(function).is_some_and(|found| found.flags.has(ScriptFlags::NO_WRITES))
        });
        if !(is_ready && self.attempts.is_due(&name)) {
            return Ran::again();
        }
        let ran = self.call_function(host, request, reply);
        self.attempts.made(name, ran.again);
        self.tell_size();
        ran
    }

    fn call_function(&mut self, host: &mut dyn Host, request: &Request<'_>, reply: &mut Reply) -> Ran {
        let name = request.words.get(1).copied().unwrap_or_default();
        let log = |level: LogLevel, line: &[u8]| host.log(level, line);
        if !host.functions().is_empty() {
            self.follow(host.functions(), &log);
        }
        let found = self.libraries.as_ref().filter(|_| !host.functions().is_empty());
        let Some((libraries, function)) =
            found.and_then(|libraries| Some((libraries, libraries.find(name)?)))
        else {
            return Ran::refused("ERR Function not found", reply);
        };
        if let Err(text) = may_begin(host.standing(), Some(function.flags)) {
            return Ran { rejected: true, ..Ran::refused(text, reply) };
        }
        let (keys, args) = match keys_and_args(request.words, "ERR Bad number of keys provided") {
            Ok(split) => split,
            Err(text) => return Ran::refused(text, reply),
        };
        let shown = String::from_utf8_lossy(&function.name).into_owned();
        let prepared = Prepared { name: &shown, flags: Some(function.flags) };
        if let Err(text) = may_run(prepared.flags, request.read_only) {
            return Ran::refused(text, reply);
        }
        let state = &libraries.state;
        let callback = match libraries.callback(function.callback) {
            Ok(callback) => callback,
            Err(error) => return Ran::refused(format!("ERR {error}"), reply),
        };
        let _begun = self.pulse.begin(Some(&function.name), request.words, request.limits);
        let given = Given::Arguments { keys, args };
        run(state, &self.pulse, host, &prepared, request.read_only, false, &callback, given, reply)
    }

    /// Follows the data set's libraries. What cannot be loaded is told to the log, and has no functions.
    pub fn follow(&mut self, functions: &Functions, log: LogLine<'_>) {
        if functions.is_empty() {
            // A new state is made with the next one: what these had in theirs is given back.
            if self.libraries.take().is_some() {
                self.tell();
            }
            return;
        }
        let refused = |name: &[u8], error: &[u8]| {
            let line = [b"a library cannot be loaded here: ", name, b": ", error].concat();
            log(LogLevel::Warning, &line);
        };
        match self.libraries() {
            Ok(libraries) => libraries.follow(functions, log, refused),
            Err(error) => log(LogLevel::Warning, &error),
        }
        self.tell();
    }

    /// Whether these libraries, which are about to be the data set's, can be loaded and stand beside each other.
    ///
    /// # Errors
    /// Why not, in Redis' words.
    pub fn check(&mut self, functions: &Functions, log: LogLine<'_>) -> Result<(), Vec<u8>> {
        self.libraries()?.check(functions, log)
    }

    /// The functions of a library, as far as the data set's libraries were followed.
    pub fn functions_of(&self, library: &[u8]) -> &[Registered] {
        self.libraries.as_ref().map_or(&[], |libraries| libraries.of(library))
    }

    /// How many functions there are.
    pub fn function_count(&self) -> usize {
        self.libraries.as_ref().map_or(0, Libraries::count)
    }

    fn libraries(&mut self) -> Result<&mut Libraries, Vec<u8>> {
        match &mut self.libraries {
            Some(libraries) => Ok(libraries),
            none => {
                let libraries = Libraries::new(&self.identity, Arc::clone(&self.pulse));
                Ok(none.insert(libraries.map_err(|error| format!("ERR {error}").into_bytes())?))
            }
        }
    }

    /// Brings those figures up to date that change with each run.
    fn tell_size(&self) {
        let figures = &self.figures;
        figures.scripts_vm_bytes.store(self.scripts.as_ref().map_or(0, State::used_bytes), Relaxed);
        let vm_bytes = self.libraries.as_ref().map_or(0, |libraries| libraries.state.used_bytes());
        figures.functions_vm_bytes.store(vm_bytes, Relaxed);
    }

    /// Brings the figures up to date.
    fn tell(&mut self) {
        self.tell_size();
        let figures = &self.figures;
        let libraries = self.libraries.as_ref();
        figures.functions_bytes.store(libraries.map_or(0, Libraries::bytes), Relaxed);
        figures.libraries.store(libraries.map_or(0, Libraries::len), Relaxed);
        figures.functions.store(self.function_count(), Relaxed);
        // There may be thousands of them.
        if self.told != self.cache.changes {
            self.told = self.cache.changes;
            figures.scripts_bytes.store(self.cache.bytes(), Relaxed);
            figures.scripts.store(self.cache.count(), Relaxed);
            figures.evicted.store(self.cache.evicted, Relaxed);
        }
    }
}

/// Words of a request.
type Words<'a> = &'a [&'a [u8]];

/// What a script is kept under.
fn name_of(named: Named, script: &[u8]) -> String {
    match named {
        Named::ByText => digest(script),
        Named::ByDigest => String::from_utf8_lossy(script).to_ascii_lowercase(),
    }
}

/// Keys and arguments of a request, whose third word says how many keys there are; `no_number` is for what is no
/// number.
fn keys_and_args<'a>(
    words: Words<'a>,
    no_number: &'static str,
) -> Result<(Words<'a>, Words<'a>), &'static str> {
    let count = words.get(2).and_then(|count| parse_int(count)).ok_or(no_number)?;
    let rest = words.get(3..).unwrap_or_default();
    let count = usize::try_from(count).map_err(|_| NEGATIVE_KEYS)?;
    rest.split_at_checked(count).ok_or(TOO_MANY_KEYS)
}

/// Whether a script may begin, as far as the node goes: what it says of itself counts like a command's flags, and is
/// looked at before its arguments. One of the old kind says nothing.
fn may_begin(standing: Standing, flags: Option<ScriptFlags>) -> Result<(), &'static str> {
    let writes = flags.is_some_and(|flags| !flags.has(ScriptFlags::NO_WRITES));
    if standing.full && writes && !flags.is_some_and(|flags| flags.has(ScriptFlags::ALLOW_OOM)) {
        return Err("OOM command not allowed when used memory > 'maxmemory'.");
    }
    if let Some(why) = standing.unsaved.filter(|_| writes) {
        return Err(why);
    }
    if standing.read_only && writes {
        return Err("READONLY You can't write against a read only replica.");
    }
    if standing.stale && !flags.is_some_and(|flags| flags.has(ScriptFlags::ALLOW_STALE)) {
        return Err("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.");
    }
    Ok(())
}

/// What is answered where there is no such script.
fn no_script(host: &dyn Host) -> &'static str {
    Texts::of(host.dialect()).no_script
}

/// Whether a request that must not write may run this script.
fn may_run(flags: Option<ScriptFlags>, read_only: bool) -> Result<(), &'static str> {
    if read_only && flags.is_some_and(|flags| !flags.has(ScriptFlags::NO_WRITES)) {
        return Err("ERR Can not execute a script with write flag using *_ro command.");
    }
    Ok(())
}

/// Runs what was prepared, and answers with what came of it.
#[allow(clippy::too_many_arguments)] // Each is one thing, and all but the last three belong to different owners.
fn run(
    state: &State,
    pulse: &Pulse,
    host: &mut dyn Host,
    script: &Prepared<'_>,
    read_only: bool,
    verbatim: bool,
    body: &Function,
    given: Given<'_>,
    reply: &mut Reply,
) -> Ran {
    let says_read_only = script.flags.is_some_and(|flags| flags.has(ScriptFlags::NO_WRITES));
    let mut run = Run {
        host,
        pulse,
        protocol: Protocol::Resp2,
        read_only: read_only || says_read_only,
        allows_full: script.flags.is_some_and(|flags| flags.has(ScriptFlags::ALLOW_OOM)),
        wrote: false,
        changed: false,
        verbatim,
        met_unknown: false,
        answer: Answer::Bytes(Vec::new()),
    };
    let ran = state.run(body, given, &mut run);
    let mut over = Ran { wrote: run.changed, met_unknown: run.met_unknown, ..Ran::default() };
    let protocol = run.protocol;
    let mark = reply.mark();
    let ran = ran.and_then(|(ok, value)| {
        if ok {
            over.own_errors = convert::to_reply(&state.lua, value, protocol, pulse, reply)?;
            return Ok(None);
        }
        Ok(Some(value))
    });
    let ended = pulse.over();
    if ended == Some(End::Again) {
        reply.rollback(mark);
        return Ran::again();
    }
    let answered = ran.and_then(|failed| {
        let Some(value) = failed else { return Ok(None) };
        let is_counted = match &value {
            mlua::Value::Table(error) => convert::is_counted(error)?,
            _ => false,
        };
        Ok(Some((error_line(script.name, run.texts(), &value, ended.map(End::text))?, is_counted)))
    });
    let failed = answered.unwrap_or_else(|error| {
        let text = ended.map_or_else(|| error.to_string(), End::text);
        Some((format!("ERR Error running script {}, {text}", script.name).into_bytes(), false))
    });
    if let Some((error, is_counted)) = failed {
        over.own_errors = if is_counted { Vec::new() } else { vec![error.clone()] };
        over.error = Some(error);
    }
    if let Some(error) = &over.error {
        reply.rollback(mark);
        reply.error_bytes(error);
    }
    over
}

#[cfg(test)]
mod tests;
