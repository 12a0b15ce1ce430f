//! Which words of a request are channels' names, for those who say who may use which.
//!
//! Owns the places. Never says who may.

use protocol::Args;

use crate::spec::{Command, Flags};

/// A channel among the arguments of a request that publishes to it or subscribes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelAt {
    /// Its place among the arguments (name and subcommand excluded).
    pub index: usize,
    /// Whether it is a pattern of names.
    pub is_pattern: bool,
}

impl Command {
    /// The channels among `args` that it publishes or subscribes to. Who unsubscribes needs no right to do so.
    pub fn channels_of(&self, args: Args<'_>) -> impl Iterator<Item = ChannelAt> + use<> {
        let (count, is_pattern) = if self.flags.contains(Flags::PUBSUB) {
            match self.name {
                "publish" | "spublish" => (args.len().min(1), false),
                "subscribe" | "ssubscribe" => (args.len(), false),
                "psubscribe" => (args.len(), true),
                _ => (0, false),
            }
        } else {
            (0, false)
        };
        (0..count).map(move |index| ChannelAt { index, is_pattern })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Group, Run};

    #[test]
    fn channels_are_those_that_one_publishes_or_subscribes_to() {
        let places = |name, words: &[&[u8]]| {
            let command = Command::new(name, -1, Group::Pubsub, "", Run::Container).flags(&[Flags::PUBSUB]);
            command.channels_of(Args::new(words)).map(|at| (at.index, at.is_pattern)).collect::<Vec<_>>()
        };
        assert_eq!(places("publish", &[b"channel", b"message"]), [(0, false)]);
        assert_eq!(places("ssubscribe", &[b"a", b"b"]), [(0, false), (1, false)]);
        assert_eq!(places("psubscribe", &[b"a*"]), [(0, true)]);
        assert_eq!(places("unsubscribe", &[b"a"]), []);
        assert_eq!(places("pubsub|channels", &[b"a"]), []);
    }
}
