//! `frostline eval --task classify` and `regress`: how often, or how nearly, a checkpoint's head is right.

use super::Arguments;
use crate::cli::classify::{context_of, score_of, score_texts};
use crate::cli::output::{self, count, number};
use crate::cli::{Place, interruption};
use crate::corpus::examples::{self, Example, LabelKind, Template};
use crate::corpus::source::OnBroken;
use crate::corpus::tokenizer::Tokenizer;
use crate::model::units::Scored;
use crate::model::{Answers, Decoder, Score, Target};
use crate::protocol::MetricValue;
use crate::run::data::open_source;
use crate::run::suite::measures;
use crate::{Error, Result};
use serde::Serialize;
use std::collections::BTreeMap;

/// What a head gives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Head {
    Classify,
    Regress,
}

impl Head {
    pub fn parse(name: &str) -> Option<Self> {
        [Head::Classify, Head::Regress].into_iter().find(|head| head.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Head::Classify => "classify",
            Head::Regress => "regress",
        }
    }
}

/// What is printed with `--json`.
#[derive(Serialize)]
struct Report {
    task: &'static str,
    items: usize,
    /// Nats per text of classes, mean squared error of numbers.
    loss: f64,
    metrics: Vec<MetricValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confusion: Option<Confusion>,
}

/// How often texts of each label are taken for each.
#[derive(Serialize)]
struct Confusion {
    labels: Vec<String>,
    /// A row for each label that is right, a column for each that is said.
    counts: Vec<Vec<u64>>,
}

/// Which texts are scored where there are more than are asked for.
const SEED: u64 = 0;
/// A table of more classes does not fit a screen.
const MOST_CLASSES: usize = 10;
/// How many labels a message names.
const NAMED: usize = 8;

/// Refuses what does not go with the task before a checkpoint is read.
pub fn check(arguments: &Arguments, head: Option<Head>) -> Result<()> {
    let without = |name: &str, why: &str| Err(Error::usage(format!("{name} does not go with this")).because(why));
    match head {
        None if arguments.task.is_some() && arguments.text.is_some() => {
            without("--text", "a task whose answers are generated reads --data, and --prompt and --completion")
        }
        None if arguments.label.is_some() => without("--label", "it belongs to --task classify and regress"),
        Some(_) if arguments.prompt.is_some() || arguments.tokens.is_some() => {
            without("--prompt, --completion or --tokens", "a head scores texts and generates nothing: give --text")
        }
        _ => Ok(()),
    }
}

pub fn run(arguments: &Arguments, head: Head, place: &Place, decoder: &Decoder, tokenizer: &Tokenizer) -> Result<()> {
    let score = score_of(decoder)?;
    check_head(head, score)?;
    let texts = read(arguments, head, place)?;
    check_labels(&texts, score)?;
    let (found, _) = score_texts(&texts, decoder, tokenizer, context_of(arguments.context, decoder)?)?;
    let loss = found.iter().map(|(_, scored)| scored.loss).sum::<f64>() / found.len().max(1) as f64;
    let metrics = measures(&score.answers, &found);
    let confusion = (head == Head::Classify).then(|| confusion(&found, score.labels()));
    let report = Report { task: head.name(), items: found.len(), loss, metrics, confusion };
    if arguments.json { output::write_json(&report) } else { output::show(&render(&report)) }
}

fn check_head(head: Head, score: &Score) -> Result<()> {
    let (own, other) = match score.answers {
        Answers::Classes(_) => (Head::Classify, "classifies"),
        Answers::Number => (Head::Regress, "gives numbers"),
    };
    match own == head {
        true => Ok(()),
        false => Err(Error::new(format!("this checkpoint cannot {}", head.name()))
            .because(format!("its head {other}"))
            .next(format!("give --task {}", own.name()))),
    }
}

/// The held-out side where the data has one.
fn read(arguments: &Arguments, head: Head, place: &Place) -> Result<Vec<Example>> {
    let Some(data) = &arguments.data else {
        return Err(Error::usage("a task needs data").next("give --data PATH or --data world:SET"));
    };
    let text = arguments.text.as_ref().map_or("text".into(), |text| text.to_string_lossy());
    let template = Template::labelled(&text, arguments.label.as_deref().unwrap_or("label"))?;
    let kind = if head == Head::Regress { LabelKind::Number } else { LabelKind::Class };
    let source = open_source(data, false, &place.home)?;
    let files = source.held_out().unwrap_or(source.files());
    let cancel = interruption()?;
    let (read, _) = examples::read_labelled(files, (&template, kind), OnBroken::Refuse, &cancel)?;
    Ok(match arguments.items {
        Some(items) => examples::first_of(read.examples, items as usize, SEED),
        None => read.examples,
    })
}

/// Names all labels of the data that the head does not know.
fn check_labels(texts: &[Example], score: &Score) -> Result<()> {
    let Answers::Classes(labels) = &score.answers else { return Ok(()) };
    let mut unknown: BTreeMap<&str, usize> = BTreeMap::new();
    for label in texts.iter().map(Example::completion).filter(|label| labels.iter().all(|own| own != label)) {
        *unknown.entry(label).or_default() += 1;
    }
    if unknown.is_empty() {
        return Ok(());
    }
    let more = |count: usize| if count > NAMED { format!(" and {} more", count - NAMED) } else { String::new() };
    let named: Vec<String> =
        unknown.iter().take(NAMED).map(|(label, count)| format!("\"{label}\" ({count} times)")).collect();
    let own: Vec<String> = labels.iter().take(NAMED).map(|label| format!("\"{label}\"")).collect();
    Err(Error::new("the data has labels that the head does not know")
        .because(format!(
            "texts are labelled {}{}, and the head has {}{}",
            named.join(", "),
            more(unknown.len()),
            own.join(", "),
            more(labels.len())
        ))
        .next("mend or leave out these rows, or name the right field with --label"))
}

fn confusion(found: &[(Target, Scored)], labels: &[String]) -> Confusion {
    let mut counts = vec![vec![0; labels.len()]; labels.len()];
    for (target, scored) in found {
        if let Target::Class(class) = target {
            counts[*class as usize][scored.best()] += 1;
        }
    }
    Confusion { labels: labels.to_vec(), counts }
}

fn render(report: &Report) -> String {
    let metric = |metric: &MetricValue| {
        let name = metric.name.replace('_', " ");
        match report.task {
            "classify" => format!("{name} {:.2}%", 100.0 * metric.value),
            _ => format!("{name} {}", number(metric.value)),
        }
    };
    let metrics: Vec<String> = report.metrics.iter().map(metric).collect();
    let unit = if report.confusion.is_some() { "nats/text" } else { "squared error" };
    let (items, loss) = (count(report.items as u64), number(report.loss));
    let mut text = format!("{}\n{items} texts, loss {loss} {unit}\n", metrics.join(" · "));
    if let Some(confusion) = report.confusion.as_ref().filter(|confusion| confusion.labels.len() <= MOST_CLASSES) {
        let titles = std::iter::once("is ↓  said →".to_string()).chain(confusion.labels.iter().cloned());
        let mut table = output::table(titles.collect::<Vec<_>>());
        for (label, row) in confusion.labels.iter().zip(&confusion.counts) {
            table.add_row(std::iter::once(label.clone()).chain(row.iter().map(|n| count(*n))).collect::<Vec<_>>());
        }
        text += &format!("\n{}\n", output::lay_out(table, 2));
    }
    text
}
