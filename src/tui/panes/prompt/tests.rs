use super::*;
use crate::app::prompt::testing::{answering, attached, press, tokens};
use crate::app::prompt::{LaneView, Progress};
use crate::protocol::{Lane, LaneEnd, SampledToken};
use crate::tui::theme::Theme;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui_textarea::TextArea;

/// What a pane of this size shows, its last line the title, and where the terminal's cursor stands.
fn shown(app: &App, width: u16, height: u16) -> (String, Option<(u16, u16)>) {
    let whole = Rect::new(0, 0, width + 2, height + 2);
    let mut buffer = Buffer::filled(whole, ratatui::buffer::Cell::new("#"));
    let area = Rect::new(1, 1, width, height);
    for position in area.positions() {
        buffer[position].set_symbol(" ");
    }
    let (theme, mut spots, mut cursor) = (Theme::default(), Vec::new(), None);
    let mut editor = TextArea::default();
    sync(app, &mut editor);
    let mut canvas = Canvas {
        buffer: &mut buffer,
        theme: &theme,
        spots: &mut spots,
        is_focused: true,
        editor: &editor,
        cursor: &mut cursor,
    };
    draw(app, area, &mut canvas);
    assert!(spots.iter().all(|(spot, _)| area.intersection(*spot) == *spot), "a spot lies outside of the pane");
    assert!(cursor.is_none_or(|cursor| area.contains(cursor.into())));
    for position in whole.positions().filter(|position| !area.contains(*position)) {
        assert_eq!(buffer[position].symbol(), "#", "drawn outside of the pane");
    }
    let row = |y| (1..=width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_string();
    let mut lines: Vec<String> = (1..=height).map(row).collect();
    lines.push(format!("[{}]", title(app, width.saturating_sub(12))));
    (lines.join("\n"), cursor)
}

fn type_text(app: &mut App, editor: &mut TextArea<'static>, text: &str) {
    for character in text.chars() {
        type_key(app, editor, KeyEvent::new(KeyCode::Char(character), KeyModifiers::NONE));
    }
}

#[test]
fn two_lanes_at_three_sizes() {
    let app = answering();
    insta::assert_snapshot!("lanes_80x24", shown(&app, 38, 19).0);
    insta::assert_snapshot!("lanes_120x36", shown(&app, 58, 15).0);
    insta::assert_snapshot!("lanes_200x60", shown(&app, 98, 27).0);
    insta::assert_snapshot!("lanes_wide", shown(&app, 78, 9).0);
}

#[test]
fn mixtures_at_three_sizes() {
    let mut app = answering();
    press(&mut app, "b + +");
    crate::app::prompt::mixture::put_graft(&mut app, vec!["block.0-1".parse().unwrap(), "norm".parse().unwrap()]);
    press(&mut app, "r");
    let (id, _) = crate::app::prompt::testing::last_sample(&mut app).unwrap();
    let blend = " river to fetch a pail of water for the market.";
    crate::app::prompt::testing::write(&mut app, id, 2, blend, Some(LaneEnd::EndOfText));
    // Moved since: what stands there is of the share before.
    press(&mut app, "- .");
    insta::assert_snapshot!("mixtures_80x24", shown(&app, 38, 19).0);
    insta::assert_snapshot!("mixtures_120x36", shown(&app, 58, 19).0);
    insta::assert_snapshot!("mixtures_200x60", shown(&app, 118, 15).0);
    press(&mut app, "esc B");
    insta::assert_snapshot!("graft_begun", shown(&app, 58, 9).0);
}

#[test]
fn tokens_under_the_cursor_in_both_lanes() {
    let mut app = answering();
    press(&mut app, "p s A");
    insta::assert_snapshot!("tokens_120x36", shown(&app, 58, 15).0);
    insta::assert_snapshot!("tokens_200x60", shown(&app, 98, 27).0);
}

#[test]
fn lists_and_a_long_prompt() {
    let mut app = answering();
    press(&mut app, "o down down");
    insta::assert_snapshot!("settings_120x36", shown(&app, 58, 15).0);
    insta::assert_snapshot!("settings_wide", shown(&app, 98, 9).0);
    press(&mut app, "esc a o w l");
    insta::assert_snapshot!("picker", shown(&app, 58, 15).0);
    press(&mut app, "down enter i");
    app.prompt.set_text("One morning,\nlong ago, ".repeat(12));
    let (text, cursor) = shown(&app, 78, 15);
    insta::assert_snapshot!("three_lanes_editing", text);
    assert_eq!(cursor, Some((13, 7)));
}

#[test]
fn what_went_wrong_and_what_was_not_asked() {
    let mut app = attached();
    app.prompt.settings.temperature = 0.0;
    app.prompt.lanes[1].progress = Progress::Ended(LaneEnd::Failed("there is no checkpoint\n  next: name one".into()));
    insta::assert_snapshot!("failed", shown(&app, 58, 9).0);
}

#[test]
fn keys_and_pastes_reach_the_app_and_the_app_reaches_the_editor() {
    let mut app = attached();
    let mut editor = TextArea::default();
    press(&mut app, "i");
    type_text(&mut app, &mut editor, "Mira wnt");
    type_key(&mut app, &mut editor, KeyEvent::new(KeyCode::Left, KeyModifiers::NONE));
    type_key(&mut app, &mut editor, KeyEvent::new(KeyCode::Left, KeyModifiers::NONE));
    type_text(&mut app, &mut editor, "e");
    assert_eq!((app.prompt.text.as_str(), app.prompt.cursor), ("Mira went", (0, 7)));
    press(&mut app, "a-enter");
    sync(&app, &mut editor);
    assert_eq!(editor.lines(), ["Mira we", "nt"]);
    type_paste(&mut app, &mut editor, "水\r\nx");
    assert_eq!((app.prompt.text.as_str(), app.prompt.cursor), ("Mira we\n水\nxnt", (2, 1)));
    type_paste(&mut app, &mut editor, &"y".repeat(1 << 17));
    assert!(app.toast.as_ref().is_some_and(|toast| toast.is_refusal) && app.prompt.text.len() < 100);
}

#[test]
fn foreign_text_is_shown_and_not_obeyed() {
    let mut app = answering();
    app.prompt.set_text("a\u{1b}]0;x\u{7}".into());
    app.prompt.lanes[0].tokens = tokens("x\u{1b}[2J\u{202e} \u{9b}31m");
    app.prompt.lanes[0].lane = Lane::Checkpoint("run\u{1b}[5m".into());
    app.prompt.token = Some(0);
    let (text, _) = shown(&app, 78, 20);
    assert!(text.contains("\u{241b}[2J") && text.contains("run\u{241b}[5m"));
    assert!(!text.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{202e}')));
}

fn any_token() -> impl Strategy<Value = SampledToken> {
    let text =
        prop::sample::select(vec!["", " the", "\n", "水水", "e\u{301}", "\u{200d}", "👩‍🚀", "longword", "\u{1b}", "\t"]);
    (text, prop::num::f32::ANY).prop_map(|(text, probability)| SampledToken {
        id: text.len() as u32,
        text: text.into(),
        probability,
        entropy: probability,
        alternatives: vec![(text.into(), probability), ("x".into(), 2.0)],
    })
}

proptest! {
    #[test]
    fn any_state_draws_at_any_size(
        size in (0u16..70, 0u16..30),
        lanes in prop::collection::vec(prop::collection::vec(any_token(), 0..30), 1..6),
        keys in prop::collection::vec(prop::sample::select(vec![
            "t", "p", "s", "o", "a", "r", "left", "right", "up", "down", "pgup", "home", "end", "i", "esc", "5", "enter",
            "d", ">", "c", "R", "A", "x", "c-p", "c-j",
        ]), 0..20),
        text in "[a-c 水é\n\u{1b}\u{301}]{0,40}",
    ) {
        let mut app = attached();
        app.prompt.set_text(text);
        app.prompt.lanes = lanes.into_iter().map(|tokens| {
            LaneView { tokens, progress: Progress::Writing, ..LaneView::new(Lane::Live) }
        }).collect();
        for key in keys {
            press(&mut app, key);
            shown(&app, size.0, size.1);
        }
        shown(&app, size.1, size.0);
    }
}
