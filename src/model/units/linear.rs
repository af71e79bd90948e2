use super::super::group::Group;
use super::super::initialize::Start;
use super::super::parameters::{Gradients, ParameterId, Parameters};
use super::Builder;
use crate::{Result, ops};
use candle_core::Tensor;

/// y = x Wᵀ (+ bias); the weight is (out, in).
#[derive(Clone, Debug)]
pub struct Linear {
    weight: ParameterId,
    bias: Option<ParameterId>,
}

/// What a linear unit looks like before it has parameters.
pub(in super::super) struct LinearShape {
    pub width_in: usize,
    pub width_out: usize,
    pub bias: bool,
    pub start: Start,
}

impl Linear {
    pub(in super::super) fn new(b: &mut Builder, name: &str, group: Group, shape: LinearShape) -> Result<Self> {
        let weight = b.add(format!("{name}.weight"), group, &[shape.width_out, shape.width_in], shape.start)?;
        let bias = match shape.bias {
            true => Some(b.add(format!("{name}.bias"), group, &[shape.width_out], Start::Zeros)?),
            false => None,
        };
        Ok(Self { weight, bias })
    }

    /// `x` (n, in) → (n, out), plus `residual` where given.
    pub fn forward(&self, parameters: &Parameters, x: &Tensor, residual: Option<&Tensor>) -> Result<Tensor> {
        let bias = self.bias.map(|id| &parameters[id].value);
        Ok(ops::linear::forward(x, &parameters[self.weight].value, bias, residual, parameters.precision)?)
    }

    /// Whether any of its parameters trains.
    pub fn trains(&self, gradients: &Gradients) -> bool {
        gradients.trains(self.weight) || self.bias.is_some_and(|id| gradients.trains(id))
    }

    /// Fills the gradients of the parameters that train.
    pub fn backward_parameters(
        &self,
        parameters: &Parameters,
        x: &Tensor,
        gradient: &Tensor,
        gradients: &mut Gradients,
    ) -> Result<()> {
        let precision = parameters.precision;
        if let Some(slot) = gradients.slot(self.weight) {
            ops::linear::backward_weight(gradient, x, precision, slot)?;
        }
        if let Some(slot) = self.bias.and_then(|id| gradients.slot(id)) {
            ops::linear::backward_bias(gradient, slot)?;
        }
        Ok(())
    }

    /// The gradient for the input, (n, in).
    pub fn backward_input(&self, parameters: &Parameters, gradient: &Tensor) -> Result<Tensor> {
        Ok(ops::linear::backward_input(gradient, &parameters[self.weight].value, parameters.precision)?)
    }
}
