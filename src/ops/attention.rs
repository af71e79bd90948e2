//! Scaled dot-product attention (Vaswani et al. 2017, arXiv 1706.03762), causal, with grouped key–value heads
//! (Ainslie et al. 2023, arXiv 2305.13245) and several documents in one row.

use super::cpu;
use super::cpu::attention::{Kept, Rows, Shape};
use super::storage::{on_cpu_f32, with_slices};
use candle_core::{D, Result, Tensor};

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
}

/// What the forward pass yields: the `output`, and what the backward pass needs of it.
#[derive(Debug)]
pub struct Attended {
    /// (batch·positions, query width).
    pub output: Tensor,
    /// (batch, query heads, positions), natural logarithm of each softmax's sum.
    pub log_sums: Tensor,
}

/// Rows and columns of a batch, and where each position's document starts.
#[derive(Clone, Copy, Debug)]
pub struct Layout<'a> {
    pub rows: usize,
    pub columns: usize,
    /// For each position (row-major) the first position of its row that it sees; all earlier ones without it.
    pub first_visible: Option<&'a [u32]>,
}

/// Causal self-attention over `packed` (rows·columns, packed width).
pub fn forward(packed: &Tensor, heads: Heads, layout: Layout) -> Result<Attended> {
    if !on_cpu_f32(&[packed]) {
        return plain(packed, heads, layout);
    }
    let shape = shape_of(heads, layout);
    let (output, log_sums) = with_slices([packed], |[packed]| {
        let [q, k, v] = packed_rows(packed, heads, layout);
        cpu::attention::forward(shape, q, k, v)
    })?;
    let device = packed.device();
    Ok(Attended {
        output: Tensor::from_vec(output, (layout.rows * layout.columns, heads.query_width()), device)?,
        log_sums: Tensor::from_vec(log_sums, (layout.rows, heads.query, layout.columns), device)?,
    })
}

fn shape_of(heads: Heads, layout: Layout) -> Shape {
    Shape {
        batch: layout.rows,
        queries: layout.columns,
        keys: layout.columns,
        query_heads: heads.query,
        key_heads: heads.key_value,
        dimension: heads.dimension,
        first_visible: layout.first_visible,
    }
}

/// The queries, keys and values inside packed rows.
fn packed_rows<'a>(data: &'a [f32], heads: Heads, layout: Layout) -> [Rows<'a>; 3] {
    let row_stride = heads.packed_width();
    let batch_stride = layout.columns * row_stride;
    [0, heads.query_width(), heads.query_width() + heads.key_width()].map(|offset| Rows {
        data,
        offset,
        batch_stride,
        row_stride,
    })
}

/// The gradient for `packed`, from `gradient` (rows·columns, query width).
pub fn backward(
    packed: &Tensor,
    attended: &Attended,
    gradient: &Tensor,
    heads: Heads,
    layout: Layout,
) -> Result<Tensor> {
    let Attended { output, log_sums } = attended;
    if !on_cpu_f32(&[packed, output, log_sums, gradient]) {
        return plain_backward(packed, gradient, heads, layout);
    }
    let width = heads.query_width();
    let d_packed = with_slices([packed, output, log_sums, gradient], |[packed, output, log_sums, gradient]| {
        let [q, k, v] = packed_rows(packed, heads, layout);
        let rows = |data| Rows { data, offset: 0, batch_stride: layout.columns * width, row_stride: width };
        let kept = Kept { output: rows(output), log_sums, gradient: rows(gradient) };
        cpu::attention::backward(shape_of(heads, layout), q, k, v, kept)
    })?;
    Tensor::from_vec(d_packed, packed.shape(), packed.device())
}

/// The heads as (rows, heads, columns, dimension), keys and values repeated for every query head.
fn split(packed: &Tensor, heads: Heads, layout: Layout) -> Result<[Tensor; 3]> {
    let Layout { rows, columns, .. } = layout;
    let part = |start: usize, count: usize| -> Result<Tensor> {
        let flat = packed.narrow(1, start, count * heads.dimension)?;
        let by_head = flat.reshape((rows, columns, count, heads.dimension))?.transpose(1, 2)?;
        repeat_heads(&by_head, heads.query / count)
    };
    let keys = heads.query_width();
    Ok([part(0, heads.query)?, part(keys, heads.key_value)?, part(keys + heads.key_width(), heads.key_value)?])
}

fn repeat_heads(x: &Tensor, times: usize) -> Result<Tensor> {
    if times == 1 {
        return x.contiguous();
    }
    let (rows, heads, columns, dimension) = x.dims4()?;
    x.unsqueeze(2)?.expand((rows, heads, times, columns, dimension))?.reshape((rows, heads * times, columns, dimension))
}

/// 0 where a query sees a key, −∞ elsewhere: (rows, 1, queries, keys) for the last `queries` positions of `keys`.
fn mask(like: &Tensor, rows: usize, (queries, keys): (usize, usize), first_visible: Option<&[u32]>) -> Result<Tensor> {
    let mut values = vec![f32::NEG_INFINITY; rows * queries * keys];
    for (index, row) in values.chunks_exact_mut(keys).enumerate() {
        let first = first_visible.map_or(0, |first| first[index] as usize);
        row[first..keys - queries + index % queries + 1].fill(0.0);
    }
    Tensor::from_vec(values, (rows, 1, queries, keys), like.device())?.to_dtype(like.dtype())
}

/// (rows, heads, columns, dimension) → (rows·columns, heads·dimension).
fn merge(x: &Tensor) -> Result<Tensor> {
    let (rows, heads, columns, dimension) = x.dims4()?;
    x.transpose(1, 2)?.reshape((rows * columns, heads * dimension))
}

/// The probabilities (rows, heads, queries, keys) and the logarithms of the sums that they were divided by.
fn probabilities(q: &Tensor, k: &Tensor, mask: &Tensor) -> Result<(Tensor, Tensor)> {
    let scale = 1.0 / (q.dim(D::Minus1)? as f64).sqrt();
    let scores = (q.matmul(&k.transpose(2, 3)?)? * scale)?.broadcast_add(mask)?;
    let highest = scores.max_keepdim(D::Minus1)?.detach();
    let shifted = scores.broadcast_sub(&highest)?.exp()?;
    let sums = shifted.sum_keepdim(D::Minus1)?;
    Ok((shifted.broadcast_div(&sums)?, (sums.log()? + highest)?.squeeze(D::Minus1)?))
}

fn plain(packed: &Tensor, heads: Heads, layout: Layout) -> Result<Attended> {
    let [q, k, v] = split(packed, heads, layout)?;
    let mask = mask(packed, layout.rows, (layout.columns, layout.columns), layout.first_visible)?;
    let (probabilities, log_sums) = probabilities(&q, &k, &mask)?;
    Ok(Attended { output: merge(&probabilities.matmul(&v)?)?, log_sums })
}

fn plain_backward(packed: &Tensor, gradient: &Tensor, heads: Heads, layout: Layout) -> Result<Tensor> {
    let Layout { rows, columns, .. } = layout;
    let [q, k, v] = split(packed, heads, layout)?;
    let mask = mask(packed, rows, (columns, columns), layout.first_visible)?;
    let (p, _) = probabilities(&q, &k, &mask)?;
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

/// Attention of new positions over a cache: `queries` (rows, new, query width), `keys` and `values`
/// (rows, capacity, key width) of which the first `length` positions are filled, the new ones included.
/// Returns (rows·new, query width).
pub fn with_cache(queries: &Tensor, keys: &Tensor, values: &Tensor, length: usize, heads: Heads) -> Result<Tensor> {
    let (rows, new, width) = queries.dims3()?;
    if !on_cpu_f32(&[queries, keys, values]) {
        return plain_with_cache(queries, keys, values, length, heads);
    }
    let shape = Shape {
        batch: rows,
        queries: new,
        keys: length,
        query_heads: heads.query,
        key_heads: heads.key_value,
        dimension: heads.dimension,
        first_visible: None,
    };
    let (key_width, capacity) = (heads.key_width(), keys.dim(1)?);
    let output = with_slices([queries, keys, values], |[q, k, v]| {
        let cached = |data| Rows { data, offset: 0, batch_stride: capacity * key_width, row_stride: key_width };
        let q = Rows { data: q, offset: 0, batch_stride: new * width, row_stride: width };
        cpu::attention::forward(shape, q, cached(k), cached(v)).0
    })?;
    Tensor::from_vec(output, (rows * new, width), queries.device())
}

fn plain_with_cache(queries: &Tensor, keys: &Tensor, values: &Tensor, length: usize, heads: Heads) -> Result<Tensor> {
    let (rows, new, _) = queries.dims3()?;
    let by_head = |x: &Tensor, count: usize, columns: usize| -> Result<Tensor> {
        let x = x.narrow(1, 0, columns)?.reshape((rows, columns, count, heads.dimension))?.transpose(1, 2)?;
        repeat_heads(&x, heads.query / count)
    };
    let q = by_head(queries, heads.query, new)?;
    let (k, v) = (by_head(keys, heads.key_value, length)?, by_head(values, heads.key_value, length)?);
    let mask = mask(queries, rows, (new, length), None)?;
    merge(&probabilities(&q, &k, &mask)?.0.matmul(&v)?)
}

#[cfg(test)]
mod tests {
    use super::super::check::{assert_close, check_gradients, random, single};
    use super::*;

    const GROUPED: Heads = Heads { query: 4, key_value: 2, dimension: 3 };

    #[test]
    fn gradients_agree_with_finite_differences_and_autograd() {
        let first = [0, 0, 2, 2, 2, 0, 1, 2, 2, 4];
        for first_visible in [None, Some(&first[..])] {
            let layout = Layout { rows: 2, columns: 5, first_visible };
            let packed = random((10, GROUPED.packed_width()), 1);
            check_gradients(
                &[packed],
                |t| Ok(forward(&t[0], GROUPED, layout)?.output),
                |t, g| Ok(vec![backward(&t[0], &forward(&t[0], GROUPED, layout)?, g, GROUPED, layout)?]),
            );
        }
    }

    #[test]
    fn the_kernel_agrees_with_the_plain_expression() {
        let cases = [(1, 1, 1, 1, 1), (2, 3, 2, 2, 16), (1, 130, 4, 1, 5), (3, 64, 6, 3, 8), (1, 65, 2, 1, 64)];
        for (rows, columns, query, key_value, dimension) in cases {
            let heads = Heads { query, key_value, dimension };
            let first: Vec<u32> = (0..rows * columns).map(|i| (i % columns / 7 * 7) as u32).collect();
            for first_visible in [None, Some(&first[..])] {
                let layout = Layout { rows, columns, first_visible };
                let packed = (random((rows * columns, heads.packed_width()), 1) * 2.0).unwrap();
                let g = random((rows * columns, heads.query_width()), 2);
                let want = forward(&packed, heads, layout).unwrap();
                let got = forward(&single(&packed), heads, layout).unwrap();
                assert_close(&got.output, &want.output, 1e-5);
                assert_close(&got.log_sums, &want.log_sums, 1e-5);
                let want = backward(&packed, &want, &g, heads, layout).unwrap();
                assert_close(&backward(&single(&packed), &got, &single(&g), heads, layout).unwrap(), &want, 1e-5);
            }
        }
    }

    #[test]
    fn a_cache_gives_what_the_whole_row_gives() {
        let (rows, columns, new) = (2, 70, 3);
        let packed = single(&random((rows * columns, GROUPED.packed_width()), 1));
        let whole = forward(&packed, GROUPED, Layout { rows, columns, first_visible: None }).unwrap().output;
        let by_row = packed.reshape((rows, columns, GROUPED.packed_width())).unwrap();
        let part = |start, width| by_row.narrow(2, start, width).unwrap().contiguous().unwrap();
        let (query, key) = (GROUPED.query_width(), GROUPED.key_width());
        let q = part(0, query).narrow(1, columns - new, new).unwrap().contiguous().unwrap();
        // Room for more than is filled.
        let room = |x: Tensor| Tensor::cat(&[&x, &x], 1).unwrap();
        let (k, v) = (room(part(query, key)), room(part(query + key, key)));
        let want = whole.reshape((rows, columns, query)).unwrap().narrow(1, columns - new, new).unwrap();
        let want = want.reshape((rows * new, query)).unwrap();
        assert_close(&with_cache(&q, &k, &v, columns, GROUPED).unwrap(), &want, 1e-6);
        assert_close(&plain_with_cache(&q, &k, &v, columns, GROUPED).unwrap(), &want, 1e-5);
    }
}
