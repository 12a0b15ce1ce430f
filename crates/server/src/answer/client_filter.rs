//! The words by which CLIENT LIST and CLIENT KILL choose connections: Redis' and Valkey's.
//!
//! Owns their grammar, and what each of them means. Never lists or ends anybody.

use std::time::Instant;

use commands::CommandError;
use protocol::number::parse_int;

use super::{Call, error};
use crate::clients::{Client, Label};

/// The letters that a client's flags may be asked for; some are of kinds of clients of which there are none here.
const FLAGS: &[u8] = b"bcdeirtuxABEIMNOPRSTU";

/// Chooses connections.
#[derive(Debug, Default)]
pub(super) struct Filter {
    conditions: Vec<(bool, Condition)>,
    /// Whether the caller is passed over (SKIPME); nothing was said otherwise.
    pub(super) skips_caller: Option<bool>,
}

/// What one of them must be like.
#[derive(Debug)]
enum Condition {
    Id(Vec<u64>),
    Type(ClientType),
    User(Vec<u8>),
    Addr(Vec<u8>),
    Laddr(Vec<u8>),
    Ip(Vec<u8>),
    /// At least so many seconds old.
    Age(u64),
    /// Silent for at least so many.
    Idle(u64),
    Name(Vec<u8>),
    LibName(Vec<u8>),
    LibVer(Vec<u8>),
    /// All of these letters.
    Flags(Vec<u8>),
    Db(u32),
    /// Able to do all that these letters say.
    Capa(Vec<u8>),
}

/// The kinds of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientType {
    Normal,
    Pubsub,
    Master,
    /// Nobody follows this node.
    Replica,
}

impl ClientType {
    fn parse(word: &[u8]) -> Result<Self, CommandError> {
        match word.to_ascii_lowercase().as_slice() {
            b"normal" => Ok(ClientType::Normal),
            b"pubsub" => Ok(ClientType::Pubsub),
            b"master" | b"primary" => Ok(ClientType::Master),
            b"replica" | b"slave" => Ok(ClientType::Replica),
            _ => Err(CommandError::naming("ERR Unknown client type '", word, "'")),
        }
    }
}

impl Filter {
    /// Reads the options of LIST, or of KILL.
    pub(super) fn parse(call: &Call<'_>, words: &[&[u8]], is_list: bool) -> Result<Self, CommandError> {
        let mut filter = Filter::default();
        let mut rest = words;
        let is_valkey = call.node.dialect().is_valkey();
        while let [option, after @ ..] = rest {
            let option = option.to_ascii_lowercase();
            let (wanted, option) = match option.strip_prefix(b"not-") {
                Some(option) => (false, option),
                None => (true, option.as_slice()),
            };
            if is_valkey && option == b"id" && words.len() > 1 {
                // As many numbers as follow are IDs, and none may.
                let numbers = after.iter().take_while(|word| parse_int(word).is_some()).count();
                let (ids, after) = after.split_at(numbers);
                rest = after;
                let ids = ids.iter().map(|word| id(word, false)).collect::<Result<_, _>>()?;
                filter.conditions.push((wanted, Condition::Id(ids)));
                continue;
            }
            let [value, after @ ..] = after else { return Err(CommandError::Syntax) };
            rest = after;
            let text = || value.to_vec();
            let letters = |what: &str, known: &[u8]| {
                if value.iter().all(|letter| known.contains(letter)) {
                    return Ok(text());
                }
                let which =
                    if wanted { "provided".to_owned() } else { format!("NOT-{}", what.to_uppercase()) };
                let before = format!("ERR Unknown {what} found in the {which} filter: ");
                Err(CommandError::naming(&before, value, ""))
            };
            let condition = match option {
                b"id" => {
                    let mut ids = vec![id(value, is_list)?];
                    if is_list {
                        // As in Redis whatever follows is an ID.
                        for more in std::mem::take(&mut rest) {
                            ids.push(id(more, true)?);
                        }
                    }
                    Condition::Id(ids)
                }
                b"type" => Condition::Type(ClientType::parse(value)?),
                b"user" if call.node.acl.find(value).is_some() => Condition::User(text()),
                b"user" => return Err(CommandError::naming("ERR No such user '", value, "'")),
                b"addr" => Condition::Addr(text()),
                b"laddr" => Condition::Laddr(text()),
                b"ip" => Condition::Ip(text()),
                b"maxage" => Condition::Age(positive(value, "maxage")?),
                b"idle" => Condition::Idle(positive(value, "idle")?),
                b"name" => Condition::Name(text()),
                b"lib-name" => Condition::LibName(text()),
                b"lib-ver" => Condition::LibVer(text()),
                b"flags" => Condition::Flags(letters("flags", FLAGS)?),
                b"db" => Condition::Db(
                    parse_int(value)
                        .and_then(|db| u32::try_from(db).ok())
                        .filter(|db| *db < call.node.databases)
                        .ok_or(CommandError::new(
                            "ERR DB number should be between 0 and the number of databases",
                        ))?,
                ),
                b"capa" => Condition::Capa(letters("capa", b"r")?),
                b"skipme" if wanted && value.eq_ignore_ascii_case(b"yes") => {
                    filter.skips_caller = Some(true);
                    continue;
                }
                b"skipme" if wanted && value.eq_ignore_ascii_case(b"no") => {
                    filter.skips_caller = Some(false);
                    continue;
                }
                _ => return Err(CommandError::Syntax),
            };
            filter.conditions.push((wanted, condition));
        }
        Ok(filter)
    }

    /// Whether it chooses this one.
    pub(super) fn chooses(&self, client: &Client, now: Instant) -> bool {
        self.conditions.iter().all(|(wanted, condition)| condition.is_met(client, now) == *wanted)
    }
}

impl Condition {
    fn is_met(&self, client: &Client, now: Instant) -> bool {
        match self {
            Condition::Id(ids) => ids.contains(&client.id),
            Condition::Type(ClientType::Normal) => !client.is_subscriber() && !client.is_link,
            Condition::Type(ClientType::Pubsub) => client.is_subscriber(),
            Condition::Type(ClientType::Master) => client.is_link,
            Condition::Type(ClientType::Replica) => false,
            Condition::User(user) => client.user_name() == *user,
            Condition::Addr(addr) => client.addr.to_string().as_bytes() == addr,
            Condition::Laddr(addr) => client.laddr.to_string().as_bytes() == addr,
            Condition::Ip(ip) => client.addr.host().as_bytes() == ip,
            Condition::Age(seconds) => now.saturating_duration_since(client.since).as_secs() >= *seconds,
            Condition::Idle(seconds) => client.idle_seconds(now) >= *seconds,
            Condition::Name(name) => is_called(&client.names().name, name),
            Condition::LibName(name) => is_called(&client.names().lib_name, name),
            Condition::LibVer(version) => is_called(&client.names().lib_ver, version),
            Condition::Flags(letters) => {
                let flags = client.flags();
                letters.iter().all(|letter| flags.as_bytes().contains(letter))
            }
            Condition::Capa(letters) => {
                let can = client.capabilities().as_bytes();
                letters.iter().all(|letter| can.contains(letter))
            }
            Condition::Db(db) => client.db.load(std::sync::atomic::Ordering::Relaxed) == *db,
        }
    }
}

/// Whether it has a name, and that.
fn is_called(name: &Label, wanted: &[u8]) -> bool {
    !wanted.is_empty() && name.as_bytes() == wanted
}

fn id(text: &[u8], is_list: bool) -> Result<u64, CommandError> {
    let id = parse_int(text);
    if is_list {
        // Any number will do; who has none of ours is nobody, as 0 is.
        let id = id.ok_or(CommandError::new("ERR Invalid client ID"))?;
        return Ok(u64::try_from(id).unwrap_or_default());
    }
    let id = id.and_then(|id| u64::try_from(id).ok()).filter(|id| *id > 0);
    id.ok_or(CommandError::new("ERR client-id should be greater than 0"))
}

fn positive(text: &[u8], what: &str) -> Result<u64, CommandError> {
    let seconds =
        parse_int(text).ok_or_else(|| error(format!("ERR {what} is not an integer or out of range")))?;
    let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0);
    seconds.ok_or_else(|| error(format!("ERR {what} should be greater than 0")))
}
