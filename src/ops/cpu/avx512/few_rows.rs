//! Products of few rows: dot products of whole rows, sixteen partial sums each, so many at once that the sums fill the
//! registers and each vector that is read serves several of them.

use super::element::Element;
use super::lines::fold;
use super::words::{Halves, Singles, Words, mask};
use half::bf16;
use std::arch::x86_64::*;
use std::marker::PhantomData;

/// Rows of the weight that are gone through side by side, and rows of x: 24 sums, 3 vectors of the weight, one of x.
const WEIGHTS: usize = 3;
const ROWS: usize = 8;
/// Sums that a register holds.
const LANES: usize = 16;
/// Cache lines that are asked for with each vector.
const LINES: usize = 3;

/// Some rows of a weight, and what they are multiplied with.
#[derive(Clone, Copy)]
pub struct Rows<'a, X, W> {
    /// n×`width`.
    pub x: &'a [X],
    /// Some rows of `width`, one after the other.
    pub weight: &'a [W],
    pub width: usize,
}

/// How vectors of x and of the weight are read. Every function needs what the kind's words need of the processor.
trait Operands {
    type X: Copy;
    type W: Copy;
    /// How they are multiplied.
    type Words: Words;
    /// Elements of a vector.
    const COUNT: usize = LANES * Self::Words::DEPTH;

    /// The next `count` elements of x, at most a vector's; zeros behind them.
    ///
    /// # Safety
    /// The processor must have the instructions; the elements must be readable.
    unsafe fn x(from: *const Self::X, count: usize) -> __m512;

    /// The same of the weight.
    ///
    /// # Safety
    /// As for [`Operands::x`].
    unsafe fn weight(from: *const Self::W, count: usize) -> __m512;
}

/// f32, to which the weight is widened.
struct Wide<E>(PhantomData<E>);

impl<E: Element> Operands for Wide<E> {
    type X = f32;
    type W = E;
    type Words = Singles;

    #[inline(always)]
    unsafe fn x(from: *const f32, count: usize) -> __m512 {
        // SAFETY: handed on to the caller.
        unsafe { f32::load(from, mask(count)) }
    }

    #[inline(always)]
    unsafe fn weight(from: *const E, count: usize) -> __m512 {
        // SAFETY: handed on to the caller.
        unsafe { E::load(from, mask(count)) }
    }
}

/// bfloat16 both.
struct Half;

impl Operands for Half {
    type X = bf16;
    type W = bf16;
    type Words = Halves;

    #[inline(always)]
    unsafe fn x(from: *const bf16, count: usize) -> __m512 {
        let mask = u32::from(mask(count)) | u32::from(mask(count.saturating_sub(LANES))) << LANES;
        // SAFETY: handed on to the caller.
        unsafe { _mm512_castsi512_ps(_mm512_maskz_loadu_epi16(mask, from.cast())) }
    }

    #[inline(always)]
    unsafe fn weight(from: *const bf16, count: usize) -> __m512 {
        // SAFETY: handed on to the caller.
        unsafe { Self::x(from, count) }
    }
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
        Self { start, stride: WEIGHTS * O::COUNT * size_of::<O::W>() / tiles }
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
pub unsafe fn multiply<E: Element>(rows: Rows<f32, E>, y: &mut [&mut [f32]]) {
    // SAFETY: handed on to the caller.
    unsafe { products::<Wide<E>>(rows, y) }
}

/// The same for operands in bfloat16, with sums over every sixteenth pair.
///
/// # Safety
/// [`has_bf16`](super::has_bf16) must hold.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub unsafe fn multiply_halves(rows: Rows<bf16, bf16>, y: &mut [&mut [f32]]) {
    // SAFETY: handed on to the caller.
    unsafe { products::<Half>(rows, y) }
}

/// `x` rounded to the nearest bfloat16, to even in the middle.
///
/// # Safety
/// [`has_bf16`](super::has_bf16) must hold.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub unsafe fn rounded(x: &[f32]) -> Vec<bf16> {
    let mut y = vec![bf16::ZERO; x.len()];
    for (x, y) in x.chunks(LANES).zip(y.chunks_mut(LANES)) {
        let mask = mask(x.len());
        // SAFETY: the mask is as wide as the chunks. A bit pattern of 256 bits is a value of each of these types.
        unsafe {
            let halves: __m256i = std::mem::transmute(_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, x.as_ptr())));
            _mm256_mask_storeu_epi16(y.as_mut_ptr().cast(), mask, halves);
        }
    }
    y
}

/// # Safety
/// The processor must have what `O` needs.
#[inline(always)]
unsafe fn products<O: Operands>(rows: Rows<O::X, O::W>, y: &mut [&mut [f32]]) {
    let Rows { x, weight, width } = rows;
    let tiles = y.len().div_ceil(ROWS);
    for (group, weights) in weight.chunks(width * WEIGHTS).enumerate() {
        let first = group * WEIGHTS;
        for (tile, (x, y)) in x.chunks(width * ROWS).zip(y.chunks_mut(ROWS)).enumerate() {
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

/// Cuts up to [`ROWS`] rows into tiles whose number of rows the compiler knows.
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
    let mut done = 0;
    for size in [ROWS, 4, 2, 1] {
        while y.len() - done >= size {
            let (x, y) = (&x[done * width..][..size * width], &mut y[done..][..size]);
            // SAFETY: handed on to the caller.
            unsafe {
                match size {
                    ROWS => tile::<O, W, ROWS>((weights, next), x, width, y, first),
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
        let mut sums = [[_mm512_setzero_ps(); W]; X];
        let mut place = 0;
        while place + O::COUNT <= width {
            next.prefetch(place / O::COUNT);
            add::<O, W, X>(&mut sums, weights.as_ptr().add(place), x.as_ptr().add(place), width, O::COUNT);
            place += O::COUNT;
        }
        if place < width {
            add::<O, W, X>(&mut sums, weights.as_ptr().add(place), x.as_ptr().add(place), width, width - place);
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
/// As for [`products`].
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
/// As for [`products`]; `count` elements of every row must be readable.
#[inline(always)]
unsafe fn add<O: Operands, const W: usize, const X: usize>(
    sums: &mut [[__m512; W]; X],
    weights: *const O::W,
    x: *const O::X,
    width: usize,
    count: usize,
) {
    // SAFETY: handed on to the caller.
    unsafe {
        // No closures: one that the compiler does not inline would be compiled without these instructions.
        let mut vectors = [_mm512_setzero_ps(); W];
        for (row, vector) in vectors.iter_mut().enumerate() {
            *vector = O::weight(weights.add(row * width), count);
        }
        for (row, sums) in sums.iter_mut().enumerate() {
            let x = O::x(x.add(row * width), count);
            for (sum, weight) in sums.iter_mut().zip(vectors) {
                *sum = O::Words::multiply_add(weight, x, *sum);
            }
        }
    }
}
