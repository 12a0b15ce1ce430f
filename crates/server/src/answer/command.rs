//! COMMAND: the command table, as clients read it.

use commands::spec::{Begin, Categories, Find, Flags, KeyFlags, KeySpec};
use commands::{Command, CommandError, Group, Run, table};
use protocol::Reply;
use storage::glob;

use super::{Answered, Call, Then};

/// COMMAND HELP
pub(super) const HELP: &[(&str, &str)] = &[
    ("COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", ""),
    ("(no subcommand)", "Every command, with its arity, flags and keys."),
    ("COUNT", "How many commands there are."),
    ("DOCS [<command-name> ...]", "Group and first version of commands."),
    ("GETKEYS <full-command>", "The keys of a request."),
    ("GETKEYSANDFLAGS <full-command>", "The keys of a request, and what is done to them."),
    ("INFO [<command-name> ...]", "Arity, flags and keys of commands."),
    ("LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]", "The names of commands."),
];

/// Commands that are no subcommands.
fn tops() -> impl Iterator<Item = &'static Command> + Clone {
    table::COMMANDS.iter().filter(|command| command.container().is_none())
}

/// A command, or a subcommand under `container|sub`.
fn named(name: &[u8]) -> Option<&'static Command> {
    commands::find(name)
}

/// COMMAND
pub(super) fn all(reply: &mut Reply) -> Answered {
    reply.array(tops().count());
    tops().for_each(|command| describe(command, reply));
    Ok(Then::Continue)
}

/// COMMAND COUNT
pub(super) fn count(reply: &mut Reply) -> Answered {
    reply.len_int(tops().count());
    Ok(Then::Continue)
}

/// COMMAND INFO [name ...]
pub(super) fn info(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    if call.args.is_empty() {
        return all(reply);
    }
    reply.array(call.args.len());
    for name in call.args.iter() {
        match named(name) {
            Some(command) => describe(command, reply),
            None => reply.null_array(),
        }
    }
    Ok(Then::Continue)
}

/// COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN pattern]
pub(super) fn list(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let all = || table::COMMANDS.iter();
    let chosen: Vec<&Command> = match call.args.as_slice() {
        [] => tops().collect(),
        [by, what, name] if by.eq_ignore_ascii_case(b"filterby") => {
            match what.to_ascii_lowercase().as_slice() {
                b"module" => Vec::new(),
                b"aclcat" => {
                    let name = name.to_ascii_lowercase();
                    all()
                        .filter(|command| categories(command).iter().any(|known| known.as_bytes() == name))
                        .collect()
                }
                b"pattern" => all()
                    .filter(|command| glob::matches_ignoring_case(name, command.name.as_bytes()))
                    .collect(),
                _ => return Err(CommandError::Syntax),
            }
        }
        _ => return Err(CommandError::Syntax),
    };
    reply.array(chosen.len());
    for command in chosen {
        reply.bulk(command.name.as_bytes());
    }
    Ok(Then::Continue)
}

/// COMMAND DOCS [name ...]
pub(super) fn docs(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let chosen: Vec<&Command> = match call.args.is_empty() {
        true => tops().collect(),
        false => call.args.iter().filter_map(named).collect(),
    };
    reply.map(chosen.len());
    for command in chosen {
        document(command, reply);
    }
    Ok(Then::Continue)
}

fn document(command: &Command, reply: &mut Reply) {
    reply.bulk(command.name.as_bytes());
    let subcommands: Vec<_> = subcommands(command).collect();
    reply.map(if subcommands.is_empty() { 3 } else { 4 });
    reply.bulk(b"summary");
    reply.bulk(b"");
    reply.bulk(b"since");
    reply.bulk(command.since.as_bytes());
    reply.bulk(b"group");
    reply.bulk(group(command.group).as_bytes());
    if !subcommands.is_empty() {
        reply.bulk(b"subcommands");
        reply.map(subcommands.len());
        subcommands.iter().for_each(|subcommand| document(subcommand, reply));
    }
}

/// COMMAND GETKEYS name arg ...
pub(super) fn getkeys(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let found = keys_of(call)?;
    reply.array(found.len());
    for (key, _) in found {
        reply.bulk(key);
    }
    Ok(Then::Continue)
}

/// COMMAND GETKEYSANDFLAGS name arg ...
pub(super) fn getkeysandflags(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let found = keys_of(call)?;
    reply.array(found.len());
    for (key, flags) in found {
        reply.array(2);
        reply.bulk(key);
        key_flags(flags, reply);
    }
    Ok(Then::Continue)
}

fn keys_of<'a>(call: &Call<'a>) -> Result<Vec<(&'a [u8], KeyFlags)>, CommandError> {
    let (command, args) = match commands::resolve(call.args.as_slice()) {
        Ok(found) => found,
        Err(commands::Unresolved::WrongArity(command)) if command.has_keys() => {
            return Err(CommandError::new("ERR Invalid number of arguments specified for command"));
        }
        Err(commands::Unresolved::WrongArity(_)) => return Err(NO_KEYS),
        Err(_) => return Err(CommandError::new("ERR Invalid command specified")),
    };
    if !command.has_keys() {
        return Err(NO_KEYS);
    }
    let found = command
        .keys_of(&args)
        .map_err(|_| CommandError::new("ERR Invalid arguments specified for command"))?;
    if found.is_empty() && !command.flags.contains(Flags::NO_MANDATORY_KEYS) {
        return Err(NO_KEYS);
    }
    Ok(found.into_iter().map(|key| (args.get(key.index), key.flags)).collect())
}

const NO_KEYS: CommandError = CommandError::new("ERR The command has no key arguments");

/// What COMMAND INFO says of one command.
fn describe(command: &Command, reply: &mut Reply) {
    let (first, last, step) = legacy_range(command);
    reply.array(10);
    reply.bulk(command.name.as_bytes());
    reply.int(i64::from(command.arity));
    let flags = flag_names(command.flags);
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.simple(flag));
    reply.int(first);
    reply.int(last);
    reply.int(step);
    let categories = categories(command);
    reply.set(categories.len());
    categories.iter().for_each(|category| reply.simple(&format!("@{category}")));
    reply.set(0);
    reply.set(command.keys.len());
    command.keys.iter().for_each(|spec| describe_keys(spec, reply));
    let subcommands: Vec<_> = subcommands(command).collect();
    if subcommands.is_empty() {
        reply.set(0);
    } else {
        reply.array(subcommands.len());
        subcommands.iter().for_each(|subcommand| describe(subcommand, reply));
    }
}

fn subcommands(command: &Command) -> impl Iterator<Item = &'static Command> {
    let is_container = command.has_subcommands();
    table::subcommands(command).filter(move |_| is_container)
}

/// First key, last key and step, as they were told before there were key specifications.
fn legacy_range(command: &Command) -> (i64, i64, i64) {
    let plain: Vec<_> = command
        .keys
        .iter()
        .filter_map(|spec| match (spec.begin, spec.find) {
            (Begin::Index(first), Find::Range { last, step, limit: _ }) => {
                let last = if last < 0 { i64::from(last) } else { i64::from(first) + i64::from(last) };
                Some((i64::from(first), last, i64::from(step)))
            }
            _ => None,
        })
        .collect();
    match plain.as_slice() {
        [] => (0, 0, 0),
        [one] => *one,
        // Several ranges that follow each other read as one.
        [(first, ..), rest @ ..] => {
            let mut last = plain.first().map_or(0, |range| range.1);
            for (next_first, next_last, next_step) in rest {
                if *next_step != 1 || last < 0 || *next_first != last + 1 {
                    break;
                }
                last = *next_last;
            }
            (*first, last, plain.first().map_or(1, |range| range.2))
        }
    }
}

fn describe_keys(spec: &KeySpec, reply: &mut Reply) {
    reply.map(3);
    reply.bulk(b"flags");
    key_flags(spec.flags, reply);
    reply.bulk(b"begin_search");
    match spec.begin {
        Begin::Index(index) => described(reply, "index", &[("index", Told::Number(index))]),
        Begin::Keyword(keyword, from) => described(
            reply,
            "keyword",
            &[("keyword", Told::Word(keyword)), ("startfrom", Told::Number(from))],
        ),
        Begin::Unknown => described(reply, "unknown", &[]),
    }
    reply.bulk(b"find_keys");
    match spec.find {
        Find::Range { last, step, limit } => described(
            reply,
            "range",
            &[
                ("lastkey", Told::Number(last)),
                ("keystep", Told::Number(step)),
                ("limit", Told::Number(limit)),
            ],
        ),
        Find::KeyNum { number, first, step } => described(
            reply,
            "keynum",
            &[
                ("keynumidx", Told::Number(number)),
                ("firstkey", Told::Number(first)),
                ("keystep", Told::Number(step)),
            ],
        ),
        Find::Unknown => described(reply, "unknown", &[]),
    }
}

enum Told {
    Number(i16),
    Word(&'static str),
}

fn described(reply: &mut Reply, kind: &str, parts: &[(&str, Told)]) {
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(kind.as_bytes());
    reply.bulk(b"spec");
    reply.map(parts.len());
    for (name, value) in parts {
        reply.bulk(name.as_bytes());
        match value {
            Told::Number(number) => reply.int(i64::from(*number)),
            Told::Word(word) => reply.bulk(word.as_bytes()),
        }
    }
}

fn key_flags(flags: KeyFlags, reply: &mut Reply) {
    const NAMES: &[(KeyFlags, &str)] = &[
        (KeyFlags::RO, "RO"),
        (KeyFlags::RW, "RW"),
        (KeyFlags::OW, "OW"),
        (KeyFlags::RM, "RM"),
        (KeyFlags::ACCESS, "access"),
        (KeyFlags::UPDATE, "update"),
        (KeyFlags::INSERT, "insert"),
        (KeyFlags::DELETE, "delete"),
        (KeyFlags::NOT_KEY, "not_key"),
        (KeyFlags::INCOMPLETE, "incomplete"),
        (KeyFlags::VARIABLE_FLAGS, "variable_flags"),
    ];
    let names: Vec<_> = NAMES.iter().filter(|(flag, _)| flags.contains(*flag)).collect();
    reply.set(names.len());
    names.iter().for_each(|(_, name)| reply.simple(name));
}

fn flag_names(flags: Flags) -> Vec<&'static str> {
    const NAMES: &[(Flags, &str)] = &[
        (Flags::WRITE, "write"),
        (Flags::READONLY, "readonly"),
        (Flags::DENYOOM, "denyoom"),
        (Flags::ADMIN, "admin"),
        (Flags::PUBSUB, "pubsub"),
        (Flags::NOSCRIPT, "noscript"),
        (Flags::BLOCKING, "blocking"),
        (Flags::LOADING, "loading"),
        (Flags::STALE, "stale"),
        (Flags::SKIP_MONITOR, "skip_monitor"),
        (Flags::SKIP_SLOWLOG, "skip_slowlog"),
        (Flags::ASKING, "asking"),
        (Flags::FAST, "fast"),
        (Flags::NO_AUTH, "no_auth"),
        (Flags::MAY_REPLICATE, "may_replicate"),
        (Flags::NO_MANDATORY_KEYS, "no_mandatory_keys"),
        (Flags::NO_ASYNC_LOADING, "no_async_loading"),
        (Flags::NO_MULTI, "no_multi"),
        (Flags::ALLOW_BUSY, "allow_busy"),
        (Flags::MOVABLEKEYS, "movablekeys"),
        (Flags::SCRIPT_RUNNER, "script_runner"),
    ];
    NAMES.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, name)| *name).collect()
}

/// The ACL categories that the row names and those that its flags imply.
fn categories(command: &Command) -> Vec<&'static str> {
    const NAMES: &[(Categories, &str)] = &[
        (Categories::KEYSPACE, "keyspace"),
        (Categories::READ, "read"),
        (Categories::WRITE, "write"),
        (Categories::SET, "set"),
        (Categories::SORTEDSET, "sortedset"),
        (Categories::LIST, "list"),
        (Categories::HASH, "hash"),
        (Categories::STRING, "string"),
        (Categories::BITMAP, "bitmap"),
        (Categories::HYPERLOGLOG, "hyperloglog"),
        (Categories::GEO, "geo"),
        (Categories::STREAM, "stream"),
        (Categories::ARRAY, "array"),
        (Categories::PUBSUB, "pubsub"),
        (Categories::ADMIN, "admin"),
        (Categories::BLOCKING, "blocking"),
        (Categories::DANGEROUS, "dangerous"),
        (Categories::CONNECTION, "connection"),
        (Categories::TRANSACTION, "transaction"),
        (Categories::SCRIPTING, "scripting"),
    ];
    let mut all = command.categories;
    let mut implied = |flag, category| {
        if command.flags.contains(flag) {
            all |= category;
        }
    };
    implied(Flags::WRITE, Categories::WRITE);
    if command.group != Group::Scripting {
        implied(Flags::READONLY, Categories::READ);
    }
    implied(Flags::ADMIN, Categories::ADMIN.union(Categories::DANGEROUS));
    implied(Flags::PUBSUB, Categories::PUBSUB);
    implied(Flags::BLOCKING, Categories::BLOCKING);
    let mut names: Vec<_> =
        NAMES.iter().filter(|(category, _)| all.contains(*category)).map(|(_, name)| *name).collect();
    if command.flags.contains(Flags::FAST) {
        names.push("fast");
    } else if !matches!(command.run, Run::Container) || command.flags.is_empty() {
        names.push("slow");
    }
    names
}

fn group(group: Group) -> &'static str {
    match group {
        Group::Array => "array",
        Group::Bitmap => "bitmap",
        Group::Cluster => "cluster",
        Group::Connection => "connection",
        Group::Generic => "generic",
        Group::Geo => "geo",
        Group::Hash => "hash",
        Group::Hyperloglog => "hyperloglog",
        Group::List => "list",
        Group::Pubsub => "pubsub",
        Group::Scripting => "scripting",
        Group::Sentinel => "sentinel",
        Group::Server => "server",
        Group::Set => "set",
        Group::SortedSet => "sorted-set",
        Group::Stream => "stream",
        Group::String => "string",
        Group::Transactions => "transactions",
    }
}
