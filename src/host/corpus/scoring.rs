//! How surprised a model is by each token of a text.

use crate::Result;
use crate::corpus::batches::{Batch, IGNORE};
use crate::learn::objective;
use crate::model::Decoder;

/// The surprise of each token but the first, given those before it, nats. Of a text that is longer than the model's
/// context, every token still sees at least half a context before it.
pub fn surprises(decoder: &Decoder, tokens: &[u32]) -> Result<Vec<f32>> {
    let context = decoder.config.context;
    let wanted = tokens.len().saturating_sub(1);
    let mut surprises = Vec::with_capacity(wanted);
    let mut start = 0;
    while surprises.len() < wanted {
        let end = (start + context).min(wanted);
        let known = surprises.len() - start;
        let mut targets = tokens[start + 1..=end].to_vec();
        targets[..known].fill(IGNORE);
        let columns = end - start;
        let batch = Batch {
            rows: 1,
            context: columns,
            inputs: tokens[start..end].to_vec(),
            targets,
            positions: (0..columns as u32).collect(),
            first_visible: vec![0; columns],
            labelled: Vec::new(),
        };
        surprises.extend(objective::losses(decoder, &batch)?.into_iter().map(|row| row.loss));
        start = end - context.min(end) / 2;
    }
    Ok(surprises)
}
