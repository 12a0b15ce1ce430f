//! The option table: every value that CONFIG knows by name.
//!
//! Owns the names, Redis' where Redis has one, and which of the values can change while running. CONFIG GET, CONFIG
//! SET and the program's options follow from these rows. Never applies a value: see `settings`.

use std::path::PathBuf;
use std::time::Duration;

use protocol::number::parse_int;
use storage::glob;

use crate::config::{
    ClientMemory, Config, Percentiles, Protocols, SavePoints, Secret, Word, c_string, parse_millis,
    parse_query_limit, parse_set_bytes,
};
use crate::keyspace_events;

/// One value that has a name.
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// The name it had before.
    pub alias: Option<&'static str>,
    /// The name that Valkey has for it too, which is told beside one.
    pub valkeys: Option<&'static str>,
    /// Its value, as text.
    pub get: fn(&Config) -> String,
    /// How it changes while running; the error says what is wrong with the text.
    pub set: Option<Set>,
    /// Why it does not, where it does not: Redis' words.
    pub fixed: &'static str,
    /// Whether CONFIG GET tells it to those alone who name it.
    pub is_hidden: bool,
}

/// Changes a value from its text.
pub type Set = fn(&mut Config, &str) -> Result<(), String>;

/// A value that is fixed at the start.
const fn fixed(name: &'static str, get: fn(&Config) -> String) -> Row {
    Row {
        name,
        alias: None,
        valkeys: None,
        get,
        set: None,
        fixed: "can't set immutable config",
        is_hidden: false,
    }
}

/// A value that is fixed at the start, because clients could have files written elsewhere by it.
const fn protected(name: &'static str, get: fn(&Config) -> String) -> Row {
    Row { fixed: "can't set protected config", ..fixed(name, get) }
}

/// A value that can change.
const fn free(name: &'static str, get: fn(&Config) -> String, set: Set) -> Row {
    Row { set: Some(set), ..fixed(name, get) }
}

impl Row {
    /// Whether its value is a password, or a user's name beside one.
    pub fn is_secret(&self) -> bool {
        matches!(self.name, "requirepass" | "masteruser" | "masterauth")
    }

    /// No pattern fits it.
    const fn hidden(mut self) -> Self {
        self.is_hidden = true;
        self
    }

    /// Also known by this older name.
    const fn was(mut self, alias: &'static str) -> Self {
        self.alias = Some(alias);
        self
    }

    /// With the name that Valkey has for it too.
    const fn valkeys(mut self, name: &'static str) -> Self {
        self.valkeys = Some(name);
        self
    }
}

/// A value that can change in Redis, and is always the same here: to set it to that is no mistake.
macro_rules! always {
    ($name:literal, $value:literal) => {
        free(
            $name,
            |_| String::from($value),
            |_, text| {
                if text.eq_ignore_ascii_case($value) {
                    Ok(())
                } else {
                    Err(String::from(concat!("it is always '", $value, "' here")))
                }
            },
        )
    };
}

/// A value that can change while Redis runs, and is fixed at the start here: to set it to what it is, is no mistake.
macro_rules! started {
    ($name:literal, $get:expr) => {
        free($name, $get, |c, text| {
            let get: fn(&Config) -> String = $get;
            if text == get(c) { Ok(()) } else { Err(String::from("it is fixed at the start here")) }
        })
    };
}

/// A value of TLS that is a path, and can change.
macro_rules! file {
    ($name:literal, $field:ident) => {
        free(
            $name,
            |c| path(&c.tls.$field),
            |c, text| assign(&mut c.tls.$field, some_text(text).map(PathBuf::from)),
        )
    };
}

/// Every row.
pub static ROWS: &[Row] = &[
    // ---- where and who ----
    started!("tls-port", |c| c.tls_port.to_string()),
    file!("tls-cert-file", cert_file),
    file!("tls-key-file", key_file),
    file!("tls-client-cert-file", client_cert_file),
    file!("tls-client-key-file", client_key_file),
    file!("tls-ca-cert-file", ca_cert_file),
    file!("tls-ca-cert-dir", ca_cert_dir),
    free(
        "tls-auth-clients",
        |c| c.tls.auth_clients.word().to_owned(),
        |c, text| assign(&mut c.tls.auth_clients, Word::parse(text)?),
    ),
    free(
        "tls-protocols",
        |c| c.tls.protocols.words().to_owned(),
        |c, text| assign(&mut c.tls.protocols, Protocols::parse(text)?),
    ),
    free(
        "tls-replication",
        |c| yes_no(c.tls.replication),
        |c, text| assign(&mut c.tls.replication, boolean(text)?),
    ),
    free(
        "tls-server-name",
        |c| c.tls.server_name.clone().unwrap_or_default(),
        |c, text| assign(&mut c.tls.server_name, some_text(text)),
    ),
    started!("bind", |c| c.bind_addresses().join(" ")),
    started!("port", |c| c.port.to_string()),
    fixed("unixsocket", |c| path(&c.unixsocket)),
    fixed("unixsocketperm", |c| format!("{:o}", c.unixsocketperm)),
    protected("dir", |c| absolute(&c.dir)),
    protected("dbfilename", |c| c.dbfilename.clone()),
    fixed("http", |c| c.http.as_ref().map_or_else(|| String::from("off"), |http| http.as_str().to_owned())),
    fixed("databases", |c| c.databases.to_string()),
    free(
        "protected-mode",
        |c| yes_no(c.protected_mode),
        |c, text| assign(&mut c.protected_mode, boolean(text)?),
    ),
    free("requirepass", |c| secret(&c.requirepass), |c, text| assign(&mut c.requirepass, Secret::new(text))),
    fixed("aclfile", |c| path(&c.aclfile)),
    free(
        "acllog-max-len",
        |c| c.acllog_max_len.to_string(),
        |c, text| assign(&mut c.acllog_max_len, number(text, 0, i64::MAX as u64)?),
    ),
    free(
        "acl-pubsub-default",
        |c| c.acl_pubsub_default.word().to_owned(),
        |c, text| assign(&mut c.acl_pubsub_default, Word::parse(text)?),
    ),
    free(
        "maxclients",
        |c| c.maxclients.to_string(),
        |c, text| assign(&mut c.maxclients, number(text, 1, u64::from(u32::MAX))?),
    ),
    free(
        "timeout",
        |c| c.timeout.to_string(),
        |c, text| assign(&mut c.timeout, number(text, 0, SECONDS_MAX)?),
    ),
    free(
        "tcp-keepalive",
        |c| c.tcp_keepalive.to_string(),
        |c, text| assign(&mut c.tcp_keepalive, number(text, 0, SECONDS_MAX)?),
    ),
    free(
        "client-query-buffer-limit",
        |c| c.client_query_limit.to_string(),
        |c, text| assign(&mut c.client_query_limit, parse_query_limit(text)?),
    ),
    free(
        "client-output-buffer-limit",
        |c| c.client_output_limits.to_string(),
        |c, text| {
            // No class is no change.
            let limits = c.client_output_limits;
            assign(&mut c.client_output_limits, if text.is_empty() { limits } else { limits.changed(text)? })
        },
    ),
    free(
        "slowlog-log-slower-than",
        |c| c.command_log.slower_than.to_string(),
        |c, text| assign(&mut c.command_log.slower_than, from_minus_one(text)?),
    )
    .was("commandlog-execution-slower-than"),
    free(
        "slowlog-max-len",
        |c| c.command_log.slow_max.to_string(),
        |c, text| assign(&mut c.command_log.slow_max, number(text, 0, LONG_MAX)?),
    )
    .was("commandlog-slow-execution-max-len"),
    free(
        "slowlog-entry-max-argc",
        |c| c.command_log.kept_max.words.to_string(),
        |c, text| assign(&mut c.command_log.kept_max.words, number(text, 2, SECONDS_MAX)?),
    ),
    free(
        "slowlog-entry-max-string-len",
        |c| c.command_log.kept_max.word_bytes.to_string(),
        |c, text| assign(&mut c.command_log.kept_max.word_bytes, number(text, 1, LONG_MAX)?),
    ),
    free(
        "commandlog-request-larger-than",
        |c| c.command_log.request_larger_than.to_string(),
        |c, text| assign(&mut c.command_log.request_larger_than, from_minus_one(text)?),
    ),
    free(
        "commandlog-large-request-max-len",
        |c| c.command_log.large_request_max.to_string(),
        |c, text| assign(&mut c.command_log.large_request_max, number(text, 0, LONG_MAX)?),
    ),
    free(
        "commandlog-reply-larger-than",
        |c| c.command_log.reply_larger_than.to_string(),
        |c, text| assign(&mut c.command_log.reply_larger_than, from_minus_one(text)?),
    ),
    free(
        "commandlog-large-reply-max-len",
        |c| c.command_log.large_reply_max.to_string(),
        |c, text| assign(&mut c.command_log.large_reply_max, number(text, 0, LONG_MAX)?),
    ),
    free(
        "latency-monitor-threshold",
        |c| c.latency_threshold.to_string(),
        |c, text| assign(&mut c.latency_threshold, number(text, 0, LONG_MAX)?),
    ),
    free(
        "latency-tracking",
        |c| yes_no(c.latency_tracking),
        |c, text| assign(&mut c.latency_tracking, boolean(text)?),
    ),
    free(
        "latency-tracking-info-percentiles",
        |c| c.latency_percentiles.to_string(),
        |c, text| assign(&mut c.latency_percentiles, Percentiles::parse(text)?),
    ),
    fixed("enable-module-command", |_| yes_no(false)),
    fixed("enable-debug-command", |c| c.enable_debug_command.word().to_owned()),
    free("loglevel", |c| c.loglevel.word().to_owned(), |c, text| assign(&mut c.loglevel, Word::parse(text)?)),
    fixed("report-version", |c| c.report_version.clone()),
    free(
        "availability-zone",
        |c| c.availability_zone.clone(),
        |c, text| assign(&mut c.availability_zone, text.to_owned()),
    ),
    // ---- the master ----
    fixed("replicaof", replicaof).was("slaveof"),
    free(
        "masteruser",
        |c| c.masteruser.clone().unwrap_or_default(),
        |c, text| assign(&mut c.masteruser, some_text(c_string(text))),
    )
    .valkeys("primaryuser"),
    free("masterauth", |c| secret(&c.masterauth), |c, text| assign(&mut c.masterauth, Secret::new(text)))
        .valkeys("primaryauth"),
    free(
        "replica-announce-ip",
        |c| c.replica_announce_ip.clone().unwrap_or_default(),
        |c, text| assign(&mut c.replica_announce_ip, some_text(text)),
    )
    .was("slave-announce-ip"),
    free(
        "replica-announce-port",
        |c| c.replica_announce_port.unwrap_or_default().to_string(),
        |c, text| {
            let port: u16 = number(text, 0, u64::from(u16::MAX))?;
            assign(&mut c.replica_announce_port, Some(port).filter(|port| *port > 0))
        },
    )
    .was("slave-announce-port"),
    free(
        "replica-serve-stale-data",
        |c| yes_no(c.replica_serve_stale_data),
        |c, text| assign(&mut c.replica_serve_stale_data, boolean(text)?),
    )
    .was("slave-serve-stale-data"),
    always!("replica-read-only", "yes").was("slave-read-only"),
    free(
        "repl-timeout",
        |c| c.repl_timeout.as_secs().to_string(),
        |c, text| assign(&mut c.repl_timeout, Duration::from_secs(number(text, 1, SECONDS_MAX)?)),
    ),
    fixed("spool-memory", |c| c.spool_memory.to_string()),
    fixed("spool-disk", |c| c.spool_disk.to_string()),
    free(
        "resync",
        |c| c.load_rules.room.resync.word().to_owned(),
        |c, text| assign(&mut c.load_rules.room.resync, Word::parse(text)?),
    ),
    free(
        "memory-limit",
        |c| c.load_rules.room.bytes_max.to_string(),
        |c, text| assign(&mut c.load_rules.room.bytes_max, parse_set_bytes(text)?),
    ),
    free(
        "key-load-delay",
        |c| c.load_rules.key_delay.to_string(),
        |c, text| assign(&mut c.load_rules.key_delay, signed(text)?),
    )
    .hidden(),
    fixed("on-divergence", |c| c.on_divergence.word().to_owned()),
    // ---- room for what clients write; a replica keeps what its master keeps, what bounds a load is memory-limit ----
    free(
        "maxmemory",
        |c| c.eviction.maxmemory.to_string(),
        |c, text| assign(&mut c.eviction.maxmemory, parse_set_bytes(text)?),
    ),
    free(
        "maxmemory-policy",
        |c| c.eviction.policy.word().to_owned(),
        |c, text| assign(&mut c.eviction.policy, Word::parse(text)?),
    ),
    free(
        "maxmemory-samples",
        |c| c.eviction.samples.to_string(),
        |c, text| assign(&mut c.eviction.samples, number(text, 1, SAMPLES_MAX)?),
    ),
    free(
        "lfu-log-factor",
        |c| c.eviction.usage.log_factor.to_string(),
        |c, text| assign(&mut c.eviction.usage.log_factor, number(text, 0, FACTOR_MAX)?),
    ),
    free(
        "lfu-decay-time",
        |c| c.eviction.usage.decay_minutes.to_string(),
        |c, text| assign(&mut c.eviction.usage.decay_minutes, number(text, 0, FACTOR_MAX)?),
    ),
    always!("replica-ignore-maxmemory", "yes").was("slave-ignore-maxmemory"),
    free(
        "maxmemory-clients",
        |c| c.client_memory.to_string(),
        |c, text| assign(&mut c.client_memory, ClientMemory::parse(text)?),
    ),
    // ---- scripts ----
    free(
        "script-hold-max",
        |c| c.script_hold_max.as_millis().to_string(),
        |c, text| assign(&mut c.script_hold_max, parse_millis(text)?),
    ),
    free(
        "busy-reply-threshold",
        |c| c.busy_reply_threshold.as_millis().to_string(),
        |c, text| {
            let millis = number(text, 0, i64::MAX.unsigned_abs())?;
            assign(&mut c.busy_reply_threshold, Duration::from_millis(millis))
        },
    )
    .was("lua-time-limit"),
    // ---- the encodings' bounds ----
    free(
        "hash-max-listpack-entries",
        |c| c.limits.hash_max_listpack_entries.to_string(),
        |c, text| assign(&mut c.limits.hash_max_listpack_entries, count(text)?),
    )
    .was("hash-max-ziplist-entries"),
    free(
        "hash-max-listpack-value",
        |c| c.limits.hash_max_listpack_value.to_string(),
        |c, text| assign(&mut c.limits.hash_max_listpack_value, size(text)?),
    )
    .was("hash-max-ziplist-value"),
    free(
        "set-max-intset-entries",
        |c| c.limits.set_max_intset_entries.to_string(),
        |c, text| assign(&mut c.limits.set_max_intset_entries, count(text)?),
    ),
    free(
        "set-max-listpack-entries",
        |c| c.limits.set_max_listpack_entries.to_string(),
        |c, text| assign(&mut c.limits.set_max_listpack_entries, count(text)?),
    ),
    free(
        "set-max-listpack-value",
        |c| c.limits.set_max_listpack_value.to_string(),
        // (The one of its kind that Redis counts, and does not measure: `1gb` is no number of it.)
        |c, text| assign(&mut c.limits.set_max_listpack_value, number(text, 0, i64::MAX.unsigned_abs())?),
    ),
    free(
        "zset-max-listpack-entries",
        |c| c.limits.zset_max_listpack_entries.to_string(),
        |c, text| assign(&mut c.limits.zset_max_listpack_entries, count(text)?),
    )
    .was("zset-max-ziplist-entries"),
    free(
        "zset-max-listpack-value",
        |c| c.limits.zset_max_listpack_value.to_string(),
        |c, text| assign(&mut c.limits.zset_max_listpack_value, size(text)?),
    )
    .was("zset-max-ziplist-value"),
    free(
        "stream-node-max-bytes",
        |c| c.limits.stream_node_max_bytes.to_string(),
        |c, text| assign(&mut c.limits.stream_node_max_bytes, size(text)?),
    ),
    free(
        "stream-node-max-entries",
        |c| c.limits.stream_node_max_entries.to_string(),
        |c, text| assign(&mut c.limits.stream_node_max_entries, count(text)?),
    ),
    free(
        "stream-idmp-duration",
        |c| c.limits.stream_idmp_duration.to_string(),
        |c, text| assign(&mut c.limits.stream_idmp_duration, number(text, 1, 86_400)?),
    ),
    free(
        "stream-idmp-maxsize",
        |c| c.limits.stream_idmp_maxsize.to_string(),
        |c, text| assign(&mut c.limits.stream_idmp_maxsize, number(text, 1, 10_000)?),
    ),
    free(
        "hll-sparse-max-bytes",
        |c| c.limits.hll_sparse_max_bytes.to_string(),
        |c, text| assign(&mut c.limits.hll_sparse_max_bytes, size(text)?),
    ),
    free(
        "list-max-listpack-size",
        |c| c.limits.list_max_listpack_size.to_string(),
        |c, text| assign(&mut c.limits.list_max_listpack_size, signed(text)?),
    )
    .was("list-max-ziplist-size"),
    // ---- what clients ask for, and what is so here ----
    fixed("logfile", |_| String::new()),
    fixed("tcp-backlog", |_| crate::listener::BACKLOG.to_string()),
    free(
        "replica-priority",
        |c| c.replica_priority.to_string(),
        |c, text| assign(&mut c.replica_priority, number(text, 0, SECONDS_MAX)?),
    )
    .was("slave-priority"),
    free(
        "replica-announced",
        |c| yes_no(c.replica_announced),
        |c, text| assign(&mut c.replica_announced, boolean(text)?),
    ),
    always!("appendonly", "no"),
    free("save", |c| c.save.to_string(), |c, text| assign(&mut c.save, SavePoints::parse(text)?)),
    free(
        "stop-writes-on-bgsave-error",
        |c| yes_no(c.stop_writes_on_bgsave_error),
        |c, text| assign(&mut c.stop_writes_on_bgsave_error, boolean(text)?),
    ),
    free(
        "rdb-version",
        |c| c.rdb_version.word().to_owned(),
        |c, text| assign(&mut c.rdb_version, Word::parse(text)?),
    ),
    fixed("cluster-enabled", |_| yes_no(false)),
    always!("hz", "10"),
    fixed("io-threads", |_| std::thread::available_parallelism().map_or(1, usize::from).to_string()),
    fixed("daemonize", |_| yes_no(false)),
    fixed("supervised", |_| yes_no(false)),
    always!("activedefrag", "no"),
    always!("min-replicas-to-write", "0").was("min-slaves-to-write"),
    // The old data set is read until the new one is whole; what is large is freed by a thread of its own.
    always!("repl-diskless-load", "swapdb"),
    always!("replica-lazy-flush", "yes").was("slave-lazy-flush"),
    always!("lazyfree-lazy-eviction", "yes"),
    always!("lazyfree-lazy-expire", "yes"),
    always!("lazyfree-lazy-server-del", "yes"),
    always!("lazyfree-lazy-user-del", "yes"),
    always!("lazyfree-lazy-user-flush", "yes"),
    free(
        "tracking-table-max-keys",
        |c| c.tracking_table_max_keys.to_string(),
        |c, text| assign(&mut c.tracking_table_max_keys, number(text, 0, i64::MAX.unsigned_abs())?),
    ),
    free(
        "notify-keyspace-events",
        |c| keyspace_events::letters(c.notify_keyspace_events),
        |c, text| assign(&mut c.notify_keyspace_events, keyspace_events::parse(text)?),
    ),
    free(
        "proto-max-bulk-len",
        |_| protocol::limits::BULK_BYTES_MAX.to_string(),
        |_, text| {
            if parse_set_bytes(text)? == protocol::limits::BULK_BYTES_MAX {
                Ok(())
            } else {
                Err(String::from("it is always '512mb' here"))
            }
        },
    ),
];

/// The most keys that one is chosen from, as in Redis.
const SAMPLES_MAX: u64 = 64;
/// Redis' bound on what LFU is told.
const FACTOR_MAX: u64 = i32::MAX as u64;
/// What Redis' widest numbers reach.
const LONG_MAX: u64 = i64::MAX as u64;

/// Ten years and more; what Redis' own bound on seconds amounts to.
const SECONDS_MAX: u64 = i32::MAX as u64;

/// Whether the link to the master has to know of it.
pub(crate) fn is_of_link(name: &str) -> bool {
    const ALL: &[&str] = &[
        "masteruser",
        "masterauth",
        "replica-announce-ip",
        "replica-announce-port",
        "repl-timeout",
        "tls-replication",
    ];
    ALL.contains(&name)
}

/// The row of this name, in any case.
pub fn find(name: &[u8]) -> Option<&'static Row> {
    ROWS.iter().find(|row| {
        let mut names = [Some(row.name), row.alias, row.valkeys].into_iter().flatten();
        names.any(|own| name.eq_ignore_ascii_case(own.as_bytes()))
    })
}

impl Row {
    /// Its name that was asked for, as the table writes it.
    pub(crate) fn name_asked(&self, asked: &[u8]) -> &'static str {
        let others = [self.alias, self.valkeys].into_iter().flatten();
        others.into_iter().find(|name| asked.eq_ignore_ascii_case(name.as_bytes())).unwrap_or(self.name)
    }
}

/// Each name that one of these patterns fits, with its row. A name is given once; one that was asked for by itself is
/// given as it was written.
pub fn matching<'a>(patterns: &[&'a [u8]], is_valkey: bool) -> Vec<(&'a [u8], &'static Row)> {
    let asked = |name: &'static str, is_hidden: bool| {
        let pattern =
            patterns.iter().find(|pattern| glob::matches_ignoring_case(pattern, name.as_bytes()))?;
        let is_name = pattern.eq_ignore_ascii_case(name.as_bytes());
        if is_hidden && !is_name {
            return None;
        }
        Some(if is_name { *pattern } else { name.as_bytes() })
    };
    ROWS.iter()
        .flat_map(|row| {
            let names = [Some(row.name), row.alias, row.valkeys.filter(|_| is_valkey)];
            names.into_iter().flatten().map(move |name| (name, row))
        })
        .filter_map(|(name, row)| Some((asked(name, row.is_hidden)?, row)))
        .collect()
}

fn assign<T>(to: &mut T, value: T) -> Result<(), String> {
    *to = value;
    Ok(())
}

fn yes_no(value: bool) -> String {
    value.word().to_owned()
}

fn boolean(text: &str) -> Result<bool, String> {
    Word::parse(text).map_err(|_| String::from("argument must be 'yes' or 'no'"))
}

fn number<T: TryFrom<u64>>(text: &str, least: u64, most: u64) -> Result<T, String> {
    let value = parse_int(text.as_bytes()).ok_or("argument couldn't be parsed into an integer")?;
    let outside = || format!("argument must be between {least} and {most} inclusive");
    let value =
        u64::try_from(value).ok().filter(|value| (least..=most).contains(value)).ok_or_else(outside)?;
    T::try_from(value).map_err(|_| outside())
}

/// A number of elements.
fn count(text: &str) -> Result<usize, String> {
    number(text, 0, i64::MAX.unsigned_abs())
}

/// A number of bytes.
fn size(text: &str) -> Result<usize, String> {
    let bytes = parse_set_bytes(text)?;
    i64::try_from(bytes)
        .ok()
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(|| format!("argument must be between 0 and {} inclusive", i64::MAX))
}

/// A number for which -1 stands for none.
fn from_minus_one(text: &str) -> Result<i64, String> {
    integer(text, -1, i64::MAX)
}

/// A number between these, as a server writes it.
fn integer(text: &str, least: i64, most: i64) -> Result<i64, String> {
    let value: Option<i128> = text.parse().ok().filter(|value: &i128| value.to_string() == text);
    let value = value.ok_or("argument couldn't be parsed into an integer")?;
    i64::try_from(value)
        .ok()
        .filter(|value| (least..=most).contains(value))
        .ok_or_else(|| format!("argument must be between {least} and {most} inclusive"))
}

/// A number whose sign has a meaning.
fn signed(text: &str) -> Result<i32, String> {
    let value = integer(text, i32::MIN.into(), i32::MAX.into())?;
    i32::try_from(value).map_err(|error| error.to_string())
}

/// Whether this is one of the encodings' bounds, which the data set itself keeps.
pub fn is_limit(name: &str) -> bool {
    ["hash-max-", "set-max-", "zset-max-", "list-max-", "stream-node-max-", "stream-idmp-", "hll-"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// Whether this is one of the rules for loading, which the link keeps.
pub fn is_load_rule(name: &str) -> bool {
    matches!(name, "resync" | "memory-limit" | "key-load-delay")
}

/// Whether this is one of the rules by which keys go when there is no room.
pub fn is_eviction_rule(name: &str) -> bool {
    name.starts_with("maxmemory") || name.starts_with("lfu-")
}

/// Whether this is one of the values that TLS is made of.
pub fn is_tls(name: &str) -> bool {
    name.starts_with("tls-")
}

fn path(path: &Option<PathBuf>) -> String {
    path.as_ref().map(|path| path.display().to_string()).unwrap_or_default()
}

fn some_text(text: &str) -> Option<String> {
    if text.is_empty() { None } else { Some(text.to_owned()) }
}

fn secret(value: &Option<Secret>) -> String {
    value.as_ref().map(|secret| secret.reveal().to_owned()).unwrap_or_default()
}

fn absolute(dir: &std::path::Path) -> String {
    std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned()).display().to_string()
}

fn replicaof(config: &Config) -> String {
    config.replicaof.as_ref().map(|master| format!("{} {}", master.host, master.port)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_found_in_any_case() {
        let all = matching(&[b"*"], true);
        let mut names: Vec<&[u8]> = all.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        assert_eq!(find(b"MaxClients").unwrap().name, "maxclients");
        assert_eq!(find(b"slave-serve-stale-data").unwrap().name, "replica-serve-stale-data");
    }

    #[test]
    fn a_wrong_value_is_told_in_redis_words() {
        let mut config = Config::default();
        let mut set = |name: &str, text| (find(name.as_bytes()).unwrap().set.unwrap())(&mut config, text);
        assert_eq!(set("timeout", "x").unwrap_err(), "argument couldn't be parsed into an integer");
        assert_eq!(
            set("maxclients", "0").unwrap_err(),
            "argument must be between 1 and 4294967295 inclusive"
        );
        assert_eq!(set("protected-mode", "maybe").unwrap_err(), "argument must be 'yes' or 'no'");
        assert_eq!(
            set("client-query-buffer-limit", "1000").unwrap_err(),
            "argument must be between 1048576 and 9223372036854775807 inclusive"
        );
        assert_eq!(set("client-query-buffer-limit", "2mb"), Ok(()));
        assert_eq!(set("client-output-buffer-limit", "normal 1mb 0 0"), Ok(()));
        assert_eq!(config.client_query_limit, 2 << 20);
        assert_eq!(config.client_output_limits.normal.hard_bytes, 1 << 20);
    }
}
