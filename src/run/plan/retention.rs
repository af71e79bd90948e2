//! A bound on forgetting, and what is done about crossing it.

use super::super::data::short_name;
use super::Plan;
use super::section::{Section, nearest};
use crate::Result;
use serde::Serialize;

/// How much a phase may forget.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RetentionPlan {
    /// Nats per token above the base's loss.
    pub bound: f64,
    /// On which suite: an earlier phase or a probe by its name; the one that is forgotten most where none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suite: Option<String>,
    pub hold: Hold,
}

/// What holds a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hold {
    /// Crossing it is said, and nothing else is done.
    #[default]
    None,
    /// The share of replayed rows is raised while the bound is crossed, and lowered again far below it.
    Replay,
}

pub(super) fn read_retention(phase: &Section) -> Result<Option<RetentionPlan>> {
    let Some(section) = phase.section("retention", &["bound", "suite", "hold"])? else { return Ok(None) };
    let bound = section.number("bound", 0.0..=100.0)?;
    let bound = bound.ok_or_else(|| section.missing("bound").next("nats per token, such as 0.05"))?;
    let hold = match section.choice("hold", &["none", "replay"])?.as_deref() {
        Some("replay") => Hold::Replay,
        _ => Hold::None,
    };
    Ok(Some(RetentionPlan { bound, suite: section.text("suite")?, hold }))
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
            return Err(top.refuse(&key("bound"), why).next("give it probes, or leave the bound out"));
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
        assert!(with("", "probes = [\"a/facts.jsonl\"]\nretention = { bound = 0.05, suite = \"facts\" }").is_ok());
        let cases = [
            ("", "retention = { bound = 0.05, suite = \"olds\" }", "did you mean \"old\"?"),
            ("", "retention = { suite = \"old\" }", "phase.new.retention.bound"),
            ("retention = { bound = 0.05 }", "", "phase.old.retention.bound"),
            ("retention = { bound = 0.05, hold = \"replay\" }", "", "phase.old.retention.hold"),
        ];
        for (first, second, expected) in cases {
            let error = with(first, second).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
