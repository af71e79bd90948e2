//! A batch as a person reads it.

use crate::Result;
use crate::corpus::batches::{Batch, IGNORE};
use crate::corpus::tokenizer::Tokenizer;
use crate::corpus::view::token_views;
use crate::model::Target;
use crate::protocol::{BatchView, TokenView};

/// The rows of a batch in tokens, padding left out. Positions only say what comes next: the last token of each example
/// is in the targets alone. Of texts that are scored nothing is learned token by token: behind each stands its label, one of
/// `labels`, or its number.
pub fn batch_view(
    step: u64,
    phase: &str,
    batch: &Batch,
    tokenizer: &Tokenizer,
    labels: &[String],
) -> Result<BatchView> {
    let rows = (0..batch.rows).map(|row| row_view(batch, row, tokenizer, labels)).collect::<Result<_>>()?;
    Ok(BatchView { step, phase: phase.into(), rows })
}

fn row_view(batch: &Batch, row: usize, tokenizer: &Tokenizer, labels: &[String]) -> Result<Vec<TokenView>> {
    let places = row * batch.context..(row + 1) * batch.context;
    let (inputs, targets) = (&batch.inputs[places.clone()], &batch.targets[places.clone()]);
    let first_visible = &batch.first_visible[places.clone()];
    let scored = batch.labelled.iter().map(|labelled| (labelled.position as usize, labelled.target));
    let inside = scored.filter(|(at, _)| places.contains(at));
    let scored: Vec<(usize, Target)> = inside.map(|(at, target)| (at - places.start, target)).collect();
    let mut views = Vec::new();
    let mut start = 0;
    for example in first_visible.chunk_by(|a, b| a == b) {
        let end = start + example.len();
        let target = scored.iter().find(|(at, _)| (start..end).contains(at)).map(|(_, target)| *target);
        let is_learned = targets[start..end].iter().any(|&target| target != IGNORE);
        if is_learned || target.is_some() {
            views.extend(token_views(&example_tokens(&inputs[start..end], &targets[start..end]), tokenizer)?);
        }
        views.extend(target.map(|target| label_view(target, labels)));
        start = end;
    }
    Ok(views)
}

/// What a text should be scored as, as it stands behind the text.
fn label_view(target: Target, labels: &[String]) -> TokenView {
    let said = match target {
        Target::Class(class) => labels.get(class as usize).cloned().unwrap_or_else(|| format!("class {class}")),
        Target::Number(number) => number.to_string(),
    };
    let (text, surprise) = (format!(" → {said}  "), None);
    TokenView { id: 0, text, surprise, learned: true, is_special: false, is_label: true }
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
pub fn masked_batch_view(
    step: u64,
    phase: &str,
    batch: &Batch,
    tokenizer: &Tokenizer,
    labels: &[String],
) -> Result<BatchView> {
    let row = |row: usize| {
        let places = row * batch.context..(row + 1) * batch.context;
        if batch.labelled.iter().any(|labelled| places.contains(&(labelled.position as usize))) {
            return row_view(batch, row, tokenizer, labels);
        }
        let tokens = batch.inputs[places.clone()].iter().zip(&batch.targets[places]);
        let tokens: Vec<(u32, bool)> = tokens.map(|(&token, &target)| (token, target != IGNORE)).collect();
        token_views(&tokens, tokenizer)
    };
    Ok(BatchView { step, phase: phase.into(), rows: (0..batch.rows).map(row).collect::<Result<_>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::batches::{Batches, Packed};
    use crate::corpus::examples::{EncodedExample, Label};
    use crate::model::Pooled;

    /// The rows of a batch of these texts, in one string each, with whether anything but labels is learned.
    fn shown(targets: [Target; 2], pooled: Pooled) -> Vec<String> {
        let tokenizer = Tokenizer::train(["fine bread and stale bread".repeat(4)], 300).unwrap();
        let example = |(text, target): (&str, Target)| {
            let tokens = tokenizer.encode(text).unwrap();
            EncodedExample { learned: vec![false; tokens.len()], tokens, label: Some(Label { target, pooled }) }
        };
        let texts: Vec<_> = ["fine bread", "stale"].into_iter().zip(targets).map(example).collect();
        let batch = Packed::new(texts, 24, 2, 1, 0).unwrap().batch(0).unwrap();
        let labels = ["bad", "good"].map(String::from);
        let plain = batch_view(1, "judge", &batch, &tokenizer, &labels).unwrap();
        let masked = masked_batch_view(1, "judge", &batch, &tokenizer, &labels).unwrap();
        assert_eq!(plain, masked, "texts that are scored hide nothing");
        assert!(plain.rows.iter().flatten().all(|token| token.learned == token.is_label));
        plain.rows.iter().map(|row| row.iter().map(|token| token.text.as_str()).collect()).collect()
    }

    #[test]
    fn behind_each_text_stands_what_it_should_be_scored_as() {
        for pooled in [Pooled::First, Pooled::Last] {
            let rows = shown([Target::Class(1), Target::Class(0)], pooled).concat();
            assert!(rows.contains("fine bread → good  ") && rows.contains("stale → bad  "), "{rows}");
            let rows = shown([Target::Number(0.1), Target::Number(-2.0)], pooled).concat();
            assert!(rows.contains("fine bread → 0.1  ") && rows.contains("stale → -2  "), "{rows}");
        }
    }
}
