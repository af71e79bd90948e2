use super::super::config::Config;
use super::super::group::Group;
use super::super::initialize::Start;
use super::super::parameters::{Gradients, ParameterId, Parameters};
use super::Builder;
use crate::Result;
use crate::ops::norm::{self, Slots};
use candle_core::Tensor;

/// Layer norm with a bias (GPT-2, BERT) or RMS norm without (Llama). It keeps nothing: its backward takes the input again.
#[derive(Clone, Debug)]
pub struct Norm {
    weight: ParameterId,
    bias: Option<ParameterId>,
    kind: norm::Norm,
}

impl Norm {
    pub(in super::super) fn new(b: &mut Builder, name: &str, group: Group, config: &Config) -> Result<Self> {
        let centered = config.family.has_layer_norm();
        let weight = b.add(format!("{name}.weight"), group, &[config.width], Start::Ones)?;
        let bias = match centered {
            true => Some(b.add(format!("{name}.bias"), group, &[config.width], Start::Zeros)?),
            false => None,
        };
        Ok(Self { weight, bias, kind: norm::Norm { centered, epsilon: config.norm_epsilon as f32 } })
    }

    /// `x` (n, width) → (n, width).
    pub fn forward(&self, parameters: &Parameters, x: &Tensor) -> Result<Tensor> {
        let bias = self.bias.map(|id| &parameters[id].value);
        Ok(norm::forward(self.kind, x, &parameters[self.weight].value, bias)?)
    }

    pub fn trains(&self, gradients: &Gradients) -> bool {
        gradients.trains(self.weight) || self.bias.is_some_and(|id| gradients.trains(id))
    }

    /// Fills its gradients and returns the gradient for `x`, plus `residual` where given.
    pub fn backward(
        &self,
        parameters: &Parameters,
        x: &Tensor,
        gradient: &Tensor,
        residual: Option<&Tensor>,
        gradients: &mut Gradients,
    ) -> Result<Tensor> {
        let (mut weight, mut bias) = (None, None);
        let slots = Slots {
            weight: gradients.trains(self.weight).then_some(&mut weight),
            bias: self.bias.filter(|id| gradients.trains(*id)).map(|_| &mut bias),
        };
        let dx = norm::backward(self.kind, x, &parameters[self.weight].value, gradient, residual, slots)?;
        for (id, contribution) in [(Some(self.weight), weight), (self.bias, bias)] {
            if let (Some(slot), Some(contribution)) = (id.and_then(|id| gradients.slot(id)), contribution) {
                crate::ops::add_to_slot(slot, contribution)?;
            }
        }
        Ok(dx)
    }
}
