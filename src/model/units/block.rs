use super::super::config::Config;
use super::super::group::{Group, Kind, Layer};
use super::super::parameters::{Gradients, Parameters};
use super::{Attention, AttentionKept, Builder, CachedPlaces, Mlp, MlpKept, Norm, Places};
use crate::Result;
use candle_core::Tensor;

/// A transformer block with norms before its parts: x + attention(norm(x)), then the same with the MLP. An encoder's has
/// them behind: norm(x + attention(x)).
#[derive(Clone, Debug)]
pub struct Block {
    pub(super) attention_norm: Norm,
    pub(super) attention: Attention,
    pub(super) mlp_norm: Norm,
    pub(super) mlp: Mlp,
    norms_after: bool,
}

/// What the forward pass keeps for the backward.
#[derive(Debug)]
pub struct BlockKept {
    /// What the attention's norm read, (n, width): the block's input, or what the attention added to it.
    pub(super) attention_normed: Tensor,
    pub(super) attention: AttentionKept,
    /// What the MLP's norm read, (n, width).
    pub(super) mlp_normed: Tensor,
    pub(super) mlp: MlpKept,
}

impl Block {
    pub(in super::super) fn new(b: &mut Builder, index: usize, config: &Config) -> Result<Self> {
        let group = Group::new(Layer::Block(index), Kind::Norm);
        Ok(Self {
            attention_norm: Norm::new(b, &format!("block.{index}.norm.attention"), group, config)?,
            attention: Attention::new(b, index, config)?,
            mlp_norm: Norm::new(b, &format!("block.{index}.norm.mlp"), group, config)?,
            mlp: Mlp::new(b, index, config)?,
            norms_after: config.family.is_encoder(),
        })
    }

    /// `x` (n, width) → (n, width). Whoever will not go backward through it drops what is kept.
    pub fn forward(&self, p: &Parameters, x: Tensor, places: Places) -> Result<(Tensor, BlockKept)> {
        if self.norms_after {
            return self.forward_normed_after(p, x, places);
        }
        let normed = self.attention_norm.forward(p, &x)?;
        let (middle, attention) = self.attention.forward(p, normed, &x, places)?;
        let normed = self.mlp_norm.forward(p, &middle)?;
        let (y, mlp) = self.mlp.forward(p, normed, &middle)?;
        Ok((y, BlockKept { attention_normed: x, attention, mlp_normed: middle, mlp }))
    }

    /// What [`Block::forward`] keeps of `x`, computed again: the same bits, without the last product where no norm reads it.
    pub fn recompute(&self, p: &Parameters, x: Tensor, places: Places) -> Result<BlockKept> {
        if self.norms_after {
            return Ok(self.forward_normed_after(p, x, places)?.1);
        }
        let normed = self.attention_norm.forward(p, &x)?;
        let (middle, attention) = self.attention.forward(p, normed, &x, places)?;
        let normed = self.mlp_norm.forward(p, &middle)?;
        let mlp = self.mlp.rise(p, normed)?;
        Ok(BlockKept { attention_normed: x, attention, mlp_normed: middle, mlp })
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
        if self.norms_after {
            return self.backward_normed_after(p, kept, gradient, places, gradients, below);
        }
        let past_attention = below || self.attention_norm.trains(gradients);
        let past_middle = past_attention || self.attention.trains(gradients);
        let past_mlp = past_middle || self.mlp_norm.trains(gradients);
        let Some(d_normed) = self.mlp.backward(p, kept.mlp, &gradient, gradients, past_mlp)? else { return Ok(None) };
        let d_middle = self.mlp_norm.backward(p, &kept.mlp_normed, &d_normed, Some(&gradient), gradients)?;
        if !past_middle {
            return Ok(None);
        }
        let d_normed = self.attention.backward(p, kept.attention, &d_middle, places, gradients, past_attention)?;
        let Some(d_normed) = d_normed else { return Ok(None) };
        let dx = self.attention_norm.backward(p, &kept.attention_normed, &d_normed, Some(&d_middle), gradients)?;
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
