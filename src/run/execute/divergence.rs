//! How far the live model's answers are from its base's on held-out text: KL(live ‖ base), beside the loss.
//!
//! It is measured where the base's weights are at hand: a pull or the workbench keeps them, and those of a small model
//! are kept anyway.

use super::phase::PhaseRun;
use crate::Result;
use crate::model::Decoder;
use crate::protocol::{KL_BASE, MetricValue};
use crate::run::suite::Suite;
use std::sync::Arc;

/// Weights of so many bytes are kept for the sake of it.
const CHEAP: u64 = 64 << 20;
/// Positions of each text that it is measured on.
const TOKENS: u64 = 4096;

impl PhaseRun<'_, '_> {
    /// Keeps the base's weights where that costs little, as the phase begins; says it where they are not at hand.
    pub(super) fn keep_cheap_base(&mut self) {
        if self.base.is_none() || self.base_weights.is_some() || !self.watch.has_text() {
            return;
        }
        let bytes = size_of::<f32>() as u64 * self.learner.decoder.parameters.count() as u64;
        if bytes <= CHEAP {
            self.base_weights = Some(self.learner.share());
            return;
        }
        self.notice(format!(
            "the KL to the base is not measured: its weights ({:.1} GB) are not kept; a pull (kl, l2_sp) or the workbench \
             keeps them",
            bytes as f64 / 1e9
        ));
    }

    /// The same where a phase is gone on with: they are read from the base's checkpoint. One that is gone is said.
    pub(super) fn read_cheap_base(&mut self) {
        let bytes = size_of::<f32>() as u64 * self.learner.decoder.parameters.count() as u64;
        if self.base.is_none() || self.base_weights.is_some() || !self.watch.has_text() || bytes > CHEAP {
            return;
        }
        if let Err(error) = self.pull_base() {
            self.notice(format!("the KL to the base is not measured: {error}"));
        }
    }

    /// What is known of a suite besides its own figures.
    pub(super) fn kl_base(&self, suite: &Suite, live: &Arc<Decoder>) -> Result<Option<MetricValue>> {
        let Some(base) = self.base_weights.as_ref().filter(|_| self.base.is_some()) else { return Ok(None) };
        let value = suite.divergence(live, base, TOKENS)?;
        Ok(value.map(|value| MetricValue { name: KL_BASE.into(), value }))
    }
}
