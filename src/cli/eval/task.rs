//! `frostline eval --task`: a checkpoint's answers to a task, generated and compared.

use super::Arguments;
use crate::cli::output::{self, count, number};
use crate::cli::{Place, interruption};
use crate::corpus::examples::{self, Options, Template};
use crate::corpus::tokenizer::Tokenizer;
use crate::error::Kind;
use crate::model::Decoder;
use crate::protocol::MetricValue;
use crate::run::chat::of_checkpoint;
use crate::run::data::open_source;
use crate::run::plan::{ITEMS, TOKENS, TaskKind, TaskPlan};
use crate::run::suite::Generated;
use crate::{Error, Result};
use serde::Serialize;
use std::sync::Arc;

/// What is printed with `--json`.
#[derive(Serialize)]
struct Report {
    task: &'static str,
    items: usize,
    /// Nats per token of the completions.
    loss: f64,
    metrics: Vec<MetricValue>,
}

/// Which of the examples are asked where there are more than that.
const SEED: u64 = 0;

pub fn run(
    arguments: &Arguments,
    kind: TaskKind,
    place: &Place,
    decoder: Decoder,
    tokenizer: &Tokenizer,
) -> Result<()> {
    let report = measure(arguments, kind, place, decoder, tokenizer)?;
    if arguments.json {
        return output::write_json(&report);
    }
    let metrics: Vec<String> = report
        .metrics
        .iter()
        .map(|metric| format!("{} {:.2}%", metric.name.replace('_', " "), 100.0 * metric.value))
        .collect();
    output::write(&format!(
        "{}\n{} of {} items, loss {} nats/token\n",
        metrics.join(" · "),
        report.task,
        count(report.items as u64),
        number(report.loss)
    ))
}

/// The held-out side is asked where the data has one.
fn measure(
    arguments: &Arguments,
    kind: TaskKind,
    place: &Place,
    decoder: Decoder,
    tokenizer: &Tokenizer,
) -> Result<Report> {
    let Some(data) = &arguments.data else {
        return Err(Error::usage("a task needs data").next("give --data PATH or --data world:SET"));
    };
    let template = match (&arguments.prompt, &arguments.completion) {
        (Some(prompt), Some(completion)) => Some(Template::new(prompt, completion)?),
        _ => None,
    };
    let source = open_source(data, false, &place.home)?;
    let files = source.held_out().unwrap_or(source.files());
    let items = arguments.items.map_or(ITEMS, |items| items as usize);
    let tokens = arguments.tokens.map_or(TOKENS, |tokens| tokens as usize);
    let cancel = interruption()?;
    let chat = Arc::new(of_checkpoint(tokenizer)?);
    let options = Options { template, chat: Some(chat.clone()), limit: Some(items), seed: SEED, ..Options::default() };
    let read = examples::read(files, &options, &cancel)?.examples;
    let context = super::context_of(arguments, &decoder)?;
    let task = Generated::new(&TaskPlan { kind, every: 0, items, tokens }, &read, context, tokenizer, chat)?;
    let measured = task.measure(&Arc::new(decoder), tokenizer, &cancel)?;
    let measure = measured.ok_or_else(|| Error { kind: Kind::Interrupted, ..Error::new("interrupted") })?;
    Ok(Report { task: kind.name(), items: read.len(), loss: measure.score.loss(), metrics: measure.metrics })
}
