//! Word lists and records: the vocabulary that worlds and texts are made of.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::language::Word;
use crate::error::{Context, Error, Result};

/// Words under a list's name, for example all birds.
pub type List = Vec<Word>;

/// A thing with named properties, for example a trade with its tools and wares; each property is a list.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    pub name: Word,
    pub fields: BTreeMap<String, List>,
}

/// All lists, and all tables of records.
#[derive(Debug, Default)]
pub struct Lexicon {
    lists: BTreeMap<String, List>,
    tables: BTreeMap<String, Vec<Record>>,
}

/// The layout of a word file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Comma-separated entries by list.
    #[serde(default)]
    lists: BTreeMap<String, String>,
    /// Comma-separated entries by table, record and property.
    #[serde(default)]
    tables: BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>>,
}

impl Lexicon {
    /// Reads word files, given as (name, TOML text). A list that two files name is an error.
    pub fn read(files: &[(&str, &str)]) -> Result<Self> {
        let mut lexicon = Self::default();
        for (name, text) in files {
            let file: File = toml::from_str(text).what(|| format!("cannot read the word file {name}"))?;
            for (list, entries) in file.lists {
                if lexicon.lists.insert(list.clone(), parse_list(&entries)).is_some() {
                    return Err(Error::new(format!("the word list {list} is there twice")).because(*name));
                }
            }
            for (table, records) in file.tables {
                let records = records.into_iter().map(|(name, fields)| parse_record(&name, fields));
                lexicon.tables.entry(table).or_default().extend(records);
            }
        }
        Ok(lexicon)
    }

    pub fn list(&self, name: &str) -> Result<&List> {
        self.find_list(name).ok_or_else(|| Error::new(format!("the bundled world has no word list {name}")))
    }

    pub fn find_list(&self, name: &str) -> Option<&List> {
        self.lists.get(name)
    }

    /// Keeps `shown` words of every ten of a list.
    pub fn thin(&mut self, name: &str, shown: usize) -> Result<()> {
        let list = self.lists.get_mut(name);
        let list = list.ok_or_else(|| Error::new(format!("the bundled world has no word list {name}")))?;
        let mut index = 0;
        list.retain(|_| {
            index += 1;
            (index - 1) % 10 < shown
        });
        Ok(())
    }

    pub fn table(&self, name: &str) -> Result<&[Record]> {
        self.find_table(name).ok_or_else(|| Error::new(format!("the bundled world has no table {name}")))
    }

    pub fn find_table(&self, name: &str) -> Option<&[Record]> {
        self.tables.get(name).map(Vec::as_slice)
    }

    /// Whether any record has this property; templates are checked against it.
    pub fn is_field(&self, field: &str) -> bool {
        self.tables.values().flatten().any(|record| record.fields.contains_key(field))
    }
}

fn parse_list(entries: &str) -> List {
    // A long entry may be wrapped.
    let entries = entries.split(',').map(|entry| entry.split_whitespace().collect::<Vec<_>>().join(" "));
    entries.filter(|entry| !entry.is_empty()).map(|entry| Word::parse(&entry)).collect()
}

fn parse_record(name: &str, fields: BTreeMap<String, String>) -> Record {
    let fields = fields.into_iter().map(|(field, entries)| (field, parse_list(&entries))).collect();
    Record { name: Word::parse(&name.replace('_', " ")), fields }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lists_and_records() {
        let text = "[lists]\nbirds = \"heron, goose/geese\"\n[tables.trades.rope_maker]\nware = \"rope, cord\"";
        let lexicon = Lexicon::read(&[("words", text)]).unwrap();
        assert_eq!(lexicon.list("birds").unwrap()[1].many, "geese");
        let trades = lexicon.table("trades").unwrap();
        assert_eq!(trades[0].name.one, "rope maker");
        assert!(lexicon.is_field("ware"));
        assert!(lexicon.list("fishes").unwrap_err().to_string().contains("fishes"));
    }

    #[test]
    fn names_the_broken_file() {
        let error = Lexicon::read(&[("birds.toml", "[lists")]).unwrap_err().to_string();
        assert!(error.contains("birds.toml"), "{error}");
    }
}
