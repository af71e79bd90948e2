//! What the screen means: state, actions, keys. No terminal and no engine: keys, pointers and messages go in, requests
//! and effects come out, and any drawing of it shows the same state.

pub mod action;
pub mod away;
pub mod corpus;
mod dispatch;
pub mod docs;
pub mod explain;
pub mod global;
pub mod graphs;
pub mod guide;
pub mod help;
pub mod key;
pub mod keymap;
pub mod lab;
pub mod layers;
pub mod line;
pub mod lineage;
pub mod mirror;
pub mod numbers;
mod opening;
pub mod overlay;
pub mod palette;
pub mod pointer;
pub mod prompt;
pub mod range_test;
mod spikes;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
pub mod welcome;

pub use action::{Action, Scope};
pub use key::{Code, Key};
pub use keymap::Keymap;
pub use mirror::Mirror;
pub use pointer::{Gesture, Pointer, Spot};

use crate::protocol::{Absence, Answer, Ask, Message, Request, State};
use std::time::Duration;

/// One of the four panes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pane {
    Corpus,
    Graphs,
    Layers,
    Prompt,
}

impl Pane {
    pub const ALL: [Pane; 4] = [Pane::Corpus, Pane::Graphs, Pane::Layers, Pane::Prompt];

    pub fn name(self) -> &'static str {
        match self {
            Pane::Corpus => "corpus",
            Pane::Graphs => "graphs",
            Pane::Layers => "layers",
            Pane::Prompt => "prompt",
        }
    }
}

/// What the world around the app is asked to do; the terminal and the command line carry it out.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Leave; the host goes on.
    Quit,
    /// Ctrl-Z.
    Suspend,
    /// To the clipboard of the terminal.
    Copy(String),
    /// Write a text file into the folder that the program was started in; the name is free of path separators.
    WriteFile { name: String, text: String },
    /// The screen as it is drawn now, as text, to the clipboard of the terminal.
    CopyScreen,
    /// The screen as it is drawn now, as SVG and as text.
    ExportScreen,
    /// Open a run; [`App::started`] or [`App::failed_to_start`] says what came of it.
    Start(welcome::Choice),
    /// Read themes and keymap again.
    Reload,
}

/// How long a line stays at the foot of the screen: a refusal has to be understood.
const SAYING: Duration = Duration::from_secs(5);
const REFUSAL: Duration = Duration::from_secs(10);

/// A line at the foot of the screen, for a while.
#[derive(Clone, Debug, PartialEq)]
pub struct Toast {
    pub text: String,
    pub is_refusal: bool,
    /// When it came, on the app's clock.
    pub since: Duration,
}

impl Toast {
    /// When it goes, on the app's clock.
    pub fn until(&self) -> Duration {
        self.since + if self.is_refusal { REFUSAL } else { SAYING }
    }
}

/// Everything the screen shows.
pub struct App {
    pub mirror: Mirror,
    /// What can be opened; `None` once a run is on the screen.
    pub welcome: Option<welcome::Welcome>,
    /// What lies over the screen.
    pub overlay: Option<overlay::Overlay>,
    pub guide: Option<guide::Guide>,
    pub keymap: Keymap,
    /// The theme that is wanted, and those there are.
    pub theme: String,
    pub theme_names: Vec<String>,
    /// What was chosen in the palette, the newest last.
    pub palette_history: Vec<String>,
    pub focus: Pane,
    /// The pane that had the focus last and is not the graphs: where there is room for two, it is seen beside them.
    pub beside: Pane,
    /// The focused pane has the whole screen.
    pub zoomed: bool,
    pub corpus: corpus::Corpus,
    pub graphs: graphs::Graphs,
    pub layers: layers::Layers,
    pub prompt: prompt::Prompt,
    pub toast: Option<Toast>,
    /// What happened while nobody looked on, to be looked at again.
    pub away: Option<away::Away>,
    /// When somebody looked on last, until that is told.
    absence: Option<Absence>,
    /// What is being opened while a run is on the screen.
    opening: Option<String>,
    /// The folder of the run that was on the screen last.
    shown: Option<String>,
    /// Time since the app began; set before anything is handled, so that tests have their own clock.
    pub now: Duration,
    requests: Vec<Request>,
    effects: Vec<Effect>,
    next_id: u64,
}

impl App {
    pub fn new() -> Self {
        Self {
            mirror: Mirror::default(),
            welcome: None,
            overlay: None,
            guide: None,
            keymap: Keymap::default(),
            theme: String::new(),
            theme_names: Vec::new(),
            palette_history: Vec::new(),
            focus: Pane::Graphs,
            beside: Pane::Layers,
            zoomed: false,
            corpus: corpus::Corpus::default(),
            graphs: graphs::Graphs::default(),
            layers: layers::Layers::default(),
            prompt: prompt::Prompt::default(),
            toast: None,
            away: None,
            absence: None,
            opening: None,
            shown: None,
            now: Duration::ZERO,
            requests: Vec::new(),
            effects: Vec::new(),
            next_id: 1,
        }
    }

    /// Asks the host; the answer carries the id that is returned.
    pub fn ask(&mut self, ask: Ask) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        if let (Ask::Sample(_), Some(guide)) = (&ask, &mut self.guide) {
            guide.has_sampled = true;
        }
        self.requests.push(Request { id, ask });
        id
    }

    pub fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Says something at the foot of the screen.
    pub fn say(&mut self, text: impl Into<String>) {
        self.toast = Some(Toast { text: text.into(), is_refusal: false, since: self.now });
    }

    /// Says why something cannot be done.
    pub fn refuse(&mut self, why: impl Into<String>) {
        // Reasons and advice stand on lines of their own in an error; here there is one.
        let text = why.into().replace("\n  ", " · ");
        self.toast = Some(Toast { text, is_refusal: true, since: self.now });
    }

    /// What is to be sent since the last call.
    pub fn take_requests(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.requests)
    }

    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Takes in what the host says.
    pub fn message(&mut self, message: Message) {
        if let Message::Answer { id, answer } = message {
            return self.answer(id, answer);
        }
        match &message {
            // Whoever opens another run, or goes on with this one, knows.
            Message::Goodbye(why) if self.opening.is_none() => {
                self.rates_lost(why);
                self.say(why.clone());
            }
            Message::Status(status) => self.tell_failure(&status.state),
            Message::Welcome(welcome) => self.welcomed(welcome),
            _ => {}
        }
        self.mirror.take(message);
        self.graphs.refresh(&self.mirror);
        layers::refresh(self);
        prompt::refresh(self);
        corpus::refresh(self);
        self.tell_absence();
        self.settle();
    }

    /// Says why the run failed, when it does.
    fn tell_failure(&mut self, state: &State) {
        let before = self.mirror.status.as_ref().map(|status| &status.state);
        if let (State::Failed(why), true) = (state, before != Some(state)) {
            self.refuse(format!("the run failed: {why}"));
        }
    }

    /// Lets time pass; whether anything on the screen changed by it.
    pub fn tick(&mut self, now: Duration) -> bool {
        self.now = now;
        let is_said = self.toast.take_if(|toast| toast.until() <= now).is_some();
        prompt::mixture::tick(self) || is_said
    }

    /// When [`App::tick`] has something to do next.
    pub fn next_tick(&self) -> Option<Duration> {
        self.toast.as_ref().map(Toast::until).into_iter().chain(self.prompt.rests_until).min()
    }

    fn answer(&mut self, id: u64, answer: Answer) {
        match &answer {
            Answer::Applied { step, effect } => self.say(format!("{effect} · after step {step}")),
            Answer::Refused(why) => self.refuse(why.clone()),
            Answer::Forked { .. } | Answer::Lineage(_) | Answer::Lab(_) => {}
            Answer::Sample(_) | Answer::Corpus(_) | Answer::RangeTest(_) => {}
        }
        match answer {
            Answer::Applied { .. } | Answer::Refused(_) => layers::answered(self, id, answer),
            Answer::Sample(answer) => prompt::answered(self, id, answer),
            Answer::Corpus(answer) => corpus::answered(self, id, answer),
            Answer::RangeTest(answer) => self.rates_answered(id, answer),
            Answer::Forked { run, step } => self.forked(run, step),
            Answer::Lineage(kin) => self.show_lineage(&kin),
            Answer::Lab(studies) => self.show_lab(studies),
        }
    }
}

impl Default for App {
    fn default() -> Self {
        Self::new()
    }
}
