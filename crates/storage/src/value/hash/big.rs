//! A big hash: fields as members of a directory.
//!
//! Owns the fields, the count of those that have a deadline, and when it is worth the while to look for some that are
//! past theirs.

use crate::UnixMillis;
use crate::packed::Item;
use crate::value::directory::Directory;
use crate::value::member::Member;

use super::{Before, Field, FieldDeadline};

/// So many fields are looked at in a small part of a millisecond: who looks for those past their deadlines waits for a
/// millisecond per so many before the next look, so that a hash of millions takes no more than a few percent of a
/// processor.
const LOOKED_AT_A_MILLI: usize = 1000;

/// The fields of a hash above the limits of a packed one.
#[derive(Clone, Debug)]
pub struct BigHash {
    fields: Directory,
    /// How many of them have a deadline.
    deadlines: usize,
    /// Before this no field is past its deadline, or is looked for.
    look_at: UnixMillis,
}

impl Default for BigHash {
    fn default() -> Self {
        BigHash::with_capacity(0)
    }
}

impl BigHash {
    /// An empty one, laid out for so many fields.
    pub fn with_capacity(fields: usize) -> Self {
        BigHash { fields: Directory::with_capacity(fields), deadlines: 0, look_at: UnixMillis(i64::MAX) }
    }

    /// Its fields.
    pub fn fields(&self) -> &Directory {
        &self.fields
    }

    /// How many fields it has.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// How many fields have a deadline.
    pub fn deadlines(&self) -> usize {
        self.deadlines
    }

    /// Frees a part of it; true when nothing is left. In between it must not be used.
    pub fn free_some(&mut self) -> bool {
        self.fields.free_some()
    }

    fn has_new(&mut self, deadline: Option<UnixMillis>) {
        if let Some(deadline) = deadline {
            self.deadlines += 1;
            self.look_at = self.look_at.min(deadline);
        }
    }

    /// Whether to look for fields that are past their deadlines.
    pub(super) fn may_have_expired(&self, now: UnixMillis) -> bool {
        self.deadlines > 0 && self.look_at.is_past(now)
    }

    /// Takes out at most so many fields that are past their deadlines; their names.
    pub(super) fn take_expired(&mut self, now: UnixMillis, most: usize) -> Vec<Vec<u8>> {
        let mut gone = Vec::new();
        let mut soonest = UnixMillis(i64::MAX);
        for field in self.fields.iter().map(field_of) {
            match field.deadline {
                Some(deadline) if deadline.is_past(now) => gone.push(field.name.to_vec()),
                Some(deadline) => soonest = soonest.min(deadline),
                None => {}
            }
            if gone.len() >= most {
                // There may be more: the next look is at once.
                soonest = UnixMillis(i64::MIN);
                break;
            }
        }
        for name in &gone {
            self.remove(name);
        }
        if soonest.0 > i64::MIN {
            let pause = i64::try_from(self.len() / LOOKED_AT_A_MILLI).unwrap_or(i64::MAX);
            self.look_at = soonest.max(UnixMillis(now.0.saturating_add(pause)));
        }
        gone
    }

    /// Puts a field in, whole.
    pub fn put(&mut self, field: Field<'_>) {
        let (mut name, mut value) = (itoa::Buffer::new(), itoa::Buffer::new());
        let deadline = field.deadline.map_or(FieldDeadline::Cleared, FieldDeadline::At);
        self.set(field.name.as_bytes(&mut name), field.value.as_bytes(&mut value), deadline);
    }

    /// Sets a field; what there was before.
    pub fn set(&mut self, name: &[u8], value: &[u8], deadline: FieldDeadline) -> Option<Before> {
        let new_deadline = match deadline {
            FieldDeadline::Cleared | FieldDeadline::Kept => None,
            FieldDeadline::At(deadline) => Some(deadline),
        };
        let new = || Member::of_hash(name, value, new_deadline);
        let Some(mut field) = self.fields.insert_or_get(name, new) else {
            self.has_new(new_deadline);
            return None;
        };
        let before = Before { deadline: field.deadline() };
        if deadline != FieldDeadline::Kept && before.deadline != new_deadline {
            field.set_deadline(new_deadline);
            field.set_value(value);
            self.has_new(new_deadline);
            self.deadlines -= usize::from(before.deadline.is_some());
        } else {
            field.set_value(value);
        }
        Some(before)
    }

    /// Takes a field out; what there was.
    pub fn remove(&mut self, name: &[u8]) -> Option<Before> {
        let deadline = self.fields.remove(name)?.deadline();
        self.deadlines -= usize::from(deadline.is_some());
        Some(Before { deadline })
    }

    /// Gives a field a deadline or takes it away; what there was before.
    pub fn set_deadline(&mut self, name: &[u8], deadline: Option<UnixMillis>) -> Option<Before> {
        let mut field = self.fields.get_mut(name)?;
        let before = Before { deadline: field.deadline() };
        field.set_deadline(deadline);
        self.has_new(deadline);
        self.deadlines -= usize::from(before.deadline.is_some());
        Some(before)
    }
}

/// A member as the field that it is.
pub(super) fn field_of(member: &Member) -> Field<'_> {
    Field { name: Item::Str(member.name()), value: Item::Str(member.value()), deadline: member.deadline() }
}
