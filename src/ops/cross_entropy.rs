//! The head's product and softmax cross-entropy in one, in chunks of rows: the logits of a whole batch are never in
//! memory at once, and gradients are made while a chunk's logits are at hand.

pub use super::cpu::cross_entropy::RowLoss;
use super::cpu::linear::{Weight, add_weight_gradient, weight_gradient};
use super::cpu::matmul::{Matrix, Operand, Product, multiply};
use super::storage::{is_operand, on_cpu_f32, optional_slice, with_mut, with_operand, with_slices};
use super::{Precision, Slot, add_to_slot, cpu};
use candle_core::{D, DType, Device, Result, Tensor, bail};
use rayon::prelude::*;

/// Logits that a chunk may hold: 64 MiB of f32, in rows from 16 to 512. Small chunks would go through the gradient of
/// the head's weight again and again.
const CHUNK_ELEMENTS: usize = 1 << 24;

/// Rows of a chunk: as many as may be, in chunks of equal size.
fn chunk_rows(rows: usize, vocabulary: usize) -> usize {
    let most = (CHUNK_ELEMENTS / vocabulary.max(1)).clamp(16, 512);
    rows.div_ceil(rows.div_ceil(most).max(1)).max(1)
}

fn check_targets(targets: &[u32], rows: usize, vocabulary: usize) -> Result<()> {
    if targets.len() != rows {
        bail!("{rows} rows have {} targets", targets.len());
    }
    match targets.iter().find(|&&t| t as usize >= vocabulary) {
        Some(target) => bail!("target {target} is outside a vocabulary of {vocabulary}"),
        None => Ok(()),
    }
}

/// Losses of rows of hidden states `x` (n, width) against `targets` (n), with the head's `weight` (vocabulary, width).
pub fn losses(x: &Tensor, weight: &Tensor, targets: &[u32], precision: Precision) -> Result<Vec<RowLoss>> {
    biased_losses(x, weight, None, targets, precision)
}

/// The same with a `bias` (vocabulary) on the logits.
pub fn biased_losses(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    targets: &[u32],
    precision: Precision,
) -> Result<Vec<RowLoss>> {
    let (rows, vocabulary) = (x.dim(0)?, weight.dim(0)?);
    check_targets(targets, rows, vocabulary)?;
    let mut all = Vec::with_capacity(rows);
    let chunk = chunk_rows(rows, vocabulary);
    for start in (0..rows).step_by(chunk) {
        let count = chunk.min(rows - start);
        let logits = super::linear::forward(&x.narrow(0, start, count)?, weight, bias, None, precision)?;
        all.extend(losses_of_logits(&logits, &targets[start..start + count])?);
    }
    Ok(all)
}

fn losses_of_logits(logits: &Tensor, targets: &[u32]) -> Result<Vec<RowLoss>> {
    if on_cpu_f32(&[logits]) {
        let vocabulary = logits.dim(1)?;
        let mut rows = Vec::new();
        with_mut(logits, |logits| rows = cpu::cross_entropy::losses(logits, vocabulary, targets))?;
        return Ok(rows);
    }
    Ok(plain_losses(logits, targets)?.0)
}

/// Losses and hits; and log p of everything.
fn plain_losses(logits: &Tensor, targets: &[u32]) -> Result<(Vec<RowLoss>, Tensor)> {
    let logits = if logits.dtype() == DType::F64 { logits.clone() } else { logits.to_dtype(DType::F32)? };
    let log_p = log_softmax(&logits)?;
    let index = Tensor::from_slice(targets, (targets.len(), 1), logits.device())?;
    let picked = log_p.gather(&index, 1)?.flatten_all()?.to_dtype(DType::F32)?.to_vec1::<f32>()?;
    let best = logits.argmax(D::Minus1)?.to_vec1::<u32>()?;
    let rows = picked.iter().zip(best.iter().zip(targets)).map(|(&p, (b, t))| RowLoss { loss: -p, hit: b == t });
    Ok((rows.collect(), log_p))
}

fn log_softmax(logits: &Tensor) -> Result<Tensor> {
    let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?;
    shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(D::Minus1)?.log()?)
}

/// Losses as in [`losses`], the gradient of `scale` · (their sum) for `x`, and that of the head's weight added to
/// `slot` where it trains.
pub fn losses_and_gradients(
    x: &Tensor,
    weight: &Tensor,
    targets: &[u32],
    scale: f64,
    precision: Precision,
    slot: Option<&mut Slot>,
) -> Result<(Vec<RowLoss>, Tensor)> {
    biased_losses_and_gradients(
        x,
        Output { weight, bias: None },
        targets,
        scale,
        precision,
        Slots { weight: slot, bias: None },
    )
}

/// The parameters of an output layer.
#[derive(Clone, Copy)]
pub struct Output<'a> {
    /// (vocabulary, width).
    pub weight: &'a Tensor,
    /// (vocabulary).
    pub bias: Option<&'a Tensor>,
}

/// Where their gradients go; `None` where one does not train or does not exist.
pub struct Slots<'a> {
    pub weight: Option<&'a mut Slot>,
    pub bias: Option<&'a mut Slot>,
}

/// As [`losses_and_gradients`], with a bias on the logits where the output has one.
pub fn biased_losses_and_gradients(
    x: &Tensor,
    output: Output,
    targets: &[u32],
    scale: f64,
    precision: Precision,
    slots: Slots,
) -> Result<(Vec<RowLoss>, Tensor)> {
    let Output { weight, bias } = output;
    check_targets(targets, x.dim(0)?, weight.dim(0)?)?;
    if !on_cpu_f32(&[x]) || !is_operand(weight) {
        return plain(x, Output { weight: &weight.to_dtype(x.dtype())?, bias }, targets, scale, slots);
    }
    let (width_out, width_in) = weight.dims2()?;
    let bias = optional_slice(bias)?;
    let fused = |matrix: Operand| {
        let weight = Weight { matrix, width_in, width_out, precision };
        let head = Head { weight, bias: bias.as_deref(), scale: scale as f32 };
        with_slices([x], |[x]| head.run(x, targets, slots))?
    };
    let (rows, dx) = with_operand(weight, fused)??;
    Ok((rows, Tensor::from_vec(dx, x.shape(), x.device())?))
}

fn plain(x: &Tensor, output: Output, targets: &[u32], scale: f64, slots: Slots) -> Result<(Vec<RowLoss>, Tensor)> {
    let Output { weight, bias } = output;
    let (rows, log_p) = plain_losses(&super::linear::plain(x, weight, bias, None)?, targets)?;
    let index = Tensor::from_slice(targets, (targets.len(), 1), x.device())?;
    let ones = Tensor::full(-1.0f32, (targets.len(), 1), x.device())?.to_dtype(log_p.dtype())?;
    let gradient = (log_p.exp()?.scatter_add(&index, &ones, 1)? * scale)?.to_dtype(x.dtype())?;
    if let Some(slot) = slots.weight {
        add_to_slot(slot, gradient.t()?.matmul(x)?)?;
    }
    if let Some(slot) = slots.bias {
        add_to_slot(slot, gradient.sum(0)?)?;
    }
    Ok((rows, gradient.matmul(weight)?))
}

/// The head's weight and bias, and the factor of the loss.
struct Head<'a> {
    weight: Weight<'a>,
    bias: Option<&'a [f32]>,
    scale: f32,
}

impl Head<'_> {
    /// The losses and the gradient for `x`; those of the parameters are added to `slots`.
    fn run(&self, x: &[f32], targets: &[u32], mut slots: Slots) -> Result<(Vec<RowLoss>, Vec<f32>)> {
        let Weight { matrix, width_in: width, width_out: vocabulary, precision } = self.weight;
        let chunk = chunk_rows(targets.len(), vocabulary);
        let (mut rows, mut dx) = (Vec::with_capacity(targets.len()), Vec::with_capacity(x.len()));
        let mut logits = Vec::new();
        for (targets, x) in targets.chunks(chunk).zip(x.chunks(chunk * width)) {
            self.logits(x, targets.len(), &mut logits);
            rows.extend(cpu::cross_entropy::losses_and_gradient(&mut logits, vocabulary, targets, self.scale));
            let size = (targets.len(), width, vocabulary);
            let product = Product::new(size).operands(precision);
            dx.extend(cpu::matmul::product(Matrix::new(&logits, vocabulary), matrix, product));
            if let Some(slot) = slots.weight.as_deref_mut() {
                self.add_gradient(&logits, x, slot)?;
            }
            if let Some(slot) = slots.bias.as_deref_mut() {
                add_bias_gradient(&logits, vocabulary, slot)?;
            }
        }
        Ok((rows, dx))
    }

    /// The logits of some rows, in memory that is used again.
    fn logits(&self, x: &[f32], rows: usize, logits: &mut Vec<f32>) {
        let Weight { matrix, width_in: width, width_out: vocabulary, precision } = self.weight;
        let product = Product::new((rows, vocabulary, width)).operands(precision);
        let (x, weight) = (Matrix::new(x, width), matrix.transposed());
        match logits.len() < rows * vocabulary {
            true => *logits = cpu::matmul::product(x, weight, product),
            false => {
                logits.truncate(rows * vocabulary);
                multiply(logits, vocabulary, x, weight, product);
            }
        }
        if let Some(bias) = self.bias {
            logits.par_chunks_exact_mut(vocabulary).for_each(|row| cpu::simd!(cpu::vector::add_assign(row, bias)));
        }
    }

    /// `gradient` is that at the logits of the rows `x`.
    fn add_gradient(&self, gradient: &[f32], x: &[f32], slot: &mut Slot) -> Result<()> {
        let Weight { width_in: width, width_out: vocabulary, precision, .. } = self.weight;
        let widths = (width, vocabulary);
        match slot {
            Some(sum) => with_mut(sum, |sum| add_weight_gradient(gradient, x, sum, widths, precision)),
            None => {
                let first = weight_gradient(gradient, x, widths, precision);
                *slot = Some(Tensor::from_vec(first, (vocabulary, width), &Device::Cpu)?);
                Ok(())
            }
        }
    }
}

/// `gradient` is that at logits.
fn add_bias_gradient(gradient: &[f32], vocabulary: usize, slot: &mut Slot) -> Result<()> {
    let sum = match slot {
        Some(sum) => sum,
        None => slot.insert(Tensor::zeros(vocabulary, DType::F32, &Device::Cpu)?),
    };
    with_mut(sum, |sum| cpu::linear::add_column_sums(gradient, sum))
}

#[cfg(test)]
mod tests {
    use super::super::check::{assert_close, finite_differences, random, single};
    use super::*;
    use candle_core::Var;

    const SCALE: f64 = 0.37;

    fn objective(x: &Tensor, weight: &Tensor, targets: &[u32]) -> Tensor {
        let log_p = log_softmax(&x.matmul(&weight.t().unwrap()).unwrap()).unwrap();
        let index = Tensor::from_slice(targets, (targets.len(), 1), x.device()).unwrap();
        (log_p.gather(&index, 1).unwrap().sum_all().unwrap() * -SCALE).unwrap()
    }

    fn gradients(x: &Tensor, weight: &Tensor, targets: &[u32]) -> (Vec<RowLoss>, Tensor, Tensor) {
        let mut slot = None;
        let (rows, dx) = losses_and_gradients(x, weight, targets, SCALE, Precision::F32, Some(&mut slot)).unwrap();
        (rows, dx, slot.unwrap())
    }

    #[test]
    fn gradients_agree_with_finite_differences_and_autograd() {
        let (x, w, targets) = (random((4, 3), 1), random((5, 3), 2), [4, 0, 2, 2]);
        let (_, dx, dw) = gradients(&x, &w, &targets);
        let inputs = [x.clone(), w.clone()];
        for (index, got) in [dx.clone(), dw.clone()].iter().enumerate() {
            assert_close(got, &finite_differences(&inputs, index, |t| objective(&t[0], &t[1], &targets)), 1e-7);
        }
        let (x, w) = (Var::from_tensor(&x).unwrap(), Var::from_tensor(&w).unwrap());
        let store = objective(&x, &w, &targets).backward().unwrap();
        assert_close(&dx, store.get(&x).unwrap(), 1e-10);
        assert_close(&dw, store.get(&w).unwrap(), 1e-10);
    }

    #[test]
    fn the_kernel_agrees_with_the_plain_expression() {
        for (n, width, vocabulary) in [(1, 1, 1), (7, 5, 3), (600, 9, 70), (17, 4, 300_001), (1, 4, 30_001)] {
            let x = (random((n, width), 1) * 3.0).unwrap();
            let w = random((vocabulary, width), 2);
            let targets: Vec<u32> = (0..n).map(|i| (i * 31 % vocabulary) as u32).collect();
            let (want_rows, want_dx, want_dw) = gradients(&x, &w, &targets);
            let (rows, dx, dw) = gradients(&single(&x), &single(&w), &targets);
            assert_close(&dx, &want_dx, 1e-5);
            assert_close(&dw, &want_dw, 1e-5);
            let alone = losses(&single(&x), &single(&w), &targets, Precision::F32).unwrap();
            for ((got, want), alone) in rows.iter().zip(&want_rows).zip(&alone) {
                assert!((got.loss - want.loss).abs() < 1e-5 && (alone.loss - want.loss).abs() < 1e-5);
                assert_eq!((got.hit, alone.hit), (want.hit, want.hit));
            }
        }
    }

    /// Losses, and the gradients of `x`, weight and bias.
    fn biased(x: &Tensor, weight: &Tensor, bias: &Tensor, targets: &[u32]) -> (Vec<RowLoss>, [Tensor; 3]) {
        let (mut dw, mut db) = (None, None);
        let (output, slots) =
            (Output { weight, bias: Some(bias) }, Slots { weight: Some(&mut dw), bias: Some(&mut db) });
        let (rows, dx) = biased_losses_and_gradients(x, output, targets, SCALE, Precision::F32, slots).unwrap();
        (rows, [dx, dw.unwrap(), db.unwrap()])
    }

    #[test]
    fn a_bias_has_its_gradient_and_the_kernel_the_same() {
        let (x, w, b, targets) = (random((4, 3), 1), random((5, 3), 2), random(5, 3), [4, 0, 2, 2]);
        let inputs = [x.clone(), w.clone(), b.clone()];
        let objective = |t: &[Tensor]| {
            let logits = t[0].matmul(&t[1].t().unwrap()).unwrap().broadcast_add(&t[2]).unwrap();
            let index = Tensor::from_slice(&targets, (4, 1), &Device::Cpu).unwrap();
            (log_softmax(&logits).unwrap().gather(&index, 1).unwrap().sum_all().unwrap() * -SCALE).unwrap()
        };
        let (_, got) = biased(&x, &w, &b, &targets);
        for (index, got) in got.iter().enumerate() {
            assert_close(got, &finite_differences(&inputs, index, objective), 1e-7);
        }
        for (n, vocabulary) in [(1, 1), (7, 3), (600, 70), (33, 9000)] {
            let (x, w, b) = (random((n, 8), 1), random((vocabulary, 8), 2), random(vocabulary, 3));
            let targets: Vec<u32> = (0..n).map(|i| (i * 31 % vocabulary) as u32).collect();
            let (want_rows, want) = biased(&x, &w, &b, &targets);
            let (rows, got) = biased(&single(&x), &single(&w), &single(&b), &targets);
            got.iter().zip(&want).for_each(|(got, want)| assert_close(got, want, 1e-5));
            let bias = single(&b);
            let alone = biased_losses(&single(&x), &single(&w), Some(&bias), &targets, Precision::F32).unwrap();
            for ((got, want), alone) in rows.iter().zip(&want_rows).zip(&alone) {
                assert!((got.loss - want.loss).abs() < 1e-5 && (alone.loss - want.loss).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn contributions_add_up_and_bad_targets_are_refused() {
        let (x, w) = (single(&random((3, 4), 1)), single(&random((5, 4), 2)));
        let mut slot = None;
        for _ in 0..2 {
            losses_and_gradients(&x, &w, &[0, 1, 2], SCALE, Precision::F32, Some(&mut slot)).unwrap();
        }
        let (_, _, once) = gradients(&x, &w, &[0, 1, 2]);
        assert_close(&slot.unwrap(), &(once * 2.0).unwrap(), 1e-6);
        assert!(losses(&x, &w, &[0, 1, 5], Precision::F32).is_err());
        assert!(losses(&x, &w, &[0, 1], Precision::F32).is_err());
    }
}
