//! Sets.

mod algebra;
mod read;
mod write;

pub(crate) use algebra::{
    sdiff, sdiffcard, sdiffstore, sinter, sintercard, sinterstore, sunion, sunioncard, sunionstore,
};
pub(crate) use read::{scard, sismember, smembers, smismember, srandmember, sscan};
pub(crate) use write::{sadd, smove, spop, srem};

#[cfg(test)]
mod tests;
