//! From trials to a report: seeds taken together, the best rates, the front.

use super::design::Design;
use super::settings::Settings;
use super::spread;
use crate::protocol::{LabAxis, LabBetter, LabPoint, LabProgress, LabReport, LabTrial};

/// Everything that the trials say so far.
pub fn of(
    settings: &Settings,
    design: &Design,
    name: &str,
    trials: Vec<LabTrial>,
    seconds_left: Option<f64>,
) -> LabReport {
    let points = points(design, &trials);
    let planned = trials.iter().filter(|trial| is_planned(design, trial)).count() as u64;
    LabReport {
        name: name.into(),
        study: settings.study.name().into(),
        question: settings.study.question().into(),
        setup: settings.describe(),
        seeds: settings.seeds.clone(),
        progress: LabProgress { done: planned, total: design.trials(), seconds_left },
        x: design.x.axis.clone(),
        y: design.y.axis.clone(),
        findings: (design.findings)(settings, &points, &trials),
        points,
        trials,
    }
}

/// Whether it is a phase of its own; blends are not.
fn is_planned(design: &Design, trial: &LabTrial) -> bool {
    let mut planned = design.runs.iter().flat_map(|run| &run.trials);
    planned.any(|own| own.phase == trial.phase && own.method == trial.method && own.setting == trial.setting)
}

/// Trials that differ in the seed alone, together, in the order in which they come first.
fn points(design: &Design, trials: &[LabTrial]) -> Vec<LabPoint> {
    let mut groups: Vec<Vec<&LabTrial>> = Vec::new();
    for trial in trials {
        match groups.iter_mut().find(|group| are_alike(group[0], trial)) {
            Some(group) => group.push(trial),
            None => groups.push(vec![trial]),
        }
    }
    let mut points: Vec<LabPoint> = groups.iter().filter_map(|group| point(design, group)).collect();
    mark_front(&mut points, &design.x.axis, &design.y.axis);
    mark_best_rates(&mut points, &design.y.axis);
    points
}

fn are_alike(a: &LabTrial, b: &LabTrial) -> bool {
    a.method == b.method && a.setting == b.setting && a.rate == b.rate && a.labels == b.labels
}

/// `None` where a figure is missing, or no number: a trial that diverged has no place on the plane.
fn point(design: &Design, group: &[&LabTrial]) -> Option<LabPoint> {
    let values = |name: &str| group.iter().map(|trial| trial.values.get(name).copied()).collect::<Option<Vec<f64>>>();
    let first = group[0];
    Some(LabPoint {
        method: first.method.clone(),
        setting: first.setting.clone(),
        rate: first.rate,
        labels: first.labels,
        x: spread::of(&values(design.x.value)?)?,
        y: spread::of(&values(design.y.value)?)?,
        is_front: false,
        is_best_rate: false,
        runs: group.iter().map(|trial| format!("{}@{}", trial.run, trial.phase)).collect(),
    })
}

/// Larger is better, whichever way the axis goes.
fn goodness(axis: &LabAxis, value: f64) -> f64 {
    if axis.better == LabBetter::Low { -value } else { value }
}

/// The Pareto front, where both axes have a better side.
fn mark_front(points: &mut [LabPoint], x: &LabAxis, y: &LabAxis) {
    if [x, y].iter().any(|axis| axis.better == LabBetter::Neither) {
        return;
    }
    let places: Vec<(f64, f64)> =
        points.iter().map(|point| (goodness(x, point.x.mean), goodness(y, point.y.mean))).collect();
    for (point, own) in points.iter_mut().zip(&places) {
        let beats = |other: &(f64, f64)| other.0 >= own.0 && other.1 >= own.1 && other != own;
        point.is_front = !places.iter().any(beats);
    }
}

/// The best of each method, setting and number of labels: by what is learned, not by what is forgotten.
fn mark_best_rates(points: &mut [LabPoint], y: &LabAxis) {
    for index in 0..points.len() {
        let own = &points[index];
        let is_rival =
            |other: &LabPoint| (&other.method, &other.setting, other.labels) == (&own.method, &own.setting, own.labels);
        let best = points
            .iter()
            .filter(|other| is_rival(other))
            .map(|other| goodness(y, other.y.mean))
            .fold(f64::NEG_INFINITY, f64::max);
        points[index].is_best_rate = goodness(y, own.y.mean) == best;
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::Study;
    use super::super::testing::measured;
    use super::*;

    fn trial(method: &str, rate: f64, seed: u64, new: f64, forgetting: f64) -> LabTrial {
        measured((method, "", rate), seed, &[("new", new), ("forgetting", forgetting)])
    }

    #[test]
    fn seeds_are_taken_together_and_the_front_is_drawn() {
        let settings = Settings::standard(Study::Mitigations);
        let design = Design::new(&settings);
        let trials = vec![
            trial("plain", 1e-3, 1, 2.0, 3.0),
            trial("plain", 1e-3, 2, 1.0, 5.0),
            trial("plain", 4e-3, 1, 1.4, 6.0),
            trial("replay", 1e-3, 1, 1.6, 1.0),
            trial("worse", 1e-3, 1, 1.7, 1.0),
            trial("diverged", 1e-3, 1, f64::NAN, 1.0),
        ];
        let points = of(&settings, &design, "m", trials, None).points;
        let named = |method: &str, rate: f64| points.iter().find(|p| p.method == method && p.rate == rate).unwrap();
        assert_eq!(points.len(), 4);
        let plain = named("plain", 1e-3);
        assert_eq!((plain.y.mean, plain.x.mean, plain.y.count), (1.5, 4.0, 2));
        assert_eq!(plain.runs, ["study-1@plain-1e-3", "study-2@plain-1e-3"]);
        assert!(!plain.is_best_rate && named("plain", 4e-3).is_best_rate);
        let front: Vec<bool> = points.iter().map(|point| point.is_front).collect();
        assert_eq!(front, [true, true, true, false]);
    }
}
