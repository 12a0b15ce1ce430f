//! A selector: commands, with the keys, channels and databases that they may be used on.
//!
//! Owns the rules that change one, and its description. Never decides about a request: see [`super::check`].

use commands::KeyFlags;
use storage::glob;

use super::allowed::{AllowedCommands, Sign};
use super::rule::RuleError;

/// See the module. A user has one, and may have others beside it, any of which is enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    /// Which commands.
    pub(crate) commands: AllowedCommands,
    /// On which keys.
    pub(crate) keys: Allowed<KeyPattern>,
    /// On which channels.
    pub(crate) channels: Allowed<Box<[u8]>>,
    /// In which databases.
    pub(crate) databases: Allowed<u32>,
}

/// All, or some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Allowed<T> {
    All,
    Some(Vec<T>),
}

impl<T> Allowed<T> {
    const NONE: Self = Allowed::Some(Vec::new());

    /// Whether it is all.
    #[inline]
    pub(crate) fn is_all(&self) -> bool {
        matches!(self, Allowed::All)
    }
}

/// Names of keys, and what may be done to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyPattern {
    pattern: Box<[u8]>,
    rights: KeyRights,
}

/// What may be done to a key, or what is asked for. A command that only asks whether a key exists asks for neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyRights {
    /// See what it holds.
    pub(crate) read: bool,
    /// Change it.
    pub(crate) write: bool,
}

impl KeyRights {
    /// Both.
    pub(crate) const BOTH: KeyRights = KeyRights { read: true, write: true };

    /// What a command asks for that does this to a key.
    #[inline]
    pub(crate) fn asked_by(flags: KeyFlags) -> Self {
        KeyRights {
            read: flags.contains(KeyFlags::ACCESS),
            write: flags.intersects(KeyFlags::INSERT.union(KeyFlags::DELETE).union(KeyFlags::UPDATE)),
        }
    }

    #[inline]
    fn cover(self, asked: KeyRights) -> bool {
        (self.read || !asked.read) && (self.write || !asked.write)
    }
}

/// What a new selector begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChannelsAtFirst {
    /// No channels.
    #[default]
    None,
    /// All channels, as before Redis 7.
    All,
}

impl Selector {
    /// One that allows nothing; but all channels, where `acl-pubsub-default` says so.
    pub(crate) fn new(channels: ChannelsAtFirst) -> Self {
        Selector {
            commands: AllowedCommands::none(),
            keys: Allowed::NONE,
            channels: match channels {
                ChannelsAtFirst::None => Allowed::NONE,
                ChannelsAtFirst::All => Allowed::All,
            },
            databases: Allowed::All,
        }
    }

    /// Whether it allows everything.
    pub(crate) fn is_everything(&self) -> bool {
        self.keys.is_all() && self.channels.is_all() && self.databases.is_all() && self.commands.is_all()
    }

    /// Follows one rule.
    ///
    /// # Errors
    /// What is wrong with it; then nothing has changed.
    pub(crate) fn follow(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        let is = |word: &str| rule.eq_ignore_ascii_case(word.as_bytes());
        match rule {
            _ if is("allkeys") || rule == b"~*" => self.keys = Allowed::All,
            _ if is("resetkeys") => self.keys = Allowed::NONE,
            _ if is("allchannels") || rule == b"&*" => self.channels = Allowed::All,
            _ if is("resetchannels") => self.channels = Allowed::NONE,
            _ if is("alldbs") => self.databases = Allowed::All,
            _ if is("resetdbs") => self.databases = Allowed::NONE,
            _ if is("allcommands") => self.commands = AllowedCommands::all(),
            _ if is("nocommands") => self.commands = AllowedCommands::none(),
            [b'~', pattern @ ..] => self.allow_keys(pattern, KeyRights::BOTH)?,
            [b'%', rest @ ..] => {
                let Allowed::Some(_) = self.keys else { return Err(RuleError::AfterAllKeys) };
                let (rights, pattern) = rights_of(rest).ok_or(RuleError::Syntax)?;
                self.allow_keys(pattern, rights)?;
            }
            [b'&', pattern @ ..] => {
                let Allowed::Some(patterns) = &mut self.channels else {
                    return Err(RuleError::AfterAllChannels);
                };
                let pattern = without_spaces(pattern)?;
                if !patterns.iter().any(|own| **own == *pattern) {
                    patterns.push(pattern.into());
                }
            }
            [b'+', name @ ..] => self.commands.follow(Sign::Plus, name)?,
            [b'-', name @ ..] => self.commands.follow(Sign::Minus, name)?,
            _ if rule.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(b"db=")) => {
                self.databases = databases_of(rule.get(3..).unwrap_or_default())?;
            }
            // As a word that is left empty by a shell's variable.
            [] => {}
            _ => return Err(RuleError::Syntax),
        }
        Ok(())
    }

    fn allow_keys(&mut self, pattern: &[u8], rights: KeyRights) -> Result<(), RuleError> {
        let Allowed::Some(patterns) = &mut self.keys else { return Err(RuleError::AfterAllKeys) };
        let pattern = without_spaces(pattern)?;
        match patterns.iter_mut().find(|own| *own.pattern == *pattern) {
            Some(own) => {
                own.rights.read |= rights.read;
                own.rights.write |= rights.write;
            }
            None => patterns.push(KeyPattern { pattern: pattern.into(), rights }),
        }
        Ok(())
    }

    /// Whether this may be done to the key.
    #[inline]
    pub(crate) fn allows_key(&self, key: &[u8], asked: KeyRights) -> bool {
        match &self.keys {
            Allowed::All => true,
            Allowed::Some(patterns) => {
                patterns.iter().any(|own| own.rights.cover(asked) && glob::matches(&own.pattern, key))
            }
        }
    }

    /// Whether this may be done to every key there is.
    pub(crate) fn allows_every_key(&self, asked: KeyRights) -> bool {
        match &self.keys {
            Allowed::All => true,
            Allowed::Some(patterns) => {
                patterns.iter().any(|own| own.rights.cover(asked) && *own.pattern == *b"*")
            }
        }
    }

    /// Whether the channel may be used; a pattern of channels must itself stand in the list.
    pub(crate) fn allows_channel(&self, name: &[u8], is_pattern: bool) -> bool {
        match &self.channels {
            Allowed::All => true,
            Allowed::Some(patterns) => {
                patterns.iter().any(|own| if is_pattern { **own == *name } else { glob::matches(own, name) })
            }
        }
    }

    /// Whether the database may be used.
    pub(crate) fn allows_database(&self, index: u32) -> bool {
        match &self.databases {
            Allowed::All => true,
            Allowed::Some(databases) => databases.contains(&index),
        }
    }

    /// The patterns of keys, with what may be done to them.
    pub(crate) fn describe_keys(&self) -> Vec<u8> {
        match &self.keys {
            Allowed::All => b"~*".to_vec(),
            Allowed::Some(patterns) => joined(patterns.iter().map(|own| {
                let prefix: &[u8] = match own.rights {
                    KeyRights { read: true, write: false } => b"%R~",
                    KeyRights { read: false, write: true } => b"%W~",
                    KeyRights { .. } => b"~",
                };
                [prefix, &own.pattern].concat()
            })),
        }
    }

    /// The patterns of channels.
    pub(crate) fn describe_channels(&self) -> Vec<u8> {
        match &self.channels {
            Allowed::All => b"&*".to_vec(),
            Allowed::Some(patterns) => joined(patterns.iter().map(|own| [&b"&"[..], own].concat())),
        }
    }

    /// The databases; `None` where it is all of them, of which Redis has no word.
    pub(crate) fn describe_databases(&self) -> Option<Vec<u8>> {
        match &self.databases {
            Allowed::All => None,
            Allowed::Some(databases) if databases.is_empty() => Some(Vec::new()),
            Allowed::Some(databases) => {
                let numbers: Vec<String> = databases.iter().map(u32::to_string).collect();
                Some(format!("db={}", numbers.join(",")).into_bytes())
            }
        }
    }

    /// The rules that make it of nothing, in one line.
    pub(crate) fn describe(&self) -> Vec<u8> {
        let mut parts = vec![self.describe_keys()];
        if !self.channels.is_all() {
            parts.push(b"resetchannels".to_vec());
        }
        parts.push(self.describe_channels());
        if let Some(databases) = self.describe_databases() {
            parts.push(if databases.is_empty() { b"resetdbs".to_vec() } else { databases });
        }
        parts.push(self.commands.description().into_bytes());
        joined(parts.into_iter().filter(|part| !part.is_empty()))
    }
}

fn joined(parts: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    parts.collect::<Vec<_>>().join(&b' ')
}

fn without_spaces(pattern: &[u8]) -> Result<&[u8], RuleError> {
    let has_space = pattern.iter().any(|byte| byte.is_ascii_whitespace() || matches!(byte, 0 | 11));
    if has_space { Err(RuleError::Syntax) } else { Ok(pattern) }
}

/// Reads what follows `%`: letters, and the pattern after `~`.
fn rights_of(rest: &[u8]) -> Option<(KeyRights, &[u8])> {
    let mut rights = KeyRights { read: false, write: false };
    let mut left = rest;
    while let [letter, after @ ..] = left {
        match letter.to_ascii_uppercase() {
            b'R' if !rights.read => rights.read = true,
            b'W' if !rights.write => rights.write = true,
            b'~' => {
                left = after;
                break;
            }
            _ => return None,
        }
        left = after;
    }
    (rights.read || rights.write).then_some((rights, left))
}

/// Reads what follows `db=`.
fn databases_of(list: &[u8]) -> Result<Allowed<u32>, RuleError> {
    let mut databases = Vec::new();
    for number in list.split(|byte| *byte == b',') {
        let number = protocol::number::parse_int(number).ok_or(RuleError::Syntax)?;
        databases.push(u32::try_from(number).map_err(|_| RuleError::BadDatabase)?);
    }
    databases.sort_unstable();
    databases.dedup();
    Ok(Allowed::Some(databases))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(rules: &str) -> Result<Selector, RuleError> {
        let mut selector = Selector::new(ChannelsAtFirst::None);
        rules.split(' ').try_for_each(|rule| selector.follow(rule.as_bytes())).map(|()| selector)
    }

    /// From redis-8.10, and from valkey-9.1 where databases come in.
    #[test]
    fn the_description_is_what_servers_say() {
        for (rules, shown) in [
            ("", "resetchannels -@all"),
            ("+@all allkeys allchannels", "~* &* +@all"),
            ("~a* %R~r* %W~w* %RW~x* &ch* +get", "~a* %R~r* %W~w* ~x* resetchannels &ch* -@all +get"),
            ("%R~q %W~q", "~q resetchannels -@all"),
            ("%RW~* ~z %R~*", "~* ~z resetchannels -@all"),
            ("~q %R %rw~low ~x)", "~q %R~ ~low ~x) resetchannels -@all"),
            ("&x &x &y", "resetchannels &x &y -@all"),
            ("~* resetkeys ~", "~ resetchannels -@all"),
            ("~* &* +@all db=3,0", "~* &* db=0,3 +@all"),
            ("~* &* +@all db=1 resetdbs", "~* &* resetdbs +@all"),
            ("~* &* +@all db=1 ALLDBS", "~* &* +@all"),
        ] {
            assert_eq!(String::from_utf8(selector(rules).unwrap().describe()).unwrap(), shown, "{rules}");
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (rule, why) in [
            ("nope", RuleError::Syntax),
            ("on", RuleError::Syntax),
            ("~* ~a", RuleError::AfterAllKeys),
            ("~* %RW~*", RuleError::AfterAllKeys),
            ("allchannels &x", RuleError::AfterAllChannels),
            ("%~x", RuleError::Syntax),
            ("%RR~x", RuleError::Syntax),
            ("%X~x", RuleError::Syntax),
            ("%", RuleError::Syntax),
            ("~a\tb", RuleError::Syntax),
            ("&a\nb", RuleError::Syntax),
            ("db=", RuleError::Syntax),
            ("db=x", RuleError::Syntax),
            ("db=1,,2", RuleError::Syntax),
            ("db=-1", RuleError::BadDatabase),
        ] {
            assert_eq!(selector(rule), Err(why), "{rule}");
        }
    }

    #[test]
    fn one_pattern_must_give_all_that_is_asked() {
        let selector = selector("~both* %R~r* %W~rw* %R~rw* %W~w*").unwrap();
        let read = KeyRights { read: true, write: false };
        let write = KeyRights { read: false, write: true };
        let neither = KeyRights { read: false, write: false };
        for (key, asked, allowed) in [
            (&b"both1"[..], KeyRights::BOTH, true),
            (b"r1", read, true),
            (b"r1", write, false),
            (b"r1", KeyRights::BOTH, false),
            (b"rw1", KeyRights::BOTH, true),
            (b"w1", neither, true),
            (b"w1", read, false),
            (b"other", neither, false),
        ] {
            assert_eq!(selector.allows_key(key, asked), allowed, "{}", key.escape_ascii());
        }
        assert!(!selector.allows_every_key(read));
    }

    #[test]
    fn a_pattern_of_channels_must_stand_in_the_list() {
        let selector = selector("&news.* &exact").unwrap();
        assert!(selector.allows_channel(b"news.1", false));
        assert!(selector.allows_channel(b"news.*", true));
        assert!(!selector.allows_channel(b"news.a*", true));
        assert!(!selector.allows_channel(b"other", false));
    }
}
