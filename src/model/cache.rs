//! The keys and values of tokens that were already read, for generation.

use super::config::Config;
use crate::Result;
use candle_core::{DType, Device, Tensor};

/// Room for `capacity` positions in each of `rows` rows; all rows are equally long.
#[derive(Debug)]
pub struct Cache {
    /// For each block, keys and values: (rows, capacity, key width).
    blocks: Vec<(Tensor, Tensor)>,
    rows: usize,
    length: usize,
    capacity: usize,
}

impl Cache {
    /// Takes 2 · layers · rows · capacity · key width elements of memory.
    pub fn new(config: &Config, rows: usize, capacity: usize, dtype: DType, device: &Device) -> Result<Self> {
        let zeros = || Tensor::zeros((rows, capacity, config.heads.key_width()), dtype, device);
        let blocks = (0..config.layers).map(|_| Ok((zeros()?, zeros()?))).collect::<Result<_>>()?;
        Ok(Self { blocks, rows, length: 0, capacity })
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Positions filled.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Positions there is still room for.
    pub fn room(&self) -> usize {
        self.capacity - self.length
    }

    pub(super) fn block(&self, index: usize) -> (&Tensor, &Tensor, usize) {
        let (keys, values) = &self.blocks[index];
        (keys, values, self.length)
    }

    pub(super) fn grow(&mut self, new: usize) {
        self.length += new;
    }
}
