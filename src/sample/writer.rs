//! An answer as text: tokens become characters, and stop texts end it wherever they come.

use super::answer::Ended;
use super::generator::Generator;
use super::report::Report;
use crate::Result;
use crate::corpus::tokenizer::{self, Tokenizer};
use std::collections::VecDeque;
use std::sync::Arc;

/// A token of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    pub id: u32,
    /// What it adds to the text; empty while a character is not complete.
    pub text: String,
    /// Where it was asked for.
    pub report: Option<Report>,
}

/// Writes the answer of one lane token by token. Tokens that may be the beginning of a stop text, or of a character, are
/// held back until it is clear; joined, the texts of all tokens are the answer.
pub struct Writer {
    lane: usize,
    tokenizer: Arc<Tokenizer>,
    decoder: tokenizer::Decoder,
    stop: Vec<String>,
    /// Likeliest tokens to report with each; `None` for no reports.
    alternatives: Option<usize>,
    held: VecDeque<Written>,
}

impl Writer {
    /// `stop` are texts that the answer ends before; empty ones are left out.
    pub fn new(lane: usize, tokenizer: Arc<Tokenizer>, stop: Vec<String>, alternatives: Option<usize>) -> Self {
        let stop = stop.into_iter().filter(|text| !text.is_empty()).collect();
        Self { lane, tokenizer, decoder: tokenizer::Decoder::new(), stop, alternatives, held: VecDeque::new() }
    }

    /// Writes one more token and returns those that are clear: none, one or several. Once the answer has ended it
    /// returns nothing more.
    pub fn advance(&mut self, generator: &mut Generator) -> Result<Vec<Written>> {
        let next = match self.alternatives {
            Some(count) => generator.next_reported(self.lane, count)?.map(|(id, report)| (id, Some(report))),
            None => generator.next_token(self.lane)?.map(|id| (id, None)),
        };
        if let Some((id, report)) = next {
            let text = self.decoder.push(&self.tokenizer, id)?;
            self.held.push_back(Written { id, text, report });
            if self.cut() {
                generator.end(self.lane, Ended::StopText);
                return Ok(self.held.drain(..).collect());
            }
        }
        match generator.answer(self.lane).ended {
            Some(_) => Ok(self.finish()),
            None => Ok(self.release()),
        }
    }

    /// Everything that is held back, where no more tokens come.
    pub fn finish(&mut self) -> Vec<Written> {
        let rest = self.decoder.finish();
        if let Some(last) = self.held.back_mut() {
            last.text += &rest;
        }
        self.held.drain(..).collect()
    }

    fn held_text(&self) -> String {
        self.held.iter().map(|token| token.text.as_str()).collect()
    }

    /// Cuts what is held before the first stop text in it; false where there is none.
    fn cut(&mut self) -> bool {
        let text = self.held_text();
        let Some(end) = self.stop.iter().filter_map(|stop| text.find(stop)).min() else { return false };
        let mut left = end;
        self.held.retain_mut(|token| {
            let kept = token.text.len().min(left);
            let is_before = left > 0;
            token.text.truncate(kept);
            left -= kept;
            is_before
        });
        true
    }

    /// Takes out what no stop text can begin in, and no later token can add to.
    fn release(&mut self) -> Vec<Written> {
        let text = self.held_text();
        let beginning = self.stop.iter().map(|stop| overlap(&text, stop)).max().unwrap_or(0);
        let clear = text.len() - beginning;
        let mut end = 0;
        let whole = self.held.iter().take_while(|token| {
            end += token.text.len();
            end <= clear
        });
        let mut count = whole.count();
        if self.decoder.is_holding() {
            count = count.min(self.held.len().saturating_sub(1));
        }
        self.held.drain(..count).collect()
    }
}

/// Bytes at the end of `text` that are a beginning of `stop`, but not all of it.
fn overlap(text: &str, stop: &str) -> usize {
    let longest = stop.len().saturating_sub(1).min(text.len());
    (1..=longest).rev().find(|&length| text.as_bytes().ends_with(&stop.as_bytes()[..length])).unwrap_or(0)
}
