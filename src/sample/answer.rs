//! One answer: what it goes on from, what was written, and the choice of what comes next.

use super::choose::{Sampling, choose, penalise};
use super::report::Report;
use crate::corpus::chat::{Chat, Segment};
use crate::corpus::tokenizer::Tokenizer;
use crate::{Error, Result};
use std::borrow::Cow;

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

    /// Goes on from a conversation, as its format spells it. The answer ends where a document or a turn of the assistant
    /// does; where no token ends those, it does at the text that is returned.
    pub fn of_conversation(
        tokenizer: &Tokenizer,
        chat: &Chat,
        prompt: &Segment,
        sampling: Sampling,
        limit: usize,
    ) -> Result<(Self, Option<String>)> {
        let mut tokens = Vec::new();
        prompt.pieces().try_for_each(|piece| tokenizer.encode_into(piece, &mut tokens))?;
        if tokens.is_empty() {
            tokens.extend(tokenizer.end_of_text());
        }
        let (token, text) = chat.stop(tokenizer);
        let stop = tokenizer.end_of_text().into_iter().chain(token).collect();
        Ok((Self { prompt: tokens, sampling, limit, stop }, text))
    }
}

/// An answer being written.
pub struct Answer {
    pub(super) task: Task,
    /// Tokens of the prompt that the model has read.
    pub(super) read: usize,
    /// Nats of the prompt's tokens after the first, where they are asked for.
    pub(super) prompt_loss: Option<f64>,
    /// For the next token; empty until the prompt was read.
    pub(super) logits: Vec<f32>,
    /// The token that was written last, while the model has not read it and `logits` is behind.
    pub(super) unread: Option<u32>,
    /// Which tokens stand in the text, where they are penalised.
    seen: Vec<bool>,
    /// Written so far.
    pub tokens: Vec<u32>,
    pub ended: Option<Ended>,
    /// Tokens at the start of the prompt that did not fit the context and were left out.
    pub left_out: usize,
}

impl Answer {
    /// A prompt that leaves no room in the model's `context` for half of the limit loses its beginning.
    pub(super) fn new(mut task: Task, context: usize, vocabulary: usize) -> Result<Self> {
        task.sampling.validate()?;
        if task.prompt.is_empty() {
            return Err(Error::new("the prompt is empty").next("give the model something to go on"));
        }
        let reserved = task.limit.min(context.div_ceil(2)).max(1);
        let left_out = (task.prompt.len() + reserved).saturating_sub(context).min(task.prompt.len() - 1);
        task.prompt.drain(..left_out);
        let mut seen = Vec::new();
        if task.sampling.repetition_penalty != 1.0 {
            seen.resize(vocabulary, false);
        }
        let mut answer = Self {
            ended: (task.limit == 0).then_some(Ended::Complete),
            read: 0,
            prompt_loss: None,
            logits: Vec::new(),
            unread: None,
            seen,
            tokens: Vec::new(),
            left_out,
            task,
        };
        (0..answer.task.prompt.len()).for_each(|index| answer.notice(answer.task.prompt[index]));
        Ok(answer)
    }

    /// Perplexity of the prompt's tokens after the first, where it was asked for and there are any.
    pub fn prompt_perplexity(&self) -> Option<f64> {
        self.prompt_loss.map(|loss| (loss / (self.task.prompt.len() - 1) as f64).exp())
    }

    /// The next token with what the model thought of it, if any of the likeliest are to be named; `None` once the
    /// answer has ended. With `is_full` nothing can be read after it.
    pub(super) fn choose(&mut self, alternatives: usize, is_full: bool) -> Result<Option<(u32, Option<Report>)>> {
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
        } else if is_full {
            self.ended = Some(Ended::Full);
        } else {
            self.unread = Some(token);
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
