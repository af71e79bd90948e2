//! y = x Wᵀ (+ bias) (+ residual) for few rows, as generation has them: what it takes is reading the weight once from
//! memory, in its own order and without packing it. Each output is a sum of its own, so that a row comes out the same to
//! the bit whatever rows are beside it; but tiles of bfloat16, which some processors have, round otherwise than vectors do
//! with fewer rows.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod plain;
#[cfg(target_arch = "x86_64")]
mod tiles;

use super::super::Precision;
use super::linear::Weight;
use super::matmul::Operand;
use super::narrow::Narrow;
use super::vector;
use half::{bf16, f16};
use plain::Products;
use rayon::prelude::*;
#[cfg(target_arch = "x86_64")]
use tiles::Rows;

/// From more rows on, products of matrices are faster.
pub const MOST_ROWS: usize = 16;
/// Rows from which tiles of bfloat16 are faster, where the processor has them: with fewer it takes reading the weight from
/// memory, which goes up to a fifth slower in the order of tiles.
#[cfg(target_arch = "x86_64")]
const FEWEST_IN_TILES: usize = 5;
/// Outputs of every row that one task computes: tiles of three and of four rows of the weight fit.
const OUTPUTS: usize = 48;

/// What vectors can be made of here.
#[cfg(target_arch = "x86_64")]
trait Element: super::avx512::Element + avx2::Element {}
#[cfg(target_arch = "x86_64")]
impl<T: super::avx512::Element + avx2::Element> Element for T {}
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
        in_f32(weights, scratch)
    }
}

impl Stored for f16 {
    fn widen<'a>(weights: &'a [Self], scratch: &'a mut Vec<f32>) -> &'a [f32] {
        in_f32(weights, scratch)
    }
}

fn in_f32<'a, E: Narrow>(weights: &[E], scratch: &'a mut Vec<f32>) -> &'a [f32] {
    scratch.resize(weights.len(), 0.0);
    E::widen(weights, scratch);
    scratch
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
        {
            let rows = Rows { x, weight, width: out.width_in };
            if super::avx512::is_available() {
                // SAFETY: the processor has what is needed.
                return unsafe { avx512::multiply(rows, part) };
            }
            if avx2::is_available() {
                // SAFETY: as above.
                return unsafe { avx2::multiply(rows, part) };
            }
        }
        arch.dispatch(Products { x, weight: E::widen(weight, scratch), width: out.width_in, y: part });
    })
}

/// Products of operands in bfloat16, on a processor that has them.
#[cfg(target_arch = "x86_64")]
fn rounded(x: &[f32], weight: &[bf16], out: Outputs) -> Vec<f32> {
    // SAFETY: the caller asked the processor.
    let x: &[bf16] = &unsafe { avx512::rounded(x) };
    if out.rows >= FEWEST_IN_TILES && super::avx512::has_tiles() && amx::Columns::fit(out.width_in) {
        // SAFETY: the processor was asked, and the width.
        let columns = unsafe { amx::Columns::new(x, out.width_in) };
        // SAFETY: as above.
        return out.fill(weight, |weight, part, _| unsafe { amx::multiply(&columns, weight, part) });
    }
    out.fill(weight, |weight, part, _| {
        let rows = Rows { x, weight, width: out.width_in };
        // SAFETY: as above.
        unsafe { avx512::multiply_halves(rows, part) }
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

    /// What is done without the widest instructions that this processor has.
    #[test]
    fn every_way_agrees_with_the_definition() {
        for (rows, width, outputs) in [(1, 40, 3), (4, 33, 8), (7, 16, 48), (16, 3, 47), (5, 71, 2)] {
            let (x, weight) = (integers(rows * width, 3), integers(outputs * width, 7));
            let (bf16, f16) = halves(&weight);
            let want = forward(&x, of(Matrix::new(&weight, width), width, outputs), None, None);
            let agrees = |way: &dyn Fn(&mut [&mut [f32]])| {
                let mut y = vec![0.0; rows * outputs];
                way(&mut y.chunks_mut(outputs).collect::<Vec<_>>());
                assert_eq!(y, want, "{rows}×{width}×{outputs}");
            };
            agrees(&|y| pulp::Arch::new().dispatch(Products { x: &x, weight: &weight, width, y }));
            #[cfg(target_arch = "x86_64")]
            if avx2::is_available() {
                let x = &x[..];
                // SAFETY: the processor was asked.
                unsafe {
                    agrees(&|y| avx2::multiply(Rows { x, weight: &weight[..], width }, y));
                    agrees(&|y| avx2::multiply(Rows { x, weight: &bf16[..], width }, y));
                    agrees(&|y| avx2::multiply(Rows { x, weight: &f16[..], width }, y));
                }
            }
        }
    }

    /// Small integers are themselves in each type.
    fn halves(values: &[f32]) -> (Vec<bf16>, Vec<f16>) {
        values.iter().map(|&value| (bf16::from_f32(value), f16::from_f32(value))).unzip()
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
        let (x, weight) = (integers(3 * 37, 3), integers(70 * 37, 7));
        let (bf16, f16) = halves(&weight);
        let want = forward(&x, of(Matrix::new(&weight, 37), 37, 70), None, None);
        assert_eq!(forward(&x, of(Operand::Bf16(Matrix::new(&bf16, 37)), 37, 70), None, None), want);
        assert_eq!(forward(&x, of(Operand::F16(Matrix::new(&f16, 37)), 37, 70), None, None), want);
    }

    /// Integers that bfloat16 has, so that the sums are exact; the value of each row does not depend on what is beside it.
    #[test]
    fn rounded_rows_agree_with_the_definition_and_do_not_depend_on_each_other() {
        for (rows, width_in, width_out) in [(1, 1, 1), (4, 15, 65), (7, 33, 130), (16, 96, 50)] {
            let (x, weight) = (integers(rows * width_in, 3), integers(width_out * width_in, 7));
            let weight: Vec<bf16> = weight.iter().map(|&w| bf16::from_f32(w)).collect();
            let weight = of(Operand::Bf16(Matrix::new(&weight, width_in)), width_in, width_out);
            let of = |x: &[f32], precision| forward(x, Weight { precision, ..weight }, None, None);
            assert_eq!(of(&x, Precision::Bf16), of(&x, Precision::F32), "{rows}×{width_in}×{width_out}");
            let x: Vec<f32> = (0..rows * width_in).map(|i| (i as f32 * 0.7).sin()).collect();
            let together = of(&x, Precision::Bf16);
            // As few rows as are multiplied in the same way.
            let some = if rows < 5 { 1 } else { 5 };
            for start in 0..=rows - some {
                let got = of(&x[start * width_in..][..some * width_in], Precision::Bf16);
                assert_eq!(got, together[start * width_out..][..some * width_out]);
            }
            let rounded: Vec<f32> = x.iter().map(|&x| bf16::from_f32(x).to_f32()).collect();
            for (got, want) in together.iter().zip(of(&rounded, Precision::F32)) {
                let tolerance = if super::super::has_bf16() { 1e-4 } else { 1e-1 };
                assert!((got - want).abs() < tolerance, "{got} instead of {want}");
            }
        }
    }
}
