//! What decoding costs: `cargo bench -p nearside-rdb`. Prints nanoseconds an item, the best of several rounds.
//!
//! The files are made here, in the form in which a server writes them, so that sizes are known; each is first
//! checked to give what was put in.
#![allow(missing_docs, clippy::print_stdout, clippy::disallowed_methods, clippy::indexing_slicing)] // a program that measures

use std::time::Instant;

use rdb::{Decoder, Item, Step};

const ITEMS: usize = 20_000;
/// So many that some are not disturbed; a number as the argument is taken instead.
const ROUNDS: usize = 200;

/// Bytes that come in pieces of this length, as a spool gives them.
const PIECE_BYTES: usize = 64 * 1024;

fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    match u8::try_from(bytes.len()) {
        Ok(short @ 0..64) => out.push(short),
        _ => {
            out.push(0x40 | (bytes.len() >> 8) as u8);
            out.push(bytes.len() as u8);
        }
    }
    out.extend_from_slice(bytes);
}

fn file(body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut file = b"REDIS0011\xfe\x00".to_vec();
    body(&mut file);
    file.push(0xff);
    let sum = rdb::checksum(&file);
    file.extend_from_slice(&sum.to_le_bytes());
    file
}

/// Decodes all of it, in pieces; how many keys and elements there were.
fn decode(file: &[u8], mut decoder: Decoder) -> usize {
    let (mut at, mut end, mut found) = (0, PIECE_BYTES.min(file.len()), 0);
    loop {
        match decoder.next(&file[at..end]) {
            Ok(Step::Item { item, used }) => {
                at += used;
                found +=
                    usize::from(matches!(item, Item::Whole { .. } | Item::Element(_) | Item::Field { .. }));
            }
            Ok(Step::More { .. }) => end = (end + PIECE_BYTES).min(file.len()),
            Ok(Step::Done) => return found,
            Err(error) => panic!("{error}"),
        }
    }
}

fn measure(name: &str, file: &[u8], items: usize, decoder: fn() -> Decoder) {
    assert_eq!(decode(file, decoder()), items, "{name}");
    let rounds = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(ROUNDS);
    let best = (0..rounds)
        .map(|_| {
            let began = Instant::now();
            std::hint::black_box(decode(std::hint::black_box(file), decoder()));
            began.elapsed()
        })
        .min()
        .unwrap_or_default();
    println!("{name:40} {:6.1} ns an item", best.as_nanos() as f64 / items as f64);
}

fn main() {
    let strings = file(|out| {
        for i in 0..ITEMS {
            out.push(0);
            text(out, format!("key:{i:012}").as_bytes());
            text(out, &[b'v'; 100]);
        }
    });
    measure("strings, 16 and 100 bytes", &strings, ITEMS, Decoder::new);
    measure("the same, no checksum", &strings, ITEMS, Decoder::without_checksum);
    let small = file(|out| {
        for i in 0..ITEMS {
            out.push(0);
            text(out, format!("k{i}").as_bytes());
            text(out, b"value");
        }
    });
    measure("strings, 7 and 5 bytes", &small, ITEMS, Decoder::new);
    measure("the same, no checksum", &small, ITEMS, Decoder::without_checksum);
    let deadlines = file(|out| {
        for i in 0..ITEMS {
            out.push(0xfc);
            out.extend_from_slice(&(1_700_000_000_000u64 + i as u64).to_le_bytes());
            out.push(0);
            text(out, format!("k{i}").as_bytes());
            out.extend_from_slice(b"\xc2\x01\x02\x03\x04");
        }
    });
    measure("integers with deadlines", &deadlines, ITEMS, Decoder::new);
    let set = file(|out| {
        out.push(2);
        text(out, b"set");
        out.push(0x80);
        out.extend_from_slice(&(ITEMS as u32).to_be_bytes());
        for i in 0..ITEMS {
            text(out, format!("member:{i:08}").as_bytes());
        }
    });
    measure("members of one set", &set, ITEMS, Decoder::new);
    let hash = file(|out| {
        out.push(4);
        text(out, b"hash");
        out.push(0x80);
        out.extend_from_slice(&(ITEMS as u32).to_be_bytes());
        for i in 0..ITEMS {
            text(out, format!("field:{i:08}").as_bytes());
            text(out, b"value");
        }
    });
    measure("fields of one hash", &hash, ITEMS, Decoder::new);
    // "abcdefgh" fourteen times, as LZF has it.
    let packed = b"\x07abcdefgh\xe0\x5f\x07";
    let compressed = file(|out| {
        for i in 0..ITEMS {
            out.push(0);
            text(out, format!("k{i}").as_bytes());
            out.extend_from_slice(&[0xc3, packed.len() as u8, 0x40, 112]);
            out.extend_from_slice(packed);
        }
    });
    measure("strings of 112 bytes, compressed", &compressed, ITEMS, Decoder::new);
}
