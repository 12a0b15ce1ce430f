//! The pieces of a value that comes in many.
//!
//! Owns how each piece is laid out, and what comes after it; those of streams are in `stream`. Never begins a value:
//! that takes its type, which the decoder knows.

use super::{Scratch, both, bytes, stream, string};
use crate::item::{ArrayElement, Item, Node, Str};
use crate::module::{Mark, MetaClass};
use crate::reader::{Reader, Stop, corrupt};
use crate::template::Templates;

/// Where in a value we are.
#[derive(Clone, Copy, Debug)]
pub(super) enum RunState {
    /// A list's elements, a set's members.
    Elements {
        left: u64,
    },
    /// A sorted set's members; scores as text or as eight bytes.
    Scored {
        left: u64,
        text: bool,
    },
    /// A hash's fields.
    Fields {
        left: u64,
    },
    /// Redis' fields with deadlines: first the deadline, as its distance from the soonest plus one, 0 for none.
    FieldsAfterDeadline {
        left: u64,
        soonest: i64,
    },
    /// Valkey's: field, value, deadline in eight bytes, -1 for none.
    FieldsBeforeDeadline {
        left: u64,
    },
    /// A list's nodes, each after its mark or (before 7.0) all ziplists.
    Nodes {
        left: u64,
        marked: bool,
    },
    /// A stream, and the version of its layout.
    Stream(u8, stream::At),
    /// A module's values.
    Module,
    /// An array's elements.
    Array {
        left: u64,
    },
    /// A template's names.
    Template {
        left: u64,
        number: u64,
    },
    /// The names of a template that stands in a value, whose values follow, packed in a listpack or not.
    TemplateInside {
        left: u64,
        packed: bool,
    },
    /// That listpack.
    TemplatedPacked,
    /// The values of a hash whose fields are a template's: `None` for the one that stands in the value itself.
    Templated {
        index: usize,
        count: usize,
        number: Option<u64>,
    },
    /// What modules hung on a key.
    KeyMeta {
        left: u64,
    },
    KeyMetaParts {
        left: u64,
    },
    /// Ranges of slots.
    SlotRanges {
        left: u64,
    },
    /// Nothing is left but to say so.
    Close,
}

/// The next piece, and what comes after it; nothing after [`Item::Close`].
pub(super) fn next<'a>(
    reader: &mut Reader<'a>,
    scratch: &'a mut Scratch,
    templates: &'a mut Templates,
    state: RunState,
) -> Result<(Item<'a>, Option<RunState>), Stop> {
    let (item, next) = match state {
        RunState::Elements { left: 0 }
        | RunState::Scored { left: 0, .. }
        | RunState::Fields { left: 0 }
        | RunState::FieldsAfterDeadline { left: 0, .. }
        | RunState::FieldsBeforeDeadline { left: 0 }
        | RunState::Nodes { left: 0, .. }
        | RunState::Array { left: 0 }
        | RunState::KeyMeta { left: 0 }
        | RunState::SlotRanges { left: 0 }
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
        RunState::Module => {
            let (part, ended) = module_part(reader)?;
            (Item::ModulePart(part), if ended { RunState::Close } else { RunState::Module })
        }
        RunState::Array { left } => {
            let index = reader.length("an array's index")?;
            let element = array_element(reader, scratch)?;
            (Item::Indexed(index, element), RunState::Array { left: left - 1 })
        }
        RunState::Template { left: 0, number } => {
            if !templates.keep(number) {
                return Err(reader.corrupt("a hash template's number"));
            }
            return Ok((Item::Close, None));
        }
        RunState::Template { left, number } => {
            let name = reader.string("a hash template's field")?;
            let name = string(&mut scratch.first, name)?;
            templates.open.push(name);
            (Item::TemplateField(name), RunState::Template { left: left - 1, number })
        }
        RunState::TemplateInside { left: 0, packed } => {
            let next = if packed {
                RunState::TemplatedPacked
            } else {
                RunState::Templated { index: 0, count: templates.open.len(), number: None }
            };
            return self::next(reader, scratch, templates, next);
        }
        RunState::TemplateInside { left, packed } => {
            let name = reader.string("a hash template's field")?;
            let name = string(&mut scratch.first, name)?;
            templates.open.push(name);
            (Item::TemplateField(name), RunState::TemplateInside { left: left - 1, packed })
        }
        RunState::TemplatedPacked => {
            let blob = reader.string("a packed value")?;
            (Item::Templated(&templates.open, bytes(&mut scratch.first, blob)?), RunState::Close)
        }
        RunState::Templated { index, count, .. } if index == count => return Ok((Item::Close, None)),
        RunState::Templated { index, count, number } => {
            let template = match number {
                Some(number) => templates.get(number),
                None => Some(&templates.open),
            };
            let field = template.and_then(|template| template.get(index));
            let field = Str::Bytes(field.ok_or_else(|| reader.corrupt("a hash template"))?);
            let value = reader.string("a field's value")?;
            let value = string(&mut scratch.first, value)?;
            let next = RunState::Templated { index: index + 1, count, number };
            (Item::Field { field, value, deadline: None }, next)
        }
        RunState::KeyMeta { left } => {
            let class = MetaClass(u32::from_le_bytes(reader.bytes("a key's metadata")?));
            (Item::KeyMetaClass(class), RunState::KeyMetaParts { left: left - 1 })
        }
        RunState::KeyMetaParts { left } => {
            let (part, ended) = module_part(reader)?;
            let next = if ended { RunState::KeyMeta { left } } else { RunState::KeyMetaParts { left } };
            (Item::ModulePart(part), next)
        }
        RunState::SlotRanges { left } => {
            let first = reader.length("a range of slots")?;
            let last = reader.length("a range of slots")?;
            (Item::SlotRange { first, last }, RunState::SlotRanges { left: left - 1 })
        }
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

/// The longest string of an array that is marked as short.
const ARRAY_SHORT_BYTES_MAX: usize = 7;

/// An array's element: a mark, and what that says.
fn array_element<'a>(reader: &mut Reader<'a>, scratch: &'a mut Scratch) -> Result<ArrayElement<'a>, Stop> {
    let at = reader.at();
    Ok(match reader.byte("an array's element")? {
        0 => {
            let text = reader.string("an array's element")?;
            ArrayElement::Text(string(&mut scratch.first, text)?)
        }
        3 => {
            let text = reader.string("an array's element")?;
            let text = string(&mut scratch.first, text)?;
            if text.bytes(&mut [0; 20]).len() > ARRAY_SHORT_BYTES_MAX {
                return Err(corrupt("an array's short element", at));
            }
            ArrayElement::Text(text)
        }
        1 => ArrayElement::Int(i64::from_le_bytes(reader.bytes("an array's element")?)),
        2 => ArrayElement::Float(f64::from_le_bytes(reader.bytes("an array's element")?)),
        _ => return Err(corrupt("an array's element", at)),
    })
}

/// One value of a module as it stands there, and whether it is the end mark.
fn module_part<'a>(reader: &mut Reader<'a>) -> Result<(&'a [u8], bool), Stop> {
    let (from, at) = (reader.used(), reader.at());
    let mark = Mark::of(reader.length("a module's value")?).ok_or_else(|| corrupt("a module's value", at))?;
    match mark {
        Mark::End => {}
        Mark::Integer => {
            reader.length("a module's integer")?;
        }
        Mark::Float => {
            reader.bytes::<4>("a module's float")?;
        }
        Mark::Double => {
            reader.bytes::<8>("a module's double")?;
        }
        Mark::String => {
            reader.string("a module's string")?;
        }
    }
    Ok((reader.between(from, reader.used()), mark == Mark::End))
}
