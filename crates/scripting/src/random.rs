//! `math.random` and `math.randomseed`, with Redis' own generator.
//!
//! A script of an old master's stream gets the numbers that it got there.
//!
//! Owns the generator's state: the 48-bit linear congruential one of `lrand48`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use mlua::{Lua, MultiValue, Table, Value};

use crate::arguments::{Arguments, one};
use crate::boundary::{Raise, function};

const FACTOR: u64 = 0x5_DEEC_E66D;
const ADDEND: u64 = 0xB;
const MASK: u64 = (1 << 48) - 1;
/// What stands below a seed.
const SEED_TAIL: u64 = 0x330E;
/// Numbers are from 0 to this, which they never are.
const MAX: u64 = i32::MAX as u64;

/// How the generator begins.
const START: u64 = 0x1234_ABCD_330E;

/// The generator of one Lua state.
#[derive(Clone, Debug)]
pub(crate) struct Random(Arc<AtomicU64>);

impl Default for Random {
    fn default() -> Self {
        Random(Arc::new(AtomicU64::new(START)))
    }
}

impl Random {
    /// Begins anew. Masters up to 6.2 do so with 0 before each script.
    #[allow(clippy::cast_sign_loss)] // The bits are the seed.
    pub(crate) fn seed(&self, seed: i32) {
        self.0.store((u64::from(seed as u32) << 16) | SEED_TAIL, Relaxed);
    }

    /// At least 0, less than 1.
    #[allow(clippy::cast_precision_loss)] // 31 bits fit.
    fn next(&self) -> f64 {
        let state = (self.0.load(Relaxed).wrapping_mul(FACTOR).wrapping_add(ADDEND)) & MASK;
        self.0.store(state, Relaxed);
        ((state >> 17) % MAX) as f64 / MAX as f64
    }

    /// Puts both functions into `math`.
    pub(crate) fn install(&self, lua: &Lua, math: &Table) -> mlua::Result<()> {
        let random = self.clone();
        math.raw_set("random", function(lua, move |_, args| Ok(random.pick(&args.into())))?)?;
        let random = self.clone();
        let seed = function(lua, move |_, args| {
            Ok(Arguments::from(args).integer(1).map(|seed| {
                random.seed(low(seed));
                MultiValue::new()
            }))
        })?;
        math.raw_set("randomseed", seed)
    }

    fn pick(&self, args: &Arguments) -> Result<MultiValue, Raise> {
        const EMPTY: &str = "interval is empty";
        let next = self.next();
        let picked = match args.len() {
            0 => next,
            1 => {
                let most = low(args.integer(1)?);
                if most < 1 {
                    return Err(Raise::Argument(1, EMPTY.into()));
                }
                (next * f64::from(most)).floor() + 1.0
            }
            2 => {
                let (least, most) = (low(args.integer(1)?), low(args.integer(2)?));
                if least > most {
                    return Err(Raise::Argument(2, EMPTY.into()));
                }
                // C's int wraps where the interval is longer than it can say.
                let count = most.wrapping_sub(least).wrapping_add(1);
                (next * f64::from(count)).floor() + f64::from(least)
            }
            _ => return Err(Raise::here("wrong number of arguments")),
        };
        Ok(one(Value::Number(picked)))
    }
}

/// As C's `int`.
#[allow(clippy::cast_possible_truncation)] // That is what it does.
fn low(value: i64) -> i32 {
    value as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As redis-3.2 answers to `math.random(1,1000000)` in every script, and redis-8.10 in its first one.
    #[test]
    fn the_sequence_of_real_servers() {
        let random = Random::default();
        let next = || (random.next() * 1_000_000.0).floor() + 1.0;
        assert_eq!([next(), next()], [396_465.0, 840_486.0]);
        random.seed(0);
        assert_eq!([next(), next()], [170_829.0, 749_902.0]);
    }
}
