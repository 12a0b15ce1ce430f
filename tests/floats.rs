//! INCRBYFLOAT and HINCRBYFLOAT beside real servers: the same digits, and the same refusals.
//!
//! Owns the numbers at random, odd ways to write them included. Both are masters; ours speaks the other's dialect.

use crate::harness::client::shown;
use crate::harness::{Frame, Node, Random};

/// Additions of each server; the long tier multiplies them.
const ADDITIONS: usize = 8_000;
/// How many follow each other on one key.
const CHAIN: usize = 8;

/// A decimal number, or something like it.
fn number(random: &mut Random) -> String {
    const ODD: &[&str] = &[
        "",
        " 1",
        "1 ",
        "+1",
        "-0",
        "0x1p3",
        "0x1.8",
        "inf",
        "-inf",
        "infinity",
        "nan",
        ".5",
        "5.",
        ".",
        "e5",
        "1e",
        "1e+",
        "1e5",
        "1E-5",
        "1e4932",
        "1e-4950",
        "1.7976931348623157e308",
        "3.0e3",
        "1,5",
        "0.1.2",
        "--1",
        "1e1000000",
        "١",
        "9223372036854775807",
        "18446744073709551616",
        "-9223372036854775808",
        "0.1",
        "0.2",
        "1e17",
        "1e-17",
        "5e-18",
    ];
    let digits = |random: &mut Random, most: u64| -> String {
        let count = 1 + random.below(most);
        (0..count).map(|_| char::from(b'0' + random.below(10) as u8)).collect()
    };
    let sign = if random.one_in(2) { "-" } else { "" };
    match random.below(10) {
        0 => (*random.pick(ODD)).to_owned(),
        1 => format!("{sign}{}", digits(random, 19)),
        2 => format!("{sign}{}.{}", digits(random, 3), digits(random, 2)),
        3 => format!("{sign}{}.{}", digits(random, 10), digits(random, 17)),
        4 => format!("{sign}{}.{}", digits(random, 24), digits(random, 24)),
        5 => format!("{sign}0.{}{}", "0".repeat(random.below(20) as usize), digits(random, 6)),
        6 => format!("{sign}{}e{}", digits(random, 4), random.below(20)),
        7 => format!("{sign}{}.{}e-{}", digits(random, 2), digits(random, 18), random.below(25)),
        8 => format!("{sign}{}e{}", digits(random, 6), random.below(4970)),
        // A double, as programs print it.
        _ => format!("{}", f64::from_bits(random.next())).chars().take(200).collect(),
    }
}

fn sums(name: &str) {
    let master = crate::master_or_skip!(name);
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    let (mut theirs, mut ours) = (master.client(), node.client());
    ours.line("REPLICAOF NO ONE");
    let mut random = Random::from_env(20_261_124);
    let count = ADDITIONS * if std::env::var("NEARSIDE_LONG").is_ok() { 20 } else { 1 };
    let words = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
    for chain in 0..count / CHAIN {
        let (key, first) = (format!("number:{}", chain % 100), number(&mut random));
        let mut requests = vec![words(&["SET", &key, &first]), words(&["HSET", "numbers", &key, &first])];
        for _ in 0..CHAIN {
            let by = number(&mut random);
            requests.push(words(&["INCRBYFLOAT", &key, &by]));
            requests.push(words(&["HINCRBYFLOAT", "numbers", &key, &by]));
        }
        requests.push(words(&["GET", &key]));
        requests.push(words(&["HGET", "numbers", &key]));
        let (there, here) = (theirs.pipeline(&requests), ours.pipeline(&requests));
        // What an error says is the newest Redis' with us.
        let same = |(here, there): (&Frame, &Frame)| {
            here == there || (name != "redis-8.10" && here.is_error() && there.is_error())
        };
        if let Some(at) = here.iter().zip(&there).position(|pair| !same(pair)) {
            let sent: Vec<String> = requests[..=at].iter().map(|words| shown(words)).collect();
            panic!("{name}: {:?} here, {:?} there after\n{}", here[at], there[at], sent.join("\n"));
        }
    }
}

#[test]
fn redis_6_2() {
    sums("redis-6.2");
}

#[test]
fn redis_8_10() {
    sums("redis-8.10");
}

#[test]
fn valkey_9_1() {
    sums("valkey-9.1");
}
