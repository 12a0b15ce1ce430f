//! Whether the new data set may be built beside the old one: what `--resync` and `--memory-limit` make of a load.
//!
//! Owns the rule. Never measures memory, never drops anything: who loads does both.

use crate::error::{ErrorCode, LinkError};

/// What a full sync does with the data set that is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resync {
    /// It stays readable until the new one is whole, and a load that needs more memory than there is fails.
    Keep,
    /// It goes first; reads are answered `-LOADING` meanwhile.
    Flush,
    /// It stays as long as there is memory for both, and then goes.
    #[default]
    Auto,
}

/// The rule, and the bound it keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// What `--resync` says.
    pub resync: Resync,
    /// The most memory a load may bring the process to (`--memory-limit`); 0: no bound.
    pub bytes_max: u64,
}

/// What is to be done to go on loading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Nothing.
    Fits,
    /// The old data set must go.
    DropOld,
    /// The load is given up.
    Fails(LinkError),
}

impl Room {
    /// Whether the old data set goes before anything is loaded.
    pub fn drops_first(&self) -> bool {
        self.resync == Resync::Flush
    }

    /// What follows from `used` bytes of memory in the middle of a load. `old`: the old data set is still there.
    pub fn fit(&self, used: u64, old: bool) -> Fit {
        if self.bytes_max == 0 || used <= self.bytes_max {
            return Fit::Fits;
        }
        if old && self.resync != Resync::Keep {
            return Fit::DropOld;
        }
        let beside = if old { " beside the old one" } else { "" };
        let text = format!(
            "the new data set does not fit{beside}: {used} bytes of memory are used, the limit is {}",
            self.bytes_max
        );
        Fit::Fails(LinkError::new(ErrorCode::MemoryLimit, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(resync: Resync, bytes_max: u64) -> Room {
        Room { resync, bytes_max }
    }

    #[test]
    fn without_a_bound_everything_fits() {
        assert_eq!(Room::default().fit(u64::MAX, true), Fit::Fits);
        assert!(!Room::default().drops_first());
        assert!(room(Resync::Flush, 0).drops_first());
    }

    #[test]
    fn what_does_not_fit_costs_the_old_data_or_the_load() {
        assert_eq!(room(Resync::Auto, 10).fit(10, true), Fit::Fits);
        assert_eq!(room(Resync::Auto, 10).fit(11, true), Fit::DropOld);
        for (room, old) in
            [(room(Resync::Keep, 10), true), (room(Resync::Auto, 10), false), (room(Resync::Keep, 10), false)]
        {
            let Fit::Fails(error) = room.fit(11, old) else { panic!("{room:?}") };
            assert_eq!(error.code, ErrorCode::MemoryLimit);
            assert_eq!(error.text.contains("beside"), old);
        }
    }
}
