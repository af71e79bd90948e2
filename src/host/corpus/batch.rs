//! A batch as a person reads it.

use crate::Result;
use crate::corpus::batches::{Batch, IGNORE};
use crate::corpus::tokenizer::Tokenizer;
use crate::corpus::view::token_views;
use crate::protocol::{BatchView, TokenView};

/// The rows of a batch in tokens, padding left out. Positions only say what comes next: the last token of each example
/// is in the targets alone. Of texts that are scored nothing is learned token by token.
pub fn batch_view(step: u64, phase: &str, batch: &Batch, tokenizer: &Tokenizer) -> Result<BatchView> {
    let rows = (0..batch.rows).map(|row| row_view(batch, row, tokenizer)).collect::<Result<_>>()?;
    Ok(BatchView { step, phase: phase.into(), rows })
}

fn row_view(batch: &Batch, row: usize, tokenizer: &Tokenizer) -> Result<Vec<TokenView>> {
    let places = row * batch.context..(row + 1) * batch.context;
    let (inputs, targets) = (&batch.inputs[places.clone()], &batch.targets[places.clone()]);
    let first_visible = &batch.first_visible[places.clone()];
    let scored = batch.labelled.iter().map(|labelled| labelled.position as usize);
    let scored: Vec<usize> = scored.filter(|at| places.contains(at)).map(|at| at - places.start).collect();
    let mut views = Vec::new();
    let mut start = 0;
    for example in first_visible.chunk_by(|a, b| a == b) {
        let end = start + example.len();
        let is_scored = scored.iter().any(|position| (start..end).contains(position));
        let is_learned = targets[start..end].iter().any(|&target| target != IGNORE);
        if is_learned || is_scored {
            views.extend(token_views(&example_tokens(&inputs[start..end], &targets[start..end]), tokenizer)?);
        }
        start = end;
    }
    Ok(views)
}

/// The tokens of one example, and whether each is learned: whether the position before it has it as its target.
fn example_tokens(inputs: &[u32], targets: &[u32]) -> Vec<(u32, bool)> {
    let learned_before = std::iter::once(false).chain(targets.iter().map(|&target| target != IGNORE));
    let mut tokens: Vec<(u32, bool)> = inputs.iter().copied().zip(learned_before).collect();
    tokens.extend(targets.last().filter(|&&target| target != IGNORE).map(|&target| (target, true)));
    tokens
}

/// The same for rows with hidden tokens, which are learned where they stand; what is hidden shows as the model sees it. Rows
/// of texts that are scored, which an encoder may learn beside them, are as ever.
pub fn masked_batch_view(step: u64, phase: &str, batch: &Batch, tokenizer: &Tokenizer) -> Result<BatchView> {
    let row = |row: usize| {
        let places = row * batch.context..(row + 1) * batch.context;
        if batch.labelled.iter().any(|labelled| places.contains(&(labelled.position as usize))) {
            return row_view(batch, row, tokenizer);
        }
        let tokens = batch.inputs[places.clone()].iter().zip(&batch.targets[places]);
        let tokens: Vec<(u32, bool)> = tokens.map(|(&token, &target)| (token, target != IGNORE)).collect();
        token_views(&tokens, tokenizer)
    };
    Ok(BatchView { step, phase: phase.into(), rows: (0..batch.rows).map(row).collect::<Result<_>>()? })
}
