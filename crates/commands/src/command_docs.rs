//! COMMAND DOCS: what commands are for and what they take, as redis-cli completes and hints by it.
//!
//! Owns `command_docs.txt` (what each command is for and costs in our own words, the names and order of its arguments
//! as clients know them) and the shape of the answer. Version and family stand in the table's rows. Changes of commands
//! by version (`history`) and what single arguments are for are left out.
//!
//! An entry is `name: what it is for`, then indented lines: `cost …`, `system`,
//! `deprecated VERSION what to use instead`, `takes ARGUMENT …`. An argument is
//!
//! ```text
//! name:type[@key specification][="TOKEN"][~name to show][^since][!deprecated since][?][*][+][(ARGUMENT …)]
//! ```
//!
//! `?` may be left out, `*` may be repeated, `+` is repeated with its token. A `token` without `="…"` is its name in
//! capitals; a `oneof` and a `block` have arguments of their own.

use std::collections::HashMap;
use std::sync::LazyLock;

use protocol::{Args, Reply};

use crate::command_info::{named, top_level};
use crate::spec::Command;
use crate::table;

/// What is told of a command beside its row.
#[derive(Default)]
struct Docs {
    summary: &'static str,
    cost: &'static str,
    /// Not for applications.
    is_system: bool,
    /// Since when, and what to use instead.
    deprecated: Option<(&'static str, &'static str)>,
    takes: &'static str,
}

static DOCS: LazyLock<HashMap<&'static str, Docs>> = LazyLock::new(|| {
    let mut all: HashMap<&'static str, Docs> = HashMap::new();
    let mut of = "";
    for line in include_str!("command_docs.txt").lines() {
        if let Some((name, summary)) = line.split_once(": ").filter(|_| !line.starts_with(' ')) {
            all.insert(name, Docs { summary, ..Docs::default() });
            of = name;
        } else if let Some(docs) = all.get_mut(of) {
            match line.trim_start().split_once(' ') {
                Some(("cost", cost)) => docs.cost = cost,
                Some(("deprecated", text)) => docs.deprecated = text.split_once(' '),
                Some(("takes", arguments)) => docs.takes = arguments,
                _ => docs.is_system = true,
            }
        }
    }
    all
});

/// COMMAND DOCS [name …]
pub fn docs(names: Args<'_>, reply: &mut Reply) {
    let mark = reply.defer();
    let count = if names.is_empty() {
        top_level().map(|command| docs_of(command, reply)).count()
    } else {
        names.iter().filter_map(named).map(|command| docs_of(command, reply)).count()
    };
    reply.map_at(mark, count);
}

fn docs_of(command: &Command, reply: &mut Reply) {
    reply.bulk(command.name.as_bytes());
    let Some(docs) = DOCS.get(command.name) else { return reply.map(0) };
    let mut map = Map::begin(reply);
    map.text("summary", docs.summary);
    map.text("since", command.since);
    map.text("group", command.group.name());
    map.text("complexity", docs.cost);
    let flags = [(docs.is_system, "syscmd"), (docs.deprecated.is_some(), "deprecated")];
    map.flags("doc_flags", &flags);
    if let Some((since, instead)) = docs.deprecated {
        map.text("deprecated_since", since);
        map.text("replaced_by", instead);
    }
    if !docs.takes.is_empty() {
        arguments(docs.takes, map.value("arguments"));
    }
    if command.has_subcommands() {
        let reply = map.value("subcommands");
        reply.map(table::subcommands(command).count());
        table::subcommands(command).for_each(|subcommand| docs_of(subcommand, reply));
    }
    map.end();
}

/// A map that counts its fields.
struct Map<'a> {
    reply: &'a mut Reply,
    at: protocol::Deferred,
    fields: usize,
}

impl<'a> Map<'a> {
    fn begin(reply: &'a mut Reply) -> Map<'a> {
        let at = reply.defer();
        Map { reply, at, fields: 0 }
    }

    /// Where the value of this field goes.
    fn value(&mut self, field: &str) -> &mut Reply {
        self.fields += 1;
        self.reply.bulk(field.as_bytes());
        self.reply
    }

    fn text(&mut self, field: &str, text: &str) {
        self.value(field).bulk(text.as_bytes());
    }

    /// The words of those that hold; no field where none does.
    fn flags(&mut self, field: &str, all: &[(bool, &str)]) {
        let count = all.iter().filter(|(holds, _)| *holds).count();
        if count > 0 {
            let reply = self.value(field);
            reply.set(count);
            all.iter().filter(|(holds, _)| *holds).for_each(|(_, word)| reply.simple(word));
        }
    }

    fn end(self) {
        self.reply.map_at(self.at, self.fields);
    }
}

fn arguments(mut text: &str, reply: &mut Reply) {
    let mark = reply.defer();
    let mut count = 0;
    while let Some((argument, rest)) = Argument::read(text) {
        argument.tell(reply);
        count += 1;
        text = rest;
    }
    reply.array_at(mark, count);
}

/// One argument, as the text has it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Argument<'a> {
    name: &'a str,
    kind: &'a str,
    key_specification: Option<i64>,
    token: Option<&'a str>,
    shown: Option<&'a str>,
    since: Option<&'a str>,
    deprecated: Option<&'a str>,
    is_optional: bool,
    is_repeated: bool,
    is_repeated_with_token: bool,
    inner: Option<&'a str>,
}

impl<'a> Argument<'a> {
    /// The first one of the text, and what stands behind it; `None` at its end, and where it is malformed.
    fn read(text: &'a str) -> Option<(Argument<'a>, &'a str)> {
        let (name, rest) = text.trim_start().split_once(':')?;
        let (kind, mut rest) = word(rest);
        let mut argument = Argument { name, kind, ..Argument::default() };
        loop {
            let mut letters = rest.chars();
            let Some(mark) = letters.next().filter(|mark| *mark != ' ') else { break };
            rest = letters.as_str();
            let value;
            match mark {
                '?' => argument.is_optional = true,
                '*' => argument.is_repeated = true,
                '+' => argument.is_repeated_with_token = true,
                '=' => {
                    (value, rest) = rest.strip_prefix('"')?.split_once('"')?;
                    argument.token = Some(value);
                }
                '(' => {
                    (value, rest) = rest.split_at_checked(end_of_group(rest)?)?;
                    argument.inner = Some(value);
                    rest = rest.strip_prefix(')')?;
                }
                '@' => {
                    (value, rest) = word(rest);
                    argument.key_specification = Some(value.parse().ok()?);
                }
                '~' => (argument.shown, rest) = some(word(rest)),
                '^' => (argument.since, rest) = some(word(rest)),
                '!' => (argument.deprecated, rest) = some(word(rest)),
                _ => return None,
            }
        }
        Some((argument, rest))
    }

    /// The type in Redis' words.
    fn type_name(&self) -> &str {
        match self.kind {
            "token" => "pure-token",
            "time" => "unix-time",
            kind => kind,
        }
    }

    fn tell(&self, reply: &mut Reply) {
        let mut map = Map::begin(reply);
        map.text("name", self.name);
        map.text("type", self.type_name());
        if self.inner.is_none() {
            map.text("display_text", self.shown.unwrap_or(self.name));
        }
        if let Some(place) = self.key_specification {
            map.value("key_spec_index").int(place);
        }
        match self.token {
            Some(token) => map.text("token", token),
            None if self.kind == "token" => map.text("token", &self.name.to_ascii_uppercase()),
            None => {}
        }
        for (field, version) in [("since", self.since), ("deprecated_since", self.deprecated)] {
            if let Some(version) = version {
                map.text(field, version);
            }
        }
        let flags = [
            (self.is_optional, "optional"),
            (self.is_repeated, "multiple"),
            (self.is_repeated_with_token, "multiple_token"),
        ];
        map.flags("flags", &flags);
        if let Some(inner) = self.inner {
            arguments(inner, map.value("arguments"));
        }
        map.end();
    }
}

/// Up to the next mark, and from there.
fn word(text: &str) -> (&str, &str) {
    let is_of_word = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | ':' | '_');
    let end = text.find(|letter| !is_of_word(letter)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn some<'a>((value, rest): (&'a str, &'a str)) -> (Option<&'a str>, &'a str) {
    (Some(value), rest)
}

/// Where the group that is open ends.
fn end_of_group(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    text.find(|letter| {
        match letter {
            '(' => depth += 1,
            ')' if depth == 0 => return true,
            ')' => depth -= 1,
            _ => {}
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::Protocol;

    #[test]
    fn every_row_has_its_entry_and_every_entry_its_row() {
        for command in table::COMMANDS {
            let docs = DOCS.get(command.name).unwrap_or_else(|| panic!("{} has none", command.name));
            assert!(docs.summary.ends_with('.') && !docs.cost.is_empty(), "{}", command.name);
        }
        assert_eq!(DOCS.len(), table::COUNT);
    }

    #[test]
    fn every_argument_is_read_to_its_end() {
        fn check(mut text: &str, name: &str) {
            while let Some((argument, rest)) = Argument::read(text) {
                let has_inner = matches!(argument.kind, "oneof" | "block");
                assert_eq!(argument.inner.is_some(), has_inner, "{name}: {text}");
                argument.inner.into_iter().for_each(|inner| check(inner, name));
                text = rest;
            }
            assert_eq!(text, "", "{name}");
        }
        for (name, docs) in DOCS.iter() {
            check(docs.takes, name);
        }
    }

    #[test]
    fn what_is_malformed_is_none() {
        for text in
            ["", "name", "name:string=NX", "name:string=\"NX", "name:oneof(a:string", "name:key@x", "a:b#"]
        {
            assert_eq!(Argument::read(text), None, "{text}");
        }
    }

    #[test]
    fn answers_as_a_real_server() {
        // From redis-8.10, but for what the commands are for.
        let answer = |protocol, name: &str| {
            let mut reply = Reply::new(protocol);
            docs(Args::new(&[name.as_bytes()]), &mut reply);
            String::from_utf8(reply.to_vec()).unwrap().replace("\r\n", " ")
        };
        let text = answer(Protocol::Resp3, "BRPOPLPUSH");
        let from = text.find("$5 since").unwrap();
        assert!(text.starts_with("%1 $10 brpoplpush %8 $7 summary "), "{text}");
        assert_eq!(
            &text[from..],
            "$5 since $5 2.2.0 $5 group $4 list $10 complexity $4 O(1) $9 doc_flags ~1 +deprecated \
             $16 deprecated_since $5 6.2.0 $11 replaced_by $46 `BLMOVE` with the `RIGHT` and `LEFT` arguments \
             $9 arguments *3 %4 $4 name $6 source $4 type $3 key $12 display_text $6 source $14 key_spec_index :0 \
             %4 $4 name $11 destination $4 type $3 key $12 display_text $11 destination $14 key_spec_index :1 \
             %3 $4 name $7 timeout $4 type $6 double $12 display_text $7 timeout "
        );
        let text = answer(Protocol::Resp2, "lolwut");
        let arguments = "$9 arguments *1 *10 $4 name $7 version $4 type $7 integer $12 display_text $7 version \
                         $5 token $7 VERSION $5 flags *1 +optional ";
        assert!(text.ends_with(arguments), "{text}");
        assert_eq!(answer(Protocol::Resp2, "nosuch"), "*0 ");
    }
}
