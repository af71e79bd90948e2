//! The rows of each set.

mod facts;
mod instructions;
mod ledger;
mod preferences;
mod questions;
mod row;
mod sentiment;
mod stories;
mod summaries;
mod translation;

pub use row::{Message, Row, Rows};

use std::collections::HashSet;

use super::facts::{SEED, Value, World};
use super::grammar::{Document, Grammar, Relation, Teller, Template};
use super::language::Style;
use super::{Set, sources};
use crate::error::{Context, Error, Result};
use crate::random::Random;

/// What rows are made from.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub grammar: &'a Grammar,
    pub world: &'a World<'a>,
}

/// All rows of a set; the same in every process.
pub fn rows(set: Set) -> Result<Rows> {
    let build = || {
        let lexicon = sources::lexicon()?;
        let grammar = sources::grammar(&lexicon)?;
        let world = World::build(&lexicon, SEED)?;
        let scene = Scene { grammar: &grammar, world: &world };
        match set {
            Set::Stories => stories::rows(scene),
            Set::Ledger => ledger::rows(scene),
            Set::Facts => facts::rows(scene),
            Set::Sentiment => sentiment::rows(scene),
            Set::Questions => questions::rows(scene),
            Set::Summaries => summaries::rows(scene),
            Set::Translation => translation::rows(),
            Set::Instructions => instructions::rows(scene),
            Set::Preferences => preferences::rows(scene),
        }
    };
    build().what(|| format!("cannot make the bundled set {}", set.name()))
}

impl<'a> Scene<'a> {
    /// A teller whose choices depend on the name and the index alone.
    fn teller(self, name: &str, index: usize) -> Teller<'a> {
        Teller::new(self.grammar, self.world, Random::named(SEED, name, index as u64))
    }

    /// A template told of a subject alone; nothing where it does not hold.
    pub fn say(self, subject: Value<'a>, template: &'a Template, style: Style) -> Option<String> {
        let mut teller = self.teller("say", 0);
        teller.bind("this", subject);
        teller.text(template, style)
    }

    /// Everything of a kind that facts are stated of.
    fn subjects(self, kind: &str) -> Vec<Value<'a>> {
        match kind {
            "person" => (0..self.world.people.len()).map(Value::Person).collect(),
            "place" => (0..self.world.places.len()).map(Value::Place).collect(),
            "event" => (0..self.world.events.len()).map(Value::Event).collect(),
            _ => Vec::new(),
        }
    }
}

/// Any of the documents, each as often as its weight says.
fn weighted<'a>(documents: &[&'a Document], random: &mut Random) -> Option<&'a Document> {
    let mut left = random.below(documents.iter().map(|document| document.weight).sum());
    for document in documents {
        if left < document.weight {
            return Some(document);
        }
        left -= document.weight;
    }
    None
}

/// Draws rows from `make`, by index, until there are enough; none has a key that was seen before.
fn distinct(count: usize, seen: &mut HashSet<String>, mut make: impl FnMut(usize) -> Option<Row>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    // Far more attempts than any set needs: a set that runs dry is an error, not an endless loop.
    for index in 0..count * 60 {
        if rows.len() == count {
            return Ok(rows);
        }
        rows.extend(make(index).filter(|row| seen.insert(row.key().to_string())));
    }
    let found = rows.len();
    Err(Error::new("the world has too few different rows").because(format!("{found} of {count} were found")))
}

/// A train and a test half without a common key.
fn halves(train: usize, test: usize, make: impl FnMut(usize) -> Option<Row>) -> Result<Rows> {
    let mut rows = distinct(train + test, &mut HashSet::new(), make)?;
    let test = rows.split_off(train);
    Ok(Rows { train: rows, test })
}

/// One fact of the world: a relation that holds for a subject.
pub(super) struct Fact<'a> {
    pub relation: &'a Relation,
    pub subject: Value<'a>,
    pub answer: String,
}

/// All facts, by subject.
pub(super) fn all_facts(scene: Scene) -> Vec<Fact> {
    let mut facts = Vec::new();
    for subject in ["person", "place", "event"].into_iter().flat_map(|kind| scene.subjects(kind)) {
        for relation in scene.grammar.relations.iter().filter(|relation| relation.of == subject.kind()) {
            let holds = relation.probes.iter().any(|probe| scene.say(subject, probe, Style::Prose).is_some());
            if let Some(answer) = scene.say(subject, &relation.answer, Style::Terse).filter(|_| holds) {
                facts.push(Fact { relation, subject, answer });
            }
        }
    }
    facts
}
