//! How operations are checked: finite differences in f64, candle's autograd, and the plain expression.

use candle_core::{DType, Device, Result, Shape, Tensor, Var};

/// f64 values in [−1, 1), the same for the same seed.
pub fn random(shape: impl Into<Shape>, seed: u64) -> Tensor {
    let shape = shape.into();
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let values: Vec<f64> = (0..shape.elem_count())
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        })
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// The same tensor in f32, which the kernels take.
pub fn single(tensor: &Tensor) -> Tensor {
    tensor.to_dtype(DType::F32).unwrap()
}

pub fn values(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Every element within `tolerance`, relative to the larger of 1 and the largest wanted magnitude.
pub fn assert_close(got: &Tensor, want: &Tensor, tolerance: f64) {
    assert_eq!(got.dims(), want.dims());
    let (got, want) = (values(got), values(want));
    let largest = want.iter().fold(1.0f64, |a, b| a.max(b.abs()));
    for (i, (g, w)) in got.iter().zip(&want).enumerate() {
        assert!((g - w).abs() <= tolerance * largest, "element {i}: {g} instead of {w}");
    }
}

/// Holds `backward(inputs, gradient at the output) → gradient of each input` against finite differences of `forward`
/// and, since `forward` is made of candle's differentiable operations in f64, against candle's autograd.
pub fn check_gradients(
    inputs: &[Tensor],
    forward: impl Fn(&[Tensor]) -> Result<Tensor>,
    backward: impl Fn(&[Tensor], &Tensor) -> Result<Vec<Tensor>>,
) {
    let output = forward(inputs).unwrap();
    let gradient = random(output.shape(), 99);
    let gradients = backward(inputs, &gradient).unwrap();
    assert_eq!(gradients.len(), inputs.len());
    let objective = |t: &[Tensor]| (forward(t).unwrap() * &gradient).unwrap().sum_all().unwrap();
    for (index, got) in gradients.iter().enumerate() {
        assert_close(got, &finite_differences(inputs, index, objective), 1e-7);
    }
    let vars: Vec<Var> = inputs.iter().map(|t| Var::from_tensor(t).unwrap()).collect();
    let tracked: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let store = objective(&tracked).backward().unwrap();
    for (var, got) in vars.iter().zip(&gradients) {
        assert_close(got, store.get(var).expect("autograd reaches every input"), 1e-10);
    }
}

/// Central differences of a scalar function with respect to one of its inputs.
pub fn finite_differences(inputs: &[Tensor], index: usize, objective: impl Fn(&[Tensor]) -> Tensor) -> Tensor {
    const STEP: f64 = 1e-5;
    let base = values(&inputs[index]);
    let at = |i: usize, delta: f64| {
        let mut moved = base.clone();
        moved[i] += delta;
        let mut inputs = inputs.to_vec();
        inputs[index] = Tensor::from_vec(moved, inputs[index].shape(), &Device::Cpu).unwrap();
        objective(&inputs).to_scalar::<f64>().unwrap()
    };
    let slopes: Vec<f64> = (0..base.len()).map(|i| (at(i, STEP) - at(i, -STEP)) / (2.0 * STEP)).collect();
    Tensor::from_vec(slopes, inputs[index].shape(), &Device::Cpu).unwrap()
}
