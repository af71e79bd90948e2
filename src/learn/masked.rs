//! What an encoder makes of held-out text: the loss of tokens that are hidden together, and of tokens that are hidden one by
//! one, whose mean is the logarithm of the pseudo-perplexity (Salazar et al. 2020, arXiv 1910.14659).

use super::evaluation::TextScore;
use super::objective;
use crate::Result;
use crate::corpus::batches::{Batch, IGNORE};
use crate::corpus::masking::Masker;
use crate::model::Decoder;
use crate::random::Random;

/// Rows that are read together.
const ROWS: usize = 16;
/// Keeps the choice of single tokens apart from other draws.
const STREAM: u64 = 0x7073_6575;

/// A row of text, without the token that rows begin with, and what is hidden of it.
#[derive(Clone, Debug)]
pub struct MaskedRow {
    pub tokens: Vec<u32>,
    pub hidden: Hidden,
    /// Places that are hidden one by one besides.
    pub pseudo: Vec<usize>,
}

/// What is hidden of a row at once.
#[derive(Clone, Debug)]
pub enum Hidden {
    /// As in training, by this key.
    Drawn(u64),
    /// These places.
    Places(Vec<usize>),
}

/// How well hidden tokens are known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MaskedScore {
    /// Over tokens that are hidden together. It counts no bytes: what is hidden is no text that could be compared by its
    /// length.
    pub text: TextScore,
    /// Those of them that have the highest logit.
    pub hits: u64,
    pub rows: u64,
    /// Rows of which every hidden token has it.
    pub exact: u64,
    /// −ln p of each token that was hidden alone, nats, in order.
    pub pseudo: Vec<f32>,
}

impl MaskedScore {
    pub fn accuracy(&self) -> f64 {
        self.hits as f64 / self.text.tokens as f64
    }

    pub fn exact_match(&self) -> f64 {
        self.exact as f64 / self.rows as f64
    }

    /// e to the mean of −ln p of tokens hidden one by one; `None` where there are none. It is no perplexity: the
    /// probabilities do not make up that of a text, and only figures of encoders with the same tokenizer compare.
    pub fn pseudo_perplexity(&self) -> Option<f64> {
        let total: f64 = self.pseudo.iter().map(|loss| *loss as f64).sum();
        (!self.pseudo.is_empty()).then(|| (total / self.pseudo.len() as f64).exp())
    }
}

/// Measures an encoder row by row.
pub struct MaskedEvaluation<'a> {
    decoder: &'a Decoder,
    masker: &'a Masker,
    columns: usize,
    together: Batch,
    alone: Batch,
    score: MaskedScore,
}

impl<'a> MaskedEvaluation<'a> {
    /// For rows of up to `columns` positions, the token that they begin with included.
    pub fn new(decoder: &'a Decoder, masker: &'a Masker, columns: usize) -> Self {
        let empty = || Batch::with_capacity(ROWS, columns);
        Self { decoder, masker, columns, together: empty(), alone: empty(), score: MaskedScore::default() }
    }

    /// Takes one more row, and reads some where enough are together.
    pub fn push(&mut self, row: &MaskedRow) -> Result<()> {
        match &row.hidden {
            Hidden::Drawn(key) => self.masker.push_row(&row.tokens, Some(*key), &mut self.together),
            Hidden::Places(places) => self.masker.push_hiding(&row.tokens, places, &mut self.together),
        }
        if self.together.rows == ROWS {
            self.read_together()?;
        }
        for place in &row.pseudo {
            self.masker.push_hiding(&row.tokens, &[*place], &mut self.alone);
            if self.alone.rows == ROWS {
                self.read_alone()?;
            }
        }
        Ok(())
    }

    pub fn finish(mut self) -> Result<MaskedScore> {
        self.read_together()?;
        self.read_alone()?;
        Ok(self.score)
    }

    fn read_together(&mut self) -> Result<()> {
        let batch = std::mem::replace(&mut self.together, Batch::with_capacity(ROWS, self.columns));
        if batch.learned() == 0 {
            return Ok(());
        }
        let losses = objective::losses(self.decoder, &batch)?;
        let mut rest = losses.iter();
        for targets in batch.targets.chunks(self.columns) {
            let count = targets.iter().filter(|&&target| target != IGNORE).count();
            let hits = rest.by_ref().take(count).filter(|row| row.hit).count();
            self.score.hits += hits as u64;
            self.score.exact += u64::from(hits == count);
        }
        self.score.rows += batch.rows as u64;
        self.score.text.total += losses.iter().map(|row| row.loss as f64).sum::<f64>();
        self.score.text.tokens += losses.len() as u64;
        Ok(())
    }

    fn read_alone(&mut self) -> Result<()> {
        let batch = std::mem::replace(&mut self.alone, Batch::with_capacity(ROWS, self.columns));
        if batch.rows > 0 {
            self.score.pseudo.extend(objective::losses(self.decoder, &batch)?.iter().map(|row| row.loss));
        }
        Ok(())
    }
}

/// A budget of tokens to hide one by one, spread evenly over rows, and over the text of each.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub tokens: u64,
    pub rows: u64,
}

impl Spread {
    /// The places of row `index`, out of those that can be hidden; the same every time.
    pub fn places(&self, index: u64, candidates: &[usize]) -> Vec<usize> {
        let before = |index: u64| (index as u128 * self.tokens as u128).div_ceil(self.rows.max(1) as u128);
        let count = (before(index + 1) - before(index)).min(candidates.len() as u128) as usize;
        if count == candidates.len() {
            return candidates.to_vec();
        }
        let offset = Random::new(index, STREAM).uniform();
        let place = |at: usize| ((at as f64 + offset) * candidates.len() as f64 / count as f64) as usize;
        (0..count).map(|at| candidates[place(at).min(candidates.len() - 1)]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::folder;
    use candle_core::{DType, Device, Tensor};
    use proptest::prelude::*;
    use std::path::Path;

    /// `tests/fixtures/masked.py` hides each token in a forward pass of its own.
    #[test]
    fn the_pseudo_perplexity_is_that_of_a_plain_loop_in_transformers() {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bert");
        let decoder = folder::load(&fixture, DType::F32, &Device::Cpu).unwrap();
        let expected = candle_core::safetensors::load(fixture.join("expected.safetensors"), &Device::Cpu).unwrap();
        let numbers =
            |tensor: &Tensor| tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let tokens: Vec<u32> = numbers(&expected["whole"]).iter().map(|id| *id as u32).collect();
        let want = numbers(&expected["pseudo"]);
        let masker = Masker::of_ids(96, 4, 0.15);
        // Padding behind the row changes nothing.
        for columns in [17, 23] {
            let mut evaluation = MaskedEvaluation::new(&decoder, &masker, columns);
            let hidden = Hidden::Places(vec![3]);
            let row = MaskedRow { tokens: tokens.clone(), hidden, pseudo: (1..17).collect() };
            evaluation.push(&row).unwrap();
            let score = evaluation.finish().unwrap();
            assert_eq!((score.pseudo.len(), score.text.tokens, score.rows), (16, 1, 1));
            for (got, want) in score.pseudo.iter().zip(&want) {
                assert!((*got as f64 + want).abs() < 1e-4, "{got} {want}");
            }
            assert!((score.text.total + want[2]).abs() < 1e-4, "hidden together is hidden alone, where it is one");
            let mean = -want.iter().sum::<f64>() / 16.0;
            assert!((score.pseudo_perplexity().unwrap() / mean.exp() - 1.0).abs() < 1e-4);
        }
    }

    proptest! {
        #[test]
        fn a_budget_is_spread_over_rows_and_places(tokens in 0u64..300, rows in 1u64..50, length in 1usize..40) {
            let spread = Spread { tokens, rows };
            let candidates: Vec<usize> = (0..length).map(|at| 2 * at + 1).collect();
            let chosen: Vec<Vec<usize>> = (0..rows).map(|row| spread.places(row, &candidates)).collect();
            let total: usize = chosen.iter().map(Vec::len).sum();
            prop_assert!(total as u64 <= tokens);
            if tokens <= rows * length as u64 / 2 {
                prop_assert_eq!(total as u64, tokens);
            }
            for places in &chosen {
                prop_assert!(places.windows(2).all(|pair| pair[0] < pair[1]), "each once: {places:?}");
                prop_assert!(places.iter().all(|place| candidates.contains(place)));
            }
            let counts = chosen.iter().map(Vec::len);
            prop_assert!(counts.clone().max().unwrap_or(0) - counts.min().unwrap_or(0) <= 1);
        }
    }
}
