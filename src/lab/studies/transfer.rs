//! Pretraining against none, at several numbers of labels.

use super::RunBuilder;
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
    run.with_and_without([PRETRAINED, SCRATCH]);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::settings::Study;
    use crate::lab::testing::{measured, report};

    fn findings_of(scratch: [f64; 3]) -> Vec<LabFinding> {
        let settings = Settings::standard(Study::Transfer);
        let labels = [16.0, 64.0, 256.0];
        let pretrained = labels.iter().zip([0.7, 0.8, 0.9]).map(|(labels, accuracy)| (PRETRAINED, *labels, accuracy));
        let scratch = labels.iter().zip(scratch).map(|(labels, accuracy)| (SCRATCH, *labels, accuracy));
        let trials = pretrained.chain(scratch).flat_map(|(method, labels, accuracy)| {
            // At a worse rate nothing is learned.
            [(1e-3, accuracy), (1e-5, 0.5)]
                .map(|(rate, accuracy)| measured((method, "", rate), 1, &[("labels", labels), ("accuracy", accuracy)]))
        });
        report(&settings, trials.collect()).findings
    }

    #[test]
    fn the_factor_of_labels_is_read_between_points_on_a_logarithmic_scale() {
        let found = findings_of([0.5, 0.6, 0.8]);
        let said = |claim: &str| found.iter().find(|finding| finding.claim.contains(claim)).unwrap();
        // 0.7 lies half way from 64 to 256 labels.
        assert_eq!(said("saves at 16").evidence, "from scratch needs 128 labels, 8.0 times as many");
        assert_eq!(said("saves at 64").evidence, "from scratch needs 256 labels, 4.0 times as many");
        assert!(said("saves at 256").evidence.contains("more than 1.0 times"));
        assert_eq!(said("the gap widens").holds, Some(true));
        assert!(found.iter().filter(|finding| finding.claim.starts_with("with ")).all(|f| f.holds == Some(true)));
    }

    #[test]
    fn what_does_not_come_out_is_said() {
        let found = findings_of([0.75, 0.8, 0.95]);
        let said = |claim: &str| found.iter().find(|finding| finding.claim.contains(claim)).unwrap();
        assert_eq!(said("saves at 16").holds, Some(false));
        assert_eq!(said("with 16 labels").holds, Some(false));
    }
}
