use super::testing::*;
use super::*;
use crate::app::{Effect, Gesture, Pointer, Spot, explain};
use crate::protocol::{Evaluation, LaneEnded, Message, Request};

fn evaluated(app: &mut App, step: u64) {
    let evaluation = Evaluation {
        phase: "sentiment".into(),
        step,
        suite: "stories".into(),
        loss: 1.0,
        perplexity: 2.7,
        bits_per_byte: None,
        metric: None,
        value: None,
        metrics: Vec::new(),
        retention: None,
    };
    let start = app.mirror.events.len() as u64;
    app.message(Message::Events { start, events: vec![Event::Evaluation(evaluation)] });
}

fn point(app: &mut App, spot: Spot, gesture: Gesture) {
    pointed(app, Pointer { gesture, spot, x: 0, y: 0, width: 10, height: 1 });
}

#[test]
fn a_prompt_goes_to_every_lane_and_answers_come_to_theirs() {
    let mut app = attached();
    press(&mut app, "enter");
    assert!(app.prompt.is_editing());
    app.prompt.edited("Mira".into(), (0, 4));
    press(&mut app, "enter");
    assert!(!app.prompt.is_editing());
    let (id, ask) = last_sample(&mut app).unwrap();
    assert_eq!((ask.prompt.as_str(), ask.lanes, ask.settings.seed), ("Mira", vec![Lane::Base, Lane::Live], 7));
    write(&mut app, id, 1, "went home", Some(LaneEnd::Complete));
    // Of an older request: not for these lanes.
    write(&mut app, id - 1, 0, "wrong", None);
    assert_eq!(app.prompt.lanes[1].text(), "went home");
    assert_eq!(app.prompt.lanes[0].progress, Progress::Reading);
    assert!(app.prompt.is_busy());
    write(&mut app, id, 0, "went", Some(LaneEnd::EndOfText));
    assert!(!app.prompt.is_busy());
}

#[test]
fn running_again_ends_what_is_written_and_a_new_seed_is_another() {
    let mut app = answering();
    press(&mut app, "R");
    let requests = app.take_requests();
    let [Request { ask: Ask::Cancel(_), .. }, Request { ask: Ask::Sample(sample), .. }] = &requests[..] else {
        panic!("{requests:?}")
    };
    assert_eq!(sample.settings.seed, 8);
    assert!(app.prompt.lanes.iter().all(|lane| lane.tokens.is_empty()));
    press(&mut app, "c");
    assert!(!app.prompt.is_busy());
    assert_eq!(app.prompt.lanes[0].progress, Progress::Ended(LaneEnd::Cancelled));
    press(&mut app, "c");
    assert!(app.toast.as_ref().unwrap().text.contains("no lane is writing"));
}

#[test]
fn without_a_model_nothing_is_asked() {
    let mut app = App::new();
    press(&mut app, "r");
    assert!(app.toast.as_ref().unwrap().is_refusal && app.take_requests().is_empty());
    let mut app = answering();
    app.message(Message::Goodbye("it ended".into()));
    assert_eq!(app.prompt.lanes[1].progress, Progress::Ended(LaneEnd::Failed("the host is gone".into())));
    press(&mut app, "r");
    assert!(app.toast.as_ref().unwrap().text.contains("it ended") && last_sample(&mut app).is_none());
}

#[test]
fn lanes_part_at_the_first_token_that_differs() {
    let mut app = answering();
    let parting = app.prompt.parting(1).unwrap();
    assert_eq!(app.prompt.lanes[0].tokens[parting].text, " water.");
    assert_eq!(app.prompt.parting(0), None);
    press(&mut app, "p");
    assert_eq!((app.prompt.selected, app.prompt.token), (1, Some(parting)));
    assert_eq!(explained(&app), Some("where lanes part"));
    press(&mut app, "left up");
    assert_eq!((app.prompt.selected, app.prompt.token), (0, Some(parting - 1)));
    assert_eq!(explained(&app), Some("token probability"));
    // The leftmost lane is what the others are compared with.
    press(&mut app, "t l >");
    assert_eq!(app.prompt.selected, 1);
    press(&mut app, "<");
    assert_eq!(app.prompt.lanes[0].lane, Lane::Live);
    assert_eq!(app.prompt.parting(1), Some(parting));
}

#[test]
fn lanes_that_write_the_same_part_where_one_ends() {
    let mut app = attached();
    press(&mut app, "r");
    let (id, _) = last_sample(&mut app).unwrap();
    write(&mut app, id, 0, "one two", None);
    write(&mut app, id, 1, "one two three", None);
    assert_eq!(app.prompt.parting(1), None, "the first may still write the same");
    let ended = LaneEnded { lane: 0, why: LaneEnd::EndOfText, tokens_per_second: 0.0 };
    answer(&mut app, id, SampleAnswer::Ended(ended));
    assert_eq!(app.prompt.parting(1), Some(2));
}

#[test]
fn lanes_are_added_by_choice_and_by_name_and_removed() {
    let mut app = attached();
    press(&mut app, "a");
    let Some(List::Lanes(picker)) = &app.prompt.list else { panic!() };
    let names: Vec<String> = picker.choices(&app.mirror).iter().map(|choice| choice.lane.to_string()).collect();
    assert_eq!(names, ["base θ*", "live", "owl@1200", "owl@800", "blend 0.5"]);
    press(&mut app, "down down enter");
    assert_eq!(app.prompt.lanes[2].lane, Lane::Checkpoint("owl@1200".into()));
    press(&mut app, "a f o x @ b e s t enter");
    assert_eq!(app.prompt.lanes[3].lane, Lane::Checkpoint("fox@best".into()));
    press(&mut app, "a down enter");
    assert_eq!((app.prompt.lanes.len(), app.prompt.selected), (4, 1), "live is there already");
    press(&mut app, "d d d d");
    assert_eq!(app.prompt.lanes.len(), 1);
    assert!(app.toast.as_ref().unwrap().text.contains("one lane has to stay"));
    (0..20).for_each(|number| app.prompt.lanes.push(LaneView::new(Lane::Checkpoint(number.to_string()))));
    press(&mut app, "a");
    assert!(app.prompt.list.is_none());
}

#[test]
fn removing_the_last_lane_that_writes_ends_the_request() {
    let mut app = answering();
    press(&mut app, "l d");
    assert!(matches!(app.take_requests()[..], [Request { ask: Ask::Cancel(_), .. }]) && !app.prompt.is_busy());
}

#[test]
fn settings_are_stepped_typed_and_refused() {
    let mut app = attached();
    press(&mut app, "o right");
    assert_eq!(app.prompt.settings.temperature, 0.9);
    assert_eq!(explained(&app), Some("temperature"));
    press(&mut app, "down 4 0 enter down 7 enter");
    assert_eq!((app.prompt.settings.top_k, app.prompt.settings.top_p), (40, 0.95));
    assert!(app.toast.as_ref().unwrap().text.contains("at most 1"));
    press(&mut app, "esc esc");
    assert!(app.prompt.list.is_none());
    // Other keys keep their meaning while the list is open.
    press(&mut app, "o r");
    assert_eq!(last_sample(&mut app).unwrap().1.settings.top_k, 40);
}

#[test]
fn older_prompts_come_back_and_a_line_can_be_broken() {
    let mut app = attached();
    for text in ["one", "two"] {
        app.prompt.set_text(text.into());
        press(&mut app, "r");
    }
    press(&mut app, "up");
    assert_eq!(app.prompt.text, "one");
    press(&mut app, "i c-n");
    assert_eq!((app.prompt.text.as_str(), app.prompt.cursor), ("two", (0, 3)));
    app.prompt.edited("zwei é 水".into(), (0, 6));
    press(&mut app, "a-enter");
    assert_eq!((app.prompt.text.as_str(), app.prompt.cursor), ("zwei é\n 水", (1, 0)));
    press(&mut app, "esc");
    assert!(!app.prompt.is_editing());
}

#[test]
fn the_prompt_is_asked_again_when_that_is_wanted() {
    let mut app = attached();
    evaluated(&mut app, 1200);
    press(&mut app, "A");
    app.message(Message::Status(Box::new(status(State::Training, 1250))));
    assert!(last_sample(&mut app).is_none(), "that evaluation was before");
    evaluated(&mut app, 1300);
    let (id, _) = last_sample(&mut app).unwrap();
    evaluated(&mut app, 1300);
    write(&mut app, id, 0, "a", Some(LaneEnd::Complete));
    write(&mut app, id, 1, "b", Some(LaneEnd::Complete));
    app.message(Message::Status(Box::new(status(State::Training, 1301))));
    assert!(last_sample(&mut app).is_none(), "another suite of the same evaluation");
    press(&mut app, "A");
    app.message(Message::Status(Box::new(status(State::Training, 1400))));
    assert!(last_sample(&mut app).is_none());
    app.message(Message::Status(Box::new(status(State::Training, 1401))));
    assert!(last_sample(&mut app).is_some());
    press(&mut app, "A");
    app.message(Message::Status(Box::new(status(State::Training, 9000))));
    assert!(last_sample(&mut app).is_none());
}

#[test]
fn the_mouse_reaches_editor_lanes_tokens_and_lists() {
    let mut app = answering();
    point(&mut app, Spot::Token(1, 3), Gesture::Press);
    assert_eq!((app.prompt.selected, app.prompt.token), (1, Some(3)));
    app.prompt.lanes[1].last_lines.set((30, 10));
    point(&mut app, Spot::Lane(1), Gesture::WheelUp);
    assert_eq!(app.prompt.lanes[1].scroll.get(), Some(17));
    point(&mut app, Spot::Lane(1), Gesture::WheelDown);
    assert_eq!(app.prompt.lanes[1].scroll.get(), None);
    point(&mut app, Spot::Editor, Gesture::Press);
    assert!(app.prompt.is_editing());
    press(&mut app, "esc o");
    point(&mut app, Spot::Choice(1), Gesture::Press);
    point(&mut app, Spot::Choice(1), Gesture::WheelUp);
    assert_eq!(app.prompt.settings.top_k, 1);
    point(&mut app, Spot::Lane(99), Gesture::Press);
    point(&mut app, Spot::Choice(99), Gesture::Press);
    press(&mut app, "esc l Y");
    assert!(matches!(&app.take_effects()[..], [Effect::Copy(text)] if text.starts_with("river to")));
}

#[test]
fn every_setting_and_whatever_the_cursor_is_on_is_explained() {
    let named = Setting::ALL.map(Setting::name);
    let others = ["lane", "prompt perplexity", "token probability", "entropy", "where lanes part", "sampling cost"];
    for key in named.iter().chain(&others) {
        assert!(explain::find(key).is_some(), "{key}");
    }
    let mut keys: Vec<_> =
        ACTIONS.iter().flat_map(|action| action.keys.iter().map(|key| (action.scope, *key))).collect();
    assert!(keys.iter().all(|(_, key)| key.parse::<crate::app::Key>().is_ok()));
    let count = keys.len();
    keys.sort_by_key(|(scope, key)| (format!("{scope:?}"), *key));
    keys.dedup();
    assert_eq!(keys.len(), count, "a key is bound twice");
}
