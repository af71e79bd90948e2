//! The same with vectors of whatever the processor has, or none.

use pulp::{Simd, WithSimd};

/// Rows of the weight, and of x, that are gone through side by side.
const TILE: usize = 4;

/// The products of all rows of `x` with some rows of the weight.
pub struct Products<'a, 'b> {
    pub x: &'a [f32],
    pub weight: &'a [f32],
    pub width: usize,
    pub y: &'a mut [&'b mut [f32]],
}

impl WithSimd for Products<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, weight, width, y } = self;
        for (index, weights) in weight.chunks(width * TILE).enumerate() {
            let (first, is_whole) = (index * TILE, weights.len() == width * TILE);
            for (rows, y) in x.chunks(width * TILE).zip(y.chunks_mut(TILE)) {
                if is_whole && y.len() == TILE {
                    // Eight sums at once, for which sixteen registers do.
                    let (low, high) = weights.split_at(width * TILE / 2);
                    tile::<S, 2, TILE>(simd, low, rows, width, y, first);
                    tile::<S, 2, TILE>(simd, high, rows, width, y, first + TILE / 2);
                    continue;
                }
                for (row, y) in rows.chunks_exact(width).zip(y.chunks_exact_mut(1)) {
                    if is_whole {
                        tile::<S, TILE, 1>(simd, weights, row, width, y, first);
                        continue;
                    }
                    for (i, weight) in weights.chunks_exact(width).enumerate() {
                        tile::<S, 1, 1>(simd, weight, row, width, y, first + i);
                    }
                }
            }
        }
    }
}

/// The products of W rows of the weight with X rows of x, into the outputs of each row from `first` on.
#[inline(always)]
fn tile<S: Simd, const W: usize, const X: usize>(
    simd: S,
    weights: &[f32],
    x: &[f32],
    width: usize,
    y: &mut [&mut [f32]],
    first: usize,
) {
    let weights: [_; W] = std::array::from_fn(|i| S::as_simd_f32s(&weights[i * width..][..width]));
    let x: [_; X] = std::array::from_fn(|i| S::as_simd_f32s(&x[i * width..][..width]));
    let mut sums = [[simd.splat_f32s(0.0); X]; W];
    for place in 0..weights[0].0.len() {
        for w in 0..W {
            for r in 0..X {
                sums[w][r] = simd.mul_add_e_f32s(weights[w].0[place], x[r].0[place], sums[w][r]);
            }
        }
    }
    for w in 0..W {
        for r in 0..X {
            let rest: f32 = weights[w].1.iter().zip(x[r].1).map(|(a, b)| a * b).sum();
            y[r][first + w] = simd.reduce_sum_f32s(sums[w][r]) + rest;
        }
    }
}
