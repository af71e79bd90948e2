//! `frostline bench`: how fast this machine trains, generates and prepares text. `benches/peers/` measures the same
//! shapes and the same text elsewhere.

mod flops;
mod generate;
mod peak;
mod prepare;
mod shape;
mod step;

use super::{Place, output};
use crate::ops::Precision;
use crate::run::device;
use crate::{Error, Result};
use candle_core::Device;
use clap::{Args, Subcommand};
use serde::Serialize;

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

// What each does stands at its arguments.
#[derive(Subcommand)]
enum What {
    Step(step::Arguments),
    Generate(generate::Arguments),
    Prepare(prepare::Arguments),
}

// What every bench is given. No doc comment: it would stand in the help of each bench.
#[derive(Args)]
struct Manner {
    /// Threads to compute with [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    threads: Option<u32>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments, place: &Place) -> Result<()> {
    match &arguments.what {
        What::Step(step) => step::run(step, place),
        What::Generate(generate) => generate::run(generate, place),
        What::Prepare(prepare) => prepare::run(prepare, place),
    }
}

/// Refuses a precision that would be computed in another: figures are of what they say.
fn possible(precision: Precision, device: &Device) -> Result<Precision> {
    match device::products(device, precision) {
        (used, _) if used == precision => Ok(precision),
        (used, why) => Err(Error::new(format!("cannot measure {precision} products"))
            .because(why.unwrap_or_default())
            .next(format!("give --precision {used}"))),
    }
}

impl Manner {
    /// Sets how many threads compute in this process, and returns how many those are. To be called before anything
    /// is computed.
    fn set_threads(&self) -> Result<usize> {
        if let Some(threads) = self.threads {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads as usize);
            pool.build_global().map_err(|error| Error::new(format!("cannot use {threads} threads")).because(error))?;
        }
        Ok(rayon::current_num_threads())
    }

    /// Prints what was measured: an object, or `lines` of names and figures for a person.
    fn print<const N: usize>(
        &self,
        report: &impl Serialize,
        title: &str,
        lines: [(&str, Option<String>); N],
    ) -> Result<()> {
        if self.json {
            return output::write_json(report);
        }
        let mut text = format!("{title}\n\n");
        for (name, figure) in lines {
            if let Some(figure) = figure {
                text += &format!("{name:<22}{figure}\n");
            }
        }
        output::show(&text)
    }
}

/// The middle of what was measured; of an even number the mean of the two in the middle. 0 where nothing was.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let (low, high) = (figures.len().saturating_sub(1) / 2, figures.len() / 2);
    match (figures.get(low), figures.get(high)) {
        (Some(low), Some(high)) => (low + high) / 2.0,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 9.0]), 3.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 9.0]), 3.0);
        assert_eq!((median(vec![5.0]), median(vec![])), (5.0, 0.0));
    }
}
