//! One client's requests: who answers each, and which of them still run.

use super::answering::Prompt;
use super::range_test;
use super::server::Service;
use crate::protocol::{Answer, Ask, CorpusAnswer, CorpusAsk, Message, RangeAsk, Request};
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
/// Requests of one client that may run or wait at once.
const MOST_WAITING: usize = 64;
/// As many lanes as the sampler takes.
const MOST_LANES: usize = 8;

impl Desk {
    pub fn new(service: Arc<Service>, outbox: mpsc::Sender<Message>) -> Self {
        Self { service, outbox, running: Arc::default(), lookups: Arc::new(Semaphore::new(MOST_LOOKUPS)) }
    }

    /// Takes a request. Room for its answer is kept from the start: a client that does not read what it asked for is
    /// not read either.
    pub async fn take(&self, request: Request) {
        let Request { id, ask } = request;
        match ask {
            Ask::Cancel(id) => {
                if let Some(cancel) = self.running().get(&id) {
                    cancel.store(true, Ordering::Relaxed);
                }
            }
            Ask::Sample(ask) => {
                let lanes = ask.lanes.len().clamp(1, MOST_LANES);
                let Some(ends) = self.room(lanes).await else { return };
                let (cancel, done) = self.begin(id);
                let outbox = self.outbox.clone();
                self.service.sample(Prompt { id, ask, cancel, outbox, ends, done: Box::new(done) });
            }
            Ask::Corpus(ask) => self.look_up(id, ask),
            Ask::RangeTest(ask) => self.test_rates(id, ask),
            ask => {
                let Some(room) = self.room(1).await.and_then(|mut rooms| rooms.pop()) else { return };
                self.service.answer_at_once(ask, move |answer| drop(room.send(Message::Answer { id, answer })));
            }
        }
    }

    /// Room for so many answers; `None` once the client is gone.
    async fn room(&self, answers: usize) -> Option<Vec<mpsc::OwnedPermit<Message>>> {
        let mut rooms = Vec::with_capacity(answers);
        for _ in 0..answers {
            rooms.push(self.outbox.clone().reserve_owned().await.ok()?);
        }
        Some(rooms)
    }

    /// Answers a question about text in a thread of its own, when one is free for this client.
    fn look_up(&self, id: u64, ask: CorpusAsk) {
        let (cancel, done) = self.begin(id);
        let (corpus, outbox, lookups) = (self.service.corpus.clone(), self.outbox.clone(), self.lookups.clone());
        let waiting = self.running().len() > MOST_WAITING;
        tokio::spawn(async move {
            if waiting {
                let answer = Answer::Corpus(CorpusAnswer::Failed("too many questions wait already".into()));
                let _ = outbox.send(Message::Answer { id, answer }).await;
                return done();
            }
            let Ok(permit) = lookups.acquire_owned().await else { return };
            tokio::task::spawn_blocking(move || {
                // The thread waits for a client that does not read; one that is gone needs no more.
                let mut reply = |answer| {
                    if outbox.blocking_send(Message::Answer { id, answer: Answer::Corpus(answer) }).is_err() {
                        cancel.store(true, Ordering::Relaxed);
                    }
                };
                corpus.answer(&ask, &cancel, &mut reply);
                done();
                drop(permit);
            });
        });
    }

    /// Tests rates in a thread of its own; the host has room for one test at a time.
    fn test_rates(&self, id: u64, ask: RangeAsk) {
        let (cancel, done) = self.begin(id);
        let (service, outbox) = (self.service.clone(), self.outbox.clone());
        tokio::task::spawn_blocking(move || {
            let mut reply = |answer| {
                if outbox.blocking_send(Message::Answer { id, answer: Answer::RangeTest(answer) }).is_err() {
                    cancel.store(true, Ordering::Relaxed);
                }
            };
            range_test::answer(&service, &ask, &cancel, &mut reply);
            done();
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
