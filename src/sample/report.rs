//! What the model itself thought of a token that was chosen.

/// A chosen token under the model's own distribution: before penalty, temperature and cuts.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Of the chosen token.
    pub probability: f32,
    /// Of the whole distribution, nats.
    pub entropy: f32,
    /// The likeliest tokens with their probabilities, the likeliest first.
    pub alternatives: Vec<(u32, f32)>,
}

impl Report {
    /// One pass for the highest logit and one for the sums, whatever the size of the vocabulary.
    pub fn new(logits: &[f32], chosen: u32, alternatives: usize) -> Self {
        let likeliest = likeliest(logits, alternatives.max(1));
        let highest = likeliest.first().map_or(0.0, |(_, logit)| *logit);
        let (mut sum, mut weighted) = (0.0, 0.0);
        for logit in logits.iter().filter(|logit| logit.is_finite()) {
            let difference = (logit - highest) as f64;
            let weight = difference.exp();
            sum += weight;
            weighted += weight * difference;
        }
        let probability = |logit: f32| (((logit - highest) as f64).exp() / sum) as f32;
        Self {
            probability: logits.get(chosen as usize).map_or(0.0, |logit| probability(*logit)),
            entropy: (sum.ln() - weighted / sum).max(0.0) as f32,
            alternatives: likeliest
                .into_iter()
                .take(alternatives)
                .map(|(id, logit)| (id, probability(logit)))
                .collect(),
        }
    }
}

/// The `count` highest logits, the highest first, the first of equal ones first.
fn likeliest(logits: &[f32], count: usize) -> Vec<(u32, f32)> {
    let mut best: Vec<(u32, f32)> = Vec::with_capacity(count + 1);
    for (id, &logit) in logits.iter().enumerate() {
        if best.len() == count && best.last().is_some_and(|(_, lowest)| logit <= *lowest) {
            continue;
        }
        let place = best.partition_point(|(_, other)| *other >= logit);
        best.insert(place, (id as u32, logit));
        best.truncate(count);
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_definitions() {
        let logits = [1.0f32, 3.0, -2.0, 3.0, 0.5, f32::NEG_INFINITY];
        let total: f64 = logits.iter().map(|x| (*x as f64).exp()).sum();
        let p: Vec<f64> = logits.iter().map(|x| (*x as f64).exp() / total).collect();
        let entropy: f64 = p.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum();
        let report = Report::new(&logits, 4, 3);
        assert!((report.probability as f64 - p[4]).abs() < 1e-6);
        assert!((report.entropy as f64 - entropy).abs() < 1e-6);
        let ids: Vec<u32> = report.alternatives.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids, [1, 3, 0]);
        assert!(report.alternatives.iter().all(|(id, share)| (*share as f64 - p[*id as usize]).abs() < 1e-6));
        assert_eq!(Report::new(&[5.0], 0, 8), Report { probability: 1.0, entropy: 0.0, alternatives: vec![(0, 1.0)] });
    }
}
