//! Examples as tokens, cut to what a model can see at once.

use rayon::prelude::*;

use crate::corpus::examples::Example;
use crate::corpus::tokenizer::Tokenizer;
use crate::error::{Context, Error, Result};

/// An example as tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedExample {
    pub tokens: Vec<u32>,
    /// Whether the model learns to write each token; as long as `tokens`.
    pub learned: Vec<bool>,
}

impl EncodedExample {
    /// How many positions it takes in a row: one fewer than it has tokens, since the last is only predicted. Errors:
    /// nothing to predict, or more positions than `context`.
    pub fn positions(&self, context: usize) -> Result<usize> {
        let positions = self.tokens.len().saturating_sub(1);
        let failed = |why: String| Err(Error::new("an example cannot be put into a batch").because(why));
        if self.learned.len() != self.tokens.len() || !self.learned.iter().skip(1).any(|&learned| learned) {
            return failed("there is nothing to learn in it".into());
        }
        if positions > context {
            return failed(format!("it takes {positions} positions, and a row has {context}"));
        }
        Ok(positions)
    }
}

/// Examples as tokens, and how many had to be cut.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoded {
    /// In the order of the examples.
    pub examples: Vec<EncodedExample>,
    /// Examples that lost the beginning of what comes before their last completion.
    pub cut_prompts: u64,
    /// Examples that lost the end of their completion.
    pub cut_completions: u64,
}

/// Turns examples into tokens that fit into `context` positions.
///
/// An example that is too long loses tokens from its beginning, so that what is asked last and the completion stay;
/// one whose completion alone is too long loses the end of that too, and with it the mark that ends the text. Where
/// nothing comes before the completion, the end-of-text token does, as between documents. Errors: a tokenizer that
/// fails, or gives no token to learn.
pub fn encode(examples: &[Example], tokenizer: &Tokenizer, context: usize) -> Result<Encoded> {
    let cut = examples.par_iter().enumerate().map(|(index, example)| {
        let encoded = tokens_of(example, tokenizer)?;
        let (encoded, cut) = fit(encoded, context);
        encoded.positions(context).what(|| format!("cannot learn from example {}", index + 1))?;
        Ok((encoded, cut))
    });
    let cut: Vec<(EncodedExample, Cut)> = cut.collect::<Result<_>>()?;
    let mut encoded = Encoded::default();
    for (example, cut) in cut {
        encoded.examples.push(example);
        encoded.cut_prompts += (cut != Cut::Nothing) as u64;
        encoded.cut_completions += (cut == Cut::Completion) as u64;
    }
    Ok(encoded)
}

impl EncodedExample {
    /// The same in `context` positions: see [`encode`] for what it loses where it is longer.
    pub fn fitted(&self, context: usize) -> EncodedExample {
        fit(self.clone(), context).0
    }
}

fn tokens_of(example: &Example, tokenizer: &Tokenizer) -> Result<EncodedExample> {
    let mut encoded = EncodedExample { tokens: Vec::new(), learned: Vec::new() };
    for segment in &example.segments {
        if encoded.tokens.is_empty() && segment.learned {
            encoded.tokens.extend(tokenizer.end_of_text());
            encoded.learned.resize(encoded.tokens.len(), false);
        }
        for piece in segment.pieces() {
            tokenizer.encode_into(piece, &mut encoded.tokens)?;
        }
        encoded.learned.resize(encoded.tokens.len(), segment.learned);
    }
    if example.ends {
        encoded.tokens.extend(tokenizer.end_of_text());
        encoded.learned.resize(encoded.tokens.len(), true);
    }
    // What comes after everything learned only takes room.
    let end = encoded.learned.iter().rposition(|&learned| learned).map_or(0, |last| last + 1);
    encoded.tokens.truncate(end);
    encoded.learned.truncate(end);
    Ok(encoded)
}

/// The tokens before what is learned last, spelled as in training: what a model is asked to go on from. Where nothing
/// comes before it, the end-of-text token does.
pub fn prompt_tokens(example: &Example, tokenizer: &Tokenizer) -> Result<Vec<u32>> {
    let last = example.segments.iter().rposition(|segment| segment.learned).unwrap_or(example.segments.len());
    let mut tokens = Vec::new();
    for segment in &example.segments[..last] {
        if tokens.is_empty() && segment.learned {
            tokens.extend(tokenizer.end_of_text());
        }
        for piece in segment.pieces() {
            tokenizer.encode_into(piece, &mut tokens)?;
        }
    }
    if tokens.is_empty() {
        tokens.extend(tokenizer.end_of_text());
    }
    Ok(tokens)
}

/// What had to be cut to make an example fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Nothing,
    Prompt,
    /// All but the last token of the prompt, and the end of the completion.
    Completion,
}

fn fit(mut example: EncodedExample, context: usize) -> (EncodedExample, Cut) {
    let excess = example.tokens.len().saturating_sub(context + 1);
    if excess == 0 {
        return (example, Cut::Nothing);
    }
    let completion = example.learned.iter().rposition(|&learned| !learned).map_or(0, |last| last + 1);
    // One token stays before the completion, to predict its first from.
    let from_prompt = excess.min(completion.saturating_sub(1));
    example.tokens.drain(..from_prompt);
    example.learned.drain(..from_prompt);
    example.tokens.truncate(context + 1);
    example.learned.truncate(context + 1);
    (example, if from_prompt == excess { Cut::Prompt } else { Cut::Completion })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(prompt: usize, completion: usize) -> EncodedExample {
        let tokens = (0..(prompt + completion) as u32).collect();
        EncodedExample { tokens, learned: (0..prompt + completion).map(|at| at >= prompt).collect() }
    }

    #[test]
    fn the_completion_is_kept_and_the_prompt_cut_at_its_left() {
        assert_eq!(fit(example(3, 2), 4), (example(3, 2), Cut::Nothing));
        let (cut, kind) = fit(example(10, 2), 4);
        assert_eq!((cut.tokens, kind), (vec![7, 8, 9, 10, 11], Cut::Prompt));
        let (cut, kind) = fit(example(3, 10), 4);
        assert_eq!((cut.tokens, kind), (vec![2, 3, 4, 5, 6], Cut::Completion));
        assert_eq!(cut.learned, [false, true, true, true, true]);
    }

    #[test]
    fn an_example_without_anything_to_learn_is_refused() {
        assert!(example(3, 0).positions(9).is_err());
        assert!(EncodedExample { tokens: vec![1], learned: vec![true] }.positions(9).is_err());
        assert!(EncodedExample { tokens: vec![1, 2], learned: vec![true] }.positions(9).is_err());
        assert_eq!(example(3, 2).positions(4).unwrap(), 4);
        assert!(example(3, 2).positions(3).is_err());
    }
}
