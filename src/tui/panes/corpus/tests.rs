use super::*;
use crate::app::Spot;
use crate::app::corpus::testing::{attached, press, rows, serve};
use crate::app::corpus::{refresh, show_batch};
use crate::protocol::CorpusRow;
use crate::tui::theme::Theme;
use insta::assert_snapshot;
use proptest::prelude::*;
use ratatui_textarea::TextArea;

/// Inside of the pane at 80×24, 120×36 and 200×60.
const SMALL: (u16, u16) = (38, 9);
const MEDIUM: (u16, u16) = (58, 15);
const LARGE: (u16, u16) = (98, 27);

/// The pane's title and inside as text.
fn picture(app: &App, (width, height): (u16, u16)) -> String {
    let area = Rect::new(0, 0, width, height);
    let buffer = drawn(app, area, area);
    let cell = |x, y| buffer[(x, y)].symbol().to_string();
    let lines = (0..height).map(|y| (0..width).map(|x| cell(x, y)).collect::<String>().trim_end().to_string());
    format!("[{}]\n{}", title(app, width.saturating_sub(12)), lines.collect::<Vec<_>>().join("\n"))
}

fn drawn(app: &App, screen: Rect, area: Rect) -> Buffer {
    let mut buffer = Buffer::empty(screen);
    let (theme, editor, mut spots, mut cursor) = (Theme::default(), TextArea::default(), Vec::new(), None);
    let mut canvas = Canvas {
        buffer: &mut buffer,
        theme: &theme,
        spots: &mut spots,
        is_focused: true,
        cursor: &mut cursor,
        editor: &editor,
    };
    draw(app, area, &mut canvas);
    let inside = area.intersection(screen);
    assert!(spots.iter().all(|(place, _)| inside.intersection(*place) == *place));
    assert!(cursor.is_none_or(|(x, y)| inside.contains((x, y).into())));
    buffer
}

fn stories() -> Vec<CorpusRow> {
    let mut texts = vec![
        "Mira the miller lived by the river near Oakham. Every morning she carried two sacks of flour to the market, \
         and every evening she came home with an empty cart.\nOne day the river froze.",
        "Once there was a 雪 owl that spoke\tno language but its own <|endoftext|>",
        "A short one.",
        "Is the bread good?→ Yes, it was baked this morning.",
        "(broken) {\"text\": ",
        "a line that is much too long (cut)",
    ];
    texts.extend(vec!["And then nothing happened for a very long time."; 60]);
    rows(&texts)
}

/// Answered, and drawn once, so that what is seen has been asked for.
fn shown(keys: &str, size: (u16, u16)) -> App {
    let rows = stories();
    let mut app = attached(&rows, size);
    for key in keys.split(' ').filter(|key| !key.is_empty()) {
        picture(&app, size);
        press(&mut app, key);
        serve(&mut app, &rows);
        refresh(&mut app);
        serve(&mut app, &rows);
    }
    app
}

#[test]
fn rows_at_three_sizes() {
    assert_snapshot!("rows-small", picture(&shown("", SMALL), SMALL));
    assert_snapshot!("rows-medium", picture(&shown("", MEDIUM), MEDIUM));
    assert_snapshot!("rows-large", picture(&shown("", LARGE), LARGE));
}

#[test]
fn tokens_and_surprise() {
    assert_snapshot!("tokens", picture(&shown("t down right right", MEDIUM), MEDIUM));
    assert_snapshot!("surprise-medium", picture(&shown("s", MEDIUM), MEDIUM));
    assert_snapshot!("surprise-small", picture(&shown("s right", SMALL), SMALL));
    let app = shown("s", MEDIUM);
    let area = Rect::new(0, 0, MEDIUM.0, MEDIUM.1);
    let buffer = drawn(&app, area, area);
    let modifiers = |x| buffer[(x, 0)].modifier;
    use ratatui::style::Modifier;
    // "Mira " has nothing before it; "miller " is at 5.3 nats.
    assert!(!modifiers(2).contains(Modifier::UNDERLINED) && modifiers(12).contains(Modifier::UNDERLINED));
}

#[test]
fn pairs_matches_lengths_batches_and_inputs() {
    assert_snapshot!("pair", picture(&shown("down down down", MEDIUM), MEDIUM));
    assert_snapshot!("unwrapped", picture(&shown("w right", MEDIUM), MEDIUM));
    assert_snapshot!("lengths", picture(&shown("i", MEDIUM), MEDIUM));
    assert_snapshot!("lengths-small", picture(&shown("i", (30, 5)), (30, 5)));
    assert_snapshot!("choosing", picture(&shown("o", SMALL), SMALL));
    assert_snapshot!("jumping", picture(&shown("J", SMALL), SMALL));
    let mut app = shown("", MEDIUM);
    show_batch(&mut app, 1240);
    assert_snapshot!("batch-waiting", picture(&app, SMALL));
    serve(&mut app, &stories());
    assert_snapshot!("batch", picture(&app, MEDIUM));
    let mut app = shown("/ l a n g u a g e", MEDIUM);
    press(&mut app, "enter");
    assert_snapshot!("searching", picture(&app, SMALL));
}

#[test]
fn nothing_yet_is_said() {
    assert_snapshot!("detached", picture(&App::new(), SMALL));
    let mut app = shown("", SMALL);
    press(&mut app, "r");
    assert_snapshot!("opening", picture(&app, SMALL));
    let id = app.take_requests().last().map_or(0, |request| request.id);
    let why = "cannot read /data/x.txt\n  because: No such file or directory (os error 2)\n  next: check that the file is there";
    crate::app::corpus::answered(&mut app, id, crate::protocol::CorpusAnswer::Failed(why.into()));
    assert_snapshot!("failed", picture(&app, SMALL));
}

#[test]
fn a_title_is_never_cut() {
    let app = shown("", MEDIUM);
    for columns in 0..60 {
        let title = title(&app, columns);
        assert!(title.width() <= columns as usize);
        assert!(["", "stories", "1 of 66", "stories · 1 of 66"].contains(&title.as_str()), "{title}");
    }
}

#[test]
fn a_row_points_to_itself() {
    let app = shown("", MEDIUM);
    let area = Rect::new(3, 2, MEDIUM.0, MEDIUM.1);
    let mut buffer = Buffer::empty(Rect::new(0, 0, 80, 30));
    let (theme, editor, mut spots, mut cursor) = (Theme::default(), TextArea::default(), Vec::new(), None);
    let canvas = &mut Canvas {
        buffer: &mut buffer,
        theme: &theme,
        spots: &mut spots,
        is_focused: true,
        cursor: &mut cursor,
        editor: &editor,
    };
    draw(&app, area, canvas);
    assert_eq!(spots[0], (Rect::new(3, 2, MEDIUM.0, 4), Spot::Row(0)));
    assert_eq!(spots[1].1, Spot::Row(1));
}

fn text() -> impl Strategy<Value = String> {
    "([a-c ]|[\\x00-\\x1f\\u{7f}-\\u{9f}\\u{200b}\\u{202e}\\u{301}\\u{feff}]|雪|👩‍🚀|→|e\u{301}|\n|\t){0,60}"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn any_text_at_any_size_after_any_keys(
        texts in prop::collection::vec(text(), 1..12),
        sizes in prop::collection::vec((0u16..70, 0u16..24), 1..4),
        keys in prop::collection::vec(prop::sample::select(KEYS.to_vec()), 0..40),
    ) {
        let rows = rows(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let mut app = attached(&rows, sizes[0]);
        for (index, key) in keys.iter().enumerate() {
            let (width, height) = sizes[index % sizes.len()];
            let screen = Rect::new(0, 0, 60, 20);
            let buffer = drawn(&app, screen, Rect::new(1, 1, width, height));
            let inside = Rect::new(1, 1, width, height);
            let is_outside = |x: u16, y: u16| !inside.contains((x, y).into());
            prop_assert!((0..20).all(|y| (0..60).all(|x| !is_outside(x, y) || buffer[(x, y)].symbol() == " ")));
            prop_assert!(buffer.content.iter().all(|cell| !cell.symbol().chars().any(char::is_control)));
            press(&mut app, key);
            if index % 3 > 0 {
                serve(&mut app, &rows);
            }
        }
    }
}

const KEYS: [&str; 28] = [
    "up",
    "down",
    "pgup",
    "pgdn",
    "home",
    "end",
    "left",
    "right",
    "t",
    "s",
    "w",
    "i",
    "o",
    "J",
    "/",
    "n",
    "N",
    "enter",
    "esc",
    "r",
    "b",
    "Y",
    ">",
    "a",
    "1",
    "%",
    "backspace",
    "j",
];
