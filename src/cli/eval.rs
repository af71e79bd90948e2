//! `frostline eval`: the loss of a checkpoint on text, or its answers to a task.

mod masked;
mod scored;
mod task;

use super::Place;
use super::output::{self, bytes, count, number};
use crate::corpus::batches::Batch;
use crate::corpus::documents::{Reader, for_each};
use crate::corpus::progress::Silent;
use crate::corpus::source::Source;
use crate::corpus::tokenizer::Tokenizer;
use crate::error::Kind;
use crate::learn::{TextScore, objective};
use crate::model::Decoder;
use crate::run::checkpoint;
use crate::run::plan::TaskKind;
use crate::{Error, Result};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(clap::Args)]
pub struct Arguments {
    /// A model's folder, RUN, RUN@STEP, RUN@PHASE or RUN@best; or blend:A:B:SHARE, average:A:B…, graft:BASE:LIVE:LAYERS
    checkpoint: String,
    /// A file or a folder of text; with --task classify or regress, the field that texts stand in [there: text], or a
    /// template such as "Review: {text}"
    #[arg(long, value_name = "PATH", required_unless_present = "task")]
    text: Option<PathBuf>,
    /// Generate answers and compare them: sentiment, question-answering, summarisation, translation or instructions; or score
    /// texts with the model's head: classify or regress
    #[arg(long, value_name = "KIND", requires = "data")]
    task: Option<String>,
    /// With --task, examples to ask: a file, a folder, or world:SET
    #[arg(long, value_name = "DATA", requires = "task")]
    data: Option<String>,
    /// With --task, at most this many examples [default: 50; all of them for classify and regress]
    #[arg(long, value_name = "N", requires = "task", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    items: Option<u32>,
    /// With --task, at most this many tokens of an answer [default: 64]
    #[arg(long, value_name = "N", requires = "task", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    tokens: Option<u32>,
    /// With --task, makes prompts from rows of other fields, such as "Opinion: {text}"
    #[arg(long, value_name = "TEMPLATE", requires = "completion")]
    prompt: Option<String>,
    /// With --prompt, what is to be answered, such as " {label}"
    #[arg(long, value_name = "TEMPLATE", requires = "prompt")]
    completion: Option<String>,
    /// With --task classify or regress, the field that labels stand in [default: label]
    #[arg(long, value_name = "FIELD", requires = "task")]
    label: Option<String>,
    /// Tokens of a window, or the most of a text that is scored [default: the model's context, at most 1024]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    context: Option<u32>,
    /// For an encoder, how many tokens are hidden one by one for its pseudo-perplexity [default: 500]
    #[arg(long, value_name = "N", conflicts_with_all = ["task", "per_token"])]
    pseudo_tokens: Option<u32>,
    /// With --json, the log-probability of every token
    #[arg(long, conflicts_with = "task")]
    per_token: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What is printed with `--json`.
#[derive(Serialize)]
struct Report {
    /// Predicted: one fewer than the text has.
    tokens: u64,
    bytes: u64,
    loss: f64,
    perplexity: f64,
    bits_per_byte: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_ids: Option<Vec<u32>>,
    /// Nats; the first token has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<Vec<f32>>,
}

/// Windows that are evaluated together.
const ROWS: usize = 8;

pub fn run(arguments: &Arguments, place: &Place) -> Result<()> {
    let head = arguments.task.as_deref().and_then(scored::Head::parse);
    let kind = match head {
        Some(_) => None,
        None => arguments.task.as_deref().map(kind_of).transpose()?,
    };
    scored::check(arguments, head)?;
    let named = checkpoint::Named::find(&arguments.checkpoint, &place.home)?;
    let (decoder, tokenizer) = named.open(&place.device)?;
    if let Some(head) = head {
        return scored::run(arguments, head, place, &decoder, &tokenizer);
    }
    let text = match (kind, &arguments.text) {
        (Some(_), _) if decoder.config.family.is_encoder() => {
            return Err(Error::new("an encoder writes no answers that could be compared")
                .because("it fills masks, and does not go on with a text")
                .next("measure it on text: --text PATH"));
        }
        (Some(kind), _) => return task::run(arguments, kind, place, decoder, &tokenizer),
        (None, Some(text)) => text,
        (None, None) => return Err(Error::usage("there is nothing to measure on").next("give --text or --task")),
    };
    if decoder.config.family.is_encoder() {
        return masked::run(arguments, text, &decoder, &tokenizer);
    }
    if arguments.pseudo_tokens.is_some() {
        return Err(Error::usage("only an encoder has a pseudo-perplexity").next("leave --pseudo-tokens out"));
    }
    let report = measure(arguments, text, &decoder, &tokenizer)?;
    match arguments.json {
        true => output::write_json(&report),
        false => output::write(&format!(
            "loss {} nats/token · perplexity {} · {} bits/byte\n{} tokens, {}, in windows of {}\n",
            number(report.loss),
            number(report.perplexity),
            report.bits_per_byte.map_or("–".into(), number),
            count(report.tokens),
            bytes(report.bytes),
            context_of(arguments, &decoder)?,
        )),
    }
}

fn kind_of(name: &str) -> Result<TaskKind> {
    TaskKind::parse(name).ok_or_else(|| {
        Error::usage(format!("there is no task \"{name}\""))
            .next(format!("give one of {}, classify, regress", TaskKind::ALL.map(TaskKind::name).join(", ")))
    })
}

fn context_of(arguments: &Arguments, decoder: &Decoder) -> Result<usize> {
    let most = decoder.config.context;
    match arguments.context.map(|context| context as usize) {
        Some(context) if context > most => {
            Err(Error::new(format!("a window of {context} tokens does not fit the model"))
                .because(format!("its context is {most}"))
                .next(format!("give --context {most} or less")))
        }
        Some(context) => Ok(context),
        None => Ok(most.min(1024)),
    }
}

/// Goes through the text as a stream: windows side by side, each token predicted once from those before it in its
/// window.
fn measure(arguments: &Arguments, text: &Path, decoder: &Decoder, tokenizer: &Tokenizer) -> Result<Report> {
    let source = Source::open(text)?.uncut();
    let files = source.held_out().unwrap_or(source.files());
    if let Some([file, ..]) = source.held_out() {
        output::note(&format!("note: measured on the held-out file {}", file.path.display()));
    }
    let cancel = super::interruption()?;
    let mut windows = Windows {
        decoder,
        cancel: &cancel,
        context: context_of(arguments, decoder)?,
        waiting: Vec::new(),
        score: TextScore::default(),
        kept: arguments.per_token.then(|| (Vec::new(), Vec::new())),
    };
    let end = tokenizer.end_of_text();
    let mut begun = false;
    let work = |raw: crate::corpus::documents::Raw| {
        let documents = raw.parse(files, source.policy())?.documents;
        documents
            .into_iter()
            .map(|d| Ok((d.continues, d.text.len() as u64, tokenizer.encode(&d.text)?)))
            .collect::<Result<Vec<_>>>()
    };
    for_each(Reader::new(files), &Silent, &cancel, work, |documents| {
        for (continues, bytes, tokens) in documents {
            // Pieces of one text follow each other; texts are set apart as in training.
            let mark = if begun && !continues { end } else { None };
            begun = true;
            windows.score.bytes += bytes;
            windows.push(mark.into_iter().chain(tokens))?;
        }
        Ok(())
    })?;
    windows.finish(text)
}

/// Text on its way through the model.
struct Windows<'a> {
    decoder: &'a Decoder,
    cancel: &'a AtomicBool,
    context: usize,
    /// Not yet predicted, but for the first, which the first window only reads.
    waiting: Vec<u32>,
    score: TextScore,
    /// Token ids and log-probabilities, where they are asked for.
    kept: Option<(Vec<u32>, Vec<f32>)>,
}

impl Windows<'_> {
    fn push(&mut self, tokens: impl Iterator<Item = u32>) -> Result<()> {
        for token in tokens {
            self.waiting.push(token);
            if let Some((ids, _)) = &mut self.kept {
                ids.push(token);
            }
        }
        while self.waiting.len() > ROWS * self.context {
            self.read(ROWS, self.context)?;
        }
        Ok(())
    }

    /// Predicts `rows` windows of `context` tokens; the last token stays, as the next window's first.
    fn read(&mut self, rows: usize, context: usize) -> Result<()> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(Error { kind: Kind::Interrupted, ..Error::new("interrupted") });
        }
        let count = rows * context;
        let batch = Batch {
            rows,
            context,
            inputs: self.waiting[..count].to_vec(),
            targets: self.waiting[1..=count].to_vec(),
            positions: (0..count).map(|i| (i % context) as u32).collect(),
            first_visible: vec![0; count],
            labelled: Vec::new(),
        };
        let losses = objective::losses(self.decoder, &batch)?;
        self.score.total += losses.iter().map(|row| row.loss as f64).sum::<f64>();
        self.score.tokens += count as u64;
        if let Some((_, logprobs)) = &mut self.kept {
            logprobs.extend(losses.iter().map(|row| -row.loss));
        }
        self.waiting.drain(..count);
        Ok(())
    }

    fn finish(mut self, path: &Path) -> Result<Report> {
        while self.waiting.len() > self.context {
            self.read(1, self.context)?;
        }
        if self.waiting.len() > 1 {
            self.read(1, self.waiting.len() - 1)?;
        }
        if self.score.tokens == 0 {
            return Err(Error::new(format!("there is too little text in {}", path.display()))
                .because("to predict a token takes one before it")
                .next("give a longer text"));
        }
        let (token_ids, logprobs) = self.kept.unzip();
        Ok(Report {
            tokens: self.score.tokens,
            bytes: self.score.bytes,
            loss: self.score.loss(),
            perplexity: self.score.perplexity(),
            bits_per_byte: self.score.bits_per_byte(),
            token_ids,
            logprobs,
        })
    }
}
