//! Tokens of rows, asked for when they are looked at, and kept for a while.

use crate::protocol::{Lane, RowTokens, TokenView};
use std::collections::HashMap;
use std::time::Duration;

/// Rows whose tokens are kept.
const MOST_ROWS: usize = 200;
/// How old the surprise of weights that train may become while it is looked at.
const STALE: Duration = Duration::from_secs(5);
/// When to ask again after a failure: the tokenizer may just not be there yet.
const RETRY: Duration = Duration::from_secs(3);

/// What came back for a row.
#[derive(Clone, Debug)]
struct Entry {
    tokens: Result<RowTokens, String>,
    surprise: Option<Lane>,
    came: Duration,
    /// Steps that the run had done.
    step: u64,
}

/// The tokens that are known, by where their rows begin.
#[derive(Clone, Debug, Default)]
pub struct TokenCache {
    entries: HashMap<u64, Entry>,
}

impl TokenCache {
    pub fn get(&self, offset: u64) -> Option<Result<&RowTokens, &str>> {
        self.entries.get(&offset).map(|entry| entry.tokens.as_ref().map_err(String::as_str))
    }

    /// Whether the row's tokens should be asked for, again or at all.
    pub fn wants(&self, offset: u64, surprise: &Option<Lane>, now: Duration, step: u64) -> bool {
        let Some(entry) = self.entries.get(&offset) else { return true };
        let age = now.saturating_sub(entry.came);
        let is_stale = entry.surprise == Some(Lane::Live) && entry.step != step && age > STALE;
        match &entry.tokens {
            _ if entry.surprise != *surprise && surprise.is_some() => true,
            Ok(_) => is_stale && surprise.is_some(),
            Err(_) => age > RETRY,
        }
    }

    pub fn insert(
        &mut self,
        offset: u64,
        tokens: Result<RowTokens, String>,
        surprise: Option<Lane>,
        now: Duration,
        step: u64,
    ) {
        if self.entries.len() >= MOST_ROWS {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.came).map(|(&offset, _)| offset);
            oldest.map(|offset| self.entries.remove(&offset));
        }
        self.entries.insert(offset, Entry { tokens, surprise, came: now, step });
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// What a row's tokens say about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    pub tokens: usize,
    /// Of those that have any text.
    pub bytes_per_token: Option<f64>,
    /// Mean surprise of the learned tokens, nats.
    pub loss: Option<f64>,
}

/// Counts and means of a row's tokens.
pub fn summary(tokens: &[TokenView]) -> Summary {
    let own = tokens.iter().filter(|token| !token.is_label);
    let of_text = own.clone().filter(|token| !token.is_special);
    let bytes: usize = of_text.clone().map(|token| token.text.len()).sum();
    let count = of_text.count();
    let surprises: Vec<f64> =
        tokens.iter().filter(|token| token.learned).filter_map(|token| token.surprise).map(f64::from).collect();
    Summary {
        tokens: own.count(),
        bytes_per_token: (count > 0).then(|| bytes as f64 / count as f64),
        loss: (!surprises.is_empty()).then(|| surprises.iter().sum::<f64>() / surprises.len() as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str, surprise: Option<f32>, learned: bool, is_special: bool) -> TokenView {
        TokenView { id: 1, text: text.into(), surprise, learned, is_special, is_label: false }
    }

    #[test]
    fn means_are_over_what_they_say() {
        let tokens = [
            token("ab", Some(4.0), false, false),
            token("abcd", Some(1.0), true, false),
            token("<|end|>", Some(3.0), true, true),
        ];
        assert_eq!(summary(&tokens), Summary { tokens: 3, bytes_per_token: Some(3.0), loss: Some(2.0) });
        let label = TokenView { is_label: true, ..token(" → good  ", None, true, false) };
        assert_eq!(summary(&[&tokens[..], &[label]].concat()), summary(&tokens), "a label is no token");
        assert_eq!(summary(&[]), Summary { tokens: 0, bytes_per_token: None, loss: None });
    }

    #[test]
    fn tokens_are_asked_for_once_and_again_when_the_weights_moved_on() {
        let mut cache = TokenCache::default();
        let at = Duration::from_secs;
        let row = |offset| RowTokens { source: "a".into(), offset, tokens: Vec::new(), weights: None, is_cut: false };
        let live = Some(Lane::Live);
        assert!(cache.wants(0, &None, at(0), 0));
        cache.insert(0, Ok(row(0)), None, at(0), 0);
        assert!(!cache.wants(0, &None, at(99), 9) && cache.wants(0, &live, at(0), 0));
        cache.insert(0, Ok(row(0)), live.clone(), at(0), 0);
        assert!(!cache.wants(0, &live, at(9), 0), "no step since");
        assert!(!cache.wants(0, &live, at(1), 5) && cache.wants(0, &live, at(9), 5));
        assert!(!cache.wants(0, &None, at(9), 5), "what is known is enough");
        cache.insert(1, Err("no model yet".into()), None, at(0), 0);
        assert!(!cache.wants(1, &None, at(1), 0) && cache.wants(1, &None, at(4), 0));
        for offset in 0..900 {
            cache.insert(offset, Ok(row(offset)), None, at(offset), 0);
        }
        assert_eq!((cache.len(), cache.get(0).is_none(), cache.get(899).is_some()), (200, true, true));
    }
}
