//! Spikes of a loss: steps that stand far above what the run was doing, by a measure that spikes themselves do not move.

use crate::protocol::StepRecords;

/// Deviations above the running average from which on a loss is a spike.
const DEVIATIONS: f64 = 6.0;
/// What is kept of the running average from step to step.
const KEPT: f64 = 0.95;
/// Steps after which a running average means something.
const WARM_UP: usize = 30;
/// Steps between two spikes that are one.
const APART: u64 = 5;

/// A spike: where it was highest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spike {
    pub step: u64,
    /// NaN where it was no number.
    pub loss: f32,
    /// What the run was doing.
    pub usual: f64,
    /// Deviations above that.
    height: f64,
    /// The last step that belongs to it.
    until: u64,
}

/// The largest spikes after step `since`, at most so many, in order. The average begins anew at `starts`, the first steps
/// of phases.
pub fn largest(steps: &StepRecords, since: u64, starts: &[u64], most: usize) -> Vec<Spike> {
    let first = steps.step.partition_point(|step| *step <= since);
    let residuals = residuals(steps, first.saturating_sub(4 * WARM_UP), starts);
    let mut sizes: Vec<f64> = residuals.iter().filter_map(|one| one.above).map(f64::abs).collect();
    sizes.sort_by(f64::total_cmp);
    let Some(median) = sizes.get(sizes.len() / 2) else { return Vec::new() };
    let mut found: Vec<Spike> = Vec::new();
    for residual in residuals.iter().filter(|one| one.index >= first) {
        // Of the median's deviation, that of a normal distribution; losses that hardly move have none to speak of.
        let deviation = (1.4826 * median).max(1e-3 * residual.usual.abs());
        let height = residual.above.map_or(f64::INFINITY, |above| above / deviation);
        if height > DEVIATIONS {
            let (step, loss) = (steps.step[residual.index], steps.loss[residual.index]);
            merge(&mut found, Spike { step, loss, usual: residual.usual, height, until: step });
        }
    }
    found.sort_by(|one, other| other.height.total_cmp(&one.height));
    found.truncate(most);
    found.sort_by_key(|spike| spike.step);
    found
}

/// A loss against the average before it.
struct Residual {
    index: usize,
    usual: f64,
    /// `None` where it is no number.
    above: Option<f64>,
}

fn residuals(steps: &StepRecords, from: usize, starts: &[u64]) -> Vec<Residual> {
    let mut found = Vec::new();
    let (mut average, mut seen) = (0.0, 0);
    for index in from..steps.len() {
        if starts.contains(&steps.step[index]) {
            seen = 0;
        }
        let loss = f64::from(steps.loss[index]);
        let above = loss.is_finite().then_some(loss - average);
        if seen >= WARM_UP {
            found.push(Residual { index, usual: average, above });
        }
        if loss.is_finite() {
            seen += 1;
            // At first the plain mean; later a spike moves it no more than a good step does.
            let share = (1.0 - KEPT).max(1.0 / seen as f64);
            let bound = if seen > WARM_UP { 0.2 * average.abs().max(0.1) } else { f64::INFINITY };
            average += share * (loss - average).clamp(-bound, bound);
        }
    }
    found
}

/// What follows at once is the same spike.
fn merge(found: &mut Vec<Spike>, spike: Spike) {
    match found.last_mut().filter(|last| spike.step - last.until <= APART) {
        Some(last) if spike.height > last.height => *last = spike,
        Some(last) => last.until = spike.step,
        None => found.push(spike),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::StepRecord;

    fn run(loss: impl Fn(u64) -> f32) -> StepRecords {
        let mut records = StepRecords::default();
        for step in 1..=1000 {
            let noise = ((step * 2_654_435_761) % 1_000) as f32 / 1_000.0 - 0.5;
            records.push(StepRecord {
                step,
                loss: loss(step) + 0.1 * noise,
                learning_rate: 0.1,
                gradient_norm: 1.0,
                tokens_per_second: 9.0,
                seconds: step as f64,
                changes: 0,
                pull: None,
            });
        }
        records
    }

    #[test]
    fn a_spike_is_found_once_and_noise_and_descent_are_none() {
        let falling = |step: u64| 2.0 + 4.0 * (-(step as f32) / 100.0).exp();
        assert!(largest(&run(falling), 0, &[1], 5).is_empty());
        let spiky = run(|step| match step {
            500..=503 => falling(step) + 1.0 + 0.5 * (step == 502) as u8 as f32,
            700 => f32::NAN,
            900 => falling(step) + 3.0,
            _ => falling(step),
        });
        let found: Vec<u64> = largest(&spiky, 100, &[1], 5).iter().map(|spike| spike.step).collect();
        assert_eq!(found, [502, 700, 900]);
        assert_eq!(largest(&spiky, 100, &[1], 2).iter().map(|spike| spike.step).collect::<Vec<_>>(), [700, 900]);
        assert_eq!(largest(&spiky, 900, &[1], 5), []);
    }

    #[test]
    fn another_phase_begins_where_it_begins() {
        let phases = run(|step| if step <= 600 { 1.0 } else { 3.0 });
        assert!(largest(&phases, 0, &[1, 601], 5).is_empty());
        assert_eq!(largest(&phases, 0, &[1], 5).len(), 1);
        assert!(largest(&run(|_| 1.0), 2_000, &[], 5).is_empty());
    }
}
