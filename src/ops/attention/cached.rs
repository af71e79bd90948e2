//! Attention of new tokens over keys and values that were kept.

use super::super::cpu::attention::{Row, Rows};
use super::super::storage::{on_cpu_f32, with_mut_from, with_slices};
use super::super::{Precision, Sight, cpu};
use super::{Heads, plain};
use candle_core::{Result, Tensor, bail};

/// New tokens of one row of a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub row: usize,
    /// The position of the first: how many tokens of the row were there before.
    pub start: usize,
    pub count: usize,
}

/// Causal attention of new tokens, `packed` (n, packed width), of which each span takes its `count` in turn. `keys` and
/// `values` (rows, capacity, key width) hold what the rows' earlier tokens left; those of the new tokens are written
/// behind them. Rows without a span are not touched, and no row's output depends on another. Returns (n, query width).
pub fn with_cache(
    packed: &Tensor,
    cache: (&Tensor, &Tensor),
    spans: &[Span],
    heads: Heads,
    window: Option<usize>,
) -> Result<Tensor> {
    let (keys, values) = cache;
    check(packed, keys, spans)?;
    if window == Some(0) {
        bail!("a window of 0 positions would hide everything");
    }
    if !on_cpu_f32(&[packed, keys, values]) {
        append_plainly(packed, cache, spans, heads)?;
        return plain::with_cache(packed, cache, spans, heads, window);
    }
    let (capacity, width) = (keys.dim(1)?, heads.key_width());
    for (target, column) in [(keys, heads.query_width()), (values, heads.query_width() + width)] {
        with_mut_from(target, packed, |target, packed| {
            let mut new = packed.chunks_exact(heads.packed_width());
            for span in spans {
                let first = (span.row * capacity + span.start) * width;
                let slots = target[first..first + span.count * width].chunks_exact_mut(width);
                slots.zip(&mut new).for_each(|(slot, row)| slot.copy_from_slice(&row[column..column + width]));
            }
        })?;
    }
    let mut query = 0;
    let row = |span: &Span| {
        query += span.count;
        Row { query: query - span.count, queries: span.count, key: span.row * capacity, keys: span.start + span.count }
    };
    let rows: Vec<Row> = spans.iter().map(row).collect();
    let shape = heads.shape(&rows, Sight { window, ..Sight::default() }, Precision::F32);
    let output = with_slices([packed, keys, values], |[packed, keys, values]| {
        let q = Rows { data: packed, offset: 0, stride: heads.packed_width() };
        let cached = |data| Rows { data, offset: 0, stride: width };
        cpu::attention::forward(shape, q, cached(keys), cached(values)).0
    })?;
    Tensor::from_vec(output, (packed.dim(0)?, heads.query_width()), packed.device())
}

fn check(packed: &Tensor, keys: &Tensor, spans: &[Span]) -> Result<()> {
    let (rows, capacity, _) = keys.dims3()?;
    let (new, total) = (packed.dim(0)?, spans.iter().map(|span| span.count).sum::<usize>());
    if new != total || new == 0 {
        bail!("{new} new tokens came with spans for {total}");
    }
    if !spans.is_sorted_by(|a, b| a.row < b.row) {
        bail!("the spans of a cache must come in the order of its rows, one for each");
    }
    match spans.iter().find(|span| span.row >= rows || span.start + span.count > capacity) {
        Some(span) => bail!("{span:?} does not fit a cache of {rows} rows for {capacity} tokens"),
        None => Ok(()),
    }
}

/// Writes the new keys and values with candle's own operations.
fn append_plainly(packed: &Tensor, (keys, values): (&Tensor, &Tensor), spans: &[Span], heads: Heads) -> Result<()> {
    let (rows, capacity, width) = keys.dims3()?;
    for (target, column) in [(keys, heads.query_width()), (values, heads.query_width() + width)] {
        // The same memory as one long row.
        let flat = target.reshape((rows * capacity, width))?;
        let mut first = 0;
        for span in spans {
            let new = packed.narrow(0, first, span.count)?.narrow(1, column, width)?.contiguous()?;
            flat.slice_set(&new, 0, span.row * capacity + span.start)?;
            first += span.count;
        }
    }
    Ok(())
}
