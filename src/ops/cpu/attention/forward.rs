//! The forward pass: softmax over pieces of the keys, corrected as higher scores come (Milakov and Gimelshein 2018,
//! arXiv 1805.02867).

use super::super::super::Precision;
use super::super::matmul::{Matrix, Write, multiply};
use super::super::{fresh, simd, vector};
use super::{Block, KEYS, QUERIES, Row, Rows, Shape, Shared, with_scratch, within};
use rayon::prelude::*;
use std::ops::Range;

/// Returns (output, queries × (query heads · dimension); log of the softmax sums by row, query head and query). Where
/// a query sees nothing, both are 0.
pub fn forward(shape: Shape, q: Rows, k: Rows, v: Rows) -> (Vec<f32>, Vec<f32>) {
    let (heads, dimension) = (shape.query_heads, shape.dimension);
    let mut output = fresh::zeros(shape.queries() * heads * dimension);
    let mut log_sums = vec![0.0; shape.queries() * heads];
    let (to_output, to_log_sums) = (Shared(output.as_mut_ptr()), Shared(log_sums.as_mut_ptr()));
    let head = Head { shape, q, k, v, to_output, to_log_sums };
    tasks(shape).par_iter().for_each(|(block, heads)| match block.queries.len() {
        // The backward pass rounds what this does not.
        1 if shape.precision == Precision::F32 => head.attend_one(block, heads.clone()),
        _ => heads.clone().for_each(|index| head.attend(block, index)),
    });
    (output, log_sums)
}

/// Blocks of queries, each with some heads. The blocks of a head follow each other, and heads that share keys: these are near
/// when they are read again. Where there are enough single queries for the threads, each has several heads, which stand
/// next to each other in memory.
fn tasks(shape: Shape) -> Vec<(Block, Range<usize>)> {
    let heads = shape.query_heads;
    let several = (shape.rows.len() * heads / (2 * rayon::current_num_threads())).clamp(1, heads);
    let together = |row: &Row| if row.queries == 1 { several } else { 1 };
    let mut tasks = Vec::new();
    for row in shape.rows {
        for head in (0..heads).step_by(together(row)) {
            let heads = head..(head + together(row)).min(heads);
            tasks.extend(shape.blocks(*row).map(|block| (block, heads.clone())));
        }
    }
    tasks
}

/// What every task of a call shares.
#[derive(Clone, Copy)]
struct Head<'a> {
    shape: Shape<'a>,
    q: Rows<'a>,
    k: Rows<'a>,
    v: Rows<'a>,
    to_output: Shared,
    to_log_sums: Shared,
}

/// How far the softmax of every query of a block has come.
struct Progress {
    highest: [f32; QUERIES],
    sums: [f32; QUERIES],
}

impl Head<'_> {
    /// Columns of a query head, and of the key head that serves it.
    fn columns(&self, head: usize) -> (usize, usize) {
        (head * self.shape.dimension, head / self.shape.group() * self.shape.dimension)
    }

    /// The output of `head` for a query.
    ///
    /// # Safety
    /// The slice may be used while the output stands, and by nobody else.
    #[inline(always)]
    unsafe fn output<'a>(&self, query: usize, head: usize) -> &'a mut [f32] {
        let Shape { query_heads, dimension, .. } = self.shape;
        // SAFETY: the elements lie inside the output; the caller promises the rest.
        unsafe { self.to_output.slice((query * query_heads + head) * dimension, dimension) }
    }

    /// A block of queries against the keys that they see, piece by piece.
    fn attend(&self, block: &Block, head: usize) {
        let (shape, dimension) = (&self.shape, self.shape.dimension);
        let (own, kv) = self.columns(head);
        let queries = block.queries.len();
        with_scratch([QUERIES * KEYS, queries * dimension], |[scores, sums]| {
            let mut progress = Progress { highest: [f32::NEG_INFINITY; QUERIES], sums: [0.0; QUERIES] };
            for piece in block.pieces() {
                let (is_first, width) = (piece.start == block.keys.start, piece.len());
                let scores = &mut scores[..queries * width];
                let (q, k) = (self.q.matrix(block.queries.start, own), self.k.matrix(block.row.key + piece.start, kv));
                let product = shape.product((queries, width, dimension)).scaled(shape.scale());
                multiply(scores, width, q, k.transposed(), product);
                simd!(progress.take(shape, block, &piece, scores, (!is_first).then_some(&mut *sums)));
                let values = self.v.matrix(block.row.key + piece.start, kv);
                let write = if is_first { Write::Replace } else { Write::Add };
                let product = shape.product((queries, dimension, width)).write(write);
                multiply(sums, dimension, Matrix::new(scores, width), values, product);
            }
            if !block.keys.is_empty() {
                simd!(self.finish(block, head, &progress, sums));
            }
        });
    }

    /// Writes the weighted sums divided by the sums of the weights, and the logarithms of those.
    #[inline(always)]
    fn finish(&self, block: &Block, head: usize, progress: &Progress, weighted: &[f32]) {
        let log_sums = self.shape.log_sums(&block.row, head) + block.queries.start - block.row.query;
        for (i, weighted) in weighted.chunks_exact(self.shape.dimension).enumerate() {
            let total = progress.sums[i];
            if total == 0.0 {
                continue;
            }
            // SAFETY: this head of this query is this task's alone.
            let output = unsafe { self.output(block.queries.start + i, head) };
            let factor = 1.0 / total;
            output.iter_mut().zip(weighted).for_each(|(y, x)| *y = x * factor);
            // SAFETY: as above; the place lies inside the list, which has one for each query and head.
            unsafe { *self.to_log_sums.at(log_sums + i) = progress.highest[i] + total.ln() };
        }
    }

    /// A single query, such as the newest token of a text: no products of matrices. Each key and value is read once, with
    /// all of `heads` next to each other, as they stand in memory.
    fn attend_one(&self, block: &Block, heads: Range<usize>) {
        let (row, query) = (&block.row, block.queries.start);
        let seen = self.shape.seen(row, query);
        if seen.is_empty() {
            return;
        }
        with_scratch([heads.len() * seen.len()], |[scores]| {
            simd!(self.score_one(block, heads.clone(), &seen, scores));
            for (head, scores) in heads.clone().zip(scores.chunks_exact_mut(seen.len())) {
                let log_sum = simd!(normalize(scores));
                // SAFETY: this head of this query is this task's alone; the place lies inside the list, which has one for
                // each query and head.
                unsafe { *self.to_log_sums.at(self.shape.log_sums(row, head) + query - row.query) = log_sum };
            }
            simd!(self.gather_one(block, heads, &seen, scores));
        });
    }

    /// The scores of each head against the keys that are seen, head by head.
    #[inline(always)]
    fn score_one(&self, block: &Block, heads: Range<usize>, seen: &Range<usize>, scores: &mut [f32]) {
        let (scale, dimension) = (self.shape.scale(), self.shape.dimension);
        for (place, key) in seen.clone().enumerate() {
            for (index, head) in heads.clone().enumerate() {
                let (own, kv) = self.columns(head);
                let q = self.q.slice(block.queries.start, own, dimension);
                let k = self.k.slice(block.row.key + key, kv, dimension);
                scores[index * seen.len() + place] = scale * vector::dot(q, k);
            }
        }
    }

    /// Adds the values that are seen, by each head's weights.
    #[inline(always)]
    fn gather_one(&self, block: &Block, heads: Range<usize>, seen: &Range<usize>, weights: &[f32]) {
        for (place, key) in seen.clone().enumerate() {
            for (index, head) in heads.clone().enumerate() {
                let weight = weights[index * seen.len() + place];
                let value = self.v.slice(block.row.key + key, self.columns(head).1, self.shape.dimension);
                // SAFETY: this head of this query is this task's alone.
                let output = unsafe { self.output(block.queries.start, head) };
                output.iter_mut().zip(value).for_each(|(y, x)| *y += weight * x);
            }
        }
    }
}

/// Scores become weights that add up to one; returns the logarithm of their sum.
#[inline(always)]
fn normalize(scores: &mut [f32]) -> f32 {
    let highest = vector::max(scores);
    scores.iter_mut().for_each(|x| *x = vector::exp(*x - highest));
    let total = vector::sum(scores);
    let factor = 1.0 / total;
    scores.iter_mut().for_each(|x| *x *= factor);
    highest + total.ln()
}

impl Progress {
    /// Scores against a piece of the keys become weights, zero where a key is not seen; what was `weighted` before is
    /// made smaller where a higher score came.
    #[inline(always)]
    fn take(
        &mut self,
        shape: &Shape,
        block: &Block,
        piece: &Range<usize>,
        scores: &mut [f32],
        mut weighted: Option<&mut [f32]>,
    ) {
        for (i, scores) in scores.chunks_exact_mut(piece.len()).enumerate() {
            let seen = within(piece, &shape.seen(&block.row, block.queries.start + i));
            scores[..seen.start].fill(0.0);
            scores[seen.end..].fill(0.0);
            if seen.is_empty() {
                continue;
            }
            let seen = &mut scores[seen];
            let (before, here) = (self.highest[i], vector::max(seen));
            let highest = if here > before { here } else { before };
            seen.iter_mut().for_each(|x| *x = vector::exp(*x - highest));
            let total = vector::sum(seen);
            // The first scores of a query find nothing to correct: its sum is 0.
            let correction = if self.sums[i] == 0.0 { 0.0 } else { vector::exp(before - highest) };
            self.highest[i] = highest;
            self.sums[i] = self.sums[i] * correction + total;
            if let Some(weighted) = &mut weighted {
                let weighted = &mut weighted[i * shape.dimension..(i + 1) * shape.dimension];
                weighted.iter_mut().for_each(|x| *x *= correction);
            }
        }
    }
}
