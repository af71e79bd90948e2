//! Dot products of whole rows: as many partial sums each as a vector has lanes, and so many at once that the sums fill the
//! registers and each vector that is read serves several of them.

use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};

/// Rows of the weight that are gone through side by side.
const WEIGHTS: usize = 3;
/// Rows of x at most, in a tile.
const MOST_ROWS: usize = 8;
/// Room for the sums of the largest tile, in whole registers of the widest kind.
pub const MOST_SUMS: usize = 32;

/// Some rows of a weight, and what they are multiplied with.
#[derive(Clone, Copy)]
pub struct Rows<'a, X, W> {
    /// n×`width`.
    pub x: &'a [X],
    /// Some rows of `width`, one after the other.
    pub weight: &'a [W],
    pub width: usize,
}

/// A register of partial sums. Everything is always inlined, here and in [`Operands`], so that it is compiled for the processor
/// that the caller names.
pub trait Register: Copy {
    /// Rows of x of a tile, a power of two: with [`WEIGHTS`] each, their sums have room in the registers, beside a vector of
    /// each row of the weight and one of x.
    const ROWS: usize;

    /// # Safety
    /// The processor must have the instructions.
    unsafe fn zero() -> Self;

    /// The lanes of each sum together, at most [`MOST_SUMS`].
    ///
    /// # Safety
    /// The processor must have the instructions.
    unsafe fn totals(sums: &[Self]) -> [f32; MOST_SUMS];
}

/// How vectors of x and of the weight are read and multiplied.
pub trait Operands {
    type X: Copy;
    type W: Copy;
    type Vector: Register;
    /// Elements of a vector.
    const COUNT: usize;

    /// The next `count` elements of x, at most a vector's; zeros behind them.
    ///
    /// # Safety
    /// The processor must have the instructions; the elements must be readable.
    unsafe fn x(from: *const Self::X, count: usize) -> Self::Vector;

    /// The same of the weight.
    ///
    /// # Safety
    /// As for [`Operands::x`].
    unsafe fn weight(from: *const Self::W, count: usize) -> Self::Vector;

    /// sum + weight · x, lane by lane.
    ///
    /// # Safety
    /// The processor must have the instructions.
    unsafe fn multiply_add(weight: Self::Vector, x: Self::Vector, sum: Self::Vector) -> Self::Vector;
}

/// The rows of the weight that follow, which are asked for while the ones before them are computed with: otherwise the first
/// tile of each group waits for memory, and the memory waits during all others.
#[derive(Clone, Copy)]
struct Next {
    start: *const u8,
    /// Bytes from one vector to the next.
    stride: usize,
}

impl Next {
    /// The part of the rows behind `weights` that falls to one of the tiles that are computed from these.
    #[inline(always)]
    fn part<O: Operands>(weights: &[O::W], tile: usize, tiles: usize) -> Self {
        let bytes = size_of_val(weights);
        let start = weights.as_ptr_range().end.cast::<u8>().wrapping_add(bytes * tile / tiles);
        Self { start, stride: Self::step::<O>() / tiles }
    }

    /// Bytes of a vector of each row.
    const fn step<O: Operands>() -> usize {
        WEIGHTS * O::COUNT * size_of::<O::W>()
    }

    /// As many lines as a vector of each row lies in.
    #[inline(always)]
    fn prefetch<O: Operands>(self, vector: usize) {
        let start = self.start.wrapping_add(vector * self.stride);
        for line in 0..const { Self::step::<O>().div_ceil(64) } {
            // SAFETY: a prefetch touches no memory that the program could see.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(start.wrapping_add(line * 64).cast()) };
        }
    }
}

/// The products of every row of `x` with every row of the weight, into `y`: for each row of `x` its outputs. Each is the sum
/// of as many sums as a vector has lanes, whatever is computed beside it.
///
/// # Safety
/// The processor must have what `O` needs.
#[inline(always)]
pub unsafe fn products<O: Operands>(rows: Rows<O::X, O::W>, y: &mut [&mut [f32]]) {
    let Rows { x, weight, width } = rows;
    let tiles = y.len().div_ceil(O::Vector::ROWS);
    for (group, weights) in weight.chunks(width * WEIGHTS).enumerate() {
        let first = group * WEIGHTS;
        for (tile, (x, y)) in x.chunks(width * O::Vector::ROWS).zip(y.chunks_mut(O::Vector::ROWS)).enumerate() {
            let next = Next::part::<O>(weights, tile, tiles);
            // SAFETY: handed on to the caller.
            unsafe {
                match weights.len() / width {
                    WEIGHTS => some_rows::<O, WEIGHTS>((weights, next), x, width, y, first),
                    2 => some_rows::<O, 2>((weights, next), x, width, y, first),
                    _ => some_rows::<O, 1>((weights, next), x, width, y, first),
                }
            }
        }
    }
}

/// Cuts up to [`Register::ROWS`] rows into tiles whose number of rows the compiler knows.
///
/// # Safety
/// As for [`products`].
#[inline(always)]
unsafe fn some_rows<O: Operands, const W: usize>(
    (weights, next): (&[O::W], Next),
    x: &[O::X],
    width: usize,
    y: &mut [&mut [f32]],
    first: usize,
) {
    const { assert!(O::Vector::ROWS <= MOST_ROWS && WEIGHTS * MOST_ROWS <= MOST_SUMS) };
    let mut done = 0;
    for size in [MOST_ROWS, 4, 2, 1] {
        // Larger tiles than have room are left out by the compiler.
        while size <= O::Vector::ROWS && y.len() - done >= size {
            let (x, y) = (&x[done * width..][..size * width], &mut y[done..][..size]);
            // SAFETY: handed on to the caller.
            unsafe {
                match size {
                    MOST_ROWS => tile::<O, W, MOST_ROWS>((weights, next), x, width, y, first),
                    4 => tile::<O, W, 4>((weights, next), x, width, y, first),
                    2 => tile::<O, W, 2>((weights, next), x, width, y, first),
                    _ => tile::<O, W, 1>((weights, next), x, width, y, first),
                }
            }
            done += size;
        }
    }
}

/// The products of W rows of the weight with X rows of x, into the outputs of each row from `first` on.
///
/// # Safety
/// As for [`products`]; there must be so many rows.
#[inline(always)]
unsafe fn tile<O: Operands, const W: usize, const X: usize>(
    (weights, next): (&[O::W], Next),
    x: &[O::X],
    width: usize,
    y: &mut [&mut [f32]],
    first: usize,
) {
    assert!(weights.len() == W * width && x.len() == X * width && y.len() == X);
    // SAFETY: by the lengths above the rows hold `width` elements each; no more than what is left of them is read.
    unsafe {
        let mut sums = [[O::Vector::zero(); W]; X];
        let mut place = 0;
        while place + O::COUNT <= width {
            next.prefetch::<O>(place / O::COUNT);
            add::<O, W, X>(&mut sums, weights.as_ptr().add(place), x.as_ptr().add(place), width, O::COUNT);
            place += O::COUNT;
        }
        if place < width {
            add::<O, W, X>(&mut sums, weights.as_ptr().add(place), x.as_ptr().add(place), width, width - place);
        }
        let totals = O::Vector::totals(sums.as_flattened());
        for (y, totals) in y.iter_mut().zip(totals.chunks_exact(W)) {
            y[first..first + W].copy_from_slice(totals);
        }
    }
}

/// Adds the products of one vector of each row.
///
/// # Safety
/// As for [`products`]; `count` elements of every row must be readable.
#[inline(always)]
unsafe fn add<O: Operands, const W: usize, const X: usize>(
    sums: &mut [[O::Vector; W]; X],
    weights: *const O::W,
    x: *const O::X,
    width: usize,
    count: usize,
) {
    // SAFETY: handed on to the caller.
    unsafe {
        // No closures: one that the compiler does not inline would be compiled without these instructions.
        let mut vectors = [O::Vector::zero(); W];
        for (row, vector) in vectors.iter_mut().enumerate() {
            *vector = O::weight(weights.add(row * width), count);
        }
        for (row, sums) in sums.iter_mut().enumerate() {
            let x = O::x(x.add(row * width), count);
            for (sum, weight) in sums.iter_mut().zip(vectors) {
                *sum = O::multiply_add(weight, x, *sum);
            }
        }
    }
}
