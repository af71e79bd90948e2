use super::super::config::Config;
use super::super::group::{Group, Kind, Layer};
use super::super::initialize::Start;
use super::super::parameters::{Gradients, Parameters};
use super::super::score::{Answers, Score, Target};
use super::linear::LinearShape;
use super::{Builder, Linear};
use crate::{Error, Result};
use candle_core::{DType, Tensor};

/// The hidden state that stands for a text to its scores: a matrix, after a dense layer with tanh where there is one.
#[derive(Clone, Debug)]
pub struct ScoreHead {
    dense: Option<Linear>,
    output: Linear,
    /// How many classes; `None` for a number.
    classes: Option<usize>,
}

/// What was said of a text, and how wrong it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// Cross-entropy in nats of classes, squared error of a number.
    pub loss: f64,
    /// A logit for each class, or the number alone.
    pub scores: Vec<f64>,
}

impl ScoreHead {
    pub(in super::super) fn new(b: &mut Builder, config: &Config, score: &Score) -> Result<Self> {
        let group = Group::new(Layer::Head, Kind::Score);
        let width_in = config.width;
        let dense = match score.dense {
            true => {
                let shape = LinearShape { width_in, width_out: width_in, bias: true, start: Start::Normal };
                Some(Linear::new(b, "score.dense", group, shape)?)
            }
            false => None,
        };
        let shape = LinearShape { width_in, width_out: score.width(), bias: score.bias, start: Start::Normal };
        let output = Linear::new(b, "score.output", group, shape)?;
        let classes = matches!(score.answers, Answers::Classes(_)).then(|| score.width());
        Ok(Self { dense, output, classes })
    }

    /// `pooled` (n, width) → scores (n, labels), or (n, 1) for a number.
    pub fn forward(&self, p: &Parameters, pooled: &Tensor) -> Result<Tensor> {
        let activated = self.activated(p, pooled)?;
        self.output.forward(p, activated.as_ref().unwrap_or(pooled), None)
    }

    /// tanh of the dense layer, (n, width), where there is one.
    fn activated(&self, p: &Parameters, pooled: &Tensor) -> Result<Option<Tensor>> {
        self.dense.as_ref().map(|dense| Ok(dense.forward(p, pooled, None)?.tanh()?)).transpose()
    }

    /// The loss of each text against its target.
    pub fn losses(&self, p: &Parameters, pooled: &Tensor, targets: &[Target]) -> Result<Vec<Scored>> {
        self.judge(&self.forward(p, pooled)?, targets)
    }

    /// The losses, and the gradient of `scale` · (their sum) for `pooled`; those of the parameters that train are filled.
    pub fn losses_and_gradients(
        &self,
        p: &Parameters,
        pooled: &Tensor,
        targets: &[Target],
        scale: f64,
        gradients: &mut Gradients,
    ) -> Result<(Vec<Scored>, Tensor)> {
        let activated = self.activated(p, pooled)?;
        let input = activated.as_ref().unwrap_or(pooled);
        let scores = self.output.forward(p, input, None)?;
        let scored = self.judge(&scores, targets)?;
        let slopes = scored.iter().zip(targets).flat_map(|(scored, target)| slopes(scored, *target, scale));
        let d_scores = Tensor::from_iter(slopes, scores.device())?.reshape(scores.shape())?.to_dtype(scores.dtype())?;
        self.output.backward_parameters(p, input, &d_scores, gradients)?;
        let d_input = self.output.backward_input(p, &d_scores)?;
        let (Some(dense), Some(y)) = (&self.dense, &activated) else { return Ok((scored, d_input)) };
        // d tanh = 1 − tanh².
        let d_dense = (&d_input * y.sqr()?.affine(-1.0, 1.0)?)?;
        dense.backward_parameters(p, pooled, &d_dense, gradients)?;
        Ok((scored, dense.backward_input(p, &d_dense)?))
    }

    /// A score is small: it is judged in f64, row by row in order, so that the same rows give the same bits everywhere.
    fn judge(&self, scores: &Tensor, targets: &[Target]) -> Result<Vec<Scored>> {
        let rows = scores.to_dtype(DType::F64)?.to_vec2::<f64>()?;
        if rows.len() != targets.len() {
            return Err(Error::new(format!("{} texts came with {} targets", rows.len(), targets.len())));
        }
        let judged = rows.into_iter().zip(targets).map(|(scores, target)| {
            let loss = match (*target, self.classes) {
                (Target::Class(class), Some(classes)) if (class as usize) < classes => {
                    log_sum(&scores) - scores[class as usize]
                }
                (Target::Number(wanted), None) => (scores[0] - f64::from(wanted)).powi(2),
                (target, _) => return Err(Error::new(format!("the model's head cannot learn {target:?}"))),
            };
            Ok(Scored { loss, scores })
        });
        judged.collect()
    }
}

/// The gradient of `scale` · loss for each score.
fn slopes(scored: &Scored, target: Target, scale: f64) -> Vec<f64> {
    match target {
        Target::Class(class) => {
            let chances = scored.probabilities();
            let wanted = |index: usize| if index == class as usize { 1.0 } else { 0.0 };
            chances.into_iter().enumerate().map(|(index, chance)| scale * (chance - wanted(index))).collect()
        }
        Target::Number(wanted) => vec![scale * 2.0 * (scored.scores[0] - f64::from(wanted))],
    }
}

impl Scored {
    /// The softmax of the scores.
    pub fn probabilities(&self) -> Vec<f64> {
        probabilities(&self.scores)
    }

    /// The class with the highest score, the first of equals.
    pub fn best(&self) -> usize {
        let better = |best: usize, index: usize| if self.scores[index] > self.scores[best] { index } else { best };
        (0..self.scores.len()).fold(0, better)
    }
}

/// The softmax of scores.
pub fn probabilities(scores: &[f64]) -> Vec<f64> {
    let log_sum = log_sum(scores);
    scores.iter().map(|score| (score - log_sum).exp()).collect()
}

/// ln Σ exp(score), without overflow.
fn log_sum(scores: &[f64]) -> f64 {
    let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    highest + scores.iter().map(|score| (score - highest).exp()).sum::<f64>().ln()
}
