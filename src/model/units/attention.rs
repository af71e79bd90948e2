use super::super::config::Config;
use super::super::group::{Group, Kind, Layer};
use super::super::initialize::Start;
use super::super::parameters::{Gradients, Parameters};
use super::linear::LinearShape;
use super::{Builder, CachedPlaces, Linear, Places};
use crate::Result;
use crate::ops::attention::{self, Attended, Heads};
use crate::ops::rotary::{self, Angles, Turn};
use candle_core::Tensor;

/// Self-attention: one projection to packed [queries | keys | values], and one back to the residual stream.
#[derive(Clone, Debug)]
pub struct Attention {
    packed: Linear,
    output: Linear,
    heads: Heads,
    /// How far a position sees back, itself included.
    window: Option<usize>,
}

/// What the forward pass keeps for the backward.
#[derive(Debug)]
pub struct AttentionKept {
    /// The input, (n, width).
    input: Tensor,
    /// After rotation, (n, packed width).
    packed: Tensor,
    attended: Attended,
}

impl Attention {
    pub(in super::super) fn new(b: &mut Builder, index: usize, config: &Config) -> Result<Self> {
        let group = Group::new(Layer::Block(index), Kind::Attention);
        let (heads, bias) = (config.heads, config.attention_bias);
        let packed =
            LinearShape { width_in: config.width, width_out: heads.packed_width(), bias, start: Start::Normal };
        let output =
            LinearShape { width_in: heads.query_width(), width_out: config.width, bias, start: Start::Residual };
        Ok(Self {
            packed: Linear::new(b, &format!("block.{index}.attention.packed"), group, packed)?,
            output: Linear::new(b, &format!("block.{index}.attention.output"), group, output)?,
            heads,
            window: config.window,
        })
    }

    /// The packed projection of `x`, rotated where positions are rotary.
    fn project(&self, p: &Parameters, x: &Tensor, angles: Option<&Angles>, positions: &[u32]) -> Result<Tensor> {
        let packed = self.packed.forward(p, x, None)?;
        self.rotate(packed, angles, positions, Turn::Forward)
    }

    fn rotate(&self, packed: Tensor, angles: Option<&Angles>, positions: &[u32], turn: Turn) -> Result<Tensor> {
        let turned = self.heads.query + self.heads.key_value;
        match angles {
            Some(angles) => Ok(rotary::rotate(packed, turned, self.heads.dimension, angles, positions, turn)?),
            None => Ok(packed),
        }
    }

    /// `x` (n, width) → attention + `residual`, (n, width).
    pub fn forward(
        &self,
        p: &Parameters,
        x: Tensor,
        residual: &Tensor,
        places: Places,
    ) -> Result<(Tensor, AttentionKept)> {
        let packed = self.project(p, &x, places.angles, places.positions)?;
        let attended = attention::forward(&packed, self.heads, places.layout)?;
        let y = self.output.forward(p, &attended.output, Some(residual))?;
        Ok((y, AttentionKept { input: x, packed, attended }))
    }

    pub fn trains(&self, gradients: &Gradients) -> bool {
        self.packed.trains(gradients) || self.output.trains(gradients)
    }

    /// The gradient for `x`, not computed where `further` is false.
    pub fn backward(
        &self,
        p: &Parameters,
        kept: AttentionKept,
        gradient: &Tensor,
        places: Places,
        gradients: &mut Gradients,
        further: bool,
    ) -> Result<Option<Tensor>> {
        self.output.backward_parameters(p, &kept.attended.output, gradient, gradients)?;
        if !further && !self.packed.trains(gradients) {
            return Ok(None);
        }
        let d_attended = self.output.backward_input(p, gradient)?;
        let d_packed = attention::backward(&kept.packed, &kept.attended, &d_attended, self.heads, places.layout)?;
        let d_packed = self.rotate(d_packed, places.angles, places.positions, Turn::Back)?;
        self.packed.backward_parameters(p, &kept.input, &d_packed, gradients)?;
        further.then(|| self.packed.backward_input(p, &d_packed)).transpose()
    }

    /// New tokens `x` (n, width) after cached ones; `cached`, keys and values (rows, capacity, key width), is filled
    /// further.
    pub fn extend(
        &self,
        p: &Parameters,
        x: &Tensor,
        residual: &Tensor,
        places: CachedPlaces,
        cached: (&Tensor, &Tensor),
    ) -> Result<Tensor> {
        let packed = self.project(p, x, places.angles, places.positions)?;
        let attended = attention::with_cache(&packed, cached, places.spans, self.heads, self.window)?;
        self.output.forward(p, &attended, Some(residual))
    }
}
