//! ACL: the users, what each may do, and what was refused.
//!
//! Owns the subcommands and their answers. Never decides what a user may do: see [`crate::acl`].

use std::sync::Arc;

use commands::{Category, CommandError, Dialect, Unresolved, printed, table};
use protocol::Reply;
use protocol::number::parse_int;
use storage::score::{DoubleForm, format_double};

use super::{Answered, Call, Then, error};
use crate::acl::{self, DEFAULT, Entry, Selector, SetError, User};
use crate::clients::Client;
use crate::hub::Sort;

/// ACL HELP
pub(super) const HELP: &[(&str, &str)] = &[
    ("ACL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", ""),
    ("CAT [<category>]", "The categories of commands, or the commands of one."),
    ("DELUSER <username> [<username> ...]", "Removes users, and ends their connections."),
    ("DRYRUN <username> <command> [<arg> ...]", "Whether the user might run this."),
    ("GENPASS [<bits>]", "A password by chance."),
    ("GETUSER <username>", "What a user is and may do."),
    ("LIST", "The users, as the file of users has them."),
    ("LOAD", "Takes the users of the file of users in place of those there are."),
    ("LOG [<count> | RESET]", "What was refused lately."),
    ("SAVE", "Writes the users to the file of users."),
    ("SETUSER <username> <rule> [<rule> ...]", "Makes a user or changes it."),
    ("USERS", "The names of the users."),
    ("WHOAMI", "The name of this connection's user."),
];

/// What is answered where there is no file of users.
fn no_file(dialect: Dialect) -> CommandError {
    CommandError::new(if dialect.is_valkey() {
        "ERR This instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER \
         command and then issue a CONFIG REWRITE (assuming you have a configuration file set) in order to store users in \
         the configuration."
    } else {
        "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER \
         command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store \
         users in the Redis configuration."
    })
}

/// Entries of ACL LOG that are answered when nobody says how many.
const LOG_ENTRIES: usize = 10;
/// The longest password of ACL GENPASS, in bits.
const GENPASS_BITS_MAX: i64 = 4096;

/// A text that repeats bytes, which may be no UTF-8.
fn error_of(parts: &[&[u8]]) -> CommandError {
    let printed: Vec<&[u8]> = parts.iter().map(|part| commands::printed(part)).collect();
    CommandError::Bytes(printed.concat())
}

/// ACL WHOAMI
pub(super) fn whoami(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    reply.bulk(&call.session.user().name);
    Ok(Then::Continue)
}

/// ACL USERS
pub(super) fn users(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let all = call.node.acl.all();
    reply.array(all.len());
    all.iter().for_each(|user| reply.bulk(&user.name));
    Ok(Then::Continue)
}

/// ACL LIST
pub(super) fn list(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let all = call.node.acl.all();
    reply.array(all.len());
    let dialect = call.node.dialect();
    all.iter().for_each(|user| reply.bulk(&user.line(dialect)));
    Ok(Then::Continue)
}

/// ACL GETUSER username
pub(super) fn getuser(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let Some(user) = call.node.acl.find(call.args.get(0)) else {
        reply.null();
        return Ok(Then::Continue);
    };
    let dialect = call.node.dialect();
    reply.map(fields_of(user.root(), dialect) + 3);
    reply.bulk(b"flags");
    reply.set(user.flags(dialect).count());
    user.flags(dialect).for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.bulk(b"passwords");
    let hashes = user.password_hashes();
    reply.array(hashes.len());
    hashes.for_each(|hash| reply.bulk(hash.as_bytes()));
    selector_of(user.root(), dialect, reply);
    reply.bulk(b"selectors");
    reply.array(user.others().len());
    for selector in user.others() {
        reply.map(fields_of(selector, dialect));
        selector_of(selector, dialect, reply);
    }
    Ok(Then::Continue)
}

/// The databases of a selector, as they are told; where there is no such rule, only when they are not all.
fn databases_of(selector: &Selector, dialect: Dialect) -> Option<Vec<u8>> {
    selector.describe_databases().or(dialect.has_users_of_databases().then(|| b"alldbs".to_vec()))
}

/// How many fields a selector has.
fn fields_of(selector: &Selector, dialect: Dialect) -> usize {
    3 + usize::from(databases_of(selector, dialect).is_some())
}

/// The fields of a selector.
fn selector_of(selector: &Selector, dialect: Dialect, reply: &mut Reply) {
    reply.bulk(b"commands");
    reply.bulk(selector.commands.description().as_bytes());
    reply.bulk(b"keys");
    reply.bulk(&selector.describe_keys());
    reply.bulk(b"channels");
    reply.bulk(&selector.describe_channels());
    if let Some(databases) = databases_of(selector, dialect) {
        reply.bulk(b"databases");
        reply.bulk(&databases);
    }
}

/// Changes users where nobody reads or writes: what they have asked for is done when this is answered, or is asked
/// again whether they may.
fn exactly<R>(call: &Call<'_>, change: impl FnOnce() -> R) -> R {
    call.exactly(|writer| {
        let _nobody_reads = writer.close_gate();
        change()
    })
}

/// ACL SETUSER username rule ...
pub(super) fn setuser(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let (name, rules) = (call.args.get(0), call.args.from(1).as_slice());
    let channels = call.node.settings.read().acl_pubsub_default;
    let changed = exactly(call, || call.node.acl.set(name, rules, channels));
    changed.map_err(|error| match error {
        SetError::Name => CommandError::new("ERR Usernames can't contain spaces or null characters"),
        SetError::Unclosed(word) => {
            error_of(&[b"ERR Unmatched parenthesis in acl selector starting at '", word, b"'."])
        }
        SetError::Rule(rule, why) => {
            error_of(&[b"ERR Error in ACL SETUSER modifier '", &rule, b"': ", why.to_string().as_bytes()])
        }
    })?;
    reply.ok();
    Ok(end_who_may_hear_no_more(call))
}

/// Ends the connections that are subscribed to what their users may not hear any more.
fn end_who_may_hear_no_more(call: &Call<'_>) -> Then {
    let acl = &call.node.acl;
    let may_not = |client: &Client, sort, name: &[u8]| {
        let user = acl.find(client.names().user());
        user.is_some_and(|user| !user.may_hear(name, sort == Sort::Pattern))
    };
    super::client::end(call.session.client().id, &call.node.hub.clients_with(may_not))
}

/// ACL DELUSER username ...
pub(super) fn deluser(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let names = call.args.as_slice();
    if names.contains(&DEFAULT) {
        return Err(CommandError::new("ERR The 'default' user cannot be removed"));
    }
    exactly(call, || {
        reply.len_int(call.node.acl.remove(names));
        end_who_is_gone(call);
    });
    Ok(Then::Continue)
}

/// Ends the connections of users that are gone. The caller's own ends once it is answered, as its next request would
/// find.
fn end_who_is_gone(call: &Call<'_>) {
    let own = call.session.client().id;
    let is_gone =
        |client: &Arc<Client>| client.names().user.is_some_and(|user| call.node.acl.renewed(&user).is_none());
    for client in call.node.clients.list() {
        if client.id != own && is_gone(&client) {
            client.end();
        }
    }
}

/// ACL LOAD
pub(super) fn load(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    if !call.node.acl.has_file() {
        return Err(no_file(call.node.dialect()));
    }
    let channels = call.node.settings.read().acl_pubsub_default;
    let loaded = call.node.acl.read_file(channels).map_err(|why| error(format!("ERR {why}")))?;
    exactly(call, || {
        loaded.into_iter().for_each(|loaded| call.node.acl.take(loaded));
        end_who_is_gone(call);
    });
    reply.ok();
    Ok(end_who_may_hear_no_more(call))
}

/// ACL SAVE
pub(super) fn save(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    if !call.node.acl.has_file() {
        return Err(no_file(call.node.dialect()));
    }
    call.node.acl.save(call.node.dialect()).map_err(|error| {
        tracing::warn!(%error, "the users could not be saved");
        CommandError::new(
            "ERR There was an error trying to save the ACLs. Please check the server logs for more information",
        )
    })?;
    reply.ok();
    Ok(Then::Continue)
}

/// So much of a category is repeated where there is none of that name.
const CATEGORY_BYTES_MAX: usize = 128;

/// ACL CAT [category]
pub(super) fn cat(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    match call.args.as_slice() {
        [] => {
            let names = Category::names();
            reply.array(names.len());
            names.for_each(|name| reply.bulk(name.as_bytes()));
        }
        [name] => {
            let known = printed(name);
            let known = known.get(..CATEGORY_BYTES_MAX).unwrap_or(known);
            let category =
                Category::find(name).ok_or_else(|| error_of(&[b"ERR Unknown category '", known, b"'"]))?;
            let found = || table::COMMANDS.iter().filter(|command| category.has(command));
            reply.array(found().count());
            found().for_each(|command| reply.bulk(command.name.as_bytes()));
        }
        _ => return Err(CommandError::WrongSubcommand),
    }
    Ok(Then::Continue)
}

/// ACL GENPASS [bits]
pub(super) fn genpass(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let bits = match call.args.as_slice() {
        [] => 256,
        [bits] => parse_int(bits).ok_or(CommandError::NotInteger)?,
        _ => return Err(CommandError::WrongSubcommand),
    };
    let digits = usize::try_from(bits)
        .ok()
        .filter(|_| (1..=GENPASS_BITS_MAX).contains(&bits))
        .map(|bits| bits.div_ceil(4))
        .ok_or(CommandError::new(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096",
        ))?;
    let mut chance = vec![0; digits.div_ceil(2)];
    getrandom::fill(&mut chance)
        .map_err(|why| error(format!("ERR the system gives no random numbers: {why}")))?;
    let text: String = chance.iter().map(|byte| format!("{byte:02x}")).collect();
    reply.bulk(text.get(..digits).unwrap_or_default().as_bytes());
    Ok(Then::Continue)
}

/// ACL DRYRUN username command [arg ...]
pub(super) fn dryrun(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let name = call.args.get(0);
    let user: Arc<User> =
        call.node.acl.find(name).ok_or_else(|| error_of(&[b"ERR User '", name, b"' not found"]))?;
    let words = call.args.from(1);
    let (command, args) = commands::resolve(words.as_slice()).map_err(|unresolved| match unresolved {
        Unresolved::WrongArity(_) => CommandError::Bytes(unresolved.text(words.as_slice())),
        Unresolved::UnknownCommand | Unresolved::UnknownSubcommand => {
            error_of(&[b"ERR Command '", words.get(0), b"' not found"])
        }
    })?;
    match acl::check(&user, command, args, call.session.db()) {
        Ok(()) => reply.ok(),
        Err(denial) => reply.bulk(&denial.whole_text(&user, command, args)),
    }
    Ok(Then::Continue)
}

/// ACL LOG [count | RESET]
pub(super) fn log(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let log = &call.node.acl.log;
    let count = match call.args.as_slice() {
        [] => LOG_ENTRIES,
        [word] if word.eq_ignore_ascii_case(b"reset") => {
            log.clear();
            reply.ok();
            return Ok(Then::Continue);
        }
        // Fewer than none is none.
        [count] => usize::try_from(parse_int(count).ok_or(CommandError::NotInteger)?).unwrap_or_default(),
        _ => return Err(CommandError::WrongSubcommand),
    };
    let entries = log.newest(count);
    reply.array(entries.len());
    entries.iter().for_each(|entry| log_entry(entry, call, reply));
    Ok(Then::Continue)
}

fn log_entry(entry: &Entry, call: &Call<'_>, reply: &mut Reply) {
    let refusal = &entry.refusal;
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    reply.map(10);
    reply.bulk(b"count");
    reply.int(number(entry.count));
    for (name, value) in [
        ("reason", refusal.reason.word().as_bytes()),
        ("context", refusal.place.word().as_bytes()),
        ("object", &refusal.object),
        ("username", &refusal.user),
    ] {
        reply.bulk(name.as_bytes());
        reply.bulk(value);
    }
    reply.bulk(b"age-seconds");
    let age = call.now.wall.0.saturating_sub(entry.updated.0).max(0) as f64 / 1000.0;
    reply.double_text(format_double(age, DoubleForm::Shortest).as_bytes());
    reply.bulk(b"client-info");
    reply.bulk(refusal.client.as_bytes());
    reply.bulk(b"entry-id");
    reply.int(number(entry.id));
    for (name, at) in [("timestamp-created", entry.created), ("timestamp-last-updated", entry.updated)] {
        reply.bulk(name.as_bytes());
        reply.int(at.0);
    }
}
