use super::testing::{attached, press, rows, serve};
use super::*;
use crate::app::{Gesture, Pointer, Spot};
use crate::protocol::{CorpusAnswer, Message};
use std::time::Duration;

fn lines(count: usize) -> Vec<CorpusRow> {
    let texts: Vec<String> = (1..=count).map(|line| format!("line {line} of the mill")).collect();
    rows(&texts.iter().map(String::as_str).collect::<Vec<_>>())
}

fn number(app: &App) -> u64 {
    app.corpus.shown().row().unwrap().number.unwrap()
}

#[test]
fn the_first_source_opens_by_itself_and_more_comes_before_it_is_needed() {
    let rows = lines(1000);
    let mut app = attached(&rows, (40, 10));
    assert_eq!(app.corpus.source.as_deref(), Some("world:stories"));
    assert!(app.corpus.window.rows.len() >= 64 && number(&app) == 1);
    for _ in 0..700 {
        press(&mut app, "down");
        serve(&mut app, &rows);
    }
    assert_eq!(number(&app), 701);
    assert!(app.corpus.window.rows.len() < 500, "what lies far behind is let go");
    for _ in 0..700 {
        press(&mut app, "up");
        serve(&mut app, &rows);
    }
    assert_eq!(number(&app), 1);
    assert!(app.corpus.window.rows.len() < 600);
}

#[test]
fn pages_and_ends() {
    let rows = lines(1000);
    let mut app = attached(&rows, (40, 10));
    press(&mut app, "pgdn");
    serve(&mut app, &rows);
    assert_eq!((number(&app), app.corpus.window.top), (10, 9));
    press(&mut app, "end");
    serve(&mut app, &rows);
    assert_eq!(number(&app), 1000);
    press(&mut app, "pgup");
    serve(&mut app, &rows);
    assert_eq!(number(&app), 991);
    press(&mut app, "home");
    serve(&mut app, &rows);
    assert_eq!(number(&app), 1);
}

#[test]
fn a_place_is_typed() {
    let rows = lines(1000);
    let mut app = attached(&rows, (40, 10));
    for (keys, expected) in [("J 5 0 0 enter", 500), ("J 5 0 % enter", 499), ("J @ 0 enter", 1)] {
        press(&mut app, keys);
        serve(&mut app, &rows);
        assert!(number(&app).abs_diff(expected) <= 5, "{keys}: {}", number(&app));
    }
    press(&mut app, "J x enter");
    assert!(app.toast.as_ref().unwrap().text.contains("no place"));
    press(&mut app, "J 5 esc");
    assert!(!app.corpus.is_typing() && app.take_requests().is_empty());
}

#[test]
fn a_search_goes_on_both_ways_and_never_around() {
    let mut texts = vec!["nothing"; 300];
    (texts[120], texts[250]) = ("the mill", "a mill");
    let rows = rows(&texts);
    let mut app = attached(&rows, (40, 10));
    press(&mut app, "/ m i l l enter");
    assert!(app.corpus.search.running.is_some());
    serve(&mut app, &rows);
    assert_eq!(number(&app), 121);
    assert_eq!(app.corpus.search.hit.as_ref().map(|hit| (hit.start, hit.end)), Some((4, 8)));
    press(&mut app, "n");
    serve(&mut app, &rows);
    assert_eq!(number(&app), 251);
    press(&mut app, "n");
    serve(&mut app, &rows);
    assert_eq!(number(&app), 251);
    assert!(app.toast.as_ref().unwrap().text.contains("no match below"));
    press(&mut app, "N");
    serve(&mut app, &rows);
    assert_eq!(number(&app), 121);
}

#[test]
fn a_search_shows_how_far_it_is_and_can_be_stopped() {
    let rows = lines(10);
    let mut app = attached(&rows, (40, 10));
    press(&mut app, "/ x enter");
    let id = app.take_requests().last().unwrap().id;
    answered(&mut app, id, CorpusAnswer::Searching { done: 3, total: 10 });
    assert_eq!(app.corpus.search.running.map(|running| (running.done, running.total)), Some((3, 10)));
    press(&mut app, "esc");
    assert_eq!(app.take_requests().last().unwrap().ask, Ask::Cancel(id));
    answered(&mut app, id, CorpusAnswer::Found(None));
    assert!(app.toast.as_ref().unwrap().text.contains("stopped"), "a late answer says nothing");
}

#[test]
fn tokens_come_for_what_is_seen_and_two_rows_at_a_time() {
    let rows = lines(300);
    let mut app = attached(&rows, (40, 10));
    assert_eq!(app.corpus.row_summary().map(|summary| summary.tokens), Some(5), "the cursor's row is counted");
    press(&mut app, "s");
    let requests = app.take_requests();
    assert_eq!(requests.len(), 2);
    let mut asked = 0;
    for request in requests {
        answered(&mut app, request.id, CorpusAnswer::Failed("no weights yet".into()));
        asked += 1;
    }
    app.now = Duration::from_secs(9);
    refresh(&mut app);
    asked += serve(&mut app, &rows).len();
    assert!((12..30).contains(&asked), "{asked}: ten rows, two of them twice");
    assert!(app.corpus.tokens_of(&app.corpus.window.rows[9]).unwrap()[1].surprise.is_some());
    assert_eq!(app.corpus.weights(), Some("live, step 1240"));
    press(&mut app, "s s");
    assert_eq!(app.corpus.surprise, None);
}

#[test]
fn a_token_is_read_under_the_cursor_and_the_pointer() {
    let rows = lines(30);
    let mut app = attached(&rows, (40, 10));
    press(&mut app, "right");
    serve(&mut app, &rows);
    press(&mut app, "right right");
    assert_eq!(app.corpus.pointed_token().unwrap().text, "of ");
    press(&mut app, "left");
    assert_eq!(app.corpus.pointed_token().unwrap().text, "1 ");
    let pointer = Pointer { gesture: Gesture::Press, spot: Spot::Row(3), x: GUTTER + 8, y: 0, width: 40, height: 1 };
    pointed(&mut app, pointer);
    assert_eq!((number(&app), app.corpus.pointed_token().unwrap().text.as_str()), (4, "of "));
    press(&mut app, "esc");
    assert!(app.corpus.pointed_token().is_none());
}

#[test]
fn a_row_that_is_higher_than_the_screen_is_read_line_by_line() {
    let long = "word ".repeat(100);
    let rows = rows(&["first", long.trim(), "last"]);
    let mut app = attached(&rows, (22, 6));
    press(&mut app, "down");
    assert_eq!((app.corpus.window.cursor, app.corpus.window.top, app.corpus.window.above), (1, 1, 0));
    press(&mut app, "down down");
    assert_eq!((app.corpus.window.cursor, app.corpus.window.above), (1, 2));
    for _ in 0..40 {
        press(&mut app, "down");
    }
    assert_eq!(app.corpus.window.cursor, 2);
    press(&mut app, "up");
    assert_eq!((app.corpus.window.cursor, app.corpus.window.top), (1, 1));
    for _ in 0..40 {
        press(&mut app, "up");
    }
    assert_eq!((app.corpus.window.cursor, app.corpus.window.above), (0, 0));
}

#[test]
fn sources_are_chosen_from_the_plan_or_typed() {
    let rows = lines(30);
    let mut app = attached(&rows, (40, 10));
    press(&mut app, ">");
    serve(&mut app, &rows);
    assert_eq!(app.corpus.source.as_deref(), Some("world:facts"));
    press(&mut app, "<");
    press(&mut app, "<");
    assert_eq!(app.corpus.source.as_deref(), Some("world:sentiment"));
    press(&mut app, "o f a c t enter");
    assert_eq!(app.corpus.source.as_deref(), Some("world:facts"));
    press(&mut app, "o down enter");
    assert_eq!(app.corpus.source.as_deref(), Some("world:facts"), "the second of the list");
    press(&mut app, "o / t m p enter");
    assert_eq!(app.corpus.source.as_deref(), Some("/tmp"));
    let asked = serve(&mut app, &rows);
    assert!(asked.iter().any(|ask| matches!(ask, CorpusAsk::Page { source, .. } if source == "/tmp")));
}

#[test]
fn lengths_and_batches_are_shown_and_left() {
    let rows = lines(30);
    let mut app = attached(&rows, (40, 10));
    press(&mut app, "i");
    serve(&mut app, &rows);
    assert!(matches!(&app.corpus.lengths, Some(Ok(lengths)) if lengths.median == 58));
    assert_eq!(explained(&app), Some("lengths"));
    press(&mut app, "i");
    assert_eq!(app.corpus.mode, Mode::Rows);
    show_batch(&mut app, 7);
    serve(&mut app, &rows);
    assert_eq!((app.corpus.mode, app.corpus.batch.step, app.corpus.batch.window.rows.len()), (Mode::Batch, 7, 4));
    press(&mut app, "down right");
    assert_eq!((number(&app), app.corpus.token), (2, Some(0)));
    press(&mut app, "esc");
    assert_eq!((app.corpus.mode, number(&app)), (Mode::Rows, 1));
}

#[test]
fn an_error_is_kept_and_another_run_starts_over() {
    let rows = lines(30);
    let mut app = attached(&rows, (40, 10));
    press(&mut app, "r");
    let id = app.take_requests().last().unwrap().id;
    answered(&mut app, id, CorpusAnswer::Failed("it is gone\n  next: look".into()));
    assert_eq!(app.corpus.failure.as_deref(), Some("it is gone\n  next: look"));
    press(&mut app, "r");
    serve(&mut app, &rows);
    assert!(app.corpus.failure.is_none() && number(&app) == 1);
    let Message::Welcome(mut other) = testing::welcome() else { panic!("a welcome") };
    other.path = "/runs/other".into();
    other.sources = vec![("/data/other.txt".into(), "pretrain".into())];
    app.message(Message::Welcome(other));
    refresh(&mut app);
    assert_eq!(app.corpus.source.as_deref(), Some("/data/other.txt"));
    assert_eq!(Corpus::short_name("/data/other.txt"), "other.txt");
}
