//! The link to the master, as a value.
//!
//! Every event (a connection made or lost, bytes, a moment, a data set loaded) takes the link and gives the next
//! one with what is to be done, in order. Bytes are counted here and go to the spool uninterpreted; what they mean
//! is found out behind it.
//!
//! Owns the state and everything that follows from it: what is sent, when a master counts as gone, when it is
//! tried again. Never does IO, never waits, never asks what time it is.

use std::fmt;
use std::ops::Range;
use std::time::{Duration, Instant};

use storage::DbIndex;

use crate::backoff::Backoff;
use crate::error::{ErrorCode, LinkError};
use crate::handshake::{self, Answered, Handshake, Introduction, take_line};
use crate::position::{Position, ReplId};
use crate::transfer::Transfer;

/// How often the master hears from us: an ACK while streaming, an empty line while loading.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);
/// What keeps the master from hanging up while we load. With the CR: masters up to 3.2 take two bytes off their buffer
/// for the end of any line, and a bare LF would cost the request behind it its first byte.
const EMPTY_LINE: &[u8] = b"\r\n";
/// How soon after a diskless transfer the first ACK is said again, until the stream flows: a master that has not yet
/// noticed that it sent everything passes over those that come before, and it looks ten times a second, as a rule.
const ACK_AGAIN: Duration = Duration::from_millis(100);
/// For how long: a master at `hz 1` has looked by then, and one with nothing to say is not asked for ever.
const ASKED_FOR: Duration = Duration::from_secs(2);
/// A stream that was followed this long was no accident: the next failure counts as the first.
const STEADY: Duration = Duration::from_secs(10);

/// What the driver is to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Resolve the master's name and connect; then tell [`Link::connected`] or [`Link::closed`].
    Connect,
    /// Send these bytes.
    Send(Vec<u8>),
    /// Append this to the spool.
    Spool(Spooled),
    /// Log this and show it: why the link ended.
    Report(LinkError),
    /// Drop the connection. [`Link::closed`] need not be told.
    Disconnect,
}

/// What goes into the spool. Ranges are of the input just given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spooled {
    /// A snapshot begins. It brings the data set to `target` (whose database the snapshot itself will name).
    SnapshotBegin {
        /// Where the new data set stands once it is whole.
        target: Position,
        /// Its length, where the master said it.
        size: Option<u64>,
    },
    /// Bytes of the snapshot that had been held back.
    Held(Vec<u8>),
    /// Bytes of the snapshot.
    Snapshot(Range<usize>),
    /// The snapshot is whole; the stream follows.
    SnapshotEnd,
    /// The stream goes on from the applied position, under this name if it has changed.
    Continue(Option<ReplId>),
    /// Bytes of the stream.
    Stream(Range<usize>),
    /// The connection is gone. A snapshot without its end and a request without its end are void.
    Cut,
}

/// What the driver knows and the link does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// The position applied, when it is of a history that a master may know.
    pub applied: Option<Position>,
    /// Nothing that was received is still to be loaded or applied.
    pub drained: bool,
    /// The socket is read from; `false` while the spool is full, when silence is our own fault.
    pub reading: bool,
}

/// What a failure behind the spool means for the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Try again from where the data set stands.
    Retry,
    /// Ask for everything.
    FullSync,
    /// Stay away until told otherwise.
    Stop,
}

/// What the link is made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkConfig {
    /// What we say about ourselves.
    pub introduction: Introduction,
    /// A master silent for this long is gone (`repl-timeout`).
    pub timeout: Duration,
    /// Spreads the moments of new tries.
    pub seed: u64,
}

/// A link to one master, from the first try on, over any number of connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    config: LinkConfig,
    state: State,
    backoff: Backoff,
    /// When the master was heard last, or asked first.
    heard: Instant,
    /// When it last heard from us.
    spoke: Instant,
    /// Until when it is asked, time and again, to let its stream flow: from a diskless transfer on to the first byte.
    asks_until: Option<Instant>,
    /// The next PSYNC asks for everything, whatever position there is.
    wants_all: bool,
    /// Since when and from which offset this connection has brought a stream.
    streaming_since: Option<(Instant, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Waiting {
        until: Instant,
    },
    Connecting,
    Handshake {
        handshake: Handshake,
        resume: Option<Position>,
    },
    Announced {
        target: Position,
        line: Vec<u8>,
    },
    Snapshot {
        target: Position,
        transfer: Transfer,
        received: u64,
        size: Option<u64>,
    },
    /// `at` is the offset received. `on_ack`: the master lets its stream flow once it hears an ACK.
    Loading {
        at: u64,
        on_ack: bool,
    },
    Streaming {
        at: u64,
    },
    Stopped,
}

/// Where a link stands, in the words of INFO's `nearside_link_state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkState {
    /// The host name is being resolved, the connection made.
    Connecting,
    /// Introducing ourselves.
    Handshake,
    /// The master will send a snapshot and is making it.
    WaitingRdb,
    /// The snapshot arrives.
    Receiving,
    /// The snapshot is here whole; the new data set is being built from it.
    Loading,
    /// Following the stream.
    Streaming,
    /// No connection; a new one is tried in a moment.
    WaitingRetry,
    /// No connection, and none is tried: a master ourselves, or held by `--on-divergence`.
    Stopped,
}

impl LinkState {
    /// All of them.
    pub const ALL: &'static [LinkState] = &[
        LinkState::Connecting,
        LinkState::Handshake,
        LinkState::WaitingRdb,
        LinkState::Receiving,
        LinkState::Loading,
        LinkState::Streaming,
        LinkState::WaitingRetry,
        LinkState::Stopped,
    ];

    /// Its name in INFO.
    pub fn name(self) -> &'static str {
        match self {
            LinkState::Connecting => "connecting",
            LinkState::Handshake => "handshake",
            LinkState::WaitingRdb => "waiting_rdb",
            LinkState::Receiving => "receiving",
            LinkState::Loading => "loading",
            LinkState::Streaming => "streaming",
            LinkState::WaitingRetry => "waiting_retry",
            LinkState::Stopped => "stopped",
        }
    }
}

impl fmt::Display for LinkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How much of a snapshot has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Bytes here.
    pub bytes: u64,
    /// Bytes in all, where the master said it.
    pub size: Option<u64>,
}

/// The next link, and what to do now.
pub type Next = (Link, Vec<Action>);

impl Link {
    /// A link that connects at the first [`Link::tick`].
    pub fn new(config: LinkConfig, now: Instant) -> Self {
        let backoff = Backoff::new(config.seed);
        Link {
            config,
            state: State::Waiting { until: now },
            backoff,
            heard: now,
            spoke: now,
            asks_until: None,
            wants_all: false,
            streaming_since: None,
        }
    }

    /// The same, saying something else of ourselves at the next connection.
    pub fn introduced_as(mut self, introduction: Introduction) -> Self {
        self.config.introduction = introduction;
        self
    }

    /// The same, waiting so long for a silent master from now on.
    pub fn patient_for(mut self, timeout: Duration) -> Self {
        self.config.timeout = timeout;
        self
    }

    /// The same, connecting at the next [`Link::tick`] if it waited for a better moment, or had stopped.
    pub fn hurried(mut self, now: Instant) -> Self {
        if matches!(self.state, State::Waiting { .. } | State::Stopped) {
            self.state = State::Waiting { until: now };
        }
        self
    }

    /// Where it stands.
    pub fn state(&self) -> LinkState {
        match &self.state {
            State::Waiting { .. } => LinkState::WaitingRetry,
            State::Connecting => LinkState::Connecting,
            State::Handshake { handshake, .. } if handshake.is_put_off() => LinkState::WaitingRdb,
            State::Handshake { .. } => LinkState::Handshake,
            State::Announced { .. } => LinkState::WaitingRdb,
            State::Snapshot { .. } => LinkState::Receiving,
            State::Loading { .. } => LinkState::Loading,
            State::Streaming { .. } => LinkState::Streaming,
            State::Stopped => LinkState::Stopped,
        }
    }

    /// The offset of the last byte of the stream received, while there is one.
    pub fn received(&self) -> Option<u64> {
        match self.state {
            State::Loading { at, .. } | State::Streaming { at } => Some(at),
            _ => None,
        }
    }

    /// How much of the snapshot has arrived, while one does.
    pub fn snapshot(&self) -> Option<Received> {
        match self.state {
            State::Snapshot { received, size, .. } => Some(Received { bytes: received, size }),
            _ => None,
        }
    }

    /// When the master was heard last, while connected.
    pub fn heard(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { .. } | State::Connecting | State::Stopped => None,
            _ => Some(self.heard),
        }
    }

    /// When [`Link::tick`] has something to do next.
    pub fn wakes(&self) -> Option<Instant> {
        let silence = self.heard + self.config.timeout;
        match self.state {
            State::Stopped => None,
            State::Waiting { until } => Some(until),
            // Who connects says when that takes too long.
            State::Connecting => None,
            State::Handshake { .. } | State::Announced { .. } | State::Snapshot { .. } => Some(silence),
            State::Loading { .. } | State::Streaming { .. } => Some(silence.min(self.speaks())),
        }
    }

    /// When the master is to hear from us next.
    fn speaks(&self) -> Instant {
        let asks = self.asks_until.is_some_and(|until| self.spoke < until);
        self.spoke + if asks { ACK_AGAIN } else { SIGN_OF_LIFE }
    }

    /// The connection stands. `resume` is where the data set is.
    pub fn connected(mut self, resume: Option<Position>, now: Instant) -> Next {
        if self.state != State::Connecting {
            return (self, Vec::new());
        }
        self.heard = now;
        self.asks_until = None;
        let resume = resume.filter(|_| !self.wants_all);
        let (handshake, first) = Handshake::begin(resume);
        self.state = State::Handshake { handshake, resume };
        (self, vec![Action::Send(first)])
    }

    /// Bytes of the master.
    pub fn receive(mut self, input: &[u8], now: Instant) -> Next {
        self.heard = now;
        let mut actions = Vec::new();
        let mut from = 0;
        while from < input.len() {
            match self.take(input, from, now, &mut actions) {
                Ok(next) => from = next,
                Err(error) => {
                    self.fail(error, now, &mut actions);
                    break;
                }
            }
        }
        (self, actions)
    }

    /// The connection could not be made, or is gone, for this reason.
    pub fn closed(mut self, reason: LinkError, now: Instant) -> Next {
        let mut actions = Vec::new();
        let reason = match &self.state {
            State::Snapshot { received, size, .. } => LinkError::new(
                ErrorCode::Truncated,
                match size {
                    Some(size) => format!("the snapshot ended after {received} of {size} bytes: {reason}"),
                    None => format!("the snapshot ended without its mark after {received} bytes: {reason}"),
                },
            ),
            State::Announced { .. } => {
                LinkError::new(ErrorCode::Truncated, format!("the announced snapshot did not come: {reason}"))
            }
            _ => reason,
        };
        self.fail(reason, now, &mut actions);
        (self, actions)
    }

    /// Time has passed, or what the driver knows has changed.
    pub fn tick(mut self, view: View, now: Instant) -> Next {
        let mut actions = Vec::new();
        if !view.reading {
            self.heard = now;
        }
        let silent = now.saturating_duration_since(self.heard) >= self.config.timeout;
        let quiet = self.speaks() <= now;
        match &self.state {
            State::Stopped => {}
            // What was received is applied first: the next connection asks for what follows it.
            State::Waiting { until } if *until <= now && view.drained => {
                self.heard = now;
                self.state = State::Connecting;
                actions.push(Action::Connect);
            }
            State::Waiting { .. } | State::Connecting => {}
            _ if silent => {
                let seconds = self.config.timeout.as_secs();
                let error =
                    LinkError::new(ErrorCode::Timeout, format!("no byte from the master for {seconds} s"));
                self.fail(error, now, &mut actions);
            }
            // Without it the master hangs up after its own repl-timeout. And whether it has heard the ACK that it
            // waits for, nobody can tell.
            State::Loading { on_ack: true, .. } if quiet => actions.push(self.ack(0, now)),
            State::Loading { on_ack: false, .. } if quiet => {
                self.spoke = now;
                actions.push(Action::Send(EMPTY_LINE.to_vec()));
            }
            State::Streaming { .. } if quiet => {
                if let Some(applied) = view.applied {
                    actions.push(self.ack(applied.offset, now));
                }
            }
            _ => {}
        }
        (self, actions)
    }

    /// The snapshot is loaded and swapped in; this offset is applied.
    pub fn loaded(mut self, applied: u64, now: Instant) -> Next {
        self.wants_all = false;
        let mut actions = Vec::new();
        if let State::Loading { at, .. } = self.state {
            self.state = State::Streaming { at };
            self.streaming_since = Some((now, at));
            actions.push(self.ack(applied, now));
        }
        (self, actions)
    }

    /// The master asked what is applied (REPLCONF GETACK), and the request for it is applied too.
    pub fn asked_for_ack(mut self, applied: u64, now: Instant) -> Next {
        let mut actions = Vec::new();
        if matches!(self.state, State::Streaming { .. }) {
            actions.push(self.ack(applied, now));
        }
        (self, actions)
    }

    /// What was received could not be loaded or applied.
    pub fn failed(mut self, error: LinkError, remedy: Remedy, now: Instant) -> Next {
        let mut actions = Vec::new();
        self.fail(error, now, &mut actions);
        match remedy {
            Remedy::Retry => {}
            Remedy::FullSync => self.wants_all = true,
            Remedy::Stop => self.state = State::Stopped,
        }
        (self, actions)
    }

    /// Takes what can be taken at once from `from` on; gives where the rest begins.
    fn take(
        &mut self,
        input: &[u8],
        from: usize,
        now: Instant,
        actions: &mut Vec<Action>,
    ) -> Result<usize, LinkError> {
        let rest = input.get(from..).unwrap_or_default();
        match &mut self.state {
            State::Waiting { .. } | State::Connecting | State::Stopped => Ok(input.len()),
            State::Handshake { handshake, resume } => {
                let (used, answered) = handshake.receive(rest, &self.config.introduction)?;
                match answered {
                    Answered::Waiting => {}
                    Answered::Ask(bytes) => actions.push(Action::Send(bytes)),
                    Answered::Full { replid, offset } => {
                        let target = Position { replid, offset, db: DbIndex(0) };
                        self.state = State::Announced { target, line: Vec::new() };
                    }
                    Answered::Continue { replid } => {
                        let at = resume.map_or(0, |position| position.offset);
                        self.state = State::Streaming { at };
                        self.streaming_since = Some((now, at));
                        actions.push(Action::Spool(Spooled::Continue(replid)));
                        actions.push(self.ack(at, now));
                    }
                }
                Ok(from + used)
            }
            State::Announced { target, line } => {
                let Some(used) = take_line(line, rest)? else { return Ok(input.len()) };
                // `$length` without a string behind it is no frame of the protocol: the line itself is looked at.
                let said = line.trim_ascii_end();
                if said.is_empty() {
                    line.clear();
                    return Ok(from + used);
                }
                let Some(transfer) = Transfer::announced(said) else {
                    return Err(match said.strip_prefix(b"-") {
                        Some(words) => handshake::refused(words),
                        None => LinkError::in_words(ErrorCode::BadReply, said),
                    });
                };
                let (target, size) = (*target, transfer.size());
                self.state = State::Snapshot { target, transfer, received: 0, size };
                actions.push(Action::Spool(Spooled::SnapshotBegin { target, size }));
                if size == Some(0) {
                    self.snapshot_ended(target, now, actions);
                }
                Ok(from + used)
            }
            State::Snapshot { target, transfer, received, .. } => {
                let target = *target;
                let piece = transfer.receive(rest);
                let length = piece.held.len() + piece.body.len();
                *received = received.saturating_add(length as u64);
                if !piece.held.is_empty() {
                    actions.push(Action::Spool(Spooled::Held(piece.held)));
                }
                if !piece.body.is_empty() {
                    let body = from + piece.body.start..from + piece.body.end;
                    actions.push(Action::Spool(Spooled::Snapshot(body)));
                }
                match piece.end {
                    Some(end) => {
                        self.snapshot_ended(target, now, actions);
                        Ok(from + end)
                    }
                    None => Ok(input.len()),
                }
            }
            State::Loading { at, .. } | State::Streaming { at } => {
                // The master counts its own PINGs, so every byte counts, whatever it will turn out to be.
                *at = at.saturating_add(rest.len() as u64);
                self.asks_until = None;
                actions.push(Action::Spool(Spooled::Stream(from..input.len())));
                Ok(input.len())
            }
        }
    }

    fn snapshot_ended(&mut self, target: Position, now: Instant, actions: &mut Vec<Action>) {
        let diskless = matches!(self.state, State::Snapshot { transfer: Transfer::Marked { .. }, .. });
        self.state = State::Loading { at: target.offset, on_ack: diskless };
        self.spoke = now;
        actions.push(Action::Spool(Spooled::SnapshotEnd));
        // Only an ACK makes a diskless master let the stream flow; the 0 claims nothing.
        if diskless {
            actions.push(self.ack(0, now));
            self.asks_until = Some(now + ASKED_FOR);
        }
    }

    fn ack(&mut self, applied: u64, now: Instant) -> Action {
        self.spoke = now;
        Action::Send(ack(applied))
    }

    fn fail(&mut self, error: LinkError, now: Instant, actions: &mut Vec<Action>) {
        if let Some((since, from)) = self.streaming_since.take() {
            let steady = now.saturating_duration_since(since) >= STEADY;
            // A connection that brought the stream on before the wire failed did what it was for.
            let useful = matches!(error.code, ErrorCode::Closed | ErrorCode::Timeout)
                && self.received().is_some_and(|at| at > from);
            if steady || useful {
                self.backoff.reset();
            }
        }
        match self.state {
            State::Stopped => return,
            State::Waiting { .. } => {}
            State::Connecting | State::Handshake { .. } | State::Announced { .. } => {
                actions.push(Action::Disconnect);
            }
            State::Snapshot { .. } | State::Loading { .. } | State::Streaming { .. } => {
                actions.push(Action::Spool(Spooled::Cut));
                actions.push(Action::Disconnect);
            }
        }
        let wait = match error.code {
            ErrorCode::Truncated
            | ErrorCode::Checksum
            | ErrorCode::CorruptRdb
            | ErrorCode::UnknownRdbType
            | ErrorCode::UnknownRdbVersion
            | ErrorCode::MemoryLimit
            | ErrorCode::BadStream
            | ErrorCode::CommandError
            | ErrorCode::UnknownCommand => self.backoff.after_snapshot(),
            _ => self.backoff.after_failure(),
        };
        self.state = State::Waiting { until: now + wait };
        actions.push(Action::Report(error));
    }
}

fn ack(offset: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    handshake::request(&mut bytes, &[b"REPLCONF", b"ACK", offset.to_string().as_bytes()]);
    bytes
}
