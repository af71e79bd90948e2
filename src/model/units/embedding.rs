use super::super::config::Config;
use super::super::group::{Group, Kind, Layer};
use super::super::initialize::Start;
use super::super::parameters::{Gradients, ParameterId, Parameters};
use super::{Builder, Norm};
use crate::{Result, ops};
use candle_core::Tensor;

/// Token rows, plus position rows where positions are learned; an encoder adds the row of the first kind of segment, and
/// norms the sum.
#[derive(Clone, Debug)]
pub struct Embedding {
    pub(super) tokens: ParameterId,
    positions: Option<ParameterId>,
    encoder: Option<EncoderPart>,
}

#[derive(Clone, Debug)]
struct EncoderPart {
    types: ParameterId,
    norm: Norm,
}

impl Embedding {
    pub(in super::super) fn new(b: &mut Builder, config: &Config) -> Result<Self> {
        let group = Group::new(Layer::Embedding, Kind::Embedding);
        let tokens = b.add("embedding.tokens".into(), group, &[config.vocabulary, config.width], Start::Normal)?;
        let positions = match config.rotary {
            Some(_) => None,
            None => Some(b.add("embedding.positions".into(), group, &[config.context, config.width], Start::Normal)?),
        };
        let encoder = match config.family.is_encoder() {
            true => Some(EncoderPart {
                types: b.add("embedding.types".into(), group, &[config.token_types, config.width], Start::Normal)?,
                norm: Norm::new(b, "embedding.norm", group, config)?,
            }),
            false => None,
        };
        Ok(Self { tokens, positions, encoder })
    }

    /// (tokens) → (n, width). A token or position outside its table is an error.
    pub fn forward(&self, p: &Parameters, tokens: &[u32], positions: &[u32]) -> Result<Tensor> {
        let x = self.sum(p, tokens, positions)?;
        match &self.encoder {
            Some(encoder) => encoder.norm.forward(p, &x),
            None => Ok(x),
        }
    }

    /// The rows of all tables added up.
    fn sum(&self, p: &Parameters, tokens: &[u32], positions: &[u32]) -> Result<Tensor> {
        let mut x = ops::embedding::forward(&p[self.tokens].value, tokens)?;
        let types = vec![0; if self.encoder.is_some() { tokens.len() } else { 0 }];
        for (table, ids) in [(self.positions, positions), (self.types(), &types)] {
            if let Some(table) = table {
                ops::add_in_place(&mut x, &ops::embedding::forward(&p[table].value, ids)?)?;
            }
        }
        Ok(x)
    }

    fn types(&self) -> Option<ParameterId> {
        self.encoder.as_ref().map(|encoder| encoder.types)
    }

    pub fn backward(
        &self,
        p: &Parameters,
        gradient: &Tensor,
        tokens: &[u32],
        positions: &[u32],
        gradients: &mut Gradients,
    ) -> Result<()> {
        // The sum is looked up again rather than kept.
        let through_norm = match &self.encoder {
            Some(encoder) => {
                Some(encoder.norm.backward(p, &self.sum(p, tokens, positions)?, gradient, None, gradients)?)
            }
            None => None,
        };
        let gradient = through_norm.as_ref().unwrap_or(gradient);
        let types = vec![0; if self.encoder.is_some() { tokens.len() } else { 0 }];
        for (table, ids) in [(Some(self.tokens), tokens), (self.positions, positions), (self.types(), &types)] {
            if let Some((id, slot)) = table.and_then(|id| Some((id, gradients.slot(id)?))) {
                ops::embedding::backward(gradient, ids, p[id].value.dim(0)?, slot)?;
            }
        }
        Ok(())
    }
}
