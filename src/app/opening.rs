//! Going from a run to another one, or on with one that had ended, while the bench is on the screen.

use super::lineage::Lineage;
use super::overlay::{Confirm, Overlay};
use super::welcome::Choice;
use super::{App, Effect, corpus, graphs, layers, prompt};
use crate::Error;
use crate::protocol::{Ask, Kin, State, Welcome};

impl App {
    /// Opens a run in the place of the one on the screen, which goes on by itself.
    pub fn open(&mut self, choice: Choice) {
        if let Some(what) = &self.opening {
            return self.refuse(format!("{what} already: wait for it"));
        }
        let what = match &choice {
            Choice::Resume(name) => format!("going on with {}", name.rsplit('/').next().unwrap_or(name)),
            Choice::Plan(name) | Choice::Run(name) | Choice::Corpus(name) => format!("opening {name}"),
        };
        self.say(format!("{what}…"));
        self.opening = Some(what);
        self.effect(Effect::Start(choice));
    }

    /// The run on the screen, or the chosen one of the welcome, goes on from where it was saved.
    pub(super) fn resume(&mut self) {
        match (&self.welcome, &self.mirror.welcome) {
            (Some(_), _) => super::welcome::resume(self),
            (None, Some(welcome)) => self.open(Choice::Resume(welcome.path.clone())),
            (None, None) => {}
        }
    }

    /// Why the run cannot be gone on with.
    pub(super) fn cannot_resume(&self) -> Option<String> {
        if let Some(welcome) = &self.welcome {
            return super::welcome::cannot_resume(welcome);
        }
        let state = self.mirror.status.as_ref().map(|status| &status.state);
        match (&self.mirror.welcome, state, &self.mirror.goodbye) {
            (None, ..) => Some("not attached to a run yet".into()),
            (_, Some(State::Finished), _) => Some("the run is finished: fork it to go on from one of its steps".into()),
            (_, Some(State::Stopped | State::Failed(_)), _) | (.., Some(_)) => None,
            (_, _, None) => Some("the run has not ended: there is nothing to go on with".into()),
        }
    }

    /// A link to a host is there: what was asked of another one is not answered any more.
    pub(super) fn linked(&mut self) {
        if self.opening.take().is_some() {
            self.toast = None;
        }
        self.mirror = super::Mirror::default();
        self.overlay = None;
        (self.away, self.absence) = (None, None);
        self.take_requests();
        prompt::left(self);
        corpus::left(self);
    }

    /// What was chosen cannot be opened; whether a run is on the screen, which stays there.
    pub(super) fn cannot_open(&mut self, error: &Error) -> bool {
        if self.opening.take().is_some() {
            self.refuse(error.to_string());
        }
        self.welcome.is_none() && self.shown.is_some()
    }

    /// A host says which run it has. What belongs to the run before goes; how things are shown stays.
    pub(super) fn welcomed(&mut self, welcome: &Welcome) {
        self.absence = welcome.absence.or(self.absence);
        let before = self.shown.replace(welcome.path.clone());
        if before.is_some_and(|before| before != welcome.path) {
            self.graphs = graphs::Graphs::like(&self.graphs);
            self.layers = layers::Layers::like(&self.layers);
            prompt::forget_answers(self);
        }
    }

    /// Forks the run at a step; at its newest checkpoint without one.
    pub fn fork(&mut self, at: Option<u64>) {
        self.say(match at {
            Some(step) => format!("asked: fork at step {step}"),
            None => "asked: fork at the newest checkpoint".to_string(),
        });
        self.ask(Ask::Fork { at, name: None });
    }

    /// A run was forked off; whoever is doing something else is not interrupted.
    pub(super) fn forked(&mut self, run: String, step: u64) {
        if self.overlay.is_some() || self.wants_text() {
            return self.say(format!("forked as {run} from step {step}"));
        }
        self.toast = None;
        self.overlay = Some(Overlay::Confirm(Confirm::Open { run, step }));
    }

    pub(super) fn show_lineage(&mut self, kin: &[Kin]) {
        let own = self.mirror.welcome.as_ref().map_or("", |welcome| welcome.run.as_str());
        let lineage = Lineage::new(kin, own);
        if lineage.rows.is_empty() {
            self.refuse("nothing is known of this run's family");
        } else if self.overlay.is_none() && !self.wants_text() {
            self.toast = None;
            self.overlay = Some(Overlay::Lineage(lineage));
        }
    }

    /// Why the host cannot be asked anything.
    pub(super) fn cannot_ask_host(&self) -> Option<String> {
        match (&self.mirror.goodbye, &self.mirror.welcome) {
            (Some(why), _) => Some(format!("the host is gone: {why}")),
            (None, None) => Some("not attached to a run yet".into()),
            (None, Some(_)) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::testing;
    use crate::protocol::{Answer, Message, StepRecords, Undoable};

    fn press(app: &mut App, keys: &str) {
        for key in keys.split(' ') {
            app.key(key.parse().unwrap());
        }
    }

    fn said(app: &App) -> &str {
        app.toast.as_ref().map_or("", |toast| &toast.text)
    }

    fn with_status(state: State) -> App {
        let mut app = testing::sample_app();
        app.message(Message::Status(Box::new(testing::status(state, 1_200, 6))));
        app
    }

    #[test]
    fn a_fork_is_made_at_the_cursor_and_opened_when_wanted() {
        let mut app = testing::sample_app();
        press(&mut app, "2 home right F");
        let cursor = app.graphs.cursor;
        assert_eq!(app.take_requests().pop().unwrap().ask, Ask::Fork { at: cursor, name: None });
        app.graphs.cursor = None;
        press(&mut app, "F");
        assert_eq!(app.take_requests().pop().unwrap().ask, Ask::Fork { at: None, name: None });
        let answer = || Answer::Forked { run: "owl-2".into(), step: 800 };
        app.message(Message::Answer { id: 1, answer: answer() });
        press(&mut app, "n");
        assert!(app.take_effects().is_empty());
        app.message(Message::Answer { id: 1, answer: answer() });
        press(&mut app, "y");
        assert_eq!(app.take_effects(), [Effect::Start(Choice::Run("owl-2".into()))]);
        press(&mut app, "?");
        app.message(Message::Answer { id: 1, answer: answer() });
        assert!(matches!(app.overlay, Some(Overlay::Help(_))) && said(&app).contains("owl-2"));
    }

    #[test]
    fn another_run_begins_with_nothing_of_the_one_before() {
        let mut app = testing::sample_app();
        app.graphs.cursor = Some(700);
        app.prompt.set_text("The miller".into());
        app.open(Choice::Run("owl-2".into()));
        app.started();
        let welcome = Welcome { run: "owl-2".into(), path: "/runs/owl-2".into(), ..testing::welcome() };
        app.message(Message::Welcome(Box::new(welcome)));
        assert_eq!((app.graphs.cursor, app.graphs.history.newest, app.mirror.steps.len()), (None, 0, 0));
        assert_eq!(app.prompt.text, "The miller");
    }

    #[test]
    fn a_run_that_goes_back_keeps_what_the_screen_shows() {
        let mut app = testing::sample_app();
        (app.graphs.cursor, app.zoomed) = (Some(700), true);
        let version = app.mirror.beginnings;
        app.message(Message::Welcome(Box::new(testing::welcome())));
        assert!(app.mirror.status.is_some() && app.mirror.beginnings == version + 1);
        assert_eq!((app.graphs.history.newest, app.graphs.history.marks.len()), (0, 0));
        app.message(Message::Steps(StepRecords { start: 0, ..testing::steps(650) }));
        assert_eq!((app.graphs.cursor, app.zoomed, app.graphs.history.newest), (Some(700), true, 650));
        assert!(app.overlay.is_none() && app.toast.is_none());
    }

    #[test]
    fn a_run_that_ended_goes_on_and_another_does_not() {
        let mut app = with_status(State::Stopped);
        press(&mut app, "C");
        assert_eq!(app.take_effects(), [Effect::Start(Choice::Resume("/runs/owl".into()))]);
        // The host that only shows it ends meanwhile.
        app.message(Message::Goodbye("the host ended".into()));
        assert_eq!(said(&app), "going on with owl…");
        app.failed_to_start(Error::new("no checkpoint is whole"));
        assert!(app.welcome.is_none() && said(&app).contains("no checkpoint is whole"));
        for (state, why) in [(State::Finished, "fork it"), (State::Training, "has not ended")] {
            let mut app = with_status(state);
            press(&mut app, "C");
            assert!(app.take_effects().is_empty() && said(&app).contains(why), "{}", said(&app));
        }
    }

    #[test]
    fn undo_asks_where_steps_go_back_too() {
        let mut app = testing::sample_app();
        press(&mut app, "u");
        assert_eq!(said(&app), "nothing to undo: nothing was changed by hand in this phase");
        let undo = |step| Some(Undoable { effect: "froze block.0-3".into(), step });
        let status = |undo| testing::undoable(undo);
        app.message(status(undo(1_200)));
        press(&mut app, "u");
        assert_eq!(app.take_requests().pop().unwrap().ask, Ask::Steer(crate::protocol::Command::Undo));
        app.message(status(undo(1_163)));
        press(&mut app, "u");
        let Some(Overlay::Confirm(confirm)) = &app.overlay else { panic!("not asked") };
        assert!(confirm.question(&app.mirror).contains("The run goes back 37 steps"));
        // Somebody else changed something.
        app.message(status(undo(1_190)));
        press(&mut app, "y");
        assert!(app.take_requests().is_empty() && said(&app).starts_with("not undone"));
        press(&mut app, "u y");
        assert_eq!(app.take_requests().pop().unwrap().ask, Ask::Steer(crate::protocol::Command::Undo));
    }
}
