//! HOTKEYS: which keys cost most, as long as somebody wants to know.

use std::time::Duration;

use commands::CommandError;
use protocol::number::parse_int;
use protocol::{Args, Reply};

use super::{Answered, Call, Then};
use crate::hot_keys::{Report, Running, Wanted};

/// HOTKEYS HELP
pub(super) const HELP: &[(&str, &str)] = &[
    ("HOTKEYS <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", ""),
    ("GET", "What was counted, with the keys that cost most, those first."),
    ("RESET", "Forgets what was counted, once that is over."),
    (
        "START METRICS <count> [CPU] [NET] [COUNT <keys>] [DURATION <seconds>] [SAMPLE <ratio>]",
        "Begins to count what requests cost their keys: CPU: how long they took; NET: the bytes of",
    ),
    ("", "them and of their answers; COUNT: of how many keys is told: 10; DURATION: for how long,"),
    ("", "or until it is stopped; SAMPLE: of so many requests one is counted, by chance: each."),
    ("STOP", "Ends the counting. What was counted can still be got."),
];

/// Keys that are told when nobody says how many, and the most that are.
const COUNT_DEFAULT: usize = 10;
const COUNT_MAX: i64 = 64;
/// The longest that counting lasts by its DURATION, in seconds.
const DURATION_MAX: i64 = 1_000_000;
/// The last slot of a cluster: there is none here, and so all are counted.
const LAST_SLOT: i64 = 16_383;

const ALREADY_RUNS: CommandError = CommandError::new("ERR hotkey tracking session already in progress");
const STILL_RUNS: CommandError =
    CommandError::new("ERR hotkey tracking session in progress, stop tracking first");

/// HOTKEYS START METRICS count metric ... [COUNT keys] [DURATION seconds] [SAMPLE ratio] [SLOTS count slot ...]
pub(super) fn start(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    // Looked at before the arguments are.
    call.node.hot_keys.stop_when_over(call.now.steady);
    if call.node.hot_keys.is_running() {
        return Err(ALREADY_RUNS);
    }
    let wanted = parse(call.args)?;
    call.node.hot_keys.start(wanted, call.now).map_err(|Running| ALREADY_RUNS)?;
    call.node.renew_measuring();
    reply.ok();
    Ok(Then::Continue)
}

/// HOTKEYS STOP
pub(super) fn stop(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let was_running = call.node.hot_keys.stop(call.now.steady);
    call.node.renew_measuring();
    if was_running {
        reply.ok()
    } else {
        reply.null()
    }
    Ok(Then::Continue)
}

/// HOTKEYS RESET
pub(super) fn reset(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    call.node.hot_keys.reset(call.now.steady).map_err(|Running| STILL_RUNS)?;
    call.node.renew_measuring();
    reply.ok();
    Ok(Then::Continue)
}

/// HOTKEYS GET
pub(super) fn get(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let Some(report) = call.node.hot_keys.report(call.now.steady) else {
        reply.null();
        return Ok(Then::Continue);
    };
    // One node tells of itself; who asks all of a cluster puts the lists together.
    reply.array(1);
    tell(&report, reply);
    Ok(Then::Continue)
}

fn tell(report: &Report, reply: &mut Reply) {
    let (wanted, figures) = (&report.wanted, &report.figures);
    let of_time = if wanted.time { 3 } else { 0 };
    let of_bytes = if wanted.bytes { 2 } else { 0 };
    reply.map(7 + of_time + of_bytes);
    let mut field = |name: &str, value: u64| {
        reply.bulk(name.as_bytes());
        int(reply, value);
    };
    field("tracking-active", report.is_running.into());
    field("sample-ratio", wanted.ratio.into());
    reply.bulk(b"selected-slots");
    reply.array(1);
    reply.array(2);
    reply.int(0);
    reply.int(LAST_SLOT);
    let mut field = |name: &str, value: u64| {
        reply.bulk(name.as_bytes());
        int(reply, value);
    };
    field("all-commands-all-slots-us", figures.all.nanos / 1000);
    field("net-bytes-all-commands-all-slots", figures.all.bytes);
    field("collection-start-time-unix-ms", u64::try_from(report.began_at.0).unwrap_or_default());
    field("collection-duration-ms", u64::try_from(report.lasted.as_millis()).unwrap_or(u64::MAX));
    if wanted.time {
        field("total-cpu-time-user-ms", report.cpu.user * 10);
        field("total-cpu-time-sys-ms", report.cpu.system * 10);
    }
    if wanted.bytes {
        field("total-net-bytes", figures.counted_bytes);
    }
    if wanted.time {
        ranked("by-cpu-time-us", &figures.by_time, 1000, reply);
    }
    if wanted.bytes {
        ranked("by-net-bytes", &figures.by_bytes, 1, reply);
    }
}

/// Keys and what they cost, in units of so many; those that cost less than one are not told.
fn ranked(name: &str, keys: &[(Box<[u8]>, u64)], unit: u64, reply: &mut Reply) {
    let told = keys.iter().map(|(key, cost)| (key, cost / unit)).filter(|(_, cost)| *cost > 0);
    reply.bulk(name.as_bytes());
    reply.array(2 * told.clone().count());
    for (key, cost) in told {
        reply.bulk(key);
        int(reply, cost);
    }
}

fn int(reply: &mut Reply, value: u64) {
    reply.int(i64::try_from(value).unwrap_or(i64::MAX));
}

/// What START asks for; its arguments are looked at in their order.
fn parse(args: Args<'_>) -> Result<Wanted, CommandError> {
    let (true, Some(count)) = (args.is_word(0, "metrics"), args.opt(1)) else {
        return Err(CommandError::new("ERR METRICS parameter is required"));
    };
    let count = within(count, 1, 2).ok_or(CommandError::new("ERR METRICS count must be > 0 and <= 2"))?;
    let mut options = 2;
    let (mut time, mut bytes) = (false, false);
    for _ in 0..count {
        if args.opt(options).is_none() {
            return Err(CommandError::new(
                "ERR METRICS count does not match number of metric types provided",
            ));
        }
        if args.is_word(options, "cpu") {
            if std::mem::replace(&mut time, true) {
                return Err(CommandError::new("ERR METRICS CPU defined more than once!"));
            }
        } else if args.is_word(options, "net") && std::mem::replace(&mut bytes, true) {
            return Err(CommandError::new("ERR METRICS NET defined more than once!"));
        }
        options += 1;
    }
    // Beside one that is known, others are passed over.
    if !time && !bytes {
        return Err(CommandError::new("ERR METRICS no valid metrics passed. Supported: CPU|NET"));
    }
    let mut wanted = Wanted { time, bytes, count: COUNT_DEFAULT, duration: None, ratio: 1 };
    for option in args.from(options).as_slice().chunks(2) {
        let [name, value] = option else { return Err(CommandError::Syntax) };
        let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
        if is("count") {
            wanted.count = within(value, 1, COUNT_MAX)
                .and_then(|count| usize::try_from(count).ok())
                .ok_or(CommandError::new("ERR COUNT must be between 1 and 64"))?;
        } else if is("duration") {
            let seconds = within(value, 1, DURATION_MAX)
                .and_then(|seconds| u64::try_from(seconds).ok())
                .ok_or(CommandError::new("ERR DURATION must be between 1 and 1000000"))?;
            wanted.duration = Some(Duration::from_secs(seconds));
        } else if is("sample") {
            wanted.ratio = within(value, 1, i64::from(i32::MAX))
                .and_then(|ratio| u32::try_from(ratio).ok())
                .ok_or(CommandError::new("ERR SAMPLE ratio must be positive"))?;
        } else if is("slots") {
            return Err(CommandError::new("ERR SLOTS parameter cannot be used in non-cluster mode"));
        } else {
            return Err(CommandError::Syntax);
        }
    }
    Ok(wanted)
}

fn within(text: &[u8], least: i64, most: i64) -> Option<i64> {
    parse_int(text).filter(|value| (least..=most).contains(value))
}
