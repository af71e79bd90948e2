//! Rotary position embedding of the query and key heads in packed rows.

use super::cpu;
use super::storage::{on_cpu_f32, with_mut, with_slices};
use candle_core::{D, DType, Device, Result, Tensor};

/// The angles of every position up to the model's context.
#[derive(Clone, Debug)]
pub struct Angles {
    /// (positions, half a head's width).
    pub cosines: Tensor,
    pub sines: Tensor,
}

impl Angles {
    /// `frequencies`: the angle that one position turns each pair of coordinates by, radians.
    pub fn new(frequencies: &[f64], positions: usize, dtype: DType, device: &Device) -> Result<Self> {
        let table = |turn: fn(f64) -> f64| {
            let mut values: Vec<f64> = Vec::with_capacity(positions * frequencies.len());
            (0..positions).for_each(|p| values.extend(frequencies.iter().map(|f| turn(p as f64 * f))));
            Tensor::from_vec(values, (positions, frequencies.len()), &Device::Cpu)?.to_dtype(dtype)?.to_device(device)
        };
        Ok(Self { cosines: table(f64::cos)?, sines: table(f64::sin)? })
    }
}

/// Which way to turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    Forward,
    /// The gradient of the rotation is the rotation back.
    Back,
}

/// Rotates the first `heads` heads of `dimension` of every row of `x` (n, width) by its position (one per row).
/// Takes `x` over: the kernel works in place.
pub fn rotate(
    x: Tensor,
    heads: usize,
    dimension: usize,
    angles: &Angles,
    positions: &[u32],
    turn: Turn,
) -> Result<Tensor> {
    let sign = if turn == Turn::Forward { 1.0 } else { -1.0 };
    if !on_cpu_f32(&[&x, &angles.cosines, &angles.sines]) {
        return plain(&x, heads, dimension, angles, positions, sign);
    }
    let stride = x.dim(1)?;
    with_slices([&angles.cosines, &angles.sines], |[cosines, sines]| {
        let angles = cpu::rotary::Angles { cosines, sines, positions };
        with_mut(&x, |x| cpu::rotary::rotate(x, stride, heads, dimension, &angles, sign as f32))
    })??;
    Ok(x)
}

fn plain(x: &Tensor, heads: usize, dimension: usize, angles: &Angles, positions: &[u32], sign: f64) -> Result<Tensor> {
    let (rows, width) = x.dims2()?;
    let (turned, half) = (heads * dimension, dimension / 2);
    let positions = Tensor::from_slice(positions, rows, x.device())?;
    let at = |table: &Tensor| table.index_select(&positions, 0)?.reshape((rows, 1, half));
    let (cosines, sines) = (at(&angles.cosines)?, (at(&angles.sines)? * sign)?);
    let parts = x.narrow(1, 0, turned)?.reshape((rows, heads, dimension))?;
    let (low, high) = (parts.narrow(2, 0, half)?, parts.narrow(2, half, half)?);
    let new_low = (low.broadcast_mul(&cosines)? - high.broadcast_mul(&sines)?)?;
    let new_high = (high.broadcast_mul(&cosines)? + low.broadcast_mul(&sines)?)?;
    let parts = Tensor::cat(&[new_low, new_high], D::Minus1)?.reshape((rows, turned))?;
    match width - turned {
        0 => Ok(parts),
        rest => Tensor::cat(&[parts, x.narrow(1, turned, rest)?], D::Minus1),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{assert_close, check_gradients, random, single};
    use super::*;

    fn angles(dtype: DType) -> Angles {
        Angles::new(&[1.0, 0.3, 0.01], 9, dtype, &Device::Cpu).unwrap()
    }

    #[test]
    fn the_gradient_is_the_rotation_back() {
        let positions = [0, 8, 3, 3];
        let turn = |t: &Tensor, turn| rotate(t.clone(), 2, 6, &angles(DType::F64), &positions, turn);
        check_gradients(&[random((4, 15), 1)], |t| turn(&t[0], Turn::Forward), |_, g| Ok(vec![turn(g, Turn::Back)?]));
    }

    #[test]
    fn the_kernel_agrees_with_the_plain_expression() {
        let positions: Vec<u32> = (0..50).map(|i| i * 7 % 9).collect();
        for (heads, width) in [(1, 6), (2, 12), (3, 24)] {
            let x = random((50, width), 1);
            let want = rotate(x.clone(), heads, 6, &angles(DType::F64), &positions, Turn::Forward).unwrap();
            let x = single(&x).copy().unwrap();
            let got = rotate(x, heads, 6, &angles(DType::F32), &positions, Turn::Forward).unwrap();
            assert_close(&got, &want, 1e-6);
        }
    }
}
