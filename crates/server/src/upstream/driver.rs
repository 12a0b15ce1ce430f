//! The driver: obeys the link.
//!
//! Owns the socket, the read buffer, what is to be sent, and what the full spool refused. Every event is told to the
//! link, and its actions are done in order. Never interprets a byte, never decides what follows.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use replication::{
    Action, ErrorCode, Introduction, Link, LinkConfig, LinkError, LinkState, Remedy, Spooled, View,
};
use storage::UnixMillis;
use tokio::sync::{mpsc, oneshot};

use super::applier::Mark;
use super::connect::connect;
use super::shared::{Shared, random};
use super::stream::{Stream, is_tls};
use super::{Manners, MasterAddress, MasterTls, Role, UpstreamConfig};
use crate::clock;
use crate::spool::{Kind, Refused, SNAPSHOT_WAIT, SpoolGauge, SpoolIn};

/// What one read takes at most.
const READ_BYTES_MAX: usize = 256 << 10;
/// A read begins with at least this much room.
const READ_BYTES_MIN: usize = 32 << 10;
/// Unsent bytes beyond this are signs of life that nobody takes: no more are added.
const UNSENT_BYTES_MAX: usize = 64 << 10;
/// How long a promotion waits for what was received to be applied.
const PROMOTION_WAIT_MAX: Duration = Duration::from_secs(1);
/// How soon a spool that refused is asked again when nobody took from it: the disk may have room again.
const REFUSED_AGAIN: Duration = Duration::from_secs(1);

/// What the handle asks for.
#[derive(Debug)]
pub(super) enum Control {
    Follow {
        master: MasterAddress,
        epoch: u64,
    },
    Promote {
        epoch: u64,
        done: oneshot::Sender<()>,
    },
    Manners(Manners),
    Tls(Option<MasterTls>),
    /// Ends the connection; another begins at once.
    Cut,
    Shutdown {
        done: oneshot::Sender<()>,
    },
}

/// What the applier tells.
#[derive(Debug)]
pub(super) enum Event {
    /// The snapshot is loaded and swapped in, and this offset applied.
    Loaded { epoch: u64, applied: u64 },
    /// The master asked for an ACK, and this offset is applied.
    AckWanted { epoch: u64, applied: u64 },
    /// What was received could not be loaded or applied.
    Failed { epoch: u64, error: LinkError, remedy: Remedy },
    /// The role asked for is taken.
    RoleTaken { epoch: u64 },
}

enum Connection {
    None,
    Connecting(Pin<Box<dyn Future<Output = Result<Stream, LinkError>> + Send>>),
    Open(Stream),
}

/// Something for the spool, out of the input it came in.
enum Entry {
    Bytes(Kind, Bytes, UnixMillis),
    Mark(Mark),
}

/// See the module.
pub(super) struct Driver {
    config: UpstreamConfig,
    shared: Arc<Shared>,
    spool: SpoolIn<Mark>,
    gauge: SpoolGauge<Mark>,
    controls: mpsc::UnboundedReceiver<Control>,
    events: mpsc::UnboundedReceiver<Event>,
    /// `None` while a master.
    link: Option<(Link, MasterAddress)>,
    connection: Connection,
    buffer: BytesMut,
    unsent: BytesMut,
    /// Nothing has failed to be sent on this connection.
    can_send: bool,
    /// What the spool refused, and what must come after it.
    refused: VecDeque<Entry>,
    /// How soon it is offered again, when nobody takes from the spool.
    again: Duration,
    epoch: u64,
    /// Who waits for a promotion of this epoch.
    promoting: Vec<(u64, oneshot::Sender<()>)>,
}

/// What woke the driver.
enum Woken {
    Control(Option<Control>),
    Event(Option<Event>),
    Connected(Result<Stream, LinkError>),
    Read(io::Result<usize>),
    Sent(io::Result<usize>),
    Taken,
    Time,
}

impl Driver {
    pub(super) fn new(
        config: UpstreamConfig,
        shared: Arc<Shared>,
        spool: SpoolIn<Mark>,
        gauge: SpoolGauge<Mark>,
        controls: mpsc::UnboundedReceiver<Control>,
        events: mpsc::UnboundedReceiver<Event>,
    ) -> Self {
        Driver {
            config,
            shared,
            spool,
            gauge,
            controls,
            events,
            link: None,
            connection: Connection::None,
            buffer: BytesMut::with_capacity(READ_BYTES_MAX),
            unsent: BytesMut::new(),
            can_send: true,
            refused: VecDeque::new(),
            again: REFUSED_AGAIN,
            epoch: 0,
            promoting: Vec::new(),
        }
    }

    /// Runs until shutdown; gives who asked for it.
    pub(super) async fn run(mut self) -> Option<oneshot::Sender<()>> {
        loop {
            match self.wait().await {
                Woken::Control(None) => return None,
                Woken::Control(Some(Control::Shutdown { done })) => {
                    self.connection = Connection::None;
                    self.spool.clear();
                    return Some(done);
                }
                Woken::Control(Some(Control::Follow { master, epoch })) => self.follow(master, epoch),
                Woken::Control(Some(Control::Promote { epoch, done })) => self.promote(epoch, done).await,
                Woken::Control(Some(Control::Manners(manners))) => {
                    self.config.manners = manners;
                    self.renew_manners();
                }
                Woken::Control(Some(Control::Tls(tls))) => self.config.tls = tls,
                Woken::Control(Some(Control::Cut)) => self.cut(),
                Woken::Event(Some(event)) => self.applier_said(event),
                Woken::Event(None) => {
                    self.applier_is_gone();
                    return None;
                }
                Woken::Connected(Ok(stream)) => {
                    self.shared.facts.lock().socket = stream.socket().ok();
                    self.connection = Connection::Open(stream);
                    self.buffer.clear();
                    self.unsent.clear();
                    self.can_send = true;
                    let resume = self.shared.position.resumable();
                    self.step(|link, now| link.connected(resume, now), &Bytes::new());
                }
                Woken::Connected(Err(error)) => self.closed(error),
                Woken::Read(Ok(0)) => {
                    self.closed(LinkError::new(ErrorCode::Closed, "the master closed the connection"));
                }
                Woken::Read(Ok(count)) => {
                    self.shared.input_bytes.fetch_add(count as u64, Ordering::Relaxed);
                    self.shared.read();
                    let input = self.buffer.split().freeze();
                    self.step(|link, now| link.receive(&input, now), &input);
                }
                Woken::Read(Err(error)) => {
                    // A master that wants another certificate than ours may say so only here.
                    let code = if is_tls(&error) { ErrorCode::Tls } else { ErrorCode::Closed };
                    self.closed(LinkError::new(code, error.to_string()));
                }
                Woken::Sent(sent) => self.sent(sent),
                Woken::Taken | Woken::Time => self.tick(),
            }
        }
    }

    /// Waits for the next thing that happens.
    async fn wait(&mut self) -> Woken {
        if self.buffer.capacity() - self.buffer.len() < READ_BYTES_MIN {
            self.buffer.reserve(READ_BYTES_MAX);
        }
        let reading = self.refused.is_empty();
        // Who waits to connect waits for the spool to be empty; who was refused, for room.
        let state = self.link.as_ref().map(|(link, _)| link.state());
        let wants_taken = !reading || state == Some(LinkState::WaitingRetry);
        let mut wakes = self.link.as_ref().and_then(|(link, _)| link.wakes());
        if !reading {
            let again = clock::steady() + self.again;
            wakes = Some(wakes.map_or(again, |wakes| wakes.min(again)));
        } else if state == Some(LinkState::WaitingRetry)
            && wakes.is_some_and(|wakes| wakes <= clock::steady())
        {
            // Only the applier can bring this link on.
            wakes = None;
        }
        let time = async {
            match wakes {
                Some(wakes) => tokio::time::sleep_until(wakes.into()).await,
                None => std::future::pending().await,
            }
        };
        let (unsent, can_send) = (&self.unsent, self.can_send);
        let buffer = &mut self.buffer;
        let connection = &mut self.connection;
        let socket = async {
            match connection {
                Connection::None => std::future::pending().await,
                Connection::Connecting(connecting) => Woken::Connected(connecting.await),
                Connection::Open(stream) => {
                    poll_fn(|context| {
                        if can_send && let Poll::Ready(sent) = stream.poll_send(context, unsent) {
                            return Poll::Ready(Woken::Sent(sent));
                        }
                        if reading {
                            stream.poll_read(context, buffer).map(Woken::Read)
                        } else {
                            Poll::Pending
                        }
                    })
                    .await
                }
            }
        };
        tokio::select! {
            biased;
            control = self.controls.recv() => Woken::Control(control),
            event = self.events.recv() => Woken::Event(event),
            woken = socket => woken,
            () = self.gauge.taken(), if wants_taken => Woken::Taken,
            () = time => Woken::Time,
        }
    }

    /// Tells the link something, and obeys.
    fn step(&mut self, step: impl FnOnce(Link, Instant) -> (Link, Vec<Action>), input: &Bytes) {
        let Some((link, master)) = self.link.take() else { return };
        let now = clock::steady();
        let (link, actions) = step(link, now);
        let state = link.state();
        if let Some(received) = link.received() {
            self.shared.received.store(received, Ordering::Relaxed);
        }
        if let Some(received) = link.snapshot() {
            self.shared.snapshot_received.store(received.bytes, Ordering::Relaxed);
        }
        let heard = link.heard();
        self.link = Some((link, master));
        for action in actions {
            self.obey(action, input);
        }
        if state != self.shared.link_state() {
            tracing::debug!(%state, "link");
        }
        self.shared.link_is(self.epoch, state, heard);
    }

    fn obey(&mut self, action: Action, input: &Bytes) {
        match action {
            Action::Connect => {
                let Some((_, master)) = &self.link else { return };
                {
                    let mut facts = self.shared.facts.lock();
                    if std::mem::take(&mut facts.has_stood) {
                        facts.counts.connects_since_up = 0;
                    }
                    facts.counts.connects += 1;
                    facts.counts.connects_since_up += 1;
                }
                self.connection = Connection::Connecting(Box::pin(connect(
                    master.clone(),
                    self.config.tls.clone(),
                    self.config.manners.timeout,
                )));
            }
            Action::Send(bytes) => {
                if self.unsent.len() < UNSENT_BYTES_MAX {
                    self.unsent.extend_from_slice(&bytes);
                    self.send_on();
                }
            }
            Action::Spool(spooled) => self.spool(spooled, input),
            Action::Report(error) => {
                let master = self.link.as_ref().map(|(_, master)| master.to_string()).unwrap_or_default();
                tracing::warn!(%master, code = %error.code, "the link ended: {}", error.text);
                self.shared.failed(&error);
            }
            Action::Disconnect => self.connection = Connection::None,
        }
    }

    fn spool(&mut self, spooled: Spooled, input: &Bytes) {
        let received = clock::unix_millis();
        let entry = match spooled {
            Spooled::Held(bytes) => Entry::Bytes(Kind::Snapshot, bytes.into(), received),
            Spooled::Snapshot(range) => Entry::Bytes(Kind::Snapshot, input.slice(range), received),
            Spooled::Stream(range) => Entry::Bytes(Kind::Stream, input.slice(range), received),
            Spooled::SnapshotBegin { target, size } => {
                self.shared.sync_begins(size);
                tracing::info!(replid = %target.replid, offset = target.offset, bytes = size, "full sync: the master sends its data");
                Entry::Mark(Mark::SnapshotBegin { target, size })
            }
            Spooled::SnapshotEnd => Entry::Mark(Mark::SnapshotEnd),
            Spooled::Continue(replid) => {
                self.shared.facts.lock().counts.partial_syncs += 1;
                tracing::info!("the master goes on from where we were");
                Entry::Mark(Mark::Continue(replid))
            }
            Spooled::Cut => Entry::Mark(Mark::Cut),
        };
        self.refused.push_back(entry);
        if self.refused.len() == 1 {
            self.unload();
        }
    }

    /// Puts into the spool what is to go there, as far as it takes it.
    fn unload(&mut self) {
        while let Some(entry) = self.refused.pop_front() {
            match entry {
                Entry::Mark(mark) => self.spool.mark(mark),
                Entry::Bytes(kind, bytes, received) => {
                    match self.spool.bytes(kind, &bytes, received, clock::steady()) {
                        Ok(()) => {}
                        Err(why) => {
                            self.refused.push_front(Entry::Bytes(kind, bytes, received));
                            self.refused_by(why);
                            return;
                        }
                    }
                }
            }
        }
        self.spool_has_room();
    }

    fn refused_by(&mut self, why: Refused) {
        self.again = REFUSED_AGAIN;
        let error = match why {
            Refused::Soon => {
                self.again = SNAPSHOT_WAIT;
                return;
            }
            Refused::Full => LinkError::new(
                ErrorCode::SpoolFull,
                "spool-memory and spool-disk are full: the master is not read from until there is room",
            ),
            Refused::Failed(error) => LinkError::new(
                ErrorCode::SpoolFailed,
                format!("the spool's file in {}: {error}", self.config.dir.display()),
            ),
        };
        let mut facts = self.shared.facts.lock();
        if facts.spool_full {
            return;
        }
        facts.spool_full = true;
        facts.spool_full_count += 1;
        drop(facts);
        tracing::warn!(code = %error.code, "reading from the master is paused: {}", error.text);
        self.shared.failed(&error);
    }

    fn spool_has_room(&mut self) {
        let mut facts = self.shared.facts.lock();
        if !facts.spool_full {
            return;
        }
        facts.spool_full = false;
        let is_of_spool = |failure: &super::LinkFailure| {
            matches!(failure.error.code, ErrorCode::SpoolFull | ErrorCode::SpoolFailed)
        };
        facts.failure = facts.failure.take().filter(|failure| !is_of_spool(failure));
        drop(facts);
        tracing::info!("the spool has room again: reading goes on");
    }

    fn closed(&mut self, reason: LinkError) {
        self.connection = Connection::None;
        self.step(|link, now| link.closed(reason, now), &Bytes::new());
    }

    fn cut(&mut self) {
        if !matches!(self.connection, Connection::Open(_)) {
            return;
        }
        self.closed(LinkError::new(ErrorCode::Closed, "a client ended the connection to the master"));
        self.step(|link, now| (link.hurried(now), Vec::new()), &Bytes::new());
        self.tick();
    }

    fn send_on(&mut self) {
        let Connection::Open(stream) = &mut self.connection else { return };
        if !self.can_send {
            self.unsent.clear();
            return;
        }
        let sent = stream.try_send(&self.unsent);
        self.sent(sent);
    }

    fn sent(&mut self, sent: io::Result<usize>) {
        match sent {
            Ok(sent) => {
                self.shared.output_bytes.fetch_add(sent as u64, Ordering::Relaxed);
                self.shared.sent(sent as u64);
                let _gone = self.unsent.split_to(sent);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // The read that follows finds out, and says it to the link.
            Err(error) => {
                tracing::debug!(%error, "sending to the master");
                self.unsent.clear();
                // TLS would try again for ever what it has taken.
                self.can_send = false;
            }
        }
    }

    fn tick(&mut self) {
        if !self.refused.is_empty() {
            self.unload();
        }
        let idle = self.gauge.holding().idle;
        // What the applier said before it became idle is heard before the link is told that it is.
        while let Ok(event) = self.events.try_recv() {
            self.applier_said(event);
        }
        let reading = self.refused.is_empty();
        let view = View { applied: self.shared.position.known(), drained: idle && reading, reading };
        self.step(|link, now| link.tick(view, now), &Bytes::new());
    }

    fn applier_said(&mut self, event: Event) {
        match event {
            Event::Loaded { epoch, applied } if epoch == self.epoch => {
                self.step(|link, now| link.loaded(applied, now), &Bytes::new());
            }
            Event::AckWanted { epoch, applied } if epoch == self.epoch => {
                self.step(|link, now| link.asked_for_ack(applied, now), &Bytes::new());
            }
            Event::Failed { epoch, error, remedy } if epoch == self.epoch => {
                self.step(|link, now| link.failed(error, remedy, now), &Bytes::new());
                // What followed is void.
                self.refused.clear();
                self.spool.clear();
                self.spool_has_room();
            }
            Event::RoleTaken { epoch } => {
                for (_, done) in self.promoting.extract_if(.., |(promoting, _)| *promoting <= epoch) {
                    let _nobody_waits = done.send(());
                }
            }
            _ => {}
        }
    }

    fn follow(&mut self, master: MasterAddress, epoch: u64) {
        if self.link.as_ref().is_some_and(|(_, followed)| *followed == master) {
            self.step(|link, now| (link.hurried(now), Vec::new()), &Bytes::new());
            self.tick();
            return;
        }
        self.leave(epoch, Role::Replica(master.clone()));
        tracing::info!(%master, "following");
        let config = LinkConfig {
            introduction: self.introduction(),
            timeout: self.config.manners.timeout,
            seed: random(),
        };
        self.link = Some((Link::new(config, clock::steady()), master));
        self.shared.link_is(self.epoch, LinkState::WaitingRetry, None);
        self.tick();
    }

    async fn promote(&mut self, epoch: u64, done: oneshot::Sender<()>) {
        self.connection = Connection::None;
        let loading = self.shared.facts.lock().sync.is_some();
        if self.link.is_some() && !loading {
            // What the old master managed to send is not thrown away.
            self.spool.mark(Mark::Cut);
            let deadline = clock::steady() + PROMOTION_WAIT_MAX;
            while !(self.gauge.holding().idle && self.refused.is_empty()) && clock::steady() < deadline {
                self.unload();
                let _or_time = tokio::time::timeout(Duration::from_millis(10), self.gauge.taken()).await;
            }
        }
        self.link = None;
        self.promoting.push((epoch, done));
        self.leave(epoch, Role::Master);
        self.shared.link_is(self.epoch, LinkState::Stopped, None);
    }

    /// Drops the connection and what came over it, and has the applier take another role.
    fn leave(&mut self, epoch: u64, role: Role) {
        self.connection = Connection::None;
        self.refused.clear();
        self.spool.clear();
        self.spool_has_room();
        self.epoch = epoch;
        self.spool.mark(Mark::Role { epoch, role });
    }

    fn introduction(&self) -> Introduction {
        let Manners { user, password, announce_port, announce_ip, timeout: _ } = self.config.manners.clone();
        Introduction { user, password, port: announce_port, ip: announce_ip }
    }

    fn renew_manners(&mut self) {
        let (introduction, timeout) = (self.introduction(), self.config.manners.timeout);
        let changed = |link: Link| link.introduced_as(introduction).patient_for(timeout);
        self.link = self.link.take().map(|(link, master)| (changed(link), master));
        // It may have been silent for too long already.
        self.tick();
    }

    fn applier_is_gone(&mut self) {
        let error = LinkError::new(ErrorCode::Internal, "the applier of the master's stream failed inside");
        tracing::error!("{}", error.text);
        self.connection = Connection::None;
        self.shared.failed(&error);
        self.shared.link_is(self.epoch, LinkState::Stopped, None);
        self.shared.broken.send_replace(true);
    }
}
