//! Prepares a corpus and says how fast that went and how much memory it took.
//!
//! `cargo run --release --example prepare -- PATH [--tokenizer PATH | --vocabulary N] [--cache DIR]`

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use clap::Parser;
use frostline::corpus::progress::Silent;
use frostline::corpus::shards::{Preparation, prepare};
use frostline::corpus::source::Source;
use frostline::corpus::split::Split;
use frostline::corpus::survey::Survey;
use frostline::corpus::tokenizer::Tokenizer;
use frostline::error::{Context, Result};

#[derive(Parser)]
struct Arguments {
    path: PathBuf,
    /// A tokenizer.json; without it one is trained on the corpus.
    #[arg(long)]
    tokenizer: Option<PathBuf>,
    #[arg(long, default_value_t = 8192)]
    vocabulary: usize,
    /// Where the tokenizer is saved.
    #[arg(long)]
    save: Option<PathBuf>,
    /// Where the shards are kept; without it, nowhere.
    #[arg(long)]
    cache: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let never = AtomicBool::new(false);
    let source = Source::open(&arguments.path)?;
    let megabytes = source.size() as f64 / 1e6;

    let survey = timed(&format!("survey {megabytes:.0} MB"), megabytes, || Survey::of(&source, &Silent, &never))?;
    println!("  {} documents, {:.0} MB of text", survey.documents, survey.bytes as f64 / 1e6);
    let split = timed("split", megabytes, || Split::plan(&source, 0.01, 1, &never))?;
    let tokenizer = match &arguments.tokenizer {
        Some(path) => Tokenizer::load(path)?,
        None => timed("train the tokenizer", megabytes, || {
            Tokenizer::train_on(&source, &split, arguments.vocabulary, &Silent, &never)
        })?,
    };
    if let Some(folder) = &arguments.save {
        std::fs::create_dir_all(folder).what(|| format!("cannot create {}", folder.display()))?;
        tokenizer.save(folder)?;
    }
    let kept = arguments.cache.clone();
    let scratch = tempfile::tempdir_in(std::env::temp_dir()).what(|| "cannot make a temporary folder".into())?;
    let cache = kept.as_deref().unwrap_or(scratch.path());
    let text = survey.bytes as f64 / 1e6;
    let request = Preparation { source: &source, tokenizer: &tokenizer, split, cache };
    let prepared = timed("tokenize (MB of text)", text, || prepare(&request, &Silent, &never))?;
    let tokens = prepared.train.tokens() + prepared.held_out.map_or(0, |shard| shard.tokens());
    println!("  {tokens} tokens, {:.2} bytes a token", survey.bytes as f64 / tokens as f64);
    Ok(())
}

/// Runs `work` and prints how long it took for so many megabytes, and the most memory used so far.
fn timed<T>(what: &str, megabytes: f64, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    let outcome = work()?;
    let seconds = start.elapsed().as_secs_f64();
    let rate = megabytes / seconds;
    println!("{what}: {seconds:.2} s, {rate:.1} MB/s, peak memory {:.0} MB", peak_memory() as f64 / 1e6);
    Ok(outcome)
}

/// The largest resident set of this process so far, in bytes; 0 where the system does not say.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).map_or(0, |kib| kib << 10)
}
