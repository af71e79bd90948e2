//! The part of the training loss that has a perplexity, where some phases' loss is not in nats per token.

use super::history::{PhaseSpan, StepCurve};
use super::trace::{Curve, Shown};
use crate::protocol::StepRecords;

/// The steps of phases that learn tokens; nothing where all phases do, since the whole loss serves then.
#[derive(Debug, Default)]
pub struct TokenLoss {
    steps: Vec<u64>,
    values: Vec<f32>,
    curve: StepCurve,
    /// Indices at which phases begin.
    starts: Vec<usize>,
    /// Records and phases that were taken in.
    taken: (usize, usize),
}

impl TokenLoss {
    /// Takes in what is new; another phase does everything again, since it may be told after its steps.
    pub fn refresh(&mut self, phases: &[PhaseSpan], records: &StepRecords, beta: f64) {
        if phases.iter().all(|phase| phase.unit.is_per_token()) {
            return;
        }
        if self.taken.1 != phases.len() || self.taken.0 > records.len() {
            *self = TokenLoss { taken: (0, phases.len()), ..TokenLoss::default() };
        }
        for (step, loss) in records.step.iter().zip(&records.loss).skip(self.taken.0) {
            let phase = phases.iter().rfind(|phase| phase.first_step <= *step);
            if phase.is_some_and(|phase| !phase.unit.is_per_token()) {
                continue;
            }
            let is_first = phase.is_some_and(|phase| self.steps.last().is_some_and(|last| *last < phase.first_step));
            if is_first {
                self.starts.push(self.steps.len());
            }
            self.steps.push(*step);
            self.values.push(*loss);
        }
        self.taken.0 = records.len();
        self.curve.pyramid.extend(&self.values);
        self.curve.smoothed.extend(&self.values, &self.starts, beta);
    }

    /// The perplexity, and the measured one where it is smoothed.
    pub fn curves(&self) -> (Curve<'_>, Option<Curve<'_>>) {
        let (curve, shown) = (&self.curve, Shown::Exponential);
        let (steps, starts) = (&self.steps[..], &self.starts[..]);
        let raw = Curve { steps, values: &self.values, pyramid: &curve.pyramid, starts, shown };
        let is_smoothed = !curve.smoothed.values.is_empty();
        let smoothed = Curve { values: &curve.smoothed.values, pyramid: &curve.smoothed.pyramid, ..raw };
        if is_smoothed { (smoothed, Some(raw)) } else { (raw, None) }
    }
}

#[cfg(test)]
mod tests {
    use crate::app::App;
    use crate::app::graphs::Metric;
    use crate::app::graphs::testing::{evaluation, phase, record, records};
    use crate::protocol::{Branch, BranchKind, Evaluation, Event, LossUnit, Message, PhaseStarted, StepRecord};

    /// Text, labels, text again, ten steps each; the losses are 1, 2 and 3.
    fn app() -> App {
        let mut app = App::new();
        let loss = |step: u64| 1.0 + ((step - 1) / 10) as f32;
        app.message(Message::Steps(records(1..=30, |step| StepRecord { loss: loss(step), ..record(step, u64::MAX) })));
        let Event::Phase(labels) = phase("labels", 11, 10) else { unreachable!() };
        let scored = |step| {
            let (perplexity, bits_per_byte) = (f64::NAN, None);
            Event::Evaluation(Evaluation { perplexity, bits_per_byte, ..evaluation("labels", step, "labels", 2.0) })
        };
        let events = vec![
            phase("text", 1, 10),
            Event::Evaluation(evaluation("text", 10, "text", 1.0)),
            Event::Phase(PhaseStarted { loss_unit: LossUnit::NatsPerText, ..labels }),
            scored(10),
            scored(20),
            phase("more", 21, 10),
            Event::Evaluation(evaluation("more", 20, "more", 3.0)),
        ];
        app.message(Message::Events { start: 0, events });
        app
    }

    #[test]
    fn only_losses_of_tokens_have_a_perplexity() {
        let mut app = app();
        let series = app.graphs.series(&app.mirror, Metric::Perplexity);
        let names: Vec<&str> = series.iter().map(|series| series.name).collect();
        assert_eq!(names, ["train", "text", "more"]);
        let train = series[0].raw.unwrap();
        let expected: Vec<u64> = (1..=10).chain(21..=30).collect();
        assert_eq!((train.steps, train.starts), (&expected[..], &[10][..]), "no line leads over the labels");
        assert!((series[0].curve.at(30).unwrap().1 - 3f64.exp()).abs() < 1e-3);
        let ppl = |app: &App| {
            let entries = app.graphs.entries(&app.mirror);
            entries.into_iter().find(|entry| entry.label == "ppl").map(|entry| entry.text)
        };
        assert_eq!(ppl(&app).as_deref(), Some("20.1"));
        app.graphs.cursor = Some(15);
        assert_eq!(ppl(&app).as_deref(), Some("–"));
        let series = app.graphs.series(&app.mirror, Metric::Perplexity);
        assert_eq!(app.graphs.figures(&series[0]), None, "the line has no figure among the labels");
        let loss = app.graphs.series(&app.mirror, Metric::Loss);
        assert_eq!(loss.iter().map(|series| series.name).collect::<Vec<_>>(), ["train", "text", "labels", "more"]);
    }

    #[test]
    fn a_branch_has_a_perplexity_up_to_its_labels() {
        let lines = |from: u64| {
            let mut app = app();
            let steps = records(from + 1..=from + 10, |step| record(step, u64::MAX));
            let labels = Evaluation { perplexity: f64::NAN, ..evaluation("other", from + 4, "other", 2.0) };
            let (name, kind) = ("fork".to_string(), BranchKind::Run);
            app.message(Message::Branches(vec![Branch { name, kind, from, steps, evaluations: vec![labels] }]));
            let lines = app.graphs.branch_series(Metric::Perplexity);
            lines.iter().map(|line| line.series.curve.steps.to_vec()).collect::<Vec<_>>()
        };
        assert_eq!(lines(5), [(5..=9).collect::<Vec<u64>>()]);
        assert!(lines(15).iter().all(Vec::is_empty), "it parts among labels");
    }
}
