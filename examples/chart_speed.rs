//! How long the graphs pane takes to draw a long run: `cargo run --release --example chart_speed [STEPS]`.
//!
//! A made-up run of a million steps, four charts at 120×36, a step more before every frame, at several zooms.

use frostline::app::App;
use frostline::app::graphs::window::{View, Window};
use frostline::protocol::{Change, Event, Message, PhaseStarted, Steered, StepRecord, StepRecords};
use frostline::tui::panes::{Canvas, graphs};
use frostline::tui::theme::Theme;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui_textarea::TextArea;
use std::time::{Duration, Instant};

/// The inside of the pane when it has a screen of 120×36.
const AREA: Rect = Rect { x: 0, y: 0, width: 118, height: 33 };
const FRAMES: usize = 200;

fn main() {
    let steps = std::env::args().nth(1).and_then(|steps| steps.parse().ok()).unwrap_or(1_000_000);
    let mut app = App::new();
    app.message(Message::Events { start: 0, events: events(steps) });
    let began = Instant::now();
    app.message(Message::Steps(records(0, steps)));
    println!("{steps} steps taken in and smoothed: {:.1} ms", milliseconds(began.elapsed()));
    let all = steps as f64;
    let views = [
        ("the whole run", View::All),
        ("the newest tenth", View::Follow(all / 10.0)),
        ("a window of 1000 steps", View::Fixed(Window { from: all / 2.0, to: all / 2.0 + 1000.0 })),
    ];
    let mut next = steps;
    for (name, view) in views {
        app.graphs.view = view;
        let mut times: Vec<Duration> = (0..FRAMES)
            .map(|_| {
                app.message(Message::Steps(records(next, 1)));
                next += 1;
                frame(&app)
            })
            .collect();
        times.sort();
        let (median, slowest) = (times[FRAMES / 2], times[FRAMES * 99 / 100]);
        let charts = app.graphs.charts(&app.mirror, app.graphs.last_slots.get()).len();
        println!("{charts} charts, {name}: median {:.3} ms, p99 {:.3} ms", milliseconds(median), milliseconds(slowest));
    }
    app.graphs.view = View::All;
    let began = Instant::now();
    let text = app.graphs.csv(&app.mirror);
    println!("the charts as CSV, {} rows: {:.1} ms", text.lines().count() - 1, milliseconds(began.elapsed()));
}

fn frame(app: &App) -> Duration {
    let mut buffer = Buffer::empty(AREA);
    let (theme, editor, mut spots, mut cursor) = (Theme::default(), TextArea::default(), Vec::new(), None);
    let began = Instant::now();
    let mut canvas = Canvas {
        buffer: &mut buffer,
        theme: &theme,
        spots: &mut spots,
        is_focused: true,
        cursor: &mut cursor,
        editor: &editor,
    };
    graphs::draw(app, AREA, &mut canvas);
    began.elapsed()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Records from the step after `done` on, with noise that is the same in every run.
fn records(done: u64, count: u64) -> StepRecords {
    let mut records = StepRecords { start: done, ..StepRecords::default() };
    for step in done + 1..=done + count {
        let noise = (step.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f32 / (1u64 << 24) as f32;
        records.push(StepRecord {
            step,
            loss: 2.0 + 8.0 / (1.0 + step as f32 / 1e4) + noise,
            learning_rate: 3e-4 * (step as f32 / 1e4).min(1.0),
            gradient_norm: 0.5 + noise,
            tokens_per_second: 45_000.0 + 900.0 * noise,
            seconds: step as f64 * 0.1,
            changes: 0,
            pull: None,
        });
    }
    records
}

/// Four phases, and a change by hand every hundredth of the run.
fn events(steps: u64) -> Vec<Event> {
    let phase = |part: u64| {
        Event::Phase(PhaseStarted {
            phase: format!("phase {part}"),
            base: None,
            first_step: part * steps / 4 + 1,
            steps: steps / 4,
            parameters: 0,
            trainable: 0,
            precision: "f32".into(),
            data: String::new(),
            unfreeze: None,
            loss_unit: Default::default(),
        })
    };
    let steered = |part: u64| {
        let change = Change { command: "rate x0.5".into(), effect: "rate x0.5".into() };
        Event::Steered(Steered { phase: "phase 0".into(), step: part * steps / 100, change, by: Default::default() })
    };
    (0..4).map(phase).chain((1..100).map(steered)).collect()
}
