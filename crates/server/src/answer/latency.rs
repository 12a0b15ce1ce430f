//! LATENCY: how long requests take, and what held up clients.
//!
//! Owns the answers, what GRAPH draws and what DOCTOR says. Never measures: see [`crate::latency`].

use commands::{CommandError, table};
use protocol::Reply;

use super::{Answered, Call, Then};
use crate::clock;
use crate::latency::{Event, Sample, Series};

/// LATENCY HELP
pub(super) const HELP: &[(&str, &str)] = &[
    ("LATENCY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", ""),
    ("DOCTOR", "What held up clients, in words, and what to do about it."),
    ("GRAPH <event>", "The samples of an event, drawn."),
    ("HISTOGRAM [<command> ...]", "How many requests of each command took at most how many microseconds."),
    ("HISTORY <event>", "The samples of an event: when, and how many milliseconds."),
    ("LATEST", "Of each event the latest sample, and the worst ever."),
    ("RESET [<event> ...]", "Forgets the samples of events, or all."),
];

/// Samples that are drawn side by side.
const COLUMNS: usize = 80;
/// Lines that a drawing is high.
const LINES: u64 = 4;
/// The steps within a line, lowest first.
const STEPS: [char; 3] = ['_', 'o', '#'];

/// LATENCY LATEST
pub(super) fn latest(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let known: Vec<(Event, Series, Sample)> = Event::ALL
        .into_iter()
        .filter_map(|event| {
            let series = call.node.latency.of(event);
            let last = *series.samples.last()?;
            Some((event, series, last))
        })
        .collect();
    reply.array(known.len());
    for (event, series, last) in known {
        reply.array(4);
        reply.bulk(event.name().as_bytes());
        reply.int(last.at);
        int(reply, last.millis);
        int(reply, series.worst);
    }
    Ok(Then::Continue)
}

/// LATENCY HISTORY event
pub(super) fn history(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let series = Event::named(call.args.get(0)).map(|event| call.node.latency.of(event)).unwrap_or_default();
    reply.array(series.samples.len());
    for sample in series.samples {
        reply.array(2);
        reply.int(sample.at);
        int(reply, sample.millis);
    }
    Ok(Then::Continue)
}

/// LATENCY RESET [event ...]
pub(super) fn reset(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let names = call.args.as_slice();
    let is_named = |event: &Event| names.iter().any(|name| Event::named(name) == Some(*event));
    let forgotten = Event::ALL
        .into_iter()
        .filter(|event| names.is_empty() || is_named(event))
        .filter(|event| call.node.latency.reset(*event))
        .count();
    reply.len_int(forgotten);
    Ok(Then::Continue)
}

/// LATENCY GRAPH event
pub(super) fn graph(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let name = call.args.get(0);
    let none = || CommandError::naming("ERR No samples available for event '", name, "'");
    let event = Event::named(name).ok_or_else(none)?;
    let series = call.node.latency.of(event);
    if series.samples.is_empty() {
        return Err(none());
    }
    reply.verbatim("txt", drawing(event, &series, clock::unix_millis().0 / 1000).as_bytes());
    Ok(Then::Continue)
}

/// LATENCY HISTOGRAM [command ...]
pub(super) fn histogram(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let names = call.args.as_slice();
    let is_wanted = |row: &commands::Command| {
        let is = |name: &str| names.iter().any(|word| word.eq_ignore_ascii_case(name.as_bytes()));
        // A container's name stands for all of its subcommands.
        names.is_empty() || is(row.name) || row.container().is_some_and(is)
    };
    let deferred = reply.defer();
    let mut told = 0;
    for row in table::COMMANDS.iter().filter(|row| is_wanted(row)) {
        let times = call.node.stats.times(row);
        let calls = times.calls();
        if calls == 0 {
            continue;
        }
        told += 1;
        reply.bulk(row.name.as_bytes());
        reply.map(2);
        reply.bulk(b"calls");
        int(reply, calls);
        reply.bulk(b"histogram_usec");
        let steps = times.by_doubling();
        reply.map(steps.len());
        for (micros, sum) in steps {
            int(reply, micros);
            int(reply, sum);
        }
    }
    reply.map_at(deferred, told);
    Ok(Then::Continue)
}

/// LATENCY DOCTOR
pub(super) fn doctor(call: &mut Call<'_>, reply: &mut Reply) -> Answered {
    let config = call.node.settings.read();
    let (threshold, slower_than) = (config.latency_threshold, config.command_log.slower_than);
    drop(config);
    let text = if threshold == 0 {
        String::from(
            "Nothing is watched: latency-monitor-threshold is 0. With CONFIG SET latency-monitor-threshold \
             <milliseconds> everything is noted that holds up clients for so long.\n",
        )
    } else {
        let known = Event::ALL.map(|event| (event, call.node.latency.of(event)));
        report(&known, threshold, slower_than)
    };
    reply.verbatim("txt", text.as_bytes());
    Ok(Then::Continue)
}

fn int(reply: &mut Reply, value: u64) {
    reply.int(i64::try_from(value).unwrap_or(i64::MAX));
}

/// What DOCTOR says of these samples.
fn report(known: &[(Event, Series)], threshold: u64, slower_than: i64) -> String {
    let seen: Vec<&(Event, Series)> = known.iter().filter(|(_, series)| !series.samples.is_empty()).collect();
    if seen.is_empty() {
        return format!("Nothing has held up clients for {threshold} milliseconds or longer.\n");
    }
    let mut text = format!("Clients were held up for {threshold} milliseconds or longer by:\n\n");
    for (place, (event, series)) in seen.iter().enumerate() {
        let (average, deviation) = spread(&series.samples);
        text.push_str(&format!(
            "{}. {}: {} seconds with samples, {average:.0} ms on average (give or take {deviation:.0}), the worst ever \
             {} ms.\n",
            place + 1,
            event.name(),
            series.samples.len(),
            series.worst,
        ));
    }
    text.push_str("\nWhat may help:\n\n");
    let has = |wanted: Event| seen.iter().any(|(event, _)| *event == wanted);
    if has(Event::Command) {
        let micros = threshold.saturating_mul(1000);
        if slower_than < 0 || slower_than.unsigned_abs() > micros {
            text.push_str(&format!(
                "- SLOWLOG does not keep all of these requests: CONFIG SET slowlog-log-slower-than {micros}.\n"
            ));
        }
        text.push_str(
            "- SLOWLOG GET names the requests. Reads of whole large values and of many keys are long; the SCAN family and \
             ranges give the same in parts.\n",
        );
    }
    if has(Event::FastCommand) {
        text.push_str(
            "- Commands that are always short were held up: the machine had no processor for this process, or its memory \
             was swapped out. Look at its load, at limits on its processors, and for swapping.\n",
        );
    }
    if has(Event::ExpireCycle) {
        text.push_str("- Many keys expire at the same time: spread their deadlines.\n");
    }
    if has(Event::EvictionCycle) {
        text.push_str(
            "- Keys go because maxmemory is reached: large values take long to go, and many to be found.\n",
        );
    }
    text
}

/// Average, and mean distance from it.
fn spread(samples: &[Sample]) -> (f64, f64) {
    let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / samples.len().max(1) as f64;
    let average = mean(&mut samples.iter().map(|sample| sample.millis as f64));
    let deviation = mean(&mut samples.iter().map(|sample| (sample.millis as f64 - average).abs()));
    (average, deviation)
}

/// What GRAPH draws: a column a sample, and below it how long ago that was.
fn drawing(event: Event, series: &Series, now: i64) -> String {
    let millis = || series.samples.iter().map(|sample| sample.millis);
    let (low, high) = (millis().min().unwrap_or_default(), millis().max().unwrap_or_default());
    let mut text = format!(
        "{} - high {high} ms, low {low} ms (all time high {} ms)\n{}\n",
        event.name(),
        series.worst,
        "-".repeat(COLUMNS)
    );
    for (place, samples) in series.samples.chunks(COLUMNS).enumerate() {
        if place > 0 {
            text.push('\n');
        }
        columns(samples, low, high, now, &mut text);
    }
    text
}

fn columns(samples: &[Sample], low: u64, high: u64, now: i64, text: &mut String) {
    let steps = LINES * STEPS.len() as u64;
    // 0 for the lowest of all, the top step for the highest.
    let step_of = |sample: &Sample| {
        let above = u128::from(sample.millis.saturating_sub(low)) * u128::from(steps);
        let step = above / u128::from(high.saturating_sub(low).max(1));
        u64::try_from(step).unwrap_or(steps).min(steps - 1)
    };
    for line in (0..LINES).rev() {
        text.extend(samples.iter().map(
            |sample| match step_of(sample).checked_sub(line * STEPS.len() as u64) {
                None => ' ',
                Some(step) => {
                    usize::try_from(step).ok().and_then(|step| STEPS.get(step)).copied().unwrap_or('|')
                }
            },
        ));
        text.push('\n');
    }
    let ages: Vec<Vec<char>> = samples.iter().map(|sample| age(now - sample.at).chars().collect()).collect();
    let height = ages.iter().map(Vec::len).max().unwrap_or_default();
    text.extend(std::iter::repeat_n(' ', samples.len()));
    text.push('\n');
    for line in 0..height {
        text.extend(ages.iter().map(|age| age.get(line).copied().unwrap_or(' ')));
        text.push('\n');
    }
}

/// So many seconds, in the largest unit that fits.
fn age(seconds: i64) -> String {
    const UNITS: [(i64, char); 4] = [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')];
    let seconds = seconds.max(0);
    let (unit, mark) = UNITS.into_iter().find(|(unit, _)| seconds >= *unit).unwrap_or((1, 's'));
    format!("{}{mark}", seconds / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(millis: &[u64]) -> Series {
        let samples: Vec<Sample> =
            millis.iter().zip(100..).map(|(millis, at)| Sample { at, millis: *millis }).collect();
        Series { worst: millis.iter().copied().max().unwrap_or_default(), samples }
    }

    #[test]
    fn a_graph_is_the_one_that_a_real_server_draws() {
        let drawn = drawing(Event::Command, &series(&[20, 50, 1300, 1102]), 103);
        let expected = "  #o\n  ||\n  ||\n__||\n    \n3210\nssss\n";
        assert_eq!(
            drawn,
            format!(
                "command - high 1300 ms, low 20 ms (all time high 1300 ms)\n{}\n{expected}",
                "-".repeat(80)
            )
        );
        let lines = drawing(Event::Command, &series(&[7; 81]), 40_000);
        assert_eq!(lines.lines().filter(|line| *line == "_".repeat(80)).count(), 1);
        assert!(lines.ends_with("\n_\n \n1\n1\nh\n"), "{lines}");
    }

    #[test]
    fn the_doctor_names_what_was_seen() {
        let known = [(Event::Command, series(&[10, 30])), (Event::FastCommand, Series::default())];
        let told = report(&known, 5, 10_000);
        assert!(
            told.contains("1. command: 2 seconds with samples, 20 ms on average (give or take 10)"),
            "{told}"
        );
        assert!(told.contains("slowlog-log-slower-than 5000") && !told.contains("swapped"), "{told}");
        assert!(!report(&known, 50, 10_000).contains("slowlog-log-slower-than"));
        assert_eq!(report(&[], 5, 0), "Nothing has held up clients for 5 milliseconds or longer.\n");
    }
}
