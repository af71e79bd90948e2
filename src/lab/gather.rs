//! What the trials of a run came to, read from its records.

use super::design::{RunDesign, Trial};
use crate::Result;
use crate::protocol::{Evaluation, Event, LabTrial};
use crate::run::records;
use std::collections::BTreeMap;
use std::path::Path;

/// The name of the phase that all trials of a run start from.
pub const BASE: &str = "base";

/// The trials of a run that are done: those whose phase was measured at its end.
pub fn trials(run: &Path, name: &str, design: &RunDesign, steps: u64) -> Result<Vec<LabTrial>> {
    let events = records::read(run)?.events;
    let evaluations: Vec<&Evaluation> = events
        .iter()
        .filter_map(|event| match event {
            Event::Evaluation(evaluation) => Some(evaluation),
            _ => None,
        })
        .collect();
    let first_steps: BTreeMap<&str, u64> = events
        .iter()
        .filter_map(|event| match event {
            Event::Phase(phase) => Some((phase.phase.as_str(), phase.first_step)),
            _ => None,
        })
        .collect();
    let done = |trial: &Trial| {
        let before = first_steps.get(trial.phase.as_str())?.saturating_sub(1);
        let own: Vec<&Evaluation> =
            evaluations.iter().copied().filter(|evaluation| evaluation.phase == trial.phase).collect();
        own.iter().any(|evaluation| evaluation.step == before + steps).then_some((before, own))
    };
    let measured = design.trials.iter().filter_map(|trial| Some((trial, done(trial)?)));
    let own = measured.map(|(trial, (before, own))| measured_trial(trial, (name, design.seed), before, &own));
    let own: Vec<LabTrial> = own.collect();
    Ok(own.first().and_then(base).into_iter().chain(own).collect())
}

/// The weights that text trials start from, as a trial of no steps: a classifier's head is new, so that there is none.
fn base(trial: &LabTrial) -> Option<LabTrial> {
    let (new, old, lost) = (trial.values.get("new_before")?, trial.values.get("old")?, trial.values.get("forgetting")?);
    let values =
        [("new", *new), ("old", old - lost), ("forgetting", 0.0)].map(|(name, value)| (name.to_string(), value));
    trial.labels.is_none().then(|| LabTrial {
        phase: BASE.into(),
        method: BASE.into(),
        setting: String::new(),
        rate: 0.0,
        values: values.into(),
        curve: Vec::new(),
        ..trial.clone()
    })
}

fn measured_trial(trial: &Trial, (run, seed): (&str, u64), before: u64, own: &[&Evaluation]) -> LabTrial {
    let mut values = BTreeMap::from([("rate".to_string(), trial.rate)]);
    values.extend(trial.labels.map(|labels| ("labels".to_string(), labels as f64)));
    let mut curve = Vec::new();
    for evaluation in own {
        for (name, value) in figures(evaluation, &trial.phase) {
            curve.push((evaluation.step - before, name.clone(), value));
            // They are in order, so that the last one stays.
            values.insert(name, value);
        }
    }
    values.extend(of(&curve, "new").next().map(|first| ("new_before".to_string(), first)));
    values.extend(of(&curve, "forgetting").reduce(f64::max).map(|most| ("most_forgotten".to_string(), most)));
    let on_the_way = curve.len() > 2 * figures_of_one(&curve);
    LabTrial {
        run: run.into(),
        phase: trial.phase.clone(),
        seed,
        method: trial.method.clone(),
        setting: trial.setting.clone(),
        rate: trial.rate,
        labels: trial.labels,
        values,
        curve: if on_the_way { curve } else { Vec::new() },
    }
}

/// The values of that name, in order.
fn of<'a>(curve: &'a [(u64, String, f64)], name: &'a str) -> impl Iterator<Item = f64> + 'a {
    curve.iter().filter(move |(_, own, _)| own == name).map(|(_, _, value)| *value)
}

/// How many figures stand at the first step of a curve.
fn figures_of_one(curve: &[(u64, String, f64)]) -> usize {
    curve.iter().filter(|(step, _, _)| Some(*step) == curve.first().map(|(step, _, _)| *step)).count()
}

/// What an evaluation says, by name: `new` and its metrics of the trial's own held-out data, `old` and `forgetting` of the
/// base's.
fn figures(evaluation: &Evaluation, phase: &str) -> Vec<(String, f64)> {
    if evaluation.suite == BASE {
        let forgetting = evaluation.retention.map(|retention| ("forgetting".to_string(), retention));
        return std::iter::once(("old".to_string(), evaluation.loss)).chain(forgetting).collect();
    }
    if evaluation.suite != phase {
        return Vec::new();
    }
    let metrics = evaluation.metrics.iter().map(|metric| (metric.name.clone(), metric.value));
    let metric = evaluation.metric.clone().zip(evaluation.value);
    std::iter::once(("new".to_string(), evaluation.loss)).chain(metric).chain(metrics).collect()
}
