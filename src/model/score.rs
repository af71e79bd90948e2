//! What a classification or regression head scores: its classes or a number, beside the head that predicts tokens.

use super::config::{Config, Family};
use super::decoder::Decoder;
use super::group::Kind;
use super::initialize::{Initializer, Start};
use super::parameters::Gradients;
use super::units::{Builder, ScoreHead, Scored};
use crate::{Error, Result};
use candle_core::Tensor;

/// A head that scores whole texts. Its place is beside the head for tokens, which a model keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    pub answers: Answers,
    /// Which position of a text is scored.
    pub pooled: Pooled,
    /// That position goes through a matrix with a bias and tanh first: the pooler of BERT (Devlin et al. 2019, arXiv
    /// 1810.04805).
    pub dense: bool,
    /// The scores have a bias; decoders of `transformers` have none.
    pub bias: bool,
}

/// What there is to say of a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Answers {
    /// One of these labels.
    Classes(Vec<String>),
    /// How much: regression.
    Number,
}

/// The position that stands for a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooled {
    /// Its first token, such as `[CLS]`: of encoders, where every position sees all others.
    First,
    /// Its last token: of causal decoders, where nothing before it sees the whole.
    Last,
}

/// What a text's score should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// The place of its label among the classes.
    Class(u32),
    Number(f32),
}

/// The parameters of the pooler of BERT.
pub(super) const POOLER_WEIGHT: &str = "score.dense.weight";
pub(super) const POOLER_BIAS: &str = "score.dense.bias";

/// No head has more classes.
const MOST_CLASSES: usize = 1 << 16;

impl Score {
    /// As `transformers` scores with a causal decoder: the last token, one matrix without a bias.
    pub fn of_decoder(answers: Answers) -> Self {
        Self { answers, pooled: Pooled::Last, dense: false, bias: false }
    }

    /// As `transformers` scores with BERT: the first token, through the pooler, and scores with a bias.
    pub fn of_encoder(answers: Answers) -> Self {
        Self { answers, pooled: Pooled::First, dense: true, bias: true }
    }

    /// How many numbers it gives for a text.
    pub fn width(&self) -> usize {
        match &self.answers {
            Answers::Classes(labels) => labels.len(),
            Answers::Number => 1,
        }
    }

    /// The labels; none where it gives a number.
    pub fn labels(&self) -> &[String] {
        match &self.answers {
            Answers::Classes(labels) => labels,
            Answers::Number => &[],
        }
    }

    /// Refuses what no head can be.
    pub(super) fn validate(&self) -> Result<()> {
        let Answers::Classes(labels) = &self.answers else { return Ok(()) };
        let impossible = |why: String| Err(Error::new("the classes of the model's head are impossible").because(why));
        if labels.len() < 2 || labels.len() > MOST_CLASSES {
            return impossible(format!("there are {} of them, and must be 2 to {MOST_CLASSES}", labels.len()));
        }
        let mut sorted: Vec<&String> = labels.iter().collect();
        sorted.sort_unstable();
        match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => impossible(format!("two are called \"{}\"", pair[0])),
            None => Ok(()),
        }
    }
}

impl Config {
    /// The score that a model of this family gets by itself.
    pub fn score_for(&self, answers: Answers) -> Score {
        match self.family {
            Family::Llama | Family::Gpt2 => Score::of_decoder(answers),
            Family::Bert => Score::of_encoder(answers),
        }
    }

    /// The same shape with this score.
    pub fn scoring(self, score: Score) -> Self {
        Self { score: Some(score), ..self }
    }
}

impl Decoder {
    /// The same model with this score: its own where it has the same already, and a new one otherwise, drawn from the
    /// seed, with the pooler that the model was pretrained with where it has one. Nothing else changes, and what was drawn
    /// for a model at its beginning is the same.
    pub fn with_score(mut self, score: &Score, seed: u64) -> Result<Self> {
        if self.config.score.as_ref() == Some(score) {
            return Ok(self);
        }
        score.validate()?;
        self.config.score = Some(score.clone());
        self.parameters.retain(|parameter| parameter.group.kind != Kind::Score);
        let (dtype, device) = (self.dtype(), self.device().clone());
        let initializer =
            Initializer { seed, width: self.config.width, layers: self.config.layers, dtype, device: &device };
        let pooler = self.pooler.take();
        let draw = |name: &str, shape: &[usize], start: Start| match (name, &pooler) {
            (POOLER_WEIGHT, Some([weight, _])) => Ok(weight.clone()),
            (POOLER_BIAS, Some([_, bias])) => Ok(bias.clone()),
            _ => initializer.draw(name, shape, start),
        };
        let mut builder = Builder { parameters: std::mem::take(&mut self.parameters), source: &draw };
        self.score = Some(ScoreHead::new(&mut builder, &self.config, score)?);
        self.parameters = builder.parameters;
        Ok(self)
    }

    fn score_head(&self) -> Result<&ScoreHead> {
        self.score.as_ref().ok_or_else(|| {
            Error::new("the model scores nothing")
                .because("it has a head for tokens alone")
                .next("train a phase with objective = \"classify\" or \"regress\" first")
        })
    }

    /// Scores of pooled hidden states: (n, width) → (n, labels), or (n, 1) for a number.
    pub fn scores(&self, pooled: &Tensor) -> Result<Tensor> {
        self.score_head()?.forward(&self.parameters, pooled)
    }

    /// See [`ScoreHead::losses`].
    pub fn score_losses(&self, pooled: &Tensor, targets: &[Target]) -> Result<Vec<Scored>> {
        self.score_head()?.losses(&self.parameters, pooled, targets)
    }

    /// See [`ScoreHead::losses_and_gradients`].
    pub fn score_losses_and_gradients(
        &self,
        pooled: &Tensor,
        targets: &[Target],
        scale: f64,
        gradients: &mut Gradients,
    ) -> Result<(Vec<Scored>, Tensor)> {
        self.score_head()?.losses_and_gradients(&self.parameters, pooled, targets, scale, gradients)
    }
}

#[cfg(test)]
#[path = "score_tests.rs"]
mod tests;
