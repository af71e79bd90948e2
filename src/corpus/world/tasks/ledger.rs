//! The second domain: the harbour guild's logs and ledgers.

use super::{Rows, Scene, stories};
use crate::error::Result;

const BYTES: usize = 1_600_000;

pub(super) fn rows(scene: Scene) -> Result<Rows> {
    let documents = scene.grammar.documents_of("ledger")?;
    Ok(stories::tell(scene, "ledger", &documents, BYTES))
}
