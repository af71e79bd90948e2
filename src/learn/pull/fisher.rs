//! The diagonal of the Fisher information: how much each weight matters for what was learned before.

use super::super::objective::{self, Scale};
use crate::corpus::batches::Batch;
use crate::model::{Decoder, Gradients, ParameterId, Storage, Thaw};
use crate::{Error, Result};
use candle_core::{DType, Tensor};
use xxhash_rust::xxh3::Xxh3Default;

/// The **empirical** Fisher: for each row, the gradient of its mean loss (nats per learned token, towards the targets of
/// the data, not towards targets drawn from the model) is squared; the mean over the rows is kept. One number for each
/// weight, so as much memory as the model in f32.
#[derive(Clone, Debug)]
pub struct Fisher {
    /// In the fixed order of the parameters.
    diagonals: Vec<Tensor>,
    rows: usize,
    key: u128,
}

impl Fisher {
    /// Measures `decoder` on the rows of `batches`, one after the other, until `rows` of them with something to learn were
    /// seen. A pure function of its arguments; `key` is their [`key`]. Nothing to learn from in all of them is an error.
    pub fn measure(
        decoder: &Decoder,
        batches: impl IntoIterator<Item = Result<Batch>>,
        rows: usize,
        key: u128,
    ) -> Result<Self> {
        #[cfg(test)]
        MEASURED.set(MEASURED.get() + 1);
        let mut decoder = decoder.clone();
        // What may be thawed later has its importance too.
        decoder.store(Storage::F32, |_| true)?;
        let thaw = Thaw::of_groups(&decoder.parameters, |_| true);
        let zeros = decoder.parameters.iter().map(|(_, parameter)| parameter.value.zeros_like());
        let mut sums: Vec<Tensor> = zeros.collect::<candle_core::Result<_>>()?;
        let seen = each_row(batches, rows, |row, scale| {
            let mut gradients = Gradients::new(&thaw);
            objective::accumulate(&decoder, row, &thaw, None, scale, &mut gradients)?;
            for (id, gradient) in gradients.iter() {
                sums[id.0] = (&sums[id.0] + gradient.sqr()?)?;
            }
            Ok(())
        })?;
        if seen == 0 {
            return Err(Error::new("the Fisher information cannot be measured")
                .because("no row of the phase before has anything to learn from"));
        }
        let diagonals = sums.iter().map(|sum| (sum / seen as f64)?.to_dtype(DType::F32));
        Ok(Self { diagonals: diagonals.collect::<candle_core::Result<_>>()?, rows: seen, key })
    }

    /// As it was stored: diagonals in f32, in the fixed order of the parameters.
    pub fn stored(diagonals: Vec<Tensor>, rows: usize, key: u128) -> Self {
        Self { diagonals, rows, key }
    }

    /// Of a parameter, in its shape.
    pub fn diagonal(&self, id: ParameterId) -> &Tensor {
        &self.diagonals[id.0]
    }

    /// Rows that it is the mean over.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// What it follows from: see [`key`].
    pub fn key(&self) -> u128 {
        self.key
    }

    /// From diagonals that were measured elsewhere, in the fixed order of the parameters.
    #[cfg(test)]
    pub(super) fn of(diagonals: Vec<Tensor>) -> Self {
        Self { diagonals, rows: 1, key: 0 }
    }
}

#[cfg(test)]
thread_local! {
    /// How often it was measured, by this thread.
    pub(crate) static MEASURED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// A checksum of all that [`Fisher::measure`] follows from: the weights as they are stored, how products are rounded, and
/// the rows. One that was measured before is that of these arguments where the keys are the same.
pub fn key(decoder: &Decoder, batches: impl IntoIterator<Item = Result<Batch>>, rows: usize) -> Result<u128> {
    let mut hash = Xxh3Default::new();
    hash.update(decoder.parameters.precision.to_string().as_bytes());
    for (_, parameter) in decoder.parameters.iter() {
        hash.update(
            format!("{} {:?} {:?}", parameter.name, parameter.value.dims(), parameter.value.dtype()).as_bytes(),
        );
        // Half precision is widened without rounding.
        let numbers = parameter.value.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        numbers.iter().for_each(|number| hash.update(&number.to_le_bytes()));
    }
    each_row(batches, rows, |row, _| {
        for numbers in [&row.inputs, &row.targets, &row.positions, &row.first_visible] {
            hash.update(&(numbers.len() as u64).to_le_bytes());
            numbers.iter().for_each(|number| hash.update(&number.to_le_bytes()));
        }
        hash.update(format!("{:?}", row.labelled).as_bytes());
        Ok(())
    })?;
    Ok(hash.digest128())
}

/// Calls `work` with the first `rows` rows that have something to learn, and counts them.
fn each_row(
    batches: impl IntoIterator<Item = Result<Batch>>,
    rows: usize,
    mut work: impl FnMut(&Batch, Scale) -> Result<()>,
) -> Result<usize> {
    let mut seen = 0;
    for batch in batches {
        let batch = batch?;
        for row in batch.split(batch.rows) {
            if seen == rows {
                return Ok(seen);
            }
            if let Some(scale) = Scale::of(std::slice::from_ref(&row)) {
                work(&row, scale)?;
                seen += 1;
            }
        }
        if seen == rows {
            break;
        }
    }
    Ok(seen)
}
