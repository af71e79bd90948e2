//! One model answering one prompt, a token at a time.

use super::choose::{Sampling, choose};
use crate::model::{Cache, Decoder};
use crate::{Error, Result};
use candle_core::{DType, Tensor};

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The model said so, with one of the stop tokens.
    Stopped,
    /// It has as many tokens as were asked for.
    Complete,
    /// The model's context is full.
    Full,
}

/// An answer being written.
pub struct Generator<'a> {
    decoder: &'a Decoder,
    cache: Cache,
    sampling: Sampling,
    stop: Vec<u32>,
    limit: usize,
    /// Logits for the next token, on the CPU.
    logits: Vec<f32>,
    /// Written so far.
    pub tokens: Vec<u32>,
    pub ended: Option<Ended>,
    /// Tokens at the start of the prompt that did not fit the context and were left out.
    pub left_out: usize,
}

impl<'a> Generator<'a> {
    /// Reads the prompt. One that leaves no room in the model's context for half of `limit` tokens loses its
    /// beginning. An empty prompt is an error: a model needs something to go on.
    pub fn new(decoder: &'a Decoder, prompt: &[u32], sampling: Sampling, limit: usize, stop: Vec<u32>) -> Result<Self> {
        sampling.validate()?;
        if prompt.is_empty() {
            return Err(Error::new("the prompt is empty").next("give the model something to go on"));
        }
        let context = decoder.config.context;
        let reserved = limit.min(context.div_ceil(2)).max(1);
        let left_out = (prompt.len() + reserved).saturating_sub(context).min(prompt.len() - 1);
        let prompt = &prompt[left_out..];
        let mut cache = decoder.cache(1, prompt.len().saturating_add(limit))?;
        let logits = to_vec(&decoder.extend(prompt, &mut cache)?)?;
        let (tokens, ended) = (Vec::new(), (limit == 0).then_some(Ended::Complete));
        Ok(Self { decoder, cache, sampling, stop, limit, logits, tokens, ended, left_out })
    }

    /// The next token, or `None` once the answer has ended.
    pub fn next_token(&mut self) -> Result<Option<u32>> {
        if self.ended.is_some() {
            return Ok(None);
        }
        let token = choose(&self.logits, &self.sampling, self.tokens.len() as u64)?;
        if self.stop.contains(&token) {
            self.ended = Some(Ended::Stopped);
            return Ok(None);
        }
        self.tokens.push(token);
        if self.tokens.len() >= self.limit {
            self.ended = Some(Ended::Complete);
        } else if self.cache.room() == 0 {
            self.ended = Some(Ended::Full);
        } else {
            self.logits = to_vec(&self.decoder.extend(&[token], &mut self.cache)?)?;
        }
        Ok(Some(token))
    }
}

fn to_vec(logits: &Tensor) -> Result<Vec<f32>> {
    Ok(logits.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::preset;
    use candle_core::Device;

    fn decoder() -> Decoder {
        let config = preset::find("llama-1m").unwrap().config(300, 16);
        Decoder::random(config, 1, DType::F32, &Device::Cpu).unwrap()
    }

    fn run(prompt: &[u32], limit: usize, stop: Vec<u32>) -> (Vec<u32>, Option<Ended>, usize) {
        let decoder = decoder();
        let mut generator = Generator::new(&decoder, prompt, Sampling::GREEDY, limit, stop).unwrap();
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
        assert!(Generator::new(&decoder(), &[], Sampling::GREEDY, 4, vec![]).is_err());
    }
}
