//! Products of few rows: dot products of whole rows, sixteen partial sums each, so many at once that the sums fill the
//! registers and each vector that is read serves several of them.

use super::element::Element;
use super::lines::fold;
use std::arch::x86_64::*;

/// Rows of the weight that are gone through side by side, and rows of x: 24 sums, 3 vectors of the weight, one of x.
const WEIGHTS: usize = 3;
const ROWS: usize = 8;
/// Elements of a vector.
const LANES: usize = 16;
/// Cache lines that are asked for with each vector.
const LINES: usize = 3;

/// Some rows of a weight, and what they are multiplied with.
#[derive(Clone, Copy)]
pub struct Rows<'a, E> {
    /// n×`width`.
    pub x: &'a [f32],
    /// Some rows of `width`, one after the other.
    pub weight: &'a [E],
    pub width: usize,
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
    fn part<E>(weights: &[E], tile: usize, tiles: usize) -> Self {
        let bytes = size_of_val(weights);
        let start = weights.as_ptr_range().end.cast::<u8>().wrapping_add(bytes * tile / tiles);
        Self { start, stride: WEIGHTS * LANES * size_of::<E>() / tiles }
    }

    #[inline(always)]
    fn prefetch(self, vector: usize) {
        let start = self.start.wrapping_add(vector * self.stride);
        for line in 0..LINES {
            // SAFETY: a prefetch touches no memory that the program could see.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(start.wrapping_add(line * 64).cast()) };
        }
    }
}

/// The products of every row of `x` with every row of the weight, into `y`: for each row of `x` its outputs. Each is the sum
/// of sixteen sums over every sixteenth element, whatever is computed beside it.
///
/// # Safety
/// [`is_available`](super::is_available) must hold.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub unsafe fn multiply<E: Element>(rows: Rows<E>, y: &mut [&mut [f32]]) {
    let Rows { x, weight, width } = rows;
    let tiles = y.len().div_ceil(ROWS);
    for (group, weights) in weight.chunks(width * WEIGHTS).enumerate() {
        let first = group * WEIGHTS;
        for (tile, (x, y)) in x.chunks(width * ROWS).zip(y.chunks_mut(ROWS)).enumerate() {
            let next = Next::part(weights, tile, tiles);
            // SAFETY: handed on to the caller.
            unsafe {
                match weights.len() / width {
                    WEIGHTS => some_rows::<E, WEIGHTS>((weights, next), x, width, y, first),
                    2 => some_rows::<E, 2>((weights, next), x, width, y, first),
                    _ => some_rows::<E, 1>((weights, next), x, width, y, first),
                }
            }
        }
    }
}

/// Cuts up to [`ROWS`] rows into tiles whose number of rows the compiler knows.
///
/// # Safety
/// As for [`multiply`].
#[inline(always)]
unsafe fn some_rows<E: Element, const W: usize>(
    (weights, next): (&[E], Next),
    x: &[f32],
    width: usize,
    y: &mut [&mut [f32]],
    first: usize,
) {
    let mut done = 0;
    for size in [ROWS, 4, 2, 1] {
        while y.len() - done >= size {
            let (x, y) = (&x[done * width..][..size * width], &mut y[done..][..size]);
            // SAFETY: handed on to the caller.
            unsafe {
                match size {
                    ROWS => tile::<E, W, ROWS>((weights, next), x, width, y, first),
                    4 => tile::<E, W, 4>((weights, next), x, width, y, first),
                    2 => tile::<E, W, 2>((weights, next), x, width, y, first),
                    _ => tile::<E, W, 1>((weights, next), x, width, y, first),
                }
            }
            done += size;
        }
    }
}

/// The products of W rows of the weight with X rows of x, into the outputs of each row from `first` on.
///
/// # Safety
/// As for [`multiply`]; there must be so many rows.
#[inline(always)]
unsafe fn tile<E: Element, const W: usize, const X: usize>(
    (weights, next): (&[E], Next),
    x: &[f32],
    width: usize,
    y: &mut [&mut [f32]],
    first: usize,
) {
    assert!(weights.len() == W * width && x.len() == X * width && y.len() == X);
    // SAFETY: by the lengths above the rows hold `width` elements each; a mask leaves out what is behind their end.
    unsafe {
        let mut sums = [[_mm512_setzero_ps(); W]; X];
        let mut place = 0;
        while place + LANES <= width {
            next.prefetch(place / LANES);
            add::<E, W, X>(&mut sums, weights.as_ptr().add(place), x.as_ptr().add(place), width, u16::MAX);
            place += LANES;
        }
        if place < width {
            let mask = (1 << (width - place)) - 1;
            add::<E, W, X>(&mut sums, weights.as_ptr().add(place), x.as_ptr().add(place), width, mask);
        }
        let totals = totals::<W, X>(&sums);
        for (y, totals) in y.iter_mut().zip(totals.chunks_exact(W)) {
            y[first..first + W].copy_from_slice(totals);
        }
    }
}

/// The lanes of each sum together, for many sums at once.
///
/// # Safety
/// As for [`multiply`].
#[inline(always)]
unsafe fn totals<const W: usize, const X: usize>(sums: &[[__m512; W]; X]) -> [f32; 2 * LANES] {
    const { assert!(W * X <= 2 * LANES) };
    let mut totals = [0.0; 2 * LANES];
    for (sums, totals) in sums.as_flattened().chunks(LANES).zip(totals.chunks_exact_mut(LANES)) {
        // SAFETY: handed on to the caller; sixteen totals have room.
        unsafe {
            let mut lines = [_mm512_setzero_ps(); LANES];
            lines[..sums.len()].copy_from_slice(sums);
            _mm512_storeu_ps(totals.as_mut_ptr(), fold(&lines));
        }
    }
    totals
}

/// Adds the products of one vector of each row.
///
/// # Safety
/// As for [`multiply`]; the elements of every row that the mask holds must be readable.
#[inline(always)]
unsafe fn add<E: Element, const W: usize, const X: usize>(
    sums: &mut [[__m512; W]; X],
    weights: *const E,
    x: *const f32,
    width: usize,
    mask: u16,
) {
    // SAFETY: handed on to the caller.
    unsafe {
        // No closures: one that the compiler does not inline would be compiled without these instructions.
        let mut vectors = [_mm512_setzero_ps(); W];
        for (row, vector) in vectors.iter_mut().enumerate() {
            *vector = E::load(weights.add(row * width), mask);
        }
        for (row, sums) in sums.iter_mut().enumerate() {
            let x = f32::load(x.add(row * width), mask);
            for (sum, weight) in sums.iter_mut().zip(vectors) {
                *sum = _mm512_fmadd_ps(weight, x, *sum);
            }
        }
    }
}
