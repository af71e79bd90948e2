//! `frostline bench step`: training steps of a model of any shape, through the code that trains in a run.

use super::shape::{Shape, ShapeReport, check_size};
use super::{Manner, flops, median, peak, possible};
use crate::cli::Place;
use crate::cli::output::{bytes, count, number};
use crate::corpus::batches::Batch;
use crate::learn::prefix::Budget;
use crate::learn::{AdamWSettings, Learner, PrefixSettings};
use crate::model::{Config, Decoder, Recompute, Selector};
use crate::ops::{Precision, adamw};
use crate::random::Random;
use crate::run::{device, memory};
use crate::{Context, Error, Result};
use candle_core::{DType, Device};
use serde::Serialize;
use std::path::Path;
use std::time::Instant;

/// Steps before the clock starts: the first looks every gradient over and makes the moments, the second finds memory
/// as later ones do.
const WARM_UP_STEPS: usize = 2;
const LEARNING_RATE: f64 = 3e-4;
/// Bytes, as plans count them.
const MEGABYTE: u64 = 1_000_000;

/// Time training steps of a model with random weights on random tokens
///
/// A step is forward pass, backward pass and AdamW's update, as a run does them. The tokens are the same in every step:
/// with --prefix-cache, the timed steps find what the first one kept. After two steps that do not count, the median of
/// --steps is taken. The learning rate is 3e-4, the betas 0.9 and 0.95, the decay 0.1 on matrices.
///
/// gflops is by the usual formula: tokens · (6 · scalars of matrices + 12 · layers · width · context) / seconds / 1e9,
/// where the matrices are all parameters but learned positions (and but the embedding of an untied model, which is only
/// looked into). What frozen layers and kept rows save is not counted, and what is computed again counts once.
///
/// mfu is gflops by the rate that the machine is said to reach: with --mfu that of this program's own product of two
/// 2048×2048 matrices in the same precision and threads, the best of eight; with --peak whatever is given, such as the
/// rate of another library's product or the processor's on paper.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    shape: Shape,
    /// Rows of a step
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: u32,
    /// Micro-batches that a step is divided into
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    accumulate: u32,
    /// Of matrix products: f32 or bf16
    #[arg(long, value_name = "P", default_value_t)]
    precision: Precision,
    /// Freeze the embeddings and the lowest N blocks, if N is above 0
    #[arg(long, value_name = "N", default_value_t = 0)]
    frozen_blocks: usize,
    /// Megabytes for what the frozen blocks make of the rows, which then skip them; 0 for none
    #[arg(long, value_name = "MB", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=1 << 30))]
    prefix_cache: u64,
    /// What the backward pass computes again instead of keeping it: none or blocks
    #[arg(long, value_name = "R", default_value_t)]
    recompute: Recompute,
    /// Scale gradients down to this norm
    #[arg(long, value_name = "X")]
    clip: Option<f64>,
    /// Steps that are timed
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    steps: u32,
    /// Measure the rate of a large matrix product of this program too, and the share of it that the step reaches
    #[arg(long)]
    mfu: bool,
    /// The share of this rate that the step reaches, instead of a measured one's
    #[arg(long, value_name = "GFLOPS", conflicts_with = "mfu")]
    peak: Option<f64>,
    #[command(flatten)]
    manner: Manner,
}

#[derive(Serialize)]
struct Report {
    bench: &'static str,
    #[serde(flatten)]
    shape: ShapeReport,
    batch: u32,
    accumulate: u32,
    precision: Precision,
    frozen_blocks: usize,
    recompute: Recompute,
    /// The share of rows of the timed steps whose frozen blocks were skipped, with --prefix-cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix_known: Option<f64>,
    /// What was kept of rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix_bytes: Option<u64>,
    threads: usize,
    parameters: usize,
    trainable: usize,
    tokens_per_second: f64,
    /// The median.
    step_seconds: f64,
    /// The least any step took.
    fastest_step_seconds: f64,
    gflops: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_gflops: Option<f64>,
    /// `gflops` / `peak_gflops`.
    #[serde(skip_serializing_if = "Option::is_none")]
    mfu: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_rss_bytes: Option<u64>,
    /// Nats per token, before the first step and before the last.
    loss_first: f64,
    loss_last: f64,
}

pub fn run(arguments: &Arguments, place: &Place) -> Result<()> {
    let config = arguments.shape.config()?;
    check(arguments, &config)?;
    let precision = possible(arguments.precision, &place.device)?;
    let threads = arguments.manner.set_threads()?;
    let folder = tempfile::tempdir().what(|| "cannot make a temporary folder".into())?;
    let mut learner = learner(arguments, &config, (precision, &place.device), folder.path())?;
    let batches = random_batch(&config, arguments.batch as usize).split(arguments.accumulate as usize);
    let times = time(&mut learner, &batches, arguments.steps as usize, &place.device)?;
    let peak_rss_bytes = memory::peak_rss_bytes();
    let (step_seconds, tokens) = (median(times.seconds.clone()), arguments.batch as u64 * config.context as u64);
    let known = times.prefix_known.unwrap_or(0.0);
    let operations = flops::of_step(&learner.decoder, learner.thaw(), tokens, config.context, known);
    let gflops = operations / step_seconds / 1e9;
    let peak_gflops = match arguments.peak {
        None => arguments.mfu.then(|| peak::product_gflops(precision, &place.device)).transpose()?,
        given => given,
    };
    let report = Report {
        bench: "step",
        shape: ShapeReport::of(&config),
        batch: arguments.batch,
        accumulate: batches.len() as u32,
        precision,
        frozen_blocks: arguments.frozen_blocks,
        recompute: arguments.recompute,
        prefix_known: times.prefix_known,
        prefix_bytes: learner.prefix().and_then(|cache| cache.report()).map(|report| report.bytes.memory),
        threads,
        parameters: learner.decoder.parameters.count(),
        trainable: learner.thaw().count(&learner.decoder.parameters),
        tokens_per_second: tokens as f64 / step_seconds,
        step_seconds,
        fastest_step_seconds: times.seconds.iter().copied().fold(f64::INFINITY, f64::min),
        gflops,
        peak_gflops,
        mfu: peak_gflops.map(|peak| gflops / peak),
        peak_rss_bytes,
        loss_first: times.losses.first().copied().unwrap_or_default(),
        loss_last: times.losses.last().copied().unwrap_or_default(),
    };
    print(&arguments.manner, &report)
}

/// Refuses what no machine can hold, and a cache that would have nothing to keep.
fn check(arguments: &Arguments, config: &Config) -> Result<()> {
    let (rows, context) = (arguments.batch as usize, config.context);
    let at_once = rows.div_ceil(arguments.accumulate as usize);
    check_size("a step", &[rows, context], "a smaller --batch or --context")?;
    let widest = config.width.saturating_add(config.intermediate);
    let kept = "what a step keeps for its backward pass";
    check_size(kept, &[at_once, context, widest, config.layers], "a smaller --batch, or --accumulate")?;
    if arguments.prefix_cache > 0 && arguments.frozen_blocks == 0 {
        let why = "no block is frozen";
        return Err(Error::usage("--prefix-cache has nothing to keep").because(why).next("give --frozen-blocks"));
    }
    match arguments.peak {
        Some(peak) if !(peak.is_finite() && peak > 0.0) => {
            Err(Error::usage(format!("{peak} GFLOP/s is no rate")).next("give --peak a number above 0"))
        }
        _ => Ok(()),
    }
}

/// What the steps took.
struct Times {
    /// Of each timed step.
    seconds: Vec<f64>,
    /// Of every step, nats per token.
    losses: Vec<f64>,
    /// The share of rows that the prefix cache knew, in the timed steps; `None` without one.
    prefix_known: Option<f64>,
}

fn time(learner: &mut Learner, batches: &[Batch], steps: usize, device: &Device) -> Result<Times> {
    let (mut seconds, mut losses) = (Vec::new(), Vec::new());
    let mut before = (0, 0);
    for step in 0..WARM_UP_STEPS + steps {
        if step == WARM_UP_STEPS {
            before = rows_known(learner);
        }
        let started = Instant::now();
        losses.push(learner.step(batches, LEARNING_RATE)?.loss);
        device::synchronize(device)?;
        seconds.push(started.elapsed().as_secs_f64());
    }
    let after = rows_known(learner);
    let (known, new) = (after.0 - before.0, after.1 - before.1);
    let prefix_known = learner.prefix().map(|_| known as f64 / (known + new).max(1) as f64);
    Ok(Times { seconds: seconds.split_off(WARM_UP_STEPS), losses, prefix_known })
}

/// Rows that the prefix cache knew so far, and those that it did not.
fn rows_known(learner: &Learner) -> (u64, u64) {
    let report = learner.prefix().and_then(|cache| cache.report());
    report.map_or((0, 0), |report| (report.hits, report.misses))
}

/// The model and its training. How a step is computed (what is frozen, kept or computed again) is settled here.
/// `folder` is the prefix cache's, which gets memory alone.
fn learner(
    arguments: &Arguments,
    config: &Config,
    (precision, device): (Precision, &Device),
    folder: &Path,
) -> Result<Learner> {
    let settings = AdamWSettings {
        moments: adamw::Settings { beta1: 0.9, beta2: 0.95, epsilon: 1e-8 },
        weight_decay: 0.1,
        largest_norm: arguments.clip.map(checked_norm).transpose()?,
    };
    let frozen = frozen(arguments.frozen_blocks, config.layers)?;
    let mut decoder = Decoder::random(config.clone(), 0, DType::F32, device)?;
    decoder.parameters.precision = precision;
    decoder.recompute = arguments.recompute;
    let mut learner = Learner::new(decoder, &frozen, settings)?;
    let budget = Budget { memory: arguments.prefix_cache * MEGABYTE, disk: 0 };
    let cache = PrefixSettings { budget, precision: Precision::F32, folder: folder.into() };
    learner.cache_prefix((arguments.prefix_cache > 0).then_some(cache));
    Ok(learner)
}

fn checked_norm(norm: f64) -> Result<f64> {
    match norm.is_finite() && norm > 0.0 {
        true => Ok(norm),
        false => Err(Error::usage(format!("gradients cannot be scaled down to a norm of {norm}"))
            .next("give --clip a number above 0, or leave it out")),
    }
}

fn frozen(blocks: usize, layers: usize) -> Result<Vec<Selector>> {
    match blocks {
        0 => Ok(Vec::new()),
        _ if blocks > layers => Err(Error::usage(format!("there are no {blocks} blocks to freeze"))
            .because(format!("the model has {layers}"))
            .next(format!("give --frozen-blocks {layers} or less"))),
        _ => ["embedding".to_string(), format!("block.0-{}", blocks - 1)].iter().map(|text| text.parse()).collect(),
    }
}

/// Rows of random tokens, each position learning the next one.
fn random_batch(config: &Config, rows: usize) -> Batch {
    let mut random = Random::named(0, "tokens of a bench", 0);
    let mut batch = Batch::with_capacity(rows, config.context);
    for _ in 0..rows {
        let row: Vec<u32> = (0..=config.context).map(|_| random.below(config.vocabulary) as u32).collect();
        batch.push_window(&row);
    }
    batch
}

fn print(manner: &Manner, report: &Report) -> Result<()> {
    let trains = match report.trainable == report.parameters {
        true => "all train".to_string(),
        false => format!("{} train", count(report.trainable as u64)),
    };
    let title = format!(
        "{}\n{} parameters, {trains}; batch {}, products in {}, threads {}",
        report.shape.describe(),
        count(report.parameters as u64),
        report.batch,
        report.precision,
        report.threads,
    );
    let share = |share: f64| format!("{:.0}%", 100.0 * share);
    manner.print(
        report,
        &title,
        [
            ("tokens a second", Some(number(report.tokens_per_second))),
            ("seconds a step", Some(number(report.step_seconds))),
            ("peak memory", report.peak_rss_bytes.map(bytes)),
            ("GFLOP/s", Some(number(report.gflops))),
            ("of at most", report.peak_gflops.map(number)),
            ("share of that", report.mfu.map(share)),
            ("rows known", report.prefix_known.map(share)),
            ("loss, first and last", Some(format!("{:.4} {:.4}", report.loss_first, report.loss_last))),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::preset;

    #[test]
    fn tokens_are_of_the_vocabulary_and_each_learns_the_next() {
        let config = preset::find("llama-1m").unwrap().config(37, 16);
        let batch = random_batch(&config, 3);
        assert_eq!((batch.rows, batch.inputs.len(), batch.learned()), (3, 48, 48));
        assert_eq!(batch.inputs[1..16], batch.targets[..15]);
        assert!(batch.inputs.iter().chain(&batch.targets).all(|&token| token < 37));
        assert!(batch.inputs.iter().any(|&token| token != batch.inputs[0]));
    }

    #[test]
    fn frozen_blocks_take_the_embeddings_along() {
        let decoder =
            Decoder::random(preset::find("gpt2-1m").unwrap().config(300, 16), 0, DType::F32, &Device::Cpu).unwrap();
        let train = |blocks| {
            let thaw = crate::model::Thaw::all_but(&decoder.parameters, &frozen(blocks, 4).unwrap()).unwrap();
            thaw.frost_line().map(|line| line.to_string())
        };
        assert_eq!([0, 1, 4].map(train), [Some("embedding".into()), Some("block.1".into()), Some("norm".into())]);
        assert!(frozen(5, 4).is_err());
        assert!(checked_norm(0.0).is_err() && checked_norm(f64::NAN).is_err() && checked_norm(1.0).is_ok());
    }
}
