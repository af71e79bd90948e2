//! The diagonal of the Fisher information: how much each weight matters for what was learned before.

use super::super::objective::{self, Scale};
use crate::corpus::batches::Batch;
use crate::model::{Decoder, Gradients, ParameterId, Storage, Thaw};
use crate::{Error, Result};
use candle_core::{DType, Tensor};

/// The **empirical** Fisher: for each row, the gradient of its mean loss (nats per learned token, towards the targets of
/// the data, not towards targets drawn from the model) is squared; the mean over the rows is kept. One number for each
/// weight, so as much memory as the model in f32.
#[derive(Clone, Debug)]
pub struct Fisher {
    /// In the fixed order of the parameters.
    diagonals: Vec<Tensor>,
    rows: usize,
}

impl Fisher {
    /// Measures `decoder` on the rows of `batches`, one after the other, until `rows` of them with something to learn were
    /// seen. A pure function of its arguments. Nothing to learn from in all of them is an error.
    pub fn measure(decoder: &Decoder, batches: impl IntoIterator<Item = Result<Batch>>, rows: usize) -> Result<Self> {
        let mut decoder = decoder.clone();
        // What may be thawed later has its importance too.
        decoder.store(Storage::F32, |_| true)?;
        let thaw = Thaw::of_groups(&decoder.parameters, |_| true);
        let zeros = decoder.parameters.iter().map(|(_, parameter)| parameter.value.zeros_like());
        let mut sums: Vec<Tensor> = zeros.collect::<candle_core::Result<_>>()?;
        let mut seen = 0;
        for batch in batches {
            let batch = batch?;
            for row in batch.split(batch.rows) {
                let Some(scale) = Scale::of(std::slice::from_ref(&row)).filter(|_| seen < rows) else { continue };
                let mut gradients = Gradients::new(&thaw);
                objective::accumulate(&decoder, &row, &thaw, None, scale, &mut gradients)?;
                for (id, gradient) in gradients.iter() {
                    sums[id.0] = (&sums[id.0] + gradient.sqr()?)?;
                }
                seen += 1;
            }
            if seen == rows {
                break;
            }
        }
        if seen == 0 {
            return Err(Error::new("the Fisher information cannot be measured")
                .because("no row of the phase before has anything to learn from"));
        }
        let diagonals = sums.iter().map(|sum| (sum / seen as f64)?.to_dtype(DType::F32));
        Ok(Self { diagonals: diagonals.collect::<candle_core::Result<_>>()?, rows: seen })
    }

    /// Of a parameter, in its shape.
    pub fn diagonal(&self, id: ParameterId) -> &Tensor {
        &self.diagonals[id.0]
    }

    /// Rows that it is the mean over.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// From diagonals that were measured elsewhere, in the fixed order of the parameters.
    #[cfg(test)]
    pub(super) fn of(diagonals: Vec<Tensor>) -> Self {
        Self { diagonals, rows: 1 }
    }
}
