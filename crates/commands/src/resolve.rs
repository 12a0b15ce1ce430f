//! From a request's words to its row: name, subcommand, arity, and Redis' words for what is wrong with them.
//!
//! Owns the three refusals that need no row's handler. Never asks whether the caller may run the command.

use protocol::{Args, Reply};

use crate::error::printed;
use crate::spec::Command;
use crate::table;

/// How much of what a client sent an error repeats.
pub(crate) const REPEATED_BYTES_MAX: usize = 128;

/// Why a request names nothing that can run.
#[derive(Clone, Copy, Debug)]
pub enum Unresolved {
    /// No row of that name.
    UnknownCommand,
    /// The container has no such subcommand.
    UnknownSubcommand,
    /// The row takes another number of words.
    WrongArity(&'static Command),
}

/// The row that these words name, and its arguments (without its name, and without the subcommand's).
///
/// # Errors
/// [`Unresolved`], whose text is Redis'.
pub fn resolve<'a>(words: &'a [&'a [u8]]) -> Result<(&'static Command, Args<'a>), Unresolved> {
    resolve_row(words.first().and_then(|name| table::find(name)), words)
}

/// The same, where the row of the first word ([`table::find`]) is known already.
///
/// # Errors
/// As [`resolve`].
#[inline]
pub fn resolve_row<'a>(
    row: Option<&'static Command>,
    words: &'a [&'a [u8]],
) -> Result<(&'static Command, Args<'a>), Unresolved> {
    let mut rest = words.get(1..).unwrap_or_default();
    let mut command = row.filter(|row| !row.is_subcommand()).ok_or(Unresolved::UnknownCommand)?;
    if command.has_subcommands()
        && let Some((subcommand, after)) = rest.split_first()
    {
        command = table::find_subcommand(command, subcommand).ok_or(Unresolved::UnknownSubcommand)?;
        rest = after;
    }
    if command.takes(words.len()) {
        Ok((command, Args::new(rest)))
    } else {
        Err(Unresolved::WrongArity(command))
    }
}

impl Unresolved {
    /// The error line's text, which repeats some of the request's bytes.
    pub fn text(self, words: &[&[u8]]) -> Vec<u8> {
        let word = |index: usize| words.get(index).copied().unwrap_or_default();
        let mut text = Vec::new();
        match self {
            Unresolved::UnknownCommand => {
                text.extend_from_slice(b"ERR unknown command '");
                text.extend_from_slice(cut(word(0), REPEATED_BYTES_MAX));
                text.extend_from_slice(if words.len() > 1 {
                    &b"', with args beginning with: "[..]
                } else {
                    b"'"
                });
                let start = text.len();
                for arg in words.iter().skip(1) {
                    let Some(room) =
                        REPEATED_BYTES_MAX.checked_sub(text.len() - start).filter(|room| *room > 0)
                    else {
                        break;
                    };
                    text.push(b'\'');
                    text.extend_from_slice(cut(arg, room));
                    text.extend_from_slice(b"' ");
                }
            }
            Unresolved::UnknownSubcommand => {
                text.extend_from_slice(b"ERR unknown subcommand '");
                text.extend_from_slice(cut(word(1), REPEATED_BYTES_MAX));
                text.extend_from_slice(b"'. Try ");
                text.extend_from_slice(&printed(word(0)).to_ascii_uppercase());
                text.extend_from_slice(b" HELP.");
            }
            Unresolved::WrongArity(command) => {
                text.extend_from_slice(wrong_arity(command).as_bytes());
            }
        }
        text
    }

    /// Answers with the error line.
    pub fn answer(self, words: &[&[u8]], reply: &mut Reply) {
        reply.error_bytes(&self.text(words));
    }
}

/// Redis' words for a wrong number of arguments.
pub fn wrong_arity(command: &Command) -> String {
    format!("ERR wrong number of arguments for '{}' command", command.name)
}

/// What servers print of a word, and not more than `most` of that.
fn cut(word: &[u8], most: usize) -> &[u8] {
    let printed = printed(word);
    printed.get(..most).unwrap_or(printed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(words: &[&str]) -> String {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        String::from_utf8(resolve(&words).unwrap_err().text(&words)).unwrap()
    }

    #[test]
    fn refusals_in_redis_words() {
        assert_eq!(text(&["Foo"]), "ERR unknown command 'Foo'");
        assert_eq!(
            text(&["foo", "bar baz", "q\0r"]),
            "ERR unknown command 'foo', with args beginning with: 'bar baz' 'q' "
        );
        assert_eq!(text(&["client", "nope"]), "ERR unknown subcommand 'nope'. Try CLIENT HELP.");
        assert_eq!(text(&["client"]), "ERR wrong number of arguments for 'client' command");
        assert_eq!(text(&["CLIENT", "ID", "x"]), "ERR wrong number of arguments for 'client|id' command");
        assert_eq!(text(&["client|id"]), "ERR unknown command 'client|id'");
        let long = "x".repeat(200);
        assert_eq!(
            text(&[&long, &long, "y"]),
            format!("ERR unknown command '{}', with args beginning with: '{}' ", &long[..128], &long[..128])
        );
    }

    #[test]
    fn arguments_exclude_the_subcommand() {
        let words: &[&[u8]] = &[b"CLIENT", b"setname", b"me"];
        let (command, args) = resolve(words).unwrap();
        assert_eq!(command.name, "client|setname");
        assert_eq!(args.as_slice(), [b"me"]);
        let (command, args) = resolve(&[b"command"]).unwrap();
        assert_eq!(command.name, "command");
        assert!(args.is_empty());
    }
}
