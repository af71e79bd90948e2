//! The table at the end of a run.

use super::output::{self, bytes, count, duration, number};
use super::train::metric_value;
use crate::protocol::{Evaluation, Event, Finished, SAMPLED, Transfer};
use comfy_table::{Cell, CellAlignment};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

/// A terminal of this many columns has room for every column.
const WIDE: usize = 110;
/// One of this many has room for columns two apart.
const ROOMY: usize = 92;
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

    /// The table, for a terminal of `width` columns, and what the whole run took.
    pub fn render(&self, finished: &Finished, width: usize) -> String {
        let columns = self.columns(width >= WIDE);
        let titles = columns.iter().map(|column| Cell::new(&column.title).set_alignment(column.alignment));
        let mut table = output::table(titles);
        for phase in &self.phases {
            table.add_row(columns.iter().map(|column| Cell::new((column.cell)(phase)).set_alignment(column.alignment)));
        }
        let memory = finished.peak_rss_bytes.map_or(String::new(), |peak| format!(", peak memory {}", bytes(peak)));
        let (tokens, seconds) = (count(finished.tokens), duration(finished.seconds));
        let done = format!("{} steps, {tokens} tokens in {seconds}{memory}", finished.steps);
        let apart = if width >= ROOMY { 2 } else { 1 };
        let transfer: String = finished.transfer.iter().map(|transfer| transfer_table(transfer, apart)).collect();
        format!("{}\n{transfer}{done}\nrun {} in {}\n", output::lay_out(table, apart), finished.run, finished.path)
    }

    /// What the table shows of each phase, from left to right.
    fn columns(&self, wide: bool) -> Vec<Column<'_>> {
        let mut columns = vec![
            Column::left("phase", |phase| phase.name.clone()),
            Column::left("from", |phase| phase.from.clone()),
            Column::right("steps", |phase| phase.steps.to_string()),
        ];
        if wide {
            columns.push(Column::right("train\nloss", |phase| figure(phase.train_loss())));
        }
        columns.push(Column::right("held-out\nloss", |phase| figure(phase.own(|own| Some(own.loss)))));
        columns.push(Column::right("ppl", |phase| {
            figure(phase.own(|own| Some(own.perplexity).filter(|own| !own.is_nan())))
        }));
        if wide {
            columns.push(Column::right("bits\n/byte", |phase| figure(phase.own(|own| own.bits_per_byte))));
        }
        columns.push(Column::right(&self.metric(), |phase| metric(phase.last.get(&phase.name))));
        for (suite, has_metric) in self.retained() {
            columns.push(match has_metric {
                true => Column::right(&format!("{suite}\nknown"), move |phase| metric(phase.last.get(&suite))),
                false => Column::right(&format!("forgets\n{suite}"), move |phase| {
                    phase.last(&suite, |e| e.retention).map_or("–".into(), |retention| format!("{retention:+.3}"))
                }),
            });
        }
        columns.push(Column::right("tokens\n/s", |phase| figure(median(&phase.tokens_per_second))));
        columns
    }

    /// What the phases' own examples are measured by, where it is the same for all.
    fn metric(&self) -> String {
        let names: BTreeSet<&str> = self.phases.iter().filter_map(|phase| phase.own_metric()).collect();
        match (names.len(), names.first()) {
            (1, Some(name)) => name.replacen('_', "\n", 1).replace('_', " "),
            (0, _) => "exact\nmatch".into(),
            _ => "task\nmetric".into(),
        }
    }

    /// Suites that are compared with a base in any phase, and whether they have a metric.
    fn retained(&self) -> Vec<(String, bool)> {
        let mut found: Vec<(String, bool)> = Vec::new();
        for phase in &self.phases {
            for suite in &phase.suites {
                let Some(last) = phase.last.get(suite) else { continue };
                if last.retention.is_some() && !suite.ends_with(SAMPLED) && !found.iter().any(|(name, _)| name == suite)
                {
                    found.push((suite.clone(), last.metric.is_some()));
                }
            }
        }
        found
    }
}

/// What a line of phases made of the earlier ones, with the means.
pub fn transfer_table(transfer: &Transfer, apart: u16) -> String {
    let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
    let titles = ["then", "best", "worst", "now", "forgotten", "backward\ntransfer"].map(|title| right(title.into()));
    let first = format!("loss on, after\n{}", transfer.phase);
    let mut table = output::table(std::iter::once(Cell::new(first)).chain(titles));
    for of in &transfer.earlier {
        let losses = [of.then, of.best, of.worst, of.now].map(|loss| right(number(loss)));
        let changes = [of.now - of.best, of.then - of.now].map(|change| right(format!("{change:+.3}")));
        table.add_row(std::iter::once(Cell::new(&of.phase)).chain(losses).chain(changes));
    }
    if transfer.earlier.len() > 1 {
        let means = [transfer.forgetting, transfer.backward_transfer].map(|mean| right(format!("{mean:+.3}")));
        let empty = std::iter::repeat_n(Cell::new(""), 4);
        table.add_row(std::iter::once(Cell::new("mean")).chain(empty).chain(means));
    }
    output::lay_out(table, apart) + "\n"
}

/// One column of the table. A suite with a metric shows that, one without by how much its loss rose.
struct Column<'a> {
    title: String,
    alignment: CellAlignment,
    cell: Box<dyn Fn(&Phase) -> String + 'a>,
}

impl<'a> Column<'a> {
    fn left(title: &str, cell: impl Fn(&Phase) -> String + 'a) -> Self {
        Self { title: title.into(), alignment: CellAlignment::Left, cell: Box::new(cell) }
    }

    fn right(title: &str, cell: impl Fn(&Phase) -> String + 'a) -> Self {
        Self { title: title.into(), alignment: CellAlignment::Right, cell: Box::new(cell) }
    }
}

impl Phase {
    fn measured(&mut self, evaluation: &Evaluation) {
        if !self.suites.contains(&evaluation.suite) {
            self.suites.push(evaluation.suite.clone());
        }
        self.last.insert(evaluation.suite.clone(), evaluation.clone());
    }

    /// A figure of the last evaluation of a suite.
    fn last(&self, suite: &str, pick: impl Fn(&Evaluation) -> Option<f64>) -> Option<f64> {
        self.last.get(suite).and_then(pick)
    }

    /// A figure of the last evaluation of its own held-out data.
    fn own(&self, pick: impl Fn(&Evaluation) -> Option<f64>) -> Option<f64> {
        self.last(&self.name, pick)
    }

    /// What its own held-out data is measured by.
    fn own_metric(&self) -> Option<&str> {
        self.last.get(&self.name)?.metric.as_deref()
    }

    /// The mean over the last steps.
    fn train_loss(&self) -> Option<f64> {
        let recent = &self.losses[self.losses.len().saturating_sub(LAST_LOSSES)..];
        (!recent.is_empty()).then(|| recent.iter().sum::<f64>() / recent.len() as f64)
    }
}

fn figure(value: Option<f64>) -> String {
    value.map_or("–".into(), number)
}

/// The metric that stands for a suite, as of its last evaluation.
fn metric(last: Option<&Evaluation>) -> String {
    let named = last.and_then(|last| Some((last.metric.as_deref()?, last.value?)));
    named.map_or("–".into(), |(name, value)| metric_value(name, value))
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}
