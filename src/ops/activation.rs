//! The non-linearities of the model families: GELU (tanh form, and exact for encoders) and SwiGLU.

use super::cpu;
use super::storage::{on_cpu_f32, with_mut_from, with_slices};
use candle_core::{D, Result, Tensor};

const SQRT_2_OVER_PI: f64 = 0.797_884_560_802_865_4;
const CUBIC: f64 = 0.044715;

/// GELU with the tanh approximation, element by element.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    match on_cpu_f32(&[x]) {
        true => Tensor::from_vec(with_slices([x], |[x]| cpu::activation::gelu(x))?, x.shape(), x.device()),
        false => x * gelu_gate(x)?,
    }
}

/// σ(2u) with u = √(2/π)(x + 0.044715 x³).
fn gelu_gate(x: &Tensor) -> Result<Tensor> {
    let cubic = ((x.sqr()? * x)? * CUBIC)?;
    sigmoid(&((x + cubic)? * (2.0 * SQRT_2_OVER_PI))?)
}

/// From differentiable operations alone, so that autograd can be the oracle.
fn sigmoid(x: &Tensor) -> Result<Tensor> {
    (x.neg()?.exp()? + 1.0)?.recip()
}

/// The gradient for the input of [`gelu`], from `gradient` of the same shape. Takes `gradient` over: the kernel works in
/// place, so nobody else may hold its memory.
pub fn gelu_backward(x: &Tensor, gradient: Tensor) -> Result<Tensor> {
    if on_cpu_f32(&[x, &gradient]) {
        with_mut_from(&gradient, x, |gradient, x| cpu::activation::gelu_backward(x, gradient))?;
        return Ok(gradient);
    }
    let gate = gelu_gate(x)?;
    let slope = (((x.sqr()? * (3.0 * CUBIC))? + 1.0)? * (2.0 * SQRT_2_OVER_PI))?;
    let through_gate = ((x * (&gate - gate.sqr()?)?)? * slope)?;
    gradient * (gate + through_gate)?
}

/// GELU as it is defined, x · Φ(x), element by element.
pub fn gelu_exact(x: &Tensor) -> Result<Tensor> {
    match on_cpu_f32(&[x]) {
        true => Tensor::from_vec(with_slices([x], |[x]| cpu::activation::gelu_exact(x))?, x.shape(), x.device()),
        false => x * normal_cdf(x)?,
    }
}

fn normal_cdf(x: &Tensor) -> Result<Tensor> {
    ((x * std::f64::consts::FRAC_1_SQRT_2)?.erf()? + 1.0)? * 0.5
}

/// The gradient for the input of [`gelu_exact`]; takes `gradient` over as [`gelu_backward`] does.
pub fn gelu_exact_backward(x: &Tensor, gradient: Tensor) -> Result<Tensor> {
    if on_cpu_f32(&[x, &gradient]) {
        with_mut_from(&gradient, x, |gradient, x| cpu::activation::gelu_exact_backward(x, gradient))?;
        return Ok(gradient);
    }
    let density = ((x.sqr()? * -0.5)?.exp()? * (0.5 * SQRT_2_OVER_PI))?;
    gradient * (normal_cdf(x)? + (x * density)?)?
}

/// `x` (n, 2·width) holds [gate | up] → gate · σ(gate) · up, (n, width).
pub fn swiglu(x: &Tensor) -> Result<Tensor> {
    let (rows, width) = (x.dim(0)?, x.dim(1)? / 2);
    if on_cpu_f32(&[x]) {
        let y = with_slices([x], |[x]| cpu::activation::swiglu(x, width))?;
        return Tensor::from_vec(y, (rows, width), x.device());
    }
    let (gate, up) = (x.narrow(1, 0, width)?, x.narrow(1, width, width)?);
    (&gate * sigmoid(&gate)?)? * up
}

/// The gradient for the packed input of [`swiglu`], (n, 2·width), from `gradient` (n, width).
pub fn swiglu_backward(x: &Tensor, gradient: &Tensor) -> Result<Tensor> {
    let width = x.dim(1)? / 2;
    if on_cpu_f32(&[x, gradient]) {
        let dx = with_slices([x, gradient], |[x, g]| cpu::activation::swiglu_backward(x, g, width))?;
        return Tensor::from_vec(dx, x.shape(), x.device());
    }
    let (gate, up) = (x.narrow(1, 0, width)?, x.narrow(1, width, width)?);
    let s = sigmoid(&gate)?;
    let slope = (&s + (&gate * (&s - s.sqr()?)?)?)?;
    let d_gate = ((gradient * up)? * slope)?;
    let d_up = (gradient * (gate * s)?)?;
    Tensor::cat(&[d_gate, d_up], D::Minus1)
}

#[cfg(test)]
mod tests {
    use super::super::check::{assert_close, check_gradients, random, single};
    use super::*;

    #[test]
    fn gradients_agree_with_finite_differences_and_autograd() {
        let x = (random((3, 8), 1) * 3.0).unwrap();
        check_gradients(std::slice::from_ref(&x), |t| gelu(&t[0]), |t, g| Ok(vec![gelu_backward(&t[0], g.clone())?]));
        let backward = |t: &[Tensor], g: &Tensor| Ok(vec![gelu_exact_backward(&t[0], g.clone())?]);
        check_gradients(std::slice::from_ref(&x), |t| gelu_exact(&t[0]), backward);
        check_gradients(&[x], |t| swiglu(&t[0]), |t, g| Ok(vec![swiglu_backward(&t[0], g)?]));
    }

    #[test]
    fn the_kernels_agree_with_the_plain_expressions() {
        for (n, width) in [(1, 1), (3, 17), (40, 1000)] {
            let (x, g) = ((random((n, 2 * width), 1) * 20.0).unwrap(), random((n, width), 2));
            let wide = random((n, 2 * width), 3);
            assert_close(&gelu(&single(&x)).unwrap(), &gelu(&x).unwrap(), 1e-6);
            assert_close(&swiglu(&single(&x)).unwrap(), &swiglu(&x).unwrap(), 1e-6);
            assert_close(&gelu_exact(&single(&x)).unwrap(), &gelu_exact(&x).unwrap(), 1e-6);
            let got = gelu_exact_backward(&single(&x), single(&wide)).unwrap();
            assert_close(&got, &gelu_exact_backward(&x, wide.clone()).unwrap(), 1e-6);
            let got = gelu_backward(&single(&x), single(&wide)).unwrap();
            assert_close(&got, &gelu_backward(&x, wide).unwrap(), 1e-5);
            let got = swiglu_backward(&single(&x), &single(&g)).unwrap();
            assert_close(&got, &swiglu_backward(&x, &g).unwrap(), 1e-5);
        }
    }
}
