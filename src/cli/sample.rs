//! `frostline sample`: checkpoints go on from prompts, side by side.

mod fill;
mod conversation;

use super::side_by_side::Columns;
use super::{Place, output};
use crate::corpus::tokenizer::Tokenizer;
use crate::error::Kind;
use crate::model::{Decoder, Storage};
use crate::ops::Precision;
use crate::run::checkpoint::Named;
use crate::run::device;
use crate::sample::{Ended, Generator, Sampling, Writer, Written};
use crate::{Context, Error, Result};
use conversation::{Beginning, Conversation};
use serde::Serialize;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// More lanes than this are written one after the other, not in columns.
const MOST_COLUMNS: usize = 6;
/// Each takes room for its keys and values.
const MOST_ANSWERS: u64 = 256;

#[derive(clap::Args)]
pub struct Arguments {
    /// Models' folders, RUN, RUN@STEP, RUN@PHASE or RUN@best; or blend:A:B:SHARE, average:A:B…, graft:BASE:LIVE:LAYERS
    /// with such names inside, where a colon is written \:
    #[arg(required = true)]
    checkpoints: Vec<String>,
    /// What to go on from, or, for an encoder, a text with [MASK] in it; - reads it from standard input; can be given several times
    #[arg(long, value_name = "TEXT", required = true)]
    prompt: Vec<String>,
    /// Answers to each prompt, under the seeds from --seed on
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MOST_ANSWERS))]
    count: u64,
    #[command(flatten)]
    conversation: Conversation,
    #[arg(long, default_value_t = 100, value_name = "N")]
    max_tokens: usize,
    /// 0 always takes the likeliest token
    #[arg(long, default_value_t = 0.8, value_name = "T", allow_negative_numbers = true)]
    temperature: f64,
    /// Choose among the K likeliest tokens only; 0 for all. For an encoder, how many are named for each mask [there: 5]
    #[arg(long, default_value_t = 0, value_name = "K")]
    top_k: usize,
    /// Choose among the likeliest tokens that make up this probability
    #[arg(long, default_value_t = 0.95, value_name = "P", allow_negative_numbers = true)]
    top_p: f64,
    /// Choose among tokens at least M times as likely as the likeliest only; 0 for all
    #[arg(long, default_value_t = 0.0, value_name = "M", allow_negative_numbers = true)]
    min_p: f64,
    /// Above 1 makes tokens that stand in the text already less likely
    #[arg(long, default_value_t = 1.0, value_name = "R", allow_negative_numbers = true)]
    repetition_penalty: f64,
    /// End the answer before this text; can be given several times
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// Store matrices in bf16 or f16 instead of f32: once they are read they take half the memory, and a token less time where
    /// reading them is what it takes. Products are then in bf16 with bf16 (where the processor can), in f32 with f16 and f32;
    /// without this, as the checkpoint was trained
    #[arg(long, value_name = "W")]
    weights: Option<Storage>,
    /// Lanes under the same seed draw the same random numbers
    #[arg(long, default_value_t = 0, value_name = "S")]
    seed: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// A checkpoint, and all of its answers, which are written in one pass for each token.
struct Model<'a> {
    name: &'a str,
    path: Named,
    decoder: Arc<Decoder>,
    tokenizer: Arc<Tokenizer>,
    generator: Generator,
}

/// One answer: of a checkpoint, to a prompt, under a seed.
struct Lane {
    /// Among the models, and among the answers of that model.
    model: usize,
    index: usize,
    /// What tells it from the other lanes.
    title: String,
    /// As the checkpoint reads it.
    prompt: String,
    seed: u64,
    writer: Writer,
    text: String,
    token_ids: Vec<u32>,
}

/// All models and their answers.
struct Lanes<'a> {
    models: Vec<Model<'a>>,
    lanes: Vec<Lane>,
    /// Of encoders.
    fills: Vec<fill::Fill>,
}

#[derive(Serialize)]
struct Report<'a> {
    lanes: Vec<LaneReport<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    fills: &'a [fill::Fill],
}

#[derive(Serialize)]
struct LaneReport<'a> {
    checkpoint: &'a str,
    prompt: &'a str,
    seed: u64,
    text: &'a str,
    token_ids: &'a [u32],
    /// `stopped` by the model, `stop_text`, `complete`, `full` (no room in the model's context), or `interrupted`.
    ended: &'static str,
}

pub fn run(arguments: &Arguments, place: &Place) -> Result<()> {
    let prompts = prompts_of(arguments)?;
    let mut lanes = Lanes { models: Vec::new(), lanes: Vec::new(), fills: Vec::new() };
    for name in &arguments.checkpoints {
        lanes.open(name, &prompts, arguments, place)?;
    }
    match arguments.json {
        true => {
            lanes.write(|_| Ok(()))?;
            output::write_json(&lanes.report())?;
        }
        false => {
            fill::show(&lanes.fills)?;
            if !lanes.lanes.is_empty() {
                show(&mut lanes)?;
            }
        }
    }
    match lanes.lanes.iter().all(|lane| lanes.ended(lane).is_some()) {
        true => Ok(()),
        false => Err(Error { kind: Kind::Interrupted, ..Error::new("interrupted") }),
    }
}

fn sampling_of(arguments: &Arguments, seed: u64) -> Sampling {
    Sampling {
        temperature: arguments.temperature,
        top_k: arguments.top_k,
        top_p: arguments.top_p,
        min_p: arguments.min_p,
        repetition_penalty: arguments.repetition_penalty,
        seed,
    }
}

fn prompts_of(arguments: &Arguments) -> Result<Vec<String>> {
    sampling_of(arguments, 0).validate()?;
    let answers = (arguments.checkpoints.len() * arguments.prompt.len()) as u64 * arguments.count;
    if answers > MOST_ANSWERS {
        return Err(Error::usage(format!("{answers} answers are too many at once"))
            .because(format!("checkpoints times prompts times --count can be {MOST_ANSWERS}"))
            .next("ask for some of them first, and for the others then"));
    }
    if arguments.prompt.iter().filter(|prompt| *prompt == "-").count() > 1 {
        return Err(Error::usage("standard input can be one prompt only"));
    }
    arguments.conversation.check()?;
    arguments.prompt.iter().map(|prompt| prompt_of(prompt)).collect()
}

fn prompt_of(prompt: &str) -> Result<String> {
    let mut prompt = prompt.to_string();
    if prompt == "-" {
        prompt.clear();
        std::io::stdin().read_to_string(&mut prompt).what(|| "cannot read the prompt from standard input".into())?;
        // The line's end belongs to the terminal, not to the prompt.
        if prompt.ends_with('\n') {
            prompt.pop();
        }
    }
    Ok(prompt)
}

impl<'a> Lanes<'a> {
    /// The weights of a checkpoint; one that is named again is read once.
    fn weights(&self, path: &Named, storage: Option<Storage>, place: &Place) -> Result<(Arc<Decoder>, Arc<Tokenizer>)> {
        if let Some(model) = self.models.iter().find(|model| model.path == *path) {
            return Ok((model.decoder.clone(), model.tokenizer.clone()));
        }
        let (mut decoder, tokenizer) = path.open(&place.device)?;
        if let Some(storage) = storage {
            decoder.store(storage, |_| true)?;
            let wanted = if storage == Storage::Bf16 { Precision::Bf16 } else { Precision::F32 };
            let (precision, notice) = device::products(&place.device, wanted);
            notice.iter().for_each(|notice| output::note(notice));
            decoder.parameters.precision = precision;
        }
        Ok((Arc::new(decoder), Arc::new(tokenizer)))
    }

    /// Adds a checkpoint with all of its answers.
    fn open(&mut self, name: &'a str, prompts: &[String], arguments: &Arguments, place: &Place) -> Result<()> {
        let path = Named::find(name, &place.home)?;
        let (decoder, tokenizer) = self.weights(&path, arguments.weights, place)?;
        if decoder.config.family.is_encoder() {
            self.fills.extend(fill::answers(name, &decoder, &tokenizer, prompts, arguments)?);
            return Ok(());
        }
        let (model, mut tasks) = (self.models.len(), Vec::new());
        for (number, prompt) in prompts.iter().enumerate() {
            for seed in (0..arguments.count).map(|offset| arguments.seed.wrapping_add(offset)) {
                let of_prompt = (prompts.len() > 1).then(|| format!("prompt {}", number + 1));
                let of_seed = (arguments.count > 1).then(|| format!("seed {seed}"));
                let title = [Some(name.to_string()), of_prompt, of_seed].into_iter().flatten().collect::<Vec<_>>();
                let (index, sampling) = (tasks.len(), sampling_of(arguments, seed));
                let Beginning { task, text, stop } =
                    arguments.conversation.begin(prompt, &tokenizer, sampling, arguments.max_tokens)?;
                let stop = arguments.stop.iter().cloned().chain(stop).collect();
                tasks.push(task);
                self.lanes.push(Lane {
                    model,
                    index,
                    title: title.join(", "),
                    prompt: text,
                    seed,
                    writer: Writer::new(index, tokenizer.clone(), stop, None),
                    text: String::new(),
                    token_ids: Vec::new(),
                });
            }
        }
        let generator = Generator::new(decoder.clone(), tasks)?;
        for number in 0..prompts.len() {
            let left_out = generator.answer(number * arguments.count as usize).left_out;
            if left_out > 0 {
                let which = if prompts.len() > 1 { format!("prompt {}", number + 1) } else { "the prompt".into() };
                output::note(&format!("note: {name}: the first {left_out} tokens of {which} do not fit its context"));
            }
        }
        self.models.push(Model { name, path, decoder, tokenizer, generator });
        Ok(())
    }

    fn ended(&self, lane: &Lane) -> Option<Ended> {
        self.models[lane.model].generator.answer(lane.index).ended
    }

    /// Lets every lane write a token in turn until all have ended; `shown` is called after each round.
    fn write(&mut self, mut shown: impl FnMut(&[Lane]) -> Result<()>) -> Result<()> {
        let cancel = super::interruption()?;
        let is_cancelled = || cancel.load(Ordering::Relaxed);
        for model in &mut self.models {
            // A long prompt is read in pieces, between which it can be given up.
            while !is_cancelled() && !model.generator.read()? {}
        }
        let mut writing = true;
        while writing && !is_cancelled() {
            writing = false;
            for lane in &mut self.lanes {
                writing |= lane.advance(&mut self.models[lane.model].generator)?;
            }
            shown(&self.lanes)?;
        }
        for lane in &mut self.lanes {
            let rest = lane.writer.finish();
            lane.take(rest);
        }
        shown(&self.lanes)
    }

    fn report(&self) -> Report<'_> {
        Report { lanes: self.lanes.iter().map(|lane| self.lane_report(lane)).collect(), fills: &self.fills }
    }

    fn lane_report<'b>(&'b self, lane: &'b Lane) -> LaneReport<'b> {
        LaneReport {
            checkpoint: self.models[lane.model].name,
            prompt: &lane.prompt,
            seed: lane.seed,
            text: &lane.text,
            token_ids: &lane.token_ids,
            ended: match self.ended(lane) {
                Some(Ended::Stopped) => "stopped",
                Some(Ended::StopText) => "stop_text",
                Some(Ended::Full) => "full",
                Some(Ended::Complete) => "complete",
                None => "interrupted",
            },
        }
    }
}

impl Lane {
    /// Whether it goes on after this.
    fn advance(&mut self, generator: &mut Generator) -> Result<bool> {
        let tokens = self.writer.advance(generator)?;
        self.take(tokens);
        Ok(generator.answer(self.index).ended.is_none())
    }

    fn take(&mut self, tokens: Vec<Written>) {
        for token in tokens {
            self.text += &token.text;
            self.token_ids.push(token.id);
        }
    }

    fn shown(&self) -> String {
        output::printable(&format!("{}{}", self.prompt, self.text))
    }
}

/// One lane is a stream of text; several are columns; many come one after the other, when they are finished.
fn show(lanes: &mut Lanes) -> Result<()> {
    let titles: Vec<String> = lanes.lanes.iter().map(|lane| output::printable(&lane.title)).collect();
    if let [lane] = &lanes.lanes[..] {
        let mut written = 0;
        output::write(&output::printable(&lane.prompt))?;
        lanes.write(|lanes| {
            let text = &lanes[0].text;
            let new = &text[written..];
            written = text.len();
            output::write(&output::printable(new))
        })?;
        return output::write("\n");
    }
    let texts = |lanes: &[Lane]| lanes.iter().map(Lane::shown).collect::<Vec<_>>();
    if titles.len() <= MOST_COLUMNS {
        let mut columns = Columns::new(titles);
        lanes.write(|lanes| columns.draw(&texts(lanes)))?;
        return columns.finish(&texts(&lanes.lanes));
    }
    lanes.write(|_| Ok(()))?;
    let block = |(title, text): (String, String)| output::write(&format!("── {title} ──\n{text}\n\n"));
    titles.into_iter().zip(texts(&lanes.lanes)).try_for_each(block)
}
