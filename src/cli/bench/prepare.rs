//! `frostline bench prepare`: from text to tokens on disk.

use super::Manner;
use crate::cli::output::{bytes, count, duration, number};
use crate::cli::progress::Bar;
use crate::cli::{Place, interruption};
use crate::corpus::shards::{Preparation, prepare};
use crate::corpus::source::Source;
use crate::corpus::split::Split;
use crate::corpus::survey::Survey;
use crate::corpus::tokenizer::Tokenizer;
use crate::corpus::world;
use crate::run::{Home, data, memory};
use crate::{Context, Error, Result};
use clap::builder::{RangedI64ValueParser, RangedU64ValueParser};
use serde::Serialize;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The share that is held out.
const HELD_OUT: f64 = 0.01;
const SEED: u64 = 1;

/// Time turning text into tokens on disk
///
/// This is what a run does with a corpus before its first step: looking through it, dividing it, training a tokenizer
/// where none is given, and writing tokens. tokens_per_second and megabytes_per_second (10⁶ bytes of text) are of the
/// last: reading the files, tokenising, writing the shards and mapping them. The shards are thrown away afterwards.
#[derive(clap::Args)]
pub struct Arguments {
    /// A file or folder of text, or a set of the bundled world such as world:stories
    path: Option<String>,
    /// Without a path: how much text to write, the bundled world's stories again and again
    #[arg(long, value_name = "N", default_value_t = 20, conflicts_with = "path", value_parser = megabytes())]
    megabytes: u64,
    /// A tokenizer.json, or a folder that holds one, instead of training one
    #[arg(long, value_name = "PATH")]
    tokenizer: Option<PathBuf>,
    /// Tokens of the tokenizer that is trained
    #[arg(long, value_name = "N", default_value_t = 8192, conflicts_with = "tokenizer", value_parser = vocabularies())]
    vocabulary: u32,
    /// Keep the tokenizer in this folder, new or empty, and the text where it was written for this
    #[arg(long, value_name = "FOLDER")]
    save: Option<PathBuf>,
    #[command(flatten)]
    manner: Manner,
}

fn megabytes() -> RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(1..=100_000)
}

fn vocabularies() -> RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(300..=1_000_000)
}

#[derive(Serialize)]
struct Report {
    bench: &'static str,
    path: String,
    threads: usize,
    vocabulary: usize,
    documents: u64,
    /// Of the files.
    source_bytes: u64,
    /// Of the documents' text, as UTF-8.
    text_bytes: u64,
    tokens: u64,
    bytes_per_token: f64,
    tokens_per_second: f64,
    megabytes_per_second: f64,
    prepare_seconds: f64,
    survey_seconds: f64,
    split_seconds: f64,
    /// Where a tokenizer was trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    tokenizer_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_rss_bytes: Option<u64>,
}

pub fn run(arguments: &Arguments, place: &Place) -> Result<()> {
    let threads = arguments.manner.set_threads()?;
    let scratch = tempfile::tempdir().what(|| "cannot make a temporary folder".into())?;
    if let Some(folder) = &arguments.save {
        make_empty(folder)?;
    }
    let path = match &arguments.path {
        Some(path) => path.clone(),
        None => {
            let text = arguments.save.as_deref().unwrap_or(scratch.path()).join("text.txt");
            write_stories(&text, arguments.megabytes * 1_000_000, &place.home)?;
            text.to_string_lossy().into_owned()
        }
    };
    let source = data::open_source(&path, false, &place.home)?;
    let report = measure(arguments, path, &source, scratch.path(), threads)?;
    print(&arguments.manner, &report)
}

/// Makes the folder. One in which something stands is refused: nothing of it is to be lost.
fn make_empty(folder: &Path) -> Result<()> {
    let failed = || format!("cannot keep anything in the folder {}", folder.display());
    std::fs::create_dir_all(folder).what(failed)?;
    match std::fs::read_dir(folder).what(failed)?.next().transpose().what(failed)? {
        None => Ok(()),
        Some(entry) => Err(Error::new(failed())
            .because(format!("there is {} already", entry.file_name().to_string_lossy()))
            .next("give --save a new or an empty folder")),
    }
}

fn measure(arguments: &Arguments, path: String, source: &Source, scratch: &Path, threads: usize) -> Result<Report> {
    let (cancel, bar) = (interruption()?, Bar::default());
    let (survey, survey_seconds) = timed(|| Survey::of(source, &bar, &cancel))?;
    let (split, split_seconds) = timed(|| Split::plan(source, HELD_OUT, SEED, &cancel))?;
    let (tokenizer, tokenizer_seconds) = match &arguments.tokenizer {
        Some(path) => (Tokenizer::load(path)?, None),
        None => {
            let vocabulary = arguments.vocabulary as usize;
            let (tokenizer, seconds) = timed(|| Tokenizer::train_on(source, &split, vocabulary, &bar, &cancel))?;
            (tokenizer, Some(seconds))
        }
    };
    if let Some(folder) = &arguments.save {
        tokenizer.save(folder)?;
    }
    let request = Preparation { source, tokenizer: &tokenizer, split, cache: scratch };
    let (prepared, prepare_seconds) = timed(|| prepare(&request, &bar, &cancel))?;
    let shards = || std::iter::once(&prepared.train).chain(&prepared.held_out);
    let tokens: u64 = shards().map(|shard| shard.tokens()).sum();
    let text_bytes: u64 = shards().map(|shard| shard.bytes()).sum();
    if tokens == 0 {
        return Err(Error::new(format!("there is no text in {path}")).next("give a file or folder of text"));
    }
    Ok(Report {
        bench: "prepare",
        path,
        threads,
        vocabulary: tokenizer.vocabulary_size(),
        documents: survey.documents,
        source_bytes: source.size(),
        text_bytes,
        tokens,
        bytes_per_token: text_bytes as f64 / tokens as f64,
        tokens_per_second: tokens as f64 / prepare_seconds,
        megabytes_per_second: text_bytes as f64 / 1e6 / prepare_seconds,
        prepare_seconds,
        survey_seconds,
        split_seconds,
        tokenizer_seconds,
        peak_rss_bytes: memory::peak_rss_bytes(),
    })
}

/// What `work` gives, and the seconds it took.
fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    let started = Instant::now();
    let outcome = work()?;
    Ok((outcome, started.elapsed().as_secs_f64()))
}

/// Writes stories of the bundled world, a blank line after each, until there are `size` bytes.
fn write_stories(path: &Path, size: u64, home: &Home) -> Result<()> {
    #[derive(serde::Deserialize)]
    struct Story {
        text: String,
    }
    let folder = world::expand(world::Set::Stories, &home.cache())?;
    let failed = || format!("cannot write the text {}", path.display());
    let mut file = BufWriter::new(File::create(path).what(failed)?);
    let mut written = 0;
    while written < size {
        let before = written;
        for line in BufReader::new(File::open(folder.join("train.jsonl")).what(failed)?).lines() {
            let story: Story = serde_json::from_str(&line.what(failed)?).what(failed)?;
            writeln!(file, "{}\n", story.text).what(failed)?;
            written += story.text.len() as u64 + 2;
            if written >= size {
                break;
            }
        }
        if written == before {
            return Err(Error::new(failed()).because("the bundled world has no stories"));
        }
    }
    file.flush().what(failed)
}

fn print(manner: &Manner, report: &Report) -> Result<()> {
    let title = format!(
        "{}\n{} of text become {} tokens of {} bytes, vocabulary {}, threads {}",
        report.path,
        bytes(report.text_bytes),
        count(report.tokens),
        number(report.bytes_per_token),
        report.vocabulary,
        report.threads,
    );
    manner.print(
        report,
        &title,
        [
            ("tokens a second", Some(number(report.tokens_per_second))),
            ("MB a second", Some(number(report.megabytes_per_second))),
            ("to prepare", Some(duration(report.prepare_seconds))),
            ("to survey", Some(duration(report.survey_seconds))),
            ("to divide", Some(duration(report.split_seconds))),
            ("to train a tokenizer", report.tokenizer_seconds.map(duration)),
            ("peak memory", report.peak_rss_bytes.map(bytes)),
        ],
    )
}
