//! What a stretch of text looks like: by what is learned, where tokens meet, and how surprising they are.

use crate::app::corpus::Corpus;
use crate::protocol::{CorpusRow, TokenView};
use crate::tui::theme::Theme;
use ratatui::style::{Color, Modifier, Style};

/// Nats at which shading ends: a token expected once in 3,000 times.
pub(super) const HOTTEST: f64 = 8.0;
/// Where the theme has no colours: surprise from which a token is underlined, and from which it is bold too.
pub(super) const UNDERLINED: f64 = 3.0;
pub(super) const BOLD: f64 = 6.0;

/// The styles of a row's stretches, in the order of [`Corpus::spans`].
pub(super) fn styles(corpus: &Corpus, row: &CorpusRow, theme: &Theme) -> Vec<Style> {
    let is_pair = row.segments.iter().any(|segment| !segment.learned);
    let by_role = |learned: bool| match (is_pair, learned) {
        (false, _) => theme.text,
        (true, true) => theme.learned,
        (true, false) => theme.masked,
    };
    match corpus.tokens_of(row).filter(|_| corpus.is_cut_in_tokens()) {
        None => row.segments.iter().map(|segment| by_role(segment.learned)).collect(),
        Some(tokens) => {
            let style = |(index, token)| of_token(corpus, index, token, by_role, theme);
            tokens.iter().enumerate().map(style).collect()
        }
    }
}

fn of_token(corpus: &Corpus, index: usize, token: &TokenView, by_role: impl Fn(bool) -> Style, theme: &Theme) -> Style {
    let mut style = by_role(token.learned);
    if token.is_special {
        style = style.patch(theme.mark);
    }
    let surprise = token.surprise.filter(|_| corpus.surprise.is_some());
    if let Some(surprise) = surprise {
        style = heated(style, surprise as f64, theme);
    }
    // Neighbours are told apart by turns: by the ground where it is free, else by a line below.
    let is_free = corpus.surprise.is_none() && theme.selection.bg.is_some();
    match (corpus.surprise.is_none() || corpus.shows_tokens, index % 2) {
        (true, 1) if is_free => style.patch(theme.selection),
        (true, 1) => style.add_modifier(Modifier::UNDERLINED),
        _ => style,
    }
}

/// The style with the ground of a surprise, nats; with marks instead where the theme has no colours.
pub(super) fn heated(style: Style, surprise: f64, theme: &Theme) -> Style {
    match theme.heat(surprise / HOTTEST) {
        Some(ground) => readable(style.bg(ground), ground),
        None if surprise >= BOLD => style.add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
        None if surprise >= UNDERLINED => style.add_modifier(Modifier::UNDERLINED),
        None => style,
    }
}

/// Letters that can be read on a ground of any brightness.
fn readable(style: Style, ground: Color) -> Style {
    let Color::Rgb(red, green, blue) = ground else { return style };
    // The brightness that eyes see: ITU-R BT.601.
    let brightness = (299 * red as u32 + 587 * green as u32 + 114 * blue as u32) / 1000;
    style.fg(if brightness > 140 { Color::Rgb(16, 16, 16) } else { Color::Rgb(238, 238, 238) })
}
