//! The backward pass. Each query head is a task of its own: heads that share keys leave their parts of the keys'
//! gradient side by side, and these are then added in the order of the heads.

use super::super::matmul::{Matrix, Target, Write, multiply, multiply_into};
use super::super::{simd, vector};
use super::{Block, KEYS, QUERIES, Row, Rows, Shape, Shared, with_scratch, within};
use rayon::prelude::*;
use std::ops::Range;

/// What the forward pass left, and the gradient from above (laid out as the output).
#[derive(Clone, Copy)]
pub struct Kept<'a> {
    pub output: Rows<'a>,
    pub log_sums: &'a [f32],
    pub gradient: Rows<'a>,
}

/// The gradient for packed rows [queries | keys | values], queries × ((query heads + 2 key heads) · dimension).
/// Every row must have a query for each key, as [`Row::equal`] makes them.
pub fn backward(shape: Shape, q: Rows, k: Rows, v: Rows, kept: Kept) -> Vec<f32> {
    assert!(shape.rows.iter().all(|row| (row.query, row.queries) == (row.key, row.keys)), "rows must be whole");
    assert_eq!(shape.rows.iter().map(|row| row.queries).sum::<usize>(), shape.queries(), "rows must leave no gap");
    let (heads, dimension) = (shape.query_heads, shape.dimension);
    let stride = (heads + 2 * shape.key_heads) * dimension;
    let (size, is_shared) = (shape.queries() * stride, shape.group() > 1);
    let parts_size = if is_shared { shape.queries() * 2 * heads * dimension } else { 0 };
    let (mut packed, mut parts) = (Vec::with_capacity(size), Vec::with_capacity(parts_size));
    let to_packed = Gradient { shared: Shared(packed.as_mut_ptr()), stride, column: 0 };
    let by_key = match is_shared {
        true => Gradient { shared: Shared(parts.as_mut_ptr()), stride: 2 * heads * dimension, column: 0 },
        false => Gradient { column: heads * dimension, ..to_packed },
    };
    let pass = Pass { shape, q, k, v, kept, to_packed, by_key };
    (0..shape.rows.len() * heads).into_par_iter().for_each(|task| pass.head(shape.rows[task / heads], task % heads));
    // SAFETY: the heads of all rows wrote their columns of both, see `Pass::clear`.
    unsafe {
        parts.set_len(parts_size);
        packed.set_len(size);
    }
    if is_shared {
        packed.par_chunks_exact_mut(stride).zip(parts.par_chunks_exact(2 * heads * dimension)).for_each(
            |(row, parts)| {
                simd!(add_groups(&shape, &mut row[heads * dimension..], parts));
            },
        );
    }
    packed
}

/// Sums the gradients [keys | values] of all query heads into those of the heads that they share.
#[inline(always)]
fn add_groups(shape: &Shape, sums: &mut [f32], parts: &[f32]) {
    let group = parts.chunks_exact(shape.group() * shape.dimension);
    for (sum, parts) in sums.chunks_exact_mut(shape.dimension).zip(group) {
        parts.chunks_exact(shape.dimension).for_each(|part| vector::add_assign(sum, part));
    }
}

/// Where a gradient is written: rows `stride` apart, from `column` on.
#[derive(Clone, Copy)]
struct Gradient {
    shared: Shared,
    stride: usize,
    column: usize,
}

impl Gradient {
    fn at(&self, row: usize, column: usize) -> Target {
        Target { pointer: self.shared.at(row * self.stride + self.column + column), stride: self.stride }
    }
}

/// What every task of a call shares.
struct Pass<'a> {
    shape: Shape<'a>,
    q: Rows<'a>,
    k: Rows<'a>,
    v: Rows<'a>,
    kept: Kept<'a>,
    to_packed: Gradient,
    /// [keys | values] of every query head.
    by_key: Gradient,
}

impl Pass<'_> {
    /// All queries of one head of one row.
    fn head(&self, row: Row, head: usize) {
        let kv = head / self.shape.group() * self.shape.dimension;
        self.clear(row, head);
        with_scratch([QUERIES * KEYS, QUERIES * KEYS], |[probabilities, d_scores]| {
            for block in self.shape.blocks(row) {
                let means = simd!(self.means(&block, head));
                for piece in block.pieces() {
                    let size = block.queries.len() * piece.len();
                    let (p, ds) = (&mut probabilities[..size], &mut d_scores[..size]);
                    self.fill(&block, &piece, (head, kv), p, ds);
                    simd!(self.gradient_rows(&block, &piece, head, &means, p, ds));
                    self.contribute(&block, &piece, (head, kv), p, ds);
                }
            }
        });
    }

    /// Zeros where a head's gradients are summed: here rather than for all heads beforehand, so that they are near. The first
    /// of the heads that share keys clears the place of their sums too.
    fn clear(&self, row: Row, head: usize) {
        let Shape { query_heads, key_heads, dimension, .. } = self.shape;
        let (own, group) = (head * dimension, self.shape.group());
        for place in row.query..row.end() {
            let clear = |at: Target| {
                // SAFETY: the elements lie inside the two buffers, and no other task writes those of this head.
                unsafe { at.pointer.write_bytes(0, dimension) };
            };
            clear(self.to_packed.at(place, own));
            clear(self.by_key.at(place, own));
            clear(self.by_key.at(place, query_heads * dimension + own));
            if group > 1 && head.is_multiple_of(group) {
                let key = (query_heads + head / group) * dimension;
                clear(self.to_packed.at(place, key));
                clear(self.to_packed.at(place, key + key_heads * dimension));
            }
        }
    }

    /// What the gradient at each query's probabilities has in common: the product of its output and its gradient.
    #[inline(always)]
    fn means(&self, block: &Block, head: usize) -> [f32; QUERIES] {
        let (own, dimension) = (head * self.shape.dimension, self.shape.dimension);
        let mut means = [0.0; QUERIES];
        for (mean, query) in means.iter_mut().zip(block.queries.clone()) {
            let (output, gradient) = (self.kept.output, self.kept.gradient);
            *mean = vector::dot(gradient.slice(query, own, dimension), output.slice(query, own, dimension));
        }
        means
    }

    /// Scores, and the gradient at the probabilities.
    fn fill(&self, block: &Block, piece: &Range<usize>, (head, kv): (usize, usize), p: &mut [f32], ds: &mut [f32]) {
        let (own, key) = (head * self.shape.dimension, block.row.key + piece.start);
        let product = self.shape.product((block.queries.len(), piece.len(), self.shape.dimension));
        let queries = self.q.matrix(block.queries.start, own);
        let scaled = product.scaled(self.shape.scale());
        multiply(p, piece.len(), queries, self.k.matrix(key, kv).transposed(), scaled);
        let gradient = self.kept.gradient.matrix(block.queries.start, own);
        multiply(ds, piece.len(), gradient, self.v.matrix(key, kv).transposed(), product);
    }

    /// Scores become probabilities again, and the gradient at the probabilities becomes the gradient at the scores.
    #[inline(always)]
    fn gradient_rows(
        &self,
        block: &Block,
        piece: &Range<usize>,
        head: usize,
        means: &[f32; QUERIES],
        probabilities: &mut [f32],
        d_scores: &mut [f32],
    ) {
        let log_sums = &self.kept.log_sums[self.shape.log_sums(&block.row, head)..];
        let rows = probabilities.chunks_exact_mut(piece.len()).zip(d_scores.chunks_exact_mut(piece.len()));
        for (i, (p, ds)) in rows.enumerate() {
            let query = block.queries.start + i;
            let seen = within(piece, &self.shape.seen(&block.row, query));
            let (log_sum, mean) = (log_sums[query - block.row.query], means[i]);
            for row in [&mut *p, &mut *ds] {
                row[..seen.start].fill(0.0);
                row[seen.end..].fill(0.0);
            }
            for (p, ds) in p[seen.clone()].iter_mut().zip(&mut ds[seen]) {
                *p = vector::exp(*p - log_sum);
                *ds = *p * (*ds - mean);
            }
        }
    }

    /// Adds what a block and a piece of its keys give to the gradients of queries, keys and values.
    fn contribute(&self, block: &Block, piece: &Range<usize>, (head, kv): (usize, usize), p: &[f32], ds: &[f32]) {
        let (dimension, width) = (self.shape.dimension, piece.len());
        let (own, key, query) = (head * dimension, block.row.key + piece.start, block.queries.start);
        let (queries, gradient) = (self.q.matrix(query, own), self.kept.gradient.matrix(query, own));
        let (p, ds) = (Matrix::new(p, width), Matrix::new(ds, width));
        let by_key = self.shape.product((width, dimension, block.queries.len())).write(Write::Add);
        let by_query = self.shape.product((block.queries.len(), dimension, width)).write(Write::Add);
        let scale = self.shape.scale();
        // SAFETY: the rows lie inside the two buffers, and only this task writes the columns of this query head.
        unsafe {
            let (dk, dv) = (self.by_key.at(key, own), self.by_key.at(key, self.shape.query_heads * dimension + own));
            multiply_into(dv, p.transposed(), gradient, by_key);
            multiply_into(self.to_packed.at(query, own), ds, self.k.matrix(key, kv), by_query.scaled(scale));
            multiply_into(dk, ds.transposed(), queries, by_key.scaled(scale));
        }
    }
}
