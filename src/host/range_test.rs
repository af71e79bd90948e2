//! A learning-rate range test beside the run: on a fork of its weights, in one thread, streamed as it goes on.

use super::server::Service;
use super::trainer::{self, lock};
use crate::error::Kind;
use crate::protocol::{RangeAnswer, RangeAsk, RangeEnd, RangeFound, RangePoint, RangeStarted, Status};
use crate::run::data::PhaseData;
use crate::run::plan::{self, Overrides, Plan};
use crate::run::range_test::{End, Fork, Point, Range, Suggestions, test_fork};
use crate::{Context, Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Steps that one test may take from the processor.
const MOST_STEPS: u64 = 1000;

/// Takes parts of an answer as they come.
type Reply<'a> = dyn FnMut(RangeAnswer) + Send + 'a;

/// Answers with the beginning, a point for each step, and exactly one end.
pub fn answer(service: &Service, ask: &RangeAsk, cancel: &AtomicBool, reply: &mut Reply) {
    let end = match Turn::take(&service.tests_rates) {
        Some(_turn) => test(service, ask, cancel, reply),
        None => Err(Error::new("another range test runs").next("wait for its end, and test again")),
    };
    reply(RangeAnswer::Ended(match end {
        Ok((End::Done, found)) => RangeEnd::Done(found),
        Ok((End::Diverged, found)) => RangeEnd::Diverged(found),
        Err(error) if error.kind == Kind::Interrupted => RangeEnd::Cancelled,
        Err(error) => RangeEnd::Failed(error.to_string()),
    }));
}

/// The turn of one test, given back when it is dropped.
struct Turn<'a>(&'a AtomicBool);

impl<'a> Turn<'a> {
    fn take(taken: &'a AtomicBool) -> Option<Self> {
        (!taken.swap(true, Ordering::AcqRel)).then_some(Self(taken))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

fn test(service: &Service, ask: &RangeAsk, cancel: &AtomicBool, reply: &mut Reply) -> Result<(End, RangeFound)> {
    if ask.steps > MOST_STEPS {
        return Err(Error::new(format!("{} steps are too many beside a run", ask.steps))
            .next(format!("ask for at most {MOST_STEPS}, or use frostline lr-find")));
    }
    let plan = plan::load(&service.work.run.join("plan.toml").to_string_lossy(), &Overrides::default())?;
    let status = service.shared.lock().status.clone();
    let weights = trainer::weights(&service.orders, &service.shelf)?;
    let place = Place::of(&plan, &status, weights.step)?;
    let phase = &plan.phases[place.index];
    let data = data_of(service, place.index, &phase.name)?;
    let planned = phase.optimizer.learning_rate;
    let peak = if place.is_next { planned } else { planned * status.rate_factor };
    reply(RangeAnswer::Started(RangeStarted { phase: phase.name.clone(), step: weights.step, planned, peak }));
    let groups = (!place.is_next && !status.groups.is_empty()).then_some(status.groups.as_slice());
    let range = Range { from: ask.from, to: ask.to, steps: ask.steps };
    let (live, device) = (weights.live, &service.work.device);
    let fork = Fork { plan: phase, data, live, done: place.done, groups, seed: plan.seed, device, range };
    let mut told = |_: u64, point: &Point| {
        let Point { rate, loss, smoothed } = *point;
        reply(RangeAnswer::Point(RangePoint { rate, loss, smoothed }));
    };
    // Like lanes: one core of training's, and never more.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).thread_name(|_| "rates".into()).build();
    let pool = pool.map_err(|error| error.to_string()).what(|| "cannot start a thread to test rates".into())?;
    let (ended, found) = pool.install(|| test_fork(&fork, cancel, &mut told))?;
    let Suggestions { steepest, valley, minimum_tenth } = found;
    Ok((ended, RangeFound { steepest, valley, minimum_tenth }))
}

/// What is tested: a phase, and how much of it is done.
#[derive(Debug, PartialEq)]
struct Place {
    index: usize,
    done: u64,
    /// It comes after what the weights have behind them, and nothing of it was steered yet.
    is_next: bool,
}

impl Place {
    /// The phase that the weights of a step are in; where they are at its end, the one that starts from there.
    fn of(plan: &Plan, status: &Status, step: u64) -> Result<Self> {
        let Some(phase) = &status.phase else {
            return Err(Error::new("there is no phase to test yet")
                .because("the run is being prepared")
                .next("ask again when it trains"));
        };
        let done = (step + 1).saturating_sub(phase.first_step);
        let is_at_end = done >= phase.steps;
        let next = (phase.index + 1..plan.phases.len()).find(|next| plan.parent(*next) == Some(phase.index));
        Ok(match next.filter(|_| is_at_end) {
            Some(index) => Self { index, done: 0, is_next: true },
            None => Self { index: phase.index, done, is_next: false },
        })
    }
}

fn data_of(service: &Service, index: usize, phase: &str) -> Result<Arc<PhaseData>> {
    let preparations = lock(&service.shelf).preparations.clone();
    preparations.and_then(|all| all.phases.get(index).cloned()).ok_or_else(|| {
        Error::new(format!("the data of phase {phase} is not at hand"))
            .because("it is still being read, or its corpus is not where the plan says")
            .next("ask again in a moment; if it is missing, put it back and open the run again")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing;
    use crate::protocol::Phase;

    fn plan(folder: &tempfile::TempDir) -> Plan {
        let text = folder.path().join("a.txt");
        std::fs::write(&text, "the cat sat on the mat\n").unwrap();
        let phase = |name: &str, from: &str| {
            format!(
                "[[phase]]\nname = \"{name}\"\n{from}objective = \"clm\"\ncorpus = '{}'\nsteps = 10\n\
                 optimizer = {{ learning_rate = 1e-3 }}\n",
                text.display()
            )
        };
        let phases = [phase("a", ""), phase("b", ""), phase("c", "from = \"a\"\n")].concat();
        let file = folder.path().join("plan.toml");
        let head = "name = \"p\"\ntokenizer = { vocabulary = 300 }\nmodel = { preset = \"gpt2-1m\" }\n";
        std::fs::write(&file, format!("{head}{phases}")).unwrap();
        plan::load(file.to_str().unwrap(), &Overrides::default()).unwrap()
    }

    #[test]
    fn the_phase_at_hand_is_tested_and_at_its_end_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan(&folder);
        let of = |index: usize, step: u64| {
            let phase = Phase {
                name: plan.phases[index].name.clone(),
                index,
                first_step: 1 + 10 * index as u64,
                steps: 10,
                base: None,
                objective: "clm".into(),
                context: 8,
                batch: 1,
                prefix_share: 0.0,
            };
            Place::of(&plan, &Status { phase: Some(phase), ..testing::status() }, step).unwrap()
        };
        assert_eq!(of(0, 4), Place { index: 0, done: 4, is_next: false });
        assert_eq!(of(0, 10), Place { index: 1, done: 0, is_next: true });
        assert_eq!(of(1, 10), Place { index: 1, done: 0, is_next: false });
        // Nothing starts from the end of b or c: they are tested as if they went on.
        assert_eq!(of(1, 20), Place { index: 1, done: 10, is_next: false });
        assert_eq!(of(2, 30), Place { index: 2, done: 10, is_next: false });
        assert!(Place::of(&plan, &testing::status(), 0).unwrap_err().to_string().contains("no phase"));
    }

    #[test]
    fn there_is_one_turn() {
        let taken = AtomicBool::new(false);
        let turn = Turn::take(&taken);
        assert!(turn.is_some() && Turn::take(&taken).is_none());
        drop(turn);
        assert!(Turn::take(&taken).is_some());
    }
}
