//! What the keys of the grid ask of the run.

use super::pending::Wish;
use super::select::chosen;
use super::selectors::in_words;
use super::view::View;
use crate::app::{App, Effect, prompt};
use crate::protocol::{Ask, Command, Group, Layer, Rate, Selector};

/// What a change of the chosen groups would do.
#[derive(Clone, Debug, PartialEq)]
pub struct Prospect {
    /// Whether the groups would train.
    pub thaws: bool,
    /// The groups, named.
    pub what: String,
    /// Work of a step by that of one as it is now; `None` where costs are not known.
    pub step: Option<f64>,
    /// Bytes more than now.
    pub bytes: i64,
    /// Nothing would train any longer.
    pub leaves_nothing: bool,
}

/// The groups under the cursor or the selection, by index.
pub fn chosen_groups(app: &App, view: &View) -> Vec<usize> {
    chosen(&view.grid, app.layers.cursor, app.layers.anchor)
}

/// What the toggle would do now; `None` where nothing is chosen.
pub fn prospect(app: &App, view: &View) -> Option<Prospect> {
    let chosen = chosen_groups(app, view);
    let thaws = toggles_to(view, &chosen)?;
    let before = view.cost_with(&view.requested());
    let flags = view.requested_with(&chosen, thaws);
    let after = view.cost_with(&flags);
    Some(Prospect {
        thaws,
        what: in_words(&view.selectors(&chosen), 2),
        step: after.by(&before),
        bytes: after.bytes_above(&before),
        leaves_nothing: !flags.contains(&true),
    })
}

/// Whether the toggle thaws: only where all of it is frozen. Anything that trains in it is frozen first.
fn toggles_to(view: &View, chosen: &[usize]) -> Option<bool> {
    let requested = view.requested();
    let any_trains = chosen.iter().any(|index| requested.get(*index) == Some(&true));
    (!chosen.is_empty()).then_some(!any_trains)
}

pub fn cannot_show(app: &App) -> Option<String> {
    View::of(app).is_none().then(|| "the model is not there yet".into())
}

pub fn cannot_steer(app: &App) -> Option<String> {
    if let Some(why) = app.mirror.refusal() {
        return Some(why);
    }
    let Some(view) = View::of(app) else { return cannot_show(app) };
    chosen_groups(app, &view)
        .is_empty()
        .then(|| "the head is tied to the embedding and trains with it: go to the embedding's row".into())
}

/// Weights need nobody who trains them: a run that is over has base and live too.
pub fn cannot_graft(app: &App) -> Option<String> {
    let view = View::of(app)?;
    chosen_groups(app, &view).is_empty().then(|| "the head is tied to the embedding: go to the embedding's row".into())
}

/// A lane with the chosen layers put back.
pub fn graft(app: &mut App) {
    let Some(view) = View::of(app) else { return app.refuse("the model is not there yet") };
    let layers = view.selectors(&chosen_groups(app, &view));
    prompt::mixture::put_graft(app, layers);
}

pub fn cannot_draw_line(app: &App) -> Option<String> {
    let without_row = app.layers.cursor.row.is_none().then(|| "go to the row where the frost line is to be".into());
    cannot_steer(app).or(without_row)
}

pub fn toggle(app: &mut App) {
    let Some(thaws) = View::of(app).and_then(|view| toggles_to(&view, &chosen_groups(app, &view))) else { return };
    set(app, thaws);
}

pub fn freeze(app: &mut App) {
    set(app, false);
}

pub fn thaw(app: &mut App) {
    set(app, true);
}

fn set(app: &mut App, trains: bool) {
    let Some(view) = View::of(app) else { return };
    let chosen = chosen_groups(app, &view);
    let selectors = view.selectors(&chosen);
    let wishes = wishes_to_train(&view, |index, _| chosen.contains(&index).then_some(trains));
    if !selectors.is_empty() {
        let command = if trains { Command::Thaw(selectors) } else { Command::Freeze(selectors) };
        send(app, command, wishes);
    }
}

pub fn draw_line(app: &mut App) {
    let Some(view) = View::of(app) else { return };
    let row = app.layers.cursor.inside(&view.grid).row;
    let Some(line) = row.and_then(|row| view.grid.layers.get(row)).copied() else { return };
    let wishes = wishes_to_train(&view, |_, group| Some(group.layer >= line));
    send(app, Command::FrostLine(line), wishes);
}

/// What changes where groups are to train as `wanted` says; what is as wanted is not asked for.
fn wishes_to_train(view: &View, wanted: impl Fn(usize, Group) -> Option<bool>) -> Vec<(Group, Wish)> {
    let groups = view.groups.iter().zip(view.requested()).enumerate();
    groups
        .filter_map(|(index, (group, trains))| {
            let wanted = wanted(index, *group).filter(|wanted| *wanted != trains)?;
            Some((*group, Wish::trains(wanted)))
        })
        .collect()
}

pub fn slower(app: &mut App) {
    change_rate(app, |now| (now * 0.5, Rate::Times(0.5)));
}

pub fn faster(app: &mut App) {
    change_rate(app, |now| (now * 2.0, Rate::Times(2.0)));
}

pub fn reset_rate(app: &mut App) {
    change_rate(app, |_| (1.0, Rate::Set(1.0)));
}

/// One command a selector: a rate is given to one at a time. `of` says from a multiplier what it becomes, and how that
/// is asked for.
fn change_rate(app: &mut App, of: impl Fn(f64) -> (f64, Rate)) {
    let Some(view) = View::of(app) else { return };
    let selectors = view.selectors(&chosen_groups(app, &view));
    let asked: Vec<(Command, Vec<(Group, Wish)>)> =
        selectors.into_iter().map(|selector| rate_command(&view, selector, &of)).collect();
    for (command, wishes) in asked {
        send(app, command, wishes);
    }
}

fn rate_command(view: &View, selector: Selector, of: impl Fn(f64) -> (f64, Rate)) -> (Command, Vec<(Group, Wish)>) {
    let named = view.groups.iter().enumerate().filter(|(_, group)| selector.matches(**group));
    let wish = |index: usize| Wish::multiplier(of(view.requested_multiplier(index)).0);
    let wishes = named.map(|(index, group)| (*group, wish(index))).collect();
    let (_, rate) = of(1.0);
    (Command::Rate { of: Some(selector), rate }, wishes)
}

fn send(app: &mut App, command: Command, wishes: Vec<(Group, Wish)>) {
    let id = app.ask(Ask::Steer(command));
    app.layers.pending.push(id, wishes);
}

/// The state as it stands in a plan: `frozen = ["embedding", "block.0-3"]`.
pub fn copy_state(app: &mut App) {
    let Some(view) = View::of(app) else { return };
    let frozen: Vec<usize> = (0..view.groups.len()).filter(|index| view.trains.get(*index) == Some(&false)).collect();
    let names: Vec<String> = view.selectors(&frozen).iter().map(|selector| format!("\"{selector}\"")).collect();
    let line = format!("frozen = [{}]", names.join(", "));
    app.say(format!("copied for a plan: {line}"));
    app.effect(Effect::Copy(line));
}

/// How a layer is called on the screen.
pub fn layer_name(layer: Layer) -> String {
    match layer {
        Layer::Block(index) => format!("block {index}"),
        other => other.to_string(),
    }
}
