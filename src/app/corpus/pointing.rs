//! The mouse over the corpus pane.

use super::{GUTTER, answers, input, open};
use crate::app::{App, Gesture, Pointer, Spot};

/// Lines that one notch of the wheel moves by.
const NOTCH: isize = 3;

/// The mouse did something over one of this pane's spots.
pub fn pointed(app: &mut App, pointer: Pointer) {
    match (pointer.gesture, pointer.spot) {
        (Gesture::WheelUp, _) => scroll(app, -NOTCH),
        (Gesture::WheelDown, _) => scroll(app, NOTCH),
        (Gesture::Press, Spot::Row(index)) if app.corpus.input.is_some() => choose(app, index),
        (Gesture::Press, Spot::Row(index)) => press(app, index, pointer),
        _ => {}
    }
}

fn scroll(app: &mut App, lines: isize) {
    app.corpus.moving(|window, screen| {
        window.scroll(lines, screen);
        window.keep_cursor_on(screen);
    });
    app.corpus.clamp_token();
    answers::refresh(app);
}

/// A line of the list of sources.
fn choose(app: &mut App, index: usize) {
    let choices = app.corpus.input.as_ref().filter(|input| input.purpose == input::Purpose::Source);
    let choice = choices.and_then(|input| input.choices(app).get(index).map(|choice| choice.to_string()));
    if let Some(choice) = choice {
        app.corpus.input = None;
        open(app, &choice);
    }
}

/// A row, and the token under the pointer where tokens are shown.
fn press(app: &mut App, index: usize, pointer: Pointer) {
    let corpus = &mut app.corpus;
    let place = corpus.shown().top.saturating_add(index);
    if place >= corpus.shown().rows.len() {
        return;
    }
    corpus.shown_mut().cursor = place;
    let above = if index == 0 { corpus.shown().above } else { 0 };
    let (columns, _) = corpus.last_size.get();
    let column = (pointer.x as usize).checked_sub(GUTTER as usize).map(|x| x + corpus.unwrapped.unwrap_or(0));
    let token = corpus.shown().row().zip(column).and_then(|(row, column)| {
        corpus.tokens_of(row).filter(|_| corpus.is_cut_in_tokens())?;
        let layout = corpus.layout(row, columns.saturating_sub(GUTTER));
        layout.glyph_at(above + pointer.y as usize, column).map(|glyph| glyph.span)
    });
    corpus.token = token;
    answers::refresh(app);
}
