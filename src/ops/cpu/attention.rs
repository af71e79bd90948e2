//! Attention without the T×T matrix in memory: blocks of queries against the keys they see, forward and backward.
//!
//! The forward pass keeps only the logarithm of each query's softmax sum; the backward pass computes the
//! probabilities again from it (Dao et al. 2022, FlashAttention, arXiv 2205.14135).

use super::matmul::{Matrix, Product, Target, Write, multiply, multiply_into};
use super::{simd, vector};
use rayon::prelude::*;

/// Queries that one block handles.
const BLOCK: usize = 64;

/// Rows of heads inside a slice: row r of batch b starts at `offset + b * batch_stride + r * row_stride`.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    pub data: &'a [f32],
    pub offset: usize,
    pub batch_stride: usize,
    pub row_stride: usize,
}

impl<'a> Rows<'a> {
    /// The matrix that starts at `row` of `batch`, `column` elements into the row.
    fn matrix(&self, batch: usize, row: usize, column: usize) -> Matrix<'a> {
        Matrix::new(self.slice(batch, row, column), self.row_stride)
    }

    fn slice(&self, batch: usize, row: usize, column: usize) -> &'a [f32] {
        &self.data[self.offset + batch * self.batch_stride + row * self.row_stride + column..]
    }
}

/// The sizes of a call, and who sees whom.
#[derive(Clone, Copy)]
pub struct Shape<'a> {
    pub batch: usize,
    /// The queries are the last `queries` of the `keys` positions.
    pub queries: usize,
    pub keys: usize,
    pub query_heads: usize,
    pub key_heads: usize,
    /// Width of one head.
    pub dimension: usize,
    /// For each (batch, query), the first key it sees; without it, the first of all. The last is its own position.
    pub first_visible: Option<&'a [u32]>,
}

/// One block of queries of one row of the batch, and the keys that any of them sees.
#[derive(Clone, Copy)]
struct Block {
    query: usize,
    queries: usize,
    key: usize,
    keys: usize,
}

impl Shape<'_> {
    fn scale(&self) -> f32 {
        1.0 / (self.dimension as f32).sqrt()
    }

    fn group(&self) -> usize {
        self.query_heads / self.key_heads
    }

    fn first(&self, batch: usize, query: usize) -> usize {
        self.first_visible.map_or(0, |first| first[batch * self.queries + query] as usize)
    }

    /// One past the last key that `query` sees.
    fn end(&self, query: usize) -> usize {
        self.keys - self.queries + query + 1
    }

    fn blocks(&self, batch: usize) -> impl Iterator<Item = Block> + '_ {
        (0..self.queries).step_by(BLOCK).map(move |query| {
            let queries = BLOCK.min(self.queries - query);
            let key = (query..query + queries).map(|q| self.first(batch, q)).min().unwrap_or(0);
            Block { query, queries, key, keys: self.end(query + queries - 1) - key }
        })
    }
}

/// Memory that several threads write to, each its own elements.
#[derive(Clone, Copy)]
struct Shared(*mut f32);

// SAFETY: a `Shared` is only a pointer; whoever writes through it says why no other thread touches those elements.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// Taken by a method so that closures capture the wrapper and not the bare pointer.
    fn at(self, index: usize) -> *mut f32 {
        self.0.wrapping_add(index)
    }
}

/// Returns (output, batch × queries × (query heads · dimension); log of the softmax sums, batch × query heads × queries).
pub fn forward(shape: Shape, q: Rows, k: Rows, v: Rows) -> (Vec<f32>, Vec<f32>) {
    let width = shape.query_heads * shape.dimension;
    let mut output = vec![0.0; shape.batch * shape.queries * width];
    let mut log_sums = vec![0.0; shape.batch * shape.query_heads * shape.queries];
    if shape.queries == 0 {
        return (output, log_sums);
    }
    let shared = Shared(output.as_mut_ptr());
    log_sums.par_chunks_mut(shape.queries).enumerate().for_each_init(Vec::new, |scores, (task, log_sums)| {
        let (batch, head) = (task / shape.query_heads, task % shape.query_heads);
        let (own, kv) = (head * shape.dimension, head / shape.group() * shape.dimension);
        for block in shape.blocks(batch) {
            scores.resize(block.queries * block.keys, 0.0);
            let (queries, keys) = (q.matrix(batch, block.query, own), k.matrix(batch, block.key, kv).transposed());
            let size = (block.queries, block.keys, shape.dimension);
            multiply(scores, block.keys, queries, keys, Product::new(size).scaled(shape.scale()).here());
            simd(|| softmax_rows(&shape, batch, block, scores, log_sums));
            let pointer = shared.at((batch * shape.queries + block.query) * width + own);
            let size = (block.queries, shape.dimension, block.keys);
            let (scores, values) = (Matrix::new(scores, block.keys), v.matrix(batch, block.key, kv));
            // SAFETY: the rows lie inside `output`, and only this task writes the columns of this head of this batch.
            unsafe {
                multiply_into(Target { pointer, stride: width }, scores, values, Product::new(size).here());
            }
        }
    });
    (output, log_sums)
}

/// Scores become probabilities, zero where a key is not seen.
#[inline(always)]
fn softmax_rows(shape: &Shape, batch: usize, block: Block, scores: &mut [f32], log_sums: &mut [f32]) {
    for (i, row) in scores.chunks_exact_mut(block.keys).enumerate() {
        let query = block.query + i;
        let (start, end) = (shape.first(batch, query) - block.key, shape.end(query) - block.key);
        row[..start].fill(0.0);
        row[end..].fill(0.0);
        let seen = &mut row[start..end];
        let highest = vector::max(seen);
        seen.iter_mut().for_each(|x| *x = vector::exp(*x - highest));
        let total = vector::sum(seen);
        let factor = 1.0 / total;
        seen.iter_mut().for_each(|x| *x *= factor);
        log_sums[query] = highest + total.ln();
    }
}

/// What the forward pass left, and the gradient from above (laid out as the output).
#[derive(Clone, Copy)]
pub struct Kept<'a> {
    pub output: Rows<'a>,
    pub log_sums: &'a [f32],
    pub gradient: Rows<'a>,
}

/// The gradient for packed rows [queries | keys | values], batch × queries × ((query heads + 2 key heads) · dimension).
/// The queries must be all of the positions.
pub fn backward(shape: Shape, q: Rows, k: Rows, v: Rows, kept: Kept) -> Vec<f32> {
    assert_eq!(shape.queries, shape.keys, "the gradient is for whole rows");
    let (heads, kv_heads, dimension) = (shape.query_heads, shape.key_heads, shape.dimension);
    let stride = (heads + 2 * kv_heads) * dimension;
    let mut packed = vec![0.0; shape.batch * shape.queries * stride];
    let shared = Shared(packed.as_mut_ptr());
    let scratch = || (Vec::new(), Vec::new());
    (0..shape.batch * kv_heads).into_par_iter().for_each_init(scratch, |(probabilities, d_scores), task| {
        let (batch, kv_head) = (task / kv_heads, task % kv_heads);
        let kv = kv_head * dimension;
        let target = |row: usize, column: usize| Target {
            pointer: shared.at((batch * shape.queries + row) * stride + column),
            stride,
        };
        for head in kv_head * shape.group()..(kv_head + 1) * shape.group() {
            let own = head * dimension;
            for block in shape.blocks(batch) {
                let (queries, d_out) =
                    (q.matrix(batch, block.query, own), kept.gradient.matrix(batch, block.query, own));
                let (keys, values) = (k.matrix(batch, block.key, kv), v.matrix(batch, block.key, kv));
                let size = (block.queries, block.keys, dimension);
                probabilities.resize(block.queries * block.keys, 0.0);
                d_scores.resize(block.queries * block.keys, 0.0);
                multiply(
                    probabilities,
                    block.keys,
                    queries,
                    keys.transposed(),
                    Product::new(size).scaled(shape.scale()).here(),
                );
                multiply(d_scores, block.keys, d_out, values.transposed(), Product::new(size).here());
                simd(|| gradient_rows(&shape, batch, head, block, &kept, probabilities, d_scores));
                let (p, ds) = (Matrix::new(probabilities, block.keys), Matrix::new(d_scores, block.keys));
                let by_key = (block.keys, dimension, block.queries);
                let by_query = (block.queries, dimension, block.keys);
                // SAFETY: the rows lie inside `packed`; the columns of this key head, and of the query heads that use
                // it, are written by this task alone.
                unsafe {
                    let (dq, dk) = (target(block.query, own), target(block.key, heads * dimension + kv));
                    let dv = target(block.key, (heads + kv_heads) * dimension + kv);
                    multiply_into(dv, p.transposed(), d_out, Product::new(by_key).write(Write::Add).here());
                    multiply_into(dq, ds, keys, Product::new(by_query).scaled(shape.scale()).here());
                    multiply_into(
                        dk,
                        ds.transposed(),
                        queries,
                        Product::new(by_key).scaled(shape.scale()).write(Write::Add).here(),
                    );
                }
            }
        }
    });
    packed
}

/// Scores become probabilities again, and the gradient at the probabilities becomes the gradient at the scores.
#[inline(always)]
fn gradient_rows(
    shape: &Shape,
    batch: usize,
    head: usize,
    block: Block,
    kept: &Kept,
    probabilities: &mut [f32],
    d_scores: &mut [f32],
) {
    let rows = probabilities.chunks_exact_mut(block.keys).zip(d_scores.chunks_exact_mut(block.keys));
    for (i, (p, ds)) in rows.enumerate() {
        let query = block.query + i;
        let (start, end) = (shape.first(batch, query) - block.key, shape.end(query) - block.key);
        let log_sum = kept.log_sums[(batch * shape.query_heads + head) * shape.queries + query];
        let own = head * shape.dimension;
        let d_out = &kept.gradient.slice(batch, query, own)[..shape.dimension];
        let mean = vector::dot(d_out, &kept.output.slice(batch, query, own)[..shape.dimension]);
        for row in [&mut *p, &mut *ds] {
            row[..start].fill(0.0);
            row[end..].fill(0.0);
        }
        for (p, ds) in p[start..end].iter_mut().zip(&mut ds[start..end]) {
            *p = vector::exp(*p - log_sum);
            *ds = *p * (*ds - mean);
        }
    }
}
