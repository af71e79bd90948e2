//! Sixteen registers at once, of sixteen lanes each.

use std::arch::x86_64::*;

/// Transposes 16 × 16 words.
///
/// # Safety
/// The processor must have AVX-512 (F).
#[inline(always)]
pub unsafe fn transpose(lines: &mut [__m512; 16]) {
    // SAFETY: shuffles of registers; the processor has them, which the caller vouches for.
    unsafe {
        let mut pairs = [_mm512_setzero_ps(); 16];
        for i in 0..8 {
            pairs[2 * i] = _mm512_unpacklo_ps(lines[2 * i], lines[2 * i + 1]);
            pairs[2 * i + 1] = _mm512_unpackhi_ps(lines[2 * i], lines[2 * i + 1]);
        }
        let low = |a, b| _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
        let high = |a, b| _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
        for quad in pairs.chunks_exact_mut(4).zip(lines.chunks_exact_mut(4)) {
            let (pairs, lines) = quad;
            lines[0] = low(pairs[0], pairs[2]);
            lines[1] = high(pairs[0], pairs[2]);
            lines[2] = low(pairs[1], pairs[3]);
            lines[3] = high(pairs[1], pairs[3]);
        }
        // Now lane L of line 4i + c holds column 4L + c of rows 4i to 4i + 3.
        for c in 0..4 {
            let top = (
                _mm512_shuffle_f32x4::<0x88>(lines[c], lines[4 + c]),
                _mm512_shuffle_f32x4::<0xdd>(lines[c], lines[4 + c]),
            );
            let bottom = (
                _mm512_shuffle_f32x4::<0x88>(lines[8 + c], lines[12 + c]),
                _mm512_shuffle_f32x4::<0xdd>(lines[8 + c], lines[12 + c]),
            );
            lines[c] = _mm512_shuffle_f32x4::<0x88>(top.0, bottom.0);
            lines[8 + c] = _mm512_shuffle_f32x4::<0xdd>(top.0, bottom.0);
            lines[4 + c] = _mm512_shuffle_f32x4::<0x88>(top.1, bottom.1);
            lines[12 + c] = _mm512_shuffle_f32x4::<0xdd>(top.1, bottom.1);
        }
    }
}

/// The sum of each line's lanes: halves are added until one lane is left, the same bits as `_mm512_reduce_add_ps` gives for
/// each line.
///
/// # Safety
/// The processor must have AVX-512 (F).
#[inline(always)]
pub unsafe fn fold(lines: &[__m512; 16]) -> __m512 {
    // SAFETY: as above.
    unsafe {
        // Chunk c of the four-lane chunks of fours[e] comes from line 4c + e.
        let mut fours = [_mm512_setzero_ps(); 4];
        for (e, four) in fours.iter_mut().enumerate() {
            let (low, high) = (halves(lines[e], lines[4 + e]), halves(lines[8 + e], lines[12 + e]));
            let first = _mm512_shuffle_f32x4::<0x88>(low, high);
            *four = _mm512_add_ps(first, _mm512_shuffle_f32x4::<0xdd>(low, high));
        }
        let (low, high) = (twos(fours[0], fours[1]), twos(fours[2], fours[3]));
        _mm512_add_ps(_mm512_shuffle_ps::<0x88>(low, high), _mm512_shuffle_ps::<0xdd>(low, high))
    }
}

/// Eight lanes of each: the lower half of its lanes and the upper one added.
#[inline(always)]
unsafe fn halves(a: __m512, b: __m512) -> __m512 {
    // SAFETY: as above.
    unsafe { _mm512_add_ps(_mm512_shuffle_f32x4::<0x44>(a, b), _mm512_shuffle_f32x4::<0xee>(a, b)) }
}

/// Two lanes of each chunk of four lanes of each.
#[inline(always)]
unsafe fn twos(a: __m512, b: __m512) -> __m512 {
    // SAFETY: as above.
    unsafe { _mm512_add_ps(_mm512_shuffle_ps::<0x44>(a, b), _mm512_shuffle_ps::<0xee>(a, b)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_s_sum_is_that_of_the_line_alone() {
        if !super::super::is_available() {
            return;
        }
        let values: Vec<f32> = (0..256).map(|i| (i as f32 * 0.37).sin() * 1e3).collect();
        // SAFETY: the processor was asked; sixteen lanes of sixteen lines are the values.
        let (got, want) = unsafe { by_both(&values) };
        assert_eq!(got, want);
    }

    #[target_feature(enable = "avx512f")]
    unsafe fn by_both(values: &[f32]) -> ([f32; 16], [f32; 16]) {
        let (mut lines, mut got) = ([_mm512_setzero_ps(); 16], [0.0; 16]);
        for (line, values) in lines.iter_mut().zip(values.chunks_exact(16)) {
            // SAFETY: sixteen values are a register.
            *line = unsafe { _mm512_loadu_ps(values.as_ptr()) };
        }
        // SAFETY: as above.
        unsafe { _mm512_storeu_ps(got.as_mut_ptr(), fold(&lines)) };
        let mut want = [0.0; 16];
        for (sum, line) in want.iter_mut().zip(lines) {
            *sum = _mm512_reduce_add_ps(line);
        }
        (got, want)
    }
}
