//! What a row has beside the words of its messages, and a template is given as `transformers` gives it: the tools that the
//! assistant may call, documents, and whatever fields its turns have, such as `tool_calls` and `name`.

use serde_json::{Map, Value};

/// Nothing of it is learned by itself: a template spells it, or does not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Beside {
    /// A list of JSON schemas; null for none.
    pub tools: Value,
    /// A list of mappings, such as `title` and `text`; null for none.
    pub documents: Value,
    /// The turns as the row has them, where they have more than their role and a text; else empty.
    pub turns: Vec<Map<String, Value>>,
}

impl Beside {
    /// The lists of a row called `tools` and `documents`: each may also stand there as JSON in a text, as sets of data have
    /// them whose columns have one type.
    pub fn of_row(row: &Map<String, Value>) -> Result<Beside, String> {
        Ok(Beside { tools: list(row, "tools")?, documents: list(row, "documents")?, turns: Vec::new() })
    }

    /// Whether the turn at `place` calls tools.
    pub fn calls_tools(&self, place: usize) -> bool {
        let calls = self.turns.get(place).and_then(|turn| turn.get("tool_calls"));
        calls.and_then(Value::as_array).is_some_and(|calls| !calls.is_empty())
    }

    /// All texts in it, names of fields too.
    pub(super) fn texts(&self) -> Vec<&str> {
        let mut found = Vec::new();
        [&self.tools, &self.documents].into_iter().for_each(|value| texts(value, &mut found));
        self.turns.iter().flatten().for_each(|(name, value)| {
            found.push(name.as_str());
            texts(value, &mut found);
        });
        found
    }
}

fn list(row: &Map<String, Value>, name: &str) -> Result<Value, String> {
    let refused = || format!("its field `{name}` is no list of mappings");
    let value = match row.get(name) {
        None | Some(Value::Null) => return Ok(Value::Null),
        Some(Value::String(text)) if text.trim().is_empty() => return Ok(Value::Null),
        Some(Value::String(text)) => serde_json::from_str(text).map_err(|_| refused())?,
        Some(value) => value.clone(),
    };
    match value.as_array().is_some_and(|items| items.iter().all(Value::is_object)) {
        true => Ok(value),
        false => Err(refused()),
    }
}

fn texts<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            found.push(name);
            texts(value, found);
        }),
        _ => {}
    }
}

/// The value with every text changed, names of fields too.
pub(super) fn with_texts(value: &Value, change: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(change(text)),
        Value::Array(items) => items.iter().map(|item| with_texts(item, change)).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, value)| (change(name), with_texts(value, change))).collect())
        }
        other => other.clone(),
    }
}
