//! How far a model's answers are from another's, and the pull between them: the Kullback–Leibler divergence of the
//! distributions over the next token, in chunks of rows, so that the logits of a whole batch are never in memory.
//!
//! KL(teacher ‖ student) = Σ q (ln q − ln p), with q and p the softmax of either's logits / T. Its gradient at the
//! student's logits is (p − q) / T, the same as that of the cross-entropy of p with q as soft targets: distillation
//! (Hinton, Vinyals, Dean 2015, arXiv 1503.02531), and learning without forgetting (Li and Hoiem 2016, arXiv
//! 1606.09282) where the teacher is the student as it was before. Times T², as there, so that a temperature does not
//! weaken the pull beside a loss of its own.

use super::cross_entropy::Slots;
use super::storage::{on_cpu_f32, with_mut_from};
use super::{Precision, cpu, linear};
use candle_core::{D, DType, Result, Tensor, bail};

/// Logits that a chunk may hold of either model: 32 MiB of f32 each, in rows from 16 to 512.
const CHUNK_ELEMENTS: usize = 1 << 23;

/// What a head's last product reads (n, width), the weight (vocabulary, width) that makes logits of it, and the bias
/// (vocabulary) on them where there is one; widths may differ between models, vocabularies may not.
#[derive(Clone, Debug)]
pub struct Answers<'a> {
    pub hidden: Tensor,
    pub weight: &'a Tensor,
    pub bias: Option<&'a Tensor>,
}

impl Answers<'_> {
    fn logits(&self, start: usize, rows: usize, precision: Precision) -> Result<Tensor> {
        linear::forward(&self.hidden.narrow(0, start, rows)?, self.weight, self.bias, None, precision)
    }
}

/// The rows of each chunk, (first, count): as many as may be, in chunks of equal size. Errors: models that cannot be
/// compared.
fn chunks(student: &Answers, teacher: &Answers, temperature: f64) -> Result<Vec<(usize, usize)>> {
    let (rows, vocabulary) = (student.hidden.dim(0)?, student.weight.dim(0)?);
    if teacher.hidden.dim(0)? != rows || teacher.weight.dim(0)? != vocabulary {
        let (other_rows, other) = (teacher.hidden.dim(0)?, teacher.weight.dim(0)?);
        bail!("{rows} rows over {vocabulary} tokens cannot be compared with {other_rows} over {other}");
    }
    if !(temperature.is_finite() && temperature > 0.0) {
        bail!("a temperature of {temperature} has no distribution");
    }
    let most = (CHUNK_ELEMENTS / vocabulary.max(1)).clamp(16, 512);
    let chunk = rows.div_ceil(rows.div_ceil(most).max(1)).max(1);
    Ok((0..rows).step_by(chunk).map(|start| (start, chunk.min(rows - start))).collect())
}

/// KL(teacher ‖ student) of each row, nats.
pub fn divergences(student: &Answers, teacher: &Answers, temperature: f64, precision: Precision) -> Result<Vec<f32>> {
    let mut all = Vec::new();
    for (start, rows) in chunks(student, teacher, temperature)? {
        let (own, other) = (student.logits(start, rows, precision)?, teacher.logits(start, rows, precision)?);
        all.extend(of_logits(&own, &other, temperature, None)?.0);
    }
    Ok(all)
}

/// T² · KL(teacher ‖ student) of each row, and the gradient of `scale` · (their sum) for what the student's last product
/// reads, (n, width); those of its weight and bias are added to `slots` where they train. Nothing goes to the teacher.
pub fn losses_and_gradients(
    student: &Answers,
    teacher: &Answers,
    (temperature, scale): (f64, f64),
    precision: Precision,
    mut slots: Slots,
) -> Result<(Vec<f32>, Tensor)> {
    let (mut all, mut gradients) = (Vec::new(), Vec::new());
    for (start, rows) in chunks(student, teacher, temperature)? {
        let (own, other) = (student.logits(start, rows, precision)?, teacher.logits(start, rows, precision)?);
        let (divergences, gradient) = of_logits(&own, &other, temperature, Some(scale * temperature))?;
        all.extend(divergences.into_iter().map(|divergence| (temperature * temperature) as f32 * divergence));
        gradients.push(linear::backward_input(&gradient, student.weight, precision)?);
        if let Some(slot) = slots.weight.as_deref_mut() {
            linear::backward_weight(&gradient, &student.hidden.narrow(0, start, rows)?, precision, slot)?;
        }
        if let Some(slot) = slots.bias.as_deref_mut() {
            linear::backward_bias(&gradient, slot)?;
        }
    }
    let gradient = match gradients.len() {
        0 => student.hidden.zeros_like()?,
        1 => gradients.remove(0),
        _ => Tensor::cat(&gradients, 0)?,
    };
    Ok((all, gradient))
}

/// The divergences of rows of logits (n, vocabulary), and `factor` · (p − q); `own` may be overwritten.
fn of_logits(own: &Tensor, other: &Tensor, temperature: f64, factor: Option<f64>) -> Result<(Vec<f32>, Tensor)> {
    if !on_cpu_f32(&[own, other]) {
        return plain(own, other, temperature, factor.unwrap_or(1.0));
    }
    let (vocabulary, mut rows) = (own.dim(1)?, Vec::new());
    with_mut_from(own, other, |own, other| {
        let (temperature, factor) = (temperature as f32, factor.map(|factor| factor as f32));
        rows = cpu::distill::divergences(own, other, vocabulary, temperature, factor);
    })?;
    Ok((rows, own.clone()))
}

fn plain(own: &Tensor, other: &Tensor, temperature: f64, factor: f64) -> Result<(Vec<f32>, Tensor)> {
    let log_p = |logits: &Tensor| {
        let logits = if logits.dtype() == DType::F64 { logits.clone() } else { logits.to_dtype(DType::F32)? };
        log_softmax(&(logits / temperature)?)
    };
    let (p, q) = (log_p(own)?, log_p(other)?);
    let rows = (q.exp()? * (&q - &p)?)?.sum(D::Minus1)?;
    let gradient = ((p.exp()? - q.exp()?)? * factor)?.to_dtype(own.dtype())?;
    Ok((rows.to_dtype(DType::F32)?.to_vec1()?, gradient))
}

fn log_softmax(logits: &Tensor) -> Result<Tensor> {
    let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?;
    shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(D::Minus1)?.log()?)
}

#[cfg(test)]
#[path = "distill_tests.rs"]
mod tests;
