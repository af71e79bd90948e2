//! The threads that answer questions beside training: which weights they use, and what they tell the client.

use super::corpus::{BatchSource, Scorer, batch_view, masked_batch_view, surprises};
use super::history::Shared;
use super::orders::Order;
use super::sampler::{Sampler, Weights};
use super::server::Service;
use super::trainer::{self, SharedShelf, lock};
use crate::corpus::tokenizer::Tokenizer;
use crate::model::Decoder;
use crate::protocol::{Answer, Event, Lane, LaneEnd, LaneEnded, Message, SampleAnswer, SampleAsk};
use crate::run::execute::Preparations;
use crate::run::plan::Objective;
use crate::run::{Plan, checkpoint};
use crate::{Context, Error, Result};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use tokio::sync::mpsc;

/// Prompts that may wait for the sampler.
pub const MOST_PROMPTS: usize = 8;

/// A prompt, and who asked.
pub struct Prompt {
    pub id: u64,
    pub ask: SampleAsk,
    pub cancel: Arc<AtomicBool>,
    pub outbox: mpsc::Sender<Message>,
    /// Room in the outbox for the end of each lane: it is told whatever else is not read.
    pub ends: Vec<mpsc::OwnedPermit<Message>>,
    /// Called when all is said.
    pub done: Box<dyn FnOnce() + Send + Sync>,
}

impl Prompt {
    fn say(&mut self, answer: SampleAnswer) {
        let is_end = matches!(answer, SampleAnswer::Ended(_));
        let message = Message::Answer { id: self.id, answer: Answer::Sample(answer) };
        match if is_end { self.ends.pop() } else { None } {
            Some(room) => drop(room.send(message)),
            // A client that does not read what it asked for does not want it: the sampler waits for nobody.
            None if self.outbox.try_send(message).is_err() => self.cancel.store(true, Ordering::Relaxed),
            None => {}
        }
    }

    /// Says of every lane that it cannot be answered.
    pub fn refuse(mut self, why: &str) {
        for lane in 0..self.ask.lanes.len().max(1) as u32 {
            self.say(SampleAnswer::Ended(LaneEnded { lane, why: LaneEnd::Failed(why.into()), tokens_per_second: 0.0 }));
        }
        (self.done)();
    }
}

/// The way to the sampler thread, and its other end.
pub fn prompts() -> (SyncSender<Prompt>, Receiver<Prompt>) {
    sync_channel(MOST_PROMPTS)
}

/// Answers prompts until the service is gone.
pub fn answer_prompts(service: &Weak<Service>, prompts: &Receiver<Prompt>) {
    let sampler = Sampler::new();
    for mut prompt in prompts {
        let Some(service) = service.upgrade() else { return };
        let sampler = match &sampler {
            Ok(sampler) => sampler,
            Err(error) => {
                prompt.refuse(&error.to_string());
                continue;
            }
        };
        let lanes = prompt.ask.lanes.len() as u32;
        service.count_sampling(|count| count + lanes);
        let (ask, cancel) = (prompt.ask.clone(), prompt.cancel.clone());
        sampler.answer(&ask, &FromRun(&service), &cancel, &mut |answer| prompt.say(answer));
        service.count_sampling(|count| count.saturating_sub(lanes));
        (prompt.done)();
    }
}

/// Weights of a run: the live ones from between two steps, the base, and any checkpoint on the disk.
pub struct FromRun<'a>(pub &'a Service);

impl Weights for FromRun<'_> {
    fn live(&self) -> Result<(Arc<Decoder>, String)> {
        let weights = trainer::weights(&self.0.orders, &self.0.shelf)?;
        Ok((weights.live, format!("step {}", weights.step)))
    }

    fn base(&self) -> Result<(Arc<Decoder>, String)> {
        let name = self.0.shared.lock().status.phase.as_ref().and_then(|phase| phase.base.clone());
        let name = name.map_or("new weights".into(), |path| name_of(Path::new(&path)));
        Ok((lock(&self.0.shelf).base.clone().ok_or_else(no_base)?, name))
    }

    fn checkpoint(&self, name: &str) -> Result<(Arc<Decoder>, Arc<Tokenizer>, String)> {
        let named = checkpoint::Named::find(name, &self.0.work.home)?;
        let (decoder, tokenizer) = named.open(&self.0.work.device)?;
        Ok((Arc::new(decoder), Arc::new(tokenizer), words_of(&named)))
    }

    fn tokenizer(&self) -> Result<Arc<Tokenizer>> {
        let preparations = lock(&self.0.shelf).preparations.clone();
        let phase = self.0.shared.lock().status.phase.as_ref().map(|phase| phase.index);
        // With the chat template of the phase that trains.
        let of_phase = |preparations: Preparations| {
            let data = phase.and_then(|index| preparations.phases.get(index));
            data.map_or(&preparations.tokenizer, |data| data.chat.tokenizer_or(&preparations.tokenizer)).clone()
        };
        preparations.map(of_phase).ok_or_else(|| {
            Error::new("there is no tokenizer yet").because("the run is being prepared").next("ask again in a moment")
        })
    }
}

/// Scores text with a run's weights, on one core like lanes.
pub fn scorer(orders: SyncSender<Order>, shelf: SharedShelf) -> Result<impl Scorer> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).thread_name(|_| "surprise".into()).build();
    let pool = pool.map_err(|error| error.to_string()).what(|| "cannot start a thread to score text".into())?;
    Ok(move |lane: &Lane, tokens: &[u32]| {
        let (decoder, name) = match lane {
            Lane::Live => {
                let weights = trainer::weights(&orders, &shelf)?;
                (weights.live, format!("live, step {}", weights.step))
            }
            Lane::Base => (lock(&shelf).base.clone().ok_or_else(no_base)?, "base θ*".to_string()),
            Lane::Checkpoint(_) | Lane::Blend(_) | Lane::Graft(_) => {
                return Err(Error::new(format!("{lane} is not at hand to score text")).next("choose live or base"));
            }
        };
        if decoder.config.family.is_encoder() {
            return Err(Error::new("an encoder has no surprise to show")
                .because("it sees what comes after a token, too, and knows only hidden ones")
                .next("see its masked accuracy and pseudo-perplexity on the graphs"));
        }
        Ok((name, pool.install(|| surprises(&decoder, tokens))?))
    })
}

/// Makes the batch of any step that was made or will be made in a phase that began.
pub fn batches(shared: Arc<Shared>, plan: Plan, shelf: SharedShelf) -> impl BatchSource {
    move |step: u64| {
        let begun = shared.lock().events.iter().rev().find_map(|event| match event {
            Event::Phase(phase) if phase.first_step <= step => Some((phase.phase.clone(), phase.first_step)),
            _ => None,
        });
        let (phase, first) = begun.ok_or_else(|| Error::new(format!("no phase has a step {step} yet")))?;
        let place = plan.phases.iter().position(|own| own.name == phase);
        let preparations = lock(&shelf).preparations.clone();
        let found =
            place.zip(preparations).and_then(|(place, all)| Some((all.phases.get(place)?.clone(), all.tokenizer)));
        let (data, tokenizer) = found.ok_or_else(|| {
            Error::new("the run's data is not at hand").because("it is being read").next("ask again in a moment")
        })?;
        let batch = data.batches.batch(step - first)?;
        let hides = |index: usize| plan.phases[index].objective == Objective::Mlm;
        let labels = data.score.as_ref().map_or(&[][..], |score| score.labels());
        match place.is_some_and(|place| hides(place) || plan.ancestors(place).into_iter().any(hides)) {
            true => masked_batch_view(step, &phase, &batch, &tokenizer, labels),
            false => batch_view(step, &phase, &batch, &tokenizer, labels),
        }
    }
}

fn no_base() -> Error {
    Error::new("the base is not at hand")
        .because("no phase has begun yet, or its checkpoint is no longer there")
        .next("wait until training begins, or choose another lane")
}

/// What a lane's weights are, beside the name it was given.
fn words_of(named: &checkpoint::Named) -> String {
    use checkpoint::Named;
    match named {
        Named::One(path) => name_of(path),
        Named::Blend { base, tuned: live, .. } | Named::Graft { base, live, .. } => {
            format!("{} → {}", name_of(base), name_of(live))
        }
        Named::Average(paths) => format!("mean of {}", paths.len()),
    }
}

/// `pretrain, step 1500`, or the folder's name where Frostline did not write it.
fn name_of(path: &Path) -> String {
    match checkpoint::state(path) {
        Some(state) => format!("{}, step {}", state.phase, state.step),
        None => path.file_name().map_or(path.display().to_string(), |name| name.to_string_lossy().into_owned()),
    }
}
