//! What a name in a template can stand for.

use crate::corpus::world::language::Word;
use crate::corpus::world::lexicon::Record;

/// An entity, a word or a number; entities are indices into the world.
#[derive(Debug, Clone, Copy)]
pub enum Value<'a> {
    Person(usize),
    Place(usize),
    Pet(usize),
    Event(usize),
    Record(&'a Record),
    Word(&'a Word),
    Text(&'a str),
    /// Written in words.
    Number(i64),
    /// Written in digits.
    Year(i64),
}

impl Value<'_> {
    /// Whether two values stand for the same thing; a number never does, stories may count to the same twice.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Value::Person(a), Value::Person(b)) => a == b,
            (Value::Place(a), Value::Place(b)) => a == b,
            (Value::Pet(a), Value::Pet(b)) => a == b,
            (Value::Event(a), Value::Event(b)) => a == b,
            (Value::Record(a), Value::Record(b)) => a.name == b.name,
            (Value::Word(a), Value::Word(b)) => a == b,
            _ => false,
        }
    }

    /// What kind of entity it is, as relations name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Person(_) => "person",
            Value::Place(_) => "place",
            Value::Event(_) => "event",
            _ => "other",
        }
    }

    /// The number behind a counted value.
    pub fn number(&self) -> Option<i64> {
        match self {
            Value::Number(number) | Value::Year(number) => Some(*number),
            _ => None,
        }
    }
}
