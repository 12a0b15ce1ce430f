//! CLIENT PAUSE: requests that wait until an operator lets them go on.
//!
//! At the end of the node they wait for good.
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
    /// What clients have asked for, and until when.
    asked: Paused,
    until: Option<Instant>,
    /// The node ends: whoever writes waits for that, whatever clients ask for.
    ends: bool,
}

impl State {
    /// As of `now`.
    fn at(self, now: Instant) -> Paused {
        let asked = if self.until.is_some_and(|until| now < until) { self.asked } else { Paused::Nothing };
        if self.ends { asked.max(Paused::Writes) } else { asked }
    }
}

/// What is paused, for an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) paused: Paused,
    /// For how much longer clients have asked for that.
    pub(crate) left: Duration,
    /// It is paused for the node's end.
    pub(crate) ends: bool,
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
            state.asked = before.max(paused);
            state.until = state.until.max(Some(until));
            self.paused.store(state.asked as u8, Release);
        });
    }

    /// Ends what clients have asked for.
    pub(crate) fn end(&self) {
        self.state.send_modify(|state| self.forget_asked(state));
    }

    /// The node ends: nobody writes any more, and nothing goes by itself.
    pub(crate) fn begin_last(&self) {
        self.state.send_modify(|state| {
            state.ends = true;
            self.paused.store(state.asked.max(Paused::Writes) as u8, Release);
        });
    }

    fn forget_asked(&self, state: &mut State) {
        *state = State { ends: state.ends, ..State::default() };
        self.paused.store(if state.ends { Paused::Writes } else { Paused::Nothing } as u8, Release);
    }

    /// What is paused at `now`.
    #[inline]
    pub(crate) fn at(&self, now: Instant) -> Paused {
        if self.paused.load(Acquire) == 0 { Paused::Nothing } else { self.look(now) }
    }

    /// What is paused, and for how much longer: for an operator.
    pub(crate) fn told(&self, now: Instant) -> Told {
        let paused = self.at(now);
        let State { until, ends, .. } = *self.state.borrow();
        let left = until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        Told { paused, left, ends }
    }

    #[cold]
    fn look(&self, now: Instant) -> Paused {
        let state = *self.state.borrow();
        let paused = state.at(now);
        if paused == Paused::Nothing {
            // It is over, and nobody has said so yet; unless another began meanwhile.
            self.state.send_if_modified(|state| {
                let is_over = state.at(now) == Paused::Nothing && state.asked != Paused::Nothing;
                if is_over {
                    self.forget_asked(state);
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
            // Whether its time passes, or something changes it (or the node is gone), it is looked at again.
            match state.until.filter(|until| clock::steady() < *until) {
                Some(until) => {
                    let _ = tokio::time::timeout_at(until.into(), changes.changed()).await;
                }
                None if state.ends => {
                    let _ = changes.changed().await;
                }
                None => {}
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
        let left = Duration::from_secs(1000);
        assert_eq!(pause.told(now), Told { paused: Paused::Everything, left, ends: false });
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
        assert_eq!(pause.told(now).paused, Paused::Nothing);
        pause.begin(Paused::Writes, now + Duration::from_secs(9));
        assert_eq!(pause.at(now + Duration::from_secs(6)), Paused::Writes, "what was over counts no more");
    }

    #[tokio::test]
    async fn the_last_pause_is_ended_by_nobody() {
        let pause = Arc::new(Pause::default());
        let (now, second) = (clock::steady(), Duration::from_secs(1));
        let is_over =
            |wait: &mut Wait| wait.is_over(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        pause.begin(Paused::Everything, now + 1000 * second);
        let mut over = pause.over();
        pause.begin_last();
        assert!(is_over(&mut over), "who waits looks again");
        assert_eq!(pause.at(now), Paused::Everything);
        assert_eq!(pause.at(now + 1000 * second), Paused::Writes);
        pause.end();
        assert_eq!(pause.told(now), Told { paused: Paused::Writes, left: Duration::ZERO, ends: true });
        assert!(!is_over(&mut pause.over()), "and does not look all the time");
        pause.begin(Paused::Writes, now + second);
        assert_eq!(pause.at(now + 2 * second), Paused::Writes);
    }
}
