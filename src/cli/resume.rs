//! `frostline resume`, `replay`, `recipe`, `fork`: going on with a run, and doing it again.

use super::progress::Bar;
use super::train::{Form, watched};
use super::{Place, interruption, output, remote};
use crate::error::Kind;
use crate::protocol::{Origin, OriginKind};
use crate::run::execute::{Request, execute, find_beginning, go_on};
use crate::run::folder::{PLAN, RunFolder};
use crate::run::plan::{self, Overrides};
use crate::run::{HostPlace, Lock, checkpoint, fork, recipe};
use crate::{Context, Error, Result};
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Resume {
    /// A run: its name, or its folder
    run: String,
    /// Go on from this step's checkpoint, instead of the newest; what was changed after it is changed again
    #[arg(long, value_name = "STEP")]
    at: Option<u64>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub struct Replay {
    /// A run: its name, or its folder
    run: String,
    /// The new run's name
    #[arg(long = "as", value_name = "NAME")]
    name: String,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub struct Recipe {
    /// A run: its name, or its folder
    run: String,
    /// Write the plan into this file, which must not be there yet
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(clap::Args)]
pub struct Fork {
    /// A run: its name, or its folder
    run: String,
    /// Steps that both have in common [default: those of the newest checkpoint]
    #[arg(long, value_name = "STEP")]
    at: Option<u64>,
    /// The new run's name [default: this run's, numbered]
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Goes on with a run in the foreground, as if nothing had happened.
pub fn resume(arguments: &Resume, place: &Place) -> Result<()> {
    let path = remote::find(&arguments.run, place)?;
    let host = HostPlace::of(&path);
    host.create()?;
    let _lock = Lock::take(&host)?;
    let (mut folder, entries) = RunFolder::open(&path)?;
    let plan = plan::load(&path.join(PLAN).to_string_lossy(), &Overrides::default())?;
    let beginning = find_beginning(&mut folder, entries, arguments.at)?;
    let (cancel, bar) = (interruption()?, Bar::default());
    let (device, home) = (&place.device, &place.home);
    let request = Request { plan: &plan, name: None, device, home, progress: &bar, cancel: &cancel, until: None };
    watched(Form::of(arguments.json), |observer| go_on(folder, beginning, &request, observer)).map(drop)
}

/// Carries plan and journal of a run out again, in a run of its own.
pub fn replay(arguments: &Replay, place: &Place) -> Result<()> {
    let path = remote::find(&arguments.run, place)?;
    let recipe = recipe::of(&path)?;
    if recipe.step == 0 {
        return Err(Error::new(format!("there is nothing of {} to replay yet", arguments.run))
            .because("it has no checkpoint to come to"));
    }
    let (cancel, bar) = (interruption()?, Bar::default());
    let until = (!recipe.is_finished).then_some(recipe.step);
    let (device, home, name) = (&place.device, &place.home, Some(arguments.name.as_str()));
    let request = Request { plan: &recipe.plan, name, device, home, progress: &bar, cancel: &cancel, until };
    let own = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let origin = Origin { run: own, step: 0, kind: OriginKind::Replay, lines: 0 };
    let form = Form::of(arguments.json);
    let outcome = watched(form, |observer| execute(&request, observer, Some(origin)));
    let came = until.is_some() && reached(&home.runs().join(&arguments.name), until);
    match outcome {
        // It stops where the other run stands; what was refused, or stopped before, is no replay.
        Err(error) if !came || error.kind != Kind::Interrupted => return Err(error),
        _ => {}
    }
    compare(&path, &home.runs().join(&arguments.name), recipe.step, form)
}

fn reached(run: &Path, step: Option<u64>) -> bool {
    step.is_some_and(|step| checkpoint::list(run).unwrap_or_default().iter().any(|(_, state)| state.step == step))
}

/// Says whether both runs have the same weights after a step.
fn compare(one: &Path, other: &Path, step: u64, form: Form) -> Result<()> {
    let weights = |run: &Path| {
        let found = checkpoint::list(run)?.into_iter().find(|(_, state)| state.step == step);
        let (path, _) = found.ok_or_else(|| Error::new(format!("{} has no step {step}", run.display())))?;
        std::fs::read(path.join("model.safetensors")).what(|| format!("cannot read the weights in {}", path.display()))
    };
    let same = weights(one)? == weights(other)?;
    match form {
        Form::Json => output::write_json(&json!({"replayed": {"step": step, "identical": same}}))?,
        Form::Person if same => output::show(&format!("the weights after step {step} are identical\n"))?,
        Form::Person => {}
    }
    if same {
        return Ok(());
    }
    Err(Error::new(format!("the weights after step {step} differ"))
        .because("another processor, device, number of threads or version computes other last bits")
        .next("compare the figures of both runs: `frostline journal` and metrics.jsonl"))
}

pub fn recipe(arguments: &Recipe, place: &Place) -> Result<()> {
    let path = remote::find(&arguments.run, place)?;
    let text = recipe::text(&recipe::of(&path)?, &arguments.run)?;
    let Some(out) = &arguments.out else { return output::show(&text) };
    let failed = || format!("cannot write {}", out.display());
    let mut file = std::fs::File::create_new(out).what(failed)?;
    std::io::Write::write_all(&mut file, text.as_bytes()).what(failed)
}

pub fn fork(arguments: &Fork, place: &Place) -> Result<()> {
    let path = remote::find(&arguments.run, place)?;
    let forked = fork::fork(&place.home, &path, arguments.at, arguments.name.as_deref())?;
    if arguments.json {
        return output::write_json(&json!({"run": forked.run, "step": forked.step, "checkpoint": forked.from}));
    }
    let again = match forked.step - forked.from {
        0 => String::new(),
        steps => format!("; its last {steps} steps are done again from the checkpoint of step {}", forked.from),
    };
    let run = &forked.run;
    output::show(&format!(
        "{run} has the first {} steps of {}{again}\ngo on with `frostline resume {run}`, or open it with `frostline {run}`\n",
        forked.step, arguments.run
    ))
}
