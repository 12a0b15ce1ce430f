//! LOLWUT: a picture, and the version.
//!
//! Owns the drawing: the side of the moon that is near, with other craters each time.

use commands::CommandError;
use protocol::Reply;
use protocol::number::parse_int;

use super::{Answered, Call, Then};

/// Columns of the picture, when nobody says how many; and the most.
const COLUMNS: usize = 66;
const COLUMNS_MAX: usize = 160;
/// Craters, when nobody says how many; and the most.
const CRATERS: usize = 24;
const CRATERS_MAX: usize = 200;
/// From dark to bright.
const SHADES: &[u8] = b".:-=+*#%@";

/// LOLWUT [VERSION version] [columns] [craters]
pub(super) fn lolwut(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let mut args = call.args.as_slice();
    if let [word, version, rest @ ..] = args
        && word.eq_ignore_ascii_case(b"version")
    {
        // All versions draw the same, but two of them are given numbers.
        let numbers = match parse_int(version).ok_or(CommandError::NotInteger)? {
            5 => 3,
            6 => 2,
            _ => 0,
        };
        if rest.iter().take(numbers).any(|word| parse_int(word).is_none()) {
            return Err(CommandError::NotInteger);
        }
        args = rest;
    }
    let number = |place: usize, otherwise: usize, most: usize| {
        let given = args.get(place).and_then(|word| parse_int(word));
        given.map_or(otherwise, |value| usize::try_from(value).unwrap_or_default().clamp(1, most))
    };
    let (columns, craters) = (number(0, COLUMNS, COLUMNS_MAX), number(1, CRATERS, CRATERS_MAX));
    let seed = getrandom::u64().unwrap_or(call.node.stats.total(|block| &block.commands_processed));
    let mut text = moon(columns, craters, seed);
    let version = match call.node.dialect().valkey_version() {
        Some(version) => format!("Valkey ver. {version}"),
        None => format!("Redis ver. {}", call.node.settings.read().report_version),
    };
    text.push_str(&format!("\nThe near side, of which nobody sees the same twice. {version}\n"));
    reply.verbatim("txt", text.as_bytes());
    Ok(Then::Continue)
}

/// A crater: where on the disc (each from -1 to 1), and how far it reaches.
struct Crater {
    x: f64,
    y: f64,
    radius: f64,
}

/// The disc, lit from the upper left. A character is twice as high as it is wide.
fn moon(columns: usize, craters: usize, seed: u64) -> String {
    let mut random = Random(seed);
    let craters: Vec<Crater> = (0..craters)
        .map(|_| Crater {
            x: random.next() * 2.0 - 1.0,
            y: random.next() * 2.0 - 1.0,
            radius: 0.04 + 0.22 * random.next().powi(4),
        })
        .collect();
    let lines = columns.div_ceil(2);
    let mut text = String::with_capacity((columns + 1) * lines);
    for line in 0..lines {
        let y = (line as f64 + 0.5) / lines as f64 * 2.0 - 1.0;
        let from = text.len();
        for column in 0..columns {
            let x = (column as f64 + 0.5) / columns as f64 * 2.0 - 1.0;
            text.push(shade(x, y, &craters));
        }
        text.truncate(from + text.get(from..).map_or(0, |drawn| drawn.trim_end().len()));
        text.push('\n');
    }
    text
}

fn shade(x: f64, y: f64, craters: &[Crater]) -> char {
    let apart = 1.0 - x * x - y * y;
    if apart < 0.0 {
        return ' ';
    }
    // The surface looks this way, and the light comes from there.
    let mut light = (-0.5 * x - 0.5 * y + 0.7 * apart.sqrt()).clamp(0.0, 1.0);
    for crater in craters {
        let (dx, dy) = ((x - crater.x) / crater.radius, (y - crater.y) / crater.radius);
        let from_middle = (dx * dx + dy * dy).sqrt();
        if from_middle < 0.8 {
            // Inside, what is turned away from the light is dark.
            light *= 0.55 + 0.3 * (dx + dy);
        } else if from_middle < 1.1 {
            light += 0.25;
        }
    }
    let last = SHADES.len() - 1;
    let step = (light.clamp(0.0, 1.0) * last as f64).round() as usize;
    SHADES.get(step.min(last)).map_or(' ', |shade| char::from(*shade))
}

/// Numbers that look like chance: splitmix64.
struct Random(u64);

impl Random {
    /// From 0 to below 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moon_is_round_and_no_two_are_the_same() {
        let drawn = moon(66, 24, 1);
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines.len(), 33);
        assert!(lines.iter().all(|line| line.len() <= 66));
        assert!(lines[16].len() > 60 && lines[0].trim().len() < 30);
        assert_ne!(drawn, moon(66, 24, 2));
        assert_eq!(moon(1, 1, 3).lines().count(), 1);
    }
}
