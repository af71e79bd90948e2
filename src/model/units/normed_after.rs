//! A block whose norms come after each residual, as encoders have them: m = norm(x + attention(x)), y = norm(m + mlp(m))
//! (Vaswani et al. 2017, arXiv 1706.03762; Devlin et al. 2018, arXiv 1810.04805).

use super::super::parameters::{Gradients, Parameters};
use super::{Block, BlockKept, Places};
use crate::{Result, ops};
use candle_core::Tensor;

impl Block {
    pub(super) fn forward_normed_after(
        &self,
        p: &Parameters,
        x: Tensor,
        places: Places,
    ) -> Result<(Tensor, BlockKept)> {
        let (attended, attention) = self.attention.forward(p, x.clone(), &x, places)?;
        let middle = self.attention_norm.forward(p, &attended)?;
        let (risen, mlp) = self.mlp.forward(p, middle.clone(), &middle)?;
        let y = self.mlp_norm.forward(p, &risen)?;
        Ok((y, BlockKept { attention_normed: attended, attention, mlp_normed: risen, mlp }))
    }

    /// The gradient for the input, not computed where nothing `below` trains.
    pub(super) fn backward_normed_after(
        &self,
        p: &Parameters,
        kept: BlockKept,
        gradient: Tensor,
        places: Places,
        gradients: &mut Gradients,
        below: bool,
    ) -> Result<Option<Tensor>> {
        let past_middle = below || self.attention.trains(gradients);
        let past_mlp = past_middle || self.attention_norm.trains(gradients);
        let d_risen = self.mlp_norm.backward(p, &kept.mlp_normed, &gradient, None, gradients)?;
        let d_middle = self.mlp.backward(p, kept.mlp, &d_risen, gradients, past_mlp)?;
        let Some(mut d_middle) = d_middle else { return Ok(None) };
        ops::add_in_place(&mut d_middle, &d_risen)?;
        let d_attended = self.attention_norm.backward(p, &kept.attention_normed, &d_middle, None, gradients)?;
        if !past_middle {
            return Ok(None);
        }
        let dx = self.attention.backward(p, kept.attention, &d_attended, places, gradients, below)?;
        let Some(mut dx) = dx else { return Ok(None) };
        ops::add_in_place(&mut dx, &d_attended)?;
        Ok(Some(dx))
    }
}
