//! The link against a scripted master, byte by byte: whatever arrives in one piece means the same in many.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a test's helpers

use std::time::{Duration, Instant};

use replication::{
    Action, ErrorCode, Introduction, Link, LinkConfig, LinkError, LinkState, Position, Remedy, ReplId,
    Spooled, View,
};
use storage::DbIndex;

const ID: &str = "8371b4fb1155b71f4a04d3e1bc3e18c4a990aeeb";
const OTHER: &str = "0123456789abcdef0123456789abcdef01234567";
const MARK: &str = "zzzzyyyyxxxxwwwwvvvvuuuuttttssssrrrrqqqq";
const PING: &str = "*1\r\n$4\r\nPING\r\n";
const TIMEOUT: Duration = Duration::from_secs(60);

/// Where the tests' time begins; only differences matter.
#[allow(clippy::disallowed_methods)]
fn dawn() -> Instant {
    Instant::now()
}

fn id(text: &str) -> ReplId {
    ReplId::parse(text.as_bytes()).unwrap()
}

fn at(offset: u64) -> Position {
    Position { replid: id(ID), offset, db: DbIndex(0) }
}

fn config() -> LinkConfig {
    let introduction = Introduction { port: 6380, ..Introduction::default() };
    LinkConfig { introduction, timeout: TIMEOUT, seed: 1 }
}

fn idle() -> View {
    View { applied: None, drained: true, reading: true }
}

/// What a driver would have seen: what was sent, what lies in the spool, what was reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    sent: String,
    spool: Vec<Lying>,
    reports: Vec<ErrorCode>,
    disconnects: usize,
    connects: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Lying {
    Begin(Position, Option<u64>),
    Snapshot(String),
    End,
    Continue(Option<ReplId>),
    Stream(String),
    Cut,
}

impl Seen {
    fn obey(&mut self, actions: Vec<Action>, input: &[u8]) {
        for action in actions {
            match action {
                Action::Connect => self.connects += 1,
                Action::Send(bytes) => self.sent.push_str(std::str::from_utf8(&bytes).unwrap()),
                Action::Report(error) => self.reports.push(error.code),
                Action::Disconnect => self.disconnects += 1,
                Action::Spool(spooled) => self.spool(spooled, input),
            }
        }
    }

    fn spool(&mut self, spooled: Spooled, input: &[u8]) {
        let lying = match spooled {
            Spooled::SnapshotBegin { target, size } => Lying::Begin(target, size),
            Spooled::Held(bytes) => Lying::Snapshot(String::from_utf8(bytes).unwrap()),
            Spooled::Snapshot(range) => Lying::Snapshot(String::from_utf8(input[range].to_vec()).unwrap()),
            Spooled::SnapshotEnd => Lying::End,
            Spooled::Continue(replid) => Lying::Continue(replid),
            Spooled::Stream(range) => Lying::Stream(String::from_utf8(input[range].to_vec()).unwrap()),
            Spooled::Cut => Lying::Cut,
        };
        match (self.spool.last_mut(), lying) {
            (Some(Lying::Snapshot(before)), Lying::Snapshot(more)) => before.push_str(&more),
            (Some(Lying::Stream(before)), Lying::Stream(more)) => before.push_str(&more),
            (_, lying) => self.spool.push(lying),
        }
    }
}

/// A link with its driver's eyes and a clock.
#[derive(Clone)]
struct Play {
    link: Link,
    seen: Seen,
    now: Instant,
}

impl Play {
    fn begin(config: LinkConfig, resume: Option<Position>) -> Play {
        let now = dawn();
        let mut play = Play { link: Link::new(config, now), seen: Seen::default(), now };
        play.tick(idle());
        play.connected(resume);
        play
    }

    fn step(&mut self, step: impl FnOnce(Link, Instant) -> (Link, Vec<Action>), input: &[u8]) {
        let (link, actions) = step(self.link.clone(), self.now);
        self.link = link;
        self.seen.obey(actions, input);
    }

    fn tick(&mut self, view: View) {
        self.step(|link, now| link.tick(view, now), b"");
    }

    fn connected(&mut self, resume: Option<Position>) {
        self.step(|link, now| link.connected(resume, now), b"");
    }

    fn hear(&mut self, input: &str) {
        self.step(|link, now| link.receive(input.as_bytes(), now), input.as_bytes());
    }

    fn hear_in_pieces(&mut self, input: &str, cuts: &[usize]) {
        let mut from = 0;
        for &to in cuts.iter().chain([&input.len()]) {
            self.hear(&input[from..to]);
            from = to;
        }
    }

    fn closed(&mut self) {
        let reason = LinkError::new(ErrorCode::Closed, "closed by the master");
        self.step(|link, now| link.closed(reason, now), b"");
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }
}

fn greeting(answer: &str) -> String {
    format!("+PONG\r\n+OK\r\n+OK\r\n-ERR Unrecognized REPLCONF option: version\r\n{answer}\r\n")
}

/// All splits in two, and byte by byte, end like the whole.
fn same_at_every_split(resume: Option<Position>, wire: &str) -> Play {
    let whole = {
        let mut play = Play::begin(config(), resume);
        play.hear(wire);
        play
    };
    let check = |cuts: &[usize]| {
        let mut play = Play::begin(config(), resume);
        play.hear_in_pieces(wire, cuts);
        assert_eq!(play.seen, whole.seen, "cut at {cuts:?}");
        assert_eq!(play.link.state(), whole.link.state(), "cut at {cuts:?}");
        assert_eq!(play.link.received(), whole.link.received(), "cut at {cuts:?}");
    };
    for cut in 0..=wire.len() {
        check(&[cut]);
    }
    check(&(0..wire.len()).collect::<Vec<_>>());
    whole
}

#[test]
fn a_disk_based_sync_at_every_split() {
    let full = greeting(&format!("\n\n+FULLRESYNC {ID} 700"));
    let wire = format!("{full}\n\n\n$12\r\nREDIS0010...{PING}{PING}");
    let mut play = same_at_every_split(None, &wire);
    assert_eq!(play.link.state(), LinkState::Loading);
    assert_eq!(play.link.received(), Some(700 + 28), "every byte after the snapshot counts");
    assert_eq!(
        play.seen.spool,
        [
            Lying::Begin(at(700), Some(12)),
            Lying::Snapshot("REDIS0010...".into()),
            Lying::End,
            Lying::Stream(format!("{PING}{PING}")),
        ]
    );
    assert!(play.seen.sent.ends_with("PSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n"));
    play.step(|link, now| link.loaded(700, now), b"");
    assert_eq!(play.link.state(), LinkState::Streaming);
    assert!(play.seen.sent.ends_with("*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$3\r\n700\r\n"));
}

#[test]
fn a_diskless_sync_at_every_split() {
    let full = greeting(&format!("+FULLRESYNC {ID} 0"));
    let body = format!("REDIS0010{}zzzzyyyyxx", &MARK[..39]);
    let wire = format!("{full}\n$EOF:{MARK}\r\n{body}{MARK}{PING}");
    let play = same_at_every_split(None, &wire);
    assert_eq!(
        play.seen.spool,
        [Lying::Begin(at(0), None), Lying::Snapshot(body), Lying::End, Lying::Stream(PING.into())]
    );
    assert!(
        play.seen.sent.ends_with("*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$1\r\n0\r\n"),
        "so that the stream flows"
    );
}

#[test]
fn a_stream_goes_on_at_every_split_under_a_new_name() {
    let wire = greeting(&format!("+CONTINUE {OTHER}")) + PING;
    let play = same_at_every_split(Some(at(41)), &wire);
    assert_eq!(play.link.state(), LinkState::Streaming);
    assert_eq!(play.link.received(), Some(41 + 14));
    assert_eq!(play.seen.spool, [Lying::Continue(Some(id(OTHER))), Lying::Stream(PING.into())]);
    assert!(play.seen.sent.contains(&format!("PSYNC\r\n$40\r\n{ID}\r\n$2\r\n42\r\n")));
}

#[test]
fn refusals_are_reported_at_every_split_and_tried_again() {
    for (answer, code) in [
        ("-NOMASTERLINK Can't SYNC while not connected with my master", ErrorCode::NoMasterLink),
        ("-NOAUTH Authentication required.", ErrorCode::NoAuth),
        ("-LOADING Redis is loading the dataset in memory", ErrorCode::Loading),
    ] {
        let play = same_at_every_split(None, &greeting(answer));
        assert_eq!(play.link.state(), LinkState::WaitingRetry);
        assert_eq!((play.seen.reports, play.seen.disconnects), (vec![code], 1));
        assert_eq!(play.seen.spool, []);
    }
}

#[test]
fn what_does_not_speak_redis_is_called_so_at_its_first_byte() {
    for banner in ["HTTP/1.1 400 Bad Request\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "\u{15}\u{3}\u{3}"] {
        let mut play = Play::begin(config(), None);
        play.hear(&banner[..1]);
        assert_eq!(play.seen.reports, [ErrorCode::NotRedis]);
        assert_eq!(play.link.state(), LinkState::WaitingRetry);
    }
}

#[test]
fn an_endless_line_is_not_held() {
    let mut play = Play::begin(config(), None);
    for _ in 0..5 {
        play.hear(&format!("+{}", "x".repeat(4096)));
    }
    assert_eq!(play.seen.reports, [ErrorCode::BadReply]);
}

#[test]
fn a_master_that_gives_up_on_its_snapshot_is_tried_again() {
    let mut play = Play::begin(config(), None);
    play.hear(&greeting(&format!("+FULLRESYNC {ID} 1")));
    assert_eq!(play.link.state(), LinkState::WaitingRdb);
    play.hear("-ERR BGSAVE failed, replication can't continue\r\n");
    assert_eq!(play.seen.reports, [ErrorCode::BadReply]);
    assert_eq!(play.seen.spool, [], "nothing had begun");
}

#[test]
fn a_cut_in_the_snapshot_voids_it() {
    let mut play = Play::begin(config(), Some(at(5)));
    play.hear(&(greeting(&format!("+FULLRESYNC {ID} 1")) + "$100\r\nREDIS"));
    assert_eq!(play.link.snapshot().map(|snapshot| snapshot.bytes), Some(5));
    play.closed();
    assert_eq!(play.seen.spool.last(), Some(&Lying::Cut));
    assert_eq!(play.seen.reports, [ErrorCode::Truncated]);
}

#[test]
fn a_cut_in_the_stream_goes_on_once_everything_received_is_applied() {
    let mut play = Play::begin(config(), Some(at(5)));
    play.hear(&(greeting("+CONTINUE") + PING + "*1\r\n$4\r\nPI"));
    play.closed();
    assert_eq!(play.seen.spool.last(), Some(&Lying::Cut));
    play.pass(Duration::from_secs(10));
    play.tick(View { drained: false, ..idle() });
    assert_eq!(play.link.state(), LinkState::WaitingRetry, "the spool is still being applied");
    play.tick(idle());
    assert_eq!(play.link.state(), LinkState::Connecting);
    play.seen.sent.clear();
    play.connected(Some(at(19)));
    play.hear("+PONG\r\n+OK\r\n+OK\r\n+OK\r\n");
    assert!(play.seen.sent.ends_with("$2\r\n20\r\n"), "{}", play.seen.sent);
}

#[test]
fn the_master_hears_from_us_each_second() {
    let mut play = Play::begin(config(), None);
    play.hear(&(greeting(&format!("+FULLRESYNC {ID} 9")) + "$5\r\nREDIS"));
    play.seen.sent.clear();
    for _ in 0..12 {
        play.pass(Duration::from_millis(250));
        play.tick(idle());
    }
    assert_eq!(play.seen.sent, "\r\n\r\n\r\n", "while loading");
    play.step(|link, now| link.loaded(9, now), b"");
    play.seen.sent.clear();
    for step in 0..8 {
        play.pass(Duration::from_millis(250));
        play.tick(View { applied: Some(at(10 + step)), ..idle() });
    }
    assert_eq!(play.seen.sent.matches("ACK").count(), 2);
    assert!(play.seen.sent.ends_with("$2\r\n17\r\n"), "the applied offset: {}", play.seen.sent);
    play.seen.sent.clear();
    play.step(|link, now| link.asked_for_ack(18, now), b"");
    assert!(play.seen.sent.ends_with("$2\r\n18\r\n"), "at once when asked");
    assert!(play.link.wakes().unwrap() <= play.now + Duration::from_secs(1));
}

/// The ACK that comes at once after a diskless transfer may come before the master waits for it.
#[test]
fn a_diskless_master_is_told_again_that_its_stream_may_flow() {
    let mut play = Play::begin(config(), None);
    play.hear(&(greeting(&format!("+FULLRESYNC {ID} 9")) + &format!("$EOF:{MARK}\r\nREDIS{MARK}")));
    let acks = |play: &Play| play.seen.sent.matches("ACK\r\n").count();
    let pass_a_while = |play: &mut Play| {
        for _ in 0..12 {
            play.pass(Duration::from_millis(250));
            play.tick(idle());
        }
    };
    assert_eq!(acks(&play), 1, "at once");
    play.pass(play.link.wakes().unwrap() - play.now);
    play.tick(idle());
    assert_eq!(acks(&play), 2, "in a moment");
    let mut loaded = play.clone();
    pass_a_while(&mut play);
    assert_eq!(acks(&play), 2 + 8 + 1, "soon for two seconds, each second then");
    // What is small is loaded before the master has looked.
    loaded.step(|link, now| link.loaded(9, now), b"");
    let before = acks(&loaded);
    for _ in 0..3 {
        loaded.pass(Duration::from_millis(100));
        loaded.tick(View { applied: Some(at(9)), ..idle() });
    }
    assert_eq!(acks(&loaded), before + 3, "until the stream flows");
    loaded.hear(PING);
    let before = acks(&loaded);
    loaded.pass(Duration::from_millis(900));
    loaded.tick(View { applied: Some(at(9)), ..idle() });
    assert_eq!(acks(&loaded), before, "then each second");
    assert!(!play.seen.sent.ends_with("\r\n\r\n"));
}

#[test]
fn a_silent_master_is_given_up_unless_the_silence_is_ours() {
    for wire in ["", "+PONG\r\n", &greeting(&format!("+FULLRESYNC {ID} 9")), &greeting("+CONTINUE")] {
        let mut play = Play::begin(config(), Some(at(1)));
        play.hear(wire);
        play.pass(TIMEOUT);
        play.tick(View { reading: false, ..idle() });
        assert_eq!(play.seen.reports, [], "we do not read");
        play.pass(TIMEOUT);
        play.tick(idle());
        assert_eq!(play.seen.reports, [ErrorCode::Timeout], "after {wire:?}");
        assert_eq!(play.seen.disconnects, 1);
    }
}

#[test]
fn a_divergence_ends_the_link_as_told() {
    let streaming = || {
        let mut play = Play::begin(config(), Some(at(5)));
        play.hear(&greeting("+CONTINUE"));
        play
    };
    let error = || LinkError::new(ErrorCode::UnknownCommand, "JSON.SET");

    let mut play = streaming();
    play.step(|link, now| link.failed(error(), Remedy::Stop, now), b"");
    assert_eq!((play.link.state(), play.seen.disconnects), (LinkState::Stopped, 1));
    play.pass(Duration::from_secs(3600));
    play.tick(idle());
    assert_eq!(play.link.state(), LinkState::Stopped);

    let mut play = streaming();
    play.step(|link, now| link.failed(error(), Remedy::FullSync, now), b"");
    play.pass(Duration::from_secs(3600));
    play.tick(idle());
    play.seen.sent.clear();
    play.connected(Some(at(5)));
    play.hear("+PONG\r\n+OK\r\n+OK\r\n+OK\r\n");
    assert!(play.seen.sent.ends_with("PSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n"), "everything is asked for");
}

#[test]
fn tries_come_further_and_further_apart() {
    let mut play = Play::begin(config(), None);
    let mut waits = Vec::new();
    for _ in 0..10 {
        play.closed();
        waits.push(play.link.wakes().unwrap() - play.now);
        play.now = play.link.wakes().unwrap();
        play.tick(idle());
        play.connected(None);
    }
    assert!(waits[0] <= Duration::from_millis(200) && waits[9] >= Duration::from_millis(2500), "{waits:?}");
    assert_eq!(play.seen.connects, 11);
    // Followed for a while, the next failure is a first one again.
    play.hear(&(greeting(&format!("+FULLRESYNC {ID} 9")) + "$5\r\nREDIS"));
    play.step(|link, now| link.loaded(9, now), b"");
    play.pass(Duration::from_secs(30));
    play.closed();
    assert!(play.link.wakes().unwrap() - play.now <= Duration::from_millis(200));
}
