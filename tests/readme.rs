//! The README's lists follow from the tables: what they say is what runs.
//!
//! `NEARSIDE_RECORD=1` writes them anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use commands::ServerCommand;
use commands::spec::{Flags, Run};
use commands::table::COMMANDS;
use replication::ErrorCode;

/// What stands between the marks of `name` has to be `expected`.
fn holds(name: &str, expected: &str) {
    // Two lists stand in the file, and their tests run at once.
    static WRITING: Mutex<()> = Mutex::new(());
    let _writing = WRITING.lock();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(&path).expect("README.md");
    let begin = text.find(&format!("<!-- {name}:")).expect("the first mark");
    let begin = begin + text[begin..].find("-->").expect("its end") + 4;
    let end = text.find(&format!("<!-- /{name} -->")).expect("the last mark");
    if std::env::var("NEARSIDE_RECORD").is_ok() {
        fs::write(&path, format!("{}{expected}{}", &text[..begin], &text[end..])).expect("write README.md");
        return;
    }
    assert!(&text[begin..end] == expected, "README.md is behind the {name}: run with NEARSIDE_RECORD=1");
}

#[test]
fn the_commands_are_those_of_the_table() {
    let mut groups: BTreeMap<String, (Vec<String>, Vec<String>)> = BTreeMap::new();
    // A container is its subcommands, and CLUSTER only says that it is not there.
    let is_answered = |run: Run| !matches!(run, Run::Container | Run::Server(ServerCommand::ClusterDisabled));
    for command in COMMANDS.iter().filter(|command| is_answered(command.run)) {
        let (reads, writes) = groups.entry(format!("{:?}", command.group)).or_default();
        let name = command.name.to_uppercase().replace('|', " ");
        let writes_data = matches!(command.run, Run::Write(_)) || command.flags.contains(Flags::WRITE);
        if writes_data { writes.push(name) } else { reads.push(name) }
    }
    let mut text = String::from(
        "\n| family | clients of a replica | from the master's stream, and for clients after promotion |\n|---|---|---|\n",
    );
    for (group, (mut reads, mut writes)) in groups {
        reads.sort();
        writes.sort();
        text.push_str(&format!("| {group} | {} | {} |\n", reads.join(", "), writes.join(", ")));
    }
    text.push('\n');
    holds("commands", &text);
}

#[test]
fn the_codes_are_those_of_the_link() {
    let mut text = String::from("\n| code | meaning |\n|---|---|\n");
    for code in ErrorCode::ALL {
        text.push_str(&format!("| `{}` | {} |\n", code.name(), code.meaning()));
    }
    text.push('\n');
    holds("link-errors", &text);
}
