//! What a run's files say happened: read again when nobody trains it any more.

use super::folder::Metrics;
use super::journal;
use crate::protocol::{Event, Rewound, StepRecord, StepRecords};
use crate::{Context, Error, Result};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

/// A run's history.
#[derive(Debug, Default)]
pub struct Records {
    pub steps: StepRecords,
    /// Everything else, in the order in which it happened.
    pub events: Vec<Event>,
    /// What the run went back from.
    pub undone: Vec<Undone>,
}

/// A stretch that was taken back: how, and the steps and evaluations that there were until then.
#[derive(Debug)]
pub struct Undone {
    pub rewound: Rewound,
    pub steps: StepRecords,
    pub evaluations: Vec<Event>,
}

/// No honest line is longer.
const LONGEST_LINE: usize = 1 << 20;

/// Reads `journal.jsonl` and `metrics.jsonl`, without what the run went back from. A last line that was torn by a crash is
/// left out; anything else that cannot be read is an error that names the line. Files that are not there yet are empty.
pub fn read(run: &Path) -> Result<Records> {
    let entries = journal::read(&run.join(journal::FILE))?;
    of(run, entries.effective().into_iter().map(|entry| entry.event.clone()).collect())
}

/// The metrics beside what the journal said.
pub fn of(run: &Path, journal: Vec<Event>) -> Result<Records> {
    let mut records = Records::default();
    let mut evaluations = Vec::new();
    for event in lines(&run.join(Metrics::FILE))? {
        match event {
            Event::Step(step) => records.steps.push(StepRecord::from(&step)),
            Event::Rewound(rewound) => {
                let from = records.steps.step.partition_point(|step| *step <= rewound.to_step);
                let steps = records.steps.slice(from, usize::MAX);
                let gone = evaluations.iter().filter(|event| step_of(event) > rewound.to_step).cloned().collect();
                records.undone.push(Undone { rewound: rewound.clone(), steps, evaluations: gone });
                records.steps.cut_after(rewound.to_step);
                evaluations.retain(|event| step_of(event) <= rewound.to_step);
            }
            event => evaluations.push(event),
        }
    }
    records.events = merged(journal, evaluations);
    Ok(records)
}

/// The journal alone, without what the run went back from.
pub fn journal(run: &Path) -> Result<Vec<Event>> {
    let entries = journal::read(&run.join(journal::FILE))?;
    Ok(entries.effective().into_iter().map(|entry| entry.event.clone()).collect())
}

fn step_of(event: &Event) -> u64 {
    match event {
        Event::Evaluation(evaluation) => evaluation.step,
        _ => 0,
    }
}

/// Why a run ended, where the last that happened is an error.
pub fn failure(events: &[Event]) -> Option<String> {
    match events.last() {
        Some(Event::Failed(failed)) => Some(failed.error.clone()),
        _ => None,
    }
}

fn lines(path: &Path) -> Result<Vec<Event>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::new(format!("cannot read {}", path.display())).because(error)),
    };
    let mut reader = BufReader::new(file);
    let (mut events, mut line, mut number) = (Vec::new(), Vec::new(), 0);
    loop {
        line.clear();
        number += 1;
        let read = (&mut reader).take(LONGEST_LINE as u64).read_until(b'\n', &mut line);
        read.what(|| format!("cannot read {}", path.display()))?;
        let whole = line.last() == Some(&b'\n');
        match serde_json::from_slice(&line) {
            Ok(event) => events.push(event),
            // The end, or a line that a crash tore.
            Err(_) if !whole && line.len() < LONGEST_LINE => return Ok(events),
            Err(error) => {
                return Err(Error::new(format!("{}:{number} is damaged", path.display()))
                    .because(error)
                    .next("restore the file from a copy, or cut it before that line"));
            }
        }
    }
}

/// Puts the journal and the evaluations, each in order, in one order: by step, and at the same step by phase.
fn merged(journal: Vec<Event>, evaluations: Vec<Event>) -> Vec<Event> {
    let names = journal.iter().filter_map(|event| match event {
        Event::Phase(phase) => Some(phase.phase.clone()),
        _ => None,
    });
    let phases: HashMap<String, usize> = names.enumerate().map(|(place, name)| (name, place)).collect();
    let mut events: Vec<((u64, usize, u8), Event)> =
        journal.into_iter().chain(evaluations).map(|event| (rank(&event, &phases), event)).collect();
    events.sort_by_key(|(rank, _)| *rank);
    events.into_iter().map(|(_, event)| event).collect()
}

/// Step, phase, and what comes first at the same step of the same phase.
fn rank(event: &Event, phases: &HashMap<String, usize>) -> (u64, usize, u8) {
    let place = |name: &str| phases.get(name).copied().unwrap_or(0);
    match event {
        Event::Phase(phase) => (phase.first_step.saturating_sub(1), place(&phase.phase), 0),
        Event::Step(step) => (step.step, place(&step.phase), 1),
        Event::Notice(notice) => (notice.step, notice.phase.as_deref().map_or(0, place), 2),
        Event::Evaluation(evaluation) => (evaluation.step, place(&evaluation.phase), 3),
        Event::Checkpoint(saved) => (saved.step, place(&saved.phase), 4),
        Event::Begun(_) => (0, 0, 0),
        Event::Steered(steered) => (steered.step, place(&steered.phase), 5),
        Event::Guarded(guarded) => (guarded.step, place(&guarded.phase), 5),
        Event::Rewound(rewound) => (rewound.step, place(&rewound.phase), 5),
        Event::Resumed(resumed) => (resumed.step, usize::MAX, 5),
        Event::Failed(failed) => (failed.step, usize::MAX, 6),
        Event::Finished(_) => (u64::MAX, usize::MAX, 7),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const PHASE: &str = r#"{"time":1,"phase":{"phase":"a","base":null,"first_step":1,"steps":2,"parameters":9,"trainable":9,"data":"d"}}"#;
    const STEP: &str = r#"{"step":{"phase":"a","step":1,"loss":2.5,"learning_rate":0.1,"gradient_norm":1.0,"tokens_per_second":100.0}}"#;
    const EVALUATION: &str = r#"{"evaluation":{"phase":"a","step":0,"suite":"a","loss":3.0,"perplexity":20.0,"bits_per_byte":null,"metric":null,"value":null,"retention":null}}"#;
    const SAVED: &str = r#"{"time":2,"checkpoint":{"phase":"a","step":1,"path":"p"}}"#;

    fn run(journal: &str, metrics: &str) -> Result<Records> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("journal.jsonl"), journal).unwrap();
        fs::write(folder.path().join("metrics.jsonl"), metrics).unwrap();
        read(folder.path())
    }

    #[test]
    fn histories_are_read_in_order_up_to_a_torn_line() {
        let records =
            run(&format!("{PHASE}\n{SAVED}\n"), &format!("{EVALUATION}\n{STEP}\n{{\"step\":{{\"pha")).unwrap();
        assert_eq!(records.steps.step, [1]);
        assert!(matches!(records.events[..], [Event::Phase(_), Event::Evaluation(_), Event::Checkpoint(_)]));
        assert!(read(Path::new("/nowhere")).unwrap().events.is_empty());
    }

    #[test]
    fn what_was_taken_back_stands_apart() {
        let step = |step: u64, loss: f32| {
            STEP.replace("\"step\":1", &format!("\"step\":{step}")).replace("2.5", &format!("{loss}"))
        };
        let rewound = r#"{"rewound":{"phase":"a","step":3,"to_step":1,"to_line":1,"why":"undid: x"}}"#;
        let lines = [step(1, 1.0), step(2, 2.0), EVALUATION.replace("\"step\":0", "\"step\":2"), step(3, 3.0)];
        let metrics = [&lines[..], &[rewound.to_string(), step(2, 4.0)]].concat().join("\n") + "\n";
        let records = run(&format!("{PHASE}\n"), &metrics).unwrap();
        assert_eq!((records.steps.step, records.steps.loss), (vec![1, 2], vec![1.0, 4.0]));
        let [undone] = &records.undone[..] else { panic!("{:?}", records.undone) };
        assert_eq!((&undone.steps.step, &undone.steps.loss), (&vec![2, 3], &vec![2.0, 3.0]));
        assert_eq!((undone.evaluations.len(), undone.rewound.to_step), (1, 1));
        assert!(records.events.iter().all(|event| !matches!(event, Event::Evaluation(_))));
    }

    #[test]
    fn damage_elsewhere_is_named() {
        let error = run(&format!("{PHASE}\nnonsense\n{SAVED}\n"), "").unwrap_err().to_string();
        assert!(error.contains("journal.jsonl:2"), "{error}");
    }
}
