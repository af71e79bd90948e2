//! The grid as it is drawn.

use super::*;
use crate::app::Spot;
use crate::app::layers::testing;
use crate::app::layers::{ACTIONS, Lens};
use crate::protocol::{Group, Layer, Message};
use crate::tui::theme::Theme;
use proptest::prelude::*;
use ratatui::style::Color;
use ratatui_textarea::TextArea;

struct Drawn {
    text: String,
    buffer: Buffer,
    spots: Vec<(Rect, Spot)>,
}

/// The pane in a buffer of its own size.
fn drawn(app: &App, width: u16, height: u16) -> Drawn {
    drawn_with(app, &Theme::default(), Rect::new(0, 0, width, height), Rect::new(0, 0, width, height))
}

fn drawn_with(app: &App, theme: &Theme, buffer: Rect, area: Rect) -> Drawn {
    let mut buffer = Buffer::empty(buffer);
    let (mut spots, mut cursor) = (Vec::new(), None);
    let editor = TextArea::default();
    let mut canvas = Canvas {
        buffer: &mut buffer,
        theme,
        spots: &mut spots,
        is_focused: true,
        cursor: &mut cursor,
        editor: &editor,
    };
    draw(app, area, &mut canvas);
    let row = |y: u16| (buffer.area.x..buffer.area.right()).map(|x| buffer[(x, y)].symbol().to_string()).collect();
    let rows: Vec<String> = (buffer.area.y..buffer.area.bottom()).map(row).collect();
    let text = rows.iter().map(|row| format!("{}\n", row.trim_end())).collect();
    Drawn { text, buffer, spots }
}

fn press(app: &mut App, keys: &str) {
    for key in keys.split_whitespace() {
        let action = ACTIONS.iter().find(|action| action.keys.contains(&key)).unwrap();
        if (action.refusal)(app).is_none() {
            (action.run)(app);
        }
    }
}

fn upper(group: Group) -> bool {
    group.layer >= Layer::Block(3)
}

#[test]
fn at_half_of_80_by_24() {
    let app = testing::app(6, true, upper);
    insta::assert_snapshot!(drawn(&app, 38, 19).text);
    insta::assert_snapshot!(drawn(&app, 78, 9).text);
}

#[test]
fn at_120_by_36_with_a_change_measured_and_one_asked_for() {
    let all = testing::groups(6, true);
    let mut app = testing::app(6, true, |_| true);
    app.message(Message::Steps(testing::steps(0, 1240, 1000.0)));
    app.message(Message::Status(Box::new(testing::status(&all, 1241, upper))));
    app.message(Message::Steps(testing::steps(1240, 30, 1600.0)));
    let mut status = testing::status(&all, 1270, upper);
    status.pending = vec!["freeze block.3".into()];
    app.message(Message::Status(Box::new(status)));
    press(&mut app, "end up up up left space up up right right >");
    insta::assert_snapshot!(drawn(&app, 58, 15).text);
    insta::assert_snapshot!(title(&app, 60));
}

#[test]
fn at_200_by_60_with_64_blocks_and_a_tied_head() {
    let mut app = testing::app(64, false, |group| group.layer >= Layer::Block(40));
    press(&mut app, "pgdn down down down");
    for _ in 0..20 {
        press(&mut app, "down");
    }
    insta::assert_snapshot!(drawn(&app, 98, 27).text);
    press(&mut app, "home");
    insta::assert_snapshot!(drawn(&app, 98, 8).text);
}

#[test]
fn every_lens() {
    let mut app = testing::app(2, true, |group| group.layer >= Layer::Block(1));
    let mut shown = String::new();
    for lens in Lens::ALL {
        app.layers.lens = lens;
        shown += &drawn(&app, 58, 9).text;
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn what_was_asked_for_stands_beside_what_is_through_every_lens() {
    let mut app = testing::app(2, true, |_| true);
    press(&mut app, "x > down down space");
    let drawn = drawn(&app, 58, 12).text;
    assert!(drawn.contains("×1→×2"), "{drawn}");
    assert!(drawn.contains("■■■→❄"), "{drawn}");
}

#[test]
fn a_group_without_a_gradient_is_marked_and_named() {
    let all = testing::groups(2, true);
    let mut app = testing::app(2, true, |_| true);
    let mut report = testing::reports(&all, 1280, |_| true);
    report.groups[1].gradient_norm = 0.0;
    app.message(Message::Groups(report));
    press(&mut app, "g");
    let drawn = drawn(&app, 58, 12).text;
    assert!(drawn.contains("block 0   !      0"), "{drawn}");
    assert!(drawn.contains("! no gradient reaches block.0/attention"), "{drawn}");
}

#[test]
fn everything_frozen_but_the_head() {
    let app = testing::app(3, true, |group| group.layer == Layer::Head);
    insta::assert_snapshot!(drawn(&app, 58, 12).text);
    insta::assert_snapshot!(title(&app, 60));
}

#[test]
fn before_the_model_is_there() {
    let app = App::new();
    assert_eq!(drawn(&app, 40, 3).text, "\n       the model is not there yet\n\n");
    assert_eq!(title(&app, 60), "");
}

#[test]
fn titles_drop_whole_parts() {
    let app = testing::app(6, true, upper);
    let titles: std::collections::BTreeSet<String> = (0..60).map(|room| title(&app, room)).collect();
    let expected = [
        "",
        "3.41M of 6.82M train",
        "3.41M of 6.82M train · step 0.73×",
        "3.41M of 6.82M train · step 0.73× of a full one",
        "3.41M train",
    ];
    assert_eq!(titles.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn heat_lies_behind_figures_where_the_theme_has_it() {
    let mut app = testing::app(2, true, |_| true);
    app.layers.lens = Lens::Gradient;
    let theme = Theme { heat: vec![Color::Blue, Color::Red], ..Theme::default() };
    let area = Rect::new(0, 0, 58, 12);
    let drawn = drawn_with(&app, &theme, area, area);
    let attention_of_block_1 = &drawn.buffer[(12, 3)];
    assert!([Color::Blue, Color::Red].contains(&attention_of_block_1.bg), "{attention_of_block_1:?}");
}

#[test]
fn every_cell_name_and_head_can_be_pointed_at() {
    let app = testing::app(2, true, |_| true);
    let spots = drawn(&app, 58, 15).spots;
    for row in 0..5 {
        for column in [None, Some(0), Some(1), Some(2)] {
            let found = spots.iter().filter(|(_, spot)| *spot == Spot::Cell(row, column)).count();
            assert_eq!(found, 1, "{row} {column:?}");
        }
    }
    assert!((0..3).all(|column| spots.iter().any(|(_, spot)| *spot == Spot::Column(column))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_size_and_any_state_is_drawn_within_its_area(
        (width, height) in (0u16..140, 0u16..50),
        (x, y) in (0u16..6, 0u16..6),
        (blocks, has_head) in (0usize..70, any::<bool>()),
        trains in any::<u64>(),
        keys in prop::collection::vec(0..ACTIONS.len(), 0..40),
        room in 0u16..80,
    ) {
        let mut app = testing::app(blocks, has_head, |group| trains >> (group.layer.to_string().len() % 13) & 1 == 1);
        for key in keys {
            let action = &ACTIONS[key];
            if (action.refusal)(&app).is_none() {
                (action.run)(&mut app);
            }
        }
        let area = Rect::new(x, y, width, height);
        let whole = Rect::new(0, 0, 130, 40);
        let drawn = drawn_with(&app, &Theme::default(), whole, area);
        for position in whole.positions().filter(|position| !area.contains(*position)) {
            prop_assert_eq!(drawn.buffer[position].symbol(), " ", "outside at {}", position);
        }
        prop_assert!(drawn.spots.iter().all(|(spot, _)| area.intersection(*spot) == *spot));
        prop_assert!(columns(&title(&app, room)) <= room);
    }
}

#[test]
fn the_frost_line_tells_of_the_prefix_cache_where_there_is_room() {
    let full =
        PrefixState { blocks: 4, rows: 96, bytes: 120_000_000, disk_bytes: 0, hits: 98, misses: 2, served: 0.98 };
    assert_eq!(super::frost_label(None, 80), " frost line ");
    assert_eq!(super::frost_label(Some(&PrefixState { rows: 0, ..full }), 80), " frost line ");
    let told = super::frost_label(Some(&full), 80);
    assert!(told.starts_with(" frost line · prefix cache 98% of rows · 1"), "{told}");
    assert_eq!(super::frost_label(Some(&full), 40), " frost line · prefix cache 98% of rows ");
    assert_eq!(super::frost_label(Some(&full), 12), " frost line ");
    let filling = PrefixState { served: 0.0, ..full };
    assert!(super::frost_label(Some(&filling), 80).contains("prefix cache fills"));
}
