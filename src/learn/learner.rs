//! One model being trained: what trains, its optimizer, and the step.

use super::objective;
use super::optimizer::{AdamW, AdamWSettings, gradient_norm};
use crate::corpus::batches::Batch;
use crate::model::{Decoder, Gradients, Selector, Thaw};
use crate::ops::reduce;
use crate::{Error, Result};

/// What one optimizer step did.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// Mean over the learned positions, nats per token, before the step.
    pub loss: f64,
    /// Before clipping, over everything that trains.
    pub gradient_norm: f64,
    /// Positions read.
    pub tokens: u64,
    /// Parameters that train but got no gradient, or nothing but zeros: only looked for at the first step and after what trains changed.
    pub missing: Vec<String>,
}

/// A model with what its training needs.
#[derive(Debug)]
pub struct Learner {
    pub decoder: Decoder,
    thaw: Thaw,
    optimizer: AdamW,
    audit_due: bool,
}

impl Learner {
    /// Trains everything but `frozen`. Nothing left to train is an error.
    pub fn new(decoder: Decoder, frozen: &[Selector], settings: AdamWSettings) -> Result<Self> {
        let thaw = checked_thaw(&decoder, frozen)?;
        let optimizer = AdamW::new(settings, &decoder.parameters);
        Ok(Self { decoder, thaw, optimizer, audit_due: true })
    }

    pub fn thaw(&self) -> &Thaw {
        &self.thaw
    }

    pub fn optimizer(&self) -> &AdamW {
        &self.optimizer
    }

    /// Changes what trains; moments of what freezes are kept as they are.
    pub fn set_frozen(&mut self, frozen: &[Selector]) -> Result<()> {
        self.thaw = checked_thaw(&self.decoder, frozen)?;
        self.audit_due = true;
        Ok(())
    }

    /// One optimizer step over micro-batches, whose gradients add up to that of one large batch. A loss or gradient
    /// that is no number is an error, and leaves the weights as they were.
    pub fn step(&mut self, batches: &[Batch], learning_rate: f64) -> Result<StepReport> {
        let learned: usize = batches.iter().map(Batch::learned).sum();
        if learned == 0 {
            return Err(Error::new("a batch has nothing to learn from"));
        }
        let mut gradients = Gradients::new(&self.thaw);
        let mut loss = 0.0;
        for batch in batches {
            let scale = 1.0 / learned as f64;
            loss += objective::accumulate(&self.decoder, batch, &self.thaw, scale, &mut gradients)? * scale;
        }
        let norm = gradient_norm(&gradients)?;
        if !loss.is_finite() || !norm.is_finite() {
            return Err(Error::new("training diverged")
                .because(format!("the loss is {loss} and the gradient's norm {norm}"))
                .next("lower the learning rate, lengthen the warm-up, or clip gradients at a smaller norm"));
        }
        let missing = if self.audit_due { self.missing(&gradients)? } else { Vec::new() };
        self.audit_due = false;
        self.optimizer.step(&mut self.decoder.parameters, &gradients, norm, learning_rate)?;
        let tokens = batches.iter().map(|batch| batch.inputs.len() as u64).sum();
        Ok(StepReport { loss, gradient_norm: norm, tokens, missing })
    }

    /// The gradient audit: parameters that train and got nothing, or nothing but zeros.
    fn missing(&self, gradients: &Gradients) -> Result<Vec<String>> {
        let mut missing = Vec::new();
        for (id, parameter) in self.decoder.parameters.iter().filter(|(id, _)| gradients.trains(*id)) {
            let squares = gradients.get(id).map_or(Ok(0.0), reduce::sum_of_squares)?;
            if squares == 0.0 {
                missing.push(parameter.name.clone());
            }
        }
        Ok(missing)
    }
}

fn checked_thaw(decoder: &Decoder, frozen: &[Selector]) -> Result<Thaw> {
    let thaw = Thaw::all_but(&decoder.parameters, frozen)?;
    match thaw.frost_line() {
        Some(_) => Ok(thaw),
        None => Err(Error::new("nothing is left to train")
            .because("every layer is frozen")
            .next("leave some layer out of `frozen`")),
    }
}
