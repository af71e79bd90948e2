//! `frostline sample`: checkpoints go on from one prompt, side by side.

use super::side_by_side::Columns;
use super::{Place, output};
use crate::corpus::chat::{self, Message, Role};
use crate::error::Kind;
use crate::run::checkpoint;
use crate::sample::{Ended, Generator, Sampling, Task, Writer, Written};
use crate::{Context, Error, Result};
use serde::Serialize;
use std::io::Read;
use std::sync::Arc;

#[derive(clap::Args)]
pub struct Arguments {
    /// Models' folders, RUN, RUN@STEP, RUN@PHASE or RUN@best
    #[arg(required = true)]
    checkpoints: Vec<String>,
    /// What to go on from; - reads it from standard input
    #[arg(long, value_name = "TEXT")]
    prompt: String,
    /// The prompt is a message of a user, for models that were tuned on conversations
    #[arg(long)]
    chat: bool,
    #[arg(long, default_value_t = 100, value_name = "N")]
    max_tokens: usize,
    /// 0 always takes the likeliest token
    #[arg(long, default_value_t = 0.8, value_name = "T", allow_negative_numbers = true)]
    temperature: f64,
    /// Choose among the K likeliest tokens only; 0 for all
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
    /// Lanes under the same seed draw the same random numbers
    #[arg(long, default_value_t = 0, value_name = "S")]
    seed: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// One checkpoint being sampled.
struct Lane<'a> {
    name: &'a str,
    writer: Writer,
    text: String,
    token_ids: Vec<u32>,
}

#[derive(Serialize)]
struct Report<'a> {
    lanes: Vec<LaneReport<'a>>,
}

#[derive(Serialize)]
struct LaneReport<'a> {
    checkpoint: &'a str,
    text: &'a str,
    token_ids: &'a [u32],
    /// `stopped` by the model, `stop_text`, `complete`, `full` (no room in the model's context), or `interrupted`.
    ended: &'static str,
}

pub fn run(arguments: &Arguments, place: &Place) -> Result<()> {
    let prompt = prompt_of(arguments)?;
    let sampling = Sampling {
        temperature: arguments.temperature,
        top_k: arguments.top_k,
        top_p: arguments.top_p,
        min_p: arguments.min_p,
        repetition_penalty: arguments.repetition_penalty,
        seed: arguments.seed,
    };
    sampling.validate()?;
    let lanes = arguments.checkpoints.iter().map(|name| {
        let path = checkpoint::resolve(name, &place.home)?;
        let (decoder, tokenizer) = checkpoint::open(&path, &place.device)?;
        let task = Task::of_text(&tokenizer, &prompt, sampling, arguments.max_tokens)?;
        let generator = Generator::new(Arc::new(decoder), task)?;
        let writer = Writer::new(generator, Arc::new(tokenizer), arguments.stop.clone(), None);
        Ok(Lane { name, writer, text: String::new(), token_ids: Vec::new() })
    });
    let mut lanes: Vec<Lane> = lanes.collect::<Result<_>>()?;
    for lane in lanes.iter().filter(|lane| lane.writer.generator.left_out > 0) {
        let (name, left_out) = (lane.name, lane.writer.generator.left_out);
        output::note(&format!("note: {name}: the first {left_out} tokens of the prompt do not fit its context"));
    }
    match arguments.json {
        true => {
            write_lanes(&mut lanes, |_| Ok(()))?;
            output::write_json(&report(&lanes))?;
        }
        false => show(&mut lanes, &prompt)?,
    }
    match lanes.iter().all(|lane| lane.writer.generator.ended.is_some()) {
        true => Ok(()),
        false => Err(Error { kind: Kind::Interrupted, ..Error::new("interrupted") }),
    }
}

fn prompt_of(arguments: &Arguments) -> Result<String> {
    let mut prompt = arguments.prompt.clone();
    if prompt == "-" {
        prompt.clear();
        std::io::stdin().read_to_string(&mut prompt).what(|| "cannot read the prompt from standard input".into())?;
        // The line's end belongs to the terminal, not to the prompt.
        if prompt.ends_with('\n') {
            prompt.pop();
        }
    }
    Ok(match arguments.chat {
        true => chat::prompt(&[Message { role: Role::User, content: prompt }]),
        false => prompt,
    })
}

impl Lane<'_> {
    /// Whether it goes on after this.
    fn advance(&mut self) -> Result<bool> {
        let tokens = self.writer.advance()?;
        self.take(tokens);
        Ok(self.writer.generator.ended.is_none())
    }

    fn take(&mut self, tokens: Vec<Written>) {
        for token in tokens {
            self.text += &token.text;
            self.token_ids.push(token.id);
        }
    }
}

/// Lets every lane write a token in turn until all have ended; `shown` is called after each round.
fn write_lanes(lanes: &mut [Lane], mut shown: impl FnMut(&[Lane]) -> Result<()>) -> Result<()> {
    let cancel = super::interruption()?;
    let mut writing = true;
    while writing && !cancel.load(std::sync::atomic::Ordering::Relaxed) {
        writing = false;
        for lane in lanes.iter_mut() {
            writing |= lane.advance()?;
        }
        shown(lanes)?;
    }
    for lane in lanes.iter_mut() {
        let rest = lane.writer.finish();
        lane.take(rest);
    }
    shown(lanes)
}

fn report<'a>(lanes: &'a [Lane]) -> Report<'a> {
    let report = |lane: &'a Lane| LaneReport {
        checkpoint: lane.name,
        text: &lane.text,
        token_ids: &lane.token_ids,
        ended: match lane.writer.generator.ended {
            Some(Ended::Stopped) => "stopped",
            Some(Ended::StopText) => "stop_text",
            Some(Ended::Full) => "full",
            Some(Ended::Complete) => "complete",
            None => "interrupted",
        },
    };
    Report { lanes: lanes.iter().map(report).collect() }
}

/// One lane is a stream of text; several are columns.
fn show(lanes: &mut [Lane], prompt: &str) -> Result<()> {
    if lanes.len() == 1 {
        let mut written = 0;
        output::write(&output::printable(prompt))?;
        write_lanes(lanes, |lanes| {
            let text = &lanes[0].text;
            let new = &text[written..];
            written = text.len();
            output::write(&output::printable(new))
        })?;
        return output::write("\n");
    }
    let names = lanes.iter().map(|lane| output::printable(lane.name)).collect();
    let mut columns = Columns::new(names);
    let texts = |lanes: &[Lane]| {
        lanes.iter().map(|lane| output::printable(&format!("{prompt}{}", lane.text))).collect::<Vec<_>>()
    };
    write_lanes(lanes, |lanes| columns.draw(&texts(lanes)))?;
    columns.finish(&texts(lanes))
}
