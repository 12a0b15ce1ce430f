//! The program's options.
//!
//! Owns their names, Redis' where Redis has one, and the words of the help. What a value means is
//! [`nearside::config`]'s; an option's name is the one that CONFIG GET knows, and every value that CONFIG SET can
//! change is an option too.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches, Parser};
use nearside::config::{
    AuthClients, ChannelsAtFirst, Config, DATABASES_MAX, DebugAccess, EvictionRules, HttpAddress, LogLevel,
    PORT, Policy, Protocols, RdbVersion, SavePoints, Secret, TlsOptions, Word, parse_bytes, parse_master,
    parse_millis, parse_permissions, parse_query_limit,
};
use nearside::config_table;
use nearside::{LoadRules, MasterAddress, OnDivergence, Resync, Room};

/// An in-memory read replica for Redis and Valkey: an exact, live copy of a master, served on its own port.
#[derive(Debug, Parser)]
#[command(name = "nearside", version, max_term_width = 100)]
pub(crate) struct Options {
    /// The master to follow, HOST:PORT or HOST PORT; without one this is a writable, empty node
    #[arg(long, value_name = "HOST:PORT", num_args = 1..=2, alias = "slaveof")]
    replicaof: Vec<String>,

    /// The port clients are served on; 0 takes a free one, off serves them by TLS or --unixsocket alone
    #[arg(long, value_name = "PORT|off", default_value_t = Port(Some(PORT)), value_parser = port)]
    port: Port,

    /// The port clients are served on by TLS; 0: none
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    tls_port: u16,

    /// Our certificate, followed by those between it and the CA's
    #[arg(long, value_name = "PATH")]
    tls_cert_file: Option<PathBuf>,

    /// The key of our certificate
    #[arg(long, value_name = "PATH")]
    tls_key_file: Option<PathBuf>,

    /// The certificate to show to the master, where it is another
    #[arg(long, value_name = "PATH")]
    tls_client_cert_file: Option<PathBuf>,

    /// The key of that certificate
    #[arg(long, value_name = "PATH")]
    tls_client_key_file: Option<PathBuf>,

    /// The certificates of the CAs that the master's and clients' certificates must come from
    #[arg(long, value_name = "PATH")]
    tls_ca_cert_file: Option<PathBuf>,

    /// A directory of such files
    #[arg(long, value_name = "PATH")]
    tls_ca_cert_dir: Option<PathBuf>,

    /// Whether clients must have a certificate
    #[arg(long, value_name = "yes|no|optional", default_value = "yes", value_parser = AuthClients::parse)]
    tls_auth_clients: AuthClients,

    /// The versions of TLS that are spoken
    #[arg(long, value_name = "VERSIONS", default_value = "TLSv1.2 TLSv1.3", value_parser = Protocols::parse)]
    tls_protocols: Protocols,

    /// Whether the link to the master is TLS
    #[arg(long, value_name = "yes|no", default_value = "no", action = ArgAction::Set, value_parser = bool::parse)]
    tls_replication: bool,

    /// The name that the master's certificate must bear [default: the host of --replicaof]
    #[arg(long, value_name = "NAME")]
    tls_server_name: Option<String>,

    /// A socket in the file system that clients are served on too
    #[arg(long, value_name = "PATH")]
    unixsocket: Option<PathBuf>,

    /// Who may open that socket, as of chmod [default: as the umask has it]
    #[arg(long, value_name = "MODE", default_value = "0", hide_default_value = true, value_parser = parse_permissions)]
    unixsocketperm: u32,

    /// An address to listen on; may be given several times [default: all]
    #[arg(long, value_name = "ADDRESS", value_delimiter = ' ', allow_hyphen_values = true)]
    bind: Vec<String>,

    /// Where the files go
    #[arg(long, default_value = ".")]
    dir: PathBuf,

    /// The name of the file in --dir that SAVE and BGSAVE write
    #[arg(long, value_name = "NAME", default_value = "dump.rdb", value_parser = file_name)]
    dbfilename: String,

    /// When to save without being asked: after so many seconds, if there were so many changes; several pairs
    #[arg(long, value_name = "SECONDS CHANGES", num_args = 1.., action = ArgAction::Append)]
    save: Vec<String>,

    /// The version of the RDB format that files and DUMP's payloads have: of Redis 9 (5.0 to 6.2), 10 (7.0), 11 (7.2
    /// and every Valkey), 12 (7.4), 13 (8.6) or 15 (8.10), or Valkey's own. What has no form in it is an error; auto:
    /// the oldest from 11 on that has one, and none that the master could not read
    #[arg(long, value_name = "auto|9|10|11|12|13|15|valkey80", default_value = "auto", value_parser = RdbVersion::parse)]
    rdb_version: RdbVersion,

    /// Where /metrics, /healthz and /readyz are served, or off; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT|off", default_value = "127.0.0.1:9380", value_parser = http)]
    http: Http,

    /// How many numbered databases there are
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=i64::from(DATABASES_MAX)))]
    databases: u32,

    /// The user to name to the master
    #[arg(long, env = "NEARSIDE_MASTERUSER")]
    masteruser: Option<String>,

    /// The password to give to the master; better in the environment, where no process list shows it
    #[arg(long, env = "NEARSIDE_MASTERAUTH", hide_env_values = true)]
    masterauth: Option<String>,

    /// A file with the password to give to the master
    #[arg(long, value_name = "PATH")]
    masterauth_file: Option<PathBuf>,

    /// The password that clients must give; better in the environment, where no process list shows it
    #[arg(long, env = "NEARSIDE_REQUIREPASS", hide_env_values = true)]
    requirepass: Option<String>,

    /// A file with the password that clients must give
    #[arg(long, value_name = "PATH")]
    requirepass_file: Option<PathBuf>,

    /// A user: its name, and rules as ACL SETUSER takes them; may be given several times
    #[arg(long, value_name = "NAME RULES", conflicts_with = "aclfile")]
    user: Vec<String>,

    /// A file with users, as ACL SAVE writes it
    #[arg(long, value_name = "PATH")]
    aclfile: Option<PathBuf>,

    /// The most entries of ACL LOG
    #[arg(long, value_name = "COUNT", default_value_t = 128)]
    acllog_max_len: u64,

    /// The channels that a new user may use
    #[arg(long, value_name = "allchannels|resetchannels", default_value = "resetchannels", value_parser = ChannelsAtFirst::parse)]
    acl_pubsub_default: ChannelsAtFirst,

    /// Whether clients from other machines are refused while there is no password
    #[arg(long, value_name = "yes|no", default_value = "yes", action = ArgAction::Set, value_parser = bool::parse)]
    protected_mode: bool,

    /// The address to name to the master, where it cannot see the real one
    #[arg(long, value_name = "ADDRESS")]
    replica_announce_ip: Option<String>,

    /// The port to name to the master, where it is not our own
    #[arg(long, value_name = "PORT")]
    replica_announce_port: Option<u16>,

    /// Who may call DEBUG: nobody, clients on this machine, everybody
    #[arg(long, value_name = "no|local|yes", default_value = "local", value_parser = DebugAccess::parse)]
    enable_debug_command: DebugAccess,

    /// How much is logged: debug, verbose, notice, warning or nothing
    #[arg(long, visible_alias = "loglevel", value_name = "LEVEL", default_value = "notice", value_parser = LogLevel::parse)]
    log_level: LogLevel,

    /// The most clients at once
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    maxclients: u32,

    /// Seconds after which an idle client is let go; 0: never
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    timeout: u64,

    /// Seconds between the kernel's probes of a silent client; 0: none
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    tcp_keepalive: u64,

    /// The most bytes of requests that wait for their end, or for EXEC, from one client
    #[arg(long, value_name = "BYTES", default_value = "1gb", value_parser = parse_query_limit)]
    client_query_buffer_limit: u64,

    /// The version of Redis we say we are, unless the master is a Valkey, whose version is ours then; clients choose
    /// features by it: the caches of redis-py and Jedis ask for 7.4
    #[arg(long, value_name = "VERSION", default_value = "8.10.0", value_parser = version)]
    report_version: String,

    /// Where this node is: INFO and HELLO tell it beside a Valkey master, for clients that read nearby
    #[arg(long, value_name = "NAME", default_value = "")]
    availability_zone: String,

    /// Whether reads are answered while the link to the master is down
    #[arg(long, value_name = "yes|no", default_value = "yes", action = ArgAction::Set, value_parser = bool::parse)]
    replica_serve_stale_data: bool,

    /// What to do when a command of the stream is unknown, or answers an error: stop, resync or ignore
    /// [default: an unknown one stops, an error resyncs once]
    #[arg(long, value_name = "stop|resync|ignore", value_parser = on_divergence, hide_default_value = true)]
    on_divergence: Option<OnDivergence>,

    /// How much of the stream is held in memory while applying is busy
    #[arg(long, value_name = "SIZE", default_value = "64mb", value_parser = parse_bytes)]
    spool_memory: u64,

    /// How much of it then goes to a file under --dir
    #[arg(long, value_name = "SIZE", default_value = "16gb", value_parser = parse_bytes)]
    spool_disk: u64,

    /// Whether the old data stay readable while a full sync brings new ones: they do, they go first, or they go when
    /// there is no memory for both
    #[arg(long, value_name = "keep|flush|auto", default_value = "auto", value_parser = Resync::parse)]
    resync: Resync,

    /// The most memory that a full sync may bring us to; 0: no bound
    #[arg(long, value_name = "SIZE", default_value = "0", value_parser = parse_bytes)]
    memory_limit: u64,

    /// The most memory that data may take on a node that follows nobody; 0: no bound
    #[arg(long, value_name = "SIZE", default_value = "0", value_parser = parse_bytes)]
    maxmemory: u64,

    /// Which keys go when there is no room: noeviction, or allkeys- or volatile- with lru, lfu, lrm or random, or
    /// volatile-ttl
    #[arg(long, value_name = "POLICY", default_value = "noeviction", value_parser = Policy::parse)]
    maxmemory_policy: Policy,

    /// Microseconds that loading a key takes longer, to try out slow loads; negative: one for so many keys
    #[arg(
        long,
        value_name = "MICROSECONDS",
        default_value_t = 0,
        allow_negative_numbers = true,
        hide = true
    )]
    key_load_delay: i32,

    /// How long a client's script may hold up the master's stream before it is ended; 0: without bound
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = parse_millis)]
    script_hold_max: Duration,

    /// Milliseconds after which a script makes others who need to wait for it be answered BUSY; 0: never
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 5000, alias = "lua-time-limit")]
    busy_reply_threshold: u64,

    /// Seconds of silence after which the link to the master is given up
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    repl_timeout: u64,

    /// A file that gets the ports, written when serving
    #[arg(long, value_name = "PATH")]
    ports_file: Option<PathBuf>,
}

/// `off`, or where.
#[derive(Clone, Debug)]
struct Http(Option<HttpAddress>);

/// `off`, or which.
#[derive(Clone, Copy, Debug)]
struct Port(Option<u16>);

impl std::fmt::Display for Port {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(port) => port.fmt(to),
            None => to.write_str("off"),
        }
    }
}

fn port(text: &str) -> Result<Port, String> {
    if text.eq_ignore_ascii_case("off") {
        return Ok(Port(None));
    }
    text.parse().map(|port| Port(Some(port))).map_err(|_| format!("'{text}' is no port"))
}

fn http(text: &str) -> Result<Http, String> {
    if text.eq_ignore_ascii_case("off") {
        return Ok(Http(None));
    }
    HttpAddress::parse(text).map(|address| Http(Some(address)))
}

fn file_name(text: &str) -> Result<String, String> {
    let path = std::path::Path::new(text);
    if path.file_name().is_some_and(|name| name == path) {
        Ok(text.to_owned())
    } else {
        Err(String::from("dbfilename can't be a path, just a filename"))
    }
}

fn on_divergence(text: &str) -> Result<OnDivergence, String> {
    if text.is_empty() {
        return Err(String::from("one of stop, resync, ignore is wanted"));
    }
    OnDivergence::parse(text)
}

fn version(text: &str) -> Result<String, String> {
    let is_version = text.split('.').count() == 3
        && text.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    if is_version { Ok(text.to_owned()) } else { Err(String::from("expected MAJOR.MINOR.PATCH")) }
}

/// All options: those of [`Options`], and every other value that CONFIG SET can change, in its words.
fn command() -> Command {
    rows().into_iter().fold(Options::command(), |command, (row, set)| {
        let parse = move |text: &str| set(&mut Config::default(), text).map(|()| text.to_owned());
        let option = Arg::new(row.name)
            .long(row.name)
            .value_name("VALUE")
            .help_heading("Values that CONFIG SET can change, in its words")
            .help(format!("[default: {}]", (row.get)(&Config::default())))
            .allow_hyphen_values(true)
            .value_parser(parse);
        command.arg(match row.alias {
            Some(alias) => option.alias(alias),
            None => option,
        })
    })
}

/// The rows of such values.
fn rows() -> Vec<(&'static config_table::Row, config_table::Set)> {
    let own = Options::command();
    let is_own = |name: &str| {
        own.get_arguments().any(|option| {
            option.get_long() == Some(name) || option.get_all_aliases().is_some_and(|all| all.contains(&name))
        })
    };
    config_table::ROWS
        .iter()
        .filter_map(|row| Some((row, row.set?)))
        .filter(|(row, _)| !is_own(row.name))
        .collect()
}

/// The configuration that the command line asks for. Ends the program where it has an option that is not known.
///
/// # Errors
/// The option that cannot be followed, and why.
pub(crate) fn read() -> Result<Config, String> {
    config_of(&command().get_matches())
}

fn config_of(given: &ArgMatches) -> Result<Config, String> {
    let options = Options::from_arg_matches(given).map_err(|error| error.to_string())?;
    let mut config = options.into_config()?;
    for (row, set) in rows() {
        if let Some(text) = given.get_one::<String>(row.name) {
            set(&mut config, text).map_err(|why| format!("--{} '{text}': {why}", row.name))?;
        }
    }
    Ok(config)
}

impl Options {
    /// What they say, with the passwords read from their files.
    ///
    /// # Errors
    /// The option that cannot be followed, and why.
    fn into_config(self) -> Result<Config, String> {
        Ok(Config {
            replicaof: self.master()?,
            masteruser: self.masteruser.filter(|user| !user.is_empty()),
            masterauth: password("masterauth", self.masterauth, self.masterauth_file)?,
            // As none, which is how CONFIG GET shows it.
            replica_announce_ip: self.replica_announce_ip.filter(|ip| !ip.is_empty()),
            replica_announce_port: self.replica_announce_port.filter(|port| *port > 0),
            listen: self.port.0.is_some(),
            port: self.port.0.unwrap_or_default(),
            tls_port: self.tls_port,
            tls: TlsOptions {
                cert_file: self.tls_cert_file,
                key_file: self.tls_key_file,
                client_cert_file: self.tls_client_cert_file,
                client_key_file: self.tls_client_key_file,
                ca_cert_file: self.tls_ca_cert_file,
                ca_cert_dir: self.tls_ca_cert_dir,
                auth_clients: self.tls_auth_clients,
                protocols: self.tls_protocols,
                replication: self.tls_replication,
                server_name: self.tls_server_name,
            },
            unixsocket: self.unixsocket,
            unixsocketperm: self.unixsocketperm,
            bind: self.bind,
            protected_mode: self.protected_mode,
            requirepass: password("requirepass", self.requirepass, self.requirepass_file)?,
            users: self.user,
            aclfile: self.aclfile,
            acllog_max_len: self.acllog_max_len,
            acl_pubsub_default: self.acl_pubsub_default,
            maxclients: self.maxclients,
            timeout: self.timeout,
            tcp_keepalive: self.tcp_keepalive,
            client_query_limit: self.client_query_buffer_limit,
            http: self.http.0,
            dir: self.dir,
            dbfilename: self.dbfilename,
            save: save_points(&self.save)?,
            rdb_version: self.rdb_version,
            databases: self.databases,
            enable_debug_command: self.enable_debug_command,
            loglevel: self.log_level,
            report_version: self.report_version,
            availability_zone: self.availability_zone,
            replica_serve_stale_data: self.replica_serve_stale_data,
            on_divergence: self.on_divergence.unwrap_or_default(),
            spool_memory: self.spool_memory,
            spool_disk: self.spool_disk,
            load_rules: LoadRules {
                room: Room { resync: self.resync, bytes_max: self.memory_limit },
                key_delay: self.key_load_delay,
            },
            eviction: EvictionRules {
                maxmemory: self.maxmemory,
                policy: self.maxmemory_policy,
                ..EvictionRules::default()
            },
            script_hold_max: self.script_hold_max,
            busy_reply_threshold: Duration::from_millis(self.busy_reply_threshold),
            repl_timeout: Duration::from_secs(self.repl_timeout),
            ports_file: self.ports_file,
            ..Config::default()
        })
    }

    fn master(&self) -> Result<Option<MasterAddress>, String> {
        match self.replicaof.join(" ").as_str() {
            "" => Ok(None),
            words if words.eq_ignore_ascii_case("no one") => Ok(None),
            words => parse_master(words).map(Some).map_err(|why| format!("--replicaof '{words}': {why}")),
        }
    }
}

/// The save points of all the words that were given.
fn save_points(words: &[String]) -> Result<SavePoints, String> {
    let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
    SavePoints::parse(&words.join(" ")).map_err(|why| format!("--save '{}': {why}", words.join(" ")))
}

/// A password as it was given (empty: none was), or the first line of its file; `option` is the name of the one for
/// itself.
fn password(option: &str, given: Option<String>, file: Option<PathBuf>) -> Result<Option<Secret>, String> {
    let given = given.and_then(Secret::new);
    let Some(path) = file else { return Ok(given) };
    let failed = |why: &str| format!("--{option}-file {}: {why}", path.display());
    if given.is_some() {
        let variable = option.to_ascii_uppercase();
        return Err(failed(&format!("--{option} or NEARSIDE_{variable} says one, too")));
    }
    let text = std::fs::read_to_string(&path).map_err(|error| failed(&error.to_string()))?;
    let first = text.lines().next().unwrap_or_default();
    Secret::new(first).map(Some).ok_or_else(|| failed("the file holds no password"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_are_consistent() {
        command().debug_assert();
    }

    #[test]
    fn config_get_knows_every_option() {
        /// Options that are files to read or to write, and clap's own.
        const APART: &[&str] =
            &["masterauth-file", "requirepass-file", "ports-file", "user", "help", "version"];
        for argument in command().get_arguments() {
            let name = argument.get_long().expect("all options are long");
            let name = if name == "log-level" { "loglevel" } else { name };
            assert!(
                APART.contains(&name) || nearside::config_table::find(name.as_bytes()).is_some(),
                "CONFIG GET {name}"
            );
        }
    }

    fn config(line: &str) -> Result<Config, String> {
        let words = std::iter::once("nearside").chain(line.split_ascii_whitespace());
        config_of(&command().try_get_matches_from(words).map_err(|error| error.to_string())?)
    }

    #[test]
    fn save_points_are_given_as_to_redis() {
        for (line, points) in [
            ("", ""),
            ("--save 900 1", "900 1"),
            ("--save 900 1 --save 300 10", "900 1 300 10"),
            ("--save 900 1 300 10 --port 0", "900 1 300 10"),
        ] {
            assert_eq!(config(line).unwrap().save.to_string(), points, "{line}");
        }
        for line in ["--save 900", "--save 0 1", "--save x 1"] {
            assert!(config(line).unwrap_err().contains("Invalid save parameters"), "{line}");
        }
    }

    #[test]
    fn a_master_is_named_in_one_word_or_two() {
        for line in ["--replicaof 10.0.0.1:7000", "--replicaof 10.0.0.1 7000", "--slaveof 10.0.0.1 7000"] {
            assert_eq!(config(line).unwrap().replicaof.unwrap().to_string(), "10.0.0.1:7000");
        }
        assert_eq!(config("--replicaof no one").unwrap().replicaof, None);
        assert!(config("--replicaof nowhere").unwrap_err().contains("--replicaof"));
        assert!(config("--replicaof redis://10.0.0.1:7000").unwrap_err().contains("no URL"));
    }

    #[test]
    fn a_password_is_said_once() {
        let path = std::env::temp_dir().join(format!("nearside-password-{}", std::process::id()));
        std::fs::write(&path, "secret\nno part of it").unwrap();
        let file = || Some(path.clone());
        let told = |given: Option<&str>, file| {
            password("requirepass", given.map(String::from), file)
                .map(|secret| secret.map(|secret| secret.reveal().to_owned()))
        };
        assert_eq!(told(Some("given"), None), Ok(Some("given".into())));
        assert_eq!(told(None, file()), Ok(Some("secret".into())));
        assert_eq!(told(Some(""), file()), Ok(Some("secret".into())), "a variable that is set to nothing");
        let error = told(Some("given"), file()).unwrap_err();
        assert!(error.contains("--requirepass or NEARSIDE_REQUIREPASS says one, too"), "{error}");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn an_address_that_may_be_missing_is_named_as_to_redis() {
        let config = config("--bind 127.0.0.1 --bind -::1 --port 0").unwrap();
        assert_eq!(config.bind, ["127.0.0.1", "-::1"]);
    }

    #[test]
    fn a_bad_value_is_an_error_that_names_its_option() {
        for option in [
            "--port 70000",
            "--dbfilename a/b",
            "--databases 0",
            "--http nowhere",
            "--spool-memory 1tb",
            "--on-divergence maybe",
            "--resync maybe",
            "--memory-limit much",
            "--maxmemory-policy lru",
            "--key-load-delay x",
            "--enable-debug-command maybe",
            "--report-version 7",
            "--repl-timeout 0",
            "--maxclients 0",
            "--log-level loud",
            "--slowlog-max-len -1",
            "--latency-tracking maybe",
            "--nothing",
        ] {
            let error = config(option).unwrap_err();
            assert!(error.contains(option.split(' ').next().unwrap()), "{option}: {error}");
        }
    }

    #[test]
    fn what_config_set_can_change_is_an_option() {
        let config = config("--slowlog-log-slower-than -1 --hash-max-ziplist-entries 7").unwrap();
        assert_eq!(config.command_log.slower_than, -1);
        assert_eq!(config.limits.hash_max_listpack_entries, 7);
        for row in config_table::ROWS.iter().filter(|row| row.set.is_some()) {
            let known = command();
            let is_option = |option: &Arg| {
                option.get_long() == Some(row.name)
                    || option.get_all_aliases().is_some_and(|all| all.contains(&row.name))
            };
            assert!(known.get_arguments().any(is_option), "{}", row.name);
        }
    }

    #[test]
    fn sizes_and_words_are_read() {
        let config =
            config("--spool-memory 1kb --on-divergence ignore --http off --bind a --bind b").unwrap();
        assert_eq!(config.spool_memory, 1024);
        assert_eq!(config.on_divergence, OnDivergence::Ignore);
        assert_eq!(config.http, None);
        assert_eq!(config.bind, ["a", "b"]);
        assert!(config.protected_mode && config.replica_serve_stale_data);
        let config = self::config("--protected-mode no --replica-serve-stale-data no").unwrap();
        assert!(!config.protected_mode && !config.replica_serve_stale_data);
    }
}
