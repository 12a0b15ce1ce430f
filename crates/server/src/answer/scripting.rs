//! EVAL, FCALL, SCRIPT, FUNCTION: what clients say to the scripting engine.
//!
//! Owns the subcommands' own texts. What needs the engine runs on a thread that may wait; KILL and STATS do not, so
//! that they are answered while a script runs.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use commands::function::{self, Change};
use commands::{CommandError, Role, Run, ServerCommand as S, Source};
use protocol::Reply;
use scripting::{Called, Kind, Named, Ran, Request, TimeLimits};
use storage::Writer;

use super::{Answered, Call, Then};
use crate::admission::READONLY;
use crate::exclusive;
use crate::scripts::{self, ClientHost};

/// What such a request names, if it runs a script.
pub(crate) fn called(server: S) -> Option<Called> {
    match server {
        S::Eval | S::EvalRo => Some(Called::Script(Named::ByText)),
        S::Evalsha | S::EvalshaRo => Some(Called::Script(Named::ByDigest)),
        S::Fcall | S::FcallRo => Some(Called::Function),
        _ => None,
    }
}

/// Works under the token: that of the transaction around it, or its own.
fn under_token(call: &mut Call<'_>, work: impl FnOnce(&mut Call<'_>, &Writer<'_>) -> Answered) -> Answered {
    match call.source {
        Some(Source::Writer(writer)) => work(call, writer),
        Some(Source::Reader(_)) | None => {
            let node = call.node;
            let writer = exclusive::hold_unless_busy(node).map_err(CommandError::new)?;
            let done = work(call, &writer);
            // A transaction does so at its own end.
            node.blocking.serve_ready(node, &writer);
            done
        }
    }
}

/// Runs a script for the client.
fn script(
    call: &mut Call<'_>,
    read_only: bool,
    run: impl FnOnce(&mut scripting::Engine, &mut ClientHost<'_>, &Request<'_>) -> Ran,
) -> Answered {
    under_token(call, |call, writer| {
        let node = call.node;
        let request = Request { words: call.words, read_only, limits: scripts::limits(node) };
        let mut engine = node.scripts.engine(node);
        let mut host = ClientHost::new(node, call.session, writer, call.now);
        let ran = run(&mut engine, &mut host, &request);
        ran.own_errors.iter().for_each(|error| node.stats.error(error));
        Ok(then(&ran))
    })
}

fn then(ran: &Ran) -> Then {
    if ran.rejected { Then::Rejected } else { Then::Continue }
}

/// How long an attempt may take. The script looks at the time every few µs, and what it calls every 30 µs or so.
const ATTEMPT_MAX: Duration = Duration::from_micros(100);
/// How many bytes it may be given, for the same reason: a command that goes through all of them is not ended on the
/// way.
pub(crate) const ATTEMPT_BYTES_MAX: usize = 32 * 1024;

/// Runs a script in a batch, which holds the token, if it turns out to be short and to do nothing but read. None where
/// it does not: then nothing has changed, and nothing is answered.
pub(crate) fn attempt(
    call: &mut Call<'_>,
    called: Called,
    writer: &Writer<'_>,
    reply: &mut Reply,
) -> Option<Answered> {
    if call.words.iter().map(|word| word.len()).sum::<usize>() > ATTEMPT_BYTES_MAX {
        return None;
    }
    let node = call.node;
    // Where what a script calls may have to be kept, it is measured with its words.
    if u128::from(node.settings.notable_nanos()) <= ATTEMPT_MAX.as_nanos() {
        return None;
    }
    let limits = TimeLimits { attempt: Some(ATTEMPT_MAX), ..scripts::limits(node) };
    let read_only = matches!(call.command.run, Run::Server(S::EvalRo | S::EvalshaRo | S::FcallRo));
    let request = Request { words: call.words, read_only, limits };
    let mut engine = node.scripts.try_engine(node)?;
    let mut host = ClientHost::new(node, call.session, writer, call.now).attempting();
    let ran = match called {
        Called::Script(named) => engine.eval(&mut host, named, &request, reply),
        Called::Function => engine.fcall(&mut host, &request, reply),
    };
    if ran.again {
        return None;
    }
    host.attempted();
    ran.own_errors.iter().for_each(|error| node.stats.error(error));
    Some(Ok(then(&ran)))
}

/// EVAL script numkeys [key …] [arg …], EVALSHA, EVAL_RO, EVALSHA_RO
pub(super) fn eval(call: &mut Call<'_>, named: Named, read_only: bool, reply: &mut Reply) -> Answered {
    script(call, read_only, |engine, host, request| engine.eval(host, named, request, reply))
}

/// FCALL function numkeys [key …] [arg …], FCALL_RO
pub(super) fn fcall(call: &mut Call<'_>, read_only: bool, reply: &mut Reply) -> Answered {
    script(call, read_only, |engine, host, request| engine.fcall(host, request, reply))
}

/// SCRIPT FLUSH [ASYNC | SYNC]
pub(super) fn script_flush(call: &Call<'_>, reply: &mut Reply) -> Answered {
    let args = call.args;
    let is_known =
        args.is_empty() || args.len() == 1 && (args.is_word(0, "async") || args.is_word(0, "sync"));
    if !is_known {
        return Err(CommandError::new("ERR SCRIPT FLUSH only support SYNC|ASYNC option"));
    }
    call.node.scripts.engine(call.node).flush_scripts();
    reply.ok();
    Ok(Then::Continue)
}

/// SCRIPT EXISTS sha1 [sha1 …]
pub(super) fn script_exists(call: &Call<'_>, reply: &mut Reply) -> Answered {
    let engine = call.node.scripts.engine(call.node);
    reply.array(call.args.len());
    call.args.iter().for_each(|digest| reply.int(engine.knows_script(digest).into()));
    Ok(Then::Continue)
}

/// SCRIPT LOAD script
pub(super) fn script_load(call: &Call<'_>, reply: &mut Reply) -> Answered {
    let loaded = call.node.scripts.engine(call.node).load_script(call.args.get(0));
    reply.bulk(loaded.map_err(CommandError::Bytes)?.as_bytes());
    Ok(Then::Continue)
}

/// SCRIPT SHOW sha1
pub(super) fn script_show(call: &Call<'_>, reply: &mut Reply) -> Answered {
    let text = call.node.scripts.engine(call.node).script(call.args.get(0));
    reply.bulk(&text.ok_or(CommandError::new("NOSCRIPT No matching script."))?);
    Ok(Then::Continue)
}

/// SCRIPT KILL, FUNCTION KILL
pub(super) fn kill(call: &Call<'_>, kind: Kind, reply: &mut Reply) -> Answered {
    call.node.scripts.pulse.kill(kind).map_err(CommandError::new)?;
    reply.ok();
    Ok(Then::Continue)
}

/// SCRIPT DEBUG YES | SYNC | NO: there is no debugger here.
pub(super) fn script_debug(call: &Call<'_>, reply: &mut Reply) -> Answered {
    if call.args.is_word(0, "no") {
        reply.ok();
        return Ok(Then::Continue);
    }
    Err(CommandError::new(if call.args.is_word(0, "yes") || call.args.is_word(0, "sync") {
        "ERR there is no script debugger here"
    } else {
        "ERR Use SCRIPT DEBUG YES/SYNC/NO"
    }))
}

/// FUNCTION LOAD, DELETE, FLUSH, RESTORE: what is loaded must come to run first.
pub(super) fn change(call: &mut Call<'_>, change: Change, reply: &mut Reply) -> Answered {
    under_token(call, |call, writer| {
        let node = call.node;
        // Asked again under the token: a REPLICAOF may have come between.
        if !node.upstream.is_writable() {
            return Err(CommandError::new(READONLY));
        }
        let functions =
            function::changed(writer.functions(), change, call.args, (Role::Master, node.dialect()), reply)?;
        let mut engine = node.scripts.engine(node);
        engine.follow(writer.functions(), &scripts::log);
        if matches!(change, Change::Load | Change::Restore) {
            engine.check(&functions, &scripts::log).map_err(CommandError::Bytes)?;
        }
        writer.set_functions(functions);
        engine.follow(writer.functions(), &scripts::log);
        Ok(Then::Continue)
    })
}

/// FUNCTION LIST [LIBRARYNAME library-name-pattern] [WITHCODE]
pub(super) fn list(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    under_token(call, |call, writer| {
        let node = call.node;
        let mut engine = node.scripts.engine(node);
        engine.follow(writer.functions(), &scripts::log);
        function::list(writer.functions(), call.args, reply, |library, reply| {
            let registered = engine.functions_of(library);
            reply.array(registered.len());
            for function in registered {
                reply.map(3);
                reply.bulk(b"name");
                reply.bulk(&function.name);
                reply.bulk(b"description");
                reply.bulk_or_null(function.description.as_deref());
                reply.bulk(b"flags");
                reply.set(function.flags.names().count());
                function.flags.names().for_each(|name| reply.simple(name));
            }
        })?;
        Ok(Then::Continue)
    })
}

/// FUNCTION STATS
pub(super) fn stats(call: &Call<'_>, reply: &mut Reply) -> Answered {
    let scripts = &call.node.scripts;
    let running = scripts.pulse.running();
    if running.as_ref().is_some_and(|(running, _)| running.function.is_none())
        && let Some(text) = scripts.pulse.busy_text()
    {
        reply.error(text);
        return Ok(Then::Rejected);
    }
    reply.map(2);
    reply.bulk(b"running_script");
    match running {
        Some((running, time)) if running.function.is_some() => {
            reply.map(3);
            reply.bulk(b"name");
            reply.bulk(running.function.as_deref().unwrap_or_default());
            reply.bulk(b"command");
            reply.array(running.request.len());
            running.request.iter().for_each(|word| reply.bulk(word));
            reply.bulk(b"duration_ms");
            reply.int(i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
        }
        _ => reply.null(),
    }
    reply.bulk(b"engines");
    reply.map(1);
    reply.bulk(b"LUA");
    reply.map(2);
    reply.bulk(b"libraries_count");
    reply.len_int(scripts.figures.libraries.load(Relaxed));
    reply.bulk(b"functions_count");
    reply.len_int(scripts.figures.functions.load(Relaxed));
    Ok(Then::Continue)
}

/// SCRIPT HELP
pub(super) const SCRIPT_HELP: &[(&str, &str)] = &[
    ("SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", ""),
    ("DEBUG (YES|SYNC|NO)", "There is no script debugger here."),
    ("EXISTS <sha1> [<sha1> ...]", "Which of these scripts are known."),
    ("FLUSH [ASYNC|SYNC]", "Forgets all scripts."),
    ("KILL", "Ends the script that runs, unless it has written."),
    ("LOAD <script>", "Keeps a script without running it."),
    ("SHOW <sha1>", "The text of a script."),
];

/// FUNCTION HELP
pub(super) const FUNCTION_HELP: &[(&str, &str)] = &[
    ("FUNCTION <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", ""),
    ("DELETE <library>", "Removes a library."),
    ("DUMP", "All libraries, for FUNCTION RESTORE."),
    ("FLUSH [ASYNC|SYNC]", "Removes all libraries."),
    ("KILL", "Ends the function that runs, unless it has written."),
    ("LIST [LIBRARYNAME <pattern>] [WITHCODE]", "The libraries and their functions."),
    ("LOAD [REPLACE] <code>", "Adds a library."),
    ("RESTORE <payload> [FLUSH|APPEND|REPLACE]", "Adds the libraries of FUNCTION DUMP."),
    ("STATS", "The function that runs, and how many there are."),
];
