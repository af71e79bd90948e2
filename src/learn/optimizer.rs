//! AdamW over a model's parameters.

use crate::Result;
use crate::model::{Gradients, ParameterId, Parameters};
use crate::ops::adamw::{Moments, Settings, Step};
use crate::ops::reduce;

/// What stays the same through a phase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWSettings {
    pub moments: Settings,
    /// Decoupled, on matrices only.
    pub weight_decay: f64,
    /// The gradient's norm over everything that trains is scaled down to this.
    pub largest_norm: Option<f64>,
}

impl AdamWSettings {
    /// A step without clipping: decay is for matrices only.
    fn step(&self, decays: bool, learning_rate: f64) -> Step {
        let weight_decay = if decays { self.weight_decay } else { 0.0 };
        Step { learning_rate, weight_decay, gradient_scale: 1.0 }
    }
}

/// AdamW with moments and a step count for each parameter, made when it first gets a gradient: what never trains
/// costs nothing, and what joins late starts its own bias correction.
#[derive(Debug)]
pub struct AdamW {
    settings: AdamWSettings,
    moments: Vec<Option<Moments>>,
}

impl AdamW {
    pub fn new(settings: AdamWSettings, parameters: &Parameters) -> Self {
        Self { settings, moments: vec![None; parameters.len()] }
    }

    /// The state of a parameter, once it has one.
    pub fn moments(&self, id: ParameterId) -> Option<&Moments> {
        self.moments[id.0].as_ref()
    }

    /// The state of every parameter, in the fixed order.
    pub fn all_moments(&self) -> &[Option<Moments>] {
        &self.moments
    }

    /// Puts the state of every parameter in the place of what is there.
    pub fn set_moments(&mut self, moments: Vec<Option<Moments>>) {
        self.moments = moments;
    }

    /// Gives the moments of a parameter memory of their own.
    pub(super) fn copy_moments(&mut self, id: ParameterId) -> Result<()> {
        if let Some(moments) = &mut self.moments[id.0] {
            (moments.first, moments.second) = (moments.first.copy()?, moments.second.copy()?);
        }
        Ok(())
    }

    /// Clips, then moves every parameter that has a gradient at its own rate; the others stay byte-identical. `norm`
    /// is the gradient's, the root of what [`squares`] gives.
    pub fn step(
        &mut self,
        parameters: &mut Parameters,
        gradients: &Gradients,
        norm: f64,
        rate: impl Fn(ParameterId) -> f64,
    ) -> Result<()> {
        // As PyTorch's clip_grad_norm_: a little below the bound.
        let gradient_scale = self.settings.largest_norm.map_or(1.0, |largest| (largest / (norm + 1e-6)).min(1.0));
        for (id, gradient) in gradients.iter() {
            let parameter = &mut parameters[id];
            let moments = match &mut self.moments[id.0] {
                Some(moments) => moments,
                empty => empty.insert(Moments::zeros_like(&parameter.value)?),
            };
            let settings = self.settings;
            let step = Step { gradient_scale, ..settings.step(parameter.decays, rate(id)) };
            moments.step(&mut parameter.value, gradient, self.settings.moments, step)?;
        }
        Ok(())
    }

    /// Σ Δ² of a parameter's last step, which was made at `learning_rate`; `None` where it has made none.
    pub fn squared_change(&self, parameters: &Parameters, id: ParameterId, learning_rate: f64) -> Result<Option<f64>> {
        let parameter = &parameters[id];
        let step = self.settings.step(parameter.decays, learning_rate);
        let change = |moments: &Moments| moments.squared_change(&parameter.value, self.settings.moments, step);
        Ok(self.moments(id).map(change).transpose()?)
    }
}

/// Σ g² of each parameter in the fixed order; 0 where there is no gradient.
pub fn squares(gradients: &Gradients, parameters: usize) -> Result<Vec<f64>> {
    let mut squares = vec![0.0; parameters];
    for (id, gradient) in gradients.iter() {
        squares[id.0] = reduce::sum_of_squares(gradient)?;
    }
    Ok(squares)
}
