//! `frostline blend` and `average`: weights between checkpoints, written as a model's folder.

use super::{Place, output};
use crate::model::folder;
use crate::run::checkpoint::{Named, list, resolve, run_folder};
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
    /// Models' folders, RUN, RUN@STEP, RUN@PHASE or RUN@best, all of the same shape; with --last, one RUN
    #[arg(required = true)]
    checkpoints: Vec<String>,
    /// The newest K checkpoints of the run, all of its last phase
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(2..=1 << 20))]
    last: Option<u32>,
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
    let paths = match (arguments.last, arguments.checkpoints.as_slice()) {
        (Some(count), [run]) => newest(run, count as usize, place)?,
        (Some(_), _) => return Err(Error::usage("--last is of one run").next("name one run, or leave --last out")),
        (None, [_]) => {
            return Err(Error::usage("an average is of two checkpoints or more")
                .next("name another, or take the newest of a run with --last 5"));
        }
        (None, names) => names.iter().map(|name| resolve(name, &place.home)).collect::<Result<_>>()?,
    };
    write(&Named::Average(paths), &arguments.target, place)
}

/// The newest checkpoints of a run's last phase, by step. Between phases a run changes what it learns: a mean across them
/// is a blend of tasks, and has to be asked for by names.
fn newest(run: &str, count: usize, place: &Place) -> Result<Vec<PathBuf>> {
    let folder = run_folder(run, &place.home).ok_or_else(|| {
        Error::new(format!("{run} is no run")).next("give the name or the folder of a run; frostline ls lists them")
    })?;
    let all = list(&folder)?;
    let phase = all.last().map(|(_, state)| state.phase.clone()).unwrap_or_default();
    let of_phase: Vec<PathBuf> =
        all.into_iter().filter(|(_, state)| state.phase == phase).map(|(path, _)| path).collect();
    match of_phase.len().checked_sub(count) {
        Some(older) => Ok(of_phase[older..].to_vec()),
        None => Err(Error::new(format!("{run} has no {count} checkpoints to average"))
            .because(match of_phase.len() {
                0 => "it has none that is whole".to_string(),
                have => format!("its last phase, {phase}, has {have}"),
            })
            .next("take fewer; plans keep more with checkpoint_every and keep = { last = 5 }")),
    }
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
