use super::super::config::Config;
use super::super::group::{Group, Kind, Layer};
use super::super::parameters::{Gradients, Parameters};
use super::{Attention, AttentionKept, Builder, CachedPlaces, Mlp, MlpKept, Norm, Places};
use crate::Result;
use candle_core::Tensor;

/// A transformer block with norms before its parts: x + attention(norm(x)), then the same with the MLP.
#[derive(Clone, Debug)]
pub struct Block {
    attention_norm: Norm,
    attention: Attention,
    mlp_norm: Norm,
    mlp: Mlp,
}

/// What the forward pass keeps for the backward.
#[derive(Debug)]
pub struct BlockKept {
    input: Tensor,
    attention: AttentionKept,
    /// Between attention and MLP, (n, width).
    middle: Tensor,
    mlp: MlpKept,
}

impl Block {
    pub(in super::super) fn new(b: &mut Builder, index: usize, config: &Config) -> Result<Self> {
        let group = Group::new(Layer::Block(index), Kind::Norm);
        Ok(Self {
            attention_norm: Norm::new(b, &format!("block.{index}.norm.attention"), group, config)?,
            attention: Attention::new(b, index, config)?,
            mlp_norm: Norm::new(b, &format!("block.{index}.norm.mlp"), group, config)?,
            mlp: Mlp::new(b, index, config)?,
        })
    }

    /// `x` (n, width) → (n, width). Whoever will not go backward through it drops what is kept.
    pub fn forward(&self, p: &Parameters, x: Tensor, places: Places) -> Result<(Tensor, BlockKept)> {
        let normed = self.attention_norm.forward(p, &x)?;
        let (middle, attention) = self.attention.forward(p, normed, &x, places)?;
        let normed = self.mlp_norm.forward(p, &middle)?;
        let (y, mlp) = self.mlp.forward(p, normed, &middle)?;
        Ok((y, BlockKept { input: x, attention, middle, mlp }))
    }

    /// What [`Block::forward`] keeps of `x`, computed again: the same bits, without the last product.
    pub fn recompute(&self, p: &Parameters, x: Tensor, places: Places) -> Result<BlockKept> {
        let normed = self.attention_norm.forward(p, &x)?;
        let (middle, attention) = self.attention.forward(p, normed, &x, places)?;
        let normed = self.mlp_norm.forward(p, &middle)?;
        let mlp = self.mlp.rise(p, normed)?;
        Ok(BlockKept { input: x, attention, middle, mlp })
    }

    /// The gradient for `x`, not computed where nothing `below` trains.
    pub fn backward(
        &self,
        p: &Parameters,
        kept: BlockKept,
        gradient: Tensor,
        places: Places,
        gradients: &mut Gradients,
        below: bool,
    ) -> Result<Option<Tensor>> {
        let past_attention = below || self.attention_norm.trains(gradients);
        let past_middle = past_attention || self.attention.trains(gradients);
        let past_mlp = past_middle || self.mlp_norm.trains(gradients);
        let Some(d_normed) = self.mlp.backward(p, kept.mlp, &gradient, gradients, past_mlp)? else { return Ok(None) };
        let d_middle = self.mlp_norm.backward(p, &kept.middle, &d_normed, Some(&gradient), gradients)?;
        if !past_middle {
            return Ok(None);
        }
        let d_normed = self.attention.backward(p, kept.attention, &d_middle, places, gradients, past_attention)?;
        let Some(d_normed) = d_normed else { return Ok(None) };
        let dx = self.attention_norm.backward(p, &kept.input, &d_normed, Some(&d_middle), gradients)?;
        Ok(below.then_some(dx))
    }

    /// New tokens after cached ones: see [`Attention::extend`].
    pub fn extend(
        &self,
        p: &Parameters,
        x: Tensor,
        places: CachedPlaces,
        cached: (&Tensor, &Tensor),
    ) -> Result<Tensor> {
        let normed = self.attention_norm.forward(p, &x)?;
        let middle = self.attention.extend(p, &normed, &x, places, cached)?;
        let normed = self.mlp_norm.forward(p, &middle)?;
        Ok(self.mlp.forward(p, normed, &middle)?.0)
    }
}
