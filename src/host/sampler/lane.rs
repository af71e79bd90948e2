//! One lane of an answer.

use super::Reply;
use super::mix::Ends;
use crate::corpus::chat::{Message, Role};
use crate::corpus::tokenizer::Tokenizer;
use crate::model::Decoder;
use crate::protocol::{Lane, LaneEnd, LaneStarted, SampleAnswer, SampleAsk, SampleSettings, SampledToken};
use crate::run::chat::of_checkpoint;
use crate::sample::{Ended, Generator, Sampling, Task, Writer, Written};
use crate::{Error, Result};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Likeliest tokens that are reported with each.
const ALTERNATIVES: usize = 8;
/// Between two replies with tokens.
const INTERVAL: Duration = Duration::from_millis(30);

/// Weights that a lane answers with.
#[derive(Clone)]
pub struct Voice {
    pub decoder: Arc<Decoder>,
    tokenizer: Arc<Tokenizer>,
    /// Words for what they are.
    description: String,
}

impl Voice {
    pub fn of(lane: &Lane, ends: &Ends) -> Result<Self> {
        // The tokenizer first: before the run has one it has no weights either, and to ask for those may take long.
        let own = |get: &dyn Fn() -> Result<(Arc<Decoder>, String)>| {
            let tokenizer = ends.weights.tokenizer()?;
            get().map(|(decoder, text)| (decoder, tokenizer, text))
        };
        let (decoder, tokenizer, description) = match lane {
            Lane::Base => own(&|| ends.base())?,
            Lane::Live => own(&|| ends.live())?,
            Lane::Blend(share) => own(&|| ends.blend(*share))?,
            Lane::Graft(graft) => own(&|| ends.graft(graft))?,
            Lane::Checkpoint(name) => ends.weights.checkpoint(name)?,
        };
        Ok(Self { decoder, tokenizer, description })
    }

    /// What is answered, and the text that ends the answer besides those that were asked for.
    fn task(&self, prompt: &str, settings: &SampleSettings, sampling: Sampling) -> Result<(Task, Option<String>)> {
        let limit = settings.max_tokens as usize;
        if !settings.chat {
            return Ok((Task::of_text(&self.tokenizer, prompt, sampling, limit)?, None));
        }
        let chat = of_checkpoint(&self.tokenizer)?;
        let prompt = chat.prompt(&[Message { role: Role::User, content: prompt.into() }])?;
        Task::of_conversation(&self.tokenizer, &chat, &prompt, sampling, limit)
    }
}

/// Lanes that answer with the same weights, and so in the same passes.
pub struct OneModel {
    pub generator: Generator,
    pub lanes: Vec<Writing>,
}

impl OneModel {
    /// For lanes, by their place in the request, that all have the same decoder; at least one. Nothing is read yet.
    pub fn new(ask: &SampleAsk, voices: Vec<(usize, Voice)>) -> Result<Self> {
        let settings = &ask.settings;
        let (mut tasks, mut lanes, mut decoder) = (Vec::new(), Vec::new(), None);
        for (lane, voice) in voices {
            let sampling = sampling(settings);
            let (task, ending) = voice.task(&ask.prompt, settings, sampling)?;
            let stop = settings.stop.iter().cloned().chain(ending).collect();
            lanes.push(Writing {
                lane: lane as u32,
                index: tasks.len(),
                weights: voice.description,
                writer: Writer::new(tasks.len(), voice.tokenizer.clone(), stop, Some(ALTERNATIVES)),
                tokenizer: voice.tokenizer,
                prompt_tokens: task.prompt.len(),
                began: None,
                written: 0,
                waiting: Vec::new(),
                sent: None,
            });
            tasks.push(task);
            decoder = Some(voice.decoder);
        }
        let decoder = decoder.ok_or_else(|| Error::new("no lane is to answer"))?;
        Ok(Self { generator: Generator::new(decoder, tasks)?.with_prompt_perplexity(), lanes })
    }
}

/// A lane that has its weights.
pub struct Writing {
    lane: u32,
    /// Its place in the generator.
    index: usize,
    weights: String,
    tokenizer: Arc<Tokenizer>,
    writer: Writer,
    prompt_tokens: usize,
    /// Since the prompt was read.
    began: Option<Instant>,
    /// Tokens that were written, and those of them that are not sent yet.
    written: usize,
    waiting: Vec<SampledToken>,
    sent: Option<Instant>,
}

impl Writing {
    /// Its place in the request.
    pub fn lane(&self) -> usize {
        self.lane as usize
    }

    /// Reads a piece of the prompts, or writes a token. Returns why the lane has ended, once it has.
    pub fn advance(&mut self, generator: &mut Generator, reply: &mut Reply) -> Result<Option<LaneEnd>> {
        if self.began.is_none() {
            if generator.read()? {
                self.began = Some(Instant::now());
                let answer = generator.answer(self.index);
                reply(SampleAnswer::Started(LaneStarted {
                    lane: self.lane,
                    weights: std::mem::take(&mut self.weights),
                    prompt_perplexity: answer.prompt_perplexity(),
                    prompt_tokens: self.prompt_tokens as u64,
                    left_out: answer.left_out as u64,
                }));
            }
            return Ok(None);
        }
        let tokens = self.writer.advance(generator)?;
        self.take(tokens);
        if self.sent.is_none_or(|sent| sent.elapsed() >= INTERVAL) {
            self.send(reply);
        }
        Ok(generator.answer(self.index).ended.map(|ended| match ended {
            Ended::Stopped => LaneEnd::EndOfText,
            Ended::StopText => LaneEnd::StopText,
            Ended::Complete => LaneEnd::Complete,
            Ended::Full => LaneEnd::ContextFull,
        }))
    }

    /// Sends what was written and not sent; returns tokens a second. The lanes beside it go on without it.
    pub fn stop(&mut self, generator: &mut Generator, reply: &mut Reply) -> f64 {
        if generator.answer(self.index).ended.is_none() {
            generator.end(self.index, Ended::Complete);
        }
        let rest = self.writer.finish();
        self.take(rest);
        self.send(reply);
        let seconds = self.began.map_or(0.0, |began| began.elapsed().as_secs_f64());
        if seconds > 0.0 { self.written as f64 / seconds } else { 0.0 }
    }

    fn take(&mut self, tokens: Vec<Written>) {
        self.written += tokens.len();
        for Written { id, text, report } in tokens {
            let (probability, entropy, alternatives) =
                report.map_or((f32::NAN, f32::NAN, Vec::new()), |r| (r.probability, r.entropy, r.alternatives));
            let spell = |(id, share): (u32, f32)| (self.tokenizer.decode(&[id]), share);
            let alternatives = alternatives.into_iter().map(spell).collect();
            self.waiting.push(SampledToken { id, text, probability, entropy, alternatives });
        }
    }

    fn send(&mut self, reply: &mut Reply) {
        if !self.waiting.is_empty() {
            self.sent = Some(Instant::now());
            reply(SampleAnswer::Tokens { lane: self.lane, tokens: std::mem::take(&mut self.waiting) });
        }
    }
}

/// The settings in the words of the generator.
fn sampling(settings: &SampleSettings) -> Sampling {
    Sampling {
        temperature: settings.temperature,
        top_k: settings.top_k as usize,
        top_p: settings.top_p,
        min_p: settings.min_p,
        repetition_penalty: settings.repetition_penalty,
        seed: settings.seed,
    }
}
