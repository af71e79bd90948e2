//! Every remedy against forgetting, alone and with others, at every rate: what it learns of the new text against what it
//! forgets of the old.

use super::{Method, RunBuilder, Target};
use crate::lab::design::{Design, RunDesign, nats};
use crate::lab::findings::{always, best_rates, called, differences, edge, finding, said};
use crate::lab::gather::BASE;
use crate::lab::interpolation;
use crate::lab::settings::Settings;
use crate::protocol::{LabFinding, LabPoint, LabTrial};

const PLAIN: &str = "plain";

/// Of the tuned weights in blends with the base's.
const SHARES: [f64; 4] = [0.2, 0.4, 0.6, 0.8];

pub fn design(settings: &Settings) -> Design {
    Design {
        x: nats("forgetting of the old text", "forgetting"),
        y: nats("loss on the new text", "new"),
        runs: settings.seeds.iter().map(|seed| run(settings, *seed)).collect(),
        findings,
    }
}

fn run(settings: &Settings, seed: u64) -> RunDesign {
    let mut run = RunBuilder::new(settings, &settings.model, "clm", seed);
    for method in methods(settings) {
        run.sweep(&method, &Target::text(settings), true);
    }
    RunDesign { shares: SHARES.to_vec(), ..run.finish(format!("{seed}"), seed) }
}

fn methods(settings: &Settings) -> Vec<Method> {
    let every = (settings.tuning.0 / 12).max(1);
    let gradual = format!("unfreeze = {{ order = \"gradual\", every = {every} }}");
    let l2_sp = |strength: f64| format!("pull = {{ l2_sp = {strength} }}");
    let ewc = |strength: f64| format!("pull = {{ ewc = {strength}, fisher_rows = 128 }}");
    let kl = |strength: f64| format!("pull = {{ kl = {strength} }}");
    let replay = |share: f64| format!("replay = {{ share = {share} }}");
    vec![
        Method { is_blended: true, ..Method::new(PLAIN, &[]) },
        Method::new("lower half frozen", &["frozen = [\"embedding\", \"block.0-1\"]"]),
        Method::new("layer decay", &["rates = { decay = 2.6 }"]),
        Method::new("gradual unfreezing", &[&gradual]),
        Method::with("L2-SP", 0.01, l2_sp),
        Method::with("L2-SP", 0.1, l2_sp),
        Method::with("EWC", 30.0, ewc),
        Method::with("EWC", 300.0, ewc),
        Method::with("KL", 0.3, kl),
        Method::with("KL", 1.0, kl),
        Method::with("replay", 0.05, replay),
        Method::with("replay", 0.2, replay),
        Method::new("replay + L2-SP", &[&replay(0.1), &l2_sp(0.01)]),
        Method::new("replay + KL", &[&replay(0.1), &kl(0.3)]),
        Method::new("replay + decay", &[&replay(0.1), "rates = { decay = 2.6 }"]),
    ]
}

/// Remedies that the literature says forget less than plain fine-tuning does.
const REMEDIES: [&str; 8] =
    ["lower half frozen", "layer decay", "gradual unfreezing", "L2-SP", "EWC", "KL", "replay", interpolation::METHOD];

fn findings(_: &Settings, points: &[LabPoint], trials: &[LabTrial]) -> Vec<LabFinding> {
    let Some(plain) = best_rates(points, PLAIN).first().copied() else { return Vec::new() };
    let mut found = vec![finding(
        "plain fine-tuning forgets",
        Some(plain.x.mean > 0.0),
        format!(
            "at its best rate, {:e}{}: new text {}, forgets {} nats/token",
            plain.rate,
            edge(points, plain),
            said(&plain.y),
            said(&plain.x)
        ),
    )];
    found.extend(lower_rate(points, trials, plain));
    found.extend(REMEDIES.into_iter().filter_map(|remedy| forgets_less(points, trials, plain, remedy)));
    found.extend(combinations(points));
    found.extend(frontier(points, plain));
    found
}

/// Plain at the rates below its best.
fn lower_rate(points: &[LabPoint], trials: &[LabTrial], plain: &LabPoint) -> Option<LabFinding> {
    let lower = points.iter().filter(|point| point.method == PLAIN && point.rate < plain.rate);
    let lower = lower.max_by(|a, b| a.rate.total_cmp(&b.rate))?;
    Some(compared(trials, plain, lower, "a lower rate"))
}

/// The best-learning setting of a remedy that forgets less, or the one that forgets least.
fn forgets_less(points: &[LabPoint], trials: &[LabTrial], plain: &LabPoint, remedy: &str) -> Option<LabFinding> {
    let own = best_rates(points, remedy);
    let less = own.iter().filter(|point| point.x.mean < plain.x.mean);
    let shown = less
        .min_by(|a, b| a.y.mean.total_cmp(&b.y.mean))
        .or(own.iter().min_by(|a, b| a.x.mean.total_cmp(&b.x.mean)))?;
    Some(compared(trials, plain, shown, &called(shown)))
}

fn compared(trials: &[LabTrial], plain: &LabPoint, other: &LabPoint, name: &str) -> LabFinding {
    let differences = differences(trials, other, plain, "forgetting");
    finding(
        format!("{name} forgets less than plain fine-tuning at its best rate"),
        always(&differences, |difference| difference < 0.0),
        format!(
            "rate {:e}: new text {} (plain {}), forgets {} (plain {})",
            other.rate,
            said(&other.y),
            said(&plain.y),
            said(&other.x),
            said(&plain.x)
        ),
    )
}

/// Whether a combination lies where no single remedy is better on both axes.
fn combinations(points: &[LabPoint]) -> Option<LabFinding> {
    let is_combined = |point: &&LabPoint| point.method.contains('+');
    let combined: Vec<&LabPoint> = points.iter().filter(is_combined).collect();
    let beaten = |own: &LabPoint| {
        let mut single = points.iter().filter(|point| !is_combined(point));
        single.any(|other| other.x.mean <= own.x.mean && other.y.mean <= own.y.mean)
    };
    let front: Vec<String> = combined
        .iter()
        .filter(|point| !beaten(point))
        .map(|point| {
            format!("{} at {:e} (new {:.3}, forgets {:.3})", called(point), point.rate, point.y.mean, point.x.mean)
        })
        .collect();
    let evidence = match front.is_empty() {
        true => "for each of them a single remedy learns and keeps at least as much".to_string(),
        false => front.join("; "),
    };
    (!combined.is_empty())
        .then(|| finding("combinations reach what no single remedy does", Some(!front.is_empty()), evidence))
}

/// Whether blends lie below the straight line between the base and plain fine-tuning at its best rate.
fn frontier(points: &[LabPoint], plain: &LabPoint) -> Option<LabFinding> {
    let blends: Vec<&LabPoint> =
        points.iter().filter(|point| point.method == interpolation::METHOD && point.rate == plain.rate).collect();
    // The base forgets nothing; on the new text it is where the trial began.
    let before = blends.first().map(|_| points.iter().find(|point| point.method == BASE))?;
    let start = before.map_or(f64::NAN, |point| point.y.mean);
    let line = |forgetting: f64| start + (plain.y.mean - start) * forgetting / plain.x.mean;
    let gain = |point: &LabPoint| line(point.x.mean) - point.y.mean;
    let best = blends.iter().max_by(|a, b| gain(a).total_cmp(&gain(b)))?;
    let evidence = format!(
        "at a share of {} the new text is {:.3} nats/token below the line (new {:.3}, forgets {:.3})",
        best.setting,
        gain(best),
        best.y.mean,
        best.x.mean
    );
    let holds = gain(best).is_finite().then(|| gain(best) > 0.0);
    Some(finding("the frontier of blends bows beyond the straight line", holds, evidence))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::settings::Study;
    use crate::lab::testing::{measured, report};

    fn trial(method: &str, setting: &str, seed: u64, (new, forgetting): (f64, f64)) -> LabTrial {
        let rate = if method == BASE { 0.0 } else { 1e-3 };
        measured((method, setting, rate), seed, &[("new", new), ("forgetting", forgetting)])
    }

    fn said(found: &[LabFinding], claim: &str) -> LabFinding {
        found.iter().find(|finding| finding.claim.contains(claim)).unwrap().clone()
    }

    #[test]
    fn remedies_are_held_against_plain_seed_by_seed() {
        let settings = Settings::standard(Study::Mitigations);
        let both =
            |method: &str, one: (f64, f64), two: (f64, f64)| [trial(method, "", 1, one), trial(method, "", 2, two)];
        let trials = [
            both(BASE, (6.0, 0.0), (6.0, 0.0)),
            both(PLAIN, (1.0, 4.0), (1.0, 2.0)),
            both("EWC", (1.1, 3.0), (1.1, 1.0)),
            // Less in the mean, but not with the second seed.
            both("KL", (1.1, 0.5), (1.1, 2.1)),
        ];
        let blends =
            [trial(interpolation::METHOD, "0.5", 1, (3.0, 1.5)), trial(interpolation::METHOD, "0.5", 2, (3.0, 1.5))];
        let mut trials: Vec<LabTrial> = trials.into_iter().flatten().chain(blends).collect();
        let found = report(&settings, trials.clone()).findings;
        assert_eq!(said(&found, "EWC forgets less").holds, Some(true));
        assert_eq!(said(&found, "KL forgets less").holds, Some(false));
        // Half way by forgetting the line is at 3.5.
        let frontier = said(&found, "bows");
        assert_eq!(frontier.holds, Some(true));
        assert!(frontier.evidence.contains("0.500 nats/token below"), "{}", frontier.evidence);
        trials.retain(|trial| trial.method != interpolation::METHOD);
        trials.extend([trial("replay + L2-SP", "", 1, (1.0, 1.0)), trial("replay", "", 1, (0.9, 0.9))]);
        let found = report(&settings, trials).findings;
        assert_eq!(said(&found, "combinations").holds, Some(false));
        assert!(found.iter().all(|finding| !finding.claim.contains("bows")));
    }
}
