//! How often each command of the stream was applied, and how long that took.
//!
//! Owns the counters. One thread adds to them, a lap at a time; any may look. Never asks what time it is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use commands::{Command, table};

/// See the module.
#[derive(Debug)]
pub struct Tally {
    /// By command, in the table's order.
    commands: Box<[Counters]>,
    /// Requests that the table has not.
    others: AtomicU64,
}

#[derive(Debug, Default)]
struct Counters {
    calls: AtomicU64,
    nanos: AtomicU64,
    failed: AtomicU64,
}

/// What one command did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Times it came.
    pub calls: u64,
    /// Its share of the time that it and those beside it took, in nanoseconds.
    pub nanos: u64,
    /// Times it was passed over, having failed.
    pub failed: u64,
}

impl Count {
    /// What came to it since `before`.
    #[must_use]
    pub fn since(self, before: Count) -> Count {
        Count {
            calls: self.calls.saturating_sub(before.calls),
            nanos: self.nanos.saturating_sub(before.nanos),
            failed: self.failed.saturating_sub(before.failed),
        }
    }
}

impl Default for Tally {
    fn default() -> Self {
        Tally {
            commands: (0..table::COUNT).map(|_| Counters::default()).collect(),
            others: AtomicU64::new(0),
        }
    }
}

/// Nobody else writes: no locked instruction is needed.
fn add(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}

impl Tally {
    /// These requests ran one behind the other and took so long together: each is given as much of it. (A look at the
    /// clock for each would cost a tenth of what applying it does.)
    pub(crate) fn ran(
        &self,
        commands: impl ExactSizeIterator<Item = Option<&'static Command>>,
        time: Duration,
    ) {
        let number = commands.len() as u64;
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let Some(share) = nanos.checked_div(number) else { return };
        for command in commands {
            match command.and_then(|command| self.commands.get(usize::from(command.id()))) {
                Some(counters) => {
                    add(&counters.calls, 1);
                    add(&counters.nanos, share);
                }
                None => add(&self.others, 1),
            }
        }
    }

    /// One of them was passed over.
    pub(crate) fn failed(&self, command: Option<&'static Command>) {
        if let Some(counters) = command.and_then(|command| self.commands.get(usize::from(command.id()))) {
            add(&counters.failed, 1);
        }
    }

    /// What each command did, in the table's order.
    pub fn look(&self) -> Vec<Count> {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counts = self.commands.iter().map(|counters| Count {
            calls: load(&counters.calls),
            nanos: load(&counters.nanos),
            failed: load(&counters.failed),
        });
        counts.collect()
    }

    /// How many requests there were, with those that the table has not: REPLCONF alone, as a rule.
    pub fn requests(&self) -> u64 {
        let calls = self.commands.iter().map(|counters| counters.calls.load(Ordering::Relaxed));
        calls.sum::<u64>() + self.others.load(Ordering::Relaxed)
    }

    /// The commands that were applied to data at all, and how often: without what only says how the stream goes on.
    pub fn applied(&self) -> impl Iterator<Item = (&'static Command, u64)> {
        let calls = self.commands.iter().map(|counters| counters.calls.load(Ordering::Relaxed));
        table::COMMANDS.iter().zip(calls).filter(|(command, calls)| *calls > 0 && changes_data(command))
    }
}

fn changes_data(command: &Command) -> bool {
    use commands::{Run, ServerCommand as S};
    command.applied_by().is_some() || matches!(command.run, Run::Server(S::Eval | S::Evalsha))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lap_is_shared_out() {
        let named = |name: &str| table::COMMANDS.iter().find(|command| command.name == name);
        let tally = Tally::default();
        let of = |name: &str| tally.look()[usize::from(named(name).unwrap().id())];
        tally.ran([named("set"), named("ping"), None, named("set")].into_iter(), Duration::from_nanos(403));
        assert_eq!(of("set"), Count { calls: 2, nanos: 200, failed: 0 });
        assert_eq!((of("ping").calls, tally.requests()), (1, 4));
        let before = of("set");
        tally.ran([named("set")].into_iter(), Duration::from_nanos(7));
        tally.failed(named("set"));
        tally.ran([].into_iter(), Duration::from_nanos(7));
        assert_eq!(of("set").since(before), Count { calls: 1, nanos: 7, failed: 1 });
        let applied: Vec<_> = tally.applied().map(|(command, calls)| (command.name, calls)).collect();
        assert_eq!(applied, [("set", 3)]);
    }
}
