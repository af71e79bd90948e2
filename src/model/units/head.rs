use super::super::config::Config;
use super::super::group::{Group, Kind, Layer};
use super::super::initialize::Start;
use super::super::parameters::{Gradients, ParameterId, Parameters};
use super::{Builder, Embedding};
use crate::ops::cross_entropy::{self, RowLoss};
use crate::ops::distill::{self, Answers};
use crate::{Result, ops};
use candle_core::Tensor;

/// Hidden states to logits; a tied head uses the embedding's token rows as its weight.
#[derive(Clone, Debug)]
pub struct Head {
    weight: ParameterId,
}

impl Head {
    pub(in super::super) fn new(b: &mut Builder, config: &Config, embedding: &Embedding) -> Result<Self> {
        let group = Group::new(Layer::Head, Kind::Head);
        let weight = match config.tied {
            true => embedding.tokens,
            false => b.add("head.weight".into(), group, &[config.vocabulary, config.width], Start::Normal)?,
        };
        Ok(Self { weight })
    }

    /// `hidden` (n, width) → logits (n, vocabulary).
    pub fn logits(&self, p: &Parameters, hidden: &Tensor) -> Result<Tensor> {
        Ok(ops::linear::forward(hidden, &p[self.weight].value, None, None, p.precision)?)
    }

    /// Loss of each row against its target, without the logits of all rows in memory.
    pub fn losses(&self, p: &Parameters, hidden: &Tensor, targets: &[u32]) -> Result<Vec<RowLoss>> {
        Ok(cross_entropy::losses(hidden, &p[self.weight].value, targets, p.precision)?)
    }

    /// What makes logits of `hidden` (n, width), for comparing with another model's.
    pub fn answers<'a>(&self, p: &'a Parameters, hidden: &'a Tensor) -> Answers<'a> {
        Answers { hidden, weight: &p[self.weight].value }
    }

    /// How far a teacher's answers are, and the pull towards them: see [`distill::losses_and_gradients`]. The head's own
    /// gradient is filled where it trains.
    pub fn distilled(
        &self,
        p: &Parameters,
        hidden: &Tensor,
        teacher: Answers,
        (temperature, scale): (f64, f64),
        gradients: &mut Gradients,
    ) -> Result<(Vec<f32>, Tensor)> {
        let (own, slot) = (self.answers(p, hidden), gradients.slot(self.weight));
        Ok(distill::losses_and_gradients(own, teacher, (temperature, scale), p.precision, slot)?)
    }

    /// The losses, and the gradient of `scale` · (their sum) for `hidden`; the head's own is filled where it trains.
    pub fn losses_and_gradients(
        &self,
        p: &Parameters,
        hidden: &Tensor,
        targets: &[u32],
        scale: f64,
        gradients: &mut Gradients,
    ) -> Result<(Vec<RowLoss>, Tensor)> {
        let slot = gradients.slot(self.weight);
        Ok(cross_entropy::losses_and_gradients(hidden, &p[self.weight].value, targets, scale, p.precision, slot)?)
    }
}
