//! The pretraining corpus: tales and pages of the valley, told until there are enough of them.

use std::collections::HashSet;

use super::{Row, Rows, Scene, weighted};
use crate::corpus::world::facts::SEED;
use crate::corpus::world::grammar::Document;
use crate::corpus::world::random::Random;
use crate::error::Result;

const BYTES: usize = 5_400_000;
/// Beyond the indices of the corpus: stories that are told for other sets start here.
pub(super) const BEYOND: usize = 1_000_000;
const TEST_PERCENT: usize = 5;

pub(super) fn rows(scene: Scene) -> Result<Rows> {
    let mut documents = scene.grammar.documents_of("tale_")?;
    documents.extend(scene.grammar.documents_of("page_")?);
    Ok(tell(scene, "stories", &documents, BYTES))
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
