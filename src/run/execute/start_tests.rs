//! Going on: from any checkpoint, after any damage.

use super::super::testing::{plan, resume, stopped_after};
use super::*;
use crate::random::Random;
use crate::run::folder::{Metrics, PLAN};
use crate::run::{Home, journal, recipe};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const SETTINGS: &str = "checkpoint_every = 5\nkeep = { last = 0 }\nevaluation = { every = 4, examples = 16 }";
const COMMANDS: [(u64, &str); 4] = [(3, "freeze block.0"), (8, "rate x0.5"), (12, "thaw all"), (17, "rate norm x2")];

/// A run that was stopped after 19 of its 27 steps, steered on its way; and the weights that it comes to in the end.
fn stopped() -> (TempDir, PathBuf, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(&folder, SETTINGS);
    let run = stopped_after(&plan, &folder, 19, &COMMANDS);
    let whole = copy(&run, &folder, "whole");
    resume(&folder, &whole, None).unwrap();
    let want = weights(&whole);
    (folder, run, want)
}

fn copy(run: &Path, folder: &TempDir, name: &str) -> PathBuf {
    let target = Home::find(Some(&folder.path().join("home"))).unwrap().runs().join(name);
    copy_folder(run, &target);
    target
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let own = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy_folder(&path, &own),
            false => assert!(std::fs::copy(&path, &own).is_ok()),
        }
    }
}

fn weights(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("checkpoints/step-27/model.safetensors")).unwrap()
}

fn files(run: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![run.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

#[test]
fn a_run_goes_on_from_each_of_its_checkpoints_to_the_same_bits() {
    let (folder, run, want) = stopped();
    let steps: Vec<u64> = checkpoint::list(&run).unwrap().iter().map(|(_, state)| state.step).collect();
    assert_eq!(steps, [5, 10, 15, 19]);
    let figures = |run: &Path| {
        let records = records::read(run).unwrap();
        let losses: Vec<u32> = records.steps.loss.iter().map(|loss| loss.to_bits()).collect();
        let evaluations: Vec<Event> =
            records.events.into_iter().filter(|event| matches!(event, Event::Evaluation(_))).collect();
        (records.steps.step, losses, evaluations)
    };
    let of_whole = figures(&folder.path().join("home/runs/whole"));
    for step in steps {
        let copy = copy(&run, &folder, &format!("from-{step}"));
        resume(&folder, &copy, Some(step)).unwrap();
        assert!(weights(&copy) == want, "from step {step}");
        assert!(figures(&copy) == of_whole, "from step {step}");
        let list = journal::read(&copy.join(journal::FILE)).unwrap().list;
        let steered = list.iter().filter(|entry| matches!(entry.event, Event::Steered(_))).count();
        assert_eq!(steered, COMMANDS.len(), "nothing is written twice");
        let odd = |entry: &Entry| matches!(&entry.event, Event::Notice(notice) if notice.text.contains("otherwise"));
        assert!(!list.iter().any(odd), "each step comes out as it did");
    }
    let recipe = recipe::of(&folder.path().join("home/runs/whole")).unwrap();
    assert_eq!(recipe.plan.changes.len(), COMMANDS.len());
    assert!(resume(&folder, &folder.path().join("home/runs/whole"), None).is_err(), "it is finished");
    assert!(resume(&folder, &run, Some(7)).unwrap_err().to_string().contains("5, 10, 15, 19"));
}

#[test]
fn damage_anywhere_in_a_run_folder_is_named_or_recovered_from() {
    let (folder, run, want) = stopped();
    let mut random = Random::new(11, 0);
    let (mut named, mut recovered) = (0, 0);
    let all = files(&run);
    let is_own = |path: &&PathBuf| [PLAN, journal::FILE, Metrics::FILE].iter().any(|name| path.ends_with(name));
    let own: Vec<&PathBuf> = all.iter().filter(is_own).collect();
    // The run's own files most often: the checkpoints' have tests of their own.
    for round in 0..48 {
        let chosen = if round % 3 == 0 { &all[random.below(all.len())] } else { own[random.below(own.len())] };
        let damaged = copy(&run, &folder, &format!("damaged-{round}"));
        let path = damaged.join(chosen.strip_prefix(&run).unwrap());
        let mut bytes = std::fs::read(&path).unwrap();
        if bytes.is_empty() {
            continue;
        }
        let at = random.below(bytes.len());
        match round % 2 {
            0 => bytes[at] ^= 1 << random.below(8),
            _ => bytes.truncate(at),
        }
        std::fs::write(&path, bytes).unwrap();
        match resume(&folder, &damaged, None) {
            Ok(()) => {
                assert!(weights(&damaged) == want, "other weights: byte {at} of {}", path.display());
                recovered += 1;
            }
            Err(error) => {
                assert!(!error.to_string().is_empty() && error.next.is_some(), "{error}");
                named += 1;
            }
        }
        std::fs::remove_dir_all(&damaged).unwrap();
    }
    assert!(named > 5 && recovered > 5, "{named} named, {recovered} recovered");
}

#[test]
fn a_run_without_a_whole_checkpoint_is_done_again_from_its_beginning() {
    let (folder, run, want) = stopped();
    let copy = copy(&run, &folder, "bare");
    std::fs::remove_dir_all(copy.join("checkpoints")).unwrap();
    resume(&folder, &copy, None).unwrap();
    assert!(weights(&copy) == want);
}

/// Two phases; the second replays the first from its plan, and otherwise while it runs.
#[test]
fn rows_of_an_earlier_phase_come_again_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let rows = folder.path().join("other.jsonl");
    let row = |index: usize| format!("{{\"prompt\": \"now {index}:\", \"completion\": \"then {index}\"}}\n");
    std::fs::write(&rows, (0..40).map(row).collect::<String>()).unwrap();
    let second = format!(
        "steps = 9\n[[phase]]\nname = \"later\"\nobjective = \"sft\"\ncorpus = '{}'\nsteps = 18\nbatch = 8\ncontext = 24\n\
         optimizer = {{ learning_rate = 1e-3 }}\nreplay = {{ share = 0.25 }}\nrates = {{ decay = 1.5 }}\n{SETTINGS}",
        rows.display()
    );
    // The first phase of the shared plan has its own number of steps in front.
    let text = std::fs::read_to_string({
        plan(&folder, "");
        folder.path().join("plan.toml")
    });
    let text = text.unwrap().replace("steps = 27\n", "") + &second;
    let file = folder.path().join("two.toml");
    std::fs::write(&file, text).unwrap();
    let two = crate::run::plan::load(file.to_str().unwrap(), &crate::run::Overrides::default()).unwrap();
    assert_eq!(two.phases[1].replay.as_ref().unwrap().share, 0.25);
    let commands = [
        (13, "replay 0.5"),
        (15, "decay 3"),
        (17, "replay tune 0"),
        (18, "l2-sp 0.2"),
        (19, "ewc 5"),
        (20, "replay tune 0.1"),
    ];
    let run = stopped_after(&two, &folder, 22, &commands);
    let whole = copy(&run, &folder, "whole");
    resume(&folder, &whole, None).unwrap();
    let again = copy(&run, &folder, "again");
    resume(&folder, &again, Some(14)).unwrap();
    assert!(weights(&again) == weights(&whole), "from step 14");
    // What was said is in the recipe, and carried out to the same weights.
    let recipe = recipe::of(&whole).unwrap();
    assert_eq!(recipe.plan.changes.len(), 6);
}

#[test]
fn a_replay_that_cannot_be_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    plan(&folder, "");
    let text = std::fs::read_to_string(folder.path().join("plan.toml")).unwrap() + "replay = { share = 0.1 }\n";
    let file = folder.path().join("alone.toml");
    std::fs::write(&file, text).unwrap();
    let refused = crate::run::plan::load(file.to_str().unwrap(), &crate::run::Overrides::default()).unwrap_err();
    assert!(refused.to_string().contains("phase.tune.replay: the phase stands on no earlier one"), "{refused}");
}
