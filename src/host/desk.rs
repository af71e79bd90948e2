//! One client's requests: who answers each, and which of them still run.

use super::answering::Prompt;
use super::server::Service;
use crate::protocol::{Answer, Ask, CorpusAsk, Message, Request};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Semaphore, mpsc};

/// Where a client's requests arrive.
pub struct Desk {
    service: Arc<Service>,
    outbox: mpsc::Sender<Message>,
    /// Requests that still run, and how each is told to stop.
    running: Arc<Mutex<HashMap<u64, Arc<AtomicBool>>>>,
    lookups: Arc<Semaphore>,
}

/// Questions about text that are answered at once for one client.
const MOST_LOOKUPS: usize = 4;

impl Desk {
    pub fn new(service: Arc<Service>, outbox: mpsc::Sender<Message>) -> Self {
        Self { service, outbox, running: Arc::default(), lookups: Arc::new(Semaphore::new(MOST_LOOKUPS)) }
    }

    pub async fn take(&self, request: Request) {
        match request.ask {
            Ask::Cancel(id) => {
                if let Some(cancel) = self.running().get(&id) {
                    cancel.store(true, Ordering::Relaxed);
                }
            }
            Ask::Sample(ask) => {
                let (cancel, done) = self.begin(request.id);
                let outbox = self.outbox.clone();
                self.service.sample(Prompt { id: request.id, ask, cancel, outbox, done: Box::new(done) });
            }
            Ask::Corpus(ask) => self.look_up(request.id, ask).await,
            ask => self.service.answer_at_once(request.id, ask, &self.outbox),
        }
    }

    /// Answers a question about text in a thread of its own; while as many as a client may have at once are being
    /// answered, no more of its requests are read.
    async fn look_up(&self, id: u64, ask: CorpusAsk) {
        let Ok(permit) = self.lookups.clone().acquire_owned().await else { return };
        let (cancel, done) = self.begin(id);
        let (corpus, outbox) = (self.service.corpus.clone(), self.outbox.clone());
        tokio::task::spawn_blocking(move || {
            let mut reply = |answer| {
                // The thread waits for a client that does not read; one that is gone needs no more.
                if outbox.blocking_send(Message::Answer { id, answer: Answer::Corpus(answer) }).is_err() {
                    cancel.store(true, Ordering::Relaxed);
                }
            };
            corpus.answer(&ask, &cancel, &mut reply);
            done();
            drop(permit);
        });
    }

    /// Writes down that a request runs: how it is told to stop, and what to call when it is over.
    fn begin(&self, id: u64) -> (Arc<AtomicBool>, impl FnOnce() + Send + Sync + 'static) {
        let cancel = Arc::new(AtomicBool::new(false));
        self.running().insert(id, cancel.clone());
        let running = self.running.clone();
        let done = move || {
            running.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        };
        (cancel, done)
    }

    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<AtomicBool>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client is gone: nothing goes on for it.
    pub fn cancel_all(&self) {
        self.running().values().for_each(|cancel| cancel.store(true, Ordering::Relaxed));
    }
}
