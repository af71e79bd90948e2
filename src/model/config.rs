//! The shape of a model.

use super::group::{Group, Kind, Layer};
use super::score::Score;
use crate::ops::attention::Heads;
use crate::{Error, Result};

/// The kinds of model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// RMS norm, rotary positions, SwiGLU, grouped-query attention (Touvron et al. 2023, arXiv 2302.13971).
    Llama,
    /// Layer norm, learned positions, GELU (Radford et al. 2019, *Language models are unsupervised multitask
    /// learners*).
    Gpt2,
    /// An encoder: every position sees its whole text. Layer norm after each residual, learned positions, exact GELU, and
    /// a head that fills masks (Devlin et al. 2018, BERT, arXiv 1810.04805).
    Bert,
}

impl Family {
    pub fn name(self) -> &'static str {
        match self {
            Family::Llama => "llama",
            Family::Gpt2 => "gpt2",
            Family::Bert => "bert",
        }
    }

    /// Whether it reads both ways, and so fills masks instead of going on.
    pub fn is_encoder(self) -> bool {
        self == Family::Bert
    }

    /// Whether its norms subtract the mean and have a bias.
    pub fn has_layer_norm(self) -> bool {
        self != Family::Llama
    }
}

/// How Llama 3.1 stretches its rotary frequencies to longer contexts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Llama3Scaling {
    pub factor: f64,
    pub low_frequency_factor: f64,
    pub high_frequency_factor: f64,
    pub original_context: f64,
}

/// Stretching of rotary frequencies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RotaryScaling {
    None,
    /// Every frequency divided by this.
    Linear(f64),
    Llama3(Llama3Scaling),
}

/// Rotary position embedding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rotary {
    pub theta: f64,
    pub scaling: RotaryScaling,
}

/// Everything that decides the shapes and the arithmetic of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub family: Family,
    pub vocabulary: usize,
    pub width: usize,
    pub layers: usize,
    pub heads: Heads,
    /// Width inside the MLP.
    pub intermediate: usize,
    /// The most positions it can be given.
    pub context: usize,
    pub norm_epsilon: f64,
    /// The head shares its weight with the embedding.
    pub tied: bool,
    /// Biases of the attention's projections (GPT-2 and BERT have them always).
    pub attention_bias: bool,
    /// Biases of the MLP's projections (GPT-2 and BERT have them always).
    pub mlp_bias: bool,
    /// `None` where positions are learned.
    pub rotary: Option<Rotary>,
    /// How far a position sees back, itself included; `None` for everything before it. Llamas only, without biases: such
    /// a one is what `transformers` calls Mistral (Jiang et al. 2023, arXiv 2310.06825).
    pub window: Option<usize>,
    /// The token that texts begin with, where a loaded model names one; kept for writing it back.
    pub begin_of_text: Option<u32>,
    /// Kinds of segment that an encoder tells apart, of which only the first is used here; 0 for decoders.
    pub token_types: usize,
    /// What it scores whole texts by, beside the head for tokens.
    pub score: Option<Score>,
}

/// The largest size of anything; products of three stay far below 2⁶⁴ with the bounds on layers and context.
const LARGEST: usize = 1 << 24;
/// No decoder is deeper.
const MOST_LAYERS: usize = 4096;
/// Numbers in a table of positions: what a context takes before any weight contradicts it.
const LARGEST_TABLE: usize = 1 << 27;

impl Config {
    /// Refuses shapes that no model can have, naming the setting.
    pub fn validate(&self) -> Result<()> {
        let sizes = [
            ("vocabulary", self.vocabulary),
            ("width", self.width),
            ("layers", self.layers),
            ("heads", self.heads.query),
            ("key-value heads", self.heads.key_value),
            ("head width", self.heads.dimension),
            ("intermediate width", self.intermediate),
            ("context", self.context),
        ];
        let impossible = |why: String| Err(Error::new("the model's shape is impossible").because(why));
        if let Some((name, size)) = sizes.into_iter().find(|(_, size)| *size == 0 || *size > LARGEST) {
            return impossible(format!("{name} is {size}, and must be from 1 to {LARGEST}"));
        }
        if self.family.is_encoder() != (1..=LARGEST).contains(&self.token_types) {
            return impossible(format!("{} kinds of segment: an encoder has some, a decoder none", self.token_types));
        }
        if self.family.is_encoder() && self.rotary.is_some() {
            return impossible("an encoder of this kind has learned positions".into());
        }
        if self.layers > MOST_LAYERS {
            return impossible(format!("layers is {}, and must be at most {MOST_LAYERS}", self.layers));
        }
        if self.rotary.is_some() && self.context * self.heads.dimension > LARGEST_TABLE {
            let (context, dimension) = (self.context, self.heads.dimension);
            return impossible(format!("a context of {context} is too long for heads of width {dimension}"));
        }
        if !self.heads.query.is_multiple_of(self.heads.key_value) {
            let (query, key_value) = (self.heads.query, self.heads.key_value);
            return impossible(format!("{query} heads cannot share {key_value} key-value heads evenly"));
        }
        if self.rotary.is_some() && !self.heads.dimension.is_multiple_of(2) {
            return impossible(format!("rotary positions need an even head width, not {}", self.heads.dimension));
        }
        self.score.iter().try_for_each(Score::validate)?;
        match self.window {
            Some(0) => impossible("a sliding window of 0 positions sees nothing".into()),
            Some(_) if self.family != Family::Llama || self.attention_bias || self.mlp_bias => {
                impossible("only Llama-shaped models without biases can have a sliding window".into())
            }
            _ => Ok(()),
        }
    }

    /// Scalars in the whole model, from the shapes alone.
    pub fn parameter_count(&self) -> usize {
        let (width, heads) = (self.width, self.heads);
        let bias = |has: bool, count: usize| if has { count } else { 0 };
        let attention = heads.packed_width() * width
            + bias(self.attention_bias, heads.packed_width() + width)
            + width * heads.query_width();
        let up = self.mlp_up_width();
        let mlp = up * width + width * self.intermediate + bias(self.mlp_bias, up + width);
        let norm = if self.family.has_layer_norm() { 2 * width } else { width };
        let positions = if self.rotary.is_none() { self.context * width } else { 0 };
        let head = if self.tied { 0 } else { self.vocabulary * width };
        // An encoder's last norm stands in its head, and one more in its embedding.
        let encoder = match self.family.is_encoder() {
            true => (self.token_types * width + norm) + (width * width + width) + self.vocabulary,
            false => 0,
        };
        let score = self.score.as_ref().map_or(0, |score| {
            let dense = bias(score.dense, width * width + width);
            dense + score.width() * width + bias(score.bias, score.width())
        });
        self.vocabulary * width + positions + self.layers * (attention + mlp + 2 * norm) + norm + head + encoder + score
    }

    /// The groups of parameters that a model of this shape has, from the bottom up.
    pub fn groups(&self) -> Vec<Group> {
        let in_block =
            |index| [Kind::Attention, Kind::Mlp, Kind::Norm].map(|kind| Group::new(Layer::Block(index), kind));
        let is_encoder = self.family.is_encoder();
        let head = (is_encoder || !self.tied).then_some(Group::new(Layer::Head, Kind::Head));
        let norm = (!is_encoder).then_some(Group::new(Layer::Norm, Kind::Norm));
        std::iter::once(Group::new(Layer::Embedding, Kind::Embedding))
            .chain((0..self.layers).flat_map(in_block))
            .chain(norm)
            .chain(head)
            .chain(self.score.as_ref().map(|_| Group::new(Layer::Head, Kind::Score)))
            .collect()
    }

    /// Output width of the MLP's first projection: SwiGLU has gate and up in one.
    pub(super) fn mlp_up_width(&self) -> usize {
        match self.family {
            Family::Llama => 2 * self.intermediate,
            Family::Gpt2 | Family::Bert => self.intermediate,
        }
    }

    /// The angle that one position turns each pair of coordinates by, radians; empty without rotary positions.
    pub(super) fn rotary_frequencies(&self) -> Vec<f64> {
        let Some(rotary) = self.rotary else { return Vec::new() };
        let dimension = self.heads.dimension;
        (0..dimension / 2)
            .map(|pair| rotary.theta.powf(-2.0 * pair as f64 / dimension as f64))
            .map(|frequency| match rotary.scaling {
                RotaryScaling::None => frequency,
                RotaryScaling::Linear(factor) => frequency / factor,
                RotaryScaling::Llama3(scaling) => scaling.scale(frequency),
            })
            .collect()
    }
}

impl Llama3Scaling {
    /// Long waves are stretched by the factor, short ones kept, those between blended.
    fn scale(&self, frequency: f64) -> f64 {
        let turns = self.original_context * frequency / std::f64::consts::TAU;
        if turns < self.low_frequency_factor {
            return frequency / self.factor;
        }
        if turns > self.high_frequency_factor {
            return frequency;
        }
        let smooth = (turns - self.low_frequency_factor) / (self.high_frequency_factor - self.low_frequency_factor);
        (1.0 - smooth) * frequency / self.factor + smooth * frequency
    }
}
