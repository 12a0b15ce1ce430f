//! What the node says of its memory, beside what it was given and what the kernel says.

use crate::harness::{Master, Node};

fn number(info: &str, field: &str) -> u64 {
    let line = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("{field} in {info}"))
}

fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the node runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

#[test]
fn info_memory_says_what_the_keys_take() {
    const KEYS: u64 = 3000;
    const SLOT_BYTES: u64 = 14;
    let Some(master) = Master::start("redis-7.0", &["--repl-diskless-sync-delay", "0"]) else { return };
    master.client().line(&format!("DEBUG POPULATE {KEYS} key 10000"));
    let node = Node::replica_of(&master);
    node.wait_state("streaming");
    node.wait_caught_up(&master);
    let mut client = node.client();
    let keys: u64 = (0..KEYS)
        .map(|key| client.line(&format!("MEMORY USAGE key:{key}")).int() as u64)
        .map(|said| said - SLOT_BYTES)
        .sum();
    let info = client.line("INFO memory").text();
    let of = |field: &str| number(&info, field);
    let near = |one: u64, other: u64, most: u64| one.abs_diff(other) * 100 <= most * one.max(other);

    assert!(near(of("used_memory_dataset"), keys, 5), "the keys take {keys}: {info}");
    assert_eq!(of("used_memory_overhead") + of("used_memory_dataset"), of("used_memory"));
    // The table of so few keys is its shards, of 128 bytes each.
    assert!(of("used_memory_overhead") >= of("used_memory_startup") + 2048 * 128);
    assert!(of("used_memory_peak") >= of("used_memory"));

    if of("used_memory") != of("used_memory_rss") {
        assert_eq!(of("allocator_allocated"), of("used_memory"));
        assert!(of("allocator_allocated") <= of("allocator_active"));
        assert!(of("allocator_active") <= of("allocator_resident"));
    }
    assert!(near(of("used_memory_rss"), resident(node.pid()), 5), "{} by the kernel", resident(node.pid()));
    let ratio = of("used_memory_rss") as f64 / of("used_memory") as f64;
    assert!(info.contains(&format!("mem_fragmentation_ratio:{ratio:.2}")), "{ratio}: {info}");
}
