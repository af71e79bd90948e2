//! Text out of tokens, all at once or as they come.

use crate::corpus::tokenizer::Tokenizer;
use crate::error::{Context, Result};

/// Turns tokens into text one at a time, for output that streams.
///
/// A token may end in the middle of a character: its bytes are held back until the rest has come, and what can no
/// longer become a character is U+FFFD. Special tokens have no text.
#[derive(Debug, Clone, Default)]
pub struct Decoder {
    /// Bytes of a character that is not complete.
    held: Vec<u8>,
    /// State of the tokenizer's own decoder, where tokens do not simply stand for bytes.
    ids: Vec<u32>,
    prefix: String,
    prefix_index: usize,
}

impl Decoder {
    pub fn new() -> Self {
        Self::default()
    }

    /// The text that `id` completes, often none.
    pub fn push(&mut self, tokenizer: &Tokenizer, id: u32) -> Result<String> {
        if tokenizer.is_special(id) {
            return Ok(String::new());
        }
        if !tokenizer.table.is_exact() {
            let (ids, prefix, at) = (&mut self.ids, &mut self.prefix, &mut self.prefix_index);
            let text = tokenizers::step_decode_stream(&tokenizer.inner, vec![id], true, ids, prefix, at);
            return Ok(text.what(|| "cannot decode a token".into())?.unwrap_or_default());
        }
        self.held.extend_from_slice(tokenizer.table.get(id));
        let incomplete = incomplete_tail(&self.held);
        let rest = self.held.split_off(self.held.len() - incomplete);
        Ok(String::from_utf8_lossy(&std::mem::replace(&mut self.held, rest)).into_owned())
    }

    /// Whether a character is not complete.
    pub fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// What was held back when no more tokens come.
    pub fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.held)).into_owned()
    }
}

/// How many bytes at the end are the beginning of a character that may still be completed.
fn incomplete_tail(bytes: &[u8]) -> usize {
    let tail = bytes.utf8_chunks().last().map_or(0, |chunk| chunk.invalid().len());
    match std::str::from_utf8(&bytes[bytes.len() - tail..]) {
        Err(error) if error.error_len().is_none() => tail,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_character_that_can_be_completed_is_held_back() {
        assert_eq!(incomplete_tail("aé".as_bytes()), 0);
        assert_eq!(incomplete_tail(&"aé".as_bytes()[..2]), 1);
        assert_eq!(incomplete_tail(b"a\xe2\x82"), 2);
        assert_eq!(incomplete_tail(b"a\xff"), 0);
        assert_eq!(incomplete_tail(b"\xe2\x82a"), 0);
        assert_eq!(incomplete_tail(b""), 0);
    }
}
