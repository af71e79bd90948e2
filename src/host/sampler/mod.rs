//! Answers prompts while training goes on: several lanes side by side, with weights of their own, on one core.

mod lane;
mod limits;

use crate::corpus::tokenizer::Tokenizer;
use crate::model::Decoder;
use crate::protocol::{Lane, LaneEnd, LaneEnded, SampleAnswer, SampleAsk};
use crate::{Context, Result};
use lane::Writing;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where lanes get their weights. Each comes with words for what it is: `step 1240`, `new weights`.
pub trait Weights: Sync {
    /// What is being trained, as it stands between two steps: a copy that training no longer changes.
    fn live(&self) -> Result<(Arc<Decoder>, String)>;
    /// What the phase started from.
    fn base(&self) -> Result<(Arc<Decoder>, String)>;
    /// By the name a person gave it, with its own tokenizer.
    fn checkpoint(&self, name: &str) -> Result<(Arc<Decoder>, Arc<Tokenizer>, String)>;
    /// Of the run, for base and live.
    fn tokenizer(&self) -> Result<Arc<Tokenizer>>;
}

/// Takes parts of an answer as they come.
pub type Reply<'a> = dyn FnMut(SampleAnswer) + Send + 'a;

/// Writes answers, one prompt at a time.
///
/// Everything a model computes on the CPU goes through rayon, in the pool that its caller is in: the kernels here by
/// parallel iterators, matrix products by `gemm`, which asks for the threads of that same pool. In a pool of one thread
/// an answer therefore takes one core from training, and never more.
pub struct Sampler {
    pool: ThreadPool,
}

impl Sampler {
    pub fn new() -> Result<Self> {
        let pool = ThreadPoolBuilder::new().num_threads(1).thread_name(|_| "sampler".into()).build();
        Ok(Self { pool: pool.map_err(|error| error.to_string()).what(|| "cannot start the sampler".into())? })
    }

    /// Answers with every lane in turn, a token each, until all have ended or `cancel` is set. A lane that fails ends
    /// alone. Returns when all is said; every lane has then ended exactly once.
    pub fn answer(&self, ask: &SampleAsk, weights: &dyn Weights, cancel: &AtomicBool, reply: &mut Reply) {
        self.pool.install(|| answer(ask, weights, cancel, reply));
    }
}

fn answer(ask: &SampleAsk, weights: &dyn Weights, cancel: &AtomicBool, reply: &mut Reply) {
    if let Err(refusal) = limits::check(ask) {
        // However many lanes were asked for.
        for lane in 0..ask.lanes.len().clamp(1, limits::LANES) {
            reply(ended(lane, LaneEnd::Failed(refusal.to_string()), 0.0));
        }
        return;
    }
    // Checkpoints are read from the disk: the other lanes write meanwhile.
    let mut order: Vec<usize> = (0..ask.lanes.len()).collect();
    order.sort_by_key(|&index| matches!(ask.lanes[index], Lane::Checkpoint(_)));
    let mut lanes: Vec<(usize, Option<Writing>)> = order.into_iter().map(|index| (index, None)).collect();
    while !lanes.is_empty() {
        lanes.retain_mut(|(index, writing)| {
            let end = match cancel.load(Ordering::Relaxed) {
                true => Some(LaneEnd::Cancelled),
                false => turn(*index, writing, ask, weights, reply)
                    .unwrap_or_else(|error| Some(LaneEnd::Failed(error.to_string()))),
            };
            if let Some(end) = &end {
                let rate = writing.as_mut().map_or(0.0, |writing| writing.stop(reply));
                reply(ended(*index, end.clone(), rate));
            }
            end.is_none()
        });
    }
}

/// One piece of work for a lane: getting its weights, reading a piece of the prompt, or writing a token.
fn turn(
    index: usize,
    writing: &mut Option<Writing>,
    ask: &SampleAsk,
    weights: &dyn Weights,
    reply: &mut Reply,
) -> Result<Option<LaneEnd>> {
    match writing {
        Some(writing) => writing.advance(reply),
        None => {
            *writing = Some(Writing::open(index, ask, weights)?);
            Ok(None)
        }
    }
}

fn ended(lane: usize, why: LaneEnd, tokens_per_second: f64) -> SampleAnswer {
    SampleAnswer::Ended(LaneEnded { lane: lane as u32, why, tokens_per_second })
}

#[cfg(test)]
mod tests;
