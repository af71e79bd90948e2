//! Divergences and their gradients against finite differences, autograd and PyTorch.

use super::super::check::{assert_close, finite_differences, random, single, values};
use super::*;
use candle_core::{Device, Var};
use std::path::Path;

const SCALE: f64 = 0.37;
const F32: Precision = Precision::F32;

/// `scale` · Σ T² KL(teacher ‖ student), of candle's differentiable operations: [x, weight, teacher's x, its weight].
fn objective(t: &[Tensor], temperature: f64) -> Tensor {
    let log_p =
        |x: &Tensor, w: &Tensor| log_softmax(&(x.matmul(&w.t().unwrap()).unwrap() / temperature).unwrap()).unwrap();
    let (p, q) = (log_p(&t[0], &t[1]), log_p(&t[2], &t[3]));
    let sum = (q.exp().unwrap() * (q - p).unwrap()).unwrap().sum_all().unwrap();
    (sum * (SCALE * temperature * temperature)).unwrap()
}

fn gradients(t: &[Tensor], temperature: f64) -> (Vec<f32>, Tensor, Tensor) {
    let mut slot = None;
    let slots = Slots { weight: Some(&mut slot), bias: None };
    let (own, other) = (answers(&t[0], &t[1]), answers(&t[2], &t[3]));
    let (rows, dx) = losses_and_gradients(&own, &other, (temperature, SCALE), F32, slots).unwrap();
    (rows, dx, slot.unwrap())
}

fn answers<'a>(hidden: &Tensor, weight: &'a Tensor) -> Answers<'a> {
    Answers { hidden: hidden.clone(), weight, bias: None }
}

fn inputs((n, width, other_width, vocabulary): (usize, usize, usize, usize)) -> [Tensor; 4] {
    [
        (random((n, width), 1) * 3.0).unwrap(),
        random((vocabulary, width), 2),
        (random((n, other_width), 3) * 2.0).unwrap(),
        random((vocabulary, other_width), 4),
    ]
}

#[test]
fn gradients_agree_with_finite_differences_and_autograd() {
    for temperature in [1.0, 2.5] {
        let inputs = inputs((4, 3, 2, 5));
        let (rows, dx, dw) = gradients(&inputs, temperature);
        let loss = rows.iter().map(|row| *row as f64).sum::<f64>() * SCALE;
        assert!((loss - values(&objective(&inputs, temperature))[0]).abs() < 1e-6);
        for (index, got) in [&dx, &dw].into_iter().enumerate() {
            assert_close(got, &finite_differences(&inputs, index, |t| objective(t, temperature)), 1e-7);
        }
        let (x, w) = (Var::from_tensor(&inputs[0]).unwrap(), Var::from_tensor(&inputs[1]).unwrap());
        let [_, _, other_x, other_w] = inputs.clone();
        let tracked = [x.as_tensor().clone(), w.as_tensor().clone(), other_x, other_w];
        let store = objective(&tracked, temperature).backward().unwrap();
        assert_close(&dx, store.get(&x).unwrap(), 1e-10);
        assert_close(&dw, store.get(&w).unwrap(), 1e-10);
    }
}

/// The divergences, and the gradients of [x, weight, bias]: of `objective` with a column of ones beside each x, and the
/// bias beside its weight.
fn biased(t: &[Tensor], (bias, other_bias): (&Tensor, &Tensor)) -> (Vec<f32>, [Tensor; 3]) {
    let (mut dw, mut db) = (None, None);
    let slots = Slots { weight: Some(&mut dw), bias: Some(&mut db) };
    let own = Answers { bias: Some(bias), ..answers(&t[0], &t[1]) };
    let other = Answers { bias: Some(other_bias), ..answers(&t[2], &t[3]) };
    let (rows, dx) = losses_and_gradients(&own, &other, (2.5, SCALE), F32, slots).unwrap();
    (rows, [dx, dw.unwrap(), db.unwrap()])
}

#[test]
fn a_bias_has_its_gradient_and_the_kernel_the_same() {
    for (shape, precise) in [((4, 3, 2, 5), true), ((600, 9, 4, 70), false)] {
        let (n, .., vocabulary) = shape;
        let inputs = inputs(shape);
        let (bias, other_bias) = (random(vocabulary, 5), random(vocabulary, 6));
        let (want_rows, want) = biased(&inputs, (&bias, &other_bias));
        if precise {
            let column = |bias: &Tensor| bias.reshape((vocabulary, 1)).unwrap();
            let with = |x: &Tensor, of: &Tensor| Tensor::cat(&[x, of], 1).unwrap();
            let ones = Tensor::ones((n, 1), DType::F64, &Device::Cpu).unwrap();
            let [x, w, other_x, other_w] = &inputs;
            let whole =
                [with(x, &ones), with(w, &column(&bias)), with(other_x, &ones), with(other_w, &column(&other_bias))];
            let loss = want_rows.iter().map(|row| *row as f64).sum::<f64>() * SCALE;
            assert!((loss - values(&objective(&whole, 2.5))[0]).abs() < 1e-6);
            let d_x = finite_differences(&whole, 0, |t| objective(t, 2.5));
            assert_close(&want[0], &d_x.narrow(1, 0, 3).unwrap(), 1e-7);
            let d_weight = finite_differences(&whole, 1, |t| objective(t, 2.5));
            assert_close(&want[1], &d_weight.narrow(1, 0, 3).unwrap(), 1e-7);
            assert_close(&want[2], &d_weight.narrow(1, 3, 1).unwrap().flatten_all().unwrap(), 1e-7);
        }
        let (rows, got) = biased(&inputs.each_ref().map(single), (&single(&bias), &single(&other_bias)));
        got.iter().zip(&want).for_each(|(got, want)| assert_close(got, want, 1e-5));
        assert!(rows.iter().zip(&want_rows).all(|(got, want)| (got - want).abs() < 3e-5));
    }
}

#[test]
fn the_kernel_agrees_with_the_plain_expression() {
    for shape in [(1, 1, 1, 1), (7, 5, 5, 3), (600, 9, 4, 70), (17, 4, 4, 300_001), (1, 4, 3, 30_001)] {
        for temperature in [1.0, 3.0] {
            let inputs = inputs(shape);
            let (want_rows, want_dx, want_dw) = gradients(&inputs, temperature);
            let single = inputs.each_ref().map(single);
            let (rows, dx, dw) = gradients(&single, temperature);
            assert_close(&dx, &want_dx, 1e-5);
            assert_close(&dw, &want_dw, 1e-5);
            let [x, w, other_x, other_w] = &single;
            let alone = divergences(&answers(x, w), &answers(other_x, other_w), temperature, F32).unwrap();
            for ((got, want), alone) in rows.iter().zip(&want_rows).zip(&alone) {
                assert!((got - want).abs() < 3e-5, "{shape:?} {temperature}: {got} and {want}");
                assert!((alone * (temperature * temperature) as f32 - want).abs() < 3e-5);
            }
        }
    }
}

#[test]
fn a_model_is_no_way_from_itself_and_what_cannot_be_compared_is_refused() {
    let [x, w, other_x, other_w] = inputs((30, 8, 8, 50)).map(|tensor| single(&tensor));
    let (own, mut slot) = (&answers(&x, &w), None);
    let slots = Slots { weight: Some(&mut slot), bias: None };
    let (rows, dx) = losses_and_gradients(own, own, (2.0, 1.0), F32, slots).unwrap();
    assert!(rows.iter().all(|row| *row == 0.0));
    assert!(values(&dx).iter().chain(&values(&slot.unwrap())).all(|gradient| *gradient == 0.0));
    let fewer = other_w.narrow(0, 0, 49).unwrap();
    assert!(divergences(own, &answers(&other_x, &fewer), 1.0, F32).is_err());
    let fewer = other_x.narrow(0, 0, 29).unwrap();
    assert!(divergences(own, &answers(&fewer, &other_w), 1.0, F32).is_err());
    assert!(divergences(own, own, 0.0, F32).is_err());
    let broken = (&x * f64::NAN).unwrap();
    let broken = divergences(&answers(&broken, &w), own, 1.0, F32).unwrap();
    assert!(broken.iter().all(|row| row.is_nan()), "a loss that is no number is seen");
}

#[test]
fn losses_and_gradients_are_those_of_pytorch() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/distill.safetensors");
    let file = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
    let inputs = ["hidden", "weight", "base_hidden", "base_weight"].map(|name| file[name].clone());
    for temperature in ["1", "2"] {
        let want = |what: &str| &file[&format!("{temperature}.{what}")];
        let (rows, dx, dw) = gradients(&inputs, temperature.parse().unwrap());
        assert_close(&Tensor::new(rows, &Device::Cpu).unwrap(), want("loss"), 1e-5);
        assert_close(&(dx / SCALE).unwrap(), want("hidden"), 1e-5);
        assert_close(&(dw / SCALE).unwrap(), want("weight"), 1e-5);
    }
}
