//! The units of a model. Each has a forward that says what it keeps, and a backward that takes the gradient from
//! above, fills the gradients of its own parameters that train, and returns the gradient for below, or nothing where
//! nothing below trains.

mod attention;
mod block;
mod embedding;
mod head;
mod linear;
mod mlp;
mod norm;
mod normed_after;
mod score;

pub use attention::{Attention, AttentionKept};
pub use block::{Block, BlockKept};
pub use embedding::Embedding;
pub use head::Head;
pub use linear::Linear;
pub use mlp::{Mlp, MlpKept};
pub use norm::Norm;
pub use score::{ScoreHead, Scored, probabilities};

use super::group::Group;
use super::initialize::Start;
use super::parameters::{ParameterId, Parameters};
use crate::Result;
use candle_core::Tensor;

/// Gives the first value of a parameter: drawn for a new model, read for an old one.
pub(super) type Source<'a> = &'a dyn Fn(&str, &[usize], Start) -> Result<Tensor>;

/// Gathers the parameters of a model while its units are made.
pub(super) struct Builder<'a> {
    pub parameters: Parameters,
    pub source: Source<'a>,
}

impl Builder<'_> {
    fn add(&mut self, name: String, group: Group, shape: &[usize], start: Start) -> Result<ParameterId> {
        let value = (self.source)(&name, shape, start)?;
        Ok(self.parameters.add(name, group, value))
    }
}

/// The token rows of one forward pass: who sees whom, and where each token stands.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    pub layout: crate::ops::attention::Layout<'a>,
    /// Of each token (row-major) in its own document.
    pub positions: &'a [u32],
    /// Where positions are rotary.
    pub angles: Option<&'a crate::ops::rotary::Angles>,
}

/// The new tokens of a pass over a cache.
#[derive(Clone, Copy, Debug)]
pub struct CachedPlaces<'a> {
    pub spans: &'a [crate::ops::attention::Span],
    /// Of each new token in its row.
    pub positions: &'a [u32],
    /// Where positions are rotary.
    pub angles: Option<&'a crate::ops::rotary::Angles>,
}
