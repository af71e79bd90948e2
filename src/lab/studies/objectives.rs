//! Causal against masked pretraining, at an equal budget of rows, by what either gives a classifier.

use super::RunBuilder;
use crate::lab::design::{Design, RunDesign, scale, share};
use crate::lab::findings::{always, differences, finding, said};
use crate::lab::settings::Settings;
use crate::protocol::{LabFinding, LabPoint, LabTrial};

/// (family of runs, objective of pretraining, pretrained, from scratch)
const CAUSAL: [&str; 4] = ["causal", "clm", "causal, pretrained", "causal, from scratch"];
const MASKED: [&str; 4] = ["masked", "mlm", "masked, pretrained", "masked, from scratch"];

/// The encoder of the size of the standard decoder.
const ENCODER: &str = "bert-1m";

pub fn design(settings: &Settings) -> Design {
    let of_seed = |seed: &u64| {
        [(CAUSAL, settings.model.as_str()), (MASKED, ENCODER)].map(|(kind, model)| run(settings, *seed, kind, model))
    };
    Design {
        x: scale("labels", "labels"),
        y: share("accuracy on held-out examples", "accuracy"),
        runs: settings.seeds.iter().flat_map(of_seed).collect(),
        findings,
    }
}

fn run(
    settings: &Settings,
    seed: u64,
    [family, objective, pretrained, scratch]: [&'static str; 4],
    model: &str,
) -> RunDesign {
    let mut run = RunBuilder::new(settings, model, objective, seed);
    run.with_and_without([pretrained, scratch]);
    run.finish(format!("{family}-{seed}"), seed)
}

fn findings(settings: &Settings, points: &[LabPoint], trials: &[LabTrial]) -> Vec<LabFinding> {
    let best = |method: &str, labels: u64| {
        points.iter().find(|point| point.method == method && point.labels == Some(labels) && point.is_best_rate)
    };
    let mut found = Vec::new();
    for labels in settings.labels.iter().copied() {
        for [_, _, pretrained, scratch] in [CAUSAL, MASKED] {
            let pair = best(pretrained, labels).zip(best(scratch, labels));
            found.extend(pair.map(|(own, other)| compared(trials, labels, own, other)));
        }
        found.extend(
            best(MASKED[2], labels)
                .zip(best(CAUSAL[2], labels))
                .map(|(own, other)| compared(trials, labels, own, other)),
        );
    }
    found
}

fn compared(trials: &[LabTrial], labels: u64, own: &LabPoint, other: &LabPoint) -> LabFinding {
    let differences = differences(trials, own, other, "accuracy");
    finding(
        format!("with {labels} labels: {} is better than {}", own.method, other.method),
        always(&differences, |difference| difference > 0.0),
        format!("accuracy {} against {}", said(&own.y), said(&other.y)),
    )
}
