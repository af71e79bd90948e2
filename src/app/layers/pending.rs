//! What was asked for and has not taken effect: shown beside what is.

use crate::protocol::{Answer, Group, GroupState, Status};
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

    fn is_met(&self, state: &GroupState) -> bool {
        let meets = |wanted: f64| (wanted - state.multiplier).abs() <= wanted.abs() * 1e-6;
        self.trains.is_none_or(|trains| trains == state.trainable) && self.multiplier.is_none_or(meets)
    }
}

/// One command that was sent.
#[derive(Clone, Debug)]
struct Sent {
    id: u64,
    wishes: BTreeMap<Group, Wish>,
    /// The step after which it took effect, once that was said.
    applied_at: Option<u64>,
}

/// Commands on their way, the newest last.
#[derive(Clone, Debug, Default)]
pub struct Pending {
    sent: Vec<Sent>,
}

impl Pending {
    pub fn push(&mut self, id: u64, wishes: impl IntoIterator<Item = (Group, Wish)>) {
        self.sent.push(Sent { id, wishes: wishes.into_iter().collect(), applied_at: None });
    }

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

    /// A command was refused: nothing is asked for any longer. Or it took effect: the status that shows it may still be
    /// on its way, and until it is there the cells do not fall back to what they were.
    pub fn answered(&mut self, id: u64, answer: &Answer, status: Option<&Status>) {
        match answer {
            Answer::Refused(_) => self.sent.retain(|sent| sent.id != id),
            Answer::Applied { step, .. } => {
                self.sent.iter_mut().filter(|sent| sent.id == id).for_each(|sent| sent.applied_at = Some(*step));
            }
            Answer::Sample(_) | Answer::Corpus(_) => {}
        }
        self.settle(status);
    }

    /// Forgets what the status shows.
    pub fn settle(&mut self, status: Option<&Status>) {
        let Some(status) = status else { return self.clear() };
        self.sent.retain(|sent| match sent.applied_at {
            None => true,
            Some(step) => status.step <= step && !is_shown(sent, status),
        });
    }
}

fn is_shown(sent: &Sent, status: &Status) -> bool {
    let states = status.groups.iter();
    let mut wished = states.filter_map(|state| Some((sent.wishes.get(&state.group)?, state)));
    wished.all(|(wish, state)| wish.is_met(state))
}
