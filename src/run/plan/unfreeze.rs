//! How a plan lets layers begin to train one after another.

use super::section::Section;
use crate::Result;
use crate::protocol::{Order, Unfreeze};
use serde::Serialize;

/// An order of unfreezing; see [`crate::run::steering`]. Exactly one length is set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UnfreezePlan {
    pub order: Order,
    /// Steps of each stage but the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// Instead of `every`: how often everything is seen in a stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<f64>,
}

impl UnfreezePlan {
    /// In steps, where an epoch has so many rows, and a step so many.
    pub fn in_steps(&self, rows_per_epoch: u64, rows: u64) -> Unfreeze {
        let of_epochs = || {
            let rows_of_stage = self.epochs.unwrap_or(1.0) * rows_per_epoch as f64;
            (rows_of_stage / rows.max(1) as f64).ceil().max(1.0) as u64
        };
        Unfreeze { order: self.order, every: self.every.unwrap_or_else(of_epochs) }
    }
}

pub(super) fn read_unfreeze(phase: &Section) -> Result<Option<UnfreezePlan>> {
    let Some(section) = phase.section("unfreeze", &["order", "every", "epochs"])? else { return Ok(None) };
    let names = Order::ALL.map(Order::name);
    let order = section.choice("order", &names)?.ok_or_else(|| section.missing("order").next(names.join(", ")))?;
    let every = section.integer("every", 1..=1 << 40)?;
    let epochs = section.number("epochs", 0.001..=1e6)?;
    match (every, epochs) {
        (Some(_), Some(_)) => {
            Err(section.refuse("epochs", "either this or every, not both").next("leave one of them out"))
        }
        (None, None) => Err(section.missing("every").next("the steps of a stage, or give epochs = 1")),
        _ => Ok(Some(UnfreezePlan { order: order.parse()?, every, epochs })),
    }
}

#[cfg(test)]
mod tests {
    use super::super::read::parse;
    use super::super::{Overrides, Plan};
    use super::*;

    fn with(lines: &str) -> Result<Plan> {
        let text = format!(
            "name = \"small\"\ntokenizer = {{ vocabulary = 300 }}\nmodel = {{ preset = \"llama-1m\" }}\n[[phase]]\n\
             name = \"a\"\nobjective = \"clm\"\ncorpus = \"a\"\nsteps = 3\noptimizer = {{ learning_rate = 1e-4 }}\n{lines}"
        );
        parse("small.toml", &text, &Overrides::default())
    }

    #[test]
    fn an_order_is_read_and_written_again() {
        let by_steps = with("unfreeze = { order = \"chain-thaw\", every = 20 }").unwrap();
        let unfreeze = by_steps.phases[0].unfreeze.as_ref().unwrap();
        assert_eq!(unfreeze.in_steps(100, 8), Unfreeze { order: Order::ChainThaw, every: 20 });
        let by_epochs = with("unfreeze = { order = \"gradual\", epochs = 1 }").unwrap();
        let unfreeze = by_epochs.phases[0].unfreeze.as_ref().unwrap();
        assert_eq!(unfreeze.in_steps(100, 8), Unfreeze { order: Order::Gradual, every: 13 });
        for plan in [by_steps, by_epochs, with("").unwrap()] {
            assert_eq!(parse("x", &plan.to_toml().unwrap(), &Overrides::default()).unwrap(), plan);
        }
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let cases = [
            ("unfreeze = { order = \"gradully\", every = 3 }", "did you mean \"gradual\"?"),
            ("unfreeze = { every = 3 }", "phase.a.unfreeze.order"),
            ("unfreeze = { order = \"gradual\" }", "phase.a.unfreeze.every"),
            ("unfreeze = { order = \"gradual\", every = 3, epochs = 1 }", "not both"),
            ("unfreeze = { order = \"gradual\", every = 0 }", "phase.a.unfreeze.every"),
            ("unfreeze = { order = \"gradual\", step = 3 }", "phase.a.unfreeze.step"),
            ("unfreeze = \"gradual\"", "a table is needed"),
        ];
        for (lines, expected) in cases {
            let error = with(lines).unwrap_err().to_string();
            assert!(error.contains(expected), "{lines}: {error}");
        }
    }
}
