//! Smoothing: an exponential moving average over steps without the bias of its first values. It is computed over the
//! whole history once, so that it does not depend on what part of it is on the screen.

use super::pyramid::Pyramid;

/// What can be chosen: the share of the average that is kept from step to step; 0 is off.
pub const SMOOTHINGS: [f64; 4] = [0.0, 0.6, 0.9, 0.99];

/// The running average: `m ← βm + (1−β)x`, shown as `m / (1−βⁿ)` after n values.
#[derive(Clone, Copy, Debug, Default)]
struct Average {
    moment: f64,
    /// `1 − βⁿ`, the weight that all values have together.
    weight: f64,
}

impl Average {
    fn push(&mut self, beta: f64, value: f32) -> f32 {
        if !value.is_finite() {
            return f32::NAN;
        }
        self.moment = beta * self.moment + (1.0 - beta) * f64::from(value);
        self.weight = beta * self.weight + (1.0 - beta);
        (self.moment / self.weight) as f32
    }
}

/// A smoothed history, kept up to date.
#[derive(Clone, Debug, Default)]
pub struct Smoothed {
    beta: f64,
    pub values: Vec<f32>,
    pub pyramid: Pyramid,
    average: Average,
}

impl Smoothed {
    /// Takes in values that were appended. The average starts over at every index in `starts` (ascending), and what is
    /// no number leaves a gap without touching it. Another `beta` does everything again.
    pub fn extend(&mut self, values: &[f32], starts: &[usize], beta: f64) {
        if beta != self.beta {
            *self = Smoothed { beta, ..Smoothed::default() };
        }
        if beta == 0.0 {
            return;
        }
        let mut next_start = starts.partition_point(|start| *start < self.values.len());
        for (index, value) in values.iter().enumerate().skip(self.values.len()) {
            if starts.get(next_start) == Some(&index) {
                self.average = Average::default();
                next_start += 1;
            }
            let smoothed = self.average.push(beta, *value);
            self.values.push(smoothed);
        }
        self.pyramid.extend(&self.values);
    }

    /// Leaves out the values before `index`: they were only there to begin with.
    pub fn forget_before(&mut self, index: usize) {
        self.values.drain(..index.min(self.values.len()));
        self.pyramid = Pyramid::default();
        self.pyramid.extend(&self.values);
    }

    /// Forgets everything from `index` on, where the average starts over.
    pub fn restart_at(&mut self, index: usize) {
        if index < self.values.len() {
            self.values.truncate(index);
            self.pyramid.truncate(index);
            self.average = Average::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition: a weighted mean of all values since the start, the weight falling by β a value.
    fn naive(values: &[f32], starts: &[usize], beta: f64, at: usize) -> f32 {
        if !values[at].is_finite() {
            return f32::NAN;
        }
        let start = starts.iter().copied().filter(|start| *start <= at).max().unwrap_or(0);
        let finite: Vec<f64> =
            values[start..=at].iter().filter(|value| value.is_finite()).map(|value| f64::from(*value)).collect();
        let weights: Vec<f64> = (0..finite.len()).rev().map(|age| beta.powi(age as i32)).collect();
        let total: f64 = weights.iter().sum();
        (finite.iter().zip(&weights).map(|(value, weight)| value * weight).sum::<f64>() / total) as f32
    }

    proptest! {
        #[test]
        fn it_is_the_weighted_mean_since_the_phase_began(
            values in prop::collection::vec(prop_oneof![9 => 0.0f32..10.0, 1 => Just(f32::NAN)], 1..200),
            start in 0usize..200,
            pieces in prop::collection::vec(1usize..60, 1..6),
            beta in prop::sample::select(&SMOOTHINGS[1..]),
        ) {
            let mut smoothed = Smoothed::default();
            let mut length = 0;
            for piece in pieces.iter().chain([&200]) {
                length = (length + piece).min(values.len());
                smoothed.extend(&values[..length], &[start], beta);
            }
            for at in 0..values.len() {
                let expected = naive(&values, &[start], beta, at);
                let found = smoothed.values[at];
                prop_assert!((found - expected).abs() < 1e-4 || (found.is_nan() && expected.is_nan()), "{at}: {found} {expected}");
            }
        }
    }

    #[test]
    fn a_start_that_is_told_late_is_as_one_told_in_time() {
        let values: Vec<f32> = (0..100).map(|index| if index < 50 { 4.0 } else { 1.0 }).collect();
        let (mut late, mut in_time) = (Smoothed::default(), Smoothed::default());
        late.extend(&values[..60], &[], 0.9);
        assert!(late.values[50] > 2.0);
        late.restart_at(50);
        late.extend(&values, &[50], 0.9);
        in_time.extend(&values, &[50], 0.9);
        assert_eq!(late.values, in_time.values);
        assert_eq!(late.values[50], 1.0);
    }
}
