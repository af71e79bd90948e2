//! The bound on forgetting as it stands at one moment: from the plan, or said live.

use super::plan::{Hold, RetentionPlan};
use crate::protocol::Command;
use crate::{Error, Result};

/// How much may be forgotten, of what, and what is done about it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bounded {
    /// Nats per token above the base's loss; `None` where nothing is bounded.
    pub bound: Option<f64>,
    /// The one that is forgotten most where none is named.
    pub suite: Option<String>,
    pub hold: Hold,
}

impl Bounded {
    pub fn planned(plan: Option<&RetentionPlan>) -> Self {
        let of = |plan: &RetentionPlan| Self { bound: plan.bound, suite: plan.suite.clone(), hold: plan.hold };
        plan.map(of).unwrap_or_default()
    }

    /// What a command makes of it, and that in a few words; `None` for other commands.
    pub fn changed(&self, command: &Command) -> Result<Option<(Self, String)>> {
        Ok(Some(match command {
            Command::Bound { bound: None, .. } => (Self::default(), "no bound on forgetting".into()),
            Command::Bound { bound: Some(bound), suite } => {
                let of = suite.as_ref().map(|suite| format!(" on {suite}")).unwrap_or_default();
                let bounded = Self { bound: Some(*bound), suite: suite.clone(), hold: self.hold };
                (bounded, format!("bound of {bound} nats{of}"))
            }
            Command::Hold(hold) if *hold != Hold::None && self.bound.is_none() => {
                return Err(Error::new("there is no bound that could be held")
                    .next(format!("set one first: bound 0.05, then hold {hold}")));
            }
            Command::Hold(hold) => (Self { hold: *hold, ..self.clone() }, hold_effect(*hold)),
            _ => return Ok(None),
        }))
    }
}

fn hold_effect(hold: Hold) -> String {
    match hold {
        Hold::None => "the bound is no longer held".into(),
        Hold::Replay => "the bound is held by replay".into(),
        Hold::L2Sp => "the bound is held by L2-SP".into(),
    }
}
