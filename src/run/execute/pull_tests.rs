//! Pulls in a small run of two phases: said, resumed, done again, undone and refused.

use super::super::testing::{self, plan, resume, stopped_after};
use super::super::{Observer, PhaseRun};
use crate::learn::pull::MEASURED;
use crate::protocol::{Event, Step};
use crate::run::plan::{ChangePlan, Plan};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Behind 27 steps from new weights come 12 from those.
const STEPS: u64 = 27 + 12;

fn two_phases(folder: &TempDir, pull: &str) -> Plan {
    let rows = folder.path().join("rows.jsonl");
    let second = format!(
        "\n[[phase]]\nname = \"again\"\nobjective = \"sft\"\ncorpus = '{}'\nsteps = 12\nbatch = 4\ncontext = 32\n\
         optimizer = {{ learning_rate = 1e-3 }}\nfrozen = [\"embedding\", \"block.0\"]\nfrozen_weights = \"bf16\"\n\
         checkpoint_every = 2\nkeep = {{ last = 0 }}\n{pull}\n",
        rows.display()
    );
    plan(folder, &second)
}

/// Says commands at their steps, and remembers what came of them.
#[derive(Default)]
struct Says {
    commands: Vec<(u64, &'static str)>,
    answers: Vec<Result<(), String>>,
    steps: Vec<Step>,
    keeps_base: bool,
}

impl Observer for Says {
    fn event(&mut self, event: &Event) {
        if let Event::Step(step) = event {
            self.steps.push(step.clone());
        }
    }

    fn keeps_base(&self) -> bool {
        self.keeps_base
    }

    fn between_steps(&mut self, phase: &mut PhaseRun) -> crate::Result<bool> {
        let due = self.commands.iter().position(|(step, _)| *step == phase.step());
        let Some(place) = due else { return Ok(false) };
        let (_, text) = self.commands.remove(place);
        self.answers.push(phase.steer(&text.parse().unwrap()).map(drop).map_err(|error| error.to_string()));
        Ok(true)
    }
}

fn run_folder(folder: &TempDir) -> PathBuf {
    folder.path().join("home/runs/small")
}

fn weights(run: &Path) -> Vec<u8> {
    std::fs::read(run.join(format!("checkpoints/step-{STEPS}/model.safetensors"))).unwrap()
}

const COMMANDS: [(u64, &str); 6] =
    [(30, "l2-sp 0.5"), (32, "thaw block.0"), (33, "ewc 1e4"), (34, "kl 2"), (36, "l2-sp 0"), (37, "kl 0.5")];

#[test]
fn a_run_that_was_pulled_live_is_resumed_and_done_again_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let mut says = Says { commands: COMMANDS.to_vec(), ..Says::default() };
    testing::execute(&two_phases(&folder, ""), &folder, &mut says);
    assert!(says.answers.iter().all(Result::is_ok), "{:?}", says.answers);
    let pulled: Vec<u64> = says.steps.iter().filter(|step| step.pull.is_some()).map(|step| step.step).collect();
    assert_eq!(pulled, (31..=STEPS).collect::<Vec<_>>());
    assert!(says.steps.iter().filter_map(|step| step.pull).all(|pull| pull > 0.0));
    let want = weights(&run_folder(&folder));

    // From checkpoints before, between and behind the commands.
    let folder = tempfile::tempdir().unwrap();
    let run = stopped_after(&two_phases(&folder, ""), &folder, 38, &COMMANDS);
    for at in [29, 31, 33, 35, 37] {
        resume(&folder, &run, Some(at)).unwrap();
        assert!(weights(&run) == want, "from step {at}");
    }

    // Said by the plan, and with the base at hand from the beginning.
    let folder = tempfile::tempdir().unwrap();
    let mut plan = two_phases(&folder, "");
    plan.changes = COMMANDS.map(|(step, command)| ChangePlan { step, command: command.into() }).into();
    testing::execute(&plan, &folder, &mut Says { keeps_base: true, ..Says::default() });
    assert!(weights(&run_folder(&folder)) == want);

    let folder = tempfile::tempdir().unwrap();
    testing::execute(&two_phases(&folder, ""), &folder, &mut Says::default());
    assert!(weights(&run_folder(&folder)) != want, "pulls do something");
}

#[test]
fn a_pull_of_the_plan_is_resumed_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let pull = "pull = { l2_sp = 0.1, ewc = 1e4, kl = 0.5, temperature = 2.0, fisher_rows = 20 }";
    let mut says = Says::default();
    testing::execute(&two_phases(&folder, pull), &folder, &mut says);
    let first = says.steps.iter().find(|step| step.pull.is_some()).unwrap();
    assert_eq!((first.step, first.pull), (28, Some(0.0)), "nothing has moved before the first step");
    let want = weights(&run_folder(&folder));
    let folder = tempfile::tempdir().unwrap();
    MEASURED.set(0);
    let run = stopped_after(&two_phases(&folder, pull), &folder, 34, &[]);
    resume(&folder, &run, None).unwrap();
    assert!(weights(&run) == want);
    assert_eq!(MEASURED.get(), 1, "what was measured stands beside the checkpoint");
}

#[test]
fn an_undone_pull_never_was_and_one_without_a_base_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let commands = vec![(3, "l2-sp 0.1"), (4, "ewc 1"), (30, "ewc 1e4"), (33, "undo")];
    let mut says = Says { commands, ..Says::default() };
    testing::execute(&two_phases(&folder, ""), &folder, &mut says);
    for answer in &says.answers[..2] {
        assert!(answer.as_ref().unwrap_err().contains("nothing to pull to"), "{answer:?}");
    }
    assert!(says.answers[2..].iter().all(Result::is_ok), "{:?}", says.answers);
    let alone = tempfile::tempdir().unwrap();
    testing::execute(&two_phases(&alone, ""), &alone, &mut Says::default());
    assert!(weights(&run_folder(&folder)) == weights(&run_folder(&alone)));
}
