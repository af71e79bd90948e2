//! How the elements of b are stored.

use half::{bf16, f16};
use std::arch::x86_64::*;

/// A type that sixteen f32 can be made of.
pub trait Element: Copy + Send + Sync {
    /// The elements at `from` whose bit in `mask` is set, zeros elsewhere.
    ///
    /// # Safety
    /// The processor must have AVX-512 (F, BW, VL); the elements must be readable.
    unsafe fn load(from: *const Self, mask: u16) -> __m512;
}

impl Element for f32 {
    #[inline(always)]
    unsafe fn load(from: *const Self, mask: u16) -> __m512 {
        // SAFETY: handed on to the caller.
        unsafe { _mm512_maskz_loadu_ps(mask, from) }
    }
}

impl Element for bf16 {
    #[inline(always)]
    unsafe fn load(from: *const Self, mask: u16) -> __m512 {
        // SAFETY: handed on to the caller.
        unsafe {
            let halves = _mm256_maskz_loadu_epi16(mask, from.cast());
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(halves)))
        }
    }
}

impl Element for f16 {
    #[inline(always)]
    unsafe fn load(from: *const Self, mask: u16) -> __m512 {
        // SAFETY: handed on to the caller.
        unsafe { _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, from.cast())) }
    }
}
