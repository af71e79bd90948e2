//! Attention without the T×T matrix in memory: blocks of queries against blocks of the keys they see, forward and
//! backward. What no query of a block sees is not computed, so that a window of w costs T·w.
//!
//! The forward pass keeps only the logarithm of each query's softmax sum; the backward pass computes the
//! probabilities again from it (Dao et al. 2022, FlashAttention, arXiv 2205.14135).

mod backward;
mod forward;

pub use backward::{Kept, backward};
pub use forward::forward;

use super::super::Precision;
use super::super::sight::Sight;
use super::matmul::{Matrix, Product, Size};
use super::shared::Shared;
use std::cell::RefCell;
use std::ops::Range;

/// Queries that one task handles.
const QUERIES: usize = 64;
/// Keys that they meet at once: their scores stay in the second-level cache.
const KEYS: usize = 256;

/// Heads inside a slice of rows: row r starts at `offset + r * stride`.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    pub data: &'a [f32],
    pub offset: usize,
    pub stride: usize,
}

impl<'a> Rows<'a> {
    /// The matrix that starts at `row`, `column` elements into it.
    fn matrix(&self, row: usize, column: usize) -> Matrix<'a> {
        Matrix::new(&self.data[self.offset + row * self.stride + column..], self.stride)
    }

    /// `count` elements of `row`, from `column` on.
    #[inline(always)]
    fn slice(&self, row: usize, column: usize, count: usize) -> &'a [f32] {
        &self.data[self.offset + row * self.stride + column..][..count]
    }
}

/// Queries that attend to one row of keys; they are the last `queries` of its `keys` positions.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The first query, among the rows of queries.
    pub query: usize,
    pub queries: usize,
    /// The first key, among the rows of keys and of values.
    pub key: usize,
    pub keys: usize,
}

impl Row {
    /// `rows` rows of `columns` positions, each with all of its queries.
    pub fn equal(rows: usize, columns: usize) -> Vec<Row> {
        let row = |row: usize| Row { query: row * columns, queries: columns, key: row * columns, keys: columns };
        (0..rows).map(row).collect()
    }

    fn end(&self) -> usize {
        self.query + self.queries
    }
}

/// The sizes of a call, and who sees whom.
#[derive(Clone, Copy)]
pub struct Shape<'a> {
    /// In the order of their queries, which leave no gap.
    pub rows: &'a [Row],
    pub query_heads: usize,
    pub key_heads: usize,
    /// Width of one head.
    pub dimension: usize,
    pub sight: Sight<'a>,
    pub precision: Precision,
}

/// Queries of one row, and the keys of the row that any of them sees.
#[derive(Clone)]
struct Block {
    row: Row,
    /// Among the rows of queries.
    queries: Range<usize>,
    /// Among the keys of the row.
    keys: Range<usize>,
}

impl Shape<'_> {
    fn scale(&self) -> f32 {
        1.0 / (self.dimension as f32).sqrt()
    }

    /// A product in the calling thread.
    fn product(&self, size: Size) -> Product<'static> {
        Product::new(size).operands(self.precision).here()
    }

    /// Query heads to a key head.
    fn group(&self) -> usize {
        self.query_heads / self.key_heads
    }

    fn queries(&self) -> usize {
        self.rows.last().map_or(0, Row::end)
    }

    /// The keys of `row` that a query sees.
    #[inline(always)]
    fn seen(&self, row: &Row, query: usize) -> Range<usize> {
        self.sight.range(query, query - row.query + row.keys - row.queries, row.keys)
    }

    fn blocks(&self, row: Row) -> impl Iterator<Item = Block> + '_ {
        (row.query..row.end()).step_by(QUERIES).map(move |first| {
            let queries = first..(first + QUERIES).min(row.end());
            let seen = queries.clone().map(|query| self.seen(&row, query)).filter(|seen| !seen.is_empty());
            let union = seen.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end));
            Block { row, queries, keys: union.unwrap_or(0..0) }
        })
    }

    /// Where the logarithms of a head's softmax sums start: they lie by row, head and query.
    fn log_sums(&self, row: &Row, head: usize) -> usize {
        row.query * self.query_heads + head * row.queries
    }
}

impl Block {
    /// The keys in pieces of [`KEYS`].
    fn pieces(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.keys.clone().step_by(KEYS).map(|start| start..(start + KEYS).min(self.keys.end))
    }
}

/// The part of `piece` that lies in `seen`, counted from the start of `piece`.
#[inline(always)]
fn within(piece: &Range<usize>, seen: &Range<usize>) -> Range<usize> {
    let place = |key: usize| key.clamp(piece.start, piece.end) - piece.start;
    place(seen.start)..place(seen.end)
}

thread_local! {
    /// Kept from call to call: a few hundred kilobytes for each thread that attends.
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Calls `work` with memory of this thread for N parts of the given lengths, of unspecified content. `work` must not
/// wait for other threads' work, which might want the same memory.
fn with_scratch<const N: usize>(lengths: [usize; N], work: impl FnOnce([&mut [f32]; N])) {
    SCRATCH.with_borrow_mut(|scratch| {
        let total = lengths.iter().sum();
        if scratch.len() < total {
            scratch.resize(total, 0.0);
        }
        let mut rest = &mut scratch[..];
        work(lengths.map(|length| rest.split_off_mut(..length).unwrap_or_default()));
    });
}
