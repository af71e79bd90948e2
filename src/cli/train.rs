//! `frostline train`: a plan carried out without a screen.

use super::output::{count, number, printable};
use super::progress::{Bar, style};
use super::summary::Summary;
use super::{Place, interruption, output};
use crate::Result;
use crate::protocol::{
    Evaluation, Event, Finished, KL_BASE, MetricFacts, MetricForm, MetricValue, PhaseStarted, SAMPLED, Step,
};
use crate::run::execute::Request;
use crate::run::plan::{self, Overrides};
use crate::run::{Observer, execute};
use indicatif::ProgressBar;

#[derive(clap::Args)]
pub struct Arguments {
    /// A plan's TOML file, or a preset's name
    plan: String,
    /// The run's name [default: the plan's, numbered where it is taken]
    #[arg(long, value_name = "NAME")]
    run: Option<String>,
    /// Change a setting of the plan, such as phase.pretrain.steps=100
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Take this many steps in every phase
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    steps: Option<u64>,
    /// Use this seed instead of the plan's
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(0..=i64::MAX as u64))]
    seed: Option<u64>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, place: &Place) -> Result<()> {
    let overrides = Overrides { set: arguments.set.clone(), steps: arguments.steps, seed: arguments.seed };
    let plan = plan::load(&arguments.plan, &overrides)?;
    let cancel = interruption()?;
    let bar = Bar::default();
    let name = arguments.run.as_deref();
    let (device, home) = (&place.device, &place.home);
    let request = Request { plan: &plan, name, device, home, progress: &bar, cancel: &cancel, until: None };
    watched(Form::of(arguments.json), |observer| execute(&request, observer, None)).map(drop)
}

/// For whom a run is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Person,
    Json,
}

impl Form {
    pub fn of(json: bool) -> Self {
        if json { Form::Json } else { Form::Person }
    }
}

/// Shows what happens while something is carried out, and a table at its end.
pub fn watched(form: Form, carry_out: impl FnOnce(&mut dyn Observer) -> Result<Finished>) -> Result<Finished> {
    if form == Form::Json {
        return carry_out(&mut Json);
    }
    let mut screen = Screen::default();
    let finished = carry_out(&mut screen);
    screen.end_bar();
    let finished = finished?;
    output::show(&screen.summary.render(&finished, output::width()))?;
    Ok(finished)
}

/// Prints every event as it comes.
struct Json;

impl Observer for Json {
    fn event(&mut self, event: &Event) {
        // The run goes on when its reader is gone: what happens stands in its folder all the same.
        let _ = output::write_json(event);
    }
}

/// Shows a run to a person: a bar for the phase, a line for each evaluation.
#[derive(Default)]
struct Screen {
    bar: Option<ProgressBar>,
    summary: Summary,
    /// The loss that is shown: smoothed, so that it can be read.
    loss: Option<f64>,
    first_step: u64,
}

impl Observer for Screen {
    fn event(&mut self, event: &Event) {
        self.summary.record(event);
        match event {
            Event::Phase(phase) => self.begin(phase),
            Event::Step(step) => self.step(step),
            // Between evaluations they would be many: the graphs show them, and the last table their highest.
            Event::Evaluation(evaluation) if evaluation.suite.ends_with(SAMPLED) => {}
            Event::Evaluation(evaluation) => self.say(&describe(evaluation)),
            Event::Notice(notice) => self.say(&format!("  note: {}", notice.text)),
            Event::Steered(steered) => self.say(&format!("  step {}: {}", steered.step, steered.change.effect)),
            Event::Checkpoint(saved) => self.say(&format!("  saved {}", saved.path)),
            Event::Guarded(guarded) => {
                self.say(&format!("  step {}: {}: {}", guarded.step, guarded.why, guarded.effect))
            }
            Event::Rewound(rewound) => {
                self.say(&format!("  step {}: {}; back to step {}", rewound.step, rewound.why, rewound.to_step));
            }
            Event::Resumed(resumed) => self.say(&format!("  goes on from step {}", resumed.step)),
            Event::Begun(_) => {}
            Event::Failed(_) | Event::Finished(_) => self.end_bar(),
        }
    }
}

impl Screen {
    fn begin(&mut self, phase: &PhaseStarted) {
        self.end_bar();
        let trains = match phase.trainable == phase.parameters {
            true => format!("{} parameters", count(phase.parameters)),
            false => format!("{} of {} parameters train", count(phase.trainable), count(phase.parameters)),
        };
        let PhaseStarted { phase: name, steps, precision, data, .. } = phase;
        output::note(&format!("{name} · {steps} steps · {trains} · products in {precision} · {data}"));
        let bar = ProgressBar::new(phase.steps);
        bar.set_style(style("  {bar:16} {pos}/{len}  {msg}  {eta} left"));
        self.bar = Some(bar);
        self.loss = None;
        self.first_step = phase.first_step;
    }

    fn step(&mut self, step: &Step) {
        let smooth = self.loss.map_or(step.loss, |old| 0.95 * old + 0.05 * step.loss);
        self.loss = Some(smooth);
        if let Some(bar) = &self.bar {
            let rate = count(step.tokens_per_second as u64);
            bar.set_message(format!("loss {}  rate {}  {rate} tokens/s", number(smooth), number(step.learning_rate)));
            bar.set_position(step.step + 1 - self.first_step);
        }
    }

    /// A line above the bar, or a plain one where there is none.
    fn say(&self, line: &str) {
        let line = printable(line);
        match &self.bar {
            Some(bar) if !bar.is_hidden() => bar.println(line),
            _ => output::note(&line),
        }
    }

    fn end_bar(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// A share as a percentage; other figures as they are.
pub(super) fn metric_value(name: &str, value: f64) -> String {
    match MetricFacts::of(name).form {
        MetricForm::Share => format!("{:.1}%", 100.0 * value),
        MetricForm::Number => number(value),
    }
}

fn measured(name: &str, value: f64) -> String {
    format!("{} {}", name.replace('_', " "), metric_value(name, value))
}

/// One evaluation in a line of at most about 80 columns. A base compared with itself is not worth a word.
fn describe(evaluation: &Evaluation) -> String {
    let mut line =
        format!("  step {:<6} {:<12} loss {:<6}", evaluation.step, evaluation.suite, number(evaluation.loss));
    if !evaluation.perplexity.is_nan() {
        line += &format!(" ppl {:<6}", number(evaluation.perplexity));
    }
    let is_told = |metric: &&MetricValue| metric.name != KL_BASE || metric.value != 0.0;
    for metric in evaluation.metrics.iter().filter(is_told) {
        line += &match metric.name == KL_BASE {
            true => format!(" kl {}", number(metric.value)),
            false => format!(" {}", measured(&metric.name, metric.value)),
        };
    }
    match (&evaluation.metric, evaluation.value, evaluation.bits_per_byte) {
        _ if evaluation.metrics.iter().any(|metric| metric.name != KL_BASE) => {}
        (Some(metric), Some(value), _) => line += &format!(" {}", measured(metric, value)),
        (_, _, Some(bits)) => line += &format!(" {} bits/byte", number(bits)),
        _ => {}
    }
    if let Some(retention) = evaluation.retention.filter(|retention| *retention != 0.0) {
        line += &format!("  retention {retention:+.3}");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluation(loss: f64, perplexity: f64, metrics: &[(&str, f64)]) -> Evaluation {
        let named = |(name, value): &(&str, f64)| MetricValue { name: name.to_string(), value: *value };
        let metrics: Vec<MetricValue> = metrics.iter().map(named).collect();
        Evaluation {
            phase: "score".into(),
            step: 20,
            suite: "score".into(),
            loss,
            perplexity,
            bits_per_byte: None,
            metric: metrics.first().map(|metric| metric.name.clone()),
            value: metrics.first().map(|metric| metric.value),
            metrics,
            retention: None,
        }
    }

    #[test]
    fn an_evaluation_says_a_perplexity_of_tokens_alone_and_metrics_in_their_form() {
        let scored = describe(&evaluation(0.25, f64::NAN, &[("pearson", 0.5), ("mse", 0.25)]));
        assert_eq!(scored, "  step 20     score        loss 0.250  pearson 0.500 mse 0.250");
        let masked = describe(&evaluation(2.0, 7.389, &[("masked_accuracy", 0.5), ("pseudo_perplexity", 6.5)]));
        assert_eq!(
            masked,
            "  step 20     score        loss 2.00   ppl 7.39   masked accuracy 50.0% pseudo perplexity 6.50"
        );
    }

    #[test]
    fn the_table_at_the_end_has_no_perplexity_of_texts() {
        let mut summary = Summary::default();
        summary.record(&Event::Phase(PhaseStarted {
            phase: "score".into(),
            base: None,
            first_step: 1,
            steps: 20,
            parameters: 1,
            trainable: 1,
            precision: "f32".into(),
            data: "texts".into(),
            unfreeze: None,
            loss_unit: crate::protocol::LossUnit::SquaredError,
        }));
        summary.record(&Event::Evaluation(evaluation(0.25, f64::NAN, &[("pearson", 0.5), ("mse", 0.25)])));
        let finished = Finished {
            run: "r".into(),
            path: "p".into(),
            steps: 20,
            seconds: 1.0,
            tokens: 1,
            peak_rss_bytes: None,
            transfer: Vec::new(),
        };
        let table = summary.render(&finished, 100);
        let row = table.lines().find(|line| line.contains("scratch")).unwrap();
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(cells, ["score", "scratch", "0", "0.250", "–", "0.500", "–"]);
    }
}
