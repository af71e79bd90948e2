//! Opinions and whether they are good or bad. Train shows only some of the words that carry a judgement; what the others
//! mean can be learnt from the stories.

use std::collections::HashSet;

use super::{Row, Rows, Scene, distinct, sources, weighted};
use crate::corpus::world::facts::{SEED, World};
use crate::error::Result;
use crate::random::Random;

const TRAIN: usize = 1000;
const TEST: usize = 400;
/// Lists of judging words; of every ten words train shows some.
const JUDGEMENTS: [&str; 13] = [
    "tasty",
    "nasty",
    "cosy",
    "shabby",
    "sturdy",
    "flimsy",
    "pleasant_trip",
    "awful_trip",
    "kind_word",
    "unkind_word",
    "glad",
    "angry",
    "sad",
];
const SHOWN_OF_TEN: usize = 3;

pub(super) fn rows(scene: Scene) -> Result<Rows> {
    let mut fewer_words = sources::lexicon()?;
    JUDGEMENTS.iter().try_for_each(|list| fewer_words.thin(list, SHOWN_OF_TEN))?;
    let world = World::build(&fewer_words, SEED)?;
    let fewer = Scene { world: &world, grammar: scene.grammar };
    let mut seen = HashSet::new();
    let train = opinions(fewer, "sentiment train", TRAIN, &mut seen)?;
    let test = opinions(scene, "sentiment test", TEST, &mut seen)?;
    Ok(Rows { train, test })
}

/// As many positive as negative opinions, mixed.
fn opinions(scene: Scene, name: &str, count: usize, seen: &mut HashSet<String>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for label in ["positive", "negative"] {
        let documents = scene.grammar.documents_of(&format!("sentiment/{label}"))?;
        let stream = format!("{name} {label}");
        rows.extend(distinct(count / 2, seen, |index| {
            let document = weighted(&documents, &mut Random::named(SEED, &stream, index as u64))?;
            let telling = scene.teller(&stream, index).document(document)?;
            Some(Row::Labelled { text: telling.text, label })
        })?);
    }
    Random::named(SEED, name, 0).shuffle(&mut rows);
    Ok(rows)
}
