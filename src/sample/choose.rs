//! The choice of the next token from logits.

use crate::random::Random;
use crate::{Error, Result};

/// How tokens are chosen. Temperature 0 is greedy: always the highest logit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    pub temperature: f64,
    /// Only the k likeliest tokens; 0 for all.
    pub top_k: usize,
    /// Only the likeliest tokens that make up this much probability (Holtzman et al. 2020, arXiv 1904.09751); 1 for
    /// all.
    pub top_p: f64,
    pub seed: u64,
}

impl Sampling {
    pub const GREEDY: Sampling = Sampling { temperature: 0.0, top_k: 0, top_p: 1.0, seed: 0 };

    /// Refuses what makes no sense, naming the setting.
    pub fn validate(&self) -> Result<()> {
        let refuse = |why: String| Err(Error::usage("cannot sample like this").because(why));
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            return refuse(format!("temperature is {}, and must be 0 (greedy) or more", self.temperature));
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return refuse(format!("top-p is {}, and must be above 0 and at most 1", self.top_p));
        }
        Ok(())
    }
}

/// Picks token number `position` of an answer. The random number depends on the seed and the position alone, so lanes
/// under one seed part only where their probabilities do. Logits that are no numbers are an error.
pub fn choose(logits: &[f32], sampling: &Sampling, position: u64) -> Result<u32> {
    if logits.iter().any(|x| x.is_nan()) || !logits.iter().any(|x| x.is_finite()) {
        return Err(Error::new("the model's logits are no numbers")
            .because("its weights are damaged, or its training diverged")
            .next("sample an earlier checkpoint"));
    }
    if sampling.temperature == 0.0 {
        return Ok(greedy(logits));
    }
    let candidates = nucleus(logits, sampling);
    let total: f64 = candidates.iter().map(|(_, weight)| weight).sum();
    let mut left = Random::new(sampling.seed, position).uniform() * total;
    for &(token, weight) in &candidates {
        left -= weight;
        if left < 0.0 {
            return Ok(token);
        }
    }
    Ok(candidates.last().map_or_else(|| greedy(logits), |(token, _)| *token))
}

/// The first of the highest logits.
fn greedy(logits: &[f32]) -> u32 {
    let best = logits.iter().enumerate().fold(0, |best, (i, x)| if *x > logits[best] { i } else { best });
    best as u32
}

/// (token, unnormalised probability) of what may be chosen, the likeliest first.
fn nucleus(logits: &[f32], sampling: &Sampling) -> Vec<(u32, f64)> {
    let highest = logits.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
    let weight = |x: f32| ((x - highest) as f64 / sampling.temperature).exp();
    let mut candidates: Vec<(u32, f64)> = logits.iter().enumerate().map(|(i, &x)| (i as u32, weight(x))).collect();
    candidates.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    if sampling.top_k > 0 {
        candidates.truncate(sampling.top_k);
    }
    if sampling.top_p < 1.0 {
        let wanted = sampling.top_p * candidates.iter().map(|(_, weight)| weight).sum::<f64>();
        let mut sum = 0.0;
        let inside = candidates.iter().take_while(|(_, weight)| {
            let before = sum;
            sum += weight;
            before < wanted
        });
        let count = inside.count().max(1);
        candidates.truncate(count);
    }
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 4] = [0.0, 2.0, 1.0, 2.0];

    fn counts(sampling: Sampling) -> [usize; 4] {
        let mut counts = [0; 4];
        for position in 0..20_000 {
            counts[choose(&LOGITS, &sampling, position).unwrap() as usize] += 1;
        }
        counts
    }

    #[test]
    fn frequencies_follow_the_probabilities() {
        let sampling = Sampling { temperature: 2.0, top_k: 0, top_p: 1.0, seed: 3 };
        let weights: Vec<f64> = LOGITS.iter().map(|x| (*x as f64 / 2.0).exp()).collect();
        let total: f64 = weights.iter().sum();
        for (count, weight) in counts(sampling).iter().zip(weights) {
            assert!((*count as f64 / 20_000.0 - weight / total).abs() < 0.015);
        }
    }

    #[test]
    fn greedy_top_k_and_top_p_leave_out_the_rest() {
        assert_eq!(choose(&LOGITS, &Sampling::GREEDY, 0).unwrap(), 1);
        let two = counts(Sampling { temperature: 1.0, top_k: 2, top_p: 1.0, seed: 1 });
        assert!(two[0] == 0 && two[2] == 0 && two[1] > 9_000 && two[3] > 9_000);
        assert_eq!(counts(Sampling { temperature: 1.0, top_k: 0, top_p: 0.3, seed: 1 }), [0, 20_000, 0, 0]);
        let most = counts(Sampling { temperature: 1.0, top_k: 0, top_p: 0.9, seed: 1 });
        assert!(most[0] == 0 && most[2] > 0);
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(choose(&[f32::NAN, 1.0], &Sampling::GREEDY, 0).is_err());
        assert!(choose(&[f32::NEG_INFINITY; 2], &Sampling::GREEDY, 0).is_err());
        assert!(Sampling { temperature: -1.0, ..Sampling::GREEDY }.validate().is_err());
        assert!(Sampling { top_p: 0.0, ..Sampling::GREEDY }.validate().is_err());
        Sampling::GREEDY.validate().unwrap();
    }
}
