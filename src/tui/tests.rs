//! Whole screens, and what they cost to keep up.

use super::frame::draw;
use super::input::Input;
use super::settings::Settings;
use super::themes::{self, Depth};
use super::workbench::Workbench;
use super::{Drawn, svg};
use crate::Error;
use crate::app::guide::Guide;
use crate::app::overlay::{Confirm, Overlay};
use crate::app::{App, Gesture, Pane, testing};
use crate::protocol::{Message, State, StepRecords};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui_textarea::TextArea;
use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

fn screen(app: &App, width: u16, height: u16) -> Drawn {
    let theme = themes::load(themes::DEFAULT, None, Depth::Full).unwrap();
    draw(app, &theme, &TextArea::default(), (width, height))
}

pub(super) fn text(app: &App, width: u16, height: u16) -> String {
    svg::plain(&screen(app, width, height).buffer)
}

pub(super) fn press(app: &mut App, keys: &str) {
    for key in keys.split(' ') {
        app.key(key.parse().unwrap());
    }
}

#[test]
fn the_bench_at_three_sizes() {
    for (width, height) in [(80, 24), (120, 36), (200, 60)] {
        insta::assert_snapshot!(format!("bench_{width}x{height}"), text(&testing::sample_app(), width, height));
    }
}

#[test]
fn the_welcome_at_three_sizes() {
    for (width, height) in [(80, 24), (120, 36), (200, 60)] {
        insta::assert_snapshot!(format!("welcome_{width}x{height}"), text(&testing::welcome_app(), width, height));
    }
    let mut app = testing::welcome_app();
    press(&mut app, "o");
    app.paste("/data/no such\nplace");
    app.failed_to_start(
        Error::new("cannot train on /data/no such place")
            .because("there is no such file")
            .next("give a path that exists"),
    );
    insta::assert_snapshot!("welcome_failed", text(&app, 80, 24));
}

#[test]
fn what_lies_over_the_bench() {
    let mut app = testing::sample_app();
    press(&mut app, ": f r e e z e space x");
    insta::assert_snapshot!("palette", text(&app, 80, 24));
    app.overlay = None;
    press(&mut app, "?");
    insta::assert_snapshot!("help", text(&app, 120, 36));
    app.overlay = Some(Overlay::Explain("step"));
    insta::assert_snapshot!("explain", text(&app, 80, 24));
    press(&mut app, "left");
    assert!(matches!(app.overlay, Some(Overlay::Explain("lineage"))));
    app.overlay = Some(Overlay::Confirm(Confirm::Stop));
    insta::assert_snapshot!("confirm", text(&app, 80, 24));
}

#[test]
fn what_is_warming_up_and_what_is_gone() {
    insta::assert_snapshot!("preparing", text(&testing::preparing_app(), 120, 36));
    let mut app = App::new();
    app.message(Message::Goodbye("the run was stopped by another client".into()));
    insta::assert_snapshot!("gone", text(&app, 80, 24));
}

#[test]
fn the_guide_stands_below_the_panes() {
    let mut app = testing::first_phase_app();
    app.guide = Some(Guide::default());
    insta::assert_snapshot!("guide", text(&app, 80, 24));
}

#[test]
fn small_screens_say_which_size_they_need() {
    assert_eq!(text(&testing::sample_app(), 40, 3), "frostline needs 60×16; this is 40×3. q\ndetaches.\n\n");
    assert_eq!(text(&testing::sample_app(), 1, 1), "f\n");
}

#[test]
fn titles_lose_whole_parts_only() {
    assert_eq!(super::frame::whole_parts("stories · 12 430 of 88 201", 26), "stories · 12 430 of 88 201");
    assert_eq!(super::frame::whole_parts("stories · 12 430 of 88 201", 25), "stories");
    assert_eq!(super::frame::whole_parts("stories", 3), "");
}

/// Counts what is written.
#[derive(Clone, Default)]
pub(super) struct Counter(Rc<RefCell<(usize, usize)>>);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut counted = self.0.borrow_mut();
        *counted = (counted.0 + 1, counted.1 + bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(super) fn workbench(app: App, size: (u16, u16)) -> (Workbench<Counter>, Counter) {
    let counter = Counter::default();
    let mut app = app;
    app.theme = themes::DEFAULT.into();
    let settings = Settings::new(None, Depth::Full);
    let bench = Workbench::new(app, counter.clone(), settings, size, std::env::temp_dir());
    (bench, counter)
}

fn one_step(step: u64) -> Message {
    let mut records = StepRecords { start: step - 1, ..StepRecords::default() };
    records.push(testing::step_record(step));
    Message::Steps(records)
}

#[test]
fn nothing_is_written_while_nothing_changes() {
    let (mut bench, counter) = workbench(testing::sample_app(), (120, 40));
    bench.draw(Duration::ZERO).unwrap();
    assert_eq!(counter.0.borrow().0, 1, "a frame is one write");
    let before = *counter.0.borrow();
    bench.draw(Duration::from_secs(1)).unwrap();
    // The same said again changes no cell.
    bench.take(Input::Host(0, testing::sample_status()), Duration::from_secs(2));
    bench.draw(Duration::from_secs(3)).unwrap();
    bench.take(Input::Resize(120, 40), Duration::from_secs(3));
    assert_eq!(*counter.0.borrow(), before);
    assert_eq!(bench.deadline(Duration::from_secs(4)), Some(Duration::from_secs(4)), "a resize is drawn at once");
}

#[test]
fn what_time_asks_is_sent_though_nothing_else_happens() {
    let (mut bench, _) = workbench(App::new(), (120, 40));
    let ((requests, sent), (_host, messages)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
    bench.attach(&super::Link { requests, messages });
    bench.app = crate::app::prompt::testing::answering();
    crate::app::prompt::testing::press(&mut bench.app, "b -");
    bench.pass_time(Duration::from_secs(9));
    let asked: Vec<crate::protocol::Ask> = sent.try_iter().map(|request| request.ask).collect();
    assert!(matches!(asked.last(), Some(crate::protocol::Ask::Sample(ask)) if ask.lanes.len() == 3), "{asked:?}");
}

#[test]
fn a_running_job_costs_little_over_a_slow_line() {
    let (mut bench, counter) = workbench(testing::sample_app(), (120, 40));
    bench.draw(Duration::ZERO).unwrap();
    let before = counter.0.borrow().1;
    let seconds = 20;
    for tick in 1..=seconds * 10 {
        let now = Duration::from_millis(100 * tick);
        bench.take(Input::Host(0, one_step(1_200 + tick)), now);
        let status = testing::status(State::Training, 1_200 + tick, 6);
        bench.take(Input::Host(0, Message::Status(Box::new(status))), now);
        bench.draw(now).unwrap();
    }
    let rate = (counter.0.borrow().1 - before) as u64 / seconds;
    assert!((1..=4096).contains(&rate), "{rate} bytes a second");
}

#[test]
fn the_host_is_drawn_ten_times_a_second_and_a_key_at_once() {
    let (mut bench, counter) = workbench(testing::sample_app(), (120, 40));
    let millis = Duration::from_millis;
    bench.draw(millis(0)).unwrap();
    for now in 1..=500 {
        bench.take(Input::Host(0, one_step(1_200 + now)), millis(now));
        let status = testing::status(State::Training, 850 + now, 6);
        bench.take(Input::Host(0, Message::Status(Box::new(status))), millis(now));
        bench.draw(millis(now)).unwrap();
    }
    assert_eq!(counter.0.borrow().0, 1 + 5);
    bench.take(Input::Key(KeyEvent::new(KeyCode::Char('z'), KeyModifiers::NONE)), millis(501));
    bench.draw(millis(501)).unwrap();
    assert_eq!(counter.0.borrow().0, 1 + 5 + 1);
    // What a host says that was left is not heard.
    bench.take(Input::Host(9, Message::Goodbye("old".into())), millis(502));
    assert!(bench.app.mirror.goodbye.is_none());
}

#[test]
fn the_screen_is_exported_under_a_free_name() {
    let folder = tempfile::tempdir().unwrap();
    let (mut bench, _) = workbench(testing::sample_app(), (80, 24));
    bench.folder = folder.path().to_path_buf();
    bench.draw(Duration::ZERO).unwrap();
    for _ in 0..2 {
        bench.take(Input::Key(KeyEvent::new(KeyCode::Char('S'), KeyModifiers::SHIFT)), Duration::ZERO);
    }
    assert_eq!(bench.app.toast.as_ref().unwrap().text, "wrote frostline-screen-2.svg and frostline-screen-2.txt");
    let text = std::fs::read_to_string(folder.path().join("frostline-screen-1.txt")).unwrap();
    assert!(text.contains("frostline") || text.contains("owl"));
}

#[test]
fn the_mouse_finds_what_is_under_it() {
    let (mut bench, _) = workbench(testing::sample_app(), (120, 36));
    bench.draw(Duration::ZERO).unwrap();
    let mut click = |x, y| {
        bench.take(Input::Mouse { gesture: Gesture::Press, x, y }, Duration::ZERO);
        (bench.app.focus, bench.app.zoomed)
    };
    assert_eq!(click(10, 25).0, Pane::Layers);
    assert_eq!(click(100, 25).0, Pane::Prompt);
    let footer = text(&testing::sample_app(), 120, 36).lines().last().unwrap().to_string();
    let at = footer.split("z zoom").next().unwrap().chars().count();
    assert!(click(at as u16 + 3, 35).1, "{footer}");
}
