//! Keys in, state and requests out.

use super::*;
use crate::app::overlay::{Confirm, Overlay};
use crate::protocol::{Command, Rate, State};

fn press(app: &mut App, keys: &str) {
    for key in keys.split(' ') {
        app.key(key.parse().unwrap());
    }
}

fn asks(app: &mut App) -> Vec<Ask> {
    app.take_requests().into_iter().map(|request| request.ask).collect()
}

fn said(app: &App) -> &str {
    app.toast.as_ref().map_or("", |toast| &toast.text)
}

#[test]
fn panes_are_reached_by_number_and_in_turn() {
    let mut app = testing::sample_app();
    for (keys, focus) in
        [("1", Pane::Corpus), ("4", Pane::Prompt), ("tab", Pane::Corpus), ("s-tab s-tab", Pane::Layers)]
    {
        press(&mut app, keys);
        assert_eq!(app.focus, focus, "{keys}");
    }
    press(&mut app, "z");
    assert!(app.zoomed);
    press(&mut app, "esc");
    assert!(!app.zoomed);
}

#[test]
fn the_run_is_steered_and_what_came_of_it_is_said() {
    let mut app = testing::sample_app();
    app.message(testing::undoable(Some(crate::protocol::Undoable { effect: "froze block.0".into(), step: 1_200 })));
    press(&mut app, "P [ ] u");
    let rate = |factor| Ask::Steer(Command::Rate { of: None, rate: Rate::Times(factor) });
    let requests = app.take_requests();
    let expected = [Ask::Steer(Command::Pause), rate(0.5), rate(2.0), Ask::Steer(Command::Undo)];
    assert!(requests.iter().map(|request| &request.ask).eq(&expected), "{requests:?}");
    let answer = Answer::Applied { step: 1201, effect: "paused".into() };
    app.message(Message::Answer { id: requests[0].id, answer });
    assert_eq!(said(&app), "paused · after step 1201");
    app.message(Message::Status(Box::new(testing::status(State::Paused, 1201, 0))));
    press(&mut app, "P");
    assert_eq!(asks(&mut app), [Ask::Steer(Command::Continue)]);
    app.message(Message::Answer { id: 9, answer: Answer::Refused("there is nothing to undo".into()) });
    assert!(app.toast.as_ref().unwrap().is_refusal);
}

#[test]
fn stopping_asks_first() {
    let mut app = testing::sample_app();
    app.run(action::find("stop").unwrap());
    assert!(matches!(app.overlay, Some(Overlay::Confirm(Confirm::Stop))));
    press(&mut app, "x n");
    assert!(app.overlay.is_none() && asks(&mut app).is_empty());
    app.run(action::find("stop").unwrap());
    press(&mut app, "y");
    assert_eq!(asks(&mut app), [Ask::Stop]);
}

#[test]
fn a_key_that_does_nothing_says_so_and_one_that_cannot_says_why() {
    let mut app = testing::sample_app();
    press(&mut app, "f12");
    assert_eq!(said(&app), "f12 does nothing here; ? shows every key");
    app.message(Message::Goodbye("it ended".into()));
    press(&mut app, "]");
    assert_eq!(said(&app), "the host is gone: it ended");
    assert!(asks(&mut app).is_empty());
}

#[test]
fn a_failure_is_said_once() {
    let mut app = testing::sample_app();
    let failed = || Message::Status(Box::new(testing::status(State::Failed("the disk is full".into()), 1201, 0)));
    app.message(failed());
    assert_eq!(said(&app), "the run failed: the disk is full");
    app.toast = None;
    app.message(failed());
    assert_eq!(said(&app), "");
}

#[test]
fn leaving_works_from_everywhere() {
    for keys in ["q", "c-c", ": c-c", "? c-c"] {
        let mut app = testing::sample_app();
        press(&mut app, keys);
        assert_eq!(app.take_effects(), [Effect::Quit], "{keys}");
    }
    let mut app = testing::sample_app();
    press(&mut app, ": q");
    assert!(app.take_effects().is_empty(), "q is text in the palette");
}

#[test]
fn toasts_go_after_a_while_refusals_later() {
    let mut app = testing::sample_app();
    app.tick(Duration::from_secs(100));
    app.say("done");
    assert_eq!(app.next_tick(), Some(Duration::from_secs(105)));
    assert!(!app.tick(Duration::from_secs(104)));
    assert!(app.tick(Duration::from_secs(105)) && app.toast.is_none());
    app.refuse("no");
    assert!(!app.tick(Duration::from_secs(112)) && app.tick(Duration::from_secs(115)));
}

#[test]
fn clicks_focus_run_and_close() {
    let mut app = testing::sample_app();
    let at = |spot| Pointer { gesture: Gesture::Press, spot, x: 0, y: 0, width: 1, height: 1 };
    app.pointed(at(Spot::Title(Pane::Layers)));
    assert_eq!(app.focus, Pane::Layers);
    app.pointed(at(Spot::Lane(0)));
    assert_eq!(app.focus, Pane::Prompt);
    let zoom = action::all().position(|action| action.name == "zoom").unwrap();
    app.pointed(at(Spot::Action(zoom)));
    assert!(app.zoomed);
    press(&mut app, "?");
    app.pointed(at(Spot::Overlay));
    assert!(app.overlay.is_some());
    app.pointed(at(Spot::Pane(Pane::Corpus)));
    assert!(app.overlay.is_none() && app.focus == Pane::Prompt);
}
