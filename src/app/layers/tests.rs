//! Keys and pointers in, requests and state out.

use super::testing::{app, groups, status, steps};
use super::*;
use crate::app::{Effect, Gesture, Key, Pane, Pointer, Spot, action};
use crate::protocol::{Ask, Command, Group, Kind, Layer, Message, PrefixState, Status};

/// Presses a key as the shell does: the action that has it, unless it is refused.
fn press(app: &mut App, key: &str) {
    let key: Key = key.parse().unwrap();
    let has_key = |action: &&super::super::Action| action.keys.iter().any(|text| text.parse() == Ok(key));
    let action = ACTIONS.iter().find(has_key).unwrap();
    match (action.refusal)(app) {
        Some(why) => app.refuse(why),
        None => (action.run)(app),
    }
}

fn presses(app: &mut App, keys: &str) {
    keys.split_whitespace().for_each(|key| press(app, key));
}

/// What was asked of the run since the last call, as it is typed.
fn commands(app: &mut App) -> Vec<String> {
    let asks = app.take_requests().into_iter().map(|request| request.ask);
    asks.filter_map(|ask| match ask {
        Ask::Steer(command) => Some(command.to_string()),
        _ => None,
    })
    .collect()
}

fn point(app: &mut App, gesture: Gesture, spot: Spot) {
    pointed(app, Pointer { gesture, spot, x: 0, y: 0, width: 8, height: 1 });
}

fn click(app: &mut App, spot: Spot) {
    point(app, Gesture::Press, spot);
    point(app, Gesture::Release, spot);
}

fn wish(app: &App, group: &str) -> Wish {
    let view = View::of(app).unwrap();
    let index = view.groups.iter().position(|other| other.to_string() == group).unwrap();
    view.wishes[index]
}

#[test]
fn space_toggles_cells_rows_columns_and_selections() {
    let mut app = app(4, true, |group| group.layer > Layer::Embedding);
    for (keys, expected) in [
        ("space", "freeze head"),
        ("down down space", "freeze block.3/attention"),
        ("left space", "freeze block.3"),
        ("home up up right space", "freeze all/attention"),
        ("left space", "freeze all"),
        ("end space", "thaw embedding"),
        ("home down down right v down right space", "freeze block.2-3/attention block.2-3/mlp"),
    ] {
        app.layers.anchor = None;
        app.layers.pending.clear();
        presses(&mut app, keys);
        assert_eq!(commands(&mut app), [expected], "{keys}");
    }
}

#[test]
fn what_the_cursor_is_on_becomes_a_graft_in_the_prompt_pane() {
    let mut app = app(4, true, |_| true);
    presses(&mut app, "home down down right v down right b");
    let lanes: Vec<String> = app.prompt.lanes.iter().map(|view| view.lane.to_string()).collect();
    assert_eq!(lanes, ["base θ*", "live", "graft block.2-3/mlp, block.2-3/norm from base"]);
    assert!(commands(&mut app).is_empty() && app.toast.as_ref().unwrap().text.contains("when the prompt is run"));
    // The lane that is there becomes another.
    presses(&mut app, "esc end left b");
    assert_eq!(app.prompt.lanes[2].lane.to_string(), "graft embedding from base");
    let mut none = App::new();
    presses(&mut none, "b");
    assert!(none.toast.as_ref().unwrap().is_refusal && none.prompt.lanes.len() == 2);
}

#[test]
fn what_is_half_frozen_is_frozen_and_then_thawed() {
    let mut app = app(2, true, |group| group.kind != Kind::Mlp);
    presses(&mut app, "down down left space space");
    assert_eq!(commands(&mut app), ["freeze block.1", "thaw block.1"]);
    presses(&mut app, "F T");
    assert_eq!(commands(&mut app), ["freeze block.1", "thaw block.1"]);
}

#[test]
fn the_frost_line_comes_to_the_row_of_the_cursor() {
    let mut app = app(4, true, |_| true);
    presses(&mut app, "down down down f");
    assert_eq!(commands(&mut app), ["frost-line block.2"]);
    assert_eq!(wish(&app, "block.1/mlp").trains, Some(false));
    // What is so already is not asked for.
    assert!(!wish(&app, "block.2/mlp").is_some());
    presses(&mut app, "home up f");
    assert!(commands(&mut app).is_empty());
    assert!(app.toast.unwrap().text.contains("go to the row"));
}

#[test]
fn rates_go_out_for_each_selector_alone() {
    let mut app = app(2, true, |_| true);
    presses(&mut app, "down down v down down < > > =");
    let expected = ["embedding", "all/attention"];
    let each = |rate: &str| expected.map(|selector| format!("rate {selector} {rate}"));
    assert_eq!(commands(&mut app), [each("x0.5"), each("x2"), each("x2"), each("1")].concat());
    assert_eq!(wish(&app, "embedding/embedding").multiplier, Some(1.0));
    assert!(!wish(&app, "block.0/mlp").is_some());
    let mut app = super::testing::app(2, true, |_| true);
    presses(&mut app, "> > >");
    assert_eq!(wish(&app, "head/head").multiplier, Some(8.0));
}

#[test]
fn a_wish_stays_until_it_is_answered() {
    let mut app = app(2, true, |_| true);
    press(&mut app, "space");
    let id = app.take_requests()[0].id;
    assert_eq!(wish(&app, "head/head").trains, Some(false));
    // Another command's answer is not this one's.
    app.message(Message::Answer { id: id + 1, answer: Answer::Refused("no".into()) });
    assert!(wish(&app, "head/head").is_some());
    // It took effect; the status that shows it comes later, and the cell does not fall back in between.
    app.message(Message::Answer { id, answer: Answer::Applied { step: 1242, effect: "froze head".into() } });
    assert!(!wish(&app, "head/head").is_some());
    assert!(!View::of(&app).unwrap().trains.last().unwrap());
    // A status that is newer than the answer is right as it is.
    press(&mut app, "space");
    let id = app.take_requests()[0].id;
    app.message(Message::Status(Box::new(status(&groups(2, true), 1250, |group| group.layer != Layer::Head))));
    app.message(Message::Answer { id, answer: Answer::Applied { step: 1249, effect: "thawed head".into() } });
    assert!(!View::of(&app).unwrap().trains.last().unwrap());
}

#[test]
fn a_refusal_or_a_lost_host_takes_the_wish_back() {
    let mut app = app(2, true, |_| true);
    press(&mut app, "space");
    let id = app.take_requests()[0].id;
    app.message(Message::Answer { id, answer: Answer::Refused("nothing would train".into()) });
    assert!(!wish(&app, "head/head").is_some());
    press(&mut app, "space");
    app.message(Message::Goodbye("it ended".into()));
    assert!(!wish(&app, "head/head").is_some());
    press(&mut app, "space");
    assert!(app.toast.as_ref().unwrap().text.contains("the host is gone"));
}

#[test]
fn before_the_model_is_there_nothing_can_be_asked() {
    let mut app = App::new();
    presses(&mut app, "space v down f < Y l");
    assert!(app.take_requests().is_empty() && app.take_effects().is_empty());
    let mut app = super::testing::app(2, false, |_| true);
    press(&mut app, "space");
    assert!(app.take_requests().is_empty());
    assert!(app.toast.unwrap().text.contains("tied to the embedding"));
}

#[test]
fn the_cursor_begins_on_the_lowest_block() {
    let groups = super::testing::groups(3, false);
    let mut app = App::new();
    app.focus = Pane::Layers;
    app.message(Message::Facts(super::testing::facts(&groups)));
    app.message(Message::Status(Box::new(super::testing::status(&groups, 7, |_| true))));
    press(&mut app, "space");
    let asked: Vec<Ask> = app.take_requests().into_iter().map(|request| request.ask).collect();
    assert_eq!(asked, [Ask::Steer("freeze block.0".parse().unwrap())]);
}

#[test]
fn a_prospect_says_what_the_toggle_would_save() {
    let mut app = app(4, true, |_| true);
    presses(&mut app, "end left v up up up");
    let shown = prospect(&app, &View::of(&app).unwrap()).unwrap();
    assert!(!shown.thaws && !shown.leaves_nothing);
    assert_eq!(shown.what, "embedding, block.0–2");
    assert!(shown.step.unwrap() < 0.8 && shown.bytes < 0, "{shown:?}");
    app.layers.anchor = None;
    presses(&mut app, "home up left");
    assert!(prospect(&app, &View::of(&app).unwrap()).unwrap().leaves_nothing);
}

#[test]
fn changes_are_measured_once_enough_steps_ran_on_both_sides() {
    let all = groups(4, true);
    let mut app = app(4, true, |_| true);
    app.message(Message::Steps(steps(0, 1240, 1000.0)));
    let upper = |group: Group| group.layer >= Layer::Block(2);
    app.message(Message::Status(Box::new(status(&all, 1242, upper))));
    app.message(Message::Steps(steps(1240, 9, 1600.0)));
    app.message(Message::Status(Box::new(status(&all, 1249, upper))));
    let change = app.layers.newest_change().unwrap();
    assert_eq!(change.what, "froze embedding, block.0–1");
    assert_eq!(change.between, 1240..=1242);
    assert!(change.predicted.unwrap() < 0.8 && change.bytes < 0, "{change:?}");
    assert_eq!(change.measured, Measured::Waiting(7));
    app.message(Message::Steps(steps(1249, 5, 1600.0)));
    app.message(Message::Status(Box::new(status(&all, 1254, upper))));
    assert_eq!(app.layers.newest_change().unwrap().measured, Measured::Ratio(1000.0 / 1600.0));
    // The next one, and at once another: there is no time to measure the first of them.
    app.message(Message::Status(Box::new(status(&all, 1255, |_| true))));
    app.message(Message::Status(Box::new(status(&all, 1256, upper))));
    let measured: Vec<Measured> = app.layers.changes().map(|change| change.measured).collect();
    assert_eq!(measured[..2], [Measured::Ratio(1000.0 / 1600.0), Measured::Never]);
}

/// A status in which the prefix cache serves this share of the rows, and has room for that share of them.
fn warm(step: u64, served: f64, share: f64, trains: impl Fn(Group) -> bool) -> Status {
    let mut warm = status(&groups(4, true), step, trains);
    let (rows, hits, misses) = (64, 100, 64);
    warm.prefix = Some(PrefixState { blocks: 2, rows, bytes: 1 << 20, disk_bytes: 0, hits, misses, served });
    warm.phase.as_mut().unwrap().prefix_share = share;
    warm
}

#[test]
fn a_change_is_predicted_with_the_cache_where_the_frost_line_stays_and_without_it_where_it_moves() {
    let upper = |group: Group| group.layer >= Layer::Block(2);
    let without_mlp = |group: Group| upper(group) && group.kind != Kind::Mlp;
    let higher = |group: Group| group.layer >= Layer::Block(3);
    let mut app = app(4, true, upper);
    app.message(Message::Status(Box::new(warm(1241, 0.75, 1.0, upper))));
    let work = |app: &App, trains: &dyn Fn(Group) -> bool, served: f64| {
        let view = View::of(app).unwrap();
        let trains: Vec<bool> = view.groups.iter().map(|group| trains(*group)).collect();
        predict::predict(view.facts, &trains, served).work
    };
    app.message(Message::Status(Box::new(warm(1242, 0.75, 1.0, without_mlp))));
    let expected = work(&app, &without_mlp, 0.75) / work(&app, &upper, 0.75);
    assert_eq!(app.layers.newest_change().unwrap().predicted, Some(expected), "the cache stays warm");
    // The line goes up, and what was kept below it is of no use.
    let mut cold = warm(1243, 0.0, 1.0, higher);
    cold.prefix = None;
    app.message(Message::Status(Box::new(cold)));
    let expected = work(&app, &higher, 0.0) / work(&app, &without_mlp, 0.75);
    assert_eq!(app.layers.newest_change().unwrap().predicted, Some(expected), "the cache begins anew");
}

#[test]
fn a_prospect_counts_on_what_the_cache_has_room_for() {
    let upper = |group: Group| group.layer >= Layer::Block(2);
    let mut app = app(4, true, upper);
    app.message(Message::Status(Box::new(warm(1241, 0.25, 0.5, upper))));
    let view = View::of(&app).unwrap();
    let below: f64 = view.facts.iter().filter(|facts| !upper(facts.group)).map(|facts| facts.forward).sum();
    let cold = predict::predict(view.facts, &view.trains, 0.0).work;
    assert_eq!(view.cost().work, cold - 0.25 * below, "as it is now");
    assert_eq!(view.cost_with(&view.trains).work, cold - 0.5 * below, "once the cache is full");
    let all = vec![true; view.facts.len()];
    assert_eq!(view.cost_with(&all), view.full_cost());
}

#[test]
fn a_new_phase_is_no_change_by_hand() {
    let all = groups(2, true);
    let mut app = app(2, true, |_| true);
    let mut next = status(&all, 1300, |group| group.layer > Layer::Block(0));
    next.phase.as_mut().unwrap().index = 1;
    app.message(Message::Steps(steps(0, 1310, 1000.0)));
    app.message(Message::Status(Box::new(next.clone())));
    assert!(app.layers.newest_change().is_none());
    // Steps of the phase before do not count for a change right after its end.
    next.phase.as_mut().unwrap().first_step = 1301;
    next.step = 1305;
    app.message(Message::Status(Box::new(next.clone())));
    next.groups[0].trainable = true;
    next.step = 1306;
    app.message(Message::Status(Box::new(next)));
    app.message(Message::Steps(steps(1310, 50, 500.0)));
    assert_eq!(app.layers.newest_change().unwrap().measured, Measured::Never);
}

#[test]
fn clicks_move_toggle_and_drags_select() {
    let mut app = app(4, true, |_| true);
    click(&mut app, Spot::Cell(3, Some(1)));
    assert!(commands(&mut app).is_empty());
    click(&mut app, Spot::Cell(3, Some(1)));
    assert_eq!(commands(&mut app), ["freeze block.2/mlp"]);
    click(&mut app, Spot::Cell(3, None));
    click(&mut app, Spot::Cell(3, None));
    assert_eq!(commands(&mut app), ["freeze block.2"]);
    click(&mut app, Spot::Column(2));
    click(&mut app, Spot::Column(2));
    assert_eq!(commands(&mut app), ["freeze all/norm"]);
    point(&mut app, Gesture::Press, Spot::Cell(2, Some(0)));
    point(&mut app, Gesture::Drag, Spot::Cell(4, Some(1)));
    point(&mut app, Gesture::Release, Spot::Cell(4, Some(1)));
    assert!(commands(&mut app).is_empty());
    press(&mut app, "F");
    assert_eq!(commands(&mut app), ["freeze block.1-3/attention block.1-3/mlp"]);
    press(&mut app, "esc");
    assert!(app.layers.anchor.is_none());
}

#[test]
fn the_wheel_scrolls_and_takes_the_cursor_along() {
    let mut app = app(64, true, |_| true);
    app.layers.last_lines.set(10);
    point(&mut app, Gesture::WheelDown, Spot::Pane(Pane::Layers));
    assert_eq!((app.layers.last_top.get(), app.layers.cursor.row), (3, Some(3)));
    for _ in 0..99 {
        point(&mut app, Gesture::WheelDown, Spot::Pane(Pane::Layers));
    }
    assert_eq!(app.layers.last_top.get(), 67 - 10);
    point(&mut app, Gesture::WheelUp, Spot::Pane(Pane::Layers));
    assert_eq!(app.layers.last_top.get(), 54);
}

#[test]
fn the_state_is_copied_as_a_plan_has_it() {
    let mut app = app(6, true, |group| group.layer > Layer::Block(3));
    press(&mut app, "Y");
    assert_eq!(app.take_effects(), [Effect::Copy("frozen = [\"embedding\", \"block.0-3\"]".into())]);
}

#[test]
fn lenses_turn_and_are_explained() {
    let mut app = app(2, true, |_| true);
    let mut seen = Vec::new();
    for _ in Lens::ALL {
        seen.push(app.layers.lens);
        assert!(crate::app::explain::find(explained(&app).unwrap()).is_some(), "{:?}", app.layers.lens);
        press(&mut app, "l");
    }
    assert_eq!(seen, Lens::ALL);
    press(&mut app, "L");
    assert_eq!(app.layers.lens, Lens::Time);
    press(&mut app, "g");
    assert_eq!(app.layers.lens, Lens::Gradient);
}

#[test]
fn lenses_read_what_was_measured() {
    let app = app(2, true, |group| group.layer > Layer::Embedding);
    let view = View::of(&app).unwrap();
    for lens in Lens::ALL {
        let readings = lens.readings(&view).groups;
        assert_eq!(readings.len(), view.groups.len());
        assert!(readings.iter().flatten().all(|reading| (0.0..=1.0).contains(&reading.heat)), "{lens:?} {readings:?}");
    }
    assert_eq!(Lens::Gradient.readings(&view).groups[0], None);
    assert_eq!(Lens::Drift.readings(&view).groups[0].map(|reading| reading.value), Some(0.0));
    let time: f64 = Lens::Time.readings(&view).groups.iter().flatten().map(|reading| reading.value).sum();
    assert!((time - 1.0).abs() < 1e-9);
    assert_eq!(Lens::Memory.readings(&view).groups[0].map(|reading| reading.value), Some(0.0));
}

#[test]
fn no_two_actions_share_a_key_or_a_name() {
    let keys: Vec<&str> = ACTIONS.iter().flat_map(|action| action.keys).copied().collect();
    assert!(keys.iter().all(|key| key.parse::<Key>().is_ok()));
    let unique: std::collections::BTreeSet<&str> = keys.iter().copied().collect();
    assert_eq!(unique.len(), keys.len());
    let names: std::collections::BTreeSet<&str> = action::all().map(|action| action.name).collect();
    assert_eq!(names.len(), action::all().count());
}

#[test]
fn a_frost_line_asked_for_and_a_freeze_after_it_add_up() {
    let mut app = app(2, true, |_| false);
    presses(&mut app, "f down space");
    let asked: Vec<Ask> = app.take_requests().into_iter().map(|request| request.ask).collect();
    assert_eq!(asked[0], Ask::Steer(Command::FrostLine(Layer::Head)));
    assert_eq!(asked[1], Ask::Steer(Command::Thaw(vec!["norm".parse().unwrap()])));
}

#[test]
fn a_group_that_trains_and_gets_no_gradient_is_named() {
    let all = groups(2, true);
    let mut app = app(2, true, |group| group.layer > Layer::Embedding);
    let mut report = super::testing::reports(&all, 1280, |_| true);
    report.groups.iter_mut().take(2).for_each(|report| report.gradient_norm = 0.0);
    app.message(Message::Groups(report));
    // The embedding is frozen: it needs none.
    assert_eq!(View::of(&app).unwrap().starved(), [1]);
}
