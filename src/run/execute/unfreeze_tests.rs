//! Orders of unfreezing and courses of the rate in a small run: done, resumed, done again and undone, to the bit.

use super::super::testing::{self, plan, resume, stopped_after};
use super::super::{Observer, PhaseRun};
use crate::protocol::{Event, Step};
use crate::run::plan::ChangePlan;
use crate::run::{records, steering};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Says commands at their steps, and remembers what happened.
#[derive(Default)]
struct Says {
    commands: Vec<(u64, &'static str)>,
    steps: Vec<Step>,
    notices: Vec<(u64, String)>,
    /// Of each step: how many groups train, by the settings and in the learner's own words.
    trained: Vec<(u64, usize, usize)>,
}

impl Observer for Says {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Step(step) => self.steps.push(step.clone()),
            Event::Notice(notice) => self.notices.push((notice.step, notice.text.clone())),
            _ => {}
        }
    }

    fn between_steps(&mut self, phase: &mut PhaseRun) -> crate::Result<bool> {
        if let Some(place) = self.commands.iter().position(|(step, _)| *step == phase.step()) {
            let (_, text) = self.commands.remove(place);
            phase.steer(&text.parse().unwrap())?;
            return Ok(true);
        }
        let told = phase.groups().iter().filter(|state| state.trainable).count();
        let parameters = &phase.learner.decoder.parameters;
        let trains = parameters.iter().filter(|(id, _)| phase.learner.thaw().trains(*id));
        let own: std::collections::BTreeSet<_> = trains.map(|(_, parameter)| parameter.group).collect();
        self.trained.push((phase.step(), told, own.len()));
        Ok(false)
    }
}

fn run_folder(folder: &TempDir) -> PathBuf {
    folder.path().join("home/runs/small")
}

fn weights(run: &Path, step: u64) -> Vec<u8> {
    std::fs::read(run.join(format!("checkpoints/step-{step}/model.safetensors"))).unwrap()
}

const SETTINGS: &str = "unfreeze = { order = \"gradual\", every = 4 }\nschedule = { kind = \"cosine\", floor = 0.1 }\n\
                        checkpoint_every = 3\nkeep = { last = 0 }";
const COMMANDS: [(u64, &str); 4] =
    [(7, "freeze block.2/mlp"), (10, "thaw embedding"), (14, "schedule cosine 4"), (20, "unfreeze chain-thaw 1")];

#[test]
fn an_order_and_a_course_are_resumed_and_done_again_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let mut says = Says { commands: COMMANDS.to_vec(), ..Says::default() };
    testing::execute(&plan(&folder, SETTINGS), &folder, &mut says);
    assert!(says.trained.iter().all(|(_, told, own)| told == own), "{:?}", says.trained);
    let count_at = |step: u64| says.trained.iter().find(|(own, ..)| *own == step).unwrap().1;
    // Of 14 groups: a block has three; the last layer is the top block and the norm, as the head is tied.
    let counts = [0, 3, 4, 8, 10, 12, 16, 20, 21, 22, 24, 25, 26].map(count_at);
    assert_eq!(counts, [4, 4, 7, 9, 10, 13, 13, 4, 1, 3, 2, 13, 13], "stage by stage");
    assert!(says.notices.contains(&(4, "unfreezing (gradual): block.2 joined, stage 2 of 5".into())));
    let rates: Vec<f64> = says.steps.iter().map(|step| step.learning_rate).collect();
    assert!(rates[13] < rates[14] && rates[14] < rates[17] && rates[17] == 1e-3 && rates[26] < 2e-4, "{rates:?}");
    let run = run_folder(&folder);
    let want = weights(&run, 27);
    let events = records::journal(&run).unwrap();
    let groups = crate::model::folder::read_config(&run.join("checkpoints/step-27")).unwrap().groups();
    let planned = plan(&folder, SETTINGS);
    let at_rest = steering::from_records(groups, &planned.phases[0], &events, 24);
    assert_eq!(at_rest.states().iter().filter(|state| state.trainable).count(), 2, "as the records have it");

    // From checkpoints before, between and behind the commands, and within stages.
    let folder = tempfile::tempdir().unwrap();
    let run = stopped_after(&plan(&folder, SETTINGS), &folder, 25, &COMMANDS);
    for at in [15, 21] {
        resume(&folder, &run, Some(at)).unwrap();
        assert!(weights(&run, 27) == want, "from step {at}");
    }
    let folder = tempfile::tempdir().unwrap();
    let mut again = plan(&folder, SETTINGS);
    again.changes = COMMANDS.map(|(step, command)| ChangePlan { step, command: command.into() }).into();
    testing::execute(&again, &folder, &mut Says::default());
    assert!(weights(&run_folder(&folder), 27) == want, "said by a plan");
}

#[test]
fn an_order_that_is_undone_never_was() {
    let run = |commands: &[(u64, &'static str)]| {
        let folder = tempfile::tempdir().unwrap();
        let mut short = plan(&folder, "unfreeze = { order = \"gradual\", epochs = 0.5 }");
        short.phases[0].steps = Some(10);
        let mut says = Says { commands: commands.to_vec(), ..Says::default() };
        testing::execute(&short, &folder, &mut says);
        (weights(&run_folder(&folder), 10), says)
    };
    let (want, plain) = run(&[]);
    let (undone, _) = run(&[(3, "unfreeze chain-thaw 1"), (5, "schedule linear 3"), (7, "undo"), (5, "undo")]);
    assert!(undone == want);
    // Half an epoch is two steps.
    let counts = plain.trained.iter().map(|(_, told, _)| *told).collect::<Vec<_>>();
    assert_eq!(counts, [4, 4, 7, 7, 10, 10, 13, 13, 14, 14]);
}

#[test]
fn a_phase_that_is_too_short_for_its_order_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut short = plan(&folder, "unfreeze = { order = \"chain-thaw\", every = 10 }");
    short.phases[0].steps = Some(2);
    let mut says = Says::default();
    testing::execute(&short, &folder, &mut says);
    let said = says.notices.iter().filter(|(_, text)| text.contains("comes to its end after 50 steps"));
    assert_eq!(said.count(), 1, "{:?}", says.notices);
}
