//! A set of data held against a base before anything is trained: how hard the base finds it beside what it learned from, and
//! how far the two texts are from each other to its tokenizer.

use super::checkpoint;
use super::data;
use super::eval_set::{EvalSet, Reading};
use super::folder;
use super::home::Home;
use super::mismatch::{self, Distance};
use super::plan::{self, Objective, Overrides, Plan};
use crate::corpus::chat::Chat;
use crate::corpus::progress::Progress;
use crate::corpus::tokenizer::Tokenizer;
use crate::learn::TextScore;
use crate::model::Decoder;
use crate::{Error, Result};
use candle_core::Device;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// No window is longer, whatever the model could read.
const LONGEST_WINDOW: usize = 1024;

/// A checkpoint that data is held against.
pub struct Base {
    /// As it was given.
    pub name: String,
    path: PathBuf,
    decoder: Arc<Decoder>,
    pub tokenizer: Tokenizer,
}

/// How the sets are read.
pub struct Sets<'a> {
    /// What is new to the base: a path, or `world:SET`.
    pub own: &'a str,
    /// What it learned from; `None` for the data of the run that it belongs to.
    pub known: Option<&'a str>,
    pub chat: Option<Arc<Chat>>,
    pub skip_broken: bool,
    /// At most about so many tokens of each are measured.
    pub tokens: usize,
    pub home: &'a Home,
    pub progress: &'a dyn Progress,
    pub cancel: &'a AtomicBool,
}

/// What was found.
#[derive(Debug, Serialize)]
pub struct Against {
    pub base: String,
    /// What the base learned from: a phase of its run, or a set.
    pub known: String,
    /// On the new set, and on what is known.
    pub loss: Figures,
    pub known_loss: Figures,
    #[serde(flatten)]
    pub distance: Distance,
    /// What it means, and what to try; empty where nothing speaks against the set.
    pub advice: Vec<String>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Figures {
    /// Predicted.
    pub tokens: u64,
    /// Mean negative log-likelihood, nats per token.
    pub loss: f64,
    pub perplexity: f64,
    pub bits_per_byte: Option<f64>,
}

impl From<TextScore> for Figures {
    fn from(score: TextScore) -> Self {
        let (tokens, loss, perplexity) = (score.tokens, score.loss(), score.perplexity());
        Self { tokens, loss, perplexity, bits_per_byte: score.bits_per_byte() }
    }
}

/// A set as the base reads it.
struct Measured {
    name: String,
    score: TextScore,
    /// Tokens, without special ones.
    stretches: Vec<Vec<u32>>,
}

impl Base {
    /// Errors: no such checkpoint, or an encoder, whose loss on text is another one.
    pub fn open(name: &str, home: &Home, device: &Device) -> Result<Self> {
        let path = checkpoint::resolve(name, home)?;
        let (decoder, tokenizer) = checkpoint::open(&path, device)?;
        if decoder.config.family.is_encoder() {
            return Err(Error::new(format!("{name} is an encoder"))
                .because("it fills masks, and gives a text no likelihood")
                .next("give a base that goes on with texts, or measure the encoder with eval --text"));
        }
        Ok(Self { name: name.into(), path, decoder: Arc::new(decoder), tokenizer })
    }

    /// Holds a set against it.
    pub fn compare(&self, sets: &Sets) -> Result<Against> {
        let known = match sets.known {
            Some(known) => self.measure(known, sets)?,
            None => self.known_of_run(sets)?,
        };
        let own = self.measure(sets.own, sets)?;
        let distance = Distance::between(&own.stretches, &known.stretches, &self.tokenizer);
        let said = mismatch::about_loss(own.score.loss(), known.score.loss(), &known.name);
        let advice = said.into_iter().chain(distance.says(&known.name)).collect();
        let (loss, known_loss) = (own.score.into(), known.score.into());
        Ok(Against { base: self.name.clone(), known: known.name, loss, known_loss, distance, advice })
    }

    fn measure(&self, name: &str, sets: &Sets) -> Result<Measured> {
        let reading = Reading {
            tokenizer: &self.tokenizer,
            context: self.decoder.config.context.min(LONGEST_WINDOW),
            tokens: sets.tokens,
            template: None,
            chat: sets.chat.clone(),
            skip_broken: sets.skip_broken,
            home: sets.home,
            cancel: sets.cancel,
        };
        let set = EvalSet::open(name, &reading)?;
        let score = set.measure(&self.decoder, &self.tokenizer, sets.cancel, &|| ())?;
        Ok(Measured { name: name.into(), score, stretches: self.plain(set.rows()) })
    }

    fn plain<'t>(&self, stretches: impl Iterator<Item = &'t [u32]>) -> Vec<Vec<u32>> {
        let plain =
            |tokens: &[u32]| tokens.iter().copied().filter(|token| !self.tokenizer.is_special(*token)).collect();
        stretches.map(plain).collect()
    }

    /// The held-out part of what the base learned from in its run, on which no step was made.
    fn known_of_run(&self, sets: &Sets) -> Result<Measured> {
        let unknown = |why: String| {
            Error::new(format!("it is not known what {} learned from", self.name))
                .because(why)
                .next("name it: --known PATH, a file, a folder, or world:SET")
        };
        let state = checkpoint::state(&self.path);
        // In the run's folder stand its checkpoints' folder and its plan.
        let plan = self.path.ancestors().nth(2).map(|run| run.join(folder::PLAN)).filter(|plan| plan.is_file());
        let (state, plan) = state.zip(plan).ok_or_else(|| unknown("it belongs to no run".into()))?;
        let plan = plan::load(&plan.to_string_lossy(), &Overrides::default())?;
        let phase = plan.phases.iter().position(|phase| phase.name == state.phase);
        let phase = phase.ok_or_else(|| unknown(format!("its run has no phase {}", state.phase)))?;
        let index = of_text(&plan, phase);
        let mut plan = plan;
        plan.phases.truncate(index + 1);
        let context = data::Context {
            home: sets.home,
            config: Some(&self.decoder.config),
            seed: plan.seed,
            progress: sets.progress,
            cancel: sets.cancel,
        };
        let phases = data::load(&plan, &self.tokenizer, &context).map_err(|error| unknown(error.to_string()))?;
        let name = plan.phases[index].name.clone();
        let measure = match phases[index].held_out.first() {
            Some(suite) => suite.measure(&self.decoder, &self.tokenizer, sets.cancel)?,
            None => return Err(unknown(format!("its phase {name} holds nothing out"))),
        };
        let score = measure.ok_or_else(|| Error::new("interrupted"))?.score;
        let stretches = mismatch::stretches(&phases[index].material)?;
        Ok(Measured { name, score, stretches: self.plain(stretches.iter().map(Vec::as_slice)) })
    }
}

/// The nearest phase of running text that a checkpoint of phase `index` learned from, or else that phase.
fn of_text(plan: &Plan, index: usize) -> usize {
    let line = std::iter::once(index).chain(plan.ancestors(index));
    let mut of_text = line.filter(|place| plan.phases[*place].objective == Objective::Clm);
    of_text.next().unwrap_or(index)
}
