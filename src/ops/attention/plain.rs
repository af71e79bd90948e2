//! The same in candle's own operations: for other devices and types, and as the oracle of the kernels.

use super::{Attended, Heads, Layout, Sight, Span, Visible};
use candle_core::{D, Result, Tensor};

/// The heads as (rows, heads, columns, dimension), keys and values repeated for every query head.
fn split(packed: &Tensor, heads: Heads, layout: Layout) -> Result<[Tensor; 3]> {
    let Layout { rows, columns, .. } = layout;
    let part = |start: usize, count: usize| -> Result<Tensor> {
        by_head(&packed.narrow(1, start, count * heads.dimension)?.reshape((rows, columns, ()))?, count, heads)
    };
    let keys = heads.query_width();
    Ok([part(0, heads.query)?, part(keys, heads.key_value)?, part(keys + heads.key_width(), heads.key_value)?])
}

/// (rows, columns, count · dimension) → (rows, query heads, columns, dimension).
fn by_head(x: &Tensor, count: usize, heads: Heads) -> Result<Tensor> {
    let (rows, columns, _) = x.dims3()?;
    let x = x.reshape((rows, columns, count, heads.dimension))?.transpose(1, 2)?;
    let times = heads.query / count;
    if times == 1 {
        return x.contiguous();
    }
    let shape = (rows, count, times, columns, heads.dimension);
    x.unsqueeze(2)?.expand(shape)?.reshape((rows, count * times, columns, heads.dimension))
}

/// Who sees whom, for scores (rows, heads, queries, keys).
struct Mask {
    /// 0 where a query sees a key, −∞ elsewhere; all 0 for a query that sees nothing: (rows, 1, queries, keys).
    additive: Tensor,
    /// 0 for a query that sees nothing, 1 elsewhere: (rows, 1, queries, 1).
    alive: Tensor,
}

impl Mask {
    /// For the last `queries` of `keys` positions in each row.
    fn new(like: &Tensor, rows: usize, (queries, keys): (usize, usize), sight: Sight) -> Result<Self> {
        let mut additive = vec![f32::NEG_INFINITY; rows * queries * keys];
        let mut alive = vec![1f32; rows * queries];
        for (index, row) in additive.chunks_exact_mut(keys).enumerate() {
            let seen = sight.range(index, keys - queries + index % queries, keys);
            if seen.is_empty() {
                alive[index] = 0.0;
                row.fill(0.0);
            }
            row[seen].fill(0.0);
        }
        let tensor = |values, shape| Tensor::from_vec(values, shape, like.device())?.to_dtype(like.dtype());
        Ok(Self { additive: tensor(additive, (rows, 1, queries, keys))?, alive: tensor(alive, (rows, 1, queries, 1))? })
    }
}

/// (rows, heads, columns, dimension) → (rows·columns, heads·dimension).
fn merge(x: &Tensor) -> Result<Tensor> {
    let (rows, heads, columns, dimension) = x.dims4()?;
    x.transpose(1, 2)?.reshape((rows * columns, heads * dimension))
}

/// The probabilities (rows, heads, queries, keys) and the logarithms of the sums that they were divided by.
fn probabilities(q: &Tensor, k: &Tensor, mask: &Mask) -> Result<(Tensor, Tensor)> {
    let scale = 1.0 / (q.dim(D::Minus1)? as f64).sqrt();
    let scores = (q.matmul(&k.transpose(2, 3)?)? * scale)?.broadcast_add(&mask.additive)?;
    let highest = scores.max_keepdim(D::Minus1)?.detach();
    let shifted = scores.broadcast_sub(&highest)?.exp()?;
    let sums = shifted.sum_keepdim(D::Minus1)?;
    let log_sums = (sums.log()? + highest)?.broadcast_mul(&mask.alive)?.squeeze(D::Minus1)?;
    Ok((shifted.broadcast_div(&sums)?.broadcast_mul(&mask.alive)?, log_sums))
}

pub fn forward(packed: &Tensor, heads: Heads, layout: Layout) -> Result<Attended> {
    let [q, k, v] = split(packed, heads, layout)?;
    let mask = Mask::new(packed, layout.rows, (layout.columns, layout.columns), layout.sight)?;
    let (probabilities, log_sums) = probabilities(&q, &k, &mask)?;
    Ok(Attended { output: merge(&probabilities.matmul(&v)?)?, log_sums })
}

pub fn backward(packed: &Tensor, gradient: &Tensor, heads: Heads, layout: Layout) -> Result<Tensor> {
    let Layout { rows, columns, sight, .. } = layout;
    let [q, k, v] = split(packed, heads, layout)?;
    let (p, _) = probabilities(&q, &k, &Mask::new(packed, rows, (columns, columns), sight)?)?;
    let scale = 1.0 / (heads.dimension as f64).sqrt();
    let g = gradient.reshape((rows, columns, heads.query, heads.dimension))?.transpose(1, 2)?.contiguous()?;
    let dv = p.transpose(2, 3)?.matmul(&g)?;
    let dp = g.matmul(&v.transpose(2, 3)?)?;
    let mean = (&dp * &p)?.sum_keepdim(D::Minus1)?;
    let ds = ((&p * dp.broadcast_sub(&mean)?)? * scale)?;
    let (dq, dk) = (ds.matmul(&k)?, ds.transpose(2, 3)?.matmul(&q)?);
    // The gradient of a repeated head is the sum over its repetitions.
    let gather = |x: &Tensor| -> Result<Tensor> {
        let group = heads.query / heads.key_value;
        merge(&x.reshape((rows, heads.key_value, group, columns, heads.dimension))?.sum(2)?)
    };
    Tensor::cat(&[merge(&dq)?, gather(&dk)?, gather(&dv)?], 1)
}

/// What [`super::with_cache`] says, one row after the other; the cache is filled already.
pub fn with_cache(
    packed: &Tensor,
    (keys, values): (&Tensor, &Tensor),
    spans: &[Span],
    heads: Heads,
    window: Option<usize>,
) -> Result<Tensor> {
    let sight = Sight { visible: Visible::Causal, window, ..Sight::default() };
    let mut outputs = Vec::with_capacity(spans.len());
    let mut first = 0;
    for &Span { row, start, count } in spans {
        let length = start + count;
        let queries = packed.narrow(0, first, count)?.narrow(1, 0, heads.query_width())?;
        let q = by_head(&queries.unsqueeze(0)?, heads.query, heads)?;
        let cached = |x: &Tensor| by_head(&x.narrow(0, row, 1)?.narrow(1, 0, length)?, heads.key_value, heads);
        let mask = Mask::new(packed, 1, (count, length), sight)?;
        outputs.push(merge(&probabilities(&q, &cached(keys)?, &mask)?.0.matmul(&cached(values)?)?)?);
        first += count;
    }
    Tensor::cat(&outputs, 0)
}
