use super::super::config::Config;
use super::super::group::{Group, Kind, Layer};
use super::super::initialize::Start;
use super::super::parameters::{Gradients, ParameterId, Parameters};
use super::linear::LinearShape;
use super::{Builder, Embedding, Linear, Norm};
use crate::ops::cross_entropy::{self, Output, RowLoss, Slots};
use crate::ops::distill::{self, Answers};
use crate::{Error, Result, ops};
use candle_core::Tensor;

/// Hidden states to logits; a tied head uses the embedding's token rows as its weight.
#[derive(Clone, Debug)]
pub struct Head {
    weight: ParameterId,
    encoder: Option<EncoderPart>,
}

/// What an encoder's head has besides: logits = W · norm(GELU(dense(x))) + bias.
#[derive(Clone, Debug)]
struct EncoderPart {
    dense: Linear,
    norm: Norm,
    bias: ParameterId,
}

/// What the way back through an encoder's head needs.
struct Transformed {
    /// Before and after the GELU, and after the norm, each (n, width).
    dense: Tensor,
    activated: Tensor,
    normed: Tensor,
}

impl Head {
    pub(in super::super) fn new(b: &mut Builder, config: &Config, embedding: &Embedding) -> Result<Self> {
        let group = Group::new(Layer::Head, Kind::Head);
        let encoder = match config.family.is_encoder() {
            true => Some(EncoderPart::new(b, config, group)?),
            false => None,
        };
        let weight = match config.tied {
            true => embedding.tokens,
            false => b.add("head.weight".into(), group, &[config.vocabulary, config.width], Start::Normal)?,
        };
        Ok(Self { weight, encoder })
    }

    /// `hidden` (n, width) → logits (n, vocabulary).
    pub fn logits(&self, p: &Parameters, hidden: &Tensor) -> Result<Tensor> {
        let output = self.output(p);
        let transformed = self.transform(p, hidden)?;
        let x = transformed.as_ref().map_or(hidden, |transformed| &transformed.normed);
        Ok(ops::linear::forward(x, output.weight, output.bias, None, p.precision)?)
    }

    /// Loss of each row against its target, without the logits of all rows in memory.
    pub fn losses(&self, p: &Parameters, hidden: &Tensor, targets: &[u32]) -> Result<Vec<RowLoss>> {
        let output = self.output(p);
        let transformed = self.transform(p, hidden)?;
        let x = transformed.as_ref().map_or(hidden, |transformed| &transformed.normed);
        Ok(cross_entropy::biased_losses(x, output.weight, output.bias, targets, p.precision)?)
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
        if self.encoder.is_some() {
            return Err(Error::new("an encoder's answers cannot be compared with its base's")
                .because("only a decoder's are pulled towards them")
                .next("leave out pull.kl, and take l2_sp, ewc or replay"));
        }
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
        let transformed = self.transform(p, hidden)?;
        let x = transformed.as_ref().map_or(hidden, |transformed| &transformed.normed);
        let mut bias = None;
        let bias_id = self.encoder.as_ref().map(|encoder| encoder.bias).filter(|id| gradients.trains(*id));
        let slots = Slots { weight: gradients.slot(self.weight), bias: bias_id.map(|_| &mut bias) };
        let (rows, dx) =
            cross_entropy::biased_losses_and_gradients(x, self.output(p), targets, scale, p.precision, slots)?;
        if let (Some(slot), Some(bias)) = (bias_id.and_then(|id| gradients.slot(id)), bias) {
            ops::add_to_slot(slot, bias)?;
        }
        match (&self.encoder, transformed) {
            (Some(encoder), Some(transformed)) => Ok((rows, encoder.backward(p, hidden, transformed, &dx, gradients)?)),
            _ => Ok((rows, dx)),
        }
    }

    fn output<'a>(&self, p: &'a Parameters) -> Output<'a> {
        let bias = self.encoder.as_ref().map(|encoder| &p[encoder.bias].value);
        Output { weight: &p[self.weight].value, bias }
    }

    fn transform(&self, p: &Parameters, hidden: &Tensor) -> Result<Option<Transformed>> {
        self.encoder.as_ref().map(|encoder| encoder.forward(p, hidden)).transpose()
    }
}

impl EncoderPart {
    fn new(b: &mut Builder, config: &Config, group: Group) -> Result<Self> {
        let dense = LinearShape { width_in: config.width, width_out: config.width, bias: true, start: Start::Normal };
        Ok(Self {
            dense: Linear::new(b, "head.transform", group, dense)?,
            norm: Norm::new(b, "head.norm", group, config)?,
            bias: b.add("head.bias".into(), group, &[config.vocabulary], Start::Zeros)?,
        })
    }

    fn forward(&self, p: &Parameters, hidden: &Tensor) -> Result<Transformed> {
        let dense = self.dense.forward(p, hidden, None)?;
        let activated = ops::activation::gelu_exact(&dense)?;
        let normed = self.norm.forward(p, &activated)?;
        Ok(Transformed { dense, activated, normed })
    }

    /// The gradient for `hidden`, from that at the normed rows.
    fn backward(
        &self,
        p: &Parameters,
        hidden: &Tensor,
        transformed: Transformed,
        gradient: &Tensor,
        gradients: &mut Gradients,
    ) -> Result<Tensor> {
        let d_activated = self.norm.backward(p, &transformed.activated, gradient, None, gradients)?;
        let d_dense = ops::activation::gelu_exact_backward(&transformed.dense, d_activated)?;
        self.dense.backward_parameters(p, hidden, &d_dense, gradients)?;
        self.dense.backward_input(p, &d_dense)
    }
}
