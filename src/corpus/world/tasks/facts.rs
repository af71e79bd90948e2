//! Cloze probes: a sentence of the stories up to the fact that ends it.

use super::{Fact, Row, Rows, Scene, all_facts};
use crate::corpus::world::facts::SEED;
use crate::corpus::world::language::Style;
use crate::error::Result;
use crate::random::Random;

/// Probes of one relation: every relation weighs about the same.
const PER_RELATION: usize = 22;
/// Of other facts, to show the form of a probe.
const EXAMPLES_PER_RELATION: usize = 4;

pub(super) fn rows(scene: Scene) -> Result<Rows> {
    let mut rows = Rows { train: Vec::new(), test: Vec::new() };
    let mut facts = all_facts(scene);
    Random::named(SEED, "facts", 0).shuffle(&mut facts);
    for relation in &scene.grammar.relations {
        let of_relation = facts.iter().filter(|fact| fact.relation.name == relation.name);
        for (index, fact) in of_relation.enumerate().take(PER_RELATION + EXAMPLES_PER_RELATION) {
            let Some(row) = probe(scene, fact, index) else { continue };
            if index < PER_RELATION { rows.test.push(row) } else { rows.train.push(row) }
        }
    }
    Ok(rows)
}

/// One of the wordings of a fact, in turn.
fn probe(scene: Scene, fact: &Fact, turn: usize) -> Option<Row> {
    let probes = &fact.relation.probes;
    let wordings = (0..probes.len()).map(|step| &probes[(turn + step) % probes.len()]);
    let prompt = wordings.into_iter().find_map(|probe| scene.say(fact.subject, probe, Style::Prose))?;
    Some(Row::Pair { prompt, completion: format!(" {}.", fact.answer) })
}
