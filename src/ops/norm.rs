//! Layer norm and RMS norm over the last dimension of rows.

use super::storage::{on_cpu_f32, optional_slice, with_slices};
use super::{Slot, add_to_slot, cpu};
use candle_core::{D, Result, Tensor};
pub use cpu::norm::Norm;

/// `x` (n, width), `weight` (width), `bias` (width) → (n, width).
pub fn forward(norm: Norm, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    if !on_cpu_f32(&[x, weight]) {
        return plain(norm, x, weight, bias);
    }
    let bias = optional_slice(bias)?;
    let y = with_slices([x, weight], |[x, w]| cpu::norm::forward(norm, x, w, bias.as_deref()))?;
    Tensor::from_vec(y, x.shape(), x.device())
}

fn plain(norm: Norm, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let y = normalised(norm, x)?.0.broadcast_mul(weight)?;
    match bias {
        Some(bias) => y.broadcast_add(bias),
        None => Ok(y),
    }
}

/// (the rows with mean 0 and variance 1, or only mean square 1; the factor of each row, (n, 1)).
fn normalised(norm: Norm, x: &Tensor) -> Result<(Tensor, Tensor)> {
    let centered = match norm.centered {
        true => x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?,
        false => x.clone(),
    };
    let scale = (centered.sqr()?.mean_keepdim(D::Minus1)? + norm.epsilon as f64)?.sqrt()?.recip()?;
    Ok((centered.broadcast_mul(&scale)?, scale))
}

/// Where the gradients of a norm's parameters go; `None` where one does not train or does not exist.
pub struct Slots<'a> {
    pub weight: Option<&'a mut Slot>,
    pub bias: Option<&'a mut Slot>,
}

/// The gradient for the input, (n, width), plus `residual` where given; parameter gradients are added to `slots`.
pub fn backward(
    norm: Norm,
    x: &Tensor,
    weight: &Tensor,
    gradient: &Tensor,
    residual: Option<&Tensor>,
    slots: Slots,
) -> Result<Tensor> {
    let (dx, weight_gradient, bias_gradient) = match on_cpu_f32(&[x, weight, gradient]) {
        true => fused_backward(norm, x, weight, gradient, residual)?,
        false => plain_backward(norm, x, weight, gradient, residual)?,
    };
    if let Some(slot) = slots.weight {
        add_to_slot(slot, weight_gradient)?;
    }
    if let Some(slot) = slots.bias {
        add_to_slot(slot, bias_gradient)?;
    }
    Ok(dx)
}

fn fused_backward(
    norm: Norm,
    x: &Tensor,
    weight: &Tensor,
    gradient: &Tensor,
    residual: Option<&Tensor>,
) -> Result<(Tensor, Tensor, Tensor)> {
    let (dx, dw, db) = match residual {
        Some(residual) => {
            with_slices([x, weight, gradient, residual], |[x, w, g, r]| cpu::norm::backward(norm, x, w, g, Some(r)))
        }
        None => with_slices([x, weight, gradient], |[x, w, g]| cpu::norm::backward(norm, x, w, g, None)),
    }?;
    let device = x.device();
    Ok((
        Tensor::from_vec(dx, x.shape(), device)?,
        Tensor::from_vec(dw, weight.shape(), device)?,
        Tensor::from_vec(db, weight.shape(), device)?,
    ))
}

fn plain_backward(
    norm: Norm,
    x: &Tensor,
    weight: &Tensor,
    gradient: &Tensor,
    residual: Option<&Tensor>,
) -> Result<(Tensor, Tensor, Tensor)> {
    let (normed, scale) = normalised(norm, x)?;
    let weighted = gradient.broadcast_mul(weight)?;
    let along_normed = (&weighted * &normed)?.mean_keepdim(D::Minus1)?;
    let mut dx = (&weighted - normed.broadcast_mul(&along_normed)?)?;
    if norm.centered {
        dx = dx.broadcast_sub(&weighted.mean_keepdim(D::Minus1)?)?;
    }
    dx = dx.broadcast_mul(&scale)?;
    if let Some(residual) = residual {
        dx = (dx + residual)?;
    }
    Ok((dx, (gradient * &normed)?.sum(0)?, gradient.sum(0)?))
}

#[cfg(test)]
mod tests {
    use super::super::check::{assert_close, check_gradients, random, single};
    use super::*;

    const LAYER: Norm = Norm { centered: true, epsilon: 1e-5 };
    const RMS: Norm = Norm { centered: false, epsilon: 1e-6 };

    fn all_gradients(norm: Norm, x: &Tensor, w: &Tensor, g: &Tensor, residual: Option<&Tensor>) -> Vec<Tensor> {
        let (mut weight, mut bias) = (None, None);
        let slots = Slots { weight: Some(&mut weight), bias: Some(&mut bias) };
        let dx = backward(norm, x, w, g, residual, slots).unwrap();
        vec![dx, weight.unwrap(), bias.unwrap()]
    }

    #[test]
    fn gradients_agree_with_finite_differences_and_autograd() {
        for norm in [LAYER, RMS] {
            let inputs = [random((3, 6), 1), random(6, 2), random(6, 3)];
            let forward = |t: &[Tensor]| super::forward(norm, &t[0], &t[1], Some(&t[2]));
            check_gradients(&inputs, forward, |t, g| Ok(all_gradients(norm, &t[0], &t[1], g, None)));
        }
    }

    #[test]
    fn the_kernel_agrees_with_the_plain_expression() {
        for norm in [LAYER, RMS] {
            for (n, width) in [(1, 1), (1, 16), (130, 33), (65, 48)] {
                let (x, w, b) = (random((n, width), 1), random(width, 2), random(width, 3));
                let (g, r) = (random((n, width), 4), random((n, width), 5));
                let got = forward(norm, &single(&x), &single(&w), Some(&single(&b))).unwrap();
                assert_close(&got, &forward(norm, &x, &w, Some(&b)).unwrap(), 1e-5);
                if norm.centered && width == 1 {
                    continue; // The variance is 0: the gradient is rounding noise times 1/√ε.
                }
                let want = all_gradients(norm, &x, &w, &g, Some(&r));
                let got = all_gradients(norm, &single(&x), &single(&w), &single(&g), Some(&single(&r)));
                got.iter().zip(&want).for_each(|(got, want)| assert_close(got, want, 2e-5));
            }
        }
    }
}
