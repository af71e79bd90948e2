//! Curves beside the run's own: what it went back from, and runs that it is related to. Each begins where they part.

use super::Graphs;
use super::history::{Points, StepCurve, Suite};
use super::metric::{Metric, Series};
use super::trace::{Curve, Shown};
use super::window::{Axis, Timeline};
use crate::app::Mirror;
use crate::protocol::{Branch, BranchKind, Evaluation, Event, StepRecords};

/// Steps of the run before a branch that its smoothing begins with, so that it goes on where the run's own curve is.
const BEFORE: usize = 512;

/// All of them, kept up to date.
#[derive(Debug, Default)]
pub struct Branches {
    pub all: Vec<BranchCurves>,
    /// What they were made from.
    made_from: (u64, f64),
}

/// One branch's figures as charts need them; the first of each is the run's own, where they part.
#[derive(Debug)]
pub struct BranchCurves {
    pub name: String,
    pub kind: BranchKind,
    steps: StepRecords,
    /// Where it begins, and where phases do.
    starts: Vec<usize>,
    loss: StepCurve,
    gradient_norm: StepCurve,
    pull: StepCurve,
    learning_rate: StepCurve,
    suites: Vec<Suite>,
    /// How many of its steps, from the first, have a loss in nats per token.
    per_token: usize,
}

/// A line of a branch.
pub struct BranchSeries<'a> {
    pub series: Series<'a>,
    pub kind: BranchKind,
    /// When each of its steps ended: another run has its own clock.
    pub timeline: Timeline<'a>,
}

impl Branches {
    pub fn refresh(&mut self, mirror: &Mirror, beta: f64) {
        if self.made_from != (mirror.branches_version, beta) {
            let phase = |event: &Event| if let Event::Phase(phase) = event { Some(phase.first_step) } else { None };
            let phases: Vec<u64> = mirror.events.iter().filter_map(phase).collect();
            let curves = |branch| {
                let mut curves = BranchCurves::new(branch, &mirror.steps, &phases, beta);
                let last = last_per_token(branch, mirror);
                curves.per_token = curves.steps.step.partition_point(|step| *step <= last);
                curves
            };
            self.all = mirror.branches.iter().map(curves).collect();
            self.made_from = (mirror.branches_version, beta);
        }
    }
}

impl BranchCurves {
    fn new(branch: &Branch, own: &StepRecords, phases: &[u64], beta: f64) -> Self {
        let joint = own.step.partition_point(|step| *step <= branch.from);
        let before = own.slice(joint.saturating_sub(BEFORE), joint.min(BEFORE));
        let (all, shown_from) = (joined(&before, &branch.steps), before.len().saturating_sub(1));
        let steps = all.slice(shown_from, usize::MAX);
        let borders = borders(&all, phases);
        let curve = |values: &[f32], shown: &[f32], beta: f64| {
            let mut curve = StepCurve::default();
            curve.pyramid.extend(shown);
            curve.smoothed.extend(values, &borders, beta);
            curve.smoothed.forget_before(shown_from);
            curve
        };
        let mut curves = Self {
            name: branch.name.clone(),
            kind: branch.kind,
            loss: curve(&all.loss, &steps.loss, beta),
            gradient_norm: curve(&all.gradient_norm, &steps.gradient_norm, beta),
            pull: curve(&all.pull, &steps.pull, beta),
            learning_rate: curve(&all.learning_rate, &steps.learning_rate, 0.0),
            starts: [0].into_iter().chain(borders.iter().filter_map(|at| at.checked_sub(shown_from))).collect(),
            per_token: steps.step.len(),
            steps,
            suites: Vec::new(),
        };
        for evaluation in &branch.evaluations {
            let place = curves.suites.iter().position(|suite| suite.name == evaluation.suite);
            let place = place.unwrap_or_else(|| {
                curves.suites.push(suite(&evaluation.suite));
                curves.suites.len() - 1
            });
            curves.suites[place].push(evaluation, 0);
        }
        curves
    }

    /// The training loss of the steps that have a perplexity.
    fn perplexity<'a>(&'a self) -> Series<'a> {
        let whole = self.of_steps(&self.loss, &self.steps.loss, Shown::Exponential);
        let end = self.per_token;
        let part = |curve: Curve<'a>| Curve { steps: &curve.steps[..end], values: &curve.values[..end], ..curve };
        Series { curve: part(whole.curve), raw: whole.raw.map(part), ..whole }
    }

    pub fn timeline(&self, axis: Axis) -> Timeline<'_> {
        let of_suites = self.suites.iter().filter_map(|suite| suite.loss.steps.last());
        let newest = self.steps.step.last().into_iter().chain(of_suites).max().copied().unwrap_or(0);
        Timeline::new(&self.steps, axis, newest)
    }

    fn of_steps<'a>(&'a self, curve: &'a StepCurve, values: &'a [f32], shown: Shown) -> Series<'a> {
        let raw = Curve { steps: &self.steps.step, values, pyramid: &curve.pyramid, starts: &self.starts, shown };
        let is_smoothed = !curve.smoothed.values.is_empty();
        let smoothed = Curve { values: &curve.smoothed.values, pyramid: &curve.smoothed.pyramid, ..raw };
        Series {
            name: &self.name,
            curve: if is_smoothed { smoothed } else { raw },
            raw: is_smoothed.then_some(raw),
            tint: 0,
            phases: None,
        }
    }
}

/// The last step of a branch whose loss is in nats per token; 0 where there is none. What it does after it parted is
/// known from its evaluations alone.
fn last_per_token(branch: &Branch, mirror: &Mirror) -> u64 {
    let phase =
        |event: &Event| if let Event::Phase(phase) = event { Some((phase.first_step, phase.loss_unit)) } else { None };
    let mut phases = mirror.events.iter().filter_map(phase);
    let parted = phases.rfind(|(first, _)| *first <= branch.from + 1);
    if parted.is_some_and(|(_, unit)| !unit.is_per_token()) {
        return 0;
    }
    let is_other = |of: &&Evaluation| of.suite == of.phase && of.perplexity.is_nan() && !of.loss.is_nan();
    branch.evaluations.iter().filter(is_other).map(|of| of.step).min().unwrap_or(u64::MAX)
}

/// No line leads to the first point of a branch.
fn suite(name: &str) -> Suite {
    let points = || Points { starts: vec![0], ..Points::default() };
    let (loss, token_loss, bits_per_byte, retention) = (points(), points(), points(), points());
    Suite { name: name.to_string(), loss, token_loss, bits_per_byte, retention, values: Vec::new() }
}

/// The run's own steps up to where they part, and the branch's from there.
fn joined(before: &StepRecords, branch: &StepRecords) -> StepRecords {
    let mut all = StepRecords { start: 0, ..before.clone() };
    (0..branch.len()).filter_map(|index| branch.get(index)).for_each(|record| all.push(record));
    all
}

/// Where phases begin within records.
fn borders(records: &StepRecords, phases: &[u64]) -> Vec<usize> {
    let place = |first: &u64| records.step.partition_point(|step| step < first);
    let mut found: Vec<usize> = phases.iter().map(place).filter(|at| (1..records.len()).contains(at)).collect();
    found.sort_unstable();
    found.dedup();
    found
}

impl Graphs {
    /// The lines of branches in a metric's chart, those that were undone first: they lie behind.
    pub fn branch_series(&self, metric: Metric) -> Vec<BranchSeries<'_>> {
        let mut branches: Vec<&BranchCurves> = self.shown_branches().collect();
        branches.sort_by_key(|branch| branch.kind != BranchKind::Undone);
        let of = |branch| {
            let lines = self.lines_of(branch, metric).into_iter().filter(|series| series.curve.is_filled());
            lines.map(|series| BranchSeries { series, kind: branch.kind, timeline: branch.timeline(self.axis) })
        };
        branches.into_iter().flat_map(of).collect()
    }

    fn lines_of<'a>(&'a self, branch: &'a BranchCurves, metric: Metric) -> Vec<Series<'a>> {
        let steps = &branch.steps;
        let suites =
            |points: fn(&Suite) -> &Points, shown| self.suites_of(branch, move |suite| Some(points(suite)), shown);
        match metric {
            Metric::Loss => std::iter::once(branch.of_steps(&branch.loss, &steps.loss, Shown::Plain))
                .chain(suites(|suite| &suite.loss, Shown::Plain))
                .collect(),
            Metric::Perplexity => std::iter::once(branch.perplexity())
                .chain(suites(|suite| &suite.token_loss, Shown::Exponential))
                .collect(),
            Metric::GradientNorm => {
                vec![branch.of_steps(&branch.gradient_norm, &steps.gradient_norm, Shown::Plain)]
            }
            Metric::Pull => vec![branch.of_steps(&branch.pull, &steps.pull, Shown::Plain)],
            Metric::LearningRate => {
                vec![branch.of_steps(&branch.learning_rate, &steps.learning_rate, Shown::Plain)]
            }
            Metric::Retention => suites(|suite| &suite.retention, Shown::Plain).collect(),
            Metric::BitsPerByte => suites(|suite| &suite.bits_per_byte, Shown::Plain).collect(),
            Metric::Task(task) => match self.history.tasks.get(task) {
                Some(name) => self.suites_of(branch, move |suite| suite.value(name), Shown::Plain).collect(),
                None => Vec::new(),
            },
            // What other machines and other moments computed at says nothing of the run.
            Metric::TokensPerSecond => Vec::new(),
        }
    }

    /// A suite has the sign that it has in the run's own chart; one that the run does not know comes after those.
    fn suites_of<'a>(
        &'a self,
        branch: &'a BranchCurves,
        points: impl Fn(&'a Suite) -> Option<&'a Points>,
        shown: Shown,
    ) -> impl Iterator<Item = Series<'a>> {
        let own = &self.history.suites;
        branch.suites.iter().filter_map(move |suite| {
            let place = own.iter().position(|own| own.name == suite.name).unwrap_or(own.len());
            let points = points(suite)?;
            let curve = Curve { shown, ..Curve::plain(points) };
            Some(Series { name: &branch.name, curve, raw: None, tint: place + 1, phases: Some(&points.phases) })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::App;
    use crate::app::graphs::testing::{evaluation, record, records, two_phases};
    use crate::protocol::{Message, StepRecord};

    fn branched(spike: f32) -> App {
        let mut app = two_phases();
        let steps = records(1_501..=1_900, |step| {
            let record = record(step, 1_200);
            StepRecord { loss: if step == 1_777 { spike } else { record.loss + 1.0 }, ..record }
        });
        let branch = Branch {
            name: "undid: froze block.0".into(),
            kind: BranchKind::Undone,
            from: 1_500,
            steps,
            evaluations: vec![evaluation("sentiment", 1_600, "reviews", 3.0)],
        };
        app.message(Message::Branches(vec![branch]));
        app
    }

    #[test]
    fn a_branch_begins_on_the_runs_own_curve() {
        let app = branched(3.0);
        let own = &app.graphs.series(&app.mirror, Metric::Loss)[0];
        let lines = app.graphs.branch_series(Metric::Loss);
        let steps = &lines[0].series;
        for (branch, own) in [(steps.curve, own.curve), (steps.raw.unwrap(), own.raw.unwrap())] {
            let (at, value) = branch.at(1_500).unwrap();
            assert!(at == 1_500 && (value - own.at(1_500).unwrap().1).abs() < 1e-3, "{value}");
            assert!(branch.at(1_499).is_none());
        }
        assert!(steps.curve.at(1_900).unwrap().1 > own.curve.at(1_900).unwrap().1 + 0.9);
        // The suite has the sign that it has in the run's own chart.
        let own = app.graphs.series(&app.mirror, Metric::Loss);
        let reviews = own.iter().find(|series| series.name == "reviews").unwrap();
        assert_eq!((lines.len(), lines[1].series.tint), (2, reviews.tint));
        assert!(app.graphs.branch_series(Metric::TokensPerSecond).is_empty());
    }

    #[test]
    fn no_spike_of_a_branch_is_lost_and_only_what_is_seen_counts() {
        let app = branched(77.0);
        let lines = app.graphs.branch_series(Metric::Loss);
        let highest = |from: f64, to: f64| {
            let window = super::super::Window { from, to };
            let timeline = &lines[0].timeline;
            let trace = lines[0].series.raw.unwrap().trace(timeline, window, &timeline.edges(window, 40));
            trace.extremes(None).map(|(_, high)| high)
        };
        assert_eq!(highest(0.0, 2_000.0), Some(77.0));
        assert!(highest(1_600.0, 1_700.0).unwrap() < 5.0);
        assert_eq!(highest(0.0, 1_000.0), None);
    }

    #[test]
    fn a_branch_that_went_further_is_seen_whole_until_it_is_hidden() {
        let mut app = two_phases();
        let steps = records(1_501..=4_000, |step| record(step, 1_200));
        let branch =
            Branch { name: "owl-2".into(), kind: BranchKind::Run, from: 1_500, steps, evaluations: Vec::new() };
        app.message(Message::Branches(vec![branch]));
        assert_eq!(app.graphs.window(&app.mirror).to, 4_000.0);
        app.graphs.hides_branches = true;
        assert_eq!((app.graphs.window(&app.mirror).to, app.graphs.branch_series(Metric::Loss).len()), (2_000.0, 0));
        app.message(Message::Branches(Vec::new()));
        assert!(app.graphs.branches.all.is_empty());
    }
}
