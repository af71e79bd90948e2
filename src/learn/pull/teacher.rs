//! The pull of the base's answers: learning without forgetting (Li and Hoiem 2016, arXiv 1606.09282).

use super::super::prefix::{PrefixCache, PrefixSettings};
use crate::Result;
use crate::model::{Decoder, Gradients, Input};
use candle_core::Tensor;
use std::sync::Arc;

/// A model that does not train and whose answers another is pulled to: A · T² · KL(teacher ‖ student), the mean over the
/// positions that are asked for: those with a token to learn (the next one, or one that is hidden), and all of a text that
/// is scored. There the new head learns the score, and the head for tokens is the old task's, which is held to the old
/// model's answers on the new inputs, as in the paper; the gradient of both goes into the body that they share.
///
/// The direction is that of distillation: the teacher's distribution weighs the logarithms, so its gradient is that of
/// the cross-entropy with the teacher's soft targets, (p − q) · T at the logits, and the student is drawn to give
/// probability wherever the teacher does. The other direction would let it drop what the teacher knows, as long as what
/// it keeps is likely under the teacher.
#[derive(Debug)]
pub struct Teacher {
    base: Arc<Decoder>,
    strength: f64,
    temperature: f64,
    /// Hidden states of rows that come again.
    cache: Option<PrefixCache>,
}

impl Teacher {
    /// `cache` says what may be kept of rows that come again; it has to be in f32, so that nothing that is learned
    /// depends on what there was room for.
    pub(super) fn new(base: Arc<Decoder>, strength: f64, temperature: f64, cache: Option<PrefixSettings>) -> Self {
        Self { base, strength, temperature, cache: cache.map(PrefixCache::new) }
    }

    /// Takes over what was kept for the same model.
    pub(super) fn inherit(&mut self, before: Self) {
        if Arc::ptr_eq(&self.base, &before.base) && self.cache.is_some() {
            self.cache = before.cache;
        }
    }

    /// The rows that the cache served, and all that the teacher read.
    pub fn served(&self) -> Option<(u64, u64)> {
        self.cache.as_ref().map(PrefixCache::totals).map(|totals| (totals.hits, totals.rows))
    }

    /// The teacher's last hidden states of an input, (rows·columns, width).
    pub(in super::super) fn read(&mut self, input: &Input) -> Result<Tensor> {
        let kept = self.cache.as_mut().map(|cache| cache.last_hidden(&self.base, input)).transpose()?.flatten();
        if let Some(cache) = &mut self.cache {
            // They speak of frozen layers.
            cache.take_notices();
        }
        match kept {
            Some(hidden) => Ok(hidden),
            None => Ok(self.base.forward(input, None)?.hidden),
        }
    }

    /// For positions of which `own` and `others` (n, width) are the student's and the teacher's hidden states: A · T² · Σ KL
    /// in nats, and the gradient of `scale` times that at `own`. The head's is added to `gradients`.
    pub(in super::super) fn pull(
        &self,
        student: &Decoder,
        own: &Tensor,
        others: &Tensor,
        scale: f64,
        gradients: &mut Gradients,
    ) -> Result<(f64, Tensor)> {
        let softness = (self.temperature, scale * self.strength);
        let (rows, gradient) = student.distilled(own, &self.base.answers(others)?, softness, gradients)?;
        Ok((self.strength * rows.iter().map(|row| *row as f64).sum::<f64>(), gradient))
    }
}
