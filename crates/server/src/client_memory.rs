//! `maxmemory-clients`: how much memory all clients together may take.
//!
//! Owns the words of that limit, and who goes when it is exceeded: those who take most. Looked at ten times a second;
//! never touches a key, nor a socket.

use std::fmt;
use std::sync::atomic::Ordering::Relaxed;

use protocol::number::parse_int;

use crate::clock;
use crate::config::parse_set_bytes;
use crate::node::Node;
use crate::stats::add;

/// The least that a limit means: with less nobody could be talked to.
const LIMIT_MIN: u64 = 128 * 1024;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientMemory {
    /// So many bytes; 0: any number.
    Bytes(u64),
    /// So much of `maxmemory`, in percent.
    Percent(u8),
}

impl Default for ClientMemory {
    fn default() -> Self {
        ClientMemory::Bytes(0)
    }
}

impl ClientMemory {
    /// Reads a number of bytes, or `N%`.
    ///
    /// # Errors
    /// What is wrong with it, in Redis' words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || String::from("argument must be a memory or percent value");
        let Some(percent) = text.strip_suffix('%') else {
            let bytes = parse_set_bytes(text).map_err(|_| wrong())?;
            return if i64::try_from(bytes).is_ok() { Ok(ClientMemory::Bytes(bytes)) } else { Err(wrong()) };
        };
        let percent = parse_int(percent.as_bytes()).filter(|percent| *percent >= 0).ok_or_else(wrong)?;
        match u8::try_from(percent) {
            Ok(0) => Ok(ClientMemory::default()),
            Ok(percent @ ..=100) => Ok(ClientMemory::Percent(percent)),
            _ => Err(String::from("percentage argument must be less or equal to 100")),
        }
    }

    /// How many bytes that are; none where there is no bound.
    fn limit(self, maxmemory: u64) -> Option<u64> {
        let bytes = match self {
            ClientMemory::Bytes(bytes) => bytes,
            ClientMemory::Percent(percent) => {
                u64::try_from(u128::from(maxmemory) * u128::from(percent) / 100).unwrap_or(u64::MAX)
            }
        };
        (bytes > 0).then_some(bytes.max(LIMIT_MIN))
    }
}

impl fmt::Display for ClientMemory {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientMemory::Bytes(bytes) => write!(to, "{bytes}"),
            ClientMemory::Percent(percent) => write!(to, "{percent}%"),
        }
    }
}

/// Lets clients go until the others are within the limit; none who has asked not to be (CLIENT NO-EVICT).
pub(crate) fn look(node: &Node) {
    let limit = {
        let config = node.settings.read();
        config.client_memory.limit(config.eviction.maxmemory)
    };
    let Some(limit) = limit else { return };
    let mut clients: Vec<_> =
        node.clients.list().into_iter().map(|client| (client.memory() as u64, client)).collect();
    let mut used: u64 = clients.iter().map(|(bytes, _)| bytes).sum();
    if used < limit {
        return;
    }
    clients.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
    for (bytes, client) in clients {
        if used < limit {
            return;
        }
        if client.no_evict.load(Relaxed) {
            continue;
        }
        if let Some(left_out) = node.log.clients.turn(clock::steady()) {
            tracing::warn!(
                client = %client.addr, bytes, left_out, "all clients take more than maxmemory-clients; one is let go"
            );
        }
        add(&node.stats.local().evicted_clients, 1);
        client.end();
        used -= bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_as_redis_reads_it() {
        for (text, shown) in [
            ("5%", "5%"),
            ("100%", "100%"),
            ("0%", "0"),
            ("1mb", "1048576"),
            ("3000000", "3000000"),
            ("", "0"),
            ("9223372036854775807", "9223372036854775807"),
        ] {
            assert_eq!(ClientMemory::parse(text).unwrap().to_string(), shown, "{text}");
        }
        for text in ["abc", "-5", "-1%", "%", "5.5%", "-5mb"] {
            assert_eq!(
                ClientMemory::parse(text).unwrap_err(),
                "argument must be a memory or percent value",
                "{text}"
            );
        }
        assert_eq!(
            ClientMemory::parse("101%").unwrap_err(),
            "percentage argument must be less or equal to 100"
        );
    }

    #[test]
    fn a_share_is_one_of_maxmemory_and_none_without_it() {
        let half = ClientMemory::Percent(50);
        assert_eq!(half.limit(0), None);
        assert_eq!(half.limit(10 << 20), Some(5 << 20));
        assert_eq!(half.limit(1), None);
        assert_eq!(half.limit(1000), Some(LIMIT_MIN));
        assert_eq!(half.limit(u64::MAX), Some(u64::MAX / 2));
        assert_eq!(ClientMemory::default().limit(1 << 20), None);
        assert_eq!(ClientMemory::Bytes(1).limit(0), Some(LIMIT_MIN));
    }
}
