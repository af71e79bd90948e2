//! Writes the plans of a study.

use super::settings::Settings;
use std::fmt::Write;

/// A plan that grows phase by phase.
pub struct PlanText {
    text: String,
    context: usize,
}

/// What a phase is made of.
#[derive(Clone, Debug)]
pub struct PhaseText<'a> {
    pub name: &'a str,
    /// `clm`, `mlm`, `classify`.
    pub objective: &'a str,
    /// `None` for new weights.
    pub from: Option<&'a str>,
    pub corpus: &'a str,
    /// Steps, and rows of each.
    pub length: (u64, usize),
    pub rate: f64,
    /// Steps between evaluations; 0 for the first and the last alone.
    pub evaluated_every: u64,
    /// Lines of the phase that are the method's own.
    pub lines: Vec<String>,
}

/// Held-out tokens and examples of an evaluation.
const HELD_OUT: (u64, usize) = (16_000, 400);

/// The schedule of trials whose method has none of its own.
const SCHEDULE: &str = "schedule = { kind = \"linear\", warmup = 5 }";

impl PlanText {
    /// The head of a plan: a new model of the preset.
    pub fn new(settings: &Settings, model: &str, seed: u64) -> Self {
        let Settings { study, vocabulary, context, .. } = settings;
        let text = format!(
            "# Written by `frostline lab {study}`: one seed of the study.\n\
             name = \"{study}\"\nseed = {seed}\nsnapshots = {{ memory = 0 }}\n\n\
             [tokenizer]\nvocabulary = {vocabulary}\n\n[model]\npreset = \"{model}\"\ncontext = {context}\n",
            study = study.name(),
        );
        Self { text, context: *context }
    }

    pub fn phase(&mut self, phase: &PhaseText) {
        let PhaseText { name, objective, from, corpus, length: (steps, batch), rate, evaluated_every, lines } = phase;
        let (context, (tokens, examples)) = (self.context, HELD_OUT);
        let from = from.unwrap_or("scratch");
        let schedule = if has_key(lines, "schedule") { String::new() } else { format!("{SCHEDULE}\n") };
        let own: String = lines.iter().map(|line| format!("{line}\n")).collect();
        // Writing to a string cannot fail.
        let _ = write!(
            self.text,
            "\n[[phase]]\nname = \"{name}\"\nobjective = \"{objective}\"\nfrom = \"{from}\"\ncorpus = {corpus}\n\
             steps = {steps}\nbatch = {batch}\ncontext = {context}\n\
             optimizer = {{ learning_rate = {rate:e} }}\n{schedule}\
             evaluation = {{ every = {evaluated_every}, tokens = {tokens}, examples = {examples} }}\n\
             guard = {{ action = \"skip\", most = 1_000_000, every = 0 }}\n{own}",
            corpus = quoted(corpus),
        );
    }

    pub fn finish(self) -> String {
        self.text
    }
}

fn has_key(lines: &[String], key: &str) -> bool {
    lines.iter().any(|line| line.split('=').next().is_some_and(|name| name.trim() == key))
}

/// A text as TOML writes it.
pub fn quoted(text: &str) -> String {
    toml::Value::String(text.into()).to_string()
}
