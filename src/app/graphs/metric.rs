//! What a chart can show, and the curves that belong to it.

use super::Graphs;
use super::history::{Points, StepCurve, Suite};
use super::trace::{Curve, Shown};
use crate::app::Mirror;

/// One chart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    #[default]
    Loss,
    Retention,
    GradientNorm,
    /// What pulls towards the base would add to the loss.
    Pull,
    LearningRate,
    /// A task's own metric, by its place in the history's list of them.
    Task(usize),
    TokensPerSecond,
    Perplexity,
    BitsPerByte,
}

/// A line of a chart.
pub struct Series<'a> {
    pub name: &'a str,
    pub curve: Curve<'a>,
    /// The measured values, where `curve` is smoothed.
    pub raw: Option<Curve<'a>>,
    /// Which of the theme's series it is drawn as; one suite has one colour in every chart.
    pub tint: usize,
    /// Measured now and then, in these phases: its points are shown.
    pub phases: Option<&'a [usize]>,
}

impl Graphs {
    /// Every metric of this run, in the order in which they are walked through and laid out.
    pub fn metrics(&self) -> Vec<Metric> {
        let tasks = (0..self.history.tasks.len()).map(Metric::Task);
        let first = [Metric::Loss, Metric::Retention, Metric::GradientNorm, Metric::LearningRate];
        let last = [Metric::Pull, Metric::TokensPerSecond, Metric::Perplexity, Metric::BitsPerByte];
        first.into_iter().chain(tasks).chain(last).collect()
    }

    /// Its name; of tasks, as the suite calls it.
    pub fn metric_name(&self, metric: Metric) -> String {
        match metric {
            Metric::Loss => "loss".into(),
            Metric::Retention => "retention".into(),
            Metric::GradientNorm => "gradient norm".into(),
            Metric::Pull => "pull to the base".into(),
            Metric::LearningRate => "learning rate".into(),
            Metric::Task(task) => {
                self.history.tasks.get(task).map_or_else(|| "task".into(), |name| name.replace('_', " "))
            }
            Metric::TokensPerSecond => "tokens/s".into(),
            Metric::Perplexity => "perplexity".into(),
            Metric::BitsPerByte => "bits per byte".into(),
        }
    }

    /// The lines of a metric's chart that have any value.
    pub fn series<'a>(&'a self, mirror: &'a Mirror, metric: Metric) -> Vec<Series<'a>> {
        let steps = &mirror.steps;
        let train = |name, curve, values, shown| self.step_series(mirror, (name, curve, values, shown));
        let suites = |points: fn(&Suite) -> &Points, shown| self.suite_series(move |suite| Some(points(suite)), shown);
        let history = &self.history;
        let found: Vec<Series<'a>> = match metric {
            Metric::Loss => std::iter::once(train("train", &history.loss, &steps.loss, Shown::Plain))
                .chain(suites(|suite| &suite.loss, Shown::Plain))
                .collect(),
            Metric::Perplexity => std::iter::once(self.train_perplexity(mirror))
                .chain(suites(|suite| &suite.token_loss, Shown::Exponential))
                .collect(),
            Metric::Retention => suites(|suite| &suite.retention, Shown::Plain).collect(),
            Metric::BitsPerByte => suites(|suite| &suite.bits_per_byte, Shown::Plain).collect(),
            Metric::Task(task) => match history.tasks.get(task) {
                Some(name) => self.suite_series(move |suite| suite.value(name), Shown::Plain).collect(),
                None => Vec::new(),
            },
            Metric::GradientNorm => {
                vec![train("norm", &history.gradient_norm, &steps.gradient_norm, Shown::Plain)]
            }
            Metric::Pull => vec![train("pull", &history.pull, &steps.pull, Shown::Plain)],
            Metric::LearningRate => {
                vec![train("rate", &history.learning_rate, &steps.learning_rate, Shown::Plain)]
            }
            Metric::TokensPerSecond => {
                vec![train("tokens/s", &history.tokens_per_second, &steps.tokens_per_second, Shown::Plain)]
            }
        };
        found.into_iter().filter(|series| series.curve.is_filled()).collect()
    }

    fn step_series<'a>(
        &'a self,
        mirror: &'a Mirror,
        (name, curve, values, shown): (&'a str, &'a StepCurve, &'a [f32], Shown),
    ) -> Series<'a> {
        let starts = &self.history.starts;
        let raw = Curve { steps: &mirror.steps.step, values, pyramid: &curve.pyramid, starts, shown };
        let is_smoothed = !curve.smoothed.values.is_empty();
        let smoothed = Curve { values: &curve.smoothed.values, pyramid: &curve.smoothed.pyramid, ..raw };
        Series {
            name,
            curve: if is_smoothed { smoothed } else { raw },
            raw: is_smoothed.then_some(raw),
            tint: 0,
            phases: None,
        }
    }

    /// Of the steps of phases that learn tokens.
    fn train_perplexity<'a>(&'a self, mirror: &'a Mirror) -> Series<'a> {
        let history = &self.history;
        if history.is_per_token() {
            return self.step_series(mirror, ("train", &history.loss, &mirror.steps.loss, Shown::Exponential));
        }
        let (curve, raw) = history.token_loss.curves();
        Series { name: "train", curve, raw, tint: 0, phases: None }
    }

    fn suite_series<'a>(
        &'a self,
        points: impl Fn(&'a Suite) -> Option<&'a Points>,
        shown: Shown,
    ) -> impl Iterator<Item = Series<'a>> {
        self.history.suites.iter().enumerate().filter_map(move |(place, suite)| {
            let points = points(suite)?;
            let curve = Curve { shown, ..Curve::plain(points) };
            Some(Series { name: &suite.name, curve, raw: None, tint: place + 1, phases: Some(&points.phases) })
        })
    }
}

impl Metric {
    /// Below zero it has values too, so that a log axis cannot show it.
    pub fn is_signed(self) -> bool {
        matches!(self, Metric::Retention)
    }

    /// Whether only evaluations measure it.
    pub fn needs_evaluation(self) -> bool {
        matches!(self, Metric::Retention | Metric::Task(_) | Metric::BitsPerByte)
    }

    /// A value with its sign or unit where it has one, in three significant digits.
    pub fn text(self, value: f64) -> String {
        if !value.is_finite() {
            return "–".into();
        }
        match self {
            Metric::Retention => format!("{value:+.3}"),
            Metric::LearningRate if value != 0.0 => scientific(value, 7),
            _ => figure(value),
        }
    }
}

/// Three significant digits, large numbers with k, M, G: 0.0123, 1.83, 45.6k.
fn figure(value: f64) -> String {
    let size = value.abs();
    let (scaled, unit) = match size {
        1e3..1e6 => (value / 1e3, "k"),
        1e6..1e9 => (value / 1e6, "M"),
        1e9..1e12 => (value / 1e9, "G"),
        _ => (value, ""),
    };
    match scaled.abs() {
        0.0 => "0".into(),
        1e-3..0.1 => format!("{scaled:.4}"),
        0.1..1.0 => format!("{scaled:.3}"),
        1.0..10.0 => format!("{scaled:.2}{unit}"),
        10.0..100.0 => format!("{scaled:.1}{unit}"),
        100.0..1000.0 => format!("{scaled:.0}{unit}"),
        _ => scientific(value, 6),
    }
}

/// With as many digits, at most three, as have room in `width` columns.
fn scientific(value: f64, width: usize) -> String {
    let said = [2, 1, 0].map(|digits| format!("{value:.digits$e}"));
    said.iter().find(|said| said.len() <= width).unwrap_or(&said[2]).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_three_significant_digits() {
        let said = [0.0, 0.012_34, 0.5, 1.834, 17.26, 203.4, 1234.0, 45_678.0, 1.2e13, f64::NAN, -3.456].map(figure);
        assert_eq!(said[..9], ["0", "0.0123", "0.500", "1.83", "17.3", "203", "1.23k", "45.7k", "1.2e13"]);
        assert_eq!([1e-30, -1.25e14, 3e-10].map(figure), ["1e-30", "-1e14", "3e-10"]);
        assert_eq!((Metric::Loss.text(f64::INFINITY).as_str(), said[10].as_str()), ("–", "-3.46"));
        assert_eq!(
            (Metric::Retention.text(0.04).as_str(), Metric::LearningRate.text(3e-4).as_str()),
            ("+0.040", "3.00e-4")
        );
    }
}
