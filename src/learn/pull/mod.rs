//! Pulls towards the model that a phase started from, θ*: their gradients are added to those of the loss.
//!
//! - **L2-SP** (Li, Grandvalet, Davoine 2018, arXiv 1802.01483): α/2 · Σ (w − w*)².
//! - **Elastic weight consolidation** (Kirkpatrick et al. 2017, arXiv 1612.00796): λ/2 · Σ F (w − w*)², with F the diagonal
//!   of the Fisher information on what was learned before: see [`Fisher`].
//!
//! - **KL to the base** (learning without forgetting, Li and Hoiem 2016, arXiv 1606.09282): A · T² · KL(base ‖ live) over the
//!   answers to the phase's own inputs, see [`Teacher`].
//!
//! The first two go over the parameters that train; a frozen one cannot move away. A head that scores texts is left alone:
//! the base knows nothing of it. Nothing is shared between them but θ*, so that each may be on alone.

mod fisher;
mod teacher;

#[cfg(test)]
pub(crate) use fisher::MEASURED;
pub use fisher::{Fisher, key as fisher_key};
pub use teacher::Teacher;

use super::prefix::PrefixSettings;
use crate::Result;
use crate::model::{Decoder, Gradients, Kind, Parameters};
use crate::ops::reduce;
use candle_core::{DType, Tensor};
use serde::Serialize;
use std::sync::Arc;

/// How strong each pull is; 0 is off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Strengths {
    /// α of L2-SP.
    pub l2_sp: f64,
    /// λ of elastic weight consolidation.
    pub ewc: f64,
    /// Of the pull of the base's answers.
    pub kl: f64,
}

impl Strengths {
    /// Whether anything pulls.
    pub fn is_on(&self) -> bool {
        *self != Self::default()
    }
}

/// What pulls, how strongly, and where to.
#[derive(Debug)]
pub struct Pull {
    strengths: Strengths,
    base: Arc<Decoder>,
    fisher: Option<Arc<Fisher>>,
    teacher: Option<Teacher>,
}

impl Pull {
    /// Towards `base`, which has the same parameters as the model that is pulled, but for its score. Without `fisher`, elastic weight
    /// consolidation is off.
    pub fn new(strengths: Strengths, base: Arc<Decoder>, fisher: Option<Arc<Fisher>>) -> Self {
        Self { strengths, base, fisher, teacher: None }
    }

    /// With the pull of the base's answers, where it has a strength, at a temperature; `cache` says what may be kept of
    /// rows that come again. Without this it is off.
    pub fn teaching(mut self, temperature: f64, cache: Option<PrefixSettings>) -> Self {
        let strength = self.strengths.kl;
        let teacher = || Teacher::new(self.base.clone(), strength, temperature, cache);
        self.teacher = (strength != 0.0).then(teacher);
        self
    }

    /// In the place of another: keeps what that one had made of rows.
    pub(super) fn after(mut self, before: Option<Self>) -> Self {
        if let (Some(teacher), Some(before)) = (&mut self.teacher, before.and_then(|before| before.teacher)) {
            teacher.inherit(before);
        }
        self
    }

    /// Whether the base's answers pull.
    pub fn teaches(&self) -> bool {
        self.teacher.is_some()
    }

    pub(super) fn teacher(&mut self) -> Option<&mut Teacher> {
        self.teacher.as_mut()
    }

    pub fn strengths(&self) -> Strengths {
        self.strengths
    }

    /// Adds the gradients of the penalties on weights to those that were gathered, and returns the penalties in nats.
    pub fn add(&self, parameters: &Parameters, gradients: &mut Gradients) -> Result<f64> {
        let mut penalty = 0.0;
        for (id, parameter) in parameters.iter() {
            let Some(slot) = gradients.slot(id).filter(|_| parameter.group.kind != Kind::Score) else { continue };
            let value = &parameter.value;
            let away = (value - self.base.parameters[id].value.to_dtype(value.dtype())?)?;
            let mut pull: Option<Tensor> = None;
            if self.strengths.l2_sp != 0.0 {
                penalty += self.strengths.l2_sp / 2.0 * reduce::sum_of_squares(&away)?;
                pull = Some((&away * self.strengths.l2_sp)?);
            }
            if let Some(fisher) = self.fisher.as_ref().filter(|_| self.strengths.ewc != 0.0) {
                let importance = fisher.diagonal(id);
                penalty += self.strengths.ewc / 2.0 * reduce::sum_of_squares(&(importance.sqrt()? * &away)?)?;
                let elastic = ((importance * &away)? * self.strengths.ewc)?;
                pull = Some(match pull {
                    Some(pull) => (pull + elastic)?,
                    None => elastic,
                });
            }
            let Some(pull) = pull else { continue };
            *slot = Some(match slot.take() {
                Some(gathered) => (gathered + pull)?,
                None => pull.to_dtype(DType::F32)?,
            });
        }
        Ok(penalty)
    }
}

#[cfg(test)]
mod forgetting_tests;
#[cfg(test)]
mod tests;
