//! The one place where keys, pasted text and the mouse find the pane they are meant for.

use super::action::Action;
use super::overlay::{self, Overlay};
use super::{App, Effect, Gesture, Key, Pane, Pointer, Scope, Spot, action, corpus, graphs, layers, prompt, welcome};

/// What work even while something lies over the screen or text is typed, when their key holds control.
const ALWAYS: [&str; 2] = ["detach", "suspend"];

/// How long it takes to read a refusal.
const READ: std::time::Duration = std::time::Duration::from_secs(1);

impl App {
    /// A key; `false` says that it is text for the prompt's editor.
    pub fn key(&mut self, key: Key) -> bool {
        // A refusal that was read goes with the next key.
        let now = self.now;
        self.toast.take_if(|toast| toast.is_refusal && now > toast.since + READ);
        let handled = self.dispatch(key);
        self.settle();
        handled
    }

    /// What follows from anything that may have happened.
    pub(super) fn settle(&mut self) {
        if self.focus != Pane::Graphs {
            self.beside = self.focus;
        }
        self.advance_guide();
    }

    fn dispatch(&mut self, key: Key) -> bool {
        let global = self.keymap.action(Scope::Everywhere, key);
        if let Some(action) = global.filter(|action| key.control && ALWAYS.contains(&action.name)) {
            self.run(action);
            return true;
        }
        if self.overlay.is_some() {
            overlay::key(self, key);
            return true;
        }
        if self.welcome.is_some() {
            if !welcome::key(self, key) {
                self.run_key(key, [global, None]);
            }
            return true;
        }
        if self.is_typing() && self.typed(key) {
            return true;
        }
        if self.wants_text() {
            let action = self.keymap.action(Scope::Editing, key);
            action.inspect(|action| self.run(action));
            return action.is_some();
        }
        self.run_key(key, [self.keymap.action(Scope::In(self.focus), key), global]);
        true
    }

    /// Runs the first that can be done; where none can, the first says why.
    fn run_key(&mut self, key: Key, candidates: [Option<&'static Action>; 2]) {
        let mut known = candidates.into_iter().flatten();
        match (known.clone().find(|action| (action.refusal)(self).is_none()), known.next()) {
            (Some(action), _) | (None, Some(action)) => self.run(action),
            (None, None) => {
                let help = self.keymap.keys_text("help");
                let help = help.split(' ').next().filter(|text| !text.is_empty()).unwrap_or(":help");
                self.refuse(format!("{key} does nothing here; {help} shows every key"));
            }
        }
    }

    /// Runs an action, or says why it cannot be done.
    pub fn run(&mut self, action: &'static Action) {
        match (action.refusal)(self) {
            Some(why) => self.refuse(why),
            None => (action.run)(self),
        }
    }

    /// Whether keys are text for the prompt's editor, unless bound in [`Scope::Editing`].
    pub fn wants_text(&self) -> bool {
        self.overlay.is_none() && self.welcome.is_none() && self.focus == Pane::Prompt && self.prompt.is_editing()
    }

    /// Whether the focused pane has a line that is being typed.
    pub fn is_typing(&self) -> bool {
        match self.focus {
            Pane::Corpus => self.corpus.is_typing(),
            Pane::Prompt => self.prompt.is_typing(),
            Pane::Graphs | Pane::Layers => false,
        }
    }

    fn typed(&mut self, key: Key) -> bool {
        match self.focus {
            Pane::Corpus => corpus::typed(self, key),
            Pane::Prompt => prompt::typed(self, key),
            Pane::Graphs | Pane::Layers => false,
        }
    }

    /// The key of what the cursor is on, for the explanation of it.
    pub fn explained(&self) -> Option<&'static str> {
        match self.focus {
            Pane::Corpus => corpus::explained(self),
            Pane::Graphs => graphs::explained(self),
            Pane::Layers => layers::explained(self),
            Pane::Prompt => prompt::explained(self),
        }
    }

    /// Pasted text; `false` says that it is for the prompt's editor. One-line inputs take it as if it were typed.
    pub fn paste(&mut self, text: &str) -> bool {
        if let Some(Overlay::Palette(palette)) = &mut self.overlay {
            palette.paste(text);
        } else if self.overlay.is_some() {
            // Nothing in it can be pasted into.
        } else if self.welcome.is_some() {
            welcome::paste(self, text);
        } else if self.is_typing() {
            let characters = text.chars().map(|character| if character.is_whitespace() { ' ' } else { character });
            for character in characters.filter(|character| !character.is_control()).take(4096) {
                self.typed(Key::plain(super::Code::Char(character)));
            }
        } else if self.wants_text() {
            return false;
        } else {
            self.refuse("there is nothing to paste into here: go to the prompt and start writing");
        }
        true
    }

    /// The mouse did something.
    pub fn pointed(&mut self, pointer: Pointer) {
        let is_press = pointer.gesture == Gesture::Press;
        match pointer.spot {
            Spot::Action(index) => {
                if let Some(action) = action::all().nth(index).filter(|_| is_press) {
                    self.run(action);
                }
            }
            _ if self.overlay.is_some() => overlay::pointed(self, pointer),
            _ if self.welcome.is_some() => welcome::pointed(self, pointer),
            Spot::Title(pane) if is_press => self.focus = pane,
            spot => {
                if let Some(pane) = spot.pane() {
                    self.pointed_at(pane, pointer);
                }
            }
        }
        self.settle();
    }

    fn pointed_at(&mut self, pane: Pane, pointer: Pointer) {
        if pointer.gesture == Gesture::Press {
            self.focus = pane;
        }
        match pane {
            Pane::Corpus => corpus::pointed(self, pointer),
            Pane::Graphs => graphs::pointed(self, pointer),
            Pane::Layers => layers::pointed(self, pointer),
            Pane::Prompt => prompt::pointed(self, pointer),
        }
    }

    /// The connection to the host is gone.
    pub fn lost(&mut self) {
        if self.mirror.goodbye.is_none() {
            self.message(crate::protocol::Message::Goodbye(
                "the connection to the host ended; frostline attach comes back to it".into(),
            ));
        }
    }

    /// Carries out what panes cannot see: an effect that failed is said at the foot.
    pub fn failed(&mut self, effect: &Effect, why: &str) {
        let what = match effect {
            Effect::WriteFile { name, .. } => format!("cannot write {name}"),
            Effect::ExportScreen => "cannot write the screen".to_string(),
            Effect::Copy(_) | Effect::CopyScreen => "cannot copy".to_string(),
            Effect::Quit | Effect::Suspend | Effect::Start(_) | Effect::Reload => "that failed".to_string(),
        };
        self.refuse(format!("{what}: {why}"));
    }
}
