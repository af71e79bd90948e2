//! Answers prompts while training goes on: several lanes side by side, each with its weights, on one core. Lanes of the
//! same weights go through them together.

mod lane;
mod limits;
mod mix;

use crate::corpus::tokenizer::Tokenizer;
use crate::model::Decoder;
use crate::protocol::{LaneEnd, LaneEnded, SampleAnswer, SampleAsk};
use crate::{Context, Result};
use lane::{OneModel, Voice};
use mix::{Ends, LastBlend};
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
    /// Asked again with the same share, a blend is there already.
    last: LastBlend,
}

impl Sampler {
    pub fn new() -> Result<Self> {
        let pool = ThreadPoolBuilder::new().num_threads(1).thread_name(|_| "sampler".into()).build();
        Ok(Self {
            pool: pool.map_err(|error| error.to_string()).what(|| "cannot start the sampler".into())?,
            last: LastBlend::default(),
        })
    }

    /// Answers with every lane in turn, a token each, until all have ended or `cancel` is set. A lane that fails ends
    /// alone. Returns when all is said; every lane has then ended exactly once.
    pub fn answer(&self, ask: &SampleAsk, weights: &dyn Weights, cancel: &AtomicBool, reply: &mut Reply) {
        self.pool.install(|| answer(ask, &Ends::new(weights, &self.last), cancel, reply));
    }
}

fn answer(ask: &SampleAsk, ends: &Ends, cancel: &AtomicBool, reply: &mut Reply) {
    if let Err(refusal) = limits::check(ask) {
        // However many lanes were asked for.
        for lane in 0..ask.lanes.len().clamp(1, limits::LANES) {
            reply(ended(lane, LaneEnd::Failed(refusal.to_string()), 0.0));
        }
        return;
    }
    let mut models = open(ask, ends, cancel, reply);
    while !models.is_empty() {
        models.retain_mut(|OneModel { generator, lanes }| {
            lanes.retain_mut(|lane| {
                let end = match cancel.load(Ordering::Relaxed) {
                    true => Some(LaneEnd::Cancelled),
                    false => {
                        lane.advance(generator, reply).unwrap_or_else(|error| Some(LaneEnd::Failed(error.to_string())))
                    }
                };
                if let Some(end) = &end {
                    let rate = lane.stop(generator, reply);
                    reply(ended(lane.lane(), end.clone(), rate));
                }
                end.is_none()
            });
            !lanes.is_empty()
        });
    }
}

/// Gets the weights of all lanes; those that get none end here.
fn open(ask: &SampleAsk, ends: &Ends, cancel: &AtomicBool, reply: &mut Reply) -> Vec<OneModel> {
    // Checkpoints, which take time to read, come last: what is live is asked for when the answer begins.
    let mut order: Vec<usize> = (0..ask.lanes.len()).collect();
    order.sort_by_key(|&index| !mix::is_at_hand(&ask.lanes[index]));
    let mut voices: Vec<(usize, Voice)> = Vec::new();
    for index in order {
        let lane = &ask.lanes[index];
        let same = voices.iter().find(|(other, _)| ask.lanes[*other] == *lane).map(|(_, voice)| voice.clone());
        let voice = match (cancel.load(Ordering::Relaxed), same) {
            (true, _) => Err(LaneEnd::Cancelled),
            (false, Some(voice)) => Ok(voice),
            (false, None) => Voice::of(lane, ends).map_err(|error| LaneEnd::Failed(error.to_string())),
        };
        match voice {
            Ok(voice) => voices.push((index, voice)),
            Err(end) => reply(ended(index, end, 0.0)),
        }
    }
    let mut models = Vec::new();
    for voices in by_decoder(voices) {
        let lanes: Vec<usize> = voices.iter().map(|(lane, _)| *lane).collect();
        match OneModel::new(ask, voices) {
            Ok(model) => models.push(model),
            Err(error) => {
                lanes.into_iter().for_each(|lane| reply(ended(lane, LaneEnd::Failed(error.to_string()), 0.0)));
            }
        }
    }
    models
}

/// Lanes that have one and the same decoder in memory, together.
fn by_decoder(voices: Vec<(usize, Voice)>) -> Vec<Vec<(usize, Voice)>> {
    let mut together: Vec<Vec<(usize, Voice)>> = Vec::new();
    for (lane, voice) in voices {
        let is_same = |lanes: &&mut Vec<(usize, Voice)>| Arc::ptr_eq(&lanes[0].1.decoder, &voice.decoder);
        match together.iter_mut().find(is_same) {
            Some(lanes) => lanes.push((lane, voice)),
            None => together.push(vec![(lane, voice)]),
        }
    }
    together
}

fn ended(lane: usize, why: LaneEnd, tokens_per_second: f64) -> SampleAnswer {
    SampleAnswer::Ended(LaneEnded { lane: lane as u32, why, tokens_per_second })
}

#[cfg(test)]
mod tests;
