//! Reading a table of a plan: every key is known, typed and bounded, and an error names the key, the file and the
//! nearest valid one.

use crate::{Error, Result};
use std::ops::RangeInclusive;
use toml::{Table, Value};

/// A table of a plan, and where it stands.
pub(super) struct Section<'a> {
    /// For messages: the plan's file.
    file: &'a str,
    /// Such as `phase.pretrain.schedule`; empty at the top.
    path: String,
    table: &'a Table,
}

impl<'a> Section<'a> {
    /// Refuses keys that are not `known`.
    pub fn new(file: &'a str, path: String, table: &'a Table, known: &[&str]) -> Result<Self> {
        let section = Self { file, path, table };
        match table.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(section),
            Some(key) => {
                let advice = match nearest(key, known) {
                    Some(near) => format!("did you mean `{near}`? All keys here: {}", known.join(", ")),
                    None => format!("the keys here are {}", known.join(", ")),
                };
                Err(section.refuse(key, "there is no such key").next(advice))
            }
        }
    }

    /// An error about `key`.
    pub fn refuse(&self, key: &str, why: impl std::fmt::Display) -> Error {
        Error::new(format!("the plan {} cannot be used", self.file)).because(format!("{}: {why}", self.name(key)))
    }

    /// The whole name of a key, such as `phase.pretrain.steps`.
    pub fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_string() } else { format!("{}.{key}", self.path) }
    }

    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    pub fn missing(&self, key: &str) -> Error {
        self.refuse(key, "this key is needed")
    }

    pub fn text(&self, key: &str) -> Result<Option<String>> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(self.wrong_type(key, "text in quotes", other)),
        }
    }

    /// One of `choices`.
    pub fn choice(&self, key: &str, choices: &[&str]) -> Result<Option<String>> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        if choices.contains(&text.as_str()) {
            return Ok(Some(text));
        }
        let near = nearest(&text, choices).map(|near| format!("did you mean \"{near}\"? ")).unwrap_or_default();
        let advice = format!("{near}It can be {}", choices.join(", "));
        Err(self.refuse(key, format!("\"{text}\" is not known")).next(advice))
    }

    pub fn boolean(&self, key: &str) -> Result<Option<bool>> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::Boolean(value)) => Ok(Some(*value)),
            Some(other) => Err(self.wrong_type(key, "true or false", other)),
        }
    }

    pub fn integer(&self, key: &str, range: RangeInclusive<u64>) -> Result<Option<u64>> {
        let value = match self.table.get(key) {
            None => return Ok(None),
            Some(Value::Integer(value)) => *value,
            Some(other) => return Err(self.wrong_type(key, "a whole number", other)),
        };
        match u64::try_from(value).ok().filter(|value| range.contains(value)) {
            Some(value) => Ok(Some(value)),
            None => Err(self.out_of_range(key, value, range.start(), range.end())),
        }
    }

    pub fn number(&self, key: &str, range: RangeInclusive<f64>) -> Result<Option<f64>> {
        let value = match self.table.get(key) {
            None => return Ok(None),
            Some(Value::Integer(value)) => *value as f64,
            Some(Value::Float(value)) => *value,
            Some(other) => return Err(self.wrong_type(key, "a number", other)),
        };
        match range.contains(&value) {
            true => Ok(Some(value)),
            false => Err(self.out_of_range(key, value, range.start(), range.end())),
        }
    }

    /// A list of texts; one text stands for a list of one.
    pub fn texts(&self, key: &str) -> Result<Vec<String>> {
        match self.table.get(key) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(vec![text.clone()]),
            Some(Value::Array(list)) => list
                .iter()
                .map(|item| match item {
                    Value::String(text) => Ok(text.clone()),
                    other => Err(self.wrong_type(key, "a list of texts", other)),
                })
                .collect(),
            Some(other) => Err(self.wrong_type(key, "a list of texts", other)),
        }
    }

    /// The values of a list, or the one value there is.
    pub fn values(&self, key: &str) -> Vec<&'a Value> {
        match self.table.get(key) {
            None => Vec::new(),
            Some(Value::Array(list)) => list.iter().collect(),
            Some(one) => vec![one],
        }
    }

    /// A table inside this one.
    pub fn section(&self, key: &str, known: &[&str]) -> Result<Option<Section<'a>>> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::Table(table)) => Section::new(self.file, self.name(key), table, known).map(Some),
            Some(other) => Err(self.wrong_type(key, "a table", other)),
        }
    }

    fn wrong_type(&self, key: &str, wanted: &str, found: &Value) -> Error {
        self.refuse(key, format!("{found} cannot be used")).next(format!("{wanted} is needed"))
    }

    fn out_of_range(
        &self,
        key: &str,
        value: impl std::fmt::Display,
        low: impl std::fmt::Display,
        high: impl std::fmt::Display,
    ) -> Error {
        self.refuse(key, format!("{value} is impossible")).next(format!("give a value from {low} to {high}"))
    }
}

/// The candidate that a misspelt word most likely meant.
pub(super) fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let likeness = |candidate: &str| strsim::jaro_winkler(word, candidate);
    let best = candidates.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) > 0.75).then_some(*best)
}
