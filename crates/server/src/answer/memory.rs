//! MEMORY: where the process' memory is, and what to do about it.
//!
//! Owns the parts it is told in, for INFO too. Never counts anything itself: allocator, kernel and data set are asked.

use commands::Source;
use protocol::Reply;
use storage::DbIndex;

use super::{Answered, Call, Now, Then};
use crate::clients::Client;
use crate::memory::{self, Memory};
use crate::node::Node;

/// MEMORY HELP
pub(super) const HELP: &[(&str, &str)] = &[
    ("MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", ""),
    ("DOCTOR", "What is odd about this process' memory, in words."),
    ("MALLOC-STATS", "What the allocator tells of itself."),
    ("PURGE", "Gives the pages that the allocator keeps for later back to the kernel."),
    ("STATS", "Where the memory is."),
    (
        "USAGE <key> [SAMPLES <count>]",
        "The bytes that a key and its value take; SAMPLES 0: every element counts.",
    ),
];

/// Less memory than this says nothing.
const LITTLE: u64 = 5 << 20;
/// Waste that is worth a word, together with a share of it.
const WASTE: u64 = 10 << 20;
/// What one client's buffers may hold on average without a word.
const CLIENT_BYTES: u64 = 200 << 10;

/// Where the memory is, at one moment.
pub(super) struct Parts {
    pub(super) now: Memory,
    /// The most that was ever in use.
    pub(super) peak: u64,
    /// What was in use before any data came.
    pub(super) at_start: u64,
    /// Of each database that has keys: how many, and what the tables take that find them.
    pub(super) databases: Vec<(DbIndex, u64, u64)>,
    /// What clients take, and not what others hold too.
    pub(super) clients_own: u64,
    /// Of what waits to be sent to them, what others hold too, and what is theirs alone.
    pub(super) output_shared: u64,
    pub(super) output_own: u64,
    /// How many clients there are.
    clients: u64,
    /// Of the master's stream, what waits in memory to be applied.
    pub(super) spool: u64,
}

impl Parts {
    /// As they are now; of databases nothing is known without a right to look at them.
    pub(super) fn look(node: &Node, now: Now, source: Option<Source<'_>>) -> Parts {
        let memory = memory::look();
        let clients = node.clients.list();
        let sum = |size: fn(&Client) -> usize| clients.iter().map(|client| size(client) as u64).sum();
        let database = |source: Source<'_>, index| {
            let stats = source.db(index, now.wall).stats();
            (stats.keys > 0).then_some((index, stats.keys as u64, stats.table_bytes as u64))
        };
        Parts {
            now: memory,
            peak: node.samples.memory_peak(memory.used),
            at_start: node.memory_at_start,
            databases: source.map_or_else(Vec::new, |source| {
                (0..node.databases).filter_map(|index| database(source, DbIndex(index))).collect()
            }),
            clients_own: sum(Client::memory),
            output_shared: sum(|client| client.output().1),
            output_own: sum(|client| {
                let (output, shared) = client.output();
                output - shared
            }),
            clients: clients.len() as u64,
            spool: node.upstream.status().spool.memory,
        }
    }

    fn tables(&self) -> u64 {
        self.databases.iter().map(|(_, _, bytes)| bytes).sum()
    }

    fn keys(&self) -> u64 {
        self.databases.iter().map(|(_, keys, _)| keys).sum()
    }

    /// What is not the keys and values themselves; the rest is.
    pub(super) fn overhead(&self) -> u64 {
        let parts = [self.at_start, self.tables(), self.clients_own, self.spool];
        parts.iter().fold(0u64, |sum, part| sum.saturating_add(*part)).min(self.now.used)
    }

    /// The keys and values.
    pub(super) fn dataset(&self) -> u64 {
        self.now.used - self.overhead()
    }

    /// What has come into use since the start.
    fn since_start(&self) -> u64 {
        self.now.used.saturating_sub(self.at_start)
    }

    /// How much of that the keys and values are, in hundredths.
    pub(super) fn dataset_percent(&self) -> f64 {
        percent(self.dataset().min(self.since_start()), self.since_start())
    }

    /// What is in use of the most that ever was, in hundredths.
    pub(super) fn peak_percent(&self) -> f64 {
        percent(self.now.used, self.peak)
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}

/// How many times `below` fits into `above`.
pub(super) fn ratio(above: u64, below: u64) -> f64 {
    above as f64 / below.max(1) as f64
}

/// MEMORY STATS
pub(super) fn stats(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let parts = Parts::look(call.node, call.now, call.source);
    let now = parts.now;
    let deferred = reply.defer();
    let mut told = Told { reply, fields: 0 };
    told.int("peak.allocated", parts.peak);
    told.int("total.allocated", now.used);
    told.int("startup.allocated", parts.at_start);
    told.int("replication.backlog", 0);
    let is_valkey = call.node.dialect().is_valkey();
    told.int(if is_valkey { "replicas.repl.buffer" } else { "replica.fullsync.buffer" }, parts.spool);
    told.int("clients.slaves", 0);
    told.int("clients.normal", parts.clients_own);
    if !is_valkey {
        told.int("clients.normal.shared", parts.output_shared);
        told.int("clients.normal.unshared", parts.output_own);
    }
    told.int("cluster.links", 0);
    if is_valkey {
        told.int("cluster.slot_import", 0);
        told.int("cluster.slot_export", 0);
    }
    told.int("aof.buffer", 0);
    for (index, _, tables) in &parts.databases {
        told.name(&format!("db.{}", index.0));
        told.reply.map(2);
        for (name, bytes) in [("overhead.hashtable.main", *tables), ("overhead.hashtable.expires", 0)] {
            told.reply.bulk(name.as_bytes());
            told.reply.int(signed(bytes));
        }
    }
    told.int("overhead.db.hashtable.lut", parts.tables());
    told.int("overhead.total", parts.overhead());
    told.int("keys.count", parts.keys());
    told.int("keys.bytes-per-key", parts.since_start().checked_div(parts.keys()).unwrap_or_default());
    told.int("dataset.bytes", parts.dataset());
    told.double("dataset.percentage", parts.dataset_percent());
    told.double("peak.percentage", parts.peak_percent());
    if now.is_measured {
        told.int("allocator.allocated", now.used);
        told.int("allocator.active", now.active);
        told.int("allocator.resident", now.resident);
        told.double("allocator-fragmentation.ratio", ratio(now.active, now.used));
        told.int("allocator-fragmentation.bytes", now.active.saturating_sub(now.used));
        told.double("allocator-rss.ratio", ratio(now.resident, now.active));
        told.int("allocator-rss.bytes", now.resident.saturating_sub(now.active));
        told.double("rss-overhead.ratio", ratio(now.rss, now.resident));
        told.int("rss-overhead.bytes", now.rss.saturating_sub(now.resident));
    }
    told.double("fragmentation", ratio(now.rss, now.used));
    told.int("fragmentation.bytes", now.rss.saturating_sub(now.used));
    let fields = told.fields;
    reply.map_at(deferred, fields);
    Ok(Then::Continue)
}

/// A map whose length is known afterwards.
struct Told<'r> {
    reply: &'r mut Reply,
    fields: usize,
}

impl Told<'_> {
    fn name(&mut self, name: &str) {
        self.fields += 1;
        self.reply.bulk(name.as_bytes());
    }
    fn int(&mut self, name: &str, value: u64) {
        self.name(name);
        self.reply.int(signed(value));
    }
    fn double(&mut self, name: &str, value: f64) {
        self.name(name);
        self.reply.double_text(value.to_string().as_bytes());
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// MEMORY DOCTOR
pub(super) fn doctor(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    reply.verbatim("txt", report(&Parts::look(call.node, call.now, call.source)).as_bytes());
    Ok(Then::Continue)
}

/// What DOCTOR says.
fn report(parts: &Parts) -> String {
    let now = parts.now;
    if now.used < LITTLE {
        return String::from("There is too little in use to say anything about it.\n");
    }
    let wasted =
        |above: u64, below: u64, most: f64| above.saturating_sub(below) > WASTE && ratio(above, below) > most;
    let findings = [
        (
            ratio(parts.peak, now.used) > 1.5,
            "Peak: there was once half as much again in use. The kernel may still hold pages of that for this process, \
             which makes it look fragmented; it is not, and will use them again.",
        ),
        (
            wasted(now.rss, now.used, 1.4),
            "Fragmentation: the kernel holds 40 % more for this process than is in use. MEMORY PURGE gives back what \
             can be given.",
        ),
        (
            now.is_measured && wasted(now.active, now.used, 1.1),
            "Allocator: a tenth of the pages in use is empty, as after many keys were removed or replaced by others of \
             another size. A full sync into a new process fills them evenly.",
        ),
        (
            now.is_measured && wasted(now.resident, now.active, 1.1),
            "Allocator: it keeps more pages for later than it usually needs. MEMORY PURGE gives them back.",
        ),
        (
            now.is_measured && wasted(now.rss, now.resident, 1.1),
            "Process: the kernel holds pages that are not the allocator's: code, stacks, files in memory.",
        ),
        (
            parts.clients > 0 && parts.clients_own / parts.clients > CLIENT_BYTES,
            "Clients: more than 200 KiB of requests and replies wait for each of them, on average. CLIENT LIST shows \
             whose (qbuf, omem); client-output-buffer-limit bounds them.",
        ),
        (
            parts.spool > WASTE,
            "Spool: much of the master's stream waits to be applied; INFO replication tells how far behind that is.",
        ),
    ];
    let told: Vec<&str> = findings.into_iter().filter(|(is_so, _)| *is_so).map(|(_, text)| text).collect();
    if told.is_empty() {
        return String::from("Nothing is odd about this process' memory.\n");
    }
    format!("What was found:\n\n * {}\n", told.join("\n\n * "))
}

/// MEMORY MALLOC-STATS. Runs on a thread that may wait.
pub(super) fn malloc_stats(reply: &mut Reply) -> Answered {
    match memory::allocator_report() {
        Some(text) => reply.verbatim("txt", &text),
        None => reply.bulk(b"Stats not supported for the current allocator"),
    }
    Ok(Then::Continue)
}

/// MEMORY PURGE. Runs on a thread that may wait.
pub(super) fn purge(reply: &mut Reply) -> Answered {
    memory::give_back();
    reply.ok();
    Ok(Then::Continue)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(used: u64, peak: u64, rss: u64) -> Parts {
        Parts {
            now: Memory { used, active: used, resident: used, rss, is_measured: true },
            peak,
            at_start: 1 << 20,
            databases: vec![(DbIndex(0), 10, 1 << 20), (DbIndex(3), 2, 2 << 20)],
            clients_own: 1 << 20,
            output_shared: 0,
            output_own: 0,
            clients: 2,
            spool: 0,
        }
    }

    #[test]
    fn the_parts_make_the_whole() {
        let parts = parts(100 << 20, 100 << 20, 100 << 20);
        assert_eq!((parts.overhead(), parts.keys()), (5 << 20, 12));
        assert_eq!(parts.overhead() + parts.dataset(), parts.now.used);
        assert!((parts.dataset_percent() - 95.0 * 100.0 / 99.0).abs() < 0.001);
        // What is told of the parts a moment later may be more than there is.
        let small = Parts { now: Memory { used: 1 << 20, ..parts.now }, ..parts };
        assert_eq!((small.overhead(), small.dataset(), small.dataset_percent()), (1 << 20, 0, 0.0));
    }

    #[test]
    fn the_doctor_says_what_is_odd() {
        assert!(report(&parts(1 << 20, 1 << 20, 1 << 20)).contains("too little"));
        let ok = parts(100 << 20, 100 << 20, 105 << 20);
        assert!(report(&Parts { clients_own: 0, ..ok }).contains("Nothing is odd"));
        let odd = report(&parts(100 << 20, 200 << 20, 200 << 20));
        for word in ["Peak:", "Fragmentation:", "Process:", "Clients:"] {
            assert!(odd.contains(word), "{odd}");
        }
        assert!(!odd.contains("Allocator:") && !odd.contains("Spool:"), "{odd}");
    }
}
