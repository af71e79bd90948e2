use super::super::config::Config;
use super::super::group::{Group, Kind, Layer};
use super::super::initialize::Start;
use super::super::parameters::{Gradients, ParameterId, Parameters};
use super::Builder;
use crate::{Result, ops};
use candle_core::Tensor;

/// Token rows, plus position rows where positions are learned.
#[derive(Clone, Debug)]
pub struct Embedding {
    pub(super) tokens: ParameterId,
    positions: Option<ParameterId>,
}

impl Embedding {
    pub(in super::super) fn new(b: &mut Builder, config: &Config) -> Result<Self> {
        let group = Group::new(Layer::Embedding, Kind::Embedding);
        let tokens = b.add("embedding.tokens".into(), group, &[config.vocabulary, config.width], Start::Normal)?;
        let positions = match config.rotary {
            Some(_) => None,
            None => Some(b.add("embedding.positions".into(), group, &[config.context, config.width], Start::Normal)?),
        };
        Ok(Self { tokens, positions })
    }

    /// (tokens) → (n, width). A token or position outside its table is an error.
    pub fn forward(&self, p: &Parameters, tokens: &[u32], positions: &[u32]) -> Result<Tensor> {
        let mut x = ops::embedding::forward(&p[self.tokens].value, tokens)?;
        if let Some(table) = self.positions {
            ops::add_in_place(&mut x, &ops::embedding::forward(&p[table].value, positions)?)?;
        }
        Ok(x)
    }

    pub fn backward(
        &self,
        p: &Parameters,
        gradient: &Tensor,
        tokens: &[u32],
        positions: &[u32],
        gradients: &mut Gradients,
    ) -> Result<()> {
        for (table, ids) in [(Some(self.tokens), tokens), (self.positions, positions)] {
            if let Some((id, slot)) = table.and_then(|id| Some((id, gradients.slot(id)?))) {
                ops::embedding::backward(gradient, ids, p[id].value.dim(0)?, slot)?;
            }
        }
        Ok(())
    }
}
