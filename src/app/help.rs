//! Help: every action with its keys, grouped by where it works, narrowed by what is typed.

use super::action::{self, Scope};
use super::line::Line;
use super::{App, Code, Key, Pane};
use crate::protocol::{GRAMMAR, MIXTURES};
use std::cell::Cell;

/// A line of help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HelpLine {
    Group(String),
    Entry { keys: String, name: String, help: String },
}

#[derive(Clone, Debug)]
pub struct Help {
    pub search: Line,
    pub scroll: usize,
    /// Lines that had room when it was drawn last.
    pub last_rows: Cell<usize>,
    all: Vec<HelpLine>,
}

/// The order of the groups, with their titles.
pub const SCOPES: [(Scope, &str); 6] = [
    (Scope::In(Pane::Corpus), "corpus"),
    (Scope::In(Pane::Graphs), "graphs"),
    (Scope::In(Pane::Layers), "layers"),
    (Scope::In(Pane::Prompt), "prompt"),
    (Scope::Editing, "while text is typed"),
    (Scope::Everywhere, "everywhere"),
];

impl Help {
    /// The focused pane's keys come first.
    pub fn new(app: &App) -> Self {
        let mut scopes = SCOPES.to_vec();
        scopes.sort_by_key(|(scope, _)| *scope != Scope::In(app.focus));
        let mut all = Vec::new();
        for (scope, title) in scopes {
            let entries = action::all().filter(|action| action.scope == scope).map(|action| HelpLine::Entry {
                keys: app.keymap.keys_text(action.name),
                name: action.name.to_string(),
                help: action.help.to_string(),
            });
            push_group(&mut all, title, entries);
        }
        let commands = GRAMMAR.iter().chain(&MIXTURES).map(|(form, help)| HelpLine::Entry {
            keys: String::new(),
            name: (*form).to_string(),
            help: (*help).to_string(),
        });
        push_group(&mut all, "commands to type after the palette's key", commands);
        Self { search: Line::default(), scroll: 0, last_rows: Cell::new(0), all }
    }

    /// What matches the search, with the titles of the groups that still have something.
    pub fn lines(&self) -> Vec<&HelpLine> {
        let words: Vec<String> = self.search.text().split_whitespace().map(str::to_lowercase).collect();
        let matches = |line: &HelpLine| match line {
            HelpLine::Group(_) => true,
            HelpLine::Entry { keys, name, help } => {
                let text = format!("{keys} {name} {help}").to_lowercase();
                words.iter().all(|word| text.contains(word))
            }
        };
        let kept: Vec<&HelpLine> = self.all.iter().filter(|line| matches(line)).collect();
        let has_entry = |at: usize| matches!(kept.get(at), Some(HelpLine::Entry { .. }));
        (0..kept.len()).filter(|&at| has_entry(at) || has_entry(at + 1)).map(|at| kept[at]).collect()
    }

    /// Whether help stays.
    pub fn key(&mut self, key: Key) -> bool {
        let page = self.last_rows.get().saturating_sub(1).max(1);
        let last = self.lines().len().saturating_sub(self.last_rows.get().max(1));
        let scrolled = match key.code {
            Code::Up => self.scroll.saturating_sub(1),
            Code::Down => self.scroll + 1,
            Code::PageUp => self.scroll.saturating_sub(page),
            Code::PageDown => self.scroll + page,
            Code::Home => 0,
            Code::End => last,
            Code::Escape if !self.search.is_empty() => {
                self.search.clear();
                0
            }
            Code::Escape | Code::Function(1) => return false,
            Code::Char('?' | 'q') if self.search.is_empty() => return false,
            _ => {
                self.search.key(key);
                0
            }
        };
        self.scroll = scrolled.min(last);
        true
    }
}

fn push_group(all: &mut Vec<HelpLine>, title: &str, entries: impl Iterator<Item = HelpLine>) {
    let mut entries = entries.peekable();
    if entries.peek().is_some() {
        all.push(HelpLine::Group(title.to_string()));
        all.extend(entries);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_narrows_and_groups_without_entries_go() {
        let mut help = Help::new(&App::new());
        assert!(help.lines().len() > 20);
        help.search.insert("HALVE [");
        let lines = help.lines();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(lines[0], &HelpLine::Group("everywhere".into()));
        assert!(matches!(lines[1], HelpLine::Entry { keys, .. } if keys == "["));
        assert!(help.key(Key::plain(Code::Escape)) && help.search.is_empty());
        assert!(!help.key(Key::plain(Code::Escape)));
    }

    #[test]
    fn scrolling_stops_at_the_end() {
        let mut help = Help::new(&App::new());
        help.last_rows.set(5);
        for _ in 0..100 {
            help.key(Key::plain(Code::PageDown));
        }
        assert_eq!(help.scroll, help.lines().len() - 5);
        help.key(Key::plain(Code::Home));
        assert_eq!(help.scroll, 0);
    }
}
