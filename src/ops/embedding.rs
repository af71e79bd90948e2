//! Looking rows of a table up, and adding gradients back to them.

use super::storage::{on_cpu_f32, with_mut_from, with_slices};
use super::{Slot, cpu};
use candle_core::{DType, Result, Tensor, bail};

/// `table` (entries, width), `ids` → (ids, width); from tables in half precision in f32. An id outside the table is an
/// error.
pub fn forward(table: &Tensor, ids: &[u32]) -> Result<Tensor> {
    let (entries, width) = table.dims2()?;
    if let Some(id) = ids.iter().find(|&&id| id as usize >= entries) {
        bail!("id {id} is outside a table of {entries} rows");
    }
    if !on_cpu_f32(&[table]) {
        let rows = table.index_select(&Tensor::from_slice(ids, ids.len(), table.device())?, 0)?;
        let is_half = matches!(table.dtype(), DType::BF16 | DType::F16);
        return if is_half { rows.to_dtype(DType::F32) } else { Ok(rows) };
    }
    let mut rows = Vec::with_capacity(ids.len() * width);
    with_slices([table], |[table]| {
        ids.iter().for_each(|&id| rows.extend_from_slice(&table[id as usize * width..][..width]));
    })?;
    Tensor::from_vec(rows, (ids.len(), width), table.device())
}

/// Adds each row of `gradient` (ids, width) to row `ids[i]` of `slot`, a table of `entries` rows.
pub fn backward(gradient: &Tensor, ids: &[u32], entries: usize, slot: &mut Slot) -> Result<()> {
    let width = gradient.dim(1)?;
    let sum = match slot {
        Some(sum) => sum,
        None => slot.insert(Tensor::zeros((entries, width), gradient.dtype(), gradient.device())?),
    };
    if on_cpu_f32(&[sum, gradient]) {
        return with_mut_from(sum, gradient, |sum, gradient| {
            cpu::simd!({
                for (row, &id) in gradient.chunks_exact(width).zip(ids) {
                    cpu::vector::add_assign(&mut sum[id as usize * width..][..width], row);
                }
            });
        });
    }
    let ids = Tensor::from_slice(ids, ids.len(), gradient.device())?;
    *sum = sum.index_add(&ids, gradient, 0)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::check::{assert_close, check_gradients, random, single};
    use super::*;

    const IDS: [u32; 5] = [3, 0, 3, 3, 1];

    /// Gathered in two contributions, so that the second meets a filled slot.
    fn table_gradient(g: &Tensor) -> Result<Tensor> {
        let mut slot = None;
        backward(&g.narrow(0, 0, 2)?, &IDS[..2], 4, &mut slot)?;
        backward(&g.narrow(0, 2, 3)?, &IDS[2..], 4, &mut slot)?;
        slot.ok_or_else(|| candle_core::Error::Msg("the slot stayed empty".into()))
    }

    #[test]
    fn gradients_agree_with_finite_differences_and_autograd() {
        let table = random((4, 3), 1);
        check_gradients(&[table], |t| forward(&t[0], &IDS), |_, g| Ok(vec![table_gradient(g)?]));
    }

    #[test]
    fn the_kernel_agrees_with_the_plain_expression() {
        let (table, g) = (random((4, 33), 1), random((5, 33), 2));
        assert_close(&forward(&single(&table), &IDS).unwrap(), &forward(&table, &IDS).unwrap(), 1e-6);
        assert_close(&table_gradient(&single(&g)).unwrap(), &table_gradient(&g).unwrap(), 1e-6);
    }

    #[test]
    fn rows_of_half_precision_come_in_f32() {
        let table = random((4, 33), 1).to_dtype(DType::BF16).unwrap();
        let got = forward(&table, &IDS).unwrap();
        assert_eq!(got.dtype(), DType::F32);
        assert_close(&got, &forward(&table.to_dtype(DType::F32).unwrap(), &IDS).unwrap(), 0.0);
    }

    #[test]
    fn an_id_outside_the_table_is_an_error() {
        assert!(forward(&random((4, 3), 1), &[4]).is_err());
    }
}
