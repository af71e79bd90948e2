use super::super::config::Config;
use super::super::group::{Group, Kind, Layer};
use super::super::initialize::Start;
use super::super::parameters::{Gradients, ParameterId, Parameters};
use super::linear::LinearShape;
use super::{Builder, Embedding, Linear, Norm};
use crate::ops::cross_entropy::{self, Output, RowLoss, Slots};
use crate::ops::distill::{self, Answers};
use crate::{Result, ops};
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
        let x = read_by_output(hidden, transformed.as_ref());
        Ok(ops::linear::forward(x, output.weight, output.bias, None, p.precision)?)
    }

    /// Loss of each row against its target, without the logits of all rows in memory.
    pub fn losses(&self, p: &Parameters, hidden: &Tensor, targets: &[u32]) -> Result<Vec<RowLoss>> {
        let output = self.output(p);
        let transformed = self.transform(p, hidden)?;
        let x = read_by_output(hidden, transformed.as_ref());
        Ok(cross_entropy::biased_losses(x, output.weight, output.bias, targets, p.precision)?)
    }

    /// What makes logits of `hidden` (n, width), for comparing with another model's: of an encoder, what its transform
    /// makes of them.
    pub fn answers<'a>(&self, p: &'a Parameters, hidden: &Tensor) -> Result<Answers<'a>> {
        Ok(self.answers_of(p, read_by_output(hidden, self.transform(p, hidden)?.as_ref())))
    }

    fn answers_of<'a>(&self, p: &'a Parameters, read: &Tensor) -> Answers<'a> {
        let Output { weight, bias } = self.output(p);
        Answers { hidden: read.clone(), weight, bias }
    }

    /// How far a teacher's answers are, and the pull towards them: see [`distill::losses_and_gradients`]. The gradient is
    /// that for `hidden`; the head's own is filled where it trains.
    pub fn distilled(
        &self,
        p: &Parameters,
        hidden: &Tensor,
        teacher: &Answers,
        softness: (f64, f64),
        gradients: &mut Gradients,
    ) -> Result<(Vec<f32>, Tensor)> {
        let transformed = self.transform(p, hidden)?;
        let own = self.answers_of(p, read_by_output(hidden, transformed.as_ref()));
        let pull = |slots: Slots| distill::losses_and_gradients(&own, teacher, softness, p.precision, slots);
        let (rows, dx) = self.fill_output(gradients, pull)?;
        Ok((rows, self.below_output(p, hidden, transformed, dx, gradients)?))
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
        let (transformed, output) = (self.transform(p, hidden)?, self.output(p));
        let x = read_by_output(hidden, transformed.as_ref());
        let learn =
            |slots: Slots| cross_entropy::biased_losses_and_gradients(x, output, targets, scale, p.precision, slots);
        let (rows, dx) = self.fill_output(gradients, learn)?;
        Ok((rows, self.below_output(p, hidden, transformed, dx, gradients)?))
    }

    /// Has `work` add to the slots of the last product's weight and bias, where these train.
    fn fill_output<R>(
        &self,
        gradients: &mut Gradients,
        work: impl FnOnce(Slots) -> candle_core::Result<R>,
    ) -> Result<R> {
        let mut bias = None;
        let bias_id = self.encoder.as_ref().map(|encoder| encoder.bias).filter(|id| gradients.trains(*id));
        let slots = Slots { weight: gradients.slot(self.weight), bias: bias_id.map(|_| &mut bias) };
        let made = work(slots)?;
        if let (Some(slot), Some(bias)) = (bias_id.and_then(|id| gradients.slot(id)), bias) {
            ops::add_to_slot(slot, bias)?;
        }
        Ok(made)
    }

    /// The gradient for `hidden`, from `dx` at what the last product read.
    fn below_output(
        &self,
        p: &Parameters,
        hidden: &Tensor,
        transformed: Option<Transformed>,
        dx: Tensor,
        gradients: &mut Gradients,
    ) -> Result<Tensor> {
        match (&self.encoder, transformed) {
            (Some(encoder), Some(transformed)) => encoder.backward(p, hidden, transformed, &dx, gradients),
            _ => Ok(dx),
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

/// What a head's last product reads of `hidden`.
fn read_by_output<'a>(hidden: &'a Tensor, transformed: Option<&'a Transformed>) -> &'a Tensor {
    transformed.map_or(hidden, |transformed| &transformed.normed)
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
