//! A master that is a script: answers a replica's handshake, then sends what a test wants, right or wrong.
//!
//! Owns a listening port. Knows just enough of the protocol to be believed; keeps no data.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

/// The replid that it gives itself.
pub const REPLID: &str = "0123456789abcdef0123456789abcdef01234567";

/// What it answers to one kind of request: `PING`, `AUTH`, `REPLCONF`, `PSYNC`; `None` for the usual answer.
pub type Script = fn(words: &[String]) -> Option<Vec<u8>>;

/// The scripted master.
pub struct Scripted {
    pub port: u16,
    /// One socket a replica that has come as far as the transfer.
    arrived: Receiver<TcpStream>,
}

impl Scripted {
    /// Answers as usual, but for what `script` says itself.
    pub fn start(script: Script) -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let (sender, arrived) = channel();
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let sender = sender.clone();
                std::thread::spawn(move || drop(converse(socket, script, &sender)));
            }
        });
        Scripted { port, arrived }
    }

    /// Waits for a replica that has asked for a full resync and been answered `+FULLRESYNC`.
    pub fn replica(&self) -> TcpStream {
        self.arrived.recv_timeout(super::PATIENCE).expect("a replica that asks for a full resync")
    }
}

fn converse(socket: TcpStream, script: Script, arrived: &Sender<TcpStream>) -> std::io::Result<()> {
    let mut reader = BufReader::new(socket.try_clone()?);
    let mut out = socket.try_clone()?;
    loop {
        let words = request(&mut reader)?;
        let name = words.first().map(|word| word.to_ascii_uppercase()).unwrap_or_default();
        if let Some(answer) = script(&words) {
            out.write_all(&answer)?;
            continue;
        }
        match name.as_str() {
            "PING" => out.write_all(b"+PONG\r\n")?,
            "PSYNC" => {
                out.write_all(format!("+FULLRESYNC {REPLID} 0\r\n").as_bytes())?;
                let _ = arrived.send(socket.try_clone()?);
            }
            "REPLCONF" if words.get(1).is_some_and(|word| word.eq_ignore_ascii_case("ack")) => {}
            _ => out.write_all(b"+OK\r\n")?,
        }
    }
}

fn request(reader: &mut BufReader<TcpStream>) -> std::io::Result<Vec<String>> {
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if !line.trim().is_empty() {
            break; // an empty line says "still loading"
        }
    }
    let count: usize = line.trim_start_matches('*').trim().parse().map_err(std::io::Error::other)?;
    (0..count)
        .map(|_| {
            line.clear();
            reader.read_line(&mut line)?;
            let length: usize = line.trim_start_matches('$').trim().parse().map_err(std::io::Error::other)?;
            let mut bytes = vec![0; length + 2];
            reader.read_exact(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes[..length]).into_owned())
        })
        .collect()
}

/// A transfer of `rdb` as `$length`.
pub fn transfer(rdb: &[u8]) -> Vec<u8> {
    let mut bytes = format!("${}\r\n", rdb.len()).into_bytes();
    bytes.extend_from_slice(rdb);
    bytes
}

/// A small RDB: the keys of `body` (already in RDB form) in database 0, without a checksum.
pub fn rdb(body: &[u8]) -> Vec<u8> {
    let mut bytes = b"REDIS0009\xfe\x00".to_vec();
    bytes.extend_from_slice(body);
    bytes.push(0xff);
    bytes.extend_from_slice(&[0; 8]);
    bytes
}

/// One string key in RDB form.
pub fn string(key: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [key, value] {
        bytes.push(u8::try_from(text.len()).expect("short"));
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}
