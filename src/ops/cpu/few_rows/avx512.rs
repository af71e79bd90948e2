//! For processors with AVX-512: operands in f32, or in bfloat16 both.

use super::super::avx512::{Element, Halves, Singles, Words, fold, mask};
use super::tiles::{MOST_SUMS, Operands, Register, Rows, products};
use half::bf16;
use std::arch::x86_64::*;
use std::marker::PhantomData;

/// Sums that a register holds.
const LANES: usize = 16;

impl Register for __m512 {
    const ROWS: usize = 8;

    #[inline(always)]
    unsafe fn zero() -> __m512 {
        // SAFETY: handed on to the caller.
        unsafe { _mm512_setzero_ps() }
    }

    /// Sixteen sums at once.
    #[inline(always)]
    unsafe fn totals(sums: &[__m512]) -> [f32; MOST_SUMS] {
        let mut totals = [0.0; MOST_SUMS];
        for (sums, totals) in sums.chunks(LANES).zip(totals.chunks_exact_mut(LANES)) {
            // SAFETY: handed on to the caller; sixteen totals have room.
            unsafe {
                let mut lines = [_mm512_setzero_ps(); LANES];
                lines[..sums.len()].copy_from_slice(sums);
                _mm512_storeu_ps(totals.as_mut_ptr(), fold(&lines));
            }
        }
        totals
    }
}

/// f32, to which the weight is widened.
struct Wide<E>(PhantomData<E>);

impl<E: Element> Operands for Wide<E> {
    type X = f32;
    type W = E;
    type Vector = __m512;
    const COUNT: usize = LANES;

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

    #[inline(always)]
    unsafe fn multiply_add(weight: __m512, x: __m512, sum: __m512) -> __m512 {
        // SAFETY: handed on to the caller.
        unsafe { Singles::multiply_add(weight, x, sum) }
    }
}

/// bfloat16 both, with sums over every sixteenth pair.
struct Half;

impl Operands for Half {
    type X = bf16;
    type W = bf16;
    type Vector = __m512;
    const COUNT: usize = 2 * LANES;

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

    #[inline(always)]
    unsafe fn multiply_add(weight: __m512, x: __m512, sum: __m512) -> __m512 {
        // SAFETY: handed on to the caller.
        unsafe { Halves::multiply_add(weight, x, sum) }
    }
}

/// See [`products`].
///
/// # Safety
/// [`is_available`](super::super::avx512::is_available) must hold.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub unsafe fn multiply<E: Element>(rows: Rows<f32, E>, y: &mut [&mut [f32]]) {
    // SAFETY: handed on to the caller.
    unsafe { products::<Wide<E>>(rows, y) }
}

/// The same for operands in bfloat16.
///
/// # Safety
/// [`has_bf16`](super::super::avx512::has_bf16) must hold.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub unsafe fn multiply_halves(rows: Rows<bf16, bf16>, y: &mut [&mut [f32]]) {
    // SAFETY: handed on to the caller.
    unsafe { products::<Half>(rows, y) }
}

/// `x` rounded to the nearest bfloat16, to even in the middle.
///
/// # Safety
/// [`has_bf16`](super::super::avx512::has_bf16) must hold.
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
