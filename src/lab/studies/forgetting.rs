//! Plain fine-tuning on other text and on labelled examples: what it does to the old text, step by step and rate by rate.

use super::{Method, RunBuilder, Target};
use crate::lab::design::{Design, RunDesign, nats};
use crate::lab::findings::{best_rates, edge, finding, said};
use crate::lab::settings::Settings;
use crate::protocol::{LabFinding, LabPoint, LabTrial};

const TEXT: &str = "other text";
const LABELS: &str = "labelled examples";

/// Evaluations of a trial.
const LOOKS: u64 = 15;

pub fn design(settings: &Settings) -> Design {
    Design {
        x: nats("forgetting of the old text", "forgetting"),
        y: nats("loss on the new data", "new"),
        runs: settings.seeds.iter().map(|seed| run(settings, *seed)).collect(),
        findings,
    }
}

fn run(settings: &Settings, seed: u64) -> RunDesign {
    let mut run = RunBuilder::new(settings, &settings.model, "clm", seed);
    let evaluated_every = (settings.tuning.0 / LOOKS).max(1);
    run.sweep(&Method::new(TEXT, &[]), &Target { evaluated_every, ..Target::text(settings) }, true);
    for labels in &settings.labels {
        let target = Target { evaluated_every, ..Target::labels(settings, *labels) };
        run.sweep(&Method::new(LABELS, &[]), &target, true);
    }
    run.finish(format!("{seed}"), seed)
}

fn findings(_: &Settings, points: &[LabPoint], trials: &[LabTrial]) -> Vec<LabFinding> {
    let mut found = Vec::new();
    for method in [TEXT, LABELS] {
        let Some(best) = best_rates(points, method).first().copied() else { continue };
        found.push(finding(
            format!("plain fine-tuning on {method} raises the old text's loss"),
            Some(best.x.mean > 0.0),
            format!("at its best rate, {:e}{}: by {} nats/token", best.rate, edge(points, best), said(&best.x)),
        ));
        found.extend(by_rate(points, method));
    }
    found.extend(how_fast(points, trials));
    found
}

/// Whether forgetting rises with the rate.
fn by_rate(points: &[LabPoint], method: &str) -> Option<LabFinding> {
    let mut own: Vec<&LabPoint> = points.iter().filter(|point| point.method == method).collect();
    own.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    let rises = own.windows(2).all(|pair| pair[1].x.mean >= pair[0].x.mean);
    let figures: Vec<String> = own.iter().map(|point| format!("{:e}: {:+.3}", point.rate, point.x.mean)).collect();
    (own.len() > 1).then(|| {
        finding(format!("the higher the rate, the more {method} makes it forget"), Some(rises), figures.join(", "))
    })
}

/// When half of what is forgotten in the end is forgotten already.
fn how_fast(points: &[LabPoint], trials: &[LabTrial]) -> Option<LabFinding> {
    let best = best_rates(points, TEXT).first().copied()?;
    let own = trials.iter().filter(|trial| trial.method == TEXT && trial.rate == best.rate);
    let halves: Vec<(u64, u64)> = own.filter_map(half).collect();
    let steps: Vec<String> = halves.iter().map(|(half, _)| half.to_string()).collect();
    let early = halves.iter().all(|(half, all)| 2 * half <= *all);
    (!halves.is_empty()).then(|| {
        finding(
            "most is forgotten early",
            Some(early),
            format!("half of it by step {} of {}, seed by seed", steps.join(", "), halves[0].1),
        )
    })
}

/// The first evaluation that saw half of the last's forgetting, and the step of the last.
fn half(trial: &LabTrial) -> Option<(u64, u64)> {
    let curve: Vec<(u64, f64)> = trial
        .curve
        .iter()
        .filter(|(_, name, _)| name == "forgetting")
        .map(|(step, _, value)| (*step, *value))
        .collect();
    let (last, end) = *curve.last()?;
    let (half, _) = curve.iter().find(|(_, value)| *value >= end / 2.0)?;
    (end > 0.0).then_some((*half, last))
}
