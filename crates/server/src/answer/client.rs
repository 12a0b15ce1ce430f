//! CLIENT: what connections say of themselves, and who may end them.
//!
//! Owns the subcommands and their answers. Never touches a socket: who is to end is told so, see [`crate::clients`].

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use commands::{Command, CommandError, Source};
use protocol::Reply;
use protocol::number::parse_int;

use super::client_filter::Filter;
use super::{Answered, Call, Then, error, lossy};
use crate::clients::{Client, Label};
use crate::pause::Paused;
use crate::session::Replies;

/// CLIENT HELP
pub(super) const HELP: &[(&str, &str)] = &[
    ("CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", ""),
    (
        "CAPA <capability> [<capability> ...]",
        "Says what the client can do. REDIRECT: it goes to the master when it is told to, as a replica of Valkey does \
         unless READONLY was sent.",
    ),
    ("CACHING YES|NO", "Whether keys of the next request are tracked, after OPTIN or OPTOUT."),
    ("GETNAME", "The name of this connection."),
    ("GETREDIR", "The client that is told of changed keys in place of this one."),
    ("ID", "The number of this connection."),
    ("IMPORT-SOURCE ON|OFF", "For a server in import mode, which no node of ours is in."),
    ("INFO", "This connection's line of CLIENT LIST."),
    ("KILL <ip:port>", "Ends the connection from there."),
    (
        "KILL <option> <value> [<option> <value> ...]",
        "Ends connections, chosen as by LIST; not this one, unless SKIPME no.",
    ),
    (
        "LIST [<option> <value> ...]",
        "The connections, one a line: by ID, TYPE, USER, ADDR, LADDR, IP, NAME, LIB-NAME, LIB-VER, FLAGS, DB, CAPA, \
         MAXAGE, IDLE, each also as NOT-...; SKIPME yes|no.",
    ),
    ("NO-EVICT ON|OFF", "Keeps this connection when clients have to go."),
    ("NO-TOUCH ON|OFF", "This connection's reads leave the age of keys alone."),
    ("PAUSE <timeout> [WRITE|ALL]", "Lets requests wait for so many milliseconds: those that write, or all."),
    ("REPLY ON|OFF|SKIP", "Whether this connection is answered."),
    ("SETINFO LIB-NAME|LIB-VER <value>", "Names the client's library."),
    ("SETNAME <name>", "Names this connection."),
    (
        "TRACKING ON|OFF [REDIRECT <id>] [BCAST] [PREFIX <prefix> ...] [OPTIN] [OPTOUT] [NOLOOP]",
        "Whether this connection is told which keys change.",
    ),
    ("TRACKINGINFO", "How this connection is told."),
    ("UNBLOCK <id> [TIMEOUT|ERROR]", "Wakes a connection that waits for a key."),
    ("UNPAUSE", "Ends a pause."),
];

/// CLIENT ID
pub(super) fn id(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    reply.int(i64::try_from(call.session.client().id).unwrap_or(i64::MAX));
    Ok(Then::Continue)
}

/// Who asks is told of with this request as its last; in a transaction, with EXEC.
fn is_asked_by(client: &Client, command: &'static Command) {
    if client.queued().is_none() {
        client.ran(command);
    }
}

/// CLIENT INFO
pub(super) fn info(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let client = call.session.client();
    is_asked_by(client, call.command);
    client.is_inside(call.words);
    let mut line = client.line(call.now.steady, call.node.dialect());
    client.is_inside(&[]);
    line.push('\n');
    reply.verbatim("txt", line.as_bytes());
    Ok(Then::Continue)
}

/// CLIENT LIST [option value ...]
pub(super) fn list(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let (own, now) = (call.session.client().id, call.now.steady);
    is_asked_by(call.session.client(), call.command);
    let filter = Filter::parse(call, call.args.as_slice(), true)?;
    let dialect = call.node.dialect();
    call.session.client().is_inside(call.words);
    let mut lines = String::new();
    for client in call.node.everyone(now) {
        if filter.chooses(&client, now) && !(filter.skips_caller == Some(true) && client.id == own) {
            lines.push_str(&client.line(now, dialect));
            lines.push('\n');
        }
    }
    call.session.client().is_inside(&[]);
    reply.verbatim("txt", lines.as_bytes());
    Ok(Then::Continue)
}

/// CLIENT KILL ip:port | CLIENT KILL <option> <value> ...
pub(super) fn kill(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    // With the token: what they have asked for is done when this is answered, or is not done. (A MIGRATE under way
    // alone comes to its end.)
    call.exactly(|_| kill_any(call, reply))
}

fn kill_any(call: &Call<'_>, reply: &mut Reply) -> Answered {
    let own = call.session.client().id;
    let mut victims = call.node.everyone(call.now.steady);
    if let [address] = call.args.as_slice() {
        let victim = victims.into_iter().find(|client| client.addr.to_string().as_bytes() == *address);
        let victim = victim.ok_or(CommandError::new("ERR No such client"))?;
        reply.ok();
        return Ok(end_any(call, &[victim]));
    }
    let filter = Filter::parse(call, call.args.as_slice(), false)?;
    let skips_caller = filter.skips_caller.unwrap_or(true);
    victims.retain(|client| filter.chooses(client, call.now.steady) && !(skips_caller && client.id == own));
    reply.len_int(victims.len());
    Ok(end_any(call, &victims))
}

/// Ends these, the connection to the master too.
fn end_any(call: &Call<'_>, victims: &[Arc<Client>]) -> Then {
    if victims.iter().any(|victim| victim.is_link) {
        call.node.upstream.cut();
    }
    end(call.session.client().id, victims)
}

/// Ends these; the caller's own connection ends after its answer.
pub(super) fn end(own: u64, victims: &[Arc<Client>]) -> Then {
    let mut then = Then::Continue;
    for victim in victims {
        if victim.id == own {
            then = Then::Close;
        } else {
            victim.end();
        }
    }
    then
}

/// A connection's name, if it may be one.
pub(super) fn valid_name(name: &[u8]) -> Result<Label, CommandError> {
    let error = "ERR Client names cannot contain spaces, newlines or special characters.";
    Label::new(name).ok_or(CommandError::new(error))
}

/// CLIENT SETNAME name
pub(super) fn setname(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let name = valid_name(call.args.get(0))?;
    call.session.client().rename(|names| names.name = name);
    reply.ok();
    Ok(Then::Continue)
}

/// CLIENT GETNAME
pub(super) fn getname(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let name = call.session.client().names().name;
    match name.as_bytes() {
        [] => reply.null(),
        name => reply.bulk(name),
    }
    Ok(Then::Continue)
}

/// CLIENT SETINFO LIB-NAME | LIB-VER value
pub(super) fn setinfo(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let option = call.args.get(0);
    let value = call.args.get(1);
    let is_name = option.eq_ignore_ascii_case(b"lib-name");
    if !is_name && !option.eq_ignore_ascii_case(b"lib-ver") {
        return Err(CommandError::naming("ERR Unrecognized option '", option, "'"));
    }
    let value = Label::new(value).ok_or_else(|| {
        error(format!("ERR {} cannot contain spaces, newlines or special characters.", lossy(option)))
    })?;
    call.session.client().rename(|names| {
        if is_name {
            names.lib_name = value;
        } else {
            names.lib_ver = value;
        }
    });
    reply.ok();
    Ok(Then::Continue)
}

/// ON or OFF.
fn on_off(word: &[u8]) -> Result<bool, CommandError> {
    if word.eq_ignore_ascii_case(b"on") {
        Ok(true)
    } else if word.eq_ignore_ascii_case(b"off") {
        Ok(false)
    } else {
        Err(CommandError::Syntax)
    }
}

/// CLIENT NO-EVICT ON | OFF
pub(super) fn no_evict(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    call.session.client().no_evict.store(on_off(call.args.get(0))?, Relaxed);
    reply.ok();
    Ok(Then::Continue)
}

/// CLIENT NO-TOUCH ON | OFF
pub(super) fn no_touch(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    call.session.client().no_touch.store(on_off(call.args.get(0))?, Relaxed);
    reply.ok();
    Ok(Then::Continue)
}

/// CLIENT REPLY ON | OFF | SKIP
pub(super) fn reply_mode(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let word = call.args.get(0);
    if word.eq_ignore_ascii_case(b"on") {
        call.session.replies = Replies::On;
        reply.ok();
    } else if word.eq_ignore_ascii_case(b"off") {
        call.session.replies = Replies::Off;
    } else if word.eq_ignore_ascii_case(b"skip") {
        if call.session.replies != Replies::Off {
            call.session.replies = Replies::SkipTwo;
        }
    } else {
        return Err(CommandError::Syntax);
    }
    Ok(Then::Continue)
}

/// CLIENT PAUSE timeout [WRITE | ALL]
pub(super) fn pause(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    if call.args.len() > 2 {
        return Err(CommandError::WrongSubcommand);
    }
    let paused = match call.args.opt(1) {
        None => Paused::Everything,
        Some(word) if word.eq_ignore_ascii_case(b"all") => Paused::Everything,
        Some(word) if word.eq_ignore_ascii_case(b"write") => Paused::Writes,
        Some(_) => return Err(CommandError::new("ERR CLIENT PAUSE mode must be WRITE or ALL")),
    };
    let millis = match parse_int(call.args.get(0)) {
        None => return Err(CommandError::new("ERR timeout is not an integer or out of range")),
        Some(millis) => u64::try_from(millis).map_err(|_| CommandError::new("ERR timeout is negative"))?,
    };
    // The moment, too, has to be one for a server, which counts in 64 bits.
    let fits =
        |millis: &u64| millis.checked_add_signed(call.now.wall.0).is_some_and(|at| i64::try_from(at).is_ok());
    let wait = Some(millis).filter(fits).map(Duration::from_millis);
    let until = wait.and_then(|wait| call.now.steady.checked_add(wait));
    let until = until.ok_or(CommandError::new("ERR timeout is out of range"))?;
    // With the token: whoever writes now has done so when this is answered.
    call.exactly(|_| call.node.pause.begin(paused, until));
    reply.ok();
    Ok(Then::Continue)
}

/// CLIENT UNPAUSE
pub(super) fn unpause(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    call.node.pause.end();
    reply.ok();
    Ok(Then::Continue)
}

/// MONITOR
pub(super) fn monitor(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    if matches!(call.source, Some(Source::Writer(_))) {
        return Err(CommandError::new("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    let hub = Arc::clone(&call.node.hub);
    if call.session.monitor(&hub) {
        reply.ok();
    }
    Ok(Then::Continue)
}

/// CLIENT CAPA capability ... What is not known is passed over, and none is ever taken back.
pub(super) fn capa(call: &Call<'_>, reply: &mut Reply) -> Answered {
    if call.args.iter().any(|word| word.eq_ignore_ascii_case(b"redirect")) {
        call.session.client().follows_redirects.store(true, Relaxed);
    }
    reply.ok();
    Ok(Then::Continue)
}

/// CLIENT IMPORT-SOURCE ON | OFF, for who fills a server that is in import mode: no node is.
pub(super) fn import_source(call: &Call<'_>, reply: &mut Reply) -> Answered {
    if !call.args.is_word(0, "off") {
        return Err(CommandError::new("ERR Server is not in import mode"));
    }
    reply.ok();
    Ok(Then::Continue)
}

/// CLIENT UNBLOCK id [TIMEOUT | ERROR]
pub(super) fn unblock(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let with_error = match call.args.as_slice() {
        [_] => false,
        [_, how] if how.eq_ignore_ascii_case(b"timeout") => false,
        [_, how] if how.eq_ignore_ascii_case(b"error") => true,
        [_, _] => return Err(CommandError::new("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")),
        _ => return Err(CommandError::WrongSubcommand),
    };
    let id = parse_int(call.args.get(0)).ok_or(CommandError::NotInteger)?;
    let was_blocked = u64::try_from(id).is_ok_and(|id| call.node.blocking.unblock(id, with_error));
    reply.int(i64::from(was_blocked));
    Ok(Then::Continue)
}
