//! What happens once in a while: rates, peaks, the store's clock, idle clients.
//!
//! Owns the samples that INFO's `instantaneous_*` fields are made of. Never anything that a request waits for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use storage::DbIndex;
use tokio::time::MissedTickBehavior;

use crate::client_memory;
use crate::clock;
use crate::expiry::Walk;
use crate::memory;
use crate::node::Node;
use crate::outbox::Mark;
use crate::save;

/// How often.
const PERIOD: Duration = Duration::from_millis(100);
/// Rounds between two looks at the clients.
const ROUNDS_PER_SECOND: u64 = 10;

/// Rates and peaks.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    operations: Rate,
    input: Rate,
    output: Rate,
    link_input: Rate,
    link_output: Rate,
    /// The most memory that was in use at a look, and when: seconds since the epoch.
    memory_peak: AtomicU64,
    memory_peak_at: AtomicI64,
    /// How long keys with a deadline still live on average, by database, in milliseconds.
    average_ttls: Mutex<BTreeMap<u32, u64>>,
}

/// Something counted, as a rate: an average over about 1.6 seconds, so that a look between two bursts is no zero.
#[derive(Debug, Default)]
struct Rate {
    last: AtomicU64,
    /// Events a second, times 1000.
    average: AtomicU64,
}

impl Rate {
    fn sample(&self, total: u64, elapsed: Duration) {
        let new = total.saturating_sub(self.last.swap(total, Relaxed));
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = new.saturating_mul(1_000_000) / millis;
        let average = self.average.load(Relaxed);
        self.average.store(average - average / 16 + rate / 16, Relaxed);
    }
    fn reset(&self) {
        self.average.store(0, Relaxed);
    }
    fn per_second(&self) -> f64 {
        self.average.load(Relaxed) as f64 / 1000.0
    }
}

impl Samples {
    /// CONFIG RESETSTAT: the rates. The peak stays, as in Redis.
    pub(crate) fn reset(&self) {
        for rate in [&self.operations, &self.input, &self.output, &self.link_input, &self.link_output] {
            rate.reset();
        }
    }
    /// Commands a second.
    pub(crate) fn operations_per_second(&self) -> f64 {
        self.operations.per_second()
    }
    /// KiB a second from clients.
    pub(crate) fn input_kib_per_second(&self) -> f64 {
        self.input.per_second() / 1024.0
    }
    /// KiB a second to clients.
    pub(crate) fn output_kib_per_second(&self) -> f64 {
        self.output.per_second() / 1024.0
    }
    /// KiB a second from the master, and to it.
    pub(crate) fn link_kib_per_second(&self) -> (f64, f64) {
        (self.link_input.per_second() / 1024.0, self.link_output.per_second() / 1024.0)
    }
    /// Notes how long keys of a database still live, as the walk for expired ones has seen it.
    pub(crate) fn has_average_ttl(&self, db: DbIndex, millis: u64) {
        let mut all = self.average_ttls.lock();
        if millis == 0 {
            all.remove(&db.0);
        } else {
            all.insert(db.0, millis);
        }
    }
    /// How long that was at the last walk; 0 on a replica, where nobody walks.
    pub(crate) fn average_ttl(&self, db: DbIndex) -> u64 {
        self.average_ttls.lock().get(&db.0).copied().unwrap_or_default()
    }
    /// The most memory seen in use, `now` included.
    pub(crate) fn memory_peak(&self, now: u64) -> u64 {
        let before = self.memory_peak.fetch_max(now, Relaxed);
        if now > before {
            self.memory_peak_at.store(clock::unix_millis().0 / 1000, Relaxed);
        }
        before.max(now)
    }
    /// When that was: seconds since the epoch.
    pub(crate) fn memory_peak_at(&self) -> i64 {
        self.memory_peak_at.load(Relaxed)
    }
}

/// Runs until dropped.
pub(crate) async fn run(node: Arc<Node>) {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = clock::steady();
    let mut round = 0u64;
    let mut walk = Walk::default();
    loop {
        ticks.tick().await;
        let now = clock::steady();
        let elapsed = now.saturating_duration_since(last);
        last = now;
        let samples = &node.samples;
        let of_clients = node.stats.total(|block| &block.commands_processed);
        samples.operations.sample(of_clients + node.upstream.requests(), elapsed);
        samples.input.sample(node.stats.total(|block| &block.input_bytes), elapsed);
        samples.output.sample(node.stats.total(|block| &block.output_bytes), elapsed);
        let (link_input, link_output) = node.upstream.traffic();
        samples.link_input.sample(link_input, elapsed);
        samples.link_output.sample(link_output, elapsed);
        client_memory::look(&node);
        if node.hot_keys.stop_when_over(now) {
            node.renew_measuring();
        }
        // So that its number is of the time when it came.
        drop(node.link_client(now));
        node.store.tick(clock::unix_millis());
        if round.is_multiple_of(ROUNDS_PER_SECOND) {
            samples.memory_peak(memory::look().used);
            let_idle_go(&node);
            node.hub.look_at_slow(now);
            save::look(&node, now);
        }
        if node.upstream.is_writable() {
            node.eviction.look_soon();
            let own = Arc::clone(&node);
            let round = move || {
                own.blocking.serve_due(&own);
                walk.round(&own)
            };
            // A panic inside ends the walk for this round; the next begins anew.
            walk = tokio::task::spawn_blocking(round).await.unwrap_or_default();
        }
        round += 1;
    }
}

/// Ends the clients that have been silent for longer than `timeout`.
fn let_idle_go(node: &Node) {
    let timeout = node.settings.read().timeout;
    if timeout == 0 {
        return;
    }
    let now = clock::steady();
    for client in node.clients.list() {
        // Who waits for messages, for a key, or for what others ask, has nothing to say.
        let waits =
            client.is_subscriber() || client.blocked.load(Relaxed) || client.marks().contains(Mark::MONITOR);
        if client.idle_seconds(now) > timeout && !waits {
            tracing::debug!(client = %client.addr, "an idle client is let go");
            client.end();
        }
    }
}
