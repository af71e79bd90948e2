//! The pane, drawn and looked at.

use super::*;
use crate::app::Gesture;
use crate::app::Pointer;
use crate::app::graphs::testing::{evaluation, of_losses, phase, record, records, steered, two_phases};
use crate::app::graphs::{ACTIONS, pointed};
use crate::protocol::{Event, Message, Preparation, Status};
use crate::tui::theme::Theme;
use insta::assert_snapshot;
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui_textarea::TextArea;

/// Draws over a buffer; returns what can be pointed at.
fn draw_over(app: &App, area: Rect, buffer: &mut Buffer) -> Vec<(Rect, Spot)> {
    let (theme, editor, mut spots, mut cursor) = (Theme::default(), TextArea::default(), Vec::new(), None);
    let mut canvas =
        Canvas { buffer, theme: &theme, spots: &mut spots, is_focused: true, cursor: &mut cursor, editor: &editor };
    draw(app, area, &mut canvas);
    spots
}

/// The pane in an area of this size, with the title that it would have, and its spots.
fn drawn_at(app: &App, width: u16, height: u16) -> (String, Vec<(Rect, Spot)>) {
    // Something around it, which must stay as it is.
    let whole = Rect::new(0, 0, width + 4, height + 2);
    let area = Rect::new(2, 1, width, height);
    let mut buffer = Buffer::filled(whole, ratatui::buffer::Cell::new("░"));
    (area.top()..area.bottom()).for_each(|y| buffer.set_string(area.x, y, " ".repeat(width.into()), Style::new()));
    let spots = draw_over(app, area, &mut buffer);
    for y in whole.top()..whole.bottom() {
        for x in whole.left()..whole.right() {
            assert!(area.contains((x, y).into()) || buffer[(x, y)].symbol() == "░", "drew outside at {x},{y}");
        }
    }
    let row = |y| (area.left()..area.right()).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    let rows: Vec<String> = (area.top()..area.bottom()).map(|y| row(y).trim_end().to_string()).collect();
    (format!("── {}\n{}", title(app, width.saturating_sub(14)), rows.join("\n")), spots)
}

fn drawn(app: &App, width: u16, height: u16) -> String {
    drawn_at(app, width, height).0
}

/// At 80×24, at 120×36 as one of four, and zoomed.
const SIZES: [(u16, u16); 3] = [(78, 9), (58, 15), (118, 33)];

#[test]
fn two_phases_at_three_sizes() {
    let app = two_phases();
    for (width, height) in SIZES {
        assert_snapshot!(format!("pane_{width}x{height}"), drawn(&app, width, height));
    }
}

#[test]
fn a_large_screen_has_six_charts() {
    let app = two_phases();
    let (_, spots) = drawn_at(&app, 198, 57);
    assert_eq!(spots.iter().filter(|(_, spot)| matches!(spot, Spot::Chart(_))).count(), 6);
    let (_, spots) = drawn_at(&app, 98, 27);
    assert_eq!(spots.iter().filter(|(_, spot)| matches!(spot, Spot::Chart(_))).count(), 4);
}

#[test]
fn the_cursor_reads_every_line() {
    let mut app = two_phases();
    app.graphs.cursor = Some(1370);
    app.graphs.layout = Layout::One;
    assert_snapshot!(drawn(&app, 98, 16));
    let (before, after) = (drawn(&two_phases(), 118, 33), drawn(&app, 118, 33));
    assert_ne!(before, after);
}

#[test]
fn charts_stay_where_they_are_when_a_cursor_comes() {
    let mut app = two_phases();
    let charts = |app: &App| {
        let (_, spots) = drawn_at(app, 118, 33);
        spots.into_iter().filter(|(_, spot)| matches!(spot, Spot::Chart(_))).count()
    };
    let before = charts(&app);
    app.graphs.cursor = Some(5);
    assert_eq!(charts(&app), before);
}

#[test]
fn the_plane_names_its_front() {
    let mut app = two_phases();
    app.graphs.layout = Layout::Plane;
    app.graphs.cursor = Some(1600);
    assert_snapshot!(drawn(&app, 98, 20));
}

#[test]
fn before_the_first_step_it_says_what_is_being_done() {
    let mut app = App::new();
    assert!(drawn(&app, 58, 5).contains("not attached to a run yet"));
    let state = State::Preparing(Preparation { what: "tokenising stories".into(), progress: None });
    app.message(Message::Status(Box::new(status(state))));
    assert_snapshot!(drawn(&app, 58, 5));
}

fn status(state: State) -> Status {
    Status {
        run: "world".into(),
        state,
        phase: None,
        step: 0,
        learning_rate: 0.0,
        rate_factor: 1.0,
        groups: Vec::new(),
        prefix: None,
        pending: Vec::new(),
        seconds_left: None,
        step_seconds: None,
        resident_bytes: None,
        sampling: 0,
        sampling_cost: None,
        clients: 1,
        held: None,
        undo: None,
    }
}

#[test]
fn a_title_has_no_cut_word() {
    let mut app = two_phases();
    app.graphs.metric = Metric::TokensPerSecond;
    assert_eq!(title(&app, 40), "tokens/s · all · smooth 0.9");
    assert_eq!(title(&app, 20), "tokens/s · all");
    assert_eq!(title(&app, 7), "");
    app.graphs.view = View::Fixed(crate::app::graphs::window::Window { from: 400.0, to: 1600.0 });
    assert_eq!(title(&app, 60), "tokens/s · 400–1600 · smooth 0.9");
}

#[test]
fn a_step_more_changes_few_cells() {
    let mut app = App::new();
    app.message(Message::Steps(records(1..=3000, |step| record(step, u64::MAX))));
    let buffer_of = |app: &App| {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 118, 33));
        draw_over(app, buffer.area, &mut buffer);
        buffer
    };
    let mut before = buffer_of(&app);
    let mut changed = 0;
    for step in 3001..=3100 {
        app.message(Message::Steps(records(step..=step, |step| record(step, u64::MAX))));
        let after = buffer_of(&app);
        changed += before.diff(&after).len();
        before = after;
    }
    assert!(changed / 100 < 40, "{} cells a step", changed / 100);
}

/// What a state is made from: losses, whether it is the made-up run instead, and actions by their places.
type Recipe = (Vec<f32>, bool, Vec<usize>);

fn any_recipe() -> impl Strategy<Value = Recipe> {
    let value = prop_oneof![6 => 0.0f32..10.0, 1 => Just(f32::NAN), 1 => Just(f32::INFINITY), 1 => -1e38f32..1e38];
    (prop::collection::vec(value, 0..300), any::<bool>(), prop::collection::vec(0usize..ACTIONS.len(), 0..30))
}

fn app_of((losses, is_two_phases, presses): Recipe) -> App {
    let mut app = if is_two_phases { two_phases() } else { of_losses(&losses) };
    if !is_two_phases {
        let name = "z\u{301}雪\x1b[2J\u{202e}phase of a long name";
        let evaluations = losses.iter().enumerate().map(|(at, loss)| {
            let of = evaluation(name, at as u64, name, f64::from(*loss));
            Event::Evaluation(crate::protocol::Evaluation { retention: Some(f64::from(*loss)), ..of })
        });
        let events = [phase(name, 1, 9), steered(name, 4, name)].into_iter().chain(evaluations).collect();
        app.message(Message::Events { start: 0, events });
    }
    for action in presses.into_iter().filter_map(|press| ACTIONS.get(press)) {
        if (action.refusal)(&app).is_none() {
            (action.run)(&mut app);
        }
    }
    app
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_state_draws_at_any_size_and_takes_any_gesture(
        recipe in any_recipe(),
        (width, height) in (0u16..300, 0u16..100),
        (x, y) in (0u16..400, 0u16..400),
        chart in 0usize..8,
    ) {
        let mut app = app_of(recipe);
        let (picture, spots) = drawn_at(&app, width, height);
        let holds_escapes = picture.contains(['\x1b', '\u{202e}']);
        prop_assert!(!holds_escapes);
        prop_assert!(spots.iter().all(|(area, _)| area.right() <= width + 2 && area.bottom() <= height + 1));
        for gesture in [Gesture::Press, Gesture::Drag, Gesture::WheelUp, Gesture::Release, Gesture::WheelDown] {
            for spot in [Spot::Chart(chart), Spot::Metric(chart)] {
                pointed(&mut app, Pointer { gesture, spot, x, y, width: x / 2, height });
                drawn_at(&app, width.min(130), height.min(40));
            }
        }
    }

    #[test]
    fn small_sizes(recipe in any_recipe(), (width, height) in (0u16..12, 0u16..12)) {
        let app = app_of(recipe);
        drawn_at(&app, width, height);
        title(&app, width);
    }
}
