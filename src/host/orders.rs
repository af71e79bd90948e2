//! What the training thread is asked between two steps.

use crate::Result;
use crate::model::Decoder;
use crate::protocol::{Answer, Command};
use std::sync::Arc;
use std::sync::mpsc::Sender;

/// Orders that may wait; more than a person can type in a step.
pub const MOST_WAITING: usize = 256;

/// One request to the training thread. It is answered exactly once, also when training ends before it is read.
pub enum Order {
    Steer(Command, Reply),
    /// A copy of the weights as they are between two steps, and the step.
    Weights(Sender<Result<Weights>>),
}

/// Weights that nobody changes.
#[derive(Clone)]
pub struct Weights {
    pub live: Arc<Decoder>,
    pub step: u64,
}

/// Takes one answer. Dropped without one, it answers that training is over.
pub struct Reply {
    send: Option<Box<dyn FnOnce(Answer) + Send>>,
}

impl Reply {
    pub fn new(send: impl FnOnce(Answer) + Send + 'static) -> Self {
        Self { send: Some(Box::new(send)) }
    }

    pub fn answer(mut self, answer: Answer) {
        if let Some(send) = self.send.take() {
            send(answer);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(send) = self.send.take() {
            send(Answer::Refused("training is over".into()));
        }
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reply")
    }
}
