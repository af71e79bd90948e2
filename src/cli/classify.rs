//! `frostline classify`: what the head of a checkpoint says of texts.

use super::output::{self, count, number};
use super::{Place, interruption};
use crate::corpus::examples::Example;
use crate::corpus::tokenizer::Tokenizer;
use crate::error::Kind;
use crate::model::units::{Scored, probabilities};
use crate::model::{Answers, Decoder, Pooled, Score, Target};
use crate::run::checkpoint::Named;
use crate::run::labelled;
use crate::run::suite::ScoredTexts;
use crate::{Context, Error, Result};
use serde::Serialize;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Arguments {
    /// A model's folder, RUN, RUN@STEP, RUN@PHASE or RUN@best; or blend:A:B:SHARE, average:A:B…, graft:BASE:LIVE:LAYERS
    checkpoint: String,
    /// What is scored
    #[arg(required_unless_present = "file")]
    texts: Vec<String>,
    /// A file with a text in each line; empty lines are left out
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// The most tokens of a text that are read; give what the phase had [default: the model's context]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    context: Option<u32>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What is printed with `--json`.
#[derive(Serialize)]
struct Report {
    texts: Vec<TextReport>,
    /// How many were longer than the context.
    cut: u64,
}

#[derive(Serialize)]
struct TextReport {
    text: String,
    /// The likeliest.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    /// Of all labels, in the order of the head's classes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    probabilities: Vec<LabelReport>,
    /// Of a head for regression.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<f64>,
}

#[derive(Serialize)]
struct LabelReport {
    label: String,
    probability: f64,
}

/// Texts that are scored together.
pub(super) const ROWS: usize = 8;
/// So many characters of a text stand in a table.
const SHOWN: usize = 60;
/// So many labels of a text stand in a table, the likeliest first.
const MOST_LABELS: usize = 5;

pub fn run(arguments: &Arguments, place: &Place) -> Result<()> {
    let texts = texts_of(arguments)?;
    let (decoder, tokenizer) = Named::find(&arguments.checkpoint, &place.home)?.open(&place.device)?;
    let score = score_of(&decoder)?;
    let context = context_of(arguments.context, &decoder)?;
    // What a text should be scored as is asked for, and nothing is made of it.
    let label = score.labels().first().map_or("0", |label| label);
    let examples: Vec<Example> = texts.iter().map(|text| Example::pair(text, label)).collect();
    let (found, cut) = score_texts(&examples, &decoder, &tokenizer, context)?;
    let report = |(text, (_, scored)): (String, (Target, Scored))| report_of(text, &scored, score);
    let report = Report { texts: texts.into_iter().zip(found).map(report).collect(), cut };
    if arguments.json { output::write_json(&report) } else { output::show(&render(&report)) }
}

/// The texts without white space around them, as phases read theirs.
fn texts_of(arguments: &Arguments) -> Result<Vec<String>> {
    let mut texts: Vec<String> = arguments.texts.iter().map(|text| text.trim().to_string()).collect();
    if let Some(at) = texts.iter().position(String::is_empty) {
        return Err(Error::usage(format!("text {} is empty", at + 1)).next("leave it out"));
    }
    if let Some(path) = &arguments.file {
        let lines = std::fs::read_to_string(path).what(|| format!("cannot read texts from {}", path.display()))?;
        texts.extend(lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(String::from));
    }
    match texts.is_empty() {
        true => Err(Error::new("there is nothing to classify")
            .because("the file has no line with text")
            .next("write one text in each line")),
        false => Ok(texts),
    }
}

/// Errors: a checkpoint whose model scores nothing.
pub(super) fn score_of(decoder: &Decoder) -> Result<&Score> {
    decoder.config.score.as_ref().ok_or_else(|| {
        Error::new("this checkpoint scores no texts")
            .because("its model has a head for tokens alone")
            .next("train a phase with objective = \"classify\" or \"regress\" on it first")
    })
}

/// Errors: more tokens than the model can see.
pub(super) fn context_of(asked: Option<u32>, decoder: &Decoder) -> Result<usize> {
    let most = decoder.config.context;
    match asked.map(|context| context as usize) {
        Some(context) if context > most => Err(Error::new(format!("texts of {context} tokens do not fit the model"))
            .because(format!("its context is {most}"))
            .next(format!("give --context {most} or less"))),
        asked => Ok(asked.unwrap_or(most)),
    }
}

/// What the texts are scored as beside what they should be, in order, and how many were cut, which is said.
pub(super) fn score_texts(
    examples: &[Example],
    decoder: &Decoder,
    tokenizer: &Tokenizer,
    context: usize,
) -> Result<(Vec<(Target, Scored)>, u64)> {
    let score = score_of(decoder)?;
    let (encoded, cut) = labelled::encoded(examples, score, tokenizer, context)?;
    if cut > 0 {
        let side = if score.pooled == Pooled::Last { "beginning" } else { "end" };
        let (cut, context) = (count(cut), count(context as u64));
        output::note(&format!("note: {cut} texts lost their {side}: they are longer than the context of {context}"));
    }
    // Rows no longer than the longest text are not filled up for nothing.
    let row = encoded.iter().map(|text| text.read()).max().unwrap_or(1);
    let padding = tokenizer.end_of_text().unwrap_or(0);
    let texts = ScoredTexts::new(score.clone(), &encoded, row, ROWS, padding)?;
    let found = texts.scored(decoder, &*interruption()?)?;
    Ok((found.ok_or_else(|| Error { kind: Kind::Interrupted, ..Error::new("interrupted") })?, cut))
}

fn report_of(text: String, scored: &Scored, score: &Score) -> TextReport {
    match &score.answers {
        Answers::Number => {
            TextReport { text, label: None, probabilities: Vec::new(), number: scored.scores.first().copied() }
        }
        Answers::Classes(labels) => {
            let of_label = |(label, probability): (&String, f64)| LabelReport { label: label.clone(), probability };
            let probabilities = labels.iter().zip(probabilities(&scored.scores)).map(of_label).collect();
            TextReport { text, label: labels.get(scored.best()).cloned(), probabilities, number: None }
        }
    }
}

fn render(report: &Report) -> String {
    let mut table = output::table(["says", "text"]);
    for text in &report.texts {
        let mut line: String = text.text.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
        if text.text.chars().count() > SHOWN {
            line.push('…');
        }
        table.add_row([said(text), line]);
    }
    format!("{}\n", output::lay_out(table, 2))
}

/// The number, or the likeliest labels.
fn said(text: &TextReport) -> String {
    if let Some(value) = text.number {
        return number(value);
    }
    let mut labels: Vec<&LabelReport> = text.probabilities.iter().collect();
    labels.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    let named = labels.iter().take(MOST_LABELS).map(|of| format!("{} {:.1}%", of.label, 100.0 * of.probability));
    named.collect::<Vec<_>>().join(" · ")
}
