//! The words the command table is written in.
//!
//! Owns the shape of a row. Never holds a row (see [`crate::table`]).

use bitflags::bitflags;
use protocol::{Args, Reply};

use crate::{CommandError, ReadContext, WriteContext};

/// One row: a command, or a subcommand (`name` is then `container|sub`, as Redis writes it).
#[derive(Debug)]
pub struct Command {
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
}

impl Command {
    /// A row with no flags, no keys and no category of its own.
    pub const fn new(name: &'static str, arity: i16, group: Group, since: &'static str, run: Run) -> Self {
        Command {
            name,
            arity,
            flags: Flags::empty(),
            categories: Categories::empty(),
            keys: &[],
            group,
            since,
            run,
        }
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
    ClientCapa,
    ClientGetname,
    ClientGetredir,
    ClientHelp,
    ClientId,
    ClientInfo,
    ClientKill,
    ClientList,
    ClientNoEvict,
    ClientNoTouch,
    ClientReply,
    ClientSetinfo,
    ClientSetname,
    ClientTrackinginfo,
    ClientUnblock,
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
    Time,
    Lastsave,
    Replicaof,
    Shutdown,
    Debug,
    ModuleList,
    ModuleHelp,
    Multi,
    Exec,
    Discard,
    Watch,
    Unwatch,
    Publish,
    Spublish,
    /// Every command of cluster mode, which is off.
    ClusterDisabled,
    ClusterHelp,
}

bitflags! {
    /// Redis' command flags.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[allow(missing_docs)] // Redis' own words
    pub struct Flags: u32 {
        const WRITE = 1;
        const READONLY = 1 << 1;
        const DENYOOM = 1 << 2;
        const ADMIN = 1 << 3;
        const PUBSUB = 1 << 4;
        const NOSCRIPT = 1 << 5;
        const BLOCKING = 1 << 6;
        const LOADING = 1 << 7;
        const STALE = 1 << 8;
        const SKIP_MONITOR = 1 << 9;
        const SKIP_SLOWLOG = 1 << 10;
        const ASKING = 1 << 11;
        const FAST = 1 << 12;
        const NO_AUTH = 1 << 13;
        const MAY_REPLICATE = 1 << 14;
        const NO_MANDATORY_KEYS = 1 << 15;
        const NO_ASYNC_LOADING = 1 << 16;
        const NO_MULTI = 1 << 17;
        const ALLOW_BUSY = 1 << 18;
        const MOVABLEKEYS = 1 << 19;
        const SCRIPT_RUNNER = 1 << 20;
    }

    /// ACL categories that no flag implies (the data type's, mostly).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[allow(missing_docs)] // Redis' own words
    pub struct Categories: u32 {
        const KEYSPACE = 1;
        const SET = 1 << 1;
        const SORTEDSET = 1 << 2;
        const LIST = 1 << 3;
        const HASH = 1 << 4;
        const STRING = 1 << 5;
        const BITMAP = 1 << 6;
        const HYPERLOGLOG = 1 << 7;
        const GEO = 1 << 8;
        const STREAM = 1 << 9;
        const CONNECTION = 1 << 10;
        const TRANSACTION = 1 << 11;
        const SCRIPTING = 1 << 12;
        const DANGEROUS = 1 << 13;
        const ARRAY = 1 << 14;
        const PUBSUB = 1 << 15;
        const ADMIN = 1 << 16;
        const READ = 1 << 17;
        const WRITE = 1 << 18;
        const BLOCKING = 1 << 19;
    }

    /// What a command does to the keys of one specification.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[allow(missing_docs)] // Redis' own words
    pub struct KeyFlags: u16 {
        const RO = 1;
        const RW = 1 << 1;
        const OW = 1 << 2;
        const RM = 1 << 3;
        const ACCESS = 1 << 4;
        const UPDATE = 1 << 5;
        const INSERT = 1 << 6;
        const DELETE = 1 << 7;
        const NOT_KEY = 1 << 8;
        const INCOMPLETE = 1 << 9;
        const VARIABLE_FLAGS = 1 << 10;
    }
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
