//! A host from its start to its end: who takes the lock, trains or reads the run's records, and serves clients.

use super::answering;
use super::corpus::CorpusService;
use super::history::{History, Shared};
use super::orders::{MOST_WAITING, Order};
use super::recorder::{Note, RING, Recorder, Tally};
use super::relatives::Relatives;
use super::rewind;
use super::server::{self, Service};
use super::trainer::{Preparing, Progressing, SharedShelf, Trainer};
use super::{HostPlace, Lock};
use crate::error::Kind;
use crate::protocol::{Event, Preparation, State, Status, VERSION, Welcome};
use crate::run::execute::{Beginning, Request, find_beginning, go_on};
use crate::run::folder::RunFolder;
use crate::run::plan::{self, Overrides};
use crate::run::records::{Records, Undone};
use crate::run::{Home, Plan, records};
use crate::{Context, Error, Result};
use candle_core::Device;
use ringbuf::HeapRb;
use ringbuf::traits::Split;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::thread::JoinHandle;

/// What a host serves, and with what.
#[derive(Clone)]
pub struct Work {
    pub home: Home,
    pub device: Device,
    pub device_name: String,
    /// The run's folder, with its plan.
    pub run: PathBuf,
    /// Whether a run that has begun is gone on with, rather than shown as it is; and from which step's checkpoint.
    pub resume: Option<Resume>,
    /// How long a host that has nothing left to do waits for clients.
    pub patience: std::time::Duration,
    /// Set from outside to end it: signals.
    pub stop: Arc<AtomicBool>,
}

/// Where a run is taken up again: at the checkpoint of a step, or the newest whole one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resume {
    pub at: Option<u64>,
}

/// Serves a run until it is stopped, or is over and nobody looks any more. A run that has not begun is carried out; one
/// that has is shown as it is. The lock is held all the while.
pub fn serve(work: &Work) -> Result<()> {
    serve_with(work, None)
}

/// The same with a client in this process over a connection that is handed in; the host ends when that one does.
pub fn serve_here(work: &Work, own: UnixStream) -> Result<()> {
    serve_with(work, Some(own))
}

fn serve_with(work: &Work, own: Option<UnixStream>) -> Result<()> {
    let place = HostPlace::of(&work.run);
    place.create()?;
    let _lock = Lock::take(&place)?;
    let listener = server::listen(&place)?;
    let host = Host::start(work)?;
    let served = server::run(listener, own, &host.service, work);
    let _ = std::fs::remove_file(place.socket());
    let trained = host.end(work);
    served.and(trained)
}

/// The threads of a host, and how the one that trains ended.
struct Host {
    service: Arc<Service>,
    threads: Vec<JoinHandle<Result<()>>>,
}

impl Host {
    fn start(work: &Work) -> Result<Self> {
        let plan = plan::load(&work.run.join("plan.toml").to_string_lossy(), &Overrides::default())?;
        let name = work.run.file_name().map_or(plan.name.clone(), |name| name.to_string_lossy().into_owned());
        let shown = records::read(&work.run)?;
        let begun = has_begun(&shown) && work.resume.is_none();
        let (records, taken_up) = match begun {
            true => (shown, None),
            false => take_up(work)?,
        };
        let mut history = History::new(welcome(work, &plan, &name), first_status(&name, begun, &records.events));
        history.status.step = records.steps.step.last().copied().unwrap_or(0);
        for Undone { rewound, steps, evaluations } in &records.undone {
            history.keep_undone(rewind::branch(steps, evaluations, rewound));
        }
        history.steps = records.steps;
        history.events = records.events;
        let shared = Arc::new(Shared::new(history));
        let (orders, waiting) = sync_channel(MOST_WAITING);
        let shelf = SharedShelf::default();
        let sampling = Arc::new(AtomicU32::new(0));
        let cancel = Arc::new(AtomicBool::new(false));
        let corpus = Arc::new(CorpusService::new(work.home.clone(), &plan)?);
        corpus.set_scorer(Box::new(answering::scorer(orders.clone(), shelf.clone())?));
        corpus.set_batches(Arc::new(answering::batches(shared.clone(), plan.clone(), shelf.clone())));
        let (service, prompts) =
            Service::new(work, shared.clone(), corpus, orders, shelf.clone(), sampling.clone(), cancel.clone());
        service.set_family(Arc::new(Relatives::new(work.home.clone(), work.run.clone())));
        let service = Arc::new(service);
        let parts =
            Parts { work: work.clone(), plan, shared, waiting, shelf, sampling, cancel, service: service.clone() };
        let threads = match taken_up {
            None => super::reopen::start(parts)?,
            Some(taken_up) => train(parts, taken_up)?,
        };
        // It ends when the last prompt can have been asked: nobody waits for it.
        let asked = Arc::downgrade(&service);
        drop(spawn("sampler", move || answering::answer_prompts(&asked, &prompts))?);
        Ok(Self { service, threads })
    }

    /// Waits for the threads. That a person stopped the run is no failure, unless by a signal.
    fn end(self, work: &Work) -> Result<()> {
        self.service.cancel();
        let mut outcome = Ok(());
        for thread in self.threads {
            let ended = thread.join().map_err(|_| Error::new("a thread of the host ended in a panic"));
            outcome = outcome.and(ended.flatten());
        }
        let by_signal = work.stop.load(Ordering::Relaxed);
        outcome.or_else(|error| if error.kind == Kind::Interrupted && !by_signal { Ok(()) } else { Err(error) })
    }
}

/// A run's folder, and where it goes on.
type TakenUp = (RunFolder, Beginning);

/// What is known of a run up to where it goes on, and everything to go on with.
fn take_up(work: &Work) -> Result<(Records, Option<TakenUp>)> {
    let (mut folder, entries) = RunFolder::open(&work.run)?;
    let beginning = find_beginning(&mut folder, entries, work.resume.and_then(|resume| resume.at))?;
    Ok((records::of(&work.run, beginning.events())?, Some((folder, beginning))))
}

/// Whether anything was trained: a run that ended before its first step starts anew.
fn has_begun(records: &Records) -> bool {
    !records.steps.is_empty() || records.events.iter().any(|event| matches!(event, Event::Checkpoint(_)))
}

/// What the threads of a host are made from.
pub(super) struct Parts {
    pub work: Work,
    pub plan: Plan,
    pub shared: Arc<Shared>,
    pub waiting: Receiver<Order>,
    pub shelf: SharedShelf,
    pub sampling: Arc<AtomicU32>,
    pub cancel: Arc<AtomicBool>,
    pub service: Arc<Service>,
}

fn welcome(work: &Work, plan: &Plan, name: &str) -> Welcome {
    let sources = plan.phases.iter().flat_map(|phase| {
        let own = phase.corpus.iter().map(|corpus| corpus.path.clone()).chain(phase.probes.iter().cloned());
        own.map(|path| (path, phase.name.clone()))
    });
    let mut listed: Vec<(String, String)> = Vec::new();
    for (path, phase) in sources {
        if !listed.iter().any(|(other, _)| *other == path) {
            listed.push((path, phase));
        }
    }
    Welcome {
        version: VERSION,
        run: name.to_string(),
        path: work.run.display().to_string(),
        plan: plan.to_toml().unwrap_or_default(),
        phases: plan.phases.iter().map(|phase| phase.name.clone()).collect(),
        parents: (0..plan.phases.len()).map(|index| plan.parent(index)).collect(),
        sources: listed,
        device: work.device_name.clone(),
        process: std::process::id(),
        absence: None,
    }
}

fn first_status(name: &str, begun: bool, events: &[Event]) -> Status {
    let starting = || State::Preparing(Preparation { what: "starting".into(), progress: None });
    Status::new(name, if begun { end_state(events) } else { starting() })
}

/// Where a run stands that nobody trains.
fn end_state(events: &[Event]) -> State {
    match events.last() {
        Some(Event::Finished(_)) => State::Finished,
        Some(Event::Failed(failed)) => State::Failed(failed.error.clone()),
        _ => State::Stopped,
    }
}

/// Starts the training thread and the recorder.
fn train(parts: Parts, taken_up: TakenUp) -> Result<Vec<JoinHandle<Result<()>>>> {
    let (producer, ring) = HeapRb::new(RING).split();
    let (notes, received) = channel();
    let (lost, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let recorder = Recorder {
        shared: parts.shared.clone(),
        ring,
        notes: received,
        lost: lost.clone(),
        done: done.clone(),
        phases: parts.plan.phases.iter().map(|phase| phase.name.clone()).collect(),
        state: Tally::default(),
    };
    let service = parts.service.clone();
    let recording = spawn("recorder", move || {
        recorder.run();
        service.training_is_over();
        Ok(())
    })?;
    let trainer = Trainer {
        ring: producer,
        notes: notes.clone(),
        orders: parts.waiting,
        lost,
        sampling: parts.sampling,
        cancel: parts.cancel.clone(),
        shelf: parts.shelf,
        corpus: parts.service.corpus.clone(),
        recorder: recording.thread().clone(),
        state: Progressing::default(),
    };
    let (work, plan) = (parts.work, parts.plan);
    let training = spawn("training", move || {
        let _end = End { done, notes: notes.clone() };
        let outcome = carry_out(&work, &plan, taken_up, trainer, &notes);
        let state = match &outcome {
            Ok(()) => State::Finished,
            Err(error) if error.kind == Kind::Interrupted => State::Stopped,
            Err(error) => State::Failed(error.to_string()),
        };
        let _ = notes.send(Note::State(state));
        outcome
    })?;
    Ok(vec![training, recording])
}

fn carry_out(
    work: &Work,
    plan: &Plan,
    (folder, beginning): TakenUp,
    mut trainer: Trainer,
    notes: &Sender<Note>,
) -> Result<()> {
    let preparing = Preparing::new(notes.clone());
    let cancel = trainer.cancel.clone();
    let (device, home) = (&work.device, &work.home);
    let request = Request { plan, name: None, device, home, progress: &preparing, cancel: &cancel, until: None };
    go_on(folder, beginning, &request, &mut trainer).map(|_| ())
}

/// Says that training is over when it is dropped, however it ended.
struct End {
    done: Arc<AtomicBool>,
    notes: Sender<Note>,
}

impl Drop for End {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self
                .notes
                .send(Note::State(State::Failed("the training thread ended in a panic: see host/log".into())));
        }
        self.done.store(true, Ordering::Release);
    }
}

pub(super) fn spawn<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>> {
    std::thread::Builder::new().name(name.into()).spawn(work).what(|| format!("cannot start the {name} thread"))
}
