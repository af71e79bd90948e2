//! The recorder: takes what the training thread leaves in its ring and in its notes, writes the metrics, and grows the
//! history that clients read. The training thread never waits for it.

use super::history::Shared;
use super::orders::Reply;
use crate::protocol::{
    Answer, Event, GroupFacts, GroupReports, GroupState, Notice, Phase, PrefixState, State, StepRecord, Undoable,
};
use crate::run::folder::Metrics;
use crate::run::memory;
use crate::{Error, Result};
use ringbuf::HeapCons;
use ringbuf::traits::{Consumer, Observer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

/// Records that the ring has room for: minutes of the fastest steps.
pub const RING: usize = 1 << 16;
/// How often the ring is looked into.
const PERIOD: Duration = Duration::from_millis(40);

/// Steps that a run's pace is the mean of, about.
const PACE_STEPS: u32 = 200;

/// What the ring carries: of fixed size.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    pub step: StepRecord,
    /// The place of its phase in the plan.
    pub phase: u32,
    /// Whether lanes were writing meanwhile.
    pub sampling: bool,
}

/// What the training thread says beside its steps.
#[derive(Debug)]
pub enum Note {
    Event(Event),
    State(State),
    /// The model of a phase is there.
    Phase(Phase, Vec<GroupFacts>),
    Groups(Vec<GroupState>, f64),
    Reports(GroupReports),
    Prefix(Option<PrefixState>),
    /// Why the run is held although nobody paused it.
    Held(Option<String>),
    /// What `undo` would take back.
    Undo(Option<Undoable>),
    /// Asks for everything up to this step to be on the disk; answered with the length of the metrics, bytes.
    Flushed(u64, Sender<Result<u64>>),
    /// A command was carried out: everything that came of it was noted before.
    Answer(Reply, Answer),
    /// The recorder writes the metrics from now on.
    Metrics(Metrics),
}

/// The recorder's side of the ring and the notes.
pub struct Recorder {
    pub shared: Arc<Shared>,
    pub ring: HeapCons<Record>,
    pub notes: Receiver<Note>,
    /// Records that found the ring full.
    pub lost: Arc<AtomicU64>,
    /// Set when training is over and everything is in the ring.
    pub done: Arc<AtomicBool>,
    /// The names of the plan's phases.
    pub phases: Vec<String>,
    pub state: Tally,
}

/// What the recorder works out as it goes.
#[derive(Default)]
pub struct Tally {
    metrics: Option<Metrics>,
    phase: Option<Phase>,
    /// The step that was taken out of the ring last; where the run went back, the one that it went to.
    newest: u64,
    /// Steps were left in the ring because they go back.
    is_stuck: bool,
    rates: Rates,
    lost: u64,
    looked_at: Option<Instant>,
    /// Why the metrics can no longer be written.
    failed: Option<String>,
}

/// Training rates with and without sampling, as moving averages.
#[derive(Default)]
struct Rates {
    quiet: Option<f64>,
    sampling: Option<f64>,
    /// Of all steps since what trains changed, the newest counting most.
    step_seconds: Option<f64>,
    steps: u32,
}

impl Recorder {
    /// Records until training is over.
    pub fn run(mut self) {
        loop {
            let over = self.done.load(Ordering::Acquire);
            if self.round() {
                self.shared.touch();
            }
            if over {
                return;
            }
            std::thread::park_timeout(PERIOD);
        }
    }

    /// Takes everything that is there; returns whether there was anything.
    fn round(&mut self) -> bool {
        let was_stuck = std::mem::take(&mut self.state.is_stuck);
        // Notes first: a step that came before a note is in the ring by then.
        let notes: Vec<Note> = self.notes.try_iter().collect();
        let anything = !notes.is_empty() || !self.ring.is_empty();
        for note in notes {
            if let Note::Event(event) = &note {
                self.steps_up_to(step_of(event));
            }
            self.note(note);
        }
        self.steps_up_to(u64::MAX);
        self.state.is_stuck = !self.ring.is_empty();
        // By now it would have been said that the run went back: it did not, and nothing may wait for it forever.
        if was_stuck && self.state.is_stuck {
            self.state.newest = 0;
            self.steps_up_to(u64::MAX);
        }
        self.report_losses();
        self.once_a_second() || anything
    }

    /// Takes steps up to one, or up to where they go back: what comes then belongs behind the note that says so.
    fn steps_up_to(&mut self, last: u64) {
        let mut batch = Vec::new();
        while let Some(record) = self.ring.try_peek().copied() {
            if record.step.step > last || record.step.step <= self.state.newest {
                break;
            }
            self.ring.skip(1);
            self.state.newest = record.step.step;
            self.state.rates.add(&record, self.state.phase.as_ref());
            self.write_step(&record);
            batch.push(record.step);
        }
        let Some(newest) = batch.last().copied() else { return };
        let mut history = self.shared.lock();
        batch.into_iter().for_each(|step| history.steps.push(step));
        let mut status = history.status.clone();
        status.step = newest.step;
        status.learning_rate = newest.learning_rate as f64;
        status.step_seconds = self.state.rates.step_seconds;
        status.sampling_cost = self.state.rates.cost();
        let left =
            self.state.phase.as_ref().map(|phase| (phase.first_step + phase.steps).saturating_sub(newest.step + 1));
        status.seconds_left = left.zip(status.step_seconds).map(|(steps, seconds)| calm(steps as f64 * seconds));
        history.set_status(status);
    }

    fn note(&mut self, note: Note) {
        match note {
            Note::Metrics(metrics) => self.state.metrics = Some(metrics),
            Note::Event(event) => {
                self.write(&event);
                if let Event::Rewound(rewound) = &event {
                    self.state.newest = rewound.to_step;
                }
                self.shared.lock().push(event);
            }
            Note::State(state) => self.change(|status| status.state = state),
            Note::Phase(phase, facts) => {
                self.state.rates = Rates::default();
                self.state.phase = Some(phase.clone());
                self.change(|status| (status.phase, status.seconds_left, status.prefix) = (Some(phase), None, None));
                self.shared.lock().set_facts(facts);
            }
            Note::Groups(groups, factor) => self.groups(groups, factor),
            Note::Answer(reply, answer) => {
                if let Answer::Applied { step, .. } = &answer {
                    self.steps_up_to(*step);
                }
                self.shared.touch();
                reply.answer(answer);
            }
            Note::Reports(reports) => self.shared.lock().report(reports),
            Note::Prefix(prefix) => self.change(|status| status.prefix = prefix),
            Note::Held(held) => self.change(|status| status.held = held),
            Note::Undo(undo) => self.change(|status| status.undo = undo),
            Note::Flushed(step, answer) => self.flush(step, &answer),
        }
    }

    /// Has everything on the disk that was recorded up to a step, and nothing after it, and says how long the file is then.
    fn flush(&mut self, step: u64, answer: &Sender<Result<u64>>) {
        self.steps_up_to(step);
        let synced = match &mut self.state.metrics {
            Some(metrics) => metrics.sync(),
            None => Err(Error::new("nobody writes the metrics")),
        };
        // Whoever asked may have given up.
        let _ = answer.send(synced);
    }

    /// Rates of before do not count for what trains now.
    fn groups(&mut self, groups: Vec<GroupState>, factor: f64) {
        if self.shared.lock().status.groups != groups {
            self.state.rates = Rates::default();
        }
        self.change(|status| (status.groups, status.rate_factor) = (groups, factor));
    }

    fn change(&self, change: impl FnOnce(&mut crate::protocol::Status)) {
        let mut history = self.shared.lock();
        let mut status = history.status.clone();
        change(&mut status);
        history.set_status(status);
    }

    fn write_step(&mut self, record: &Record) {
        let step = &record.step;
        let phase = self.phases.get(record.phase as usize).cloned().unwrap_or_default();
        self.write(&Event::Step(crate::protocol::Step {
            phase,
            step: step.step,
            loss: shortest(step.loss),
            learning_rate: shortest(step.learning_rate),
            gradient_norm: shortest(step.gradient_norm),
            tokens_per_second: shortest(step.tokens_per_second),
            seconds: step.seconds,
            changes: step.changes.into(),
            pull: step.pull.map(shortest),
        }));
    }

    /// Writes to the metrics; a disk that fails is said once, and training goes on.
    fn write(&mut self, event: &Event) {
        let Some(metrics) = &mut self.state.metrics else { return };
        let written = match event {
            Event::Step(_) | Event::Evaluation(_) | Event::Rewound(_) => metrics.record(event),
            _ => metrics.flush(),
        };
        self.check(written);
    }

    /// A disk that fails is said once, until it works again; training goes on.
    fn check(&mut self, written: crate::Result<()>) {
        match written {
            Ok(()) => {
                if self.state.failed.take().is_some() {
                    self.say("steps are written to the disk again".into());
                }
            }
            Err(error) => {
                if self.state.failed.replace(error.to_string()).is_none() {
                    self.say(format!("steps cannot be written to the disk: {error}"));
                }
            }
        }
    }

    fn report_losses(&mut self) {
        let lost = self.lost.load(Ordering::Relaxed);
        if lost > self.state.lost {
            self.say(format!("{} steps were not recorded: the recorder fell behind", lost - self.state.lost));
            self.state.lost = lost;
        }
    }

    fn say(&self, text: String) {
        let phase = self.state.phase.as_ref().map(|phase| phase.name.clone());
        let mut history = self.shared.lock();
        let step = history.status.step;
        history.push(Event::Notice(Notice { phase, step, text }));
    }

    /// Once a second: writes what waits, and looks at the memory of the process; returns whether what is shown changed.
    fn once_a_second(&mut self) -> bool {
        if self.state.looked_at.is_some_and(|then| then.elapsed() < Duration::from_secs(1)) {
            return false;
        }
        self.state.looked_at = Some(Instant::now());
        // What is written may wait in memory for a second, and no longer.
        if let Some(metrics) = &mut self.state.metrics {
            let flushed = metrics.flush();
            self.check(flushed);
        }
        // To a mebibyte: small changes are no news.
        let resident = memory::resident_bytes().map(|bytes| bytes >> 20 << 20);
        let changed = self.shared.lock().status.resident_bytes != resident;
        self.change(|status| status.resident_bytes = resident);
        changed
    }
}

/// A time that does not jump about while it is read.
fn calm(seconds: f64) -> f64 {
    if seconds > 60.0 { (seconds / 5.0).round() * 5.0 } else { seconds }
}

/// A single-precision figure as the shortest decimal that means it.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(value as f64)
}

/// Steps that were done when it happened.
pub fn step_of(event: &Event) -> u64 {
    match event {
        Event::Phase(phase) => phase.first_step.saturating_sub(1),
        Event::Step(step) => step.step,
        Event::Evaluation(evaluation) => evaluation.step,
        Event::Checkpoint(saved) => saved.step,
        Event::Notice(notice) => notice.step,
        Event::Steered(steered) => steered.step,
        Event::Guarded(guarded) => guarded.step,
        Event::Rewound(rewound) => rewound.step,
        Event::Resumed(resumed) => resumed.step,
        Event::Begun(_) => 0,
        Event::Failed(failed) => failed.step,
        Event::Finished(finished) => finished.steps,
    }
}

impl Rates {
    fn add(&mut self, record: &Record, phase: Option<&Phase>) {
        let rate = record.step.tokens_per_second as f64;
        if !(rate.is_finite() && rate > 0.0) {
            return;
        }
        let smooth = |old: Option<f64>, new: f64| Some(old.map_or(new, |old| 0.9 * old + 0.1 * new));
        match record.sampling {
            true => self.sampling = smooth(self.sampling, rate),
            false => self.quiet = smooth(self.quiet, rate),
        }
        if let Some(phase) = phase {
            let seconds = (phase.context * phase.batch) as f64 / rate;
            self.steps = (self.steps + 1).min(PACE_STEPS);
            let before = self.step_seconds.unwrap_or(seconds);
            self.step_seconds = Some(before + (seconds - before) / f64::from(self.steps));
        }
    }

    fn cost(&self) -> Option<f64> {
        self.sampling.zip(self.quiet).map(|(sampling, quiet)| sampling / quiet)
    }
}

#[cfg(test)]
mod tests {
    use super::super::history::History;
    use super::super::testing::{evaluation, record, rewound, status, welcome};
    use super::*;
    use crate::protocol::Message;
    use ringbuf::traits::{Producer, Split};
    use ringbuf::{HeapProd, HeapRb};

    fn recorder(shared: &Arc<Shared>) -> (Recorder, HeapProd<Record>, Sender<Note>) {
        let (producer, ring) = HeapRb::new(64).split();
        let (sender, notes) = std::sync::mpsc::channel();
        let recorder = Recorder {
            shared: shared.clone(),
            ring,
            notes,
            lost: Arc::default(),
            done: Arc::new(AtomicBool::new(true)),
            phases: vec!["a".into()],
            state: Tally::default(),
        };
        (recorder, producer, sender)
    }

    fn push(producer: &mut HeapProd<Record>, steps: std::ops::RangeInclusive<u64>) {
        for step in steps {
            let tokens_per_second = if step > 5 { 50.0 } else { 100.0 };
            let step = StepRecord { tokens_per_second, ..record(step) };
            producer.try_push(Record { step, phase: 0, sampling: step.step > 5 }).unwrap();
        }
    }

    #[test]
    fn steps_and_events_stand_in_the_order_in_which_they_happened() {
        let shared = Arc::new(Shared::new(History::new(welcome(), status())));
        let (mut recorder, mut producer, sender) = recorder(&shared);
        push(&mut producer, 1..=10);
        sender.send(Note::Event(evaluation(10))).unwrap();
        recorder.lost.store(3, Ordering::Relaxed);
        recorder.round();
        let history = shared.lock();
        assert_eq!(history.steps.len(), 10);
        assert_eq!((history.status.step, history.status.learning_rate), (10, 0.5));
        assert!((history.status.sampling_cost.unwrap() - 0.5).abs() < 1e-9);
        assert!(
            matches!(&history.events[..], [Event::Evaluation(_), Event::Notice(n)] if n.text.starts_with("3 steps"))
        );
        let mut cursor = Default::default();
        assert!(matches!(history.next(&mut cursor), Some(Message::Welcome(_))));
    }

    #[test]
    fn steps_after_going_back_wait_for_the_note_that_says_so() {
        let shared = Arc::new(Shared::new(History::new(welcome(), status())));
        let (mut recorder, mut producer, sender) = recorder(&shared);
        push(&mut producer, 1..=9);
        push(&mut producer, 5..=6);
        // The note is late: it comes after the ring was looked into.
        recorder.round();
        assert_eq!(shared.lock().steps.step.last(), Some(&9));
        sender.send(Note::Event(rewound(9, 4, "undid: froze a"))).unwrap();
        recorder.round();
        assert_eq!(shared.lock().steps.step, [1, 2, 3, 4, 5, 6]);
        // Where no note comes at all, nothing waits forever.
        push(&mut producer, 2..=2);
        recorder.round();
        recorder.round();
        assert_eq!(shared.lock().steps.len(), 7);
    }

    #[test]
    fn a_length_is_that_of_the_steps_before_and_needs_a_file() {
        let shared = Arc::new(Shared::new(History::new(welcome(), status())));
        let (mut recorder, mut producer, sender) = recorder(&shared);
        push(&mut producer, 1..=9);
        let (answer, answered) = std::sync::mpsc::channel();
        recorder.flush(4, &answer);
        assert_eq!(shared.lock().steps.len(), 4);
        assert!(answered.try_recv().unwrap().is_err());
        drop(sender);
    }
}
