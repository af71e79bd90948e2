//! The threads that answer questions beside training: which weights they use, and what they tell the client.

use super::sampler::{Sampler, Weights};
use super::server::Service;
use super::trainer::{self, lock};
use crate::corpus::tokenizer::Tokenizer;
use crate::model::Decoder;
use crate::protocol::{Answer, LaneEnd, LaneEnded, Message, SampleAnswer, SampleAsk};
use crate::run::checkpoint;
use crate::{Error, Result};
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
    /// Called when all is said.
    pub done: Box<dyn FnOnce() + Send + Sync>,
}

impl Prompt {
    fn say(&self, answer: SampleAnswer) {
        let message = Message::Answer { id: self.id, answer: Answer::Sample(answer) };
        // A client that does not read what it asked for does not want it: the sampler waits for nobody.
        if self.outbox.try_send(message).is_err() {
            self.cancel.store(true, Ordering::Relaxed);
        }
    }

    /// Says of every lane that it cannot be answered.
    pub fn refuse(self, why: &str) {
        for lane in 0..self.ask.lanes.len() as u32 {
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
    for prompt in prompts {
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
        let cancel = prompt.cancel.clone();
        sampler.answer(&prompt.ask, &FromRun(&service), &cancel, &mut |answer| prompt.say(answer));
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
        let weights = trainer::weights(&self.0.orders, &self.0.shelf)?;
        let name = self.0.shared.lock().status.phase.as_ref().and_then(|phase| phase.base.clone());
        let name = name.map_or("new weights".into(), |path| name_of(Path::new(&path)));
        let base = weights.base.ok_or_else(|| {
            Error::new("the base is not at hand").because("its checkpoint is not where the phase found it")
        })?;
        Ok((base, name))
    }

    fn checkpoint(&self, name: &str) -> Result<(Arc<Decoder>, Arc<Tokenizer>, String)> {
        let path = checkpoint::resolve(name, &self.0.work.home)?;
        let (decoder, tokenizer) = checkpoint::open(&path, &self.0.work.device)?;
        Ok((Arc::new(decoder), Arc::new(tokenizer), name_of(&path)))
    }

    fn tokenizer(&self) -> Result<Arc<Tokenizer>> {
        let preparations = lock(&self.0.shelf).preparations.clone();
        preparations.map(|preparations| preparations.tokenizer).ok_or_else(|| {
            Error::new("there is no tokenizer yet").because("the run is being prepared").next("ask again in a moment")
        })
    }
}

/// `pretrain, step 1500`, or the folder's name where Frostline did not write it.
fn name_of(path: &Path) -> String {
    match checkpoint::state(path) {
        Some(state) => format!("{}, step {}", state.phase, state.step),
        None => path.file_name().map_or(path.display().to_string(), |name| name.to_string_lossy().into_owned()),
    }
}
