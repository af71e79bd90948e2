//! The Fisher information of a phase's base: read where a checkpoint of the run has it, measured where none does. Both
//! give the same bits: it follows from the base's weights and the data of the phase before alone.

use super::phase::PhaseRun;
use crate::Result;
use crate::learn::{Fisher, fisher_key};
use crate::model::Decoder;
use crate::run::checkpoint;
use crate::run::data::PhaseData;
use std::path::Path;
use std::sync::Arc;

/// What elastic weight consolidation needs besides the base.
pub(super) struct Consolidation {
    /// The data of the phase that this one stands on.
    pub data: Option<Arc<PhaseData>>,
    pub fisher: Option<Arc<Fisher>>,
}

impl Consolidation {
    /// Of a phase that stands on one with this data.
    pub fn on(data: Option<Arc<PhaseData>>) -> Self {
        Self { data, fisher: None }
    }
}

impl PhaseRun<'_, '_> {
    /// Has it at hand: of the first rows that the phase before trained on, mixed as its plan has it.
    pub(super) fn find_fisher(&mut self, base: &Decoder) -> Result<()> {
        let Some(data) = self.consolidation.data.clone().filter(|_| self.consolidation.fisher.is_none()) else {
            return Ok(());
        };
        if !data.batches.sources().is_empty() {
            data.batches.mix(&[])?;
        }
        // Texts that were scored are judged by the head that they trained, which this phase may have replaced.
        let own = match data.score.is_none() || data.score == self.data.score {
            true => None,
            false => Some(self.as_trained(checkpoint::weights(
                Path::new(self.base.as_deref().unwrap_or_default()),
                self.run.request.device,
            )?)),
        };
        let base = own.as_ref().unwrap_or(base);
        // No row counts twice.
        let (rows, all) = (self.plan.pull.fisher_rows, data.batches.batches_per_epoch());
        let batches = || (0..all).map(|step| data.batches.batch(step));
        let key = fisher_key(base, batches(), rows)?;
        let fisher = match self.stored_fisher(base, key) {
            Some(fisher) => fisher,
            None => Fisher::measure(base, batches(), rows, key)?,
        };
        self.consolidation.fisher = Some(Arc::new(fisher));
        Ok(())
    }

    /// From the newest checkpoint of the run that has it. One that is damaged is said, and passed over.
    fn stored_fisher(&mut self, base: &Decoder, key: u128) -> Option<Fisher> {
        let all = checkpoint::list(&self.run.folder.path).unwrap_or_default();
        for (path, _) in all.into_iter().rev() {
            match checkpoint::fisher(&path, base, key) {
                Ok(Some(fisher)) => return Some(fisher),
                Ok(None) => {}
                Err(error) => self.notice(format!("the Fisher information is measured again: {error}")),
            }
        }
        None
    }
}
