//! What scripts and their callers are told is wrong, where servers have other words for it.
//!
//! Owns the words. Never decides what is wrong.

use commands::Dialect;

/// One server's.
#[derive(Debug)]
pub(crate) struct Texts {
    pub(crate) wrong_arity: &'static str,
    pub(crate) unknown: &'static str,
    pub(crate) not_allowed: &'static str,
    pub(crate) no_words: &'static str,
    pub(crate) no_text: &'static str,
    pub(crate) no_command: &'static str,
    /// Where the right to a command is asked for with too few words for it, or too many: elsewhere it is looked up.
    pub(crate) no_arity: Option<&'static str>,
    pub(crate) no_script: &'static str,
    pub(crate) no_log: &'static str,
    pub(crate) no_protocol: &'static str,
    pub(crate) no_flags: &'static str,
    /// Whether an error says which script it is of.
    pub(crate) names_scripts: bool,
    /// Whether an unknown subcommand is told of as elsewhere.
    pub(crate) names_subcommands: bool,
}

pub(crate) const REDIS: Texts = Texts {
    wrong_arity: "Wrong number of args calling Redis command from script",
    unknown: "Unknown Redis command called from script",
    not_allowed: "This Redis command is not allowed from script",
    no_words: "Please specify at least one argument for this redis lib call",
    no_text: "Lua redis lib command arguments must be strings or integers",
    no_command: "Invalid command passed to redis.acl_check_cmd()",
    no_arity: Some("Wrong number of args for redis.acl_check_cmd()"),
    no_script: "NOSCRIPT No matching script. Please use EVAL.",
    no_log: "redis.log() requires two arguments or more.",
    no_protocol: "redis.setresp() requires one argument.",
    no_flags: "redis.set_repl() requires one argument.",
    names_scripts: true,
    names_subcommands: false,
};

/// Up to 8.1.
const VALKEY_8: Texts = Texts {
    wrong_arity: "Wrong number of args calling command from script",
    unknown: "Unknown command called from script",
    not_allowed: REDIS.not_allowed,
    no_words: "Please specify at least one argument for this call",
    no_text: "Command arguments must be strings or integers",
    no_command: "Invalid command passed to server.acl_check_cmd()",
    no_arity: None,
    no_script: "NOSCRIPT No matching script.",
    no_log: "server.log() requires two arguments or more.",
    no_protocol: "server.setresp() requires one argument.",
    no_flags: "server.set_repl() requires one argument.",
    names_scripts: true,
    names_subcommands: false,
};

const VALKEY_9_0: Texts = Texts { not_allowed: "This Valkey command is not allowed from script", ..VALKEY_8 };

const VALKEY_9_1: Texts = Texts { names_scripts: false, names_subcommands: true, ..VALKEY_9_0 };

impl Texts {
    /// Those of such a server.
    pub(crate) fn of(dialect: Dialect) -> &'static Texts {
        match (dialect.major, dialect.minor) {
            _ if !dialect.is_valkey() => &REDIS,
            (..9, _) => &VALKEY_8,
            (9, 0) => &VALKEY_9_0,
            _ => &VALKEY_9_1,
        }
    }
}
