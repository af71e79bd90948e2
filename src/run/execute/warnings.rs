//! Warnings that a person can act on, from what evaluations find: overfitting, and a domain that is new to the base.

use super::health::Health;
use super::phase::PhaseRun;
use crate::run::mismatch;
use serde::{Deserialize, Serialize};

/// A held-out loss this much above its lowest, as a part of it, has risen.
const RISEN: f64 = 0.02;
/// Evaluations in a row that find it risen before it is said.
const IN_A_ROW: usize = 2;

/// All that warnings are judged by. It is part of where a phase stands: whoever goes on, or back, counts from there, and
/// says nothing twice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Signs {
    pub health: Health,
    pub overfitting: Overfitting,
}

/// The held-out losses of a phase, as far as overfitting goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Overfitting {
    /// (step, loss) of the lowest.
    best: Option<(u64, f64)>,
    /// Evaluations in a row that found it risen since, and the first of them.
    risen: usize,
    onset: u64,
}

impl Overfitting {
    /// What is to be said of a loss after a step: once for each time that it begins.
    fn judge(&mut self, step: u64, loss: f64) -> Option<String> {
        if !loss.is_finite() {
            return None;
        }
        let Some((best_step, best)) = self.best.filter(|(_, best)| loss > *best) else {
            (self.best, self.risen) = (Some((step, loss)), 0);
            return None;
        };
        if loss < best * (1.0 + RISEN) {
            self.risen = 0;
            return None;
        }
        if self.risen == 0 {
            self.onset = step;
        }
        self.risen += 1;
        (self.risen == IN_A_ROW).then(|| {
            format!(
                "overfitting since about step {}: the held-out loss was lowest at step {best_step}, {best:.4}, and is \
                 {loss:.4} now; fork the run there (frostline fork RUN --at {best_step}), give it more data or fewer epochs, \
                 lower the rate, or freeze layers",
                self.onset
            )
        })
    }
}

impl PhaseRun<'_, '_> {
    /// Looks at the phase's own held-out loss after an evaluation.
    pub(super) fn watch_overfitting(&mut self, loss: f64) {
        let said = self.watch.signs.overfitting.judge(self.run.step, loss);
        said.into_iter().for_each(|text| self.notice(text));
    }

    /// Before the first step: whether what the phase reads is far from what its base learned from.
    pub(super) fn watch_domain(&mut self, own: f64) {
        let known = self
            .watch
            .own_text_of_base
            .as_ref()
            .and_then(|suite| self.watch.base.get(suite).map(|loss| (suite, *loss)));
        let said = known.and_then(|(suite, known)| mismatch::about_loss(own, known, suite));
        said.into_iter().for_each(|text| self.notice(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_that_rises_twice_above_its_lowest_is_said_once() {
        let mut overfitting = Overfitting::default();
        let losses = [3.0, 2.0, 2.01, 2.1, 2.01, 2.2, 2.3, 2.4, 1.9, 2.0, 2.1];
        let said = losses.iter().zip(1..).map(|(loss, step)| overfitting.judge(step * 10, *loss));
        let said: Vec<(usize, String)> =
            said.enumerate().filter_map(|(place, text)| text.map(|text| (place, text))).collect();
        assert_eq!(said.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [6, 10]);
        assert!(said[0].1.starts_with("overfitting since about step 60: the held-out loss was lowest at step 20"));
        assert_eq!(overfitting.judge(120, f64::NAN), None);
        let written = serde_json::to_string(&overfitting).unwrap();
        assert_eq!(serde_json::from_str::<Overfitting>(&written).unwrap(), overfitting);
    }
}
