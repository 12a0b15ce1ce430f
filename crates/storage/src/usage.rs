//! How a key is used: when last, when last changed, or how often.
//!
//! That is 24 bits of each entry, whose meaning one rule for the whole store decides. As seconds (LRU) they come round
//! after 194 days. As a frequency (LFU) they are 16 bits of minutes, when the count was last lowered, and a count of 8
//! bits that grows with the logarithm of the accesses and falls with time: Morris' counter, as the policies of Redis
//! describe it. When the rule changes, what was noted by the other means little until keys are used again.
//!
//! Owns the arithmetic. Never touches an entry.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::time::UnixMillis;

/// 24 bits of an entry.
const WORD_MASK: u32 = 0x00ff_ffff;
/// In a clock, above those bits: accesses are counted.
const COUNTS: u32 = 1 << 31;
/// In a clock, above those bits: only changes are noted.
const CHANGES: u32 = 1 << 30;
/// What a new key has: it is not evicted before anybody could use it.
const COUNT_AT_FIRST: u8 = 5;

/// A moment of access, as entries note it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AccessClock(pub(crate) u32);

impl AccessClock {
    /// Seconds, and no counting.
    pub(crate) fn at(now: UnixMillis) -> AccessClock {
        AccessClock((now.0.div_euclid(1000) & i64::from(WORD_MASK)) as u32)
    }

    /// What a store with these rules notes.
    fn by(noted: Noted, now: UnixMillis) -> AccessClock {
        match noted {
            Noted::Access => AccessClock::at(now),
            Noted::Change => AccessClock(AccessClock::at(now).0 | CHANGES),
            Noted::Count => AccessClock((minutes(now) << 8) | COUNTS),
        }
    }

    /// Whether it is seconds, and every access notes them.
    #[inline]
    pub(crate) fn is_plain(self) -> bool {
        self.0 & !WORD_MASK == 0
    }

    /// Whether accesses are counted.
    fn counts(self) -> bool {
        self.0 & COUNTS != 0
    }

    /// The seconds that lie between.
    pub(crate) fn seconds_since(self, before: AccessClock) -> u64 {
        u64::from(self.0.wrapping_sub(before.0) & WORD_MASK)
    }
}

fn minutes(now: UnixMillis) -> u32 {
    (now.0.div_euclid(60_000) & 0xffff) as u32
}

/// How a key was used before it came here: what an RDB tells of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Seconds since the last access.
    pub idle_seconds: Option<u64>,
    /// How often it was used, as LFU counts. Kept where accesses are counted, and left out elsewhere.
    pub frequency: Option<u8>,
}

impl Usage {
    /// What a new entry notes.
    pub(crate) fn first_access(self, clock: AccessClock) -> AccessClock {
        if clock.counts() {
            let count = self.frequency.unwrap_or(COUNT_AT_FIRST);
            return AccessClock((clock.0 & WORD_MASK & !0xff) | u32::from(count));
        }
        let idle = u32::try_from(self.idle_seconds.unwrap_or(0)).unwrap_or(WORD_MASK).min(WORD_MASK);
        AccessClock(clock.0.wrapping_sub(idle) & WORD_MASK)
    }
}

/// What an entry notes of its key's use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Noted {
    /// When it was last used (LRU).
    #[default]
    Access,
    /// When it was last changed (LRM).
    Change,
    /// How often it is used (LFU).
    Count,
}

impl Noted {
    const ALL: [Noted; 3] = [Noted::Access, Noted::Change, Noted::Count];
}

/// What is noted of accesses: `maxmemory-policy`, `lfu-log-factor`, `lfu-decay-time`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageRules {
    /// What entries note.
    pub noted: Noted,
    /// The higher, the more accesses a count stands for.
    pub log_factor: u32,
    /// Minutes after which a count falls by one; 0: it does not fall.
    pub decay_minutes: u32,
}

impl Default for UsageRules {
    fn default() -> Self {
        UsageRules { noted: Noted::Access, log_factor: 10, decay_minutes: 1 }
    }
}

impl UsageRules {
    /// The count that `noted` stands for at `now`.
    pub(crate) fn frequency(self, noted: AccessClock, now: UnixMillis) -> u8 {
        let count = (noted.0 & 0xff) as u8;
        let passed = minutes(now).wrapping_sub(noted.0 >> 8) & 0xffff;
        let periods = passed.checked_div(self.decay_minutes).unwrap_or(0);
        count.saturating_sub(u8::try_from(periods).unwrap_or(u8::MAX))
    }

    /// The count after one more access; `dice` is a number by chance.
    fn counted(self, count: u8, dice: u64) -> u8 {
        let above = f64::from(count.saturating_sub(COUNT_AT_FIRST));
        let chance = 1.0 / (above * f64::from(self.log_factor) + 1.0);
        // 53 bits: as many as a fraction has.
        let drawn = (dice >> 11) as f64 / (1u64 << 53) as f64;
        if drawn < chance { count.saturating_add(1) } else { count }
    }
}

/// The rules of a running store, and its clock.
#[derive(Debug)]
pub(crate) struct Ticking {
    clock: AtomicU32,
    noted: AtomicU32,
    log_factor: AtomicU32,
    decay_minutes: AtomicU32,
}

impl Default for Ticking {
    fn default() -> Self {
        let UsageRules { noted, log_factor, decay_minutes } = UsageRules::default();
        Ticking {
            clock: AtomicU32::new(0),
            noted: AtomicU32::new(noted as u32),
            log_factor: AtomicU32::new(log_factor),
            decay_minutes: AtomicU32::new(decay_minutes),
        }
    }
}

impl Ticking {
    /// What an access notes now.
    #[inline]
    pub(crate) fn clock(&self) -> AccessClock {
        AccessClock(self.clock.load(Ordering::Relaxed))
    }

    fn noted(&self) -> Noted {
        let number = self.noted.load(Ordering::Relaxed);
        Noted::ALL.into_iter().find(|noted| *noted as u32 == number).unwrap_or_default()
    }

    /// The rules in force.
    pub(crate) fn rules(&self) -> UsageRules {
        UsageRules {
            noted: self.noted(),
            log_factor: self.log_factor.load(Ordering::Relaxed),
            decay_minutes: self.decay_minutes.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn set_rules(&self, rules: UsageRules, now: UnixMillis) {
        self.log_factor.store(rules.log_factor, Ordering::Relaxed);
        self.decay_minutes.store(rules.decay_minutes, Ordering::Relaxed);
        self.noted.store(rules.noted as u32, Ordering::Relaxed);
        self.tick(now);
    }

    pub(crate) fn tick(&self, now: UnixMillis) {
        self.clock.store(AccessClock::by(self.noted(), now).0, Ordering::Relaxed);
    }

    /// What an entry that noted `before` notes after one more access, where seconds alone do not tell.
    #[cold]
    pub(crate) fn special(
        &self,
        before: AccessClock,
        is_change: bool,
        dice: impl FnOnce() -> u64,
    ) -> AccessClock {
        match self.noted() {
            Noted::Count => self.counted(before, dice()),
            Noted::Change if !is_change => before,
            Noted::Access | Noted::Change => AccessClock(self.clock().0 & WORD_MASK),
        }
    }

    fn counted(&self, before: AccessClock, dice: u64) -> AccessClock {
        let rules = self.rules();
        let minute = (self.clock().0 & WORD_MASK) >> 8;
        let count = rules.frequency(before, UnixMillis(i64::from(minute) * 60_000));
        AccessClock(minute << 8 | u32::from(rules.counted(count, dice)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn counting(rules: UsageRules) -> Ticking {
        let ticking = Ticking::default();
        ticking.set_rules(UsageRules { noted: Noted::Count, ..rules }, UnixMillis(7 * MINUTE));
        ticking
    }

    /// The seconds between an access and this time.
    fn idle(access: AccessClock, now: UnixMillis) -> u64 {
        AccessClock::at(now).seconds_since(access)
    }

    #[test]
    fn seconds_come_round() {
        let clock = AccessClock::at(UnixMillis(3000));
        assert_eq!(idle(clock, UnixMillis(9999)), 6);
        let round = 1 << 24;
        assert_eq!(idle(clock, UnixMillis((round + 5) * 1000)), 2);
        let usage = Usage { idle_seconds: Some(10), frequency: Some(99) };
        assert_eq!(idle(usage.first_access(clock), UnixMillis(3000)), 10, "the count is not for now");
    }

    #[test]
    fn counts_grow_by_chance_and_fall_with_time() {
        let rules = UsageRules::default();
        let ticking = counting(rules);
        let mut noted = Usage::default().first_access(ticking.clock());
        assert_eq!(rules.frequency(noted, UnixMillis(7 * MINUTE)), COUNT_AT_FIRST);
        // Up to the first count each access is told, then one of many.
        noted = ticking.counted(noted, u64::MAX - 1);
        assert_eq!(noted.0 & 0xff, 6);
        noted = ticking.counted(noted, u64::MAX);
        assert_eq!(noted.0 & 0xff, 6, "the dice were against it");
        noted = ticking.counted(noted, 0);
        assert_eq!(noted.0 & 0xff, 7);
        assert_eq!(rules.frequency(noted, UnixMillis(9 * MINUTE)), 5);
        assert_eq!(rules.frequency(noted, UnixMillis(1000 * MINUTE)), 0);
        // The minutes come round too.
        assert_eq!(rules.frequency(noted, UnixMillis((65_536 + 8) * MINUTE)), 6);
        let still = UsageRules { decay_minutes: 0, ..rules };
        assert_eq!(still.frequency(noted, UnixMillis(1000 * MINUTE)), 7);
    }

    #[test]
    fn reads_are_no_changes() {
        let ticking = Ticking::default();
        let before = Usage::default().first_access(ticking.clock());
        ticking.set_rules(UsageRules { noted: Noted::Change, ..UsageRules::default() }, UnixMillis(9000));
        assert!(!ticking.clock().is_plain());
        assert_eq!(ticking.special(before, false, || unreachable!()), before);
        assert_eq!(idle(ticking.special(before, true, || unreachable!()), UnixMillis(11_000)), 2);
        assert_eq!(idle(Usage::default().first_access(ticking.clock()), UnixMillis(11_000)), 2);
        ticking.set_rules(UsageRules::default(), UnixMillis(9000));
        assert!(ticking.clock().is_plain());
    }

    /// The table of accesses and counts that redis.conf gives for the factor 10: 10 for 100, 18 for 1,000, 142 for
    /// 100,000, 255 for a million.
    #[test]
    fn counts_are_logarithms() {
        let ticking = counting(UsageRules { decay_minutes: 0, ..UsageRules::default() });
        let mut dice = 1u64;
        let mut noted = Usage::default().first_access(ticking.clock());
        let mut done = 0;
        for (accesses, near) in [(100, 10), (1_000, 18), (100_000, 142), (1_000_000, 255)] {
            while done < accesses {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                noted = ticking.counted(noted, dice);
                done += 1;
            }
            let count = (noted.0 & 0xff) as i32;
            assert!((count - near).abs() <= 2 + near / 8, "{count} after {accesses}");
        }
    }
}
