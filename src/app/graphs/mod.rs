//! The graphs pane: every metric over steps, with a mark for every change made by hand.

mod actions;
pub mod branches;
mod csv;
mod explanations;
mod glyphs;
pub mod history;
pub mod metric;
mod mouse;
mod navigate;
pub mod plane;
mod pyramid;
mod reading;
pub mod scale;
mod smooth;
mod token_loss;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
pub mod trace;
pub mod window;

pub use actions::ACTIONS;
pub use explanations::EXPLANATIONS;
pub use glyphs::Glyphs;
pub use metric::{Metric, Series};
pub use mouse::pointed;
pub use reading::{Entry, Reading, Trend};
pub use window::Axis;

use super::{App, Mirror};
use history::History;
use scale::Span;
use smooth::SMOOTHINGS;
use std::cell::{Cell, RefCell};
use window::{Timeline, View, Window};

/// How charts share the pane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// As many as there is room for, up to six.
    #[default]
    Grid,
    One,
    /// What was learned against what was forgotten.
    Plane,
}

/// The state of the pane.
pub struct Graphs {
    pub history: History,
    /// The chart that actions mean.
    pub metric: Metric,
    pub layout: Layout,
    pub view: View,
    pub axis: Axis,
    /// The step whose values are read.
    pub cursor: Option<u64>,
    /// Where the mouse went down, and where it is now.
    pub dragged: Option<(f64, f64)>,
    /// What curves are drawn with; from the terminal's locale.
    pub glyphs: Glyphs,
    /// Metrics on log axes.
    logs: Vec<Metric>,
    /// Which of [`SMOOTHINGS`] is chosen.
    smoothing: usize,
    /// Curves beside the run's own are not drawn.
    pub hides_branches: bool,
    /// Those curves.
    pub branches: branches::Branches,
    /// Columns of text that a chart had when it was last drawn; what one press of an arrow moves by.
    pub last_columns: Cell<u16>,
    /// How many charts had room.
    pub last_slots: Cell<usize>,
    /// Which they were, in the order of their spots.
    pub last_charts: RefCell<Vec<Metric>>,
    /// The value axes as they were, so that they stay.
    last_spans: RefCell<Vec<(Metric, Span)>>,
    /// The plane's axes, retention and task, as they were.
    pub last_plane: Cell<Option<(Span, Span)>>,
}

impl Default for Graphs {
    fn default() -> Self {
        Self {
            history: History::default(),
            metric: Metric::default(),
            layout: Layout::default(),
            view: View::default(),
            axis: Axis::default(),
            cursor: None,
            dragged: None,
            glyphs: Glyphs::default(),
            logs: Vec::new(),
            smoothing: 2,
            hides_branches: false,
            branches: branches::Branches::default(),
            last_columns: Cell::new(60),
            last_slots: Cell::new(1),
            last_charts: RefCell::default(),
            last_spans: RefCell::default(),
            last_plane: Cell::new(None),
        }
    }
}

/// The key of what the cursor is on, for the explanation of it.
pub fn explained(app: &App) -> Option<&'static str> {
    let graphs = &app.graphs;
    Some(match (graphs.layout, graphs.metric) {
        (Layout::Plane, _) => "plane",
        (_, Metric::Loss) => "loss",
        (_, Metric::Retention) => "retention",
        (_, Metric::GradientNorm) => "gradient-norm",
        (_, Metric::Pull) => "pull",
        (_, Metric::LearningRate) => "learning-rate",
        (_, Metric::TokensPerSecond) => "tokens-per-second",
        (_, Metric::Perplexity) => "perplexity",
        (_, Metric::BitsPerByte) => "bits-per-byte",
        (_, Metric::Task(task)) => match graphs.history.tasks.get(task).map(String::as_str) {
            Some(crate::protocol::KL_BASE) => "kl-base",
            Some("exact_match") => "exact-match",
            Some("accuracy") => "accuracy",
            Some("macro_f1") => "macro-f1",
            Some("token_f1") => "token-f1",
            Some("rouge_l") => "rouge-l",
            Some("chrf") => "chrf",
            Some("pearson" | "spearman" | "mse") => "regression",
            Some("masked_accuracy") => "masked language modelling",
            Some("pseudo_perplexity") => "pseudo-perplexity",
            Some("bleu") => "bleu",
            Some("constraints") => "constraints",
            _ => "task-metric",
        },
    })
}

impl Graphs {
    /// Of another run, drawn as these are.
    pub fn like(other: &Graphs) -> Self {
        Self {
            metric: if matches!(other.metric, Metric::Task(_)) { Metric::default() } else { other.metric },
            layout: if other.layout == Layout::Plane { Layout::Grid } else { other.layout },
            axis: other.axis,
            glyphs: other.glyphs,
            logs: other.logs.clone(),
            smoothing: other.smoothing,
            hides_branches: other.hides_branches,
            last_columns: other.last_columns.clone(),
            last_slots: other.last_slots.clone(),
            ..Self::default()
        }
    }

    /// Takes in what is new in the mirror.
    pub fn refresh(&mut self, mirror: &Mirror) {
        self.history.refresh(mirror, self.smoothing());
        self.branches.refresh(mirror, self.smoothing());
    }

    /// The share of the average that is kept from step to step; 0 where nothing is smoothed.
    pub fn smoothing(&self) -> f64 {
        SMOOTHINGS.get(self.smoothing).copied().unwrap_or(0.0)
    }

    pub fn is_log(&self, metric: Metric) -> bool {
        !metric.is_signed() && self.logs.contains(&metric)
    }

    pub fn timeline<'a>(&self, mirror: &'a Mirror) -> Timeline<'a> {
        Timeline::new(&mirror.steps, self.axis, self.history.newest)
    }

    /// What the charts show of the run.
    pub fn window(&self, mirror: &Mirror) -> Window {
        match self.view {
            View::All => View::All.window(self.latest(mirror)),
            view => view.window(self.timeline(mirror).latest()),
        }
    }

    /// The newest place of the run, or of a curve beside it that is drawn.
    pub fn latest(&self, mirror: &Mirror) -> f64 {
        let branches = self.shown_branches().map(|branch| branch.timeline(self.axis).latest());
        branches.fold(self.timeline(mirror).latest(), f64::max)
    }

    /// The curves beside the run's own that are drawn.
    pub fn shown_branches(&self) -> impl Iterator<Item = &branches::BranchCurves> {
        self.branches.all.iter().filter(|_| !self.hides_branches)
    }

    /// The metrics whose charts are shown where `slots` have room: those that have values, and the chosen one.
    pub fn charts(&self, mirror: &Mirror, slots: usize) -> Vec<Metric> {
        if self.layout == Layout::One || slots <= 1 {
            return vec![self.metric];
        }
        let has_place = |metric: &Metric| *metric == self.metric || !self.series(mirror, *metric).is_empty();
        let metrics: Vec<Metric> = self.metrics().into_iter().filter(has_place).collect();
        let chosen = metrics.iter().position(|metric| *metric == self.metric).unwrap_or(0);
        let first = (chosen / slots * slots).min(metrics.len().saturating_sub(slots));
        metrics.into_iter().skip(first).take(slots).collect()
    }

    /// The value axis of a chart whose values lie between `low` and `high`.
    pub fn span(&self, metric: Metric, low: f64, high: f64) -> Span {
        let (low, high) = if metric.is_signed() { (low.min(0.0), high.max(0.0)) } else { (low, high) };
        let mut spans = self.last_spans.borrow_mut();
        let place = spans.iter().position(|(of, _)| *of == metric);
        let before = place.map(|place| spans.swap_remove(place).1);
        let span = Span::around(low, high, self.is_log(metric), before);
        spans.push((metric, span));
        span
    }
}
