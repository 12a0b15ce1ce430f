//! `open-loop PORT RATE KEYS`: GETs of `key:000000000000` and so on at a fixed rate, until standard input ends.
//!
//! Says `ready` when connected; at the end one line of JSON. A latency counts from the time at which the request was
//! meant to be sent, so that a server which stops answering is not spared the requests that it kept from being sent.
//! Never waits for an answer before it sends the next request.

#![allow(clippy::disallowed_methods)] // a program that measures

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Enough that one slow answer does not stand before all the others.
const CONNECTIONS: u64 = 4;
/// An answer later than this is counted as an error.
const PATIENCE: Duration = Duration::from_secs(30);

/// When the requests of one connection are due.
#[derive(Clone, Copy)]
struct Plan {
    start: Instant,
    every: Duration,
    keys: u64,
    seed: u64,
}

#[derive(Default)]
struct Outcome {
    latencies: Vec<Duration>,
    missing: u64,
    errors: u64,
}

fn main() -> io::Result<()> {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let &[port, rate, keys] = numbers.as_slice() else {
        return Err(io::Error::other("open-loop PORT RATE KEYS"));
    };
    let port = u16::try_from(port).map_err(io::Error::other)?;
    let ends = Arc::new(AtomicBool::new(false));
    let every = Duration::from_nanos(1_000_000_000 * CONNECTIONS / rate.max(1));
    let connected = (0..CONNECTIONS).map(|_| TcpStream::connect(("127.0.0.1", port)));
    let connected = connected.collect::<io::Result<Vec<_>>>()?;
    writeln!(io::stdout(), "ready")?;

    let start = Instant::now();
    let mut running = Vec::new();
    for (seed, stream) in (0u64..).zip(connected) {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let answers = BufReader::new(stream.try_clone()?);
        let plan = Plan { start: start + every.mul_f64(seed as f64 / CONNECTIONS as f64), every, keys, seed };
        let (due, awaited) = channel();
        let ends = Arc::clone(&ends);
        thread::spawn(move || send(stream, plan, &due, &ends));
        running.push(thread::spawn(move || receive(answers, &awaited)));
    }
    io::stdin().read_to_end(&mut Vec::new())?;
    ends.store(true, Ordering::Relaxed);

    let mut all = Outcome::default();
    for thread in running {
        let one = thread.join().map_err(|_| io::Error::other("a receiver ended badly"))?;
        all.latencies.extend(one.latencies);
        all.missing += one.missing;
        all.errors += one.errors;
    }
    report(all)
}

/// Sends each request when it is due, or at once when that time has passed.
fn send(mut stream: TcpStream, plan: Plan, due: &Sender<Instant>, ends: &AtomicBool) -> io::Result<()> {
    let mut at = plan.start;
    let mut random = plan.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    while !ends.load(Ordering::Relaxed) {
        thread::sleep(at.saturating_duration_since(Instant::now()));
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let request = format!("*2\r\n$3\r\nGET\r\n$16\r\nkey:{:012}\r\n", random % plan.keys.max(1));
        if due.send(at).is_err() {
            break;
        }
        stream.write_all(request.as_bytes())?;
        at += plan.every;
    }
    Ok(())
}

/// Reads one answer for each request that was due, until the sender is gone.
fn receive(mut answers: BufReader<TcpStream>, awaited: &Receiver<Instant>) -> Outcome {
    let mut outcome = Outcome::default();
    let mut line = Vec::new();
    let mut broken = false;
    for due in awaited {
        if broken {
            outcome.errors += 1;
            continue;
        }
        match answer(&mut answers, &mut line) {
            Ok(Answer::Value) => {}
            Ok(Answer::Missing) => outcome.missing += 1,
            Ok(Answer::Error) => outcome.errors += 1,
            Err(_) => {
                outcome.errors += 1;
                broken = true;
                continue;
            }
        }
        outcome.latencies.push(due.elapsed());
    }
    outcome
}

enum Answer {
    Value,
    Missing,
    Error,
}

fn answer(answers: &mut BufReader<TcpStream>, line: &mut Vec<u8>) -> io::Result<Answer> {
    line.clear();
    if answers.read_until(b'\n', line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let length = line.strip_prefix(b"$").and_then(|rest| std::str::from_utf8(rest).ok());
    match length.and_then(|text| text.trim_end().parse::<i64>().ok()) {
        Some(length) => match u64::try_from(length) {
            Ok(length) => {
                io::copy(&mut answers.take(length + 2), &mut io::sink())?;
                Ok(Answer::Value)
            }
            Err(_) => Ok(Answer::Missing),
        },
        None => Ok(Answer::Error),
    }
}

fn report(mut all: Outcome) -> io::Result<()> {
    all.latencies.sort_unstable();
    let at = |share: f64| {
        let index = (all.latencies.len() as f64 * share) as usize;
        all.latencies
            .get(index)
            .or(all.latencies.last())
            .map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
    };
    writeln!(
        io::stdout(),
        r#"{{"answers": {}, "missing": {}, "errors": {}, "p50": {:.4}, "p99": {:.4}, "p999": {:.4}, "max": {:.4}}}"#,
        all.latencies.len(),
        all.missing,
        all.errors,
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
    )
}
