//! y = x Wᵀ (+ bias) (+ residual) for few rows, as generation has them: what it takes is reading the weight once from
//! memory, in its own order and without packing it. Each output is a sum of its own, so that a row comes out the same to
//! the bit whatever rows are beside it.

use super::super::Precision;
#[cfg(target_arch = "x86_64")]
use super::avx512;
use super::linear::Weight;
use super::matmul::Operand;
use super::{simd, vector};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

/// From more rows on, products of matrices are faster.
pub const MOST_ROWS: usize = 16;
/// Outputs of every row that one task computes: tiles of three and of four rows of the weight fit.
const OUTPUTS: usize = 48;
/// Rows of the weight, and of x, that are gone through side by side.
const TILE: usize = 4;

#[cfg(target_arch = "x86_64")]
use avx512::Element;
#[cfg(not(target_arch = "x86_64"))]
trait Element {}
#[cfg(not(target_arch = "x86_64"))]
impl<T> Element for T {}

/// A type that weights are stored in.
trait Stored: Element + Copy + Sync {
    /// The same in f32, in `scratch` where it is not so already.
    fn widen<'a>(weights: &'a [Self], scratch: &'a mut Vec<f32>) -> &'a [f32];
}

impl Stored for f32 {
    fn widen<'a>(weights: &'a [Self], _scratch: &'a mut Vec<f32>) -> &'a [f32] {
        weights
    }
}

impl Stored for bf16 {
    fn widen<'a>(weights: &'a [Self], scratch: &'a mut Vec<f32>) -> &'a [f32] {
        scratch.resize(weights.len(), 0.0);
        let widen = |weight: &bf16| f32::from_bits(u32::from(weight.to_bits()) << 16);
        simd!(scratch.iter_mut().zip(weights).for_each(|(wide, weight)| *wide = widen(weight)));
        scratch
    }
}

impl Stored for f16 {
    fn widen<'a>(weights: &'a [Self], scratch: &'a mut Vec<f32>) -> &'a [f32] {
        scratch.resize(weights.len(), 0.0);
        weights.convert_to_f32_slice(scratch);
        scratch
    }
}

/// `x` is n×`width_in`; `bias`, `width_out`, and `residual`, n×`width_out`, are added; the weight's rows stand one after the
/// other. Returns n×`width_out`. Rounding `x` saves nothing but where the weight is stored in bfloat16 as well: elsewhere the
/// weight's precision is not asked.
pub fn forward(x: &[f32], weight: Weight, bias: Option<&[f32]>, residual: Option<&[f32]>) -> Vec<f32> {
    let Weight { matrix, width_in, width_out, precision } = weight;
    let out = Outputs { rows: x.len() / width_in, width_in, width_out, bias, residual };
    let rounds = precision == Precision::Bf16 && super::has_bf16();
    match matrix {
        Operand::F32(weight) => widened(x, weight.data(), out),
        Operand::Bf16(weight) if rounds => rounded(x, weight.data(), out),
        Operand::Bf16(weight) => widened(x, weight.data(), out),
        Operand::F16(weight) => widened(x, weight.data(), out),
    }
}

/// Products in f32.
fn widened<E: Stored>(x: &[f32], weight: &[E], out: Outputs) -> Vec<f32> {
    let arch = pulp::Arch::new();
    out.fill(weight, |weight, part, scratch| {
        #[cfg(target_arch = "x86_64")]
        if avx512::is_available() {
            let rows = avx512::few_rows::Rows { x, weight, width: out.width_in };
            // SAFETY: the processor has what is needed.
            return unsafe { avx512::few_rows::multiply(rows, part) };
        }
        arch.dispatch(Products { x, weight: E::widen(weight, scratch), width: out.width_in, y: part });
    })
}

/// Products of operands in bfloat16, on a processor that has them.
#[cfg(target_arch = "x86_64")]
fn rounded(x: &[f32], weight: &[bf16], out: Outputs) -> Vec<f32> {
    // SAFETY: the caller asked the processor.
    let x: &[bf16] = &unsafe { avx512::few_rows::rounded(x) };
    out.fill(weight, |weight, part, _| {
        let rows = avx512::few_rows::Rows { x, weight, width: out.width_in };
        // SAFETY: as above.
        unsafe { avx512::few_rows::multiply_halves(rows, part) }
    })
}

/// No such processor has them as yet.
#[cfg(not(target_arch = "x86_64"))]
fn rounded(x: &[f32], weight: &[bf16], out: Outputs) -> Vec<f32> {
    widened(x, weight, out)
}

/// What is computed, apart from the products.
#[derive(Clone, Copy)]
struct Outputs<'a> {
    rows: usize,
    width_in: usize,
    width_out: usize,
    bias: Option<&'a [f32]>,
    residual: Option<&'a [f32]>,
}

impl Outputs<'_> {
    /// All outputs, rows×`width_out`: `products` is given some rows of the weight, and for each row of x the places of their
    /// outputs.
    fn fill<E: Sync>(self, weight: &[E], products: impl Fn(&[E], &mut [&mut [f32]], &mut Vec<f32>) + Sync) -> Vec<f32> {
        let Self { rows, width_in, width_out, .. } = self;
        let mut y = vec![0.0; rows * width_out];
        let mut parts: Vec<Vec<&mut [f32]>> = Vec::new();
        parts.resize_with(width_out.div_ceil(OUTPUTS), Vec::new);
        for row in y.chunks_exact_mut(width_out) {
            parts.iter_mut().zip(row.chunks_mut(OUTPUTS)).for_each(|(part, outputs)| part.push(outputs));
        }
        let tasks = parts.into_par_iter().zip(weight.par_chunks(width_in * OUTPUTS)).enumerate();
        tasks.for_each_init(Vec::new, |scratch, (task, (mut part, weight))| {
            products(weight, &mut part, scratch);
            self.add_terms(task * OUTPUTS, &mut part);
        });
        y
    }

    /// Adds what is added to the outputs from `first` on.
    fn add_terms(&self, first: usize, part: &mut [&mut [f32]]) {
        for (row, outputs) in part.iter_mut().enumerate() {
            let bias = self.bias.map(|bias| &bias[first..]);
            let residual = self.residual.map(|residual| &residual[row * self.width_out + first..]);
            [bias, residual].into_iter().flatten().for_each(|term| vector::add_assign(outputs, term));
        }
    }
}

/// The products of all rows of `x` with some rows of the weight.
struct Products<'a, 'b> {
    x: &'a [f32],
    weight: &'a [f32],
    width: usize,
    y: &'a mut [&'b mut [f32]],
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
                    // Eight sums at once: AVX2 has 16 registers.
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

#[cfg(test)]
mod tests {
    use super::super::matmul::Matrix;
    use super::*;

    fn of<'a>(matrix: impl Into<Operand<'a>>, width_in: usize, width_out: usize) -> Weight<'a> {
        Weight { matrix: matrix.into(), width_in, width_out, precision: Precision::F32 }
    }

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
                let y = forward(&x, of(Matrix::new(&weight, width_in), width_in, width_out), bias, residual);
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

    /// What processors without AVX-512 do.
    #[test]
    fn the_plain_way_agrees_with_the_definition() {
        for (rows, width, outputs) in [(1, 40, 3), (4, 33, 8), (7, 16, 48), (16, 3, 47)] {
            let (x, weight) = (integers(rows * width, 3), integers(outputs * width, 7));
            let mut y = vec![0.0; rows * outputs];
            let mut parts: Vec<&mut [f32]> = y.chunks_mut(outputs).collect();
            pulp::Arch::new().dispatch(Products { x: &x, weight: &weight, width, y: &mut parts });
            let weight = of(Matrix::new(&weight, width), width, outputs);
            assert_eq!(y, forward(&x, weight, None, None), "{rows}×{width}×{outputs}");
        }
    }

    #[test]
    fn a_row_is_the_same_to_the_bit_whatever_is_beside_it() {
        let (width_in, width_out) = (53, 70);
        let values = |count: usize| (0..count).map(|i| (i as f32 * 0.7).sin()).collect::<Vec<_>>();
        let (x, weight) = (values(16 * width_in), values(width_out * width_in));
        let weight = of(Matrix::new(&weight, width_in), width_in, width_out);
        let together = forward(&x, weight, None, None);
        for (row, together) in x.chunks(width_in).zip(together.chunks(width_out)) {
            assert_eq!(forward(row, weight, None, None), together);
        }
        for rows in [2, 3, 5] {
            let some = forward(&x[..rows * width_in], weight, None, None);
            assert_eq!(some, together[..rows * width_out]);
        }
    }

    #[test]
    fn weights_in_half_precision_are_what_they_stand_for() {
        // Small integers are themselves in each type.
        let (x, weight) = (integers(3 * 37, 3), integers(70 * 37, 7));
        let bf16: Vec<bf16> = weight.iter().map(|&w| bf16::from_f32(w)).collect();
        let f16: Vec<f16> = weight.iter().map(|&w| f16::from_f32(w)).collect();
        let want = forward(&x, of(Matrix::new(&weight, 37), 37, 70), None, None);
        assert_eq!(forward(&x, of(Operand::Bf16(Matrix::new(&bf16, 37)), 37, 70), None, None), want);
        assert_eq!(forward(&x, of(Operand::F16(Matrix::new(&f16, 37)), 37, 70), None, None), want);
    }

    /// Integers that bfloat16 has, so that the sums are exact; the value of each row does not depend on what is beside it.
    #[test]
    fn rounded_rows_agree_with_the_definition_and_do_not_depend_on_each_other() {
        for (rows, width_in, width_out) in [(1, 1, 1), (2, 15, 65), (7, 33, 130), (16, 70, 50)] {
            let (x, weight) = (integers(rows * width_in, 3), integers(width_out * width_in, 7));
            let weight: Vec<bf16> = weight.iter().map(|&w| bf16::from_f32(w)).collect();
            let weight = of(Operand::Bf16(Matrix::new(&weight, width_in)), width_in, width_out);
            let of = |x: &[f32], precision| forward(x, Weight { precision, ..weight }, None, None);
            assert_eq!(of(&x, Precision::Bf16), of(&x, Precision::F32), "{rows}×{width_in}×{width_out}");
            let x: Vec<f32> = (0..rows * width_in).map(|i| (i as f32 * 0.7).sin()).collect();
            let together = of(&x, Precision::Bf16);
            for (row, together) in x.chunks(width_in).zip(together.chunks(width_out)) {
                assert_eq!(of(row, Precision::Bf16), together);
            }
            let rounded: Vec<f32> = x.iter().map(|&x| bf16::from_f32(x).to_f32()).collect();
            for (got, want) in together.iter().zip(of(&rounded, Precision::F32)) {
                let tolerance = if super::super::has_bf16() { 1e-4 } else { 1e-1 };
                assert!((got - want).abs() < tolerance, "{got} instead of {want}");
            }
        }
    }
}
