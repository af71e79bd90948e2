//! The lines that are typed in this pane: what to search for, where to go, what to open.

use super::{answers, open, sources};
use crate::app::line::Line;
use crate::app::{App, Code, Key};
use crate::protocol::Place;

/// What a line is typed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Search,
    Jump,
    /// A path, or a choice among the plan's sources.
    Source,
}

/// A line that is being typed.
#[derive(Clone, Debug)]
pub struct Input {
    pub purpose: Purpose,
    pub line: Line,
    /// Which of the choices is marked.
    pub chosen: usize,
}

impl Input {
    pub(super) fn new(purpose: Purpose) -> Input {
        Input { purpose, line: Line::default(), chosen: 0 }
    }

    /// The plan's sources that hold what was typed, whatever its case.
    pub fn choices<'a>(&self, app: &'a App) -> Vec<&'a str> {
        let typed = self.line.text().to_lowercase();
        sources(app).into_iter().filter(|source| source.to_lowercase().contains(&typed)).collect()
    }
}

/// A key while a line is typed; says whether it meant anything there.
pub fn typed(app: &mut App, key: Key) -> bool {
    let Some(mut input) = app.corpus.input.take() else { return false };
    match key.code {
        Code::Escape => return true,
        Code::Enter => {
            carry_out(app, &input);
            return true;
        }
        Code::Up => input.chosen = input.chosen.saturating_sub(1),
        Code::Down => input.chosen = (input.chosen + 1).min(input.choices(app).len().saturating_sub(1)),
        _ => {
            let is_used = input.line.key(key);
            if is_used {
                input.chosen = 0;
            }
            app.corpus.input = Some(input);
            // Other keys wait until the line is done, unless they hold control.
            return is_used || !key.control;
        }
    }
    app.corpus.input = Some(input);
    true
}

fn carry_out(app: &mut App, input: &Input) {
    let text = input.line.text();
    match input.purpose {
        Purpose::Search if text.is_empty() => app.corpus.search.hit = None,
        Purpose::Search => {
            app.corpus.search.pattern = text.into();
            answers::search(app, false, true);
        }
        Purpose::Jump => match place(text) {
            Some(place) => answers::jump(app, place),
            None if text.trim().is_empty() => {}
            None => app.refuse(format!(
                "\"{text}\" is no place: write a row such as 12430, a share such as 50%, or a byte such as @4096"
            )),
        },
        Purpose::Source => {
            let choice = input.choices(app).get(input.chosen).map(|choice| choice.to_string());
            let path = text.trim();
            match choice.filter(|_| !is_path(path)).or_else(|| (!path.is_empty()).then(|| whole_path(path))) {
                Some(source) => open(app, &source),
                None => app.refuse("there is no source to open: write a path"),
            }
        }
    }
}

/// The host may stand in another folder: it is given the whole path. A set of the bundled world is no path.
fn whole_path(typed: &str) -> String {
    if typed.starts_with("world:") {
        return typed.into();
    }
    let home = std::env::var_os("HOME").filter(|_| typed == "~" || typed.starts_with("~/"));
    let path = match home {
        Some(home) => std::path::Path::new(&home).join(typed.trim_start_matches('~').trim_start_matches('/')),
        None => typed.into(),
    };
    std::path::absolute(&path).unwrap_or(path).display().to_string()
}

/// Whether what was typed can only be a path.
fn is_path(text: &str) -> bool {
    text.starts_with(['/', '.', '~'])
}

/// A row (`12430`, `12 430`), a share (`50%`), or a byte (`@4096`).
fn place(text: &str) -> Option<Place> {
    let digits: String = text.chars().filter(|character| !character.is_whitespace() && *character != ',').collect();
    if let Some(byte) = digits.strip_prefix('@') {
        return byte.parse().ok().map(Place::Byte);
    }
    if let Some(share) = digits.strip_suffix('%') {
        let share: f64 = share.parse().ok()?;
        return (0.0..=100.0).contains(&share).then_some(Place::Share(share / 100.0));
    }
    digits.parse().ok().filter(|&row| row > 0).map(Place::Row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_rows_shares_and_bytes() {
        assert_eq!(place("12430"), Some(Place::Row(12_430)));
        assert_eq!(place(" 12 430 "), Some(Place::Row(12_430)));
        assert_eq!(place("12,430"), Some(Place::Row(12_430)));
        assert_eq!(place("50%"), Some(Place::Share(0.5)));
        assert_eq!(place("@4096"), Some(Place::Byte(4096)));
        for nonsense in ["", "0", "101%", "-1", "@", "x", "@1.5", "NaN%"] {
            assert_eq!(place(nonsense), None, "{nonsense}");
        }
    }
}
