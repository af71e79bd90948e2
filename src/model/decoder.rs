//! The whole stack, forward and backward.

use super::cache::Cache;
use super::config::Config;
use super::group::Layer;
use super::initialize::{Initializer, Start};
use super::parameters::{Gradients, Parameter, Parameters, Thaw};
use super::recompute::Recompute;
use super::storage::Storage;
use super::units::{Block, BlockKept, Builder, CachedPlaces, Embedding, Head, Norm, Places, ScoreHead, Source};
use crate::ops::attention::{Layout, Span};
use crate::ops::cross_entropy::RowLoss;
use crate::ops::distill::Answers;
use crate::ops::rotary::Angles;
use crate::ops::{Sight, Visible};
use crate::{Error, Result};
use candle_core::{DType, Device, Tensor};

/// A language model: embedding, blocks, norm, head. An encoder is the same stack, with its last norm in the head, and
/// with every position seeing its whole document.
#[derive(Clone, Debug)]
pub struct Decoder {
    pub config: Config,
    pub parameters: Parameters,
    /// What a pass that goes backward keeps.
    pub recompute: Recompute,
    embedding: Embedding,
    blocks: Vec<Block>,
    /// `None` where the blocks end in one.
    norm: Option<Norm>,
    head: Head,
    /// The last of the units, and its parameters the last: see [`Decoder::with_score`].
    pub(super) score: Option<ScoreHead>,
    angles: Option<Angles>,
    dtype: DType,
    device: Device,
}

/// Token rows of equal length, row-major.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    pub rows: usize,
    pub columns: usize,
    /// rows · columns.
    pub tokens: &'a [u32],
    /// Of each token in its own document.
    pub positions: &'a [u32],
    /// For each token the first position of its row that it sees, where its document starts; all earlier ones without it.
    /// An encoder's sees to the end of the document too, which goes as far as this list stays the same.
    pub first_visible: Option<&'a [u32]>,
}

/// A forward pass: the hidden states for the head, and what the backward pass needs.
#[derive(Debug)]
pub struct Pass {
    /// After the last norm, (rows·columns, width).
    pub hidden: Tensor,
    /// Before it; `None` where nothing was to be kept.
    last: Option<Tensor>,
    /// From the frost line up.
    blocks: Vec<Held>,
}

/// What a pass holds of a block until the backward pass comes by.
#[derive(Debug)]
enum Held {
    Kept(Box<BlockKept>),
    /// The input alone, (rows·columns, width): the rest is computed again.
    Input(Tensor),
}

impl Decoder {
    /// A new model: the same seed gives the same weights everywhere.
    pub fn random(config: Config, seed: u64, dtype: DType, device: &Device) -> Result<Self> {
        let (width, layers) = (config.width, config.layers);
        let initializer = Initializer { seed, width, layers, dtype, device };
        let draw = |name: &str, shape: &[usize], start: Start| initializer.draw(name, shape, start);
        Self::build(config, &draw, dtype, device)
    }

    /// A model whose parameters come from `source`, which is asked for each by name and shape in the fixed order.
    pub(super) fn build(config: Config, source: Source, dtype: DType, device: &Device) -> Result<Self> {
        config.validate()?;
        let mut b = Builder { parameters: Parameters::default(), source };
        let embedding = Embedding::new(&mut b, &config)?;
        let blocks = (0..config.layers).map(|index| Block::new(&mut b, index, &config)).collect::<Result<_>>()?;
        let norm_group = super::Group::new(Layer::Norm, super::Kind::Norm);
        let norm = match config.family.is_encoder() {
            true => None,
            false => Some(Norm::new(&mut b, "norm", norm_group, &config)?),
        };
        let head = Head::new(&mut b, &config, &embedding)?;
        let score = config.score.as_ref().map(|score| ScoreHead::new(&mut b, &config, score)).transpose()?;
        let angles = match config.rotary {
            Some(_) => Some(Angles::new(&config.rotary_frequencies(), config.context, dtype, device)?),
            None => None,
        };
        let (parameters, device) = (b.parameters, device.clone());
        let recompute = Recompute::default();
        Ok(Self { config, parameters, recompute, embedding, blocks, norm, head, score, angles, dtype, device })
    }

    /// Stores the matrices that `which` says in another type: see [`Parameters::store`].
    pub fn store(&mut self, storage: Storage, which: impl Fn(&Parameter) -> bool) -> Result<()> {
        self.parameters.store(storage, which)
    }

    pub fn device(&self) -> &Device {
        &self.device
    }

    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Reads the rows. With a `thaw`, what the backward pass needs is kept from the frost line up; without one
    /// nothing is.
    pub fn forward(&self, input: &Input, thaw: Option<&Thaw>) -> Result<Pass> {
        let x = self.prefix(input, Layer::Block(0))?;
        self.forward_from(Layer::Block(0), x, input, thaw)
    }

    /// The hidden states that enter `layer`, (rows·columns, width), after everything below it; nothing is kept. Each row
    /// is what it would be alone.
    pub fn prefix(&self, input: &Input, layer: Layer) -> Result<Tensor> {
        self.check(input)?;
        let ends = self.ends(input);
        let places = self.places(input, ends.as_deref());
        let mut x = self.embedding.forward(&self.parameters, input.tokens, input.positions)?;
        for block in self.blocks.iter().take(self.blocks_below(layer)) {
            x = block.forward(&self.parameters, x, places)?.0;
        }
        if layer == Layer::Head { self.last_norm(x) } else { Ok(x) }
    }

    /// How many blocks lie below `layer`.
    pub fn blocks_below(&self, layer: Layer) -> usize {
        match layer {
            Layer::Embedding => 0,
            Layer::Block(index) => index.min(self.blocks.len()),
            Layer::Norm | Layer::Head => self.blocks.len(),
        }
    }

    /// Goes on from `x`, the [`Decoder::prefix`] of the same input and layer. A frost line below that layer is an error:
    /// the backward pass could not come down to it.
    pub fn forward_from(&self, layer: Layer, x: Tensor, input: &Input, thaw: Option<&Thaw>) -> Result<Pass> {
        let ends = self.ends(input);
        let (first, places) = (self.blocks_below(layer), self.places(input, ends.as_deref()));
        let keeps = |layer| thaw.is_some_and(|thaw| thaw.reaches(layer));
        if layer > Layer::Block(0) && thaw.is_some_and(|thaw| thaw.below(layer)) {
            return Err(Error::new(format!("a pass that begins at {layer} cannot train what lies below")));
        }
        if layer == Layer::Head {
            return Ok(Pass { hidden: x, last: None, blocks: Vec::new() });
        }
        let (mut x, mut held) = (x, Vec::new());
        for (index, block) in self.blocks.iter().enumerate().skip(first) {
            let input = x.clone();
            let (y, kept) = block.forward(&self.parameters, x, places)?;
            if keeps(Layer::Block(index)) {
                let again = self.recompute.applies(index, self.blocks.len());
                held.push(if again { Held::Input(input) } else { Held::Kept(Box::new(kept)) });
            }
            x = y;
        }
        let hidden = self.last_norm(x.clone())?;
        Ok(Pass { hidden, last: keeps(Layer::Norm).then_some(x), blocks: held })
    }

    /// `x` after the last norm, where there is one.
    fn last_norm(&self, x: Tensor) -> Result<Tensor> {
        match &self.norm {
            Some(norm) => norm.forward(&self.parameters, &x),
            None => Ok(x),
        }
    }

    /// For each token one past the last position of its document, where an encoder reads several.
    fn ends(&self, input: &Input) -> Option<Vec<u32>> {
        let starts = input.first_visible.filter(|_| self.config.family.is_encoder())?;
        Some(starts.chunks(input.columns.max(1)).flat_map(ends_of_row).collect())
    }

    fn places<'a>(&'a self, input: &Input<'a>, ends: Option<&'a [u32]>) -> Places<'a> {
        let visible = if self.config.family.is_encoder() { Visible::Both } else { Visible::Causal };
        let sight = Sight { visible, starts: input.first_visible, ends, window: self.config.window };
        let precision = self.parameters.precision;
        let layout = Layout { rows: input.rows, columns: input.columns, sight, precision };
        Places { layout, positions: input.positions, angles: self.angles.as_ref() }
    }

    fn check(&self, input: &Input) -> Result<()> {
        let count = input.rows * input.columns;
        let lengths = [input.tokens.len(), input.positions.len(), input.first_visible.map_or(count, <[u32]>::len)];
        if lengths.iter().any(|&length| length != count) || count == 0 {
            return Err(Error::new(format!("a batch of {count} tokens came with lists of {lengths:?}")));
        }
        self.check_positions(input.positions.iter().max().map_or(0, |&p| p as usize + 1))
    }

    fn check_positions(&self, positions: usize) -> Result<()> {
        if positions > self.config.context {
            return Err(Error::new(format!("{positions} tokens do not fit the model's context"))
                .because(format!("it was made for {} positions", self.config.context))
                .next("shorten the text, or use a model with a longer context"));
        }
        Ok(())
    }

    /// Goes back through the units above the frost line, from the gradient at `pass.hidden`.
    pub fn backward(
        &self,
        pass: Pass,
        d_hidden: &Tensor,
        input: &Input,
        thaw: &Thaw,
        gradients: &mut Gradients,
    ) -> Result<()> {
        let ends = self.ends(input);
        let (p, places) = (&self.parameters, self.places(input, ends.as_deref()));
        let Some(last) = pass.last else { return Ok(()) };
        let mut gradient = match &self.norm {
            Some(norm) => norm.backward(p, &last, d_hidden, None, gradients)?,
            None => d_hidden.clone(),
        };
        let mut held = pass.blocks;
        for (index, block) in self.blocks.iter().enumerate().rev() {
            let kept = match held.pop() {
                None => return Ok(()),
                Some(Held::Kept(kept)) => *kept,
                Some(Held::Input(x)) => block.recompute(p, x, places)?,
            };
            let below = thaw.below(Layer::Block(index));
            let below = block.backward(p, kept, gradient, places, gradients, below)?;
            let Some(below) = below else { return Ok(()) };
            gradient = below;
        }
        self.embedding.backward(p, &gradient, input.tokens, input.positions, gradients)
    }

    /// See [`Head::losses`].
    pub fn losses(&self, hidden: &Tensor, targets: &[u32]) -> Result<Vec<RowLoss>> {
        self.head.losses(&self.parameters, hidden, targets)
    }

    /// See [`Head::losses_and_gradients`].
    pub fn losses_and_gradients(
        &self,
        hidden: &Tensor,
        targets: &[u32],
        scale: f64,
        gradients: &mut Gradients,
    ) -> Result<(Vec<RowLoss>, Tensor)> {
        self.head.losses_and_gradients(&self.parameters, hidden, targets, scale, gradients)
    }

    /// See [`Head::answers`].
    pub fn answers(&self, hidden: &Tensor) -> Result<Answers<'_>> {
        self.head.answers(&self.parameters, hidden)
    }

    /// See [`Head::distilled`].
    pub fn distilled(
        &self,
        hidden: &Tensor,
        teacher: &Answers,
        softness: (f64, f64),
        gradients: &mut Gradients,
    ) -> Result<(Vec<f32>, Tensor)> {
        self.head.distilled(&self.parameters, hidden, teacher, softness, gradients)
    }

    /// Logits (n, vocabulary) of hidden states (n, width).
    pub fn logits(&self, hidden: &Tensor) -> Result<Tensor> {
        self.head.logits(&self.parameters, hidden)
    }

    /// An empty cache for `rows` rows of up to `capacity` tokens.
    pub fn cache(&self, rows: usize, capacity: usize) -> Result<Cache> {
        if self.config.family.is_encoder() {
            return Err(Error::new("an encoder cannot go on with a text")
                .because("each of its positions sees what comes after it, so it fills masks instead")
                .next("put its mask token (such as [MASK]) into the text where it is to fill one in"));
        }
        Cache::new(&self.config, rows, capacity.min(self.config.context), self.dtype, &self.device)
    }

    /// Reads new tokens, `tokens.len() / rows` for each row of the cache, after those already there; returns the hidden
    /// states for the head, (tokens, width).
    pub fn read(&self, tokens: &[u32], cache: &mut Cache) -> Result<Tensor> {
        self.read_rows(&cache.spread(tokens)?, cache)
    }

    /// The same for the logits after the last token of each row, (rows, vocabulary).
    pub fn extend(&self, tokens: &[u32], cache: &mut Cache) -> Result<Tensor> {
        self.extend_rows(&cache.spread(tokens)?, cache)
    }

    /// Reads new tokens of some rows of the cache, each as many as it likes: (row, tokens) in ascending order. Returns
    /// the hidden states for the head, one row after the other, (tokens, width). Other rows stay as they are.
    pub fn read_rows(&self, new: &[(usize, &[u32])], cache: &mut Cache) -> Result<Tensor> {
        let x = self.read_through(new, cache)?;
        self.last_norm(x)
    }

    /// The same for the logits after the last token of each row that is named, (rows named, vocabulary).
    pub fn extend_rows(&self, new: &[(usize, &[u32])], cache: &mut Cache) -> Result<Tensor> {
        let mut x = self.read_through(new, cache)?;
        if new.len() < x.dim(0)? {
            let mut end = 0;
            let last = new.iter().map(|(_, tokens)| {
                end += tokens.len() as u32;
                end - 1
            });
            x = x.index_select(&Tensor::from_iter(last, &self.device)?, 0)?;
        }
        self.logits(&self.last_norm(x)?)
    }

    /// All blocks, up to the last norm.
    fn read_through(&self, new: &[(usize, &[u32])], cache: &mut Cache) -> Result<Tensor> {
        let spans = cache.spans(new)?;
        self.check_positions(spans.iter().map(|span| span.start + span.count).max().unwrap_or(0))?;
        let tokens: Vec<u32> = new.iter().flat_map(|(_, tokens)| tokens.iter().copied()).collect();
        let position = |span: &Span| span.start as u32..(span.start + span.count) as u32;
        let positions: Vec<u32> = spans.iter().flat_map(position).collect();
        let places = CachedPlaces { spans: &spans, positions: &positions, angles: self.angles.as_ref() };
        let mut x = self.embedding.forward(&self.parameters, &tokens, &positions)?;
        for (index, block) in self.blocks.iter().enumerate() {
            x = block.extend(&self.parameters, x, places, cache.block(index))?;
        }
        cache.grow(&spans);
        Ok(x)
    }
}

/// One past the end of the run of equal starts that each position lies in: padding, which sees itself alone, is a run of
/// one.
fn ends_of_row(starts: &[u32]) -> Vec<u32> {
    let mut ends = Vec::with_capacity(starts.len());
    for document in starts.chunk_by(|a, b| a == b) {
        let end = (ends.len() + document.len()) as u32;
        ends.resize(end as usize, end);
    }
    ends
}
