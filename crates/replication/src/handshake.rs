//! The questions we ask a master before it sends data, and what its answers mean.
//!
//! PING, AUTH, what we are (REPLCONF), PSYNC. Each group is sent when the one before is answered, as real replicas
//! do. A refused REPLCONF is passed over: masters before 2.8.12 know none, Redis knows no `version`.
//!
//! Owns the words of the handshake. Never counts an offset, never sees the snapshot.

use std::collections::VecDeque;

use protocol::frame::{Frame, FrameReader};

use crate::error::{ErrorCode, LinkError};
use crate::position::{Position, ReplId};

/// The highest Valkey version whose RDB we read. Valkey 9 picks the RDB version by it: without it, a hash with
/// field deadlines makes every full sync fail.
const VERSION: &str = "9.1.0";

/// The longest line we hold while waiting for its end; no answer of a master's handshake comes near it.
const LINE_BYTES_MAX: usize = 16 * 1024;

/// What we tell the master about ourselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Introduction {
    /// `masteruser`
    pub user: Option<Vec<u8>>,
    /// `masterauth`
    pub password: Option<Vec<u8>>,
    /// The port under which we can be reached, for the master's INFO and for Sentinel.
    pub port: u16,
    /// The address under which we can be reached, when it is not the connection's.
    pub ip: Option<String>,
}

/// A question that has no answer yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Ping,
    Auth,
    Replconf,
    Psync,
}

/// A handshake under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Handshake {
    asked: VecDeque<Question>,
    /// Where to go on from; `None` asks for everything.
    resume: Option<Position>,
    /// The master has sent signs of life instead of its answer to PSYNC: it waits for other replicas before it makes
    /// the snapshot that all of them get.
    put_off: bool,
    /// The front of an answer that is not whole.
    held: Vec<u8>,
    reader: FrameReader,
}

/// What an answer leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// Other answers are to come.
    Waiting,
    /// These bytes are to be sent.
    Ask(Vec<u8>),
    /// The master sends a snapshot that brings us there.
    Full { replid: ReplId, offset: u64 },
    /// The master goes on from where we asked; perhaps under a new name.
    Continue { replid: Option<ReplId> },
}

impl Handshake {
    /// Begins one, with the bytes to send first.
    pub(crate) fn begin(resume: Option<Position>) -> (Self, Vec<u8>) {
        let mut first = Vec::new();
        request(&mut first, &[b"PING"]);
        let asked = VecDeque::from([Question::Ping]);
        (Handshake { asked, resume, put_off: false, held: Vec::new(), reader: FrameReader::default() }, first)
    }

    /// Whether the master will send a snapshot, as far as can be told before it says so.
    pub(crate) fn is_put_off(&self) -> bool {
        self.put_off
    }

    /// Takes the front of what the master says, one answer at most; gives how many bytes that was, and what it leads
    /// to. Empty lines are the master's sign of life.
    pub(crate) fn receive(
        &mut self,
        input: &[u8],
        us: &Introduction,
    ) -> Result<(usize, Answered), LinkError> {
        if self.held.is_empty() && matches!(input.first(), Some(b'\r' | b'\n')) {
            self.put_off = self.asked.front() == Some(&Question::Psync);
            return Ok((1, Answered::Waiting));
        }
        // An answer ends where a line does.
        let Some(used) = take_line(&mut self.held, input)? else {
            return Ok((input.len(), Answered::Waiting));
        };
        let Some((frame, _)) =
            self.reader.read(&self.held).map_err(|_| LinkError::in_words(ErrorCode::BadReply, &self.held))?
        else {
            return Ok((used, Answered::Waiting));
        };
        self.held.clear();
        Ok((used, self.answer(&frame, us)?))
    }

    fn answer(&mut self, answer: &Frame, us: &Introduction) -> Result<Answered, LinkError> {
        match (self.asked.pop_front(), answer) {
            (Some(Question::Ping), _) => {
                ping_answered(answer)?;
                Ok(Answered::Ask(self.introduce(us)))
            }
            (Some(Question::Auth), Frame::Error(words)) => Err(auth_refused(words)),
            (Some(Question::Auth | Question::Replconf), _) if self.asked.is_empty() => {
                Ok(Answered::Ask(self.psync()))
            }
            (Some(Question::Auth | Question::Replconf), _) => Ok(Answered::Waiting),
            (Some(Question::Psync), _) => self.psync_answered(answer),
            (None, _) => Err(unexpected(answer)),
        }
    }

    fn introduce(&mut self, us: &Introduction) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut ask = |question, words: &[&[u8]]| {
            request(&mut bytes, words);
            self.asked.push_back(question);
        };
        match (&us.user, &us.password) {
            (Some(user), Some(password)) => ask(Question::Auth, &[b"AUTH", user, password]),
            (None, Some(password)) => ask(Question::Auth, &[b"AUTH", password]),
            (_, None) => {}
        }
        ask(Question::Replconf, &[b"REPLCONF", b"listening-port", us.port.to_string().as_bytes()]);
        if let Some(ip) = &us.ip {
            ask(Question::Replconf, &[b"REPLCONF", b"ip-address", ip.as_bytes()]);
        }
        ask(Question::Replconf, &[b"REPLCONF", b"capa", b"eof", b"capa", b"psync2"]);
        ask(Question::Replconf, &[b"REPLCONF", b"version", VERSION.as_bytes()]);
        bytes
    }

    fn psync(&mut self) -> Vec<u8> {
        self.asked.push_back(Question::Psync);
        let mut bytes = Vec::new();
        match &self.resume {
            Some(position) => {
                let next = (i128::from(position.offset) + 1).to_string();
                request(&mut bytes, &[b"PSYNC", position.replid.as_str().as_bytes(), next.as_bytes()]);
            }
            None => request(&mut bytes, &[b"PSYNC", b"?", b"-1"]),
        }
        bytes
    }

    fn psync_answered(&self, answer: &Frame) -> Result<Answered, LinkError> {
        let unexpected = || Err(unexpected(answer));
        let line = match answer {
            Frame::Simple(line) => line,
            Frame::Error(words) => return Err(refused(words)),
            _ => return unexpected(),
        };
        let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        match words.next() {
            Some(b"FULLRESYNC") => {
                let replid = words.next().and_then(ReplId::parse);
                let offset = words.next().and_then(number);
                match (replid, offset) {
                    (Some(replid), Some(offset)) => Ok(Answered::Full { replid, offset }),
                    _ => unexpected(),
                }
            }
            // Only who asked to go on may be told to.
            Some(b"CONTINUE") if self.resume.is_some() => match words.next() {
                None => Ok(Answered::Continue { replid: None }),
                Some(word) => match ReplId::parse(word) {
                    Some(replid) => Ok(Answered::Continue { replid: Some(replid) }),
                    None => unexpected(),
                },
            },
            _ => unexpected(),
        }
    }
}

/// Adds to `line` up to its end and with it; gives how much of `input` that was, or `None` when the end is not in it.
///
/// # Errors
/// When it begins as nothing that speaks Redis' protocol does, or does not end.
pub(crate) fn take_line(line: &mut Vec<u8>, input: &[u8]) -> Result<Option<usize>, LinkError> {
    let first = line.first().or(input.first());
    if first.is_some_and(|first| !matches!(first, b'+' | b'-' | b':' | b'$' | b'*' | b'\r' | b'\n')) {
        line.extend_from_slice(input);
        return Err(LinkError::in_words(ErrorCode::NotRedis, line));
    }
    let end = memchr::memchr(b'\n', input).map(|end| end + 1);
    line.extend_from_slice(input.get(..end.unwrap_or(input.len())).unwrap_or_default());
    if line.len() > LINE_BYTES_MAX {
        return Err(LinkError::in_words(ErrorCode::BadReply, line));
    }
    Ok(end)
}

fn unexpected(answer: &Frame) -> LinkError {
    match answer {
        Frame::Simple(words) | Frame::Error(words) | Frame::Bulk(words) => {
            LinkError::in_words(ErrorCode::BadReply, words)
        }
        other => LinkError::new(ErrorCode::BadReply, format!("{other:?}")),
    }
}

fn ping_answered(answer: &Frame) -> Result<(), LinkError> {
    /// What a master says to a PING when it wants a password first; `ERR operation not permitted` before 2.6.
    const NOT_YET: [&[u8]; 3] = [b"NOAUTH", b"NOPERM", b"ERR operation not permitted"];
    match answer {
        Frame::Simple(_) => Ok(()),
        Frame::Error(words) if NOT_YET.iter().any(|not_yet| words.starts_with(not_yet)) => Ok(()),
        Frame::Error(words) => Err(refused(words)),
        _ => Err(unexpected(answer)),
    }
}

fn auth_refused(words: &[u8]) -> LinkError {
    match refused(words) {
        // An AUTH that fails for whatever other reason ("no password is set", "invalid password") is the
        // operator's to put right in one place.
        LinkError { code: ErrorCode::BadReply | ErrorCode::NoAuth, text } => {
            LinkError { code: ErrorCode::WrongPass, text }
        }
        other => other,
    }
}

/// What an error of the master's means.
pub(crate) fn refused(text: &[u8]) -> LinkError {
    let code = match text.split(|byte| *byte == b' ').next().unwrap_or_default() {
        b"NOAUTH" => ErrorCode::NoAuth,
        b"NOPERM" => ErrorCode::NoPerm,
        b"WRONGPASS" => ErrorCode::WrongPass,
        b"LOADING" => ErrorCode::Loading,
        b"NOMASTERLINK" | b"MASTERDOWN" => ErrorCode::NoMasterLink,
        // 2.8 to 3.2 say these two in plain words.
        b"ERR" if contains(text, b"not connected with my master") => ErrorCode::NoMasterLink,
        b"ERR" if contains(text, b"operation not permitted") => ErrorCode::NoAuth,
        _ => ErrorCode::BadReply,
    };
    LinkError::in_words(code, text)
}

fn contains(text: &[u8], words: &[u8]) -> bool {
    memchr::memmem::find(text, words).is_some()
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Appends a request as RESP.
pub fn request(out: &mut Vec<u8>, words: &[&[u8]]) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use storage::DbIndex;

    use super::*;

    const ID: &str = "8371b4fb1155b71f4a04d3e1bc3e18c4a990aeeb";

    fn words(bytes: &[u8]) -> Vec<String> {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let mut requests = Vec::new();
        for request in text.split('*').skip(1) {
            let parts: Vec<&str> = request.split("\r\n").skip(2).step_by(2).collect();
            requests.push(parts.join(" "));
        }
        requests
    }

    /// Answers each question in turn; gives what was asked and what came of it.
    fn converse(
        us: &Introduction,
        resume: Option<Position>,
        answers: &[&str],
    ) -> (Vec<String>, Result<Answered, LinkError>) {
        let (mut handshake, first) = Handshake::begin(resume);
        let mut asked = words(&first);
        let mut last = Ok(Answered::Waiting);
        for answer in answers {
            let bytes = format!("{answer}\r\n");
            let mut at = 0;
            while at < bytes.len() {
                let (used, answered) = match handshake.receive(&bytes.as_bytes()[at..], us) {
                    Ok(received) => received,
                    Err(error) => return (asked, Err(error)),
                };
                at += used;
                last = Ok(answered);
            }
            match &last {
                Ok(Answered::Ask(bytes)) => asked.extend(words(bytes)),
                Ok(Answered::Waiting) => {}
                _ => break,
            }
        }
        (asked, last)
    }

    fn nobody() -> Introduction {
        Introduction { port: 6380, ..Introduction::default() }
    }

    #[test]
    fn a_new_replica_asks_for_everything() {
        let full = format!("+FULLRESYNC {ID} 1234");
        let (asked, end) = converse(&nobody(), None, &["+PONG", "+OK", "+OK", "-ERR unknown", "", &full]);
        let expected = [
            "PING",
            "REPLCONF listening-port 6380",
            "REPLCONF capa eof capa psync2",
            "REPLCONF version 9.1.0",
            "PSYNC ? -1",
        ];
        assert_eq!(asked, expected);
        assert_eq!(end, Ok(Answered::Full { replid: ReplId::parse(ID.as_bytes()).unwrap(), offset: 1234 }));
    }

    #[test]
    fn with_a_user_and_an_address_it_says_so_and_goes_on_where_it_was() {
        let us = Introduction {
            user: Some(b"repl".to_vec()),
            password: Some(b"a b".to_vec()),
            port: 7000,
            ip: Some("::1".into()),
        };
        let position = Position { replid: ReplId::parse(ID.as_bytes()).unwrap(), offset: 41, db: DbIndex(3) };
        let answers = ["-NOAUTH Authentication required.", "+OK", "+OK", "+OK", "+OK", "+OK", "+CONTINUE"];
        let (asked, end) = converse(&us, Some(position), &answers);
        assert_eq!(asked[1..3], ["AUTH repl a b", "REPLCONF listening-port 7000"]);
        assert_eq!(asked[3], "REPLCONF ip-address ::1");
        assert_eq!(asked[6], format!("PSYNC {ID} 42"));
        assert_eq!(end, Ok(Answered::Continue { replid: None }));
    }

    #[test]
    fn each_refusal_has_its_code() {
        let us = Introduction { password: Some(b"x".to_vec()), ..nobody() };
        let code = |us: &Introduction, answers: &[&str]| converse(us, None, answers).1.unwrap_err().code;
        assert_eq!(code(&us, &["-LOADING Redis is loading the dataset in memory"]), ErrorCode::Loading);
        assert_eq!(code(&us, &["-MASTERDOWN Link with MASTER is down"]), ErrorCode::NoMasterLink);
        assert_eq!(code(&us, &["+PONG", "-WRONGPASS invalid username-password pair"]), ErrorCode::WrongPass);
        assert_eq!(code(&us, &["+PONG", "-ERR invalid password"]), ErrorCode::WrongPass);
        assert_eq!(
            code(&us, &["+PONG", "-ERR Client sent AUTH, but no password is set"]),
            ErrorCode::WrongPass
        );
        let psync = |answer| code(&nobody(), &["+PONG", "+OK", "+OK", "+OK", answer]);
        assert_eq!(psync("-NOAUTH Authentication required."), ErrorCode::NoAuth);
        assert_eq!(psync("-ERR operation not permitted"), ErrorCode::NoAuth);
        assert_eq!(psync("-NOPERM this user has no permissions"), ErrorCode::NoPerm);
        assert_eq!(psync("-NOMASTERLINK Can't SYNC while not connected"), ErrorCode::NoMasterLink);
        assert_eq!(psync("-ERR Can't SYNC while not connected with my master"), ErrorCode::NoMasterLink);
        assert_eq!(psync("-LOADING x"), ErrorCode::Loading);
        assert_eq!(psync("-ERR unknown command 'PSYNC'"), ErrorCode::BadReply);
        assert_eq!(psync("+FULLRESYNC short 1"), ErrorCode::BadReply);
        assert_eq!(psync("+CONTINUE"), ErrorCode::BadReply, "nothing was asked to be continued");
        assert_eq!(psync("$3\r\nabc"), ErrorCode::BadReply);
    }
}
