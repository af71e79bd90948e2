//! Hillspeech, a small constructed language with cases, agreement and vowel harmony; its grammar and words are data.
//!
//! The verb comes last; a noun takes plural and case, and its adjectives take the same; suffix vowels follow the last
//! vowel of the stem (`A` is `a` or `e`, `U` is `u` or `i`), and some consonants change where a suffix joins.

mod phonology;
mod sentence;

pub use sentence::pair;

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::{Context, Result};

/// The whole language.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Language {
    pub(super) endings: Endings,
    /// Pairs of letters that become others where a suffix joins, for example `nm` → `mm`.
    pub(super) sandhi: BTreeMap<String, String>,
    /// Pronouns, first to third person singular, then plural: English subject and stem.
    pub(super) pronouns: Vec<[String; 2]>,
    /// English noun entries by kind of thing, each with its stem.
    pub(super) people: BTreeMap<String, String>,
    pub(super) things: BTreeMap<String, String>,
    pub(super) places: BTreeMap<String, String>,
    pub(super) adjectives: BTreeMap<String, String>,
    /// Verbs with a thing as object, with a person as object, that give a thing to a person, and without an object.
    pub(super) handling: BTreeMap<String, String>,
    pub(super) meeting: BTreeMap<String, String>,
    pub(super) giving: BTreeMap<String, String>,
    pub(super) being: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Endings {
    pub plural: String,
    pub accusative: String,
    pub genitive: String,
    pub dative: String,
    pub locative: String,
    pub past: String,
    pub future: String,
    /// By person, first to third singular, then plural.
    pub persons: Vec<String>,
    /// Before a verb.
    pub negation: String,
}

impl Language {
    /// The bundled language.
    pub fn bundled() -> Result<Self> {
        let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/data/world/hillspeech.toml"));
        toml::from_str(text).what(|| "cannot read hillspeech.toml".into())
    }
}
