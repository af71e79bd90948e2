//! Rows from several sources at once, each with its share.

use std::cmp::Ordering;
use std::sync::{Arc, PoisonError, RwLock};

use crate::corpus::batches::windows::check_shape;
use crate::corpus::batches::{Batch, Batches, Rows};
use crate::error::{Error, Result};
use crate::random::mix;

/// Fixed-point one: shares are fractions of it.
const ONE: u64 = 1 << 32;

/// A source of rows.
struct Source {
    name: String,
    rows: Arc<dyn Rows>,
    /// Of where in a row's turn this source begins.
    seed: u64,
}

impl Source {
    /// Sources do not all begin together, and a source not in every course at the same place: one with a small share would
    /// never come where shares change often.
    fn phase(&self, course: &Course) -> u64 {
        let seed = if course.first == 0 { self.seed } else { mix(self.seed, course.first) };
        seed % ONE
    }
}

/// A stretch of rows over which the shares stay the same.
#[derive(Clone, Debug, PartialEq)]
struct Course {
    /// The stretch's first row.
    first: u64,
    /// For each source its share of the rows that are left to it and to those after it, in units of 1/[`ONE`].
    left: Vec<u64>,
    /// Rows that came from each source before.
    before: Vec<u64>,
    /// Of all rows.
    shares: Vec<f64>,
}

/// Batches whose rows come from several sources, evenly interleaved by their shares.
///
/// Which source a row comes from, and how many rows came from it before, follow from the row's number and from the changes
/// of shares before it alone, so each source is gone through in its own order, nothing skipped. Of any run of rows between
/// two changes each source has its share to within one row for each source before it.
pub struct Mixture {
    sources: Vec<Source>,
    /// The first begins with row 0; ascending.
    courses: RwLock<Vec<Course>>,
    context: usize,
    rows: usize,
}

impl Mixture {
    /// Batches of `rows` rows from `sources` with their names and weights; one of weight 0 waits until its share is
    /// changed. Errors: no source, a weight below 0 or that is no number, no weight above 0, or sources of different
    /// contexts.
    pub fn new(sources: Vec<(String, Arc<dyn Rows>, f64)>, rows: usize, seed: u64) -> Result<Mixture> {
        let failed = |why: &str| Err(Error::new("cannot mix these sources").because(why));
        let Some(context) = sources.first().map(|(_, source, _)| source.context()) else {
            return failed("there are none");
        };
        check_shape(context, rows)?;
        if sources.iter().any(|(_, source, _)| source.context() != context) {
            return failed("their rows differ in length");
        }
        let weights: Vec<f64> = sources.iter().map(|(_, _, weight)| *weight).collect();
        let first = course(0, &weights, vec![0; weights.len()])?;
        let sources = sources.into_iter().enumerate();
        let source = |(order, (name, rows, _))| Source { name, rows, seed: mix(seed, order as u64) };
        Ok(Mixture { sources: sources.map(source).collect(), courses: RwLock::new(vec![first]), context, rows })
    }

    /// The source of row `index`, by its order, and the number of the row within that source.
    fn place(&self, index: u64) -> (usize, u64) {
        let courses = self.courses.read().unwrap_or_else(PoisonError::into_inner);
        let at = courses.partition_point(|course| course.first <= index).saturating_sub(1);
        let course = &courses[at];
        let mut index = index - course.first;
        for order in 0..self.sources.len() {
            let taken = self.taken(course, order, index);
            if self.taken(course, order, index.wrapping_add(1)) > taken {
                return (order, course.before[order] + taken);
            }
            index -= taken;
        }
        (0, index)
    }

    /// The sources that have rows by the first shares: those that wait for theirs do not count.
    fn planned(&self) -> Vec<&Source> {
        let courses = self.courses.read().unwrap_or_else(PoisonError::into_inner);
        let has_share = |(_, share): &(&Source, &f64)| **share > 0.0;
        self.sources.iter().zip(&courses[0].shares).filter(has_share).map(|(source, _)| source).collect()
    }

    /// How many of the first `index` rows of a course that are left to a source and those after it are its own.
    fn taken(&self, course: &Course, order: usize, index: u64) -> u64 {
        ((index as u128 * course.left[order] as u128 + self.sources[order].phase(course) as u128) / ONE as u128) as u64
    }

    /// How many of the first `count` rows of a course come from each source.
    fn counted(&self, course: &Course, mut count: u64) -> Vec<u64> {
        let mut counts = Vec::with_capacity(self.sources.len());
        for order in 0..self.sources.len() {
            let taken = self.taken(course, order, count);
            counts.push(taken);
            count -= taken;
        }
        counts
    }
}

/// A course with these weights.
fn course(first: u64, weights: &[f64], before: Vec<u64>) -> Result<Course> {
    let total: f64 = weights.iter().sum();
    let last = weights.iter().rposition(|weight| *weight > 0.0);
    let Some(last) = last.filter(|_| weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0)) else {
        return Err(Error::new("cannot mix these sources")
            .because("each weight has to be a number from 0 up, and one of them above 0"));
    };
    let (mut rest, mut left) = (total, Vec::with_capacity(weights.len()));
    for (order, weight) in weights.iter().enumerate() {
        left.push(match order.cmp(&last) {
            Ordering::Less => ((weight / rest).clamp(0.0, 1.0) * ONE as f64).round() as u64,
            // Whatever rounding left over, the last source that has a share takes all that is left to it.
            Ordering::Equal => ONE,
            Ordering::Greater => 0,
        });
        rest -= weight;
    }
    Ok(Course { first, left, before, shares: weights.iter().map(|weight| weight / total).collect() })
}

impl Rows for Mixture {
    fn context(&self) -> usize {
        self.context
    }

    /// Rows until the first source, by its first share, has been seen once.
    fn rows_per_epoch(&self) -> u64 {
        let courses = self.courses.read().unwrap_or_else(PoisonError::into_inner);
        let share = courses[0].left[0].max(1);
        (self.sources[0].rows.rows_per_epoch() as u128 * ONE as u128).div_ceil(share as u128) as u64
    }

    fn distinct_rows(&self) -> u64 {
        self.planned().into_iter().fold(0, |sum, source| sum.saturating_add(source.rows.distinct_rows()))
    }

    fn repeats(&self) -> bool {
        self.planned().into_iter().all(|source| source.rows.repeats())
    }

    fn push_row(&self, index: u64, batch: &mut Batch) -> Result<()> {
        let (order, within) = self.place(index);
        self.sources[order].rows.push_row(within, batch)
    }

    fn describe(&self) -> String {
        let parts: Vec<String> = self.planned().into_iter().map(|source| source.rows.describe()).collect();
        if parts.len() == 1 { parts.concat() } else { format!("a mixture of {}", parts.join(" and ")) }
    }
}

impl Batches for Mixture {
    fn rows(&self) -> usize {
        self.rows
    }

    fn sources(&self) -> Vec<(String, f64)> {
        let courses = self.courses.read().unwrap_or_else(PoisonError::into_inner);
        let shares = courses.last().map(|course| course.shares.clone()).unwrap_or_default();
        self.sources.iter().map(|source| source.name.clone()).zip(shares).collect()
    }

    fn mix(&self, changes: &[(u64, Vec<f64>)]) -> Result<()> {
        let planned = self.courses.read().unwrap_or_else(PoisonError::into_inner)[0].clone();
        let mut courses = vec![planned];
        for (step, shares) in changes {
            if shares.len() != self.sources.len() {
                return Err(Error::new("cannot mix these sources").because("each needs a share"));
            }
            let first = step.saturating_mul(self.rows as u64);
            let last = &courses[courses.len() - 1];
            let counted = self.counted(last, first.saturating_sub(last.first));
            let before = last.before.iter().zip(counted).map(|(before, own)| before + own).collect();
            let next = course(first, shares, before)?;
            // Several changes at one step: the last one holds.
            courses.pop_if(|last| last.first == first && first > 0);
            courses.push(next);
        }
        *self.courses.write().unwrap_or_else(PoisonError::into_inner) = courses;
        Ok(())
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
        let sources = weights.iter().enumerate();
        let sources = sources.map(|(order, &weight)| (order.to_string(), source(order as u32 * 1000), weight));
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
        for weight in [-1.0, f64::NAN, f64::INFINITY] {
            let sources = vec![("a".into(), source(0), weight), ("b".into(), source(0), 1.0)];
            assert!(Mixture::new(sources, 1, 0).is_err());
        }
        assert!(Mixture::new(vec![("a".into(), source(0), 0.0)], 1, 0).is_err());
    }

    #[test]
    fn changes_can_be_taken_back_and_make_no_difference_before_them() {
        let mixture = mixture(&[0.75, 0.25], 1);
        let planned: Vec<(usize, u64)> = (0..200).map(|row| mixture.place(row)).collect();
        mixture.mix(&[(5, vec![0.5, 0.5]), (5, vec![0.1, 0.9]), (9, vec![0.6, 0.4])]).unwrap();
        assert_eq!(mixture.sources()[0], ("0".to_string(), 0.6));
        let mixed: Vec<(usize, u64)> = (0..200).map(|row| mixture.place(row)).collect();
        assert_eq!(mixed[..40], planned[..40]);
        assert!(mixed[40..72].iter().filter(|(order, _)| *order == 1).count() >= 27);
        assert!(mixture.mix(&[(5, vec![0.5])]).is_err() && mixture.mix(&[(5, vec![0.0, 0.0])]).is_err());
        mixture.mix(&[]).unwrap();
        assert_eq!((0..200).map(|row| mixture.place(row)).collect::<Vec<_>>(), planned);
    }

    #[test]
    fn a_source_that_waits_for_its_share_makes_no_difference_until_it_has_one() {
        let waiting = mixture(&[1.0, 0.0, 0.0], 3);
        let alone = source(0);
        let mut expected = Batch::with_capacity(8, 4);
        (16..24).for_each(|row| alone.push_row(row, &mut expected).unwrap());
        assert_eq!(waiting.batch(2).unwrap(), expected);
        assert_eq!(
            (waiting.rows_per_epoch(), waiting.distinct_rows()),
            (alone.rows_per_epoch(), alone.rows_per_epoch())
        );
        assert_eq!(waiting.describe(), alone.describe());
        waiting.mix(&[(3, vec![0.5, 0.0, 0.5])]).unwrap();
        assert_eq!(waiting.batch(2).unwrap(), expected);
        let third = waiting.batch(3).unwrap().inputs.chunks(4).filter(|row| row[0] >= 2000).count();
        assert_eq!(third, 4);
    }

    proptest! {
        #[test]
        fn sources_are_gone_through_in_order_over_any_changes(
            changes in prop::collection::vec((0u64..200, prop::collection::vec(prop_oneof![Just(0.0), 0.01f64..1.0], 3)), 0..6), seed: u64,
        ) {
            let mut changes = changes;
            changes.sort_by_key(|(step, _)| *step);
            changes.retain(|(_, shares)| shares.iter().any(|share| *share > 0.0));
            let mixture = mixture(&[0.5, 0.3, 0.2], seed);
            mixture.mix(&changes).unwrap();
            let mut taken = [0u64; 3];
            for index in 0..2000 {
                let (order, within) = mixture.place(index);
                prop_assert_eq!(within, taken[order]);
                taken[order] += 1;
            }
        }
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
