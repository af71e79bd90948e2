//! A bound on forgetting, what is done about crossing it, and how often retention is looked at.

use super::super::data::short_name;
use super::Plan;
use super::section::{Section, nearest};
use crate::Result;
pub use crate::protocol::Hold;
use serde::Serialize;

/// How much a phase may forget, and how often that is measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RetentionPlan {
    /// Nats per token above the base's loss; `None` where nothing is bounded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bound: Option<f64>,
    /// On which suite: an earlier phase or a probe by its name; the one that is forgotten most where none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suite: Option<String>,
    pub hold: Hold,
    /// Steps between measurements of a small part of what is retained, besides evaluations; 0 for none.
    pub every: u64,
    /// The share of the phase's wall time that these may take.
    pub budget: f64,
    /// Positions of each suite that they read.
    pub tokens: u64,
}

/// The share of the phase's time that measuring between evaluations may take, where the plan says nothing.
const BUDGET: f64 = 0.1;
/// Positions of each suite that are measured then.
const TOKENS: u64 = 2048;

pub(super) fn read_retention(phase: &Section) -> Result<Option<RetentionPlan>> {
    let keys = ["bound", "suite", "hold", "every", "budget", "tokens"];
    let Some(section) = phase.section("retention", &keys)? else { return Ok(None) };
    let bound = section.number("bound", 0.0..=100.0)?;
    let every = section.integer("every", 0..=1 << 40)?.unwrap_or(0);
    let hold = section.choice("hold", &Hold::ALL.map(Hold::name))?;
    let hold = hold.and_then(|name| name.parse().ok()).unwrap_or_default();
    let suite = section.text("suite")?;
    if bound.is_none() && (every == 0 || suite.is_some() || hold != Hold::None) {
        return Err(section.missing("bound").next("nats per token, such as 0.05"));
    }
    let budget = section.number("budget", 0.0..=1.0)?.unwrap_or(BUDGET);
    let tokens = section.integer("tokens", 1..=1 << 40)?.unwrap_or(TOKENS);
    Ok(Some(RetentionPlan { bound, suite, hold, every, budget, tokens }))
}

/// A bound is on something that the phase can forget, and replay needs a phase to read again: a name that is misspelt
/// would bound nothing.
pub(super) fn check_retentions(top: &Section, plan: &Plan) -> Result<()> {
    for (index, phase) in plan.phases.iter().enumerate() {
        let Some(retention) = &phase.retention else { continue };
        let key = |key: &str| format!("phase.{}.retention.{key}", phase.name);
        let earlier = plan.ancestors(index);
        if earlier.is_empty() && retention.hold == Hold::Replay {
            let why = "the phase stands on no earlier one that could be replayed";
            return Err(top.refuse(&key("hold"), why).next("leave it out"));
        }
        if earlier.is_empty() && plan.model.from.is_none() && retention.hold == Hold::L2Sp {
            let why = "the phase starts from new weights, so there is nothing to pull to";
            return Err(top.refuse(&key("hold"), why).next("leave it out"));
        }
        let of_phase = |at: &usize| {
            let phase = &plan.phases[*at];
            let further =
                phase.corpus.iter().skip(1).map(|corpus| format!("{}:{}", phase.name, short_name(&corpus.path)));
            let task = phase.task.iter().map(|_| format!("{}:task", phase.name));
            std::iter::once(phase.name.clone()).chain(further).chain(task).collect::<Vec<_>>()
        };
        let probes =
            earlier.iter().chain([&index]).flat_map(|at| &plan.phases[*at].probes).map(|path| short_name(path));
        let suites: Vec<String> = earlier.iter().flat_map(of_phase).chain(probes).collect();
        let names: Vec<&str> = suites.iter().map(String::as_str).collect();
        if names.is_empty() {
            let why = "nothing that it stands on, and no probe, is measured in this phase";
            let what = if retention.bound.is_some() { "bound" } else { "every" };
            return Err(top.refuse(&key(what), why).next(format!("give it probes, or leave {what} out")));
        }
        if let Some(suite) = retention.suite.as_deref().filter(|suite| !names.contains(suite)) {
            let near = nearest(suite, &names).map(|near| format!("did you mean \"{near}\"? ")).unwrap_or_default();
            let why = format!("\"{suite}\" is not measured in this phase");
            return Err(top.refuse(&key("suite"), why).next(format!("{near}It measures {}", names.join(", "))));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Overrides;
    use super::super::read::parse;
    use super::*;

    fn with(first: &str, second: &str) -> Result<Plan> {
        let phase = |name: &str, more: &str| {
            format!(
                "[[phase]]\nname = \"{name}\"\nobjective = \"clm\"\ncorpus = \"{name}.txt\"\nsteps = 3\n\
                 optimizer = {{ learning_rate = 1e-4 }}\n{more}\n"
            )
        };
        let top = "name = \"small\"\ntokenizer = { vocabulary = 300 }\nmodel = { preset = \"llama-1m\" }\n";
        parse("small.toml", &format!("{top}{}{}", phase("old", first), phase("new", second)), &Overrides::default())
    }

    #[test]
    fn a_bound_is_on_what_is_measured() {
        let plan = with("", "retention = { bound = 0.05, suite = \"old\", hold = \"replay\" }").unwrap();
        assert_eq!(plan.phases[1].retention.as_ref().unwrap().hold, Hold::Replay);
        assert_eq!(parse("x", &plan.to_toml().unwrap(), &Overrides::default()).unwrap(), plan);
        let often = "retention = { bound = 0.05, hold = \"l2-sp\", every = 5, budget = 0.2, tokens = 100 }";
        let plan = with("", often).unwrap();
        let of = plan.phases[1].retention.clone().unwrap();
        assert_eq!((of.bound, of.hold, of.every, of.budget, of.tokens), (Some(0.05), Hold::L2Sp, 5, 0.2, 100));
        assert_eq!(parse("x", &plan.to_toml().unwrap(), &Overrides::default()).unwrap(), plan);
        let of = with("", "retention = { every = 10 }").unwrap().phases[1].retention.clone().unwrap();
        assert_eq!((of.bound, of.budget, of.tokens), (None, BUDGET, TOKENS));
        assert!(with("", "probes = [\"a/facts.jsonl\"]\nretention = { bound = 0.05, suite = \"facts\" }").is_ok());
        let cases = [
            ("", "retention = { bound = 0.05, suite = \"olds\" }", "did you mean \"old\"?"),
            ("", "retention = { suite = \"old\" }", "phase.new.retention.bound"),
            ("retention = { bound = 0.05 }", "", "phase.old.retention.bound"),
            ("retention = { bound = 0.05, hold = \"replay\" }", "", "phase.old.retention.hold"),
            ("retention = { bound = 0.05, hold = \"l2-sp\" }", "", "phase.old.retention.hold"),
            ("retention = { every = 10 }", "", "phase.old.retention.every"),
            ("", "retention = { every = 10, hold = \"replay\" }", "phase.new.retention.bound"),
            ("", "retention = { every = 10, budget = 2 }", "phase.new.retention.budget"),
            ("", "retention = { bound = 0.1, hold = \"ewc\" }", "phase.new.retention.hold"),
        ];
        for (first, second, expected) in cases {
            let error = with(first, second).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
