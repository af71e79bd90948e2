//! What models are evaluated on: the same rows in the same order every time.

use std::sync::Arc;

use crate::corpus::batches::packed::push_example;
use crate::corpus::batches::windows::check_shape;
use crate::corpus::batches::{Batch, IGNORE};
use crate::corpus::examples::EncodedExample;
use crate::corpus::shards::Shard;
use crate::error::{Error, Result};

/// Held-out text, cut into windows side by side, so that every token after the first is predicted once; where that
/// would be too many tokens, evenly spaced windows of them.
pub struct HeldOutWindows {
    shard: Arc<Shard>,
    context: usize,
    rows: usize,
    /// Windows that cover the shard, the last one perhaps in part.
    covering: u64,
    /// Windows that are used.
    used: u64,
}

impl HeldOutWindows {
    /// Batches of up to `rows` windows of `context` positions, of at most about `most_tokens` in all. Errors: fewer
    /// than two tokens.
    pub fn new(shard: Arc<Shard>, context: usize, rows: usize, most_tokens: u64) -> Result<HeldOutWindows> {
        check_shape(context, rows)?;
        if shard.tokens() < 2 {
            return Err(Error::new("there is too little held-out text")
                .because(format!("it has {} tokens, and to predict one takes two", shard.tokens()))
                .next("hold out a larger fraction, or give more text"));
        }
        let covering = (shard.tokens() - 1).div_ceil(context as u64);
        let used = covering.min((most_tokens / context as u64).max(1));
        Ok(HeldOutWindows { shard, context, rows, covering, used })
    }

    /// Fewer windows of the same text: about `most_tokens` positions, at least one window.
    pub fn sampled(&self, most_tokens: u64) -> HeldOutWindows {
        let used = self.used.min((most_tokens / self.context as u64).max(1));
        HeldOutWindows { shard: self.shard.clone(), used, ..*self }
    }

    /// How many batches there are.
    pub fn batches(&self) -> u64 {
        self.used.div_ceil(self.rows as u64)
    }

    /// Batch `index`; the last one may have fewer rows.
    pub fn batch(&self, index: u64) -> Result<Batch> {
        let first = index.saturating_mul(self.rows as u64).min(self.used);
        let last = first.saturating_add(self.rows as u64).min(self.used);
        let mut batch = Batch::with_capacity((last - first) as usize, self.context);
        for window in first..last {
            let spaced = (window as u128 * self.covering as u128 / self.used as u128) as u64;
            self.push(spaced * self.context as u64, &mut batch)?;
        }
        Ok(batch)
    }

    /// Appends the window that begins at token `start`, padded where the shard ends before it.
    fn push(&self, start: u64, batch: &mut Batch) -> Result<()> {
        let length = (self.shard.tokens() - start).min(self.context as u64 + 1) as usize;
        let mut tokens = vec![0; length];
        self.shard.read(start, &mut tokens)?;
        let (whole, learned) = (self.context, length - 1);
        tokens.resize(whole + 1, 0);
        batch.push_window(&tokens);
        let row = batch.inputs.len() - whole;
        batch.targets[row + learned..].fill(IGNORE);
        for position in learned..whole {
            batch.inputs[row + position] = 0;
            batch.positions[row + position] = 0;
            batch.first_visible[row + position] = position as u32;
        }
        Ok(())
    }
}

/// Where an example lies: positions `start` to `end` of row `row`; the prediction at its last position is its last
/// token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub row: usize,
    pub start: usize,
    pub end: usize,
}

/// Some rows of examples, and where each example lies.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldOutBatch {
    pub batch: Batch,
    /// One for each example, in order.
    pub spans: Vec<Span>,
}

/// All `examples` in order, packed into rows of `context` positions and batches of up to `rows` rows; rows are filled
/// up with the token `padding`. Errors: an example that is longer than a row, or has nothing to predict.
pub fn held_out_examples(
    examples: &[EncodedExample],
    context: usize,
    rows: usize,
    padding: u32,
) -> Result<Vec<HeldOutBatch>> {
    check_shape(context, rows)?;
    let empty = || HeldOutBatch { batch: Batch::with_capacity(rows, context), spans: Vec::new() };
    let (mut done, mut open, mut filled) = (Vec::new(), empty(), 0);
    for example in examples {
        let positions = example.positions(context)?;
        if filled + positions > context {
            end_row(&mut open.batch, &mut filled, padding);
            if open.batch.rows == rows {
                done.push(std::mem::replace(&mut open, empty()));
            }
        }
        push_example(&mut open.batch, example, filled);
        open.spans.push(Span { row: open.batch.rows, start: filled, end: filled + positions });
        filled += positions;
    }
    if filled > 0 {
        end_row(&mut open.batch, &mut filled, padding);
        done.push(open);
    }
    Ok(done)
}

fn end_row(batch: &mut Batch, filled: &mut usize, padding: u32) {
    batch.push_padding(batch.context - *filled, padding);
    batch.rows += 1;
    *filled = 0;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::corpus::shards::testing::shard_of;

    fn learned(windows: &HeldOutWindows) -> Vec<u32> {
        let batches = (0..windows.batches()).map(|index| windows.batch(index).unwrap());
        batches.flat_map(|batch| batch.targets).filter(|&target| target != IGNORE).collect()
    }

    #[test]
    fn too_many_windows_are_thinned_evenly() {
        let shard = shard_of(&(0..1001).collect::<Vec<_>>());
        let windows = HeldOutWindows::new(shard, 10, 4, 50).unwrap();
        assert_eq!(windows.batches(), 2);
        let starts: Vec<u32> = (0..2).flat_map(|index| windows.batch(index).unwrap().inputs).step_by(10).collect();
        assert_eq!(starts, [0, 200, 400, 600, 800]);
        assert_eq!(windows.batch(9).unwrap().rows, 0);
        assert!(HeldOutWindows::new(shard_of(&[1]), 10, 4, 50).is_err());
    }

    #[test]
    fn padding_sees_only_itself_and_is_not_learned() {
        let batch = HeldOutWindows::new(shard_of(&[5, 6, 7]), 4, 2, 100).unwrap().batch(0).unwrap();
        assert_eq!(batch.inputs, [5, 6, 0, 0]);
        assert_eq!(batch.targets, [6, 7, IGNORE, IGNORE]);
        assert_eq!(batch.positions, [0, 1, 0, 0]);
        assert_eq!(batch.first_visible, [0, 0, 2, 3]);
    }

    proptest! {
        #[test]
        fn every_token_after_the_first_is_predicted_once(tokens in 2u32..200, context in 1usize..30, rows in 1usize..5) {
            let shard = shard_of(&(0..tokens).collect::<Vec<_>>());
            let windows = HeldOutWindows::new(shard, context, rows, u64::MAX).unwrap();
            prop_assert!(learned(&windows).into_iter().eq(1..tokens));
        }

        #[test]
        fn spans_find_every_example(lengths in prop::collection::vec(2usize..9, 0..40), rows in 1usize..4) {
            let mut next = 0;
            let examples: Vec<EncodedExample> = lengths.iter().map(|&length| {
                next += length as u32;
                let tokens = (next - length as u32..next).collect();
                EncodedExample { tokens, learned: (0..length).map(|at| at > 0).collect(), label: None }
            }).collect();
            let batches = held_out_examples(&examples, 8, rows, 0).unwrap();
            prop_assert!(batches.iter().all(|held| held.batch.rows <= rows && held.batch.inputs.len() == held.batch.rows * 8));
            let found = batches.iter().flat_map(|held| held.spans.iter().map(move |span| {
                let at = span.row * 8 + span.start..span.row * 8 + span.end;
                prop_assert!(held.batch.first_visible[at.clone()].iter().all(|&first| first as usize == span.start));
                Ok((held.batch.inputs[at.clone()].to_vec(), held.batch.targets[at].to_vec()))
            }));
            for (found, example) in found.zip(&examples) {
                let (inputs, targets) = found?;
                prop_assert_eq!(&inputs[..], &example.tokens[..inputs.len()]);
                prop_assert_eq!(&targets[..], &example.tokens[1..]);
            }
            prop_assert_eq!(batches.iter().map(|held| held.spans.len()).sum::<usize>(), examples.len());
        }
    }
}
