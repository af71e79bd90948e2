//! Weights that are stored in 16 bits, on processors that multiply f32 alone.

use super::simd;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

/// A type of 16 bits that f32 can be made of.
pub trait Narrow: Copy + Sync {
    /// Writes what `from` stands for; both are of one length.
    fn widen(from: &[Self], to: &mut [f32]);
}

impl Narrow for bf16 {
    fn widen(from: &[Self], to: &mut [f32]) {
        let widen = |half: &bf16| f32::from_bits(u32::from(half.to_bits()) << 16);
        simd!(to.iter_mut().zip(from).for_each(|(wide, half)| *wide = widen(half)));
    }
}

impl Narrow for f16 {
    fn widen(from: &[Self], to: &mut [f32]) {
        from.convert_to_f32_slice(to);
    }
}
