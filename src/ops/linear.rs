//! Linear maps over rows: y = x Wᵀ (+ bias) (+ residual).

use super::cpu::linear::Weight;
use super::storage::{is_operand, on_cpu_f32, optional_slice, with_mut, with_mut_from, with_operand, with_slices};
use super::{Precision, Slot, add_to_slot, cpu};
use candle_core::{Result, Tensor};

pub use super::cpu::few_rows::MOST_ROWS as FEW_ROWS;

/// `x` (n, in), `weight` (out, in), `bias` (out), `residual` (n, out) → (n, out). The weight may be stored in half
/// precision.
pub fn forward(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    residual: Option<&Tensor>,
    precision: Precision,
) -> Result<Tensor> {
    let operands: Vec<&Tensor> = [Some(x), bias, residual].into_iter().flatten().collect();
    if !on_cpu_f32(&operands) || !is_operand(weight) {
        return plain(x, &weight.to_dtype(x.dtype())?, bias, residual);
    }
    let bias = optional_slice(bias)?;
    let y = with_weight(weight, precision, |weight| match residual {
        Some(residual) => {
            with_slices([x, residual], |[x, r]| cpu::linear::forward(x, weight, bias.as_deref(), Some(r)))
        }
        None => with_slices([x], |[x]| cpu::linear::forward(x, weight, bias.as_deref(), None)),
    })??;
    Tensor::from_vec(y, (x.dim(0)?, weight.dim(0)?), x.device())
}

fn with_weight<R>(weight: &Tensor, precision: Precision, work: impl FnOnce(Weight) -> R) -> Result<R> {
    let (width_out, width_in) = weight.dims2()?;
    with_operand(weight, |matrix| work(Weight { matrix, width_in, width_out, precision }))
}

pub(super) fn plain(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, residual: Option<&Tensor>) -> Result<Tensor> {
    let mut y = x.matmul(&weight.t()?)?;
    if let Some(bias) = bias {
        y = y.broadcast_add(bias)?;
    }
    if let Some(residual) = residual {
        y = (y + residual)?;
    }
    Ok(y)
}

/// The gradient for the input, (n, in), from `gradient` (n, out) and `weight` (out, in).
pub fn backward_input(gradient: &Tensor, weight: &Tensor, precision: Precision) -> Result<Tensor> {
    if !on_cpu_f32(&[gradient]) || !is_operand(weight) {
        return gradient.matmul(&weight.to_dtype(gradient.dtype())?);
    }
    let backward = |weight: Weight| with_slices([gradient], |[g]| cpu::linear::backward_input(g, weight));
    let dx = with_weight(weight, precision, backward)??;
    Tensor::from_vec(dx, (gradient.dim(0)?, weight.dim(1)?), gradient.device())
}

/// Adds the gradient of the weight, (out, in), to `slot`, from `gradient` (n, out) and `x` (n, in).
pub fn backward_weight(gradient: &Tensor, x: &Tensor, precision: Precision, slot: &mut Slot) -> Result<()> {
    if !on_cpu_f32(&[gradient, x]) {
        return add_to_slot(slot, gradient.t()?.matmul(x)?);
    }
    let widths = (x.dim(1)?, gradient.dim(1)?);
    with_slices([gradient, x], |[g, x]| match slot {
        Some(sum) => with_mut(sum, |sum| cpu::linear::add_weight_gradient(g, x, sum, widths, precision)),
        None => {
            let first = cpu::linear::weight_gradient(g, x, widths, precision);
            *slot = Some(Tensor::from_vec(first, (widths.1, widths.0), gradient.device())?);
            Ok(())
        }
    })?
}

/// Adds the gradient of the bias, (out), to `slot`.
pub fn backward_bias(gradient: &Tensor, slot: &mut Slot) -> Result<()> {
    if !on_cpu_f32(&[gradient]) {
        return add_to_slot(slot, gradient.sum(0)?);
    }
    let sum = match slot {
        Some(sum) => sum,
        None => slot.insert(Tensor::zeros(gradient.dim(1)?, gradient.dtype(), gradient.device())?),
    };
    with_mut_from(sum, gradient, |sum, g| cpu::linear::add_column_sums(g, sum))
}

#[cfg(test)]
mod tests {
    use super::super::check::{assert_close, check_gradients, random, single};
    use super::*;

    const F32: Precision = Precision::F32;

    fn slot_of(work: impl FnOnce(&mut Slot) -> Result<()>) -> Tensor {
        let mut slot = None;
        work(&mut slot).unwrap();
        slot.unwrap()
    }

    #[test]
    fn gradients_agree_with_finite_differences_and_autograd() {
        let inputs = [random((3, 5), 1), random((4, 5), 2), random(4, 3), random((3, 4), 4)];
        let forward = |t: &[Tensor]| super::forward(&t[0], &t[1], Some(&t[2]), Some(&t[3]), F32);
        check_gradients(&inputs, forward, |t, g| {
            let weight = slot_of(|slot| backward_weight(g, &t[0], F32, slot));
            let bias = slot_of(|slot| backward_bias(g, slot));
            Ok(vec![backward_input(g, &t[1], F32)?, weight, bias, g.clone()])
        });
    }

    #[test]
    fn the_kernel_agrees_with_the_plain_expression() {
        for (n, width_in, width_out) in [(1, 1, 1), (1, 17, 3), (70, 33, 65), (2, 64, 1)] {
            let (x, w) = (random((n, width_in), 1), random((width_out, width_in), 2));
            let (bias, residual, g) = (random(width_out, 3), random((n, width_out), 4), random((n, width_out), 5));
            let want = plain(&x, &w, Some(&bias), Some(&residual)).unwrap();
            let got = forward(&single(&x), &single(&w), Some(&single(&bias)), Some(&single(&residual)), F32).unwrap();
            assert_close(&got, &want, 1e-5);
            let got = backward_input(&single(&g), &single(&w), F32).unwrap();
            assert_close(&got, &backward_input(&g, &w, F32).unwrap(), 1e-5);
            // Twice: the second contribution adds to the first.
            let twice = |g: &Tensor, x: &Tensor| {
                slot_of(|slot| {
                    backward_weight(g, x, F32, slot)?;
                    backward_weight(g, x, F32, slot)
                })
            };
            assert_close(&twice(&single(&g), &single(&x)), &twice(&g, &x), 1e-5);
            let got = slot_of(|slot| backward_bias(&single(&g), slot));
            assert_close(&got, &slot_of(|slot| backward_bias(&g, slot)), 1e-5);
        }
    }
}
