//! Counters of what was served.
//!
//! Owns plain numbers in one block a worker thread, added to once a batch and summed when somebody asks.
//! Never a lock or a shared cache line on the way of a request; a name that is not in the command table has no
//! counter.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use commands::Command;
use parking_lot::Mutex;
use storage::Lookups;

use crate::histogram::{self, Histogram, Range};

/// Blocks of counters. More threads than this share some; two threads adding to one only lose a cache line.
pub(crate) const BLOCKS: usize = 16;

/// The most error codes counted by name; all of ours are fewer, the bound is against a mistake.
const ERROR_CODES_MAX: usize = 128;

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// One thread's counters.
        #[repr(align(128))] // two cache lines: the prefetcher takes them in pairs
        #[derive(Debug)]
        pub(crate) struct Block {
            $($(#[doc = $doc])+ pub(crate) $name: AtomicU64,)+
            commands: Box<[PerCommand]>,
        }

        /// All counters, summed at one moment.
        #[derive(Clone, Debug, Default)]
        pub(crate) struct Totals {
            $($(#[doc = $doc])+ pub(crate) $name: u64,)+
            /// By command, in the table's order.
            pub(crate) commands: Vec<CommandTotals>,
            /// Errors answered, by their code.
            pub(crate) errors: BTreeMap<String, u64>,
        }

        impl Block {
            fn new(commands: usize) -> Self {
                Block {
                    $($name: AtomicU64::new(0),)+
                    commands: (0..commands).map(|_| PerCommand::default()).collect(),
                }
            }
            fn reset(&self) {
                $(self.$name.store(0, Relaxed);)+
                self.commands.iter().for_each(PerCommand::reset);
            }
            fn add_to(&self, totals: &mut Totals) {
                $(totals.$name += self.$name.load(Relaxed);)+
                for (own, total) in self.commands.iter().zip(&mut totals.commands) {
                    own.add_to(total);
                }
            }
        }
    };
}

counters! {
    /// Commands run.
    commands_processed,
    /// Connections taken.
    connections_received,
    /// Connections refused because there were too many, or by protected mode.
    connections_rejected,
    /// Clients' TLS handshakes that were done.
    tls_handshakes,
    /// Clients' TLS handshakes that failed.
    tls_handshakes_failed,
    /// Bytes read from clients.
    input_bytes,
    /// Bytes written to clients.
    output_bytes,
    /// Reads from sockets.
    reads,
    /// Writes to sockets.
    writes,
    /// Error replies.
    error_replies,
    /// Keys looked up and found.
    keyspace_hits,
    /// Keys looked up and not found.
    keyspace_misses,
    /// Keys removed because their deadline was past.
    expired_keys,
    /// Keys removed because there was no room.
    evicted_keys,
    /// Hash fields removed because their deadline was past.
    expired_fields,
    /// Walks for expired keys that ended because they had taken their time.
    walks_cut_short,
    /// Nanoseconds of those walks.
    walk_nanos,
    /// Clients let go because too many bytes of their requests waited.
    query_limit_disconnections,
    /// Clients let go because all together took too much memory.
    evicted_clients,
    /// Clients let go because too much output waited for them.
    output_limit_disconnections,
    /// Requests run while holding the writer token.
    token_holds,
    /// Nanoseconds that requests waited for the writer token.
    token_wait_nanos,
    /// Batches that found the gate closed.
    gate_waits,
}

#[derive(Debug, Default)]
struct PerCommand {
    calls: AtomicU64,
    nanos: AtomicU64,
    rejected: AtomicU64,
    failed: AtomicU64,
    slow: AtomicU64,
    slow_micros: AtomicU64,
    slow_micros_most: AtomicU64,
    /// How long its requests took: made by the first, for most commands are never sent.
    times: OnceLock<Box<histogram::Counters>>,
}

/// What one command did.
#[derive(Clone, Debug, Default)]
pub(crate) struct CommandTotals {
    /// Times it ran.
    pub(crate) calls: u64,
    /// Nanoseconds it ran.
    pub(crate) nanos: u64,
    /// Times it was refused before it ran.
    pub(crate) rejected: u64,
    /// Times it ran and answered an error.
    pub(crate) failed: u64,
    /// Requests that the slow log was given.
    pub(crate) slow: u64,
    /// Microseconds of all of them.
    pub(crate) slow_micros: u64,
    /// Microseconds of the worst.
    pub(crate) slow_micros_most: u64,
}

impl PerCommand {
    fn reset(&self) {
        for counter in [
            &self.calls,
            &self.nanos,
            &self.rejected,
            &self.failed,
            &self.slow,
            &self.slow_micros,
            &self.slow_micros_most,
        ] {
            counter.store(0, Relaxed);
        }
        if let Some(times) = self.times.get() {
            times.reset();
        }
    }
    #[inline(always)]
    fn times(&self) -> &histogram::Counters {
        match self.times.get() {
            Some(times) => times,
            None => self.first_times(),
        }
    }
    #[cold]
    #[inline(never)]
    fn first_times(&self) -> &histogram::Counters {
        self.times.get_or_init(Box::default)
    }
    fn add_times_to(&self, sum: &mut Histogram) {
        if let Some(times) = self.times.get() {
            times.add_to(sum);
        }
    }
    fn add_to(&self, total: &mut CommandTotals) {
        total.calls += self.calls.load(Relaxed);
        total.nanos += self.nanos.load(Relaxed);
        total.rejected += self.rejected.load(Relaxed);
        total.failed += self.failed.load(Relaxed);
        total.slow += self.slow.load(Relaxed);
        total.slow_micros += self.slow_micros.load(Relaxed);
        total.slow_micros_most = total.slow_micros_most.max(self.slow_micros_most.load(Relaxed));
    }
}

/// All counters of a node.
#[derive(Debug)]
pub(crate) struct Stats {
    blocks: Vec<Block>,
    errors: Mutex<BTreeMap<String, u64>>,
}

/// Which block of any [`Stats`] the calling thread adds to.
#[inline]
pub(crate) fn block_of_thread() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static INDEX: Cell<Option<usize>> = const { Cell::new(None) };
    }
    INDEX.get().unwrap_or_else(|| {
        let index = THREADS.fetch_add(1, Relaxed) % BLOCKS;
        INDEX.set(Some(index));
        index
    })
}

impl Stats {
    pub(crate) fn new() -> Self {
        let commands = commands::table::COUNT;
        Stats { blocks: (0..BLOCKS).map(|_| Block::new(commands)).collect(), errors: Mutex::default() }
    }

    /// The calling thread's block.
    pub(crate) fn local(&self) -> &Block {
        self.blocks.get(block_of_thread()).expect("an index below the number of blocks")
    }

    /// Reads from sockets and writes to them, as counted in this block: by the threads that serve connections alone.
    pub(crate) fn socket_calls(&self, block: usize) -> (u64, u64) {
        self.blocks.get(block).map_or((0, 0), |block| (block.reads.load(Relaxed), block.writes.load(Relaxed)))
    }

    /// Counts an error reply with this line (without `-`), by its first word if that is a short one.
    pub(crate) fn error(&self, line: &[u8]) {
        /// As long as a code may be, with the blank behind it.
        const CODE_BYTES_MAX: usize = 31;
        add(&self.local().error_replies, 1);
        let blank = line.iter().take(CODE_BYTES_MAX).position(|byte| *byte == b' ');
        let code = blank.and_then(|blank| line.get(..blank)).unwrap_or(b"ERR");
        let Ok(code) = std::str::from_utf8(code) else { return };
        let mut errors = self.errors.lock();
        if let Some(count) = errors.get_mut(code) {
            *count += 1;
        } else if errors.len() < ERROR_CODES_MAX {
            errors.insert(code.to_owned(), 1);
        }
    }

    /// The sums, now.
    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals {
            commands: vec![CommandTotals::default(); commands::table::COUNT],
            errors: self.errors.lock().clone(),
            ..Totals::default()
        };
        self.blocks.iter().for_each(|block| block.add_to(&mut totals));
        totals
    }

    /// How long the requests of a command took, of those that were measured.
    pub(crate) fn times(&self, command: &'static Command) -> Histogram {
        let mut sum = Histogram::default();
        self.blocks.iter().filter_map(|block| block.per(command)).for_each(|per| per.add_times_to(&mut sum));
        sum
    }

    /// The sum of one counter, now.
    pub(crate) fn total(&self, counter: fn(&Block) -> &AtomicU64) -> u64 {
        self.blocks.iter().map(|block| counter(block).load(Relaxed)).sum()
    }

    /// CONFIG RESETSTAT
    pub(crate) fn reset(&self) {
        self.blocks.iter().for_each(Block::reset);
        self.errors.lock().clear();
    }
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Relaxed);
}

impl Block {
    /// Counts a run of `calls` requests of one command, `failed` of which answered errors; each took as long as `range`
    /// says, where that is to be counted.
    #[inline]
    pub(crate) fn ran(
        &self,
        command: &'static Command,
        calls: u64,
        failed: u64,
        nanos: u64,
        range: Option<Range>,
    ) {
        if let Some(per) = self.per(command) {
            add(&per.calls, calls);
            add(&per.nanos, nanos);
            if failed > 0 {
                add(&per.failed, failed);
            }
            if let Some(range) = range {
                per.times().add(range, calls);
            }
        }
    }

    /// Counts requests of any command.
    pub(crate) fn processed(&self, calls: u64) {
        add(&self.commands_processed, calls);
    }

    /// Counts how long `calls` requests of one command took, each as long as `range` says.
    pub(crate) fn timed(&self, command: &'static Command, range: Range, calls: u64) {
        if let Some(per) = self.per(command) {
            per.times().add(range, calls);
        }
    }

    /// Counts the keys that were looked up.
    pub(crate) fn looked_up(&self, lookups: &Lookups) {
        for (counter, count) in
            [(&self.keyspace_hits, lookups.hits()), (&self.keyspace_misses, lookups.misses())]
        {
            if count > 0 {
                add(counter, count);
            }
        }
    }

    /// Counts a request that was refused before it ran.
    pub(crate) fn rejected(&self, command: &'static Command) {
        if let Some(per) = self.per(command) {
            add(&per.rejected, 1);
        }
    }

    /// Counts a request that the slow log was given.
    pub(crate) fn slow(&self, command: &'static Command, micros: u64) {
        if let Some(per) = self.per(command) {
            add(&per.slow, 1);
            add(&per.slow_micros, micros);
            per.slow_micros_most.fetch_max(micros, Relaxed);
        }
    }

    fn per(&self, command: &'static Command) -> Option<&PerCommand> {
        self.commands.get(usize::from(command.id()))
    }
}
