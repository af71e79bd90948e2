//! One client's requests: who answers each, and which of them still run.

use super::answering::Prompt;
use super::server::Service;
use crate::protocol::{Ask, Message, Request};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// Where a client's requests arrive.
pub struct Desk {
    service: Arc<Service>,
    outbox: mpsc::Sender<Message>,
    /// Requests that still run, and how each is told to stop.
    running: Arc<Mutex<HashMap<u64, Arc<AtomicBool>>>>,
}

impl Desk {
    pub fn new(service: Arc<Service>, outbox: mpsc::Sender<Message>) -> Self {
        Self { service, outbox, running: Arc::default() }
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
            ask => self.service.answer_at_once(request.id, ask, &self.outbox),
        }
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
