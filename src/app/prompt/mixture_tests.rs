use super::testing::*;
use super::*;
use crate::app::{Gesture, Key, Pane, Pointer, Spot};
use crate::protocol::{Graft, Share, Side};

fn share(app: &App) -> f64 {
    let shares = app.prompt.lanes.iter().filter_map(|view| match view.lane {
        Lane::Blend(share) => Some(share.value()),
        _ => None,
    });
    shares.last().unwrap_or(f64::NAN)
}

fn lanes(app: &App) -> Vec<String> {
    app.prompt.lanes.iter().map(|view| view.lane.to_string()).collect()
}

fn said(app: &App) -> &str {
    &app.toast.as_ref().unwrap().text
}

#[test]
fn a_slider_moves_and_asks_again_once_it_rests() {
    let mut app = answering();
    press(&mut app, "-");
    assert!(said(&app).contains("b adds one"));
    press(&mut app, "b");
    assert_eq!((lanes(&app)[2].as_str(), app.prompt.selected), ("blend 0.5", 2));
    app.tick(Duration::from_secs(1));
    let (first, ask) = last_sample(&mut app).unwrap();
    assert_eq!(ask.lanes, [Lane::Base, Lane::Live, Lane::Blend(Share::HALF)]);
    write(&mut app, first, 2, "half", Some(LaneEnd::Complete));
    // From another lane, too: there is one blend.
    press(&mut app, "left - - . ,");
    assert_eq!((share(&app), app.prompt.selected), (0.4, 2));
    let due = app.next_tick().unwrap();
    assert!(app.prompt.lanes[2].written_by() == Some(&Lane::Blend(Share::HALF)) && last_sample(&mut app).is_none());
    app.tick(due - Duration::from_millis(1));
    assert!(last_sample(&mut app).is_none(), "it has not rested long enough");
    app.tick(due);
    let (second, ask) = last_sample(&mut app).unwrap();
    assert!(second > first && ask.lanes[2] == Lane::Blend(Share::new(0.4).unwrap()));
    assert!(app.prompt.lanes[2].written_by().is_none());
    app.tick(due + Duration::from_secs(9));
    assert!(last_sample(&mut app).is_none(), "once");
    (0..30).for_each(|_| press(&mut app, "+"));
    assert_eq!(share(&app), 1.0);
    assert_eq!(explained(&app), Some("blend"));
}

#[test]
fn a_person_who_asks_does_not_wait_and_what_cannot_be_asked_is_not() {
    let mut app = attached();
    press(&mut app, "b + +");
    assert!(app.next_tick().is_some_and(|at| at > Duration::from_secs(1)), "only the words go: nothing was asked yet");
    press(&mut app, "r");
    assert!(last_sample(&mut app).is_some());
    press(&mut app, "+ r");
    assert!(last_sample(&mut app).is_some());
    app.tick(Duration::from_secs(2));
    assert!(last_sample(&mut app).is_none(), "it was asked already");
    press(&mut app, "+");
    app.message(crate::protocol::Message::Goodbye("it ended".into()));
    app.tick(Duration::from_secs(9));
    assert!(last_sample(&mut app).is_none() && app.prompt.rests_until.is_none());
}

#[test]
fn the_mouse_takes_hold_of_a_slider() {
    let mut app = answering();
    press(&mut app, "b");
    let mut at = |x, gesture| {
        pointed(&mut app, Pointer { gesture, spot: Spot::Slider(2), x, y: 0, width: 41, height: 1 });
        share(&app)
    };
    assert_eq!(at(10, Gesture::Press), 0.25);
    assert_eq!(at(99, Gesture::Drag), 1.0);
    assert_eq!(at(0, Gesture::Drag), 0.0);
    assert_eq!(at(0, Gesture::WheelUp), 0.01);
    // A slider of one column, of a lane that is no blend, and of none.
    for (lane, width) in [(2, 1), (0, 9), (7, 9)] {
        pointed(&mut app, Pointer { gesture: Gesture::Press, spot: Spot::Slider(lane), x: 0, y: 0, width, height: 1 });
    }
    assert_eq!(lanes(&app), ["base θ*", "live", "blend 0"]);
}

#[test]
fn mixtures_are_typed_in_the_palette_and_in_the_list_of_lanes() {
    let mut app = answering();
    app.focus = Pane::Graphs;
    let type_text = |app: &mut App, text: &str| {
        for character in text.chars() {
            app.key(Key::plain(crate::app::Code::Char(character)));
        }
    };
    type_text(&mut app, ":blend 0.3");
    app.key(Key::plain(crate::app::Code::Enter));
    assert_eq!((app.focus, lanes(&app)[2].as_str()), (Pane::Prompt, "blend 0.3"));
    type_text(&mut app, ":blend 0.7");
    app.key(Key::plain(crate::app::Code::Enter));
    assert_eq!(lanes(&app), ["base θ*", "live", "blend 0.7"], "the slider is moved");
    type_text(&mut app, ":graft block.0-1 head from live");
    app.key(Key::plain(crate::app::Code::Enter));
    assert_eq!(lanes(&app)[3], "graft block.0-1, head from live");
    type_text(&mut app, ":blend 3");
    let Some(crate::app::overlay::Overlay::Palette(palette)) = &app.overlay else { panic!("{:?}", app.overlay) };
    assert!(palette.problem.as_ref().unwrap().contains("0, the base"), "{palette:?}");
    app.overlay = None;
    // The list adds another one instead.
    type_text(&mut app, "ablend 0");
    app.key(Key::plain(crate::app::Code::Enter));
    assert_eq!(lanes(&app)[4], "blend 0");
    type_text(&mut app, "B");
    app.key(Key::plain(crate::app::Code::Enter));
    assert!(said(&app).contains("a graft needs layers") && app.prompt.list.is_some(), "{}", said(&app));
    type_text(&mut app, "norm");
    app.key(Key::plain(crate::app::Code::Enter));
    assert_eq!(lanes(&app)[5], "graft norm from base");
    press(&mut app, "f");
    assert_eq!((lanes(&app)[5].as_str(), explained(&app)), ("graft norm from live", Some("graft")));
    mixture::put_graft(&mut app, vec!["embedding".parse().unwrap()]);
    let turned = Lane::Graft(Graft { layers: vec!["embedding".parse().unwrap()], from: Side::Live });
    assert_eq!(app.prompt.lanes[5].lane, turned, "the selected one is changed, and keeps its direction");
    (0..2).for_each(|_| app.prompt.lanes.push(LaneView::new(Lane::Base)));
    app.prompt.lanes.retain(|view| !matches!(view.lane, Lane::Blend(_)));
    (0..2).for_each(|_| app.prompt.lanes.push(LaneView::new(Lane::Base)));
    press(&mut app, "b");
    assert!(said(&app).contains("8 lanes") && app.prompt.lanes.len() == 8);
}
