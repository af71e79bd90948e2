//! The studies: of each its runs, its plane, and what it claims.

pub mod forgetting;
pub mod mitigations;
pub mod objectives;
pub mod schedules;
pub mod transfer;

use super::design::{RunDesign, Trial, rate_name};
use super::gather::BASE;
use super::plan_text::{PhaseText, PlanText};
use super::settings::{MASKED_RATE, PRETRAINING_RATE, Settings};

/// A way to train: what stands in the phase's plan besides data, length and rate.
#[derive(Clone, Debug)]
pub struct Method {
    pub name: &'static str,
    pub setting: String,
    pub lines: Vec<String>,
    pub is_blended: bool,
}

impl Method {
    pub fn new(name: &'static str, lines: &[&str]) -> Self {
        let lines = lines.iter().map(|line| line.to_string()).collect();
        Self { name, setting: String::new(), lines, is_blended: false }
    }

    /// The same with a setting, which `line` writes into the plan.
    pub fn with(name: &'static str, setting: f64, line: impl Fn(f64) -> String) -> Self {
        Self { name, setting: format!("{setting}"), lines: vec![line(setting)], is_blended: false }
    }

    /// A name for phases: `l2-sp-0.1`.
    fn slug(&self) -> String {
        let plain = self.name.to_lowercase().replace([' ', '+', ','], "-").replace("--", "-").replace("--", "-");
        if self.setting.is_empty() { plain } else { format!("{plain}-{}", self.setting) }
    }
}

/// The phase that pretrains. Hidden tokens need a lower rate and a longer way up to it than next ones: at theirs an encoder
/// never leaves its plateau (docs/lab-notes.md).
pub fn pretraining(settings: &Settings, objective: &'static str) -> PhaseText<'static> {
    let (rate, warmup) = if objective == "mlm" { (MASKED_RATE, 100) } else { (PRETRAINING_RATE, 30) };
    PhaseText {
        name: BASE,
        objective,
        from: None,
        corpus: "",
        length: settings.pretraining,
        rate,
        evaluated_every: 0,
        lines: vec![format!("schedule = {{ kind = \"cosine\", warmup = {warmup}, floor = 0.03 }}")],
    }
}

/// What all trials of a run read.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    pub objective: &'static str,
    pub corpus: &'a str,
    pub lines: Vec<String>,
    pub labels: Option<u64>,
    pub evaluated_every: u64,
}

impl<'a> Target<'a> {
    /// The text of another domain.
    pub fn text(settings: &'a Settings) -> Self {
        Self { objective: "clm", corpus: &settings.new, lines: Vec::new(), labels: None, evaluated_every: 0 }
    }

    /// So many labelled examples.
    pub fn labels(settings: &'a Settings, labels: u64) -> Self {
        let examples = &settings.examples;
        let lines = vec![
            format!("text = {}", super::plan_text::quoted(&examples.text)),
            format!("label = {}", super::plan_text::quoted(&examples.label)),
            format!("limit = {labels}"),
        ];
        Self { objective: "classify", corpus: &examples.data, lines, labels: Some(labels), evaluated_every: 0 }
    }
}

/// A run under construction.
pub struct RunBuilder<'a> {
    settings: &'a Settings,
    text: PlanText,
    trials: Vec<Trial>,
}

impl<'a> RunBuilder<'a> {
    /// Begins with a phase that pretrains on the old text.
    pub fn new(settings: &'a Settings, model: &str, objective: &'static str, seed: u64) -> Self {
        let mut text = PlanText::new(settings, model, seed);
        text.phase(&PhaseText { corpus: &settings.old, ..pretraining(settings, objective) });
        Self { settings, text, trials: Vec::new() }
    }

    /// A trial for each rate, from the base, or from new weights.
    pub fn sweep(&mut self, method: &Method, target: &Target, from_base: bool) {
        for rate in &self.settings.rates {
            self.trial(method, target, *rate, from_base);
        }
    }

    pub fn trial(&mut self, method: &Method, target: &Target, rate: f64, from_base: bool) {
        let labels = target.labels.map_or(String::new(), |labels| format!("-{labels}"));
        let phase = format!("{}{labels}-{}", method.slug(), rate_name(rate));
        self.text.phase(&PhaseText {
            name: &phase,
            objective: target.objective,
            from: from_base.then_some(BASE),
            corpus: target.corpus,
            length: self.settings.tuning,
            rate,
            evaluated_every: target.evaluated_every,
            lines: target.lines.iter().chain(&method.lines).cloned().collect(),
        });
        self.trials.push(Trial {
            phase,
            method: method.name.into(),
            setting: method.setting.clone(),
            rate,
            labels: target.labels,
            is_blended: method.is_blended,
        });
    }

    pub fn finish(self, name: String, seed: u64) -> RunDesign {
        let (plan, trials) = (self.text.finish(), self.trials);
        RunDesign { name, seed, plan, trials, shares: Vec::new(), finder: None }
    }
}
