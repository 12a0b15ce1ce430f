//! The arguments of our Lua functions, taken as C's auxiliary library takes them.
//!
//! Owns the conversions between numbers and texts that Lua makes for its callers, and the texts of what is wrong.

use mlua::{Lua, MultiValue, Value};

use crate::boundary::Raise;
use crate::text;

/// What a function was called with.
#[derive(Debug)]
pub(crate) struct Arguments(Vec<Value>);

impl From<MultiValue> for Arguments {
    fn from(values: MultiValue) -> Self {
        Arguments(values.into_vec())
    }
}

impl From<Vec<Value>> for Arguments {
    fn from(values: Vec<Value>) -> Self {
        Arguments(values)
    }
}

impl Arguments {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// That of this number (the first is 1).
    pub(crate) fn get(&self, number: usize) -> &Value {
        number.checked_sub(1).and_then(|index| self.0.get(index)).unwrap_or(&Value::Nil)
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[Value] {
        &self.0
    }

    /// Whether it is nil, or not there.
    pub(crate) fn is_nil(&self, number: usize) -> bool {
        matches!(self.get(number), Value::Nil)
    }

    /// That this argument is no such thing.
    pub(crate) fn expected(&self, number: usize, what: &str) -> Raise {
        let given = if number > self.0.len() { "no value" } else { type_name(self.get(number)) };
        Raise::Argument(number, format!("{what} expected, got {given}"))
    }

    /// A number, or a text that is one.
    pub(crate) fn number(&self, number: usize) -> Result<f64, Raise> {
        number_of(self.get(number)).ok_or_else(|| self.expected(number, "number"))
    }

    /// A number without its fraction.
    pub(crate) fn integer(&self, number: usize) -> Result<i64, Raise> {
        self.number(number).map(truncated)
    }

    /// An integer, or this one when nothing is given.
    pub(crate) fn integer_or(&self, number: usize, default: i64) -> Result<i64, Raise> {
        if self.is_nil(number) { Ok(default) } else { self.integer(number) }
    }

    /// A text, or a number as text.
    pub(crate) fn bytes(&self, number: usize) -> Result<Vec<u8>, Raise> {
        text_of(self.get(number)).ok_or_else(|| self.expected(number, "string"))
    }
}

/// A Lua value's type, as error texts name it.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Nil => "nil",
        Value::Boolean(_) => "boolean",
        Value::Integer(_) | Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Table(_) => "table",
        Value::Function(_) => "function",
        Value::Thread(_) => "thread",
        Value::LightUserData(_) | Value::UserData(_) | Value::Error(_) | Value::Other(_) => "userdata",
    }
}

/// The number that a value is, or that its text is.
pub(crate) fn number_of(value: &Value) -> Option<f64> {
    match value {
        // All of Lua's numbers are doubles; those that are integers are given as such.
        #[allow(clippy::cast_precision_loss)] // It came from a double.
        Value::Integer(value) => Some(*value as f64),
        Value::Number(value) => Some(*value),
        Value::String(text) => text::parse_number(&text.as_bytes()),
        _ => None,
    }
}

/// The text that a value is, or that Lua makes of a number.
pub(crate) fn text_of(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Integer(_) | Value::Number(_) => {
            number_of(value).map(|number| text::general(number, text::LUA_DIGITS).into_bytes())
        }
        _ => None,
    }
}

/// A double as a 64-bit integer, as x86-64 converts: what does not fit is the smallest of all.
#[allow(clippy::cast_possible_truncation)] // That is what is wanted.
pub(crate) fn truncated(value: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&value) { value as i64 } else { i64::MIN }
}

/// One result.
pub(crate) fn one(value: impl Into<Value>) -> MultiValue {
    MultiValue::from_iter([value.into()])
}

/// One text.
pub(crate) fn one_text(lua: &Lua, text: impl AsRef<[u8]>) -> mlua::Result<MultiValue> {
    Ok(one(Value::String(lua.create_string(text)?)))
}
