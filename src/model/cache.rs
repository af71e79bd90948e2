//! The keys and values of tokens that were already read, for generation.

use super::config::Config;
use crate::ops::attention::Span;
use crate::{Error, Result};
use candle_core::{DType, Device, Tensor};

/// Room for `capacity` positions in each of several rows, which may be filled to different lengths.
#[derive(Debug)]
pub struct Cache {
    /// For each block, keys and values: (rows, capacity, key width).
    blocks: Vec<(Tensor, Tensor)>,
    /// Positions filled in each row.
    lengths: Vec<usize>,
    capacity: usize,
}

impl Cache {
    /// Takes 2 · layers · rows · capacity · key width elements of memory.
    pub fn new(config: &Config, rows: usize, capacity: usize, dtype: DType, device: &Device) -> Result<Self> {
        let zeros = || Tensor::zeros((rows, capacity, config.heads.key_width()), dtype, device);
        let blocks = (0..config.layers).map(|_| Ok((zeros()?, zeros()?))).collect::<Result<_>>()?;
        Ok(Self { blocks, lengths: vec![0; rows], capacity })
    }

    pub fn rows(&self) -> usize {
        self.lengths.len()
    }

    /// Positions filled in a row.
    pub fn length(&self, row: usize) -> usize {
        self.lengths[row]
    }

    /// Positions there is still room for in a row.
    pub fn room(&self, row: usize) -> usize {
        self.capacity - self.lengths[row]
    }

    /// Makes `to` what `from` is: several answers go on from one prompt that was read once.
    pub fn copy_row(&mut self, from: usize, to: usize) -> Result<()> {
        if from.max(to) >= self.rows() {
            return Err(Error::new(format!("a cache of {} rows has no row {}", self.rows(), from.max(to))));
        }
        let length = self.lengths[from];
        if from == to || length == 0 {
            self.lengths[to] = length;
            return Ok(());
        }
        for (keys, values) in &self.blocks {
            for tensor in [keys, values] {
                // The same memory as one long row.
                let flat = tensor.reshape((self.rows() * self.capacity, ()))?;
                let filled = flat.narrow(0, from * self.capacity, length)?.copy()?;
                flat.slice_set(&filled, 0, to * self.capacity)?;
            }
        }
        self.lengths[to] = length;
        Ok(())
    }

    /// The same number of tokens for every row.
    pub(super) fn spread<'a>(&self, tokens: &'a [u32]) -> Result<Vec<(usize, &'a [u32])>> {
        let rows = self.rows();
        if rows == 0 || tokens.is_empty() || !tokens.len().is_multiple_of(rows) {
            return Err(Error::new(format!("{} tokens cannot be spread over {rows} rows", tokens.len())));
        }
        Ok(tokens.chunks_exact(tokens.len() / rows).enumerate().collect())
    }

    /// Where new tokens, (row, tokens) in ascending order, will stand.
    pub(super) fn spans(&self, new: &[(usize, &[u32])]) -> Result<Vec<Span>> {
        if new.is_empty() || !new.is_sorted_by(|a, b| a.0 < b.0) || new.iter().any(|(row, _)| *row >= self.rows()) {
            let named: Vec<usize> = new.iter().map(|(row, _)| *row).collect();
            return Err(Error::new(format!("a cache of {} rows cannot take tokens for rows {named:?}", self.rows())));
        }
        let span = |&(row, tokens): &(usize, &[u32])| match tokens.len() {
            0 => Err(Error::new(format!("there are no new tokens for row {row}"))),
            count if count > self.room(row) => {
                Err(Error::new(format!("{count} tokens do not fit a cache with room for {}", self.room(row))))
            }
            count => Ok(Span { row, start: self.lengths[row], count }),
        };
        new.iter().map(span).collect()
    }

    pub(super) fn block(&self, index: usize) -> (&Tensor, &Tensor) {
        let (keys, values) = &self.blocks[index];
        (keys, values)
    }

    pub(super) fn grow(&mut self, spans: &[Span]) {
        spans.iter().for_each(|span| self.lengths[span.row] += span.count);
    }
}
