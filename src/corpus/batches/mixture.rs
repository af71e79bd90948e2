//! Rows from several sources at once, each with its share.

use std::sync::Arc;

use crate::corpus::batches::windows::check_shape;
use crate::corpus::batches::{Batch, Batches, Rows};
use crate::error::{Error, Result};
use crate::random::mix;

/// Fixed-point one: shares are fractions of it.
const ONE: u64 = 1 << 32;

/// A source of rows and its share of a mixture.
struct Part {
    rows: Arc<dyn Rows>,
    /// Of the rows left to this source and those after it, in units of 1/[`ONE`].
    share: u64,
    phase: u64,
}

/// Batches whose rows come from several sources, evenly interleaved by weight.
///
/// Which source a row comes from, and how many rows came from it before, follow from the row's number alone, so each
/// source is gone through in its own order, nothing skipped, and no state is kept. Of any run of rows each source has
/// its share to within one row for each source before it.
pub struct Mixture {
    parts: Vec<Part>,
    context: usize,
    rows: usize,
}

impl Mixture {
    /// Batches of `rows` rows from `sources` with their weights. Errors: no source, a weight that is not a positive
    /// number, or sources of different contexts.
    pub fn new(sources: Vec<(Arc<dyn Rows>, f64)>, rows: usize, seed: u64) -> Result<Mixture> {
        let failed = |why: &str| Err(Error::new("cannot mix these sources").because(why));
        let Some(context) = sources.first().map(|(source, _)| source.context()) else {
            return failed("there are none");
        };
        check_shape(context, rows)?;
        if sources.iter().any(|(source, _)| source.context() != context) {
            return failed("their rows differ in length");
        }
        if sources.iter().any(|(_, weight)| !weight.is_finite() || *weight <= 0.0) {
            return failed("each weight has to be a number above 0");
        }
        let mut left: f64 = sources.iter().map(|(_, weight)| weight).sum();
        let mut parts = Vec::with_capacity(sources.len());
        for (order, (rows, weight)) in sources.into_iter().enumerate() {
            let share = ((weight / left).clamp(0.0, 1.0) * ONE as f64).round() as u64;
            parts.push(Part { rows, share, phase: mix(seed, order as u64) % ONE });
            left -= weight;
        }
        if let Some(last) = parts.last_mut() {
            // Whatever rounding left over, the last source takes all that is left to it.
            last.share = ONE;
        }
        Ok(Mixture { parts, context, rows })
    }

    /// The source of row `index`, by its order, and the number of the row within that source.
    fn place(&self, mut index: u64) -> (usize, u64) {
        for (order, part) in self.parts.iter().enumerate() {
            let taken = part.taken_before(index);
            if part.taken_before(index.wrapping_add(1)) > taken {
                return (order, taken);
            }
            index -= taken;
        }
        (0, index)
    }
}

impl Part {
    /// How many of the first `index` rows left to this source and those after it are its own.
    fn taken_before(&self, index: u64) -> u64 {
        ((index as u128 * self.share as u128 + self.phase as u128) / ONE as u128) as u64
    }
}

impl Rows for Mixture {
    fn context(&self) -> usize {
        self.context
    }

    /// Rows until the first source, by its share, has been seen once.
    fn rows_per_epoch(&self) -> u64 {
        let first = &self.parts[0];
        (first.rows.rows_per_epoch() as u128 * ONE as u128).div_ceil(first.share.max(1) as u128) as u64
    }

    fn distinct_rows(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.rows.distinct_rows()))
    }

    fn repeats(&self) -> bool {
        self.parts.iter().all(|part| part.rows.repeats())
    }

    fn push_row(&self, index: u64, batch: &mut Batch) -> Result<()> {
        let (order, within) = self.place(index);
        self.parts[order].rows.push_row(within, batch)
    }

    fn describe(&self) -> String {
        let parts: Vec<String> = self.parts.iter().map(|part| part.rows.describe()).collect();
        format!("a mixture of {}", parts.join(" and "))
    }
}

impl Batches for Mixture {
    fn rows(&self) -> usize {
        self.rows
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::corpus::batches::Windows;
    use crate::corpus::shards::testing::shard_of;

    fn source(first: u32) -> Arc<dyn Rows> {
        let tokens: Vec<u32> = (first..first + 200).collect();
        Arc::new(Windows::new(shard_of(&tokens), 4, 1, 3).unwrap())
    }

    fn mixture(weights: &[f64], seed: u64) -> Mixture {
        let sources = weights.iter().enumerate().map(|(order, &weight)| (source(order as u32 * 1000), weight));
        Mixture::new(sources.collect(), 8, seed).unwrap()
    }

    #[test]
    fn rows_come_from_their_sources() {
        let mixture = mixture(&[0.75, 0.25], 1);
        let batch = mixture.batch(3).unwrap();
        let second = batch.inputs.chunks(4).filter(|row| row[0] >= 1000).count();
        assert_eq!((batch.rows, second), (8, 2));
        assert_eq!(batch, mixture.batch(3).unwrap());
    }

    #[test]
    fn an_epoch_is_the_first_source_s_and_distinct_rows_are_everybody_s() {
        let of_source = source(0).rows_per_epoch();
        let mixture = mixture(&[0.75, 0.25], 1);
        assert_eq!(mixture.rows_per_epoch(), (of_source * 4).div_ceil(3));
        assert_eq!(mixture.distinct_rows(), 2 * of_source);
    }

    #[test]
    fn what_cannot_be_mixed_is_refused() {
        assert!(Mixture::new(Vec::new(), 1, 0).is_err());
        for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Mixture::new(vec![(source(0), weight)], 1, 0).is_err());
        }
    }

    proptest! {
        #[test]
        fn each_source_has_its_share_and_is_gone_through_in_order(
            weights in prop::collection::vec(0.01f64..10.0, 1..5), seed: u64,
        ) {
            let mixture = mixture(&weights, seed);
            let mut taken = vec![0u64; weights.len()];
            for index in 0..2000 {
                let (order, within) = mixture.place(index);
                prop_assert_eq!(within, taken[order]);
                taken[order] += 1;
            }
            let total: f64 = weights.iter().sum();
            for (count, weight) in taken.iter().zip(&weights) {
                prop_assert!((*count as f64 - 2000.0 * weight / total).abs() <= weights.len() as f64 + 1.0);
            }
        }
    }
}
