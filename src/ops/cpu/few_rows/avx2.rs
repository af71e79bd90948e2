//! For processors with AVX2 but without AVX-512: operands in f32.

use super::tiles::{MOST_SUMS, Operands, Register, Rows, products};
use half::{bf16, f16};
use std::arch::x86_64::*;
use std::marker::PhantomData;

/// Sums that a register holds.
const LANES: usize = 8;

impl Register for __m256 {
    const ROWS: usize = 4;

    #[inline(always)]
    unsafe fn zero() -> __m256 {
        // SAFETY: handed on to the caller.
        unsafe { _mm256_setzero_ps() }
    }

    #[inline(always)]
    unsafe fn totals(sums: &[__m256]) -> [f32; MOST_SUMS] {
        let mut totals = [0.0; MOST_SUMS];
        for (sum, total) in sums.iter().zip(&mut totals) {
            // SAFETY: handed on to the caller.
            *total = unsafe { fold(*sum) };
        }
        totals
    }
}

/// Whether these can run here.
pub fn is_available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
}

/// A type that eight f32 can be made of.
pub trait Element: Copy + Send + Sync {
    /// What stands behind the end of a row.
    const ZERO: Self;

    /// # Safety
    /// The processor must have AVX2 and F16C; eight elements must be readable.
    unsafe fn load(from: *const Self) -> __m256;
}

impl Element for f32 {
    const ZERO: Self = 0.0;

    #[inline(always)]
    unsafe fn load(from: *const Self) -> __m256 {
        // SAFETY: handed on to the caller.
        unsafe { _mm256_loadu_ps(from) }
    }
}

impl Element for bf16 {
    const ZERO: Self = bf16::ZERO;

    #[inline(always)]
    unsafe fn load(from: *const Self) -> __m256 {
        // SAFETY: handed on to the caller.
        unsafe {
            let halves = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(halves))
        }
    }
}

impl Element for f16 {
    const ZERO: Self = f16::ZERO;

    #[inline(always)]
    unsafe fn load(from: *const Self) -> __m256 {
        // SAFETY: handed on to the caller.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) }
    }
}

/// The next `count` elements; zeros behind them.
///
/// # Safety
/// The processor must have AVX2 and F16C; the elements must be readable.
#[inline(always)]
unsafe fn load<E: Element>(from: *const E, count: usize) -> __m256 {
    // SAFETY: handed on to the caller; where there are fewer than eight, eight others are read.
    unsafe {
        if count >= LANES {
            return E::load(from);
        }
        let mut rest = [E::ZERO; LANES];
        for (place, element) in rest.iter_mut().enumerate().take(count) {
            *element = from.add(place).read();
        }
        E::load(rest.as_ptr())
    }
}

/// f32, to which the weight is widened.
struct Wide<E>(PhantomData<E>);

impl<E: Element> Operands for Wide<E> {
    type X = f32;
    type W = E;
    type Vector = __m256;
    const COUNT: usize = LANES;

    #[inline(always)]
    unsafe fn x(from: *const f32, count: usize) -> __m256 {
        // SAFETY: handed on to the caller.
        unsafe { load(from, count) }
    }

    #[inline(always)]
    unsafe fn weight(from: *const E, count: usize) -> __m256 {
        // SAFETY: handed on to the caller.
        unsafe { load(from, count) }
    }

    #[inline(always)]
    unsafe fn multiply_add(weight: __m256, x: __m256, sum: __m256) -> __m256 {
        // SAFETY: handed on to the caller.
        unsafe { _mm256_fmadd_ps(weight, x, sum) }
    }
}

/// The sum of the lanes: halves are added until one lane is left.
#[inline(always)]
unsafe fn fold(sum: __m256) -> f32 {
    // SAFETY: handed on to the caller.
    unsafe {
        let four = _mm_add_ps(_mm256_castps256_ps128(sum), _mm256_extractf128_ps::<1>(sum));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
    }
}

/// See [`products`].
///
/// # Safety
/// [`is_available`] must hold.
#[target_feature(enable = "avx2,fma,f16c")]
pub unsafe fn multiply<E: Element>(rows: Rows<f32, E>, y: &mut [&mut [f32]]) {
    // SAFETY: handed on to the caller.
    unsafe { products::<Wide<E>>(rows, y) }
}
