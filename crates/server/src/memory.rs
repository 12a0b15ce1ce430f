//! How much memory the process has, as the allocator and the kernel see it.
//!
//! Owns the asking, and the one request: to give back what is not needed. Never estimates: where nobody knows, the
//! kernel's figure stands for it.

/// Bytes at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// In live allocations; without jemalloc, what is resident.
    pub(crate) used: u64,
    /// In pages with live allocations.
    pub(crate) active: u64,
    /// In pages the allocator holds.
    pub(crate) resident: u64,
    /// In pages the kernel holds for the process.
    pub(crate) rss: u64,
    /// Whether the first three are the allocator's own figures.
    pub(crate) is_measured: bool,
}

/// The allocator's name.
pub(crate) fn allocator() -> &'static str {
    if cfg!(feature = "jemalloc") { "jemalloc" } else { "libc" }
}

/// Asks both.
pub(crate) fn look() -> Memory {
    let rss = resident_set();
    match allocated() {
        Some((used, active, resident)) => Memory { used, active, resident, rss, is_measured: true },
        None => Memory { used: rss, active: rss, resident: rss, rss, is_measured: false },
    }
}

/// Bytes of memory of the machine.
pub(crate) fn total_of_machine() -> u64 {
    field("/proc/meminfo", "MemTotal:").unwrap_or_default()
}

#[cfg(feature = "jemalloc")]
fn allocated() -> Option<(u64, u64, u64)> {
    use tikv_jemalloc_ctl::{epoch, stats};
    epoch::advance().ok()?;
    let bytes = |value: Result<usize, _>| value.ok().and_then(|value| u64::try_from(value).ok());
    Some((bytes(stats::allocated::read())?, bytes(stats::active::read())?, bytes(stats::resident::read())?))
}

#[cfg(not(feature = "jemalloc"))]
fn allocated() -> Option<(u64, u64, u64)> {
    None
}

/// What the allocator tells of itself, where it does. Takes milliseconds.
#[cfg(feature = "jemalloc")]
pub(crate) fn allocator_report() -> Option<Vec<u8>> {
    use tikv_jemalloc_ctl::stats_print::{Options, stats_print};
    let mut text = Vec::new();
    stats_print(&mut text, Options::default()).ok()?;
    Some(text)
}

/// It tells nothing.
#[cfg(not(feature = "jemalloc"))]
pub(crate) fn allocator_report() -> Option<Vec<u8>> {
    None
}

/// Gives the pages that the allocator keeps for later back to the kernel, now rather than when they have lain there for
/// a while: what a load has taken for a moment is not needed soon. Takes milliseconds.
#[cfg(feature = "jemalloc")]
pub(crate) fn give_back() {
    use tikv_jemalloc_ctl::{Access, AsName};
    let Ok(arenas) = tikv_jemalloc_ctl::arenas::narenas::read() else { return };
    for arena in 0..arenas {
        // Pages that may lie there for no time at all go at once.
        let decay = format!("arena.{arena}.dirty_decay_ms\0");
        if let Ok(before) = decay.name().update(0_isize) {
            let _as_it_was = decay.name().write(before);
        }
    }
}

/// There is nothing that could be asked.
#[cfg(not(feature = "jemalloc"))]
pub(crate) fn give_back() {}

fn resident_set() -> u64 {
    field("/proc/self/status", "VmRSS:").unwrap_or_default()
}

/// A figure in kB of one of the kernel's lists.
fn field(file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}
