//! The table at the end of a run.

use super::output::{bytes, count, duration, number};
use crate::protocol::{Evaluation, Event, Finished};
use comfy_table::{Cell, CellAlignment, Table, presets};
use std::collections::HashMap;
use std::path::Path;

/// Training losses that the table's figure is the mean of.
const LAST_LOSSES: usize = 20;

/// What is kept of a run's events for its table.
#[derive(Default)]
pub struct Summary {
    phases: Vec<Phase>,
}

#[derive(Default)]
struct Phase {
    name: String,
    from: String,
    steps: u64,
    losses: Vec<f64>,
    tokens_per_second: Vec<f64>,
    /// Suites in the order in which they were first measured.
    suites: Vec<String>,
    first: HashMap<String, Evaluation>,
    last: HashMap<String, Evaluation>,
}

impl Summary {
    pub fn record(&mut self, event: &Event) {
        match event {
            Event::Phase(phase) => {
                let from = phase.base.as_deref().map_or("scratch".into(), |path| self.name_of(path));
                self.phases.push(Phase { name: phase.phase.clone(), from, ..Phase::default() });
            }
            Event::Step(step) => {
                if let Some(phase) = self.phases.last_mut() {
                    phase.steps += 1;
                    phase.losses.push(step.loss);
                    phase.tokens_per_second.push(step.tokens_per_second);
                }
            }
            Event::Evaluation(evaluation) => {
                if let Some(phase) = self.phases.last_mut() {
                    phase.measured(evaluation);
                }
            }
            _ => {}
        }
    }

    /// The phase that wrote a checkpoint, or else the folder's name.
    fn name_of(&self, path: &str) -> String {
        let state = crate::run::checkpoint::state(Path::new(path));
        let own = state.filter(|state| self.phases.iter().any(|phase| phase.name == state.phase));
        let folder = || Path::new(path).file_name().map_or(path.into(), |name| name.to_string_lossy().into_owned());
        own.map_or_else(folder, |state| state.phase)
    }

    /// The table, and what the whole run took.
    pub fn render(&self, finished: &Finished) -> String {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        let retained = self.retained();
        let mut header =
            vec!["phase", "from", "steps", "train loss", "held-out", "perplexity", "bits/byte", "exact match"];
        let names: Vec<String> = retained.iter().flat_map(|(suite, has_metric)| columns(suite, *has_metric)).collect();
        header.extend(names.iter().map(String::as_str));
        header.push("tokens/s");
        table.set_header(header);
        for phase in &self.phases {
            let cells = phase.cells(&retained).into_iter().enumerate();
            table.add_row(cells.map(|(i, text)| {
                let alignment = if i < 2 { CellAlignment::Left } else { CellAlignment::Right };
                Cell::new(text).set_alignment(alignment)
            }));
        }
        let memory = finished.peak_rss_bytes.map_or(String::new(), |peak| format!(", peak memory {}", bytes(peak)));
        let (tokens, seconds) = (count(finished.tokens), duration(finished.seconds));
        let done = format!("{} steps, {tokens} tokens in {seconds}{memory}", finished.steps);
        format!("{table}\n{done}\nrun {} in {}\n", finished.run, finished.path)
    }

    /// Suites that are compared with a base in any phase, and whether they have a metric.
    fn retained(&self) -> Vec<(String, bool)> {
        let mut found: Vec<(String, bool)> = Vec::new();
        for phase in &self.phases {
            for suite in &phase.suites {
                let Some(last) = phase.last.get(suite) else { continue };
                if last.retention.is_some() && !found.iter().any(|(name, _)| name == suite) {
                    found.push((suite.clone(), last.metric.is_some()));
                }
            }
        }
        found
    }
}

/// A suite with a metric shows that; one without shows by how much its loss rose.
fn columns(suite: &str, has_metric: bool) -> Option<String> {
    Some(if has_metric { format!("{suite} known") } else { format!("forgets {suite}") })
}

impl Phase {
    fn measured(&mut self, evaluation: &Evaluation) {
        let suite = evaluation.suite.clone();
        if !self.suites.contains(&suite) {
            self.suites.push(suite.clone());
            self.first.insert(suite.clone(), evaluation.clone());
        }
        self.last.insert(suite, evaluation.clone());
    }

    fn cells(&self, retained: &[(String, bool)]) -> Vec<String> {
        let own = self.last.get(&self.name);
        let recent = &self.losses[self.losses.len().saturating_sub(LAST_LOSSES)..];
        let dash = || "–".to_string();
        let figure = |value: Option<f64>| value.map_or_else(dash, number);
        let train = (!recent.is_empty()).then(|| recent.iter().sum::<f64>() / recent.len() as f64);
        let mut cells = vec![
            self.name.clone(),
            self.from.clone(),
            self.steps.to_string(),
            figure(train),
            figure(own.map(|e| e.loss)),
            figure(own.map(|e| e.perplexity)),
            figure(own.and_then(|e| e.bits_per_byte)),
            own.and_then(|e| e.value).map_or_else(dash, percent),
        ];
        cells.extend(retained.iter().map(|(suite, has_metric)| self.retained_cell(suite, *has_metric)));
        cells.push(figure(median(&self.tokens_per_second)));
        cells
    }

    fn retained_cell(&self, suite: &str, has_metric: bool) -> String {
        match (has_metric, self.first.get(suite), self.last.get(suite)) {
            (true, Some(first), Some(last)) => match (first.value, last.value) {
                (Some(was), Some(is)) => format!("{} (was {})", percent(is), percent(was)),
                _ => "–".into(),
            },
            (false, _, Some(last)) => last.retention.map_or("–".into(), |retention| format!("{retention:+.3}")),
            _ => "–".into(),
        }
    }
}

fn percent(share: f64) -> String {
    format!("{:.1}%", 100.0 * share)
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}
