//! Going through tables without holding on to what they hold.
//!
//! mlua keeps each value that Rust holds on a stack of Lua's, which has 8,000 places and panics when they are used up.
//! So nobody gathers the pairs of a table that may be big, nor a list of texts.
//!
//! Owns the way from one pair to the next, and how many values may be held.

use mlua::{Function, Lua, Table, Value};

/// A script's tables may nest so deep at most: each level holds its table, and a key.
pub(crate) const DEPTH_MAX: usize = 3_000;
/// So many arguments or results of our functions are held at once, at most.
pub(crate) const VALUES_MAX: usize = 4_000;
/// Tables of so few pairs are gathered, which is faster than asking for each.
const GATHERED_MAX: usize = 16;
/// So many levels gather their pairs; below them each is asked for.
const GATHERING_LEVELS: usize = 50;

/// Where the state keeps Lua's own `next`.
const NEXT: &str = "nearside.next";

/// Notes Lua's own `next`, before anything changes it.
pub(crate) fn keep_next(lua: &Lua, next: Function) -> mlua::Result<()> {
    lua.set_named_registry_value(NEXT, next)
}

/// The pairs of a table that are still to come, in the table's order.
pub(crate) enum Pairs {
    Gathered(std::vec::IntoIter<(Value, Value)>),
    Asked { table: Table, key: Value, next: Function },
}

impl Pairs {
    /// Those of a table that stands so deep.
    pub(crate) fn of(lua: &Lua, table: &Table, depth: usize) -> mlua::Result<Pairs> {
        if depth < GATHERING_LEVELS {
            let few = table.pairs().take(GATHERED_MAX + 1).collect::<mlua::Result<Vec<(Value, Value)>>>()?;
            if few.len() <= GATHERED_MAX {
                return Ok(Pairs::Gathered(few.into_iter()));
            }
        }
        let next = lua.named_registry_value(NEXT)?;
        Ok(Pairs::Asked { table: table.clone(), key: Value::Nil, next })
    }

    /// The next pair.
    pub(crate) fn next(&mut self) -> mlua::Result<Option<(Value, Value)>> {
        match self {
            Pairs::Gathered(rest) => Ok(rest.next()),
            Pairs::Asked { table, key, next } => {
                let (found, value): (Value, Value) = next.call((&*table, &*key))?;
                *key = found.clone();
                Ok(if found == Value::Nil { None } else { Some((found, value)) })
            }
        }
    }
}
