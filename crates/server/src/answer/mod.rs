//! What the server answers itself: one exhaustive match over the table's server commands.
//!
//! Owns the dispatch; each family's answers stand in its own file. Never waits: a command that must (EXEC,
//! REPLICAOF, DEBUG) is brought here by [`crate::exclusive`], on a thread that may.

mod acl;
mod client;
mod client_filter;
mod command_log;
mod config;
mod connection;
mod debug;
mod hotkeys;
mod import;
mod info;
mod key_sizes;
mod persistence;
mod latency;
mod lolwut;
mod memory;
mod pubsub;
mod replication;
mod scripting;
mod tracking;
mod transaction;

use std::sync::Arc;
use std::time::Instant;

use ::scripting::{Kind, Named};
use commands::ServerCommand as S;
use commands::function::Change;
use commands::{Command, CommandError, Source, command_docs, command_info};
use protocol::{Args, Reply};
use storage::{UnixMillis, Writer};

use crate::hub::Sort;
use crate::node::Node;
use crate::session::Session;

pub(crate) use info::is_long as is_long_info;
pub(crate) use replication::is_promotion;
pub(crate) use scripting::{ATTEMPT_BYTES_MAX, attempt, called};
pub(crate) use transaction::{abort, exec, has_no_room};

/// The time of a batch, on both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// For deadlines.
    pub(crate) wall: UnixMillis,
    /// For lengths of time.
    pub(crate) steady: Instant,
}

impl Now {
    /// Asks both clocks.
    pub(crate) fn read() -> Self {
        Now { wall: crate::clock::unix_millis(), steady: crate::clock::steady() }
    }
}

/// One request for the server itself.
pub(crate) struct Call<'a> {
    pub(crate) node: &'a Arc<Node>,
    pub(crate) session: &'a mut Session,
    pub(crate) command: &'static Command,
    /// The whole request, as it was sent.
    pub(crate) words: &'a [&'a [u8]],
    pub(crate) args: Args<'a>,
    pub(crate) now: Now,
    /// By which right it sees data: a batch's, or the token's; none where it takes the token when it has to look.
    pub(crate) source: Option<Source<'a>>,
}

impl Call<'_> {
    /// Looks at data as of one moment, under the token.
    pub(crate) fn exactly<R>(&self, look: impl FnOnce(&Writer<'_>) -> R) -> R {
        match self.source {
            Some(Source::Writer(writer)) => look(writer),
            Some(Source::Reader(_)) | None => look(&crate::exclusive::hold(self.node)),
        }
    }
}

/// What happens to the connection afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// It goes on.
    Continue,
    /// It ends, once its replies are written.
    Close,
    /// It goes on, and what was asked was not run for what it says of itself: it is not counted among what was.
    Rejected,
}

/// An answer, or why there is none.
pub(crate) type Answered = Result<Then, CommandError>;

/// Answers a request that names one of the server's commands.
pub(crate) fn run(server: S, call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    match server {
        S::Auth => connection::auth(call, reply),
        S::Hello => connection::hello(call, reply),
        S::Ping => connection::ping(call, reply),
        S::Echo => connection::echo(call, reply),
        S::Select => connection::select(call, reply),
        S::Quit => connection::quit(call, reply),
        S::Reset => connection::reset(call, reply),
        S::Time => connection::time(reply),
        S::AclCat => acl::cat(call, reply),
        S::AclDeluser => acl::deluser(call, reply),
        S::AclDryrun => acl::dryrun(call, reply),
        S::AclGenpass => acl::genpass(call, reply),
        S::AclGetuser => acl::getuser(call, reply),
        S::AclHelp => help(reply, acl::HELP),
        S::AclList => acl::list(call, reply),
        S::AclLoad => acl::load(call, reply),
        S::AclLog => acl::log(call, reply),
        S::AclSave => acl::save(call, reply),
        S::AclSetuser => acl::setuser(call, reply),
        S::AclUsers => acl::users(call, reply),
        S::AclWhoami => acl::whoami(call, reply),
        S::ClientCapa => client::capa(call, reply),
        S::ClientImportSource => client::import_source(call, reply),
        S::ClientGetname => client::getname(call, reply),
        S::ClientGetredir => tracking::getredir(call, reply),
        S::ClientHelp => help(reply, client::HELP),
        S::ClientId => client::id(call, reply),
        S::ClientInfo => client::info(call, reply),
        S::ClientKill => client::kill(call, reply),
        S::ClientList => client::list(call, reply),
        S::ClientNoEvict => client::no_evict(call, reply),
        S::ClientNoTouch => client::no_touch(call, reply),
        S::ClientPause => client::pause(call, reply),
        S::ClientUnpause => client::unpause(call, reply),
        S::Monitor => client::monitor(call, reply),
        S::ClientReply => client::reply_mode(call, reply),
        S::ClientSetinfo => client::setinfo(call, reply),
        S::ClientSetname => client::setname(call, reply),
        S::ClientTracking => tracking::tracking(call, reply),
        S::ClientCaching => tracking::caching(call, reply),
        S::ClientTrackinginfo => tracking::trackinginfo(call, reply),
        S::ClientUnblock => client::unblock(call, reply),
        S::Command => done(|| command_info::all(reply)),
        S::CommandCount => done(|| command_info::count(reply)),
        S::CommandDocs => done(|| command_docs::docs(call.args, reply)),
        S::CommandGetkeys => command_info::getkeys(call.args, reply).map(|()| Then::Continue),
        S::CommandGetkeysandflags => command_info::getkeysandflags(call.args, reply).map(|()| Then::Continue),
        S::CommandHelp => help(reply, COMMAND_HELP),
        S::CommandInfo => done(|| command_info::info(call.args, reply)),
        S::CommandList => command_info::list(call.args, reply).map(|()| Then::Continue),
        S::ConfigGet => config::get(call, reply),
        S::ConfigHelp => help(reply, config::HELP),
        S::ConfigResetstat => config::resetstat(call, reply),
        S::ConfigRewrite => config::rewrite(),
        S::ConfigSet => config::set(call, reply),
        S::Info => info::info(call, reply),
        S::Role => replication::role(call, reply),
        S::Wait => replication::wait(call, reply),
        S::Waitaof => replication::waitaof(call, reply),
        S::Migrate => crate::migrate::held(call, reply),
        S::Replicaof => replication::replicaof(call, reply),
        S::Lastsave => persistence::lastsave(call, reply),
        S::Save => persistence::save(call, reply),
        S::Bgsave => persistence::bgsave(call, reply),
        S::Bgrewriteaof => persistence::bgrewriteaof(),
        S::HimportPrepare => import::prepare(call, reply),
        S::HimportDiscard => import::discard(call, reply),
        S::HimportDiscardall => import::discard_all(call, reply),
        // None was ever begun, nor can be.
        S::BackupAbort => Err(CommandError::new("ERR No backup in progress")),
        S::BackupCleanup => done(|| reply.ok()),
        S::BackupHelp => help(reply, persistence::BACKUP_HELP),
        S::BackupList => done(|| reply.array(0)),
        S::BackupSeal => {
            Err(CommandError::new("ERR No backup ready to seal (must be in the incrementing state)"))
        }
        S::BackupStart => Err(CommandError::new(persistence::NO_BACKUPS)),
        S::BackupStatus => done(|| persistence::backup_status(reply)),
        S::HotkeysGet => hotkeys::get(call, reply),
        S::HotkeysHelp => help(reply, hotkeys::HELP),
        S::HotkeysReset => hotkeys::reset(call, reply),
        S::HotkeysStart => hotkeys::start(call, reply),
        S::HotkeysStop => hotkeys::stop(call, reply),
        S::SlowlogGet => command_log::slowlog_get(call, reply),
        S::SlowlogHelp => help(reply, command_log::SLOWLOG_HELP),
        S::SlowlogLen => command_log::slowlog_len(call, reply),
        S::SlowlogReset => command_log::slowlog_reset(call, reply),
        S::CommandlogGet => command_log::commandlog_get(call, reply),
        S::CommandlogHelp => help(reply, command_log::COMMANDLOG_HELP),
        S::CommandlogLen => command_log::commandlog_len(call, reply),
        S::CommandlogReset => command_log::commandlog_reset(call, reply),
        S::LatencyDoctor => latency::doctor(call, reply),
        S::LatencyGraph => latency::graph(call, reply),
        S::LatencyHelp => help(reply, latency::HELP),
        S::LatencyHistogram => latency::histogram(call, reply),
        S::LatencyHistory => latency::history(call, reply),
        S::LatencyLatest => latency::latest(call, reply),
        S::LatencyReset => latency::reset(call, reply),
        S::MemoryDoctor => memory::doctor(call, reply),
        S::MemoryHelp => help(reply, memory::HELP),
        S::MemoryMallocStats => memory::malloc_stats(reply),
        S::MemoryPurge => memory::purge(reply),
        S::MemoryStats => memory::stats(call, reply),
        S::Lolwut => lolwut::lolwut(call, reply),
        S::Failover => replication::failover(call),
        S::Shutdown => connection::shutdown(call),
        S::Debug => debug::debug(call, reply),
        S::ModuleList => {
            reply.array(0);
            Ok(Then::Continue)
        }
        S::ModuleHelp => help(reply, MODULE_HELP),
        S::ModulesDisabled => Err(CommandError::new(crate::admission::MODULES_DISABLED)),
        S::Multi => transaction::multi(call, reply),
        S::Exec => transaction::exec_outside(),
        S::Discard => transaction::discard(call, reply),
        S::Watch => transaction::watch(call, reply),
        S::Unwatch => transaction::unwatch(call, reply),
        S::Subscribe => pubsub::subscribe(call, reply, Sort::Channel),
        S::Psubscribe => pubsub::subscribe(call, reply, Sort::Pattern),
        S::Ssubscribe => pubsub::subscribe(call, reply, Sort::Shard),
        S::Unsubscribe => pubsub::unsubscribe(call, reply, Sort::Channel),
        S::Punsubscribe => pubsub::unsubscribe(call, reply, Sort::Pattern),
        S::Sunsubscribe => pubsub::unsubscribe(call, reply, Sort::Shard),
        S::Publish => pubsub::publish(call, reply),
        S::Spublish => pubsub::spublish(call, reply),
        S::PubsubChannels => pubsub::channels(call, reply, Sort::Channel),
        S::PubsubShardchannels => pubsub::channels(call, reply, Sort::Shard),
        S::PubsubNumsub => pubsub::numsub(call, reply, Sort::Channel),
        S::PubsubShardnumsub => pubsub::numsub(call, reply, Sort::Shard),
        S::PubsubNumpat => pubsub::numpat(call, reply),
        S::PubsubHelp => help(reply, pubsub::HELP),
        S::Eval => scripting::eval(call, Named::ByText, false, reply),
        S::EvalRo => scripting::eval(call, Named::ByText, true, reply),
        S::Evalsha => scripting::eval(call, Named::ByDigest, false, reply),
        S::EvalshaRo => scripting::eval(call, Named::ByDigest, true, reply),
        S::Fcall => scripting::fcall(call, false, reply),
        S::FcallRo => scripting::fcall(call, true, reply),
        S::ScriptExists => scripting::script_exists(call, reply),
        S::ScriptFlush => scripting::script_flush(call, reply),
        S::ScriptLoad => scripting::script_load(call, reply),
        S::ScriptShow => scripting::script_show(call, reply),
        S::FunctionDelete => scripting::change(call, Change::Delete, reply),
        S::FunctionFlush => scripting::change(call, Change::Flush, reply),
        S::FunctionLoad => scripting::change(call, Change::Load, reply),
        S::FunctionRestore => scripting::change(call, Change::Restore, reply),
        S::FunctionList => scripting::list(call, reply),
        S::ScriptDebug => scripting::script_debug(call, reply),
        S::ScriptHelp => help(reply, scripting::SCRIPT_HELP),
        S::ScriptKill => scripting::kill(call, Kind::Script, reply),
        S::FunctionHelp => help(reply, scripting::FUNCTION_HELP),
        S::FunctionKill => scripting::kill(call, Kind::Function, reply),
        S::FunctionStats => scripting::stats(call, reply),
        S::Readonly => connection::read_only(call, true, reply),
        S::Readwrite => connection::read_only(call, false, reply),
        S::ClusterDisabled => Err(CLUSTER_DISABLED),
    }
}

/// COMMAND HELP
const COMMAND_HELP: &[(&str, &str)] = &[
    ("COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", ""),
    ("(no subcommand)", "Every command, with its arity, flags and keys."),
    ("COUNT", "How many commands there are."),
    ("DOCS [<command-name> ...]", "What commands are for and what they take."),
    ("GETKEYS <full-command>", "The keys of a request."),
    ("GETKEYSANDFLAGS <full-command>", "The keys of a request, and what is done to them."),
    ("INFO [<command-name> ...]", "Arity, flags and keys of commands."),
    ("LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]", "The names of commands."),
];

/// MODULE HELP
const MODULE_HELP: &[(&str, &str)] = &[
    ("MODULE <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", ""),
    ("LIST", "The modules: there are none, and none can be loaded."),
];

/// What every command of cluster mode is answered.
const CLUSTER_DISABLED: CommandError = CommandError::new("ERR This instance has cluster support disabled");

/// It is answered, and the connection goes on.
fn done(answer: impl FnOnce()) -> Answered {
    answer();
    Ok(Then::Continue)
}

/// An error whose text is made for the occasion.
pub(crate) fn error(text: String) -> CommandError {
    CommandError::Other(text.into())
}

/// Bytes of a client's, for a text that repeats them.
pub(crate) fn lossy(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// Puts together what HELP answers: each syntax, and below it what it means.
fn help(reply: &mut Reply, rows: &[(&str, &str)]) -> Answered {
    let own = [("HELP", "This list.")];
    let said =
        |(syntax, meaning): &(&str, &str)| usize::from(!syntax.is_empty()) + usize::from(!meaning.is_empty());
    reply.array(rows.iter().chain(&own).map(said).sum());
    for (syntax, meaning) in rows.iter().chain(&own) {
        if !syntax.is_empty() {
            reply.simple(syntax);
        }
        if !meaning.is_empty() {
            reply.simple(&format!("    {meaning}"));
        }
    }
    Ok(Then::Continue)
}
