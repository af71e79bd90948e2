//! `frostline inspect`: what a checkpoint or a run is.

use super::Place;
use super::output::{self, count, number};
use crate::Result;
use crate::model::{Answers, Decoder, Group, Score};
use crate::run::checkpoint::{self, Named};
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Arguments {
    /// A model's folder, a run's folder or name, RUN@STEP, RUN@PHASE or RUN@best; or blend:A:B:SHARE, average:A:B…,
    /// graft:BASE:LIVE:LAYERS
    path: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct CheckpointReport {
    kind: &'static str,
    path: PathBuf,
    model_type: &'static str,
    parameters: usize,
    layers: usize,
    width: usize,
    context: usize,
    vocabulary: usize,
    /// Of a head that classifies, in the order of its classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<Vec<String>>,
    /// Whether its head gives a text a number.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    regresses: bool,
    groups: Vec<GroupReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<checkpoint::State>,
}

#[derive(Serialize)]
struct GroupReport {
    layer: String,
    kind: String,
    parameters: usize,
    /// A checkpoint by itself freezes nothing.
    trainable: bool,
}

#[derive(Serialize)]
struct RunReport {
    kind: &'static str,
    path: PathBuf,
    checkpoints: Vec<RunCheckpoint>,
}

#[derive(Serialize)]
struct RunCheckpoint {
    path: PathBuf,
    #[serde(flatten)]
    state: checkpoint::State,
}

pub fn run(arguments: &Arguments, place: &Place) -> Result<()> {
    if let Some(folder) = checkpoint::run_folder(&arguments.path, &place.home) {
        return inspect_run(folder, arguments.json);
    }
    let report = match Named::find(&arguments.path, &place.home)? {
        Named::One(path) => describe(&checkpoint::weights(&path, &place.device)?, checkpoint::state(&path), path),
        // It has no folder: it is called what it was called.
        named => describe(&named.open(&place.device)?.0, None, PathBuf::from(&arguments.path)),
    };
    if arguments.json { output::write_json(&report) } else { output::show(&render(&report)) }
}

fn describe(decoder: &Decoder, state: Option<checkpoint::State>, path: PathBuf) -> CheckpointReport {
    let config = &decoder.config;
    let groups = decoder.parameters.groups().into_iter().map(|group| GroupReport {
        layer: group.layer.to_string(),
        kind: group.kind.to_string(),
        parameters: count_in(decoder, group),
        trainable: true,
    });
    CheckpointReport {
        kind: "checkpoint",
        model_type: config.family.name(),
        parameters: decoder.parameters.count(),
        layers: config.layers,
        width: config.width,
        context: config.context,
        vocabulary: config.vocabulary,
        labels: config.score.as_ref().map(Score::labels).filter(|labels| !labels.is_empty()).map(<[String]>::to_vec),
        regresses: config.score.as_ref().is_some_and(|score| score.answers == Answers::Number),
        groups: groups.collect(),
        state,
        path,
    }
}

fn count_in(decoder: &Decoder, group: Group) -> usize {
    let inside = decoder.parameters.iter().filter(|(_, parameter)| parameter.group == group);
    inside.map(|(_, parameter)| parameter.value.elem_count()).sum()
}

fn render(report: &CheckpointReport) -> String {
    let mut table = output::table(["layer", "kind", "parameters"]);
    // From the top down, as the layers stand.
    for group in report.groups.iter().rev() {
        table.add_row([group.layer.clone(), group.kind.clone(), count(group.parameters as u64)]);
    }
    let mut text = format!(
        "{}\n{} with {} parameters: {} layers of width {}, context {}, vocabulary {}\n",
        report.path.display(),
        report.model_type,
        count(report.parameters as u64),
        report.layers,
        report.width,
        report.context,
        report.vocabulary,
    );
    if let Some(state) = &report.state {
        let loss = state.loss.map_or(String::new(), |loss| format!(", held-out loss {}", number(loss)));
        let checkpoint::State { run, phase, step, precision, .. } = state;
        text += &format!("run {run}, phase {phase}, step {step}, trained with products in {precision}{loss}\n");
    }
    if let Some(labels) = &report.labels {
        text += &format!("its head tells {} classes apart: {}\n", labels.len(), labels.join(", "));
    }
    if report.regresses {
        text += "its head gives a text a number\n";
    }
    format!("{text}\n{}\n", output::lay_out(table, 2))
}

fn inspect_run(folder: PathBuf, json: bool) -> Result<()> {
    let checkpoints = match folder.join("checkpoints").is_dir() {
        true => checkpoint::list(&folder)?,
        false => Vec::new(),
    };
    if json {
        let checkpoints = checkpoints.into_iter().map(|(path, state)| RunCheckpoint { path, state }).collect();
        return output::write_json(&RunReport { kind: "run", path: folder, checkpoints });
    }
    output::show(&render_run(&folder, &checkpoints))
}

fn render_run(folder: &Path, checkpoints: &[(PathBuf, checkpoint::State)]) -> String {
    let mut table = output::table(["step", "phase", "products", "held-out loss", "checkpoint"]);
    for (path, state) in checkpoints {
        let loss = state.loss.map_or("–".into(), number);
        let (step, products) = (state.step.to_string(), state.precision.to_string());
        table.add_row([step, state.phase.clone(), products, loss, path.display().to_string()]);
    }
    format!("run {}\n\n{}\n", folder.display(), output::lay_out(table, 2))
}
