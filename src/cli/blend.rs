//! `frostline blend` and `average`: weights between checkpoints, written as a model's folder.

use super::{Place, output};
use crate::model::folder;
use crate::run::checkpoint::{Named, resolve};
use crate::{Context, Error, Result};
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Blend {
    /// A model's folder, RUN, RUN@STEP, RUN@PHASE or RUN@best
    base: String,
    /// Another one, of the same shape
    tuned: String,
    /// The share of the second: 0 is the first model, 1 the second
    #[arg(long, default_value_t = 0.5, value_name = "SHARE")]
    alpha: f64,
    #[command(flatten)]
    target: Target,
}

#[derive(clap::Args)]
pub struct Average {
    /// Models' folders, RUN, RUN@STEP, RUN@PHASE or RUN@best, all of the same shape
    #[arg(required = true, num_args = 2..)]
    checkpoints: Vec<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(clap::Args)]
struct Target {
    /// Write a Hugging Face folder here; there must be nothing yet
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn blend(arguments: &Blend, place: &Place) -> Result<()> {
    if !(0.0..=1.0).contains(&arguments.alpha) {
        return Err(Error::usage(format!("--alpha {} is no share", arguments.alpha)).next("give a number from 0 to 1"));
    }
    let [base, tuned] = [&arguments.base, &arguments.tuned].map(|name| resolve(name, &place.home));
    let named = Named::Blend { base: base?, tuned: tuned?, share: arguments.alpha };
    write(&named, &arguments.target, place)
}

pub fn average(arguments: &Average, place: &Place) -> Result<()> {
    let paths = arguments.checkpoints.iter().map(|name| resolve(name, &place.home));
    write(&Named::Average(paths.collect::<Result<_>>()?), &arguments.target, place)
}

/// Opens the mixture before anything is made, so that what is refused leaves nothing behind; and the folder is there whole
/// or not at all.
fn write(named: &Named, target: &Target, place: &Place) -> Result<()> {
    let out: &Path = &target.out;
    if out.exists() {
        return Err(Error::new(format!("{} is there already", out.display())).next("give --out a new folder"));
    }
    let (decoder, tokenizer) = named.open(&place.device)?;
    let part = out.with_extension(format!("{}.part", std::process::id()));
    std::fs::create_dir_all(&part).what(|| format!("cannot make the folder {}", part.display()))?;
    let written = folder::save(&decoder, tokenizer.end_of_text(), &part).and_then(|()| tokenizer.save(&part));
    let moved = written.and_then(|()| {
        std::fs::rename(&part, out).what(|| format!("cannot move {} to {}", part.display(), out.display()))
    });
    if moved.is_err() {
        // The error says what there is to say; half a model is of no use.
        let _ = std::fs::remove_dir_all(&part);
    }
    moved?;
    let parameters = decoder.parameters.count();
    match target.json {
        true => output::write_json(&json!({ "path": out, "parameters": parameters })),
        false => output::write(&format!("wrote {} · {parameters} parameters\n", out.display())),
    }
}
