//! The first line of a script: `#!lua flags=no-writes,allow-stale`.
//!
//! Owns the flags by which a script, or a function, says what it does.

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

/// A script's flags (none: it is of the old kind, which says nothing) and where its body begins; read as Valkey does, or
/// as Redis.
///
/// # Errors
/// What is wrong with its first line, in their words.
pub(crate) fn parse(script: &[u8], is_valkey: bool) -> Result<(Option<ScriptFlags>, usize), Vec<u8>> {
    if !script.starts_with(b"#!") {
        return Ok((None, 0));
    }
    let naming = |text: &str, word: &[u8]| [text.as_bytes(), word].concat();
    let Some(end) = script.iter().position(|byte| *byte == b'\n') else {
        return Err(b"ERR Invalid script shebang".to_vec());
    };
    let words = script.get(..end).and_then(protocol::words_of_line).unwrap_or_default();
    let Some((engine, options)) = words.split_first() else {
        return Err(b"ERR Invalid engine in script shebang".to_vec());
    };
    let name = engine.strip_prefix(b"#!").unwrap_or(engine);
    if is_valkey && !name.eq_ignore_ascii_case(b"lua") {
        return Err([b"ERR Could not find scripting engine '", name, b"'"].concat());
    }
    if !is_valkey && name != b"lua" {
        return Err(naming("ERR Unexpected engine in script shebang: ", engine));
    }
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
    Ok((Some(flags), end))
}
