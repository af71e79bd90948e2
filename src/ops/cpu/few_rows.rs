//! y = x Wᵀ (+ bias) (+ residual) for few rows, as generation has them: what it takes is reading the weight once from
//! memory, in its own order and without packing it. Each output is one sum in sixteen lanes, so that a row comes out
//! the same to the bit whatever rows are beside it.

use super::simd;
use rayon::prelude::*;

/// From more rows on, products of matrices are faster.
pub const MOST_ROWS: usize = 16;
/// Lanes of the summation order: one AVX-512 register.
const LANES: usize = 16;
/// Outputs of every row that one task computes.
const OUTPUTS: usize = 64;
/// Rows of the weight, and of x, whose products are summed side by side in registers.
const TILE: usize = 4;

/// `x` is n×`width_in`, `weight` is `width_out`×`width_in`; returns n×`width_out`.
pub fn forward(
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    residual: Option<&[f32]>,
    (width_in, width_out): (usize, usize),
) -> Vec<f32> {
    let mut y = vec![0.0; x.len() / width_in * width_out];
    // For each task its part of every row.
    let mut parts: Vec<Vec<&mut [f32]>> = Vec::new();
    parts.resize_with(width_out.div_ceil(OUTPUTS), Vec::new);
    for row in y.chunks_exact_mut(width_out) {
        parts.iter_mut().zip(row.chunks_mut(OUTPUTS)).for_each(|(part, outputs)| part.push(outputs));
    }
    parts.into_par_iter().zip(weight.par_chunks(width_in * OUTPUTS)).enumerate().for_each(
        |(task, (mut part, weight))| {
            let first = task * OUTPUTS;
            simd(|| {
                products(x, weight, width_in, &mut part);
                for (row, outputs) in part.iter_mut().enumerate() {
                    let bias = bias.map(|bias| &bias[first..]);
                    let residual = residual.map(|residual| &residual[row * width_out + first..]);
                    for term in [bias, residual].into_iter().flatten() {
                        super::vector::add_assign(outputs, term);
                    }
                }
            });
        },
    );
    y
}

/// Writes the products of all rows of `x` with the given rows of the weight.
#[inline(always)]
fn products(x: &[f32], weight: &[f32], width: usize, y: &mut [&mut [f32]]) {
    for (index, weights) in weight.chunks(width * TILE).enumerate() {
        let whole = weights.len() == width * TILE;
        for (rows, y) in x.chunks(width * TILE).zip(y.chunks_mut(TILE)) {
            match (whole, y.len()) {
                (true, TILE) => tile::<TILE, TILE>(weights, rows, width, y, index * TILE),
                (true, _) => {
                    for (row, y) in rows.chunks_exact(width).zip(y.chunks_exact_mut(1)) {
                        tile::<TILE, 1>(weights, row, width, y, index * TILE);
                    }
                }
                (false, _) => {
                    for (row, y) in rows.chunks_exact(width).zip(y.chunks_exact_mut(1)) {
                        for (i, weights) in weights.chunks_exact(width).enumerate() {
                            tile::<1, 1>(weights, row, width, y, index * TILE + i);
                        }
                    }
                }
            }
        }
    }
}

/// The products of W rows of the weight with X rows of x, into the outputs of each row from `at` on.
#[inline(always)]
fn tile<const W: usize, const X: usize>(weights: &[f32], x: &[f32], width: usize, y: &mut [&mut [f32]], at: usize) {
    let weights: [&[f32]; W] = std::array::from_fn(|i| &weights[i * width..(i + 1) * width]);
    let x: [&[f32]; X] = std::array::from_fn(|i| &x[i * width..(i + 1) * width]);
    let weight_lanes = weights.map(|row| row.as_chunks::<LANES>());
    let x_lanes = x.map(|row| row.as_chunks::<LANES>());
    let mut sums = [[[0f32; LANES]; X]; W];
    for place in 0..width / LANES {
        for (sums, (weights, _)) in sums.iter_mut().zip(&weight_lanes) {
            for (sums, (x, _)) in sums.iter_mut().zip(&x_lanes) {
                for lane in 0..LANES {
                    sums[lane] += weights[place][lane] * x[place][lane];
                }
            }
        }
    }
    for (i, (sums, (_, weight_rest))) in sums.iter().zip(&weight_lanes).enumerate() {
        for ((sums, (_, x_rest)), y) in sums.iter().zip(&x_lanes).zip(y.iter_mut()) {
            let rest: f32 = weight_rest.iter().zip(*x_rest).map(|(a, b)| a * b).sum();
            y[at + i] = add_lanes(*sums) + rest;
        }
    }
}

/// The sum of all lanes, by halves.
#[inline(always)]
fn add_lanes(mut lanes: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small integers: sums are exact, whatever their order.
    fn integers(count: usize, step: usize) -> Vec<f32> {
        (0..count).map(|i| (i * step % 11) as f32 - 5.0).collect()
    }

    #[test]
    fn agrees_with_the_definition_on_edge_shapes() {
        for (rows, width_in, width_out) in [(1, 1, 1), (1, 40, 3), (2, 15, 65), (4, 33, 130), (7, 16, 66), (16, 3, 64)]
        {
            let (x, weight) = (integers(rows * width_in, 3), integers(width_out * width_in, 7));
            let (bias, residual) = (integers(width_out, 5), integers(rows * width_out, 2));
            for (bias, residual) in [(None, None), (Some(&bias[..]), None), (Some(&bias[..]), Some(&residual[..]))] {
                let y = forward(&x, &weight, bias, residual, (width_in, width_out));
                for (i, row) in x.chunks(width_in).enumerate() {
                    for (o, weight) in weight.chunks(width_in).enumerate() {
                        let product: f32 = row.iter().zip(weight).map(|(a, b)| a * b).sum();
                        let rest = bias.map_or(0.0, |b| b[o]) + residual.map_or(0.0, |r| r[i * width_out + o]);
                        assert_eq!(y[i * width_out + o], product + rest, "{rows}×{width_in}×{width_out} {i},{o}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_row_is_the_same_to_the_bit_whatever_is_beside_it() {
        let (width_in, width_out) = (53, 70);
        let values = |count: usize| (0..count).map(|i| (i as f32 * 0.7).sin()).collect::<Vec<_>>();
        let (x, weight) = (values(16 * width_in), values(width_out * width_in));
        let together = forward(&x, &weight, None, None, (width_in, width_out));
        for (row, together) in x.chunks(width_in).zip(together.chunks(width_out)) {
            assert_eq!(forward(row, &weight, None, None, (width_in, width_out)), together);
        }
        for rows in [2, 3, 5] {
            let some = forward(&x[..rows * width_in], &weight, None, None, (width_in, width_out));
            assert_eq!(some, together[..rows * width_out]);
        }
    }
}
