//! Which lane to add: what this run has, or any name that is typed.

use crate::app::line::Line;
use crate::app::mirror::Mirror;
use crate::protocol::{Event, Lane};

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
    /// What can be chosen: base and live, this run's checkpoints from the newest on, and at last the typed name.
    pub fn choices(&self, mirror: &Mirror) -> Vec<Choice> {
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
        choices.retain(|choice| choice.lane.to_string().to_lowercase().contains(&wanted));
        let typed = Lane::Checkpoint(self.typed.text().trim().to_string());
        if !wanted.is_empty() && !choices.iter().any(|choice| choice.lane == typed) {
            choices.push(Choice { lane: typed, about: "a folder, RUN, RUN@STEP, RUN@PHASE or RUN@best".into() });
        }
        choices
    }
}
