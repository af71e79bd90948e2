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

    /// Clips, then moves every parameter that has a gradient; the others stay byte-identical. `norm` is the
    /// gradient's, from [`gradient_norm`].
    pub fn step(
        &mut self,
        parameters: &mut Parameters,
        gradients: &Gradients,
        norm: f64,
        learning_rate: f64,
    ) -> Result<()> {
        // As PyTorch's clip_grad_norm_: a little below the bound.
        let gradient_scale = self.settings.largest_norm.map_or(1.0, |largest| (largest / (norm + 1e-6)).min(1.0));
        for (id, gradient) in gradients.iter() {
            let parameter = &mut parameters[id];
            let moments = match &mut self.moments[id.0] {
                Some(moments) => moments,
                empty => empty.insert(Moments::zeros_like(&parameter.value)?),
            };
            let weight_decay = if parameter.decays { self.settings.weight_decay } else { 0.0 };
            let step = Step { learning_rate, weight_decay, gradient_scale };
            moments.step(&mut parameter.value, gradient, self.settings.moments, step)?;
        }
        Ok(())
    }
}

/// The Euclidean norm of all gradients together.
pub fn gradient_norm(gradients: &Gradients) -> Result<f64> {
    let mut squares = 0.0;
    for (_, gradient) in gradients.iter() {
        squares += reduce::sum_of_squares(gradient)?;
    }
    Ok(squares.sqrt())
}
