//! A big hash: fields as members of a directory.
//!
//! Owns the fields, and the count of those that have a deadline.

use crate::UnixMillis;
use crate::packed::Item;
use crate::value::directory::Directory;
use crate::value::member::Member;

use super::{Before, Field, FieldDeadline};

/// The fields of a hash above the limits of a packed one.
#[derive(Clone, Debug, Default)]
pub struct BigHash {
    fields: Directory,
    /// How many of them have a deadline.
    deadlines: usize,
}

impl BigHash {
    /// An empty one, laid out for so many fields.
    pub fn with_capacity(fields: usize) -> Self {
        BigHash { fields: Directory::with_capacity(fields), deadlines: 0 }
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
            self.deadlines += usize::from(new_deadline.is_some());
            return None;
        };
        let before = Before { deadline: field.deadline() };
        if deadline != FieldDeadline::Kept && before.deadline != new_deadline {
            field.set_deadline(new_deadline);
            self.deadlines += usize::from(new_deadline.is_some());
            self.deadlines -= usize::from(before.deadline.is_some());
        }
        field.set_value(value);
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
        self.deadlines += usize::from(deadline.is_some());
        self.deadlines -= usize::from(before.deadline.is_some());
        Some(before)
    }
}

/// A member as the field that it is.
pub(super) fn field_of(member: &Member) -> Field<'_> {
    Field { name: Item::Str(member.name()), value: Item::Str(member.value()), deadline: member.deadline() }
}
