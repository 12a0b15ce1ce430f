//! Function libraries: stored, listed, replicated.
//!
//! Owns the first line of a library (`#!engine name=…`) and what FUNCTION's subcommands do to the stored set.
//! Never runs a library's code, so it cannot know the functions in it: the server asks the scripting engine.

use bytes::Bytes;
use protocol::{Args, Quotes, Reply};
use rdb::{Decoder, Item, Step};
use storage::{Functions, Library, glob};

use crate::error::CommandError;
use crate::restore::{Opened, opened};
use crate::{Dialect, ReadContext, Role, WriteContext};

type Done = Result<(), CommandError>;

/// The one engine there is, in the form in which FUNCTION LIST names it.
const ENGINE: &str = "LUA";

/// The name of the library that this code begins with, and the library.
///
/// # Errors
/// The first line is missing or is not `#!lua name=…`, in the servers' words.
pub fn parse_library(code: &[u8], quotes: Quotes) -> Result<(Vec<u8>, Library), CommandError> {
    const INVALID: CommandError = CommandError::new("ERR Invalid library metadata");
    if !code.starts_with(b"#!") {
        return Err(CommandError::new("ERR Missing library metadata"));
    }
    // As a string of C has it: it ends at a zero byte.
    let end = code.iter().position(|&byte| matches!(byte, b'\n' | 0));
    let line = end.filter(|&end| code.get(end) == Some(&b'\n')).and_then(|end| code.get(..end));
    let line = line.ok_or(INVALID)?;
    let words = protocol::words_of_line(line, quotes).ok_or(INVALID)?;
    let (first, values) = words.split_first().ok_or(INVALID)?;
    let engine = first.strip_prefix(b"#!").ok_or(INVALID)?;
    let mut name: Option<&[u8]> = None;
    for value in values {
        let given = value.split_at_checked(b"name=".len());
        let Some((_, given)) = given.filter(|(key, _)| key.eq_ignore_ascii_case(b"name=")) else {
            return Err(CommandError::naming("ERR Invalid metadata value given: ", value, ""));
        };
        if name.replace(given).is_some() {
            return Err(CommandError::new(
                "ERR Invalid metadata value, name argument was given multiple times",
            ));
        }
    }
    let name = name.ok_or(CommandError::new("ERR Library name was not given"))?;
    if name.is_empty() || !name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
        return Err(CommandError::new(
            "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long",
        ));
    }
    if !engine.eq_ignore_ascii_case(ENGINE.as_bytes()) {
        return Err(CommandError::naming("ERR Engine '", engine, "' not found"));
    }
    Ok((name.to_vec(), Library { engine: ENGINE.to_owned(), code: Bytes::copy_from_slice(code) }))
}

/// FUNCTION LOAD [REPLACE] code
pub(crate) fn load(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    obey(ctx, Change::Load, args, reply)
}

/// FUNCTION DELETE library-name
pub(crate) fn delete(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    obey(ctx, Change::Delete, args, reply)
}

/// FUNCTION FLUSH [ASYNC | SYNC]
pub(crate) fn flush(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    obey(ctx, Change::Flush, args, reply)
}

/// FUNCTION RESTORE serialized-value [FLUSH | APPEND | REPLACE]
pub(crate) fn restore(ctx: &mut WriteContext<'_>, args: Args<'_>, reply: &mut Reply) -> Done {
    obey(ctx, Change::Restore, args, reply)
}

fn obey(ctx: &WriteContext<'_>, change: Change, args: Args<'_>, reply: &mut Reply) -> Done {
    let functions = changed(ctx.writer.functions(), change, args, (ctx.role, ctx.dialect), reply)?;
    ctx.writer.set_functions(functions);
    Ok(())
}

/// What a command does to the libraries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // each is the subcommand of that name
pub enum Change {
    Load,
    Delete,
    Flush,
    Restore,
}

/// The libraries as the command makes them, for whom it is run and as which server; answers to it. Whether the code in
/// them can run is not asked.
///
/// # Errors
/// What is wrong with the arguments, in the servers' words.
pub fn changed(
    functions: &Functions,
    change: Change,
    args: Args<'_>,
    by: (Role, Dialect),
    reply: &mut Reply,
) -> Result<Functions, CommandError> {
    match change {
        Change::Load => loaded(functions, args, by.1.quotes(), reply),
        Change::Delete => {
            let mut functions = functions.clone();
            if functions.remove(args.get(0)).is_none() {
                return Err(CommandError::new("ERR Library not found"));
            }
            reply.ok();
            Ok(functions)
        }
        Change::Flush => {
            if args.len() > 1 {
                return Err(CommandError::WrongSubcommand);
            }
            if args.len() == 1 && !args.is_word(0, "async") && !args.is_word(0, "sync") {
                return Err(CommandError::new("ERR FUNCTION FLUSH only supports SYNC|ASYNC option"));
            }
            reply.ok();
            Ok(Functions::default())
        }
        Change::Restore => restored(functions, args, by, reply),
    }
}

fn loaded(
    functions: &Functions,
    args: Args<'_>,
    quotes: Quotes,
    reply: &mut Reply,
) -> Result<Functions, CommandError> {
    let mut replace = false;
    let (options, code) = match args.as_slice().split_last() {
        Some((code, options)) => (options, code),
        None => return Err(CommandError::Syntax),
    };
    for option in options {
        if !option.eq_ignore_ascii_case(b"replace") {
            return Err(CommandError::naming("ERR Unknown option given: ", option, ""));
        }
        replace = true;
    }
    let (name, library) = parse_library(code, quotes)?;
    let mut functions = functions.clone();
    if functions.insert(&name, library).is_some() && !replace {
        return Err(CommandError::naming("ERR Library '", &name, "' already exists"));
    }
    reply.bulk(&name);
    Ok(functions)
}

fn restored(
    functions: &Functions,
    args: Args<'_>,
    (role, dialect): (Role, Dialect),
    reply: &mut Reply,
) -> Result<Functions, CommandError> {
    let is = |word| args.is_word(1, word);
    let (flush, replace) = match args.len() {
        1 => (false, false),
        2 if is("append") => (false, false),
        2 if is("flush") => (true, false),
        2 if is("replace") => (false, true),
        3.. => return Err(CommandError::WrongSubcommand),
        _ => {
            return Err(CommandError::new(
                "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
            ));
        }
    };
    let libraries = payload(opened(args.get(0), role, dialect)?)?;
    let mut functions = if flush { Functions::default() } else { functions.clone() };
    for (name, library) in libraries {
        if functions.insert(&name, library).is_some() && !replace {
            return Err(CommandError::naming("ERR Library ", &name, " already exists"));
        }
    }
    reply.ok();
    Ok(functions)
}

/// FUNCTION DUMP
pub(crate) fn dump(ctx: &ReadContext<'_>, _: Args<'_>, reply: &mut Reply) -> Done {
    let functions = ctx.source.functions();
    let chosen = ctx.dialect.chosen_form();
    if let Some(chosen) = chosen {
        chosen.may_hold(functions).map_err(crate::restore::unwritable)?;
    }
    let mut payload = Vec::new();
    let mut encoder = rdb::Encoder::new(&mut payload);
    functions.iter().for_each(|(_, library)| encoder.function(&library.code));
    let version = chosen.map_or(ctx.dialect.rdb_version(), |chosen| chosen.version);
    crate::restore::finish_payload(&mut payload, version);
    reply.bulk(&payload);
    Ok(())
}

/// The libraries of a FUNCTION DUMP payload.
fn payload(Opened { body, flavour, version }: Opened<'_>) -> Result<Vec<(Vec<u8>, Library)>, CommandError> {
    let mut decoder = Decoder::functions(flavour, version);
    let (mut rest, mut libraries) = (body, Vec::new());
    while !rest.is_empty() {
        const BAD: CommandError = CommandError::new("ERR failed loading functions from the payload");
        match decoder.next(rest).map_err(|_| BAD)? {
            Step::Item { item: Item::Function(code), used } => {
                // Whatever a server took is taken.
                libraries.push(parse_library(code, Quotes::JoinWords)?);
                rest = rest.get(used..).unwrap_or_default();
            }
            _ => return Err(CommandError::new("ERR given type is not a function")),
        }
    }
    Ok(libraries)
}

/// FUNCTION LIST `[LIBRARYNAME library-name-pattern] [WITHCODE]`; `registered` answers with the functions of a library.
///
/// # Errors
/// What is wrong with the arguments, in the servers' words.
pub fn list(
    functions: &Functions,
    args: Args<'_>,
    reply: &mut Reply,
    registered: impl Fn(&[u8], &mut Reply),
) -> Result<(), CommandError> {
    let (mut pattern, mut with_code, mut at) = (None, false, 0);
    while at < args.len() {
        if !with_code && args.is_word(at, "withcode") {
            with_code = true;
        } else if pattern.is_none() && args.is_word(at, "libraryname") {
            at += 1;
            pattern = Some(args.opt(at).ok_or(CommandError::new("ERR library name argument was not given"))?);
        } else {
            return Err(CommandError::naming("ERR Unknown argument ", args.get(at), ""));
        }
        at += 1;
    }
    let wanted = |name: &[u8]| pattern.is_none_or(|pattern| glob::matches_ignoring_case(pattern, name));
    let mark = reply.defer();
    let mut count = 0;
    for (name, library) in functions.iter().filter(|(name, _)| wanted(name)) {
        count += 1;
        reply.map(3 + usize::from(with_code));
        reply.bulk(b"library_name");
        reply.bulk(name);
        reply.bulk(b"engine");
        reply.bulk(library.engine.as_bytes());
        reply.bulk(b"functions");
        registered(name, reply);
        if with_code {
            reply.bulk(b"library_code");
            reply.bulk(&library.code);
        }
    }
    reply.array_at(mark, count);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Session;

    const CODE: &str =
        "FUNCTION LOAD \"#!lua name=mylib\\nredis.register_function('f', function() return 1 end)\"";

    #[test]
    fn libraries_are_loaded_dumped_and_deleted() {
        let session = Session::new();
        let empty = session.run("FUNCTION DUMP");
        assert_eq!(session.run(CODE), "$5|mylib|");
        assert_eq!(session.run(CODE), "-ERR Library 'mylib' already exists|");
        assert_eq!(session.run(&CODE.replace("LOAD", "LOAD REPLACE")), "$5|mylib|");
        assert_ne!(session.run("FUNCTION DUMP"), empty);
        assert_eq!(session.run("FUNCTION DELETE other"), "-ERR Library not found|");
        assert_eq!(session.run("FUNCTION DELETE mylib"), "+OK|");
        assert_eq!(session.run("FUNCTION DUMP"), empty);
    }

    #[test]
    fn quotes_and_zero_bytes_in_a_first_line_are_the_servers_own_rules() {
        use super::parse_library;
        use protocol::Quotes;
        let name = |code: &[u8], quotes| parse_library(code, quotes).map(|(name, _)| name).ok();
        // From redis-8.10 and valkey-9.1.
        let joined = b"#!\"lu\"a name=\"a\"b\nreturn 1";
        assert_eq!(name(joined, Quotes::EndWords), None);
        assert_eq!(name(joined, Quotes::JoinWords).as_deref(), Some(&b"ab"[..]));
        for quotes in [Quotes::EndWords, Quotes::JoinWords] {
            let error = parse_library(b"#!lua name=a\0b\nreturn 1", quotes)
                .err()
                .map(|error| error.text().into_owned());
            assert_eq!(error.as_deref(), Some("ERR Invalid library metadata"));
        }
    }

    #[test]
    fn a_wrong_first_line_is_told() {
        let session = Session::new();
        for (code, error) in [
            ("return 1", "-ERR Missing library metadata|"),
            ("#!lua name=x", "-ERR Invalid library metadata|"),
            ("#!lua\\n", "-ERR Library name was not given|"),
            (
                "#!lua name=a name=b\\n",
                "-ERR Invalid metadata value, name argument was given multiple times|",
            ),
            ("#!lua size=1\\n", "-ERR Invalid metadata value given: size=1|"),
            ("#!js name=x\\n", "-ERR Engine 'js' not found|"),
        ] {
            assert_eq!(session.run(&format!("FUNCTION LOAD \"{code}\"")), error, "{code}");
        }
    }
}
