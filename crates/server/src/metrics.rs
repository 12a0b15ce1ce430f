//! What Prometheus is told: one table of metrics.
//!
//! Owns names, kinds and help, and where each value comes from. Labels come from our own tables alone (commands,
//! states, codes, database numbers), so that no stranger's word ever makes one.

use commands::table;
use metrics::{Key, Label, Level, Metadata, Recorder, Unit};
use metrics_exporter_prometheus::PrometheusBuilder;
use replication::{ErrorCode, LinkState};
use storage::{DbIndex, Reader};

use crate::answer::Now;
use crate::memory::{self, Memory};
use crate::node::Node;
use crate::stats::{CommandTotals, Totals};
use crate::upstream::{LinkStatus, Role};

/// What all metrics are made of, looked at once a scrape.
struct Facts {
    status: LinkStatus,
    totals: Totals,
    memory: Memory,
    clients: usize,
    uptime_seconds: f64,
    /// Keys and keys with a deadline, of each database that has any.
    databases: Vec<(DbIndex, usize, usize)>,
}

/// One metric.
struct Metric {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    /// Gives each of its values to the callback, with the label's value where it has a label.
    collect: fn(&Facts, Give<'_>),
    /// The label, when there are several values.
    label: Option<&'static str>,
}

#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
}

type Give<'a> = &'a mut dyn FnMut(&str, f64);

const fn gauge(name: &'static str, help: &'static str, collect: fn(&Facts, Give<'_>)) -> Metric {
    Metric { name, help, kind: Kind::Gauge, collect, label: None }
}

const fn counter(name: &'static str, help: &'static str, collect: fn(&Facts, Give<'_>)) -> Metric {
    Metric { name, help, kind: Kind::Counter, collect, label: None }
}

impl Metric {
    const fn by(mut self, label: &'static str) -> Self {
        self.label = Some(label);
        self
    }
}

/// Every metric.
const METRICS: &[Metric] = &[
    gauge("nearside_uptime_seconds", "Since the start.", |f, give| give("", f.uptime_seconds)),
    // ---- the link ----
    gauge("nearside_is_replica", "1 while a master is followed.", |f, give| {
        give("", truth(f.status.role != Role::Master));
    }),
    gauge("nearside_link_up", "1 while the master's stream is followed.", |f, give| {
        give("", truth(f.status.is_up()));
    }),
    gauge("nearside_link_state", "1 for the state that the link is in.", |f, give| {
        for state in LinkState::ALL {
            give(state.name(), truth(f.status.state == *state));
        }
    })
    .by("state"),
    counter("nearside_link_failures_total", "How often the link ended, by its error code.", |f, give| {
        for code in ErrorCode::ALL {
            let count =
                f.status.counts.failures.iter().find(|(known, _)| known == code).map_or(0, |(_, n)| *n);
            give(code.name(), count as f64);
        }
    })
    .by("code"),
    counter("nearside_link_connects_total", "Connections to the master that were tried.", |f, give| {
        give("", f.status.counts.connects as f64);
    }),
    gauge("nearside_loaded", "1 when there is a whole data set.", |f, give| give("", truth(f.status.loaded))),
    gauge(
        "nearside_master_last_io_seconds",
        "Since the master's last byte; absent without a link.",
        |f, give| {
            if let Some(since) = f.status.last_io {
                give("", since.as_secs_f64());
            }
        },
    ),
    gauge("nearside_link_down_seconds", "Since the link went down; 0 while it is up.", |f, give| {
        give("", f.status.down.unwrap_or_default().as_secs_f64());
    }),
    counter("nearside_tls_handshakes_total", "TLS handshakes with clients that were done.", |f, give| {
        give("", f.totals.tls_handshakes as f64);
    }),
    counter(
        "nearside_tls_handshake_failures_total",
        "TLS handshakes with clients that failed.",
        |f, give| {
            give("", f.totals.tls_handshakes_failed as f64);
        },
    ),
    // ---- the stream ----
    gauge(
        "nearside_offset_applied_bytes",
        "The offset of the master's stream that is applied.",
        |f, give| {
            give("", f.status.position.offset as f64);
        },
    ),
    gauge(
        "nearside_offset_received_bytes",
        "The offset of the master's stream that is received.",
        |f, give| {
            give("", f.status.received as f64);
        },
    ),
    gauge("nearside_lag_bytes", "Received and not yet applied.", |f, give| {
        give("", f.status.received.saturating_sub(f.status.position.offset) as f64);
    }),
    gauge(
        "nearside_lag_seconds",
        "Age of the oldest byte that is received and not yet applied.",
        |f, give| {
            give("", f.status.lag.unwrap_or_default().as_secs_f64());
        },
    ),
    counter("nearside_applied_commands_total", "Commands of the stream that were applied.", |f, give| {
        for (command, count) in &f.status.counts.applied {
            give(command, *count as f64);
        }
    })
    .by("command"),
    counter(
        "nearside_ignored_commands_total",
        "Commands of the stream passed over on divergence.",
        |f, give| {
            give("", f.status.counts.ignored.iter().map(|(_, count)| *count).sum::<u64>() as f64);
        },
    ),
    counter("nearside_divergence_resyncs_total", "Full syncs forced by a divergence.", |f, give| {
        give("", f.status.counts.divergence_resyncs as f64);
    }),
    // ---- the spool ----
    gauge("nearside_spool_memory_bytes", "Received and waiting in memory.", |f, give| {
        give("", f.status.spool.memory as f64);
    }),
    gauge("nearside_spool_disk_bytes", "Received and waiting in the spool's file.", |f, give| {
        give("", f.status.spool.disk as f64);
    }),
    gauge(
        "nearside_spool_full",
        "1 while the spool has no room and the master is not read from.",
        |f, give| {
            give("", truth(f.status.spool.full));
        },
    ),
    counter("nearside_spool_full_total", "How often the spool had no room.", |f, give| {
        give("", f.status.spool.full_count as f64);
    }),
    // ---- syncs ----
    counter("nearside_full_syncs_total", "Full syncs begun.", |f, give| {
        give("", f.status.counts.full_syncs as f64);
    }),
    counter("nearside_full_syncs_done_total", "Full syncs that brought a new data set.", |f, give| {
        give("", f.status.counts.full_syncs_done as f64);
    }),
    gauge(
        "nearside_last_swap_seconds",
        "For how long the last new data set held readers up, at most.",
        |f, give| {
            give("", f.status.counts.swap_stopped.as_secs_f64());
        },
    ),
    counter("nearside_partial_syncs_total", "Streams taken up where they were left.", |f, give| {
        give("", f.status.counts.partial_syncs as f64);
    }),
    gauge("nearside_sync_in_progress", "1 during a full sync.", |f, give| {
        give("", truth(f.status.sync.is_some()));
    }),
    gauge("nearside_sync_total_bytes", "Size of the snapshot, when the master said it.", |f, give| {
        if let Some(total) = f.status.sync.and_then(|sync| sync.total) {
            give("", total as f64);
        }
    }),
    gauge("nearside_sync_received_bytes", "Bytes of the snapshot received.", |f, give| {
        give("", f.status.sync.map_or(0, |sync| sync.received) as f64);
    }),
    gauge("nearside_sync_loaded_bytes", "Bytes of the snapshot loaded.", |f, give| {
        give("", f.status.sync.map_or(0, |sync| sync.loaded) as f64);
    }),
    gauge("nearside_sync_loaded_keys", "Keys of the snapshot loaded.", |f, give| {
        give("", f.status.sync.map_or(0, |sync| sync.keys) as f64);
    }),
    // ---- data ----
    gauge("nearside_keys", "Keys.", |f, give| {
        f.databases.iter().for_each(|(db, keys, _)| give(&db.0.to_string(), *keys as f64));
    })
    .by("db"),
    gauge("nearside_keys_with_deadline", "Keys that expire.", |f, give| {
        f.databases.iter().for_each(|(db, _, deadlines)| give(&db.0.to_string(), *deadlines as f64));
    })
    .by("db"),
    gauge("nearside_memory_used_bytes", "In live allocations.", |f, give| give("", f.memory.used as f64)),
    gauge("nearside_memory_active_bytes", "In pages with live allocations.", |f, give| {
        give("", f.memory.active as f64);
    }),
    gauge("nearside_memory_rss_bytes", "Resident in the machine's memory.", |f, give| {
        give("", f.memory.rss as f64);
    }),
    // ---- clients ----
    gauge("nearside_clients", "Connections.", |f, give| give("", f.clients as f64)),
    counter("nearside_connections_total", "Connections taken.", |f, give| {
        give("", f.totals.connections_received as f64);
    }),
    counter("nearside_connections_rejected_total", "Connections refused.", |f, give| {
        give("", f.totals.connections_rejected as f64);
    }),
    counter(
        "nearside_query_limit_disconnections_total",
        "Clients let go for too long a request.",
        |f, give| {
            give("", f.totals.query_limit_disconnections as f64);
        },
    ),
    counter("nearside_evicted_clients_total", "Clients let go for the memory of all.", |f, give| {
        give("", f.totals.evicted_clients as f64);
    }),
    counter(
        "nearside_output_limit_disconnections_total",
        "Clients let go for too much output.",
        |f, give| {
            give("", f.totals.output_limit_disconnections as f64);
        },
    ),
    counter("nearside_input_bytes_total", "Bytes from clients.", |f, give| {
        give("", f.totals.input_bytes as f64)
    }),
    counter("nearside_output_bytes_total", "Bytes to clients.", |f, give| {
        give("", f.totals.output_bytes as f64)
    }),
    counter("nearside_commands_total", "Commands served.", |f, give| {
        each(f, give, |totals| totals.calls);
    })
    .by("command"),
    counter("nearside_command_microseconds_total", "Time in commands served.", |f, give| {
        each(f, give, |totals| totals.nanos / 1000);
    })
    .by("command"),
    counter("nearside_command_failures_total", "Commands served that answered an error.", |f, give| {
        each(f, give, |totals| totals.failed);
    })
    .by("command"),
    counter("nearside_command_rejections_total", "Commands refused before they ran.", |f, give| {
        each(f, give, |totals| totals.rejected);
    })
    .by("command"),
    counter("nearside_keyspace_hits_total", "Keys that clients asked for and that were there.", |f, give| {
        give("", f.totals.keyspace_hits as f64);
    }),
    counter("nearside_keyspace_misses_total", "Keys that clients asked for and that were not.", |f, give| {
        give("", f.totals.keyspace_misses as f64);
    }),
    counter("nearside_error_replies_total", "Error replies.", |f, give| {
        give("", f.totals.error_replies as f64);
    }),
    counter("nearside_gate_waits_total", "Batches that found the gate closed.", |f, give| {
        give("", f.totals.gate_waits as f64);
    }),
    counter("nearside_evicted_keys_total", "Keys removed because maxmemory was reached.", |f, give| {
        give("", f.totals.evicted_keys as f64);
    }),
    counter("nearside_token_holds_total", "Requests that took the writer token.", |f, give| {
        give("", f.totals.token_holds as f64);
    }),
    counter(
        "nearside_token_wait_microseconds_total",
        "Time that requests waited for the writer token.",
        |f, give| {
            give("", (f.totals.token_wait_nanos / 1000) as f64);
        },
    ),
];

fn truth(value: bool) -> f64 {
    if value { 1.0 } else { 0.0 }
}

/// Each command that was ever called or refused.
fn each(facts: &Facts, give: Give<'_>, value: fn(&CommandTotals) -> u64) {
    for (command, totals) in table::COMMANDS.iter().zip(&facts.totals.commands) {
        if totals.calls + totals.rejected > 0 {
            give(command.name, value(totals) as f64);
        }
    }
}

/// The page, for a batch that is inside the gate.
pub(crate) fn page(node: &Node, reader: &Reader<'_>) -> String {
    let now = Now::read();
    let facts = Facts {
        status: node.upstream.status(),
        totals: node.stats.totals(),
        memory: memory::look(),
        clients: node.clients.len(),
        uptime_seconds: now.steady.saturating_duration_since(node.started).as_secs_f64(),
        databases: (0..node.databases)
            .map(DbIndex)
            .map(|index| (index, reader.db(index, now.wall)))
            .filter(|(_, db)| !db.is_empty())
            .map(|(index, db)| (index, db.len(), db.deadlines()))
            .collect(),
    };
    render(&facts)
}

/// A recorder lives for one page: a counter that CONFIG RESETSTAT has set back is told as it is.
fn render(facts: &Facts) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metadata = Metadata::new(module_path!(), Level::INFO, None);
    for metric in METRICS {
        let unit: Option<Unit> = None;
        match metric.kind {
            Kind::Counter => recorder.describe_counter(metric.name.into(), unit, metric.help.into()),
            Kind::Gauge => recorder.describe_gauge(metric.name.into(), unit, metric.help.into()),
        }
        (metric.collect)(facts, &mut |value, number| {
            let labels = metric.label.map(|label| Label::new(label, value.to_owned()));
            let key = Key::from_parts(metric.name, Vec::from_iter(labels));
            // The recorder counts in whole numbers, and so do we: microseconds, where a counter is of time.
            match metric.kind {
                Kind::Counter => recorder.register_counter(&key, &metadata).absolute(number as u64),
                Kind::Gauge => recorder.register_gauge(&key, &metadata).set(number),
            }
        });
    }
    in_order(&recorder.handle().render())
}

/// The same page in the table's order, and each metric's values in that of their labels: the recorder keeps them in
/// hash maps, and a person compares two pages.
fn in_order(page: &str) -> String {
    let place = |block: &str| {
        let name = block.strip_prefix("# HELP ").and_then(|rest| rest.split(' ').next());
        METRICS.iter().position(|metric| Some(metric.name) == name)
    };
    let mut blocks: Vec<&str> =
        page.split("\n\n").map(str::trim_end).filter(|block| !block.is_empty()).collect();
    blocks.sort_by_key(|block| place(block));
    let mut ordered = String::with_capacity(page.len());
    for block in blocks {
        let (comments, mut values): (Vec<&str>, Vec<&str>) =
            block.lines().partition(|line| line.starts_with('#'));
        values.sort_unstable();
        for line in comments.iter().chain(&values) {
            ordered.push_str(line);
            ordered.push('\n');
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use replication::{Position, ReplId};

    use super::*;
    use crate::upstream::{LinkCounts, MasterAddress, SpoolStatus, SyncProgress};

    /// A node on which nothing has happened.
    fn quiet() -> Facts {
        Facts {
            status: LinkStatus {
                role: Role::Master,
                state: LinkState::Stopped,
                failure: None,
                position: Position { replid: ReplId::from_random([0; 20]), offset: 0, db: DbIndex(0) },
                previous: None,
                received: 0,
                sync: None,
                loaded: false,
                last_io: None,
                up: None,
                down: None,
                lag: None,
                spool: SpoolStatus::default(),
                counts: LinkCounts::default(),
            },
            totals: Totals { commands: vec![CommandTotals::default(); table::COUNT], ..Totals::default() },
            memory: Memory { used: 0, active: 0, resident: 0, rss: 0, is_measured: true },
            clients: 0,
            uptime_seconds: 0.0,
            databases: Vec::new(),
        }
    }

    /// One on which everything has.
    fn busy() -> Facts {
        let second = Some(Duration::from_secs(1));
        let position = Position { replid: ReplId::from_random([1; 20]), offset: 7, db: DbIndex(0) };
        let spool = SpoolStatus { memory: 1, disk: 2, full: true, full_count: 3 };
        let running = Duration::from_secs(1);
        let counts = LinkCounts {
            connects: 1,
            full_syncs: 2,
            full_syncs_done: 3,
            swap_stopped: Duration::from_micros(9),
            partial_syncs: 4,
            failures: vec![(ErrorCode::Timeout, 5)],
            ignored: vec![(String::from("nosuch"), 6)],
            applied_commands: 7,
            applied: vec![("set", 7)],
            divergence_resyncs: 8,
            ..LinkCounts::default()
        };
        let every =
            CommandTotals { calls: 1, nanos: 2000, rejected: 3, failed: 4, ..CommandTotals::default() };
        let totals = Totals {
            commands: vec![every; table::COUNT],
            connections_received: 1,
            connections_rejected: 2,
            tls_handshakes: 13,
            tls_handshakes_failed: 14,
            query_limit_disconnections: 3,
            evicted_clients: 3,
            output_limit_disconnections: 3,
            input_bytes: 4,
            output_bytes: 5,
            error_replies: 6,
            keyspace_hits: 10,
            keyspace_misses: 11,
            evicted_keys: 12,
            gate_waits: 7,
            token_holds: 8,
            token_wait_nanos: 9000,
            ..Totals::default()
        };
        Facts {
            status: LinkStatus {
                role: Role::Replica(MasterAddress { host: String::from("a-stranger"), port: 1 }),
                state: LinkState::Streaming,
                position,
                received: 9,
                sync: Some(SyncProgress { total: Some(4), received: 3, loaded: 2, keys: 1, running }),
                loaded: true,
                last_io: second,
                up: second,
                down: second,
                lag: second,
                spool,
                counts,
                ..quiet().status
            },
            totals,
            memory: Memory { used: 1, active: 2, resident: 3, rss: 4, is_measured: true },
            clients: 1,
            uptime_seconds: 1.0,
            databases: vec![(DbIndex(3), 2, 1)],
        }
    }

    /// The page's values, by name and labels.
    fn values(facts: &Facts) -> BTreeMap<String, String> {
        let page = render(facts);
        let lines = page.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines
            .map(|line| line.rsplit_once(' ').unwrap())
            .map(|(key, value)| (key.into(), value.into()))
            .collect()
    }

    #[test]
    fn every_metric_of_the_table_appears_and_moves() {
        let (before, after) = (values(&quiet()), values(&busy()));
        for metric in METRICS {
            let of = |page: &BTreeMap<String, String>| -> BTreeMap<String, String> {
                let is_its = |key: &str| {
                    key.strip_prefix(metric.name).is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
                };
                page.iter().filter(|(key, _)| is_its(key)).map(|(k, v)| (k.clone(), v.clone())).collect()
            };
            let (before, after) = (of(&before), of(&after));
            assert!(!after.is_empty(), "{} does not appear", metric.name);
            assert_ne!(before, after, "{} does not move", metric.name);
            assert_eq!(
                after.keys().all(|key| key.contains('{')),
                metric.label.is_some(),
                "{}: labels are as the table says",
                metric.name
            );
        }
    }

    #[test]
    fn every_metric_is_described_once_and_named_by_the_rules() {
        let page = render(&busy());
        for metric in METRICS {
            let kind = match metric.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
            };
            assert_eq!(metric.name.ends_with("_total"), kind == "counter", "{}", metric.name);
            let described = page.matches(&format!("# HELP {} {}\n", metric.name, metric.help)).count();
            assert_eq!(described, 1, "{}", metric.name);
            assert_eq!(
                page.matches(&format!("# TYPE {} {kind}\n", metric.name)).count(),
                1,
                "{}",
                metric.name
            );
        }
    }

    #[test]
    fn the_page_is_in_the_tables_order() {
        let page = render(&busy());
        let told: Vec<&str> = page
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "))
            .filter_map(|line| line.split(' ').next())
            .collect();
        let table: Vec<&str> = METRICS.iter().map(|metric| metric.name).collect();
        assert_eq!(told, table);
        let states: Vec<&str> =
            page.lines().filter(|line| line.starts_with("nearside_link_state{")).collect();
        assert!(states.is_sorted() && states.len() == LinkState::ALL.len());
    }

    #[test]
    fn a_strangers_word_never_makes_a_label() {
        let page = render(&busy());
        assert!(!page.contains("nosuch") && !page.contains("stranger"), "{page}");
    }
}
