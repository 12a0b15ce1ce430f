//! CLIENT PAUSE: requests that wait until an operator lets them go on.
//!
//! Owns until when, and which. Never stops what the master sends, nor what is sent to clients unasked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Acquire, Ordering::Release};
use std::time::{Duration, Instant};

use commands::{Command, Flags};
use tokio::sync::watch;

use crate::batch::Wait;
use crate::clock;
use crate::transaction::Transaction;

/// Which requests wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Paused {
    /// None.
    #[default]
    Nothing,
    /// Those that may change data.
    Writes,
    /// All.
    Everything,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Pause {
    /// The same as in `state`, for a quick look.
    paused: AtomicU8,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    paused: Paused,
    until: Option<Instant>,
}

impl State {
    /// As of `now`.
    fn at(self, now: Instant) -> Paused {
        if self.until.is_some_and(|until| now < until) { self.paused } else { Paused::Nothing }
    }
}

impl Default for Pause {
    fn default() -> Self {
        Pause { paused: AtomicU8::new(0), state: watch::Sender::default() }
    }
}

impl Pause {
    /// Begins a pause, or makes one that is under way longer and stricter: never shorter, as in Redis.
    pub(crate) fn begin(&self, paused: Paused, until: Instant) {
        self.state.send_modify(|state| {
            let before = state.at(clock::steady());
            *state = State { paused: before.max(paused), until: state.until.max(Some(until)) };
            self.paused.store(state.paused as u8, Release);
        });
    }

    /// Ends it.
    pub(crate) fn end(&self) {
        self.state.send_modify(|state| {
            *state = State::default();
            self.paused.store(0, Release);
        });
    }

    /// What is paused at `now`.
    #[inline]
    pub(crate) fn at(&self, now: Instant) -> Paused {
        if self.paused.load(Acquire) == 0 { Paused::Nothing } else { self.look(now) }
    }

    /// What is paused, and for how much longer: for an operator.
    pub(crate) fn told(&self, now: Instant) -> (Paused, Duration) {
        let paused = self.at(now);
        let until = self.state.borrow().until.filter(|_| paused != Paused::Nothing);
        (paused, until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now)))
    }

    #[cold]
    fn look(&self, now: Instant) -> Paused {
        let state = *self.state.borrow();
        let paused = state.at(now);
        if paused == Paused::Nothing {
            // It is over, and nobody has said so yet; unless another began meanwhile.
            self.state.send_if_modified(|state| {
                let is_over = state.at(now) == Paused::Nothing && state.paused != Paused::Nothing;
                if is_over {
                    *state = State::default();
                    self.paused.store(0, Release);
                }
                is_over
            });
        }
        paused
    }

    /// Done when what is paused may have changed.
    pub(crate) fn over(self: &Arc<Self>) -> Wait {
        let mut changes = self.state.subscribe();
        let state = *changes.borrow_and_update();
        Wait::new(async move {
            match state.until {
                None => {}
                Some(until) => {
                    let changed = changes.changed();
                    // Whether its time passes, or something changes it (or the node ends), it is looked at again.
                    let _ = tokio::time::timeout_at(until.into(), changed).await;
                }
            }
        })
    }
}

/// Whether such a request waits; `queued` is what EXEC would run.
pub(crate) fn concerns(paused: Paused, command: &Command, queued: Option<&Transaction>) -> bool {
    match paused {
        Paused::Nothing => false,
        Paused::Writes => {
            may_change(command)
                || queued.is_some_and(|queued| queued.queue().iter().any(|(command, _)| may_change(command)))
        }
        Paused::Everything => true,
    }
}

/// Whether replicas may have to hear of it.
fn may_change(command: &Command) -> bool {
    command.flags.intersects(Flags::WRITE | Flags::MAY_REPLICATE) || command.applied_by().is_some()
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    #[tokio::test]
    async fn a_pause_grows_and_ends() {
        let pause = Arc::new(Pause::default());
        let now = clock::steady();
        let long = now + Duration::from_secs(1000);
        assert_eq!(pause.at(now), Paused::Nothing);
        pause.begin(Paused::Writes, long);
        assert_eq!(pause.at(now), Paused::Writes);
        pause.begin(Paused::Everything, now + Duration::from_secs(1));
        pause.begin(Paused::Writes, now + Duration::from_secs(1));
        assert_eq!(pause.at(long - Duration::from_secs(1)), Paused::Everything, "longest and strictest");
        assert_eq!(pause.told(now), (Paused::Everything, Duration::from_secs(1000)));
        let mut over = pause.over();
        pause.end();
        std::future::poll_fn(|context| if over.is_over(context) { Poll::Ready(()) } else { Poll::Pending })
            .await;
        assert_eq!(pause.at(now), Paused::Nothing);
    }

    #[test]
    fn a_pause_whose_time_is_past_is_none() {
        let pause = Pause::default();
        let now = clock::steady();
        pause.begin(Paused::Everything, now + Duration::from_secs(5));
        assert_eq!(pause.at(now + Duration::from_secs(5)), Paused::Nothing);
        assert_eq!(pause.told(now), (Paused::Nothing, Duration::ZERO));
        pause.begin(Paused::Writes, now + Duration::from_secs(9));
        assert_eq!(pause.at(now + Duration::from_secs(6)), Paused::Writes, "what was over counts no more");
    }
}
