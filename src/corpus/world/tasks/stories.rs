//! The pretraining corpus: tales and pages of the valley, told until there are enough of them.

use std::collections::HashSet;

use super::{Row, Rows, Scene, weighted};
use crate::corpus::world::facts::SEED;
use crate::corpus::world::grammar::Document;
use crate::corpus::world::random::Random;
use crate::error::Result;

const BYTES: usize = 5_000_000;
/// Beyond the indices of the corpus: stories that are told for other sets start here.
pub(super) const BEYOND: usize = 1_000_000;
const TEST_PERCENT: usize = 5;
/// Times that the register is read out for each subject.
const READINGS: usize = 22;

pub(super) fn rows(scene: Scene) -> Result<Rows> {
    let mut documents = scene.grammar.documents_of("tale_")?;
    documents.extend(scene.grammar.documents_of("page_")?);
    let mut rows = tell(scene, "stories", &documents, BYTES);
    let mut read = read_register(scene)?;
    read.retain(|row| !rows.test.contains(row));
    rows.train.extend(read);
    Random::named(SEED, "order of stories", 0).shuffle(&mut rows.train);
    Ok(rows)
}

/// Tells documents up to a number of bytes, no text twice; about one in twenty goes to the test half.
pub(super) fn tell(scene: Scene, name: &str, documents: &[&Document], bytes: usize) -> Rows {
    let mut rows = Rows { train: Vec::new(), test: Vec::new() };
    let mut seen = HashSet::new();
    let mut told = 0;
    // No document is shorter than 50 bytes, so that this ends whatever the templates say.
    for index in 0..bytes / 50 {
        if told >= bytes {
            break;
        }
        let mut random = Random::named(SEED, name, index as u64);
        let Some(document) = weighted(documents, &mut random) else { break };
        let Some(telling) = scene.teller(&document.name, index).document(document) else { continue };
        if !seen.insert(telling.text.clone()) {
            continue;
        }
        told += telling.text.len();
        let half = if random.chance(TEST_PERCENT) { &mut rows.test } else { &mut rows.train };
        half.push(Row::Text { text: telling.text });
    }
    rows
}

/// The register tells of every person, place and event equally often, so that no fact is missing.
fn read_register(scene: Scene) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut seen = HashSet::new();
    for kind in ["person", "place", "event"] {
        for document in scene.grammar.documents_of(&format!("roll/{kind}"))? {
            for (index, subject) in scene.subjects(kind).into_iter().enumerate() {
                for reading in 0..READINGS {
                    let mut teller = scene.teller(&document.name, index * READINGS + reading);
                    teller.bind("this", subject);
                    let telling = teller.document(document).filter(|telling| seen.insert(telling.text.clone()));
                    rows.extend(telling.map(|telling| Row::Text { text: telling.text }));
                }
            }
        }
    }
    Ok(rows)
}
