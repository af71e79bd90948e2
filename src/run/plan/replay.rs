//! Replay: rows of earlier phases among a phase's own.

use super::Plan;
use super::section::Section;
use crate::Result;
use serde::Serialize;

/// Rows of earlier phases that a phase reads beside its own, against forgetting (experience replay: Robins 1995,
/// *Catastrophic forgetting, rehearsal and pseudorehearsal*).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReplayPlan {
    /// Of all rows, above 0 and below 1.
    pub share: f64,
    /// Earlier phases by name, in equal parts; every phase that this one stands on where none is named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub of: Vec<String>,
}

impl ReplayPlan {
    /// Whether rows of this phase are replayed.
    pub fn takes(&self, phase: &str) -> bool {
        self.of.is_empty() || self.of.iter().any(|name| name == phase)
    }
}

pub(super) fn read_replay(phase: &Section) -> Result<Option<ReplayPlan>> {
    let Some(section) = phase.section("replay", &["share", "of"])? else { return Ok(None) };
    let share = section.number("share", 0.0..=0.999)?.ok_or_else(|| section.missing("share").next("such as 0.05"))?;
    let of = section.texts("of")?;
    Ok((share > 0.0).then_some(ReplayPlan { share, of }))
}

/// Only what a phase stands on can be replayed: nothing else was learned before it.
pub(super) fn check_replays(top: &Section, plan: &Plan) -> Result<()> {
    for (index, phase) in plan.phases.iter().enumerate() {
        let Some(replay) = &phase.replay else { continue };
        let earlier: Vec<&str> = plan.ancestors(index).into_iter().map(|at| plan.phases[at].name.as_str()).collect();
        let key = format!("phase.{}.replay", phase.name);
        if earlier.is_empty() {
            return Err(top.refuse(&key, "the phase stands on no earlier one").next("leave it out"));
        }
        if let Some(other) = replay.of.iter().find(|name| !earlier.contains(&name.as_str())) {
            let why = format!("\"{other}\" is no phase that this one stands on");
            return Err(top.refuse(&format!("{key}.of"), why).next(format!("it stands on {}", earlier.join(", "))));
        }
    }
    Ok(())
}
