//! Which lane to add: what this run has, or any name that is typed.

use crate::app::line::Line;
use crate::app::mirror::Mirror;
use crate::protocol::{Event, Lane, Share, mixture};

/// The list of lanes that can be added, open in the pane.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picker {
    pub selected: usize,
    /// Filters the list; what is no part of it is a name of its own.
    pub typed: Line,
}

/// A line of the list.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    pub lane: Lane,
    /// Where it comes from.
    pub about: String,
}

impl Picker {
    /// What can be chosen: base and live, this run's checkpoints from the newest on, half way between base and live, and at
    /// last the typed name. A blend or graft that is typed stands alone; one that is not written out yet is nothing.
    pub fn choices(&self, mirror: &Mirror) -> Vec<Choice> {
        if let Some(typed) = mixture(self.typed.text()).filter(|typed| typed.is_ok() || self.is_graft()) {
            return typed.map(|lane| Choice { lane, about: "of base and live".into() }).into_iter().collect();
        }
        let wanted = self.typed.text().trim().to_lowercase();
        let mut choices = vec![
            Choice { lane: Lane::Base, about: "what this phase started from".into() },
            Choice { lane: Lane::Live, about: "what is being trained".into() },
        ];
        let run = mirror.welcome.as_ref().map_or("", |welcome| welcome.run.as_str());
        let saved = mirror.events.iter().rev().filter_map(|event| match event {
            Event::Checkpoint(saved) => Some(saved),
            _ => None,
        });
        for checkpoint in saved {
            let lane = Lane::Checkpoint(format!("{run}@{}", checkpoint.step));
            if !choices.iter().any(|choice| choice.lane == lane) {
                choices.push(Choice { lane, about: format!("checkpoint of {}", checkpoint.phase) });
            }
        }
        let about = "half way from base to live; - and + move it".into();
        choices.push(Choice { lane: Lane::Blend(Share::HALF), about });
        choices.retain(|choice| choice.lane.to_string().to_lowercase().contains(&wanted));
        let typed = Lane::Checkpoint(self.typed.text().trim().to_string());
        if !wanted.is_empty() && !choices.iter().any(|choice| choice.lane == typed) {
            choices.push(Choice { lane: typed, about: "a folder, RUN, RUN@STEP, RUN@best, blend:A:B:0.3…".into() });
        }
        choices
    }

    /// Why what is typed is no lane yet.
    pub fn problem(&self) -> Option<String> {
        let error = mixture(self.typed.text())?.err()?;
        Some(error.next.map_or(error.what.clone(), |next| format!("{}: {next}", error.what)))
    }

    /// No name of a checkpoint begins so.
    fn is_graft(&self) -> bool {
        self.typed.text().trim_start().starts_with("graft ")
    }
}
