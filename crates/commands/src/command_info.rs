//! COMMAND: what the table says of itself, as clients ask for it.
//!
//! Owns the shape of these answers. Never adds a fact: all of them stand in the table's rows.

use protocol::{Args, Reply};
use storage::glob;

use crate::error::CommandError;
use crate::flags::{Categories, Flags, KeyFlags};
use crate::keys::KeyAt;
use crate::resolve::{Unresolved, resolve};
use crate::spec::{Begin, Command, Find, Group, KeySpec};
use crate::table;

type Done = Result<(), CommandError>;

impl Command {
    /// Its flags in Redis' words and order; `movablekeys` follows from the specifications.
    pub fn flag_words(&self) -> impl Iterator<Item = &'static str> {
        FLAG_WORDS.iter().filter(|(flag, _)| self.flags.contains(*flag)).map(|(_, word)| *word)
    }

    /// Its ACL categories: those that its flags imply, and its own.
    pub fn acl_categories(&self) -> Categories {
        let mut all = self.categories;
        let implied = [
            (Flags::WRITE, Categories::WRITE),
            (Flags::ADMIN, Categories::ADMIN.union(Categories::DANGEROUS)),
            (Flags::PUBSUB, Categories::PUBSUB),
            (Flags::BLOCKING, Categories::BLOCKING),
        ];
        for (flag, category) in implied {
            if self.flags.contains(flag) {
                all |= category;
            }
        }
        // Scripts may read anything, which is not a matter of the @read category.
        if self.flags.contains(Flags::READONLY) && self.group != Group::Scripting {
            all |= Categories::READ;
        }
        all
    }

    /// The same in Redis' words (with `@`) and order; every command is `@fast` or `@slow`.
    pub fn acl_words(&self) -> impl Iterator<Item = &'static str> {
        let all = self.acl_categories();
        let fast = self.flags.contains(Flags::FAST);
        CATEGORY_WORDS.iter().filter(move |(category, _)| category.holds(all, fast)).map(|(_, word)| *word)
    }

    /// Where its first and last key stand and how far they lie apart, as clients of old servers read it: 0 0 0 when
    /// that cannot say it.
    pub fn key_range(&self) -> (i16, i16, i16) {
        let range = |spec: &KeySpec| match (spec.begin, spec.find) {
            (Begin::Index(first), Find::Range { last, step, .. }) => Some((first, last, step)),
            _ => None,
        };
        let absolute = |first: i16, last: i16| if last < 0 { last } else { last.saturating_add(first) };
        if let [only] = self.keys
            && let Some((first, last, step)) = range(only)
        {
            return (first, absolute(first, last), step);
        }
        let mut found: Option<(i16, i16)> = None;
        for (first, last, step) in self.keys.iter().filter_map(range) {
            let last = absolute(first, last);
            match found {
                // Only ranges that follow each other closely make one.
                Some((_, before)) if step != 1 || before != first.saturating_sub(1) => {}
                None if step != 1 => {}
                // A place counted from the end lies behind any other.
                Some((start, before)) => {
                    found = Some((
                        start.min(first),
                        if last < 0 || before < 0 { last.min(before) } else { last.max(before) },
                    ));
                }
                None => found = Some((first, last)),
            }
        }
        found.map_or((0, 0, 0), |(first, last)| (first, last, 1))
    }
}

const FLAG_WORDS: &[(Flags, &str)] = &[
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
    (Flags::NO_MANDATORY_KEYS, "no_mandatory_keys"),
    (Flags::NO_ASYNC_LOADING, "no_async_loading"),
    (Flags::NO_MULTI, "no_multi"),
    (Flags::MOVABLEKEYS, "movablekeys"),
    (Flags::ALLOW_BUSY, "allow_busy"),
    (Flags::SCRIPT_RUNNER, "script_runner"),
];

/// An ACL category as it is named: one of those that rows have, or the two that follow from a flag.
#[derive(Clone, Copy, Debug)]
pub struct Category(AclWord);

impl Category {
    /// The category of this name (without `@`), in any case.
    pub fn find(name: &[u8]) -> Option<Category> {
        CATEGORY_WORDS
            .iter()
            .find(|(_, word)| word.trim_start_matches('@').as_bytes().eq_ignore_ascii_case(name))
            .map(|(category, _)| Category(*category))
    }
    /// The names of all (without `@`), in Redis' order.
    pub fn names() -> impl ExactSizeIterator<Item = &'static str> {
        CATEGORY_WORDS.iter().map(|(_, word)| word.trim_start_matches('@'))
    }
    /// Whether this command is in it.
    pub fn has(self, command: &Command) -> bool {
        self.0.holds(command.acl_categories(), command.flags.contains(Flags::FAST))
    }
}

#[derive(Clone, Copy, Debug)]
enum AclWord {
    Category(Categories),
    Fast,
    Slow,
}

impl AclWord {
    /// Whether it holds a command of these categories that is fast or not.
    fn holds(self, all: Categories, fast: bool) -> bool {
        match self {
            AclWord::Category(category) => all.contains(category),
            AclWord::Fast => fast,
            AclWord::Slow => !fast,
        }
    }
}

const CATEGORY_WORDS: &[(AclWord, &str)] = &[
    (AclWord::Category(Categories::KEYSPACE), "@keyspace"),
    (AclWord::Category(Categories::READ), "@read"),
    (AclWord::Category(Categories::WRITE), "@write"),
    (AclWord::Category(Categories::SET), "@set"),
    (AclWord::Category(Categories::SORTEDSET), "@sortedset"),
    (AclWord::Category(Categories::LIST), "@list"),
    (AclWord::Category(Categories::HASH), "@hash"),
    (AclWord::Category(Categories::STRING), "@string"),
    (AclWord::Category(Categories::ARRAY), "@array"),
    (AclWord::Category(Categories::BITMAP), "@bitmap"),
    (AclWord::Category(Categories::HYPERLOGLOG), "@hyperloglog"),
    (AclWord::Category(Categories::GEO), "@geo"),
    (AclWord::Category(Categories::STREAM), "@stream"),
    (AclWord::Category(Categories::PUBSUB), "@pubsub"),
    (AclWord::Category(Categories::ADMIN), "@admin"),
    (AclWord::Fast, "@fast"),
    (AclWord::Slow, "@slow"),
    (AclWord::Category(Categories::BLOCKING), "@blocking"),
    (AclWord::Category(Categories::DANGEROUS), "@dangerous"),
    (AclWord::Category(Categories::CONNECTION), "@connection"),
    (AclWord::Category(Categories::TRANSACTION), "@transaction"),
    (AclWord::Category(Categories::SCRIPTING), "@scripting"),
];

const KEY_FLAG_WORDS: &[(KeyFlags, &str)] = &[
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

fn key_flags(flags: KeyFlags, reply: &mut Reply) {
    let words = || KEY_FLAG_WORDS.iter().filter(move |(flag, _)| flags.contains(*flag));
    reply.set(words().count());
    for (_, word) in words() {
        reply.simple(word);
    }
}

/// COMMAND
pub fn all(reply: &mut Reply) {
    let mark = reply.defer();
    let count = top_level().map(|command| info_of(command, reply)).count();
    reply.array_at(mark, count);
}

/// COMMAND COUNT
pub fn count(reply: &mut Reply) {
    reply.len_int(top_level().count());
}

pub(crate) fn top_level() -> impl Iterator<Item = &'static Command> {
    table::COMMANDS.iter().filter(|command| command.container().is_none())
}

/// A command of this name, or a subcommand of this full name (`client|id`).
pub(crate) fn named(name: &[u8]) -> Option<&'static Command> {
    table::find(name)
}

/// COMMAND INFO [name …]
pub fn info(names: Args<'_>, reply: &mut Reply) {
    if names.is_empty() {
        return all(reply);
    }
    reply.array(names.len());
    for name in names.iter() {
        match named(name) {
            Some(command) => info_of(command, reply),
            None => reply.null(),
        }
    }
}

fn info_of(command: &Command, reply: &mut Reply) {
    reply.array(10);
    reply.bulk(command.name.as_bytes());
    reply.int(i64::from(command.arity));
    words(command.flag_words(), reply);
    let (first, last, step) = command.key_range();
    for place in [first, last, step] {
        reply.int(i64::from(place));
    }
    words(command.acl_words(), reply);
    let tips = table::tips(command.name);
    reply.set(tips.len());
    for tip in tips {
        reply.bulk(tip.as_bytes());
    }
    reply.set(command.keys.len());
    for spec in command.keys {
        key_spec(spec, reply);
    }
    if !command.has_subcommands() {
        reply.set(0);
        return;
    }
    reply.array(table::subcommands(command).count());
    for subcommand in table::subcommands(command) {
        info_of(subcommand, reply);
    }
}

fn words(words: impl Iterator<Item = &'static str>, reply: &mut Reply) {
    let mark = reply.defer();
    let count = words.map(|word| reply.simple(word)).count();
    reply.set_at(mark, count);
}

fn key_spec(spec: &KeySpec, reply: &mut Reply) {
    reply.map(3);
    reply.bulk(b"flags");
    key_flags(spec.flags, reply);
    reply.bulk(b"begin_search");
    let mut index = itoa::Buffer::new();
    match spec.begin {
        Begin::Index(place) => search("index", &[("index", index.format(place), true)], reply),
        Begin::Keyword(word, from) => {
            search("keyword", &[("keyword", word, false), ("startfrom", index.format(from), true)], reply);
        }
        Begin::Unknown => search("unknown", &[], reply),
    }
    reply.bulk(b"find_keys");
    let (mut a, mut b, mut c) = (itoa::Buffer::new(), itoa::Buffer::new(), itoa::Buffer::new());
    match spec.find {
        Find::Range { last, step, limit } => search(
            "range",
            &[
                ("lastkey", a.format(last), true),
                ("keystep", b.format(step), true),
                ("limit", c.format(limit), true),
            ],
            reply,
        ),
        Find::KeyNum { number, first, step } => search(
            "keynum",
            &[
                ("keynumidx", a.format(number), true),
                ("firstkey", b.format(first), true),
                ("keystep", c.format(step), true),
            ],
            reply,
        ),
        Find::Unknown => search("unknown", &[], reply),
    }
}

/// One half of a specification: its type, and its numbers (or words) by name.
fn search(kind: &str, fields: &[(&str, &str, bool)], reply: &mut Reply) {
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(kind.as_bytes());
    reply.bulk(b"spec");
    reply.map(fields.len());
    for (name, value, is_number) in fields {
        reply.bulk(name.as_bytes());
        match value.parse() {
            Ok(number) if *is_number => reply.int(number),
            _ => reply.bulk(value.as_bytes()),
        }
    }
}

/// COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN pattern]
///
/// # Errors
/// Another filter.
pub fn list(args: Args<'_>, reply: &mut Reply) -> Done {
    let wanted: Box<dyn Fn(&Command) -> bool + '_> = match args.as_slice() {
        [] => Box::new(|_| true),
        [filter, kind, value] if filter.eq_ignore_ascii_case(b"filterby") => {
            if kind.eq_ignore_ascii_case(b"module") {
                Box::new(|_| false) // no command is a module's here
            } else if kind.eq_ignore_ascii_case(b"aclcat") {
                let category = Category::find(value);
                Box::new(move |command| category.is_some_and(|category| category.has(command)))
            } else if kind.eq_ignore_ascii_case(b"pattern") {
                Box::new(|command| glob::matches_ignoring_case(value, command.name.as_bytes()))
            } else {
                return Err(CommandError::Syntax);
            }
        }
        _ => return Err(CommandError::Syntax),
    };
    let mark = reply.defer();
    let rows = table::COMMANDS.iter().filter(|command| wanted(command));
    let count = rows.map(|command| reply.bulk(command.name.as_bytes())).count();
    reply.array_at(mark, count);
    Ok(())
}

/// COMMAND GETKEYS command [arg …]
///
/// # Errors
/// No such command, a wrong number of arguments, or a command without keys.
pub fn getkeys(words: Args<'_>, reply: &mut Reply) -> Done {
    keys_of(words, reply, |key, _, reply| reply.bulk(key))
}

/// COMMAND GETKEYSANDFLAGS command [arg …]
///
/// # Errors
/// As [`getkeys`].
pub fn getkeysandflags(words: Args<'_>, reply: &mut Reply) -> Done {
    keys_of(words, reply, |key, flags, reply| {
        reply.array(2);
        reply.bulk(key);
        // Of a whole request nothing is left to be told.
        key_flags(flags - KeyFlags::INCOMPLETE, reply);
    })
}

fn keys_of(words: Args<'_>, reply: &mut Reply, show: impl Fn(&[u8], KeyFlags, &mut Reply)) -> Done {
    let (command, args) = match resolve(words.as_slice()) {
        Ok(found) => found,
        Err(Unresolved::WrongArity(command)) if command.has_keys() => {
            return Err(CommandError::new("ERR Invalid number of arguments specified for command"));
        }
        Err(Unresolved::WrongArity(_)) => return Err(NO_KEYS),
        Err(_) => return Err(CommandError::new("ERR Invalid command specified")),
    };
    if !command.has_keys() {
        return Err(NO_KEYS);
    }
    let keys = match command.keys_of(&args).or_else(|error| command.counted_keys(args).ok_or(error)) {
        Ok(keys) => keys,
        Err(_) if command.flags.contains(Flags::NO_MANDATORY_KEYS) => Vec::new(),
        Err(_) => return Err(CommandError::new("ERR Invalid arguments specified for command")),
    };
    reply.array(keys.len());
    for KeyAt { index, flags } in keys {
        show(args.get(index), flags, reply);
    }
    Ok(())
}

const NO_KEYS: CommandError = CommandError::new("ERR The command has no key arguments");

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::Protocol;

    /// What real servers say of each command.
    fn facts() -> impl Iterator<Item = Vec<&'static str>> {
        let lines = include_str!("../tests/facts.txt").lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.split(" | ").collect())
    }

    fn sorted<'a>(words: impl Iterator<Item = &'a str>) -> String {
        let mut words: Vec<&str> = words.collect();
        words.sort_unstable();
        if words.is_empty() { "-".into() } else { words.join(" ") }
    }

    fn spec_text(spec: &KeySpec) -> String {
        let begin = match spec.begin {
            Begin::Index(index) => format!("i{index}"),
            Begin::Keyword(word, from) => format!("k{word}@{from}"),
            Begin::Unknown => "u".into(),
        };
        let find = match spec.find {
            Find::Range { last, step, limit } => format!("r{last}/{step}/{limit}"),
            Find::KeyNum { number, first, step } => format!("n{number}/{first}/{step}"),
            Find::Unknown => "u".into(),
        };
        let flags =
            KEY_FLAG_WORDS.iter().filter(|(flag, _)| spec.flags.contains(*flag)).map(|(_, word)| *word);
        format!("{begin}:{find}:{}", sorted(flags).replace(' ', "+"))
    }

    #[test]
    fn every_row_says_what_real_servers_say() {
        let facts: std::collections::HashMap<&str, Vec<&str>> = facts().map(|fact| (fact[0], fact)).collect();
        let mut wrong = Vec::new();
        for command in table::COMMANDS {
            let Some(fact) = facts.get(command.name) else {
                wrong.push(format!("{}: no server has it", command.name));
                continue;
            };
            let (first, last, step) = command.key_range();
            let keys = command.keys.iter().map(spec_text).collect::<Vec<_>>().join(" ");
            let ours = [
                command.arity.to_string(),
                command.group.name().to_string(),
                command.since.to_string(),
                sorted(command.flag_words()),
                sorted(command.acl_words().map(|word| &word[1..])),
                format!("{first} {last} {step}"),
                sorted(table::tips(command.name).iter().copied()),
                if keys.is_empty() { "-".into() } else { keys },
            ];
            for (ours, theirs) in ours.iter().zip(&fact[1..]) {
                let theirs = sorted(theirs.split(' ').filter(|word| *word != "-"));
                if sorted(ours.split(' ').filter(|word| *word != "-")) != theirs {
                    wrong.push(format!("{}: {ours} here, {theirs} there", command.name));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    fn answer(protocol: Protocol, ask: impl Fn(Args<'_>, &mut Reply) -> Done, line: &str) -> String {
        let words: Vec<&[u8]> = line.split_whitespace().map(str::as_bytes).collect();
        let mut reply = Reply::new(protocol);
        if let Err(error) = ask(Args::new(&words), &mut reply) {
            error.answer(&mut reply);
        }
        String::from_utf8(reply.to_vec()).unwrap().replace("\r\n", "|")
    }

    #[test]
    fn answers_as_a_real_server() {
        // From redis-8.10.
        let info = |args: Args<'_>, reply: &mut Reply| {
            info(args, reply);
            Ok(())
        };
        assert_eq!(
            answer(Protocol::Resp3, info, "get nosuch"),
            "*2|*10|$3|get|:2|~2|+readonly|+fast|:1|:1|:1|~3|+@read|+@string|+@fast|~0|~1|%3|$5|flags|~2|+RO|+access|\
             $12|begin_search|%2|$4|type|$5|index|$4|spec|%1|$5|index|:1|$9|find_keys|%2|$4|type|$5|range|$4|spec|%3|\
             $7|lastkey|:0|$7|keystep|:1|$5|limit|:0|~0|_|"
        );
        assert_eq!(
            answer(Protocol::Resp2, info, "msetex"),
            "*1|*10|$6|msetex|:-4|*3|+write|+denyoom|+movablekeys|:0|:0|:0|*3|+@write|+@string|+@slow|\
             *2|$26|request_policy:multi_shard|$29|response_policy:all_succeeded|*1|*6|$5|flags|*2|+OW|+update|\
             $12|begin_search|*4|$4|type|$5|index|$4|spec|*2|$5|index|:1|$9|find_keys|*4|$4|type|$6|keynum|$4|spec|*6|\
             $9|keynumidx|:0|$8|firstkey|:1|$7|keystep|:2|*0|"
        );
        let keys = |line| answer(Protocol::Resp2, getkeys, line);
        assert_eq!(keys("foo"), "-ERR Invalid command specified|");
        assert_eq!(keys("get"), "-ERR Invalid number of arguments specified for command|");
        assert_eq!(keys("ping"), "-ERR The command has no key arguments|");
        assert_eq!(keys("client id"), "-ERR The command has no key arguments|");
        assert_eq!(keys("spublish a b"), "-ERR The command has no key arguments|");
        assert_eq!(keys("object foo a"), "-ERR Invalid command specified|");
        assert_eq!(keys("mset a 1 b"), "*2|$1|a|$1|b|");
        assert_eq!(keys("pfmerge a"), "*1|$1|a|");
        assert_eq!(keys("msetex 0 a b"), "-ERR Invalid arguments specified for command|");
        assert_eq!(keys("xread count 1 streams a b 0 0"), "*2|$1|a|$1|b|");
        for wrong in ["xread count streams a 0", "xread streams a 0 0", "xread a b streams"] {
            assert_eq!(keys(wrong), "-ERR Invalid arguments specified for command|", "{wrong}");
        }
        let flags = |line| answer(Protocol::Resp3, getkeysandflags, line);
        assert_eq!(flags("xread streams a 0"), "*1|*2|$1|a|~2|+RO|+access|");
        assert_eq!(flags("set a b"), "*1|*2|$1|a|~2|+OW|+update|");
        assert_eq!(flags("set a b get"), "*1|*2|$1|a|~3|+RW|+access|+update|");
        assert_eq!(flags("set a b ifeq x"), "*1|*2|$1|a|~2|+RW|+update|");
        assert_eq!(flags("delex a"), "*1|*2|$1|a|~2|+RM|+delete|");
        assert_eq!(flags("delex a ifeq b"), "*1|*2|$1|a|~2|+RW|+delete|");
        assert_eq!(flags("delex a withscores"), "*1|*2|$1|a|~2|+RM|+delete|");
        let list = |line| answer(Protocol::Resp3, list, line);
        assert_eq!(list("filterby pattern MGE?"), "*1|$4|mget|");
        assert_eq!(list("filterby aclcat nope"), "*0|");
        assert_eq!(list("filterby module x"), "*0|");
        assert_eq!(list("filterby x y"), "-ERR syntax error|");
        assert!(list("filterby aclcat string").contains("|$3|get|"));
    }
}
