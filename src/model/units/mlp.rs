use super::super::config::{Config, Family};
use super::super::group::{Group, Kind, Layer};
use super::super::initialize::Start;
use super::super::parameters::{Gradients, Parameters};
use super::linear::LinearShape;
use super::{Builder, Linear};
use crate::{Result, ops};
use candle_core::Tensor;

/// The feed-forward part: up, activation, down. For SwiGLU, up yields packed [gate | up].
#[derive(Clone, Debug)]
pub struct Mlp {
    up: Linear,
    down: Linear,
    family: Family,
}

/// What the forward pass keeps for the backward.
#[derive(Debug)]
pub struct MlpKept {
    /// (n, width).
    input: Tensor,
    /// Before the activation, (n, up width).
    up: Tensor,
    /// After it, (n, intermediate width).
    activated: Tensor,
}

impl Mlp {
    pub(in super::super) fn new(b: &mut Builder, index: usize, config: &Config) -> Result<Self> {
        let group = Group::new(Layer::Block(index), Kind::Mlp);
        let bias = config.mlp_bias;
        let up = LinearShape { width_in: config.width, width_out: config.mlp_up_width(), bias, start: Start::Normal };
        let down = LinearShape { width_in: config.intermediate, width_out: config.width, bias, start: Start::Residual };
        Ok(Self {
            up: Linear::new(b, &format!("block.{index}.mlp.up"), group, up)?,
            down: Linear::new(b, &format!("block.{index}.mlp.down"), group, down)?,
            family: config.family,
        })
    }

    /// `x` (n, width) → mlp + `residual`, (n, width).
    pub fn forward(&self, p: &Parameters, x: Tensor, residual: &Tensor) -> Result<(Tensor, MlpKept)> {
        let kept = self.rise(p, x)?;
        let y = self.down.forward(p, &kept.activated, Some(residual))?;
        Ok((y, kept))
    }

    /// The forward pass without its last product: all that the backward pass needs.
    pub fn rise(&self, p: &Parameters, x: Tensor) -> Result<MlpKept> {
        let up = self.up.forward(p, &x, None)?;
        let activated = match self.family {
            Family::Llama => ops::activation::swiglu(&up)?,
            Family::Gpt2 => ops::activation::gelu(&up)?,
            Family::Bert => ops::activation::gelu_exact(&up)?,
        };
        Ok(MlpKept { input: x, up, activated })
    }

    pub fn trains(&self, gradients: &Gradients) -> bool {
        self.up.trains(gradients) || self.down.trains(gradients)
    }

    /// The gradient for the input, not computed where `further` is false.
    pub fn backward(
        &self,
        p: &Parameters,
        kept: MlpKept,
        gradient: &Tensor,
        gradients: &mut Gradients,
        further: bool,
    ) -> Result<Option<Tensor>> {
        self.down.backward_parameters(p, &kept.activated, gradient, gradients)?;
        if !further && !self.up.trains(gradients) {
            return Ok(None);
        }
        let d_activated = self.down.backward_input(p, gradient)?;
        let d_up = match self.family {
            Family::Llama => ops::activation::swiglu_backward(&kept.up, &d_activated)?,
            Family::Gpt2 => ops::activation::gelu_backward(&kept.up, d_activated)?,
            Family::Bert => ops::activation::gelu_exact_backward(&kept.up, d_activated)?,
        };
        self.up.backward_parameters(p, &kept.input, &d_up, gradients)?;
        further.then(|| self.up.backward_input(p, &d_up)).transpose()
    }
}
