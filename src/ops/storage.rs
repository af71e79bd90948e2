//! The bridge between candle tensors and plain slices.

use super::Slot;
use super::cpu::matmul::{Matrix, Operand};
use candle_core::{CpuStorage, DType, InplaceOp1, InplaceOp2, Layout, Result, Storage, Tensor, bail};
use std::cell::RefCell;

/// Whether the fused kernels can work on all of these: contiguous f32 on the CPU.
pub(super) fn on_cpu_f32(tensors: &[&Tensor]) -> bool {
    tensors.iter().all(|t| t.device().is_cpu() && t.dtype() == DType::F32 && t.is_contiguous())
}

fn slice_of<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(data), Some((start, end))) => Ok(&data[start..end]),
        _ => bail!("a kernel for contiguous f32 tensors was given something else"),
    }
}

/// Calls `work` with the elements of each tensor; all must satisfy [`on_cpu_f32`].
pub(super) fn with_slices<const N: usize, R>(tensors: [&Tensor; N], work: impl FnOnce([&[f32]; N]) -> R) -> Result<R> {
    let guards = tensors.map(|tensor| tensor.storage_and_layout());
    let mut slices: [&[f32]; N] = [&[]; N];
    for (slice, (storage, layout)) in slices.iter_mut().zip(&guards) {
        *slice = match &**storage {
            Storage::Cpu(cpu) => slice_of(cpu, layout)?,
            _ => bail!("a CPU kernel was given a tensor of another device"),
        };
    }
    Ok(work(slices))
}

/// Whether a weight can be the operand of a kernel's product: contiguous f32, bf16 or f16 on the CPU.
pub(super) fn is_operand(weight: &Tensor) -> bool {
    let known = matches!(weight.dtype(), DType::F32 | DType::BF16 | DType::F16);
    known && weight.device().is_cpu() && weight.is_contiguous()
}

/// Calls `work` with a matrix (rows, columns) as it is stored; it must satisfy [`is_operand`].
pub(super) fn with_operand<R>(weight: &Tensor, work: impl FnOnce(Operand) -> R) -> Result<R> {
    let (storage, layout) = weight.storage_and_layout();
    let columns = weight.dim(1)?;
    let (Storage::Cpu(storage), Some((start, end))) = (&*storage, layout.contiguous_offsets()) else {
        bail!("a CPU kernel was given a tensor that is not contiguous on the CPU");
    };
    match storage {
        CpuStorage::F32(data) => Ok(work(Operand::F32(Matrix::new(&data[start..end], columns)))),
        CpuStorage::BF16(data) => Ok(work(Operand::Bf16(Matrix::new(&data[start..end], columns)))),
        CpuStorage::F16(data) => Ok(work(Operand::F16(Matrix::new(&data[start..end], columns)))),
        _ => bail!("a kernel cannot multiply with {:?}", weight.dtype()),
    }
}

/// The elements of an optional tensor, copied; biases and the like.
pub(super) fn optional_slice(tensor: Option<&Tensor>) -> Result<Option<Vec<f32>>> {
    tensor.map(|t| with_slices([t], |[slice]| slice.to_vec())).transpose()
}

/// An in-place operation given as a closure.
struct InPlace<F>(RefCell<F>);

fn slice_of_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(data), Some((start, end))) => Ok(&mut data[start..end]),
        _ => bail!("an in-place kernel for contiguous f32 tensors was given something else"),
    }
}

impl<F: FnMut(&mut [f32])> InplaceOp1 for InPlace<F> {
    fn name(&self) -> &'static str {
        "in-place kernel"
    }

    fn cpu_fwd(&self, target: &mut CpuStorage, layout: &Layout) -> Result<()> {
        (self.0.borrow_mut())(slice_of_mut(target, layout)?);
        Ok(())
    }
}

/// The same with a source.
struct InPlaceFrom<F>(RefCell<F>);

impl<F: FnMut(&mut [f32], &[f32])> InplaceOp2 for InPlaceFrom<F> {
    fn name(&self) -> &'static str {
        "in-place kernel"
    }

    fn cpu_fwd(&self, target: &mut CpuStorage, to: &Layout, source: &CpuStorage, from: &Layout) -> Result<()> {
        (self.0.borrow_mut())(slice_of_mut(target, to)?, slice_of(source, from)?);
        Ok(())
    }
}

/// Calls `work` with the elements of `target`, to be changed in place.
pub(super) fn with_mut(target: &Tensor, work: impl FnMut(&mut [f32])) -> Result<()> {
    target.inplace_op1(&InPlace(RefCell::new(work)))
}

/// Calls `work` with the elements of `target`, to be changed in place, and those of `source`.
pub(super) fn with_mut_from(target: &Tensor, source: &Tensor, work: impl FnMut(&mut [f32], &[f32])) -> Result<()> {
    target.inplace_op2(source, &InPlaceFrom(RefCell::new(work)))
}

/// `target += source`, in place where that is possible without a copy.
pub fn add_in_place(target: &mut Tensor, source: &Tensor) -> Result<()> {
    if on_cpu_f32(&[target, source]) {
        return with_mut_from(target, source, super::cpu::vector::add_assign);
    }
    *target = target.add(source)?;
    Ok(())
}

/// Adds a finished contribution to a slot.
pub fn add_to_slot(slot: &mut Slot, contribution: Tensor) -> Result<()> {
    match slot {
        Some(sum) => add_in_place(sum, &contribution),
        None => {
            *slot = Some(contribution);
            Ok(())
        }
    }
}
