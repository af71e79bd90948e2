//! The choice of the next token from logits.

use super::ranked::Ranked;
use crate::random::Random;
use crate::{Error, Result};

/// How tokens are chosen. Temperature 0 is greedy: always the highest logit.
///
/// The order is that of `transformers`: the penalty changes the logits, the temperature divides them, and then top-k,
/// top-p and min-p cut what is left, each looking at what the one before it has left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    pub temperature: f64,
    /// Only the k likeliest tokens; 0 for all.
    pub top_k: usize,
    /// Only the likeliest tokens that make up this much probability (Holtzman et al. 2020, arXiv 1904.09751); 1 for
    /// all.
    pub top_p: f64,
    /// Only tokens at least this likely, relative to the likeliest, after temperature (Nguyen et al. 2024,
    /// arXiv 2407.01082); 0 for all.
    pub min_p: f64,
    /// Positive logits of tokens that stand in the text already are divided by it, negative ones multiplied (Keskar et
    /// al. 2019, arXiv 1909.05858); 1 changes nothing.
    pub repetition_penalty: f64,
    pub seed: u64,
}

impl Sampling {
    pub const GREEDY: Sampling =
        Sampling { temperature: 0.0, top_k: 0, top_p: 1.0, min_p: 0.0, repetition_penalty: 1.0, seed: 0 };

    /// Refuses what makes no sense, naming the setting.
    pub fn validate(&self) -> Result<()> {
        let refuse = |why: String| Err(Error::usage("cannot sample like this").because(why));
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            return refuse(format!("temperature is {}, and must be 0 (greedy) or more", self.temperature));
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return refuse(format!("top-p is {}, and must be above 0 and at most 1", self.top_p));
        }
        if !(self.min_p >= 0.0 && self.min_p <= 1.0) {
            return refuse(format!("min-p is {}, and must be 0 to 1", self.min_p));
        }
        if !(self.repetition_penalty.is_finite() && self.repetition_penalty > 0.0) {
            return refuse(format!("repetition penalty is {}, and must be above 0", self.repetition_penalty));
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
    let mut candidates = Ranked::new(logits, sampling.temperature);
    let (count, total) = kept(&mut candidates, sampling);
    let mut left = Random::new(sampling.seed, position).uniform() * total;
    let mut rank = 0;
    while rank + 1 < count {
        left -= candidates.get(rank).map_or(0.0, |(_, weight)| weight);
        if left < 0.0 {
            break;
        }
        rank += 1;
    }
    Ok(candidates.get(rank).map_or_else(|| greedy(logits), |(token, _)| token))
}

/// Makes tokens that stand in the text already less likely, where `penalty` is above 1.
pub fn penalise(logits: &mut [f32], seen: &[bool], penalty: f32) {
    for (logit, _) in logits.iter_mut().zip(seen).filter(|(_, seen)| **seen) {
        *logit = if *logit < 0.0 { *logit * penalty } else { *logit / penalty };
    }
}

/// The first of the highest logits.
fn greedy(logits: &[f32]) -> u32 {
    let best = logits.iter().enumerate().fold(0, |best, (i, x)| if *x > logits[best] { i } else { best });
    best as u32
}

/// How many of the likeliest tokens the three cuts leave, at least one, and the sum of their weights. Each cut keeps a
/// beginning of the ranking; what min-p asks for does not depend on what the others left.
fn kept(candidates: &mut Ranked, sampling: &Sampling) -> (usize, f64) {
    let is_cut = sampling.top_p < 1.0 || sampling.min_p > 0.0;
    let (most, all) = match sampling.top_k {
        0 => (candidates.len(), candidates.sum()),
        k => {
            let k = k.min(candidates.len());
            (k, (0..k).filter_map(|rank| candidates.get(rank)).map(|(_, weight)| weight).sum())
        }
    };
    if !is_cut {
        return (most, all);
    }
    let wanted = if sampling.top_p < 1.0 { sampling.top_p * all } else { f64::INFINITY };
    let (mut count, mut sum) = (0, 0.0);
    while count < most && (count == 0 || sum < wanted) {
        // The likeliest token has the weight 1.
        match candidates.get(count) {
            Some((_, weight)) if count == 0 || weight >= sampling.min_p => sum += weight,
            _ => break,
        }
        count += 1;
    }
    (count, sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 4] = [0.0, 2.0, 1.0, 2.0];
    const ALL: Sampling = Sampling { temperature: 1.0, seed: 1, ..Sampling::GREEDY };

    /// Every token that may be chosen with its probability, the likeliest first.
    fn probabilities(logits: &[f32], sampling: &Sampling) -> Vec<(u32, f64)> {
        let mut candidates = Ranked::new(logits, sampling.temperature);
        let (count, total) = kept(&mut candidates, sampling);
        (0..count).filter_map(|rank| candidates.get(rank)).map(|(token, weight)| (token, weight / total)).collect()
    }

    #[derive(serde::Deserialize)]
    struct Fixture {
        logits: Vec<f32>,
        input_ids: Vec<u32>,
        cases: Vec<Case>,
    }

    #[derive(serde::Deserialize)]
    struct Case {
        temperature: f64,
        top_k: usize,
        top_p: f64,
        min_p: f64,
        repetition_penalty: f64,
        token_ids: Vec<u32>,
        probabilities: Vec<f64>,
    }

    #[test]
    fn what_may_be_chosen_is_what_transformers_leaves() {
        let fixture: Fixture = serde_json::from_str(include_str!("../../tests/fixtures/sampling.json")).unwrap();
        assert!(fixture.cases.len() >= 8);
        let seen: Vec<bool> = (0..fixture.logits.len() as u32).map(|id| fixture.input_ids.contains(&id)).collect();
        for case in fixture.cases {
            let Case { temperature, top_k, top_p, min_p, repetition_penalty, .. } = case;
            let sampling = Sampling { temperature, top_k, top_p, min_p, repetition_penalty, seed: 0 };
            let mut logits = fixture.logits.clone();
            penalise(&mut logits, &seen, repetition_penalty as f32);
            let (ids, shares): (Vec<u32>, Vec<f64>) = probabilities(&logits, &sampling).into_iter().unzip();
            assert_eq!(ids, case.token_ids, "{sampling:?}");
            assert!(shares.iter().zip(case.probabilities).all(|(a, b)| (a - b).abs() < 1e-5), "{sampling:?}");
        }
    }

    fn counts(sampling: Sampling) -> [usize; 4] {
        let mut counts = [0; 4];
        for position in 0..20_000 {
            counts[choose(&LOGITS, &sampling, position).unwrap() as usize] += 1;
        }
        counts
    }

    #[test]
    fn frequencies_follow_the_probabilities() {
        let sampling = Sampling { temperature: 2.0, seed: 3, ..ALL };
        let weights: Vec<f64> = LOGITS.iter().map(|x| (*x as f64 / 2.0).exp()).collect();
        let total: f64 = weights.iter().sum();
        for (count, weight) in counts(sampling).iter().zip(weights) {
            assert!((*count as f64 / 20_000.0 - weight / total).abs() < 0.015);
        }
    }

    #[test]
    fn greedy_and_cuts_leave_out_the_rest() {
        assert_eq!(choose(&LOGITS, &Sampling::GREEDY, 0).unwrap(), 1);
        let two = counts(Sampling { top_k: 2, ..ALL });
        assert!(two[0] == 0 && two[2] == 0 && two[1] > 9_000 && two[3] > 9_000);
        assert_eq!(counts(Sampling { top_p: 0.3, ..ALL }), [0, 20_000, 0, 0]);
        let most = counts(Sampling { top_p: 0.9, ..ALL });
        assert!(most[0] == 0 && most[2] > 0);
        // exp(-1) of the likeliest passes, exp(-2) does not; a temperature of 2 lets it pass.
        let likely = counts(Sampling { min_p: 0.3, ..ALL });
        assert!(likely[0] == 0 && likely[2] > 0);
        assert!(counts(Sampling { min_p: 0.3, temperature: 2.0, ..ALL })[0] > 0);
        assert_eq!(probabilities(&LOGITS, &Sampling { min_p: 1.0, top_k: 1, ..ALL }), [(1, 1.0)]);
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(choose(&[f32::NAN, 1.0], &Sampling::GREEDY, 0).is_err());
        assert!(choose(&[f32::NEG_INFINITY; 2], &Sampling::GREEDY, 0).is_err());
        let wrong = [
            Sampling { temperature: -1.0, ..ALL },
            Sampling { top_p: 0.0, ..ALL },
            Sampling { min_p: 1.5, ..ALL },
            Sampling { min_p: f64::NAN, ..ALL },
            Sampling { repetition_penalty: 0.0, ..ALL },
        ];
        assert!(wrong.iter().all(|sampling| sampling.validate().is_err()));
        Sampling::GREEDY.validate().unwrap();
    }
}
