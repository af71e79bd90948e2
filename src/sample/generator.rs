//! One model answering one prompt, a token at a time.

use super::choose::{Sampling, choose, penalise};
use super::report::Report;
use crate::corpus::tokenizer::Tokenizer;
use crate::model::{Cache, Decoder};
use crate::{Error, Result};
use candle_core::{DType, Tensor};
use std::borrow::Cow;
use std::sync::Arc;

/// Tokens of a prompt that are read at once: whoever waits for the model is asked for in between.
const PIECE: usize = 256;

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The model said so, with one of the stop tokens.
    Stopped,
    /// A stop text came.
    StopText,
    /// It has as many tokens as were asked for.
    Complete,
    /// The model's context is full.
    Full,
}

/// What an answer goes on from, and how far.
#[derive(Clone, Debug)]
pub struct Task {
    pub prompt: Vec<u32>,
    pub sampling: Sampling,
    /// Tokens.
    pub limit: usize,
    /// Tokens that end the answer.
    pub stop: Vec<u32>,
}

impl Task {
    /// Goes on from a text as it is: special tokens are recognised, none are added. An empty text is the beginning of
    /// a document. The answer ends where a document or a message does.
    pub fn of_text(tokenizer: &Tokenizer, text: &str, sampling: Sampling, limit: usize) -> Result<Self> {
        let mut prompt = tokenizer.encode(text)?;
        if prompt.is_empty() {
            prompt.extend(tokenizer.end_of_text());
        }
        let stop = tokenizer.end_of_text().into_iter().chain(tokenizer.id("<|end|>")).collect();
        Ok(Self { prompt, sampling, limit, stop })
    }
}

/// An answer being written.
pub struct Generator {
    decoder: Arc<Decoder>,
    cache: Cache,
    task: Task,
    /// Tokens of the prompt that were read.
    read: usize,
    /// Nats of the prompt's tokens after the first, where they are asked for.
    prompt_loss: Option<f64>,
    /// Logits for the next token, on the CPU; empty until the prompt was read.
    logits: Vec<f32>,
    /// Which tokens stand in the text, where they are penalised.
    seen: Vec<bool>,
    /// Written so far.
    pub tokens: Vec<u32>,
    pub ended: Option<Ended>,
    /// Tokens at the start of the prompt that did not fit the context and were left out.
    pub left_out: usize,
}

impl Generator {
    /// Reads nothing yet: see [`Generator::read`]. A prompt that leaves no room in the model's context for half of the
    /// limit loses its beginning. An empty prompt is an error: a model needs something to go on.
    pub fn new(decoder: Arc<Decoder>, mut task: Task) -> Result<Self> {
        task.sampling.validate()?;
        if task.prompt.is_empty() {
            return Err(Error::new("the prompt is empty").next("give the model something to go on"));
        }
        let context = decoder.config.context;
        let reserved = task.limit.min(context.div_ceil(2)).max(1);
        let left_out = (task.prompt.len() + reserved).saturating_sub(context).min(task.prompt.len() - 1);
        task.prompt.drain(..left_out);
        let cache = decoder.cache(1, task.prompt.len().saturating_add(task.limit))?;
        let mut generator = Self {
            seen: Vec::new(),
            ended: (task.limit == 0).then_some(Ended::Complete),
            read: 0,
            prompt_loss: None,
            logits: Vec::new(),
            tokens: Vec::new(),
            left_out,
            decoder,
            cache,
            task,
        };
        if generator.task.sampling.repetition_penalty != 1.0 {
            generator.seen = vec![false; generator.decoder.config.vocabulary];
            (0..generator.task.prompt.len()).for_each(|index| generator.notice(generator.task.prompt[index]));
        }
        Ok(generator)
    }

    /// Asks for the prompt's perplexity; to be called before anything is read.
    pub fn with_prompt_perplexity(mut self) -> Self {
        self.prompt_loss = (self.task.prompt.len() > 1).then_some(0.0);
        self
    }

    /// Reads a piece of the prompt; true once all of it was read.
    pub fn read(&mut self) -> Result<bool> {
        let length = self.task.prompt.len();
        if self.read < length {
            let end = (self.read + PIECE).min(length);
            let hidden = self.decoder.read(&self.task.prompt[self.read..end], &mut self.cache)?;
            if let Some(loss) = &mut self.prompt_loss {
                // Each position predicts the token after it; the last of all predicts the answer.
                let targets = &self.task.prompt[self.read + 1..(end + 1).min(length)];
                if !targets.is_empty() {
                    let losses = self.decoder.losses(&hidden.narrow(0, 0, targets.len())?.contiguous()?, targets)?;
                    *loss += losses.iter().map(|row| row.loss as f64).sum::<f64>();
                }
            }
            self.read = end;
            if end == length {
                let last = hidden.narrow(0, hidden.dim(0)? - 1, 1)?.contiguous()?;
                self.logits = to_vec(&self.decoder.logits(&last)?)?;
            }
        }
        Ok(self.read == length)
    }

    /// Of the prompt's tokens after the first, where it was asked for and there are any.
    pub fn prompt_perplexity(&self) -> Option<f64> {
        self.prompt_loss.map(|loss| (loss / (self.task.prompt.len() - 1) as f64).exp())
    }

    /// The next token, or `None` once the answer has ended.
    pub fn next_token(&mut self) -> Result<Option<u32>> {
        Ok(self.write(0)?.map(|(token, _)| token))
    }

    /// The next token with what the model thought of it, `alternatives` of the likeliest tokens included.
    pub fn next_reported(&mut self, alternatives: usize) -> Result<Option<(u32, Report)>> {
        Ok(self.write(alternatives.max(1))?.and_then(|(token, report)| Some((token, report?))))
    }

    fn write(&mut self, alternatives: usize) -> Result<Option<(u32, Option<Report>)>> {
        if self.ended.is_some() {
            return Ok(None);
        }
        while !self.read()? {}
        let token = choose(&self.penalised(), &self.task.sampling, self.tokens.len() as u64)?;
        if self.task.stop.contains(&token) {
            self.ended = Some(Ended::Stopped);
            return Ok(None);
        }
        let report = (alternatives > 0).then(|| Report::new(&self.logits, token, alternatives));
        self.tokens.push(token);
        self.notice(token);
        if self.tokens.len() >= self.task.limit {
            self.ended = Some(Ended::Complete);
        } else if self.cache.room(0) == 0 {
            self.ended = Some(Ended::Full);
        } else {
            self.logits = to_vec(&self.decoder.extend(&[token], &mut self.cache)?)?;
        }
        Ok(Some((token, report)))
    }

    fn notice(&mut self, token: u32) {
        if let Some(seen) = self.seen.get_mut(token as usize) {
            *seen = true;
        }
    }

    /// The logits that are chosen from.
    fn penalised(&self) -> Cow<'_, [f32]> {
        if self.seen.is_empty() {
            return Cow::Borrowed(&self.logits);
        }
        let mut logits = self.logits.clone();
        penalise(&mut logits, &self.seen, self.task.sampling.repetition_penalty as f32);
        Cow::Owned(logits)
    }
}

fn to_vec(logits: &Tensor) -> Result<Vec<f32>> {
    Ok(logits.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Config, preset};
    use candle_core::Device;

    fn decoder(context: usize) -> Arc<Decoder> {
        let config = Config { layers: 1, ..preset::find("llama-1m").unwrap().config(300, context) };
        Arc::new(Decoder::random(config, 1, DType::F32, &Device::Cpu).unwrap())
    }

    fn task(prompt: &[u32], limit: usize, stop: Vec<u32>) -> Task {
        Task { prompt: prompt.to_vec(), sampling: Sampling::GREEDY, limit, stop }
    }

    fn run(prompt: &[u32], limit: usize, stop: Vec<u32>) -> (Vec<u32>, Option<Ended>, usize) {
        let mut generator = Generator::new(decoder(16), task(prompt, limit, stop)).unwrap();
        while generator.next_token().unwrap().is_some() {}
        (generator.tokens, generator.ended, generator.left_out)
    }

    #[test]
    fn an_answer_ends_at_its_limit_at_a_stop_token_or_when_the_context_is_full() {
        let (tokens, ended, _) = run(&[1, 2, 3], 5, vec![]);
        assert_eq!((tokens.len(), ended), (5, Some(Ended::Complete)));
        let (shorter, ended, _) = run(&[1, 2, 3], 5, vec![tokens[0]]);
        assert_eq!((shorter.len(), ended), (0, Some(Ended::Stopped)));
        // 16 positions hold 3 + 13; one more token can be chosen after the last is read.
        let (tokens, ended, left_out) = run(&[1, 2, 3], 100, vec![]);
        assert_eq!((tokens.len(), ended, left_out), (14, Some(Ended::Full), 0));
        assert_eq!(run(&[1], 0, vec![]).1, Some(Ended::Complete));
    }

    #[test]
    fn a_prompt_that_does_not_fit_loses_its_beginning() {
        let prompt: Vec<u32> = (0..40).collect();
        let (tokens, _, left_out) = run(&prompt, 4, vec![]);
        assert_eq!((tokens.len(), left_out), (4, 28));
        assert_eq!(tokens, run(&prompt[28..], 4, vec![]).0);
        assert!(Generator::new(decoder(16), task(&[], 4, vec![])).is_err());
    }

    #[test]
    fn a_prompt_read_in_pieces_has_the_perplexity_of_one_read_at_once() {
        let decoder = decoder(700);
        let prompt: Vec<u32> = (0..600).map(|i| i * 7 % 300).collect();
        let mut generator = Generator::new(decoder.clone(), task(&prompt, 2, vec![])).unwrap().with_prompt_perplexity();
        assert!(!generator.read().unwrap() && !generator.read().unwrap() && generator.read().unwrap());
        let mut cache = decoder.cache(1, 600).unwrap();
        let hidden = decoder.read(&prompt, &mut cache).unwrap().narrow(0, 0, 599).unwrap().contiguous().unwrap();
        let losses = decoder.losses(&hidden, &prompt[1..]).unwrap();
        let mean = losses.iter().map(|row| row.loss as f64).sum::<f64>() / 599.0;
        assert!((generator.prompt_perplexity().unwrap() / mean.exp() - 1.0).abs() < 1e-5);
    }

    #[test]
    fn a_penalty_keeps_from_repeating() {
        let with = |repetition_penalty| {
            let sampling = Sampling { repetition_penalty, ..Sampling::GREEDY };
            let mut generator = Generator::new(decoder(64), Task { sampling, ..task(&[1, 2], 50, vec![]) }).unwrap();
            while generator.next_token().unwrap().is_some() {}
            let mut distinct = generator.tokens.clone();
            distinct.sort();
            distinct.dedup();
            distinct.len()
        };
        assert!(with(1e6) == 50 && with(1.0) < 50, "{} {}", with(1e6), with(1.0));
    }
}
