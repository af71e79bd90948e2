//! Two runs that are to be the same, to the bit.

use super::program::Bench;
use frostline::protocol::{Evaluation, Event, SAMPLED};
use frostline::run::records::{self, Records};
use frostline::run::{checkpoint, journal};
use std::collections::BTreeMap;
use std::path::Path;

/// A plan of two phases over a mixture, of small steps; `settings` are for both phases.
pub fn plan(bench: &Bench, steps: [u64; 2], settings: &str) -> String {
    let lines = |words: [&str; 4]| -> String {
        (0..300).map(|i| format!("{} and then {}.\n\n", words[i % 4], words[i / 4 % 4])).collect()
    };
    bench.write("one.txt", &lines(["the cat sat", "a dog ran", "birds sing at dawn", "rain fell"]));
    bench.write("two.txt", &lines(["seven and two make nine", "four less one", "ten by five", "half of six"]));
    let phase = |name: &str, steps: u64, more: &str| {
        format!(
            "[[phase]]\nname = \"{name}\"\nobjective = \"clm\"\nsteps = {steps}\nbatch = 2\ncontext = 32\n\
             corpus = [{{ path = '{}', weight = 0.6 }}, {{ path = '{}', weight = 0.4 }}]\nheld_out = 0.1\n\
             optimizer = {{ learning_rate = 2e-3 }}\nevaluation = {{ every = 10, tokens = 200 }}\n{settings}\n{more}\n",
            bench.path("one.txt").display(),
            bench.path("two.txt").display(),
        )
    };
    format!(
        "name = \"mixed\"\nseed = 5\ntokenizer = {{ vocabulary = 300 }}\n\
         model = {{ preset = \"llama-1m\", context = 32 }}\n{}{}",
        phase("first", steps[0], ""),
        // What is measured between evaluations depends on the clock, and steers where somebody says so.
        phase("second", steps[1], "retention = { every = 7, budget = 0.3, tokens = 64 }\npull = { fisher_rows = 4 }")
    )
}

/// Both runs have the same figures, and after `step` the same weights and moments.
pub fn assert_same(one: &Path, other: &Path, step: u64) {
    let pair = format!("{} and {}", one.display(), other.display());
    assert_same_figures(&records::read(one).unwrap(), &records::read(other).unwrap(), &pair);
    for file in ["model.safetensors", "frostline/optimizer.safetensors"] {
        let read = |run: &Path| {
            let path = run.join(format!("checkpoints/step-{step}")).join(file);
            std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        assert!(read(one) == read(other), "{file} of step {step} differs: {pair}");
    }
}

fn assert_same_figures(one: &Records, other: &Records, pair: &str) {
    let (steps, others) = (&one.steps, &other.steps);
    assert_eq!(steps.step, others.step, "steps of {pair}");
    for place in 0..steps.len() {
        let bits = |of: &frostline::protocol::StepRecords| {
            [of.loss[place], of.learning_rate[place], of.gradient_norm[place]].map(f32::to_bits)
        };
        let (own, other) = (steps.get(place).unwrap(), others.get(place).unwrap());
        assert_eq!(bits(steps), bits(others), "step {} of {pair}:\n{own:?}\n{other:?}", own.step);
    }
    let (own, others) = (evaluations(one), evaluations(other));
    for (at, evaluation) in &own {
        assert_eq!(Some(evaluation), others.get(at), "an evaluation of {pair}");
    }
    let more: Vec<_> = others.keys().filter(|at| !own.contains_key(*at)).collect();
    assert!(more.is_empty(), "evaluations that only the second has: {more:?} of {pair}");
}

/// By step, phase and suite; without those for which there may have been no time.
fn evaluations(records: &Records) -> BTreeMap<(u64, String, String), Evaluation> {
    let evaluations = records.events.iter().filter_map(|event| match event {
        Event::Evaluation(own) if !own.suite.ends_with(SAMPLED) => {
            Some(((own.step, own.phase.clone(), own.suite.clone()), own.clone()))
        }
        _ => None,
    });
    evaluations.collect()
}

/// Every folder that bears a checkpoint's name is whole; returns how many there are, and what was being written.
pub fn check_checkpoints(run: &Path) -> (usize, usize) {
    let folder = run.join("checkpoints");
    let names = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    let whole: Vec<&String> = names.iter().filter(|name| name.starts_with("step-")).collect();
    for name in &whole {
        checkpoint::verify(&folder.join(name)).unwrap_or_else(|error| panic!("{name} is not whole: {error}"));
    }
    (whole.len(), names.iter().filter(|name| name.starts_with(".writing-")).count())
}

/// Each command that was acknowledged stands in the journal, as often as it was acknowledged at that step, and nothing that
/// is always refused stands there.
pub fn check_journal(run: &Path, acknowledged: &[super::life::Acknowledged]) {
    let entries = journal::read(&run.join(journal::FILE)).unwrap();
    let told = |event: &Event| match event {
        Event::Steered(steered) => Some((steered.change.command.clone(), steered.step)),
        Event::Rewound(rewound) => Some(("undo".into(), rewound.to_step)),
        _ => None,
    };
    let mut written: Vec<(String, u64)> = entries.list.iter().filter_map(|entry| told(&entry.event)).collect();
    let nonsense = written.iter().find(|(command, _)| super::words::NONSENSE.contains(&command.as_str()));
    assert_eq!(nonsense, None, "it was to be refused, and is in the journal");
    for own in acknowledged {
        let place = written.iter().position(|(command, step)| *command == own.command && *step == own.step);
        let place = place.unwrap_or_else(|| panic!("\"{}\" at step {} is not in the journal", own.command, own.step));
        written.swap_remove(place);
    }
}
