//! The training thread's side: carries the plan out, leaves records in the ring, and takes orders between steps.

use super::corpus::CorpusService;
use super::orders::{Order, Reply, Weights};
use super::recorder::{Note, Record};
use crate::corpus::progress::Progress;
use crate::model::Decoder;
use crate::protocol::{self, Answer, Command, Event, Preparation, State, StepRecord, Undoable};
use crate::run::Observer;
use crate::run::execute::{Outcome, PhaseRun, Preparations};
use crate::run::folder::Metrics;
use crate::{Error, Result};
use ringbuf::HeapProd;
use ringbuf::traits::Producer;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Groups are measured this often at most…
const MEASURE_PERIOD: Duration = Duration::from_secs(1);
/// …and for at most this share of the time.
const MEASURE_SHARE: f64 = 0.01;
/// How often a paused run looks whether it is to stop.
const PAUSE_PERIOD: Duration = Duration::from_millis(100);
/// How long weights that were handed out are kept for the next question.
const KEPT: Duration = Duration::from_secs(10);

/// What is there of a run besides its numbers: for the threads that answer questions.
#[derive(Default)]
pub struct Shelf {
    pub preparations: Option<Preparations>,
    /// The weights that the phase that ended last left behind, and the step.
    pub last: Option<Weights>,
    /// The weights that the phase started from.
    pub base: Option<Arc<Decoder>>,
}

/// A shelf that threads share.
pub type SharedShelf = Arc<Mutex<Shelf>>;

/// Watches a run on the training thread.
pub struct Trainer {
    pub ring: HeapProd<Record>,
    pub notes: Sender<Note>,
    pub orders: Receiver<Order>,
    pub lost: Arc<AtomicU64>,
    pub sampling: Arc<AtomicU32>,
    pub cancel: Arc<AtomicBool>,
    pub shelf: SharedShelf,
    pub corpus: Arc<CorpusService>,
    /// Is woken when there is an answer to pass on.
    pub recorder: std::thread::Thread,
    pub state: Progressing,
}

/// What the trainer remembers from step to step.
#[derive(Default)]
pub struct Progressing {
    /// The place of the phase in the plan.
    phase: u32,
    /// The step that was recorded last.
    newest: u64,
    measured_at: Option<(Instant, Duration)>,
    measured_step: u64,
    /// What was told last.
    told: Option<State>,
    /// The weights that were handed out last.
    handed_out: Option<HandedOut>,
    /// Something was changed by the plan, the journal or a guard: what is shown follows.
    is_stale: bool,
    /// Why the run is held, and what can be undone, as it was told last.
    held: Option<String>,
    undo: Option<Undoable>,
    /// Commands that wait until what was said before is done again.
    deferred: VecDeque<(Command, Reply)>,
    /// Who asked for the checkpoint of a step that is being written.
    saving: Vec<(u64, Reply)>,
}

/// Weights that were handed out, kept for a while so that questions in a row cost training one copy of what trains.
struct HandedOut {
    weights: Weights,
    made: Instant,
    took: Duration,
}

impl HandedOut {
    /// Young enough to stand for the weights of now: copying takes at most this share of the time.
    fn is_fresh(&self) -> bool {
        self.made.elapsed() < MEASURE_PERIOD.max(self.took.div_f64(MEASURE_SHARE))
    }
}

impl Trainer {
    fn note(&self, note: Note) {
        // The recorder outlives training; where it does not, nobody is left to tell.
        let _ = self.notes.send(note);
    }

    fn groups(&self, phase: &PhaseRun) {
        self.note(Note::Groups(phase.groups(), phase.rates().1));
    }

    /// Measures the groups when it is time, and there is a step to measure.
    fn measure(&mut self, phase: &PhaseRun) -> Result<()> {
        let due = self
            .state
            .measured_at
            .is_none_or(|(then, cost)| then.elapsed() > MEASURE_PERIOD.max(cost.div_f64(MEASURE_SHARE)));
        if !due || self.state.measured_step == phase.step() {
            return Ok(());
        }
        let started = Instant::now();
        self.note(Note::Reports(phase.measure()?));
        self.note(Note::Prefix(phase.prefix()));
        self.state.measured_at = Some((Instant::now(), started.elapsed()));
        self.state.measured_step = phase.step();
        Ok(())
    }

    /// The next order; waits for one while the phase is paused.
    fn next_order(&self, is_paused: bool) -> Option<Order> {
        if !is_paused {
            return self.orders.try_recv().ok();
        }
        match self.orders.recv_timeout(PAUSE_PERIOD) {
            Ok(order) => Some(order),
            Err(RecvTimeoutError::Timeout) => None,
            // Nobody is left who could say `continue`.
            Err(RecvTimeoutError::Disconnected) => {
                self.cancel.store(true, Ordering::Relaxed);
                None
            }
        }
    }

    fn carry_out(&mut self, order: Order, phase: &mut PhaseRun) {
        match order {
            Order::Steer(command, reply) => self.state.deferred.push_back((command, reply)),
            Order::Weights(reply) => {
                let _ = reply.send(self.weights(phase));
            }
        }
    }

    fn steer(&mut self, command: &Command, reply: Reply, phase: &mut PhaseRun) {
        if let Some(state) = working(command) {
            self.state(state);
        }
        let outcome = phase.steer(command);
        self.show_standing(phase);
        self.tell_changes(phase);
        self.state(if phase.stands_still() { State::Paused } else { State::Training });
        let answer = match outcome {
            Ok(Outcome::Done(effect)) => Answer::Applied { step: phase.step(), effect },
            // Training goes on while it is written.
            Ok(Outcome::Saving(step)) => return self.state.saving.push((step, reply)),
            Err(error) => Answer::Refused(error.to_string()),
        };
        self.answer(reply, answer);
    }

    /// It goes the way of what it answers for: whoever has the answer sees what came of it, and can undo it.
    fn answer(&mut self, reply: Reply, answer: Answer) {
        self.note(Note::Answer(reply, answer));
        self.recorder.unpark();
    }

    /// Answers who asked for the checkpoint of this step.
    fn answer_saved(&mut self, step: u64, answer: &Answer) {
        let (asked, rest) = std::mem::take(&mut self.state.saving).into_iter().partition(|(own, _)| *own == step);
        self.state.saving = rest;
        let asked: Vec<(u64, Reply)> = asked;
        asked.into_iter().for_each(|(_, reply)| self.answer(reply, answer.clone()));
    }

    /// What trains, and what was thrown out of the prefix cache where the frost line moved, is shown at once.
    fn show_standing(&mut self, phase: &PhaseRun) {
        self.state.is_stale = false;
        self.groups(phase);
        self.note(Note::Prefix(phase.prefix()));
    }

    /// Tells why the run is held and what can be undone, where that is news.
    fn tell_changes(&mut self, phase: &PhaseRun) {
        if self.state.is_stale {
            self.show_standing(phase);
        }
        if self.state.held.as_deref() != phase.held() {
            self.state.held = phase.held().map(str::to_string);
            self.note(Note::Held(self.state.held.clone()));
        }
        let undo = phase.undoable();
        if self.state.undo != undo {
            self.state.undo = undo.clone();
            self.note(Note::Undo(undo));
        }
    }

    /// The weights of now, or those of a moment ago while they are fresh.
    fn weights(&mut self, phase: &mut PhaseRun) -> Result<Weights> {
        let stands = |earlier: &&HandedOut| earlier.weights.step == phase.step() || earlier.is_fresh();
        if let Some(earlier) = self.state.handed_out.as_ref().filter(stands) {
            return Ok(earlier.weights.clone());
        }
        self.state.handed_out = None;
        let made = Instant::now();
        let weights = Weights { live: phase.weights()?, step: phase.step() };
        self.state.handed_out = Some(HandedOut { weights: weights.clone(), made, took: made.elapsed() });
        Ok(weights)
    }

    /// Gives the memory of weights back that nobody asked for in a while.
    fn forget_handed_out(&mut self) {
        self.state.handed_out.take_if(|weights| weights.made.elapsed() > KEPT && !weights.is_fresh());
    }
}

/// What the run does while it carries out a command that takes long.
fn working(command: &protocol::Command) -> Option<State> {
    match command {
        protocol::Command::Evaluate => Some(State::Evaluating),
        protocol::Command::Checkpoint => Some(State::Saving),
        _ => None,
    }
}

impl Observer for Trainer {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Step(step) => {
                self.state.newest = step.step;
                let sampling = self.sampling.load(Ordering::Relaxed) > 0;
                if self
                    .ring
                    .try_push(Record { step: StepRecord::from(step), phase: self.state.phase, sampling })
                    .is_err()
                {
                    self.lost.fetch_add(1, Ordering::Relaxed);
                }
            }
            event => {
                // An order of unfreezing that goes on is told by a notice.
                self.state.is_stale |= matches!(event, Event::Steered(_) | Event::Rewound(_) | Event::Notice(_));
                if let Event::Rewound(rewound) = event {
                    self.state.newest = rewound.to_step;
                }
                self.note(Note::Event(event.clone()));
                if let Event::Checkpoint(saved) = event {
                    let answer = Answer::Applied { step: saved.step, effect: format!("saved {}", saved.path) };
                    self.answer_saved(saved.step, &answer);
                }
            }
        }
    }

    fn waits(&self) -> bool {
        true
    }

    fn metrics_on_disk(&mut self) -> Option<Receiver<Result<u64>>> {
        let (sender, receiver) = channel();
        self.note(Note::Flushed(self.state.newest, sender));
        self.recorder.unpark();
        Some(receiver)
    }

    fn not_saved(&mut self, step: u64, why: &str) {
        self.answer_saved(step, &Answer::Refused(why.to_string()));
    }

    fn prepared(&mut self, preparations: &Preparations) {
        lock(&self.shelf).preparations = Some(preparations.clone());
        self.corpus.set_tokenizer(preparations.tokenizer.clone());
        self.corpus.set_chats(preparations.phases.iter().map(|phase| phase.chat.chat.clone()).collect());
    }

    fn state(&mut self, state: State) {
        if self.state.told.as_ref() != Some(&state) {
            self.state.told = Some(state.clone());
            self.note(Note::State(state));
        }
    }

    fn phase_begins(&mut self, phase: &PhaseRun) {
        let description = phase.describe();
        self.state.phase = description.index as u32;
        self.state.handed_out = None;
        lock(&self.shelf).base = phase.base();
        self.note(Note::Phase(description, phase.facts()));
        self.groups(phase);
    }

    fn keeps_base(&self) -> bool {
        true
    }

    fn metrics(&mut self, metrics: Metrics) -> Option<Metrics> {
        self.note(Note::Metrics(metrics));
        None
    }

    fn between_steps(&mut self, phase: &mut PhaseRun) -> Result<bool> {
        self.measure(phase)?;
        self.forget_handed_out();
        self.tell_changes(phase);
        // What is said now comes after what was said before.
        if !phase.is_catching_up()
            && let Some((command, reply)) = self.state.deferred.pop_front()
        {
            self.steer(&command, reply, phase);
            return Ok(true);
        }
        match self.next_order(phase.stands_still() && self.state.deferred.is_empty()) {
            Some(order) => {
                self.carry_out(order, phase);
                Ok(true)
            }
            None => Ok(false),
        }
    }

    fn phase_ended(&mut self, weights: Decoder, step: u64) {
        self.state.handed_out = None;
        self.note(Note::Prefix(None));
        lock(&self.shelf).last = Some(Weights { live: Arc::new(weights), step });
    }
}

pub fn lock(shelf: &Mutex<Shelf>) -> std::sync::MutexGuard<'_, Shelf> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows what is being prepared.
pub struct Preparing {
    notes: Mutex<Sender<Note>>,
    now: Mutex<Now>,
}

/// What is being prepared, and when it was last told.
#[derive(Default)]
struct Now {
    preparation: Preparation,
    told: Option<Instant>,
}

/// How often progress is told.
const PROGRESS_PERIOD: Duration = Duration::from_millis(100);

impl Preparing {
    pub fn new(notes: Sender<Note>) -> Self {
        Self { notes: Mutex::new(notes), now: Mutex::default() }
    }

    fn change(&self, at_once: bool, change: impl FnOnce(&mut Preparation)) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut now.preparation);
        if at_once || now.told.is_none_or(|then| then.elapsed() > PROGRESS_PERIOD) {
            now.told = Some(Instant::now());
            let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = notes.send(Note::State(State::Preparing(now.preparation.clone())));
        }
    }
}

impl Progress for Preparing {
    fn begin(&self, what: &str, total_bytes: Option<u64>) {
        let progress = total_bytes.map(|total| protocol::Progress { done: 0, total });
        self.change(true, |now| *now = Preparation { what: what.to_string(), progress });
    }

    fn advance(&self, bytes: u64) {
        self.change(false, |now| {
            if let Some(progress) = &mut now.progress {
                progress.done = (progress.done + bytes).min(progress.total);
            }
        });
    }

    fn finish(&self) {
        self.change(true, |now| *now = Preparation::default());
    }
}

/// Weights between two steps, asked of the training thread; where it is over, those it left behind.
pub fn weights(orders: &std::sync::mpsc::SyncSender<Order>, shelf: &Mutex<Shelf>) -> Result<Weights> {
    let (sender, receiver) = std::sync::mpsc::channel();
    if orders.try_send(Order::Weights(sender)).is_ok()
        && let Ok(weights) = receiver.recv()
    {
        return weights;
    }
    lock(shelf).last.clone().ok_or_else(|| {
        Error::new("there are no weights yet").because("nothing trains").next("wait until the run is prepared")
    })
}
