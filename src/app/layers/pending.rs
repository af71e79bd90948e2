//! What was asked for and has not taken effect: shown beside what is.

use crate::protocol::{Answer, Group, Status};
use std::collections::BTreeMap;

/// What was asked of one group.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Wish {
    pub trains: Option<bool>,
    pub multiplier: Option<f64>,
}

impl Wish {
    pub fn trains(trains: bool) -> Self {
        Self { trains: Some(trains), multiplier: None }
    }

    pub fn multiplier(multiplier: f64) -> Self {
        Self { trains: None, multiplier: Some(multiplier) }
    }

    pub fn is_some(&self) -> bool {
        *self != Self::default()
    }
}

/// One command that was sent.
#[derive(Clone, Debug)]
struct Sent {
    id: u64,
    wishes: BTreeMap<Group, Wish>,
}

/// Commands on their way, the newest last.
#[derive(Clone, Debug, Default)]
pub struct Pending {
    sent: Vec<Sent>,
}

impl Pending {
    pub fn push(&mut self, id: u64, wishes: impl IntoIterator<Item = (Group, Wish)>) {
        self.sent.push(Sent { id, wishes: wishes.into_iter().collect() });
    }

    /// For a connection that ended: answers will not come.
    pub fn clear(&mut self) {
        self.sent.clear();
    }

    /// What was asked of this group last.
    pub fn wish(&self, group: Group) -> Wish {
        let of_group = self.sent.iter().filter_map(|sent| sent.wishes.get(&group));
        of_group.fold(Wish::default(), |earlier, wish| Wish {
            trains: wish.trains.or(earlier.trains),
            multiplier: wish.multiplier.or(earlier.multiplier),
        })
    }

    /// A command was refused, or took effect. The status that shows its effect may still be on its way; the one that is
    /// here is brought forward to it, so that no cell falls back to what it was in between.
    pub fn answered(&mut self, id: u64, answer: &Answer, status: Option<&mut Status>) {
        let Some(at) = self.sent.iter().position(|sent| sent.id == id) else { return };
        let sent = self.sent.remove(at);
        if let (Answer::Applied { step, .. }, Some(status)) = (answer, status)
            && status.step <= *step
        {
            bring_forward(status, &sent, *step);
        }
    }
}

fn bring_forward(status: &mut Status, sent: &Sent, step: u64) {
    status.step = step;
    for state in &mut status.groups {
        let Some(wish) = sent.wishes.get(&state.group) else { continue };
        state.trainable = wish.trains.unwrap_or(state.trainable);
        state.multiplier = wish.multiplier.unwrap_or(state.multiplier);
    }
}
