//! What the learning-rate finder suggests for a trial, from the base that it starts from.

use super::carry_out::Request;
use super::design::{RunDesign, Trial};
use super::gather::BASE;
use crate::protocol::LabTrial;
use crate::run::checkpoint::resolve;
use crate::run::plan::Plan;
use crate::run::range_test::{self, Range, Suggestions, range_test};
use crate::{Error, Result};
use std::collections::BTreeMap;

/// What the suggestions are called among the methods: their rate is what is suggested, and nothing of them is measured.
pub const METHOD: &str = "LR finder";

const RANGE: Range = Range { from: 1e-6, to: 1.0, steps: 100 };

/// The suggestions for the phase that the design names, each as a trial; none where it names none.
pub fn trials(request: &Request, run: &str, design: &RunDesign, plan: &Plan) -> Result<Vec<LabTrial>> {
    let Some(phase) = &design.finder else { return Ok(Vec::new()) };
    let trial = design.trials.iter().find(|trial| trial.phase == *phase);
    let trial = trial.ok_or_else(|| Error::new(format!("the study has no trial {phase}")))?;
    let Request { home, progress, cancel, device, .. } = *request;
    let base = resolve(&format!("{run}@{BASE}"), home)?;
    let test = range_test::Request {
        plan,
        phase: Some(phase),
        run: None,
        checkpoint: Some(&base),
        range: RANGE,
        home,
        device,
        progress,
        cancel,
    };
    let found = range_test(&test, |_, _| {})?.suggestions;
    let Suggestions { steepest, minimum_tenth, valley } = found;
    let all = [("steepest", steepest), ("minimum / 10", minimum_tenth), ("valley", valley)];
    let own = all.into_iter().filter_map(|(name, rate)| Some(suggested(trial, (run, design.seed), name, rate?)));
    Ok(own.collect())
}

fn suggested(trial: &Trial, (run, seed): (&str, u64), reading: &str, rate: f64) -> LabTrial {
    LabTrial {
        run: run.into(),
        phase: trial.phase.clone(),
        seed,
        method: METHOD.into(),
        setting: reading.into(),
        rate,
        labels: trial.labels,
        values: BTreeMap::from([("suggested".to_string(), rate)]),
        curve: Vec::new(),
    }
}
