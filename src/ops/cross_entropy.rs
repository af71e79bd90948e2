//! The head's product and softmax cross-entropy in one, in chunks of rows: the logits of a whole batch are never in
//! memory at once, and gradients are made while a chunk's logits are at hand.

pub use super::cpu::cross_entropy::RowLoss;
use super::cpu::matmul::{Matrix, Product, Write, multiply};
use super::storage::{on_cpu_f32, with_mut, with_slices};
use super::{Slot, add_to_slot, cpu};
use candle_core::{D, DType, Result, Tensor, bail};

/// Logits that a chunk may hold: 16 MiB of f32, in rows from 16 to 512.
const CHUNK_ELEMENTS: usize = 1 << 22;

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
pub fn losses(x: &Tensor, weight: &Tensor, targets: &[u32]) -> Result<Vec<RowLoss>> {
    let (rows, vocabulary) = (x.dim(0)?, weight.dim(0)?);
    check_targets(targets, rows, vocabulary)?;
    let mut all = Vec::with_capacity(rows);
    let chunk = chunk_rows(rows, vocabulary);
    for start in (0..rows).step_by(chunk) {
        let count = chunk.min(rows - start);
        let logits = super::linear::forward(&x.narrow(0, start, count)?, weight, None, None)?;
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
    slot: Option<&mut Slot>,
) -> Result<(Vec<RowLoss>, Tensor)> {
    check_targets(targets, x.dim(0)?, weight.dim(0)?)?;
    match on_cpu_f32(&[x, weight]) {
        true => fused(x, weight, targets, scale, slot),
        false => plain(x, weight, targets, scale, slot),
    }
}

fn plain(
    x: &Tensor,
    weight: &Tensor,
    targets: &[u32],
    scale: f64,
    slot: Option<&mut Slot>,
) -> Result<(Vec<RowLoss>, Tensor)> {
    let (rows, log_p) = plain_losses(&super::linear::plain(x, weight, None, None)?, targets)?;
    let index = Tensor::from_slice(targets, (targets.len(), 1), x.device())?;
    let ones = Tensor::full(-1.0f32, (targets.len(), 1), x.device())?.to_dtype(log_p.dtype())?;
    let gradient = (log_p.exp()?.scatter_add(&index, &ones, 1)? * scale)?.to_dtype(x.dtype())?;
    if let Some(slot) = slot {
        add_to_slot(slot, gradient.t()?.matmul(x)?)?;
    }
    Ok((rows, gradient.matmul(weight)?))
}

fn fused(
    x: &Tensor,
    weight: &Tensor,
    targets: &[u32],
    scale: f64,
    slot: Option<&mut Slot>,
) -> Result<(Vec<RowLoss>, Tensor)> {
    let (vocabulary, width) = weight.dims2()?;
    let mut dx = vec![0.0; x.elem_count()];
    let mut rows = Vec::with_capacity(targets.len());
    let mut chunks = |dw: Option<&mut [f32]>, write: Write| {
        with_slices([x, weight], |[x, w]| {
            let head = Head { weight: w, vocabulary, width, scale: scale as f32 };
            head.run(x, targets, &mut dx, dw, write, &mut rows);
        })
    };
    match slot {
        None => chunks(None, Write::Replace)?,
        Some(Some(sum)) => {
            let mut outcome = Ok(());
            with_mut(sum, |sum| outcome = chunks(Some(sum), Write::Add))?;
            outcome?;
        }
        Some(empty) => {
            let mut dw = vec![0.0; vocabulary * width];
            chunks(Some(&mut dw), Write::Add)?;
            *empty = Some(Tensor::from_vec(dw, (vocabulary, width), x.device())?);
        }
    }
    Ok((rows, Tensor::from_vec(dx, x.shape(), x.device())?))
}

/// The head's weight and the factor of the loss.
struct Head<'a> {
    weight: &'a [f32],
    vocabulary: usize,
    width: usize,
    scale: f32,
}

impl Head<'_> {
    fn run(
        &self,
        x: &[f32],
        targets: &[u32],
        dx: &mut [f32],
        mut dw: Option<&mut [f32]>,
        write: Write,
        rows: &mut Vec<RowLoss>,
    ) {
        let (vocabulary, width) = (self.vocabulary, self.width);
        let chunk = chunk_rows(targets.len(), vocabulary);
        let mut logits = vec![0.0; chunk.min(targets.len()) * vocabulary];
        let weight = Matrix::new(self.weight, width);
        let by_chunk = targets.chunks(chunk).zip(x.chunks(chunk * width).zip(dx.chunks_mut(chunk * width)));
        for (targets, (x, dx)) in by_chunk {
            let count = targets.len();
            let logits = &mut logits[..count * vocabulary];
            let x = Matrix::new(x, width);
            let size = (count, vocabulary, width);
            multiply(logits, vocabulary, x, weight.transposed(), Product::new(size));
            rows.extend(cpu::cross_entropy::losses_and_gradient(logits, vocabulary, targets, self.scale));
            let gradient = Matrix::new(logits, vocabulary);
            multiply(dx, width, gradient, weight, Product::new((count, width, vocabulary)));
            if let Some(dw) = dw.as_deref_mut() {
                multiply(dw, width, gradient.transposed(), x, Product::new((vocabulary, width, count)).write(write));
            }
        }
    }
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
        let (rows, dx) = losses_and_gradients(x, weight, targets, SCALE, Some(&mut slot)).unwrap();
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
            let alone = losses(&single(&x), &single(&w), &targets).unwrap();
            for ((got, want), alone) in rows.iter().zip(&want_rows).zip(&alone) {
                assert!((got.loss - want.loss).abs() < 1e-5 && (alone.loss - want.loss).abs() < 1e-5);
                assert_eq!((got.hit, alone.hit), (want.hit, want.hit));
            }
        }
    }

    #[test]
    fn contributions_add_up_and_bad_targets_are_refused() {
        let (x, w) = (single(&random((3, 4), 1)), single(&random((5, 4), 2)));
        let mut slot = None;
        for _ in 0..2 {
            losses_and_gradients(&x, &w, &[0, 1, 2], SCALE, Some(&mut slot)).unwrap();
        }
        let (_, _, once) = gradients(&x, &w, &[0, 1, 2]);
        assert_close(&slot.unwrap(), &(once * 2.0).unwrap(), 1e-6);
        assert!(losses(&x, &w, &[0, 1, 5]).is_err());
        assert!(losses(&x, &w, &[0, 1]).is_err());
    }
}
