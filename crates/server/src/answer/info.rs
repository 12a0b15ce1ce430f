//! INFO: everything about the node, in Redis' sections and names.
//!
//! Owns the fields. A field is there when its value is true; what this node does not do it counts as never done.

use std::collections::HashSet;
use std::fmt::{Display, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use commands::convert::snapshot::Written;
use commands::{Dialect, Source, table};
use protocol::Reply;
use replication::LinkState;
use storage::DbIndex;

use super::key_sizes::{self, Sizes};
use super::memory::{Parts, ratio};
use super::{Answered, Call, Now, Then};
use crate::acl::Reason;
use crate::clients::Client;
use crate::clock;
use crate::command_log::Kind;
use crate::config::Word;
use crate::cpu;
use crate::hub::Sort;
use crate::memory;
use crate::node::{Node, Ports};
use crate::pause::Paused;
use crate::stats::Totals;
use crate::upstream::{LinkStatus, Readable, Role};

/// A section: its name, who is told of it, and what writes it.
struct Section {
    name: &'static str,
    title: &'static str,
    told: Told,
    of: Of,
    write: fn(&Facts<'_>, &mut Text),
}

/// Whose section it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Both,
    Redis,
    Valkey,
}

/// Who is told of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// Who asks for nothing in particular, too.
    Usually,
    /// Who asks for all there are, too.
    WithAll,
    /// Only who names it. A real server tells it to everybody, and has every write count for it; here all keys would be
    /// walked over, for exporters that ask for all every few seconds and show nothing of it.
    ByName,
}

const SECTIONS: &[Section] = &[
    Section { name: "server", title: "Server", told: Told::Usually, of: Of::Both, write: server },
    Section { name: "tls", title: "TLS", told: Told::WithAll, of: Of::Valkey, write: tls },
    Section { name: "clients", title: "Clients", told: Told::Usually, of: Of::Both, write: clients },
    Section { name: "memory", title: "Memory", told: Told::Usually, of: Of::Both, write: memory_fields },
    Section {
        name: "persistence",
        title: "Persistence",
        told: Told::Usually,
        of: Of::Both,
        write: persistence,
    },
    Section { name: "threads", title: "Threads", told: Told::Usually, of: Of::Redis, write: threads },
    Section { name: "stats", title: "Stats", told: Told::Usually, of: Of::Both, write: stats },
    Section {
        name: "replication",
        title: "Replication",
        told: Told::Usually,
        of: Of::Both,
        write: replication_fields,
    },
    Section { name: "cpu", title: "CPU", told: Told::Usually, of: Of::Both, write: cpu },
    Section { name: "hotkeys", title: "Hotkeys", told: Told::Usually, of: Of::Redis, write: hot_keys },
    Section { name: "modules", title: "Modules", told: Told::Usually, of: Of::Both, write: |_, _| {} },
    Section {
        name: "commandstats",
        title: "Commandstats",
        told: Told::WithAll,
        of: Of::Both,
        write: commandstats,
    },
    Section { name: "errorstats", title: "Errorstats", told: Told::Usually, of: Of::Both, write: errorstats },
    Section {
        name: "latencystats",
        title: "Latencystats",
        told: Told::WithAll,
        of: Of::Both,
        write: latencystats,
    },
    Section { name: "cluster", title: "Cluster", told: Told::Usually, of: Of::Both, write: cluster },
    Section {
        name: "cluster_info",
        title: "Cluster Info",
        told: Told::WithAll,
        of: Of::Valkey,
        write: |_, _| {},
    },
    Section {
        name: "scriptingengines",
        title: "Scripting Engines",
        told: Told::WithAll,
        of: Of::Valkey,
        write: engines,
    },
    Section { name: "keyspace", title: "Keyspace", told: Told::Usually, of: Of::Both, write: keyspace },
    Section {
        name: KEY_SIZES,
        title: "Keysizes",
        told: Told::ByName,
        of: Of::Redis,
        write: key_sizes_fields,
    },
];

/// Fields that a Redis has and a Valkey has not.
const NOT_IN_VALKEY: &[&str] = &[
    "avg_pipeline_length",
    "avg_pipeline_length_cnt",
    "avg_pipeline_length_sum",
    "backup_in_progress",
    "expired_keys_active",
    "expired_subkeys",
    "expired_subkeys_active",
    "master_current_sync_attempts",
    "master_link_up_since_seconds",
    "master_total_sync_attempts",
    "mem_clients_normal_shared",
    "mem_clients_normal_unshared",
    "mem_replica_full_sync_buffer",
    "rdb_saves_consecutive_failures",
    "redis_mode",
    "replica_full_sync_buffer_size",
    "slowlog_commands_count",
    "slowlog_commands_time_ms_max",
    "slowlog_commands_time_ms_sum",
    "total_disconnect_time_sec",
    "used_memory_peak_time",
];

/// Fields that a Valkey has and a Redis has not.
const NOT_IN_REDIS: &[&str] = &[
    "acl_access_denied_db",
    "availability_zone",
    "clients_hz",
    "expired_fields",
    "mem_cluster_slot_export",
    "mem_cluster_slot_import",
    "mem_replicas_repl_buffer",
    "paused_actions",
    "paused_reason",
    "paused_timeout_milliseconds",
    "replicas_repl_buffer_size",
    "replicas_waiting_psync",
    "server_mode",
    "slot_migration_fork_in_progress",
    "total_net_cluster_slot_export_bytes",
    "total_net_cluster_slot_import_bytes",
    "valkey_release_stage",
    "valkey_version",
];

/// The section that no worker writes.
const KEY_SIZES: &str = "keysizes";

/// Whether so much has to be looked at for these sections that it is not for a batch.
pub(crate) fn is_long(wanted: &[&[u8]]) -> bool {
    wanted.iter().any(|word| word.eq_ignore_ascii_case(KEY_SIZES.as_bytes()))
}

/// INFO [section ...]
pub(super) fn info(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let (node, wanted) = (call.node, call.args.as_slice());
    // Before it goes inside the gate for the others. A Valkey has no such section.
    let is_counted = is_long(wanted) && !node.dialect().is_valkey();
    let sizes = is_counted.then(|| key_sizes::count(node, call.source));
    let text = match call.source {
        Some(source) => text(node, call.now, source, sizes, wanted),
        None => text(node, call.now, Source::Reader(&node.store.reader()), sizes, wanted),
    };
    reply.verbatim("txt", text.as_bytes());
    Ok(Then::Continue)
}

/// The text of these sections; of the usual ones when none is named.
fn text(node: &Node, now: Now, source: Source<'_>, sizes: Option<Vec<Sizes>>, wanted: &[&[u8]]) -> String {
    let asked = |name: &str| wanted.iter().any(|word| word.eq_ignore_ascii_case(name.as_bytes()));
    let all = asked("all") || asked("everything");
    let usual = wanted.is_empty() || asked("default");
    // As at a real server, what the master sends counts as what clients do.
    let mut totals = node.stats.totals();
    let streamed = node.upstream.streamed();
    totals.commands_processed += streamed.requests;
    for (own, of_stream) in totals.commands.iter_mut().zip(&streamed.commands) {
        own.calls += of_stream.calls;
        own.nanos += of_stream.nanos;
        own.failed += of_stream.failed;
    }
    let facts = Facts { node, now, source, status: node.upstream.status(), totals, sizes };
    let (foreign, without) = match node.dialect().is_valkey() {
        true => (Of::Redis, NOT_IN_VALKEY),
        false => (Of::Valkey, NOT_IN_REDIS),
    };
    let mut text = Text { told: String::with_capacity(4096), without };
    for section in SECTIONS.iter().filter(|section| section.of != foreign) {
        let is_told = match section.told {
            Told::Usually => all || usual || asked(section.name),
            Told::WithAll => all || asked(section.name),
            Told::ByName => facts.sizes.is_some(),
        };
        if is_told {
            if !text.told.is_empty() {
                text.told.push_str("\r\n");
            }
            // Writing into a String cannot fail.
            let _ = write!(text.told, "# {}\r\n", section.title);
            (section.write)(&facts, &mut text);
        }
    }
    text.told
}

/// What the fields are made of, looked at once.
struct Facts<'a> {
    node: &'a Node,
    now: Now,
    source: Source<'a>,
    status: LinkStatus,
    totals: Totals,
    /// How big values are, where somebody wants to know.
    sizes: Option<Vec<Sizes>>,
}

struct Text {
    told: String,
    /// Fields of the other vendor.
    without: &'static [&'static str],
}

impl Text {
    fn field(&mut self, name: &str, value: impl Display) {
        if self.without.contains(&name) {
            return;
        }
        // Writing into a String cannot fail.
        let _ = write!(self.told, "{name}:{value}\r\n");
    }
    /// Fields for what never happens here.
    fn none(&mut self, names: &[&str]) {
        for name in names {
            self.field(name, 0);
        }
    }
    fn bytes(&mut self, name: &str, value: u64) {
        self.field(name, value);
        self.field(&format!("{name}_human"), human(value));
    }
    fn ratio(&mut self, name: &str, above: u64, below: u64) {
        self.field(name, format_args!("{:.2}", ratio(above, below)));
    }
}

/// A size as Redis abbreviates it.
fn human(bytes: u64) -> String {
    const UNITS: &[(u64, &str)] = &[(1 << 40, "T"), (1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")];
    match UNITS.iter().find(|(size, _)| bytes >= *size) {
        Some((size, unit)) => format!("{:.2}{unit}", bytes as f64 / *size as f64),
        None => format!("{bytes}B"),
    }
}

fn yes(value: bool) -> u8 {
    u8::from(value)
}

fn seconds(length: Option<Duration>) -> i64 {
    length.map_or(-1, |length| i64::try_from(length.as_secs()).unwrap_or(i64::MAX))
}

fn server(facts: &Facts<'_>, text: &mut Text) {
    let node = facts.node;
    let uptime = facts.now.steady.saturating_duration_since(node.started).as_secs();
    let (own, config) = (node.dialect().valkey_version(), node.settings.read());
    if let Some(version) = own {
        text.field("redis_version", Dialect::REDIS_VERSION_OF_VALKEY);
        text.field("server_name", "valkey");
        text.field("valkey_version", version);
        // It is the released servers that we do as.
        text.field("valkey_release_stage", "ga");
    } else {
        text.field("redis_version", &config.report_version);
        text.field("server_name", "nearside");
    }
    text.field("nearside_version", env!("CARGO_PKG_VERSION"));
    text.field("redis_git_sha1", "00000000");
    text.field("redis_git_dirty", 0);
    text.field("redis_build_id", 0);
    text.field("redis_mode", "standalone");
    text.field("server_mode", "standalone");
    text.field("os", operating_system());
    text.field("arch_bits", usize::BITS);
    text.field("monotonic_clock", "POSIX clock_gettime");
    text.field("multiplexing_api", "tokio");
    text.field("process_id", std::process::id());
    text.field("process_supervised", "no");
    text.field("run_id", &node.run_id);
    let ports = node.ports.get().copied().unwrap_or_default();
    text.field("tcp_port", ports.resp.or(ports.tls).unwrap_or_default());
    text.field("server_time_usec", clock::unix_micros());
    text.field("uptime_in_seconds", uptime);
    text.field("uptime_in_days", uptime / 86_400);
    text.field("hz", 10);
    text.field("configured_hz", 10);
    text.field("clients_hz", 10);
    let executable = std::env::current_exe().map(|path| path.display().to_string()).unwrap_or_default();
    text.field("executable", executable);
    text.field("config_file", "");
    // Every connection is served by one of several threads, from the start.
    text.field("io_threads_active", 1);
    text.field("availability_zone", &config.availability_zone);
    drop(config);
    listeners(node, ports, text);
}

/// What TLS is spoken with, as it was read last.
fn tls(facts: &Facts<'_>, text: &mut Text) {
    let told = facts.node.tls.told();
    for (name, certificate) in [("server", told.server), ("client", told.client), ("ca", told.ca)] {
        let serial = certificate.as_ref().map_or("none", |certificate| certificate.serial.as_str());
        text.field(&format!("tls_{name}_cert_serial"), serial);
        let left =
            certificate.as_ref().map_or(0, |certificate| certificate.ends_at - facts.now.wall.0 / 1000);
        text.field(&format!("tls_{name}_cert_expires_in_seconds"), left.max(0));
    }
}

/// Where clients come in.
fn listeners(node: &Node, ports: Ports, text: &mut Text) {
    let config = node.settings.read();
    let bind: String = config.bind_addresses().iter().map(|address| format!(",bind={address}")).collect();
    let tcp = |name: &str, port: Option<u16>| port.map(|port| format!("name={name}{bind},port={port}"));
    let unix = config.unixsocket.as_ref().map(|path| format!("name=unix,bind={}", path.display()));
    let all = [tcp("tcp", ports.resp), unix, tcp("tls", ports.tls)];
    for (number, listener) in all.into_iter().flatten().enumerate() {
        text.field(&format!("listener{number}"), listener);
    }
}

fn operating_system() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{} {} {}", capitalized(std::env::consts::OS), release.trim_end(), std::env::consts::ARCH)
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

fn clients(facts: &Facts<'_>, text: &mut Text) {
    let all = facts.node.clients.list();
    let largest = |size: fn(&Client) -> usize| all.iter().map(|client| size(client)).max();
    // As at a real server the master is one of them.
    let link = facts.node.upstream.as_client();
    text.field("connected_clients", all.len() + usize::from(link.is_some()));
    text.field("cluster_connections", 0);
    text.field("maxclients", facts.node.settings.read().maxclients);
    text.field(
        "client_recent_max_input_buffer",
        largest(|client| client.input_bytes.load(Relaxed)).unwrap_or_default(),
    );
    text.field(
        "client_recent_max_output_buffer",
        largest(|client| client.output_bytes.load(Relaxed)).unwrap_or_default(),
    );
    text.field("blocked_clients", facts.node.blocking.clients());
    text.field("tracking_clients", facts.node.hub.tracking.counts().clients);
    text.field("pubsub_clients", all.iter().filter(|client| client.is_subscriber()).count());
    let watched = || all.iter().map(|client| client.watched_keys()).filter(|keys| *keys > 0);
    text.field("watching_clients", watched().count());
    text.field("total_watched_keys", watched().sum::<usize>());
    text.none(&["clients_in_timeout_table"]);
    let (awaited, told_when_gone) = facts.node.blocking.keys();
    text.field("total_blocking_keys", awaited);
    text.field("total_blocking_keys_on_nokey", told_when_gone);
    let pause = facts.node.pause.told(facts.now.steady);
    let reason = if pause.ends { "shutdown_in_progress" } else { "client_pause" };
    let (reason, actions) = match pause.paused {
        Paused::Nothing => ("none", "none"),
        Paused::Writes => (reason, "write"),
        Paused::Everything => (reason, "all"),
    };
    text.field("paused_reason", reason);
    text.field("paused_actions", actions);
    text.field("paused_timeout_milliseconds", pause.left.as_millis());
}

fn memory_fields(facts: &Facts<'_>, text: &mut Text) {
    let parts = Parts::look(facts.node, facts.now, Some(facts.source));
    let now = parts.now;
    text.bytes("used_memory", now.used);
    text.bytes("used_memory_rss", now.rss);
    text.bytes("used_memory_peak", parts.peak);
    text.field("used_memory_peak_time", facts.node.samples.memory_peak_at());
    text.field("used_memory_peak_perc", format_args!("{:.2}%", parts.peak_percent()));
    text.field("used_memory_overhead", parts.overhead());
    text.field("used_memory_startup", parts.at_start);
    text.field("used_memory_dataset", parts.dataset());
    text.field("used_memory_dataset_perc", format_args!("{:.2}%", parts.dataset_percent()));
    if now.is_measured {
        text.field("allocator_allocated", now.used);
        text.field("allocator_active", now.active);
        text.field("allocator_resident", now.resident);
    }
    text.bytes("total_system_memory", memory::total_of_machine());
    scripts_fields(facts, text);
    let eviction = facts.node.settings.read().eviction;
    text.bytes("maxmemory", eviction.maxmemory);
    text.field("maxmemory_policy", eviction.policy.word());
    if now.is_measured {
        text.ratio("allocator_frag_ratio", now.active, now.used);
        text.field("allocator_frag_bytes", now.active.saturating_sub(now.used));
        text.ratio("allocator_rss_ratio", now.resident, now.active);
        text.field("allocator_rss_bytes", now.resident.saturating_sub(now.active));
        text.ratio("rss_overhead_ratio", now.rss, now.resident);
        text.field("rss_overhead_bytes", now.rss.saturating_sub(now.resident));
    }
    text.ratio("mem_fragmentation_ratio", now.rss, now.used);
    text.field("mem_fragmentation_bytes", now.rss.saturating_sub(now.used));
    text.field("mem_clients_normal", parts.clients_own);
    text.field("mem_clients_normal_shared", parts.output_shared);
    text.field("mem_clients_normal_unshared", parts.output_own);
    text.field("mem_replica_full_sync_buffer", parts.spool);
    text.field("mem_replicas_repl_buffer", parts.spool);
    text.none(&[
        "mem_not_counted_for_evict",
        "mem_replication_backlog",
        "mem_total_replication_buffers",
        "mem_clients_slaves",
        "mem_cluster_links",
        "mem_cluster_slot_import",
        "mem_cluster_slot_export",
        "mem_aof_buffer",
    ]);
    text.field("mem_allocator", memory::allocator());
    text.none(&["active_defrag_running"]);
    let (waiting, freed) = facts.node.store.garbage();
    text.field("lazyfree_pending_objects", waiting);
    text.field("lazyfreed_objects", freed);
    text.bytes("nearside_memory_limit", facts.node.settings.read().load_rules.room.bytes_max);
    text.field("nearside_spool_memory", parts.spool);
    text.field("nearside_spool_disk", facts.status.spool.disk);
}

/// What scripts and functions take.
fn scripts_fields(facts: &Facts<'_>, text: &mut Text) {
    let figures = &facts.node.scripts.figures;
    let (scripts_vm, functions_vm) =
        (figures.scripts_vm_bytes.load(Relaxed), figures.functions_vm_bytes.load(Relaxed));
    let (scripts, functions) = (figures.scripts_bytes.load(Relaxed), figures.functions_bytes.load(Relaxed));
    text.field("used_memory_vm_eval", scripts_vm);
    // The name it had before.
    text.bytes("used_memory_lua", scripts_vm as u64);
    text.field("used_memory_scripts_eval", scripts);
    text.field("number_of_cached_scripts", figures.scripts.load(Relaxed));
    text.field("number_of_functions", figures.functions.load(Relaxed));
    text.field("number_of_libraries", figures.libraries.load(Relaxed));
    text.field("used_memory_vm_functions", functions_vm);
    text.bytes("used_memory_vm_total", (scripts_vm + functions_vm) as u64);
    text.field("used_memory_functions", functions);
    text.bytes("used_memory_scripts", (scripts + functions) as u64);
}

fn persistence(facts: &Facts<'_>, text: &mut Text) {
    let readable = facts.node.upstream.readable();
    let is_loading = readable == Readable::Loading;
    text.field("loading", yes(is_loading));
    text.field("async_loading", yes(facts.status.sync.is_some() && !is_loading));
    let saves = facts.node.saves.get();
    let seconds =
        |time: Option<Duration>| time.map_or(-1, |time| i64::try_from(time.as_secs()).unwrap_or(i64::MAX));
    let changes = facts.node.store.changes().saturating_sub(saves.changes);
    let now = saves.now.as_ref();
    let keys = |of: fn(&Written) -> u64| now.map_or(0, of);
    let (done, total) = (keys(|now| now.keys), keys(|now| now.keys_total));
    let preserved = keys(|now| now.preserved_bytes);
    // What is encoded by those who change it stands for what a fork would copy for them.
    text.field("current_cow_peak", preserved);
    text.field("current_cow_size", preserved);
    text.field("current_cow_size_age", 0);
    text.field("current_fork_perc", format_args!("{:.2}", percent(done, total)));
    text.field("current_save_keys_processed", done);
    text.field("current_save_keys_total", total);
    text.field("rdb_changes_since_last_save", changes);
    text.field("rdb_bgsave_in_progress", yes(saves.running_since.is_some()));
    text.field("rdb_last_save_time", saves.last.0 / 1000);
    text.field("rdb_last_bgsave_status", if saves.is_ok { "ok" } else { "err" });
    text.field("rdb_last_bgsave_time_sec", seconds(saves.took));
    let running = saves.running_since.map(|since| facts.now.steady.saturating_duration_since(since));
    text.field("rdb_current_bgsave_time_sec", seconds(running));
    text.field("rdb_saves", saves.count);
    text.field("rdb_saves_consecutive_failures", saves.failures);
    text.field("rdb_last_cow_size", saves.preserved_bytes);
    // Those of the last full sync. What has expired comes with the rest, and goes when the master says so.
    text.field("rdb_last_load_keys_loaded", facts.status.counts.loaded_keys);
    text.field("rdb_last_load_keys_expired", 0);
    files_never_written(text);
    if is_loading && let Some(sync) = facts.status.sync {
        let total = sync.total.unwrap_or_default();
        let running = i64::try_from(sync.running.as_secs()).unwrap_or_default();
        text.field("loading_start_time", facts.now.wall.0 / 1000 - running);
        text.field("loading_total_bytes", total);
        text.field("loading_loaded_bytes", sync.loaded);
        text.field("loading_loaded_perc", format_args!("{:.2}", percent(sync.loaded, total)));
        text.field("loading_eta_seconds", eta_seconds(sync.loaded, total, sync.running));
    }
}

/// Of append-only files, of backups, and of what modules fork for.
fn files_never_written(text: &mut Text) {
    text.none(&["aof_enabled", "aof_rewrite_in_progress", "aof_rewrite_scheduled"]);
    text.field("aof_last_rewrite_time_sec", -1);
    text.field("aof_current_rewrite_time_sec", -1);
    // As at a real server that has none: what was never begun has not failed.
    text.field("aof_last_bgrewrite_status", "ok");
    text.none(&["aof_rewrites", "aof_rewrites_consecutive_failures"]);
    text.field("aof_last_write_status", "ok");
    text.none(&[
        "aof_last_cow_size",
        "backup_in_progress",
        "module_fork_in_progress",
        "module_fork_last_cow_size",
        "slot_migration_fork_in_progress",
    ]);
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

/// How long the rest takes at the pace so far; 1 when nobody knows, as in Redis.
fn eta_seconds(done: u64, total: u64, running: Duration) -> u64 {
    if done == 0 || total <= done {
        return 1;
    }
    (running.as_secs_f64() * (total - done) as f64 / done as f64) as u64
}

/// What the threads that serve connections have done.
fn threads(facts: &Facts<'_>, text: &mut Text) {
    let blocks = facts.node.serving.get().map_or(&[][..], Vec::as_slice);
    // Where there are more threads than blocks nobody knows whose counts are in one.
    if blocks.iter().collect::<HashSet<_>>().len() < blocks.len() {
        return;
    }
    let clients = facts.node.clients.list();
    for (index, block) in blocks.iter().enumerate() {
        let served = |client: &&Arc<Client>| usize::from(client.thread.load(Relaxed)) == index;
        let (reads, writes) = facts.node.stats.socket_calls(*block);
        text.field(
            &format!("io_thread_{index}"),
            format_args!("clients={},reads={reads},writes={writes}", clients.iter().filter(served).count()),
        );
    }
}

fn stats(facts: &Facts<'_>, text: &mut Text) {
    let totals = &facts.totals;
    let counts = &facts.status.counts;
    let samples = &facts.node.samples;
    text.field("total_connections_received", totals.connections_received);
    text.field("total_commands_processed", totals.commands_processed);
    text.field("instantaneous_ops_per_sec", samples.operations_per_second().round());
    text.field("total_net_input_bytes", totals.input_bytes);
    text.field("total_net_output_bytes", totals.output_bytes);
    text.field("total_net_repl_input_bytes", counts.input_bytes);
    text.field("total_net_repl_output_bytes", counts.output_bytes);
    text.field("instantaneous_input_kbps", format_args!("{:.2}", samples.input_kib_per_second()));
    text.field("instantaneous_output_kbps", format_args!("{:.2}", samples.output_kib_per_second()));
    text.none(&["total_net_cluster_slot_import_bytes", "total_net_cluster_slot_export_bytes"]);
    let (link_input, link_output) = samples.link_kib_per_second();
    text.field("instantaneous_input_repl_kbps", format_args!("{link_input:.2}"));
    text.field("instantaneous_output_repl_kbps", format_args!("{link_output:.2}"));
    text.field("rejected_connections", totals.connections_rejected);
    text.none(&["sync_full", "sync_partial_ok", "sync_partial_err"]);
    // The walk removes what has expired, and who meets it; what is given a deadline that is past goes at once.
    let [keys, fields] = facts.node.store.expired_when_met();
    text.field("expired_fields", totals.expired_fields + fields);
    text.field("expired_subkeys", totals.expired_fields + fields);
    text.field("expired_subkeys_active", totals.expired_fields);
    text.field("expired_keys", totals.expired_keys + keys);
    text.field("expired_keys_active", totals.expired_keys);
    text.field("expired_time_cap_reached_count", totals.walks_cut_short);
    text.field("expire_cycle_cpu_milliseconds", totals.walk_nanos / 1_000_000);
    text.field("evicted_keys", totals.evicted_keys);
    text.field("evicted_clients", totals.evicted_clients);
    text.field("evicted_scripts", facts.node.scripts.figures.evicted.load(Relaxed));
    text.field("client_query_buffer_limit_disconnections", totals.query_limit_disconnections);
    text.field("client_output_buffer_limit_disconnections", totals.output_limit_disconnections);
    text.field("keyspace_hits", totals.keyspace_hits);
    text.field("keyspace_misses", totals.keyspace_misses);
    let hub = &facts.node.hub;
    text.field("pubsub_channels", hub.names(Sort::Channel));
    text.field("pubsub_patterns", hub.names(Sort::Pattern));
    text.field("pubsubshard_channels", hub.names(Sort::Shard));
    let tracked = hub.tracking.counts();
    text.field("tracking_total_keys", tracked.keys);
    text.field("tracking_total_items", tracked.items);
    text.field("tracking_total_prefixes", tracked.prefixes);
    text.none(&[
        "latest_fork_usec",
        "total_forks",
        "migrate_cached_sockets",
        "slave_expires_tracked_keys",
        "active_defrag_hits",
        "active_defrag_misses",
        "active_defrag_key_hits",
        "active_defrag_key_misses",
        "total_active_defrag_time",
        "current_active_defrag_time",
    ]);
    text.field("total_error_replies", totals.error_replies);
    text.field("total_reads_processed", totals.reads);
    text.field("total_writes_processed", totals.writes);
    // None is done by the thread that the program began with.
    text.field("io_threaded_reads_processed", totals.reads);
    text.field("io_threaded_writes_processed", totals.writes);
    let pipelines = facts.node.clients.pipelines();
    text.field("avg_pipeline_length_sum", pipelines.requests);
    text.field("avg_pipeline_length_cnt", pipelines.times);
    text.ratio("avg_pipeline_length", pipelines.requests, pipelines.times);
    let slow = facts.node.command_log.of(Kind::Slow).totals();
    text.field("slowlog_commands_count", slow.count);
    for (name, micros) in
        [("slowlog_commands_time_ms_max", slow.most), ("slowlog_commands_time_ms_sum", slow.sum)]
    {
        text.field(name, format_args!("{:.2}", micros as f64 / 1000.0));
    }
    for (name, reason) in [
        ("auth", Reason::Auth),
        ("cmd", Reason::Command),
        ("key", Reason::Key),
        ("channel", Reason::Channel),
        ("db", Reason::Database),
    ] {
        text.field(&format!("acl_access_denied_{name}"), facts.node.acl.log.count(reason));
    }
    // No certificate says who a client is.
    text.none(&["acl_access_denied_tls_cert"]);
    text.field("nearside_tls_handshakes", totals.tls_handshakes);
    text.field("nearside_tls_handshakes_failed", totals.tls_handshakes_failed);
    text.field("nearside_gate_waits", totals.gate_waits);
    text.field("nearside_token_holds", totals.token_holds);
    text.field("nearside_token_wait_usec", totals.token_wait_nanos / 1000);
    text.field("nearside_applied_commands", counts.applied_commands);
    text.field("nearside_master_connects", counts.connects);
    text.field("nearside_full_syncs", counts.full_syncs);
    text.field("nearside_full_syncs_done", counts.full_syncs_done);
    text.field("nearside_last_swap_usec", counts.swap_stopped.as_micros());
    text.field("nearside_partial_syncs", counts.partial_syncs);
    text.field("nearside_divergence_resyncs", counts.divergence_resyncs);
    for (command, count) in &counts.ignored {
        text.field("nearside_ignored_command", format_args!("name={command},count={count}"));
    }
}

fn replication_fields(facts: &Facts<'_>, text: &mut Text) {
    let status = &facts.status;
    let offset = status.position.offset;
    match &status.role {
        Role::Master => text.field("role", "master"),
        Role::Replica(master) => {
            text.field("role", "slave");
            text.field("master_host", &master.host);
            text.field("master_port", master.port);
            text.field("master_link_status", if status.is_up() { "up" } else { "down" });
            text.field("master_last_io_seconds_ago", seconds(status.last_io));
            text.field("master_sync_in_progress", yes(is_syncing(status)));
            text.field("slave_read_repl_offset", status.received);
            text.field("slave_repl_offset", offset);
            if let Some(sync) = status.sync {
                let total = sync.total.unwrap_or_default();
                text.field("master_sync_total_bytes", total);
                text.field("master_sync_read_bytes", sync.received);
                text.field("master_sync_left_bytes", total.saturating_sub(sync.received));
                text.field("master_sync_perc", format_args!("{:.2}", percent(sync.received, total)));
                text.field("master_sync_last_io_seconds_ago", seconds(status.last_io));
                text.field("nearside_sync_loaded_bytes", sync.loaded);
                text.field("nearside_sync_loaded_keys", sync.keys);
                text.field("nearside_sync_seconds", sync.running.as_secs());
            }
            if status.is_up() {
                text.field("master_link_up_since_seconds", seconds(status.up));
            } else {
                text.field("master_link_down_since_seconds", seconds(status.down));
            }
            text.field("master_current_sync_attempts", status.counts.connects_since_up);
            text.field("master_total_sync_attempts", status.counts.connects);
            let down = status.counts.down_total + status.down.unwrap_or_default();
            text.field("total_disconnect_time_sec", down.as_secs());
            text.field("replica_full_sync_buffer_size", status.spool.memory + status.spool.disk);
            text.field("replicas_repl_buffer_size", status.spool.memory + status.spool.disk);
            let config = facts.node.settings.read();
            text.field("slave_priority", config.replica_priority);
            text.field("slave_read_only", 1);
            text.field("replica_announced", yes(config.replica_announced));
        }
    }
    text.none(&["connected_slaves", "replicas_waiting_psync"]);
    text.field("master_failover_state", "no-failover");
    text.field("master_replid", status.position.replid);
    match &status.previous {
        Some((replid, until)) => {
            text.field("master_replid2", replid);
            text.field("master_repl_offset", offset);
            text.field("second_repl_offset", until);
        }
        None => {
            text.field("master_replid2", "0".repeat(status.position.replid.as_str().len()));
            text.field("master_repl_offset", offset);
            text.field("second_repl_offset", -1);
        }
    }
    text.none(&[
        "repl_backlog_active",
        "repl_backlog_size",
        "repl_backlog_first_byte_offset",
        "repl_backlog_histlen",
    ]);
    text.field("nearside_link_state", status.state);
    text.field(
        "nearside_link_error",
        status.failure.as_ref().map(|failure| failure.error.to_string()).unwrap_or_default(),
    );
    text.field("nearside_lag_bytes", status.received.saturating_sub(offset));
    text.field("nearside_lag_seconds", format_args!("{:.3}", status.lag.unwrap_or_default().as_secs_f64()));
    text.field("nearside_spool_full", yes(status.spool.full));
    text.field("nearside_spool_full_count", status.spool.full_count);
}

fn is_syncing(status: &LinkStatus) -> bool {
    matches!(status.state, LinkState::WaitingRdb | LinkState::Receiving | LinkState::Loading)
}

fn cpu(_: &Facts<'_>, text: &mut Text) {
    let (all, main_thread) = (cpu::of_program(), cpu::of_main_thread());
    for (name, hundredths) in [
        ("used_cpu_sys", all.system),
        ("used_cpu_user", all.user),
        ("used_cpu_sys_children", all.children_system),
        ("used_cpu_user_children", all.children_user),
        ("used_cpu_sys_main_thread", main_thread.system),
        ("used_cpu_user_main_thread", main_thread.user),
    ] {
        text.field(name, format_args!("{:.6}", hundredths as f64 / 100.0));
    }
}

fn hot_keys(facts: &Facts<'_>, text: &mut Text) {
    let Some(status) = facts.node.hot_keys.status(facts.now.steady) else { return };
    text.field("hotkeys-tracking-active", u8::from(status.is_running));
    text.field("hotkeys-cmd-cpu-time", status.counting.as_millis());
}

fn commandstats(facts: &Facts<'_>, text: &mut Text) {
    for (command, totals) in table::COMMANDS.iter().zip(&facts.totals.commands) {
        if totals.calls + totals.rejected + totals.failed == 0 {
            continue;
        }
        let micros = totals.nanos / 1000;
        // Told of those alone that were slow.
        let slow = if totals.slow > 0 {
            format!(
                ",slowlog_count={},slowlog_time_ms_sum={:.2},slowlog_time_ms_max={:.2}",
                totals.slow,
                totals.slow_micros as f64 / 1000.0,
                totals.slow_micros_most as f64 / 1000.0
            )
        } else {
            String::new()
        };
        text.field(
            &format!("cmdstat_{}", command.name),
            format_args!(
                "calls={},usec={micros},usec_per_call={:.2},rejected_calls={},failed_calls={}{slow}",
                totals.calls,
                totals.nanos as f64 / 1000.0 / totals.calls.max(1) as f64,
                totals.rejected,
                totals.failed
            ),
        );
    }
}

fn latencystats(facts: &Facts<'_>, text: &mut Text) {
    let config = facts.node.settings.read();
    if !config.latency_tracking {
        return;
    }
    for command in table::COMMANDS {
        let times = facts.node.stats.times(command);
        if times.calls() == 0 {
            continue;
        }
        let told: Vec<String> = config
            .latency_percentiles
            .iter()
            .map(|percent| format!("p{percent}={:.3}", times.percentile(percent)))
            .collect();
        text.field(&format!("latency_percentiles_usec_{}", command.name), told.join(","));
    }
}

fn errorstats(facts: &Facts<'_>, text: &mut Text) {
    for (code, count) in &facts.totals.errors {
        text.field(&format!("errorstat_{code}"), format_args!("count={count}"));
    }
}

fn cluster(_: &Facts<'_>, text: &mut Text) {
    text.field("cluster_enabled", 0);
}

/// What runs scripts, which is built in.
fn engines(facts: &Facts<'_>, text: &mut Text) {
    let figures = &facts.node.scripts.figures;
    let used = figures.scripts_vm_bytes.load(Relaxed) + figures.functions_vm_bytes.load(Relaxed);
    text.field("engines_count", 1);
    text.field("engines_total_used_memory", used);
    text.field("engine_0", format_args!("name=LUA,module=built-in,used_memory={used}"));
}

fn keyspace(facts: &Facts<'_>, text: &mut Text) {
    for index in (0..facts.node.databases).map(DbIndex) {
        let db = facts.source.db(index, facts.now.wall);
        if !db.is_empty() {
            // A node that was a master, and is none any more, does not know.
            let is_known = facts.status.role == Role::Master;
            let average = if is_known { facts.node.samples.average_ttl(index) } else { 0 };
            let of_fields =
                if facts.node.dialect().is_valkey() { "keys_with_volatile_items" } else { "subexpiry" };
            text.field(
                &format!("db{}", index.0),
                format_args!(
                    "keys={},expires={},avg_ttl={average},{of_fields}={}",
                    db.len(),
                    db.deadlines(),
                    db.field_deadlines()
                ),
            );
        }
    }
}

fn key_sizes_fields(facts: &Facts<'_>, text: &mut Text) {
    for sizes in facts.sizes.iter().flatten() {
        // Writing into a String cannot fail.
        let _ = write!(text.told, "{sizes}");
    }
}
