//! Pretraining against none, at several numbers of labels.

use super::{Method, RunBuilder, Target};
use crate::lab::design::{Design, RunDesign, scale, share};
use crate::lab::findings::{always, differences, finding, said};
use crate::lab::settings::Settings;
use crate::protocol::{LabFinding, LabPoint, LabTrial};

const PRETRAINED: &str = "pretrained";
const SCRATCH: &str = "from scratch";

pub fn design(settings: &Settings) -> Design {
    Design {
        x: scale("labels", "labels"),
        y: share("accuracy on held-out examples", "accuracy"),
        runs: settings.seeds.iter().map(|seed| run(settings, *seed)).collect(),
        findings,
    }
}

fn run(settings: &Settings, seed: u64) -> RunDesign {
    let mut run = RunBuilder::new(settings, &settings.model, "clm", seed);
    for labels in &settings.labels {
        let target = Target::labels(settings, *labels);
        run.sweep(&Method::new(PRETRAINED, &[]), &target, true);
        run.sweep(&Method::new(SCRATCH, &[]), &target, false);
    }
    run.finish(format!("{seed}"), seed)
}

/// The best rate at each number of labels, the fewest first.
fn best<'a>(points: &'a [LabPoint], method: &str) -> Vec<(f64, &'a LabPoint)> {
    let own = points.iter().filter(|point| point.method == method && point.is_best_rate);
    let mut found: Vec<(f64, &LabPoint)> = own.filter_map(|point| Some((point.labels? as f64, point))).collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Of rates that are equally good one is enough.
    found.dedup_by(|a, b| a.0 == b.0);
    found
}

fn findings(_: &Settings, points: &[LabPoint], trials: &[LabTrial]) -> Vec<LabFinding> {
    let (pretrained, scratch) = (best(points, PRETRAINED), best(points, SCRATCH));
    let pairs: Vec<(f64, &LabPoint, &LabPoint)> = pretrained
        .iter()
        .filter_map(|(labels, own)| {
            let (_, other) = scratch.iter().find(|(count, _)| count == labels)?;
            Some((*labels, *own, *other))
        })
        .collect();
    let mut found: Vec<LabFinding> = pairs.iter().map(|pair| beats(trials, pair)).collect();
    found.extend(widens(&pairs));
    found.extend(pairs.iter().map(|(labels, own, _)| catching_up(*labels, own, &scratch)));
    found
}

fn beats(trials: &[LabTrial], (labels, own, other): &(f64, &LabPoint, &LabPoint)) -> LabFinding {
    let differences = differences(trials, own, other, "accuracy");
    finding(
        format!("with {labels} labels a pretrained model is better than one from scratch"),
        always(&differences, |difference| difference > 0.0),
        format!("accuracy {} against {}", said(&own.y), said(&other.y)),
    )
}

fn widens(pairs: &[(f64, &LabPoint, &LabPoint)]) -> Option<LabFinding> {
    let gap = |(_, own, other): &(f64, &LabPoint, &LabPoint)| own.y.mean - other.y.mean;
    let (first, last) = (pairs.first()?, pairs.last()?);
    let gaps: Vec<String> = pairs.iter().map(|pair| format!("{} labels {:+.3}", pair.0, gap(pair))).collect();
    (pairs.len() > 1).then(|| {
        finding(
            "the gap widens as labels become few",
            Some(gap(first) > gap(last)),
            format!("gaps: {}", gaps.join(", ")),
        )
    })
}

/// How many times the labels a model from scratch needs to be as good, between its points on a logarithmic scale.
fn catching_up(labels: f64, own: &LabPoint, scratch: &[(f64, &LabPoint)]) -> LabFinding {
    let claim = format!("what pretraining saves at {labels} labels");
    let wanted = own.y.mean;
    let most = scratch.iter().map(|(_, point)| point.y.mean).fold(f64::NEG_INFINITY, f64::max);
    if let Some((first, point)) = scratch.first().filter(|(_, point)| point.y.mean >= wanted) {
        let evidence = format!("from scratch is as good with {first} labels or fewer ({:.3})", point.y.mean);
        return finding(claim, Some(*first > labels), evidence);
    }
    let crossing = scratch.windows(2).find(|pair| pair[1].1.y.mean >= wanted);
    match crossing {
        Some(pair) => {
            let ((few, low), (many, high)) = (pair[0], pair[1]);
            let part = (wanted - low.y.mean) / (high.y.mean - low.y.mean);
            let needed = (few.ln() + part * (many / few).ln()).exp();
            let factor = needed / labels;
            finding(
                claim,
                Some(factor > 1.0),
                format!("from scratch needs {needed:.0} labels, {factor:.1} times as many"),
            )
        }
        None => {
            let largest = scratch.last().map_or(labels, |(count, _)| *count);
            let evidence = format!(
                "from scratch does not come to {wanted:.3} with {largest} labels ({most:.3}): more than {:.1} times as many",
                largest / labels
            );
            finding(claim, Some(true), evidence)
        }
    }
}
