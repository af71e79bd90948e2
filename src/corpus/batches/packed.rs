//! Short examples side by side in one row, none of them seeing another.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::corpus::batches::windows::check_shape;
use crate::corpus::batches::{Batch, Batches, IGNORE, Labelled, Permutation, Rows};
use crate::corpus::examples::EncodedExample;
use crate::error::{Error, Result};
use crate::model::Pooled;
use crate::random::mix;

/// Every example once an epoch. Examples are packed into rows once, in an order fixed by the seed; each epoch has its
/// own order of rows.
#[derive(Debug)]
pub struct Packed {
    examples: Arc<Vec<EncodedExample>>,
    /// The examples of each row, by index.
    packing: Vec<Vec<u32>>,
    context: usize,
    rows: usize,
    seed: u64,
    padding: u32,
}

impl Packed {
    /// Batches of `rows` rows of `context` positions; rows are filled up with the token `padding`. Errors: no
    /// examples, or one that is longer than a row or has nothing to learn.
    pub fn new(
        examples: impl Into<Arc<Vec<EncodedExample>>>,
        context: usize,
        rows: usize,
        seed: u64,
        padding: u32,
    ) -> Result<Packed> {
        check_shape(context, rows)?;
        let examples = examples.into();
        if examples.is_empty() || examples.len() > u32::MAX as usize {
            return Err(Error::new(format!("cannot train on {} examples", examples.len()))
                .next("give at least one example, and fewer than 2^32"));
        }
        let packing = pack(&examples, context, seed)?;
        Ok(Packed { examples, packing, context, rows, seed, padding })
    }

    /// Which share of the positions examples fill.
    pub fn density(&self) -> f64 {
        let filled: usize = self.examples.iter().map(EncodedExample::read).sum();
        filled as f64 / (self.packing.len() * self.context) as f64
    }

    pub fn examples(&self) -> &[EncodedExample] {
        &self.examples
    }
}

/// Puts each example, in a shuffled order, into the fullest row that still has room for it.
fn pack(examples: &[EncodedExample], context: usize, seed: u64) -> Result<Vec<Vec<u32>>> {
    let order = Permutation::new(examples.len() as u64, mix(seed, 0));
    let mut rows: Vec<Vec<u32>> = Vec::new();
    // Rows by the positions free in them.
    let mut with_room: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for place in 0..examples.len() as u64 {
        let index = order.get(place);
        let positions = examples[index as usize].positions(context)?;
        let (free, row) = match take_row(&mut with_room, positions) {
            Some(found) => found,
            None => {
                rows.push(Vec::new());
                (context, rows.len() - 1)
            }
        };
        rows[row].push(index as u32);
        with_room.entry(free - positions).or_default().push(row);
    }
    Ok(rows)
}

/// Takes out a row with the least room that is enough, and says how much that is.
fn take_row(with_room: &mut BTreeMap<usize, Vec<usize>>, positions: usize) -> Option<(usize, usize)> {
    let (&free, rows) = with_room.range_mut(positions..).next()?;
    let row = rows.pop()?;
    if rows.is_empty() {
        with_room.remove(&free);
    }
    Some((free, row))
}

/// Appends an example from position `start` of the row that `batch` is in the middle of.
pub(super) fn push_example(batch: &mut Batch, example: &EncodedExample, start: usize) {
    let (positions, first) = (example.read(), batch.inputs.len());
    batch.inputs.extend_from_slice(&example.tokens[..positions]);
    match example.label {
        Some(label) => {
            let within = if label.pooled == Pooled::First { 0 } else { positions.saturating_sub(1) };
            batch.labelled.push(Labelled { position: (first + within) as u32, target: label.target });
            batch.targets.extend(std::iter::repeat_n(IGNORE, positions));
        }
        None => {
            let targets = example.tokens.iter().zip(&example.learned).skip(1);
            batch.targets.extend(targets.map(|(&token, &learned)| if learned { token } else { IGNORE }));
        }
    }
    batch.positions.extend(0..positions as u32);
    batch.first_visible.extend(std::iter::repeat_n(start as u32, positions));
}

impl Rows for Packed {
    fn context(&self) -> usize {
        self.context
    }

    fn rows_per_epoch(&self) -> u64 {
        self.packing.len() as u64
    }

    fn repeats(&self) -> bool {
        true
    }

    fn push_row(&self, index: u64, batch: &mut Batch) -> Result<()> {
        let count = self.packing.len() as u64;
        let order = Permutation::new(count, mix(self.seed, 1 + index / count));
        let mut filled = 0;
        for &example in &self.packing[order.get(index % count) as usize] {
            let example = &self.examples[example as usize];
            push_example(batch, example, filled);
            filled += example.read();
        }
        batch.push_padding(self.context - filled, self.padding);
        batch.rows += 1;
        Ok(())
    }

    fn describe(&self) -> String {
        let (examples, rows) = (self.examples.len(), self.packing.len());
        format!("{examples} examples in {rows} rows of {}, {:.0}% full", self.context, 100.0 * self.density())
    }
}

impl Batches for Packed {
    fn rows(&self) -> usize {
        self.rows
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::corpus::examples::Label;
    use crate::model::Target;

    /// Examples of these lengths; token ids tell them apart, and the first token of each is not learned.
    fn examples(lengths: &[usize]) -> Vec<EncodedExample> {
        let example = |(index, &length): (usize, &usize)| EncodedExample {
            tokens: (0..length).map(|at| (index * 100 + at) as u32).collect(),
            learned: (0..length).map(|at| at > 0).collect(),
            label: None,
        };
        lengths.iter().enumerate().map(example).collect()
    }

    #[test]
    fn examples_share_a_row_without_seeing_each_other() {
        let batch = Packed::new(examples(&[4, 3]), 8, 1, 1, 9).unwrap().batch(0).unwrap();
        let mut order = [(0u32, 3usize), (100, 2)];
        if batch.inputs[0] == 100 {
            order.reverse();
        }
        let [(first, a), (second, b)] = order;
        let inputs: Vec<u32> = (first..first + a as u32).chain(second..second + b as u32).chain([9; 3]).collect();
        assert_eq!(batch.inputs, inputs);
        let targets: Vec<u32> = inputs[..a + b].iter().map(|token| token + 1).chain([IGNORE; 3]).collect();
        assert_eq!(batch.targets, targets);
        assert_eq!(batch.positions, (0..a as u32).chain(0..b as u32).chain([0; 3]).collect::<Vec<_>>());
        let visible: Vec<u32> = vec![0; a].into_iter().chain(vec![a as u32; b]).chain([5, 6, 7]).collect();
        assert_eq!(batch.first_visible, visible);
    }

    #[test]
    fn the_positions_of_texts_are_all_but_the_padding() {
        for pooled in [Pooled::First, Pooled::Last] {
            let label = Some(Label { target: Target::Class(0), pooled });
            let texts = examples(&[4, 3, 1, 6]).into_iter();
            let texts: Vec<EncodedExample> = texts
                .map(|example| EncodedExample { learned: vec![false; example.tokens.len()], label, ..example })
                .collect();
            let batch = Packed::new(texts, 9, 2, 1, 999).unwrap().batch(0).unwrap();
            let filled = batch.inputs.iter().enumerate().filter(|(_, token)| **token != 999);
            assert_eq!(batch.positions_of_texts(), filled.map(|(at, _)| at as u32).collect::<Vec<_>>());
            assert_eq!(batch.positions_of_texts().len(), 14);
        }
        assert!(Packed::new(examples(&[4, 3]), 8, 1, 1, 9).unwrap().batch(0).unwrap().positions_of_texts().is_empty());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(Packed::new(examples(&[10]), 8, 1, 0, 0).unwrap_err().to_string().contains("9 positions"));
        assert!(Packed::new(Vec::new(), 8, 1, 0, 0).is_err());
        assert!(Packed::new(examples(&[1]), 8, 1, 0, 0).is_err());
    }

    proptest! {
        #[test]
        fn every_example_comes_once_an_epoch(lengths in prop::collection::vec(2usize..9, 1..60), seed: u64, rows in 1usize..4) {
            let packed = Packed::new(examples(&lengths), 8, 1, seed, u32::MAX - 1).unwrap();
            for epoch in 0..2 {
                let first = epoch * packed.batches_per_epoch();
                let mut seen: Vec<u32> = (first..first + packed.batches_per_epoch())
                    .flat_map(|step| packed.batch(step).unwrap().targets)
                    .filter(|&target| target != IGNORE)
                    .collect();
                seen.sort_unstable();
                let expected: Vec<u32> = packed.examples.iter().flat_map(|example| example.tokens[1..].to_vec()).collect();
                prop_assert_eq!(seen, expected);
            }
            let other = Packed::new(examples(&lengths), 8, rows, seed, 0).unwrap();
            prop_assert_eq!(other.batch(5).unwrap(), Packed::new(examples(&lengths), 8, rows, seed, 0).unwrap().batch(5).unwrap());
        }
    }
}
