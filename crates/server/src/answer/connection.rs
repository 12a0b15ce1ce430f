//! AUTH, HELLO, SELECT and the like: who a connection is and what it speaks.
//!
//! Owns the answers. Never checks a password itself: see [`crate::acl`].

use std::sync::atomic::Ordering::Relaxed;

use commands::CommandError;
use protocol::number::parse_int;
use protocol::{Protocol, Reply};
use storage::DbIndex;

use super::{Answered, Call, Then};
use crate::acl::{DEFAULT, Place, Reason, Refusal};
use crate::admission;
use crate::clock;
use crate::upstream::Role;

const WRONGPASS: CommandError =
    CommandError::new("WRONGPASS invalid username-password pair or user is disabled.");

/// AUTH [username] password
pub(super) fn auth(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let (user, password) = match call.args.as_slice() {
        [password] => {
            if call.node.acl.is_open() {
                return Err(CommandError::new(
                    "ERR AUTH <password> called without any password configured for the default user. Are you \
                     sure your configuration is correct?",
                ));
            }
            (DEFAULT, *password)
        }
        [user, password] => (*user, *password),
        _ => return Err(CommandError::Syntax),
    };
    authenticate(call, user, password)?;
    reply.ok();
    Ok(Then::Continue)
}

/// Lets the connection in, or says that these are no user's name and password.
fn authenticate(call: &mut Call<'_>, name: &[u8], password: &[u8]) -> Result<(), CommandError> {
    let Some(user) = call.node.acl.authenticate(name, password) else {
        let client = call.session.client();
        client.ran(call.command);
        let refusal = Refusal {
            reason: Reason::Auth,
            place: if call.session.transaction.is_some() { Place::Multi } else { Place::Toplevel },
            // AUTH or HELLO, as it was written.
            object: call.words.first().copied().unwrap_or_default().to_vec(),
            user: name.to_vec(),
            client: client.line(call.now.steady, call.node.dialect()),
        };
        admission::note(call.node, refusal);
        return Err(WRONGPASS);
    };
    call.session.become_user(user);
    Ok(())
}

/// HELLO [protover [AUTH username password] [SETNAME clientname]]
pub(super) fn hello(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let protocol = match call.args.opt(0) {
        None => call.session.protocol(),
        Some(version) => match parse_int(version) {
            Some(2) => Protocol::Resp2,
            Some(3) => Protocol::Resp3,
            Some(_) => return Err(CommandError::new("NOPROTO unsupported protocol version")),
            None => {
                return Err(CommandError::new("ERR Protocol version is not an integer or out of range"));
            }
        },
    };
    let mut name = None;
    let mut credentials = None;
    let mut rest = call.args.from(1).as_slice();
    while let [option, after @ ..] = rest {
        rest = match after {
            [user, password, after @ ..] if option.eq_ignore_ascii_case(b"auth") => {
                credentials = Some((*user, *password));
                after
            }
            [given, after @ ..] if option.eq_ignore_ascii_case(b"setname") => {
                name = Some(super::client::valid_name(given)?);
                after
            }
            _ => return Err(CommandError::naming("ERR Syntax error in HELLO option '", option, "'")),
        };
    }
    if let Some((user, password)) = credentials {
        authenticate(call, user, password)?;
    }
    if !call.session.is_authenticated() && !call.node.acl.admits_strangers() {
        return Err(CommandError::new(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH \
             <user> <pass> option can be used to authenticate the client and select the RESP protocol version at \
             the same time",
        ));
    }
    if let Some(name) = name {
        call.session.client().rename(|names| names.name = name);
    }
    call.session.speak(protocol, reply);
    let own = call.node.dialect().valkey_version();
    let server = if own.is_some() { "valkey" } else { "redis" };
    let version = own.unwrap_or_else(|| call.node.settings.read().report_version.clone());
    let zone = Some(call.node.settings.read().availability_zone.clone())
        .filter(|zone| server == "valkey" && !zone.is_empty());
    let role = match call.node.upstream.role() {
        Role::Master => "master",
        Role::Replica(_) => "replica",
    };
    reply.map(7 + usize::from(zone.is_some()));
    let mut pair = |key: &str, value: &str| {
        reply.bulk(key.as_bytes());
        reply.bulk(value.as_bytes());
    };
    pair("server", server);
    pair("version", &version);
    reply.bulk(b"proto");
    reply.int(if protocol == Protocol::Resp3 { 3 } else { 2 });
    reply.bulk(b"id");
    reply.int(i64::try_from(call.session.client().id).unwrap_or(i64::MAX));
    let mut pair = |key: &str, value: &str| {
        reply.bulk(key.as_bytes());
        reply.bulk(value.as_bytes());
    };
    pair("mode", "standalone");
    pair("role", role);
    reply.bulk(b"modules");
    reply.array(0);
    if let Some(zone) = zone {
        reply.bulk(b"availability_zone");
        reply.bulk(zone.as_bytes());
    }
    Ok(Then::Continue)
}

/// PING [message]
pub(super) fn ping(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    match call.args.as_slice() {
        args @ ([] | [_]) if call.session.hears_only() => {
            // Clients of RESP2 that are subscribed take everything for a message.
            reply.array(2);
            reply.bulk(b"pong");
            reply.bulk(args.first().copied().unwrap_or_default());
        }
        [] => reply.simple("PONG"),
        [message] => reply.bulk(message),
        _ => return Err(CommandError::WrongArity(call.command.name)),
    }
    Ok(Then::Continue)
}

/// ECHO message
pub(super) fn echo(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    reply.bulk(call.args.get(0));
    Ok(Then::Continue)
}

/// READONLY, READWRITE: whether reads are wanted of a replica by a client that could go to the master instead. Redis
/// knows both in cluster mode only.
pub(super) fn read_only(call: &Call<'_>, is_wanted: bool, reply: &mut Reply) -> Answered {
    if !call.node.dialect().is_valkey() {
        return Err(super::CLUSTER_DISABLED);
    }
    call.session.client().read_only.store(is_wanted, Relaxed);
    reply.ok();
    Ok(Then::Continue)
}

/// SELECT index
pub(super) fn select(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let index = parse_int(call.args.get(0)).ok_or(CommandError::NotInteger)?;
    let index = i32::try_from(index).map_err(|_| CommandError::BeyondInt)?;
    let index = u32::try_from(index)
        .ok()
        .filter(|index| *index < call.node.databases)
        .ok_or(CommandError::new("ERR DB index is out of range"))?;
    call.session.select(DbIndex(index));
    reply.ok();
    Ok(Then::Continue)
}

/// QUIT. Who monitors is not shown its own.
pub(super) fn quit(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    call.session.ends_monitor();
    reply.ok();
    Ok(Then::Close)
}

/// RESET
pub(super) fn reset(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    call.session.reset(&call.node.acl, reply);
    reply.simple("RESET");
    Ok(Then::Continue)
}

/// TIME
pub(super) fn time(reply: &mut Reply) -> Answered {
    let micros = clock::unix_micros();
    reply.array(2);
    reply.bulk_int(micros / 1_000_000);
    reply.bulk_int(micros % 1_000_000);
    Ok(Then::Continue)
}

/// SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]
pub(super) fn shutdown(call: &mut Call<'_>) -> Answered {
    let mut words = [false; 5];
    for word in call.args.iter() {
        let place = ["nosave", "save", "now", "force", "abort"]
            .iter()
            .position(|known| word.eq_ignore_ascii_case(known.as_bytes()))
            .ok_or(CommandError::Syntax)?;
        if let Some(said) = words.get_mut(place) {
            *said = true;
        }
    }
    let [nosave, save, now, force, abort] = words;
    if (nosave && save) || (abort && (nosave || save || now || force)) {
        return Err(CommandError::Syntax);
    }
    if abort {
        return Err(CommandError::new("ERR No shutdown in progress."));
    }
    let asked = if nosave { Some(false) } else { save.then_some(true) };
    let said = if nosave {
        "NOSAVE"
    } else if save {
        "SAVE"
    } else {
        "where save points are set"
    };
    tracing::info!(client = %call.session.client().addr, save = said, "a client asked to shut down");
    if crate::save::save_before_end(call.node, asked).is_err() && !force {
        return Err(CommandError::new("ERR Errors trying to SHUTDOWN. Check logs."));
    }
    call.node.shutdown.begin();
    Ok(Then::Close)
}
