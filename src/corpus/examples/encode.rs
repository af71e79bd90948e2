//! Examples as tokens, cut to what a model can see at once.

use rayon::prelude::*;

use crate::corpus::examples::Example;
use crate::corpus::tokenizer::Tokenizer;
use crate::error::{Context, Error, Result};
use crate::model::{Pooled, Target};

/// An example as tokens.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EncodedExample {
    pub tokens: Vec<u32>,
    /// Whether the model learns to write each token; as long as `tokens`.
    pub learned: Vec<bool>,
    /// What the whole text should be scored as, where it is: then every token is read, and none is learned.
    pub label: Option<Label>,
}

/// What a text should be scored as, and by which of its positions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Label {
    pub target: Target,
    pub pooled: Pooled,
}

impl EncodedExample {
    /// How many of its tokens are read: all of a text that is scored; of others not the last, which is only predicted.
    pub fn read(&self) -> usize {
        self.tokens.len().saturating_sub(usize::from(self.label.is_none()))
    }

    /// How many positions it takes in a row. Errors: nothing to predict or to score, or more positions than `context`.
    pub fn positions(&self, context: usize) -> Result<usize> {
        let positions = self.read();
        let failed = |why: String| Err(Error::new("an example cannot be put into a batch").because(why));
        let has_something = match self.label {
            Some(_) => positions > 0 && !self.learned.contains(&true),
            None => self.learned.iter().skip(1).any(|&learned| learned),
        };
        if self.learned.len() != self.tokens.len() || !has_something {
            return failed("there is nothing to learn in it".into());
        }
        if positions > context {
            return failed(format!("it takes {positions} positions, and a row has {context}"));
        }
        Ok(positions)
    }
}

/// Examples as tokens, and how many had to be cut.
#[derive(Debug, Clone, Default, PartialEq)]
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

/// Turns texts that are scored, each with its label, into tokens that fit into `context` positions; also says how many
/// were cut. A text that is too long keeps the end that stands for it: see [`Pooled`]. One that is scored at its first token
/// begins with the token that an encoder's rows begin with, where the tokenizer has one. Errors: a tokenizer that fails or
/// makes nothing of a text.
pub fn encode_labelled(
    examples: &[Example],
    labels: &[Label],
    tokenizer: &Tokenizer,
    context: usize,
) -> Result<(Vec<EncodedExample>, u64)> {
    let fitted = examples.par_iter().zip(labels).enumerate().map(|(index, (example, label))| {
        let mut tokens: Vec<u32> = match label.pooled {
            Pooled::First => tokenizer.begin_of_text().into_iter().collect(),
            Pooled::Last => Vec::new(),
        };
        let mark = tokens.len();
        tokenizer.encode_into(&example.prompt(), &mut tokens)?;
        // The mark alone says nothing.
        tokens.truncate(if tokens.len() == mark { 0 } else { tokens.len() });
        let whole = EncodedExample { learned: vec![false; tokens.len()], tokens, label: Some(*label) };
        let (encoded, cut) = fit(whole, context);
        encoded.positions(context).what(|| format!("cannot learn from text {}", index + 1))?;
        Ok((encoded, u64::from(cut != Cut::Nothing)))
    });
    let fitted: Vec<(EncodedExample, u64)> = fitted.collect::<Result<_>>()?;
    let cut = fitted.iter().map(|(_, cut)| cut).sum();
    Ok((fitted.into_iter().map(|(encoded, _)| encoded).collect(), cut))
}

impl EncodedExample {
    /// The same in `context` positions: see [`encode`] for what it loses where it is longer.
    pub fn fitted(&self, context: usize) -> EncodedExample {
        fit(self.clone(), context).0
    }
}

fn tokens_of(example: &Example, tokenizer: &Tokenizer) -> Result<EncodedExample> {
    let mut encoded = EncodedExample::default();
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
    let excess = example.read().saturating_sub(context);
    if excess == 0 {
        return (example, Cut::Nothing);
    }
    if let Some(label) = example.label {
        // The end that stands for the text stays.
        match label.pooled {
            Pooled::Last => example.tokens.drain(..excess),
            Pooled::First => example.tokens.drain(context..),
        };
        example.learned.truncate(context);
        return (example, Cut::Prompt);
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
        let learned = (0..prompt + completion).map(|at| at >= prompt).collect();
        EncodedExample { tokens, learned, label: None }
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
    fn a_text_that_is_scored_keeps_the_end_that_stands_for_it() {
        let labelled = |pooled| {
            let label = Some(Label { target: Target::Class(1), pooled });
            EncodedExample { tokens: (0..6).collect(), learned: vec![false; 6], label }
        };
        for (pooled, tokens) in [(Pooled::Last, [2, 3, 4, 5]), (Pooled::First, [0, 1, 2, 3])] {
            assert_eq!(labelled(pooled).positions(6).unwrap(), 6);
            assert!(labelled(pooled).positions(5).is_err());
            let (cut, kind) = fit(labelled(pooled), 4);
            assert_eq!((&cut.tokens[..], cut.learned.len(), kind), (&tokens[..], 4, Cut::Prompt));
            assert_eq!(labelled(pooled).fitted(6), labelled(pooled));
        }
        assert!(
            EncodedExample { tokens: Vec::new(), learned: Vec::new(), ..labelled(Pooled::Last) }.positions(4).is_err()
        );
    }

    #[test]
    fn an_example_without_anything_to_learn_is_refused() {
        assert!(example(3, 0).positions(9).is_err());
        assert!(EncodedExample { tokens: vec![1], learned: vec![true], label: None }.positions(9).is_err());
        assert!(EncodedExample { tokens: vec![1, 2], learned: vec![true], label: None }.positions(9).is_err());
        assert_eq!(example(3, 2).positions(4).unwrap(), 4);
        assert!(example(3, 2).positions(3).is_err());
    }
}
