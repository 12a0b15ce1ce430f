//! The pieces of a value that comes in many.

use super::{Scratch, both, bytes, stream, string};
use crate::item::{Item, Node};
use crate::module::Mark;
use crate::reader::{Reader, Stop, corrupt};

/// Where in a value we are.
#[derive(Clone, Copy, Debug)]
pub(super) enum RunState {
    /// A list's elements, a set's members.
    Elements { left: u64 },
    /// A sorted set's members; scores as text or as eight bytes.
    Scored { left: u64, text: bool },
    /// A hash's fields.
    Fields { left: u64 },
    /// Redis' fields with deadlines: first the deadline, as its distance from the soonest plus one, 0 for none.
    FieldsAfterDeadline { left: u64, soonest: i64 },
    /// Valkey's: field, value, deadline in eight bytes, -1 for none.
    FieldsBeforeDeadline { left: u64 },
    /// A list's nodes, each after its mark or (before 7.0) all ziplists.
    Nodes { left: u64, marked: bool },
    /// A stream, and the version of its layout.
    Stream(u8, stream::At),
    /// A module's values.
    Module,
    /// Nothing is left but to say so.
    Close,
}

/// The next piece, and what comes after it; nothing after [`Item::Close`].
pub(super) fn next<'a>(
    reader: &mut Reader<'a>,
    scratch: &'a mut Scratch,
    state: RunState,
) -> Result<(Item<'a>, Option<RunState>), Stop> {
    let (item, next) = match state {
        RunState::Elements { left: 0 }
        | RunState::Scored { left: 0, .. }
        | RunState::Fields { left: 0 }
        | RunState::FieldsAfterDeadline { left: 0, .. }
        | RunState::FieldsBeforeDeadline { left: 0 }
        | RunState::Nodes { left: 0, .. }
        | RunState::Close => return Ok((Item::Close, None)),
        RunState::Elements { left } => {
            let element = reader.string("an element")?;
            (Item::Element(string(&mut scratch.first, element)?), RunState::Elements { left: left - 1 })
        }
        RunState::Scored { left, text } => {
            let member = reader.string("a member")?;
            let score = if text { text_score(reader)? } else { score(reader)? };
            let next = RunState::Scored { left: left - 1, text };
            (Item::Scored(string(&mut scratch.first, member)?, score), next)
        }
        RunState::Fields { left } => {
            let (field, value) = (reader.string("a field")?, reader.string("a field's value")?);
            let (field, value) = both(scratch, field, value)?;
            (Item::Field { field, value, deadline: None }, RunState::Fields { left: left - 1 })
        }
        RunState::FieldsAfterDeadline { left, soonest } => {
            let at = reader.at();
            let distance = reader.length("a field's deadline")?;
            let deadline = match distance.checked_sub(1) {
                None => None,
                Some(distance) => Some(
                    soonest
                        .checked_add_unsigned(distance)
                        .ok_or_else(|| corrupt("a field's deadline", at))?,
                ),
            };
            let (field, value) = (reader.string("a field")?, reader.string("a field's value")?);
            let (field, value) = both(scratch, field, value)?;
            let next = RunState::FieldsAfterDeadline { left: left - 1, soonest };
            (Item::Field { field, value, deadline }, next)
        }
        RunState::FieldsBeforeDeadline { left } => {
            let (field, value) = (reader.string("a field")?, reader.string("a field's value")?);
            let at = reader.at();
            let deadline = match i64::from_le_bytes(reader.bytes("a field's deadline")?) {
                -1 => None,
                millis if millis >= 0 => Some(millis),
                _ => return Err(corrupt("a field's deadline", at)),
            };
            let (field, value) = both(scratch, field, value)?;
            let next = RunState::FieldsBeforeDeadline { left: left - 1 };
            (Item::Field { field, value, deadline }, next)
        }
        RunState::Nodes { left, marked } => {
            let at = reader.at();
            let mark = if marked { Some(reader.length("a list node's kind")?) } else { None };
            let node = reader.string("a list node")?;
            let node = bytes(&mut scratch.first, node)?;
            let node = match mark {
                None => Node::Ziplist(node),
                Some(1) => Node::Plain(node),
                Some(2) => Node::Listpack(node),
                Some(_) => return Err(corrupt("a list node's kind", at)),
            };
            (Item::Node(node), RunState::Nodes { left: left - 1, marked })
        }
        RunState::Stream(version, at) => match stream::next(reader, scratch, version, at)? {
            (Some(piece), at) => (Item::Stream(piece), RunState::Stream(version, at)),
            (None, _) => return Ok((Item::Close, None)),
        },
        RunState::Module => module_part(reader)?,
    };
    Ok((item, Some(next)))
}

/// A score of eight bytes.
pub(super) fn score(reader: &mut Reader<'_>) -> Result<f64, Stop> {
    let at = reader.at();
    let score = f64::from_le_bytes(reader.bytes("a score")?);
    if score.is_nan() { Err(corrupt("a score", at)) } else { Ok(score) }
}

/// A score as text after its length, of which three values stand for what no text is written for.
fn text_score(reader: &mut Reader<'_>) -> Result<f64, Stop> {
    let at = reader.at();
    match reader.byte("a score")? {
        255 => Ok(f64::NEG_INFINITY),
        254 => Ok(f64::INFINITY),
        253 => Err(corrupt("a score", at)),
        length => {
            let text = reader.take(usize::from(length), "a score")?;
            let score = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
            score.filter(|score| !score.is_nan()).ok_or_else(|| corrupt("a score", at))
        }
    }
}

/// One value of a module, as it stands there.
fn module_part<'a>(reader: &mut Reader<'a>) -> Result<(Item<'a>, RunState), Stop> {
    let (from, at) = (reader.used(), reader.at());
    let mark = reader.length("a module's value")?;
    let mut next = RunState::Module;
    match Mark::of(mark) {
        Some(Mark::End) => next = RunState::Close,
        Some(Mark::Integer) => {
            reader.length("a module's integer")?;
        }
        Some(Mark::Float) => {
            reader.bytes::<4>("a module's float")?;
        }
        Some(Mark::Double) => {
            reader.bytes::<8>("a module's double")?;
        }
        Some(Mark::String) => {
            reader.string("a module's string")?;
        }
        None => return Err(corrupt("a module's value", at)),
    }
    let part = reader.between(from, reader.used());
    Ok((Item::ModulePart(part), next))
}
