//! COMMAND DOCS, beside real servers: the same commands, the same arguments.
//!
//! Owns what of the answer is in our own words, or not told. Never looks at what redis-cli makes of it: see
//! [`crate::tools`].

use std::collections::BTreeMap;

use crate::harness::{Client, Frame, Node};

/// In our own words, what they must be there for.
const OWN_WORDS: &[&str] = &["summary", "complexity"];
/// Not told.
const UNTOLD: &[&str] = &["history"];

fn docs(client: &mut Client) -> BTreeMap<String, Frame> {
    client.line("HELLO 3");
    let Frame::Map(all) = client.line("COMMAND DOCS") else { panic!("no map") };
    all.into_iter().map(|(name, docs)| (name.text(), docs)).collect()
}

fn map(frame: Frame) -> Vec<(String, Frame)> {
    let Frame::Map(fields) = frame else { panic!("no map: {frame:?}") };
    fields.into_iter().map(|(name, value)| (name.text(), value)).collect()
}

/// What can be compared, by the command's full name: its fields in their order, without those of its subcommands.
fn flatten(name: &str, docs: Frame, into: &mut BTreeMap<String, Vec<(String, Frame)>>) {
    let mut fields = Vec::new();
    for (field, value) in map(docs) {
        match field.as_str() {
            "subcommands" => map(value).into_iter().for_each(|(name, docs)| flatten(&name, docs, into)),
            "arguments" => fields.push((field, without_summaries(value))),
            field if UNTOLD.contains(&field) => {}
            text if OWN_WORDS.contains(&text) => assert!(!value.bytes().is_empty(), "{name}"),
            _ => fields.push((field, value)),
        }
    }
    into.insert(name.to_owned(), fields);
}

/// A few of the arguments have a summary of their own.
fn without_summaries(arguments: Frame) -> Frame {
    let Frame::Array(all) = arguments else { panic!("no array: {arguments:?}") };
    let argument = |argument| {
        let fields = map(argument).into_iter().filter(|(field, _)| field != "summary");
        let fields = fields.map(|(field, value)| {
            let value = if field == "arguments" { without_summaries(value) } else { value };
            (Frame::Bulk(field.into_bytes()), value)
        });
        Frame::Map(fields.collect())
    };
    Frame::Array(all.into_iter().map(argument).collect())
}

#[test]
fn commands_take_what_they_take_at_a_real_server() {
    let redis = master_or_skip!("redis-8.10");
    let valkey = master_or_skip!("valkey-9.1");
    let node = Node::start(&[]);
    let mut ours = BTreeMap::new();
    let mut theirs = BTreeMap::new();
    // What both have is told as Redis tells it.
    for server in [&valkey, &redis] {
        docs(&mut server.client()).into_iter().for_each(|(name, docs)| flatten(&name, docs, &mut theirs));
    }
    let told = docs(&mut node.client());
    assert_eq!(told.len() as i64, node.client().line("COMMAND COUNT").int());
    told.into_iter().for_each(|(name, docs)| flatten(&name, docs, &mut ours));
    let wrong: Vec<String> = ours
        .iter()
        .filter(|(name, fields)| theirs.get(*name) != Some(fields))
        .map(|(name, fields)| format!("{name}: {fields:?}\n  there {:?}", theirs.get(name)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(ours.len() > 400, "{}", ours.len());
}
