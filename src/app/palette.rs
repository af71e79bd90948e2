//! The palette: any action by a few of its letters, any live command as it is written, and any theme.

use super::action::{self, Action, Scope};
use super::line::Line;
use super::prompt;
use super::{App, Code, Key};
use crate::protocol::{Command, GRAMMAR, Lane, MIXTURES, mixture};
use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

/// Commands and names that are remembered.
const REMEMBERED: usize = 50;

/// More than any score of a match: what is called so stands before what only mentions it.
const NAME_FIRST: u32 = 1 << 20;

/// A line of the list.
#[derive(Clone, Debug)]
pub enum Entry {
    /// What was chosen before, as it can be typed again.
    Recent(String),
    Command(Command),
    /// A lane of the prompt pane.
    Lane(Lane),
    Action {
        name: &'static str,
        keys: String,
        help: &'static str,
        refusal: Option<String>,
    },
    Theme(String),
    /// How a command is written; choosing it starts it.
    Grammar {
        form: &'static str,
        help: &'static str,
    },
}

#[derive(Clone, Debug)]
pub struct Palette {
    pub line: Line,
    pub entries: Vec<Entry>,
    pub selected: usize,
    /// Why what is typed is not a command, where it begins like one.
    pub problem: Option<String>,
    candidates: Vec<Entry>,
}

impl Palette {
    pub fn new(app: &App) -> Self {
        let actions = action::all().filter(|action| action.scope != Scope::Editing).map(|action| Entry::Action {
            name: action.name,
            keys: app.keymap.keys_text(action.name),
            help: action.help,
            refusal: (action.refusal)(app),
        });
        let recent = app.palette_history.iter().rev().cloned().map(Entry::Recent);
        let themes = app.theme_names.iter().cloned().map(Entry::Theme);
        let candidates: Vec<Entry> = recent.chain(actions).chain(themes).collect();
        let mut palette = Self { line: Line::default(), entries: Vec::new(), selected: 0, problem: None, candidates };
        palette.refresh();
        palette
    }

    pub fn select(&mut self, entry: usize) {
        self.selected = entry.min(self.entries.len().saturating_sub(1));
    }

    /// Whether the palette stays.
    pub fn key(&mut self, app: &mut App, key: Key) -> bool {
        match key.code {
            Code::Escape => return false,
            Code::Up => self.selected = self.selected.saturating_sub(1),
            Code::Down => self.select(self.selected + 1),
            Code::Char('p') if key.control => self.selected = self.selected.saturating_sub(1),
            Code::Char('n') if key.control => self.select(self.selected + 1),
            Code::PageUp => self.selected = self.selected.saturating_sub(10),
            Code::PageDown => self.select(self.selected + 10),
            Code::Tab => self.complete(),
            Code::Enter => return self.choose(app),
            Code::Backspace if self.line.is_empty() => return false,
            _ => {
                if self.line.key(key) {
                    self.refresh();
                }
            }
        }
        true
    }

    pub fn paste(&mut self, text: &str) {
        self.line.insert(text);
        self.refresh();
    }

    fn complete(&mut self) {
        if let Some(entry) = self.entries.get(self.selected) {
            self.line = Line::new(entry.text());
            self.refresh();
        }
    }

    fn choose(&mut self, app: &mut App) -> bool {
        let Some(entry) = self.entries.get(self.selected).cloned() else {
            app.refuse(format!("\"{}\" is no action and no command", self.line.text()));
            return true;
        };
        if let Entry::Grammar { .. } = entry {
            self.line = Line::new(entry.text());
            self.refresh();
            return true;
        }
        let text = entry.text();
        app.palette_history.retain(|known| *known != text);
        app.palette_history.push(text);
        let surplus = app.palette_history.len().saturating_sub(REMEMBERED);
        app.palette_history.drain(..surplus);
        carry_out(app, entry);
        false
    }

    /// The list for what is typed now: a command first, then what matches, the best first.
    fn refresh(&mut self) {
        let text = self.line.text().trim().to_string();
        self.selected = 0;
        self.problem = None;
        self.entries.clear();
        match text.parse::<Command>() {
            Ok(command) => self.entries.push(Entry::Command(command)),
            Err(error) if text.contains(' ') && begins_a_command(&text) => {
                self.problem = Some(match error.next {
                    Some(next) => format!("{}: {next}", error.what),
                    None => error.what,
                });
            }
            Err(_) => {}
        }
        match mixture(&text) {
            Some(Ok(lane)) => self.entries.push(Entry::Lane(lane)),
            Some(Err(error)) if text.contains(' ') => {
                self.problem = Some(error.next.map_or(error.what.clone(), |next| format!("{}: {next}", error.what)));
            }
            _ => {}
        }
        self.entries.extend(grammar(&text));
        self.entries.extend(matching(&text, &self.candidates));
    }
}

impl Entry {
    /// As it can be typed.
    pub fn text(&self) -> String {
        match self {
            Entry::Recent(text) => text.clone(),
            Entry::Command(command) => command.to_string(),
            Entry::Lane(lane) => lane.to_string(),
            Entry::Action { name, .. } => (*name).to_string(),
            Entry::Theme(name) => format!("theme {name}"),
            Entry::Grammar { form, .. } => format!("{} ", form.split(' ').next().unwrap_or_default()),
        }
    }

    fn haystack(&self) -> String {
        match self {
            Entry::Action { name, help, .. } => format!("{name} {help}"),
            other => other.text(),
        }
    }
}

fn begins_a_command(text: &str) -> bool {
    let verb = text.split(' ').next();
    GRAMMAR.iter().any(|(form, _)| form.split(' ').next() == verb)
}

/// The commands that take something and begin with what is typed.
fn grammar(text: &str) -> impl Iterator<Item = Entry> {
    let verb = text.split(' ').next().unwrap_or_default();
    let found = GRAMMAR
        .iter()
        .chain(&MIXTURES)
        .filter(move |(form, _)| form.contains(' ') && !verb.is_empty() && form.starts_with(verb));
    found.map(|(form, help)| Entry::Grammar { form, help })
}

fn matching(text: &str, candidates: &[Entry]) -> Vec<Entry> {
    if text.is_empty() {
        return candidates.to_vec();
    }
    // A name may be meant by a few of its letters; help texts hold every letter, and are searched for whole words.
    let [name, help] = [AtomKind::Fuzzy, AtomKind::Substring]
        .map(|kind| Pattern::new(text, CaseMatching::Ignore, Normalization::Smart, kind));
    let mut matcher = Matcher::new(Config::DEFAULT);
    let mut room = Vec::new();
    let mut score = |pattern: &Pattern, hay: &str| pattern.score(Utf32Str::new(hay, &mut room), &mut matcher);
    let mut scored: Vec<(u32, &Entry)> = Vec::new();
    for entry in candidates.iter().filter(|entry| !matches!(entry, Entry::Recent(_))) {
        let in_name = score(&name, &entry.text()).map(|found| found + NAME_FIRST);
        scored.extend(in_name.or_else(|| score(&help, &entry.haystack())).map(|found| (found, entry)));
    }
    scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    scored.into_iter().map(|(_, entry)| entry.clone()).collect()
}

fn carry_out(app: &mut App, entry: Entry) {
    match entry {
        Entry::Command(command) => match app.mirror.refusal() {
            None => app.steer(command),
            Some(why) => app.refuse(why),
        },
        Entry::Action { name, .. } => run_named(app, name),
        Entry::Lane(lane) => put_lane(app, lane),
        Entry::Theme(name) => app.theme = name,
        Entry::Recent(text) => match (text.parse::<Command>(), text.strip_prefix("theme ")) {
            (_, Some(name)) => app.theme = name.to_string(),
            (Ok(command), _) if action::find(&text).is_none() => carry_out(app, Entry::Command(command)),
            _ => match mixture(&text) {
                Some(Ok(lane)) => put_lane(app, lane),
                _ => run_named(app, &text),
            },
        },
        Entry::Grammar { .. } => {}
    }
}

/// Where a lane is put, it is looked at.
fn put_lane(app: &mut App, lane: Lane) {
    if app.welcome.is_some() {
        return app.refuse("no run is on the screen");
    }
    app.focus = super::Pane::Prompt;
    prompt::mixture::put(app, lane);
}

/// An action of a pane moves the focus there first.
fn run_named(app: &mut App, name: &str) {
    let Some(action) = action::find(name) else { return };
    if let (Scope::In(pane), None) = (action.scope, &app.welcome) {
        app.focus = pane;
    }
    app.run(action);
}

impl Action {
    /// Where it works, as help and docs say it.
    pub fn place(&self) -> &'static str {
        match self.scope {
            Scope::Everywhere => "everywhere",
            Scope::In(pane) => pane.name(),
            Scope::Editing => "editing",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::testing;
    use crate::protocol::Ask;

    fn type_into(app: &mut App, text: &str) {
        for character in text.chars() {
            app.key(Key::plain(Code::Char(character)));
        }
    }

    fn palette(app: &App) -> &Palette {
        match &app.overlay {
            Some(crate::app::overlay::Overlay::Palette(palette)) => palette,
            other => panic!("no palette but {other:?}"),
        }
    }

    #[test]
    fn a_few_letters_find_an_action() {
        let mut app = testing::sample_app();
        type_into(&mut app, ":zom");
        assert!(matches!(palette(&app).entries[0], Entry::Action { name: "zoom", .. }));
        app.key(Key::plain(Code::Enter));
        assert!(app.zoomed && app.overlay.is_none());
        type_into(&mut app, ":");
        assert!(matches!(&palette(&app).entries[0], Entry::Recent(text) if text == "zoom"));
        app.key(Key::plain(Code::Enter));
        assert!(!app.zoomed);
    }

    #[test]
    fn commands_are_run_as_they_are_written_and_wrong_ones_say_how() {
        let mut app = testing::sample_app();
        type_into(&mut app, ":freeze blocks");
        assert!(palette(&app).problem.as_ref().unwrap().contains("block.0-3"));
        assert!(matches!(palette(&app).entries[0], Entry::Grammar { form: "freeze LAYER…", .. }));
        for _ in 0..6 {
            app.key(Key::plain(Code::Backspace));
        }
        type_into(&mut app, "block.0-3");
        app.key(Key::plain(Code::Enter));
        let asks: Vec<Ask> = app.take_requests().into_iter().map(|request| request.ask).collect();
        assert_eq!(asks, [Ask::Steer("freeze block.0-3".parse().unwrap())]);
    }

    #[test]
    fn what_cannot_be_done_says_why() {
        let mut app = App::new();
        type_into(&mut app, ":pause");
        app.key(Key::plain(Code::Enter));
        assert!(app.toast.as_ref().unwrap().text.contains("not attached"), "{:?}", app.toast);
        assert!(app.take_requests().is_empty());
    }
}
