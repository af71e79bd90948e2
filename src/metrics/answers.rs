//! Short answers to questions, compared as SQuAD compares them (Rajpurkar et al. 2016, arXiv 1606.05250).

use super::words;
use std::collections::BTreeMap;

/// The words of an answer without what does not matter: case, ASCII punctuation, and the articles a, an and the.
pub fn normalise(text: &str) -> Vec<String> {
    let plain: String = text.to_lowercase().chars().filter(|c| !c.is_ascii_punctuation()).collect();
    words(&without_articles(&plain)).map(str::to_string).collect()
}

/// Articles become spaces. They are words between characters that are neither letters, digits nor `_`, which may be
/// punctuation outside of ASCII.
fn without_articles(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = is_of_word(first);
        let end = rest.find(|c| is_of_word(c) != is_word).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        kept.push_str(if ["a", "an", "the"].contains(&piece) { " " } else { piece });
        rest = after;
    }
    kept
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether two answers are the same but for what [`normalise`] leaves out: 1 or 0.
pub fn exact_match(hypothesis: &str, reference: &str) -> f64 {
    f64::from(normalise(hypothesis) == normalise(reference))
}

/// The harmonic mean of precision and recall of the words that two answers share, each as often as both have it. Where
/// one of them has no words, it is 1 if neither has, and 0 otherwise.
pub fn token_f1(hypothesis: &str, reference: &str) -> f64 {
    let (hypothesis, reference) = (normalise(hypothesis), normalise(reference));
    if hypothesis.is_empty() || reference.is_empty() {
        return f64::from(hypothesis == reference);
    }
    let shared = super::shared(&counted(&hypothesis), &counted(&reference));
    2.0 * shared as f64 / (hypothesis.len() + reference.len()) as f64
}

fn counted(words: &[String]) -> BTreeMap<&str, u64> {
    let mut counts = BTreeMap::new();
    for word in words {
        *counts.entry(word.as_str()).or_default() += 1;
    }
    counts
}
