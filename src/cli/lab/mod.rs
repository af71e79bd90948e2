//! `frostline lab`: studies that compare methods, carried out and shown.

mod figure;
mod progress;
mod table;

use super::figure::check_writable;
use super::progress::Bar;
use super::{Place, interruption, output};
use crate::lab::{self, Settings, Study};
use crate::protocol::LabReport;
use crate::{Error, Result};
use progress::Screen;
use std::path::PathBuf;

/// Compare methods over seeds and rates. What was done is kept: the same command goes on where it was stopped.
#[derive(clap::Args)]
pub struct Arguments {
    /// transfer, forgetting, mitigations, schedules or objectives
    study: String,
    /// The study's name; its runs begin with it [default: the study, or quick-STUDY]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// One seed, fewer rates, a quarter of the steps
    #[arg(long)]
    quick: bool,
    /// Seeds that everything is repeated with [default: 1,2,3]
    #[arg(long, value_name = "S,…", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(0..=i64::MAX as u64))]
    seeds: Option<Vec<u64>>,
    /// Peak learning rates that every method is tried with
    #[arg(long, value_name = "R,…", value_delimiter = ',')]
    rates: Option<Vec<f64>>,
    /// Numbers of labels
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    labels: Option<Vec<u64>>,
    /// Steps of each trial
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    steps: Option<u64>,
    /// Steps of the pretraining that trials start from
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    pretraining: Option<u64>,
    /// The model's preset
    #[arg(long, value_name = "PRESET")]
    model: Option<String>,
    /// Tokens of a row
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(8..=1 << 20))]
    context: Option<u32>,
    /// Tokens of the tokenizer, which is trained on the text to pretrain on
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(300..=1_000_000))]
    vocabulary: Option<u32>,
    /// Text to pretrain on: a file, a folder, or world:SET
    #[arg(long, value_name = "DATA")]
    old: Option<String>,
    /// Text of the domain that comes after
    #[arg(long, value_name = "DATA")]
    new: Option<String>,
    /// Labelled rows
    #[arg(long, value_name = "DATA")]
    examples: Option<String>,
    /// The field of their text
    #[arg(long, value_name = "FIELD", requires = "examples")]
    text: Option<String>,
    /// The field of their label
    #[arg(long, value_name = "FIELD", requires = "examples")]
    label: Option<String>,
    /// Keep the checkpoints of all trials
    #[arg(long)]
    keep_checkpoints: bool,
    /// Say what was found up to now, and carry nothing out
    #[arg(long, conflicts_with_all = ["quick", "seeds", "rates", "labels", "steps", "pretraining", "model", "context"])]
    show: bool,
    /// All rates, not each method's best alone
    #[arg(long)]
    all_rates: bool,
    /// Write the plane as a picture
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, place: &Place) -> Result<()> {
    arguments.svg.as_deref().map_or(Ok(()), check_writable)?;
    let study = study_of(&arguments.study)?;
    let name = arguments.name.clone().unwrap_or_else(|| {
        let quick = if arguments.quick { "quick-" } else { "" };
        format!("{quick}{}", study.name())
    });
    let report = match arguments.show {
        true => lab::read(&place.home, &name)?.ok_or_else(|| nothing(&name))?,
        false => carry_out(arguments, study, &name, place)?,
    };
    show(arguments, &report)
}

fn nothing(name: &str) -> Error {
    Error::new(format!("there is no study {name} yet")).next("leave out --show to carry it out, or give its --name")
}

fn carry_out(arguments: &Arguments, study: Study, name: &str, place: &Place) -> Result<LabReport> {
    let settings = settings(arguments, study);
    let (cancel, bar, mut screen) = (interruption()?, Bar::default(), Screen::default());
    let (device, home) = (&place.device, &place.home);
    let keeps_checkpoints = arguments.keep_checkpoints;
    output::note(&format!("{} · {}", study.question(), settings.describe()));
    let request =
        lab::Request { settings: &settings, name, device, home, progress: &bar, cancel: &cancel, keeps_checkpoints };
    let outcome = lab::carry_out(&request, &mut screen);
    screen.end();
    outcome.map_err(|error| match error.kind {
        crate::error::Kind::Interrupted => Error { next: None, ..error }.next("the same command goes on from here"),
        _ => error,
    })
}

/// The study's standard, with what was given instead.
fn settings(arguments: &Arguments, study: Study) -> Settings {
    let standard = Settings::standard(study);
    let mut settings = if arguments.quick { standard.quick() } else { standard };
    let given = arguments;
    replace(&mut settings.seeds, &given.seeds);
    replace(&mut settings.rates, &given.rates);
    replace(&mut settings.labels, &given.labels);
    replace(&mut settings.tuning.0, &given.steps);
    replace(&mut settings.pretraining.0, &given.pretraining);
    replace(&mut settings.model, &given.model);
    replace(&mut settings.context, &given.context.map(|context| context as usize));
    replace(&mut settings.vocabulary, &given.vocabulary.map(|vocabulary| vocabulary as usize));
    replace(&mut settings.old, &given.old.as_deref().map(data));
    replace(&mut settings.new, &given.new.as_deref().map(data));
    replace(&mut settings.examples.data, &given.examples.as_deref().map(data));
    replace(&mut settings.examples.text, &given.text);
    replace(&mut settings.examples.label, &given.label);
    settings
}

/// A study may be gone on with from another folder.
fn data(name: &str) -> String {
    match name.starts_with("world:") {
        true => name.into(),
        false => std::path::absolute(name).map_or(name.into(), |path| path.display().to_string()),
    }
}

fn replace<T: Clone>(value: &mut T, given: &Option<T>) {
    if let Some(given) = given {
        *value = given.clone();
    }
}

fn study_of(name: &str) -> Result<Study> {
    Study::ALL.into_iter().find(|study| study.name() == name).ok_or_else(|| {
        Error::usage(format!("there is no study \"{name}\""))
            .next(format!("give one of {}", Study::ALL.map(Study::name).join(", ")))
    })
}

fn show(arguments: &Arguments, report: &LabReport) -> Result<()> {
    if let Some(path) = &arguments.svg {
        figure::plane(report).write(path)?;
    }
    match arguments.json {
        true => output::write_json(report),
        false => output::show(&table::render(report, arguments.all_rates)),
    }
}
