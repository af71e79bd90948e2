//! The welcome: what can be opened while no run is.

use super::line::Line;
use super::{App, Code, Effect, Gesture, Key, Pointer, Spot};
use crate::Error;

/// A plan that comes with the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresetLine {
    /// What `frostline NAME` opens.
    pub name: String,
    /// In one sentence.
    pub about: String,
}

/// A run of before, or one that goes on in the background.
#[derive(Clone, Debug, PartialEq)]
pub struct RunLine {
    pub name: String,
    /// One word: `training`, `finished`.
    pub state: String,
    /// Whether a host works on it now.
    pub is_live: bool,
    pub phases: Vec<String>,
    /// Steps done.
    pub step: u64,
    /// Nats per token, of the last step.
    pub loss: Option<f64>,
    /// Seconds since it was written to last.
    pub age: f64,
}

/// Everything that can be chosen. The first preset is the bundled world: it starts the guided first run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choices {
    pub presets: Vec<PresetLine>,
    /// The newest first.
    pub runs: Vec<RunLine>,
}

/// What was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// A preset by its name, or a plan by its path.
    Plan(String),
    Run(String),
    /// A run that ended before its time goes on, by its name or its folder.
    Resume(String),
    /// A path of text to train on.
    Corpus(String),
}

/// A line that can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    Guided,
    Preset(usize),
    Run(usize),
    Corpus,
}

#[derive(Debug, Default)]
pub struct Welcome {
    pub choices: Choices,
    pub selected: usize,
    /// The path of a corpus, while it is typed.
    pub path: Option<Line>,
    /// What is being started, in a few words.
    pub starting: Option<String>,
    /// Why the last start failed.
    pub failure: Option<Error>,
    with_guide: bool,
}

impl Welcome {
    pub fn new(choices: Choices) -> Self {
        Self { choices, ..Self::default() }
    }

    /// In the order of the screen.
    pub fn entries(&self) -> Vec<Entry> {
        let guided = (!self.choices.presets.is_empty()).then_some(Entry::Guided);
        let presets = (0..self.choices.presets.len()).map(Entry::Preset);
        let runs = (0..self.choices.runs.len()).map(Entry::Run);
        guided.into_iter().chain(runs).chain(presets).chain([Entry::Corpus]).collect()
    }

    fn select(&mut self, at: usize) {
        self.selected = at.min(self.entries().len().saturating_sub(1));
    }
}

/// A key while the welcome is on the screen; whether it meant something there.
pub fn key(app: &mut App, key: Key) -> bool {
    let Some(welcome) = &mut app.welcome else { return false };
    if welcome.path.is_some() {
        return path_key(app, key);
    }
    let page = 8;
    match key.code {
        Code::Up | Code::Char('k') => welcome.select(welcome.selected.saturating_sub(1)),
        Code::Down | Code::Char('j') => welcome.select(welcome.selected + 1),
        Code::PageUp => welcome.select(welcome.selected.saturating_sub(page)),
        Code::PageDown => welcome.select(welcome.selected + page),
        Code::Home => welcome.select(0),
        Code::End => welcome.select(usize::MAX),
        Code::Enter => choose(app),
        Code::Char('g') if !key.control => choose_entry(app, Entry::Guided),
        Code::Char('o') if !key.control => choose_entry(app, Entry::Corpus),
        _ => return false,
    }
    true
}

fn path_key(app: &mut App, key: Key) -> bool {
    let Some(Welcome { path: path @ Some(_), .. }) = &mut app.welcome else { return false };
    let Some(line) = path else { return false };
    match key.code {
        Code::Escape => *path = None,
        Code::Enter if line.text().trim().is_empty() => app.refuse("type the path of a file or a folder first"),
        Code::Enter => {
            let choice = Choice::Corpus(line.text().trim().to_string());
            start(app, choice, false);
        }
        _ => return line.key(key),
    }
    true
}

/// Text that was pasted while the welcome is on the screen: a path.
pub fn paste(app: &mut App, text: &str) {
    if let Some(welcome) = &mut app.welcome {
        welcome.path.get_or_insert_default().insert(text.trim());
    }
}

pub fn pointed(app: &mut App, pointer: Pointer) {
    let Some(welcome) = &mut app.welcome else { return };
    match (pointer.gesture, pointer.spot) {
        (Gesture::WheelUp, _) => welcome.select(welcome.selected.saturating_sub(1)),
        (Gesture::WheelDown, _) => welcome.select(welcome.selected + 1),
        (Gesture::Press, Spot::Item(item)) => {
            welcome.select(item);
            choose(app);
        }
        _ => {}
    }
}

fn choose(app: &mut App) {
    let entry = app.welcome.as_ref().and_then(|welcome| welcome.entries().get(welcome.selected).copied());
    if let Some(entry) = entry {
        choose_entry(app, entry);
    }
}

fn choose_entry(app: &mut App, entry: Entry) {
    let Some(welcome) = &mut app.welcome else { return };
    let preset = |at: usize| welcome.choices.presets.get(at).map(|preset| Choice::Plan(preset.name.clone()));
    let choice = match entry {
        Entry::Guided => preset(0),
        Entry::Preset(at) => preset(at),
        Entry::Run(at) => welcome.choices.runs.get(at).map(|run| Choice::Run(run.name.clone())),
        Entry::Corpus => {
            welcome.path = Some(Line::default());
            None
        }
    };
    if let Some(choice) = choice {
        start(app, choice, entry == Entry::Guided);
    }
}

/// The chosen run goes on.
pub(super) fn resume(app: &mut App) {
    if let Some(run) = app.welcome.as_ref().and_then(chosen_run) {
        let choice = Choice::Resume(run.name.clone());
        start(app, choice, false);
    }
}

fn chosen_run(welcome: &Welcome) -> Option<&RunLine> {
    match welcome.entries().get(welcome.selected) {
        Some(Entry::Run(at)) => welcome.choices.runs.get(*at),
        _ => None,
    }
}

/// Why the chosen line is nothing to go on with.
pub(super) fn cannot_resume(welcome: &Welcome) -> Option<String> {
    match chosen_run(welcome) {
        None => Some("choose a run to go on with".into()),
        Some(run) if run.is_live => Some(format!("{} has a host: enter opens it", run.name)),
        Some(run) if run.state == "finished" => {
            Some(format!("{} is finished: there is nothing to go on with", run.name))
        }
        Some(_) => None,
    }
}

fn start(app: &mut App, choice: Choice, with_guide: bool) {
    let Some(welcome) = &mut app.welcome else { return };
    if let Some(what) = &welcome.starting {
        let what = format!("{what} already: wait for it, or leave with q");
        return app.refuse(what);
    }
    let (Choice::Plan(name) | Choice::Run(name) | Choice::Resume(name) | Choice::Corpus(name)) = &choice;
    welcome.starting = Some(format!("starting {name}"));
    welcome.failure = None;
    // A path stays until it was opened: after a failure it can be mended.
    welcome.path.take_if(|_| !matches!(choice, Choice::Corpus(_)));
    welcome.with_guide = with_guide;
    app.effect(Effect::Start(choice));
}

impl App {
    /// A choice is being carried out without the welcome's list: `frostline PLAN`.
    pub fn starting(&mut self, choice: Choice) {
        self.welcome.get_or_insert_default();
        start(self, choice, false);
    }

    /// What was chosen runs, and its messages will come: the bench takes the screen.
    pub fn started(&mut self) {
        let with_guide = self.welcome.take().is_some_and(|welcome| welcome.with_guide);
        self.linked();
        if with_guide {
            self.guide = Some(super::guide::Guide::default());
        }
    }

    /// What was chosen could not be started; the welcome stays and says why, and so does a run that is on the screen.
    pub fn failed_to_start(&mut self, error: Error) {
        if self.cannot_open(&error) {
            return;
        }
        let welcome = self.welcome.get_or_insert_default();
        welcome.starting = None;
        welcome.failure = Some(error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::testing;

    fn press(app: &mut App, keys: &str) {
        for key in keys.split(' ') {
            app.key(key.parse().unwrap());
        }
    }

    #[test]
    fn one_key_starts_the_bundled_world_with_the_guide() {
        for keys in ["enter", "g", "down down g"] {
            let mut app = testing::welcome_app();
            press(&mut app, keys);
            assert_eq!(app.take_effects(), [Effect::Start(Choice::Plan("first-run".into()))]);
            press(&mut app, "enter");
            assert!(app.take_effects().is_empty(), "it is started once");
            app.started();
            assert!(app.welcome.is_none() && app.guide.is_some());
        }
    }

    #[test]
    fn runs_and_typed_paths_are_opened() {
        let mut app = testing::welcome_app();
        press(&mut app, "down enter");
        assert_eq!(app.take_effects(), [Effect::Start(Choice::Run("owl".into()))]);
        app.failed_to_start(Error::new("cannot start the host").because("no room"));
        assert!(app.welcome.as_ref().unwrap().failure.is_some());
        press(&mut app, "o enter / t m p q enter");
        assert_eq!(app.take_effects(), [Effect::Start(Choice::Corpus("/tmpq".into()))]);
        app.failed_to_start(Error::new("there is no such file"));
        press(&mut app, "backspace enter");
        assert_eq!(app.take_effects(), [Effect::Start(Choice::Corpus("/tmp".into()))]);
    }

    #[test]
    fn a_run_that_ended_goes_on_with_one_key() {
        let mut app = testing::welcome_app();
        for (keys, why) in [("C", "choose a run"), ("down C", "has a host"), ("down C", "is finished")] {
            press(&mut app, keys);
            assert!(app.take_effects().is_empty() && app.toast.as_ref().unwrap().text.contains(why), "{keys}");
        }
        press(&mut app, "down C");
        assert_eq!(app.take_effects(), [Effect::Start(Choice::Resume("réseau".into()))]);
    }

    #[test]
    fn the_keys_of_the_bench_say_what_is_missing() {
        let mut app = testing::welcome_app();
        press(&mut app, "z");
        assert!(app.toast.as_ref().unwrap().text.contains("no run is open"));
        press(&mut app, "P");
        assert!(app.toast.as_ref().unwrap().is_refusal);
        press(&mut app, "q");
        assert_eq!(app.take_effects(), [Effect::Quit]);
    }
}
