//! LATENCY: what held up clients for longer than they are to be, by kind.
//!
//! Owns the samples and their bound. Never measures: who measures says how long it was, and `settings` what is long.

use parking_lot::Mutex;

/// Samples of an event that are kept, as in Redis.
const SAMPLES_MAX: usize = 160;

/// What may hold up clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A request.
    Command,
    /// One that should not, or others of its run.
    FastCommand,
    /// The walk that removes expired keys, on a node that follows nobody.
    ExpireCycle,
    /// The search for keys that have to go, there too.
    EvictionCycle,
}

impl Event {
    /// All of them, in the order of their discriminants.
    pub(crate) const ALL: [Event; 4] =
        [Event::Command, Event::FastCommand, Event::ExpireCycle, Event::EvictionCycle];

    /// Redis' name for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Event::Command => "command",
            Event::FastCommand => "fast-command",
            Event::ExpireCycle => "expire-cycle",
            Event::EvictionCycle => "eviction-cycle",
        }
    }

    /// The event of this name, in any case.
    pub(crate) fn named(name: &[u8]) -> Option<Event> {
        Event::ALL.into_iter().find(|event| name.eq_ignore_ascii_case(event.name().as_bytes()))
    }
}

/// The worst of one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Seconds since the epoch.
    pub(crate) at: i64,
    /// How long it was.
    pub(crate) millis: u64,
}

/// The samples of one event, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series {
    /// The latest of them.
    pub(crate) samples: Vec<Sample>,
    /// The worst ever.
    pub(crate) worst: u64,
}

/// Those of all events.
#[derive(Debug, Default)]
pub(crate) struct Latency([Mutex<Series>; Event::ALL.len()]);

impl Latency {
    /// Adds what happened in this second.
    pub(crate) fn add(&self, event: Event, at: i64, millis: u64) {
        let Some(series) = self.0.get(event as usize) else { return };
        let mut series = series.lock();
        series.worst = series.worst.max(millis);
        match series.samples.last_mut().filter(|last| last.at == at) {
            Some(last) => last.millis = last.millis.max(millis),
            None => {
                if series.samples.len() == SAMPLES_MAX {
                    series.samples.remove(0);
                }
                series.samples.push(Sample { at, millis });
            }
        }
    }

    /// The samples of an event; there may be none.
    pub(crate) fn of(&self, event: Event) -> Series {
        self.0.get(event as usize).map(|series| series.lock().clone()).unwrap_or_default()
    }

    /// Forgets the samples of an event; false when there were none.
    pub(crate) fn reset(&self, event: Event) -> bool {
        let before = self.0.get(event as usize).map(|series| std::mem::take(&mut *series.lock()));
        before.is_some_and(|series| !series.samples.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_one_sample_and_the_oldest_go() {
        let latency = Latency::default();
        for (at, millis) in [(7, 3), (7, 9), (7, 5), (8, 1)] {
            latency.add(Event::ExpireCycle, at, millis);
        }
        let series = latency.of(Event::ExpireCycle);
        assert_eq!(series.samples, [Sample { at: 7, millis: 9 }, Sample { at: 8, millis: 1 }]);
        assert_eq!(series.worst, 9);
        (100..400).for_each(|at| latency.add(Event::ExpireCycle, at, 2));
        let series = latency.of(Event::ExpireCycle);
        assert_eq!((series.samples.len(), series.samples[0].at, series.worst), (SAMPLES_MAX, 240, 9));
        assert!(latency.of(Event::Command).samples.is_empty());
        assert!(latency.reset(Event::ExpireCycle) && !latency.reset(Event::ExpireCycle));
    }

    #[test]
    fn events_stand_at_their_places() {
        for (place, event) in Event::ALL.into_iter().enumerate() {
            assert_eq!(event as usize, place);
            assert_eq!(Event::named(event.name().to_uppercase().as_bytes()), Some(event));
        }
        assert_eq!(Event::named(b"nosuch"), None);
    }
}
