//! Scaled dot-product attention (Vaswani et al. 2017, arXiv 1706.03762) with grouped key–value heads (Ainslie et al.
//! 2023, arXiv 2305.13245): causal or both ways, with a window, padding and several documents in one row.

mod cached;
mod plain;

#[cfg(test)]
mod tests;

pub use cached::{Span, with_cache};

use super::cpu;
use super::cpu::attention::{Kept, Row, Rows, Shape};
use super::storage::{on_cpu_f32, with_slices};
use super::{Precision, Sight, Visible};
use candle_core::{Result, Tensor, bail};

/// The heads of an attention layer. Packed rows hold [queries | keys | values].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    pub query: usize,
    /// Each serves `query / key_value` query heads.
    pub key_value: usize,
    /// Width of one head.
    pub dimension: usize,
}

impl Heads {
    /// Width of all query heads together, and of the output.
    pub fn query_width(&self) -> usize {
        self.query * self.dimension
    }

    /// Width of all keys, and of all values.
    pub fn key_width(&self) -> usize {
        self.key_value * self.dimension
    }

    pub fn packed_width(&self) -> usize {
        self.query_width() + 2 * self.key_width()
    }

    fn shape<'a>(&self, rows: &'a [Row], sight: Sight<'a>, precision: Precision) -> Shape<'a> {
        let Heads { query, key_value, dimension } = *self;
        Shape { rows, query_heads: query, key_heads: key_value, dimension, sight, precision }
    }
}

/// What the forward pass yields: the `output`, and what the backward pass needs of it.
#[derive(Debug)]
pub struct Attended {
    /// (batch·positions, query width).
    pub output: Tensor,
    /// (batch, query heads, positions), natural logarithm of each softmax's sum; 0 where a query sees nothing.
    pub log_sums: Tensor,
}

/// Rows and columns of a batch, and who sees whom in each row.
#[derive(Clone, Copy, Debug)]
pub struct Layout<'a> {
    pub rows: usize,
    pub columns: usize,
    pub sight: Sight<'a>,
    /// Of the products of queries, keys, values and weights.
    pub precision: Precision,
}

impl Layout<'_> {
    /// Every position sees itself and all before it.
    pub fn causal(rows: usize, columns: usize) -> Self {
        Self { rows, columns, sight: Sight::default(), precision: Precision::F32 }
    }

    fn check(&self) -> Result<()> {
        if !self.sight.covers(self.rows * self.columns) {
            bail!("{} rows of {} positions came with lists of another length", self.rows, self.columns);
        }
        if self.sight.window == Some(0) {
            bail!("a window of 0 positions would hide everything");
        }
        Ok(())
    }
}

/// Self-attention over `packed` (rows·columns, packed width).
pub fn forward(packed: &Tensor, heads: Heads, layout: Layout) -> Result<Attended> {
    layout.check()?;
    if !on_cpu_f32(&[packed]) {
        return plain::forward(packed, heads, layout);
    }
    let rows = Row::equal(layout.rows, layout.columns);
    let (output, log_sums) = with_slices([packed], |[packed]| {
        let [q, k, v] = packed_rows(packed, heads);
        cpu::attention::forward(heads.shape(&rows, layout.sight, layout.precision), q, k, v)
    })?;
    let device = packed.device();
    Ok(Attended {
        output: Tensor::from_vec(output, (layout.rows * layout.columns, heads.query_width()), device)?,
        log_sums: Tensor::from_vec(log_sums, (layout.rows, heads.query, layout.columns), device)?,
    })
}

/// The queries, keys and values inside packed rows.
fn packed_rows(data: &[f32], heads: Heads) -> [Rows<'_>; 3] {
    let stride = heads.packed_width();
    [0, heads.query_width(), heads.query_width() + heads.key_width()].map(|offset| Rows { data, offset, stride })
}

/// The gradient for `packed`, from `gradient` (rows·columns, query width).
pub fn backward(
    packed: &Tensor,
    attended: &Attended,
    gradient: &Tensor,
    heads: Heads,
    layout: Layout,
) -> Result<Tensor> {
    layout.check()?;
    let Attended { output, log_sums } = attended;
    if !on_cpu_f32(&[packed, output, log_sums, gradient]) {
        return plain::backward(packed, gradient, heads, layout);
    }
    let rows = Row::equal(layout.rows, layout.columns);
    let d_packed = with_slices([packed, output, log_sums, gradient], |[packed, output, log_sums, gradient]| {
        let [q, k, v] = packed_rows(packed, heads);
        let by_query = |data| Rows { data, offset: 0, stride: heads.query_width() };
        let kept = Kept { output: by_query(output), log_sums, gradient: by_query(gradient) };
        cpu::attention::backward(heads.shape(&rows, layout.sight, layout.precision), q, k, v, kept)
    })?;
    Tensor::from_vec(d_packed, packed.shape(), packed.device())
}
