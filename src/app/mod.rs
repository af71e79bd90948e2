//! What the screen means: state, actions, keys. No terminal and no engine: keys, pointers and messages go in, requests
//! and effects come out, and any drawing of it shows the same state.

pub mod action;
pub mod corpus;
pub mod explain;
pub mod graphs;
pub mod key;
pub mod layers;
pub mod line;
pub mod mirror;
pub mod pointer;
pub mod prompt;

pub use action::{Action, Scope};
pub use key::{Code, Key};
pub use mirror::Mirror;
pub use pointer::{Gesture, Pointer, Spot};

use crate::protocol::{Answer, Ask, Message, Request};
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
    /// The screen as it is drawn now, as SVG and as text.
    ExportScreen,
    /// Read themes and keymap again.
    Reload,
}

/// A line at the foot of the screen, for a while.
#[derive(Clone, Debug, PartialEq)]
pub struct Toast {
    pub text: String,
    pub is_refusal: bool,
    /// When it came, on the app's clock.
    pub since: Duration,
}

/// Everything the screen shows.
pub struct App {
    pub mirror: Mirror,
    pub focus: Pane,
    /// The focused pane has the whole screen.
    pub zoomed: bool,
    pub corpus: corpus::Corpus,
    pub graphs: graphs::Graphs,
    pub layers: layers::Layers,
    pub prompt: prompt::Prompt,
    pub toast: Option<Toast>,
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
            focus: Pane::Graphs,
            zoomed: false,
            corpus: corpus::Corpus::default(),
            graphs: graphs::Graphs::default(),
            layers: layers::Layers::default(),
            prompt: prompt::Prompt::default(),
            toast: None,
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
        self.toast = Some(Toast { text: why.into(), is_refusal: true, since: self.now });
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
        self.mirror.take(message);
        self.graphs.refresh(&self.mirror);
        layers::refresh(self);
        prompt::refresh(self);
    }

    fn answer(&mut self, id: u64, answer: Answer) {
        match answer {
            Answer::Applied { .. } | Answer::Refused(_) => layers::answered(self, id, answer),
            Answer::Sample(answer) => prompt::answered(self, id, answer),
            Answer::Corpus(answer) => corpus::answered(self, id, answer),
        }
    }
}

impl Default for App {
    fn default() -> Self {
        Self::new()
    }
}
