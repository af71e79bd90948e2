//! Batches as pure functions of a seed and a step: resume and replay need to remember nothing else.

mod held_out;
mod masked;
mod mixture;
mod packed;
mod permutation;
mod windows;

use crate::error::{Error, Result};
use crate::model::Target;

pub use held_out::{HeldOutBatch, HeldOutWindows, Span, held_out_examples};
pub use masked::Masked;
pub use mixture::Mixture;
pub use packed::Packed;
pub use permutation::Permutation;
pub use windows::Windows;

/// Target of a position without loss.
pub const IGNORE: u32 = u32::MAX;

/// `rows` × `context` positions, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    pub rows: usize,
    pub context: usize,
    /// What the model reads.
    pub inputs: Vec<u32>,
    /// What it should say at each position, or [`IGNORE`].
    pub targets: Vec<u32>,
    /// Position of each token in its own example, for position embeddings.
    pub positions: Vec<u32>,
    /// For each position, the first position of its row that it may attend to: where its example starts. Padding sees
    /// only itself.
    pub first_visible: Vec<u32>,
    /// Texts that are scored as a whole, in order; none where the model learns to write.
    pub labelled: Vec<Labelled>,
}

/// A text that is scored, by the position that stands for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Labelled {
    /// Counted through the whole batch, row-major.
    pub position: u32,
    pub target: Target,
}

impl Batch {
    /// A batch of no rows, for rows of `context` positions.
    pub(crate) fn with_capacity(rows: usize, context: usize) -> Batch {
        let vector = || Vec::with_capacity(rows * context);
        let (inputs, targets, positions, first_visible) = (vector(), vector(), vector(), vector());
        Batch { rows: 0, context, inputs, targets, positions, first_visible, labelled: Vec::new() }
    }

    /// How many positions have a token to learn.
    pub fn learned(&self) -> usize {
        self.targets.iter().filter(|&&target| target != IGNORE).count()
    }

    /// The positions of the texts that are scored, one text after the other, without padding: each is the stretch of its row
    /// that begins where the one that stands for it sees first.
    pub fn positions_of_texts(&self) -> Vec<u32> {
        let mut positions = Vec::new();
        for labelled in &self.labelled {
            let at = labelled.position as usize;
            let (row, first) = (at / self.context * self.context, self.first_visible[at]);
            let (start, end) = (row + first as usize, row + self.context);
            let length = self.first_visible[start..end].iter().take_while(|other| **other == first).count();
            positions.extend(start as u32..(start + length) as u32);
        }
        positions
    }

    /// The rows in order, in `parts` batches as equal as can be; fewer when there are fewer rows.
    pub fn split(&self, parts: usize) -> Vec<Batch> {
        let parts = parts.clamp(1, self.rows.max(1));
        (0..parts).map(|part| self.slice(self.rows * part / parts, self.rows * (part + 1) / parts)).collect()
    }

    /// Rows `start` to `end`.
    pub(crate) fn slice(&self, start: usize, end: usize) -> Batch {
        let places = start * self.context..end * self.context;
        let cut = |values: &[u32]| values[places.clone()].to_vec();
        let inside = self.labelled.iter().filter(|labelled| places.contains(&(labelled.position as usize)));
        let moved = |labelled: &Labelled| Labelled { position: labelled.position - places.start as u32, ..*labelled };
        Batch {
            rows: end - start,
            context: self.context,
            inputs: cut(&self.inputs),
            targets: cut(&self.targets),
            positions: cut(&self.positions),
            first_visible: cut(&self.first_visible),
            labelled: inside.map(moved).collect(),
        }
    }

    /// Appends a row of one window: `tokens` has one more than the context, and each position learns the next token.
    pub(crate) fn push_window(&mut self, tokens: &[u32]) {
        let context = self.context;
        self.inputs.extend_from_slice(&tokens[..context]);
        self.targets.extend_from_slice(&tokens[1..=context]);
        self.positions.extend(0..context as u32);
        self.first_visible.extend(std::iter::repeat_n(0, context));
        self.rows += 1;
    }

    /// Appends `count` positions that nothing is learned from and that see only themselves.
    pub(crate) fn push_padding(&mut self, count: usize, token: u32) {
        let row_start = self.inputs.len() / self.context * self.context;
        let within = self.inputs.len() - row_start;
        self.inputs.extend(std::iter::repeat_n(token, count));
        self.targets.extend(std::iter::repeat_n(IGNORE, count));
        self.positions.extend(std::iter::repeat_n(0, count));
        self.first_visible.extend((within..within + count).map(|position| position as u32));
    }
}

/// Rows in an order that a seed fixes, numbered without end: what batches and mixtures are made of.
pub trait Rows: Send + Sync {
    /// Positions of a row.
    fn context(&self) -> usize;

    /// How many rows make an epoch: in every epoch each comes once.
    fn rows_per_epoch(&self) -> u64;

    /// How many different rows there are, where epochs repeat: those of one epoch, of every source.
    fn distinct_rows(&self) -> u64 {
        self.rows_per_epoch()
    }

    /// Whether an epoch has the same rows as the one before, in whatever order.
    fn repeats(&self) -> bool;

    /// Appends row number `index`, counted from the start of training, to `batch`.
    fn push_row(&self, index: u64, batch: &mut Batch) -> Result<()>;

    /// What the rows are, for people.
    fn describe(&self) -> String;
}

/// Rows taken so many at a time. `epochs` epochs take `epochs` × [`Rows::rows_per_epoch`] ÷ [`Batches::rows`] batches,
/// rounded up once.
pub trait Batches: Rows {
    /// Rows of a batch, at least one.
    fn rows(&self) -> usize;

    /// The batch of a step; the same whenever it is asked for.
    fn batch(&self, step: u64) -> Result<Batch> {
        let count = self.rows();
        let mut batch = Batch::with_capacity(count, self.context());
        // The order has no end, so neither has the step: it wraps where the numbers do.
        let first = step.wrapping_mul(count as u64);
        for row in 0..count as u64 {
            self.push_row(first.wrapping_add(row), &mut batch)?;
        }
        Ok(batch)
    }

    /// The sources of a mixture by name, with the shares of rows that they have in the end; nothing where it is none.
    fn sources(&self) -> Vec<(String, f64)> {
        Vec::new()
    }

    /// Replaces all changes of a mixture's shares: from which step (counted as in [`Batches::batch`]) each holds, and the
    /// share of each source. Batches before the first change stay as they are.
    fn mix(&self, _changes: &[(u64, Vec<f64>)]) -> Result<()> {
        Err(Error::new("there is no mixture").because("one source is read, or examples"))
    }

    /// How many batches it takes to see everything once, rounded up.
    fn batches_per_epoch(&self) -> u64 {
        self.rows_per_epoch().div_ceil(self.rows().max(1) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_splits_into_its_rows() {
        let mut batch = Batch::with_capacity(3, 2);
        for row in 0..3 {
            batch.push_window(&[row, row + 10, row + 20]);
        }
        batch.targets[0] = IGNORE;
        assert_eq!(batch.learned(), 5);
        let target = Target::Class(1);
        batch.labelled = [1, 4, 5].map(|position| Labelled { position, target }).to_vec();
        let parts = batch.split(2);
        assert_eq!(parts.iter().map(|part| part.rows).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(parts.iter().flat_map(|part| part.inputs.clone()).collect::<Vec<_>>(), batch.inputs);
        assert_eq!(parts.iter().map(Batch::learned).sum::<usize>(), 5);
        let labelled = |part: &Batch| part.labelled.iter().map(|labelled| labelled.position).collect::<Vec<_>>();
        assert_eq!(parts.iter().map(labelled).collect::<Vec<_>>(), [vec![1], vec![2, 3]]);
        assert_eq!(batch.split(9).len(), 3);
        assert_eq!(batch.split(0).len(), 1);
    }
}
