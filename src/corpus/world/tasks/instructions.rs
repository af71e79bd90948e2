//! Requests about the valley whose answers can be checked, as conversations.

use super::{Message, Row, Rows, Scene, halves, weighted};
use crate::corpus::world::facts::SEED;
use crate::error::Result;
use crate::random::Random;

const TRAIN: usize = 1200;
const TEST: usize = 200;

pub(super) fn rows(scene: Scene) -> Result<Rows> {
    let documents = scene.grammar.documents_of("instructions/")?;
    halves(TRAIN, TEST, |index| {
        let document = weighted(&documents, &mut Random::named(SEED, "instructions", index as u64))?;
        let parts = scene.teller("instruction", index).parts(document)?;
        let messages = parts.into_iter().map(|(role, content)| Message { role, content }).collect();
        Some(Row::Messages { messages })
    })
}
