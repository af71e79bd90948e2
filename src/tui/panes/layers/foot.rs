//! The lines at the foot: what the toggle would do, what the last change did, and what the cells mean.

use super::figure::{bytes_more, three_digits};
use crate::app::App;
use crate::app::layers::{Change, Lens, Measured, Prospect, View, in_words};
use crate::tui::text;
use crate::tui::widgets::{self, fit};

/// Steps for which a change is more worth telling than what the cells mean, where there is no room for both.
const NEWS: u64 = 200;

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    News,
    Reminder,
    /// It says what the cells mean.
    Legend,
    Warning,
}

pub struct FootLine {
    pub text: String,
    pub tone: Tone,
}

/// Lines that there is something for: a change has its own only once there was one.
pub fn wanted(app: &App) -> u16 {
    if app.layers.newest_change().is_some() { 3 } else { 2 }
}

/// What is written into `lines` lines of so many columns, the uppermost first.
pub fn lines(app: &App, view: &View, prospect: Option<Prospect>, lines: u16, columns: u16) -> Vec<FootLine> {
    let quiet = |text: String| FootLine { text, tone: Tone::Reminder };
    let loud = |text: String| FootLine { text, tone: Tone::News };
    let ahead = match (app.mirror.refusal(), prospect) {
        (Some(why), _) => quiet(fit(&why, columns)),
        (None, Some(prospect)) => loud(ahead(&prospect, columns)),
        (None, None) => quiet(longest(&["the head trains with the embedding".into()], columns)),
    };
    let change = app.layers.newest_change();
    let step = app.mirror.status.as_ref().map_or(0, |status| status.step);
    let is_news = change.is_some_and(|change| step <= change.between.end().saturating_add(NEWS));
    let told = change.map(|change| loud(behind(change, columns)));
    let legend =
        starved(view, columns).unwrap_or_else(|| FootLine { text: legend(app, view, columns), tone: Tone::Legend });
    match (lines, told) {
        (0, _) => Vec::new(),
        (1, _) => vec![ahead],
        (2, Some(told)) if is_news => vec![ahead, told],
        (2, _) | (_, None) => vec![ahead, legend],
        (_, Some(told)) => vec![ahead, told, legend],
    }
}

/// The first of these that fits, the fullest first; nothing where none does.
pub fn longest(variants: &[String], room: u16) -> String {
    variants.iter().find(|text| widgets::columns(text) <= room).cloned().unwrap_or_default()
}

fn ahead(prospect: &Prospect, columns: u16) -> String {
    let verb = if prospect.thaws { "thawing" } else { "freezing" };
    let what = &prospect.what;
    if prospect.leaves_nothing {
        let why = "nothing would train";
        return longest(&[format!("{verb} {what}: {why}"), why.into()], columns);
    }
    let Some(step) = prospect.step.map(three_digits) else { return longest(&[format!("{verb} {what}")], columns) };
    let bytes = bytes_more(prospect.bytes);
    longest(
        &[
            format!("{verb} {what}: step {step}× predicted, {bytes}"),
            format!("{verb} {what}: step {step}×, {bytes}"),
            format!("{what}: step {step}×, {bytes}"),
            format!("{what}: step {step}×"),
            format!("{verb}: step {step}×, {bytes}"),
            format!("{verb}: step {step}×"),
            format!("step {step}×"),
        ],
        columns,
    )
}

fn behind(change: &Change, columns: u16) -> String {
    let what = &change.what;
    let predicted = change.predicted.map_or("–".into(), |ratio| format!("{}×", three_digits(ratio)));
    let bytes = bytes_more(change.bytes);
    let variants = match change.measured {
        Measured::Ratio(ratio) => {
            let measured = format!("{}×", three_digits(ratio));
            [
                format!("{what}: step {measured} measured, {predicted} predicted · {bytes}"),
                format!("{what}: step {measured} measured, {predicted} predicted"),
                format!("{what}: step {measured}, predicted {predicted}"),
                format!("step {measured}, predicted {predicted}"),
                format!("step {measured}"),
            ]
        }
        Measured::Waiting(steps) => {
            let progress = format!("{steps} of {} steps", Measured::NEEDED);
            [
                format!("{what}: step {predicted} predicted, measuring: {progress} · {bytes}"),
                format!("{what}: step {predicted} predicted, measuring: {progress}"),
                format!("{what}: step {predicted} predicted"),
                format!("step {predicted} predicted"),
                format!("step {predicted}"),
            ]
        }
        Measured::Never => [
            format!("{what}: step {predicted} predicted, not measured · {bytes}"),
            format!("{what}: step {predicted} predicted, not measured"),
            format!("{what}: step {predicted} predicted"),
            format!("step {predicted} predicted"),
            format!("step {predicted}"),
        ],
    };
    longest(&variants, columns)
}

/// A group that trains and gets no gradient must not go unseen: its name stands in the legend's place.
fn starved(view: &View, columns: u16) -> Option<FootLine> {
    let starved = view.starved();
    let names = in_words(&view.selectors(&starved), 2);
    let text = longest(&[format!("! no gradient reaches {names}"), "! no gradient".into()], columns);
    (!starved.is_empty()).then_some(FootLine { text, tone: Tone::Warning })
}

/// What the cells mean, and how many commands wait for the end of the step.
fn legend(app: &App, view: &View, columns: u16) -> String {
    let waiting = app.mirror.status.as_ref().map_or(0, |status| status.pending.len());
    let asked = match waiting {
        0 => String::new(),
        1 => " · … 1 command waits".into(),
        many => format!(" · … {many} commands wait"),
    };
    let at = view.measured_at.map_or(String::new(), |step| format!(" · step {step}"));
    let (full, short) = match app.layers.lens {
        Lens::Trains => ("■■■ trains · ❄ frozen · → asked for".to_string(), "■■■ trains · ❄ frozen"),
        Lens::Gradient => (format!("norm of the gradient before clipping{at}"), "norm of the gradient"),
        Lens::Update => (format!("change by weights, 1e-3 is normal{at}"), "change by weights"),
        Lens::Drift => (format!("distance from θ* by its size{at}"), "distance from θ*"),
        Lens::Multiplier => (format!("times the run's rate, {}", rate(app)), "times the run's rate"),
        Lens::Memory => (
            format!("gradient, moments, activations: {} in all", text::bytes(view.cost().bytes())),
            "bytes for training",
        ),
        Lens::Time => ("share of a step's operations, computed".to_string(), "share of a step"),
    };
    longest(&[format!("{full}{asked}"), format!("{short}{asked}"), full, short.into()], columns)
}

fn rate(app: &App) -> String {
    app.mirror.status.as_ref().map_or("–".into(), |status| format!("{:.2e}", status.learning_rate))
}
