//! Charts, drawn and looked at.

use super::*;
use crate::app::App;
use crate::app::graphs::testing::of_losses;
use crate::app::graphs::{Axis, Layout, Metric};
use crate::tui::panes::{Canvas, graphs};
use insta::assert_snapshot;

/// The lines of a buffer, without blanks at their ends.
fn lines(buffer: &Buffer) -> String {
    let rows = buffer.content().chunks(usize::from(buffer.area().width.max(1)));
    let line = |row: &[ratatui::buffer::Cell]| row.iter().map(|cell| cell.symbol()).collect::<String>();
    rows.map(|row| line(row).trim_end().to_string()).collect::<Vec<_>>().join("\n")
}

/// The chart of the loss of a run, 50 columns wide.
fn drawn(app: &mut App) -> String {
    app.graphs.layout = Layout::One;
    let mut buffer = Buffer::empty(Rect::new(0, 0, 50, 12));
    let (theme, mut spots, mut cursor) = (Theme::default(), Vec::new(), None);
    let area = *buffer.area();
    let mut canvas = Canvas {
        buffer: &mut buffer,
        theme: &theme,
        spots: &mut spots,
        is_focused: true,
        cursor: &mut cursor,
        editor: &ratatui_textarea::TextArea::default(),
    };
    graphs::draw(app, area, &mut canvas);
    lines(&buffer)
}

fn decay(count: usize) -> Vec<f32> {
    (0..count).map(|at| 1.0 + 8.0 / (1.0 + at as f32 / 4.0)).collect()
}

#[test]
fn a_spike_stands_out_of_ten_thousand_steps() {
    let mut losses = vec![2.0; 10_000];
    losses[7000] = 9.0;
    assert_snapshot!(drawn(&mut of_losses(&losses)));
}

#[test]
fn a_gap_is_left_open_and_said() {
    let mut losses = decay(100);
    losses[40..60].fill(f32::NAN);
    losses[80] = f32::INFINITY;
    assert_snapshot!(drawn(&mut of_losses(&losses)));
}

#[test]
fn a_log_axis_shows_powers_of_ten() {
    let losses: Vec<f32> = (0..200).map(|at| 10f32.powf(2.0 - at as f32 / 50.0)).collect();
    let mut app = of_losses(&losses);
    let log = crate::app::graphs::ACTIONS.iter().find(|action| action.name == "graphs.log").unwrap();
    (log.run)(&mut app);
    assert_snapshot!(drawn(&mut app));
}

#[test]
fn few_points_no_points_and_constants() {
    let cases: [&[f32]; 6] = [&[], &[3.0], &[3.0; 40], &[1e38, 2e38, 3e38], &[1e-30, 2e-30, 1e-30], &[f32::NAN; 5]];
    let shown = cases.map(|losses| drawn(&mut of_losses(losses))).join("\n══\n");
    assert_snapshot!(shown);
}

#[test]
fn every_rung_of_the_ladder() {
    let mut app = of_losses(&decay(120));
    app.graphs.cursor = Some(60);
    let rungs = [Glyphs::Octant, Glyphs::Braille, Glyphs::HalfBlock, Glyphs::Ascii].map(|glyphs| {
        app.graphs.glyphs = glyphs;
        drawn(&mut app)
    });
    assert!(rungs[3].is_ascii(), "{}", rungs[3]);
    assert_snapshot!(rungs.join("\n══\n"));
}

#[test]
fn over_time_and_another_metric() {
    let mut app = of_losses(&decay(3000));
    app.graphs.axis = Axis::Seconds;
    app.graphs.metric = Metric::TokensPerSecond;
    assert_snapshot!(drawn(&mut app));
}

#[test]
fn foreign_text_is_shown_and_cut_by_its_width() {
    let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 1));
    let used = write(&mut buffer, (0, 0), "a\x1b[31m雪e\u{301}雪雪雪", 9, Style::new());
    assert_eq!((lines(&buffer).as_str(), used), ("a␛[31m雪 …", 9));
    assert_eq!(write(&mut buffer, (11, 0), "雪", 5, Style::new()), 1);
    assert_eq!(write(&mut buffer, (11, 0), "ab", 0, Style::new()), 0);
}
