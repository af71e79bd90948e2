//! Windows of running text, for learning to predict the next token.

use std::sync::Arc;

use crate::corpus::batches::{Batch, Batches, Permutation, Rows};
use crate::corpus::shards::Shard;
use crate::error::{Error, Result};
use crate::random::mix;

/// From this many windows on, one is given up so that the grid can shift by a whole context.
const FEW: u64 = 64;

/// Every window of a shard once an epoch, in an order fixed by the seed.
///
/// The windows of an epoch lie side by side on a grid; each epoch shifts the grid by a phase of its own, so that texts
/// are not always cut in the same places. A window goes over the ends of documents, as is usual.
pub struct Windows {
    shard: Arc<Shard>,
    context: usize,
    rows: usize,
    seed: u64,
    per_epoch: u64,
}

impl Windows {
    /// Batches of `rows` windows of `context` positions. Errors: fewer tokens than one window needs, or a batch
    /// without a position.
    pub fn new(shard: Arc<Shard>, context: usize, rows: usize, seed: u64) -> Result<Windows> {
        check_shape(context, rows)?;
        check_length(&shard, context)?;
        // One token fewer than there are: the last window needs the token after it as its last target.
        let fit = (shard.tokens() - 1) / context as u64;
        let per_epoch = if fit < FEW { fit } else { fit - 1 };
        Ok(Windows { shard, context, rows, seed, per_epoch })
    }

    /// How many places the grid can begin at.
    fn phases(&self) -> u64 {
        let free = self.shard.tokens() - 1 - self.per_epoch * self.context as u64;
        free.min(self.context as u64 - 1) + 1
    }

    /// Where window `index` of the endless order begins.
    fn start(&self, index: u64) -> u64 {
        let (epoch, within) = (index / self.per_epoch, index % self.per_epoch);
        let key = mix(self.seed, epoch);
        let phase = mix(key, 1) % self.phases();
        phase + Permutation::new(self.per_epoch, key).get(within) * self.context as u64
    }
}

impl Rows for Windows {
    fn context(&self) -> usize {
        self.context
    }

    fn rows_per_epoch(&self) -> u64 {
        self.per_epoch
    }

    /// Only where the text leaves the grid no room to shift.
    fn repeats(&self) -> bool {
        self.phases() == 1
    }

    fn push_row(&self, index: u64, batch: &mut Batch) -> Result<()> {
        let mut tokens = vec![0; self.context + 1];
        self.shard.read(self.start(index), &mut tokens)?;
        batch.push_window(&tokens);
        Ok(())
    }

    fn describe(&self) -> String {
        format!("{} windows of {} tokens", self.per_epoch, self.context)
    }
}

impl Batches for Windows {
    fn rows(&self) -> usize {
        self.rows
    }
}

pub(super) fn check_shape(context: usize, rows: usize) -> Result<()> {
    let positions = context.checked_mul(rows);
    if positions.is_none_or(|positions| positions == 0 || positions > u32::MAX as usize) {
        return Err(Error::new(format!("cannot make batches of {rows} rows of {context} positions"))
            .next("give at least one row and one position, and fewer than 2^32 in all"));
    }
    Ok(())
}

/// An error where a shard is shorter than one window and the token after it.
pub(super) fn check_length(shard: &Shard, context: usize) -> Result<()> {
    let needed = context as u64 + 1;
    if shard.tokens() < needed {
        return Err(Error::new("the corpus is shorter than one context")
            .because(format!("it has {} tokens, and a context of {context} needs {needed}", shard.tokens()))
            .next("give more text, or a smaller context"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::corpus::shards::testing::shard_of;

    fn windows(tokens: u32, context: usize, rows: usize, seed: u64) -> Windows {
        let tokens: Vec<u32> = (0..tokens).collect();
        Windows::new(shard_of(&tokens), context, rows, seed).unwrap()
    }

    #[test]
    fn each_position_learns_the_next_token() {
        let batch = windows(100, 8, 3, 5).batch(2).unwrap();
        assert_eq!((batch.rows, batch.context, batch.learned()), (3, 8, 24));
        assert!(batch.inputs.iter().zip(&batch.targets).all(|(input, target)| input + 1 == *target));
        assert_eq!(batch.positions[8..16], [0, 1, 2, 3, 4, 5, 6, 7]);
        assert!(batch.first_visible.iter().all(|&first| first == 0));
    }

    #[test]
    fn an_epoch_is_counted_in_rows_whatever_the_batch() {
        let batches: Box<dyn Batches> = Box::new(windows(100, 8, 5, 1));
        assert_eq!((batches.rows_per_epoch(), batches.rows(), batches.batches_per_epoch()), (12, 5, 3));
        assert_eq!(batches.batch(0).unwrap().rows, 5);
    }

    #[test]
    fn epochs_differ_in_order_and_phase_and_seeds_differ() {
        let one = windows(10_000, 16, 4, 1);
        let epoch = one.batches_per_epoch();
        assert_ne!(one.batch(0).unwrap(), one.batch(epoch).unwrap());
        assert_ne!(one.batch(0).unwrap(), windows(10_000, 16, 4, 2).batch(0).unwrap());
        let phases: Vec<u64> = (0..6).map(|epoch| one.start(epoch * one.per_epoch) % 16).collect();
        assert!(phases.iter().any(|&phase| phase != phases[0]), "{phases:?}");
    }

    #[test]
    fn rows_come_again_only_where_the_grid_cannot_shift() {
        for (tokens, repeats) in [(97, true), (98, false), (10_000, false)] {
            let windows = windows(tokens, 8, 4, 1);
            assert_eq!(windows.repeats(), repeats, "{tokens}");
            let rows = |epoch: u64| {
                let mut batch = Batch::with_capacity(0, 8);
                let first = epoch * windows.rows_per_epoch();
                (first..first + windows.rows_per_epoch()).for_each(|row| windows.push_row(row, &mut batch).unwrap());
                let mut rows: Vec<Vec<u32>> = batch.inputs.chunks(8).map(<[u32]>::to_vec).collect();
                rows.sort();
                rows
            };
            assert_eq!((1..6).all(|epoch| rows(epoch) == rows(0)), repeats, "{tokens}");
        }
    }

    #[test]
    fn too_short_a_corpus_says_what_is_missing() {
        let error = Windows::new(shard_of(&[1, 2, 3]), 8, 1, 0).err().unwrap().to_string();
        assert!(error.contains("3 tokens") && error.contains("needs 9"), "{error}");
        assert!(Windows::new(shard_of(&[1, 2, 3]), 0, 1, 0).is_err());
        assert!(Windows::new(shard_of(&[1, 2, 3]), 2, usize::MAX, 0).is_err());
        assert!(Windows::new(shard_of(&[1, 2, 3]), 2, 1, 0).unwrap().batch(u32::MAX as u64).is_ok());
    }

    proptest! {
        #[test]
        fn every_window_comes_once_an_epoch(tokens in 40u32..400, context in 1usize..20, seed: u64, epoch in 0u64..3) {
            let windows = windows(tokens, context, 1, seed);
            let first = epoch * windows.batches_per_epoch();
            let steps = first..first + windows.batches_per_epoch();
            let mut seen: Vec<u32> = steps.flat_map(|step| windows.batch(step).unwrap().inputs).collect();
            seen.sort_unstable();
            let phase = seen[0];
            prop_assert!(seen.iter().enumerate().all(|(index, &token)| token == phase + index as u32));
            prop_assert!(seen.len() + 2 * context >= tokens as usize - 1);
            prop_assert!(phase as usize + seen.len() < tokens as usize);
        }

        #[test]
        fn a_batch_is_a_function_of_seed_and_step(seed: u64, step in 0u64..1_000_000) {
            let one = windows(300, 7, 3, seed);
            prop_assert_eq!(one.batch(step).unwrap(), one.batch(step).unwrap());
            prop_assert_eq!(one.batch(step).unwrap(), windows(300, 7, 3, seed).batch(step).unwrap());
        }
    }
}
