//! ULMFiT's ways to fine-tune (Howard and Ruder 2018, arXiv 1801.06146), one by one and together, against plain fine-tuning
//! of everything.

use super::{Method, RunBuilder, Target};
use crate::lab::design::{Design, RunDesign, nats, share};
use crate::lab::finder;
use crate::lab::findings::{always, best_rates, differences, edge, finding, said};
use crate::lab::settings::Settings;
use crate::protocol::{LabFinding, LabPoint, LabTrial};

const FULL: &str = "full";
const TOGETHER: &str = "all three";

/// Each alone, and then together.
const PARTS: [&str; 4] = ["gradual", "discriminative", "slanted", TOGETHER];

pub fn design(settings: &Settings) -> Design {
    Design {
        x: nats("forgetting of the old text", "forgetting"),
        y: share("accuracy on held-out examples", "accuracy"),
        runs: settings.seeds.iter().map(|seed| run(settings, *seed)).collect(),
        findings,
    }
}

fn run(settings: &Settings, seed: u64) -> RunDesign {
    let mut run = RunBuilder::new(settings, &settings.model, "clm", seed);
    for labels in &settings.labels {
        for method in methods(settings) {
            run.sweep(&method, &Target::labels(settings, *labels), true);
        }
    }
    let run = run.finish(format!("{seed}"), seed);
    let finder = run.trials.iter().find(|trial| trial.method == FULL).map(|trial| trial.phase.clone());
    RunDesign { finder, ..run }
}

fn methods(settings: &Settings) -> Vec<Method> {
    let every = (settings.tuning.0 / 12).max(1);
    let gradual = format!("unfreeze = {{ order = \"gradual\", every = {every} }}");
    let discriminative = "rates = { decay = 2.6 }";
    let slanted = "schedule = { kind = \"slanted-triangular\" }";
    let constant = "schedule = { kind = \"constant\" }";
    vec![
        Method::new(FULL, &[constant]),
        Method::new("gradual", &[&gradual, constant]),
        Method::new("discriminative", &[discriminative, constant]),
        Method::new("slanted", &[slanted]),
        Method::new(TOGETHER, &[&gradual, discriminative, slanted]),
        Method::new("cosine", &["schedule = { kind = \"cosine\", warmup = 5 }"]),
        Method::new(
            "head first",
            &[&format!("unfreeze = {{ order = \"head-first\", every = {} }}", 3 * every), constant],
        ),
        Method::new("chain-thaw", &[&format!("unfreeze = {{ order = \"chain-thaw\", every = {every} }}"), constant]),
    ]
}

fn findings(_: &Settings, points: &[LabPoint], trials: &[LabTrial]) -> Vec<LabFinding> {
    let Some(full) = best_rates(points, FULL).first().copied() else { return Vec::new() };
    let parts = PARTS.into_iter().filter_map(|part| {
        let own = best_rates(points, part).first().copied()?;
        Some(compared(points, trials, full, own))
    });
    parts.chain(together(points)).chain(suggestions(full, trials)).collect()
}

fn compared(points: &[LabPoint], trials: &[LabTrial], full: &LabPoint, own: &LabPoint) -> LabFinding {
    let differences = differences(trials, own, full, "accuracy");
    finding(
        format!("{} learns at least as well as full fine-tuning, each at its best rate", own.method),
        always(&differences, |difference| difference >= 0.0),
        format!(
            "accuracy {} at {:e}{} (full {} at {:e}{}), forgets {} (full {})",
            said(&own.y),
            own.rate,
            edge(points, own),
            said(&full.y),
            full.rate,
            edge(points, full),
            said(&own.x),
            said(&full.x)
        ),
    )
}

/// Whether the three together are better than each alone, by what they learn and by what they forget.
fn together(points: &[LabPoint]) -> Option<LabFinding> {
    let all = best_rates(points, TOGETHER).first().copied()?;
    let alone: Vec<&LabPoint> =
        PARTS[..3].iter().filter_map(|part| best_rates(points, part).first().copied()).collect();
    let figures: Vec<String> =
        alone.iter().map(|point| format!("{} {:.3} / {:+.3}", point.method, point.y.mean, point.x.mean)).collect();
    (!alone.is_empty()).then(|| {
        finding(
            "all three together learn at least as well as each alone",
            Some(alone.iter().all(|point| all.y.mean >= point.y.mean)),
            format!("accuracy / forgetting: together {:.3} / {:+.3}; {}", all.y.mean, all.x.mean, figures.join("; ")),
        )
    })
}

/// How far the finder's readings are from the best rate of the sweep.
fn suggestions(full: &LabPoint, trials: &[LabTrial]) -> Vec<LabFinding> {
    let mut readings: Vec<&str> = Vec::new();
    for trial in trials.iter().filter(|trial| trial.method == finder::METHOD) {
        if !readings.contains(&trial.setting.as_str()) {
            readings.push(&trial.setting);
        }
    }
    let of_reading = |reading: &str| {
        let own = trials.iter().filter(|trial| trial.method == finder::METHOD && trial.setting == reading);
        let rates: Vec<f64> = own.map(|trial| trial.rate).collect();
        let is_near = |rate: &f64| (full.rate / 3.0..=full.rate * 3.0).contains(rate);
        let said: Vec<String> = rates.iter().map(|rate| format!("{rate:.1e}")).collect();
        finding(
            format!("the learning-rate finder's {reading} is within a factor of 3 of the best rate of the sweep"),
            Some(rates.iter().all(is_near)),
            format!("suggested, seed by seed: {}; best of the sweep: {:e}", said.join(", "), full.rate),
        )
    };
    readings.into_iter().map(of_reading).collect()
}
