//! Requests with a reply that is kind, true and short, and one that is rude, false or rambling.

use super::{Row, Rows, Scene, halves, weighted};
use crate::corpus::world::facts::SEED;
use crate::error::Result;
use crate::random::Random;

const TRAIN: usize = 800;
const TEST: usize = 150;

pub(super) fn rows(scene: Scene) -> Result<Rows> {
    let documents = scene.grammar.documents_of("preferences/")?;
    halves(TRAIN, TEST, |index| {
        let document = weighted(&documents, &mut Random::named(SEED, "preferences", index as u64))?;
        let mut parts = scene.teller("preference", index).parts(document)?.into_iter();
        let mut part = |tag: &str| parts.next().filter(|(found, _)| found == tag).map(|(_, text)| text);
        Some(Row::Preference { prompt: part("prompt")?, chosen: part("chosen")?, rejected: part("rejected")? })
    })
}
