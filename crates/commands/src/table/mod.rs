//! The command table: one row a command, a file a family.
//!
//! Owns every row. Dispatch, COMMAND, ACL, READONLY refusals, key filters, metric labels and the README's list all
//! follow from these rows. What else names commands adds to a row, and never makes a command: `command_docs.txt` what
//! they are for, `tips` the hints for clusters, `replication`'s `fallible` which of them cannot fail.

mod string;
mod hash;
mod list;
mod set;
mod sorted_set;
mod stream;
mod generic;
mod bitmap;
mod hyperloglog;
mod geo;
mod array;
mod scripting;
mod pubsub;
mod transactions;
mod connection;
mod server;
mod cluster;

mod tips;

pub(crate) use tips::tips;

use crate::spec::{Command, Group, Run};

/// The families; a row's place among all of them is its [`Command::id`].
const FAMILIES: &[&[Command]] = &[
    string::ROWS,
    hash::ROWS,
    list::ROWS,
    set::ROWS,
    sorted_set::ROWS,
    stream::ROWS,
    generic::ROWS,
    bitmap::ROWS,
    hyperloglog::ROWS,
    geo::ROWS,
    array::ROWS,
    scripting::ROWS,
    pubsub::ROWS,
    transactions::ROWS,
    connection::ROWS,
    server::ROWS,
    cluster::ROWS,
];

/// How many rows there are.
pub const COUNT: usize = {
    let mut count = 0;
    let mut families = FAMILIES;
    while let [rows, rest @ ..] = families {
        count += rows.len();
        families = rest;
    }
    count
};

/// All rows; subcommands too, under `container|sub`.
pub static COMMANDS: &[Command; COUNT] = &ROWS;

#[allow(clippy::large_const_arrays)] // only the compiler copies it, into the static above
const ROWS: [Command; COUNT] = concatenate();

#[allow(clippy::indexing_slicing, clippy::cast_possible_truncation)] // runs in the compiler, which checks
const fn concatenate() -> [Command; COUNT] {
    let mut all = [Command::new("", 0, Group::Generic, "", Run::Container); COUNT];
    let mut next = 0;
    let mut families = FAMILIES;
    while let [rows, others @ ..] = families {
        let mut rows = *rows;
        while let [row, rest @ ..] = rows {
            all[next] = row.numbered(next as u16);
            next += 1;
            rows = rest;
        }
        families = others;
    }
    all
}

/// Slots of the name table: at least twice the rows, so that a probe ends soon.
const SLOTS: usize = (COUNT * 2).next_power_of_two();

/// No row.
const EMPTY: u16 = u16::MAX;

/// Row numbers by the hash of their names, open addressing; made by the compiler.
static BY_NAME: [u16; SLOTS] = index_names();

#[allow(clippy::indexing_slicing, clippy::cast_possible_truncation)] // runs in the compiler, which checks
const fn index_names() -> [u16; SLOTS] {
    let mut slots = [EMPTY; SLOTS];
    let mut row = 0;
    while row < COUNT {
        let mut slot = key_of(ROWS[row].name.as_bytes()).slot;
        while slots[slot] != EMPTY {
            slot = (slot + 1) % SLOTS;
        }
        slots[slot] = row as u16;
        row += 1;
    }
    slots
}

/// Up to 8 bytes of a name in one word; of names of one length no two give the same.
const fn word_of(name: &[u8]) -> u64 {
    match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            u32::from_le_bytes(*first) as u64 | (u32::from_le_bytes(*last) as u64) << 32
        }
        _ => match name {
            [] => 0,
            [a] => *a as u64,
            [a, b] => *a as u64 | (*b as u64) << 8,
            [a, b, c, ..] => *a as u64 | (*b as u64) << 8 | (*c as u64) << 16,
        },
    }
}

/// The same in lower case.
const fn folded(name: &[u8]) -> u64 {
    let word = word_of(name);
    // Eight bytes side by side: the top bit of each says whether it is one of A to Z.
    const EACH: u64 = 0x0101_0101_0101_0101;
    let low = word & (EACH * 0x7f);
    let from_a = low + EACH * (0x80 - b'A' as u64);
    let beyond_z = low + EACH * (0x7f - b'Z' as u64);
    let capital = (from_a ^ beyond_z) & !word & (EACH * 0x80);
    word | capital >> 2
}

/// What the search for a name goes by, whatever its letters' case.
#[derive(Clone, Copy)]
struct NameKey {
    /// Where it begins.
    slot: usize,
    /// The last of the name: all of one of up to 8 bytes.
    last: u64,
}

/// The key of this name.
#[allow(clippy::cast_possible_truncation)] // a slot is a few bits of the hash
const fn key_of(name: &[u8]) -> NameKey {
    const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut hash = name.len() as u64;
    let mut rest = name;
    while rest.len() > 8
        && let Some((chunk, after)) = rest.split_first_chunk::<8>()
    {
        hash = (hash ^ folded(chunk)).wrapping_mul(MIX);
        hash ^= hash >> 29;
        rest = after;
    }
    let last = folded(rest);
    NameKey { slot: ((hash ^ last).wrapping_mul(MIX) >> 40) as usize % SLOTS, last }
}

/// The row of this name, in any case; a subcommand's as `container|sub`.
pub fn find(name: &[u8]) -> Option<&'static Command> {
    let NameKey { mut slot, last } = key_of(name);
    loop {
        // An empty slot ends the search: its number is no row's.
        let command = COMMANDS.get(usize::from(*BY_NAME.get(slot)?))?;
        let own = command.name.as_bytes();
        // A short name, of which nearly all are, is compared in one piece: of one length no two give the same.
        if own.len() == name.len()
            && if own.len() <= 8 { word_of(own) == last } else { own.eq_ignore_ascii_case(name) }
        {
            return Some(command);
        }
        slot = (slot + 1) % SLOTS;
    }
}

/// The longest name of a subcommand's row that is looked for.
const FULL_NAME_BYTES_MAX: usize = 64;

/// The row of a container's subcommand, both in any case.
pub fn find_subcommand(container: &Command, name: &[u8]) -> Option<&'static Command> {
    let mut full = [0; FULL_NAME_BYTES_MAX];
    let head = container.name.len();
    let len = head.checked_add(1)?.checked_add(name.len())?;
    full.get_mut(..head)?.copy_from_slice(container.name.as_bytes());
    *full.get_mut(head)? = b'|';
    full.get_mut(head + 1..len)?.copy_from_slice(name);
    find(full.get(..len)?)
}

/// The subcommands of a container, in the table's order.
pub fn subcommands(container: &Command) -> impl Iterator<Item = &'static Command> {
    let name = container.name;
    COMMANDS.iter().filter(move |row| row.container() == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_by_its_name_in_any_case() {
        for (place, row) in COMMANDS.iter().enumerate() {
            assert_eq!(usize::from(row.id()), place);
            assert_eq!(find(row.name.as_bytes()).unwrap().id(), row.id(), "{} stands twice", row.name);
            assert_eq!(find(row.name.to_uppercase().as_bytes()).unwrap().id(), row.id());
            assert_eq!(row.name, row.name.to_lowercase());
        }
        for name in ["", "x", "gett", "get|", "nonexistent", "client|", "client|nothing"] {
            assert!(find(name.as_bytes()).is_none(), "{name}");
        }
        // Bytes that differ from a letter as its cases do, and letters that are none of ours.
        for name in [&b"GE\x14"[..], b"\xc7ET", b"[EX", b"client\\id", b"client\x1cid", b"get\0"] {
            assert!(find(name).is_none(), "{}", name.escape_ascii());
        }
    }

    #[test]
    fn letters_are_folded_and_nothing_else() {
        for byte in u8::MIN..=u8::MAX {
            for len in 1..=8 {
                let name = vec![byte; len];
                assert_eq!(folded(&name), folded(&name.to_ascii_lowercase()), "{byte}");
                assert_eq!(folded(&name).to_le_bytes()[0], byte.to_ascii_lowercase());
            }
        }
    }

    #[test]
    fn subcommands_belong_to_a_container() {
        for row in COMMANDS {
            let Some(container) = row.container() else { continue };
            let container = find(container.as_bytes()).unwrap();
            assert!(container.has_subcommands(), "{}", row.name);
        }
        let client = find(b"client").unwrap();
        assert_eq!(find_subcommand(client, b"SETname").unwrap().name, "client|setname");
        assert!(find_subcommand(client, &[b'x'; 500]).is_none());
        for row in COMMANDS {
            assert_eq!(subcommands(row).next().is_some(), row.has_subcommands(), "{}", row.name);
        }
    }
}
