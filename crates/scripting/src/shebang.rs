//! The first line of a script: `#!lua flags=no-writes,allow-stale`.
//!
//! Owns the flags by which a script, or a function, says what it does.

use protocol::{Quotes, words_of_line};

/// What a script says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScriptFlags(u8);

/// The flags, in the order in which FUNCTION LIST gives them.
const NAMES: [&str; 5] = ["no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys"];

impl ScriptFlags {
    /// It does not write.
    pub const NO_WRITES: ScriptFlags = ScriptFlags(1);
    /// It may add data where there is no room.
    pub const ALLOW_OOM: ScriptFlags = ScriptFlags(1 << 1);
    /// It may run on data that are too old.
    pub const ALLOW_STALE: ScriptFlags = ScriptFlags(1 << 2);

    /// Whether it says that.
    pub fn has(self, flag: ScriptFlags) -> bool {
        self.0 & flag.0 != 0
    }

    /// Says that too; false when there is no flag of this name.
    pub(crate) fn add(&mut self, name: &[u8]) -> bool {
        let place = NAMES.iter().position(|known| known.as_bytes() == name);
        if let Some(place) = place {
            self.0 |= 1 << place;
        }
        place.is_some()
    }

    /// The names of what it says.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES
            .into_iter()
            .enumerate()
            .filter(move |(place, _)| self.0 & (1 << place) != 0)
            .map(|(_, name)| name)
    }
}

/// What a script's first line says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FirstLine {
    /// None: it is of the old kind, which says nothing.
    pub(crate) flags: Option<ScriptFlags>,
    /// Where the body begins.
    pub(crate) body: usize,
    /// Why there is no engine for it, in Valkey's words: which looks for one last of all.
    pub(crate) no_engine: Option<Vec<u8>>,
}

/// Reads a script's first line as Valkey does, or as Redis; gives its flags and where its body begins.
///
/// # Errors
/// What is wrong with it, in their words.
pub(crate) fn parse(script: &[u8], is_valkey: bool) -> Result<(Option<ScriptFlags>, usize), Vec<u8>> {
    let FirstLine { flags, body, no_engine } = read(script, is_valkey)?;
    no_engine.map_or(Ok((flags, body)), Err)
}

/// The same where it does not matter yet whether there is an engine.
///
/// # Errors
/// As [`parse`].
pub(crate) fn read(script: &[u8], is_valkey: bool) -> Result<FirstLine, Vec<u8>> {
    if !script.starts_with(b"#!") {
        return Ok(FirstLine { flags: None, body: 0, no_engine: None });
    }
    let naming = |text: &str, word: &[u8]| [text.as_bytes(), word].concat();
    // As a string of C has it: it ends at a zero byte.
    let end = script.iter().position(|byte| matches!(byte, b'\n' | 0));
    let Some(end) = end.filter(|end| script.get(*end) == Some(&b'\n')) else {
        return Err(b"ERR Invalid script shebang".to_vec());
    };
    let quotes = if is_valkey { Quotes::JoinWords } else { Quotes::EndWords };
    let words = script.get(..end).and_then(|line| words_of_line(line, quotes)).unwrap_or_default();
    let Some((engine, options)) = words.split_first() else {
        return Err(b"ERR Invalid engine in script shebang".to_vec());
    };
    let name = engine.strip_prefix(b"#!").unwrap_or(engine);
    if !is_valkey && name != b"lua" {
        return Err(naming("ERR Unexpected engine in script shebang: ", engine));
    }
    let no_engine = (is_valkey && !name.eq_ignore_ascii_case(b"lua"))
        .then(|| [b"ERR Could not find scripting engine '", name, b"'"].concat());
    let mut flags = ScriptFlags::default();
    for option in options {
        let Some(names) = option.strip_prefix(b"flags=") else {
            return Err(naming("ERR Unknown lua shebang option: ", option));
        };
        if names.is_empty() {
            continue;
        }
        for name in names.split(|byte| *byte == b',') {
            if !flags.add(name) {
                return Err(naming("ERR Unexpected flag in script shebang: ", name));
            }
        }
    }
    Ok(FirstLine { flags: Some(flags), body: end, no_engine })
}
