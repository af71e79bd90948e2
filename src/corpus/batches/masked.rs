//! Rows with hidden tokens, for masked language modelling.

use std::sync::Arc;

use crate::corpus::batches::{Batch, Batches, Rows, Windows};
use crate::corpus::masking::Masker;
use crate::corpus::shards::Shard;
use crate::error::Result;
use crate::random::mix;

/// Keeps the masks' draws apart from the order of rows.
const MASKS: u64 = 0x6d61_736b_7321;

/// Every window of a shard once an epoch, with other tokens hidden each time that it comes (dynamic masking: Liu et al.
/// 2019, RoBERTa, arXiv 1907.11692): what is hidden in a row follows from the seed and the row's number.
///
/// A row is the tokenizer's begin token, where it has one, and a window of the text; windows go over the ends of documents.
pub struct Masked {
    windows: Windows,
    masker: Arc<Masker>,
    context: usize,
    rows: usize,
    seed: u64,
}

impl Masked {
    /// Batches of `rows` rows of `context` positions. Errors: those of [`Windows::new`].
    pub fn new(shard: Arc<Shard>, masker: Arc<Masker>, context: usize, rows: usize, seed: u64) -> Result<Masked> {
        let windows = Windows::new(shard, masker.room(context), rows, seed)?;
        Ok(Masked { windows, masker, context, rows, seed })
    }
}

impl Rows for Masked {
    fn context(&self) -> usize {
        self.context
    }

    fn rows_per_epoch(&self) -> u64 {
        self.windows.rows_per_epoch()
    }

    /// The text does, but not what is hidden of it.
    fn repeats(&self) -> bool {
        false
    }

    fn push_row(&self, index: u64, batch: &mut Batch) -> Result<()> {
        let mut window = Batch::with_capacity(1, self.windows.context());
        self.windows.push_row(index, &mut window)?;
        self.masker.push_row(&window.inputs, Some(mix(self.seed ^ MASKS, index)), batch);
        Ok(())
    }

    fn describe(&self) -> String {
        let hidden = 100.0 * self.masker.share();
        format!("{}, {hidden}% of them hidden, others each time", self.windows.describe())
    }
}

impl Batches for Masked {
    fn rows(&self) -> usize {
        self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::batches::IGNORE;
    use crate::corpus::shards::testing::shard_of;
    use crate::corpus::tokenizer::Tokenizer;

    fn masked(seed: u64) -> Masked {
        let text = "the cook sells fresh fish and bread at the harbour. ".repeat(40);
        let tokenizer = Tokenizer::train([&text], 300).unwrap().with_mask().unwrap();
        let masker = Arc::new(Masker::new(&tokenizer, 0.15, false).unwrap());
        Masked::new(shard_of(&tokenizer.encode(&text).unwrap()), masker, 17, 4, seed).unwrap()
    }

    #[test]
    fn a_batch_follows_from_seed_and_step_and_each_epoch_hides_other_tokens() {
        let one = masked(1);
        assert_eq!(one.batch(7).unwrap(), masked(1).batch(7).unwrap());
        assert_ne!(one.batch(7).unwrap(), masked(2).batch(7).unwrap());
        assert!(!one.repeats());
        // What a row says without its masks, and where they are.
        let rows = |epoch: u64| {
            let mut batch = Batch::with_capacity(0, 17);
            let first = epoch * one.rows_per_epoch();
            (first..first + one.rows_per_epoch()).for_each(|row| one.push_row(row, &mut batch).unwrap());
            let text = |(input, target): (&u32, &u32)| if *target == IGNORE { *input } else { *target };
            let whole: Vec<u32> = batch.inputs.iter().zip(&batch.targets).map(text).collect();
            let places: Vec<bool> = batch.targets.iter().map(|&target| target != IGNORE).collect();
            let mut rows: Vec<_> =
                whole.chunks(17).map(<[u32]>::to_vec).zip(places.chunks(17).map(<[bool]>::to_vec)).collect();
            rows.sort();
            rows
        };
        let (first, second) = (rows(0), rows(1));
        assert!(first.iter().all(|(text, hidden)| text[0] == 0 && !hidden[0] && hidden.contains(&true)));
        assert!(first != second);
        assert_eq!(one.batch(0).unwrap().inputs.len(), 4 * 17);
    }
}
