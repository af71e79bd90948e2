//! `frostline lr-find`: a learning-rate range test, as a chart of text, JSON and a picture.

mod chart;
mod picture;

use super::figure::check_writable;
use super::output::number;
use super::progress::{Bar, style};
use super::{Place, interruption, output};
use crate::Result;
use crate::run::checkpoint;
use crate::run::plan::{self, Overrides, PRESETS};
use crate::run::range_test::{End, Point, Range, Report, Request, range_test};
use indicatif::ProgressBar;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Arguments {
    /// A plan's TOML file, a preset's name, a run, RUN@STEP, RUN@PHASE or RUN@best
    #[arg(value_name = "PLAN|RUN")]
    target: String,
    /// The phase whose rate is looked for [default: the first, or the one that comes next in the run]
    #[arg(long, value_name = "NAME")]
    phase: Option<String>,
    /// The lowest rate
    #[arg(long, default_value_t = 1e-7, value_name = "RATE")]
    from: f64,
    /// The highest rate
    #[arg(long, default_value_t = 1.0, value_name = "RATE")]
    to: f64,
    /// Steps from one to the other
    #[arg(long, default_value_t = 100, value_name = "N")]
    steps: u64,
    /// Change a setting of the plan, such as phase.pretrain.batch=32
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Draw the curve into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// What the target names.
struct Target {
    /// A plan's name or file.
    plan: String,
    run: Option<PathBuf>,
    checkpoint: Option<PathBuf>,
}

pub fn run(arguments: &Arguments, place: &Place) -> Result<()> {
    arguments.svg.as_deref().map_or(Ok(()), check_writable)?;
    let target = find(&arguments.target, place)?;
    let overrides = Overrides { set: arguments.set.clone(), ..Overrides::default() };
    let is_preset = PRESETS.iter().any(|(name, ..)| *name == target.plan);
    let is_nothing = target.run.is_none() && !is_preset && !Path::new(&target.plan).exists();
    let plan = plan::load(&target.plan, &overrides).map_err(|error| match is_nothing {
        true => error.within(format!("{} is neither a run nor a plan", arguments.target)),
        false => error,
    })?;
    let (cancel, preparing) = (interruption()?, Bar::default());
    let request = Request {
        plan: &plan,
        phase: arguments.phase.as_deref(),
        run: target.run.as_deref(),
        checkpoint: target.checkpoint.as_deref(),
        range: Range { from: arguments.from, to: arguments.to, steps: arguments.steps },
        home: &place.home,
        device: &place.device,
        progress: &preparing,
        cancel: &cancel,
    };
    let bar = ProgressBar::new(arguments.steps).with_style(style("  {bar:16} {pos}/{len}  {msg}  {eta} left"));
    let report = range_test(&request, |step, point: &Point| {
        bar.set_message(format!("rate {}  loss {}", number(point.rate), number(point.smoothed)));
        bar.set_position(step + 1);
    });
    bar.finish_and_clear();
    let report = report?;
    if let Some(path) = &arguments.svg {
        picture::draw(&report).write(path)?;
    }
    match arguments.json {
        true => output::write_json(&report),
        false => output::show(&describe(&report)),
    }
}

/// A run comes before a plan of the same name, as everywhere.
fn find(target: &str, place: &Place) -> Result<Target> {
    let plan_of = |run: &Path| run.join("plan.toml").to_string_lossy().into_owned();
    if let Some(run) = checkpoint::run_folder(target, &place.home) {
        return Ok(Target { plan: plan_of(&run), run: Some(run), checkpoint: None });
    }
    if let Some((name, _)) = target.rsplit_once('@')
        && let Some(run) = checkpoint::run_folder(name, &place.home)
    {
        let checkpoint = Some(checkpoint::resolve(target, &place.home)?);
        return Ok(Target { plan: plan_of(&run), run: Some(run), checkpoint });
    }
    Ok(Target { plan: target.to_string(), run: None, checkpoint: None })
}

/// The readings, by name, with what they are.
fn readings(report: &Report) -> [(&'static str, char, Option<f64>, &'static str); 3] {
    let found = &report.suggestions;
    [
        ("steepest", 's', found.steepest, "where the loss falls fastest"),
        ("valley", 'v', found.valley, "inside the longest fall"),
        ("minimum / 10", 'm', found.minimum_tenth, "a tenth of the rate of the lowest loss"),
    ]
}

fn describe(report: &Report) -> String {
    let from = report.start.as_ref().map_or("new weights".into(), |path| path.clone());
    let ended = match report.ended {
        End::Done => "all rates were gone through".to_string(),
        End::Diverged => format!("diverged after {} of {} steps", report.points.len(), report.range.steps),
    };
    let mut text = format!("{} · from {from} · {ended}\n\n{}\n", report.phase, chart::draw(report));
    for (name, letter, rate, what) in readings(report) {
        let rate = rate.map_or("–".into(), scientific);
        text += &format!("  {letter}  {name:<13} {rate:<9} {what}\n");
    }
    text += &format!("  p  {:<13} {:<9} the plan's rate at the peak\n", "planned", scientific(report.planned));
    if report.suggestions.valley.is_none() {
        text += "\nThe loss never fell: try lower rates (--from), more steps (--steps), or look at the data.\n";
    }
    text
}

/// 3.16e-4.
fn scientific(rate: f64) -> String {
    format!("{rate:.2e}")
}

#[cfg(test)]
mod tests;
