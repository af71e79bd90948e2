//! Short stories and their gist.

use super::{Row, Rows, Scene, halves, stories, weighted};
use crate::corpus::world::facts::SEED;
use crate::error::Result;
use crate::random::Random;

const TRAIN: usize = 800;
const TEST: usize = 150;
/// Longer stories would not leave room for their gist in a small model's context.
const MOST_WORDS: usize = 170;

pub(super) fn rows(scene: Scene) -> Result<Rows> {
    let documents = scene.grammar.documents_of("tale_")?;
    halves(TRAIN, TEST, |index| {
        let mut random = Random::named(SEED, "summaries", index as u64);
        let document = weighted(&documents, &mut random)?;
        let telling = scene.teller(&document.name, stories::BEYOND + index).document(document)?;
        let short = telling.text.split_whitespace().count() <= MOST_WORDS;
        let gist = telling.gist.filter(|_| short)?;
        Some(Row::Pair { prompt: format!("{}\n\nIn short:", telling.text), completion: format!(" {gist}") })
    })
}
