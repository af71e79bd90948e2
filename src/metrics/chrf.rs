//! chrF, for translations.

use super::{is_space, n_grams, shared};

/// The longest character n-grams.
const ORDER: usize = 6;
/// Recall counts this much more than precision.
const BETA: f64 = 2.0;

/// The F-score of character n-grams of 1 to 6 characters without white space (Popović 2015, "chrF: character n-gram
/// F-score for automatic MT evaluation"), of a whole set of (hypothesis, reference) pairs, as sacreBLEU computes it by
/// default: precision and recall are averaged over those n that occur on both sides, and recall weighs twice.
pub fn chrf(pairs: &[(String, String)]) -> f64 {
    // For each n: n-grams of the hypotheses, of the references, and shared.
    let mut counts = [[0u64; 3]; ORDER];
    for (hypothesis, reference) in pairs {
        let (hypothesis, reference) = (characters(hypothesis), characters(reference));
        for (order, count) in (1..).zip(&mut counts) {
            let (said, asked) = (n_grams(&hypothesis, order), n_grams(&reference, order));
            // As there, a hypothesis whose reference is too short for the order is not held against it.
            if !asked.is_empty() {
                count[0] += said.values().sum::<u64>();
            }
            count[1] += asked.values().sum::<u64>();
            count[2] += shared(&said, &asked);
        }
    }
    let used: Vec<[f64; 2]> = counts
        .iter()
        .filter(|[said, asked, _]| *said > 0 && *asked > 0)
        .map(|&[said, asked, both]| [both as f64 / said as f64, both as f64 / asked as f64])
        .collect();
    let mean = |side: usize| used.iter().map(|shares| shares[side]).sum::<f64>() / used.len().max(1) as f64;
    let (precision, recall) = (mean(0), mean(1));
    match precision + recall > 0.0 {
        true => (1.0 + BETA * BETA) * precision * recall / (BETA * BETA * precision + recall),
        false => 0.0,
    }
}

fn characters(text: &str) -> Vec<char> {
    text.chars().filter(|&c| !is_space(c)).collect()
}
