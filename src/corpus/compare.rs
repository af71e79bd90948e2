//! How far two texts are from each other to a tokenizer, before any model has read them.

use crate::corpus::tokenizer::Tokenizer;

/// How often each token occurs in a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// By id.
    of_token: Vec<u64>,
    total: u64,
}

impl Counts {
    pub fn add(&mut self, tokens: &[u32]) {
        for &token in tokens {
            let place = token as usize;
            if place >= self.of_token.len() {
                self.of_token.resize(place + 1, 0);
            }
            self.of_token[place] += 1;
            self.total += 1;
        }
    }

    /// All tokens that were counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    fn get(&self, token: usize) -> u64 {
        self.of_token.get(token).copied().unwrap_or(0)
    }

    fn present(&self) -> impl Iterator<Item = (u32, u64)> {
        let counted = self.of_token.iter().enumerate().filter(|(_, count)| **count > 0);
        counted.map(|(token, count)| (token as u32, *count))
    }
}

/// The Jensen–Shannon divergence between two texts' distributions of single tokens, in bits: 0 for the same, 1 for texts
/// without a token in common (Lin 1991). 0 where a text has no tokens. Few tokens make any two texts look apart: compare it
/// with that between two parts of one text.
pub fn divergence(one: &Counts, other: &Counts) -> f64 {
    if one.total == 0 || other.total == 0 {
        return 0.0;
    }
    let share = |counts: &Counts, token| counts.get(token) as f64 / counts.total as f64;
    let against = |p: f64, mean: f64| if p > 0.0 { p * (p / mean).log2() } else { 0.0 };
    let tokens = 0..one.of_token.len().max(other.of_token.len());
    let apart = tokens.map(|token| {
        let (p, q) = (share(one, token), share(other, token));
        let mean = (p + q) / 2.0;
        (against(p, mean) + against(q, mean)) / 2.0
    });
    apart.sum::<f64>().clamp(0.0, 1.0)
}

/// How well a tokenizer's tokens suit a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spelling {
    /// Tokens for each byte of text; special tokens count for neither.
    pub tokens_per_byte: f64,
    /// The share of bytes in tokens that are parts of a character, or that stand for an unknown one.
    pub broken: f64,
}

impl Spelling {
    pub fn of(counts: &Counts, tokenizer: &Tokenizer) -> Spelling {
        let unknown = tokenizer.special_roles().into_iter().find(|(role, _)| role == "unk_token");
        let unknown = unknown.and_then(|(_, spelling)| tokenizer.id(&spelling));
        let (mut tokens, mut bytes, mut broken) = (0u64, 0u64, 0u64);
        for (token, count) in counts.present() {
            let is_unknown = Some(token) == unknown;
            if tokenizer.is_special(token) && !is_unknown {
                continue;
            }
            // An unknown character takes at least a byte.
            let length = count * (tokenizer.token_bytes(token) as u64).max(1);
            let is_part = is_unknown || tokenizer.decode(&[token]).contains(char::REPLACEMENT_CHARACTER);
            (tokens, bytes) = (tokens + count, bytes + length);
            broken += if is_part { length } else { 0 };
        }
        let per_byte = |number: u64| if bytes == 0 { 0.0 } else { number as f64 / bytes as f64 };
        Spelling { tokens_per_byte: per_byte(tokens), broken: per_byte(broken) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(tokens: &[u32]) -> Counts {
        let mut counts = Counts::default();
        counts.add(tokens);
        counts
    }

    #[test]
    fn divergence_is_that_of_the_definition() {
        assert_eq!(divergence(&counts(&[0, 1]), &counts(&[1, 0, 0, 1])), 0.0);
        assert_eq!(divergence(&counts(&[0, 1]), &counts(&[2, 3])), 1.0);
        // scipy.spatial.distance.jensenshannon([.75, .25], [.5, .5], base=2) ** 2
        let found = divergence(&counts(&[0, 0, 0, 1]), &counts(&[0, 1]));
        assert!((found - 0.048_794_940_695_398_64).abs() < 1e-12, "{found}");
        assert_eq!(divergence(&counts(&[]), &counts(&[1])), 0.0);
    }

    #[test]
    fn characters_that_a_tokenizer_never_saw_are_spelled_in_pieces() {
        let tokenizer = Tokenizer::train(["the mill by the river and the mill".repeat(9)], 300).unwrap();
        let of = |text: &str| Spelling::of(&counts(&tokenizer.encode(text).unwrap()), &tokenizer);
        let (known, foreign) = (of("the mill<|end|>"), of("река мельница"));
        assert_eq!(known.broken, 0.0);
        assert!(known.tokens_per_byte < 0.5 && foreign.tokens_per_byte > 0.9, "{known:?} {foreign:?}");
        assert!(foreign.broken > 0.9 && foreign.broken < 1.0, "all but the space: {foreign:?}");
        assert_eq!(of(""), Spelling { tokens_per_byte: 0.0, broken: 0.0 });
    }
}
