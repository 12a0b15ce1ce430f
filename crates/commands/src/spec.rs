//! The words the command table is written in.
//!
//! Owns the shape of a row. Never holds a row (see [`crate::table`]).

use protocol::{Args, Reply};

use crate::{CommandError, ReadContext, WriteContext};

pub use crate::flags::{Categories, Flags, KeyFlags};

/// One row: a command, or a subcommand (`name` is then `container|sub`, as Redis writes it).
#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// Its place in the table.
    id: u16,
    /// Lower case.
    pub name: &'static str,
    /// How many words, name included (and the subcommand's); negative: at least that many.
    pub arity: i16,
    /// What it does and where it may be called, in Redis' words.
    pub flags: Flags,
    /// ACL categories beside those that the flags imply.
    pub categories: Categories,
    /// Where its keys stand.
    pub keys: &'static [KeySpec],
    /// The family, as COMMAND DOCS groups it.
    pub group: Group,
    /// The version of Redis (or Valkey) that brought it.
    pub since: &'static str,
    /// What runs it.
    pub run: Run,
    /// What runs it in a master's stream, when that is not what runs it for clients.
    noted: Option<WriteHandler>,
    /// Bytes of its container's name; 0: it is no subcommand.
    container_bytes: u8,
}

impl Command {
    /// A row with no flags, no keys and no category of its own.
    pub const fn new(name: &'static str, arity: i16, group: Group, since: &'static str, run: Run) -> Self {
        Command {
            id: 0,
            name,
            arity,
            flags: Flags::empty(),
            categories: Categories::empty(),
            keys: &[],
            group,
            since,
            run,
            noted: None,
            container_bytes: container_bytes(name.as_bytes()),
        }
    }
    /// What it does to our data where it stands in a master's stream: a read that changed something there (PFCOUNT
    /// notes the count in the string), or one that the server runs for clients (FUNCTION LOAD, which has to compile).
    pub const fn noting(mut self, handler: WriteHandler) -> Self {
        self.noted = Some(handler);
        self
    }
    /// What a command of a master's stream does to our data; `None` when it does nothing to it.
    pub fn applied_by(&self) -> Option<WriteHandler> {
        match self.run {
            Run::Write(handler) => Some(handler),
            _ => self.noted,
        }
    }
    /// With its place in the table.
    pub(crate) const fn numbered(mut self, id: u16) -> Self {
        self.id = id;
        self
    }
    /// Its place in [`crate::table::COMMANDS`], for counters by command.
    pub const fn id(&self) -> u16 {
        self.id
    }
    /// The container it belongs to, when it is a subcommand.
    pub fn container(&self) -> Option<&'static str> {
        if self.is_subcommand() { self.name.get(..usize::from(self.container_bytes)) } else { None }
    }
    /// Whether it is a container's subcommand.
    pub const fn is_subcommand(&self) -> bool {
        self.container_bytes > 0
    }
    /// Whether its first argument names a subcommand.
    pub fn has_subcommands(&self) -> bool {
        matches!(self.run, Run::Container | Run::Server(ServerCommand::Command))
    }
    /// Whether `words` words, name included, are as many as it takes.
    #[inline]
    pub fn takes(&self, words: usize) -> bool {
        let wanted = usize::from(self.arity.unsigned_abs());
        if self.arity < 0 { words >= wanted } else { words == wanted }
    }
    /// With these flags.
    pub const fn flags(mut self, flags: &[Flags]) -> Self {
        let mut rest = flags;
        while let [first, others @ ..] = rest {
            self.flags = self.flags.union(*first);
            rest = others;
        }
        self
    }
    /// With these ACL categories beside the implied ones.
    pub const fn categories(mut self, categories: &[Categories]) -> Self {
        let mut rest = categories;
        while let [first, others @ ..] = rest {
            self.categories = self.categories.union(*first);
            rest = others;
        }
        self
    }
    /// With its keys there.
    pub const fn keys(mut self, keys: &'static [KeySpec]) -> Self {
        self.keys = keys;
        self
    }
}

/// How many bytes of a row's name are its container's.
const fn container_bytes(name: &[u8]) -> u8 {
    let mut rest = name;
    let mut bytes = 0;
    while let [first, others @ ..] = rest {
        if *first == b'|' {
            return bytes;
        }
        bytes += 1;
        rest = others;
    }
    0
}

/// A handler that only reads.
pub type ReadHandler = fn(&ReadContext<'_>, Args<'_>, &mut Reply) -> Result<(), CommandError>;
/// A handler that may change data. On an error it has changed nothing.
pub type WriteHandler = fn(&mut WriteContext<'_>, Args<'_>, &mut Reply) -> Result<(), CommandError>;

/// Who runs a command.
#[derive(Clone, Copy, Debug)]
pub enum Run {
    /// A handler on data that changes nothing.
    Read(ReadHandler),
    /// A handler on data that may change it; its caller holds the writer token.
    Write(WriteHandler),
    /// The server's own: connections, configuration, replication.
    Server(ServerCommand),
    /// Only its subcommands run.
    Container,
}

/// What the server answers itself; `server` has one exhaustive match over these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // each is the command of that name
pub enum ServerCommand {
    Auth,
    Hello,
    Ping,
    Echo,
    Select,
    Quit,
    Reset,
    AclCat,
    AclDeluser,
    AclDryrun,
    AclGenpass,
    AclGetuser,
    AclHelp,
    AclList,
    AclLoad,
    AclLog,
    AclSave,
    AclSetuser,
    AclUsers,
    AclWhoami,
    ClientCaching,
    ClientCapa,
    ClientGetname,
    ClientGetredir,
    ClientHelp,
    ClientId,
    ClientImportSource,
    ClientInfo,
    ClientKill,
    ClientList,
    ClientNoEvict,
    ClientNoTouch,
    ClientPause,
    ClientReply,
    ClientSetinfo,
    ClientSetname,
    ClientTracking,
    ClientTrackinginfo,
    ClientUnblock,
    ClientUnpause,
    Command,
    CommandCount,
    CommandDocs,
    CommandGetkeys,
    CommandGetkeysandflags,
    CommandHelp,
    CommandInfo,
    CommandList,
    ConfigGet,
    ConfigHelp,
    ConfigResetstat,
    ConfigRewrite,
    ConfigSet,
    Info,
    Role,
    Wait,
    Waitaof,
    SlowlogGet,
    SlowlogHelp,
    SlowlogLen,
    SlowlogReset,
    CommandlogGet,
    CommandlogHelp,
    CommandlogLen,
    CommandlogReset,
    LatencyDoctor,
    LatencyGraph,
    LatencyHelp,
    LatencyHistogram,
    LatencyHistory,
    LatencyLatest,
    LatencyReset,
    Time,
    MemoryDoctor,
    MemoryHelp,
    MemoryMallocStats,
    MemoryPurge,
    MemoryStats,
    Lolwut,
    Failover,
    Lastsave,
    Save,
    Bgsave,
    Bgrewriteaof,
    HimportPrepare,
    HimportDiscard,
    HimportDiscardall,
    BackupAbort,
    BackupCleanup,
    BackupHelp,
    BackupList,
    BackupSeal,
    BackupStart,
    BackupStatus,
    HotkeysGet,
    HotkeysHelp,
    HotkeysReset,
    HotkeysStart,
    HotkeysStop,
    Migrate,
    Replicaof,
    Shutdown,
    Debug,
    ModuleList,
    Monitor,
    ModuleHelp,
    /// MODULE LOAD and the like, which are not allowed.
    ModulesDisabled,
    Multi,
    Exec,
    Discard,
    Watch,
    Unwatch,
    Subscribe,
    Psubscribe,
    Ssubscribe,
    Unsubscribe,
    Punsubscribe,
    Sunsubscribe,
    Publish,
    Spublish,
    PubsubChannels,
    PubsubHelp,
    PubsubNumpat,
    PubsubNumsub,
    PubsubShardchannels,
    PubsubShardnumsub,
    Eval,
    EvalRo,
    Evalsha,
    EvalshaRo,
    Fcall,
    FcallRo,
    ScriptDebug,
    ScriptExists,
    ScriptFlush,
    ScriptHelp,
    ScriptKill,
    ScriptLoad,
    ScriptShow,
    FunctionDelete,
    FunctionFlush,
    FunctionHelp,
    FunctionKill,
    FunctionList,
    FunctionLoad,
    FunctionRestore,
    FunctionStats,
    Readonly,
    Readwrite,
    /// Every other command of cluster mode, which is off.
    ClusterDisabled,
}

/// Where some of a command's keys stand. Positions count the name as 0, as in Redis.
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    /// How the first is found.
    pub begin: Begin,
    /// How the others follow it.
    pub find: Find,
    /// What is done to them.
    pub flags: KeyFlags,
}

impl KeySpec {
    /// Keys found so.
    pub const fn new(begin: Begin, find: Find, flags: &[KeyFlags]) -> Self {
        let mut all = KeyFlags::empty();
        let mut rest = flags;
        while let [first, others @ ..] = rest {
            all = all.union(*first);
            rest = others;
        }
        KeySpec { begin, find, flags: all }
    }
    /// One key, at this word.
    pub const fn at(index: i16, flags: &[KeyFlags]) -> Self {
        KeySpec::new(Begin::Index(index), Find::Range { last: 0, step: 1, limit: 0 }, flags)
    }
    /// All words from this one on but the last.
    pub const fn before_last(index: i16, flags: &[KeyFlags]) -> Self {
        KeySpec::new(Begin::Index(index), Find::Range { last: -2, step: 1, limit: 0 }, flags)
    }
}

/// Where a search for keys begins.
#[derive(Clone, Copy, Debug)]
pub enum Begin {
    /// At this word.
    Index(i16),
    /// After this word (upper case), looked for from this position on (negative: from the end, backwards).
    Keyword(&'static str, i16),
    /// The specification cannot say.
    Unknown,
}

/// Which words are keys, from where the search began.
#[derive(Clone, Copy, Debug)]
pub enum Find {
    /// From the first to `last` (relative to it; negative: from the end), each `step`; `limit` 2: the first half.
    Range {
        /// relative to the first, or negative from the end
        last: i16,
        /// distance between keys
        step: i16,
        /// with `last` -1: only one `limit`th of what follows
        limit: i16,
    },
    /// A number of keys stands at `number`, the first key at `first`.
    KeyNum {
        /// where the count stands
        number: i16,
        /// where the first key stands
        first: i16,
        /// distance between keys
        step: i16,
    },
    /// The specification cannot say.
    Unknown,
}

/// The family a command belongs to, as COMMAND DOCS names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Redis' own words
pub enum Group {
    Array,
    Bitmap,
    Cluster,
    Connection,
    Generic,
    Geo,
    Hash,
    Hyperloglog,
    List,
    Pubsub,
    Scripting,
    Sentinel,
    Server,
    Set,
    SortedSet,
    Stream,
    String,
    Transactions,
}

impl Group {
    /// COMMAND DOCS' word for it.
    pub fn name(self) -> &'static str {
        match self {
            Group::Array => "array",
            Group::Bitmap => "bitmap",
            Group::Cluster => "cluster",
            Group::Connection => "connection",
            Group::Generic => "generic",
            Group::Geo => "geo",
            Group::Hash => "hash",
            Group::Hyperloglog => "hyperloglog",
            Group::List => "list",
            Group::Pubsub => "pubsub",
            Group::Scripting => "scripting",
            Group::Sentinel => "sentinel",
            Group::Server => "server",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Stream => "stream",
            Group::String => "string",
            Group::Transactions => "transactions",
        }
    }
}
