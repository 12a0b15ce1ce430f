//! What a node is told: addresses, passwords, bounds, and the words they are written in.
//!
//! Owns [`Config`] and the reading of its values from text, as Redis reads them.
//! Never says which values can be asked for or changed by name: that is [`crate::config_table`].

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use commands::convert::save::Target;
use storage::{Limits, Wanted};

pub use crate::acl::ChannelsAtFirst;
pub use crate::client_memory::ClientMemory;
pub use crate::command_log::KeptMax;
use crate::command_log::Kind;
pub use crate::eviction::{EvictionRules, Policy};
pub use crate::output_limit::{OutputLimit, OutputLimits};
pub use crate::tls::{AuthClients, Protocols, TlsOptions};
use crate::upstream::{LoadRules, MasterAddress, OnDivergence, Resync};

/// The port of `--port` when none is named.
pub const PORT: u16 = 6380;
/// The most databases one may ask for: each costs a keyspace's fixed part.
pub const DATABASES_MAX: u32 = 16_384;

/// Everything that a node is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// The master to follow; none: a writable node.
    pub replicaof: Option<MasterAddress>,
    /// The user to name to the master.
    pub masteruser: Option<String>,
    /// The password to give to the master.
    pub masterauth: Option<Secret>,
    /// The address to name to the master, where it cannot see the real one.
    pub replica_announce_ip: Option<String>,
    /// The port to name to the master, where it is not `port`.
    pub replica_announce_port: Option<u16>,
    /// Whether clients are served on `port`.
    pub listen: bool,
    /// Where clients are served; 0 takes a free port.
    pub port: u16,
    /// Where clients are served by TLS; 0: nowhere.
    pub tls_port: u16,
    /// Certificates, keys, and how they are used.
    pub tls: TlsOptions,
    /// Addresses to listen on.
    pub bind: Vec<String>,
    /// A socket in the file system, beside the ports.
    pub unixsocket: Option<PathBuf>,
    /// Who may open it, as of chmod; 0: as the umask has it.
    pub unixsocketperm: u32,
    /// Whether clients from elsewhere are refused while there is no password.
    pub protected_mode: bool,
    /// The password of the user `default`.
    pub requirepass: Option<Secret>,
    /// Users beside `default`: a name each, and rules as of ACL SETUSER.
    pub users: Vec<String>,
    /// A file with users; instead of `users`.
    pub aclfile: Option<PathBuf>,
    /// The most entries of ACL LOG.
    pub acllog_max_len: u64,
    /// The channels that a new user may use.
    pub acl_pubsub_default: ChannelsAtFirst,
    /// The most clients at once.
    pub maxclients: u32,
    /// Seconds after which an idle client is let go; 0: never.
    pub timeout: u64,
    /// Seconds between the kernel's probes of a silent client; 0: none.
    pub tcp_keepalive: u64,
    /// The most bytes of requests that wait for their end, or for EXEC, from one client.
    pub client_query_limit: u64,
    /// How much output is held for clients that do not read, by their class.
    pub client_output_limits: OutputLimits,
    /// Which requests SLOWLOG and COMMANDLOG keep.
    pub command_log: CommandLogBounds,
    /// Whether it is counted how long requests take.
    pub latency_tracking: bool,
    /// Of which percentiles INFO tells how long requests take.
    pub latency_percentiles: Percentiles,
    /// Milliseconds from which on LATENCY notes what holds up clients; 0: never.
    pub latency_threshold: u64,
    /// Where `/metrics` is served; none: nowhere.
    pub http: Option<HttpAddress>,
    /// Where files go.
    pub dir: PathBuf,
    /// The name, in `dir`, of the file that SAVE writes.
    pub dbfilename: String,
    /// When the data set is saved without being asked.
    pub save: SavePoints,
    /// Whether clients' writes are refused after such a save has failed, on a node that follows nobody.
    pub stop_writes_on_bgsave_error: bool,
    /// For whom files and payloads of DUMP are written.
    pub rdb_version: RdbVersion,
    /// How many numbered databases there are.
    pub databases: u32,
    /// Who may call DEBUG.
    pub enable_debug_command: DebugAccess,
    /// How much is logged.
    pub loglevel: LogLevel,
    /// The version of Redis we say we are; clients choose features by it. Beside a Valkey we are of its version.
    pub report_version: String,
    /// Where this node is, for clients that want to read nearby; nothing: they are not told.
    pub availability_zone: String,
    /// How many keys that clients may hold are noted at most; 0: any number.
    pub tracking_table_max_keys: usize,
    /// Which events of keys are told to those who are subscribed.
    pub notify_keyspace_events: Wanted,
    /// What Sentinel chooses a new master by: the lowest first; 0: never this node.
    pub replica_priority: u32,
    /// Whether Sentinel is told of this node.
    pub replica_announced: bool,
    /// Whether reads are answered while the link to the master is down.
    pub replica_serve_stale_data: bool,
    /// What to do when a command of the stream is unknown or answers an error.
    pub on_divergence: OnDivergence,
    /// Bytes of the master's stream held in memory while applying is busy.
    pub spool_memory: u64,
    /// Bytes of the master's stream held in a file after that.
    pub spool_disk: u64,
    /// How snapshots are loaded.
    pub load_rules: LoadRules,
    /// How much memory data may take on a node that follows nobody, and what goes when it is too much.
    pub eviction: EvictionRules,
    /// How much memory all clients together may take.
    pub client_memory: ClientMemory,
    /// How long a client's script may hold up the master's stream; zero: without bound.
    pub script_hold_max: Duration,
    /// After which time of a script others are answered BUSY; zero: never.
    pub busy_reply_threshold: Duration,
    /// Silence after which the other side of a link is given up.
    pub repl_timeout: Duration,
    /// Where packed values become big ones.
    pub limits: Limits,
    /// A file that gets the ports, written when serving.
    pub ports_file: Option<PathBuf>,
}

/// The least `client-query-buffer-limit`, as in Redis.
const QUERY_LIMIT_MIN: u64 = 1024 * 1024;

/// Redis' default of `client-query-buffer-limit`.
const QUERY_LIMIT_DEFAULT: u64 = protocol::limits::REQUEST_BYTES_MAX as u64;

impl Default for Config {
    fn default() -> Self {
        Config {
            replicaof: None,
            masteruser: None,
            masterauth: None,
            replica_announce_ip: None,
            replica_announce_port: None,
            listen: true,
            port: PORT,
            tls_port: 0,
            tls: TlsOptions::default(),
            bind: Vec::new(),
            unixsocket: None,
            unixsocketperm: 0,
            protected_mode: true,
            requirepass: None,
            users: Vec::new(),
            aclfile: None,
            acllog_max_len: 128,
            acl_pubsub_default: ChannelsAtFirst::default(),
            maxclients: 10_000,
            timeout: 0,
            tcp_keepalive: 300,
            client_query_limit: QUERY_LIMIT_DEFAULT,
            client_output_limits: OutputLimits::default(),
            command_log: CommandLogBounds::default(),
            latency_tracking: true,
            latency_percentiles: Percentiles::default(),
            latency_threshold: 0,
            http: HttpAddress::parse("127.0.0.1:9380").ok(),
            dir: PathBuf::from("."),
            dbfilename: String::from("dump.rdb"),
            save: SavePoints::default(),
            stop_writes_on_bgsave_error: true,
            rdb_version: RdbVersion::default(),
            databases: 16,
            enable_debug_command: DebugAccess::Local,
            loglevel: LogLevel::Notice,
            report_version: String::from("8.10.0"),
            availability_zone: String::new(),
            tracking_table_max_keys: 1_000_000,
            notify_keyspace_events: Wanted::empty(),
            replica_priority: 100,
            replica_announced: true,
            replica_serve_stale_data: true,
            on_divergence: OnDivergence::Careful,
            spool_memory: 64 << 20,
            spool_disk: 16 << 30,
            load_rules: LoadRules::default(),
            eviction: EvictionRules::default(),
            client_memory: ClientMemory::default(),
            script_hold_max: Duration::from_millis(100),
            busy_reply_threshold: Duration::from_secs(5),
            repl_timeout: Duration::from_secs(60),
            limits: Limits::default(),
            ports_file: None,
        }
    }
}

impl Config {
    /// Whether there is a way for clients to come in.
    pub fn serves_clients(&self) -> bool {
        self.listen || self.tls_port > 0 || self.unixsocket.is_some()
    }

    /// The addresses to listen on: those of `bind`, or all of them.
    pub fn bind_addresses(&self) -> Vec<String> {
        if self.bind.is_empty() { vec![String::from("*"), String::from("-::*")] } else { self.bind.clone() }
    }
}

/// Reads a length of time: milliseconds, or `100ms`, or `2s`.
///
/// # Errors
/// What is wrong with it.
pub fn parse_millis(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let (number, unit) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 1),
        (None, Some(number)) => (number, 1000),
        (None, None) => (text, 1),
    };
    let number: u64 = number.trim().parse().map_err(|_| format!("'{text}' is no length of time"))?;
    Ok(Duration::from_millis(number.saturating_mul(unit)))
}

/// Reads a master's address: `HOST:PORT`, `[V6]:PORT` or `HOST PORT`.
///
/// # Errors
/// What is wrong with it.
pub fn parse_master(text: &str) -> Result<MasterAddress, String> {
    let text = text.trim();
    if text.contains("://") {
        return Err(String::from("expected HOST:PORT, and no URL"));
    }
    let (host, port) = match text.split_once(char::is_whitespace) {
        Some((host, port)) => (host, port.trim()),
        None => text.rsplit_once(':').ok_or("expected HOST:PORT")?,
    };
    let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let port: u16 = port.parse().map_err(|_| format!("'{port}' is no port"))?;
    if host.is_empty() {
        return Err(String::from("the host is missing"));
    }
    if port == 0 {
        return Err(String::from("port 0 is no master's"));
    }
    Ok(MasterAddress { host: host.to_owned(), port })
}

/// Where HTTP is served: `HOST:PORT`; port 0 takes a free one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAddress(String);

impl HttpAddress {
    /// Reads `HOST:PORT`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (host, port) = text.rsplit_once(':').ok_or("expected HOST:PORT or off")?;
        port.parse::<u16>().map_err(|_| format!("'{port}' is no port"))?;
        if host.is_empty() {
            return Err(String::from("the host is missing"));
        }
        Ok(HttpAddress(text.to_owned()))
    }
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<SocketAddr> for HttpAddress {
    fn from(address: SocketAddr) -> Self {
        HttpAddress(address.to_string())
    }
}

/// A password. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps it; an empty one is none, as in Redis.
    pub fn new(text: impl Into<String>) -> Option<Secret> {
        let text = text.into();
        if text.is_empty() { None } else { Some(Secret(text)) }
    }
    /// For the one who must send it or answer CONFIG GET.
    pub fn reveal(&self) -> &str {
        &self.0
    }
    /// Whether `given` is it; takes as long for a near miss as for a far one.
    pub fn matches(&self, given: &[u8]) -> bool {
        let own = self.0.as_bytes();
        let mut differ = own.len() ^ given.len();
        for (at, byte) in given.iter().enumerate() {
            let expected = own.get(at % own.len().max(1)).copied().unwrap_or_default();
            differ |= usize::from(byte ^ expected);
        }
        differ == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Secret(..)")
    }
}

/// Who may call DEBUG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DebugAccess {
    /// Nobody.
    No,
    /// Who connects from this machine.
    Local,
    /// Everybody.
    Yes,
}

/// How much is logged, in Redis' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// Much.
    Verbose,
    /// What an operator wants.
    Notice,
    /// What is wrong.
    Warning,
    /// Nothing.
    Nothing,
}

/// Which requests SLOWLOG and COMMANDLOG keep, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandLogBounds {
    /// Microseconds from which on a request is slow; below 0: none is.
    pub slower_than: i64,
    /// Bytes above which a request is large; below 0: none is.
    pub request_larger_than: i64,
    /// Bytes above which a reply is large; below 0: none is.
    pub reply_larger_than: i64,
    /// How many slow requests are kept.
    pub slow_max: usize,
    /// How many large requests are kept.
    pub large_request_max: usize,
    /// How many requests with large replies are kept.
    pub large_reply_max: usize,
    /// How much of each.
    pub kept_max: KeptMax,
}

impl Default for CommandLogBounds {
    fn default() -> Self {
        // Those of Redis and Valkey.
        CommandLogBounds {
            slower_than: 10_000,
            request_larger_than: 1 << 20,
            reply_larger_than: 1 << 20,
            slow_max: 128,
            large_request_max: 128,
            large_reply_max: 128,
            kept_max: KeptMax::default(),
        }
    }
}

impl CommandLogBounds {
    /// How much of a request is kept, and how many of this kind.
    pub(crate) fn bounds(&self, kind: Kind) -> (KeptMax, usize) {
        let most = match kind {
            Kind::Slow => self.slow_max,
            Kind::LargeRequest => self.large_request_max,
            Kind::LargeReply => self.large_reply_max,
        };
        (self.kept_max, most)
    }
}

/// When the data set is saved: after so many seconds, if there were so many changes. None: never without being asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavePoints(Vec<(u64, u64)>);

impl SavePoints {
    /// Reads pairs of seconds and changes.
    ///
    /// # Errors
    /// What is wrong with them, in Redis' words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || String::from("Invalid save parameters");
        if text.is_empty() {
            return Ok(SavePoints::default());
        }
        let numbers: Vec<u64> =
            text.split(' ').map(|word| word.parse().map_err(|_| wrong())).collect::<Result<_, _>>()?;
        let (pairs, rest) = numbers.as_chunks::<2>();
        if !rest.is_empty() || pairs.iter().any(|[seconds, _]| *seconds == 0) {
            return Err(wrong());
        }
        Ok(SavePoints(pairs.iter().map(|[seconds, changes]| (*seconds, *changes)).collect()))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one is reached so long after the last save, with so many changes since.
    pub(crate) fn is_reached(&self, since: Duration, changes: u64) -> bool {
        self.0.iter().any(|(seconds, wanted)| changes >= *wanted && since > Duration::from_secs(*seconds))
    }
}

impl fmt::Display for SavePoints {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> =
            self.0.iter().map(|(seconds, changes)| format!("{seconds} {changes}")).collect();
        to.write_str(&words.join(" "))
    }
}

/// Which version of the RDB format files and payloads of DUMP have; none: the one that most servers like the master
/// read and that has a form for all that is there, or for the value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RdbVersion(pub(crate) Option<u32>);

impl Word for RdbVersion {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("auto", RdbVersion(None)),
        ("9", RdbVersion(Some(9))),
        ("10", RdbVersion(Some(10))),
        ("11", RdbVersion(Some(11))),
        ("12", RdbVersion(Some(12))),
        ("13", RdbVersion(Some(13))),
        ("15", RdbVersion(Some(15))),
        ("valkey80", RdbVersion(Some(Target::VALKEY.version))),
    ];
}

/// Percentiles, as Redis reads and writes them.
#[derive(Clone, Debug, PartialEq)]
pub struct Percentiles(Vec<f64>);

impl Default for Percentiles {
    fn default() -> Self {
        Percentiles(vec![50.0, 99.0, 99.9])
    }
}

impl Percentiles {
    /// Reads numbers from 0 to 100.
    ///
    /// # Errors
    /// What is wrong with them, in Redis' words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let read = |word: &str| {
            let percent: f64 = word
                .parse()
                .map_err(|_| String::from("Invalid latency-tracking-info-percentiles parameters"))?;
            if (0.0..=100.0).contains(&percent) {
                Ok(percent)
            } else {
                Err(String::from(
                    "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]",
                ))
            }
        };
        text.split_ascii_whitespace().map(read).collect::<Result<_, _>>().map(Percentiles)
    }

    /// Each of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = f64> {
        self.0.iter().copied()
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.0.iter().map(f64::to_string).collect();
        to.write_str(&words.join(" "))
    }
}

/// A value that is one word of a fixed list.
pub trait Word: Sized + Copy + PartialEq + 'static {
    /// Each word, and what it means; the first of equal meanings is the one that is said.
    const WORDS: &'static [(&'static str, Self)];
    /// Reads it, in any case.
    ///
    /// # Errors
    /// The list of words.
    fn parse(text: &str) -> Result<Self, String> {
        let text = c_string(text);
        Self::WORDS
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(text))
            .map(|(_, value)| *value)
            .ok_or_else(|| {
                // A second word of the same meaning is for convenience, and not told.
                let words: Vec<&str> = Self::WORDS
                    .iter()
                    .filter(|(word, value)| !word.is_empty() && value.word() == *word)
                    .map(|(word, _)| *word)
                    .collect();
                format!("argument(s) must be one of the following: {}", words.join(", "))
            })
    }
    /// Its word.
    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, value)| *value == self).map_or("", |(word, _)| word)
    }
}

impl Word for DebugAccess {
    const WORDS: &'static [(&'static str, Self)] =
        &[("no", DebugAccess::No), ("local", DebugAccess::Local), ("yes", DebugAccess::Yes)];
}

impl Word for ChannelsAtFirst {
    const WORDS: &'static [(&'static str, Self)] =
        &[("allchannels", ChannelsAtFirst::All), ("resetchannels", ChannelsAtFirst::None)];
}

impl Word for AuthClients {
    const WORDS: &'static [(&'static str, Self)] =
        &[("no", AuthClients::No), ("yes", AuthClients::Yes), ("optional", AuthClients::Optional)];
}

impl Word for LogLevel {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("debug", LogLevel::Debug),
        ("verbose", LogLevel::Verbose),
        ("notice", LogLevel::Notice),
        ("warning", LogLevel::Warning),
        ("nothing", LogLevel::Nothing),
        ("info", LogLevel::Notice),
        ("warn", LogLevel::Warning),
    ];
}

impl Word for OnDivergence {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("stop", OnDivergence::Stop),
        ("resync", OnDivergence::Resync),
        ("ignore", OnDivergence::Ignore),
        ("", OnDivergence::Careful),
    ];
}

impl Word for Resync {
    const WORDS: &'static [(&'static str, Self)] =
        &[("keep", Resync::Keep), ("flush", Resync::Flush), ("auto", Resync::Auto)];
}

impl Word for bool {
    const WORDS: &'static [(&'static str, Self)] = &[("yes", true), ("no", false)];
}

/// Reads a size as Redis does: `64mb` and `64m` differ (a power of two, a power of ten), case does not.
///
/// # Errors
/// What is wrong with it.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(String::from("argument must be a memory value"));
    }
    parse_set_bytes(text)
}

/// What Redis reads of an option's value, where that is a string of C to it: all but numbers, lists of them, and passwords.
pub(crate) fn c_string(text: &str) -> &str {
    text.split('\0').next().unwrap_or_default()
}

/// The same as CONFIG SET reads it: no digits are no bytes.
pub(crate) fn parse_set_bytes(text: &str) -> Result<u64, String> {
    let text = c_string(text);
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let scale: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1_000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return Err(String::from("argument must be a memory value")),
    };
    let number = if number.is_empty() { Some(0) } else { number.parse::<u64>().ok() };
    number
        .and_then(|number| number.checked_mul(scale))
        .ok_or_else(|| String::from("argument must be a memory value"))
}

/// `client-query-buffer-limit`
///
/// # Errors
/// What is wrong with it, in Redis' words.
pub fn parse_query_limit(text: &str) -> Result<u64, String> {
    const MOST: u64 = i64::MAX as u64;
    let bytes = parse_set_bytes(text)?;
    if (QUERY_LIMIT_MIN..=MOST).contains(&bytes) {
        Ok(bytes)
    } else {
        Err(format!("argument must be between {QUERY_LIMIT_MIN} and {MOST} inclusive"))
    }
}

/// `unixsocketperm`: octal digits.
///
/// # Errors
/// What is wrong with it.
pub fn parse_permissions(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|bits| *bits <= 0o777)
        .ok_or_else(|| String::from("expected octal digits, as of chmod: 700"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_is_named_with_a_colon_or_a_space() {
        let master = |host: &str, port| Ok(MasterAddress { host: host.to_owned(), port });
        assert_eq!(parse_master("127.0.0.1:6379"), master("127.0.0.1", 6379));
        assert_eq!(parse_master("db.example 7000"), master("db.example", 7000));
        assert_eq!(parse_master("[::1]:6379"), master("::1", 6379));
        assert_eq!(parse_master("::1 6379"), master("::1", 6379));
        for bad in ["", "host", "host:", ":6379", "host:0", "host:70000", "host:x"] {
            assert!(parse_master(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_read_as_redis_reads_them() {
        assert_eq!(parse_bytes("64mb"), Ok(64 << 20));
        assert_eq!(parse_bytes("1K"), Ok(1000));
        assert_eq!(parse_bytes("16GB"), Ok(16 << 30));
        assert_eq!(parse_bytes("12"), Ok(12));
        for bad in ["", "mb", "-1", "1.5gb", "1tb", "99999999999999999999", "20000000000gb"] {
            assert!(parse_bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn percentiles_read_as_redis_reads_them() {
        assert_eq!(Percentiles::parse("50 99.5 100").unwrap().to_string(), "50 99.5 100");
        assert_eq!(Percentiles::parse("").unwrap().to_string(), "");
        assert_eq!(Percentiles::default().to_string(), "50 99 99.9");
        for bad in ["x", "101", "-1", "50,99", "nan"] {
            assert!(Percentiles::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_matches_only_itself_and_is_never_printed() {
        let secret = Secret::new("abc").unwrap();
        assert!(secret.matches(b"abc"));
        for wrong in [&b"abd"[..], b"ab", b"abcabc", b"", b"abcd"] {
            assert!(!secret.matches(wrong));
        }
        assert!(!format!("{secret:?}").contains("abc"));
        assert_eq!(Secret::new(""), None);
    }
}
