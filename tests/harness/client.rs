//! A blocking RESP client for tests: sends words, gives back what came as a tree and as exact bytes.
//!
//! It is not nearside's own parser, so that the one cannot hide a fault of the other.
//!
//! Owns a connection, and the shape of replies. Never waits without end: every read has a timeout.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// One reply.
#[derive(Clone, PartialEq, PartialOrd)]
pub enum Frame {
    Simple(String),
    Error(String),
    Int(i64),
    Bulk(Vec<u8>),
    Null,
    NullArray,
    Array(Vec<Frame>),
    Map(Vec<(Frame, Frame)>),
    Set(Vec<Frame>),
    Push(Vec<Frame>),
    Double(String),
    Bool(bool),
    BigNumber(String),
    Verbatim(Vec<u8>),
}

impl Frame {
    pub fn text(&self) -> String {
        match self {
            Frame::Simple(text) | Frame::Error(text) | Frame::Double(text) | Frame::BigNumber(text) => {
                text.clone()
            }
            Frame::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Frame::Verbatim(bytes) => {
                String::from_utf8_lossy(bytes.get(4..).unwrap_or_default()).into_owned()
            }
            Frame::Int(n) => n.to_string(),
            other => panic!("no text: {other:?}"),
        }
    }
    pub fn bytes(&self) -> &[u8] {
        match self {
            Frame::Bulk(bytes) => bytes,
            Frame::Simple(text) => text.as_bytes(),
            other => panic!("no bytes: {other:?}"),
        }
    }
    pub fn int(&self) -> i64 {
        match self {
            Frame::Int(n) => *n,
            other => panic!("no integer: {other:?}"),
        }
    }
    pub fn items(&self) -> &[Frame] {
        match self {
            Frame::Array(items) | Frame::Set(items) | Frame::Push(items) => items,
            other => panic!("no array: {other:?}"),
        }
    }
    pub fn is_error(&self) -> bool {
        matches!(self, Frame::Error(_))
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Frame::Simple(text) => write!(f, "+{text}"),
            Frame::Error(text) => write!(f, "-{text}"),
            Frame::Int(n) => write!(f, ":{n}"),
            Frame::Bulk(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Frame::Null => write!(f, "(nil)"),
            Frame::NullArray => write!(f, "(nil array)"),
            Frame::Array(items) => f.debug_list().entries(items).finish(),
            Frame::Map(pairs) => f.debug_map().entries(pairs.iter().map(|(k, v)| (k, v))).finish(),
            Frame::Set(items) => f.debug_set().entries(items).finish(),
            Frame::Push(items) => write!(f, ">{items:?}"),
            Frame::Double(text) => write!(f, ",{text}"),
            Frame::Bool(b) => write!(f, "#{b}"),
            Frame::BigNumber(text) => write!(f, "({text}"),
            Frame::Verbatim(bytes) => write!(f, "={}", bytes.escape_ascii()),
        }
    }
}

/// A connection.
pub struct Client {
    socket: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Client {
    /// Connects to a server on the loopback address.
    pub fn connect(port: u16) -> Client {
        Self::try_connect(port).unwrap_or_else(|error| panic!("connect to 127.0.0.1:{port}: {error}"))
    }
    pub fn try_connect(port: u16) -> std::io::Result<Client> {
        let socket = TcpStream::connect(("127.0.0.1", port))?;
        socket.set_nodelay(true)?;
        // A DEBUG DIGEST of a million keys takes minutes in a build without any optimization.
        socket.set_read_timeout(Some(Duration::from_secs(600)))?;
        let reader = BufReader::with_capacity(1 << 16, socket.try_clone()?);
        Ok(Client { socket, reader })
    }

    /// A request's bytes.
    pub fn encode<W: AsRef<[u8]>>(words: &[W], into: &mut Vec<u8>) {
        into.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            let word = word.as_ref();
            into.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            into.extend_from_slice(word);
            into.extend_from_slice(b"\r\n");
        }
    }

    /// Sends one request and reads its reply.
    pub fn ask<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Frame {
        self.try_ask(words).unwrap_or_else(|error| panic!("{:?}: {error}", shown(words)))
    }
    pub fn try_ask<W: AsRef<[u8]>>(&mut self, words: &[W]) -> std::io::Result<Frame> {
        let mut bytes = Vec::new();
        Self::encode(words, &mut bytes);
        self.socket.write_all(&bytes)?;
        self.read()
    }
    /// The same from one line, split at blanks; panics on an error reply.
    pub fn line(&mut self, line: &str) -> Frame {
        let words: Vec<&str> = line.split_whitespace().collect();
        let reply = self.ask(&words);
        assert!(!reply.is_error(), "{line}: {reply:?}");
        reply
    }
    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.try_send_raw(bytes).expect("send");
    }
    pub fn try_send_raw(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.socket.write_all(bytes)
    }
    /// Sends many requests at once and reads all their replies.
    pub fn pipeline(&mut self, requests: &[Vec<Vec<u8>>]) -> Vec<Frame> {
        let mut bytes = Vec::new();
        for request in requests {
            Self::encode(request, &mut bytes);
        }
        let mut out = self.socket.try_clone().expect("a second handle");
        std::thread::scope(|scope| {
            scope.spawn(move || out.write_all(&bytes).expect("send"));
            requests.iter().map(|_| self.read().expect("reply")).collect()
        })
    }

    /// Sends many requests at once, and reads all that comes up to the frame `last`, or to the end of the connection.
    ///
    /// # Panics
    /// Where neither comes for as long as anything may take.
    pub fn until(&mut self, requests: &[Vec<Vec<u8>>], last: &Frame) -> Vec<Frame> {
        let mut bytes = Vec::new();
        requests.iter().for_each(|request| Self::encode(request, &mut bytes));
        self.socket.set_read_timeout(Some(super::PATIENCE)).expect("an option");
        let mut out = self.socket.try_clone().expect("a second handle");
        let mut frames = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(move || drop(out.write_all(&bytes))); // who is cut off in the midst has not read it all
            loop {
                match self.read() {
                    Ok(frame) if frame == *last => return frames,
                    Ok(frame) => frames.push(frame),
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                        let sent: Vec<String> = requests.iter().map(|words| shown(words)).collect();
                        let port = self.socket.peer_addr().map_or(0, |address| address.port());
                        panic!("no answer of port {port} after {} to\n{}", frames.len(), sent.join("\n"));
                    }
                    Err(_) => return frames,
                }
            }
        })
    }

    /// Reads one reply.
    pub fn read(&mut self) -> std::io::Result<Frame> {
        let line = self.read_line()?;
        let (kind, rest) = line.split_at(1);
        let number = || rest.parse::<i64>().map_err(std::io::Error::other);
        Ok(match kind {
            "+" => Frame::Simple(rest.to_owned()),
            "-" => Frame::Error(rest.to_owned()),
            ":" => Frame::Int(number()?),
            "_" => Frame::Null,
            "," => Frame::Double(rest.to_owned()),
            "#" => Frame::Bool(rest == "t"),
            "(" => Frame::BigNumber(rest.to_owned()),
            "$" | "=" => {
                let length = number()?;
                if length < 0 {
                    return Ok(Frame::Null);
                }
                let mut bytes = vec![0; length as usize + 2];
                self.reader.read_exact(&mut bytes)?;
                bytes.truncate(length as usize);
                if kind == "$" { Frame::Bulk(bytes) } else { Frame::Verbatim(bytes) }
            }
            "*" | "~" | ">" => {
                let length = number()?;
                if length < 0 {
                    return Ok(Frame::NullArray);
                }
                let items = (0..length).map(|_| self.read()).collect::<std::io::Result<_>>()?;
                match kind {
                    "*" => Frame::Array(items),
                    "~" => Frame::Set(items),
                    _ => Frame::Push(items),
                }
            }
            "%" => Frame::Map(
                (0..number()?).map(|_| Ok((self.read()?, self.read()?))).collect::<std::io::Result<_>>()?,
            ),
            _ => return Err(std::io::Error::other(format!("no RESP: {line:?}"))),
        })
    }

    /// Reads what another's doing brings: it is on its way, or something is wrong.
    pub fn read_soon(&mut self) -> std::io::Result<Frame> {
        self.socket.set_read_timeout(Some(Duration::from_secs(20)))?;
        let frame = self.read();
        self.socket.set_read_timeout(Some(Duration::from_secs(600)))?;
        frame
    }

    fn read_line(&mut self) -> std::io::Result<String> {
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line)?;
        if !line.ends_with(b"\r\n") {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        line.truncate(line.len() - 2);
        if line.is_empty() {
            return Err(std::io::Error::other("an empty line"));
        }
        Ok(String::from_utf8(line).unwrap_or_else(|wrong| wrong.into_bytes().escape_ascii().to_string()))
    }

    /// One field of an INFO section.
    pub fn info(&mut self, section: &str, field: &str) -> Option<String> {
        let text = self.ask(&["INFO", section]).text();
        text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':').map(str::to_owned))
    }
}

/// Words as a person would read them.
pub fn shown<W: AsRef<[u8]>>(words: &[W]) -> String {
    words.iter().map(|word| word.as_ref().escape_ascii().to_string()).collect::<Vec<_>>().join(" ")
}
