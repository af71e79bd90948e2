//! The prompt pane: one prompt, answered by several checkpoints side by side.

mod actions;
mod explanations;
mod history;
mod input;
mod lane;
pub mod mixture;
mod picker;
mod settings;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod mixture_tests;

pub use actions::ACTIONS;
pub use explanations::EXPLANATIONS;
pub use input::{pointed, typed};
pub use lane::{LaneView, Progress};
pub use picker::{Choice, Picker};
pub use settings::{Setting, SettingsList};

use super::App;
use crate::protocol::{Ask, Event, Lane, LaneEnd, SampleAnswer, SampleAsk, SampleSettings, State};
use history::History;
use std::time::Duration;

/// The longest prompt that can be typed or pasted, bytes.
pub const LONGEST_PROMPT: usize = 1 << 16;
/// As many lanes as the host writes at once.
pub const MOST_LANES: usize = 8;
/// Between two answers, where the prompt is asked again by steps.
pub const AGAIN_STEPS: u64 = 100;

/// When the prompt is asked again without a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Again {
    #[default]
    Never,
    /// After every evaluation.
    Evaluations,
    /// Every [`AGAIN_STEPS`] steps.
    Steps,
}

/// A list that is open in the pane, in the place of the lanes.
#[derive(Clone, Debug, PartialEq)]
pub enum List {
    Settings(SettingsList),
    Lanes(Picker),
}

/// The state of the pane.
#[derive(Debug)]
pub struct Prompt {
    pub text: String,
    /// Where the editor's cursor stands: line and character.
    pub cursor: (usize, usize),
    editing: bool,
    pub history: History,
    /// From left to right; never empty.
    pub lanes: Vec<LaneView>,
    pub selected: usize,
    pub settings: SampleSettings,
    pub list: Option<List>,
    /// The token that is looked at, in every lane; `None` while none is.
    pub token: Option<usize>,
    /// Tokens are shaded by how unlikely they were.
    pub shaded: bool,
    pub again: Again,
    /// The step of the last answer that was asked for without a key.
    again_from: u64,
    /// The request that the lanes answer.
    asked: Option<u64>,
    /// When the prompt is asked again because a lane's weights were changed, on the app's clock.
    pub rests_until: Option<Duration>,
}

impl Default for Prompt {
    fn default() -> Self {
        Self {
            text: String::new(),
            cursor: (0, 0),
            editing: false,
            history: History::default(),
            lanes: vec![LaneView::new(Lane::Base), LaneView::new(Lane::Live)],
            selected: 0,
            settings: SampleSettings::default(),
            list: None,
            token: None,
            shaded: false,
            again: Again::Never,
            again_from: 0,
            asked: None,
            rests_until: None,
        }
    }
}

impl Prompt {
    /// Whether keys are text for the editor.
    pub fn is_editing(&self) -> bool {
        self.editing
    }

    /// Whether keys go to a list first.
    pub fn is_typing(&self) -> bool {
        self.list.is_some()
    }

    /// Whether lanes are writing.
    pub fn is_busy(&self) -> bool {
        self.asked.is_some()
    }

    /// The lane that keys are about.
    pub fn lane(&self) -> Option<&LaneView> {
        self.lanes.get(self.selected)
    }

    /// Puts a text into the editor, with the cursor at its end.
    pub fn set_text(&mut self, text: String) {
        let line = text.matches('\n').count();
        self.cursor = (line, text.rsplit('\n').next().unwrap_or_default().chars().count());
        self.text = text;
    }

    /// The editor's text was changed by a person.
    pub fn edited(&mut self, text: String, cursor: (usize, usize)) {
        if text != self.text {
            self.history.leave();
            self.text = text;
        }
        self.cursor = cursor;
    }

    /// Where a lane parts from the first: a token's place.
    pub fn parting(&self, lane: usize) -> Option<usize> {
        let first = self.lanes.first().filter(|_| lane > 0)?;
        self.lanes.get(lane)?.parting(first)
    }

    /// The place of the token that is looked at in a lane, as far as it has written.
    pub fn token_in(&self, lane: usize) -> Option<usize> {
        let last = self.lanes.get(lane)?.tokens.len().checked_sub(1)?;
        Some(self.token?.min(last))
    }
}

/// What a lane is called.
pub fn lane_name(app: &App, lane: &Lane) -> String {
    let phase = app.mirror.status.as_ref().and_then(|status| status.phase.as_ref());
    match lane {
        Lane::Base if phase.is_some_and(|phase| phase.base.is_none()) => "new weights".into(),
        _ => lane.to_string(),
    }
}

/// Why lanes cannot write now.
fn cannot_ask(app: &App) -> Option<String> {
    match (&app.mirror.goodbye, &app.mirror.status) {
        (Some(why), _) => Some(format!("the host is gone: {why}")),
        (None, None) => Some("not attached to a run yet".into()),
        (None, Some(status)) => match &status.state {
            State::Preparing(preparation) => Some(format!("the model is not there yet: {}", preparation.what)),
            _ => None,
        },
    }
}

/// Asks every lane to go on from the prompt; what they were writing ends.
fn ask(app: &mut App) {
    cancel(app);
    app.prompt.rests_until = None;
    let prompt = &app.prompt;
    let lanes = prompt.lanes.iter().map(|view| view.lane.clone()).collect();
    let sample = SampleAsk { prompt: prompt.text.clone(), lanes, settings: prompt.settings.clone() };
    let id = app.ask(Ask::Sample(sample));
    let prompt = &mut app.prompt;
    prompt.asked = Some(id);
    for (slot, lane) in (0..).zip(&mut prompt.lanes) {
        lane.wait(slot);
    }
}

/// Ends what is being written.
fn cancel(app: &mut App) {
    if let Some(id) = app.prompt.asked.take() {
        app.ask(Ask::Cancel(id));
        end_lanes(app, LaneEnd::Cancelled);
    }
}

fn end_lanes(app: &mut App, why: LaneEnd) {
    for lane in app.prompt.lanes.iter_mut().filter(|lane| lane.is_busy()) {
        lane.progress = Progress::Ended(why.clone());
    }
}

/// The key of what the cursor is on, for the explanation of it.
pub fn explained(app: &App) -> Option<&'static str> {
    let prompt = &app.prompt;
    match &prompt.list {
        Some(List::Settings(list)) => return Some(list.setting().name()),
        Some(List::Lanes(_)) => return Some("lane"),
        None => {}
    }
    match (prompt.token_in(prompt.selected), prompt.lane().map(|view| &view.lane)) {
        (None, Some(Lane::Blend(_))) => return Some("blend"),
        (None, Some(Lane::Graft(_))) => return Some("graft"),
        _ => {}
    }
    match prompt.token_in(prompt.selected) {
        Some(token) if prompt.parting(prompt.selected) == Some(token) => Some("where lanes part"),
        Some(_) => Some("token probability"),
        None if prompt.lane().is_some_and(|lane| lane.started.is_some()) => Some("prompt perplexity"),
        None => Some("lane"),
    }
}

/// The host answered a request of this pane.
pub fn answered(app: &mut App, id: u64, answer: SampleAnswer) {
    let prompt = &mut app.prompt;
    if prompt.asked != Some(id) {
        return;
    }
    let slot = lane::slot_of(&answer);
    if let Some(lane) = prompt.lanes.iter_mut().find(|lane| lane.slot == Some(slot)) {
        lane.take(answer);
    }
    if !prompt.lanes.iter().any(LaneView::is_busy) {
        prompt.asked = None;
    }
}

/// Another host is on the line: lanes that were written do not go on.
pub fn left(app: &mut App) {
    (app.prompt.asked, app.prompt.rests_until) = (None, None);
    end_lanes(app, LaneEnd::Cancelled);
}

/// Another run is on the screen: what the one before wrote is none of its.
pub fn forget_answers(app: &mut App) {
    app.prompt.lanes = vec![LaneView::new(Lane::Base), LaneView::new(Lane::Live)];
    (app.prompt.selected, app.prompt.token, app.prompt.again_from) = (0, None, 0);
    app.prompt.rests_until = None;
}

/// The run went on: lanes of a lost host end, and the prompt is asked again where that is wanted.
pub fn refresh(app: &mut App) {
    if app.mirror.goodbye.is_some() && app.prompt.asked.take().is_some() {
        end_lanes(app, LaneEnd::Failed("the host is gone".into()));
    }
    let Some(step) = again_at(app) else { return };
    let can_ask = !app.prompt.is_busy() && !app.prompt.is_editing() && cannot_ask(app).is_none();
    if can_ask {
        app.prompt.again_from = step;
        ask(app);
    }
}

/// The step at which the prompt is to be asked again, once it has come.
fn again_at(app: &mut App) -> Option<u64> {
    let newest = match app.prompt.again {
        Again::Never => None,
        Again::Steps => app.mirror.status.as_ref().map(|status| status.step),
        Again::Evaluations => app.mirror.events.iter().rev().find_map(|event| match event {
            Event::Evaluation(evaluation) => Some(evaluation.step),
            _ => None,
        }),
    }?;
    // Where the run went back, what was asked last was asked of steps that are still to come.
    let from = app.prompt.again_from.min(newest);
    app.prompt.again_from = from;
    match app.prompt.again {
        Again::Steps => (newest >= from + AGAIN_STEPS).then_some(newest),
        _ => (newest > from).then_some(newest),
    }
}
