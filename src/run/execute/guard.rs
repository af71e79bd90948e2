//! A guard over every step: a loss or a gradient that is no number, or a loss that leaps.

use crate::learn::Pass;
use crate::run::plan::GuardPlan;
use serde::{Deserialize, Serialize};

/// How much of the running mean a step leaves.
const KEPT: f64 = 0.95;
/// Steps that the mean is made of before it is believed.
const WARM: u64 = 20;

/// What a guard remembers: part of a run's state, so that a run that goes on is guarded as it would have been.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Guard {
    /// Of the loss.
    mean: f64,
    /// Steps that it is made of.
    steps: u64,
    /// How often something was done in this phase.
    pub interventions: u64,
}

impl Guard {
    /// What is wrong with a pass, if anything; what is not wrong moves the mean.
    pub fn judge(&mut self, pass: &Pass, plan: &GuardPlan) -> Option<String> {
        let (loss, norm) = (pass.loss, pass.gradient_norm);
        if !pass.is_finite() {
            return Some(match (loss.is_finite(), norm.is_finite()) {
                (false, _) => format!("the loss is {loss}"),
                _ => format!("the gradient's norm is {norm}"),
            });
        }
        // Without its bias towards the start, as in Adam.
        let mean = self.mean / (1.0 - KEPT.powf(self.steps.max(1) as f64));
        if plan.spike > 0.0 && self.steps >= WARM && loss > mean + plan.spike {
            return Some(format!("the loss leapt from {mean:.2} to {loss:.2}"));
        }
        self.mean = KEPT * self.mean + (1.0 - KEPT) * loss;
        self.steps += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::plan::GuardAction;

    fn judged(guard: &mut Guard, loss: f64, norm: f64) -> Option<String> {
        let plan = GuardPlan { action: GuardAction::Pause, spike: 1.0, factor: 0.5, most: 3, every: 0 };
        guard.judge(&Pass::measured(loss, norm), &plan)
    }

    #[test]
    fn what_is_no_number_and_what_leaps_is_seen() {
        let mut guard = Guard::default();
        assert!(judged(&mut guard, f64::NAN, 1.0).unwrap().contains("loss is NaN"));
        assert!(judged(&mut guard, 1.0, f64::INFINITY).unwrap().contains("norm is inf"));
        // A loss that is still finding its level is none.
        assert_eq!(judged(&mut guard, 9.0, 1.0), None);
        (0..WARM).for_each(|_| assert_eq!(judged(&mut guard, 2.0, 1.0), None));
        (0..100).for_each(|_| assert_eq!(judged(&mut guard, 2.5, 1.0), None));
        let before = guard;
        assert!(judged(&mut guard, 4.0, 1.0).unwrap().contains("leapt from 2.5"));
        assert_eq!(guard, before, "what is wrong does not move the mean");
    }
}
