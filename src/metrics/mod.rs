//! How well texts and labels answer what was asked: measures of tasks, on text alone.
//!
//! Every value of texts and labels is a share from 0 to 1, the best being 1; where the literature writes percent, it is a
//! hundredth of that. A set with nothing in it scores 0. Those of numbers say what they are.

mod answers;
mod bleu;
mod chrf;
mod classes;
mod numbers;
mod constraints;
mod rouge;

pub use answers::{exact_match, normalise, token_f1};
pub use bleu::bleu;
pub use chrf::chrf;
pub use classes::{accuracy, macro_f1};
pub use constraints::{Constraint, constraints, constraints_met};
pub use numbers::{mean_squared_error, pearson, spearman};
pub use rouge::rouge_l;

/// The mean of a measure over (hypothesis, reference) pairs, summed in their order; 0 without pairs.
pub fn mean(pairs: &[(String, String)], measure: impl Fn(&str, &str) -> f64) -> f64 {
    let sum: f64 = pairs.iter().map(|(hypothesis, reference)| measure(hypothesis, reference)).sum();
    sum / pairs.len().max(1) as f64
}

/// White space as Python's `str.split` sees it, which the reference implementations cut at.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// The words between white space.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|word| !word.is_empty())
}

/// How often each run of `order` items occurs.
fn n_grams<T: Ord>(items: &[T], order: usize) -> std::collections::BTreeMap<&[T], u64> {
    let mut counts = std::collections::BTreeMap::new();
    for gram in items.windows(order) {
        *counts.entry(gram).or_default() += 1;
    }
    counts
}

/// How many n-grams two counts share, each counted no more often than in either.
fn shared<T: Ord>(a: &std::collections::BTreeMap<T, u64>, b: &std::collections::BTreeMap<T, u64>) -> u64 {
    a.iter().map(|(gram, &count)| b.get(gram).map_or(0, |&other| count.min(other))).sum()
}

#[cfg(test)]
mod tests;
