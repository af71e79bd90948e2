//! What later phases made of earlier ones: forgetting, and backward transfer (Lopez-Paz and Ranzato 2017, arXiv
//! 1706.08840), on losses. There they are differences of accuracies, and more is better; a loss is better when it is less,
//! so the signs are turned: backward transfer above zero means that later phases made the earlier one's loss *smaller*.

use super::plan::Plan;
use crate::protocol::{Evaluation, Event, Retained, SAMPLED, Transfer};

/// Of each phase at the end of a line of phases, as far as it was measured: what it and those before it in the line made
/// of each earlier phase's own held-out data. `events` in the order in which they happened.
pub fn of(plan: &Plan, events: &[Event]) -> Vec<Transfer> {
    let evaluations: Vec<&Evaluation> = events
        .iter()
        .filter_map(|event| match event {
            Event::Evaluation(evaluation) => Some(evaluation),
            _ => None,
        })
        .collect();
    let is_measured = |index: &usize| evaluations.iter().any(|of| of.phase == plan.phases[*index].name);
    let measured: Vec<usize> = (0..plan.phases.len()).filter(is_measured).collect();
    let goes_on = |index: usize| measured.iter().any(|other| plan.ancestors(*other).contains(&index));
    measured.iter().filter(|index| !goes_on(**index)).filter_map(|index| of_line(plan, *index, &evaluations)).collect()
}

fn of_line(plan: &Plan, last: usize, evaluations: &[&Evaluation]) -> Option<Transfer> {
    let mut line = plan.ancestors(last);
    line.reverse();
    line.push(last);
    let names: Vec<&str> = line.iter().map(|index| plan.phases[*index].name.as_str()).collect();
    let earlier: Vec<Retained> =
        (0..names.len() - 1).filter_map(|place| retained(names[place], &names[place + 1..], evaluations)).collect();
    let mean = |of: fn(&Retained) -> f64| earlier.iter().map(of).sum::<f64>() / earlier.len() as f64;
    let (forgetting, backward) = (mean(|of| of.now - of.best), mean(|of| of.then - of.now));
    let phase = names[names.len() - 1].to_string();
    (!earlier.is_empty()).then_some(Transfer { phase, forgetting, backward_transfer: backward, earlier })
}

/// What became of the held-out data of the phase `name` in the phases `after` it.
fn retained(name: &str, after: &[&str], evaluations: &[&Evaluation]) -> Option<Retained> {
    let mut own = evaluations.iter().filter(|of| of.phase == name && of.suite == name && of.loss.is_finite());
    let then = own.next_back()?.loss;
    let later = |suite: &str| {
        let is_later =
            |of: &&&Evaluation| after.contains(&of.phase.as_str()) && of.suite == suite && of.loss.is_finite();
        evaluations.iter().filter(is_later).copied().collect::<Vec<_>>()
    };
    let full = later(name);
    let now = full.last()?.loss;
    let before = full[..full.len() - 1].iter().map(|of| of.loss);
    let best = before.fold(then, f64::min);
    // A part has a loss of its own; how much that rose is added to what the phase began with.
    let parts = later(&format!("{name}{SAMPLED}")).into_iter().filter_map(|of| {
        let first = full.iter().find(|whole| whole.phase == of.phase)?;
        Some(first.loss + of.retention?)
    });
    let worst = full.iter().map(|of| of.loss).chain(parts).fold(then, f64::max);
    Some(Retained { phase: name.into(), then, best, worst, now })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::plan::{self, Overrides};

    fn plan() -> Plan {
        let phase = |name: &str, from: &str| {
            format!(
                "[[phase]]\nname = \"{name}\"\nobjective = \"clm\"\ncorpus = \"{name}.txt\"\nsteps = 3\n{from}\n\
                 optimizer = {{ learning_rate = 1e-4 }}\n"
            )
        };
        let top = "name = \"small\"\ntokenizer = { vocabulary = 300 }\nmodel = { preset = \"llama-1m\" }\n";
        let phases = [phase("a", ""), phase("b", ""), phase("c", ""), phase("d", "from = \"a\"")].concat();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plan.toml");
        std::fs::write(&file, format!("{top}{phases}")).unwrap();
        plan::load(file.to_str().unwrap(), &Overrides::default()).unwrap()
    }

    fn evaluation(phase: &str, step: u64, suite: &str, loss: f64, retention: Option<f64>) -> Event {
        let (phase, suite) = (phase.into(), suite.into());
        let (perplexity, bits_per_byte, metrics) = (loss.exp(), None, Vec::new());
        Event::Evaluation(Evaluation {
            phase,
            step,
            suite,
            loss,
            perplexity,
            bits_per_byte,
            metric: None,
            value: None,
            metrics,
            retention,
        })
    }

    #[test]
    fn forgetting_is_since_the_best_and_transfer_since_then() {
        let events = [
            evaluation("a", 0, "a", 9.0, None),
            evaluation("a", 3, "a", 2.0, None),
            evaluation("b", 3, "a", 2.0, Some(0.0)),
            evaluation("b", 3, "a:sampled", 2.5, Some(0.0)),
            evaluation("b", 4, "a:sampled", 5.5, Some(3.0)),
            evaluation("b", 6, "a", 1.5, Some(-0.5)),
            evaluation("b", 6, "b", 4.0, None),
            evaluation("c", 9, "a", 3.0, Some(1.5)),
            evaluation("c", 9, "b", 3.0, Some(-1.0)),
            evaluation("d", 12, "a", 2.25, Some(0.25)),
        ];
        let found = of(&plan(), &events);
        let [line, other] = &found[..] else { panic!("{found:?}") };
        assert_eq!((line.phase.as_str(), other.phase.as_str()), ("c", "d"));
        let a = Retained { phase: "a".into(), then: 2.0, best: 1.5, worst: 5.0, now: 3.0 };
        let b = Retained { phase: "b".into(), then: 4.0, best: 4.0, worst: 4.0, now: 3.0 };
        assert_eq!(line.earlier, [a, b]);
        assert_eq!((line.forgetting, line.backward_transfer), ((1.5 - 1.0) / 2.0, (-1.0 + 1.0) / 2.0));
        assert_eq!((other.forgetting, other.backward_transfer), (0.25, -0.25));
        assert!(of(&plan(), &events[..2]).is_empty(), "nothing came after");
    }
}
