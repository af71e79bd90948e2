//! New memory that all threads write to. Clearing it first would be a pass over memory by one thread alone: several
//! percent of a step.

use rayon::prelude::*;
use std::mem::MaybeUninit;

/// A vector of `length` elements: `fill` is given the index of a chunk of `chunk` elements, and the chunk. The last one
/// may be shorter.
///
/// # Safety
/// `fill` must write every element of its chunk.
pub unsafe fn filled(length: usize, chunk: usize, fill: impl Fn(usize, &mut [MaybeUninit<f32>]) + Sync) -> Vec<f32> {
    let mut values = Vec::with_capacity(length);
    let chunks = values.spare_capacity_mut()[..length].par_chunks_mut(chunk);
    chunks.enumerate().for_each(|(index, chunk)| fill(index, chunk));
    // SAFETY: the caller promises that every element was written.
    unsafe { values.set_len(length) };
    values
}

/// Elements of a chunk of zeros.
const ZEROS: usize = 1 << 16;

/// Zeros, written by all threads.
pub fn zeros(length: usize) -> Vec<f32> {
    // SAFETY: every element of a chunk is written.
    unsafe { filled(length, ZEROS, |_, chunk| chunk.fill(MaybeUninit::new(0.0))) }
}

/// f(x) for every element.
#[inline(always)]
pub fn map(x: &[f32], chunk: usize, f: impl Fn(f32) -> f32 + Sync) -> Vec<f32> {
    let fill = |index: usize, y: &mut [MaybeUninit<f32>]| {
        let x = &x[index * chunk..][..y.len()];
        super::simd!({
            y.iter_mut().zip(x).for_each(|(y, &x)| {
                y.write(f(x));
            })
        });
    };
    // SAFETY: `x` has as many elements as the chunk, and each is written to its place.
    unsafe { filled(x.len(), chunk, fill) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_written_at_its_place() {
        let x: Vec<f32> = (0..100_003).map(|i| i as f32).collect();
        assert_eq!(map(&x, 1000, |x| x + 1.0), x.iter().map(|x| x + 1.0).collect::<Vec<_>>());
        assert_eq!(zeros(70_001), vec![0.0; 70_001]);
        assert!(map(&[], 10, |x| x).is_empty() && zeros(0).is_empty());
    }
}
