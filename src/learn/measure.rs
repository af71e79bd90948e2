//! What a step did to every group: gradient norm, update-to-weight ratio, drift from the base.

use super::learner::Learner;
use crate::Result;
use crate::model::{Group, ParameterId, Parameters};
use crate::ops::reduce;
use crate::protocol::GroupReport;

/// Sums of squares over the parameters of one group.
#[derive(Clone, Copy, Default)]
struct Sums {
    gradient: f64,
    change: f64,
    weights: f64,
    distance: f64,
    base: f64,
    steps: u64,
    /// Whether any of it trained in the last step.
    trained: bool,
}

impl Learner {
    /// Measures each of `groups` after a step, against the weights of `base` where they are at hand. It reads weights
    /// and moments once: about the cost of the optimizer's own pass.
    pub fn measure(&self, groups: &[Group], base: Option<&Parameters>) -> Result<Vec<GroupReport>> {
        let mut sums = vec![Sums::default(); groups.len()];
        for (id, parameter) in self.decoder.parameters.iter() {
            let Some(place) = groups.iter().position(|group| *group == parameter.group) else { continue };
            self.add(&mut sums[place], id, base)?;
        }
        Ok(sums.into_iter().map(|sums| report(sums, base.is_some())).collect())
    }

    fn add(&self, sums: &mut Sums, id: ParameterId, base: Option<&Parameters>) -> Result<()> {
        let value = &self.decoder.parameters[id].value;
        sums.weights += reduce::sum_of_squares(value)?;
        if let Some(base) = base {
            sums.distance += reduce::squared_distance(value, &base[id].value)?;
            sums.base += reduce::sum_of_squares(&base[id].value)?;
        }
        let Some(last) = self.last_step() else { return Ok(()) };
        sums.gradient += last.squares[id.0];
        sums.steps = sums.steps.max(self.optimizer().moments(id).map_or(0, |moments| moments.steps));
        sums.trained |= last.trained[id.0];
        if last.rates[id.0] > 0.0 {
            sums.change +=
                self.optimizer().squared_change(&self.decoder.parameters, id, last.rates[id.0])?.unwrap_or(0.0);
        }
        Ok(())
    }
}

fn report(sums: Sums, has_base: bool) -> GroupReport {
    let ratio = |part: f64, whole: f64| if whole > 0.0 { (part / whole).sqrt() } else { f64::NAN };
    GroupReport {
        gradient_norm: if sums.trained { sums.gradient.sqrt() as f32 } else { f32::NAN },
        update_ratio: if sums.trained { ratio(sums.change, sums.weights) as f32 } else { f32::NAN },
        drift: if has_base { ratio(sums.distance, sums.base) as f32 } else { f32::NAN },
        steps: sums.steps,
    }
}
