//! `frostline bench generate`: reading prompts and writing tokens after them.

use super::shape::{Shape, ShapeReport, check_size};
use super::{Manner, median, possible};
use crate::cli::Place;
use crate::cli::output::{bytes, count, number};
use crate::model::{Config, Decoder, Storage};
use crate::ops::Precision;
use crate::random::Random;
use crate::run::memory;
use crate::sample::{Sampling, choose};
use crate::{Error, Result};
use candle_core::{DType, Tensor};
use serde::Serialize;
use std::time::Instant;

/// Time reading a prompt and writing tokens after it, with a key-value cache
///
/// Prompts are read in one pass, and then tokens written one after the other, greedily, in all rows side by side.
/// Weights and prompts are random; no token ends an answer. Everything is done once before the clock starts and then
/// --repeats times, of which the medians are taken.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    shape: Shape,
    /// Rows that are written side by side
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: u32,
    /// Tokens of each prompt
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    prompt_tokens: u32,
    /// Tokens that are written in each row
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    new_tokens: u32,
    /// How the model's matrices are stored: f32, bf16 or f16; halves are half the memory that a token reads
    #[arg(long, value_name = "W", default_value_t)]
    weights: Storage,
    /// Of matrix products: f32 or bf16. Up to sixteen rows are rounded only where the weights are bf16 as well
    #[arg(long, value_name = "P", default_value_t)]
    precision: Precision,
    /// Times that are timed
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    repeats: u32,
    #[command(flatten)]
    manner: Manner,
}

#[derive(Serialize)]
struct Report {
    bench: &'static str,
    #[serde(flatten)]
    shape: ShapeReport,
    batch: u32,
    prompt_tokens: u32,
    new_tokens: u32,
    weights: Storage,
    precision: Precision,
    threads: usize,
    parameters: usize,
    /// Written in all rows together, by the seconds from the prompts to the last token.
    tokens_per_second: f64,
    /// Read in all rows together; the first new tokens are there at the end of it.
    prefill_tokens_per_second: f64,
    /// Written in all rows together, after the first of each.
    #[serde(skip_serializing_if = "Option::is_none")]
    decode_tokens_per_second: Option<f64>,
    /// To write one token in every row.
    #[serde(skip_serializing_if = "Option::is_none")]
    step_seconds: Option<f64>,
    prefill_seconds: f64,
    total_seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_rss_bytes: Option<u64>,
}

/// How long one answer in every row took, seconds.
struct Times {
    prefill: f64,
    /// Of the tokens after the first.
    decode: f64,
}

pub fn run(arguments: &Arguments, place: &Place) -> Result<()> {
    let config = arguments.shape.config()?;
    check(arguments, &config)?;
    let precision = possible(arguments.precision, &place.device)?;
    let threads = arguments.manner.set_threads()?;
    let mut decoder = Decoder::random(config, 0, DType::F32, &place.device)?;
    decoder.store(arguments.weights, |_| true)?;
    decoder.parameters.precision = precision;
    let prompts = random_prompts(arguments, &decoder.config);
    let mut times = Vec::new();
    for _ in 0..=arguments.repeats {
        let (taken, _) = answer(&decoder, &prompts, arguments.batch as usize, arguments.new_tokens as usize)?;
        times.push(taken);
    }
    let times = times.split_off(1);
    let of = |figure: fn(&Times) -> f64| median(times.iter().map(figure).collect());
    let (prefill_seconds, decode_seconds) = (of(|times| times.prefill), of(|times| times.decode));
    let total_seconds = of(|times| times.prefill + times.decode);
    let (rows, after_first) = (arguments.batch as f64, arguments.new_tokens - 1);
    let decodes = after_first > 0;
    print(
        &arguments.manner,
        &Report {
            bench: "generate",
            shape: ShapeReport::of(&decoder.config),
            batch: arguments.batch,
            prompt_tokens: arguments.prompt_tokens,
            new_tokens: arguments.new_tokens,
            weights: arguments.weights,
            precision,
            threads,
            parameters: decoder.parameters.count(),
            tokens_per_second: rows * arguments.new_tokens as f64 / total_seconds,
            prefill_tokens_per_second: prompts.len() as f64 / prefill_seconds,
            decode_tokens_per_second: decodes.then(|| rows * after_first as f64 / decode_seconds),
            step_seconds: decodes.then(|| decode_seconds / after_first as f64),
            prefill_seconds,
            total_seconds,
            peak_rss_bytes: memory::peak_rss_bytes(),
        },
    )
}

/// Refuses what has no place in the model's context, and what no machine can hold.
fn check(arguments: &Arguments, config: &Config) -> Result<()> {
    let (rows, prompt) = (arguments.batch as usize, arguments.prompt_tokens as usize);
    let length = prompt + arguments.new_tokens as usize;
    if length > config.context {
        return Err(Error::usage(format!("{length} tokens do not fit a context of {}", config.context))
            .next(format!("give --context {length}, or fewer tokens")));
    }
    let smaller = "a smaller --batch, or fewer tokens";
    check_size("the keys and values", &[2, config.layers, rows, length, config.heads.key_width()], smaller)?;
    check_size("a pass over the prompts", &[rows, prompt, config.width.max(config.intermediate)], smaller)?;
    check_size("the logits", &[rows, config.vocabulary], smaller)
}

fn random_prompts(arguments: &Arguments, config: &Config) -> Vec<u32> {
    let mut random = Random::named(0, "prompts of a bench", 0);
    let tokens = arguments.batch as usize * arguments.prompt_tokens as usize;
    (0..tokens).map(|_| random.below(config.vocabulary) as u32).collect()
}

/// Writes `new` tokens in every row, from an empty cache: how long it took, and the tokens of all rows, one step after
/// the other.
fn answer(decoder: &Decoder, prompts: &[u32], rows: usize, new: usize) -> Result<(Times, Vec<u32>)> {
    let started = Instant::now();
    let mut cache = decoder.cache(rows, prompts.len() / rows + new)?;
    let mut tokens = likeliest(&decoder.extend(prompts, &mut cache)?)?;
    let prefill = started.elapsed().as_secs_f64();
    for _ in 1..new {
        let newest = &tokens[tokens.len() - rows..];
        let next = likeliest(&decoder.extend(newest, &mut cache)?)?;
        tokens.extend(next);
    }
    Ok((Times { prefill, decode: started.elapsed().as_secs_f64() - prefill }, tokens))
}

/// The likeliest token of each row of logits, (rows, vocabulary).
fn likeliest(logits: &Tensor) -> Result<Vec<u32>> {
    let rows = logits.to_vec2::<f32>()?;
    rows.iter().map(|row| choose(row, &Sampling::GREEDY, 0)).collect()
}

fn print(manner: &Manner, report: &Report) -> Result<()> {
    let title = format!(
        "{}\n{} parameters; batch {}, matrices stored in {}, products in {}, threads {}",
        report.shape.describe(),
        count(report.parameters as u64),
        report.batch,
        report.weights,
        report.precision,
        report.threads,
    );
    manner.print(
        report,
        &title,
        [
            ("prompt, tokens/s", Some(number(report.prefill_tokens_per_second))),
            ("after it, tokens/s", report.decode_tokens_per_second.map(number)),
            ("both, new tokens/s", Some(number(report.tokens_per_second))),
            ("seconds a token", report.step_seconds.map(number)),
            ("peak memory", report.peak_rss_bytes.map(bytes)),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::preset;
    use candle_core::Device;

    #[test]
    fn the_likeliest_token_of_each_row_is_taken() {
        let logits = Tensor::new(&[[0.0f32, 2.0, 1.0], [5.0, 2.0, 1.0]], &Device::Cpu).unwrap();
        assert_eq!(likeliest(&logits).unwrap(), [1, 0]);
    }

    #[test]
    fn rows_are_read_and_written_side_by_side() {
        let config = preset::find("llama-1m").unwrap().config(300, 16);
        let decoder = Decoder::random(config, 0, DType::F32, &Device::Cpu).unwrap();
        let (first, second) = ([5, 9, 200, 31, 7, 5], [80, 2, 41, 41, 8, 150]);
        let together = answer(&decoder, &[first, second].concat(), 2, 10).unwrap().1;
        for (row, prompt) in [first, second].iter().enumerate() {
            let alone = answer(&decoder, prompt, 1, 10).unwrap().1;
            let beside: Vec<u32> = together.iter().skip(row).step_by(2).copied().collect();
            assert_eq!((alone.len(), alone), (10, beside), "row {row}");
        }
        assert!(answer(&decoder, &[5; 12], 2, 12).is_err(), "more than the context holds");
    }

    #[test]
    fn what_is_written_goes_on_from_what_was_written() {
        let config = preset::find("gpt2-1m").unwrap().config(300, 32);
        let decoder = Decoder::random(config, 3, DType::F32, &Device::Cpu).unwrap();
        let tokens = answer(&decoder, &[7, 3, 11], 1, 5).unwrap().1;
        let longer = [&[7, 3, 11], &tokens[..2]].concat();
        assert_eq!(answer(&decoder, &longer, 1, 3).unwrap().1, tokens[2..]);
    }
}
