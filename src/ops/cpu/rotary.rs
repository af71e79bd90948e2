//! Rotary position embedding (Su et al. 2021, arXiv 2104.09864) in the half-split form of Hugging Face's Llama.

use super::simd;
use rayon::prelude::*;

/// Cosines and sines by position: rows of half a head's width.
pub struct Angles<'a> {
    pub cosines: &'a [f32],
    pub sines: &'a [f32],
    /// The position of each row of the input.
    pub positions: &'a [u32],
}

/// Rotates the first `heads` heads, each `dimension` wide, of every row of `x` (rows `stride` apart) in place; `sign`
/// is 1 forward and −1 for the gradient, which rotates back.
pub fn rotate(x: &mut [f32], stride: usize, heads: usize, dimension: usize, angles: &Angles, sign: f32) {
    let half = dimension / 2;
    x.par_chunks_exact_mut(stride).zip(angles.positions).with_min_len(16).for_each(|(row, &position)| {
        let at = position as usize * half;
        let (cosines, sines) = (&angles.cosines[at..at + half], &angles.sines[at..at + half]);
        simd!({
            for head in row[..heads * dimension].chunks_exact_mut(dimension) {
                let (low, high) = head.split_at_mut(half);
                for i in 0..half {
                    let (a, b, c, s) = (low[i], high[i], cosines[i], sines[i] * sign);
                    low[i] = a * c - b * s;
                    high[i] = b * c + a * s;
                }
            }
        });
    });
}
