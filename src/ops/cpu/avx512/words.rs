//! The words that panels are made of: 32 bits wide, an f32 or a pair of bfloat16 that follow each other along k.

use std::arch::x86_64::*;

/// What a kernel multiplies. Every function needs what [`Words`] of its kind need of the processor.
pub trait Words {
    /// Elements along k in a word.
    const DEPTH: usize;

    /// Sixteen words from the next `16 · DEPTH` elements along k: `load(offset, mask)` gives sixteen of them.
    ///
    /// # Safety
    /// The processor must have the instructions.
    unsafe fn along(left: usize, load: impl Fn(usize, u16) -> __m512) -> __m512;

    /// Sixteen words that stand side by side across k, of `left` elements along it: `load(offset along k)` gives sixteen.
    ///
    /// # Safety
    /// The processor must have the instructions.
    unsafe fn across(left: usize, load: impl Fn(usize) -> __m512) -> __m512;

    /// sum + a · b, lane by lane.
    ///
    /// # Safety
    /// The processor must have the instructions.
    unsafe fn multiply_add(a: __m512, b: __m512, sum: __m512) -> __m512;
}

/// The lowest `count` bits of sixteen.
#[inline(always)]
pub fn mask(count: usize) -> u16 {
    if count >= 16 { u16::MAX } else { (1 << count) - 1 }
}

/// f32.
pub struct Singles;

impl Words for Singles {
    const DEPTH: usize = 1;

    #[inline(always)]
    unsafe fn along(left: usize, load: impl Fn(usize, u16) -> __m512) -> __m512 {
        load(0, mask(left))
    }

    #[inline(always)]
    unsafe fn across(left: usize, load: impl Fn(usize) -> __m512) -> __m512 {
        // SAFETY: handed on to the caller.
        if left > 0 { load(0) } else { unsafe { _mm512_setzero_ps() } }
    }

    #[inline(always)]
    unsafe fn multiply_add(a: __m512, b: __m512, sum: __m512) -> __m512 {
        // SAFETY: handed on to the caller.
        unsafe { _mm512_fmadd_ps(a, b, sum) }
    }
}

/// Pairs of bfloat16, rounded to the nearest (to even in the middle); sums are f32. Subnormal numbers count as zero.
pub struct Halves;

/// For each word the places of its two halves, where all first halves stand before all second ones.
const INTERLEAVED: [u16; 32] = {
    let mut places = [0; 32];
    let mut word = 0;
    while word < 16 {
        places[2 * word] = word as u16;
        places[2 * word + 1] = 16 + word as u16;
        word += 1;
    }
    places
};

impl Words for Halves {
    const DEPTH: usize = 2;

    #[inline(always)]
    unsafe fn along(left: usize, load: impl Fn(usize, u16) -> __m512) -> __m512 {
        let first = load(0, mask(left));
        // SAFETY: handed on to the caller. A bit pattern of 512 bits is a value of each of these types.
        unsafe {
            let second = if left > 16 { load(16, mask(left - 16)) } else { _mm512_setzero_ps() };
            std::mem::transmute(_mm512_cvtne2ps_pbh(second, first))
        }
    }

    #[inline(always)]
    unsafe fn across(left: usize, load: impl Fn(usize) -> __m512) -> __m512 {
        // SAFETY: handed on to the caller.
        let first = if left > 0 { load(0) } else { return unsafe { _mm512_setzero_ps() } };
        // SAFETY: as above; the places are 32 numbers of 16 bits.
        unsafe {
            let second = if left > 1 { load(1) } else { _mm512_setzero_ps() };
            let halves: __m512i = std::mem::transmute(_mm512_cvtne2ps_pbh(second, first));
            let places = _mm512_loadu_si512(INTERLEAVED.as_ptr().cast());
            _mm512_castsi512_ps(_mm512_permutexvar_epi16(places, halves))
        }
    }

    #[inline(always)]
    unsafe fn multiply_add(a: __m512, b: __m512, sum: __m512) -> __m512 {
        // SAFETY: as above.
        unsafe {
            _mm512_dpbf16_ps(
                sum,
                std::mem::transmute::<__m512, __m512bh>(a),
                std::mem::transmute::<__m512, __m512bh>(b),
            )
        }
    }
}
